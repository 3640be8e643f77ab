/* What a rule inside another controller may be, and making it. See rule.h. */
#include "core/controllers/rule.h"

#include "core/base/log.h"

const struct cfg_field controller_rule_khpa[] = {
    CFG_ONE_OF(struct controller_rule, method, controller_kinds, "khpa", CFG_RESULT, "rule"),
    CFG_END,
};
const struct cfg_field controller_rule_ff[] = {
    CFG_ONE_OF(struct controller_rule, method, controller_kinds, "ff", CFG_RESULT, "rule"),
    CFG_END,
};
const struct cfg_field controller_rule_none[] = {
    CFG_ONE_OF(struct controller_rule, method, controller_kinds, "", CFG_RESULT, "rule"),
    CFG_END,
};

/* The first of the needs that is not allowed, in words; NULL: there is none. */
static const char *need_text(unsigned needs)
{
    return (needs & CONTROLLER_NEEDS_POLICY) != 0         ? "a trained policy"
           : (needs & CONTROLLER_NEEDS_ORGANISATION) != 0 ? "agents of its own"
           : (needs & CONTROLLER_NEEDS_FORESIGHT) != 0    ? "foresight"
           : (needs & CONTROLLER_NEEDS_TWIN) != 0         ? "a twin to plan in"
                                                          : NULL;
}

enum err controller_rule_check(const char *label, const struct controller_rule *rule,
                               unsigned allowed, const struct topology_cfg *topology)
{
    const struct controller_kind *kind = controller_kind_of(&rule->method);
    const char *missing = kind != NULL ? need_text(kind->needs & ~allowed) : NULL;
    if (missing != NULL) {
        log_error("controller '%s': its rule is %s, which needs %s; choose a rule that does not, "
                  "such as khpa "
                  "or ff",
                  label, kind->cfg.name, missing);
        return ERR_CONFIG;
    }
    return kind != NULL ? controller_method_check(label, &rule->method, topology) : ERR_OK;
}

/* *out is NULL without a rule. The inner controller gets its own parameters and everything else of
 * the outer one's setup. */
enum err controller_rule_new(struct controller **out, struct arena *arena,
                             const struct controller_rule *rule,
                             const struct controller_setup *setup)
{
    struct controller_setup inner = *setup;
    *out = NULL;
    if (rule->method.kind == NULL) {
        return ERR_OK;
    }
    inner.params = rule->method.params;
    return controller_make(out, arena, controller_kind_of(&rule->method), &inner);
}
