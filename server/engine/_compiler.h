/* What the loops ask of a compiler, and what stands in for it where one does not have it. */
#ifndef RECSERVE_COMPILER_H
#define RECSERVE_COMPILER_H

#include <stdint.h>

/* One copy of a function for each generation of x86-64 processors, chosen when the module is loaded;
 * elsewhere what the compiler takes for granted. */
#if defined(__x86_64__) && defined(__GLIBC__) && !defined(__clang__) && __GNUC__ >= 12
#define BY_PROCESSOR __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define BY_PROCESSOR
#endif

#if defined(__GNUC__)
/* Part of each caller, so that it is there once for each generation of processors, too. */
#define INLINED __attribute__((always_inline)) static inline
#define PREFETCH(address) __builtin_prefetch(address)
#define LOWEST_BIT(bits) __builtin_ctzll(bits)
#else
#define INLINED static inline
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

#endif
