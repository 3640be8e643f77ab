/* Orders for qsort(), smallest first. Elements may not be NaN. */
#ifndef KARMA_BASE_ORDER_H
#define KARMA_BASE_ORDER_H

static inline int order_doubles(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

#endif
