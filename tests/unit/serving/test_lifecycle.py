from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest

from serving.errors import ServingError
from serving.model_config import ModelConfig
from serving.servables import lifecycle
from serving.servables.lifecycle import Retries, Servables, State
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

    def __init__(self, root: Path, retries: Retries, *, labels_may_wait: bool = False) -> None:
        self.root = root
        self.loads: list[str] = []
        self.states_during_load: list[dict[int, State]] = []
        self.servables = Servables(self.load, retries, labels_may_wait=labels_may_wait)

    def load(self, folder: Path) -> Book:
        self.loads.append(folder.name)
        self.states_during_load.append(self.states())
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
    return Shelf(tmp_path, Retries(n_max=0))


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


def test_failed_load_is_retried_as_often_as_allowed(tmp_path, clock):
    """A failed version stays LOADING through its retries, each after the interval, then ENDs."""
    shelf = Shelf(tmp_path, Retries(n_max=2, interval_s=60.0))
    (shelf.root / "2").mkdir()
    shelf.configure()
    for n_tries in (1, 2):
        assert shelf.servables.next_retry_at() == clock.now + 60
        clock.now += 59.5
        shelf.servables.load_due()
        assert len(shelf.loads) == n_tries
        assert shelf.states() == {2: State.LOADING}
        clock.now += 0.5
        shelf.servables.load_due()
        assert len(shelf.loads) == n_tries + 1
    assert shelf.states() == {2: State.END}
    assert shelf.servables.next_retry_at() is None
    clock.now += 10_000
    shelf.servables.poll()
    assert len(shelf.loads) == 3


def test_negative_retry_interval_does_not_wait(tmp_path, clock):
    """The next try is due at once."""
    shelf = Shelf(tmp_path, Retries(n_max=1, interval_s=-1.0))
    (shelf.root / "2").mkdir()
    shelf.configure()
    shelf.servables.load_due()
    assert shelf.loads == ["2", "2"]
    assert shelf.states() == {2: State.END}


@pytest.mark.parametrize("n_max", [0, 5])
def test_failed_load_starts_anew_when_files_change(tmp_path, clock, n_max):
    """A completed folder is loaded at the next poll, and its error is forgotten."""
    shelf = Shelf(tmp_path, Retries(n_max=n_max, interval_s=60.0))
    (shelf.root / "2").mkdir()
    shelf.configure()
    shelf.put(2)
    shelf.servables.poll()
    (status,) = shelf.servables.statuses("m", 2)
    assert (status.state, status.error) == (State.AVAILABLE, None)


def test_version_that_is_not_wanted_any_more_is_not_retried(tmp_path, clock):
    """Between two tries a version can be given up: it ENDs and is not tried again."""
    shelf = Shelf(tmp_path, Retries(n_max=5, interval_s=1.0))
    (shelf.root / "2").mkdir()
    shelf.configure()
    shelf.put(3)
    shelf.servables.poll()
    clock.now += 1
    shelf.servables.load_due()
    assert shelf.states() == {3: State.AVAILABLE, 2: State.END}
    assert shelf.loads == ["2", "3"]


def test_states_come_in_the_real_order(shelf):
    """What waits for its turn is START, what is being read LOADING; the highest comes first."""
    shelf.put(1)
    shelf.put(2)
    shelf.configure(All())
    assert shelf.states_during_load == [
        {2: State.LOADING, 1: State.START},
        {2: State.AVAILABLE, 1: State.LOADING},
    ]


def test_wait_for_models_ends_with_them_or_with_their_failure(shelf):
    """A reload that adds a model returns once it answers, and tells why it never will."""
    shelf.put(1)
    shelf.configure()
    shelf.servables.wait_until_loaded(["m"], lambda: True)
    (shelf.root / "text").mkdir()
    broken = shelf.root / "broken"
    (broken / "1").mkdir(parents=True)
    shelf.servables.apply((ModelConfig("broken", broken),))
    shelf.servables.poll()
    with pytest.raises(
        ServingError, match=r"^UNKNOWN: 1 model\(s\) did not become available: "
    ) as e:
        shelf.servables.wait_until_loaded(["broken"], lambda: True)
    assert "{name: broken version: 1} due to error: NOT_FOUND: no text in 1" in e.value.message
    with pytest.raises(ServingError, match="did not become available"):
        shelf.servables.wait_until_loaded(["nobody"], lambda: False)


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


def test_label_may_wait_for_its_version_where_that_is_allowed(tmp_path):
    """With the flag a new label may name a missing version; one in use may not move to it."""
    shelf = Shelf(tmp_path, Retries(n_max=0), labels_may_wait=True)
    shelf.put(1)
    shelf.configure(All(), stable=1, next=7)
    with (
        pytest.raises(ServingError, match=r"Servable not found for request: Specific\(m, 7\)"),
        shelf.servables.use("m", label="next"),
    ):
        pass
    with pytest.raises(ServingError, match="assign label to version 7 of model m"):
        shelf.configure(All(), stable=7, next=7)
    shelf.put(7)
    shelf.servables.poll()
    with shelf.servables.use("m", label="next") as (version, _):
        assert version == 7


def test_repeated_warning_is_logged_once(shelf, caplog):
    """A folder without versions is polled every second but warned of once."""
    shelf.configure()
    shelf.servables.poll()
    messages = [record.message for record in caplog.records]
    assert len([text for text in messages if "No versions of servable m found" in text]) == 1
