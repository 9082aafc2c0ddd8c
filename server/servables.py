"""The calls of the contract that the gateway makes: domain in, domain out, one Predict each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from server.codec import Array
from server.deadline import Budget
from server.domain import (
    NO_FILTER,
    NOBODY,
    MovieFilter,
    MovieId,
    NewMovie,
    Order,
    Source,
)
from server.errors import ContractViolation, UpstreamUnavailable
from server.merged_calls import MergedCalls, Question
from server.model_inputs import (
    N_NEUTRAL,
    filter_inputs,
    ids_of,
    movie_inputs,
    padded,
    recommend_by_id,
    recommend_by_number,
    strings,
    user_inputs,
)
from server.movie_space import place_by_content
from server.placed_user import ModelUser
from server.prediction import PredictionClient, ServableCall
from server.ranking import Explained, Ranking, Reasons
from server.releases import ActiveRelease, MovieVectors
from serving.contract import (
    BATCH_SIZES,
    BY_NUMBER,
    DEFAULT_SIGNATURE,
    WIDTH_BUCKETS,
)

MAX_WIDTH: Final = WIDTH_BUCKETS[-1] - 1
"""The most values that a padded input holds beside its neutral first element."""


INDEX_PART: Final = "recommend_scann"
MAX_INDEX_EXCLUSIONS: Final = 200
"""With more the index would mostly find what is excluded, and search exactly after all."""


_RANKED: Final = ("movie_ids", "scores")
_BY_ID: Final = ("movie_ids", "scores", "ratings")
_REASONS_BY_ID: Final = ("reason_ids", "reason_drops")
_BY_NUMBER: Final = ("movie_numbers", "scores", "ratings")
_REASONS_BY_NUMBER: Final = ("reason_places", "reason_drops")
BY_NUMBER_SINCE: Final = 2
"""The contract that `by_number` came with; an older release is asked by ids."""
_VECTORS: Final = ("user_vector", "rating_vector", "rating_bias", "score_stats")
_MOVIE_VECTORS: Final = ("item_vector", "rating_vector", "rating_bias")


NO_MOVIES: Final[NDArray[np.int64]] = np.zeros(0, np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class RankingQuery:
    """What `recommend` is asked."""

    user: ModelUser
    excluded: NDArray[np.int64] = field(default_factory=lambda: NO_MOVIES)
    """[E] movie_index."""
    filter: MovieFilter = field(default_factory=MovieFilter)
    allowed: NDArray[np.bool_] | None = None
    """[N] by movie_index what those two leave; None = whoever wants to know works it out."""
    order: Order = Order.DEFAULT
    wants_vectors: bool = False
    wants_reasons: bool = False


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


@dataclass(frozen=True, slots=True, eq=False)
class Recommended:
    """What the models say to a RankingQuery."""

    ranking: Ranking
    """Without what is excluded or filtered."""
    vectors: UserVectors | None
    """None where the query does not want them, like `explained`."""
    explained: Explained | None
    """The movies of the ranking."""


class Models(Protocol):
    """What the use cases ask of the models.

    Every method may raise UpstreamUnavailable, DeadlineExceeded or ContractViolation.
    """

    @property
    def source(self) -> Source:
        """Where an answer says that its movies and ratings come from."""
        ...

    def recommend(self, release: ActiveRelease, query: RankingQuery, budget: Budget) -> Recommended:
        """The final order."""
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

    source = Source.RETRIEVAL

    def __init__(self, prediction: PredictionClient) -> None:
        self._prediction = prediction
        self._merged = MergedCalls(prediction)

    def recommend(self, release: ActiveRelease, query: RankingQuery, budget: Budget) -> Recommended:
        if (
            INDEX_PART in release.index_parts
            and not query.filter
            and query.order is Order.DEFAULT
            and len(query.excluded) <= MAX_INDEX_EXCLUSIONS
        ):
            try:
                return self._recommend(release, INDEX_PART, query, budget)
            except UpstreamUnavailable as error:
                # Unloaded since the follower's last look: exact search answers.
                if error.timed_out:
                    raise
        return self._recommend(release, "recommend", query, budget)

    def user_vectors(self, release: ActiveRelease, user: ModelUser, budget: Budget) -> UserVectors:
        call = ServableCall("recommend", DEFAULT_SIGNATURE, release.version)
        inputs = recommend_by_id(release, user, NO_MOVIES, NO_FILTER, Order.DEFAULT)
        outputs = self._prediction.predict(call, inputs, _VECTORS, budget, _sizes(release))
        return _user_vectors(outputs)

    def embed_movies(
        self, release: ActiveRelease, movies: Sequence[NewMovie], budget: Budget
    ) -> MovieVectors:
        batches = [
            self._embed(release, movies[start : start + BATCH_SIZES[-1]], budget)
            for start in range(0, len(movies), BATCH_SIZES[-1])
        ]
        first, *others = batches
        return reduce(MovieVectors.followed_by, others, first)

    def retrieve(self, release: ActiveRelease, user: ModelUser, budget: Budget) -> Ranking:
        return self._rank(
            release, "retrieval", DEFAULT_SIGNATURE, user_inputs(release, user), budget
        )

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
            {**user_inputs(release, user), "movie_ids": candidates},
            ("ratings",),
            budget,
            {"B": 1},
        )
        # Behind them stands what the model server widened the row by to merge it with others.
        ratings = outputs["ratings"][0, N_NEUTRAL : N_NEUTRAL + len(movie_ids)]
        if len(ratings) < len(movie_ids):
            raise ContractViolation(f"ranking: {len(ratings)} ratings of {len(movie_ids)} movies")
        return tuple(ratings.tolist())

    def similar(
        self,
        release: ActiveRelease,
        movie_id: MovieId,
        mode: int,
        movie_filter: MovieFilter,
        budget: Budget,
    ) -> Ranking:
        inputs = {
            "movie_id": strings([movie_id]),
            "mode": np.array([[mode]], np.int64),
            **filter_inputs(release, movie_filter),
        }
        return self._rank(release, "retrieval", "similar", inputs, budget)

    def similar_to_new(
        self,
        release: ActiveRelease,
        movie: NewMovie,
        movie_filter: MovieFilter,
        budget: Budget,
    ) -> Ranking:
        inputs = {**movie_inputs([movie]), **filter_inputs(release, movie_filter)}
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
        kept, movies = _rows(release, call, outputs)
        return Ranking.of(Source.RETRIEVAL, movies, outputs["scores"][0][kept])

    def _recommend(
        self, release: ActiveRelease, servable: str, query: RankingQuery, budget: Budget
    ) -> Recommended:
        asked = (release, query.user, query.excluded, query.filter, query.order)
        vectors = _VECTORS if query.wants_vectors else ()
        explained = None
        if release.manifest.contract_version < BY_NUMBER_SINCE:
            call = ServableCall(servable, DEFAULT_SIGNATURE, release.version)
            wanted = (*_BY_ID, *vectors, *(_REASONS_BY_ID if query.wants_reasons else ()))
            outputs = self._prediction.predict(
                call, recommend_by_id(*asked), wanted, budget, _sizes(release)
            )
            kept, movies = _rows(release, call, outputs)
            if query.wants_reasons:
                places = _cited(release, query.user, outputs["reason_ids"][0][kept])
        else:
            call = ServableCall(servable, BY_NUMBER, release.version)
            wanted = (*_BY_NUMBER, *vectors, *(_REASONS_BY_NUMBER if query.wants_reasons else ()))
            question = Question(call, wanted, tuple(_sizes(release).items()), query.order)
            outputs = self._merged.predict(question, recommend_by_number(*asked), budget)
            kept, movies = _numbered_rows(release, call, outputs["movie_numbers"][0])
            if query.wants_reasons:
                places = outputs["reason_places"][0][kept] - (1 + N_NEUTRAL)
        if query.wants_reasons:
            drops = outputs["reason_drops"][0][kept]
            is_cited = (drops > 0) & (places >= 0) & (places < len(query.user.movies))
            cited = np.where(is_cited, places, NOBODY).astype(np.int16)
            explained = Explained(movies, Reasons(cited, drops))
        ratings = np.clip(outputs["ratings"][0][kept], *release.manifest.rating_range)
        return Recommended(
            Ranking.of(Source.RETRIEVAL, movies, outputs["scores"][0][kept], ratings),
            _user_vectors(outputs) if query.wants_vectors else None,
            explained,
        )

    def _embed(
        self, release: ActiveRelease, movies: Sequence[NewMovie], budget: Budget
    ) -> MovieVectors:
        said = movie_inputs(movies)
        call = ServableCall("content", "embed_movie", release.version)
        sizes = {**_sizes(release), "B": len(movies)}
        outputs = self._prediction.predict(call, said, _MOVIE_VECTORS, budget, sizes)
        items, ratings, biases = (outputs[name] for name in _MOVIE_VECTORS)
        return MovieVectors(items, ratings, biases[:, 0], self._places(release, said, budget))

    def _places(self, release: ActiveRelease, said: dict[str, Array], budget: Budget) -> Array:
        """[B, S] where the movies stand among those of the release, by content."""
        n_movies = len(said["title"])
        call = ServableCall("content", "similar", release.version)
        everything = filter_inputs(release, NO_FILTER)
        inputs = {
            **said,
            **{name: np.repeat(row, n_movies, axis=0) for name, row in everything.items()},
        }
        outputs = self._prediction.predict(call, inputs, _RANKED, budget, {"B": n_movies})
        trained = release.trained
        places = []
        for number in range(n_movies):
            kept, rows = _rows(release, call, outputs, number)
            cosines = outputs["scores"][number][kept]
            places.append(place_by_content(trained, rows, cosines))
        return np.stack(places)


def _rows(
    release: ActiveRelease, call: ServableCall, outputs: Mapping[str, Array], number: int = 0
) -> tuple[slice | NDArray[np.bool_], NDArray[np.int64]]:
    """Which columns of one row of an answer hold a movie, and the movie_index of each of these.

    Raises:
      ContractViolation: a movie repeats, or the release does not have it.
    """
    ids = outputs["movie_ids"][number].tolist()
    kept: slice | NDArray[np.bool_] = slice(None)
    # An empty id is a column without a movie: fewer were allowed than there are columns.
    if "" in ids:
        kept = np.array([bool(movie_id) for movie_id in ids])
        ids = list(filter(None, ids))
    index = release.trained.index
    rows = list(map(index.get, ids))
    if None in rows:
        raise ContractViolation(f"{call}: a movie that the release's snapshot does not have")
    if len(set(rows)) != len(rows):
        raise ContractViolation(f"{call}: a movie repeats")
    return kept, np.array(rows, np.int64)


def _numbered_rows(
    release: ActiveRelease, call: ServableCall, numbers: NDArray[np.int64]
) -> tuple[slice | NDArray[np.bool_], NDArray[np.int64]]:
    """The same of [K] movie numbers, of which 0 is a column without a movie."""
    kept: slice | NDArray[np.bool_] = slice(None)
    if not numbers.all():
        kept = numbers != 0
        numbers = numbers[kept]
    if len(numbers) and not 0 < numbers.min() <= numbers.max() <= len(release.trained.movies):
        raise ContractViolation(f"{call}: a movie that the release's snapshot does not have")
    ascending = np.sort(numbers)
    if (ascending[1:] == ascending[:-1]).any():
        raise ContractViolation(f"{call}: a movie repeats")
    return kept, numbers - 1


def _cited(release: ActiveRelease, user: ModelUser, movie_ids: Array) -> NDArray[np.int64]:
    """[K, 3] places of the cited movies in the history."""
    place = {movie_id: place for place, movie_id in enumerate(ids_of(release, user.movies))}
    flat = [place.get(movie_id, NOBODY) for movie_id in movie_ids.ravel().tolist()]
    return np.array(flat, np.int64).reshape(movie_ids.shape)


def _sizes(release: ActiveRelease) -> dict[str, int]:
    return {"B": 1, "D": release.manifest.vector_dim, "R": release.manifest.rating_dim}


def _user_vectors(outputs: Mapping[str, Array]) -> UserVectors:
    return UserVectors(
        retrieval=outputs["user_vector"][0],
        rating=outputs["rating_vector"][0],
        rating_bias=float(outputs["rating_bias"][0, 0]),
        score_stats=tuple(outputs["score_stats"][0].tolist()),
    )
