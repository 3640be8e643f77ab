/* ff: feed-forward staffing. Scales every service from the entry rate, before its own queue shows.
 *
 * The entry rate seen (lagged) plus `growth` times its rise over the last 10 s is expected at the
 * entries; lambda_s = rate x visits_s at service s. Calls choose pods at random, so each of n pods
 * is an M/G/1 processor-sharing queue of load rho = lambda / (n mu), whose mean response is
 * (1 / mu) / (1 - rho) whatever the distribution of the work (Kleinrock, Queueing Systems II, 4.4).
 * n is the least number that keeps rho <= utilisation and the response <= wait_share x latency_max.
 * A plan that does not fit the node is made for the largest rate that does: the services share what
 * there is instead of the first one taking all. The largest plan of the last ff_down_s is held, so
 * that a dip does not undo it.
 */
#include "core/controllers/internal.h"

#include "core/plant/schema.h"

#include <math.h>
#include <string.h>

enum { CUTS_MAX = 200 };
static const double CUT = 0.98;

struct ff {
    struct controller base;
    const struct controller_cfg *cfg;
    int window; /* plans kept, decisions */
    int seen;   /* decisions so far */
    int *plans; /* (window, n_services) ring */
};

static int staff(const struct ff *f, int service, double rate)
{
    const struct topology *t = &f->base.world->topology;
    const struct plant_cfg *p = f->base.world->cfg.plant;
    const double lambda = rate * t->visits[service];
    const double mu = t->pod_rps[service];
    const double response_s = f->cfg->wait_share * p->latency_max_ms * 1e-3;
    double rho = 1.0 - 1.0 / (mu * response_s);
    if (!(rho < f->cfg->utilisation)) {
        rho = f->cfg->utilisation;
    }
    const double pods = ceil(lambda / (mu * (rho > 0.05 ? rho : 0.05)));
    return controller_clip(f->base.world, service, pods > 1e6 ? 1000000 : (int)pods);
}

/* Staff every service for `rate`; CPU requested in all, milli-cores. */
static double make_plan(int *plan, const struct ff *f, double rate)
{
    const struct world *w = f->base.world;
    double requested_m = 0.0;
    for (int s = 0; s < w->topology.n_services; s++) {
        plan[s] = staff(f, s, rate);
        requested_m += plan[s] * w->cfg.topology->services[s].cpu_m;
    }
    return requested_m;
}

static int held(const struct ff *f, int service, int n_services)
{
    const int kept = f->seen < f->window ? f->seen : f->window;
    int largest = 0;
    for (int i = 0; i < kept; i++) {
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
    ((struct ff *)c)->seen = 0;
}

static void ff_act(struct controller *c, int32_t *delta, const float *state)
{
    struct ff *f = (struct ff *)c;
    const int n = c->world->topology.n_services;
    const double now = (double)state[state_global_at(n, GF_ENTRY_5S)];
    const double mean = (double)state[state_global_at(n, GF_ENTRY_10S)];
    const double rise = (double)state[state_global_at(n, GF_ENTRY_DIFF)];
    const double base = now > mean ? now : mean;
    double rate = base + f->cfg->growth * (rise > 0 ? rise : 0);
    int *plan = f->plans + (f->seen % f->window) * n;
    f->seen++;
    for (int cut = 0; make_plan(plan, f, rate) > c->world->cfg.topology->node_cpu_m; cut++) {
        if (cut == CUTS_MAX) {
            break; /* the minimum replicas do not fit */
        }
        rate *= CUT;
    }
    for (int s = 0; s < n; s++) {
        delta[s] = held(f, s, n) - controller_desired(state, s);
    }
}

static const struct controller_ops ff_ops = {.reset = ff_reset, .act = ff_act};

enum err ff_new(struct controller **out, struct arena *arena, const struct controller_cfg *cfg,
                const struct world *world)
{
    const int window = 1 + (int)floor(cfg->ff_down_s / world->cfg.plant->period_s);
    struct ff *f = ARENA_NEW(arena, 1, struct ff);
    int *plans = ARENA_NEW(arena, window * world->topology.n_services, int);
    if (f == NULL || plans == NULL) {
        return ERR_MEMORY;
    }
    *f = (struct ff){
        .base = {.ops = &ff_ops, .world = world}, .cfg = cfg, .window = window, .plans = plans};
    *out = &f->base;
    return ERR_OK;
}
