"""PredictRating: the ratings that one user would give to the movies named."""

from __future__ import annotations

from server.added_scores import added_ratings
from server.deadline import Budget
from server.degraded import Degradation
from server.domain import Answer, MovieId, PredictedRatings, RatingQuery, Source
from server.features.store import FeatureStore
from server.releases import ActiveRelease
from server.servables import Models
from server.takeover import answered
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
      UpstreamUnavailable: the model server does not answer, nor an engine in its place.
      DeadlineExceeded: the budget is spent.
      ContractViolation: the model server breaks the contract.
    """
    user = request_user(release, store, query.user_id, query.history, query.profile)
    known = tuple(movie_id for movie_id in query.movie_ids if movie_id in release.catalogue)
    trained = tuple(movie_id for movie_id in known if movie_id in release.trained)
    degradation = Degradation(user.degraded_reasons)

    def rated(models: Models) -> tuple[tuple[float, ...], Source]:
        return models.rate(release, user.model, trained, budget), models.source

    ratings: dict[MovieId, float] = {}
    sources: dict[MovieId, Source] = {}
    if trained:
        predicted, source = answered(models, release, "rank", degradation, rated)
        ratings = dict(zip(trained, predicted, strict=True))
        sources = dict.fromkeys(trained, source if len(user.model.movies) else Source.MEAN)
    if len(trained) < len(known) and release.added_vectors is not None:
        vectors = answered(
            models,
            release,
            "user_vectors",
            degradation,
            lambda models: models.user_vectors(release, user.model, budget),
        )
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
            degradation.reasons,
            unknown_movies(release, query.movie_ids, query.history.movie_ids),
        ),
    )


def clipped(rating: float, low: float, high: float) -> float:
    """The rating moved into low..high."""
    return min(max(rating, low), high)
