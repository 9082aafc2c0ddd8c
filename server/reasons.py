"""Why a movie is in a list, as far as that is known."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from server.domain import BecauseOfMovie, Movie, Popular, Reason, SharedGenre, Source

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


def reasons_for(
    movie: Movie,
    source: Source,
    cited: Iterable[BecauseOfMovie],
    taste: Taste,
    *,
    is_newcomer: bool,
) -> tuple[Reason, ...]:
    """Cited movies, strongest first; favourite genres; popularity where that is what speaks.

    Where none of these says anything, the genre that the movie shares with most of the history.

    Args:
      movie: that is listed.
      source: where it is from.
      cited: movies of the history that pull it up.
      taste: of the user.
      is_newcomer: as in RankedList.
    """
    found: list[Reason] = [*cited]
    if taste.favorites:
        found += [SharedGenre(genre) for genre in movie.genres if genre in taste.favorites]
    if is_newcomer if source in BY_MODELS else source is Source.POPULAR:
        found.append(Popular())
    if not found and (known := [genre for genre in movie.genres if genre in taste.n_seen]):
        found.append(SharedGenre(max(known, key=taste.n_seen.__getitem__)))
    return tuple(found)
