"""Opens the engine of a release, or says why there is none."""

from __future__ import annotations

from typing import Final

from server.engine.arrays import read_arrays
from server.engine.engine import Engine
from server.features.catalogue import Catalogue
from serving.contract import ENGINE_PART, ContractError, Manifest, ModelsDir

_NOTE: Final = "no part for the in-process engine: "
"""How the trainer's note begins that says why."""


def open_engine(
    models: ModelsDir, manifest: Manifest, catalogue: Catalogue
) -> tuple[Engine | None, str]:
    """The engine, or None and a sentence; a release need not have one.

    Args:
      models: the models folder.
      manifest: of the release.
      catalogue: of its snapshot.
    """
    if ENGINE_PART not in manifest.parts:
        notes = [note.removeprefix(_NOTE) for note in manifest.notes if note.startswith(_NOTE)]
        why = notes[0] if notes else "it was trained before there was one"
        return None, f"it has no part for the in-process engine: {why}"
    folder = models.part(ENGINE_PART, manifest.release_version)
    try:
        arrays = read_arrays(folder, manifest, len(catalogue.movies))
    except (ContractError, OSError) as error:
        return None, str(error)
    return Engine(arrays, catalogue.index, manifest), ""
