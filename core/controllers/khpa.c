/* KHPA: the Kubernetes horizontal pod autoscaler v2, CPU utilisation, as its controller computes
 * it.
 *
 * Written from its documentation ("Horizontal Pod Autoscaling", algorithm details and configurable
 * scaling behaviour) and the behaviour of pkg/controller/podautoscaler, release 1.33. "Current" is
 * what was asked for (spec.replicas), whether those pods run yet or not. Of each service:
 *   0. A current number outside the replica bounds becomes the nearer bound at once.
 *   1. Partition of the pods: the state's hpa_* columns (ready with a metric, ignored, missing).
 *      Without any ready pod that has a metric there is no recommendation and no change.
 *   2. Utilisation = used / requested in whole per cent, fractions dropped; ratio = utilisation /
 *      target. Inside 1 +- tolerance the current number is recommended, else ceil(ratio x ready).
 *   3. When pods miss a metric, or the ratio is above 1 and pods are set aside (pending, or too
 *      young): they join the pods, missing ones as using all they requested when scaling down, all
 *      of them as using nothing when scaling up; then the ratio is taken anew. The current number
 *      is kept if that ratio is tolerable, or it or its result points the other way.
 *   4. Stabilisation and 5. rate limits depend on spec.behavior:
 *
 *      none      4. the largest recommendation of the last down_s, also if it is above the current
 *                   number (down_s is --horizontal-pod-autoscaler-downscale-stabilization);
 *                5. at most max(2 x current, 4).
 *      default   4. the current number, raised to the least recommendation of the last up_s if it
 *                   is below, lowered to the largest of the last down_s if it is above;
 *                5. up by the larger of 100 % and 4 pods in 15 s, down by 100 % in 15 s.
 *
 *      A controller that starts counts what it finds as recommended. A recommendation that is
 *      exactly as old as a window has left it: decisions of a real controller come a little later
 *      than their period.
 * The maximum over several metrics is left out: there is one. So are a target per container, other
 * policies than the default ones, and scaling to zero.
 */
#include "core/controllers/khpa.h"

#include "core/controllers/kinds.h"

#include "core/base/log.h"
#include "core/plant/schema.h"

#include <math.h>

enum { LIMIT_PODS = 4, LIMIT_FACTOR = 2, NO_OPINION = -1 };
static const double LIMIT_PERIOD_S = 15.0;

struct khpa {
    struct controller base;
    const struct khpa_params *cfg;
    double target_percent;
    int n_services;
    int window;       /* recommendations and changes stored, decisions */
    int n_decisions;  /* decisions so far */
    int *found;       /* (n_services) replicas at the first decision */
    int *recommended; /* (window, n_services) ring: before steps 4 and 5, or NO_OPINION */
    int *asked;       /* (window, n_services) ring: replicas before the decision */
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
                          .request_m = k->base.env_setup->cfg.topology->services[s].cpu_m};
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
    return ring + ((k->n_decisions - age) % k->window) * k->n_services;
}

/* Is a decision of that age seen by a window of `s` seconds? One exactly as old has left it. */
static bool within(const struct khpa *k, int age, double s)
{
    return age <= k->n_decisions && age * k->base.env_setup->cfg.plant->period_s < s;
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
    return within(k, k->n_decisions, s) && sign * (found - best) > 0 ? found : best;
}

/* Step 4. */
static int stabilise(const struct khpa *k, int service, int current)
{
    const int largest = extreme(k, service, k->cfg->down_s, 1);
    if (k->cfg->behavior == KHPA_BEHAVIOR_NONE) {
        return largest;
    }
    const int least = extreme(k, service, k->cfg->up_s, -1);
    return current < least ? least : current > largest ? largest : current;
}

/* Step 5, upwards, without a stanza: it looks at the current number only. */
static int most_at_once(int current)
{
    const int scaled = LIMIT_FACTOR * current;
    return scaled > LIMIT_PODS ? scaled : LIMIT_PODS;
}

/* The same with one: it looks at what there was LIMIT_PERIOD_S ago, and takes nothing back. */
static int most_in_period(const struct khpa *k, int service, int current)
{
    int start = current;
    for (int age = 1; within(k, age, LIMIT_PERIOD_S); age++) {
        start = past(k, k->asked, age)[service];
    }
    const int scaled = LIMIT_FACTOR * start;
    const int added = start + LIMIT_PODS;
    const int most = scaled > added ? scaled : added;
    return most > current ? most : current;
}

/* Step 5. Down by 100 % is no limit above min_replicas. */
static int limit(const struct khpa *k, int service, int current, int wanted)
{
    const int most = k->cfg->behavior == KHPA_BEHAVIOR_NONE ? most_at_once(current)
                                                            : most_in_period(k, service, current);
    return wanted < most ? wanted : most;
}

static void khpa_reset(struct controller *c, const struct episode_id *id,
                       const struct schedule *future)
{
    (void)id;
    (void)future;
    ((struct khpa *)c)->n_decisions = 0;
}

/* Replicas wanted for one service; the caller clips them to the bounds. */
static int khpa_decide(const struct khpa *k, const float *state, int s, int current)
{
    int *recommended = &past(k, k->recommended, 0)[s];
    *recommended = NO_OPINION;
    if (controller_clip(k->base.env_setup, s, current) != current) {
        return current;
    }
    const struct usage u = usage_of(k, state, s);
    *recommended = recommend(k, &u, current);
    if (*recommended == NO_OPINION) {
        return current;
    }
    return limit(k, s, current, stabilise(k, s, current));
}

static void khpa_act(struct controller *c, int32_t *delta, const float *state)
{
    struct khpa *k = (struct khpa *)c;
    for (int s = 0; s < k->n_services; s++) {
        const int current = controller_desired(state, s);
        if (k->n_decisions == 0) {
            k->found[s] = current;
        }
        delta[s] = controller_clip(c->env_setup, s, khpa_decide(k, state, s, current)) - current;
        past(k, k->asked, 0)[s] = current;
    }
    k->n_decisions++;
}

static const struct controller_ops khpa_ops = {.reset = khpa_reset, .act = khpa_act};

static double whole_percent(const struct khpa_params *cfg)
{
    return floor(100.0 * cfg->target + 0.5);
}

/* Kubernetes has whole per cents, and ceil() would turn the rounding of another into a pod. */
static enum err khpa_check(const char *label, const void *params,
                           const struct topology_cfg *topology)
{
    const struct khpa_params *cfg = params;
    const double nearest = whole_percent(cfg);
    if (fabs(100.0 * cfg->target - nearest) > 1e-9) {
        log_error("controller '%s': target %g is not a whole per cent; round it", label,
                  cfg->target);
        return ERR_CONFIG;
    }
    if (nearest > 100.0 * topology->limit_ratio) {
        log_error("controller '%s': target %g is more than a pod can use: its limit is %g times "
                  "its request (topology.limit_ratio), so no pod would ever be added; lower the "
                  "target or raise limit_ratio",
                  label, cfg->target, topology->limit_ratio);
        return ERR_CONFIG;
    }
    if (cfg->behavior == KHPA_BEHAVIOR_NONE && cfg->up_s > 0.0) {
        log_error("controller '%s': up_s is %g s, but an HPA without spec.behavior has no window "
                  "before scaling up; set behavior: default, or up_s: 0",
                  label, cfg->up_s);
        return ERR_CONFIG;
    }
    return ERR_OK;
}

/* Rings of `window` rows: a look back at `age` decisions is within a window of s seconds only if
 * age x period_s < s, so age <= ceil(longest / period_s) - 1 and no row that is read was
 * overwritten. */
static enum err khpa_make(struct controller **out, struct arena *arena,
                          const struct controller_setup *setup)
{
    const struct khpa_params *cfg = setup->params;
    const double longest = fmax(fmax(cfg->up_s, cfg->down_s), LIMIT_PERIOD_S);
    const int window = 1 + (int)ceil(longest / setup->env_setup->cfg.plant->period_s);
    const int n = setup->env_setup->topology.n_services;
    struct khpa *k = ARENA_NEW(arena, 1, struct khpa);
    int *rows = ARENA_NEW(arena, (1 + 2 * window) * n, int);
    TRY(arena_error(arena));
    *k = (struct khpa){.base = {.ops = &khpa_ops},
                       .cfg = cfg,
                       .target_percent = whole_percent(cfg),
                       .n_services = n,
                       .window = window,
                       .found = rows,
                       .recommended = rows + n,
                       .asked = rows + (1 + window) * n};
    *out = &k->base;
    return ERR_OK;
}

static void khpa_reads(uint8_t *columns, const void *params, const struct topology *topology)
{
    (void)params;
    for (int i = 0; i < topology->n_services; i++) {
        for (int f = SF_HPA_READY; f <= SF_HPA_CPU; f++) {
            columns[state_service_at(i, (enum service_feature)f)] = 1;
        }
    }
}

static double khpa_settling_s(const void *params)
{
    return ((const struct khpa_params *)params)->down_s;
}

static const struct cfg_choice behaviors[] = {
    {"none", KHPA_BEHAVIOR_NONE,
     "no such stanza, as kubectl autoscale makes it: a decision asks for at most max(2 n, 4) pods"},
    {"default", KHPA_BEHAVIOR_DEFAULT,
     "a stanza of its default values: at most max(2 n, n + 4) pods in 15 s; up_s and down_s may "
     "differ"},
    {NULL, 0, NULL},
};

static const struct cfg_field khpa_fields[] = {
    CFG_ENUM(struct khpa_params, behavior, "none", behaviors, CFG_RESULT,
             "spec.behavior of the HorizontalPodAutoscaler"),
    CFG_DOUBLE(struct khpa_params, target, "0.8", 0.01, 100, "", CFG_RESULT,
               "target of CPU used / requested; whole per cents, at most limit_ratio"),
    CFG_DOUBLE(struct khpa_params, up_s, "0", 0, 3600, "s", CFG_RESULT,
               "stabilisation window before scaling up; needs behavior: default"),
    CFG_DOUBLE(struct khpa_params, down_s, "300", 0, 3600, "s", CFG_RESULT,
               "stabilisation window before scaling down"),
    CFG_DOUBLE(struct khpa_params, tolerance, "0.1", 0, 1, "", CFG_RESULT,
               "deviation of used / target that is left alone"),
    CFG_END,
};

const struct controller_kind controller_khpa = {
    .cfg = {"khpa", "Kubernetes horizontal pod autoscaler v2", khpa_fields,
            sizeof(struct khpa_params)},
    .sweeps = true,
    .colour = "#D55E00",
    .check = khpa_check,
    .make = khpa_make,
    .settling_s = khpa_settling_s,
    .reads = khpa_reads,
};
