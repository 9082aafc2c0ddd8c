"""A description for the terminal."""

from __future__ import annotations

import numpy as np
from rich.console import Console, Group
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from trainer.describe.description import SHARE_TO_COVER, Coverage, Description

_BAR_WIDTH = 30
_EIGHTHS = " ▏▎▍▌▋▊▉█"


def show_terminal(description: Description, console: Console | None = None) -> None:
    """Prints tables that fit a terminal of 80 columns."""
    console = console or Console()
    console.print(
        Panel(_summary(description), title=Text(description.source), title_align="left"),
        _notes(description),
        _bars("Ratings", [(f"{value:g}", n) for value, n in description.histogram]),
        _most_rated(description),
        _genres(description),
        _cross_tab(description),
    )


def _summary(description: Description) -> Group:
    low, high = description.rating_range
    span = (
        f"{description.first:%Y-%m-%d} to {description.last:%Y-%m-%d}"
        if description.first and description.last
        else "no timestamps"
    )
    return Group(
        f"{description.n_ratings:,} ratings from {low:g} to {high:g}, mean "
        f"{description.mean_rating:.3f}, {span}",
        _coverage("users", description.n_users, description.users),
        _coverage("movies", description.n_movies, description.movies),
        f"{description.sparsity:.2%} of the table of users and rated movies is empty; "
        f"{description.tagged_movies:,} movies have tags",
    )


def _coverage(what: str, n: int, coverage: Coverage) -> str:
    unrated = f", {n - coverage.n:,} of them without a rating" if n > coverage.n else ""
    return (
        f"{n:,} {what}{unrated}; {coverage.fewest:,} to {coverage.most:,} ratings each, median "
        f"{coverage.median:g}; {coverage.to_cover:,} hold {SHARE_TO_COVER:.0%} of the ratings"
    )


def _notes(description: Description) -> Text:
    lines = [*description.repairs]
    lines += [f"left out: {n:,} rows, {reason}" for reason, n in description.rejected.items()]
    return Text("\n".join(f"  {line}" for line in lines), style="dim")


def _bars(title: str, rows: list[tuple[str, int]]) -> Table:
    table = Table(title=title, title_justify="left", box=None, show_header=False)
    for justify in ("right", "left", "right"):
        table.add_column(justify=justify)
    most = max(n for _, n in rows)
    for label, n in rows:
        table.add_row(Text(label), Text(_bar(n / most), style="cyan"), f"{n:,}")
    return table


def _bar(share: float) -> str:
    whole, eighths = divmod(round(share * _BAR_WIDTH * 8), 8)
    return "█" * whole + (_EIGHTHS[eighths] if eighths else "")


def _most_rated(description: Description) -> Table:
    table = Table(title="Most rated movies", title_justify="left", box=None)
    table.add_column("movie", overflow="ellipsis", no_wrap=True, max_width=50)
    table.add_column("id", justify="right")
    table.add_column("ratings", justify="right")
    table.add_column("mean", justify="right")
    for movie in description.most_rated:
        # Text: a title with brackets is no markup.
        table.add_row(Text(movie.title), Text(movie.movie_id), f"{movie.n:,}", f"{movie.mean:.2f}")
    return table


def _genres(description: Description) -> Table:
    table = Table(title="Genres (a movie may have several)", title_justify="left", box=None)
    table.add_column("genre", no_wrap=True)
    for name in ("movies", "ratings", "mean"):
        table.add_column(name, justify="right")
    for genre in description.genres:
        mean = "" if np.isnan(genre.mean) else f"{genre.mean:.2f}"
        table.add_row(Text(genre.genre), f"{genre.movies:,}", f"{genre.ratings:,}", mean)
    return table


def _cross_tab(description: Description) -> Group:
    tab = description.cross_tab
    n_users, n_movies = len(tab.users), len(tab.movies)
    table = Table(
        title=f"What the {n_users} busiest users gave the {n_movies} most rated movies",
        title_justify="left",
        box=None,
        padding=(0, 1, 0, 0),
    )
    table.add_column("user", justify="right", no_wrap=True, max_width=12)
    for number in range(1, len(tab.movies) + 1):
        table.add_column(str(number), justify="right", no_wrap=True)
    for user, row in zip(tab.users, tab.ratings, strict=True):
        table.add_row(Text(user), *("·" if np.isnan(cell) else f"{cell:g}" for cell in row))
    legend = "  ".join(f"{number} {title}" for number, title in enumerate(tab.movies, 1))
    return Group(table, Text(legend, style="dim"))
