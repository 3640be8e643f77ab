/* The language of conditions: every operator, relation and function against values worked out by
 * hand, temporal ones over series, and every sentence about a text that is wrong. */
#include "tests/unit/org_fixture.h"

#include "core/base/rng.h"

#include <math.h>
#include <stdio.h>

struct fixture {
    struct org_fixture *w;
    struct expr_program p;
    double *values, *memory;
};

/* A program on the diamond; expressions are added to it. */
static void begin(struct fixture *f, void **state)
{
    f->w = *state;
    OK(org_fixture_text(f->w, ""));
    OK(expr_init(&f->p, &f->w->arena, &f->w->topology, &f->w->root.plant));
}

static int added(struct fixture *f, const char *text)
{
    int step = -1;
    if (expr_add(&step, &f->p, text, EXPR_ANYTHING, NULL, "x") != ERR_OK) {
        fail_msg("refused: %s", f->w->log.last);
    }
    return step;
}

static void start(struct fixture *f)
{
    f->values = ARENA_NEW(&f->w->arena, f->p.n_values, double);
    f->memory = ARENA_NEW(&f->w->arena, f->p.n_memory, double);
    assert_non_null(f->values);
    assert_non_null(f->memory);
}

static double value(const struct fixture *f, int step, int service)
{
    return expr_value(&f->p, f->values, step, service);
}

static void run(struct fixture *f, int t)
{
    expr_run(f->values, f->memory, &f->p, f->w->state, t);
}

/* ---- one moment ---- */

struct single {
    const char *text;
    double want;
};

static const struct single SINGLES[] = {
    {"1 + 2 * 3", 7},
    {"(1 + 2) * 3", 9},
    {"7 - 2 - 1", 4},
    {"8 / 4 / 2", 1},
    {"-2 * -3", 6},
    {"- - 2", 2},
    {"5 / 0", 0},
    {"1.5e1", 15},
    {"1 < 2", 1},
    {"2 <= 2", 1},
    {"1 > 2", 0},
    {"2 >= 3", 0},
    {"2 == 2", 1},
    {"2 != 2", 0},
    {"true or false and false", 1},
    {"(true or false) and false", 0},
    {"not 1 > 2", 1},
    {"not not false", 0},
    {"not true or true", 1},
    {"min(3, 2) + max(3, 2)", 5},
    {"abs(2 - 5)", 3},
    {"number(1 < 2) + number(2 < 1)", 1},
    {"entry_10s", 210},
    {"a.queue", 10},
    {"'d'.queue", 40},
    {"b.max_replicas", 10},
    {"d.visits", 2},
    {"b.pod_rps", 80},
    {"period_s + latency_max_ms + timeout_s + alpha", 15 + 200 + 2 + 3},
    {"n_services * queue_per_pod", 400},
    {"node_cpu_m - node_ram_mib", 16000.0 - 32768.0},
    {"sum(services, service.queue)", 100},
    {"mean(services, service.queue)", 25},
    {"min(services, service.queue)", 10},
    {"max(services, service.queue)", 40},
    {"max(entries, service.queue)", 10},
    {"count(services, service.queue > 15)", 3},
    {"any(services, service.queue > 39)", 1},
    {"all(services, service.queue > 10)", 0},
    {"all(entries, service.entry)", 1},
    {"sum(services, 1)", 4},
};

/* Queues 10, 20, 30, 40. */
static void fill(struct org_fixture *w)
{
    for (int s = 0; s < N_SERVICES; s++) {
        set_service(w, s, SF_QUEUE, 10.0 * (s + 1));
    }
    set_global(w, GF_ENTRY_10S, 210);
}

static void test_values(void **state)
{
    struct fixture f;
    begin(&f, state);
    enum { N = sizeof SINGLES / sizeof *SINGLES };
    int step[N];
    for (int i = 0; i < N; i++) {
        step[i] = added(&f, SINGLES[i].text);
        assert_false(f.p.code[step[i]].wide);
    }
    fill(f.w);
    start(&f);
    run(&f, 0);
    for (int i = 0; i < N; i++) {
        if (value(&f, step[i], 0) != SINGLES[i].want) {
            fail_msg("%s = %g, not %g", SINGLES[i].text, value(&f, step[i], 0), SINGLES[i].want);
        }
    }
}

struct wide {
    const char *text;
    double want[N_SERVICES];
};

/* a calls b and c, both call d. */
static const struct wide WIDES[] = {
    {"service.queue", {10, 20, 30, 40}},
    {"service.queue - a.queue", {0, 10, 20, 30}},
    {"service.entry", {1, 0, 0, 0}},
    {"service.initial_replicas", {4, 5, 3, 3}},
    {"service.cpu_m", {500, 400, 600, 700}},
    {"sum(callers, service.queue)", {0, 10, 10, 50}},
    {"sum(callers+, service.queue)", {0, 10, 10, 60}},
    {"sum(callers*, service.queue)", {10, 30, 40, 100}},
    {"sum(callees, service.queue)", {50, 40, 40, 0}},
    {"sum(callees+, service.queue)", {90, 40, 40, 0}},
    {"sum(callees*, service.queue)", {100, 60, 70, 40}},
    {"sum(entries*, service.queue)", {10, 10, 10, 10}},
    {"count(callers, true)", {0, 1, 1, 2}},
    {"any(callers+, service.queue > 15)", {0, 0, 0, 1}},
    {"all(callees, service.queue > 25)", {0, 1, 1, 1}},
    {"mean(callees, service.queue)", {25, 40, 40, 0}},
    {"min(callers, service.queue)", {0, 10, 10, 20}},
    {"max(callers, service.queue)", {0, 10, 10, 30}},
};

static void test_values_of_each_service(void **state)
{
    struct fixture f;
    begin(&f, state);
    enum { N = sizeof WIDES / sizeof *WIDES };
    int step[N];
    for (int i = 0; i < N; i++) {
        step[i] = added(&f, WIDES[i].text);
        assert_true(f.p.code[step[i]].wide);
    }
    fill(f.w);
    start(&f);
    run(&f, 0);
    for (int i = 0; i < N; i++) {
        for (int s = 0; s < N_SERVICES; s++) {
            if (value(&f, step[i], s) != WIDES[i].want[s]) {
                fail_msg("%s of %d = %g, not %g", WIDES[i].text, s, value(&f, step[i], s),
                         WIDES[i].want[s]);
            }
        }
    }
}

/* ---- series ---- */

enum { STEPS = 10 };
static const double SERIES[STEPS] = {5, 1, 4, 4, 9, 2, 2, 2, 8, 3};

struct over_time {
    const char *text;
    double want[STEPS];
};

/* A decision takes 15 s: 45s are 3, 31s are rounded up to 3. */
static const struct over_time TIMES[] = {
    {"held(entry_10s <= 4, 3 steps)", {0, 0, 0, 1, 0, 0, 0, 1, 0, 0}},
    {"held(entry_10s <= 4, 31s)", {0, 0, 0, 1, 0, 0, 0, 1, 0, 0}},
    {"held(entry_10s <= 4, 1 step)", {0, 1, 1, 1, 0, 1, 1, 1, 0, 1}},
    {"latched(entry_10s > 7, 2 steps)", {0, 0, 0, 0, 1, 1, 1, 0, 1, 1}},
    {"latched(entry_10s > 7, 30s)", {0, 0, 0, 0, 1, 1, 1, 0, 1, 1}},
    {"rose(entry_10s, 3, 1 step)", {0, 0, 1, 0, 1, 0, 0, 0, 1, 0}},
    {"rose(entry_10s, 3, 2 steps)", {0, 0, 1, 1, 1, 0, 0, 0, 1, 0}},
    {"rose(entry_10s, 6, 45s)", {0, 0, 0, 0, 1, 0, 0, 0, 1, 0}},
    {"before(entry_10s, 1 step)", {5, 5, 1, 4, 4, 9, 2, 2, 2, 8}},
    {"before(entry_10s, 3 steps)", {5, 5, 5, 5, 1, 4, 4, 9, 2, 2}},
    {"past_min(entry_10s, 3 steps)", {5, 1, 1, 1, 4, 2, 2, 2, 2, 2}},
    {"past_max(entry_10s, 3 steps)", {5, 5, 5, 4, 9, 9, 9, 2, 8, 8}},
    {"past_mean(entry_10s, 2 steps)", {5, 3, 2.5, 4, 6.5, 5.5, 2, 2, 5, 5.5}},
    {"held(latched(entry_10s > 7, 2 steps), 3 steps)", {0, 0, 0, 0, 0, 0, 1, 0, 0, 0}},
};
enum { TIMED = sizeof TIMES / sizeof *TIMES };

static void play(struct fixture *f, const int *step)
{
    for (int t = 0; t < STEPS; t++) {
        set_global(f->w, GF_ENTRY_10S, SERIES[t]);
        run(f, t);
        for (int i = 0; i < TIMED; i++) {
            if (value(f, step[i], 0) != TIMES[i].want[t]) {
                fail_msg("%s at %d = %g, not %g", TIMES[i].text, t, value(f, step[i], 0),
                         TIMES[i].want[t]);
            }
        }
    }
}

/* Twice: a memory of zeros is a new episode. */
static void test_series(void **state)
{
    struct fixture f;
    begin(&f, state);
    int step[TIMED];
    for (int i = 0; i < TIMED; i++) {
        step[i] = added(&f, TIMES[i].text);
    }
    start(&f);
    play(&f, step);
    memset(f.memory, 0, (size_t)f.p.n_memory * sizeof *f.memory);
    play(&f, step);
}

/* The same series at every service, shifted by the service: memories do not mix. */
static void test_series_of_each_service(void **state)
{
    struct fixture f;
    begin(&f, state);
    int step[TIMED];
    for (int i = 0; i < TIMED; i++) {
        char text[120];
        const char *name = strstr(TIMES[i].text, "entry_10s");
        (void)snprintf(text, sizeof text, "%.*sservice.queue%s", (int)(name - TIMES[i].text),
                       TIMES[i].text, name + strlen("entry_10s"));
        step[i] = added(&f, text);
        assert_true(f.p.code[step[i]].wide);
    }
    start(&f);
    for (int t = 0; t < STEPS; t++) {
        /* service 0 has the series, the others a value that never changes */
        for (int s = 0; s < N_SERVICES; s++) {
            set_service(f.w, s, SF_QUEUE, s == A ? SERIES[t] : 4.0);
        }
        run(&f, t);
        for (int i = 0; i < TIMED; i++) {
            assert_true(value(&f, step[i], A) == TIMES[i].want[t]);
        }
        assert_true(value(&f, step[0], C) == (t >= 2));
        assert_true(value(&f, step[10], D) == 4.0);
    }
}

/* ---- sharing and definitions ---- */

static void test_equal_parts_are_computed_once(void **state)
{
    struct fixture f;
    begin(&f, state);
    const int a = added(&f, "held(service.queue > 30, 60s)");
    const int n = f.p.n_code, memory = f.p.n_memory;
    assert_int_equal(added(&f, "held((service.queue) > 30, 4 steps)"), a);
    assert_int_equal(f.p.n_code, n);
    assert_int_equal(f.p.n_memory, memory);
    assert_int_not_equal(added(&f, "held(service.queue > 30, 5 steps)"), a);
}

static void test_definitions(void **state)
{
    struct fixture f;
    begin(&f, state);
    OK(expr_define(&f.p, "busy", "service.queue > 15", NULL, "n", "x"));
    OK(expr_define(&f.p, "n_busy", "count(services, busy)", NULL, "n", "x"));
    const int both = added(&f, "n_busy - 1");
    assert_int_equal(expr_find(&f.p, "nobody"), -1);
    fill(f.w);
    start(&f);
    run(&f, 0);
    assert_true(value(&f, both, 0) == 2.0);
    assert_true(value(&f, expr_find(&f.p, "busy"), B) == 1.0);
    const char *const bad[] = {"busy",     "or",  "entry_10s", "held", "callers",
                               "period_s", "2nd", "",          "a-b",  "service"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(expr_define(&f.p, bad[i], "1", NULL, "n", "x"), ERR_CONFIG);
    }
}

/* ---- refusals ---- */

static const struct {
    const char *text;
    unsigned want;
    const char *says;
} REFUSALS[] = {
    {"", 0, "the text ends where a value should stand"},
    {"1 +", 0, "the text ends where a value should stand"},
    {"not not 5", 0, "a number stands where a condition, such as x > 1 is needed"},
    {"not not not not service.queue", 0, "a number stands where a condition"},
    {"--(service.queue > 1)", 0, "a condition stands where a number is needed"},
    {"1 2", 0, "at character 3: '2' where an operator or the end should stand"},
    {"(1", 0, "the text ends where ')' should stand"},
    {"1 < 2 < 3", 0, "at character 7: '<' where an operator"},
    {"service.queu > 1", 0, "a service has no feature 'queu'; did you mean 'queue'?"},
    {"service.", 0, "the text ends where the name of a feature should stand"},
    {"e.queue", 0, "'e' is no service"},
    {"servce.queue", 0, "'servce' is no service; did you mean 'service'?"},
    {"queue > 1", 0, "'queue' belongs to a service; write service.queue"},
    {"1 + entry_11s", 0, "at character 5: 'entry_11s' is neither a feature of the state nor"},
    {"entry_20s", 0, "did you mean 'entry_30s'?"},
    {"entry_10s and true", 0, "a number stands where a condition, such as x > 1 is needed"},
    {"true + 1", 0, "a condition stands where a number is needed"},
    {"not 1", 0, "a number stands where a condition"},
    {"-true", 0, "a condition stands where a number"},
    {"hold(true, 3 steps)", 0, "there is no function 'hold'; did you mean 'held'?"},
    {"held(true, 3)", 0, "where the unit of a window, s or steps, should stand"},
    {"held(true, x)", 0, "'x' where a window such as 60s or 4 steps should stand"},
    {"held(true, 0 steps)", 0, "a window of 0 decisions"},
    {"held(true, 1.5 steps)", 0, "a window of 1.5 decisions"},
    {"held(true, 1e9s)", 0, "a window of 6.66667e+07 decisions"},
    {"held(1, 3 steps)", 0, "a number stands where a condition"},
    {"rose(true, 1, 3 steps)", 0, "a condition stands where a number"},
    {"rose(1, 3 steps)", 0, "'steps' where ',' should stand"},
    {"any(friends, true)", 0, "'friends' where a relation (services, entries, callers, callees)"},
    {"any(services*, true)", 0, "there is no services*"},
    {"any(entries+, true)", 0, "there is no entries+"},
    {"any(callers, 1)", 0, "a number stands where a condition"},
    {"sum(callers, true)", 0, "a condition stands where a number"},
    {"min(1)", 0, "')' where ',' should stand"},
    {"1 # 2", 0, "at character 3: '#' has no meaning here"},
    {"'a.queue", 0, "the quotation never ends"},
    {"1e999", 0, "the number is too large"},
    {"1", EXPR_A_CONDITION, "this is a number; a condition is needed"},
    {"true", EXPR_A_NUMBER, "this is a condition; a number is needed"},
    {"service.queue", EXPR_ONE_VALUE, "this has a value for each service; one value is needed"},
};

static void test_refusals(void **state)
{
    struct fixture f;
    begin(&f, state);
    for (size_t i = 0; i < sizeof REFUSALS / sizeof *REFUSALS; i++) {
        int step = -7;
        heard_forget(&f.w->log);
        if (expr_add(&step, &f.p, REFUSALS[i].text, REFUSALS[i].want, NULL, "the.key") !=
            ERR_CONFIG) {
            fail_msg("accepted: %s", REFUSALS[i].text);
        }
        assert_int_equal(step, -7);
        assert_int_equal(f.w->log.n, 1); /* one sentence */
        if (strstr(f.w->log.text, REFUSALS[i].says) == NULL ||
            strstr(f.w->log.text, "the.key: ") == NULL) {
            fail_msg("'%s' is missing in: %s", REFUSALS[i].says, f.w->log.text);
        }
    }
}

static void test_limits(void **state)
{
    struct fixture f;
    begin(&f, state);
    char text[400] = "";
    int step = -7;
    memset(text, '(', 60);
    assert_int_equal(expr_add(&step, &f.p, text, 0, NULL, "x"), ERR_CONFIG);
    assert_non_null(strstr(f.w->log.last, "more than 48 levels"));
    enum err e = ERR_OK;
    for (int i = 0; i <= EXPR_CODE_MAX && e == ERR_OK; i++) {
        (void)snprintf(text, sizeof text, "%d", i);
        e = expr_add(&step, &f.p, text, 0, NULL, "x");
    }
    assert_int_equal(e, ERR_CONFIG);
    assert_non_null(strstr(f.w->log.last, "more than 1024 steps"));
}

/* ---- random texts ---- */

enum { TEXTS = 4000, WORDS_MAX = 7 };
static const char *const WORDS[] = {"1",
                                    "0",
                                    "60s",
                                    "3 steps",
                                    "true",
                                    "(",
                                    ")",
                                    ",",
                                    "+",
                                    "-",
                                    "*",
                                    "/",
                                    "<",
                                    ">=",
                                    "==",
                                    "and",
                                    "or",
                                    "not",
                                    "any(",
                                    "sum(",
                                    "min(",
                                    "held(",
                                    "rose(",
                                    "past_mean(",
                                    "latched(",
                                    "abs(",
                                    "number(",
                                    "services",
                                    "callers*",
                                    "callees+",
                                    "a.",
                                    "queue",
                                    "'d'.cpu",
                                    "entry",
                                    "entry_5s",
                                    "period_s",
                                    "service.queue",
                                    "service.",
                                    "before("};

/* Whatever is accepted has a value; whatever is refused has one sentence. Nothing else may happen,
 * which the sanitizers watch. */
static void test_random_texts(void **state)
{
    const struct rng_key key = rng_key(42, RNG_TEST, RNG_TRAIN);
    int n_right = 0;
    for (uint32_t i = 0; i < TEXTS; i++) {
        struct fixture f;
        char text[400] = "";
        if (i % 200 == 0) {
            org_fixture_teardown(state);
            org_fixture_setup(state);
        }
        begin(&f, state);
        heard_forget(&f.w->log);
        const uint32_t n = 1 + rng_below(rng_philox(key, i, 0, 1, 0).v[0], WORDS_MAX);
        for (uint32_t k = 0; k < n; k++) {
            const uint32_t v = rng_philox(key, i, k, 2, 0).v[0];
            const size_t used = strlen(text);
            (void)snprintf(text + used, sizeof text - used, "%s%s", k > 0 ? " " : "",
                           WORDS[rng_below(v, sizeof WORDS / sizeof *WORDS)]);
        }
        int step = -7;
        const enum err e = expr_add(&step, &f.p, text, EXPR_ANYTHING, NULL, "x");
        if (e != ERR_OK) {
            assert_int_equal(e, ERR_CONFIG);
            assert_int_equal(step, -7);
            assert_int_equal(f.w->log.n, 1);
            continue;
        }
        n_right++;
        fill(f.w);
        start(&f);
        for (int t = 0; t < 3; t++) {
            run(&f, t);
            assert_true(isfinite(value(&f, step, D)));
        }
    }
    assert_in_range(n_right, 100, TEXTS - 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_values),
        TEST(test_values_of_each_service),
        TEST(test_series),
        TEST(test_series_of_each_service),
        TEST(test_equal_parts_are_computed_once),
        TEST(test_definitions),
        TEST(test_refusals),
        TEST(test_limits),
        TEST(test_random_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
