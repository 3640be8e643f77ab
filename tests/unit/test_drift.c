/* Drift and fallback: the distance against one computed by hand, the share of held-out states
 * beyond the threshold, gaps, and who decides when. And the endpoint that tells it. */
#include "core/base/file.h"
#include "core/base/rng.h"
#include "core/transfer/drift.h"
#include "core/transfer/health.h"
#include "core/transfer/http.h"
#include "tests/store_fixture.h"
#include "tests/unit/heard.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

enum { COLUMNS = 4, STEPS = 50, EPISODES = 40 };
static const char *const columns[COLUMNS] = {"web.cpu", "web.received", "web.ready", "web.queue"};
static const char *const units[COLUMNS] = {"mcpu", "1/s", "pods", "requests"};
static const char *const services[] = {"web"};

static double normal(uint32_t i, uint32_t k)
{
    const struct rng_block b = rng_philox(rng_key(7, RNG_TEST, RNG_DEV), i, k, 0, 0);
    return rng_normal(b.v[0], b.v[1]);
}

/* cpu and received are correlated by 0.8, ready never changes, queue is independent. */
static void state_of(float *out, uint32_t i)
{
    const double x = normal(i, 0), y = normal(i, 1);
    out[0] = (float)(500.0 + 100.0 * x);
    out[1] = (float)(50.0 + 10.0 * (0.8 * x + 0.6 * y));
    out[2] = 3.0F;
    out[3] = (float)(20.0 + 5.0 * normal(i, 2));
}

struct fixture {
    struct arena arena, scratch;
    struct heard log;
    char path[64];
    struct store store;
    struct drift drift;
};

static enum err write_store(const char *path, int episodes)
{
    struct store_header h = store_fixture_header(services, 1, columns, units, COLUMNS, NULL, 0);
    struct store_writer w;
    h.split_seed = 3;
    h.validation = 0.2;
    h.held_out = 0.3;
    TRY(store_create(&w, path, &h));
    for (int e = 0; e < episodes; e++) {
        static float state[(STEPS + 1) * COLUMNS], load[STEPS];
        static int32_t delta[STEPS];
        for (int t = 0; t <= STEPS; t++) {
            state_of(state + (ptrdiff_t)t * COLUMNS, (uint32_t)(e * (STEPS + 1) + t));
        }
        const struct store_episode episode = {.controller = "c",
                                              .scenario = "s",
                                              .episode = (uint32_t)e,
                                              .n_steps = STEPS,
                                              .state = state,
                                              .delta = delta,
                                              .load = load};
        TRY(store_fixture_put(&w, &h, &episode));
    }
    return store_finish(&w);
}

static enum err fit(struct fixture *f, int episodes)
{
    static const uint8_t wanted[COLUMNS] = {1, 1, 1, 1};
    memset(f, 0, sizeof *f);
    arena_init(&f->arena);
    arena_init(&f->scratch);
    heard_begin(&f->log);
    (void)snprintf(f->path, sizeof f->path, "/tmp/karma-drift-%ld", (long)getpid());
    (void)unlink(f->path);
    TRY(write_store(f->path, episodes));
    TRY(store_open(&f->store, &f->arena, f->path));
    const enum err e = drift_fit(&f->drift, &f->arena, &f->store, wanted, 0.99, &f->scratch);
    store_close(&f->store);
    return e;
}

static void end(struct fixture *f)
{
    (void)unlink(f->path);
    heard_end();
    arena_release(&f->arena);
    arena_release(&f->scratch);
}

/* With the true moments and C = 0.95 R + 0.05 I: r = 0.76 between the first two columns, so for
 * z = (a, b) the square is (a^2 - 2 r a b + b^2) / (1 - r^2). */
static void distance(void **state)
{
    struct fixture f;
    int worst = 0;
    (void)state;
    assert_int_equal(fit(&f, EPISODES), ERR_OK);
    assert_int_equal(f.drift.n, 3);
    assert_true(f.drift.n_train > 500 && f.drift.n_held_out > 200);
    const float mean[COLUMNS] = {500.0F, 50.0F, 3.0F, 20.0F};
    assert_true(drift_distance(&f.drift, NULL, mean) < 0.2);
    const float along[COLUMNS] = {700.0F, 70.0F, 3.0F, 20.0F};
    const float across[COLUMNS] = {700.0F, 30.0F, 3.0F, 20.0F};
    const double r = 0.76;
    assert_true(fabs(drift_distance(&f.drift, NULL, along) - sqrt(8.0 / (1.0 + r))) < 0.25);
    assert_true(fabs(drift_distance(&f.drift, NULL, across) - sqrt(8.0 / (1.0 - r))) < 0.5);
    const float queue[COLUMNS] = {520.0F, 52.0F, 3.0F, 95.0F};
    assert_true(drift_distance(&f.drift, &worst, queue) > f.drift.threshold);
    assert_int_equal(worst, 3);
    const float not_a_number[COLUMNS] = {500.0F, NAN, 3.0F, 20.0F};
    assert_true(isinf(drift_distance(&f.drift, &worst, not_a_number)));
    end(&f);
}

/* Of states that nobody has seen, about 1 % are beyond the threshold; the square of the distance of
 * three columns is chi-square, whose 99th percentile is 11.3 (C is a little more than R, so less).
 * */
static void threshold(void **state)
{
    struct fixture f;
    int beyond = 0;
    enum { N = 20000 };
    (void)state;
    assert_int_equal(fit(&f, EPISODES), ERR_OK);
    for (uint32_t i = 0; i < N; i++) {
        float x[COLUMNS];
        state_of(x, 1000000 + i);
        beyond += drift_distance(&f.drift, NULL, x) > f.drift.threshold ? 1 : 0;
    }
    assert_true(beyond > N / 400 && beyond < N / 25);
    assert_true(f.drift.threshold > 2.8 && f.drift.threshold < 3.7);
    end(&f);
}

static void too_few_states(void **state)
{
    struct fixture f;
    (void)state;
    assert_int_equal(fit(&f, 2), ERR_MISMATCH);
    assert_non_null(strstr(f.log.text, "too few"));
    end(&f);
}

/* ---- who decides ---- */

static void hysteresis(void **state)
{
    static const struct fallback_cfg cfg = {.spread = 0.99, .leave = 0.9, .calm = 2};
    struct fallback f = {.cfg = &cfg};
    struct fallback_signals s = {.distance = 1.0, .threshold = 2.0, .spread = (double)NAN};
    (void)state;
    assert_false(fallback_step(&f, &s));
    s.distance = 1.95; /* beyond 0.9 of the threshold: no reason to begin */
    assert_false(fallback_step(&f, &s));
    s.distance = 2.1;
    assert_true(fallback_step(&f, &s));
    assert_int_equal(f.reasons, FALLBACK_DRIFT);
    s.distance = 1.95; /* but one to stay */
    for (int i = 0; i < 10; i++) {
        assert_true(fallback_step(&f, &s));
    }
    s.distance = 1.0;
    assert_true(fallback_step(&f, &s));
    assert_true(fallback_step(&f, &s));
    assert_false(fallback_step(&f, &s));
    s.unknown = true;
    s.distance = (double)NAN;
    assert_true(fallback_step(&f, &s));
    assert_string_equal(fallback_words(f.reasons), "unknown inputs");
    s = (struct fallback_signals){.distance = INFINITY, .threshold = 2.0, .spread = 1.0};
    assert_true(fallback_step(&f, &s));
    assert_string_equal(fallback_words(f.reasons), "drift, disagreement");
    assert_int_equal(f.n_entered, 2);
    assert_int_equal(f.n_decisions, 18);
    assert_int_equal(f.n_active, 15);
}

/* ---- the endpoint ---- */

static int get(struct http *h, struct http_answer *a, const char *path)
{
    const struct http_request r = {.method = "GET", .path = path, .accept = "text/plain"};
    assert_int_equal(http_send(h, a, &r), ERR_OK);
    return a->status;
}

static void endpoint(void **state)
{
    struct health *health;
    struct http *h;
    struct http_answer a;
    struct buf page;
    char url[64];
    (void)state;
    assert_int_equal(health_start(&health, "127.0.0.1:0"), ERR_OK);
    (void)snprintf(url, sizeof url, "http://127.0.0.1:%d", health_port(health));
    assert_int_equal(http_new(&h, &(struct http_cfg){.name = "test", .url = url}), ERR_OK);
    http_answer_init(&a);
    buf_init(&page);
    assert_int_equal(get(h, &a, "/readyz"), 503);
    assert_int_equal(buf_printf(&page, "karma_x 1\n"), ERR_OK);
    assert_int_equal(health_set(health, &page, true, "", 60.0), ERR_OK);
    assert_int_equal(get(h, &a, "/readyz"), 200);
    assert_int_equal(get(h, &a, "/healthz"), 200);
    assert_int_equal(get(h, &a, "/metrics"), 200);
    assert_string_equal((const char *)a.body.data, "karma_x 1\n");
    assert_int_equal(get(h, &a, "/other"), 404);
    assert_int_equal(health_set(health, &page, false, "Prometheus is away", -1.0), ERR_OK);
    assert_int_equal(get(h, &a, "/readyz"), 503);
    assert_string_equal((const char *)a.body.data, "Prometheus is away\n");
    assert_int_equal(get(h, &a, "/healthz"), 503);
    struct heard log;
    struct health *other;
    char address[64];
    (void)snprintf(address, sizeof address, "127.0.0.1:%d", health_port(health));
    heard_begin(&log);
    assert_int_equal(health_start(&other, address), ERR_IO);
    assert_int_equal(health_start(&other, "localhost:80"), ERR_CONFIG);
    assert_int_equal(health_start(&other, "127.0.0.1:99999"), ERR_CONFIG);
    assert_int_equal(log.n, 3);
    heard_end();
    http_answer_release(&a);
    buf_release(&page);
    http_free(h);
    health_stop(health);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(distance),   cmocka_unit_test(threshold), cmocka_unit_test(too_few_states),
        cmocka_unit_test(hysteresis), cmocka_unit_test(endpoint),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
