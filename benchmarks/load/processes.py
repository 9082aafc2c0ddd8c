"""What a process and everything below it uses, from /proc."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

_TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")
_PROC: Final = Path("/proc")
_STATE, _PARENT, _GROUP, _USER_TICKS, _RESIDENT_PAGES = 0, 1, 2, 11, 21
"""Places in /proc/PID/stat behind the command's name, see proc_pid_stat(5)."""


def tree(roots: Iterable[int], proc: Path = _PROC) -> dict[int, list[str]]:
    """The roots and all that descend from them: pid -> fields of its stat behind the name."""
    stats = {
        int(folder.name): fields
        for folder in proc.iterdir()
        if folder.name.isdigit() and (fields := _stat(folder)) is not None
    }
    found: dict[int, list[str]] = {}
    new = set(roots) & stats.keys()
    while new:
        found |= {pid: stats[pid] for pid in new}
        new = {pid for pid, fields in stats.items() if int(fields[_PARENT]) in new} - found.keys()
    return found


def cpu_seconds(roots: Iterable[int], proc: Path = _PROC) -> float:
    """User and system time of the trees, with that of children that have ended and been awaited."""
    return (
        sum(
            sum(map(int, fields[_USER_TICKS : _USER_TICKS + 4]))
            for fields in tree(roots, proc).values()
        )
        / _TICKS_PER_S
    )


def rss_mb(roots: Iterable[int], proc: Path = _PROC) -> float:
    """Resident memory of the trees in 10^6 bytes; shared pages count in each process."""
    pages = sum(int(fields[_RESIDENT_PAGES]) for fields in tree(roots, proc).values())
    return pages * _PAGE_BYTES / 1e6


def is_group_running(group: int, proc: Path = _PROC) -> bool:
    """Whether a process of the group still runs; one that ended unawaited does not."""
    everybody = (_stat(folder) for folder in proc.iterdir() if folder.name.isdigit())
    return any(
        fields is not None and int(fields[_GROUP]) == group and fields[_STATE] not in "ZX"
        for fields in everybody
    )


def _stat(folder: Path) -> list[str] | None:
    """None when the process has gone meanwhile."""
    try:
        text = (folder / "stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The name, in parentheses, may itself hold spaces and parentheses.
    return text.rpartition(")")[2].split()
