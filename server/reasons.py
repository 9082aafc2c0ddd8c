"""Why a movie is in a list, as far as that is known."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from server.domain import Popular, Reason, SharedGenre, Source

BY_MODELS: Final = frozenset({Source.RETRIEVAL, Source.ENGINE})
"""Sources of what the models say."""


@dataclass(frozen=True)
class Taste:
    """What the reasons of a list say of its user."""

    favorites: tuple[str, ...]
    """Favourite genres."""
    n_seen: Mapping[str, int]
    """Movies of the history by genre; genres without any are left out."""

    @cached_property
    def as_json(self) -> bytes:
        """Written once for all lists of a user."""
        return json.dumps([self.favorites, self.n_seen], separators=(",", ":")).encode()

    @classmethod
    def from_json(cls, text: bytes) -> Taste:
        """What `as_json` wrote."""
        favorites, n_seen = json.loads(text)
        return cls(tuple(favorites), n_seen)


def further_reasons(
    genres: Sequence[Sequence[str]],
    sources: Sequence[Source],
    is_cited: Sequence[bool],
    taste: Taste,
    *,
    is_newcomer: bool,
) -> list[tuple[Reason, ...]]:
    """What speaks for each movie beside those that are cited for it.

    Favourite genres; popularity where that is what speaks. Where none of these says anything and
    nothing is cited, the genre that the movie shares with most of the history.

    Args:
      genres: of the movies that are listed.
      sources: where each is from.
      is_cited: whether movies of the history are cited for it.
      taste: of the user.
      is_newcomer: as in RankedList.
    """
    return [
        _further(names, source, taste, is_cited=cited, is_newcomer=is_newcomer)
        for names, source, cited in zip(genres, sources, is_cited, strict=True)
    ]


def _further(
    genres: Sequence[str], source: Source, taste: Taste, *, is_cited: bool, is_newcomer: bool
) -> tuple[Reason, ...]:
    found: list[Reason] = [SharedGenre(g) for g in genres if g in taste.favorites]
    if is_newcomer if source in BY_MODELS else source is Source.POPULAR:
        found.append(Popular())
    if not (found or is_cited) and (known := [g for g in genres if g in taste.n_seen]):
        found.append(SharedGenre(max(known, key=taste.n_seen.__getitem__)))
    return tuple(found)
