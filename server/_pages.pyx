# cython: language_level=3
"""What `wire.py` and `paging.py` do in Python, with as few steps as there can be.

Columns are read as buffers. Their sizes are checked once, when they are opened; numbers are copied
out of them byte by byte, as a column of a token may begin at any address. They are little-endian,
as the machine must be: `native.py` sees to that.
"""

from cpython.buffer cimport PyBUF_ND, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.list cimport PyList_GET_ITEM, PyList_GET_SIZE
from cpython.mem cimport PyMem_Free, PyMem_Realloc
from cpython.object cimport PyObject
from libc.stdint cimport int16_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy, memmove, memset

cdef extern from "Python.h":
    object PyUnicode_New(Py_ssize_t size, Py_UCS4 maxchar)
    void* PyUnicode_DATA(object text)
    const char* PyUnicode_AsUTF8AndSize(object text, Py_ssize_t* size) except NULL

# Field numbers and wire types of recommender.v1, as in wire.py. Tests compare with protobuf.
cdef enum:
    ROW = 1 << 3 | 2
    USER_STATE = 2 << 3
    RECOMMENDATION_ID = 3 << 3 | 2
    PAGE_TOKEN = 4 << 3 | 2
    ANSWER = 5 << 3 | 2
    RATING = 2 << 3 | 1
    SCORE = 3 << 3 | 1
    SOURCE = 4 << 3
    REASON = 5 << 3 | 2
    BECAUSE = 1 << 3 | 2
    WEIGHT = 2 << 3 | 1
    DOUBLE_BYTES = 9

cdef enum:
    NOBODY = -1
    CITED_MAX = 3  # REASONS_MAX of the contract
    WIDE_ID = 16  # as in paging.py
    MOST_COLUMNS = 8


# -- Columns ----------------------------------------------------------------------------------

cdef struct Columns:
    Py_buffer views[MOST_COLUMNS]
    int n_open


cdef inline void close_all(Columns* columns) noexcept:
    while columns.n_open:
        columns.n_open -= 1
        PyBuffer_Release(&columns.views[columns.n_open])


cdef Py_buffer* opened(Columns* columns, object array, Py_ssize_t itemsize) except NULL:
    """The next column: contiguous, of elements of this size, or of any size but none if that is 0."""
    cdef Py_buffer* view = &columns.views[columns.n_open]
    PyObject_GetBuffer(array, view, PyBUF_ND)
    columns.n_open += 1
    if view.itemsize < 1 or (itemsize and view.itemsize != itemsize):
        raise ValueError(f"a column has elements of {view.itemsize} bytes, not of {itemsize}")
    return view


cdef const char* content(
    Columns* columns, object array, Py_ssize_t itemsize, Py_ssize_t n_values
) except NULL:
    """The next column, which has at least so many values."""
    cdef Py_buffer* view = opened(columns, array, itemsize)
    if view.len // itemsize < n_values:
        raise ValueError(f"a column has {view.len // itemsize} values of {n_values}")
    return <const char*>view.buf


# -- Writing ----------------------------------------------------------------------------------

cdef struct Out:
    char* start
    Py_ssize_t used
    Py_ssize_t size


cdef int reserve(Out* out, Py_ssize_t n_bytes) except -1:
    """Makes room for so many bytes more."""
    cdef char* start
    cdef Py_ssize_t size
    if out.size - out.used >= n_bytes:
        return 0
    size = 2 * (out.used + n_bytes)
    start = <char*>PyMem_Realloc(out.start, size)
    if start == NULL:
        raise MemoryError
    out.start, out.size = start, size
    return 0


cdef inline void put_byte(Out* out, int value) noexcept:
    out.start[out.used] = <char>value
    out.used += 1


cdef inline void put(Out* out, const char* source, Py_ssize_t n_bytes) noexcept:
    memcpy(out.start + out.used, source, n_bytes)
    out.used += n_bytes


cdef inline void put_varint(Out* out, uint64_t number) noexcept:
    while number >= 0x80:
        put_byte(out, <int>(number & 0x7F | 0x80))
        number >>= 7
    put_byte(out, <int>number)


cdef inline Py_ssize_t varint_size(uint64_t number) noexcept:
    cdef Py_ssize_t size = 1
    while number >= 0x80:
        number >>= 7
        size += 1
    return size


cdef inline void put_double(Out* out, int tag, double value) noexcept:
    put_byte(out, tag)
    put(out, <const char*>&value, sizeof(value))


cdef inline void put_unless_zero(Out* out, int tag, const char* number) noexcept:
    """A float32 as a double; 0 is not written, -0.0 is, as its bits are not all 0."""
    cdef uint32_t bits
    cdef float value
    memcpy(&bits, number, sizeof(bits))
    memcpy(&value, number, sizeof(value))
    if bits:
        put_double(out, tag, value)


cdef int put_field(Out* out, int tag, const char* source, Py_ssize_t n_bytes) except -1:
    reserve(out, n_bytes + 16)
    put_byte(out, tag)
    put_varint(out, n_bytes)
    put(out, source, n_bytes)
    return 0


# -- The response -----------------------------------------------------------------------------

cdef inline bytes checked(object field):
    if type(field) is not bytes:
        raise TypeError("what is written is no bytes")
    return <bytes>field


cdef bytes movie_field(object movies, list kept, const char* rows, object ids, Py_ssize_t place):
    """The field `movie` of the movie in a place of a column; one that is kept is not asked for."""
    cdef int64_t row
    cdef PyObject* field
    memcpy(&row, rows + place * sizeof(row), sizeof(row))
    if row < 0:
        return checked(movies.bare(ids[place]))
    if row < PyList_GET_SIZE(kept):
        field = <PyObject*>PyList_GET_ITEM(kept, row)
        if field != <PyObject*>None:
            return checked(<object>field)
    return checked(movies.of(row))


cdef extern from *:
    """
    #include "engine/_compiler.h"

    enum { LINE_BYTES = 64, LINES_A_FIELD = 3 };

    /* Asks the memory for the field of the movie in a place of a column, if it is kept. Part of its
     * caller, as compilers leave out the call of a function that does nothing else. */
    INLINED void prefetch_field(PyObject *kept, const char *rows, Py_ssize_t place)
    {
        int64_t row;
        memcpy(&row, rows + place * (Py_ssize_t)sizeof row, sizeof row);
        if (row < 0 || row >= PyList_GET_SIZE(kept))
            return;
        const char *field = (const char *)PyList_GET_ITEM(kept, row);
        for (int line = 0; line < LINES_A_FIELD; line++)
            PREFETCH(field + line * LINE_BYTES);
    }
    """
    void prefetch_field(list kept, const char* rows, Py_ssize_t place) noexcept


def response(
    page not None,
    further not None,
    bytes source_numbers not None,
    int user_state,
    bytes how not None,
):
    """As `response_in_python` of wire.py, which says what the arguments are.

    Raises:
      ValueError: the columns of the page do not fit together.
    """
    cdef Columns columns
    cdef Out out
    cdef object ranked = page.ranked, reasons = page.reasons, movies = page.catalogue.fields
    cdef object movie_ids = ranked.movie_ids, history_ids = ranked.history_ids
    cdef object token = page.next_page_token, recommendation_id = ranked.recommendation_id
    cdef bytes sources = checked(page.sources), field
    cdef Py_ssize_t n_movies = PyBytes_GET_SIZE(sources), n_history, number, nth
    cdef Py_ssize_t row_start, row_bytes, size
    cdef const char* rows
    cdef const char* ratings
    cdef const char* scores
    cdef const char* cited
    cdef const char* drops
    cdef const char* history
    cdef const char* text
    cdef Py_buffer* view
    cdef list kept = movies.kept
    cdef uint8_t source
    cdef int16_t place
    cdef float drop
    if kept is None or (further and len(further) != n_movies):
        raise ValueError("a page whose columns do not belong together")
    columns.n_open = 0
    out.start, out.used, out.size = NULL, 0, 0
    try:
        rows = content(&columns, ranked.movies, 8, n_movies)
        cited = content(&columns, reasons.cited, 2, CITED_MAX * n_movies)
        view = opened(&columns, ranked.history, 8)
        history, n_history = <const char*>view.buf, view.len // 8
        # All at once: they lie anywhere, and each alone would be waited for.
        for number in range(n_movies):
            prefetch_field(kept, rows, number)
        for number in range(CITED_MAX * n_movies):
            memcpy(&place, cited + 2 * number, sizeof(place))
            if 0 <= place < n_history:
                prefetch_field(kept, history, place)
        ratings = content(&columns, ranked.predicted_ratings, 4, n_movies)
        scores = content(&columns, ranked.scores, 4, n_movies)
        drops = content(&columns, reasons.drops, 4, CITED_MAX * n_movies)
        reserve(&out, 512 * (n_movies + 1) + len(token))
        for number in range(n_movies):
            field = movie_field(movies, kept, rows, movie_ids, number)
            size = PyBytes_GET_SIZE(field)
            reserve(&out, size + 64)
            row_start = out.used
            # Tag and length, which is seldom of other than two bytes, come when it is known.
            out.used += 3
            put(&out, PyBytes_AS_STRING(field), size)
            put_unless_zero(&out, RATING, ratings + 4 * number)
            put_unless_zero(&out, SCORE, scores + 4 * number)
            source = <uint8_t>PyBytes_AS_STRING(sources)[number]
            if source >= PyBytes_GET_SIZE(source_numbers):
                raise ValueError(f"no source has the code {source}")
            put_byte(&out, SOURCE)
            put_byte(&out, PyBytes_AS_STRING(source_numbers)[source])
            for nth in range(CITED_MAX * number, CITED_MAX * (number + 1)):
                memcpy(&place, cited + 2 * nth, sizeof(place))
                if place == NOBODY:
                    continue
                if not 0 <= place < n_history:
                    raise ValueError(f"place {place} of a history of {n_history} is cited")
                memcpy(&drop, drops + 4 * nth, sizeof(drop))
                field = movie_field(movies, kept, history, history_ids, place)
                size = PyBytes_GET_SIZE(field) + DOUBLE_BYTES
                reserve(&out, size + 64)
                put_byte(&out, REASON)
                put_varint(&out, 1 + varint_size(size) + size)
                put_byte(&out, BECAUSE)
                put_varint(&out, size)
                put(&out, PyBytes_AS_STRING(field), PyBytes_GET_SIZE(field))
                put_double(&out, WEIGHT, drop)
            if further:
                field = checked(further[number])
                reserve(&out, PyBytes_GET_SIZE(field))
                put(&out, PyBytes_AS_STRING(field), PyBytes_GET_SIZE(field))
            row_bytes = out.used - row_start - 3
            size = varint_size(row_bytes)
            if size != 2:
                reserve(&out, 16)
                memmove(out.start + row_start + 1 + size, out.start + row_start + 3, row_bytes)
            out.used = row_start
            put_byte(&out, ROW)
            put_varint(&out, row_bytes)
            out.used += row_bytes
        reserve(&out, 16)
        put_byte(&out, USER_STATE)
        put_varint(&out, user_state)
        text = PyUnicode_AsUTF8AndSize(recommendation_id, &size)
        put_field(&out, RECOMMENDATION_ID, text, size)
        text = PyUnicode_AsUTF8AndSize(token, &size)
        # An empty string is not written.
        if size:
            put_field(&out, PAGE_TOKEN, text, size)
        put_field(&out, ANSWER, PyBytes_AS_STRING(how), PyBytes_GET_SIZE(how))
        return PyBytes_FromStringAndSize(out.start, out.used)
    finally:
        PyMem_Free(out.start)
        close_all(&columns)


# -- Tokens -----------------------------------------------------------------------------------

cdef Py_ssize_t longest(const char* ids, Py_ssize_t width, Py_ssize_t n_ids) noexcept:
    """Bytes of the longest id, at least 1; shorter ones end with zeros."""
    cdef Py_ssize_t found = 1, number, size
    for number in range(n_ids):
        size = width
        while size > found and not ids[number * width + size - 1]:
            size -= 1
        found = size
    return found


cdef void put_ids(
    Out* out, const char* ids, Py_ssize_t width, Py_ssize_t kept, Py_ssize_t n_ids
) noexcept:
    cdef Py_ssize_t number
    if kept == width:
        put(out, ids, width * n_ids)
        return
    for number in range(n_ids):
        put(out, ids + number * width, kept)


def packed(ranked not None, Py_ssize_t n_shown, bytes head not None):
    """As `packed_in_python` of paging.py, which says what the arguments are."""
    cdef Columns columns
    cdef Out out
    cdef const char* ids
    cdef const char* history_ids
    cdef const char* ratings
    cdef const char* scores
    cdef const char* sources
    cdef const char* cited = NULL
    cdef const char* drops = NULL
    cdef const char* history_ratings = NULL
    cdef Py_ssize_t n_movies, n_history, width, history_width, kept, history_kept, n_bytes
    cdef Py_buffer* view
    cdef object reasons = ranked.reasons
    cdef bytes written
    cdef uint32_t n_written
    cdef uint16_t width_written
    columns.n_open = 0
    try:
        view = opened(&columns, ranked.movie_ids, 0)
        ids, width = <const char*>view.buf, view.itemsize
        n_movies = view.len // width
        if not 0 <= n_shown <= n_movies:
            raise ValueError(f"{n_shown} of {n_movies} movies shown")
        view = opened(&columns, ranked.history_ids, 0)
        history_ids, history_width = <const char*>view.buf, view.itemsize
        n_history = view.len // history_width
        ratings = content(&columns, ranked.predicted_ratings, 4, n_movies) + 4 * n_shown
        scores = content(&columns, ranked.scores, 4, n_movies) + 4 * n_shown
        sources = content(&columns, ranked.sources, 1, n_movies) + n_shown
        if reasons is None:
            history_ratings = content(&columns, ranked.history_ratings, 4, n_history)
        else:
            cited = content(&columns, reasons.cited, 2, CITED_MAX * n_movies)
            cited += 2 * CITED_MAX * n_shown
            drops = content(&columns, reasons.drops, 4, CITED_MAX * n_movies)
            drops += 4 * CITED_MAX * n_shown
        ids += width * n_shown
        n_movies -= n_shown
        kept = width if width <= WIDE_ID else longest(ids, width, n_movies)
        history_kept = (
            history_width
            if history_width <= WIDE_ID
            else longest(history_ids, history_width, n_history)
        )
        if max(n_movies, n_history) > 0xFFFFFFFF or max(kept, history_kept) > 0xFFFF:
            raise ValueError("a ranking that no token holds")
        n_bytes = PyBytes_GET_SIZE(head) + 13 + kept * n_movies + history_kept * n_history
        n_bytes += 9 * n_movies
        n_bytes += 4 * n_history if reasons is None else 6 * CITED_MAX * n_movies
        written = PyBytes_FromStringAndSize(NULL, n_bytes)
        # Exactly as large as what is put.
        out.start, out.used, out.size = PyBytes_AS_STRING(written), 0, n_bytes
        put(&out, PyBytes_AS_STRING(head), PyBytes_GET_SIZE(head))
        n_written = <uint32_t>n_movies
        put(&out, <const char*>&n_written, 4)
        n_written = <uint32_t>n_history
        put(&out, <const char*>&n_written, 4)
        width_written = <uint16_t>kept
        put(&out, <const char*>&width_written, 2)
        width_written = <uint16_t>history_kept
        put(&out, <const char*>&width_written, 2)
        put_byte(&out, reasons is not None)
        put_ids(&out, ids, width, kept, n_movies)
        put_ids(&out, history_ids, history_width, history_kept, n_history)
        put(&out, ratings, 4 * n_movies)
        put(&out, scores, 4 * n_movies)
        put(&out, sources, n_movies)
        if reasons is None:
            put(&out, history_ratings, 4 * n_history)
        else:
            put(&out, cited, 2 * CITED_MAX * n_movies)
            put(&out, drops, 4 * CITED_MAX * n_movies)
        return written
    finally:
        close_all(&columns)


cdef extern from *:
    """
    /* The letter of six bits: each line is for those above the letters that stand together. */
    INLINED uint8_t letter(uint8_t six)
    {
        uint8_t at = six + 'A';
        at += -(six > 25) & ('a' - 'Z' - 1);
        at += -(six > 51) & ('0' - 'z' - 1);
        at += -(six > 61) & ('-' - '9' - 1);
        at += -(six > 62) & ('_' - '-' - 1);
        return at;
    }

    /* Threes of bytes as fours of letters. In two loops: not every processor has vectors for the
     * first, but all have them for the second, as it has no branch and no table. */
    BY_PROCESSOR static void put_letters(
        uint8_t *restrict to, const uint8_t *restrict source, Py_ssize_t n_threes)
    {
        for (Py_ssize_t i = 0; i < n_threes; i++) {
            const uint8_t *three = source + 3 * i;
            to[4 * i] = three[0] >> 2;
            to[4 * i + 1] = (uint8_t)((three[0] & 3) << 4 | three[1] >> 4);
            to[4 * i + 2] = (uint8_t)((three[1] & 15) << 2 | three[2] >> 6);
            to[4 * i + 3] = three[2] & 63;
        }
        for (Py_ssize_t i = 0; i < 4 * n_threes; i++)
            to[i] = letter(to[i]);
    }
    """
    void put_letters(uint8_t* to, const uint8_t* source, Py_ssize_t n_threes) noexcept


def text_of(bytes tag not None, bytes signed not None):
    """As `text_in_python` of paging.py: both, one behind the other, in URL-safe base64.

    Raises:
      ValueError: the tag is not of 16 bytes.
    """
    cdef Py_ssize_t n_signed = PyBytes_GET_SIZE(signed), n_bytes = 16 + n_signed, at = 0
    cdef const uint8_t* content
    cdef uint8_t first[18]
    cdef Py_ssize_t n_first = min(n_bytes, 18)
    if PyBytes_GET_SIZE(tag) != 16:
        raise ValueError("a tag has 16 bytes")
    cdef object text = PyUnicode_New((n_bytes + 2) // 3 * 4, 127)
    cdef uint8_t* to = <uint8_t*>PyUnicode_DATA(text)
    # Threes that reach over the end of the tag stand together here.
    memcpy(first, PyBytes_AS_STRING(tag), 16)
    memcpy(first + 16, PyBytes_AS_STRING(signed), n_first - 16)
    to = encode(to, first, n_first)
    if n_bytes > 18:
        encode(to, <const uint8_t*>PyBytes_AS_STRING(signed) + 2, n_bytes - 18)
    return text


cdef uint8_t* encode(uint8_t* to, const uint8_t* source, Py_ssize_t n_bytes) noexcept:
    """Threes of bytes as fours of letters, the last of them filled up with `=`; what is behind."""
    cdef Py_ssize_t n_threes = n_bytes // 3, n_left = n_bytes % 3
    cdef uint8_t last[3]
    put_letters(to, source, n_threes)
    to += 4 * n_threes
    if n_left:
        memset(last, 0, sizeof(last))
        memcpy(last, source + 3 * n_threes, n_left)
        put_letters(to, last, 1)
        memset(to + 1 + n_left, b"=", 3 - n_left)
        to += 4
    return to
