/* mpc: a planner. At each decision it searches the replicas of the next `horizon` decisions for the
 * plan that a queueing twin likes best, carries out the first step, and plans anew.
 *
 * State. How many calls each pod holds is not measured. As when a bundle starts from a recorded
 * state (core/twin/bundle.h), the twin plays what was decided and offered since the episode began,
 * and stands where the cluster does. It is told what is measured, which at a decision ends lag_s
 * before it. So one twin, `settled`, stands at the decision before this one and has played measured
 * loads alone; a copy of it, `now`, plays the period in between, the end of which is extrapolated.
 *
 * Load. From the measured means over 5 s and 10 s and the rise from the 10 s before (all of them
 * end lag_s before the decision), at a time u (s; 0 = the decision):
 *
 *   u < -lag_s - 10    mean of the 10 s before the last 10 s
 *   u < -lag_s - 5     2 x mean over 10 s - mean over 5 s
 *   u < -lag_s         mean over 5 s
 *   else               max of both + max(0, rise) / 10 x min(u + lag_s, 10 growth)
 *
 * A rise goes on for `growth` times 10 s, as ff expects it; a fall is not extrapolated.
 *
 * Search. Cross-entropy (cross_entropy.h) over horizon x services numbers of replicas, `samples` x
 * `iterations` plans, each played by a copy of `now`; noise is 0 and start-ups take their mean, so
 * a score is a function of the plan. The first population holds the rest of the last plan, no
 * change, and stationary staffings (staffing.h) of the forecast for several utilisations.
 *
 * Score. The sum over the horizon of
 *
 *   slo - cost x requested CPU / node CPU
 *
 * (slo: core/plant/reward.h). Its frontier is the sweep of `cost`. Demands, visits, capacities,
 * start-up and lag are the twin's, which were fitted to traces. Crashes and slow-downs are not
 * seen.
 */
#include "core/base/log.h"
#include "core/controllers/cross_entropy.h"
#include "core/controllers/kinds.h"
#include "core/controllers/staffing.h"
#include "core/plant/reward.h"
#include "core/plant/schema.h"
#include "core/twin/fluid.h"

#include <math.h>
#include <string.h>

/* Periods that the twin passes at rest when an episode begins with other replicas than the
 * topology's. OTHER_ENV keeps draws apart from those of a plant that is the same twin. */
enum { SETTLING = 4, STAFFINGS = 10, FIRST = STAFFINGS + 2 };
static const uint32_t OTHER_ENV = 0x80000000U;
/* Steps of its twin: longer ones than training takes, at half the CPU. */
static const double STEP_S = 1.0;

struct mpc_params {
    int horizon, samples, iterations;
    double elites, rho, spread; /* of the search */
    double growth, cost;
    int step; /* largest change of a service at one decision of a plan; 0 = none */
};

struct mpc {
    struct controller base;
    const struct mpc_params *cfg;
    double cost;
    int n;
    struct fluid_net net;
    struct fluid settled, now, trial;
    struct fluid_load *load; /* (horizon, net.n_steps) */
    struct cross_entropy search;
    int *bounds;              /* (2, n) least and most replicas */
    int *asked;               /* (2, n) at the last decision, and at the one before it */
    int *first;               /* (FIRST, horizon, n) plans */
    int32_t *delta;           /* (n) */
    double *visits, *pod_rps; /* (n) the twin's */
    struct episode_id id;
    struct rng_key key;
    int n_decisions;
};

/* ---- load ---- */

/* What is measured of the entries. */
struct entry {
    double last_5s, last_10s, rise, lag_s;
};

static struct entry entry_of(const struct mpc *m, const float *state)
{
    return (struct entry){.last_5s = (double)state[state_global_at(m->n, GF_ENTRY_5S)],
                          .last_10s = (double)state[state_global_at(m->n, GF_ENTRY_10S)],
                          .rise = (double)state[state_global_at(m->n, GF_ENTRY_DIFF)],
                          .lag_s = m->settled.lag_s};
}

static double load_at(const struct mpc *m, const struct entry *e, double u_s)
{
    const double since = u_s + e->lag_s;
    const double seen = since < -10.0  ? e->last_10s - e->rise
                        : since < -5.0 ? 2.0 * e->last_10s - e->last_5s
                                       : e->last_5s;
    const double rise = e->rise > 0.0 ? 0.1 * e->rise : 0.0;
    const double ahead = fmax(e->last_5s, e->last_10s) + rise * fmin(since, 10.0 * m->cfg->growth);
    return fmax(0.0, since < 0.0 ? seen : ahead);
}

/* The loads of n_periods from the one on that begins at `from_s`. */
static void set_load(struct mpc *m, const struct entry *e, double from_s, int n_periods)
{
    for (int k = 0; k < n_periods * m->net.n_steps; k++) {
        m->load[k] = (struct fluid_load){load_at(m, e, from_s + (k + 0.5) * m->net.dt), 1.0};
    }
}

/* ---- where the cluster stands ---- */

static void play(struct mpc *m, struct fluid *f, const int *from, const int *to)
{
    for (int s = 0; s < m->n; s++) {
        m->delta[s] = to[s] - from[s];
    }
    fluid_period(f, m->delta, m->load);
}

/* An episode begins: what is measured has been so for long. */
static void begin(struct mpc *m, const struct entry *e, const int *desired)
{
    const struct topology_cfg *t = m->base.env_setup->cfg.topology;
    const struct entry rest = {e->last_10s, e->last_10s, 0.0, e->lag_s};
    struct episode_id id = m->id;
    bool differs = false;
    id.env ^= OTHER_ENV;
    id.split = RNG_TEST_SPLIT; /* the parameters at their values */
    fluid_begin(&m->settled, &id, e->last_10s);
    m->settled.start_sd_s = 0.0;
    set_load(m, &rest, 0.0, 1);
    for (int s = 0; s < m->n; s++) {
        m->asked[s] = t->services[s].initial_replicas;
        differs = differs || m->asked[s] != desired[s];
    }
    for (int i = 0; differs && i < SETTLING; i++) {
        play(m, &m->settled, i == 0 ? m->asked : desired, desired);
    }
    fluid_copy(&m->now, &m->settled, id.env);
}

/* asked: at the last decision and, behind it, at the one before. A change of `desired` since the
 * last decision was carried out then. */
static void follow(struct mpc *m, const struct entry *e, const int *desired)
{
    const double period_s = m->base.env_setup->cfg.plant->period_s;
    const int *last = m->asked, *before = m->asked + m->n;
    if (m->n_decisions > 1) {
        set_load(m, e, -2.0 * period_s, 1);
        play(m, &m->settled, before, last);
    }
    fluid_copy(&m->now, &m->settled, m->settled.id.env);
    set_load(m, e, -period_s, 1);
    play(m, &m->now, last, desired);
}

static void remember(struct mpc *m, const int *desired)
{
    memcpy(m->asked + m->n, m->asked, (size_t)m->n * sizeof *m->asked);
    memcpy(m->asked, desired, (size_t)m->n * sizeof *m->asked);
}

/* ---- plans ---- */

/* What a plan asks for at one of its decisions, after `current`. */
static int target(const struct mpc *m, int current, int planned)
{
    const int step = m->cfg->step > 0 ? m->cfg->step : INT32_MAX / 2;
    return planned > current + step   ? current + step
           : planned < current - step ? current - step
                                      : planned;
}

static double score(void *ctx, const int *plan)
{
    struct mpc *m = ctx;
    const struct env_setup *w = m->base.env_setup;
    double sum = 0.0;
    fluid_copy(&m->trial, &m->now, m->now.id.env);
    for (int k = 0; k < m->cfg->horizon; k++) {
        struct reward_terms r;
        for (int s = 0; s < m->n; s++) {
            const int current = m->trial.services[s].desired;
            m->delta[s] = target(m, current, plan[k * m->n + s]) - current;
        }
        fluid_period(&m->trial, m->delta, m->load + (ptrdiff_t)k * m->net.n_steps);
        reward_of(&r, &m->trial.truth, w->cfg.plant, w->cfg.topology->node_cpu_m,
                  w->cfg.workload->mean_rps);
        sum += r.slo - m->cost * r.cost;
    }
    return sum;
}

/* Stationary staffings of the load at the decision and at the end of the horizon. */
static void set_staffings(struct mpc *m, const struct entry *e, int *plans)
{
    static const double utilisation[STAFFINGS / 2] = {0.5, 0.6, 0.7, 0.8, 0.9};
    const struct env_setup *w = m->base.env_setup;
    const double end_s = m->cfg->horizon * w->cfg.plant->period_s;
    const int size = m->cfg->horizon * m->n;
    for (int i = 0; i < STAFFINGS; i++, plans += size) {
        struct staffing_rule rule = staffing_rule_of(w, utilisation[i / 2], 1.0);
        rule.visits = m->visits;
        rule.pod_rps = m->pod_rps;
        staffing_plan(plans, w, &rule, load_at(m, e, i % 2 == 0 ? 0.0 : end_s), NULL);
        for (int k = m->n; k < size; k++) {
            plans[k] = plans[k - m->n];
        }
    }
}

/* The rest of the last plan, whose last step goes on; without one, no change. Then no change, then
 * staffings. The means of the search begin at the first of them. */
static void set_first(struct mpc *m, const struct entry *e, const int *desired)
{
    const int size = m->cfg->horizon * m->n;
    for (int k = 0; k < size; k++) {
        const int later = k + m->n < size ? k + m->n : k;
        const int clipped = controller_clip(m->base.env_setup, k % m->n, desired[k % m->n]);
        m->first[k] = m->n_decisions > 0 ? m->search.best[later] : clipped;
        m->first[size + k] = clipped;
    }
    set_staffings(m, e, m->first + 2 * (ptrdiff_t)size);
    for (int k = 0; k < size; k++) {
        m->search.mean[k] = m->first[k];
        m->search.sd[k] = m->cfg->spread;
    }
}

/* ---- the controller ---- */

static void mpc_reset(struct controller *c, const struct episode_id *id,
                      const struct schedule *future)
{
    struct mpc *m = (struct mpc *)c;
    (void)future;
    m->id = *id;
    m->key = rng_key(id->seed, RNG_PLAN, id->split);
    m->n_decisions = 0;
}

static void mpc_act(struct controller *c, int32_t *delta, const float *state)
{
    struct mpc *m = (struct mpc *)c;
    const struct entry e = entry_of(m, state);
    const struct cross_entropy_draws draws = {m->key, (uint32_t)m->n_decisions, m->id.episode,
                                              m->id.env};
    int *desired = m->first + (ptrdiff_t)FIRST * m->cfg->horizon * m->n;
    for (int s = 0; s < m->n; s++) {
        desired[s] = controller_desired(state, s);
    }
    if (m->n_decisions == 0) {
        begin(m, &e, desired);
    } else {
        follow(m, &e, desired);
    }
    set_load(m, &e, 0.0, m->cfg->horizon);
    set_first(m, &e, desired);
    cross_entropy_run(&m->search, m->first, FIRST, score, m, &draws);
    for (int s = 0; s < m->n; s++) {
        delta[s] = target(m, desired[s], m->search.best[s]) - desired[s];
    }
    remember(m, desired);
    m->n_decisions++;
}

static const struct controller_ops mpc_ops = {.reset = mpc_reset, .act = mpc_act};

/* ---- making ---- */

static enum err mpc_check(const char *label, const void *params,
                          const struct topology_cfg *topology)
{
    const struct mpc_params *cfg = params;
    (void)topology;
    if (ceil(cfg->elites * cfg->samples) >= cfg->samples) {
        log_error("controller '%s': elites %g of %d samples are all of them, so that nothing is "
                  "chosen; lower elites or raise samples",
                  label, cfg->elites, cfg->samples);
        return ERR_CONFIG;
    }
    return ERR_OK;
}

static enum err check_twin(const char *label, const struct env_setup *w)
{
    if (w->twin == NULL) {
        log_error("controller '%s': mpc plans in a queueing twin, and there is none; name one with "
                  "--set twin.kind=queueing --set twin.file=FILE, which karma twin fit makes",
                  label);
        return ERR_CONFIG;
    }
    if (w->twin->queueing == NULL) {
        log_error("controller '%s': mpc plans in a queueing twin, and %s is a twin of networks; "
                  "fit one with twin.kind: queueing",
                  label, w->cfg.twin->file);
        return ERR_CONFIG;
    }
    return ERR_OK;
}

/* Of the twin: what a service is called, and what a pod can do at full use of its CPU request. */
static void set_capacities(struct mpc *m, const struct queueing *q, const struct topology *t)
{
    for (int s = 0; s < m->n; s++) {
        m->visits[s] = q->params[queueing_at_service(s, QUEUEING_VISITS)].value;
        m->pod_rps[s] = t->cfg->services[s].cpu_m * 1e-3 /
                        q->params[queueing_at_service(s, QUEUEING_DEMAND)].value;
        m->bounds[s] = t->cfg->services[s].min_replicas;
        m->bounds[m->n + s] = t->cfg->services[s].max_replicas;
    }
}

static enum err init_twins(struct mpc *m, struct arena *arena, const struct env_setup *w)
{
    const struct fluid_cfg still = {.noise = 0.0};
    TRY(fluid_net_init(&m->net, arena, w->twin->queueing, &w->topology, w->cfg.plant, &still));
    m->net.n_steps = (int)ceil(w->cfg.plant->period_s / STEP_S - 1e-9);
    m->net.dt = w->cfg.plant->period_s / m->net.n_steps;
    TRY(fluid_init(&m->settled, arena, &m->net));
    TRY(fluid_init(&m->now, arena, &m->net));
    TRY(fluid_init(&m->trial, arena, &m->net));
    m->load = ARENA_NEW(arena, m->cfg->horizon * m->net.n_steps, struct fluid_load);
    return arena_error(arena);
}

static enum err mpc_make(struct controller **out, struct arena *arena,
                         const struct controller_setup *setup)
{
    const struct mpc_params *cfg = setup->params;
    const struct env_setup *w = setup->env_setup;
    const int n = w->topology.n_services;
    const struct cross_entropy_cfg search = {cfg->samples, cfg->iterations, cfg->elites, cfg->rho};
    TRY(check_twin(setup->label, w));
    struct mpc *m = ARENA_NEW(arena, 1, struct mpc);
    int *rows = ARENA_NEW(arena, (5 + FIRST * cfg->horizon) * n, int);
    double *capacities = ARENA_NEW(arena, 2 * n, double);
    int32_t *delta = ARENA_NEW(arena, n, int32_t);
    TRY(arena_error(arena));
    *m = (struct mpc){.base = {.ops = &mpc_ops},
                      .cfg = cfg,
                      .cost = cfg->cost < 0.0 ? w->cfg.plant->cost_weight : cfg->cost,
                      .n = n,
                      .bounds = rows,
                      .asked = rows + 2 * n,
                      .first = rows + 4 * n,
                      .delta = delta,
                      .visits = capacities,
                      .pod_rps = capacities + n};
    set_capacities(m, w->twin->queueing, &w->topology);
    TRY(init_twins(m, arena, w));
    TRY(cross_entropy_init(&m->search, arena, &search, cfg->horizon, n, m->bounds, m->bounds + n));
    *out = &m->base;
    return ERR_OK;
}

static const struct cfg_field mpc_fields[] = {
    CFG_INT(struct mpc_params, horizon, "6", 1, 32, "decisions", CFG_RESULT,
            "how far it plans; 4 to 8 cover a start-up and what follows"),
    CFG_INT(struct mpc_params, samples, "32", 4, 100000, "plans", CFG_RESULT,
            "plans of a population; its CPU is samples x iterations x horizon periods of the twin"),
    CFG_INT(struct mpc_params, iterations, "3", 1, 1000, "", CFG_RESULT, "populations"),
    CFG_DOUBLE(struct mpc_params, elites, "0.15", 0.01, 0.9, "", CFG_RESULT,
               "share of a population that the next one is drawn around"),
    CFG_DOUBLE(struct mpc_params, rho, "0.8", 0, 1, "", CFG_RESULT,
               "correlation of the draws of neighbouring decisions"),
    CFG_DOUBLE(struct mpc_params, spread, "1.5", 0.1, 100, "pods", CFG_RESULT,
               "standard deviation of the first population"),
    CFG_DOUBLE(struct mpc_params, growth, "3", 0, 20, "", CFG_RESULT,
               "rise of the entry rate over 10 s that it expects again, so many times"),
    CFG_DOUBLE(struct mpc_params, cost, "-1", -1, 1000, "", CFG_RESULT,
               "cost weight of its objective; -1 = plant.cost_weight"),
    CFG_INT(struct mpc_params, step, "0", 0, 1000, "pods", CFG_RESULT,
            "largest change of a service that a plan makes at a decision; 0 = none"),
    CFG_END,
};

static void mpc_reads(uint8_t *columns, const void *params, const struct topology *topology)
{
    static const enum global_feature read[] = {GF_ENTRY_5S, GF_ENTRY_10S, GF_ENTRY_DIFF};
    (void)params;
    for (size_t i = 0; i < sizeof read / sizeof *read; i++) {
        columns[state_global_at(topology->n_services, read[i])] = 1;
    }
}

const struct controller_kind controller_mpc = {
    .cfg = {"mpc", "model-predictive planner: searches plans in a queueing twin", mpc_fields,
            sizeof(struct mpc_params)},
    .needs = CONTROLLER_NEEDS_TWIN,
    .sweeps = true,
    .colour = "#882255",
    .check = mpc_check,
    .make = mpc_make,
    .reads = mpc_reads,
};
