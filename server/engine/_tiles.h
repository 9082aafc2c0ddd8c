/* The products of users' vectors with all movies: the matrix is read once for several users.
 *
 * tiles: [n_tiles, d, MOVIES_A_TILE] of the movies' vectors, column by column; whatever stands behind
 * the last movie gets products, too. A movie's sum is taken column by column from the first on,
 * however many users there are: no answer depends on the company that it is worked out in.
 */
#ifndef RECSERVE_TILES_H
#define RECSERVE_TILES_H

#include <stddef.h>
#include <string.h>

#include "_compiler.h"

/* As many sums as registers: each column that is loaded serves all users. */
enum { MOVIES_A_TILE = 32, USERS_AT_ONCE = 4 };

/* `times_tiles` for at most `width` users, which is known when this is compiled. */
INLINED void times_tiles_for(
    const int width, float *const *products, const float *restrict vectors, ptrdiff_t n_users,
    const float *restrict tiles, ptrdiff_t d, ptrdiff_t n_tiles)
{
    for (ptrdiff_t tile = 0; tile < n_tiles; tile++) {
        const float *restrict column = tiles + tile * d * MOVIES_A_TILE;
        const float *restrict v = vectors;
        float sums[USERS_AT_ONCE][MOVIES_A_TILE] = {{0}};
        for (ptrdiff_t j = 0; j < d; j++, column += MOVIES_A_TILE, v += USERS_AT_ONCE) {
#pragma omp simd
            for (int i = 0; i < MOVIES_A_TILE; i++) {
                sums[0][i] += v[0] * column[i];
                if (width > 1)
                    sums[1][i] += v[1] * column[i];
                if (width > 2) {
                    sums[2][i] += v[2] * column[i];
                    sums[3][i] += v[3] * column[i];
                }
            }
        }
        for (int user = 0; user < width; user++)
            if (user < n_users)
                memcpy(products[user] + tile * MOVIES_A_TILE, sums[user], sizeof sums[user]);
    }
}

/* The products of 0 < n_users <= USERS_AT_ONCE users, whose vectors are [d, USERS_AT_ONCE], each in
 * room for whole tiles. */
BY_PROCESSOR static void times_tiles(
    float *const *products, const float *restrict vectors, ptrdiff_t n_users,
    const float *restrict tiles, ptrdiff_t d, ptrdiff_t n_tiles)
{
    if (n_users == 1)
        times_tiles_for(1, products, vectors, n_users, tiles, d, n_tiles);
    else if (n_users == 2)
        times_tiles_for(2, products, vectors, n_users, tiles, d, n_tiles);
    else
        times_tiles_for(USERS_AT_ONCE, products, vectors, n_users, tiles, d, n_tiles);
}

#endif
