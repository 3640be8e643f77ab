/* One episode as two CSV files: what was measured, decided and true.
 *
 * episode  one row per decision: step, t_s (end of the period), every feature of the state
 *          (service.feature), delta.SERVICE (executed), truth.*, reward.*; behind a shield also
 *          proposed.SERVICE (the change the controller asked for) and shield.SERVICE (the reasons
 *          why another one was executed, joined by +; empty: as proposed); under a learned attacker
 *          attack_left.KIND, the share left of that budget (nan: it has none)
 * cohorts  one row per 5 s window of arrival: t_s (its start), rates in 1/s, latency_ms (nan if
 *          none was answered), final (0: some of its requests may still have been under way at the
 *          end). A plant that keeps no cohorts (the twin): one row per decision, what was received
 *          and what was answered in that period; final is 1
 */
#ifndef KARMA_REPORT_EPISODE_CSV_H
#define KARMA_REPORT_EPISODE_CSV_H

#include "core/base/csv.h"
#include "core/eval/episode.h"

struct episode_csv {
    struct arena *arena; /* borrowed */
    const struct env_setup *env_setup;
    struct csv csv;
    bool shielded, attacked;     /* columns of the shield, of a learned attacker */
    struct plant_truth *periods; /* (n_periods) of the decisions so far; room for a horizon */
    int n_periods;
    double most_replicas; /* of any service so far: for the axis of a figure */
};

/* Replaces the file. */
enum err episode_csv_open(struct episode_csv *t, struct arena *arena, const char *path,
                          const struct env_setup *w, bool shielded, bool attacked) WARN_UNUSED;
void episode_csv_close(struct episode_csv *t);

/* Writes a row per decision; `t` must stay where it is. */
struct episode_observer episode_csv_observer(struct episode_csv *t);

/* Ranges of what was written. */
struct cohort_range {
    double most_rps, most_ms;
};
enum err episode_csv_write_cohorts(struct cohort_range *range, struct arena *arena,
                                   const char *path, const struct env_setup *w,
                                   const struct plant_cohort *cohorts, int n) WARN_UNUSED;
/* The same columns from what was observed, for a plant without cohorts. */
enum err episode_csv_write_periods(struct cohort_range *range, const struct episode_csv *t,
                                   const char *path) WARN_UNUSED;

#endif
