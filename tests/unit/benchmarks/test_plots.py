"""The plots of the speed benchmark, and the ratings that training is measured with."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from benchmarks.speed.charts import apart, bars, lines, log_axis, marked_axis
from benchmarks.speed.plots import (
    growth_plot,
    load_plot,
    memory_plot,
    plots,
    scann_plot,
    start_plot,
    switch_plot,
    training_plot,
)
from benchmarks.speed.synthetic_ratings import Size, write_ratings

FIGURES = {"1": {"rps": 100.0}, "16": {"rps": 800.0}, "64": {"rps": 2000.0}}
TABLE = {
    "floor_sync8": FIGURES,
    "floor_aio": {**FIGURES, "64": {"rps": 4000.0}},
    "engine": FIGURES,
    "bentoml": {n: {"rps": f["rps"] / 10} for n, f in FIGURES.items()},
}
CELLS = [
    {
        "who": who,
        "movies": 10**n,
        "history": h,
        "excluded": e,
        "in_flight": f,
        "p50_ms": 1.0,
        "memory_mb": float(n + f),
    }
    for who in ("engine", "hop")
    for n in (4, 5)
    for h in (10, 100)
    for e in (0, 1000)
    for f in (1, 16)
]


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


def test_the_growth_plot_shows_one_number_of_calls_in_flight() -> None:
    """Other cells of the table are left out, and so is who could not answer."""
    silent = [{"who": "hop", "movies": 10**6, "error": "did not start"}]

    told = Counter(titles(growth_plot([*CELLS, *silent], "p50_ms", 1, "p50 in ms")))

    assert told["one hop: 1 at 10000"] == told["one hop, 1000 excluded: 1 at 100000"] == 1
    assert sum("at" in one.split() for one in told.elements()) == 8


def test_the_memory_plot_shows_the_most_of_each() -> None:
    """After 16 calls in flight these cells have 15 MB more than after one."""
    told = titles(memory_plot(CELLS))

    assert told[1:3] == ["engine: 20 at 10000", "engine: 21 at 100000"]


def test_the_scann_plot_keeps_what_nothing_beats() -> None:
    """The second point is slower and worse than the third; of the first nobody would serve."""
    points = [
        {"recall": recall, "ms": ms}
        for recall, ms in ((0.5, 1.0), (0.8, 4.0), (0.9, 2.0), (0.99, 5.0))
    ]

    told = titles(scann_plot({"1 M": {"points": points, "exact_ms": 100.0}}))

    assert told[1:] == ["1 M: 50 at 0.9", "1 M: 20 at 0.99"]


def test_the_training_plot_orders_by_ratings() -> None:
    """Whatever order the data sets have."""
    measured = {
        str(n): {"ratings": n, "fits": [{"model": "best", "train_cpu_s": s}]}
        for n, s in ((10**6, 9.0), (1000, 2.0))
    }

    told = titles(training_plot(measured))

    assert told[1:] == ["ours, both models: 2 at 1000", "ours, both models: 9 at 1e+06"]


def test_the_switch_plot_leaves_gaps_where_nobody_was_answered() -> None:
    """A half second without an answer has no percentile."""
    slices = [{"s": s, "p99_ms": ms} for s, ms in ((-1.0, 5.0), (0.0, None), (1.0, 7.0))]

    told = titles(switch_plot({"engine": {"slices": slices}, "hop": {"slices": slices}}))

    assert told[1:3] == ["engine: 5 at -1", "engine: 7 at 1"]


def test_the_start_plot_has_a_bar_for_each_phase() -> None:
    """The clone is the first of them."""
    told = titles(start_plot({"clone_s": 0.5, "phases_s": {"install": 90.0, "train": 45.0}}))

    assert told == ["git clone: 0.5 s", "install: 90 s", "train: 45 s"]


def test_what_was_not_measured_is_not_drawn() -> None:
    """A fresh checkout of nothing but the short run has two plots."""
    speed = {
        "head_to_head": {"table": TABLE},
        "scann": {"1 M": {"points": [{"recall": r, "ms": r} for r in (0.8, 0.9)], "exact_ms": 9}},
    }

    assert list(plots({"speed": speed}.get)) == ["load", "scann"]
    assert plots({}.get) == {}


def test_labels_stand_apart() -> None:
    """Each below the one above it, in the order of their lines' ends."""
    assert apart([100.0, 50.0, 101.0, 55.0]) == [100.0, 50.0, 114.0, 64.0]


def test_a_logarithmic_axis_ends_at_round_numbers() -> None:
    """Around 3 to 40 those are 2 and 50; over many powers of ten, every one is enough."""
    assert [label for _, label in log_axis("s", [3.0, 40.0]).ticks] == ["2", "5", "10", "20", "50"]
    assert [label for _, label in log_axis("s", [0.3, 4000.0]).ticks] == [
        *("0.2", "1", "10", "100", "1 k", "5 k"),
    ]


def test_an_axis_of_one_mark_spans_something() -> None:
    """Where only one size was measured."""
    assert marked_axis("movies", [10_000.0]).share(10_000.0) == 0.0


def test_more_lines_than_colours_are_refused() -> None:
    """Else the last ones would be missing from the plot."""
    mark = marked_axis("x", [1.0])
    with pytest.raises(ValueError, match="7 lines, and 6 colours"):
        lines("many", {str(n): [(1.0, 1.0)] for n in range(7)}, mark, mark)


def test_drawings_have_colours_for_both_schemes() -> None:
    """As a file of its own an SVG takes none from a page."""
    svg = bars("waits", {"install": 90.0, "train": 45.0}, "s")

    assert svg.startswith('<svg xmlns="http://www.w3.org/2000/svg"')
    assert "prefers-color-scheme:dark" in svg
    assert "var(" not in svg


def test_synthetic_ratings_are_a_data_set(tmp_path: Path) -> None:
    """About as many rows as asked for, no pair twice, half stars inside the range."""
    mapping = write_ratings(tmp_path, Size(n_users=50, n_movies=200, n_ratings=2000))

    written = (tmp_path / "ratings.csv").read_text(encoding="utf-8").splitlines()
    rows = [line.split(",") for line in written[1:]]
    ratings = np.array([float(row[2]) for row in rows])
    assert mapping.parent == tmp_path
    assert len(rows) == pytest.approx(2000, rel=0.15)
    assert len({(user, movie) for user, movie, *_ in rows}) == len(rows)
    assert (ratings * 2 == np.round(ratings * 2)).all()
    assert (ratings.min(), ratings.max()) == (0.5, 5.0)
    assert min(Counter(row[0] for row in rows).values()) >= 20
