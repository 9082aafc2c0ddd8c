"""Pages written as bytes are the messages that protobuf itself would make."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import pytest

from protos.recommender.v1 import recommender_pb2 as pb
from server.domain import (
    NOBODY,
    Answer,
    Movie,
    MovieId,
    Page,
    Popular,
    Reason,
    SharedGenre,
    Source,
    UserState,
    Version,
)
from server.wire import movie_message, recommend_user_response

Row = pb.RecommendUserResponse.Recommendation

PLAIN = Movie(MovieId("m1"), "Heat", 1995, ("Crime", "Drama"), 207, 3.5)
BARE = Movie(MovieId("é"), "", 0, (), 0, 0.0)
LONG = Movie(MovieId("x" * 256), "Ω" * 9000, -1, ("Film-Noir",), 2**40, 1e-9)


class Entry(NamedTuple):
    """One movie of a page."""

    movie: Movie
    rating: float
    score: float
    cited: tuple[tuple[Movie, float], ...] = ()
    reasons: tuple[Reason, ...] = ()


OF_REASON: dict[Reason, pb.Reason] = {
    SharedGenre("Drama"): pb.Reason(shared_genre="Drama"),
    SharedGenre("ä" * 100): pb.Reason(shared_genre="ä" * 100),
    Popular(): pb.Reason(popular=True),
}
CITATIONS: tuple[tuple[tuple[Movie, float], ...], ...] = (
    (),
    ((BARE, 0.25),),
    ((LONG, 1e300), (PLAIN, 0.5), (BARE, 1e-300)),
)


def page(entries: Sequence[Entry], source: Source = Source.CONTENT, token: str = "") -> Page:
    """The entries in columns, three citations wide; movies of the history stand at odd places."""
    history = {3 + 2 * n: movie for n, movie in enumerate((PLAIN, BARE, LONG))}
    place = {movie: n for n, movie in history.items()}
    n_missing = [3 - len(entry.cited) for entry in entries]
    return Page(
        movies=[entry.movie for entry in entries],
        predicted_ratings=[entry.rating for entry in entries],
        scores=[entry.score for entry in entries],
        sources=[source] * len(entries),
        cited=[
            [*(place[movie] for movie, _ in entry.cited), *[NOBODY] * n]
            for entry, n in zip(entries, n_missing, strict=True)
        ],
        drops=[
            [*(drop for _, drop in entry.cited), *[0.0] * n]
            for entry, n in zip(entries, n_missing, strict=True)
        ],
        history=history,
        reasons=[entry.reasons for entry in entries],
        user_state=UserState.WARM,
        recommendation_id="0af",
        next_page_token=token,
        answer=Answer(Version(1)),
    )


def row_of(entry: Entry, source: pb.Source) -> Row:
    """What protobuf makes of it."""
    because = [
        pb.Reason(because_of_movie=pb.Reason.BecauseOfMovie(movie=movie_message(m), weight=drop))
        for m, drop in entry.cited
    ]
    return Row(
        movie=movie_message(entry.movie),
        predicted_rating=entry.rating,
        score=entry.score,
        source=source,
        reasons=[*because, *(OF_REASON[reason] for reason in entry.reasons)],
    )


def written(page: Page, how: pb.Answer | None = None) -> bytes:
    how = how or pb.Answer()
    return recommend_user_response(page, pb.USER_STATE_WARM, how.SerializeToString())


def rows(page: Page) -> list[Row]:
    return list(pb.RecommendUserResponse.FromString(written(page)).recommendations)


@pytest.mark.parametrize("movie", [PLAIN, BARE, LONG])
@pytest.mark.parametrize("cited", CITATIONS)
@pytest.mark.parametrize("reasons", [(), *((reason,) for reason in OF_REASON), tuple(OF_REASON)])
def test_a_row_is_the_message(
    movie: Movie, cited: tuple[tuple[Movie, float], ...], reasons: tuple[Reason, ...]
) -> None:
    """Every field and every kind of reason, contents of one byte of length and of three."""
    entry = Entry(movie, 4.25, -1 / 3, cited, reasons)

    (row,) = rows(page([entry]))

    assert row == row_of(entry, pb.SOURCE_CONTENT)


@pytest.mark.parametrize("source", Source)
def test_a_source_is_that_of_the_api(source: Source) -> None:
    """Each source of the domain has the enum value of its name."""
    (row,) = rows(page([Entry(PLAIN, 1.0, 1.0)], source))

    assert pb.Source.Name(row.source) == f"SOURCE_{source.value}"


def test_rows_keep_their_order() -> None:
    """Three rows of two movies come back in their order with what is their own; none for none."""
    entries = [
        Entry(PLAIN, 1.0, 2.0, ((BARE, 0.5),)),
        Entry(BARE, 2.0, 0.0),
        Entry(PLAIN, 3.0, -2.0, ((LONG, 0.25), (BARE, 0.125)), (Popular(),)),
    ]

    assert rows(page(entries)) == [row_of(entry, pb.SOURCE_CONTENT) for entry in entries]
    assert rows(page([])) == []


@pytest.mark.parametrize("token", ["", "abc-_", "x" * 20_000])
def test_a_response_is_the_message(token: str) -> None:
    """Byte for byte what protobuf writes: all fields in their order, no token for the last page."""
    entry = Entry(PLAIN, 4.25, 1.5, ((BARE, 0.5),), (SharedGenre("Drama"),))
    how = pb.Answer(release_version=300, degraded=True, degraded_reasons=["deadline"])

    found = written(page([entry, entry], token=token), how)

    assert found == pb.RecommendUserResponse(
        recommendations=[row_of(entry, pb.SOURCE_CONTENT)] * 2,
        user_state=pb.USER_STATE_WARM,
        recommendation_id="0af",
        next_page_token=token,
        answer=how,
    ).SerializeToString(deterministic=True)


ZEROS = [(0.0, 0.0), (0.0, 1.5), (4.0, 0.0), (4.0, -0.0), (-0.0, -2.0)]


@pytest.mark.parametrize(("rating", "score"), ZEROS)
def test_a_zero_is_written_as_protobuf_writes_it(rating: float, score: float) -> None:
    """Not at all, unless it is negative; byte by byte."""
    entry = Entry(PLAIN, rating, score)

    expected = pb.RecommendUserResponse(
        recommendations=[row_of(entry, pb.SOURCE_CONTENT)],
        user_state=pb.USER_STATE_WARM,
        recommendation_id="0af",
        answer=pb.Answer(),
    )
    assert written(page([entry])) == expected.SerializeToString()
