/* A fixed allocation, whatever happens. The best one at a given cost is the reference that a
 * controller must beat to have reacted to anything. */
#include "core/controllers/kinds.h"

#include "core/base/log.h"

struct fixed_params {
    int *replicas; /* (n_services) */
    int n_replicas;
};

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
    for (int s = 0; s < c->env_setup->topology.n_services; s++) {
        delta[s] = controller_clip(c->env_setup, s, f->replicas[s]) - controller_desired(state, s);
    }
}

static const struct controller_ops static_ops = {.reset = static_reset, .act = static_act};

/* Replica bounds hold for every controller. */
static void warn_clipped(const struct controller_setup *setup, const struct fixed_params *p)
{
    for (int s = 0; s < p->n_replicas; s++) {
        const struct service_cfg *cfg = &setup->env_setup->topology.cfg->services[s];
        const int n = controller_clip(setup->env_setup, s, p->replicas[s]);
        if (n != p->replicas[s]) {
            log_warn("controller '%s': %d replicas of '%s' become %d, because its bounds are %d to "
                     "%d",
                     setup->label, p->replicas[s], cfg->name, n, cfg->min_replicas,
                     cfg->max_replicas);
        }
    }
}

static enum err static_make(struct controller **out, struct arena *arena,
                            const struct controller_setup *setup)
{
    const struct fixed_params *p = setup->params;
    const int n_services = setup->env_setup->topology.n_services;
    if (p->n_replicas != n_services) {
        log_error(
            "controller '%s': %d values in 'replicas', the topology has %d services; write one "
            "number for each: static: {replicas: [...]}",
            setup->label, p->n_replicas, n_services);
        return ERR_CONFIG;
    }
    warn_clipped(setup, p);
    struct fixed *f = ARENA_NEW(arena, 1, struct fixed);
    TRY(arena_error(arena));
    *f = (struct fixed){.base = {.ops = &static_ops}, .replicas = p->replicas};
    *out = &f->base;
    return ERR_OK;
}

static const struct cfg_field static_fields[] = {
    CFG_LIST_INT(struct fixed_params, replicas, n_replicas, "[]", 0, 256, 1, 10000, "pods",
                 CFG_RESULT, "replicas of each service"),
    CFG_END,
};

const struct controller_kind controller_static = {
    .cfg = {"static", "a fixed allocation", static_fields, sizeof(struct fixed_params)},
    .sweeps = true,
    .colour = "#808080",
    .make = static_make,
};
