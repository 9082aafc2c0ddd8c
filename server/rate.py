"""PredictRating: the ratings that one user would give to the movies named."""

from __future__ import annotations

from server.deadline import Budget
from server.domain import Answer, PredictedRatings, RatingQuery, Source
from server.features.store import FeatureStore
from server.releases import ActiveRelease
from server.servables import Models
from server.users import request_user, unknown_movies


def predict_ratings(
    release: ActiveRelease,
    query: RatingQuery,
    budget: Budget,
    store: FeatureStore,
    models: Models,
) -> PredictedRatings:
    """Ratings inside the release's range, in the query's order; unknown movies are listed.

    Raises:
      UpstreamUnavailable: the model server does not answer.
      DeadlineExceeded: the budget is spent.
      ContractViolation: the model server breaks the contract.
    """
    user = request_user(release, store, query.user_id, query.history, query.profile)
    known = tuple(movie_id for movie_id in query.movie_ids if movie_id in release.catalogue)
    ratings = models.rate(release, user.model, known, budget) if known else ()
    low, high = release.manifest.rating_range
    return PredictedRatings(
        movie_ids=known,
        ratings=tuple(clipped(rating, low, high) for rating in ratings),
        source=Source.RETRIEVAL if len(user.model.history) else Source.MEAN,
        answer=Answer(
            release.version,
            unknown_movie_ids=unknown_movies(release, query.movie_ids, query.history.movie_ids),
        ),
    )


def clipped(rating: float, low: float, high: float) -> float:
    """The rating moved into low..high."""
    return min(max(rating, low), high)
