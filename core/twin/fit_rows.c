/* Transitions in network units. See fit_rows.h. */
#include "core/twin/fit_rows.h"

#include <string.h>

enum err fit_rows_init(struct fit_rows *r, struct arena *arena, const struct ensemble *e, int n)
{
    const struct features *s = e->features;
    const size_t at = mlp_pad((size_t)s->n_in), ld = at + mlp_pad((size_t)s->n_target);
    *r = (struct fit_rows){.n = n,
                           .n_in = s->n_in,
                           .n_target = s->n_target,
                           .ld = (int)ld,
                           .at = (int)at,
                           .rows = ARENA_NEW(arena, (size_t)n * ld, float)};
    return arena_error(arena);
}

/* The input is normalised last, in place: the base of the targets is counted from it as it was. */
void fit_rows_fill(struct fit_rows *r, const struct ensemble *e, const struct dataset *d,
                   const int *first, int n)
{
    for (int i = 0; i < n; i++) {
        float *in = fit_rows_input(r, i), *target = fit_rows_target(r, i);
        dataset_input(in, d, first[i]);
        dataset_target(target, d, first[i]);
        ensemble_residual(e, target, target, in);
        ensemble_normalise(e, in, in);
    }
}

/* The rows that come next are fetched while one is copied: their places are known, and no cache
 * guesses a drawn order. */
void fit_rows_gather(struct fit_rows *r, const struct fit_rows *from, const uint32_t *pick, int n)
{
    enum { AHEAD = 4 };
    const size_t ld = (size_t)r->ld;
    for (size_t i = 0; i < (size_t)n; i++) {
        for (size_t k = 0; i + AHEAD < (size_t)n && k < ld; k += MLP_PAD) {
            __builtin_prefetch(from->rows + pick[i + AHEAD] * ld + k);
        }
        memcpy(r->rows + i * ld, from->rows + pick[i] * ld, ld * sizeof *r->rows);
    }
}
