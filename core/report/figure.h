/* Figures: gnuplot scripts beside the CSV files they draw.
 *
 * This program only writes them; `karma figure DIR` (or gnuplot NAME.gp in their directory) makes
 * NAME.svg and NAME.png. Colours are those of M. Okabe and K. Ito, which colour-blind readers can
 * tell apart; axes carry units; legends stand beside the data.
 */
#ifndef KARMA_REPORT_FIGURE_H
#define KARMA_REPORT_FIGURE_H

#include "core/base/err.h"
#include "core/base/mem.h"
#include "core/eval/frontier.h"
#include "core/game/env_setup.h"
#include "core/scenario/schedule.h"

#include <stdbool.h>

/* One column of a timeline. */
struct figure_track {
    const char *label;
    const char *episode, *cohorts; /* file names beside the script, see episode_csv.h */
    const bool *means; /* (ATTACKER_KINDS) of a learned attacker; its requests and budgets have
                          lines; NULL: there is none */
};
struct figure_timeline {
    const char *title;
    const struct env_setup *env_setup;
    const struct schedule *schedule; /* shaded */
    const struct figure_track *tracks;
    int n_tracks;
    double most_rps, most_ms, most_replicas; /* common axes */
};
/* DIR/timeline.gp: load, replicas per service and latency over time, a column per controller. With
 * a learned attacker a fourth row: what is left of its budgets. */
enum err figure_timeline(const char *dir, const struct figure_timeline *f,
                         struct arena *scratch) WARN_UNUSED;

/* DIR/frontier-SCENARIO.csv and .gp for every view: SLO attainment against mean vCPU. Frontiers
 * are lines through their arms, shown controllers points with intervals. Of a view in which no
 * episode was scored a warning, and no .gp: gnuplot fails where there is no point. */
enum err figure_frontiers(const char *dir, const struct summary *s,
                          struct arena *scratch) WARN_UNUSED;

/* DIR/learning.gp: reward, SLO attainment and vCPU over env-steps, from the metrics.csv at `path`
 * (relative to DIR, or absolute), which this program reads as `file`. A warning, and no .gp, if no
 * episode with a request has ended yet. */
enum err figure_learning(const char *dir, const char *path, const char *file,
                         struct arena *scratch) WARN_UNUSED;

/* DIR/organisation.gp: how agents keep to their roles and how their missions fare over env-steps,
 * from the same file, which this program reads as `file`. Nothing if it is of a training without an
 * organisation. */
enum err figure_org_metrics(const char *dir, const char *path, const char *file,
                            struct arena *scratch) WARN_UNUSED;

/* DIR/scale.gp: how a training and a farm of trainings scale, from scale.csv beside it, whose
 * columns are named in mpi/cmd/bench_scale.c. measured: there are rows of kind "check", too. */
enum err figure_scale(const char *dir, bool measured, struct arena *scratch) WARN_UNUSED;

/* Names as parts of file names: letters and digits, '-' for the rest. All n slugs differ, also
 * where two names are equal or differ only in other characters: the later one ends with -2, -3 ...
 * ERR_MEMORY. */
enum err figure_slugs(const char **slugs, struct arena *arena, const char *const *names,
                      int n) WARN_UNUSED;

#endif
