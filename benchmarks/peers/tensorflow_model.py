"""The release's own `recommend` SavedModel, called inside a peer's process.

What a page does not show is cut off inside a function around the signature, so that TensorFlow
leaves out what only the unused outputs need: reasons and the last 190 movies.
"""

from __future__ import annotations

import os

import numpy as np

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import tensorflow as tf
from world import PAGE_SIZE, World

WIDTHS = (16, 64, 256, 1024, 16384)
"""Widths of padded inputs: few shapes, few traces."""


class TensorFlowModel:
    """Answers from the SavedModel of a world."""

    def __init__(self, world: World) -> None:
        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.threading.set_inter_op_parallelism_threads(1)
        self._world = world
        self._ids = np.array(world.movie_ids, object)
        self._loaded = tf.saved_model.load(str(world.recommend))
        signature = self._loaded.signatures["serving_default"]
        words = signature.structured_input_signature[1]["genres_any"].shape[1]
        unset = tf.constant([[np.iinfo(np.int64).min, np.iinfo(np.int64).max]], tf.int64)

        def page(
            user_id: tf.Tensor, history: tf.Tensor, ratings: tf.Tensor, seen: tf.Tensor
        ) -> tuple[tf.Tensor, tf.Tensor]:
            n_rows = tf.shape(user_id)[0]
            masks = tf.zeros((n_rows, words or 1), tf.int64)
            outputs = signature(
                user_id=user_id,
                history_ids=history,
                history_ratings=ratings,
                profile=tf.fill((n_rows, 1), ""),
                exclude_ids=seen,
                genres_any=masks,
                genres_all=masks,
                genres_none=masks,
                years=tf.repeat(unset, n_rows, axis=0),
                order=tf.zeros((n_rows, 1), tf.int64),
            )
            return outputs["movie_ids"][:, :PAGE_SIZE], outputs["scores"][:, :PAGE_SIZE]

        string, number = tf.string, tf.float32
        self._page = tf.function(page).get_concrete_function(
            tf.TensorSpec([None], string),
            tf.TensorSpec([None, None], string),
            tf.TensorSpec([None, None], number),
            tf.TensorSpec([None, None], string),
        )
        self.recommend([next(iter(world.users))])

    def recommend(self, user_ids: list[str]) -> list[tuple[list[int], list[float]]]:
        """Rows and scores of the ten movies of each of these stored users, in one call.

        Raises:
          KeyError: nobody has one of these ids.
        """
        users = [self._world.users[user_id] for user_id in user_ids]
        newest = self._world.max_history
        width = _width(max(len(movies) for movies, _ in users))
        kept = _width(min(width, newest))
        seen = np.full((len(users), width), "", object)
        history = np.full((len(users), kept), "", object)
        ratings = np.zeros((len(users), kept), np.float32)
        for row, (movies, rated) in enumerate(users):
            ids = self._ids[movies]
            n = min(len(movies), newest)
            seen[row, width - len(ids) :] = ids
            history[row, kept - n :] = ids[-n:]
            ratings[row, kept - n :] = rated[-n:]
        ids, scores = self._page(
            tf.constant(user_ids), tf.constant(history), tf.constant(ratings), tf.constant(seen)
        )
        index = self._world.index
        return [
            ([index[movie_id.decode()] for movie_id in row], row_scores)
            for row, row_scores in zip(ids.numpy().tolist(), scores.numpy().tolist(), strict=True)
        ]


def _width(n_values: int) -> int:
    return next(width for width in WIDTHS if n_values <= width)
