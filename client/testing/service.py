"""The RPCs of a fake."""
# ruff: noqa: N802 - gRPC names the methods.

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Final, cast

import grpc

from client.testing import checks as limits
from client.testing import titles
from client.testing.checks import Checks, RefusedError, invalid, passes
from client.testing.ranking import Rankings, asker
from client.testing.receipts import Receipts
from client.testing.state import RATING_RANGE, RELEASE, Film, NewMovie, State, same_movie
from client.testing.taste import Taste
from protos.recommender.v1 import recommender_pb2 as pb

LEAST_MATCH: Final = 0.5
"""A title that resembles the query less is not found."""

Mode = pb.SimilarMoviesRequest
PopularList = pb.PopularMoviesRequest


class Service:
    """Each method turns a request into the response, or raises RefusedError."""

    def __init__(self, state: State) -> None:
        self.degraded_reasons: tuple[str, ...] = ()
        self._state = state
        self._taste = Taste(state)
        self._rankings = Rankings()
        self._receipts = Receipts()

    def RecommendUser(self, request: pb.RecommendUserRequest) -> pb.RecommendUserResponse:
        return self._rankings.page(request, self._state, self._taste, self._answer())

    def PredictRating(self, request: pb.PredictRatingRequest) -> pb.PredictRatingResponse:
        checks = Checks()
        checks.text("user_id", request.user_id)
        checks.movie_ids("movie_ids", request.movie_ids, 1, limits.MAX_ENTRIES)
        checks.history(request.history)
        checks.profile(request.profile, self._state.genres)
        checks.done()
        who = asker(self._state, request.user_id, request.history, request.profile)
        ratings = []
        for film in self._known(request.movie_ids):
            known_user = who.state != pb.USER_STATE_COLD
            source = pb.SOURCE_RETRIEVAL if known_user else pb.SOURCE_MEAN
            ratings.append(
                pb.PredictRatingResponse.PredictedRating(
                    movie_id=film.message.movie_id,
                    rating=self._taste.rating(film, who.history, who.profile),
                    source=source if film.raters else pb.SOURCE_CONTENT,
                )
            )
        unknown = [*self._unknown(request.movie_ids), *who.unknown_movie_ids]
        return pb.PredictRatingResponse(ratings=ratings, answer=self._answer(unknown))

    def SimilarMovies(self, request: pb.SimilarMoviesRequest) -> pb.SimilarMoviesResponse:
        checks = Checks()
        page_size = checks.page_size(request.page_size)
        checks.enum("mode", request.mode, Mode.Mode.values())
        checks.filter(request.filter, self._state.genres)
        match request.WhichOneof("target"):
            case "movie_id":
                checks.text("movie_id", request.movie_id, low=1)
            case "new_movie":
                self._check_content("new_movie", request.new_movie, checks)
            case _:
                checks.refuse("target", "is unset, allowed is one of movie_id, new_movie")
        checks.done()
        new = request.new_movie
        target = NewMovie(title=new.title, year=new.year, genres=new.genres, tags=new.tags)
        raters = {}
        if request.movie_id:
            film = self._film(request.movie_id)
            target, raters = film.content, dict(film.raters)
        mode = request.mode or Mode.MODE_HYBRID
        similar = [
            pb.SimilarMoviesResponse.SimilarMovie(
                movie=film.message, score=self._taste.like(target, raters, film, mode)
            )
            for movie_id, film in self._state.films.items()
            if movie_id != request.movie_id and passes(film.message, request.filter)
            # Who watched what nobody rated is not known.
            if film.raters or not raters or mode != Mode.MODE_COLLABORATIVE
        ]
        similar.sort(key=lambda item: -item.score)
        return pb.SimilarMoviesResponse(similar=similar[:page_size], answer=self._answer())

    def GetUser(self, request: pb.GetUserRequest) -> pb.GetUserResponse:
        checks = Checks()
        checks.text("user_id", request.user_id)
        checks.done()
        who = asker(self._state, request.user_id, (), pb.Profile())
        return pb.GetUserResponse(
            ratings=who.history,
            profile=who.profile,
            user_state=who.state,
            answer=self._answer(),
        )

    def GetMovie(self, request: pb.GetMovieRequest) -> pb.GetMovieResponse:
        checks = Checks()
        checks.text("movie_id", request.movie_id, low=1)
        checks.done()
        return pb.GetMovieResponse(
            movie=self._film(request.movie_id).message, answer=self._answer()
        )

    def SearchMovies(self, request: pb.SearchMoviesRequest) -> pb.SearchMoviesResponse:
        checks = Checks()
        page_size = checks.page_size(request.page_size)
        if not 1 <= len(request.query) <= limits.MAX_QUERY:
            said = f"has {len(request.query)} characters, allowed 1..{limits.MAX_QUERY}"
            checks.refuse("query", said)
        checks.done()
        found = [
            pb.SearchMoviesResponse.FoundMovie(
                movie=film.message, match=titles.match(request.query, film.message.title)
            )
            for film in self._state.films.values()
        ]
        found = [item for item in found if item.match >= LEAST_MATCH]
        found.sort(key=lambda item: (-item.match, -item.movie.rating_count))
        return pb.SearchMoviesResponse(movies=found[:page_size], answer=self._answer())

    def PopularMovies(self, request: pb.PopularMoviesRequest) -> pb.PopularMoviesResponse:
        checks = Checks()
        page_size = checks.page_size(request.page_size)
        checks.enum("list", request.list, PopularList.List.values())
        checks.between("min_rating_count", request.min_rating_count, 0, 2**63 - 1)
        checks.between("min_mean_rating", request.min_mean_rating, 0, RATING_RANGE[1])
        checks.filter(request.filter, self._state.genres)
        checks.done()
        movies = [
            pb.PopularMoviesResponse.PopularMovie(
                movie=film.message, score=self._popular_score(film, request.list)
            )
            for film in self._state.films.values()
            if film.message.rating_count >= request.min_rating_count
            and film.message.mean_rating >= request.min_mean_rating
            and passes(film.message, request.filter)
            # Without a rating there is no mean.
            and (film.raters or request.list != PopularList.LIST_HIGHEST_RATED)
        ]
        movies.sort(key=lambda item: (-item.score, -item.movie.rating_count))
        return pb.PopularMoviesResponse(movies=movies[:page_size], answer=self._answer())

    def RecordRatings(self, request: pb.RecordRatingsRequest) -> pb.RecordRatingsResponse:
        checks = Checks()
        checks.text("request_id", request.request_id)
        checks.count("ratings", len(request.ratings), 1, limits.MAX_ENTRIES)
        for position, event in enumerate(request.ratings):
            field = f"ratings[{position}]"
            checks.text(f"{field}.user_id", event.user_id, low=1)
            checks.text(f"{field}.movie_id", event.movie_id, low=1)
            if event.WhichOneof("action") == "rating":
                checks.between(f"{field}.rating", event.rating, *RATING_RANGE)
            elif not event.remove:
                checks.refuse(field, "says neither rating nor remove, allowed is one of them")
        checks.done()
        if earlier := self._receipts.answer(request):
            return cast("pb.RecordRatingsResponse", earlier)
        known = [event for event in request.ratings if event.movie_id in self._state.films]
        for event in known:
            self._state.rate(event, now_s=int(time.time()))
        response = pb.RecordRatingsResponse(
            recorded=len(known),
            unknown_movie_ids=self._unknown(event.movie_id for event in request.ratings),
        )
        self._receipts.keep(request, response)
        return response

    def AddMovies(self, request: pb.AddMoviesRequest) -> pb.AddMoviesResponse:
        checks = Checks()
        checks.text("request_id", request.request_id)
        checks.count("movies", len(request.movies), 1, limits.MAX_ENTRIES)
        named: set[str] = set()
        for position, movie in enumerate(request.movies):
            field = f"movies[{position}]"
            checks.text(f"{field}.movie_id", movie.movie_id, low=1)
            if movie.movie_id in named:
                checks.refuse(f"{field}.movie_id", "repeats, allowed is each movie once")
            named.add(movie.movie_id)
            if not movie.title.strip():
                checks.refuse(f"{field}.title", "is blank, allowed is a title")
            self._check_content(field, movie, checks)
        checks.done()
        if earlier := self._receipts.answer(request):
            return cast("pb.AddMoviesResponse", earlier)
        new = []
        for movie in request.movies:
            film = self._state.films.get(movie.movie_id)
            if film is None:
                new.append(movie)
            elif not same_movie(film.content, movie):
                message = f"movie_id: {movie.movie_id!r} exists with other content"
                raise RefusedError(grpc.StatusCode.ALREADY_EXISTS, "MOVIE_EXISTS", message)
        for movie in new:
            self._state.add(movie, {})
        response = pb.AddMoviesResponse(added=len(new))
        self._receipts.keep(request, response)
        return response

    def BatchRecommend(self, request: pb.BatchRecommendRequest) -> pb.BatchRecommendResponse:
        checks = Checks()
        checks.count("requests", len(request.requests), 0, limits.MAX_BATCH)
        n_excluded = sum(len(each.exclude_movie_ids) for each in request.requests)
        if n_excluded > limits.MAX_EXCLUDED_IN_BATCH:
            said = f"are {n_excluded}, allowed 0..{limits.MAX_EXCLUDED_IN_BATCH}"
            checks.refuse("requests.exclude_movie_ids", said)
        checks.done()
        results = []
        for each in request.requests:
            try:
                if each.page_token:
                    raise invalid([("page_token", "is set, allowed is none in a batch")])
                result = pb.BatchRecommendResponse.Result(response=self.RecommendUser(each))
            except RefusedError as error:
                result = pb.BatchRecommendResponse.Result(error=error.status(request_id=""))
            results.append(result)
        return pb.BatchRecommendResponse(results=results)

    def GetServingStatus(self, _request: pb.GetServingStatusRequest) -> pb.GetServingStatusResponse:
        state = self._state
        return pb.GetServingStatusResponse(
            releases=pb.GetServingStatusResponse.Releases(stable=RELEASE, active=RELEASE),
            parts=[
                pb.GetServingStatusResponse.Part(name=name, state="AVAILABLE", required=True)
                for name in ("recommend", "ranking", "retrieval", "content")
            ],
            store_state="memory: ready",
            counts=pb.GetServingStatusResponse.Counts(
                movies=len(state.films),
                users=sum(1 for ratings in state.ratings.values() if ratings),
                ratings=sum(len(ratings) for ratings in state.ratings.values()),
            ),
            answer=self._answer(),
        )

    def _answer(self, unknown_movie_ids: Iterable[str] = ()) -> pb.Answer:
        return pb.Answer(
            release_version=RELEASE,
            degraded=bool(self.degraded_reasons),
            degraded_reasons=self.degraded_reasons,
            unknown_movie_ids=dict.fromkeys(unknown_movie_ids),
        )

    def _film(self, movie_id: str) -> Film:
        film = self._state.films.get(movie_id)
        if film is None:
            code = grpc.StatusCode.NOT_FOUND
            why = f"movie_id: no movie {movie_id!r} in the active release"
            raise RefusedError(code, "UNKNOWN_MOVIE", why, metadata={"movie_id": movie_id})
        return film

    def _known(self, movie_ids: Iterable[str]) -> list[Film]:
        films = self._state.films
        return [films[movie_id] for movie_id in movie_ids if movie_id in films]

    def _unknown(self, movie_ids: Iterable[str]) -> list[str]:
        films = self._state.films
        return list(dict.fromkeys(m for m in movie_ids if m not in films))

    def _check_content(self, field: str, movie: NewMovie | Mode.NewMovie, checks: Checks) -> None:
        checks.text(f"{field}.title", movie.title, high=limits.MAX_TEXT_BYTES)
        checks.between(f"{field}.year", movie.year, 0, limits.MAX_YEAR)
        checks.genres(f"{field}.genres", movie.genres, self._state.genres)
        for position, tag in enumerate(movie.tags):
            checks.text(f"{field}.tags[{position}]", tag)
        if not (movie.title.strip() or movie.genres or movie.tags):
            checks.refuse(field, "says nothing, allowed is a title, genres or tags")

    def _popular_score(self, film: Film, ranking: PopularList.List) -> float:
        if ranking == PopularList.LIST_HIGHEST_RATED:
            return film.message.mean_rating
        if ranking == PopularList.LIST_BAYESIAN:
            return self._taste.shrunk_mean(film)
        return float(film.message.rating_count)
