/* Epochs over shuffled transitions; the best weights are stored. See learn.h. */
#include "core/twin/learn.h"

#include "core/base/fmath.h"
#include "core/base/log.h"
#include "core/base/rng.h"
#include "core/nn/adam.h"
#include "core/twin/fit_rows.h"

#include <math.h>
#include <string.h>

enum { CHUNK = 64 }; /* rows predicted at a time in the validation */
static const double SCALE_WEIGHT = 0.25;
static const double GRAD_NORM = 20.0; /* longer gradients are cut: one outlier must not decide */

static const struct cfg_choice predict_choices[] = {
    {"direct", PREDICT_DIRECT, "the next state, as in the paper: drift is corrected"},
    {"residual", PREDICT_RESIDUAL, "its change: better for one step, worse for many"},
    {NULL, 0, NULL},
};

const struct cfg_field fit_fields[] = {
    CFG_UINT64(struct fit_cfg, seed, "1", CFG_RESULT,
               "of the first weights, the order of transitions"),
    CFG_INT(struct fit_cfg, members, "5", 1, ENSEMBLE_MEMBERS_MAX, "", CFG_RESULT,
            "networks of the ensemble"),
    CFG_INT(struct fit_cfg, history, "2", 1, FEATURES_HISTORY_MAX, "states", CFG_RESULT,
            "states a network sees, the present one included"),
    CFG_LIST_INT(struct fit_cfg, hidden, n_hidden, "[128, 128, 128]", 1, 7, 1, 4096, "units",
                 CFG_RESULT, "hidden layers of a network, ReLU"),
    CFG_ENUM(struct fit_cfg, predict, "direct", predict_choices, CFG_RESULT,
             "what a network predicts of the state"),
    CFG_INT(struct fit_cfg, epochs, "40", 1, 10000, "", CFG_RESULT,
            "passes over the training episodes, at most"),
    CFG_INT(struct fit_cfg, patience, "10", 1, 10000, "", CFG_RESULT,
            "passes without a better validation error after which training ends"),
    CFG_INT(struct fit_cfg, batch, "64", 1, 65536, "transitions", CFG_RESULT,
            "transitions of a gradient step"),
    CFG_DOUBLE(struct fit_cfg, lr, "1e-3", 1e-7, 1, "", CFG_RESULT, "step size of Adam, at first"),
    CFG_DOUBLE(struct fit_cfg, lr_end, "5e-5", 0, 1, "", CFG_RESULT,
               "step size after the last pass"),
    CFG_INT(struct fit_cfg, noise_rows, "4096", RESIDUAL_POOL_MIN, 1000000, "", CFG_RESULT,
            "most residuals that a network keeps to draw noise from"),
    CFG_END,
};

/* ---- scalers ---- */

/* Sums over the rows of the training part in ascending order, in double, of what is known: a target
 * that was not measured is NaN and is left out (inputs have no gaps), and rows[i] counts the values
 * of column i. The order is fixed, so the scalers have the same bits on every rank. */
struct moments {
    double *sum, *sum2, *rows; /* (n) */
    int n;
};

static enum err moments_init(struct moments *m, struct arena *arena, int n)
{
    *m = (struct moments){.sum = ARENA_NEW(arena, n, double),
                          .sum2 = ARENA_NEW(arena, n, double),
                          .rows = ARENA_NEW(arena, n, double),
                          .n = n};
    return arena_error(arena);
}

static void add_row(struct moments *m, const float *x)
{
    for (int i = 0; i < m->n; i++) {
        if (!isnan(x[i])) {
            m->sum[i] += (double)x[i];
            m->sum2[i] += (double)x[i] * (double)x[i];
            m->rows[i] += 1.0;
        }
    }
}

/* 0 for a target that was never measured. */
static double mean_of(const struct moments *m, int i)
{
    return m->rows[i] > 0.0 ? m->sum[i] / m->rows[i] : 0.0;
}

/* sqrt(E[x^2] - E[x]^2); 1 for a constant, so that a division by it changes nothing. */
static double deviation_of(const struct moments *m, int i)
{
    const double mean = mean_of(m, i), rows = m->rows[i] > 0.0 ? m->rows[i] : 1.0;
    const double var = m->sum2[i] / rows - mean * mean;
    /* Rounding leaves about 1e-16 of the square of a constant. */
    return var > 1e-12 * (1.0 + mean * mean) ? sqrt(var) : 1.0;
}

/* Minimum and maximum over what followed the training transitions: the next states and the KPIs of
 * the periods. These are the ranges of the predictions, so states from which no transition follows
 * do not count. A NaN fails both comparisons and leaves the limits as they are. `least` and `most`
 * become the limits themselves; residual_pool_fill() moves them inwards later. */
void learn_limits(struct features *s, const struct dataset *d)
{
    for (int i = 0; i < s->n_state + s->n_kpis; i++) {
        struct features_column *c = &s->columns[i];
        c->lo = INFINITY, c->hi = -INFINITY;
        for (int k = 0; k < d->n_at[STORE_TRAIN]; k++) {
            const size_t row = (size_t)d->at[STORE_TRAIN][k];
            if (i < s->n_state && !dataset_value_known(d, (int)row + 1, i)) {
                continue;
            }
            const float x = i < s->n_state
                                ? features_value(s, i, d->state + (row + 1) * (size_t)s->n_state)
                                : d->kpi[row * (size_t)s->n_kpis + (size_t)(i - s->n_state)];
            c->lo = x < c->lo ? x : c->lo;
            c->hi = x > c->hi ? x : c->hi;
        }
        if (c->lo > c->hi) { /* never measured */
            c->lo = c->hi = 0.0F;
        }
        c->least = c->lo, c->most = c->hi;
    }
}

/* The targets are standardised in the form in which the networks predict them: base subtracted
 * first, where there is one. ensemble_residual() computes (target - base - mean) / std; with mean 0
 * and std 1 it returns target - base, whose moments are summed here. */
enum err learn_scalers(struct ensemble *e, struct features *s, const struct dataset *d,
                       struct arena *scratch)
{
    const struct arena_mark mark = arena_mark(scratch);
    struct moments in, out;
    TRY(moments_init(&in, scratch, s->n_in));
    TRY(moments_init(&out, scratch, s->n_target));
    float *x = ARENA_NEW(scratch, s->n_in, float), *t = ARENA_NEW(scratch, s->n_target, float);
    TRY(arena_error(scratch));
    for (int i = 0; i < s->n_target; i++) {
        e->out_mean[i] = 0.0F, e->out_std[i] = 1.0F; /* for ensemble_residual() below */
    }
    for (int k = 0; k < d->n_at[STORE_TRAIN]; k++) {
        dataset_input(x, d, d->at[STORE_TRAIN][k]);
        dataset_target(t, d, d->at[STORE_TRAIN][k]);
        add_row(&in, x);
        ensemble_residual(e, t, t, x);
        add_row(&out, t);
    }
    for (int i = 0; i < s->n_in; i++) {
        e->in_mean[i] = (float)mean_of(&in, i);
        e->in_inv[i] = (float)(1.0 / deviation_of(&in, i));
    }
    for (int i = 0; i < s->n_target; i++) {
        e->out_mean[i] = (float)mean_of(&out, i);
        e->out_std[i] = (float)deviation_of(&out, i);
    }
    learn_limits(s, d);
    arena_rewind(scratch, mark);
    return ERR_OK;
}

/* ---- the context of a fit ---- */

/* The arrays of one fit. They are allocated once; no gradient step allocates. `acts` is filled by
 * the forward pass and read by the backward pass; `work` serves the backward pass and the
 * validation, which never run at the same time, so it has the larger size of the two. */
struct fit_ctx {
    const struct ensemble *e;
    const struct fit_cfg *cfg;
    struct rng_key key;
    int member;
    struct fit_rows train, valid;                   /* the transitions of both parts */
    struct fit_rows batch;                          /* those of a gradient step */
    float *params, *best, *grads, *adam_m, *adam_v; /* (n_params) */
    float *y, *dy;                                  /* (batch, 2 n_target) */
    float *acts, *work;
    float *below;    /* (batch, hidden) gradient of the last hidden layer */
    uint32_t *order; /* (training transitions) */
    uint64_t *order_work;
    uint64_t step;
};

static enum err prepare(struct fit_rows *r, struct arena *arena, const struct ensemble *e,
                        const struct dataset *d, enum store_part part)
{
    TRY(fit_rows_init(r, arena, e, d->n_at[part]));
    fit_rows_fill(r, e, d, d->at[part], d->n_at[part]);
    return ERR_OK;
}

static enum err fit_ctx_init(struct fit_ctx *l, struct arena *arena, const struct dataset *d)
{
    const struct mlp *mlp = &l->e->mlp;
    const int batch = l->cfg->batch, rows = batch > CHUNK ? batch : CHUNK;
    const size_t n = mlp->n_params, n_out = 2 * (size_t)l->e->features->n_target;
    const size_t n_train = (size_t)d->n_at[STORE_TRAIN];
    const size_t hidden = mlp_pad((size_t)mlp->shape.sizes[mlp->shape.n_layers - 1]);
    const size_t infer = mlp_infer_work_floats(mlp), back = mlp_backward_work_floats(mlp);
    TRY(prepare(&l->train, arena, l->e, d, STORE_TRAIN));
    TRY(prepare(&l->valid, arena, l->e, d, STORE_VALIDATION));
    TRY(fit_rows_init(&l->batch, arena, l->e, batch));
    l->best = ARENA_NEW(arena, n, float);
    l->grads = ARENA_NEW(arena, n, float);
    l->adam_m = ARENA_NEW(arena, n, float);
    l->adam_v = ARENA_NEW(arena, n, float);
    l->y = ARENA_NEW(arena, (size_t)rows * n_out, float);
    l->dy = ARENA_NEW(arena, (size_t)batch * n_out, float);
    l->acts = ARENA_NEW(arena, mlp_acts_floats(mlp, batch), float);
    l->work = ARENA_NEW(arena, infer > back ? infer : back, float);
    l->below = ARENA_NEW(arena, (size_t)batch * hidden, float);
    l->order = ARENA_NEW(arena, n_train, uint32_t);
    l->order_work = ARENA_NEW(arena, n_train, uint64_t);
    return arena_error(arena);
}

/* ---- one gradient step ---- */

/* x, or 0 where the target was not measured: nothing to learn there. By a mask, as below: gcc
 * leaves choices between floats as jumps and does not vectorise their loop. */
static inline float known(float target, float x)
{
    return fm_from_bits_f32_(fm_pick_(target == target, fm_bits_f32_(x), 0));
}

/* x, or -10 if it is below; a NaN stays. */
static inline float cut(float x)
{
    const float least = -10.0F;
    return fm_from_bits_f32_(fm_pick_(x < least, fm_bits_f32_(least), fm_bits_f32_(x)));
}

/* out[i] = exp(-s[i]), s cut first. Two loops: in one, gcc would keep the cut as a jump and not
 * vectorise. */
static void inverse_scales(float *restrict out, const float *restrict s, int n)
{
    for (int i = 0; i < n; i++) {
        out[i] = -ensemble_log_scale(s[i]);
    }
    for (int i = 0; i < n; i++) {
        out[i] = fm_expf(out[i]);
    }
}

/* In four chains that do not wait for each other. */
static double sum_of_squares(const float *x, int n)
{
    enum { CHAINS = 4 };
    double sum[CHAINS] = {0.0};
    for (int i = 0; i < n; i++) {
        sum[i % CHAINS] += (double)x[i] * (double)x[i];
    }
    return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

/* The gradient of the loss of learn.h. With d = m - t, and |d| in the second term taken as a
 * constant:
 *
 *     d/dm  (d^2 / 2)                                =  d
 *     d/ds  SCALE_WEIGHT (s + |d| exp(-s))           =  SCALE_WEIGHT (1 - |d| exp(-s))
 *
 * The second is 0 where exp(s) is the mean of |d|, the maximum-likelihood scale of a Laplace
 * distribution. `pull` is that bracket. It is unbounded below: an error of 1000 scales would give
 * -999, so it is cut at -10. Where s was cut (ensemble_log_scale()) the gradient at the cut is used
 * and not 0, so a scale that is too small for its errors comes back. */
double learn_nll_grad(float *restrict dy, const float *restrict y, const float *restrict target,
                      int n, float inv_rows)
{
    const float weight = (float)SCALE_WEIGHT * inv_rows;
    inverse_scales(dy + n, y + n, n);
    for (int i = 0; i < n; i++) {
        const float gap = y[i] - target[i], pull = 1.0F - fabsf(gap) * dy[n + i];
        dy[i] = known(target[i], gap);
        dy[n + i] = known(target[i], weight * cut(pull));
    }
    const double error = sum_of_squares(dy, n);
    for (int i = 0; i < n; i++) {
        dy[i] *= inv_rows;
    }
    return error;
}

/* grads += the gradient of the loss, given dy. The outputs n_target .. 2 n_target - 1 are the log
 * scales. Their gradient reaches the weights and biases of the last layer only. It is noisy, and
 * where a target is well known it is many times that of the mean; the layers below would follow it
 * and not learn the mean. So the last layer (w[last] is (hidden, 2 n_target)) learns from all
 * columns of dy, and the gradient of its inputs comes from the first n_target columns. The layers
 * below are a network of their own: `body`, whose last layer has no activation, like that of every
 * network, so the derivative of the activation is applied here. */
static void backward(struct fit_ctx *l, int n)
{
    const struct mlp *mlp = &l->e->mlp;
    const int last = mlp->shape.n_layers - 1, n_target = l->e->features->n_target;
    const int width = mlp->shape.sizes[last], ld = 2 * n_target;
    int ld_hidden;
    const float *hidden = mlp_last_hidden(mlp, l->acts, n, &ld_hidden);
    struct mlp body = *mlp;
    body.shape.n_layers = last;
    gemm_tn(mlp->gemm, l->grads + mlp->w[last], ld, hidden, ld_hidden, l->dy, ld, n, width, ld);
    gemm_bias_grad(l->grads + mlp->b[last], l->dy, ld, n, ld);
    gemm_nt(mlp->gemm, l->below, ld_hidden, l->dy, ld, l->params + mlp->w[last], ld, false, n,
            width, n_target);
    for (ptrdiff_t i = 0; i < n; i++) {
        float *below = l->below + i * ld_hidden;
        act_backward(mlp->shape.act, below, below, hidden + i * ld_hidden, (size_t)width);
    }
    mlp_backward(&body, l->grads, NULL, 0, l->params, l->batch.rows, l->batch.ld, l->acts, l->below,
                 ld_hidden, n, l->work);
}

/* One step of Adam on the n rows of the batch; returns their squared error before the step. A
 * gradient that is not finite would destroy the parameters and both moments of Adam, so no step is
 * made; NaN is returned and run_epoch() ends the fit with ERR_NUMERIC. */
static double gradient_step(struct fit_ctx *l, int n, double lr)
{
    const struct mlp *mlp = &l->e->mlp;
    const int n_target = l->e->features->n_target;
    double error = 0.0;
    mlp_forward(mlp, l->y, 2 * n_target, l->acts, l->params, l->batch.rows, l->batch.ld, n);
    for (int i = 0; i < n; i++) {
        error +=
            learn_nll_grad(l->dy + (ptrdiff_t)i * 2 * n_target, l->y + (ptrdiff_t)i * 2 * n_target,
                           fit_rows_target(&l->batch, i), n_target, 1.0F / (float)n);
    }
    memset(l->grads, 0, mlp->n_params * sizeof *l->grads);
    backward(l, n);
    if (isfinite(grad_clip(l->grads, mlp->n_params, GRAD_NORM))) {
        const struct adam_config adam = {.lr = lr, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8};
        adam_step(l->params, l->adam_m, l->adam_v, l->grads, mlp->n_params, &adam, ++l->step);
        return error;
    }
    return NAN;
}

/* One epoch: a pass over the training transitions in a drawn order. *error is their mean squared
 * error, each row's before the step that used it. Unknown targets count as 0 in the sum and as one
 * in the divisor, in training and in validation alike: epochs of one fit are comparable.
 *
 * The order is a function of (seed, epoch, member). Its draws have 1 as the third word of their
 * counter and those of the first weights (mlp_init_params()) 0, so no random number is used twice.
 * The step size falls linearly over all planned steps; an early end does not speed it up. */
static enum err run_epoch(struct fit_ctx *l, double *error, int epoch)
{
    const int n = l->train.n, batch = l->cfg->batch;
    const double steps = (double)l->cfg->epochs * ((n + batch - 1) / batch);
    double sum = 0.0;
    rng_permutation(l->order, l->order_work, (uint32_t)n, l->key, (uint32_t)epoch, 1,
                    (uint32_t)l->member);
    for (int from = 0; from < n; from += batch) {
        const int rows = n - from < batch ? n - from : batch;
        fit_rows_gather(&l->batch, &l->train, l->order + from, rows);
        const double done = (double)l->step / steps;
        sum += gradient_step(l, rows, l->cfg->lr + (l->cfg->lr_end - l->cfg->lr) * done);
    }
    *error = sum / n / l->train.n_target;
    if (!isfinite(*error)) {
        log_error("fitting network %d: the error is no number after %d passes; lower fit.lr",
                  l->member, epoch + 1);
        return ERR_NUMERIC;
    }
    return ERR_OK;
}

/* ---- validation ---- */

/* Over the rows from .. from + n - 1, with their predictions y (n, 2 n_target); targets that were
 * not measured are left out. */
static double squared_error(const struct fit_rows *r, int from, int n, const float *y)
{
    double sum = 0.0;
    for (int i = 0; i < n; i++, y += 2 * r->n_target) {
        const float *target = fit_rows_target(r, from + i);
        for (int k = 0; k < r->n_target; k++) {
            const double gap = (double)y[k] - (double)target[k];
            sum += isnan(gap) ? 0.0 : gap * gap;
        }
    }
    return sum;
}

/* Mean over transitions and targets, CHUNK rows at a time: a row's prediction does not depend on
 * the others (ensemble.h) and the sum runs in the order of the rows. y: (CHUNK, 2 n_target). */
static double error_over(const struct mlp *mlp, const float *params, const struct fit_rows *r,
                         float *y, float *work)
{
    double sum = 0.0;
    for (int from = 0; from < r->n; from += CHUNK) {
        const int some = r->n - from < CHUNK ? r->n - from : CHUNK;
        mlp_infer(mlp, y, 2 * r->n_target, params, fit_rows_input(r, from), r->ld, some, work);
        sum += squared_error(r, from, some, y);
    }
    return sum / r->n / r->n_target;
}

static double validation_error(struct fit_ctx *l)
{
    return error_over(&l->e->mlp, l->params, &l->valid, l->y, l->work);
}

enum err learn_error(double *error, const struct ensemble *e, int member, const struct dataset *d,
                     const int *rows, int n, struct arena *scratch)
{
    const struct arena_mark mark = arena_mark(scratch);
    struct fit_rows r;
    TRY(fit_rows_init(&r, scratch, e, n));
    float *y = ARENA_NEW(scratch, (size_t)CHUNK * 2 * (size_t)r.n_target, float);
    float *work = ARENA_NEW(scratch, mlp_infer_work_floats(&e->mlp), float);
    TRY(arena_error(scratch));
    fit_rows_fill(&r, e, d, rows, n);
    *error = error_over(&e->mlp, e->members[member].params, &r, y, work);
    arena_rewind(scratch, mark);
    return ERR_OK;
}

/* ---- a member ---- */

/* First weights, unless they are there already. The output layer is small (gain 0.1): the first
 * predictions are near 0, the mean of the standardised targets. */
static enum err start(struct fit_ctx *l, bool warm, struct arena *scratch)
{
    if (warm) {
        return ERR_OK;
    }
    const double hidden_gain = sqrt(2.0), output_gain = 0.1;
    return mlp_init_params(&l->e->mlp, l->params, hidden_gain, output_gain, l->key,
                           (uint32_t)l->member, scratch);
}

/* m->error and m->epochs describe the parameters in `best`, at first those that training starts
 * from (with an error of INFINITY, unless it is a warm start). An epoch replaces them only if its
 * validation error is smaller, so m->error never rises and `epoch - m->epochs` counts the epochs
 * since the last improvement; the loop ends when these reach `patience`, at the latest after
 * cfg->epochs. A NaN is never smaller: if every epoch gives one, m->error stays INFINITY and the
 * fit fails. */
static enum err train(struct fit_ctx *l, struct member *m, const struct learn_watch *watch)
{
    const size_t bytes = l->e->mlp.n_params * sizeof *l->params;
    memcpy(l->best, l->params, bytes);
    for (int epoch = 0; epoch < l->cfg->epochs && epoch - m->epochs < l->cfg->patience; epoch++) {
        double error;
        TRY(run_epoch(l, &error, epoch));
        const double valid_error = validation_error(l);
        if (valid_error < m->error) {
            m->error = valid_error;
            m->epochs = epoch + 1;
            memcpy(l->best, l->params, bytes);
        }
        if (watch != NULL) {
            watch->epoch(watch->ctx, epoch, error, valid_error);
        }
    }
    if (!isfinite(m->error)) {
        log_error("fitting network %d: the error on validation episodes is no number; lower fit.lr",
                  l->member);
        return ERR_NUMERIC;
    }
    memcpy(l->params, l->best, bytes);
    return ERR_OK;
}

enum err learn_member(struct ensemble *e, int member, const struct dataset *d,
                      const struct fit_cfg *cfg, bool warm, const struct learn_watch *watch,
                      struct arena *scratch)
{
    const struct arena_mark mark = arena_mark(scratch);
    struct member *m = &e->members[member];
    struct fit_ctx l = {.e = e,
                        .cfg = cfg,
                        .member = member,
                        .params = m->params,
                        .key = rng_key(cfg->seed, RNG_PARAM_INIT, RNG_TRAIN)};
    TRY(fit_ctx_init(&l, scratch, d));
    TRY(start(&l, warm, scratch));
    m->epochs = 0;
    m->error = warm ? validation_error(&l) : INFINITY;
    TRY(train(&l, m, watch));
    arena_rewind(scratch, mark);
    return ERR_OK;
}
