"""The arrays of a release beside its SavedModel, so that an index can be built without training.

``assets.extra/towers.npz`` of `recommend`: every field of `Towers`, a nested one as "outer.inner",
the n-th of several arrays as "field.n"; where a field holds one of several classes, "field" names
it. What is None is left out. A model server does not read it.
"""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from itertools import count, takewhile
from pathlib import Path
from types import NoneType
from typing import Any, Final, get_args, get_origin, get_type_hints

import numpy as np
from numpy.typing import NDArray

from serving.contract import ContractError
from trainer.export.ingredients import Towers

TOWERS_FILE: Final = "assets.extra/towers.npz"


def write_towers(saved_model: Path, towers: Towers) -> None:
    """Saves them with the `recommend` of a release."""
    path = saved_model / TOWERS_FILE
    path.parent.mkdir(exist_ok=True)
    arrays: dict[str, Any] = _arrays(Towers, towers, "")
    np.savez(path, **arrays)


def read_towers(saved_model: Path) -> Towers:
    """The towers as they were saved.

    Raises:
      ContractError: the release was made by an older version.
    """
    path = saved_model / TOWERS_FILE
    if not path.is_file():
        raise ContractError(f"{path}: missing; train again, then tune the index")
    with np.load(path) as arrays:
        try:
            towers: Towers = _restored(Towers, dict(arrays), "")
        except KeyError as error:
            name = error.args[0]
            raise ContractError(f"{path}: no {name}; train again, then tune the index") from error
    return towers


def _arrays(cls: type[Any], value: Any, prefix: str) -> dict[str, NDArray[Any]]:
    found: dict[str, NDArray[Any]] = {}
    hints = get_type_hints(cls)
    for field in fields(cls):
        content, kind, name = getattr(value, field.name), hints[field.name], prefix + field.name
        if is_dataclass(content):
            if _kinds(kind):
                found[name] = np.array(type(content).__name__)
            found |= _arrays(type(content), content, f"{name}.")
        elif _holds_arrays(kind):
            found |= {f"{name}.{number}": array for number, array in enumerate(content)}
        elif content is not None:
            found[name] = np.asarray(content)
    return found


def _restored(cls: type[Any], arrays: dict[str, NDArray[Any]], prefix: str) -> Any:
    hints = get_type_hints(cls)
    return cls(
        **{
            field.name: _value(hints[field.name], arrays, prefix + field.name)
            for field in fields(cls)
        }
    )


def _value(kind: Any, arrays: dict[str, NDArray[Any]], name: str) -> Any:
    if kinds := _kinds(kind):
        return _restored(kinds[arrays[name].item()], arrays, f"{name}.")
    if isinstance(kind, type) and is_dataclass(kind):
        return _restored(kind, arrays, f"{name}.")
    if _holds_arrays(kind):
        numbers = takewhile(lambda number: f"{name}.{number}" in arrays, count())
        return tuple(arrays[f"{name}.{number}"] for number in numbers)
    if NoneType in get_args(kind):
        if name not in arrays:
            return None
        (kind,) = (option for option in get_args(kind) if option is not NoneType)
    if get_origin(kind) is tuple:
        return tuple(arrays[name].tolist())
    return arrays[name] if get_origin(kind) is np.ndarray else arrays[name].item()


def _kinds(kind: Any) -> dict[str, type[Any]]:
    """The classes by name of a field that holds one of several; empty for any other field."""
    options = [option for option in get_args(kind) if isinstance(option, type)]
    return {option.__name__: option for option in options if is_dataclass(option)}


def _holds_arrays(kind: Any) -> bool:
    """Whether a field is a tuple of arrays of different shapes."""
    return get_origin(kind) is tuple and get_origin(get_args(kind)[0]) is np.ndarray
