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

#define SHADE "#fdebd3"

/* ---- timeline ---- */

/* In pixels. A page shows figures about 800 wide: with more panels each becomes narrower, down to
 * PANEL_WIDTH_MIN, from where on the figure becomes wider. */
enum {
    PANELS_WIDTH = 565,
    PANEL_WIDTH_MIN = 130,
    PANEL_WIDTH_MAX = 400,
    TIMELINE_HEIGHT = 640,
    AXIS_WIDTH = 95,
    LEGEND_WIDTH_MIN = 175,
    SAMPLE_WIDTH = 50, /* of a line in the legend, with gaps */
    GLYPH_WIDTH = 8
};

static int panels_width(const struct figure_timeline *f)
{
    const double each = fmin(fmax(PANELS_WIDTH / f->n_tracks, PANEL_WIDTH_MIN), PANEL_WIDTH_MAX);
    return (int)each * f->n_tracks;
}

/* The longest name of a service has room. GLYPH_WIDTH is the width of a letter of the script's
 * font, on the large side. */
static int legend_width(const struct figure_timeline *f)
{
    int width = LEGEND_WIDTH_MIN;
    for (int i = 0; i < f->env_setup->cfg.topology->n_services; i++) {
        const size_t length = strlen(f->env_setup->cfg.topology->services[i].name);
        width = (int)fmax(width, SAMPLE_WIDTH + GLYPH_WIDTH * (double)length);
    }
    return width;
}

static int timeline_width(const struct figure_timeline *f)
{
    return AXIS_WIDTH + panels_width(f) + legend_width(f);
}

/* Size of the letters of the title, such that it stays within the figure: it may name a file and be
 * long. A title of n letters of this size is about 0.6 x size x n wide; 14 is the usual size, and
 * below 6 nobody could read it, so a very long title does not fit. */
static double title_size(const struct figure_timeline *f)
{
    const double glyph = 0.6; /* of the size, on average */
    const double length = (double)strlen(f->title) + 1.0;
    return fmax(6.0, fmin(14.0, (timeline_width(f) - 10) / (glyph * length)));
}

/* The distance of tics for n seconds: the smallest of 1, 2, 5, 10, 20, 50, ... of which at most
 * four fit into n. It is at least n / 4, rounded up. `unit` grows tenfold, and 5 x the last unit
 * below n is at least n / 2, so the search succeeds for every n > 1; else 1. */
static int tic_step(int n)
{
    static const int steps[] = {1, 2, 5};
    for (int unit = 1; unit < n; unit *= 10) {
        for (int i = 0; i < 3; i++) {
            if (steps[i] * unit >= (n + 3) / 4) {
                return steps[i] * unit;
            }
        }
    }
    return 1;
}

/* A rectangle over the whole height behind the curves, from the onset to the end of the falling
 * ramp; cut at the end of the episode, beyond which it would widen the axis. */
static void shade_events(struct script *s, const struct schedule *schedule)
{
    for (int i = 0; i < schedule->n_events; i++) {
        const struct event *e = &schedule->events[i];
        const double until = fmin(e->start_s + e->duration_s + e->ramp_s, schedule->n_seconds);
        script_put(s,
                   "set object %d rect from %.6g, graph 0 to %.6g, graph 1 behind fc rgb '" SHADE
                   "' fs solid noborder\n",
                   i + 1, e->start_s, until);
    }
}

/* What the event is called and whom it hits, if that is one service or one link; "*" for any end of
 * a link. A failed allocation is remembered in the script, so callers need not ask. */
static const char *event_label(struct script *s, const struct event *e, const struct env_setup *w)
{
    const struct event_kind_info *kind = &event_kind_info[e->kind];
    const struct service_cfg *services = w->cfg.topology->services;
    const char *at = e->service >= 0 ? services[e->service].name : "";
    const char *label =
        e->service < 0 ? kind->name : arena_printf(s->arena, "%s %s", kind->name, at);
    if (kind->hits == HITS_LINK) {
        label = arena_printf(s->arena, "%s %s-%s", kind->name, e->service < 0 ? "*" : at,
                             e->callee < 0 ? "*" : services[e->callee].name);
    }
    s->failed = label == NULL ? ERR_MEMORY : s->failed;
    return label == NULL ? "" : label;
}

/* Names above the panel that is drawn next, on three levels because events overlap; those late in
 * the episode end where it ends. An instant is too thin to be seen as a shade, so it gets a line.
 * Labels belong to the first row of panels: plot_timeline() removes them after it. */
static void label_events(struct script *s, const struct figure_timeline *f)
{
    const double until = f->schedule->n_seconds;
    for (int i = 0; i < f->schedule->n_events; i++) {
        const struct event *e = &f->schedule->events[i];
        const bool late = e->start_s > 0.8 * until;
        script_put(
            s, "set label %d %s at %.6g, graph %.2f %s font ',10' tc rgb '#7a5a2a' noenhanced\n",
            i + 1, script_quoted(s, event_label(s, e, f->env_setup)), late ? until : e->start_s,
            1.03 + 0.07 * (i % 3), late ? "right" : "left");
        if (e->kind == EVENT_CRASH_ALL) {
            script_put(s,
                       "set arrow %d from %.6g, graph 0 to %.6g, graph 1 nohead lw 1 dt 3 lc rgb "
                       "'#7a5a2a'\n",
                       i + 1, e->start_s, e->start_s);
        }
    }
}

/* The legend of a row stands right of its last column; y labels stand left of its first, x labels
 * below the last row. Axes are common, so inner panels need no numbers. `tops` are the upper ends
 * of the rows, as the multiplot below lays them out. */
static void set_panel(struct script *s, const struct figure_timeline *f, int row, int track,
                      const char *label)
{
    static const double tops[] = {0.85, 0.600, 0.350}; /* of the rows, share of the height */
    if (track == f->n_tracks - 1) {
        script_put(
            s,
            "set key at screen %.4f, screen %.4f left top Left reverse samplen 1.5 spacing 1.15\n",
            1.0 - (double)(legend_width(f) - 10) / timeline_width(f), tops[row]);
    } else {
        script_put(s, "unset key\n");
    }
    if (track == 0) {
        script_put(s, "set ylabel '%s'\nset format y '%%g'\n", label);
    } else {
        script_put(s, "unset ylabel\nset format y ''\n");
    }
    script_put(s, row == 2 ? "set xlabel 'time (s)'\nset format x '%%g'\n"
                           : "unset xlabel\nset format x ''\n");
}

/* The area of offered requests lies behind that of those within the SLO; what stays visible of it
 * was not answered in time. Windows that are not final are left out of the latter: their requests
 * may still have been under way at the end. */
static void plot_load(struct script *s, const struct figure_timeline *f, int track)
{
    static const char compliant[] = "'t_s':(column('final') > 0 ? column('compliant') : NaN)";
    const char *file = script_quoted(s, f->tracks[track].cohorts);
    set_panel(s, f, 0, track, "load (requests/s)");
    script_put(s, "set title %s offset 0,1.2 noenhanced\nset yrange [0:%.6g]\n",
               script_quoted(s, f->tracks[track].label),
               f->most_rps > 0.0 ? 1.05 * f->most_rps : 1.0);
    script_put(
        s,
        "plot %s using 't_s':'received' with filledcurves y1=0 fc rgb '#e3e3e3' notitle, \\\n"
        "    %s using %s with filledcurves y1=0 fc rgb '#bcd9ec' notitle, \\\n",
        file, file, compliant);
    if (f->tracks[track].attacked) {
        script_put(s,
                   "    %s using 't_s':(column('received') - column('received_legit')) with lines "
                   "lw 1.5 lc rgb '#D55E00' title 'of the attacker', \\\n",
                   file);
    }
    script_put(
        s,
        "    %s using 't_s':'received' with lines lw 1.2 lc rgb '#000000' title 'offered', \\\n"
        "    %s using %s with lines lw 1.5 lc rgb '#0072B2' title 'within the SLO', \\\n"
        "    NaN with boxes fc rgb '" SHADE "' fs solid noborder title 'attack or fault'\n"
        "unset title\n",
        file, file, compliant);
}

/* Services repeat the colours with another dash pattern when there are more of them than colours.
 */
static void plot_replicas(struct script *s, const struct figure_timeline *f, int track)
{
    const struct topology_cfg *t = f->env_setup->cfg.topology;
    const char *file = script_quoted(s, f->tracks[track].episode);
    set_panel(s, f, 1, track, "replicas (pods)");
    script_put(s, "set yrange [0:%.6g]\nplot ", f->most_replicas + 1);
    for (int i = 0; i < t->n_services; i++) {
        const char *name = t->services[i].name;
        const char *column = arena_printf(s->arena, "%s.deployed", name);
        const double width =
            fmax(1.2, 3.6 - 0.7 * i); /* equal ones stay visible below each other */
        script_put(s, "%s using 't_s':%s with steps lw %.2g dt %d lc rgb '%s' title %s%s", file,
                   script_quoted(s, column == NULL ? "" : column), width, 1 + i / SCRIPT_COLOURS,
                   script_colours[i % SCRIPT_COLOURS], script_quoted(s, name),
                   i + 1 < t->n_services ? ", \\\n    " : "\n");
    }
}

/* Logarithmic, from a fiftieth of the limit: an overload may be powers of ten above it. A window
 * without an answer has no latency and leaves a gap. */
static void plot_latency(struct script *s, const struct figure_timeline *f, int track)
{
    const double limit = f->env_setup->cfg.plant->latency_max_ms;
    set_panel(s, f, 2, track, "latency (ms)");
    script_put(s, "set logscale y\nset yrange [%.6g:%.6g]\n", limit / 50,
               1.3 * fmax(f->most_ms, limit));
    script_put(
        s,
        "plot %s using 't_s':'latency_ms' with lines lw 1.5 lc rgb '#D55E00' title 'mean latency', "
        "\\\n    %.6g with lines dt 2 lw 1 lc rgb '#404040' title 'limit %.6g ms'\n"
        "unset logscale y\n",
        script_quoted(s, f->tracks[track].cohorts), limit, limit);
}

/* Three rows of panels, one column for each controller. The margins leave AXIS_WIDTH and the width
 * of the legend free, as shares of the width, since gnuplot places panels in units of the figure.
 */
static void plot_timeline(struct script *s, const struct figure_timeline *f)
{
    typedef void plot_panel(struct script *, const struct figure_timeline *, int);
    static plot_panel *const panels[] = {plot_load, plot_replicas, plot_latency};
    const double width = timeline_width(f);
    shade_events(s, f->schedule);
    script_put(s,
               "set xrange [0:%d]\nset xtics %d\n"
               "set multiplot layout 3,%d margins %.4f,%.4f,0.11,0.85 spacing 0.02,0.03 title %s "
               "font ',%.3g' noenhanced\n",
               f->schedule->n_seconds, tic_step(f->schedule->n_seconds), f->n_tracks,
               AXIS_WIDTH / width, 1.0 - legend_width(f) / width, script_quoted(s, f->title),
               title_size(f));
    label_events(s, f);
    for (int row = 0; row < 3; row++) {
        for (int track = 0; track < f->n_tracks; track++) {
            panels[row](s, f, track);
        }
        script_put(s, "unset label\n");
    }
    script_put(s, "unset multiplot\n");
}

enum err figure_timeline(const char *dir, const struct figure_timeline *f, struct arena *scratch)
{
    const struct arena_mark mark = arena_mark(scratch);
    struct script s;
    script_begin(&s, scratch, dir, "timeline", timeline_width(f), TIMELINE_HEIGHT);
    plot_timeline(&s, f);
    const enum err e = script_finish(&s);
    arena_rewind(scratch, mark);
    return e;
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
