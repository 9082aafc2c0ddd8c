"""When the gateway believes that a model server answers like the trainer's copy."""

from __future__ import annotations

from typing import Any

import pytest

from serving.contract import GoldenRequest, golden_differences


def ranking(ids: str, scores: list[float], ratings: list[float]) -> dict[str, Any]:
    """One row; "_" is an empty id."""
    return {
        "movie_ids": [["" if i == "_" else i for i in ids]],
        "scores": [scores],
        "ratings": [ratings],
    }


def differences(golden: dict[str, Any], answer: dict[str, Any]) -> list[str]:
    return golden_differences(GoldenRequest("recommend", "serving_default", {}, golden), answer)


GOLDEN = ranking("abcd_", [9, 5, 5, 1, 0], [4, 3, 2, 1, 0])


@pytest.mark.parametrize(
    "same",
    [
        GOLDEN,
        ranking("acbd_", [9, 5, 5, 1, 0], [4, 2, 3, 1, 0]),
        ranking("abcd_", [9.00005, 5, 5, 1, 0], [4, 3, 2, 1.00005, 0]),
    ],
    ids=["equal", "tied ids swapped with their ratings", "inside the tolerance"],
)
def test_same_answers(same: dict[str, Any]) -> None:
    """Order among ties and 1e-4 are no difference."""
    assert differences(GOLDEN, same) == []


@pytest.mark.parametrize(
    ("other", "fault"),
    [
        (ranking("abcd_", [9, 5, 5, 1.001, 0], [4, 3, 2, 1, 0]), "scores"),
        (ranking("bacd_", [9, 5, 5, 1, 0], [3, 4, 2, 1, 0]), "movie_ids"),
        (ranking("abxd_", [9, 5, 5, 1, 0], [4, 3, 2, 1, 0]), "movie_ids"),
        (ranking("acbd_", [9, 5, 5, 1, 0], [4, 3, 2, 1, 0]), "ratings"),
    ],
)
def test_other_answers(other: dict[str, Any], fault: str) -> None:
    """Another score, order, movie or rating is a difference and says which output."""
    (difference,) = differences(GOLDEN, other)

    assert fault in difference


def test_ties_cut_off_by_the_last_column_may_be_others() -> None:
    """Three movies tie for the last two places: which two come is chance."""
    golden = ranking("abc", [9, 5, 5], [4, 3, 2])

    assert differences(golden, ranking("abd", [9, 5, 5], [4, 3, 1])) == []
    assert differences(golden, ranking("xbc", [9, 5, 5], [4, 3, 2])) != []


def test_movies_by_number_are_compared_as_ids_are() -> None:
    """Tied numbers may change places with their ratings; another number or rating is told."""
    golden = {"movie_numbers": [[7, 8, 9, 1, 0]], "scores": [[9, 5, 5, 1, 0]]}
    golden["ratings"] = [[4, 3, 2, 1, 0]]
    swapped = {**golden, "movie_numbers": [[7, 9, 8, 1, 0]], "ratings": [[4, 2, 3, 1, 0]]}

    assert differences(golden, swapped) == []
    assert "movie_numbers" in differences(golden, {**golden, "movie_numbers": [[7, 8, 6, 1, 0]]})[0]
    assert "ratings" in differences(golden, {**swapped, "ratings": golden["ratings"]})[0]
