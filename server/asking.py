"""Answers that ask something on their way: one alone, or several that ask together.

Such an answer is a generator. It yields what it asks, is sent the reply or thrown the error that
came in place of one, and returns what it says in the end.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeAlias, TypeVar

_Question = TypeVar("_Question")
_Reply = TypeVar("_Reply")
_Answer = TypeVar("_Answer")
_Request = TypeVar("_Request")
_Context = TypeVar("_Context")

Asking: TypeAlias = Generator[_Question, _Reply, _Answer]
AskAll: TypeAlias = Callable[[Sequence[_Question]], Sequence[_Reply | Exception]]
"""A reply to each question, or why there is none."""
Run: TypeAlias = Callable[..., Any]
"""Calls a function with arguments, as contextvars.Context.run does."""


@dataclass(frozen=True, slots=True, eq=False)
class Company:
    """Methods whose calls may be answered together."""

    members: Mapping[str, Callable[[Any, Any], Asking[Any, Any, Any]]]
    """By name, what answers a request in a gRPC context."""
    ask_all: AskAll[Any, Any]
    """Of whatever any of them asks."""
    takes_s: float
    """As long as that may take: who has less time left is answered alone."""


class Outcome(NamedTuple, Generic[_Answer]):
    """An answer, or the error in its place."""

    answer: _Answer | None = None
    error: BaseException | None = None

    def told(self) -> _Answer:
        """The answer.

        Raises:
          BaseException: the error.
        """
        if self.error is not None:
            raise self.error
        return self.answer  # type: ignore[return-value] # one of the two is there


def asks_nothing(
    behavior: Callable[[_Request, _Context], _Answer],
) -> Callable[[_Request, _Context], Asking[Any, Any, _Answer]]:
    """What answers without a question, as a member of a company."""

    def asking(request: _Request, context: _Context) -> Asking[Any, Any, _Answer]:
        yield from ()
        return behavior(request, context)

    return asking


def answered_alone(
    asking: Asking[_Question, _Reply, _Answer], ask_all: AskAll[_Question, _Reply]
) -> _Answer:
    """The answer of one.

    Raises:
      BaseException: the error in its place.
    """
    (outcome,) = answered_together([(_called, asking)], ask_all)
    return outcome.told()


def answered_together(
    all_asking: Sequence[tuple[Run, Asking[_Question, _Reply, _Answer]]],
    ask_all: AskAll[_Question, _Reply],
) -> list[Outcome[_Answer]]:
    """The answers of several, of which one that fails leaves the others alone.

    Args:
      all_asking: each with what runs it.
      ask_all: called once for all that ask something, then once for those that ask again.
    """
    outcomes: list[Outcome[_Answer]] = [Outcome()] * len(all_asking)
    steps: list[tuple[int, Run, Any]] = [
        (place, asking.send, None) for place, (_, asking) in enumerate(all_asking)
    ]
    while steps:
        places, questions = [], []
        for place, step, reply in steps:
            try:
                questions.append(all_asking[place][0](step, reply))
                places.append(place)
            except StopIteration as end:
                outcomes[place] = Outcome(end.value)
            except BaseException as error:  # noqa: BLE001 - who wants the answer is told
                outcomes[place] = Outcome(error=error)
        if not questions:
            break
        steps = []
        for place, reply in zip(places, _replies(questions, ask_all), strict=True):
            asking = all_asking[place][1]
            step = asking.throw if isinstance(reply, Exception) else asking.send
            steps.append((place, step, reply))
    return outcomes


def _replies(
    questions: Sequence[_Question], ask_all: AskAll[_Question, _Reply]
) -> Sequence[_Reply | Exception]:
    try:
        return ask_all(questions)
    except Exception as error:  # noqa: BLE001 - the answer says what becomes of it
        if len(questions) == 1:
            return [error]
        # One of them may be the reason: the others have nothing to do with it.
        return [reply for question in questions for reply in _replies([question], ask_all)]


def _called(function: Run, *arguments: Any) -> Any:
    return function(*arguments)
