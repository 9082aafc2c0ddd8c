"""Staged releases for tests of publishing: every part is one small file, the manifest is right."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from serving.contract import (
    CONTRACT_VERSION,
    MANIFEST_FILE,
    REQUIRED_SERVABLES,
    Manifest,
    ModelsDir,
    list_files,
    read_active,
)

PARTS = (*REQUIRED_SERVABLES, "features")


def stage(
    models: ModelsDir, release_id: str, content: str = "weights", parts: Sequence[str] = PARTS
) -> Path:
    """A staged release whose parts say `<content> of <part>`."""
    folder = models.staging / release_id
    for part in parts:
        (folder / part / "variables").mkdir(parents=True)
        (folder / part / "variables" / "data").write_text(f"{content} of {part}")
    manifest = Manifest(
        contract_version=CONTRACT_VERSION,
        release_version=0,
        created_at="2026-01-01T00:00:00+00:00",
        dataset={},
        split={},
        rating_range=(1.0, 5.0),
        genres=("Drama",),
        max_history=10,
        vector_dim=4,
        rating_dim=2,
        rating_weight=0.1,
        models={},
        notes=(),
        hyper_parameters={},
        metrics={},
        parts={part: list_files(folder / part) for part in parts},
    )
    (folder / MANIFEST_FILE).write_text(manifest.to_json())
    return folder


def stable_content(models: ModelsDir, part: str = "recommend") -> str:
    """What a part of the stable release says."""
    active = read_active(models)
    assert active is not None
    return (models.part(part, active.stable) / "variables" / "data").read_text()
