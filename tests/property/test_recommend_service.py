"""What holds for every request: hypothesis asks a running gateway, models and all but TensorFlow.

The world has 230 movies, more than the 200 that paging reaches.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import grpc
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from protos.recommender.v1 import recommender_pb2 as pb
from protos.recommender.v1.recommender_pb2_grpc import RecommenderServiceStub
from server.app import gateway
from server.settings import Settings
from tests.fake_model_server import FakeModelServer, world_models
from tests.releases import GENRES, World, WorldMovie, WorldUser, activate, write_release

N_MOVIES = 230
K_MAX = 200


def _world() -> World:
    rng = np.random.default_rng(5)
    movies = tuple(
        WorldMovie(
            f"m{n}",
            f"Movie {n}",
            int(rng.choice([0, *range(1950, 2000)])),
            tuple(g for g in GENRES if rng.random() < 0.4),
            int(rng.integers(0, 50)),
            round(float(rng.uniform(1, 5)), 2),
        )
        for n in range(1, N_MOVIES + 1)
    )
    rated = [f"m{n}" for n in rng.permutation(N_MOVIES)[:60] + 1]
    users = (
        WorldUser("hot", 30, "F", "student", tuple((m, 3.0, t) for t, m in enumerate(rated))),
        WorldUser("shy", 20, "F", "none"),
    )
    return World(movies=movies, users=users, vectors=rng.normal(size=(N_MOVIES, 8)))


WORLD = _world()
MOVIES = {movie.movie_id: movie for movie in WORLD.movies}
SEEN = {"hot": {row[0] for row in WORLD.users[0].ratings}}


@pytest.fixture(scope="module")
def stub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RecommenderServiceStub]:
    folder = tmp_path_factory.mktemp("gateway")
    write_release(folder / "models", 1, WORLD)
    activate(folder / "models", 1)
    with FakeModelServer(world_models(WORLD)) as models:
        configured = Settings(
            port=0,
            models_dir=folder / "models",
            model_server=models.target,
            store_path=folder / "store.sqlite3",
            shutdown_grace_s=0,
        )
        with gateway(configured) as running, grpc.insecure_channel(running.target) as channel:
            yield RecommenderServiceStub(channel)


movie_ids = st.sampled_from(sorted(MOVIES)) | st.sampled_from(["unknown", "ü"])
genres = st.lists(st.sampled_from(GENRES), max_size=2, unique=True)
years = st.sampled_from([0, 1950, 1965, 1980, 1999])


@st.composite
def filters(draw: st.DrawFn) -> pb.MovieFilter:
    low, high = draw(years), draw(years)
    if high and low > high:
        low, high = high, low
    return pb.MovieFilter(
        genres_any=draw(genres),
        genres_all=draw(genres),
        genres_none=draw(genres),
        min_year=low,
        max_year=high,
    )


@st.composite
def queries(draw: st.DrawFn) -> pb.RecommendUserRequest:
    rated = draw(st.lists(st.tuples(movie_ids, st.sampled_from([1.0, 3.5, 5.0])), max_size=5))
    return pb.RecommendUserRequest(
        user_id=draw(st.sampled_from(["", "hot", "shy", "stranger"])),
        page_size=draw(st.integers(1, 100)),
        exclude_seen=draw(st.sampled_from([None, True, False])),
        exclude_movie_ids=draw(st.lists(movie_ids, max_size=30)),
        filter=draw(filters()),
        history=[pb.RatedMovie(movie_id=m, rating=r) for m, r in rated],
        profile=pb.Profile(
            age=draw(st.sampled_from([0, 20, 60])),
            gender=draw(st.sampled_from(["", "F", "M"])),
            favorite_genres=draw(genres),
        ),
        diversity=draw(st.sampled_from([0.0, 0.0, 0.3, 1.0])),
        order_by=draw(st.sampled_from([0, 1, 2])),
    )


examples = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def passes(movie: WorldMovie, wish: pb.MovieFilter) -> bool:
    has = set(movie.genres)
    return (
        (not wish.genres_any or bool(has & set(wish.genres_any)))
        and has >= set(wish.genres_all)
        and not has & set(wish.genres_none)
        and not ((wish.min_year or wish.max_year) and movie.year == 0)
        and movie.year >= wish.min_year
        and (not wish.max_year or movie.year <= wish.max_year)
    )


def allowed(query: pb.RecommendUserRequest) -> set[str]:
    """The movies that an answer may hold, by the API's words alone."""
    out = set(query.exclude_movie_ids)
    if not query.HasField("exclude_seen") or query.exclude_seen:
        out |= SEEN.get(query.user_id, set()) | {entry.movie_id for entry in query.history}
    return {i for i, movie in MOVIES.items() if i not in out and passes(movie, query.filter)}


def ids(entries: Sequence[pb.RecommendUserResponse.Recommendation]) -> list[str]:
    return [entry.movie.movie_id for entry in entries]


def bare(response: pb.RecommendUserResponse) -> pb.RecommendUserResponse:
    """Without what names this one answer."""
    copy = pb.RecommendUserResponse()
    copy.CopyFrom(response)
    copy.ClearField("recommendation_id")
    copy.ClearField("next_page_token")
    return copy


@examples
@given(query=queries())
def test_a_page_is_full_unique_allowed_and_sorted(
    stub: RecommenderServiceStub, query: pb.RecommendUserRequest
) -> None:
    """K movies when the catalogue allows, none twice, none excluded or filtered out, by score."""
    response = stub.RecommendUser(query, timeout=20)

    found, may = ids(response.recommendations), allowed(query)
    assert len(found) == min(query.page_size, len(may), K_MAX)
    assert len(set(found)) == len(found)
    assert set(found) <= may
    if query.diversity == 0:
        scores = [entry.score for entry in response.recommendations]
        assert scores == sorted(scores, reverse=True)
    for entry in response.recommendations:
        assert 1 <= entry.predicted_rating <= 5
        assert entry.source != pb.SOURCE_UNSPECIFIED
    assert not response.answer.degraded
    named = {*query.exclude_movie_ids, *(entry.movie_id for entry in query.history)}
    assert set(response.answer.unknown_movie_ids) == named - set(MOVIES)


@examples
@given(query=queries(), sizes=st.lists(st.integers(1, 100), min_size=1, max_size=4))
def test_pages_concatenate_to_the_ranking(
    stub: RecommenderServiceStub, query: pb.RecommendUserRequest, sizes: list[int]
) -> None:
    """Whatever their sizes: every movie that paging reaches once, the first 100 as in one page."""
    query.page_size = 100
    whole = stub.RecommendUser(query, timeout=20)
    found: list[pb.RecommendUserResponse.Recommendation] = []
    while True:
        query.page_size = sizes[0] if len(sizes) == 1 else sizes.pop(0)
        page = stub.RecommendUser(query, timeout=20)
        found += page.recommendations
        assert len(page.recommendations) == query.page_size or not page.next_page_token
        if not page.next_page_token:
            break
        query.page_token = page.next_page_token

    assert found[:100] == list(whole.recommendations)
    assert len(found) == len(set(ids(found))) == min(len(allowed(query)), K_MAX)


@examples
@given(query=queries(), fewer=st.integers(1, 100))
def test_the_same_request_gets_the_same_answer(
    stub: RecommenderServiceStub, query: pb.RecommendUserRequest, fewer: int
) -> None:
    """Again, and with another page size: one is a prefix of the other."""
    first, again = stub.RecommendUser(query, timeout=20), stub.RecommendUser(query, timeout=20)
    query.page_size = fewer
    other = stub.RecommendUser(query, timeout=20)

    assert bare(again) == bare(first)
    assert first.recommendation_id != again.recommendation_id
    n_both = min(len(first.recommendations), len(other.recommendations))
    assert first.recommendations[:n_both] == other.recommendations[:n_both]


@settings(examples, max_examples=15)
@given(batch=st.lists(queries(), max_size=8))
def test_a_batch_equals_its_requests(
    stub: RecommenderServiceStub, batch: list[pb.RecommendUserRequest]
) -> None:
    """Each result is what the request gets alone."""
    results = stub.BatchRecommend(pb.BatchRecommendRequest(requests=batch), timeout=60).results

    singles = [stub.RecommendUser(query, timeout=20) for query in batch]
    assert [bare(result.response) for result in results] == list(map(bare, singles))


@examples
@given(query=queries())
def test_cited_movies_are_of_the_history(
    stub: RecommenderServiceStub, query: pb.RecommendUserRequest
) -> None:
    """A movie that pulls another up is one that the user rated, with a positive weight."""
    rated = SEEN.get(query.user_id, set()) | {entry.movie_id for entry in query.history}
    for entry in stub.RecommendUser(query, timeout=20).recommendations:
        for reason in entry.reasons:
            if reason.WhichOneof("reason") == "because_of_movie":
                assert reason.because_of_movie.movie.movie_id in rated
                assert reason.because_of_movie.weight > 0
            elif reason.WhichOneof("reason") == "shared_genre":
                assert reason.shared_genre in entry.movie.genres


@examples
@given(
    wish=filters(),
    ranking=st.sampled_from([0, 1, 2, 3, 4]),
    n_ratings=st.integers(0, 40),
    mean=st.sampled_from([0.0, 2.5, 4.0]),
)
def test_popular_movies_are_within_thresholds_and_sorted(
    stub: RecommenderServiceStub, wish: pb.MovieFilter, ranking: int, n_ratings: int, mean: float
) -> None:
    """Every list holds the movies that pass, all of them up to a page, by its own score."""
    response = stub.PopularMovies(
        pb.PopularMoviesRequest(
            list=ranking,
            filter=wish,
            min_rating_count=n_ratings,
            min_mean_rating=mean,
            page_size=100,
        ),
        timeout=20,
    )

    rated_only = mean > 0 or ranking == pb.PopularMoviesRequest.LIST_HIGHEST_RATED
    may = {
        i
        for i, movie in MOVIES.items()
        if passes(movie, wish)
        and movie.rating_count >= n_ratings
        and (not rated_only or (movie.rating_count > 0 and movie.mean_rating >= mean))
    }
    found = [entry.movie.movie_id for entry in response.movies]
    assert len(found) == len(set(found)) == min(len(may), 100)
    assert set(found) <= may
    scores = [entry.score for entry in response.movies]
    assert scores == sorted(scores, reverse=True)
