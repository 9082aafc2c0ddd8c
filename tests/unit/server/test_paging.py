"""Pages: they concatenate to the ranking, and their tokens can be neither forged nor mixed up."""

from __future__ import annotations

import base64
import contextlib
import hmac
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

from protos.recommender.v1 import recommender_pb2 as pb
from protos.recommender.v1.recommender_pb2_grpc import RecommenderServiceStub
from server import native, paging
from server.app import gateway
from server.domain import (
    NOBODY,
    DegradedReason,
    UserState,
    Version,
)
from server.errors import InvalidRequest
from server.features.catalogue import Catalogue
from server.features.snapshot import read_catalogue
from server.paging import PageTokens, hash_of, packed_in_python, text_in_python
from server.ranking import RankedList, Reasons
from server.reasons import Taste
from server.settings import Settings
from tests.releases import GENRES

Request = pb.RecommendUserRequest

HISTORY_RANKING = RankedList(
    movies=np.array([0, 1, NOBODY]),
    movie_ids=np.array([b"m1", b"m2", b"movie 3"]),
    predicted_ratings=np.float32([4.25, 1.0, 5.0]),
    scores=np.float32([1 / 3, -2e-9, -3.0]),
    sources=np.int8([0, 2, 3]),
    history=np.array([2, NOBODY]),
    history_ids=np.array(["é".encode(), b"gone"]),
    history_ratings=np.float32([3.5, np.nan]),
    reasons=None,
    taste=Taste(("Film-Noir",), {"Drama": 300}),
    is_trained=False,
    is_newcomer=True,
    user_state=UserState.WARM,
    recommendation_id="id",
    release_version=Version(7),
    degraded_reasons=(DegradedReason.DEADLINE,),
)
RANKING = HISTORY_RANKING._replace(
    # Where the reasons are known nobody asks for the ratings.
    history_ratings=np.float32([np.nan, np.nan]),
    reasons=Reasons(
        np.int16([[0, NOBODY, NOBODY], [NOBODY] * 3, [1, 0, NOBODY]]),
        np.float32([[0.1, 0, 0], [0] * 3, [2, 1, 0]]),
    ),
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
    for column in set(RankedList._fields) - {"reasons"}:
        np.testing.assert_array_equal(getattr(found, column), getattr(expected, column))
    assert (found.reasons is None) == (expected.reasons is None)
    if found.reasons and expected.reasons:
        np.testing.assert_array_equal(found.reasons.cited, expected.reasons.cited)
        np.testing.assert_array_equal(found.reasons.drops, expected.reasons.drops)


COMPILED = pytest.mark.skipif(native.PAGES is None, reason="_pages is not built")


@pytest.fixture(autouse=True, params=["python", pytest.param("compiled", marks=COMPILED)])
def writer(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test asks both."""
    pages, by_python = native.PAGES, request.param == "python"
    monkeypatch.setattr(paging, "_packed", packed_in_python if by_python else pages.packed)
    monkeypatch.setattr(paging, "_text_of", text_in_python if by_python else pages.text_of)


class Listed:
    """A catalogue of three movies."""

    def rows_of(self, movie_ids: np.ndarray) -> np.ndarray:
        rows = {b"m1": 0, b"m2": 1, "é".encode(): 2}
        return np.array([rows.get(i, NOBODY) for i in movie_ids.tolist()], np.int64)


def opened(token: str, query: bytes = QUERY, key: bytes = b"key") -> RankedList:
    return PageTokens(key).open(token, query, Listed())


@pytest.mark.parametrize("ranking", [RANKING, HISTORY_RANKING])
def test_a_token_carries_a_ranking_whole(ranking: RankedList) -> None:
    """Ids, numbers to the last bit, sources, what reasons are made of and how it came about."""
    token = PageTokens(b"key").seal(ranking, 0, QUERY)

    assert token.isascii()
    assert token.isprintable()
    assert_same(opened(token), ranking)
    assert opened(token).taste == ranking.taste


def test_a_token_carries_what_the_page_did_not_show() -> None:
    """After a page of two the third movie, its numbers, and the history that is cited."""
    rest = opened(PageTokens(b"key").seal(RANKING, 2, QUERY))

    assert rest.movie_ids.tolist() == [b"movie 3"]
    assert rest.predicted_ratings.tolist() == [5.0]
    assert rest.reasons.cited.tolist() == [[1, 0, NOBODY]]
    assert rest.reasons.drops.tolist() == [[2.0, 1.0, 0.0]]
    assert rest.history_ids.tolist() == RANKING.history_ids.tolist()


def test_a_list_without_a_history_is_carried() -> None:
    """No ids, no ratings, nothing behind them."""
    none = HISTORY_RANKING._replace(
        history=np.zeros(0, np.int64),
        history_ids=np.zeros(0, np.bytes_),
        history_ratings=np.zeros(0, np.float32),
    )

    assert_same(opened(PageTokens(b"key").seal(none, 0, QUERY)), none)


def test_a_long_id_elsewhere_does_not_lengthen_a_token() -> None:
    """Ids stand in arrays as wide as the longest of the catalogue, 256 bytes here."""
    tokens = PageTokens(b"key")
    wide = RANKING._replace(
        movie_ids=RANKING.movie_ids.astype("S256"),
        history_ids=RANKING.history_ids.astype("S256"),
    )

    assert_same(opened(tokens.seal(wide, 0, QUERY)), RANKING)
    assert len(tokens.seal(wide, 0, QUERY)) == len(tokens.seal(RANKING, 0, QUERY))


def full_ranking(n_history: int, reasons: Reasons | None) -> RankedList:
    """200 movies, which the catalogue lacks, like those of the history."""
    n = 200
    return RankedList(
        movies=np.full(n, NOBODY),
        movie_ids=np.arange(n).astype("S5"),
        predicted_ratings=np.linspace(1, 5, n, dtype=np.float32),
        scores=np.linspace(3, -3, n, dtype=np.float32),
        sources=np.zeros(n, np.int8),
        history=np.full(n_history, NOBODY),
        history_ids=np.arange(n_history).astype("S5"),
        history_ratings=np.full(n_history, np.nan, np.float32),
        reasons=reasons,
        taste=RANKING.taste,
        is_trained=False,
        is_newcomer=False,
        user_state=UserState.HOT,
        recommendation_id="id",
        release_version=Version(1),
    )


def test_a_full_ranking_fits_into_a_small_token() -> None:
    """200 movies with three of 500 cited take less than 16 KiB; a history of 200 less than 7."""
    cited = np.arange(600).reshape(200, 3).astype(np.int16) % 500
    for most, ranking in (
        (16, full_ranking(500, Reasons(cited, np.ones((200, 3), np.float32)))),
        (7, full_ranking(200, None)),
    ):
        token = PageTokens(b"key").seal(ranking, 0, QUERY)

        assert len(token) < most * 1024
        assert_same(opened(token), ranking)


@COMPILED
def test_both_ways_to_write_a_token_write_the_same() -> None:
    """Byte for byte, 200 drawn rankings and pages, ids of up to 40 bytes; both ends, too."""
    rng = np.random.default_rng(0)
    for round_ in range(200):
        n, n_history, width = (int(size) for size in rng.integers([1, 0, 1], [30, 30, 41]))
        ids = [b"x" * int(size) for size in rng.integers(1, width + 1, n + n_history)]
        reasons = Reasons(
            rng.integers(-1, 5, (n, 3)).astype(np.int16), rng.random((n, 3), np.float32)
        )
        ranking = RANKING._replace(
            movies=np.zeros(n, np.int64),
            movie_ids=np.array(ids[:n], f"S{width + 1}"),
            predicted_ratings=rng.random(n, np.float32),
            scores=rng.random(n, np.float32),
            sources=rng.integers(0, 5, n).astype(np.int8),
            history=np.zeros(n_history, np.int64),
            history_ids=np.array(ids[n:], f"S{width}"),
            history_ratings=rng.random(n_history, np.float32),
            reasons=reasons if round_ % 2 else None,
        )
        head, tag = rng.bytes(round_), rng.bytes(16)
        for n_shown in (0, int(rng.integers(n + 1)), n):
            packed = native.PAGES.packed(ranking, n_shown, head)
            assert packed == packed_in_python(ranking, n_shown, head)
            assert native.PAGES.text_of(tag, packed) == text_in_python(tag, packed)
        for n_bytes in range(8):
            assert native.PAGES.text_of(tag, head[:n_bytes]) == text_in_python(tag, head[:n_bytes])


@COMPILED
@pytest.mark.parametrize(
    "broken",
    [
        {"predicted_ratings": np.zeros(2, np.float32)},
        {"scores": np.zeros(3, np.float64)},
        {"sources": np.zeros(2, np.int8)},
        {"reasons": None, "history_ratings": np.zeros(1, np.float32)},
        {"reasons": Reasons(np.zeros((2, 3), np.int16), np.zeros((3, 3), np.float32))},
        {"reasons": Reasons(np.zeros((3, 3), np.int16), np.zeros((2, 3), np.float32))},
    ],
)
def test_columns_that_do_not_fit_together_are_refused(broken: dict[str, Any]) -> None:
    """Too short, or of other numbers: an error, no stray read."""
    for n_shown in (0, 3):
        with pytest.raises(ValueError, match="column"):
            native.PAGES.packed(RANKING._replace(**broken), n_shown, b"")
    for n_shown in (-1, 4):
        with pytest.raises(ValueError, match="shown"):
            native.PAGES.packed(RANKING, n_shown, b"")


def test_a_tag_is_the_hmac_of_all_behind_it() -> None:
    """SHA-256 by RFC 2104, its first half; a token of another format is refused, tag or not."""
    sealed = base64.urlsafe_b64decode(PageTokens(b"key").seal(RANKING, 0, QUERY))
    older = b"\x04" + sealed[17:]
    tag = hmac.new(b"key", older, "sha256").digest()[:16]

    assert sealed[:16] == hmac.new(b"key", sealed[16:], "sha256").digest()[:16]
    with pytest.raises(InvalidRequest, match="no page token"):
        opened(base64.urlsafe_b64encode(tag + older).decode())


def test_rows_are_found_by_ids(models_dir: Path) -> None:
    """In the order asked for; NOBODY for a movie that the catalogue lacks."""
    catalogue: Catalogue = read_catalogue(models_dir / "features" / "1", GENRES)

    found = catalogue.rows_of(np.array([b"m3", "é".encode(), b"m1", b"m3"]))

    assert [catalogue.movie_ids[row] for row in found[[0, 2, 3]]] == ["m3", "m1", "m3"]
    assert found[1] == NOBODY
    assert catalogue.rows_of(np.zeros(0, np.bytes_)).dtype == np.int64


@pytest.mark.parametrize("position", [0, 10, 20, 40, -1])
def test_a_changed_token_is_refused(position: int) -> None:
    """A flipped bit anywhere, in tag, hash or content, is INVALID_ARGUMENT."""
    sealed = bytearray(base64.urlsafe_b64decode(PageTokens(b"key").seal(RANKING, 0, QUERY)))
    sealed[position] ^= 1

    with pytest.raises(InvalidRequest, match="page_token"):
        opened(base64.urlsafe_b64encode(sealed).decode())


@pytest.mark.parametrize("token", ["", "x", "AAAA", "é", "A" * 100, "%%%%"])
def test_noise_is_no_token(token: str) -> None:
    """What was never a token is refused as one that was changed."""
    with pytest.raises(InvalidRequest, match="page_token"):
        opened(token)


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
            opened(other)
        with contextlib.suppress(ValueError):
            same += base64.b64decode(other, altchars=b"-_", validate=True) == sealed

    # Otherwise this would test nothing.
    assert same


def test_another_key_or_query_refuses() -> None:
    """Tokens are bound to the key and to the query; the page size is no part of it."""
    token = PageTokens(b"key").seal(RANKING, 0, QUERY)

    with pytest.raises(InvalidRequest, match="no page token"):
        opened(token, key=b"other")
    with pytest.raises(InvalidRequest, match="another query"):
        opened(token, hash_of(Request(user_id="v")))
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
