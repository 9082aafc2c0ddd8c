"""Messages that are read before a worker comes, answers that are sent together.

To callers all is as before, but for who is silent.

Each behaviour that grpc's own way has as well is tested on both ways.
"""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module

import grpc
import pytest
from grpc_health.v1 import health, health_pb2_grpc

from server import inner_grpc
from server.asking import Asking, Company, answered_alone, asks_nothing
from server.inner_grpc import in_company
from server.workers import AT_ONCE, LINGER_S, Workers
from tests.fault.waiting import eventually

PATH = "/test.Echo/Say"

Behavior = Callable[[bytes, grpc.ServicerContext], bytes | None]


def that_computes(*behaviors: Behavior) -> Iterator[Behavior]:
    """Each as a member of one company, in which nobody asks anything."""
    company = Company({}, list, takes_s=0)
    for behavior in behaviors:

        def member(
            message: bytes, context: grpc.ServicerContext, wrapped: Behavior = behavior
        ) -> bytes:
            return wrapped(message, context)

        yield in_company(member, asks_nothing(behavior), company)


@contextmanager
def echo(
    workers: Workers,
    write: Callable[[bytes], bytes] | None = None,
    **others: Callable[..., bytes | None],
) -> Iterator[grpc.Channel]:
    """A server that says what it is told, its health, and other methods by name.

    `write` makes answers bytes; without it they are.
    """
    server = grpc.server(workers)  # type: ignore[arg-type]
    behaviors = {"Say": lambda message, _context: b"<" + message + b">", **others}
    handlers = {
        name: grpc.unary_unary_rpc_method_handler(behavior, response_serializer=write)
        for name, behavior in behaviors.items()
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test.Echo", handlers),))
    health_pb2_grpc.add_HealthServicer_to_server(health.HealthServicer(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield channel
    finally:
        server.stop(None).wait()


@pytest.fixture(params=["message first", "grpc's way"])
def workers(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workers]:
    if request.param != "message first":
        monkeypatch.setattr(inner_grpc, "_PARTS", None)
    with Workers(2) as live:
        yield live


def test_messages_are_answered(workers: Workers) -> None:
    """An empty one too; of two to a method that takes one the first counts."""
    with echo(workers) as channel:
        say, say_all = channel.unary_unary(PATH), channel.stream_unary(PATH)
        assert say(b"hi", timeout=10) == b"<hi>"
        assert say(b"", timeout=10) == b"<>"
        assert say_all(iter([b"1", b"2"]), timeout=10) == b"<1>"
        eventually(lambda: workers.in_flight == 0)


def test_who_has_gone_is_not_answered(workers: Workers) -> None:
    """Calls that are cancelled or out of time when a worker is free are never worked out."""
    free, heard = threading.Event(), []

    def hear(message: bytes, _context: object) -> bytes:
        heard.append(message)
        assert free.wait(30)
        return message

    for behavior in (hear, *that_computes(hear)):
        heard.clear()
        free.clear()
        with echo(workers, hear=behavior) as channel:
            say = channel.unary_unary("/test.Echo/hear")
            held = [say.future(b"held", timeout=60) for _ in range(2)]
            eventually(lambda: len(heard) == 2)
            late, gone = say.future(b"late", timeout=0.3), say.future(b"gone")
            eventually(lambda: workers.in_flight == 4)
            gone.cancel()
            assert late.exception(30).code() is grpc.StatusCode.DEADLINE_EXCEEDED
            # On one connection the server hears of that before it hears of another call.
            live = say.future(b"live")
            eventually(lambda: workers.in_flight == 5)
            free.set()

            assert [call.result(30) for call in (*held, live)] == [b"held", b"held", b"live"]
            eventually(lambda: workers.in_flight == 0)
        assert heard == [b"held", b"held", b"live"]


def test_a_call_without_a_message_is_refused(workers: Workers) -> None:
    """UNIMPLEMENTED, and it counts no longer."""
    with echo(workers) as channel, pytest.raises(grpc.RpcError) as caught:
        channel.stream_unary(PATH)(iter(()), timeout=10)

    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
    assert "requires exactly one request message" in caught.value.details()
    eventually(lambda: workers.in_flight == 0)


def test_a_message_that_cannot_be_read_is_refused(workers: Workers) -> None:
    """Where grpc turns bytes into a message, INTERNAL."""
    with echo(workers) as channel, pytest.raises(grpc.RpcError) as caught:
        channel.unary_unary("/grpc.health.v1.Health/Check")(b"\xff\xff\xff", timeout=10)

    assert caught.value.code() is grpc.StatusCode.INTERNAL
    eventually(lambda: workers.in_flight == 0)


def test_an_answer_is_written_where_it_is_no_bytes(workers: Workers) -> None:
    """One that cannot be written is refused, as no answer at all is."""

    def answer(message: bytes, _context: object) -> bytes | None:
        return None if message == b"none" else message

    for behavior in (answer, *that_computes(answer)):
        with echo(workers, bytes.upper, answer=behavior) as channel:
            say = channel.unary_unary("/test.Echo/answer")
            assert say(b"hi", timeout=10) == b"HI"
            refused = [say.future(b"none", timeout=10).exception(10)]
        with echo(workers, answer=behavior) as channel:
            say = channel.unary_unary("/test.Echo/answer")
            assert say(b"hi", timeout=10) == b"hi"
            refused.append(say.future(b"none", timeout=10).exception(10))
        assert [error.code() for error in refused] == [grpc.StatusCode.INTERNAL] * 2
        eventually(lambda: workers.in_flight == 0)


def test_who_sends_nothing_holds_no_worker() -> None:
    """Three callers that are silent, of whom one gives up, count, and leave both workers free."""
    speak = threading.Event()

    def silence() -> Iterator[bytes]:
        assert speak.wait(30)
        yield b"late"

    with Workers(2) as workers, echo(workers) as channel:
        silent = [channel.stream_unary(PATH).future(silence(), timeout=60) for _ in range(3)]
        eventually(lambda: workers.in_flight == 3)

        assert channel.unary_unary(PATH)(b"hi", timeout=10) == b"<hi>"
        silent[0].cancel()
        eventually(lambda: workers.in_flight == 2)
        speak.set()
        assert [call.result(30) for call in silent[1:]] == [b"<late>"] * 2
        eventually(lambda: workers.in_flight == 0)


def test_answers_that_are_computed_are_sent_together() -> None:
    """Of five that wait, no answer is sent before all are worked out; some fail alone."""
    free, n_computed = threading.Event(), 0
    seen: list[int] = []

    def compute(message: bytes, context: grpc.ServicerContext) -> bytes:
        nonlocal n_computed
        n_computed += 1
        if message == b"2":
            raise ValueError(message)
        if message == b"3":
            context.abort(grpc.StatusCode.NOT_FOUND, "no 3")
        if message == b"4":
            context.set_trailing_metadata((("about", "4"),))
        return b"<" + message + b">"

    def wait(message: bytes, _context: object) -> bytes:
        assert free.wait(30)
        return message

    (computing,) = that_computes(compute)
    with Workers(1) as workers, echo(workers, compute=computing, wait=wait) as channel:
        workers._seconds = 0
        first = channel.unary_unary("/test.Echo/wait").future(b"go", timeout=60)
        eventually(lambda: workers.in_flight == 1)
        say = channel.unary_unary("/test.Echo/compute")
        calls = [say.future(b"%d" % number, timeout=60) for number in range(5)]
        eventually(lambda: workers.in_flight == 6)
        for answered in (calls[0], calls[4]):
            answered.add_done_callback(lambda _call: seen.append(n_computed))
        free.set()

        assert first.result(30) == b"go"
        assert [calls[number].result(30) for number in (0, 1)] == [b"<0>", b"<1>"]
        assert calls[2].exception(30).code() is grpc.StatusCode.UNKNOWN
        assert calls[3].exception(30).code() is grpc.StatusCode.NOT_FOUND
        assert calls[4].result(30) == b"<4>"
        assert dict(calls[4].trailing_metadata()) == {"about": "4"}
        eventually(lambda: workers.in_flight == 0)

    assert seen == [5, 5]


def test_an_answer_that_takes_long_is_sent_alone() -> None:
    """Where such ones took more than LINGER_S lately, nobody waits for the next."""
    free, second, seen = threading.Event(), threading.Event(), threading.Event()

    def compute(message: bytes, _context: object) -> bytes:
        if message == b"first":
            assert free.wait(30)
        elif message == b"third":
            # The second one's answer is out by now.
            assert second.wait(30)
            seen.set()
        return message

    (computing,) = that_computes(compute)
    with Workers(1) as workers, echo(workers, compute=computing) as channel:
        workers._seconds = 2 * LINGER_S
        say = channel.unary_unary("/test.Echo/compute")
        calls = [say.future(b"first", timeout=60)]
        for n_before, message in enumerate((b"second", b"third"), start=1):
            eventually(lambda n_before=n_before: workers.in_flight == n_before)
            calls.append(say.future(message, timeout=60))
        eventually(lambda: workers.in_flight == 3)
        calls[1].add_done_callback(lambda _call: second.set())
        free.set()

        assert [call.result(30) for call in calls] == [b"first", b"second", b"third"]
    assert seen.is_set()


class Librarian:
    """Replies to questions in capitals; remembers which came together."""

    def __init__(self) -> None:
        self.asked: list[list[bytes]] = []
        self.free = threading.Event()
        """Nobody gets a reply before."""
        self.without_reply: Callable[[], object] = lambda: None
        """What is done in place of one that is lost."""
        self.in_hands: Callable[[], object] = lambda: None
        """What an answer holds while it is made."""

    def reply_to_all(self, questions: Sequence[bytes]) -> list[bytes | Exception]:
        self.asked.append(list(questions))
        assert self.free.wait(30)
        return [KeyError(one) if one == b"lost" else one.upper() for one in questions]

    def answering(
        self, message: bytes, context: grpc.ServicerContext
    ) -> Asking[bytes, bytes, bytes]:
        _ballast = self.in_hands()
        if message == b"bad":
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "is bad")
        try:
            reply = yield message
        except KeyError:
            self.without_reply()
            context.abort(grpc.StatusCode.NOT_FOUND, "is lost")
        return b"<" + reply + b">"

    def in_company(self, takes_s: float) -> Behavior:
        def alone(message: bytes, context: grpc.ServicerContext) -> bytes:
            return answered_alone(self.answering(message, context), self.reply_to_all)

        return in_company(alone, self.answering, Company({}, self.reply_to_all, takes_s))


def test_calls_that_one_worker_answers_ask_together() -> None:
    """Four that wait ask at once; one that is gone asks nothing, one fails alone."""
    library = Librarian()
    with Workers(1) as workers, echo(workers, ask=library.in_company(takes_s=0)) as channel:
        workers._seconds = 0
        ask = channel.unary_unary("/test.Echo/ask")
        first = ask.future(b"first", timeout=60)
        eventually(lambda: library.asked == [[b"first"]])
        calls = [ask.future(word, timeout=60) for word in (b"a", b"lost", b"gone", b"b")]
        eventually(lambda: workers.in_flight == 5)
        calls.pop(2).cancel()
        calls.append(ask.future(b"c", timeout=60))
        eventually(lambda: workers.in_flight == 6)
        library.free.set()

        assert first.result(30) == b"<FIRST>"
        assert calls[0].result(30) == b"<A>"
        assert calls[1].exception(30).code() is grpc.StatusCode.NOT_FOUND
        assert [call.result(30) for call in calls[2:]] == [b"<B>", b"<C>"]
        eventually(lambda: workers.in_flight == 0)

    assert library.asked == [[b"first"], [b"a", b"lost", b"b", b"c"]]


def test_who_is_denied_a_reply_keeps_nobody_waiting() -> None:
    """What one of three does without its reply takes until the others have their answers."""
    library, others = Librarian(), threading.Event()
    library.without_reply = lambda: others.wait(30)
    with Workers(2) as workers, echo(workers, ask=library.in_company(takes_s=0)) as channel:
        workers._seconds = 0
        ask = channel.unary_unary("/test.Echo/ask")
        held = []
        for number in range(2):
            held.append(ask.future(b"held %d" % number, timeout=60))
            eventually(lambda: len(library.asked) == len(held))
        calls = []
        for word in (b"a", b"lost", b"b"):
            calls.append(ask.future(word, timeout=60))
            eventually(lambda: workers.in_flight == len(calls) + 2)
        library.free.set()

        assert [call.result(30) for call in (*held, calls[0], calls[2])] == [
            b"<HELD 0>",
            b"<HELD 1>",
            b"<A>",
            b"<B>",
        ]
        eventually(lambda: workers.in_flight == 1)
        others.set()
        assert calls[1].exception(30).code() is grpc.StatusCode.NOT_FOUND
        eventually(lambda: workers.in_flight == 0)

    assert library.asked[2] == [b"a", b"lost", b"b"]


def test_no_more_than_sixteen_ask_together() -> None:
    """Of twenty that wait four stay for the next time."""
    library = Librarian()
    with Workers(1) as workers, echo(workers, ask=library.in_company(takes_s=0)) as channel:
        workers._seconds = 0
        ask = channel.unary_unary("/test.Echo/ask")
        calls = [ask.future(b"first", timeout=60)]
        eventually(lambda: library.asked == [[b"first"]])
        calls += [ask.future(b"%d" % number, timeout=60) for number in range(20)]
        eventually(lambda: workers.in_flight == 21)
        library.free.set()
        for call in calls:
            call.result(30)

    assert list(map(len, library.asked)) == [1, AT_ONCE, 20 - AT_ONCE]
    assert AT_ONCE == 16


class Ballast:
    """What a call has in its hands."""


@pytest.mark.parametrize("takes_s", [0, 1000], ids=["in company", "alone"])
@pytest.mark.parametrize("word", [b"bad", b"lost"])
def test_nothing_of_a_refused_call_is_kept(takes_s: float, word: bytes) -> None:
    """It is gone when the caller knows, and does not wait for the collector."""
    library, held = Librarian(), []
    library.free.set()
    library.in_hands = lambda: held.append(weakref.ref(ballast := Ballast())) or ballast
    gc.disable()
    try:
        with Workers(1) as workers, echo(workers, ask=library.in_company(takes_s)) as channel:
            with pytest.raises(grpc.RpcError):
                channel.unary_unary("/test.Echo/ask")(word, timeout=60)
            eventually(lambda: workers.in_flight == 0)
            eventually(lambda: held[0]() is None)
    finally:
        gc.enable()


def test_who_is_in_a_hurry_asks_alone() -> None:
    """Of those whose company may take 60 seconds one has 50 left: it waits for no other reply."""
    library = Librarian()
    with Workers(1) as workers, echo(workers, ask=library.in_company(takes_s=60)) as channel:
        workers._seconds = 0
        ask = channel.unary_unary("/test.Echo/ask")
        first = ask.future(b"first", timeout=90)
        eventually(lambda: library.asked == [[b"first"]])
        calls = []
        for word, timeout_s in ((b"a", 90), (b"b", None), (b"hurry", 50), (b"c", 90), (b"d", 90)):
            calls.append(ask.future(word, timeout=timeout_s))
            eventually(lambda: workers.in_flight == len(calls) + 1)
        library.free.set()

        assert first.result(30) == b"<FIRST>"
        assert [call.result(30) for call in calls] == [b"<A>", b"<B>", b"<HURRY>", b"<C>", b"<D>"]

    assert library.asked == [[b"first"], [b"a", b"b"], [b"hurry"], [b"c", b"d"]]


@pytest.mark.parametrize(
    ("part", "other"),
    [
        ("_receive_message", callable),
        ("_unary_response_in_pool", callable),
        ("_Context", object),
        ("_call_behavior", callable),
        ("_serialize_response", callable),
        ("_status", callable),
        ("_RPCState", object),
        ("cygrpc", object()),
    ],
)
def test_a_grpc_with_other_inner_parts_goes_its_own_way(
    monkeypatch: pytest.MonkeyPatch, part: str, other: object
) -> None:
    """Parts that are missing, take other arguments or lack what is asked of them are not used."""
    assert inner_grpc._inner_parts() is not None

    monkeypatch.setattr(import_module("grpc._server"), part, other)

    assert inner_grpc._inner_parts() is None
