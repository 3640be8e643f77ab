/* A bundle: trajectories of one twin, of whatever kind, that start in the same recorded decision
 * and play the same recorded actions and loads. They differ in what is random.
 *
 * A twin of networks starts in the recorded state (twin_batch.h). A queueing twin cannot: how many
 * calls each pod holds is not in a state. It plays the recorded episode from its first decision to
 * the start, once, with the recorded actions and loads, and the bundle parts from there. So it
 * never sees a recorded state. The queues of a residual twin do the same, and what they show is
 * corrected (correction.h).
 */
#ifndef KARMA_TWIN_BUNDLE_H
#define KARMA_TWIN_BUNDLE_H

#include "core/twin/correction.h"

struct bundle {
    const struct twin_model *model;
    int n;
    struct twin_batch batch;      /* networks */
    int32_t *delta, *attack;      /* (n, N), (n, 3) scratch */
    float *load;                  /* (n) */
    struct fluid_net net;         /* queues */
    struct fluid *fluids;         /* (n + 1) the last one is the leader */
    struct fluid *leader;         /* plays on through the episode */
    struct correction correction; /* (n + 1) of a residual twin */
    uint8_t *active;              /* (n + 1) */
    int leader_row;               /* where it stands; -1 = nowhere */
    struct fluid_load *loads;     /* (net.n_steps) */
    float *kpi;                   /* (n, FEATURES_KPIS) encoded */
};

enum err bundle_init(struct bundle *b, struct arena *arena, const struct twin_model *model,
                     const struct plant_cfg *plant, int n) WARN_UNUSED;

/* All start at the decision of `row` of d. */
void bundle_begin(struct bundle *b, const struct dataset *d, int row, uint64_t seed);

/* All play what was decided and offered at `row`. */
void bundle_step(struct bundle *b, const struct dataset *d, int row);

/* State (S) and KPIs (n_kpis, encoded) of trajectory i. */
static inline const float *bundle_state(const struct bundle *b, int i)
{
    switch (model_kind(b->model)) {
    case TWIN_QUEUEING:
        return b->fluids[i].state;
    case TWIN_RESIDUAL:
        return correction_state(&b->correction, i);
    case TWIN_MLP:
        break;
    }
    return twin_batch_state(&b->batch, i);
}
static inline const float *bundle_kpis(const struct bundle *b, int i)
{
    const ptrdiff_t at = (ptrdiff_t)i * b->model->features.n_kpis;
    switch (model_kind(b->model)) {
    case TWIN_QUEUEING:
        return b->kpi + at;
    case TWIN_RESIDUAL:
        return b->correction.kpi + at;
    case TWIN_MLP:
        break;
    }
    return b->batch.kpi + at;
}

#endif
