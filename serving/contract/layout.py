"""Where everything of a release lies below one models folder.

::

    <servable>/<version>/                    a SavedModel
    <servable>/<version>/assets.extra/recserve.json   how calls may be merged
    features/<version>/                      the snapshot (see snapshot.py)
    releases/<version>.json                  the manifest
    releases/active.json                     what is live: the commit of a publish
    staging/<id>/                            a release being made; never an integer name
    models.config, models.container.config   for the model server

A folder whose name is no integer is invisible to TensorFlow Serving.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from serving.contract.signatures import FEATURES_PART

MODEL_HINTS_FILE: Final = "assets.extra/recserve.json"
MANIFEST_FILE: Final = "manifest.json"
"""The manifest's name while the release is staged."""

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


def model_config_text(base_dir: str, versions: dict[str, tuple[int, ...]]) -> str:
    """A `--model_config_file` that pins versions, in protobuf text format.

    Args:
      base_dir: the models folder as the model server sees it.
      versions: servable name -> versions to keep loaded.
    """
    blocks = []
    for name, pinned in versions.items():
        lines = " ".join(f"versions: {version}" for version in sorted(pinned))
        blocks.append(
            "  config {\n"
            f'    name: "{name}"\n'
            f'    base_path: "{base_dir.rstrip("/")}/{name}"\n'
            '    model_platform: "tensorflow"\n'
            f"    model_version_policy {{ specific {{ {lines} }} }}\n"
            "  }\n"
        )
    return "model_config_list {\n" + "".join(blocks) + "}\n"
