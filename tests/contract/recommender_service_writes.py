"""What every RecommenderService does with writes, batches and wrong requests.

The rest of the promises is in recommender_service.py.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from client import (
    AddedMovie,
    AlreadyExistsError,
    InvalidRequestError,
    MovieFilter,
    NewMovie,
    Profile,
    RatedMovie,
    RatingEvent,
    Recommendations,
    RecommenderClient,
    RecommendQuery,
    SimilarityMode,
    UserState,
)
from tests.contract.recommender_service import Subject, behaviour, new_id, same

WRONG: dict[str, tuple[str, Callable[[RecommenderClient], object]]] = {
    "page size": ("page_size", lambda c: c.recommend_user(page_size=101)),
    "negative page": ("page_size", lambda c: c.popular_movies(page_size=-1)),
    "long id": ("user_id", lambda c: c.get_user("x" * 257)),
    "control character": ("user_id", lambda c: c.recommend_user("a\nb")),
    "diversity": ("diversity", lambda c: c.recommend_user(diversity=1.5)),
    "no number": ("diversity", lambda c: c.recommend_user(diversity=float("nan"))),
    "genre": (
        "filter.genres_any[0]",
        lambda c: c.recommend_user(filter=MovieFilter(genres_any=("Nonsense",))),
    ),
    "years": (
        "filter.min_year",
        lambda c: c.recommend_user(filter=MovieFilter(min_year=2000, max_year=1990)),
    ),
    "rating in history": (
        "history[0].rating",
        lambda c: c.recommend_user(history=[RatedMovie("1", 99.0)]),
    ),
    "age": ("profile.age", lambda c: c.recommend_user(profile=Profile(age=121))),
    "too many excluded": (
        "exclude_movie_ids",
        lambda c: c.recommend_user(exclude_movie_ids=[str(n) for n in range(10_001)]),
    ),
    "no movies": ("movie_ids", lambda c: c.predict_rating("1", [])),
    "too many movies": ("movie_ids", lambda c: c.predict_rating("1", map(str, range(1001)))),
    "empty movie id": ("movie_id", lambda c: c.get_movie("")),
    "nothing said": ("new_movie", lambda c: c.similar_movies(NewMovie(""))),
    "empty query": ("query", lambda c: c.search_movies("")),
    "long query": ("query", lambda c: c.search_movies("x" * 201)),
    "no ratings": ("ratings", lambda c: c.record_ratings([])),
    "rating": (
        "ratings[0].rating",
        lambda c: c.record_ratings([RatingEvent("contract", "1", 99.0)]),
    ),
    "movie twice": (
        "movies[1].movie_id",
        lambda c: c.add_movies([AddedMovie("twice", "One"), AddedMovie("twice", "One")]),
    ),
    "blank title": ("movies[0].title", lambda c: c.add_movies([AddedMovie("blank", "  ")])),
    "no movies to add": ("movies", lambda c: c.add_movies([])),
    "long batch": ("requests", lambda c: c.batch_recommend([RecommendQuery("1")] * 101)),
}


def _refusal(field: str, ask: Callable[[RecommenderClient], object]) -> Callable[[Subject], None]:
    def refused(s: Subject) -> None:
        with pytest.raises(InvalidRequestError, match="allowed") as raised:
            ask(s.client)
        assert raised.value.field_violations[0].field == field
        assert "allowed" in raised.value.field_violations[0].description
        assert raised.value.reason == "INVALID_REQUEST"

    return refused


for _name, (_field, _ask) in WRONG.items():
    _check = _refusal(_field, _ask)
    _check.__name__ = f"wrong_{_name.replace(' ', '_')}_names_field_and_range"
    behaviour(_check)


@behaviour
def recorded_rating_is_known_at_once(s: Subject) -> None:
    """A new user with one rating is HOT, has another list, and is not shown the movie again."""
    user_id = new_id()
    before = s.client.recommend_user(user_id, page_size=20)
    liked = before.movie_ids[0]
    recorded = s.client.record_ratings([RatingEvent(user_id, liked, 5.0)])
    assert (recorded.recorded, recorded.unknown_movie_ids) == (1, ())
    user = s.client.get_user(user_id)
    assert user.user_state is UserState.HOT
    assert [(r.movie_id, r.rating) for r in user.ratings] == [(liked, 5.0)]
    assert user.ratings[0].rated_at is not None
    after = s.client.recommend_user(user_id, page_size=20)
    assert after.user_state is UserState.HOT
    assert liked not in after.movie_ids
    assert after.movie_ids != tuple(m for m in before.movie_ids if m != liked)[: len(after)]


@behaviour
def rating_can_be_changed_and_forgotten(s: Subject) -> None:
    """The newest rating of a movie counts, the oldest comes first, and None forgets."""
    user_id = new_id()
    one, two = s.client.recommend_user(page_size=2).movie_ids
    start = datetime(2024, 5, 1, tzinfo=UTC)
    s.client.record_ratings([RatingEvent(user_id, one, 2.0, start)])
    s.client.record_ratings([RatingEvent(user_id, two, 3.0, start + timedelta(hours=1))])
    s.client.record_ratings([RatingEvent(user_id, one, 4.0, start + timedelta(hours=2))])
    kept = [(r.movie_id, r.rating, r.rated_at) for r in s.client.get_user(user_id).ratings]
    assert kept == [
        (two, 3.0, start + timedelta(hours=1)),
        (one, 4.0, start + timedelta(hours=2)),
    ]
    s.client.record_ratings([RatingEvent(user_id, m, None) for m in (one, two)])
    user = s.client.get_user(user_id)
    assert (user.ratings, user.user_state) == ((), UserState.COLD)


@behaviour
def write_with_the_same_id_is_stored_once(s: Subject) -> None:
    """The second call has the first one's answer and does not undo what came between."""
    user_id, request_id = new_id(), new_id()
    [movie_id] = s.client.recommend_user(page_size=1).movie_ids
    first = [RatingEvent(user_id, movie_id, 5.0), RatingEvent(user_id, new_id(), 3.0)]
    answer = s.client.record_ratings(first, request_id=request_id)
    assert answer.recorded == 1
    assert answer.unknown_movie_ids == (first[1].movie_id,)
    s.client.record_ratings([RatingEvent(user_id, movie_id, 2.0)])
    assert s.client.record_ratings(first, request_id=request_id) == answer
    assert [r.rating for r in s.client.get_user(user_id).ratings] == [2.0]


@behaviour
def refused_write_stores_nothing(s: Subject) -> None:
    """One rating outside the range refuses the whole call."""
    user_id = new_id()
    one, two = s.client.recommend_user(page_size=2).movie_ids
    with pytest.raises(InvalidRequestError):
        s.client.record_ratings([RatingEvent(user_id, one, 4.0), RatingEvent(user_id, two, 99.0)])
    assert s.client.get_user(user_id).ratings == ()


@behaviour
def pages_continue_through_a_write(s: Subject) -> None:
    """Ratings recorded between two pages do not move the ranking that is being read."""
    user_id = new_id()
    start = s.client.recommend_user(page_size=3).movie_ids
    s.client.record_ratings([RatingEvent(user_id, m, 4.0) for m in start])
    whole = s.client.recommend_user(user_id, page_size=15)
    pages = s.client.recommend_user_pages(user_id, page_size=5)
    joined = list(next(pages))
    s.client.record_ratings([RatingEvent(user_id, m, 1.0) for m in whole.movie_ids[5:8]])
    joined += [*next(pages), *next(pages)]
    assert tuple(joined) == whole.items


@behaviour
def added_movie_is_there_at_once(s: Subject) -> None:
    """It is found by id and title, rated, similar to its kind, and recommended to who asks."""
    movie_id = new_id()
    title = f"Zebra {movie_id[-12:]}"
    movie = AddedMovie(movie_id, title, 1994, (s.narrow_genre,), ("zebra",))
    assert s.client.add_movies([movie]).added == 1
    entry = s.client.get_movie(movie_id).movie
    assert (entry.title, entry.year, entry.genres) == (title, 1994, (s.narrow_genre,))
    assert (entry.rating_count, entry.mean_rating) == (0, 0.0)
    assert s.client.search_movies(title)[0].movie.movie_id == movie_id
    assert movie_id in s.client.predict_rating(s.user_id, [movie_id]).as_dict()
    assert len(s.client.similar_movies(movie_id)) == 10
    wish = MovieFilter(genres_all=(s.narrow_genre,), min_year=1994, max_year=1994)
    twin = NewMovie(title, 1994, (s.narrow_genre,), ("zebra",))
    similar = s.client.similar_movies(twin, filter=wish, page_size=100)
    assert movie_id in {item.movie.movie_id for item in similar}
    page = s.client.recommend_user(s.user_id, filter=wish, page_size=100)
    assert movie_id in page.movie_ids


@behaviour
def movie_cannot_be_added_twice_with_other_content(s: Subject) -> None:
    """The same content is no error; other content under the same id is ALREADY_EXISTS."""
    movie = AddedMovie(new_id(), "Zebra", 1994, (s.narrow_genre,))
    s.client.add_movies([movie])
    s.client.add_movies([movie])
    with pytest.raises(AlreadyExistsError):
        s.client.add_movies([AddedMovie(movie.movie_id, "Not a Zebra", 1995)])
    assert s.client.get_movie(movie.movie_id).movie.title == "Zebra"


@behaviour
def movies_added_with_the_same_id_are_added_once(s: Subject) -> None:
    """The same request_id again: the same answer."""
    movie, request_id = AddedMovie(new_id(), "Zebra", 1994, (s.narrow_genre,)), new_id()
    first = s.client.add_movies([movie], request_id=request_id)
    assert s.client.add_movies([movie], request_id=request_id) == first


@behaviour
def order_of_genres_and_tags_is_no_content(s: Subject) -> None:
    """A movie whose genres and tags are named in another order is the same movie."""
    movie_id, other = new_id(), "Drama" if s.narrow_genre != "Drama" else "Comedy"
    s.client.add_movies([AddedMovie(movie_id, "Zebra", 1994, (s.narrow_genre, other), ("a", "b"))])
    again = AddedMovie(movie_id, "Zebra", 1994, (other, s.narrow_genre), ("b", "a"))
    assert s.client.add_movies([again]).added == 0


@behaviour
def request_id_of_another_write_is_refused(s: Subject) -> None:
    """Used again for anything else, an id is a mistake: refused by name, and nothing is stored."""
    user_id, request_id, movie_id = new_id(), new_id(), new_id()
    [known] = s.client.recommend_user(page_size=1).movie_ids
    s.client.record_ratings([RatingEvent(user_id, known, 5.0)], request_id=request_id)
    for again in (
        lambda: s.client.record_ratings([RatingEvent(user_id, known, 1.0)], request_id=request_id),
        lambda: s.client.add_movies([AddedMovie(movie_id, "Zebra")], request_id=request_id),
    ):
        with pytest.raises(InvalidRequestError) as raised:
            again()
        assert raised.value.field_violations[0].field == "request_id"
    assert [r.rating for r in s.client.get_user(user_id).ratings] == [5.0]
    assert s.client.search_movies(movie_id).items == ()


@behaviour
def added_movie_is_like_its_kind(s: Subject) -> None:
    """A twin of a movie is like it by content, in part by both, and not by who watched them."""
    original, movie_id = s.client.get_movie(s.movie_id).movie, new_id()
    s.client.add_movies([AddedMovie(movie_id, s.title, original.year, original.genres)])
    wish = MovieFilter(genres_all=original.genres)

    def score(mode: SimilarityMode) -> float | None:
        alike = s.client.similar_movies(s.movie_id, mode=mode, filter=wish, page_size=100)
        return {item.movie.movie_id: item.score for item in alike}.get(movie_id)

    assert score(SimilarityMode.CONTENT) == pytest.approx(1, abs=0.3)
    hybrid, content = score(SimilarityMode.HYBRID), score(SimilarityMode.CONTENT)
    assert hybrid is not None
    assert content is not None
    assert 0 < hybrid <= content
    assert score(SimilarityMode.COLLABORATIVE) is None


@behaviour
def added_movie_may_be_in_a_diverse_list(s: Subject) -> None:
    """Diversity reorders a list that holds movies which nobody trained on."""
    movies = [AddedMovie(new_id(), f"Zebra {n}", 1993, (s.narrow_genre,)) for n in range(3)]
    s.client.add_movies(movies)
    wish = MovieFilter(genres_all=(s.narrow_genre,), min_year=1993, max_year=1993)
    plain = s.client.recommend_user(s.user_id, filter=wish, page_size=100)
    diverse = s.client.recommend_user(s.user_id, filter=wish, page_size=100, diversity=0.5)
    assert set(diverse.movie_ids) == set(plain.movie_ids) >= {m.movie_id for m in movies}


@behaviour
def batch_equals_single_calls(s: Subject) -> None:
    """Each query has the answer that it has alone, in order."""
    queries = [
        RecommendQuery(s.user_id, page_size=7),
        RecommendQuery(page_size=3),
        RecommendQuery(profile=Profile(age=30)),
        RecommendQuery(s.user_id, filter=MovieFilter(genres_all=(s.narrow_genre,))),
    ]
    for query, result in zip(queries, s.client.batch_recommend(queries), strict=True):
        alone = s.client.recommend_user(
            query.user_id, page_size=query.page_size, filter=query.filter, profile=query.profile
        )
        assert isinstance(result, Recommendations)
        assert same(result, alone)


@behaviour
def batch_has_a_status_for_each(s: Subject) -> None:
    """One wrong query fails alone, with its own violation."""
    good, bad = s.client.batch_recommend(
        [RecommendQuery(s.user_id), RecommendQuery(s.user_id, page_size=101)]
    )
    assert isinstance(good, Recommendations)
    assert len(good) == 10
    assert isinstance(bad, InvalidRequestError)
    assert bad.field_violations[0].field.endswith("page_size")


@behaviour
def batch_has_no_pages(s: Subject) -> None:
    """A query with a page token fails alone, and a batch without any query is an empty answer."""
    good, bad = s.client.batch_recommend(
        [RecommendQuery(s.user_id), RecommendQuery(s.user_id, page_token="x")]  # noqa: S106
    )
    assert isinstance(good, Recommendations)
    assert isinstance(bad, InvalidRequestError)
    assert bad.field_violations[0].field == "page_token"
    assert s.client.batch_recommend([]).items == ()
