"""A call's message is read before a worker is found for it.

grpc gives a call to its pool at once, and the worker asks for the message and waits: one sleep and
one awakening of a thread more for each call, and a worker less for as long as a caller sends
nothing. Here the message is asked for on grpc's own thread; the worker comes when it is there.

grpc has no public way to that. The inner parts that it takes are looked at first: where they are
not as they are known here, `message_first` declines, and calls take grpc's own way.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from importlib import import_module
from typing import Any, Final, NamedTuple, TypeAlias

Run: TypeAlias = Callable[..., Any]
Arguments: TypeAlias = tuple[Any, ...]


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
"""Names of arguments."""


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
        )
        fits = (
            _names_of(parts.answer) == _ANSWER
            and _names_of(parts.receive_message) == _RECEIVE
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
    received = _PARTS.receive_message(state, event.call, deserializer)

    def arrived(arrival: Any) -> Any:
        finished = received(arrival)
        message, state.request = state.request, None
        if message is None:
            go_on(run, arguments)
        else:
            go_on(run, (answer, event, state, behavior, lambda: message, deserializer, serializer))
        return finished

    # grpc holds the lock of the call while it gives its task away.
    event.call.start_server_batch((_PARTS.ask(_NO_FLAGS),), arrived)
    state.due.add(_PARTS.token)
    return True
