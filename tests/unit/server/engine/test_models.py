"""The engine as the use cases ask for it: movies are those of the whole catalogue."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from server.deadline import Budget
from server.domain import NOBODY, AddedMovie, MovieId, NewMovie, Order, UserId
from server.engine.arrays import EngineArrays
from server.engine.engine import Engine
from server.engine.models import EngineModels
from server.errors import UpstreamUnavailable
from server.placed_user import ModelUser
from server.ranking import Ranking, Reasons
from server.releases import ActiveRelease, read_release
from server.servables import Asked, RankingQuery, Recommended
from serving.contract import (
    K_MAX,
    MODE_COLLABORATIVE,
    MODE_CONTENT,
    MODE_HYBRID,
    Manifest,
    ModelsDir,
)
from tests.unit.server.engine.conftest import N_MOVIES

ADDED = tuple(AddedMovie(MovieId(movie_id), "New", 2000, (), ()) for movie_id in ("x", "y"))
X, Y = N_MOVIES, N_MOVIES + 1
"""Where the added movies stand: behind those that training saw."""


@pytest.fixture
def release(
    tmp_path: Path, manifest: Manifest, arrays: EngineArrays, engine_of: Callable[..., Engine]
) -> ActiveRelease:
    read = read_release(ModelsDir(tmp_path), manifest.release_version)
    return replace(read, added=ADDED, engine=engine_of(arrays, read.trained.index))


def recommended(release: ActiveRelease, *movies: int) -> tuple[Ranking, Reasons]:
    """For somebody who likes these movies; all of them may be listed."""
    liked = np.full(len(movies), 5, np.float32)
    user = ModelUser(UserId("hot"), np.array(movies, np.int64), liked, ())
    allowed = np.ones(N_MOVIES + len(release.added), np.bool_)
    query = RankingQuery(user, allowed=allowed, n_explained=K_MAX)
    found = EngineModels().recommend(release, query, Budget.unhurried())
    assert found.explained is not None
    return found.ranking, found.explained.of(found.ranking.movies)


def test_added_movies_of_a_history_count_as_places_alone(release: ActiveRelease) -> None:
    """The ranking is that without them; cited are places in the history that has them."""
    without, reasons = recommended(replace(release, added=()), 3, 7, 5)
    places = np.array([1, 2, 4, NOBODY])

    found, found_reasons = recommended(release, X, 3, 7, Y, 5)

    assert (reasons.cited != NOBODY).any()
    np.testing.assert_array_equal(found.movies, without.movies)
    np.testing.assert_array_equal(found_reasons.drops, reasons.drops)
    np.testing.assert_array_equal(found_reasons.cited, places[reasons.cited])


def test_a_history_of_added_movies_is_none(release: ActiveRelease) -> None:
    """The ranking is that of somebody without one, and nothing is cited."""
    found, reasons = recommended(release, X, Y)

    np.testing.assert_array_equal(found.movies, recommended(release)[0].movies)
    assert (reasons.cited == NOBODY).all()


def test_the_spread_of_scores_is_that_of_retrieval_in_any_order(release: ActiveRelease) -> None:
    """All twelve movies are candidates, so that both orders are about the same ones."""
    user = ModelUser(UserId("hot"), np.array([3, 7]), np.full(2, 5, np.float32), ())
    stats = []
    for order in Order:
        query = RankingQuery(user, order=order, wants_vectors=True)
        vectors = EngineModels().recommend(release, query, Budget.unhurried()).vectors
        assert vectors is not None
        stats.append(vectors.score_stats)

    assert stats[0] == pytest.approx(stats[1], rel=1e-5)
    assert stats[0][:2] != pytest.approx(stats[0][2:], rel=1e-2)


def test_movies_like_a_movie_are_allowed_ones(release: ActiveRelease) -> None:
    """In every mode and for a movie that is not in the catalogue; the movie itself is left out."""
    engine, movies = release.engine, release.trained.movies
    assert engine is not None
    allowed = np.arange(N_MOVIES) % 3 > 0
    others = set(np.flatnonzero(allowed).tolist())

    for mode in (MODE_HYBRID, MODE_COLLABORATIVE, MODE_CONTENT):
        found = engine.similar(movies[4].movie_id, mode, allowed)
        assert set(found.movies.tolist()) == others - {4}
    found = engine.similar_to_new(NewMovie("Movie night", 1995, (), ()), allowed)
    assert set(found.movies.tolist()) == others


def asked(release: ActiveRelease, *movies: int) -> Asked:
    """The best twelve for somebody who likes these movies."""
    user = ModelUser(UserId("hot"), np.array(movies, np.int64), np.full(len(movies), 5.0), ())
    return Asked(release, RankingQuery(user, wants_vectors=True), Budget.unhurried())


def test_those_who_ask_together_are_answered_by_their_releases(release: ActiveRelease) -> None:
    """Each as if alone, whatever else is asked; one whose release has no engine is told so."""
    other = replace(release, added=())
    away = replace(release, engine=None, why_no_engine="there is none")
    questions = [asked(release, 3), asked(away, 4), asked(other, 5, 7), asked(release, X, 3)]

    first, none, third, last = EngineModels().recommend_all(questions)

    assert isinstance(none, UpstreamUnavailable)
    assert "there is none" in str(none)
    for question, answer in ((questions[0], first), (questions[2], third), (questions[3], last)):
        alone = EngineModels().recommend(*question)
        assert isinstance(answer, Recommended)
        assert answer.vectors is not None
        assert alone.vectors is not None
        np.testing.assert_array_equal(answer.ranking.movies, alone.ranking.movies)
        np.testing.assert_array_equal(answer.vectors.retrieval, alone.vectors.retrieval)
    assert EngineModels().recommend_all([]) == []
