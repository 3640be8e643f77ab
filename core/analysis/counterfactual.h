/* What would have happened if one agent had made its second choice at one decision.
 *
 * An episode is a function of its identity and of the actions, so it can be played again with the
 * same load, the same faults and the same draws of everything (common random numbers). A second
 * play in which one action of one agent is replaced differs from the first by the effect of that
 * replacement and by nothing else.
 *
 * The *second choice* of an agent is what its learner thinks best when the mask forbids the choice
 * that it made and all that come to the same change of replicas. Of an agent with several factors
 * the one factor is replaced whose replacement the learner finds most probable. An agent whose mask
 * allows nothing else has no second choice.
 *
 * The effect of agent i on agent j at decision t is the share of j's choices at the decisions t + 1
 * .. t + EFFECT_STEPS that differ from those of the first play. It is causal, since the replacement
 * is an intervention: agents that follow a common driver, but not each other, have no effect on
 * each other. The path may lead over the plant or over what agents see of each other.
 */
#ifndef KARMA_ANALYSIS_COUNTERFACTUAL_H
#define KARMA_ANALYSIS_COUNTERFACTUAL_H

#include "core/controllers/controller.h"
#include "core/eval/episode.h"

enum { EFFECT_STEPS = 3 };

/* A learner around another one, which replaces one choice. Give team to controller_new(). */
struct counterfactual {
    struct learner base; /* acts as `inner` but for the replacement */
    struct trained_team team;
    struct learner *inner;
    int agent, step; /* to be replaced; step -1: nothing */
    bool replaced;   /* in this play */
    int factor;      /* the one that was replaced, */
    int32_t first, second;
    float *seen;              /* (G) the global state at that decision */
    uint32_t *seen_mask;      /* (A, F, words) */
    uint32_t *mask;           /* (A, F, words) scratch */
    int32_t *action;          /* (A, F) scratch */
    float *logp;              /* (A) scratch */
    int32_t *asked, *change;  /* (F), (2, n_services) scratch */
    float *memory, *memory_2; /* (A, S) scratch; NULL if S = 0 */
};
enum err counterfactual_init(struct counterfactual *c, struct arena *arena,
                             const struct trained_team *team) WARN_UNUSED;

/* The next play: agent's choice at decision `step` is replaced; step -1: none. */
void counterfactual_replace(struct counterfactual *c, int agent, int step);

/* ---- plays ---- */

/* One episode, played first without a replacement. Borrowed. */
struct counterfactual_play {
    struct episode *episode;
    struct controller *controller; /* of c->team */
    struct counterfactual *c;
    int scenario;
    struct episode_id id;
    int n_agents, n_factors, n_steps;
    int32_t *action; /* (n_steps, A, F) of the first play */
    int stop_at;     /* decisions to be played; scratch of a play */
    int32_t *again;  /* (EFFECT_STEPS, A, F) of a play with a replacement */
    int first_kept;  /* decision of again[0] */
};
enum err counterfactual_play_init(struct counterfactual_play *p, struct arena *arena,
                                  struct episode *episode, struct controller *controller,
                                  struct counterfactual *c) WARN_UNUSED;

/* The first play, to its end. */
enum err counterfactual_play_first(struct counterfactual_play *p, int scenario,
                                   const struct episode_id *id) WARN_UNUSED;

/* effect (A) of replacing agent's choice at decision `step`, which the first play has; all NaN if
 * it has no second choice or `step` is the last decision; its own effect on its later choices
 * stands at `agent`. Plays until the last choice that counts. */
enum err counterfactual_effect(double *effect, struct counterfactual_play *p, int agent,
                               int step) WARN_UNUSED;

#endif
