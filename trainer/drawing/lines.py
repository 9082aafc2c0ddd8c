"""A plot of lines that differ in colour, dash and marker, with its legend."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

from trainer.drawing.frame import Frame, svg, text

_MARKERS: Final = {
    "mark": "M-3 0a3 3 0 1 0 6 0a3 3 0 1 0 -6 0z",
    "second": "M-3.8 0L0 -3.8L3.8 0L0 3.8z",
    "third": "M-3.7 2.8L0 -3.7L3.7 2.8z",
    "fourth": "M-2.8 -2.8h5.6v5.6h-5.6z",
    "fifth": "M-3.7 -2.8L0 3.7L3.7 -2.8z",
    "quiet": "M-3.6 -1.3h7.2v2.6h-7.2z",
}
_MOST_MARKERS: Final = 12
"""Of a longer line only some points carry one."""


@dataclass(frozen=True, eq=False)
class Line:
    """Points joined from left to right."""

    label: str
    points: Sequence[tuple[float, float]]
    """(x, y) in the units of the axes."""
    style: str
    """One of SERIES."""
    dash: str = ""
    """"", "dashed" or "dotted"."""
    markers: bool = True


@dataclass(frozen=True)
class Axis:
    """What an axis spans and where it is labelled."""

    title: str
    low: float
    high: float
    """Above `low`."""
    ticks: Sequence[tuple[float, str]]
    """(value, label)."""
    log: bool = False
    """Equal ratios are equally far apart; `low` is above 0 then."""

    def share(self, value: float) -> float:
        """Of `low` = 0 to `high` = 1."""
        if self.log:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)


def plot(
    name: str,
    lines: Sequence[Line],
    x: Axis,
    y: Axis,
    *,
    levels: Sequence[float] = (),
    frame: Frame | None = None,
    description: str = "",
) -> str:
    """The lines over a grid at the ticks of `y`, with dashed lines at `levels` of y.

    The title of `y` stands above the plot, that of `x` below.
    """
    frame = frame or Frame()
    parts = [frame.grid([(y.share(value), label) for value, label in y.ticks])]
    for value, label in x.ticks:
        share = x.share(value)
        # A label at the very edge would stick out of the drawing.
        anchor = "start" if share < 0.01 else "end" if share > 0.99 else "middle"
        parts.append(text(frame.x(share), frame.height - 20, label, anchor))
    parts.append(text(frame.x(0.5), frame.height - 5, x.title))
    if y.title:
        parts.append(text(2, 10, y.title, "start"))
    parts += [frame.level(y.share(level), "level") for level in levels]
    parts += [_line(line, x, y, frame) for line in lines]
    return svg(name, parts, frame, description)


def _line(line: Line, x: Axis, y: Axis, frame: Frame) -> str:
    places = [(frame.x(x.share(a)), frame.y(y.share(b))) for a, b in line.points]
    path = " ".join(f"{a:.1f},{b:.1f}" for a, b in places)
    drawn = f'<polyline class="line {line.dash}" points="{path}"/>'
    if line.markers:
        step = -(-len(places) // _MOST_MARKERS)
        drawn += "".join(
            f'<path class="fill" transform="translate({a:.1f} {b:.1f})" d="{_MARKERS[line.style]}">'
            f"<title>{escape(line.label)}: {point[1]:.4g} at {point[0]:g}</title></path>"
            for (a, b), point in list(zip(places, line.points, strict=True))[::step]
        )
    return f'<g class="{line.style}"><title>{escape(line.label)}</title>{drawn}</g>'


def legend(lines: Sequence[Line]) -> str:
    """A list that shows each line's key beside its label."""
    items = []
    for line in lines:
        marker = f'<path class="fill" transform="translate(14 6)" d="{_MARKERS[line.style]}"/>'
        items.append(
            f'<li><svg class="{line.style}" viewBox="0 0 28 12" aria-hidden="true">'
            f'<path class="line {line.dash}" d="M1 6h26"/>{marker if line.markers else ""}</svg>'
            f"{escape(line.label)}</li>"
        )
    return f'<ul class="legend">{"".join(items)}</ul>'
