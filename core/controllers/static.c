/* A fixed allocation, whatever happens. The best one at a given cost is the reference that a
 * controller must beat to have reacted to anything. */
#include "core/controllers/internal.h"

#include "core/base/log.h"

struct fixed {
    struct controller base;
    const int *replicas; /* (n_services) */
};

static void static_reset(struct controller *c, const struct episode_id *id,
                         const struct schedule *future)
{
    (void)c;
    (void)id;
    (void)future;
}

static void static_act(struct controller *c, int32_t *delta, const float *state)
{
    const struct fixed *f = (const struct fixed *)c;
    for (int s = 0; s < c->world->topology.n_services; s++) {
        delta[s] = controller_clip(c->world, s, f->replicas[s]) - controller_desired(state, s);
    }
}

static const struct controller_ops static_ops = {.reset = static_reset, .act = static_act};

enum err static_new(struct controller **out, struct arena *arena, const struct controller_cfg *cfg,
                    const struct world *world)
{
    if (cfg->n_replicas != world->topology.n_services) {
        log_error("controller '%s': %d values in 'replicas', the topology has %d services",
                  controller_label(cfg), cfg->n_replicas, world->topology.n_services);
        return ERR_CONFIG;
    }
    struct fixed *f = ARENA_NEW(arena, 1, struct fixed);
    if (f == NULL) {
        return ERR_MEMORY;
    }
    *f = (struct fixed){.base = {.ops = &static_ops, .world = world}, .replicas = cfg->replicas};
    *out = &f->base;
    return ERR_OK;
}
