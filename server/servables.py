"""The calls of the contract that the gateway makes: domain in, domain out, one Predict each."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from functools import reduce
from typing import Final, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from server.codec import Array
from server.deadline import Budget
from server.degraded import ModelFailure
from server.domain import (
    NO_FILTER,
    MovieFilter,
    MovieId,
    NewMovie,
    Order,
    Source,
)
from server.errors import ContractViolation, DeadlineExceeded, UpstreamUnavailable
from server.merged_calls import LARGEST_BATCH, MergedCalls, Question
from server.model_inputs import (
    N_NEUTRAL,
    filter_inputs,
    movie_inputs,
    padded,
    recommend_by_id,
    recommend_by_number,
    strings,
    user_inputs,
)
from server.model_outputs import Ranked, ranked_by_id, ranked_by_number, rows_by_id
from server.movie_space import place_by_content
from server.placed_user import ModelUser
from server.prediction import PredictionClient, ServableCall
from server.ranking import Explained, Ranking
from server.releases import ActiveRelease, MovieVectors
from serving.contract import (
    BATCH_SIZES,
    BY_NUMBER,
    DEFAULT_SIGNATURE,
    LIST_OUTPUTS,
    REASON_OUTPUTS,
    WIDTH_BUCKETS,
    bucket_width,
)

MAX_WIDTH: Final = WIDTH_BUCKETS[-1] - 1
"""The most values that a padded input holds beside its neutral first element."""

NARROW: Final = 256
"""A bucket; rows that fit go together. To widen one of 10 movies to 100 costs the graph a twelfth
more, to halve a batch of 32 a quarter."""

INDEX_PART: Final = "recommend_scann"
MAX_INDEX_EXCLUSIONS: Final = 200
"""With more the index would mostly find what is excluded, and search exactly after all."""


_RANKED: Final = ("movie_ids", "scores")
_BY_ID: Final = ("movie_ids", "scores", "ratings")
_REASONS_BY_ID: Final = ("reason_ids", "reason_drops")
BY_NUMBER_SINCE: Final = 2
"""The contract that `by_number` came with; an older release is asked by ids."""
_VECTORS: Final = ("user_vector", "rating_vector", "rating_bias", "score_stats")
_MOVIE_VECTORS: Final = ("item_vector", "rating_vector", "rating_bias")


NO_MOVIES: Final[NDArray[np.int64]] = np.zeros(0, np.int64)


class RankingQuery(NamedTuple):
    """What `recommend` is asked."""

    user: ModelUser
    excluded: NDArray[np.int64] = NO_MOVIES
    """[E] movie_index."""
    filter: MovieFilter = NO_FILTER
    allowed: NDArray[np.bool_] | None = None
    """[N] by movie_index what those two leave; None = whoever wants to know works it out."""
    order: Order = Order.DEFAULT
    wants_vectors: bool = False
    n_explained: int = 0
    """Of how many movies, from the first on, reasons are wanted; others may have some, too."""


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


class Recommended(NamedTuple):
    """What the models say to a RankingQuery."""

    ranking: Ranking
    """Without what is excluded or filtered."""
    vectors: UserVectors | None
    """None where the query does not want them, like `explained`."""
    explained: Explained | None
    """The movies of the ranking: it holds the same array."""


class Asked(NamedTuple):
    """What one request asks `recommend`."""

    release: ActiveRelease
    query: RankingQuery
    budget: Budget


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

    def recommend_all(self, asked: Sequence[Asked]) -> Sequence[Recommended | ModelFailure]:
        """The final order for each, or why there is none; it raises none of those errors.

        They may be of different releases. What fails for one leaves the others alone.
        """
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
        self._merged = MergedCalls(prediction, _numbered_inputs)

    def recommend(self, release: ActiveRelease, query: RankingQuery, budget: Budget) -> Recommended:
        (answer,) = self.recommend_all([Asked(release, query, budget)])
        if isinstance(answer, Recommended):
            return answer
        raise answer

    def recommend_all(self, asked: Sequence[Asked]) -> list[Recommended | ModelFailure]:
        """The final order for each, or why there is none; by one call where that is possible.

        Those that go by one call come back when the most patient of them can wait no longer.
        """
        groups: dict[Hashable, list[int]] = {}
        for place, one in enumerate(asked):
            groups.setdefault(_company(one, place), []).append(place)
        answers: dict[int, Recommended | ModelFailure] = {}
        for places in groups.values():
            for start in range(0, len(places), LARGEST_BATCH):
                some = places[start : start + LARGEST_BATCH]
                rows = [asked[place] for place in some]
                answers.update(zip(some, self._answers(_question(rows[0]), rows), strict=True))
        return [answers[place] for place in range(len(asked))]

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
            **filter_inputs(release, [movie_filter]),
        }
        return self._rank(release, "retrieval", "similar", inputs, budget)

    def similar_to_new(
        self,
        release: ActiveRelease,
        movie: NewMovie,
        movie_filter: MovieFilter,
        budget: Budget,
    ) -> Ranking:
        inputs = {**movie_inputs([movie]), **filter_inputs(release, [movie_filter])}
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
        kept, movies = rows_by_id(release, call, outputs)
        return Ranking.of(Source.RETRIEVAL, movies, outputs["scores"][0][kept])

    def _answers(
        self, question: Question, rows: Sequence[Asked]
    ) -> Sequence[Recommended | ModelFailure]:
        """What the models say to each of the rows of one question, or why they do not."""
        try:
            if question.call.signature == BY_NUMBER:
                return self._by_number(question, rows)
            return [self._by_id(question, one) for one in rows]
        except UpstreamUnavailable as error:
            if question.call.servable == INDEX_PART and not error.timed_out:
                # Unloaded since the follower's last look: exact search answers.
                exact = replace(question, call=replace(question.call, servable="recommend"))
                return self._answers(exact, rows)
            # An exception is one answer's.
            return [copy(error) for _ in rows]
        except (DeadlineExceeded, ContractViolation) as error:
            if len(rows) == 1:
                return [error]
            # One of them alone may be the reason.
            return [answer for one in rows for answer in self._answers(question, [one])]

    def _by_number(
        self, question: Question, rows: Sequence[Asked]
    ) -> list[Recommended | ModelFailure]:
        budget = max((one.budget for one in rows), key=lambda budget: budget.expires_at)
        outputs = self._merged.predict(question, rows, budget)
        histories = [len(one.query.user.movies) for one in rows]
        ranked = ranked_by_number(rows[0].release, question.call, outputs, histories)
        return [
            one if isinstance(one, ContractViolation) else _recommended(one, outputs, row)
            for row, one in enumerate(ranked)
        ]

    def _by_id(self, question: Question, asked: Asked) -> Recommended:
        release, query, budget = asked
        inputs = recommend_by_id(release, query.user, query.excluded, query.filter, query.order)
        sizes = {**dict(question.sizes), "B": 1}
        outputs = self._prediction.predict(question.call, inputs, question.outputs, budget, sizes)
        return _recommended(ranked_by_id(release, question.call, outputs, query.user), outputs)

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
        inputs = {**said, **filter_inputs(release, [NO_FILTER] * n_movies)}
        outputs = self._prediction.predict(call, inputs, _RANKED, budget, {"B": n_movies})
        trained = release.trained
        places = []
        for number in range(n_movies):
            kept, rows = rows_by_id(release, call, outputs, number)
            cosines = outputs["scores"][number][kept]
            places.append(place_by_content(trained, rows, cosines))
        return np.stack(places)


def _numbered_inputs(rows: Sequence[Asked]) -> Mapping[str, Array]:
    queries = [one.query for one in rows]
    return recommend_by_number(
        rows[0].release,
        [query.user for query in queries],
        [query.excluded for query in queries],
        [query.filter for query in queries],
        queries[0].order,
    )


def _company(asked: Asked, place: int) -> Hashable:
    """What those have in common that one call can answer; `place` is that of nobody else."""
    release, query, _ = asked
    if release.manifest.contract_version < BY_NUMBER_SINCE:
        return place
    wants = (query.wants_vectors, query.n_explained > 0)
    return (release.version, _servable(release, query), *wants, *_kind(query))


def _kind(query: RankingQuery) -> tuple[Order, int]:
    """Among rows of which widths it goes, as all are as wide as the widest, and in which order."""
    widest = max(len(query.user.movies), len(query.user.tokens), len(query.excluded))
    return query.order, max(bucket_width(widest), NARROW)


def _servable(release: ActiveRelease, query: RankingQuery) -> str:
    by_index = (
        INDEX_PART in release.index_parts
        and not query.filter
        and query.order is Order.DEFAULT
        and len(query.excluded) <= MAX_INDEX_EXCLUSIONS
    )
    return INDEX_PART if by_index else "recommend"


def _question(asked: Asked) -> Question:
    """What the models are asked for this one, and for others of its company."""
    release, query, _ = asked
    signature, ranked, reasons = BY_NUMBER, LIST_OUTPUTS, REASON_OUTPUTS
    if release.manifest.contract_version < BY_NUMBER_SINCE:
        signature, ranked, reasons = DEFAULT_SIGNATURE, _BY_ID, _REASONS_BY_ID
    vectors = _VECTORS if query.wants_vectors else ()
    return Question(
        ServableCall(_servable(release, query), signature, release.version),
        (*ranked, *vectors, *(reasons if query.n_explained else ())),
        tuple(_sizes(release).items()),
        _kind(query),
    )


def _recommended(ranked: Ranked, outputs: Mapping[str, Array], row: int = 0) -> Recommended:
    ranking, explained = ranked
    vectors = _user_vectors(outputs, row) if "user_vector" in outputs else None
    return Recommended(ranking, vectors, explained)


def _sizes(release: ActiveRelease) -> dict[str, int]:
    return {"B": 1, "D": release.manifest.vector_dim, "R": release.manifest.rating_dim}


def _user_vectors(outputs: Mapping[str, Array], row: int = 0) -> UserVectors:
    return UserVectors(
        retrieval=outputs["user_vector"][row],
        rating=outputs["rating_vector"][row],
        rating_bias=float(outputs["rating_bias"][row, 0]),
        score_stats=tuple(outputs["score_stats"][row].tolist()),
    )
