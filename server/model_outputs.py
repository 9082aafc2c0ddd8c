"""What the signatures of the contract say: rankings of one release's movies, and reasons.

A movie that the release does not have, or that repeats, breaks the contract for its row alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from server.codec import Array
from server.domain import NOBODY, Source
from server.errors import ContractViolation
from server.model_inputs import N_NEUTRAL, ids_of
from server.placed_user import ModelUser
from server.prediction import ServableCall
from server.ranking import Explained, Ranking, Reasons, sources_of
from server.releases import ActiveRelease

Outputs = Mapping[str, Array]
"""Name of an output -> [B, ...]."""

Ranked = tuple[Ranking, Explained | None]
"""A row of an answer; the reasons where the outputs have them."""

_EVERYTHING: Final = slice(None)

_FOREIGN: Final = "a movie that the release's snapshot does not have"
_REPEATED: Final = "a movie repeats"


def rows_by_id(
    release: ActiveRelease, call: ServableCall, outputs: Outputs, number: int = 0
) -> tuple[slice | NDArray[np.bool_], NDArray[np.int64]]:
    """Which columns of one row of an answer hold a movie, and the movie_index of each of these.

    Raises:
      ContractViolation: the release's snapshot does not have a movie, or one repeats.
    """
    ids = outputs["movie_ids"][number].tolist()
    kept: slice | NDArray[np.bool_] = slice(None)
    if "" in ids:
        kept = np.array([movie_id != "" for movie_id in ids])
        ids = [movie_id for movie_id in ids if movie_id]
    index = release.trained.index
    rows = list(map(index.get, ids))
    if None in rows:
        raise ContractViolation(f"{call}: {_FOREIGN}")
    if len(set(rows)) != len(rows):
        raise ContractViolation(f"{call}: {_REPEATED}")
    return kept, np.array(rows, np.int64)


def ranked_by_id(
    release: ActiveRelease, call: ServableCall, outputs: Outputs, user: ModelUser
) -> Ranked:
    """What `recommend` says to one user by ids.

    Raises:
      ContractViolation: as of rows_by_id.
    """
    kept, movies = rows_by_id(release, call, outputs)
    ratings = _inside(release, outputs["ratings"][0, kept])
    ranking = Ranking.of(Source.RETRIEVAL, movies, outputs["scores"][0, kept], ratings)
    if "reason_ids" not in outputs:
        return ranking, None
    cited = outputs["reason_ids"][0, kept]
    place = {movie_id: place for place, movie_id in enumerate(ids_of(release, user.movies))}
    places = [place.get(movie_id, NOBODY) for movie_id in cited.ravel().tolist()]
    drops = outputs["reason_drops"][0, kept]
    said = _cited(np.array(places, np.int64).reshape(cited.shape), drops, len(user.movies))
    return ranking, Explained(movies, Reasons(said, drops))


def ranked_by_number(
    release: ActiveRelease, call: ServableCall, outputs: Outputs, n_histories: Sequence[int]
) -> list[Ranked | ContractViolation]:
    """What `by_number` of `recommend` says to each of B users; read-only where all is listed.

    Args:
      release: that was asked.
      call: what was called, for the error.
      outputs: of the contract's shapes.
      n_histories: [B] movies of each user's history.
    """
    numbers, scores = outputs["movie_numbers"], outputs["scores"]
    ratings = _inside(release, outputs["ratings"])
    movies = numbers - 1
    cited = drops = None
    if "reason_places" in outputs:
        drops = outputs["reason_drops"]
        places = outputs["reason_places"] - (1 + N_NEUTRAL)
        cited = _cited(places, drops, np.array(n_histories)[:, np.newaxis, np.newaxis])
    ranked: list[Ranked | ContractViolation] = []
    for row, (kept, fault) in enumerate(_listed(numbers, len(release.trained.movies))):
        if fault:
            ranked.append(ContractViolation(f"{call}: {fault}"))
            continue
        listed = movies[row, kept]
        ranking = Ranking(
            listed,
            scores[row, kept],
            ratings[row, kept],
            sources_of(Source.RETRIEVAL, len(listed)),
        )
        explained = None
        if cited is not None and drops is not None:
            explained = Explained(listed, Reasons(cited[row, kept], drops[row, kept]))
        ranked.append((ranking, explained))
    return ranked


def _listed(
    numbers: NDArray[np.int64], n_movies: int
) -> Iterator[tuple[slice | NDArray[np.bool_], str]]:
    """Which columns of each row of [B, K] movie numbers hold a movie, and what is wrong with it.

    0 is a column without a movie; it may repeat.
    """
    ascending = np.sort(numbers, axis=1)
    repeats = (ascending[:, 1:] == ascending[:, :-1]) & (ascending[:, 1:] != 0)
    each = (ascending[:, 0].tolist(), ascending[:, -1].tolist(), repeats.any(axis=1).tolist())
    for row, (lowest, highest, is_repeated) in enumerate(zip(*each, strict=True)):
        if lowest < 0 or highest > n_movies:
            yield _EVERYTHING, _FOREIGN
        elif is_repeated:
            yield _EVERYTHING, _REPEATED
        else:
            yield (_EVERYTHING if lowest else numbers[row] != 0), ""


def _cited(
    places: NDArray[np.int64], drops: NDArray[np.float32], n_history: int | NDArray[np.int64]
) -> NDArray[np.int16]:
    """Places in histories of that many movies, NOBODY where nobody pulls the movie up."""
    is_cited = (drops > 0) & (places >= 0) & (places < n_history)
    return np.where(is_cited, places, NOBODY).astype(np.int16)


def _inside(release: ActiveRelease, ratings: NDArray[np.float32]) -> NDArray[np.float32]:
    low, high = release.manifest.rating_range
    inside: NDArray[np.float32] = np.clip(ratings, low, high)
    return inside
