/* The engine's inner loops; they know no Python and check nothing.
 *
 * Rows are contiguous float32. A loop over columns is written so that compilers make vectors of it:
 * sums may be taken in any order.
 */
#ifndef RECSERVE_KERNEL_H
#define RECSERVE_KERNEL_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* One copy of a function for each generation of x86-64 processors, chosen when the module is loaded;
 * elsewhere what the compiler takes for granted. */
#if defined(__x86_64__) && defined(__GLIBC__) && !defined(__clang__) && __GNUC__ >= 12
#define BY_PROCESSOR __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define BY_PROCESSOR
#endif

#if defined(__GNUC__)
#define PREFETCH(address) __builtin_prefetch(address)
#define LOWEST_BIT(bits) __builtin_ctzll(bits)
#else
#define PREFETCH(address) ((void)(address))
#define LOWEST_BIT(bits) lowest_bit(bits)
static inline int lowest_bit(uint64_t bits)
{
    int at = 0;
    for (; !(bits & 1); bits >>= 1)
        at++;
    return at;
}
#endif

/* Rows that a loop asks the memory for ahead of the one it reads. */
enum { ROWS_AHEAD = 8, FLOATS_A_LINE = 16 };

/* Movies multiplied at once: the innermost cache holds their scores. */
enum { BLOCK = 2048 };

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

/* [n] products of a [d] vector with [d, n] columns. */
BY_PROCESSOR static void times_columns(
    float *restrict products, const float *restrict vector, const float *restrict columns,
    ptrdiff_t d, ptrdiff_t n)
{
    for (ptrdiff_t first = 0; first < n; first += BLOCK) {
        ptrdiff_t width = n - first < BLOCK ? n - first : BLOCK;
        float *restrict to = products + first;
        memset(to, 0, (size_t)width * sizeof(float));
        ptrdiff_t j = 0;
        for (; j + 8 <= d; j += 8) {
            const float *restrict c = columns + j * n + first;
            const float v0 = vector[j], v1 = vector[j + 1], v2 = vector[j + 2], v3 = vector[j + 3];
            const float v4 = vector[j + 4], v5 = vector[j + 5], v6 = vector[j + 6], v7 = vector[j + 7];
#pragma omp simd
            for (ptrdiff_t i = 0; i < width; i++)
                to[i] += (v0 * c[i] + v1 * c[i + n] + v2 * c[i + 2 * n] + v3 * c[i + 3 * n])
                    + (v4 * c[i + 4 * n] + v5 * c[i + 5 * n] + v6 * c[i + 6 * n] + v7 * c[i + 7 * n]);
        }
        for (; j < d; j++) {
            const float *restrict c = columns + j * n + first;
            const float v = vector[j];
#pragma omp simd
            for (ptrdiff_t i = 0; i < width; i++)
                to[i] += v * c[i];
        }
    }
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

/* Writes -inf where a movie is not allowed. */
BY_PROCESSOR static void forbid(float *restrict key, const uint8_t *restrict allowed, ptrdiff_t n)
{
#pragma omp simd
    for (ptrdiff_t i = 0; i < n; i++)
        key[i] = allowed[i] ? key[i] : -INFINITY;
}

/* [n_groups] greatest key of every n_groups-th one, over `depth` rounds. */
BY_PROCESSOR static void group_maxima(
    float *restrict greatest, const float *restrict key, ptrdiff_t n_groups, ptrdiff_t depth)
{
    for (ptrdiff_t g = 0; g < n_groups; g++)
        greatest[g] = -INFINITY;
    for (ptrdiff_t round = 0; round < depth; round++) {
        const float *restrict row = key + round * n_groups;
#pragma omp simd
        for (ptrdiff_t g = 0; g < n_groups; g++)
            greatest[g] = row[g] > greatest[g] ? row[g] : greatest[g];
    }
}

/* Whole numbers in the order of their floats; -0 is 0. */
BY_PROCESSOR static void ordered(int32_t *restrict to, const float *restrict values, ptrdiff_t n)
{
#pragma omp simd
    for (ptrdiff_t i = 0; i < n; i++) {
        const float value = values[i] + 0.0f;
        int32_t bits;
        memcpy(&bits, &value, sizeof bits);
        to[i] = bits ^ ((bits >> 31) & INT32_MAX);
    }
}

/* The k-th greatest of n numbers, 0 < k <= n, by halving: 32 looks at all, and no branch to guess. */
BY_PROCESSOR static int32_t kth_greatest(const int32_t *restrict numbers, ptrdiff_t n, ptrdiff_t k)
{
    /* At least k numbers are `low` or more, and fewer are above `high`. */
    int64_t low = INT32_MIN, high = INT32_MAX;
    while (low < high) {
        const int32_t middle = (int32_t)(low + (high - low + 1) / 2);
        int32_t reach = 0;
#pragma omp simd reduction(+ : reach)
        for (ptrdiff_t i = 0; i < n; i++)
            reach += numbers[i] >= middle;
        if (reach >= k)
            low = middle;
        else
            high = (int64_t)middle - 1;
    }
    return (int32_t)low;
}

/* How many keys are `bound` or more. */
BY_PROCESSOR static ptrdiff_t n_reaching(const float *restrict key, ptrdiff_t n, float bound)
{
    ptrdiff_t reaching = 0;
    for (ptrdiff_t first = 0; first < n; first += BLOCK) {
        const ptrdiff_t width = n - first < BLOCK ? n - first : BLOCK;
        int32_t here = 0;
#pragma omp simd reduction(+ : here)
        for (ptrdiff_t i = 0; i < width; i++)
            here += key[first + i] >= bound;
        reaching += here;
    }
    return reaching;
}

/* Which of 64 keys are `bound` or more: the first by the lowest bit. */
static inline uint64_t reaching_of_64(const float *key, float bound)
{
    uint64_t reaching = 0;
#ifdef __SSE2__
    const __m128 bounds = _mm_set1_ps(bound);
    for (int i = 0; i < 64; i += 16) {
        __m128i quarters[4];
        for (int j = 0; j < 4; j++)
            quarters[j] = _mm_castps_si128(_mm_cmpge_ps(_mm_loadu_ps(key + i + 4 * j), bounds));
        const __m128i halves[2] = {
            _mm_packs_epi32(quarters[0], quarters[1]), _mm_packs_epi32(quarters[2], quarters[3])
        };
        const int bits = _mm_movemask_epi8(_mm_packs_epi16(halves[0], halves[1]));
        reaching |= (uint64_t)(uint32_t)bits << i;
    }
#else
    for (int i = 0; i < 64; i++)
        reaching |= (uint64_t)(key[i] >= bound) << i;
#endif
    return reaching;
}

/* The places of the keys that are `bound` or more, rising; there must be room for one more. */
static inline void places_reaching(
    int64_t *restrict places, const float *restrict key, ptrdiff_t n, float bound)
{
    ptrdiff_t found = 0, i = 0;
    for (; i + 64 <= n; i += 64)
        for (uint64_t left = reaching_of_64(key + i, bound); left; left &= left - 1)
            places[found++] = i + LOWEST_BIT(left);
    for (; i < n; i++) {
        /* Written in any case, kept if it counts. */
        places[found] = i;
        found += key[i] >= bound;
    }
}

/* The order of n numbers, the greatest first and equal ones as they stand: `order` has it then, the
 * others are room for n each. Sorted digit by digit, which takes the same time for any numbers. */
static inline void falling_order(
    int32_t *order, int32_t *other, uint32_t *digits,
    uint32_t *other_digits, const int32_t *numbers, ptrdiff_t n)
{
    enum { DIGITS = 4, BITS = 8, VALUES = 1 << BITS };
    int32_t counts[DIGITS][VALUES] = {{0}};
    for (ptrdiff_t i = 0; i < n; i++) {
        const uint32_t number = (uint32_t)numbers[i] ^ (uint32_t)INT32_MAX;
        order[i] = (int32_t)i;
        digits[i] = number;
        for (int digit = 0; digit < DIGITS; digit++)
            counts[digit][number >> (digit * BITS) & (VALUES - 1)]++;
    }
    for (int digit = 0; digit < DIGITS; digit++) {
        int32_t *next = counts[digit], before = 0;
        for (int value = 0; value < VALUES; value++) {
            const int32_t count = next[value];
            next[value] = before;
            before += count;
        }
        for (ptrdiff_t i = 0; i < n; i++) {
            const int32_t to = next[digits[i] >> (digit * BITS) & (VALUES - 1)]++;
            other[to] = order[i];
            other_digits[to] = digits[i];
        }
        /* An even number of digits: what is in order at last is where it began. */
        int32_t *place = order;
        order = other;
        other = place;
        uint32_t *left = digits;
        digits = other_digits;
        other_digits = left;
    }
}

/* Mean and deviation of n > 0 values; a deviation is 0 where rounding makes it. */
BY_PROCESSOR static void spread_of(
    double *mean, double *deviation, const float *restrict values, ptrdiff_t n, double no_spread)
{
    double sum = 0, squares = 0;
    float outermost = 0;
#pragma omp simd reduction(+ : sum)
    for (ptrdiff_t i = 0; i < n; i++)
        sum += (double)values[i];
    const double middle = sum / (double)n;
#pragma omp simd reduction(+ : squares) reduction(max : outermost)
    for (ptrdiff_t i = 0; i < n; i++) {
        const double off = (double)values[i] - middle;
        const float size = fabsf(values[i]);
        squares += off * off;
        outermost = size > outermost ? size : outermost;
    }
    *mean = middle;
    *deviation = sqrt(squares / (double)n);
    if (*deviation <= no_spread * (double)outermost)
        *deviation = 0;
}

/* [n] `to` += factor * (value - mean). */
BY_PROCESSOR static void add_z_scores(
    float *restrict to, const float *restrict values, ptrdiff_t n, float mean, float factor)
{
#pragma omp simd
    for (ptrdiff_t i = 0; i < n; i++)
        to[i] += factor * (values[i] - mean);
}

#endif
