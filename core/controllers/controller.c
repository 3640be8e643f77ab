/* From a row of the configuration to a controller, whatever its kind. See controller.h. */
#include "core/controllers/controller.h"

#include "core/plant/schema.h"

const struct cfg_field controller_fields[] = {
    CFG_STRING(struct controller_cfg, name, "", CFG_RESULT, "label in tables; empty = the method"),
    CFG_BOOL(struct controller_cfg, show, "true", CFG_RESULT,
             "a row of the tables; false: only a point of the frontier of its method"),
    CFG_RENAMED("listed", "show"),
    CFG_ONE_OF(struct controller_cfg, method, controller_kinds, CFG_REQUIRED, CFG_RESULT, "method"),
    CFG_END,
};

const struct controller_kind *controller_kind_at(int i)
{
    const struct cfg_one method = {.kind = controller_kinds[i]};
    return controller_kind_of(&method);
}

int controller_desired(const float *state, int service)
{
    return (int)state[state_service_at(service, SF_DESIRED)];
}

int controller_clip(const struct env_setup *env_setup, int service, int replicas)
{
    const struct service_cfg *s = &env_setup->cfg.topology->services[service];
    return replicas < s->min_replicas   ? s->min_replicas
           : replicas > s->max_replicas ? s->max_replicas
                                        : replicas;
}

const char *controller_label(const struct controller_cfg *cfg)
{
    return cfg->name[0] != '\0' ? cfg->name : cfg->method.kind->name;
}

/* ---- checks ---- */

enum err controller_method_check(const char *label, const struct cfg_one *method,
                                 const struct topology_cfg *topology)
{
    const struct controller_kind *kind = controller_kind_of(method);
    return kind->check != NULL ? kind->check(label, method->params, topology) : ERR_OK;
}

enum err controller_cfg_check(const struct controller_cfg *controllers, int n,
                              const struct topology_cfg *topology)
{
    for (int i = 0; i < n; i++) {
        TRY(controller_method_check(controller_label(&controllers[i]), &controllers[i].method,
                                    topology));
    }
    return ERR_OK;
}

/* ---- making ---- */

/* The kind gets `setup` without what it does not need. */
enum err controller_make(struct controller **out, struct arena *arena,
                         const struct controller_kind *kind, const struct controller_setup *setup)
{
    struct controller_setup own = *setup;
    struct controller *c;
    own.rules = (kind->needs & CONTROLLER_NEEDS_ORGANISATION) != 0 ? setup->rules : NULL;
    own.team = (kind->needs & CONTROLLER_NEEDS_POLICY) != 0 ? setup->team : NULL;
    TRY(kind->make(&c, arena, &own));
    c->env_setup = setup->env_setup;
    c->name = setup->label;
    c->needs |= kind->needs;
    *out = c;
    return ERR_OK;
}

enum err controller_new(struct controller **out, struct arena *arena,
                        const struct controller_cfg *cfg, const struct env_setup *env_setup,
                        const struct rules *rules, const struct trained_team *team)
{
    const struct controller_setup setup = {.label = controller_label(cfg),
                                           .params = cfg->method.params,
                                           .env_setup = env_setup,
                                           .rules = rules,
                                           .team = team};
    TRY(controller_cfg_check(cfg, 1, env_setup->cfg.topology));
    return controller_make(out, arena, controller_kind(cfg), &setup);
}

enum err controller_cfg_default(struct controller_cfg *out, struct arena *arena,
                                const struct controller_kind *kind)
{
    struct cfg reader;
    cfg_init(&reader, controller_fields, sizeof *out, arena);
    TRY(cfg_load_text(&reader, kind->cfg.name, kind->cfg.name, NULL, 0, out));
    out->name = kind->cfg.name;
    return ERR_OK;
}
