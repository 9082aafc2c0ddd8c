"""The plots of the speed benchmark, and the ratings that training is measured with."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from benchmarks.speed.plots import apart, growth_plot, load_plot, scann_plot, training_plot
from benchmarks.speed.synthetic_ratings import Size, write_ratings

FIGURES = {"1": {"rps": 100.0}, "16": {"rps": 800.0}, "64": {"rps": 2000.0}}
TABLE = {
    "floor_sync8": FIGURES,
    "floor_aio": {**FIGURES, "64": {"rps": 4000.0}},
    "engine": FIGURES,
    "bentoml": {n: {"rps": f["rps"] / 10} for n, f in FIGURES.items()},
}


def titles(svg: str) -> list[str]:
    """What the marks say when they are pointed at."""
    ElementTree.fromstring(svg)  # noqa: S314 - our own text
    return re.findall(r"<title>([^<]*)</title>", svg)


def test_the_load_plot_has_one_floor() -> None:
    """The fastest of them at each number of calls in flight, and nobody else twice."""
    told = titles(load_plot({"head_to_head": {"table": TABLE}}))

    assert "floor: 4000 at 64" in told
    assert "floor: 800 at 16" in told
    assert "BentoML: 10 at 1" in told
    assert {one.split(":")[0] for one in told} == {"floor", "engine", "BentoML"}


def test_the_growth_plot_shows_one_call_in_flight() -> None:
    """Other cells of the table are left out."""
    cells = [
        {"who": "hop", "movies": 10**n, "history": h, "excluded": e, "in_flight": f, "p50_ms": 1.0}
        for n in (4, 5)
        for h in (10, 100)
        for e in (0, 1000)
        for f in (1, 16)
    ]

    told = Counter(titles(growth_plot(cells, "p50_ms", "p50 in ms")))

    assert told["one hop: 1 at 10000"] == told["one hop, 1000 excluded: 1 at 100000"] == 1
    assert sum("at" in one.split() for one in told.elements()) == 4


def test_the_scann_plot_keeps_what_nothing_beats() -> None:
    """The second point is slower and worse than the third."""
    points = [
        {"recall": recall, "ms": ms}
        for recall, ms in ((0.5, 1.0), (0.8, 4.0), (0.9, 2.0), (0.99, 5.0))
    ]

    told = titles(scann_plot({"1 M": {"points": points, "exact_ms": 100.0}}))

    assert told[1:] == ["1 M: 100 at 0.5", "1 M: 50 at 0.9", "1 M: 20 at 0.99"]


def test_the_training_plot_orders_by_ratings() -> None:
    """Whatever order the fits ran in."""
    fits = [
        {"model": "als", "data": data, "train_s": s} for data, s in (("1 M", 9.0), ("small", 2.0))
    ]

    told = titles(training_plot(fits, {"small": 1000, "1 M": 10**6}))

    assert told[1:] == ["als: 2 at 1000", "als: 9 at 1e+06"]


def test_labels_stand_apart() -> None:
    """Each below the one above it, in the order of their lines' ends."""
    assert apart([100.0, 50.0, 101.0, 55.0]) == [100.0, 50.0, 113.0, 63.0]


def test_synthetic_ratings_are_a_data_set(tmp_path: Path) -> None:
    """About as many rows as asked for, no pair twice, half stars inside the range."""
    mapping = write_ratings(tmp_path, Size(n_users=50, n_movies=200, n_ratings=2000))

    lines = (tmp_path / "ratings.csv").read_text(encoding="utf-8").splitlines()
    rows = [line.split(",") for line in lines[1:]]
    ratings = np.array([float(row[2]) for row in rows])
    assert mapping.parent == tmp_path
    assert len(rows) == pytest.approx(2000, rel=0.15)
    assert len({(user, movie) for user, movie, *_ in rows}) == len(rows)
    assert (ratings * 2 == np.round(ratings * 2)).all()
    assert (ratings.min(), ratings.max()) == (0.5, 5.0)
    assert min(Counter(row[0] for row in rows).values()) >= 20
