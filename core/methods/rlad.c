/* Rlad-core as a method of training: tabular agents, one for each service (Rossi, Nardelli,
 * Cardellini, IEEE CLOUD 2019). What it learns: rlad_table.h; what it sees and pays:
 * rlad_interface.h; how it learns from tiles: rlad_learner.h. */
#include "core/methods/kinds.h"
#include "core/methods/rlad_learner.h"

enum { RECORD_MAX_MIB = 256 };

/* A record holds each transition of an update, and there are about log2 of the tiles of them. */
static enum err check_record(const struct method_setup *setup)
{
    const double mib = (double)setup->n_env * setup->n_steps *
                       setup->env_setup->topology.n_services * RLAD_TRANSITION_BYTES / 0x1p20;
    if (mib > RECORD_MAX_MIB) {
        return cfg_error(setup->src_locs, "method.rlad.algorithm",
                         "learns from each transition in turn, and those of one update (train.envs "
                         "x train.steps x services) take %.0f MiB; %d are the limit: lower "
                         "train.envs or train.steps, or set it to model_based",
                         mib, RECORD_MAX_MIB);
    }
    return ERR_OK;
}

static enum err rlad_check(const struct method_setup *setup)
{
    const struct rlad_cfg *cfg = setup->params;
    if (cfg->reward == RLAD_OWN && cfg->resources <= 0.0 && cfg->lateness <= 0.0) {
        return cfg_error(setup->src_locs, "method.rlad.lateness",
                         "and resources are both 0, so nothing has a cost and there is nothing to "
                         "learn; raise one of them");
    }
    return cfg->algorithm == RLAD_MODEL_BASED ? ERR_OK : check_record(setup);
}

static const struct rlad_interface *interface_of(const struct method *m)
{
    return (const struct rlad_interface *)(const void *)m->interface;
}

static enum err rlad_make(struct method *m, struct arena *arena)
{
    struct rlad_interface *r = ARENA_NEW(arena, 1, struct rlad_interface);
    TRY(arena_error(arena));
    TRY(rlad_interface_init(r, arena, m->setup.params, m->setup.env_setup));
    m->interface = &r->interface;
    m->columns = r->columns;
    return ERR_OK;
}

static enum err rlad_make_learner(struct learner **out, struct arena *arena, const struct method *m,
                                  int team, bool learns, uint64_t seed, struct arena *scratch)
{
    const struct rlad_plan plan = {.interface = interface_of(m),
                                   .team = team,
                                   .n_env = m->setup.n_env,
                                   .n_steps = m->setup.n_steps,
                                   .learns = learns};
    (void)scratch;
    return rlad_learner_new(out, arena, &plan, seed);
}

static void rlad_reads(uint8_t *columns, const struct method *m)
{
    rlad_interface_reads(columns, interface_of(m));
}

const struct method_kind method_rlad = {
    .cfg = {"rlad", "Rlad-core: a table for each service (Rossi et al., CLOUD 2019)", rlad_fields,
            sizeof(struct rlad_cfg)},
    .check = rlad_check,
    .make = rlad_make,
    .learner = rlad_make_learner,
    .reads = rlad_reads,
};
