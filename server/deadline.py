"""How much time a request has, read once and spent stage by stage."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

from server.errors import DeadlineExceeded

_NO_DEADLINE_S = 24 * 3600.0
"""gRPC reports a call without a deadline as one many years away."""


@dataclass(frozen=True, slots=True)
class Budget:
    """The time left to one request."""

    expires_at: float
    """On time.monotonic's clock."""

    @staticmethod
    def of(remaining_s: float, default_s: float) -> Budget:
        """The budget of a call that has `remaining_s` left, `default_s` if it set no deadline."""
        seconds = remaining_s if remaining_s < _NO_DEADLINE_S else default_s
        return Budget(time.monotonic() + seconds)

    @staticmethod
    def unhurried() -> Budget:
        """The budget of work that no caller waits for: only the cap of each stage counts."""
        return Budget(math.inf)

    def stage(self, cap_s: float, reserve_s: float) -> float:
        """Seconds that one stage may take: at most `cap_s`, leaving `reserve_s` for the rest.

        Raises:
          DeadlineExceeded: nothing is left for the stage.
        """
        available = self.expires_at - time.monotonic() - reserve_s
        if available <= 0:
            raise DeadlineExceeded
        return min(cap_s, available)
