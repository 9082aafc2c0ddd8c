"""Prometheus metrics of one gateway; every label is from a bounded set."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server

from server.releases import Releases

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """What is counted; nothing is global, so that two gateways in one process do not mix."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        calls = Counter(
            "recserve_rpcs", "Calls answered.", ("method", "code"), registry=self.registry
        )
        seconds = Histogram(
            "recserve_rpc_seconds",
            "Seconds in the handler of a call.",
            ("method",),
            buckets=_SECONDS,
            registry=self.registry,
        )
        degraded = Counter(
            "recserve_degraded_answers",
            "Answers that were second best.",
            ("method", "reason"),
            registry=self.registry,
        )
        movies = Counter(
            "recserve_recommended_movies",
            "Movies of RecommendUser by where they come from.",
            ("source",),
            registry=self.registry,
        )
        # The library takes longer to find what counts for some labels than to count.
        self._calls, self._seconds = cache(calls.labels), cache(seconds.labels)
        self._degraded, self._movies = cache(degraded.labels), cache(movies.labels)

    def observe(
        self, method: str, code: str, seconds: float, described: Mapping[str, Any] | None = None
    ) -> None:
        """Counts one call; `described` tells of its answer, None where it ended with an error."""
        self._calls(method, code).inc()
        self._seconds(method).observe(seconds)
        if described is None:
            return
        for reason in described.get("degraded_reasons", ()):
            self._degraded(method, reason).inc()
        if method == "RecommendUser":
            for source, n_movies in described["sources"].items():
                self._movies(source).inc(n_movies)

    def watch(
        self, releases: Releases, n_calls: Callable[[], int], holds_back: Callable[[], bool]
    ) -> None:
        """Shows the state of the gateway's parts whenever somebody asks.

        Args:
          releases: what is active, and what was wanted.
          n_calls: calls that wait or run.
          holds_back: whether the circuit breaker is open.
        """
        self._gauge(
            "recserve_active_release",
            "Version that answers; 0 = none.",
            lambda: releases.active.version if releases.active else 0,
        )
        self._gauge(
            "recserve_release_not_activated",
            "1 while the stable release is not the active one.",
            lambda: bool(releases.wanted.why_not_switched),
        )
        self._gauge(
            "recserve_candidate_release",
            "Version that answers a share of the users; 0 = none.",
            lambda: releases.candidate.release.version if releases.candidate else 0,
        )
        self._gauge(
            "recserve_added_movies",
            "Movies added since the active release was trained.",
            lambda: len(releases.active.added) if releases.active else 0,
        )
        self._gauge("recserve_rpcs_in_flight", "Calls that wait or run.", n_calls)
        self._gauge(
            "recserve_model_server_held_back",
            "1 while a hanging model server is only tried now and then.",
            holds_back,
        )

    def _gauge(self, name: str, documentation: str, value: Callable[[], float]) -> None:
        Gauge(name, documentation, registry=self.registry).set_function(value)


@contextmanager
def metrics_endpoint(metrics: Metrics, host: str, port: int) -> Iterator[int]:
    """Serves the metrics over HTTP within the block; yields the port.

    Raises:
      OSError: the address cannot be listened on.
    """
    server, thread = start_http_server(port, addr=host, registry=metrics.registry)
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
