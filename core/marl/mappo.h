/* MAPPO: one update of a team from the blocks of all tiles (Yu et al. 2022, arXiv 2103.01955; PPO:
 * Schulman et al. 2017, arXiv 1707.06347).
 *
 *   advantages (GAE) -> centred in groups -> normalised per agent over the batch -> PopArt
 *   -> epochs x minibatches:
 *     per-tile gradients -> tree sum -> mean -> clip per network -> Adam
 *   -> statistics of the global states merged (they were frozen till here)
 *
 *   policy loss  -mean_w min(rho A, clip(rho, 1 - eps, 1 + eps) A) - c_H mean_w H
 *                rho = pi(a) / pi_old(a) of the joint choice a over the factors, H the entropy
 *                summed over them; w = 0 where the agent had one allowed choice, else 1
 *   value loss   mean max(huber(v - y), huber(v_old + clip(v - v_old, -eps_v, eps_v) - y))
 *                of normalised values v and targets y
 *
 * Bits do not depend on how tiles are dealt to learners, nor on team_cfg.row_block.
 */
#ifndef KARMA_MARL_MAPPO_H
#define KARMA_MARL_MAPPO_H

#include "core/marl/block.h"
#include "core/marl/reduce.h"
#include "core/marl/team.h"

struct mappo_cfg {
    double gamma, lambda;
    double clip, value_clip, huber_delta;
    double entropy;    /* coefficient, per factor */
    double lr, lr_end; /* linear over the run */
    int epochs, minibatches;
    double grad_norm; /* per network */
    double adam_beta1, adam_beta2, adam_eps;
    double value_beta; /* PopArt memory */
    bool raw_values;   /* no PopArt: values and their clip are in the unit of the returns */
};
extern const struct cfg_field mappo_fields[];

/* What one pass over the batch is for. WARMUP: statistics of the global states only. CLONE:
 * cross-entropy to the block's actions (and the critic learns too). VALUE: only the critic learns.
 */
enum mappo_phase { MAPPO_WARMUP, MAPPO_CLONE, MAPPO_VALUE, MAPPO_PPO };

struct mappo_stats { /* means over the update; per agent where an array */
    double policy_loss, value_loss, entropy, kl, clip_fraction, grad_norm, explained_variance;
    double ratio_max_dev; /* max |rho - 1| in the first minibatch of the first epoch: exactly 0 */
    double reward;        /* mean reward per step */
    double lr;
    /* Of the last epoch: the least mean entropy of one agent's choices, and whose (-1: nobody had a
     * choice). About 0: the agent always does the same and explores nothing any more. */
    double entropy_least;
    int entropy_agent;
};

struct mappo;
/* n_tiles, n_env, n_steps: of the whole run; tiles (n_mine): this learner's, ascending.
 * Two reducers, whose record shapes mappo_shapes() tells: gradients and batch statistics. */
void mappo_shapes(const struct team *team, struct reduce_shape *grad, struct reduce_shape *batch);
enum err mappo_init(struct mappo **out, struct arena *arena, const struct mappo_cfg *cfg,
                    struct team *team, uint64_t seed, int n_env, int n_steps, int n_mine,
                    const struct reducer *grad, const struct reducer *batch) WARN_UNUSED;

/* Environments form groups of so many (env_spec.group): their mean is a baseline of the advantage
 * (gae_centre_groups()). 1 after mappo_init(). */
void mappo_set_group(struct mappo *m, int group);
int mappo_group(const struct mappo *m);

/* blocks (n_mine), ascending by tile. progress in [0, 1]: of the run, for lr. Collective over all
 * learners (through the reducers). Every learner ends with the same team->w, version + 1.
 * ERR_NUMERIC with a sentence that names the agent or the critic if a global state, a reward, a
 * gradient or a parameter is not finite; then the team is good for nothing. */
enum err mappo_update(struct mappo *m, struct block *blocks, enum mappo_phase phase,
                      double progress, struct mappo_stats *out) WARN_UNUSED;

/* Local. What was not finite in the update that returned ERR_NUMERIC, "the gradient of the actor of
 * agent 'cart'"; "" if there was none. */
const char *mappo_fault(const struct mappo *m);

/* For checkpoints: the optimiser's state (m, v: n_params floats each). t counts steps, the actors'
 * in its upper 32 bits and the critic's in its lower: a VALUE phase moves only the critic. */
void mappo_optimiser(struct mappo *m, float **mom1, float **mom2, uint64_t **t);

/* For a dump of one update (proto/update_dump.proto). All Local. */

/* Added to the standard deviation by which advantages are divided. */
extern const double mappo_advantage_eps;

/* What the last update read of this learner's tile_i-th tile, until the next one begins; rows = its
 * environments x steps. critic is NULL where the critic reads obs (CRITIC_LOCAL). */
struct mappo_inputs {
    const float *obs;    /* (A, rows, team->obs_ld) */
    const float *critic; /* (rows, team->critic_ld) */
};
struct mappo_inputs mappo_tile_inputs(const struct mappo *m, int tile_i);

/* Minibatches of an epoch; (n_env) the minibatch of each environment in an epoch of the update that
 * began with weights of this version, until the next call or update. */
int mappo_n_minibatches(const struct mappo *m);
const int *mappo_minibatches(struct mappo *m, uint32_t version, int epoch);

#endif
