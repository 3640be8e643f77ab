/* Schedules in, states and counters out. See queueing_plant.h. */
#include "core/twin/queueing_plant.h"

#include "core/plant/schema.h"
#include "core/scenario/schedule.h"

struct queueing_plant {
    struct plant plant;
    struct fluid_net net;
    struct fluid *fluids;             /* (n_env) */
    const struct schedule **schedule; /* (n_env) */
    int *period;                      /* (n_env) the next one, from 0 */
    struct fluid_load *load;          /* (net.n_steps) scratch */
};

/* Behind the end of the schedule its last second goes on. */
static struct fluid_load load_at(const struct schedule *s, double t_s)
{
    const int second = (int)t_s < s->n_seconds ? (int)t_s : s->n_seconds - 1;
    const double legit = (double)s->legit_rps[second];
    const double all = legit + (double)s->attack_rps[second];
    return (struct fluid_load){all, all > 0.0 ? legit / all : 1.0};
}

static enum err reset(struct plant *p, int lid, const struct episode_id *id,
                      const struct schedule *schedule, int horizon)
{
    struct queueing_plant *q = (struct queueing_plant *)p;
    (void)horizon;
    q->schedule[lid] = schedule;
    q->period[lid] = 0;
    fluid_begin(&q->fluids[lid], id, (double)schedule->legit_rps[0]);
    return ERR_OK;
}

static enum err pass(struct plant *p, const int32_t *delta, const struct attack_action *attack,
                     const uint8_t *active)
{
    struct queueing_plant *q = (struct queueing_plant *)p;
    CHECK(attack == NULL); /* plant_act() refused it */
    for (int i = 0; i < p->n_env; i++) {
        if (active != NULL && active[i] == 0) {
            continue; /* it may never have been reset */
        }
        for (int k = 0; k < q->net.n_steps; k++) {
            const double t_s = q->period[i] * p->cfg->period_s + (k + 0.5) * q->net.dt;
            q->load[k] = load_at(q->schedule[i], t_s);
        }
        fluid_period(&q->fluids[i], delta + (ptrdiff_t)i * p->topology->n_services, q->load);
        q->period[i]++;
    }
    return ERR_OK;
}

static const float *state(const struct plant *p, int lid)
{
    return ((const struct queueing_plant *)p)->fluids[lid].state;
}

static double clock_s(const struct plant *p, int lid)
{
    return ((const struct queueing_plant *)p)->period[lid] * p->cfg->period_s;
}

static const struct plant_truth *truth(const struct plant *p, int lid)
{
    return &((const struct queueing_plant *)p)->fluids[lid].truth;
}

static const struct plant_ops ops = {
    .kind = "twin",
    .reset = reset,
    .pass = pass,
    .state = state,
    .clock_s = clock_s,
    .truth = truth,
};

enum err queueing_plant_new(struct plant **out, struct arena *arena,
                            const struct queueing *queueing, const struct fluid_cfg *fluid,
                            const struct plant_cfg *cfg, const struct topology *topology, int n_env)
{
    struct queueing_plant *q = ARENA_NEW(arena, 1, struct queueing_plant);
    TRY(arena_error(arena));
    q->plant = (struct plant){.ops = &ops,
                              .topology = topology,
                              .cfg = cfg,
                              .n_env = n_env,
                              .n_state = state_size(topology->n_services),
                              .can = PLANT_EXACT | PLANT_REPEATS | PLANT_DRIVEN};
    TRY(fluid_net_init(&q->net, arena, queueing, topology, cfg, fluid));
    q->fluids = ARENA_NEW(arena, n_env, struct fluid);
    q->schedule = ARENA_NEW(arena, n_env, const struct schedule *);
    q->period = ARENA_NEW(arena, n_env, int);
    q->load = ARENA_NEW(arena, q->net.n_steps, struct fluid_load);
    TRY(arena_error(arena));
    for (int i = 0; i < n_env; i++) {
        TRY(fluid_init(&q->fluids[i], arena, &q->net));
    }
    *out = &q->plant;
    return ERR_OK;
}
