/* An update of an AWARE team: returns, statistics, epochs, episodes, state. See aware_learner.h. */
#include "core/methods/aware_learner_parts.h"

#include "core/base/log.h"
#include "core/marl/gae.h"
#include "core/nn/adam.h"
#include "core/nn/normaliser.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* In the order of report(). */
const char *const aware_columns[AWARE_COLUMNS] = {
    "policy_loss",
    "value_loss",
    "entropy",
    "kl",
    "clip_fraction",
    "ratio_max_dev",
    "grad_norm",
    "explained_variance",
    "lr",
    "mode",
    "episode_return",
    "episode_return_std",
    "heuristic_return",
    "best_return",
};

static const double ADAM_BETA1 = 0.9, ADAM_BETA2 = 0.999, ADAM_EPS = 1e-8;
static const double ADVANTAGE_EPS = 1e-8; /* added to the deviation by which they are divided */

/* ---- memory ---- */

static enum err update_init(struct aware_update *u, struct arena *arena)
{
    const struct aware_learner *a = u->l;
    const struct learner_batch *batch = &u->batch;
    const size_t n_env = (size_t)(batch->n_env < TILE ? batch->n_env : TILE);
    const size_t n_rows = n_env * (size_t)batch->n_steps, agents = (size_t)a->base.spec->n_agents;
    u->kept = ARENA_NEW(arena, aware_best_floats(&a->shape), float);
    u->mom1 = ARENA_NEW(arena, a->nets.n_learned, float);
    u->mom2 = ARENA_NEW(arena, a->nets.n_learned, float);
    u->grads = ARENA_NEW(arena, a->nets.n_learned, float);
    u->obs = ARENA_NEW(arena, batch->n_mine, float *);
    u->order = ARENA_NEW(arena, batch->n_env, uint32_t);
    u->order_scratch = ARENA_NEW(arena, batch->n_env, uint64_t);
    u->minibatch_of = ARENA_NEW(arena, batch->n_env, int);
    u->column = ARENA_NEW(arena, n_rows * agents, float);
    u->batch_total = arena_alloc(arena, 1, reduce_bytes(&a->batch_shape));
    u->best_total = arena_alloc(arena, 1, a->base.sums[2].bytes);
    u->agent_weight = ARENA_NEW(arena, agents, double);
    u->agent_entropy = ARENA_NEW(arena, agents, double);
    TRY(arena_error(arena));
    for (int i = 0; i < batch->n_mine; i++) {
        u->obs[i] = ARENA_NEW(arena, agents * n_rows * (size_t)a->base.spec->n_obs, float);
    }
    TRY(aware_best_init(&u->best, arena, &a->shape, (int)n_rows));
    TRY(aware_sequences_init(&u->sequences, arena, &a->shape));
    for (int i = 0; i < 2; i++) {
        TRY(aware_encoding_init(&u->encoding[i], arena, &a->nets.net[i], &a->shape));
    }
    return aware_gradient_init(u, arena, batch->n_steps);
}

/* Whole episodes, of the agents and of the heuristic, or nobody could ever be compared. */
static enum err check_sizes(const struct aware_learner *a, const struct learner_batch *batch)
{
    const struct aware_cfg *cfg = a->plan.cfg;
    int n_trials = 0;
    if (batch->n_steps < cfg->episode_steps) {
        log_error("method.aware.episode_steps is %d, but a rollout has %d decisions (train.steps), "
                  "so no episode would be whole; set train.steps to %d or more",
                  cfg->episode_steps, batch->n_steps, cfg->episode_steps);
        return ERR_CONFIG;
    }
    for (int gid = 0; gid < batch->n_env; gid++) {
        n_trials += aware_is_trial(cfg, (uint32_t)gid) ? 1 : 0;
    }
    if (a->plan.heuristic_at >= 0 && (n_trials == 0 || n_trials == batch->n_env)) {
        log_error("method.aware.bootstrap.trial_share is %g, of %d environments (train.envs) that "
                  "is %d, but both the agents and the heuristic need some; change one of the two, "
                  "or set method.aware.bootstrap.episodes to 0",
                  cfg->bootstrap.trial_share, batch->n_env, n_trials);
        return ERR_CONFIG;
    }
    return ERR_OK;
}

enum err aware_prepare(struct learner *l, struct arena *arena, const struct learner_batch *batch)
{
    struct aware_learner *a = (struct aware_learner *)l;
    TRY(check_sizes(a, batch));
    struct aware_update *u = ARENA_NEW(arena, 1, struct aware_update);
    TRY(arena_error(arena));
    const int minibatches = a->plan.cfg->minibatches;
    *u = (struct aware_update){
        .l = a,
        .batch = *batch,
        .n_minibatches = minibatches < batch->n_env ? minibatches : batch->n_env,
    };
    TRY(update_init(u, arena));
    l->parts[0].values = u->mom1;
    l->parts[1].values = u->mom2;
    l->parts[2].values = u->kept;
    l->counter = &u->t;
    a->update = u;
    return ERR_OK;
}

void aware_merge_best(void *ctx, void *into, const void *left, const void *right)
{
    aware_best_merge(&((struct aware_learner *)ctx)->update->best, into, left, right);
}

/* ---- returns ---- */

/* R_t = r_t + gamma R_{t+1}, nothing behind the last step of an episode of AWARE, nor of one of the
 * environment. */
static void returns_cut(const struct aware_cfg *cfg, struct block *b, int n_agents)
{
    for (int row = b->n_env * b->n_steps - 1; row >= 0; row--) {
        const int t = row % b->n_steps;
        const bool last =
            (t + 1) % cfg->episode_steps == 0 || t + 1 == b->n_steps || b->flag[row] != ENV_RUNNING;
        for (int i = row * n_agents; i < (row + 1) * n_agents; i++) {
            const double next = last ? 0.0 : (double)b->target[i + n_agents];
            b->target[i] = (float)((double)b->reward[i] + cfg->gamma * next);
            b->advantage[i] = b->target[i] - b->value[i];
        }
    }
}

static void returns_of_block(const struct aware_cfg *cfg, struct block *b, int n_agents)
{
    if (cfg->tail == AWARE_TAIL_NONE) {
        returns_cut(cfg, b, n_agents);
    } else {
        gae_block(b, n_agents, cfg->gamma, 1.0);
    }
}

/* ---- what is known of the batch ---- */

static const char *const column_names[N_COLUMNS] = {
    "an advantage",
    "a return",
    "the error of a value",
    "a reward",
    "the probability of a choice",
    "the return of an episode of the heuristic",
    "the return of an episode of the agents",
};

static void put_column(const struct aware_update *u, void *leaf, enum aware_column c,
                       const float *x, int n)
{
    double one[3], *stats = reduce_stats(&u->l->batch_shape, leaf);
    stats_of_rows(one, 1, x, 1, n);
    for (int part = 0; part < 3; part++) {
        stats[part * N_COLUMNS + (int)c] = one[part];
    }
}

/* Returns of whole episodes in which the heuristic acted, or the agents; means over agents. */
static void put_episodes(struct aware_update *u, void *leaf, const struct block *b,
                         enum aware_column c)
{
    const struct aware_best_shape *s = &u->l->shape;
    const int n = aware_best_find(&u->best, b);
    int n_put = 0;
    for (int i = 0; i < n; i++) {
        const int first = u->best.first[i];
        const uint32_t gid = (uint32_t)(b->tile * TILE + first / b->n_steps);
        const bool heuristic = u->trials && aware_teaches(u, gid);
        float sum = 0.0f;
        for (int agent = 0; agent < s->n_agents; agent++) {
            sum += aware_best_sum(s, b, first, agent);
        }
        if (heuristic == (c == COL_HEURISTIC)) {
            u->column[n_put++] = sum / (float)s->n_agents;
        }
    }
    put_column(u, leaf, c, u->column, n_put);
}

static void tile_statistics(struct aware_update *u, void *leaf, const struct block *b)
{
    const int n = b->n_env * b->n_steps * u->l->base.spec->n_agents;
    reduce_clear(&u->l->batch_shape, leaf);
    put_column(u, leaf, COL_ADVANTAGE, b->advantage, n);
    put_column(u, leaf, COL_TARGET, b->target, n);
    put_column(u, leaf, COL_REWARD, b->reward, n);
    put_column(u, leaf, COL_LOGP, b->logp, n);
    for (int i = 0; i < n; i++) {
        u->column[i] = b->target[i] - b->value[i];
    }
    put_column(u, leaf, COL_RESIDUAL, u->column, n);
    put_episodes(u, leaf, b, COL_HEURISTIC);
    put_episodes(u, leaf, b, COL_AGENTS);
}

/* obs (A, rows, D) of a tile. */
static void observe(const struct aware_learner *a, float *obs, const struct block *b)
{
    const struct team_spec *spec = a->base.spec;
    const size_t n_rows = (size_t)b->n_env * (size_t)b->n_steps;
    for (int agent = 0; agent < spec->n_agents; agent++) {
        for (size_t row = 0; row < n_rows; row++) {
            spec->obs(spec->ctx, obs + ((size_t)agent * n_rows + row) * (size_t)spec->n_obs, agent,
                      b->global_state + row * (size_t)spec->n_global_state);
        }
    }
}

static const double *batch_stats(const struct aware_update *u)
{
    return reduce_stats(&u->l->batch_shape, u->batch_total);
}

static double column_mean(const struct aware_update *u, enum aware_column c)
{
    return batch_stats(u)[N_COLUMNS + (int)c];
}

static double column_count(const struct aware_update *u, enum aware_column c)
{
    return batch_stats(u)[(int)c];
}

static double column_var(const struct aware_update *u, enum aware_column c)
{
    return stats_var(batch_stats(u), N_COLUMNS, (int)c);
}

static enum err not_finite(struct aware_update *u, const char *what)
{
    (void)snprintf(u->fault, sizeof u->fault, "%s", what);
    log_error("%s: %s is not finite", u->l->base.spec->name, what);
    return ERR_NUMERIC;
}

enum err aware_collect(struct aware_update *u, struct block *blocks)
{
    const struct reducer *stats = &u->batch.sums[1], *best = &u->batch.sums[2];
    for (int i = 0; i < u->batch.n_mine; i++) {
        struct block *b = &blocks[i];
        CHECK(b->n_steps == u->batch.n_steps && b->n_env <= TILE);
        returns_of_block(u->l->plan.cfg, b, u->l->base.spec->n_agents);
        observe(u->l, u->obs[i], b);
        tile_statistics(u, stats->leaf(stats->ctx, b->tile), b);
        stats->leaf_done(stats->ctx, b->tile);
        aware_best_of_block(&u->best, best->leaf(best->ctx, b->tile), b, u->obs[i]);
        best->leaf_done(best->ctx, b->tile);
    }
    TRY(stats->total(stats->ctx, u->batch_total));
    TRY(best->total(best->ctx, u->best_total));
    for (int c = 0; c < N_COLUMNS; c++) {
        if (!isfinite(batch_stats(u)[2 * N_COLUMNS + c])) {
            return not_finite(u, column_names[c]);
        }
    }
    u->adv_mean = (float)column_mean(u, COL_ADVANTAGE);
    u->adv_scale = (float)(1.0 / (sqrt(column_var(u, COL_ADVANTAGE)) + ADVANTAGE_EPS));
    return ERR_OK;
}

/* ---- one minibatch ---- */

/* Sums over the minibatches of an update, for the log. */
struct tally {
    double policy_loss, value_loss, entropy, kl, clipped, grad_norm;
    double ratio_dev; /* of the first minibatch of the first epoch */
    int n;
};

static void embed(struct aware_update *u)
{
    struct aware_learner *a = u->l;
    for (int i = 0; i < 2; i++) {
        aware_net_embed(&a->nets.net[i], &u->encoding[i], a->w.params + a->nets.embedding_at[i],
                        a->w.params + a->nets.at[i], &u->sequences);
    }
}

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

static void scale(float *x, size_t n, double by)
{
    for (size_t i = 0; i < n; i++) {
        x[i] = (float)((double)x[i] * by);
    }
}

/* From sums over samples to the gradient of the mean loss.
 *
 *     heads        the sums, divided by the number of samples
 *     embedding    e_a of agent a is an input of all its samples, so d loss / d e_a is the sum of
 *                  what they give, which the tiles have added
 *     encoder      e_a = ReLU(W m_a + b), m_a a mean of final states: the chain rule goes on from
 *                  d loss / d e_a, once, however many samples there are
 */
void aware_spread_gradient(struct aware_update *u, float *total)
{
    const struct aware_learner *a = u->l;
    const struct aware_record *r = &a->record;
    const int n_agents = a->base.spec->n_agents;
    const double weights[] = {
        share(1.0, sum_of(total + r->sums + SUM_WEIGHT * n_agents, n_agents)),
        share(a->plan.cfg->value_weight, (double)total[r->value_sums + SUM_VALUES])};
    memset(u->grads, 0, a->nets.n_learned * sizeof *u->grads);
    for (int i = 0; i < 2; i++) {
        const struct aware_net *net = &a->nets.net[i];
        float *grads = u->grads + a->nets.at[i], *d_embedding = total + r->embedding[i];
        scale(total + r->head[i], net->head.n_params, weights[i]);
        scale(d_embedding, (size_t)(n_agents * net->n_embedding), weights[i]);
        memcpy(grads + net->head_at, total + r->head[i], net->head.n_params * sizeof *grads);
        aware_net_embed_backward(net, &u->encoding[i], grads, aware_embedding(a, i), d_embedding,
                                 a->w.params + a->nets.at[i], &u->sequences);
    }
}

static void tally_minibatch(struct tally *tally, struct aware_update *u, const float *total)
{
    const struct aware_record *r = &u->l->record;
    const int n = u->l->base.spec->n_agents;
    const float *sums = total + r->sums;
    const double weight = sum_of(sums + SUM_WEIGHT * n, n);
    for (int i = 0; i < n; i++) {
        u->agent_weight[i] += (double)sums[SUM_WEIGHT * n + i];
        u->agent_entropy[i] += (double)sums[SUM_ENTROPY * n + i];
    }
    tally->policy_loss += share(sum_of(sums + SUM_LOSS * n, n), weight);
    tally->entropy += share(sum_of(sums + SUM_ENTROPY * n, n), weight);
    tally->kl += share(sum_of(sums + SUM_KL * n, n), weight);
    tally->clipped += share(sum_of(sums + SUM_CLIPPED * n, n), weight);
    tally->value_loss += share((double)total[r->value_sums + SUM_VALUE_LOSS],
                               (double)total[r->value_sums + SUM_VALUES]);
    if (tally->n == 0 && u->phase == PHASE_PPO) {
        tally->ratio_dev = (double)total[r->ratio_dev];
    }
    tally->n++;
}

static bool tile_has_minibatch(const struct aware_update *u, const struct block *b, int minibatch)
{
    for (int e = 0; e < b->n_env; e++) {
        const uint32_t gid = (uint32_t)(b->tile * TILE + e);
        if (u->minibatch_of[gid] == minibatch && aware_teaches(u, gid)) {
            return true;
        }
    }
    return false;
}

/* Collective. */
static enum err learn_minibatch(struct aware_update *u, const struct block *blocks, int minibatch,
                                double lr, struct tally *tally)
{
    const struct reducer *r = &u->batch.sums[0];
    struct aware_learner *a = u->l;
    embed(u);
    for (int i = 0; i < u->batch.n_mine; i++) {
        if (!tile_has_minibatch(u, &blocks[i], minibatch)) {
            r->leaf_skip(r->ctx, blocks[i].tile);
            continue;
        }
        aware_gradient_leaf(u, r->leaf(r->ctx, blocks[i].tile), i, &blocks[i], minibatch);
        r->leaf_done(r->ctx, blocks[i].tile);
    }
    TRY(r->total(r->ctx, u->grad_total));
    aware_spread_gradient(u, reduce_floats(u->grad_total));
    tally_minibatch(tally, u, reduce_floats(u->grad_total));
    const double norm = grad_clip(u->grads, a->nets.n_learned, a->plan.cfg->grad_norm);
    if (!isfinite(norm)) {
        return not_finite(u, "the gradient");
    }
    tally->grad_norm += norm;
    const struct adam_config adam = {
        .lr = lr, .beta1 = ADAM_BETA1, .beta2 = ADAM_BETA2, .eps = ADAM_EPS};
    adam_step(a->w.params, u->mom1, u->mom2, u->grads, a->nets.n_learned, &adam, ++u->t);
    return ERR_OK;
}

/* Minibatch s of m holds those environments that teach at s n / m .. (s+1) n / m of a permutation.
 * Environments that do not teach are not counted, so each minibatch has one that does (m <= n): a
 * sum needs a tile that adds to it. The i-th that teaches, from 0, is dealt to floor(i m / n): with
 * m <= n this takes every value 0 .. m - 1, as consecutive i differ by m / n <= 1 before
 * rounding. */
static void deal(struct aware_update *u, uint32_t epoch, int n_minibatches, int64_t n_teach)
{
    const struct rng_key key = rng_key(u->batch.seed, RNG_MINIBATCH, RNG_TRAIN);
    int64_t taught = 0;
    rng_permutation(u->order, u->order_scratch, (uint32_t)u->batch.n_env, key, u->l->w.version,
                    epoch, (uint32_t)u->l->plan.number);
    for (int i = 0; i < u->batch.n_env; i++) {
        const uint32_t gid = u->order[i];
        u->minibatch_of[gid] = (int)(taught * n_minibatches / n_teach);
        taught += aware_teaches(u, gid) ? 1 : 0;
    }
}

static int count_teachers(const struct aware_update *u)
{
    int n = 0;
    for (int gid = 0; gid < u->batch.n_env; gid++) {
        n += aware_teaches(u, (uint32_t)gid) ? 1 : 0;
    }
    return n;
}

static enum err epochs(struct aware_update *u, const struct block *blocks, double lr,
                       struct tally *tally)
{
    const int n_teach = count_teachers(u);
    const int n = u->n_minibatches < n_teach ? u->n_minibatches : n_teach;
    const size_t agents = (size_t)u->l->base.spec->n_agents;
    for (int epoch = 0; epoch < u->l->plan.cfg->epochs; epoch++) {
        deal(u, (uint32_t)epoch, n, n_teach);
        memset(u->agent_weight, 0, agents * sizeof(double));
        memset(u->agent_entropy, 0, agents * sizeof(double));
        for (int minibatch = 0; minibatch < n; minibatch++) {
            TRY(learn_minibatch(u, blocks, minibatch, lr, tally));
        }
    }
    return weights_finite(&u->l->w) ? ERR_OK : not_finite(u, "a weight");
}

/* ---- who acts next ---- */

static void gather(double *state, const struct aware_update *u, enum aware_column c)
{
    const double one[] = {column_count(u, c), column_mean(u, c),
                          batch_stats(u)[2 * N_COLUMNS + (int)c]};
    stats_merge(state, one, 1);
}

/* The heuristic hands over when the agents' mean return is at least as great. Both are of whole
 * windows of at least bootstrap.episodes episodes; then the windows begin anew. */
static void consider_handover(struct aware_update *u)
{
    struct aware_learner *a = u->l;
    const int n = a->plan.cfg->bootstrap.episodes;
    double *state = aware_state_of(a);
    double *heuristic = state + AWARE_HEURISTIC, *agents = state + AWARE_AGENTS;
    gather(heuristic, u, COL_HEURISTIC);
    gather(agents, u, COL_AGENTS);
    if (heuristic[0] < n || agents[0] < n) {
        return;
    }
    if (agents[1] >= heuristic[1]) {
        state[AWARE_MODE] = AWARE_LEARNING;
        state[AWARE_HANDOVER] = a->w.version + 1.0;
        log_info("%s: the agents take over from the heuristic: the mean return of %.0f episodes "
                 "is %.3f, that of %.0f episodes of the heuristic %.3f",
                 a->base.spec->name, agents[0], agents[1], heuristic[0], heuristic[1]);
    }
    stats_clear(heuristic, 1);
    stats_clear(agents, 1);
}

static void monitor(struct aware_update *u)
{
    const struct aware_monitor_cfg *cfg = &u->l->plan.cfg->monitor;
    double *state = aware_state_of(u->l), *agents = state + AWARE_AGENTS;
    if (cfg->episodes == 0) {
        return;
    }
    gather(agents, u, COL_AGENTS);
    if (agents[0] < cfg->episodes) {
        return;
    }
    const double std = sqrt(stats_var(agents, 1, 0));
    const enum aware_mode next =
        agents[1] >= cfg->mean && std < cfg->std ? AWARE_SERVING : AWARE_LEARNING;
    if (next != aware_learner_mode(&u->l->base)) {
        log_info("%s: the agents %s: the mean return of %.0f episodes is %.3f, its deviation %.3f",
                 u->l->base.spec->name, next == AWARE_SERVING ? "serve" : "learn again", agents[0],
                 agents[1], std);
    }
    state[AWARE_MODE] = next;
    stats_clear(agents, 1);
}

/* ---- the update ---- */

/* Mean score of the episodes kept. */
static double best_return(const struct aware_update *u)
{
    const struct aware_best_shape *s = &u->l->shape;
    double sum = 0.0, n = 0.0;
    for (int i = 0; i < s->n_agents * s->n_kept; i++) {
        const float *episode = u->kept + (size_t)i * aware_best_episode(s);
        sum += (double)episode[BEST_SCORE];
        n += (double)episode[BEST_PRESENT];
    }
    return share(sum, n);
}

static void tell(struct learn_stats *out, const struct aware_update *u, const struct tally *tally,
                 enum aware_mode acted, double lr)
{
    const double n = tally->n, target = column_var(u, COL_TARGET);
    *out = (struct learn_stats){
        .reward = column_mean(u, COL_REWARD),
        .entropy = share(tally->entropy, n),
        .acted_dev = tally->ratio_dev,
        .entropy_agent = -1,
        .columns = {share(tally->policy_loss, n), share(tally->value_loss, n),
                    share(tally->entropy, n), share(tally->kl, n), share(tally->clipped, n),
                    tally->ratio_dev, share(tally->grad_norm, n),
                    target > 0.0 ? 1.0 - column_var(u, COL_RESIDUAL) / target : 0.0, lr, acted,
                    column_mean(u, COL_AGENTS), sqrt(column_var(u, COL_AGENTS)),
                    column_mean(u, COL_HEURISTIC), best_return(u)},
    };
    for (int i = 0; i < u->l->base.spec->n_agents && u->phase == PHASE_PPO; i++) {
        const double entropy = share(u->agent_entropy[i], u->agent_weight[i]);
        if (u->agent_weight[i] > 0.0 && (out->entropy_agent < 0 || entropy < out->entropy_least)) {
            out->entropy_agent = i;
            out->entropy_least = entropy;
        }
    }
}

/* Was at least one of the choices drawn? In a pipeline (train.pipeline) blocks were acted with the
 * weights of the update before: when the agents take over from the heuristic, or learn again, one
 * more batch comes whose choices were not. It would teach PPO nothing. */
static bool were_drawn(const struct aware_update *u)
{
    return column_mean(u, COL_LOGP) < 0.0;
}

/* Cloning of a rule by the trainer and value-only updates mean nothing to AWARE, which bootstraps
 * by itself. */
static enum aware_phase phase_of(const struct aware_update *u, enum learn_phase phase,
                                 enum aware_mode mode)
{
    if (phase != LEARN_ALL || mode == AWARE_SERVING) {
        return PHASE_NOTHING;
    }
    if (mode == AWARE_BOOTSTRAP) {
        return PHASE_CLONE;
    }
    return were_drawn(u) ? PHASE_PPO : PHASE_NOTHING;
}

static void consider_mode(struct aware_update *u, enum aware_mode acted)
{
    if (acted == AWARE_BOOTSTRAP) {
        consider_handover(u);
    } else if (acted == AWARE_SERVING || were_drawn(u)) {
        monitor(u);
    }
}

/* The blocks were acted with embeddings of the episodes kept until now, so these make the
 * probabilities of the first minibatch those of the blocks; the new ones join afterwards. */
enum err aware_learn(struct learner *l, struct block *blocks, const struct learn_args *args,
                     struct learn_stats *out)
{
    struct aware_learner *a = (struct aware_learner *)l;
    struct aware_update *u = a->update;
    const enum aware_mode acted = aware_learner_mode(l);
    const double lr = args->lr < 0.0 ? a->plan.cfg->lr : args->lr;
    struct tally tally = {0};
    u->trials = acted == AWARE_BOOTSTRAP;
    aware_sequences_fill(&u->sequences, u->kept);
    TRY(aware_collect(u, blocks));
    u->phase = phase_of(u, args->phase, acted);
    if (u->phase != PHASE_NOTHING) {
        TRY(epochs(u, blocks, lr, &tally));
    }
    aware_best_merge(&u->best, u->kept, u->kept, u->best_total);
    aware_sequences_fill(&u->sequences, u->kept);
    embed(u);
    if (args->phase == LEARN_ALL) {
        consider_mode(u, acted);
    }
    a->w.version++;
    tell(out, u, &tally, acted, lr);
    return ERR_OK;
}
