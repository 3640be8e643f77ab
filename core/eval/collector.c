/* Rows are copied as they pass. See collector.h. */
#include "core/eval/collector.h"

#include "core/plant/schema.h"

#include <string.h>

enum err collector_init(struct collector *c, struct arena *arena, const struct env_setup *w,
                        const struct schedule *schedule)
{
    const int n = w->topology.n_services, horizon = w->cfg.horizon;
    *c = (struct collector){.env_setup = w, .schedule = schedule};
    c->state = ARENA_NEW(arena, (horizon + 1) * state_size(n), float);
    c->load = ARENA_NEW(arena, horizon, float);
    c->delta = ARENA_NEW(arena, horizon * n, int32_t);
    c->truth = ARENA_NEW(arena, horizon * PLANT_TRUTHS, double);
    return arena_error(arena);
}

static void keep_state(struct collector *c, int row, const float *state)
{
    const size_t n = (size_t)state_size(c->env_setup->topology.n_services);
    memcpy(c->state + (size_t)row * n, state, n * sizeof *state);
}

static void begin(void *ctx, const float *state)
{
    struct collector *c = ctx;
    c->n_steps = 0;
    keep_state(c, 0, state);
}

/* Row t + 1 of `state` is the state after decision t; all other rows t are of the period between.
 * The load is the number that a twin is driven by, to the bit (schedule_load()). */
static enum err see(void *ctx, const struct episode_step *step)
{
    struct collector *c = ctx;
    const size_t n = (size_t)c->env_setup->topology.n_services;
    const double period_s = c->env_setup->cfg.plant->period_s;
    CHECK(step->step == c->n_steps && c->n_steps < c->env_setup->cfg.horizon);
    const size_t row = (size_t)c->n_steps++;
    keep_state(c, c->n_steps, step->state);
    c->load[row] = (float)schedule_load(c->schedule, NULL, step->step, period_s);
    memcpy(c->delta + row * n, step->delta, n * sizeof *step->delta);
    memcpy(c->truth + row * PLANT_TRUTHS, step->truth, sizeof *step->truth);
    return ERR_OK;
}

struct episode_observer collector_observer(struct collector *c)
{
    return (struct episode_observer){.ctx = c, .begin = begin, .see = see};
}

/* A simulator measures everything, so there are no gaps; its attacks are part of the load. */
void collector_fill(struct store_episode *out, const struct collector *c)
{
    out->n_steps = c->n_steps;
    out->start_s = 0.0;
    out->state = c->state;
    out->delta = c->delta;
    out->attack = NULL;
    out->load = c->load;
    out->truth = c->truth;
    out->gaps = NULL;
}
