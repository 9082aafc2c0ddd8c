"""The arithmetic of `recommend` in NumPy for one stored user: a service without TensorFlow.

Retrieval over the whole catalogue, without the seen movies; the best 300 with their ratings; the
final order by both; the first ten.
"""

from __future__ import annotations

import numpy as np
from world import N_CANDIDATES, PAGE_SIZE, World

NO_SPREAD = 1e-4
EPSILON = 1e-6


class NumpyModel:
    """Answers from the towers of a world."""

    def __init__(self, world: World) -> None:
        t = world.towers
        self._world = world
        self._items = np.ascontiguousarray(t["retrieval.item_vectors"], np.float32)
        self._history = t["retrieval.history_vectors"]
        self._base = t["retrieval.base_vector"]
        self._covariance = t["retrieval.covariance"]
        self._tower_of_column = t["retrieval.tower_of_column"]
        self._first_columns = np.flatnonzero(np.diff(self._tower_of_column, prepend=-1))
        self._age_weights = t["retrieval.age_weights"][:, self._tower_of_column]
        self._gate_from, self._gate = t["retrieval.gate_from"], t["retrieval.gate"]
        self._low = float(t["retrieval.liking.low"])
        self._span = float(t["retrieval.liking.high"]) - self._low
        self._disliked = float(t["retrieval.liking.disliked"])
        self._rating_items = np.column_stack([t["rating.item_vectors"], t["rating.item_bias"]])
        self._rating_history = np.column_stack(
            [t["rating.history_vectors"], t["rating.history_bias"]]
        )
        self._reads_history = bool(self._rating_history.any())
        stored = np.column_stack([t["rating.stored_vectors"], t["rating.stored_bias"]])
        self._stored = stored.astype(np.float32)
        self._user_rows = {user: row for row, user in enumerate(t["user_ids"].tolist())}
        self._mean = float(t["rating.mean"])
        self._rating_weight = float(t["rating_weight"])

    def recommend(self, user_id: str) -> tuple[list[int], list[float]]:
        """Rows and scores of the ten movies of a stored user.

        Raises:
          KeyError: nobody has this id.
        """
        seen, ratings = self._world.users[user_id]
        newest = self._world.max_history
        history, rated = seen[-newest:], ratings[-newest:]
        scores = self._items @ self._user_vector(history, rated)
        scores[seen] = -np.inf
        width = min(N_CANDIDATES, len(scores) - len(seen))
        candidates = np.argpartition(-scores, width - 1)[:width]
        candidates = candidates[np.argsort(-scores[candidates], kind="stable")]
        vector = self._rating_vector(user_id, history)
        predicted = self._rating_items[candidates, :-1] @ vector[:-1]
        predicted += self._rating_items[candidates, -1] + (self._mean + vector[-1])
        final = _standardised(scores[candidates]) + self._rating_weight * _standardised(predicted)
        best = np.argsort(-final, kind="stable")[:PAGE_SIZE]
        return candidates[best].tolist(), final[best].tolist()

    def _user_vector(self, history: np.ndarray, ratings: np.ndarray) -> np.ndarray:
        n_movies = len(history)
        ages = np.minimum(np.arange(n_movies - 1, -1, -1), len(self._age_weights) - 1)
        liked = np.clip((ratings - self._low) / self._span, 0, 1)
        liked = np.float32(self._disliked) + np.float32(1 - self._disliked) * liked
        weights = self._age_weights[ages] * liked[:, None]
        vector = self._base + (self._history[history] * weights).sum(0)
        row = int((n_movies >= self._gate_from).sum()) - 1
        by_tower = np.add.reduceat(vector * (vector @ self._covariance), self._first_columns)
        deviation = np.sqrt(np.maximum(by_tower, 0))
        scale = np.divide(
            self._gate[row], deviation, out=np.zeros_like(deviation), where=deviation != 0
        )
        return vector * scale[self._tower_of_column]

    def _rating_vector(self, user_id: str, history: np.ndarray) -> np.ndarray:
        vector = self._stored[self._user_rows[user_id]]
        if not self._reads_history:
            return vector
        total = self._rating_history[history].sum(0)
        return vector + total / np.float32(np.sqrt(max(len(history), 1)))


def _standardised(values: np.ndarray) -> np.ndarray:
    centred = values - values.mean()
    deviation = np.sqrt((centred * centred).mean())
    if not deviation > NO_SPREAD * np.abs(values).max():
        return np.zeros_like(values)
    return centred / (deviation + np.float32(EPSILON))
