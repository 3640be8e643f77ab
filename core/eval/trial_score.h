/* The score of a trial: its objective with an interval, and what it did at which cost. */
#ifndef KARMA_EVAL_TRIAL_SCORE_H
#define KARMA_EVAL_TRIAL_SCORE_H

#include "core/base/stats.h"
#include "core/eval/eval.h"
#include "core/eval/tuning.h"

struct trial_score {
    struct stat_interval objective; /* NaN: a trial cheaper than every arm of the reference */
    struct stat_interval slo_attainment, vcpu;
};

/* Local. The trial is the last of cfg->controllers, the others are the arms of the reference. rows
 * (n_rows), in the order of controller, training seed, scenario, episode, cfg->episodes of each.
 * Several scenarios have the same weight. All trials resample the same episodes. scratch is
 * rewound. */
enum err trial_score(struct trial_score *out, const struct tune_cfg *tune,
                     const struct eval_cfg *cfg, const struct scenario_cfg *scenarios,
                     int n_scenarios, const struct eval_row *rows, int n_rows,
                     struct arena *scratch) WARN_UNUSED;

/* Local. The kind of that name that can be a reference, because its arms form a frontier
 * (core/eval/frontier.h); NULL: none. */
const struct controller_kind *trial_reference(const char *name);

#endif
