/* A batch of n trajectories in a twin, stepped together. The plant (twin.h) has a trajectory for
 * each environment of a tile, the accuracy report one for each sample of a start.
 *
 * A trajectory follows one member of the ensemble from its beginning to its end, and one sequence
 * of residuals: it is one possible course of events, not the mean of all. Everything drawn is a
 * function of its identity (Philox, domain RNG_TWIN; counter: draw, step, episode, environment), so
 * trajectories are independent of each other. The rows that one member predicts are one product of
 * matrices; nothing is allocated. */
#ifndef KARMA_TWIN_TWIN_BATCH_H
#define KARMA_TWIN_TWIN_BATCH_H

#include "core/base/rng.h"
#include "core/twin/feature_rows.h"
#include "core/twin/model.h"

enum twin_source { FROM_TABLE, FROM_NETWORK, FROM_NEAREST, FROM_HOLD, TWIN_SOURCES };

/* The random numbers and the member of a trajectory. */
struct twin_batch_id {
    struct rng_key key;
    uint32_t env, episode;
    int member;
};

struct twin_batch {
    const struct twin_model *model;
    int n;
    struct twin_batch_id *id; /* (n) */
    float *state;             /* (n, history, S) as measured, newest first */
    float *load;              /* (n, history) of past periods, newest first */
    float *kpi;               /* (n, n_kpis) of the last period, encoded; those of pods are
                            gaps from what the newest state requests (features_kpis_decode()) */
    uint8_t *source;          /* (n) enum twin_source of the last step */
    int32_t *residual_at;     /* (n) row of the member's pool, RESIDUAL_NONE */
    uint32_t *step;           /* (n) taken */
    float *next;              /* (S) scratch, like the rest */
    float *target, *decoded, *in, *y, *work, *point;
    int *queue; /* (n) trajectories that a network predicts */
    struct feature_rows rows;
    int64_t steps_by_source[TWIN_SOURCES]; /* steps since twin_batch_init(), by source */
};

enum err twin_batch_init(struct twin_batch *w, struct arena *arena, const struct twin_model *model,
                         int n) WARN_UNUSED;

/* KPIs (n_kpis, encoded) of the period before `row` of the data; where an episode begins there is
 * none, and they are the means of the training part. */
const float *twin_batch_kpis_before(const struct twin_model *model, const struct dataset *d,
                                    int row);

/* Trajectory i begins in the state of the decision at `row` of the data, in the features of the
 * model. Its KPIs are twin_batch_kpis_before(). */
void twin_batch_begin(struct twin_batch *w, int i, const struct twin_batch_id *id,
                      const struct dataset *d, int row);

/* Sets the past loads of trajectory i to `load`, as far as it looks back: so recorded episodes
 * begin (dataset.h), and so must a trajectory that begins with another load than was recorded. */
void twin_batch_set_load(struct twin_batch *w, int i, float load);

/* One period. delta (n, N) executed changes, attack (n, 3) or NULL, load (n) offered; trajectories
 * whose `active` byte is 0 stand still (NULL: none does). */
void twin_batch_step(struct twin_batch *w, const int32_t *delta, const int32_t *attack,
                     const float *load, const uint8_t *active);

/* (S) the newest state of trajectory i. */
static inline const float *twin_batch_state(const struct twin_batch *w, int i)
{
    return w->state + (ptrdiff_t)i * w->model->features.history * w->model->features.n_state;
}

#endif
