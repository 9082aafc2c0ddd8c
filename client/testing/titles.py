"""How alike a query and a title are, for people who type."""

from __future__ import annotations

import re
import unicodedata
from difflib import SequenceMatcher
from typing import Final

_TRAILING_ARTICLE: Final = re.compile(r"^(.*), (the|a|an)$")
_LEADING_ARTICLE: Final = re.compile(r"^(the|a|an) ")
_NO_LETTER: Final = re.compile(r"[^\w]+")


def plain(title: str) -> str:
    """A title without case, accents, punctuation and article: "Matrix, The" is "matrix"."""
    decomposed = unicodedata.normalize("NFKD", title.casefold().strip())
    letters = "".join(c for c in decomposed if not unicodedata.combining(c))
    letters = _TRAILING_ARTICLE.sub(r"\2 \1", letters)
    words = _NO_LETTER.sub(" ", letters).strip()
    return _LEADING_ARTICLE.sub("", words)


def match(query: str, title: str) -> float:
    """0..1; 1 = the same title, and nothing else is.

    The share of letters that both have in the same order (Ratcliff and Obershelp), or 0.9 where
    the query is a whole beginning of a word of the title.
    """
    wanted, found = plain(query), plain(title)
    if wanted == found:
        return 1.0
    whole = SequenceMatcher(None, wanted, found, autojunk=False).ratio()
    part = 0.9 if len(wanted) >= 3 and f" {wanted}" in f" {found}" else 0.0
    return min(max(whole, part), 0.99)
