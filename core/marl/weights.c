/* Three arrays: allocating, copying, hashing. See weights.h. */
#include "core/marl/weights.h"

#include "core/base/hash.h"

#include <math.h>
#include <string.h>

enum err weights_init(struct weights *w, struct arena *arena)
{
    w->params = ARENA_NEW(arena, w->n_params, float);
    w->global_state_stats = ARENA_NEW(arena, w->n_global_state_stats, double);
    w->value_norm = ARENA_NEW(arena, w->n_value_norm, double);
    return arena_error(arena);
}

/* The arrays of a message are NULL where they are empty. */
static void copy(void *to, const void *from, size_t n, size_t size)
{
    if (n > 0) {
        memcpy(to, from, n * size);
    }
}

void weights_copy(struct weights *to, const struct weights *from)
{
    CHECK(to->n_params == from->n_params &&
          to->n_global_state_stats == from->n_global_state_stats &&
          to->n_value_norm == from->n_value_norm);
    to->version = from->version;
    copy(to->params, from->params, from->n_params, sizeof *to->params);
    copy(to->global_state_stats, from->global_state_stats, from->n_global_state_stats,
         sizeof *to->global_state_stats);
    copy(to->value_norm, from->value_norm, from->n_value_norm, sizeof *to->value_norm);
}

bool weights_finite(const struct weights *w)
{
    bool finite = true;
    for (size_t i = 0; i < w->n_params; i++) {
        finite = finite && isfinite(w->params[i]);
    }
    return finite;
}

uint64_t weights_hash(uint64_t hash, const struct weights *w)
{
    hash = hash_fnv1a(hash, w->params, w->n_params * sizeof *w->params);
    hash = hash_fnv1a(hash, w->global_state_stats,
                      w->n_global_state_stats * sizeof *w->global_state_stats);
    return hash_fnv1a(hash, w->value_norm, w->n_value_norm * sizeof *w->value_norm);
}
