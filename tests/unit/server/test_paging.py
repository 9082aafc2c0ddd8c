"""Pages: they concatenate to the ranking, and their tokens can be neither forged nor mixed up."""

from __future__ import annotations

import base64
import contextlib
from dataclasses import fields, replace

import grpc
import numpy as np
import pytest

from protos.recommender.v1 import recommender_pb2 as pb
from protos.recommender.v1.recommender_pb2_grpc import RecommenderServiceStub
from server.app import gateway
from server.domain import (
    NOBODY,
    DegradedReason,
    UserState,
    Version,
)
from server.errors import InvalidRequest
from server.paging import PageTokens, hash_of
from server.ranking import RankedList
from server.reasons import Taste
from server.settings import Settings

Request = pb.RecommendUserRequest

RANKING = RankedList(
    movie_ids=np.array([b"m1", b"m2", b"movie 3"]),
    predicted_ratings=np.float32([4.25, 1.0, 5.0]),
    scores=np.float32([1 / 3, -2e-9, -3.0]),
    sources=np.int8([0, 2, 3]),
    history_ids=np.array(["é".encode()]),
    cited=np.int16([[0, NOBODY, NOBODY], [NOBODY] * 3, [NOBODY] * 3]),
    drops=np.float32([[0.1, 0, 0], [0] * 3, [0] * 3]),
    taste=Taste(("Film-Noir",), {"Drama": 300}),
    is_newcomer=True,
    user_state=UserState.WARM,
    recommendation_id="id",
    release_version=Version(7),
    degraded_reasons=(DegradedReason.DEADLINE,),
)
QUERY = hash_of(Request(user_id="u"))


def pages(stub: RecommenderServiceStub, request: Request, page_size: int) -> list[object]:
    """All answers, following the tokens."""
    request = Request(page_size=page_size, user_id=request.user_id)
    found = [stub.RecommendUser(request, timeout=10)]
    while found[-1].next_page_token:
        request.page_token = found[-1].next_page_token
        found.append(stub.RecommendUser(request, timeout=10))
    return found


def assert_same(found: RankedList, expected: RankedList) -> None:
    """Column by column, numbers to the last bit."""
    for column in fields(RankedList):
        np.testing.assert_array_equal(getattr(found, column.name), getattr(expected, column.name))


def test_a_token_carries_a_ranking_whole() -> None:
    """Ids, numbers to the last bit, sources, cited movies and how the answer came about."""
    token = PageTokens(b"key").seal(RANKING, 0, QUERY)

    opened = PageTokens(b"key").open(token, QUERY)

    assert token.isascii()
    assert token.isprintable()
    assert_same(opened, RANKING)
    assert opened.taste == RANKING.taste


def test_a_token_carries_what_the_page_did_not_show() -> None:
    """After a page of two the third movie, its numbers, and the history that is cited."""
    opened = PageTokens(b"key").open(PageTokens(b"key").seal(RANKING, 2, QUERY), QUERY)

    assert opened.movie_ids.tolist() == [b"movie 3"]
    assert opened.predicted_ratings.tolist() == [5.0]
    assert opened.cited.tolist() == [[NOBODY] * 3]
    assert opened.history_ids.tolist() == RANKING.history_ids.tolist()


def test_a_long_id_elsewhere_does_not_lengthen_a_token() -> None:
    """Ids stand in arrays as wide as the longest of the catalogue, 256 bytes here."""
    tokens = PageTokens(b"key")
    wide = replace(
        RANKING,
        movie_ids=RANKING.movie_ids.astype("S256"),
        history_ids=RANKING.history_ids.astype("S256"),
    )

    assert_same(tokens.open(tokens.seal(wide, 0, QUERY), QUERY), RANKING)
    assert len(tokens.seal(wide, 0, QUERY)) == len(tokens.seal(RANKING, 0, QUERY))


def test_a_full_ranking_fits_into_a_small_token() -> None:
    """200 movies with three cited ones each take less than 16 KiB."""
    n = 200
    ranking = RankedList(
        movie_ids=np.arange(n).astype("S5"),
        predicted_ratings=np.linspace(1, 5, n, dtype=np.float32),
        scores=np.linspace(3, -3, n, dtype=np.float32),
        sources=np.zeros(n, np.int8),
        history_ids=np.arange(500).astype("S5"),
        cited=np.arange(600).reshape(n, 3).astype(np.int16) % 500,
        drops=np.ones((n, 3), np.float32),
        taste=RANKING.taste,
        is_newcomer=False,
        user_state=UserState.HOT,
        recommendation_id="id",
        release_version=Version(1),
    )

    token = PageTokens(b"key").seal(ranking, 0, QUERY)

    assert len(token) < 16 * 1024
    assert_same(PageTokens(b"key").open(token, QUERY), ranking)


@pytest.mark.parametrize("position", [0, 10, 20, 40, -1])
def test_a_changed_token_is_refused(position: int) -> None:
    """A flipped bit anywhere, in tag, hash or content, is INVALID_ARGUMENT."""
    sealed = bytearray(base64.urlsafe_b64decode(PageTokens(b"key").seal(RANKING, 0, QUERY)))
    sealed[position] ^= 1

    with pytest.raises(InvalidRequest, match="page_token"):
        PageTokens(b"key").open(base64.urlsafe_b64encode(sealed).decode(), QUERY)


@pytest.mark.parametrize("token", ["", "x", "AAAA", "é", "A" * 100, "%%%%"])
def test_noise_is_no_token(token: str) -> None:
    """What was never a token is refused as one that was changed."""
    with pytest.raises(InvalidRequest, match="page_token"):
        PageTokens(b"key").open(token, QUERY)


@pytest.mark.parametrize("n_shown", [0, 1, 2])
def test_another_text_of_the_same_bytes_is_refused(n_shown: int) -> None:
    """Padding too many, the other alphabet, and bits that no byte needs."""
    token = PageTokens(b"key").seal(RANKING, n_shown, QUERY)
    padding = "=" * token.count("=")
    bare, sealed = token.rstrip("="), base64.urlsafe_b64decode(token)
    others = [token + "=" * n for n in range(1, 5)]
    others += [token.translate(str.maketrans("-_", "+/"))]
    others += [bare[:-1] + chr(character) + padding for character in range(33, 127)]
    others = [other for other in others if other != token]
    same = 0
    for other in others:
        with pytest.raises(InvalidRequest, match="page_token"):
            PageTokens(b"key").open(other, QUERY)
        with contextlib.suppress(ValueError):
            same += base64.b64decode(other, altchars=b"-_", validate=True) == sealed

    # Otherwise this would test nothing.
    assert same


def test_another_key_or_query_refuses() -> None:
    """Tokens are bound to the key and to the query; the page size is no part of it."""
    token = PageTokens(b"key").seal(RANKING, 0, QUERY)

    with pytest.raises(InvalidRequest, match="no page token"):
        PageTokens(b"other").open(token, QUERY)
    with pytest.raises(InvalidRequest, match="another query"):
        PageTokens(b"key").open(token, hash_of(Request(user_id="v")))
    assert hash_of(Request(user_id="u", page_size=5, page_token=token)) == QUERY
    for other in (
        Request(user_id="u", exclude_seen=False),
        Request(user_id="u", exclude_seen=True),
        Request(user_id="u", diversity=0.1),
        Request(user_id="u", exclude_movie_ids=["m1"]),
        Request(user_id="u", history=[pb.RatedMovie(movie_id="m1", rating=3)]),
    ):
        assert hash_of(other) != QUERY


def test_pages_are_the_ranking_in_pieces(stub: RecommenderServiceStub) -> None:
    """Nine unseen movies in pages of four: 4, 4, 1, equal to one page of nine; one id for all."""
    whole = stub.RecommendUser(Request(user_id="hot", page_size=100), timeout=10)
    pieces = pages(stub, Request(user_id="hot"), 4)

    assert [len(p.recommendations) for p in pieces] == [4, 4, 1]
    assert [e for p in pieces for e in p.recommendations] == list(whole.recommendations)
    assert len({p.recommendation_id for p in pieces}) == 1
    assert {p.user_state for p in pieces} == {pb.USER_STATE_HOT}
    assert whole.next_page_token == ""


def test_the_page_size_may_change_and_stays_checked(stub: RecommenderServiceStub) -> None:
    """A second page of another size goes on where the first ended; 101 is refused."""
    first = stub.RecommendUser(Request(user_id="hot", page_size=2), timeout=10)
    token = first.next_page_token

    second = stub.RecommendUser(Request(user_id="hot", page_size=3, page_token=token), timeout=10)
    with pytest.raises(grpc.RpcError, match="page_size"):
        stub.RecommendUser(Request(user_id="hot", page_size=101, page_token=token), timeout=10)
    with pytest.raises(grpc.RpcError, match="page_token") as caught:
        stub.RecommendUser(Request(user_id="keen", page_token=token), timeout=10)

    assert [e.movie.movie_id for e in second.recommendations] == ["m10", "m9", "m8"]
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize("key", ["", "a secret of all replicas"])
def test_tokens_outlive_the_process(settings: Settings, key: str) -> None:
    """A restarted gateway opens the tokens of the one before, by its store's key or the set one."""
    keyed = Settings(**{**settings.model_dump(), "page_token_key": key})
    with gateway(keyed) as running, grpc.insecure_channel(running.target) as channel:
        first = RecommenderServiceStub(channel).RecommendUser(
            Request(user_id="hot", page_size=5), timeout=10
        )
    with gateway(keyed) as running, grpc.insecure_channel(running.target) as channel:
        token = first.next_page_token
        second = RecommenderServiceStub(channel).RecommendUser(
            Request(user_id="hot", page_size=5, page_token=token), timeout=10
        )

    assert [e.movie.movie_id for e in second.recommendations] == ["m7", "m6", "m5", "m4"]
    assert second.recommendation_id == first.recommendation_id


def test_the_key_is_not_logged(settings: Settings) -> None:
    """What is logged at the start hides the key."""
    assert "sesame" not in str(
        Settings(**{**settings.model_dump(), "page_token_key": "sesame"}).model_dump(mode="json")
    )
