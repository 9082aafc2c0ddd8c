"""The feature snapshot `features/<version>/`: npz, npy and JSON, never pickle.

``movies.json``
    {"movies": [{"movie_id", "title", "year" (0 = unknown), "genres" [], "tags" [],
    "rating_count", "mean_rating" (0 without ratings)}]}. The position in this list is the
    movie_index of all arrays below; it is dense and belongs to this release alone.
``users.json``
    {"users": [{"user_id", "age" (0 = unknown), "gender", "occupation", "zip_code"}]}
``histories.npz``
    The users' ratings, oldest first: user_ids unicode [U]; offsets int64 [U + 1] (user u owns
    rows offsets[u] to offsets[u + 1]); movie_index int32 [n]; ratings float32 [n];
    timestamps int64 [n], seconds since 1970, 0 = unknown.
``popular.npz``
    Rankings of the whole catalogue, a row for each segment of vocabularies.json:
    order int32 [S, N] movie_index, best first; scores float32 [S, N] in the order of `order`;
    and shrunk_mean float32 [N] by movie_index, inside the rating range.
``vocabularies.json``
    {"genres" [], "occupations" [], "age_bounds" [ascending lower bounds in years],
    "segments": [{"gender", "age_bucket"}]}. Segment 0 is everybody: gender "" and age_bucket -1.
    age_bucket b holds ages from age_bounds[b] on and below age_bounds[b + 1].
``movie_vectors.npy``
    float16 [N, 2 S]: the collaborative similarity vector, then where the content model places it
    in the same space. Not normalised. S is half the width.
``holdout.json``
    A sample for demonstrations and checks, never trained on: {"protocol" (a sentence),
    "popularity": [movie_id, most rated first], "users": [{"user_id",
    "ratings": [{"movie_id", "rating"}]}]}
"""

from __future__ import annotations

from typing import Final

MOVIES_FILE: Final = "movies.json"
USERS_FILE: Final = "users.json"
HISTORIES_FILE: Final = "histories.npz"
POPULAR_FILE: Final = "popular.npz"
VOCABULARIES_FILE: Final = "vocabularies.json"
MOVIE_VECTORS_FILE: Final = "movie_vectors.npy"
HOLDOUT_FILE: Final = "holdout.json"

SNAPSHOT_FILES: Final = (
    MOVIES_FILE,
    USERS_FILE,
    HISTORIES_FILE,
    POPULAR_FILE,
    VOCABULARIES_FILE,
    MOVIE_VECTORS_FILE,
    HOLDOUT_FILE,
)
