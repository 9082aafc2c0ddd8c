"""python -m benchmarks.load: one run of load against a server that is there; JSON on stdout.

The plan comes as JSON on stdin; see Plan.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import sys
from collections.abc import Callable
from dataclasses import asdict

import numpy as np

from benchmarks.load.http1 import HttpCalls
from benchmarks.load.http2 import GrpcCalls
from benchmarks.load.plan import Measured, Plan
from benchmarks.load.processes import cpu_seconds
from benchmarks.load.slots import LoadError, Slots


async def generate(plan: Plan) -> Measured:
    """Runs the plan.

    Raises:
      LoadError: a connection broke.
    """
    slots = Slots(
        [base64.b64decode(body) for body in plan.bodies],
        [base64.b64decode(mark) for mark in plan.bad_marks],
    )
    loop = asyncio.get_running_loop()
    host, _, port = plan.target.rpartition(":")
    transports = []
    for protocol in _protocols(plan, slots):
        transport, _ = await loop.create_connection(protocol, host, int(port))
        transports.append(transport)

    await _let_pass(plan.warmup_s, slots)
    own, watched = cpu_seconds([os.getpid()]), cpu_seconds(plan.watched)
    started = loop.time()
    slots.start_window()
    await _let_pass(plan.seconds, slots)
    seconds = loop.time() - started
    latencies = slots.latencies
    measured = Measured.of(
        latencies,
        seconds=seconds,
        cpu_s=cpu_seconds(plan.watched) - watched,
        generator_cpu_s=cpu_seconds([os.getpid()]) - own,
        n_faults=slots.n_faults,
        faults=tuple(slots.faults),
    )
    if plan.calls_file:
        np.savez(plan.calls_file, ends=slots.ends, latencies=latencies, fault_ends=slots.fault_ends)
    slots.running = False
    for transport in transports:
        transport.abort()
    return measured


def _protocols(plan: Plan, slots: Slots) -> list[Callable[[], asyncio.Protocol]]:
    if plan.grpc_method:
        return [
            lambda n_calls=n_calls: GrpcCalls(slots, n_calls, plan.grpc_method, plan.target)
            for n_calls in plan.calls_of_connections()
        ]
    return [lambda: HttpCalls(slots)] * plan.in_flight


async def _let_pass(seconds: float, slots: Slots) -> None:
    """Returns after `seconds`, or raises as soon as a connection breaks."""
    done, _ = await asyncio.wait([slots.failed], timeout=seconds)
    for failed in done:
        failed.result()


def main() -> int:
    """Runs the plan on stdin."""
    try:
        measured = asyncio.run(generate(Plan(**json.load(sys.stdin))))
    except (LoadError, OSError) as error:
        print(f"benchmarks.load: {error}", file=sys.stderr)
        return 1
    print(json.dumps(asdict(measured)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
