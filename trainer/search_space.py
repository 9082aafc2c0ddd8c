"""What a search may try for a model's settings.

A model declares it beside its Config: `SEARCH_SPACE: SearchSpace = {"dim": IntRange(8, 128)}`.
A setting of a setting is "outer.inner". The Config's own defaults must lie inside.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class IntRange:
    """Whole numbers from `low` to `high`, both included."""

    low: int
    high: int
    log: bool = False
    """Drawn evenly by ratio, not by difference: for what spans powers of ten; low is above 0."""


@dataclass(frozen=True, slots=True)
class FloatRange:
    """Numbers from `low` to `high`, both included."""

    low: float
    high: float
    log: bool = False
    """As in IntRange."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One of some values without an order."""

    options: tuple[str | int | float | bool, ...]


Range = IntRange | FloatRange | Choice
SearchSpace = Mapping[str, Range]
