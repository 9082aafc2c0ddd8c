"""The two plots of a description."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Final

from trainer.drawing import Axis, Frame, Line, plot, short, svg, text, ticks_from_zero

_FRAME: Final = Frame()
_LABEL_WIDTH: Final = 30
_QUARTERS: Final = tuple((i / 4, f"{25 * i} %") for i in range(5))


def columns(name: str, labels: Sequence[str], values: Sequence[int], unit: str) -> str:
    """One column for each label, as high as its value."""
    ticks = ticks_from_zero(max(values, default=0))
    slot = _FRAME.inner_width / max(len(values), 1)
    parts = [_FRAME.grid([(tick / ticks[-1], short(tick)) for tick in ticks])]
    step = max(1, -(-_LABEL_WIDTH * len(labels) // _FRAME.inner_width))
    for i, (label, value) in enumerate(zip(labels, values, strict=True)):
        height = _FRAME.inner_height * value / ticks[-1]
        x = _FRAME.left + slot * i
        parts.append(
            f'<rect class="fill mark" x="{x + slot * 0.1:.1f}" y="{_FRAME.y(0) - height:.1f}" '
            f'width="{slot * 0.8:.1f}" height="{height:.1f}">'
            f"<title>{escape(label)}: {value:,} {escape(unit)}</title></rect>"
        )
        if i % step == 0:
            parts.append(text(x + slot / 2, _FRAME.height - 16, label))
    return svg(name, parts, _FRAME)


def shares(name: str, lines: Sequence[Line], x_name: str, level: float) -> str:
    """Shares in [0, 1] against shares, both in percent, with a dashed line at a level of y."""
    x, y = Axis(x_name, 0, 1, _QUARTERS), Axis("", 0, 1, _QUARTERS)
    return plot(name, lines, x, y, levels=[level], frame=_FRAME)
