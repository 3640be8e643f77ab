/* The ending of an English noun behind a count. */
#ifndef KARMA_BASE_PLURAL_H
#define KARMA_BASE_PLURAL_H

#include <stdint.h>

/* "" for 1, "s" for all other counts: printf("%d run%s", n, plural_s(n)). */
static inline const char *plural_s(int64_t n)
{
    return n == 1 ? "" : "s";
}

#endif
