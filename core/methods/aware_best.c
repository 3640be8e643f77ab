/* Sorted lists of episodes: collecting, merging. See aware_best.h. */
#include "core/methods/aware_best.h"

#include <string.h>

enum err aware_best_init(struct aware_best *b, struct arena *arena,
                         const struct aware_best_shape *shape, int n_rows)
{
    const int n = n_rows / shape->n_steps;
    *b = (struct aware_best){
        .shape = *shape,
        .scratch = ARENA_NEW(arena, (size_t)shape->n_kept * aware_best_episode(shape), float),
        .score = ARENA_NEW(arena, n + 1, float),
        .first = ARENA_NEW(arena, n + 1, int),
        .max_candidates = n,
    };
    return arena_error(arena);
}

static float *list_of(const struct aware_best_shape *s, float *best, int agent)
{
    return best + (size_t)(agent * s->n_kept) * aware_best_episode(s);
}

/* ---- collecting ---- */

/* Does an episode of the environment end in rows [first, first + n)? */
static bool ends_within(const struct block *block, int first, int n)
{
    for (int row = first; row < first + n; row++) {
        if (block->flag[row] != ENV_RUNNING) {
            return true;
        }
    }
    return false;
}

int aware_best_find(struct aware_best *b, const struct block *block)
{
    const int len = b->shape.n_steps;
    int n = 0;
    for (int e = 0; e < block->n_env; e++) {
        for (int t = 0; t + len <= block->n_steps; t += len) {
            const int first = e * block->n_steps + t;
            if (!ends_within(block, first, len - 1)) {
                CHECK(n < b->max_candidates);
                b->first[n++] = first;
            }
        }
    }
    return n;
}

float aware_best_sum(const struct aware_best_shape *s, const struct block *block, int first,
                     int agent)
{
    float sum = 0.0f;
    for (int row = first; row < first + s->n_steps; row++) {
        sum += block->reward[(size_t)row * (size_t)s->n_agents + (size_t)agent];
    }
    return sum;
}

static void write_episode(const struct aware_best_shape *s, float *out, const struct block *block,
                          const float *obs, int first, int agent, float score)
{
    const size_t n_rows = (size_t)block->n_env * (size_t)block->n_steps;
    float *step = out + BEST_STEPS;
    memset(out, 0, aware_best_episode(s) * sizeof *out);
    out[BEST_SCORE] = score;
    out[BEST_PRESENT] = 1.0f;
    for (int row = first; row < first + s->n_steps; row++) {
        const size_t i = (size_t)row * (size_t)s->n_agents + (size_t)agent;
        memcpy(step, obs + ((size_t)agent * n_rows + (size_t)row) * (size_t)s->n_obs,
               (size_t)s->n_obs * sizeof *step);
        step[s->n_obs + block->action[i]] = 1.0f;
        step[s->n_obs + s->n_choices] = block->reward[i];
        step += aware_best_features(s);
    }
}

/* The best candidate left, the first among equals; -1 if none is. A candidate that was taken has
 * first = -1. */
static int take_best(struct aware_best *b, int n)
{
    int best = -1;
    for (int i = 0; i < n; i++) {
        if (b->first[i] >= 0 && (best < 0 || b->score[i] > b->score[best])) {
            best = i;
        }
    }
    return best;
}

void aware_best_of_block(struct aware_best *b, float *best, const struct block *block,
                         const float *obs)
{
    const struct aware_best_shape *s = &b->shape;
    memset(best, 0, aware_best_floats(s) * sizeof *best);
    for (int agent = 0; agent < s->n_agents; agent++) {
        const int n = aware_best_find(b, block);
        float *list = list_of(s, best, agent);
        for (int i = 0; i < n; i++) {
            b->score[i] = aware_best_sum(s, block, b->first[i], agent);
        }
        for (int k = 0; k < s->n_kept && k < n; k++) {
            const int i = take_best(b, n);
            write_episode(s, list + (size_t)k * aware_best_episode(s), block, obs, b->first[i],
                          agent, b->score[i]);
            b->first[i] = -1;
        }
    }
}

/* ---- merging ---- */

/* The better of the heads of two lists; left among equals. */
static bool left_first(const float *left, const float *right)
{
    if (left[BEST_PRESENT] == 0.0f || right[BEST_PRESENT] == 0.0f) {
        return right[BEST_PRESENT] == 0.0f;
    }
    return !(right[BEST_SCORE] > left[BEST_SCORE]);
}

void aware_best_merge(struct aware_best *b, float *into, const float *left, const float *right)
{
    const struct aware_best_shape *s = &b->shape;
    const size_t n = aware_best_episode(s), list = (size_t)s->n_kept * n;
    for (int agent = 0; agent < s->n_agents; agent++) {
        const float *l = left + (size_t)agent * list, *r = right + (size_t)agent * list;
        /* Invariant: the first k of scratch are the best k of both lists, and l and r point to the
         * heads of what is left. k < K heads were taken, so both heads are inside their lists. */
        for (int k = 0; k < s->n_kept; k++) {
            const float **taken = left_first(l, r) ? &l : &r;
            memcpy(b->scratch + (size_t)k * n, *taken, n * sizeof(float));
            *taken += n;
        }
        memcpy(into + (size_t)agent * list, b->scratch, list * sizeof(float));
    }
}

int aware_best_count(const struct aware_best_shape *s, const float *best, int agent)
{
    const float *list = best + (size_t)(agent * s->n_kept) * aware_best_episode(s);
    int n = 0;
    while (n < s->n_kept && list[(size_t)n * aware_best_episode(s) + BEST_PRESENT] != 0.0f) {
        n++;
    }
    return n;
}
