"""Which point of an index's curve of speed and recall counts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def chosen(curve: Mapping[str, Any], least_recall: float) -> dict[str, float]:
    """The fastest point with at least this recall.

    Raises:
      ValueError: no point has it.
    """
    enough = [point for point in curve["points"] if point["recall"] >= least_recall]
    if not enough:
        best = max(point["recall"] for point in curve["points"])
        raise ValueError(f"no point has a recall of {least_recall:g}, the best has {best:.3f}")
    point: dict[str, float] = min(enough, key=lambda one: one["ms"])
    return {**point, "speedup": curve["exact_ms"] / point["ms"]}
