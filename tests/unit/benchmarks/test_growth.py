"""What growth, profile, switch, start and training benchmarks make of what they saw."""

from __future__ import annotations

import base64

import numpy as np
import pytest

from benchmarks.speed.first_recommendation import phases
from benchmarks.speed.growth import bodies_of
from benchmarks.speed.profile import shares, told
from benchmarks.speed.release_switch import seen
from benchmarks.speed.training import fits
from protos.recommender.v1 import recommender_pb2 as pb


def test_each_history_has_its_own_users() -> None:
    """The release gives 10 and 100 ratings in turn; 1000 excluded movies are all different."""
    bodies = bodies_of(2000)

    assert set(bodies) == {(10, 0), (10, 1000), (100, 0), (100, 1000)}
    for turn, n_history in enumerate((10, 100)):
        asked = [
            pb.RecommendUserRequest.FromString(base64.b64decode(body))
            for body in bodies[n_history, 1000]
        ]
        assert {int(one.user_id.removeprefix("u")) % 2 for one in asked} == {turn}
        assert all(len(set(one.exclude_movie_ids)) == 1000 for one in asked)


def test_own_time_is_without_callees() -> None:
    """Ten samples: seven in b below a, two in a itself, one in a that b called."""
    found = shares(["a (x.py:1);b (x.py:9) 7", "a (x.py:1) 2", "b (x.py:9);a (x.py:1) 1"])

    assert [(one.function, one.own, one.total) for one in found] == [
        ("b (x.py:9)", 0.7, 0.8),
        ("a (x.py:1)", pytest.approx(0.3), 1.0),
    ]
    assert told(found, 2.0, 1).splitlines()[-1] == "| `b (x.py:9)` | 70.0% | 1.400 | 80.0% |"


def test_recursion_counts_once() -> None:
    """A function that calls itself is in each sample once."""
    assert [one.total for one in shares(["a (x.py:1);a (x.py:1) 4"])] == [1.0]


def test_a_switch_is_seen_in_three_parts() -> None:
    """Published at 10, seen at 12: until 13 it is during; a fault at 12.5 belongs to it."""
    calls = {
        "ends": np.array([5.0, 6.0, 10.0, 12.9, 13.0, 14.0]),
        "latencies": np.array([0.001, 0.003, 0.010, 0.030, 0.005, 0.005]),
        "fault_ends": np.array([12.5]),
    }

    found = seen(calls, published=10.0, switched=12.0)

    assert found["switch_s"] == 2.0
    assert [found[part]["calls"] for part in ("before", "during", "after")] == [2, 2, 2]
    assert [found[part]["faults"] for part in ("before", "during", "after")] == [0, 1, 0]
    assert found["before"]["p50_ms"] == pytest.approx(2.0)
    assert found["during"]["longest_ms"] == pytest.approx(30.0)
    empty = next(one for one in found["slices"] if one["s"] == 1.0)
    assert (empty["calls"], empty["p99_ms"]) == (0, None)


def test_phases_of_a_demonstration() -> None:
    """What is before the first phase is making the environment."""
    lines = [
        (0.1, "installing into .venv (about a minute, once)"),
        (95.0, "fetch            3.0 s"),
        (140.0, "train           45.0 s"),
        (147.0, "model server     5.5 s"),
        (148.0, "What we recommend to user 42"),
        (149.0, "check            1.0 s"),
    ]

    assert phases(lines) == {
        "install": 92.0,
        "fetch": 3.0,
        "train": 45.0,
        "model server": 5.5,
        "first recommendation": 148.0,
    }
    with pytest.raises(ValueError, match="without a recommendation"):
        phases(lines[:4])


def test_other_ways_to_ask_one_fit_are_no_fits() -> None:
    """Of each other row, time, memory and quality are kept."""
    rows = [
        {"model": "best", "train_s": 3.0, "peak_mb": 9.0, "rmse": 0.9, "mrr": 0.1},
        {"model": "best:index", "train_s": 3.0},
    ]

    assert fits({"rows": rows}) == [
        {"model": "best", "train_s": 3.0, "peak_mb": 9.0, "rmse": 0.9},
    ]
