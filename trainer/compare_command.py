"""python -m trainer compare: our models, baselines and peers on one split, in one run."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from trainer.datasets import DataError, Dataset
from trainer.release_commands import AddOption, Commands, Report

if TYPE_CHECKING:
    from trainer.evaluate.results import Comparison, Row

SOME_FAILED = 1
"""Exit status: the files are written, and a contestant that was asked for is missing in them."""

Load = Callable[[argparse.Namespace], Dataset]

_SHOWN = ("rmse", "mae", "recall@10", "ndcg@10", "mrr", "coverage@10")
_ON_A_LADDER = ("rmse", "ndcg@10", "recall@10")
_FILE_WIDTH = 120
"""Columns of a table that goes into a file or a pipe."""


def add_compare_command(
    commands: Commands, data_options: AddOption, load: Load, report: Report
) -> None:
    """Adds the parser; it sets `run`, which takes the options.

    Args:
      data_options: adds --dataset and what belongs to it.
      load: reads the data set that these options name.
      report: takes what is no result of the command.
    """
    command = commands.add_parser(
        "compare", help="fit models and peers on one split, and compare them on its test part"
    )
    data_options(command)
    command.add_argument(
        "--split",
        default="per-user-temporal",
        metavar="NAME",
        help="a split of docs/data.md, such as u1 or random:seed=7 (default per-user-temporal)",
    )
    command.add_argument(
        "--models",
        default="best",
        metavar="NAME,...",
        help='names of `python -m trainer models`, "best" = what train exports by default, "all", '
        '"none" (default best)',
    )
    command.add_argument(
        "--peers",
        default="none",
        metavar="NAME,...",
        help='libraries (surprise, implicit, myfm) or single peers of them, "none" (default none)',
    )
    command.add_argument(
        "--seeds", type=_numbers, default=(0,), metavar="N,...", help="one fit each (default 0)"
    )
    command.add_argument("--json", type=Path, metavar="FILE", help="write the rows to it")
    command.add_argument("--html", type=Path, metavar="FILE", help="write a report to read")
    command.add_argument(
        "--work-dir",
        type=Path,
        metavar="DIR",
        help="where finished rows are kept, so that a run that was stopped goes on (default: "
        "beside --json, or else beside --html)",
    )
    command.set_defaults(run=partial(_compare, load=load, report=report), fail=command.error)


def _numbers(text: str) -> tuple[int, ...]:
    found = tuple(dict.fromkeys(int(part) for part in text.split(",")))
    if min(found) < 0:
        raise argparse.ArgumentTypeError(f"{min(found)} is negative")
    return found


def _names(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    return [] if names == ["none"] else names


def _compare(options: argparse.Namespace, load: Load, report: Report) -> int:
    for option, path in (("--json", options.json), ("--html", options.html)):
        if path and not path.parent.is_dir():
            raise DataError(f"{option}: {path.parent} is no folder")
    work_dir = options.work_dir or _beside(options.json or options.html)
    if work_dir is None:
        options.fail("needs --json, --html or --work-dir: finished rows are kept beside them")
    from trainer.evaluate.contestants import own_contestants, peer_contestants
    from trainer.split import split_named

    # Names first: reading the data may take minutes, TensorFlow behind the models only seconds.
    make = split_named(options.split)
    peers, missing = peer_contestants(_names(options.peers), options.seeds)
    own = own_contestants(_names(options.models), options.seeds)
    for sentence in missing:
        report(sentence)
    if not peers and not own:
        raise DataError("there is nobody to compare: name --models or --peers")
    dataset = load(options)
    split = make(dataset)
    from trainer.evaluate.compare import Asked, compare

    work_dir.mkdir(exist_ok=True)
    baselines = [contestant for contestant in own if contestant.kind == "baseline"]
    ours = [contestant for contestant in own if contestant.kind != "baseline"]
    command = shlex.join(["python", "-m", "trainer", *_arguments()])
    asked = Asked([*baselines, *peers, *ours], missing, work_dir, command)
    comparison = compare(dataset, split, asked, report)
    if options.json:
        options.json.write_text(comparison.to_json(), encoding="utf-8")
        report(f"written to {options.json}")
    if options.html:
        from trainer.evaluate.report import write_report

        write_report(comparison, options.html)
        report(f"written to {options.html}")
    _show(comparison)
    return SOME_FAILED if len(comparison.left_out) > len(missing) else 0


def _beside(path: Path | None) -> Path | None:
    return path and path.with_name(f"{path.name}.rows")


def _arguments() -> list[str]:
    """Of this process, paths shortened to their names: a report may go to other people."""
    return [
        Path(text).name if "/" in text and Path(text).exists() else text for text in sys.argv[1:]
    ]


def _show(comparison: Comparison) -> None:
    """Prints a table of the rows, or one for each metric where there is a ladder."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=_FILE_WIDTH)
    name = f"{comparison.split}, {comparison.dataset['name']}"
    whole = [metric for metric in _SHOWN if any(metric in row.metrics for row in comparison.rows)]
    if whole:
        columns = {metric: metric for metric in whole}
        console.print(_table(name, comparison.rows, columns))
    rungs = sorted({n for row in comparison.rows for n in row.ladder})
    for metric in _ON_A_LADDER if rungs else ():
        columns = {f"n={n}": f"{metric} at n={n}" for n in rungs}
        console.print(_table(f"{metric}, {name}", comparison.rows, columns))


def _table(title: str, rows: Sequence[Row], columns: Mapping[str, str]) -> Table:
    """A line for each row that has one of the figures, by {heading: flat metric name}."""
    table = Table(title=title, box=None, pad_edge=False)
    table.add_column("model", no_wrap=True)
    for heading in ("seed", *columns, "train s", "MB"):
        table.add_column(heading, justify="right")
    for row in rows:
        figures = row.figures()
        cells = [f"{figures[m]:.4f}" if m in figures else "" for m in columns.values()]
        if any(cells):
            times = (f"{row.train_s:.1f}", f"{row.peak_mb:.0f}")
            table.add_row(row.model, str(row.seed), *cells, *times)
    return table
