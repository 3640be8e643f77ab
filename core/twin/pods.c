/* Columns by name, and the equations of pods.h. Numbers of pods are whole and small, so floats hold
 * them exactly. */
#include "core/twin/pods.h"

#include "core/base/config.h"
#include "core/base/log.h"
#include "core/plant/topology.h"

#include <math.h>
#include <string.h>

/* ---- columns ---- */

/* Index of "SERVICE.METRIC" in the header; PODS_NONE if there is none. The dot is compared too, so
 * that "web" does not find a column of "web2". */
static int column_of(const struct store_header *h, int service, const char *metric)
{
    const size_t n = strlen(h->services[service]);
    int found = PODS_NONE;
    for (int i = 0; found == PODS_NONE && i < h->n_columns; i++) {
        const char *column = h->columns[i];
        const bool of_service = strncmp(column, h->services[service], n) == 0 && column[n] == '.';
        found = of_service && strcmp(column + n + 1, metric) == 0 ? i : PODS_NONE;
    }
    return found;
}

static struct pods_columns columns_of(const struct store_header *h, int service)
{
    struct pods_columns c = {.desired = column_of(h, service, "desired"),
                             .deployed = column_of(h, service, "deployed"),
                             .failed = column_of(h, service, "failed_pods"),
                             .ready = column_of(h, service, "ready"),
                             .id = column_of(h, service, "id"),
                             .hpa_ready = column_of(h, service, "hpa_ready"),
                             .hpa_ignored = column_of(h, service, "hpa_ignored"),
                             .hpa_missing = column_of(h, service, "hpa_missing"),
                             .hpa_cpu = column_of(h, service, "hpa_cpu")};
    if (c.desired == PODS_NONE) { /* its changes are what stands for the action (import.h) */
        c.desired = c.deployed;
        c.deployed = PODS_NONE;
    }
    return c;
}

/* What follows from which columns there are. */
static void take_stock(struct pods *p)
{
    p->n_shared = 0;
    for (int i = 0; i < p->n; i++) {
        struct pods_columns *c = &p->at[i];
        c->exist = c->deployed != PODS_NONE ? c->deployed : c->desired;
        if (c->id != PODS_NONE && c->ready != PODS_NONE && c->desired != PODS_NONE) {
            p->shared[p->n_shared++] = i;
        }
    }
}

void pods_forget(struct pods *p, int i, int column)
{
    struct pods_columns *c = &p->at[i];
    int *const all[] = {&c->desired,   &c->deployed,    &c->failed,      &c->ready,  &c->id,
                        &c->hpa_ready, &c->hpa_ignored, &c->hpa_missing, &c->hpa_cpu};
    for (size_t k = 0; k < sizeof all / sizeof *all; k++) {
        *all[k] = *all[k] == column ? PODS_NONE : *all[k];
    }
    take_stock(p);
}

static bool has_hpa(const struct pods_columns *c)
{
    return c->desired != PODS_NONE && c->hpa_ready != PODS_NONE && c->hpa_ignored != PODS_NONE &&
           c->hpa_missing != PODS_NONE;
}

static bool has_deployed(const struct pods_columns *c)
{
    return c->desired != PODS_NONE && c->deployed != PODS_NONE;
}

static bool has_ready(const struct pods_columns *c)
{
    return c->exist != PODS_NONE && c->ready != PODS_NONE;
}

enum pods_gap pods_kind(const struct pods *p, int i, const char *metric)
{
    const struct pods_columns *c = &p->at[i];
    if (strcmp(metric, "deployed") == 0 && has_deployed(c)) {
        return PODS_DEPLOYED;
    }
    if (strcmp(metric, "ready") == 0 && has_ready(c)) {
        return PODS_READY;
    }
    return strcmp(metric, "hpa_ready") == 0 && has_hpa(c) ? PODS_HPA : PODS_PLAIN;
}

/* ---- requests ---- */

/* Requests of a pod by service, in the order of the header, from the topology that it names. */
static enum err take_requests(struct pods *p, struct arena *arena, const struct topology_cfg *t,
                              const struct store_header *h)
{
    double *cpu_m = ARENA_NEW(arena, p->n, double);
    p->ram_mib = ARENA_NEW(arena, p->n, double);
    TRY(arena_error(arena));
    for (int i = 0; i < p->n; i++) {
        int at = 0;
        while (at < t->n_services && strcmp(t->services[at].name, h->services[i]) != 0) {
            at++;
        }
        if (at == t->n_services) {
            log_error("a trace store whose topology has no service '%s', though its columns do",
                      h->services[i]);
            return ERR_FORMAT;
        }
        cpu_m[i] = t->services[at].cpu_m;
        p->ram_mib[i] = t->services[at].ram_mib;
        p->cpu_most_m = cpu_m[i] > p->cpu_most_m ? cpu_m[i] : p->cpu_most_m;
    }
    p->cpu_m = cpu_m;
    p->node_cpu_m = t->node_cpu_m;
    p->node_ram_mib = t->node_ram_mib;
    p->limit_ratio = t->limit_ratio;
    return ERR_OK;
}

/* A header without a topology (a recording) leaves cpu_m NULL: bounds that need it do not apply. */
enum err pods_init(struct pods *p, struct arena *arena, const struct store_header *h)
{
    *p = (struct pods){.n = h->n_services,
                       .at = ARENA_NEW(arena, h->n_services, struct pods_columns),
                       .shared = ARENA_NEW(arena, h->n_services, int)};
    TRY(arena_error(arena));
    for (int i = 0; i < p->n; i++) {
        p->at[i] = columns_of(h, i);
    }
    take_stock(p);
    if (h->topology == NULL || h->topology[0] == '\0') {
        return ERR_OK;
    }
    struct topology_cfg topology;
    struct cfg reader;
    cfg_init(&reader, topology_fields, sizeof topology, arena);
    if (cfg_load_text(&reader, "topology of the trace store", h->topology, NULL, 0, &topology) !=
        ERR_OK) {
        log_error("a trace store whose topology cannot be read (above): collect it again");
        return ERR_FORMAT;
    }
    return take_requests(p, arena, &topology, h);
}

/* ---- gaps ---- */

void pods_encode(float *out, const struct pods *p, const float *state)
{
    for (int i = 0; i < p->n; i++) {
        const struct pods_columns *c = &p->at[i];
        /* All three before the first is written: out may be the state. */
        const float hpa = has_hpa(c) ? pods_gap_of(p, i, PODS_HPA, state) : 0.0F;
        const float ready = has_ready(c) ? pods_gap_of(p, i, PODS_READY, state) : 0.0F;
        const float deployed = has_deployed(c) ? pods_gap_of(p, i, PODS_DEPLOYED, state) : 0.0F;
        if (has_hpa(c)) {
            out[c->hpa_ready] = hpa;
        }
        if (has_ready(c)) {
            out[c->ready] = ready;
        }
        if (has_deployed(c)) {
            out[c->deployed] = deployed;
        }
    }
}

/* ---- load by pod ---- */

/* Pods of service i that bear loads[k]; 1 where there are none. */
static float bearing(const struct pods *p, const struct pods_decision *d, int k, int i)
{
    const struct pods_columns *c = &p->at[i];
    float pods = d->states[k > 0 ? k - 1 : 0][c->ready];
    if (k == 0) {
        const float desired = d->states[0][c->desired] + (float)d->delta[i];
        pods = pods < desired ? pods : desired;
    }
    return pods > 1.0F ? pods : 1.0F;
}

void pods_share(float *row, const struct pods *p, const struct pods_decision *d, const float *loads,
                int k)
{
    enum { PIECE = 8 }; /* services at a time: divisions and roots of a piece go together */
    const float load = loads[k] > 0.0F ? loads[k] : 0.0F;
    float share[PIECE] = {0.0F};
    for (int from = 0; from < p->n_shared; from += PIECE) {
        const int n = p->n_shared - from < PIECE ? p->n_shared - from : PIECE;
        for (int i = 0; i < n; i++) {
            share[i] = bearing(p, d, k, p->shared[from + i]);
        }
        for (int i = 0; i < n; i++) {
            share[i] = __builtin_sqrtf(load / share[i]);
        }
        for (int i = 0; i < n; i++) {
            row[p->at[p->shared[from + i]].id] = share[i];
        }
    }
}

/* ---- where a state comes from ---- */

/* x within [lo, hi]; lo for NaN. */
static float within(float x, float lo, float hi)
{
    return x > lo ? (x < hi ? x : hi) : lo;
}

static float asked_for(const struct pods *p, const struct pods_decision *d, int i)
{
    return d->states[0][p->at[i].desired] + (float)d->delta[i];
}

/* The order of the assignments matters: each count is made from counts that are final. desired'
 * comes first; deployed' = desired' - gap; ready' = exist' - gap, where exist' is one of these two;
 * hpa_ready' is what is left of desired' after the other two of the partition and the gap. Columns
 * that have a gap hold it before this call and a count after it. */
void pods_answer(float *next, const struct pods *p, const struct pods_decision *d)
{
    for (int i = 0; i < p->n; i++) {
        const struct pods_columns *c = &p->at[i];
        if (c->desired != PODS_NONE) {
            next[c->desired] = asked_for(p, d, i);
        }
        if (has_deployed(c)) {
            next[c->deployed] = next[c->desired] - next[c->deployed];
        }
        if (has_ready(c)) {
            next[c->ready] = next[c->exist] - next[c->ready];
        }
        if (has_hpa(c)) {
            next[c->hpa_ready] =
                next[c->desired] - next[c->hpa_ignored] - next[c->hpa_missing] - next[c->hpa_ready];
        }
    }
}

static void add(float *next, int column, float change)
{
    if (column != PODS_NONE) {
        next[column] += change;
    }
}

/* The recorded successor had another number of desired replicas, perhaps. All counts move by the
 * same difference, so the gaps between them, which are what is taken over, stay as recorded. Failed
 * pods are a count of their own and stay. */
void pods_follow(float *next, const struct pods *p, const struct pods_decision *d)
{
    for (int i = 0; i < p->n; i++) {
        const struct pods_columns *c = &p->at[i];
        if (c->desired == PODS_NONE) {
            continue;
        }
        const float change = asked_for(p, d, i) - next[c->desired];
        next[c->desired] += change;
        add(next, c->deployed, change);
        add(next, c->ready, change);
        add(next, c->hpa_ready, change);
    }
}

/* Pods that were asked for in addition exist and are not ready yet, so the autoscaler ignores them;
 * those that are removed leave its ready ones. `ready` stays: pods_bound() cuts it to the pods that
 * exist. */
void pods_hold(float *next, const struct pods *p, const struct pods_decision *d)
{
    for (int i = 0; i < p->n; i++) {
        const struct pods_columns *c = &p->at[i];
        if (c->desired == PODS_NONE) {
            continue;
        }
        const float change = (float)d->delta[i];
        next[c->desired] += change;
        add(next, c->deployed, change);
        add(next, c->hpa_ignored, change > 0.0F ? change : 0.0F);
        add(next, c->hpa_ready, change < 0.0F ? change : 0.0F);
    }
}

/* ---- inequalities ---- */

/* Pods of service i that were asked to go and may still drain: the decrease of this decision and
 * those between the states that are looked back on. Increases do not count against them: a new pod
 * does not bring a draining one back. */
static float removed(const struct pods *p, const struct pods_decision *d, int i)
{
    const int at = p->at[i].desired;
    float sum = d->delta[i] < 0 ? -(float)d->delta[i] : 0.0F;
    for (int k = 0; at != PODS_NONE && k + 1 < d->history; k++) {
        const float fewer = d->states[k + 1][at] - d->states[k][at];
        sum += fewer > 0.0F ? fewer : 0.0F;
    }
    return sum;
}

/* The autoscaler's partition: ready + ignored + missing = all <= room, each >= 0. `missing` is cut
 * first, `ignored` gets what is left, and `ready` the rest, so that the three sum to `all` exactly
 * (whole numbers in floats). */
static void bound_hpa(float *next, const struct pods_columns *c, float room)
{
    float *ready = &next[c->hpa_ready], *ignored = &next[c->hpa_ignored];
    float *missing = &next[c->hpa_missing];
    const float all = within(*ready + *ignored + *missing, 0.0F, room);
    *missing = within(*missing, 0.0F, all);
    *ignored = within(*ignored, 0.0F, all - *missing);
    *ready = all - *missing - *ignored;
}

/* A container uses no more than its limit, and the autoscaler reads it in whole milli-cores.
 * Without this bound a network's answer can be several times what the counted pods can use, and the
 * autoscaler, which divides one by the other, adds pods that the cluster's would not. */
static void bound_hpa_cpu(float *next, const struct pods *p, int i)
{
    const struct pods_columns *c = &p->at[i];
    const float pod_m = (float)ceil(p->limit_ratio * p->cpu_m[i]);
    next[c->hpa_cpu] = within(next[c->hpa_cpu], 0.0F, next[c->hpa_ready] * pod_m);
}

/* In this order: deployed', then failed' <= exist', then ready' <= exist' - failed'. Each upper end
 * is >= 0, because it is a bounded count minus a smaller one. Values that satisfy the bounds do not
 * change. */
static void bound_service(float *next, const struct pods_columns *c, float gone)
{
    if (has_deployed(c)) {
        next[c->deployed] = within(next[c->deployed], 0.0F, next[c->desired] + gone);
    }
    if (c->exist != PODS_NONE) {
        /* Without `deployed` those that drain may still be counted as ready. */
        const float exist = next[c->exist] + (c->exist == c->desired ? gone : 0.0F);
        const float failed = c->failed != PODS_NONE ? within(next[c->failed], 0.0F, exist) : 0.0F;
        if (c->failed != PODS_NONE) {
            next[c->failed] = failed;
        }
        if (c->ready != PODS_NONE) {
            next[c->ready] = within(next[c->ready], 0.0F, exist - failed);
        }
    }
    if (has_hpa(c)) {
        bound_hpa(next, c, next[c->desired] + gone);
    }
}

/* ---- means of a period ---- */

/* What is asked for, and what may still drain. */
struct demand {
    double pods, cpu_m, ram_mib, draining, draining_m, draining_mib;
};

static void add_demand(struct demand *sum, const struct pods *p, int i, double desired, double gone)
{
    sum->pods += desired;
    sum->draining += gone;
    if (p->cpu_m != NULL) {
        sum->cpu_m += desired * p->cpu_m[i];
        sum->ram_mib += desired * p->ram_mib[i];
        sum->draining_m += gone * p->cpu_m[i];
        sum->draining_mib += gone * p->ram_mib[i];
    }
}

static double desired_in(const struct pods *p, int i, const float *next)
{
    return p->at[i].desired != PODS_NONE ? (double)next[p->at[i].desired] : 0.0;
}

static double lesser(double a, double b)
{
    return a < b ? a : b;
}

static struct pods_base base_of(const struct pods *p, const struct demand *q)
{
    return (struct pods_base){
        .pods = q->pods, .requested_m = p->cpu_m != NULL ? lesser(q->cpu_m, p->node_cpu_m) : 0.0};
}

struct pods_base pods_base_of(const struct pods *p, const float *next)
{
    struct demand q = {0};
    for (int i = 0; i < p->n; i++) {
        add_demand(&q, p, i, desired_in(p, i, next), 0.0);
    }
    return base_of(p, &q);
}

/* Bounds of the gap of the CPU requested, given what is asked for (cpu_m), what drains and the
 * node.
 *
 * Where all fit, everything asked for is placed: cpu_m <= requested <= cpu_m + draining. Where the
 * node is short of CPU, either all of cpu_m is placed, or a pod waits. A pod waits only while the
 * free CPU is less than it wants, so requested > node - cpu_most. Hence requested >= min(cpu_m,
 * node - cpu_most). Of a node that is short of memory nothing is known from below. From above the
 * node bounds it in every case. */
static void bound_requested(float *gap, const struct pods *p, const struct demand *q, double base)
{
    const bool memory = q->ram_mib + q->draining_mib <= p->node_ram_mib;
    const double most = lesser(q->cpu_m + q->draining_m, p->node_cpu_m);
    double least = q->cpu_m;
    if (!memory) {
        least = 0.0;
    } else if (q->cpu_m + q->draining_m > p->node_cpu_m) {
        least = lesser(q->cpu_m, p->node_cpu_m - p->cpu_most_m);
    }
    *gap = within(*gap, (float)(least - base), (float)(most - base));
}

static void bound_means(const struct pods_means *m, const struct pods *p, const struct demand *q)
{
    const struct pods_base base = base_of(p, q);
    bool counted = p->n > 0;
    for (int i = 0; i < p->n; i++) {
        counted = counted && p->at[i].desired != PODS_NONE;
    }
    if (counted) {
        *m->deployed = within(*m->deployed, (float)-base.pods, (float)q->draining);
        *m->failed = within(*m->failed, 0.0F, (float)base.pods + *m->deployed);
    }
    if (p->cpu_m != NULL) {
        bound_requested(m->requested, p, q, base.requested_m);
        const double requested = base.requested_m + (double)*m->requested;
        *m->used = within(*m->used, 0.0F, (float)lesser(p->limit_ratio * requested, p->node_cpu_m));
    }
}

/* First the counts of each service, then the means of the period, whose bounds need the sums over
 * all services. */
void pods_bound(float *next, const struct pods_means *m, const struct pods *p,
                const struct pods_decision *d)
{
    struct demand q = {0};
    for (int i = 0; i < p->n; i++) {
        const float gone = removed(p, d, i);
        bound_service(next, &p->at[i], gone);
        if (has_hpa(&p->at[i]) && p->at[i].hpa_cpu != PODS_NONE && p->cpu_m != NULL) {
            bound_hpa_cpu(next, p, i);
        }
        add_demand(&q, p, i, desired_in(p, i, next), (double)gone);
    }
    if (m != NULL) {
        bound_means(m, p, &q);
    }
}
