/* AWARE as a learner: agents with shared weights that act by their observation and by an embedding
 * of their service's best episodes, and PPO that improves them.
 *
 * An update:
 *
 *   returns of the blocks -> advantages, normalised over the batch
 *   epochs x minibatches:
 *     embeddings from the best episodes and the parameters as they are
 *     per-tile gradients of the heads, and by the embeddings -> sum over tiles
 *     encoders backwards from the summed gradient by the embeddings -> Adam
 *   the best episodes of the blocks join those kept; embeddings again, into the weights
 *
 * Encoders read episodes that are equal on all learning ranks, and their gradient is a function of
 * a sum over tiles, so each rank computes it for itself and all get the same bits. The episodes
 * kept are a part (core/marl/learner.h); the sum that finds the new ones merges lists of the best.
 *
 * Parameters (weights.params): actor | critic | embeddings of the actor (A, E) | of the critic. So
 * whoever acts needs no episodes. The state of the learner is in weights.global_state_stats, in the
 * order of enum aware_state.
 *
 * Bootstrapping: while a heuristic acts, its choices stand in the global state. The agents act in
 * bootstrap.trial_share of the environments, by what they think best, and learn from the others:
 * the actor to make the heuristic's choices, the critic what its states return. When the mean
 * return of the agents' episodes is at least that of the heuristic's, over at least
 * bootstrap.episodes of each, the agents take over and PPO begins.
 *
 * Monitor: while the returns of at least monitor.episodes of the newest episodes have a mean of
 * monitor.mean or more and a standard deviation below monitor.std, the agents serve: they do what
 * they think best and do not learn. Else they learn.
 */
#ifndef KARMA_METHODS_AWARE_LEARNER_H
#define KARMA_METHODS_AWARE_LEARNER_H

#include "core/marl/learner.h"
#include "core/methods/aware_cfg.h"

enum aware_mode { AWARE_BOOTSTRAP, AWARE_LEARNING, AWARE_SERVING };

/* Numbers of weights.global_state_stats; a block of statistics is three (core/nn/normaliser.h). */
enum aware_state {
    AWARE_MODE,      /* enum aware_mode */
    AWARE_HANDOVER,  /* the version of the weights with which the agents took over; 0: not yet, or
                        there was no heuristic */
    AWARE_HEURISTIC, /* statistics of the returns of the heuristic's episodes that are compared */
    AWARE_AGENTS = AWARE_HEURISTIC + 3, /* of the agents' episodes, for comparison or monitor */
    AWARE_STATES = AWARE_AGENTS + 3
};

struct aware_plan {
    const struct aware_cfg *cfg;
    const struct team_spec *spec; /* one factor, no normalised columns */
    int number;                   /* of the team in its environment */
    int heuristic_at; /* first of (A) columns of the global state: the heuristic's choices; -1: none
                         is there, and the agents act from the start */
    bool learns;      /* false: it only plays */
};

/* With random parameters from `seed`. By reference, but for *plan. scratch is rewound. */
enum err aware_learner_new(struct learner **out, struct arena *arena, const struct aware_plan *plan,
                           uint64_t seed, struct arena *scratch) WARN_UNUSED;

/* For tests and reports. Of a learner that aware_learner_new() made. */
enum aware_mode aware_learner_mode(const struct learner *l);
/* (A, E) of the actor. */
const float *aware_learner_embeddings(const struct learner *l);

/* While a heuristic acts: do the agents act in environment gid? */
bool aware_is_trial(const struct aware_cfg *cfg, uint32_t gid);

#endif
