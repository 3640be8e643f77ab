/* explore: the rule when nothing is drawn, uniform changes when everything is, the share in
 * between; always inside the bounds, and a pure function of the episode. */
#include "core/plant/schema.h"
#include "tests/unit/game_fixture.h"

#include <math.h>

enum { SERVICES = 4, STATE_MAX = 256, STEPS = 2000, ALPHA = 3 };

static const char WORLD[] = "controllers:\n"
                            "  - ff\n"
                            "  - {name: none, explore: {rule: ff, random: 0}}\n"
                            "  - {name: some, explore: {rule: nothing, random: 0.3}}\n"
                            "  - {name: all, explore: {rule: ff, random: 1}}\n"
                            "  - {name: held, explore: {draw: allocations, random: 0.1}}\n"
                            "  - {name: fixed, explore: {draw: allocations, random: 0}}\n"
                            "  - {name: nested, explore: {random: 0.3, rule: {explore: {rule: "
                            "nothing, random: 0.3}}}}\n";
enum { RULE, NONE, SOME, ALL, HELD, FIXED, NESTED };

struct fixture {
    struct game_fixture w;
    float state[STATE_MAX];
};

static void start(struct fixture *f)
{
    memset(f, 0, sizeof *f);
    game_fixture_open(&f->w, WORLD);
    assert_int_equal(f->w.env_setup.topology.n_services, SERVICES);
}

/* A state in which service s has `desired` replicas, and requests come. */
static void show(struct fixture *f, int desired, float rate)
{
    for (int s = 0; s < SERVICES; s++) {
        f->state[state_service_at(s, SF_DESIRED)] = (float)desired;
    }
    f->state[state_global_at(SERVICES, GF_ENTRY_5S)] = rate;
    f->state[state_global_at(SERVICES, GF_ENTRY_10S)] = rate;
}

static void test_nothing_drawn(void **state)
{
    struct fixture f;
    (void)state;
    start(&f);
    struct controller *rule = game_fixture_controller(&f.w, RULE);
    struct controller *none = game_fixture_controller(&f.w, NONE);
    const struct episode_id id = {.seed = 3, .env = 1};
    controller_reset(rule, &id, NULL);
    controller_reset(none, &id, NULL);
    for (int t = 0; t < 100; t++) {
        int32_t a[SERVICES], b[SERVICES];
        show(&f, 1 + t % 7, (float)(10 + t * 3));
        controller_act(rule, a, f.state);
        controller_act(none, b, f.state);
        assert_memory_equal(a, b, sizeof a);
    }
    game_fixture_close(&f.w);
}

/* How often each change was made, -ALPHA .. ALPHA, by a controller that always sees 5 replicas. */
static void count(int counts[2 * ALPHA + 1], struct fixture *f, int which, uint64_t seed)
{
    struct controller *c = game_fixture_controller(&f->w, which);
    const struct episode_id id = {.seed = seed, .env = 7};
    memset(counts, 0, (2 * ALPHA + 1) * sizeof *counts);
    controller_reset(c, &id, NULL);
    show(f, 5, 50);
    for (int t = 0; t < STEPS; t++) {
        int32_t delta[SERVICES];
        controller_act(c, delta, f->state);
        for (int s = 0; s < SERVICES; s++) {
            assert_in_range(delta[s] + ALPHA, 0, 2 * ALPHA);
            counts[delta[s] + ALPHA]++;
        }
    }
}

/* Within four standard deviations of n draws. */
static void assert_share(int found, double share)
{
    const double n = STEPS * SERVICES;
    assert_true(fabs(found - share * n) < 4 * sqrt(share * (1 - share) * n));
}

static void test_shares(void **state)
{
    struct fixture f;
    int counts[2 * ALPHA + 1], again[2 * ALPHA + 1];
    (void)state;
    start(&f);
    count(counts, &f, ALL, 3);
    for (int i = 0; i <= 2 * ALPHA; i++) {
        assert_share(counts[i], 1.0 / 7);
    }
    count(counts, &f, SOME, 3); /* the rule changes nothing: 0 is also every seventh draw */
    for (int i = 0; i <= 2 * ALPHA; i++) {
        assert_share(counts[i], 0.3 / 7 + (i == ALPHA ? 0.7 : 0));
    }
    count(again, &f, SOME, 3);
    assert_memory_equal(again, counts, sizeof counts);
    count(again, &f, SOME, 4);
    assert_memory_not_equal(again, counts, sizeof counts);
    game_fixture_close(&f.w);
}

/* Two explorers, one inside the other, draw independently: neither draws with 0.7 x 0.7. */
static void test_nested(void **state)
{
    struct fixture f;
    int counts[2 * ALPHA + 1];
    (void)state;
    start(&f);
    count(counts, &f, NESTED, 3);
    for (int i = 0; i <= 2 * ALPHA; i++) {
        assert_share(counts[i], 0.51 / 7 + (i == ALPHA ? 0.49 : 0));
    }
    game_fixture_close(&f.w);
}

/* Plays `steps` decisions in which every wish comes true; counts[r]: decisions after which a
 * service had r replicas. Returns how often replicas changed after the first decision. */
static int hold(int counts[11], struct fixture *f, int which, const struct episode_id *id,
                int steps)
{
    struct controller *c = game_fixture_controller(&f->w, which);
    int changed = 0;
    memset(counts, 0, 11 * sizeof *counts);
    controller_reset(c, id, NULL);
    show(f, 4, 50);
    for (int t = 0; t < steps; t++) {
        int32_t delta[SERVICES];
        controller_act(c, delta, f->state);
        for (int s = 0; s < SERVICES; s++) {
            float *desired = &f->state[state_service_at(s, SF_DESIRED)];
            changed += t > 0 && delta[s] != 0;
            *desired += (float)delta[s];
            assert_in_range((int)*desired, 1, 10);
            counts[(int)*desired]++;
        }
    }
    return changed;
}

/* Allocations are drawn from all that the bounds allow, and held. */
static void test_held(void **state)
{
    struct fixture f;
    int counts[11], again[11], seen[11] = {0};
    (void)state;
    start(&f);
    const struct episode_id id = {.seed = 3, .env = 1}, other = {.seed = 3, .env = 2};
    /* A draw is the old number once in ten. */
    const int changed = hold(counts, &f, HELD, &id, STEPS);
    assert_true(fabs(changed - 0.09 * STEPS * SERVICES) < 4 * sqrt(0.09 * STEPS * SERVICES));
    for (int r = 1; r <= 10; r++) { /* about a hundred visits of ten decisions each */
        assert_in_range(counts[r], STEPS * SERVICES / 20, STEPS * SERVICES / 5);
    }
    assert_int_equal(hold(again, &f, HELD, &id, STEPS), changed);
    assert_memory_equal(again, counts, sizeof counts);
    (void)hold(again, &f, HELD, &other, STEPS);
    assert_memory_not_equal(again, counts, sizeof counts);
    for (uint32_t e = 0; e < 100; e++) {
        const struct episode_id episode = {.seed = 3, .env = e};
        assert_int_equal(hold(counts, &f, FIXED, &episode, 5), 0);
        for (int r = 1; r <= 10; r++) {
            seen[r] += counts[r] / 5;
        }
    }
    for (int r = 1; r <= 10; r++) {
        assert_in_range(seen[r], 15, 65); /* 40 of 400 expected */
    }
    game_fixture_close(&f.w);
}

static void test_bounds(void **state)
{
    struct fixture f;
    (void)state;
    start(&f);
    struct controller *c = game_fixture_controller(&f.w, ALL);
    const struct episode_id id = {.seed = 3};
    controller_reset(c, &id, NULL);
    for (int t = 0; t < STEPS; t++) {
        int32_t delta[SERVICES];
        const int desired = t % 2 == 0 ? 1 : 10;
        show(&f, desired, 50);
        controller_act(c, delta, f.state);
        for (int s = 0; s < SERVICES; s++) {
            const struct service_cfg *cfg = &f.w.root.topology.services[s];
            assert_in_range(desired + delta[s], cfg->min_replicas, cfg->max_replicas);
        }
    }
    game_fixture_close(&f.w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_drawn), cmocka_unit_test(test_shares),
        cmocka_unit_test(test_nested),        cmocka_unit_test(test_held),
        cmocka_unit_test(test_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
