/* Metrics of small episodes worked out by hand. */
#include "core/plant/episode_metrics.h"
#include "tests/unit/reward_fixture.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { SERVICES = 2 };

static void assert_near(double got, double want)
{
    if (!(fabs(got - want) <= 1e-12 * fmax(1.0, fabs(want)))) {
        fail_msg("got %.17g, want %.17g", got, want);
    }
}

struct fixture {
    struct arena arena;
    struct episode_account account;
};

static int setup(void **state)
{
    static struct fixture f;
    f = (struct fixture){0};
    arena_init(&f.arena);
    *state = &f;
    return episode_account_init(&f.account, &f.arena, SERVICES) == ERR_OK ? 0 : -1;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    mem_fail_after(0);
    arena_release(&f->arena);
    return 0;
}

static void step(struct episode_account *m, const struct plant_truth *t, int32_t first,
                 int32_t second, bool conflict)
{
    struct reward_terms r;
    reward_of(&r, t, &CFG, 16000, 200);
    episode_account_step(m, t, &r, (int32_t[SERVICES]){first, second}, conflict);
}

/* ---- the account ---- */

static const struct plant_truth GOOD = {
    .received = 3000,
    .answered = 3000,
    .compliant = 2900,
    .latency_sum_ms = 3e5, /* 100 ms each */
    .received_legit = 3000,
    .answered_legit = 3000,
    .waiting_mean = 8,
    .pods_deployed_mean = 10,
    .entry_available_mean = 1,
    .service_available_mean = 1,
    .requested_m_mean = 6000,
};
static const struct plant_truth BAD = {
    .received = 5000,
    .answered = 2000,
    .compliant = 100,
    .failed = 2000,
    .latency_sum_ms = 2e6, /* 1 s each */
    .received_legit = 3000,
    .answered_legit = 1500,
    .waiting_mean = 392,
    .pods_deployed_mean = 10,
    .pods_failed_mean = 5,
    .entry_available_mean = 0.5,
    .service_available_mean = 0.5,
    .requested_m_mean = 10000,
};

static void test_two_periods(void **state)
{
    struct fixture *f = *state;
    step(&f->account, &GOOD, 0, 0, false);
    step(&f->account, &BAD, 0, 0, true);
    struct episode_metrics m;
    episode_metrics_finish(&m, &f->account, NULL, 0, 10, &CFG);
    assert_near(m.slo_attainment, 3000.0 / 8000);
    assert_near(m.success, 5000.0 / 8000);
    /* 200 waiting on average; 8000 requests in 30 s would be 533.3 if each waited its 2 s */
    assert_near(m.pending, 200 / (8000.0 / 30 * 2));
    assert_near(m.latency, 2.3e6 / 5000);
    /* GOOD: 1, 1, 0.5, 1, 1. BAD: 0.5, 0.5, 0, 0.5, 0.5 */
    assert_near(m.or_success, 0.75);
    assert_near(m.or_pods, 0.75);
    assert_near(m.or_latency, 0.25);
    assert_near(m.or_entry, 0.75);
    assert_near(m.or_traffic, 0.75);
    assert_near(m.resilience, 0.65);
    assert_near(m.reward, 0.65 - 0.2 * 0.5); /* 8000 of 16000 m on average */
    assert_near(m.vcpu, 8);
    assert_near(m.vcpu_h, 8 * 30 / 3600.0);
    assert_near(m.availability, 0.75);
    assert_near(m.conflicts, 0.5);
    assert_true(isnan(m.recovery) && isnan(m.censored) && isnan(m.violation));
}

static void test_scalings_and_flips(void **state)
{
    struct fixture *f = *state;
    step(&f->account, &GOOD, +2, 0, false);  /* scaling */
    step(&f->account, &GOOD, +1, -1, false); /* two scalings, no flip: first change of service 1 */
    step(&f->account, &GOOD, 0, 0, false);
    step(&f->account, &GOOD, -3, -1, false); /* two scalings, a flip of service 0 */
    step(&f->account, &GOOD, 0, 0, false);
    step(&f->account, &GOOD, +1, 0, false); /* a scaling and a flip back */
    struct episode_metrics m;
    episode_metrics_finish(&m, &f->account, NULL, 0, -1, &CFG);
    assert_near(m.scalings, 6 / (90.0 / 3600));
    assert_near(m.flips, 2 / (90.0 / 3600));
}

static void test_clear_forgets(void **state)
{
    struct fixture *f = *state;
    step(&f->account, &BAD, +2, +2, true);
    episode_account_clear(&f->account);
    step(&f->account, &GOOD, -1, 0, false);
    struct episode_metrics m;
    episode_metrics_finish(&m, &f->account, NULL, 0, -1, &CFG);
    assert_near(m.slo_attainment, 2900.0 / 3000);
    assert_near(m.scalings, 240);
    assert_near(m.flips, 0);
    assert_near(m.conflicts, 0);
}

static void test_no_requests(void **state)
{
    struct fixture *f = *state;
    struct plant_truth idle = {.pods_deployed_mean = 2, .entry_available_mean = 1};
    struct plant_cohort cohorts[3] = {{0}};
    step(&f->account, &idle, 0, 0, false);
    struct episode_metrics m;
    episode_metrics_finish(&m, &f->account, cohorts, 3, 0, &CFG);
    const double *values = (const double *)&m;
    for (int i = 0; i < METRIC_COUNT; i++) { /* no share of nothing, and nothing else either */
        if (!isnan(values[i])) {
            fail_msg("%s is %g", metric_info[i].name, values[i]);
        }
    }
    assert_false(episode_metrics_scored(&m));
    step(&f->account, &GOOD, 0, 0, false);
    episode_metrics_finish(&m, &f->account, cohorts, 3, 0, &CFG);
    assert_true(episode_metrics_scored(&m));
    assert_near(m.slo_attainment, 2900.0 / 3000);
}

static void test_received_but_none_answered(void **state)
{
    struct fixture *f = *state;
    struct plant_truth lost = {.received = 30, .failed = 20, .waiting_mean = 1};
    step(&f->account, &lost, 0, 0, false);
    struct episode_metrics m;
    episode_metrics_finish(&m, &f->account, NULL, 0, -1, &CFG);
    assert_near(m.slo_attainment, 0);
    assert_near(m.success, 0);
    assert_near(m.pending, 0.25); /* 1 of 30 / 15 s x 2 s */
    assert_true(isnan(m.latency));
}

static void test_out_of_memory(void **state)
{
    struct fixture *f = *state;
    struct arena fresh;
    arena_init(&fresh);
    struct episode_account m = {.n_services = -7};
    mem_fail_after(1);
    assert_int_equal(episode_account_init(&m, &fresh, SERVICES), ERR_MEMORY);
    assert_int_equal(m.n_services, -7);
    arena_release(&fresh);
    (void)f;
}

/* ---- recovery ---- */

enum { WINDOWS_MAX = 32 };

/* One letter a window: + good, - few answered, l answered but late, . no requests. */
static int windows(struct plant_cohort out[WINDOWS_MAX], const char *text)
{
    int n = (int)strlen(text);
    for (int i = 0; i < n; i++) {
        switch (text[i]) {
        case '+':
            out[i] = (struct plant_cohort){.received = 100, .answered = 95, .compliant = 90};
            break;
        case '-':
            out[i] = (struct plant_cohort){.received = 100, .answered = 94, .compliant = 94};
            break;
        case 'l':
            out[i] = (struct plant_cohort){.received = 100, .answered = 100, .compliant = 89};
            break;
        default:
            out[i] = (struct plant_cohort){0};
            break;
        }
    }
    return n;
}

struct recovery_case {
    const char *text;
    double onset_s, recovery_s, violation_s;
    bool censored;
};

static const struct recovery_case RECOVERIES[] = {
    {"++++++++", 10, 0, 0, false},        /* never breached */
    {"++++--+++", 10, 20, 10, false},     /* good until 20 s, good again from 30 s */
    {"++--++", 10, 20, 10, true},         /* two good windows are not 15 s */
    {"++--++-+++", 10, 25, 15, false},    /* 10 good seconds in between do not count */
    {"++l.+++", 10, 10, 5, false},        /* late answers breach; an idle window is no recovery */
    {"++l.++", 10, 20, 5, true},          /* and no part of one */
    {"++l+.+.+", 10, 5, 5, false},        /* nor does it end one */
    {"++l.....", 10, 30, 5, true},        /* silence is not health */
    {"--++++", 10, 0, 10, false},         /* what was before the onset is no recovery */
    {"+-++++", 7.5, 0, 5, false},         /* the window the onset falls into is not judged */
    {"++-+++", 7.5, 7.5, 5, false},       /* from the onset, not from its window */
    {"++--------", 10, 40, 40, true},     /* to the end of the windows */
    {"+++-+++---+++", 10, 10, 20, false}, /* the first recovery; the second breach costs time */
    {"+++++", 1000, 0, 0, false},         /* onset after the end */
    {"-----", 0, 25, 25, true},           /* never good */
    {"", 0, 0, 0, false},                 /* no windows */
};

static void test_recovery(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(RECOVERIES) / sizeof(RECOVERIES[0]); i++) {
        const struct recovery_case *c = &RECOVERIES[i];
        struct plant_cohort cohorts[WINDOWS_MAX];
        int n = windows(cohorts, c->text);
        double recovery_s;
        double violation_s;
        bool censored;
        episode_metrics_recovery(&recovery_s, &censored, &violation_s, cohorts, n, c->onset_s);
        print_message("windows '%s', onset %g s\n", c->text, c->onset_s);
        assert_near(recovery_s, c->recovery_s);
        assert_near(violation_s, c->violation_s);
        assert_int_equal(censored, c->censored);
    }
}

/* Two periods are six windows; requests of the last one may still be in flight when they end. */
static void test_last_windows_are_not_judged(void **state)
{
    struct fixture *f = *state;
    struct plant_cohort cohorts[WINDOWS_MAX];
    int n = windows(cohorts, "+++++-");
    step(&f->account, &GOOD, 0, 0, false);
    step(&f->account, &GOOD, 0, 0, false);
    struct episode_metrics m;
    episode_metrics_finish(&m, &f->account, cohorts, n, 0, &CFG);
    assert_near(m.violation, 0);
    assert_near(m.recovery, 0);
    assert_near(m.censored, 0);
    n = windows(cohorts, "++++-+");
    episode_metrics_finish(&m, &f->account, cohorts, n, 5, &CFG);
    assert_near(m.violation, 5);
    assert_near(m.recovery, 20); /* from 5 s to the end of the judged windows, 25 s */
    assert_near(m.censored, 1);
}

static void test_without_onset(void **state)
{
    struct fixture *f = *state;
    struct plant_cohort cohorts[WINDOWS_MAX];
    int n = windows(cohorts, "-+++++");
    step(&f->account, &GOOD, 0, 0, false);
    step(&f->account, &GOOD, 0, 0, false);
    struct episode_metrics m;
    episode_metrics_finish(&m, &f->account, cohorts, n, -1, &CFG);
    assert_near(m.violation, 5);
    assert_true(isnan(m.recovery) && isnan(m.censored));
}

/* ---- names ---- */

static void test_names_follow_the_struct(void **state)
{
    (void)state;
    struct episode_metrics m = {0};
    m.slo_attainment = 1;
    m.latency = 2;
    m.conflicts = 3;
    const double *values = (const double *)&m;
    for (int i = 0; i < METRIC_COUNT; i++) {
        double want = strcmp(metric_info[i].name, "slo_attainment") == 0 ? 1
                      : strcmp(metric_info[i].name, "latency") == 0      ? 2
                      : strcmp(metric_info[i].name, "conflicts") == 0    ? 3
                                                                         : 0;
        assert_near(values[i], want);
        assert_true(strlen(metric_info[i].doc) > 0);
    }
    assert_string_equal(metric_info[0].name, "slo_attainment");
}

#define TEST_(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_(test_two_periods),
        TEST_(test_scalings_and_flips),
        TEST_(test_clear_forgets),
        TEST_(test_no_requests),
        TEST_(test_received_but_none_answered),
        TEST_(test_out_of_memory),
        TEST_(test_recovery),
        TEST_(test_last_windows_are_not_judged),
        TEST_(test_without_onset),
        TEST_(test_names_follow_the_struct),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
