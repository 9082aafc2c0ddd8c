"""All rows as one table, grouped by kind; a small script makes it sortable."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Final

from trainer.evaluate.report import measures
from trainer.evaluate.report.entries import KINDS, STYLES, Entry, ranked
from trainer.evaluate.results import Kind, Row, higher_is_better

GROUPS: Final[dict[Kind, str]] = {"ours": "Ours", "peer": "Peers", "baseline": "Baselines"}
_SCORED: Final = {
    "saved_model": "exported SavedModel",
    "in_process": "in process",
    "peer": "the peer's own library",
}


def table(entries: Sequence[Entry]) -> str:
    """The rows, a <tbody> for each kind; of each judging metric the best figure is marked."""
    metrics = measures.in_order(name for entry in entries for name in entry.figures)
    best = {m: ranked(entries, m)[0] for m in metrics if higher_is_better(m) is not None}
    heads = [
        f'<th scope="col" class="n" title="{escape(measures.meaning(m))}">{measures.title(m)}</th>'
        for m in metrics
    ]
    columns = 2 + len(metrics) + len(_COSTS)
    bodies = []
    for kind in KINDS:
        group = [entry for entry in entries if entry.kind == kind]
        if group:
            head = (
                f'<tr class="group {STYLES[kind][0]}"><th colspan="{columns}" scope="rowgroup">'
                f"<span>{GROUPS[kind]}</span></th></tr>"
            )
            lines = "".join(_line(entry, metrics, best) for entry in group)
            bodies.append(f"<tbody>{head}{lines}</tbody>")
    several = any(len(entry.rows) > 1 for entry in entries)
    spread = " Figures are means over the seeds, ± their standard deviation." if several else ""
    costs = "".join(f'<th scope="col" class="n">{name}</th>' for name in _COSTS)
    return (
        '<p class="soft" id="marks">The best figure of each column is marked '
        f'<b class="best">so</b>.{spread}</p>'
        '<div class="scroll" tabindex="0" role="region" aria-label="Every model">'
        '<table class="rows" aria-describedby="marks">'
        f'<thead><tr><th scope="col">Model</th>{"".join(heads)}{costs}'
        '<th scope="col" class="how">Scored</th></tr></thead>'
        f"{''.join(bodies)}</table></div>"
    )


_COSTS: Final = ("Training, s", "Peak, MiB", "Parameters", "Seeds")


def _line(entry: Entry, metrics: Sequence[str], best: dict[str, Entry]) -> str:
    cells = [_figure(entry, metric, best=best.get(metric) is entry) for metric in metrics]
    rows = entry.rows
    seconds = sum(row.train_s for row in rows) / len(rows)
    memory = max(row.peak_mb for row in rows)
    parameters = rows[0].parameters
    cells += [
        _cell(seconds, f"{seconds:,.1f}"),
        _cell(memory, f"{memory:,.0f}"),
        _cell(parameters, f"{parameters:,}") if parameters is not None else _EMPTY,
        _cell(len(rows), str(len(rows))),
    ]
    name = (
        f'<th scope="row" class="{STYLES[entry.kind][0]}" data-v="{escape(entry.model)}">'
        f"<span>{escape(entry.model)}</span></th>"
    )
    scored = escape(how_scored(rows[0]))
    return f'<tr>{name}{"".join(cells)}<td class="how" data-v="{scored}">{scored}</td></tr>'


_EMPTY: Final = '<td class="n"></td>'


def _cell(value: float, text: str) -> str:
    return f'<td class="n" data-v="{value}">{text}</td>'


def _figure(entry: Entry, metric: str, *, best: bool) -> str:
    if metric not in entry.figures:
        return _EMPTY
    value = entry.figures[metric]
    text = measures.written(metric, value)
    if best:
        text = f'<b class="best">{text}</b>'
    if len(entry.rows) > 1:
        values = [row.figures()[metric] for row in entry.rows]
        deviation = (sum((v - value) ** 2 for v in values) / (len(values) - 1)) ** 0.5
        text += f"<small>± {measures.written(metric, deviation)}</small>"
    return _cell(value, text)


def how_scored(row: Row) -> str:
    """Where the figures come from, in a few words."""
    words = _SCORED[row.scored]
    return f"{words}, ranked by {row.topn_of}" if row.topn_of else words
