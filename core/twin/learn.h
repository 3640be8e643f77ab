/* Learning: the networks of an ensemble from the transitions of a store.
 *
 * Each member minimises, over the training episodes,
 *
 *     (m - t)^2 / 2  +  SCALE_WEIGHT (s + |m - t| exp(-s)),   summed over targets
 *
 * the paper's squared error for the mean, and the likelihood of a Laplace distribution for the
 * scale, in which the distance |m - t| is taken as given: the scale learns from the mean's errors,
 * in the last layer alone, and does not bend it. Adam; the step falls linearly from lr to lr_end.
 * After each epoch the error on whole validation episodes decides: the best weights are stored, and
 * training ends when `patience` epochs brought none better. Rows are never shuffled between parts;
 * within training their order is a permutation drawn for each epoch.
 *
 * learn_member() is a pure function of (dataset, scalers, cfg, member), so members can be computed
 * anywhere.
 */
#ifndef KARMA_TWIN_LEARN_H
#define KARMA_TWIN_LEARN_H

#include "core/base/config.h"
#include "core/twin/dataset.h"
#include "core/twin/ensemble.h"

enum predict_kind { PREDICT_DIRECT, PREDICT_RESIDUAL };

struct fit_cfg {
    uint64_t seed;
    int members, history;
    int *hidden, n_hidden;
    int predict; /* enum predict_kind */
    int epochs, patience, batch;
    double lr, lr_end;
    int noise_rows; /* most residuals a member keeps */
};
extern const struct cfg_field fit_fields[];

/* Means, deviations and limits of the columns, over the training part: into the ensemble and its
 * features. A column that never changes has deviation 1. scratch is rewound. */
enum err learn_scalers(struct ensemble *e, struct features *s, const struct dataset *d,
                       struct arena *scratch) WARN_UNUSED;

/* Limits of the columns alone. */
void learn_limits(struct features *s, const struct dataset *d);

/* Gradient of one row's loss (above) times inv_rows: dy (2 n) with respect to y (2 n), means and
 * log scales; target (n). The gradient of a scale is cut at -10 SCALE_WEIGHT. Returns the squared
 * error, summed over targets. */
double learn_nll_grad(float *dy, const float *y, const float *target, int n, float inv_rows);

/* Called after each epoch; may be NULL. */
struct learn_watch {
    void *ctx;
    void (*epoch)(void *ctx, int epoch, double train_error, double validation_error);
};

/* Parameters and error of a member; residual_pool_fill() fills its pool. warm: start from the
 * parameters that are there, and keep them if no epoch is better on the validation episodes (epochs
 * = 0). ERR_NUMERIC if the error stops being a number. scratch is rewound. */
enum err learn_member(struct ensemble *e, int member, const struct dataset *d,
                      const struct fit_cfg *cfg, bool warm, const struct learn_watch *watch,
                      struct arena *scratch) WARN_UNUSED;

/* Mean squared error of a member's means over transitions (n), units of the targets' variance. */
enum err learn_error(double *error, const struct ensemble *e, int member, const struct dataset *d,
                     const int *rows, int n, struct arena *scratch) WARN_UNUSED;

#endif
