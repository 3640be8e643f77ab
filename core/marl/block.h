/* A rollout block: what one tile of environments did in T steps, for one team.
 *
 * The unit of the wire (one message per tile and update) and of learning. Environment-major: the T
 * steps of an environment lie together, so a minibatch of whole environments is made of contiguous
 * rows and sequences stay whole.
 */
#ifndef KARMA_MARL_BLOCK_H
#define KARMA_MARL_BLOCK_H

#include "core/base/mem.h"
#include "core/marl/env.h"

struct block {
    int tile;           /* global index; environments tile*TILE .. +n_env */
    int team;           /* its number in the environment */
    uint32_t update;    /* the update it was collected for */
    int n_env, n_steps; /* E, T */

    /* written by the rollout; cross the wire */
    float *global_state;    /* (E, T, G) raw */
    float *privileged;      /* (E, T, P), for critics alone; NULL if P = 0 */
    uint32_t *mask;         /* (E, T, A, F, words) */
    int32_t *action;        /* (E, T, A, F) */
    float *logp;            /* (E, T, A) of the joint choice over the factors, when acted */
    float *value;           /* (E, T, A) de-normalised */
    float *reward;          /* (E, T, A) */
    uint8_t *flag;          /* (E, T) enum env_flag */
    float *bootstrap_value; /* (E, T, A) value of the last state of a truncated episode, else 0 */
    float *last_value; /* (E, A) value of the state after step T-1; unused where an episode ended */
    float *state;      /* (E, A, S) what agents carried into step 0; 0 from where an episode ends;
                          NULL if S = 0 */
    uint32_t *episode; /* (E) episode number at the first step of the block */
    uint32_t n_episodes; /* that ended in this block */
    double *stats;       /* (2, n_stats) sums over those that have the number, and how many have it;
                            in the block of team 0 only */

    /* computed by the learner */
    float *advantage; /* (E, T, A) */
    float *target;    /* (E, T, A) returns, de-normalised */
};

/* Numbers that an episode leaves behind stand once, in the block of team 0. */
static inline int block_n_stats(const struct env_spec *spec, int team)
{
    return team == 0 ? 2 * spec->n_stats : 0;
}

enum err block_init(struct block *b, struct arena *arena, const struct env_spec *spec, int team,
                    int n_env, int n_steps) WARN_UNUSED;

#endif
