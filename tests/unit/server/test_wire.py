"""Recommendations written as bytes are the messages that protobuf itself would make."""

from __future__ import annotations

import pytest

from protos.recommender.v1 import recommender_pb2 as pb
from server.domain import (
    Answer,
    BecauseOfMovie,
    Movie,
    MovieId,
    Popular,
    Reason,
    Recommendation,
    Recommendations,
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

OF_REASON: dict[Reason, pb.Reason] = {
    BecauseOfMovie(BARE, 0.25): pb.Reason(
        because_of_movie=pb.Reason.BecauseOfMovie(movie=movie_message(BARE), weight=0.25)
    ),
    BecauseOfMovie(LONG, 1e300): pb.Reason(
        because_of_movie=pb.Reason.BecauseOfMovie(movie=movie_message(LONG), weight=1e300)
    ),
    SharedGenre("Drama"): pb.Reason(shared_genre="Drama"),
    SharedGenre("ä" * 100): pb.Reason(shared_genre="ä" * 100),
    Popular(): pb.Reason(popular=True),
}


def read(movies: list[Recommendation], sources: list[int]) -> list[Row]:
    answer = Recommendations(tuple(movies), UserState.HOT, "id", "", Answer(Version(1)))
    written = recommend_user_response(answer, pb.USER_STATE_HOT, sources, pb.Answer())
    return list(pb.RecommendUserResponse.FromString(written).recommendations)


@pytest.mark.parametrize("movie", [PLAIN, BARE, LONG])
@pytest.mark.parametrize("reasons", [(), *((reason,) for reason in OF_REASON), tuple(OF_REASON)])
def test_a_row_is_the_message(movie: Movie, reasons: tuple[Reason, ...]) -> None:
    """Every field and every kind of reason, contents of one byte of length and of three."""
    entry = Recommendation(movie, 4.25, -1 / 3, Source.CONTENT, reasons)

    (row,) = read([entry], [pb.SOURCE_CONTENT])

    assert row == Row(
        movie=movie_message(movie),
        predicted_rating=4.25,
        score=-1 / 3,
        source=pb.SOURCE_CONTENT,
        reasons=[OF_REASON[reason] for reason in reasons],
    )


def test_rows_keep_their_order() -> None:
    """Three rows of two movies come back in their order with their own scores; none for none."""
    movies = [
        Recommendation(movie, 1.0, score, Source.POPULAR)
        for movie, score in ((PLAIN, 2.0), (BARE, 0.0), (PLAIN, -2.0))
    ]

    rows = read(movies, [pb.SOURCE_POPULAR] * 3)

    assert [(row.movie.movie_id, row.score) for row in rows] == [("m1", 2), ("é", 0), ("m1", -2)]
    assert read([], []) == []


@pytest.mark.parametrize("token", ["", "abc-_", "x" * 20_000])
def test_a_response_is_the_message(token: str) -> None:
    """Byte for byte what protobuf writes: all fields in their order, no token for the last page."""
    entry = Recommendation(PLAIN, 4.25, 1.5, Source.CONTENT, (SharedGenre("Drama"),))
    how = pb.Answer(release_version=300, degraded=True, degraded_reasons=["deadline"])
    answer = Recommendations((entry, entry), UserState.WARM, "0af", token, Answer(Version(300)))

    sources = [pb.SOURCE_CONTENT] * 2
    written = recommend_user_response(answer, pb.USER_STATE_WARM, sources, how)

    row = Row(
        movie=movie_message(PLAIN),
        predicted_rating=4.25,
        score=1.5,
        source=pb.SOURCE_CONTENT,
        reasons=[pb.Reason(shared_genre="Drama")],
    )
    assert written == pb.RecommendUserResponse(
        recommendations=[row, row],
        user_state=pb.USER_STATE_WARM,
        recommendation_id="0af",
        next_page_token=token,
        answer=how,
    ).SerializeToString(deterministic=True)


ZEROS = [(0.0, 0.0), (0.0, 1.5), (4.0, 0.0), (4.0, -0.0), (-0.0, -2.0)]


@pytest.mark.parametrize(("rating", "score"), ZEROS)
def test_a_zero_is_written_as_protobuf_writes_it(rating: float, score: float) -> None:
    """Not at all, unless it is negative; byte by byte."""
    entry = Recommendation(PLAIN, rating, score, Source.POPULAR)
    answer = Recommendations((entry,), UserState.HOT, "id", "", Answer(Version(1)))

    written = recommend_user_response(answer, pb.USER_STATE_HOT, [pb.SOURCE_POPULAR], pb.Answer())

    row = Row(
        movie=movie_message(PLAIN), predicted_rating=rating, score=score, source=pb.SOURCE_POPULAR
    )
    expected = pb.RecommendUserResponse(
        recommendations=[row],
        user_state=pb.USER_STATE_HOT,
        recommendation_id="id",
        answer=pb.Answer(),
    )
    assert written == expected.SerializeToString()
