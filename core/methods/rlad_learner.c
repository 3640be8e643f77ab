/* Rlad-core behind the interface of learners. See rlad_learner.h. */
#include "core/methods/rlad_learner.h"

#include "core/base/fmath.h"
#include "core/base/log.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

struct rlad_learner {
    struct learner base; /* first */
    const struct rlad_cfg *cfg;
    struct rlad rlad; /* its tables lie in w.global_state_stats */
    struct weights w;
    struct learner_batch batch;
    bool learns;
    int n_env, n_steps;
    size_t n_record;  /* model-based: doubles of a record, those of rlad_record() and 2 more */
    size_t tile_size; /* else: bytes of a tile in a record */
    int n_tiles;
    void *total;
    struct rng_key replays;
    const char *fault;
};

static struct rlad_learner *self(struct learner *l)
{
    return (struct rlad_learner *)l;
}

static const struct rlad_learner *self_const(const struct learner *l)
{
    return (const struct rlad_learner *)l;
}

static bool is_model_based(const struct rlad_learner *l)
{
    return l->cfg->algorithm == RLAD_MODEL_BASED;
}

/* ---- acting ---- */

static int count_bits(uint32_t mask)
{
    return (int)((mask & 1U) + ((mask >> 1) & 1U) + ((mask >> 2) & 1U));
}

/* The i-th choice of a mask. */
static int choice_at(uint32_t mask, int i)
{
    int c = 0;
    for (;; c++) {
        if (((mask >> c) & 1U) != 0 && i-- == 0) {
            return c;
        }
    }
}

/* epsilon-greedy: with probability epsilon one of the n open choices, each as likely, the best one
 * included; else the best. So p(best) = 1 - epsilon + epsilon / n, and epsilon / n of any other. */
static int choose(float *logp, const float *q, uint32_t mask, double epsilon, struct rng_block v)
{
    const int n = count_bits(mask), best = rlad_greedy(q, mask);
    const bool random = (double)rng_f32(v.v[0]) < epsilon;
    const int c = random ? choice_at(mask, (int)rng_below(v.v[1], (uint32_t)n)) : best;
    *logp = fm_logf((float)(c == best ? 1.0 - epsilon + epsilon / n : epsilon / n));
    return c;
}

/* Share of random choices of row e: rlad_learner.h. A policy that is played with its choices drawn
 * stands at the end of its training, where 1 / t is about 0. */
static double epsilon_of(const struct rlad_learner *l, const struct learner_view *v, int e)
{
    if (!l->learns && l->cfg->exploration == RLAD_DECAYING) {
        return 0.0;
    }
    const double round = (double)v->update * l->n_steps + v->step;
    return rlad_epsilon(l->cfg, round * l->n_env + v->gid[e] + 1.0);
}

static void act(struct learner *base, int32_t *action, float *logp, float *state,
                const struct learner_view *v)
{
    const struct rlad_learner *l = self(base);
    const int n_services = l->rlad.n_services;
    const bool explores = l->cfg->algorithm != RLAD_MODEL_BASED && !v->greedy;
    (void)state;
    for (int e = 0; e < v->n; e++) {
        const float *row = v->global_state + (size_t)e * (size_t)base->spec->n_global_state;
        const double epsilon = explores ? epsilon_of(l, v, e) : 0.0;
        for (int s = 0; s < n_services; s++, row += RLAD_COLUMNS) {
            const struct rlad_service *service = &l->rlad.services[s];
            const int at = e * n_services + s;
            const int where = rlad_state(service, (int)row[RLAD_REPLICAS], (int)row[RLAD_BIN]);
            struct rng_block draw = {{0}};
            if (explores) {
                draw = rng_philox(v->key, env_draw(base->team) + (uint32_t)s, v->step, v->update,
                                  v->gid[e]);
            }
            action[at] = choose(&logp[at], l->w.params + rlad_pair(service, where, 0),
                                v->mask[at] & 7U, epsilon, draw);
        }
    }
}

/* ---- transitions of a block ---- */

/* What row (e, t) says of a service; false: nothing, the episode has just begun. */
static bool step_of(struct rlad_step *out, const struct rlad_learner *l, const struct block *b,
                    int row, int service)
{
    const size_t n = (size_t)l->base.spec->n_global_state;
    const float *x = b->global_state + (size_t)row * n + (size_t)(service * RLAD_COLUMNS);
    const struct rlad_service *s = &l->rlad.services[service];
    if (x[RLAD_REPLICAS_BEFORE] <= 0.0F) {
        return false;
    }
    *out = (struct rlad_step){
        .service = service,
        .state = rlad_state(s, (int)x[RLAD_REPLICAS_BEFORE], (int)x[RLAD_BIN_BEFORE]),
        .choice = (int)x[RLAD_CHOICE],
        .next = rlad_state(s, (int)x[RLAD_REPLICAS], (int)x[RLAD_BIN]),
        .unknown = (double)x[RLAD_UNKNOWN_COST]};
    return true;
}

static double sum_rewards(const struct block *b, int n_services)
{
    double sum = 0.0;
    for (int i = 0; i < b->n_env * b->n_steps * n_services; i++) {
        sum += (double)b->reward[i];
    }
    return sum;
}

static double count_rewards(const struct block *b, int n_services)
{
    return (double)b->n_env * b->n_steps * n_services;
}

/* ---- records of counts ---- */

/* The model is learned from counts and sums of costs. These add, so a record of a tile says all
 * that the tile saw, and neither the order of its rows nor who owns it matters. */

static void fill_counts(const struct rlad_learner *l, double *record, const struct block *b)
{
    struct rlad_step step;
    memset(record, 0, l->base.sums[0].bytes);
    for (int row = 0; row < b->n_env * b->n_steps; row++) {
        for (int s = 0; s < l->rlad.n_services; s++) {
            if (step_of(&step, l, b, row, s)) {
                rlad_record(&l->rlad, record, &step);
            }
        }
    }
    record[l->n_record - 2] = sum_rewards(b, l->rlad.n_services);
    record[l->n_record - 1] = count_rewards(b, l->rlad.n_services);
}

static void add_part(void *ctx, void *into, const void *left, const void *right, size_t from,
                     size_t to)
{
    const double *a = left, *b = right;
    double *sum = into;
    (void)ctx;
    for (size_t i = 0; i < (to - from) / sizeof *sum; i++) {
        sum[i] = a[i] + b[i];
    }
}

static void add(void *ctx, void *into, const void *left, const void *right)
{
    const struct rlad_learner *l = ctx;
    add_part(ctx, into, left, right, 0, l->base.sums[0].bytes);
}

static void learn_counts(struct rlad_learner *l, struct learn_stats *out, bool learns)
{
    const double *record = l->total;
    out->reward = record[l->n_record - 2] / record[l->n_record - 1];
    if (learns) {
        rlad_learn(&l->rlad, record, l->cfg->sweeps * l->n_steps);
    }
}

/* ---- records of transitions ---- */

/* Q-learning moves a value with each transition, so the order matters and sums do not do. A record
 * has room for all tiles; merging puts tiles together, and every rank then learns from the same
 * stream in the same order. */

struct transition {
    int16_t choice, state, next; /* choice -1: none */
    int16_t unused;              /* 0 */
    float unknown;
};
_Static_assert(sizeof(struct transition) == RLAD_TRANSITION_BYTES, "as the header says");

/* A tile in a record. filled 0: it is not in this one, and nothing else of it was written. */
struct tile {
    uint32_t filled, unused;
    double reward, n_rewards;        /* sum of all rewards, and how many there are */
    struct transition transitions[]; /* (n_env, n_steps, n_services) */
};

static struct tile *tile_at(const struct rlad_learner *l, void *record, int tile)
{
    return (struct tile *)(void *)((char *)record + (size_t)tile * l->tile_size);
}

static void fill_transitions(const struct rlad_learner *l, void *record, const struct block *b)
{
    const int n_services = l->rlad.n_services;
    for (int i = 0; i < l->n_tiles; i++) {
        tile_at(l, record, i)->filled = 0;
    }
    struct tile *t = tile_at(l, record, b->tile);
    memset(t, 0, l->tile_size);
    t->filled = 1;
    t->reward = sum_rewards(b, n_services);
    t->n_rewards = count_rewards(b, n_services);
    for (int i = 0; i < b->n_env * b->n_steps * n_services; i++) {
        struct rlad_step step = {.choice = -1};
        (void)step_of(&step, l, b, i / n_services, i % n_services);
        t->transitions[i] = (struct transition){.choice = (int16_t)step.choice,
                                                .state = (int16_t)step.state,
                                                .next = (int16_t)step.next,
                                                .unknown = (float)step.unknown};
    }
}

/* No tile is in both. */
static void put_together(void *ctx, void *into, const void *left, const void *right)
{
    const struct rlad_learner *l = ctx;
    for (int i = 0; i < l->n_tiles; i++) {
        const size_t at = (size_t)i * l->tile_size;
        const struct tile *a = (const void *)((const char *)left + at);
        const struct tile *b = (const void *)((const char *)right + at);
        const struct tile *from = b->filled != 0 ? b : a;
        struct tile *to = (void *)((char *)into + at);
        if (to == from) {
            continue;
        }
        memcpy(to, from, from->filled != 0 ? l->tile_size : sizeof from->filled);
    }
}

static void learn_transition(struct rlad_learner *l, const struct tile *t, int row, int service,
                             uint32_t draw)
{
    const struct transition *x = &t->transitions[row * l->rlad.n_services + service];
    if (x->choice < 0) {
        return;
    }
    const struct rlad_step step = {.service = service,
                                   .state = x->state,
                                   .choice = x->choice,
                                   .next = x->next,
                                   .unknown = (double)x->unknown};
    rlad_learn_step(&l->rlad, &step, l->replays, draw, l->w.version);
}

/* (decision, environment, service) */
static void learn_stream(struct rlad_learner *l)
{
    for (int t = 0; t < l->n_steps; t++) {
        for (int env = 0; env < l->n_env; env++) {
            const struct tile *tile = tile_at(l, l->total, env / TILE);
            for (int s = 0; s < l->rlad.n_services; s++) {
                learn_transition(l, tile, env % TILE * l->n_steps + t, s,
                                 (uint32_t)(env * l->n_steps + t));
            }
        }
    }
}

static void learn_transitions(struct rlad_learner *l, struct learn_stats *out, bool learns)
{
    double sum = 0.0, n = 0.0;
    for (int i = 0; i < l->n_tiles; i++) {
        sum += tile_at(l, l->total, i)->reward;
        n += tile_at(l, l->total, i)->n_rewards;
    }
    out->reward = sum / n;
    if (learns) {
        learn_stream(l);
    }
}

/* ---- an update ---- */

/* In the order of columns[]. params: the Q of before. */
static void tell(const struct rlad_learner *l, struct learn_stats *out)
{
    const struct rlad *r = &l->rlad;
    double moved = 0.0;
    int seen = 0;
    for (size_t i = 0; i < r->n_pairs; i++) {
        const double by = fabs(r->q[i] - (double)l->w.params[i]);
        moved = by > moved || isnan(by) ? by : moved;
    }
    for (int i = 0; i < r->n_states; i++) {
        seen += r->visits[i] > 0.0 ? 1 : 0;
    }
    out->columns[0] = moved;
    out->columns[1] = (double)seen / r->n_states;
}

static enum err learn(struct learner *base, struct block *blocks, const struct learn_args *args,
                      struct learn_stats *out)
{
    struct rlad_learner *l = self(base);
    const struct reducer *sum = &l->batch.sums[0];
    const bool learns = args->phase == LEARN_ALL;
    *out = (struct learn_stats){.entropy_agent = -1};
    for (int i = 0; i < l->batch.n_mine; i++) {
        void *leaf = sum->leaf(sum->ctx, blocks[i].tile);
        if (is_model_based(l)) {
            fill_counts(l, leaf, &blocks[i]);
        } else {
            fill_transitions(l, leaf, &blocks[i]);
        }
        sum->leaf_done(sum->ctx, blocks[i].tile);
    }
    TRY(sum->total(sum->ctx, l->total));
    if (is_model_based(l)) {
        learn_counts(l, out, learns);
    } else {
        learn_transitions(l, out, learns);
    }
    tell(l, out);
    for (size_t i = 0; i < l->rlad.n_pairs; i++) {
        l->w.params[i] = (float)l->rlad.q[i];
    }
    l->w.version++;
    if (!weights_finite(&l->w)) {
        l->fault = "a value of a table";
        log_error("after an update of rlad a value of a table is no finite number");
        return ERR_NUMERIC;
    }
    return ERR_OK;
}

static const char *fault(const struct learner *l)
{
    return self_const(l)->fault;
}

static void advise(const struct learner *base, char text[LEARNER_TEXT], enum learner_trouble what)
{
    if (what == LEARNER_NOT_FINITE) {
        (void)snprintf(text, LEARNER_TEXT,
                       "train anew with smaller weights of the costs: --restart --set "
                       "method.rlad.lateness=%g",
                       self_const(base)->cfg->lateness / 10);
    }
}

static enum err prepare(struct learner *base, struct arena *arena,
                        const struct learner_batch *batch)
{
    struct rlad_learner *l = self(base);
    CHECK(is_model_based(l) || (batch->n_env == l->n_env && batch->n_steps == l->n_steps));
    l->batch = *batch;
    l->n_steps = batch->n_steps;
    l->total = arena_alloc(arena, 1, base->sums[0].bytes);
    return arena_error(arena);
}

/* ---- building ---- */

static const char *const columns[] = {"q_moved", "states_seen"};
static const struct learner_ops learner_ops = {
    .name = "rlad",
    .n_columns = sizeof columns / sizeof *columns,
    .columns = columns,
    .act = act,
    .prepare = prepare,
    .learn = learn,
    .fault = fault,
    .advise = advise,
};
static const struct learner_ops player_ops = {.name = "rlad player", .act = act};

static size_t padded(size_t bytes)
{
    return (bytes + MEM_ALIGN - 1) / MEM_ALIGN * MEM_ALIGN;
}

static void describe_sum(struct rlad_learner *l)
{
    struct learner_sum *sum = &l->base.sums[0];
    const size_t n_rows = (size_t)TILE * (size_t)l->n_steps * (size_t)l->rlad.n_services;
    l->n_record = rlad_record_doubles(&l->rlad) + 2;
    l->n_tiles = (l->n_env + TILE - 1) / TILE;
    l->tile_size = padded(sizeof(struct tile) + n_rows * sizeof(struct transition));
    *sum = is_model_based(l)
               ? (struct learner_sum){padded(l->n_record * sizeof(double)), add, l, add_part}
               : (struct learner_sum){(size_t)l->n_tiles * l->tile_size, put_together, l, NULL};
    l->base.n_sums = 1;
}

enum err rlad_learner_new(struct learner **out, struct arena *arena, const struct rlad_plan *plan,
                          uint64_t seed)
{
    const struct rlad_interface *i = plan->interface;
    struct rlad_learner *l = ARENA_NEW(arena, 1, struct rlad_learner);
    TRY(arena_error(arena));
    *l = (struct rlad_learner){.base = {.ops = plan->learns ? &learner_ops : &player_ops,
                                        .spec = &i->spec,
                                        .team = plan->team,
                                        .w = &l->w},
                               .cfg = i->cfg,
                               .learns = plan->learns,
                               .n_env = plan->n_env,
                               .n_steps = plan->n_steps,
                               .replays = rng_key(seed, RNG_MINIBATCH, RNG_TRAIN),
                               .fault = ""};
    TRY(rlad_init(&l->rlad, arena, i->cfg, i->services, i->n_services));
    l->w.n_params = l->rlad.n_pairs;
    l->w.n_global_state_stats = rlad_doubles(&l->rlad);
    TRY(weights_init(&l->w, arena));
    rlad_bind(&l->rlad, l->w.global_state_stats);
    rlad_clear(&l->rlad);
    if (plan->learns) {
        describe_sum(l);
    }
    *out = &l->base;
    return ERR_OK;
}

const struct rlad *rlad_of(const struct learner *l)
{
    return l->ops == &learner_ops || l->ops == &player_ops ? &self_const(l)->rlad : NULL;
}
