/* Worlds: n trajectories in a twin, stepped together. The plant (twin.h) has one for each
 * environment of a tile, the accuracy report one for each place it looks at and each sample.
 *
 * A world follows one member of the ensemble from its beginning to its end, and one path of
 * residuals: it is one consistent world that may be true, not the mean of all. Everything drawn is
 * a function of its coordinates (Philox, domain RNG_TWIN; counter: draw, step, episode,
 * environment), so worlds do not know of each other. Rows that ask one member are one product of
 * matrices; nothing is allocated.
 */
#ifndef KARMA_TWIN_WORLDS_H
#define KARMA_TWIN_WORLDS_H

#include "core/base/rng.h"
#include "core/twin/model.h"
#include "core/twin/space_rows.h"

enum worlds_source { FROM_TABLE, FROM_NETWORK, FROM_NEAREST, FROM_HOLD, WORLDS_SOURCES };

/* Where a world's numbers come from. */
struct world_id {
    struct rng_key key;
    uint32_t env, episode;
    int member;
};

struct worlds {
    const struct twin_model *model;
    int n;
    struct world_id *id; /* (n) */
    float *state;        /* (n, history, S) as measured, newest first */
    float *load;         /* (n, history) of past periods, newest first */
    float *measure;      /* (n, n_measures) of the last period, in coordinates; those of pods are
                            gaps from what the newest state asks for (space_measure_back()) */
    uint8_t *source;     /* (n) enum worlds_source of the last step */
    int32_t *noise_at;   /* (n) row of the member's bank, NOISE_NONE */
    uint32_t *step;      /* (n) taken */
    float *next;         /* (S) scratch, like the rest */
    float *target, *seen, *in, *y, *work, *point;
    int *queue; /* (n) worlds that ask a network */
    struct space_rows rows;
    int64_t asked[WORLDS_SOURCES]; /* steps since worlds_init(), by source */
};

enum err worlds_init(struct worlds *w, struct arena *arena, const struct twin_model *model,
                     int n) WARN_UNUSED;

/* World i begins where the decision at `row` of the data stood; the space is the model's. Its
 * measures are those of the period before; where an episode begins there is none, and they are the
 * means of the training part. */
void worlds_begin(struct worlds *w, int i, const struct world_id *id, const struct dataset *d,
                  int row);

/* World i has been offered `load` for as long as it looks back, as far as it knows: so recorded
 * episodes begin (dataset.h), and one that begins with another load than was recorded there must.
 */
void worlds_settle(struct worlds *w, int i, float load);

/* One period. delta (n, N) executed changes, attack (n, 3) or NULL, load (n) offered; worlds whose
 * `active` byte is 0 stand still (NULL: none does). */
void worlds_step(struct worlds *w, const int32_t *delta, const int32_t *attack, const float *load,
                 const uint8_t *active);

/* (S) the newest state of world i. */
static inline const float *worlds_state(const struct worlds *w, int i)
{
    return w->state + (ptrdiff_t)i * w->model->space.history * w->model->space.n_state;
}

#endif
