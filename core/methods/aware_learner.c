/* Acting and values of an AWARE team, and what its learner declares. See aware_learner.h. */
#include "core/methods/aware_learner.h"

#include "core/base/minmax.h"
#include "core/marl/policy.h"
#include "core/methods/aware_learner_parts.h"

#include <stdio.h>
#include <string.h>

enum { PIECE = 64 }; /* environments or rows done at once */

static struct aware_learner *self(struct learner *l)
{
    return (struct aware_learner *)l;
}

enum aware_mode aware_learner_mode(const struct learner *l)
{
    return (enum aware_mode)l->w->global_state_stats[AWARE_MODE];
}

const float *aware_learner_embeddings(const struct learner *l)
{
    return aware_embedding((const struct aware_learner *)l, 0);
}

/* Spread evenly: one more with each time that gid * share passes a whole number. */
bool aware_is_trial(const struct aware_cfg *cfg, uint32_t gid)
{
    const double share = cfg->bootstrap.trial_share;
    return (uint32_t)(((double)gid + 1.0) * share) > (uint32_t)((double)gid * share);
}

/* ---- acting ---- */

/* out (A, n, out_ld) of a network for n rows (n, G), n <= PIECE. */
static void infer(struct aware_learner *a, int network, const float *rows, int n)
{
    const struct team_spec *spec = a->base.spec;
    const struct aware_net *net = &a->nets.net[network];
    const float *params = a->w.params + a->nets.at[network];
    const size_t n_global = (size_t)spec->n_global_state;
    for (int agent = 0; agent < spec->n_agents; agent++) {
        for (size_t i = 0; i < (size_t)n; i++) {
            spec->obs(spec->ctx, a->obs + i * (size_t)spec->n_obs, agent, rows + i * n_global);
        }
        aware_net_inputs(net, a->x + (size_t)(agent * n) * (size_t)net->x_ld, a->obs,
                         aware_embedding(a, network) + (size_t)(agent * net->n_embedding), n);
    }
    mlp_infer(&net->head, a->out, net->out_ld, params + net->head_at, a->x, net->x_ld,
              spec->n_agents * n, a->work);
}

/* How a choice is made in an environment. A policy that only plays never follows the heuristic: it
 * would be the heuristic's result. */
enum manner { MANNER_SAMPLE, MANNER_BEST, MANNER_HEURISTIC };

static enum manner manner_of(const struct aware_learner *a, const struct learner_view *v, int e)
{
    const enum aware_mode mode = aware_learner_mode(&a->base);
    if (v->greedy || mode == AWARE_SERVING) {
        return MANNER_BEST;
    }
    if (mode == AWARE_BOOTSTRAP && a->plan.learns) {
        return aware_is_trial(a->plan.cfg, v->gid[e]) ? MANNER_BEST : MANNER_HEURISTIC;
    }
    return MANNER_SAMPLE;
}

/* One agent in environment e; a->logp and a->prob hold its distribution. */
static int choose(const struct aware_learner *a, const struct learner_view *v, int e, int agent,
                  const uint32_t *mask)
{
    const struct team_spec *spec = a->base.spec;
    switch (manner_of(a, v, e)) {
    case MANNER_HEURISTIC: {
        const float *row = v->global_state + (size_t)e * (size_t)spec->n_global_state;
        const int choice = (int)row[a->plan.heuristic_at + agent];
        CHECK(choice >= 0 && choice < spec->n_choices && mask_has(mask, choice));
        return choice;
    }
    case MANNER_BEST:
        return policy_argmax(a->logp, mask, spec->n_choices);
    case MANNER_SAMPLE:
        break;
    }
    const struct rng_block r = rng_philox(v->key, env_draw(a->plan.number) + (uint32_t)agent,
                                          v->step, v->update, v->gid[e]);
    return policy_sample(a->prob, mask, spec->n_choices, rng_f32(r.v[0]));
}

/* A choice that is not drawn has probability 1. */
static void act(struct learner *l, int32_t *action, float *logp, float *state,
                const struct learner_view *v)
{
    struct aware_learner *a = self(l);
    const struct team_spec *spec = l->spec;
    const size_t words = (size_t)env_mask_words(spec), n_agents = (size_t)spec->n_agents;
    (void)state;
    for (int at = 0; at < v->n; at += PIECE) {
        const int n = int_min(PIECE, v->n - at);
        infer(a, 0, v->global_state + (size_t)at * (size_t)spec->n_global_state, n);
        for (int i = 0; i < n * spec->n_agents; i++) {
            const int e = i / spec->n_agents, agent = i % spec->n_agents;
            const size_t out = (size_t)at * n_agents + (size_t)i;
            const uint32_t *mask = v->mask + out * words;
            const float *logits = a->out + (size_t)(agent * n + e) * (size_t)a->nets.net[0].out_ld;
            policy_softmax(a->logp, a->prob, logits, mask, spec->n_choices);
            action[out] = choose(a, v, at + e, agent, mask);
            logp[out] = manner_of(a, v, at + e) == MANNER_SAMPLE ? a->logp[action[out]] : 0.0f;
        }
    }
}

static void value(struct learner *l, float *out, const struct learner_rows *rows)
{
    struct aware_learner *a = self(l);
    const struct team_spec *spec = l->spec;
    const int n_rows = rows->n * rows->n_steps;
    for (int at = 0; at < n_rows; at += PIECE) {
        const int n = int_min(PIECE, n_rows - at);
        infer(a, 1, rows->global_state + (size_t)at * (size_t)spec->n_global_state, n);
        for (int i = 0; i < n * spec->n_agents; i++) {
            const int e = i / spec->n_agents, agent = i % spec->n_agents;
            out[(size_t)at * (size_t)spec->n_agents + (size_t)i] =
                a->out[(size_t)(agent * n + e) * (size_t)a->nets.net[1].out_ld];
        }
    }
}

/* ---- what went wrong ---- */

static const char *fault(const struct learner *l)
{
    const struct aware_learner *a = (const struct aware_learner *)l;
    return a->update == NULL ? "" : a->update->fault;
}

static void advise(const struct learner *l, char text[LEARNER_TEXT], enum learner_trouble what)
{
    const struct aware_cfg *cfg = ((const struct aware_learner *)l)->plan.cfg;
    switch (what) {
    case LEARNER_COLLAPSES:
        (void)snprintf(text, LEARNER_TEXT,
                       "If this is early, the step is too large (method.aware.lr %g) or "
                       "method.aware.entropy (%g) too small",
                       cfg->lr, cfg->entropy);
        return;
    case LEARNER_COLLAPSED:
        (void)snprintf(text, LEARNER_TEXT,
                       "train anew with a smaller step: --restart --set method.aware.lr=%g",
                       cfg->lr / 10);
        return;
    case LEARNER_NOT_FINITE:
        (void)snprintf(
            text, LEARNER_TEXT,
            "train anew with a smaller step, --restart --set method.aware.lr=%g (it is %g)",
            cfg->lr / 10, cfg->lr);
        return;
    }
}

/* ---- making one ---- */

static const struct learner_ops learner_ops = {
    .name = "aware",
    .n_columns = AWARE_COLUMNS,
    .columns = aware_columns,
    .act = act,
    .value = value,
    .prepare = aware_prepare,
    .learn = aware_learn,
    .fault = fault,
    .advise = advise,
};
static const struct learner_ops player_ops = {.name = "aware player", .act = act, .value = value};

static enum err networks_init(struct aware_learner *a)
{
    const struct team_spec *spec = a->base.spec;
    const int n_features = aware_best_features(&a->shape);
    size_t at = 0;
    for (int i = 0; i < 2; i++) {
        TRY(aware_net_init(&a->nets.net[i], a->plan.cfg, spec->n_obs, n_features,
                           i == 0 ? spec->n_choices : 1));
        a->nets.at[i] = at;
        at += a->nets.net[i].n_params;
    }
    a->nets.n_learned = at;
    for (int i = 0; i < 2; i++) {
        a->nets.embedding_at[i] = at;
        at += mlp_pad((size_t)(spec->n_agents * a->nets.net[i].n_embedding));
    }
    a->w = (struct weights){.n_params = at, .n_global_state_stats = AWARE_STATES};
    return ERR_OK;
}

/* The embedding of no episodes at all is ReLU of the linear layer's bias, 0 at the start, which is
 * what its place in the parameters holds. */
static enum err weights_start(struct aware_learner *a, uint64_t seed, struct arena *scratch)
{
    const struct rng_key key = rng_key(seed, RNG_PARAM_INIT, RNG_TRAIN);
    for (uint32_t i = 0; i < 2; i++) {
        TRY(aware_net_init_params(&a->nets.net[i], a->w.params + a->nets.at[i], i == 0 ? 0.01 : 1.0,
                                  key, env_draw(a->plan.number) + 3 * i, scratch));
    }
    aware_state_of(a)[AWARE_MODE] = a->plan.heuristic_at >= 0 ? AWARE_BOOTSTRAP : AWARE_LEARNING;
    return ERR_OK;
}

static enum err acting_init(struct aware_learner *a, struct arena *arena)
{
    const struct team_spec *spec = a->base.spec;
    const size_t n = PIECE, n_rows = n * (size_t)spec->n_agents;
    size_t ld = 0, n_work = 0;
    for (int i = 0; i < 2; i++) {
        ld = size_max(ld, (size_t)a->nets.net[i].out_ld);
        n_work = size_max(n_work, mlp_infer_work_floats(&a->nets.net[i].head));
    }
    a->obs = ARENA_NEW(arena, n * (size_t)spec->n_obs, float);
    a->x = ARENA_NEW(arena, n_rows * (size_t)a->nets.net[0].x_ld, float);
    a->out = ARENA_NEW(arena, n_rows * ld + POLICY_SLACK, float);
    a->work = ARENA_NEW(arena, n_work + 1, float);
    a->logp = ARENA_NEW(arena, spec->n_choices + POLICY_SLACK, float);
    a->prob = ARENA_NEW(arena, spec->n_choices + POLICY_SLACK, float);
    return arena_error(arena);
}

static size_t padded_bytes(size_t n_floats)
{
    const size_t bytes = n_floats * sizeof(float);
    return (bytes + MEM_ALIGN - 1) / MEM_ALIGN * MEM_ALIGN;
}

/* Where the parts of the gradient record are. */
static void lay_out_record(struct aware_record *r, const struct aware_networks *nets, int n_agents)
{
    size_t at = 0;
    for (int i = 0; i < 2; i++) {
        r->head[i] = at;
        at += nets->net[i].head.n_params;
    }
    for (int i = 0; i < 2; i++) {
        r->embedding[i] = at;
        at += (size_t)(n_agents * nets->net[i].n_embedding);
    }
    r->sums = at;
    r->value_sums = at + (size_t)(N_AGENT_SUMS * n_agents);
    r->ratio_dev = r->value_sums + N_VALUE_SUMS;
    r->shape = (struct reduce_shape){.n_floats = r->ratio_dev, .n_max = 1};
}

static void describe_learning(struct aware_learner *a)
{
    struct learner *l = &a->base;
    lay_out_record(&a->record, &a->nets, l->spec->n_agents);
    a->batch_shape = (struct reduce_shape){.n_stats = N_COLUMNS};
    l->turns = a->plan.cfg->minibatches;
    l->sums[0] = (struct learner_sum){.bytes = reduce_bytes(&a->record.shape),
                                      .merge = reduce_merge,
                                      .ctx = &a->record.shape,
                                      .merge_part = reduce_merge_part};
    l->sums[1] = (struct learner_sum){
        .bytes = reduce_bytes(&a->batch_shape), .merge = reduce_merge, .ctx = &a->batch_shape};
    l->sums[2] = (struct learner_sum){
        .bytes = padded_bytes(aware_best_floats(&a->shape)), .merge = aware_merge_best, .ctx = a};
    l->parts[0].n = l->parts[1].n = a->nets.n_learned; /* the moments of Adam */
    l->parts[2].n = aware_best_floats(&a->shape);
    l->n_sums = l->n_parts = 3;
}

enum err aware_learner_new(struct learner **out, struct arena *arena, const struct aware_plan *plan,
                           uint64_t seed, struct arena *scratch)
{
    struct aware_learner *a = ARENA_NEW(arena, 1, struct aware_learner);
    TRY(arena_error(arena));
    CHECK(plan->spec->n_factors == 1 && plan->spec->n_norm == 0);
    *a = (struct aware_learner){
        .base = {.ops = plan->learns ? &learner_ops : &player_ops,
                 .spec = plan->spec,
                 .team = plan->number,
                 .w = &a->w},
        .plan = *plan,
        .shape = {.n_agents = plan->spec->n_agents,
                  .n_kept = plan->cfg->best_episodes,
                  .n_steps = plan->cfg->episode_steps,
                  .n_obs = plan->spec->n_obs,
                  .n_choices = plan->spec->n_choices},
    };
    TRY(networks_init(a));
    TRY(weights_init(&a->w, arena));
    TRY(weights_start(a, seed, scratch));
    TRY(acting_init(a, arena));
    if (plan->learns) {
        describe_learning(a);
    }
    *out = &a->base;
    return ERR_OK;
}
