"""Compiled modules, where they could be built; what they do is written in Python beside them."""

from __future__ import annotations

import sys
from typing import Final

try:
    from server import _pages
except ImportError:
    # There was no compiler when this was installed.
    _pages = None  # type: ignore[assignment]

# They copy numbers as they lie in memory.
PAGES: Final = _pages if sys.byteorder == "little" else None
