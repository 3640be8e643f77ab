/* One network of AWARE: what an agent observes, and beside it an embedding of its workload.
 *
 *   encoder  GRU, both directions, over the best episodes of a service: final states of all layers
 *            and directions
 *   linear   the mean of these over states and episodes (H) -> E, then ReLU: the embedding
 *   head     [ observation (D) | embedding (E) ] -> hidden layers (ReLU) -> outputs
 *
 * All agents share the parameters, which are one flat block: encoder, linear, head. Actor and
 * critic are two networks of this kind. An embedding changes only with the parameters and the
 * episodes, so it is computed once for all decisions of a rollout (aware_net_embed()).
 */
#ifndef KARMA_METHODS_AWARE_NET_H
#define KARMA_METHODS_AWARE_NET_H

#include "core/methods/aware_best.h"
#include "core/methods/aware_cfg.h"
#include "core/nn/gru.h"
#include "core/nn/mlp.h"

struct aware_net {
    struct gru encoder;
    struct mlp linear, head;
    int n_obs, n_embedding;                          /* D, E */
    int x_ld, out_ld;                                /* floats from row to row of the head */
    size_t encoder_at, linear_at, head_at, n_params; /* offsets in the block */
};

/* n_features: of a step of an episode. ERR_CONFIG (logged) if a size is not possible. */
enum err aware_net_init(struct aware_net *net, const struct aware_cfg *cfg, int n_obs,
                        int n_features, int n_outputs) WARN_UNUSED;

/* Random parameters; draws by `key` with networks first_net .. first_net + 2. scratch is rewound.
 * */
enum err aware_net_init_params(const struct aware_net *net, float *params, double gain_output,
                               struct rng_key key, uint32_t first_net,
                               struct arena *scratch) WARN_UNUSED;

/* The best episodes as the encoder reads them: step by step. */
struct aware_sequences {
    struct aware_best_shape shape;
    float *x;     /* (L, A K, F) */
    int *n_there; /* (A) episodes of each agent */
};
enum err aware_sequences_init(struct aware_sequences *s, struct arena *arena,
                              const struct aware_best_shape *shape) WARN_UNUSED;
void aware_sequences_fill(struct aware_sequences *s, const float *best);

/* Scratch for embeddings of the larger of two networks. */
struct aware_encoding {
    float *final, *d_final; /* (cells, A K, H) */
    float *acts, *work;     /* of the encoder */
    float *mean, *d_mean;   /* (A, H) */
    float *linear_work;
    float *d_embedding; /* (A, E) */
};
enum err aware_encoding_init(struct aware_encoding *e, struct arena *arena,
                             const struct aware_net *net,
                             const struct aware_best_shape *shape) WARN_UNUSED;

/* embedding (A, E). What it leaves in `e` is what aware_net_embed_backward() needs. */
void aware_net_embed(const struct aware_net *net, struct aware_encoding *e, float *embedding,
                     const float *params, const struct aware_sequences *s);

/* grads (n_params) += d loss / d parameters of encoder and linear layer, given d_embedding (A, E)
 * and the embedding that aware_net_embed() has just computed of the same arguments. */
void aware_net_embed_backward(const struct aware_net *net, struct aware_encoding *e, float *grads,
                              const float *embedding, const float *d_embedding, const float *params,
                              const struct aware_sequences *s);

/* x (n, x_ld) of the head from obs (n, D), all with one embedding (E). */
void aware_net_inputs(const struct aware_net *net, float *x, const float *obs,
                      const float *embedding, int n);

#endif
