"""SVG text that follows the page's colours, so that light and dark are one file.

Classes, not colours, are written: the page's style says what they look like. Each mark carries a
title, which browsers show on hover.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape


@dataclass(frozen=True)
class Frame:
    """Where a plot lies in its drawing; units are those of the viewBox.

    The default is small, so that its text stays legible on a phone.
    """

    width: int = 400
    height: int = 230
    left: int = 44
    right: int = 8
    top: int = 18
    bottom: int = 34

    @property
    def inner_width(self) -> int:
        return self.width - self.left - self.right

    @property
    def inner_height(self) -> int:
        return self.height - self.top - self.bottom

    def x(self, share: float) -> float:
        """Of 0 = left edge of the plot, 1 = its right edge."""
        return self.left + self.inner_width * share

    def y(self, share: float) -> float:
        """Of 0 = bottom of the plot, 1 = its top."""
        return self.top + self.inner_height * (1 - share)

    def level(self, share: float, style: str) -> str:
        """A line across the plot; `style` is "axis" or "level"."""
        return f'<path class="{style}" d="M{self.left} {self.y(share):.1f}h{self.inner_width}"/>'

    def grid(self, ticks: Sequence[tuple[float, str]]) -> str:
        """A line across the plot and a label at its left for each (share of the height, label)."""
        lines = []
        for share, label in ticks:
            lines.append(self.level(share, "axis"))
            lines.append(text(self.left - 5, self.y(share) + 4, label, "end"))
        return "".join(lines)


def svg(name: str, parts: Sequence[str], frame: Frame, description: str = "") -> str:
    """The whole drawing; `name` and `description` are what a screen reader says of it."""
    told = f"<desc>{escape(description)}</desc>" if description else ""
    return (
        f'<svg viewBox="0 0 {frame.width} {frame.height}" role="img" aria-label="{escape(name)}">'
        + told
        + "".join(parts)
        + "</svg>"
    )


def text(x: float, y: float, words: str, anchor: str = "middle") -> str:
    """A label at a point of the drawing; `anchor` is "start", "middle" or "end"."""
    return (
        f'<text class="label" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'
    )
