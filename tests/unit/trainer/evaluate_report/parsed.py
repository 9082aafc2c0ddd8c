"""An HTML page as its elements and texts."""

from __future__ import annotations

import re
from html.parser import HTMLParser

VOID = {"meta", "br", "input", "wbr"}
LINKING = {"href", "src", "xlink:href", "srcset", "action", "data", "poster", "background"}


class Parsed(HTMLParser):
    """Checks that elements nest, and keeps what they say."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.texts: list[str] = []
        self.sections: list[str] = []
        """The text of each <section>, headings left out."""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag == "section":
            self.sections.append("")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] in {"style", "script"}:
            return
        self.texts.append(data)
        if "section" in self.open and "h2" not in self.open:
            self.sections[-1] += data.strip()

    def count(self, tag: str) -> int:
        return sum(name == tag for name, _ in self.elements)

    def attributes(self, tag: str) -> list[dict[str, str]]:
        return [found for name, found in self.elements if name == tag]

    @property
    def said(self) -> str:
        """All of it, an element apart from the next by a space."""
        return re.sub(r" ([;.,)])", r"\1", " ".join(" ".join(self.texts).split()))
