"""The plots of lines: learning, error by rating and by activity, recall, and the ladder.

Each returns "" where the comparison lacks what it shows. Each plot has its figures as a table.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape
from typing import Final

from trainer.drawing import Axis, Frame, Line, legend, nice_ticks, plot
from trainer.evaluate.report import measures
from trainer.evaluate.report.entries import DASHES, Entry, shown_as_lines
from trainer.evaluate.results import Row

_FRAME: Final = Frame(height=250)
_SMALL: Final = Frame(width=160, height=118, left=32, right=6, top=8)
Points = list[tuple[float, float]]


def card(heading: str, content: str, explanation: str = "") -> str:
    """A section with a heading; "" for no content."""
    if not content:
        return ""
    words = f'<p class="soft">{explanation}</p>' if explanation else ""
    return f"<section><h2>{heading}</h2>{words}{content}</section>"


def by_rating(entries: Sequence[Entry]) -> str:
    """RMSE, and predicted minus actual, at each actual rating."""
    rows = next((e.rows[0].by_rating for e in entries if e.rows[0].by_rating), ())
    if not rows:
        return ""
    ticks = [(error.rating, f"{error.rating:g}") for error in rows]
    x = "actual rating"
    errors = _of_rows(entries, "rmse", lambda row: [(e.rating, e.rmse) for e in row.by_rating])
    leaning = _of_rows(
        entries, "rmse", lambda row: [(e.rating, e.mean_error) for e in row.by_rating]
    )
    return card(
        "Error by rating",
        _figure("RMSE by actual rating", errors, x, ticks, "RMSE", from_zero=True),
        "How wrong the predictions are where the user gave 1, 2, ... stars.",
    ) + card(
        "Too high or too low",
        _figure(
            "Predicted minus actual rating", leaning, x, ticks, "predicted minus actual", level=0
        ),
        "Above zero a model flatters a movie, below it is too strict; all pull towards the mean.",
    )


def by_activity(entries: Sequence[Entry]) -> str:
    """The leading metrics by the number of ratings that a user has in training."""
    return "".join(_by_activity(entries, metric) for metric in measures.LEADING)


def _by_activity(entries: Sequence[Entry], metric: str) -> str:
    parts = [part for entry in entries for part in entry.rows[0].by_activity]
    names = list(dict.fromkeys(part.name for part in parts if metric in part.metrics))
    if len(names) < 2:
        return ""

    def points(row: Row) -> Points:
        having = [part for part in row.by_activity if metric in part.metrics]
        return [(names.index(part.name), part.metrics[metric]) for part in having]

    title, ticks = measures.title(metric), list(enumerate(names))
    lines = _of_rows(entries, metric, points)
    content = _figure(
        f"{title} by user activity", lines, "user's ratings in training", ticks, title
    )
    return card(f"{title} by user activity", content)


def recall_curves(entries: Sequence[Entry]) -> str:
    """Recall@k over k, on a logarithmic axis."""
    longest = max((len(entry.rows[0].recall_curve) for entry in entries), default=0)
    if longest < 2:
        return ""
    lines = _of_rows(
        entries,
        "ndcg@10",
        lambda row: [(k, recall) for k, recall in enumerate(row.recall_curve, 1)],
    )
    ticks = [(k, str(k)) for k in (1, 2, 5, 10, 20, 50, 100, 200, 500) if k <= longest]
    content = _figure(
        "Recall at k", lines, "length of the list, k", ticks, "Recall@k", from_zero=True, log=True
    )
    return card("Recall by length of the list", content)


def ladder(entries: Sequence[Entry]) -> str:
    """The leading metrics by the number of shown ratings of a user never seen in training."""
    return "".join(_ladder(entries, metric) for metric in measures.LEADING)


def _ladder(entries: Sequence[Entry], metric: str) -> str:
    rungs = [rung for entry in entries for rung in entry.rows[0].ladder.items()]
    shown = sorted({n for n, found in rungs if metric in found})
    if len(shown) < 2:
        return ""

    def points(row: Row) -> Points:
        having = [(i, row.ladder.get(n, {})) for i, n in enumerate(shown)]
        return [(i, found[metric]) for i, found in having if metric in found]

    title, ticks = measures.title(metric), [(i, str(n)) for i, n in enumerate(shown)]
    lines = _of_rows(entries, metric, points)
    content = _figure(f"{title} of new users", lines, "ratings shown so far", ticks, title)
    return card(f"{title} of new users", content)


def _of_rows(entries: Sequence[Entry], metric: str, points: Callable[[Row], Points]) -> list[Line]:
    """Lines of the best models by the metric that have points; of several seeds the first."""
    having = [entry for entry in entries if points(entry.rows[0])]
    return [
        Line(entry.model, points(entry.rows[0]), style, DASHES[entry.kind])
        for entry, style in shown_as_lines(having, metric)
    ]


def _figure(  # noqa: PLR0913 the parts of one figure
    name: str,
    lines: Sequence[Line],
    x_title: str,
    x_ticks: Sequence[tuple[float, str]],
    y_title: str,
    *,
    from_zero: bool = False,
    level: float | None = None,
    log: bool = False,
) -> str:
    values = [y for line in lines for _, y in line.points] + ([] if level is None else [level])
    first, last = x_ticks[0][0], x_ticks[-1][0]
    x = Axis(x_title, first, max(x for line in lines for x, _ in line.points), x_ticks, log)
    if not log:
        # Markers at the edges would be cut in half.
        margin = (last - first) * 0.03
        x = Axis(x_title, first - margin, last + margin, x_ticks)
    y = _y_axis(y_title, values, from_zero=from_zero)
    levels = [] if level is None else [level]
    drawn = plot(name, lines, x, y, levels=levels, frame=_FRAME, description=_told(lines))
    return (
        f"<figure>{drawn}<figcaption>{legend(lines)}</figcaption></figure>"
        f"{_as_table(lines, x_title, x_ticks)}"
    )


def _y_axis(title: str, values: Sequence[float], *, from_zero: bool, most: int = 5) -> Axis:
    low, high = min(values), max(values)
    low = min(low, 0) if from_zero else low
    margin = (high - low) * 0.06 or abs(high) * 0.05 or 1
    low, high = (low if from_zero else low - margin), high + margin
    ticks = [
        (tick, f"{tick:g}".replace("-", measures.MINUS)) for tick in nice_ticks(low, high, most)
    ]
    return Axis(title, low, high, ticks)


def _told(lines: Sequence[Line]) -> str:
    """Where each line starts and ends."""
    return " ".join(
        f"{line.label}: from {line.points[0][1]:.3g} to {line.points[-1][1]:.3g}." for line in lines
    )


def _as_table(lines: Sequence[Line], x_title: str, ticks: Sequence[tuple[float, str]]) -> str:
    heads = "".join(f'<th scope="col" class="n">{escape(label)}</th>' for _, label in ticks)
    body = []
    for line in lines:
        at = dict(line.points)
        cells = "".join(
            f'<td class="n">{at[value]:.4g}</td>' if value in at else "<td></td>"
            for value, _ in ticks
        )
        body.append(f'<tr><th scope="row">{escape(line.label)}</th>{cells}</tr>')
    return (
        f'<details><summary>The figures</summary><div class="scroll"><table><thead><tr>'
        f'<th scope="col">{escape(x_title)}</th>{heads}</tr></thead>'
        f"<tbody>{''.join(body)}</tbody></table></div></details>"
    )


def learning(entries: Sequence[Entry]) -> str:
    """A small plot for each model that learnt in epochs: on validation, and on training dotted."""
    return "".join(
        f"<li>{_learning(entry.model, metric, entry.rows[0])}</li>"
        for entry in entries
        for metric in _watched(entry.rows[0])
    )


def _watched(row: Row) -> list[str]:
    """Names of the curves without "val_", those of two epochs and more."""
    names = [name.removeprefix("val_") for name, values in row.curves.items() if len(values) > 1]
    return list(dict.fromkeys(names))


def _learning(model: str, metric: str, row: Row) -> str:
    keys = ((f"val_{metric}", "validation", "mark", ""), (metric, "training", "quiet", "dashed"))
    lines = [
        Line(label, list(enumerate(row.curves[key], 1)), style, dash, markers=False)
        for key, label, style, dash in keys
        if len(row.curves.get(key, ())) > 1
    ]
    epochs = max(len(line.points) for line in lines)
    x = Axis("epoch", 1, epochs, [(1, "1"), (epochs, str(epochs))])
    y = _y_axis("", [v for line in lines for _, v in line.points], from_zero=False, most=4)
    title = measures.title(metric)
    drawn = plot(
        f"{title} of {model} by epoch", lines, x, y, frame=_SMALL, description=_told(lines)
    )
    ends = ", ".join(f"{line.label} {line.points[-1][1]:.4f}" for line in lines)
    return (
        f"<figure>{drawn}<figcaption><b>{escape(model)}</b> {escape(title)}: {ends}"
        "</figcaption></figure>"
    )
