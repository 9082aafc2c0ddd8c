"""Rankings in columns: a request has two hundred movies on its way and shows ten of them."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from server.domain import NOBODY, DegradedReason, Source, UserState, Version
from server.reasons import Taste
from serving.contract import K_MAX, REASONS_MAX

SOURCES: Final = tuple(Source)
"""What the columns `sources` hold positions of."""

SOURCE_CODES: Final = {source: code for code, source in enumerate(SOURCES)}

LONG_HISTORY: Final = K_MAX
"""Movies, above which it pays to pick out those that are cited: token and page would carry all."""


def _shared(code: int) -> NDArray[np.int8]:
    column = np.full(K_MAX, code, np.int8)
    column.flags.writeable = False
    return column


_COLUMNS_OF: Final = {source: _shared(code) for source, code in SOURCE_CODES.items()}


def sources_of(source: Source, n_movies: int) -> NDArray[np.int8]:
    """A column `sources` of one source."""
    if n_movies > K_MAX:
        return np.full(n_movies, SOURCE_CODES[source], np.int8)
    return _COLUMNS_OF[source][:n_movies]


class Reasons(NamedTuple):
    """What of a history pulls each of K movies up."""

    cited: NDArray[np.int16]
    """[K, REASONS_MAX] places in the history, strongest first; NOBODY where no more are cited."""
    drops: NDArray[np.float32]
    """[K, REASONS_MAX] what the retrieval score would lose without each; not rising."""

    @classmethod
    def none(cls, n_movies: int) -> Reasons:
        """Nothing is cited for any of the movies."""
        return cls(
            np.full((n_movies, REASONS_MAX), NOBODY, np.int16),
            np.zeros((n_movies, REASONS_MAX), np.float32),
        )


class Explained(NamedTuple):
    """The reasons of movies, by movie."""

    movies: NDArray[np.int64]
    """[K] movie_index; no movie repeats."""
    reasons: Reasons
    """Of all of them, or of the first ones alone."""

    def of(self, movies: NDArray[np.int64]) -> Reasons:
        """The reasons of [M] movies; nothing is cited for one that is not explained."""
        n_explained = len(self.reasons.cited)
        place = {movie: place for place, movie in enumerate(self.movies[:n_explained].tolist())}
        # Behind the last one stands who has none.
        places = [place.get(movie, n_explained) for movie in movies.tolist()]
        none = Reasons.none(1)
        return Reasons(
            np.concatenate([self.reasons.cited, none.cited])[places],
            np.concatenate([self.reasons.drops, none.drops])[places],
        )


@dataclass(frozen=True, slots=True, eq=False)
class Ranking:
    """K movies of one release's catalogue; no movie repeats."""

    movies: NDArray[np.int64]
    """[K] movie_index, best first."""
    scores: NDArray[np.float32]
    """[K]"""
    ratings: NDArray[np.float32]
    """[K] inside the release's range; NaN = the models did not say."""
    sources: NDArray[np.int8]
    """[K] positions in SOURCES."""

    @classmethod
    def of(
        cls,
        source: Source,
        movies: ArrayLike,
        scores: ArrayLike,
        ratings: ArrayLike | None = None,
    ) -> Ranking:
        """[K] movies of one source; ratings that are left out nobody says."""
        rows = np.asarray(movies, np.int64)
        k = len(rows)
        return cls(
            rows,
            np.asarray(scores, np.float32),
            np.full(k, np.nan, np.float32) if ratings is None else np.asarray(ratings, np.float32),
            sources_of(source, k),
        )

    def __len__(self) -> int:
        return len(self.movies)

    def take(self, rows: NDArray[np.integer] | NDArray[np.bool_] | slice) -> Ranking:
        """The movies at these positions, in this order."""
        return Ranking(*[getattr(self, column)[rows] for column in _COLUMNS])

    def followed_by(self, other: Ranking) -> Ranking:
        """These movies, then those."""
        return Ranking(
            *[
                np.concatenate([getattr(self, column), getattr(other, column)])
                for column in _COLUMNS
            ]
        )

    def scored(self, scores: ArrayLike, sources: NDArray[np.int8]) -> Ranking:
        """The same movies with other [K] scores and sources."""
        return replace(self, scores=np.asarray(scores, np.float32), sources=sources)

    def by_score(self) -> Ranking:
        """Best first; equal scores in the order that they have."""
        return self.take(np.argsort(-self.scores, kind="stable"))


_COLUMNS: Final = tuple(column.name for column in fields(Ranking))


class RankedList(NamedTuple):
    """A ranking by movie id, or what pages have left of it: it outlives the release it is from.

    Where movie_index is NOBODY, the catalogue that pages are cut from lacks the movie.
    """

    movies: NDArray[np.int64]
    """[K] movie_index, best first."""
    movie_ids: NDArray[np.bytes_]
    """[K] UTF-8."""
    predicted_ratings: NDArray[np.float32]
    """[K] inside the release's range."""
    scores: NDArray[np.float32]
    """[K]"""
    sources: NDArray[np.int8]
    """[K] positions in SOURCES."""
    history: NDArray[np.int64]
    """[H] movie_index of the history by which movies are cited, oldest first; empty where none are;
    of a long one those that are cited."""
    history_ids: NDArray[np.bytes_]
    """[H] UTF-8."""
    history_ratings: NDArray[np.float32]
    """[H] NaN = seen and not rated."""
    reasons: Reasons | None
    """None = those of a page are made when it is cut."""
    is_trained: bool
    """Whether training saw each movie, of the list and of the history; False = maybe not."""
    taste: Taste
    is_newcomer: bool
    """Without history, asking for the final order: popularity alone speaks for what models say."""
    user_state: UserState
    recommendation_id: str
    release_version: Version
    degraded_reasons: tuple[DegradedReason, ...] = ()
    first_reasons: Reasons | None = None
    """Of the first movies, where they are known already; no token carries them."""


def cited_places(
    cited: NDArray[np.int16], n_history: int
) -> tuple[NDArray[np.int64], NDArray[np.int16]]:
    """[C] Places of a history that are cited somewhere, and `cited` as positions among them.

    Args:
      cited: as in Ranking.
      n_history: movies of the history.
    """
    # The place after the last one stands for nobody: that is where -1 leads.
    is_cited = np.zeros(n_history + 1, np.bool_)
    is_cited[cited] = True
    is_cited[NOBODY] = False
    places = is_cited.nonzero()[0]
    positions = np.full(len(is_cited), NOBODY, np.int16)
    positions[places] = np.arange(len(places))
    return places, positions[cited]
