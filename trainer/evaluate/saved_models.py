"""Asks exported SavedModels by their signatures alone: what is served is what is scored."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from serving.contract import DEFAULT_SIGNATURE, YEAR_UNSET, genre_words
from trainer.evaluate.question import BoolArray, Shown
from trainer.evaluate.scorers import DEPTH, FloatArray, Ranking, ScoreRanking
from trainer.export.towers_file import read_towers
from trainer.features.index import DenseIndex, Histories, IndexArray

_PAIRS = 1 << 14
"""Pairs in one call of `ranking`."""
_USERS = 64
"""Users in one call."""
_STRANGER = ""
"""The user_id of somebody whom training did not see."""


@dataclass(frozen=True, eq=False)
class ReleaseScorer:
    """Rates by `ranking` and ranks by `recommend` of one staged release."""

    folder: Path
    """Holds a SavedModel by the name of each servable."""
    index: DenseIndex
    """Its movie ids are those of the release, in the same order."""
    n_genres: int
    signed: bool = True
    """False = histories are told without their ratings: a dislike counts as a watched movie."""
    topn_of: str = "recommend"

    @cached_property
    def _movie_ids(self) -> npt.NDArray[np.bytes_]:
        return np.char.encode(np.array([*self.index.movie_ids, ""]), "utf-8")

    @cached_property
    def _movie_index(self) -> dict[bytes, int]:
        return {movie_id: i for i, movie_id in enumerate(self._movie_ids[:-1].tolist())}

    @cached_property
    def _recommend(self) -> Any:
        return tf.saved_model.load(str(self.folder / "recommend"))

    @cached_property
    def _ranking(self) -> Any:
        return tf.saved_model.load(str(self.folder / "ranking"))

    def rate(self, shown: Shown, position: IndexArray, movies: IndexArray) -> FloatArray:
        """Known users by their id, strangers by their history."""
        if shown.strangers:
            return self._rate_strangers(shown, position, movies)
        call = self._ranking.signatures[DEFAULT_SIGNATURE]
        users = np.array(self.index.user_ids)[shown.users[position]]
        found = [
            call(
                user_id=tf.constant(users[start : start + _PAIRS]),
                movie_id=tf.constant(self._movie_ids[movies[start : start + _PAIRS]]),
            )["rating"].numpy()
            for start in range(0, len(movies), _PAIRS)
        ]
        return np.concatenate(found)

    def _rate_strangers(self, shown: Shown, position: IndexArray, movies: IndexArray) -> FloatArray:
        call = self._ranking.signatures["rank"]
        ratings = np.empty(len(movies))
        for user in np.unique(position):
            rows = np.flatnonzero(position == user)
            answer = call(
                **self._user(shown.part(user, user + 1)),
                movie_ids=tf.constant(self._movie_ids[movies[rows]][None, :]),
            )
            ratings[rows] = answer["ratings"].numpy()[0]
        return ratings

    def rank(self, shown: Shown, excluded: BoolArray) -> Ranking:
        """The 200 columns of `recommend`, in its final order."""
        lists = [
            self._lists(shown.part(start, start + _USERS), excluded[start : start + _USERS])
            for start in range(0, len(shown), _USERS)
        ]
        return Ranking(np.concatenate(lists), None)

    def _lists(self, shown: Shown, excluded: BoolArray) -> IndexArray:
        ranked = self._ask_recommend(shown, excluded)["movie_ids"].numpy()
        found = [[self._movie_index.get(movie_id, -1) for movie_id in row] for row in ranked]
        return np.array(found, np.int64)[:, :DEPTH]

    def index_ranking(self) -> ScoreRanking:
        """The index's own order: the answered user vector times the item vectors."""
        item_vectors = read_towers(self.folder / "recommend").retrieval.item_vectors

        def scores(shown: Shown) -> FloatArray:
            nobody_excluded = np.zeros((len(shown), self.index.n_movies), bool)
            answer = self._ask_recommend(shown, nobody_excluded)
            return np.asarray(answer["user_vector"].numpy() @ item_vectors.T)

        return ScoreRanking(scores, topn_of="index")

    def _ask_recommend(self, shown: Shown, excluded: BoolArray) -> Any:
        no_genre = tf.zeros((len(shown), genre_words(self.n_genres)), tf.int64)
        return self._recommend.signatures[DEFAULT_SIGNATURE](
            **self._user(shown),
            exclude_ids=tf.constant(self._movie_ids[_padded(excluded)]),
            genres_any=no_genre,
            genres_all=no_genre,
            genres_none=no_genre,
            years=tf.constant([list(YEAR_UNSET)] * len(shown), tf.int64),
            order=tf.zeros((len(shown), 1), tf.int64),
        )

    def _user(self, shown: Shown) -> dict[str, tf.Tensor]:
        user_ids = [
            _STRANGER if shown.strangers else self.index.user_ids[user] for user in shown.users
        ]
        ids, ratings = _history(shown.histories)
        if not self.signed:
            ratings = np.where(ids >= 0, np.nan, 0).astype(np.float32)
        return {
            "user_id": tf.constant(user_ids),
            "history_ids": tf.constant(self._movie_ids[ids]),
            "history_ratings": tf.constant(ratings),
            "profile": tf.constant([[""]] * len(shown)),
        }


def _history(histories: Histories) -> tuple[IndexArray, npt.NDArray[np.float32]]:
    """[B, H] movies and ratings, oldest first, the first columns padding: index -1, rating 0."""
    width = 1 + int(histories.lengths().max(initial=0))
    movies = np.full((len(histories), width), -1, np.int64)
    ratings = np.zeros((len(histories), width), np.float32)
    for row, (own, rated) in enumerate(zip(histories.movies, histories.ratings, strict=True)):
        movies[row, width - len(own) :] = own
        ratings[row, width - len(own) :] = rated
    return movies, ratings


def _padded(mask: BoolArray) -> IndexArray:
    """[B, E] columns at which a row of the mask is true, -1 in front where it has fewer."""
    width = 1 + int(mask.sum(axis=1).max(initial=0))
    columns = np.full((len(mask), width), -1, np.int64)
    for row, own in enumerate(mask):
        found = np.flatnonzero(own)
        columns[row, width - len(found) :] = found
    return columns
