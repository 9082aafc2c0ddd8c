"""Recommendations written as bytes are the messages that protobuf itself would make."""

from __future__ import annotations

import pytest

from protos.recommender.v1 import recommender_pb2 as pb
from server.domain import (
    BecauseOfMovie,
    Movie,
    MovieId,
    Popular,
    Reason,
    Recommendation,
    SharedGenre,
    Source,
)
from server.wire import movie_message, recommendations

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
    response = pb.RecommendUserResponse()
    response.MergeFromString(recommendations(movies, sources))
    return list(response.recommendations)


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
