/* Drawing from a sorted pool. See residual_pool.h. */
#include "core/twin/residual_pool.h"

#include <stddef.h>

enum err residual_pool_init(struct residual_pool *b, struct arena *arena, int n, int n_target)
{
    b->n = n;
    b->level = ARENA_NEW(arena, n, float);
    b->z = ARENA_NEW(arena, (size_t)n * (size_t)n_target, float);
    b->next = ARENA_NEW(arena, n, int32_t);
    return arena_error(arena);
}

/* Binary search without a jump: levels are as good as random, so a processor would guess every
 * second branch wrong.
 *
 * Invariant: the answer lies in [below, below + n]. The row below + half - 1 is compared. If it
 * counts (its level is below, or equal where `equal`), so do all before it, for levels ascend: the
 * answer is at least below + half, and n - half = n / 2 candidates remain. If not, the answer is at
 * most below + half - 1 <= below + n / 2. Either way the interval has length n / 2 (rounded down),
 * so the loop ends after about log2(n) rounds whatever the level is. The row compared is below +
 * half - 1 < below + n <= b->n. */
int residual_pool_count_below(const struct residual_pool *b, float level, bool equal)
{
    int below = 0;
    for (int n = b->n; n > 0; n /= 2) {
        const int half = (n + 1) / 2;
        const float mid = b->level[below + half - 1];
        below += (mid < level) | (equal & (mid == level)) ? half : 0;
    }
    return below;
}

/* The successor of the previous row is the most likely draw; its z is n_target floats that are
 * rarely in a cache, and the product of matrices that follows hides the wait. Nothing is
 * changed. */
void residual_pool_prefetch(const struct residual_pool *b, int previous, int n_target)
{
    enum { LINE = 64 / sizeof(float) };
    const int next = previous != RESIDUAL_NONE ? b->next[previous] : RESIDUAL_NONE;
    for (int k = 0; next != RESIDUAL_NONE && k < n_target; k += LINE) {
        __builtin_prefetch(b->z + (ptrdiff_t)next * n_target + k);
    }
}

/* [lo, hi) are the rows near the level. It is never empty: half >= 1, and below <= above, so either
 * lo < below or, where below is 0, hi >= 1. The row that followed the previous one is taken while
 * it lies in there, without a random number; else u chooses one of hi - lo rows, all with
 * probability 1 / (hi - lo). u < 1 gives drawn < hi; the last line holds that for u = 1 as well. */
int residual_pool_draw(const struct residual_pool *b, int previous, float level, double u)
{
    /* Near: the rows of that level and some to either side; never none. */
    const int half = residual_pool_near(b->n);
    const int below = residual_pool_count_below(b, level, false);
    const bool tied = below < b->n && b->level[below] == level;
    const int above = tied ? residual_pool_count_below(b, level, true) : below;
    const int lo = below - half > 0 ? below - half : 0;
    const int hi = above + half < b->n ? above + half : b->n;
    const int next = previous != RESIDUAL_NONE ? b->next[previous] : RESIDUAL_NONE;
    if (next >= lo && next < hi) {
        return next;
    }
    const int drawn = lo + (int)(u * (hi - lo));
    return drawn < hi ? drawn : hi - 1;
}
