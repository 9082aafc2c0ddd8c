"""Pages written as bytes are the messages that protobuf itself would make, compiled or not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import pytest

from protos.recommender.v1 import recommender_pb2 as pb
from server import native, wire
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
from server.movie_fields import MOVIES_KEPT, MovieFields, movie_message
from server.page import Page
from server.ranking import SOURCES, RankedList, Reasons
from server.reasons import Taste
from server.wire import recommend_user_response, response_in_python

Row = pb.RecommendUserResponse.Recommendation

PLAIN = Movie(MovieId("m1"), "Heat", 1995, ("Crime", "Drama"), 207, 3.5)
BARE = Movie(MovieId("é"), "", 0, (), 0, 0.0)
LONG = Movie(MovieId("x" * 256), "Ω" * 9000, -1, ("Film-Noir",), 2**40, 1e-9)
LACKING = Movie(MovieId("gone"), "", 0, (), 0, 0.0)
CATALOGUE = (LONG, BARE, PLAIN)

COMPILED = pytest.mark.skipif(native.PAGES is None, reason="_pages is not built")


@pytest.fixture(autouse=True, params=["python", pytest.param("compiled", marks=COMPILED)])
def writer(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test asks both."""
    by_python = request.param == "python"
    monkeypatch.setattr(wire, "_response", response_in_python if by_python else compiled())


def compiled() -> Callable[..., bytes]:
    assert native.PAGES is not None
    return native.PAGES.response


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
    ((LONG, 2.0**100), (PLAIN, 0.5), (LACKING, 2.0**-100)),
)


def page(
    entries: Sequence[Entry],
    source: Source = Source.CONTENT,
    token: str = "",
    fields: MovieFields | None = None,
) -> Page:
    """The entries in columns, with a movie behind them that is not of the page.

    Movies of the history stand at the places 1, 3, 5 and 7.
    """
    fields = fields or MovieFields(CATALOGUE)
    place = {movie: 2 * n + 1 for n, movie in enumerate((PLAIN, BARE, LONG, LACKING))}
    listed = [*(entry.movie for entry in entries), PLAIN]
    n_missing = [3 - len(entry.cited) for entry in entries]
    history = [movie for movie in place for _ in range(2)]
    ranked = RankedList(
        movies=rows_of(listed),
        movie_ids=np.array([movie.movie_id.encode() for movie in listed]),
        predicted_ratings=np.float32([*(entry.rating for entry in entries), 1]),
        scores=np.float32([*(entry.score for entry in entries), 1]),
        sources=np.full(len(listed), SOURCES.index(source), np.int8),
        history=rows_of(history),
        history_ids=np.array([movie.movie_id.encode() for movie in history]),
        history_ratings=np.ones(len(history), np.float32),
        reasons=None,
        taste=Taste((), {}),
        is_trained=False,
        is_newcomer=False,
        user_state=UserState.WARM,
        recommendation_id="0af",
        release_version=Version(1),
    )
    cited = [
        [*(place[movie] for movie, _ in entry.cited), *[NOBODY] * n]
        for entry, n in zip(entries, n_missing, strict=True)
    ]
    drops = [
        [*(drop for _, drop in entry.cited), *[0.0] * n]
        for entry, n in zip(entries, n_missing, strict=True)
    ]
    return Page(
        catalogue=SimpleNamespace(fields=fields),
        ranked=ranked,
        sources=ranked.sources[: len(entries)].tobytes(),
        reasons=Reasons(np.int16(cited).reshape(-1, 3), np.float32(drops).reshape(-1, 3)),
        further=[e.reasons for e in entries] if any(e.reasons for e in entries) else (),
        next_page_token=token,
        unknown=(),
    )


def rows_of(movies: Sequence[Movie]) -> np.ndarray:
    return np.array([CATALOGUE.index(m) if m in CATALOGUE else NOBODY for m in movies], np.int64)


def row_of(entry: Entry, source: pb.Source) -> Row:
    """What protobuf makes of it; numbers of a page are 32 bits wide."""
    because = [
        pb.Reason(
            because_of_movie=pb.Reason.BecauseOfMovie(movie=movie_message(m), weight=single(drop))
        )
        for m, drop in entry.cited
    ]
    return Row(
        movie=movie_message(entry.movie),
        predicted_rating=single(entry.rating),
        score=single(entry.score),
        source=source,
        reasons=[*because, *(OF_REASON[reason] for reason in entry.reasons)],
    )


def single(number: float) -> float:
    return float(np.float32(number))


def written(page: Page, how: pb.Answer | None = None) -> bytes:
    how = how or pb.Answer()
    return recommend_user_response(page, pb.USER_STATE_WARM, how.SerializeToString())


def rows(page: Page) -> list[Row]:
    return list(pb.RecommendUserResponse.FromString(written(page)).recommendations)


@pytest.mark.parametrize("movie", [PLAIN, BARE, LONG, LACKING])
@pytest.mark.parametrize("cited", CITATIONS)
@pytest.mark.parametrize("reasons", [(), *((reason,) for reason in OF_REASON), tuple(OF_REASON)])
def test_a_row_is_the_message(
    movie: Movie, cited: tuple[tuple[Movie, float], ...], reasons: tuple[Reason, ...]
) -> None:
    """Every field and kind of reason, contents of one to three bytes of length, known or not."""
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


def test_many_pages_are_their_messages() -> None:
    """Byte for byte, 300 drawn ones: row lengths of one, two and three bytes, zeros and infinities.

    Seeded; every movie, also the one that the catalogue lacks, is listed and cited.
    """
    rng, every = np.random.default_rng(0), (*CATALOGUE, LACKING)
    numbers = [0.0, -0.0, 1.0, -2.5, 1e-45, 3e38, np.inf, -np.inf]
    fields = MovieFields(CATALOGUE)
    for _ in range(300):
        entries = [
            Entry(
                every[rng.integers(4)],
                rng.choice(numbers),
                rng.choice(numbers),
                tuple((every[m], rng.choice(numbers[2:])) for m in rng.permutation(4)[:n_cited]),
                tuple(reason for reason in OF_REASON if rng.random() < 0.2),
            )
            for n_cited in rng.integers(0, 4, rng.integers(0, 20)).tolist()
        ]
        token = "x" * int(rng.integers(0, 300))
        source = SOURCES[rng.integers(len(SOURCES))]

        expected = pb.RecommendUserResponse(
            recommendations=[row_of(e, pb.Source.Value(f"SOURCE_{source.value}")) for e in entries],
            user_state=pb.USER_STATE_WARM,
            recommendation_id="0af",
            next_page_token=token,
            answer=pb.Answer(),
        )
        assert written(page(entries, source, token, fields)) == expected.SerializeToString()


ZEROS = [(0.0, 0.0), (0.0, 1.5), (4.0, 0.0), (4.0, -0.0), (-0.0, -2.0), (float("nan"), 1.0)]


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


def at_an_odd_address(array: np.ndarray) -> np.ndarray:
    return np.frombuffer(b"x" + array.tobytes(), array.dtype, offset=1).reshape(array.shape)


def test_columns_of_a_token_may_lie_anywhere() -> None:
    """Numbers that begin at an odd address are the same numbers."""
    plain = page([Entry(LACKING, 1.0, 2.0, ((LACKING, 0.5), (PLAIN, 0.25))), Entry(LONG, 3.0, 4.0)])
    columns = ("movies", "predicted_ratings", "scores", "history")
    ranked = plain.ranked._replace(
        **{c: at_an_odd_address(getattr(plain.ranked, c)) for c in columns}
    )
    reasons = Reasons(
        at_an_odd_address(plain.reasons.cited), at_an_odd_address(plain.reasons.drops)
    )

    assert written(plain._replace(ranked=ranked, reasons=reasons)) == written(plain)


def short(**columns: Any) -> Callable[[Page], Page]:
    return lambda page: page._replace(ranked=page.ranked._replace(**columns))


@pytest.mark.parametrize(
    "broken",
    [
        short(movies=np.zeros(1, np.int64)),
        short(predicted_ratings=np.zeros(1, np.float32)),
        short(scores=np.zeros(0, np.float32)),
        short(history=np.zeros(1, np.int64)),
        lambda page: page._replace(reasons=Reasons(np.int16([[0] * 3]), np.ones((1, 3), "f4"))),
        lambda page: page._replace(further=[()]),
        lambda page: page._replace(sources=b"\x00\x09"),
    ],
)
@COMPILED
def test_columns_that_do_not_fit_together_are_refused(
    broken: Callable[[Page], Page], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Too short ones, a place behind the history and an unknown source: an error, no stray read."""
    monkeypatch.setattr(wire, "_response", compiled())
    entry = Entry(PLAIN, 1.0, 1.0, ((BARE, 1.0),), (Popular(),))

    with pytest.raises(ValueError, match=r"column|place|source"):
        written(broken(page([entry, entry])))


def test_movies_are_written_once_and_not_kept_for_ever() -> None:
    """The next page takes the same bytes; behind MOVIES_KEPT others a movie is written anew."""
    fields = MovieFields([BARE] * (MOVIES_KEPT + 2))
    first = fields.of(0)

    assert fields.of(0) is first
    for row in range(1, MOVIES_KEPT + 1):
        fields.of(row)
    assert fields.kept[0] is None
    assert fields.kept[1] is not None
    assert fields.of(0) == first
