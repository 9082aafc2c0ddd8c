"""The model server is away, and the engine of the release answers in its place."""

from __future__ import annotations

from pathlib import Path

import grpc
import numpy as np
import pytest

from protos.recommender.v1 import recommender_pb2 as pb
from protos.recommender.v1.recommender_pb2_grpc import RecommenderServiceStub
from server.app import gateway
from server.domain import MovieId, UserId
from server.engine.engine import Asker, Engine
from server.engine.opening import open_engine
from server.features.snapshot import read_catalogue
from server.settings import Settings
from serving.contract import ModelsDir
from tests.fake_model_server import FakeModelServer
from tests.fault.waiting import eventually
from tests.releases import activate, write_release

HISTORIES = {
    "hot": (["m1", "m2", "m3"], [5.0, 3.0, 4.0]),
    "keen": (["m4", "m1"], [2.0, 1.0]),
}
"""Of tests.releases' world."""


@pytest.fixture
def models_dir(tmp_path: Path) -> Path:
    folder = tmp_path / "models"
    write_release(folder, 1, engine_seed=0)
    activate(folder, 1)
    return folder


@pytest.fixture
def engine(models_dir: Path, tmp_path: Path) -> Engine:
    models = ModelsDir(models_dir)
    manifest = write_release(tmp_path / "same", 1, engine_seed=0)
    catalogue = read_catalogue(models.features(1), manifest.genres)
    opened, _ = open_engine(models, manifest, catalogue)
    assert opened
    return opened


def asker(user_id: str) -> Asker:
    ids, ratings = HISTORIES[user_id]
    rows = np.array([int(movie_id[1:]) - 1 for movie_id in ids], np.int64)
    return Asker(UserId(user_id), rows, np.array(ratings, np.float32), [])


def recommend(stub: RecommenderServiceStub, user_id: str) -> pb.RecommendUserResponse:
    return stub.RecommendUser(pb.RecommendUserRequest(user_id=user_id), timeout=10)


def test_an_engine_that_waits_explains_first_pages(
    stub: RecommenderServiceStub, model_server: FakeModelServer
) -> None:
    """The model server is not asked for reasons of two hundred movies; the page has its own."""
    answer = recommend(stub, "hot")

    (call,) = model_server.calls
    assert not {name for name in call.output_filter if "reason" in name}
    assert any(entry.reasons for entry in answer.recommendations)


def test_answers_stay_personal(
    stub: RecommenderServiceStub, model_server: FakeModelServer, engine: Engine
) -> None:
    """Two users get two lists, which are the engine's own, marked degraded with the reason."""
    assert not recommend(stub, "hot").answer.degraded
    model_server.stop()

    orders = []
    for user_id, (seen, _) in HISTORIES.items():
        allowed = np.array([f"m{n}" not in seen for n in range(1, 13)])
        listed = engine.recommend(asker(user_id), allowed=allowed)
        answer = recommend(stub, user_id)

        ids = [entry.movie.movie_id for entry in answer.recommendations]
        assert ids == [f"m{movie + 1}" for movie in listed.ranked.movies.tolist()][:10]
        for entry, score, rating in zip(
            answer.recommendations, listed.ranked.scores, listed.ratings, strict=False
        ):
            assert entry.source == pb.SOURCE_ENGINE
            assert entry.score == pytest.approx(score, abs=1e-5)
            assert entry.predicted_rating == pytest.approx(rating, abs=1e-5)
        assert list(answer.answer.degraded_reasons) == ["model_server_unavailable"]
        orders.append(ids)
    common = set(orders[0]) & set(orders[1])
    assert [i for i in orders[0] if i in common] != [i for i in orders[1] if i in common]


def test_reasons_are_the_history(
    stub: RecommenderServiceStub, model_server: FakeModelServer
) -> None:
    """A movie of the user's own is cited, with what the score would lose."""
    model_server.stop()

    cited = [
        reason.because_of_movie
        for entry in recommend(stub, "hot").recommendations
        for reason in entry.reasons
        if reason.HasField("because_of_movie")
    ]

    assert {reason.movie.movie_id for reason in cited} == {"m1", "m2", "m3"}
    assert all(reason.weight > 0 for reason in cited)


def test_ratings_and_similar_movies_are_answered(
    stub: RecommenderServiceStub, model_server: FakeModelServer, engine: Engine
) -> None:
    """Calls that had to fail without an engine; each says what was away."""
    model_server.stop()

    rated = stub.PredictRating(
        pb.PredictRatingRequest(user_id="hot", movie_ids=["m9", "m5", "nothing"]), timeout=10
    )
    similar = stub.SimilarMovies(pb.SimilarMoviesRequest(movie_id="m1"), timeout=10)
    new = pb.SimilarMoviesRequest.NewMovie(title="Movie night", genres=["Drama"], year=1999)
    like_new = stub.SimilarMovies(pb.SimilarMoviesRequest(new_movie=new), timeout=10)

    expected = engine.rate(asker("hot"), [MovieId("m9"), MovieId("m5")]).tolist()
    assert [entry.rating for entry in rated.ratings] == pytest.approx(expected, abs=1e-5)
    assert {entry.source for entry in rated.ratings} == {pb.SOURCE_ENGINE}
    assert rated.answer.unknown_movie_ids == ["nothing"]
    assert len(similar.similar) == len(like_new.similar) == 10
    for answer in (rated, similar, like_new):
        assert list(answer.answer.degraded_reasons) == ["model_server_unavailable"]


def test_filters_and_exclusions_hold(
    stub: RecommenderServiceStub, model_server: FakeModelServer
) -> None:
    """Comedies are m1, m4, m7 and m10; m1 is seen, m7 is excluded by name."""
    model_server.stop()

    answer = stub.RecommendUser(
        pb.RecommendUserRequest(
            user_id="hot",
            filter=pb.MovieFilter(genres_any=["Comedy"]),
            exclude_movie_ids=["m7"],
            order_by=pb.RecommendUserRequest.ORDER_BY_PREDICTED_RATING,
        ),
        timeout=10,
    )

    ratings = [entry.predicted_rating for entry in answer.recommendations]
    assert {entry.movie.movie_id for entry in answer.recommendations} == {"m4", "m10"}
    assert ratings == sorted(ratings, reverse=True)


def test_the_model_server_answers_again_when_it_is_back(
    stub: RecommenderServiceStub, model_server: FakeModelServer
) -> None:
    """The engine stands in and steps back; nothing is started anew."""
    model_server.stop()
    assert recommend(stub, "hot").answer.degraded

    model_server.start()

    eventually(lambda: not recommend(stub, "hot").answer.degraded)
    sources = {entry.source for entry in recommend(stub, "hot").recommendations}
    assert pb.SOURCE_ENGINE not in sources


def test_a_movie_that_is_added_meanwhile_has_its_place(
    stub: RecommenderServiceStub, model_server: FakeModelServer
) -> None:
    """The engine places it by what is said about it, as the content model would."""
    model_server.stop()
    movie = pb.AddMoviesRequest.AddedMovie(movie_id="x", title="Movie night", genres=["Drama"])

    stub.AddMovies(pb.AddMoviesRequest(movies=[movie]), timeout=10)
    listed = stub.RecommendUser(pb.RecommendUserRequest(user_id="hot", page_size=20), timeout=10)

    sources = {entry.movie.movie_id: entry.source for entry in listed.recommendations}
    assert sources["x"] == pb.SOURCE_CONTENT


def test_the_status_tells_of_both(
    stub: RecommenderServiceStub, model_server: FakeModelServer
) -> None:
    """The engine is available and not required; the model server's parts are out of reach."""
    model_server.stop()

    status = stub.GetServingStatus(pb.GetServingStatusRequest(), timeout=10)

    states = {part.name: (part.state, part.required) for part in status.parts}
    assert states.pop("engine") == ("AVAILABLE", False)
    assert set(states.values()) == {("UNREACHABLE", True)}
    assert status.answer.degraded


def test_a_damaged_engine_costs_the_takeover_alone(settings: Settings, models_dir: Path) -> None:
    """The release answers through its model server; the status says what is lacking."""
    gate = ModelsDir(models_dir).part("engine", 1) / "gate.npy"
    gate.write_bytes(gate.read_bytes()[:-1] + b"\0")
    with gateway(settings) as running, grpc.insecure_channel(running.target) as channel:
        stub = RecommenderServiceStub(channel)
        answer = recommend(stub, "hot").answer
        status = stub.GetServingStatus(pb.GetServingStatusRequest(), timeout=10)

    assert not answer.degraded
    assert {part.name: part.state for part in status.parts}["engine"] == "UNAVAILABLE"
