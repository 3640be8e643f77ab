/* The simulator against a closed form: how a comparison is measured and when it is passed.
 *
 * Five clusters that differ in their seed only run side by side, period by period. A quantity is a
 * ratio of two sums over periods (milliseconds over answers, refusals over requests). Its error
 * comes from the means of batches: consecutive periods, merged in pairs whenever THEORY_BATCHES are
 * full, so that a seed has between 64 and 128 batches however long it runs. Requests that wait
 * behind each other are correlated; batches are not, as one is at least 15 s long and what is
 * simulated here forgets in a second (M/M/1 at 0.9 and 1 ms: 1 ms / (1 - sqrt 0.9)^2 = 0.4 s). A.
 * M. Law, Simulation Modeling and Analysis (2007), 9.5.3; tests/unit/test_theory_measuring.c holds
 * it to series whose error is known.
 *
 * The rule, for the simulator and for mutants alike, E being the closed form:
 *
 *   pilot       64 periods. If the mean is further from E than 1 % and four half-widths (of the
 *               95 % interval of the mean of seeds), it is hopeless, and that is all
 *   run         as many periods more as bring the half-width to 0.6 % of E, judged by these 64; at
 *               least 128. Only they are compared
 *   agrees if   the half-width is below 1 %, the mean within 1 % of E, each seed's own mean within
 *               3 of its standard errors, and the mean of seeds within 3 of its own
 *   again       if all of it holds but the 3 standard errors, all seeds run on, four times as long.
 *               Only this fresh part is compared, by the same rule, and that is final
 *
 * The length is decided once, and who decides is not measured: to stop as soon as the half-width is
 * small would be to stop where queues happen to be short, and pilots with short queues make short
 * runs, in which they would weigh more. The half-width is less than required, so that the mean of
 * an honest simulator stands more than three standard errors from the 1 %.
 *
 * Why again: a table of 51 rows makes 306 comparisons with 3 standard errors, and chance fails 1 in
 * 300 of them (Student's t, 63 to 127 degrees of freedom). A wider limit for all would forgive
 * faults; fresh data forgives chance only: after four times as long a run its errors are half as
 * large, so a fault of 3 standard errors is one of 6 there. By chance an honest row fails its 3
 * standard errors twice with probability 0.02^2, and the 1 %, where runs are as short as allowed,
 * with 0.001 to 0.002: for 51 rows, 20 of them so short, 1 choice of SEED in 20. What single rows
 * cannot tell, errors estimated too small or a small fault that all share, tests/theory looks for
 * in all deviations together; second comparisons do not count there.
 *
 * Seeds are SEED (environment, 1) to SEED + 4 and results do not depend on the machine: what passes
 * once passes for ever. The name of a system is its episode, so that no two share their arrivals.
 * SYSTEM="M/M/1" LOAD=0.9 leave the other rows out.
 *
 * No control variates. The realised load would halve the variance, and hide what is looked for: a
 * mutant with 3 % more work shows 3 % more load, which would be taken off again.
 *
 * Each system prints a row, and one more if it was run again: load of the busiest server, closed
 * form, mean of the seeds +- standard error, deviations of the seeds in their standard errors,
 * millions of requests, and how far off a mutant is whose service times are 3 % longer.
 */
#ifndef KARMA_TESTS_THEORY_H
#define KARMA_TESTS_THEORY_H

#include "core/base/crc32c.h"
#include "tests/unit/cluster_fixture.h"

#include <math.h>

enum { THEORY_SEEDS = 5, THEORY_BATCHES = 128, THEORY_PILOT = 64, THEORY_CAP = 20000 };
enum { THEORY_AGAIN = 4 /* times as long */ };

#define THEORY_MUTANT 1.03 /* factor on the service times of a mutant */

/* ---- one seed: a ratio and its error ---- */

struct series {
    double y[THEORY_BATCHES], n[THEORY_BATCHES]; /* sums per batch */
    int full, periods, length; /* batches complete; periods in the next one, of so many */
};

struct estimate {
    double mean, error;
};

static inline void series_halve(struct series *s)
{
    for (int i = 0; i < THEORY_BATCHES / 2; i++) {
        s->y[i] = s->y[2 * i] + s->y[2 * i + 1];
        s->n[i] = s->n[2 * i] + s->n[2 * i + 1];
    }
    s->full = THEORY_BATCHES / 2;
    s->length *= 2;
}

static inline void series_add(struct series *s, double y, double n)
{
    if (s->full == THEORY_BATCHES) {
        series_halve(s);
    }
    bool first = s->periods == 0;
    s->y[s->full] = y + (first ? 0.0 : s->y[s->full]);
    s->n[s->full] = n + (first ? 0.0 : s->n[s->full]);
    s->length = s->length > 0 ? s->length : 1;
    if (++s->periods == s->length) {
        s->periods = 0;
        s->full++;
    }
}

/* Over complete batches: the ratio of sums, and its standard error by the delta method. */
static inline struct estimate series_estimate(const struct series *s)
{
    double y = 0.0, n = 0.0, square = 0.0, k = s->full;
    for (int i = 0; i < s->full; i++) {
        y += s->y[i];
        n += s->n[i];
    }
    for (int i = 0; i < s->full; i++) {
        double residual = s->y[i] - y / n * s->n[i];
        square += residual * residual;
    }
    return (struct estimate){y / n, sqrt(square / (k - 1.0) * k) / n};
}

/* ---- a comparison ---- */

enum theory_quantity {
    THEORY_RESPONSE, /* ms, from a request's arrival to its answer */
    THEORY_REFUSED,  /* share of the requests */
    THEORY_SOJOURNS, /* ms, sum over services of the mean time of a call there */
    THEORY_WAITING,  /* calls in queues, time mean */
    THEORY_USED,     /* cores, time mean */
};

struct theory {
    const char *system;
    enum theory_quantity quantity;
    double load;     /* of the busiest server */
    double rps;      /* arrivals, 0 = there are none from outside */
    double expected; /* closed form, in the unit of the quantity */
};

enum theory_verdict {
    THEORY_AGREES,
    THEORY_IMPRECISE,
    THEORY_DEVIATES,
    THEORY_MEAN_OFF,
    THEORY_HOPELESS
};

struct comparison {
    struct estimate seed[THEORY_SEEDS], all;
    double half_width, off; /* of the mean of seeds, relative to the closed form */
    double requests;        /* that were measured */
    enum theory_verdict verdict;
};

/* The first, and if seeds were off a second, which is final. */
struct comparisons {
    struct comparison made[2];
    int n;
};

static inline const struct comparison *theory_final(const struct comparisons *c)
{
    return &c->made[c->n - 1];
}

/* One environment: what it measures, and its books. */
struct theory_seed {
    struct series series;
    double sojourns_ms;                /* of calls at all services so far */
    double in_flight, received, ended; /* before the first period; since */
    double before;                     /* received when the measurement began */
};

static inline double theory_sojourns_ms(const struct cluster_fixture *w, const struct sim *s)
{
    double sum_s = 0.0;
    for (int i = 0; i < w->topology.n_services; i++) {
        sum_s += s->services[i].count.latency_s;
    }
    return sum_s * 1e3;
}

/* A period is over. Received = answered + failed + what is in flight, over the whole run. */
static inline void theory_account(struct theory_seed *seed, struct cluster_fixture *w, int lid,
                                  enum theory_quantity quantity)
{
    const struct plant_truth *t = plant_truth(w->plant, lid);
    double before_ms = seed->sojourns_ms;
    seed->sojourns_ms = theory_sojourns_ms(w, fixture_sim(w, lid));
    seed->received += t->received;
    seed->ended += t->answered + t->failed;
    assert_true(seed->in_flight + seed->received == seed->ended + t->inflight);
    switch (quantity) {
    case THEORY_RESPONSE:
        series_add(&seed->series, t->latency_sum_ms, t->answered);
        break;
    case THEORY_REFUSED:
        series_add(&seed->series, t->failed, t->received);
        break;
    case THEORY_SOJOURNS:
        series_add(&seed->series, seed->sojourns_ms - before_ms, t->answered);
        break;
    case THEORY_WAITING:
        series_add(&seed->series, t->waiting_mean, 1.0);
        break;
    case THEORY_USED:
        series_add(&seed->series, t->used_m_mean * 1e-3, 1.0);
        break;
    }
}

/* What there is to say by now. */
static inline void theory_compare(struct comparison *c, const struct theory_seed *seeds,
                                  double expected)
{
    double sum = 0.0, square = 0.0;
    bool seeds_agree = true;
    for (int i = 0; i < THEORY_SEEDS; i++) {
        struct estimate e = series_estimate(&seeds[i].series);
        c->seed[i] = e;
        sum += e.mean;
        square += e.error * e.error;
        seeds_agree &= fabs(e.mean - expected) < 3.0 * e.error;
    }
    c->all = (struct estimate){sum / THEORY_SEEDS, sqrt(square) / THEORY_SEEDS};
    seeds_agree &= fabs(c->all.mean - expected) < 3.0 * c->all.error;
    c->half_width = 1.96 * c->all.error / expected;
    c->off = c->all.mean / expected - 1.0;
    bool hopeless = fabs(c->off) > 0.01 + 4.0 * c->half_width;
    c->verdict = hopeless                ? THEORY_HOPELESS
                 : c->half_width >= 0.01 ? THEORY_IMPRECISE
                 : fabs(c->off) >= 0.01  ? THEORY_MEAN_OFF
                 : !seeds_agree          ? THEORY_DEVIATES
                                         : THEORY_AGREES;
}

/* How many make the half-width what it should be, by that after the pilot; each of the batches has
 * one at least. */
static inline int theory_periods(double half_width)
{
    double ratio = half_width / 0.006;
    double n = ceil(THEORY_PILOT * ratio * ratio);
    return n < THEORY_BATCHES ? THEORY_BATCHES : n > THEORY_CAP ? THEORY_CAP : (int)n;
}

static inline void theory_start(struct cluster_fixture *w, const struct theory *theory,
                                struct theory_seed *seeds)
{
    const char *text = getenv("SEED");
    uint64_t first = text != NULL ? strtoul(text, NULL, 10) : 1;
    fixture_open(w, THEORY_SEEDS);
    fixture_rate(w, 0, FIXTURE_SECONDS, theory->rps, 0);
    for (int i = 0; i < THEORY_SEEDS; i++) {
        struct episode_id id = {
            .seed = first + (uint64_t)i,
            .split = RNG_TEST_SPLIT,
            .env = (uint32_t)floor(theory->load * 100.0 + 0.5),
            .episode = crc32c(0, theory->system, strlen(theory->system)),
        };
        assert_int_equal(plant_reset(w->plant, i, &id, &w->schedule, FIXTURE_HORIZON), ERR_OK);
        seeds[i] = (struct theory_seed){
            .in_flight = plant_truth(w->plant, i)->inflight,
            .sojourns_ms = theory_sojourns_ms(w, fixture_sim(w, i)),
        };
    }
}

static inline void theory_step(struct cluster_fixture *w, struct theory_seed *seeds, int periods,
                               enum theory_quantity quantity)
{
    for (int period = 0; period < periods; period++) {
        (void)fixture_step(w);
        for (int i = 0; i < THEORY_SEEDS; i++) {
            theory_account(&seeds[i], w, i, quantity);
        }
    }
}

/* What was measured before does not count; the books go on. */
static inline void theory_afresh(struct theory_seed *seeds)
{
    for (int i = 0; i < THEORY_SEEDS; i++) {
        seeds[i].series = (struct series){0};
        seeds[i].before = seeds[i].received;
    }
}

/* So many periods, from where the seeds stand. */
static inline void theory_measure(struct comparison *c, struct cluster_fixture *w,
                                  struct theory_seed *seeds, int periods,
                                  const struct theory *theory)
{
    theory_afresh(seeds);
    theory_step(w, seeds, periods, theory->quantity);
    theory_compare(c, seeds, theory->expected);
    c->requests = 0.0;
    for (int i = 0; i < THEORY_SEEDS; i++) {
        c->requests += seeds[i].received - seeds[i].before;
    }
}

/* Run a cluster, set up but not yet opened, against a closed form; it is closed then. */
static inline struct comparisons theory_run(struct cluster_fixture *w, const struct theory *theory)
{
    struct comparisons c = {.n = 1};
    struct theory_seed seeds[THEORY_SEEDS];
    theory_start(w, theory, seeds);
    theory_measure(&c.made[0], w, seeds, THEORY_PILOT, theory);
    if (c.made[0].verdict != THEORY_HOPELESS) {
        int periods = theory_periods(c.made[0].half_width);
        theory_measure(&c.made[0], w, seeds, periods, theory);
        if (c.made[0].verdict == THEORY_DEVIATES) {
            c.n = 2;
            theory_measure(&c.made[1], w, seeds, THEORY_AGAIN * periods, theory);
        }
    }
    assert_true(cluster_consistent(w->plant)); /* Little's law, too */
    fixture_close(w);
    return c;
}

/* ---- systems ---- */

/* Sets up the cluster and the closed form for a load of the busiest server. */
typedef void theory_system(struct cluster_fixture *w, struct theory *t, double load);

/* Service times are 1 ms in the mean; nobody gives up. */
enum { THEORY_MS = 1000 /* calls a second of one core */, THEORY_ROOM = 400 };

static inline void theory_world(struct cluster_fixture *w, int n_services, int slots, int queue)
{
    fixture_chain(w, n_services, THEORY_MS);
    for (int i = 0; i < n_services; i++) {
        w->services[i].max_replicas = 1;
    }
    w->plant_cfg.timeout_s = 1e6;
    w->topology_cfg.slots_per_pod = slots;
    w->topology_cfg.queue_per_pod = queue;
}

static inline void theory_print(const struct theory *t, const struct comparison *c, const char *how,
                                double mutant_off)
{
    print_message("| %s%s | %.1f | %.5g | %.5g ± %.2g |", t->system, how, t->load, t->expected,
                  c->all.mean, c->all.error);
    for (int i = 0; i < THEORY_SEEDS; i++) {
        print_message(" %+.2f", (c->seed[i].mean - t->expected) / c->seed[i].error);
    }
    print_message(" | %.1f | %+.1f %% |\n", c->requests * 1e-6, mutant_off * 100.0);
}

/* Few are enough to find a fault; 0.9 needs most of the time, and FULL=1 in the environment. */
static inline int theory_loads(double loads[3])
{
    static const double all[3] = {0.5, 0.7, 0.9};
    memcpy(loads, all, sizeof all);
#ifdef __SANITIZE_ADDRESS__
    return 1;
#else
    return getenv("FULL") != NULL ? 3 : 2;
#endif
}

static inline bool theory_wanted(const struct theory *t)
{
    const char *system = getenv("SYSTEM"), *load = getenv("LOAD");
    return (system == NULL || strcmp(system, t->system) == 0) &&
           (load == NULL || fabs(strtod(load, NULL) - t->load) < 0.05);
}

/* The simulator agrees, and a mutant with longer service times is found out. */
static inline void theory_test_at(theory_system *system, double load)
{
    struct cluster_fixture w;
    struct theory t = {0};
    system(&w, &t, load);
    if (!theory_wanted(&t)) {
        return;
    }
    struct comparisons honest = theory_run(&w, &t);
    system(&w, &t, load);
    w.topology_cfg.demand_scale = THEORY_MUTANT;
    struct comparisons changed = theory_run(&w, &t);
    const struct comparison *mutant = theory_final(&changed);
    for (int i = 0; i < honest.n; i++) {
        theory_print(&t, &honest.made[i], i > 0 ? ", again" : "", mutant->off);
    }
    assert_int_equal(theory_final(&honest)->verdict, THEORY_AGREES);
    assert_true(mutant->verdict == THEORY_MEAN_OFF || mutant->verdict == THEORY_HOPELESS);
}

static inline void theory_test(theory_system *system)
{
    double loads[3];
    int n = theory_loads(loads);
    for (int i = 0; i < n; i++) {
        theory_test_at(system, loads[i]);
    }
}

#define THEORY_TEST(system)                                                                        \
    static void test_##system(void **state)                                                        \
    {                                                                                              \
        (void)state;                                                                               \
        theory_test(system);                                                                       \
    }

#endif
