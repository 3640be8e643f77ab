/* What a tuning found: a table of its best trials, and a figure of all of them. */
#ifndef KARMA_REPORT_TRIALS_TABLE_H
#define KARMA_REPORT_TRIALS_TABLE_H

#include "core/eval/frontier.h"
#include "core/eval/trial_score.h"
#include "core/report/table.h"

/* A trial in one rung. */
struct trial_result {
    int trial, rung, budget; /* rung from 1; budget: updates of a training, else episodes */
    int n_episodes;          /* of each scenario (and training seed) */
    bool failed;             /* its training diverged: no score */
    struct trial_score score;
};

struct trials_report {
    const struct tune_cfg *cfg;
    const char *const *values;          /* (cfg->trials, cfg->n_keys) */
    const struct trial_result *results; /* (n_results) in the order in which they were made */
    int n_results, n_rungs;
    const struct frontier_point *reference; /* (n_reference) corners: mean vCPU, SLO attainment */
    int n_reference;
    const char *const *notes; /* (n_notes) */
    int n_notes;
};

/* The best trial of the last rung; NULL if none has a score. */
const struct trial_result *trials_best(const struct trials_report *r);

/* What a trial did in the last rung that it was in; NULL if in none. */
const struct trial_result *trials_last(const struct trials_report *r, int trial);

enum { TRIALS_SHOWN = 10 };

/* Append the notes, the best TRIALS_SHOWN trials of the last rung, and the configured one. */
enum err trials_print(struct buf *out, const struct trials_report *r, enum table_style style,
                      struct arena *scratch) WARN_UNUSED;

/* DIR/trials.csv and DIR/trials.gp: SLO attainment and objective of every trial, in its last rung,
 * against mean vCPU; the frontier of the trials of the last rung and that of the reference. */
enum err trials_figure(const char *dir, const struct trials_report *r,
                       struct arena *scratch) WARN_UNUSED;

#endif
