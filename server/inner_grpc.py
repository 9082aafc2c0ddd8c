"""Steps of grpc's threaded server that it has no public way to: one earlier, one later.

A call's message is read before a worker is found for it. grpc gives a call to its pool at once, and
the worker asks for the message and waits: one sleep and one awakening of a thread more for each
call, and a worker less for as long as a caller sends nothing. Here the message is asked for on
grpc's own thread; the worker comes when it is there.

An answer can be worked out now and sent later. A worker that has several calls to answer works
them all out, then sends all answers: code runs again while the processor still knows it, and who
listens is woken once for all of them.

The inner parts that this takes are looked at first: where they are not as they are known here,
calls take grpc's own way.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Any, Final, NamedTuple, TypeAlias, TypeVar

Run: TypeAlias = Callable[..., Any]
Arguments: TypeAlias = tuple[Any, ...]
Behavior = TypeVar("Behavior", bound=Callable[..., Any])


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
    begin: Callable[[Any], None]
    """Before a call is answered,"""
    end: Callable[[], None]
    """and after that."""
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
"""Names of arguments."""

_COMPUTES: Final = "recserve_computes"
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
            begin=server.cygrpc.install_context_from_request_call_event,
            end=server.cygrpc.uninstall_context,
            behave=server._call_behavior,  # noqa: SLF001
            written=server._serialize_response,  # noqa: SLF001
            send=server._status,  # noqa: SLF001
        )
        fits = (
            _names_of(parts.answer) == _ANSWER
            and _names_of(parts.receive_message) == _RECEIVE
            and _names_of(parts.is_active) == ["state"]
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
                # A caller may be gone, or out of time, by the time that a worker is free.
                with state.condition:
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


def that_computes(behavior: Behavior) -> Behavior:
    """The behavior, marked as one that waits for nobody, so that other answers may wait for it."""
    setattr(behavior, _COMPUTES, True)
    return behavior


def computes(arguments: Arguments) -> bool:
    """Whether a task is the answer to one message by a behavior that is marked so."""
    if _PARTS is None or len(arguments) <= len(_ANSWER) or arguments[0] is not _PARTS.answer:
        return False
    return hasattr(arguments[1 + _ANSWER.index("behavior")], _COMPUTES)


def worked_out(run: Run, arguments: Arguments) -> Callable[[], None] | None:
    """Does all of a task that computes but to send its answer.

    Returns:
      What sends it; None where there is none, which the caller has been told.
    """
    send: Callable[[], None] | None = run(_worked_out, *arguments[1:])
    return send


def _worked_out(
    event: Any, state: Any, behavior: Any, message_of: Any, deserializer: Any, serializer: Any
) -> Callable[[], None] | None:
    parts = _PARTS
    if parts is None:
        raise RuntimeError("there is no task that computes without these parts")
    parts.begin(event)
    try:
        message = message_of()
        if message is None:
            return None
        response, is_there = parts.behave(event, state, behavior, message, deserializer)
        if not is_there:
            return None
        answer = parts.written(event, state, response, serializer)
    finally:
        parts.end()
    return None if answer is None else partial(parts.send, event, state, answer)
