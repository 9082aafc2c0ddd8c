"""Plots of the results as SVG files of their own, readable in light and dark.

    python -m benchmarks.speed.plots

Draws what is in benchmarks/results: speed.json, and growth.json, training.json and scann.json where
they are there. Goes to docs/performance-*.svg.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any, Final

from trainer.drawing import SERIES, STYLE, Axis, Frame, Line, nice_ticks, plot, short, text

RESULTS: Final = Path(__file__).parents[1] / "results"
DOCS: Final = Path(__file__).parents[2] / "docs"
NAMES: Final = {
    "floor": "floor",
    "engine": "engine",
    "hop": "one hop",
    "bentoml": "BentoML",
    "fastapi_tf": "FastAPI + TF",
    "fastapi_numpy": "FastAPI + NumPy",
}
DASHES: Final = ("", "dashed", "dotted", "", "dashed", "dotted")
LABEL_GAP: Final = 13.0
"""Between two labels at the ends of lines, in units of the drawing."""
FRAME: Final = Frame(width=600, height=320, left=52, right=160)

Points = Sequence[tuple[float, float]]


def drawing(name: str, series: Mapping[str, Points], x: str, y: str, *, log_x: bool = True) -> str:
    """Lines with their names at their right ends; y is logarithmic."""
    lines = [
        Line(label, points, style, dash)
        for (label, points), style, dash in zip(series.items(), SERIES, DASHES, strict=False)
    ]
    values = [a for points in series.values() for a, _ in points]
    x_axis = _log_axis(x, values) if log_x else _axis(x, values)
    y_axis = _log_axis(y, [b for points in series.values() for _, b in points])
    drawn = plot(name, lines, x_axis, y_axis, frame=FRAME)
    places = apart([FRAME.y(y_axis.share(line.points[-1][1])) for line in lines])
    labels = [
        text(FRAME.width - FRAME.right + 8, place + 4, line.label, "start")
        for line, place in zip(lines, places, strict=True)
    ]
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{FRAME.width}"'
    opening, rest = drawn.removeprefix("<svg").removesuffix("</svg>").split(">", 1)
    return f"{head}{opening}><style>{STYLE}</style>{rest}{''.join(labels)}</svg>\n"


def apart(places: Sequence[float]) -> list[float]:
    """The same places, moved down where one is nearer than LABEL_GAP to the one above."""
    moved = list(places)
    order = sorted(range(len(places)), key=places.__getitem__)
    for above, below in pairwise(order):
        moved[below] = max(moved[below], moved[above] + LABEL_GAP)
    return moved


def _axis(title: str, values: Sequence[float]) -> Axis:
    """From the lowest value to the highest."""
    low, high = min(values), max(values)
    return Axis(title, low, high, [(tick, f"{tick:g}") for tick in nice_ticks(low, high)])


def _log_axis(title: str, values: Sequence[float]) -> Axis:
    """From the power of ten below the values to the one above them."""
    low = math.floor(math.log10(min(values)))
    high = max(low + 1, math.ceil(math.log10(max(values))))
    steps = (1, 2, 5) if high - low == 1 else (1,)
    ticks = [step * 10.0**power for power in range(low, high) for step in steps] + [10.0**high]
    return Axis(title, ticks[0], ticks[-1], [(tick, short(tick)) for tick in ticks], log=True)


def load_plot(result: Mapping[str, Any]) -> str:
    """Calls a second over calls in flight; the floor is the fastest at each."""
    table = result["head_to_head"]["table"]
    floors = [figures for name, figures in table.items() if name.startswith("floor")]
    merged = {
        "floor": {n: {"rps": max(one[n]["rps"] for one in floors)} for n in floors[0]},
        **{name: figures for name, figures in table.items() if not name.startswith("floor")},
    }
    series = {
        NAMES[name]: [(float(n), figures["rps"]) for n, figures in by_in_flight.items()]
        for name, by_in_flight in merged.items()
    }
    return drawing("Calls a second on one core", series, "calls in flight", "calls a second")


def growth_plot(cells: Sequence[Mapping[str, Any]], figure: str, title: str) -> str:
    """A figure over the number of movies, one call in flight, history of 100."""
    chosen = [
        cell
        for cell in cells
        if (cell["in_flight"], cell["history"]) == (1, 100) and "error" not in cell
    ]
    key = lambda cell: (cell["who"], cell["excluded"])  # noqa: E731 - sorts and groups
    series = {
        f"{NAMES[who]}{f', {excluded} excluded' if excluded else ''}": [
            (cell["movies"], cell[figure]) for cell in group
        ]
        for (who, excluded), group in groupby(
            sorted(chosen, key=lambda cell: (*key(cell), cell["movies"])), key
        )
    }
    return drawing(f"{title} by movies", series, "movies", title)


def scann_plot(curves: Mapping[str, Mapping[str, Any]]) -> str:
    """Times as fast as exact search over recall@100: of each recall the fastest point."""
    series = {name: _frontier(curve) for name, curve in curves.items()}
    return drawing(
        "ScaNN beside exact search", series, "recall@100", "times as fast as exact", log_x=False
    )


def _frontier(curve: Mapping[str, Any]) -> Points:
    """Points that no other one beats in both, by rising recall."""
    found: list[tuple[float, float]] = []
    best = 0.0
    for point in sorted(curve["points"], key=lambda one: -one["recall"]):
        speed = curve["exact_ms"] / point["ms"]
        if speed > best:
            best = speed
            found.append((point["recall"], speed))
    return found[::-1]


def training_plot(fits: Sequence[Mapping[str, Any]], sizes: Mapping[str, int]) -> str:
    """Seconds of training over ratings."""
    by_model = sorted(fits, key=lambda fit: fit["model"])
    series = {
        model: sorted((float(sizes[fit["data"]]), fit["train_s"]) for fit in group)
        for model, group in groupby(by_model, key=lambda fit: fit["model"])
    }
    return drawing("Seconds of training", series, "ratings", "seconds")


N_RATINGS: Final = {"ml-100k": 100_000, "ml-latest-small": 100_836, "1 M": 10**6, "10 M": 10**7}


def main() -> None:
    """Draws what has been measured."""
    plots: dict[str, str] = {}
    if (speed := _read("speed")) is not None:
        plots["load"] = load_plot(speed)
    curves = {**(speed or {"scann": {}})["scann"], **(_read("scann") or {})}
    if curves:
        plots["scann"] = scann_plot(curves)
    if (growth := _read("growth")) is not None:
        plots["latency"] = growth_plot(growth["cells"], "p50_ms", "p50 in ms")
        plots["memory"] = growth_plot(growth["cells"], "memory_mb", "memory in MB")
    if (training := _read("training")) is not None:
        fits = [fit for fit in training["fits"] if fit["data"] != "ml-latest-small"]
        plots["training"] = training_plot(fits, N_RATINGS)
    for name, content in plots.items():
        path = DOCS / f"performance-{name}.svg"
        path.write_text(content, encoding="utf-8")
        print(path.relative_to(DOCS.parent))


def _read(name: str) -> Any:
    """The results of a benchmark; None where it has not run."""
    path = RESULTS / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


if __name__ == "__main__":
    main()
