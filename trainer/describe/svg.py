"""Plots as SVG text that follows the page's colours, so that light and dark are one file.

Classes, not colours, are written: the page's style says what .mark, .second, .axis and .label look
like. Each mark carries a title, which browsers show on hover and screen readers read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

import numpy as np
from numpy.typing import NDArray

WIDTH: Final = 400
"""Units of the drawing; small, so that its text stays legible on a phone."""
HEIGHT: Final = 230
_LEFT: Final = 44
_RIGHT: Final = 8
_TOP: Final = 18
_BOTTOM: Final = 34
_INNER_WIDTH: Final = WIDTH - _LEFT - _RIGHT
_INNER_HEIGHT: Final = HEIGHT - _TOP - _BOTTOM


@dataclass(frozen=True, eq=False)
class Curve:
    """A line through points, of one of two classes."""

    label: str
    x: NDArray[np.float64]
    """[P] in [0, 1]"""
    y: NDArray[np.float64]
    """[P] in [0, 1]"""
    style: str
    """"mark" or "second"."""


def columns(name: str, labels: Sequence[str], values: Sequence[int], unit: str) -> str:
    """One column for each label, as high as its value."""
    top = _round_up(max(values, default=0))
    slot = _INNER_WIDTH / max(len(values), 1)
    parts = [_grid([(i / 4, _short(top * i / 4)) for i in range(5)])]
    # Labels need about 30 units each.
    step = max(1, -(-30 * len(labels) // _INNER_WIDTH))
    for i, (label, value) in enumerate(zip(labels, values, strict=True)):
        height = _INNER_HEIGHT * value / top
        x = _LEFT + slot * i
        parts.append(
            f'<rect class="mark" x="{x + slot * 0.1:.1f}" y="{_TOP + _INNER_HEIGHT - height:.1f}" '
            f'width="{slot * 0.8:.1f}" height="{height:.1f}">'
            f"<title>{escape(label)}: {value:,} {escape(unit)}</title></rect>"
        )
        if i % step == 0:
            parts.append(_text(x + slot / 2, HEIGHT - 16, label, "middle"))
    return _figure(name, parts)


def curves(name: str, lines: Sequence[Curve], x_name: str, level: float) -> str:
    """Shares against shares, both in percent, with a dashed line at a level of y."""
    parts = [_grid([(i / 4, f"{25 * i} %") for i in range(5)])]
    for i in range(5):
        anchor = ("start", "middle", "middle", "middle", "end")[i]
        parts.append(_text(_LEFT + _INNER_WIDTH * i / 4, HEIGHT - 20, f"{25 * i} %", anchor))
    parts.append(_text(_LEFT + _INNER_WIDTH / 2, HEIGHT - 5, x_name, "middle"))
    y = _TOP + _INNER_HEIGHT * (1 - level)
    parts.append(f'<path class="level" d="M{_LEFT} {y:.1f}H{WIDTH - _RIGHT}"/>')
    for line in lines:
        points = " ".join(
            f"{_LEFT + _INNER_WIDTH * a:.1f},{_TOP + _INNER_HEIGHT * (1 - b):.1f}"
            for a, b in zip(line.x, line.y, strict=True)
        )
        parts.append(
            f'<polyline class="line {line.style}" points="{points}">'
            f"<title>{escape(line.label)}</title></polyline>"
        )
    return _figure(name, parts)


def _figure(name: str, parts: Sequence[str]) -> str:
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(name)}">'
        + "".join(parts)
        + "</svg>"
    )


def _grid(ticks: Sequence[tuple[float, str]]) -> str:
    lines = []
    for share, label in ticks:
        y = _TOP + _INNER_HEIGHT * (1 - share)
        lines.append(f'<path class="axis" d="M{_LEFT} {y:.1f}H{WIDTH - _RIGHT}"/>')
        lines.append(_text(_LEFT - 5, y + 4, label, "end"))
    return "".join(lines)


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return (
        f'<text class="label" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
    )


def _round_up(value: float) -> float:
    """The next number whose quarters are short, such as 12, 16, 20 or 24 times a power of ten."""
    power = 10 ** np.floor(np.log10(max(value, 1)))
    return float(
        next(
            power * step
            for step in (1, 1.2, 1.6, 2, 2.4, 3.2, 4, 6, 8, 10)
            if value <= power * step
        )
    )


def _short(value: float) -> str:
    for size, letter in ((1e6, " M"), (1e3, " k")):
        if value >= size:
            return f"{value / size:g}{letter}"
    return f"{value:g}"
