/* One tile's gradient: forward, loss and backward over blocks of rows.
 *
 * The environments of a minibatch are contiguous rows, or a few runs of them. Networks see their
 * rows in the order (agent, row), whatever the runs and blocks: sums over rows are chains
 * (core/nn/gemm.h), so neither row_block nor the number of runs can change a bit.
 */
#include "core/base/minmax.h"
#include "core/marl/mappo_parts.h"

#include "core/marl/loss.h"
#include "core/marl/policy.h"

enum err gradient_init(struct mappo *m, struct arena *arena)
{
    const struct team *t = m->team;
    int n = t->cfg->row_block;
    size_t n_out = (size_t)n * size_max((size_t)t->logit_ld, (size_t)t->value_ld) + POLICY_SLACK;
    size_t n_acts = size_max(mlp_acts_floats(&t->actor, n), mlp_acts_floats(&t->critic, n));
    size_t n_work =
        size_max(mlp_backward_work_floats(&t->actor), mlp_backward_work_floats(&t->critic));
    m->acts = ARENA_NEW(arena, n_acts, float);
    m->out = ARENA_NEW(arena, n_out, float);
    m->d_out = ARENA_NEW(arena, n_out, float);
    m->work = ARENA_NEW(arena, n_work, float);
    m->loss_work =
        ARENA_NEW(arena, loss_work_floats(t->spec->n_factors, t->spec->n_choices), float);
    m->grad_total = arena_alloc(arena, 1, reduce_bytes(&m->grad_shape));
    return arena_error(arena);
}

/* Rows [begin, end) of a tile. */
struct rows {
    int begin, end;
};

/* One tile in one minibatch. */
struct pass {
    struct mappo *m;
    const struct block *block;
    const struct tile_inputs *in;
    float *leaf;
    enum mappo_phase phase;
    int n_rows; /* of the whole tile */
    int n_runs;
    struct rows runs[TILE];
};

/* The runs of neighbouring environments in the minibatch, ascending. */
static void find_runs(struct pass *p, int minibatch)
{
    const struct block *b = p->block;
    const int *minibatch_of = p->m->minibatch_of + (long)b->tile * TILE;
    for (int e = 0; e < b->n_env; e++) {
        if (minibatch_of[e] != minibatch) {
            continue;
        }
        int begin = e * b->n_steps;
        if (p->n_runs > 0 && p->runs[p->n_runs - 1].end == begin) {
            p->runs[p->n_runs - 1].end += b->n_steps;
        } else {
            p->runs[p->n_runs++] = (struct rows){begin, begin + b->n_steps};
        }
    }
}

/* Next block of a run: at most row_block rows, blocks of a run as equal as possible. */
static struct rows next_block(const struct pass *p, const struct rows *run, int at)
{
    int limit = p->m->team->cfg->row_block;
    int n_left = run->end - at;
    int n_blocks = (n_left + limit - 1) / limit;
    return (struct rows){at, at + (n_left + n_blocks - 1) / n_blocks};
}

/* ---- actors ---- */

static struct policy_rows policy_rows(const struct pass *p, int agent, struct rows rows)
{
    const struct mappo *m = p->m;
    const struct team_spec *spec = m->team->spec;
    const struct block *b = p->block;
    int n_agents = spec->n_agents, n_mask = spec->n_factors * env_mask_words(spec);
    long first = (long)rows.begin * n_agents + agent;
    return (struct policy_rows){.n = rows.end - rows.begin,
                                .n_factors = spec->n_factors,
                                .n_choices = spec->n_choices,
                                .logits = m->out,
                                .logit_ld = m->team->logit_ld,
                                .mask = b->mask + first * n_mask,
                                .mask_stride = n_agents * n_mask,
                                .action = b->action + first * spec->n_factors,
                                .action_stride = n_agents * spec->n_factors,
                                .logp = b->logp + first,
                                .advantage = b->advantage + first,
                                .sample_stride = n_agents,
                                .adv_mean = m->adv_mean[agent],
                                .adv_scale = m->adv_scale[agent]};
}

static void actor_block(const struct pass *p, struct policy_sums *sums, int agent, struct rows rows)
{
    struct mappo *m = p->m;
    const struct team *t = m->team;
    size_t at = t->actor_at[t->n_actors == 1 ? 0 : agent];
    int n = rows.end - rows.begin;
    const float *x = p->in->obs + ((long)agent * p->n_rows + rows.begin) * t->obs_ld;
    mlp_forward(&t->actor, m->out, t->logit_ld, m->acts, t->w.params + at, x, t->obs_ld, n);
    struct policy_rows samples = policy_rows(p, agent, rows);
    if (p->phase == MAPPO_CLONE) {
        loss_clone(sums, m->d_out, m->loss_work, &samples);
    } else {
        loss_ppo(sums, m->d_out, m->loss_work, &samples, (float)m->cfg->clip,
                 (float)m->cfg->entropy);
    }
    mlp_backward(&t->actor, p->leaf + at, NULL, 0, t->w.params + at, x, t->obs_ld, m->acts,
                 m->d_out, t->logit_ld, n, m->work);
}

/* All rows of one agent in one minibatch. The losses are sums over samples (loss.h), so the
 * gradient of a minibatch is the sum of the leaves of its tiles; mappo.c divides it by the number
 * of samples once it is known. Sums for the log are added in double and rounded once, at the
 * end. */
static void actor_pass(const struct pass *p, int agent)
{
    const struct team *t = p->m->team;
    struct policy_sums sums = {0};
    for (int i = 0; i < p->n_runs; i++) {
        struct rows block;
        for (int at = p->runs[i].begin; at < p->runs[i].end; at = block.end) {
            block = next_block(p, &p->runs[i], at);
            actor_block(p, &sums, agent, block);
        }
    }
    record_agent_sums(t, p->leaf, SUM_WEIGHT)[agent] = (float)sums.weight;
    record_agent_sums(t, p->leaf, SUM_LOSS)[agent] = (float)sums.loss;
    record_agent_sums(t, p->leaf, SUM_ENTROPY)[agent] = (float)sums.entropy;
    record_agent_sums(t, p->leaf, SUM_KL)[agent] = (float)sums.kl;
    record_agent_sums(t, p->leaf, SUM_CLIPPED)[agent] = (float)sums.clipped;
    float *ratio_dev = record_ratio_dev(t, p->leaf);
    *ratio_dev = sums.ratio_dev > *ratio_dev ? sums.ratio_dev : *ratio_dev;
}

/* ---- critic ---- */

static void critic_block(const struct pass *p, double *loss, int view, struct rows rows)
{
    struct mappo *m = p->m;
    const struct team *t = m->team;
    const float *params = t->w.params + t->critic_at[0];
    bool local = t->cfg->critic == CRITIC_LOCAL;
    int n = rows.end - rows.begin, n_agents = t->spec->n_agents;
    int ldx = local ? t->obs_ld : t->critic_ld;
    const float *x =
        (local ? p->in->obs : p->in->critic) + ((long)view * p->n_rows + rows.begin) * ldx;
    long first = (long)rows.begin * n_agents + view;
    mlp_forward(&t->critic, m->out, t->value_ld, m->acts, params, x, ldx, n);
    loss_value(loss, m->d_out, m->out, t->value_ld, p->in->value + first, p->in->target + first,
               n_agents, n, t->n_cols, (float)m->cfg->value_clip, (float)m->cfg->huber_delta);
    mlp_backward(&t->critic, p->leaf + t->critic_at[0], NULL, 0, params, x, ldx, m->acts, m->d_out,
                 t->value_ld, n, m->work);
}

/* A central critic sees one view and has a column for each agent; a local one sees each agent's
 * view and has one column. Either way every (row, agent) is one sample of the value loss. */
static void critic_pass(const struct pass *p)
{
    const struct team *t = p->m->team;
    double loss = 0.0, count = 0.0;
    for (int view = 0; view < t->n_views; view++) {
        for (int i = 0; i < p->n_runs; i++) {
            struct rows block;
            for (int at = p->runs[i].begin; at < p->runs[i].end; at = block.end) {
                block = next_block(p, &p->runs[i], at);
                critic_block(p, &loss, view, block);
            }
            count += (double)(p->runs[i].end - p->runs[i].begin) * t->n_cols;
        }
    }
    record_value_sums(t, p->leaf)[SUM_VALUE_LOSS] = (float)loss;
    record_value_sums(t, p->leaf)[SUM_VALUES] = (float)count;
}

void gradient_leaf(struct mappo *m, void *leaf, int tile_i, const struct block *b, int minibatch,
                   enum mappo_phase phase)
{
    struct pass p = {.m = m,
                     .block = b,
                     .in = &m->tiles[tile_i],
                     .leaf = reduce_floats(leaf),
                     .phase = phase,
                     .n_rows = b->n_env * b->n_steps};
    reduce_clear(&m->grad_shape, leaf);
    find_runs(&p, minibatch);
    for (int agent = 0; agent < m->team->spec->n_agents && phase != MAPPO_VALUE; agent++) {
        actor_pass(&p, agent);
    }
    critic_pass(&p);
}
