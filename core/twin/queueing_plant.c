/* Schedules in, states and counters out. See queueing_plant.h. */
#include "core/twin/queueing_plant.h"

#include "core/plant/schema.h"
#include "core/scenario/attacker.h"

enum { TILE_ENVS = 8, DRAW_MEMBER = 100 }; /* the draw: as in twin.c */

struct queueing_plant {
    struct plant plant;
    const struct twin_model *model;
    struct fluid_net net;
    struct fluid *fluids;             /* (n_env) */
    const struct schedule **schedule; /* (n_env) */
    int *period;                      /* (n_env) the next one, from 0 */
    struct attacker *attackers;       /* (n_env) */
    struct fluid_load *load;          /* (net.n_steps) scratch */
    bool corrects;                    /* a residual twin */
    struct correction correction;
    struct plant_truth *truth; /* (n_env) corrected, of the last period */
    float *offered;            /* (n_env) requests/s in the period that is stepped */
};

/* Behind the end of the schedule its last second goes on. extra: of the learned attacker. */
static struct fluid_load load_at(const struct schedule *s, double t_s, double extra)
{
    const int second = (int)t_s < s->n_seconds ? (int)t_s : s->n_seconds - 1;
    const double legit = (double)s->legit_rps[second];
    const double all = legit + (double)s->attack_rps[second] + extra;
    return (struct fluid_load){all, all > 0.0 ? legit / all : 1.0};
}

/* An episode begins alike whatever was played before it and on whichever rank. */
static void begin_correction(struct queueing_plant *q, int lid, const struct episode_id *id)
{
    const struct rng_key key = rng_key(id->seed, RNG_TWIN, id->split);
    const uint32_t tile = id->env / TILE_ENVS;
    const uint32_t drawn = rng_philox(key, DRAW_MEMBER, tile, id->episode, 0).v[0];
    const struct twin_batch_id trajectory = {
        .key = key,
        .env = id->env,
        .episode = id->episode,
        .member = (int)rng_below(drawn, (uint32_t)q->model->ensemble.n_members)};
    const struct schedule *s = q->schedule[lid];
    correction_begin(&q->correction, lid, &trajectory, &q->fluids[lid], s->legit_rps[0]);
    q->truth[lid] = q->fluids[lid].truth;
}

/* Of what an attacker may do this twin is told the load alone, so nothing else is left to it. */
static void start_attacker(struct queueing_plant *q, int lid)
{
    struct attacker *a = &q->attackers[lid];
    const struct schedule *s = q->schedule[lid];
    attacker_start(a, a->extra_rps, a->conn_rps, a->n_entries, q->plant.cfg, attacker_nominal(s),
                   s->n_seconds);
    attacker_requests_only(a);
}

/* The load of the learned attacker in the period that begins, requests/s over all entries. */
static double attack_load(struct queueing_plant *q, int lid, const struct attack_action *attack)
{
    struct attacker *a = &q->attackers[lid];
    const struct plant_cfg *cfg = q->plant.cfg;
    (void)attacker_load(a, attack, cfg,
                        attacker_room(q->schedule[lid], cfg, q->plant.topology, q->period[lid]));
    return a->extra_total;
}

static enum err reset(struct plant *p, int lid, const struct episode_id *id,
                      const struct schedule *schedule, int horizon)
{
    struct queueing_plant *q = (struct queueing_plant *)p;
    (void)horizon;
    q->schedule[lid] = schedule;
    q->period[lid] = 0;
    start_attacker(q, lid);
    fluid_begin(&q->fluids[lid], id, (double)schedule->legit_rps[0]);
    if (q->corrects) {
        begin_correction(q, lid, id);
    }
    return ERR_OK;
}

/* The queues count no request that was not offered (fluid_cfg.still), so what they received is the
 * load. */
static void correct(struct queueing_plant *q, const uint8_t *active)
{
    const double per_s = 1.0 / q->plant.cfg->period_s;
    for (int i = 0; i < q->plant.n_env; i++) {
        q->offered[i] = (float)(q->fluids[i].truth.received * per_s);
    }
    correction_step(&q->correction, q->fluids, q->offered, active);
    for (int i = 0; i < q->plant.n_env; i++) {
        if (active == NULL || active[i] != 0) {
            const struct plant_truth *t = &q->fluids[i].truth;
            const double legit = t->received > 0.0 ? t->received_legit / t->received : 1.0;
            correction_truth(&q->truth[i], &q->correction, i, q->truth[i].inflight, legit);
        }
    }
}

/* The loads of the coming period. What corrects the queues has learned from traces, which know the
 * mean load of a period and nothing within it; so its queues are told no more. */
static void offer(struct queueing_plant *q, int lid, double extra)
{
    const double period_s = q->plant.cfg->period_s;
    for (int k = 0; k < q->net.n_steps; k++) {
        const double t_s = q->period[lid] * period_s + (k + 0.5) * q->net.dt;
        q->load[k] = load_at(q->schedule[lid], t_s, extra);
    }
    if (q->corrects) {
        double legit = 1.0;
        const double rps = schedule_load(q->schedule[lid], &legit, q->period[lid], period_s);
        legit = extra > 0.0 ? legit * rps / (rps + extra) : legit;
        for (int k = 0; k < q->net.n_steps; k++) {
            q->load[k] = (struct fluid_load){rps + extra, legit};
        }
    }
}

static enum err pass(struct plant *p, const int32_t *delta, const struct attack_action *attack,
                     const uint8_t *active)
{
    struct queueing_plant *q = (struct queueing_plant *)p;
    for (int i = 0; i < p->n_env; i++) {
        if (active != NULL && active[i] == 0) {
            continue; /* it may never have been reset */
        }
        offer(q, i, attack_load(q, i, attack != NULL ? &attack[i] : NULL));
        fluid_period(&q->fluids[i], delta + (ptrdiff_t)i * p->topology->n_services, q->load);
        q->period[i]++;
    }
    if (q->corrects) {
        correct(q, active);
    }
    return ERR_OK;
}

static const float *state(const struct plant *p, int lid)
{
    const struct queueing_plant *q = (const struct queueing_plant *)p;
    return q->corrects ? correction_state(&q->correction, lid) : q->fluids[lid].state;
}

static double clock_s(const struct plant *p, int lid)
{
    return ((const struct queueing_plant *)p)->period[lid] * p->cfg->period_s;
}

static const struct plant_truth *truth(const struct plant *p, int lid)
{
    const struct queueing_plant *q = (const struct queueing_plant *)p;
    return q->corrects ? &q->truth[lid] : &q->fluids[lid].truth;
}

static struct attack_budget attack_left(const struct plant *p, int lid)
{
    return ((const struct queueing_plant *)p)->attackers[lid].left;
}

static const struct plant_ops ops = {
    .kind = "twin",
    .reset = reset,
    .pass = pass,
    .state = state,
    .clock_s = clock_s,
    .truth = truth,
    .attack_left = attack_left,
};

static enum err init_correction(struct queueing_plant *q, struct arena *arena)
{
    q->corrects = true;
    q->truth = ARENA_NEW(arena, q->plant.n_env, struct plant_truth);
    q->offered = ARENA_NEW(arena, q->plant.n_env, float);
    TRY(arena_error(arena));
    return correction_init(&q->correction, arena, q->model, q->plant.cfg->period_s, q->plant.n_env);
}

enum err queueing_plant_new(struct plant **out, struct arena *arena, const struct twin_model *model,
                            const struct plant_cfg *cfg, const struct topology *topology, int n_env)
{
    const struct fluid_cfg fluid = twin_fluid_cfg(model->cfg);
    struct queueing_plant *q = ARENA_NEW(arena, 1, struct queueing_plant);
    TRY(arena_error(arena));
    q->plant = (struct plant){.ops = &ops,
                              .topology = topology,
                              .cfg = cfg,
                              .n_env = n_env,
                              .n_state = state_size(topology->n_services),
                              .can = PLANT_EXACT | PLANT_ATTACKED | PLANT_REPEATS | PLANT_DRIVEN};
    q->model = model;
    TRY(fluid_net_init(&q->net, arena, model->queueing, topology, cfg, &fluid));
    q->fluids = ARENA_NEW(arena, n_env, struct fluid);
    q->schedule = ARENA_NEW(arena, n_env, const struct schedule *);
    q->period = ARENA_NEW(arena, n_env, int);
    q->load = ARENA_NEW(arena, q->net.n_steps, struct fluid_load);
    q->attackers = ARENA_NEW(arena, n_env, struct attacker);
    double *extra = ARENA_NEW(arena, 2 * n_env * topology->n_entries, double);
    TRY(arena_error(arena));
    for (int i = 0; i < n_env; i++) {
        q->attackers[i] = (struct attacker){
            .extra_rps = extra + (ptrdiff_t)(2 * i) * topology->n_entries,
            .conn_rps = extra + (ptrdiff_t)(2 * i + 1) * topology->n_entries,
            .n_entries = topology->n_entries,
        };
        TRY(fluid_init(&q->fluids[i], arena, &q->net));
    }
    if (model_kind(model) == TWIN_RESIDUAL) {
        TRY(init_correction(q, arena));
    }
    *out = &q->plant;
    return ERR_OK;
}
