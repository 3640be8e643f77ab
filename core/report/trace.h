/* One episode on paper: what was measured, decided and true, as two CSV files.
 *
 * trace    one row per decision: step, t_s (end of the period), every feature of the state
 *          (service.feature), delta.SERVICE (executed), truth.*, reward.*
 * cohorts  one row per 5 s window of arrival: t_s (its start), rates in 1/s, latency_ms (nan if
 * none was answered), final (0: some of its requests may still have been under way at the end).
 * A plant that keeps no cohorts (the twin): one row per decision, what was received and what was
 * answered in that period; final is 1
 */
#ifndef KARMA_REPORT_TRACE_H
#define KARMA_REPORT_TRACE_H

#include "core/base/csv.h"
#include "core/eval/episode.h"

struct trace {
    struct arena *arena; /* borrowed */
    const struct world *world;
    struct csv csv;
    struct plant_truth *periods; /* (n_periods) of the decisions so far; room for a horizon */
    int n_periods;
    double most_replicas; /* of any service so far: for the axis of a figure */
};

/* Replaces the file. */
enum err trace_open(struct trace *t, struct arena *arena, const char *path,
                    const struct world *w) WARN_UNUSED;
void trace_close(struct trace *t);

/* Writes a row per decision; `t` must stay where it is. */
struct episode_observer trace_observer(struct trace *t);

/* Ranges of what was written. */
struct cohort_range {
    double most_rps, most_ms;
};
enum err trace_write_cohorts(struct cohort_range *range, struct arena *arena, const char *path,
                             const struct world *w, const struct plant_cohort *cohorts,
                             int n) WARN_UNUSED;
/* The same columns from what the trace saw, for a plant without cohorts. */
enum err trace_write_periods(struct cohort_range *range, const struct trace *t,
                             const char *path) WARN_UNUSED;

#endif
