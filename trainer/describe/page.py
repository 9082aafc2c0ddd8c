"""A description as one HTML file that needs nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path
from string import Template
from typing import Final

import numpy as np

from trainer.describe.description import SHARE_TO_COVER, Coverage, Description
from trainer.describe.svg import columns, shares
from trainer.drawing import STYLE, Line

_PAGE: Final = Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
<style>
$style
.cards { columns: 2 26rem; column-gap: 1rem; }
.cards section { break-inside: avoid; margin-bottom: 1rem; }
.key::before { content: ""; display: inline-block; width: .8em; height: .8em; border-radius: 2px;
  margin-right: .35em; background: var(--mark); } .key.second::before { background: var(--second); }
.key { margin-right: 1rem; }
.share { width: 30%; } .share div { height: .7em; border-radius: 2px; background: var(--mark); }
.heat td, .heat th { padding: .2rem .3rem; text-align: center; border: 1px solid var(--card); }
.heat thead th { vertical-align: bottom; }
.heat thead span { writing-mode: vertical-rl; transform: rotate(180deg); max-height: 11rem;
  overflow: hidden; white-space: nowrap; text-overflow: ellipsis; font-weight: 400; }
</style>
</head>
<body>
<h1>$title</h1>
<p class="soft">$source</p>
<ul class="figures">$figures</ul>
<div class="cards">$cards</div>
<section class="wide"><h2>What the busiest users gave the most rated movies</h2>
<div class="scroll">$cross_tab</div></section>
<section class="wide"><h2>What was changed or left out while reading</h2>$notes</section>
</body>
</html>
""")


def write_html(description: Description, path: Path) -> None:
    """Writes the page; its folder exists."""
    cards = [
        _ratings(description),
        _coverage(description),
        *([_years(description)] if description.by_year else []),
        _most_rated(description),
        _genres(description),
    ]
    text = _PAGE.substitute(
        style=STYLE,
        title=escape(description.name),
        source=escape(description.source),
        figures=_figures(description),
        cards="".join(cards),
        cross_tab=_cross_tab(description),
        notes=_notes(description),
    )
    path.write_text(text, "utf-8")


def _figures(description: Description) -> str:
    low, high = description.rating_range
    rows = [
        ("ratings", f"{description.n_ratings:,}"),
        ("users", f"{description.n_users:,}"),
        (f"movies, {description.movies.n:,} rated", f"{description.n_movies:,}"),
        (f"mean rating, {low:g} to {high:g}", f"{description.mean_rating:.2f}"),
        ("of all users by rated movies is empty", f"{description.sparsity:.2%}"),
        ("movies with tags", f"{description.tagged_movies:,}"),
    ]
    if description.first and description.last:
        rows.append((f"to {description.last:%Y-%m-%d}", f"{description.first:%Y-%m-%d}"))
    return "".join(f"<li><b>{value}</b>{label}</li>" for label, value in rows)


def _card(title: str, content: str) -> str:
    return f"<section><h2>{title}</h2>{content}</section>"


def _ratings(description: Description) -> str:
    labels = [f"{value:g}" for value, _ in description.histogram]
    counts = [n for _, n in description.histogram]
    return _card("Ratings", columns("How often each rating occurs", labels, counts, "ratings"))


def _years(description: Description) -> str:
    labels = [str(year) for year, _ in description.by_year]
    counts = [n for _, n in description.by_year]
    return _card("Ratings by year", columns("Ratings in each year", labels, counts, "ratings"))


def _coverage(description: Description) -> str:
    users, movies = description.users, description.movies
    lines = [
        Line("users", _shares(users), "mark", markers=False),
        Line("movies", _shares(movies), "second", markers=False),
    ]
    plot = shares(
        "Share of the ratings that the busiest users and the most rated movies hold",
        lines,
        "share of users or movies, those with the most ratings first",
        SHARE_TO_COVER,
    )
    caption = (
        f'<span class="key">users</span><span class="key second">movies</span><br>'
        f"{_sentence('users', users)} {_sentence('movies', movies)}"
    )
    return _card(
        "Share of all ratings", f"<figure>{plot}<figcaption>{caption}</figcaption></figure>"
    )


def _shares(coverage: Coverage) -> list[tuple[float, float]]:
    return list(zip(coverage.kept / coverage.n, coverage.share, strict=True))


def _sentence(what: str, coverage: Coverage) -> str:
    return (
        f"{coverage.to_cover:,} of {coverage.n:,} {what} hold {SHARE_TO_COVER:.0%}; each has "
        f"{coverage.fewest:,} to {coverage.most:,} ratings, median {coverage.median:g}."
    )


def _most_rated(description: Description) -> str:
    rows = [
        (escape(movie.title), f"{movie.n:,}", f"{movie.mean:.2f}")
        for movie in description.most_rated
    ]
    return _card("Most rated movies", _table(("movie", "ratings", "mean"), rows))


def _genres(description: Description) -> str:
    most = max((genre.ratings for genre in description.genres), default=0)
    rows = [
        (
            escape(genre.genre),
            f"{genre.movies:,}",
            f"{genre.ratings:,}",
            "" if np.isnan(genre.mean) else f"{genre.mean:.2f}",
            f'<div style="width:{100 * genre.ratings / most if most else 0:.1f}%"></div>',
        )
        for genre in description.genres
    ]
    table = _table(("genre", "movies", "ratings", "mean", ""), rows)
    return _card("Genres", table + '<p class="soft">A movie may have several.</p>')


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table whose first column is text, an unnamed one a bar, and all others numbers."""
    styles = ["" if i == 0 else ' class="n"' if head else ' class="share"'
              for i, head in enumerate(heads)]  # fmt: skip
    lines = [[f"<th{style}>{head}</th>" for style, head in zip(styles, heads, strict=True)]]
    lines += [[f"<td{s}>{cell}</td>" for s, cell in zip(styles, row, strict=True)] for row in rows]
    body = "".join(f"<tr>{''.join(cells)}</tr>" for cells in lines)
    return f'<div class="scroll"><table>{body}</table></div>'


def _cross_tab(description: Description) -> str:
    tab = description.cross_tab
    low, high = description.rating_range
    heads = "".join(f'<th scope="col"><span>{escape(title)}</span></th>' for title in tab.movies)
    body = []
    for user, row in zip(tab.users, tab.ratings, strict=True):
        cells = "".join(_cell(value, (value - low) / (high - low)) for value in row)
        body.append(f'<tr><th scope="row">{escape(user)}</th>{cells}</tr>')
    return (
        f'<table class="heat"><thead><tr><th scope="col">user</th>{heads}</tr></thead>'
        f"<tbody>{''.join(body)}</tbody></table>"
    )


def _cell(value: float, share: float) -> str:
    if np.isnan(value):
        return "<td></td>"
    return f'<td style="background:rgba(var(--heat),{0.05 + 0.5 * share:.2f})">{value:g}</td>'


def _notes(description: Description) -> str:
    lines = [*description.repairs]
    lines += [f"Left out: {n:,} rows, {reason}." for reason, n in description.rejected.items()]
    if not lines:
        return '<p class="soft">Nothing.</p>'
    return f'<ul class="notes">{"".join(f"<li>{escape(line)}</li>" for line in lines)}</ul>'
