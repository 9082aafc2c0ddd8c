# cython: language_level=3
"""The inner loops, which are C: headers say what each does. They check nothing."""

from libc.stdint cimport int16_t, int32_t, int64_t, uint8_t, uint32_t


cdef extern from "_tiles.h" nogil:
    enum:
        MOVIES_A_TILE
        USERS_AT_ONCE

    void times_tiles(
        float **, const float *, Py_ssize_t, const float *, Py_ssize_t, Py_ssize_t
    )


cdef extern from "_rows.h" nogil:
    enum:
        LISTED_AT_ONCE
        PULLS_AT_ONCE

    ctypedef struct Run:
        Py_ssize_t start
        Py_ssize_t end
        Py_ssize_t tower

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
    void scaled_columns(
        float *, const float *, Py_ssize_t, const int64_t *, Py_ssize_t, const float *
    )
    void strongest_pulls(
        int16_t *, float *, Py_ssize_t, const float *, float *, const float *, Py_ssize_t,
        const int64_t *, const float *, Py_ssize_t, const float *, Py_ssize_t, Py_ssize_t,
        const Run *, Py_ssize_t,
    )


cdef extern from "_order.h" nogil:
    void forbid(float *, const uint8_t *, Py_ssize_t)
    Py_ssize_t find_candidates(int64_t **, const float *, Py_ssize_t, Py_ssize_t)
    void ordered(int32_t *, const float *, Py_ssize_t)
    void falling_order(
        int32_t *, int32_t *, uint32_t *, uint32_t *, const int32_t *, Py_ssize_t
    )
    void spread_of(double *, double *, const float *, Py_ssize_t, double)
    void add_z_scores(float *, const float *, Py_ssize_t, float, float)
