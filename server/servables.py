"""The calls of contract 1 that the gateway makes: domain in, domain out, one Predict each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np

from server.codec import Array
from server.deadline import Budget
from server.domain import History, MovieFilter, MovieId, NewMovie, Profile, UserId
from server.errors import ContractViolation, UpstreamUnavailable
from server.prediction import PredictionClient, ServableCall
from server.releases import ActiveRelease
from server.rules import genre_mask_words
from serving.contract import (
    DEFAULT_SIGNATURE,
    ORDER_DEFAULT,
    WIDTH_BUCKETS,
    YEAR_UNSET,
    bucket_width,
)

MAX_WIDTH: Final = WIDTH_BUCKETS[-1] - 1
"""The most values that a padded input holds beside its neutral first element."""


INDEX_PART: Final = "recommend_scann"
MAX_INDEX_EXCLUSIONS: Final = 200
"""With more the index would mostly find what is excluded, and search exactly after all."""


@dataclass(frozen=True, slots=True)
class ModelUser:
    """A user as the graphs see one."""

    user_id: UserId
    history: History
    """Merged, oldest first, at most max_history of the manifest."""
    profile: Profile


@dataclass(frozen=True, slots=True)
class Ranking:
    """Movies of the catalogue, best first; three columns of one length."""

    movie_ids: tuple[MovieId, ...]
    scores: tuple[float, ...]
    ratings: tuple[float, ...] = ()
    """Empty when the call has no ratings."""


class Models(Protocol):
    """What the use cases ask of the models.

    Every method may raise UpstreamUnavailable, DeadlineExceeded or ContractViolation.
    """

    def recommend(
        self,
        release: ActiveRelease,
        user: ModelUser,
        excluded: Sequence[MovieId],
        movie_filter: MovieFilter,
        budget: Budget,
    ) -> Ranking:
        """The final order, without the excluded and the filtered movies."""
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
        self,
        release: ActiveRelease,
        user: ModelUser,
        excluded: Sequence[MovieId],
        movie_filter: MovieFilter,
        budget: Budget,
    ) -> Ranking:
        inputs = {
            **_user_inputs(user),
            "exclude_ids": padded(excluded),
            **_filter_inputs(release, movie_filter),
            "order": np.array([[ORDER_DEFAULT]], np.int64),
        }
        if (
            INDEX_PART in release.index_parts
            and movie_filter == MovieFilter()
            and len(excluded) <= MAX_INDEX_EXCLUSIONS
        ):
            try:
                return self._rank(
                    release, INDEX_PART, DEFAULT_SIGNATURE, inputs, budget, rated=True
                )
            except UpstreamUnavailable as error:
                # Unloaded since the follower's last look: exact search answers.
                if error.timed_out:
                    raise
        return self._rank(release, "recommend", DEFAULT_SIGNATURE, inputs, budget, rated=True)

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
        *,
        rated: bool = False,
    ) -> Ranking:
        call = ServableCall(servable, signature, release.version)
        names = ("movie_ids", "scores", "ratings") if rated else ("movie_ids", "scores")
        outputs = self._prediction.predict(call, inputs, names, budget, {"B": 1})
        columns = [outputs[name][0].tolist() for name in names]
        # An empty id is a column without a movie: fewer were allowed than there are columns.
        rows = [row for row in zip(*columns, strict=True) if row[0]]
        if any(row[0] not in release.catalogue for row in rows):
            raise ContractViolation(f"{call}: a movie that the release's snapshot does not have")
        if len({row[0] for row in rows}) != len(rows):
            raise ContractViolation(f"{call}: a movie repeats")
        return Ranking(*map(tuple, zip(*rows, strict=True))) if rows else Ranking((), ())


def padded(values: Sequence[str]) -> Array:
    """[1, bucket_width] one row, left-padded with "" so that its first element is neutral."""
    width = bucket_width(len(values))
    return _strings([*([""] * (width - len(values))), *values])[np.newaxis]


def _strings(values: Sequence[str]) -> Array:
    return np.array(values, object)


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
