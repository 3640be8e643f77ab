/* Do 95 % intervals hold the truth in 95 % of experiments, and does a test at 5 % reject a true
 * hypothesis in 5 %? Simulated, because theory answers for many training seeds only.
 *
 *   test_coverage                    a fast version with fixed seeds and bounds
 *   test_coverage --table [N]        the tables of docs/statistics.md, from N experiments each
 *
 * x_ie = sd_t t_i + v_e + sd_w w_ie: luck of the training, of the episode, of both together. A rule
 * has y_e = v_e + sd_w w'_e. All truths are 0. The wrong methods that are easily chosen (resample
 * or flip episodes only: what holds for these very networks is taken for what holds for the method)
 * are simulated beside the right ones, so the bounds are known to be able to fail.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/fmath.h"
#include "core/base/rng.h"
#include "core/base/twoway.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TRAINS_MAX = 20, EPISODES = 50, RESAMPLES = 400 };
static const double level = 0.95;

struct model {
    const char *name;
    double sd_t, sd_w;
    bool skewed; /* t_i is exponential, minus its mean */
};
static const struct model models[] = {
    {"training decides", 1.0, 1.0, false},
    {"training decides, skewed", 1.0, 1.0, true},
    {"both", 0.3, 1.0, false},
    {"episodes decide", 0.05, 1.0, false},
};
enum { MODELS = sizeof models / sizeof *models };

/* One experiment: a policy, a second policy trained in the same way, a rule. */
struct experiment {
    double a[TRAINS_MAX * EPISODES], b[TRAINS_MAX * EPISODES], rule[EPISODES];
    struct stat_arm arm_a, arm_b, arm_rule;
};

/* Coordinates: experiment, kind of luck, row, column. */
static double normal(uint32_t k, uint32_t what, uint32_t i, uint32_t e)
{
    const struct rng_block r = rng_philox(rng_key(31, RNG_TEST, RNG_DEV), k, what, i, e);
    return rng_normal(r.v[0], r.v[1]);
}

static double training_luck(const struct model *m, uint32_t k, uint32_t what, uint32_t i)
{
    const struct rng_block r = rng_philox(rng_key(32, RNG_TEST, RNG_DEV), k, what, i, 0);
    const double exponential = -fm_log((r.v[0] + 0.5) / 4294967296.0) - 1.0;
    return m->sd_t * (m->skewed ? exponential : normal(k, what, i, EPISODES));
}

static void fill(double *x, const struct model *m, uint32_t k, uint32_t what, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        const double t = training_luck(m, k, what, i);
        for (uint32_t e = 0; e < EPISODES; e++) {
            x[i * EPISODES + e] = t + normal(k, 0, 0, e) + m->sd_w * normal(k, what, i, e);
        }
    }
}

static void draw(struct experiment *x, const struct model *m, uint32_t k, uint32_t n)
{
    fill(x->a, m, k, 1, n);
    fill(x->b, m, k, 2, n);
    for (uint32_t e = 0; e < EPISODES; e++) {
        x->rule[e] = normal(k, 0, 0, e) + m->sd_w * normal(k, 3, 0, e);
    }
    x->arm_a = (struct stat_arm){x->a, n};
    x->arm_b = (struct stat_arm){x->b, n};
    x->arm_rule = (struct stat_arm){x->rule, 1};
}

static bool holds_zero(const struct stat_interval *v)
{
    return v->lo <= 0.0 && 0.0 <= v->hi;
}

/* ---- intervals ---- */

/* Shares of experiments whose interval held the truth. */
struct coverage {
    double percentile, widened; /* difference policy - rule */
    double two;                 /* difference of two policies, stretched */
    double iqm;                 /* of one policy, stretched */
    double episodes_only;       /* policy - rule, training seeds not resampled: wrong */
};

/* Wrong: the networks at hand are taken for the method. */
static struct stat_interval resample_episodes_only(const struct experiment *x, uint32_t n,
                                                   const struct stat_cfg *cfg,
                                                   struct arena *scratch)
{
    double diff[EPISODES];
    struct stat_interval out;
    for (uint32_t e = 0; e < EPISODES; e++) {
        double sum = 0.0;
        for (uint32_t i = 0; i < n; i++) {
            sum += x->a[i * EPISODES + e];
        }
        diff[e] = sum / n - x->rule[e];
    }
    assert_int_equal(stat_bootstrap(&out, diff, EPISODES, STAT_MEAN, cfg, scratch), ERR_OK);
    return out;
}

static struct stat_interval interval(const struct stat_arm *a, const struct stat_arm *b,
                                     enum twoway_statistic what, const struct stat_cfg *cfg,
                                     struct arena *scratch)
{
    struct stat_interval out;
    assert_int_equal(twoway_bootstrap(&out, a, b, EPISODES, what, cfg, scratch), ERR_OK);
    return out;
}

static struct coverage cover(const struct model *m, uint32_t n, uint32_t experiments,
                             struct arena *scratch)
{
    static struct experiment x;
    struct coverage c = {0};
    for (uint32_t k = 0; k < experiments; k++) {
        const struct stat_cfg cfg = {
            .seed = k, .stream = n, .resamples = RESAMPLES, .level = level};
        draw(&x, m, k, n);
        const struct stat_interval plain =
            interval(&x.arm_a, &x.arm_rule, TWOWAY_MEAN, &cfg, scratch);
        const struct stat_interval widened =
            twoway_ci_widen(&plain, twoway_satterthwaite(&x.arm_a, &x.arm_rule, EPISODES, level));
        struct stat_interval two = interval(&x.arm_a, &x.arm_b, TWOWAY_MEAN, &cfg, scratch);
        two = twoway_ci_widen(&two, twoway_satterthwaite(&x.arm_a, &x.arm_b, EPISODES, level));
        struct stat_interval iqm = interval(&x.arm_a, NULL, TWOWAY_IQM, &cfg, scratch);
        iqm = twoway_ci_widen(&iqm, twoway_satterthwaite(&x.arm_a, NULL, EPISODES, level));
        const struct stat_interval wrong = resample_episodes_only(&x, n, &cfg, scratch);
        c.percentile += holds_zero(&plain) ? 1.0 / experiments : 0.0;
        c.widened += holds_zero(&widened) ? 1.0 / experiments : 0.0;
        c.two += holds_zero(&two) ? 1.0 / experiments : 0.0;
        c.iqm += holds_zero(&iqm) ? 1.0 / experiments : 0.0;
        c.episodes_only += holds_zero(&wrong) ? 1.0 / experiments : 0.0;
    }
    return c;
}

/* ---- tests ---- */

/* Shares of experiments in which a true hypothesis was rejected at 1 - level. */
struct size {
    double rule, two;       /* policy against a rule, against another policy */
    double episodes, seeds; /* policy against a rule, units that share luck: wrong */
};

static bool rejects(const double *diff, uint32_t n, const struct stat_cfg *cfg)
{
    double p;
    assert_int_equal(stat_sign_flip(&p, diff, n, cfg), ERR_OK);
    return p <= 1.0 - level + 1e-12;
}

/* Units that share luck: episodes (means over seeds), or seeds (means over all episodes). */
static void shared_units(double *by_episode, double *by_seed, const struct experiment *x,
                         uint32_t n)
{
    memset(by_episode, 0, EPISODES * sizeof *by_episode);
    memset(by_seed, 0, n * sizeof *by_seed);
    for (uint32_t i = 0; i < n; i++) {
        for (uint32_t e = 0; e < EPISODES; e++) {
            const double d = x->a[i * EPISODES + e] - x->rule[e];
            by_episode[e] += d / n;
            by_seed[i] += d / EPISODES;
        }
    }
}

static struct size reject(const struct model *m, uint32_t n, uint32_t experiments)
{
    static struct experiment x;
    struct size s = {0};
    double diff[EPISODES], by_episode[EPISODES], by_seed[EPISODES];
    for (uint32_t k = 0; k < experiments; k++) {
        const struct stat_cfg cfg = {
            .seed = k, .stream = n, .resamples = 4 * RESAMPLES, .level = level};
        draw(&x, m, k, n);
        shared_units(by_episode, by_seed, &x, n);
        const uint32_t against_rule = twoway_units(diff, &x.arm_a, &x.arm_rule, EPISODES);
        s.rule += rejects(diff, against_rule, &cfg) ? 1.0 / experiments : 0.0;
        const uint32_t against_two = twoway_units(diff, &x.arm_a, &x.arm_b, EPISODES);
        s.two += rejects(diff, against_two, &cfg) ? 1.0 / experiments : 0.0;
        s.episodes += rejects(by_episode, EPISODES, &cfg) ? 1.0 / experiments : 0.0;
        s.seeds += rejects(by_seed, n, &cfg) ? 1.0 / experiments : 0.0;
    }
    return s;
}

/* ---- the fast version ---- */

/* Standard error of a share of 0.95 in 300 experiments: 0.013. */
enum { FAST = 300 };

static void intervals_hold_the_truth(void **state)
{
    struct arena *scratch = *state;
    for (int m = 0; m < MODELS; m++) {
        const struct coverage c = cover(&models[m], 10, FAST, scratch);
        print_message("%s, 10 seeds: %.3f percentile, %.3f stretched, %.3f two, %.3f IQM\n",
                      models[m].name, c.percentile, c.widened, c.two, c.iqm);
        const double least = models[m].skewed ? 0.88 : 0.92;
        assert_true(c.widened >= least && c.widened <= 0.99);
        assert_true(c.two >= 0.92); /* to 1: what both kinds of luck share is counted twice */
        assert_true(c.percentile <= c.widened);
    }
}

static void percentile_intervals_are_too_narrow_for_five_seeds(void **state)
{
    const struct coverage c = cover(&models[0], 5, FAST, *state);
    print_message("5 seeds: %.3f percentile, %.3f stretched\n", c.percentile, c.widened);
    assert_true(c.percentile < 0.90);
    assert_true(c.widened > 0.92);
}

/* The mutant that the bounds above must not let pass. */
static void episodes_alone_promise_far_too_much(void **state)
{
    const struct coverage c = cover(&models[0], 10, FAST, *state);
    assert_true(c.episodes_only < 0.75);
}

static void tests_keep_their_size(void **state)
{
    (void)state;
    for (int m = 0; m < MODELS; m++) {
        const struct size s = reject(&models[m], 10, FAST);
        print_message("%s, 10 seeds: %.3f against a rule, %.3f against a policy\n", models[m].name,
                      s.rule, s.two);
        assert_true(s.two <= 0.075);
        assert_true(s.rule <= (models[m].skewed ? 0.12 : 0.075));
    }
}

static void units_that_share_luck_do_not(void **state)
{
    (void)state;
    assert_true(reject(&models[0], 10, FAST).episodes > 0.25);
    assert_true(reject(&models[3], 10, FAST).seeds > 0.25);
}

/* ---- the tables ---- */

static void print_tables(uint32_t experiments)
{
    static const uint32_t seeds[] = {5, 10, 20};
    struct arena scratch;
    arena_init(&scratch);
    printf(
        "| what dominates the variance | training seeds | percentile | corrected | two policies, "
        "corrected | IQM, corrected | episodes only (wrong) |\n| --- | ---: | ---: | ---: | ---: "
        "| ---: | ---: |\n");
    for (int m = 0; m < MODELS; m++) {
        for (int s = 0; s < 3; s++) {
            const struct coverage c = cover(&models[m], seeds[s], experiments, &scratch);
            printf("| %s | %u | %.3f | %.3f | %.3f | ", models[m].name, seeds[s], c.percentile,
                   c.widened, c.two);
            if (models[m].skewed) {
                printf("- | %.3f |\n", c.episodes_only); /* its IQM is not 0 */
            } else {
                printf("%.3f | %.3f |\n", c.iqm, c.episodes_only);
            }
        }
    }
    printf("\n| what dominates the variance | training seeds | policy - rule | policy - policy | "
           "units are episodes (wrong) | units are seeds (wrong) |\n| --- | ---: | ---: | ---: | "
           "---: | ---: |\n");
    for (int m = 0; m < MODELS; m++) {
        for (int s = 0; s < 3; s++) {
            const struct size r = reject(&models[m], seeds[s], experiments);
            printf("| %s | %u | %.3f | %.3f | %.3f | %.3f |\n", models[m].name, seeds[s], r.rule,
                   r.two, r.episodes, r.seeds);
        }
    }
    arena_release(&scratch);
}

static int start(void **state)
{
    static struct arena scratch;
    arena_init(&scratch);
    *state = &scratch;
    return 0;
}

static int stop(void **state)
{
    arena_release(*state);
    return 0;
}

int main(int argc, char **argv)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, start, stop)
    const struct CMUnitTest tests[] = {
        TEST(intervals_hold_the_truth),
        TEST(percentile_intervals_are_too_narrow_for_five_seeds),
        TEST(episodes_alone_promise_far_too_much),
        TEST(tests_keep_their_size),
        TEST(units_that_share_luck_do_not),
    };
    if (argc > 1 && strcmp(argv[1], "--table") == 0) {
        print_tables(argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 2000);
        return 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
