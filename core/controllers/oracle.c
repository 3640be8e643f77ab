/* oracle: staffing with foresight. A reference, not a method: it sees the schedule of the episode.
 *
 * A pod asked for now answers start_s later, one asked for at the next decision period_s after
 * that; so a decision at time t must have in place all that the schedule needs until
 *
 *   t + period_s + start_s + lead_s
 *
 * and may drop the rest, though not what was needed less than hold_s ago. What is needed at time u:
 * the staffing (staffing.h, as in ff) of the rate offered then, legitimate and attack, with the
 * service times of that moment, with pods in reserve for those that a crash hazard keeps down, and
 * none for what a node that others use cannot compute. lead_s covers start-ups longer than the
 * mean.
 *
 * With informed_s >= 0 it is the bound of what reaction can reach: it knows an attack completely,
 * but only informed_s after its start. The legitimate rate and the faults of the moment are all
 * that it knows of them, and it expects that they stay.
 *
 * It knows rates, hazards and factors, never the draws: arrivals, service times, which pod crashes.
 * It thus pays for safety that a clairvoyant would not need, and may lose to others; what nobody
 * can exceed is core/eval/upper_bound.h.
 */
#include "core/controllers/kinds.h"
#include "core/controllers/staffing.h"

#include <math.h>

struct oracle_params {
    double utilisation; /* staffing never plans above this */
    double wait_share;  /* of latency_max a call may take at one service */
    double lead_s;      /* has pods asked for this much earlier than they start on average */
    double hold_s;      /* keeps them this long after their last use */
    double informed_s;  /* after the start of an attack; negative: beforehand */
};

struct oracle {
    struct controller base;
    const struct oracle_params *cfg;
    const struct schedule *future;
    int n_decisions; /* decisions so far */
    int *plan;       /* (n_services) */
    int *most;       /* (n_services) largest plan of the look-ahead */
    struct staffing_conditions conditions;
};

/* Share of the pods up under a crash rate: a crash costs the first back-off and a start-up. */
static double share_up(const struct env_setup *w, double crash_rate)
{
    const double down_s = w->cfg.cluster->backoff_s + w->cfg.cluster->start_s;
    return 1.0 / (1.0 + crash_rate * down_s);
}

static void read_conditions(struct oracle *o, double t_s)
{
    const struct env_setup *w = o->base.env_setup;
    for (int s = 0; s < w->topology.n_services; s++) {
        o->conditions.slowdown[s] = schedule_slowdown(o->future, s, t_s);
        o->conditions.up[s] = share_up(w, schedule_crash_rate(o->future, s, t_s));
    }
    o->conditions.taken_m = schedule_neighbour_m(o->future, t_s);
}

static int clip_second(const struct schedule *f, double t_s)
{
    const double last = f->n_seconds - 1;
    return (int)fmax(0.0, fmin(t_s, last));
}

/* What it expects at second u, requests/s; beyond the end, the last second goes on. */
static double expected_rate(const struct oracle *o, int u, double now)
{
    const struct schedule *f = o->future;
    if (o->cfg->informed_s < 0.0) {
        const int second = clip_second(f, u);
        return (double)f->legit_rps[second] + (double)f->attack_rps[second];
    }
    double rate = (double)f->legit_rps[clip_second(f, now - 1.0)];
    for (int i = 0; i < f->n_events; i++) {
        if (f->events[i].start_s + o->cfg->informed_s <= now) {
            rate += event_requests(&f->events[i], u + 0.5) * f->mean_rps;
        }
    }
    return rate;
}

/* Raises `most` to what second `u` needs. */
static void need_second(struct oracle *o, const struct staffing_rule *rule, int u, double now)
{
    const int n = o->base.env_setup->topology.n_services;
    read_conditions(o, o->cfg->informed_s < 0.0 ? u + 0.5 : now);
    staffing_plan(o->plan, o->base.env_setup, rule, expected_rate(o, u, now), &o->conditions);
    for (int s = 0; s < n; s++) {
        o->most[s] = o->plan[s] > o->most[s] ? o->plan[s] : o->most[s];
    }
}

static void oracle_reset(struct controller *c, const struct episode_id *id,
                         const struct schedule *future)
{
    struct oracle *o = (struct oracle *)c;
    (void)id;
    o->future = future;
    o->n_decisions = 0;
}

static void oracle_act(struct controller *c, int32_t *delta, const float *state)
{
    struct oracle *o = (struct oracle *)c;
    const struct env_setup *w = c->env_setup;
    const struct staffing_rule rule = staffing_rule_of(w, o->cfg->utilisation, o->cfg->wait_share);
    const double period_s = w->cfg.plant->period_s;
    const double now = o->n_decisions++ * period_s;
    const double from = fmax(0.0, now - o->cfg->hold_s);
    const double until = now + period_s + w->cfg.cluster->start_s + o->cfg->lead_s;
    for (int s = 0; s < w->topology.n_services; s++) {
        o->most[s] = 0;
    }
    for (int u = (int)floor(from); u < until; u++) {
        need_second(o, &rule, u, now);
    }
    for (int s = 0; s < w->topology.n_services; s++) {
        delta[s] = controller_clip(w, s, o->most[s]) - controller_desired(state, s);
    }
}

static const struct controller_ops oracle_ops = {.reset = oracle_reset, .act = oracle_act};

static enum err oracle_make(struct controller **out, struct arena *arena,
                            const struct controller_setup *setup)
{
    const int n = setup->env_setup->topology.n_services;
    struct oracle *o = ARENA_NEW(arena, 1, struct oracle);
    int *plans = ARENA_NEW(arena, 2 * n, int);
    double *factors = ARENA_NEW(arena, 2 * n, double);
    TRY(arena_error(arena));
    *o = (struct oracle){.base = {.ops = &oracle_ops},
                         .cfg = setup->params,
                         .plan = plans,
                         .most = plans + n,
                         .conditions = {.slowdown = factors, .up = factors + n}};
    *out = &o->base;
    return ERR_OK;
}

static const struct cfg_field oracle_fields[] = {
    STAFFING_FIELDS(struct oracle_params),
    CFG_DOUBLE(struct oracle_params, lead_s, "10", 0, 600, "s", CFG_RESULT,
               "margin of its look-ahead over a period and a mean start-up"),
    CFG_DOUBLE(struct oracle_params, hold_s, "0", 0, 3600, "s", CFG_RESULT,
               "keeps replicas this long after their last use"),
    CFG_DOUBLE(struct oracle_params, informed_s, "-1", -1, 3600, "s", CFG_RESULT | CFG_LATER,
               "learns of an attack this long after its start, and of load and faults when they "
               "are there; -1 = knows all beforehand"),
    CFG_END,
};

const struct controller_kind controller_oracle = {
    .cfg = {"oracle", "foresight: the staffing of ff for the load and faults to come",
            oracle_fields, sizeof(struct oracle_params)},
    .needs = CONTROLLER_NEEDS_FORESIGHT,
    .sweeps = true,
    .colour = "#CC79A7",
    .make = oracle_make,
};
