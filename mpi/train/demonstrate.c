/* What a controller requests as a demonstration: desired replicas plus the change it asks for. */
#include "mpi/train/demonstrate.h"

#include "core/marl/env.h"
#include "core/plant/schema.h"

struct demo_tile {
    struct demonstrator demonstrator;
    struct controller *controller[TILE];
    int n_services;
};

struct demonstrations {
    struct demo_tile *tiles;
};

static void demo_reset(void *ctx, int lid, const struct episode_id *id)
{
    struct demo_tile *t = ctx;
    controller_reset(t->controller[lid], id, NULL);
}

/* controller_act() writes changes of replicas. The state counts desired replicas in float, which
 * holds integers exactly up to 2^24. */
static void demo_target(void *ctx, int lid, int32_t *target, const float *state)
{
    struct demo_tile *t = ctx;
    controller_act(t->controller[lid], target, state);
    for (int s = 0; s < t->n_services; s++) {
        target[s] += (int32_t)state[state_service_at(s, SF_DESIRED)];
    }
}

/* A controller of its own for each environment, because a rule remembers earlier decisions
 * of its episode. */
static enum err init_tile(struct demo_tile *t, struct arena *arena,
                          const struct controller_cfg *rule, const struct rules *rules)
{
    t->n_services = rules->n_services;
    t->demonstrator = (struct demonstrator){.ctx = t, .reset = demo_reset, .target = demo_target};
    for (int i = 0; i < TILE; i++) {
        TRY(controller_new(&t->controller[i], arena, rule, rules->env_setup, rules, NULL));
    }
    return ERR_OK;
}

enum err demonstrations_init(struct demonstrations **out, struct arena *arena,
                             const struct controller_cfg *rule, const struct rules *rules,
                             int n_tiles)
{
    struct demonstrations *d = ARENA_NEW(arena, 1, struct demonstrations);
    TRY(arena_error(arena));
    d->tiles = ARENA_NEW(arena, n_tiles, struct demo_tile);
    TRY(arena_error(arena));
    for (int i = 0; i < n_tiles; i++) {
        TRY(init_tile(&d->tiles[i], arena, rule, rules));
    }
    *out = d;
    return ERR_OK;
}

const struct demonstrator *demonstrations_tile(struct demonstrations *d, int i)
{
    return &d->tiles[i].demonstrator;
}
