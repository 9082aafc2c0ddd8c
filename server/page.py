"""One page of a ranking, still in columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from server.domain import MovieId, Reason
from server.features.catalogue import Catalogue
from server.ranking import RankedList, Reasons


class Page(NamedTuple):
    """The answer to a RecommendQuery: the first n movies of a list; scores do not rise along it."""

    catalogue: Catalogue
    """What tells about the movies."""
    ranked: RankedList
    """The page's movies, and those that further pages show."""
    sources: bytes
    """[n] positions in SOURCES."""
    reasons: Reasons
    """Of n movies or more."""
    further: Sequence[tuple[Reason, ...]]
    """[n] beside what is cited; empty where that is all there is to say."""
    next_page_token: str
    """"" = the end."""
    unknown: tuple[MovieId, ...]
    """Movie ids of the request that the catalogue does not have."""
