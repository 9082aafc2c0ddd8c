# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
# cython: initializedcheck=False
"""A request's arithmetic in one or two calls; ranking, rating and retrieval say what is computed.

What a request reads and has allocated is in _request.pxi, where its user stands in _users.pxi; the
loops are in the headers.
"""

import numpy

from cpython.buffer cimport (
    PyBUF_C_CONTIGUOUS,
    PyBUF_FORMAT,
    PyBUF_WRITABLE,
    PyBuffer_Release,
    PyObject_GetBuffer,
)
from cpython.unicode cimport PyUnicode_AsUTF8AndSize
from libc.math cimport INFINITY, sqrt
from libc.stdint cimport int16_t, int32_t, int64_t, uint8_t, uint32_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcmp, memcpy, memset

from server.engine._loops cimport (
    LISTED_AT_ONCE,
    MOVIES_A_TILE,
    PULLS_AT_ONCE,
    USERS_AT_ONCE,
    Run,
    add_history,
    add_rows,
    add_z_scores,
    falling_order,
    find_candidates,
    forbid,
    likings,
    ordered,
    scaled_columns,
    spread_of,
    strongest_pulls,
    times_rows,
    times_tiles,
    variances_of,
)

from server.domain import NOBODY
from server.engine.ranking import EPSILON, NO_SPREAD
from serving.contract import K_MAX, REASONS_MAX

TILE_MOVIES = MOVIES_A_TILE

cdef Py_ssize_t _K_MAX = K_MAX
cdef Py_ssize_t _N_REASONS = REASONS_MAX
cdef int16_t _NOBODY = NOBODY
cdef double _NO_SPREAD = NO_SPREAD, _EPSILON = EPSILON

if _N_REASONS != 3:
    raise ImportError("the loops are written for three reasons")

# From so many movies on, or numbers of their vectors, other threads may run meanwhile.
cdef Py_ssize_t _MANY = 1 << 18, _MANY_NUMBERS = 1 << 20

include "_request.pxi"
include "_users.pxi"

cdef enum:
    # Requests whose vectors are multiplied by Python together.
    _MOST_AT_ONCE = 8


cdef class Kernel(Users):
    """See the stub, _kernel.pyi."""

    cdef const float[:, ::1] items, rating_items
    cdef const float[:, :, ::1] tiles
    cdef object make_tiles, merged, rating_products
    cdef Py_ssize_t n_candidates, n_tiles, at_once
    cdef float low, high
    cdef double rating_weight

    def __init__(
        self,
        arrays,
        *,
        tiles,
        merged,
        rating_products,
        stranger,
        liking,
        rating_range,
        rating_weight,
        reads_history,
    ):
        Users.__init__(self, arrays, stranger, liking, reads_history)
        self.items = numpy.ascontiguousarray(arrays.item_vectors)
        self.rating_items = numpy.ascontiguousarray(arrays.rating_items)
        self.n_tiles = (self.n_movies + MOVIES_A_TILE - 1) // MOVIES_A_TILE
        self.at_once = USERS_AT_ONCE if merged is None else _MOST_AT_ONCE
        self.tiles = None
        self.make_tiles, self.merged, self.rating_products = tiles, merged, rating_products
        self.low, self.high = rating_range
        self.rating_weight = rating_weight
        self.n_candidates = max(arrays.description.candidates, 0)

    def recommend_all(self, wanted):
        cdef Request requests[_MOST_AT_ONCE]
        cdef Py_ssize_t n_wanted = len(wanted), first, n, i
        found = []
        for first in range(0, n_wanted, self.at_once):
            n = min(n_wanted - first, self.at_once)
            memset(requests, 0, n * sizeof(Request))
            try:
                persons = [self._person(&requests[i], wanted[first + i]) for i in range(n)]
                self._find_keys(requests, persons)
                for i in range(n):
                    self._find_candidates(&requests[i])
                    found.append(self._ranked(&requests[i], persons[i]))
            finally:
                for i in range(n):
                    _close(&requests[i])
        return found

    cdef object _person(self, Request *request, wanted):
        """Opens what somebody wants; [d + q] the user in both models."""
        cdef Py_ssize_t d = self.d, i
        asker, excluded, allowed, by_rating, request.n_explained = wanted
        user_id, movies, ratings, tokens = asker
        self._open_history(request, movies, ratings)
        # Most have seen what they are not to be shown.
        request.excludes_history = excluded is movies
        if not request.excludes_history:
            _open(excluded, &request.excluded, _INT64)
            _check(&request.excluded, self.n_movies)
        if allowed is not None:
            _open(allowed, &request.allowed, _BOOL)
            if request.allowed.shape[0] != self.n_movies:
                raise ValueError(f"there are {self.n_movies} movies to allow or not")
        request.by_rating = by_rating
        person = _empty(d + self.q, _FLOAT32)
        request.vector = <float *> _fresh(person, &request.person)
        request.row = request.vector + d
        self._place(request.vector, request)
        for i in range(d):
            request.vector[i] *= request.scale[i]
        self._write_row(request, user_id, movies, ratings, tokens)
        return person

    cdef int _find_keys(self, Request *requests, list persons) except -1:
        """Has for each request [n] what its candidates are chosen by."""
        cdef Py_ssize_t i, row
        cdef list others = []
        for i, person in enumerate(persons):
            if requests[i].by_rating:
                self._open_keys(&requests[i], self.rating_products(person[self.d :]))
            else:
                others.append(i)
        if not others:
            return 0
        if self.merged is None:
            if self.tiles is None:
                self._open_tiles()
            return self._times_tiles(requests, others)
        products = self.merged(numpy.stack([persons[i][: self.d] for i in others]))
        for row, i in enumerate(others):
            self._open_keys(&requests[i], products[row])
        return 0

    cdef int _open_tiles(self) except -1:
        tiles, shape = self.make_tiles(), (self.n_tiles, self.d, MOVIES_A_TILE)
        if tiles.shape != shape:
            raise ValueError(f"tiles are {tiles.shape}, expected {shape}")
        # Those of another thread, which came first, may be in use.
        if self.tiles is None:
            self.tiles = tiles
        return 0

    cdef int _open_keys(self, Request *request, keys) except -1:
        PyObject_GetBuffer(keys, &request.keys, PyBUF_C_CONTIGUOUS | PyBUF_WRITABLE)
        if (request.keys.itemsize != sizeof(float)
                or request.keys.len != self.n_movies * <Py_ssize_t> sizeof(float)):
            raise ValueError(f"{self.n_movies} float32 numbers expected")
        request.key = <float *> request.keys.buf
        return 0

    cdef int _times_tiles(self, Request *requests, list places) except -1:
        """`_find_keys` of at most USERS_AT_ONCE requests by their vectors."""
        cdef float *products[USERS_AT_ONCE]
        cdef float *vectors
        cdef Py_ssize_t user, i, j, d = self.d
        for user, i in enumerate(places):
            requests[i].keys_room = _room(self.n_tiles * MOVIES_A_TILE * sizeof(float))
            requests[i].key = products[user] = <float *> requests[i].keys_room
        # Those that nobody fills are multiplied, too.
        vectors = <float *> calloc(d * USERS_AT_ONCE, sizeof(float))
        if vectors == NULL:
            raise MemoryError
        for user, i in enumerate(places):
            for j in range(d):
                vectors[j * USERS_AT_ONCE + user] = requests[i].vector[j]
        cdef Py_ssize_t n_users = len(places), n_tiles = self.n_tiles
        cdef const float *tiles = &self.tiles[0, 0, 0]
        if n_tiles * MOVIES_A_TILE * d < _MANY_NUMBERS:
            times_tiles(products, vectors, n_users, tiles, d, n_tiles)
        else:
            with nogil:
                times_tiles(products, vectors, n_users, tiles, d, n_tiles)
        free(vectors)
        return 0

    cdef int _find_candidates(self, Request *request) except -1:
        cdef Py_buffer *excluded = (
            &request.movies if request.excludes_history else &request.excluded
        )
        cdef const int64_t *places = <const int64_t *> excluded.buf
        cdef Py_ssize_t i
        for i in range(excluded.shape[0]):
            request.key[places[i]] = -INFINITY
        if request.allowed.buf != NULL:
            forbid(request.key, <const uint8_t *> request.allowed.buf, self.n_movies)
        if self.n_movies < _MANY:
            request.n = find_candidates(
                &request.places, request.key, self.n_movies, self.n_candidates
            )
        else:
            with nogil:
                request.n = find_candidates(
                    &request.places, request.key, self.n_movies, self.n_candidates
                )
        if request.n < 0:
            raise MemoryError
        return 0

    cdef object _ranked(self, Request *request, person):
        """The final order of the candidates, and all else that is told."""
        cdef Py_ssize_t c = request.n, k = min(c, _K_MAX), i
        cdef const int64_t *places = request.places
        request.candidates_room = _room(8 * c * sizeof(float))
        cdef float *scores = <float *> request.candidates_room
        cdef float *ratings = scores + c
        cdef float *final = ratings + c
        cdef int32_t *order = <int32_t *> (final + c)
        cdef double means[2]
        cdef double deviations[2]
        if request.by_rating:
            times_rows(scores, request.vector, &self.items[0, 0], self.d, places, c, 0)
        else:
            for i in range(c):
                scores[i] = request.key[places[i]]
        times_rows(ratings, request.row, &self.rating_items[0, 0], self.q, places, c, request.bias)
        memset(means, 0, sizeof(means))
        memset(deviations, 0, sizeof(deviations))
        if c:
            spread_of(&means[0], &deviations[0], scores, c, _NO_SPREAD)
            spread_of(&means[1], &deviations[1], ratings, c, _NO_SPREAD)
        if request.by_rating:
            memcpy(final, ratings, c * sizeof(float))
        else:
            memset(final, 0, c * sizeof(float))
            if deviations[0]:
                add_z_scores(final, scores, c, means[0], <float> (1 / (deviations[0] + _EPSILON)))
            if deviations[1]:
                add_z_scores(
                    final, ratings, c, means[1],
                    <float> (self.rating_weight / (deviations[1] + _EPSILON)),
                )
        ordered(order + c, final, c)
        falling_order(
            order, order + 2 * c, <uint32_t *> (order + 3 * c), <uint32_t *> (order + 4 * c),
            order + c, c,
        )
        movies, told_scores = _empty(k, _INT64), _empty(k, _FLOAT32)
        told_ratings = _empty(k, _FLOAT32)
        cdef int64_t *listed = <int64_t *> _fresh(movies, &request.order)
        cdef float *told_score = <float *> _fresh(told_scores, &request.scores)
        cdef float *told_rating = <float *> _fresh(told_ratings, &request.told_ratings)
        cdef float rating
        for i in range(k):
            listed[i] = places[order[i]]
            told_score[i] = final[order[i]]
            rating = ratings[order[i]]
            rating = rating if rating > self.low else self.low
            told_rating[i] = rating if rating < self.high else self.high
        k = min(k, request.n_explained)
        return (
            movies, told_scores, told_ratings, person, self.d, request.bias,
            means[0], deviations[0], means[1], deviations[1],
            self._pulled_up(request, listed, k) if k > 0 else None,
        )

    def reasons(self, movies, ratings, listed):
        cdef Request request
        memset(&request, 0, sizeof(Request))
        try:
            self._open_history(&request, movies, ratings)
            _open(listed, &request.listed, _INT64)
            _check(&request.listed, self.n_movies)
            request.candidates_room = _room(self.d * sizeof(float))
            self._place(<float *> request.candidates_room, &request)
            return self._pulled_up(
                &request, <const int64_t *> request.listed.buf, request.listed.shape[0]
            )
        finally:
            _close(&request)

    cdef tuple _pulled_up(self, Request *request, const int64_t *listed, Py_ssize_t k):
        """What pulls [k] listed movies up, as `reasons` says it, for a user who has been placed."""
        cdef Py_ssize_t d = self.d, h = request.movies.shape[0], first, n, i
        places, drops = _empty((k, _N_REASONS), _INT16), _empty((k, _N_REASONS), _FLOAT32)
        cdef int16_t *cited = <int16_t *> _fresh(places, &request.places_cited)
        cdef float *lost = <float *> _fresh(drops, &request.drops)
        for i in range(k * _N_REASONS):
            cited[i] = _NOBODY
            lost[i] = 0
        # The pulls and the listed movies; the loop looks at all of each.
        request.pulls_room = calloc((PULLS_AT_ONCE + LISTED_AT_ONCE) * d, sizeof(float))
        if request.pulls_room == NULL:
            raise MemoryError
        cdef float *pulls = <float *> request.pulls_room
        cdef float *columns = pulls + PULLS_AT_ONCE * d
        for first in range(0, k, LISTED_AT_ONCE):
            n = min(k - first, LISTED_AT_ONCE)
            scaled_columns(columns, &self.items[0, 0], d, listed + first, n, request.scale)
            strongest_pulls(
                cited + first * _N_REASONS, lost + first * _N_REASONS, n, columns, pulls,
                &self.history[0, 0], d, <const int64_t *> request.movies.buf, request.liking, h,
                &self.weights[0, 0], self.n_ages, self.n_towers, self.runs, self.n_runs,
            )
        return places, drops


def times_all(const float[:, :, ::1] tiles not None, const float[:, ::1] vectors not None):
    cdef Py_ssize_t n_tiles = tiles.shape[0], d = tiles.shape[1], n_users = vectors.shape[0]
    cdef Py_ssize_t n = n_tiles * MOVIES_A_TILE, first = 0, user, n_here, j
    cdef float *products[USERS_AT_ONCE]
    cdef float *columns
    cdef float[:, ::1] found
    if not n or not d or tiles.shape[2] != MOVIES_A_TILE or vectors.shape[1] != d:
        raise ValueError("vectors and tiles do not fit each other")
    scores = _empty((n_users, n), _FLOAT32)
    found = scores
    columns = <float *> calloc(d * USERS_AT_ONCE, sizeof(float))
    if columns == NULL:
        raise MemoryError
    with nogil:
        while first < n_users:
            n_here = min(n_users - first, <Py_ssize_t> USERS_AT_ONCE)
            for user in range(n_here):
                products[user] = &found[first + user, 0]
                for j in range(d):
                    columns[j * USERS_AT_ONCE + user] = vectors[first + user, j]
            times_tiles(products, columns, n_here, &tiles[0, 0, 0], d, n_tiles)
            first += n_here
    free(columns)
    return scores
