"""PredictRating: the ratings that one user would give to the movies named."""

from __future__ import annotations

from server.added_scores import added_ratings
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

    An added movie is rated by what is said of it; its mean stands in while it has no vectors.

    Raises:
      UpstreamUnavailable: the model server does not answer.
      DeadlineExceeded: the budget is spent.
      ContractViolation: the model server breaks the contract.
    """
    user = request_user(release, store, query.user_id, query.history, query.profile)
    known = tuple(movie_id for movie_id in query.movie_ids if movie_id in release.catalogue)
    trained = tuple(movie_id for movie_id in known if movie_id in release.trained)
    rated = models.rate(release, user.model, trained, budget) if trained else ()
    ratings = dict(zip(trained, rated, strict=True))
    predicted = Source.RETRIEVAL if len(user.model.history) else Source.MEAN
    sources = dict.fromkeys(trained, predicted)
    if len(trained) < len(known) and release.added_vectors is not None:
        vectors = models.user_vectors(release, user.model, budget)
        added = added_ratings(release, vectors, known)
        ratings |= added
        sources |= dict.fromkeys(added, Source.CONTENT)
    low, high = release.manifest.rating_range
    return PredictedRatings(
        movie_ids=known,
        ratings=tuple(
            clipped(ratings.get(i, release.catalogue.shrunk_mean(i)), low, high) for i in known
        ),
        sources=tuple(sources.get(i, Source.MEAN) for i in known),
        answer=Answer(
            release.version,
            user.degraded_reasons,
            unknown_movies(release, query.movie_ids, query.history.movie_ids),
        ),
    )


def clipped(rating: float, low: float, high: float) -> float:
    """The rating moved into low..high."""
    return min(max(rating, low), high)
