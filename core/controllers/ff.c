/* ff: feed-forward staffing. Scales every service from the entry rate, before its own queue shows.
 *
 * The entry rate seen (lagged) plus `growth` times its rise over the last 10 s is expected at the
 * entries; lambda_s = rate x visits_s at service s. Calls choose pods at random, so each of n pods
 * is an M/G/1 processor-sharing queue of load rho = lambda / (n mu), whose mean response is
 * (1 / mu) / (1 - rho) whatever the distribution of the work (Kleinrock, Queueing Systems II, 4.4).
 * n is the least number that keeps rho <= utilisation and the response <= wait_share x latency_max;
 * where the work alone takes nearly that long or longer, rho <= RHO_MIN has to do. A plan that does
 * not fit the node is made for the largest rate that does: the services share what there is instead
 * of the first one taking all. The largest plan of the last ff_down_s is held, so that a dip does
 * not undo it; plans grow with the rate, so it fits too.
 */
#include "core/controllers/internal.h"

#include "core/plant/schema.h"

#include <math.h>

enum { HALVINGS = 40, PODS_MAX = 1000000 };
static const double RHO_MIN = 0.05;

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
    const double pods = ceil(lambda / (mu * (rho > RHO_MIN ? rho : RHO_MIN)));
    return controller_clip(f->base.world, service, pods < PODS_MAX ? (int)pods : PODS_MAX);
}

/* Staff every service for `rate`. Does it fit the node? */
static bool make_plan(int *plan, const struct ff *f, double rate)
{
    const struct world *w = f->base.world;
    const struct topology_cfg *node = w->cfg.topology;
    double cpu_m = 0.0, ram_mib = 0.0;
    for (int s = 0; s < w->topology.n_services; s++) {
        plan[s] = staff(f, s, rate);
        cpu_m += plan[s] * node->services[s].cpu_m;
        ram_mib += plan[s] * node->services[s].ram_mib;
    }
    return cpu_m <= node->node_cpu_m && ram_mib <= node->node_ram_mib;
}

/* The plan for `rate` or for the largest rate that fits; the fewest replicas if none does. */
static void fit_plan(int *plan, const struct ff *f, double rate)
{
    if (make_plan(plan, f, rate)) {
        return;
    }
    double fits = 0.0;
    double too_much = rate;
    for (int i = 0; i < HALVINGS; i++) {
        const double middle = 0.5 * (fits + too_much);
        if (make_plan(plan, f, middle)) {
            fits = middle;
        } else {
            too_much = middle;
        }
    }
    (void)make_plan(plan, f, fits);
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
    const double rate = base + f->cfg->growth * (rise > 0 ? rise : 0);
    fit_plan(f->plans + (f->seen % f->window) * n, f, rate);
    f->seen++;
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
