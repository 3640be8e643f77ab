/* From a row of the configuration to a method in an environment. See method.h. */
#include "core/methods/method.h"

const struct cfg_field method_fields[] = {
    CFG_ONE_OF_DOCUMENTED(struct method_cfg, method, method_kinds, "karma", CFG_RESULT | CFG_LATER,
                          "method of training"),
    CFG_END,
};

enum err method_init(struct method *m, struct arena *arena, const struct method_cfg *cfg,
                     const struct method_setup *setup)
{
    *m = (struct method){.kind = method_kind_of(cfg), .setup = *setup};
    m->setup.params = cfg->method.params;
    if (m->kind->check != NULL) {
        TRY(m->kind->check(&m->setup));
    }
    TRY(m->kind->make(m, arena));
    TRY(interface_env_spec(&m->env, arena, &m->interface, 1));
    m->env.group = setup->group;
    return ERR_OK;
}
