"""Bars, lines, the map and the colours show what they are given."""

from __future__ import annotations

import itertools
import re

import numpy as np
import pytest

from trainer.drawing import DARK, LIGHT, SERIES, Axis, Frame, Line, nice_ticks, plot
from trainer.evaluate.report import bars, movie_map
from trainer.evaluate.report.entries import Entry
from trainer.evaluate.results import Against, Interval, Kind, MovieMap, MoviePoint, Row

# Machado, Oliveira and Fernandes, 2009, severity 1; linear RGB.
SIGHT = {
    "normal": np.eye(3),
    "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
               [-0.003882, -0.048116, 1.051998]],
    "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
               [-0.011820, 0.042940, 0.968881]],
    "tritan": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602],
               [0.004733, 0.691367, 0.303900]],
}  # fmt: skip
# Ottosson, 2020.
TO_LMS = [[0.4122214708, 0.5363325363, 0.0514459929], [0.2119034982, 0.6806995451, 0.1073969566],
          [0.0883024619, 0.2817188376, 0.6299787005]]  # fmt: skip
TO_LAB = [[0.2104542553, 0.7936177850, -0.0040720468], [1.9779984951, -2.4285922050, 0.4505937099],
          [0.0259040371, 0.7827717662, -0.8086757660]]  # fmt: skip


def linear(colour: str) -> np.ndarray:
    channels = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)


def contrast(a: str, b: str) -> float:
    """WCAG 2.2."""
    low, high = sorted(float(linear(c) @ [0.2126, 0.7152, 0.0722]) for c in (a, b))
    return (high + 0.05) / (low + 0.05)


def oklab(colour: str, sight: str) -> np.ndarray:
    seen = np.clip(np.asarray(SIGHT[sight]) @ linear(colour), 0, 1)
    return np.asarray(TO_LAB) @ np.cbrt(np.asarray(TO_LMS) @ seen)


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
def test_text_has_the_contrast_of_aa(colours):
    """Text stands off every ground by 4.5:1, and each series off the card by 3:1."""
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    for ink, ground in itertools.product(("ink", "soft"), ("paper", "card", "tint", "warn")):
        assert contrast(colours[ink], colours[ground]) >= 4.5
    for name in SERIES:
        assert contrast(colours[name], colours["card"]) >= 3


@pytest.mark.parametrize("sight", SIGHT)
@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
def test_series_differ_for_every_sight(colours, sight):
    """Any two series colours are 0.05 apart in OKLab: twice what is just noticeable."""
    for a, b in itertools.combinations(SERIES, 2):
        distance = np.linalg.norm(oklab(colours[a], sight) - oklab(colours[b], sight))
        assert distance >= 0.05, (a, b)


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [(0, 1, (0, 0.25, 0.5, 0.75, 1)), (0.86, 1.02, (0.9, 0.95, 1.0)),
     (-0.2, 0.21, (-0.2, -0.1, 0, 0.1, 0.2)), (5, 5.0004, (5, 5.0001, 5.0002, 5.0003, 5.0004)),
     (0, 93_000, (0, 20e3, 40e3, 60e3, 80e3))],
)  # fmt: skip
def test_ticks_are_round_and_inside(low, high, ticks):
    """Steps are 1, 2, 2.5 or 5 times a power of ten."""
    assert nice_ticks(low, high) == pytest.approx(ticks)


def test_line_goes_where_its_points_are():
    """A square frame of 100 units: (0, 0) at the lower left, a log axis halves at the root."""
    frame = Frame(width=100, height=100, left=0, right=0, top=0, bottom=0)
    x, y = Axis("", 1, 100, (), log=True), Axis("", 0, 2, ())

    drawn = plot("p", [Line("<a>", [(1, 0), (10, 1), (100, 2)], "mark")], x, y, frame=frame)

    assert 'points="0.0,100.0 50.0,50.0 100.0,0.0"' in drawn
    assert "<title>&lt;a&gt;: 1 at 10</title>" in drawn


def entry(model: str, kind: Kind, metric: str, value: float) -> Entry:
    low, high = value - 0.01, value + 0.01
    row = Row(
        model, kind, 0, "in_process", {metric: value}, 1.0, 1.0,
        intervals={metric: Interval(low, high)},
        against={metric: Against("p", value - 0.5, Interval(low - 0.5, high - 0.5))},
    )  # fmt: skip
    return Entry(model, (row,))


def test_bars_start_at_zero():
    """Where more is better, half the figure is half the bar, and the whisker is the interval."""
    drawn = bars.figures(
        [entry("a", "ours", "ndcg@10", 0.2), entry("b", "peer", "ndcg@10", 0.4)], "ndcg@10"
    )

    b, a = (float(w) for w in re.findall(r'"fill bar" x="0.00%" width="([\d.]+)%"', drawn))
    assert b == pytest.approx(2 * a, abs=0.02)
    whiskers = [float(w) for w in re.findall(r'"whisker" x="[\d.]+%" width="([\d.]+)%"', drawn)]
    assert whiskers == pytest.approx([a / 10, a / 10], abs=0.02)
    assert "not at zero" not in drawn
    assert "b: 0.4000, 95 % interval 0.3900 to 0.4100" in drawn


def test_errors_say_that_their_axis_is_cut():
    """An axis that leaves out zero says so, and an error far beyond it is an arrow, not a dot."""
    values = {"a": 0.88, "b": 0.9, "c": 0.92, "d": 1.9}
    drawn = bars.figures([entry(m, "ours", "rmse", v) for m, v in values.items()], "rmse")

    # The worst limit is 1.91, the median 0.91: the axis ends at 0.88 + 2.5 * 0.03 and a margin.
    assert "not at zero" in drawn
    assert drawn.count("<circle") == 3
    assert drawn.count("▸") == 1
    assert [float(x) for x in re.findall(r'cx="([\d.]+)%"', drawn)] == sorted(
        float(x) for x in re.findall(r'cx="([\d.]+)%"', drawn)
    )


def test_differences_are_better_worse_or_open():
    """An interval beside zero decides, to the right for a metric of which more is better."""
    entries = [
        entry("up", "ours", "mrr", 0.52), entry("near", "ours", "mrr", 0.505),
        entry("down", "ours", "mrr", 0.48), entry("p", "peer", "mrr", 0.5),
    ]  # fmt: skip

    drawn = bars.differences(entries, "mrr")

    said = re.findall(r'class="name">(\w+)<.*?<small>(\w+)</small>', drawn)
    assert said == [("up", "better"), ("near", "open"), ("down", "worse")]
    assert bars.differences([entry("p", "peer", "mrr", 0.5)], "mrr") == ""


def test_map_colours_genres_that_stand_together():
    """Five genres in clusters are coloured; the most frequent, spread everywhere, is grey."""
    draw = np.random.default_rng(0)
    points = []
    for i in range(200):
        cluster = i % 5
        x, y = draw.normal(size=2) + np.array([10 * cluster, 10 * (cluster % 2)])
        genres = ["Everywhere"] if draw.random() < 0.5 else []
        genres += [f"Genre {cluster}"] if draw.random() < 0.6 else []
        points.append(MoviePoint(str(i), f"Movie {i}, The (1999)", tuple(genres), i, x, y))

    drawn = movie_map.drawn(MovieMap("m", "t-SNE", tuple(points)))

    coloured = re.findall(r'class="(?:mark|second|third|fourth|fifth)">(Genre \d)</label>', drawn)
    assert sorted(coloured) == [f"Genre {i}" for i in range(5)]
    assert 'class="">Everywhere</label>' in drawn
    assert drawn.count("<circle") == 200
    assert "<title>Movie 199, The (1999) · " in drawn
    assert ">The Movie 199</text>" in drawn
