"""What every RecommenderService does, asked through the client: one function for each promise.

A function takes a Subject, so that a fake, a gateway in this process and a server far away can be
asked the same; test_recommender_service.py says whom. They leave behind users and movies with new
ids and nothing else. recommender_service_writes.py has the promises about writes and batches.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from client import (
    BecauseOfMovie,
    InvalidRequestError,
    MovieFilter,
    NewMovie,
    NotFoundError,
    OrderBy,
    PopularList,
    Profile,
    RatedMovie,
    Recommendations,
    RecommenderClient,
    SharedGenre,
    SimilarityMode,
    UserState,
)


@dataclass(frozen=True)
class Subject:
    """A service, and what its catalogue is known to have."""

    client: RecommenderClient
    user_id: str
    """Has rated at least five movies, and not `movie_id`'s neighbours all."""
    movie_id: str
    title: str
    """Of `movie_id`; no other movie has it."""
    similar_ids: frozenset[str]
    """What nobody would miss among ten movies like `movie_id`: one of them is there."""
    narrow_genre: str
    """At least five movies have it, and fewer than half of all."""
    rating_range: tuple[float, float] = (1.0, 5.0)


Behaviour = Callable[[Subject], None]
BEHAVIOURS: list[Behaviour] = []


def behaviour(function: Behaviour) -> Behaviour:
    """Registers a promise."""
    BEHAVIOURS.append(function)
    return function


def new_id() -> str:
    return f"contract-{uuid.uuid4().hex}"


def same(one: Recommendations, other: Recommendations) -> bool:
    """Whether two answers are the same, their names aside."""
    return (one.items, one.user_state, one.answer) == (other.items, other.user_state, other.answer)


@behaviour
def known_user_gets_a_full_unseen_page_best_first(s: Subject) -> None:
    """HOT; ten different movies, none rated, scores not rising, ratings inside the range."""
    seen = {rated.movie_id for rated in s.client.get_user(s.user_id).ratings}
    page = s.client.recommend_user(s.user_id)
    assert page.user_state is UserState.HOT
    assert len(page) == len(set(page.movie_ids)) == 10
    assert not seen & set(page.movie_ids)
    scores = [item.score for item in page]
    assert scores == sorted(scores, reverse=True)
    low, high = s.rating_range
    assert all(low <= item.predicted_rating <= high for item in page)
    assert all(item.movie.title for item in page)
    assert page.answer.release_version > 0
    assert page.recommendation_id


@behaviour
def guest_is_cold(s: Subject) -> None:
    """A guest and an id that nobody knows get the same full page, and no error."""
    guest = s.client.recommend_user()
    unknown = s.client.recommend_user(new_id())
    assert guest.user_state is unknown.user_state is UserState.COLD
    assert len(guest) == 10
    assert guest.movie_ids == unknown.movie_ids


@behaviour
def history_of_the_request_makes_a_guest_warm(s: Subject) -> None:
    """One rating in the request changes the list, and the movie is not recommended again."""
    guest = s.client.recommend_user(page_size=20)
    liked = guest.movie_ids[0]
    page = s.client.recommend_user(history=[RatedMovie(liked, s.rating_range[1])], page_size=20)
    assert page.user_state is UserState.WARM
    assert liked not in page.movie_ids
    assert page.movie_ids != tuple(m for m in guest.movie_ids if m != liked)[: len(page)]


@behaviour
def profile_alone_makes_a_guest_warm(s: Subject) -> None:
    """Who says something about himself or herself is no cold guest."""
    page = s.client.recommend_user(profile=Profile(age=30, favorite_genres=(s.narrow_genre,)))
    assert page.user_state is UserState.WARM
    assert len(page) == 10


@behaviour
def dislike_sinks_what_resembles_it(s: Subject) -> None:
    """Of what resembles a movie, more stands above the middle when it was liked than disliked."""
    alike = [item.movie.movie_id for item in s.client.similar_movies(s.movie_id, page_size=5)]
    low, high = s.rating_range

    def total_rank(rating: float) -> int:
        page = s.client.recommend_user(history=[RatedMovie(s.movie_id, rating)], page_size=100)
        ranks = {movie_id: rank for rank, movie_id in enumerate(page.movie_ids)}
        return sum(ranks.get(movie_id, 100) for movie_id in alike)

    assert total_rank(high) < total_rank(low)


@behaviour
def excluded_movies_stay_out_and_the_page_is_full(s: Subject) -> None:
    """Movies named in the request do not come back; others take their places."""
    first = s.client.recommend_user(s.user_id).movie_ids
    second = s.client.recommend_user(s.user_id, exclude_movie_ids=first)
    assert len(second) == 10
    assert not set(first) & set(second.movie_ids)


@behaviour
def seen_movies_may_be_asked_for(s: Subject) -> None:
    """exclude_seen=False lets rated movies back in."""
    seen = {rated.movie_id for rated in s.client.get_user(s.user_id).ratings}
    page = s.client.recommend_user(s.user_id, exclude_seen=False, page_size=100)
    assert seen & set(page.movie_ids)


@behaviour
def narrow_wish_fills_the_page_exactly(s: Subject) -> None:
    """Genres and years hold for every movie, and five are found."""
    for wish in (
        MovieFilter(genres_all=(s.narrow_genre,)),
        MovieFilter(genres_any=(s.narrow_genre,), max_year=2100),
    ):
        page = s.client.recommend_user(s.user_id, page_size=5, filter=wish)
        assert len(page) == 5
        assert all(s.narrow_genre in item.movie.genres for item in page)
    page = s.client.recommend_user(filter=MovieFilter(genres_none=("Drama",), max_year=1990))
    assert len(page) == 10
    assert all("Drama" not in item.movie.genres for item in page)
    assert all(0 < item.movie.year <= 1990 for item in page)


@behaviour
def longer_page_begins_with_the_shorter_one(s: Subject) -> None:
    """The prefix does not depend on the page size."""
    short = s.client.recommend_user(s.user_id, page_size=4)
    long = s.client.recommend_user(s.user_id, page_size=12)
    assert long.items[:4] == short.items


@behaviour
def same_question_has_the_same_answer(s: Subject) -> None:
    """Twice the same, under two recommendation ids."""
    one, other = s.client.recommend_user(s.user_id), s.client.recommend_user(s.user_id)
    assert same(one, other)
    assert one.recommendation_id != other.recommendation_id


@behaviour
def pages_concatenate_to_the_whole_ranking(s: Subject) -> None:
    """Pages of five are the page of twenty, cut; nothing repeats until the last token is empty."""
    whole = s.client.recommend_user(s.user_id, page_size=20)
    pages = list(s.client.recommend_user_pages(s.user_id, page_size=5))
    joined = [item for page in pages for item in page]
    assert tuple(joined[:20]) == whole.items
    ids = [item.movie.movie_id for item in joined]
    assert len(ids) == len(set(ids)) > 20
    assert [bool(page.next_page_token) for page in pages] == [True] * (len(pages) - 1) + [False]
    assert len({page.recommendation_id for page in pages}) == 1


@behaviour
def token_belongs_to_its_query(s: Subject) -> None:
    """A token of another query, or a changed one, is refused by name."""
    token = s.client.recommend_user(s.user_id, page_size=5).next_page_token
    for user_id, wrong in ((new_id(), token), (s.user_id, token[:-1]), (s.user_id, "made up")):
        with pytest.raises(InvalidRequestError) as raised:
            s.client.recommend_user(user_id, page_size=5, page_token=wrong)
        assert raised.value.field_violations[0].field == "page_token"


@behaviour
def diversity_reorders_and_keeps_the_rules(s: Subject) -> None:
    """At 1 the list differs from score order; it is full, unique and unseen all the same."""
    plain = s.client.recommend_user(s.user_id, page_size=10)
    diverse = s.client.recommend_user(s.user_id, page_size=10, diversity=1.0)
    seen = {rated.movie_id for rated in s.client.get_user(s.user_id).ratings}
    assert diverse.movie_ids != plain.movie_ids
    assert len(set(diverse.movie_ids)) == 10
    assert not seen & set(diverse.movie_ids)


@behaviour
def order_by_rating_ranks_by_rating(s: Subject) -> None:
    """Predicted ratings do not rise along the list, and begin no lower than the default's best."""
    page = s.client.recommend_user(s.user_id, order_by=OrderBy.PREDICTED_RATING)
    ratings = [item.predicted_rating for item in page]
    assert ratings == sorted(ratings, reverse=True)
    default = s.client.recommend_user(s.user_id)
    assert ratings[0] >= max(item.predicted_rating for item in default) - 1e-6


@behaviour
def no_movie_is_cited_for_a_rating(s: Subject) -> None:
    """Ordered by predicted rating, what a movie adds to the score is no reason."""
    page = s.client.recommend_user(s.user_id, order_by=OrderBy.PREDICTED_RATING, page_size=20)
    assert not any(isinstance(r, BecauseOfMovie) for item in page for r in item.reasons)


@behaviour
def reasons_are_of_the_user(s: Subject) -> None:
    """Cited movies are of the history and weigh more than nothing; genres are the movie's own."""
    rated = {rated.movie_id for rated in s.client.get_user(s.user_id).ratings}
    reasons = [
        (item.movie, reason)
        for item in s.client.recommend_user(s.user_id, page_size=20)
        for reason in item.reasons
    ]
    assert any(isinstance(reason, BecauseOfMovie) for _, reason in reasons)
    for movie, reason in reasons:
        if isinstance(reason, BecauseOfMovie):
            assert reason.movie.movie_id in rated
            assert reason.weight > 0
        if isinstance(reason, SharedGenre):
            assert reason.genre in movie.genres


@behaviour
def unknown_movies_of_a_request_are_listed(s: Subject) -> None:
    """An id that the catalogue does not have is no error; the answer names it."""
    nowhere, nothing = new_id(), new_id()
    page = s.client.recommend_user(
        s.user_id, history=[RatedMovie(nowhere, 3.0)], exclude_movie_ids=[nothing]
    )
    assert set(page.answer.unknown_movie_ids) == {nowhere, nothing}


@behaviour
def ratings_come_in_order_and_inside_the_range(s: Subject) -> None:
    """One rating for each known movie, in the order asked; unknown ones are listed apart."""
    others = [item.movie.movie_id for item in s.client.recommend_user(s.user_id, page_size=3)]
    wanted = [others[2], s.movie_id, others[0]]
    nowhere = new_id()
    for user_id in (s.user_id, "", new_id()):
        got = s.client.predict_rating(user_id, [*wanted, nowhere])
        assert [item.movie_id for item in got] == wanted
        assert got.answer.unknown_movie_ids == (nowhere,)
        low, high = s.rating_range
        assert all(low <= item.rating <= high for item in got)


@behaviour
def similar_movies_are_others_most_similar_first(s: Subject) -> None:
    """Every mode: never the movie itself, cosines that do not rise, none twice."""
    for mode in SimilarityMode:
        similar = s.client.similar_movies(s.movie_id, mode=mode)
        ids = [item.movie.movie_id for item in similar]
        assert len(set(ids)) == len(ids) == 10
        assert s.movie_id not in ids
        scores = [item.score for item in similar]
        assert scores == sorted(scores, reverse=True)
        assert all(-1.0001 <= score <= 1.0001 for score in scores)
    hybrid = s.client.similar_movies(s.movie_id)
    assert {item.movie.movie_id for item in hybrid} & s.similar_ids


@behaviour
def similar_movies_obey_a_wish(s: Subject) -> None:
    """A filter holds for movies like another one, too."""
    wish = MovieFilter(genres_all=(s.narrow_genre,))
    similar = s.client.similar_movies(s.movie_id, page_size=5, filter=wish)
    assert len(similar) == 5
    assert all(s.narrow_genre in item.movie.genres for item in similar)


@behaviour
def new_movie_is_placed_by_its_content(s: Subject) -> None:
    """A movie outside the catalogue finds its own genre."""
    similar = s.client.similar_movies(NewMovie("Nobody Knows This", 1990, (s.narrow_genre,)))
    assert len(similar) == 10
    assert any(s.narrow_genre in item.movie.genres for item in similar.items[:3])


@behaviour
def unknown_movie_is_not_found(s: Subject) -> None:
    """NOT_FOUND where the answer hangs on the movie, with a reason and the call's id."""
    for ask in (s.client.get_movie, s.client.similar_movies):
        with pytest.raises(NotFoundError) as raised:
            ask(new_id())
        assert raised.value.reason == "UNKNOWN_MOVIE"
        assert raised.value.request_id


@behaviour
def known_user_and_movie_are_told(s: Subject) -> None:
    """A user's ratings are inside the range; a movie has its title; nobody is COLD and empty."""
    user = s.client.get_user(s.user_id)
    low, high = s.rating_range
    assert user.user_state is UserState.HOT
    assert len(user.ratings) >= 5
    assert all(low <= rated.rating <= high for rated in user.ratings)
    assert s.client.get_movie(s.movie_id).movie.title == s.title
    nobody = s.client.get_user(new_id())
    assert (nobody.user_state, nobody.ratings) == (UserState.COLD, ())


@behaviour
def title_is_found_as_people_type_it(s: Subject) -> None:
    """Exact, in other case, or with two letters swapped: the movie comes first."""
    swapped = s.title[:2] + s.title[3] + s.title[2] + s.title[4:]
    for query, least in ((s.title, 1.0), (s.title.upper(), 1.0), (swapped, 0.3)):
        found = s.client.search_movies(query, page_size=5)
        assert found[0].movie.movie_id == s.movie_id
        assert least <= found[0].match <= 1.0
        matches = [item.match for item in found]
        assert matches == sorted(matches, reverse=True)
        assert len(found) <= 5


@behaviour
def place_of_an_article_does_not_matter(s: Subject) -> None:
    """A movie listed as "Matrix, The" is found as "the matrix"."""
    listed = [
        item.movie
        for item in s.client.popular_movies(PopularList.MOST_RATED, page_size=100)
        if item.movie.title.endswith(", The")
    ]
    assert listed
    for movie in listed[:3]:
        spoken = "the " + movie.title.removesuffix(", The").lower()
        assert movie.movie_id in {i.movie.movie_id for i in s.client.search_movies(spoken)}


@behaviour
def popular_lists_are_sorted_and_obey(s: Subject) -> None:
    """Every list: scores do not rise; thresholds and filters hold."""
    for ranking in PopularList:
        wish = MovieFilter(genres_none=(s.narrow_genre,), min_year=1950)
        popular = s.client.popular_movies(
            ranking, min_rating_count=3, min_mean_rating=3.0, filter=wish, page_size=20
        )
        assert popular
        scores = [item.score for item in popular]
        assert scores == sorted(scores, reverse=True)
        for item in popular:
            assert item.movie.rating_count >= 3
            assert item.movie.mean_rating >= 3.0
            assert s.narrow_genre not in item.movie.genres
            assert item.movie.year >= 1950
    most = [i.movie.rating_count for i in s.client.popular_movies(PopularList.MOST_RATED)]
    assert most == sorted(most, reverse=True)
    best = [i.movie.mean_rating for i in s.client.popular_movies(PopularList.HIGHEST_RATED)]
    assert best == sorted(best, reverse=True)


@behaviour
def status_tells_what_answers(s: Subject) -> None:
    """The active release is the one of the answers, its parts are ready, and it has movies."""
    status = s.client.get_serving_status()
    assert status.ready
    assert status.releases.active == s.client.recommend_user().answer.release_version
    assert status.counts.movies > 0
    assert status.counts.users > 0
    assert status.store_state
