/* A mixed strategy over a population: for each episode one member plays.
 *
 * The member is a function of the identity of the episode alone (seed, domain, environment,
 * number), so it is the same on any rank and after a resume, and the same for all members of a
 * group of environments (train.group).
 */
#ifndef KARMA_GAME_MIXTURE_H
#define KARMA_GAME_MIXTURE_H

#include "core/scenario/schedule.h"

/* shares (n): at least 0, and their sum is above 0; they need not add up to 1. NULL: all alike. */
struct mixture {
    const double *shares;
    int n;
};

/* The member that plays this episode: member m with probability shares[m] / sum of shares. */
int mixture_member(const struct mixture *m, const struct episode_id *id);

#endif
