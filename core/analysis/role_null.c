/* A shuffled team is a set of its own, whose episodes have other changes. See role_null.h. */
#include "core/analysis/role_null.h"
#include "core/analysis/agreement.h"
#include "core/analysis/linkage.h"

#include "core/base/rng.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { STREAM_EPISODES = 1, STREAM_SHUFFLES = 1000 };

static int by_number(const void *a, const void *b)
{
    const int x = *(const int *)a, y = *(const int *)b;
    return (x > y) - (x < y);
}

enum err role_draw_sample(int *out, int n, int total, uint64_t seed, uint32_t stream,
                          struct arena *scratch)
{
    const struct arena_mark mark = arena_mark(scratch);
    uint32_t *order = ARENA_NEW(scratch, total, uint32_t);
    uint64_t *keys = ARENA_NEW(scratch, total, uint64_t);
    TRY(arena_error(scratch));
    rng_permutation(order, keys, (uint32_t)total, rng_key(seed, RNG_ANALYSIS, RNG_DEV), 0, 0,
                    stream);
    for (int i = 0; i < n; i++) {
        out[i] = (int)order[i];
    }
    qsort(out, (size_t)n, sizeof *out, by_number);
    arena_rewind(scratch, mark);
    return ERR_OK;
}

/* ---- shuffles ---- */

/* The changes of n items (n, n_services) in the order of a random permutation. */
static enum err deal(int32_t *out, const int32_t *changes, int n, int n_services,
                     struct rng_key key, uint32_t decision, uint32_t episode, uint32_t stream,
                     struct arena *scratch)
{
    const struct arena_mark mark = arena_mark(scratch);
    uint32_t *order = ARENA_NEW(scratch, n, uint32_t);
    uint64_t *keys = ARENA_NEW(scratch, n, uint64_t);
    TRY(arena_error(scratch));
    rng_permutation(order, keys, (uint32_t)n, key, decision, episode, stream);
    for (int i = 0; i < n; i++) {
        memcpy(out + (ptrdiff_t)i * n_services, changes + (ptrdiff_t)order[i] * n_services,
               (size_t)n_services * sizeof *out);
    }
    arena_rewind(scratch, mark);
    return ERR_OK;
}

/* Episode number `number` of the whole set decides the draws, so that they do not depend on which
 * others are in the part. */
static enum err shuffle_episode(struct analysed_episode *e, const struct trajectory_set *set,
                                const struct role_cfg *cfg, enum role_null kind, int draw,
                                int number, struct arena *scratch)
{
    const int n = set->n_agents, width = set->n_services;
    const struct rng_key key = rng_key(cfg->seed, RNG_ANALYSIS, RNG_DEV);
    const uint32_t stream = STREAM_SHUFFLES + (uint32_t)(draw * ROLE_NULLS + (int)kind);
    int32_t *changes = ARENA_NEW(scratch, (size_t)e->n_steps * (size_t)(n * width), int32_t);
    TRY(arena_error(scratch));
    if (kind == ROLE_NULL_TIME) {
        TRY(deal(changes, e->change, n * e->n_steps, width, key, 0, (uint32_t)number, stream,
                 scratch));
    }
    for (int t = 0; t < e->n_steps && kind == ROLE_NULL_AGENTS; t++) {
        const ptrdiff_t at = (ptrdiff_t)t * n * width;
        TRY(deal(changes + at, e->change + at, n, width, key, (uint32_t)t, (uint32_t)number, stream,
                 scratch));
    }
    e->change = changes;
    return ERR_OK;
}

/* ---- silhouettes ---- */

enum err role_silhouettes(double *s, const double *d, const double *weight, int n, int k_max,
                          struct arena *scratch)
{
    const struct arena_mark mark = arena_mark(scratch);
    double *copy = ARENA_NEW(scratch, pair_count(n), double);
    struct merge *tree = ARENA_NEW(scratch, n, struct merge);
    int *label = ARENA_NEW(scratch, n, int);
    TRY(arena_error(scratch));
    if (n > 1) {
        memcpy(copy, d, pair_count(n) * sizeof *d);
    }
    TRY(linkage_make(tree, copy, weight, n, LINKAGE_AVERAGE, scratch));
    for (int k = 0; k <= k_max; k++) {
        s[k] = -1.0;
        if (k >= 2 && k <= n) {
            TRY(linkage_cut(label, tree, n, k, scratch));
            TRY(silhouette_of(&s[k], NULL, d, label, weight, n, k, scratch));
        }
    }
    arena_rewind(scratch, mark);
    return ERR_OK;
}

static enum err all_distances(double *d, double *weight, const struct sequences *q,
                              const struct distance_cfg *cfg, struct arena *scratch)
{
    double *row = ARENA_NEW(scratch, distance_scratch(q), double);
    TRY(arena_error(scratch));
    for (int i = 0; i < q->n_distinct; i++) {
        weight[i] = q->weight[i];
        for (int j = i + 1; j < q->n_distinct; j++) {
            d[pair_index(q->n_distinct, i, j)] = distance_of_pair(q, cfg, i, j, HUGE_VAL, row);
        }
    }
    return ERR_OK;
}

static enum err silhouettes_of_part(double *s, const struct trajectory_set *part,
                                    const struct role_cfg *cfg, struct arena *scratch)
{
    struct sequences q;
    TRY(sequences_init(&q, scratch, part, &cfg->steps));
    double *d = ARENA_NEW(scratch, pair_count(q.n_distinct), double);
    double *weight = ARENA_NEW(scratch, q.n_distinct, double);
    TRY(arena_error(scratch));
    TRY(all_distances(d, weight, &q, &cfg->distance, scratch));
    return role_silhouettes(s, d, weight, q.n_distinct, cfg->k_max, scratch);
}

enum err role_null_silhouettes(double *s, const struct trajectory_set *set,
                               const struct role_cfg *cfg, enum role_null kind, int draw,
                               struct arena *scratch)
{
    const struct arena_mark mark = arena_mark(scratch);
    const int wanted = cfg->null_trajectories / set->n_agents;
    const int n = wanted < 2 ? 2 : wanted;
    struct trajectory_set part = *set;
    part.n_episodes = n < set->n_episodes ? n : set->n_episodes;
    part.episodes = ARENA_NEW(scratch, part.n_episodes, struct analysed_episode);
    int *chosen = ARENA_NEW(scratch, part.n_episodes, int);
    TRY(arena_error(scratch));
    TRY(role_draw_sample(chosen, part.n_episodes, set->n_episodes, cfg->seed, STREAM_EPISODES,
                         scratch));
    for (int i = 0; i < part.n_episodes; i++) {
        part.episodes[i] = set->episodes[chosen[i]];
        if (kind != ROLE_OBSERVED) {
            TRY(shuffle_episode(&part.episodes[i], set, cfg, kind, draw, chosen[i], scratch));
        }
    }
    TRY(silhouettes_of_part(s, &part, cfg, scratch));
    arena_rewind(scratch, mark);
    return ERR_OK;
}

/* ---- the test ---- */

static double excess_of(const double *s, const double *mean, int k_max)
{
    double most = -HUGE_VAL;
    for (int k = 2; k <= k_max; k++) {
        most = s[k] - mean[k] > most ? s[k] - mean[k] : most;
    }
    return most;
}

/* A difference below `rounding` is none: equal teams whose sums ran in another order. */
void role_null_test(struct role_test *out, const double *observed, const double *shuffled, int n,
                    int k_max)
{
    const double rounding = 1e-12;
    memset(out, 0, sizeof *out);
    for (int k = 2; k <= k_max; k++) {
        double sum = observed[k];
        for (int r = 0; r < n; r++) {
            sum += shuffled[(ptrdiff_t)r * (k_max + 1) + k];
        }
        out->mean[k] = sum / (n + 1);
        int above = 0;
        for (int r = 0; r < n; r++) {
            above += shuffled[(ptrdiff_t)r * (k_max + 1) + k] >= observed[k] - rounding;
        }
        out->each[k] = (1.0 + above) / (1.0 + n);
    }
    const double t = excess_of(observed, out->mean, k_max);
    int hits = 0;
    for (int r = 0; r < n; r++) {
        hits += excess_of(shuffled + (ptrdiff_t)r * (k_max + 1), out->mean, k_max) >= t - rounding;
    }
    out->p = (1.0 + hits) / (1.0 + n);
}
