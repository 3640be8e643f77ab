/* An episode as rows of panels over time, a column for each controller. See figure.h. */
#include "core/report/figure.h"

#include "core/game/attacker_interface.h"
#include "core/report/script.h"

#include <math.h>
#include <string.h>

#define SHADE "#fdebd3"

/* In pixels. A page shows figures about 800 wide: with more panels each becomes narrower, down to
 * PANEL_WIDTH_MIN, from where on the figure becomes wider. */
enum {
    PANELS_WIDTH = 565,
    PANEL_WIDTH_MIN = 130,
    PANEL_WIDTH_MAX = 400,
    TIMELINE_HEIGHT = 640,
    ATTACKED_HEIGHT = 820, /* with the row of budgets */
    ROWS_MAX = 4,
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

static bool is_attacked(const struct figure_timeline *f)
{
    bool any = false;
    for (int i = 0; i < f->n_tracks; i++) {
        any = any || f->tracks[i].means != NULL;
    }
    return any;
}

static int n_rows(const struct figure_timeline *f)
{
    return is_attacked(f) ? ROWS_MAX : ROWS_MAX - 1;
}

/* The legend of a row stands right of its last column; y labels stand left of its first, x labels
 * below the last row. Axes are common, so inner panels need no numbers. `tops` are the upper ends
 * of the rows, as the multiplot below lays them out. */
static void set_panel(struct script *s, const struct figure_timeline *f, int row, int track,
                      const char *label)
{
    /* of the rows, share of the height: three rows, four rows */
    static const double tops[2][ROWS_MAX] = {{0.85, 0.600, 0.350}, {0.85, 0.6575, 0.465, 0.2725}};
    if (track == f->n_tracks - 1) {
        script_put(
            s,
            "set key at screen %.4f, screen %.4f left top Left reverse samplen 1.5 spacing 1.15\n",
            1.0 - (double)(legend_width(f) - 10) / timeline_width(f), tops[is_attacked(f)][row]);
    } else {
        script_put(s, "unset key\n");
    }
    if (track == 0) {
        script_put(s, "set ylabel '%s'\nset format y '%%g'\n", label);
    } else {
        script_put(s, "unset ylabel\nset format y ''\n");
    }
    script_put(s, row == n_rows(f) - 1 ? "set xlabel 'time (s)'\nset format x '%%g'\n"
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
    if (f->tracks[track].means != NULL) {
        script_put(s,
                   "    %s using 't_s':(column('received') - column('received_legit')) with lines "
                   "lw 1.5 lc rgb '#D55E00' title 'of the attacker', \\\n",
                   file);
    }
    script_put(
        s,
        "    %s using 't_s':'received' with lines lw 1.2 lc rgb '#000000' title 'offered', \\\n"
        "    %s using %s with lines lw 1.5 lc rgb '#0072B2' title 'within the SLO'%s\nunset "
        "title\n",
        file, file, compliant,
        f->schedule->n_events > 0 ? ", \\\n    NaN with boxes fc rgb '" SHADE
                                    "' fs solid noborder title 'attack or fault'"
                                  : "");
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

/* A line for each means of the attacker. A period is paid when it begins, so a
 * point at the end of a period is what remains for the next. */
static void plot_budget(struct script *s, const struct figure_timeline *f, int track)
{
    static const char *const names[ATTACKER_KINDS] = {"requests", "crashes", "connections", "work"};
    const bool *means = f->tracks[track].means;
    const char *file = script_quoted(s, f->tracks[track].episode);
    set_panel(s, f, 3, track, "budget left (share)");
    script_put(s, "set yrange [0:1.05]\nset ytics 0.25\nplot ");
    for (int i = 0; i < ATTACKER_KINDS && means != NULL; i++) {
        if (means[i]) {
            script_put(s,
                       "%s using 't_s':'attack_left.%s' with lines lw 1.5 lc rgb "
                       "'%s' title 'for %s', \\\n    ",
                       file, names[i], script_colours[i], names[i]);
        }
    }
    script_put(s, "NaN notitle\nset ytics autofreq\n");
}

/* Three or four rows of panels, one column for each controller. The margins leave AXIS_WIDTH and
 * the width of the legend free, as shares of the width, since gnuplot places panels in units of the
 * figure. */
static void plot_timeline(struct script *s, const struct figure_timeline *f)
{
    typedef void plot_panel(struct script *, const struct figure_timeline *, int);
    static plot_panel *const panels[ROWS_MAX] = {plot_load, plot_replicas, plot_latency,
                                                 plot_budget};
    const double width = timeline_width(f);
    shade_events(s, f->schedule);
    script_put(s,
               "set xrange [0:%d]\nset xtics %d\n"
               "set multiplot layout %d,%d margins %.4f,%.4f,0.11,0.85 spacing 0.02,0.03 title %s "
               "font ',%.3g' noenhanced\n",
               f->schedule->n_seconds, tic_step(f->schedule->n_seconds), n_rows(f), f->n_tracks,
               AXIS_WIDTH / width, 1.0 - legend_width(f) / width, script_quoted(s, f->title),
               title_size(f));
    label_events(s, f);
    for (int row = 0; row < n_rows(f); row++) {
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
    script_begin(&s, scratch, dir, "timeline", timeline_width(f),
                 is_attacked(f) ? ATTACKED_HEIGHT : TIMELINE_HEIGHT);
    plot_timeline(&s, f);
    const enum err e = script_finish(&s);
    arena_rewind(scratch, mark);
    return e;
}
