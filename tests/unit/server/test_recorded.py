"""Recorded ratings take their places in a stored history."""

from __future__ import annotations

from server.domain import History, MovieId, Profile, RatingEvent, StoredUser, UserId
from server.features.recorded import with_recorded

WHO = Profile(30, "F", "student")


def event(movie_id: str, rating: float | None, rated_at: int) -> RatingEvent:
    return RatingEvent(UserId("u"), MovieId(movie_id), rating, rated_at)


def stored(*rows: tuple[str, float, int]) -> StoredUser:
    return StoredUser(WHO, History(*zip(*rows, strict=True)) if rows else History())


def test_nothing_recorded_changes_nothing() -> None:
    """A user comes back as stored, an unknown one stays unknown."""
    user = stored(("a", 1, 5))

    assert with_recorded(user, []) is user
    assert with_recorded(None, []) is None


def test_a_rating_stands_where_its_time_puts_it() -> None:
    """Ratings given earlier than others are older; at the same moment the recorded is the newer."""
    user = with_recorded(
        stored(("a", 1, 10), ("b", 2, 20), ("c", 3, 30)),
        [event("new", 5, 40), event("old", 4, 5), event("tie", 3, 20)],
    )

    assert user == stored(
        ("old", 4, 5), ("a", 1, 10), ("b", 2, 20), ("tie", 3, 20), ("c", 3, 30), ("new", 5, 40)
    )


def test_unknown_times_keep_the_stored_order() -> None:
    """A stored rating without a time stays behind the one before it."""
    user = with_recorded(
        stored(("a", 1, 0), ("b", 2, 20), ("c", 3, 0)), [event("new", 5, 19), event("b2", 5, 21)]
    )

    assert user is not None
    assert user.history.movie_ids == ("a", "new", "b", "c", "b2")


def test_a_new_rating_of_a_movie_moves_it() -> None:
    """Re-rated movies stand once, where the new time puts them; taken back ones are gone."""
    user = with_recorded(
        stored(("a", 1, 10), ("b", 2, 20), ("c", 3, 30)), [event("b", None, 50), event("a", 5, 60)]
    )

    assert user == stored(("c", 3, 30), ("a", 5, 60))


def test_all_taken_back_leaves_the_profile() -> None:
    """A user without any rating left is still somebody."""
    assert with_recorded(stored(("a", 1, 10)), [event("a", None, 50)]) == stored()
    assert with_recorded(None, [event("a", None, 50)]) == StoredUser(Profile(), History())
