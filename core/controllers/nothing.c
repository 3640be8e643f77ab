/* Do-nothing: the initial replicas for ever. What every other controller must beat. */
#include "core/controllers/internal.h"

#include <string.h>

static void nothing_reset(struct controller *c, const struct episode_id *id,
                          const struct schedule *future)
{
    (void)c;
    (void)id;
    (void)future;
}

static void nothing_act(struct controller *c, int32_t *delta, const float *state)
{
    (void)state;
    memset(delta, 0, (size_t)c->world->topology.n_services * sizeof *delta);
}

static const struct controller_ops nothing_ops = {.reset = nothing_reset, .act = nothing_act};

enum err nothing_new(struct controller **out, struct arena *arena, const struct world *world)
{
    struct controller *c = ARENA_NEW(arena, 1, struct controller);
    if (c == NULL) {
        return ERR_MEMORY;
    }
    *c = (struct controller){.ops = &nothing_ops, .world = world};
    *out = c;
    return ERR_OK;
}
