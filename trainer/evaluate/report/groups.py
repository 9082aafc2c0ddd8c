"""The leading metrics for groups of users and of movies, as a table."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from trainer.evaluate.report import measures
from trainer.evaluate.report.charts import card
from trainer.evaluate.report.entries import STYLES, Entry, shown_as_lines
from trainer.evaluate.results import Slice


def groups(entries: Sequence[Entry], metric: str) -> str:
    """A card: the metric for hot, warm and cold users, and for head and tail movies.

    Args:
      metric: without a rung; a ladder's groups are those at its last one.
    """
    having = [entry for entry in entries if _found(entry, metric)]
    order = [entry for entry, _ in shown_as_lines(having, metric)]
    if not order:
        return ""
    names = list(dict.fromkeys(name for entry in order for name in _found(entry, metric)))
    defined = {part.name: part for entry in order for part in _parts(entry)}
    heads = "".join(f'<th scope="col" class="n">{escape(name)}</th>' for name in names)
    body = "".join(_line(entry, metric, names) for entry in order)
    words = "; ".join(
        f"<b>{escape(name)}</b>: {escape(defined[name].definition)}, "
        f"{defined[name].n_rows:,} test rows"
        for name in names
    )
    return card(
        f"{measures.title(metric)} by kind of user and of movie",
        '<div class="scroll"><table><thead><tr><th scope="col">model</th>'
        f"{heads}</tr></thead><tbody>{body}</tbody></table></div>"
        f'<p class="soft">{words}.</p>',
    )


def _parts(entry: Entry) -> tuple[Slice, ...]:
    return entry.rows[0].user_slices + entry.rows[0].movie_slices


def _found(entry: Entry, metric: str) -> dict[str, float]:
    return {part.name: part.metrics[metric] for part in _parts(entry) if metric in part.metrics}


def _line(entry: Entry, metric: str, names: Sequence[str]) -> str:
    found = _found(entry, metric)
    cells = "".join(
        f'<td class="n">{measures.written(metric, found[name])}</td>'
        if name in found
        else "<td></td>"
        for name in names
    )
    return (
        f'<tr><th scope="row" class="{STYLES[entry.kind][0]}"><span>{escape(entry.model)}</span>'
        f"</th>{cells}</tr>"
    )
