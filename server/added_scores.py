"""Scores of movies that the graphs do not know, by their vectors: contract 1's arithmetic."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from server.domain import MovieId, Order, Source
from server.ranking import Ranking
from server.releases import ActiveRelease, MovieVectors
from server.servables import UserVectors
from serving.contract import Manifest

_EPSILON = 1e-6
"""What the graphs add to a deviation before they divide by it."""


def added_ratings(
    release: ActiveRelease, user: UserVectors, movie_ids: Sequence[MovieId]
) -> dict[MovieId, float]:
    """The user's ratings of those movies that were added and have vectors; not clipped."""
    vectors = release.added_vectors
    if vectors is None:
        return {}
    ratings = _ratings(user, vectors)
    rows = {movie.movie_id: row for row, movie in enumerate(release.added)}
    return {i: float(ratings[rows[i]]) for i in dict.fromkeys(movie_ids) if i in rows}


def added_movies(release: ActiveRelease, user: UserVectors, order: Order) -> Ranking:
    """Every added movie, in no order, with scores comparable to what `recommend` said of others."""
    vectors = release.added_vectors
    if vectors is None:
        return Ranking.of(Source.CONTENT, (), ())
    scores = ratings = _ratings(user, vectors)
    if order is Order.DEFAULT:
        retrieved = vectors.item_vectors @ user.retrieval
        scores = _final_scores(retrieved, ratings, user, release.manifest)
    rows = np.arange(len(release.trained.movies), len(release.catalogue.movies))
    inside = np.clip(ratings, *release.manifest.rating_range)
    return Ranking.of(Source.CONTENT, rows, scores, inside)


def _ratings(user: UserVectors, vectors: MovieVectors) -> NDArray[np.float32]:
    """[A] not clipped; the mean of all is part of the user's bias."""
    return vectors.rating_vectors @ user.rating + user.rating_bias + vectors.rating_biases


def _final_scores(
    retrieved: NDArray[np.float32],
    ratings: NDArray[np.float32],
    user: UserVectors,
    manifest: Manifest,
) -> NDArray[np.float32]:
    """[A] z(retrieval) + weight * z(rating), standardised like the candidates of the graph."""
    mean, deviation, rating_mean, rating_deviation = user.score_stats
    blended: NDArray[np.float32] = _standardised(retrieved, mean, deviation)
    return blended + manifest.rating_weight * _standardised(ratings, rating_mean, rating_deviation)


def _standardised(
    values: NDArray[np.float32], mean: float, deviation: float
) -> NDArray[np.float32]:
    """Without a deviation the candidates say nothing: then the added movies have their own."""
    if deviation == 0:
        mean, deviation = float(values.mean()), float(values.std())
    return (values - np.float32(mean)) / np.float32(deviation + _EPSILON)
