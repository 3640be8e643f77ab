/* Epochs over shuffled transitions; the best weights are stored. See learn.h. */
#include "core/twin/learn.h"

#include "core/base/fmath.h"
#include "core/base/log.h"
#include "core/base/rng.h"
#include "core/nn/adam.h"

#include <math.h>
#include <string.h>

enum { CHUNK = 64 }; /* rows predicted at a time when nothing is learned */
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
    const struct dataset *d;
    const struct fit_cfg *cfg;
    struct rng_key key;
    int member, rows;                               /* rows: room of the arrays below */
    float *params, *best, *grads, *adam_m, *adam_v; /* (n_params) */
    float *raw, *in;                                /* (rows, n_in) inputs, in network units */
    float *target;                                  /* (rows, n_target) in network units */
    float *y, *dy;                                  /* (rows, 2 n_target) */
    float *acts, *work;
    uint32_t *order; /* (training transitions) */
    uint64_t *order_work;
    uint64_t step;
};

static enum err fit_ctx_init(struct fit_ctx *l, struct arena *arena)
{
    const struct features *s = l->e->features;
    const struct mlp *mlp = &l->e->mlp;
    const size_t n = mlp->n_params, rows = (size_t)l->rows;
    const size_t n_train = (size_t)l->d->n_at[STORE_TRAIN];
    const size_t infer = ensemble_work_floats(l->e, l->rows), back = mlp_backward_work_floats(mlp);
    l->best = ARENA_NEW(arena, n, float);
    l->grads = ARENA_NEW(arena, n, float);
    l->adam_m = ARENA_NEW(arena, n, float);
    l->adam_v = ARENA_NEW(arena, n, float);
    l->raw = ARENA_NEW(arena, rows * (size_t)s->n_in, float);
    l->in = ARENA_NEW(arena, rows * (size_t)s->n_in, float);
    l->target = ARENA_NEW(arena, rows * (size_t)s->n_target, float);
    l->y = ARENA_NEW(arena, rows * 2 * (size_t)s->n_target, float);
    l->dy = ARENA_NEW(arena, rows * 2 * (size_t)s->n_target, float);
    l->acts = ARENA_NEW(arena, mlp_acts_floats(mlp, l->rows), float);
    l->work = ARENA_NEW(arena, infer > back ? infer : back, float);
    l->order = ARENA_NEW(arena, n_train, uint32_t);
    l->order_work = ARENA_NEW(arena, n_train, uint64_t);
    return arena_error(arena);
}

/* Row i of the arrays: the transition at `row`. */
static void load_row(struct fit_ctx *l, int i, int row)
{
    const struct features *s = l->e->features;
    float *raw = l->raw + (ptrdiff_t)i * s->n_in, *target = l->target + (ptrdiff_t)i * s->n_target;
    dataset_input(raw, l->d, row);
    dataset_target(target, l->d, row);
    ensemble_residual(l->e, target, target, raw);
    ensemble_normalise(l->e, l->in + (ptrdiff_t)i * s->n_in, raw);
}

/* ---- one gradient step ---- */

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
double learn_nll_grad(float *dy, const float *y, const float *target, int n, float inv_rows)
{
    const float weight = (float)SCALE_WEIGHT * inv_rows;
    double error = 0.0;
    for (int i = 0; i < n; i++) {
        const float s = ensemble_log_scale(y[n + i]);
        const float gap = y[i] - target[i], pull = 1.0F - fabsf(gap) * fm_expf(-s);
        if (isnan(target[i])) { /* not measured: nothing to learn */
            dy[i] = dy[n + i] = 0.0F;
            continue;
        }
        error += (double)gap * (double)gap;
        dy[i] = gap * inv_rows;
        dy[n + i] = weight * (pull < -10.0F ? -10.0F : pull);
    }
    return error;
}

/* The outputs n_target .. 2 n_target - 1 are the log scales. Their gradient reaches the weights and
 * biases of the last layer only (w[last] is (hidden, 2 n_target), so their columns begin at
 * n_target). It is noisy, and where a target is well known it is many times that of the mean; the
 * layers below would follow it and not learn the mean. The function then sets that half of dy to 0:
 * mlp_backward(), which adds to the gradients, adds nothing to those columns and passes only the
 * gradients of the means down. */
static void backward_scales(struct fit_ctx *l, int n)
{
    const struct mlp *mlp = &l->e->mlp;
    const int last = mlp->shape.n_layers - 1, n_target = l->e->features->n_target,
              ld = 2 * n_target;
    int ld_hidden;
    const float *hidden = mlp_last_hidden(mlp, l->acts, n, &ld_hidden);
    gemm_tn(mlp->gemm, l->grads + mlp->w[last] + n_target, ld, hidden, ld_hidden, l->dy + n_target,
            ld, n, mlp->shape.sizes[last], n_target);
    gemm_bias_grad(l->grads + mlp->b[last] + n_target, l->dy + n_target, ld, n, n_target);
    for (int i = 0; i < n; i++) {
        memset(l->dy + (ptrdiff_t)i * ld + n_target, 0, (size_t)n_target * sizeof *l->dy);
    }
}

/* One step of Adam on the n rows that are loaded; returns their squared error before the step. A
 * gradient that is not finite would destroy the parameters and both moments of Adam, so no step is
 * made; NaN is returned and run_epoch() ends the fit with ERR_NUMERIC. */
static double gradient_step(struct fit_ctx *l, int n, double lr)
{
    const struct mlp *mlp = &l->e->mlp;
    const int n_in = l->e->features->n_in, n_target = l->e->features->n_target;
    double error = 0.0;
    mlp_forward(mlp, l->y, 2 * n_target, l->acts, l->params, l->in, n_in, n);
    for (int i = 0; i < n; i++) {
        error +=
            learn_nll_grad(l->dy + (ptrdiff_t)i * 2 * n_target, l->y + (ptrdiff_t)i * 2 * n_target,
                           l->target + (ptrdiff_t)i * n_target, n_target, 1.0F / (float)n);
    }
    memset(l->grads, 0, mlp->n_params * sizeof *l->grads);
    backward_scales(l, n);
    mlp_backward(mlp, l->grads, NULL, 0, l->params, l->in, n_in, l->acts, l->dy, 2 * n_target, n,
                 l->work);
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
    const int n = l->d->n_at[STORE_TRAIN], batch = l->cfg->batch;
    const double steps = (double)l->cfg->epochs * ((n + batch - 1) / batch);
    double sum = 0.0;
    rng_permutation(l->order, l->order_work, (uint32_t)n, l->key, (uint32_t)epoch, 1,
                    (uint32_t)l->member);
    for (int from = 0; from < n; from += batch) {
        const int rows = n - from < batch ? n - from : batch;
        for (int i = 0; i < rows; i++) {
            load_row(l, i, l->d->at[STORE_TRAIN][l->order[from + i]]);
        }
        const double done = (double)l->step / steps;
        sum += gradient_step(l, rows, l->cfg->lr + (l->cfg->lr_end - l->cfg->lr) * done);
    }
    *error = sum / n / l->e->features->n_target;
    if (!isfinite(*error)) {
        log_error("fitting network %d: the error is no number after %d passes; lower fit.lr",
                  l->member, epoch + 1);
        return ERR_NUMERIC;
    }
    return ERR_OK;
}

/* ---- validation ---- */

/* Predictions of transitions (n <= rows) with the member's parameters as they stand. */
static void predict(struct fit_ctx *l, const int *rows, int n)
{
    for (int i = 0; i < n; i++) {
        load_row(l, i, rows[i]);
    }
    mlp_infer(&l->e->mlp, l->y, 2 * l->e->features->n_target, l->params, l->in,
              l->e->features->n_in, n, l->work);
}

/* Over the n rows that predict() has just computed; targets that were not measured are left out. */
static double squared_error(const struct fit_ctx *l, int n)
{
    const int n_target = l->e->features->n_target;
    double sum = 0.0;
    for (int i = 0; i < n; i++) {
        for (int k = 0; k < n_target; k++) {
            const double gap = (double)l->y[(ptrdiff_t)i * 2 * n_target + k] -
                               (double)l->target[(ptrdiff_t)i * n_target + k];
            sum += isnan(gap) ? 0.0 : gap * gap;
        }
    }
    return sum;
}

/* Mean over transitions and targets, CHUNK rows at a time: a row's prediction does not depend on
 * the others (ensemble.h) and the sum runs in the order of the rows. */
static double error_over(struct fit_ctx *l, const int *rows, int n)
{
    double sum = 0.0;
    for (int from = 0; from < n; from += CHUNK) {
        const int some = n - from < CHUNK ? n - from : CHUNK;
        predict(l, rows + from, some);
        sum += squared_error(l, some);
    }
    return sum / n / l->e->features->n_target;
}

enum err learn_error(double *error, const struct ensemble *e, int member, const struct dataset *d,
                     const int *rows, int n, struct arena *scratch)
{
    const struct arena_mark mark = arena_mark(scratch);
    struct fit_ctx l = {.e = e, .d = d, .member = member, .rows = CHUNK};
    l.params = e->members[member].params;
    TRY(fit_ctx_init(&l, scratch));
    *error = error_over(&l, rows, n);
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
    const int *valid = l->d->at[STORE_VALIDATION], n_valid = l->d->n_at[STORE_VALIDATION];
    memcpy(l->best, l->params, bytes);
    for (int epoch = 0; epoch < l->cfg->epochs && epoch - m->epochs < l->cfg->patience; epoch++) {
        double error;
        TRY(run_epoch(l, &error, epoch));
        const double valid_error = error_over(l, valid, n_valid);
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
                        .d = d,
                        .cfg = cfg,
                        .member = member,
                        .rows = cfg->batch > CHUNK ? cfg->batch : CHUNK,
                        .params = m->params,
                        .key = rng_key(cfg->seed, RNG_PARAM_INIT, RNG_TRAIN)};
    TRY(fit_ctx_init(&l, scratch));
    TRY(start(&l, warm, scratch));
    m->epochs = 0;
    m->error = warm ? error_over(&l, d->at[STORE_VALIDATION], d->n_at[STORE_VALIDATION]) : INFINITY;
    TRY(train(&l, m, watch));
    arena_rewind(scratch, mark);
    return ERR_OK;
}
