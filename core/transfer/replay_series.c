/* Replaying a recording. See replay_series.h. */
#include "core/transfer/replay_series.h"

#include "core/plant/schema.h"

#include <math.h>
#include <string.h>

/* Samples come a little early or late; of a period, what does not count. */
#define JITTER 0.05

enum { PODS_MAX = 4096, STATE_MAX = SERVICE_FEATURES + GLOBAL_FEATURES, POD_OLD_S = 600 };

/* ---- the recording at any time ---- */

/* Last sample at or before t, at least 0. The caller asks in ascending order, nearly. */
static int sample_at(const struct replay_series *s, double t)
{
    int lo = 0, hi = s->n - 1;
    while (lo < hi) { /* time_s[lo] <= t or lo = 0 */
        const int mid = (lo + hi + 1) / 2;
        if (s->time_s[mid] <= t) {
            lo = mid;
        } else {
            hi = mid - 1;
        }
    }
    return lo;
}

/* On the line through the neighbours that are known; 0 if there are none. */
static double value_at(const struct replay_series *s, const double *values, double t)
{
    int a = sample_at(s, t), b = a + 1;
    if (values == NULL) {
        return 0.0;
    }
    while (a >= 0 && isnan(values[a])) {
        a--;
    }
    while (b < s->n && isnan(values[b])) {
        b++;
    }
    if (a < 0 || b >= s->n) {
        return a >= 0 ? values[a] : b < s->n ? values[b] : 0.0;
    }
    const double share = (t - s->time_s[a]) / (s->time_s[b] - s->time_s[a]);
    return values[a] + fmax(0.0, share) * (values[b] - values[a]);
}

/* ---- pods ---- */

/* When those were added that are not ready yet; a removal takes the youngest. */
struct replay_pods {
    int n;
    int n_young;
    double added_s[PODS_MAX]; /* (n_young) ascending */
};

static void set_pods(struct replay_pods *p, int n, double now_s)
{
    for (; p->n < n; p->n++) {
        if (p->n_young < PODS_MAX) {
            p->added_s[p->n_young++] = now_s;
        }
    }
    const int gone = p->n - n;
    p->n_young = p->n_young > gone ? p->n_young - gone : 0;
    p->n = n;
}

static int n_ready(struct replay_pods *p, double now_s, double start_s)
{
    int ripe = 0;
    while (ripe < p->n_young && now_s - p->added_s[ripe] >= start_s) {
        ripe++;
    }
    memmove(p->added_s, p->added_s + ripe, (size_t)(p->n_young - ripe) * sizeof *p->added_s);
    p->n_young -= ripe;
    return p->n - p->n_young;
}

/* ---- a decision ---- */

static void fill_rates(float *state, const struct replay_series *s, double t)
{
    const double rps = value_at(s, s->rps, t), before = value_at(s, s->rps, t - 10.0);
    state[SF_RECEIVED] = state[SF_SUCCEEDED] = (float)rps;
    state[state_global_at(1, GF_ENTRY_30S)] = (float)value_at(s, s->rps, t - 10.0);
    state[state_global_at(1, GF_ENTRY_10S)] = (float)rps;
    state[state_global_at(1, GF_ENTRY_5S)] = (float)rps;
    state[state_global_at(1, GF_ENTRY_DIFF)] = (float)(rps - before);
    state[state_global_at(1, GF_ENTRY_TREND)] = (float)(rps - before);
    state[state_global_at(1, GF_ANSWERED)] = 1.0F;
}

static void fill(float *state, const struct controller *c, struct replay_pods *p,
                 const struct replay_series *s, const struct replay_cfg *cfg, double now_s)
{
    const double t = now_s - cfg->lag_s;
    const double cpu_m = cfg->cpu_scale * value_at(s, s->cpu_m, t);
    const double request_m = c->env_setup->cfg.topology->services[0].cpu_m;
    const int ready = n_ready(p, now_s, cfg->start_s);
    const double share = p->n > 0 ? (double)ready / p->n : 0.0;
    memset(state, 0, STATE_MAX * sizeof *state);
    state[SF_DEPLOYED] = state[SF_DESIRED] = (float)p->n;
    state[SF_READY] = state[SF_HPA_READY] = (float)ready;
    state[SF_HPA_IGNORED] = (float)(p->n - ready);
    state[SF_CPU] = (float)cpu_m;
    state[SF_HPA_CPU] = (float)(cpu_m * share);
    state[SF_UTIL_10S] = p->n > 0 ? (float)(cpu_m / (p->n * request_m)) : 0.0F;
    state[SF_POD_AGE] = POD_OLD_S;
    fill_rates(state, s, t);
}

static void decide(struct controller *c, struct replay_pods *p, const struct replay_series *s,
                   const struct replay_cfg *cfg, double now_s)
{
    float state[STATE_MAX];
    int32_t delta = 0;
    fill(state, c, p, s, cfg, now_s);
    c->view = (struct shield_view){.state = state, .now_s = now_s};
    controller_act(c, &delta, state);
    const int wanted = controller_clip(c->env_setup, 0, p->n + delta);
    set_pods(p, wanted < PODS_MAX ? wanted : PODS_MAX, now_s);
}

/* ---- comparing ---- */

static void count(struct replay_error *e, double predicted, double recorded)
{
    e->n++;
    e->n_equal += predicted == recorded;
    e->abs += fabs(predicted - recorded);
}

static int sign(double x)
{
    return x > 0.0 ? 1 : x < 0.0 ? -1 : 0;
}

static void count_move(struct replay_result *out, double predicted, double recorded)
{
    if (recorded == 0.0) {
        out->n_moves_made += predicted != 0.0;
        return;
    }
    out->n_moves++;
    out->n_moves_met += sign(predicted) == sign(recorded);
    out->n_moves_missed += predicted == 0.0;
}

static void add_error(struct replay_error *sum, const struct replay_error *e)
{
    sum->n += e->n;
    sum->n_equal += e->n_equal;
    sum->abs += e->abs;
}

void replay_add(struct replay_result *sum, const struct replay_result *r)
{
    add_error(&sum->open, &r->open);
    add_error(&sum->free, &r->free);
    add_error(&sum->stay, &r->stay);
    add_error(&sum->first, &r->first);
    sum->n_moves += r->n_moves;
    sum->n_moves_met += r->n_moves_met;
    sum->n_moves_missed += r->n_moves_missed;
    sum->n_moves_made += r->n_moves_made;
}

/* One pass over the series. open: the recorded replicas are given back at each sample. Decisions
 * are at whole periods after the first sample, up to and with the time of a sample. */
static void pass(struct replay_result *out, double *free_run, struct controller *c,
                 const struct replay_series *s, const struct replay_cfg *cfg, bool open)
{
    static const struct episode_id id = {.seed = 1, .split = RNG_DEV};
    struct replay_pods pods = {.n = 0};
    int first = 0, done = 0;
    while (first < s->n && isnan(s->replicas[first])) {
        first++;
    }
    if (first == s->n) {
        return;
    }
    double before = s->replicas[first];
    controller_reset(c, &id, NULL);
    set_pods(&pods, (int)before, -INFINITY);
    for (int i = first + 1; i < s->n; i++) {
        const double until_s = s->time_s[i] + JITTER * cfg->period_s;
        while (s->time_s[first] + (done + 1) * cfg->period_s <= until_s) {
            done++;
            decide(c, &pods, s, cfg, s->time_s[first] + done * cfg->period_s);
        }
        const double recorded = s->replicas[i];
        if (!open && free_run != NULL) {
            free_run[i] = pods.n;
        }
        if (isnan(recorded)) {
            continue;
        }
        count(open ? &out->open : &out->free, pods.n, recorded);
        if (open) {
            count(&out->stay, before, recorded);
            count(&out->first, s->replicas[first], recorded);
            count_move(out, pods.n - before, recorded - before);
            set_pods(&pods, (int)recorded, s->time_s[i]);
            before = recorded;
        }
    }
}

void replay_run(struct replay_result *out, double *free_run, struct controller *c,
                const struct replay_series *s, const struct replay_cfg *cfg)
{
    for (int i = 0; free_run != NULL && i < s->n; i++) {
        free_run[i] = (double)NAN;
    }
    pass(out, NULL, c, s, cfg, true);
    pass(out, free_run, c, s, cfg, false);
}
