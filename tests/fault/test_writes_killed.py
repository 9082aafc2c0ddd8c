"""Writes are durable before they are acknowledged: the gateway is killed while it writes."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc

from protos.recommender.v1 import recommender_pb2 as pb
from protos.recommender.v1.recommender_pb2_grpc import RecommenderServiceStub

WRITERS = 4
KILL_AFTER = 60


@contextmanager
def started(models_dir: Path, store: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    command = [sys.executable, "-m", "server", "--port=0", f"--models-dir={models_dir}"]
    command += [f"--store-path={store}", "--model-server=127.0.0.1:1"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            assert process.stdout is not None
            found = re.search(r"listening on (\S+)", process.stdout.readline())
            assert found
            yield process, found[1]
        finally:
            process.kill()


def written_until_killed(
    models_dir: Path, store: Path, write: Callable[[RecommenderServiceStub, int, int], object]
) -> list[set[int]]:
    """Four callers write until the process is killed; the numbers that came back, of each."""
    acknowledged = [set[int]() for _ in range(WRITERS)]
    enough, lock, total = threading.Event(), threading.Lock(), [0]

    def go_on(stub: RecommenderServiceStub, writer: int) -> None:
        for n in range(100_000):
            try:
                write(stub, writer, n)
            except grpc.RpcError:
                return
            acknowledged[writer].add(n)
            with lock:
                total[0] += 1
                if total[0] == KILL_AFTER:
                    enough.set()

    with started(models_dir, store) as (process, target), grpc.insecure_channel(target) as channel:
        stub = RecommenderServiceStub(channel)
        threads = [threading.Thread(target=go_on, args=(stub, n)) for n in range(WRITERS)]
        for thread in threads:
            thread.start()
        assert enough.wait(60)
        process.send_signal(signal.SIGKILL)
        for thread in threads:
            thread.join()
    return acknowledged


def test_ratings_that_were_acknowledged_survive_kill_9(models_dir: Path, tmp_path: Path) -> None:
    """Every rating that came back is there after the kill.

    A request without an answer is there whole or not at all, and may be sent again.
    """

    def pair(writer: int, n: int) -> pb.RecordRatingsRequest:
        event = pb.RecordRatingsRequest.RatingEvent
        return pb.RecordRatingsRequest(
            ratings=[event(user_id=f"{writer} {n}", movie_id=m, rating=4) for m in ("m1", "m2")],
            request_id=f"{writer} {n}",
        )

    store = tmp_path / "s"
    acknowledged = written_until_killed(
        models_dir, store, lambda stub, *who: stub.RecordRatings(pair(*who), timeout=30)
    )

    with started(models_dir, store) as (_, target), grpc.insecure_channel(target) as channel:
        stub = RecommenderServiceStub(channel)
        for writer, done in enumerate(acknowledged):
            # One request beyond the last answer was under way.
            for n in range(max(done) + 2):
                user = pb.GetUserRequest(user_id=f"{writer} {n}")
                stored = len(stub.GetUser(user, timeout=10).ratings)
                assert stored == 2 if n in done else stored in (0, 2)
            again = stub.RecordRatings(pair(writer, max(done) + 1), timeout=10)
            assert again.recorded == 2


def test_movies_that_were_acknowledged_survive_kill_9(models_dir: Path, tmp_path: Path) -> None:
    """Every movie that came back is in the catalogue after the kill, with its own title.

    Of a request without an answer both movies are there or neither, and it may be sent again.
    """

    def ids(writer: int, n: int) -> list[str]:
        return [f"{writer} {n} {part}" for part in "ab"]

    def pair(writer: int, n: int) -> pb.AddMoviesRequest:
        added = pb.AddMoviesRequest.AddedMovie
        return pb.AddMoviesRequest(
            movies=[added(movie_id=i, title=f"Title of {i}") for i in ids(writer, n)],
            request_id=f"{writer} {n}",
        )

    store = tmp_path / "s"
    acknowledged = written_until_killed(
        models_dir, store, lambda stub, *who: stub.AddMovies(pair(*who), timeout=30)
    )

    with started(models_dir, store) as (_, target), grpc.insecure_channel(target) as channel:
        stub = RecommenderServiceStub(channel)

        def titles(writer: int, n: int) -> list[str]:
            found = []
            for movie_id in ids(writer, n):
                try:
                    reply = stub.GetMovie(pb.GetMovieRequest(movie_id=movie_id), timeout=10)
                except grpc.RpcError as error:
                    assert error.code() is grpc.StatusCode.NOT_FOUND  # noqa: PT017
                else:
                    found.append(reply.movie.title)
            return found

        for writer, done in enumerate(acknowledged):
            for n in range(max(done) + 2):
                both = [f"Title of {i}" for i in ids(writer, n)]
                assert titles(writer, n) == both if n in done else titles(writer, n) in ([], both)
            assert stub.AddMovies(pair(writer, max(done) + 1), timeout=10).added == 2
