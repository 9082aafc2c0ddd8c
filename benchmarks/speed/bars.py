"""The bars of issue 6: what each figure of latest.json has to reach."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Bar:
    """A figure, and what counts as good."""

    figure: str
    what: str
    bar: float
    beyond: float
    lower_is_better: bool = False

    def verdict(self, value: float) -> str:
        """One of "beyond", "met" and "missed"."""
        if self._reaches(value, self.beyond):
            return "beyond"
        return "met" if self._reaches(value, self.bar) else "missed"

    def _reaches(self, value: float, limit: float) -> bool:
        return value <= limit if self.lower_is_better else value >= limit


BARS: Final = (
    Bar("engine_over_floor", "in-process engine / floor, 64 in flight", 0.50, 0.65),
    Bar("hop_over_floor", "one hop to our model server / floor, sharing a core", 0.20, 0.30),
    Bar("over_bentoml", "in-process engine / BentoML adaptive batching", 5, 8),
    Bar("over_fastapi_tf", "in-process engine / FastAPI + TensorFlow", 4, 5),
    Bar("over_fastapi_numpy", "in-process engine / FastAPI + NumPy", 1.5, 2),
    Bar("gateway_ready_s", "gateway with a loaded store: ready, s", 1, 0.6, lower_is_better=True),
    Bar("gateway_rss_mb", "gateway with a loaded store: RSS, MB", 100, 80, lower_is_better=True),
    Bar("p50_over_floor", "1 in flight: in-process p50 / floor's", 3, 2, lower_is_better=True),
    Bar("scann_speedup_1m", "1 M movies: ScaNN / exact search, times as fast", 15, 25),
    Bar("scann_recall_1m", "1 M movies: ScaNN's recall@100 at that speed", 0.95, 0.97),
)


def flat(figures: Mapping[str, float]) -> dict[str, float]:
    """The object of latest.json: every figure with a bar, in the order of BARS, four digits.

    Raises:
      KeyError: a figure was not measured.
    """
    return {bar.figure: float(f"{figures[bar.figure]:.4g}") for bar in BARS}


def rows(figures: Mapping[str, float]) -> list[tuple[str, ...]]:
    """(what, measured, bar, beyond, verdict) of each bar."""
    return [
        (
            bar.what,
            f"{figures[bar.figure]:.3g}",
            f"{bar.bar:g}",
            f"{bar.beyond:g}",
            bar.verdict(figures[bar.figure]),
        )
        for bar in BARS
    ]
