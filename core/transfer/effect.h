/* The predicted effect of two decisions: what the twin says would follow from each.
 *
 * EFFECT_RUNS trajectories of the twin begin in the state of a decision, each with its own member
 * of the ensemble and its own noise, and are played twice for EFFECT_PERIODS decision periods: once
 * with the one change and once with the other, then without further changes, under the load that
 * was measured. Both times the random numbers are the same, so the difference of a pair is due to
 * the changes. The averages over all decisions of each trajectory number are a sample of what the
 * twin believes, and their 5 % and 95 % quantiles the interval that is reported.
 *
 * Only twins of networks can begin in any state (core/twin/twin_batch.h).
 */
#ifndef KARMA_TRANSFER_EFFECT_H
#define KARMA_TRANSFER_EFFECT_H

#include "core/base/stats.h"
#include "core/plant/plant.h"
#include "core/twin/twin_batch.h"

enum { EFFECT_RUNS = 16, EFFECT_PERIODS = 8 };

/* What is compared; NaN where the twin does not tell it. */
enum effect_value { EFFECT_SLO, EFFECT_LATENCY, EFFECT_PODS, EFFECT_VALUES };
extern const char *const effect_names[EFFECT_VALUES];

struct effect {
    const struct twin_model *model;
    const struct topology *topology;
    const struct plant_cfg *cfg;
    struct twin_batch batch;
    float *states;        /* (history, S) newest first, as decisions saw them */
    float *loads;         /* (history) */
    int n_seen;           /* states so far */
    int32_t *delta;       /* (EFFECT_RUNS, N) */
    float *load;          /* (EFFECT_RUNS) */
    float *in, *y, *work; /* of the disagreement */
    /* sums over decisions, for each trajectory: of the one, the other, the difference */
    double sums[3][EFFECT_RUNS][EFFECT_VALUES];
    int64_t n; /* decisions in the sums */
};

/* ERR_MISMATCH with a sentence if the twin is none of networks, or has other columns. */
enum err effect_init(struct effect *e, struct arena *arena, const struct twin_model *model,
                     const struct topology *topology, const struct plant_cfg *cfg) WARN_UNUSED;

/* The state (S) of a decision, all of it known; once each. A gap: effect_forget(). */
void effect_see(struct effect *e, const float *state);
void effect_forget(struct effect *e);

/* Disagreement of the ensemble in the last state seen, as model_score(); NaN: none was seen. */
double effect_score(struct effect *e);

/* Adds the prediction for two changes (N) decided in the last state seen. Nothing if none was. */
void effect_compare(struct effect *e, const int32_t *one, const int32_t *other);

/* of: 0 the one, 1 the other, 2 the first minus the second. NaN without decisions. */
struct stat_interval effect_interval(const struct effect *e, int of, enum effect_value value);

#endif
