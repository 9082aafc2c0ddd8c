"""Where everything of a release lies below one models folder.

::

    <servable>/<version>/                    a SavedModel
    <servable>/<version>/assets.extra/recserve.json   how calls may be merged
    features/<version>/                      the snapshot (see snapshot.py)
    engine/<version>/                        optional: the in-process engine's arrays (engine.py)
    releases/<version>.json                  the manifest
    releases/active.json                     what is live: the commit of a publish
    releases/highest_version                 the highest version that gc ever removed
    staging/<id>/                            a release being made; never an integer name
    models.config, models.container.config   for the model server: which versions, which labels
    batching.config, monitoring.config       for the model server

A folder whose name is no integer is invisible to TensorFlow Serving.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

from serving.contract.signatures import FEATURES_PART, OPTIONAL_SERVABLES

MODEL_HINTS_FILE: Final = "assets.extra/recserve.json"
WARMUP_FILE: Final = "assets.extra/tf_serving_warmup_requests"
"""Calls that a model server makes before a version becomes AVAILABLE."""
MANIFEST_FILE: Final = "manifest.json"
"""The manifest's name while the release is staged: what has one is complete and verified."""

BATCH_SIZES: Final = (1, 2, 4, 8, 16, 32, 64)
"""Sizes to which a model server may pad merged calls; the last one is the largest batch."""

CONTAINER_MODELS_DIR: Final = "/models"


@dataclass(frozen=True, slots=True)
class ModelsDir:
    """The paths below one models folder; touches nothing."""

    root: Path

    def part(self, name: str, version: int) -> Path:
        """Folder of a servable, or of the features, of one release."""
        return self.root / name / str(version)

    def features(self, version: int) -> Path:
        return self.part(FEATURES_PART, version)

    @property
    def releases(self) -> Path:
        return self.root / "releases"

    def manifest(self, version: int) -> Path:
        return self.releases / f"{version}.json"

    @property
    def active(self) -> Path:
        return self.releases / "active.json"

    @property
    def staging(self) -> Path:
        return self.root / "staging"

    @property
    def model_config(self) -> Path:
        return self.root / "models.config"

    @property
    def container_model_config(self) -> Path:
        return self.root / "models.container.config"

    @property
    def batching_config(self) -> Path:
        return self.root / "batching.config"

    @property
    def monitoring_config(self) -> Path:
        return self.root / "monitoring.config"

    @property
    def highest_version(self) -> Path:
        return self.releases / "highest_version"


def model_config_text(
    base_dir: str,
    versions: Mapping[str, tuple[int, ...]],
    labels: Mapping[str, int] = MappingProxyType({}),
) -> str:
    """A `--model_config_file` that pins versions, in protobuf text format.

    Args:
      base_dir: the models folder as the model server sees it.
      versions: servable name -> versions to keep loaded.
      labels: label -> version, for each required servable that has the version. A server refuses
        a file with a label for a version that it lacks, and optional servables may be lacking.
    """
    blocks = []
    for name, pinned in versions.items():
        lines = " ".join(f"versions: {version}" for version in sorted(pinned))
        labelled = "".join(
            f'    version_labels {{ key: "{label}" value: {version} }}\n'
            for label, version in labels.items()
            if version in pinned and name not in OPTIONAL_SERVABLES
        )
        blocks.append(
            "  config {\n"
            f'    name: "{name}"\n'
            f'    base_path: "{base_dir.rstrip("/")}/{name}"\n'
            '    model_platform: "tensorflow"\n'
            f"    model_version_policy {{ specific {{ {lines} }} }}\n"
            f"{labelled}"
            "  }\n"
        )
    return "model_config_list {\n" + "".join(blocks) + "}\n"
