"""The load generator: bodies rotate, statuses count, figures are those of the window."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from time import perf_counter

import grpc
import numpy as np
import pytest

from benchmarks.load.__main__ import generate
from benchmarks.load.http1 import get, post_json
from benchmarks.load.http2 import GrpcCalls
from benchmarks.load.plan import Measured, Plan, encoded
from benchmarks.load.processes import cpu_seconds, is_group_running, rss_mb, tree
from benchmarks.load.slots import LoadError, Slots
from benchmarks.speed.method import DEGRADED
from protos.recommender.v1 import recommender_pb2 as pb

METHOD = "/test.Service/Answer"
N_WAVES = 3
"""A body comes again this often before the test has seen enough."""


@contextmanager
def grpc_server(answer: Callable[[bytes, grpc.ServicerContext], bytes]) -> Iterator[str]:
    """Address of a server whose one method is `answer`."""
    server = grpc.server(ThreadPoolExecutor(4))
    handler = grpc.unary_unary_rpc_method_handler(answer)
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler("test.Service", {"Answer": handler}),)
    )
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(None).wait()


def plan(target: str, bodies: list[bytes], method: str = METHOD, in_flight: int = 10) -> Plan:
    return Plan(target, in_flight, encoded(bodies), method, seconds=0.3, warmup_s=0.1)


def test_every_body_takes_its_turn() -> None:
    """No body is sent twice more often than another, whatever connection it goes over."""
    counts: Counter[bytes] = Counter()
    lock = threading.Lock()

    def answer(request: bytes, _context: grpc.ServicerContext) -> bytes:
        with lock:
            counts[request] += 1
        return b"yes"

    bodies = [b"user %d" % number for number in range(7)]
    with grpc_server(answer) as target:
        measured = asyncio.run(generate(plan(target, bodies)))

    assert measured.n_faults == 0
    assert measured.n_calls >= N_WAVES * len(bodies)
    assert set(counts) == set(bodies)
    # What was in flight at the end may not have arrived.
    assert max(counts.values()) - min(counts.values()) <= 1 + 10


def test_calls_of_the_window_can_be_kept(tmp_path: Path) -> None:
    """Each with its end, in the order in which they ended; a fault has no latency."""
    calls_file = tmp_path / "calls.npz"

    def answer(request: bytes, context: grpc.ServicerContext) -> bytes:
        if request == b"bad":
            context.abort(grpc.StatusCode.INTERNAL, "bad")
        return b"yes"

    before = perf_counter()
    with grpc_server(answer) as target:
        asked = replace(plan(target, [b"good", b"bad"]), calls_file=str(calls_file))
        measured = asyncio.run(generate(asked))

    with np.load(calls_file) as calls:
        assert len(calls["ends"]) == len(calls["latencies"]) == measured.n_calls > 0
        assert before < calls["ends"][0] <= calls["ends"][-1] < perf_counter()
        assert (np.diff(calls["ends"]) >= 0).all()
        assert 0 < len(calls["fault_ends"]) <= measured.n_faults


class Wire(asyncio.Transport):
    """Keeps what is written to it."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += bytes(data)


async def bodies_sent(*frames: bytes) -> list[int]:
    """Of eight bodies of 12 kB: how many are out at first, and after each of the peer's frames."""
    body = b"x" * 12_000
    calls, wire = GrpcCalls(Slots([body]), 8, METHOD, "host:1"), Wire()
    calls.connection_made(wire)
    counts = [wire.written.count(body)]
    for frame in frames:
        calls.data_received(frame)
        counts.append(wire.written.count(body))
    return counts


def test_the_peers_window_is_kept() -> None:
    """HTTP/2's first window of 65,535 bytes holds five bodies; the others wait for an update."""
    update = bytes.fromhex("000004 08 00 00000000 00010000")

    assert asyncio.run(bodies_sent(update)) == [5, 8]


def test_frames_may_arrive_in_pieces() -> None:
    """Half a frame changes nothing, the rest of it does."""
    update = bytes.fromhex("000004 08 00 00000000 00010000")

    assert asyncio.run(bodies_sent(update[:5], update[5:])) == [5, 5, 8]


def test_many_large_bodies_arrive() -> None:
    """Each whole, 64 of them in flight."""
    sizes: set[int] = set()

    def answer(request: bytes, _context: grpc.ServicerContext) -> bytes:
        sizes.add(len(request))
        return request

    with grpc_server(answer) as target:
        measured = asyncio.run(generate(plan(target, [b"x" * 12_000], in_flight=64)))

    assert (measured.n_faults, sizes) == (0, {12_000})
    assert measured.n_calls >= N_WAVES * 64


@pytest.mark.parametrize("code", [grpc.StatusCode.UNIMPLEMENTED, grpc.StatusCode.UNAVAILABLE])
def test_a_refused_call_is_a_fault(code: grpc.StatusCode) -> None:
    """A status other than OK is no answer."""

    def answer(_request: bytes, context: grpc.ServicerContext) -> bytes:
        context.abort(code, "no")
        raise AssertionError

    with grpc_server(answer) as target:
        measured = asyncio.run(generate(plan(target, [b"x"])))

    assert measured.n_calls == 0
    assert measured.n_faults > 0
    assert str(code.value[0]) in measured.faults[0]


def test_a_method_that_is_not_there_is_a_fault() -> None:
    """h2load would count it as a success."""
    with grpc_server(lambda request, _: request) as target:
        measured = asyncio.run(generate(plan(target, [b"x"], "/test.Service/Missing")))

    assert (measured.n_calls, measured.n_faults > 0) == (0, True)


def test_an_answer_that_says_it_is_second_best_is_a_fault() -> None:
    """A degraded answer is quick and has status OK, and would make a server look fast."""
    best = pb.RecommendUserResponse(next_page_token="x" * 20_000)
    second = pb.RecommendUserResponse(
        next_page_token="x" * 20_000,
        answer=pb.Answer(degraded=True, degraded_reasons=["model_server_timeout"]),
    )
    marks = encoded(DEGRADED)
    with grpc_server(lambda request, _: request) as target:
        good, bad = (
            asyncio.run(
                generate(
                    replace(plan(target, [message.SerializeToString()[-15_000:]]), bad_marks=marks)
                )
            )
            for message in (best, second)
        )

    assert (good.n_faults, bad.n_calls) == (0, 0)
    assert "model_server_timeout" in bad.faults[0]


@contextmanager
def http_server(status: int) -> Iterator[tuple[str, list[str]]]:
    """Address of a server that answers so, and the paths and bodies that came."""
    came: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            came.append(self.path)
            self.send_response(status)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            came.append(self.rfile.read(length).decode())
            self.send_response(status)
            self.send_header("content-length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}", came
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_http_requests_rotate() -> None:
    """GETs and POSTs follow each other on kept connections."""
    with http_server(200) as (host, came):
        bodies = [get("/users/1", host), post_json("/users", host, '{"user": 2}')]
        measured = asyncio.run(generate(plan(host, bodies, "", in_flight=2)))

    assert measured.n_faults == 0
    assert measured.n_calls >= N_WAVES
    assert set(came) == {"/users/1", '{"user": 2}'}


def test_an_http_error_is_a_fault() -> None:
    """A 500 is no answer."""
    with http_server(500) as (host, _):
        measured = asyncio.run(generate(plan(host, [get("/", host)], "", in_flight=2)))

    assert (measured.n_calls, measured.n_faults > 0) == (0, True)


def test_a_server_that_hangs_up_ends_the_run() -> None:
    """There is nothing to measure then."""

    async def hung_up() -> None:
        server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with server:
            await generate(plan(f"127.0.0.1:{port}", [b"x"]))

    with pytest.raises(LoadError, match="closed the connection"):
        asyncio.run(hung_up())


def test_figures_of_a_window() -> None:
    """Four calls in two seconds for 0.1 s of the server's time."""
    latencies = [0.001, 0.002, 0.003, 0.006]

    measured = Measured.of(latencies, seconds=2, cpu_s=0.1, generator_cpu_s=0.5)

    # The 90th of four values stands 0.7 of the way from the third to the fourth.
    assert (measured.n_calls, measured.rps, measured.cpu_ms) == (4, 2.0, 25.0)
    assert (measured.p50_ms, measured.p90_ms) == pytest.approx((2.5, 5.1))
    assert (measured.server_busy, measured.generator_busy) == (0.05, 0.25)


@pytest.mark.parametrize(
    ("in_flight", "wanted"), [(1, [1]), (5, [1] * 5), (16, [2] * 8), (19, [3] * 3 + [2] * 5)]
)
def test_calls_are_spread_over_connections(in_flight: int, wanted: list[int]) -> None:
    """At most eight connections, as even as can be."""
    assert Plan("host:1", in_flight, ()).calls_of_connections() == wanted


def stat(proc: Path, pid: int, parent: int, name: str, ticks: tuple[int, ...], pages: int) -> None:
    """A process in a folder like /proc: user, system, children's user and system ticks."""
    fields = ["S", str(parent), *["0"] * 9, *map(str, ticks), *["0"] * 6, str(pages), "0"]
    (proc / str(pid)).mkdir()
    (proc / str(pid) / "stat").write_text(f"{pid} ({name}) {' '.join(fields)}\n")


def test_a_process_tree_is_added_up(tmp_path: Path) -> None:
    """Children and grandchildren count, others don't, and names may hold anything."""
    stat(tmp_path, 10, 1, "taskset", (100, 20, 3, 0), 10)
    stat(tmp_path, 11, 10, "a) S 99 (b", (1, 2, 0, 0), 20)
    stat(tmp_path, 12, 11, "worker", (4, 0, 0, 0), 30)
    stat(tmp_path, 13, 1, "other", (1000, 0, 0, 0), 1000)
    (tmp_path / "self").mkdir()

    assert set(tree([10], tmp_path)) == {10, 11, 12}
    # 100 ticks are a second, and a page has 4096 bytes, on every Linux that we know.
    assert cpu_seconds([10], tmp_path) == pytest.approx(1.30)
    assert rss_mb([10], tmp_path) == pytest.approx(60 * 4096 / 1e6)


@pytest.mark.parametrize(("states", "is_running"), [("SZ", True), ("ZX", False), ("", False)])
def test_a_group_runs_until_its_last_process_has_ended(
    tmp_path: Path, states: str, is_running: bool
) -> None:
    """A process that nobody has awaited yet runs no more; those of other groups don't count."""
    for pid, (group, state) in enumerate([(7, "R"), *[(8, state) for state in states]], start=20):
        (tmp_path / str(pid)).mkdir()
        (tmp_path / str(pid) / "stat").write_text(f"{pid} (python) {state} 1 {group} 0\n")

    assert is_group_running(8, tmp_path) is is_running


def test_a_process_that_has_gone_uses_nothing(tmp_path: Path) -> None:
    """It is not there any more."""
    assert cpu_seconds([10], tmp_path) == 0
