/* Two panels over mean vCPU: what the trials attained, with frontiers, and their objectives. See
 * trials_table.h. */
#include "core/report/script.h"
#include "core/report/trials_table.h"

#include "core/base/csv.h"
#include "core/base/file.h"
#include "core/base/log.h"

#include <math.h>
#include <stdbool.h>

/* `role` says what a row is drawn as. */
static enum err put_row(struct csv *csv, const char *role, int trial, int rung,
                        const struct trial_score *s)
{
    const struct stat_interval *all[] = {&s->vcpu, &s->slo_attainment, &s->objective};
    csv_text(csv, role);
    csv_int(csv, trial);
    csv_int(csv, rung);
    for (int i = 0; i < 3; i++) {
        csv_num(csv, all[i]->value);
        csv_num(csv, all[i]->lo);
        csv_num(csv, all[i]->hi);
    }
    return csv_end_row(csv);
}

static enum err put_point(struct csv *csv, const char *role, double vcpu, double slo_attainment)
{
    const struct stat_interval none = {NAN, NAN, NAN};
    const struct trial_score s = {
        .objective = none, .slo_attainment = {slo_attainment, NAN, NAN}, .vcpu = {vcpu, NAN, NAN}};
    return put_row(csv, role, 0, 0, &s);
}

/* The corners, and on to the right edge: more need not be spent. */
static enum err put_frontier(struct csv *csv, const char *role, const struct frontier_point *points,
                             int n, double edge)
{
    for (int i = 0; i < n; i++) {
        TRY(put_point(csv, role, points[i].cost, points[i].value));
    }
    return n > 0 && edge > points[n - 1].cost ? put_point(csv, role, edge, points[n - 1].value)
                                              : ERR_OK;
}

static bool is_scored(const struct trial_result *t)
{
    return t != NULL && !t->failed && isfinite(t->score.vcpu.value) &&
           isfinite(t->score.slo_attainment.value);
}

/* Trials of the last rung: those before it were played in fewer episodes. */
static int own_frontier(struct frontier_point *points, const struct trials_report *r)
{
    int n = 0;
    for (int i = 0; i < r->n_results; i++) {
        const struct trial_result *t = &r->results[i];
        if (t->rung == r->n_rungs && is_scored(t)) {
            points[n++] = (struct frontier_point){.cost = t->score.vcpu.value,
                                                  .value = t->score.slo_attainment.value,
                                                  .arm = t->trial};
        }
    }
    return n > 0 ? frontier_hull(points, n) : 0;
}

static const char *role_of(const struct trials_report *r, const struct trial_result *t)
{
    const struct trial_result *best = trials_best(r);
    return best != NULL && t->trial == best->trial ? "best"
           : t->trial == 1                         ? "configured"
           : t->rung < r->n_rungs                  ? "dropped"
                                                   : "trial";
}

static double largest_vcpu(const struct trials_report *r)
{
    double most = 0.0;
    for (int i = 0; i < r->n_results; i++) {
        most = is_scored(&r->results[i]) ? fmax(most, r->results[i].score.vcpu.value) : most;
    }
    return most;
}

/* *n: rows of trials. */
static enum err put_all(struct csv *csv, int *n, const struct trials_report *r, struct arena *arena)
{
    struct frontier_point *points = ARENA_NEW(arena, r->n_results + 1, struct frontier_point);
    TRY(arena_error(arena));
    const double edge = largest_vcpu(r);
    TRY(put_frontier(csv, "reference", r->reference, r->n_reference, edge));
    TRY(put_frontier(csv, "frontier", points, own_frontier(points, r), edge));
    *n = 0;
    for (int trial = 1; trial <= r->cfg->trials; trial++) {
        const struct trial_result *t = trials_last(r, trial);
        if (is_scored(t)) {
            TRY(put_row(csv, role_of(r, t), trial, t->rung, &t->score));
            ++*n;
        }
    }
    return ERR_OK;
}

static enum err write_data(const char *dir, int *n, const struct trials_report *r,
                           struct arena *arena)
{
    static const char *const columns[] = {"role",
                                          "trial",
                                          "rung",
                                          "vcpu",
                                          "vcpu_lo",
                                          "vcpu_hi",
                                          "slo_attainment",
                                          "slo_attainment_lo",
                                          "slo_attainment_hi",
                                          "objective",
                                          "objective_lo",
                                          "objective_hi"};
    const char *path = file_join(arena, dir, "trials.csv");
    struct csv csv;
    TRY(arena_error(arena));
    TRY(csv_create(&csv, arena, path, columns, (int)(sizeof columns / sizeof *columns)));
    const enum err e = put_all(&csv, n, r, arena);
    csv_close(&csv);
    return e;
}

/* Rows of one role; of others the value is NaN, which gnuplot leaves out. title "": the key has it
 * from the panel above. */
static void plot(struct script *s, const char *role, const char *column, const char *how,
                 const char *title)
{
    script_put(s,
               "    'trials.csv' using (strcol('role') eq '%s' ? column('vcpu') : NaN):'%s' with "
               "%s %s%s%s, \\\n",
               role, column, how, title[0] != '\0' ? "title '" : "notitle", title,
               title[0] != '\0' ? "'" : "");
}

/* With intervals in both directions. Their ends are NaN, too, in rows of other roles: an axis would
 * be made for them. */
static void plot_marked(struct script *s, const char *role, const char *column, const char *how,
                        const char *title)
{
    static const char *const ends[] = {"_lo", "_hi"};
    script_put(s, "    'trials.csv' using (strcol('role') eq '%s' ? column('vcpu') : NaN):'%s'",
               role, column);
    for (int axis = 0; axis < 2; axis++) {
        for (int i = 0; i < 2; i++) {
            script_put(s, ":(strcol('role') eq '%s' ? column('%s%s') : NaN)", role,
                       axis == 0 ? "vcpu" : column, ends[i]);
        }
    }
    script_put(s, " with xyerrorbars %s %s%s%s", how, title[0] != '\0' ? "title '" : "notitle",
               title, title[0] != '\0' ? "'" : "");
}

/* The best and the configured one with their intervals, the others as dots. */
static void plot_trials(struct script *s, const struct trials_report *r, const char *column,
                        bool titled)
{
    plot(s, "trial", column, "points pt 7 ps 0.45 lc rgb '#0072B2'", titled ? "trial" : "");
    if (r->n_rungs > 1) {
        plot(s, "dropped", column, "points pt 6 ps 0.45 lc rgb '#9a9a9a'",
             titled ? "trial dropped early" : "");
    }
    plot_marked(s, "configured", column, "lw 1.2 pt 5 ps 0.8 lc rgb '#000000'",
                titled ? "as configured" : "");
    script_put(s, ", \\\n");
    plot_marked(s, "best", column, "lw 1.2 pt 9 ps 1.1 lc rgb '#D55E00'",
                titled ? "best trial" : "");
    script_put(s, "\n");
}

/* Unit of the objective: shares, unless a metric with another unit is priced. */
static const char *objective_unit(const struct tune_cfg *cfg)
{
    const int metric = tune_metric(cfg->metric);
    const bool other =
        cfg->objective == TUNE_PRICED && metric >= 0 && metric_info[metric].unit[0] != '\0';
    return other ? metric_info[metric].unit : "share";
}

enum err trials_figure(const char *dir, const struct trials_report *r, struct arena *scratch)
{
    const struct arena_mark mark = arena_mark(scratch);
    struct script s;
    int n;
    TRY(write_data(dir, &n, r, scratch));
    if (n == 0) {
        log_warn("no trial has a score, so there is no figure of trials");
        arena_rewind(scratch, mark);
        return ERR_OK;
    }
    script_begin(&s, scratch, dir, "trials", 860, 760);
    script_put(&s, "set multiplot layout 2,1 margins 0.13,0.62,0.09,0.97 spacing 0.02,0.11\n"
                   "set key at screen 0.99, screen 0.95 right top vertical Left reverse noenhanced "
                   "samplen 2 spacing "
                   "1.2\nset errorbars 0\nset grid xtics lc rgb '#d8d8d8' lw 1 dt 1\n"
                   "set offsets graph 0.03, 0.03, 0.03, 0.03\n"
                   "set xlabel 'mean CPU requested (vCPU)'\nset ylabel 'SLO attainment (share)'\n"
                   "plot \\\n");
    const char *title = arena_printf(scratch, "frontier of %s", r->cfg->reference);
    if (r->n_reference > 0) {
        plot(&s, "reference", "slo_attainment", "lines lw 1.8 lc rgb '#CC79A7'",
             title != NULL ? title : "");
    }
    plot(&s, "frontier", "slo_attainment", "lines lw 1.8 lc rgb '#56B4E9'",
         "frontier of the trials");
    plot_trials(&s, r, "slo_attainment", true);
    /* The frontiers may reach beyond the trials: the panel below gets the same scale of vCPU, so
     * that a trial stands above itself. */
    script_put(&s,
               "unset key\nset xrange [GPVAL_X_MIN:GPVAL_X_MAX]\nset ylabel 'objective (%s)'\n"
               "plot \\\n",
               objective_unit(r->cfg));
    plot_trials(&s, r, "objective", false);
    script_put(&s, "unset multiplot\n");
    const enum err e = script_finish(&s);
    arena_rewind(scratch, mark);
    return e;
}
