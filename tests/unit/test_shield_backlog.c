/* The bounds of core/shield/bounds.h in simulation: how often they hold, and how tight they are.
 *
 * A queue of c servers is simulated here, call by call, from arrivals and service times of a given
 * variability (gamma distributed: squared coefficient of variation 1 is M/M/c). The rate is
 * measured over T seconds, the capacity is known; L seconds later the calls that wait are compared
 * with the bound. Every case is drawn many times with draws of its own. The confidence is required
 * of each case within three standard errors of its count.
 *
 * The formula without the burst, Q + L (lambda+ - r mu-)+, is judged beside it: it fails wherever
 * the load is below capacity, which is why the bound has the burst. */
#include "core/base/rng.h"
#include "core/shield/bounds.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { USUAL = 300, SERVERS_MAX = 16 };
static const double SEEN_S = 10.0, LAG_S = 45.0, WARM_S = 60.0, MU = 10.0, CONFIDENCE = 0.99;

struct dice {
    uint32_t trial, which, n;
};

static double uniform(struct dice *d)
{
    const struct rng_key key = rng_key(17, RNG_TEST, RNG_DEV);
    const struct rng_block b = rng_philox(key, d->n++, d->trial, d->which, 0);
    return (b.v[0] + 0.5) / 4294967296.0;
}

/* Gamma of mean 1 and the given squared coefficient of variation. A whole number k of phases gives
 * 1 / k (Erlang); a mixture of two exponentials of balanced means gives more than 1. */
static double positive(struct dice *d, double scv)
{
    if (scv <= 1.0) {
        const int k = (int)lround(1.0 / scv);
        double sum = 0.0;
        for (int i = 0; i < k; i++) {
            sum -= log(uniform(d));
        }
        return sum / k;
    }
    const double p = 0.5 * (1.0 + sqrt((scv - 1.0) / (scv + 1.0)));
    const double rate = uniform(d) < p ? 2.0 * p : 2.0 * (1.0 - p);
    return -log(uniform(d)) / rate;
}

struct queue {
    double free_at[SERVERS_MAX]; /* when each server ends what it has been given */
    int servers;
};

static int soonest(const struct queue *q)
{
    int best = 0;
    for (int i = 1; i < q->servers; i++) {
        best = q->free_at[i] < q->free_at[best] ? i : best;
    }
    return best;
}

struct law {
    const char *name;
    int servers;
    double load, arrival_scv, service_scv,
        backlog; /* calls that wait at the measurement: a batch */
};

struct outcome {
    double waiting, bound, plain; /* after the lag; the bound; the formula without the burst */
};

/* Calls whose service begins after `at_s` and that have arrived wait at at_s. begin[] is a ring of
 * the latest calls; older ones have begun. */
static struct outcome trial(const struct law *law, struct dice *d, const struct bound_level *level)
{
    enum { RING = 16384 };
    static double begin[RING];
    struct queue q = {.servers = law->servers};
    const double rate = law->load * law->servers * MU, measure_s = WARM_S + SEEN_S;
    const double end_s = measure_s + LAG_S;
    int n = 0, seen = 0;
    double waits = -1.0, t = 0.0;
    while (t < end_s) {
        t += positive(d, law->arrival_scv) / rate;
        int batch = 1;
        if (t >= measure_s && waits < 0.0) {
            batch += (int)law->backlog;
            waits = law->backlog;
            for (int i = n > RING ? n - RING : 0; i < n; i++) {
                waits += begin[i % RING] > measure_s ? 1.0 : 0.0;
            }
        }
        seen += t >= WARM_S && t < measure_s ? 1 : 0;
        for (; t < end_s && batch > 0; batch--) {
            const int s = soonest(&q);
            const double start = q.free_at[s] > t ? q.free_at[s] : t;
            q.free_at[s] = start + positive(d, law->service_scv) / MU;
            begin[n++ % RING] = start;
        }
    }
    struct outcome o = {0};
    for (int i = n > RING ? n - RING : 0; i < n; i++) {
        o.waiting += begin[i % RING] > end_s ? 1.0 : 0.0;
    }
    const struct bound_queue b = {.waiting = waits,
                                  .lag_s = LAG_S,
                                  .arrivals =
                                      bound_rate(seen / SEEN_S, SEEN_S, law->arrival_scv, level),
                                  .capacity = law->servers * MU,
                                  .arrival_scv = law->arrival_scv,
                                  .service_scv = law->service_scv};
    o.bound = bound_backlog(&b, level);
    o.plain = o.bound - bound_burst(&b, level);
    return o;
}

static const struct law laws[] = {
    {"M/M/1", 1, 0.5, 1.0, 1.0, 0},         {"M/M/4", 4, 0.7, 1.0, 1.0, 0},
    {"M/M/4", 4, 0.9, 1.0, 1.0, 0},         {"M/M/4", 4, 1.2, 1.0, 1.0, 0},
    {"M/M/8", 8, 0.8, 1.0, 1.0, 200},       {"M/M/8", 8, 1.5, 1.0, 1.0, 0},
    {"E2/E4/4", 4, 0.9, 0.5, 0.25, 0},      {"G/G/4, H2/H2", 4, 0.7, 4.0, 4.0, 0},
    {"G/G/4, H2/E4", 4, 0.9, 4.0, 0.25, 0}, {"G/G/8, E4/H2", 8, 0.9, 0.25, 4.0, 100},
    {"G/G/8, H2/H2", 8, 1.2, 4.0, 4.0, 0},
};

static int count_trials(void)
{
    const char *text = getenv("TRIALS");
    return text != NULL ? (int)strtol(text, NULL, 10) : USUAL;
}

static void backlog_stays_below_its_bound(void **state)
{
    (void)state;
    const int trials = count_trials();
    struct bound_level level;
    bound_level_init(&level, CONFIDENCE);
    const double allowed = (1.0 - CONFIDENCE) * trials;
    print_message("%-14s %5s %5s %9s %9s %9s %11s\n", "system", "load", "Q", "waiting", "bound",
                  "holds", "no burst");
    for (size_t k = 0; k < sizeof laws / sizeof *laws; k++) {
        double waiting = 0.0, bound = 0.0;
        int held = 0, plain = 0;
        for (uint32_t i = 0; i < (uint32_t)trials; i++) {
            struct dice d = {.trial = i, .which = (uint32_t)k};
            const struct outcome o = trial(&laws[k], &d, &level);
            waiting += o.waiting / trials;
            bound += o.bound / trials;
            held += o.waiting <= o.bound;
            plain += o.waiting <= o.plain;
        }
        print_message("%-14s %5.2f %5.0f %9.1f %9.1f %8.2f%% %10.2f%%\n", laws[k].name,
                      laws[k].load, laws[k].backlog, waiting, bound, 100.0 * held / trials,
                      100.0 * plain / trials);
        assert_true(trials - held <= allowed + 3.0 * sqrt(allowed));
    }
}

/* Coverage of the rate bound is at least 1 - e/3, for few and many arrivals. */
static void rate_stays_below_its_bound(void **state)
{
    (void)state;
    const int trials = 10 * count_trials();
    static const double rates[] = {0.2, 2.0, 20.0, 200.0};
    struct bound_level level;
    bound_level_init(&level, CONFIDENCE);
    const double allowed = (1.0 - CONFIDENCE) / 3.0 * trials;
    for (uint32_t k = 0; k < 4; k++) {
        int missed = 0;
        for (uint32_t i = 0; i < (uint32_t)trials; i++) {
            struct dice d = {.trial = i, .which = 100 + k};
            int n = -1;
            for (double t = 0.0; t < SEEN_S; n++) {
                t += positive(&d, 1.0) / rates[k];
            }
            missed += bound_rate(n / SEEN_S, SEEN_S, 1.0, &level) < rates[k];
        }
        print_message("rate %6.1f/s over %g s: above its bound in %d of %d\n", rates[k], SEEN_S,
                      missed, trials);
        assert_true(missed <= allowed + 3.0 * sqrt(allowed) + 1.0);
    }
}

/* Against tables of the normal distribution, and what each bound must do at its limits. */
static void bounds_at_their_limits(void **state)
{
    (void)state;
    struct bound_level l;
    bound_level_init(&l, 0.97); /* thirds of 1 % */
    assert_true(fabs(l.z - 2.3263478740) < 1e-7);
    assert_true(fabs(l.z_path - 2.5758293035) < 1e-7);
    assert_true(fabs(l.log_path - 4.6051701860) < 1e-9);
    assert_true(bound_rate(5.0, 10.0, 0.0, &l) == 5.0);
    assert_true(fabs(bound_rate(0.0, 10.0, 1.0, &l) - l.z * l.z / 10.0) < 1e-12);
    const struct bound_queue still = {
        .waiting = 7.0, .lag_s = 10.0, .arrivals = 3.0, .capacity = 2.0};
    assert_true(fabs(bound_backlog(&still, &l) - 17.0) < 1e-12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(bounds_at_their_limits),
                                       cmocka_unit_test(rate_stays_below_its_bound),
                                       cmocka_unit_test(backlog_stays_below_its_bound)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
