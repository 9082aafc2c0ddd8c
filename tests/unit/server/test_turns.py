"""Threads take long turns while they answer calls, and short ones while a release is read."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import pytest

from server import app, follower
from server.app import Gateway, gateway
from server.settings import Settings
from server.turns import LONG_S, SHORT_S, turns_of


def test_turns_are_as_before_when_the_block_ends() -> None:
    """After an error too, and one block inside another."""
    before = sys.getswitchinterval()

    def fail() -> None:
        with turns_of(LONG_S):
            with turns_of(SHORT_S):
                assert sys.getswitchinterval() == pytest.approx(SHORT_S)
            assert sys.getswitchinterval() == pytest.approx(LONG_S)
            raise ValueError("within")

    with pytest.raises(ValueError, match="within"):
        fail()

    assert sys.getswitchinterval() == pytest.approx(before)


def test_turns_do_not_wear_out() -> None:
    """A thousand blocks later, as after a quarter of an hour of looks, they are what they were."""
    with turns_of(LONG_S):
        for _ in range(1000):
            with turns_of(SHORT_S):
                pass
        assert sys.getswitchinterval() == pytest.approx(LONG_S)


def test_a_process_that_answers_takes_long_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    """From before the gateway starts until it has ended."""
    turns = []

    @contextmanager
    def recording(_settings: Settings) -> Iterator[Gateway]:
        turns.append(sys.getswitchinterval())
        yield Gateway("127.0.0.1", 0, None)
        turns.append(sys.getswitchinterval())

    monkeypatch.setattr(app, "gateway", recording)
    monkeypatch.setattr(app, "_stop_signals", lambda: nullcontext(lambda: signal.SIGTERM))
    before = sys.getswitchinterval()

    app.run(Settings())

    assert turns == [pytest.approx(LONG_S)] * 2
    assert sys.getswitchinterval() == pytest.approx(before)


def test_a_release_is_looked_for_in_short_turns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the process had is there again after each look."""
    turns = []

    def read_active(_models: object) -> None:
        turns.append(sys.getswitchinterval())

    monkeypatch.setattr(follower, "read_active", read_active)
    settings = Settings(
        port=0,
        models_dir=tmp_path,
        engine="local",
        store_path=tmp_path / "store.sqlite3",
        poll_interval_s=60,
        shutdown_grace_s=0,
    )
    with turns_of(LONG_S), gateway(settings):
        after = sys.getswitchinterval()

    assert turns == [pytest.approx(SHORT_S)]
    assert after == pytest.approx(LONG_S)
