/* The networks of a team in one flat block, and acting with them.
 *
 * Inputs lie as (agents, rows, ld): the rows of one network are contiguous, so a shared actor is
 * one product over all agents and separate actors are one product each.
 */
#include "core/marl/team.h"

#include "core/base/hash.h"
#include "core/base/log.h"
#include "core/base/minmax.h"
#include "core/marl/policy.h"

#include <math.h>
#include <string.h>

static const struct cfg_choice activations[] = {
    {"tanh", ACT_TANH, ""},
    {"relu", ACT_RELU, ""},
    {NULL, 0, NULL},
};
static const struct cfg_choice critics[] = {
    {"central", CRITIC_CENTRAL, "joint view, one output per agent"},
    {"local", CRITIC_LOCAL, "sees what the agent sees (IPPO)"},
    {"privileged", CRITIC_PRIVILEGED,
     "central, and sees the load and the faults of the next 180 s; in training only"},
    {NULL, 0, NULL},
};
static const struct cfg_choice gemms[] = {
    {"fixed", GEMM_FIXED, "same bits everywhere"},
    {"blas", GEMM_BLAS, "bits depend on the library and the CPU"},
    {NULL, 0, NULL},
};

#define S struct team_cfg
const struct cfg_field team_fields[] = {
    CFG_LIST_INT(S, actor_hidden, n_actor_hidden, "[64, 64]", 0, MLP_LAYERS_MAX - 1, 1, 4096, "",
                 CFG_RESULT, "hidden layers of an actor"),
    CFG_LIST_INT(S, critic_hidden, n_critic_hidden, "[64, 64]", 0, MLP_LAYERS_MAX - 1, 1, 4096, "",
                 CFG_RESULT, "hidden layers of the critic"),
    CFG_ENUM(S, activation, "tanh", activations, CFG_RESULT, "of the hidden layers"),
    CFG_BOOL(S, share_actor, "false", CFG_RESULT,
             "one actor for all agents, told apart by one-hot"),
    CFG_ENUM(S, critic, "central", critics, CFG_RESULT, "what the critic sees"),
    CFG_DOUBLE(S, obs_clip, "5", 0.1, 1e6, "", CFG_RESULT, "normalised inputs are cut at +- this"),
    CFG_INT(S, row_block, "64", 1, 65536, "", CFG_SPEED, "rows per block of matrix products"),
    CFG_ENUM(S, gemm, "fixed", gemms, CFG_RESULT, "matrix products"),
    CFG_END,
};
#undef S

/* Added to the variance of a column before the root. */
static const double NORM_EPS = 1e-6;
/* Values are scaled by at least this: returns that never vary are not blown up. */
static const double VALUE_SIGMA_MIN = 1e-2;

/* ---- shape ---- */

static enum err network_init(struct mlp *mlp, const struct team_cfg *cfg, int n_in,
                             const int *hidden, int n_hidden, int n_out)
{
    CHECK(n_hidden < MLP_LAYERS_MAX);
    struct mlp_shape shape = {.n_layers = n_hidden + 1, .act = (enum activation)cfg->activation};
    shape.sizes[0] = n_in;
    for (int i = 0; i < n_hidden; i++) {
        shape.sizes[i + 1] = hidden[i];
    }
    shape.sizes[n_hidden + 1] = n_out;
    return mlp_init(mlp, &shape, (enum gemm_kind)cfg->gemm, cfg->row_block);
}

/* Does some network need to be told which agent it works for? */
static bool needs_one_hot(const struct team_cfg *cfg)
{
    return cfg->share_actor || cfg->critic == CRITIC_LOCAL;
}

/* Inputs of the critic behind its view of the global state. */
static int critic_only_columns(const struct team *t)
{
    return t->cfg->critic == CRITIC_PRIVILEGED ? t->spec->n_privileged : 0;
}

static enum err networks_init(struct team *t)
{
    const struct team_cfg *cfg = t->cfg;
    const struct team_spec *spec = t->spec;
    bool local = cfg->critic == CRITIC_LOCAL;
    int one_hot = spec->n_agents;
    int n_actor_in = spec->n_obs + (cfg->share_actor ? one_hot : 0);
    int n_critic_in = local ? spec->n_obs + one_hot : spec->n_critic + critic_only_columns(t);
    t->n_actors = cfg->share_actor ? 1 : spec->n_agents;
    t->n_critics = 1;
    t->n_views = local ? spec->n_agents : 1;
    t->n_cols = local ? 1 : spec->n_agents;
    t->obs_ld = (int)mlp_pad((size_t)(spec->n_obs + (needs_one_hot(cfg) ? one_hot : 0)));
    t->critic_ld = local ? 0 : (int)mlp_pad((size_t)n_critic_in);
    t->logit_ld = (int)mlp_pad((size_t)(spec->n_factors * spec->n_choices));
    t->value_ld = (int)mlp_pad((size_t)(t->n_cols));
    TRY(network_init(&t->actor, cfg, n_actor_in, cfg->actor_hidden, cfg->n_actor_hidden,
                     spec->n_factors * spec->n_choices));
    return network_init(&t->critic, cfg, n_critic_in, cfg->critic_hidden, cfg->n_critic_hidden,
                        t->n_cols);
}

static enum err parameters_init(struct team *t, struct arena *arena)
{
    size_t n_actors = (size_t)t->n_actors;
    t->actor_at = ARENA_NEW(arena, n_actors, size_t);
    t->critic_at = ARENA_NEW(arena, 1, size_t);
    TRY(arena_error(arena));
    t->w = (struct weights){
        .n_params = n_actors * t->actor.n_params + t->critic.n_params,
        .n_global_state_stats = stats_doubles(t->spec->n_norm),
        .n_value_norm = popart_doubles(t->spec->n_agents),
    };
    TRY(weights_init(&t->w, arena));
    for (size_t i = 0; i < n_actors; i++) {
        t->actor_at[i] = i * t->actor.n_params;
    }
    t->critic_at[0] = n_actors * t->actor.n_params;
    return ERR_OK;
}

enum err team_init(struct team *t, struct arena *arena, const struct team_cfg *cfg,
                   const struct team_spec *spec)
{
    struct team made = {.cfg = cfg, .spec = spec};
    if (cfg->critic == CRITIC_PRIVILEGED && spec->n_privileged == 0) {
        log_error("team.critic is privileged, but the environment of team '%s' shows nothing to "
                  "critics alone; set it to central",
                  spec->name);
        return ERR_CONFIG;
    }
    TRY(networks_init(&made));
    TRY(parameters_init(&made, arena));
    float *mean = ARENA_NEW(arena, spec->n_norm, float);
    float *inv_std = ARENA_NEW(arena, spec->n_norm, float);
    TRY(arena_error(arena));
    normaliser_init(&made.norm, spec->n_norm, (float)cfg->obs_clip, mean, inv_std);
    *t = made;
    return ERR_OK;
}

struct popart team_popart(const struct team *t, double beta)
{
    return (struct popart){
        .d = t->n_cols, .beta = beta, .sigma_min = VALUE_SIGMA_MIN, .state = t->w.value_norm};
}

enum err team_init_params(struct team *t, uint64_t seed, struct arena *scratch)
{
    struct rng_key key = rng_key(seed, RNG_PARAM_INIT, RNG_TRAIN);
    const uint32_t first = env_draw(t->number);
    double gain = sqrt(2.0);
    for (int i = 0; i < t->n_actors; i++) {
        TRY(mlp_init_params(&t->actor, t->w.params + t->actor_at[i], gain, 0.01, key,
                            first + (uint32_t)i, scratch));
    }
    TRY(mlp_init_params(&t->critic, t->w.params + t->critic_at[0], gain, 1.0, key,
                        first + (uint32_t)t->n_actors, scratch));
    struct popart pa = team_popart(t, 0.0);
    memset(t->w.value_norm, 0, t->w.n_value_norm * sizeof(double));
    popart_init(&pa, pa.d, pa.beta, pa.sigma_min, pa.state);
    stats_clear(t->w.global_state_stats, t->spec->n_norm);
    t->w.version = 0;
    team_refresh(t);
    return ERR_OK;
}

void team_refresh(struct team *t)
{
    normaliser_freeze(&t->norm, t->w.global_state_stats, NORM_EPS);
}

static bool all_finite(const float *x, size_t n)
{
    bool finite = true;
    for (size_t i = 0; i < n; i++) {
        finite = finite && isfinite(x[i]);
    }
    return finite;
}

int team_find_not_finite(const struct team *t)
{
    for (int i = 0; i < t->n_actors; i++) {
        if (!all_finite(t->w.params + t->actor_at[i], t->actor.n_params)) {
            return i;
        }
    }
    return all_finite(t->w.params + t->critic_at[0], t->critic.n_params) ? -1 : t->n_actors;
}

uint64_t team_digest(const struct team *t)
{
    return weights_hash(HASH_START, &t->w);
}

/* ---- inputs ---- */

void team_normalise_global_state(const struct team *t, float *out, const float *global_state)
{
    int n_global_state = t->spec->n_global_state, n_norm = t->spec->n_norm;
    normaliser_apply(&t->norm, out, n_global_state, global_state, n_global_state, 1);
    memcpy(out + n_norm, global_state + n_norm, (size_t)(n_global_state - n_norm) * sizeof(float));
}

/* obs (A, n, obs_ld), row r of all agents. */
static void observe(const struct team *t, float *obs, const float *global_state, int r, int n)
{
    const struct team_spec *spec = t->spec;
    size_t n_tail = (size_t)(t->obs_ld - spec->n_obs);
    for (int agent = 0; agent < spec->n_agents; agent++) {
        float *o = obs + ((size_t)agent * (size_t)n + (size_t)r) * (size_t)t->obs_ld;
        spec->obs(spec->ctx, o, agent, global_state);
        if (needs_one_hot(t->cfg)) {
            memset(o + spec->n_obs, 0, n_tail * sizeof(float));
            o[spec->n_obs + agent] = 1.0f;
        }
    }
}

void team_inputs(const struct team *t, float *obs, float *critic, float *global_state,
                 const float *rows, const float *privileged, int n)
{
    const struct team_spec *spec = t->spec;
    const size_t n_privileged = (size_t)critic_only_columns(t);
    CHECK(critic == NULL || (privileged != NULL) == (n_privileged > 0));
    for (int r = 0; r < n; r++) {
        team_normalise_global_state(t, global_state,
                                    rows + (size_t)r * (size_t)spec->n_global_state);
        if (obs != NULL) {
            observe(t, obs, global_state, r, n);
        }
        if (critic != NULL) {
            float *in = critic + (size_t)r * (size_t)t->critic_ld;
            spec->critic(spec->ctx, in, global_state);
            if (n_privileged > 0) {
                memcpy(in + spec->n_critic, privileged + (size_t)r * n_privileged,
                       n_privileged * sizeof *in);
            }
        }
    }
}

void team_logits(const struct team *t, float *logits, const float *obs, int n, float *work)
{
    int n_rows = t->spec->n_agents / t->n_actors * n; /* of one network */
    for (int i = 0; i < t->n_actors; i++) {
        size_t at = (size_t)i * (size_t)n_rows;
        mlp_infer(&t->actor, logits + at * (size_t)t->logit_ld, t->logit_ld,
                  t->w.params + t->actor_at[i], obs + at * (size_t)t->obs_ld, t->obs_ld, n_rows,
                  work);
    }
}

/* ---- acting ---- */

struct team_scratch {
    int n;               /* rows done at once */
    float *global_state; /* (G) normalised */
    float *obs;          /* (A, n, obs_ld) */
    float *critic;       /* (n, critic_ld) */
    float *out;          /* (A, n, logit_ld) or (n_views, n, value_ld) */
    float *logp, *prob;  /* (K + POLICY_SLACK) */
    float *work;         /* of mlp_infer */
};

enum err team_scratch_init(struct team_scratch **out, struct arena *arena, const struct team *t,
                           int n_env)
{
    CHECK(n_env >= 1);
    size_t n = (size_t)n_env;
    size_t n_obs = (size_t)t->spec->n_agents * n;
    size_t n_work = size_max(mlp_infer_work_floats(&t->actor), mlp_infer_work_floats(&t->critic));
    size_t ld_out = size_max((size_t)t->logit_ld, (size_t)t->value_ld);
    struct team_scratch *s = ARENA_NEW(arena, 1, struct team_scratch);
    TRY(arena_error(arena));
    *s = (struct team_scratch){.n = n_env,
                               .global_state = ARENA_NEW(arena, t->spec->n_global_state, float),
                               .obs = ARENA_NEW(arena, n_obs * (size_t)t->obs_ld, float),
                               .critic = ARENA_NEW(arena, n * (size_t)t->critic_ld, float),
                               .out = ARENA_NEW(arena, n_obs * ld_out + POLICY_SLACK, float),
                               .logp = ARENA_NEW(arena, t->spec->n_choices + POLICY_SLACK, float),
                               .prob = ARENA_NEW(arena, t->spec->n_choices + POLICY_SLACK, float),
                               .work = ARENA_NEW(arena, n_work, float)};
    TRY(arena_error(arena));
    *out = s;
    return ERR_OK;
}

/* What the draws of a call have in common. */
struct draws {
    enum act_mode mode;
    struct rng_key key;
    uint32_t first, update, step;
};

/* One agent in one environment: action (F); returns the joint log-probability, the sum over the
 * factors, which are independent. A draw is a function of (team, agent, factor), step, update and
 * environment, so it does not depend on the rows beside it. */
static float choose(const struct team_spec *spec, const struct team_scratch *s, int32_t *action,
                    const float *logits, const uint32_t *mask, int agent, const struct draws *d,
                    uint32_t gid)
{
    int n_words = env_mask_words(spec);
    float joint = 0.0f;
    for (int f = 0; f < spec->n_factors; f++) {
        const uint32_t *m = mask + f * n_words;
        policy_softmax(s->logp, s->prob, logits + f * spec->n_choices, m, spec->n_choices);
        if (d->mode == ACT_ARGMAX) {
            action[f] = policy_argmax(s->logp, m, spec->n_choices);
        } else {
            uint32_t draw = d->first + (uint32_t)(agent * spec->n_factors + f);
            struct rng_block v = rng_philox(d->key, draw, d->step, d->update, gid);
            action[f] = policy_sample(s->prob, m, spec->n_choices, rng_f32(v.v[0]));
        }
        joint += s->logp[action[f]];
    }
    return joint;
}

/* team_act for at most s->n rows. */
static void act_piece(const struct team *t, struct team_scratch *s, int32_t *action, float *logp,
                      const float *rows, const uint32_t *mask, int n, const struct draws *d,
                      const uint32_t *gid)
{
    const struct team_spec *spec = t->spec;
    int n_agents = spec->n_agents, n_mask = spec->n_factors * env_mask_words(spec);
    team_inputs(t, s->obs, NULL, s->global_state, rows, NULL, n);
    team_logits(t, s->out, s->obs, n, s->work);
    for (int e = 0; e < n; e++) {
        for (int agent = 0; agent < n_agents; agent++) {
            int i = e * n_agents + agent;
            const float *logits = s->out + (size_t)(agent * n + e) * (size_t)t->logit_ld;
            logp[i] = choose(spec, s, action + i * spec->n_factors, logits, mask + i * n_mask,
                             agent, d, gid != NULL ? gid[e] : 0);
        }
    }
}

void team_act(const struct team *t, struct team_scratch *s, int32_t *action, float *logp,
              const float *rows, const uint32_t *mask, int n, enum act_mode mode,
              struct rng_key key, const uint32_t *gid, uint32_t update, uint32_t step)
{
    const struct team_spec *spec = t->spec;
    struct draws d = {
        .mode = mode, .key = key, .first = env_draw(t->number), .update = update, .step = step};
    int n_choice = spec->n_agents * spec->n_factors;
    for (int at = 0; at < n; at += s->n) {
        size_t e = (size_t)at;
        act_piece(t, s, action + e * (size_t)n_choice, logp + e * (size_t)spec->n_agents,
                  rows + e * (size_t)spec->n_global_state,
                  mask + e * (size_t)(n_choice * env_mask_words(spec)),
                  n - at < s->n ? n - at : s->n, &d, gid != NULL ? gid + at : NULL);
    }
}

/* team_value for at most s->n rows. */
static void value_piece(const struct team *t, struct team_scratch *s, float *value,
                        const float *rows, const float *privileged, int n)
{
    struct popart pa = team_popart(t, 0.0);
    bool local = t->cfg->critic == CRITIC_LOCAL;
    const float *x = local ? s->obs : s->critic;
    team_inputs(t, local ? s->obs : NULL, local ? NULL : s->critic, s->global_state, rows,
                privileged, n);
    mlp_infer(&t->critic, s->out, t->value_ld, t->w.params + t->critic_at[0], x,
              local ? t->obs_ld : t->critic_ld, t->n_views * n, s->work);
    for (int v = 0; v < t->n_views; v++) {
        popart_denormalise(&pa, value + v, t->spec->n_agents,
                           s->out + (size_t)(v * n) * (size_t)t->value_ld, t->value_ld, n);
    }
}

void team_value(const struct team *t, struct team_scratch *s, float *value, const float *rows,
                const float *privileged, int n)
{
    const struct team_spec *spec = t->spec;
    const size_t n_privileged = (size_t)critic_only_columns(t);
    for (int at = 0; at < n; at += s->n) {
        value_piece(t, s, value + (size_t)at * (size_t)spec->n_agents,
                    rows + (size_t)at * (size_t)spec->n_global_state,
                    n_privileged > 0 ? privileged + (size_t)at * n_privileged : NULL,
                    n - at < s->n ? n - at : s->n);
    }
}
