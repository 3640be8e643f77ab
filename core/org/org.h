/* The organisation as written: who may do what, what counts as good, and when.
 *
 * The three specifications of MOISE+ (Hubner, Sichman, Boissier 2007: "Developing organised
 * multi-agent systems using the MOISE+ model"), as data in YAML:
 *
 *   - structural: roles with inheritance, groups with cardinalities, links, compatibilities
 *   - functional: goals, missions (sets of weighted goals), schemes (plans of goals), preferences
 *   - deontic: norms; a role is obliged or permitted to commit to a mission, from when till when
 *
 * and what joins them to learning agents (MOISE+MARL): rules of a role that say which actions are
 * allowed, hardness, penalty, and numbers behind the goals. Of the three, learning uses roles,
 * missions, norms and agents (guides.h); groups, links, plans and preferences are checked, printed
 * and drawn, and kept for the analysis of what was learned.
 *
 * This file knows names only; expressions (expr.h) stay text until guides.h compiles them.
 */
#ifndef KARMA_ORG_ORG_H
#define KARMA_ORG_ORG_H

#include "core/base/config.h"
#include "core/base/err.h"
#include "core/base/mem.h"

#include <stdint.h>

enum {
    ORG_ROLES_MAX = 32, /* a set of roles: 32 bits */
    ORG_LIST_MAX = 64,  /* elements of every other list */
    ORG_KEY_BYTES = CFG_KEY_MAX,
};

enum org_link_kind { ORG_ACQUAINTANCE, ORG_COMMUNICATION, ORG_AUTHORITY };
enum org_scope { ORG_INTRA, ORG_INTER };
enum org_operator { ORG_SEQUENCE, ORG_CHOICE, ORG_PARALLEL };
enum org_norm_kind { ORG_PERMISSION, ORG_OBLIGATION };
extern const struct cfg_choice org_link_choices[], org_scope_choices[], org_operator_choices[],
    org_norm_choices[];

/* ---- definitions ---- */

struct org_define_cfg {
    const char *name, *is; /* an expression */
};

/* ---- structural ---- */

/* While `when` holds, the changes from..to are allowed at the services that `on` selects. */
struct org_rule_cfg {
    const char *when, *on;
    int from, to;
};

struct org_role_cfg {
    const char *name, *doc;
    const char **inherits;
    int n_inherits;
    double hardness; /* -1: the organisation's */
    struct org_rule_cfg *rules;
    int n_rules;
};

struct org_member_cfg {
    const char *role;
    int min, max; /* agents that play it, or a role that inherits from it */
};

struct org_subgroup_cfg {
    const char *group;
    int min, max; /* instances */
};

struct org_link_cfg {
    const char *from, *to;
    int kind, scope; /* enum org_link_kind, enum org_scope */
};

struct org_compatibility_cfg {
    const char *from, *to;
    int scope;
};

struct org_group_cfg {
    const char *name;
    struct org_member_cfg *roles;
    struct org_subgroup_cfg *subgroups;
    int n_roles, n_subgroups;
    struct org_link_cfg *links;
    int n_links;
    struct org_compatibility_cfg *compatible;
    int n_compatible;
};

/* ---- functional ---- */

struct org_goal_cfg {
    const char *name;
    const char *loss, *divisor; /* expressions: the term is -loss / divisor, cut to [-1, 0] */
    const char *achieved;       /* a condition */
    double bonus;               /* when `achieved` becomes true */
};

struct org_weighted_cfg {
    const char *goal;
    double weight;
};

struct org_mission_cfg {
    const char *name;
    struct org_weighted_cfg *goals;
    int n_goals;
    int min, max; /* agents that commit to it */
};

struct org_plan_cfg {
    const char *goal;
    int is; /* enum org_operator */
    const char **of;
    int n_of;
};

struct org_scheme_cfg {
    const char *name, *root; /* goal */
    struct org_plan_cfg *plans;
    int n_plans;
    const char **missions;
    int n_missions;
};

struct org_preference_cfg {
    const char *mission, *over;
};

/* ---- deontic ---- */

struct org_norm_cfg {
    const char *role, *mission;
    int kind;         /* enum org_norm_kind */
    const int *steps; /* [first, end): decisions of an episode; none = any */
    int n_steps;
    const char *when; /* a condition */
};

struct org_agent_cfg {
    const char *name;
    const char **roles;
    int n_roles;
};

struct org_cfg {
    const char *name;
    double hardness;       /* ch: probability that an agent must choose inside its rules */
    double penalty;        /* eta: of a choice outside, times 1 - ch */
    double mission_weight; /* kappa */
    struct org_define_cfg *define;
    struct org_role_cfg *roles;
    struct org_group_cfg *groups;
    struct org_goal_cfg *goals;
    struct org_mission_cfg *missions;
    struct org_scheme_cfg *schemes;
    struct org_preference_cfg *preferences;
    struct org_norm_cfg *norms;
    struct org_agent_cfg *agents;
    int n_define, n_roles, n_groups, n_goals, n_missions, n_schemes, n_preferences, n_norms,
        n_agents;
};
extern const struct cfg_field org_fields[];

/* ---- checked ---- */

/* Names resolved; immutable. */
struct org {
    const struct org_cfg *cfg;           /* borrowed */
    const struct cfg *src_locs;          /* borrowed; may be NULL */
    const char *prefix;                  /* of keys: "organisation" */
    const uint32_t *role_is;             /* (n_roles) bit r: the role is r or inherits from it */
    const uint32_t *agent_is;            /* (n_agents) the same, over all roles the agent plays */
    const int *norm_role, *norm_mission; /* (n_norms) */
    const int *goal_begin; /* (n_missions + 1) goals of mission m: goal[goal_begin[m] ..] */
    const int *goal;
};

/* Checks that names are unique and known, inheritance, plans, groups and preferences acyclic,
 * cardinalities kept by the agents, roles of one agent compatible, weights of a mission at most 1,
 * intervals not empty. The sentence names the element and its place. `prefix` (static) is the key
 * of the table in the file. cfg and src_locs are kept. ERR_CONFIG, ERR_MEMORY. */
enum err org_init(struct org *o, struct arena *arena, const struct org_cfg *cfg,
                  const struct cfg *src_locs, const char *prefix) WARN_UNUSED;

/* Index by name, -1 if unknown. */
int org_find_role(const struct org_cfg *c, const char *name);
int org_find_goal(const struct org_cfg *c, const char *name);
int org_find_mission(const struct org_cfg *c, const char *name);

/* Whether a norm binds an agent: it plays the norm's role, or one that inherits from it. */
static inline bool org_norm_binds(const struct org *o, int norm, int agent)
{
    return (o->agent_is[agent] >> o->norm_role[norm] & 1U) != 0;
}

/* Whether the norm's interval contains a decision. */
static inline bool org_norm_covers(const struct org_norm_cfg *n, int t)
{
    return n->n_steps == 0 || (t >= n->steps[0] && t < n->steps[1]);
}

/* Hardness of an agent: the greatest of the roles it plays. */
double org_hardness(const struct org *o, int agent);

/* "PLACE: PREFIX.KEY: sentence"; ERR_CONFIG. */
enum err org_error(const struct org *o, const char *key, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Append the organisation as a graph of Graphviz: roles, groups, links, missions, goals, norms,
 * agents. ERR_MEMORY. */
enum err org_dot(struct buf *out, const struct org *o) WARN_UNUSED;

#endif
