/* Tabular Q-learning as a learner: what is not a network must fit behind the interface, too.
 *
 * For each agent, factor, what it sees (the first column of the row) and what it chose before
 * (which it carries as its state): one value for each choice. Choices are epsilon-greedy. An update
 * moves each value towards the mean of its targets in the batch, with momentum:
 *
 *   v = v / 2 + (mean target - Q) / 2,  Q = Q + lr v
 *
 * Besides v it remembers the return of the best sequence ever seen, as a learner would that keeps
 * episodes: the sum that finds it merges with a function of its own.
 */
#ifndef KARMA_TESTS_MPI_TABLE_H
#define KARMA_TESTS_MPI_TABLE_H

#include "core/marl/learner.h"
#include "mpi/train/source.h"

#include <math.h>
#include <string.h>

enum { TABLE_SEEN = 6 }; /* values of the column, cut to 0..5 */

struct table {
    struct learner base; /* first */
    struct weights w;    /* params: Q; global_state_stats: visits */
    struct reduce_shape shape;
    struct learner_batch batch;
    float *velocity, *best; /* parts: (n_params), (1) */
    void *total, *best_total;
    uint64_t counter;
};

/* The record of the second sum. */
struct table_best {
    float value;
    int32_t tile;
    char pad[56]; /* records are padded to 64 bytes */
};

static inline void table_keep_best(void *ctx, void *into, const void *left, const void *right)
{
    (void)ctx;
    const struct table_best *a = left, *b = right;
    const struct table_best kept = b->value > a->value ? *b : *a;
    memcpy(into, &kept, sizeof kept);
}

/* First of the K values of an agent and factor. */
static inline size_t table_at(const struct team_spec *spec, int agent, int factor, float seen,
                              float before)
{
    const int column = seen < 0.0F ? 0 : seen >= TABLE_SEEN ? TABLE_SEEN - 1 : (int)seen;
    const int last = (int)before; /* 0: nothing yet; else choice + 1 of factor 0 */
    const int state = (column * (spec->n_choices + 1) + last) * spec->n_agents + agent;
    return (size_t)(state * spec->n_factors + factor) * (size_t)spec->n_choices;
}

static inline size_t table_values(const struct team_spec *spec)
{
    return (size_t)(TABLE_SEEN * (spec->n_choices + 1) * spec->n_agents * spec->n_factors *
                    spec->n_choices);
}

static inline int table_greedy(const float *q, const uint32_t *mask, int n_choices)
{
    int best = -1;
    for (int k = 0; k < n_choices; k++) {
        if (mask_has(mask, k) && (best < 0 || q[k] > q[best])) {
            best = k;
        }
    }
    return best;
}

/* One factor: in one of four cases any allowed choice, else the best. */
static inline int table_choose(const struct table *t, const float *q, const uint32_t *mask,
                               const struct learner_view *v, int e, int draw)
{
    const int n = t->base.spec->n_choices;
    const struct rng_block r =
        rng_philox(v->key, env_draw(t->base.team) + (uint32_t)draw, v->step, v->update, v->gid[e]);
    int k = (int)rng_below(r.v[1], (uint32_t)n);
    while (r.v[0] % 4 == 0 && !mask_has(mask, k)) {
        k = (k + 1) % n;
    }
    return r.v[0] % 4 == 0 ? k : table_greedy(q, mask, n);
}

static inline void table_act(struct learner *l, int32_t *action, float *logp, float *state,
                             const struct learner_view *v)
{
    const struct table *t = (struct table *)l;
    const struct team_spec *s = l->spec;
    for (int i = 0; i < v->n * s->n_agents; i++) {
        const int e = i / s->n_agents, agent = i % s->n_agents;
        for (int f = 0; f < s->n_factors; f++) {
            const int at = i * s->n_factors + f;
            const float *q =
                t->w.params +
                table_at(s, agent, f, v->global_state[e * s->n_global_state], state[i]);
            action[at] = table_choose(t, q, v->mask + at * env_mask_words(s), v, e,
                                      agent * s->n_factors + f);
        }
        state[i] = (float)action[i * s->n_factors] + 1.0F;
        logp[i] = 0.0F;
    }
}

/* Sample (e, t) of an agent: target and visit into the record; `before` is what it carries. */
static inline void table_sample(const struct table *t, float *leaf, const struct block *b, int e,
                                int step, int agent, float before)
{
    const struct team_spec *s = t->base.spec;
    const size_t n = t->w.n_params;
    const int row = e * b->n_steps + step, i = row * s->n_agents + agent;
    const bool over = b->flag[row] != ENV_RUNNING;
    if (!over && step == b->n_steps - 1) {
        return; /* what follows is not in this block */
    }
    for (int f = 0; f < s->n_factors; f++) {
        const int at = i * s->n_factors + f;
        float target = b->reward[i];
        if (!over) {
            const int next = at + env_n_actions(s);
            const float carried = (float)b->action[i * s->n_factors] + 1.0F;
            const float *q =
                t->w.params +
                table_at(s, agent, f, b->global_state[(row + 1) * s->n_global_state], carried);
            target += 0.9F * q[table_greedy(q, b->mask + next * env_mask_words(s), s->n_choices)];
        }
        const size_t cell =
            table_at(s, agent, f, b->global_state[row * s->n_global_state], before) +
            (size_t)b->action[at];
        leaf[cell] += target;
        leaf[n + cell] += 1.0F;
    }
}

static inline void table_leaf(const struct table *t, float *leaf, const struct block *b)
{
    const struct team_spec *s = t->base.spec;
    for (int e = 0; e < b->n_env; e++) {
        for (int agent = 0; agent < s->n_agents; agent++) {
            float before = b->state[e * s->n_agents + agent];
            for (int step = 0; step < b->n_steps; step++) {
                const int row = e * b->n_steps + step;
                const int32_t push = b->action[(row * s->n_agents + agent) * s->n_factors];
                table_sample(t, leaf, b, e, step, agent, before);
                before = b->flag[row] == ENV_RUNNING ? (float)push + 1.0F : 0.0F;
            }
        }
    }
}

/* The best sum of rewards of an environment in the block. */
static inline struct table_best table_best_of(const struct team_spec *s, const struct block *b)
{
    struct table_best best = {.value = -HUGE_VALF, .tile = b->tile};
    for (int e = 0; e < b->n_env; e++) {
        float sum = 0.0F;
        for (int step = 0; step < b->n_steps; step++) {
            sum += b->reward[(e * b->n_steps + step) * s->n_agents];
        }
        best.value = sum > best.value ? sum : best.value;
    }
    return best;
}

static inline void table_move(struct table *t, const float *total, struct learn_stats *out)
{
    const size_t n = t->w.n_params;
    double moved = 0.0;
    for (size_t i = 0; i < n; i++) {
        const float visits = total[n + i];
        const float error = visits > 0.0F ? total[i] / visits - t->w.params[i] : 0.0F;
        t->velocity[i] = 0.5F * t->velocity[i] + 0.5F * error;
        t->w.params[i] += 0.2F * t->velocity[i];
        t->w.global_state_stats[i] += (double)visits;
        moved += fabs((double)t->velocity[i]);
    }
    out->columns[0] = moved;
}

static inline enum err table_learn(struct learner *l, struct block *blocks,
                                   const struct learn_args *args, struct learn_stats *out)
{
    struct table *t = (struct table *)l;
    const struct reducer *sum = &t->batch.sums[0], *best = &t->batch.sums[1];
    *out = (struct learn_stats){.entropy_agent = -1};
    for (int i = 0; i < t->batch.n_mine; i++) {
        void *leaf = sum->leaf(sum->ctx, blocks[i].tile);
        reduce_clear(&t->shape, leaf);
        table_leaf(t, reduce_floats(leaf), &blocks[i]);
        float *reward = reduce_floats(leaf) + 2 * t->w.n_params;
        for (int k = 0; k < blocks[i].n_env * blocks[i].n_steps * l->spec->n_agents; k++) {
            reward[0] += blocks[i].reward[k];
            reward[1] += 1.0F;
        }
        sum->leaf_done(sum->ctx, blocks[i].tile);
        const struct table_best mine = table_best_of(l->spec, &blocks[i]);
        memcpy(best->leaf(best->ctx, blocks[i].tile), &mine, sizeof mine);
        best->leaf_done(best->ctx, blocks[i].tile);
    }
    TRY(sum->total(sum->ctx, t->total));
    TRY(best->total(best->ctx, t->best_total));
    const float *total = reduce_floats(t->total), *reward = total + 2 * t->w.n_params;
    const float found = ((struct table_best *)t->best_total)->value;
    out->reward = (double)reward[0] / (double)reward[1];
    if (args->phase == LEARN_ALL) {
        table_move(t, total, out);
        *t->best = t->counter == 0 || found > *t->best ? found : *t->best;
        t->counter++;
    }
    out->columns[1] = (double)*t->best;
    t->w.version++;
    return ERR_OK;
}

static inline enum err table_prepare(struct learner *l, struct arena *arena,
                                     const struct learner_batch *batch)
{
    struct table *t = (struct table *)l;
    t->batch = *batch;
    t->velocity = ARENA_NEW(arena, t->w.n_params, float);
    t->best = ARENA_NEW(arena, 1, float);
    t->total = arena_alloc(arena, 1, l->sums[0].bytes);
    t->best_total = ARENA_NEW(arena, 1, struct table_best);
    TRY(arena_error(arena));
    l->parts[0].values = t->velocity;
    l->parts[1].values = t->best;
    l->counter = &t->counter;
    return ERR_OK;
}

static const char *const table_columns[] = {"moved", "best_return"};
static const struct learner_ops table_ops = {.name = "table",
                                             .n_columns = 2,
                                             .columns = table_columns,
                                             .act = table_act,
                                             .prepare = table_prepare,
                                             .learn = table_learn};

static inline enum err table_make(const void *ctx, struct learner **out, struct arena *arena,
                                  const struct team_spec *spec, int team, uint64_t seed,
                                  struct arena *scratch)
{
    (void)ctx;
    (void)seed;
    (void)scratch;
    struct table *t = ARENA_NEW(arena, 1, struct table);
    TRY(arena_error(arena));
    const size_t n = table_values(spec);
    *t = (struct table){.base = {.ops = &table_ops,
                                 .spec = spec,
                                 .team = team,
                                 .w = &t->w,
                                 .n_sums = 2,
                                 .n_parts = 2,
                                 .parts = {{.n = n}, {.n = 1}}},
                        .w = {.n_params = n, .n_global_state_stats = n},
                        .shape = {.n_floats = 2 * n + 2}};
    t->base.sums[0] =
        (struct learner_sum){reduce_bytes(&t->shape), reduce_merge, &t->shape, reduce_merge_part};
    t->base.sums[1] = (struct learner_sum){sizeof(struct table_best), table_keep_best, NULL, NULL};
    TRY(weights_init(&t->w, arena));
    *out = &t->base;
    return ERR_OK;
}

#endif
