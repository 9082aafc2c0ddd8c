"""Why a movie is in a list, as far as that is known."""

from __future__ import annotations

from collections import Counter

from server.domain import BecauseOfMovie, MovieId, Order, Popular, Reason, SharedGenre, Source
from server.features.catalogue import Catalogue
from server.ladder import Pick
from server.servables import ModelUser


class Reasons:
    """The reasons of one list.

    A movie of the history is cited where the model server says what the retrieval score would lose
    without it, and only where that score makes the order.
    """

    def __init__(self, catalogue: Catalogue, user: ModelUser, order: Order) -> None:
        self._catalogue = catalogue
        self._cites = order is Order.DEFAULT
        self._favorites = frozenset(user.profile.favorite_genres)
        self._nobody_special = self._cites and not len(user.history)
        self._history = Counter(
            genre
            for movie_id in user.history.movie_ids
            for genre in catalogue.movie(movie_id).genres
        )

    def of(self, pick: Pick) -> tuple[Reason, ...]:
        """Cited movies, strongest first; favourite genres; popularity where that is the source.

        Where none of these says anything, the genre that the movie shares with most of the history.
        """
        cited: tuple[BecauseOfMovie, ...] = pick.because_of if self._cites else ()
        genres = self._genres(pick.movie_id)
        shared = [SharedGenre(genre) for genre in genres if genre in self._favorites]
        popular = [Popular()] if self._is_for_everybody(pick) else []
        found: tuple[Reason, ...] = (*cited, *shared, *popular)
        if found:
            return found
        known = [genre for genre in genres if self._history[genre]]
        return (SharedGenre(max(known, key=self._history.__getitem__)),) if known else ()

    def _is_for_everybody(self, pick: Pick) -> bool:
        """Whether popularity is what speaks for it; to newcomers the models say that alone."""
        if pick.source is Source.RETRIEVAL:
            return self._nobody_special
        return pick.source is Source.POPULAR

    def _genres(self, movie_id: MovieId) -> tuple[str, ...]:
        return self._catalogue.movie(movie_id).genres
