"""Which indexes have an embedding row of their own."""

from __future__ import annotations

import numpy as np

from trainer.models.own_rows import OwnRows

COUNTS = np.repeat([0, 1, 2, 4], [1, 6, 3, 10])
"""20 training rows: one of index 0, six of 1, three of 2, none of 3, ten of 4."""


def test_the_busiest_that_cover_the_share_have_their_own_rows():
    """10 + 6 of 20 rows are 80 %: indexes 4 and 1 have rows 0 and 1, the others share row 2."""
    own = OwnRows.covering(COUNTS, 5, 0.8)

    assert own.n_own == 2
    assert own.row_of.tolist() == [2, 1, 2, 2, 0]


def test_a_share_between_two_counts_is_exceeded():
    """81 % needs a third index: 19 of 20."""
    assert OwnRows.covering(COUNTS, 5, 0.81).n_own == 3


def test_at_full_coverage_those_without_a_row_share_one():
    """Index 3, which training never saw, reads the shared row."""
    own = OwnRows.covering(COUNTS, 5)

    assert own.n_own == 4
    assert own.row_of.tolist() == [3, 1, 2, 4, 0]
