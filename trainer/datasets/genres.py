"""Genres that stand as text in one column, such as "Action|Comedy"."""

from __future__ import annotations

from typing import Final

from trainer.datasets.dataset import Col
from trainer.datasets.rows import Rows

NONE_LISTED: Final = "(no genres listed)"
"""What MovieLens writes for a movie without genres; so does "unknown", and nothing at all."""


def split_genres(
    movies: Rows, separator: str, genres: tuple[str, ...] | None
) -> list[tuple[str, ...]]:
    """Each movie's genres in the data set's order, each once.

    A movie with a genre that the data set does not have is rejected.

    Args:
      movies: has a column `genres` of strings; rows are taken out of it.
      separator: between two genres.
      genres: the data set's; None = whatever the column names, in alphabetical order.

    Returns:
      One tuple a row of `movies`, as it is afterwards.
    """
    column = movies.table[Col.GENRES]
    combinations = {text: _names(text, separator) for text in column.unique()}
    if genres is None:
        genres = tuple(sorted(set().union(*combinations.values())))
    position = {genre: index for index, genre in enumerate(genres)}
    strange = [text for text, names in combinations.items() if not names <= position.keys()]
    movies.reject("a genre that the data set does not have", column.isin(strange))
    ordered = {
        text: tuple(sorted(names, key=position.__getitem__))
        for text, names in combinations.items()
        if names <= position.keys()
    }
    return [ordered[text] for text in movies.table[Col.GENRES]]


def _names(text: str, separator: str) -> set[str]:
    # Before the split: RecBole separates genres by the space that this text has inside.
    parts = text.replace(NONE_LISTED, "").split(separator)
    return {part.strip() for part in parts} - {"", "unknown"}
