"""Plots and pages in one look: SVG text without colours, and the style that gives it some."""

from trainer.drawing.frame import Frame, svg, text
from trainer.drawing.lines import Axis, Line, legend, plot
from trainer.drawing.palette import DARK, LIGHT, SERIES
from trainer.drawing.scale import nice_ticks, short, ticks_from_zero
from trainer.drawing.style import STYLE

__all__ = [
    "DARK",
    "LIGHT",
    "SERIES",
    "STYLE",
    "Axis",
    "Frame",
    "Line",
    "legend",
    "nice_ticks",
    "plot",
    "short",
    "svg",
    "text",
    "ticks_from_zero",
]
