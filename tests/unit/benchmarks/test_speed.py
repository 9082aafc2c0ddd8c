"""What the speed benchmark computes: ratios within rounds, verdicts, the flat object, the table."""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.load.plan import Measured
from benchmarks.speed import bars
from benchmarks.speed.answers import check_same
from benchmarks.speed.contestants import requests_of
from benchmarks.speed.curve import chosen
from benchmarks.speed.head_to_head import IN_FLIGHT, HeadToHead
from benchmarks.speed.machine import commit, machine
from benchmarks.speed.peer_environments import PEERS
from benchmarks.speed.report import markdown, table
from benchmarks.speed.rounds import BenchmarkError, Round, medians, ratio
from benchmarks.speed.scann_search import BLOCK, K, drawn_vectors, exact_searches
from benchmarks.speed.servers import SERVER_CORE, StartError, serving
from protos.recommender.v1 import recommender_pb2 as pb

FIGURES = {
    "engine_over_floor": 0.512345,
    "hop_over_floor": 0.31,
    "over_bentoml": 4.9,
    "over_fastapi_tf": 4.0,
    "over_fastapi_numpy": 2.5,
    "gateway_ready_s": 0.61,
    "gateway_rss_mb": 80.0,
    "p50_over_floor": 3.1,
    "scann_speedup_1m": 25.0,
    "scann_recall_1m": 0.951,
}


def measured(rps: float, p50_ms: float = 1.0) -> Measured:
    return Measured(10, 0, (), rps, p50_ms, 2.0, 3.0, 0.5, 1.0, 0.1)


def round_of(rps: dict[str, float], p50_ms: dict[str, float]) -> Round:
    """These calls a second with 64 in flight and this p50 with 1; elsewhere all are alike."""
    return {
        name: {
            n: measured(rps[name] if n == 64 else 7, p50_ms[name] if n == 1 else 9)
            for n in IN_FLIGHT
        }
        for name in rps
    }


def test_a_ratio_is_the_median_of_ratios_within_rounds() -> None:
    """10/20, 30/30 and 80/100: the median is 0.8, where that of medians would be 30/30."""
    assert ratio([10, 30, 80], [20, 30, 100]) == pytest.approx(0.8)


@pytest.mark.parametrize("theirs", [[0.0], [math.nan]])
def test_a_ratio_to_nothing_is_refused(theirs: list[float]) -> None:
    """It would be no figure."""
    with pytest.raises(BenchmarkError):
        ratio([1.0], theirs)


def test_ratios_are_to_the_fastest_floor_of_each_round() -> None:
    """Another floor is fastest in each of the two rounds."""
    names = ("engine", "hop", "bentoml", "fastapi_tf", "fastapi_numpy")
    floors = ("floor_sync1", "floor_sync8", "floor_sync32", "floor_aio", "floor_aio_uvloop")
    first = dict(zip((*names, *floors), (50, 20, 10, 25, 50, 10, 100, 20, 30, 40), strict=True))
    second = dict(zip((*names, *floors), (60, 40, 10, 20, 30, 10, 90, 70, 30, 200), strict=True))
    p50 = {**dict.fromkeys(first, 1.0), "engine": 3.0}
    rounds = [
        round_of(first, {**p50, "floor_sync1": 2.0}),
        round_of(second, {**p50, "floor_sync1": 4.0}),
    ]

    found = HeadToHead(rounds, {}, {}, 0).ratios()

    assert found == pytest.approx(
        {
            "engine_over_floor": (50 / 100 + 60 / 200) / 2,
            "hop_over_floor": (20 / 100 + 40 / 200) / 2,
            "over_bentoml": (5 + 6) / 2,
            "over_fastapi_tf": (2 + 3) / 2,
            "over_fastapi_numpy": (1 + 2) / 2,
            # With 1 in flight all floors answer equally many; the first of them is taken.
            "p50_over_floor": (3 / 2 + 3 / 4) / 2,
        }
    )


def test_figures_are_medians_over_rounds() -> None:
    """Each figure by itself."""
    rounds = [{"hop": {64: measured(rps, p50)}} for rps, p50 in ((10, 3.0), (30, 1.0), (20, 5.0))]

    found = medians(rounds, "hop", 64)

    assert (found["rps"], found["p50_ms"], found["p99_ms"]) == (20, 3.0, 3.0)


def test_the_flat_object_has_every_figure_and_no_other() -> None:
    """In the order of the bars, with four digits."""
    flat = bars.flat({**FIGURES, "something_else": 1.0})

    assert list(flat) == list(FIGURES)
    assert flat["engine_over_floor"] == 0.5123
    assert json.loads(json.dumps(flat)) == flat


def test_a_figure_that_lacks_is_an_error() -> None:
    """An incomplete latest.json would be read as a complete one."""
    with pytest.raises(KeyError, match="hop_over_floor"):
        bars.flat({name: value for name, value in FIGURES.items() if name != "hop_over_floor"})


def test_verdicts() -> None:
    """More is better, but of seconds, megabytes and latency."""
    verdicts = [row[-1] for row in bars.rows(FIGURES)]

    assert verdicts == [
        *("met", "beyond", "missed", "met", "beyond"),
        *("met", "beyond", "missed", "beyond", "met"),
    ]


def test_the_fastest_point_with_enough_recall_is_chosen() -> None:
    """The one at 0.96 is slower, the one at 0.9 finds too little."""
    points = [
        {"recall": recall, "ms": ms} for recall, ms in ((0.9, 0.5), (0.951, 2.0), (0.96, 3.0))
    ]

    found = chosen({"points": points, "exact_ms": 30.0}, 0.95)

    assert found == {"recall": 0.951, "ms": 2.0, "speedup": 15.0}
    with pytest.raises(ValueError, match=r"best has 0\.960"):
        chosen({"points": points, "exact_ms": 30.0}, 0.99)


def test_every_exact_search_is_exact() -> None:
    """All find what sorting all scores finds, also where blocks are not full."""
    movies, queries = drawn_vectors(K * BLOCK + 7)
    for query in queries[:20]:
        wanted = np.argsort(-(movies.astype(np.float64) @ query))[:K]
        for name, search in exact_searches(movies).items():
            found = search(query)
            assert set(found.tolist()) == set(wanted.tolist()), name


def test_few_movies_have_an_exact_search_too() -> None:
    """A catalogue with fewer blocks than asked for has no blocked way."""
    movies, queries = drawn_vectors(K + 5)

    ways = exact_searches(movies)

    assert {frozenset(search(queries[0]).tolist()) for search in ways.values()} == {
        frozenset(np.argsort(-(movies @ queries[0]))[:K].tolist())
    }
    assert ways.keys() < exact_searches(drawn_vectors(K * BLOCK)[0]).keys()


def test_lists_that_differ_are_refused() -> None:
    """One of fifty users may see two near equals swapped, no more."""
    same, other = ("a", "b"), ("b", "a")

    assert check_same({"ours": [same] * 50, "peer": [other, *[same] * 49]}) == {"peer": 0.02}
    with pytest.raises(BenchmarkError, match="peer"):
        check_same({"ours": [same] * 50, "peer": [other, other, *[same] * 48]})


def test_requests_have_default_settings() -> None:
    """A user and, where asked for, excluded movies; nothing else is set."""
    plain, excluding = requests_of(("u1", "u2"), ((), ("m1", "m2")))

    assert pb.RecommendUserRequest.FromString(plain) == pb.RecommendUserRequest(user_id="u1")
    assert pb.RecommendUserRequest.FromString(excluding) == pb.RecommendUserRequest(
        user_id="u2", exclude_movie_ids=["m1", "m2"]
    )


def test_a_markdown_table() -> None:
    """Figures stand to the right."""
    assert table(("", "ms"), [("one", "1"), ("two", "2")]) == (
        "|  | ms |\n|---|---:|\n| one | 1 |\n| two | 2 |\n"
    )


def test_the_report_has_processor_time_beside_throughput() -> None:
    """And what calls in flight, the floor, the machine and starts come to."""
    figures = {"rps": 400.0, "p50_ms": 2.4, "p99_ms": 4.2, "cpu_ms": 2.5}
    load = {
        "rounds": 3,
        "seconds": 2.0,
        "shares_of_floor": {"engine": {1: 0.25, 64: 0.5}},
        "table": {"engine": {64: figures}},
        "memory_mb": {"engine": 121.4},
    }
    start = {
        "gateway": {"ready_s": 0.8, "rss_mb": 87.0, "rss_after_calls_mb": 99.0},
        "imports": {"client": {"s": 0.1, "rss_mb": 36.0}},
    }

    told = markdown(
        {
            "machine": machine(),
            "figures": FIGURES,
            "head_to_head": load,
            "library": {"rps": 7000.0, "p50_ms": 0.1, "batched_rps": 9000.0},
            "scann": {},
            "start": start,
        }
    ).splitlines()

    assert "|  | in flight | calls/s | p50 ms | p99 ms | CPU ms/call | MB |" in told
    assert "| engine | 64 | 400 | 2.40 | 4.2 | 2.500 | 121 |" in told
    assert told[told.index("|  | 1 | 64 |") + 2] == "| engine | 0.250 | 0.500 |"
    assert "| import client | 0.10 | 36 |" in told


def test_the_commit_says_when_files_differ_from_it(tmp_path: Path) -> None:
    """Figures of changed files are not the commit's, but results may change; without git: none."""
    git = ["git", "-C", str(tmp_path), "-c", "user.name=n", "-c", "user.email=e"]
    assert commit(tmp_path) == ""
    for path in ("file", "benchmarks/results/x.json", "docs/x.svg"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("one")
    for command in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "one"]):
        subprocess.run([*git, *command], check=True)

    clean = commit(tmp_path)
    assert re.fullmatch("[0-9a-f]{7,}", clean)
    (tmp_path / "benchmarks" / "results" / "x.json").write_text("two")
    (tmp_path / "docs" / "x.svg").write_text("two")
    assert commit(tmp_path) == clean
    (tmp_path / "file").write_text("two")
    assert commit(tmp_path) == f"{clean}+"


def test_pins_are_exact() -> None:
    """name==version and nothing else, so that a peer is the same on every machine."""
    lines = [line for pins in PEERS.glob("*.txt") for line in pins.read_text().splitlines()]

    assert len(lines) > 100
    assert [line for line in lines if not re.fullmatch(r"[\w.-]+==[\w.+]+", line)] == []


def test_a_server_runs_on_its_core_and_is_gone_afterwards() -> None:
    """With the children that it started."""
    script = (
        "import os, subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-c', 'input()'], stdin=subprocess.PIPE)\n"
        "print('ready', child.pid, *os.sched_getaffinity(0), flush=True)\n"
        "sys.stdin.read(); child.wait()\n"
    )
    with serving([sys.executable, "-c", script], re.compile(r"ready (\d+) (.+)")) as (pid, ready):
        assert ready[2] == str(SERVER_CORE)
        assert {Path(f"/proc/{one}").is_dir() for one in (pid, ready[1])} == {True}

    assert not Path(f"/proc/{pid}").is_dir()
    assert not _is_running(int(ready[1]))


def test_a_server_that_ends_says_why() -> None:
    """Its last words are in the error."""
    command = [sys.executable, "-c", "raise SystemExit('no such port')"]

    with pytest.raises(StartError, match="no such port"), serving(command, re.compile("ready")):
        pass


def _is_running(pid: int) -> bool:
    """False, too, of a process that has ended and that nobody has awaited yet."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state not in "ZX"
