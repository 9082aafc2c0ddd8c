"""Why a movie is listed, beside the movies that are cited for it; worked by hand."""

from __future__ import annotations

import pytest

from server.domain import Popular, Reason, SharedGenre, Source
from server.reasons import Taste, further_reasons

HEAT = ("Crime", "Drama")
PLAIN = Taste((), {"Drama": 3, "Crime": 1})
FOND = Taste(("Crime", "War"), {"Drama": 3})
DRAMA, CRIME = SharedGenre("Drama"), SharedGenre("Crime")


@pytest.mark.parametrize(
    ("source", "is_cited", "taste", "is_newcomer", "expected"),
    [
        # A cited movie says enough; else the genre that most of the history has.
        (Source.RETRIEVAL, True, PLAIN, False, ()),
        (Source.RETRIEVAL, False, PLAIN, False, (DRAMA,)),
        (Source.ENGINE, False, PLAIN, False, (DRAMA,)),
        (Source.CONTENT, True, PLAIN, False, ()),
        # Favourites are said in any case, and then nothing of the history.
        (Source.RETRIEVAL, True, FOND, False, (CRIME,)),
        (Source.RETRIEVAL, False, FOND, False, (CRIME,)),
        # Popularity speaks for what is popular, and for what models say of a newcomer.
        (Source.POPULAR, False, PLAIN, False, (Popular(),)),
        (Source.RETRIEVAL, True, PLAIN, True, (Popular(),)),
        (Source.ENGINE, False, FOND, True, (CRIME, Popular())),
        (Source.CONTENT, False, PLAIN, True, (DRAMA,)),
        # Nothing is known.
        (Source.RETRIEVAL, False, Taste((), {"War": 2}), False, ()),
    ],
)
def test_what_speaks_for_a_movie(
    source: Source,
    is_cited: bool,
    taste: Taste,
    is_newcomer: bool,
    expected: tuple[Reason, ...],
) -> None:
    """The same alone and beside a movie for which something else speaks."""
    alone = further_reasons([HEAT], [source], [is_cited], taste, is_newcomer=is_newcomer)
    both = further_reasons(
        [HEAT, HEAT], [source, Source.MEAN], [is_cited, False], taste, is_newcomer=is_newcomer
    )

    assert alone == [expected]
    assert both[0] == expected


def test_no_movies_have_no_reasons() -> None:
    """An empty page has an empty column."""
    assert further_reasons([], [], [], PLAIN, is_newcomer=False) == []
