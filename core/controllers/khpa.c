/* KHPA: the Kubernetes horizontal pod autoscaler v2, CPU metric, as its controller computes it.
 *
 * Written from its documentation ("Horizontal Pod Autoscaling", algorithm details) and the
 * behaviour of pkg/controller/podautoscaler/replica_calculator.go:
 *   1. partition of the pods: the state's hpa_* columns (ready with a metric, ignored, missing)
 *   2. ratio = used / requested / target; inside the tolerance nothing changes
 *   3. pods without a metric count 100 % when scaling down and 0 when scaling up; pods set aside
 *      count 0 when scaling up; a change of direction cancels
 *   4. stabilisation: the least recommendation of the up window, the largest of the down window
 *   5. rate limits: up by the larger of 100 % and 4 pods in 15 s, down by 100 % in 15 s
 */
#include "core/controllers/internal.h"

#include "core/plant/schema.h"

#include <math.h>
#include <string.h>

enum { LIMIT_PODS = 4 };
static const double LIMIT_PERIOD_S = 15.0;

struct khpa {
    struct controller base;
    const struct controller_cfg *cfg;
    int n_services;
    int window;       /* recommendations and changes kept, decisions */
    int seen;         /* decisions so far */
    int *recommended; /* (window, n_services) ring */
    int *changed;     /* (window, n_services) ring: executed change */
};

/* What the metric says about one service. */
struct usage {
    double ready, ignored, missing; /* pods */
    double used_m, request_m;       /* of the ready pods; of one pod */
};

static struct usage usage_of(const struct khpa *k, const float *state, int s)
{
    const float *f = state + state_service_at(s, (enum service_feature)0);
    return (struct usage){.ready = (double)f[SF_HPA_READY],
                          .ignored = (double)f[SF_HPA_IGNORED],
                          .missing = (double)f[SF_HPA_MISSING],
                          .used_m = (double)f[SF_HPA_CPU],
                          .request_m = k->base.world->cfg.topology->services[s].cpu_m};
}

static bool tolerable(const struct khpa *k, double ratio)
{
    return fabs(ratio - 1.0) <= k->cfg->tolerance;
}

/* Steps 1 to 3: the raw recommendation. */
static int recommend(const struct khpa *k, const struct usage *u, int current)
{
    if (u->ready <= 0) {
        return current; /* no metric, no opinion */
    }
    const double target_m = k->cfg->target * u->request_m;
    const double ratio = u->used_m / (u->ready * target_m);
    const bool fill_ignored = u->ignored > 0 && ratio > 1.0;
    if (!fill_ignored && u->missing <= 0) {
        return tolerable(k, ratio) ? current : (int)ceil(ratio * u->ready);
    }
    const double pods = u->ready + u->missing + (fill_ignored ? u->ignored : 0.0);
    const double used_m = u->used_m + (ratio < 1.0 ? u->missing * u->request_m : 0.0);
    const double filled = used_m / (pods * target_m);
    if (tolerable(k, filled) || (ratio < 1.0 && filled > 1.0) || (ratio > 1.0 && filled < 1.0)) {
        return current;
    }
    const int desired = (int)ceil(filled * pods);
    const bool contradicts =
        (filled < 1.0 && desired > current) || (filled > 1.0 && desired < current);
    return contradicts ? current : desired;
}

/* Entry of a ring `age` decisions ago (0 = now). */
static int *past(const struct khpa *k, int *ring, int age)
{
    return ring + ((k->seen - age) % k->window) * k->n_services;
}

/* How many decisions, the current one included, lie in a window of `s` seconds. */
static int reach(const struct khpa *k, double s)
{
    const int n = 1 + (int)floor(s / k->base.world->cfg.plant->period_s);
    return n < k->seen + 1 ? n : k->seen + 1;
}

/* Step 4. */
static int stabilise(const struct khpa *k, int service, int current)
{
    int up = past(k, k->recommended, 0)[service];
    int down = up;
    for (int age = 1; age < reach(k, k->cfg->up_s); age++) {
        const int r = past(k, k->recommended, age)[service];
        up = r < up ? r : up;
    }
    for (int age = 1; age < reach(k, k->cfg->down_s); age++) {
        const int r = past(k, k->recommended, age)[service];
        down = r > down ? r : down;
    }
    return current < up ? up : current > down ? down : current;
}

/* Step 5. Changes exactly LIMIT_PERIOD_S old have left the period. */
static int limit(const struct khpa *k, int service, int current, int wanted)
{
    const double period = k->base.world->cfg.plant->period_s;
    int start = current;
    for (int age = 1; age < reach(k, LIMIT_PERIOD_S) && age * period < LIMIT_PERIOD_S; age++) {
        start -= past(k, k->changed, age)[service];
    }
    if (wanted > current) {
        const int doubled = 2 * start;
        const int added = start + LIMIT_PODS;
        const int most = doubled > added ? doubled : added;
        return wanted < most ? wanted : most > current ? most : current;
    }
    return wanted; /* down by 100 %: no limit above min_replicas */
}

static void khpa_reset(struct controller *c, const struct episode_id *id,
                       const struct schedule *future)
{
    (void)id;
    (void)future;
    ((struct khpa *)c)->seen = 0;
}

static void khpa_act(struct controller *c, int32_t *delta, const float *state)
{
    struct khpa *k = (struct khpa *)c;
    for (int s = 0; s < k->n_services; s++) {
        const int current = controller_desired(state, s);
        const struct usage u = usage_of(k, state, s);
        past(k, k->recommended, 0)[s] = controller_clip(c->world, s, recommend(k, &u, current));
        const int wanted = limit(k, s, current, stabilise(k, s, current));
        delta[s] = controller_clip(c->world, s, wanted) - current;
        past(k, k->changed, 0)[s] = delta[s];
    }
    k->seen++;
}

static const struct controller_ops khpa_ops = {.reset = khpa_reset, .act = khpa_act};

enum err khpa_new(struct controller **out, struct arena *arena, const struct controller_cfg *cfg,
                  const struct world *world)
{
    const double longest = fmax(fmax(cfg->up_s, cfg->down_s), LIMIT_PERIOD_S);
    const int window = 2 + (int)floor(longest / world->cfg.plant->period_s);
    const int n = world->topology.n_services;
    struct khpa *k = ARENA_NEW(arena, 1, struct khpa);
    int *rings = ARENA_NEW(arena, 2 * window * n, int);
    if (k == NULL || rings == NULL) {
        return ERR_MEMORY;
    }
    *k = (struct khpa){.base = {.ops = &khpa_ops, .world = world},
                       .cfg = cfg,
                       .n_services = n,
                       .window = window,
                       .recommended = rings,
                       .changed = rings + window * n};
    *out = &k->base;
    return ERR_OK;
}
