"""Free-text tags, made comparable and counted for each movie.

A tag is compared in Unicode's NFKC form, case-folded, with single spaces and without quotes and
punctuation at its ends. A movie keeps the MAX_TAGS that the most users gave it; each user counts
once for each tag of a movie. Ties are broken by the alphabet.
"""

from __future__ import annotations

import unicodedata
from typing import Final

import pandas as pd

from trainer.datasets.dataset import Col
from trainer.datasets.rows import Rows

MAX_TAGS: Final = 20
"""Tags that a movie keeps."""
MAX_TAG_BYTES: Final = 64
"""A longer text is a remark, no tag."""

TAG_EDGES: Final = " \t\r\n\"'`.,;:!?-_*#"
"""Characters that a tag does not begin or end with."""


def normal_tag(text: str) -> str:
    """The form in which a tag is compared; "" when nothing is left or it is too long."""
    folded = " ".join(unicodedata.normalize("NFKC", text).casefold().split())
    tag = folded.strip(TAG_EDGES)
    usable = tag.isprintable() and len(tag.encode()) <= MAX_TAG_BYTES
    return tag if usable else ""


def movie_tags(tags: Rows | None, movie_ids: pd.Series) -> tuple[pd.Series, list[str]]:
    """Each movie's tags, most given first.

    Args:
      tags: user_id, movie_id and tag as the file has them; rows are taken out of it.
      movie_ids: the catalogue.

    Returns:
      A tuple for each movie, with the index of `movie_ids`; sentences on what was changed.
    """
    none = pd.Series([()] * len(movie_ids), index=movie_ids.index, dtype=object)
    if tags is None:
        return none, []
    table = tags.table
    tags.drop("a tag of a movie that nobody described or rated", ~table[Col.MOVIE].isin(movie_ids))
    forms = {text: normal_tag(text) for text in tags.table[Col.TAG].unique()}
    tags.drop(
        f"a tag that is empty, unprintable or over {MAX_TAG_BYTES} bytes",
        tags.table[Col.TAG].map(forms) == "",
    )
    given = tags.table[[Col.USER, Col.MOVIE]].assign(**{Col.TAG: tags.table[Col.TAG].map(forms)})
    counts = (
        given.drop_duplicates()
        .groupby([Col.MOVIE, Col.TAG], sort=True)
        .size()
        .rename("users")
        .reset_index()
        .sort_values("users", ascending=False, kind="stable")
    )
    kept = counts.groupby(Col.MOVIE, sort=False).head(MAX_TAGS)
    by_movie = kept.groupby(Col.MOVIE, sort=False)[Col.TAG].agg(tuple)
    column = movie_ids.map(by_movie)
    column = column.where(column.notna(), none).astype(object)
    sentence = (
        f"{kept[Col.TAG].nunique():,} different tags on {len(by_movie):,} movies, "
        f"{len(counts) - len(kept):,} beyond the first {MAX_TAGS} of a movie left out."
    )
    return column, [sentence] if len(kept) else []
