"""The list of somebody who said something about himself or herself and rated nothing yet."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Final

from server.domain import MovieFilter, MovieId, Profile, Source
from server.fallback import ScoredMovie, popular_movies
from server.ladder import Pick
from server.releases import ActiveRelease
from serving.contract import K_MAX

SOFTNESS: Final = 5
"""How slowly a place in a list loses worth: place n, from 0, is worth 1 / (SOFTNESS + n)."""
SEGMENT_WEIGHT: Final = 0.25
"""Of what is popular among people of the same gender and age; the models' list weighs 1."""
FAVORITE_WEIGHT: Final = 0.5
"""Of the same among movies of the favourite genres; enough for the first to be on page one."""


@dataclass(frozen=True, slots=True)
class _Opinion:
    """One of the lists that are mixed."""

    source: Source
    places: dict[MovieId, int]
    weight: float

    def worth(self, movie_id: MovieId) -> float:
        """What this list adds to a movie's score."""
        place = self.places.get(movie_id)
        return 0.0 if place is None else self.weight / (SOFTNESS + place)


def mixed_by_profile(
    release: ActiveRelease,
    profile: Profile,
    movie_filter: MovieFilter,
    excluded: Collection[MovieId],
    picks: Sequence[Pick],
) -> list[Pick]:
    """The models' list, the segment's and the one of the favourite genres as one, by their places.

    Places rather than scores are added: they mean the same in every list and every release. A
    movie's source is the list that adds most.

    Args:
      picks: what the models say of a user without history; empty when they are away.
      excluded: never listed.
    """
    segment = popular_movies(release, profile, movie_filter, excluded, K_MAX)
    opinions = [
        _Opinion(Source.RETRIEVAL, _places([pick.movie_id for pick in picks]), 1.0),
        _Opinion(Source.POPULAR, _places(_ids(segment)), SEGMENT_WEIGHT),
    ]
    if profile.favorite_genres:
        liked = popular_movies(
            release, profile, movie_filter, excluded, K_MAX, frozenset(profile.favorite_genres)
        )
        opinions.append(_Opinion(Source.CONTENT, _places(_ids(liked)), FAVORITE_WEIGHT))
    listed = {pick.movie_id: pick for pick in picks}
    found = [
        _mixed(movie_id, listed.get(movie_id), opinions)
        for movie_id in dict.fromkeys(movie_id for o in opinions for movie_id in o.places)
    ]
    return sorted(found, key=lambda pick: -pick.score)[:K_MAX]


def _mixed(movie_id: MovieId, pick: Pick | None, opinions: Sequence[_Opinion]) -> Pick:
    score = sum(opinion.worth(movie_id) for opinion in opinions)
    most = max(opinions, key=lambda opinion: opinion.worth(movie_id))
    if pick is None:
        return Pick(movie_id, score, most.source)
    # An added movie stays CONTENT: that is where the models' list has it from.
    return replace(pick, score=score, source=pick.source if most is opinions[0] else most.source)


def _places(movie_ids: Sequence[MovieId]) -> dict[MovieId, int]:
    return {movie_id: place for place, movie_id in enumerate(movie_ids)}


def _ids(movies: Sequence[ScoredMovie]) -> list[MovieId]:
    return [movie.movie_id for movie in movies]
