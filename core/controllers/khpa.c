/* KHPA: the Kubernetes horizontal pod autoscaler v2, CPU utilisation, as its controller computes
 * it.
 *
 * Written from its documentation ("Horizontal Pod Autoscaling", algorithm details and configurable
 * scaling behaviour) and the behaviour of pkg/controller/podautoscaler, release 1.33. "Current" is
 * what was asked for (spec.replicas), whether those pods run yet or not.
 *   1. Partition of the pods: the state's hpa_* columns (ready with a metric, ignored, missing).
 *      Without any ready pod that has a metric there is no recommendation and no change.
 *   2. Utilisation = used / requested in whole per cent, fractions dropped; ratio = utilisation /
 *      target. Inside 1 +- tolerance the current number is recommended, else ceil(ratio x ready).
 *   3. When pods miss a metric, or the ratio is above 1 and pods are set aside (pending, or too
 *      young): they join the pods, missing ones as using all they requested when scaling down, all
 *      of them as using nothing when scaling up; then the ratio is taken anew. The current number
 * is kept if that ratio is tolerable, or it or its result points the other way.
 *   4. Stabilisation: up to the least recommendation of the up window at most, down to the largest
 *      of the down window at least. A controller that starts counts what it finds as recommended.
 *   5. Rate limits: up by the larger of 100 % and 4 pods in 15 s, down by 100 % in 15 s.
 * The maximum over several metrics is left out: there is one. So is a target per container.
 */
#include "core/controllers/internal.h"

#include "core/base/log.h"
#include "core/plant/schema.h"

#include <math.h>

enum { LIMIT_PODS = 4, NO_OPINION = -1 };
static const double LIMIT_PERIOD_S = 15.0;

struct khpa {
    struct controller base;
    const struct controller_cfg *cfg;
    double target_percent;
    int n_services;
    int window;       /* recommendations and changes kept, decisions */
    int seen;         /* decisions so far */
    int *found;       /* (n_services) replicas at the first decision */
    int *recommended; /* (window, n_services) ring: before steps 4 and 5, or NO_OPINION */
    int *changed;     /* (window, n_services) ring: change asked for */
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

/* Step 2. Use comes in whole milli-cores. */
static double ratio_of(const struct khpa *k, double used_m, double requested_m)
{
    const double percent = floor(floor(used_m + 0.5) * 100.0 / requested_m);
    return percent / k->target_percent;
}

static bool tolerable(const struct khpa *k, double ratio)
{
    return 1.0 - k->cfg->tolerance <= ratio && ratio <= 1.0 + k->cfg->tolerance;
}

/* Do two ratios point in opposite directions? */
static bool opposite(double a, double b)
{
    return (a < 1.0 && b > 1.0) || (a > 1.0 && b < 1.0);
}

/* Step 3, for a ratio that is not 1. */
static int recommend_filled(const struct khpa *k, const struct usage *u, double ratio, int current)
{
    const double aside = ratio > 1.0 ? u->ignored : 0.0;
    const double pods = u->ready + u->missing + aside;
    const double used_m = u->used_m + (ratio < 1.0 ? u->missing * u->request_m : 0.0);
    const double filled = ratio_of(k, used_m, pods * u->request_m);
    if (tolerable(k, filled) || opposite(ratio, filled)) {
        return current;
    }
    const int desired = (int)ceil(filled * pods);
    const bool contradicts =
        (filled < 1.0 && desired > current) || (filled > 1.0 && desired < current);
    return contradicts ? current : desired;
}

/* Steps 1 to 3. */
static int recommend(const struct khpa *k, const struct usage *u, int current)
{
    if (u->ready <= 0.0) {
        return NO_OPINION;
    }
    const double ratio = ratio_of(k, u->used_m, u->ready * u->request_m);
    if (u->missing > 0.0 || (u->ignored > 0.0 && ratio > 1.0)) {
        return ratio < 1.0 || ratio > 1.0 ? recommend_filled(k, u, ratio, current) : current;
    }
    return tolerable(k, ratio) ? current : (int)ceil(ratio * u->ready);
}

/* Entry of a ring `age` decisions ago (0 = now). */
static int *past(const struct khpa *k, int *ring, int age)
{
    return ring + ((k->seen - age) % k->window) * k->n_services;
}

/* Is a decision of that age seen by a window of `s` seconds? One exactly as old has left it. */
static bool within(const struct khpa *k, int age, double s)
{
    return age <= k->seen && age * k->base.world->cfg.plant->period_s < s;
}

/* Least (sign -1) or largest (+1) recommendation of the last `s` seconds, the present one always
 * included. */
static int extreme(const struct khpa *k, int service, double s, int sign)
{
    int best = past(k, k->recommended, 0)[service];
    for (int age = 1; within(k, age, s); age++) {
        const int r = past(k, k->recommended, age)[service];
        best = r != NO_OPINION && sign * (r - best) > 0 ? r : best;
    }
    const int found = k->found[service];
    return within(k, k->seen, s) && sign * (found - best) > 0 ? found : best;
}

/* Step 4. */
static int stabilise(const struct khpa *k, int service, int current)
{
    const int least = extreme(k, service, k->cfg->up_s, -1);
    const int largest = extreme(k, service, k->cfg->down_s, 1);
    return current < least ? least : current > largest ? largest : current;
}

/* Step 5. Down by 100 % is no limit above min_replicas. */
static int limit(const struct khpa *k, int service, int current, int wanted)
{
    int start = current;
    for (int age = 1; within(k, age, LIMIT_PERIOD_S); age++) {
        start -= past(k, k->changed, age)[service];
    }
    const int doubled = 2 * start;
    const int added = start + LIMIT_PODS;
    int most = doubled > added ? doubled : added;
    most = most > current ? most : current;
    return wanted < most ? wanted : most;
}

static void khpa_reset(struct controller *c, const struct episode_id *id,
                       const struct schedule *future)
{
    (void)id;
    (void)future;
    ((struct khpa *)c)->seen = 0;
}

/* Replicas wanted for one service. */
static int khpa_decide(const struct khpa *k, const float *state, int s, int current)
{
    const struct usage u = usage_of(k, state, s);
    const int recommended = recommend(k, &u, current);
    past(k, k->recommended, 0)[s] = recommended;
    if (recommended == NO_OPINION) {
        return current;
    }
    return limit(k, s, current, stabilise(k, s, current));
}

static void khpa_act(struct controller *c, int32_t *delta, const float *state)
{
    struct khpa *k = (struct khpa *)c;
    for (int s = 0; s < k->n_services; s++) {
        const int current = controller_desired(state, s);
        if (k->seen == 0) {
            k->found[s] = current;
        }
        delta[s] = controller_clip(c->world, s, khpa_decide(k, state, s, current)) - current;
        past(k, k->changed, 0)[s] = delta[s];
    }
    k->seen++;
}

static const struct controller_ops khpa_ops = {.reset = khpa_reset, .act = khpa_act};

/* Kubernetes has whole per cents, and ceil() would turn the rounding of another into a pod. */
static enum err read_target(double *percent, const struct controller_cfg *cfg)
{
    const double nearest = floor(100.0 * cfg->target + 0.5);
    if (fabs(100.0 * cfg->target - nearest) > 1e-9) {
        log_error("controller '%s': target %g is not a whole per cent; round it",
                  controller_label(cfg), cfg->target);
        return ERR_CONFIG;
    }
    *percent = nearest;
    return ERR_OK;
}

enum err khpa_new(struct controller **out, struct arena *arena, const struct controller_cfg *cfg,
                  const struct world *world)
{
    double target_percent = 0.0;
    TRY(read_target(&target_percent, cfg));
    const double longest = fmax(fmax(cfg->up_s, cfg->down_s), LIMIT_PERIOD_S);
    const int window = 1 + (int)ceil(longest / world->cfg.plant->period_s);
    const int n = world->topology.n_services;
    struct khpa *k = ARENA_NEW(arena, 1, struct khpa);
    int *rows = ARENA_NEW(arena, (1 + 2 * window) * n, int);
    if (k == NULL || rows == NULL) {
        return ERR_MEMORY;
    }
    *k = (struct khpa){.base = {.ops = &khpa_ops, .world = world},
                       .cfg = cfg,
                       .target_percent = target_percent,
                       .n_services = n,
                       .window = window,
                       .found = rows,
                       .recommended = rows + n,
                       .changed = rows + (1 + window) * n};
    *out = &k->base;
    return ERR_OK;
}
