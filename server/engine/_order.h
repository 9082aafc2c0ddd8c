/* Loops over the keys of all movies, which find the candidates, and over the candidates, which order
 * them.
 *
 * They know no Python and check nothing. Sums may be taken in any order, as in _rows.h.
 */
#ifndef RECSERVE_ORDER_H
#define RECSERVE_ORDER_H

#include <float.h>
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "_compiler.h"

/* Keys counted at once: the innermost cache holds them, and 32 bits their number. */
enum { BLOCK = 2048 };

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

/* What `ordered` made a number of; it undoes itself. */
static inline float as_float(int32_t number)
{
    const int32_t bits = number ^ ((number >> 31) & INT32_MAX);
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
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

/* Of the n keys at `places`, rising, keeps the k greatest: k, or -1 = no memory. */
static inline ptrdiff_t greatest_of(
    int64_t *restrict places, const float *restrict key, ptrdiff_t n, ptrdiff_t k)
{
    float *keys = malloc((size_t)n * (sizeof(float) + sizeof(int32_t)));
    if (!keys)
        return -1;
    int32_t *numbers = (int32_t *)(keys + n);
    for (ptrdiff_t i = 0; i < n; i++)
        keys[i] = key[places[i]];
    ordered(numbers, keys, n);
    const int32_t kth = kth_greatest(numbers, n, k);
    ptrdiff_t n_equal = k, kept = 0;
    for (ptrdiff_t i = 0; i < n; i++)
        n_equal -= numbers[i] > kth;
    for (ptrdiff_t i = 0; i < n; i++) {
        /* Written in any case, kept if it counts: of equal keys where the k end, the first. */
        const int is_equal = numbers[i] == kth;
        places[kept] = places[i];
        kept += (numbers[i] > kth) | (is_equal & (n_equal > 0));
        n_equal -= is_equal;
    }
    free(keys);
    return kept;
}

/* Of n keys the k greatest by rising place, of equal ones the first; what is not allowed is -inf.
 *
 * By groups first: of the greatest keys of 2 k groups the k-th is a bound that at least k keys reach,
 * and of mixed ones about 1.4 k. Little is left to look at twice.
 *
 * Returns how many there are, and in `*found` their places, to be freed; -1 = no memory.
 */
static inline ptrdiff_t find_candidates(
    int64_t **found, const float *restrict key, ptrdiff_t n, ptrdiff_t k)
{
    const ptrdiff_t n_groups = 2 * k, depth = k ? n / n_groups : 0;
    float bound = -FLT_MAX;
    *found = NULL;
    if (depth) {
        float *greatest = malloc((size_t)n_groups * (sizeof(float) + sizeof(int32_t)));
        if (!greatest)
            return -1;
        int32_t *numbers = (int32_t *)(greatest + n_groups);
        group_maxima(greatest, key, n_groups, depth);
        ordered(numbers, greatest, n_groups);
        bound = as_float(kth_greatest(numbers, n_groups, k));
        if (!(bound > -FLT_MAX))
            bound = -FLT_MAX;
        free(greatest);
    }
    const ptrdiff_t n_reach = k ? n_reaching(key, n, bound) : 0;
    int64_t *places = malloc((size_t)(n_reach + 1) * sizeof(int64_t));
    if (!places)
        return -1;
    if (n_reach)
        places_reaching(places, key, n, bound);
    const ptrdiff_t kept = n_reach <= k ? n_reach : greatest_of(places, key, n_reach, k);
    if (kept < 0)
        free(places);
    else
        *found = places;
    return kept;
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
