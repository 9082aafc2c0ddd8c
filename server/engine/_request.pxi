"""What a request reads and has allocated; part of _kernel.pyx.

All that comes from outside is opened and checked here, before any loop: places lie inside their
arrays, arrays are contiguous and of their type.
"""

cdef object _empty = numpy.empty
cdef object _INT64 = numpy.dtype(numpy.int64)
cdef object _FLOAT32 = numpy.dtype(numpy.float32)
cdef object _INT16 = numpy.dtype(numpy.int16)
cdef object _BOOL = numpy.dtype(numpy.bool_)


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


cdef void *_fresh(object array, Py_buffer *buffer) except? NULL:
    """Where an array that was just made is written."""
    PyObject_GetBuffer(array, buffer, PyBUF_C_CONTIGUOUS | PyBUF_WRITABLE)
    return buffer.buf


cdef struct Request:
    # What a request has open and allocated; `_close` ends both.
    Py_buffer movies, ratings, excluded, allowed, listed, stranger, keys
    Py_buffer person, order, scores, told_ratings, places_cited, drops
    void *user_room
    void *keys_room
    void *candidates_room
    void *pulls_room
    # [n_movies] what the candidates are chosen by.
    float *key
    # Of the candidates, rising; there are `n`.
    int64_t *places
    Py_ssize_t n
    # Of the user: [d] in the retrieval model, [q] in the rating model, behind each other.
    float *vector
    float *row
    float bias
    # [d] what scales the vector, and [h] how much the movies of the history are liked.
    float *scale
    float *liking
    bint by_rating, excludes_history
    Py_ssize_t n_explained


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
    PyBuffer_Release(&request.scores)
    PyBuffer_Release(&request.told_ratings)
    PyBuffer_Release(&request.places_cited)
    PyBuffer_Release(&request.drops)
    free(request.user_room)
    free(request.keys_room)
    free(request.candidates_room)
    free(request.pulls_room)
    free(request.places)


cdef void *_room(size_t n_bytes) except NULL:
    cdef void *room = malloc(n_bytes + 1)
    if room == NULL:
        raise MemoryError
    return room
