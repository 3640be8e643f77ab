/* KHPA: the Kubernetes horizontal pod autoscaler v2, as its controller computes it.
 *
 * Written from its documentation ("Horizontal Pod Autoscaling", algorithm details and configurable
 * scaling behaviour) and the behaviour of pkg/controller/podautoscaler, release 1.33. "Current" is
 * what was asked for (spec.replicas), whether those pods run yet or not. Of each service:
 *   0. A current number outside the replica bounds becomes the nearer bound at once.
 *   1. Partition of the pods: the state's hpa_* columns (ready with a metric, ignored, missing).
 *      Without any ready pod that has a metric there is no proposal of CPU.
 *   2. Utilisation = used / requested in whole per cent, fractions dropped; ratio = utilisation /
 *      target. Inside the tolerances (1 - down.tolerance to 1 + up.tolerance) the current number is
 *      proposed, else ceil(ratio x ready).
 *   3. When pods miss a metric, or the ratio is above 1 and pods are set aside (pending, or too
 *      young): they join the pods, missing ones as using all they requested when scaling down, all
 *      of them as using nothing when scaling up; then the ratio is taken anew. The current number
 *      is kept if that ratio is tolerable, or it or its result points the other way.
 *      Several metrics: the largest proposal is recommended. Requests (an External or Object
 *      metric with a target AverageValue, which is what KEDA sets up) propose
 *      ceil(rate / average), and the number of pods while rate / (average x pods) is tolerable;
 *      rates come in thousandths. They do not look at the partition. If a metric has failed and
 *      the others ask for fewer than there are, there is no recommendation and no change.
 *   4. Stabilisation and 5. rate limits depend on spec.behavior:
 *
 *      none      4. the largest recommendation of the last down_s, also if it is above the current
 *                   number (down_s is --horizontal-pod-autoscaler-downscale-stabilization);
 *                5. at most max(2 x current, 4).
 *      default   4. the current number, raised to the least recommendation of the last up_s if it
 *                   is below, lowered to the largest of the last down_s if it is above;
 *                5. policies of the direction, each with the number `start` at the beginning of its
 *                   period: Percent v allows ceil(start (1 + v / 100)) up and, fractions dropped,
 *                   start (1 - v / 100) down; Pods v allows start +- v. The largest change that
 *                   one of them allows (select max), or the smallest (min), or none (disabled).
 *                   By default up by the larger of 100 % and 4 pods in 15 s, down by 100 % in 15 s.
 *
 *      A controller that starts counts what it finds as recommended. A recommendation or change
 *      that is exactly as old as a window or period has left it: decisions of a real controller
 *      come a little later than their period.
 * Left out: targets that are no averages (Value), metrics of single pods and containers, memory,
 * and scaling to zero. An adapter that remembers is assumed: requests fail as a metric only where
 * their rate is unknown.
 */
#include "core/controllers/khpa.h"

#include "core/controllers/kinds.h"

#include "core/plant/schema.h"

#include <math.h>

enum { LIMIT_PODS = 4, LIMIT_FACTOR = 2, NO_OPINION = -1, REPLICAS_MOST = 1000000000 };

static const struct khpa_policy default_up[] = {{KHPA_PERCENT, 100, 15}, {KHPA_PODS, 4, 15}};
static const struct khpa_policy default_down[] = {{KHPA_PERCENT, 100, 15}};
static const struct khpa_metric cpu_alone[] = {{.of = KHPA_CPU}};

/* A direction with its defaults in their places. */
struct direction {
    int sign; /* 1 = up */
    int select;
    double tolerance;
    const struct khpa_policy *policies;
    int n_policies;
};

struct khpa {
    struct controller base;
    const struct khpa_params *cfg;
    double target_percent;
    struct direction up, down;
    const struct khpa_metric *metrics;
    int n_metrics;
    double *average; /* (n_metrics, n_services) targets of requests, thousandths of 1/s */
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
    return 1.0 - k->down.tolerance <= ratio && ratio <= 1.0 + k->up.tolerance;
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

/* Steps 1 to 3 for CPU. */
static int propose_for_cpu(const struct khpa *k, const struct usage *u, int current)
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

/* ---- requests ---- */

static int column_of(const struct khpa *k, int source, int s)
{
    static const enum global_feature of_ingress[] = {[KHPA_INGRESS] = GF_ENTRY_30S,
                                                     [KHPA_INGRESS_10S] = GF_ENTRY_10S,
                                                     [KHPA_INGRESS_5S] = GF_ENTRY_5S};
    return source == KHPA_SERVICE ? state_service_at(s, SF_RECEIVED)
                                  : state_global_at(k->n_services, of_ingress[source]);
}

static bool is_known(const struct khpa *k, int column)
{
    const float *age = k->base.view.age;
    return age == NULL || !isinf(age[column]);
}

/* Pods are those that exist (status.replicas): without any, the ratio is no number or infinite, and
 * nothing is tolerable. */
static int propose_for_requests(const struct khpa *k, double rate, double average, double pods)
{
    const double thousandths = floor(1e3 * rate + 0.5);
    return tolerable(k, thousandths / (average * pods))
               ? (int)pods
               : (int)fmin(REPLICAS_MOST, ceil(thousandths / average));
}

/* ---- all metrics ---- */

/* NO_OPINION: the metric has failed. */
static int propose(const struct khpa *k, int metric, const float *state, int s, int current)
{
    const struct usage u = usage_of(k, state, s);
    const int source = k->metrics[metric].of;
    if (source == KHPA_CPU) {
        return propose_for_cpu(k, &u, current);
    }
    const int column = column_of(k, source, s);
    return is_known(k, column) ? propose_for_requests(k, (double)state[column],
                                                      k->average[metric * k->n_services + s],
                                                      u.ready + u.ignored + u.missing)
                               : NO_OPINION;
}

/* NO_OPINION is below every number of replicas, so one metric that failed is no recommendation. */
static int recommend(const struct khpa *k, const float *state, int s, int current)
{
    int most = NO_OPINION;
    bool failed = false;
    for (int i = 0; i < k->n_metrics; i++) {
        const int proposed = propose(k, i, state, s, current);
        failed = failed || proposed == NO_OPINION;
        most = proposed > most ? proposed : most;
    }
    return failed && most < current ? NO_OPINION : most;
}

/* ---- stabilisation and limits ---- */

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

/* What a policy allows, from what there was at the beginning of its period. */
static int allowed_by(const struct khpa *k, const struct direction *d, const struct khpa_policy *p,
                      int service, int current)
{
    int start = current;
    for (int age = 1; within(k, age, p->period_s); age++) {
        start = past(k, k->asked, age)[service];
    }
    if (p->type == KHPA_PODS) {
        return start + d->sign * p->value;
    }
    const double moved = start * (1.0 + d->sign * (p->value / 100.0));
    return (int)fmin(REPLICAS_MOST, d->sign > 0 ? ceil(moved) : fmax(0.0, moved));
}

/* How far a stanza lets the number go in a direction; it takes nothing back. Numbers of a direction
 * are compared times its sign, so that the larger one is the larger change. */
static int furthest(const struct khpa *k, const struct direction *d, int service, int current)
{
    if (d->select == KHPA_SELECT_DISABLED) {
        return current;
    }
    const int chosen = d->select == KHPA_SELECT_MAX ? d->sign : -d->sign;
    int limit = allowed_by(k, d, &d->policies[0], service, current);
    for (int i = 1; i < d->n_policies; i++) {
        const int other = allowed_by(k, d, &d->policies[i], service, current);
        limit = chosen * (other - limit) > 0 ? other : limit;
    }
    return d->sign * (limit - current) > 0 ? limit : current;
}

/* Step 5. */
static int limit(const struct khpa *k, int service, int current, int wanted)
{
    if (k->cfg->behavior == KHPA_BEHAVIOR_NONE) {
        const int most = most_at_once(current);
        return wanted < most ? wanted : most;
    }
    const struct direction *d = wanted > current ? &k->up : &k->down;
    const int end = furthest(k, d, service, current);
    return d->sign * (wanted - end) > 0 ? end : wanted;
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
    *recommended = recommend(k, state, s, current);
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

/* ---- making ---- */

static struct direction direction_of(const struct khpa_params *cfg, int sign)
{
    const struct khpa_direction *d = sign > 0 ? &cfg->up : &cfg->down;
    struct direction out = {.sign = sign,
                            .select = d->select,
                            .tolerance = d->tolerance < 0.0 ? cfg->tolerance : d->tolerance,
                            .policies = d->policies,
                            .n_policies = d->n_policies};
    if (d->n_policies == 0) {
        out.policies = sign > 0 ? default_up : default_down;
        out.n_policies = sign > 0 ? 2 : 1;
    }
    return out;
}

static double longest_period_s(const struct direction *d)
{
    double longest = 0.0;
    for (int i = 0; i < d->n_policies; i++) {
        longest = fmax(longest, d->policies[i].period_s);
    }
    return longest;
}

/* Targets of requests in thousandths, at least one. Without averages: the share of what a pod can
 * do, in calls of the service or in the requests at the entries that bring them. */
static void set_averages(struct khpa *k, const struct topology *t)
{
    for (int i = 0; i < k->n_metrics; i++) {
        const struct khpa_metric *m = &k->metrics[i];
        for (int s = 0; s < k->n_services; s++) {
            const double calls = m->of == KHPA_SERVICE ? 1.0 : t->visits[s];
            const double average = m->n_average == 1  ? m->average[0]
                                   : m->n_average > 1 ? m->average[s]
                                                      : m->share * t->pod_rps[s] / calls;
            k->average[i * k->n_services + s] = fmax(1.0, floor(1e3 * average + 0.5));
        }
    }
}

/* Rings of `window` rows: a look back at `age` decisions is within a window of s seconds only if
 * age x period_s < s, so age <= ceil(longest / period_s) - 1 and no row that is read was
 * overwritten. */
static enum err khpa_make(struct controller **out, struct arena *arena,
                          const struct controller_setup *setup)
{
    const struct khpa_params *cfg = setup->params;
    const struct direction up = direction_of(cfg, 1), down = direction_of(cfg, -1);
    const double longest =
        fmax(fmax(cfg->up_s, cfg->down_s), fmax(longest_period_s(&up), longest_period_s(&down)));
    const int window = 1 + (int)ceil(longest / setup->env_setup->cfg.plant->period_s);
    const int n = setup->env_setup->topology.n_services;
    const int n_metrics = cfg->n_metrics > 0 ? cfg->n_metrics : 1;
    struct khpa *k = ARENA_NEW(arena, 1, struct khpa);
    int *rows = ARENA_NEW(arena, (1 + 2 * window) * n, int);
    double *average = ARENA_NEW(arena, n_metrics * n, double);
    TRY(arena_error(arena));
    *k = (struct khpa){.base = {.ops = &khpa_ops},
                       .cfg = cfg,
                       .target_percent = khpa_whole_percent(cfg),
                       .up = up,
                       .down = down,
                       .metrics = cfg->n_metrics > 0 ? cfg->metrics : cpu_alone,
                       .n_metrics = n_metrics,
                       .average = average,
                       .n_services = n,
                       .window = window,
                       .found = rows,
                       .recommended = rows + n,
                       .asked = rows + (1 + window) * n};
    set_averages(k, &setup->env_setup->topology);
    *out = &k->base;
    return ERR_OK;
}

static void khpa_reads(uint8_t *columns, const void *params, const struct topology *topology)
{
    const struct khpa_params *cfg = params;
    const struct khpa k = {.n_services = topology->n_services};
    const struct khpa_metric *metrics = cfg->n_metrics > 0 ? cfg->metrics : cpu_alone;
    for (int i = 0; i < topology->n_services; i++) {
        for (int f = SF_HPA_READY; f < SF_HPA_CPU; f++) {
            columns[state_service_at(i, (enum service_feature)f)] = 1;
        }
        for (int m = 0; m < (cfg->n_metrics > 0 ? cfg->n_metrics : 1); m++) {
            const bool cpu = metrics[m].of == KHPA_CPU;
            columns[cpu ? state_service_at(i, SF_HPA_CPU) : column_of(&k, metrics[m].of, i)] = 1;
        }
    }
}

static double khpa_settling_s(const void *params)
{
    return ((const struct khpa_params *)params)->down_s;
}

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
