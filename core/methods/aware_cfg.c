/* Parameters of AWARE: names, defaults (the published ones, unless the text says so), ranges. See
 * aware_cfg.h. */
#include "core/methods/aware_cfg.h"

#include "core/nn/gru.h"
#include "core/nn/mlp.h"

static const struct cfg_choice rewards[] = {
    {"own", AWARE_REWARD_OWN, "utilisation, answered share and latency of the agent's service"},
    {"karma", AWARE_REWARD_KARMA, "the common reward of plant.reward, minus the weighted cost"},
    {NULL, 0, NULL},
};
static const struct cfg_choice tails[] = {
    {"none", AWARE_TAIL_NONE, "nothing: a return is that of one episode"},
    {"value", AWARE_TAIL_VALUE, "the critic's value, and episodes go on to the end of a rollout"},
    {NULL, 0, NULL},
};

#define S struct aware_bootstrap_cfg
static const struct cfg_field bootstrap_fields[] = {
    CFG_INT(S, episodes, "20", 0, 1000000, "", CFG_RESULT,
            "of agents and heuristic each, whose mean returns are compared; 0 = agents act from "
            "the start"),
    CFG_DOUBLE(S, trial_share, "0.25", 0, 1, "", CFG_RESULT,
               "share of the environments in which agents act while the heuristic does elsewhere"),
    CFG_TABLE(S, rule, controller_rule_khpa, "the heuristic that acts first"),
    CFG_END,
};
#undef S

#define S struct aware_monitor_cfg
static const struct cfg_field monitor_fields[] = {
    CFG_INT(S, episodes, "0", 0, 1000000, "", CFG_RESULT,
            "newest episodes whose returns are judged (published: 10); 0 = agents learn to the "
            "end"),
    CFG_DOUBLE(S, mean, "100", -1e9, 1e9, "", CFG_RESULT,
               "agents stop learning and serve if the mean of the returns is this or more"),
    CFG_DOUBLE(S, std, "10", 0, 1e9, "", CFG_RESULT,
               "and their standard deviation is below this; else they learn again"),
    CFG_END,
};
#undef S

#define S struct aware_cfg
const struct cfg_field aware_fields[] = {
    CFG_ENUM(S, reward, "own", rewards, CFG_RESULT, "what agents are paid"),
    CFG_DOUBLE(S, utilisation_weight, "0.3", 0, 1, "", CFG_RESULT,
               "of the utilisation in the own reward; the rest is that of the answered share and "
               "of the latency"),
    CFG_DOUBLE(S, reversal_penalty, "1", 0, 1e6, "", CFG_RESULT,
               "own reward: subtracted if a choice takes back the one before"),
    CFG_LIST_INT(S, hidden, n_hidden, "[64, 64]", 0, MLP_LAYERS_MAX - 1, 1, 4096, "", CFG_RESULT,
                 "hidden layers of actor and critic, ReLU"),
    CFG_INT(S, encoder_units, "32", 1, 4096, "", CFG_RESULT,
            "recurrent units of each layer and direction of the encoder (published: 256)"),
    CFG_INT(S, encoder_layers, "2", 1, GRU_LAYERS_MAX, "", CFG_RESULT, "layers of the encoder"),
    CFG_INT(S, embedding, "32", 1, 4096, "", CFG_RESULT, "length of an embedding"),
    CFG_INT(S, best_episodes, "32", 1, 4096, "", CFG_RESULT,
            "episodes with the greatest returns that are kept of a service"),
    CFG_INT(S, episode_steps, "10", 1, 100000, "decisions", CFG_RESULT,
            "length of an episode of AWARE; at most train.steps"),
    CFG_ENUM(S, tail, "none", tails, CFG_RESULT, "what a return adds behind its last step"),
    CFG_DOUBLE(S, gamma, "0.99", 0, 1, "", CFG_RESULT, "discount of a step"),
    CFG_DOUBLE(S, clip, "0.2", 1e-3, 1, "", CFG_RESULT, "PPO: ratio cut at 1 +- this"),
    CFG_DOUBLE(S, entropy, "0.01", 0, 10, "", CFG_RESULT, "weight of the entropy"),
    CFG_DOUBLE(S, value_weight, "0.05", 0, 1e6, "", CFG_RESULT, "weight of the critic's loss"),
    CFG_DOUBLE(S, lr, "3e-4", 0, 1, "", CFG_RESULT, "Adam step size"),
    CFG_DOUBLE(S, grad_norm, "0", 0, 1e9, "", CFG_RESULT, "longest gradient, 0 = any"),
    CFG_INT(S, epochs, "5", 1, 1000, "", CFG_RESULT, "passes over a batch"),
    CFG_INT(S, minibatches, "10", 1, 4096, "", CFG_RESULT,
            "parts of a batch, one step of Adam each"),
    CFG_TABLE(S, bootstrap, bootstrap_fields, "a heuristic acts until the agents are better"),
    CFG_TABLE(S, monitor, monitor_fields, "when agents stop learning, and begin again"),
    CFG_END,
};
#undef S
