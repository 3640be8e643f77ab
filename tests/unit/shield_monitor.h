/* A monitor: judges what came out of a shield, without any of its code.
 *
 * It follows the words of core/shield/shield.h, as directly as it can be said: every invariant is a
 * penalty, the distance of a number of replicas to what the invariant allows. All numbers of a
 * range are tried; those with the least penalty of the first invariant stay, of these those with
 * the least of the second, and so on. Of what is left at the end the nearest to the proposal is
 * right. It keeps a history of its own, takes its quantiles from libm, and finds capacity by
 * trying.
 *
 * A result that is wrong is counted at the first invariant whose penalty it could have had smaller;
 * if there is none, as needless (the shield forbade more than it must).
 *
 * Where the capacity of the monitor and that of a correct shield may differ by rounding (a relative
 * change of the load by 1e-7 changes the number of pods), the service is not judged in that
 * decision; monitor.ambiguous counts these.
 */
#ifndef KARMA_TESTS_SHIELD_MONITOR_H
#define KARMA_TESTS_SHIELD_MONITOR_H

#include "core/plant/plant.h"
#include "core/plant/schema.h"
#include "core/plant/topology.h"
#include "core/shield/shield.h" /* struct shield_cfg: the limits as they are configured, data only */

#include <math.h>
#include <stdio.h>
#include <string.h>

enum {
    MONITOR_BUDGET,
    MONITOR_BOUNDS,
    MONITOR_STEP,
    MONITOR_FRESHNESS,
    MONITOR_CAPACITY,
    MONITOR_FLAPS,
    MONITOR_COOLDOWN,
    MONITOR_DISRUPTION,
    MONITOR_NEEDLESS,
    MONITOR_KINDS
};
enum { MONITOR_SERVICES = 8, MONITOR_REVERSALS = 256, MONITOR_TO = 24 };
#define MONITOR_FAR 1e9

/* What is known of one service. */
struct monitor_service {
    double last_seen[3], same_since; /* received, CPU, queue */
    bool looked, blind;
    double blind_since;
    bool wrote; /* a number was known before */
    double before, expected;
    double foreign;
    int direction;
    double reversal[MONITOR_REVERSALS];
    int n_reversals;
    /* of the present decision */
    bool known, incomplete, ambiguous;
    double d, floor, need;
};
struct monitor {
    const struct shield_cfg *cfg;
    const struct topology *topology;
    const struct plant_cfg *plant;
    double z, z_path, log_path;
    double now, last_entry[3], entry_since;
    bool looked, clock; /* clock: a finite time has been seen */
    struct monitor_service service[MONITOR_SERVICES];
    long judged, ambiguous, violations[MONITOR_KINDS];
    char first[256]; /* violation, in words */
};

/* z with P(Z > z) = p, by bisection of erfc. */
static inline double monitor_quantile(double p)
{
    double lo = -10.0, hi = 10.0;
    for (int i = 0; i < 200; i++) {
        const double z = (lo + hi) / 2.0;
        if (0.5 * erfc(z / sqrt(2.0)) > p) {
            lo = z;
        } else {
            hi = z;
        }
    }
    return lo;
}

static inline void monitor_begin(struct monitor *m)
{
    m->looked = m->clock = false;
    m->now = 0.0;
    for (int i = 0; i < m->topology->n_services; i++) {
        struct monitor_service *s = &m->service[i];
        s->looked = s->blind = s->wrote = false;
        s->foreign = -INFINITY;
        s->direction = s->n_reversals = 0;
    }
}

static inline void monitor_init(struct monitor *m, const struct shield_cfg *cfg,
                                const struct topology *topology, const struct plant_cfg *plant)
{
    const double e = (1.0 - cfg->confidence) / 3.0;
    memset(m, 0, sizeof *m);
    m->cfg = cfg;
    m->topology = topology;
    m->plant = plant;
    m->z = monitor_quantile(e);
    m->z_path = monitor_quantile(e / 2.0);
    m->log_path = log(1.0 / e);
    monitor_begin(m);
}

/* ---- what is seen ---- */

static inline bool monitor_good(const struct monitor *m, const float *state, const float *age,
                                int column, double least, double most)
{
    const double a = age == NULL ? m->plant->lag_s : (double)age[column], x = (double)state[column];
    return isfinite(x) && x >= least && x <= most && isfinite(a) && a >= 0.0 &&
           a <= m->cfg->stale_s;
}

static inline bool monitor_frozen(double now, double since, const struct shield_cfg *cfg)
{
    return cfg->frozen_s > 0.0 && now - since >= cfg->frozen_s;
}

static inline bool monitor_blind(const struct monitor *m, int i, const float *state,
                                 const float *age)
{
    static const int pods[] = {SF_DEPLOYED, SF_FAILED_PODS, SF_READY, SF_HPA_MISSING};
    static const int values[] = {SF_QUEUE, SF_CPU, SF_RECEIVED};
    const float *f = state + i * SERVICE_FEATURES;
    const int all = m->topology->n_services * SERVICE_FEATURES;
    bool good = m->service[i].known && m->clock;
    for (int k = 0; k < 4; k++) {
        good = good && monitor_good(m, state, age, i * SERVICE_FEATURES + pods[k], 0.0, 1e6);
    }
    for (int k = 0; k < 3; k++) {
        good = good && monitor_good(m, state, age, i * SERVICE_FEATURES + values[k], 0.0, 1e12);
    }
    good = good && monitor_good(m, state, age, all + GF_ENTRY_30S, 0.0, 1e12) &&
           monitor_good(m, state, age, all + GF_ENTRY_10S, 0.0, 1e12) &&
           monitor_good(m, state, age, all + GF_ENTRY_DIFF, -1e12, 1e12);
    return !good || f[SF_READY] > f[SF_DEPLOYED] || f[SF_FAILED_PODS] > f[SF_DEPLOYED] ||
           monitor_frozen(m->now, m->entry_since, m->cfg) ||
           monitor_frozen(m->now, m->service[i].same_since, m->cfg);
}

static inline void monitor_since(double *since, double *last, const double *seen, double now,
                                 bool looked)
{
    if (!looked || memcmp(last, seen, 3 * sizeof *seen) != 0) {
        *since = now;
    }
    memcpy(last, seen, 3 * sizeof *seen);
}

/* ---- capacity, by trying ---- */

static inline double monitor_rate(const struct monitor *m, double rate, double seconds)
{
    const double n = rate * seconds, c = m->cfg->arrival_scv, z = m->z;
    return (n + c * z * z / 2.0 + z * sqrt(c * (n + c * z * z / 4.0))) / seconds;
}

/* Pods of work: now, and over the lag. */
static inline void monitor_load(double *now, double *lag, const struct monitor *m, int i,
                                const float *state)
{
    const struct topology *t = m->topology;
    const float *f = state + i * SERVICE_FEATURES;
    const float *g = state + t->n_services * SERVICE_FEATURES;
    const double T = m->plant->window_s, mu = t->pod_rps[i], fast = (double)g[GF_ENTRY_10S];
    const double entry =
        fmax(monitor_rate(m, (double)g[GF_ENTRY_30S], T), monitor_rate(m, fast, 10.0));
    const double noise = m->z * sqrt(2.0 * m->cfg->arrival_scv * fast / 10.0);
    const double rise = fmax(0.0, (double)g[GF_ENTRY_DIFF] - noise);
    const double received = (double)f[SF_RECEIVED], n = received * T;
    double work = 1.0 / mu;
    if (n >= 30.0) {
        const double seen = (double)f[SF_CPU] / (t->cfg->services[i].cpu_m * received);
        const double error = m->z * sqrt(m->cfg->service_scv / n);
        if (seen * (1.0 - error) > work) {
            work = seen * (1.0 + error);
        }
    }
    const double measured = monitor_rate(m, received, T) * work;
    *now = fmax(entry * t->visits[i] / mu, measured);
    *lag = fmax((entry + rise * m->cfg->actuation_s / 10.0) * t->visits[i] / mu, measured);
}

static inline bool monitor_drains(const struct monitor *m, int i, double load, double waiting,
                                  double r)
{
    const double mu = m->topology->pod_rps[i], lambda = load * mu / r, L = m->cfg->actuation_s;
    const double v = m->cfg->arrival_scv * lambda + m->cfg->service_scv * mu;
    double burst = m->z_path * sqrt(v * L);
    if (lambda < mu) {
        burst = fmin(burst, v * m->log_path / (2.0 * (mu - lambda)));
    }
    const double backlog = waiting / r + L * fmax(0.0, lambda - mu) + burst;
    return backlog <= mu * m->plant->latency_max_ms / 1000.0;
}

/* Least number of pods for a load of `scale` times the measured one: the first that is enough for
 * now and either no decrease or a safe one. */
static inline double monitor_need(const struct monitor *m, int i, const float *state, double scale)
{
    const double d = m->service[i].d;
    double now, lag;
    monitor_load(&now, &lag, m, i, state);
    now *= scale;
    lag *= scale;
    const double waiting = (double)state[i * SERVICE_FEATURES + SF_QUEUE] * scale;
    for (double x = 0.0; x < fmin(d, MONITOR_TO); x += 1.0) {
        if (x * m->cfg->utilisation >= now && x >= 1.0 && x * m->cfg->scale_in_utilisation >= lag &&
            monitor_drains(m, i, lag, waiting, x)) {
            return x;
        }
    }
    const double hold = fmin(ceil(now / m->cfg->utilisation), 1e6);
    return fmax(d, hold);
}

/* ---- looking ---- */

static inline void monitor_service_look(struct monitor *m, int i, const float *state,
                                        const float *age, bool timed)
{
    struct monitor_service *s = &m->service[i];
    const struct topology *t = m->topology;
    const float *f = state + i * SERVICE_FEATURES;
    const double seen[3] = {(double)f[SF_RECEIVED], (double)f[SF_CPU], (double)f[SF_QUEUE]};
    const double d = (double)f[SF_DESIRED];
    monitor_since(&s->same_since, s->last_seen, seen, m->now, s->looked && timed);
    s->looked = true;
    s->known =
        monitor_good(m, state, age, i * SERVICE_FEATURES + SF_DESIRED, 0.0, 1e6) && d == floor(d);
    if (s->known) {
        if (s->wrote && d != s->expected && d != s->before) {
            s->foreign = m->clock ? m->now : -INFINITY;
        }
        s->before = s->expected = s->d = d;
        s->wrote = true;
    } else {
        s->d = s->wrote ? s->expected : t->cfg->services[i].max_replicas;
    }
    const bool blind = monitor_blind(m, i, state, age);
    if (blind && (!s->blind || !timed)) {
        s->blind_since = m->now;
    }
    s->blind = blind;
    s->incomplete =
        !blind && (f[SF_HPA_MISSING] > 0.0F || (double)f[SF_READY] < d || f[SF_FAILED_PODS] > 0.0F);
    const double rate = t->visits[i] * m->cfg->floor_load * t->critical_rps;
    s->floor = fmin(
        fmax(ceil(rate / (m->cfg->utilisation * t->pod_rps[i])), t->cfg->services[i].min_replicas),
        t->cfg->services[i].max_replicas);
    s->ambiguous = false;
    s->need = -MONITOR_FAR;
    if (s->known && !blind) {
        s->need = monitor_need(m, i, state, 1.0);
        s->ambiguous = d > MONITOR_TO - 1 || monitor_need(m, i, state, 1.0 + 1e-7) != s->need ||
                       monitor_need(m, i, state, 1.0 - 1e-7) != s->need;
    }
}

/* The state of the next decision. timed: there was a time at the last one. */
static inline void monitor_look(struct monitor *m, const float *state, const float *age, double now)
{
    const float *g = state + m->topology->n_services * SERVICE_FEATURES;
    const double entry[3] = {(double)g[GF_ENTRY_30S], (double)g[GF_ENTRY_10S],
                             (double)g[GF_ENTRY_DIFF]};
    const bool timed = m->clock;
    if (isfinite(now)) {
        m->now = timed ? fmax(m->now, now) : now;
        m->clock = true;
    }
    monitor_since(&m->entry_since, m->last_entry, entry, m->now, m->looked && timed);
    m->looked = true;
    for (int i = 0; i < m->topology->n_services; i++) {
        monitor_service_look(m, i, state, age, timed);
    }
}

/* ---- penalties ---- */

static inline double monitor_outside(double x, double lo, double hi)
{
    return x < lo ? lo - x : x > hi ? x - hi : 0.0;
}

static inline int monitor_flips(const struct monitor *m, const struct monitor_service *s)
{
    int n = 0;
    for (int k = 0; k < s->n_reversals; k++) {
        n += s->reversal[k] > m->now - m->cfg->flap_window_s;
    }
    return n;
}

/* What an invariant allows of service i, [*lo, *hi]: the penalty of a number is its distance to
 * it. */
static inline void monitor_allows(double *lo, double *hi, const struct monitor *m, int i, int kind,
                                  const float *state)
{
    const struct monitor_service *s = &m->service[i];
    const struct service_cfg *c = &m->topology->cfg->services[i];
    const struct shield_cfg *cfg = m->cfg;
    const double d = s->d;
    *lo = -MONITOR_FAR;
    *hi = MONITOR_FAR;
    if (kind == MONITOR_BOUNDS) {
        *lo = c->min_replicas;
        *hi = c->max_replicas;
    } else if (kind == MONITOR_STEP) {
        *lo = d - cfg->step_in;
        *hi = d + cfg->step_out;
    } else if (kind == MONITOR_FRESHNESS && s->blind) {
        const bool held = !m->clock || m->now - s->blind_since < cfg->hold_s || d >= s->floor;
        *lo = *hi = held ? d : d + 1.0;
    } else if (kind == MONITOR_FRESHNESS && s->incomplete) {
        *lo = d;
    } else if (kind == MONITOR_CAPACITY && !s->blind) {
        *lo = s->need;
    } else if (kind == MONITOR_FLAPS) {
        const int n = monitor_flips(m, s);
        *lo = s->direction > 0 && n + 2 > cfg->flips_max ? d : *lo;
        *hi = s->direction < 0 && n + 1 > cfg->flips_max ? d : *hi;
    } else if (kind == MONITOR_COOLDOWN && m->now - s->foreign < cfg->cooldown_s) {
        *lo = *hi = d;
    } else if (kind == MONITOR_DISRUPTION) {
        const double gone = d - (double)state[i * SERVICE_FEATURES + SF_READY];
        const double share = cfg->disruption * d, whole = round(share);
        const double up = fabs(share - whole) < 1e-6 ? whole : ceil(share);
        const double may = up - (gone > 0.0 && gone <= d ? gone : 0.0);
        *lo = d - fmax(0.0, may);
    }
}

/* best[kind]: the least penalty that the higher ones permit. Returns the number that is right for
 * this service alone. The numbers that are tried lie around the replica bounds and around d: no
 * invariant allows a set with an end elsewhere that matters. */
static inline double monitor_right(double *best, const struct monitor *m, int i, double wanted,
                                   const float *state)
{
    enum { AROUND = 8, N = MONITOR_TO + 1 + AROUND + 2 * AROUND + 1 };
    double x[N];
    bool in[N];
    for (int k = 0; k < N; k++) {
        x[k] = k <= MONITOR_TO + AROUND ? k - AROUND
                                        : m->service[i].d + k - (MONITOR_TO + 2 * AROUND + 1);
        in[k] = true;
    }
    for (int kind = MONITOR_BOUNDS; kind <= MONITOR_DISRUPTION; kind++) {
        double penalty[N], lo, hi;
        monitor_allows(&lo, &hi, m, i, kind, state);
        best[kind] = INFINITY;
        for (int k = 0; k < N; k++) {
            penalty[k] = in[k] ? monitor_outside(x[k], lo, hi) : INFINITY;
            best[kind] = penalty[k] < best[kind] ? penalty[k] : best[kind];
        }
        for (int k = 0; k < N; k++) {
            in[k] = in[k] && penalty[k] <= best[kind];
        }
    }
    double right = NAN;
    for (int k = 0; k < N; k++) {
        if (in[k] && !(fabs(x[k] - wanted) >= fabs(right - wanted))) {
            right = x[k];
        }
    }
    return right;
}

/* ---- judging ---- */

static inline void monitor_blame(struct monitor *m, int kind, int i, double wanted, double given,
                                 double right)
{
    if (m->first[0] == '\0') {
        (void)snprintf(m->first, sizeof m->first,
                       "kind %d, service %d at %g: wanted %g, given %g, right %g (judged %ld)",
                       kind, i, m->service[i].d, wanted, given, right, m->judged);
    }
    m->violations[kind]++;
}

static inline bool monitor_fits(const struct monitor *m, const double *x, int one_more)
{
    const struct topology_cfg *t = m->topology->cfg;
    double pods = 0.0, cpu = 0.0, ram = 0.0;
    for (int i = 0; i < m->topology->n_services; i++) {
        const double n = x[i] + (i == one_more ? 1.0 : 0.0);
        pods += n;
        cpu += n * t->services[i].cpu_m;
        ram += n * t->services[i].ram_mib;
    }
    const double cpu_max =
        m->cfg->quota_cpu_m > 0.0 ? fmin(m->cfg->quota_cpu_m, t->node_cpu_m) : t->node_cpu_m;
    const double ram_max = m->cfg->quota_ram_mib > 0.0
                               ? fmin(m->cfg->quota_ram_mib, t->node_ram_mib)
                               : t->node_ram_mib;
    return (m->cfg->quota_pods == 0 || pods <= m->cfg->quota_pods) &&
           cpu <= cpu_max * (1.0 + 1e-8) && ram <= ram_max * (1.0 + 1e-8);
}

/* One service whose number is not the right one: at which invariant? Less than right is no fault of
 * a service that the budget has kept small; *kept is set for it. */
static inline void monitor_judge_service(struct monitor *m, int i, double wanted, double given,
                                         double right, const double *best, bool scarce, bool *kept,
                                         const float *state)
{
    const struct monitor_service *s = &m->service[i];
    *kept = false;
    if (!s->known) {
        if (given != s->d) {
            monitor_blame(m, MONITOR_FRESHNESS, i, wanted, given, s->d);
        }
        return;
    }
    *kept = scarce && right > s->d && given >= s->d && given < right;
    if (given == right || *kept) {
        return;
    }
    int kind = MONITOR_BOUNDS;
    for (; kind <= MONITOR_DISRUPTION; kind++) {
        double lo, hi;
        monitor_allows(&lo, &hi, m, i, kind, state);
        if (monitor_outside(given, lo, hi) > best[kind]) {
            break;
        }
    }
    monitor_blame(m, kind > MONITOR_DISRUPTION ? MONITOR_NEEDLESS : kind, i, wanted, given, right);
}

/* proposed, allowed (n_services): changes, of the state that was looked at last. */
static inline void monitor_judge(struct monitor *m, const int32_t *proposed, const int32_t *allowed,
                                 const float *state)
{
    double given[MONITOR_SERVICES], wish[MONITOR_SERVICES];
    double best[MONITOR_SERVICES][MONITOR_KINDS];
    bool grows = false, wishes = false, ambiguous = false;
    const int n = m->topology->n_services;
    for (int i = 0; i < n; i++) {
        const struct monitor_service *s = &m->service[i];
        given[i] = s->d + allowed[i];
        wish[i] = s->known ? monitor_right(best[i], m, i, s->d + proposed[i], state) : s->d;
        grows = grows || given[i] > s->d;
        wishes = wishes || wish[i] > s->d;
        ambiguous = ambiguous || s->ambiguous;
    }
    m->judged++;
    if (grows && !monitor_fits(m, given, -1)) {
        monitor_blame(m, MONITOR_BUDGET, 0, 0.0, 0.0, 0.0);
    }
    if (ambiguous) {
        m->ambiguous++;
        return;
    }
    const bool scarce = wishes && !monitor_fits(m, wish, -1);
    for (int i = 0; i < n; i++) {
        bool kept;
        monitor_judge_service(m, i, m->service[i].d + proposed[i], given[i], wish[i], best[i],
                              scarce, &kept, state);
        if (kept && monitor_fits(m, given, i)) {
            monitor_blame(m, MONITOR_NEEDLESS, i, wish[i], given[i], given[i] + 1.0);
        }
    }
}

/* What was written. */
static inline void monitor_done(struct monitor *m, const int32_t *delta)
{
    for (int i = 0; i < m->topology->n_services; i++) {
        struct monitor_service *s = &m->service[i];
        const int direction = (delta[i] > 0) - (delta[i] < 0);
        if (direction != 0) {
            if (direction * s->direction < 0 && s->n_reversals < MONITOR_REVERSALS && m->clock) {
                s->reversal[s->n_reversals++] = m->now;
            }
            s->direction = direction;
            s->expected += s->wrote ? delta[i] : 0;
        }
    }
}

static inline long monitor_total(const struct monitor *m)
{
    long n = 0;
    for (int k = 0; k < MONITOR_KINDS; k++) {
        n += m->violations[k];
    }
    return n;
}

#endif
