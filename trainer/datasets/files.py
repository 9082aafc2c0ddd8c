"""The files of a local copy: a folder or a zip, looked through a few levels down."""

from __future__ import annotations

import os
import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from trainer.datasets.dataset import DataError

_MAX_DEPTH: Final = 3
"""Folders below the given one that are looked into: a home folder must not be walked."""


@dataclass(frozen=True)
class LocalCopy:
    """The files below a folder, or inside a zip, by relative path."""

    path: Path
    names: tuple[PurePosixPath, ...]

    @classmethod
    def open(cls, path: Path) -> LocalCopy:
        """Lists what is there.

        Raises:
          DataError: `path` is neither a folder nor a readable zip.
        """
        if path.is_dir():
            return cls(path, tuple(sorted(_walk(path))))
        if not path.is_file():
            raise DataError(f"{path}: no such folder or zip file")
        try:
            with zipfile.ZipFile(path) as archive:
                names = [PurePosixPath(i.filename) for i in archive.infolist() if not i.is_dir()]
        except (zipfile.BadZipFile, OSError) as error:
            raise DataError(f"{path}: not a folder and not a readable zip: {error}") from error
        # macOS adds a shadow of each file under __MACOSX.
        return cls(path, tuple(sorted(n for n in names if n.parts[0] != "__MACOSX")))

    def read(self, name: PurePosixPath) -> bytes:
        """The bytes of one file.

        Raises:
          DataError: they cannot be read, or fail the zip's checksum.
        """
        try:
            if self.path.is_dir():
                return (self.path / name).read_bytes()
            with zipfile.ZipFile(self.path) as archive:
                return archive.read(str(name))
        except (zipfile.BadZipFile, OSError, RuntimeError) as error:  # RuntimeError: encrypted
            raise DataError(f"{self.path}: {name} cannot be read: {error}") from error


def _walk(root: Path) -> list[PurePosixPath]:
    found: list[PurePosixPath] = []
    for folder, below, files in os.walk(root):
        relative = Path(folder).relative_to(root)
        if len(relative.parts) >= _MAX_DEPTH:
            below.clear()
        found.extend(PurePosixPath((relative / name).as_posix()) for name in files)
    return found
