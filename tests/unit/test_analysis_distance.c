/* Distances of trajectories against their definitions: all warping paths, all edits; bounds that
 * never exceed what they bound. */
#include "core/analysis/dtw.h"
#include "core/base/rng.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { SERVICES = 2, STEPS_MAX = 7, CASES = 300 };

/* A set of one episode for each of two lengths, one agent each: two sequences. */
struct pair {
    struct arena arena;
    struct trajectory_set set;
    struct analysed_episode episodes[2];
    int32_t change[2][STEPS_MAX * SERVICES];
    struct sequences q;
};

static void make_pair(struct pair *p, uint32_t seed, int n, int m)
{
    const int steps[2] = {n, m};
    const struct sequence_cfg cfg = {.ngram = 1};
    memset(p, 0, sizeof *p);
    arena_init(&p->arena);
    for (int e = 0; e < 2; e++) {
        for (int i = 0; i < steps[e] * SERVICES; i++) {
            const struct rng_block b =
                rng_philox(rng_key(5, RNG_TEST, RNG_DEV), (uint32_t)i, (uint32_t)e, seed, 0);
            p->change[e][i] = (int32_t)rng_below(b.v[0], 7) - 3;
        }
        p->episodes[e].change = p->change[e];
        p->episodes[e].n_steps = steps[e];
    }
    p->set = (struct trajectory_set){
        .n_services = SERVICES, .n_agents = 1, .episodes = p->episodes, .n_episodes = 2};
    assert_int_equal(sequences_init(&p->q, &p->arena, &p->set, &cfg), ERR_OK);
}

static double step_cost(const struct pair *p, int i, int j)
{
    double sum = 0.0;
    for (int s = 0; s < SERVICES; s++) {
        const double d = p->change[0][i * SERVICES + s] - p->change[1][j * SERVICES + s];
        sum += d * d;
    }
    return sqrt(sum);
}

/* The cheapest of all paths from (i, j) to the end, one by one. */
static double all_paths(const struct pair *p, int i, int j, int n, int m, int w)
{
    if (i >= n || j >= m || i - j > w || j - i > w) {
        return INFINITY;
    }
    const double own = step_cost(p, i, j);
    if (i == n - 1 && j == m - 1) {
        return own;
    }
    const double down = all_paths(p, i + 1, j, n, m, w), right = all_paths(p, i, j + 1, n, m, w);
    const double both = all_paths(p, i + 1, j + 1, n, m, w);
    return own + fmin(both, fmin(down, right));
}

/* Fewest edits from the steps from i on to those from j on, by definition. */
static double all_edits(const struct pair *p, int i, int j, int n, int m)
{
    if (i == n || j == m) {
        return n - i + m - j;
    }
    const double same = step_cost(p, i, j) == 0.0 ? 0.0 : 1.0;
    return fmin(same + all_edits(p, i + 1, j + 1, n, m),
                1.0 + fmin(all_edits(p, i + 1, j, n, m), all_edits(p, i, j + 1, n, m)));
}

static int draw_length(uint32_t seed, uint32_t which)
{
    const struct rng_block b = rng_philox(rng_key(6, RNG_TEST, RNG_DEV), which, 0, seed, 0);
    return 1 + (int)rng_below(b.v[0], STEPS_MAX);
}

static void warping_is_the_cheapest_path(void **state)
{
    static const double bands[] = {0.0, 0.1, 0.3, 1.0};
    (void)state;
    for (uint32_t seed = 0; seed < CASES; seed++) {
        struct pair p;
        double row[2 * (STEPS_MAX + 1)];
        const int n = draw_length(seed, 0), m = draw_length(seed, 1);
        make_pair(&p, seed, n, m);
        for (size_t i = 0; i < sizeof bands / sizeof *bands && p.q.n_distinct == 2; i++) {
            const struct distance_cfg cfg = {.kind = DISTANCE_DTW, .band = bands[i]};
            const int w = distance_band(&cfg, n, m);
            const double want = all_paths(&p, 0, 0, n, m, w);
            const double got = distance_of_pair(&p.q, &cfg, 0, 1, INFINITY, row);
            assert_true(fabs(got - want) <= 1e-12 * (1.0 + want));
            assert_true(distance_of_pair(&p.q, &cfg, 1, 0, INFINITY, row) == got || n != m ||
                        fabs(distance_of_pair(&p.q, &cfg, 1, 0, INFINITY, row) - got) < 1e-12);
            assert_true(distance_of_pair(&p.q, &cfg, 0, 1, got, row) == got); /* a limit it meets */
            assert_true(got == 0.0 || isinf(distance_of_pair(&p.q, &cfg, 0, 1, got * 0.49, row)) ||
                        distance_of_pair(&p.q, &cfg, 0, 1, got * 0.49, row) == got);
        }
        arena_release(&p.arena);
    }
}

static void edits_are_the_fewest(void **state)
{
    (void)state;
    for (uint32_t seed = 0; seed < CASES; seed++) {
        struct pair p;
        double row[2 * (STEPS_MAX + 1)];
        const struct distance_cfg cfg = {.kind = DISTANCE_EDIT, .band = 1.0};
        const int n = draw_length(seed, 2), m = draw_length(seed, 3);
        make_pair(&p, seed, n, m);
        if (p.q.n_distinct == 2) {
            assert_true(distance_of_pair(&p.q, &cfg, 0, 1, INFINITY, row) ==
                        all_edits(&p, 0, 0, n, m));
        }
        arena_release(&p.arena);
    }
}

static void euclid_compares_step_by_step(void **state)
{
    (void)state;
    for (uint32_t seed = 0; seed < CASES; seed++) {
        struct pair p;
        double row[2 * (STEPS_MAX + 1)], want = 0.0;
        const struct distance_cfg cfg = {.kind = DISTANCE_EUCLID};
        const int n = draw_length(seed, 4);
        make_pair(&p, seed, n, n);
        for (int i = 0; i < n; i++) {
            want += step_cost(&p, i, i) * step_cost(&p, i, i);
        }
        if (p.q.n_distinct == 2) {
            const double got = distance_of_pair(&p.q, &cfg, 0, 1, INFINITY, row);
            assert_true(fabs(got - sqrt(want)) <= 1e-12 * (1.0 + want));
        }
        arena_release(&p.arena);
    }
}

/* Both bounds stay below the distance, and the box is not trivial: it exceeds 0 often. */
static void bounds_are_bounds(void **state)
{
    int sharp = 0, tried = 0;
    (void)state;
    for (uint32_t seed = 0; seed < CASES; seed++) {
        struct pair p;
        double row[2 * (STEPS_MAX + 1)];
        float lo[STEPS_MAX * SERVICES], hi[STEPS_MAX * SERVICES];
        const struct distance_cfg cfg = {.kind = DISTANCE_DTW, .band = 0.1};
        const int n = draw_length(seed, 5), m = draw_length(seed, 6);
        make_pair(&p, seed, n, m);
        if (p.q.n_distinct == 2) {
            const double d = distance_of_pair(&p.q, &cfg, 0, 1, INFINITY, row);
            dtw_envelope(lo, hi, &p.q, &cfg, 1, n);
            const double box = dtw_bound_box(&p.q, 0, lo, hi);
            assert_true(box <= d * (1.0 + 1e-12));
            assert_true(dtw_bound_ends(&p.q, 0, 1) <= d * (1.0 + 1e-12));
            sharp += box > 0.0;
            tried++;
        }
        arena_release(&p.arena);
    }
    assert_true(sharp > tried / 2);
}

/* A relative distance is the distance over the lengths of all steps, and never above 1. */
static void relative_distances_lie_below_one(void **state)
{
    (void)state;
    for (uint32_t seed = 0; seed < CASES; seed++) {
        struct pair p;
        double row[2 * (STEPS_MAX + 1)], activity = 0.0;
        const int n = draw_length(seed, 7);
        make_pair(&p, seed, n, n);
        for (int kind = DISTANCE_DTW; kind <= DISTANCE_EUCLID && p.q.n_distinct == 2; kind++) {
            const struct distance_cfg plain = {.kind = kind, .band = 0.1};
            const struct distance_cfg cfg = {.kind = kind, .relative = true, .band = 0.1};
            const double d = distance_of_pair(&p.q, &cfg, 0, 1, INFINITY, row);
            const double whole = distance_of_pair(&p.q, &plain, 0, 1, INFINITY, row);
            assert_true(d >= 0.0 && d <= 1.0 + 1e-12);
            assert_true(fabs(d * distance_scale(&p.q, &cfg, 0, 1) - whole) <=
                        1e-12 * (1.0 + whole));
        }
        for (int e = 0; e < 2; e++) {
            for (int i = 0; i < n; i++) {
                const double a = p.change[e][i * SERVICES], b = p.change[e][i * SERVICES + 1];
                activity += sqrt(a * a + b * b);
            }
        }
        const struct distance_cfg cfg = {.kind = DISTANCE_DTW, .relative = true};
        if (p.q.n_distinct == 2) {
            assert_true(fabs(distance_scale(&p.q, &cfg, 0, 1) - activity) <= 1e-9);
        }
        arena_release(&p.arena);
    }
}

/* Equal trajectories are one sequence with a weight; steps of two decisions hold both. */
static void equal_sequences_are_merged(void **state)
{
    struct trajectory_set set;
    struct analysed_episode episodes[3];
    struct sequences q;
    struct arena arena;
    const int32_t a[] = {1, 0, 0, 2, 0, 0}, b[] = {1, 0, 0, 2, 0, 1};
    const struct sequence_cfg one = {.ngram = 1}, two = {.ngram = 2};
    (void)state;
    arena_init(&arena);
    memset(episodes, 0, sizeof episodes);
    for (int e = 0; e < 3; e++) {
        episodes[e].n_steps = 3;
        episodes[e].change = e == 1 ? b : a;
    }
    set = (struct trajectory_set){
        .n_services = SERVICES, .n_agents = 1, .episodes = episodes, .n_episodes = 3};
    assert_int_equal(sequences_init(&q, &arena, &set, &one), ERR_OK);
    assert_int_equal(q.n_distinct, 2);
    assert_int_equal(q.weight[0], 2);
    assert_int_equal(q.weight[1], 1);
    assert_int_equal(q.distinct[2], 0);
    assert_int_equal(q.first[1], 1);
    assert_int_equal(q.n_symbols, 4); /* (1, 0), (0, 2), (0, 0), (0, 1) */
    assert_true(sequences_cost(&q, q.symbol[0][0], q.symbol[0][1]) == sqrt(5.0));
    assert_int_equal(sequences_init(&q, &arena, &set, &two), ERR_OK);
    assert_int_equal(q.n_dims, 4);
    assert_int_equal(q.n_symbols, 4); /* (1 0 0 0), (0 2 1 0), (0 0 0 2), (0 1 0 2) */
    arena_release(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(warping_is_the_cheapest_path),
        cmocka_unit_test(edits_are_the_fewest),
        cmocka_unit_test(euclid_compares_step_by_step),
        cmocka_unit_test(bounds_are_bounds),
        cmocka_unit_test(relative_distances_lie_below_one),
        cmocka_unit_test(equal_sequences_are_merged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
