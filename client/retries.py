"""When a call that nobody answered is made again: inside its own time, and not at once.

gRPC could retry by itself (a retryPolicy in the service config). It was not taken: when a pause
does not fit into the deadline any more, it reports DEADLINE_EXCEEDED, and the service's sentence
about why it is not available is lost; it does not read google.rpc.RetryInfo either.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Final

from client.errors import RecommenderError, UnavailableError

FIRST_PAUSE_S: Final = 0.1
LONGEST_PAUSE_S: Final = 1.0


class Attempts:
    """The attempts of one call, at most `max_attempts` within `timeout` seconds from now.

    The pauses double from 0.1 s up to 1 s, and each is shortened by a random part of up to half of
    it: callers that failed together do not come back together.
    """

    def __init__(
        self,
        timeout: float,
        max_attempts: int,
        *,
        clock: Callable[[], float] = time.monotonic,
        random_part: Callable[[], float] = random.random,
    ) -> None:
        self.timeout = timeout
        """Seconds that all of them may last together."""
        self._deadline = clock() + timeout
        self._left = max_attempts
        self._pause = FIRST_PAUSE_S
        self._clock = clock
        self._random_part = random_part

    def time_left(self) -> float:
        """Seconds that the next attempt may last."""
        return self._deadline - self._clock()

    def pause_after(self, error: RecommenderError) -> float | None:
        """Seconds to wait before the next attempt; None = there is none, raise `error`.

        Only UNAVAILABLE is worth another attempt: with any other status the service did answer, or
        the time is over.
        """
        self._left -= 1
        if not isinstance(error, UnavailableError) or self._left <= 0:
            return None
        pause = self._pause * (1 - 0.5 * self._random_part())
        self._pause = min(2 * self._pause, LONGEST_PAUSE_S)
        # The service knows better when it is back; it may not shorten the pause of a crowd.
        pause = max(pause, error.retry_after_s or 0.0)
        return pause if pause < self.time_left() else None
