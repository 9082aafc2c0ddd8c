"""One release's models in this process: its SavedModels' answers within 1e-4, by exact search."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import repeat
from typing import Final, NamedTuple

import numpy as np

from server.domain import MovieId, NewMovie, UserId
from server.engine.arrays import BoolArray, EngineArrays, FloatArray, IndexArray, PlaceArray
from server.engine.kernel import kernel_of
from server.engine.merged import products_of
from server.engine.movie_features import MovieFeatures
from server.engine.ranking import (
    NOT_ALLOWED,
    Spread,
    best,
    blended,
    candidates,
    falling,
    forbid,
)
from server.engine.rating import RatingTowers, RatingUser
from server.engine.retrieval import RetrievalTowers, RetrievalUser
from serving.contract import (
    K_MAX,
    MODE_COLLABORATIVE,
    MODE_CONTENT,
    MODE_HYBRID,
    Manifest,
)

NONE: Final = np.zeros(0, np.int64)
"""No movie."""

_UNKNOWN: Final = -1
"""In place of the index of a movie that training did not see."""


class Asker(NamedTuple):
    """A user as callers name one."""

    user_id: UserId
    movies: IndexArray
    """[H] movie_index of the history, oldest first."""
    ratings: FloatArray
    """[H] NaN = seen and not rated."""
    tokens: Sequence[str]
    """The profile."""


class Wanted(NamedTuple):
    """What one caller wants of `recommend`."""

    asker: Asker
    excluded: IndexArray = NONE
    """[E] movie_index of what may not be listed."""
    allowed: BoolArray | None = None
    """[N] what else may be listed; None = everything."""
    by_rating: bool = False
    """Whether all movies are ordered by predicted rating."""
    n_explained: int = 0
    """Of how many listed movies, from the first on, it is wanted what pulls them up."""


class PlacedUser(NamedTuple):
    """A user in the spaces of the release."""

    retrieval: RetrievalUser
    rating: RatingUser


class RankedMovies(NamedTuple):
    """The best movies of a catalogue, K of them."""

    movies: IndexArray
    """[K] movie_index, best first."""
    scores: FloatArray
    """[K] not rising."""


class FinalOrder(NamedTuple):
    """What `recommend` lists; K is at most K_MAX."""

    movies: IndexArray
    """[K] movie_index, best first."""
    scores: FloatArray
    """[K] not rising."""
    ratings: FloatArray
    """[K] inside the range."""
    person: FloatArray
    """[D + R + 1] the user in the retrieval model, then in the rating model."""
    dim: int
    """D"""
    bias: float
    score_mean: float
    """Of the candidates' retrieval scores."""
    score_deviation: float
    rating_mean: float
    """Of the candidates' ratings."""
    rating_deviation: float
    reasons: tuple[PlaceArray, FloatArray] | None = None
    """As `Engine.reasons` says them of the first movies; None where they are not wanted."""

    # Most callers want the list alone, so that nothing else becomes an object before it is read.

    @property
    def ranked(self) -> RankedMovies:
        return RankedMovies(self.movies, self.scores)

    @property
    def user(self) -> PlacedUser:
        vector, row = self.person[: self.dim], self.person[self.dim :]
        return PlacedUser(RetrievalUser(vector), RatingUser(row, self.bias))

    @property
    def retrieval_spread(self) -> Spread:
        return Spread(self.score_mean, self.score_deviation)

    @property
    def rating_spread(self) -> Spread:
        return Spread(self.rating_mean, self.rating_deviation)


class PlacedMovies(NamedTuple):
    """B movies that training did not see, in the spaces of the release."""

    retrieval: FloatArray
    """[B, D]"""
    rating: FloatArray
    """[B, R + 1] the last column is the bias."""
    similarity: FloatArray
    """[B, S] only the direction means much."""


class Engine:
    """Answers for one release, from any number of threads.

    Args:
      arrays: the release's part.
      index: movie_id -> movie_index of the release's snapshot.
      manifest: of the release.
      compiled: whether the compiled kernel answers, where it was built; False = NumPy alone.
    """

    def __init__(
        self,
        arrays: EngineArrays,
        index: Mapping[MovieId, int],
        manifest: Manifest,
        *,
        compiled: bool = True,
    ) -> None:
        self._index = index
        self._arrays = arrays
        self._n_candidates = arrays.description.candidates
        self._weights = 1.0, manifest.rating_weight
        self._retrieval = RetrievalTowers(arrays)
        self._rating = RatingTowers(arrays, manifest.rating_range)
        self._scores = products_of(arrays.item_columns)
        self._features = MovieFeatures(arrays.description)
        self._kernel = kernel_of(arrays, manifest, self._rating) if compiled else None

    @property
    def compiled(self) -> bool:
        """Whether the compiled kernel answers `recommend` and `reasons`, or NumPy does."""
        return self._kernel is not None

    def place(self, asker: Asker) -> PlacedUser:
        """Where the user stands."""
        return PlacedUser(
            self._retrieval.user(asker.movies, asker.ratings),
            self._rating.user(asker.user_id, asker.movies, asker.ratings, asker.tokens),
        )

    def recommend(
        self,
        asker: Asker,
        *,
        excluded: IndexArray = NONE,
        allowed: BoolArray | None = None,
        by_rating: bool = False,
    ) -> FinalOrder:
        """The final order of the candidates, of which nothing is explained; as in Wanted."""
        (listed,) = self.recommend_all([Wanted(asker, excluded, allowed, by_rating)])
        return listed

    def recommend_all(self, wanted: Sequence[Wanted]) -> list[FinalOrder]:
        """The final order of the candidates for each, as if it were alone."""
        if self._kernel is not None:
            return list(map(FinalOrder._make, self._kernel.recommend_all(wanted)))
        return list(map(self._recommended, wanted))

    def _recommended(self, wanted: Wanted) -> FinalOrder:
        """The final order for one, in NumPy."""
        asker, excluded, allowed, by_rating, n_explained = wanted
        user = self.place(asker)
        scores = self._scores(user.retrieval.vector)
        key = self._rating.all_ratings(user.rating) if by_rating else scores
        key[excluded] = NOT_ALLOWED
        if allowed is not None:
            forbid(key, allowed)
        movies = candidates(key, self._n_candidates)
        both = np.empty((2, len(movies)), np.float32)
        both[0] = scores.take(movies)
        both[1] = ratings = self._rating.ratings(user.rating, movies)
        final, (retrieval_spread, rating_spread) = blended(both, self._weights)
        if by_rating:
            final = ratings
        order = falling(final)[:K_MAX]
        listed, reasons = movies.take(order), None
        if n_explained and len(listed):
            reasons = self._retrieval.reasons(asker.movies, asker.ratings, listed[:n_explained])
        return FinalOrder(
            listed,
            final.take(order),
            self._rating.clip(ratings.take(order)),
            np.concatenate([user.retrieval.vector, user.rating.row]),
            len(user.retrieval.vector),
            user.rating.bias,
            *retrieval_spread,
            *rating_spread,
            reasons,
        )

    def reasons(
        self, movies: IndexArray, ratings: FloatArray, listed: IndexArray
    ) -> tuple[PlaceArray, FloatArray]:
        """The movies of a history that pull listed ones up most.

        Args:
          movies: [H] movie_index of the history, oldest first.
          ratings: [H] NaN = seen and not rated.
          listed: [K] movie_index; the time is in proportion to K.

        Returns:
          [K, 3] places in the history, and [K, 3] drops: what the retrieval score loses without
          that movie, falling; NOBODY is cited where it is 0.
        """
        return (self._kernel or self._retrieval).reasons(movies, ratings, listed)

    def retrieve(self, asker: Asker) -> RankedMovies:
        """The best of the whole catalogue by retrieval score."""
        return _ranked(self._scores(self._retrieval.user(asker.movies, asker.ratings).vector))

    def rate(self, asker: Asker, movie_ids: Sequence[MovieId]) -> FloatArray:
        """[C] ratings inside the range; of a movie that training did not see the user's bias."""
        user = self._rating.user(asker.user_id, asker.movies, asker.ratings, asker.tokens)
        ratings = np.full(len(movie_ids), user.bias, np.float32)
        known = [place for place, movie_id in enumerate(movie_ids) if movie_id in self._index]
        ratings[known] = self._rating.ratings(user, self.known(movie_ids))
        return self._rating.clip(ratings)

    def similar(self, movie_id: MovieId, mode: int, allowed: BoolArray) -> RankedMovies:
        """Movies like one of the catalogue, without it.

        Args:
          movie_id: nothing is like a movie that training did not see.
          mode: a MODE_ constant of the contract.
          allowed: [N] what a filter lets through.
        """
        place = self._index.get(movie_id)
        if place is None:
            return _ranked(np.full(len(allowed), NOT_ALLOWED))
        arrays = self._arrays
        spaces = {
            MODE_HYBRID: arrays.similar_hybrid,
            MODE_COLLABORATIVE: arrays.similar_collaborative,
            MODE_CONTENT: arrays.similar_content,
        }
        space = spaces[mode]
        cosines = space @ space[place]
        if mode == MODE_COLLABORATIVE:
            # The cosine of a movie that three people rated is noise: trust scales it.
            cosines *= arrays.confidence
        if mode == MODE_HYBRID:
            # Beside a movie that many rated, what stands near by content alone counts for less.
            cosines *= 1 - arrays.confidence[place] * (1 - arrays.confidence)
        forbid(cosines, allowed)
        cosines[place] = NOT_ALLOWED
        return _ranked(cosines)

    def similar_to_new(self, movie: NewMovie, allowed: BoolArray) -> RankedMovies:
        """Movies like one that training did not see, by what is said about it."""
        vector = self._features.times(movie, self._arrays.content_to_similarity)
        length = np.linalg.norm(vector)
        cosines = self._arrays.similar_content @ (vector / length if length > 0 else vector)
        forbid(cosines, allowed)
        return _ranked(cosines)

    def embed(self, movies: Sequence[NewMovie]) -> PlacedMovies:
        """Where the content model places B new movies."""
        arrays = self._arrays
        maps = arrays.content_to_retrieval, arrays.content_to_rating, arrays.content_to_similarity
        return PlacedMovies(
            *(np.stack([self._features.times(movie, to) for movie in movies]) for to in maps)
        )

    def known(self, movie_ids: Sequence[MovieId]) -> IndexArray:
        """movie_index of those movies that training saw, in their order."""
        found = np.fromiter(
            map(self._index.get, movie_ids, repeat(_UNKNOWN)), np.int64, len(movie_ids)
        )
        return found if not len(found) or found.min() > _UNKNOWN else found[found > _UNKNOWN]


def _ranked(key: FloatArray) -> RankedMovies:
    return RankedMovies(*best(key, K_MAX))
