/* The tables of the organisation: what may stand in its YAML. A table stands before those that
 * contain it. Rows marked CFG_OUTPUT (names and sentences for people) do not enter the digests of a
 * run; all others do. */
#include "core/org/org.h"

#include <limits.h>

const struct cfg_choice org_link_choices[] = {
    {"acquaintance", ORG_ACQUAINTANCE, "knows of"},
    {"communication", ORG_COMMUNICATION, "may speak to"},
    {"authority", ORG_AUTHORITY, "may direct"},
    {NULL, 0, NULL},
};
const struct cfg_choice org_scope_choices[] = {
    {"intra", ORG_INTRA, "inside one instance of the group"},
    {"inter", ORG_INTER, "between instances, too"},
    {NULL, 0, NULL},
};
const struct cfg_choice org_operator_choices[] = {
    {"sequence", ORG_SEQUENCE, "one after the other"},
    {"choice", ORG_CHOICE, "one of them"},
    {"parallel", ORG_PARALLEL, "all, in any order"},
    {NULL, 0, NULL},
};
const struct cfg_choice org_norm_choices[] = {
    {"permission", ORG_PERMISSION, "the mission counts half"},
    {"obligation", ORG_OBLIGATION, "the mission counts in full"},
    {NULL, 0, NULL},
};

static const struct cfg_field define_fields[] = {
    CFG_STRING(struct org_define_cfg, name, CFG_REQUIRED, CFG_RESULT,
               "what later expressions call it"),
    CFG_STRING(struct org_define_cfg, is, CFG_REQUIRED, CFG_RESULT, "an expression"),
    CFG_END,
};

/* The range of from and to is wide on purpose: plant.alpha limits them, and guides.c, which knows
 * it, says so in its message. */
static const struct cfg_field rule_fields[] = {
    CFG_STRING(struct org_rule_cfg, when, "true", CFG_RESULT, "condition on the state as a whole"),
    CFG_STRING(struct org_rule_cfg, on, "true", CFG_RESULT,
               "condition that selects services, one value for each"),
    CFG_INT(struct org_rule_cfg, from, CFG_REQUIRED, -1000, 1000, "pods", CFG_RESULT,
            "least change allowed then and there"),
    CFG_INT(struct org_rule_cfg, to, CFG_REQUIRED, -1000, 1000, "pods", CFG_RESULT,
            "greatest change allowed"),
    CFG_END,
};

static const struct cfg_field role_fields[] = {
    CFG_STRING(struct org_role_cfg, name, CFG_REQUIRED, CFG_RESULT, "of the role"),
    CFG_STRING(struct org_role_cfg, doc, "", CFG_OUTPUT, "a sentence for tables"),
    CFG_LIST_STRING(struct org_role_cfg, inherits, n_inherits, "[]", 0, ORG_ROLES_MAX, CFG_RESULT,
                    "roles whose rules and norms it has, too"),
    CFG_DOUBLE(struct org_role_cfg, hardness, "-1", -1, 1, "", CFG_RESULT,
               "of this role; -1 = the organisation's"),
    CFG_LIST(struct org_role_cfg, rules, n_rules, struct org_rule_cfg, rule_fields, "[]", 0,
             ORG_LIST_MAX, "changes of replicas it allows; no change is always allowed"),
    CFG_END,
};

static const struct cfg_field member_fields[] = {
    CFG_STRING(struct org_member_cfg, role, CFG_REQUIRED, CFG_RESULT, "role"),
    CFG_INT(struct org_member_cfg, min, "0", 0, INT_MAX, "", CFG_RESULT, "fewest"),
    CFG_INT(struct org_member_cfg, max, "1000", 0, INT_MAX, "", CFG_RESULT, "most"),
    CFG_END,
};

static const struct cfg_field subgroup_fields[] = {
    CFG_STRING(struct org_subgroup_cfg, group, CFG_REQUIRED, CFG_RESULT, "group"),
    CFG_INT(struct org_subgroup_cfg, min, "0", 0, INT_MAX, "", CFG_RESULT, "fewest instances"),
    CFG_INT(struct org_subgroup_cfg, max, "1000", 0, INT_MAX, "", CFG_RESULT, "most"),
    CFG_END,
};

static const struct cfg_field link_fields[] = {
    CFG_STRING(struct org_link_cfg, from, CFG_REQUIRED, CFG_RESULT, "role"),
    CFG_STRING(struct org_link_cfg, to, CFG_REQUIRED, CFG_RESULT, "role"),
    CFG_ENUM(struct org_link_cfg, kind, "acquaintance", org_link_choices, CFG_RESULT,
             "what the first may do to the second"),
    CFG_ENUM(struct org_link_cfg, scope, "intra", org_scope_choices, CFG_RESULT, "where"),
    CFG_END,
};

static const struct cfg_field compatibility_fields[] = {
    CFG_STRING(struct org_compatibility_cfg, from, CFG_REQUIRED, CFG_RESULT, "role"),
    CFG_STRING(struct org_compatibility_cfg, to, CFG_REQUIRED, CFG_RESULT,
               "role that one agent may play besides"),
    CFG_ENUM(struct org_compatibility_cfg, scope, "intra", org_scope_choices, CFG_RESULT, "where"),
    CFG_END,
};

static const struct cfg_field group_fields[] = {
    CFG_STRING(struct org_group_cfg, name, CFG_REQUIRED, CFG_RESULT, "of the group"),
    CFG_LIST(struct org_group_cfg, roles, n_roles, struct org_member_cfg, member_fields, "[]", 0,
             ORG_LIST_MAX, "roles, and how many agents play each"),
    CFG_LIST(struct org_group_cfg, subgroups, n_subgroups, struct org_subgroup_cfg, subgroup_fields,
             "[]", 0, ORG_LIST_MAX, "groups inside it"),
    CFG_LIST(struct org_group_cfg, links, n_links, struct org_link_cfg, link_fields, "[]", 0,
             ORG_LIST_MAX, "between roles"),
    CFG_LIST(struct org_group_cfg, compatible, n_compatible, struct org_compatibility_cfg,
             compatibility_fields, "[]", 0, ORG_LIST_MAX, "roles that one agent may play together"),
    CFG_END,
};

static const struct cfg_field goal_fields[] = {
    CFG_STRING(struct org_goal_cfg, name, CFG_REQUIRED, CFG_RESULT, "of the goal"),
    CFG_STRING(struct org_goal_cfg, loss, "0", CFG_RESULT,
               "expression: how far away it is, 0 = reached"),
    CFG_STRING(struct org_goal_cfg, divisor, "1", CFG_RESULT,
               "expression: the loss that counts as 1; the term is -loss / divisor in [-1, 0]"),
    CFG_STRING(struct org_goal_cfg, achieved, "false", CFG_RESULT,
               "condition; the bonus is given when it becomes true"),
    CFG_DOUBLE(struct org_goal_cfg, bonus, "0", 0, 100, "", CFG_RESULT, "reward for it"),
    CFG_END,
};

static const struct cfg_field weighted_fields[] = {
    CFG_STRING(struct org_weighted_cfg, goal, CFG_REQUIRED, CFG_RESULT, "goal"),
    CFG_DOUBLE(struct org_weighted_cfg, weight, "1", 0, 1, "", CFG_RESULT,
               "its share of the mission; the shares sum to at most 1"),
    CFG_END,
};

static const struct cfg_field mission_fields[] = {
    CFG_STRING(struct org_mission_cfg, name, CFG_REQUIRED, CFG_RESULT, "of the mission"),
    CFG_LIST(struct org_mission_cfg, goals, n_goals, struct org_weighted_cfg, weighted_fields,
             CFG_REQUIRED, 1, ORG_LIST_MAX, "what it is made of"),
    CFG_INT(struct org_mission_cfg, min, "0", 0, INT_MAX, "", CFG_RESULT,
            "fewest agents that a norm commits to it"),
    CFG_INT(struct org_mission_cfg, max, "1000", 0, INT_MAX, "", CFG_RESULT, "most"),
    CFG_END,
};

static const struct cfg_field plan_fields[] = {
    CFG_STRING(struct org_plan_cfg, goal, CFG_REQUIRED, CFG_RESULT, "the goal it reaches"),
    CFG_ENUM(struct org_plan_cfg, is, CFG_REQUIRED, org_operator_choices, CFG_RESULT, "operator"),
    CFG_LIST_STRING(struct org_plan_cfg, of, n_of, CFG_REQUIRED, 1, ORG_LIST_MAX, CFG_RESULT,
                    "goals it takes"),
    CFG_END,
};

static const struct cfg_field scheme_fields[] = {
    CFG_STRING(struct org_scheme_cfg, name, CFG_REQUIRED, CFG_RESULT, "of the scheme"),
    CFG_STRING(struct org_scheme_cfg, root, CFG_REQUIRED, CFG_RESULT, "goal it is for"),
    CFG_LIST(struct org_scheme_cfg, plans, n_plans, struct org_plan_cfg, plan_fields, "[]", 0,
             ORG_LIST_MAX, "how goals are made of goals"),
    CFG_LIST_STRING(struct org_scheme_cfg, missions, n_missions, "[]", 0, ORG_LIST_MAX, CFG_RESULT,
                    "missions that distribute its goals"),
    CFG_END,
};

static const struct cfg_field preference_fields[] = {
    CFG_STRING(struct org_preference_cfg, mission, CFG_REQUIRED, CFG_RESULT, "goes first"),
    CFG_STRING(struct org_preference_cfg, over, CFG_REQUIRED, CFG_RESULT, "comes after it"),
    CFG_END,
};

/* `steps` is a list of 0 to 2 numbers; org.c refuses one, which is no interval. */
static const struct cfg_field norm_fields[] = {
    CFG_STRING(struct org_norm_cfg, role, CFG_REQUIRED, CFG_RESULT, "whom it binds"),
    CFG_STRING(struct org_norm_cfg, mission, CFG_REQUIRED, CFG_RESULT, "to what"),
    CFG_ENUM(struct org_norm_cfg, kind, "obligation", org_norm_choices, CFG_RESULT, "how"),
    CFG_LIST_INT(struct org_norm_cfg, steps, n_steps, "[]", 0, 2, 0, INT_MAX, "decisions",
                 CFG_RESULT, "[first, end): when it is in force; none = any time"),
    CFG_STRING(struct org_norm_cfg, when, "true", CFG_RESULT, "condition for it to be in force"),
    CFG_END,
};

/* Agents may be none: then the organisation is checked and drawn, but binds nobody. */
static const struct cfg_field agent_fields[] = {
    CFG_STRING(struct org_agent_cfg, name, CFG_REQUIRED, CFG_RESULT, "of the agent"),
    CFG_LIST_STRING(struct org_agent_cfg, roles, n_roles, CFG_REQUIRED, 1, ORG_ROLES_MAX,
                    CFG_RESULT, "roles it plays"),
    CFG_END,
};

const struct cfg_field org_fields[] = {
    CFG_STRING(struct org_cfg, name, "", CFG_OUTPUT, "of the organisation"),
    CFG_DOUBLE(struct org_cfg, hardness, "1", 0, 1, "", CFG_RESULT,
               "probability that an agent must choose inside its role's rules"),
    CFG_DOUBLE(struct org_cfg, penalty, "0.1", 0, 10, "", CFG_RESULT,
               "of a choice outside, times (1 - hardness)"),
    CFG_DOUBLE(struct org_cfg, mission_weight, "0.25", 0, 10, "", CFG_RESULT,
               "of mission terms in the reward; 0 = no missions"),
    CFG_LIST(struct org_cfg, define, n_define, struct org_define_cfg, define_fields, "[]", 0,
             ORG_LIST_MAX, "names for expressions, each may use those before it"),
    CFG_LIST(struct org_cfg, roles, n_roles, struct org_role_cfg, role_fields, "[]", 0,
             ORG_ROLES_MAX, "structural: roles"),
    CFG_LIST(struct org_cfg, groups, n_groups, struct org_group_cfg, group_fields, "[]", 0,
             ORG_LIST_MAX, "structural: groups, links, compatibilities"),
    CFG_LIST(struct org_cfg, goals, n_goals, struct org_goal_cfg, goal_fields, "[]", 0,
             ORG_LIST_MAX, "functional: goals"),
    CFG_LIST(struct org_cfg, missions, n_missions, struct org_mission_cfg, mission_fields, "[]", 0,
             ORG_LIST_MAX, "functional: missions"),
    CFG_LIST(struct org_cfg, schemes, n_schemes, struct org_scheme_cfg, scheme_fields, "[]", 0,
             ORG_LIST_MAX, "functional: plans of goals"),
    CFG_LIST(struct org_cfg, preferences, n_preferences, struct org_preference_cfg,
             preference_fields, "[]", 0, ORG_LIST_MAX, "functional: order of missions"),
    CFG_LIST(struct org_cfg, norms, n_norms, struct org_norm_cfg, norm_fields, "[]", 0,
             ORG_LIST_MAX, "deontic: who must or may do what, and when"),
    CFG_LIST(struct org_cfg, agents, n_agents, struct org_agent_cfg, agent_fields, "[]", 0,
             ORG_LIST_MAX, "who plays which roles"),
    CFG_END,
};
