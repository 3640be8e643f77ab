/* Generated topologies: first who calls whom, then sizes that suit the visits.
 *
 * Visits are computed by topology_init() on the bare graph, so there is one definition of them; the
 * finished topology goes through it once more, which is also the proof that the text is valid. A
 * draw is a function of (seed, shape, number of services, service, what for).
 */
#include "core/plant/topology_gen.h"

#include "core/base/rng.h"
#include "core/plant/topology.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { N_MAX = TOPOLOGY_GEN_MAX, NAME_BYTES = 16, CALLEES_MAX = N_MAX };

enum draw_of {
    DRAW_CALLER,
    DRAW_SECOND,
    DRAW_FAN_OUT,
    DRAW_WORK,
    DRAW_CV,
    DRAW_CPU,
    DRAW_RAM,
    DRAW_PODS,
    DRAW_ROOM
};

static const char *const shape_names[SHAPES] = {
    [SHAPE_CHAIN] = "chain",
    [SHAPE_DIAMOND] = "diamond",
    [SHAPE_TREE] = "tree",
    [SHAPE_MESH] = "mesh",
};

/* The topology under construction. */
struct plan {
    const struct topology_gen *gen;
    int n;
    struct topology_cfg cfg;
    struct service_cfg services[N_MAX];
    char names[N_MAX][NAME_BYTES];
    const char *calls[N_MAX][CALLEES_MAX], *async[N_MAX][CALLEES_MAX];
};

const char *topology_shape_name(enum topology_shape shape)
{
    return shape_names[shape];
}

int topology_shape_find(const char *name)
{
    for (int i = 0; i < SHAPES; i++) {
        if (strcmp(shape_names[i], name) == 0) {
            return i;
        }
    }
    return -1;
}

static uint32_t draw_below(const struct plan *p, int service, enum draw_of what, int n)
{
    struct rng_key key = rng_key(p->gen->seed, RNG_TOPOLOGY, RNG_TRAIN);
    /* Only one word of a block is used. In return a draw depends on no other draw: a new purpose at
     * the end of enum draw_of leaves all topologies as they are. */
    struct rng_block b =
        rng_philox(key, (uint32_t)what, (uint32_t)service, (uint32_t)p->gen->shape, (uint32_t)p->n);
    return rng_below(b.v[0], (uint32_t)n);
}

/* ---- who calls whom ---- */

static void link_to(struct plan *p, int caller, int callee)
{
    struct service_cfg *c = &p->services[caller];
    p->calls[caller][c->n_calls++] = p->names[callee];
}

static void link_async(struct plan *p, int caller, int callee)
{
    struct service_cfg *c = &p->services[caller];
    p->async[caller][c->n_async++] = p->names[callee];
}

static void make_chain(struct plan *p)
{
    for (int s = 1; s < p->n; s++) {
        link_to(p, s - 1, s);
    }
}

static void make_diamond(struct plan *p)
{
    for (int s = 1; s < p->n - 1; s++) {
        link_to(p, 0, s);
        link_to(p, s, p->n - 1);
    }
}

static void make_tree(struct plan *p)
{
    for (int s = 1; s < p->n; s++) {
        /* s services exist and s - 1 calls lead to them. Were all of them full, there would be 3 s
         * calls, so one at least is free and n_free >= 1. */
        int free_callers[N_MAX], n_free = 0;
        for (int i = 0; i < s; i++) {
            if (p->services[i].n_calls < 3) {
                free_callers[n_free++] = i;
            }
        }
        link_to(p, free_callers[draw_below(p, s, DRAW_CALLER, n_free)], s);
    }
}

/* Where layer k of a mesh begins, 0 <= k <= 4; layer 4 would begin at n. With n >= 4 at least three
 * services are no entries, so no layer is empty and each has a layer above it to be called from. */
static int layer_begin(const struct plan *p, int k)
{
    int n_entries = (p->n + 7) / 8;
    return k == 0 ? 0 : n_entries + (p->n - n_entries) * (k - 1) / 3;
}

static void make_mesh(struct plan *p)
{
    for (int k = 1; k <= 3; k++) {
        int above = layer_begin(p, k - 1), begin = layer_begin(p, k), end = layer_begin(p, k + 1);
        int n_above = begin - above;
        for (int s = begin; s < end; s++) {
            /* `other` is drawn from twice as many numbers as there are services above: half of the
             * services have a second candidate, which is dropped if it is the first one again. By
             * induction over the layers every service can be reached from an entry. */
            int first = (int)draw_below(p, s, DRAW_CALLER, n_above);
            int other = (int)draw_below(p, s, DRAW_SECOND, 2 * n_above);
            bool told = (s - layer_begin(p, 1)) % 5 == 4;
            (told ? link_async : link_to)(p, above + first, s);
            if (!told && other < n_above && other != first) {
                link_to(p, above + other, s);
            }
        }
    }
}

/* Real services differ in how they call and in how their work varies. */
static void vary(struct plan *p)
{
    static const enum fan_out fans[] = {FAN_PARALLEL, FAN_PARALLEL, FAN_SEQUENCE, FAN_SPLIT};
    static const enum work_kind works[] = {WORK_EXPONENTIAL, WORK_EXPONENTIAL, WORK_LOGNORMAL,
                                           WORK_LOGNORMAL, WORK_DETERMINISTIC};
    for (int s = 0; s < p->n; s++) {
        struct service_cfg *c = &p->services[s];
        if (c->n_calls > 1) {
            c->fan_out = fans[draw_below(p, s, DRAW_FAN_OUT, 4)];
        }
        c->service_time = works[draw_below(p, s, DRAW_WORK, 5)];
        if (c->service_time == WORK_LOGNORMAL) {
            c->cv = 0.5 + 0.25 * draw_below(p, s, DRAW_CV, 7);
        }
    }
}

/* The graph alone: sizes come later, and only a mesh varies in fan-out and work. */
static void make_graph(struct plan *p)
{
    switch (p->gen->shape) {
    case SHAPE_CHAIN:
        make_chain(p);
        break;
    case SHAPE_DIAMOND:
        make_diamond(p);
        break;
    case SHAPE_TREE:
        make_tree(p);
        break;
    default:
        make_mesh(p);
        vary(p);
    }
    for (int s = 0; s < p->n; s++) {
        p->services[s].entry = p->gen->shape == SHAPE_MESH ? s < layer_begin(p, 1) : s == 0;
    }
}

/* ---- sizes ---- */

static void plan_init(struct plan *p, const struct topology_gen *gen)
{
    *p = (struct plan){.gen = gen, .n = gen->n_services};
    for (int s = 0; s < p->n; s++) {
        (void)snprintf(p->names[s], NAME_BYTES, "s%02d", s);
        p->services[s] = (struct service_cfg){
            .name = p->names[s],
            .cpu_m = 50.0 * (6 + draw_below(p, s, DRAW_CPU, 11)),
            .ram_mib = 256.0 * (1 + draw_below(p, s, DRAW_RAM, 4)),
            .capacity_rps = 1,
            .min_replicas = 1,
            .max_replicas = 1,
            .initial_replicas = 1,
            .calls = p->calls[s],
            .async = p->async[s],
            .cv = 1,
        };
    }
    /* A node without limits, so that topology_init() accepts the graph before it has sizes. */
    p->cfg = (struct topology_cfg){
        .services = p->services,
        .n_services = p->n,
        .node_cpu_m = HUGE_VAL,
        .node_ram_mib = HUGE_VAL,
        .limit_ratio = 1,
        .demand_scale = 1,
        .queue_per_pod = 100,
        .slots_per_pod = 64,
    };
}

/* To two digits, so that a reader can compare. x > 0, so both loops end; then x / unit lies in
 * [9.95, 99.5), is rounded by at most 0.5, and the error is within 0.5 / 9.95 = 5 %. */
static double two_digits(double x)
{
    double unit = 1.0;
    while (x / unit >= 99.5) {
        unit *= 10.0;
    }
    while (x / unit < 9.95) {
        unit /= 10.0;
    }
    return floor(x / unit + 0.5) * unit;
}

static double round_up(double x, double step)
{
    return ceil(x / step) * step;
}

static void size_services(struct plan *p, const double *visits)
{
    double cpu_m = 0.0, ram_mib = 0.0;
    for (int s = 0; s < p->n; s++) {
        struct service_cfg *c = &p->services[s];
        int pods = 3 + (int)draw_below(p, s, DRAW_PODS, 3);
        c->initial_replicas = pods;
        c->max_replicas = 2 * pods + (int)draw_below(p, s, DRAW_ROOM, pods + 1);
        /* Service s gets rate x visits calls a second. With this capacity `pods` pods are used to
         * one half, before the rounding. */
        c->capacity_rps = two_digits(p->gen->rate_rps * visits[s] / (0.5 * pods));
        cpu_m += c->max_replicas * c->cpu_m;
        ram_mib += c->max_replicas * c->ram_mib;
    }
    p->cfg.node_cpu_m = round_up(0.7 * cpu_m, 500.0);
    p->cfg.node_ram_mib = round_up(ram_mib, 1024.0);
}

/* ---- text ---- */

static enum err print_names(struct buf *out, const char *key, const char *const *names, int n)
{
    for (int i = 0; i < n; i++) {
        TRY(buf_printf(out, "%s%s%s", i == 0 ? key : ", ", i == 0 ? ": [" : "", names[i]));
    }
    return n > 0 ? buf_printf(out, "]") : ERR_OK;
}

static enum err print_calls(struct buf *out, const struct service_cfg *c)
{
    static const char *const fans[] = {"parallel", "sequence", "split"};
    if (c->n_calls > 0) {
        TRY(buf_printf(out, ",\n       "));
        TRY(print_names(out, "calls", c->calls, c->n_calls));
        if (c->fan_out != FAN_PARALLEL) {
            TRY(buf_printf(out, ", fan_out: %s", fans[c->fan_out]));
        }
    }
    if (c->n_async > 0) {
        TRY(buf_printf(out, ",\n       "));
        TRY(print_names(out, "async", c->async, c->n_async));
    }
    return ERR_OK;
}

static enum err print_service(struct buf *out, const struct service_cfg *c)
{
    TRY(buf_printf(out, "    - {name: %s, cpu_m: %g, ram_mib: %g, capacity_rps: %.9g,\n", c->name,
                   c->cpu_m, c->ram_mib, c->capacity_rps));
    TRY(buf_printf(out, "       min_replicas: %d, max_replicas: %d, initial_replicas: %d%s",
                   c->min_replicas, c->max_replicas, c->initial_replicas,
                   c->entry ? ", entry: true" : ""));
    TRY(print_calls(out, c));
    if (c->service_time == WORK_LOGNORMAL) {
        TRY(buf_printf(out, ",\n       service_time: lognormal, cv: %g", c->cv));
    } else if (c->service_time == WORK_DETERMINISTIC) {
        TRY(buf_printf(out, ",\n       service_time: deterministic"));
    }
    return buf_printf(out, "}\n");
}

/* Requested by the first pods, and the extremes of their use at the nominal rate. */
struct start {
    double cpu_m, use_least, use_most;
};

static struct start start_of(const struct plan *p, const struct topology *t)
{
    struct start start = {0.0, HUGE_VAL, 0.0};
    for (int s = 0; s < p->n; s++) {
        const struct service_cfg *c = &p->services[s];
        double use = p->gen->rate_rps * t->visits[s] / (c->initial_replicas * t->pod_rps[s]);
        start.cpu_m += c->initial_replicas * c->cpu_m;
        start.use_least = fmin(start.use_least, use);
        start.use_most = fmax(start.use_most, use);
    }
    return start;
}

static enum err print_topology(struct buf *out, const struct plan *p, const struct topology *t)
{
    struct start start = start_of(p, t);
    TRY(buf_printf(
        out,
        "# A %s of %d services, made by\n"
        "#   karma topology %s --services %d --seed %llu --rate %g\n#\n"
        "# The initial replicas request %g of the node's %g vCPU; %g requests/s use %.0f "
        "to %.0f %% of\n# what they can answer. The largest load all services bear at "
        "max_replicas is %.0f requests/s.\n",
        topology_shape_name(p->gen->shape), p->n, topology_shape_name(p->gen->shape), p->n,
        (unsigned long long)p->gen->seed, p->gen->rate_rps, start.cpu_m * 1e-3,
        p->cfg.node_cpu_m * 1e-3, p->gen->rate_rps, 100.0 * start.use_least, 100.0 * start.use_most,
        floor(t->critical_rps)));
    TRY(buf_printf(out, "topology:\n  services:\n"));
    for (int s = 0; s < p->n; s++) {
        TRY(print_service(out, &p->services[s]));
    }
    return buf_printf(out,
                      "  node_cpu_m: %.9g\n  node_ram_mib: %.9g\n  limit_ratio: 1\n"
                      "  demand_scale: 1\n  queue_per_pod: %d\n  slots_per_pod: %d\n",
                      p->cfg.node_cpu_m, p->cfg.node_ram_mib, p->cfg.queue_per_pod,
                      p->cfg.slots_per_pod);
}

static enum err generate(struct buf *out, struct arena *arena, const struct topology_gen *gen)
{
    struct topology t;
    struct plan *p = ARENA_NEW(arena, 1, struct plan);
    TRY(arena_error(arena));
    plan_init(p, gen);
    make_graph(p);
    /* The visits of a graph do not depend on sizes, so those of the bare graph are those of the
     * finished one. The second call checks the sizes and computes the rates that the text
     * quotes. */
    TRY(topology_init(&t, arena, &p->cfg, NULL));
    size_services(p, t.visits);
    TRY(topology_init(&t, arena, &p->cfg, NULL));
    return print_topology(out, p, &t);
}

enum err topology_generate(struct buf *out, const struct topology_gen *gen)
{
    struct arena arena;
    CHECK(gen->n_services >= TOPOLOGY_GEN_MIN && gen->n_services <= TOPOLOGY_GEN_MAX);
    CHECK(gen->rate_rps > 0.0);
    arena_init(&arena);
    enum err e = generate(out, &arena, gen);
    arena_release(&arena);
    return e;
}
