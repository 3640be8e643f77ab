/* One tile's gradient: heads forwards, losses, heads backwards, one environment and agent after the
 * other. What a row gives by the embedding part of the head's input is summed over the rows of an
 * agent: the derivative by its embedding, from which the encoder goes on (aware_update.c).
 */
#include "core/methods/aware_learner_parts.h"

#include "core/base/minmax.h"
#include "core/marl/loss.h"

#include <string.h>

enum err aware_gradient_init(struct aware_update *u, struct arena *arena, int n_steps)
{
    const struct aware_networks *nets = &u->l->nets;
    const struct team_spec *spec = u->l->base.spec;
    const size_t n = (size_t)n_steps;
    size_t ld = 0, n_acts = 0, n_work = 0;
    for (int i = 0; i < 2; i++) {
        const struct mlp *head = &nets->net[i].head;
        ld = size_max(ld, (size_t)nets->net[i].out_ld);
        n_acts = size_max(n_acts, mlp_acts_floats(head, n_steps));
        n_work = size_max(n_work, mlp_backward_work_floats(head));
    }
    u->x = ARENA_NEW(arena, n * (size_t)nets->net[0].x_ld, float);
    u->dx = ARENA_NEW(arena, n * (size_t)nets->net[0].x_ld, float);
    u->acts = ARENA_NEW(arena, n_acts + 1, float);
    u->out = ARENA_NEW(arena, n * ld + POLICY_SLACK, float);
    u->d_out = ARENA_NEW(arena, n * ld + POLICY_SLACK, float);
    u->work = ARENA_NEW(arena, n_work + 1, float);
    u->loss_work = ARENA_NEW(arena, loss_work_floats(1, spec->n_choices), float);
    u->grad_total = arena_alloc(arena, 1, reduce_bytes(&u->l->record.shape));
    return arena_error(arena);
}

bool aware_teaches(const struct aware_update *u, uint32_t gid)
{
    return !u->trials || !aware_is_trial(u->l->plan.cfg, gid);
}

/* Environment e of a tile, for one agent. */
struct part {
    const struct block *block;
    const float *obs; /* (T, D) */
    float *leaf;
    int e, agent;
};

/* Index of the part's first sample in arrays (E, T, A). */
static size_t first_sample(const struct aware_update *u, const struct part *p)
{
    return (size_t)(p->e * p->block->n_steps) * (size_t)u->l->base.spec->n_agents +
           (size_t)p->agent;
}

/* u->out = a network's outputs for the part. */
static void forward(struct aware_update *u, const struct part *p, int network)
{
    const struct aware_net *net = &u->l->nets.net[network];
    const float *params = u->l->w.params + u->l->nets.at[network];
    const float *embedding = aware_embedding(u->l, network) + (size_t)(p->agent * net->n_embedding);
    aware_net_inputs(net, u->x, p->obs, embedding, p->block->n_steps);
    mlp_forward(&net->head, u->out, net->out_ld, u->acts, params + net->head_at, u->x, net->x_ld,
                p->block->n_steps);
}

/* The leaf += derivatives by head and embedding, from u->d_out. */
static void backward(struct aware_update *u, const struct part *p, int network)
{
    const struct aware_net *net = &u->l->nets.net[network];
    const float *params = u->l->w.params + u->l->nets.at[network];
    const struct aware_record *r = &u->l->record;
    mlp_backward(&net->head, p->leaf + r->head[network], u->dx, net->x_ld, params + net->head_at,
                 u->x, net->x_ld, u->acts, u->d_out, net->out_ld, p->block->n_steps, u->work);
    gemm_bias_grad(p->leaf + r->embedding[network] + (size_t)(p->agent * net->n_embedding),
                   u->dx + net->n_obs, net->x_ld, p->block->n_steps, net->n_embedding);
}

static struct policy_rows policy_rows(const struct aware_update *u, const struct part *p)
{
    const struct team_spec *spec = u->l->base.spec;
    const struct block *b = p->block;
    const size_t first = first_sample(u, p);
    const int words = env_mask_words(spec);
    return (struct policy_rows){.n = b->n_steps,
                                .n_factors = 1,
                                .n_choices = spec->n_choices,
                                .logits = u->out,
                                .logit_ld = u->l->nets.net[0].out_ld,
                                .mask = b->mask + first * (size_t)words,
                                .mask_stride = spec->n_agents * words,
                                .action = b->action + first,
                                .action_stride = spec->n_agents,
                                .logp = b->logp + first,
                                .advantage = b->advantage + first,
                                .sample_stride = spec->n_agents,
                                .adv_mean = u->adv_mean,
                                .adv_scale = u->adv_scale};
}

static void actor_part(struct aware_update *u, const struct part *p)
{
    const struct aware_cfg *cfg = u->l->plan.cfg;
    const struct aware_record *r = &u->l->record;
    const int n_agents = u->l->base.spec->n_agents;
    struct policy_sums sums = {0};
    forward(u, p, 0);
    const struct policy_rows rows = policy_rows(u, p);
    if (u->phase == PHASE_CLONE) {
        loss_clone(&sums, u->d_out, u->loss_work, &rows);
    } else {
        loss_ppo(&sums, u->d_out, u->loss_work, &rows, (float)cfg->clip, (float)cfg->entropy);
    }
    backward(u, p, 0);
    float *out = p->leaf + r->sums + p->agent;
    out[SUM_WEIGHT * n_agents] += (float)sums.weight;
    out[SUM_LOSS * n_agents] += (float)sums.loss;
    out[SUM_ENTROPY * n_agents] += (float)sums.entropy;
    out[SUM_KL * n_agents] += (float)sums.kl;
    out[SUM_CLIPPED * n_agents] += (float)sums.clipped;
    float *dev = p->leaf + r->ratio_dev;
    *dev = sums.ratio_dev > *dev ? sums.ratio_dev : *dev;
}

/* Half the squared error of the returns, whose derivative by the value is the error. */
static void critic_part(struct aware_update *u, const struct part *p)
{
    const struct aware_record *r = &u->l->record;
    const size_t n_agents = (size_t)u->l->base.spec->n_agents;
    const size_t ld = (size_t)u->l->nets.net[1].out_ld;
    const float *target = p->block->target + first_sample(u, p);
    double loss = 0.0;
    forward(u, p, 1);
    for (size_t i = 0; i < (size_t)p->block->n_steps; i++) {
        const float error = u->out[i * ld] - target[i * n_agents];
        loss += 0.5 * (double)error * (double)error;
        u->d_out[i * ld] = error;
    }
    backward(u, p, 1);
    p->leaf[r->value_sums + SUM_VALUE_LOSS] += (float)loss;
    p->leaf[r->value_sums + SUM_VALUES] += (float)p->block->n_steps;
}

void aware_gradient_leaf(struct aware_update *u, void *leaf, int tile_i, const struct block *b,
                         int minibatch)
{
    const struct team_spec *spec = u->l->base.spec;
    const size_t n_rows = (size_t)b->n_env * (size_t)b->n_steps;
    reduce_clear(&u->l->record.shape, leaf);
    for (int agent = 0; agent < spec->n_agents; agent++) {
        for (int e = 0; e < b->n_env; e++) {
            const uint32_t gid = (uint32_t)(b->tile * TILE + e);
            const size_t row = (size_t)agent * n_rows + (size_t)(e * b->n_steps);
            const struct part p = {.block = b,
                                   .obs = u->obs[tile_i] + row * (size_t)spec->n_obs,
                                   .leaf = reduce_floats(leaf),
                                   .e = e,
                                   .agent = agent};
            if (u->minibatch_of[gid] == minibatch && aware_teaches(u, gid)) {
                actor_part(u, &p);
                critic_part(u, &p);
            }
        }
    }
}
