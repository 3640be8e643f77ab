/* Choosing a controller by its kind, and the parameters of all kinds. See controller.h. */
#include "core/controllers/controller.h"

#include "core/controllers/internal.h"
#include "core/marl/team.h"
#include "core/plant/schema.h"

#define KIND_CHOICE_(id, name, doc) {name, id, doc},
static const struct cfg_choice kinds[] = {CONTROLLER_LIST(KIND_CHOICE_){NULL, 0, NULL}};
static const struct cfg_choice modes[] = {
    {"argmax", ACT_ARGMAX, "the most probable choice"},
    {"sample", ACT_SAMPLE, "a draw from the policy, as in training"},
    {NULL, 0, NULL},
};
static const struct cfg_choice rules_mixed[] = {
    {"nothing", CONTROLLER_NOTHING, ""},
    {"khpa", CONTROLLER_KHPA, ""},
    {"ff", CONTROLLER_FF, ""},
    {"static", CONTROLLER_STATIC, "holds allocations that are drawn from all"},
    {NULL, 0, NULL},
};

static const struct cfg_choice scripts[] = {
    {"uniform", CONTROLLER_NOTHING, "every choice of the mask equally likely"},
    {"ff", CONTROLLER_FF, "that rule, as far as the masks let the agents"},
    {"oracle", CONTROLLER_ORACLE, "the same"},
    {NULL, 0, NULL},
};

static const struct cfg_choice behaviors[] = {
    {"none", KHPA_BEHAVIOR_NONE,
     "no such stanza, as kubectl autoscale makes it: a decision asks for at most max(2 n, 4) pods"},
    {"default", KHPA_BEHAVIOR_DEFAULT,
     "a stanza of its default values: at most max(2 n, n + 4) pods in 15 s; up_s and down_s may "
     "differ"},
    {NULL, 0, NULL},
};

const struct cfg_field controller_fields[] = {
    CFG_STRING(struct controller_cfg, name, "", CFG_RESULT, "label in tables; empty = the kind"),
    CFG_ENUM(struct controller_cfg, kind, "nothing", kinds, CFG_RESULT, "method"),
    CFG_BOOL(struct controller_cfg, listed, "true", CFG_RESULT,
             "a row of the tables; false: only a point of the frontier of its kind"),
    CFG_LIST_INT(struct controller_cfg, replicas, n_replicas, "[]", 0, 256, 1, 10000, "pods",
                 CFG_RESULT, "static: replicas of each service"),
    CFG_ENUM(struct controller_cfg, behavior, "none", behaviors, CFG_RESULT,
             "khpa: spec.behavior of the HorizontalPodAutoscaler"),
    CFG_DOUBLE(struct controller_cfg, target, "0.8", 0.01, 100, "", CFG_RESULT,
               "khpa: target of CPU used / requested; whole per cents, at most limit_ratio"),
    CFG_DOUBLE(struct controller_cfg, up_s, "0", 0, 3600, "s", CFG_RESULT,
               "khpa: stabilisation window before scaling up; needs behavior: default"),
    CFG_DOUBLE(struct controller_cfg, down_s, "300", 0, 3600, "s", CFG_RESULT,
               "khpa: stabilisation window before scaling down"),
    CFG_DOUBLE(struct controller_cfg, tolerance, "0.1", 0, 1, "", CFG_RESULT,
               "khpa: deviation of used / target that is left alone"),
    CFG_DOUBLE(struct controller_cfg, utilisation, "0.7", 0.01, 1, "", CFG_RESULT,
               "ff, oracle: utilisation they never plan above"),
    CFG_DOUBLE(struct controller_cfg, wait_share, "0.25", 0.01, 1, "", CFG_RESULT,
               "ff, oracle: share of latency_max a call may take at one service"),
    CFG_DOUBLE(struct controller_cfg, ff_down_s, "60", 0, 3600, "s", CFG_RESULT,
               "ff: holds the largest plan of this long"),
    CFG_DOUBLE(struct controller_cfg, growth, "2", 0, 20, "", CFG_RESULT,
               "ff: rise of the entry rate over 10 s that it expects again, so many times"),
    CFG_DOUBLE(struct controller_cfg, lead_s, "10", 0, 600, "s", CFG_RESULT,
               "oracle: margin of its look-ahead over a period and a mean start-up"),
    CFG_DOUBLE(struct controller_cfg, hold_s, "0", 0, 3600, "s", CFG_RESULT,
               "oracle: keeps replicas this long after their last use"),
    CFG_LIST_STRING(struct controller_cfg, policies, n_policies, "[]", 0, 1000, CFG_RESULT,
                    "policy: run directories, one per training seed; none = the run's own"),
    CFG_PATH(struct controller_cfg, training, "", CFG_OUTPUT,
             "policy: configuration it was trained with; another policy is refused; empty = any"),
    CFG_LIST_STRING(struct controller_cfg, settings, n_settings, "[]", 0, 64, CFG_OUTPUT,
                    "policy: what --set added to that configuration, KEY=VALUE each"),
    CFG_LIST_UINT64(struct controller_cfg, seeds, n_seeds, "[]", 0, 1000, CFG_OUTPUT,
                    "policy: train.seed of each of policies; none = any"),
    CFG_ENUM(struct controller_cfg, mode, "argmax", modes, CFG_RESULT,
             "policy: how a choice is made"),
    CFG_ENUM(struct controller_cfg, rule, "khpa", rules_mixed, CFG_RESULT,
             "explore: what it does when it does not explore"),
    CFG_DOUBLE(struct controller_cfg, random, "0.3", 0, 1, "", CFG_RESULT,
               "explore: share of the changes, by service, that are drawn; with rule: static, how "
               "often the replicas of a service are"),
    CFG_ENUM(struct controller_cfg, choice, "uniform", scripts, CFG_RESULT,
             "scripted: how an agent chooses inside its mask"),
    CFG_END,
};

int controller_desired(const float *state, int service)
{
    return (int)state[state_service_at(service, SF_DESIRED)];
}

int controller_clip(const struct world *world, int service, int replicas)
{
    const struct service_cfg *s = &world->cfg.topology->services[service];
    return replicas < s->min_replicas   ? s->min_replicas
           : replicas > s->max_replicas ? s->max_replicas
                                        : replicas;
}

struct staffing_rule controller_staffing(const struct controller_cfg *cfg,
                                         const struct world *world)
{
    return (struct staffing_rule){.utilisation = cfg->utilisation,
                                  .response_s =
                                      cfg->wait_share * world->cfg.plant->latency_max_ms * 1e-3};
}

enum err controller_cfg_check(const struct controller_cfg *controllers, int n,
                              const struct topology_cfg *topology)
{
    for (int i = 0; i < n; i++) {
        const struct controller_cfg *c = &controllers[i];
        if (c->kind == CONTROLLER_KHPA ||
            (c->kind == CONTROLLER_EXPLORE && c->rule == CONTROLLER_KHPA)) {
            TRY(khpa_cfg_check(c, topology));
        }
    }
    return ERR_OK;
}

enum err controller_new(struct controller **out, struct arena *arena,
                        const struct controller_cfg *cfg, const struct world *world,
                        const struct rules *rules, const struct team *team)
{
    enum err e = ERR_FAILED;
    switch ((enum controller_kind)cfg->kind) {
    case CONTROLLER_NOTHING:
        e = nothing_new(out, arena, world);
        break;
    case CONTROLLER_STATIC:
        e = static_new(out, arena, cfg, world);
        break;
    case CONTROLLER_KHPA:
        e = khpa_new(out, arena, cfg, world);
        break;
    case CONTROLLER_FF:
        e = ff_new(out, arena, cfg, world);
        break;
    case CONTROLLER_ORACLE:
        e = oracle_new(out, arena, cfg, world);
        break;
    case CONTROLLER_EXPLORE:
        e = explore_new(out, arena, cfg, world);
        break;
    case CONTROLLER_SCRIPTED:
        e = scripted_new(out, arena, cfg, world, rules);
        break;
    case CONTROLLER_POLICY:
        e = policy_new(out, arena, cfg, world, rules, team);
        break;
    case CONTROLLER_KINDS:
        break;
    }
    TRY(e);
    (*out)->world = world;
    (*out)->name = controller_label(cfg);
    return ERR_OK;
}

const char *controller_label(const struct controller_cfg *cfg)
{
    return cfg->name[0] != '\0' ? cfg->name : cfg_choice_name(kinds, cfg->kind);
}

const char *controller_kind_name(enum controller_kind kind)
{
    return cfg_choice_name(kinds, (int)kind);
}
