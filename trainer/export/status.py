"""What a models folder holds: live releases, others on disk, staged ones, leftovers, labels."""

from __future__ import annotations

from dataclasses import dataclass, field

from serving.contract import Active, ModelsDir, read_active, read_manifest
from trainer.export.gc import leftovers
from trainer.export.release import published_versions, staged_ids
from trainer.export.server_configs import live_labels, written_labels


@dataclass(frozen=True, slots=True)
class ReleaseStatus:
    """One published release."""

    version: int
    role: str
    """stable, candidate, retained, or "" where it is on disk alone."""
    created_at: str
    dataset: str
    test_metrics: dict[str, float]
    lacking_parts: list[str]
    """Parts that the manifest lists and the disk lacks."""


@dataclass(frozen=True, slots=True)
class ModelsStatus:
    """A models folder at one moment."""

    models_dir: str
    stable: int | None
    candidate: int | None
    share: float
    retained: list[int]
    releases: list[ReleaseStatus]
    staged: list[str]
    leftovers: list[str]
    """What cut-off commands left behind; `gc` removes it."""
    labels: dict[str, int]
    """Label -> release in models.config."""
    labels_wanted: dict[str, int] = field(default_factory=dict)
    """Where the labels belong."""
    available: dict[str, bool] = field(default_factory=dict)
    """"<servable>/<version>" -> AVAILABLE, when a model server was asked."""


def models_status(models: ModelsDir) -> ModelsStatus:
    """Reads the folder; changes nothing.

    Raises:
      ContractError: active.json, a manifest or models.config is damaged.
    """
    active = read_active(models)
    releases = []
    for version in published_versions(models):
        manifest = read_manifest(models.manifest(version))
        releases.append(
            ReleaseStatus(
                version=version,
                role=_role(version, active),
                created_at=manifest.created_at,
                dataset=str(manifest.dataset.get("name", "")),
                test_metrics=dict(manifest.metrics.get("test", {})),
                lacking_parts=[p for p in manifest.parts if not models.part(p, version).is_dir()],
            )
        )
    return ModelsStatus(
        models_dir=str(models.root),
        stable=active.stable if active else None,
        candidate=active.candidate if active else None,
        share=active.share if active else 0.0,
        retained=list(active.retained) if active else [],
        releases=releases,
        staged=staged_ids(models),
        leftovers=leftovers(models),
        labels=written_labels(models),
        labels_wanted=live_labels(active) if active else {},
    )


def _role(version: int, active: Active | None) -> str:
    if active is None or version not in active.versions():
        return ""
    if version == active.stable:
        return "stable"
    return "candidate" if version == active.candidate else "retained"
