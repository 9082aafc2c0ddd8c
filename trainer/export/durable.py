"""File operations after which a reader, or a crash, sees the old content or the new one, whole."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

INCOMING_SUFFIX = ".incoming"
REMOVED_SUFFIX = ".removed"
"""Names of half-made and half-removed folders; no integers, so no model server reads them."""

_NO_HARD_LINKS = frozenset({errno.EPERM, errno.ENOTSUP, errno.EXDEV, errno.EMLINK, errno.ENOSYS})


def write_durably(path: Path, text: str) -> None:
    """Replaces a file's content in one step."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def write_if_new(path: Path, text: str) -> None:
    """`write_durably`, unless that is what the file says already."""
    if not (path.is_file() and path.read_text(encoding="utf-8") == text):
        write_durably(path, text)


def sync_folder(folder: Path) -> None:
    """Makes renames inside `folder` durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_tree(folder: Path) -> None:
    """Makes every file and folder below `folder` durable."""
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as stream:
                os.fsync(stream.fileno())
        else:
            sync_folder(path)
    sync_folder(folder)


def incoming(target: Path) -> Path:
    """Where the content of `target` is put together."""
    return target.with_name(f".{target.name}{INCOMING_SUFFIX}")


def link_tree(source: Path, target: Path) -> None:
    """Gives every file below `source` a second name in `incoming(target)`, durably.

    The source stays whole, so that whatever happens before the commit can be done again; the
    content takes no second space. A file system without hard links gets copies.
    """
    half_made = incoming(target)
    target.parent.mkdir(exist_ok=True)
    if half_made.exists():
        shutil.rmtree(half_made)
    half_made.mkdir()
    # rglob yields a folder before what is in it.
    for path in source.rglob("*"):
        second = half_made / path.relative_to(source)
        if path.is_dir():
            second.mkdir()
        else:
            _link(path, second)
    sync_tree(half_made)


def place(target: Path) -> None:
    """Renames `incoming(target)` to `target`.

    Raises:
      FileExistsError: there is a target already; it is left as it was.
    """
    if target.exists():
        raise FileExistsError(errno.EEXIST, "this version exists already", str(target))
    incoming(target).rename(target)
    sync_folder(target.parent)


def remove_tree(folder: Path) -> None:
    """Makes a folder vanish under its name in one step, then frees its space."""
    removed = folder.with_name(f".{folder.name}{REMOVED_SUFFIX}")
    if removed.exists():
        shutil.rmtree(removed)
    folder.rename(removed)
    sync_folder(folder.parent)
    shutil.rmtree(removed)


def _link(source: Path, target: Path) -> None:
    try:
        target.hardlink_to(source)
    except OSError as error:
        if error.errno not in _NO_HARD_LINKS:
            raise
        shutil.copyfile(source, target)
