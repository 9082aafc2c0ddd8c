"""How a client reaches its gateway: time, size, headers, encryption, waiting, closing."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest

import client as package
from client import RecommenderClient, Tls, UnavailableError
from protos.recommender.v1 import recommender_pb2 as pb
from protos.recommender.v1 import recommender_pb2_grpc
from tests.contract.certificates import self_signed


def test_large_answers_arrive(client: RecommenderClient, service: Any) -> None:
    """An answer of more than grpc's usual 4 MiB is received."""
    long = pb.Movie(movie_id="1", title="x" * (6 * 2**20))
    service.answers["GetMovie"] = pb.GetMovieResponse(movie=long)
    assert len(client.get_movie("1").movie.title) == 6 * 2**20


def test_each_call_has_an_id_and_a_deadline(connect: Any, target: str, service: Any) -> None:
    """A fresh x-request-id and the time limit travel with every call."""
    service.answers["GetServingStatus"] = pb.GetServingStatusResponse()
    with connect(target, timeout=40) as client:
        client.get_serving_status()
        client.get_serving_status(timeout=400)
    ids = [metadata["x-request-id"] for metadata in service.metadata]
    assert len(set(ids)) == 2
    default, longer = service.time_remaining
    assert default == pytest.approx(40, abs=20)
    assert longer == pytest.approx(400, abs=20)


def test_a_call_can_be_given_less_time(client: RecommenderClient, service: Any) -> None:
    """The limit of one call holds instead of the client's; the error is a TimeoutError too."""

    def wait_for_the_end(request: Any, context: grpc.ServicerContext) -> pb.GetMovieResponse:
        ended = threading.Event()
        context.add_callback(ended.set)
        ended.wait(30)
        return pb.GetMovieResponse()

    service.answers["GetMovie"] = wait_for_the_end
    told = r"^GetMovie took longer than its timeout of 0\.05 s$"
    with pytest.raises(TimeoutError, match=told) as raised:
        client.get_movie("1", timeout=0.05)
    assert isinstance(raised.value, package.DeadlineExceededError)


def test_metadata_travels_with_every_call(connect: Any, target: str, service: Any) -> None:
    """Headers of the client arrive beside the request id."""
    service.answers["GetMovie"] = pb.GetMovieResponse()
    with connect(target, metadata={"authorization": "Bearer x", "x-team": "films"}) as client:
        client.get_movie("1")
    [metadata] = service.metadata
    assert (metadata["authorization"], metadata["x-team"]) == ("Bearer x", "films")
    assert metadata["x-request-id"]


@pytest.fixture
def secure_target(service: Any, key_pair: tuple[bytes, bytes]) -> Iterator[str]:
    """The canned service behind TLS that asks for a client certificate."""
    key, certificate = key_pair
    with ThreadPoolExecutor(max_workers=2) as pool:
        server = grpc.server(pool)
        recommender_pb2_grpc.add_RecommenderServiceServicer_to_server(service, server)
        credentials = grpc.ssl_server_credentials([(key, certificate)], certificate, True)
        port = server.add_secure_port("127.0.0.1:0", credentials)
        server.start()
        yield f"localhost:{port}"
        server.stop(None).wait()


@pytest.fixture(scope="module")
def key_pair() -> tuple[bytes, bytes]:
    key, certificate = self_signed()
    return key.encode(), certificate.encode()


def test_tls_with_a_client_certificate(
    connect: Any, secure_target: str, service: Any, key_pair: tuple[bytes, bytes], tmp_path: Path
) -> None:
    """Roots, chain and key from files make a connection that a TLS server accepts."""
    service.answers["GetMovie"] = pb.GetMovieResponse()
    key_file, certificate_file = tmp_path / "key.pem", tmp_path / "certificate.pem"
    key_file.write_bytes(key_pair[0])
    certificate_file.write_bytes(key_pair[1])
    tls = Tls.from_files(certificate_file, certificate_file, key_file)
    with connect(secure_target, timeout=30, tls=tls) as client:
        client.wait_ready(30)
        client.get_movie("1")
        assert "TLS" in repr(client)
    assert len(service.requests) == 1


@pytest.mark.parametrize("tls", ["none", "no certificate", "other roots"])
def test_without_the_right_tls_nothing_is_sent(
    connect: Any, secure_target: str, service: Any, key_pair: tuple[bytes, bytes], tls: str
) -> None:
    """Plaintext, a missing client certificate or unknown roots: an error that speaks of TLS."""
    other = self_signed()[1].encode()
    options = {
        "none": None,
        "no certificate": Tls(key_pair[1]),
        "other roots": Tls(other, key_pair[1], key_pair[0]),
    }
    with (
        connect(secure_target, timeout=30, max_attempts=1, tls=options[tls]) as client,
        pytest.raises(UnavailableError, match=r"TLS|tls|SSL") as raised,
    ):
        client.get_movie("1")
    assert "is a gateway running there" not in str(raised.value)
    assert service.requests == []


def test_ready_means_that_the_connection_stands(client: Any, service: Any) -> None:
    """wait_ready returns once the gateway accepts connections, and asks it nothing."""
    client.wait_ready(30)
    assert service.requests == []


def test_waiting_ends_in_time(connect: Any, unused_target: str) -> None:
    """Where nobody listens, DeadlineExceededError names the target and the time."""
    with (
        connect(unused_target) as client,
        pytest.raises(package.DeadlineExceededError, match=r"127\.0\.0\.1:\d+ .* within 0\.1 s"),
    ):
        client.wait_ready(0.1)


def test_a_closed_client_does_not_wait(client: Any) -> None:
    """ClientClosedError instead of a wait that cannot end well."""
    with client:
        pass
    with pytest.raises(package.ClientClosedError):
        client.wait_ready(30)
