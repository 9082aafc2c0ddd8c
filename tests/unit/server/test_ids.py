"""Ids: 32 hexadecimal digits, never the same twice."""

from __future__ import annotations

import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

from server.ids import new_id

FORKED = """
import os
from server.ids import new_id
new_id()
print(new_id(), flush=True)
if child := os.fork():
    os.waitpid(child, 0)
print(new_id(), flush=True)
"""


def test_ids_differ() -> None:
    """3000 by three threads, more than are made at once."""
    with ThreadPoolExecutor(3) as threads:
        found = [*threads.map(lambda _: new_id(), range(3000))]

    assert len(set(found)) == 3000
    assert all(re.fullmatch("[0-9a-f]{32}", one) for one in found)


def test_a_forked_process_has_ids_of_its_own() -> None:
    """Though ids for both were there before."""
    done = subprocess.run(
        [sys.executable, "-c", FORKED], capture_output=True, text=True, check=True, timeout=60
    )

    assert len(set(done.stdout.split())) == 3
