/* Predictions of networks, and their residuals. See ensemble.h. */
#include "core/twin/ensemble.h"

#include "core/base/fmath.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

/* GEMM_FIXED: the product whose bits do not depend on the number of rows (gemm.h), so a trajectory
 * is the same whether it is predicted alone or with a tile. */
enum err ensemble_init(struct ensemble *e, struct arena *arena, const struct features *features,
                       const struct ensemble_shape *shape)
{
    struct mlp_shape net = {.n_layers = shape->n_hidden + 1, .act = ACT_RELU};
    *e = (struct ensemble){
        .features = features, .residual = shape->residual, .n_members = shape->n_members};
    if (shape->n_hidden >= MLP_LAYERS_MAX) {
        return ERR_CONFIG;
    }
    net.sizes[0] = features->n_in;
    for (int i = 0; i < shape->n_hidden; i++) {
        net.sizes[i + 1] = shape->hidden[i];
    }
    net.sizes[net.n_layers] = 2 * features->n_target;
    TRY(mlp_init(&e->mlp, &net, GEMM_FIXED, 0));
    e->in_mean = ARENA_NEW(arena, features->n_in, float);
    e->in_inv = ARENA_NEW(arena, features->n_in, float);
    e->out_mean = ARENA_NEW(arena, features->n_target, float);
    e->out_std = ARENA_NEW(arena, features->n_target, float);
    e->members = ARENA_NEW(arena, shape->n_members, struct member);
    TRY(arena_error(arena));
    for (int i = 0; i < shape->n_members; i++) {
        e->members[i].params = ARENA_NEW(arena, e->mlp.n_params, float);
    }
    return arena_error(arena);
}

/* ---- answers ---- */

size_t ensemble_work_floats(const struct ensemble *e, int n)
{
    return (size_t)n * (size_t)e->features->n_in + mlp_infer_work_floats(&e->mlp);
}

void ensemble_normalise(const struct ensemble *e, float *out, const float *in)
{
    for (int i = 0; i < e->features->n_in; i++) {
        out[i] = (in[i] - e->in_mean[i]) * e->in_inv[i];
    }
}

void ensemble_predict(const struct ensemble *e, int member, float *y, const float *in, int n,
                      float *work)
{
    const int n_in = e->features->n_in, n_out = 2 * e->features->n_target;
    for (int i = 0; i < n; i++) {
        ensemble_normalise(e, work + (ptrdiff_t)i * n_in, in + (ptrdiff_t)i * n_in);
    }
    mlp_infer(&e->mlp, y, n_out, e->members[member].params, work, n_in, n,
              work + (ptrdiff_t)n * n_in);
}

/* What a target is measured from: the newest state stands first in an input, an answer last. */
static float base_of(const struct ensemble *e, int i, const float *in)
{
    if (e->features->n_answer > 0) {
        return in[features_answer_at(e->features) + i];
    }
    return e->residual && i < e->features->n_learned ? in[e->features->learned_at[i]] : 0.0F;
}

/* The same of all targets. */
static void put_base(float *restrict out, const struct ensemble *e, const float *restrict in)
{
    if (e->features->n_answer > 0) {
        memcpy(out, in + features_answer_at(e->features),
               (size_t)e->features->n_target * sizeof *out);
        return;
    }
    const int n = e->residual ? e->features->n_learned : 0;
    for (int i = 0; i < n; i++) {
        out[i] = in[e->features->learned_at[i]];
    }
    memset(out + n, 0, (size_t)(e->features->n_target - n) * sizeof *out);
}

void ensemble_residual(const struct ensemble *e, float *out, const float *target, const float *in)
{
    for (int i = 0; i < e->features->n_target; i++) {
        out[i] = (target[i] - base_of(e, i, in) - e->out_mean[i]) / e->out_std[i];
    }
}

/* out[i] = exp(s[i]) z[i], s cut first. Two loops: in one, gcc would keep the cut as a jump and not
 * vectorise. */
static void scale_residual(float *restrict out, const float *restrict s, const float *restrict z,
                           int n)
{
    for (int i = 0; i < n; i++) {
        out[i] = ensemble_log_scale(s[i]);
    }
    for (int i = 0; i < n; i++) {
        out[i] = fm_expf(out[i]) * z[i];
    }
}

/* target[i] = base + mean + std (m + residual), target: base, and what comes out. */
static void put_together(float *restrict target, const float *restrict mean,
                         const float *restrict std, const float *restrict m,
                         const float *restrict residual, int n)
{
    for (int i = 0; i < n; i++) {
        target[i] = target[i] + mean[i] + std[i] * (m[i] + residual[i]);
    }
}

/* In pieces, so that the residuals stay in a small array on the stack. Elements are independent of
 * each other: the size of a piece does not change the bits. Without z the residuals stay 0. */
void ensemble_answer(const struct ensemble *e, float *target, const float *y, const float *z,
                     const float *in)
{
    enum { PIECE = 64 };
    const int n = e->features->n_target;
    float residual[PIECE] = {0.0F};
    put_base(target, e, in);
    for (int i = 0; i < n; i += PIECE) {
        const int some = n - i < PIECE ? n - i : PIECE;
        if (z != NULL) {
            scale_residual(residual, y + n + i, z + i, some);
        }
        put_together(target + i, e->out_mean + i, e->out_std + i, y + i, residual, some);
    }
}

/* Mean of the log scales as eight sums: lane k adds s[k], s[k + 8], ... in ascending order, then
 * lanes 0 .. 7 are added. A single chain could not be vectorised without reordering it, which the
 * compiler must not do; here the order is written down, so scalar and vector code give the same
 * bits. */
float ensemble_level(const struct ensemble *e, const float *y)
{
    enum { LANES = 8 };
    const int n = e->features->n_target;
    const float *s = y + n;
    float lane[LANES] = {0.0F}, sum = 0.0F;
    int i = 0;
    for (; i + LANES <= n; i += LANES) {
        for (int k = 0; k < LANES; k++) {
            lane[k] += ensemble_log_scale(s[i + k]);
        }
    }
    for (; i < n; i++) {
        lane[i % LANES] += ensemble_log_scale(s[i]);
    }
    for (int k = 0; k < LANES; k++) {
        sum += lane[k];
    }
    return sum / (float)n;
}

/* sqrt of the mean over targets of the members' variance (divided by the number of members). Only
 * the first half of each row of y, the means, counts. 0 for an ensemble of one. */
double ensemble_spread(const struct ensemble *e, const float *y)
{
    const int n = e->features->n_target, members = e->n_members;
    double sum = 0.0;
    for (int i = 0; i < n; i++) {
        double mean = 0.0, square = 0.0;
        for (int m = 0; m < members; m++) {
            mean += (double)y[(ptrdiff_t)m * 2 * n + i];
        }
        mean /= members;
        for (int m = 0; m < members; m++) {
            const double gap = (double)y[(ptrdiff_t)m * 2 * n + i] - mean;
            square += gap * gap;
        }
        sum += square / members;
    }
    return sqrt(sum / n);
}
