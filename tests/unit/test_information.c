/* Mutual information and transfer entropy: closed forms of small chains, exact counts, and how
 * often a test that should find nothing finds something. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/analysis/information.h"
#include "core/base/fmath.h"
#include "core/base/rng.h"

#include <math.h>

#define OK(call) assert_int_equal((call), ERR_OK)

static int start(void **state)
{
    static struct arena arena;
    arena_init(&arena);
    *state = &arena;
    return 0;
}

static int stop(void **state)
{
    arena_release(*state);
    return 0;
}

static void assert_near(double got, double want, double tolerance)
{
    if (!(fabs(got - want) <= tolerance)) {
        fail_msg("%.17g is not %.17g", got, want);
    }
}

static double uniform(uint32_t i, uint32_t stream, uint32_t seed)
{
    const struct rng_block b = rng_philox(rng_key(5, RNG_TEST, RNG_DEV), i, stream, seed, 0);
    return (double)rng_f32(b.v[0]);
}

/* H(e) = -e log2 e - (1 - e) log2(1 - e). */
static double entropy(double e)
{
    return -(e * fm_log(e) + (1.0 - e) * fm_log(1.0 - e)) / fm_log(2.0);
}

static double bits_of(const struct info_rows *r, struct arena *scratch)
{
    struct info_value v;
    OK(info_conditional(&v, r, scratch));
    return v.bits;
}

/* ---- exact counts ---- */

/* A binary symmetric channel with error 1/4 and even inputs, as counts 3 1 1 3: 1 - H(1/4) =
 * 0.188721875540867 bits. All four pairs occur: bias (4 - 2 - 2 + 1) / (2 x 8 ln 2). */
static void counts_of_a_channel(void **state)
{
    int x[8] = {0, 0, 0, 0, 1, 1, 1, 1}, y[8] = {0, 0, 0, 1, 0, 1, 1, 1}, z[8] = {0};
    const struct info_rows r = {.n = 8, .kx = 2, .ky = 2, .kz = 1, .x = x, .y = y, .z = z};
    struct info_value v;
    OK(info_conditional(&v, &r, *state));
    assert_near(v.bits, 1.0 - entropy(0.25), 1e-14);
    assert_near(v.bits, 0.188721875540867, 1e-14);
    assert_near(v.bias, 1.0 / (16.0 * fm_log(2.0)), 1e-14);
}

/* x = y xor z: nothing is told without z, one bit with it. And two copies of z tell one bit of each
 * other, and nothing inside z. */
static void strata_open_and_close_a_dependence(void **state)
{
    int x[4] = {0, 1, 1, 0}, y[4] = {0, 1, 0, 1}, z[4] = {0, 0, 1, 1}, none[4] = {0};
    const struct info_rows open = {.n = 4, .kx = 2, .ky = 2, .kz = 2, .x = x, .y = y, .z = z};
    const struct info_rows shut = {.n = 4, .kx = 2, .ky = 2, .kz = 1, .x = x, .y = y, .z = none};
    const struct info_rows copies = {.n = 4, .kx = 2, .ky = 2, .kz = 1, .x = z, .y = z, .z = none};
    const struct info_rows explained = {.n = 4, .kx = 2, .ky = 2, .kz = 2, .x = z, .y = z, .z = z};
    assert_near(bits_of(&open, *state), 1.0, 1e-15);
    assert_near(bits_of(&shut, *state), 0.0, 1e-15);
    assert_near(bits_of(&copies, *state), 1.0, 1e-15);
    assert_near(bits_of(&explained, *state), 0.0, 1e-15);
}

static void no_rows_tell_nothing(void **state)
{
    const struct info_rows r = {.kx = 2, .ky = 2, .kz = 1};
    const struct info_test_cfg cfg = {.seed = 1, .permutations = 9};
    struct info_test t;
    OK(info_test(&t, &r, &cfg, *state));
    assert_true(isnan(t.value.bits) && t.p == 1.0);
}

/* ---- Markov chains ---- */

enum { LONG = 200000 };

struct chain {
    int x[LONG], y[LONG], stratum[LONG];
};
static struct chain chain;

/* Sequence 0 is the first half. */
static const int half_begins[2] = {0, LONG / 2}, half_ends[2] = {LONG / 2, LONG};
static const struct info_sequences two = {.n_sequences = 2,
                                          .begin = half_begins,
                                          .end = half_ends,
                                          .stratum = chain.stratum,
                                          .n_strata = 1};

static double transfer(const int *x, const int *y, int lag, const struct info_sequences *s,
                       struct arena *arena)
{
    struct info_rows r;
    OK(info_rows_transfer(&r, arena, x, y, 2, lag, s));
    return bits_of(&r, arena);
}

/* x is a fair coin, y_t = x_t-1, flipped with probability e: TE(x -> y) = 1 - H(e) at lag 1, since
 * y's past says nothing; 0 at lag 2, 0 back, and no synchrony. The estimate of N rows has a
 * standard deviation of about 1 / sqrt(N) = 0.002. */
static void transfer_of_a_noisy_copy(void **state)
{
    const double e = 0.1;
    struct info_rows r;
    for (int t = 0; t < LONG; t++) {
        chain.x[t] = uniform((uint32_t)t, 0, 0) < 0.5;
        chain.y[t] = t > 0 ? chain.x[t - 1] ^ (uniform((uint32_t)t, 1, 0) < e) : 0;
        chain.stratum[t] = 0;
    }
    assert_near(transfer(chain.x, chain.y, 1, &two, *state), 1.0 - entropy(e), 0.005);
    assert_near(transfer(chain.x, chain.y, 2, &two, *state), 0.0, 1e-4);
    assert_near(transfer(chain.y, chain.x, 1, &two, *state), 0.0, 1e-4);
    OK(info_rows_synchrony(&r, *state, chain.x, chain.y, 2, &two));
    assert_int_equal(r.n, LONG - 2);
    assert_near(bits_of(&r, *state), 0.0, 1e-4);
}

/* Two chains that drive each other: p(x' = 1 | x, y) and p(y' = 1 | x, y) below. The transfer
 * entropy follows from the stationary distribution of the four joint states, by power iteration. */
static const double to_x[4] = {0.2, 0.5, 0.6, 0.9}, to_y[4] = {0.3, 0.4, 0.8, 0.7}; /* 2 x + y */

static void stationary(double p[4])
{
    for (int i = 0; i < 4; i++) {
        p[i] = 0.25;
    }
    for (int k = 0; k < 200; k++) {
        double next[4] = {0};
        for (int i = 0; i < 4; i++) {
            for (int j = 0; j < 4; j++) {
                const double px = j / 2 ? to_x[i] : 1.0 - to_x[i];
                const double py = j % 2 ? to_y[i] : 1.0 - to_y[i];
                next[j] += p[i] * px * py;
            }
        }
        for (int i = 0; i < 4; i++) {
            p[i] = next[i];
        }
    }
}

/* H(Y' | Y) - H(Y' | Y, X); `driven`: 1 for X -> Y, 0 for Y -> X. */
static double closed_form(int driven)
{
    const double *to = driven ? to_y : to_x;
    double p[4], h = 0.0, own[2] = {0}, one[2] = {0};
    stationary(p);
    for (int i = 0; i < 4; i++) {
        const int past = driven ? i % 2 : i / 2;
        own[past] += p[i];
        one[past] += p[i] * to[i];
        h -= p[i] * entropy(to[i]);
    }
    for (int k = 0; k < 2; k++) {
        h += own[k] * entropy(one[k] / own[k]);
    }
    return h;
}

static void transfer_of_coupled_chains(void **state)
{
    int i = 0;
    for (int t = 0; t < LONG; t++) {
        chain.x[t] = i / 2;
        chain.y[t] = i % 2;
        chain.stratum[t] = 0;
        const int x = uniform((uint32_t)t, 2, 0) < to_x[i];
        i = 2 * x + (uniform((uint32_t)t, 3, 0) < to_y[i]);
    }
    const double forth = closed_form(1), back = closed_form(0);
    assert_true(forth > 0.05 && back > 0.05 && fabs(forth - back) > 0.02);
    assert_near(transfer(chain.x, chain.y, 1, &two, *state), forth, 0.003);
    assert_near(transfer(chain.y, chain.x, 1, &two, *state), back, 0.003);
}

/* ---- the test ---- */

enum { SHORT = 400, TRIALS = 200 };

static double p_of(const struct info_rows *r, uint32_t trial, struct arena *arena)
{
    const struct info_test_cfg cfg = {.seed = 9, .stream = trial, .permutations = 99};
    struct info_test t;
    OK(info_test(&t, r, &cfg, arena));
    assert_true(t.value.bits >= 0.0 && t.null_mean >= 0.0 && t.p > 0.0 && t.p <= 1.0);
    return t.p;
}

static int stays(int before, double stay, uint32_t t, uint32_t stream, uint32_t trial)
{
    return uniform(t, stream, trial) < stay ? before : 1 - before;
}

/* Two processes that stay where they are with probability 0.9 and know nothing of each other. Both
 * tests hold their level: of 200 at 0.05, 10 are expected, and more than 20 have a probability of
 * 0.001. Without the pasts the same data are found dependent far too often, which is why the pasts
 * stand in the definition. */
static void independent_processes_are_found_so(void **state)
{
    static int x[SHORT], y[SHORT], stratum[SHORT];
    static const int begin[1] = {0}, end[1] = {SHORT};
    const struct info_sequences s = {
        .n_sequences = 1, .begin = begin, .end = end, .stratum = stratum, .n_strata = 1};
    int transfers = 0, synchronies = 0, naive = 0;
    for (uint32_t trial = 0; trial < TRIALS; trial++) {
        const struct arena_mark mark = arena_mark(*state);
        struct info_rows r;
        for (int t = 0; t < SHORT; t++) {
            x[t] = stays(t > 0 ? x[t - 1] : 0, 0.9, (uint32_t)t, 4, trial);
            y[t] = stays(t > 0 ? y[t - 1] : 0, 0.9, (uint32_t)t, 5, trial);
        }
        OK(info_rows_transfer(&r, *state, x, y, 2, 1, &s));
        transfers += p_of(&r, trial, *state) <= 0.05;
        OK(info_rows_synchrony(&r, *state, x, y, 2, &s));
        synchronies += p_of(&r, trial, *state) <= 0.05;
        const struct info_rows plain = {
            .n = SHORT, .kx = 2, .ky = 2, .kz = 1, .x = x, .y = y, .z = stratum};
        naive += p_of(&plain, trial, *state) <= 0.05;
        arena_rewind(*state, mark);
    }
    print_message("# of %d at 0.05: transfer %d, synchrony %d, without the pasts %d\n", TRIALS,
                  transfers, synchronies, naive);
    assert_true(transfers <= 20 && synchronies <= 20);
    assert_true(naive > 50);
}

/* Both follow a driver that the stratum names: dependent without it, independent inside it. */
static void a_common_driver_is_explained_by_its_stratum(void **state)
{
    static int x[SHORT], y[SHORT], driver[SHORT], none[SHORT];
    static const int begin[1] = {0}, end[1] = {SHORT};
    const struct info_sequences inside = {
        .n_sequences = 1, .begin = begin, .end = end, .stratum = driver, .n_strata = 2};
    const struct info_sequences outside = {
        .n_sequences = 1, .begin = begin, .end = end, .stratum = none, .n_strata = 1};
    int found_inside = 0, found_outside = 0;
    for (uint32_t trial = 0; trial < TRIALS; trial++) {
        const struct arena_mark mark = arena_mark(*state);
        struct info_rows r;
        for (int t = 0; t < SHORT; t++) {
            driver[t] = stays(t > 0 ? driver[t - 1] : 0, 0.9, (uint32_t)t, 6, trial);
            x[t] = driver[t] ^ (uniform((uint32_t)t, 7, trial) < 0.2);
            y[t] = driver[t] ^ (uniform((uint32_t)t, 8, trial) < 0.2);
        }
        OK(info_rows_synchrony(&r, *state, x, y, 2, &inside));
        found_inside += p_of(&r, trial, *state) <= 0.05;
        OK(info_rows_synchrony(&r, *state, x, y, 2, &outside));
        found_outside += p_of(&r, trial, *state) <= 0.05;
        arena_rewind(*state, mark);
    }
    print_message("# of %d: inside the stratum %d, outside %d\n", TRIALS, found_inside,
                  found_outside);
    assert_true(found_inside <= 20 && found_outside > 150);
}

/* The order of calls does not matter, the stream does. */
static void a_test_is_a_function_of_its_stream(void **state)
{
    int x[40], y[40], z[40] = {0};
    for (uint32_t i = 0; i < 40; i++) {
        x[i] = uniform(i, 9, 0) < 0.5;
        y[i] = x[i] ^ (uniform(i, 10, 0) < 0.35);
    }
    const struct info_rows r = {.n = 40, .kx = 2, .ky = 2, .kz = 1, .x = x, .y = y, .z = z};
    struct info_test t[3];
    for (uint32_t i = 0; i < 3; i++) {
        const struct info_test_cfg cfg = {.seed = 9, .stream = i % 2, .permutations = 99};
        OK(info_test(&t[i], &r, &cfg, *state));
    }
    assert_true(t[2].null_mean == t[0].null_mean && t[2].p == t[0].p);
    assert_true(t[1].null_mean != t[0].null_mean);
    assert_true(t[1].value.bits == t[0].value.bits);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(counts_of_a_channel),
        TEST(strata_open_and_close_a_dependence),
        TEST(no_rows_tell_nothing),
        TEST(transfer_of_a_noisy_copy),
        TEST(transfer_of_coupled_chains),
        TEST(independent_processes_are_found_so),
        TEST(a_common_driver_is_explained_by_its_stratum),
        TEST(a_test_is_a_function_of_its_stream),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
