import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.rpc import status_pb2 as _status_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class UserState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    USER_STATE_UNSPECIFIED: _ClassVar[UserState]
    USER_STATE_HOT: _ClassVar[UserState]
    USER_STATE_WARM: _ClassVar[UserState]
    USER_STATE_COLD: _ClassVar[UserState]

class Source(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SOURCE_UNSPECIFIED: _ClassVar[Source]
    SOURCE_RETRIEVAL: _ClassVar[Source]
    SOURCE_CONTENT: _ClassVar[Source]
    SOURCE_POPULAR: _ClassVar[Source]
    SOURCE_ENGINE: _ClassVar[Source]
    SOURCE_MEAN: _ClassVar[Source]
USER_STATE_UNSPECIFIED: UserState
USER_STATE_HOT: UserState
USER_STATE_WARM: UserState
USER_STATE_COLD: UserState
SOURCE_UNSPECIFIED: Source
SOURCE_RETRIEVAL: Source
SOURCE_CONTENT: Source
SOURCE_POPULAR: Source
SOURCE_ENGINE: Source
SOURCE_MEAN: Source

class Movie(_message.Message):
    __slots__ = ("movie_id", "title", "year", "genres", "rating_count", "mean_rating")
    MOVIE_ID_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    YEAR_FIELD_NUMBER: _ClassVar[int]
    GENRES_FIELD_NUMBER: _ClassVar[int]
    RATING_COUNT_FIELD_NUMBER: _ClassVar[int]
    MEAN_RATING_FIELD_NUMBER: _ClassVar[int]
    movie_id: str
    title: str
    year: int
    genres: _containers.RepeatedScalarFieldContainer[str]
    rating_count: int
    mean_rating: float
    def __init__(self, movie_id: _Optional[str] = ..., title: _Optional[str] = ..., year: _Optional[int] = ..., genres: _Optional[_Iterable[str]] = ..., rating_count: _Optional[int] = ..., mean_rating: _Optional[float] = ...) -> None: ...

class RatedMovie(_message.Message):
    __slots__ = ("movie_id", "rating", "rated_at")
    MOVIE_ID_FIELD_NUMBER: _ClassVar[int]
    RATING_FIELD_NUMBER: _ClassVar[int]
    RATED_AT_FIELD_NUMBER: _ClassVar[int]
    movie_id: str
    rating: float
    rated_at: _timestamp_pb2.Timestamp
    def __init__(self, movie_id: _Optional[str] = ..., rating: _Optional[float] = ..., rated_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class Profile(_message.Message):
    __slots__ = ("age", "gender", "occupation", "favorite_genres")
    AGE_FIELD_NUMBER: _ClassVar[int]
    GENDER_FIELD_NUMBER: _ClassVar[int]
    OCCUPATION_FIELD_NUMBER: _ClassVar[int]
    FAVORITE_GENRES_FIELD_NUMBER: _ClassVar[int]
    age: int
    gender: str
    occupation: str
    favorite_genres: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, age: _Optional[int] = ..., gender: _Optional[str] = ..., occupation: _Optional[str] = ..., favorite_genres: _Optional[_Iterable[str]] = ...) -> None: ...

class MovieFilter(_message.Message):
    __slots__ = ("genres_any", "genres_all", "genres_none", "min_year", "max_year")
    GENRES_ANY_FIELD_NUMBER: _ClassVar[int]
    GENRES_ALL_FIELD_NUMBER: _ClassVar[int]
    GENRES_NONE_FIELD_NUMBER: _ClassVar[int]
    MIN_YEAR_FIELD_NUMBER: _ClassVar[int]
    MAX_YEAR_FIELD_NUMBER: _ClassVar[int]
    genres_any: _containers.RepeatedScalarFieldContainer[str]
    genres_all: _containers.RepeatedScalarFieldContainer[str]
    genres_none: _containers.RepeatedScalarFieldContainer[str]
    min_year: int
    max_year: int
    def __init__(self, genres_any: _Optional[_Iterable[str]] = ..., genres_all: _Optional[_Iterable[str]] = ..., genres_none: _Optional[_Iterable[str]] = ..., min_year: _Optional[int] = ..., max_year: _Optional[int] = ...) -> None: ...

class Reason(_message.Message):
    __slots__ = ("because_of_movie", "shared_genre", "popular")
    class BecauseOfMovie(_message.Message):
        __slots__ = ("movie", "weight")
        MOVIE_FIELD_NUMBER: _ClassVar[int]
        WEIGHT_FIELD_NUMBER: _ClassVar[int]
        movie: Movie
        weight: float
        def __init__(self, movie: _Optional[_Union[Movie, _Mapping]] = ..., weight: _Optional[float] = ...) -> None: ...
    BECAUSE_OF_MOVIE_FIELD_NUMBER: _ClassVar[int]
    SHARED_GENRE_FIELD_NUMBER: _ClassVar[int]
    POPULAR_FIELD_NUMBER: _ClassVar[int]
    because_of_movie: Reason.BecauseOfMovie
    shared_genre: str
    popular: bool
    def __init__(self, because_of_movie: _Optional[_Union[Reason.BecauseOfMovie, _Mapping]] = ..., shared_genre: _Optional[str] = ..., popular: _Optional[bool] = ...) -> None: ...

class Answer(_message.Message):
    __slots__ = ("release_version", "degraded", "degraded_reasons", "unknown_movie_ids")
    RELEASE_VERSION_FIELD_NUMBER: _ClassVar[int]
    DEGRADED_FIELD_NUMBER: _ClassVar[int]
    DEGRADED_REASONS_FIELD_NUMBER: _ClassVar[int]
    UNKNOWN_MOVIE_IDS_FIELD_NUMBER: _ClassVar[int]
    release_version: int
    degraded: bool
    degraded_reasons: _containers.RepeatedScalarFieldContainer[str]
    unknown_movie_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, release_version: _Optional[int] = ..., degraded: _Optional[bool] = ..., degraded_reasons: _Optional[_Iterable[str]] = ..., unknown_movie_ids: _Optional[_Iterable[str]] = ...) -> None: ...

class RecommendUserRequest(_message.Message):
    __slots__ = ("user_id", "page_size", "page_token", "exclude_seen", "exclude_movie_ids", "filter", "history", "profile", "diversity", "order_by")
    class OrderBy(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        ORDER_BY_UNSPECIFIED: _ClassVar[RecommendUserRequest.OrderBy]
        ORDER_BY_DEFAULT: _ClassVar[RecommendUserRequest.OrderBy]
        ORDER_BY_PREDICTED_RATING: _ClassVar[RecommendUserRequest.OrderBy]
    ORDER_BY_UNSPECIFIED: RecommendUserRequest.OrderBy
    ORDER_BY_DEFAULT: RecommendUserRequest.OrderBy
    ORDER_BY_PREDICTED_RATING: RecommendUserRequest.OrderBy
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    EXCLUDE_SEEN_FIELD_NUMBER: _ClassVar[int]
    EXCLUDE_MOVIE_IDS_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    HISTORY_FIELD_NUMBER: _ClassVar[int]
    PROFILE_FIELD_NUMBER: _ClassVar[int]
    DIVERSITY_FIELD_NUMBER: _ClassVar[int]
    ORDER_BY_FIELD_NUMBER: _ClassVar[int]
    user_id: str
    page_size: int
    page_token: str
    exclude_seen: bool
    exclude_movie_ids: _containers.RepeatedScalarFieldContainer[str]
    filter: MovieFilter
    history: _containers.RepeatedCompositeFieldContainer[RatedMovie]
    profile: Profile
    diversity: float
    order_by: RecommendUserRequest.OrderBy
    def __init__(self, user_id: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., exclude_seen: _Optional[bool] = ..., exclude_movie_ids: _Optional[_Iterable[str]] = ..., filter: _Optional[_Union[MovieFilter, _Mapping]] = ..., history: _Optional[_Iterable[_Union[RatedMovie, _Mapping]]] = ..., profile: _Optional[_Union[Profile, _Mapping]] = ..., diversity: _Optional[float] = ..., order_by: _Optional[_Union[RecommendUserRequest.OrderBy, str]] = ...) -> None: ...

class RecommendUserResponse(_message.Message):
    __slots__ = ("recommendations", "user_state", "recommendation_id", "next_page_token", "answer")
    class Recommendation(_message.Message):
        __slots__ = ("movie", "predicted_rating", "score", "source", "reasons")
        MOVIE_FIELD_NUMBER: _ClassVar[int]
        PREDICTED_RATING_FIELD_NUMBER: _ClassVar[int]
        SCORE_FIELD_NUMBER: _ClassVar[int]
        SOURCE_FIELD_NUMBER: _ClassVar[int]
        REASONS_FIELD_NUMBER: _ClassVar[int]
        movie: Movie
        predicted_rating: float
        score: float
        source: Source
        reasons: _containers.RepeatedCompositeFieldContainer[Reason]
        def __init__(self, movie: _Optional[_Union[Movie, _Mapping]] = ..., predicted_rating: _Optional[float] = ..., score: _Optional[float] = ..., source: _Optional[_Union[Source, str]] = ..., reasons: _Optional[_Iterable[_Union[Reason, _Mapping]]] = ...) -> None: ...
    RECOMMENDATIONS_FIELD_NUMBER: _ClassVar[int]
    USER_STATE_FIELD_NUMBER: _ClassVar[int]
    RECOMMENDATION_ID_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    ANSWER_FIELD_NUMBER: _ClassVar[int]
    recommendations: _containers.RepeatedCompositeFieldContainer[RecommendUserResponse.Recommendation]
    user_state: UserState
    recommendation_id: str
    next_page_token: str
    answer: Answer
    def __init__(self, recommendations: _Optional[_Iterable[_Union[RecommendUserResponse.Recommendation, _Mapping]]] = ..., user_state: _Optional[_Union[UserState, str]] = ..., recommendation_id: _Optional[str] = ..., next_page_token: _Optional[str] = ..., answer: _Optional[_Union[Answer, _Mapping]] = ...) -> None: ...

class PredictRatingRequest(_message.Message):
    __slots__ = ("user_id", "movie_ids", "history", "profile")
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    MOVIE_IDS_FIELD_NUMBER: _ClassVar[int]
    HISTORY_FIELD_NUMBER: _ClassVar[int]
    PROFILE_FIELD_NUMBER: _ClassVar[int]
    user_id: str
    movie_ids: _containers.RepeatedScalarFieldContainer[str]
    history: _containers.RepeatedCompositeFieldContainer[RatedMovie]
    profile: Profile
    def __init__(self, user_id: _Optional[str] = ..., movie_ids: _Optional[_Iterable[str]] = ..., history: _Optional[_Iterable[_Union[RatedMovie, _Mapping]]] = ..., profile: _Optional[_Union[Profile, _Mapping]] = ...) -> None: ...

class PredictRatingResponse(_message.Message):
    __slots__ = ("ratings", "answer")
    class PredictedRating(_message.Message):
        __slots__ = ("movie_id", "rating", "source")
        MOVIE_ID_FIELD_NUMBER: _ClassVar[int]
        RATING_FIELD_NUMBER: _ClassVar[int]
        SOURCE_FIELD_NUMBER: _ClassVar[int]
        movie_id: str
        rating: float
        source: Source
        def __init__(self, movie_id: _Optional[str] = ..., rating: _Optional[float] = ..., source: _Optional[_Union[Source, str]] = ...) -> None: ...
    RATINGS_FIELD_NUMBER: _ClassVar[int]
    ANSWER_FIELD_NUMBER: _ClassVar[int]
    ratings: _containers.RepeatedCompositeFieldContainer[PredictRatingResponse.PredictedRating]
    answer: Answer
    def __init__(self, ratings: _Optional[_Iterable[_Union[PredictRatingResponse.PredictedRating, _Mapping]]] = ..., answer: _Optional[_Union[Answer, _Mapping]] = ...) -> None: ...

class SimilarMoviesRequest(_message.Message):
    __slots__ = ("movie_id", "new_movie", "mode", "page_size", "filter")
    class Mode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        MODE_UNSPECIFIED: _ClassVar[SimilarMoviesRequest.Mode]
        MODE_HYBRID: _ClassVar[SimilarMoviesRequest.Mode]
        MODE_COLLABORATIVE: _ClassVar[SimilarMoviesRequest.Mode]
        MODE_CONTENT: _ClassVar[SimilarMoviesRequest.Mode]
    MODE_UNSPECIFIED: SimilarMoviesRequest.Mode
    MODE_HYBRID: SimilarMoviesRequest.Mode
    MODE_COLLABORATIVE: SimilarMoviesRequest.Mode
    MODE_CONTENT: SimilarMoviesRequest.Mode
    class NewMovie(_message.Message):
        __slots__ = ("title", "year", "genres", "tags")
        TITLE_FIELD_NUMBER: _ClassVar[int]
        YEAR_FIELD_NUMBER: _ClassVar[int]
        GENRES_FIELD_NUMBER: _ClassVar[int]
        TAGS_FIELD_NUMBER: _ClassVar[int]
        title: str
        year: int
        genres: _containers.RepeatedScalarFieldContainer[str]
        tags: _containers.RepeatedScalarFieldContainer[str]
        def __init__(self, title: _Optional[str] = ..., year: _Optional[int] = ..., genres: _Optional[_Iterable[str]] = ..., tags: _Optional[_Iterable[str]] = ...) -> None: ...
    MOVIE_ID_FIELD_NUMBER: _ClassVar[int]
    NEW_MOVIE_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    movie_id: str
    new_movie: SimilarMoviesRequest.NewMovie
    mode: SimilarMoviesRequest.Mode
    page_size: int
    filter: MovieFilter
    def __init__(self, movie_id: _Optional[str] = ..., new_movie: _Optional[_Union[SimilarMoviesRequest.NewMovie, _Mapping]] = ..., mode: _Optional[_Union[SimilarMoviesRequest.Mode, str]] = ..., page_size: _Optional[int] = ..., filter: _Optional[_Union[MovieFilter, _Mapping]] = ...) -> None: ...

class SimilarMoviesResponse(_message.Message):
    __slots__ = ("similar", "answer")
    class SimilarMovie(_message.Message):
        __slots__ = ("movie", "score")
        MOVIE_FIELD_NUMBER: _ClassVar[int]
        SCORE_FIELD_NUMBER: _ClassVar[int]
        movie: Movie
        score: float
        def __init__(self, movie: _Optional[_Union[Movie, _Mapping]] = ..., score: _Optional[float] = ...) -> None: ...
    SIMILAR_FIELD_NUMBER: _ClassVar[int]
    ANSWER_FIELD_NUMBER: _ClassVar[int]
    similar: _containers.RepeatedCompositeFieldContainer[SimilarMoviesResponse.SimilarMovie]
    answer: Answer
    def __init__(self, similar: _Optional[_Iterable[_Union[SimilarMoviesResponse.SimilarMovie, _Mapping]]] = ..., answer: _Optional[_Union[Answer, _Mapping]] = ...) -> None: ...

class GetUserRequest(_message.Message):
    __slots__ = ("user_id",)
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    user_id: str
    def __init__(self, user_id: _Optional[str] = ...) -> None: ...

class GetUserResponse(_message.Message):
    __slots__ = ("ratings", "profile", "user_state", "answer")
    RATINGS_FIELD_NUMBER: _ClassVar[int]
    PROFILE_FIELD_NUMBER: _ClassVar[int]
    USER_STATE_FIELD_NUMBER: _ClassVar[int]
    ANSWER_FIELD_NUMBER: _ClassVar[int]
    ratings: _containers.RepeatedCompositeFieldContainer[RatedMovie]
    profile: Profile
    user_state: UserState
    answer: Answer
    def __init__(self, ratings: _Optional[_Iterable[_Union[RatedMovie, _Mapping]]] = ..., profile: _Optional[_Union[Profile, _Mapping]] = ..., user_state: _Optional[_Union[UserState, str]] = ..., answer: _Optional[_Union[Answer, _Mapping]] = ...) -> None: ...

class GetMovieRequest(_message.Message):
    __slots__ = ("movie_id",)
    MOVIE_ID_FIELD_NUMBER: _ClassVar[int]
    movie_id: str
    def __init__(self, movie_id: _Optional[str] = ...) -> None: ...

class GetMovieResponse(_message.Message):
    __slots__ = ("movie", "answer")
    MOVIE_FIELD_NUMBER: _ClassVar[int]
    ANSWER_FIELD_NUMBER: _ClassVar[int]
    movie: Movie
    answer: Answer
    def __init__(self, movie: _Optional[_Union[Movie, _Mapping]] = ..., answer: _Optional[_Union[Answer, _Mapping]] = ...) -> None: ...

class SearchMoviesRequest(_message.Message):
    __slots__ = ("query", "page_size")
    QUERY_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    query: str
    page_size: int
    def __init__(self, query: _Optional[str] = ..., page_size: _Optional[int] = ...) -> None: ...

class SearchMoviesResponse(_message.Message):
    __slots__ = ("movies", "answer")
    class FoundMovie(_message.Message):
        __slots__ = ("movie", "match")
        MOVIE_FIELD_NUMBER: _ClassVar[int]
        MATCH_FIELD_NUMBER: _ClassVar[int]
        movie: Movie
        match: float
        def __init__(self, movie: _Optional[_Union[Movie, _Mapping]] = ..., match: _Optional[float] = ...) -> None: ...
    MOVIES_FIELD_NUMBER: _ClassVar[int]
    ANSWER_FIELD_NUMBER: _ClassVar[int]
    movies: _containers.RepeatedCompositeFieldContainer[SearchMoviesResponse.FoundMovie]
    answer: Answer
    def __init__(self, movies: _Optional[_Iterable[_Union[SearchMoviesResponse.FoundMovie, _Mapping]]] = ..., answer: _Optional[_Union[Answer, _Mapping]] = ...) -> None: ...

class PopularMoviesRequest(_message.Message):
    __slots__ = ("list", "min_rating_count", "min_mean_rating", "filter", "page_size")
    class List(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        LIST_UNSPECIFIED: _ClassVar[PopularMoviesRequest.List]
        LIST_POPULAR: _ClassVar[PopularMoviesRequest.List]
        LIST_MOST_RATED: _ClassVar[PopularMoviesRequest.List]
        LIST_HIGHEST_RATED: _ClassVar[PopularMoviesRequest.List]
        LIST_BAYESIAN: _ClassVar[PopularMoviesRequest.List]
    LIST_UNSPECIFIED: PopularMoviesRequest.List
    LIST_POPULAR: PopularMoviesRequest.List
    LIST_MOST_RATED: PopularMoviesRequest.List
    LIST_HIGHEST_RATED: PopularMoviesRequest.List
    LIST_BAYESIAN: PopularMoviesRequest.List
    LIST_FIELD_NUMBER: _ClassVar[int]
    MIN_RATING_COUNT_FIELD_NUMBER: _ClassVar[int]
    MIN_MEAN_RATING_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    list: PopularMoviesRequest.List
    min_rating_count: int
    min_mean_rating: float
    filter: MovieFilter
    page_size: int
    def __init__(self, list: _Optional[_Union[PopularMoviesRequest.List, str]] = ..., min_rating_count: _Optional[int] = ..., min_mean_rating: _Optional[float] = ..., filter: _Optional[_Union[MovieFilter, _Mapping]] = ..., page_size: _Optional[int] = ...) -> None: ...

class PopularMoviesResponse(_message.Message):
    __slots__ = ("movies", "answer")
    class PopularMovie(_message.Message):
        __slots__ = ("movie", "score")
        MOVIE_FIELD_NUMBER: _ClassVar[int]
        SCORE_FIELD_NUMBER: _ClassVar[int]
        movie: Movie
        score: float
        def __init__(self, movie: _Optional[_Union[Movie, _Mapping]] = ..., score: _Optional[float] = ...) -> None: ...
    MOVIES_FIELD_NUMBER: _ClassVar[int]
    ANSWER_FIELD_NUMBER: _ClassVar[int]
    movies: _containers.RepeatedCompositeFieldContainer[PopularMoviesResponse.PopularMovie]
    answer: Answer
    def __init__(self, movies: _Optional[_Iterable[_Union[PopularMoviesResponse.PopularMovie, _Mapping]]] = ..., answer: _Optional[_Union[Answer, _Mapping]] = ...) -> None: ...

class RecordRatingsRequest(_message.Message):
    __slots__ = ("ratings", "request_id")
    class RatingEvent(_message.Message):
        __slots__ = ("user_id", "movie_id", "rating", "remove", "rated_at")
        USER_ID_FIELD_NUMBER: _ClassVar[int]
        MOVIE_ID_FIELD_NUMBER: _ClassVar[int]
        RATING_FIELD_NUMBER: _ClassVar[int]
        REMOVE_FIELD_NUMBER: _ClassVar[int]
        RATED_AT_FIELD_NUMBER: _ClassVar[int]
        user_id: str
        movie_id: str
        rating: float
        remove: bool
        rated_at: _timestamp_pb2.Timestamp
        def __init__(self, user_id: _Optional[str] = ..., movie_id: _Optional[str] = ..., rating: _Optional[float] = ..., remove: _Optional[bool] = ..., rated_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...
    RATINGS_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    ratings: _containers.RepeatedCompositeFieldContainer[RecordRatingsRequest.RatingEvent]
    request_id: str
    def __init__(self, ratings: _Optional[_Iterable[_Union[RecordRatingsRequest.RatingEvent, _Mapping]]] = ..., request_id: _Optional[str] = ...) -> None: ...

class RecordRatingsResponse(_message.Message):
    __slots__ = ("recorded", "unknown_movie_ids")
    RECORDED_FIELD_NUMBER: _ClassVar[int]
    UNKNOWN_MOVIE_IDS_FIELD_NUMBER: _ClassVar[int]
    recorded: int
    unknown_movie_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, recorded: _Optional[int] = ..., unknown_movie_ids: _Optional[_Iterable[str]] = ...) -> None: ...

class AddMoviesRequest(_message.Message):
    __slots__ = ("movies", "request_id")
    class AddedMovie(_message.Message):
        __slots__ = ("movie_id", "title", "year", "genres", "tags")
        MOVIE_ID_FIELD_NUMBER: _ClassVar[int]
        TITLE_FIELD_NUMBER: _ClassVar[int]
        YEAR_FIELD_NUMBER: _ClassVar[int]
        GENRES_FIELD_NUMBER: _ClassVar[int]
        TAGS_FIELD_NUMBER: _ClassVar[int]
        movie_id: str
        title: str
        year: int
        genres: _containers.RepeatedScalarFieldContainer[str]
        tags: _containers.RepeatedScalarFieldContainer[str]
        def __init__(self, movie_id: _Optional[str] = ..., title: _Optional[str] = ..., year: _Optional[int] = ..., genres: _Optional[_Iterable[str]] = ..., tags: _Optional[_Iterable[str]] = ...) -> None: ...
    MOVIES_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    movies: _containers.RepeatedCompositeFieldContainer[AddMoviesRequest.AddedMovie]
    request_id: str
    def __init__(self, movies: _Optional[_Iterable[_Union[AddMoviesRequest.AddedMovie, _Mapping]]] = ..., request_id: _Optional[str] = ...) -> None: ...

class AddMoviesResponse(_message.Message):
    __slots__ = ("added",)
    ADDED_FIELD_NUMBER: _ClassVar[int]
    added: int
    def __init__(self, added: _Optional[int] = ...) -> None: ...

class BatchRecommendRequest(_message.Message):
    __slots__ = ("requests",)
    REQUESTS_FIELD_NUMBER: _ClassVar[int]
    requests: _containers.RepeatedCompositeFieldContainer[RecommendUserRequest]
    def __init__(self, requests: _Optional[_Iterable[_Union[RecommendUserRequest, _Mapping]]] = ...) -> None: ...

class BatchRecommendResponse(_message.Message):
    __slots__ = ("results",)
    class Result(_message.Message):
        __slots__ = ("response", "error")
        RESPONSE_FIELD_NUMBER: _ClassVar[int]
        ERROR_FIELD_NUMBER: _ClassVar[int]
        response: RecommendUserResponse
        error: _status_pb2.Status
        def __init__(self, response: _Optional[_Union[RecommendUserResponse, _Mapping]] = ..., error: _Optional[_Union[_status_pb2.Status, _Mapping]] = ...) -> None: ...
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[BatchRecommendResponse.Result]
    def __init__(self, results: _Optional[_Iterable[_Union[BatchRecommendResponse.Result, _Mapping]]] = ...) -> None: ...

class GetServingStatusRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetServingStatusResponse(_message.Message):
    __slots__ = ("releases", "parts", "store_state", "counts", "answer")
    class Part(_message.Message):
        __slots__ = ("name", "state", "required")
        NAME_FIELD_NUMBER: _ClassVar[int]
        STATE_FIELD_NUMBER: _ClassVar[int]
        REQUIRED_FIELD_NUMBER: _ClassVar[int]
        name: str
        state: str
        required: bool
        def __init__(self, name: _Optional[str] = ..., state: _Optional[str] = ..., required: _Optional[bool] = ...) -> None: ...
    class Releases(_message.Message):
        __slots__ = ("stable", "candidate", "active", "why_not_switched", "candidate_share")
        STABLE_FIELD_NUMBER: _ClassVar[int]
        CANDIDATE_FIELD_NUMBER: _ClassVar[int]
        ACTIVE_FIELD_NUMBER: _ClassVar[int]
        WHY_NOT_SWITCHED_FIELD_NUMBER: _ClassVar[int]
        CANDIDATE_SHARE_FIELD_NUMBER: _ClassVar[int]
        stable: int
        candidate: int
        active: int
        why_not_switched: str
        candidate_share: float
        def __init__(self, stable: _Optional[int] = ..., candidate: _Optional[int] = ..., active: _Optional[int] = ..., why_not_switched: _Optional[str] = ..., candidate_share: _Optional[float] = ...) -> None: ...
    class Counts(_message.Message):
        __slots__ = ("movies", "users", "ratings")
        MOVIES_FIELD_NUMBER: _ClassVar[int]
        USERS_FIELD_NUMBER: _ClassVar[int]
        RATINGS_FIELD_NUMBER: _ClassVar[int]
        movies: int
        users: int
        ratings: int
        def __init__(self, movies: _Optional[int] = ..., users: _Optional[int] = ..., ratings: _Optional[int] = ...) -> None: ...
    RELEASES_FIELD_NUMBER: _ClassVar[int]
    PARTS_FIELD_NUMBER: _ClassVar[int]
    STORE_STATE_FIELD_NUMBER: _ClassVar[int]
    COUNTS_FIELD_NUMBER: _ClassVar[int]
    ANSWER_FIELD_NUMBER: _ClassVar[int]
    releases: GetServingStatusResponse.Releases
    parts: _containers.RepeatedCompositeFieldContainer[GetServingStatusResponse.Part]
    store_state: str
    counts: GetServingStatusResponse.Counts
    answer: Answer
    def __init__(self, releases: _Optional[_Union[GetServingStatusResponse.Releases, _Mapping]] = ..., parts: _Optional[_Iterable[_Union[GetServingStatusResponse.Part, _Mapping]]] = ..., store_state: _Optional[str] = ..., counts: _Optional[_Union[GetServingStatusResponse.Counts, _Mapping]] = ..., answer: _Optional[_Union[Answer, _Mapping]] = ...) -> None: ...
