"""Search by title: forgiving of typos, of word order and of where an article stands."""

from __future__ import annotations

import re
import threading
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from rapidfuzz import fuzz, process

from server.domain import Movie

WORST_MATCH: Final = 0.55
"""What resembles the query less is no answer."""

_REORDERED: Final = 0.97
"""The same words in another order."""
_CONTAINED: Final = 0.9
"""All words of the query are words of the title."""
_CONTAINING: Final = 0.75
"""All words of the title are words of the query, which has more: often another movie's title."""
_PART: Final = 0.85
"""The query stands somewhere in the title, perhaps inside a word."""
_MIN_PART: Final = 4
"""Shorter queries stand in every other title by chance."""

_ARTICLES: Final = (
    "the|an|a|le|la|les|l|il|lo|gli|i|el|los|las|un|une|una|uno|der|die|das|ein|eine|det|den|o|os"
)
_TRAILING_ARTICLE: Final = re.compile(rf"^(.+), ({_ARTICLES})'?$", re.IGNORECASE)
_LEADING_ARTICLE: Final = re.compile(rf"^(?:{_ARTICLES}) (?=.)")
_IN_PARENTHESES: Final = re.compile(r"\(([^()]*)\)")
_ALSO_KNOWN_AS: Final = re.compile(r"^a\.?k\.?a\.? ", re.IGNORECASE)
_YEAR_AT_THE_END: Final = re.compile(r"^(.*\S)\s*[(, ]\s*(\d{4})\)?\s*$")


@dataclass(frozen=True, slots=True)
class Match:
    """A movie that a query found."""

    movie_index: int
    match: float
    """0..1; 1 = the same title."""


@dataclass(frozen=True, slots=True, eq=False)
class _Forms:
    """Every title in every form that it is known by; F forms of N movies."""

    texts: list[str]
    """Canonical."""
    starts: NDArray[np.int64]
    """[N] the first form of each movie."""
    articles: NDArray[np.str_]
    """[N] of the title itself, "" = none."""


class TitleIndex:
    """The titles of one catalogue; made ready by the first search, safe to share by threads."""

    def __init__(self, movies: Sequence[Movie]) -> None:
        self._movies = movies
        self._years = np.array([movie.year for movie in movies], np.int64)
        self._rating_counts = np.array([movie.rating_count for movie in movies], np.int64)
        self._lock = threading.Lock()
        self._forms: _Forms | None = None

    def search(self, query: str, n_movies: int) -> list[Match]:
        """At most `n_movies` movies, best match first.

        Of equal ones that whose article is the query's comes first, then the more often rated. A
        year at the query's end may be the movie's own, as in "heat 1995".
        """
        matches = self._matches(canonical(query))
        if found := _YEAR_AT_THE_END.match(query):
            of_that_year = self._years == int(found[2])
            without_year = self._matches(canonical(found[1]))
            matches = np.maximum(matches, np.where(of_that_year, without_year, 0))
        articles = self._ready().articles == article(query)
        order = np.lexsort((-self._rating_counts, ~articles, -matches))[:n_movies]
        return [
            Match(int(movie), float(matches[movie]))
            for movie in order
            if matches[movie] >= WORST_MATCH
        ]

    def _matches(self, query: str) -> NDArray[np.float64]:
        """[N] how well each movie's best form matches a canonical query, 0..1."""
        forms = self._ready()
        if not query or not forms.texts:
            return np.zeros(len(self._movies))
        ratio = _scores(query, forms.texts, fuzz.ratio)
        best = np.maximum(ratio, _REORDERED * _scores(query, forms.texts, fuzz.token_sort_ratio))
        longer = np.array([len(text) >= len(query) for text in forms.texts])
        shared = np.where(longer, _CONTAINED, _CONTAINING)
        best = np.maximum(best, shared * _scores(query, forms.texts, fuzz.token_set_ratio))
        if len(query) >= _MIN_PART:
            part = _scores(query, forms.texts, fuzz.partial_ratio)
            best = np.maximum(best, _PART * np.where(longer, part, 0))
        # Of two titles that hold the query alike, the one that holds little else comes first.
        best = np.where(ratio < 1, best * (1 - 1e-2 * (1 - ratio)), 1)
        return np.maximum.reduceat(best, forms.starts)

    def _ready(self) -> _Forms:
        with self._lock:
            if self._forms is None:
                self._forms = _forms(self._movies)
            return self._forms


def canonical(title: str) -> str:
    """Lower-case words without accents, punctuation and article: "Matrix, The" is "matrix"."""
    if moved := _TRAILING_ARTICLE.match(title.strip()):
        title = moved[1]
    decomposed = unicodedata.normalize("NFKD", title.replace("&", " and "))
    text = "".join(c for c in decomposed if not unicodedata.combining(c)).casefold()
    # An apostrophe stands inside a word, everything else between two.
    text = re.sub("['\u2019`]", "", text)
    words = " ".join(re.findall(r"\w+", text))
    return _LEADING_ARTICLE.sub("", words)


def article(title: str) -> str:
    """The article that stands before or behind the title, in lower case; "" without one."""
    title = _IN_PARENTHESES.sub(" ", title).strip()
    if moved := _TRAILING_ARTICLE.match(title):
        return moved[2].casefold()
    leading = _LEADING_ARTICLE.match(title.casefold())
    return leading[0].strip() if leading else ""


def _titles_of(title: str) -> Iterator[str]:
    """The title, then without what stands in parentheses, then each of those: other titles."""
    yield title
    yield _IN_PARENTHESES.sub(" ", title)
    for other in _IN_PARENTHESES.findall(title):
        yield _ALSO_KNOWN_AS.sub("", other)


def _forms(movies: Sequence[Movie]) -> _Forms:
    texts: list[str] = []
    starts: list[int] = []
    for movie in movies:
        starts.append(len(texts))
        # A title of punctuation alone keeps its one empty form.
        known_as = dict.fromkeys(map(canonical, _titles_of(movie.title)))
        named = [text for text in known_as if text] or [""]
        texts += named
    articles = np.array([article(movie.title) for movie in movies], np.str_)
    return _Forms(texts, np.array(starts, np.int64), articles)


def _scores(query: str, texts: list[str], scorer: Callable[..., float]) -> NDArray[np.float64]:
    """[F] of one scorer, 0..1."""
    percent: NDArray[np.float64] = process.cdist([query], texts, scorer=scorer, dtype=np.float64)[0]
    return percent / 100
