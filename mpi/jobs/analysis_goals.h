/* Goals, missions and organisational fit of a team (core/analysis/goals.h, fit.h).
 *
 *   DIR/TEAM/goals.csv, goals.txt, goals.md   regions of the joint state, goals and missions
 *   DIR/TEAM/fit.csv                          SOF, FOF, OF, and those with the authors' constant
 */
#ifndef KARMA_JOBS_ANALYSIS_GOALS_H
#define KARMA_JOBS_ANALYSIS_GOALS_H

#include "core/analysis/goals.h"
#include "core/analysis/roles.h"

/* One team. By reference. */
struct goal_order {
    const struct roles *roles; /* with its set */
    const char *dir;           /* DIR/TEAM */
    /* An episode is successful if its SLO attainment is at least this; negative: at least the
     * median of its scenario. */
    double success;
    struct goals_cfg cfg;
};

/* Local, rank 0. Writes the files and prints the table. sof, fof: structural and functional fit. A
 * set in which all episodes are successful, or none, has no goals: a warning, and fof is NaN. */
enum err analysis_goals_write(double *sof, double *fof, const struct goal_order *order,
                              struct arena *arena) WARN_UNUSED;

#endif
