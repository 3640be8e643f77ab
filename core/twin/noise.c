/* Drawing from a sorted bank. See noise.h. */
#include "core/twin/noise.h"

enum err noise_init(struct noise *b, struct arena *arena, int n, int n_target)
{
    b->n = n;
    b->level = ARENA_NEW(arena, n, float);
    b->z = ARENA_NEW(arena, (size_t)n * (size_t)n_target, float);
    b->next = ARENA_NEW(arena, n, int32_t);
    return b->level != NULL && b->z != NULL && b->next != NULL ? ERR_OK : ERR_MEMORY;
}

int noise_rank(const struct noise *b, float level, bool equal)
{
    int lo = 0, hi = b->n;
    while (lo < hi) {
        const int mid = lo + (hi - lo) / 2;
        if (b->level[mid] < level || (equal && b->level[mid] == level)) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return lo;
}

int noise_draw(const struct noise *b, int previous, float level, double u)
{
    /* Near: the rows of that level and some to either side; never none. */
    const int half = noise_near(b->n);
    const int below = noise_rank(b, level, false);
    const bool tied = below < b->n && b->level[below] == level;
    const int above = tied ? noise_rank(b, level, true) : below;
    const int lo = below - half > 0 ? below - half : 0;
    const int hi = above + half < b->n ? above + half : b->n;
    const int next = previous != NOISE_NONE ? b->next[previous] : NOISE_NONE;
    if (next >= lo && next < hi) {
        return next;
    }
    const int drawn = lo + (int)(u * (hi - lo));
    return drawn < hi ? drawn : hi - 1;
}
