/* A team: agents that learn together. Its parameters, and what they compute.
 *
 * One MLP actor per agent (or one shared: the agent's one-hot is appended to its observation), one
 * centralised critic with one output per agent. Parameters are one flat block: actors in order,
 * then the critic. Values leave the critic normalised (PopArt); `value_norm` brings them back.
 */
#ifndef KARMA_MARL_TEAM_H
#define KARMA_MARL_TEAM_H

#include "core/base/config.h"
#include "core/base/mem.h"
#include "core/marl/env.h"
#include "core/marl/weights.h"
#include "core/nn/mlp.h"
#include "core/nn/normaliser.h"

struct team_cfg {
    int *actor_hidden, n_actor_hidden;   /* [64, 64] */
    int *critic_hidden, n_critic_hidden; /* [64, 64] */
    int activation;                      /* enum activation: tanh | relu */
    bool share_actor;
    int critic;      /* enum critic_kind */
    double obs_clip; /* normalised inputs are cut at +- this */
    int row_block;   /* rows per GEMM block: a matter of speed, never of bits */
    int gemm;        /* enum gemm_kind */
};
extern const struct cfg_field team_fields[];

/* central: one trunk on the joint view, one output per agent. local: the critic sees what the agent
 * sees (IPPO), one network shared by the agents with their one-hot. privileged: the central one,
 * which also sees what the environment shows to critics alone (team_spec.n_privileged). */
enum critic_kind { CRITIC_CENTRAL, CRITIC_LOCAL, CRITIC_PRIVILEGED };

struct team {
    const struct team_cfg *cfg;
    const struct team_spec *spec;
    int number; /* among the teams of its environment: a coordinate of its draws; 0 after init */
    struct mlp actor, critic;
    int n_actors, n_critics;      /* networks: n_agents or 1; 1 */
    size_t *actor_at, *critic_at; /* offsets in params */
    int obs_ld, critic_ld;        /* floats from row to row of the inputs, see team_inputs() */
    int logit_ld, value_ld;       /* the same of the outputs */
    int n_views, n_cols; /* of the critic: central 1 view, A columns; local A views, 1 column */
    struct weights w;
    struct normaliser norm; /* made of w.global_state_stats by team_refresh() */
};

/* ERR_CONFIG with a sentence if the critic is privileged and the environment shows it nothing. */
enum err team_init(struct team *t, struct arena *arena, const struct team_cfg *cfg,
                   const struct team_spec *spec) WARN_UNUSED;
/* Orthogonal parameters, statistics cleared. scratch is rewound. */
enum err team_init_params(struct team *t, uint64_t seed, struct arena *scratch) WARN_UNUSED;
/* After w was overwritten (broadcast, file): derive what depends on it. */
void team_refresh(struct team *t);
/* Hash of the weights (weights_hash()): what `train` prints. */
uint64_t team_digest(const struct team *t);

/* What the networks see of n rows (n, G): obs (A, n, obs_ld) with the agent's one-hot behind column
 * D where a network is shared, critic (n, critic_ld) of the centralised critic. Either may be NULL:
 * not wanted. global_state (G): scratch. privileged (n, P): behind the critic's view of the rows;
 * NULL unless the critic is privileged and wanted; obs is no function of it. Worker and learner
 * both call this, so they see the same bits. */
void team_inputs(const struct team *t, float *obs, float *critic, float *global_state,
                 const float *rows, const float *privileged, int n);

/* One global state (G) as observations see it: the first n_norm columns normalised. */
void team_normalise_global_state(const struct team *t, float *out, const float *global_state);

/* Logits (A, n, logit_ld) of all actors. work: mlp_infer_work_floats(&t->actor). */
/* The first network with a parameter that is not finite: an actor's index, n_actors for the critic,
 * -1 if all are finite. */
int team_find_not_finite(const struct team *t);
void team_logits(const struct team *t, float *logits, const float *obs, int n, float *work);

/* View of w.value_norm; beta matters to popart_update() only. */
struct popart team_popart(const struct team *t, double beta);

/* Scratch for acting in n_env environments at once. Allocated once, used every step. */
struct team_scratch;
enum err team_scratch_init(struct team_scratch **out, struct arena *arena, const struct team *t,
                           int n_env) WARN_UNUSED;

/* How a choice is made from the masked distribution. */
enum act_mode { ACT_SAMPLE, ACT_ARGMAX };

/* rows (n, G) raw, mask (n, A, F, words) -> action (n, A, F), logp (n, A).
 * gid (n): environments' global ids, step: decision number; with `key` the coordinates of the draws
 * (draw = env_draw() + agent * F + factor): counter (draw, step, update, gid), first word.
 * ACT_ARGMAX draws nothing, gid may be NULL. Row-wise: bits don't depend on n. Any n: done in
 * pieces. */
void team_act(const struct team *t, struct team_scratch *s, int32_t *action, float *logp,
              const float *rows, const uint32_t *mask, int n, enum act_mode mode,
              struct rng_key key, const uint32_t *gid, uint32_t update, uint32_t step);

/* value (n, A), de-normalised. privileged (n, P), NULL unless the critic is privileged. Any n. */
void team_value(const struct team *t, struct team_scratch *s, float *value, const float *rows,
                const float *privileged, int n);

#endif
