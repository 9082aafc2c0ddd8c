"""Reasons are true: hypothesis asks a gateway with a trained release, and NumPy works it out again.

What the retrieval score loses without a movie of the history is worked out here from the arrays of
the published release, not by the code that serves or trains.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import grpc
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protos.recommender.v1 import recommender_pb2 as pb
from protos.recommender.v1.recommender_pb2_grpc import RecommenderServiceStub
from serving.contract import REASONS_MAX
from tests.conftest import Release
from trainer.export.towers_file import TOWERS_FILE

RELEASE = 1
TOLERANCE = 1e-3
MOVIES = st.integers(1, 1682).map(str)
RATED = st.lists(st.tuples(MOVIES, st.sampled_from([1.0, 2.0, 3.0, 4.0, 4.5, 5.0])), max_size=40)


@dataclass(frozen=True)
class Oracle:
    """The retrieval model of a release, by the words of the contract."""

    index: Mapping[str, int]
    item: np.ndarray
    """[N, D]"""
    history: np.ndarray
    """[N, D]"""
    base: np.ndarray
    """[D]"""
    tower: np.ndarray
    """[D]"""
    age_weights: np.ndarray
    """[A, P]"""
    covariance: np.ndarray
    """[D, D]"""
    gate_from: np.ndarray
    gate: np.ndarray
    """[G, P]"""
    low: float
    high: float
    disliked: float

    def drops(self, rated: Mapping[str, float], movie_ids: Sequence[str]) -> np.ndarray:
        """[n, K] what each movie's retrieval score loses without each of the rated ones.

        Oldest first. Ages, gate and the towers' deviations stay as with the whole history.
        """
        ratings, ages = np.array(list(rated.values())), np.arange(len(rated))[::-1]
        share = np.clip((ratings - self.low) / (self.high - self.low), 0, 1)
        liking = self.disliked + (1 - self.disliked) * share
        of_age = self.age_weights[np.minimum(ages, len(self.age_weights) - 1)][:, self.tower]
        history = self.history[[self.index[movie_id] for movie_id in rated]]
        parts = liking[:, None] * of_age * history
        scale = self._scale(self.base + parts.sum(axis=0), len(rated))
        return (parts * scale) @ self.item[[self.index[movie_id] for movie_id in movie_ids]].T

    def _scale(self, vector: np.ndarray, length: int) -> np.ndarray:
        """[D] the gate's weight of each column's tower over the deviation of its scores."""
        row = max(n for n, shortest in enumerate(self.gate_from) if shortest <= length)
        scales = np.zeros(self.gate.shape[1])
        for tower in range(len(scales)):
            part = np.where(self.tower == tower, vector, 0)
            variance = part @ self.covariance @ part
            if variance > 0:
                scales[tower] = self.gate[row, tower] / np.sqrt(variance)
        return scales[self.tower]


@pytest.fixture(scope="module")
def oracle(release: Release) -> Oracle:
    return read_oracle(release.models_dir / "recommend" / str(RELEASE))


def read_oracle(saved_model: Path) -> Oracle:
    with np.load(saved_model / TOWERS_FILE) as arrays:
        model = {
            name.removeprefix("retrieval."): np.asarray(arrays[name], np.float64)
            for name in arrays.files
            if name.startswith("retrieval.")
        }
        movie_ids = arrays["movie_ids"].tolist()
    return Oracle(
        index={movie_id: number for number, movie_id in enumerate(movie_ids)},
        item=model["item_vectors"],
        history=model["history_vectors"],
        base=model["base_vector"],
        tower=model["tower_of_column"].astype(np.int64),
        age_weights=model["age_weights"],
        covariance=model["covariance"],
        gate_from=model["gate_from"],
        gate=model["gate"],
        low=float(model["liking.low"]),
        high=float(model["liking.high"]),
        disliked=float(model["liking.disliked"]),
    )


@pytest.fixture(scope="module")
def stub(target: str) -> Iterator[RecommenderServiceStub]:
    with grpc.insecure_channel(target) as channel:
        yield RecommenderServiceStub(channel)


def cited(entry: pb.RecommendUserResponse.Recommendation) -> dict[str, float]:
    return {
        reason.because_of_movie.movie.movie_id: reason.because_of_movie.weight
        for reason in entry.reasons
        if reason.WhichOneof("reason") == "because_of_movie"
    }


@settings(max_examples=25, deadline=None)
@given(user=st.integers(0, 943), said=RATED, page_size=st.sampled_from([10, 100]))
def test_a_cited_movie_is_worth_what_is_said(
    stub: RecommenderServiceStub,
    oracle: Oracle,
    user: int,
    said: list[tuple[str, float]],
    page_size: int,
) -> None:
    """Of known users and of guests (0), with and without ratings in the request.

    Cited are the movies whose absence would cost the score most, with just that cost as the
    weight, the greatest first; and none whose absence would cost nothing.
    """
    user_id = str(user) if user else ""
    query = pb.RecommendUserRequest(
        user_id=user_id,
        page_size=page_size,
        history=[pb.RatedMovie(movie_id=m, rating=r) for m, r in said],
    )
    response = stub.RecommendUser(query, timeout=20)
    stored = stub.GetUser(pb.GetUserRequest(user_id=user_id), timeout=20).ratings

    rated = {entry.movie_id: entry.rating for entry in stored}
    for movie_id, rating in said:
        rated.pop(movie_id, None)
        rated[movie_id] = rating
    assert not response.answer.degraded
    # What was added since the training is in no graph.
    entries = [e for e in response.recommendations if e.source != pb.SOURCE_CONTENT]
    assert not any(cited(e) for e in response.recommendations if e.source == pb.SOURCE_CONTENT)
    drops = oracle.drops(rated, [entry.movie.movie_id for entry in entries]) if rated else None
    seen = {movie_id: row for row, movie_id in enumerate(rated)}
    for column, entry in enumerate(entries):
        reasons = cited(entry)
        worth = np.zeros(0) if drops is None else drops[:, column]
        weights = list(reasons.values())
        assert weights == sorted(weights, reverse=True)
        assert all(weight > 0 for weight in weights)
        assert weights == pytest.approx([worth[seen[i]] for i in reasons], abs=TOLERANCE)
        best = np.sort(worth[worth > TOLERANCE])[::-1][:REASONS_MAX]
        assert weights[: len(best)] == pytest.approx(best.tolist(), abs=TOLERANCE)
