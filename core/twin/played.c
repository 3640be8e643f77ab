/* One network of queues plays episode after episode. See played.h. */
#include "core/twin/played.h"

#include "core/plant/schema.h"

#include <math.h>
#include <string.h>

struct player {
    struct dataset *d;
    struct fluid fluid;
    struct fluid_load *load; /* (net->n_steps) */
    int32_t *none;           /* (n_services) no change */
};

/* Scales as the period at `row` does, and lets pods start as the state at its end shows. */
static void scale(struct player *p, int row)
{
    struct fluid *f = &p->fluid;
    const struct features *s = p->d->features;
    const int n = s->n_services;
    const double seen_s = f->now + f->net->plant->period_s - f->lag_s;
    for (int i = 0; i < n; i++) {
        const struct service_cfg *cfg = &f->net->topology->cfg->services[i];
        const int wanted = f->services[i].desired + p->d->delta[(ptrdiff_t)row * n + i];
        fluid_scale(f, i,
                    wanted < cfg->min_replicas   ? cfg->min_replicas
                    : wanted > cfg->max_replicas ? cfg->max_replicas
                                                 : wanted);
    }
    fluid_pods_step(f); /* new pods exist, and have drawn their delays */
    for (int i = 0; i < n; i++) {
        const int at = state_service_at(i, SF_READY);
        if (dataset_known(p->d, row + 1, at)) {
            const float ready = p->d->state[((size_t)row + 1) * (size_t)s->n_state + (size_t)at];
            fluid_meet(f, i, (int)lroundf(ready), seen_s);
        }
    }
}

static void play_period(struct player *p, int row)
{
    struct dataset *d = p->d;
    const struct features *s = d->features;
    struct fluid *f = &p->fluid;
    float kpi[FEATURES_KPIS];
    for (int k = 0; k < f->net->n_steps; k++) {
        p->load[k] = (struct fluid_load){(double)d->load[row], 1.0};
    }
    scale(p, row);
    fluid_period(f, p->none, p->load);
    features_kpis(kpi, &f->truth, (double)d->load[row], f->net->plant->period_s);
    features_kpis_encode(kpi, s, f->state);
    features_answer(d->answer + (size_t)row * (size_t)s->n_answer, s, f->state, kpi);
}

static void play(struct player *p, int episode)
{
    struct dataset *d = p->d;
    const size_t n = (size_t)d->features->n_state;
    const struct dataset_episode *e = &d->episodes[episode];
    const struct episode_id id = {.seed = 1, .split = RNG_DEV, .env = (uint32_t)episode};
    fluid_begin(&p->fluid, &id, (double)d->load[e->first_row]);
    for (int row = e->first_row; row < e->first_row + e->n_steps; row++) {
        memcpy(d->played + (size_t)row * n, p->fluid.state, n * sizeof *d->played);
        play_period(p, row);
    }
    memcpy(d->played + ((size_t)e->first_row + (size_t)e->n_steps) * n, p->fluid.state,
           n * sizeof *d->played);
}

enum err played_fill(struct dataset *d, struct arena *arena, const struct fluid_net *net,
                     struct arena *scratch)
{
    const struct arena_mark mark = arena_mark(scratch);
    const struct features *s = d->features;
    struct player p = {.d = d};
    TRY(fluid_init(&p.fluid, scratch, net));
    p.load = ARENA_NEW(scratch, net->n_steps, struct fluid_load);
    p.none = ARENA_NEW(scratch, s->n_services, int32_t);
    TRY(arena_error(scratch));
    d->played = ARENA_NEW(arena, (size_t)d->n_rows * (size_t)s->n_state, float);
    d->answer = ARENA_NEW(arena, (size_t)d->n_rows * (size_t)s->n_answer, float);
    TRY(arena_error(arena));
    for (int i = 0; i < d->n_episodes; i++) {
        play(&p, i);
    }
    arena_rewind(scratch, mark);
    return ERR_OK;
}
