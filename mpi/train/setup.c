/* The fields of section `train`: names, units, defaults, ranges. See setup.h.
 *
 * The effect of each row decides what may change when a run is resumed: rows that are results make
 * up the digest of a run, which must stay; rows of speed and output may have other values. */
#include "mpi/train/setup.h"

static const struct cfg_choice learners_words[] = {
    {"auto", LEARNERS_AUTO, ""},
    {NULL, 0, NULL},
};
static const struct cfg_choice init_choices[] = {
    {"scratch", INIT_SCRATCH, "random weights"},
    {"clone", INIT_CLONE, "imitate the rule clone.rule first"},
    {"clone_ff", CFG_OLDER, "init: clone, and for the parameters clone: {rule: {ff: {...}}}"},
    {"clone_khpa", CFG_OLDER, "init: clone, and clone: {rule: khpa} or {rule: {khpa: {...}}}"},
    {NULL, 0, NULL},
};
static const struct cfg_choice cost_choices[] = {
    {"fixed", COST_FIXED, "plant.cost_weight"},
    {"annealed", COST_ANNEALED, "from cost_start to plant.cost_weight"},
    {"conditioned", COST_CONDITIONED, "drawn for each episode from cost_range, and seen"},
    {NULL, 0, NULL},
};
static const struct cfg_choice shield_choices[] = {
    {"none", TRAIN_SHIELD_NONE, "agents may choose what the replica bounds allow"},
    {"mask", TRAIN_SHIELD_MASK, "only what the shield lets pass (section shield)"},
    {NULL, 0, NULL},
};
static const struct cfg_choice opponents[] = {
    {"scripted", OPPONENT_SCRIPTED, "the attacks of the scenarios alone"},
    {"fixed", OPPONENT_FIXED, "an attacker that was trained before, attacker.policy"},
    {"together", OPPONENT_TOGETHER, "an attacker that learns in every update, too"},
    {"alternating", OPPONENT_ALTERNATING, "the same, but one of both learns at a time"},
    {"population", OPPONENT_POPULATION,
     "in each episode one of the trained attackers attacker.members"},
    {NULL, 0, NULL},
};
static const struct cfg_field clone_fields[] = {
    CFG_INT(struct clone_cfg, samples, "25000", 1, 100000000, "decisions", CFG_RESULT,
            "demonstrations to learn from"),
    CFG_DOUBLE(struct clone_cfg, random_share, "0.3", 0, 1, "", CFG_RESULT,
               "share of executed actions replaced by random ones"),
    CFG_INT(struct clone_cfg, passes, "40", 1, 10000, "", CFG_RESULT,
            "updates on each rollout of demonstrations"),
    CFG_DOUBLE(struct clone_cfg, lr, "2e-3", 0, 1, "", CFG_RESULT,
               "Adam step size at the start of cloning, a tenth of it at the end"),
    CFG_INT(struct clone_cfg, value_updates, "5", 0, 10000, "", CFG_RESULT,
            "updates of the critic alone before the policy learns"),
    CFG_TABLE(struct clone_cfg, rule, controller_rule_ff, "the rule that is imitated"),
    CFG_END,
};
static const struct cfg_field evaluate_fields[] = {
    CFG_INT(struct evaluate_cfg, every, "0", 0, 100000000, "updates", CFG_OUTPUT,
            "from one evaluation to the next; 0 = none"),
    CFG_INT(struct evaluate_cfg, episodes, "20", 1, 1000000, "", CFG_OUTPUT,
            "DEV episodes of each scenario"),
    CFG_UINT64(struct evaluate_cfg, seed, "1", CFG_OUTPUT, "of the episodes"),
    CFG_END,
};
const struct cfg_field train_fields[] = {
    CFG_UINT64(struct train_cfg, seed, "1", CFG_RESULT, "of everything random in the run"),
    CFG_INT(struct train_cfg, updates, "160", 0, 100000000, "", CFG_RESULT, "PPO updates"),
    CFG_INT(struct train_cfg, envs, "128", 1, 16000000, "", CFG_RESULT,
            "environments, in tiles of 8"),
    CFG_INT(struct train_cfg, steps, "50", 1, 100000, "decisions", CFG_RESULT,
            "length of a rollout"),
    CFG_INT(struct train_cfg, group, "1", 1, TILE, "", CFG_RESULT | CFG_LATER,
            "environments that play the same episodes, whose mean advantage is subtracted: 1, 2, 4 "
            "or 8; 1 = each plays its own"),
    CFG_INT_OR(
        struct train_cfg, learners, "1", 0, 1000000, "ranks", learners_words, CFG_SPEED,
        "ranks that learn while the others simulate; 0 = every rank does both; auto = chosen "
        "from the times of the first update"),
    CFG_INT(struct train_cfg, learners_simulate, "0", 0, 2000000, "tiles", CFG_SPEED,
            "tiles that learning ranks simulate, in all, while other ranks simulate the rest"),
    CFG_INT(struct train_cfg, pipeline, "0", 0, 1, "updates", CFG_RESULT,
            "age of the weights that act: 1 = a rollout runs while the one before is learned from"),
    CFG_ENUM(struct train_cfg, init, "scratch", init_choices, CFG_RESULT, "where training starts"),
    CFG_TABLE(struct train_cfg, clone, clone_fields, "imitation of a rule"),
    CFG_ENUM(struct train_cfg, cost, "fixed", cost_choices, CFG_RESULT | CFG_LATER,
             "weight of the cost in the reward of an episode"),
    CFG_DOUBLE(struct train_cfg, cost_start, "0.05", 0, 10, "", CFG_RESULT | CFG_LATER,
               "annealed: weight in the first episodes"),
    CFG_DOUBLE(struct train_cfg, cost_share, "0.5", 0, 1, "", CFG_RESULT | CFG_LATER,
               "annealed: share of the updates until the weight is plant.cost_weight"),
    CFG_LIST_DOUBLE(struct train_cfg, cost_range, n_cost_range, "[0.1, 0.8]", 2, 2, 0.001, 10, "",
                    CFG_RESULT | CFG_LATER, "conditioned: least and greatest weight"),
    CFG_ENUM(struct train_cfg, shield, "none", shield_choices, CFG_RESULT | CFG_LATER,
             "what agents may choose, in training and when the policy is played"),
    CFG_BOOL(struct train_cfg, stagger, "true", CFG_RESULT,
             "first episodes of different length, so that resets do not coincide"),
    CFG_INT(struct train_cfg, checkpoint_every, "10", 0, 100000000, "updates", CFG_OUTPUT,
            "from one checkpoint to the next; 0 = only on SIGUSR1"),
    CFG_INT(struct train_cfg, checkpoint_keep, "2", 1, 1000000, "", CFG_OUTPUT,
            "checkpoints that are kept, the newest ones"),
    CFG_TABLE(struct train_cfg, evaluate, evaluate_fields,
              "how good the policy is meanwhile: convergence.csv"),
    CFG_INT(struct train_cfg, rounds, "1", 1, 1000, "", CFG_RESULT | CFG_LATER,
            "rounds of training in the twin; before each but the first the team plays on the "
            "simulator, and the twin is refitted to all transitions"),
    CFG_INT(struct train_cfg, round_episodes, "20", 1, 1000000, "", CFG_RESULT | CFG_LATER,
            "episodes of each scenario that are played for a refit"),
    CFG_INT(struct train_cfg, finish, "0", 0, 100000000, "updates", CFG_RESULT | CFG_LATER,
            "last updates, made on the simulator instead of in the twin"),
    CFG_ENUM(struct train_cfg, opponent, "scripted", opponents, CFG_RESULT | CFG_LATER,
             "whom the defenders meet"),
    CFG_INT(struct train_cfg, opponent_updates, "10", 1, 1000000, "updates", CFG_RESULT | CFG_LATER,
            "alternating: updates in which one team learns, before it is the other's turn"),
    CFG_END,
};

int train_clone_rollouts(const struct train_cfg *cfg)
{
    const int per_rollout = cfg->envs * cfg->steps;
    return cfg->init == INIT_SCRATCH ? 0 : (cfg->clone.samples + per_rollout - 1) / per_rollout;
}

int train_rollouts(const struct train_cfg *cfg)
{
    const int warm_up =
        cfg->init == INIT_SCRATCH ? 1 : train_clone_rollouts(cfg) + cfg->clone.value_updates;
    return warm_up + cfg->updates;
}
