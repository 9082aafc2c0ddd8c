"""docs/performance.md shows what benchmarks/results has, and nothing older."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from benchmarks.speed.bars import BARS, flat
from benchmarks.speed.page import (
    BEFORE,
    bars_table,
    filled,
    generator_sentence,
    growth_table,
    parts,
    scann_table,
    start_table,
    switch_table,
    training_table,
)
from benchmarks.speed.plots import DOCS, PAGE, RESULTS, main

MARKS = "<!-- table: start -->\nold\n<!-- end -->\n\n<!-- table: scann -->\nkept\n<!-- end -->\n"


def result(name: str) -> Any:
    path = RESULTS / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


def rows(markdown: str) -> list[list[str]]:
    """Cells of a table's lines below its head."""
    lines = [line for line in markdown.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


@pytest.mark.parametrize("name", list(parts(result)))
def test_the_page_shows_the_results(name: str) -> None:
    """`python -m benchmarks.speed.plots` writes it again after a benchmark."""
    page = (DOCS / PAGE).read_text(encoding="utf-8")
    made = parts(result)[name]

    found = re.search(rf"<!-- \w+: {name} -->\n\n(.*?)\n<!-- end -->", page, re.DOTALL)

    assert found, f"no mark for {name}"
    assert found[1] == made, "run python -m benchmarks.speed.plots"


def test_every_mark_of_the_page_is_filled() -> None:
    """A mark with a mistyped name would keep old figures for ever."""
    page = (DOCS / PAGE).read_text(encoding="utf-8")

    marks = re.findall(r"<!-- (?:table|sentence): (\w+) -->", page)

    assert sorted(marks) == sorted(parts(result))
    assert page.count("<!-- end -->") == len(marks)


def test_latest_json_is_of_the_same_run() -> None:
    """The bars are made from speed.json, which has more digits."""
    assert result("latest") == flat(result("speed")["figures"])


def test_parts_stand_between_their_marks() -> None:
    """What was not measured stays as it is; a second time changes nothing."""
    once = filled(MARKS, {"start": "new\n"})

    assert once == MARKS.replace("old\n", "\nnew\n\n")
    assert filled(once, {"start": "new\n"}) == once


def test_a_part_without_a_mark_is_refused() -> None:
    """Else a table that lost its mark would go stale again."""
    with pytest.raises(ValueError, match="no mark for growth"):
        filled(MARKS, {"growth": "x\n"})


def test_bars_stand_beside_what_was_before() -> None:
    """Three digits; a bar that is missed is counted."""
    figures = {**BEFORE, "engine_over_floor": 0.6, "p50_over_floor": 2.5, "gateway_rss_mb": 127.4}

    table = bars_table(figures)

    assert rows(table)[0][1:] == ["0.0604", "0.600", "0.5", "0.65", "met"]
    assert [row[2] for row in rows(table)[6:8]] == ["127", "2.50"]
    n_missed = sum(row[-1] == "missed" for row in rows(table))
    assert f" {n_missed} of {len(BARS)} bars are missed." in table


def test_growth_takes_latency_of_one_call_and_the_rest_of_sixteen() -> None:
    """Who could not answer has the reason there."""
    asked = {"who": "hop", "movies": 10_000, "history": 10, "excluded": 0}
    cells = [
        {**asked, "in_flight": 1, "p50_ms": 1.26, "p99_ms": 2.0, "rps": 9.0, "cpu_ms": 9.0},
        {**asked, "in_flight": 16, "p50_ms": 9.0, "p99_ms": 9.0, "rps": 518.4, "cpu_ms": 1.929},
    ]
    silent = {"who": "engine", "movies": 10**6, "error": "it did not start"}

    table = growth_table({"x": {"cells": [{**c, "memory_mb": 1680.4} for c in cells] + [silent]}})

    assert rows(table) == [
        ["engine", "1,000,000", "0", "0", "it did not start", "", "", "", ""],
        ["one hop", "10,000", "10", "0", "1.3", "2.0", "518", "1.93", "1,680"],
    ]


def test_training_has_ours_first() -> None:
    """The data set is named once; a figure that a fit does not have is empty."""
    fits = [
        {"model": "implicit-als-tuned", "train_cpu_s": 0.4251, "peak_mb": 230.7, "ndcg@10": 0.14},
        {"model": "best", "train_cpu_s": 69.6, "peak_mb": 1134.7, "rmse": 0.91971, "ndcg@10": 0.2},
    ]

    assert rows(training_table({"1 M": {"fits": fits}})) == [
        ["1 M drawn", "ours", "70", "1135", "0.9197", "0.2000"],
        ["", "implicit ALS, tuned", "0.425", "231", "", "0.1400"],
    ]


def test_start_has_both_imports_and_the_gateway() -> None:
    """Other imports are in speed.md."""
    cost = {"s": 0.098, "rss_mb": 36.2}
    imports = dict.fromkeys(("client", "server.app", "grpc"), cost)

    table = start_table({"imports": imports, "gateway": {"ready_s": 0.526, "rss_mb": 87.48}})

    assert [row[1:] for row in rows(table)] == [["0.10", "36"], ["0.10", "36"], ["0.53", "87"]]


def test_the_switch_has_three_phases_of_each() -> None:
    """The time that it took stands with the phase of the switch."""
    seen = {"calls": 2503, "faults": 0, "p50_ms": 31.4, "p99_ms": 79.3, "longest_ms": 119.8}
    one = {"switch_s": 3.78, "before": seen, "during": seen, "after": seen}

    table = rows(switch_table({"engine": one, "hop": one}))

    assert [row[0] for row in table] == ["engine", "", "", "one hop", "", ""]
    assert table[1][1:] == [
        "during (3.8 s until the new release answers)",
        *("2503", "0", "31", "79", "120"),
    ]


def test_a_phase_without_calls_has_no_percentiles() -> None:
    """A switch may be over before anybody asks."""
    none = {"calls": 0, "faults": 0, "p50_ms": None, "p99_ms": None, "longest_ms": None}
    one = {"switch_s": 0.1, "before": none, "during": none, "after": none}

    assert rows(switch_table({"engine": one, "hop": one}))[0][2:] == ["0", "0", "", "", ""]


def test_scann_shows_the_chosen_point_or_the_best_recall() -> None:
    """A small catalogue has no point that is good enough."""
    points = [{"recall": 0.9, "ms": 0.5}, {"recall": 0.92, "ms": 2.0}, {"recall": 0.92, "ms": 1.0}]
    curve = {"dim": 64, "exact_ms": 10.0, "build_s": 17.04, "points": points}

    table = rows(scann_table({"1 M": {**curve, "chosen": points[0]}, "small": curve}))

    assert table == [
        ["1 M, 64 columns", "10.00", "0.500", "0.900", "20.0", "17.0"],
        ["small, 64 columns", "10.00", "1.000", "0.920", "10.0", "17.0"],
    ]


def test_the_generator_is_told_where_it_had_most_to_do() -> None:
    """Of all servers and all numbers of calls in flight."""
    few, many = {"rps": 900.0, "generator_busy": 0.9}, {"rps": 6901.0, "generator_busy": 0.495}

    sentence = generator_sentence({"engine": {"1": few}, "floor": {"16": many, "64": few}})

    assert sentence.startswith("At 6,900 calls a second")
    assert "it used 50 % of its core" in sentence


def test_the_command_writes_the_page_beside_the_plots(tmp_path: Path) -> None:
    """Only what was measured, in the folder that is asked for."""
    results, output = tmp_path / "results", tmp_path / "docs"
    results.mkdir()
    output.mkdir()
    (results / "scann.json").write_text((RESULTS / "scann.json").read_text(encoding="utf-8"))
    (output / PAGE).write_text(MARKS)

    assert main([f"--results={results}", f"--output={output}"]) == 0

    assert {path.name for path in output.iterdir()} == {PAGE, "performance-scann.svg"}
    assert "100 k drawn, 64 columns" in (output / PAGE).read_text(encoding="utf-8")
    assert "old" in (output / PAGE).read_text(encoding="utf-8")


def test_help_draws_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It used to rewrite every plot."""
    with pytest.raises(SystemExit) as left:
        main([f"--output={tmp_path}", "--help"])

    assert left.value.code == 0
    assert "--results" in capsys.readouterr().out
    assert not list(tmp_path.iterdir())
