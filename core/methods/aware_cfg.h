/* AWARE (Qiu et al., "AWARE: Automate Workload Autoscaling with Reinforcement Learning in
 * Production Cloud Systems", USENIX ATC 2023), in the horizontal envelope: an agent for each
 * service, which leaves its replicas as they are, adds one or takes one away.
 *
 * All agents share the weights of one actor and one critic, which are meta-trained: each network
 * also reads an embedding of its service's workload, which a recurrent encoder computes from the
 * best episodes of that service. The parts:
 *
 *   aware_interface.h   what an agent measures, what it may do, what it is paid
 *   aware_net.h         the networks: encoder, linear layer, head
 *   aware_best.h        the best episodes of each service
 *   aware_learner.h     acting, PPO, bootstrapping, the retraining monitor
 *
 * docs/baselines.md says what the publication gives, and what was decided where it is silent.
 */
#ifndef KARMA_METHODS_AWARE_CFG_H
#define KARMA_METHODS_AWARE_CFG_H

#include "core/controllers/rule.h"

#include <stdbool.h>

/* What agents are paid: as the publication has it, or the common reward of KARMA's defenders. */
enum aware_reward { AWARE_REWARD_OWN, AWARE_REWARD_KARMA };

/* What a return adds behind the last step of an episode: nothing, or the critic's value of the
 * state that follows. */
enum aware_tail { AWARE_TAIL_NONE, AWARE_TAIL_VALUE };

/* A heuristic acts first, until the agent is better. */
struct aware_bootstrap_cfg {
    struct controller_rule rule;
    int episodes; /* of each, over which the means are compared; 0: agents act from the start */
    double trial_share; /* of the environments in which the agents act meanwhile, to be compared */
};

/* Between learning and serving, by the returns of the newest episodes. */
struct aware_monitor_cfg {
    int episodes; /* at least so many; 0: the agents learn to the end */
    double mean;  /* return of an episode from which it serves ... */
    double std;   /* ... if the standard deviation of the returns is below this */
};

struct aware_cfg {
    int reward; /* enum aware_reward */
    double utilisation_weight, reversal_penalty;
    int *hidden, n_hidden; /* units of the heads' hidden layers */
    int encoder_units;     /* H of each layer and direction */
    int encoder_layers;
    int embedding;     /* E, length of an embedding */
    int best_episodes; /* of a service that the encoder reads */
    int episode_steps; /* decisions of an episode of AWARE */
    int tail;          /* enum aware_tail */
    double gamma, clip, entropy, value_weight, lr, grad_norm;
    int epochs, minibatches;
    struct aware_bootstrap_cfg bootstrap;
    struct aware_monitor_cfg monitor;
};
extern const struct cfg_field aware_fields[];

#endif
