"""`--engine=local`: a gateway without a model server, and releases it cannot answer from."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from protos.recommender.v1 import recommender_pb2 as pb
from protos.recommender.v1.recommender_pb2_grpc import RecommenderServiceStub
from server.app import gateway
from server.engine import kernel
from server.engine.engine import Engine
from server.engine.golden import EngineTensors
from server.engine.opening import open_engine
from server.features.snapshot import read_catalogue
from server.settings import Settings
from serving.contract import ENGINE_PART, GoldenRequest, ModelsDir
from tests.fault.waiting import eventually
from tests.releases import activate, write_release

NO_MODEL_SERVER = "127.0.0.1:1"
A_RATING = {
    "user_id": ["hot"],
    "history_ids": [["", "m1", "m2"]],
    "history_ratings": [[0.0, 5.0, 2.0]],
    "profile": [[""]],
    "movie_ids": [["", "m3", "m4"]],
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "models"


@contextmanager
def local_gateway(folder: Path) -> Iterator[tuple[RecommenderServiceStub, grpc.Channel]]:
    settings = Settings(
        port=0,
        models_dir=folder,
        engine="local",
        model_server=NO_MODEL_SERVER,
        store_path=folder.parent / "store.sqlite3",
        poll_interval_s=0.02,
        shutdown_grace_s=0,
    )
    with gateway(settings) as running, grpc.insecure_channel(running.target) as channel:
        yield RecommenderServiceStub(channel), channel


def rated_by(folder: Path, seed: int) -> list[list[float]]:
    """What an engine with these numbers says to A_RATING."""
    manifest = write_release(folder, 1, engine_seed=seed)
    models = ModelsDir(folder)
    catalogue = read_catalogue(models.features(1), manifest.genres)
    engine, _ = open_engine(models, manifest, catalogue)
    assert engine
    answer = EngineTensors(engine, catalogue).of("ranking", "rank", A_RATING)
    assert answer
    ratings: list[list[float]] = answer["ratings"]
    return ratings


def status(stub: RecommenderServiceStub) -> pb.GetServingStatusResponse:
    return stub.GetServingStatus(pb.GetServingStatusRequest(), timeout=10)


def test_every_rpc_is_answered_without_a_model_server(folder: Path) -> None:
    """Lists, ratings, similar and added movies: nothing is degraded, the source is the engine."""
    write_release(folder, 1, engine_seed=1)
    activate(folder, 1)
    with local_gateway(folder) as (stub, channel):
        listed = stub.RecommendUser(pb.RecommendUserRequest(user_id="hot"), timeout=10)
        rated = stub.PredictRating(
            pb.PredictRatingRequest(user_id="hot", movie_ids=["m9", "m12"]), timeout=10
        )
        similar = stub.SimilarMovies(pb.SimilarMoviesRequest(movie_id="m1"), timeout=10)
        new = pb.SimilarMoviesRequest.NewMovie(title="Movie", genres=["Comedy"])
        like_new = stub.SimilarMovies(pb.SimilarMoviesRequest(new_movie=new), timeout=10)
        movie = pb.AddMoviesRequest.AddedMovie(movie_id="x", title="Movie", genres=["Comedy"])
        stub.AddMovies(pb.AddMoviesRequest(movies=[movie]), timeout=10)
        with_added = stub.RecommendUser(pb.RecommendUserRequest(user_id="hot"), timeout=10)
        told = status(stub)
        health = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())

    # All twelve but the three that the user has rated.
    ids = [entry.movie.movie_id for entry in listed.recommendations]
    assert sorted(ids, key=lambda i: int(i[1:])) == [f"m{n}" for n in range(4, 13)]
    assert {entry.source for entry in listed.recommendations} == {pb.SOURCE_ENGINE}
    assert {rating.source for rating in rated.ratings} == {pb.SOURCE_ENGINE}
    assert len(similar.similar) == 10
    assert len(like_new.similar) == 10
    assert "x" in {entry.movie.movie_id for entry in with_added.recommendations}
    assert not any(a.answer.degraded for a in (listed, rated, similar, like_new, with_added, told))
    assert [(p.name, p.state, p.required) for p in told.parts] == [("engine", "AVAILABLE", True)]
    assert health.status == health_pb2.HealthCheckResponse.SERVING


def listed(stub: RecommenderServiceStub, **wanted: object) -> pb.RecommendUserResponse:
    """What a guest who rated the first six movies is recommended."""
    history = [pb.RatedMovie(movie_id=f"m{n}", rating=5) for n in range(1, 7)]
    request = pb.RecommendUserRequest(history=history, **wanted)  # type: ignore[arg-type]
    response: pb.RecommendUserResponse = stub.RecommendUser(request, timeout=10)
    return response


def test_who_rated_an_added_movie_is_answered(folder: Path) -> None:
    """It is seen, and stands behind all that the engine knows: it is not listed, nor are others."""
    write_release(folder, 1, engine_seed=1)
    activate(folder, 1)
    movie = pb.AddMoviesRequest.AddedMovie(movie_id="x", title="Movie", genres=["Comedy"])
    with local_gateway(folder) as (stub, _):
        stub.AddMovies(pb.AddMoviesRequest(movies=[movie]), timeout=10)
        rated = [pb.RatedMovie(movie_id=i, rating=5) for i in ("m1", "x")]
        answer = stub.RecommendUser(pb.RecommendUserRequest(history=rated), timeout=10)

    ids = {entry.movie.movie_id for entry in answer.recommendations}
    assert len(answer.recommendations) == 10
    assert not ids & {"m1", "x"}
    assert {entry.source for entry in answer.recommendations} == {pb.SOURCE_ENGINE}


def test_more_seen_movies_than_an_input_holds_stay_out(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Six are seen and two are told to the models."""
    monkeypatch.setattr("server.ladder.MAX_WIDTH", 2)
    write_release(folder, 1, engine_seed=1)
    activate(folder, 1)
    with local_gateway(folder) as (stub, _):
        answer = listed(stub)

    ids = [entry.movie.movie_id for entry in answer.recommendations]
    assert sorted(ids, key=lambda i: int(i[1:])) == [f"m{n}" for n in range(7, 13)]


def test_a_first_page_is_explained_on_the_way(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reasons come with the ranking, and are those that a later page asks for by itself."""
    write_release(folder, 1, engine_seed=1)
    activate(folder, 1)
    asked = []
    reasons = Engine.reasons

    def asked_for(engine: Engine, *about: Any) -> Any:
        asked.append(len(about[-1]))
        return reasons(engine, *about)

    monkeypatch.setattr(Engine, "reasons", asked_for)
    with local_gateway(folder) as (stub, _):
        whole = listed(stub, page_size=6)
        first = listed(stub, page_size=2)
        assert asked == []
        second = listed(stub, page_size=4, page_token=first.next_page_token)
        assert asked == [4]
        in_another_order = listed(stub, page_size=6, diversity=0.5)
        assert asked == [4, 6]

    assert [*first.recommendations, *second.recommendations] == [*whole.recommendations]
    assert any(entry.reasons for entry in second.recommendations)
    said = {entry.movie.movie_id: list(entry.reasons) for entry in whole.recommendations}
    others = [e for e in in_another_order.recommendations if e.movie.movie_id in said]
    assert others
    assert all(list(entry.reasons) == said[entry.movie.movie_id] for entry in others)


def test_pages_are_written_of_what_numpy_says(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where one of the two compiled modules could not be built, each page is as with both."""
    write_release(folder, 1, engine_seed=1)
    activate(folder, 1)
    with local_gateway(folder) as (stub, _):
        expected = listed(stub)
    monkeypatch.setattr(kernel, "Kernel", None)
    with local_gateway(folder) as (stub, _):
        first = listed(stub, page_size=3)
        second = listed(stub, page_size=3, page_token=first.next_page_token)

    found = [*first.recommendations, *second.recommendations]
    for entry, same in zip(found, expected.recommendations, strict=False):
        assert entry.movie == same.movie
        assert [r.because_of_movie.movie for r in entry.reasons] == [
            r.because_of_movie.movie for r in same.reasons
        ]


def test_a_long_history_is_cited_as_a_short_one(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both pages say the same of it; the token carries the cited movies alone."""
    write_release(folder, 1, engine_seed=1)
    activate(folder, 1)
    with local_gateway(folder) as (stub, _):

        def pages() -> list[pb.RecommendUserResponse]:
            first = listed(stub, page_size=5)
            return [first, listed(stub, page_size=5, page_token=first.next_page_token)]

        short = pages()
        for module in ("ladder", "recommend"):
            monkeypatch.setattr(f"server.{module}.LONG_HISTORY", 6)
        longest_short = pages()
        for module in ("ladder", "recommend"):
            monkeypatch.setattr(f"server.{module}.LONG_HISTORY", 1)
        long = pages()

    assert [page.recommendations for page in long] == [page.recommendations for page in short]
    assert any(entry.reasons for entry in long[1].recommendations)
    assert len(long[0].next_page_token) <= len(short[0].next_page_token)
    assert len(longest_short[0].next_page_token) == len(short[0].next_page_token)


def test_by_rating_nothing_is_cited(folder: Path) -> None:
    """Reasons are about the retrieval score; a token does not carry the history then."""
    write_release(folder, 1, engine_seed=1)
    activate(folder, 1)
    by_rating = pb.RecommendUserRequest.ORDER_BY_PREDICTED_RATING
    with local_gateway(folder) as (stub, _):
        answer = listed(stub, order_by=by_rating, page_size=5)
        by_default = listed(stub, page_size=5)

    kinds = {r.WhichOneof("reason") for entry in answer.recommendations for r in entry.reasons}
    assert "because_of_movie" not in kinds
    assert len(answer.next_page_token) < len(by_default.next_page_token)


def test_a_release_without_an_engine_does_not_answer(folder: Path) -> None:
    """The status and the error say why; a release with one is taken as soon as it is there."""
    note = "no part for the in-process engine: the rating model is a network"
    write_release(folder, 1, notes=[note])
    activate(folder, 1)
    with local_gateway(folder) as (stub, channel):
        told = status(stub)
        with pytest.raises(grpc.RpcError) as refused:
            stub.RecommendUser(pb.RecommendUserRequest(), timeout=10)
        health = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())
        write_release(folder, 2, engine_seed=2)
        activate(folder, 2)
        eventually(lambda: status(stub).releases.active == 2)

    assert told.releases.active == 0
    assert told.releases.why_not_switched == (
        "release 1: it has no part for the in-process engine: the rating model is a network"
    )
    assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
    assert "is a network" in refused.value.details()
    assert health.status == health_pb2.HealthCheckResponse.NOT_SERVING


def test_a_release_whose_golden_requests_differ_does_not_answer(folder: Path) -> None:
    """The release before goes on; what is off by less than 1e-4 is the same."""
    write_release(folder, 1, engine_seed=1)
    activate(folder, 1)
    expected = rated_by(folder.parent / "spare", 2)
    near = [[rating + 5e-5 for rating in expected[0]]]
    off = [[rating + 1e-3 for rating in expected[0]]]
    with local_gateway(folder) as (stub, _):
        for version, ratings in ((2, off), (3, near)):
            golden = GoldenRequest("ranking", "rank", A_RATING, {"ratings": ratings})
            write_release(folder, version, engine_seed=2, golden_requests=[golden])
            activate(folder, version)
            if version == 2:
                eventually(lambda: "golden request 0" in status(stub).releases.why_not_switched)
                assert status(stub).releases.active == 1
            else:
                eventually(lambda: status(stub).releases.active == 3)


def test_a_damaged_engine_part_keeps_the_release_before(folder: Path) -> None:
    """A checksum is wrong: the file is named, and nothing changes."""
    write_release(folder, 1, engine_seed=1)
    activate(folder, 1)
    write_release(folder, 2, engine_seed=2)
    gate = ModelsDir(folder).part(ENGINE_PART, 2) / "gate.npy"
    gate.write_bytes(gate.read_bytes()[:-1] + b"\0")
    with local_gateway(folder) as (stub, _):
        activate(folder, 2)
        eventually(lambda: "gate.npy: SHA-256 differs" in status(stub).releases.why_not_switched)
        answer = stub.RecommendUser(pb.RecommendUserRequest(user_id="hot"), timeout=10).answer

    assert answer.release_version == 1
    assert not answer.degraded


def test_a_candidate_answers_from_its_own_engine(folder: Path) -> None:
    """Two releases side by side in one process: each user's ratings are of one of them."""
    write_release(folder, 1, engine_seed=1)
    write_release(folder, 2, engine_seed=2)
    activate(folder, 1, candidate=2, share=0.5)
    asked = [pb.PredictRatingRequest(user_id=f"u{n}", movie_ids=["m3"]) for n in range(40)]
    with local_gateway(folder) as (stub, _):
        answers = [stub.PredictRating(request, timeout=10) for request in asked]

    by_release = {1: set(), 2: set()}
    for answer in answers:
        by_release[answer.answer.release_version].add(answer.ratings[0].rating)
    # Strangers without a history are all alike.
    assert [len(ratings) for ratings in by_release.values()] == [1, 1]
    assert by_release[1] != by_release[2]


def test_the_flag_names_both_engines() -> None:
    """Predict is the default; another word is refused."""
    assert Settings().engine == "predict"
    with pytest.raises(ValueError, match="engine"):
        Settings(engine="magic")  # type: ignore[arg-type] # what a user may type
