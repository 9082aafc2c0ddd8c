"""The list of somebody who said something about himself or herself and rated nothing yet."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from server.domain import Profile, Source
from server.fallback import popular_movies
from server.ranking import SOURCES, Ranking
from server.releases import ActiveRelease
from serving.contract import K_MAX

SOFTNESS: Final = 5
"""How slowly a place in a list loses worth: place n, from 0, is worth 1 / (SOFTNESS + n)."""
SEGMENT_WEIGHT: Final = 0.25
"""Of what is popular among people of the same gender and age; the models' list weighs 1."""
FAVORITE_WEIGHT: Final = 0.5
"""Of the same among movies of the favourite genres; enough for the first to be on page one."""


def mixed_by_profile(
    release: ActiveRelease, profile: Profile, allowed: NDArray[np.bool_], models: Ranking
) -> Ranking:
    """The models' list, the segment's and the one of the favourite genres as one, by their places.

    Places rather than scores are added: they mean the same in every list and every release. A
    movie's source is the list that adds most; the first of these where two add as much.

    Args:
      allowed: [N] what may be listed.
      models: what they say of a user without history; empty when they are away.
    """
    opinions = [
        (Source.RETRIEVAL, models, 1.0),
        (Source.POPULAR, popular_movies(release, profile, allowed, K_MAX), SEGMENT_WEIGHT),
    ]
    if profile.favorite_genres:
        liked = popular_movies(release, profile, allowed, K_MAX, profile.favorite_genres)
        opinions.append((Source.CONTENT, liked, FAVORITE_WEIGHT))
    listed = np.concatenate([ranking.movies for _, ranking, _ in opinions])
    # In the order in which the lists name them.
    movies = listed[np.sort(np.unique(listed, return_index=True)[1])]
    # [opinions, movies]
    worth = np.stack([_worth(ranking, weight, movies) for _, ranking, weight in opinions])
    most = worth.argmax(axis=0)
    sources = np.array([SOURCES.index(source) for source, _, _ in opinions], np.int8)[most]
    # An added movie stays CONTENT: that is where the models' list has it from.
    n_models = len(models)
    sources[:n_models] = np.where(most[:n_models] == 0, models.sources, sources[:n_models])
    others = Ranking.of(Source.POPULAR, movies[n_models:], np.zeros(len(movies) - n_models))
    mixed = models.followed_by(others)
    return mixed.scored(worth.sum(axis=0), sources).by_score().take(slice(K_MAX))


def _worth(ranking: Ranking, weight: float, movies: NDArray[np.int64]) -> NDArray[np.float64]:
    """[K] what a list adds to the scores of `movies`."""
    place = {movie: place for place, movie in enumerate(ranking.movies.tolist())}
    return np.array(
        [weight / (SOFTNESS + place[m]) if m in place else 0.0 for m in movies.tolist()]
    )
