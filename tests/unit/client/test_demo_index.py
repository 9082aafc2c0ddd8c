"""The demonstration's ScaNN option."""

from __future__ import annotations

import pytest
from rich.console import Console

from client.answers import Part, ServingStatus
from client.demo import prepare as preparation
from client.demo.failures import DemoError
from client.demo.index import wait_for_index
from client.demo.phases import Phases


class Gateway:
    """Answers get_serving_status with one list of parts after the other."""

    def __init__(self, *answers: dict[str, str]) -> None:
        self.answers = list(answers)

    def get_serving_status(self) -> ServingStatus:
        parts = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return ServingStatus(parts=tuple(Part(name, state, False) for name, state in parts.items()))


LOADED = {"recommend_scann": "AVAILABLE", "retrieval_scann": "AVAILABLE", "ranking": "LOADING"}


def test_the_flavours_are_told_once_they_are_available():
    """The required parts are not this sentence's matter."""
    client = Gateway({}, {**LOADED, "recommend_scann": "LOADING"}, LOADED)

    sentence = wait_for_index(client, 30)

    assert sentence == "ScaNN index: recommend_scann AVAILABLE, retrieval_scann AVAILABLE"


def test_a_model_server_without_scann_is_told():
    """The demonstration fails and says which flavour lacks, and how it is."""
    client = Gateway({**LOADED, "retrieval_scann": "END"})

    with pytest.raises(DemoError, match="recommend_scann AVAILABLE, retrieval_scann END"):
        wait_for_index(client, 0)


@pytest.mark.parametrize(
    ("live", "flavours", "commands"),
    [
        (False, False, ["fetch", "train --index scann", "publish"]),
        (True, False, ["fetch", "tune-index --force"]),
        (True, True, ["fetch"]),
    ],
)
def test_a_release_gets_the_index_that_it_lacks(tmp_path, monkeypatch, live, flavours, commands):
    """Trained with it, tuned afterwards, or left alone."""
    if live:
        (tmp_path / "releases").mkdir()
        (tmp_path / "releases" / "active.json").write_text('{"stable": 3}')
    if flavours:
        for flavour in ("recommend_scann", "retrieval_scann"):
            (tmp_path / flavour / "3").mkdir(parents=True)
    ran: list[str] = []

    def run_trainer(command: str, options: tuple[str, ...]) -> list[str]:
        ran.append(" ".join((command, *options)))
        return ["id"]

    monkeypatch.setattr(preparation, "run_trainer", run_trainer)
    preparation.prepare(tmp_path, None, "scann", Phases(Console(quiet=True)))

    assert len(ran) == len(commands)
    for line, expected in zip(ran, commands, strict=True):
        assert set(expected.split()) <= set(line.split())
