"""A candidate release beside the stable one: who is answered by which, and what if it cannot."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest

from protos.recommender.v1 import recommender_pb2 as pb
from protos.recommender.v1.recommender_pb2_grpc import RecommenderServiceStub
from server.app import gateway
from server.domain import UserId
from server.releases import Candidate
from server.settings import Settings
from tests.fake_model_server import LOADING, FakeModelServer
from tests.fault.waiting import eventually
from tests.releases import World, WorldMovie, WorldUser, activate, write_release

USERS = [f"user-{n}" for n in range(60)]


@contextmanager
def running(settings: Settings) -> Iterator[RecommenderServiceStub]:
    with gateway(settings) as live, grpc.insecure_channel(live.target) as channel:
        yield RecommenderServiceStub(channel)


def releases_of(stub: RecommenderServiceStub) -> pb.GetServingStatusResponse.Releases:
    return stub.GetServingStatus(pb.GetServingStatusRequest(), timeout=10).releases


def versions(stub: RecommenderServiceStub) -> dict[str, int]:
    """Which release answers each of USERS; each answer is whole from that one."""
    found = {}
    for user_id in USERS:
        response = stub.RecommendUser(pb.RecommendUserRequest(user_id=user_id), timeout=10)
        version = response.answer.release_version
        # Version v adds (v - 1) / 100 to each score.
        fractions = {round(e.score % 1, 4) for e in response.recommendations}
        assert fractions == {round((version - 1) / 100, 4)}
        found[user_id] = version
    return found


def drawn(version: int, share: float, n: int = 20_000) -> set[str]:
    class Named:
        def __init__(self) -> None:
            self.version = version

    candidate = Candidate(Named(), share)  # type: ignore[arg-type] # only the version is read
    return {str(i) for i in range(n) if candidate.answers(UserId(str(i)))}


def test_shares_are_kept_and_grow_by_users() -> None:
    """A tenth is a tenth within 5 sigma; a larger share keeps them; another version draws others.

    The deviation of 20,000 draws at 0.1 is sqrt(20000 x 0.1 x 0.9) = 42.
    """
    tenth, third = drawn(2, 0.1), drawn(2, 0.3)

    assert abs(len(tenth) - 2000) < 5 * 42
    assert tenth < third
    assert len(drawn(2, 0.0)) == 0
    assert len(drawn(2, 1.0)) == 20_000
    # Independent draws share a tenth of a tenth: 200, deviation 14.
    assert abs(len(tenth & drawn(3, 0.1)) - 200) < 5 * 14


def test_a_candidate_answers_its_users_whole_and_the_others_do_not_notice(
    settings: Settings, models_dir: Path, model_server: FakeModelServer
) -> None:
    """Half of the users, always the same ones, in single calls, batches and other reads."""
    model_server.load(2)
    with running(settings) as stub:
        newcomer = WorldUser("late", ratings=(("m12", 5.0, 1),))
        write_release(models_dir, 2, World(users=(newcomer,)))
        activate(models_dir, 1, candidate=2, share=0.5)
        eventually(lambda: 2 in versions(stub).values())

        first, again = versions(stub), versions(stub)
        status = releases_of(stub)
        batch = stub.BatchRecommend(
            pb.BatchRecommendRequest(
                requests=[pb.RecommendUserRequest(user_id=user_id) for user_id in USERS]
            ),
            timeout=10,
        )
        guest = stub.RecommendUser(pb.RecommendUserRequest(), timeout=10)
        rated = {
            user_id: stub.PredictRating(
                pb.PredictRatingRequest(user_id=user_id, movie_ids=["m3"]), timeout=10
            ).answer.release_version
            for user_id in USERS[:10]
        }

    assert first == again
    assert 10 < sum(version == 2 for version in first.values()) < 50
    assert [r.response.answer.release_version for r in batch.results] == list(first.values())
    assert rated == {user_id: first[user_id] for user_id in USERS[:10]}
    # Guests cannot be told apart.
    assert guest.answer.release_version == 1
    assert (status.stable, status.active) == (1, 1)
    assert (status.candidate, status.candidate_share, status.why_not_switched) == (2, 0.5, "")


def test_a_movie_of_the_candidate_alone_is_known(
    settings: Settings, models_dir: Path, model_server: FakeModelServer
) -> None:
    """Who finds it in a list may look at it, ask for its like and rate it; it is not lost later."""
    model_server.load(2)
    with running(settings) as stub:
        only_there = WorldMovie("m13", "Only there", 2000, ("Drama",))
        write_release(models_dir, 2, World(movies=(*World().movies, only_there)))
        activate(models_dir, 1, candidate=2, share=0.5)
        eventually(lambda: 2 in versions(stub).values())

        movie = stub.GetMovie(pb.GetMovieRequest(movie_id="m13"), timeout=10)
        alike = stub.SimilarMovies(pb.SimilarMoviesRequest(movie_id="m13"), timeout=10)
        event = pb.RecordRatingsRequest.RatingEvent
        recorded = stub.RecordRatings(
            pb.RecordRatingsRequest(
                ratings=[
                    *(event(user_id=u, movie_id="m13", rating=4) for u in USERS),
                    event(user_id="user-0", movie_id="m14", rating=4),
                ]
            ),
            timeout=10,
        )
        activate(models_dir, 2)
        eventually(lambda: releases_of(stub).active == 2)
        kept = stub.GetUser(pb.GetUserRequest(user_id="user-1"), timeout=10).ratings

    assert (movie.movie.title, movie.answer.release_version) == ("Only there", 2)
    assert alike.answer.release_version == 2
    assert (recorded.recorded, list(recorded.unknown_movie_ids)) == (len(USERS), ["m14"])
    assert [rated.movie_id for rated in kept] == ["m13"]


def test_a_share_that_changes_and_a_candidate_that_goes(
    settings: Settings, models_dir: Path, model_server: FakeModelServer
) -> None:
    """More share: more users, none of the former lost; taken back: all on stable; promoted: all."""
    model_server.load(2)
    write_release(models_dir, 2)
    activate(models_dir, 1, candidate=2, share=0.2)
    with running(settings) as stub:
        few = {user_id for user_id, version in versions(stub).items() if version == 2}
        activate(models_dir, 1, candidate=2, share=0.7)
        eventually(lambda: releases_of(stub).candidate_share == 0.7)
        many = {user_id for user_id, version in versions(stub).items() if version == 2}
        activate(models_dir, 1)
        eventually(lambda: releases_of(stub).candidate == 0)
        nobody = set(versions(stub).values())
        activate(models_dir, 2)
        eventually(lambda: releases_of(stub).active == 2)
        everybody = set(versions(stub).values())

    assert few < many
    assert len(many) < len(USERS)
    assert nobody == {1}
    assert everybody == {2}


@pytest.mark.parametrize("fault", ["loading", "corrupt"])
def test_a_candidate_that_cannot_answer_leaves_everybody_on_stable(
    settings: Settings, models_dir: Path, model_server: FakeModelServer, fault: str
) -> None:
    """The status says why; once it can answer it gets its share."""
    write_release(models_dir, 2)
    users = models_dir / "features" / "2" / "users.json"
    content = users.read_text()
    if fault == "corrupt":
        model_server.load(2)
        users.write_text("{}")
    else:
        model_server.load(2, LOADING)
    activate(models_dir, 1, candidate=2, share=0.9)
    why = {"loading": "candidate release 2: the model server says", "corrupt": "users.json"}[fault]
    with running(settings) as stub:
        eventually(lambda: why in releases_of(stub).why_not_switched)
        before = set(versions(stub).values())
        status = releases_of(stub)
        users.write_text(content)
        model_server.load(2)
        eventually(lambda: releases_of(stub).why_not_switched == "")
        after = set(versions(stub).values())

    assert before == {1}
    assert (status.active, status.candidate) == (1, 2)
    assert after == {1, 2}


def test_added_movies_are_part_of_the_candidate(
    settings: Settings, models_dir: Path, model_server: FakeModelServer
) -> None:
    """AddMovies reaches the users of both releases at once."""
    model_server.load(2)
    write_release(models_dir, 2)
    activate(models_dir, 1, candidate=2, share=0.5)
    with running(settings) as stub:
        assert set(versions(stub).values()) == {1, 2}
        movie = pb.AddMoviesRequest.AddedMovie(movie_id="new", title="New", year=9500)
        stub.AddMovies(pb.AddMoviesRequest(movies=[movie]), timeout=10)

        for user_id in USERS[:12]:
            page = stub.RecommendUser(pb.RecommendUserRequest(user_id=user_id), timeout=10)
            assert "new" in [e.movie.movie_id for e in page.recommendations]
