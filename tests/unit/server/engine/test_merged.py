"""Threads that meet are answered by one product, and each gets its own row."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from server.engine.merged import (
    LARGEST_BATCH,
    MERGED_FROM_BYTES,
    MergedProducts,
    products_of,
)

ITEMS = np.arange(12, dtype=np.float32).reshape(4, 3)


class Gate:
    """A matrix whose first product waits until it is let through."""

    __array_ufunc__ = None

    def __init__(self) -> None:
        self.started, self.opened = threading.Event(), threading.Event()
        self.batches: list[int] = []
        self.failing = False

    @property
    def T(self) -> Gate:  # noqa: N802 - as NumPy's
        return self

    def __matmul__(self, vector: Any) -> Any:
        self.batches.append(1)
        self.started.set()
        assert self.opened.wait(10)
        if self.failing:
            raise MemoryError("no room")
        return ITEMS @ vector

    def __rmatmul__(self, vectors: Any) -> Any:
        self.batches.append(len(vectors))
        if self.failing:
            raise MemoryError("no room")
        return vectors @ ITEMS.T


def vector(number: int) -> Any:
    return np.array([1, number, 0], np.float32)


def waiting(products: MergedProducts, n_calls: int) -> None:
    """Returns once so many calls are queued."""
    pause = threading.Event()
    for _ in range(1000):
        with products._lock:
            if len(products._queue) == n_calls:
                return
        pause.wait(0.01)
    raise AssertionError(f"{n_calls} calls did not queue up")


def test_those_that_wait_are_answered_together() -> None:
    """Forty calls behind a running one: a batch of at most 32, then the rest, each its own."""
    gate = Gate()
    products = MergedProducts(gate)  # type: ignore[arg-type] # counts what is asked of a matrix
    with ThreadPoolExecutor(41) as pool:
        first = pool.submit(products, vector(0))
        assert gate.started.wait(10)
        others = [pool.submit(products, vector(n)) for n in range(1, 41)]
        waiting(products, 40)
        gate.opened.set()
        answers = [future.result(timeout=10) for future in (first, *others)]

    for number, answer in enumerate(answers):
        np.testing.assert_array_equal(answer, ITEMS @ vector(number))
    assert gate.batches == [1, LARGEST_BATCH, 40 - LARGEST_BATCH]


def test_a_failure_reaches_every_caller_and_blocks_nobody() -> None:
    """The one that computes, and those that it computes for; the next call is answered."""
    gate = Gate()
    gate.failing = True
    products = MergedProducts(gate)  # type: ignore[arg-type] # as above
    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(products, vector(0))
        assert gate.started.wait(10)
        others = [pool.submit(products, vector(n)) for n in range(1, 4)]
        waiting(products, 3)
        gate.opened.set()
        for future in (first, *others):
            with pytest.raises(MemoryError):
                future.result(timeout=10)
    gate.failing = False

    np.testing.assert_array_equal(products(vector(7)), ITEMS @ vector(7))


def test_only_large_matrices_have_a_queue() -> None:
    """One that a processor's cache holds is multiplied at once; both ways say the same."""
    large = np.ones((MERGED_FROM_BYTES // 4, 1), np.float32)

    assert isinstance(products_of(large), MergedProducts)
    assert not isinstance(products_of(large[1:]), MergedProducts)
    np.testing.assert_array_equal(products_of(ITEMS)(vector(2)), ITEMS @ vector(2))


def test_scores_belong_to_their_caller() -> None:
    """Writing into one answer changes no other, alone or merged."""
    products = MergedProducts(ITEMS)
    one, other = products(vector(1)), products(vector(1))
    one[:] = 0

    np.testing.assert_array_equal(other, ITEMS @ vector(1))
    np.testing.assert_array_equal(ITEMS, np.arange(12).reshape(4, 3))
