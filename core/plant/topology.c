/* From the services as written to flat arrays.
 *
 * The call graph is kept twice, downstream (callee) and upstream (caller), each as one array with a
 * table of beginnings. The topological order is Kahn's (A. B. Kahn, "Topological sorting of large
 * networks", 1962), the smallest index first, so it is unique; what it leaves over hangs below a
 * cycle. Visits follow the order: a request counts once at its entry, and each call to a service is
 * passed on to every callee, or, where calls are split, to each with equal probability.
 */
#include "core/plant/topology.h"

#include "core/base/minmax.h"
#include "core/base/nearest.h"
#include "core/plant/plant.h"

#include <stdio.h>
#include <string.h>

enum { NAME_MAX_BYTES = 63, KEY_BYTES = 96, CYCLE_BYTES = 400 };

static const struct cfg_choice fan_out_choices[] = {
    {"parallel", FAN_PARALLEL, "all at once"},
    {"sequence", FAN_SEQUENCE, "one after the other"},
    {"split", FAN_SPLIT, "one of them, drawn"},
    {NULL, 0, NULL},
};
static const struct cfg_choice balancing_choices[] = {
    {"random", BALANCE_RANDOM, "any ready pod, as kube-proxy does"},
    {"least_loaded", BALANCE_LEAST_LOADED, "one with the fewest calls"},
    {NULL, 0, NULL},
};

static const struct cfg_field service_fields[] = {
    CFG_STRING(struct service_cfg, name, CFG_REQUIRED, CFG_RESULT,
               "lower-case letters, digits and '-', as Kubernetes names are"),
    CFG_DOUBLE(struct service_cfg, cpu_m, "500", 1, 1e6, "milli-cores", CFG_RESULT,
               "CPU request of a pod"),
    CFG_DOUBLE(struct service_cfg, ram_mib, "256", 1, 1e7, "MiB", CFG_RESULT,
               "memory request of a pod"),
    CFG_DOUBLE(struct service_cfg, capacity_rps, "100", 0.001, 1e6, "1/s", CFG_RESULT,
               "calls one pod answers at full use of its CPU request"),
    CFG_INT(struct service_cfg, min_replicas, "1", 1, 1000, "pods", CFG_RESULT, "fewest replicas"),
    CFG_INT(struct service_cfg, max_replicas, "10", 1, 1000, "pods", CFG_RESULT, "most replicas"),
    CFG_INT(struct service_cfg, initial_replicas, "1", 1, 1000, "pods", CFG_RESULT,
            "replicas at the start of an episode"),
    CFG_BOOL(struct service_cfg, entry, "false", CFG_RESULT, "clients call this service"),
    CFG_LIST_STRING(struct service_cfg, calls, n_calls, "[]", 0, 64, CFG_RESULT,
                    "services it calls and waits for"),
    CFG_LIST_STRING(struct service_cfg, async, n_async, "[]", 0, 64, CFG_RESULT,
                    "services it calls at the same moment without waiting for an answer"),
    CFG_ENUM(struct service_cfg, fan_out, "parallel", fan_out_choices, CFG_RESULT,
             "how it calls those it waits for"),
    CFG_ENUM(struct service_cfg, service_time, "exponential", work_choices, CFG_RESULT,
             "law of a call's CPU demand; the mean is cpu_m / capacity_rps"),
    CFG_DOUBLE(struct service_cfg, cv, "1", 0, 20, "", CFG_RESULT,
               "coefficient of variation of a lognormal law"),
    CFG_LIST_DOUBLE(struct service_cfg, samples, n_samples, "[]", 0, 65536, 0, 1e12, "", CFG_RESULT,
                    "measured demands of an empirical law, in any unit: only their ratios count"),
    CFG_END,
};

/* The four services of arXiv 2505.21559 and its code, with room to scale: 10 replicas each. */
#define DIAMOND                                                                                    \
    "[{name: a, cpu_m: 500, ram_mib: 256, capacity_rps: 100, initial_replicas: 4, entry: true, "   \
    "calls: [b, c]}, "                                                                             \
    "{name: b, cpu_m: 400, ram_mib: 512, capacity_rps: 80, initial_replicas: 5, calls: [d]}, "     \
    "{name: c, cpu_m: 600, ram_mib: 512, capacity_rps: 150, initial_replicas: 3, calls: [d]}, "    \
    "{name: d, cpu_m: 700, ram_mib: 1024, capacity_rps: 300, initial_replicas: 3}]"

const struct cfg_field topology_fields[] = {
    CFG_LIST(struct topology_cfg, services, n_services, struct service_cfg, service_fields, DIAMOND,
             1, 64, "the services and who calls whom; calls may not form a cycle"),
    CFG_DOUBLE(struct topology_cfg, node_cpu_m, "16000", 1, 1e8, "milli-cores", CFG_RESULT,
               "allocatable CPU of the node"),
    CFG_DOUBLE(struct topology_cfg, node_ram_mib, "32768", 1, 1e9, "MiB", CFG_RESULT,
               "allocatable memory of the node"),
    CFG_DOUBLE(struct topology_cfg, limit_ratio, "1", 1, 100, "", CFG_RESULT,
               "CPU limit / CPU request of every pod"),
    CFG_DOUBLE(struct topology_cfg, demand_scale, "1", 0.001, 1000, "", CFG_RESULT,
               "multiplies the CPU demand of every call: 4 = a quarter of capacity_rps"),
    CFG_INT(struct topology_cfg, queue_per_pod, "100", 0, 100000, "calls", CFG_RESULT,
            "calls a pod lets wait"),
    CFG_INT(struct topology_cfg, slots_per_pod, "64", 1, 10000, "calls", CFG_RESULT,
            "calls a pod works on at once"),
    CFG_ENUM(struct topology_cfg, balancing, "random", balancing_choices, CFG_RESULT,
             "which ready pod gets a call"),
    CFG_END,
};

/* The topology under construction: its arrays, still writable. */
struct build {
    const struct topology_cfg *cfg;
    const struct cfg *src_locs;
    int n, n_entries;
    int *entries, *callee, *callee_begin, *sync_end, *caller, *caller_begin, *order;
    int *n_unplaced_callers; /* (n) scratch of the sort; -1 = the service itself is placed */
    double *visits, *demand_s, *pod_rps;
    struct work_law *work;
};

static int find(const struct topology_cfg *cfg, const char *name)
{
    for (int s = 0; s < cfg->n_services; s++) {
        if (strcmp(cfg->services[s].name, name) == 0) {
            return s;
        }
    }
    return -1;
}

int topology_find(const struct topology *t, const char *name)
{
    return find(t->cfg, name);
}

/* levels[s] = 1 + the largest of its synchronous callees. `order` has callers first, so from its
 * end on those of all callees stand when a caller is reached. */
int topology_levels(int *levels, const struct topology *t)
{
    int most = 0;
    for (int i = t->n_services - 1; i >= 0; i--) {
        const int s = t->order[i];
        levels[s] = 1;
        for (int c = t->callee_begin[s]; c < t->sync_end[s]; c++) {
            levels[s] = int_max(levels[s], 1 + levels[t->callee[c]]);
        }
        most = int_max(most, levels[s]);
    }
    return most;
}

/* ---- checks of single services ---- */

static void service_key(char out[KEY_BYTES], int s, const char *member)
{
    (void)snprintf(out, KEY_BYTES, "topology.services.%d.%s", s, member);
}

/* Calls are counted through both lists, the asynchronous ones last. */
static int n_calls(const struct service_cfg *c)
{
    return c->n_calls + c->n_async;
}

static const char *call_name(const struct service_cfg *c, int call)
{
    return call < c->n_calls ? c->calls[call] : c->async[call - c->n_calls];
}

static void call_key(char out[KEY_BYTES], const struct topology_cfg *cfg, int s, int call)
{
    const int n_calls = cfg->services[s].n_calls;
    const bool async = call >= n_calls;
    (void)snprintf(out, KEY_BYTES, "topology.services.%d.%s.%d", s, async ? "async" : "calls",
                   async ? call - n_calls : call);
}

static bool is_label(const char *name)
{
    size_t len = strlen(name);
    size_t good = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-");
    /* A label of RFC 1123, which is what Kubernetes takes as the name of a service. */
    return len >= 1 && len <= NAME_MAX_BYTES && good == len && name[0] != '-' &&
           name[len - 1] != '-';
}

static enum err check_name(const struct build *b, int s)
{
    const char *name = b->cfg->services[s].name;
    char key[KEY_BYTES];
    service_key(key, s, "name");
    if (!is_label(name)) {
        return plant_cfg_error(b->src_locs, key,
                               "'%.80s' is not a service name: use 1 to %d lower-case letters, "
                               "digits and inner '-'",
                               name, NAME_MAX_BYTES);
    }
    if (strcmp(name, "any") == 0 || strcmp(name, "all") == 0) {
        return plant_cfg_error(b->src_locs, key,
                               "'%s' means several services in scenarios; choose another name",
                               name);
    }
    /* find() returns the first service of that name, so the later one of two is reported. */
    int first = find(b->cfg, name);
    if (first != s) {
        return plant_cfg_error(b->src_locs, key,
                               "'%s' is already the name of service %d; choose another name", name,
                               first);
    }
    return ERR_OK;
}

static enum err check_replicas(const struct build *b, int s)
{
    const struct service_cfg *c = &b->cfg->services[s];
    char key[KEY_BYTES];
    if (c->min_replicas > c->max_replicas) {
        service_key(key, s, "min_replicas");
        return plant_cfg_error(b->src_locs, key,
                               "'%s' has min_replicas %d above max_replicas %d; swap them", c->name,
                               c->min_replicas, c->max_replicas);
    }
    if (c->initial_replicas < c->min_replicas || c->initial_replicas > c->max_replicas) {
        service_key(key, s, "initial_replicas");
        return plant_cfg_error(b->src_locs, key,
                               "'%s' starts with %d replicas, outside its bounds %d to %d", c->name,
                               c->initial_replicas, c->min_replicas, c->max_replicas);
    }
    return ERR_OK;
}

static enum err check_work(const struct build *b, int s)
{
    const struct service_cfg *c = &b->cfg->services[s];
    double sum = 0.0;
    for (int i = 0; i < c->n_samples; i++) {
        sum += c->samples[i];
    }
    if (c->service_time == WORK_EMPIRICAL && !(sum > 0.0)) {
        char key[KEY_BYTES];
        service_key(key, s, "samples");
        return plant_cfg_error(b->src_locs, key,
                               "'%s' has an empirical service time, but its samples %s; give "
                               "measured demands, at least one above 0",
                               c->name, c->n_samples == 0 ? "are none" : "are all 0");
    }
    return ERR_OK;
}

static enum err check_node(const struct build *b)
{
    double cpu_m = 0.0;
    double ram_mib = 0.0;
    for (int s = 0; s < b->n; s++) {
        const struct service_cfg *c = &b->cfg->services[s];
        cpu_m += c->initial_replicas * c->cpu_m;
        ram_mib += c->initial_replicas * c->ram_mib;
    }
    if (cpu_m > b->cfg->node_cpu_m) {
        return plant_cfg_error(b->src_locs, "topology.node_cpu_m",
                               "the initial replicas request %g milli-cores, the node has %g; "
                               "lower initial_replicas or enlarge the node",
                               cpu_m, b->cfg->node_cpu_m);
    }
    if (ram_mib > b->cfg->node_ram_mib) {
        return plant_cfg_error(b->src_locs, "topology.node_ram_mib",
                               "the initial replicas request %g MiB, the node has %g; lower "
                               "initial_replicas or enlarge the node",
                               ram_mib, b->cfg->node_ram_mib);
    }
    return ERR_OK;
}

static enum err check_services(const struct build *b)
{
    for (int s = 0; s < b->n; s++) {
        TRY(check_name(b, s));
        TRY(check_replicas(b, s));
        TRY(check_work(b, s));
    }
    return check_node(b);
}

/* ---- the call graph ---- */

/* Index of the callee a call names, in *callee. */
static enum err resolve_call(int *callee, const struct build *b, int s, int call)
{
    const struct service_cfg *c = &b->cfg->services[s];
    char key[KEY_BYTES];
    const char *name = call_name(c, call);
    call_key(key, b->cfg, s, call);
    int target = find(b->cfg, name);
    if (target < 0) {
        struct nearest near = nearest_to(name);
        for (int other = 0; other < b->n; other++) {
            nearest_offer(&near, b->cfg->services[other].name);
        }
        const char *word = nearest_word(&near);
        return plant_cfg_error(b->src_locs, key, "'%s' calls '%.80s', which is no service%s%s%s",
                               c->name, name, word != NULL ? "; did you mean '" : "",
                               word != NULL ? word : "", word != NULL ? "'?" : "");
    }
    for (int earlier = 0; earlier < call; earlier++) {
        if (strcmp(call_name(c, earlier), name) == 0) {
            return plant_cfg_error(b->src_locs, key,
                                   "'%s' calls '%s' twice; remove one of the calls", c->name, name);
        }
    }
    *callee = target;
    return ERR_OK;
}

static enum err link_callees(struct build *b)
{
    int at = 0;
    for (int s = 0; s < b->n; s++) {
        /* Callees of s occupy [callee_begin[s], callee_begin[s + 1]), the synchronous ones first:
         * n_calls() counts in that order. */
        b->callee_begin[s] = at;
        b->sync_end[s] = at + b->cfg->services[s].n_calls;
        for (int call = 0; call < n_calls(&b->cfg->services[s]); call++) {
            TRY(resolve_call(&b->callee[at], b, s, call));
            at++;
        }
    }
    b->callee_begin[b->n] = at;
    return ERR_OK;
}

/* The same edges by callee; callers of one service in the order of their index. */
static void link_callers(struct build *b)
{
    /* The number of edges is at most 64 x 64, and a topology is built once: a pass over all edges
     * for each callee is fast enough, and leaves callers in ascending order without a sort. */
    int at = 0;
    for (int s = 0; s < b->n; s++) {
        b->caller_begin[s] = at;
        for (int caller = 0; caller < b->n; caller++) {
            for (int i = b->callee_begin[caller]; i < b->callee_begin[caller + 1]; i++) {
                if (b->callee[i] == s) {
                    b->caller[at++] = caller;
                }
            }
        }
    }
    b->caller_begin[b->n] = at;
}

static enum err list_entries(struct build *b)
{
    for (int s = 0; s < b->n; s++) {
        if (b->cfg->services[s].entry) {
            b->entries[b->n_entries++] = s;
        }
    }
    if (b->n_entries == 0) {
        return plant_cfg_error(b->src_locs, "topology.services",
                               "no service is an entry, so no request ever arrives; set 'entry: "
                               "true' for those that clients call");
    }
    return ERR_OK;
}

/* ---- order and cycles ---- */

static int next_ready(const struct build *b)
{
    for (int s = 0; s < b->n; s++) {
        if (b->n_unplaced_callers[s] == 0) {
            return s;
        }
    }
    return -1;
}

/* Number of services that could be placed; b->n if there is no cycle. */
static int sort_services(struct build *b)
{
    for (int s = 0; s < b->n; s++) {
        b->n_unplaced_callers[s] = b->caller_begin[s + 1] - b->caller_begin[s];
    }
    /* Invariant: n_unplaced_callers[s] counts the calls to s from services that are not placed yet,
     * or is -1 if s is placed. Each round places one service, so there are n rounds at most. If
     * none has count 0, each service left has a caller that is left, too. Following callers among
     * finitely many services must repeat one, so there is a cycle; conversely no service on a cycle
     * can ever reach count 0. */
    int n_placed = 0;
    for (int s = next_ready(b); s >= 0; s = next_ready(b)) {
        b->order[n_placed++] = s;
        b->n_unplaced_callers[s] = -1;
        for (int i = b->callee_begin[s]; i < b->callee_begin[s + 1]; i++) {
            b->n_unplaced_callers[b->callee[i]]--;
        }
    }
    return n_placed;
}

/* The first caller of s that is not placed; a service that is left has one. */
static int unplaced_caller(const struct build *b, int s)
{
    for (int i = b->caller_begin[s]; i < b->caller_begin[s + 1]; i++) {
        if (b->n_unplaced_callers[b->caller[i]] > 0) {
            return b->caller[i];
        }
    }
    return -1;
}

/* The smallest service on a cycle. "First unplaced caller" maps unplaced services to unplaced
 * services. Iterated n times on a set of at most n, it has left the part that leads into the cycle,
 * so s is on the cycle; one more round visits exactly its members. */
static int find_cycle(const struct build *b)
{
    int s = 0;
    while (b->n_unplaced_callers[s] < 0) {
        s++;
    }
    for (int i = 0; i < b->n; i++) {
        s = unplaced_caller(b, s);
    }
    int smallest = s;
    for (int up = unplaced_caller(b, s); up != s; up = unplaced_caller(b, up)) {
        smallest = up < smallest ? up : smallest;
    }
    return smallest;
}

static enum err report_cycle(struct build *b)
{
    /* up[0] = first, and up[i + 1] calls up[i]; up[n - 1] is called by `first`. So the calls run
     * through `up` backwards, from first over up[n - 1] down to up[0] = first. A service that calls
     * itself has n = 1. At most n services are on the cycle, so `up` has room. */
    int first = find_cycle(b);
    int *up = b->order; /* of no other use now */
    int n = 0;
    up[n++] = first;
    for (int s = unplaced_caller(b, first); s != first; s = unplaced_caller(b, s)) {
        up[n++] = s;
    }
    char path[CYCLE_BYTES];
    size_t len = (size_t)snprintf(path, sizeof path, "%s", b->cfg->services[first].name);
    for (int i = n - 1; i >= 0 && len < sizeof path; i--) {
        len +=
            (size_t)snprintf(path + len, sizeof path - len, " -> %s", b->cfg->services[up[i]].name);
    }
    int call = 0;
    while (b->callee[b->callee_begin[first] + call] != up[n - 1]) {
        call++;
    }
    char key[KEY_BYTES];
    call_key(key, b->cfg, first, call);
    return plant_cfg_error(b->src_locs, key,
                           "services call each other in a cycle: %s; remove one of "
                           "these calls",
                           path);
}

/* ---- rates ---- */

/* Mean number of calls through edge i for one call at s. */
static double calls_through(const struct build *b, int s, int i)
{
    const struct service_cfg *c = &b->cfg->services[s];
    return c->fan_out == FAN_SPLIT && i < b->sync_end[s] ? 1.0 / c->n_calls : 1.0;
}

/* visits[s] = (1 / n_entries if s is an entry) + sum over callers c of visits[c] x calls per call.
 * Callers stand before s in the order, so visits[s] is final when its callees are visited. The sums
 * run in that order, which is unique. `visits` begins at 0, as the arena gives it. */
static void count_visits(struct build *b)
{
    for (int i = 0; i < b->n_entries; i++) {
        b->visits[b->entries[i]] = 1.0 / b->n_entries;
    }
    for (int k = 0; k < b->n; k++) {
        int s = b->order[k];
        for (int i = b->callee_begin[s]; i < b->callee_begin[s + 1]; i++) {
            b->visits[b->callee[i]] += b->visits[s] * calls_through(b, s, i);
        }
    }
}

static enum err check_reached(const struct build *b)
{
    for (int s = 0; s < b->n; s++) {
        if (b->visits[s] == 0.0) {
            char key[KEY_BYTES];
            service_key(key, s, "name");
            return plant_cfg_error(b->src_locs, key,
                                   "no request reaches '%s'; let a service call it, or set "
                                   "'entry: true'",
                                   b->cfg->services[s].name);
        }
    }
    return ERR_OK;
}

static enum err make_work(struct build *b, struct arena *arena)
{
    for (int s = 0; s < b->n; s++) {
        const struct service_cfg *c = &b->cfg->services[s];
        TRY(work_law_init(&b->work[s], arena, c->service_time, c->cv, c->samples, c->n_samples));
    }
    return ERR_OK;
}

/* Sets what one call needs and what one pod can do. At the entry rate r service s gets r visits[s]
 * calls a second, so it bears r = max_replicas pod_rps / visits at most. Returns the least of these
 * over all services. visits > 0: check_reached() has looked. */
static double rate_pods(struct build *b)
{
    double critical_rps = HUGE_VAL;
    for (int s = 0; s < b->n; s++) {
        const struct service_cfg *c = &b->cfg->services[s];
        b->demand_s[s] = c->cpu_m / 1000.0 / c->capacity_rps * b->cfg->demand_scale;
        b->pod_rps[s] = c->capacity_rps / b->cfg->demand_scale;
        critical_rps = fmin(critical_rps, c->max_replicas * b->pod_rps[s] / b->visits[s]);
    }
    return critical_rps;
}

/* ---- all of it ---- */

static enum err allocate(struct build *b, struct arena *arena)
{
    size_t n = (size_t)b->n;
    size_t n_edges = 0;
    for (int s = 0; s < b->n; s++) {
        n_edges += (size_t)n_calls(&b->cfg->services[s]);
    }
    /* One block, cut below: four arrays of n (entries, order, unplaced callers, ends), two of n + 1
     * (beginnings), two of n_edges. */
    int *ints = ARENA_NEW(arena, 6 * n + 2 + 2 * n_edges, int);
    double *doubles = ARENA_NEW(arena, 3 * n, double);
    b->work = ARENA_NEW(arena, n, struct work_law);
    TRY(arena_error(arena));
    b->entries = ints;
    b->order = b->entries + n;
    b->n_unplaced_callers = b->order + n;
    b->sync_end = b->n_unplaced_callers + n;
    b->callee_begin = b->sync_end + n;
    b->caller_begin = b->callee_begin + n + 1;
    b->callee = b->caller_begin + n + 1;
    b->caller = b->callee + n_edges;
    b->visits = doubles;
    b->demand_s = b->visits + n;
    b->pod_rps = b->demand_s + n;
    return ERR_OK;
}

enum err topology_init(struct topology *t, struct arena *arena, const struct topology_cfg *cfg,
                       const struct cfg *src_locs)
{
    struct build b = {.cfg = cfg, .src_locs = src_locs, .n = cfg->n_services};
    TRY(allocate(&b, arena));
    /* The order matters: names must be unique before calls are resolved, and the sort needs the
     * callers. t is written last, so it is unchanged after an error. */
    TRY(check_services(&b));
    TRY(link_callees(&b));
    link_callers(&b);
    TRY(list_entries(&b));
    if (sort_services(&b) < b.n) {
        return report_cycle(&b);
    }
    count_visits(&b);
    TRY(check_reached(&b));
    TRY(make_work(&b, arena));
    double critical_rps = rate_pods(&b);
    *t = (struct topology){
        .cfg = cfg,
        .n_services = b.n,
        .n_entries = b.n_entries,
        .entries = b.entries,
        .callee = b.callee,
        .callee_begin = b.callee_begin,
        .sync_end = b.sync_end,
        .caller = b.caller,
        .caller_begin = b.caller_begin,
        .order = b.order,
        .visits = b.visits,
        .work = b.work,
        .demand_s = b.demand_s,
        .pod_rps = b.pod_rps,
        .critical_rps = critical_rps,
    };
    return ERR_OK;
}
