"""A description is legible in a terminal and in one HTML file."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from rich.console import Console

from trainer.datasets import Dataset
from trainer.describe import Description, describe, show_terminal, write_html
from trainer.describe.svg import columns

VOID = {"meta", "rect", "path", "br"}


class Page(HTMLParser):
    """Checks that elements nest, and keeps their names, attributes and texts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.links: list[str] = []
        self.texts: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        self.links += [str(value) for name, value in attrs if name in {"href", "src", "xlink:href"}]
        if tag not in VOID - {"rect"}:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002 the base class has it
        self.seen.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


@pytest.fixture(scope="module")
def description(ml_100k: Dataset) -> Description:
    return describe(ml_100k)


def shown(description: Description, width: int = 80) -> str:
    stream = io.StringIO()
    show_terminal(description, Console(file=stream, width=width))
    return stream.getvalue()


def page(description: Description, folder: Path) -> tuple[str, Page]:
    write_html(description, folder / "d.html")
    text = (folder / "d.html").read_text("utf-8")
    return text, Page(text)


def test_terminal_fits_80_columns(description):
    """No line is longer, and each part is there."""
    text = shown(description)

    assert max(map(len, text.splitlines())) <= 80
    for part in ("100,000 ratings", "429 hold 80%", "34,174", "Star Wars (1977)", "Film-Noir",
                 "busiest users", "22 titles repeat"):  # fmt: skip
        assert part in text


def test_terminal_markup_is_text(description):
    """A title with brackets is shown as it is."""
    odd = replace(description.most_rated[0], title="[red]Alert[/] (1999)")

    assert "[red]Alert[/] (1999)" in shown(replace(description, most_rated=(odd,)))


def test_page_is_whole_and_alone(description, tmp_path):
    """Elements nest, three plots and three tables are there, and nothing is loaded."""
    text, parsed = page(description, tmp_path)

    assert parsed.seen.count("svg") == 3
    assert parsed.seen.count("table") == 3
    assert parsed.links == []
    assert not re.search(r"url\(|@import|https?://|<script", text)
    assert "prefers-color-scheme: dark" in text
    texts = " ".join(parsed.texts)
    for part in (
        "100,000",
        "Star Wars (1977)",
        "Film-Noir",
        "22 titles repeat",
        "429 of 943 users",
    ):
        assert part in texts


def test_page_escapes_what_the_data_says(description, tmp_path):
    """A title, a source or a sentence with markup stays text."""
    evil = "<b>&\"'</b>"
    tab = replace(description.cross_tab, movies=(evil, *description.cross_tab.movies[1:]))
    changed = replace(
        description,
        name=evil,
        source=evil,
        most_rated=(replace(description.most_rated[0], title=evil),),
        genres=(replace(description.genres[0], genre=evil),),
        cross_tab=tab,
        repairs=(evil,),
        rejected={evil: 1},
    )

    text, parsed = page(changed, tmp_path)

    assert evil not in text
    assert " ".join(parsed.texts).count(evil) >= 7


def test_page_without_times_and_notes(description, tmp_path):
    """What is not known leaves no empty plot."""
    bare = replace(description, first=None, last=None, by_year=(), repairs=(), rejected={})

    _, parsed = page(bare, tmp_path)

    assert parsed.seen.count("svg") == 2
    assert "Nothing." in parsed.texts
    assert "no timestamps" in shown(bare)


def test_columns_are_as_high_as_their_values():
    """Half the value is half the height, and each column names its value."""
    drawn = columns("name", ["a", "<b>"], [10, 5], "ratings")

    heights = [float(h) for h in re.findall(r'<rect[^>]*height="([\d.]+)"', drawn)]
    assert heights[0] == pytest.approx(2 * heights[1], rel=1e-3)
    assert "<title>a: 10 ratings</title>" in drawn
    assert "&lt;b&gt;: 5 ratings" in drawn
