/* threshold: a method that only the test program karma_extra has, to show what a new method takes:
 * this file, and one line in kinds.c beside it.
 *
 * One pod more when the pods of a service use more than `high` of what they request, one fewer
 * below `low`.
 */
#include "core/controllers/kinds.h"
#include "core/plant/schema.h"

struct threshold_params {
    double high, low;
};

struct threshold {
    struct controller base;
    const struct threshold_params *cfg;
};

static void threshold_reset(struct controller *c, const struct episode_id *id,
                            const struct schedule *future)
{
    (void)c;
    (void)id;
    CHECK(future == NULL); /* it does not ask for foresight */
}

static void threshold_act(struct controller *c, int32_t *delta, const float *state)
{
    const struct threshold *t = (const struct threshold *)c;
    for (int s = 0; s < c->env_setup->topology.n_services; s++) {
        const double ready = (double)state[state_service_at(s, SF_HPA_READY)];
        const double requested = ready * c->env_setup->cfg.topology->services[s].cpu_m;
        const double used = (double)state[state_service_at(s, SF_HPA_CPU)];
        delta[s] = used > t->cfg->high * requested ? 1 : used < t->cfg->low * requested ? -1 : 0;
    }
}

static const struct controller_ops threshold_ops = {.reset = threshold_reset, .act = threshold_act};

static enum err threshold_make(struct controller **out, struct arena *arena,
                               const struct controller_setup *setup)
{
    struct threshold *t = ARENA_NEW(arena, 1, struct threshold);
    TRY(arena_error(arena));
    CHECK(setup->rules == NULL && setup->team == NULL); /* nor for a team */
    *t = (struct threshold){.base = {.ops = &threshold_ops}, .cfg = setup->params};
    *out = &t->base;
    return ERR_OK;
}

static const struct cfg_field threshold_fields[] = {
    CFG_DOUBLE(struct threshold_params, high, "0.7", 0, 1, "", CFG_RESULT, "adds a pod above"),
    CFG_DOUBLE(struct threshold_params, low, "0.3", 0, 1, "", CFG_RESULT, "removes a pod below"),
    CFG_END,
};

extern const struct controller_kind controller_threshold;
const struct controller_kind controller_threshold = {
    .cfg = {"threshold", "a pod more or fewer outside a band", threshold_fields,
            sizeof(struct threshold_params)},
    .sweeps = true,
    .make = threshold_make,
};
