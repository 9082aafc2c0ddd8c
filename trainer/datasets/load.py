"""From files in some layout to a checked `Dataset`."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from trainer.datasets.assemble import assemble
from trainer.datasets.catalogue import DATASETS
from trainer.datasets.dataset import DataError, Dataset
from trainer.datasets.fetch import fetch
from trainer.datasets.files import LocalCopy
from trainer.datasets.layouts import LAYOUTS, Layout, RawFile


def load_dataset(name: str, data_dir: Path | None = None, cache_dir: Path | None = None) -> Dataset:
    """Reads a data set from a local copy or, without one, from the cached download.

    A rating whose movie or user has no row of its own is kept: the movie or user is added
    with nothing known about it. Of two ratings of one movie by one user the later row counts.

    Args:
      name: one of DATASETS; says which ratings are allowed, not how the files are laid out.
      data_dir: a folder or a zip; the files may lie in a folder inside.
      cache_dir: see `fetch`.

    Raises:
      DataError: unknown name, missing files, or more than 1 % bad rows in a file.
    """
    if name not in DATASETS:
        raise DataError(f"dataset {name!r} is unknown; known: {', '.join(DATASETS)}")
    known = DATASETS[name]
    copy = LocalCopy.open(data_dir if data_dir is not None else fetch(name, cache_dir))
    layout, files = _find_layout(copy, name)
    raw = layout.read(
        {role: RawFile(file.name, copy.read(file)) for role, file in files.items()}, known.genres
    )
    return assemble(name, f"{known.title}, {layout.title}", raw, known)


def _find_layout(copy: LocalCopy, name: str) -> tuple[Layout, dict[str, PurePosixPath]]:
    """The complete set of files nearest to the top; RecBole's stem may say which is meant."""
    present = set(copy.names)
    complete = []
    incomplete = []
    for order, layout in enumerate(LAYOUTS):
        for candidate in copy.names:
            files = layout.files_beside(candidate)
            if files is None:
                continue
            found = {role: file for role, file in files.items() if file in present}
            missing = [str(files[role]) for role in files.keys() - found.keys() - layout.optional]
            if missing:
                there = f"{candidate} is there but {', '.join(sorted(missing))} is missing"
                incomplete.append(there)
            else:
                rank = (len(candidate.parts), order, candidate.stem not in {"u", name})
                complete.append((rank, candidate, layout, found))
    if not complete:
        wanted = (
            "u.data, u.item and u.user, or RecBole's .inter and .item files, or ratings and movies "
            "as .dat or .csv files"
        )
        found_instead = "; ".join(incomplete) or "none of them is there"
        raise DataError(f"{copy.path}: {name} needs {wanted}: {found_instead}")
    complete.sort(key=lambda found: found[:2])
    rank, first, layout, files = complete[0]
    if len(complete) > 1 and complete[1][0] == rank:
        raise DataError(f"{copy.path}: both {first} and {complete[1][1]} could be meant; keep one")
    return layout, files
