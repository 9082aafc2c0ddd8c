# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
# cython: initializedcheck=False
"""A request's arithmetic in one or two calls; ranking, rating and retrieval say what is computed.

All that comes from outside is checked here, before any loop: places lie inside their arrays, arrays
are contiguous and of their type. The loops are in _kernel.h.
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
from libc.float cimport FLT_MAX
from libc.math cimport INFINITY, sqrt
from libc.stdint cimport INT32_MAX, int16_t, int32_t, int64_t, uint8_t, uint32_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcmp, memcpy, memset

from server.domain import NOBODY
from server.engine.ranking import EPSILON, NO_SPREAD
from serving.contract import K_MAX, REASONS_MAX


cdef extern from "_kernel.h" nogil:
    enum:
        LISTED_AT_ONCE
        PULLS_AT_ONCE

    ctypedef struct Run:
        Py_ssize_t start
        Py_ssize_t end
        Py_ssize_t tower

    void times_columns(float *, const float *, const float *, Py_ssize_t, Py_ssize_t)
    void times_rows(
        float *, const float *, const float *, Py_ssize_t, const int64_t *, Py_ssize_t, float
    )
    void add_rows(
        float *, float *, const float *, Py_ssize_t, const int64_t *, Py_ssize_t, float
    )
    void likings(float *, const float *, Py_ssize_t, float, float, float)
    void add_history(
        float *, const float *, Py_ssize_t, const int64_t *, const float *, Py_ssize_t,
        const float *, Py_ssize_t, Py_ssize_t, const Run *, Py_ssize_t,
    )
    void variances_of(
        double *, Py_ssize_t, const float *, const float *, Py_ssize_t, const Run *, Py_ssize_t
    )
    void strongest_pulls(
        int16_t *, float *, Py_ssize_t, const float *, float *, const float *, Py_ssize_t,
        const int64_t *, const float *, Py_ssize_t, const float *, Py_ssize_t, Py_ssize_t,
        const Run *, Py_ssize_t,
    )
    void forbid(float *, const uint8_t *, Py_ssize_t)
    void group_maxima(float *, const float *, Py_ssize_t, Py_ssize_t)
    void ordered(int32_t *, const float *, Py_ssize_t)
    int32_t kth_greatest(const int32_t *, Py_ssize_t, Py_ssize_t)
    Py_ssize_t n_reaching(const float *, Py_ssize_t, float)
    void places_reaching(int64_t *, const float *, Py_ssize_t, float)
    void falling_order(
        int32_t *, int32_t *, uint32_t *, uint32_t *, const int32_t *, Py_ssize_t
    )
    void spread_of(double *, double *, const float *, Py_ssize_t, double)
    void add_z_scores(float *, const float *, Py_ssize_t, float, float)


cdef object _empty = numpy.empty
cdef object _INT64 = numpy.dtype(numpy.int64)
cdef object _FLOAT32 = numpy.dtype(numpy.float32)
cdef object _INT16 = numpy.dtype(numpy.int16)
cdef object _BOOL = numpy.dtype(numpy.bool_)

cdef Py_ssize_t _K_MAX = K_MAX
cdef Py_ssize_t _N_REASONS = REASONS_MAX
cdef int16_t _NOBODY = NOBODY
cdef double _NO_SPREAD = NO_SPREAD, _EPSILON = EPSILON

if _N_REASONS != 3:
    raise ImportError("the loops are written for three reasons")

# From so many movies on, other threads may run while they are looked through.
cdef Py_ssize_t _MANY = 1 << 18


cdef int _open(object array, Py_buffer *buffer, object dtype) except -1:
    """Opens a 1-D array for reading, or a copy of it that is contiguous and of the dtype."""
    cdef char wanted = ord(dtype.char)
    try:
        PyObject_GetBuffer(array, buffer, PyBUF_C_CONTIGUOUS | PyBUF_FORMAT)
        if buffer.ndim == 1 and _is_of(buffer.format, wanted):
            return 0
        PyBuffer_Release(buffer)
    except (BufferError, TypeError, ValueError):
        # It is not contiguous, or no buffer at all.
        pass
    copy = numpy.asarray(array).astype(dtype, order="C", casting="same_kind")
    if copy.ndim != 1:
        raise ValueError(f"expected one dimension, not {copy.ndim}")
    PyObject_GetBuffer(copy, buffer, PyBUF_C_CONTIGUOUS | PyBUF_FORMAT)
    return 0


cdef inline bint _is_of(const char *found, char wanted) noexcept:
    return found != NULL and found[0] == wanted and found[1] == 0


cdef int _check(const Py_buffer *buffer, Py_ssize_t n_movies) except -1:
    """Raises IndexError unless all of an array of movie_index lie inside the catalogue."""
    cdef const int64_t *places = <const int64_t *> buffer.buf
    cdef Py_ssize_t i
    cdef int outside = 0
    for i in range(buffer.shape[0]):
        outside |= (places[i] < 0) | (places[i] >= n_movies)
    if outside:
        raise IndexError(f"a movie_index is not in the catalogue of {n_movies} movies")
    return 0


cdef float *_written(object array, Py_buffer *buffer) except NULL:
    """Where a fresh array of floats is written."""
    PyObject_GetBuffer(array, buffer, PyBUF_C_CONTIGUOUS | PyBUF_WRITABLE)
    return <float *> buffer.buf


cdef struct Request:
    # What a request has open and allocated; `_close` ends both.
    Py_buffer movies, ratings, excluded, allowed, listed, stranger, keys
    Py_buffer person, order, numbers
    void *user_room
    void *keys_room
    void *candidates_room
    # Of the candidates, rising; there are `n`.
    int64_t *places
    Py_ssize_t n


cdef void _close(Request *request):
    # Releasing what was never opened does nothing.
    PyBuffer_Release(&request.movies)
    PyBuffer_Release(&request.ratings)
    PyBuffer_Release(&request.excluded)
    PyBuffer_Release(&request.allowed)
    PyBuffer_Release(&request.listed)
    PyBuffer_Release(&request.stranger)
    PyBuffer_Release(&request.keys)
    PyBuffer_Release(&request.person)
    PyBuffer_Release(&request.order)
    PyBuffer_Release(&request.numbers)
    free(request.user_room)
    free(request.keys_room)
    free(request.candidates_room)
    free(request.places)


cdef void *_room(size_t n_bytes) except NULL:
    cdef void *room = malloc(n_bytes + 1)
    if room == NULL:
        raise MemoryError
    return room


cdef int _find(Request *found, const float *key, Py_ssize_t n, Py_ssize_t k) noexcept nogil:
    """The k greatest keys by rising place, of equal ones the first; -1 = no memory.

    By groups first, as `ranking` has it: little is left to look at twice.
    """
    cdef Py_ssize_t n_groups = 2 * k, depth = n // n_groups if k else 0, i, n_reach, n_equal
    cdef Py_ssize_t kept = 0
    cdef float bound = -FLT_MAX
    cdef int32_t kth, bits
    cdef float *greatest
    cdef int32_t *numbers
    if depth:
        greatest = <float *> malloc(n_groups * (sizeof(float) + sizeof(int32_t)))
        if greatest == NULL:
            return -1
        numbers = <int32_t *> (greatest + n_groups)
        group_maxima(greatest, key, n_groups, depth)
        ordered(numbers, greatest, n_groups)
        kth = kth_greatest(numbers, n_groups, k)
        # `ordered` undoes itself.
        bits = kth ^ ((kth >> 31) & INT32_MAX)
        memcpy(&bound, &bits, sizeof(float))
        # What is not allowed is -inf.
        bound = bound if bound > -FLT_MAX else -FLT_MAX
        free(greatest)
    n_reach = n_reaching(key, n, bound) if k else 0
    found.n = n_reach
    found.places = <int64_t *> malloc((n_reach + 1) * sizeof(int64_t))
    if found.places == NULL:
        return -1
    if not n_reach:
        return 0
    places_reaching(found.places, key, n, bound)
    if n_reach <= k:
        return 0
    greatest = <float *> malloc(n_reach * (sizeof(float) + sizeof(int32_t)))
    if greatest == NULL:
        return -1
    numbers = <int32_t *> (greatest + n_reach)
    for i in range(n_reach):
        greatest[i] = key[found.places[i]]
    ordered(numbers, greatest, n_reach)
    kth = kth_greatest(numbers, n_reach, k)
    n_equal = k
    for i in range(n_reach):
        n_equal -= numbers[i] > kth
    for i in range(n_reach):
        # Of equal keys where the k end, the first.
        if numbers[i] > kth or (numbers[i] == kth and n_equal > 0):
            n_equal -= numbers[i] == kth
            found.places[kept] = found.places[i]
            kept += 1
    found.n = kept
    free(greatest)
    return 0


cdef class Kernel:
    """See the stub, _kernel.pyi."""

    # These hold the buffers whose addresses the loops are given.
    cdef const float[:, ::1] items, columns, history, covariance, weights, gate
    cdef const float[:, ::1] rating_items, rating_history, stored
    cdef const float[::1] base
    cdef const int64_t[::1] gate_from
    cdef object user_ids, products, rating_products
    cdef Py_buffer ids
    cdef Run *runs
    cdef Py_ssize_t n_movies, d, q, n_ages, n_towers, n_runs, n_candidates
    cdef float slope, start, disliked, mean, low, high
    cdef double rating_weight
    cdef bint multiplies, reads_history

    def __cinit__(self):
        self.runs = NULL
        memset(&self.ids, 0, sizeof(Py_buffer))

    def __dealloc__(self):
        free(self.runs)
        PyBuffer_Release(&self.ids)

    def __init__(
        self,
        arrays,
        *,
        products,
        rating_products,
        liking,
        rating_range,
        rating_weight,
        reads_history,
    ):
        contiguous = numpy.ascontiguousarray
        self.items = contiguous(arrays.item_vectors)
        self.history = contiguous(arrays.history_vectors)
        self.covariance = contiguous(arrays.covariance)
        self.weights = contiguous(arrays.age_weights)
        self.gate = contiguous(arrays.gate)
        self.rating_items = contiguous(arrays.rating_items)
        self.rating_history = contiguous(arrays.rating_history)
        self.stored = contiguous(arrays.stored_users)
        self.base = contiguous(arrays.base_vector)
        self.gate_from = contiguous(arrays.gate_from)
        self.n_movies, self.d = self.items.shape[0], self.items.shape[1]
        self.n_ages, self.n_towers = self.weights.shape[0], self.weights.shape[1]
        self.q = self.rating_items.shape[1]
        self.products, self.rating_products = products, rating_products
        self.multiplies = products is None
        if self.multiplies:
            self.columns = arrays.item_columns
        self.slope, self.start, self.disliked = liking
        self.low, self.high = rating_range
        self.rating_weight = rating_weight
        self.reads_history = reads_history
        self.mean = arrays.description.mean
        self.n_candidates = max(arrays.description.candidates, 0)
        self._check_shapes(arrays)
        self._find_runs(arrays.tower_of_column.tolist())
        self.user_ids = contiguous(arrays.user_ids)
        PyObject_GetBuffer(self.user_ids, &self.ids, PyBUF_C_CONTIGUOUS)

    def _check_shapes(self, arrays):
        """The loops trust these."""
        n, d, q = self.n_movies, self.d, self.q
        shapes = {
            "history_vectors": (n, d),
            "item_columns": (d, n),
            "base_vector": (d,),
            "tower_of_column": (d,),
            "covariance": (d, d),
            "gate_from": (self.gate.shape[0],),
            "gate": (self.gate.shape[0], self.n_towers),
            "rating_items": (n, q),
            "rating_history": (n, q),
            "stored_users": (len(arrays.user_ids), q),
        }
        for name, shape in shapes.items():
            if getattr(arrays, name).shape != shape:
                raise ValueError(f"{name} is {getattr(arrays, name).shape}, expected {shape}")
        towers = arrays.tower_of_column
        if not (n and d and q and self.n_ages and self.gate.shape[0]):
            raise ValueError("there is an array without numbers")
        if not 0 <= towers.min() <= towers.max() < self.n_towers:
            raise ValueError("tower_of_column names a tower that there is not")

    def _find_runs(self, towers):
        """Columns of one tower mostly stand together."""
        starts = [
            place for place in range(self.d) if not place or towers[place] != towers[place - 1]
        ]
        self.n_runs = len(starts)
        self.runs = <Run *> calloc(self.n_runs + 1, sizeof(Run))
        if self.runs == NULL:
            raise MemoryError
        for place, (start, end) in enumerate(zip(starts, [*starts[1:], self.d], strict=True)):
            self.runs[place] = Run(start, end, towers[start])

    cdef int _open_history(self, Request *request, movies, ratings) except -1:
        """Checks and opens a history."""
        _open(movies, &request.movies, _INT64)
        _check(&request.movies, self.n_movies)
        _open(ratings, &request.ratings, _FLOAT32)
        if request.ratings.shape[0] != request.movies.shape[0]:
            raise ValueError("a history has one rating for each movie, NaN where there is none")
        return 0

    cdef float *_place(self, float *vector, Request *request) except NULL:
        """Writes a user's [d] vector, not scaled yet.

        Returns:
          [d] what scales it, and behind it [h] how much the movies of the history are liked.
        """
        cdef Py_ssize_t d = self.d, h = request.movies.shape[0], row = 0, run, tower, j
        cdef const int64_t *movies = <const int64_t *> request.movies.buf
        request.user_room = _room(self.n_towers * sizeof(double) + (d + h) * sizeof(float))
        cdef double *variances = <double *> request.user_room
        cdef float *scale = <float *> (variances + self.n_towers)
        cdef float *liking = scale + d
        cdef float factor
        likings(
            liking, <const float *> request.ratings.buf, h, self.slope, self.start, self.disliked
        )
        memcpy(vector, &self.base[0], d * sizeof(float))
        add_history(
            vector, &self.history[0, 0], d, movies, liking, h,
            &self.weights[0, 0], self.n_ages, self.n_towers, self.runs, self.n_runs,
        )
        variances_of(
            variances, self.n_towers, vector, &self.covariance[0, 0], d, self.runs, self.n_runs
        )
        while row + 1 < self.gate.shape[0] and self.gate_from[row + 1] <= h:
            row += 1
        for run in range(self.n_runs):
            tower = self.runs[run].tower
            factor = 0
            if variances[tower] > 0:
                factor = <float> (self.gate[row, tower] / sqrt(variances[tower]))
            for j in range(self.runs[run].start, self.runs[run].end):
                scale[j] = factor
        return scale

    def stored_place(self, str user_id):
        cdef Py_ssize_t size, width = self.ids.itemsize, n_same, length
        cdef Py_ssize_t low = 0, high = self.stored.shape[0], middle
        cdef const char *name = PyUnicode_AsUTF8AndSize(user_id, &size)
        cdef const char *other
        cdef int order
        while low < high:
            middle = (low + high) // 2
            other = <const char *> self.ids.buf + middle * width
            length = width
            while length and other[length - 1] == 0:
                length -= 1
            n_same = size if size < length else length
            order = memcmp(other, name, n_same)
            if not order:
                if length == size:
                    return middle
                order = -1 if length < size else 1
            if order < 0:
                low = middle + 1
            else:
                high = middle
        return -1

    def recommend(
        self, Py_ssize_t stored, stranger, movies, ratings, excluded, allowed, bint by_rating
    ):
        cdef Request request
        memset(&request, 0, sizeof(Request))
        try:
            self._open_history(&request, movies, ratings)
            _open(excluded, &request.excluded, _INT64)
            _check(&request.excluded, self.n_movies)
            if allowed is not None:
                _open(allowed, &request.allowed, _BOOL)
                if request.allowed.shape[0] != self.n_movies:
                    raise ValueError(f"there are {self.n_movies} movies to allow or not")
            return self._recommend(&request, stored, stranger, by_rating)
        finally:
            _close(&request)

    cdef object _recommend(
        self, Request *request, Py_ssize_t stored, stranger, bint by_rating
    ):
        cdef Py_ssize_t d = self.d, n = self.n_movies, i
        cdef const int64_t *excluded = <const int64_t *> request.excluded.buf
        person = _empty(d + self.q, _FLOAT32)
        cdef float *vector = _written(person, &request.person)
        cdef float *row = vector + d
        cdef float *scale = self._place(vector, request)
        for i in range(d):
            vector[i] *= scale[i]
        cdef float bias = self._rating_row(row, request, stored, stranger)
        cdef float *keys = self._keys(request, vector, person, by_rating)
        for i in range(request.excluded.shape[0]):
            keys[excluded[i]] = -INFINITY
        if request.allowed.buf != NULL:
            forbid(keys, <const uint8_t *> request.allowed.buf, n)
        cdef int failed
        if n < _MANY:
            failed = _find(request, keys, n, self.n_candidates)
        else:
            with nogil:
                failed = _find(request, keys, n, self.n_candidates)
        if failed:
            raise MemoryError
        return self._ranked(request, keys, vector, row, bias, person, by_rating)

    cdef float _rating_row(
        self, float *row, Request *request, Py_ssize_t stored, stranger
    ) except? -1:
        """Writes a user's [q] row in the rating model; gives the bias."""
        cdef Py_ssize_t q = self.q, h = request.movies.shape[0]
        cdef double length = h if h else 1
        cdef float bias
        cdef float *sums
        if stored < 0:
            _open(stranger.row, &request.stranger, _FLOAT32)
            if request.stranger.shape[0] != q:
                raise ValueError(f"a row has {q} columns")
            memcpy(row, request.stranger.buf, q * sizeof(float))
            return stranger.bias
        if stored >= self.stored.shape[0]:
            raise IndexError(f"{stored} is none of {self.stored.shape[0]} stored users")
        memcpy(row, &self.stored[stored, 0], q * sizeof(float))
        if self.reads_history:
            sums = <float *> _room(q * sizeof(float))
            add_rows(
                row, sums, &self.rating_history[0, 0], q,
                <const int64_t *> request.movies.buf, h, <float> (1 / sqrt(length)),
            )
            free(sums)
        bias = self.mean + row[q - 1]
        row[q - 1] = 1
        return bias

    cdef float *_keys(
        self, Request *request, const float *vector, person, bint by_rating
    ) except NULL:
        """[n] what the candidates are chosen by."""
        if self.multiplies and not by_rating:
            request.keys_room = _room(self.n_movies * sizeof(float))
            times_columns(
                <float *> request.keys_room, vector, &self.columns[0, 0], self.d, self.n_movies
            )
            return <float *> request.keys_room
        if by_rating:
            keys = self.rating_products(person[self.d :])
        else:
            keys = self.products(person[: self.d])
        PyObject_GetBuffer(keys, &request.keys, PyBUF_C_CONTIGUOUS | PyBUF_WRITABLE)
        if (request.keys.itemsize != sizeof(float)
                or request.keys.len != self.n_movies * <Py_ssize_t> sizeof(float)):
            raise ValueError(f"{self.n_movies} float32 numbers expected")
        return <float *> request.keys.buf

    cdef object _ranked(
        self, Request *request, const float *keys, const float *vector, const float *row,
        float bias, person, bint by_rating,
    ):
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
        if by_rating:
            times_rows(scores, vector, &self.items[0, 0], self.d, places, c, 0)
        else:
            for i in range(c):
                scores[i] = keys[places[i]]
        times_rows(ratings, row, &self.rating_items[0, 0], self.q, places, c, bias)
        memset(means, 0, sizeof(means))
        memset(deviations, 0, sizeof(deviations))
        if c:
            spread_of(&means[0], &deviations[0], scores, c, _NO_SPREAD)
            spread_of(&means[1], &deviations[1], ratings, c, _NO_SPREAD)
        if by_rating:
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
        movies, numbers = _empty(k, _INT64), _empty(2 * k, _FLOAT32)
        PyObject_GetBuffer(movies, &request.order, PyBUF_C_CONTIGUOUS | PyBUF_WRITABLE)
        cdef int64_t *listed = <int64_t *> request.order.buf
        cdef float *told = _written(numbers, &request.numbers)
        cdef float rating
        for i in range(k):
            listed[i] = places[order[i]]
            told[i] = final[order[i]]
            rating = ratings[order[i]]
            rating = rating if rating > self.low else self.low
            told[k + i] = rating if rating < self.high else self.high
        return (
            movies, numbers[:k], numbers[k:], person[: self.d], person[self.d :], bias,
            means[0], deviations[0], means[1], deviations[1],
        )

    def reasons(self, movies, ratings, listed):
        cdef Request request
        memset(&request, 0, sizeof(Request))
        try:
            self._open_history(&request, movies, ratings)
            _open(listed, &request.listed, _INT64)
            _check(&request.listed, self.n_movies)
            return self._reasons(&request)
        finally:
            _close(&request)

    cdef object _reasons(self, Request *request):
        cdef Py_ssize_t d = self.d, h = request.movies.shape[0], k = request.listed.shape[0]
        cdef Py_ssize_t first, n, i, j
        cdef const int64_t *listed = <const int64_t *> request.listed.buf
        places, drops = _empty((k, _N_REASONS), _INT16), _empty((k, _N_REASONS), _FLOAT32)
        PyObject_GetBuffer(places, &request.order, PyBUF_C_CONTIGUOUS | PyBUF_WRITABLE)
        cdef int16_t *cited = <int16_t *> request.order.buf
        cdef float *lost = _written(drops, &request.numbers)
        for i in range(k * _N_REASONS):
            cited[i] = _NOBODY
            lost[i] = 0
        # The vector, the pulls and the listed movies; the loop looks at all of each.
        request.candidates_room = calloc(
            (1 + PULLS_AT_ONCE + LISTED_AT_ONCE) * d, sizeof(float)
        )
        if request.candidates_room == NULL:
            raise MemoryError
        cdef float *vector = <float *> request.candidates_room
        cdef float *pulls = vector + d
        cdef float *items = pulls + PULLS_AT_ONCE * d
        cdef float *scale = self._place(vector, request)
        for first in range(0, k, LISTED_AT_ONCE):
            n = min(k - first, LISTED_AT_ONCE)
            for i in range(n):
                for j in range(d):
                    items[j * LISTED_AT_ONCE + i] = scale[j] * self.items[listed[first + i], j]
            strongest_pulls(
                cited + first * _N_REASONS, lost + first * _N_REASONS, n, items, pulls,
                &self.history[0, 0], d, <const int64_t *> request.movies.buf, scale + d, h,
                &self.weights[0, 0], self.n_ages, self.n_towers, self.runs, self.n_runs,
            )
        return places, drops
