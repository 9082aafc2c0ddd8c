"""The demonstration as a person runs it: what is printed, asked and returned."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest

from client.demo.cli import main
from protos.recommender.v1 import recommender_pb2 as pb

TITLES = {"1": "Moon", "2": "Solaris", "3": "Alien", "4": "Heat", "5": "Fargo"}


def movie(movie_id: str) -> pb.Movie:
    return pb.Movie(movie_id=movie_id, title=TITLES[movie_id], year=1990, genres=["Drama"])


def listed(*movie_ids: str) -> pb.RecommendUserResponse:
    return pb.RecommendUserResponse(
        recommendations=[
            {"movie": movie(m), "predicted_rating": 4.0, "source": pb.SOURCE_RETRIEVAL}
            for m in movie_ids
        ],
        user_state=pb.USER_STATE_HOT,
        answer=pb.Answer(release_version=3),
    )


LISTS = {"42": listed("2", "3"), "7": listed("4", "1"), "": listed("5")}


@pytest.fixture
def world(service: Any, target: str) -> str:
    """A gateway that knows five movies and users 42 and 7."""
    service.answers["GetUser"] = lambda *_: pb.GetUserResponse(
        ratings=[
            pb.RatedMovie(movie_id="4", rating=2.0),
            pb.RatedMovie(movie_id="1", rating=5.0),
        ],
        user_state=pb.USER_STATE_HOT,
        answer=pb.Answer(release_version=3),
    )
    service.answers["GetMovie"] = lambda request, _: pb.GetMovieResponse(
        movie=movie(request.movie_id)
    )
    service.answers["RecommendUser"] = lambda request, _: LISTS[request.user_id]
    service.answers["PredictRating"] = lambda request, _: pb.PredictRatingResponse(
        ratings=[{"movie_id": m, "rating": 3.0} for m in request.movie_ids],
        answer=pb.Answer(release_version=3),
    )
    service.answers["SimilarMovies"] = pb.SimilarMoviesResponse(
        similar=[{"movie": movie("3"), "score": 0.5}], answer=pb.Answer(release_version=3)
    )
    return target


def write_holdout(folder: Path, held_out: dict[str, list[str]]) -> str:
    path = folder / "holdout.json"
    users = [
        {"user_id": user, "ratings": [{"movie_id": m, "rating": 4.5} for m in movies]}
        for user, movies in held_out.items()
    ]
    path.write_text(json.dumps({"protocol": "", "popularity": ["5", "4"], "users": users}))
    return str(path)


def test_a_running_gateway_is_shown(
    world: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], service: Any
) -> None:
    """Every table has its movies; the held-out rating 4.5 is beside the predicted 3.0."""
    holdout = write_holdout(tmp_path, {"42": ["2"]})
    assert main(["--target", world, "--holdout", holdout]) == 0
    out = capsys.readouterr().out
    loved, recommended, compared, similar, guest = (
        out.split("What user 42 loved")[1].split("What we recommend")[0],
        out.split("What we recommend")[1].split("Predicted beside")[0],
        out.split("Predicted beside")[1].split("Movies like")[0],
        out.split("Movies like Solaris (1990)")[1].split("What a guest")[0],
        out.split("What a guest")[1],
    )
    assert loved.index("Moon") < loved.index("Heat")
    assert recommended.index("Solaris") < recommended.index("Alien")
    assert "held-out ratings of user 42" in compared
    assert "Solaris" in compared
    assert "-1.5" in compared
    assert "Alien" in similar
    assert "Fargo" in guest
    assert "release 3" in out
    assert "total" in out
    [asked] = [r for r in service.requests if isinstance(r, pb.SimilarMoviesRequest)]
    assert (asked.movie_id, asked.mode) == ("2", pb.SimilarMoviesRequest.MODE_HYBRID)


def test_without_a_holdout_the_users_own_ratings_are_compared(
    world: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The known ratings are used, newest first, and called known."""
    assert main(["--target", world, "--user", "7"]) == 0
    out = capsys.readouterr().out.split("known ratings of user 7")[1]
    assert out.index("Moon") < out.index("Heat")
    assert "may have learnt" in out


def test_a_stranger_has_a_story_too(
    world: str, service: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """A user without ratings and recommendations gets what there is, without an error."""
    service.answers["GetUser"] = pb.GetUserResponse(user_state=pb.USER_STATE_COLD)
    service.answers["RecommendUser"] = pb.RecommendUserResponse()
    assert main(["--target", world, "--user", "nobody"]) == 0
    out = capsys.readouterr().out
    assert "cold start" in out
    assert "nothing" in out
    assert "Predicted beside" not in out
    assert "Movies like" not in out


def test_a_check_that_holds_is_status_0(
    world: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Recall 1/1 and 1/1 beats popularity's Fargo for both; nothing is shared."""
    holdout = write_holdout(tmp_path, {"42": ["2"], "7": ["1"]})
    assert main(["--target", world, "--holdout", holdout, "--check"]) == 0
    out = capsys.readouterr().out
    assert "Recall@10 over 2 users: 1.000, popularity 0.000." in out
    assert "share 0% of their lists" in " ".join(out.split())


def test_a_check_that_fails_is_status_1(
    world: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Held-out Fargo is what popularity says: recall 0 against 1, in one sentence."""
    holdout = write_holdout(tmp_path, {"42": ["5"], "7": ["5"]})
    assert main(["--target", world, "--holdout", holdout, "--check"]) == 1
    error = capsys.readouterr().err
    assert error == "error: Recall@10 is 0.000 over 2 users, not above popularity's 1.000\n"


def test_nobody_there_is_a_users_error(
    unused_target: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """One sentence says how to start what is missing; status 2."""
    assert main(["--target", unused_target]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"error: nobody answers at {unused_target}: start a gateway with")
    assert error.count("\n") == 1


def test_a_target_that_is_none_is_a_users_error(capsys: pytest.CaptureFixture[str]) -> None:
    """--target without a port: the sentence of the client, and status 2."""
    with pytest.raises(SystemExit) as ended:
        main(["--target", "localhost"])
    assert ended.value.code == 2
    assert "--target: it is 'localhost', allowed are host:port" in capsys.readouterr().err


def test_a_server_of_another_kind_is_a_users_error(capsys: pytest.CaptureFixture[str]) -> None:
    """A gRPC server that is no gateway, such as the model server, is told as such; status 2."""
    with ThreadPoolExecutor(max_workers=1) as pool:
        server = grpc.server(pool)
        target = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
        server.start()

        status = main(["--target", target])

        server.stop(None).wait()
    assert status == 2
    error = capsys.readouterr().err
    assert error == f"error: {target} is no recserve gateway: Method not found!\n"


def test_an_error_of_the_service_is_one_sentence(
    world: str, service: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """The service's own words and the request's id, without a traceback; status 1."""
    service.answers["GetUser"] = lambda _, context: context.abort(
        grpc.StatusCode.INTERNAL, "something broke"
    )
    assert main(["--target", world]) == 1
    error = capsys.readouterr().err
    assert error == f"error: something broke (request {service.metadata[0]['x-request-id']})\n"


def test_nothing_trained_is_a_users_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a release nothing is started; the sentence says how to get one."""
    assert main(["--models-dir", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert error == f"error: no release in {tmp_path}: type `make demo`, or add --prepare\n"


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"stable": 0}', '{"stable": "1"}'])
def test_a_damaged_pointer_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    """A broken releases/active.json is told apart from none."""
    (tmp_path / "releases").mkdir()
    (tmp_path / "releases" / "active.json").write_text(text)
    assert main(["--models-dir", str(tmp_path)]) == 2
    assert "active.json is damaged" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--target", "x:1", "--prepare"], "leave --target out"),
        (["--target", "x:1", "--models-dir", "m"], "leave --target out"),
        (["--target", "x:1", "--check"], "--check needs --holdout FILE"),
        (["--data-dir", "d"], "add --prepare"),
    ],
)
def test_options_that_contradict_each_other_are_refused(
    capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    """No option is silently ignored; status 2."""
    with pytest.raises(SystemExit, match="2"):
        main(arguments)
    assert message in capsys.readouterr().err


def test_a_dumb_ascii_terminal_is_enough(world: str, service: Any) -> None:
    """As a process of its own, with TERM=dumb and an ASCII stdout, it prints plain text."""
    service.answers["SimilarMovies"] = pb.SimilarMoviesResponse(
        similar=[{"movie": pb.Movie(movie_id="8", title="Amélie")}]
    )
    shown = subprocess.run(
        [sys.executable, "-m", "client.demo", "--target", world],
        env={"TERM": "dumb", "PYTHONIOENCODING": "ascii", "PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        check=True,
    )
    text = shown.stdout.decode("ascii")
    assert "**** " in text
    assert "\x1b" not in text
    assert "?" not in text.replace("Am?lie", "", 1) != text
    assert max(map(len, text.splitlines())) <= 80


def test_the_client_imports_no_terminal_library_and_no_arrays() -> None:
    """Importing the client loads neither rich nor numpy nor anything of TensorFlow."""
    code = (
        "import sys, client; "
        "print([m for m in ('rich', 'numpy', 'pandas', 'tensorflow') if m in sys.modules])"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert printed.stdout == b"[]\n"
