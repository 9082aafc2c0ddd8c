"""The arrays of a release beside its SavedModel, so that an index can be built without training.

``assets.extra/towers.npz`` of `recommend`: every field of `Towers`, a nested one as "outer.inner".
A model server does not read it.
"""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, Final, get_type_hints

import numpy as np
from numpy.typing import NDArray

from serving.contract import ContractError
from trainer.export.ingredients import Towers

TOWERS_FILE: Final = "assets.extra/towers.npz"


def write_towers(saved_model: Path, towers: Towers) -> None:
    """Saves them with the `recommend` of a release."""
    path = saved_model / TOWERS_FILE
    path.parent.mkdir(exist_ok=True)
    np.savez(path, **_arrays(Towers, towers, ""))


def read_towers(saved_model: Path) -> Towers:
    """The towers as they were saved.

    Raises:
      ContractError: the release has none: it was made by an older version.
    """
    path = saved_model / TOWERS_FILE
    if not path.is_file():
        raise ContractError(f"{path}: missing; train again, then tune the index")
    with np.load(path) as arrays:
        towers: Towers = _restored(Towers, dict(arrays), "")
    return towers


def _arrays(cls: type, value: Any, prefix: str) -> dict[str, NDArray[Any]]:
    found: dict[str, NDArray[Any]] = {}
    hints = get_type_hints(cls)
    for field in fields(cls):
        content, name = getattr(value, field.name), prefix + field.name
        if is_dataclass(hints[field.name]):
            found |= _arrays(hints[field.name], content, f"{name}.")
        else:
            found[name] = np.asarray(content)
    return found


def _restored(cls: type, arrays: dict[str, NDArray[Any]], prefix: str) -> Any:
    values: dict[str, Any] = {}
    for field_name, kind in get_type_hints(cls).items():
        name = prefix + field_name
        if is_dataclass(kind):
            values[field_name] = _restored(kind, arrays, f"{name}.")
        elif kind in (float, int):
            values[field_name] = kind(arrays[name])
        elif getattr(kind, "__origin__", None) is tuple:
            values[field_name] = tuple(arrays[name].tolist())
        else:
            values[field_name] = arrays[name]
    return cls(**values)
