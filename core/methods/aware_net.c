/* Encoder, linear layer and head of a network of AWARE. See aware_net.h. */
#include "core/methods/aware_net.h"

#include "core/nn/activation.h"

#include <math.h>
#include <string.h>

/* ---- shapes and parameters ---- */

static enum err head_init(struct aware_net *net, const struct aware_cfg *cfg, int n_outputs)
{
    struct mlp_shape shape = {.n_layers = cfg->n_hidden + 1, .act = ACT_RELU};
    CHECK(cfg->n_hidden < MLP_LAYERS_MAX);
    shape.sizes[0] = net->n_obs + net->n_embedding;
    for (int i = 0; i < cfg->n_hidden; i++) {
        shape.sizes[i + 1] = cfg->hidden[i];
    }
    shape.sizes[cfg->n_hidden + 1] = n_outputs;
    return mlp_init(&net->head, &shape, GEMM_FIXED, 0);
}

enum err aware_net_init(struct aware_net *net, const struct aware_cfg *cfg, int n_obs,
                        int n_features, int n_outputs)
{
    const struct gru_shape encoder = {.n_in = n_features,
                                      .n_hidden = cfg->encoder_units,
                                      .n_layers = cfg->encoder_layers,
                                      .directions = 2};
    const struct mlp_shape linear = {
        .n_layers = 1, .sizes = {cfg->encoder_units, cfg->embedding}, .act = ACT_RELU};
    struct aware_net made = {.n_obs = n_obs, .n_embedding = cfg->embedding};
    TRY(gru_init(&made.encoder, &encoder, GEMM_FIXED));
    TRY(mlp_init(&made.linear, &linear, GEMM_FIXED, 0));
    TRY(head_init(&made, cfg, n_outputs));
    made.x_ld = (int)mlp_pad((size_t)(n_obs + cfg->embedding));
    made.out_ld = (int)mlp_pad((size_t)n_outputs);
    made.linear_at = made.encoder_at + made.encoder.n_params;
    made.head_at = made.linear_at + made.linear.n_params;
    made.n_params = made.head_at + made.head.n_params;
    *net = made;
    return ERR_OK;
}

enum err aware_net_init_params(const struct aware_net *net, float *params, double gain_output,
                               struct rng_key key, uint32_t first_net, struct arena *scratch)
{
    const double gain = sqrt(2.0);
    gru_init_params(&net->encoder, params + net->encoder_at, key, first_net);
    TRY(mlp_init_params(&net->linear, params + net->linear_at, gain, gain, key, first_net + 1,
                        scratch));
    return mlp_init_params(&net->head, params + net->head_at, gain, gain_output, key, first_net + 2,
                           scratch);
}

/* ---- episodes ---- */

enum err aware_sequences_init(struct aware_sequences *s, struct arena *arena,
                              const struct aware_best_shape *shape)
{
    const size_t n = (size_t)(shape->n_steps * shape->n_agents * shape->n_kept);
    *s = (struct aware_sequences){
        .shape = *shape,
        .x = ARENA_NEW(arena, n * (size_t)aware_best_features(shape), float),
        .n_there = ARENA_NEW(arena, shape->n_agents, int),
    };
    return arena_error(arena);
}

void aware_sequences_fill(struct aware_sequences *s, const float *best)
{
    const struct aware_best_shape *shape = &s->shape;
    const size_t n = (size_t)(shape->n_agents * shape->n_kept);
    const size_t n_features = (size_t)aware_best_features(shape);
    for (size_t i = 0; i < n; i++) {
        const float *steps = best + i * aware_best_episode(shape) + BEST_STEPS;
        for (size_t t = 0; t < (size_t)shape->n_steps; t++) {
            memcpy(s->x + (t * n + i) * n_features, steps + t * n_features,
                   n_features * sizeof(float));
        }
    }
    for (int agent = 0; agent < shape->n_agents; agent++) {
        s->n_there[agent] = aware_best_count(shape, best, agent);
    }
}

/* ---- embeddings ---- */

enum err aware_encoding_init(struct aware_encoding *e, struct arena *arena,
                             const struct aware_net *net, const struct aware_best_shape *shape)
{
    const int n = shape->n_agents * shape->n_kept;
    const size_t agents = (size_t)shape->n_agents, h = (size_t)net->encoder.shape.n_hidden;
    const size_t n_final = (size_t)(net->encoder.n_cells * n) * h;
    *e = (struct aware_encoding){
        .final = ARENA_NEW(arena, n_final, float),
        .d_final = ARENA_NEW(arena, n_final, float),
        .acts = ARENA_NEW(arena, gru_acts_floats(&net->encoder, shape->n_steps, n), float),
        .work = ARENA_NEW(arena, gru_work_floats(&net->encoder, shape->n_steps, n), float),
        .mean = ARENA_NEW(arena, agents * h, float),
        .d_mean = ARENA_NEW(arena, agents * h, float),
        .linear_work = ARENA_NEW(arena, mlp_backward_work_floats(&net->linear) + 1, float),
        .d_embedding = ARENA_NEW(arena, agents * (size_t)net->n_embedding, float),
    };
    return arena_error(arena);
}

/* 1 / (episodes of an agent x final states); 0 without an episode, which makes the mean 0. */
static float share_of(const struct aware_net *net, const struct aware_sequences *s, int agent)
{
    const int n = s->n_there[agent] * net->encoder.n_cells;
    return n > 0 ? 1.0f / (float)n : 0.0f;
}

/* Where the final state of an agent's k-th episode in a cell begins: (cells, A K, H). */
static size_t final_at(const struct aware_net *net, const struct aware_best_shape *shape, int cell,
                       int agent, int k)
{
    const int n = shape->n_agents * shape->n_kept;
    return (size_t)(cell * n + agent * shape->n_kept + k) * (size_t)net->encoder.shape.n_hidden;
}

/* mean_a = share_a sum over cells and episodes of the final state. It is linear, so in the backward
 * pass every state of agent a gets share_a d mean_a, and one that is not there gets 0. */
static void mean_of_states(const struct aware_net *net, float *mean, const float *final,
                           const struct aware_sequences *s)
{
    const int h = net->encoder.shape.n_hidden;
    memset(mean, 0, (size_t)(s->shape.n_agents * h) * sizeof *mean);
    for (int agent = 0; agent < s->shape.n_agents; agent++) {
        float *m = mean + (size_t)(agent * h);
        for (int cell = 0; cell < net->encoder.n_cells; cell++) {
            for (int k = 0; k < s->n_there[agent]; k++) {
                const float *state = final + final_at(net, &s->shape, cell, agent, k);
                for (int i = 0; i < h; i++) {
                    m[i] += state[i];
                }
            }
        }
        const float share = share_of(net, s, agent);
        for (int i = 0; i < h; i++) {
            m[i] *= share;
        }
    }
}

void aware_net_embed(const struct aware_net *net, struct aware_encoding *e, float *embedding,
                     const float *params, const struct aware_sequences *s)
{
    const struct aware_best_shape *shape = &s->shape;
    const int h = net->encoder.shape.n_hidden;
    gru_forward(&net->encoder, e->final, e->acts, params + net->encoder_at, s->x, shape->n_steps,
                shape->n_agents * shape->n_kept);
    mean_of_states(net, e->mean, e->final, s);
    mlp_infer(&net->linear, embedding, net->n_embedding, params + net->linear_at, e->mean, h,
              shape->n_agents, e->linear_work);
    act_forward(ACT_RELU, embedding, embedding, (size_t)(shape->n_agents * net->n_embedding));
}

/* Backwards through ReLU, linear layer, mean and encoder, in this order. ReLU passes what its
 * output let through: the embedding itself says where it was positive. */
void aware_net_embed_backward(const struct aware_net *net, struct aware_encoding *e, float *grads,
                              const float *embedding, const float *d_embedding, const float *params,
                              const struct aware_sequences *s)
{
    const struct aware_best_shape *shape = &s->shape;
    const int h = net->encoder.shape.n_hidden, n = shape->n_agents * shape->n_kept;
    act_backward(ACT_RELU, e->d_embedding, d_embedding, embedding,
                 (size_t)(shape->n_agents * net->n_embedding));
    mlp_backward(&net->linear, grads + net->linear_at, e->d_mean, h, params + net->linear_at,
                 e->mean, h, NULL, e->d_embedding, net->n_embedding, shape->n_agents,
                 e->linear_work);
    memset(e->d_final, 0, (size_t)(net->encoder.n_cells * n * h) * sizeof(float));
    for (int agent = 0; agent < shape->n_agents; agent++) {
        const float share = share_of(net, s, agent), *d = e->d_mean + (size_t)(agent * h);
        for (int cell = 0; cell < net->encoder.n_cells; cell++) {
            for (int k = 0; k < s->n_there[agent]; k++) {
                float *out = e->d_final + final_at(net, shape, cell, agent, k);
                for (int i = 0; i < h; i++) {
                    out[i] = share * d[i];
                }
            }
        }
    }
    gru_backward(&net->encoder, grads + net->encoder_at, NULL, params + net->encoder_at, s->x,
                 e->acts, e->d_final, shape->n_steps, n, e->work);
}

/* ---- the head's inputs ---- */

void aware_net_inputs(const struct aware_net *net, float *x, const float *obs,
                      const float *embedding, int n)
{
    const size_t n_obs = (size_t)net->n_obs, n_embedding = (size_t)net->n_embedding;
    for (size_t i = 0; i < (size_t)n; i++) {
        float *row = x + i * (size_t)net->x_ld;
        memcpy(row, obs + i * n_obs, n_obs * sizeof *row);
        memcpy(row + n_obs, embedding, n_embedding * sizeof *row);
    }
}
