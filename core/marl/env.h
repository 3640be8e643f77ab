/* What marl knows of the world: rows, masks, rewards. Not clusters.
 *
 * An environment produces a *row* at every step: all that observations are made of, and all that
 * crosses the wire (state first, then a small game row: previous actions, latches, counters).
 * Observations are rebuilt from rows by pure functions, so that the learner, who owns no
 * environment, computes exactly what the worker saw.
 *
 *   spec  shapes and the pure functions row -> observation; shared, immutable
 *   env   a tile of environments: spec + state
 *
 * Actions: each agent chooses, for each of F factors, one of K choices; masks say which may be
 * chosen (bit k of word k/32 of its factor; at least one bit set).
 */
#ifndef KARMA_MARL_ENV_H
#define KARMA_MARL_ENV_H

#include "core/base/err.h"

#include <stdbool.h>
#include <stdint.h>

enum { TILE = 8 }; /* environments in a tile: the unit of ownership, message and gradient leaf */

struct env_spec {
    const char *name;
    int n_agents;  /* A */
    int n_row;     /* R */
    int n_norm;    /* the first n_norm columns of a row are normalised before obs/critic see it */
    int n_obs;     /* D, of one agent */
    int n_critic;  /* C */
    int n_factors; /* F */
    int n_choices; /* K */
    int n_stats;   /* numbers an episode leaves behind for the log */
    const char *const *stat_names;  /* (n_stats) */
    const char *const *agent_names; /* (A) */
    void *ctx;                      /* for the functions below */
    /* obs (D): what `agent` sees; row (R): normalised. */
    void (*obs)(const void *ctx, float *obs, int agent, const float *row);
    /* out (C): what the centralised critic sees. */
    void (*critic)(const void *ctx, float *out, const float *row);
};

static inline int env_mask_words(const struct env_spec *s)
{
    return (s->n_choices + 31) / 32; /* of one factor */
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
    /* Start `episode` of global environment `gid` in slot lid; it ends after at most `steps` steps
     * (0 = the environment's own horizon): resets are staggered with it. */
    enum err (*reset)(struct env *e, int lid, uint32_t gid, uint32_t episode, int steps);
    /* Current row (R) and masks (A, F, words). */
    void (*row)(struct env *e, int lid, float *row, uint32_t *mask);
    /* One step in all slots. action (n_env, A, F), reward (n_env, A), flag (n_env). */
    enum err (*step)(struct env *e, const int32_t *action, float *reward, uint8_t *flag);
    /* Numbers of the episode that just ended in lid (n_stats). Is the first of them NaN, the
     * episode has none: it is left out of means and not counted. */
    void (*stats)(struct env *e, int lid, double *out);
    /* What the demonstrator would do now: action (A, F), inside the masks. NULL if there is none.
     */
    void (*demonstrate)(struct env *e, int lid, int32_t *action);
};
struct env {
    const struct env_ops *ops;
    const struct env_spec *spec;
    int n_env;
};

#endif
