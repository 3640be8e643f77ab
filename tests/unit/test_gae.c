/* GAE against the plain double sum, with episodes that end inside the block; and by hand. */
#include "core/base/rng.h"
#include "core/marl/gae.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
/* cmocka wants these first */
#include <cmocka.h>

static const struct team_spec team = {.name = "none",
                                      .n_agents = 3,
                                      .n_global_state = 1,
                                      .n_obs = 1,
                                      .n_critic = 1,
                                      .n_factors = 1,
                                      .n_choices = 2};
static const struct env_spec spec = {.name = "none", .n_teams = 1, .teams = {&team}, .n_stats = 1};

enum { A = 3, E = 5, T = 23 };

static float draw(struct rng_key key, uint32_t what, int i)
{
    return 4.0f * rng_f32(rng_philox(key, (uint32_t)i, what, 0, 0).v[0]) - 2.0f;
}

static void fill(struct block *b)
{
    struct rng_key key = rng_key(3, RNG_TEST, RNG_TRAIN);
    for (int i = 0; i < E * T * A; i++) {
        b->reward[i] = draw(key, 0, i);
        b->value[i] = draw(key, 1, i);
        b->bootstrap_value[i] = draw(key, 2, i);
    }
    for (int i = 0; i < E * A; i++) {
        b->last_value[i] = draw(key, 3, i);
    }
    for (int i = 0; i < E * T; i++) {
        uint32_t v = rng_philox(key, (uint32_t)i, 4, 0, 0).v[0] % 8;
        b->flag[i] = v == 0 ? ENV_TERMINATED : v == 1 ? ENV_TRUNCATED : ENV_RUNNING;
    }
    b->flag[T - 1] = ENV_TERMINATED; /* the end of a block is all three kinds of step */
    b->flag[2 * T - 1] = ENV_TRUNCATED;
    b->flag[3 * T - 1] = ENV_RUNNING;
}

static double delta(const struct block *b, int e, int t, int a, double gamma)
{
    int i = (e * T + t) * A + a;
    double next = t + 1 < T ? (double)b->value[i + A] : (double)b->last_value[e * A + a];
    if (b->flag[e * T + t] == ENV_TERMINATED) {
        next = 0.0;
    } else if (b->flag[e * T + t] == ENV_TRUNCATED) {
        next = (double)b->bootstrap_value[i];
    }
    return (double)b->reward[i] + gamma * next - (double)b->value[i];
}

/* A_t = sum over the rest of the episode of (gamma lambda)^l delta_{t+l}. */
static double plain(const struct block *b, int e, int t, int a, double gamma, double lambda)
{
    double sum = 0.0;
    for (int u = t; u < T; u++) {
        sum += pow(gamma * lambda, u - t) * delta(b, e, u, a, gamma);
        if (b->flag[e * T + u] != ENV_RUNNING) {
            break;
        }
    }
    return sum;
}

static void test_plain_sum(void **state)
{
    (void)state;
    struct arena arena;
    struct block b;
    arena_init(&arena);
    assert_int_equal(block_init(&b, &arena, &spec, 0, E, T), ERR_OK);
    fill(&b);
    gae_block(&b, A, 0.97, 0.9);
    for (int e = 0; e < E; e++) {
        for (int t = 0; t < T; t++) {
            for (int a = 0; a < A; a++) {
                int i = (e * T + t) * A + a;
                double expected = plain(&b, e, t, a, 0.97, 0.9);
                assert_true(fabs((double)b.advantage[i] - expected) < 2e-6);
                assert_true(fabs((double)b.target[i] - expected - (double)b.value[i]) < 2e-6);
            }
        }
    }
    arena_release(&arena);
}

/* gamma = lambda = 1/2, one agent of three, rewards 1 2 3, values 4 2 8, last value 16:
 *   running:      d = 3+8-8 = 3, 2+4-2 = 4, 1+1-4 = -2;   A_2 = 3, A_1 = 4.75, A_0 = -0.8125
 *   step 1 terminated: d_1 = 2-2 = 0, A_1 = 0, A_0 = -2;  truncated with 6: d_1 = 3, A_0 = -1.25 */
static void test_by_hand(void **state)
{
    (void)state;
    static const uint8_t middle[] = {ENV_RUNNING, ENV_TERMINATED, ENV_TRUNCATED};
    static const float first[] = {-0.8125f, -2.0f, -1.25f}, second[] = {4.75f, 0.0f, 3.0f};
    struct arena arena;
    struct block b;
    arena_init(&arena);
    assert_int_equal(block_init(&b, &arena, &spec, 0, 1, 3), ERR_OK);
    b.last_value[0] = 16.0f;
    b.bootstrap_value[A] = 6.0f;
    for (int t = 0; t < 3; t++) {
        b.reward[t * A] = (float[]){1, 2, 3}[t];
        b.value[t * A] = (float[]){4, 2, 8}[t];
    }
    for (int kind = 0; kind < 3; kind++) {
        b.flag[1] = middle[kind];
        gae_block(&b, A, 0.5, 0.5);
        assert_true(b.advantage[0] == first[kind]);
        assert_true(b.advantage[A] == second[kind]);
        assert_true(b.advantage[2 * A] == 3.0f);
        assert_true(b.target[0] == first[kind] + 4.0f);
    }
    arena_release(&arena);
}

/* Two groups of two environments. Means by hand: the first group has advantages 1 and 3, 2 and -2
 * at its two steps, the second 5 and 5, 0 and 1. Targets stay. */
static void test_groups_by_hand(void **state)
{
    static const float before[] = {1, 2, 3, -2, 5, 0, 5, 1};
    static const float after[] = {-1, 2, 1, -2, 0, -0.5F, 0, 0.5F};
    struct arena arena;
    struct block b;
    (void)state;
    arena_init(&arena);
    assert_int_equal(block_init(&b, &arena, &spec, 0, 4, 2), ERR_OK);
    for (int i = 0; i < 8; i++) {
        for (int a = 0; a < A; a++) {
            b.advantage[i * A + a] = before[i] * (float)(a + 1);
            b.target[i * A + a] = 7;
        }
    }
    gae_centre_groups(&b, A, 2);
    for (int i = 0; i < 8; i++) {
        for (int a = 0; a < A; a++) {
            assert_true(b.advantage[i * A + a] == after[i] * (float)(a + 1));
            assert_true(b.target[i * A + a] == 7);
        }
    }
    arena_release(&arena);
}

/* Groups of one are nothing: no bit changes. */
static void test_groups_of_one(void **state)
{
    struct arena arena;
    struct block b;
    float kept[E * T * A];
    (void)state;
    arena_init(&arena);
    assert_int_equal(block_init(&b, &arena, &spec, 0, E, T), ERR_OK);
    fill(&b);
    gae_block(&b, A, 0.97, 0.9);
    memcpy(kept, b.advantage, sizeof kept);
    gae_centre_groups(&b, A, 1);
    assert_memory_equal(kept, b.advantage, sizeof kept);
    arena_release(&arena);
}

static void test_memory(void **state)
{
    (void)state;
    struct block b = {.tile = 42};
    struct arena arena;
    arena_init(&arena);
    mem_fail_after(1);
    assert_int_equal(block_init(&b, &arena, &spec, 0, E, T), ERR_MEMORY);
    assert_int_equal(b.tile, 42); /* written on success only */
    mem_fail_after(0);
    arena_release(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain_sum),     cmocka_unit_test(test_groups_by_hand),
        cmocka_unit_test(test_groups_of_one), cmocka_unit_test(test_by_hand),
        cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
