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

/* Keys whose bits are a word, and places of a word that are written without a question. */
enum { KEYS_A_WORD = 64, PLACES_AT_ONCE = 4 };

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

/* A number that at least k of n reach and at most k exceed, 0 < k <= n. By halving: about a dozen
 * looks at all of them; 33 at most, where the k-th has equals. */
BY_PROCESSOR static int32_t bound_of(const int32_t *restrict numbers, ptrdiff_t n, ptrdiff_t k)
{
    int32_t least = INT32_MAX, greatest = INT32_MIN;
#pragma omp simd reduction(min : least) reduction(max : greatest)
    for (ptrdiff_t i = 0; i < n; i++) {
        least = numbers[i] < least ? numbers[i] : least;
        greatest = numbers[i] > greatest ? numbers[i] : greatest;
    }
    /* At least k numbers are `low` or more, and fewer are above `high`. */
    int64_t low = least, high = greatest;
    while (low < high) {
        const int32_t middle = (int32_t)(low + (high - low + 1) / 2);
        int32_t reach = 0;
#pragma omp simd reduction(+ : reach)
        for (ptrdiff_t i = 0; i < n; i++)
            reach += numbers[i] >= middle;
        if (reach == k)
            return middle;
        if (reach > k)
            low = middle;
        else
            high = (int64_t)middle - 1;
    }
    return (int32_t)low;
}

/* How many bits are set, counted in twos, fours and bytes at once; compilers put a processor's own
 * instruction in its place. */
INLINED int n_bits(uint64_t bits)
{
    bits -= bits >> 1 & 0x5555555555555555u;
    bits = (bits & 0x3333333333333333u) + (bits >> 2 & 0x3333333333333333u);
    bits = (bits + (bits >> 4)) & 0x0F0F0F0F0F0F0F0Fu;
    return (int)(bits * 0x0101010101010101u >> 56);
}

/* Which of 64 keys are `bound` or more: the first by the lowest bit. */
INLINED uint64_t reaching_of_64(const float *key, float bound)
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

/* [n / KEYS_A_WORD, rounded up] which of n keys are `bound` or more; returns how many. */
BY_PROCESSOR static ptrdiff_t find_reaching(
    uint64_t *restrict words, const float *restrict key, ptrdiff_t n, float bound)
{
    const ptrdiff_t n_whole = n / KEYS_A_WORD, n_left = n % KEYS_A_WORD;
    ptrdiff_t reaching = 0;
    for (ptrdiff_t i = 0; i < n_whole; i++) {
        words[i] = reaching_of_64(key + i * KEYS_A_WORD, bound);
        reaching += n_bits(words[i]);
    }
    if (n_left) {
        uint64_t last = 0;
        for (ptrdiff_t i = 0; i < n_left; i++)
            last |= (uint64_t)(key[n_whole * KEYS_A_WORD + i] >= bound) << i;
        words[n_whole] = last;
        reaching += n_bits(last);
    }
    return reaching;
}

/* The places of the bits that are set, rising; there must be room for PLACES_AT_ONCE more. */
BY_PROCESSOR static void places_of(
    int64_t *restrict places, const uint64_t *restrict words, ptrdiff_t n_words)
{
    for (ptrdiff_t word = 0; word < n_words; word++) {
        uint64_t left = words[word];
        int64_t *to = places;
        places += n_bits(left);
        /* Some are written in any case, kept if they count: no processor guesses how many do. */
        do {
            for (int i = 0; i < PLACES_AT_ONCE; i++, left &= left - 1)
                *to++ = word * KEYS_A_WORD + LOWEST_BIT(left | (uint64_t)1 << 63);
        } while (left);
    }
}

/* How many keys are `bound` or more, and in `*found` their places, rising, to be freed; -1 = no
 * memory. */
static inline ptrdiff_t places_reaching(
    int64_t **found, const float *restrict key, ptrdiff_t n, float bound)
{
    const ptrdiff_t n_words = (n + KEYS_A_WORD - 1) / KEYS_A_WORD;
    uint64_t *words = malloc((size_t)(n_words + 1) * sizeof(uint64_t));
    if (!words)
        return -1;
    const ptrdiff_t reaching = find_reaching(words, key, n, bound);
    *found = malloc((size_t)(reaching + PLACES_AT_ONCE) * sizeof(int64_t));
    if (*found)
        places_of(*found, words, n_words);
    free(words);
    return *found ? reaching : -1;
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
    const int32_t bound = bound_of(numbers, n, k);
    ptrdiff_t n_equal = k, kept = 0;
    for (ptrdiff_t i = 0; i < n; i++)
        n_equal -= numbers[i] > bound;
    for (ptrdiff_t i = 0; i < n; i++) {
        /* Written in any case, kept if it counts: of equal keys where the k end, the first. */
        const int is_equal = numbers[i] == bound;
        places[kept] = places[i];
        kept += (numbers[i] > bound) | (is_equal & (n_equal > 0));
        n_equal -= is_equal;
    }
    free(keys);
    return kept;
}

/* Of n keys the k greatest by rising place, of equal ones the first; what is not allowed is -inf.
 *
 * By groups first: what k of the greatest keys of 2 k groups reach is a bound that at least k keys
 * reach, and of mixed ones about 1.4 k. Little is left to look at twice.
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
        bound = as_float(bound_of(numbers, n_groups, k));
        if (!(bound > -FLT_MAX))
            bound = -FLT_MAX;
        free(greatest);
    }
    const ptrdiff_t n_reach = places_reaching(found, key, k ? n : 0, bound);
    if (n_reach <= k)
        return n_reach;
    const ptrdiff_t kept = greatest_of(*found, key, n_reach, k);
    if (kept < 0) {
        free(*found);
        *found = NULL;
    }
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
