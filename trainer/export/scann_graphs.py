"""`recommend_scann` and `retrieval_scann`: the same signatures over a ScaNN index.

A row whose request the index can't answer - a filter, another order, more exclusions than the
index was asked to spare, or simply too few neighbours found - is answered by exact search, so every
request gets the answer that the contract promises; only the others are fast. Whether a row is does
not depend on the rows beside it.
"""

from __future__ import annotations

import tensorflow as tf

from serving.contract import K_MAX, YEAR_UNSET
from trainer.export.graphs import CANDIDATES, Candidates, Recommend, Retrieval, User, Wish
from trainer.export.ingredients import Towers
from trainer.export.layers import pad_columns
from trainer.export.scann_index import SAVE_OPTIONS, IndexParameters, ScannIndex

SPARE = 200
"""Neighbours beyond the candidates: so many exclusions may be among them."""


class RecommendScann(Recommend):
    """`recommend` whose candidates come from the index wherever that is enough."""

    servable = "recommend_scann"
    save_options = SAVE_OPTIONS

    def __init__(self, parts: Towers, parameters: IndexParameters) -> None:
        self._index = ScannIndex(parts.retrieval.item_vectors, parameters)
        super().__init__(parts)

    def _candidates(self, user: User, excluded: tf.Tensor, wish: Wish) -> Candidates:
        k = min(self._n_candidates + SPARE, self._movies.n_ids)
        movies, scores, valid = self._index.search(user.retrieval.vector, k)
        valid &= ~_among(movies, excluded)
        best, position = tf.math.top_k(
            tf.where(valid, scores, scores.dtype.min), self._n_candidates
        )
        movies = tf.gather(movies, position, batch_dims=1)
        valid = tf.gather(valid, position, batch_dims=1)
        ratings = self._rating.some_movies(user.rating, movies)
        found = Candidates(movies, valid, tf.where(valid, best, 0.0), ratings)
        enough = tf.reduce_all(valid, axis=1, keepdims=True) & _is_plain(wish)

        def refilled() -> Candidates:
            exact = super(RecommendScann, self)._candidates(user, excluded, wish)
            pairs = zip(found, exact, strict=True)
            return Candidates(*(tf.where(enough, near, all_) for near, all_ in pairs))

        return Candidates(*tf.cond(tf.reduce_all(enough), lambda: found, refilled))


class RetrievalScann(Retrieval):
    """`retrieval` whose ranking for a user comes from the index; `similar` stays exact."""

    servable = "retrieval_scann"
    save_options = SAVE_OPTIONS

    def __init__(self, parts: Towers, parameters: IndexParameters) -> None:
        self._index = ScannIndex(parts.retrieval.item_vectors, parameters)
        super().__init__(parts)

    def _ranked_for(self, user_vector: tf.Tensor) -> dict[str, tf.Tensor]:
        k = min(K_MAX, self._movies.n_ids)
        movies, scores, valid = self._index.search(user_vector, min(CANDIDATES, self._movies.n_ids))
        scores, position = tf.math.top_k(tf.where(valid, scores, scores.dtype.min), k)
        valid = tf.gather(valid, position, batch_dims=1)
        movies = tf.gather(movies, position, batch_dims=1)
        enough = tf.reduce_all(valid, axis=1, keepdims=True)
        found = {
            "movie_ids": pad_columns(self._movies.ids(tf.where(valid, movies, self._movies.n_ids))),
            "scores": pad_columns(tf.where(valid, scores, 0.0)),
        }

        def refilled() -> dict[str, tf.Tensor]:
            exact = super(RetrievalScann, self)._ranked_for(user_vector)
            return {name: tf.where(enough, found[name], exact[name]) for name in found}

        answer: dict[str, tf.Tensor] = tf.cond(tf.reduce_all(enough), lambda: found, refilled)
        return answer


def _is_plain(wish: Wish) -> tf.Tensor:
    """[B, 1] whether a request has no filter and the default order."""
    masks = (wish.genres_any, wish.genres_all, wish.genres_none)
    filtered = tf.reduce_any(tf.concat(masks, axis=1) != 0, axis=1, keepdims=True)
    bounded = tf.reduce_any(
        wish.years != tf.constant([YEAR_UNSET], tf.int64), axis=1, keepdims=True
    )
    return ~filtered & ~bounded & (wish.order != 1)


def _among(movies: tf.Tensor, excluded: tf.Tensor) -> tf.Tensor:
    """[B, S] which of [B, S] movies are in the same row of [B, E] excluded."""
    # The last place is nobody's, so that every search ends on a place that exists.
    ascending = tf.pad(tf.sort(excluded, axis=1), [[0, 0], [0, 1]], constant_values=tf.int64.max)
    place = tf.searchsorted(ascending, movies)
    return tf.gather(ascending, place, batch_dims=1) == movies
