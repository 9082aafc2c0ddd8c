from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest

from serving.errors import ServingError
from serving.model_config import ModelConfig
from serving.servables import lifecycle
from serving.servables.lifecycle import Servables, State
from serving.servables.versions import All, Latest, Specific


@dataclass
class Book:
    """A model that is a folder with one text; a folder without it cannot be loaded."""

    text: str
    closed: bool = False

    def close(self) -> None:
        assert not self.closed
        self.closed = True


class Shelf:
    """A base path, and the order in which its books were loaded."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.loads: list[str] = []
        self.servables = Servables(self.load)

    def load(self, folder: Path) -> Book:
        self.loads.append(folder.name)
        try:
            return Book((folder / "text").read_text())
        except FileNotFoundError as error:
            raise ServingError(grpc.StatusCode.NOT_FOUND, f"no text in {folder.name}") from error

    def put(self, version: int) -> None:
        folder = self.root / str(version)
        folder.mkdir(exist_ok=True)
        (folder / "text").write_text(f"text {version}")

    def configure(self, policy=Latest(1), **labels: int) -> None:  # noqa: B008 - frozen
        self.servables.apply((ModelConfig("m", self.root, policy, labels),))
        self.servables.poll()

    def states(self) -> dict[int, State]:
        return {status.version: status.state for status in self.servables.statuses("m")}

    def latest(self) -> tuple[int, str]:
        with self.servables.use("m") as (version, book):
            return version, book.text


@pytest.fixture
def shelf(tmp_path):
    return Shelf(tmp_path)


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still until a test moves it."""

    class Clock:
        now = 100.0

        def monotonic(self) -> float:
            return self.now

    clock = Clock()
    monkeypatch.setattr(lifecycle, "time", clock)
    return clock


def test_nothing_answers_before_a_version_is_there(shelf):
    """An unknown servable, and one without versions, is not found in the real server's words."""
    shelf.configure()
    with (
        pytest.raises(
            ServingError, match=r"^NOT_FOUND: Servable not found for request: Latest\(m\)$"
        ),
        shelf.servables.use("m"),
    ):
        pass
    with (
        pytest.raises(ServingError, match=r"Servable not found for request: Specific\(m, 3\)$"),
        shelf.servables.use("m", 3),
    ):
        pass
    with pytest.raises(ServingError, match="Could not find any versions of model m"):
        shelf.servables.statuses("m")


def test_new_version_takes_over_and_the_old_one_is_freed(shelf):
    """latest(1) follows the highest number; the old model is closed exactly once."""
    shelf.put(1)
    shelf.configure()
    with shelf.servables.use("m") as (_, old):
        pass
    shelf.put(2)
    shelf.servables.poll()
    assert shelf.latest() == (2, "text 2")
    assert shelf.states() == {2: State.AVAILABLE, 1: State.END}
    assert old.closed
    with pytest.raises(ServingError, match="Could not find version 9 of model m"):
        shelf.servables.statuses("m", 9)


def test_call_keeps_the_version_it_started_on(shelf):
    """While a call runs, its version drains as UNLOADING and is closed only after the call."""
    shelf.put(1)
    shelf.configure()
    with shelf.servables.use("m") as (version, book):
        shelf.put(2)
        shelf.servables.poll()
        assert (version, book.closed) == (1, False)
        assert shelf.states() == {2: State.AVAILABLE, 1: State.UNLOADING}
        assert shelf.latest()[0] == 2
    assert book.closed
    assert shelf.states()[1] is State.END


def test_failed_load_leaves_the_old_version_answering(shelf, clock):
    """A broken newer version is reported with its error and never takes the place of a good one."""
    shelf.put(1)
    shelf.configure()
    (shelf.root / "2").mkdir()
    shelf.servables.poll()
    assert shelf.latest() == (1, "text 1")
    (status,) = shelf.servables.statuses("m", 2)
    assert (status.state, str(status.error)) == (State.END, "NOT_FOUND: no text in 2")


def test_failed_load_is_retried_with_growing_pauses(shelf, clock):
    """Without a change on disk the next tries come after 1, 2, 4, ... seconds, at most 60."""
    (shelf.root / "2").mkdir()
    shelf.configure()
    for wait_s in (1, 2, 4, 8, 16, 32, 60, 60):
        tries = len(shelf.loads)
        clock.now += wait_s - 0.5
        shelf.servables.poll()
        assert len(shelf.loads) == tries
        clock.now += 0.5
        shelf.servables.poll()
        assert len(shelf.loads) == tries + 1


def test_failed_load_is_retried_at_once_when_files_change(shelf, clock):
    """A completed folder is loaded at the next poll, and its error is forgotten."""
    (shelf.root / "2").mkdir()
    shelf.configure()
    shelf.put(2)
    shelf.servables.poll()
    (status,) = shelf.servables.statuses("m", 2)
    assert (status.state, status.error) == (State.AVAILABLE, None)


def test_specific_versions_stay_side_by_side(shelf):
    """Pinned versions are all AVAILABLE, the highest answers callers who name none."""
    for version in (1, 2, 3):
        shelf.put(version)
    shelf.configure(Specific(frozenset({1, 3})))
    assert shelf.states() == {3: State.AVAILABLE, 1: State.AVAILABLE}
    with shelf.servables.use("m", 1) as (version, book):
        assert (version, book.text) == (1, "text 1")
    shelf.configure(Specific(frozenset({2})))
    assert shelf.states() == {3: State.END, 2: State.AVAILABLE, 1: State.END}


def test_unloaded_version_can_come_back(shelf):
    """A version that ended is loaded anew when the policy wants it again."""
    shelf.put(1)
    shelf.put(2)
    for wanted in ({1}, {2}, {1}):
        shelf.configure(Specific(frozenset(wanted)))
    assert shelf.states() == {2: State.END, 1: State.AVAILABLE}
    assert shelf.loads == ["1", "2", "1"]


def test_vanished_base_path_unloads_nothing(shelf):
    """A file system that is away does not take the servable down."""
    shelf.put(1)
    shelf.configure()
    shelf.root.rename(shelf.root.with_name("moved"))
    shelf.servables.poll()
    assert shelf.latest() == (1, "text 1")


def test_removed_model_is_unloaded(shelf):
    """A configuration replaces the whole set; a model that it does not name ends."""
    shelf.put(1)
    shelf.configure(All())
    shelf.servables.apply(())
    assert shelf.states() == {1: State.END}


def test_label_resolves_to_its_version(shelf):
    """A label answers for an AVAILABLE version; another label is unknown."""
    shelf.put(1)
    shelf.put(2)
    shelf.configure(All())
    shelf.configure(All(), stable=1)
    with shelf.servables.use("m", label="stable") as (version, _):
        assert version == 1
    with (
        pytest.raises(ServingError, match="Unrecognized servable version label: canary"),
        shelf.servables.use("m", label="canary"),
    ):
        pass


def test_label_of_an_unloaded_version_is_refused_as_a_whole(shelf):
    """The configuration with the bad label has no effect at all."""
    shelf.put(1)
    shelf.configure(All())
    with pytest.raises(ServingError, match="assign label to version 7 of model m") as caught:
        shelf.configure(Specific(frozenset({7})), stable=7)
    assert caught.value.code is grpc.StatusCode.FAILED_PRECONDITION
    shelf.servables.poll()
    assert shelf.states() == {1: State.AVAILABLE}


def test_repeated_warning_is_logged_once(shelf, caplog):
    """A folder without versions is polled every second but warned of once."""
    shelf.configure()
    shelf.servables.poll()
    messages = [record.message for record in caplog.records]
    assert len([text for text in messages if "No versions of servable m found" in text]) == 1
