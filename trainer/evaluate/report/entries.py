"""The rows of a comparison as the report shows them: one entry for each model, over its seeds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from trainer.evaluate.report.measures import base, rung
from trainer.evaluate.results import (
    Against,
    Comparison,
    Interval,
    Kind,
    Row,
    higher_is_better,
)

KINDS: Final[tuple[Kind, ...]] = ("ours", "peer", "baseline")
STYLES: Final[dict[Kind, tuple[str, ...]]] = {
    "ours": ("mark", "third", "fourth"),
    "peer": ("second", "fifth"),
    "baseline": ("quiet",),
}
"""Series colours by kind; the first one stands for the kind, and there are no more lines of a kind
in one plot than it has colours."""
DASHES: Final[dict[Kind, str]] = {"ours": "", "peer": "dashed", "baseline": "dotted"}


@dataclass(frozen=True, eq=False)
class Entry:
    """One model, fitted with one seed or several."""

    model: str
    rows: tuple[Row, ...]

    @property
    def kind(self) -> Kind:
        return self.rows[0].kind

    @cached_property
    def figures(self) -> dict[str, float]:
        """Mean over the seeds of each metric that every seed has, by flat name."""
        found = [row.figures() for row in self.rows]
        return {
            name: _mean(figures[name] for figures in found)
            for name in found[0]
            if all(name in figures for figures in found)
        }

    def seeds_range(self, metric: str) -> tuple[float, float] | None:
        """Lowest and highest figure of the seeds; None for a single one."""
        values = [row.figures()[metric] for row in self.rows]
        return (min(values), max(values)) if len(values) > 1 else None

    def interval(self, metric: str) -> Interval | None:
        """The interval of the figure: the mean of the seeds' limits."""
        found = [row.intervals[metric] for row in self.rows if metric in row.intervals]
        return _mean_interval(found) if found else None

    def against(self, metric: str) -> Against | None:
        """The difference to the best peer, as `interval` the mean over the seeds."""
        found = [row.against[metric] for row in self.rows if metric in row.against]
        if not found:
            return None
        difference = _mean(one.difference for one in found)
        return Against(found[0].peer, difference, _mean_interval([one.interval for one in found]))


def entries_of(comparison: Comparison) -> list[Entry]:
    """Ours, peers, baselines, as the rows stand inside a kind."""
    models = dict.fromkeys(row.model for row in comparison.rows)
    entries = [
        Entry(model, tuple(row for row in comparison.rows if row.model == model))
        for model in models
    ]
    return sorted(entries, key=lambda entry: KINDS.index(entry.kind))


def ranked(entries: Iterable[Entry], metric: str) -> list[Entry]:
    """Those with the metric, the best first, or the highest of a metric that does not judge."""
    sign = 1 if higher_is_better(metric) is False else -1
    having = [entry for entry in entries if metric in entry.figures]
    return sorted(having, key=lambda entry: sign * entry.figures[metric])


def shown_as_lines(entries: Iterable[Entry], metric: str) -> list[tuple[Entry, str]]:
    """The best of each kind with their colours, as many as a kind has: what a plot can hold.

    Args:
      metric: without a rung; on a ladder the last one decides.
    """
    listed = list(entries)
    names = {name for entry in listed for name in entry.figures if base(name) == metric}
    best = ranked(listed, max(names, key=lambda name: rung(name) or 0, default=metric))
    return [
        pair
        for kind in KINDS
        for pair in zip([e for e in best if e.kind == kind], STYLES[kind], strict=False)
    ]


def _mean(values: Iterable[float]) -> float:
    listed = list(values)
    return sum(listed) / len(listed)


def _mean_interval(intervals: Sequence[Interval]) -> Interval:
    return Interval(_mean(i.low for i in intervals), _mean(i.high for i in intervals))
