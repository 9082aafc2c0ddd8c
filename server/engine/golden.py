"""Golden requests, which are recorded as tensors, put to the engine."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np

from server.domain import MovieId, NewMovie, UserId
from server.engine.arrays import BoolArray
from server.engine.engine import Asker, Engine, RankedMovies
from server.features.catalogue import Catalogue
from serving.contract import (
    DEFAULT_SIGNATURE,
    K_MAX,
    ORDER_PREDICTED_RATING,
    YEAR_UNSET,
    Manifest,
    golden_differences,
)

Tensors = Mapping[str, Any]
"""Nested lists of one row by name; "" is padding."""


def replay_on_engine(engine: Engine, catalogue: Catalogue, manifest: Manifest) -> str:
    """Why the golden requests do not reproduce on the engine; "" when they all do.

    Those of signatures that the gateway never calls are left out.
    """
    answers = EngineTensors(engine, catalogue)
    for number, golden in enumerate(manifest.golden_requests):
        answer = answers.of(golden.servable, golden.signature, golden.inputs)
        if answer is None:
            continue
        if differences := golden_differences(golden, answer):
            return f"golden request {number} on the engine: {'; '.join(differences)}"
    return ""


class EngineTensors:
    """The engine behind the signatures of the contract, one row at a time.

    Args:
      engine: of one release.
      catalogue: of its snapshot.
    """

    def __init__(self, engine: Engine, catalogue: Catalogue) -> None:
        self._engine = engine
        self._catalogue = catalogue
        self._answers: Final[Mapping[tuple[str, str], Callable[[Tensors], Tensors]]] = {
            ("recommend", DEFAULT_SIGNATURE): self._recommend,
            ("ranking", "rank"): self._rank,
            ("retrieval", DEFAULT_SIGNATURE): self._retrieve,
            ("retrieval", "similar"): self._similar,
            ("content", "embed_movie"): self._embed_movie,
            ("content", "similar"): self._similar_to_new,
        }

    def of(self, servable: str, signature: str, inputs: Tensors) -> Tensors | None:
        """All outputs as nested lists; None for a signature that the engine does not have."""
        answer = self._answers.get((servable, signature))
        return answer(inputs) if answer else None

    def _recommend(self, inputs: Tensors) -> Tensors:
        allowed, index = self._allowed(inputs), self._catalogue.index
        allowed[[index[i] for i in _texts(inputs["exclude_ids"]) if i in index]] = False
        asker = self._asker(inputs)
        listed = self._engine.recommend(
            asker,
            allowed=allowed,
            by_rating=inputs["order"][0][0] == ORDER_PREDICTED_RATING,
        )
        places, drops = self._engine.reasons(asker.movies, asker.ratings, listed.ranked.movies)
        cited = [
            [self._id(asker.movies[at]) if drop > 0 else "" for at, drop in zip(*row, strict=True)]
            for row in zip(places.tolist(), drops.tolist(), strict=True)
        ]
        n_missing = K_MAX - len(cited)
        retrieval, rating = listed.retrieval_spread, listed.rating_spread
        return {
            **self._ranked(listed.ranked),
            "ratings": [_padded(listed.ratings.tolist(), 0.0)],
            "reason_ids": [cited + [[""] * places.shape[1]] * n_missing],
            "reason_drops": [drops.tolist() + [[0.0] * places.shape[1]] * n_missing],
            "user_vector": [listed.user.retrieval.vector.tolist()],
            "rating_vector": [listed.user.rating.vector.tolist()],
            "rating_bias": [[float(listed.user.rating.bias)]],
            "score_stats": [[retrieval.mean, retrieval.deviation, rating.mean, rating.deviation]],
        }

    def _rank(self, inputs: Tensors) -> Tensors:
        return {
            "ratings": [self._engine.rate(self._asker(inputs), inputs["movie_ids"][0]).tolist()]
        }

    def _retrieve(self, inputs: Tensors) -> Tensors:
        return self._ranked(self._engine.retrieve(self._asker(inputs)))

    def _similar(self, inputs: Tensors) -> Tensors:
        movie_id, mode = inputs["movie_id"][0], inputs["mode"][0][0]
        return self._ranked(self._engine.similar(movie_id, mode, self._allowed(inputs)))

    def _embed_movie(self, inputs: Tensors) -> Tensors:
        placed = self._engine.embed([_new_movie(inputs)])
        return {
            "item_vector": placed.retrieval.tolist(),
            "rating_vector": placed.rating[:, :-1].tolist(),
            "rating_bias": placed.rating[:, -1:].tolist(),
        }

    def _similar_to_new(self, inputs: Tensors) -> Tensors:
        allowed = self._allowed(inputs)
        return self._ranked(self._engine.similar_to_new(_new_movie(inputs), allowed))

    def _allowed(self, inputs: Tensors) -> BoolArray:
        """[N] as the graphs filter, by masks rather than by names."""
        words, years = self._catalogue.genre_words, self._catalogue.years
        masks = {
            name: np.array(inputs[name][0], np.int64)
            for name in ("genres_any", "genres_all", "genres_none")
        }
        any_of, all_of, none_of = masks.values()
        allowed: BoolArray = ((words & all_of) == all_of).all(axis=1) & ~(words & none_of).any(
            axis=1
        )
        if any_of.any():
            allowed &= (words & any_of).any(axis=1)
        first, last = inputs["years"][0]
        if (first, last) != YEAR_UNSET:
            allowed &= (years > 0) & (years >= first) & (years <= last)
        return allowed

    def _ranked(self, ranked: RankedMovies) -> Tensors:
        ids = [self._id(movie) for movie in ranked.movies.tolist()]
        return {
            "movie_ids": [_padded(ids, "")],
            "scores": [_padded(ranked.scores.tolist(), 0.0)],
        }

    def _asker(self, inputs: Tensors) -> Asker:
        index = self._catalogue.index
        rated = [
            (index[movie_id], rating)
            for movie_id, rating in zip(
                inputs["history_ids"][0], inputs["history_ratings"][0], strict=True
            )
            if movie_id in index
        ]
        return Asker(
            UserId(inputs["user_id"][0]),
            np.array([movie for movie, _ in rated], np.int64),
            np.array([rating for _, rating in rated], np.float32),
            _texts(inputs["profile"]),
        )

    def _id(self, movie: int) -> MovieId:
        return self._catalogue.movies[movie].movie_id


def _new_movie(inputs: Tensors) -> NewMovie:
    return NewMovie(
        inputs["title"][0],
        inputs["year"][0],
        tuple(_texts(inputs["genres"])),
        tuple(_texts(inputs["tags"])),
    )


def _texts(rows: Sequence[Sequence[str]]) -> list[Any]:
    return [text for text in rows[0] if text]


def _padded(values: list[Any], padding: Any) -> list[Any]:
    return values + [padding] * (K_MAX - len(values))
