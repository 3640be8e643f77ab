/* The cost weight of an episode: the price of CPU in the reward (core/plant/reward.h).
 *
 *   fixed        plant.cost_weight, in every episode
 *   annealed     from `start` to plant.cost_weight, linear in the number of the episode, over the
 *                first `episodes` of an environment; an expensive start falls into doing nothing
 *   conditioned  drawn for each episode from [lo, hi], log-uniform: every factor is as likely
 *
 * A weight is a pure function of the identity of its episode, so it is the same for all members of
 * a group, on any rank and in a replay, and within an episode it never changes. Conditioned, it is
 * an input of actors and critic (cost_law_input()): one training then learns the whole frontier of
 * answered requests against CPU, and the user chooses a point of it when the policy is played
 * (conditioning on the preference: Abels et al. 2019, arXiv 1809.07803).
 *
 * Metrics (`reward`) are computed with plant.cost_weight in any case, so they can be compared.
 */
#ifndef KARMA_GAME_COST_H
#define KARMA_GAME_COST_H

#include "core/plant/plant.h"

enum cost_kind { COST_FIXED, COST_ANNEALED, COST_CONDITIONED };

struct cost_law {
    enum cost_kind kind;
    double weight;   /* plant.cost_weight */
    double start;    /* annealed: weight of episode 0 */
    double episodes; /* annealed: episodes of an environment until `weight` */
    double lo, hi;   /* conditioned: 0 < lo < hi */
};

/* Of a training episode. */
double cost_law_weight(const struct cost_law *c, const struct episode_id *id);

/* Conditioned: a weight as networks see it, log-linear: -1 at lo, 1 at hi. */
float cost_law_input(const struct cost_law *c, double weight);

/* Conditioned: was the weight among those that were drawn? */
bool cost_law_covers(const struct cost_law *c, double weight);

#endif
