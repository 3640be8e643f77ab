/* The accuracy of a twin: sums against sums by hand, a fitted twin against one that learned
 * nothing, and intervals that hold as often as they say.
 */
#include "core/twin/accuracy.h"

#include "core/report/twin_report.h"
#include "tests/unit/twin_fixture.h"

enum { EPISODES = 60, STEPS = 60, HORIZON = 5 };

static const struct stat_cfg stat = {.seed = 1, .resamples = 200, .level = 0.95};

static void load(struct twin_fixture *w, int epochs)
{
    linear_store(w->traces, 0, EPISODES, STEPS, NULL);
    w->fit.epochs = epochs;
    w->fit.predict = PREDICT_DIRECT;
    w->use.lookup = LOOKUP_NONE;
    twin_fixture_save(w);
    OK(model_load(&w->model, &w->scene.arena, &w->use, w->file));
}

static void measure(struct accuracy *a, struct twin_fixture *w)
{
    static const struct plant_cfg plant = {
        .period_s = 15, .latency_max_ms = 500, .timeout_s = 5, .cost_weight = 0.2};
    const struct accuracy_cfg cfg = {
        .data = &w->model.data, .part = STORE_HELD_OUT, .horizon = HORIZON, .stride = 5, .seed = 3};
    OK(accuracy_measure(a, &w->scene.arena, &w->model, &plant, &cfg, &w->scratch));
}

/* What was given up for each column of a metric k periods after every fifth decision. */
static double gap_by_hand(const struct dataset *d, const int *columns, int n_columns, int k,
                          bool hold, const double *mean)
{
    const int n = d->features->n_state;
    double sum = 0.0, count = 0.0;
    for (int e = 0; e < d->n_episodes; e++) {
        const struct dataset_episode *at = &d->episodes[e];
        for (int t = 0; at->part == STORE_HELD_OUT && t + HORIZON <= at->n_steps; t += 5) {
            for (int i = 0; i < n_columns; i++) {
                const double then = (double)d->state[(at->first_row + t + k) * n + columns[i]];
                const double now = (double)d->state[(at->first_row + t) * n + columns[i]];
                sum += fabs((hold ? now : mean[i]) - then);
                count += 1.0;
            }
        }
    }
    return sum / count;
}

static void test_trivial_predictors(void **state)
{
    struct twin_fixture *w = *state;
    struct accuracy a;
    struct stat_interval v;
    load(w, 1);
    measure(&a, w);
    const struct dataset *d = &w->model.data;
    const int columns[2] = {1, 3}; /* web.cpu, db.cpu */
    double mean[2] = {0.0, 0.0};
    for (int k = 0; k < d->n_at[STORE_TRAIN]; k++) {
        for (int i = 0; i < 2; i++) {
            mean[i] += (double)d->state[(d->at[STORE_TRAIN][k] + 1) * LINEAR_S + columns[i]] /
                       d->n_at[STORE_TRAIN];
        }
    }
    const int cpu = accuracy_find(&a, "cpu");
    assert_true(cpu >= 0 && a.groups[cpu].n == 2);
    assert_int_equal(accuracy_find(&a, "entry_30s"), -1); /* the load alone decides it */
    assert_int_equal(accuracy_find(&a, "desired"), -1);
    for (int k = 1; k <= HORIZON; k += 4) {
        const double held = gap_by_hand(d, columns, 2, k, true, NULL);
        const double average = gap_by_hand(d, columns, 2, k, false, mean);
        assert_true(fabs(accuracy_gap(&a, PREDICTOR_HOLD, cpu, k, WINDOW_ALL) - held) < 1e-9);
        assert_true(fabs(accuracy_gap(&a, PREDICTOR_MEAN, cpu, k, WINDOW_ALL) - average) <
                    1e-6 * average);
        OK(accuracy_skill(&v, &a, PREDICTOR_HOLD, cpu, k, WINDOW_ALL, &stat, &w->scratch));
        assert_true(fabs(v.value - (1.0 - held / average)) < 1e-6);
        assert_true(v.lo < v.value && v.value < v.hi);
    }
    OK(accuracy_skill(&v, &a, PREDICTOR_MEAN, cpu, 1, WINDOW_ALL, &stat, &w->scratch));
    assert_true(v.value == 0.0 && v.lo == 0.0 && v.hi == 0.0);
    OK(accuracy_gain(&v, &a, &a, cpu, 1, WINDOW_ALL, &stat, &w->scratch));
    assert_true(v.value == 0.0);
}

/* Only starts at which an episode begins: no period went before. To hold the KPIs of the period
 * that is to be predicted would be no gap at all. */
static void test_hold_without_a_past(void **state)
{
    struct twin_fixture *w = *state;
    static const struct plant_cfg plant = {
        .period_s = 15, .latency_max_ms = 500, .timeout_s = 5, .cost_weight = 0.2};
    const struct accuracy_cfg cfg = {
        .data = &w->model.data, .part = STORE_HELD_OUT, .horizon = 1, .stride = STEPS, .seed = 3};
    struct accuracy a;
    load(w, 1);
    OK(accuracy_measure(&a, &w->scene.arena, &w->model, &plant, &cfg, &w->scratch));
    const int latency = accuracy_find(&a, "latency (exact)");
    assert_true(latency >= 0);
    assert_true(accuracy_gap(&a, PREDICTOR_HOLD, latency, 1, WINDOW_ALL) > 0.1);
}

static double skill(struct twin_fixture *w, const struct accuracy *a, int k)
{
    struct stat_interval v;
    OK(accuracy_skill(&v, a, PREDICTOR_TWIN, accuracy_find(a, "cpu"), k, WINDOW_ALL, &stat,
                      &w->scratch));
    return v.value;
}

/* The noise of web.cpu is a tenth of what its load moves it by: what was learned must show. */
static void test_learned(void **state)
{
    struct twin_fixture *w = *state;
    struct accuracy a, none;
    struct stat_interval v;
    load(w, 20);
    measure(&a, w);
    assert_true(skill(w, &a, 1) > 0.75);
    assert_true(skill(w, &a, HORIZON) > 0.6);
    for (int wide = 0; wide < 2; wide++) {
        OK(accuracy_coverage(&v, &a, wide != 0, accuracy_find(&a, "cpu"), 1, WINDOW_ALL, &stat,
                             &w->scratch));
        assert_true(fabs(v.value - (wide != 0 ? 0.9 : 0.5)) < 0.08);
    }
    for (int m = 0; m < w->model.ensemble.n_members; m++) { /* forget everything */
        memset(w->model.ensemble.members[m].params, 0,
               w->model.ensemble.mlp.n_params * sizeof(float));
    }
    measure(&none, w);
    assert_true(skill(w, &none, 1) < 0.3);
    OK(accuracy_gain(&v, &a, &none, accuracy_find(&a, "cpu"), 1, WINDOW_ALL, &stat, &w->scratch));
    assert_true(v.lo > 0.3);
}

/* The ratio of two episodes in which nothing was answered is known: they are the same. */
static void test_ratio(void **state)
{
    (void)state;
    assert_true(accuracy_ratio(2.0, 4.0) == 0.5 && accuracy_ratio(4.0, 2.0) == 0.5);
    assert_true(accuracy_ratio(0.0, 3.0) == 0.0 && accuracy_ratio(3.0, 0.0) == 0.0);
    assert_true(accuracy_ratio(0.0, 0.0) == 1.0);
}

/* All periods are those under attack and the quiet ones. */
static void test_windows(void **state)
{
    struct twin_fixture *w = *state;
    struct accuracy a;
    load(w, 1);
    measure(&a, w);
    for (int e = 0; e < a.n_episodes; e++) {
        for (int i = 0; i < HORIZON * a.n_groups; i++) {
            const struct accuracy_sum *s =
                a.sums + ((ptrdiff_t)e * HORIZON + i / a.n_groups) * WINDOWS * a.n_groups +
                i % a.n_groups;
            assert_true(s[0].n == s[a.n_groups].n + s[2 * a.n_groups].n);
        }
    }
}

/* The page has every table; the files are there. */
static void test_twin_report(void **state)
{
    struct twin_fixture *w = *state;
    struct accuracy a;
    struct buf page;
    const int horizons[2] = {1, HORIZON};
    const char *dir = arena_printf(&w->scene.arena, "%s/report", w->scene.dir);
    static const char *const files[] = {"accuracy.csv", "pairs.csv", "twin-horizon.gp",
                                        "twin-coverage.gp", "twin-pairs.gp"};
    struct twin_report_pairs *pairs;
    load(w, 1);
    measure(&a, w);
    const struct twin_report f = {.names = {"as used", "the same"},
                                  .twins = {&a, &a},
                                  .n_twins = 2,
                                  .horizons = horizons,
                                  .n_horizons = 2,
                                  .stat = stat};
    OK(twin_report_pairs_new(&pairs, &w->scene.arena, horizons, 2));
    buf_init(&page);
    OK(twin_report_print(&page, &f, &w->scratch));
    OK(buf_append(&page, "", 1));
    const char *text = (const char *)page.data;
    assert_non_null(strstr(text, "Skill, all periods"));
    assert_non_null(strstr(text, "Skill, under attack periods"));
    assert_non_null(strstr(text, "Coverage"));
    assert_non_null(strstr(text, "- the same k=5"));
    assert_non_null(strstr(text, "Who answered"));
    buf_release(&page);
    OK(twin_report_figures(dir, &f, pairs, &w->scratch));
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        const char *path = arena_printf(&w->scene.arena, "%s/%s", dir, files[i]);
        assert_true(file_exists(path));
        assert_int_equal(unlink(path), 0);
    }
    assert_int_equal(rmdir(dir), 0);
}

#define TEST_(name) cmocka_unit_test_setup_teardown(name, twin_fixture_setup, twin_fixture_teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_(test_trivial_predictors),
        TEST_(test_hold_without_a_past),
        TEST_(test_learned),
        cmocka_unit_test(test_ratio),
        TEST_(test_windows),
        TEST_(test_twin_report),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
