/* Sums of each episode, parameters from sums, intervals from resampled sums. See queueing_fit.h. */
#include "core/twin/queueing_fit.h"

#include "core/base/fmath.h"
#include "core/base/log.h"
#include "core/base/stats.h"
#include "core/plant/schema.h"

#include <math.h>
#include <string.h>

enum {
    RESAMPLES = 1000,
    START_BINS = 12, /* decisions after which a pod that is still not ready is censored */
    GRID = 25,       /* values of servers, of tail */
    GRID_EPISODES = 48,
    FULL_POWER = 64,  /* weight u^64: pods that idled for a while count for little */
    FULL_QUEUE = 40,  /* calls that wait for a slot of a pod, on average over the pods */
    REST = 3,         /* decisions without a change after which a service is at rest */
    SATURATED_MIN = 5 /* decisions, weighted */
};

/* What is summed of an episode. */
enum sum_of_service {
    SUM_CALLS,
    SUM_REQUESTS,
    SUM_CPU,
    SUM_CPU_CALLS,
    SUM_FULL,
    SUM_FULLS,
    SUM_SERVICE
};
enum sum_of_whole {
    SUM_LAG_UP,
    SUM_LAG_DOWN,
    SUM_PODS2,
    SUM_PODS_HELD,
    SUM_HELD2,
    SUM_PODS_RAM,
    SUM_HELD_RAM,
    SUM_KBIT,
    SUM_KBIT_CALLS,
    SUM_STARTED,                             /* (START_BINS) pods that became ready in the bin */
    SUM_CENSORED = SUM_STARTED + START_BINS, /* (START_BINS) that were not ready at its end */
    SUM_SERVERS = SUM_CENSORED + START_BINS, /* (GRID) squared errors */
    SUM_JOIN = SUM_SERVERS + GRID,           /* (GRID) */
    SUM_TAIL = SUM_JOIN + GRID,              /* (GRID) */
    SUM_WHOLE = SUM_TAIL + GRID
};

struct fitting {
    const struct dataset *d;
    const struct topology *topology;
    const struct plant_cfg *plant;
    const struct fluid_cfg *cfg;
    struct queueing *out;
    int n_sums;
    int *episode; /* (n_episodes) training episodes of d */
    int n_episodes;
    double *sums; /* (n_episodes, n_sums) */
};

static int sum_at(int service, enum sum_of_service which)
{
    return SUM_WHOLE + service * SUM_SERVICE + (int)which;
}

/* servers 1 .. 16, tail 0.1 .. 10, geometric. */
static double servers_at(double i)
{
    return fm_exp(fm_log(16.0) * i / (GRID - 1));
}
static double tail_at(double i)
{
    return 0.1 * fm_exp(fm_log(100.0) * i / (GRID - 1));
}

static double join_at(double i)
{
    return 1.5 * i / (GRID - 1);
}

/* ---- reading rows ---- */

static const float *state_at(const struct fitting *f, int row)
{
    return f->d->state + (size_t)row * (size_t)f->d->features->n_state;
}

static double metric(const struct fitting *f, int row, int s, enum service_feature which)
{
    return (double)state_at(f, row)[state_service_at(s, which)];
}

static double front(const struct fitting *f, int row, enum global_feature which)
{
    return (double)state_at(f, row)[state_global_at(f->topology->n_services, which)];
}

/* No change of the service's replicas in the REST decisions before `row`, and all are ready. */
static bool at_rest(const struct fitting *f, int first, int row, int s)
{
    bool rest = row >= first + REST;
    for (int k = 1; rest && k <= REST; k++) {
        rest = f->d->delta[(ptrdiff_t)(row - k) * f->topology->n_services + s] == 0;
    }
    const double desired = metric(f, row, s, SF_DESIRED);
    return rest && metric(f, row, s, SF_READY) == desired &&
           metric(f, row, s, SF_DEPLOYED) == desired;
}

static bool is_leaf(const struct topology *t, int s)
{
    return t->sync_end[s] == t->callee_begin[s];
}

/* ---- sums of rates ---- */

static bool faultless(const struct fitting *f, int row)
{
    bool fine = front(f, row, GF_ENTRY_30S) > 0.0;
    for (int s = 0; fine && s < f->topology->n_services; s++) {
        fine = metric(f, row, s, SF_ERRORS) == 0.0 && metric(f, row, s, SF_RECEIVED) > 0.0;
    }
    return fine;
}

static void add_rates(const struct fitting *f, double *sums, int row)
{
    for (int s = 0; s < f->topology->n_services; s++) {
        const double calls = metric(f, row, s, SF_RECEIVED);
        sums[sum_at(s, SUM_CALLS)] += calls;
        sums[sum_at(s, SUM_REQUESTS)] += front(f, row, GF_ENTRY_30S);
        sums[sum_at(s, SUM_CPU)] += metric(f, row, s, SF_CPU) * 1e-3;
        sums[sum_at(s, SUM_CPU_CALLS)] += calls;
        if (is_leaf(f->topology, s)) {
            sums[SUM_KBIT] += metric(f, row, s, SF_NET_IN);
            sums[SUM_KBIT_CALLS] += calls;
        }
    }
}

static double queue_of_pod(const struct fitting *f, int row, int s)
{
    return metric(f, row, s, SF_QUEUE) / fmax(1.0, metric(f, row, s, SF_READY));
}

/* Calls queued at every pod of the service for the whole window of util_10s, and its callees were
 * not full. Slots that wait for callees can leave CPU idle, so the mean is weighted towards the
 * largest utilisations. */
static void add_saturation(const struct fitting *f, double *sums, int first, int row, int s)
{
    const struct topology *t = f->topology;
    bool full = at_rest(f, first, row, s) && queue_of_pod(f, row, s) > FULL_QUEUE &&
                queue_of_pod(f, row - 1, s) > FULL_QUEUE;
    for (int e = t->callee_begin[s]; full && e < t->sync_end[s]; e++) {
        full = metric(f, row, t->callee[e], SF_UTIL_10S) < 0.8 * t->cfg->limit_ratio;
    }
    if (full) {
        const double u = metric(f, row, s, SF_UTIL_10S) / t->cfg->limit_ratio;
        const double weight = fm_pow(fmin(1.0, u), FULL_POWER);
        sums[sum_at(s, SUM_FULL)] += weight * u;
        sums[sum_at(s, SUM_FULLS)] += weight;
    }
}

/* Memory = pod_mib x pods + call_mib x calls held; the calls by Little's law. */
static void add_memory(const struct fitting *f, double *sums, int row, int s)
{
    const double pods = metric(f, row, s, SF_DEPLOYED), ram = metric(f, row, s, SF_RAM);
    const double held = metric(f, row, s, SF_RECEIVED) * metric(f, row, s, SF_LATENCY_10S) * 1e-3;
    sums[SUM_PODS2] += pods * pods;
    sums[SUM_PODS_HELD] += pods * held;
    sums[SUM_HELD2] += held * held;
    sums[SUM_PODS_RAM] += pods * ram;
    sums[SUM_HELD_RAM] += held * ram;
}

/* The mean load of the window [t - lag - W, t - lag] is linear in the lag while lag <= period: the
 * newest period has (period - lag), the periods wholly inside have all of it, the oldest has the
 * rest. With W = n periods,
 *
 *     n y = (1 - g) l1 + l2 + ... + ln + g l(n+1),     g = lag / period,   y = the measured rate
 */
static void add_lag(const struct fitting *f, double *sums, int first, int row)
{
    const int n = (int)lround(f->plant->window_s / f->plant->period_s);
    if (n < 1 || row - n - 1 < first || front(f, row, GF_ENTRY_30S) <= 0.0) {
        return;
    }
    double inside = 0.0;
    for (int k = 1; k <= n; k++) {
        inside += (double)f->d->load[row - k];
    }
    const double slope = (double)(f->d->load[row - n - 1] - f->d->load[row - 1]);
    sums[SUM_LAG_UP] += slope * (n * front(f, row, GF_ENTRY_30S) - inside);
    sums[SUM_LAG_DOWN] += slope * slope;
}

/* ---- sums of starting pods ---- */

/* Would the node have room for what is asked for after the decision at `row`, and for what may
 * still drain? */
static bool has_room(const struct fitting *f, int row)
{
    const struct topology_cfg *t = f->topology->cfg;
    double cpu_m = 0.0, ram_mib = 0.0;
    for (int s = 0; s < f->topology->n_services; s++) {
        const double pods = fmax(metric(f, row, s, SF_DESIRED), metric(f, row + 1, s, SF_DESIRED));
        cpu_m += pods * t->services[s].cpu_m;
        ram_mib += pods * t->services[s].ram_mib;
    }
    return cpu_m <= t->node_cpu_m && ram_mib <= t->node_ram_mib;
}

/* Pods that the decision at `row` added to a service at rest: in which bin, between two scrapes
 * that decisions saw, they became ready. The service is watched until its next change. */
static void add_starts(const struct fitting *f, double *sums, int first, int last, int row, int s)
{
    const int n = f->topology->n_services;
    const int added = f->d->delta[(ptrdiff_t)row * n + s];
    if (added <= 0 || !at_rest(f, first, row, s) || !has_room(f, row)) {
        return;
    }
    const double before = metric(f, row, s, SF_READY);
    double seen = 0.0;
    int bin = 0;
    for (; bin < START_BINS && row + bin + 1 <= last; bin++) {
        if (bin > 0 && f->d->delta[(ptrdiff_t)(row + bin) * n + s] != 0) {
            break;
        }
        const double now = fmin(added, fmax(seen, metric(f, row + bin + 1, s, SF_READY) - before));
        sums[SUM_STARTED + bin] += now - seen;
        seen = now;
    }
    if (bin > 0) {
        sums[SUM_CENSORED + bin - 1] += added - seen;
    }
}

/* ---- sums of latencies ---- */

/* log(latency) - log(x / (mu u)) at each value of `servers`: x calls at utilisation u. */
static void add_latency(const struct fitting *f, double *sums, int first, int row, int s)
{
    const double u = metric(f, row, s, SF_UTIL_10S) / f->topology->cfg->limit_ratio;
    const double latency_s = metric(f, row, s, SF_LATENCY_10S) * 1e-3;
    const double calls = metric(f, row, s, SF_RECEIVED), cpu_s = metric(f, row, s, SF_CPU) * 1e-3;
    if (!at_rest(f, first, row, s) || u < 0.2 || u > 0.85 || latency_s <= 0.0 || cpu_s <= 0.0 ||
        metric(f, row, s, SF_QUEUE) > 0.0) {
        return;
    }
    const double limit = f->topology->cfg->services[s].cpu_m * 1e-3 * f->topology->cfg->limit_ratio;
    const double service_s = cpu_s / calls / limit; /* 1 / mu */
    for (int i = 0; i < GRID; i++) {
        const double x = fluid_calls_at(u, servers_at(i));
        const double error = fm_log(latency_s) - fm_log(x / u * service_s);
        sums[SUM_SERVERS + i] += error * error;
    }
}

static void add_episode(const struct fitting *f, double *sums, const struct dataset_episode *e)
{
    const int first = e->first_row, last = first + e->n_steps;
    for (int row = first; row <= last; row++) {
        const bool fine = faultless(f, row);
        if (fine) {
            add_rates(f, sums, row);
        }
        add_lag(f, sums, first, row);
        for (int s = 0; s < f->topology->n_services; s++) {
            add_saturation(f, sums, first, row, s);
            add_memory(f, sums, row, s);
            if (fine && is_leaf(f->topology, s)) {
                add_latency(f, sums, first, row, s);
            }
            if (row < last) {
                add_starts(f, sums, first, last, row, s);
            }
        }
    }
}

/* ---- parameters from sums ---- */

static double ratio_or(double up, double down, double otherwise)
{
    return down > 0.0 ? up / down : otherwise;
}

/* Minus log likelihood of a normal start-up delay; bin b ends (b + 1) period - lag after the
 * decision. */
static double start_misfit(const double *sums, double mean, double sd, double lag, double period)
{
    double sum = 0.0, below = 0.0;
    for (int b = 0; b < START_BINS; b++) {
        const double end = sojourn_normal(((b + 1) * period - lag - mean) / sd);
        sum -= sums[SUM_STARTED + b] * fm_log(fmax(end - below, 1e-9));
        sum -= sums[SUM_CENSORED + b] * fm_log(fmax(1.0 - end, 1e-9));
        below = end;
    }
    return sum;
}

/* A grid around the best point, halved in every round. The likelihood has one maximum. */
static void fit_start(double *mean, double *sd, const double *sums, double lag, double period)
{
    double width = 4.0 * period, best;
    *mean = 2.0 * period, *sd = period;
    best = start_misfit(sums, *mean, *sd, lag, period);
    for (int round = 0; round < 24; round++, width *= 0.6) {
        const double m = *mean, d = *sd;
        for (int i = -1; i <= 1; i++) {
            for (int k = -1; k <= 1; k++) {
                const double a = fmax(0.0, m + i * width), b = fmax(0.2, d + k * 0.5 * width);
                const double misfit = start_misfit(sums, a, b, lag, period);
                if (misfit < best) {
                    best = misfit, *mean = a, *sd = b;
                }
            }
        }
    }
}

/* Position of the least of errors (GRID), refined by the parabola through it and its neighbours. */
static double least(const double *errors)
{
    int at = 0;
    for (int i = 1; i < GRID; i++) {
        at = errors[i] < errors[at] ? i : at;
    }
    if (at == 0 || at == GRID - 1) {
        return at;
    }
    const double bend = errors[at - 1] - 2.0 * errors[at] + errors[at + 1];
    return bend > 0.0 ? at + 0.5 * (errors[at - 1] - errors[at + 1]) / bend : at;
}

static void fit_memory(double *pod, double *call, const double *sums)
{
    const double a = sums[SUM_PODS2], b = sums[SUM_PODS_HELD], c = sums[SUM_HELD2];
    const double det = a * c - b * b;
    const bool both = det > 1e-9 * a * c;
    *call = both ? fmax(0.0, (a * sums[SUM_HELD_RAM] - b * sums[SUM_PODS_RAM]) / det) : 0.0;
    *pod = fmax(0.0, ratio_or(sums[SUM_PODS_RAM] - *call * b, a, 0.0));
}

/* out (n) of the sums (n_sums). */
static void estimate(double *out, const struct fitting *f, const double *sums)
{
    const int n = f->topology->n_services;
    double *whole = out + queueing_at_whole(n, QUEUEING_START);
    for (int s = 0; s < n; s++) {
        double *one = out + queueing_at_service(s, QUEUEING_DEMAND);
        const double *of = sums + sum_at(s, SUM_CALLS);
        one[QUEUEING_DEMAND] = ratio_or(of[SUM_CPU], of[SUM_CPU_CALLS], 0.0);
        one[QUEUEING_VISITS] = ratio_or(of[SUM_CALLS], of[SUM_REQUESTS], 0.0);
        one[QUEUEING_USABLE] =
            of[SUM_FULLS] >= SATURATED_MIN ? fmin(1.0, of[SUM_FULL] / of[SUM_FULLS]) : 1.0;
    }
    const double lag = ratio_or(sums[SUM_LAG_UP], sums[SUM_LAG_DOWN], 0.0) * f->plant->period_s;
    whole[QUEUEING_LAG] = fmax(0.0, lag);
    fit_start(&whole[QUEUEING_START], &whole[QUEUEING_START_SD], sums, whole[QUEUEING_LAG],
              f->plant->period_s);
    whole[QUEUEING_SERVERS] = servers_at(least(sums + SUM_SERVERS));
    whole[QUEUEING_JOIN] = join_at(least(sums + SUM_JOIN));
    whole[QUEUEING_TAIL] = tail_at(least(sums + SUM_TAIL));
    fit_memory(&whole[QUEUEING_POD_MIB], &whole[QUEUEING_CALL_MIB], sums);
    whole[QUEUEING_CALL_KBIT] = ratio_or(sums[SUM_KBIT], sums[SUM_KBIT_CALLS], 0.0);
}

/* Sums over the episodes chosen (n_episodes), NULL: all. */
static void total(double *out, const struct fitting *f, const uint32_t *chosen)
{
    memset(out, 0, (size_t)f->n_sums * sizeof *out);
    for (int i = 0; i < f->n_episodes; i++) {
        const double *of =
            f->sums + (size_t)(chosen != NULL ? (int)chosen[i] : i) * (size_t)f->n_sums;
        for (int k = 0; k < f->n_sums; k++) {
            out[k] += of[k];
        }
    }
}

/* Values of all parameters, as points. */
static enum err set_points(struct fitting *f, struct arena *scratch)
{
    double *sums = ARENA_NEW(scratch, f->n_sums, double);
    double *values = ARENA_NEW(scratch, f->out->n, double);
    TRY(arena_error(scratch));
    total(sums, f, NULL);
    estimate(values, f, sums);
    for (int i = 0; i < f->out->n; i++) {
        const struct queueing_limits *limits = queueing_limits_of(f->out, i);
        const double value = fmin(fmax(values[i], limits->least), limits->most);
        f->out->params[i] = (struct queueing_param){value, value, value};
    }
    return ERR_OK;
}

/* A parameter whose sums are 0 in a resample has no estimate there; it keeps its value. */
static enum err set_intervals(struct fitting *f, uint64_t seed, struct arena *scratch)
{
    const struct stat_cfg stat = {.seed = seed, .resamples = RESAMPLES, .level = 0.95};
    const int n = f->out->n;
    double *all = ARENA_NEW(scratch, (size_t)n * RESAMPLES, double);
    double *values = ARENA_NEW(scratch, n, double), *sums = ARENA_NEW(scratch, f->n_sums, double);
    uint32_t *chosen = ARENA_NEW(scratch, f->n_episodes, uint32_t);
    TRY(arena_error(scratch));
    for (uint32_t r = 0; r < RESAMPLES; r++) {
        stat_draw(chosen, (uint32_t)f->n_episodes, &stat, r, STAT_ROLE_EVAL);
        total(sums, f, chosen);
        estimate(values, f, sums);
        for (int i = 0; i < n; i++) {
            const struct queueing_limits *limits = queueing_limits_of(f->out, i);
            const double value = values[i] > 0.0 ? values[i] : f->out->params[i].value;
            all[(size_t)i * RESAMPLES + r] = fmin(fmax(value, limits->least), limits->most);
        }
    }
    for (int i = 0; i < n; i++) {
        struct queueing_param *p = &f->out->params[i];
        struct stat_interval interval;
        TRY(stat_percentiles(&interval, p->value, all + (size_t)i * RESAMPLES, &stat, scratch));
        p->lo = fmin(p->value, interval.lo);
        p->hi = fmax(p->value, interval.hi);
    }
    return ERR_OK;
}

/* ---- episodes played again ---- */

struct replay {
    const struct fitting *f;
    struct fluid_net net;
    struct fluid fluid;
    struct fluid_load *load; /* (net.n_steps) */
};

static enum err replay_init(struct replay *r, const struct fitting *f, struct arena *scratch)
{
    r->f = f;
    TRY(fluid_net_init(&r->net, scratch, f->out, f->topology, f->plant, f->cfg));
    r->load = ARENA_NEW(scratch, r->net.n_steps, struct fluid_load);
    TRY(arena_error(scratch));
    return fluid_init(&r->fluid, scratch, &r->net);
}

static double in_time(const struct plant_truth *t)
{
    return ratio_or(t->compliant, t->answered + t->failed, 1.0);
}

/* How far a period of the twin is from what was recorded. */
struct gap {
    double in_time, used_m; /* of the truth */
    double late;    /* of the root of the share that was late: near 0 and 1 shares vary less,
                               and a cluster that serves well must be told from one that is perfect */
    double latency; /* log of the measured latency of services with parallel calls; 0 unless
                               all went well */
};

static bool joins(const struct topology *t, int s)
{
    return t->cfg->services[s].fan_out == FAN_PARALLEL && t->sync_end[s] - t->callee_begin[s] > 1;
}

static struct gap gap_of(const struct replay *r, int row)
{
    const struct fitting *f = r->f;
    const float *kpi = f->d->kpi + (size_t)row * (size_t)f->d->features->n_kpis;
    const double real = (double)(kpi[KPI_COMPLIANT] * kpi[KPI_SUCCESS]);
    const double twin = in_time(&r->fluid.truth);
    struct gap gap = {.in_time = real - twin,
                      .late = sqrt(fmax(0.0, 1.0 - real)) - sqrt(fmax(0.0, 1.0 - twin)),
                      .used_m = (double)kpi[KPI_USED] - r->fluid.truth.used_m_mean};
    const bool fine = faultless(f, row + 1);
    for (int s = 0; fine && s < f->topology->n_services; s++) {
        const double was = metric(f, row + 1, s, SF_LATENCY_10S);
        const double is = (double)r->fluid.state[state_service_at(s, SF_LATENCY_10S)];
        if (joins(f->topology, s) && was > 0.0 && is > 0.0) {
            gap.latency += fm_log(was) - fm_log(is);
        }
    }
    return gap;
}

/* What is done with each gap. */
typedef void gap_user(void *ctx, const struct gap *gap);

/* The episode from its first decision on. */
static void play(struct replay *r, int episode, gap_user *use, void *ctx)
{
    const struct dataset *d = r->f->d;
    const struct dataset_episode *e = &d->episodes[episode];
    const struct episode_id id = {.seed = 1, .split = RNG_DEV, .env = (uint32_t)episode};
    fluid_begin(&r->fluid, &id, (double)d->load[e->first_row]);
    for (int row = e->first_row; row < e->first_row + e->n_steps; row++) {
        for (int i = 0; i < r->net.n_steps; i++) {
            r->load[i] = (struct fluid_load){(double)d->load[row], 1.0};
        }
        fluid_period(&r->fluid, d->delta + (ptrdiff_t)row * r->f->topology->n_services, r->load);
        const struct gap gap = gap_of(r, row);
        use(ctx, &gap);
    }
}

static void square_late(void *ctx, const struct gap *gap)
{
    *(double *)ctx += gap->late * gap->late;
}

static void square_latency(void *ctx, const struct gap *gap)
{
    *(double *)ctx += gap->latency * gap->latency;
}

/* Squared gaps into the sums from `at` on: of every k-th training episode, GRID_EPISODES at most,
 * at each value of the parameter. */
static enum err add_grid(struct fitting *f, enum queueing_of_whole which, double (*value)(double i),
                         int at, gap_user *use, struct arena *scratch)
{
    struct replay replay;
    const int stride = (f->n_episodes + GRID_EPISODES - 1) / GRID_EPISODES;
    struct queueing_param *param =
        &f->out->params[queueing_at_whole(f->topology->n_services, which)];
    TRY(replay_init(&replay, f, scratch));
    for (int i = 0; i < GRID; i++) {
        param->value = value(i);
        for (int k = 0; k < f->n_episodes; k += stride) {
            play(&replay, f->episode[k], use,
                 f->sums + (size_t)k * (size_t)f->n_sums + (size_t)(at + i));
        }
    }
    return ERR_OK;
}

static void add_errors(void *ctx, const struct gap *gap)
{
    struct queueing_errors *errors = ctx;
    errors->in_time += fabs(gap->in_time);
    errors->used_m += fabs(gap->used_m);
}

static enum err judge(struct queueing_errors *errors, const struct fitting *f,
                      struct arena *scratch)
{
    struct replay replay;
    double periods = 0.0;
    *errors = (struct queueing_errors){0};
    TRY(replay_init(&replay, f, scratch));
    for (int i = 0; i < f->d->n_episodes; i++) {
        if (f->d->episodes[i].part == STORE_VALIDATION) {
            play(&replay, i, add_errors, errors);
            periods += f->d->episodes[i].n_steps;
            errors->n_episodes++;
        }
    }
    errors->in_time = ratio_or(errors->in_time, periods, 0.0);
    errors->used_m = ratio_or(errors->used_m, periods, 0.0);
    return ERR_OK;
}

/* ---- the fit ---- */

static enum err lacking(const char *what)
{
    log_error("a queueing twin cannot be fitted to these traces: %s; collect them with karma trace "
              "collect, from controllers that add replicas and meet a load that changes, or fit "
              "networks (twin.kind: mlp)",
              what);
    return ERR_FORMAT;
}

static enum err check_columns(const struct dataset *d, const struct topology *t)
{
    const struct features *s = d->features;
    if (s->n_kpis == 0) {
        return lacking("they have no exact counters, as a recording");
    }
    bool same = s->n_services == t->n_services && s->n_state == state_size(t->n_services);
    for (int i = 0; same && i < t->n_services; i++) {
        same = s->desired_at[i] == state_service_at(i, SF_DESIRED);
    }
    if (!same) {
        return lacking("they do not have all columns of the state");
    }
    return d->loaded ? ERR_OK : lacking("the offered load is not known");
}

static enum err check_sums(const struct fitting *f, const double *sums)
{
    double started = 0.0;
    for (int b = 0; b < START_BINS; b++) {
        started += sums[SUM_STARTED + b];
    }
    for (int s = 0; s < f->topology->n_services; s++) {
        if (!(sums[sum_at(s, SUM_CPU)] > 0.0)) {
            return lacking("no decision without errors shows calls and CPU of every service");
        }
    }
    if (!(sums[SUM_LAG_DOWN] > 0.0)) {
        return lacking("the load never changes, so the age of measurements cannot be seen");
    }
    return started > 0.0 ? ERR_OK
                         : lacking("no replicas were added to a service at rest on a node with "
                                   "room, so the start-up of pods cannot be seen");
}

static enum err collect_sums(struct fitting *f, struct arena *scratch)
{
    const struct dataset *d = f->d;
    f->n_sums = sum_at(f->topology->n_services, SUM_CALLS);
    f->episode = ARENA_NEW(scratch, d->n_episodes, int);
    f->sums = ARENA_NEW(scratch, (size_t)d->n_episodes * (size_t)f->n_sums, double);
    double *sums = ARENA_NEW(scratch, f->n_sums, double);
    TRY(arena_error(scratch));
    for (int i = 0; i < d->n_episodes; i++) {
        if (d->episodes[i].part == STORE_TRAIN) {
            f->episode[f->n_episodes] = i;
            add_episode(f, f->sums + (size_t)f->n_episodes++ * (size_t)f->n_sums, &d->episodes[i]);
        }
    }
    total(sums, f, NULL);
    return check_sums(f, sums);
}

enum err queueing_fit(struct queueing *out, struct queueing_errors *errors,
                      const struct dataset *data, const struct topology *topology,
                      const struct plant_cfg *plant, const struct fluid_cfg *cfg, uint64_t seed,
                      struct arena *scratch)
{
    const struct arena_mark mark = arena_mark(scratch);
    struct fitting f = {.d = data, .topology = topology, .plant = plant, .cfg = cfg, .out = out};
    TRY(check_columns(data, topology));
    TRY(collect_sums(&f, scratch));
    TRY(set_points(&f, scratch)); /* all but the next two, which follow from the others */
    f.out->params[queueing_at_whole(topology->n_services, QUEUEING_TAIL)].value = 1.0;
    TRY(add_grid(&f, QUEUEING_JOIN, join_at, SUM_JOIN, square_latency, scratch));
    TRY(set_points(&f, scratch));
    TRY(add_grid(&f, QUEUEING_TAIL, tail_at, SUM_TAIL, square_late, scratch));
    TRY(set_points(&f, scratch));
    TRY(set_intervals(&f, seed, scratch));
    TRY(judge(errors, &f, scratch));
    out->n_episodes = f.n_episodes;
    arena_rewind(scratch, mark);
    return queueing_check(out, "the fitted parameters");
}
