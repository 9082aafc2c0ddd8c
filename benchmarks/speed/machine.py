"""The machine and the code that figures come from, without the machine's name."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from benchmarks.speed.servers import ROOT

_PACKAGES: Final = ("grpcio", "numpy", "protobuf", "scann", "tensorflow")
_CACHES: Final = Path("/sys/devices/system/cpu/cpu0/cache")


def machine() -> dict[str, Any]:
    """What it is made of, how busy it was, and what ran on it."""
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "commit": commit(ROOT),
        "processor": _first("/proc/cpuinfo", "model name"),
        "cores": os.cpu_count(),
        "virtual": "hypervisor" in _first("/proc/cpuinfo", "flags").split(),
        "caches": [_cache(folder) for folder in sorted(_CACHES.glob("index*"))],
        "memory_gb": round(int(_first("/proc/meminfo", "MemTotal").split()[0]) / 1e6, 1),
        "system": f"{platform.system()} {platform.release().partition('-')[0]}",
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in _PACKAGES},
        "load_average": [round(value, 2) for value in os.getloadavg()],
    }


_MEASURED: Final = (".", ":(exclude)benchmarks/results", ":(exclude)docs")


def _version(name: str) -> str:
    """Of an installed package; "" without it, as ScaNN may be missing."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""


def commit(checkout: Path) -> str:
    """The commit that is checked out, with a "+" where files differ from it; "" without git.

    Results and the pages made of them do not count: a benchmark writes them as it goes on.
    """
    try:
        head = _git(checkout, "rev-parse", "--short", "HEAD")
        changed = _git(checkout, "status", "--porcelain", "--untracked-files=no", "--", *_MEASURED)
    except (FileNotFoundError, subprocess.CalledProcessError):
        return ""
    return head + ("+" if changed else "")


def _git(checkout: Path, *command: str) -> str:
    done = subprocess.run(  # noqa: S603 - read-only commands on our own checkout
        ["git", "-C", str(checkout), *command],  # noqa: S607 - whichever git is there
        capture_output=True,
        check=True,
        text=True,
    )
    return done.stdout.strip()


def _cache(folder: Path) -> str:
    """Such as "L2 Unified 1024K"."""
    level, kind, size = (
        (folder / name).read_text("ascii").strip() for name in ("level", "type", "size")
    )
    return f"L{level} {kind} {size}"


def _first(path: str, key: str) -> str:
    """The value of the first line `key: value`."""
    for line in Path(path).read_text(encoding="utf-8").splitlines():
        name, _, value = line.partition(":")
        if name.strip() == key:
            return value.strip()
    return "0"
