"""Figures as bars with their 95 % intervals, a line of the page for each model.

Positions inside a track are percentages, so that text keeps its size from phone to desk.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from statistics import median
from typing import Final

from trainer.drawing import nice_ticks
from trainer.evaluate.report import measures
from trainer.evaluate.report.entries import STYLES, Entry, ranked
from trainer.evaluate.report.verdict import interval_words
from trainer.evaluate.results import higher_is_better

_CUT: Final = 2.5
"""Where an axis does not start at zero it ends at this multiple of the distance from the best to
the median figure: else a few very bad baselines would squeeze all others together."""
_REACH: Final = 4
"""Differences are shown up to this multiple of the largest limit of the best three."""


@dataclass(frozen=True)
class _Track:
    low: float
    high: float

    def at(self, value: float) -> float:
        """Percent of the width, inside it."""
        return 100 * min(max((value - self.low) / (self.high - self.low), 0), 1)

    def ruler(self, labels: Sequence[tuple[float, str]]) -> str:
        words = "".join(
            f'<text class="label" x="{self.at(value):.2f}%" y="12" text-anchor="middle">'
            f"{label}</text>"
            for value, label in labels
        )
        return (
            '<li class="ruler" aria-hidden="true"><span></span>'
            f'<svg height="16">{words}</svg><span></span></li>'
        )

    def line(self, value: float, style: str) -> str:
        at = f"{self.at(value):.2f}%"
        return f'<line class="{style}" x1="{at}" x2="{at}" y1="0" y2="100%"/>'

    def dot(self, value: float) -> str:
        """A dot, or an arrow at the edge that the value lies beyond."""
        if value > self.high:
            return '<text class="fill beyond" x="100%" y="18" text-anchor="end">▸</text>'
        if value < self.low:
            return '<text class="fill beyond" x="0" y="18">◂</text>'
        return f'<circle class="fill" cx="{self.at(value):.2f}%" cy="13" r="4.5"/>'

    def bar(self, low: float, high: float, style: str, height: int) -> str:
        start, end = self.at(low), self.at(high)
        return (
            f'<rect class="{style}" x="{start:.2f}%" width="{end - start:.2f}%" '
            f'y="{13 - height / 2:g}" height="{height}" rx="2"/>'
        )


def figures(entries: Sequence[Entry], metric: str) -> str:
    """Every model's figure, the best first.

    Bars start at zero where more is better. Errors are shown as dots on their intervals over an
    axis that starts near the best: none of them is near zero, and from there all would look alike.
    """
    order = ranked(entries, metric)
    values = [entry.figures[metric] for entry in order]
    limits = [(i.low, i.high) for e in order if (i := e.interval(metric))]
    from_zero = higher_is_better(metric) is not False
    highest = max([*values, *(high for _, high in limits)])
    lowest = min([*values, *(low for low, _ in limits)])
    cut = False
    if from_zero:
        track = _Track(0, highest * 1.02 or 1)
    else:
        end = values[0] + _CUT * (median(values) - values[0])
        cut = len(values) > 3 and lowest < end < highest
        high = end if cut else highest
        margin = (high - lowest) * 0.04 or 0.01
        track = _Track(lowest - margin, high + margin)
    ticks = nice_ticks(track.low, track.high)
    peer = next((entry for entry in order if entry.kind == "peer"), None)
    under = "".join(track.line(tick, "axis") for tick in ticks)
    if peer:
        under += track.line(peer.figures[metric], "level")
    rows = [track.ruler([(tick, f"{tick:g}") for tick in ticks])]
    rows += [_row(entry, metric, track, under, from_zero=from_zero) for entry in order]
    words = [f"{measures.title(metric)}: {measures.meaning(metric)}."]
    words += [] if from_zero else [f"The axis starts at {track.low:.2f}, not at zero."]
    words += ["An arrow marks a figure beyond the axis."] if cut else []
    words += [f"Dashed: the best peer, {escape(peer.model)}."] if peer else []
    if any(len(entry.rows) > 1 for entry in order):
        words += ["Figures are means over seeds; thin strokes are the single seeds."]
    return f'<p class="soft">{" ".join(words)}</p><ol class="bars">{"".join(rows)}</ol>'


def _row(entry: Entry, metric: str, track: _Track, under: str, *, from_zero: bool) -> str:
    value, interval = entry.figures[metric], entry.interval(metric)
    best_of_kind = STYLES[entry.kind][0]
    text = measures.written(metric, value)
    between = ""
    shapes = [under]
    if from_zero:
        shapes.append(track.bar(0, value, "fill bar", 14))
    if interval:
        between = f"{measures.written(metric, interval.low)} to {_end(metric, interval.high)}"
        style = "whisker" if from_zero else "fill band"
        shapes.append(track.bar(interval.low, interval.high, style, 2 if from_zero else 14))
    if entry.seeds_range(metric):
        shapes += [track.line(row.figures()[metric], "seed") for row in entry.rows]
    if not from_zero:
        shapes.append(track.dot(value))
    told = f"{entry.model}: {text}" + (f", 95 % interval {between}" if between else "")
    return (
        f'<li class="{best_of_kind} {entry.kind}"><span class="name">{escape(entry.model)}</span>'
        f'<svg height="26" role="img" aria-label="{escape(told)}"><title>{escape(told)}</title>'
        f"{''.join(shapes)}</svg>"
        f'<span class="n">{text}<small>{between}</small></span></li>'
    )


def _end(metric: str, value: float) -> str:
    return measures.written(metric, value)


def differences(entries: Sequence[Entry], metric: str) -> str:
    """Each of our models against the best peer, paired over the same test rows; "" without any."""
    order = [e for e in ranked(entries, metric) if e.kind == "ours" and e.against(metric)]
    found = [(entry, against) for entry in order if (against := entry.against(metric))]
    if not found:
        return ""
    more = higher_is_better(metric) is not False
    limits = [max(abs(a.interval.low), abs(a.interval.high)) for _, a in found]
    reach = min(max(limits), _REACH * max(limits[:3])) * 1.05 or 1
    track = _Track(-reach, reach)
    ticks = nice_ticks(-reach, reach, 3)
    under = "".join(track.line(tick, "level" if tick == 0 else "axis") for tick in ticks)
    rows = [track.ruler([(tick, f"{tick:g}".replace("-", measures.MINUS)) for tick in ticks])]
    for entry, against in found:
        text = measures.signed(metric, against.difference)
        wins = (against.difference > 0) == more
        outcome = ("better" if wins else "worse") if against.established else "open"
        told = f"{entry.model}: {text}, {interval_words(against, metric)}"
        dot = track.dot(against.difference)
        band = track.bar(against.interval.low, against.interval.high, "fill band", 14)
        rows.append(
            f'<li class="{"mark" if outcome == "better" else "quiet"}">'
            f'<span class="name">{escape(entry.model)}</span>'
            f'<svg height="26" role="img" aria-label="{escape(told)}">'
            f"<title>{escape(told)}</title>{under}{band}{dot}</svg>"
            f'<span class="n">{text}<small>{outcome}</small></span></li>'
        )
    way = "right" if more else "left"
    return (
        f'<p class="soft">Figure minus that of {escape(found[0][1].peer)}, the best peer on this '
        f"test part, over the same test rows; {way} of the dashed line is better. Open: the "
        "95 % interval holds zero.</p>"
        f'<ol class="bars differences">{"".join(rows)}</ol>'
    )
