/* The tables of Rlad-core (rlad_table.h) as a learner of a team that plays by rlad_interface.h.
 *
 * The published agents learn after each decision of one stream. Here all environments play a
 * rollout with the same tables, and then the tables learn from it; the order in which they do is a
 * function of the run's configuration alone, never of ranks.
 *
 *   model-based   a tile's record are its counts of transitions, visits and sums of costs. Records
 *                 add along the tree of tiles. Sweeps of an update: rlad.sweeps for each decision
 *                 of the rollout, as many as the published agent makes in that time.
 *   Q-learning,   a tile's record are its transitions; merging two records puts them side by side.
 *   Dyna-Q        Every learning rank goes through all of them: decision after decision, in each
 *                 of them environment after environment, and learns from each as the published
 *                 agent does. So there is one stream, of interleaved environments; what differs
 *                 is that choices of a rollout were made with the tables before it. The record
 *                 grows with the run: 12 bytes for each environment, decision and service.
 *
 * Choices. Model-based: least Q, always; what was never seen costs nothing, and is tried. The
 * others take, with probability epsilon, any open choice; where a policy is played, none of them
 * does. If epsilon decays as 1 / t, t is the place of the decision in the stream: decision `step`
 * of environment gid in update u has
 *
 *     t = (u n_steps + step) n_env + gid + 1
 *
 * Weights: params are Q as floats, by which agents act; the doubles are the tables of rlad_table.h,
 * Q included, from which learning goes on. There are no parts. Tables learn in LEARN_ALL only.
 */
#ifndef KARMA_METHODS_RLAD_LEARNER_H
#define KARMA_METHODS_RLAD_LEARNER_H

#include "core/marl/learner.h"
#include "core/methods/rlad_interface.h"

/* Of one transition in a record. */
enum { RLAD_TRANSITION_BYTES = 12 };

/* What a learner is made of. n_env, n_steps: of the run, as in learner_batch. */
struct rlad_plan {
    const struct rlad_interface *interface;
    int team; /* its number in the environment */
    int n_env, n_steps;
    bool learns;
};

/* By reference, but for *plan. Nothing learned yet. */
enum err rlad_learner_new(struct learner **out, struct arena *arena, const struct rlad_plan *plan,
                          uint64_t seed) WARN_UNUSED;

/* The tables of such a learner, for tests and reports. */
const struct rlad *rlad_of(const struct learner *l);

#endif
