"""From a clone to the first recommendation: what a newcomer waits for, phase by phase.

    python -m benchmarks.speed.first_recommendation

Clones this repository's HEAD into an empty folder, with an empty HOME and so with empty caches, and
types `make demo` there. That takes four minutes and needs the network: packages and MovieLens are
downloaded. Writes benchmarks/results/first_recommendation.json.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from time import perf_counter
from typing import Any, Final

from benchmarks.speed.machine import machine
from benchmarks.speed.servers import ROOT, leave_in_order_on_sigterm

RESULTS: Final = Path(__file__).parents[1] / "results" / "first_recommendation.json"
FIRST: Final = "What we recommend to user"
"""Heads the table that a newcomer waits for."""
DEADLINE_S: Final = 1800
KEPT: Final = re.compile(r"PATH|(PIP|SSL|REQUESTS_CA|CURL_CA)_.*|(https?|no)_proxy", re.IGNORECASE)
"""Names of the variables that say where programs and packages are; no other one is handed on."""
_PHASE: Final = re.compile(r"(fetch|train|publish|model server|gateway) +(\d+\.\d) s$")

Line = tuple[float, str]
"""Seconds since `make demo` began, and what it printed then."""


def phases(lines: Iterable[Line]) -> dict[str, float]:
    """Seconds of each phase of `make demo`, and "first recommendation" since its beginning.

    Raises:
      ValueError: no recommendation was printed.
    """
    found: dict[str, float] = {}
    for at, line in lines:
        if phase := _PHASE.match(line.strip()):
            seconds = float(phase[2])
            if not found:
                # What is before the first phase is making the environment.
                found["install"] = at - seconds
            found[phase[1]] = seconds
        if line.startswith(FIRST):
            return {**found, "first recommendation": at}
    raise ValueError("make demo ended without a recommendation")


def demo(clone: Path, home: Path) -> Iterator[Line]:
    """Runs `make demo` and yields what it prints.

    Raises:
      CalledProcessError: it failed, or took longer than DEADLINE_S.
    """
    environment = {name: value for name, value in os.environ.items() if KEPT.fullmatch(name)}
    own_pip = Path.home() / ".config" / "pip" / "pip.conf"
    if own_pip.is_file():
        environment.setdefault("PIP_CONFIG_FILE", str(own_pip))
    started = perf_counter()
    with subprocess.Popen(  # noqa: S603 - our own makefile
        ["timeout", str(DEADLINE_S), "make", "demo"],  # noqa: S607 - whichever the newcomer has
        cwd=clone,
        env={**environment, "HOME": str(home), "LANG": "C.UTF-8", "TERM": "dumb"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            for line in process.stdout or ():
                yield perf_counter() - started, line.rstrip()
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, "make demo")


def measure() -> dict[str, Any]:
    """Clones, and runs the demonstration to its end.

    Raises:
      CalledProcessError: git or make failed.
      ValueError: there was no recommendation.
    """
    about = machine()
    with tempfile.TemporaryDirectory(prefix="recserve-bench-") as folder:
        clone, home = Path(folder) / "clone", Path(folder) / "home"
        home.mkdir()
        started = perf_counter()
        subprocess.run(["git", "clone", "--quiet", ROOT, clone], check=True)  # noqa: S603, S607 - our own repository
        clone_s = perf_counter() - started
        lines = []
        for at, line in demo(clone, home):
            print(f"{at:7.1f} s  {line}", file=sys.stderr)
            lines.append((at, line))
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    found = phases(lines)
    return {
        "machine": about,
        "total_s": clone_s + found["first recommendation"],
        "clone_s": clone_s,
        "phases_s": {name: s for name, s in found.items() if name != "first recommendation"},
        "cpu_s": children.ru_utime + children.ru_stime,
    }


def main() -> int:
    """Measures once and writes the result."""
    parser = argparse.ArgumentParser(description="From a clone to the first recommendation.")
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args()
    leave_in_order_on_sigterm()
    try:
        result = measure()
    except (subprocess.CalledProcessError, ValueError) as error:
        print(f"benchmarks.speed.first_recommendation: {error}", file=sys.stderr)
        return 1
    options.output.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(f"first recommendation after {result['total_s']:.0f} s: {result['phases_s']}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
