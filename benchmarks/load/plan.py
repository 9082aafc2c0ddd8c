"""What one run of load is told, and what it found."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

MAX_CONNECTIONS = 8
"""Of gRPC, where one connection carries many calls; HTTP/1.1 needs one for each call in flight."""


@dataclass(frozen=True)
class Plan:
    """One run of load."""

    target: str
    """host:port."""
    in_flight: int
    bodies: Sequence[str]
    """Base64: of gRPC the messages, of HTTP/1.1 the whole requests; sent in turn."""
    grpc_method: str = ""
    """"/package.Service/Method"; "" = HTTP/1.1."""
    bad_marks: Sequence[str] = ()
    """Base64: a gRPC answer that has one of them at its end is a fault."""
    seconds: float = 3.0
    warmup_s: float = 0.5
    """Before the window that counts."""
    watched: Sequence[int] = field(default_factory=tuple)
    """Roots of the server's process trees, whose processor time is read."""
    calls_file: str = ""
    """Where each call of the window goes, as NumPy arrays: ends, latencies, fault_ends."""

    def calls_of_connections(self) -> list[int]:
        """Calls in flight on each gRPC connection, as even as can be."""
        n_connections = min(self.in_flight, MAX_CONNECTIONS)
        low, more = divmod(self.in_flight, n_connections)
        return [low + (number < more) for number in range(n_connections)]


@dataclass(frozen=True)
class Measured:
    """What a window saw."""

    n_calls: int
    """Answered well."""
    n_faults: int
    faults: Sequence[str]
    """The first of them."""
    rps: float
    p50_ms: float
    p90_ms: float
    p99_ms: float
    cpu_ms: float
    """Processor time of the server for each call."""
    server_busy: float
    """Share of one core that the server used."""
    generator_busy: float
    """Share of one core that the generator used: near 1, it is what was measured."""

    @classmethod
    def of(
        cls,
        latencies: Sequence[float],
        *,
        seconds: float,
        cpu_s: float,
        generator_cpu_s: float,
        n_faults: int = 0,
        faults: Sequence[str] = (),
    ) -> Measured:
        """Of the latencies in seconds; without any call every figure of calls is NaN or 0."""
        n_calls = len(latencies)
        p50, p90, p99 = (
            (float(p) * 1e3 for p in np.percentile(latencies, (50, 90, 99)))
            if n_calls
            else (float("nan"),) * 3
        )
        return cls(
            n_calls=n_calls,
            n_faults=n_faults,
            faults=faults,
            rps=n_calls / seconds,
            p50_ms=p50,
            p90_ms=p90,
            p99_ms=p99,
            cpu_ms=cpu_s / n_calls * 1e3 if n_calls else float("nan"),
            server_busy=cpu_s / seconds,
            generator_busy=generator_cpu_s / seconds,
        )


def encoded(bodies: Sequence[bytes]) -> tuple[str, ...]:
    """Bodies as a plan carries them."""
    return tuple(base64.b64encode(body).decode() for body in bodies)
