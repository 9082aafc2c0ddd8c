"""AddMovies over a real channel: the movie is found, rated and recommended by the next calls.

The fake content model places a movie of year y at retrieval y / 1000 and rates it 3 + its tags;
score_stats leave retrieval scores as they are, so that "new" of 9500 scores 9.5: behind m10.
"""

from __future__ import annotations

from collections.abc import Iterator

import grpc
import numpy as np
import pytest

from protos.recommender.v1 import recommender_pb2 as pb
from protos.recommender.v1.recommender_pb2_grpc import RecommenderServiceStub
from server.app import gateway
from server.settings import Settings
from tests.fake_model_server import FakeModelServer, floats, world_models
from tests.fault.waiting import eventually
from tests.releases import World, WorldMovie, activate, write_release

Added = pb.AddMoviesRequest.AddedMovie
NEW = Added(movie_id="new", title="Brave New Film", year=9500, genres=["Drama"], tags=["a"])


def add(stub: RecommenderServiceStub, *movies: Added, request_id: str = "") -> int:
    request = pb.AddMoviesRequest(movies=movies, request_id=request_id)
    return stub.AddMovies(request, timeout=10).added


def listed(stub: RecommenderServiceStub, **fields: object) -> list[tuple[str, float, int]]:
    request = pb.RecommendUserRequest(**{"user_id": "hot", "page_size": 100, **fields})
    response = stub.RecommendUser(request, timeout=10)
    return [(e.movie.movie_id, e.score, e.source) for e in response.recommendations]


def test_an_added_movie_is_found_and_told(stub: RecommenderServiceStub) -> None:
    """GetMovie, SearchMovies and PopularMovies have it at once, without ratings."""
    assert add(stub, NEW) == 1

    movie = stub.GetMovie(pb.GetMovieRequest(movie_id="new"), timeout=10).movie
    found = stub.SearchMovies(pb.SearchMoviesRequest(query="brav new film"), timeout=10).movies
    popular = stub.PopularMovies(pb.PopularMoviesRequest(page_size=100), timeout=10).movies
    status = stub.GetServingStatus(pb.GetServingStatusRequest(), timeout=10)

    assert movie == pb.Movie(movie_id="new", title="Brave New Film", year=9500, genres=["Drama"])
    assert found[0].movie == movie
    assert popular[-1].movie == movie
    assert status.counts.movies == 13


def test_an_added_movie_takes_its_place_in_the_list(
    stub: RecommenderServiceStub, model_server: FakeModelServer
) -> None:
    """Scored by its vectors against the user's, in one Predict; rated 3 + 1; source CONTENT."""
    add(stub, NEW)
    model_server.calls.clear()
    response = stub.RecommendUser(pb.RecommendUserRequest(user_id="hot", page_size=100), timeout=10)

    entries = response.recommendations
    assert [e.movie.movie_id for e in entries][:5] == ["m12", "m11", "m10", "new", "m9"]
    assert entries[3].score == pytest.approx(9.5, abs=1e-4)
    assert entries[3].predicted_rating == pytest.approx(4)
    assert entries[3].source == pb.SOURCE_CONTENT
    assert len(entries) == 10
    assert model_server.called() == [("recommend", "by_number")]


def test_added_movies_have_an_order_where_everything_else_is_excluded(
    stub: RecommenderServiceStub, model_server: FakeModelServer
) -> None:
    """Without candidates there is nothing to standardise by: their own spread orders them."""
    full = model_server.functions["recommend", "serving_default"]

    def nothing_spread(inputs, version):  # type: ignore[no-untyped-def]
        return {**full(inputs, version), "score_stats": floats([0.0, 0.0, 0.0, 0.0])}

    model_server.functions["recommend", "serving_default"] = nothing_spread
    add(
        stub,
        Added(movie_id="low", title="Low", year=2000),
        Added(movie_id="high", title="High", year=9000),
        Added(movie_id="middle", title="Middle", year=4000),
    )

    found = listed(stub, exclude_movie_ids=[f"m{n}" for n in range(1, 13)])

    # 2, 9 and 4 have the mean 5 and the variance (9 + 16 + 1) / 3.
    deviation = (26 / 3) ** 0.5
    assert [movie_id for movie_id, *_ in found] == ["high", "middle", "low"]
    assert [score for _, score, _ in found] == pytest.approx(
        [4 / deviation, -1 / deviation, -3 / deviation], abs=1e-4
    )


def test_exclusions_and_filters_hold_for_added_movies(stub: RecommenderServiceStub) -> None:
    """Excluded, of another genre or year, or rated by the user: it is not listed."""
    add(stub, NEW)
    assert "new" in [i for i, *_ in listed(stub)]

    for fields in (
        {"exclude_movie_ids": ["new"]},
        {"filter": pb.MovieFilter(genres_none=["Drama"])},
        {"filter": pb.MovieFilter(max_year=2000)},
        {"history": [pb.RatedMovie(movie_id="new", rating=3)]},
    ):
        assert "new" not in [i for i, *_ in listed(stub, **fields)]


def test_added_movies_are_ranked_by_predicted_rating_as_well(stub: RecommenderServiceStub) -> None:
    """With two tags it is rated 5: behind m10, which the graph lists with the same rating."""
    add(stub, Added(movie_id="new", title="N", year=1, tags=["a", "b"]))

    by_rating = listed(stub, order_by=pb.RecommendUserRequest.ORDER_BY_PREDICTED_RATING)

    # m12 6, m11 5.5, m10 5, new 5, m9 4.5.
    assert [i for i, *_ in by_rating][:5] == ["m12", "m11", "m10", "new", "m9"]


def test_an_added_movie_is_rated(
    stub: RecommenderServiceStub, model_server: FakeModelServer
) -> None:
    """PredictRating tells trained and added movies apart by their source, in the order asked."""
    add(stub, NEW)

    response = stub.PredictRating(
        pb.PredictRatingRequest(user_id="hot", movie_ids=["new", "m8", "zz", "new"]), timeout=10
    )

    assert [(r.movie_id, r.rating, r.source) for r in response.ratings] == [
        ("new", 4.0, pb.SOURCE_CONTENT),
        ("m8", 4.0, pb.SOURCE_RETRIEVAL),
        ("new", 4.0, pb.SOURCE_CONTENT),
    ]
    assert list(response.answer.unknown_movie_ids) == ["zz"]


def test_movies_like_an_added_one(
    stub: RecommenderServiceStub, model_server: FakeModelServer
) -> None:
    """SimilarMovies of an added movie asks the content model with all that is said of it."""
    add(stub, NEW)
    model_server.calls.clear()
    response = stub.SimilarMovies(pb.SimilarMoviesRequest(movie_id="new", page_size=2), timeout=10)

    assert [s.movie.movie_id for s in response.similar] == ["m12", "m11"]
    assert model_server.called() == [("content", "similar")]
    call = model_server.calls[0]
    assert call.inputs["title"] == [["Brave New Film"]]
    assert call.inputs["tags"][0][-1] == "a"


@pytest.fixture
def plane(
    settings: Settings, model_server: FakeModelServer
) -> Iterator[tuple[RecommenderServiceStub, FakeModelServer]]:
    """A release whose movies have an audience at (1, 0) and contents at (1, 0) and (0, 1) in turn.

    m1, which 99 people rated, and m2 are by content at (0, 1) and (1, 0).
    """
    audience_and_content = [(1, 0, n % 2, 1 - n % 2) for n in range(12)]
    world = World(vectors=np.array(audience_and_content, np.float32))
    write_release(settings.models_dir, 2, world)
    activate(settings.models_dir, 2)
    model_server.load(2)
    model_server.functions.update(world_models(world))
    with gateway(settings) as running, grpc.insecure_channel(running.target) as channel:
        yield RecommenderServiceStub(channel), model_server


def test_added_movies_are_similar_by_their_content(
    plane: tuple[RecommenderServiceStub, FakeModelServer],
) -> None:
    """One of the year 0 stands at (0, 1), of 9000 at (1, 1) / sqrt 2, whatever the graphs know.

    m1 stands at (99, 10) / 109 between its audience and its content: its cosine with (0, 1) is
    10 / sqrt(99^2 + 10^2), and with (1, 1) / sqrt 2 it is 109 / sqrt 2 / sqrt(99^2 + 10^2). Beside
    its 99 ratings what has none counts 10 / 109 of that.
    """
    stub, _ = plane
    add(stub, Added(movie_id="same", title="S", genres=["Drama"]))
    add(stub, Added(movie_id="far", title="F", year=9000))
    new = pb.SimilarMoviesRequest.NewMovie(title="X")
    modes = pb.SimilarMoviesRequest

    def similar(**fields: object) -> dict[str, float]:
        request = pb.SimilarMoviesRequest(page_size=100, **fields)
        found = stub.SimilarMovies(request, timeout=10).similar
        scores = {s.movie.movie_id: round(s.score, 3) for s in found}
        return {i: score for i, score in scores.items() if i in ("same", "far", "m1")}

    assert similar(new_movie=new) == {"m1": 1, "same": 1, "far": 0.707}
    assert similar(new_movie=new, filter=pb.MovieFilter(genres_any=["Drama"])) == {"same": 1}
    assert similar(movie_id="far") == {"m1": 0.707, "same": 0.707}
    assert similar(movie_id="far", mode=modes.MODE_COLLABORATIVE) == similar(movie_id="far")
    assert similar(movie_id="m1") == {"same": 0.009, "far": 0.071}
    assert similar(movie_id="m1", mode=modes.MODE_CONTENT) == {"same": 1, "far": 0.707}
    assert similar(movie_id="m1", mode=modes.MODE_COLLABORATIVE) == {}


def test_added_movies_are_told_apart_by_diversity(
    plane: tuple[RecommenderServiceStub, FakeModelServer],
) -> None:
    """A list that holds added movies can be diversified, and they count as what they are like.

    Of the scores 9.9, 9.8 and 9.6 the second stands nearer to the first, so the third overtakes it.
    """
    stub, _ = plane
    twins = [Added(movie_id=f"twin {n}", title="T", year=9900 - n) for n in (0, 100)]
    add(stub, *twins, Added(movie_id="other", title="O", year=9600))
    excluded = [f"m{n}" for n in range(1, 13)]
    plain = listed(stub, exclude_movie_ids=excluded)
    assert [i for i, *_ in plain] == ["twin 0", "twin 100", "other"]
    diverse = listed(stub, exclude_movie_ids=excluded, diversity=1.0)
    assert [i for i, *_ in diverse] == ["twin 0", "other", "twin 100"]


def test_only_new_movies_are_embedded(
    stub: RecommenderServiceStub, model_server: FakeModelServer
) -> None:
    """What the release holds already is not asked for again; another release asks for all."""
    add(stub, NEW)
    model_server.calls.clear()
    add(stub, Added(movie_id="newer", title="Newer", year=1))

    embedded = [call for call in model_server.calls if call.signature == "embed_movie"]
    assert [call.inputs["year"] for call in embedded] == [[[1]]]
    assert [i for i, *_ in listed(stub)][3] == "new"
    assert "newer" in [i for i, *_ in listed(stub)]


def test_an_added_movie_can_be_rated_by_users(stub: RecommenderServiceStub) -> None:
    """RecordRatings knows it; a rated one is seen and leaves the list."""
    add(stub, NEW)
    event = pb.RecordRatingsRequest.RatingEvent(user_id="hot", movie_id="new", rating=5)

    answer = stub.RecordRatings(pb.RecordRatingsRequest(ratings=[event]), timeout=10)

    assert answer.recorded == 1
    assert "new" not in [i for i, *_ in listed(stub)]


def test_the_same_movie_again_is_no_news(stub: RecommenderServiceStub) -> None:
    """The same content counts 0, a retry with its request id what it counted; m1 is there too."""
    assert add(stub, NEW, request_id="r") == 1
    assert add(stub, NEW, request_id="r") == 1
    assert add(stub, NEW, Added(movie_id="new 2", title="Two")) == 1
    assert add(stub, Added(movie_id="m1", title="Movie 1", year=1990, genres=["Comedy"])) == 0


def test_the_order_of_genres_and_tags_is_no_content(stub: RecommenderServiceStub) -> None:
    """Named the other way round they are the same, for added movies and for those of a release."""
    one = Added(movie_id="new", title="N", genres=["Drama", "Action"], tags=["b", "a", "b"])
    other = Added(movie_id="new", title="N", genres=["Action", "Drama"], tags=["a", "b"])
    assert add(stub, one) == 1
    assert add(stub, other) == 0
    trained = Added(movie_id="m6", title="Movie 6", year=1995, genres=["Drama", "Action"])
    assert add(stub, trained) == 0


@pytest.mark.parametrize(
    "other",
    [
        Added(movie_id="new", title="Another", year=9500, genres=["Drama"], tags=["a"]),
        Added(movie_id="new", title="Brave New Film", year=9500, genres=["Drama"], tags=["b"]),
        Added(movie_id="m1", title="Movie 2", year=1990, genres=["Comedy"]),
    ],
    ids=["title", "tags", "trained movie"],
)
def test_another_movie_under_a_known_id_is_refused(
    stub: RecommenderServiceStub, other: Added
) -> None:
    """ALREADY_EXISTS, and nothing of the request is added."""
    add(stub, NEW)

    with pytest.raises(grpc.RpcError) as caught:
        add(stub, Added(movie_id="innocent", title="X"), other)
    with pytest.raises(grpc.RpcError) as missing:
        stub.GetMovie(pb.GetMovieRequest(movie_id="innocent"), timeout=10)

    assert caught.value.code() is grpc.StatusCode.ALREADY_EXISTS
    assert missing.value.code() is grpc.StatusCode.NOT_FOUND


def test_added_movies_survive_restarts_and_switches(
    settings: Settings, model_server: FakeModelServer
) -> None:
    """A later release scores them by its own models; one that was trained on a movie owns it."""
    with gateway(settings) as running, grpc.insecure_channel(running.target) as channel:
        add(RecommenderServiceStub(channel), NEW, Added(movie_id="m13", title="M", year=500))
    with gateway(settings) as running, grpc.insecure_channel(running.target) as channel:
        stub = RecommenderServiceStub(channel)
        assert [i for i, *_ in listed(stub)][3] == "new"
        trained = WorldMovie("m13", "M trained", 500, ("Comedy",))
        write_release(settings.models_dir, 2, World(movies=(*World().movies, trained)))
        model_server.load(2)
        activate(settings.models_dir, 2)
        request = pb.GetMovieRequest(movie_id="m13")
        eventually(lambda: stub.GetMovie(request, timeout=10).movie.title == "M trained")

        # The fake models of release 1's world do not list m13; "new" keeps its place.
        assert [i for i, *_ in listed(stub)][3] == "new"


def test_without_a_model_server_a_movie_waits_for_its_vectors(
    stub: RecommenderServiceStub, model_server: FakeModelServer
) -> None:
    """Added and found at once, rated by the mean of all; placed when the server is back."""
    model_server.stop()
    assert add(stub, NEW) == 1
    assert stub.GetMovie(pb.GetMovieRequest(movie_id="new"), timeout=10).movie.title

    model_server.start()
    eventually(lambda: [i for i, *_ in listed(stub)][3:4] == ["new"])


def test_a_thousand_movies_at_once(
    stub: RecommenderServiceStub, model_server: FakeModelServer
) -> None:
    """The largest request is embedded in batches of 64 at most."""
    movies = [Added(movie_id=f"n{n}", title=f"N {n}", tags=["t"] * (n % 20)) for n in range(1000)]

    assert add(stub, *movies) == 1000

    for signature in ("embed_movie", "similar"):
        calls = [call for call in model_server.calls if call.signature == signature]
        sizes = [len(call.inputs["year"][0]) for call in calls]
        assert sum(sizes) == 1000
        assert max(sizes) == 64
    assert len(listed(stub)) == 100
