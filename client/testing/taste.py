"""The arithmetic behind a fake's answers: small, and explained by its own terms.

A movie's score for a user is a sum: one term for each rated movie (how much better than average it
was rated, times how alike the two movies are), one for favourite genres, one for popularity. So the
reasons of an answer are true: without a rated movie the score is lower by exactly its term.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Final

from client.testing import titles
from client.testing.state import RATING_RANGE, Film, NewMovie, State
from protos.recommender.v1 import recommender_pb2 as pb

INDIFFERENT: Final = 3.0
"""A rating that neither pulls nor pushes."""
FAVORITE_WEIGHT: Final = 0.3
POPULARITY_WEIGHT: Final = 0.5
SHRINKAGE: Final = 3.0
"""Ratings that the mean of all counts beside a movie's own."""

Mode = pb.SimilarMoviesRequest.Mode


class Taste:
    """Similarities and scores over one state."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._similarity = lru_cache(maxsize=None)(self._hybrid)
        counts = [film.message.rating_count for film in state.films.values()]
        sums = [
            film.message.mean_rating * film.message.rating_count for film in state.films.values()
        ]
        self._mean = sum(sums) / sum(counts) if sum(counts) else INDIFFERENT
        self._most = max(counts, default=0)

    def score(self, film: Film, history: Sequence[pb.RatedMovie], profile: pb.Profile) -> float:
        """Unbounded; the sum of `pulls`, favourite genres and popularity."""
        favorites = len(set(film.message.genres) & set(profile.favorite_genres))
        return (
            sum(self.pulls(film, history).values())
            + FAVORITE_WEIGHT * favorites
            + POPULARITY_WEIGHT * self.popularity(film)
        )

    def pulls(self, film: Film, history: Sequence[pb.RatedMovie]) -> dict[str, float]:
        """{movie_id: the term of this rated movie in the film's score}."""
        movie_id = film.message.movie_id
        return {
            rated.movie_id: (rated.rating - INDIFFERENT)
            * self._similarity(movie_id, rated.movie_id)
            for rated in history
        }

    def popularity(self, film: Film) -> float:
        """0..1, 1 = the most often rated one."""
        return math.log1p(film.message.rating_count) / math.log1p(max(self._most, 1))

    def shrunk_mean(self, film: Film) -> float:
        """The movie's mean rating, pulled towards that of all where few rated it."""
        n = film.message.rating_count
        return (n * film.message.mean_rating + SHRINKAGE * self._mean) / (n + SHRINKAGE)

    def rating(self, film: Film, history: Sequence[pb.RatedMovie], profile: pb.Profile) -> float:
        """Inside RATING_RANGE: the shrunk mean, moved by what the user likes."""
        liking = sum(self.pulls(film, history).values())
        liking += FAVORITE_WEIGHT * len(set(film.message.genres) & set(profile.favorite_genres))
        low, high = RATING_RANGE
        return min(max(self.shrunk_mean(film) + math.tanh(liking / 2), low), high)

    def like(self, content: NewMovie, raters: Mapping[str, float], film: Film, mode: Mode) -> float:
        """-1..1, how alike a movie (its content and its raters) and a film are."""
        by_content = _cosine(_tokens(content), _tokens(film.content))
        if mode == pb.SimilarMoviesRequest.MODE_CONTENT or not raters or not film.raters:
            return by_content
        mean = self._mean
        by_raters = _cosine(
            {user: rating - mean for user, rating in raters.items()},
            {user: rating - mean for user, rating in film.raters.items()},
        )
        if mode == pb.SimilarMoviesRequest.MODE_COLLABORATIVE:
            return by_raters
        trust = min(len(raters), len(film.raters)) / (
            min(len(raters), len(film.raters)) + SHRINKAGE
        )
        return trust * by_raters + (1 - trust) * by_content

    def _hybrid(self, movie_id: str, other_id: str) -> float:
        film, other = self._state.films[movie_id], self._state.films[other_id]
        return self.like(film.content, film.raters, other, pb.SimilarMoviesRequest.MODE_HYBRID)


def _tokens(content: NewMovie) -> dict[str, float]:
    """What a movie is, as weighted words."""
    tokens = {f"genre {genre}": 1.0 for genre in content.genres}
    tokens |= {f"tag {tag}": 0.8 for tag in content.tags}
    tokens |= {f"word {word}": 0.4 for word in titles.plain(content.title).split()}
    if content.year:
        tokens[f"decade {content.year // 10}"] = 0.4
    return tokens


def _cosine(one: Mapping[str, float], other: Mapping[str, float]) -> float:
    dot = sum(weight * other[key] for key, weight in one.items() if key in other)
    norm = math.hypot(*one.values()) * math.hypot(*other.values())
    return max(-1.0, min(1.0, dot / norm)) if norm else 0.0
