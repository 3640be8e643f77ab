/* ff: feed-forward staffing. Scales every service from the entry rate, before its own queue shows.
 *
 * The entry rate seen (lagged) plus `growth` times its rise over the last 10 s is expected at the
 * entries and staffed for (staffing.h): utilisation <= `utilisation`, response of a call <=
 * wait_share x latency_max. The largest plan of the last down_s is held, so that a dip does not
 * undo it; plans grow with the rate, so it fits the node, too.
 *
 * What a pod can do and how often a request calls a service, it is told (the topology's numbers,
 * times told_factors if it shall be told wrong), or it estimates both online (capacity.h). A
 * service without an estimate keeps its replicas.
 */
#include "core/controllers/ff.h"

#include "core/base/log.h"
#include "core/controllers/capacity.h"
#include "core/controllers/kinds.h"
#include "core/controllers/staffing.h"
#include "core/game/need.h"

#include "core/plant/schema.h"

#include <math.h>

struct ff {
    struct controller base;
    const struct ff_params *cfg;
    int window;      /* plans stored, decisions */
    int n_decisions; /* decisions so far */
    int *plans;      /* (window, n_services) ring */
    double *told;    /* (n_services) capacities it is told, calls/s of a pod */
    struct capacity measured;
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
    struct ff *f = (struct ff *)c;
    f->n_decisions = 0;
    capacity_clear(&f->measured);
}

/* The staffing of its utilisation and share, with what it believes of the services. */
static struct staffing_rule rule_of(struct ff *f, const float *state)
{
    struct staffing_rule rule =
        staffing_rule_of(f->base.env_setup, f->cfg->utilisation, f->cfg->wait_share);
    rule.pod_rps = f->told;
    if (f->cfg->capacity == FF_CAPACITY_MEASURED) {
        capacity_update(&f->measured, state);
        rule.visits = f->measured.visits;
        rule.pod_rps = f->measured.pod_rps;
    }
    return rule;
}

static bool knows(const struct ff *f, int service)
{
    return f->cfg->capacity == FF_CAPACITY_TOLD || capacity_known(&f->measured, service);
}

/* The expected rise is added to the measured rate; a fall is not extrapolated. */
static void ff_act(struct controller *c, int32_t *delta, const float *state)
{
    struct ff *f = (struct ff *)c;
    const int n = c->env_setup->topology.n_services;
    const double rise = (double)state[state_global_at(n, GF_ENTRY_DIFF)];
    const double rate = need_rate(state, n) + f->cfg->growth * (rise > 0 ? rise : 0);
    const struct staffing_rule rule = rule_of(f, state);
    staffing_plan(f->plans + (f->n_decisions % f->window) * n, c->env_setup, &rule, rate, NULL);
    f->n_decisions++;
    for (int s = 0; s < n; s++) {
        delta[s] = knows(f, s) ? held(f, s, n) - controller_desired(state, s) : 0;
    }
}

static const struct controller_ops ff_ops = {.reset = ff_reset, .act = ff_act};

static enum err ff_check(const char *label, const void *params, const struct topology_cfg *topology)
{
    const struct ff_params *cfg = params;
    if (cfg->n_told_factors == 0) {
        return ERR_OK;
    }
    if (cfg->capacity == FF_CAPACITY_MEASURED) {
        log_error("controller '%s': told_factors change the capacities that ff is told, but it "
                  "measures them; set capacity: told, or leave told_factors out",
                  label);
        return ERR_CONFIG;
    }
    if (cfg->n_told_factors != topology->n_services) {
        log_error("controller '%s': %d values in 'told_factors', the topology has %d services; "
                  "write one number for each: ff: {told_factors: [...]}",
                  label, cfg->n_told_factors, topology->n_services);
        return ERR_CONFIG;
    }
    return ERR_OK;
}

static enum err ff_make(struct controller **out, struct arena *arena,
                        const struct controller_setup *setup)
{
    const struct ff_params *cfg = setup->params;
    const struct env_setup *env_setup = setup->env_setup;
    const int window = 1 + (int)floor(cfg->down_s / env_setup->cfg.plant->period_s);
    struct ff *f = ARENA_NEW(arena, 1, struct ff);
    int *plans = ARENA_NEW(arena, window * env_setup->topology.n_services, int);
    double *told = ARENA_NEW(arena, env_setup->topology.n_services, double);
    TRY(arena_error(arena));
    for (int s = 0; s < env_setup->topology.n_services; s++) {
        const double factor = cfg->n_told_factors > 0 ? cfg->told_factors[s] : 1.0;
        told[s] = factor * env_setup->topology.pod_rps[s];
    }
    *f = (struct ff){
        .base = {.ops = &ff_ops}, .cfg = cfg, .window = window, .plans = plans, .told = told};
    TRY(capacity_init(&f->measured, arena, env_setup));
    *out = &f->base;
    return ERR_OK;
}

static const struct cfg_choice capacities[] = {
    {"told", FF_CAPACITY_TOLD, "those of the topology"},
    {"measured", FF_CAPACITY_MEASURED, "estimated online, from calls and CPU"},
    {NULL, 0, NULL},
};

static const struct cfg_field ff_fields[] = {
    STAFFING_FIELDS(struct ff_params),
    CFG_DOUBLE(struct ff_params, growth, "2", 0, 20, "", CFG_RESULT,
               "rise of the entry rate over 10 s that it expects again, so many times"),
    CFG_DOUBLE(struct ff_params, down_s, "60", 0, 3600, "s", CFG_RESULT,
               "holds the largest plan of this long"),
    CFG_ENUM(struct ff_params, capacity, "told", capacities, CFG_RESULT | CFG_LATER,
             "where it knows from what a pod can do and how often services are called"),
    CFG_LIST_DOUBLE(struct ff_params, told_factors, n_told_factors, "[]", 0, 256, 0.01, 100, "",
                    CFG_RESULT | CFG_LATER,
                    "on the capacity of a pod of each service that it is told; empty = 1"),
    CFG_RENAMED("ff_down_s", "down_s"),
    CFG_END,
};

static void ff_reads(uint8_t *columns, const void *params, const struct topology *topology)
{
    const struct ff_params *cfg = params;
    static const enum global_feature read[] = {GF_ENTRY_5S, GF_ENTRY_10S, GF_ENTRY_DIFF};
    for (size_t i = 0; i < sizeof read / sizeof *read; i++) {
        columns[state_global_at(topology->n_services, read[i])] = 1;
    }
    if (cfg->capacity == FF_CAPACITY_MEASURED) {
        capacity_reads(columns, topology);
    }
}

const struct controller_kind controller_ff = {
    .cfg = {"ff", "feed-forward: queueing-theory staffing from the entry rate", ff_fields,
            sizeof(struct ff_params)},
    .sweeps = true,
    .colour = "#009E73",
    .check = ff_check,
    .make = ff_make,
    .reads = ff_reads,
};
