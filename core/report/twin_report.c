/* Tables and three figures of a twin's accuracy. See twin_report.h. Every number is computed by
 * core/twin/accuracy.h; this file chooses and arranges them. */
#include "core/report/twin_report.h"

#include "core/base/csv.h"
#include "core/base/file.h"
#include "core/report/script.h"
#include "core/report/table.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const char *const window_name[WINDOWS] = {"all", "under attack", "quiet"};

/* ---- tables ---- */

struct page {
    struct buf *out;
    const struct twin_report *f;
    struct arena *scratch;
};

/* The number of groups over all services; those of one service stand behind them. All twins of a
 * report have the same groups, as they were measured on the same episodes. */
static int pooled(const struct twin_report *f)
{
    int n = 0;
    while (n < f->twins[0]->n_groups && !f->twins[0]->groups[n].of_service) {
        n++;
    }
    return n;
}

/* A value that some resample leaves undefined has no interval and stands alone. */
static enum err add_interval(struct table *t, const struct stat_interval *v)
{
    if (isfinite(v->value) && !isfinite(v->lo)) {
        table_cell(t, "%.2f", v->value);
    } else {
        table_interval(t, v, 2);
    }
    return t->failed;
}

/* The twin's skill with its interval at each horizon, then the skill of the simple predictors: 1 -
 * gap / gap of the mean. The mean itself is left out, since its skill is 0 by definition; where
 * even the mean makes no error (a constant) there is no skill. */
static enum err skill_row(struct page *p, struct table *t, int group, enum accuracy_window window)
{
    const struct twin_report *f = p->f;
    const struct accuracy *a = f->twins[0];
    struct stat_interval v;
    table_text(t, a->groups[group].name);
    for (int h = 0; h < f->n_horizons; h++) {
        TRY(accuracy_skill(&v, a, PREDICTOR_TWIN, group, f->horizons[h], window, &f->stat,
                           p->scratch));
        TRY(add_interval(t, &v));
    }
    for (enum predictor who = PREDICTOR_HOLD; who < PREDICTORS; who++) {
        for (int h = 0; who != PREDICTOR_MEAN && h < f->n_horizons; h++) {
            const double mean = accuracy_gap(a, PREDICTOR_MEAN, group, f->horizons[h], window);
            const double gap = accuracy_gap(a, who, group, f->horizons[h], window);
            if (mean > 0.0) {
                table_cell(t, "%.2f", 1.0 - gap / mean);
            } else {
                table_text(t, "-");
            }
        }
    }
    return t->failed;
}

/* Of metrics over all services, or of services one by one. Three parts of n_horizons columns each,
 * in the order of enum predictor without the mean. */
static enum err skills(struct page *p, enum accuracy_window window, bool of_service)
{
    const struct twin_report *f = p->f;
    const char *head[TABLE_COLUMNS_MAX] = {of_service ? "service and metric" : "metric"};
    struct table t;
    int n = 1;
    for (int part = 0; part < 3; part++) {
        static const char *const who[] = {"twin", "hold", "median"};
        for (int h = 0; h < f->n_horizons; h++) {
            head[n++] = arena_printf(p->scratch, "%s k=%d", who[part], f->horizons[h]);
        }
    }
    TRY(arena_error(p->scratch));
    table_init(&t, p->scratch, head, n, 1);
    for (int g = 0; g < f->twins[0]->n_groups; g++) {
        if (f->twins[0]->groups[g].of_service == of_service) {
            TRY(skill_row(p, &t, g, window));
        }
    }
    if (t.n_cells == t.n_columns) { /* the head alone */
        return ERR_OK;
    }
    TRY(buf_printf(p->out,
                   "\nSkill%s, %s periods: 1 - |gap| / |gap of the mean|, k periods ahead\n\n",
                   of_service ? " of each service" : "", window_name[window]));
    return table_print(p->out, &t, TABLE_TEXT);
}

/* Of a well calibrated twin the columns are 0.5 for the 50 % intervals, which stand first, and 0.9
 * for the others. */
static enum err coverage(struct page *p)
{
    const struct twin_report *f = p->f;
    const char *head[TABLE_COLUMNS_MAX] = {"metric"};
    struct table t;
    struct stat_interval v;
    int n = 1;
    for (int wide = 0; wide < 2; wide++) {
        for (int h = 0; h < f->n_horizons; h++) {
            head[n++] = arena_printf(p->scratch, "%s %% k=%d", wide ? "90" : "50", f->horizons[h]);
        }
    }
    TRY(arena_error(p->scratch));
    table_init(&t, p->scratch, head, n, 1);
    for (int g = 0; g < pooled(f); g++) {
        table_text(&t, f->twins[0]->groups[g].name);
        for (int wide = 0; wide < 2; wide++) {
            for (int h = 0; h < f->n_horizons; h++) {
                TRY(accuracy_coverage(&v, f->twins[0], wide != 0, g, f->horizons[h], WINDOW_ALL,
                                      &f->stat, p->scratch));
                TRY(add_interval(&t, &v));
            }
        }
    }
    TRY(buf_printf(p->out, "\nCoverage: share of what came that lay in the 50 %% and 90 %% "
                           "intervals\n\n"));
    return table_print(p->out, &t, TABLE_TEXT);
}

/* What the table and the networks are each worth. */
static enum err gains(struct page *p)
{
    const struct twin_report *f = p->f;
    const char *head[TABLE_COLUMNS_MAX] = {"metric"};
    struct table t;
    struct stat_interval v;
    int n = 1;
    for (int i = 1; i < f->n_twins; i++) {
        for (int h = 0; h < f->n_horizons; h++) {
            head[n++] = arena_printf(p->scratch, "- %s k=%d", f->names[i], f->horizons[h]);
        }
    }
    TRY(arena_error(p->scratch));
    if (f->n_twins == 1) {
        return ERR_OK;
    }
    table_init(&t, p->scratch, head, n, 1);
    for (int g = 0; g < pooled(f); g++) {
        table_text(&t, f->twins[0]->groups[g].name);
        for (int i = 1; i < f->n_twins; i++) {
            for (int h = 0; h < f->n_horizons; h++) {
                TRY(accuracy_gain(&v, f->twins[0], f->twins[i], g, f->horizons[h], WINDOW_ALL,
                                  &f->stat, p->scratch));
                table_difference(&t, &v, 2);
            }
        }
    }
    TRY(buf_printf(p->out, "\nSkill of this twin minus that of one\n\n"));
    return table_print(p->out, &t, TABLE_TEXT);
}

/* The ratio of mean resilience is one number for each episode, and their mean stands here. A twin
 * of a recording has no exact counters, so it has no resilience. */
static enum err sources(struct page *p)
{
    static const char *const head[] = {"twin", "table", "networks", "nearest", "hold", "OR ratio"};
    const struct twin_report *f = p->f;
    struct table t;
    table_init(&t, p->scratch, head, 6, 1);
    for (int i = 0; i < f->n_twins; i++) {
        const struct accuracy *a = f->twins[i];
        double all = 0.0, ratio = 0.0;
        for (int s = 0; s < TWIN_SOURCES; s++) {
            all += (double)a->steps_by_source[s];
        }
        for (int e = 0; e < a->n_episodes; e++) {
            ratio += a->ratio[e] / a->n_episodes;
        }
        table_text(&t, f->names[i]);
        for (int s = 0; s < TWIN_SOURCES; s++) {
            table_cell(&t, "%.1f %%", 100.0 * (double)a->steps_by_source[s] / all);
        }
        table_number(&t, a->model->features.n_kpis > 0 ? ratio : NAN);
    }
    TRY(buf_printf(p->out, "\nWho answered (share of steps), and the paper's accuracy: smaller / "
                           "larger mean resilience\nof an episode, twin and cluster under the same "
                           "actions (a constant reaches it, too: no target)\n\n"));
    return table_print(p->out, &t, TABLE_TEXT);
}

/* Tables without rows (no groups of services, a single twin) print nothing. */
enum err twin_report_print(struct buf *out, const struct twin_report *f, struct arena *scratch)
{
    const struct arena_mark mark = arena_mark(scratch);
    struct page p = {.out = out, .f = f, .scratch = scratch};
    TRY(buf_printf(
        out,
        "%d episodes, %d imagined rollouts from every decision that is a multiple of %d; "
        "%.0f %% intervals resample episodes\n",
        f->twins[0]->n_episodes, ACCURACY_SAMPLES, f->twins[0]->cfg.stride, 100.0 * f->stat.level));
    TRY(skills(&p, WINDOW_ALL, false));
    TRY(skills(&p, WINDOW_BUSY, false));
    TRY(skills(&p, WINDOW_ALL, true));
    TRY(skills(&p, WINDOW_BUSY, true));
    TRY(coverage(&p));
    TRY(gains(&p));
    TRY(sources(&p));
    arena_rewind(scratch, mark);
    return ERR_OK;
}

/* ---- predicted against true ---- */

/* Every STRIDE-th prediction is kept, so that the points spread over the whole evaluation.
 * Predictions come in an order that repeats with the services and the decisions of an episode; a
 * prime that divides neither does not always meet the same ones. */
enum { STRIDE = 17 };

struct pair {
    float truth, predicted;
};
struct twin_report_pairs {
    const int *horizons;
    int n_horizons;
    struct pair *pairs;  /* (ACCURACY_GROUPS_MAX, n_horizons, TWIN_REPORT_PAIRS_MAX) */
    int64_t *n_observed; /* (ACCURACY_GROUPS_MAX, n_horizons) */
};

enum err twin_report_pairs_new(struct twin_report_pairs **out, struct arena *arena,
                               const int *horizons, int n_horizons)
{
    const size_t n = (size_t)ACCURACY_GROUPS_MAX * (size_t)n_horizons;
    struct twin_report_pairs *p = ARENA_NEW(arena, 1, struct twin_report_pairs);
    struct pair *pairs = ARENA_NEW(arena, n * TWIN_REPORT_PAIRS_MAX, struct pair);
    int64_t *n_observed = ARENA_NEW(arena, n, int64_t);
    TRY(arena_error(arena));
    *p = (struct twin_report_pairs){
        .horizons = horizons, .n_horizons = n_horizons, .pairs = pairs, .n_observed = n_observed};
    *out = p;
    return ERR_OK;
}

/* n counts all predictions of this group and horizon; number n is pair n / STRIDE if n is a
 * multiple of STRIDE, as long as there is room. So which pairs are kept depends on the order alone.
 */
static void see(void *ctx, int group, int k, double truth, double predicted)
{
    struct twin_report_pairs *p = ctx;
    for (int h = 0; h < p->n_horizons; h++) {
        if (p->horizons[h] == k) {
            const ptrdiff_t at = (ptrdiff_t)group * p->n_horizons + h;
            const int64_t n = p->n_observed[at]++;
            if (n % STRIDE == 0 && n / STRIDE < TWIN_REPORT_PAIRS_MAX) {
                p->pairs[at * TWIN_REPORT_PAIRS_MAX + n / STRIDE] =
                    (struct pair){(float)truth, (float)predicted};
            }
        }
    }
}

struct accuracy_watch twin_report_watch(struct twin_report_pairs *p)
{
    return (struct accuracy_watch){.ctx = p, .see = see};
}

/* The pairs 0 .. min(ceil(n_observed / STRIDE), TWIN_REPORT_PAIRS_MAX) - 1 exist, see above. */
static enum err write_pairs(const char *path, const struct twin_report *f,
                            const struct twin_report_pairs *p, struct arena *scratch)
{
    static const char *const columns[] = {"metric", "k", "true", "predicted"};
    struct csv csv;
    enum err e = csv_create(&csv, scratch, path, columns, 4);
    TRY(e);
    for (int g = 0; e == ERR_OK && g < f->twins[0]->n_groups; g++) {
        for (int h = 0; e == ERR_OK && h < p->n_horizons; h++) {
            const ptrdiff_t at = (ptrdiff_t)g * p->n_horizons + h;
            for (int64_t i = 0;
                 e == ERR_OK && i * STRIDE < p->n_observed[at] && i < TWIN_REPORT_PAIRS_MAX; i++) {
                const struct pair *one = &p->pairs[at * TWIN_REPORT_PAIRS_MAX + i];
                csv_text(&csv, f->twins[0]->groups[g].name);
                csv_int(&csv, p->horizons[h]);
                csv_num(&csv, (double)one->truth);
                csv_num(&csv, (double)one->predicted);
                e = csv_end_row(&csv);
            }
        }
    }
    csv_close(&csv);
    return e;
}

/* ---- every number ---- */

/* Without a check for a mean gap of 0: the skill is then not finite, and gnuplot draws nothing. */
static enum err write_row(struct csv *csv, const struct twin_report *f, int twin, int group, int k,
                          enum accuracy_window window, struct arena *scratch)
{
    const struct accuracy *a = f->twins[twin];
    const double mean = accuracy_gap(a, PREDICTOR_MEAN, group, k, window);
    struct stat_interval half, most;
    struct stat_cfg once = f->stat;
    once.resamples = 1; /* a curve shows the numbers; their intervals stand in the tables */
    TRY(accuracy_coverage(&half, a, false, group, k, window, &once, scratch));
    TRY(accuracy_coverage(&most, a, true, group, k, window, &once, scratch));
    csv_text(csv, f->names[twin]);
    csv_text(csv, a->groups[group].name);
    csv_text(csv, a->groups[group].unit);
    csv_text(csv, window_name[window]);
    csv_int(csv, k);
    for (int who = 0; who < PREDICTORS; who++) {
        csv_num(csv, accuracy_gap(a, (enum predictor)who, group, k, window));
    }
    csv_num(csv, 1.0 - accuracy_gap(a, PREDICTOR_TWIN, group, k, window) / mean);
    csv_num(csv, half.value);
    csv_num(csv, most.value);
    return csv_end_row(csv);
}

/* i counts (group, window, horizon) with the horizon fastest, so a curve's rows are consecutive and
 * in order. */
static enum err write_numbers(const char *path, const struct twin_report *f, struct arena *scratch)
{
    static const char *const columns[] = {"twin",       "metric",   "unit",      "window",
                                          "k",          "gap_twin", "gap_hold",  "gap_mean",
                                          "gap_median", "skill",    "inside_50", "inside_90"};
    struct csv csv;
    enum err e = csv_create(&csv, scratch, path, columns, 12);
    TRY(e);
    for (int t = 0; e == ERR_OK && t < f->n_twins; t++) {
        const struct accuracy *a = f->twins[t];
        for (int i = 0; e == ERR_OK && i < a->n_groups * WINDOWS * a->cfg.horizon; i++) {
            e = write_row(&csv, f, t, i / (WINDOWS * a->cfg.horizon), 1 + i % a->cfg.horizon,
                          (enum accuracy_window)(i / a->cfg.horizon % WINDOWS), scratch);
        }
    }
    csv_close(&csv);
    return e;
}

/* ---- figures ---- */

/* The metrics that are drawn, where the twin has them, and what they are called there. */
static const struct {
    const char *name, *title;
} drawn[] = {
    {"response", "response time"},
    {"latency", "latency"},
    {"queue", "queue length"},
    {"answered", "answered / received"},
    {"in time (exact)", "SLO attainment"},
    {"util_10s", "CPU use / request"},
};
enum { DRAWN = sizeof drawn / sizeof *drawn };

/* Curves of the twins lie upon each other where the forms of a twin agree: the first is wide with
 * large markers, the next ones are narrow, so that all are seen. */
static const struct {
    double line, marker;
} sizes[] = {{4.0, 1.0}, {1.8, 0.5}, {1.2, 0.5}};

/* Width of the lines and size of the markers; further twins look like the last. */
static int size_of(int twin)
{
    const int n = sizeof sizes / sizeof *sizes;
    return twin < n ? twin : n - 1;
}

/* Six panels, and above them a plot without a border that is nothing but the key of all: as wide as
 * the figure, so that its entries stand in a row, and outside of what is drawn in the panels. */
enum { TWIN_WIDTH = 880, TWIN_HEIGHT = 620, ACROSS = 3 };

/* A plot without axes over the whole width, between 0.85 and 0.94 of the height. `width` makes
 * entries narrower, so that a row of long names fits. */
static void begin_key(struct script *s, const char *title, int rows)
{
    script_put(
        s,
        "set multiplot title %s\nset lmargin at screen 0.01\nset rmargin at screen 0.99\n"
        "set tmargin at screen 0.94\nset bmargin at screen 0.85\nunset border\nunset tics\n"
        "set xrange [0:1]\nset yrange [0:1]\n"
        "set key inside center vertical maxrows %d Left reverse samplen 2.5 width %d noenhanced "
        "font ',12'\n"
        "plot ",
        script_quoted(s, title), rows, rows > 1 ? -6 : -1);
}

static void end_key(struct script *s)
{
    script_put(s, "\nunset key\nset border 3 lw 1 lc rgb '#404040'\nset tics nomirror out\n"
                  "set xrange [*:*]\nset xlabel 'steps ahead (periods)'\n");
}

/* The next panel is metric i; `gap` is left between columns, a share of the width. Two rows of
 * ACROSS panels fill left .. right and bottom .. top; a metric that the twin does not have leaves
 * its place empty, so that a metric has the same place in all figures. */
static void begin_panel(struct script *s, int i, double gap)
{
    const double left = 0.1, right = 0.985, top = 0.8, bottom = 0.12, between = 0.21;
    const double width = (right - left - (ACROSS - 1) * gap) / ACROSS;
    const double height = (top - bottom - between) / 2;
    const double x = left + (i % ACROSS) * (width + gap);
    const double y = bottom + (1 - i / ACROSS) * (height + between);
    script_put(s,
               "set lmargin at screen %.4f\nset rmargin at screen %.4f\n"
               "set bmargin at screen %.4f\nset tmargin at screen %.4f\n"
               "set title %s noenhanced\n",
               x, x + width, y, y + height, script_quoted(s, drawn[i].title));
}

/* Entry of the key for a twin, with its line and marker but no curve. A comma follows in any case:
 * the caller adds a last entry. */
static void name_twin(struct script *s, const struct twin_report *f, int t, const char *note,
                      int marker)
{
    const char *name = arena_printf(s->arena, "%s%s", f->names[t], note);
    script_put(s, "NaN with linespoints lw %g pt %d ps %g lc rgb '%s' title %s, ",
               sizes[size_of(t)].line, marker, sizes[size_of(t)].marker, script_colours[t],
               script_quoted(s, name != NULL ? name : ""));
}

/* A line for each twin: its column, of all windows. */
static void plot_twins(struct script *s, const struct twin_report *f, const char *metric,
                       const char *column, int marker)
{
    for (int t = 0; t < f->n_twins; t++) {
        script_put(s,
                   "'accuracy.csv' using (strcol('twin') eq %s && strcol('metric') eq %s && "
                   "strcol('window') eq 'all' ? column('k') : NaN):'%s' with linespoints lw %g pt "
                   "%d ps %g lc rgb '%s' notitle, ",
                   script_quoted(s, f->names[t]), script_quoted(s, metric), column,
                   sizes[size_of(t)].line, marker, sizes[size_of(t)].marker, script_colours[t]);
    }
}

#define DASHED "with lines dt 2 lw 1.5 lc rgb '#606060'"

static enum err draw_horizon(const char *dir, const struct twin_report *f, struct arena *scratch)
{
    struct script s;
    script_begin(&s, scratch, dir, "twin-horizon", TWIN_WIDTH, TWIN_HEIGHT);
    begin_key(&s, "open-loop skill by horizon: 1 - |error| / |error of the mean|", 1);
    for (int t = 0; t < f->n_twins; t++) {
        name_twin(&s, f, t, "", 7);
    }
    script_put(&s, "NaN " DASHED " title 'last value held'");
    end_key(&s);
    script_put(&s, "set yrange [-0.2:1]\nset ytics nomirror 0.2\nset xtics 5 nomirror\n");
    for (int i = 0; i < DRAWN; i++) {
        if (accuracy_find(f->twins[0], drawn[i].name) >= 0) {
            begin_panel(&s, i, 0.075);
            script_put(&s, "set ylabel '%s'\nplot ", i % ACROSS == 0 ? "skill (ratio)" : "");
            plot_twins(&s, f, drawn[i].name, "skill", 7);
            script_put(&s,
                       "'accuracy.csv' using (strcol('twin') eq %s && strcol('metric') eq %s && "
                       "strcol('window') eq 'all' ? column('k') : NaN):(1 - column('gap_hold') / "
                       "column('gap_mean')) " DASHED " notitle\n",
                       script_quoted(&s, f->names[0]), script_quoted(&s, drawn[i].name));
        }
    }
    script_put(&s, "unset multiplot\n");
    return script_finish(&s);
}

static enum err draw_coverage(const char *dir, const struct twin_report *f, struct arena *scratch)
{
    struct script s;
    script_begin(&s, scratch, dir, "twin-coverage", TWIN_WIDTH, TWIN_HEIGHT);
    begin_key(&s, "observed values that lay within the twin's 90 % and 50 % intervals", 2);
    for (int t = 0; t < f->n_twins; t++) {
        name_twin(&s, f, t, ", 90 %", 7);
        name_twin(&s, f, t, ", 50 %", 6);
    }
    script_put(&s, "NaN " DASHED " title 'nominal'");
    end_key(&s);
    script_put(
        &s,
        "set yrange [0:1]\nset ytics nomirror (0, 0.25, 0.5, 0.75, 0.9)\nset xtics 5 nomirror\n");
    for (int i = 0; i < DRAWN; i++) {
        if (accuracy_find(f->twins[0], drawn[i].name) >= 0) {
            begin_panel(&s, i, 0.075);
            script_put(&s, "set ylabel '%s'\nplot ", i % ACROSS == 0 ? "coverage (share)" : "");
            plot_twins(&s, f, drawn[i].name, "inside_90", 7);
            plot_twins(&s, f, drawn[i].name, "inside_50", 6);
            script_put(&s, "0.9 " DASHED " notitle, 0.5 " DASHED " notitle\n");
        }
    }
    script_put(&s, "unset multiplot\n");
    return script_finish(&s);
}

/* The longest and the shortest horizon. The longest first: the other one, whose points lie closer
 * to the line, stays in sight. With metric NULL only the entries of the key are written. */
static void plot_pairs(struct script *s, const struct twin_report *f, const char *metric)
{
    for (int h = f->n_horizons - 1; h >= 0; h -= f->n_horizons - 1 > 0 ? f->n_horizons - 1 : 1) {
        const char *colour = script_colours[h == 0 ? 0 : 1];
        if (metric == NULL) {
            script_put(s, ", NaN with points pt 7 ps 0.3 lc rgb '%s' title '%d %s ahead'", colour,
                       f->horizons[h], f->horizons[h] == 1 ? "period" : "periods");
        } else {
            script_put(
                s,
                ", 'pairs.csv' using (strcol('metric') eq %s && column('k') == %d ? "
                "column('true') : NaN):'predicted' with points pt 7 ps 0.3 lc rgb '%s' notitle",
                script_quoted(s, metric), f->horizons[h], colour);
        }
    }
}

static enum err draw_pairs(const char *dir, const struct twin_report *f, struct arena *scratch)
{
    struct script s;
    script_begin(&s, scratch, dir, "twin-pairs", TWIN_WIDTH, TWIN_HEIGHT + 40);
    begin_key(&s, "what the twin predicted (median of its episodes) and what was observed", 1);
    script_put(&s, "NaN with lines lc rgb '#606060' title 'predicted = observed'");
    plot_pairs(&s, f, NULL);
    end_key(&s);
    script_put(&s, "set yrange [*:*]\nset xtics nomirror font ',11' rotate by 45 right autofreq\n"
                   "set ytics nomirror font ',11'\n");
    for (int i = 0; i < DRAWN; i++) {
        const int group = accuracy_find(f->twins[0], drawn[i].name);
        if (group >= 0) {
            const char *unit = f->twins[0]->groups[group].unit;
            unit = unit[0] != '\0' ? unit : "share";
            begin_panel(&s, i, 0.115);
            script_put(&s,
                       "set xlabel 'observed (%s)'\nset ylabel 'predicted (%s)'\n"
                       "plot x with lines lc rgb '#606060' notitle",
                       unit, unit);
            plot_pairs(&s, f, drawn[i].name);
            script_put(&s, "\n");
        }
    }
    script_put(&s, "unset multiplot\n");
    return script_finish(&s);
}

/* Data before scripts: a script that exists finds its files. */
enum err twin_report_figures(const char *dir, const struct twin_report *f,
                             const struct twin_report_pairs *pairs, struct arena *scratch)
{
    const struct arena_mark mark = arena_mark(scratch);
    const char *numbers = arena_printf(scratch, "%s/accuracy.csv", dir);
    const char *scatter = arena_printf(scratch, "%s/pairs.csv", dir);
    TRY(arena_error(scratch));
    TRY(file_make_dirs(dir));
    TRY(write_numbers(numbers, f, scratch));
    TRY(write_pairs(scatter, f, pairs, scratch));
    TRY(draw_horizon(dir, f, scratch));
    TRY(draw_coverage(dir, f, scratch));
    TRY(draw_pairs(dir, f, scratch));
    arena_rewind(scratch, mark);
    return ERR_OK;
}
