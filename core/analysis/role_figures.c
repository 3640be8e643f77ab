/* The tree and the silhouettes as data and scripts. See role_figures.h. */
#include "core/analysis/role_figures.h"

#include "core/base/csv.h"
#include "core/base/file.h"
#include "core/report/script.h"

#include <math.h>

enum { LEAVES_SHOWN = 40 };

/* ---- the dendrogram ---- */

/* Of a tree with more than LEAVES_SHOWN points the lowest merges are drawn as one branch. */
struct drawing {
    const struct roles *r;
    struct csv *csv;
    struct script *script;
    int first;          /* merges from this one on are drawn */
    int n_drawn;        /* branches so far */
    double *x;          /* (2 n) of clusters that were drawn */
    const int *cluster; /* (2 n) that all of a branch belongs to; -1: several */
};

static double height_of(const struct drawing *d, int c)
{
    const int n = d->r->sample.n;
    return c < n || c - n < d->first ? 0.0 : d->r->tree[c - n].height;
}

static double weight_of(const struct drawing *d, int c)
{
    return c < d->r->sample.n ? d->r->sample.weight[c] : d->r->tree[c - d->r->sample.n].weight;
}

/* Branches from left to right; depth of the recursion is at most LEAVES_SHOWN. */
static void place(struct drawing *d, int c)
{
    const int n = d->r->sample.n;
    if (c < n || c - n < d->first) {
        script_put(d->script, "%s'%.0f' %d", d->n_drawn > 0 ? ", " : "", weight_of(d, c),
                   d->n_drawn);
        d->x[c] = d->n_drawn++;
        return;
    }
    place(d, d->r->tree[c - n].a);
    place(d, d->r->tree[c - n].b);
    d->x[c] = (d->x[d->r->tree[c - n].a] + d->x[d->r->tree[c - n].b]) / 2.0;
}

static enum err put_point(struct csv *csv, int cluster, double x, double y)
{
    csv_int(csv, cluster + 1);
    csv_num(csv, x);
    csv_num(csv, y);
    return csv_end_row(csv);
}

/* A merge is a bracket of four points; the undefined fifth breaks the line. */
static enum err put_merges(struct drawing *d)
{
    const int n = d->r->sample.n;
    for (int m = d->first; m < n - 1; m++) {
        const struct merge *t = &d->r->tree[m];
        const int cluster = d->cluster[n + m];
        TRY(put_point(d->csv, cluster, d->x[t->a], height_of(d, t->a)));
        TRY(put_point(d->csv, cluster, d->x[t->a], t->height));
        TRY(put_point(d->csv, cluster, d->x[t->b], t->height));
        TRY(put_point(d->csv, cluster, d->x[t->b], height_of(d, t->b)));
        TRY(put_point(d->csv, cluster, NAN, NAN));
    }
    return ERR_OK;
}

/* Role of every node of the tree: that of its points, -1 if they have several. */
static enum err name_branches(struct drawing *d, struct arena *scratch)
{
    const struct roles *r = d->r;
    const int n = r->sample.n;
    int *cluster = ARENA_NEW(scratch, 2 * n, int);
    d->x = ARENA_NEW(scratch, 2 * n, double);
    TRY(arena_error(scratch));
    TRY(linkage_cut(cluster, r->tree, n, r->branches, scratch));
    for (int i = 0; i < n; i++) {
        cluster[i] = r->role_of[cluster[i]];
    }
    for (int m = 0; m < n - 1; m++) {
        const int a = cluster[r->tree[m].a], b = cluster[r->tree[m].b];
        cluster[n + m] = a == b ? a : -1;
    }
    d->cluster = cluster;
    return ERR_OK;
}

static void plot_series(struct script *s, const struct roles *r, const struct drawing *d)
{
    const char *separator = "\nplot ";
    for (int c = -1; c < r->k; c++) {
        bool drawn = false;
        for (int m = d->first; m < r->sample.n - 1; m++) {
            drawn = drawn || d->cluster[r->sample.n + m] == c;
        }
        if (!drawn) {
            continue;
        }
        script_put(s, "%s'dendrogram.csv' using ($1==%d ? $2 : NaN):3 with lines lw 1.4 ",
                   separator, c + 1);
        script_put(s, "lc rgb '%s' dt %d title ",
                   c < 0 ? "#404040" : script_colours[c % SCRIPT_COLOURS],
                   c < 0 ? 1 : 1 + c / SCRIPT_COLOURS);
        script_put(s, c < 0 ? "'several roles'" : "'role %d'", c + 1);
        separator = ", \\\n    ";
    }
    script_put(s, "\n");
}

static enum err draw_tree(const struct roles *r, const char *dir, struct arena *scratch)
{
    static const char *const columns[] = {"cluster", "x", "distance"};
    const int n = r->sample.n;
    struct script s;
    struct csv csv;
    struct drawing d = {
        .r = r, .csv = &csv, .script = &s, .first = n > LEAVES_SHOWN ? n - LEAVES_SHOWN : 0};
    const char *path = file_join(scratch, dir, "dendrogram.csv");
    TRY(arena_error(scratch));
    TRY(name_branches(&d, scratch));
    script_begin(&s, scratch, dir, "dendrogram", 900, 420);
    script_put(&s,
               "set border 3 lw 1 lc rgb '#404040'\nset tics nomirror out\nset datafile separator "
               "','\nset datafile missing NaN\nset key outside right top\nset yrange [0:*]\n");
    script_put(&s, "set xlabel 'size of a branch (trajectories)'\nset ylabel 'distance (changes)'\n"
                   "set xtics rotate by 90 right font ',8' (");
    place(&d, 2 * n - 2);
    script_put(&s, ")\nset xrange [-1:%d]\n", d.n_drawn);
    plot_series(&s, r, &d);
    TRY(script_finish(&s));
    TRY(csv_create(&csv, scratch, path, columns, 3));
    const enum err e = put_merges(&d);
    csv_close(&csv);
    return e;
}

static enum err draw_silhouettes(const struct roles *r, const char *dir, struct arena *scratch)
{
    static const char *const columns[] = {"clusters", "observed", "shuffled_agents",
                                          "shuffled_time"};
    struct script s;
    struct csv csv;
    const char *path = file_join(scratch, dir, "silhouette.csv");
    TRY(arena_error(scratch));
    TRY(csv_create(&csv, scratch, path, columns, 4));
    enum err e = ERR_OK;
    for (int k = 2; k <= r->cfg->k_max && k <= r->sample.n && e == ERR_OK; k++) {
        csv_int(&csv, k);
        csv_num(&csv, r->quality[LINKAGE_AVERAGE].silhouette[k]);
        csv_num(&csv, r->agents.mean[k]);
        csv_num(&csv, r->time.mean[k]);
        e = csv_end_row(&csv);
    }
    csv_close(&csv);
    TRY(e);
    script_begin(&s, scratch, dir, "silhouette", 620, 380);
    script_put(&s,
               "set border 3 lw 1 lc rgb '#404040'\nset tics nomirror out\nset datafile separator "
               "','\nset key outside right top\nset xtics 1\n"
               "set xlabel 'k (clusters)'\nset ylabel 'mean silhouette (ratio)'\n");
    script_put(&s,
               "plot 'silhouette.csv' using 1:2 with linespoints lw 1.4 pt 7 ps 0.7 lc rgb '%s' "
               "title 'observed', \\\n",
               script_colours[0]);
    script_put(&s,
               "    '' using 1:3 with linespoints lw 1.4 pt 5 ps 0.7 lc rgb '%s' title "
               "'shuffled over agents', \\\n",
               script_colours[1]);
    script_put(&s,
               "    '' using 1:4 with linespoints lw 1.4 pt 9 ps 0.7 lc rgb '%s' title "
               "'and over time'\n",
               script_colours[2]);
    return script_finish(&s);
}

enum err role_figures_write(const struct roles *r, const char *dir, struct arena *scratch)
{
    TRY(draw_tree(r, dir, scratch));
    return draw_silhouettes(r, dir, scratch);
}
