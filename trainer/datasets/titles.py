"""A movie's title and its year, taken apart."""

from __future__ import annotations

from typing import Final

import pandas as pd

from trainer.datasets.dataset import Col

FIRST_YEAR: Final = 1888
"""The oldest surviving film."""
LAST_YEAR: Final = 2100

# A series has a range, "(2006-2007)" or, while it runs, "(2011- )". IMDb marks videos, television
# films, games and namesakes behind the year.
_TITLE_AND_YEAR: Final = (
    r"^(.+?)\s*\((\d{4})(\s*[-\u2013]\s*(?:\d{4})?\s*)?\)(?:\s*\((V|TV|VG|[IVX]+)\))?$"
)
_EXAMPLES: Final = 5


def split_titles(titles: pd.Series, movie_ids: pd.Series) -> tuple[pd.DataFrame, list[str]]:
    """Takes the trailing year off titles such as "Seven (Se7en) (1995)".

    Only the last parentheses are read as a year; a mark such as "(V)" behind them is dropped.
    Of a range of years the first counts. A title without a year stays whole.

    Args:
      titles: as the file has them.
      movie_ids: of the same rows, for the sentences.

    Returns:
      title and year (int64, 0 = unknown) with the index of `titles`; a sentence for each
      kind of repair.
    """
    table, repairs = _take_apart(titles, movie_ids)
    without = movie_ids[(table[Col.YEAR] == 0) & ~titles.str.strip().str.fullmatch(_TITLE_AND_YEAR)]
    return table, [*repairs, *_sentence("No year behind the title: 0 (unknown)", without)]


def _take_apart(titles: pd.Series, movie_ids: pd.Series) -> tuple[pd.DataFrame, list[str]]:
    stripped = titles.str.strip()
    parts = stripped.str.extract(_TITLE_AND_YEAR)
    found = parts[1].notna()
    year, outside = valid_years(parts[1])
    repairs = [
        *_sentence("Spaces around the title were removed", movie_ids[titles != stripped]),
        *_sentence("A mark such as (V) behind the year was removed", movie_ids[parts[3].notna()]),
        *_sentence("Of a range of years the first was taken", movie_ids[parts[2].notna()]),
        *_sentence(
            f"A year outside {FIRST_YEAR}..{LAST_YEAR} became 0 (unknown)", movie_ids[outside]
        ),
    ]
    table = pd.DataFrame({Col.TITLE: parts[0].where(found, stripped), Col.YEAR: year})
    return table, repairs


def split_release_years(
    titles: pd.Series, release_years: pd.Series, movie_ids: pd.Series
) -> tuple[pd.DataFrame, list[str]]:
    """Checks years that stand in a column of their own; what is no year is sought in the title.

    Returns:
      As `split_titles`.
    """
    year, _ = valid_years(release_years)
    unusable = year == 0
    table = pd.DataFrame({Col.TITLE: titles.str.strip(), Col.YEAR: year})
    from_title, repairs = _take_apart(titles[unusable], movie_ids[unusable])
    table.loc[unusable] = from_title
    repairs += [
        f"Movie {movie_id}: release_year {text!r} is no year, now {known or '0 (unknown)'}."
        for movie_id, text, known in zip(
            movie_ids[unusable], release_years[unusable], from_title[Col.YEAR], strict=True
        )
        if text
    ]
    return table, repairs


def valid_years(texts: pd.Series) -> tuple[pd.Series, pd.Series]:
    """Years as int64 with 0 where there is none, and where a number lies outside the range."""
    numbers = pd.to_numeric(texts, errors="coerce")
    inside = numbers.between(FIRST_YEAR, LAST_YEAR) & (numbers % 1 == 0)
    return numbers.where(inside, 0).astype("int64"), numbers.notna() & ~inside


def repeated_titles(movies: pd.DataFrame) -> list[str]:
    """A note on titles that several movies share; they are different movies."""
    repeated = movies.loc[movies[Col.TITLE] != "", Col.TITLE].value_counts()
    count = int((repeated > 1).sum())
    return [f"{count} titles repeat; they stay separate movies."] if count else []


def _sentence(what: str, movie_ids: pd.Series) -> list[str]:
    if movie_ids.empty:
        return []
    more = ", ..." if len(movie_ids) > _EXAMPLES else ""
    named = ", ".join(movie_ids.iloc[:_EXAMPLES]) + more
    return [f"{what} ({len(movie_ids)} movies: {named})."]
