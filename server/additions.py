"""AddMovies: movies that count at once, without training."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import replace

from server.deadline import Budget
from server.degraded import MODEL_FAILURES, Degradation
from server.domain import AddedMovie, AddQuery, MovieId
from server.errors import MovieExists
from server.features.extended import extended
from server.features.store import FeatureStore, Receipt
from server.logs import fields
from server.record import check_same_request
from server.releases import ActiveRelease, MovieVectors, Releases
from server.servables import Models
from server.takeover import answered

_log = logging.getLogger(__name__)


class Additions:
    """The added movies of the store, as part of whatever releases answer.

    Args:
      store: keeps them, durably, for every release.
      models: places them among the movies of a release.
      releases: holds the releases that answer, which are replaced whole.
    """

    def __init__(self, store: FeatureStore, models: Models, releases: Releases) -> None:
        self._store = store
        self._models = models
        self._releases = releases

    def add(self, query: AddQuery, budget: Budget) -> int:
        """Stores movies, then makes them part of the active release; returns how many were new.

        Without a model server they are found and listed, and predicted as soon as it is there.

        Raises:
          NotReady: no release is active.
          MovieExists: an id exists with other content; nothing is stored.
          InvalidRequest: the request id belongs to another request.
          StoreError: the store fails; a call again with the same request id is safe.
        """
        release = self._releases.require()
        added = {movie.movie_id: movie for movie in release.added}
        new = [movie for movie in query.movies if not _is_there(release, added, movie)]
        receipt = Receipt(query.digest, json.dumps(len(new)))
        kept = self._store.add_movies(new, query.request_id, receipt)
        check_same_request(kept, query.digest)
        self.refresh(budget)
        n_new: int = json.loads(kept.answer)
        return n_new

    def refresh(self, budget: Budget) -> None:
        """Makes the releases that answer hold what the store holds, with vectors where there are.

        Raises:
          StoreError: the store fails.
        """
        self._releases.change(
            lambda release: release if self._is_whole(release) else self.applied_to(release, budget)
        )

    def applied_to(self, release: ActiveRelease, budget: Budget) -> ActiveRelease:
        """The release with every added movie that it was not trained on.

        Raises:
          StoreError: the store fails.
        """
        stored = tuple(self._store.added_movies())
        added = tuple(m for m in stored if m.movie_id not in release.trained.index)
        if not added:
            return replace(release, catalogue=release.trained, n_stored=len(stored))
        vectors = self._vectors(release, added, budget)
        places = None if vectors is None else vectors.places
        return replace(
            release,
            catalogue=extended(release.trained, added, release.manifest.genres, places),
            added=added,
            added_vectors=vectors,
            n_stored=len(stored),
        )

    def _vectors(
        self, release: ActiveRelease, added: tuple[AddedMovie, ...], budget: Budget
    ) -> MovieVectors | None:
        """Of `added`; only movies that the release does not hold yet are asked for."""
        held = release.added_vectors
        n_held = 0 if held is None else len(release.added)
        if added[:n_held] != release.added[:n_held]:
            held, n_held = None, 0
        new = [movie.as_new() for movie in added[n_held:]]
        if not new:
            return held
        try:
            vectors = answered(
                self._models,
                release,
                "embed_movie",
                Degradation(),
                lambda models: models.embed_movies(release, new, budget),
            )
        except MODEL_FAILURES as error:
            _log.warning(
                "added movies have no vectors yet",
                extra=fields(release=release.version, n_movies=len(new), why=str(error)),
            )
            return None
        return vectors if held is None else held.followed_by(vectors)

    def _is_whole(self, release: ActiveRelease) -> bool:
        return release.n_stored == self._store.n_added_movies() and (
            release.added_vectors is not None or not release.added
        )


def _is_there(
    release: ActiveRelease, added: Mapping[MovieId, AddedMovie], movie: AddedMovie
) -> bool:
    """Whether the catalogue has just this movie; the tags of trained ones are not compared.

    Raises:
      MovieExists: it has another one under this id.
    """
    if movie.movie_id not in release.catalogue:
        return False
    known = release.catalogue.movie(movie.movie_id)
    genres = tuple(sorted(known.genres))
    same = (known.title, known.year, genres) == (movie.title, movie.year, movie.genres)
    if not same or added.get(movie.movie_id, movie) != movie:
        raise MovieExists(movie.movie_id)
    return True
