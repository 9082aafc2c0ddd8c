"""Who wins, by how much, and whether chance may explain it: a sentence for each leading metric."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from trainer.evaluate.report import measures
from trainer.evaluate.report.entries import Entry, ranked
from trainer.evaluate.results import Against, Kind


def verdict(entries: Sequence[Entry], metric: str) -> str:
    """One sentence as HTML; some entry has the metric."""
    order = ranked(entries, metric)
    best = order[0]
    title = measures.title(metric)
    figure = f"<b>{measures.written(metric, best.figures[metric])}</b>"
    score = f"wins with {_article(title)} {title} of {figure}"
    if best.kind == "ours":
        lead = f"<b>{escape(best.model)}</b> {score}"
        peer, baseline = _first(order, "peer"), _first(order, "baseline")
        rival = peer or baseline
        if rival is None:
            return f"{lead}; nothing else was compared."
        words = f"{lead}, {_distance(best, rival, metric)}"
        if peer and baseline and order.index(baseline) < order.index(peer):
            nearer = measures.written(metric, baseline.figures[metric])
            words += f"; between them is the baseline <b>{escape(baseline.model)}</b> with {nearer}"
        return f"{words}."
    lead = f"The {best.kind} <b>{escape(best.model)}</b> {score}"
    ours = _first(order, "ours")
    if ours is None:
        return f"{lead}; none of our models was compared."
    return f"{lead}; the best of ours is {_distance(ours, best, metric, named=True)}."


def winner_in_numbers(entries: Sequence[Entry], metric: str) -> str:
    """A sentence on the winner: how its seeds spread, and what it cost."""
    best = ranked(entries, metric)[0]
    spread = best.seeds_range(metric)
    words = f"Trained in {sum(row.train_s for row in best.rows) / len(best.rows):,.0f} s"
    if best.rows[0].parameters is not None:
        words += f", {best.rows[0].parameters:,} parameters"
    if spread:
        low, high = (measures.written(metric, value) for value in spread)
        words += f"; its {len(best.rows)} seeds lie between {low} and {high}"
    return f"{words}."


def _first(order: Sequence[Entry], kind: Kind) -> Entry | None:
    return next((entry for entry in order if entry.kind == kind), None)


def _article(title: str) -> str:
    """The article before an abbreviation or a word, as spoken: an RMSE, a Recall."""
    return "an" if title[0] in "RMN" and title[1].isupper() else "a"


def _distance(entry: Entry, rival: Entry, metric: str, *, named: bool = False) -> str:
    """How far the entry's figure is from the rival's, as in "0.0057 below the best peer, myfm".

    The paired interval is told where the rival is a peer, as those alone are bootstrapped.
    """
    found = entry.against(metric) if rival.kind == "peer" else None
    difference = found.difference if found else entry.figures[metric] - rival.figures[metric]
    side = "below" if difference < 0 else "above"
    whose = f"the best {rival.kind}, <b>{escape(found.peer if found else rival.model)}</b>"
    who = f"<b>{escape(entry.model)}</b>, " if named else ""
    words = f"{who}{measures.written(metric, abs(difference))} {side} {'it' if named else whose}"
    return words + (f" ({interval_words(found, metric)})" if found else "")


def interval_words(found: Against, metric: str) -> str:
    """The interval of a difference, and what it means where it holds zero."""
    low, high = found.interval.low, found.interval.high
    if found.established:
        low, high = sorted((abs(low), abs(high)))
        return f"95 % interval {measures.written(metric, low)} to {measures.written(metric, high)}"
    return (
        f"95 % interval {measures.signed(metric, low)} to {measures.signed(metric, high)}, "
        "so chance may explain it"
    )
