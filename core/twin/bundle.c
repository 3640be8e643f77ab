/* Trajectories side by side. See bundle.h. */
#include "core/twin/bundle.h"

#include <string.h>

static enum err init_networks(struct bundle *b, struct arena *arena)
{
    const int n_services = b->model->features.n_services;
    b->delta = ARENA_NEW(arena, b->n * n_services, int32_t);
    b->attack = ARENA_NEW(arena, b->n * STORE_ATTACK, int32_t);
    b->load = ARENA_NEW(arena, b->n, float);
    TRY(arena_error(arena));
    return twin_batch_init(&b->batch, arena, b->model, b->n);
}

static enum err init_queues(struct bundle *b, struct arena *arena, const struct plant_cfg *plant)
{
    const struct twin_model *m = b->model;
    const struct fluid_cfg cfg = twin_fluid_cfg(m->cfg);
    TRY(fluid_net_init(&b->net, arena, m->queueing, m->topology, plant, &cfg));
    b->fluids = ARENA_NEW(arena, b->n + 1, struct fluid);
    b->loads = ARENA_NEW(arena, b->net.n_steps, struct fluid_load);
    b->kpi = ARENA_NEW(arena, b->n * FEATURES_KPIS, float);
    TRY(arena_error(arena));
    for (int i = 0; i <= b->n; i++) {
        TRY(fluid_init(&b->fluids[i], arena, &b->net));
    }
    b->leader = &b->fluids[b->n];
    b->leader_row = -1;
    if (model_kind(m) != TWIN_RESIDUAL) {
        return ERR_OK;
    }
    b->load = ARENA_NEW(arena, b->n + 1, float);
    b->active = ARENA_NEW(arena, b->n + 1, uint8_t);
    TRY(arena_error(arena));
    return correction_init(&b->correction, arena, m, plant->period_s, b->n + 1);
}

enum err bundle_init(struct bundle *b, struct arena *arena, const struct twin_model *model,
                     const struct plant_cfg *plant, int n)
{
    *b = (struct bundle){.model = model, .n = n};
    return model->queueing != NULL ? init_queues(b, arena, plant) : init_networks(b, arena);
}

/* ---- beginning ---- */

/* Trajectory i: member i modulo the number of members, and i as the environment of its random
 * draws. The row stands for the episode, so bundles of different starts draw independently, and a
 * start gives the same bits whatever other starts are played. */
static struct twin_batch_id identity(const struct bundle *b, int i, int row, uint64_t seed)
{
    return (struct twin_batch_id){.key = rng_key(seed, RNG_TWIN, RNG_TEST_SPLIT),
                                  .env = (uint32_t)i,
                                  .episode = (uint32_t)row,
                                  .member = i % b->model->ensemble.n_members};
}

static void begin_networks(struct bundle *b, const struct dataset *d, int row, uint64_t seed)
{
    for (int i = 0; i < b->n; i++) {
        const struct twin_batch_id id = identity(b, i, row, seed);
        twin_batch_begin(&b->batch, i, &id, d, row);
    }
}

static void step_queue(struct bundle *b, struct fluid *f, const struct dataset *d, int row)
{
    for (int k = 0; k < b->net.n_steps; k++) {
        b->loads[k] = (struct fluid_load){(double)d->load[row], 1.0};
    }
    fluid_period(f, d->delta + (ptrdiff_t)row * d->features->n_services, b->loads);
}

/* What trajectories from .. to - 1 of a residual twin show of the period that began at `row`. */
static void correct(struct bundle *b, int from, int to, const struct dataset *d, int row)
{
    if (model_kind(b->model) != TWIN_RESIDUAL) {
        return;
    }
    for (int i = 0; i <= b->n; i++) {
        b->active[i] = from <= i && i < to;
        b->load[i] = d->load[row];
    }
    correction_step(&b->correction, b->fluids, b->load, b->active);
}

/* The bundle of a residual twin parts from its leader, too. */
static void part(struct bundle *b, int row, uint64_t seed)
{
    for (int i = 0; i < b->n; i++) {
        fluid_copy(&b->fluids[i], b->leader, (uint32_t)i);
        if (model_kind(b->model) == TWIN_RESIDUAL) {
            const struct twin_batch_id id = identity(b, i, row, seed);
            correction_copy(&b->correction, i, b->n, &id);
        }
    }
}

/* The leader goes on from where it stands, if that is in the same episode and not behind `row`. */
static void begin_queues(struct bundle *b, const struct dataset *d, int row, uint64_t seed)
{
    const int first = d->episodes[d->episode[row]].first_row;
    const struct episode_id id = {
        .seed = seed, .split = RNG_TEST_SPLIT, .env = (uint32_t)b->n, .episode = (uint32_t)first};
    if (b->leader_row < first || b->leader_row > row) {
        fluid_begin(b->leader, &id, (double)d->load[first]);
        b->leader_row = first;
        if (model_kind(b->model) == TWIN_RESIDUAL) {
            const struct twin_batch_id leads = identity(b, b->n, first, seed);
            correction_begin(&b->correction, b->n, &leads, b->leader, d->load[first]);
        }
    }
    for (; b->leader_row < row; b->leader_row++) {
        step_queue(b, b->leader, d, b->leader_row);
        correct(b, b->n, b->n + 1, d, b->leader_row);
    }
    part(b, row, seed);
}

void bundle_begin(struct bundle *b, const struct dataset *d, int row, uint64_t seed)
{
    if (b->model->queueing != NULL) {
        begin_queues(b, d, row, seed);
    } else {
        begin_networks(b, d, row, seed);
    }
}

/* ---- a step ---- */

static void step_networks(struct bundle *b, const struct dataset *d, int row)
{
    const int n = d->features->n_services;
    for (int i = 0; i < b->n; i++) {
        memcpy(b->delta + (ptrdiff_t)i * n, d->delta + (ptrdiff_t)row * n,
               (size_t)n * sizeof *b->delta);
        memcpy(b->attack + (ptrdiff_t)i * STORE_ATTACK, d->attack + (ptrdiff_t)row * STORE_ATTACK,
               STORE_ATTACK * sizeof *b->attack);
        b->load[i] = d->load[row];
    }
    twin_batch_step(&b->batch, b->delta, b->attack, b->load, NULL);
}

void bundle_step(struct bundle *b, const struct dataset *d, int row)
{
    if (b->model->queueing == NULL) {
        step_networks(b, d, row);
        return;
    }
    for (int i = 0; i < b->n; i++) {
        float *kpi = b->kpi + (ptrdiff_t)i * FEATURES_KPIS;
        step_queue(b, &b->fluids[i], d, row);
        features_kpis(kpi, &b->fluids[i].truth, (double)d->load[row], b->net.plant->period_s);
        features_kpis_encode(kpi, &b->model->features, b->fluids[i].state);
    }
    correct(b, 0, b->n, d, row);
}
