"""Builds the gateway and owns the lifetime of everything in it."""

from __future__ import annotations

import logging
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import grpc
from grpc_reflection.v1alpha import reflection  # type: ignore[import-untyped] # no stubs

from protos.recommender.v1 import recommender_pb2_grpc
from server.features.sqlite import SqliteStore
from server.follower import ReleaseFollower
from server.health import SERVICE_NAME, Health
from server.interceptors import CallInterceptor
from server.logs import fields
from server.prediction import PredictionClient
from server.releases import Releases
from server.service import RecommenderServicer
from server.settings import Settings
from serving.contract import ModelsDir

_log = logging.getLogger(__name__)


class StartupError(Exception):
    """The gateway cannot start; the message says why."""


@dataclass(frozen=True, slots=True)
class Gateway:
    """A running gateway."""

    host: str
    port: int
    """The port that it listens on, also when port 0 was asked for."""

    @property
    def target(self) -> str:
        """What a client connects to."""
        return _address(self.host, self.port)


def run(settings: Settings) -> None:
    """Serves until SIGTERM or SIGINT, then drains.

    Raises:
      StartupError: the address cannot be listened on.
      StoreError: the feature store cannot be opened.
    """
    with _stop_signals() as wait_for_one, gateway(settings) as running:
        print(f"recserve gateway listening on {running.target}", flush=True)
        number = wait_for_one()
        _log.info("stopping", extra=fields(signal=signal.Signals(number).name))


@contextmanager
def _stop_signals() -> Iterator[Callable[[], int]]:
    """Within the block SIGTERM and SIGINT do nothing but end this wait, which returns the first.

    The interpreter writes their numbers into a socket. A wait for an Event would go on for ever
    after a signal that comes just before it blocks, as Python's handlers run between bytecodes.
    """
    reader, writer = socket.socketpair()
    with reader, writer:
        writer.setblocking(False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda _number, _frame: None)
        signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
        try:
            yield lambda: reader.recv(1)[0]
        finally:
            signal.set_wakeup_fd(-1)


@contextmanager
def gateway(settings: Settings) -> Iterator[Gateway]:
    """A gateway that answers calls inside the `with` block.

    The models folder has been looked at once before the block starts.

    Raises:
      StartupError: the address cannot be listened on.
      StoreError: the feature store cannot be opened.
    """
    with ExitStack() as stack:
        store = stack.enter_context(SqliteStore(settings.store_path))
        prediction = stack.enter_context(
            PredictionClient(
                settings.model_server,
                timeout_s=settings.predict_timeout_s,
                reserve_s=settings.fallback_reserve_s,
                max_message_mb=settings.max_message_mb,
            )
        )
        releases, health = Releases(), Health()
        servicer = RecommenderServicer(settings, releases, store, prediction)
        port = stack.enter_context(_listening(settings, servicer, health))
        follower = ReleaseFollower(
            ModelsDir(settings.models_dir),
            store,
            prediction,
            releases,
            on_activated=health.serving,
        )
        follower.step()
        stack.enter_context(_following(follower, settings.poll_interval_s))
        yield Gateway(settings.host, port)


@contextmanager
def _listening(settings: Settings, servicer: RecommenderServicer, health: Health) -> Iterator[int]:
    """A gRPC server on the settings' address; yields the port, drains at the end."""
    server = grpc.server(
        ThreadPoolExecutor(settings.workers, thread_name_prefix="rpc"),
        interceptors=[CallInterceptor()],
        options=[
            # Two gateways on one port would share its calls by chance.
            ("grpc.so_reuseport", 0),
            # The longest lists that the API allows make 5 MiB; grpc's own limit is 4.
            ("grpc.max_receive_message_length", settings.max_message_mb * 2**20),
        ],
        maximum_concurrent_rpcs=settings.max_concurrent_rpcs,
    )
    recommender_pb2_grpc.add_RecommenderServiceServicer_to_server(  # type: ignore[no-untyped-call] # generated
        servicer, server
    )
    health.add_to(server)
    reflection.enable_server_reflection(
        (SERVICE_NAME, "grpc.health.v1.Health", reflection.SERVICE_NAME), server
    )
    address = _address(settings.host, settings.port)
    try:
        port = server.add_insecure_port(address)
    except RuntimeError as error:
        raise StartupError(f"cannot listen on {address}: {error}") from error
    server.start()
    try:
        yield port
    finally:
        health.shut_down()
        server.stop(settings.shutdown_grace_s).wait()


def _address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


@contextmanager
def _following(follower: ReleaseFollower, interval_s: float) -> Iterator[None]:
    thread = threading.Thread(
        target=follower.run, args=(interval_s,), name="release-follower", daemon=True
    )
    thread.start()
    try:
        yield
    finally:
        follower.stop()
        thread.join()
