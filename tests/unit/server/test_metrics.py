"""The Prometheus endpoint of a running gateway, read over HTTP."""

from __future__ import annotations

import subprocess
import sys
import urllib.request
from collections.abc import Iterator

import grpc
import pytest
from prometheus_client.parser import text_string_to_metric_families

from protos.recommender.v1 import recommender_pb2 as pb
from protos.recommender.v1.recommender_pb2_grpc import RecommenderServiceStub
from server.app import Gateway, StartupError, gateway
from server.settings import Settings
from tests.fake_model_server import FakeModelServer
from tests.fault.waiting import eventually


@pytest.fixture
def running(settings: Settings) -> Iterator[Gateway]:
    with gateway(settings.model_copy(update={"metrics_port": 0})) as live:
        yield live


@pytest.fixture
def stub(running: Gateway) -> Iterator[RecommenderServiceStub]:
    with grpc.insecure_channel(running.target) as channel:
        yield RecommenderServiceStub(channel)


def scraped(running: Gateway) -> dict[tuple[str, ...], float]:
    """(name, label values in the order of the labels' names...) -> value."""
    with urllib.request.urlopen(f"http://127.0.0.1:{running.metrics_port}/metrics") as response:
        text = response.read().decode()
    return {
        (sample.name, *(sample.labels[label] for label in sorted(sample.labels))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_calls_are_counted_by_method_and_code(
    running: Gateway, stub: RecommenderServiceStub
) -> None:
    """Answers and errors each have their count, and their seconds."""
    for _ in range(3):
        stub.GetMovie(pb.GetMovieRequest(movie_id="m1"), timeout=10)
    with pytest.raises(grpc.RpcError):
        stub.GetMovie(pb.GetMovieRequest(movie_id="no"), timeout=10)

    found = scraped(running)

    assert found["recserve_rpcs_total", "OK", "GetMovie"] == 3
    assert found["recserve_rpcs_total", "NOT_FOUND", "GetMovie"] == 1
    assert found["recserve_rpc_seconds_count", "GetMovie"] == 4
    assert found["recserve_rpc_seconds_sum", "GetMovie"] > 0


def test_sources_and_degraded_answers_are_counted(
    running: Gateway, stub: RecommenderServiceStub, model_server: FakeModelServer
) -> None:
    """Movies by source; second-best answers by reason."""
    stub.RecommendUser(pb.RecommendUserRequest(user_id="hot", page_size=4), timeout=10)
    model_server.stop()
    stub.RecommendUser(pb.RecommendUserRequest(user_id="hot", page_size=3), timeout=10)

    found = scraped(running)

    assert found["recserve_recommended_movies_total", "SOURCE_RETRIEVAL"] == 4
    assert found["recserve_recommended_movies_total", "SOURCE_POPULAR"] == 3
    reason = ("RecommendUser", "model_server_unavailable")
    assert found["recserve_degraded_answers_total", *reason] == 1


def test_the_state_is_shown(running: Gateway, stub: RecommenderServiceStub) -> None:
    """The active release, whether another one is wanted, what was added, the breaker."""
    movie = pb.AddMoviesRequest.AddedMovie(movie_id="new", title="New")
    stub.AddMovies(pb.AddMoviesRequest(movies=[movie]), timeout=10)

    found = scraped(running)

    assert found["recserve_active_release",] == 1
    assert found["recserve_release_not_activated",] == 0
    assert found["recserve_added_movies",] == 1
    assert found["recserve_model_server_held_back",] == 0
    # A call counts until its thread is done with it, which is after its answer has come.
    eventually(lambda: scraped(running)["recserve_rpcs_in_flight",] == 0)


def test_two_gateways_do_not_mix_and_none_has_to_have_metrics(
    settings: Settings, running: Gateway, tmp_path: object
) -> None:
    """Without --metrics-port there is no endpoint; a port in use is a clear error."""
    other = {"store_path": settings.store_path.with_name("other")}
    with gateway(settings.model_copy(update=other)) as plain:
        assert plain.metrics_port is None
    taken = {**other, "metrics_port": running.metrics_port}
    with (
        pytest.raises(StartupError, match=f"metrics on 127.0.0.1:{running.metrics_port}"),
        gateway(settings.model_copy(update=taken)),
    ):
        pass


def test_who_wants_no_metrics_does_not_import_their_library() -> None:
    """The gateway's modules alone leave prometheus-client out."""
    code = "import sys, server.app; sys.exit('prometheus_client' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0
