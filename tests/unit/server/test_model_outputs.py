"""What the model server says to several users in one answer: a ranking or a fault for each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from server.domain import NOBODY, Source, Version
from server.errors import ContractViolation
from server.features.snapshot import read_catalogue
from server.model_outputs import ranked_by_number
from server.prediction import ServableCall
from server.ranking import SOURCES, Explained, Ranking
from server.releases import ActiveRelease
from tests.releases import GENRES, write_release

CALL = ServableCall("recommend", "by_number", Version(1))


@pytest.fixture
def release(tmp_path: Path) -> ActiveRelease:
    """Twelve movies, rated from 1 to 5."""
    manifest = write_release(tmp_path, 1)
    catalogue = read_catalogue(tmp_path / "features" / "1", GENRES)
    return ActiveRelease(Version(1), manifest, catalogue, catalogue)


def outputs(numbers: list[list[int]], **others: Any) -> dict[str, np.ndarray]:
    shape = np.shape(numbers)
    return {
        "movie_numbers": np.array(numbers, np.int64),
        "scores": np.arange(np.prod(shape), 0, -1, dtype=np.float32).reshape(shape),
        "ratings": np.full(shape, 3, np.float32),
        **others,
    }


def ranking_of(answer: object) -> Ranking:
    assert isinstance(answer, tuple)
    return answer[0]


def test_each_user_has_a_ranking(release: ActiveRelease) -> None:
    """Movie numbers less one; ratings inside the range; the columns of number 0 are left out."""
    said = outputs([[12, 1, 7], [3, 0, 2], [0, 0, 0]])
    said["ratings"] = np.array([[0.5, 3, 9], [4, 2, 5.5], [1, 1, 1]], np.float32)
    whole, some, none = map(ranking_of, ranked_by_number(release, CALL, said, [0, 0, 0]))

    assert whole.movies.tolist() == [11, 0, 6]
    assert whole.scores.tolist() == [9, 8, 7]
    assert whole.ratings.tolist() == [1, 3, 5]
    assert some.movies.tolist() == [2, 1]
    assert some.scores.tolist() == [6, 4]
    assert some.ratings.tolist() == [4, 5]
    assert len(none) == 0
    assert {SOURCES[code] for code in [*whole.sources, *some.sources]} == {Source.RETRIEVAL}
    assert [len(each.sources) for each in (whole, some, none)] == [3, 2, 0]


@pytest.mark.parametrize(
    ("numbers", "fault"),
    [([1, 13, 2], "snapshot"), ([1, -1, 2], "snapshot"), ([4, 0, 4], "repeats")],
    ids=["too large", "negative", "twice"],
)
def test_a_bad_row_is_its_own_fault(release: ActiveRelease, numbers: list[int], fault: str) -> None:
    """A movie that is not there, or twice; the rows around it are as they are."""
    said = outputs([[1, 2, 3], numbers, [3, 2, 1]])
    before, bad, behind = ranked_by_number(release, CALL, said, [0, 0, 0])

    assert isinstance(bad, ContractViolation)
    assert fault in bad.detail
    assert ranking_of(before).movies.tolist() == [0, 1, 2]
    assert ranking_of(behind).movies.tolist() == [2, 1, 0]


def test_reasons_are_places_in_each_users_history(release: ActiveRelease) -> None:
    """Place 0 is column 1 of the history input, behind the neutral one; output places begin at 1.

    A drop of nothing cites nobody, nor does a place that the history does not have.
    """
    said = outputs(
        [[5, 0], [6, 7]],
        # Said are 1 + column: 0 is nobody, 1 the neutral one, 2 the oldest movie.
        reason_places=np.array([[[3, 2, 1], [2, 2, 2]], [[4, 3, 2], [2, 0, 4]]], np.int64),
        reason_drops=np.array(
            [[[0.5, 0.25, 0.1], [1, 1, 1]], [[0.5, 0.25, 0], [0.5, 0.25, 0.1]]], np.float32
        ),
    )
    one, two = (explained_of(each) for each in ranked_by_number(release, CALL, said, [2, 3]))

    assert one.movies.tolist() == [4]
    assert one.reasons.cited.tolist() == [[1, 0, NOBODY]]
    assert one.reasons.drops.tolist() == [[0.5, 0.25, np.float32(0.1)]]
    assert two.movies.tolist() == [5, 6]
    assert two.reasons.cited.tolist() == [[2, 1, NOBODY], [0, NOBODY, 2]]
    # The same answer to somebody whose history has two movies.
    _, shorter = (explained_of(each) for each in ranked_by_number(release, CALL, said, [2, 2]))
    assert shorter.reasons.cited.tolist() == [[NOBODY, 1, NOBODY], [0, NOBODY, NOBODY]]


def explained_of(answer: object) -> Explained:
    assert isinstance(answer, tuple)
    assert answer[1] is not None
    return answer[1]
