"""Public data sets, downloaded once into a cache outside the repository."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeElapsedColumn

from trainer.datasets.dataset import DataError
from trainer.datasets.sources import PublishedZip, Source, SourceError, WheelFiles

_GROUPLENS: Final = "https://files.grouplens.org/datasets/movielens"
_CSV_MEMBERS: Final = ("ratings.csv", "movies.csv")
_RECBOLE_FOLDER: Final = "recbole/dataset_example/ml-100k"


def _published(name: str, md5: str | None = None, total_timeout_s: float = 1800) -> PublishedZip:
    return PublishedZip(
        label="GroupLens",
        archive_name=f"{name}.grouplens.zip",
        url=f"{_GROUPLENS}/{name}.zip",
        md5=md5,
        members=() if md5 else _CSV_MEMBERS,
        total_timeout_s=total_timeout_s,
    )


SOURCES: Final[Mapping[str, Sequence[Source]]] = {
    "ml-100k": (
        _published("ml-100k", "0e33842e24a9c977be4e0107933c0723", total_timeout_s=120),
        WheelFiles(
            label="the copy inside the recbole 1.2.1 wheel",
            archive_name="ml-100k.recbole.zip",
            requirement="recbole==1.2.1",
            sha256="9c9948202011f37eb0a7c6768129313f00d6403ad221ec940d5e2d5d5f33a407",
            members={
                f"{_RECBOLE_FOLDER}/ml-100k.inter": (
                    "4edb74e2a81178c2ba9ff381495f754f996c4aea351b1272ca36b43da0935eff"
                ),
                f"{_RECBOLE_FOLDER}/ml-100k.item": (
                    "51d7cdf777ce5c0f5b32c1d947a4a81fe07d75e78abbe761e0cd4d0756064532"
                ),
                f"{_RECBOLE_FOLDER}/ml-100k.user": (
                    "4f670007d9cfbeb9807e757209af1555b9bcc186bde25e767f67cb67c6dd5972"
                ),
            },
        ),
    ),
    "ml-1m": (_published("ml-1m", "c4d9eecfca2ab87c1945afe126590906"),),
    "ml-10m": (_published("ml-10m", "ce571fd55effeba0271552578f2648bd"),),
    # Regenerated from time to time, so GroupLens states no checksum that could be pinned.
    "ml-latest-small": (_published("ml-latest-small"),),
    "ml-20m": (_published("ml-20m", "cd245b17a1ae2cc31bb14903e1204af3"),),
    "ml-25m": (_published("ml-25m", "6b51fb2759a8657d3bfcbfc42b592ada"),),
    "ml-32m": (_published("ml-32m", "d472be332d4daa821edc399621853b57"),),
}
"""In the order in which they are tried."""


def cache_folder(cache_dir: Path | None = None) -> Path:
    """`cache_dir`, else recserve below $XDG_CACHE_HOME or ~/.cache; it may not exist yet."""
    if cache_dir is not None:
        return cache_dir
    base = Path(os.environ.get("XDG_CACHE_HOME", ""))
    # The XDG specification: a relative path is invalid and to be ignored.
    return (base if base.is_absolute() else Path.home() / ".cache") / "recserve"


def fetch(
    name: str,
    cache_dir: Path | None = None,
    progress: bool = True,
    sources: Sequence[Source] | None = None,
) -> Path:
    """The zip with a data set's files, from the cache or from the first source that delivers.

    What is in the cache is checked against pinned checksums each time and replaced when it
    is damaged. Processes that fetch at once each write a file of their own; the last rename
    wins, and readers keep what they have open.

    Args:
      name: a key of SOURCES.
      cache_dir: see `cache_folder`.
      progress: draw a bar and say on stderr which source was used.
      sources: others than SOURCES[name].

    Raises:
      DataError: unknown name, a cache that cannot be written, or no source delivers.
    """
    if sources is None:
        if name not in SOURCES:
            raise DataError(f"dataset {name!r} cannot be fetched; known: {', '.join(SOURCES)}")
        sources = SOURCES[name]
    folder = cache_folder(cache_dir)
    console = Console(
        stderr=True, quiet=not progress, highlight=False, markup=False, soft_wrap=True
    )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return _cached(sources, folder, console) or _download(name, sources, folder, console)
    except OSError as error:
        raise DataError(
            f"the cache folder {folder} cannot be used ({error}); name another with --cache-dir"
        ) from error


def _cached(sources: Sequence[Source], folder: Path, console: Console) -> Path | None:
    for source in sources:
        archive = folder / source.archive_name
        if not archive.is_file():
            continue
        fault = source.fault(archive)
        if fault is None:
            return archive
        console.print(f"{archive.name} in the cache is damaged ({fault}); fetching it again")
    return None


def _download(name: str, sources: Sequence[Source], folder: Path, console: Console) -> Path:
    failures = []
    for source in sources:
        try:
            archive = _deliver(source, folder, console)
        except SourceError as error:
            failures.append(f"{source.label}: {error}")
            continue
        because = f" ({'; '.join(failures)})" if failures else ""
        console.print(f"{name}: got from {source.label}{because}")
        return archive
    raise DataError(
        f"{name} could not be downloaded ({'; '.join(failures)}); "
        "pass a local copy, a folder or a zip, with --data-dir"
    )


def _deliver(source: Source, folder: Path, console: Console) -> Path:
    """Downloads into a temporary file and renames it once its checksums are right."""
    handle, partial_name = tempfile.mkstemp(".partial", f".{source.archive_name}.", folder)
    os.close(handle)
    partial = Path(partial_name)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TimeElapsedColumn(),
    )
    try:
        with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
            source.download(partial, bar)
        fault = source.fault(partial)
        if fault is not None:
            raise SourceError(fault)
        with partial.open("rb") as stream:
            os.fsync(stream.fileno())
        archive = folder / source.archive_name
        partial.replace(archive)
        source.record(archive)
        return archive
    finally:
        partial.unlink(missing_ok=True)
