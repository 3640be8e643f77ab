/* Draws of calls: whoever asks, in whatever order, gets the Philox block of (request, visit). */
#include "core/cluster/draws.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include <cmocka.h>

enum { VISITS = 5, KEPT = DRAWS_BATCHES * RNG_LANES };

struct scene {
    struct sim_draws draws;
    struct draws_row rows[DRAWS_STREAMS * DRAWS_BATCHES * VISITS];
};

static void begin(struct scene *s, uint32_t n_visits, uint32_t episode)
{
    s->draws.rows = s->rows;
    s->draws.n_visits = n_visits;
    draws_clear(&s->draws, rng_key(5, RNG_SERVICE, RNG_DEV), episode, 3);
}

/* True if the draw was made with those of its neighbours. */
static bool check(struct scene *s, uint32_t request, uint32_t visit)
{
    const struct sim_draws *d = &s->draws;
    const struct draw draw = draws_get(&s->draws, request, visit);
    const struct rng_block block = rng_philox(d->key, visit, request, d->episode, d->env);
    const double exponential = rng_exponential(block.v[0]);
    for (int w = 0; w < 4; w++) {
        assert_int_equal(draw.row->word[w][draw.lane], block.v[w]);
    }
    assert_memory_equal(&draw.row->exponential[draw.lane], &exponential, sizeof exponential);
    return draw.row != &d->alone;
}

static void requests_in_order(void **state)
{
    (void)state;
    static struct scene s;
    for (uint32_t episode = 0; episode < 2; episode++) { /* the second finds nothing of the first */
        begin(&s, VISITS, episode);
        for (uint32_t i = 0; i < 3 * KEPT; i++) {
            for (uint32_t visit = 0; visit < VISITS; visit++) {
                assert_true(check(&s, i, visit));
                assert_true(check(&s, i / 3 | 0x80000000u, visit)); /* the other stream, slower */
            }
        }
    }
}

/* Requests that are older than those kept, and requests that are just kept. */
static void late_requests_draw_alone(void **state)
{
    (void)state;
    static struct scene s;
    begin(&s, VISITS, 0);
    for (uint32_t i = 3 * KEPT; i < 4 * KEPT; i++) {
        assert_true(check(&s, i, 0) && check(&s, i, 2));
    }
    for (uint32_t i = 4 * KEPT; i < 6 * KEPT; i++) {
        assert_true(check(&s, i, 0));
        assert_true(check(&s, i, 2));
        assert_false(check(&s, i - KEPT - RNG_LANES, 0));
        assert_false(check(&s, i - 2 * KEPT, 1));
        assert_true(check(&s, i, 4));
        assert_true(check(&s, i - (KEPT - RNG_LANES), 0));
    }
}

static void requests_at_random(void **state)
{
    (void)state;
    static struct scene s;
    const struct rng_key key = rng_key(6, RNG_TEST, RNG_TRAIN);
    int together = 0;
    begin(&s, VISITS, 0);
    for (uint32_t i = 0; i < 50000; i++) {
        const struct rng_block b = rng_philox(key, i, 0, 0, 0);
        const uint32_t request = i / 20 + b.v[0] % (2 * KEPT), any = b.v[1];
        together += check(&s, request | (b.v[2] & 0x80000000u), b.v[3] % VISITS);
        (void)check(&s, any, b.v[3] % (2 * VISITS));
        (void)check(&s, UINT32_MAX - b.v[0] % 20, VISITS - 1);
    }
    assert_true(together > 0);
}

static void without_rows_and_beyond_them(void **state)
{
    (void)state;
    static struct scene s;
    begin(&s, 0, 0);
    assert_false(check(&s, 0, 0));
    begin(&s, 2, 0);
    assert_true(check(&s, 9, 1));
    assert_false(check(&s, 9, 2));
    assert_false(check(&s, 9, UINT32_MAX));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_in_order),
        cmocka_unit_test(late_requests_draw_alone),
        cmocka_unit_test(requests_at_random),
        cmocka_unit_test(without_rows_and_beyond_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
