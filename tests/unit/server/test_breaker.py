"""The circuit breaker, on a clock that the test turns."""

from __future__ import annotations

from server.breaker import THRESHOLD, Breaker


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def opened(clock: Clock) -> Breaker:
    breaker = Breaker(5, clock)
    for _ in range(THRESHOLD):
        assert breaker.admits()
        breaker.timed_out()
    return breaker


def test_it_opens_after_timeouts_in_a_row() -> None:
    """Two timeouts do nothing, an answer between them starts the count again, the third opens."""
    breaker = Breaker(5, Clock())
    for happened in (breaker.timed_out, breaker.timed_out, breaker.answered, breaker.timed_out):
        happened()
    assert breaker.admits()
    assert not breaker.is_open

    breaker.timed_out()
    breaker.timed_out()

    assert breaker.is_open
    assert not breaker.admits()


def test_one_call_may_try_each_period() -> None:
    """Nobody within the period, then one, and again nobody until the next."""
    clock = Clock()
    breaker = opened(clock)
    clock.now += 4.9
    assert not breaker.admits()

    clock.now += 0.2
    assert [breaker.admits() for _ in range(3)] == [True, False, False]
    breaker.timed_out()
    assert not breaker.admits()

    clock.now += 5
    assert [breaker.admits() for _ in range(2)] == [True, False]


def test_an_answer_closes_it() -> None:
    """After a try that was answered everybody may call again."""
    clock = Clock()
    breaker = opened(clock)
    clock.now += 5
    assert breaker.admits()

    breaker.answered()

    assert [breaker.admits() for _ in range(3)] == [True] * 3
    assert not breaker.is_open
