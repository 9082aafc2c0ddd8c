"""The report: what was asked, who won, and the parts that the comparison has."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path
from string import Template
from typing import Final

from trainer.drawing import STYLE
from trainer.evaluate.report import bars, behaviour, charts, measures, movie_map
from trainer.evaluate.report.charts import card
from trainer.evaluate.report.entries import KINDS, STYLES, Entry, entries_of, ranked
from trainer.evaluate.report.groups import groups
from trainer.evaluate.report.table import GROUPS, table
from trainer.evaluate.report.verdict import verdict, winner_in_numbers
from trainer.evaluate.results import Comparison

_PAGE: Final = Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
<style>
$style</style>
</head>
<body>
$body
<script>$script</script>
</body>
</html>
""")
_CAUTION: Final = "Caution:"
"""What a sentence of the protocol starts with that is shown apart."""
_ADVICE: Final = (
    "Read such a figure beside a model that ignores the order of the history, and beside a split "
    "by global time."
)
_PART_STYLES: Final = {"train": "mark", "validation": "third", "test": "second"}


def write_report(comparison: Comparison, path: Path) -> None:
    """Writes the page as UTF-8; the folder exists.

    Raises:
      ValueError: the comparison has no rows.
    """
    if not comparison.rows:
        raise ValueError("a comparison without rows has nothing to report")
    path.write_text(_page(comparison), "utf-8")


def _page(comparison: Comparison) -> str:
    entries = entries_of(comparison)
    leading = measures.leading(name for entry in entries for name in entry.figures)
    if leading:
        # The best first inside a kind; those without the first leading metric after them.
        order = ranked(entries, leading[0])
        order += [entry for entry in entries if entry not in order]
        entries = sorted(order, key=lambda entry: KINDS.index(entry.kind))
    body = [
        _header(comparison),
        _top(comparison, entries, leading),
        _caution(comparison),
        *(_bars(entries, metric) for metric in leading),
        f'<section class="wide"><h2>Every model</h2>{table(entries)}</section>',
        _learning(entries),
        _cards(entries),
        _map(comparison),
        _notes(comparison, entries),
    ]
    return _PAGE.substitute(
        title=escape(f"{_name(comparison)}, split {comparison.split}"),
        style=STYLE + behaviour.STYLE,
        body="\n".join(part for part in body if part),
        script=behaviour.SCRIPT,
    )


def _name(comparison: Comparison) -> str:
    return str(comparison.dataset.get("name", "a data set"))


def _header(comparison: Comparison) -> str:
    source = " · ".join(
        escape(str(text))
        for text in (
            comparison.dataset.get("source", ""),
            comparison.created_at.replace("T", " "),
        )
        if text
    )
    return (
        f'<header><p class="over">Comparison of models</p><h1>{escape(_name(comparison))}, '
        f"split {escape(comparison.split)}</h1>"
        + (f'<p class="soft">{source}</p>' if source else "")
        + "</header>"
    )


def _tiles(comparison: Comparison) -> str:
    dataset = comparison.dataset
    models = len(dict.fromkeys(row.model for row in comparison.rows))
    tiles = [(f"{models}", "models compared")]
    tiles += [
        (f"{dataset[name]:,}", name) for name in ("ratings", "users", "movies") if name in dataset
    ]
    figures = "".join(f"<li><b>{value}</b>{label}</li>" for value, label in tiles)
    return f'<ul class="figures">{figures}</ul>'


def _top(comparison: Comparison, entries: Sequence[Entry], leading: Sequence[str]) -> str:
    return (
        f'<div class="top"><div>{_verdict(entries, leading)}{_tiles(comparison)}</div>'
        f"{_how(comparison)}</div>"
    )


def _verdict(entries: Sequence[Entry], leading: Sequence[str]) -> str:
    sentences = "".join(
        f'<p>{verdict(entries, metric)}</p><p class="soft">{winner_in_numbers(entries, metric)}</p>'
        for metric in leading
    )
    return (
        f'<section class="verdict" aria-label="Verdict">{sentences}</section>' if sentences else ""
    )


def _caution(comparison: Comparison) -> str:
    """Cautions of the protocol, which it has for a split by time."""
    found = [s for s in comparison.protocol if s.startswith(_CAUTION)]
    if not found:
        return ""
    sentences = " ".join(escape(sentence.removeprefix(_CAUTION).strip()) for sentence in found)
    return (
        '<section class="caution"><h2>Caution: the order of the ratings</h2>'
        f"<p>{sentences[0].upper()}{sentences[1:]} {_ADVICE}</p></section>"
    )


def _bars(entries: Sequence[Entry], metric: str) -> str:
    title = measures.title(metric)
    keys = "".join(
        f'<li class="{STYLES[kind][0]}">{GROUPS[kind]}</li>'
        for kind in KINDS
        if any(entry.kind == kind and metric in entry.figures for entry in entries)
    )
    figures = card(
        f"{title} with 95 % intervals" if any(e.interval(metric) for e in entries) else title,
        f'<ul class="keys">{keys}</ul>{bars.figures(entries, metric)}',
    )
    differences = card(f"{title}: ours against the best peer", bars.differences(entries, metric))
    beside = differences + groups(entries, measures.base(metric))
    return f'<div class="pair">{figures}{f"<div>{beside}</div>" if beside else ""}</div>'


def _learning(entries: Sequence[Entry]) -> str:
    plots = charts.learning(entries)
    if not plots:
        return ""
    return (
        '<section class="wide"><h2>Learning curves</h2><p class="soft">After each epoch, on the '
        "validation part (line) and on the training part (dashed, grey).</p>"
        f'<ul class="small">{plots}</ul></section>'
    )


def _cards(entries: Sequence[Entry]) -> str:
    cards = "".join(
        part(entries)
        for part in (
            charts.ladder,
            charts.recall_curves,
            charts.by_rating,
            charts.by_activity,
        )
    )
    if not cards:
        return ""
    words = "The plots show at most the best three of ours, two peers and one baseline."
    if any(len(entry.rows) > 1 for entry in entries):
        words += " Of a model with several seeds they show the first."
    return f'<p class="soft">{words}</p><div class="cards">{cards}</div>'


def _map(comparison: Comparison) -> str:
    found = comparison.movie_map
    if found is None or len(found.points) < 3:
        return ""
    words = (
        f"The {len(found.points):,} most-rated movies as <b>{escape(found.model)}</b> sees them: "
        f"near each other are movies that it finds alike. {escape(found.method)}."
    )
    return (
        f'<section class="wide"><h2>Map of the movies</h2><p class="soft">{words}</p>'
        f"{movie_map.drawn(found)}</section>"
    )


def _how(comparison: Comparison) -> str:
    total = sum(comparison.parts.values())
    parts = {part: n for part, n in comparison.parts.items() if n}
    shares = keys = ""
    for part, n in parts.items():
        style = _PART_STYLES.get(part, "quiet")
        shares += f'<span class="{style}" style="flex:{n}"></span>'
        keys += f'<li class="{style}">{escape(part)} <b>{n:,}</b> ({n / total:.0%})</li>'
    sentences = "".join(
        f"<li>{escape(sentence)}</li>"
        for sentence in comparison.protocol
        if not sentence.startswith(_CAUTION)
    )
    bar = f'<div class="parts" aria-hidden="true">{shares}</div><ul class="keys">{keys}</ul>'
    if not parts and not sentences:
        return ""
    return (
        "<section><h2>What was held out, and what was chosen where</h2>"
        f"{bar if parts else ''}"
        + (f'<ul class="notes">{sentences}</ul>' if sentences else "")
        + "</section>"
    )


def _notes(comparison: Comparison, entries: Sequence[Entry]) -> str:
    notes = [escape(sentence) for sentence in comparison.left_out]
    notes += [
        f"<b>{escape(entry.model)}</b>: {escape(note)}"
        for entry in entries
        for note in dict.fromkeys(note for row in entry.rows for note in row.notes)
    ]
    listed = "".join(f"<li>{note}</li>" for note in notes)
    command = (
        f"<p>Made by <code>{escape(comparison.command)}</code></p>" if comparison.command else ""
    )
    if not listed and not command:
        return ""
    return (
        '<section class="wide"><h2>Left out, and notes</h2>'
        + (f'<ul class="notes">{listed}</ul>' if listed else "")
        + f"{command}</section>"
    )
