"""Whether the contestants answer the same question: the same ten movies for the same users."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterable, Sequence
from http.client import HTTPConnection
from time import monotonic
from typing import Final

import grpc

from benchmarks.speed.contestants import Running
from benchmarks.speed.method import RECOMMEND_USER
from benchmarks.speed.rounds import BenchmarkError
from protos.recommender.v1 import recommender_pb2 as pb

N_CHECKED: Final = 200
N_WARM_UP: Final = 20
WARM_UP_S: Final = 60.0
WARM_UP_PAUSE_S: Final = 0.5
"""For the gateway to find that its model server answers again."""
PAGE: Final = 10
TIMEOUT_S: Final = 30.0
MAX_DIFFERENT: Final = 0.02
"""Share of users whose lists may differ: float32 sums in another order swap near equals."""

Lists = Sequence[tuple[str, ...]]
"""The ids of each user's movies, best first."""


class DegradedError(BenchmarkError):
    """An answer was second best."""


def warm_up(contestant: Running) -> None:
    """Returns once calls are answered in full: the first ones of a model server may take too long.

    Raises:
      BenchmarkError: they still are not after WARM_UP_S.
    """
    deadline = monotonic() + WARM_UP_S
    pause = threading.Event()
    while True:
        try:
            lists_of(contestant, N_WARM_UP)
        except DegradedError:
            if monotonic() > deadline:
                raise
            pause.wait(WARM_UP_PAUSE_S)
        else:
            return


def lists_of(contestant: Running, n_users: int = N_CHECKED) -> Lists:
    """What a contestant recommends to its first users, asked once more and looked at.

    Raises:
      BenchmarkError: an answer is short, degraded or an error.
    """
    bodies = [base64.b64decode(body) for body in contestant.bodies[:n_users]]
    lists = _by_grpc if contestant.grpc_method else _by_http
    found = list(lists(contestant.target, bodies))
    short = [movies for movies in found if len(set(movies)) != PAGE]
    if short:
        raise BenchmarkError(f"{contestant.name}: {len(short)} lists without {PAGE} movies")
    return found


def _by_grpc(target: str, bodies: Iterable[bytes]) -> Iterable[tuple[str, ...]]:
    with grpc.insecure_channel(target) as channel:
        call = channel.unary_unary(
            RECOMMEND_USER, response_deserializer=pb.RecommendUserResponse.FromString
        )
        for body in bodies:
            try:
                response = call(body, timeout=TIMEOUT_S)
            except grpc.RpcError as error:
                raise BenchmarkError(f"{target}: {error}") from error
            if response.answer.degraded:
                reasons = ", ".join(response.answer.degraded_reasons)
                raise DegradedError(f"{target}: a degraded answer: {reasons}")
            yield tuple(one.movie.movie_id for one in response.recommendations)


def _by_http(target: str, requests: Iterable[bytes]) -> Iterable[tuple[str, ...]]:
    connection = HTTPConnection(target, timeout=TIMEOUT_S)
    try:
        for request in requests:
            head, _, body = request.partition(b"\r\n\r\n")
            method, path, _ = head.split(b"\r\n")[0].decode().split(" ")
            headers = {"Content-Type": "application/json"} if body else {}
            connection.request(method, path, body or None, headers)
            response = connection.getresponse()
            content = response.read()
            if response.status != 200:
                raise BenchmarkError(f"{target}: {response.status} {content[:200]!r}")
            answer = json.loads(content)
            # BentoML answers a batch, of which this is the only row.
            one = answer[0] if isinstance(answer, list) else answer
            yield tuple(movie["movie_id"] for movie in one["recommendations"])
    finally:
        connection.close()


def check_same(lists: dict[str, Lists]) -> dict[str, float]:
    """Share of users whose movies differ from the first contestant's.

    Raises:
      BenchmarkError: more than MAX_DIFFERENT.
    """
    (_, wanted), *others = lists.items()
    shares = {
        name: sum(a != b for a, b in zip(wanted, found, strict=True)) / len(wanted)
        for name, found in others
    }
    wrong = {name: share for name, share in shares.items() if share > MAX_DIFFERENT}
    if wrong:
        raise BenchmarkError(f"other movies than {next(iter(lists))} lists: {wrong}")
    return shares
