"""What ends the demonstration early."""

from __future__ import annotations

from typing import Final

FAILED: Final = 1
"""Something did not work, or a check did not hold."""
USER_ERROR: Final = 2
"""The caller can put it right: a wrong option, nothing trained, nobody at the address."""


class DemoError(Exception):
    """One sentence for the person at the terminal."""

    def __init__(self, message: str, *, exit_code: int = FAILED) -> None:
        super().__init__(message)
        self.exit_code = exit_code
