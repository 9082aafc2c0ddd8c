"""Threads that meet are answered by one product, and each gets its own row."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from server.engine.merged import (
    BLOCK_MOVIES,
    LARGEST_BATCH,
    MERGED_FROM_BYTES,
    MergedProducts,
    Products,
    products_of,
)
from tests.fault.waiting import eventually

COLUMNS = np.arange(12, dtype=np.float32).reshape(3, 4)


class Gate:
    """A matrix whose first product waits until it is let through."""

    shape = COLUMNS.shape

    def __init__(self) -> None:
        self.started, self.opened = threading.Event(), threading.Event()
        self.batches: list[int] = []
        self.failing = False

    def __getitem__(self, block: tuple[slice, slice]) -> Gate:
        assert block == (slice(None), slice(0, BLOCK_MOVIES))
        return self

    def __array_ufunc__(self, ufunc: Any, method: str, vectors: Any, _: Any, **out: Any) -> Any:
        assert (ufunc, method) == (np.matmul, "__call__")
        self.batches.append(1 if vectors.ndim == 1 else len(vectors))
        self.started.set()
        assert self.opened.wait(10)
        if self.failing:
            raise MemoryError("no room")
        return np.matmul(vectors, COLUMNS, **out)


def vector(number: int) -> Any:
    return np.array([1, number, 0], np.float32)


def waiting(products: MergedProducts, n_calls: int) -> None:
    """Returns once so many calls are queued."""
    eventually(lambda: products._lanes.n_waiting == n_calls)


def test_those_that_wait_are_answered_together() -> None:
    """Forty calls behind a running one: a batch of at most 32, then the rest, each its own."""
    gate = Gate()
    products = MergedProducts(Products(gate).of_all)  # type: ignore[arg-type] # counts what is asked
    with ThreadPoolExecutor(41) as pool:
        first = pool.submit(products, vector(0))
        assert gate.started.wait(10)
        others = [pool.submit(products, vector(n)) for n in range(1, 41)]
        waiting(products, 40)
        gate.opened.set()
        answers = [future.result(timeout=10) for future in (first, *others)]

    for number, answer in enumerate(answers):
        np.testing.assert_array_equal(answer, vector(number) @ COLUMNS)
    assert gate.batches == [1, LARGEST_BATCH, 40 - LARGEST_BATCH]


def test_a_failure_reaches_every_caller_and_blocks_nobody() -> None:
    """The one that computes, and those that it computes for; the next call is answered."""
    gate = Gate()
    gate.failing = True
    products = MergedProducts(Products(gate).of_all)  # type: ignore[arg-type] # as above
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

    np.testing.assert_array_equal(products(vector(7)), vector(7) @ COLUMNS)


def test_only_large_matrices_have_a_queue() -> None:
    """One that a processor's cache holds is multiplied at once; both ways say the same."""
    large = np.ones((1, MERGED_FROM_BYTES // 4), np.float32)

    assert isinstance(products_of(large), MergedProducts)
    assert not isinstance(products_of(large[:, 1:]), MergedProducts)
    np.testing.assert_array_equal(products_of(COLUMNS)(vector(2)), vector(2) @ COLUMNS)


def test_scores_belong_to_their_caller() -> None:
    """Writing into one answer changes no other, alone or merged."""
    products = MergedProducts(Products(COLUMNS).of_all)
    one, other = products(vector(1)), products(vector(1))
    one[:] = 0

    np.testing.assert_array_equal(other, vector(1) @ COLUMNS)
    np.testing.assert_array_equal(COLUMNS, np.arange(12).reshape(3, 4))


def test_a_batch_of_more_movies_than_a_block_has_all_its_scores() -> None:
    """Blocks join without a gap, and the last one is shorter; whoever multiplies."""
    rng = np.random.default_rng(3)
    columns = rng.integers(-9, 9, (3, 2 * BLOCK_MOVIES + 5)).astype(np.float32)
    vectors = rng.integers(-9, 9, (4, 3)).astype(np.float32)

    plain = Products(columns)
    for products in (MergedProducts(plain.of_all), plain):
        for n_users in (1, 4):
            np.testing.assert_array_equal(
                products.of_all(vectors[:n_users]), vectors[:n_users] @ columns
            )


def test_a_party_meets_others_and_stays_together() -> None:
    """Two that come together and one alone wait for the first, then are multiplied as three."""
    gate = Gate()
    products = MergedProducts(Products(gate).of_all)  # type: ignore[arg-type] # as above
    party = np.stack([vector(1), vector(2)])
    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(products, vector(0))
        assert gate.started.wait(10)
        together = pool.submit(products.of_all, party)
        waiting(products, 2)
        alone = pool.submit(products, vector(3))
        waiting(products, 3)
        gate.opened.set()
        found = [future.result(timeout=10) for future in (first, together, alone)]

    assert gate.batches == [1, 3]
    for scores, expected in zip(found, (vector(0), party, vector(3)), strict=True):
        np.testing.assert_array_equal(scores, expected @ COLUMNS)
