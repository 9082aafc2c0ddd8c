"""Reasons by a release's engine, in the rows of its catalogue."""

from __future__ import annotations

import numpy as np

from server.domain import NOBODY
from server.engine.arrays import FloatArray, IndexArray
from server.ranking import Reasons
from server.releases import ActiveRelease


def reasons_of(
    release: ActiveRelease,
    history: IndexArray,
    ratings: FloatArray,
    movies: IndexArray,
    *,
    are_trained: bool = False,
) -> Reasons:
    """What of a history pulls movies up, where the release has an engine that knows them.

    Args:
      release: the one that answers.
      history: [H] movie_index, oldest first; NOBODY = not in the catalogue.
      ratings: [H] NaN = seen and not rated.
      movies: [K] movie_index or NOBODY.
      are_trained: whether all of them are known to be movies that training saw.
    """
    if release.engine is None or not len(history):
        return Reasons.none(len(movies))
    if are_trained:
        return Reasons(*release.engine.reasons(history, ratings, movies))
    known, listed = trained_places(release, history), trained_places(release, movies)
    if known is not None:
        history, ratings = history[known], ratings[known]
    places, drops = release.engine.reasons(
        history, ratings, movies if listed is None else movies[listed]
    )
    if known is not None:
        # NOBODY is the last of them.
        places = np.append(known, NOBODY).astype(np.int16)[places]
    if listed is None:
        return Reasons(places, drops)
    reasons = Reasons.none(len(movies))
    reasons.cited[listed], reasons.drops[listed] = places, drops
    return reasons


def trained_places(release: ActiveRelease, movies: IndexArray) -> IndexArray | None:
    """Which places hold a movie that training saw; None = all of them."""
    # Behind the trained movies of a catalogue stand the added ones; NOBODY is the greatest number.
    is_trained = movies.view(np.uint64) < len(release.trained.movies)
    return None if is_trained.all() else is_trained.nonzero()[0]
