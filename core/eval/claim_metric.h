/* The metrics that a claim of an ablation may be about, by their names.
 *
 * Most are metrics of an episode (core/plant/episode_metrics.h). The others are numbers that a
 * training has once: when it converged, and how well its policy keeps to roles and missions.
 */
#ifndef KARMA_EVAL_CLAIM_METRIC_H
#define KARMA_EVAL_CLAIM_METRIC_H

#include "core/base/nearest.h"

#include <stdbool.h>

enum claim_source {
    CLAIM_OF_EPISODES,  /* `index`: of metric_info */
    CLAIM_OF_TRAININGS, /* convergence: episodes of training until a level (core/eval/converged.h);
                           one that never gets there counts with all episodes of the shorter
                           training of the two arms (the restricted mean) */
    CLAIM_OF_AGENTS     /* `index`: enum claim_alignment, shares of docs/organisation.md */
};
enum claim_alignment {
    CLAIM_ALIGNMENT, /* decisions inside the role / decisions that could change something */
    CLAIM_UNMASKED,  /* the same of the most probable choice without masks */
    CLAIM_MISSIONS,  /* windows in which the mission's measure improved / all windows */
    CLAIM_ALIGNMENTS
};

struct claim_metric {
    const char *name;
    enum claim_source of;
    int index;
    bool less_is_better;
};

/* `near` (or NULL) is offered every name. */
bool claim_metric_find(struct claim_metric *out, const char *name, struct nearest *near);

#endif
