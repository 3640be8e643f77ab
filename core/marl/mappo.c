/* The order of an update: statistics, epochs, minibatches, optimiser.
 *
 * Nothing here knows who owns which tile: leaves go to a reducer, totals come back, and every
 * learner takes the same step from the same total.
 */
#include "core/marl/mappo.h"

#include "core/base/log.h"
#include "core/base/rng.h"
#include "core/marl/mappo_parts.h"
#include "core/nn/adam.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define S struct mappo_cfg
const struct cfg_field mappo_fields[] = {
    CFG_DOUBLE(S, gamma, "0.95", 0, 1, "", CFG_RESULT, "discount per decision"),
    CFG_DOUBLE(S, lambda, "0.95", 0, 1, "", CFG_RESULT, "GAE: 0 one step, 1 the whole return"),
    CFG_DOUBLE(S, clip, "0.2", 0.001, 1, "", CFG_RESULT, "PPO: cut of the probability ratio"),
    CFG_DOUBLE(S, value_clip, "0.2", 0.001, 1e6, "", CFG_RESULT,
               "cut of the change of a value, in standard deviations of the return"),
    CFG_DOUBLE(S, huber_delta, "10", 0.001, 1e6, "", CFG_RESULT,
               "value errors beyond it count linearly"),
    CFG_DOUBLE(S, entropy, "0.003", 0, 10, "", CFG_RESULT, "weight of the entropy, per factor"),
    CFG_DOUBLE(S, lr, "1e-3", 0, 1, "", CFG_RESULT, "Adam step size at the start"),
    CFG_DOUBLE(S, lr_end, "1e-4", 0, 1, "", CFG_RESULT, "the same at the end, linear between"),
    CFG_INT(S, epochs, "4", 1, 1000, "", CFG_RESULT, "passes over a batch"),
    CFG_INT(S, minibatches, "4", 1, 4096, "", CFG_RESULT,
            "parts of a batch, one step of Adam each: whole tiles of 8 environments if they can be "
            "dealt evenly, else environments"),
    CFG_DOUBLE(S, grad_norm, "0.5", 0, 1e9, "", CFG_RESULT,
               "longest gradient of a network, 0 = any"),
    CFG_DOUBLE(S, adam_beta1, "0.9", 0, 0.999999, "", CFG_RESULT, "Adam: memory of the gradient"),
    CFG_DOUBLE(S, adam_beta2, "0.999", 0, 0.999999, "", CFG_RESULT, "Adam: memory of its square"),
    CFG_DOUBLE(S, adam_eps, "1e-5", 1e-12, 1, "", CFG_RESULT, "Adam: added to the root"),
    CFG_DOUBLE(S, value_beta, "0.9", 0, 0.999999, "", CFG_RESULT,
               "PopArt: memory of the returns' scale over updates, 0 = all ever seen"),
    CFG_BOOL(S, raw_values, "false", CFG_RESULT | CFG_LATER,
             "no PopArt: the critic predicts returns in their own unit"),
    CFG_END,
};
#undef S

/* ---- memory ---- */

void mappo_shapes(const struct team *team, struct reduce_shape *grad, struct reduce_shape *batch)
{
    size_t n_sums = (size_t)N_AGENT_SUMS * (size_t)team->spec->n_agents + N_VALUE_SUMS;
    *grad = (struct reduce_shape){.n_floats = team->w.n_params + n_sums, .n_max = 1};
    *batch = (struct reduce_shape){.n_stats = batch_columns(team)};
}

static enum err allocate(struct mappo *m, struct arena *arena)
{
    m->mom1 = ARENA_NEW(arena, m->team->w.n_params, float);
    m->mom2 = ARENA_NEW(arena, m->team->w.n_params, float);
    m->order = ARENA_NEW(arena, m->n_env, uint32_t);
    m->order_scratch = ARENA_NEW(arena, m->n_env, uint64_t);
    m->minibatch_of = ARENA_NEW(arena, m->n_env, int);
    m->n_dealt = ARENA_NEW(arena, m->n_tiles, int);
    m->agent_weight = ARENA_NEW(arena, m->team->spec->n_agents, double);
    m->agent_entropy = ARENA_NEW(arena, m->team->spec->n_agents, double);
    TRY(arena_error(arena));
    TRY(batch_init(m, arena));
    return gradient_init(m, arena);
}

enum err mappo_init(struct mappo **out, struct arena *arena, const struct mappo_cfg *cfg,
                    struct team *team, uint64_t seed, int n_env, int n_steps, int n_mine,
                    const struct reducer *grad, const struct reducer *batch)
{
    CHECK(n_env >= 1 && n_steps >= 1 && n_mine >= 1);
    struct mappo *m = ARENA_NEW(arena, 1, struct mappo);
    TRY(arena_error(arena));
    *m = (struct mappo){.cfg = cfg,
                        .team = team,
                        .seed = seed,
                        .n_env = n_env,
                        .n_steps = n_steps,
                        .n_mine = n_mine,
                        .group = 1,
                        .n_tiles = (n_env + TILE - 1) / TILE,
                        .n_minibatches = cfg->minibatches < n_env ? cfg->minibatches : n_env,
                        .grad = *grad,
                        .batch = *batch};
    mappo_shapes(team, &m->grad_shape, &m->batch_shape);
    CHECK(grad->bytes == reduce_bytes(&m->grad_shape));
    CHECK(batch->bytes == reduce_bytes(&m->batch_shape));
    TRY(allocate(m, arena));
    *out = m;
    return ERR_OK;
}

void mappo_set_group(struct mappo *m, int group)
{
    CHECK(group >= 1 && TILE % group == 0 && m->n_env % group == 0);
    m->group = group;
}

int mappo_group(const struct mappo *m)
{
    return m->group;
}

void mappo_optimiser(struct mappo *m, float **mom1, float **mom2, uint64_t **t)
{
    *mom1 = m->mom1;
    *mom2 = m->mom2;
    *t = &m->t;
}

/* ---- what is not finite ---- */

enum err mappo_not_finite(struct mappo *m, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(m->fault, sizeof m->fault, fmt, args);
    va_end(args);
    log_error("%s: %s is not finite", m->team->spec->name, m->fault);
    return ERR_NUMERIC;
}

const char *mappo_fault(const struct mappo *m)
{
    return m->fault;
}

/* network: an actor's index, n_actors for the critic. */
static enum err network_not_finite(struct mappo *m, const char *what, int network)
{
    const struct team *t = m->team;
    if (network == t->n_actors) {
        return mappo_not_finite(m, "%s of the critic", what);
    }
    if (t->n_actors == 1 && t->spec->n_agents > 1) {
        return mappo_not_finite(m, "%s of the actor that all agents share", what);
    }
    return mappo_not_finite(m, "%s of the actor of agent '%s'", what,
                            t->spec->agent_names[network]);
}

/* ---- one minibatch ---- */

/* Sums over the minibatches of an update, for the log. */
struct tally {
    double policy_loss, value_loss, entropy, kl, clipped, grad_norm;
    double ratio_dev; /* of the first minibatch of the first epoch */
    int n_minibatches;
};

static double sum_of(const float *x, int n)
{
    double sum = 0.0;
    for (int i = 0; i < n; i++) {
        sum += (double)x[i];
    }
    return sum;
}

static double share(double part, double whole)
{
    return whole > 0.0 ? part / whole : 0.0;
}

static void tally_minibatch(struct tally *tally, struct mappo *m, float *total)
{
    const struct team *t = m->team;
    int n = t->spec->n_agents;
    for (int i = 0; i < n; i++) {
        m->agent_weight[i] += (double)record_agent_sums(t, total, SUM_WEIGHT)[i];
        m->agent_entropy[i] += (double)record_agent_sums(t, total, SUM_ENTROPY)[i];
    }
    double weight = sum_of(record_agent_sums(t, total, SUM_WEIGHT), n);
    const float *value = record_value_sums(t, total);
    tally->policy_loss += share(sum_of(record_agent_sums(t, total, SUM_LOSS), n), weight);
    tally->entropy += share(sum_of(record_agent_sums(t, total, SUM_ENTROPY), n), weight);
    tally->kl += share(sum_of(record_agent_sums(t, total, SUM_KL), n), weight);
    tally->clipped += share(sum_of(record_agent_sums(t, total, SUM_CLIPPED), n), weight);
    tally->value_loss += share((double)value[SUM_VALUE_LOSS], (double)value[SUM_VALUES]);
    if (tally->n_minibatches == 0) {
        tally->ratio_dev = (double)*record_ratio_dev(t, total);
    }
    tally->n_minibatches++;
}

/* Sum -> mean, then cut to the longest gradient allowed. Returns the norm before the cut. */
static double finish_gradient(float *grads, size_t n, double divisor, double max_norm)
{
    float scale = (float)share(1.0, divisor);
    for (size_t i = 0; i < n; i++) {
        grads[i] *= scale;
    }
    return grad_clip(grads, n, max_norm);
}

/* Means and cuts, network by network; adds the mean norm to *norm_sum. */
static enum err finish_gradients(struct mappo *m, float *total, double *norm_sum)
{
    const struct team *t = m->team;
    const float *weight = record_agent_sums(t, total, SUM_WEIGHT);
    double sum =
        finish_gradient(total + t->critic_at[0], t->critic.n_params,
                        (double)record_value_sums(t, total)[SUM_VALUES], m->cfg->grad_norm);
    if (!isfinite(sum)) {
        return network_not_finite(m, "the gradient", t->n_actors);
    }
    for (int i = 0; i < t->n_actors; i++) {
        double divisor = t->n_actors == 1 ? sum_of(weight, t->spec->n_agents) : (double)weight[i];
        sum +=
            finish_gradient(total + t->actor_at[i], t->actor.n_params, divisor, m->cfg->grad_norm);
        if (!isfinite(sum)) {
            return network_not_finite(m, "the gradient", i);
        }
    }
    *norm_sum += sum / (t->n_actors + 1);
    return ERR_OK;
}

/* Adam on the networks this phase trains; each group counts its own steps, for the bias correction
 * of its moments. */
static void optimise(struct mappo *m, const float *grads, enum mappo_phase phase, double lr)
{
    const struct mappo_cfg *cfg = m->cfg;
    struct adam_config adam = {
        .lr = lr, .beta1 = cfg->adam_beta1, .beta2 = cfg->adam_beta2, .eps = cfg->adam_eps};
    float *params = m->team->w.params;
    size_t critic = m->team->critic_at[0];
    m->t += 1;
    adam_step(params + critic, m->mom1 + critic, m->mom2 + critic, grads + critic,
              m->team->critic.n_params, &adam, m->t & UINT32_MAX);
    if (phase != MAPPO_VALUE) {
        m->t += UINT64_C(1) << 32;
        adam_step(params, m->mom1, m->mom2, grads, critic, &adam, m->t >> 32);
    }
}

static bool tile_has_minibatch(const struct mappo *m, const struct block *b, int minibatch)
{
    const int *minibatch_of = m->minibatch_of + (long)b->tile * TILE;
    for (int e = 0; e < b->n_env; e++) {
        if (minibatch_of[e] == minibatch) {
            return true;
        }
    }
    return false;
}

static enum err learn_minibatch(struct mappo *m, const struct block *blocks, int minibatch,
                                enum mappo_phase phase, double lr, struct tally *tally)
{
    for (int i = 0; i < m->n_mine; i++) {
        if (!tile_has_minibatch(m, &blocks[i], minibatch)) {
            m->grad.leaf_skip(m->grad.ctx, blocks[i].tile);
            continue;
        }
        void *leaf = m->grad.leaf(m->grad.ctx, blocks[i].tile);
        gradient_leaf(m, leaf, i, &blocks[i], minibatch, phase);
        m->grad.leaf_done(m->grad.ctx, blocks[i].tile);
    }
    TRY(m->grad.total(m->grad.ctx, m->grad_total));
    float *total = reduce_floats(m->grad_total);
    TRY(finish_gradients(m, total, &tally->grad_norm));
    tally_minibatch(tally, m, total);
    optimise(m, total, phase, lr);
    return ERR_OK;
}

/* ---- the update ---- */

/* Minibatch s of an epoch holds the environments at s n / minibatches .. (s+1) n / minibatches of a
 * permutation.
 */
static void deal_environments(struct mappo *m)
{
    for (int minibatch = 0; minibatch < m->n_minibatches; minibatch++) {
        int64_t begin = (int64_t)minibatch * m->n_env / m->n_minibatches;
        int64_t end = (int64_t)(minibatch + 1) * m->n_env / m->n_minibatches;
        for (int64_t i = begin; i < end; i++) {
            m->minibatch_of[m->order[i]] = minibatch;
        }
    }
}

/* Of every n_minibatches consecutive tiles each minibatch gets one: the first of them in the
 * permutation goes to minibatch 0, the second to minibatch 1, and so on.
 *
 * Learners own runs of consecutive tiles. If the permutation were cut as it is, a minibatch would
 * often get the tiles of one learner only, and the others would wait. This way every learner that
 * owns a multiple of n_minibatches tiles has the same work in each minibatch. */
static void deal_tiles(struct mappo *m)
{
    memset(m->n_dealt, 0, (size_t)m->n_tiles * sizeof(int));
    for (int i = 0; i < m->n_tiles; i++) {
        const int tile = (int)m->order[i];
        const int minibatch = m->n_dealt[tile / m->n_minibatches]++;
        for (int e = tile * TILE; e < (tile + 1) * TILE && e < m->n_env; e++) {
            m->minibatch_of[e] = minibatch;
        }
    }
}

/* Minibatches get whole tiles if the number of tiles is a multiple of theirs: then a tile is one
 * long run of rows (gradient.c) and a single leaf of the sum over tiles, not many short runs and a
 * leaf for each minibatch. Otherwise they get environments, so that their sizes differ by one at
 * most. */
static void deal_minibatches(struct mappo *m, uint32_t version, uint32_t epoch)
{
    const bool whole_tiles = m->n_tiles % m->n_minibatches == 0;
    struct rng_key key = rng_key(m->seed, RNG_MINIBATCH, RNG_TRAIN);
    rng_permutation(m->order, m->order_scratch, (uint32_t)(whole_tiles ? m->n_tiles : m->n_env),
                    key, version, epoch, (uint32_t)m->team->number);
    if (whole_tiles) {
        deal_tiles(m);
    } else {
        deal_environments(m);
    }
}

static enum err learn(struct mappo *m, const struct block *blocks, enum mappo_phase phase,
                      double lr, struct tally *tally)
{
    batch_prepare(m, blocks);
    for (int epoch = 0; epoch < m->cfg->epochs; epoch++) {
        deal_minibatches(m, m->team->w.version, (uint32_t)epoch);
        memset(m->agent_weight, 0, (size_t)m->team->spec->n_agents * sizeof(double));
        memset(m->agent_entropy, 0, (size_t)m->team->spec->n_agents * sizeof(double));
        for (int minibatch = 0; minibatch < m->n_minibatches; minibatch++) {
            TRY(learn_minibatch(m, blocks, minibatch, phase, lr, tally));
        }
    }
    return ERR_OK;
}

/* The agent with the least entropy in the last epoch; -1: nobody had a choice. */
static int find_least_entropy(double *least, const struct mappo *m)
{
    int agent = -1;
    *least = 0.0;
    for (int i = 0; i < m->team->spec->n_agents; i++) {
        const double entropy = share(m->agent_entropy[i], m->agent_weight[i]);
        if (m->agent_weight[i] > 0.0 && (agent < 0 || entropy < *least)) {
            agent = i;
            *least = entropy;
        }
    }
    return agent;
}

static struct mappo_stats report(const struct mappo *m, const struct tally *tally, double lr)
{
    double n = tally->n_minibatches, least;
    const int agent = find_least_entropy(&least, m);
    return (struct mappo_stats){.entropy_least = least,
                                .entropy_agent = agent,
                                .policy_loss = share(tally->policy_loss, n),
                                .value_loss = share(tally->value_loss, n),
                                .entropy = share(tally->entropy, n),
                                .kl = share(tally->kl, n),
                                .clip_fraction = share(tally->clipped, n),
                                .grad_norm = share(tally->grad_norm, n),
                                .explained_variance = batch_explained_variance(m),
                                .ratio_max_dev = tally->ratio_dev,
                                .reward = batch_mean_reward(m),
                                .lr = lr};
}

enum err mappo_update(struct mappo *m, struct block *blocks, enum mappo_phase phase,
                      double progress, struct mappo_stats *out)
{
    double lr = m->cfg->lr + (m->cfg->lr_end - m->cfg->lr) * progress;
    struct tally tally = {0};
    TRY(batch_collect(m, blocks));
    if (phase != MAPPO_WARMUP) {
        TRY(learn(m, blocks, phase, lr, &tally));
        const int network = team_find_not_finite(m->team);
        if (network >= 0) {
            return network_not_finite(m, "a weight", network);
        }
    }
    batch_merge_rows(m);
    team_refresh(m->team);
    m->team->w.version++;
    *out = report(m, &tally, lr);
    return ERR_OK;
}

/* ---- for a dump ---- */

struct mappo_inputs mappo_tile_inputs(const struct mappo *m, int tile_i)
{
    const struct tile_inputs *in = &m->tiles[tile_i];
    bool local = m->team->cfg->critic == CRITIC_LOCAL;
    return (struct mappo_inputs){.obs = in->obs, .critic = local ? NULL : in->critic};
}

int mappo_n_minibatches(const struct mappo *m)
{
    return m->n_minibatches;
}

const int *mappo_minibatches(struct mappo *m, uint32_t version, int epoch)
{
    deal_minibatches(m, version, (uint32_t)epoch);
    return m->minibatch_of;
}
