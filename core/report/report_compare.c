/* What a panel says: means, differences, frontiers, Pareto fronts, performance profiles. See
 * report.h.
 *
 * Numbers are computed one by one (summary_mean(), summary_difference()): a summary of everything
 * would take minutes for a hundred arms of twenty seeds. */
#include "core/report/report_parts.h"

#include "core/base/progress.h"
#include "core/eval/frontier.h"
#include "core/eval/pareto.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { COLUMNS_MAX = 12, PROFILE_POINTS = 101, DECIMALS = 3 };

/* A column of a table of means. */
struct column {
    const char *head;
    int metric, decimals;
};
static const struct column results_columns[] = {
    {"SLO attainment", METRIC_OF(slo_attainment), DECIMALS},
    {"answered", METRIC_OF(success), DECIMALS},
    {"pending", METRIC_OF(pending), DECIMALS},
    {"resilience OR", METRIC_OF(resilience), DECIMALS},
    {"mean vCPU", METRIC_OF(vcpu), 2},
    {"recovery s", METRIC_OF(recovery), 1},
    {"not recovered", METRIC_OF(censored), DECIMALS},
    {"availability", METRIC_OF(availability), DECIMALS},
    {"flips 1/h", METRIC_OF(flips), 1},
};
enum { N_COLUMNS = sizeof results_columns / sizeof *results_columns };
static const struct column operation_columns[] = {
    {"latency ms", METRIC_OF(latency), 0},         {"violation s", METRIC_OF(violation), 0},
    {"scalings 1/h", METRIC_OF(scalings), 1},      {"flips 1/h", METRIC_OF(flips), 1},
    {"conflicts", METRIC_OF(conflicts), DECIMALS},
};
enum { N_OPERATION = sizeof operation_columns / sizeof *operation_columns };

static const char *arm_name(const struct panel_view *v, int i)
{
    return v->cfg.controllers[i].name;
}

static int scenario_of(const struct panel_view *v)
{
    return summary_scenario(&v->summary, v->summary.n_views - 1);
}

static const char *scenario_name(const struct panel_view *v)
{
    return summary_scenario_name(&v->summary, scenario_of(v));
}

/* ---- means ---- */

static enum err add_means(struct report *f, struct table *t, const struct panel_view *v)
{
    for (int i = 0; i < v->cfg.n_controllers; i++) {
        struct summary_cell iqm;
        table_text(t, scenario_name(v));
        table_text(t, arm_name(v, i));
        table_cell(t, "%d", panel_view_seeds(v, i));
        for (int k = 0; k < N_COLUMNS; k++) {
            struct summary_cell cell;
            TRY(summary_mean(&cell, &v->summary, i, scenario_of(v), results_columns[k].metric,
                             TWOWAY_MEAN, f->scratch));
            table_interval(t, &cell.value, results_columns[k].decimals);
        }
        TRY(summary_mean(&iqm, &v->summary, i, scenario_of(v), METRIC_OF(slo_attainment),
                         TWOWAY_IQM, f->scratch));
        table_interval(t, &iqm.value, DECIMALS);
    }
    return t->failed;
}

/* How the arms work: further means. */
static enum err add_operation(struct report *f, struct table *t, const struct panel_view *v)
{
    for (int i = 0; i < v->cfg.n_controllers; i++) {
        table_text(t, scenario_name(v));
        table_text(t, arm_name(v, i));
        for (int k = 0; k < N_OPERATION; k++) {
            struct summary_cell cell;
            TRY(summary_mean(&cell, &v->summary, i, scenario_of(v), operation_columns[k].metric,
                             TWOWAY_MEAN, f->scratch));
            table_interval(t, &cell.value, operation_columns[k].decimals);
        }
    }
    return t->failed;
}

static void begin_operation(struct table *t, struct arena *arena)
{
    const char *head[N_OPERATION + 2] = {"scenario", "arm"};
    for (int k = 0; k < N_OPERATION; k++) {
        head[k + 2] = operation_columns[k].head;
    }
    table_init(t, arena, head, N_OPERATION + 2, 2);
}

static void begin_means(struct table *t, struct arena *arena)
{
    const char *head[N_COLUMNS + 4] = {"scenario", "arm", "seeds"};
    for (int k = 0; k < N_COLUMNS; k++) {
        head[k + 3] = results_columns[k].head;
    }
    head[N_COLUMNS + 3] = "IQM of SLO attainment";
    table_init(t, arena, head, N_COLUMNS + 4, 2);
}

/* ---- differences ---- */

/* The probability of improvement compares every pair of policies, so it is computed for one view
 * of a panel only. */
static enum err add_differences(struct report *f, struct table *t, const struct panel_view *v,
                                bool with_probability)
{
    static const int metrics[] = {METRIC_OF(slo_attainment), METRIC_OF(resilience),
                                  METRIC_OF(vcpu)};
    static const int decimals[] = {DECIMALS, DECIMALS, 2};
    for (int i = 0; i < v->cfg.n_controllers; i++) {
        struct summary_cell cell = {.value = {NAN, NAN, NAN}};
        if (i == v->reference) {
            continue;
        }
        table_text(t, scenario_name(v));
        table_cell(t, "%s - %s", arm_name(v, i), arm_name(v, v->reference));
        for (int k = 0; k < 3; k++) {
            TRY(summary_difference(&cell, &v->summary, i, v->reference, scenario_of(v), metrics[k],
                                   TWOWAY_MEAN, f->scratch));
            table_difference(t, &cell.value, decimals[k]);
        }
        cell.value = (struct stat_interval){NAN, NAN, NAN};
        if (with_probability) {
            TRY(summary_difference(&cell, &v->summary, i, v->reference, scenario_of(v),
                                   METRIC_OF(slo_attainment), TWOWAY_IMPROVEMENT, f->scratch));
        }
        table_interval(t, &cell.value, DECIMALS);
    }
    return t->failed;
}

/* ---- equal cost ---- */

static enum err put_frontiers(struct report *f, const struct panel_view *v, int panel)
{
    static const char *const head[] = {
        "policy",         "frontier of",       "at vCPU h",
        "SLO attainment", "policy - frontier", "resamples undefined"};
    struct table t;
    table_init(&t, f->scratch, head, 6, 2);
    for (int i = 0; i < v->cfg.n_controllers; i++) {
        if (!v->panel->arms[v->arms[i]].learned) {
            continue;
        }
        for (int k = 0; k < frontier_n_kinds(); k++) {
            struct frontier_gap g;
            TRY(frontiers_against(&g, &v->summary, i, frontier_kind(k), scenario_of(v),
                                  f->scratch));
            if (g.n_arms == 0) {
                continue;
            }
            table_text(&t, arm_name(v, i));
            table_cell(&t, "%s, %d arm%s", frontier_kind(k)->cfg.name, g.n_arms,
                       g.n_arms == 1 ? "" : "s");
            table_fixed(&t, g.cost, DECIMALS);
            table_fixed(&t, g.value, DECIMALS);
            table_difference(&t, &g.diff, DECIMALS);
            table_cell(&t, "%.1f %%", 100.0 * g.undefined / v->cfg.resamples);
        }
    }
    page_table(
        f->page, report_id(f, "equal-cost", panel),
        "Policies against the best that rules reach at the policy's own cost",
        "The frontier of a method is the upper hull of its arms in this report; a single arm "
        "is flat beyond its own cost. A dash: every arm costs more than the policy.",
        &t);
    if (table_n_rows(&t) == 0) {
        report_lacks(f, "Policies at equal cost",
                     "there is no policy, or no rule of a method that can be swept (khpa, ff, "
                     "static, scripted), among the arms");
    }
    return t.failed;
}

/* ---- Pareto front ---- */

/* Points with intervals on both axes, the front in one series and the others in another. A share
 * is drawn from 0 to 1, however wide the interval of few seeds is. */
static void draw_front(struct report *f, const struct panel_view *v, int panel, const bool *front,
                       const struct stat_interval *cost, const struct stat_interval *value)
{
    const int n = v->cfg.n_controllers;
    struct plot_series series[2];
    double *x = ARENA_NEW(f->scratch, 12 * n, double);
    const char **labels = ARENA_NEW(f->scratch, 4 * n, const char *);
    if (x == NULL || labels == NULL) {
        return;
    }
    const char **numbers = labels + (ptrdiff_t)2 * n; /* of the rows of the table */
    for (int i = 0; i < n; i++) {
        numbers[i] = arena_printf(f->scratch, "%d", i + 1);
    }
    if (arena_error(f->scratch) != ERR_OK) {
        return;
    }
    for (int s = 0; s < 2; s++) {
        double *at = x + 6 * s * n;
        int k = 0;
        for (int i = 0; i < n; i++) {
            if (front[i] == (s == 0)) {
                at[k] = cost[i].value;
                at[n + k] = value[i].value;
                at[2 * n + k] = fmax(value[i].lo, 0.0);
                at[3 * n + k] = fmin(value[i].hi, fmax(value[i].value, 1.0));
                at[4 * n + k] = cost[i].lo;
                at[5 * n + k] = cost[i].hi;
                labels[s * n + k] = numbers[i];
                k++;
            }
        }
        series[s] = (struct plot_series){.name = s == 0 ? "on the front" : "dominated",
                                         .x = at,
                                         .y = at + n,
                                         .lo = at + 2 * n,
                                         .hi = at + 3 * n,
                                         .x_lo = at + 4 * n,
                                         .x_hi = at + 5 * n,
                                         .labels = labels + (ptrdiff_t)s * n,
                                         .n = k,
                                         .points = true};
    }
    const struct plot plot = {.title = "SLO attainment against mean vCPU",
                              .x_label = "mean requested CPU (vCPU)",
                              .y_label = "SLO attainment (share)",
                              .x_min = NAN,
                              .x_max = NAN,
                              .y_min = NAN,
                              .y_max = NAN,
                              .series = series,
                              .n_series = series[1].n > 0 ? 2 : 1};
    page_figure(
        f->page, report_id(f, "pareto", panel),
        "SLO attainment against cost. Bars are intervals; numbers are rows of the table below",
        &plot);
}

static enum err put_front(struct report *f, const struct panel_view *v, int panel)
{
    static const char *const head[] = {"no.", "arm", "on the front", "mean vCPU", "SLO attainment"};
    const int n = v->cfg.n_controllers;
    bool *front = ARENA_NEW(f->scratch, n, bool);
    struct stat_interval *cost = ARENA_NEW(f->scratch, n, struct stat_interval);
    struct stat_interval *value = ARENA_NEW(f->scratch, n, struct stat_interval);
    struct table t;
    TRY(arena_error(f->scratch));
    TRY(pareto_of(front, &v->summary.outcomes, scenario_of(v), METRIC_OF(vcpu), f->scratch));
    table_init(&t, f->scratch, head, 5, 3);
    for (int i = 0; i < n; i++) {
        struct summary_cell a, b;
        TRY(summary_mean(&a, &v->summary, i, scenario_of(v), METRIC_OF(vcpu), TWOWAY_MEAN,
                         f->scratch));
        TRY(summary_mean(&b, &v->summary, i, scenario_of(v), METRIC_OF(slo_attainment), TWOWAY_MEAN,
                         f->scratch));
        cost[i] = a.value;
        value[i] = b.value;
        table_cell(&t, "%d", i + 1);
        table_text(&t, arm_name(v, i));
        table_text(&t, front[i] ? "yes" : "no");
        table_interval(&t, &cost[i], 2);
        table_interval(&t, &value[i], DECIMALS);
    }
    draw_front(f, v, panel, front, cost, value);
    page_table(f->page, report_id(f, "pareto", panel),
               "The Pareto front of SLO attainment and mean vCPU",
               "On the front is an arm if no other has both a higher SLO attainment and a lower "
               "cost. Fronts are computed from means; the intervals say how certain they are.",
               &t);
    return t.failed;
}

/* ---- performance profiles ---- */

/* The share of (scenario, training seed, episode) whose SLO attainment is above tau = k / 100, with
 * equal weights for scenarios (the run-score distribution of R. Agarwal et al., 2021, with episodes
 * for runs). x: SLO attainments (n_train, n_scenarios, n_episodes); seeds and episodes: how often
 * each counts. Undefined values count for nothing. */
static void profile_of(double *out, const double *x, const uint32_t *seeds, int n_train,
                       int n_scenarios, const uint32_t *episodes, int n_episodes)
{
    double above[PROFILE_POINTS + 1];
    double share[PROFILE_POINTS] = {0};
    int n_counted = 0;
    for (int s = 0; s < n_scenarios; s++) {
        double total = 0.0;
        memset(above, 0, sizeof above);
        for (int t = 0; t < n_train; t++) {
            const double *row = x + ((ptrdiff_t)t * n_scenarios + s) * n_episodes;
            for (int e = 0; seeds[t] > 0 && e < n_episodes; e++) {
                if (isfinite(row[e])) {
                    /* above tau_0 ... tau_(k - 1): k is the least with tau_k >= value */
                    const double k = ceil(fmin(fmax(row[e], 0.0), 1.0) * (PROFILE_POINTS - 1));
                    above[(int)k] += (double)seeds[t] * episodes[e];
                    total += (double)seeds[t] * episodes[e];
                }
            }
        }
        double sum = 0.0;
        for (int k = PROFILE_POINTS - 1; k >= 0 && total > 0.0; k--) {
            sum += above[k + 1];
            share[k] += sum / total;
        }
        n_counted += total > 0.0 ? 1 : 0;
    }
    for (int k = 0; k < PROFILE_POINTS; k++) {
        out[k] = n_counted > 0 ? share[k] / n_counted : NAN;
    }
}

static void count_draws(uint32_t *counts, uint32_t *drawn, int n, const struct stat_cfg *cfg,
                        uint32_t resample, enum stat_role role)
{
    stat_draw(drawn, (uint32_t)n, cfg, resample, (uint32_t)role);
    memset(counts, 0, (size_t)n * sizeof *counts);
    for (int i = 0; i < n; i++) {
        counts[drawn[i]]++;
    }
}

/* out (3, PROFILE_POINTS): the profile, and the ends of its pointwise interval. */
static enum err profile(double *out, struct report *f, const struct panel_view *v, int arm)
{
    const struct outcomes *o = &v->summary.outcomes;
    const int n_train = o->n_train[arm], n = n_train > o->n_episodes ? n_train : o->n_episodes;
    const int resamples = v->cfg.resamples < 1000 ? v->cfg.resamples : 1000;
    struct stat_cfg cfg = summary_bootstrap(
        &v->cfg, summary_stream(&v->summary, "performance profile", arm, SUMMARY_NONE,
                                scenario_of(v), METRIC_OF(slo_attainment)));
    const int n_values = n_train * o->n_scenarios * o->n_episodes;
    double *x = ARENA_NEW(f->scratch, n_values, double);
    double *rows = ARENA_NEW(f->scratch, (size_t)resamples * PROFILE_POINTS, double);
    double *column = ARENA_NEW(f->scratch, resamples, double);
    uint32_t *seeds = ARENA_NEW(f->scratch, n, uint32_t);
    uint32_t *episodes = ARENA_NEW(f->scratch, n, uint32_t);
    uint32_t *drawn = ARENA_NEW(f->scratch, n, uint32_t);
    TRY(arena_error(f->scratch));
    cfg.resamples = (uint32_t)resamples;
    for (int t = 0; t < n_values; t++) {
        x[t] = o->rows[o->first[arm] + t].m.slo_attainment;
    }
    for (int i = 0; i < n; i++) {
        seeds[i] = episodes[i] = 1;
    }
    profile_of(out, x, seeds, n_train, o->n_scenarios, episodes, o->n_episodes);
    for (int r = 0; r < resamples; r++) {
        count_draws(seeds, drawn, n_train, &cfg, (uint32_t)r, STAT_ROLE_TRAIN_A);
        count_draws(episodes, drawn, o->n_episodes, &cfg, (uint32_t)r, STAT_ROLE_EVAL);
        profile_of(rows + (size_t)r * PROFILE_POINTS, x, seeds, n_train, o->n_scenarios, episodes,
                   o->n_episodes);
    }
    for (int k = 0; k < PROFILE_POINTS; k++) {
        struct stat_interval interval = {out[k], NAN, NAN};
        bool defined = true;
        for (int r = 0; r < resamples; r++) {
            column[r] = rows[(ptrdiff_t)r * PROFILE_POINTS + k];
            defined = defined && isfinite(column[r]);
        }
        if (defined) {
            TRY(stat_percentiles(&interval, out[k], column, &cfg, f->scratch));
        }
        out[PROFILE_POINTS + k] = interval.lo;
        out[2 * PROFILE_POINTS + k] = interval.hi;
    }
    return ERR_OK;
}

/* Figures of a few arms each: more cannot be told apart. */
enum { ARMS_DRAWN = 6, FIGURES_MAX = 8 };

static enum err put_profiles(struct report *f, const struct panel_view *v, int panel)
{
    const int n = v->cfg.n_controllers;
    double tau[PROFILE_POINTS];
    for (int k = 0; k < PROFILE_POINTS; k++) {
        tau[k] = k / (double)(PROFILE_POINTS - 1);
    }
    for (int from = 0, figure = 1; from < n && figure <= FIGURES_MAX;
         from += ARMS_DRAWN, figure++) {
        const struct arena_mark mark = arena_mark(f->scratch);
        struct plot_series series[ARMS_DRAWN];
        int k = 0;
        for (int i = from; i < n && k < ARMS_DRAWN; i++, k++) {
            double *curves = ARENA_NEW(f->scratch, 3 * PROFILE_POINTS, double);
            TRY(arena_error(f->scratch));
            const struct arena_mark inner = arena_mark(f->scratch);
            TRY(profile(curves, f, v, i));
            arena_rewind(f->scratch, inner);
            series[k] = (struct plot_series){.name = arm_name(v, i),
                                             .x = tau,
                                             .y = curves,
                                             .lo = curves + PROFILE_POINTS,
                                             .hi = curves + 2 * PROFILE_POINTS,
                                             .n = PROFILE_POINTS};
        }
        const struct plot plot = {.title = "Performance profile",
                                  .x_label = "tau: SLO attainment (share)",
                                  .y_label = "episodes above tau (share)",
                                  .x_min = 0,
                                  .x_max = 1,
                                  .y_min = 0,
                                  .y_max = 1,
                                  .series = series,
                                  .n_series = k};
        const char *name = arena_printf(f->arena, "profile-%d", figure);
        TRY(arena_error(f->arena));
        page_figure(f->page, report_id(f, name, panel),
                    "Performance profiles: the share of episodes, over scenarios and training "
                    "seeds, whose SLO attainment is above tau; bands are pointwise intervals",
                    &plot);
        arena_rewind(f->scratch, mark);
    }
    if (n > ARMS_DRAWN * FIGURES_MAX) {
        page_text(f->page, "Only the first %d of %d arms are drawn.", ARMS_DRAWN * FIGURES_MAX, n);
    }
    return ERR_OK;
}

/* ---- a panel ---- */

/* Tables with rows for each view of a panel. */
struct view_tables {
    struct table means, operation, differences;
};

/* One view's rows. Its own memory is given back. */
static enum err add_view(struct report *f, struct view_tables *t, const struct panel *p,
                         int scenario, bool with_probability)
{
    const struct arena_mark mark = arena_mark(f->scratch);
    struct panel_view v;
    int n;
    TRY(panel_view(&v, &n, p, scenario, &f->cfg->view, f->scratch));
    if (n > 0) {
        TRY(add_means(f, &t->means, &v));
        TRY(add_operation(f, &t->operation, &v));
        TRY(add_differences(f, &t->differences, &v, with_probability));
    }
    arena_rewind(f->scratch, mark);
    return ERR_OK;
}

static enum err put_whole(struct report *f, const struct panel *p, int panel)
{
    const struct arena_mark mark = arena_mark(f->scratch);
    struct panel_view v;
    int n;
    TRY(panel_view(&v, &n, p, p->n_scenarios > 1 ? OUTCOMES_POOLED : 0, &f->cfg->view, f->scratch));
    if (n > 0) {
        TRY(put_frontiers(f, &v, panel));
        TRY(put_front(f, &v, panel));
        TRY(put_profiles(f, &v, panel));
    } else {
        report_lacks(f, "Results over all scenarios",
                     "no arm was evaluated in every scenario of these episodes");
    }
    arena_rewind(f->scratch, mark);
    return ERR_OK;
}

enum err report_compare(struct report *f, int panel)
{
    static const char *const head[] = {"scenario",      "difference", "SLO attainment",
                                       "resilience OR", "mean vCPU",  "P(first is better)"};
    const struct panel *p = &f->panels[panel];
    struct progress progress;
    struct view_tables t;
    const bool pools = p->n_scenarios > 1;
    const int n_views = p->n_scenarios + (pools ? 1 : 0);
    begin_means(&t.means, f->arena);
    begin_operation(&t.operation, f->arena);
    table_init(&t.differences, f->arena, head, 6, 2);
    progress_begin(&progress, "report", 0, (uint64_t)n_views + 1);
    for (int i = 0; i < n_views; i++) {
        const int scenario = pools ? i - 1 : 0; /* -1: all */
        TRY(add_view(f, &t, p, i == 0 && pools ? OUTCOMES_POOLED : scenario, i == 0));
        progress_at(&progress, (uint64_t)i + 1, "%s", "");
    }
    page_text(f->page, "%s; %d scenario%s, %d arms.", report_episodes(f, p), p->n_scenarios,
              p->n_scenarios == 1 ? "" : "s", p->n_arms);
    page_table(f->page, report_id(f, "results", panel),
               pools ? "Results: all scenarios together, then each by itself" : "Results",
               "Means with intervals over training seeds and episodes. (all): every scenario has "
               "the same weight; only arms and seeds that were evaluated in all of them. SLO "
               "attainment: requests answered without error in time / received. IQM: mean of the "
               "middle half of the episodes.",
               &t.means);
    page_table(f->page, report_id(f, "operation", panel), "How the arms work",
               "Violation: time below the service level. Flips: changes of direction of a service. "
               "Conflicts: share of the periods in which agents pulled one service both ways.",
               &t.operation);
    page_table(f->page, report_id(f, "differences", panel),
               "Differences from the reference on the same episodes",
               "Read these, and not whether two intervals of the table above overlap. P: share of "
               "pairs of policies and episodes in which the first has the higher SLO attainment.",
               &t.differences);
    const enum err e = put_whole(f, p, panel);
    progress_end(&progress);
    return e;
}
