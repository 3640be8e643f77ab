/* The networks of a residual twin at work: what n networks of queues show, corrected.
 *
 * Queues play a period; then one member of the ensemble answers the next state and the KPIs of the
 * period as differences from theirs, and a row of its residual pool is added:
 *
 *     shown = queues' answer + out_mean + out_std (m + exp(s) z)
 *
 * The networks see only what the queues did (their states, the changes, the loads and their
 * answer), never what was shown before. So an error of theirs does not enter the next period, and
 * the queues play what they would have played alone. The arithmetic of pods (pods.h) holds for what
 * is shown.
 *
 * As in a batch of networks (twin_batch.h), a trajectory follows one member and one sequence of
 * residuals, draws are functions of its identity and step, and the rows that one member predicts
 * are one product of matrices, whose bits do not depend on the others. Nothing is allocated.
 */
#ifndef KARMA_TWIN_CORRECTION_H
#define KARMA_TWIN_CORRECTION_H

#include "core/twin/fluid.h"
#include "core/twin/twin_batch.h"

struct correction {
    const struct twin_model *model;
    double period_s;
    int n;
    struct twin_batch_id *id; /* (n) */
    float *past;              /* (n, history, S) of the queues, the newest decision first */
    float *load;              /* (n, history + 1) that goes with it; [0]: of the last period */
    float *state;             /* (n, S) as shown */
    float *kpi;               /* (n, n_kpis) of the last period, encoded */
    int32_t *residual_at;     /* (n) row of the member's pool, RESIDUAL_NONE */
    uint32_t *step;           /* (n) taken */
    int32_t *delta;           /* (n, N) of the last period */
    float *next;              /* (S) scratch, like the rest */
    float *target, *decoded, *in, *y, *work;
    int *queue; /* (n) trajectories that move */
    struct feature_rows rows;
};

enum err correction_init(struct correction *c, struct arena *arena, const struct twin_model *model,
                         double period_s, int n) WARN_UNUSED;

/* Trajectory i begins where queues stand that have just begun an episode at that load. The first
 * state is theirs. */
void correction_begin(struct correction *c, int i, const struct twin_batch_id *id,
                      const struct fluid *queues, float load);

/* Trajectory `to` becomes `from`, but draws as `id` from now on. */
void correction_copy(struct correction *c, int to, int from, const struct twin_batch_id *id);

/* The queues (n) have played a period at the loads (n); trajectories whose `active` byte is 0 stand
 * still (NULL: none does). */
void correction_step(struct correction *c, const struct fluid *queues, const float *load,
                     const uint8_t *active);

static inline const float *correction_state(const struct correction *c, int i)
{
    return c->state + (ptrdiff_t)i * c->model->features.n_state;
}

/* The exact counters of the last period; `before`: requests in flight when it began. */
void correction_truth(struct plant_truth *out, const struct correction *c, int i, double before,
                      double legit);

#endif
