/* Capacity of windows, and the cut into windows that limits most. See bound.h. */
#include "core/eval/bound.h"

#include "core/base/fmath.h"

#include <math.h>
#include <stdint.h>

static const double START_LEAST_S = 1.0; /* of the simulator: core/cluster/replicas.c */
static const double FAILS = 1e-9;        /* probability, per episode */
static const double TICK_S = 0.1;        /* slow-downs take effect this late at most */

/* ---- what a request needs ---- */

/* visits (n_services): calls at each service for one request at `entry`. */
static void visits_from(double *visits, const struct topology *t, int entry)
{
    for (int s = 0; s < t->n_services; s++) {
        visits[s] = s == entry ? 1.0 : 0.0;
    }
    for (int i = 0; i < t->n_services; i++) {
        const int s = t->order[i];
        for (int e = t->callee_begin[s]; e < t->callee_begin[s + 1]; e++) {
            visits[t->callee[e]] += visits[s];
        }
    }
}

static double largest_demand(const struct topology *t)
{
    double largest = 0.0;
    for (int s = 0; s < t->n_services; s++) {
        largest = fmax(largest, t->demand_s[s]);
    }
    return largest;
}

/* The least over the entries, of each resource for itself. */
static void init_needs(struct bound *b, double *visits)
{
    const struct topology *t = &b->world->topology;
    const int n = t->n_services;
    for (int k = 0; k < t->n_entries; k++) {
        double work = 0.0;
        visits_from(visits, t, t->entries[k]);
        for (int s = 0; s < n; s++) {
            work += visits[s] * t->demand_s[s];
            b->need[s] = k == 0 ? visits[s] : fmin(b->need[s], visits[s]);
        }
        work /= largest_demand(t);
        b->need[n] = k == 0 ? work : fmin(b->need[n], work);
    }
}

/* ---- what there is ---- */

static double pod_cores(const struct world *w, int service)
{
    const struct topology_cfg *cfg = w->cfg.topology;
    return cfg->services[service].cpu_m * 1e-3 * cfg->limit_ratio;
}

static double latency_max_s(const struct world *w)
{
    return w->cfg.plant->latency_max_ms * 1e-3;
}

/* At any time. */
static int pods_most(const struct world *w, int service)
{
    const int generations = 1 + (int)floor(latency_max_s(w) / START_LEAST_S);
    return w->cfg.topology->services[service].max_replicas * generations;
}

int bound_pods(const struct bound *b, int service, double t_s)
{
    const struct service_cfg *cfg = &b->world->cfg.topology->services[service];
    if (t_s > b->world->cfg.plant->period_s + START_LEAST_S) {
        return pods_most(b->world, service);
    }
    int n = cfg->initial_replicas;
    for (int i = 0; i < cfg->max_replicas - cfg->initial_replicas; i++) {
        n += b->start_s[service][i] <= t_s ? 1 : 0;
    }
    return n;
}

/* Pods of a service are numbered in the order they are made; those of the first decision follow
 * the initial ones. The draw is that of core/cluster/replicas.c. */
static void draw_starts(struct bound *b, const struct episode_id *id)
{
    const struct world *w = b->world;
    const struct cluster_cfg *cfg = w->cfg.cluster;
    const struct rng_key key = rng_key(id->seed, RNG_POD, id->split);
    for (int s = 0; s < w->topology.n_services; s++) {
        const struct service_cfg *service = &w->cfg.topology->services[s];
        for (int i = 0; i < service->max_replicas - service->initial_replicas; i++) {
            const uint32_t who = (uint32_t)s << 24 | (uint32_t)(service->initial_replicas + i);
            const struct rng_block d = rng_philox(key, 0, who, id->episode, id->env);
            const double delay = cfg->start_s + cfg->start_sd_s * rng_normal(d.v[0], d.v[1]);
            b->start_s[s][i] = fmax(delay, START_LEAST_S);
        }
    }
}

/* Least factor on service times between two moments: trapezoids above 1 are lowest at an end. */
static double least_slowdown(const struct schedule *s, int service, double from_s, double to_s)
{
    double factor = 1.0;
    for (int i = 0; i < s->n_events; i++) {
        const struct event *e = &s->events[i];
        if (e->kind == EVENT_SLOW && (e->service == service || e->service == SCENARIO_ALL)) {
            factor *= fmax(1.0, fmin(event_at(e, from_s), event_at(e, to_s)));
        }
    }
    return factor;
}

/* Sums K over the windows, resource by resource. */
static void fill_ends(struct bound *b, const struct schedule *schedule)
{
    const struct world *w = b->world;
    const struct topology *t = &w->topology;
    const int n = t->n_services;
    const int stride = b->n_windows + 1;
    const double node = b->rate[n] * largest_demand(t);
    for (int r = 0; r < b->n_resources; r++) {
        b->ends[r * stride] = 0.0;
    }
    for (int k = 0; k < b->n_windows; k++) {
        const double from_s = (double)k * COHORT_S;
        const double to_s = from_s + COHORT_S;
        double cores = 0.0;
        for (int s = 0; s < n; s++) {
            const double pods = bound_pods(b, s, to_s) * pod_cores(w, s);
            const double slow =
                least_slowdown(schedule, s, from_s - latency_max_s(w) - TICK_S, to_s);
            double *ends = b->ends + s * stride + k;
            ends[1] = ends[0] + COHORT_S * pods / (t->demand_s[s] * slow);
            cores += pods;
        }
        double *ends = b->ends + n * stride + k;
        ends[1] = ends[0] + COHORT_S * fmin(cores, node) / largest_demand(t);
    }
}

/* ---- windows ---- */

/* What windows i .. j-1 can answer in time. */
static double window_bound(const struct bound *b, int i, int j, double l)
{
    const double late_s = latency_max_s(b->world);
    const int stride = b->n_windows + 1;
    double least = b->arrived[j] - b->arrived[i];
    for (int r = 0; r < b->n_resources; r++) {
        const double *ends = b->ends + r * stride;
        const double k = ends[j] - ends[i] + late_s * b->rate[r];
        if (b->need[r] > 0.0 && least * b->need[r] > k) {
            const double x = l / 3.0 + sqrt(l * l / 9.0 + 2.0 * k * l);
            least = fmin(least, floor((k + x) / b->need[r]));
        }
    }
    return least;
}

double bound_of(struct bound *b, const struct schedule *s, const struct episode_id *id,
                const struct plant_cohort *cohorts, int n, double carried)
{
    const double n_inequalities = 0.5 * n * (n + 1.0) * b->n_resources;
    const double l = fm_log(n_inequalities / FAILS);
    CHECK(n <= b->n_windows);
    draw_starts(b, id);
    fill_ends(b, s);
    b->arrived[0] = 0.0;
    b->best[0] = carried;
    for (int j = 1; j <= n; j++) {
        b->arrived[j] = b->arrived[j - 1] + (double)cohorts[j - 1].received;
        b->best[j] = HUGE_VAL;
        for (int i = 0; i < j; i++) {
            b->best[j] = fmin(b->best[j], b->best[i] + window_bound(b, i, j, l));
        }
    }
    return b->arrived[n] > 0.0 ? b->best[n] / b->arrived[n] : 1.0;
}

/* ---- set-up ---- */

static enum err init_starts(struct bound *b, struct arena *arena)
{
    const struct topology_cfg *cfg = b->world->cfg.topology;
    b->start_s = ARENA_NEW(arena, cfg->n_services, double *);
    if (b->start_s == NULL) {
        return ERR_MEMORY;
    }
    for (int s = 0; s < cfg->n_services; s++) {
        b->start_s[s] = ARENA_NEW(arena, cfg->services[s].max_replicas, double);
        if (b->start_s[s] == NULL) {
            return ERR_MEMORY;
        }
    }
    return ERR_OK;
}

static void init_rates(struct bound *b)
{
    const struct world *w = b->world;
    const struct topology *t = &w->topology;
    const struct topology_cfg *cfg = w->cfg.topology;
    for (int s = 0; s < t->n_services; s++) {
        b->rate[s] = pods_most(w, s) * pod_cores(w, s) / t->demand_s[s];
    }
    b->rate[t->n_services] = cfg->node_cpu_m * 1e-3 * cfg->limit_ratio / largest_demand(t);
}

enum err bound_init(struct bound *b, struct arena *arena, const struct world *w)
{
    const int n = w->topology.n_services;
    const int n_windows = (int)ceil(w->cfg.horizon * w->cfg.plant->period_s / COHORT_S);
    double *visits = ARENA_NEW(arena, n, double);
    *b = (struct bound){.world = w,
                        .n_windows = n_windows,
                        .n_resources = n + 1,
                        .need = ARENA_NEW(arena, n + 1, double),
                        .rate = ARENA_NEW(arena, n + 1, double),
                        .ends = ARENA_NEW(arena, (n + 1) * (n_windows + 1), double),
                        .arrived = ARENA_NEW(arena, n_windows + 1, double),
                        .best = ARENA_NEW(arena, n_windows + 1, double)};
    if (visits == NULL || b->need == NULL || b->rate == NULL || b->ends == NULL ||
        b->arrived == NULL || b->best == NULL) {
        return ERR_MEMORY;
    }
    TRY(init_starts(b, arena));
    init_needs(b, visits);
    init_rates(b);
    return ERR_OK;
}
