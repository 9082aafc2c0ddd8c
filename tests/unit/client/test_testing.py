"""client.testing as its users meet it; tests/contract asks the fake what it asks the service."""

import re
from typing import Any

import grpc
import pytest

import client.testing
from client import (
    AddedMovie,
    BecauseOfMovie,
    ClientClosedError,
    DeadlineExceededError,
    FieldViolation,
    MovieFilter,
    OverloadedError,
    Popular,
    Profile,
    RatedMovie,
    RatingEvent,
    RecommenderError,
    ServerError,
    Source,
    UnavailableError,
    UserState,
)
from client.errors import ERROR_CLASSES
from client.testing import SAMPLE_RATINGS, FakeRecommender, titles


def test_the_example_is_true() -> None:
    """The code in the module's docstring runs as it stands."""
    text = client.testing.__doc__ or ""
    [block] = re.findall(r"::\n\n((?:    .*\n|\n)+)", text)
    exec("if True:\n" + block, {})  # noqa: S102  (our own docstring)
    assert "assert" in block


def test_a_catalogue_of_ones_own(connect: Any) -> None:
    """Movies, ratings and profiles of the test are all that there is."""
    movies = [AddedMovie("a", "Alpha", 1990, ("X",)), AddedMovie("b", "Beta", 1991, ("Y",))]
    ratings = [RatingEvent("u", "a", 4.0), RatingEvent("v", "a", 2.0)]
    profiles = {"p": Profile(age=40)}
    with FakeRecommender(movies, ratings, profiles) as fake, connect(fake.target) as client:
        assert client.recommend_user("u").movie_ids == ("b",)
        assert client.get_movie("a").movie.rating_count == 2
        assert client.get_movie("a").movie.mean_rating == 3.0
        assert client.get_user("p").user_state is UserState.WARM
        counts = client.get_serving_status().counts
        assert (counts.movies, counts.users, counts.ratings) == (2, 2, 2)


def test_an_empty_catalogue_is_allowed() -> None:
    """Nothing to recommend is an empty list, not an error."""
    with FakeRecommender((), (), {}) as fake, fake.client() as client:
        assert len(client.recommend_user("42", diversity=0.5)) == 0
        assert len(client.popular_movies()) == 0


def test_ratings_of_no_movie_are_refused() -> None:
    """A typing error in a test's data is told, not ignored."""
    with pytest.raises(ValueError, match="movie 'zz', which is not there"):
        FakeRecommender([AddedMovie("a", "Alpha")], [RatingEvent("u", "zz", 4.0)])


@pytest.mark.parametrize("kind", sorted(set(ERROR_CLASSES.values()), key=lambda k: k.__name__))
def test_every_error_can_be_played(connect: Any, kind: type[RecommenderError]) -> None:
    """Each class of error arrives as itself, with its words, once, and then the answer."""
    with FakeRecommender() as fake, connect(fake.target, timeout=30, max_attempts=1) as client:
        fake.fail("GetUser", kind("played"))
        with pytest.raises(RecommenderError, match="played") as raised:
            client.get_user("42")
        assert type(raised.value) is kind
        assert client.get_user("42").user_state is UserState.HOT


def test_details_of_an_error_arrive(connect: Any) -> None:
    """Reason, violations, retry delay and the request's id are those that were given."""
    error = OverloadedError(
        "busy",
        reason="TOO_MANY",
        field_violations=(FieldViolation("page_size", "allowed 1..5"),),
        retry_after_s=2.5,
    )
    with FakeRecommender() as fake, connect(fake.target) as client:
        fake.fail("GetUser", error)
        with pytest.raises(OverloadedError) as raised:
            client.get_user("42")
        assert raised.value.reason == "TOO_MANY"
        assert raised.value.field_violations == (FieldViolation("page_size", "allowed 1..5"),)
        assert raised.value.retry_after_s == 2.5
        assert raised.value.request_id == fake.received[0].request_id


@pytest.mark.parametrize(
    ("rpc", "error", "message"),
    [
        ("recommend_user", UnavailableError("x"), "rpc is 'recommend_user', allowed are Recommend"),
        ("GetUser", ClientClosedError("x"), "no gRPC status stands for ClientClosedError"),
    ],
)
def test_what_cannot_be_played_is_refused(rpc: str, error: Any, message: str) -> None:
    """A wrong name or an error that no service sends is told at once."""
    with pytest.raises(ValueError, match=message):
        FakeRecommender().fail(rpc, error)


def test_answers_can_be_degraded(connect: Any) -> None:
    """degrade() marks every answer with its reasons until it is called with none."""
    with FakeRecommender() as fake, connect(fake.target) as client:
        fake.degrade("model server away")
        answer = client.recommend_user("42").answer
        assert (answer.degraded, answer.degraded_reasons) == (True, ("model server away",))
        fake.degrade()
        assert not client.recommend_user("42").answer.degraded


def test_calls_are_remembered(connect: Any) -> None:
    """Name, request, id and headers of each call, in order."""
    with FakeRecommender() as fake:
        with connect(fake.target, metadata={"x-team": "films"}) as client:
            client.recommend_user("42", page_size=3)
            client.get_movie("7")
        first, second = fake.received
        assert (first.rpc, second.rpc) == ("RecommendUser", "GetMovie")
        assert first.request.page_size == 3  # type: ignore[attr-defined]
        assert first.metadata["x-team"] == "films"
        assert first.request_id != second.request_id


def test_reasons_are_what_the_score_loses() -> None:
    """Without a cited movie in the history, the score is lower by exactly its weight."""
    history = [RatedMovie("7", 5.0), RatedMovie("12", 4.0), RatedMovie("29", 1.0)]
    with FakeRecommender() as fake, fake.client() as client:

        def scores(*left_out: str) -> dict[str, tuple[float, Any]]:
            kept = [rated for rated in history if rated.movie_id not in left_out]
            page = client.recommend_user(history=kept, page_size=100, exclude_seen=False)
            return {item.movie.movie_id: (item.score, item.reasons) for item in page}

        whole = scores()
        n_cited = 0
        for cited in ("7", "12", "29"):
            without = scores(cited)
            for movie_id, (score, reasons) in whole.items():
                for reason in reasons:
                    if isinstance(reason, BecauseOfMovie) and reason.movie.movie_id == cited:
                        assert score - without[movie_id][0] == pytest.approx(reason.weight)
                        n_cited += 1
        assert n_cited > 20


def test_a_guests_list_is_popular() -> None:
    """Nothing known: the most rated movies, with that as their reason and source."""
    with FakeRecommender() as fake, fake.client() as client:
        page = client.recommend_user("", page_size=5)
        popular = client.popular_movies(page_size=5)
        assert page.movie_ids == tuple(item.movie.movie_id for item in popular)
        assert {item.source for item in page} == {Source.POPULAR}
        assert {item.reasons for item in page} == {(Popular(),)}


def test_an_added_movie_is_recommended_by_its_content() -> None:
    """Nobody rated it: its source is CONTENT, its rating that of its kind's friends."""
    with FakeRecommender() as fake, fake.client() as client:
        client.add_movies([AddedMovie("n", "Star Pilots", 1981, ("Sci-Fi", "Action"), ("space",))])
        page = client.recommend_user("42", page_size=5)
        [added] = [item for item in page if item.movie.movie_id == "n"]
        assert added.source is Source.CONTENT
        by_fan, by_other = (
            client.predict_rating(user, ["n"]).as_dict()["n"] for user in ("42", "9")
        )
        assert by_fan > by_other


def test_a_movie_without_a_year_fails_any_bound() -> None:
    """Its year is unknown: neither a first nor a last year lets it through."""
    movies = [AddedMovie("a", "Alpha"), AddedMovie("b", "Beta", 1950)]
    with FakeRecommender(movies, (), {}) as fake, fake.client() as client:
        for bounds in (MovieFilter(max_year=2000), MovieFilter(min_year=1900)):
            assert client.recommend_user(filter=bounds).movie_ids == ("b",)


def test_two_fakes_share_nothing() -> None:
    """What one test records, no other test sees."""
    with FakeRecommender() as one, one.client() as client:
        client.record_ratings([RatingEvent("42", "14", 5.0)])
    with FakeRecommender() as other, other.client() as client:
        own = [event for event in SAMPLE_RATINGS if event.user_id == "42"]
        assert len(client.get_user("42").ratings) == len(own) == 8


def test_a_deadline_can_be_played(connect: Any) -> None:
    """Errors that no service words are told as themselves, too."""
    with FakeRecommender() as fake, connect(fake.target) as client:
        fake.fail("RecommendUser", DeadlineExceededError("too slow"))
        with pytest.raises(TimeoutError):
            client.recommend_user("42")


@pytest.mark.parametrize(
    ("query", "title", "least", "most"),
    [
        ("the matrix", "Matrix, The", 1.0, 1.0),
        ("MATRIX", "Matrix, The", 1.0, 1.0),
        ("amelie", "Amélie", 1.0, 1.0),
        ("matirx", "Matrix, The", 0.7, 0.99),
        ("star", "Star Wars", 0.9, 0.9),
        ("casablanca", "Alien", 0.0, 0.5),
        ("", "Alien", 0.0, 0.0),
    ],
)
def test_titles_match_as_people_type(query: str, title: str, least: float, most: float) -> None:
    """1 for the same title however written, high for a slip, low for another title."""
    assert least <= titles.match(query, title) <= most


def test_a_servers_own_failure_can_be_played() -> None:
    """INTERNAL and UNKNOWN share a class: the error's own code decides which is sent."""
    with FakeRecommender() as fake, fake.client() as client:
        fake.fail("GetUser", ServerError("x", code=grpc.StatusCode.INTERNAL))
        with pytest.raises(ServerError) as raised:
            client.get_user("42")
        assert raised.value.code is grpc.StatusCode.INTERNAL
