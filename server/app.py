"""Builds the gateway and owns the lifetime of everything in it."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from types import FrameType

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


def run(settings: Settings) -> None:
    """Serves until SIGTERM or SIGINT, then drains.

    Raises:
      StartupError: the address cannot be listened on.
      StoreError: the feature store cannot be opened.
    """
    stop = threading.Event()

    def on_signal(number: int, _frame: FrameType | None) -> None:
        _log.info("stopping", extra=fields(signal=signal.Signals(number).name))
        stop.set()

    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, on_signal)
    with gateway(settings) as running:
        print(f"recserve gateway listening on {running.host}:{running.port}", flush=True)
        stop.wait()


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
            timeout_s=settings.predict_timeout_s,
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
        # Two gateways on one port would share its calls by chance.
        options=[("grpc.so_reuseport", 0)],
        maximum_concurrent_rpcs=settings.max_concurrent_rpcs,
    )
    recommender_pb2_grpc.add_RecommenderServiceServicer_to_server(  # type: ignore[no-untyped-call] # generated
        servicer, server
    )
    health.add_to(server)
    reflection.enable_server_reflection(
        (SERVICE_NAME, "grpc.health.v1.Health", reflection.SERVICE_NAME), server
    )
    address = f"{settings.host}:{settings.port}"
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
