"""Builds the gateway and owns the lifetime of everything in it."""

from __future__ import annotations

import errno
import logging
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import grpc
from grpc_reflection.v1alpha import reflection  # type: ignore[import-untyped] # no stubs

from protos.recommender.v1 import recommender_pb2_grpc
from server.additions import Additions
from server.admission import Admission
from server.asking import Company, asks_nothing
from server.backends import Backend, InProcess, ModelServer
from server.collector import SELDOM, collecting_after
from server.engine.models import EngineModels
from server.features.sqlite import SqliteStore
from server.features.store import FeatureStore
from server.follower import ReleaseFollower
from server.health import SERVICE_NAME, Health
from server.interceptors import CallInterceptor
from server.logs import fields
from server.paging import PageTokens
from server.prediction import PredictionClient
from server.releases import Releases
from server.servables import Models, ServableModels
from server.service import Parts, RecommenderServicer
from server.settings import Settings
from server.turns import LONG_S, turns_of
from server.workers import Workers
from serving.contract import ModelsDir

if TYPE_CHECKING:
    from server.metrics import Metrics

BATCH_THREADS: Final = 8
"""Requests of all batches that are answered side by side: the model server merges them."""

_log = logging.getLogger(__name__)


class StartupError(Exception):
    """The gateway cannot start; the message says why."""


@dataclass(frozen=True, slots=True)
class Gateway:
    """A running gateway."""

    host: str
    port: int
    """The port that it listens on, also when port 0 was asked for."""
    metrics_port: int | None = None
    """Where the metrics are; None = nowhere."""

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
    with (
        _stop_signals() as wait_for_one,
        turns_of(LONG_S),
        collecting_after(SELDOM),
        gateway(settings) as running,
    ):
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
        store = stack.enter_context(_opened_store(settings))
        answering = stack.enter_context(_answering(settings))
        releases, health = Releases(settings.models_dir), Health()
        batch_pool = stack.enter_context(
            ThreadPoolExecutor(BATCH_THREADS, thread_name_prefix="batch")
        )
        additions = Additions(store, answering.models, releases)
        parts = Parts(
            default_deadline_s=settings.default_deadline_s,
            releases=releases,
            store=store,
            backend=answering.backend,
            models=answering.models,
            additions=additions,
            page_tokens=_page_tokens(settings, store),
            batch_pool=batch_pool,
        )
        servicer = RecommenderServicer(parts)
        workers = stack.enter_context(Workers(settings.workers))
        admission = stack.enter_context(Admission(workers, settings.max_concurrent_rpcs))
        metrics, metrics_port = stack.enter_context(_metrics_endpoint(settings))
        if metrics is not None:
            metrics.watch(releases, lambda: workers.in_flight, answering.is_held_back)
        interceptor = CallInterceptor(metrics, admission, _company(settings, servicer, answering))
        port = stack.enter_context(_listening(settings, servicer, health, workers, interceptor))
        follower = ReleaseFollower(
            ModelsDir(settings.models_dir),
            store,
            answering.backend,
            releases,
            additions,
            on_activated=health.serving,
        )
        follower.step()
        stack.enter_context(_following(follower, settings.poll_interval_s))
        yield Gateway(settings.host, port, metrics_port)


def _company(
    settings: Settings, servicer: RecommenderServicer, answering: _Answering
) -> Company | None:
    """Of the methods that wait for nobody but, all at once, for the models.

    None where they wait for a store that another process keeps, each for itself.
    """
    if settings.redis_url:
        return None
    ask_all = answering.models.recommend_all
    members: dict[str, Any] = {"RecommendUser": servicer.recommended}
    if settings.engine != "local":
        # A question waits until the model server is free for it, and then for the reply.
        takes_s = 2 * settings.predict_timeout_s + settings.fallback_reserve_s
        return Company(members, ask_all, takes_s)
    members["PredictRating"] = asks_nothing(servicer.PredictRating)
    members["SimilarMovies"] = asks_nothing(servicer.SimilarMovies)
    return Company(members, ask_all, takes_s=0)


@dataclass(frozen=True, slots=True)
class _Answering:
    """What answers for the models."""

    models: Models
    backend: Backend
    is_held_back: Callable[[], bool]
    """Whether a circuit breaker is open."""


@contextmanager
def _answering(settings: Settings) -> Iterator[_Answering]:
    if settings.engine == "local":
        yield _Answering(EngineModels(), InProcess(), lambda: False)
        return
    with PredictionClient(
        settings.model_server,
        timeout_s=settings.predict_timeout_s,
        reserve_s=settings.fallback_reserve_s,
        retry_s=settings.model_server_retry_s,
        max_message_mb=settings.max_message_mb,
    ) as prediction:
        yield _Answering(
            ServableModels(prediction),
            ModelServer(prediction),
            lambda: prediction.breaker.is_open,
        )


@contextmanager
def _opened_store(settings: Settings) -> Iterator[FeatureStore]:
    if not settings.redis_url:
        with SqliteStore(settings.store_path) as sqlite:
            yield sqlite
        return
    # Who keeps to SQLite need not have redis-py, nor spend its 8 MB.
    from server.features.redis import RedisStore  # noqa: PLC0415

    with RedisStore(
        settings.redis_url, cluster=settings.redis_cluster, timeout_s=settings.store_timeout_s
    ) as redis:
        yield redis


def _page_tokens(settings: Settings, store: FeatureStore) -> PageTokens:
    configured = settings.page_token_key.get_secret_value()
    return PageTokens(configured.encode() if configured else store.secret("page_token_key"))


@contextmanager
def _metrics_endpoint(settings: Settings) -> Iterator[tuple[Metrics | None, int | None]]:
    """What counts calls and the port where the counts are; None where nobody wants them."""
    if settings.metrics_port is None:
        yield None, None
        return
    # Who wants no metrics does not wait for prometheus-client.
    from server.metrics import Metrics, metrics_endpoint  # noqa: PLC0415

    metrics = Metrics()
    with ExitStack() as stack:
        try:
            port = stack.enter_context(
                metrics_endpoint(metrics, settings.host, settings.metrics_port)
            )
        except OSError as error:
            address = _address(settings.host, settings.metrics_port)
            why = _told(error, "--metrics-port")
            raise StartupError(f"cannot serve metrics on {address}: {why}") from error
        _log.info("metrics", extra=fields(port=port))
        yield metrics, port


@contextmanager
def _listening(
    settings: Settings,
    servicer: RecommenderServicer,
    health: Health,
    workers: Workers,
    interceptor: CallInterceptor,
) -> Iterator[int]:
    """A gRPC server on the settings' address; yields the port, drains at the end."""
    server = grpc.server(
        workers,  # type: ignore[arg-type] # of a pool grpc wants `submit` alone
        interceptors=[interceptor],
        options=[
            # Two gateways on one port would share its calls by chance.
            ("grpc.so_reuseport", 0),
            # The longest lists that the API allows make 5 MiB; grpc's own limit is 4.
            ("grpc.max_receive_message_length", settings.max_message_mb * 2**20),
        ],
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
        why = _why_not_bound(settings.host, settings.port) or error
        raise StartupError(f"cannot listen on {address}: {why}") from error
    server.start()
    try:
        yield port
    finally:
        health.shut_down()
        server.stop(settings.shutdown_grace_s).wait()


def _why_not_bound(host: str, port: int) -> str:
    """Why gRPC could not listen there, which it tells nobody but its own log; "" = unknown."""
    failures: list[OSError] = []
    try:
        for family, kind, protocol, _, where in socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM
        ):
            with socket.socket(family, kind, protocol) as probe:
                # As gRPC does: a port whose last connections are still fading away is free.
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind(where)
                except OSError as error:
                    failures.append(error)
    except OSError as error:
        failures.append(error)
    except UnicodeError:
        # It is no name of a host, which gRPC says.
        return ""
    # Of a name's addresses one may be none of this machine's, which is not what was in the way.
    failures.sort(key=lambda error: error.errno != errno.EADDRINUSE)
    return _told(failures[0], "--port") if failures else ""


def _told(error: OSError, flag: str) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"the address is already in use, {flag} chooses another port"
    return error.strerror or str(error)


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
