/* ff: feed-forward staffing. Scales every service from the entry rate, before its own queue shows.
 *
 * The entry rate seen (lagged) plus `growth` times its rise over the last 10 s is expected at the
 * entries and staffed for (staffing.h): utilisation <= `utilisation`, response of a call <=
 * wait_share x latency_max. The largest plan of the last down_s is held, so that a dip does not
 * undo it; plans grow with the rate, so it fits the node, too.
 */
#include "core/controllers/ff.h"

#include "core/controllers/kinds.h"
#include "core/controllers/staffing.h"

#include "core/plant/schema.h"

#include <math.h>

struct ff {
    struct controller base;
    const struct ff_params *cfg;
    int window;      /* plans stored, decisions */
    int n_decisions; /* decisions so far */
    int *plans;      /* (window, n_services) ring */
};

/* The largest plan in the ring. Before it is full only the first n_decisions rows hold plans. */
static int held(const struct ff *f, int service, int n_services)
{
    const int n_plans = f->n_decisions < f->window ? f->n_decisions : f->window;
    int largest = 0;
    for (int i = 0; i < n_plans; i++) {
        const int plan = f->plans[i * n_services + service];
        largest = plan > largest ? plan : largest;
    }
    return largest;
}

static void ff_reset(struct controller *c, const struct episode_id *id,
                     const struct schedule *future)
{
    (void)id;
    (void)future;
    ((struct ff *)c)->n_decisions = 0;
}

/* The rate is the larger of the means over 5 s and 10 s: a rise counts at once, a dip only when the
 * longer mean falls. The expected rise is added; a fall is not extrapolated. */
static void ff_act(struct controller *c, int32_t *delta, const float *state)
{
    struct ff *f = (struct ff *)c;
    const int n = c->env_setup->topology.n_services;
    const double now = (double)state[state_global_at(n, GF_ENTRY_5S)];
    const double mean = (double)state[state_global_at(n, GF_ENTRY_10S)];
    const double rise = (double)state[state_global_at(n, GF_ENTRY_DIFF)];
    const double base = now > mean ? now : mean;
    const double rate = base + f->cfg->growth * (rise > 0 ? rise : 0);
    const struct staffing_rule rule =
        staffing_rule_of(c->env_setup, f->cfg->utilisation, f->cfg->wait_share);
    staffing_plan(f->plans + (f->n_decisions % f->window) * n, c->env_setup, &rule, rate, NULL);
    f->n_decisions++;
    for (int s = 0; s < n; s++) {
        delta[s] = held(f, s, n) - controller_desired(state, s);
    }
}

static const struct controller_ops ff_ops = {.reset = ff_reset, .act = ff_act};

static enum err ff_make(struct controller **out, struct arena *arena,
                        const struct controller_setup *setup)
{
    const struct ff_params *cfg = setup->params;
    const struct env_setup *env_setup = setup->env_setup;
    const int window = 1 + (int)floor(cfg->down_s / env_setup->cfg.plant->period_s);
    struct ff *f = ARENA_NEW(arena, 1, struct ff);
    int *plans = ARENA_NEW(arena, window * env_setup->topology.n_services, int);
    TRY(arena_error(arena));
    *f = (struct ff){.base = {.ops = &ff_ops}, .cfg = cfg, .window = window, .plans = plans};
    *out = &f->base;
    return ERR_OK;
}

static const struct cfg_field ff_fields[] = {
    STAFFING_FIELDS(struct ff_params),
    CFG_DOUBLE(struct ff_params, growth, "2", 0, 20, "", CFG_RESULT,
               "rise of the entry rate over 10 s that it expects again, so many times"),
    CFG_DOUBLE(struct ff_params, down_s, "60", 0, 3600, "s", CFG_RESULT,
               "holds the largest plan of this long"),
    CFG_RENAMED("ff_down_s", "down_s"),
    CFG_END,
};

static void ff_reads(uint8_t *columns, const struct topology *topology)
{
    static const enum global_feature read[] = {GF_ENTRY_5S, GF_ENTRY_10S, GF_ENTRY_DIFF};
    for (size_t i = 0; i < sizeof read / sizeof *read; i++) {
        columns[state_global_at(topology->n_services, read[i])] = 1;
    }
}

const struct controller_kind controller_ff = {
    .cfg = {"ff", "feed-forward: queueing-theory staffing from the entry rate", ff_fields,
            sizeof(struct ff_params)},
    .sweeps = true,
    .colour = "#009E73",
    .make = ff_make,
    .reads = ff_reads,
};
