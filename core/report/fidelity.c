/* Six tables and three figures. See fidelity.h. */
#include "core/report/fidelity.h"

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
    const struct fidelity *f;
    struct arena *scratch;
};

/* Groups over all services; those of one service stand behind them. */
static int pooled(const struct fidelity *f)
{
    int n = 0;
    while (n < f->twins[0]->n_groups && !f->twins[0]->groups[n].of_service) {
        n++;
    }
    return n;
}

static enum err add_interval(struct table *t, const struct stat_interval *v)
{
    if (isfinite(v->value) && !isfinite(v->lo)) {
        table_cell(t, "%.2f", v->value);
    } else {
        table_interval(t, v, 2);
    }
    return t->failed;
}

static enum err skill_row(struct page *p, struct table *t, int group, enum accuracy_window window)
{
    const struct fidelity *f = p->f;
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

/* Of metrics over all services, or of services one by one. */
static enum err skills(struct page *p, enum accuracy_window window, bool of_service)
{
    const struct fidelity *f = p->f;
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

static enum err coverage(struct page *p)
{
    const struct fidelity *f = p->f;
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
    const struct fidelity *f = p->f;
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

static enum err sources(struct page *p)
{
    static const char *const head[] = {"twin", "table", "networks", "nearest", "hold", "OR ratio"};
    const struct fidelity *f = p->f;
    struct table t;
    table_init(&t, p->scratch, head, 6, 1);
    for (int i = 0; i < f->n_twins; i++) {
        const struct accuracy *a = f->twins[i];
        double all = 0.0, ratio = 0.0;
        for (int s = 0; s < WORLDS_SOURCES; s++) {
            all += (double)a->asked[s];
        }
        for (int e = 0; e < a->n_episodes; e++) {
            ratio += a->ratio[e] / a->n_episodes;
        }
        table_text(&t, f->names[i]);
        for (int s = 0; s < WORLDS_SOURCES; s++) {
            table_cell(&t, "%.1f %%", 100.0 * (double)a->asked[s] / all);
        }
        table_number(&t, a->model->space.n_measures > 0 ? ratio : NAN);
    }
    TRY(buf_printf(p->out, "\nWho answered (share of steps), and the paper's accuracy: smaller / "
                           "larger mean resilience\nof an episode, twin and cluster under the same "
                           "actions (a constant reaches it, too: no target)\n\n"));
    return table_print(p->out, &t, TABLE_TEXT);
}

enum err fidelity_print(struct buf *out, const struct fidelity *f, struct arena *scratch)
{
    const struct arena_mark mark = arena_mark(scratch);
    struct page p = {.out = out, .f = f, .scratch = scratch};
    TRY(buf_printf(out,
                   "%d episodes, %d worlds from every decision that is a multiple of %d; "
                   "%.0f %% intervals resample episodes\n",
                   f->twins[0]->n_episodes, ACCURACY_SAMPLES, f->twins[0]->cfg.stride,
                   100.0 * f->stat.level));
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

/* ---- said against true ---- */

/* Of many, every STRIDE-th: a prime that has nothing in common with services or episodes. */
enum { STRIDE = 17 };

struct pair {
    float truth, said;
};
struct fidelity_pairs {
    const int *horizons;
    int n_horizons;
    struct pair *pairs; /* (ACCURACY_GROUPS_MAX, n_horizons, FIDELITY_PAIRS_MAX) */
    int64_t *seen;      /* (ACCURACY_GROUPS_MAX, n_horizons) */
};

enum err fidelity_pairs_new(struct fidelity_pairs **out, struct arena *arena, const int *horizons,
                            int n_horizons)
{
    const size_t n = (size_t)ACCURACY_GROUPS_MAX * (size_t)n_horizons;
    struct fidelity_pairs *p = ARENA_NEW(arena, 1, struct fidelity_pairs);
    struct pair *pairs = ARENA_NEW(arena, n * FIDELITY_PAIRS_MAX, struct pair);
    int64_t *seen = ARENA_NEW(arena, n, int64_t);
    TRY(arena_error(arena));
    *p = (struct fidelity_pairs){
        .horizons = horizons, .n_horizons = n_horizons, .pairs = pairs, .seen = seen};
    *out = p;
    return ERR_OK;
}

static void see(void *ctx, int group, int k, double truth, double said)
{
    struct fidelity_pairs *p = ctx;
    for (int h = 0; h < p->n_horizons; h++) {
        if (p->horizons[h] == k) {
            const ptrdiff_t at = (ptrdiff_t)group * p->n_horizons + h;
            const int64_t n = p->seen[at]++;
            if (n % STRIDE == 0 && n / STRIDE < FIDELITY_PAIRS_MAX) {
                p->pairs[at * FIDELITY_PAIRS_MAX + n / STRIDE] =
                    (struct pair){(float)truth, (float)said};
            }
        }
    }
}

struct accuracy_watch fidelity_watch(struct fidelity_pairs *p)
{
    return (struct accuracy_watch){.ctx = p, .see = see};
}

static enum err write_pairs(const char *path, const struct fidelity *f,
                            const struct fidelity_pairs *p, struct arena *scratch)
{
    static const char *const columns[] = {"metric", "k", "true", "said"};
    struct csv csv;
    enum err e = csv_create(&csv, scratch, path, columns, 4);
    TRY(e);
    for (int g = 0; e == ERR_OK && g < f->twins[0]->n_groups; g++) {
        for (int h = 0; e == ERR_OK && h < p->n_horizons; h++) {
            const ptrdiff_t at = (ptrdiff_t)g * p->n_horizons + h;
            for (int64_t i = 0; e == ERR_OK && i * STRIDE < p->seen[at] && i < FIDELITY_PAIRS_MAX;
                 i++) {
                const struct pair *one = &p->pairs[at * FIDELITY_PAIRS_MAX + i];
                csv_text(&csv, f->twins[0]->groups[g].name);
                csv_int(&csv, p->horizons[h]);
                csv_num(&csv, (double)one->truth);
                csv_num(&csv, (double)one->said);
                e = csv_end_row(&csv);
            }
        }
    }
    csv_close(&csv);
    return e;
}

/* ---- every number ---- */

static enum err write_row(struct csv *csv, const struct fidelity *f, int twin, int group, int k,
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

static enum err write_numbers(const char *path, const struct fidelity *f, struct arena *scratch)
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

/* The metrics that are drawn, where the twin has them. */
static const char *const drawn[] = {"response", "latency",         "queue",
                                    "answered", "in time (exact)", "util_10s"};
enum { DRAWN = sizeof drawn / sizeof *drawn };

/* Six panels below a title. What the colours mean stands between: keys within panels would cover
 * what is drawn there. */
static void begin_panels(struct script *s, const char *title)
{
    script_put(s,
               "set multiplot layout 2,3 margins screen 0.07,0.985,0.115,0.8 spacing screen "
               "0.075,0.215 title %s\n"
               "set key at screen 0.5,0.915 center horizontal samplen 2 font ',11'\n",
               script_quoted(s, title));
}

/* The names of the twins in their colours, and of the dashed line, in one row. */
static void name_colours(struct script *s, const struct fidelity *f, const char *dashed)
{
    for (int t = 0; t <= f->n_twins; t++) {
        const double x = (t + 0.5) / (f->n_twins + 1);
        const bool last = t == f->n_twins;
        script_put(s, "set label %d %s at screen %.3f,0.9 center tc rgb '%s' font ',12'\n", t + 1,
                   script_quoted(s, last ? dashed : f->names[t]), x,
                   last ? "#606060" : script_colours[t]);
    }
    script_put(s, "unset key\n");
}

static void plot_metric(struct script *s, const struct fidelity *f, const char *name,
                        const char *column)
{
    script_put(s, "plot ");
    for (int t = 0; t < f->n_twins; t++) {
        script_put(s,
                   "'accuracy.csv' using (strcol('twin') eq %s && strcol('metric') eq %s && "
                   "strcol('window') eq 'all' ? column('k') : NaN):'%s' with linespoints lw 1.6 pt "
                   "7 ps 0.4 lc rgb '%s' title %s, ",
                   script_quoted(s, f->names[t]), script_quoted(s, name), column, script_colours[t],
                   script_quoted(s, f->names[t]));
    }
}

static enum err draw_horizon(const char *dir, const struct fidelity *f, struct arena *scratch)
{
    struct script s;
    script_begin(&s, scratch, dir, "twin-horizon", 960, 600);
    begin_panels(&s, "open-loop skill by horizon: 1 - |gap| / |gap of the mean|");
    name_colours(&s, f, "dashed: hold");
    script_put(&s,
               "set yrange [-0.2:1]\nset xtics 5\nset xlabel 'k, periods ahead' offset 0,0.5\n");
    for (int i = 0; i < DRAWN; i++) {
        if (accuracy_find(f->twins[0], drawn[i]) >= 0) {
            script_put(&s, "set title %s noenhanced\n", script_quoted(&s, drawn[i]));
            plot_metric(&s, f, drawn[i], "skill");
            script_put(&s,
                       "'accuracy.csv' using (strcol('twin') eq %s && strcol('metric') eq %s && "
                       "strcol('window') eq 'all' ? column('k') : NaN):(1 - column('gap_hold') / "
                       "column('gap_mean')) with lines dt 2 lc rgb '#808080' title 'hold'\n",
                       script_quoted(&s, f->names[0]), script_quoted(&s, drawn[i]));
        }
    }
    script_put(&s, "unset multiplot\n");
    return script_finish(&s);
}

static enum err draw_coverage(const char *dir, const struct fidelity *f, struct arena *scratch)
{
    struct script s;
    script_begin(&s, scratch, dir, "twin-coverage", 960, 600);
    begin_panels(&s, "share of what came within the 90 % (dots) and 50 % intervals (circles)");
    name_colours(&s, f, "dashed: as it should be");
    script_put(&s, "set yrange [0:1]\nset ytics (0, 0.25, 0.5, 0.75, 0.9)\nset xtics 5\n"
                   "set xlabel 'k, periods ahead' offset 0,0.5\n");
    for (int i = 0; i < DRAWN; i++) {
        if (accuracy_find(f->twins[0], drawn[i]) >= 0) {
            script_put(&s, "set title %s noenhanced\n", script_quoted(&s, drawn[i]));
            plot_metric(&s, f, drawn[i], "inside_90");
            script_put(&s, "0.9 with lines dt 2 lc rgb '#808080' notitle, 0.5 with lines dt 2 lc "
                           "rgb '#808080' notitle, ");
            for (int t = 0; t < f->n_twins; t++) {
                script_put(&s,
                           "'accuracy.csv' using (strcol('twin') eq %s && strcol('metric') eq %s "
                           "&& strcol('window') eq 'all' ? column('k') : NaN):'inside_50' with "
                           "linespoints lw 1.6 pt 6 ps 0.5 lc rgb '%s' notitle%s",
                           script_quoted(&s, f->names[t]), script_quoted(&s, drawn[i]),
                           script_colours[t], t + 1 < f->n_twins ? ", " : "\n");
            }
        }
    }
    script_put(&s, "unset multiplot\n");
    return script_finish(&s);
}

static enum err draw_pairs(const char *dir, const struct fidelity *f, struct arena *scratch)
{
    struct script s;
    script_begin(&s, scratch, dir, "twin-pairs", 960, 660);
    begin_panels(&s, "predicted (upwards, median of the worlds) against true");
    script_put(&s, "set xtics font ',10' autofreq\nset ytics font ',10'\n");
    for (int i = 0; i < DRAWN; i++) {
        const int group = accuracy_find(f->twins[0], drawn[i]);
        if (group < 0) {
            continue;
        }
        const char *unit = f->twins[0]->groups[group].unit;
        script_put(&s, "set title '%s%s%s%s' noenhanced\nset xlabel 'true' offset 0,0.5\n",
                   drawn[i], unit[0] != '\0' ? " (" : "", unit, unit[0] != '\0' ? ")" : "");
        script_put(&s, "set xtics rotate by %d right\nplot x with lines lc rgb '#808080' notitle",
                   unit[0] != '\0' ? 45 : 0);
        for (int h = f->n_horizons - 1; h >= 0;
             h -= f->n_horizons - 1 > 0 ? f->n_horizons - 1 : 1) {
            script_put(&s,
                       ", 'pairs.csv' using (strcol('metric') eq %s && column('k') == %d ? "
                       "column('true') : NaN):'said' with points pt 7 ps 0.25 lc rgb '%s' title "
                       "'k = %d'",
                       script_quoted(&s, drawn[i]), f->horizons[h], script_colours[h == 0 ? 0 : 1],
                       f->horizons[h]);
        }
        script_put(&s, "\nunset key\n"); /* it stands above all */
    }
    script_put(&s, "unset multiplot\n");
    return script_finish(&s);
}

enum err fidelity_figures(const char *dir, const struct fidelity *f,
                          const struct fidelity_pairs *pairs, struct arena *scratch)
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
