"""PopularMovies: rankings that are the same for everybody."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from server.domain import Answer, PopularList, PopularMovies, PopularQuery
from server.features.catalogue import Catalogue
from server.releases import ActiveRelease
from server.rules import allowed_movies


def popular_ranking(release: ActiveRelease, query: PopularQuery) -> PopularMovies:
    """Movies within the thresholds and the filter, best first.

    Movies without a rating have no mean: HIGHEST_RATED leaves them out.
    """
    catalogue = release.catalogue
    scores = _scores(catalogue, query.ranking)
    allowed = allowed_movies(catalogue, query.filter, release.manifest.genres)
    allowed &= catalogue.rating_counts >= query.min_rating_count
    if query.min_mean_rating > 0 or query.ranking is PopularList.HIGHEST_RATED:
        rated = catalogue.rating_counts > 0
        allowed &= rated & (catalogue.mean_ratings >= query.min_mean_rating)
    # Equal scores: the movie whose score rests on more ratings first.
    order = np.lexsort((-catalogue.rating_counts, -scores))
    best = order[allowed[order]][: query.page_size]
    return PopularMovies(
        movies=tuple(catalogue.movies[index] for index in best),
        scores=tuple(scores[best].tolist()),
        answer=Answer(release.version),
    )


def _scores(catalogue: Catalogue, ranking: PopularList) -> NDArray[np.float64]:
    """[N] by movie_index; higher is better."""
    match ranking:
        case PopularList.MOST_RATED:
            return catalogue.rating_counts.astype(np.float64)
        case PopularList.HIGHEST_RATED:
            return catalogue.mean_ratings
        case PopularList.BAYESIAN:
            # The mean shrunk towards that of all is the Bayesian average.
            return catalogue.shrunk_means.astype(np.float64)
        case PopularList.POPULAR:
            scores = np.empty(len(catalogue.movies))
            scores[catalogue.popular_order[0]] = catalogue.popular_scores[0]
            return scores
