"""The manifest of a release and the pointer to the live one: JSON with a checked schema."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from serving.contract.layout import ModelsDir
from serving.contract.signatures import (
    FEATURES_PART,
    READABLE_VERSIONS,
    REQUIRED_SERVABLES,
)


class ContractError(ValueError):
    """What is on disk breaks the contract; the message names the file and the field."""


@dataclass(frozen=True, slots=True)
class GoldenRequest:
    """A recorded call that every copy of the release must answer alike.

    Scores and ratings agree within 1e-4; ids agree as sets where scores tie.
    """

    servable: str
    signature: str
    inputs: Mapping[str, Any]
    """Nested lists, shaped as contract.signatures says."""
    outputs: Mapping[str, Any]
    """Some of the outputs, likewise."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """`releases/<version>.json`: everything that a reader needs to trust and use a release."""

    contract_version: int
    release_version: int
    """Positive, never reused; 0 while the release is staged."""
    created_at: str
    """UTC, ISO 8601."""
    dataset: Mapping[str, Any]
    """name, source, sha256 of the typed table, counts, rejected and repaired rows."""
    split: Mapping[str, Any]
    """name, its parameters, rows in train, validation and test."""
    rating_range: tuple[float, float]
    genres: tuple[str, ...]
    """Genre g is bit g % 64 of word g // 64 of a mask."""
    max_history: int
    """Longest history that the graphs take; callers keep the newest."""
    vector_dim: int
    """D."""
    rating_dim: int
    """R."""
    rating_weight: float
    """Weight of z(rating) in the final order, chosen on validation."""
    models: Mapping[str, str]
    """Model behind each servable: {"ranking": "dot_bias", ...}."""
    notes: tuple[str, ...]
    """What a reader should know: inputs that these models ignore, fallbacks taken."""
    hyper_parameters: Mapping[str, Mapping[str, Any]]
    metrics: Mapping[str, Any]
    parts: Mapping[str, Mapping[str, str]]
    """Part name -> {file relative to the part: sha256}; every file of the part."""
    golden_requests: tuple[GoldenRequest, ...] = field(default=())

    def to_json(self) -> str:
        return json.dumps(asdict(self), ensure_ascii=False, indent=1) + "\n"


@dataclass(frozen=True, slots=True)
class Active:
    """`releases/active.json`: which releases are live."""

    stable: int
    candidate: int | None = None
    share: float = 0.0
    """Share of users that the candidate answers, 0..1."""
    retained: tuple[int, ...] = ()
    """Versions kept loaded and on disk beside these two."""

    def to_json(self) -> str:
        return json.dumps(asdict(self)) + "\n"

    def versions(self) -> tuple[int, ...]:
        """Every version that must stay loaded, ascending."""
        named = {self.stable, *self.retained} | ({self.candidate} if self.candidate else set())
        return tuple(sorted(named))


def _read_object(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise
    except (OSError, ValueError) as error:
        raise ContractError(f"{path}: not readable as JSON: {error}") from error
    if not isinstance(content, dict):
        raise ContractError(f"{path}: expected a JSON object, found {type(content).__name__}")
    return content


def _require(condition: bool, path: Path, message: str) -> None:
    if not condition:
        raise ContractError(f"{path}: {message}")


def parse_manifest(content: dict[str, Any], path: Path) -> Manifest:
    """Checks and types a manifest that was read from `path`.

    Raises:
      ContractError: a field is missing, or breaks the contract.
    """
    contract_version = content.get("contract_version")
    _require(
        contract_version in READABLE_VERSIONS,
        path,
        f"contract_version is {contract_version!r},"
        f" this code speaks {' and '.join(map(str, READABLE_VERSIONS))}",
    )
    known = {f.name for f in fields(Manifest)}
    missing = sorted(known - set(content) - {"golden_requests"})
    _require(not missing, path, f"missing fields: {', '.join(missing)}")
    version = content["release_version"]
    _require(isinstance(version, int) and version >= 0, path, "release_version must be >= 0")
    low, high = content["rating_range"]
    _require(low < high, path, f"rating_range {low}..{high} is empty")
    for name in ("max_history", "vector_dim", "rating_dim"):
        _require(isinstance(content[name], int) and content[name] > 0, path, f"{name} must be > 0")
    lacking = [p for p in (*REQUIRED_SERVABLES, FEATURES_PART) if not content["parts"].get(p)]
    _require(not lacking, path, f"required parts missing: {', '.join(lacking)}")
    typed = {name: content[name] for name in known if name in content}
    typed["rating_range"] = (float(low), float(high))
    typed["genres"] = tuple(content["genres"])
    typed["notes"] = tuple(content["notes"])
    typed["golden_requests"] = tuple(
        GoldenRequest(**golden) for golden in content.get("golden_requests", ())
    )
    return Manifest(**typed)


def read_manifest(path: Path) -> Manifest:
    """The manifest at `path`.

    Raises:
      FileNotFoundError: there is none.
      ContractError: it is corrupt or of another contract.
    """
    return parse_manifest(_read_object(path), path)


def read_active(models: ModelsDir) -> Active | None:
    """The live releases, or None when nothing was ever published.

    Raises:
      ContractError: active.json is corrupt.
    """
    try:
        content = _read_object(models.active)
    except FileNotFoundError:
        return None
    stable = content.get("stable")
    if not (isinstance(stable, int) and stable > 0):
        raise ContractError(f"{models.active}: stable is {stable!r}, must be a version > 0")
    share = content.get("share", 0.0)
    _require(0.0 <= share <= 1.0, models.active, f"share is {share}, allowed 0..1")
    return Active(
        stable=stable,
        candidate=content.get("candidate"),
        share=float(share),
        retained=tuple(content.get("retained", ())),
    )


def sha256_of(path: Path) -> str:
    """Hex SHA-256 of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def list_files(folder: Path) -> dict[str, str]:
    """{relative path: sha256} of every file below `folder`, sorted."""
    return {
        path.relative_to(folder).as_posix(): sha256_of(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def verify_part(manifest: Manifest, name: str, folder: Path) -> None:
    """Compares a part on disk with its checksums.

    Raises:
      ContractError: a file is missing, or its content is another one.
    """
    for relative, expected in manifest.parts[name].items():
        path = folder / relative
        if not path.is_file():
            raise ContractError(f"{path}: missing, the manifest lists it")
        if sha256_of(path) != expected:
            raise ContractError(f"{path}: SHA-256 differs from the manifest's")
