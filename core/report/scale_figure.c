/* Three panels over the number of ranks: time of one training, efficiency, CPU time of an update
 * as predicted and as measured. See figure.h. */
#include "core/report/figure.h"
#include "core/report/script.h"

/* Rows of one kind; of others the value is NaN, which gnuplot leaves out. */
static void plot(struct script *s, const char *kind, const char *column, const char *how,
                 int colour, const char *title)
{
    script_put(s,
               "'scale.csv' using (column('ranks')):(strcol('kind') eq '%s' ? column('%s') : "
               "NaN) with %s lc rgb '%s' title '%s'",
               kind, column, how, script_colours[colour], title);
}

static void panel(struct script *s, const char *ylabel)
{
    script_put(s, "set ylabel '%s'\nset xlabel 'number (ranks)'\nplot ", ylabel);
}

enum err figure_scale(const char *dir, bool measured, struct arena *scratch)
{
    const struct arena_mark mark = arena_mark(scratch);
    struct script s;
    script_begin(&s, scratch, dir, "scale", 760, measured ? 900 : 640);
    script_put(&s,
               "set multiplot layout %d,1 margins 0.15,0.95,0.08,0.95 spacing 0.02,0.1\n"
               "set border 3 lw 1 lc rgb '#404040'\nset tics nomirror out\n"
               "set logscale x 10\nset format x '%%g'\nset datafile missing NaN\n",
               measured ? 3 : 2);
    script_put(&s, "set key top right\nset logscale y 10\n");
    panel(&s, "time to convergence (s)");
    plot(&s, "run", "seconds", "linespoints lw 1.4 pt 7 ps 0.6", 0, "one training");
    script_put(&s, "\nunset logscale y\nset yrange [0:1.35]\n");
    panel(&s, "parallel efficiency (ratio)");
    plot(&s, "run", "efficiency", "linespoints lw 1.4 pt 7 ps 0.6", 0, "one training");
    script_put(&s, ", ");
    plot(&s, "farm", "efficiency", "linespoints lw 1.4 pt 5 ps 0.6", 1, "farm of trainings");
    if (measured) {
        script_put(&s, "\nset yrange [0:*]\n");
        panel(&s, "CPU time of an update (s)");
        plot(&s, "check", "predicted_cpu_s", "linespoints lw 1.4 pt 7 ps 0.6", 0, "predicted");
        script_put(&s, ", ");
        plot(&s, "check", "measured_cpu_s", "points pt 6 ps 1.2", 1, "measured");
    }
    script_put(&s, "\nunset multiplot\n");
    const enum err e = script_finish(&s);
    arena_rewind(scratch, mark);
    return e;
}
