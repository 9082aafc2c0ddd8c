"""Why a movie is in a list, as far as that is known."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from server.domain import BecauseOfMovie, Movie, Popular, Reason, SharedGenre, Source

BY_MODELS: Final = frozenset({Source.RETRIEVAL, Source.ENGINE})
"""Sources of what the models say."""


@dataclass(frozen=True, slots=True)
class Taste:
    """What the reasons of a list say of its user."""

    favorites: tuple[str, ...]
    """Favourite genres."""
    n_seen: Mapping[str, int]
    """Movies of the history by genre."""
    is_newcomer: bool
    """Without history, asking for the final order: popularity alone speaks for what models say."""


def reasons_for(
    movie: Movie, source: Source, cited: Iterable[BecauseOfMovie], taste: Taste
) -> tuple[Reason, ...]:
    """Cited movies, strongest first; favourite genres; popularity where that is what speaks.

    Where none of these says anything, the genre that the movie shares with most of the history.
    """
    found: list[Reason] = [*cited]
    if taste.favorites:
        found += [SharedGenre(genre) for genre in movie.genres if genre in taste.favorites]
    if taste.is_newcomer if source in BY_MODELS else source is Source.POPULAR:
        found.append(Popular())
    if not found and (known := [genre for genre in movie.genres if genre in taste.n_seen]):
        found.append(SharedGenre(max(known, key=taste.n_seen.__getitem__)))
    return tuple(found)
