"""Scores of the catalogue for users whose calls meet: one matrix product in place of many.

Nobody waits for company. A call that finds the place free computes at once; those that come
meanwhile are answered together when it is done, on the thread of the first of them.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from server.engine.arrays import FloatArray

LARGEST_BATCH: Final = 32

BLOCK_MOVIES: Final = 2048
"""Movies multiplied at once for a batch: a cache holds them and their scores."""

MERGED_FROM_BYTES: Final = 4 * 2**20
"""Below, a processor's cache holds the matrix: a product of one's own costs less than the queue."""


def products_of(columns: FloatArray) -> Callable[[FloatArray], FloatArray]:
    """Products of vectors with [D, N] `columns`, in the way that is cheaper for their size."""
    if columns.nbytes >= MERGED_FROM_BYTES:
        return MergedProducts(columns)
    return lambda vector: vector @ columns


@dataclass(slots=True, eq=False)
class _Waiting:
    """A user in the queue, until there are scores, or this thread is to compute the next batch.

    `news` is a lock that is held until then: a tenth of what an Event costs.
    """

    vector: FloatArray
    news: threading.Lock = field(default_factory=threading.Lock)
    leads: bool = False
    scores: FloatArray | None = None

    def __post_init__(self) -> None:
        self.news.acquire()


class MergedProducts:
    """Products of vectors with one [D, N] matrix; called by many threads at once."""

    def __init__(self, columns: FloatArray) -> None:
        self._columns = columns
        self._lock = threading.Lock()
        self._queue: deque[_Waiting] = deque()
        self._is_busy = False

    def __call__(self, vector: FloatArray) -> FloatArray:
        """[N] of a [D] vector; the caller may write into it."""
        with self._lock:
            waiting = _Waiting(vector) if self._is_busy else None
            if waiting is None:
                self._is_busy = True
            else:
                self._queue.append(waiting)
        if waiting is None:
            try:
                return vector @ self._columns
            finally:
                self._hand_over()
        waiting.news.acquire()
        if waiting.leads:
            self._answer(waiting)
        # Without scores the product for all failed: alone, each gets its own answer or error.
        return vector @ self._columns if waiting.scores is None else waiting.scores

    def _hand_over(self) -> None:
        with self._lock:
            if self._queue:
                leader = self._queue.popleft()
                leader.leads = True
                leader.news.release()
            else:
                self._is_busy = False

    def _answer(self, leader: _Waiting) -> None:
        batch = [leader]
        with self._lock:
            while self._queue and len(batch) < LARGEST_BATCH:
                batch.append(self._queue.popleft())
        try:
            try:
                scores = self._products(np.stack([waiting.vector for waiting in batch]))
            finally:
                # Before the others of this batch wake up: the next one is not to wait for them.
                self._hand_over()
            for waiting, own in zip(batch, scores, strict=True):
                waiting.scores = own
        finally:
            for waiting in batch[1:]:
                waiting.news.release()

    def _products(self, vectors: FloatArray) -> FloatArray:
        """[B, N] of [B, D] vectors."""
        n_movies = self._columns.shape[1]
        scores = np.empty((len(vectors), n_movies), np.float32)
        for start in range(0, n_movies, BLOCK_MOVIES):
            block = slice(start, start + BLOCK_MOVIES)
            np.matmul(vectors, self._columns[:, block], out=scores[:, block])
        return scores
