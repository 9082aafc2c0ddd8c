"""Rankings in columns: a request has two hundred movies on its way and shows ten of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from server.domain import BecauseOfMovie, DegradedReason, MovieId, Source, UserState, Version
from server.reasons import Taste
from serving.contract import REASONS_MAX

SOURCES: Final = tuple(Source)
"""What the columns `sources` hold positions of."""

NOBODY: Final = -1
"""Where no movie is cited."""


@dataclass(frozen=True, slots=True, eq=False)
class Ranking:
    """K movies of one release's catalogue; no movie repeats."""

    movies: NDArray[np.int64]
    """[K] movie_index, best first."""
    scores: NDArray[np.float32]
    """[K]"""
    ratings: NDArray[np.float32]
    """[K] NaN = the models did not say."""
    sources: NDArray[np.int8]
    """[K] positions in SOURCES."""
    cited: NDArray[np.int64]
    """[K, REASONS_MAX] movie_index of the movies of the history that pull it up; NOBODY = none."""
    drops: NDArray[np.float32]
    """[K, REASONS_MAX] what the retrieval score would lose without each; not rising."""

    @classmethod
    def of(
        cls,
        source: Source,
        movies: ArrayLike,
        scores: ArrayLike,
        ratings: ArrayLike | None = None,
        cited: NDArray[np.int64] | None = None,
        drops: NDArray[np.float32] | None = None,
    ) -> Ranking:
        """[K] movies of one source; where something is left out, nobody says it."""
        rows = np.asarray(movies, np.int64)
        k = len(rows)
        if cited is None or drops is None:
            cited = np.full((k, REASONS_MAX), NOBODY)
            drops = np.zeros((k, REASONS_MAX), np.float32)
        return cls(
            rows,
            np.asarray(scores, np.float32),
            np.full(k, np.nan, np.float32) if ratings is None else np.asarray(ratings, np.float32),
            np.full(k, SOURCES.index(source), np.int8),
            cited,
            drops,
        )

    def __len__(self) -> int:
        return len(self.movies)

    def take(self, rows: NDArray[np.integer] | NDArray[np.bool_] | slice) -> Ranking:
        """The movies at these positions, in this order."""
        return Ranking(*(getattr(self, column.name)[rows] for column in fields(self)))

    def followed_by(self, other: Ranking) -> Ranking:
        """These movies, then those."""
        return Ranking(
            *(
                np.concatenate([getattr(self, column.name), getattr(other, column.name)])
                for column in fields(self)
            )
        )

    def scored(self, scores: ArrayLike, sources: NDArray[np.int8]) -> Ranking:
        """The same movies with other [K] scores and sources."""
        return replace(self, scores=np.asarray(scores, np.float32), sources=sources)

    def by_score(self) -> Ranking:
        """Best first; equal scores in the order that they have."""
        return self.take(np.argsort(-self.scores, kind="stable"))


@dataclass(frozen=True, slots=True, eq=False)
class RankedList:
    """A ranking by movie id, or what pages have left of it: it outlives the release it is from."""

    movie_ids: tuple[MovieId, ...]
    """K, best first."""
    predicted_ratings: NDArray[np.float32]
    """[K] inside the release's range."""
    scores: NDArray[np.float32]
    """[K]"""
    sources: NDArray[np.int8]
    """[K] positions in SOURCES."""
    cited_ids: tuple[MovieId, ...]
    """Movies of the history that are cited somewhere."""
    cited: NDArray[np.int16]
    """[K, REASONS_MAX] positions in `cited_ids`; NOBODY = none."""
    drops: NDArray[np.float32]
    """[K, REASONS_MAX] as in Ranking."""
    taste: Taste
    user_state: UserState
    recommendation_id: str
    release_version: Version
    degraded_reasons: tuple[DegradedReason, ...] = ()

    def __len__(self) -> int:
        return len(self.movie_ids)

    def split(self, n_movies: int) -> tuple[RankedList, RankedList]:
        """The first `n_movies` and the rest."""
        return self._rows(slice(None, n_movies)), self._rows(slice(n_movies, None))

    def because_of(self) -> list[tuple[BecauseOfMovie, ...]]:
        """For each movie those that pull it up, strongest first."""
        ids = self.cited_ids
        return [
            tuple(
                BecauseOfMovie(ids[position], drop)
                for position, drop in zip(positions, drops, strict=True)
                if position != NOBODY
            )
            for positions, drops in zip(self.cited.tolist(), self.drops.tolist(), strict=True)
        ]

    def _rows(self, rows: slice) -> RankedList:
        return replace(
            self,
            movie_ids=self.movie_ids[rows],
            predicted_ratings=self.predicted_ratings[rows],
            scores=self.scores[rows],
            sources=self.sources[rows],
            cited=self.cited[rows],
            drops=self.drops[rows],
        )


def cited_by_id(
    cited: NDArray[np.int64], movie_ids: Sequence[MovieId]
) -> tuple[tuple[MovieId, ...], NDArray[np.int16]]:
    """`cited_ids` and `cited` of a RankedList.

    Args:
      cited: as in Ranking.
      movie_ids: by movie_index.
    """
    flat = cited.ravel().tolist()
    movies = [movie for movie in dict.fromkeys(flat) if movie != NOBODY]
    position = {movie: place for place, movie in enumerate(movies)} | {NOBODY: NOBODY}
    positions = np.fromiter(map(position.__getitem__, flat), np.int16, len(flat))
    return tuple([movie_ids[movie] for movie in movies]), positions.reshape(cited.shape)
