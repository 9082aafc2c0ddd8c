"""The colours of every page, light and dark.

The series colours were searched so that each stands off the card by 3:1 or more, and any two differ
in OKLab for normal sight and for protan, deutan and tritan sight (Machado et al., 2009); the tests
compute both. Plots still vary dash and marker too, so that no plot depends on colour.
"""

from __future__ import annotations

from typing import Final

SERIES: Final = ("mark", "second", "third", "fourth", "fifth", "quiet")
"""Names of the series colours, which are also the classes of lines and marks."""

LIGHT: Final = {
    "paper": "#fbfaf8",
    "card": "#ffffff",
    "ink": "#1d2129",
    "soft": "#5d6470",
    "rule": "#dfe1e5",
    "mark": "#2a6f97",
    "second": "#c1541b",
    "third": "#0f6b4f",
    "fourth": "#7d2a8c",
    "fifth": "#be8903",
    "quiet": "#878d98",
    "tint": "#e9f1f6",
    "warn": "#fdf1e7",
}
DARK: Final = {
    "paper": "#14171c",
    "card": "#1c2027",
    "ink": "#e6e8ec",
    "soft": "#a0a7b3",
    "rule": "#343a45",
    "mark": "#6db3dc",
    "second": "#f0965f",
    "third": "#6fdcae",
    "fourth": "#b06bd0",
    "fifth": "#f4d35e",
    "quiet": "#7d8592",
    "tint": "#1f2d38",
    "warn": "#34271d",
}


def variables(colours: dict[str, str]) -> str:
    """CSS custom properties, a declaration each; `--heat` is the mark as red, green, blue."""
    mark = colours["mark"]
    heat = ", ".join(str(int(mark[i : i + 2], 16)) for i in (1, 3, 5))
    return " ".join(f"--{name}: {value};" for name, value in {**colours, "heat": heat}.items())
