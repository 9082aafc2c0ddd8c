"""Whether a port is taken, asked before the models are loaded."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from serving import grpc_server
from serving.grpc_server import is_taken


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as other:
        yield other.getsockname()[1]


def test_a_port_that_somebody_listens_on_is_taken(taken_port: int) -> None:
    """And no other, nor the one that stands for any."""
    assert is_taken("127.0.0.1", taken_port)
    assert not is_taken("127.0.0.2", taken_port)
    assert not is_taken("127.0.0.1", 0)


@pytest.mark.parametrize("host", ["a..b", "x" * 64, "nobody.invalid"])
def test_what_is_no_host_is_left_to_grpc(host: str) -> None:
    """It has its own words for a name that leads nowhere."""
    assert not is_taken(host, 50051)


def test_a_kernel_without_ipv6_is_left_to_grpc(
    monkeypatch: pytest.MonkeyPatch, taken_port: int
) -> None:
    """Names have addresses there that no socket can be made for."""

    class Without6(socket.socket):
        def __init__(self, family: int = -1, *more: int) -> None:
            if family == socket.AF_INET6:
                raise OSError(97, "Address family not supported by protocol")
            super().__init__(family, *more)

    monkeypatch.setattr(grpc_server.socket, "socket", Without6)

    assert not is_taken("::1", taken_port)
    assert is_taken("127.0.0.1", taken_port)
