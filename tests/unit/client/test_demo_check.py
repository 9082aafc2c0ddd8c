"""The check's numbers, worked by hand."""

import json
from pathlib import Path
from typing import Any

import pytest

from client import RecommenderClient
from client.demo.check import CheckResult, check, most_popular, overlap, recall
from client.demo.failures import DemoError
from client.demo.holdout import Holdout, read_holdout
from protos.recommender.v1 import recommender_pb2 as pb


def test_recall_is_the_share_of_the_held_out_movies_that_came_back() -> None:
    """2 of 4 held-out movies among the recommended: 0.5, however long the list is."""
    assert recall(["a", "b", "x", "y", "z"], {"a": 5, "b": 1, "c": 3, "d": 3}) == 0.5
    assert recall([], ["a"]) == 0.0


def test_popularity_leaves_out_what_the_user_has_rated() -> None:
    """The 10 most rated movies that are new to the user, in order; fewer when there are no more."""
    ranking = [f"m{n}" for n in range(15)]
    assert most_popular(ranking, {"m0", "m2"}) == [
        *("m1", "m3", "m4", "m5", "m6", "m7", "m8", "m9", "m10", "m11")
    ]
    assert most_popular(["a", "b"], {"a"}) == ["b"]


@pytest.mark.parametrize(
    ("one", "other", "share"),
    [("abcd", "cdef", 0.5), ("abcd", "ab", 1.0), ("ab", "cd", 0.0), ("", "ab", 1.0)],
)
def test_overlap_is_a_share_of_the_shorter_list(one: str, other: str, share: float) -> None:
    """2 of 4 in common are half; a list that is all inside the other is everything."""
    assert overlap(list(one), list(other)) == share


HOLDOUT = Holdout(
    popularity=tuple(f"p{n}" for n in range(20)),
    ratings={
        "nothing": {},
        "ann": {"a1": 5.0, "a2": 4.0, "p0": 3.0, "p1": 1.0},
        "bob": {"b1": 5.0, "p3": 2.0},
    },
)
LISTS = {"ann": ["a1", "a2", "p0", "s"], "bob": ["p3", "s", "t", "u"]}
SEEN = {"ann": ["p0", "zz"], "bob": []}


def answer_from(lists: dict[str, list[str]], service: Any, degraded: bool = False) -> None:
    service.answers["RecommendUser"] = lambda request, _: pb.RecommendUserResponse(
        recommendations=[{"movie": pb.Movie(movie_id=m)} for m in lists[request.user_id]],
        answer=pb.Answer(degraded=degraded),
    )
    service.answers["GetUser"] = lambda request, _: pb.GetUserResponse(
        ratings=[pb.RatedMovie(movie_id=m) for m in SEEN[request.user_id]]
    )


def test_the_check_asks_the_service(client: RecommenderClient, service: Any) -> None:
    """Recall is the mean over users; popularity leaves out what each has rated; two are compared.

    ann: 3 of 4 came back, bob: 1 of 2, the mean is 0.625. The ten most rated that are new to ann
    are p1..p10 and hold 1 of her 4; bob's p0..p9 hold 1 of his 2: 0.375. The lists share "s".
    """
    answer_from(LISTS, service)
    result = check(client, HOLDOUT)
    assert result == CheckResult(
        n_users=2,
        recall=0.625,
        popularity_recall=0.375,
        pair=("ann", "bob"),
        overlap=0.25,
        n_degraded=0,
    )
    assert result.problems() == []
    asked = [r for r in service.requests if isinstance(r, pb.RecommendUserRequest)]
    assert [request.page_size for request in asked] == [10, 10]


def test_a_list_for_everybody_does_not_pass(client: RecommenderClient, service: Any) -> None:
    """One list for all is not personal; that its answers were degraded is told beside it."""
    same = [f"p{n}" for n in range(10)]
    answer_from({"ann": same, "bob": same}, service, degraded=True)
    assert check(client, HOLDOUT).problems() == [
        "users ann and bob share 100% of their lists, allowed is less than 50%",
        "2 of 2 answers were degraded",
    ]


@pytest.mark.parametrize(
    ("recall_", "overlap_", "n_problems"),
    [(0.2, 0.4, 0), (0.1, 0.4, 1), (0.05, 0.4, 1), (0.2, 0.5, 1), (0.1, 0.5, 2)],
)
def test_equal_is_not_better_and_half_is_not_less(
    recall_: float, overlap_: float, n_problems: int
) -> None:
    """Recall must be above popularity's 0.1 and the lists must share less than half."""
    result = CheckResult(9, recall_, 0.1, ("1", "2"), overlap_, 0)
    assert len(result.problems()) == n_problems


def test_at_most_200_users_are_asked(client: RecommenderClient, service: Any) -> None:
    """The first 200 users of the file are asked, no more."""
    service.answers["RecommendUser"] = pb.RecommendUserResponse()
    service.answers["GetUser"] = pb.GetUserResponse()
    many = Holdout((), {f"u{n}": {"a": 1.0} for n in range(203)})
    assert check(client, many).n_users == 200
    asked = [r.user_id for r in service.requests if isinstance(r, pb.RecommendUserRequest)]
    assert asked == [f"u{n}" for n in range(200)]


def test_one_user_is_not_enough(client: RecommenderClient) -> None:
    """Two lists are needed to tell whether lists are personal."""
    with pytest.raises(DemoError, match="needs 2 held-out users, the hold-out file has 1"):
        check(client, Holdout((), {"ann": {"a": 1.0}, "bob": {}}))


def test_a_holdout_file_is_read_as_the_contract_says(tmp_path: Path) -> None:
    """The schema of serving/contract/snapshot.py."""
    path = tmp_path / "holdout.json"
    content = {
        "protocol": "the last fifth of each user's ratings",
        "popularity": ["50", "1"],
        "users": [{"user_id": "7", "ratings": [{"movie_id": "50", "rating": 4.5}]}],
    }
    path.write_text(json.dumps(content))
    assert read_holdout(path) == Holdout(("50", "1"), {"7": {"50": 4.5}})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is no hold-out file"),
        ("[]", "is no hold-out file"),
        ('{"popularity": []}', "is no hold-out file: KeyError 'users'"),
        ('{"popularity": [], "users": [{"user_id": "1"}]}', "KeyError 'ratings'"),
        (None, "is not readable: No such file or directory"),
    ],
)
def test_a_broken_holdout_file_is_named(tmp_path: Path, text: str | None, message: str) -> None:
    """The message names the file and what is wrong, and the exit status is a user's error."""
    path = tmp_path / "mine.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(DemoError, match=message) as raised:
        read_holdout(path)
    assert str(path) in str(raised.value)
    assert raised.value.exit_code == 2
