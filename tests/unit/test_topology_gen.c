/* Generated topologies: every text is read back by the reader of configurations, compiled, and held
 * to what topology_gen.h promises. */
#include "core/plant/topology_gen.h"

#include "core/base/config.h"
#include "core/plant/topology.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { SEEDS = 6 };
static const double RATE = 240.0;

struct root {
    struct topology_cfg topology;
};
static const struct cfg_field ROOT[] = {
    CFG_TABLE(struct root, topology, topology_fields, "services and node"),
    CFG_END,
};

struct made {
    struct buf text;
    struct arena arena;
    struct cfg places;
    struct root root;
    struct topology topology;
};

static void make(struct made *m, enum topology_shape shape, int n, uint64_t seed)
{
    const struct topology_gen gen = {shape, n, seed, RATE};
    buf_init(&m->text);
    arena_init(&m->arena);
    assert_int_equal(topology_generate(&m->text, &gen), ERR_OK);
    cfg_init(&m->places, ROOT, sizeof(struct root), &m->arena);
    assert_int_equal(buf_append(&m->text, "", 1), ERR_OK);
    assert_int_equal(
        cfg_load_text(&m->places, "t.yaml", (const char *)m->text.data, NULL, 0, &m->root), ERR_OK);
    assert_int_equal(topology_init(&m->topology, &m->arena, &m->root.topology, &m->places), ERR_OK);
}

static void forget(struct made *m)
{
    buf_release(&m->text);
    arena_release(&m->arena);
}

static void check_sizes(const struct made *m, int n)
{
    const struct topology *t = &m->topology;
    double cpu_m = 0.0, ram_mib = 0.0;
    assert_int_equal(t->n_services, n);
    for (int s = 0; s < n; s++) {
        const struct service_cfg *c = &t->cfg->services[s];
        double use = RATE * t->visits[s] / (c->initial_replicas * c->capacity_rps);
        assert_true(use > 0.47 && use < 0.53);
        assert_in_range(c->cpu_m, 300, 800);
        assert_in_range(c->ram_mib, 256, 1024);
        assert_in_range(c->initial_replicas, 3, 5);
        assert_in_range(c->max_replicas, 2 * c->initial_replicas, 3 * c->initial_replicas);
        cpu_m += c->max_replicas * c->cpu_m;
        ram_mib += c->max_replicas * c->ram_mib;
    }
    assert_true(t->cfg->node_cpu_m >= 0.7 * cpu_m && t->cfg->node_cpu_m < 0.7 * cpu_m + 500.0);
    assert_true(t->cfg->node_ram_mib >= ram_mib);
    assert_true(t->critical_rps > 3.7 * RATE && t->critical_rps < 6.4 * RATE);
}

static int n_callees(const struct topology *t, int s)
{
    return t->callee_begin[s + 1] - t->callee_begin[s];
}

static int n_callers(const struct topology *t, int s)
{
    return t->caller_begin[s + 1] - t->caller_begin[s];
}

static void check_shape(const struct topology *t, enum topology_shape shape)
{
    int n = t->n_services;
    assert_int_equal(t->n_entries, shape == SHAPE_MESH ? (n + 7) / 8 : 1);
    for (int s = 0; s < n; s++) {
        bool last = s == n - 1;
        switch (shape) {
        case SHAPE_CHAIN:
            assert_int_equal(n_callees(t, s), last ? 0 : 1);
            assert_true(last || t->callee[t->callee_begin[s]] == s + 1);
            break;
        case SHAPE_DIAMOND:
            assert_int_equal(n_callees(t, s), s == 0 ? n - 2 : last ? 0 : 1);
            assert_int_equal(n_callers(t, s), s == 0 ? 0 : last ? n - 2 : 1);
            break;
        case SHAPE_TREE:
            assert_int_equal(n_callers(t, s), s == 0 ? 0 : 1);
            assert_in_range(n_callees(t, s), 0, 3);
            break;
        default:
            assert_in_range(n_callers(t, s), t->cfg->services[s].entry ? 0 : 1, 2);
        }
    }
}

static void test_all_sizes(void **state)
{
    (void)state;
    for (int shape = 0; shape < SHAPES; shape++) {
        for (int n = TOPOLOGY_GEN_MIN; n <= TOPOLOGY_GEN_MAX; n++) {
            for (uint64_t seed = 0; seed < SEEDS; seed++) {
                struct made m;
                make(&m, (enum topology_shape)shape, n, seed);
                check_sizes(&m, n);
                check_shape(&m.topology, (enum topology_shape)shape);
                forget(&m);
            }
        }
    }
}

/* The same seed says the same, another one something else; the shape of a tree changes, too. */
static void test_seeds(void **state)
{
    (void)state;
    int graphs = 0;
    for (int shape = 0; shape < SHAPES; shape++) {
        struct made a, b, c;
        make(&a, (enum topology_shape)shape, 14, 5);
        make(&b, (enum topology_shape)shape, 14, 5);
        make(&c, (enum topology_shape)shape, 14, 6);
        assert_string_equal((const char *)a.text.data, (const char *)b.text.data);
        assert_true(strcmp((const char *)a.text.data, (const char *)c.text.data) != 0);
        const int n = a.topology.callee_begin[14];
        graphs += n != c.topology.callee_begin[14] ||
                  memcmp(a.topology.callee, c.topology.callee, sizeof(int) * (size_t)n) != 0;
        forget(&a);
        forget(&b);
        forget(&c);
    }
    assert_int_equal(graphs, 2); /* tree and mesh; chain and diamond have but one graph */
}

/* A large mesh has all there is. */
static void test_mesh_varies(void **state)
{
    (void)state;
    struct made m;
    int fans[3] = {0}, works[3] = {0}, async = 0;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        make(&m, SHAPE_MESH, 32, seed);
        for (int s = 0; s < 32; s++) {
            const struct service_cfg *c = &m.topology.cfg->services[s];
            fans[c->fan_out]++;
            works[c->service_time]++;
            async += c->n_async;
        }
        forget(&m);
    }
    assert_int_equal(async, SEEDS * 5); /* of 28 below the entries */
    for (int i = 0; i < 3; i++) {
        assert_true(fans[i] > 0 && works[i] > 0);
    }
}

static void test_names(void **state)
{
    (void)state;
    for (int shape = 0; shape < SHAPES; shape++) {
        assert_int_equal(topology_shape_find(topology_shape_name((enum topology_shape)shape)),
                         shape);
    }
    assert_int_equal(topology_shape_find("ring"), -1);
}

/* Wherever memory ends, it is said; what is in the buffer by then is still the caller's. */
static void test_out_of_memory(void **state)
{
    (void)state;
    const struct topology_gen gen = {SHAPE_MESH, 32, 1, RATE};
    enum err e = ERR_MEMORY;
    int failures = 0;
    for (uint64_t at = 1; e == ERR_MEMORY; at++) {
        struct buf text;
        buf_init(&text);
        mem_fail_after(at);
        e = topology_generate(&text, &gen);
        mem_fail_after(0);
        failures += e == ERR_MEMORY;
        buf_release(&text);
    }
    assert_int_equal(e, ERR_OK);
    assert_true(failures >= 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_sizes),     cmocka_unit_test(test_seeds),
        cmocka_unit_test(test_mesh_varies),   cmocka_unit_test(test_names),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
