"""Plots of the results in benchmarks/results as docs/performance-*.svg, and the page's tables.

    python -m benchmarks.speed.plots [--results DIR] [--output DIR]

Draws what has been measured, one plot of each file that is there, and writes the tables between
the marks of performance.md, where that lies beside the plots.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, Final

from benchmarks.speed.charts import Points, axis, bars, lines, log_axis, marked_axis
from benchmarks.speed.page import filled, parts

RESULTS: Final = Path(__file__).parents[1] / "results"
DOCS: Final = Path(__file__).parents[2] / "docs"
PAGE: Final = "performance.md"
NAMES: Final = {
    "floor": "floor",
    "engine": "engine",
    "hop": "one hop",
    "bentoml": "BentoML",
    "fastapi_tf": "FastAPI + TensorFlow",
    "fastapi_numpy": "FastAPI + NumPy",
    "best": "ours, both models",
    "linear_static": "ours, lists alone",
    "svdpp2": "ours, ratings alone",
    "implicit-als-tuned": "implicit ALS, tuned",
    "surprise-svd-default": "Surprise SVD, default",
    "surprise-svd-tuned": "Surprise SVD, tuned",
}
OURS: Final = ("engine", "hop")
TRAINED: Final = (
    *("best", "linear_static", "svdpp2"),
    *("implicit-als-tuned", "surprise-svd-default", "surprise-svd-tuned"),
)
"""Of these seconds are drawn; ALS takes the same by default."""
PEER_NAMES: Final = ("bentoml", "fastapi_tf", "fastapi_numpy")
LEAST_RECALL: Final = 0.7
"""Below it nobody would serve an index."""

Result = Mapping[str, Any]


def load_plot(result: Result) -> str:
    """Calls a second over calls in flight; the floor is the fastest at each."""
    table = result["head_to_head"]["table"]
    floors = [figures for name, figures in table.items() if name.startswith("floor")]
    # Ours first: they have the same colours in every plot.
    merged = {
        **{name: table[name] for name in OURS if name in table},
        "floor": {n: {"rps": max(one[n]["rps"] for one in floors)} for n in floors[0]},
        **{name: table[name] for name in PEER_NAMES if name in table},
    }
    series = {
        NAMES[name]: [(float(n), figures["rps"]) for n, figures in by_in_flight.items()]
        for name, by_in_flight in merged.items()
    }
    in_flight = [float(n) for n in merged["floor"]]
    return lines(
        "Calls a second on one core",
        series,
        marked_axis("calls in flight", in_flight),
        _log("calls a second", series),
    )


def growth_plot(cells: Iterable[Result], figure: str, in_flight: int, title: str) -> str:
    """A figure over the number of movies, users with a history of 100."""
    chosen = [
        cell
        for cell in cells
        if figure in cell and (cell["in_flight"], cell["history"]) == (in_flight, 100)
    ]

    def key(cell: Result) -> tuple[int, str]:
        return cell["excluded"], cell["who"]

    series: dict[str, Points] = {
        f"{NAMES[who]}{f', {excluded} excluded' if excluded else ''}": [
            (float(cell["movies"]), cell[figure]) for cell in group
        ]
        for (excluded, who), group in groupby(
            sorted(chosen, key=lambda cell: (*key(cell), cell["movies"])), key
        )
    }
    movies = sorted({float(cell["movies"]) for cell in chosen})
    return lines(f"{title} by movies", series, marked_axis("movies", movies), _log(title, series))


def memory_plot(cells: Iterable[Result]) -> str:
    """The most memory that each of ours took at a number of movies."""
    most: dict[str, dict[int, float]] = {}
    for cell in cells:
        if "memory_mb" in cell:
            own = most.setdefault(NAMES[cell["who"]], {})
            own[cell["movies"]] = max(own.get(cell["movies"], 0.0), cell["memory_mb"])
    series = {
        who: [(float(movies), own[movies]) for movies in sorted(own)] for who, own in most.items()
    }
    movies = sorted({float(n) for own in most.values() for n in own})
    return lines("Memory by movies", series, marked_axis("movies", movies), _log("MB", series))


def scann_plot(curves: Mapping[str, Result]) -> str:
    """Times as fast as exact search over recall@100: of each recall the fastest point."""
    series = {name: _frontier(curve) for name, curve in curves.items()}
    recalls = [recall for points in series.values() for recall, _ in points]
    return lines(
        "ScaNN beside exact search",
        series,
        axis("recall@100", recalls),
        _log("times as fast as exact search", series),
    )


def _frontier(curve: Result) -> Points:
    """Points that no other one beats in both, by rising recall, from LEAST_RECALL on."""
    found: list[tuple[float, float]] = []
    best = 0.0
    for point in sorted(curve["points"], key=lambda one: -one["recall"]):
        speed = curve["exact_ms"] / point["ms"]
        if speed > best and (point["recall"] >= LEAST_RECALL or not found):
            best = speed
            found.append((point["recall"], speed))
    return found[::-1]


def training_plot(measured: Mapping[str, Result]) -> str:
    """Processor seconds of training over ratings."""
    points: dict[str, list[tuple[float, float]]] = {model: [] for model in TRAINED}
    for data in measured.values():
        for fit in data["fits"]:
            if fit["model"] in points:
                points[fit["model"]].append((float(data["ratings"]), fit["train_cpu_s"]))
    series = {NAMES[model]: sorted(own) for model, own in points.items() if own}
    ratings = log_axis("ratings", [n for own in series.values() for n, _ in own])
    return lines("Training by ratings", series, ratings, _log("processor seconds", series))


def switch_plot(result: Result) -> str:
    """The 99th percentile of each half second, with the publish at 0."""
    series = {
        NAMES[name]: [
            (part["s"], part["p99_ms"])
            for part in result[name]["slices"]
            if part["p99_ms"] is not None
        ]
        for name in OURS
    }
    seconds = [s for points in series.values() for s, _ in points]
    return lines(
        "Latency while a release is published",
        series,
        axis("seconds since the publish began", seconds),
        _log("p99 in ms", series),
    )


def start_plot(result: Result) -> str:
    """The phases between a clone and the first recommendation."""
    phases = {"git clone": result["clone_s"], **result["phases_s"]}
    return bars("From a clone to the first recommendation", phases, "s")


def _log(title: str, series: Mapping[str, Points]) -> Any:
    return log_axis(title, [value for points in series.values() for _, value in points])


def _cells(result: Result) -> list[Result]:
    return [cell for measured in result.values() for cell in measured["cells"]]


def plots(read: Callable[[str], Any]) -> dict[str, str]:
    """{name: SVG} of what has been measured.

    Args:
      read: gives the result of a benchmark by its name, None where there is none.
    """
    found: dict[str, str] = {}
    speed = read("speed")
    if speed:
        found["load"] = load_plot(speed)
    curves = {**(speed["scann"] if speed else {}), **(read("scann") or {"curves": {}})["curves"]}
    if curves:
        found["scann"] = scann_plot(curves)
    if growth := read("growth"):
        cells: Sequence[Result] = _cells(growth)
        found["latency"] = growth_plot(cells, "p50_ms", 1, "p50 in ms, 1 call in flight")
        found["throughput"] = growth_plot(cells, "rps", 16, "calls a second, 16 in flight")
        found["memory"] = memory_plot(cells)
    if training := read("training"):
        # Of two data sets of one size the lines would go up and down at one place.
        kept = {name: data for name, data in training.items() if name != "ml-latest-small"}
        found["training"] = training_plot(kept)
    if switch := read("release_switch"):
        found["switch"] = switch_plot(switch)
    if start := read("first_recommendation"):
        found["start"] = start_plot(start)
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Draws what has been measured, and writes its tables."""
    parser = argparse.ArgumentParser(description="Plots and tables of what has been measured.")
    parser.add_argument("--results", type=Path, default=RESULTS, help="where the JSON files lie")
    parser.add_argument(
        "--output", type=Path, default=DOCS, help="folder of the plots and of performance.md"
    )
    options = parser.parse_args(arguments)

    def read(name: str) -> Any:
        path = options.results / f"{name}.json"
        return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None

    for name, content in plots(read).items():
        path = options.output / f"performance-{name}.svg"
        path.write_text(content, encoding="utf-8")
        print(path)
    page = options.output / PAGE
    if page.is_file():
        page.write_text(filled(page.read_text(encoding="utf-8"), parts(read)), encoding="utf-8")
        print(page)
    return 0


if __name__ == "__main__":
    sys.exit(main())
