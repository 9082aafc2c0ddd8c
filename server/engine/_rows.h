/* Loops over the rows of some movies: a user's place, the ratings of candidates, what pulls a movie up.
 *
 * They know no Python and check nothing. Rows are contiguous float32. A loop over columns is written
 * so that compilers make vectors of it: sums may be taken in any order.
 */
#ifndef RECSERVE_ROWS_H
#define RECSERVE_ROWS_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "_compiler.h"

/* Rows that a loop asks the memory for ahead of the one it reads. */
enum { ROWS_AHEAD = 8, FLOATS_A_LINE = 16 };

/* History movies and listed ones whose products are taken together: as many sums as registers. */
enum { PULLS_AT_ONCE = 4, LISTED_AT_ONCE = 16 };

/* Columns of one tower, next to each other. */
typedef struct {
    ptrdiff_t start, end, tower;
} Run;

static inline void prefetch_row(const float *rows, ptrdiff_t width, int64_t row)
{
    const float *start = rows + row * width;
    for (ptrdiff_t at = 0; at < width; at += FLOATS_A_LINE)
        PREFETCH(start + at);
}

/* [n] products of a [width] vector with the rows that [n] places name, plus `start`. */
BY_PROCESSOR static void times_rows(
    float *restrict products, const float *restrict vector, const float *restrict rows,
    ptrdiff_t width, const int64_t *restrict places, ptrdiff_t n, float start)
{
    for (ptrdiff_t i = 0; i < n; i++) {
        if (i + ROWS_AHEAD < n)
            prefetch_row(rows, width, places[i + ROWS_AHEAD]);
        const float *restrict row = rows + places[i] * width;
        float sum = 0;
#pragma omp simd reduction(+ : sum)
        for (ptrdiff_t j = 0; j < width; j++)
            sum += row[j] * vector[j];
        products[i] = sum + start;
    }
}

/* Adds to [width] the sum of the rows that [n] places name, times `factor`. */
BY_PROCESSOR static void add_rows(
    float *restrict to, float *restrict sums, const float *restrict rows, ptrdiff_t width,
    const int64_t *restrict places, ptrdiff_t n, float factor)
{
    memset(sums, 0, (size_t)width * sizeof(float));
    for (ptrdiff_t i = 0; i < n; i++) {
        if (i + ROWS_AHEAD < n)
            prefetch_row(rows, width, places[i + ROWS_AHEAD]);
        const float *restrict row = rows + places[i] * width;
#pragma omp simd
        for (ptrdiff_t j = 0; j < width; j++)
            sums[j] += row[j];
    }
#pragma omp simd
    for (ptrdiff_t j = 0; j < width; j++)
        to[j] += factor * sums[j];
}

/* [h] from ratings: linear from `disliked` to 1, and 1 for what is no number. */
static inline void likings(
    float *restrict liking, const float *restrict ratings, ptrdiff_t h, float slope, float start,
    float disliked)
{
    for (ptrdiff_t i = 0; i < h; i++) {
        float value = ratings[i] * slope + start;
        value = value < 1 ? value : 1;
        liking[i] = value > disliked ? value : disliked;
    }
}

/* Of the i-th of h movies, oldest first: its row of [n_ages, n_towers] weights, newest first. */
static inline const float *weights_of(
    const float *weights, ptrdiff_t n_ages, ptrdiff_t n_towers, ptrdiff_t i, ptrdiff_t h)
{
    ptrdiff_t age = h - 1 - i;
    return weights + (age < n_ages ? age : n_ages - 1) * n_towers;
}

/* Adds to a [d] vector the rows of h movies, weighted by liking, age and tower. */
BY_PROCESSOR static void add_history(
    float *restrict vector, const float *restrict rows, ptrdiff_t d,
    const int64_t *restrict movies, const float *restrict liking, ptrdiff_t h,
    const float *restrict weights, ptrdiff_t n_ages, ptrdiff_t n_towers,
    const Run *restrict runs, ptrdiff_t n_runs)
{
    for (ptrdiff_t i = 0; i < h; i++) {
        if (i + ROWS_AHEAD < h)
            prefetch_row(rows, d, movies[i + ROWS_AHEAD]);
        const float *restrict row = rows + movies[i] * d;
        const float *by_tower = weights_of(weights, n_ages, n_towers, i, h);
        for (ptrdiff_t r = 0; r < n_runs; r++) {
            const float factor = liking[i] * by_tower[runs[r].tower];
            const ptrdiff_t end = runs[r].end;
#pragma omp simd
            for (ptrdiff_t j = runs[r].start; j < end; j++)
                vector[j] += factor * row[j];
        }
    }
}

/* [n_towers] the variance of each tower's score: its part of v' covariance v. */
BY_PROCESSOR static void variances_of(
    double *restrict variances, ptrdiff_t n_towers, const float *restrict vector,
    const float *restrict covariance, ptrdiff_t d, const Run *restrict runs, ptrdiff_t n_runs)
{
    for (ptrdiff_t tower = 0; tower < n_towers; tower++)
        variances[tower] = 0;
    for (ptrdiff_t r = 0; r < n_runs; r++)
        for (ptrdiff_t i = runs[r].start; i < runs[r].end; i++) {
            const float *restrict row = covariance + i * d;
            float sum = 0;
#pragma omp simd reduction(+ : sum)
            for (ptrdiff_t j = 0; j < d; j++)
                sum += row[j] * vector[j];
            variances[runs[r].tower] += (double)(vector[i] * sum);
        }
}

/* [d, LISTED_AT_ONCE] the rows that [n] places name, as columns, times what scales each of d. */
static inline void scaled_columns(
    float *restrict columns, const float *restrict rows, ptrdiff_t d,
    const int64_t *restrict places, ptrdiff_t n, const float *restrict scale)
{
    /* All of them at once: nobody has looked at these rows lately. */
    for (ptrdiff_t i = 0; i < n; i++)
        prefetch_row(rows, d, places[i]);
    for (ptrdiff_t i = 0; i < n; i++) {
        const float *restrict row = rows + places[i] * d;
        for (ptrdiff_t j = 0; j < d; j++)
            columns[j * LISTED_AT_ONCE + i] = scale[j] * row[j];
    }
}

/* The three greatest drops of each of `n_listed` movies and their places in the history, of equal
 * ones the older first; what pulls nothing up leaves `places` and `drops` as they are.
 *
 * items: [d, LISTED_AT_ONCE] of the listed movies, times the scale; pulls: room for
 * [PULLS_AT_ONCE, d]; places and drops: [n_listed, 3].
 */
BY_PROCESSOR static void strongest_pulls(
    int16_t *restrict places, float *restrict drops, ptrdiff_t n_listed,
    const float *restrict items, float *restrict pulls, const float *restrict rows, ptrdiff_t d,
    const int64_t *restrict movies, const float *restrict liking, ptrdiff_t h,
    const float *restrict weights, ptrdiff_t n_ages, ptrdiff_t n_towers,
    const Run *restrict runs, ptrdiff_t n_runs)
{
    for (ptrdiff_t first = 0; first < h; first += PULLS_AT_ONCE) {
        const ptrdiff_t n = h - first < PULLS_AT_ONCE ? h - first : PULLS_AT_ONCE;
        /* Behind the last movie of the history stand the sums of whoever was there before. */
        for (ptrdiff_t i = 0; i < n; i++) {
            const ptrdiff_t place = first + i;
            const float *restrict row = rows + movies[place] * d;
            const float *by_tower = weights_of(weights, n_ages, n_towers, place, h);
            for (ptrdiff_t r = 0; r < n_runs; r++) {
                const float factor = liking[place] * by_tower[runs[r].tower];
                const ptrdiff_t end = runs[r].end;
#pragma omp simd
                for (ptrdiff_t j = runs[r].start; j < end; j++)
                    pulls[i * d + j] = factor * row[j];
            }
        }
        float lost[PULLS_AT_ONCE][LISTED_AT_ONCE] = {{0}};
        for (ptrdiff_t j = 0; j < d; j++) {
            const float *restrict column = items + j * LISTED_AT_ONCE;
            const float p0 = pulls[j], p1 = pulls[d + j], p2 = pulls[2 * d + j], p3 = pulls[3 * d + j];
#pragma omp simd
            for (int k = 0; k < LISTED_AT_ONCE; k++) {
                lost[0][k] += p0 * column[k];
                lost[1][k] += p1 * column[k];
                lost[2][k] += p2 * column[k];
                lost[3][k] += p3 * column[k];
            }
        }
        for (ptrdiff_t i = 0; i < n; i++)
            for (ptrdiff_t k = 0; k < n_listed; k++) {
                float drop = lost[i][k], *greatest = drops + 3 * k;
                if (!(drop > greatest[2]))
                    continue;
                int16_t *at = places + 3 * k;
                int rank = 2;
                for (; rank > 0 && drop > greatest[rank - 1]; rank--) {
                    greatest[rank] = greatest[rank - 1];
                    at[rank] = at[rank - 1];
                }
                greatest[rank] = drop;
                at[rank] = (int16_t)(first + i);
            }
    }
}

#endif
