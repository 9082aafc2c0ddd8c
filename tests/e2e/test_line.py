"""The product on real data: the demonstration, wishes, similar movies, a guest."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from time import monotonic

import grpc
import psutil
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from client import (
    InvalidRequestError,
    MovieFilter,
    NotFoundError,
    Popular,
    RecommenderClient,
    SimilarityMode,
    Source,
    UserState,
)
from client.demo.child import Child
from client.demo.stack import GATEWAY_READY
from tests.conftest import Release

STAR_WARS, TOY_STORY = "50", "1"


def run_demo(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "client.demo", *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_demo_against_a_running_gateway_passes_its_check(release: Release, target: str):
    """Lists beat popularity on 200 held-out users and differ between users: exit 0."""
    holdout = release.models_dir / "features" / "1" / "holdout.json"
    done = run_demo("--target", target, "--holdout", str(holdout), "--check")

    assert done.returncode == 0, done.stdout + done.stderr
    for heading in ("What user 42 loved", "What we recommend", "Predicted beside actual", "guest"):
        assert heading in done.stdout
    assert "Recall@10 over 200 users" in done.stdout


def test_demo_with_a_wrong_holdout_fails_its_check(target: str, tmp_path: Path):
    """The check can fail: when the most popular movies are the held-out ones, exit 1."""
    popular = [str(movie) for movie in range(1, 12)]
    holdout = {
        "protocol": "made to fail",
        "popularity": popular,
        "users": [
            {"user_id": f"nobody {n}", "ratings": [{"movie_id": m, "rating": 5.0} for m in popular]}
            for n in range(3)
        ],
    }
    path = tmp_path / "holdout.json"
    path.write_text(json.dumps(holdout))
    done = run_demo("--target", target, "--holdout", str(path), "--check")

    assert done.returncode == 1
    assert "popularity" in done.stdout + done.stderr


def test_hot_user_gets_unseen_movies_with_scores_that_do_not_rise(client: RecommenderClient):
    """A known user's list holds nothing that he or she has rated, best first, from retrieval."""
    seen = {rated.movie_id for rated in client.get_user("42").ratings}
    answer = client.recommend_user("42", page_size=100)

    assert answer.user_state is UserState.HOT
    assert len(answer) == 100
    assert not seen & set(answer.movie_ids)
    scores = [row.score for row in answer]
    assert scores == sorted(scores, reverse=True)
    assert {row.source for row in answer} == {Source.RETRIEVAL}
    assert all(1 <= row.predicted_rating <= 5 for row in answer)
    assert answer.answer.release_version == 1


def test_a_narrow_wish_fills_the_page(client: RecommenderClient):
    """Five documentaries from before 1995 that are no musicals are found in the graph."""
    wish = MovieFilter(genres_all=("Documentary",), genres_none=("Musical",), max_year=1995)
    answer = client.recommend_user("42", page_size=5, filter=wish)

    assert len(answer) == 5
    for row in answer:
        assert "Documentary" in row.movie.genres
        assert "Musical" not in row.movie.genres
        assert 0 < row.movie.year <= 1995
        assert row.source is Source.RETRIEVAL


def test_excluded_movies_stay_out(client: RecommenderClient):
    """None of a hundred movies excluded by name comes back, and the page is full without them."""
    first = client.recommend_user("42", page_size=100).movie_ids
    second = client.recommend_user("42", page_size=100, exclude_movie_ids=first).movie_ids

    assert len(set(second)) == 100
    assert not set(first) & set(second)


def test_seen_movies_may_be_asked_for(client: RecommenderClient):
    """exclude_seen=False lets rated movies back in."""
    seen = {rated.movie_id for rated in client.get_user("42").ratings}
    answer = client.recommend_user("42", page_size=100, exclude_seen=False)

    assert seen & set(answer.movie_ids)


def test_guest_gets_what_the_models_say_of_newcomers(client: RecommenderClient):
    """Nothing known is no error: a full page by the models, which says that it is popular."""
    answer = client.recommend_user("", page_size=10)

    assert answer.user_state is UserState.COLD
    assert len(answer) == 10
    assert {row.source for row in answer} == {Source.RETRIEVAL}
    assert all(isinstance(row.reasons[0], Popular) for row in answer)


def test_similar_movies_know_a_trilogy(client: RecommenderClient):
    """Who likes Star Wars likes its sequels; the movie itself is never in the list."""
    for mode in (SimilarityMode.COLLABORATIVE, SimilarityMode.HYBRID):
        answer = client.similar_movies(STAR_WARS, mode=mode, page_size=5)
        titles = [row.movie.title for row in answer]
        assert "Return of the Jedi" in titles
        assert "Empire Strikes Back, The" in titles
        assert "Star Wars" not in titles


def test_content_mode_finds_its_own_kind(client: RecommenderClient):
    """By content, an animated children's comedy is among animation and children's movies."""
    answer = client.similar_movies(TOY_STORY, mode=SimilarityMode.CONTENT, page_size=10)

    assert all({"Animation", "Children's"} & set(row.movie.genres) for row in answer)


def test_unknown_movie_is_not_found(client: RecommenderClient):
    """Movies like a movie that is not there: NOT_FOUND."""
    with pytest.raises(NotFoundError):
        client.similar_movies("no such movie")


def test_bad_page_size_names_field_and_range(client: RecommenderClient):
    """The real gateway's violation reaches the caller typed."""
    with pytest.raises(InvalidRequestError, match=r"page_size.*100"):
        client.recommend_user("42", page_size=101)


def test_gateway_without_a_model_server(release: Release, tmp_path: Path):
    """The release's own engine answers, marked degraded; health SERVING, and less than 120 MB."""
    arguments = (
        *("-m", "server", "--port=0", "--models-dir", str(release.models_dir)),
        *("--model-server", "127.0.0.1:1", "--store-path", str(tmp_path / "store.sqlite3")),
    )
    with Child("gateway", arguments) as gateway:
        address = gateway.wait_for(GATEWAY_READY, deadline=monotonic() + 60)[1]
        with RecommenderClient(address, timeout=20) as client:
            answer = client.recommend_user("42", page_size=10)
            assert len(answer) == 10
            assert answer.answer.degraded
            assert answer.answer.degraded_reasons
            assert {row.source for row in answer} == {Source.ENGINE}
            assert answer.movie_ids != client.recommend_user("43", page_size=10).movie_ids
            seen = {rated.movie_id for rated in client.get_user("42").ratings}
            assert seen
            assert not seen & set(answer.movie_ids)
            rated = client.predict_rating("42", [TOY_STORY])
            assert rated.answer.degraded
            assert 1 <= rated[0].rating <= 5
        with grpc.insecure_channel(address) as channel:
            health = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())
        assert health.status == health_pb2.HealthCheckResponse.SERVING
        assert psutil.Process(gateway._process.pid).memory_info().rss < 120e6
