"""Ops that TensorFlow does not have: ScaNN's, which its package registers when it is imported."""

from __future__ import annotations

import importlib
from pathlib import Path

from serving.errors import not_found

_SCANN_PREFIX = b"Scann>"


def register_custom_ops(folder: Path) -> None:
    """Imports what the graph in `folder` needs beyond TensorFlow.

    Raises:
      ServingError: NOT_FOUND, it needs ScaNN, which is not installed or does not fit.
    """
    try:
        graph = (folder / "saved_model.pb").read_bytes()
    except OSError:
        return  # the loader tells in its own words what is missing
    if _SCANN_PREFIX not in graph:
        return
    try:
        importlib.import_module("scann")
    except ImportError as error:
        raise not_found(
            f"the model in {folder} searches a ScaNN index, and the Python package scann, which "
            "has the ops for it, cannot be imported: install the extra recserve[scann] beside "
            f"this model server, or serve the exact variant of the model ({error})"
        ) from error
