/* Summary and frontiers as tables. See comparison.h.
 *
 * Apart from the Pareto fronts nothing is computed here: cells are read from the summary, the
 * frontiers, the claims and the separation, so text and Markdown show the same numbers. A table
 * without rows, or whose parts were not configured, is left out together with its title. */
#include "core/report/comparison.h"

#include "core/eval/pareto.h"
#include "core/report/separation_table.h"

#include <math.h>

enum { SHARE_DECIMALS = 3, COLUMNS = 8 };

/* A column of a table of means. */
struct column {
    const char *head;
    int metric, decimals;
};
/* One table of means: its title and the metrics that it shows. */
struct layout {
    const char *title;
    struct column columns[COLUMNS];
    int n_columns;
};

static const struct layout primary = {
    "What clients got, and what it cost",
    {{"SLO attainment", METRIC_OF(slo_attainment), SHARE_DECIMALS},
     {"answered", METRIC_OF(success), SHARE_DECIMALS},
     {"pending", METRIC_OF(pending), SHARE_DECIMALS},
     {"resilience OR", METRIC_OF(resilience), SHARE_DECIMALS},
     {"vCPU h", METRIC_OF(vcpu_h), SHARE_DECIMALS},
     {"mean vCPU", METRIC_OF(vcpu), 2}},
    6};
static const struct layout terms = {"The five terms of resilience OR, and the reward",
                                    {{"success", METRIC_OF(or_success), SHARE_DECIMALS},
                                     {"pods", METRIC_OF(or_pods), SHARE_DECIMALS},
                                     {"latency", METRIC_OF(or_latency), SHARE_DECIMALS},
                                     {"entry points", METRIC_OF(or_entry), SHARE_DECIMALS},
                                     {"legitimate", METRIC_OF(or_traffic), SHARE_DECIMALS},
                                     {"reward", METRIC_OF(reward), SHARE_DECIMALS}},
                                    6};
static const struct layout service = {"Service in the course of an episode",
                                      {{"latency ms", METRIC_OF(latency), 0},
                                       {"availability", METRIC_OF(availability), SHARE_DECIMALS},
                                       {"violation s", METRIC_OF(violation), 0},
                                       {"recovery s", METRIC_OF(recovery), 0},
                                       {"not recovered", METRIC_OF(censored), SHARE_DECIMALS}},
                                      5};
static const struct layout operation = {"How the controllers work",
                                        {{"scalings 1/h", METRIC_OF(scalings), 1},
                                         {"flips 1/h", METRIC_OF(flips), 1},
                                         {"conflicts", METRIC_OF(conflicts), SHARE_DECIMALS}},
                                        3};

static const char *view_name(const struct comparison *c, int view)
{
    return summary_scenario_name(c->summary, summary_scenario(c->summary, view));
}

static const char *name_of(const struct comparison *c, int controller)
{
    return controller_label(&c->summary->cfg->controllers[controller]);
}

static enum err print_title(struct buf *out, const char *title, enum table_style style)
{
    return style == TABLE_MARKDOWN ? buf_printf(out, "\n## %s\n\n", title)
                                   : buf_printf(out, "\n%s\n\n", title);
}

/* ---- means ---- */

/* Episodes without a request, which no number of this evaluation rests on. The blank line stands
 * before the first sentence only. */
static enum err print_empty(struct buf *out, const struct comparison *c, enum table_style style)
{
    const struct summary *s = c->summary;
    bool first = true;
    for (int view = 0; view < s->n_views; view++) {
        if (s->n_empty[view] > 0) {
            TRY(buf_printf(out,
                           "%s%s: %d of %d episodes received no request; they are not scored "
                           "and left out of every number.%s\n",
                           first ? "\n" : "", view_name(c, view), s->n_empty[view],
                           s->cfg->episodes, style == TABLE_MARKDOWN ? "<br>" : ""));
            first = false;
        }
    }
    return ERR_OK;
}

/* The largest number of episodes, over the shown controllers, that lack a metric though they are
 * scored. Episodes that are not scored lack every metric and have a line of their own
 * (print_empty()), so they are subtracted. */
static int count_skipped(const struct summary *s, int view, int metric)
{
    int most = 0;
    for (int i = 0; i < s->n_shown; i++) {
        const int n = summary_cell(s, i, view, metric)->skipped;
        most = n > most ? n : most;
    }
    return most - s->n_empty[view];
}

/* One line for each metric and view that rests on fewer episodes. Markdown would join the lines, so
 * they are separated by <br>. */
static enum err print_skipped(struct buf *out, const struct comparison *c, const struct layout *l,
                              enum table_style style)
{
    const struct summary *s = c->summary;
    bool first = true;
    for (int k = 0; k < l->n_columns; k++) {
        for (int view = 0; view < s->n_views; view++) {
            const int most = count_skipped(s, view, l->columns[k].metric);
            if (most > 0) {
                TRY(buf_printf(out,
                               "%s%s, %s: not defined in up to %d of %d episodes, which are "
                               "left out.\n",
                               first                     ? "\n"
                               : style == TABLE_MARKDOWN ? "<br>"
                                                         : "",
                               l->columns[k].head, view_name(c, view), most, s->cfg->episodes));
                first = false;
            }
        }
    }
    return ERR_OK;
}

static enum err print_means(struct buf *out, const struct comparison *c, const struct layout *l,
                            enum table_style style, struct arena *scratch)
{
    const struct summary *s = c->summary;
    const char *head[COLUMNS + 2] = {"scenario", "controller"};
    struct table t;
    for (int k = 0; k < l->n_columns; k++) {
        head[k + 2] = l->columns[k].head;
    }
    table_init(&t, scratch, head, l->n_columns + 2, 2);
    for (int view = 0; view < s->n_views; view++) {
        for (int i = 0; i < s->n_shown; i++) {
            table_text(&t, view_name(c, view));
            table_text(&t, name_of(c, s->shown[i]));
            for (int k = 0; k < l->n_columns; k++) {
                table_interval(&t, &summary_cell(s, i, view, l->columns[k].metric)->value,
                               l->columns[k].decimals);
            }
        }
    }
    TRY(print_title(out, l->title, style));
    TRY(table_print(out, &t, style));
    return print_skipped(out, c, l, style);
}

/* ---- differences ---- */

/* A row for each reference against each other shown controller: reference minus the other one. */
static enum err print_gaps(struct buf *out, const struct comparison *c, enum table_style style,
                           struct arena *scratch)
{
    static const char *const head[] = {"scenario", "difference", "SLO attainment", "vCPU h",
                                       "P(first is better)"};
    const struct summary *s = c->summary;
    struct table t;
    if (s->n_shown < 2) {
        return ERR_OK;
    }
    table_init(&t, scratch, head, 5, 2);
    for (int view = 0; view < s->n_views; view++) {
        for (int r = 0; r < s->n_references; r++) {
            for (int i = 0; i < s->n_shown; i++) {
                if (i == s->references[r]) {
                    continue;
                }
                const struct summary_gap *g = summary_gap(s, r, i, view);
                table_text(&t, view_name(c, view));
                table_cell(&t, "%s - %s", name_of(c, s->shown[s->references[r]]),
                           name_of(c, s->shown[i]));
                table_difference(&t, &g->slo_attainment.value, SHARE_DECIMALS);
                table_difference(&t, &g->vcpu_h.value, SHARE_DECIMALS);
                table_interval(&t, &g->better.value, 2);
            }
        }
    }
    TRY(print_title(out, "Differences on common episodes", style));
    return table_print(out, &t, style);
}

/* ---- claims ---- */

/* The verdict rests on the difference and on p (Holm); the other numbers stand beside it. */
static void add_claim(struct table *t, const struct comparison *c, const struct claim *claim)
{
    table_cell(t, "%s > %s", name_of(c, claim->arm), name_of(c, claim->baseline));
    table_text(t, verdict_text(claim->verdict));
    table_difference(t, &claim->diff, SHARE_DECIMALS);
    table_interval(t, &claim->share, 2);
    table_cell(t, "%.4f", claim->p);
    table_cell(t, "%.4f", claim->p_holm);
    table_cell(t, "%d", claim->n_units);
}

/* The note gives the level of the intervals, which is higher than the evaluation's when there are
 * several claims, so that they hold together. */
static enum err print_claims(struct buf *out, const struct comparison *c, enum table_style style,
                             struct arena *scratch)
{
    static const char *const head[] = {"claim", "verdict",  "SLO attainment", "P(better)",
                                       "p",     "p (Holm)", "units"};
    const struct summary *s = c->summary;
    struct table t;
    if (c->claims->n == 0) {
        return ERR_OK;
    }
    table_init(&t, scratch, head, 7, 2);
    for (int i = 0; i < c->claims->n; i++) {
        add_claim(&t, c, &c->claims->items[i]);
    }
    TRY(print_title(out, "Primary comparisons, fixed beforehand", style));
    TRY(table_print(out, &t, style));
    return buf_printf(
        out,
        "\n  %s; smallest difference that matters: %g; intervals of the differences "
        "hold together (each %.4g %%, percentile_corrected);\n  sign-flip tests on units that "
        "share neither a training nor an episode\n",
        view_name(c, s->n_views - 1), s->cfg->effect_min, 100.0 * c->claims->level);
}

/* ---- typical episodes, Pareto fronts ---- */

static const char *front_text(bool cost, bool flips)
{
    return cost ? (flips ? "vCPU h, flips" : "vCPU h") : flips ? "flips" : "-";
}

/* The fronts are those of all controllers, so a controller that is not shown may dominate one that
 * is. */
static enum err add_fronts(struct table *t, const struct comparison *c, int view,
                           struct arena *scratch)
{
    const struct summary *s = c->summary;
    const int scenario = summary_scenario(s, view);
    bool *by_cost = ARENA_NEW(scratch, s->outcomes.n_controllers, bool);
    bool *by_flips = ARENA_NEW(scratch, s->outcomes.n_controllers, bool);
    TRY(arena_error(scratch));
    TRY(pareto_of(by_cost, &s->outcomes, scenario, METRIC_OF(vcpu_h), scratch));
    TRY(pareto_of(by_flips, &s->outcomes, scenario, METRIC_OF(flips), scratch));
    for (int i = 0; i < s->n_shown; i++) {
        const int controller = s->shown[i];
        table_text(t, view_name(c, view));
        table_text(t, name_of(c, controller));
        table_text(t, front_text(by_cost[controller], by_flips[controller]));
        table_interval(t, &summary_cell(s, i, view, METRIC_OF(slo_attainment))->value,
                       SHARE_DECIMALS);
        table_interval(t, &summary_iqm(s, i, view)->value, SHARE_DECIMALS);
        table_interval(t, &summary_cell(s, i, view, METRIC_OF(vcpu_h))->value, SHARE_DECIMALS);
        table_interval(t, &summary_cell(s, i, view, METRIC_OF(flips))->value, 1);
    }
    return ERR_OK;
}

static enum err print_fronts(struct buf *out, const struct comparison *c, enum table_style style,
                             struct arena *scratch)
{
    static const char *const head[] = {"scenario", "controller", "unbeaten in", "SLO attainment",
                                       "IQM",      "vCPU h",     "flips 1/h"};
    struct table t;
    table_init(&t, scratch, head, 7, 3);
    for (int view = 0; view < c->summary->n_views; view++) {
        TRY(add_fronts(&t, c, view, scratch));
    }
    TRY(print_title(out, "Typical episodes, and who is on the Pareto front of SLO attainment",
                    style));
    return table_print(out, &t, style);
}

/* ---- frontiers ---- */

/* A frontier without a value at the policy's cost says so; its interval is then not defined either.
 * A frontier that has a value may still have none in some resamples, whose share stands in the last
 * column. */
static void add_gap(struct table *t, const struct comparison *c, int p, int frontier, int view)
{
    const struct frontiers *f = c->frontiers;
    const struct frontier_gap *g = frontiers_gap(f, p, frontier, view);
    if (g->n_arms == 0) {
        return;
    }
    table_text(t, view_name(c, view));
    table_text(t, name_of(c, f->policies[p]));
    table_cell(t, "%s, %d %s", frontiers_name(f, frontier), g->n_arms,
               g->n_arms == 1 ? "arm" : "arms");
    table_cell(t, "%.3f", g->cost);
    if (isfinite(g->value)) {
        table_cell(t, "%.3f", g->value);
    } else {
        table_text(t, "none so cheap");
    }
    table_difference(t, &g->diff, SHARE_DECIMALS);
    table_cell(t, "%.1f %%", 100.0 * g->undefined / c->summary->cfg->resamples);
}

/* A row for each policy and each method that forms a frontier here. n_cells == n_columns means that
 * nothing but the head was added. */
static enum err print_frontiers(struct buf *out, const struct comparison *c, enum table_style style,
                                struct arena *scratch)
{
    static const char *const head[] = {"scenario",           "policy",         "frontier of",
                                       "at vCPU h",          "SLO attainment", "policy - frontier",
                                       "resamples undefined"};
    struct table t;
    table_init(&t, scratch, head, 7, 3);
    for (int view = 0; view < c->summary->n_views; view++) {
        for (int p = 0; p < c->frontiers->n_policies; p++) {
            for (int i = 0; i < c->frontiers->n_kinds + c->frontiers->n_sweeps; i++) {
                add_gap(&t, c, p, i, view);
            }
        }
    }
    if (t.n_cells == t.n_columns) {
        return ERR_OK; /* no sweeps, or no policy */
    }
    TRY(print_title(out, "Policies against the best of each method at their own cost", style));
    return table_print(out, &t, style);
}

/* Corners of the hull of one method, cheapest first: the settings that are worth choosing. A method
 * with a single corner forms no frontier. */
static enum err add_corners(struct table *t, const struct comparison *c, int frontier, int view,
                            struct arena *scratch)
{
    const struct summary *s = c->summary;
    const int scenario = summary_scenario(s, view);
    struct frontier_point *points =
        ARENA_NEW(scratch, s->cfg->n_controllers, struct frontier_point);
    TRY(arena_error(scratch));
    const int n = frontiers_corners(points, c->frontiers, frontier, scenario);
    for (int i = 0; n > 1 && i < n; i++) {
        const int arm = points[i].arm;
        table_text(t, view_name(c, view));
        table_text(t, frontiers_name(c->frontiers, frontier));
        table_text(t, name_of(c, arm));
        table_cell(t, "%.2f", outcomes_mean(&s->outcomes, arm, scenario, METRIC_OF(vcpu)));
        table_cell(t, "%.4f", points[i].value);
        table_cell(t, "%.1f", outcomes_mean(&s->outcomes, arm, scenario, METRIC_OF(flips)));
    }
    return ERR_OK;
}

static enum err print_corners(struct buf *out, const struct comparison *c, enum table_style style,
                              struct arena *scratch)
{
    static const char *const head[] = {"scenario",  "frontier of",    "corner",
                                       "mean vCPU", "SLO attainment", "flips 1/h"};
    struct table t;
    table_init(&t, scratch, head, 6, 3);
    for (int view = 0; view < c->summary->n_views; view++) {
        for (int i = 0; i < c->frontiers->n_kinds + c->frontiers->n_sweeps; i++) {
            TRY(add_corners(&t, c, i, view, scratch));
        }
    }
    if (t.n_cells == t.n_columns) {
        return ERR_OK;
    }
    TRY(print_title(out, "Corners of the frontiers", style));
    return table_print(out, &t, style);
}

/* A row needs one of the two shares: without nothing or ff among the controllers, or where ff
 * attains no more than nothing, both are undefined. */
static enum err print_headroom(struct buf *out, const struct comparison *c, enum table_style style,
                               struct arena *scratch)
{
    static const char *const head[] = {"scenario", "policy", "SLO attainment", "resilience OR"};
    const struct frontiers *f = c->frontiers;
    struct table t;
    table_init(&t, scratch, head, 4, 2);
    for (int view = 0; view < c->summary->n_views; view++) {
        for (int p = 0; p < f->n_policies; p++) {
            const struct headroom *h = frontiers_headroom(f, p, view);
            if (!isfinite(h->slo_attainment.value) && !isfinite(h->resilience.value)) {
                continue;
            }
            table_text(&t, view_name(c, view));
            table_text(&t, name_of(c, f->policies[p]));
            table_interval(&t, &h->slo_attainment, 2);
            table_interval(&t, &h->resilience, 2);
        }
    }
    if (t.n_cells == t.n_columns) {
        return ERR_OK;
    }
    TRY(print_title(out, "Share of the headroom between doing nothing (0) and the best ff (1)",
                    style));
    return table_print(out, &t, style);
}

/* ---- all ---- */

static enum err print_notes(struct buf *out, const struct comparison *c, enum table_style style)
{
    TRY(buf_printf(out, "%s\n", style == TABLE_MARKDOWN ? "# Evaluation\n" : "Evaluation"));
    for (int i = 0; i < c->n_notes; i++) {
        TRY(buf_printf(out, "%s%s\n", style == TABLE_MARKDOWN ? "- " : "  ", c->notes[i]));
    }
    return ERR_OK;
}

/* What clients got stands first, the comparisons that rest on it last. */
static enum err print_all(struct buf *out, const struct comparison *c, enum table_style style,
                          struct arena *scratch)
{
    TRY(print_notes(out, c, style));
    TRY(print_means(out, c, &primary, style, scratch));
    TRY(print_empty(out, c, style));
    TRY(separation_table_print_upper_bound(out, c->summary));
    TRY(separation_table_print(out, c->separation, c->summary->cfg->separation, style, scratch));
    TRY(print_means(out, c, &terms, style, scratch));
    if (c->complete) {
        TRY(print_means(out, c, &service, style, scratch));
        TRY(print_means(out, c, &operation, style, scratch));
    }
    TRY(print_fronts(out, c, style, scratch));
    TRY(print_claims(out, c, style, scratch));
    TRY(print_gaps(out, c, style, scratch));
    TRY(print_frontiers(out, c, style, scratch));
    TRY(print_corners(out, c, style, scratch));
    return print_headroom(out, c, style, scratch);
}

enum err comparison_print(struct buf *out, const struct comparison *c, enum table_style style,
                          struct arena *scratch)
{
    const struct arena_mark mark = arena_mark(scratch);
    const enum err e = print_all(out, c, style, scratch);
    arena_rewind(scratch, mark);
    return e;
}
