"""Line and bar charts as SVG files of their own, readable on light and on dark pages.

The background is the page's. Colours are those of `trainer.drawing`, light ones unless the reader
prefers dark; written out, because not every program that shows SVG knows CSS variables.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from itertools import pairwise
from typing import Final

from trainer.drawing import SERIES, Axis, Frame, Line, nice_ticks, plot, short, svg, text
from trainer.drawing.palette import DARK, LIGHT

DASHES: Final = ("", "dashed", "dotted", "", "dashed", "dotted")
LABEL_GAP: Final = 14.0
"""Between two labels at the ends of lines, in units of the drawing."""
FRAME: Final = Frame(width=640, height=300, left=52, right=180, top=26)
BAR: Final = 26
"""Height of a bar with the space around it."""

Points = Sequence[tuple[float, float]]


def _colours(of: Mapping[str, str]) -> str:
    series = "".join(
        f".{name} .line{{stroke:{of[name]}}}.{name} .fill,.{name} .name{{fill:{of[name]}}}"
        for name in SERIES
    )
    return (
        f".label{{fill:{of['soft']}}}.axis{{stroke:{of['rule']}}}.level{{stroke:{of['soft']}}}"
        + series
    )


STYLE: Final = (
    "text{font:12px system-ui,sans-serif}.line{fill:none;stroke-width:2}.dashed{stroke-dasharray:"
    "7 4}.dotted{stroke-dasharray:1.5 4}.level{stroke-dasharray:4 3}"
    f"{_colours(LIGHT)}@media(prefers-color-scheme:dark){{{_colours(DARK)}}}"
)


def lines(name: str, series: Mapping[str, Points], x: Axis, y: Axis) -> str:
    """Lines with their names at the right, at the height of their ends.

    Raises:
      ValueError: there are more lines than colours.
    """
    if len(series) > len(SERIES):
        raise ValueError(f"{len(series)} lines, and {len(SERIES)} colours")
    drawn = [
        Line(label, points, style, dash)
        for (label, points), style, dash in zip(series.items(), SERIES, DASHES, strict=False)
    ]
    places = apart([FRAME.y(y.share(line.points[-1][1])) for line in drawn])
    # Beside the plot, also where a line ends earlier: on other lines a name is hard to read.
    labels = [
        _name(line.style, FRAME.x(1) + 9, place + 4, line.label)
        for line, place in zip(drawn, places, strict=True)
    ]
    return _file(plot(name, drawn, x, y, frame=FRAME), labels)


def bars(name: str, values: Mapping[str, float], unit: str) -> str:
    """A bar for each value, with its name at its left and its value at its right."""
    frame = Frame(width=640, height=BAR * len(values) + 24, left=150, right=70, top=20, bottom=4)
    most = max(values.values())
    parts = [text(2, 12, name, "start")]
    for row, (label, value) in enumerate(values.items()):
        top, width = frame.top + BAR * row, frame.inner_width * value / most
        parts.append(
            f'<g class="mark"><rect class="fill" x="{frame.left}" y="{top + 4}"'
            f' width="{max(width, 1):.1f}" height="{BAR - 8}">'
            f"<title>{escape(label)}: {value:.3g} {escape(unit)}</title></rect></g>"
        )
        parts.append(text(frame.left - 8, top + BAR / 2 + 4, label, "end"))
        parts.append(
            text(frame.left + width + 7, top + BAR / 2 + 4, f"{value:.3g} {unit}", "start")
        )
    return _file(svg(name, parts, frame), ())


def _file(drawn: str, more: Sequence[str]) -> str:
    """A drawing as a file: with its name space and style, and with more marks at its end."""
    opening, rest = drawn.removeprefix("<svg").removesuffix("</svg>").split(">", 1)
    head = '<svg xmlns="http://www.w3.org/2000/svg"'
    return f"{head}{opening}><style>{STYLE}</style>{rest}{''.join(more)}</svg>\n"


def _name(style: str, x: float, y: float, words: str) -> str:
    return (
        f'<g class="{style}"><text class="name" x="{x:.1f}" y="{y:.1f}">{escape(words)}</text></g>'
    )


def apart(places: Sequence[float]) -> list[float]:
    """The same places, moved down where one is nearer than LABEL_GAP to the one above."""
    moved = list(places)
    order = sorted(range(len(places)), key=places.__getitem__)
    for above, below in pairwise(order):
        moved[below] = max(moved[below], moved[above] + LABEL_GAP)
    return moved


def axis(title: str, values: Sequence[float]) -> Axis:
    """From the lowest value to the highest."""
    low, high = min(values), max(values)
    return Axis(title, low, high, [(tick, f"{tick:g}") for tick in nice_ticks(low, high)])


def marked_axis(title: str, marks: Sequence[float]) -> Axis:
    """Logarithmic, from the first of the marks to the last, with a tick at each."""
    # A single mark would span nothing.
    last = marks[-1] if len(marks) > 1 else 10 * marks[0]
    return Axis(title, marks[0], last, [(mark, short(mark)) for mark in marks], log=True)


def log_axis(title: str, values: Sequence[float]) -> Axis:
    """Logarithmic, with ticks at 1, 2 and 5 times the powers of ten around the values."""
    low, high = min(values), max(values)
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    marks = [step * 10.0**power for power in range(first, last + 1) for step in (1, 2, 5)]
    below = max((mark for mark in marks if mark <= low), default=marks[0])
    above = min((mark for mark in marks if mark >= high and mark > below), default=marks[-1])
    inside = [mark for mark in marks if below <= mark <= above]
    if len(inside) > 7:
        inside = [mark for mark in inside if f"{mark:e}"[0] == "1" or mark in (below, above)]
    return Axis(title, below, above, [(mark, short(mark)) for mark in inside], log=True)
