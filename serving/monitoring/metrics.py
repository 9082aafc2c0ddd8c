"""Counters and distributions, written out as tensorflow_model_server writes them.

Prometheus' own Python client cannot: it appends _total and _created to names, and the dashboards
and alerts of the real server's users match on names without them.
"""

from __future__ import annotations

import re
import threading
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

Labels = tuple[str, ...]

MAX_SERIES = 10_000
"""Of one metric; more are not kept, for callers choose some of the label values."""


def exponential_buckets(scale: float, factor: float, count: int) -> tuple[float, ...]:
    """The upper limits of all buckets but the last, which has none: scale, scale factor, ..."""
    return tuple(scale * factor**power for power in range(count))


class Metric:
    """One series for each combination of label values; safe for use by many threads."""

    def __init__(self, name: str, labels: Sequence[str] = ()) -> None:
        """`name` is TensorFlow's, such as /tensorflow/serving/request_count."""
        self.name = name
        self.exposed_name = re.sub(r"[^a-zA-Z0-9_]", ":", name)
        self.labels = tuple(labels)
        self._lock = threading.Lock()

    def _selector(self, values: Labels, *more: str) -> str:
        pairs = [
            f'{label}="{_escaped(value)}"' for label, value in zip(self.labels, values, strict=True)
        ]
        return "{" + ",".join([*pairs, *more]) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


class Counter(Metric):
    """A number that only grows."""

    def __init__(self, name: str, labels: Sequence[str] = ()) -> None:
        super().__init__(name, labels)
        self._values: dict[Labels, int] = {}

    def add(self, *labels: str, amount: int = 1) -> None:
        with self._lock:
            if labels in self._values or len(self._values) < MAX_SERIES:
                self._values[labels] = self._values.get(labels, 0) + amount

    def first_value(self) -> int:
        """Of the series that was made first; 0 before there is one."""
        with self._lock:
            return next(iter(self._values.values()), 0)

    def lines(self) -> list[str]:
        """TYPE line and series, in the text format of Prometheus."""
        with self._lock:
            values = list(self._values.items())
        series = [f"{self.exposed_name}{self._selector(key)} {value}" for key, value in values]
        return [f"# TYPE {self.exposed_name} counter", *series]


@dataclass(slots=True)
class _Distribution:
    counts: list[int]
    total: float = 0.0


class Sampler(Metric):
    """How observed values are distributed over fixed buckets."""

    def __init__(self, name: str, labels: Sequence[str], limits: Sequence[float]) -> None:
        super().__init__(name, labels)
        self._limits = tuple(limits)
        self._distributions: dict[Labels, _Distribution] = {}

    def observe(self, value: float, *labels: str) -> None:
        bucket = bisect_left(self._limits, value)
        with self._lock:
            found = self._distributions.get(labels)
            if found is None:
                if len(self._distributions) >= MAX_SERIES:
                    return
                found = _Distribution([0] * (len(self._limits) + 1))
                self._distributions[labels] = found
            found.counts[bucket] += 1
            found.total += value

    def first_value(self) -> int:
        """0: a distribution has no single value."""
        return 0

    def lines(self) -> list[str]:
        """TYPE line, cumulative buckets, sum and count of each series."""
        with self._lock:
            found = [(key, list(d.counts), d.total) for key, d in self._distributions.items()]
        name = self.exposed_name
        lines = [f"# TYPE {name} histogram"]
        limits = [*(f"{limit:g}" for limit in self._limits), "+Inf"]
        for labels, counts, total in found:
            for limit, below in zip(limits, accumulate(counts), strict=True):
                selector = self._selector(labels, f'le="{limit}"')
                lines.append(f"{name}_bucket{selector} {below}")
            selector = self._selector(labels)
            lines += [f"{name}_sum{selector} {total:g}", f"{name}_count{selector} {sum(counts)}"]
        return lines
