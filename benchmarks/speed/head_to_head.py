"""The floor, ours and the peers on 10,000 movies, in interleaved rounds."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import grpc

from benchmarks.load.processes import rss_mb
from benchmarks.speed.answers import check_same, lists_of, warm_up
from benchmarks.speed.contestants import (
    ENGINE,
    FLOORS,
    HOP,
    PEER_NAMES,
    Running,
    engine,
    floor,
    hop,
    peer,
    requests_of,
)
from benchmarks.speed.method import RECOMMEND_USER
from benchmarks.speed.rounds import Round, fastest_floor, medians, one_round, ratio

IN_FLIGHT: Final = (1, 16, 64)
MOST: Final = 64
TIMEOUT_S: Final = 30.0


@dataclass(frozen=True)
class HeadToHead:
    """What the rounds found."""

    rounds: Sequence[Round]
    memory_mb: dict[str, float]
    """Of each contestant's processes after the rounds."""
    different: dict[str, float]
    """Share of users whose list is another one than the engine's."""
    reply_bytes: int

    def ratios(self) -> dict[str, float]:
        """The figures that have bars."""
        ours, hops, floors = self._rps(ENGINE), self._rps(HOP), self._floor("rps", MOST)
        return {
            "engine_over_floor": ratio(ours, floors),
            "hop_over_floor": ratio(hops, floors),
            **{f"over_{name}": ratio(ours, self._rps(name)) for name in PEER_NAMES},
            "p50_over_floor": ratio(self._of(ENGINE, "p50_ms", 1), self._floor("p50_ms", 1)),
        }

    def shares_of_floor(self) -> dict[str, dict[int, float]]:
        """Ours over the floor at every number of calls in flight."""
        return {
            name: {n: ratio(self._of(name, "rps", n), self._floor("rps", n)) for n in IN_FLIGHT}
            for name in (ENGINE, HOP)
        }

    def table(self) -> dict[str, dict[int, dict[str, float]]]:
        """Medians of every figure."""
        return {
            name: {n: medians(self.rounds, name, n) for n in IN_FLIGHT} for name in self.rounds[0]
        }

    def _rps(self, name: str) -> list[float]:
        return self._of(name, "rps", MOST)

    def _of(self, name: str, figure: str, in_flight: int) -> list[float]:
        return [getattr(one[name][in_flight], figure) for one in self.rounds]

    def _floor(self, figure: str, in_flight: int) -> list[float]:
        return [getattr(fastest_floor(one, FLOORS, in_flight), figure) for one in self.rounds]


def head_to_head(models: Path, users: Sequence[str], rounds: int, seconds: float) -> HeadToHead:
    """Starts everybody, checks that their answers agree, and lets them take turns.

    Raises:
      BenchmarkError: answers differ, or a call failed.
      StartError: a contestant did not start.
    """
    bodies = requests_of(users)
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="recserve-bench-")))
        ours = [
            stack.enter_context(engine(models, scratch, bodies)),
            stack.enter_context(hop(models, scratch, bodies)),
        ]
        peers = [stack.enter_context(peer(name, models, scratch, users)) for name in PEER_NAMES]
        for one in ours:
            warm_up(one)
        different = check_same({one.name: lists_of(one) for one in (*ours, *peers)})
        reply = scratch / "reply"
        reply.write_bytes(_typical_reply(ours[0], bodies))
        floors = [stack.enter_context(floor(name, reply, bodies)) for name in FLOORS]
        everybody = [*floors, *ours, *peers]
        found = []
        for number in range(1, rounds + 1):
            print(f"round {number} of {rounds}", file=sys.stderr)
            found.append(one_round(everybody, IN_FLIGHT, seconds))
        return HeadToHead(
            rounds=found,
            memory_mb={one.name: rss_mb(one.pids) for one in everybody},
            different=different,
            reply_bytes=reply.stat().st_size,
        )


def _typical_reply(contestant: Running, bodies: Sequence[bytes]) -> bytes:
    """The answer of median length, for the floor to repeat."""
    with grpc.insecure_channel(contestant.target) as channel:
        call: Any = channel.unary_unary(RECOMMEND_USER)
        replies = sorted((call(body, timeout=TIMEOUT_S) for body in bodies[:101]), key=len)
    return bytes(replies[len(replies) // 2])
