"""Answers that ask something on their way, alone and together."""

from __future__ import annotations

from collections.abc import Sequence
from contextvars import ContextVar, copy_context

import pytest

from server.asking import (
    Asking,
    Denied,
    Outcome,
    answered_alone,
    answered_together,
    asks_nothing,
)

WHO = ContextVar("who", default="nobody")


def sum_of(*numbers: int) -> Asking[int, int, int]:
    """Asks for the double of each number, one after the other."""
    total = 0
    for number in numbers:
        total += yield number
    return total


class Doubling:
    """Doubles what it is asked; odd numbers are refused."""

    def __init__(self) -> None:
        self.asked: list[list[int]] = []

    def __call__(self, questions: Sequence[int]) -> list[int | Exception]:
        self.asked.append(list(questions))
        return [ValueError(q) if q % 2 else 2 * q for q in questions]


def call(function, *arguments):  # type: ignore[no-untyped-def]
    return function(*arguments)


def test_those_that_ask_further_ask_together_again() -> None:
    """One asks three times, one twice, one never: three rounds."""
    doubling = Doubling()

    outcomes = answered_together(
        [(call, sum_of(2, 4, 6)), (call, sum_of()), (call, sum_of(8, 10))], doubling
    )

    assert outcomes == [Outcome(24), Outcome(0), Outcome(36)]
    assert doubling.asked == [[2, 8], [4, 10], [6]]


def test_who_is_denied_a_reply_goes_on_alone() -> None:
    """Together they are told who it is; alone the error is thrown where the reply is missed.

    Who expects it goes on, for who does not it is the answer.
    """

    def careful() -> Asking[int, int, str]:
        try:
            return str((yield 3))
        except ValueError as error:
            return f"no {error}, but {yield 2}"

    doubling = Doubling()
    all_asking = [careful(), sum_of(2, 5, 8), sum_of(4)]
    first, second, third = answered_together([(call, one) for one in all_asking], doubling)

    assert third == Outcome(8)
    assert doubling.asked == [[3, 2, 4], [5]]
    assert isinstance(first, Denied)
    assert isinstance(second, Denied)
    assert answered_alone(all_asking[0], doubling, first) == "no 3, but 4"
    with pytest.raises(ValueError, match="5"):
        answered_alone(all_asking[1], doubling, second)
    assert doubling.asked[2:] == [[2]]


def test_what_is_raised_before_a_question_spoils_nothing() -> None:
    """SystemExit, too: whoever wants that answer is told."""

    def leaves() -> Asking[int, int, int]:
        raise SystemExit(3)
        yield

    first, second = answered_together([(call, leaves()), (call, sum_of(2))], Doubling())

    assert isinstance(first, Outcome)
    assert isinstance(first.error, SystemExit)
    with pytest.raises(SystemExit):
        first.told()
    assert second == Outcome(4)


@pytest.mark.parametrize("broken", [KeyError("five"), None], ids=["raises", "one reply less"])
def test_a_question_that_breaks_the_asking_breaks_its_own_answer_alone(
    broken: KeyError | None,
) -> None:
    """Who asked what cannot be asked is denied a reply; the others are asked about alone."""

    def broken_by_five(questions: Sequence[int]) -> list[int | Exception]:
        if 5 in questions and broken:
            raise broken
        return [2 * question for question in questions if question != 5]

    first, second, third = answered_together(
        [(call, sum_of(2)), (call, sum_of(5)), (call, sum_of(4))], broken_by_five
    )

    assert (first, third) == (Outcome(4), Outcome(8))
    assert isinstance(second, Denied)
    assert isinstance(second.error, KeyError if broken else RuntimeError)


def test_each_runs_in_its_own_context() -> None:
    """What one sets before its question it finds after the reply, whatever others set."""

    def named(name: str) -> Asking[int, int, str]:
        WHO.set(name)
        yield 0
        return WHO.get()

    outcomes = answered_together(
        [(copy_context().run, named("a")), (copy_context().run, named("b"))], Doubling()
    )

    assert outcomes == [Outcome("a"), Outcome("b")]
    assert WHO.get() == "nobody"


def test_alone_is_the_same() -> None:
    """An answer, an error, and one that asks nothing."""
    doubling = Doubling()
    assert answered_alone(sum_of(2, 4), doubling) == 12
    with pytest.raises(ValueError, match="3"):
        answered_alone(sum_of(2, 3), doubling)
    plain = asks_nothing(lambda request, context: f"{request} {context}")
    assert answered_alone(plain("hi", "there"), doubling) == "hi there"
    assert doubling.asked == [[2], [4], [2], [3]]
