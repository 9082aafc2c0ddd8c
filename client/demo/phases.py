"""How long each phase took."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from time import monotonic
from typing import Final

from rich.console import Console

_NAME_WIDTH: Final = 14


class Phases:
    """Prints each phase with its seconds when it is over, and the total at the end."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._start = monotonic()

    @contextmanager
    def phase(self, name: str, *, spinner: bool = False) -> Iterator[None]:
        """Times a block; one that fails prints nothing, its error says enough.

        Args:
          name: printed before the seconds.
          spinner: show that something goes on, where the terminal can.
        """
        start = monotonic()
        with self._console.status(name) if spinner else nullcontext():
            yield
        self._print(name, f"{monotonic() - start:6.1f} s")

    def reused(self, name: str, what: str) -> None:
        """Says that a phase had nothing to do."""
        self._print(name, f"reused {what}")

    def total(self) -> None:
        self._print("total", f"{monotonic() - self._start:6.1f} s")

    def _print(self, name: str, value: str) -> None:
        self._console.print(f"{name:<{_NAME_WIDTH}}{value}", style="dim", highlight=False)
