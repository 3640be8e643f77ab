/* Drawing from a sorted bank. See noise.h. */
#include "core/twin/noise.h"

int noise_rank(const struct noise *b, float level)
{
    int lo = 0, hi = b->n;
    while (lo < hi) {
        const int mid = lo + (hi - lo) / 2;
        if (b->level[mid] < level) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return lo;
}

int noise_draw(const struct noise *b, int previous, float level, double u)
{
    const int half = noise_near(b->n);
    const int rank = noise_rank(b, level);
    int lo = rank - half > 0 ? rank - half : 0;
    const int hi = rank + half < b->n ? rank + half : b->n;
    const int next = previous != NOISE_NONE ? b->next[previous] : NOISE_NONE;
    if (next >= lo && next < hi) {
        return next;
    }
    lo = lo < hi ? lo : hi - 1;
    const int drawn = lo + (int)(u * (hi - lo));
    return drawn < hi ? drawn : hi - 1;
}
