"""Steps of grpc's threaded server that it has no public way to: one earlier, one later.

A call's message is read before a worker is found for it. grpc gives a call to its pool at once, and
the worker asks for the message and waits: one sleep and one awakening of a thread more for each
call, and a worker less for as long as a caller sends nothing. Here the message is asked for on
grpc's own thread; the worker comes when it is there.

Answers can be worked out together and sent later. A worker that has several calls to answer begins
them all, asks once what all of them ask, works them all out and then sends all answers: code runs
again while the processor still knows it, and who listens is woken once for all of them.

The inner parts that this takes are looked at first: where they are not as they are known here,
calls take grpc's own way.
"""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from typing import Any, Final, NamedTuple, TypeAlias, TypeVar

import grpc

from server.asking import (
    Asking,
    Company,
    Denied,
    Outcome,
    Run,
    answered_alone,
    answered_together,
)

Arguments: TypeAlias = tuple[Any, ...]
Behavior = TypeVar("Behavior", bound=Callable[..., Any])
Answering: TypeAlias = Callable[[bytes, grpc.ServicerContext], Asking[Any, Any, bytes]]


class _Inner(NamedTuple):
    """Parts of grpc's threaded server."""

    answer: Run
    """Has a worker answer a call that has one message and one answer."""
    receive_message: Callable[[Any, Any, Any], Callable[[Any], Any]]
    """What grpc's thread does when the message of a call comes."""
    token: str
    """Stands for a message that was asked for."""
    ask: Callable[[int], Any]
    """To be started: asks for the message."""
    is_active: Callable[[Any], bool]
    """Whether somebody still wants the answer to a call in this state."""
    context: Callable[[Any, Any, Any], grpc.ServicerContext]
    """What a behavior knows of its call."""
    behave: Callable[..., tuple[Any, bool]]
    """The handler's response, and whether there is one."""
    written: Callable[..., bytes | None]
    """A response in bytes; None where that fails, which the caller is told."""
    send: Callable[[Any, Any, bytes], None]
    """Sends them, and that all is well."""


_NO_FLAGS: Final = 0
_RECEIVE: Final = ["state", "call", "request_deserializer"]
_ANSWER: Final = [
    "rpc_event",
    "state",
    "behavior",
    "argument_thunk",
    "request_deserializer",
    "response_serializer",
]
_BEHAVE: Final = [
    "rpc_event",
    "state",
    "behavior",
    "argument",
    "request_deserializer",
    "send_response_callback",
]
_WRITTEN: Final = ["rpc_event", "state", "response", "response_serializer"]
_SEND: Final = ["rpc_event", "state", "serialized_response"]
_CONTEXT: Final = ["self", "rpc_event", "state", "request_deserializer"]
"""Names of arguments."""
_EVENT: Final = 1 + _ANSWER.index("rpc_event")
_BEHAVIOR: Final = 1 + _ANSWER.index("behavior")
"""Places among the arguments of a task."""

_MEMBER: Final = "recserve_company"
"""Attribute of a behavior."""


def _inner_parts() -> _Inner | None:
    """None where one is missing, takes other arguments or has not what is asked of it."""
    server: Any = import_module("grpc._server")
    try:
        state = server._RPCState()  # noqa: SLF001 - see above
        parts = _Inner(
            answer=server._unary_response_in_pool,  # noqa: SLF001
            receive_message=server._receive_message,  # noqa: SLF001
            token=server._RECEIVE_MESSAGE_TOKEN,  # noqa: SLF001
            ask=server.cygrpc.ReceiveMessageOperation,
            is_active=server._is_rpc_state_active,  # noqa: SLF001
            context=server._Context,  # noqa: SLF001
            behave=server._call_behavior,  # noqa: SLF001
            written=server._serialize_response,  # noqa: SLF001
            send=server._status,  # noqa: SLF001
        )
        fits = (
            _names_of(parts.answer) == _ANSWER
            and _names_of(parts.receive_message) == _RECEIVE
            and _names_of(parts.is_active) == ["state"]
            and _names_of(server._Context.__init__) == _CONTEXT  # noqa: SLF001
            and _names_of(parts.behave) == _BEHAVE
            and _names_of(parts.written) == _WRITTEN
            and _names_of(parts.send) == _SEND
            and state.request is None
            and state.due == set()
        )
    except (AttributeError, TypeError, ValueError):
        return None
    return parts if fits else None


def _names_of(function: Run) -> list[str]:
    return [*inspect.signature(function).parameters]


_PARTS: Final = _inner_parts()


def message_first(run: Run, arguments: Arguments, go_on: Callable[[Run, Arguments], None]) -> bool:
    """Asks for the message of a call.

    Args:
      run: what grpc gives its pool to run,
      arguments: and with what.
      go_on: called on grpc's thread once the message is there, with what is to run now, which does
        not wait for it any more. Where none comes, that is as it was, and finds out why.

    Returns:
      Whether that was done; False for every task but the answer to one message.
    """
    if _PARTS is None or len(arguments) <= len(_ANSWER) or arguments[0] is not _PARTS.answer:
        return False
    answer, event, state, behavior, _, deserializer, serializer = arguments
    is_active = _PARTS.is_active
    received = _PARTS.receive_message(state, event.call, deserializer)

    def arrived(arrival: Any) -> Any:
        finished = received(arrival)
        message, state.request = state.request, None
        if message is None:
            go_on(run, arguments)
        else:

            def message_if_wanted() -> Any:
                # A caller may be gone, or out of time, by the time that a worker is free. Without
                # the lock of the call: one that goes now goes just after it was asked.
                return message if is_active(state) else None

            go_on(
                run,
                (answer, event, state, behavior, message_if_wanted, deserializer, serializer),
            )
        return finished

    # grpc holds the lock of the call while it gives its task away.
    event.call.start_server_batch((_PARTS.ask(_NO_FLAGS),), arrived)
    state.due.add(_PARTS.token)
    return True


def in_company(behavior: Behavior, answering: Answering, company: Company) -> Behavior:
    """The behavior, marked as one whose calls may be answered together.

    Args:
      behavior: answers a call alone.
      answering: answers the same from the same arguments, and asks on its way.
      company: who is asked, and what else may be answered with it.
    """
    setattr(behavior, _MEMBER, (company, answering))
    return behavior


def company_of(arguments: Arguments) -> Company | None:
    """Which company a task may be answered in; None = it is answered alone.

    That is the answer to one message, by a behavior that is marked so, of a call with enough time.
    """
    if _PARTS is None or len(arguments) <= len(_ANSWER) or arguments[0] is not _PARTS.answer:
        return None
    member = getattr(arguments[_BEHAVIOR], _MEMBER, None)
    if member is None:
        return None
    company: Company = member[0]
    left_s = arguments[_EVENT].call_details.deadline - time.time()
    return company if left_s > company.takes_s else None


def worked_out(
    company: Company, tasks: Sequence[tuple[Run, Arguments]]
) -> tuple[list[Callable[[], Any]], list[tuple[Run, Arguments]]]:
    """Finds the answers of some tasks of a company.

    Returns:
      For each that somebody still wants what sends it, or tells the caller of an error; and tasks
      that are left: the answers that were denied a reply, each to be gone on with alone.
    """
    calls = [call for run, arguments in tasks if (call := _call_of(run, arguments)) is not None]
    outcomes = answered_together([(call.run, call.asking) for call in calls], company.ask_all)
    send_all: list[Callable[[], Any]] = []
    left: list[tuple[Run, Arguments]] = []
    for call, outcome in zip(calls, outcomes, strict=True):
        if isinstance(outcome, Denied):
            left.append((call.run, (_answer_denied, call, company, outcome)))
        else:
            send_all.append(_sending(call, outcome))
    return send_all, left


class _Call(NamedTuple):
    """A call that is answered in company."""

    run: Run
    asking: Asking[Any, Any, bytes]
    message: bytes
    arguments: Arguments


def _call_of(run: Run, arguments: Arguments) -> _Call | None:
    """None where nobody wants the answer."""
    parts = _PARTS
    if parts is None:
        raise RuntimeError("there is no company without these parts")
    _, event, state, behavior, message_of, deserializer, _ = arguments
    message = message_of()
    if message is None:
        return None
    _, answering = getattr(behavior, _MEMBER)
    context = parts.context(event, state, deserializer)
    return _Call(run, answering(message, context), message, arguments)


def _answer_denied(call: _Call, company: Company, denied: Denied) -> None:
    """Goes on with an answer that has no reply, and sends it."""
    outcome: Outcome[bytes]
    try:
        outcome = Outcome(answered_alone(call.asking, company.ask_all, denied))
    except BaseException as error:  # noqa: BLE001 - grpc tells the caller
        outcome = Outcome(error=error)
    _write_and_send(call, outcome)


def _sending(call: _Call, outcome: Outcome[bytes]) -> Callable[[], Any]:
    """What sends an answer, or tells the caller of an error."""
    _, event, state, *_, serializer = call.arguments
    # Ours are bytes already, which nobody need write.
    if serializer is None and outcome.answer is not None and _PARTS is not None:
        return partial(_PARTS.send, event, state, outcome.answer)
    return partial(call.run, _write_and_send, call, outcome)


def _write_and_send(call: _Call, outcome: Outcome[bytes]) -> None:
    """Sends an answer or an error as grpc does it."""
    parts = _PARTS
    if parts is None:
        raise RuntimeError("there is no company without these parts")
    _, event, state, _, _, deserializer, serializer = call.arguments
    try:
        # An error is told as if a behavior had raised it.
        response, is_there = parts.behave(
            event, state, lambda _message, _context: outcome.told(), call.message, deserializer
        )
    finally:
        if outcome.error is not None:
            # Its frames would keep the call, and those the error, until the collector comes.
            outcome.error.__traceback__ = outcome.error.__context__ = None
    answer = parts.written(event, state, response, serializer) if is_there else None
    if answer is not None:
        parts.send(event, state, answer)
