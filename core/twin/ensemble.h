/* The ensemble: what the twin answers where nothing was recorded. K networks of one shape (paper: 3
 * hidden layers of 128, ReLU), each with a mean and a scale for every target, and with a pool of
 * residuals from which noise is drawn.
 *
 *   (m, s) = net((input - mean) / std)
 *   target = base + out_mean + out_std (m + exp(s) z),    base = the state now, or 0 (`direct`);
 *                                                         of a residual twin the queues' answer
 *
 * z is a row of the member's residual pool (residual_pool.h): the noise.
 *
 * Members differ in their first weights and in the order of what they learned from (B.
 * Lakshminarayanan et al., "Simple and scalable predictive uncertainty estimation using deep
 * ensembles", 2017): how far their means lie apart measures how little is known about a state.
 */
#ifndef KARMA_TWIN_ENSEMBLE_H
#define KARMA_TWIN_ENSEMBLE_H

#include "core/nn/mlp.h"
#include "core/twin/features.h"
#include "core/twin/residual_pool.h"

enum { ENSEMBLE_MEMBERS_MAX = 32 };

struct member {
    float *params; /* (mlp.n_params) */
    struct residual_pool residuals;
    double error; /* validation: mean squared error in units of the targets' variance */
    int epochs;   /* of training until its best; 0: a warm start that none bettered */
};
struct ensemble {
    const struct features *features; /* borrowed */
    struct mlp mlp;                  /* n_in -> 2 n_target: means, then scales */
    bool residual;                   /* base = the state now; features->n_answer goes before */
    int n_members;
    float *in_mean, *in_inv;   /* (n_in) */
    float *out_mean, *out_std; /* (n_target) */
    struct member *members;    /* (n_members) */
};

struct ensemble_shape {
    const int *hidden;
    int n_hidden, n_members;
    bool residual;
};

/* Allocates everything but the residual pools, zeroed. ERR_CONFIG for a shape no network can have.
 */
enum err ensemble_init(struct ensemble *e, struct arena *arena, const struct features *features,
                       const struct ensemble_shape *shape) WARN_UNUSED;

/* Work for ensemble_predict() of n rows. */
size_t ensemble_work_floats(const struct ensemble *e, int n);

/* y (n, 2 n_target): means and log scales, in units of the network, of inputs (n, n_in). A row's
 * bits do not depend on the others. */
void ensemble_predict(const struct ensemble *e, int member, float *y, const float *in, int n,
                      float *work);

/* Inputs -> network units, and one target -> network units. */
void ensemble_normalise(const struct ensemble *e, float *out, const float *in);
void ensemble_residual(const struct ensemble *e, float *out, const float *target, const float *in);

/* One encoded prediction: target (n_target) from a row of y; z: row of a pool, NULL = the mean.
 */
void ensemble_answer(const struct ensemble *e, float *target, const float *y, const float *z,
                     const float *in);

/* Mean of the log scales of a row of y. */
float ensemble_level(const struct ensemble *e, const float *y);

/* How far the members' means lie apart at a state: the root mean square, over targets, of their
 * standard deviation. y (members, 2 n_target). */
double ensemble_spread(const struct ensemble *e, const float *y);

/* The log scale, within what exp() should see. */
static inline float ensemble_log_scale(float s)
{
    return s < -7.0F ? -7.0F : s > 4.0F ? 4.0F : s;
}

#endif
