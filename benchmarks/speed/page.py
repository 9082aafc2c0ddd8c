"""The tables of docs/performance.md, made from the results in benchmarks/results.

`python -m benchmarks.speed.plots` writes them between the page's marks:

    <!-- table: growth -->
    <!-- end -->

Figures that sentences depend on stand between such marks too, with `sentence` for `table`. All
other text is written by hand, and has to be read again when the figures change.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from benchmarks.speed.bars import BARS
from benchmarks.speed.report import table

BEFORE_COMMIT: Final = "5736127"
BEFORE: Final = {
    "engine_over_floor": 0.06044,
    "hop_over_floor": 0.02771,
    "over_bentoml": 0.8069,
    "over_fastapi_tf": 0.5216,
    "over_fastapi_numpy": 0.1916,
    "gateway_ready_s": 0.8081,
    "gateway_rss_mb": 86.88,
    "p50_over_floor": 7.792,
    "scann_speedup_1m": 30.54,
    "scann_recall_1m": 0.971,
}
"""latest.json of that commit: what the bars' figures are compared with."""
OURS: Final = {"engine": "engine", "hop": "one hop"}
DATA: Final = {"ml-100k": "MovieLens-100k", "1 M": "1 M drawn", "10 M": "10 M drawn"}
"""Data sets whose name on the page is another one."""
FITS: Final = {
    "best": "ours",
    "linear_static": "ours, lists alone (`linear_static`)",
    "svdpp2": "ours, ratings alone (`svdpp2`)",
    "implicit-als-default": "implicit ALS, default",
    "implicit-als-tuned": "implicit ALS, tuned",
    "surprise-svd-default": "Surprise SVD, default",
    "surprise-svd-tuned": "Surprise SVD, tuned",
}
"""In the order of the page."""

_MARKED: Final = re.compile(
    r"(?P<start><!-- (?:table|sentence): (?P<name>\w+) -->\n).*?(?P<end><!-- end -->\n)", re.DOTALL
)

Result = Mapping[str, Any]


def filled(page: str, parts: Mapping[str, str]) -> str:
    """The page with these parts between their marks; what has no part stays as it is.

    Raises:
      ValueError: a part has no mark on the page.
    """
    if missing := parts.keys() - {found["name"] for found in _MARKED.finditer(page)}:
        raise ValueError(f"the page has no mark for {', '.join(sorted(missing))}")

    def replaced(found: re.Match[str]) -> str:
        part = parts.get(found["name"])
        return found[0] if part is None else f"{found['start']}\n{part}\n{found['end']}"

    return _MARKED.sub(replaced, page)


def parts(read: Callable[[str], Any]) -> dict[str, str]:
    """{name: Markdown} of what has been measured.

    Args:
      read: gives the result of a benchmark by its name, None where there is none.
    """
    found: dict[str, str] = {}
    speed = read("speed")
    if speed:
        found["bars"] = bars_table(speed["figures"])
        found["start"] = start_table(speed["start"])
        found["generator"] = generator_sentence(speed["head_to_head"]["table"])
    if growth := read("growth"):
        found["growth"] = growth_table(growth)
    if training := read("training"):
        found["training"] = training_table(training)
    if first := read("first_recommendation"):
        found["first"] = first_sentence(first)
    if switch := read("release_switch"):
        found["switch"] = switch_table(switch)
    # The million is of the short run, the others of scann.json.
    curves = {**(speed["scann"] if speed else {}), **(read("scann") or {"curves": {}})["curves"]}
    if curves:
        found["scann"] = scann_table(curves)
    return found


def bars_table(figures: Mapping[str, float]) -> str:
    """Every bar with its figures of now and before, and how many are missed."""
    verdicts = [bar.verdict(figures[bar.figure]) for bar in BARS]
    rows = [
        (
            bar.what,
            _three(BEFORE[bar.figure]),
            _three(figures[bar.figure]),
            f"{bar.bar:g}",
            f"{bar.beyond:g}",
            verdict,
        )
        for bar, verdict in zip(BARS, verdicts, strict=True)
    ]
    return (
        table(("", "before", "measured", "bar", "beyond", ""), rows)
        + f"\n*Before* is the same command on commit {BEFORE_COMMIT}."
        f" {verdicts.count('missed')} of {len(BARS)} bars are missed.\n"
    )


def growth_table(growth: Mapping[str, Result]) -> str:
    """One row for each of ours at each number of movies, history and exclusion.

    p50 and p99 are of one call in flight, all else of 16.
    """
    cells = [cell for measured in growth.values() for cell in measured["cells"]]
    rows = [
        row for who in OURS for row in _growth_rows([cell for cell in cells if cell["who"] == who])
    ]
    head = ("", "movies", "history", "excluded", "p50 ms, 1 in flight", "p99 ms")
    return table((*head, "calls/s, 16 in flight", "CPU ms/call", "MB"), rows)


def _growth_rows(cells: Iterable[Result]) -> Iterable[Sequence[str]]:
    """Of one of ours; who could not answer has the reason in the place of figures."""
    asked: dict[tuple[int, int, int], dict[int, Result]] = {}
    for cell in sorted(cells, key=lambda one: one["movies"]):
        where = (cell["movies"], cell.get("history", 0), cell.get("excluded", 0))
        asked.setdefault(where, {})[cell.get("in_flight", 0)] = cell
    for (movies, history, excluded), by_in_flight in asked.items():
        who = OURS[next(iter(by_in_flight.values()))["who"]]
        about = (who, f"{movies:,}", str(history), str(excluded))
        if any("p50_ms" not in cell for cell in by_in_flight.values()):
            errors = [cell["error"] for cell in by_in_flight.values() if "error" in cell]
            yield (*about, errors[0], "", "", "", "")
            continue
        one, many = by_in_flight[1], by_in_flight[16]
        yield (
            *about,
            f"{one['p50_ms']:.1f}",
            f"{one['p99_ms']:.1f}",
            f"{many['rps']:.0f}",
            f"{many['cpu_ms']:.2f}",
            f"{many['memory_mb']:,.0f}",
        )


def training_table(measured: Mapping[str, Result]) -> str:
    """One row for each fit, ours first."""
    rows = []
    for data, result in measured.items():
        first = DATA.get(data, data)
        by_model = {fit["model"]: fit for fit in result["fits"]}
        for model in (name for name in FITS if name in by_model):
            fit = by_model[model]
            seconds = fit["train_cpu_s"]
            rows.append(
                (
                    first,
                    FITS[model],
                    f"{seconds:.0f}" if seconds >= 10 else f"{seconds:.3g}",
                    f"{fit['peak_mb']:.0f}",
                    *(f"{fit[key]:.4f}" if key in fit else "" for key in ("rmse", "ndcg@10")),
                )
            )
            first = ""
    head = ("ratings", "fit", "processor s", "peak MB", "RMSE", "NDCG@10")
    return table(head, rows, n_texts=2)


def start_table(start: Result) -> str:
    """Imports and the gateway's start."""
    costs = [
        (f"`import {module}`", start["imports"][module]["s"], start["imports"][module]["rss_mb"])
        for module in ("client", "server.app")
    ]
    gateway = start["gateway"]
    costs.append(
        ("gateway with a loaded store: ready", gateway["ready_s"], gateway["rss_mb"]),
    )
    rows = [(what, f"{seconds:.2f}", f"{mb:.0f}") for what, seconds, mb in costs]
    return table(("", "s", "MB afterwards"), rows)


def first_sentence(first: Result) -> str:
    """What a clone takes until its first recommendation."""
    phases = first["phases_s"]
    return (
        f"{first['total_s']:.0f} seconds, {phases['install']:.0f} of them for installing and"
        f" {phases['train']:.0f} for training; load average"
        f" before the start {first['machine']['load_average'][0]:g}.\n"
    )


def switch_table(result: Result) -> str:
    """Before, during and after the switch, of each of ours."""
    rows = []
    for who, name in OURS.items():
        during = f"during ({result[who]['switch_s']:.1f} s until the new release answers)"
        for position, phase in enumerate(("before", "during", "after")):
            seen = result[who][phase]
            rows.append(
                (
                    "" if position else name,
                    during if phase == "during" else phase,
                    f"{seen['calls']}",
                    f"{seen['faults']}",
                    # A phase without calls has none.
                    *(
                        "" if seen[key] is None else f"{seen[key]:.0f}"
                        for key in ("p50_ms", "p99_ms", "longest_ms")
                    ),
                )
            )
    head = ("", "", "calls", "failed or degraded", "p50 ms", "p99 ms", "longest ms")
    return table(head, rows, n_texts=2)


def scann_table(curves: Mapping[str, Result]) -> str:
    """Of each curve the chosen point, or the one of the best recall where none was good enough."""
    rows = []
    for name, curve in curves.items():
        best = max(curve["points"], key=lambda point: (point["recall"], -point["ms"]))
        point = curve.get("chosen", best)
        rows.append(
            (
                f"{name}, {curve['dim']} columns",
                f"{curve['exact_ms']:.2f}",
                f"{point['ms']:.3f}",
                f"{point['recall']:.3f}",
                f"{curve['exact_ms'] / point['ms']:.1f}",
                f"{curve['build_s']:.1f}",
            )
        )
    head = ("vectors", "exact ms", "ScaNN ms", "recall@100", "times as fast", "build s")
    return table(head, rows)


def generator_sentence(servers: Mapping[str, Mapping[str, Result]]) -> str:
    """How busy the load generator was where it made the most calls."""
    cells = [cell for by_in_flight in servers.values() for cell in by_in_flight.values()]
    most = max(cells, key=lambda cell: cell["rps"])
    return (
        f"At {round(most['rps'], -2):,.0f} calls a second, the most of any server, it used"
        f" {most['generator_busy']:.0%} of its core.\n"
    ).replace("%", " %")


def _three(value: float) -> str:
    """Three digits: 0.970, 4.24, 37.2, 127."""
    return f"{value:#.3g}".removesuffix(".")
