"""Histories merged, profiles overridden, states told apart."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from server.domain import History, MovieId, Profile, StoredUser, UserId, UserState, Version
from server.features.snapshot import read_catalogue
from server.releases import ActiveRelease
from server.users import merge_histories, request_user, unknown_movies
from tests.releases import GENRES, World, write_release


def history(*rows: tuple[str, float]) -> History:
    return History(
        tuple(MovieId(movie_id) for movie_id, _ in rows),
        tuple(rating for _, rating in rows),
        (0,) * len(rows),
    )


def ids_of(release: ActiveRelease, movies: NDArray[np.int64]) -> list[MovieId]:
    return [release.catalogue.movie_ids[movie] for movie in movies]


@dataclass
class FakeStore:
    """Users in a dict; counts the reads."""

    users: dict[str, StoredUser]
    reads: list[tuple[int, str]] = field(default_factory=list)

    def read(self, version: Version, user_id: UserId) -> StoredUser | None:
        self.reads.append((version, user_id))
        return self.users.get(user_id)


@pytest.fixture
def release(tmp_path: Path) -> ActiveRelease:
    manifest = write_release(tmp_path, 4, World(max_history=3))
    catalogue = read_catalogue(tmp_path / "features" / "4", GENRES)
    return ActiveRelease(Version(4), manifest, catalogue, catalogue)


def test_the_request_wins_and_moves_to_the_newest_end() -> None:
    """A movie in both, or twice in the request, keeps its last rating and its last place."""
    merged = merge_histories(
        history(("a", 1), ("b", 2), ("c", 3)), history(("d", 4), ("a", 5), ("d", 2))
    )

    assert merged.movie_ids == ("b", "c", "a", "d")
    assert merged.ratings == (2, 3, 5, 2)


def test_only_the_newest_ratings_reach_the_models(release: ActiveRelease) -> None:
    """max_history is 3: the models see the newest three, the seen set holds all."""
    store = FakeStore({"u": StoredUser(Profile(), history(("m1", 1), ("m2", 2), ("m3", 3)))})

    user = request_user(
        release, store, UserId("u"), history(("m4", 4), ("m1", 5), ("zz", 1)), Profile()
    )

    assert ids_of(release, user.model.movies) == ["m3", "m4", "m1"]
    assert user.model.ratings.tolist() == [3, 4, 5]
    assert ids_of(release, user.seen) == ["m2", "m3", "m4", "m1"]
    assert user.state is UserState.HOT
    assert store.reads == [(4, "u")]


def test_the_requests_profile_overrides_field_by_field(release: ActiveRelease) -> None:
    """What the request leaves open stays as stored."""
    stored = StoredUser(Profile(30, "F", "student"), History())

    user = request_user(
        release,
        FakeStore({"u": stored}),
        UserId("u"),
        History(),
        Profile(age=31, favorite_genres=("Drama",)),
    )

    assert user.model.tokens == [
        "age:31",
        "gender:F",
        "occupation:student",
        "genre:Drama",
    ]
    assert user.state is UserState.WARM


def test_a_user_is_placed_once_until_the_store_gives_another(release: ActiveRelease) -> None:
    """The same object while the store gives the same one; a request that says more is its own."""
    store = FakeStore({"u": StoredUser(Profile(), history(("m1", 1)))})

    def ask(rated: History) -> list[str]:
        user = request_user(release, store, UserId("u"), rated, Profile())
        return ids_of(release, user.seen)

    first = request_user(release, store, UserId("u"), History(), Profile())
    assert request_user(release, store, UserId("u"), History(), Profile()) is first
    assert ask(history(("m2", 2))) == ["m1", "m2"]
    assert ask(History()) == ["m1"]
    store.users["u"] = StoredUser(Profile(), history(("m1", 1), ("m3", 3)))
    assert ask(History()) == ["m1", "m3"]


def test_a_guest_is_never_looked_up(release: ActiveRelease) -> None:
    """user_id "" reads nothing, whatever the store holds."""
    store = FakeStore({"": StoredUser(Profile(), history(("m1", 1)))})

    user = request_user(release, store, UserId(""), History(), Profile())

    assert store.reads == []
    assert user.state is UserState.COLD


def test_history_of_unknown_movies_alone_is_cold(release: ActiveRelease) -> None:
    """Movies that the catalogue does not have tell nothing of a user."""
    user = request_user(release, FakeStore({}), UserId("u"), history(("zz", 5)), Profile())

    assert user.state is UserState.COLD
    assert len(user.seen) == 0


def test_unknown_movies_are_named_once_in_order(release: ActiveRelease) -> None:
    """Over several lists, without those of the catalogue."""
    lists = [[MovieId("z"), MovieId("m1")], [MovieId("y"), MovieId("z")]]

    assert unknown_movies(release, *lists) == ("z", "y")
