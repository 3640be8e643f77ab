/* What marl knows of an environment: global states, masks, rewards. Not clusters.
 *
 * One or more *teams* of agents act in an environment, all in each step. At every step it gives
 * each team a *global state*: all that this team's observations are made of, and all that crosses
 * the wire for it (the plant's state first, then what the game adds: previous actions, latches,
 * counters). Observations are rebuilt from global states by pure functions, so that the learner,
 * who owns no environment, computes exactly what the worker saw.
 *
 *   team_spec  shapes of one team, pure functions global state -> observation; shared, immutable
 *   env_spec   the teams, and what an episode leaves behind
 *   env        a tile of environments: spec + state
 *
 * Teams are numbered; a number is a coordinate of every draw that is made for a team. They share
 * nothing but the environment: shapes, masks and rewards differ.
 *
 * Actions: each agent chooses, for each of F factors, one of K choices; masks say which may be
 * chosen (bit k of word k/32 of its factor; at least one bit set).
 */
#ifndef KARMA_MARL_ENV_H
#define KARMA_MARL_ENV_H

#include "core/base/err.h"

#include <stdbool.h>
#include <stdint.h>

enum { TILE = 8 };          /* environments in a tile: the unit of ownership, message and leaf */
enum { ENV_TEAMS_MAX = 4 }; /* teams of an environment */

struct team_spec {
    const char *name;
    int n_agents;       /* A */
    int n_global_state; /* G */
    int n_norm;         /* the first n_norm of them are normalised before obs/critic see them */
    int n_obs;          /* D, of one agent */
    int n_critic;       /* C */
    int n_privileged;   /* P, what only a critic sees, in training; 0: nothing */
    int n_factors;      /* F */
    int n_choices;      /* K */
    int n_state; /* S, floats that an agent carries from step to step (recurrent actors); 0: none */
    const char *const *agent_names; /* (A) */
    void *ctx;                      /* for the functions below */
    /* obs (D): what `agent` sees; global_state (G): normalised. */
    void (*obs)(const void *ctx, float *obs, int agent, const float *global_state);
    /* out (C): what the centralised critic sees. */
    void (*critic)(const void *ctx, float *out, const float *global_state);
};

struct env_spec {
    const char *name;
    /* Consecutive environments gid that form a group, from 0 on: a divisor of TILE; 0 as 1. Members
     * play the same episodes: what happens to them is the same, and they end with the same step.
     * What their agents draw is not, nor are coins that decide what an agent may choose. */
    int group;
    int n_teams;
    const struct team_spec *teams[ENV_TEAMS_MAX]; /* (n_teams) */
    int n_stats;                                  /* numbers an episode leaves behind for the log */
    const char *const *stat_names;                /* (n_stats) */
};

static inline int env_group(const struct env_spec *s)
{
    return s->group > 1 ? s->group : 1;
}
static inline int env_mask_words(const struct team_spec *s)
{
    return (s->n_choices + 31) / 32; /* of one factor */
}
/* Choices that a team makes in one environment and step: A*F. */
static inline int env_n_actions(const struct team_spec *s)
{
    return s->n_agents * s->n_factors;
}
/* The same of all teams. */
static inline int env_joint_actions(const struct env_spec *s)
{
    int n = 0;
    for (int k = 0; k < s->n_teams; k++) {
        n += env_n_actions(s->teams[k]);
    }
    return n;
}
/* First number of the draws of a team: those of two teams never meet. */
enum { ENV_DRAWS = 1 << 24 };
static inline uint32_t env_draw(int team)
{
    return (uint32_t)team * ENV_DRAWS;
}
static inline bool mask_has(const uint32_t *mask, int k)
{
    return (mask[k / 32] >> (k % 32)) & 1U;
}

/* How an episode went on after a step. Terminated: the future is worth 0. Truncated: cut by the
 * clock; the value of the next state stands for the rest. */
enum env_flag { ENV_RUNNING, ENV_TERMINATED, ENV_TRUNCATED };

struct env;
struct env_ops {
    /* Start `episode` of global environment `gid` (of its group) in slot lid; it ends after at most
     * `steps` steps (0 = the environment's own horizon): resets are staggered with it. */
    enum err (*reset)(struct env *e, int lid, uint32_t gid, uint32_t episode, int steps);
    /* A team's current global state (G) and masks (A, F, words). */
    void (*global_state)(struct env *e, int lid, int team, float *global_state, uint32_t *mask);
    /* What a team's critic sees beside the global state (P): of the current state, in the
     * environment's own scale about 0. NULL if no team has such a part. */
    void (*privileged)(struct env *e, int lid, int team, float *out);
    /* One step in all slots. For each team: action (n_env, A, F), reward (n_env, A). flag (n_env).
     */
    enum err (*step)(struct env *e, const int32_t *const *action, float *const *reward,
                     uint8_t *flag);
    /* Numbers of the episode that just ended in lid (n_stats). NaN: the episode has no such number,
     * and the mean is over those that have it. Are all of them NaN, the episode is not counted. */
    void (*stats)(struct env *e, int lid, double *out);
    /* What a team's demonstrator would do now: action (A, F), inside the masks. NULL if there is
     * none. */
    void (*demonstrate)(struct env *e, int lid, int team, int32_t *action);
};
struct env {
    const struct env_ops *ops;
    const struct env_spec *spec;
    int n_env;
};

#endif
