"""A release's users in both of its models, by history; part of _kernel.pyx."""


cdef class Users:
    """Places users; retrieval and rating say what is computed."""

    # These hold the buffers whose addresses the loops are given.
    cdef const float[:, ::1] history, covariance, weights, gate, rating_history, stored
    cdef const float[::1] base
    cdef const int64_t[::1] gate_from
    cdef object user_ids, stranger
    cdef Py_buffer ids
    cdef Run *runs
    cdef Py_ssize_t n_movies, d, q, n_ages, n_towers, n_runs
    cdef float slope, start, disliked, mean
    cdef bint reads_history

    def __cinit__(self):
        self.runs = NULL
        memset(&self.ids, 0, sizeof(Py_buffer))

    def __dealloc__(self):
        free(self.runs)
        PyBuffer_Release(&self.ids)

    def __init__(self, arrays, stranger, liking, reads_history):
        contiguous = numpy.ascontiguousarray
        self.history = contiguous(arrays.history_vectors)
        self.covariance = contiguous(arrays.covariance)
        self.weights = contiguous(arrays.age_weights)
        self.gate = contiguous(arrays.gate)
        self.rating_history = contiguous(arrays.rating_history)
        self.stored = contiguous(arrays.stored_users)
        self.base = contiguous(arrays.base_vector)
        self.gate_from = contiguous(arrays.gate_from)
        self.n_movies, self.d = self.history.shape[0], self.history.shape[1]
        self.n_ages, self.n_towers = self.weights.shape[0], self.weights.shape[1]
        self.q = self.rating_history.shape[1]
        self.stranger = stranger
        self.slope, self.start, self.disliked = liking
        self.reads_history = reads_history
        self.mean = arrays.description.mean
        self._check_shapes(arrays)
        self._find_runs(arrays.tower_of_column.tolist())
        self.user_ids = contiguous(arrays.user_ids)
        PyObject_GetBuffer(self.user_ids, &self.ids, PyBUF_C_CONTIGUOUS)

    def _check_shapes(self, arrays):
        """The loops trust these."""
        n, d, q = self.n_movies, self.d, self.q
        shapes = {
            "item_vectors": (n, d),
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

    cdef int _place(self, float *vector, Request *request) except -1:
        """Writes a user's [d] vector, not scaled yet, and has what scales it and the likings."""
        cdef Py_ssize_t d = self.d, h = request.movies.shape[0], row = 0, run, tower, j
        cdef const int64_t *movies = <const int64_t *> request.movies.buf
        request.user_room = _room(self.n_towers * sizeof(double) + (d + h) * sizeof(float))
        cdef double *variances = <double *> request.user_room
        cdef float *scale = <float *> (variances + self.n_towers)
        cdef float *liking = scale + d
        cdef float factor
        request.scale, request.liking = scale, liking
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
        return 0

    cdef int _write_row(self, Request *request, user_id, movies, ratings, tokens) except -1:
        """Writes a user's row and bias in the rating model."""
        cdef Py_ssize_t q = self.q, h = request.movies.shape[0]
        cdef double length = h if h else 1
        cdef Py_ssize_t stored = self.stored_place(user_id)
        cdef float *row = request.row
        cdef float *sums
        if stored < 0:
            stranger = self.stranger(movies, ratings, tokens)
            _open(stranger.row, &request.stranger, _FLOAT32)
            if request.stranger.shape[0] != q:
                raise ValueError(f"a row has {q} columns")
            memcpy(row, request.stranger.buf, q * sizeof(float))
            request.bias = stranger.bias
            return 0
        memcpy(row, &self.stored[stored, 0], q * sizeof(float))
        if self.reads_history:
            sums = <float *> _room(q * sizeof(float))
            add_rows(
                row, sums, &self.rating_history[0, 0], q,
                <const int64_t *> request.movies.buf, h, <float> (1 / sqrt(length)),
            )
            free(sums)
        request.bias = self.mean + row[q - 1]
        row[q - 1] = 1
        return 0

    cpdef Py_ssize_t stored_place(self, str user_id) except? -2:
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
