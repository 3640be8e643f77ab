/* The transitions of a fit as its networks see them: inputs and targets in network units, computed
 * once. A gradient step copies the rows that it needs, and a pass over the validation episodes
 * reads them where they are.
 *
 *   input   (input - in_mean) in_inv
 *   target  (target - base - out_mean) / out_std,    NaN: not measured
 *
 * They depend on the dataset and on the scalers of the ensemble alone, so all members and all
 * passes of a fit see the same bits. Input and target of a transition stand side by side and begin
 * at a cache line: a gradient step reads its rows in a drawn order, and waits for memory once for
 * each row. Memory: about 4 (n_in + n_target) bytes for each transition.
 */
#ifndef KARMA_TWIN_FIT_ROWS_H
#define KARMA_TWIN_FIT_ROWS_H

#include "core/twin/dataset.h"
#include "core/twin/ensemble.h"

struct fit_rows {
    int n, n_in, n_target;
    int ld;      /* floats from row to row */
    int at;      /* of the target in a row */
    float *rows; /* (n, ld): input (n_in), target (n_target); gaps are 0 */
};

/* Room for n rows in the arena, zeroed. */
enum err fit_rows_init(struct fit_rows *r, struct arena *arena, const struct ensemble *e,
                       int n) WARN_UNUSED;

static inline float *fit_rows_input(const struct fit_rows *r, int i)
{
    return r->rows + (ptrdiff_t)i * r->ld;
}
static inline float *fit_rows_target(const struct fit_rows *r, int i)
{
    return r->rows + (ptrdiff_t)i * r->ld + r->at;
}

/* Rows 0 .. n - 1: the transitions that begin at first[0] .. first[n - 1] of the dataset;
 * n <= r->n. */
void fit_rows_fill(struct fit_rows *r, const struct ensemble *e, const struct dataset *d,
                   const int *first, int n);

/* Rows 0 .. n - 1: copies of the rows pick[0] .. pick[n - 1] of `from`, which has the same shape;
 * n <= r->n. */
void fit_rows_gather(struct fit_rows *r, const struct fit_rows *from, const uint32_t *pick, int n);

#endif
