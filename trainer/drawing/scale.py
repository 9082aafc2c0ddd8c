"""Round numbers for axes, and numbers written short."""

from __future__ import annotations

from typing import Final

import numpy as np

_STEPS: Final = (1, 2, 2.5, 5, 10)


def nice_ticks(low: float, high: float, most: int = 5) -> tuple[float, ...]:
    """Multiples of a round step inside [low, high], at most `most` of them; high > low."""
    power = 10.0 ** np.floor(np.log10((high - low) / most))
    for step in (power * factor for factor in (*_STEPS, 20, 25, 50)):
        first, last = int(np.ceil(low / step - 1e-9)), int(np.floor(high / step + 1e-9))
        if last - first + 1 <= most:
            break
    return tuple(float(f"{i * step:.10g}") for i in range(first, last + 1))


def ticks_from_zero(highest: float) -> tuple[float, ...]:
    """Zero and four equal steps up to a round number that is not below `highest`."""
    power = 10 ** np.floor(np.log10(max(highest, 1)))
    top = next(
        power * step for step in (1, 1.2, 1.6, 2, 2.4, 3.2, 4, 6, 8, 10) if highest <= power * step
    )
    return tuple(float(top * i / 4) for i in range(5))


def short(value: float) -> str:
    """A number with its thousands or millions as a letter: "34.2 k"."""
    for size, letter in ((1e6, " M"), (1e3, " k")):
        if abs(value) >= size:
            return f"{value / size:.3g}{letter}"
    return f"{value:g}"
