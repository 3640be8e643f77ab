/* Capacity of windows, and the cut into windows that limits most. See upper_bound.h, whose numbered
 * steps the parts of this file compute: what a request needs (1, 4), what there is (2, 3), windows
 * (5). Everything is rounded to the side that makes the bound larger. */
#include "core/eval/upper_bound.h"

#include "core/base/fmath.h"

#include <math.h>
#include <stdint.h>

static const double START_LEAST_S = 1.0; /* of the simulator: core/cluster/replicas.c */
static const double FAILS = 1e-9;        /* probability, per episode */
static const double TICK_S = 0.1;        /* slow-downs take effect this late at most */
static const double ATTEMPTS_MOST = 1e3; /* of a request, more than any client makes */

/* ---- what a request needs ---- */

/* Calls of a request that draw alike, because their numbers do (modulo 2^32)? Then their work is
 * the same and step 3, which takes draws for independent, says nothing. tree[s]: calls that one
 * call of s causes, itself and asynchronous ones included. Callees come later in t->order, so the
 * loop from its end finds theirs computed. In double the product cannot wrap. */
static bool draws_repeat(double *tree, const struct topology *t)
{
    bool repeat = false;
    for (int i = t->n_services - 1; i >= 0; i--) {
        const int s = t->order[i];
        tree[s] = 1.0;
        for (int e = t->callee_begin[s]; e < t->callee_begin[s + 1]; e++) {
            tree[s] += tree[t->callee[e]];
        }
        repeat = repeat || tree[s] * ATTEMPTS_MOST >= 0x1p32;
    }
    return repeat;
}

/* end_s: CPU of a call per end that it can contribute, mean / pace. 0 where the bound says nothing:
 * pace may be infinite, and x / HUGE_VAL is 0. scratch (n_services). */
static void init_costs(struct upper_bound *b, double *scratch)
{
    const struct env_setup *w = b->env_setup;
    const struct topology *t = &w->topology;
    const bool silent = w->cfg.cluster->clients.kind == CLIENT_CLOSED || draws_repeat(scratch, t);
    for (int s = 0; s < t->n_services; s++) {
        b->end_s[s] = silent ? 0.0 : t->demand_s[s] / work_law_pace(&t->work[s]);
    }
}

static double largest_cost(const struct upper_bound *b)
{
    double largest = 0.0;
    for (int s = 0; s < b->env_setup->topology.n_services; s++) {
        largest = fmax(largest, b->end_s[s]);
    }
    return largest;
}

/* Of resource r, what a call at s needs for itself: of the pods of s one end, of the node its
 * weight. Weights are end_s over the largest, so at most 1, as Bernstein's inequality needs for
 * jumps. */
static double own_need(const struct upper_bound *b, int r, int s)
{
    const bool node = r == b->env_setup->topology.n_services;
    if (b->end_s[s] <= 0.0) {
        return 0.0;
    }
    return node ? b->end_s[s] / largest_cost(b) : r == s ? 1.0 : 0.0;
}

/* least (n_services): what a call at each service needs at least of resource r, with all that it
 * waits for. A split makes one of its synchronous calls, so it needs the least of them; any other
 * call makes all of them, so it needs their sum. Callees stand later in t->order: from its end on
 * they are known. */
static void needs_below(double *least, const struct upper_bound *b, int r)
{
    const struct topology *t = &b->env_setup->topology;
    for (int i = t->n_services - 1; i >= 0; i--) {
        const int s = t->order[i];
        const bool split = t->cfg->services[s].fan_out == FAN_SPLIT;
        double below = 0.0;
        for (int e = t->callee_begin[s]; e < t->sync_end[s]; e++) {
            const double one = least[t->callee[e]];
            const bool first = e == t->callee_begin[s];
            below = first ? one : split ? fmin(below, one) : below + one;
        }
        least[s] = own_need(b, r, s) + below;
    }
}

/* A request may come at any entry, and its cheapest entry differs from resource to resource: the
 * least is taken for each resource by itself, which can only make the bound larger. scratch
 * (n_services). */
static void init_needs(struct upper_bound *b, double *scratch)
{
    const struct topology *t = &b->env_setup->topology;
    for (int r = 0; r < b->n_resources; r++) {
        needs_below(scratch, b, r);
        for (int k = 0; k < t->n_entries; k++) {
            const double need = scratch[t->entries[k]];
            b->need[r] = k == 0 ? need : fmin(b->need[r], need);
        }
    }
}

/* ---- what there is ---- */

static double pod_cores(const struct env_setup *w, int service)
{
    const struct topology_cfg *cfg = w->cfg.topology;
    return cfg->services[service].cpu_m * 1e-3 * cfg->limit_ratio;
}

static double latency_max_s(const struct env_setup *w)
{
    return w->cfg.plant->latency_max_ms * 1e-3;
}

/* Pods that may work at any time for requests that are still in time. A pod that drains counts for
 * L = latency_max after its removal, and a successor needs START_LEAST_S; so in L as many
 * generations follow the first one as whole starts fit into L. */
static int pods_most(const struct env_setup *w, int service)
{
    const int generations = 1 + (int)floor(latency_max_s(w) / START_LEAST_S);
    return w->cfg.topology->services[service].max_replicas * generations;
}

/* Until the second decision's pods may be ready, one period and the least start later, only the
 * initial pods and those that the first decision may have started can work. All of the latter are
 * assumed to have been requested, each ready after the delay that the episode draws for it. */
int upper_bound_pods(const struct upper_bound *b, int service, double t_s)
{
    const struct service_cfg *cfg = &b->env_setup->cfg.topology->services[service];
    if (t_s > b->env_setup->cfg.plant->period_s + START_LEAST_S) {
        return pods_most(b->env_setup, service);
    }
    int n = cfg->initial_replicas;
    for (int i = 0; i < cfg->max_replicas - cfg->initial_replicas; i++) {
        n += b->start_s[service][i] <= t_s ? 1 : 0;
    }
    return n;
}

/* Pods of a service are numbered in the order they are made; those of the first decision follow
 * the initial ones. The draw is that of core/cluster/replicas.c. */
static void draw_starts(struct upper_bound *b, const struct episode_id *id)
{
    const struct env_setup *w = b->env_setup;
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
        const bool slows = e->kind == EVENT_SLOW || e->kind == EVENT_SLOW_NODE;
        if (slows && (e->service == service || e->service == SCENARIO_ALL)) {
            factor *= fmax(1.0, fmin(event_at(e, from_s), event_at(e, to_s)));
        }
    }
    return factor;
}

/* Ends of calls in a budget of CPU, at end_s of CPU each; 0 if nothing is known of them. A resource
 * with 0 ends is never read: init_needs() gives it the need 0, and least_until() leaves it out. */
static double ends_of(double cpu_s, double end_s)
{
    return end_s > 0.0 ? cpu_s / end_s : 0.0;
}

/* Prefix sums of K for each resource: ends[r][k] is what is possible before window k, so that of
 * windows i .. j-1 is a difference. Pods never become fewer in upper_bound_pods(), so their number
 * at the end of a window is the largest in it. The slow-down is the least since L before the
 * window: the work of a call was drawn at most that long ago, and a slow-down takes effect up to
 * TICK_S late. The node has all cores of the pods or its own, whichever is less; calls slow down
 * there as well, but leaving that out is on the safe side. */
static void fill_ends(struct upper_bound *b, const struct schedule *schedule)
{
    const struct env_setup *w = b->env_setup;
    const int n = w->topology.n_services;
    const int stride = b->n_windows + 1;
    const double node = w->cfg.topology->node_cpu_m * 1e-3 * w->cfg.topology->limit_ratio;
    for (int r = 0; r < b->n_resources; r++) {
        b->ends[r * stride] = 0.0;
    }
    for (int k = 0; k < b->n_windows; k++) {
        const double from_s = (double)k * COHORT_S;
        const double to_s = from_s + COHORT_S;
        double cores = 0.0;
        for (int s = 0; s < n; s++) {
            const double pods = upper_bound_pods(b, s, to_s) * pod_cores(w, s);
            const double slow =
                least_slowdown(schedule, s, from_s - latency_max_s(w) - TICK_S, to_s);
            double *ends = b->ends + s * stride + k;
            ends[1] = ends[0] + ends_of(COHORT_S * pods, b->end_s[s] * slow);
            cores += pods;
        }
        double *ends = b->ends + n * stride + k;
        ends[1] = ends[0] + ends_of(COHORT_S * fmin(cores, node), largest_cost(b));
    }
}

/* ---- windows ---- */

/* There are n (n + 1) / 2 windows [i, j) for each resource, and one inequality for each. Each fails
 * with probability exp(-l) at most, so together with at most n_inequalities exp(-l) = FAILS. Work
 * on requests of a window may go on for L after it: lead = L x the largest rate. */
static void begin_cuts(struct upper_bound *b, int n)
{
    const double late_s = latency_max_s(b->env_setup);
    const int stride = b->n_windows + 1;
    const double n_inequalities = 0.5 * n * (n + 1.0) * b->n_resources;
    const double l = fm_log(n_inequalities / FAILS);
    for (int r = 0; r < b->n_resources; r++) {
        cut_begin(&b->cuts[r], b->ends + r * stride, b->best, n, late_s * b->rate[r], b->need[r],
                  l);
    }
}

/* The least over all last windows i .. j-1. The least of arrivals and resources over all i is the
 * least of what each has over all i. Arrivals add up, so a window of its own for j - 1 is as good
 * as any. A resource answers whole requests: floor() never falls and best[i] is whole, so the start
 * that is best without it is best with it. */
static double least_until(struct upper_bound *b, int j)
{
    double least = b->best[j - 1] + (b->arrived[j] - b->arrived[j - 1]);
    for (int r = 0; r < b->n_resources; r++) {
        struct cut *c = &b->cuts[r];
        if (b->need[r] > 0.0) {
            cut_add(c, j - 1);
            const int i = cut_start(c, j);
            least = fmin(least, b->best[i] + floor(cut_cost(c, i, j)));
        }
    }
    return least;
}

/* best[j] bounds the answers in time to the requests of the first j windows and to those carried
 * in: best[0] is the latter. All summands are whole numbers below 2^53, so the sums are exact. */
double upper_bound_of(struct upper_bound *b, const struct schedule *s, const struct episode_id *id,
                      const struct plant_cohort *cohorts, int n, double carried)
{
    CHECK(n <= b->n_windows);
    draw_starts(b, id);
    fill_ends(b, s);
    begin_cuts(b, n);
    b->arrived[0] = 0.0;
    b->best[0] = carried;
    for (int j = 1; j <= n; j++) {
        b->arrived[j] = b->arrived[j - 1] + (double)cohorts[j - 1].received;
        b->best[j] = least_until(b, j);
    }
    return b->arrived[n] > 0.0 ? b->best[n] / b->arrived[n] : 1.0;
}

/* ---- set-up ---- */

static enum err init_starts(struct upper_bound *b, struct arena *arena)
{
    const struct topology_cfg *cfg = b->env_setup->cfg.topology;
    b->start_s = ARENA_NEW(arena, cfg->n_services, double *);
    TRY(arena_error(arena));
    for (int s = 0; s < cfg->n_services; s++) {
        b->start_s[s] = ARENA_NEW(arena, cfg->services[s].max_replicas, double);
    }
    return arena_error(arena);
}

static enum err init_cuts(struct upper_bound *b, struct arena *arena)
{
    b->cuts = ARENA_NEW(arena, b->n_resources, struct cut);
    TRY(arena_error(arena));
    for (int r = 0; r < b->n_resources; r++) {
        TRY(cut_init(&b->cuts[r], arena, b->n_windows));
    }
    return ERR_OK;
}

/* Ends per second that a resource never exceeds, for the time behind a window. */
static void init_rates(struct upper_bound *b)
{
    const struct env_setup *w = b->env_setup;
    const struct topology *t = &w->topology;
    const struct topology_cfg *cfg = w->cfg.topology;
    for (int s = 0; s < t->n_services; s++) {
        b->rate[s] = ends_of(pods_most(w, s) * pod_cores(w, s), b->end_s[s]);
    }
    b->rate[t->n_services] = ends_of(cfg->node_cpu_m * 1e-3 * cfg->limit_ratio, largest_cost(b));
}

enum err upper_bound_init(struct upper_bound *b, struct arena *arena, const struct env_setup *w)
{
    const int n = w->topology.n_services;
    const int n_windows = (int)ceil(w->cfg.horizon * w->cfg.plant->period_s / COHORT_S);
    double *scratch = ARENA_NEW(arena, n, double);
    *b = (struct upper_bound){.env_setup = w,
                              .n_windows = n_windows,
                              .n_resources = n + 1,
                              .end_s = ARENA_NEW(arena, n, double),
                              .need = ARENA_NEW(arena, n + 1, double),
                              .rate = ARENA_NEW(arena, n + 1, double),
                              .ends = ARENA_NEW(arena, (n + 1) * (n_windows + 1), double),
                              .arrived = ARENA_NEW(arena, n_windows + 1, double),
                              .best = ARENA_NEW(arena, n_windows + 1, double)};
    TRY(arena_error(arena));
    TRY(init_starts(b, arena));
    TRY(init_cuts(b, arena));
    init_costs(b, scratch);
    init_needs(b, scratch);
    init_rates(b);
    return ERR_OK;
}
