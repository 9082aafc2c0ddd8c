"""Synthetic releases, each made once and kept in the cache."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Final

from benchmarks.speed.peer_environments import cache_folder
from benchmarks.speed.servers import ONE_THREAD, ROOT

N_USERS: Final = 1000
_MADE_FROM: Final = (
    "benchmarks/synthetic_release.py",
    *(
        f"trainer/export/{name}.py"
        for name in ("engine", "fetches", "graphs", "layers", "tower_layers")
    ),
    "trainer/models/towers.py",
    *(f"serving/contract/{name}.py" for name in ("engine", "manifest", "snapshot", "signatures")),
)
"""What a release is made from: when one changes, the kept ones are too old."""


def users() -> tuple[str, ...]:
    """The ids of a synthetic release's users."""
    return tuple(f"u{user}" for user in range(N_USERS))


def synthetic(n_movies: int, n_histories: Sequence[int] = (100,), seed: int = 0) -> Path:
    """A models folder with a release of this size, whose users take turns in histories' lengths."""
    sources = b"".join((ROOT / path).read_bytes() for path in _MADE_FROM)
    lengths = [str(length) for length in n_histories]
    name = f"{n_movies}-{'-'.join(lengths)}-{seed}-{sha256(sources).hexdigest()[:12]}"
    folder = cache_folder() / "releases" / name
    if not (folder / "releases" / "active.json").is_file():
        print(f"making a release of {n_movies:,} movies in {folder}", file=sys.stderr)
        folder.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "benchmarks.synthetic_release", f"--models-dir={folder}"]
        command += [f"--movies={n_movies}", f"--users={N_USERS}", f"--seed={seed}"]
        command += ["--history", *lengths]
        subprocess.run(  # noqa: S603 - our own module
            command, cwd=ROOT, check=True, env={**os.environ, **ONE_THREAD}
        )
    return folder
