"""assets.extra/recserve.json: whether and how queued calls of a servable may be merged."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from serving.contract import MODEL_HINTS_FILE
from serving.errors import invalid_argument


@dataclass(frozen=True, slots=True)
class MergeHints:
    """What a trainer promises about its servable: rows are independent, padding is neutral."""

    largest_batch: int
    """Rows of a merged call."""
    width_buckets: tuple[int, ...]
    """Ascending; calls are merged if each of their widths rounds up to the same of these."""
    padding: Mapping[np.dtype, object]
    """Dtype -> the element that changes no answer when a row is widened by it."""


def read_merge_hints(folder: Path) -> MergeHints | None:
    """The hints of a version's folder; None where calls must not be merged.

    Raises:
      ServingError: INVALID_ARGUMENT, the file is there and malformed.
    """
    file = folder / MODEL_HINTS_FILE
    if not file.exists():
        return None
    try:
        hints = json.loads(file.read_text(encoding="utf-8"))
        if hints["merge_calls"] is not True:
            return None
        return MergeHints(
            largest_batch=int(hints["largest_batch"]),
            width_buckets=tuple(sorted(int(width) for width in hints["width_buckets"])),
            padding={_dtype(name): _element(value) for name, value in hints["padding"].items()},
        )
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise invalid_argument(f"{file}: {type(error).__name__}: {error}") from error


def _dtype(name: str) -> np.dtype:
    return np.dtype(object if name == "string" else name)


def _element(value: object) -> object:
    return value.encode() if isinstance(value, str) else value
