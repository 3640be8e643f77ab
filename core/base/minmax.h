/* The smaller and the larger of two, for each type that needs them. */
#ifndef KARMA_BASE_MINMAX_H
#define KARMA_BASE_MINMAX_H

#include <stddef.h>

static inline int int_min(int a, int b)
{
    return a < b ? a : b;
}

static inline int int_max(int a, int b)
{
    return a > b ? a : b;
}

static inline size_t size_max(size_t a, size_t b)
{
    return a > b ? a : b;
}

#endif
