"""New ids of requests and recommendations: 128 bits of the system's random numbers each."""

from __future__ import annotations

import os
from typing import Final

_ID_BYTES: Final = 16
_N_AT_ONCE: Final = 256

_fresh: list[str] = []
"""Ids that nobody has had yet: to ask the system for each alone takes longer than all the rest."""
# A forked process must not give out the same.
os.register_at_fork(after_in_child=_fresh.clear)


def new_id() -> str:
    """32 hexadecimal digits that no other call gives, in this process or any other."""
    try:
        # What threads take at the same time differs: the interpreter does it in one step.
        return _fresh.pop()
    except IndexError:
        digits, step = os.urandom(_N_AT_ONCE * _ID_BYTES).hex(), 2 * _ID_BYTES
        *others, mine = [digits[at : at + step] for at in range(0, len(digits), step)]
        _fresh.extend(others)
        return mine
