"""What calls return: values, enums and sequences."""

from typing import Any

import pytest

from client import (
    Movie,
    OrderBy,
    Part,
    PopularList,
    RecommenderClient,
    Releases,
    ServingStatus,
    SimilarityMode,
    SimilarMovie,
    SimilarMovies,
    Source,
    UserState,
    calls,
    codec,
)
from protos.recommender.v1 import recommender_pb2 as pb


@pytest.mark.parametrize(
    ("active", "states", "ready"),
    [
        (1, [("a", "AVAILABLE", True), ("b", "UNREACHABLE", False)], True),
        (1, [("a", "AVAILABLE", True), ("b", "LOADING", True)], False),
        (0, [("a", "AVAILABLE", True)], False),
        (1, [], False),
    ],
)
def test_ready_means_that_what_is_required_is_available(
    active: int, states: list[tuple[str, str, bool]], ready: bool
) -> None:
    """A release is active and each required part is AVAILABLE; optional parts do not count."""
    status = ServingStatus(Releases(active=active), tuple(Part(*state) for state in states))
    assert status.ready is ready


def test_values_of_a_newer_server_are_unknown(client: RecommenderClient, service: Any) -> None:
    """An enum value that this client does not know is UNKNOWN, not an error."""
    response = pb.RecommendUserResponse(recommendations=[{"source": 99}], user_state=98)
    service.answers["RecommendUser"] = response
    got = client.recommend_user("42")
    assert got.user_state is UserState.UNKNOWN
    assert got[0].source is Source.UNKNOWN


def test_every_enum_value_is_translated() -> None:
    """Each value of the API's enums but UNSPECIFIED has a member of its own here."""
    tables = [
        (codec._SOURCES, pb.Source, Source),
        (codec._USER_STATES, pb.UserState, UserState),
    ]
    for table, numbers, members in tables:
        assert set(table) == set(numbers.values()) - {0}
        assert set(table.values()) == set(members) - {members.UNKNOWN}
    for table, numbers, members in [
        (calls._ORDER, pb.RecommendUserRequest.OrderBy, OrderBy),
        (calls._MODE, pb.SimilarMoviesRequest.Mode, SimilarityMode),
        (calls._LIST, pb.PopularMoviesRequest.List, PopularList),
    ]:
        assert set(table) == set(members)
        assert set(table.values()) == set(numbers.values()) - {0}


def test_an_answer_is_a_sequence() -> None:
    """Length, order, slices, membership and truth are those of its items."""
    first = SimilarMovie(Movie("1"), 0.5)
    second = SimilarMovie(Movie("2"), 0.25)
    movies = SimilarMovies((first, second))
    assert (len(movies), movies[0], movies[-1], movies[1:]) == (2, first, second, (second,))
    assert list(reversed(movies)) == [second, first]
    assert first in movies
    assert not SimilarMovies(())


def test_values_are_frozen() -> None:
    """What a caller holds does not change under it, and can be a key."""
    with pytest.raises(AttributeError, match="year"):
        Movie("1").year = 3  # type: ignore[misc]
    assert len({Movie("1"), Movie("1"), Movie("2")}) == 2


@pytest.mark.parametrize(
    ("movie", "text"),
    [
        (Movie("1", "Moon", 2009), "Moon (2009)"),
        (Movie("1", "Moon"), "Moon"),
        (Movie("1"), "1"),
    ],
)
def test_a_movie_reads_as_its_title(movie: Movie, text: str) -> None:
    """Title and year where known, else the id."""
    assert str(movie) == text
