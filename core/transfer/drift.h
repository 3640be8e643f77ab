/* Drift: is a state like those that the policy was trained for?
 *
 * The distance of a state x from the training distribution is that of P. C. Mahalanobis (1936) on
 * normalised features z = (x - mean) / std of the columns that the policy observes:
 *
 *     d(x) = sqrt(z' C^-1 z),     C = (1 - w) R + w I
 *
 * R is the correlation matrix of the training episodes and w = DRIFT_SHRINKAGE a shrinkage towards
 * independent columns (O. Ledoit and M. Wolf, "A well-conditioned estimator for large-dimensional
 * covariance matrices", 2004), which makes C invertible where columns determine each other, as
 * entry_trend does. Columns that never changed in the traces have no std and are left out; a change
 * of them is no drift that this distance sees, and the shield's bounds hold all the same.
 *
 * The threshold is the quantile drift.quantile of the distances of held-out states, which the
 * statistics have not seen. So of states like the traces' the share 1 - quantile is beyond it.
 */
#ifndef KARMA_TRANSFER_DRIFT_H
#define KARMA_TRANSFER_DRIFT_H

#include "core/base/config.h"
#include "core/base/mem.h"
#include "core/trace/store.h"

#include <stdbool.h>
#include <stdint.h>

#define DRIFT_SHRINKAGE 0.05
enum { DRIFT_NONE = -1, DRIFT_HELD_OUT_MIN = 100 };

struct drift {
    int n;              /* columns */
    int *column;        /* (n) of a state */
    double *mean, *std; /* (n) */
    double *chol;       /* (n, n) lower triangle L of C = L L' */
    double *z, *y;      /* (n) work */
    double threshold;
    int64_t n_train, n_held_out; /* states */
};

/* Statistics of the columns with wanted[column] != 0 (state_size) over the training part of the
 * store, and the threshold from its held-out part. States with a gap in one of the columns are left
 * out. ERR_MISMATCH with a sentence if a part has too few states. scratch is rewound. */
enum err drift_fit(struct drift *d, struct arena *arena, struct store *store, const uint8_t *wanted,
                   double quantile, struct arena *scratch) WARN_UNUSED;

/* d(x); INFINITY for a value that is not a number. worst (NULL: not wanted): the column that
 * contributes most, that is, the largest z_i (C^-1 z)_i, which sum up to d^2. */
double drift_distance(struct drift *d, int *worst, const float *state);

/* ---- who decides ---- */

/* Hysteresis. The fallback begins with the first decision at which a reason holds, because a policy
 * that does not know a state should not act in it once more; it ends after `calm` decisions in a
 * row at which every signal is below `leave` of its threshold and every input is known. */
struct fallback_cfg {
    double quantile; /* of drift's threshold */
    double spread;   /* threshold of model_score() */
    double leave;    /* of a threshold */
    int calm;        /* decisions */
};
extern const struct cfg_field fallback_fields[];

/* Why a rule decides instead of the policy: bits. */
enum fallback_reason { FALLBACK_DRIFT = 1, FALLBACK_SPREAD = 2, FALLBACK_UNKNOWN = 4 };

/* What is known of a state. NaN: there is no such signal. */
struct fallback_signals {
    double distance, threshold; /* drift */
    double spread;              /* model_score(): disagreement of the twin's ensemble, in [0, 1] */
    bool unknown;               /* an input of the policy is not known */
};
struct fallback {
    const struct fallback_cfg *cfg;
    bool active;
    unsigned reasons; /* of the last decision at which there were any */
    int calm;         /* decisions in a row without a reason to stay */
    uint64_t n_active, n_entered, n_decisions;
};

/* The next decision. Returns whether the rule decides it. */
bool fallback_step(struct fallback *f, const struct fallback_signals *s);

/* "drift", "drift and spread", "" */
const char *fallback_words(unsigned reasons);

#endif
