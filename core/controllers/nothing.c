/* Do-nothing: the initial replicas for ever. What every other controller must beat. */
#include "core/controllers/kinds.h"

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
    memset(delta, 0, (size_t)c->env_setup->topology.n_services * sizeof *delta);
}

static const struct controller_ops nothing_ops = {.reset = nothing_reset, .act = nothing_act};

static enum err nothing_make(struct controller **out, struct arena *arena,
                             const struct controller_setup *setup)
{
    (void)setup;
    struct controller *c = ARENA_NEW(arena, 1, struct controller);
    TRY(arena_error(arena));
    *c = (struct controller){.ops = &nothing_ops};
    *out = c;
    return ERR_OK;
}

static const struct cfg_field nothing_fields[] = {CFG_END};

const struct controller_kind controller_nothing = {
    .cfg = {"nothing", "keeps the initial replicas", nothing_fields, 1},
    .colour = "#000000",
    .make = nothing_make,
};
