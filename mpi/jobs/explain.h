/* One decision of a recorded episode, explained: what each agent chose and why, what else it could
 * have chosen, and what would have come of that.
 *
 *   choice      and the second choice (core/analysis/counterfactual.h), their probabilities, the
 *               margin (difference of their logits) and the number of choices that the mask left
 *   rules       of the agent's roles that held, with the changes that they allow
 *   influence   the three inputs that made the first choice preferred to the second most, by
 *               integrated gradients (core/analysis/influence.h)
 *   outcomes    of both choices over the next EXPLAIN_AHEAD decisions, in the simulator and as the
 *               twin predicts: both play the load and the faults of the episode, the recorded
 *               changes up to the decision, and what the team would do after it
 */
#ifndef KARMA_JOBS_EXPLAIN_H
#define KARMA_JOBS_EXPLAIN_H

#include "mpi/jobs/replay_episodes.h"

enum { EXPLAIN_AHEAD = 4, EXPLAIN_INPUTS = 3 };

struct explain_order {
    const char *const *runs; /* (n_runs) directories of evaluations */
    int n_runs;
    const char *controller;     /* NULL: the only team */
    const struct experiment *x; /* the evaluation; with its twin, if there is one */
    int episode, decision;
    const char *scenario; /* NULL: the first one that has this episode */
    int train_seed;       /* negative: the first policy that played it */
};

/* Local. Prints to standard output. ERR_USAGE with a sentence if there is no such team, episode or
 * decision; what replay_open() and replay_first() refuse. */
enum err explain_decision(const struct explain_order *order, struct arena *arena) WARN_UNUSED;

#endif
