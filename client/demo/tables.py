"""The story as tables for a terminal of any width, with or without colour."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from client.answers import Recommendation, SimilarMovie
from client.demo.check import LIST_SIZE, CheckResult
from client.demo.story import Comparison, Story, degraded_reasons, releases
from client.models import Movie, Profile, UserState

MAX_STARS: Final = 5


def stars(rating: float, *, ascii_only: bool = False) -> str:
    """Stars to the nearest half and the number: 4.6 is ★★★★½ 4.6.

    A rating above 5 is of another scale and has its number alone.
    """
    full, half = ("*", "+") if ascii_only else ("★", "½")
    halves = round(rating * 2)
    if not 0 <= halves <= 2 * MAX_STARS:
        return f"{rating:.1f}"
    drawn = full * (halves // 2) + half * (halves % 2)
    return f"{drawn:<{MAX_STARS}} {rating:.1f}"


def show_story(console: Console, story: Story) -> None:
    """Prints every table of the story that has rows."""
    user_id = story.user.user_id
    _introduce(console, story)
    if story.loved:
        _show(console, _loved(console, story.loved), f"What user {user_id} loved")
    _show(
        console,
        _recommended(console, story.recommendations.items),
        f"What we recommend to user {user_id}",
    )
    if story.recommendations:
        _say(console, "The order is what to watch next; the stars are the rating to expect.")
    if story.comparisons:
        _show_comparisons(console, story)
    if story.similar_to and story.similar:
        table = _similar(story.similar.items)
        _show(console, table, f"Movies like {story.similar_to}")
    _show(console, _recommended(console, story.guest.items), "What a guest gets")
    _conclude(console, story)


def show_check(console: Console, result: CheckResult) -> None:
    """Prints what the check measured."""
    _say(
        console,
        f"Recall@{LIST_SIZE} over {result.n_users} users: {result.recall:.3f}, "
        f"popularity {result.popularity_recall:.3f}. Users {result.pair[0]} and {result.pair[1]} "
        f"share {result.overlap:.0%} of their lists.",
    )


def _introduce(console: Console, story: Story) -> None:
    user, n_ratings = story.user, len(story.user.ratings)
    person = _person(user.profile)
    name = f"User {user.user_id} ({person})" if person else f"User {user.user_id}"
    if user.user_state is UserState.HOT:
        _say(console, f"{name} has rated {n_ratings} movie{'s' if n_ratings > 1 else ''}.")
    else:
        _say(console, f"{name} has no ratings here, so this is a {user.user_state.value} start.")


def _person(profile: Profile) -> str:
    """What is known of somebody: "30, M, writer"; empty when nothing is."""
    known = (str(profile.age or ""), profile.gender, profile.occupation)
    return ", ".join(filter(None, known))


def _conclude(console: Console, story: Story) -> None:
    versions = releases(story.answers)
    named = ", ".join(map(str, versions))
    _say(console, f"Answered by release{'s' if len(versions) > 1 else ''} {named}.")
    if reasons := degraded_reasons(story.answers):
        text = f"Degraded, second best: {', '.join(reasons)}."
        console.print(text, style="yellow", markup=False, highlight=False)


def _show_comparisons(console: Console, story: Story) -> None:
    kind = "held-out" if story.held_out else "known"
    table = _compared(console, story.comparisons)
    _show(console, table, f"Predicted beside actual: {kind} ratings of user {story.user.user_id}")
    note = f"Mean absolute error {story.mean_absolute_error():.2f} of {len(story.comparisons)}"
    if story.held_out:
        _say(console, f"{note} ratings that no model has seen.")
    else:
        _say(console, f"{note} ratings that the models may have learnt: no held-out ones here.")


def _loved(console: Console, loved: Iterable[tuple[Movie, float]]) -> Table:
    table = _table()
    _movie_columns(table)
    table.add_column("rating", no_wrap=True, style="yellow")
    for movie, rating in loved:
        table.add_row(*_movie_cells(movie), _stars(console, rating))
    return table


def _recommended(console: Console, items: Iterable[Recommendation]) -> Table:
    table = _table()
    table.add_column("#", justify="right", no_wrap=True, style="dim")
    _movie_columns(table)
    table.add_column("predicted", no_wrap=True, style="yellow")
    table.add_column("source", no_wrap=True, style="dim")
    for rank, item in enumerate(items, 1):
        predicted = _stars(console, item.predicted_rating)
        table.add_row(str(rank), *_movie_cells(item.movie), predicted, item.source.value)
    return table


def _compared(console: Console, comparisons: Iterable[Comparison]) -> Table:
    table = _table()
    table.add_column("title", ratio=1, overflow="fold", style="bold")
    table.add_column("predicted", no_wrap=True, style="yellow")
    table.add_column("actual", no_wrap=True, style="yellow")
    table.add_column("error", justify="right", no_wrap=True)
    for row in comparisons:
        cells = (_stars(console, row.predicted), _stars(console, row.actual), f"{row.error:+.1f}")
        table.add_row(Text(str(row.movie)), *cells)
    return table


def _similar(items: Iterable[SimilarMovie]) -> Table:
    table = _table()
    _movie_columns(table)
    table.add_column("alike", justify="right", no_wrap=True)
    for item in items:
        table.add_row(*_movie_cells(item.movie), f"{item.score:.2f}")
    return table


def _table() -> Table:
    return Table(box=box.SIMPLE, pad_edge=False, header_style="dim")


def _movie_columns(table: Table) -> None:
    # Long titles and genre lists wrap: nothing is cut off at 80 columns.
    table.add_column("title", min_width=20, overflow="fold", style="bold")
    table.add_column("year", no_wrap=True)
    table.add_column("genres", min_width=12, overflow="fold")


def _movie_cells(movie: Movie) -> tuple[Text, str, Text]:
    title = Text(movie.title or movie.movie_id)
    return title, str(movie.year or ""), Text(", ".join(movie.genres))


def _stars(console: Console, rating: float) -> str:
    return stars(rating, ascii_only=console.options.ascii_only)


def _show(console: Console, table: Table, title: str) -> None:
    console.print()
    console.print(Text(title, style="bold cyan"))
    if table.row_count:
        console.print(table)
    else:
        _say(console, "  nothing")


def _say(console: Console, text: str) -> None:
    console.print(text, markup=False, highlight=False)
