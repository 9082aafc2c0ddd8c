"""The calls of contract 1 that the gateway makes: domain in, domain out, one Predict each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import numpy as np

from server.codec import Array
from server.deadline import Budget
from server.domain import (
    BecauseOfMovie,
    History,
    MovieFilter,
    MovieId,
    NewMovie,
    Order,
    Profile,
    UserId,
)
from server.errors import ContractViolation, UpstreamUnavailable
from server.prediction import PredictionClient, ServableCall
from server.releases import ActiveRelease, MovieVectors
from server.rules import genre_mask_words
from serving.contract import (
    BATCH_SIZES,
    DEFAULT_SIGNATURE,
    WIDTH_BUCKETS,
    YEAR_UNSET,
    bucket_width,
)

MAX_WIDTH: Final = WIDTH_BUCKETS[-1] - 1
"""The most values that a padded input holds beside its neutral first element."""


INDEX_PART: Final = "recommend_scann"
MAX_INDEX_EXCLUSIONS: Final = 200
"""With more the index would mostly find what is excluded, and search exactly after all."""


_RANKED: Final = ("movie_ids", "scores")
_REASONED: Final = (*_RANKED, "ratings", "reason_ids", "reason_drops")
_VECTORS: Final = ("user_vector", "rating_vector", "rating_bias", "score_stats")
_MOVIE_VECTORS: Final = ("item_vector", "rating_vector", "rating_bias")


@dataclass(frozen=True, slots=True)
class ModelUser:
    """A user as the graphs see one."""

    user_id: UserId
    history: History
    """Merged, oldest first, at most max_history of the manifest."""
    profile: Profile


@dataclass(frozen=True, slots=True)
class RankingQuery:
    """What `recommend` is asked."""

    user: ModelUser
    excluded: Sequence[MovieId] = ()
    filter: MovieFilter = field(default_factory=MovieFilter)
    order: Order = Order.DEFAULT
    wants_vectors: bool = False


@dataclass(frozen=True, slots=True)
class RankedRow:
    """A movie of the catalogue as a graph ranks it."""

    movie_id: MovieId
    score: float
    rating: float | None = None
    """None when the call has no ratings."""
    because_of: tuple[BecauseOfMovie, ...] = ()


Ranking = tuple[RankedRow, ...]
"""Best first; no movie repeats."""


@dataclass(frozen=True, slots=True, eq=False)
class UserVectors:
    """A user in the spaces of one release, and how its candidates' scores are spread."""

    retrieval: Array
    """[D]"""
    rating: Array
    """[R]"""
    rating_bias: float
    score_stats: tuple[float, float, float, float]
    """Mean and deviation of the retrieval scores, then of the ratings."""


class Models(Protocol):
    """What the use cases ask of the models.

    Every method may raise UpstreamUnavailable, DeadlineExceeded or ContractViolation.
    """

    def recommend(
        self, release: ActiveRelease, query: RankingQuery, budget: Budget
    ) -> tuple[Ranking, UserVectors | None]:
        """The final order without excluded and filtered movies; vectors where asked for."""
        ...

    def user_vectors(self, release: ActiveRelease, user: ModelUser, budget: Budget) -> UserVectors:
        """Where the user stands, without a ranking."""
        ...

    def embed_movies(
        self, release: ActiveRelease, movies: Sequence[NewMovie], budget: Budget
    ) -> MovieVectors:
        """Where the content model places movies by what is said of them."""
        ...

    def retrieve(self, release: ActiveRelease, user: ModelUser, budget: Budget) -> Ranking:
        """Candidates of the whole catalogue; nothing is excluded, no ratings."""
        ...

    def rate(
        self,
        release: ActiveRelease,
        user: ModelUser,
        movie_ids: Sequence[MovieId],
        budget: Budget,
    ) -> tuple[float, ...]:
        """The user's rating of each movie, in the order given."""
        ...

    def similar(
        self,
        release: ActiveRelease,
        movie_id: MovieId,
        mode: int,
        movie_filter: MovieFilter,
        budget: Budget,
    ) -> Ranking:
        """Movies like one of the catalogue; no ratings."""
        ...

    def similar_to_new(
        self,
        release: ActiveRelease,
        movie: NewMovie,
        movie_filter: MovieFilter,
        budget: Budget,
    ) -> Ranking:
        """Movies like one that the catalogue does not have; no ratings."""
        ...


class ServableModels:
    """Models behind a PredictionClient, always at the release's own version."""

    def __init__(self, prediction: PredictionClient) -> None:
        self._prediction = prediction

    def recommend(
        self, release: ActiveRelease, query: RankingQuery, budget: Budget
    ) -> tuple[Ranking, UserVectors | None]:
        names = (*_REASONED, *_VECTORS) if query.wants_vectors else _REASONED
        if (
            INDEX_PART in release.index_parts
            and query.filter == MovieFilter()
            and query.order is Order.DEFAULT
            and len(query.excluded) <= MAX_INDEX_EXCLUSIONS
        ):
            try:
                return self._recommend(release, INDEX_PART, query, names, budget)
            except UpstreamUnavailable as error:
                # Unloaded since the follower's last look: exact search answers.
                if error.timed_out:
                    raise
        return self._recommend(release, "recommend", query, names, budget)

    def user_vectors(self, release: ActiveRelease, user: ModelUser, budget: Budget) -> UserVectors:
        call = ServableCall("recommend", DEFAULT_SIGNATURE, release.version)
        inputs = _recommend_inputs(release, RankingQuery(user))
        outputs = self._prediction.predict(call, inputs, _VECTORS, budget, _sizes(release))
        return _user_vectors(outputs)

    def embed_movies(
        self, release: ActiveRelease, movies: Sequence[NewMovie], budget: Budget
    ) -> MovieVectors:
        batches = [
            self._embed(release, movies[start : start + BATCH_SIZES[-1]], budget)
            for start in range(0, len(movies), BATCH_SIZES[-1])
        ]
        items, ratings, biases = (np.concatenate(columns) for columns in zip(*batches, strict=True))
        return MovieVectors(items, ratings, biases[:, 0])

    def retrieve(self, release: ActiveRelease, user: ModelUser, budget: Budget) -> Ranking:
        return self._rank(release, "retrieval", DEFAULT_SIGNATURE, _user_inputs(user), budget)

    def rate(
        self,
        release: ActiveRelease,
        user: ModelUser,
        movie_ids: Sequence[MovieId],
        budget: Budget,
    ) -> tuple[float, ...]:
        candidates = padded(movie_ids)
        outputs = self._prediction.predict(
            ServableCall("ranking", "rank", release.version),
            {**_user_inputs(user), "movie_ids": candidates},
            ("ratings",),
            budget,
            {"B": 1, "C": candidates.shape[1]},
        )
        n_padding = candidates.shape[1] - len(movie_ids)
        return tuple(outputs["ratings"][0, n_padding:].tolist())

    def similar(
        self,
        release: ActiveRelease,
        movie_id: MovieId,
        mode: int,
        movie_filter: MovieFilter,
        budget: Budget,
    ) -> Ranking:
        inputs = {
            "movie_id": _strings([movie_id]),
            "mode": np.array([[mode]], np.int64),
            **_filter_inputs(release, movie_filter),
        }
        return self._rank(release, "retrieval", "similar", inputs, budget)

    def similar_to_new(
        self,
        release: ActiveRelease,
        movie: NewMovie,
        movie_filter: MovieFilter,
        budget: Budget,
    ) -> Ranking:
        inputs = {
            "title": _strings([movie.title]),
            "genres": padded(movie.genres),
            "year": np.array([movie.year], np.int64),
            "tags": padded(movie.tags),
            **_filter_inputs(release, movie_filter),
        }
        return self._rank(release, "content", "similar", inputs, budget)

    def _rank(
        self,
        release: ActiveRelease,
        servable: str,
        signature: str,
        inputs: dict[str, Array],
        budget: Budget,
    ) -> Ranking:
        call = ServableCall(servable, signature, release.version)
        outputs = self._prediction.predict(call, inputs, _RANKED, budget, {"B": 1})
        return tuple(RankedRow(*row) for row in _rows(release, call, outputs, _RANKED))

    def _recommend(
        self,
        release: ActiveRelease,
        servable: str,
        query: RankingQuery,
        names: tuple[str, ...],
        budget: Budget,
    ) -> tuple[Ranking, UserVectors | None]:
        call = ServableCall(servable, DEFAULT_SIGNATURE, release.version)
        inputs = _recommend_inputs(release, query)
        outputs = self._prediction.predict(call, inputs, names, budget, _sizes(release))
        rows = _rows(release, call, outputs, _REASONED)
        vectors = _user_vectors(outputs) if query.wants_vectors else None
        return tuple(_reasoned_row(*row) for row in rows), vectors

    def _embed(
        self, release: ActiveRelease, movies: Sequence[NewMovie], budget: Budget
    ) -> tuple[Array, ...]:
        inputs = {
            "title": _strings([movie.title for movie in movies]),
            "genres": padded_rows([movie.genres for movie in movies]),
            "year": np.array([movie.year for movie in movies], np.int64),
            "tags": padded_rows([movie.tags for movie in movies]),
        }
        call = ServableCall("content", "embed_movie", release.version)
        sizes = {**_sizes(release), "B": len(movies)}
        outputs = self._prediction.predict(call, inputs, _MOVIE_VECTORS, budget, sizes)
        return tuple(outputs[name] for name in _MOVIE_VECTORS)


def _rows(
    release: ActiveRelease,
    call: ServableCall,
    outputs: Mapping[str, Array],
    names: tuple[str, ...],
) -> list[tuple[Any, ...]]:
    """The ranked movies with the columns `names`, of which the first is their ids.

    Raises:
      ContractViolation: a movie repeats, or the release does not have it.
    """
    columns = [outputs[name][0].tolist() for name in names]
    # An empty id is a column without a movie: fewer were allowed than there are columns.
    rows = [row for row in zip(*columns, strict=True) if row[0]]
    if any(row[0] not in release.trained for row in rows):
        raise ContractViolation(f"{call}: a movie that the release's snapshot does not have")
    if len({row[0] for row in rows}) != len(rows):
        raise ContractViolation(f"{call}: a movie repeats")
    return rows


def _sizes(release: ActiveRelease) -> dict[str, int]:
    return {"B": 1, "D": release.manifest.vector_dim, "R": release.manifest.rating_dim}


def _user_vectors(outputs: Mapping[str, Array]) -> UserVectors:
    return UserVectors(
        retrieval=outputs["user_vector"][0],
        rating=outputs["rating_vector"][0],
        rating_bias=float(outputs["rating_bias"][0, 0]),
        score_stats=tuple(outputs["score_stats"][0].tolist()),
    )


def _reasoned_row(
    movie_id: MovieId, score: float, rating: float, cited: list[MovieId], drops: list[float]
) -> RankedRow:
    """A row with the movies of the history that pull it up; the graph pads with "" and 0."""
    because_of = tuple(
        BecauseOfMovie(cited_id, drop)
        for cited_id, drop in zip(cited, drops, strict=True)
        if cited_id and drop > 0
    )
    return RankedRow(movie_id, score, rating, because_of)


def padded_rows(rows: Sequence[Sequence[str]]) -> Array:
    """[B, bucket_width] rows of one width, each left-padded with ""."""
    width = bucket_width(max(len(row) for row in rows))
    return np.array([[*([""] * (width - len(row))), *row] for row in rows], object)


def padded(values: Sequence[str]) -> Array:
    """[1, bucket_width] one row, left-padded with "" so that its first element is neutral."""
    width = bucket_width(len(values))
    return _strings([*([""] * (width - len(values))), *values])[np.newaxis]


def _strings(values: Sequence[str]) -> Array:
    return np.array(values, object)


def _recommend_inputs(release: ActiveRelease, query: RankingQuery) -> dict[str, Array]:
    return {
        **_user_inputs(query.user),
        "exclude_ids": padded(query.excluded),
        **_filter_inputs(release, query.filter),
        "order": np.array([[query.order.value]], np.int64),
    }


def _user_inputs(user: ModelUser) -> dict[str, Array]:
    history_ids = padded(user.history.movie_ids)
    ratings = np.zeros(history_ids.shape, np.float32)
    if user.history.ratings:
        ratings[0, -len(user.history) :] = user.history.ratings
    return {
        "user_id": _strings([user.user_id]),
        "history_ids": history_ids,
        "history_ratings": ratings,
        "profile": padded(user.profile.tokens()),
    }


def _filter_inputs(release: ActiveRelease, movie_filter: MovieFilter) -> dict[str, Array]:
    genres = release.manifest.genres
    unset_low, unset_high = YEAR_UNSET
    years = [movie_filter.min_year or unset_low, movie_filter.max_year or unset_high]
    return {
        "genres_any": genre_mask_words(movie_filter.genres_any, genres)[np.newaxis],
        "genres_all": genre_mask_words(movie_filter.genres_all, genres)[np.newaxis],
        "genres_none": genre_mask_words(movie_filter.genres_none, genres)[np.newaxis],
        "years": np.array([years], np.int64),
    }
