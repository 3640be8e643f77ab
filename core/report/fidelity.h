/* Fidelity of a twin: its accuracy (core/twin/accuracy.h) as tables and figures.
 *
 * Up to three twins that differ only in how they are used are compared on the same episodes: as
 * configured, without the table, without the networks.
 */
#ifndef KARMA_REPORT_FIDELITY_H
#define KARMA_REPORT_FIDELITY_H

#include "core/twin/accuracy.h"

enum { FIDELITY_TWINS_MAX = 3, FIDELITY_PAIRS_MAX = 300 };

struct fidelity {
    const char *names[FIDELITY_TWINS_MAX];
    const struct accuracy *twins[FIDELITY_TWINS_MAX]; /* the first is the one that is meant */
    int n_twins;
    const int *horizons; /* (n_horizons) that stand in tables */
    int n_horizons;
    struct stat_cfg stat;
};

/* All tables as text. */
enum err fidelity_print(struct buf *out, const struct fidelity *f,
                        struct arena *scratch) WARN_UNUSED;

/* Said against true, for a scatter plot: at most FIDELITY_PAIRS_MAX of each group and horizon. */
struct fidelity_pairs;
enum err fidelity_pairs_new(struct fidelity_pairs **out, struct arena *arena, const int *horizons,
                            int n_horizons) WARN_UNUSED;
struct accuracy_watch fidelity_watch(struct fidelity_pairs *p);

/* DIR/accuracy.csv with every number, pairs.csv, and scripts for gnuplot: skill by horizon,
 * coverage, said against true. */
enum err fidelity_figures(const char *dir, const struct fidelity *f,
                          const struct fidelity_pairs *pairs, struct arena *scratch) WARN_UNUSED;

#endif
