"""Whether an answer reproduces a golden request."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, Final

from serving.contract.manifest import GoldenRequest

TOLERANCE: Final = 1e-4
"""Largest difference of a number, absolute below 1 and relative above."""

_MOVIES: Final = frozenset({"movie_ids", "movie_numbers"})
"""Outputs that name the movies of a ranked answer."""


def golden_differences(golden: GoldenRequest, answer: Mapping[str, Any]) -> list[str]:
    """What differs between the recorded outputs and `answer`, a sentence each; empty if nothing.

    Numbers agree within TOLERANCE. Ids agree as sets wherever their scores tie within it, since
    another machine's arithmetic may order a tie differently.

    Args:
      answer: outputs as nested lists; strings as str.
    """
    where = f"{golden.servable}/{golden.signature}"
    differences = []
    for name, expected in golden.outputs.items():
        if name not in answer:
            differences.append(f"{where}: output {name} is missing")
        elif name in _MOVIES:
            rows = zip(expected, answer[name], golden.outputs["scores"], strict=True)
            same = all(_same_movies(*row) for row in rows)
            if not same:
                differences.append(f"{where}: {name} differ")
        elif name != "ratings" or not _MOVIES & golden.outputs.keys():
            largest = _largest_difference(expected, answer[name])
            if not largest <= TOLERANCE:
                differences.append(f"{where}: {name} differs by {largest:.3g}")
        elif not _same_ratings(golden.outputs, answer):
            differences.append(f"{where}: ratings differ")
    return differences


def _ties(scores: list[float]) -> Iterator[slice]:
    """Runs of a falling list whose neighbours tie."""
    start = 0
    for end in range(1, len(scores) + 1):
        if end == len(scores) or scores[end - 1] - scores[end] > TOLERANCE:
            yield slice(start, end)
            start = end


def _same_movies(expected: list[Any], got: list[Any], scores: list[float]) -> bool:
    if len(expected) != len(got):
        return False
    runs = list(_ties(scores))
    # A tie may reach past the last column, so the last run need not hold the same movies.
    last = runs[-1] if len(expected) > 1 and expected[-1] else slice(0, 0)
    return all(set(expected[run]) == set(got[run]) for run in runs if run != last)


def _same_ratings(expected: Mapping[str, Any], got: Mapping[str, Any]) -> bool:
    """Ratings by movie: ties may have changed places."""
    (named_by,) = _MOVIES & expected.keys()
    for movies, ratings, other_movies, other_ratings in zip(
        expected[named_by], expected["ratings"], got[named_by], got["ratings"], strict=True
    ):
        other = dict(zip(other_movies, other_ratings, strict=True))
        for movie, rating in zip(movies, ratings, strict=True):
            if movie in other and not abs(other[movie] - rating) <= TOLERANCE:
                return False
    return True


def _largest_difference(expected: Any, got: Any) -> float:
    """Over nested lists; infinite where shapes or strings differ, or a number is missing."""
    if isinstance(expected, list):
        if not isinstance(got, list) or len(got) != len(expected):
            return math.inf
        return max(
            (_largest_difference(e, g) for e, g in zip(expected, got, strict=True)), default=0.0
        )
    if isinstance(got, list) or math.isnan(got):
        return math.inf
    return abs(float(expected) - float(got)) / max(1.0, abs(float(expected)))
