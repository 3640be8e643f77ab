/* Scripts are written with the values that gnuplot cannot know; the rest is in the CSV files. See
 * figure.h.
 *
 * A script selects its rows by conditions inside `using`: a row that does not belong gives NaN,
 * which gnuplot does not draw. So one CSV file serves all curves of a figure. Entries of a key that
 * have no curve of their own are plots of NaN with the line or the point to be shown. */
#include "core/report/figure.h"

#include "core/controllers/kinds.h"

#include "core/base/csv.h"
#include "core/base/file.h"
#include "core/base/log.h"
#include "core/eval/old_columns.h"
#include "core/report/script.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *slug_of(struct arena *arena, const char *name)
{
    static const char kept[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    char *slug = arena_strdup(arena, name);
    for (char *c = slug; c != NULL && *c != '\0'; c++) {
        *c = strchr(kept, *c) != NULL ? *c : '-';
    }
    return slug;
}

static bool is_taken(const char *const *slugs, int n, const char *slug)
{
    for (int i = 0; i < n; i++) {
        if (strcmp(slugs[i], slug) == 0) {
            return true;
        }
    }
    return false;
}

/* "ff 0.5" and "ff-0.5" lead to one slug: the second gets a number behind it, the first that makes
 * another name than all slugs before. */
enum err figure_slugs(const char **slugs, struct arena *arena, const char *const *names, int n)
{
    for (int i = 0; i < n; i++) {
        const char *slug = slug_of(arena, names[i]);
        slugs[i] = slug;
        for (int k = 2; slugs[i] != NULL && is_taken(slugs, i, slugs[i]); k++) {
            slugs[i] = arena_printf(arena, "%s-%d", slug, k);
        }
        TRY(arena_error(arena));
    }
    return ERR_OK;
}

/* ---- frontiers ---- */

static void put_interval(struct csv *csv, const struct stat_interval *v)
{
    csv_num(csv, v->value);
    csv_num(csv, v->lo);
    csv_num(csv, v->hi);
}

static double mean_vcpu(const struct summary *s, int controller, int scenario)
{
    return outcomes_mean(&s->outcomes, controller, scenario, METRIC_OF(vcpu));
}

/* An arm of a sweep, at its own cost or at another: means only. Intervals of single arms would hide
 * the line, and no claim rests on them. */
static enum err put_arm(struct csv *csv, const struct summary *s, int controller, int scenario,
                        const char *role, double vcpu)
{
    const double share =
        outcomes_mean(&s->outcomes, controller, scenario, METRIC_OF(slo_attainment));
    csv_text(csv, controller_kind(&s->cfg->controllers[controller])->cfg.name);
    csv_text(csv, controller_label(&s->cfg->controllers[controller]));
    csv_text(csv, role);
    put_interval(csv, &(struct stat_interval){vcpu, NAN, NAN});
    put_interval(csv, &(struct stat_interval){share, NAN, NAN});
    return csv_end_row(csv);
}

static double largest_vcpu(const struct summary *s, int scenario)
{
    double largest = 0;
    for (int c = 0; c < s->cfg->n_controllers; c++) {
        largest = fmax(largest, mean_vcpu(s, c, scenario));
    }
    return largest;
}

/* The corners in order, so that a line can join them, on to the right edge, where more is of no
 * use; then the arms. gnuplot joins points in the order of rows, and the rows of a kind are
 * consecutive. The hull is that of vCPU-hours; episodes have one length, so mean vCPU, which the
 * axis shows, is in proportion to it and has the same corners. */
static enum err put_kind(struct csv *csv, const struct summary *s, int scenario, int kind,
                         struct frontier_point *points)
{
    const struct controller_kind *id = frontier_kind(kind);
    const int n = frontiers_hull(points, &s->outcomes, s->cfg, id, scenario);
    for (int i = 0; i < n; i++) {
        const int arm = points[i].arm;
        TRY(put_arm(csv, s, arm, scenario, "corner", mean_vcpu(s, arm, scenario)));
    }
    if (n > 0) {
        TRY(put_arm(csv, s, points[n - 1].arm, scenario, "edge", largest_vcpu(s, scenario)));
    }
    for (int c = 0; c < s->cfg->n_controllers; c++) {
        if (controller_kind(&s->cfg->controllers[c]) == id) {
            TRY(put_arm(csv, s, c, scenario, "arm", mean_vcpu(s, c, scenario)));
        }
    }
    return ERR_OK;
}

static enum err put_shown(struct csv *csv, const struct summary *s, int view)
{
    for (int i = 0; i < s->n_shown; i++) {
        const struct controller_cfg *c = &s->cfg->controllers[s->shown[i]];
        csv_text(csv, controller_kind(c)->cfg.name);
        csv_text(csv, controller_label(c));
        csv_text(csv, "shown");
        put_interval(csv, &summary_cell(s, i, view, METRIC_OF(vcpu))->value);
        put_interval(csv, &summary_cell(s, i, view, METRIC_OF(slo_attainment))->value);
        TRY(csv_end_row(csv));
    }
    return ERR_OK;
}

/* Column `role` says what a row is drawn as: corner and edge of a line, arm, or shown controller.
 */
static enum err write_points(const char *path, const struct summary *s, int view,
                             struct arena *arena)
{
    static const char *const columns[] = {
        "kind",           "controller",        "role",
        "vcpu",           "vcpu_lo",           "vcpu_hi",
        "slo_attainment", "slo_attainment_lo", "slo_attainment_hi"};
    struct frontier_point *points = ARENA_NEW(arena, s->cfg->n_controllers, struct frontier_point);
    struct csv csv;
    TRY(arena_error(arena));
    TRY(csv_create(&csv, arena, path, columns, (int)(sizeof columns / sizeof *columns)));
    enum err e = ERR_OK;
    for (int k = 0; k < frontier_n_kinds() && e == ERR_OK; k++) {
        e = put_kind(&csv, s, summary_scenario(s, view), k, points);
    }
    if (e == ERR_OK) {
        e = put_shown(&csv, s, view);
    }
    csv_close(&csv);
    return e;
}

/* A kind has one colour everywhere. */
static const char *kind_colour(const struct controller_kind *kind)
{
    return kind->colour != NULL ? kind->colour : "#606060";
}

/* A dot for an arm, a line for the hull, of which doing nothing may be a corner. The line ends at
 * the edge, where no arm is; so line and dots are drawn apart, and the key's entry is, too. */
static void plot_kind(struct script *s, const char *file, const struct controller_kind *kind)
{
    const char *name = kind->cfg.name;
    const char *also = kind == &controller_static ? " || strcol('kind') eq 'nothing'" : "";
    script_put(
        s,
        "    %s using (strcol('kind') eq '%s' && strcol('role') eq 'arm' ? column('vcpu') : NaN):"
        "'slo_attainment' with points pt 7 ps 0.35 lc rgb '%s' notitle, \\\n",
        file, name, kind_colour(kind));
    script_put(
        s,
        "    %s using ((strcol('kind') eq '%s'%s) && (strcol('role') eq 'corner' || strcol('role') "
        "eq 'edge') ? column('vcpu') : NaN):'slo_attainment' with lines lw 1.8 lc rgb '%s' "
        "notitle, \\\n"
        "    NaN with linespoints lw 1.8 pt 7 ps 0.35 lc rgb '%s' title '%s frontier', \\\n",
        file, name, also, kind_colour(kind), kind_colour(kind), name);
}

static bool has_kind(const struct eval_cfg *cfg, const struct controller_kind *kind)
{
    for (int c = 0; c < cfg->n_controllers; c++) {
        if (controller_kind(&cfg->controllers[c]) == kind) {
            return true;
        }
    }
    return false;
}

/* The marker of the i-th shown controller. A kind has its shape and its colour; of two controllers
 * of a kind that follow one another the first is small and filled, the second large and open, so
 * that both are seen where they lie upon each other, as a policy and the same policy sampled do.
 *
 * n_before: controllers of this kind before i. n_kinds: other kinds that were met before i; each is
 * counted once, at its first controller. Every second controller of a kind takes the next shape. */
static void put_marker(struct script *s, const struct summary *summary, int i)
{
    static const int filled[] = {5, 9, 11, 13, 15}; /* no circle, as an arm; open: one less */
    const struct eval_cfg *cfg = summary->cfg;
    const struct controller_kind *kind = controller_kind(&cfg->controllers[summary->shown[i]]);
    int n_before = 0, n_kinds = 0;
    for (int k = 0; k < i; k++) {
        const struct controller_kind *other = controller_kind(&cfg->controllers[summary->shown[k]]);
        bool first = true;
        for (int j = 0; j < k; j++) {
            first = first && controller_kind(&cfg->controllers[summary->shown[j]]) != other;
        }
        n_before += other == kind;
        n_kinds += first && other != kind;
    }
    const bool open = n_before % 2 == 1;
    const int shape = filled[(n_kinds + n_before / 2) % (int)(sizeof filled / sizeof *filled)];
    script_put(s, "pt %d ps %s lc rgb '%s'", open ? shape - 1 : shape, open ? "1.5" : "0.8",
               kind_colour(kind));
}

/* Rows of a key in large letters; with more rows letters are smaller and the figure is higher. */
enum { ROWS_LARGE = 16, ROW_HEIGHT = 18, FRONTIER_WIDTH = 800, FRONTIER_HEIGHT = 480 };

static int key_rows(const struct summary *summary)
{
    return summary->n_shown + frontier_n_kinds();
}

/* The key stands outside in one column: it has a row for each curve, and the figure is made as high
 * as the key needs (figure_view()). */
static void plot_frontiers(struct script *s, const struct summary *summary, const char *scenario,
                           const char *data)
{
    const char *file = script_quoted(s, data);
    const char *title = arena_printf(s->arena, "scenario %s", scenario);
    script_put(
        s,
        "set title %s noenhanced\nset xlabel 'mean CPU requested (vCPU)'\n"
        "set ylabel 'SLO attainment (share)'\n"
        "set key outside right top vertical maxrows %d Left reverse noenhanced samplen 2 %s\n"
        "set errorbars 0\nset grid xtics lc rgb '#d8d8d8' lw 1 dt 1\nset offsets graph 0.05, 0.05, "
        "0.05, 0.05\n"
        "plot \\\n",
        script_quoted(s, title != NULL ? title : ""), key_rows(summary),
        key_rows(summary) > ROWS_LARGE ? "spacing 1.1 font 'Arial,11'" : "spacing 1.2");
    for (int k = 0; k < frontier_n_kinds(); k++) {
        if (has_kind(summary->cfg, frontier_kind(k))) {
            plot_kind(s, file, frontier_kind(k));
        }
    }
    for (int i = 0; i < summary->n_shown; i++) {
        const struct controller_cfg *c = &summary->cfg->controllers[summary->shown[i]];
        const char *name = script_quoted(s, controller_label(c));
        script_put(
            s,
            "    %s using (strcol('role') eq 'shown' && strcol('controller') eq %s ? "
            "column('vcpu') : "
            "NaN):'slo_attainment':'vcpu_lo':'vcpu_hi':'slo_attainment_lo':'slo_attainment_hi' "
            "with xyerrorbars lw 1 ",
            file, name);
        put_marker(s, summary, i);
        script_put(s, " title %s%s", name, i + 1 < summary->n_shown ? ", \\\n" : "\n");
    }
}

/* Some shown controller was scored: else there is no point to draw. */
static bool has_points(const struct summary *s, int view)
{
    for (int i = 0; i < s->n_shown; i++) {
        if (isfinite(summary_cell(s, i, view, METRIC_OF(slo_attainment))->value.value)) {
            return true;
        }
    }
    return false;
}

/* The script of an earlier evaluation in this directory would draw data that is no more. */
static enum err drop_script(struct arena *arena, const char *dir, const char *name)
{
    const char *path = arena_printf(arena, "%s/%s.gp", dir, name);
    return path != NULL ? file_remove(path) : ERR_MEMORY;
}

/* The CSV file is written in any case; only the figure needs a point. */
static enum err figure_view(const char *dir, const struct summary *summary, int view,
                            const char *scenario, const char *slug, struct arena *arena)
{
    const char *name = arena_printf(arena, "frontier-%s", slug);
    const char *data = arena_printf(arena, "%s.csv", name);
    const char *path = arena_printf(arena, "%s/%s.csv", dir, name);
    TRY(arena_error(arena));
    struct script s;
    TRY(write_points(path, summary, view, arena));
    if (!has_points(summary, view)) {
        log_warn("%s: no episode was scored, so there is no figure of its frontiers", scenario);
        return drop_script(arena, dir, name);
    }
    const int rows_height = ROW_HEIGHT * (key_rows(summary) + 4);
    script_begin(&s, arena, dir, name, FRONTIER_WIDTH,
                 rows_height > FRONTIER_HEIGHT ? rows_height : FRONTIER_HEIGHT);
    plot_frontiers(&s, summary, scenario, data);
    return script_finish(&s);
}

static enum err figure_views(const char *dir, const struct summary *s, struct arena *scratch)
{
    const char **names = ARENA_NEW(scratch, s->n_views, const char *);
    const char **slugs = ARENA_NEW(scratch, s->n_views, const char *);
    TRY(arena_error(scratch));
    for (int view = 0; view < s->n_views; view++) {
        const int scenario = summary_scenario(s, view);
        names[view] = scenario == OUTCOMES_POOLED ? "all" : summary_scenario_name(s, scenario);
    }
    TRY(figure_slugs(slugs, scratch, names, s->n_views));
    const struct arena_mark mark = arena_mark(scratch);
    enum err e = ERR_OK;
    for (int view = 0; view < s->n_views && e == ERR_OK && s->n_shown > 0; view++) {
        e = figure_view(dir, s, view, names[view], slugs[view], scratch);
        arena_rewind(scratch, mark);
    }
    return e;
}

enum err figure_frontiers(const char *dir, const struct summary *s, struct arena *scratch)
{
    const struct arena_mark mark = arena_mark(scratch);
    const enum err e = figure_views(dir, s, scratch);
    arena_rewind(scratch, mark);
    return e;
}

/* ---- learning ---- */

/* One panel of a column over env-steps; the last panel has the common x axis. */
static void plot_curve(struct script *s, const char *file, const char *column, const char *label,
                       bool last)
{
    script_put(s, "set ylabel '%s'\n", label);
    script_put(s, last ? "set xlabel 'env-steps (thousands)'\nset format x '%%g'\n"
                       : "unset xlabel\nset format x ''\n");
    script_put(
        s,
        "plot %s using (column('env_steps') / 1000):'%s' with linespoints lw 1.4 pt 7 ps 0.3 lc "
        "rgb '#0072B2' notitle\n",
        file, column);
}

/* The cell behind n commas; NULL: the line has fewer. */
static const char *cell_of(const char *line, int n)
{
    for (; n > 0 && line != NULL; n--) {
        const char *comma = line + strcspn(line, ",\n");
        line = *comma == ',' ? comma + 1 : NULL;
    }
    return line;
}

/* Does a line below the header have a number in that column? A name of the header must match as a
 * whole: it ends at a comma or at the end of the line. A number must fill its cell, and "nan" is
 * none that can be drawn. The text ends with a NUL (file_read()). */
static bool has_number(const char *text, const char *column)
{
    const size_t length = strlen(column);
    int n = 0;
    const char *name = text;
    while (name != NULL &&
           (strncmp(name, column, length) != 0 || (name[length] != ',' && name[length] != '\n'))) {
        name = cell_of(text, ++n);
    }
    for (const char *end = strchr(text, '\n'); name != NULL && end != NULL;
         end = strchr(end + 1, '\n')) {
        const char *cell = cell_of(end + 1, n);
        char *rest;
        const double value = cell != NULL ? strtod(cell, &rest) : NAN;
        if (isfinite(value) && rest > cell && (*rest == ',' || *rest == '\n')) {
            return true;
        }
    }
    return false;
}

enum { METRICS_BYTES_MAX = 1024 * 1024 * 1024 };

/* Whether the file has a number to draw, and whether its learner has a critic that was judged.
 * ERR_FORMAT: it has a number, but in a column of an older name. */
static enum err find_learning(bool *drawn, bool *judged, const char *file)
{
    struct buf text;
    buf_init(&text);
    enum err e = file_read(&text, file, METRICS_BYTES_MAX);
    const bool any = e == ERR_OK && text.len > 0;
    const char *old = old_column_name("slo_attainment");
    *drawn = any && has_number((const char *)text.data, "slo_attainment");
    *judged = any && has_number((const char *)text.data, "explained_variance");
    if (any && !*drawn && has_number((const char *)text.data, old)) {
        log_error("%s: the column '%s' is called 'slo_attainment' now; write the new name into the "
                  "first line, or train anew",
                  file, old);
        e = ERR_FORMAT;
    }
    buf_release(&text);
    return e;
}

static enum err draw_learning(const char *dir, const char *path, bool judged, struct arena *scratch)
{
    struct script s;
    const int panels = judged ? 4 : 3;
    script_begin(&s, scratch, dir, "learning", 760, 200 * panels + 80);
    const char *data = script_quoted(&s, path);
    script_put(&s,
               "set multiplot layout %d,1 margins 0.15,0.95,0.12,0.93 spacing 0.02,0.04 title "
               "'training episodes: mean of each update'\n",
               panels);
    plot_curve(&s, data, "reward", "reward (per step)", false);
    plot_curve(&s, data, "slo_attainment", "SLO attainment (share)", false);
    plot_curve(&s, data, "vcpu", "mean CPU (vCPU)", !judged);
    if (judged) {
        plot_curve(&s, data, "explained_variance", "explained variance of the critic (share)",
                   true);
    }
    script_put(&s, "unset multiplot\n");
    return script_finish(&s);
}

enum err figure_learning(const char *dir, const char *path, const char *file, struct arena *scratch)
{
    const struct arena_mark mark = arena_mark(scratch);
    bool drawn = false, judged = false;
    TRY(find_learning(&drawn, &judged, file));
    if (!drawn) {
        log_warn("%s: no episode with a request has ended yet, so there is no learning curve",
                 file);
    }
    const enum err e =
        drawn ? draw_learning(dir, path, judged, scratch) : drop_script(scratch, dir, "learning");
    arena_rewind(scratch, mark);
    return e;
}

/* ---- organisational metrics ---- */

enum { AGENTS_MAX = 64 };

/* Agents that have a column "NAME.can_act" in the header, in order; the text is cut into them. The
 * last '.' separates, since a name may hold one itself. */
static int find_agents(const char **agents, char *header)
{
    int n = 0;
    header[strcspn(header, "\n")] = '\0';
    for (char *word = header; word != NULL;) {
        char *next = strchr(word, ',');
        if (next != NULL) {
            *next++ = '\0';
        }
        char *dot = strrchr(word, '.');
        if (dot != NULL && strcmp(dot, ".can_act") == 0 && n < AGENTS_MAX) {
            *dot = '\0';
            agents[n++] = word;
        }
        word = next;
    }
    return n;
}

/* A line for each agent: its column `part`, over its column `of` (".NAME')"; NULL: as it is). */
static void plot_agents(struct script *s, const char *file, const char *const *agents, int n,
                        const char *part, const char *of, const char *label, bool last)
{
    script_put(s, "set ylabel '%s'\n", label);
    script_put(s, last ? "set xlabel 'env-steps (thousands)'\nset format x '%%g'\n"
                       : "unset xlabel\nset format x ''\n");
    script_put(s, "plot ");
    for (int a = 0; a < n; a++) {
        script_put(
            s,
            "%s using (column('env_steps') / 1000):(column('%s.%s')%s%s%s) with lines lw 1.4 lc "
            "rgb '%s' %s%s%s",
            file, agents[a], part, of != NULL ? " / column('" : "", of != NULL ? agents[a] : "",
            of != NULL ? of : "", script_colours[a % SCRIPT_COLOURS], last ? "notitle" : "title ",
            last ? "" : script_quoted(s, agents[a]), a + 1 < n ? ", \\\n     " : "\n");
    }
}

/* Panels share one key above the first, which is switched off for the others. */
enum err figure_org_metrics(const char *dir, const char *path, const char *file,
                            struct arena *scratch)
{
    const struct arena_mark mark = arena_mark(scratch);
    const char *agents[AGENTS_MAX];
    struct buf text;
    struct script s;
    buf_init(&text);
    enum err e = file_read(&text, file, METRICS_BYTES_MAX);
    e = e == ERR_OK ? buf_append(&text, "", 1) : e;
    const int n = e == ERR_OK ? find_agents(agents, (char *)text.data) : 0;
    if (e == ERR_OK && n > 0) {
        script_begin(&s, scratch, dir, "organisation", 760, 800);
        const char *data = script_quoted(&s, path);
        script_put(&s,
                   "set multiplot layout 4,1 margins 0.15,0.95,0.11,0.90 spacing 0.02,0.03 title "
                   "'agents and their roles: mean of each update'\n"
                   "set key at screen 0.97,0.945 right horizontal maxrows 1 samplen 1.5\n");
        plot_agents(&s, data, agents, n, "compliant", ".can_act')", "compliant (share)", false);
        script_put(&s, "set key off\n");
        plot_agents(&s, data, agents, n, "mask_size", NULL, "mask size (changes)", false);
        plot_agents(&s, data, agents, n, "mission_improved", ".mission_windows')",
                    "improved (share)", false);
        plot_agents(&s, data, agents, n, "mission", NULL, "reward (per step)", true);
        script_put(&s, "unset multiplot\n");
        e = script_finish(&s);
    }
    buf_release(&text);
    arena_rewind(scratch, mark);
    return e;
}
