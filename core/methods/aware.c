/* AWARE as a method of training: its interface and its learner. See aware_cfg.h. */
#include "core/methods/aware_interface.h"
#include "core/methods/aware_learner.h"
#include "core/methods/kinds.h"

static enum err aware_check(const struct method_setup *setup)
{
    const struct aware_cfg *cfg = setup->params;
    if (cfg->bootstrap.episodes == 0) {
        return ERR_OK;
    }
    return controller_rule_check("method.aware.bootstrap.rule", &cfg->bootstrap.rule, 0,
                                 setup->env_setup->cfg.topology);
}

static enum err aware_make(struct method *m, struct arena *arena)
{
    static const char *const no_columns[] = {NULL};
    struct aware_interface *i = ARENA_NEW(arena, 1, struct aware_interface);
    TRY(arena_error(arena));
    TRY(aware_interface_init(i, arena, m->setup.params, m->setup.env_setup, m->setup.rules));
    m->interface = &i->base;
    m->columns = no_columns;
    return ERR_OK;
}

static enum err aware_learner(struct learner **out, struct arena *arena, const struct method *m,
                              int team, bool learns, uint64_t seed, struct arena *scratch)
{
    const struct aware_cfg *cfg = m->setup.params;
    const struct aware_interface *i = (const struct aware_interface *)(const void *)m->interface;
    const struct aware_plan plan = {
        .cfg = cfg,
        .spec = &i->spec,
        .number = team,
        .heuristic_at = cfg->bootstrap.episodes > 0 ? aware_heuristic_at(i) : -1,
        .learns = learns,
    };
    return aware_learner_new(out, arena, &plan, seed, scratch);
}

static void aware_method_reads(uint8_t *columns, const struct method *m)
{
    const struct aware_cfg *cfg = m->setup.params;
    const struct controller_kind *rule = controller_kind_of(&cfg->bootstrap.rule.method);
    aware_reads(columns, &m->setup.env_setup->topology);
    if (cfg->bootstrap.episodes > 0 && rule->reads != NULL) {
        rule->reads(columns, cfg->bootstrap.rule.method.params, &m->setup.env_setup->topology);
    }
}

const struct method_kind method_aware = {
    .cfg = {"aware",
            "AWARE: an agent for each service, meta-trained with an embedding of its "
            "best episodes",
            aware_fields, sizeof(struct aware_cfg)},
    .check = aware_check,
    .make = aware_make,
    .learner = aware_learner,
    .reads = aware_method_reads,
};
