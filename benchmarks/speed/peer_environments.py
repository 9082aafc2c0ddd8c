"""Virtual environments for peers and tools, each made once from its committed pins."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

PEERS: Final = Path(__file__).parents[1] / "peers"


def cache_folder() -> Path:
    """Where what benchmarks make once is kept: environments and synthetic releases."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "recserve" / "benchmarks"


def environment(pins: Path) -> Path:
    """The `bin` folder of an environment; a minute or two where it is not there yet.

    Args:
      pins: what is in it, a requirements file of exact versions.

    Raises:
      CalledProcessError: pip could not install the pins; it has said why.
    """
    digest = hashlib.sha256(pins.read_bytes()).hexdigest()[:12]
    folder = cache_folder() / "peers" / f"{pins.stem}-{digest}"
    if not (folder / "installed").is_file():
        # What an interrupted install has left is no environment.
        shutil.rmtree(folder, ignore_errors=True)
        print(f"installing {pins.name} into {folder}", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)  # noqa: S603 - our own
        subprocess.run(  # noqa: S603 - pip of the environment just made
            [
                *(folder / "bin" / "python", "-m", "pip", "install", "--quiet"),
                *("--disable-pip-version-check", "-r", pins),
            ],
            check=True,
        )
        (folder / "installed").touch()
    return folder / "bin"
