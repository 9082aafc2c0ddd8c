"""What a page says of the movies that it shows, worked by hand."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from server.domain import (
    NOBODY,
    Movie,
    MovieId,
    Popular,
    Reason,
    SharedGenre,
    Source,
    UserState,
    Version,
)
from server.page import Page
from server.paging import PageTokens
from server.ranking import SOURCES, RankedList, Reasons
from server.reasons import Taste
from server.recommend import cut_page

DRAMA = Movie(MovieId("m0"), "", 0, ("Drama",), 0, 0.0)
PLAIN = Taste((), {})


CATALOGUE: Any = SimpleNamespace(rows_of=lambda movie_ids: np.zeros(len(movie_ids), np.int64))


class CitesTheOldest:
    """An engine that cites the first movie of the history for each movie that it is asked about."""

    def reasons(self, _history: Any, _ratings: Any, listed: np.ndarray) -> tuple[Any, Any]:
        return np.tile(np.int16([0, NOBODY, NOBODY]), (len(listed), 1)), np.ones((len(listed), 3))


RELEASE: Any = SimpleNamespace(
    catalogue=SimpleNamespace(movies=(DRAMA,) * 4),
    trained=SimpleNamespace(movies=(DRAMA,) * 4),
    engine=CitesTheOldest(),
)


def ranked(*sources: Source, **changes: Any) -> RankedList:
    """Movies of these sources, all dramas, and a history of one movie."""
    n = len(sources)
    return RankedList(
        movies=np.arange(n),
        movie_ids=np.array([b"m%d" % number for number in range(n)]),
        predicted_ratings=np.ones(n, np.float32),
        scores=np.ones(n, np.float32),
        sources=np.int8([SOURCES.index(source) for source in sources]),
        history=np.array([3]),
        history_ids=np.array([b"m3"]),
        history_ratings=np.ones(1, np.float32),
        reasons=None,
        taste=PLAIN,
        is_trained=False,
        is_newcomer=False,
        user_state=UserState.HOT,
        recommendation_id="id",
        release_version=Version(1),
    )._replace(**changes)


def page_of(ranking: RankedList, page_size: int = 2) -> Page:
    return cut_page(RELEASE, ranking, page_size, PageTokens(b"key"), bytes(16), ())


@pytest.mark.parametrize(
    ("second", "changes", "further"),
    [
        # The movie that is cited for each of them says it all.
        (Source.ENGINE, {}, []),
        # Somebody's favourites are said in any case, and popularity to a newcomer.
        (Source.ENGINE, {"taste": Taste(("Drama",), {})}, [SharedGenre("Drama")]),
        (Source.ENGINE, {"is_newcomer": True}, [Popular()]),
    ],
)
def test_what_else_speaks_for_a_movie(
    second: Source, changes: dict[str, Any], further: list[Reason]
) -> None:
    """The same for both movies of the page, which the models listed."""
    page = page_of(ranked(Source.RETRIEVAL, second, **changes))

    assert page.reasons.cited[:, 0].tolist() == [0, 0]
    assert list(page.further) == ([tuple(further)] * 2 if further else [])


@pytest.mark.parametrize("is_trained", [False, True])
def test_for_what_models_did_not_list_nothing_is_cited(is_trained: bool) -> None:
    """The popular movie between two of the models is popular, and the history has no part in it."""
    ranking = ranked(Source.ENGINE, Source.POPULAR, Source.ENGINE, is_trained=is_trained)

    page = page_of(ranking, page_size=3)

    assert page.reasons.cited[:, 0].tolist() == [0, NOBODY, 0]
    assert list(page.further) == [(), (Popular(),), ()]


def test_reasons_that_came_with_the_list_are_taken() -> None:
    """Also where something else would be cited now; a popular movie is said to be popular."""
    reasons = Reasons(np.full((2, 3), 7, np.int16), np.ones((2, 3), np.float32))

    page = page_of(ranked(Source.POPULAR, Source.RETRIEVAL, reasons=reasons), page_size=1)

    assert page.reasons is reasons
    assert list(page.further) == [(Popular(),)]


@pytest.mark.parametrize(("page_size", "cited"), [(1, 7), (2, 7), (3, 0)])
def test_reasons_of_the_first_movies_are_taken_for_as_many(page_size: int, cited: int) -> None:
    """A page of more movies asks the engine, which would cite another one; tokens carry none."""
    first = Reasons(np.full((2, 3), 7, np.int16), np.ones((2, 3), np.float32))
    ranking = ranked(*[Source.ENGINE] * 4, first_reasons=first)

    page = page_of(ranking, page_size)

    assert page.reasons.cited[:page_size, 0].tolist() == [cited] * page_size
    opened = PageTokens(b"key").open(page.next_page_token, bytes(16), CATALOGUE)
    assert (opened.reasons, opened.first_reasons) == (None, None)


def test_where_nothing_is_cited_the_history_speaks_by_its_genres() -> None:
    """One of two movies of the models is cited for; the other one is a drama like the history."""
    reasons = Reasons(np.int16([[0, NOBODY, NOBODY], [NOBODY] * 3]), np.ones((2, 3), np.float32))

    page = page_of(
        ranked(Source.ENGINE, Source.ENGINE, reasons=reasons, taste=Taste((), {"Drama": 1}))
    )

    assert list(page.further) == [(), (SharedGenre("Drama"),)]


@pytest.mark.parametrize(("page_size", "is_last"), [(1, False), (2, True), (100, True)])
def test_the_last_page_has_no_token(page_size: int, is_last: bool) -> None:
    """It is the one with the last of two movies, asked for exactly or with many more."""
    page = page_of(ranked(Source.ENGINE, Source.ENGINE), page_size)

    assert len(page.sources) == min(page_size, 2)
    assert (page.next_page_token == "") == is_last
