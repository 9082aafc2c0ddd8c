"""Calls that meet are served together; nobody waits for company.

Who finds its lane free goes at once and alone. Those that come meanwhile go together when it is
free again, on the thread of one of them. The model server merges by this rule, too. Who brings a
party counts as many as it brings.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

_Asked = TypeVar("_Asked")
_Answer = TypeVar("_Answer")


@dataclass(slots=True, eq=False)
class Turn(Generic[_Asked, _Answer]):
    """A caller behind one that is being served: until it leads, is served, or is to go alone."""

    asked: _Asked
    leads: bool = False
    """Whether this thread is to serve the next ones."""
    saw_others_go: bool = False
    """Whether the lane moved while this turn stood in its queue."""
    answer: _Answer | None = None
    error: Exception | None = None
    """Why all that went together have no answer: alone, each may have one."""
    _news: threading.Lock = field(default_factory=threading.Lock)
    """Held until there are some: a tenth of what an Event costs."""

    def __post_init__(self) -> None:
        self._news.acquire()

    def wait(self, timeout_s: float = -1) -> bool:
        """Returns when there are news; False when the time (-1 = any) has passed before."""
        return self._news.acquire(timeout=timeout_s)

    def tell(self) -> None:
        """There are news."""
        self._news.release()


class Lanes(Generic[_Asked, _Answer]):
    """Callers of one kind meet in one lane; used by many threads at once.

    Args:
      largest: the most that are served together.
      patience: how long who asked this can wait, in any unit; who waits longest leads, as a leader
        stays until all that go together are served.
      size: how many of those `largest` this is; one that is larger is served by itself.
    """

    def __init__(
        self,
        largest: int,
        patience: Callable[[_Asked], float] = lambda _asked: 0,
        size: Callable[[_Asked], int] = lambda _asked: 1,
    ) -> None:
        self._largest = largest
        self._patience = patience
        self._size = size
        self._lock = threading.Lock()
        self._queues: dict[Hashable, deque[Turn[_Asked, _Answer]]] = {}
        """Of each lane; there is one while somebody is being served."""

    def __len__(self) -> int:
        """Lanes in which somebody is being served."""
        return len(self._queues)

    @property
    def n_waiting(self) -> int:
        """What waits for those before it, each counted by its size."""
        with self._lock:
            return sum(self._size(turn.asked) for queue in self._queues.values() for turn in queue)

    def enter(self, kind: Hashable, asked: _Asked) -> Turn[_Asked, _Answer] | None:
        """None where the lane was free: the caller serves itself, then calls `hand_over`."""
        with self._lock:
            queue = self._queues.get(kind)
            if queue is None:
                self._queues[kind] = deque()
                return None
            turn: Turn[_Asked, _Answer] = Turn(asked)
            queue.append(turn)
            return turn

    def leave(self, kind: Hashable, turn: Turn[_Asked, _Answer]) -> bool:
        """Whether the turn could be taken out of the queue; False: it leads or is being served."""
        with self._lock:
            queue = self._queues.get(kind)
            if queue is None or turn not in queue:
                return False
            queue.remove(turn)
            return True

    def serve(
        self,
        kind: Hashable,
        leader: Turn[_Asked, _Answer],
        answers: Callable[[Sequence[_Asked]], Iterable[_Answer]],
    ) -> None:
        """Serves the leader, with the first that wait; each turn has its answer then, or the error.

        Raises:
          Exception: of `answers`, when the leader is alone.
        """
        batch = [leader]
        room = self._largest - self._size(leader.asked)
        with self._lock:
            queue = self._queues[kind]
            # One that does not fit is not passed: it would wait as long as smaller ones come.
            while queue and (room := room - self._size(queue[0].asked)) >= 0:
                batch.append(queue.popleft())
        try:
            try:
                own = answers([turn.asked for turn in batch])
            finally:
                # Before the others of this batch wake up: the next one is not to wait for them.
                self.hand_over(kind)
            for turn, answer in zip(batch, own, strict=True):
                turn.answer = answer
        except Exception as error:
            if len(batch) == 1:
                raise
            for turn in batch:
                turn.error = error
        finally:
            for turn in batch[1:]:
                turn.tell()

    def hand_over(self, kind: Hashable) -> None:
        """Lets the most patient of the queue lead; without anybody the lane is free."""
        with self._lock:
            queue = self._queues[kind]
            if not queue:
                del self._queues[kind]
                return
            # Of equally patient ones the first.
            leader = max(queue, key=lambda turn: self._patience(turn.asked))
            queue.remove(leader)
            for turn in queue:
                turn.saw_others_go = True
            leader.leads = True
            leader.tell()
