"""Why a movie is in a list, as far as that is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from server.domain import (
    BecauseOfMovie,
    History,
    Movie,
    Order,
    Popular,
    Profile,
    Reason,
    SharedGenre,
    Source,
)
from server.features.catalogue import Catalogue

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


def taste_of(
    catalogue: Catalogue,
    genres: Sequence[str],
    history: History,
    profile: Profile,
    order: Order,
) -> Taste:
    """The taste of a user.

    Args:
      catalogue: has every movie of the history.
      genres: the manifest's list.
      history: of the user.
      profile: of the user.
      order: of the list.
    """
    rows = [catalogue.index[movie_id] for movie_id in history.movie_ids]
    words = catalogue.genre_words[rows].astype("<i8")
    n_seen = np.unpackbits(words.view(np.uint8), axis=1, bitorder="little").sum(axis=0)
    return Taste(
        profile.favorite_genres,
        {genre: n for genre, n in zip(genres, n_seen.tolist(), strict=False) if n},
        order is Order.DEFAULT and not rows,
    )


def reasons_for(
    movie: Movie, source: Source, cited: tuple[BecauseOfMovie, ...], taste: Taste
) -> tuple[Reason, ...]:
    """Cited movies, strongest first; favourite genres; popularity where that is what speaks.

    Where none of these says anything, the genre that the movie shares with most of the history.
    """
    shared = [SharedGenre(genre) for genre in movie.genres if genre in taste.favorites]
    for_everybody = taste.is_newcomer if source in BY_MODELS else source is Source.POPULAR
    found: tuple[Reason, ...] = (*cited, *shared, *([Popular()] if for_everybody else []))
    known = [genre for genre in movie.genres if genre in taste.n_seen]
    if found or not known:
        return found
    return (SharedGenre(max(known, key=taste.n_seen.__getitem__)),)
