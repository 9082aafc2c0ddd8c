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


class Denied(NamedTuple):
    """An answer that has not got its reply, which it may take long to do without."""

    error: Exception
    """To be thrown where the reply is missed."""


def asks_nothing(
    behavior: Callable[[_Request, _Context], _Answer],
) -> Callable[[_Request, _Context], Asking[Any, Any, _Answer]]:
    """What answers without a question, as a member of a company."""

    def asking(request: _Request, context: _Context) -> Asking[Any, Any, _Answer]:
        yield from ()
        return behavior(request, context)

    return asking


def answered_alone(
    asking: Asking[_Question, _Reply, _Answer],
    ask_all: AskAll[_Question, _Reply],
    denied: Denied | None = None,
) -> _Answer:
    """The answer of one.

    Args:
      asking: as it is in the beginning, or denied a reply.
      ask_all: called for each question.
      denied: why.

    Raises:
      BaseException: the error in place of the answer.
    """
    # What is thrown is not kept here: an error keeps the frames that it went through.
    step, replies = _next_step(asking, None if denied is None else denied.error)
    del denied
    while True:
        try:
            question = step(replies.pop())
        except StopIteration as end:
            answer: _Answer = end.value
            return answer
        step, replies = _next_step(asking, _replies([question], ask_all)[0])


def answered_together(
    all_asking: Sequence[tuple[Run, Asking[_Question, _Reply, _Answer]]],
    ask_all: AskAll[_Question, _Reply],
) -> list[Outcome[_Answer] | Denied]:
    """The answers of several, of which one that fails leaves the others alone.

    Args:
      all_asking: each with what runs it.
      ask_all: called once for all that ask something, then once for those that ask again.

    Returns:
      For each what has become of it. Who is denied a reply has not been told yet: what it does then
      is to keep nobody waiting.
    """
    outcomes: list[Outcome[_Answer] | Denied] = [Outcome()] * len(all_asking)
    replies: list[tuple[int, Any]] = [(place, None) for place in range(len(all_asking))]
    while replies:
        places, questions = [], []
        for place, reply in replies:
            run, asking = all_asking[place]
            try:
                questions.append(run(asking.send, reply))
                places.append(place)
            except StopIteration as end:
                outcomes[place] = Outcome(end.value)
            except BaseException as error:  # noqa: BLE001 - who wants the answer is told
                outcomes[place] = Outcome(error=error)
        replies = []
        if questions:
            for place, reply in zip(places, _replies(questions, ask_all), strict=True):
                if isinstance(reply, Exception):
                    outcomes[place] = Denied(reply)
                else:
                    replies.append((place, reply))
    return outcomes


def _next_step(asking: Asking[Any, _Reply, Any], reply: _Reply | Exception | None) -> Any:
    """What takes the reply, and the reply, to be taken from its list."""
    return asking.throw if isinstance(reply, Exception) else asking.send, [reply]


def _replies(
    questions: Sequence[_Question], ask_all: AskAll[_Question, _Reply]
) -> Sequence[_Reply | Exception]:
    """One for each question, whatever becomes of the others."""
    try:
        return _as_many(ask_all(questions), len(questions))
    except Exception as error:  # noqa: BLE001 - the answer says what becomes of it
        if len(questions) == 1:
            return [error]
        # One of them may be the reason: the others have nothing to do with it.
        return [reply for question in questions for reply in _replies([question], ask_all)]


def _as_many(replies: Sequence[_Reply], n_questions: int) -> Sequence[_Reply]:
    if len(replies) != n_questions:
        raise RuntimeError(f"{len(replies)} replies to {n_questions} questions")
    return replies
