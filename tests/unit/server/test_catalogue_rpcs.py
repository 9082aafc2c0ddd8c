"""PopularMovies and SearchMovies over a real channel."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from protos.recommender.v1 import recommender_pb2 as pb
from protos.recommender.v1.recommender_pb2_grpc import RecommenderServiceStub
from tests.fake_model_server import FakeModelServer
from tests.releases import World, WorldMovie, activate, write_release

Request = pb.PopularMoviesRequest


@pytest.fixture
def models_dir(tmp_path: Path) -> Path:
    """Twelve movies as ever; m12 has no rating, m2 is rated as often as m1 but better."""
    movies = list(World().movies)
    movies[1] = replace(movies[1], rating_count=99, mean_rating=4.5)
    movies[11] = WorldMovie("m12", "Unseen Wonder, The", 0, ("Action",), 0, 0.0)
    folder = tmp_path / "models"
    write_release(folder, 1, World(movies=tuple(movies)))
    activate(folder, 1)
    return folder


def ranked(stub: RecommenderServiceStub, **fields: object) -> list[tuple[str, float]]:
    response = stub.PopularMovies(Request(**fields), timeout=10)
    assert response.answer.release_version == 1
    return [(entry.movie.movie_id, round(entry.score, 4)) for entry in response.movies]


def test_popular_is_the_releases_own_ranking(
    stub: RecommenderServiceStub, model_server: FakeModelServer
) -> None:
    """By default everybody's ranking of the snapshot, with its scores; no model is asked."""
    # linspace(1, 0.1, 12) falls by 9/110 a step.
    assert ranked(stub, page_size=3) == [("m1", 1.0), ("m2", 0.9182), ("m3", 0.8364)]
    assert ranked(stub) == ranked(stub, list=Request.LIST_POPULAR)
    assert len(ranked(stub)) == 10
    assert model_server.calls == []


def test_most_rated_counts_ratings(stub: RecommenderServiceStub) -> None:
    """Score = number of ratings; equal counts in the catalogue's order; unrated movies last."""
    everything = ranked(stub, list=Request.LIST_MOST_RATED, page_size=100)

    assert everything[:3] == [("m1", 99), ("m2", 99), ("m3", 97)]
    assert everything[-1] == ("m12", 0)
    assert len(everything) == 12


def test_highest_rated_needs_a_rating_and_the_thresholds(stub: RecommenderServiceStub) -> None:
    """Score = mean rating; m2 has 4.5, m11 3.1, ...; at least 95 ratings have m1 to m5."""
    best = ranked(stub, list=Request.LIST_HIGHEST_RATED, page_size=100)
    often = ranked(stub, list=Request.LIST_HIGHEST_RATED, min_rating_count=95)
    liked = ranked(stub, list=Request.LIST_HIGHEST_RATED, min_mean_rating=2.9)

    assert best[:3] == [("m2", 4.5), ("m11", 3.1), ("m10", 3.0)]
    assert "m12" not in dict(best)
    assert [movie for movie, _ in often] == ["m2", "m5", "m4", "m3", "m1"]
    assert [movie for movie, _ in liked] == ["m2", "m11", "m10", "m9"]


def test_bayesian_is_the_shrunk_mean(stub: RecommenderServiceStub) -> None:
    """Score = the snapshot's shrunk mean; thresholds and filter hold for it as well."""
    assert ranked(
        stub,
        list=Request.LIST_BAYESIAN,
        min_rating_count=90,
        filter=pb.MovieFilter(genres_any=["Drama"], min_year=1993),
    ) == [("m8", 2.8), ("m6", 2.6), ("m5", 2.5)]


def test_a_threshold_on_the_mean_leaves_unrated_movies_out(stub: RecommenderServiceStub) -> None:
    """A movie without ratings has no mean that could pass, whatever the list."""
    assert "m12" in dict(ranked(stub, list=Request.LIST_MOST_RATED, page_size=100))
    assert "m12" not in dict(
        ranked(stub, list=Request.LIST_MOST_RATED, min_mean_rating=0.5, page_size=100)
    )


def test_search_finds_by_title_and_says_how_well(stub: RecommenderServiceStub) -> None:
    """The same title matches with 1, a misspelt one with less; page_size cuts."""
    same = stub.SearchMovies(pb.SearchMoviesRequest(query="the unseen wonder"), timeout=10)
    near = stub.SearchMovies(pb.SearchMoviesRequest(query="unsen wonder"), timeout=10)
    cut = stub.SearchMovies(pb.SearchMoviesRequest(query="movie", page_size=2), timeout=10)

    assert (same.movies[0].movie.movie_id, same.movies[0].match) == ("m12", 1)
    assert near.movies[0].movie.title == "Unseen Wonder, The"
    assert 0.9 < near.movies[0].match < 1
    assert len(cut.movies) == 2
    assert cut.answer.release_version == 1
