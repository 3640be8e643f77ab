/* From names to a checked organisation: what MOISE+ calls well formed.
 *
 * Every list has names of its own; a reference is looked up in one of them (enum list), and for
 * what is not found the nearest name is suggested. Inheritance, plans, subgroups and preferences
 * are graphs on at most 64 nodes, stored as bit sets and closed by Warshall's algorithm; a node
 * that reaches itself lies on a cycle. Lists are so short that every look-up is a linear search. */
#include "core/org/org.h"

#include "core/base/nearest.h"
#include "core/plant/plant.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum list { ROLES, GROUPS, GOALS, MISSIONS, SCHEMES, AGENTS, LISTS };

static const struct {
    const char *key, *what;
} lists[LISTS] = {
    [ROLES] = {"roles", "role"},       [GROUPS] = {"groups", "group"},
    [GOALS] = {"goals", "goal"},       [MISSIONS] = {"missions", "mission"},
    [SCHEMES] = {"schemes", "scheme"}, [AGENTS] = {"agents", "agent"},
};

static int list_size(const struct org_cfg *c, enum list l)
{
    const int n[LISTS] = {c->n_roles,    c->n_groups,  c->n_goals,
                          c->n_missions, c->n_schemes, c->n_agents};
    return n[l];
}

static const char *list_name(const struct org_cfg *c, enum list l, int i)
{
    switch (l) {
    case ROLES:
        return c->roles[i].name;
    case GROUPS:
        return c->groups[i].name;
    case GOALS:
        return c->goals[i].name;
    case MISSIONS:
        return c->missions[i].name;
    case SCHEMES:
        return c->schemes[i].name;
    default:
        return c->agents[i].name;
    }
}

static int list_find(const struct org_cfg *c, enum list l, const char *name)
{
    for (int i = 0; i < list_size(c, l); i++) {
        if (strcmp(list_name(c, l, i), name) == 0) {
            return i;
        }
    }
    return -1;
}

int org_find_role(const struct org_cfg *c, const char *name)
{
    return list_find(c, ROLES, name);
}

int org_find_goal(const struct org_cfg *c, const char *name)
{
    return list_find(c, GOALS, name);
}

int org_find_mission(const struct org_cfg *c, const char *name)
{
    return list_find(c, MISSIONS, name);
}

/* ---- sentences ---- */

enum err org_error(const struct org *o, const char *key, const char *fmt, ...)
{
    char sentence[800], whole[ORG_KEY_BYTES];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(sentence, sizeof sentence, fmt, ap);
    va_end(ap);
    (void)snprintf(whole, sizeof whole, "%s.%s", o->prefix, key);
    return plant_cfg_error(o->src_locs, whole, "%s", sentence);
}

struct key {
    char s[ORG_KEY_BYTES];
};

static struct key key_of(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static struct key key_of(const char *fmt, ...)
{
    struct key k;
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(k.s, sizeof k.s, fmt, ap);
    va_end(ap);
    return k;
}

/* Looks a name up; *out is its index. */
static enum err resolve(int *out, const struct org *o, enum list l, const char *name,
                        struct key key)
{
    const int found = list_find(o->cfg, l, name);
    if (found >= 0) {
        *out = found;
        return ERR_OK;
    }
    struct nearest near = nearest_to(name);
    for (int i = 0; i < list_size(o->cfg, l); i++) {
        nearest_offer(&near, list_name(o->cfg, l, i));
    }
    const char *word = nearest_word(&near);
    return org_error(o, key.s, "'%.80s' is no %s of this organisation%s%s%s", name, lists[l].what,
                     word != NULL ? "; did you mean '" : "", word != NULL ? word : "",
                     word != NULL ? "'?" : "; add it, or correct the name");
}

/* ---- names ---- */

/* list_find() returns the first element of a name, so an element that is not found at its own index
 * has the name of an earlier one. */
static enum err check_names(const struct org *o)
{
    for (int l = 0; l < LISTS; l++) {
        for (int i = 0; i < list_size(o->cfg, (enum list)l); i++) {
            const char *name = list_name(o->cfg, (enum list)l, i);
            const int first = list_find(o->cfg, (enum list)l, name);
            if (name[0] == '\0' || strlen(name) > 63) {
                return org_error(o, key_of("%s.%d.name", lists[l].key, i).s,
                                 "a name has 1 to 63 characters");
            }
            if (first != i) {
                return org_error(o, key_of("%s.%d.name", lists[l].key, i).s,
                                 "'%s' is already the name of %s %d; choose another name", name,
                                 lists[l].what, first);
            }
        }
    }
    return ERR_OK;
}

/* ---- graphs ---- */

/* Closes `reach` (n, bit j of reach[i]: an edge from i to j) in place to paths of one edge or more;
 * close_relation() in expr.c has the proof. A graph has a cycle exactly if a node then reaches
 * itself: the smallest such node, or -1. */
static int close_graph(uint64_t *reach, int n)
{
    for (int via = 0; via < n; via++) {
        for (int i = 0; i < n; i++) {
            if (reach[i] >> via & 1U) {
                reach[i] |= reach[via];
            }
        }
    }
    for (int i = 0; i < n; i++) {
        if (reach[i] >> i & 1U) {
            return i;
        }
    }
    return -1;
}

/* ---- roles ---- */

static enum err check_rule(const struct org *o, int role, int rule)
{
    const struct org_role_cfg *c = &o->cfg->roles[role];
    const struct org_rule_cfg *r = &c->rules[rule];
    const struct key key = key_of("roles.%d.rules.%d.from", role, rule);
    if (r->from > r->to) {
        return org_error(o, key.s,
                         "role '%s' allows changes from %d to %d, which is none; swap them",
                         c->name, r->from, r->to);
    }
    if (r->from == 0 && r->to == 0) {
        return org_error(o, key.s,
                         "role '%s' allows only 'no change' by this rule, which is always allowed; "
                         "remove the rule or widen it",
                         c->name);
    }
    return ERR_OK;
}

/* up[i] holds the parents of role i, then, closed, all ancestors; role_is adds the role itself. So
 * whether a role is another one, and with it all inherited rules and norms, is one bit afterwards.
 * At most ORG_ROLES_MAX = 32 roles exist, so the upper halves of the closed rows are empty. */
static enum err check_roles(uint32_t *role_is, const struct org *o)
{
    const int n = o->cfg->n_roles;
    uint64_t up[ORG_ROLES_MAX] = {0};
    for (int i = 0; i < n; i++) {
        const struct org_role_cfg *c = &o->cfg->roles[i];
        if (c->hardness < 0.0 && c->hardness != -1.0) {
            return org_error(o, key_of("roles.%d.hardness", i).s,
                             "role '%s' has hardness %g; 0 to 1, or -1 for the organisation's",
                             c->name, c->hardness);
        }
        for (int k = 0; k < c->n_inherits; k++) {
            int parent = 0;
            TRY(resolve(&parent, o, ROLES, c->inherits[k], key_of("roles.%d.inherits.%d", i, k)));
            up[i] |= UINT64_C(1) << parent;
        }
        for (int k = 0; k < c->n_rules; k++) {
            TRY(check_rule(o, i, k));
        }
    }
    const int cyclic = close_graph(up, n);
    if (cyclic >= 0) {
        return org_error(o, key_of("roles.%d.inherits", cyclic).s,
                         "role '%s' inherits from itself through its parents; remove one of them",
                         o->cfg->roles[cyclic].name);
    }
    for (int i = 0; i < n; i++) {
        role_is[i] = (uint32_t)up[i] | UINT32_C(1) << i;
    }
    return ERR_OK;
}

/* ---- agents and groups ---- */

/* Whether some group lets one agent play both roles. A declaration holds for all roles that inherit
 * from those it names, and in both directions. check_groups() has resolved the names, so both are
 * found. */
static bool are_compatible(const struct org *o, int a, int b)
{
    for (int g = 0; g < o->cfg->n_groups; g++) {
        const struct org_group_cfg *c = &o->cfg->groups[g];
        for (int k = 0; k < c->n_compatible; k++) {
            const int from = org_find_role(o->cfg, c->compatible[k].from);
            const int to = org_find_role(o->cfg, c->compatible[k].to);
            if ((o->role_is[a] >> from & o->role_is[b] >> to & 1U) != 0 ||
                (o->role_is[b] >> from & o->role_is[a] >> to & 1U) != 0) {
                return true;
            }
        }
    }
    return false;
}

/* Whether a group has the role, or one that it inherits from. An organisation without groups says
 * nothing about membership, so every role has its place. */
static bool has_group(const struct org *o, int role)
{
    bool found = o->cfg->n_groups == 0;
    for (int g = 0; g < o->cfg->n_groups; g++) {
        const struct org_group_cfg *c = &o->cfg->groups[g];
        for (int k = 0; k < c->n_roles; k++) {
            found = found || (o->role_is[role] >> org_find_role(o->cfg, c->roles[k].role) & 1U);
        }
    }
    return found;
}

/* *is: all that the agent's roles are, inherited roles included. Each pair of roles is checked
 * once, when the later of them is met. */
static enum err check_agent(const struct org *o, uint32_t *is, int agent)
{
    const struct org_agent_cfg *c = &o->cfg->agents[agent];
    int role[ORG_ROLES_MAX];
    *is = 0;
    for (int k = 0; k < c->n_roles; k++) {
        const struct key key = key_of("agents.%d.roles.%d", agent, k);
        TRY(resolve(&role[k], o, ROLES, c->roles[k], key));
        *is |= o->role_is[role[k]];
        if (!has_group(o, role[k])) {
            return org_error(o, key.s,
                             "agent '%s' plays '%s', which belongs to no group; add it "
                             "to the roles of a group",
                             c->name, c->roles[k]);
        }
        for (int j = 0; j < k; j++) {
            if (!are_compatible(o, role[j], role[k])) {
                return org_error(o, key.s,
                                 "agent '%s' plays '%s' and '%s', which no group declares "
                                 "compatible; give it one of them, or declare it",
                                 c->name, c->roles[j], c->roles[k]);
            }
        }
    }
    return ERR_OK;
}

/* n agents against the cardinality min .. max. n = -1: there is nothing to count, and only the
 * cardinality itself is checked. */
static enum err check_count(const struct org *o, struct key key, const char *what, const char *name,
                            int n, int min, int max)
{
    if (min > max) {
        return org_error(o, key.s, "%s '%s' has min %d above max %d; swap them", what, name, min,
                         max);
    }
    if (n >= 0 && (n < min || n > max)) {
        return org_error(o, key.s,
                         "%s '%s' needs %d to %d agents and has %d; change the agents or the "
                         "cardinality",
                         what, name, min, max, n);
    }
    return ERR_OK;
}

/* Agents that play a role; -1 while there are no agents at all. */
static int count_players(const struct org *o, int role)
{
    int n = 0;
    for (int a = 0; a < o->cfg->n_agents; a++) {
        n += (int)(o->agent_is[a] >> role & 1U);
    }
    return o->cfg->n_agents > 0 ? n : -1;
}

/* Both ends of a link or of a compatibility are roles. */
static enum err check_pair(const struct org *o, const char *from, const char *to, int g,
                           const char *list, int k)
{
    int ignored = 0;
    TRY(resolve(&ignored, o, ROLES, from, key_of("groups.%d.%s.%d.from", g, list, k)));
    return resolve(&ignored, o, ROLES, to, key_of("groups.%d.%s.%d.to", g, list, k));
}

/* Instances of subgroups are not modelled, so of their cardinality only min <= max is checked. */
static enum err check_groups(const struct org *o)
{
    uint64_t inside[ORG_LIST_MAX] = {0};
    for (int g = 0; g < o->cfg->n_groups; g++) {
        const struct org_group_cfg *c = &o->cfg->groups[g];
        int found = 0;
        for (int k = 0; k < c->n_roles; k++) {
            TRY(resolve(&found, o, ROLES, c->roles[k].role,
                        key_of("groups.%d.roles.%d.role", g, k)));
        }
        for (int k = 0; k < c->n_subgroups; k++) {
            const struct org_subgroup_cfg *sub = &c->subgroups[k];
            const struct key key = key_of("groups.%d.subgroups.%d.group", g, k);
            TRY(resolve(&found, o, GROUPS, sub->group, key));
            TRY(check_count(o, key, "group", sub->group, -1, sub->min, sub->max));
            inside[g] |= UINT64_C(1) << found;
        }
        for (int k = 0; k < c->n_links; k++) {
            TRY(check_pair(o, c->links[k].from, c->links[k].to, g, "links", k));
        }
        for (int k = 0; k < c->n_compatible; k++) {
            TRY(check_pair(o, c->compatible[k].from, c->compatible[k].to, g, "compatible", k));
        }
    }
    const int cyclic = close_graph(inside, o->cfg->n_groups);
    return cyclic < 0 ? ERR_OK
                      : org_error(o, key_of("groups.%d.subgroups", cyclic).s,
                                  "group '%s' contains itself; remove one of the subgroups",
                                  o->cfg->groups[cyclic].name);
}

/* An agent counts for a role if it plays the role or one that inherits from it. */
static enum err check_cardinalities(const struct org *o)
{
    for (int g = 0; g < o->cfg->n_groups; g++) {
        const struct org_group_cfg *c = &o->cfg->groups[g];
        for (int k = 0; k < c->n_roles; k++) {
            const struct org_member_cfg *m = &c->roles[k];
            TRY(check_count(o, key_of("groups.%d.roles.%d.role", g, k), "role", m->role,
                            count_players(o, org_find_role(o->cfg, m->role)), m->min, m->max));
        }
    }
    return ERR_OK;
}

/* ---- missions ---- */

/* goal (n_goals): the indices. A goal that stands twice would count twice. The tolerance is for
 * decimal weights, such as ten times 0.1, whose sum in binary differs from 1 in the last digits. */
static enum err check_mission(int *goal, const struct org *o, int m)
{
    const struct org_mission_cfg *c = &o->cfg->missions[m];
    double weights = 0.0;
    for (int k = 0; k < c->n_goals; k++) {
        const struct key key = key_of("missions.%d.goals.%d.goal", m, k);
        TRY(resolve(&goal[k], o, GOALS, c->goals[k].goal, key));
        for (int j = 0; j < k; j++) {
            if (goal[j] == goal[k]) {
                return org_error(o, key.s, "mission '%s' has goal '%s' twice; remove one", c->name,
                                 c->goals[k].goal);
            }
        }
        weights += c->goals[k].weight;
    }
    if (weights > 1.0 + 1e-9) {
        return org_error(o, key_of("missions.%d.goals", m).s,
                         "the weights of mission '%s' sum to %g; at most 1, so that its term stays "
                         "in [-1, 0]",
                         c->name, weights);
    }
    return ERR_OK;
}

/* begin holds prefix sums: the goals of mission m are goal[begin[m]] .. goal[begin[m + 1] - 1]. */
static enum err check_missions(int *begin, int *goal, const struct org *o)
{
    int at = 0;
    for (int m = 0; m < o->cfg->n_missions; m++) {
        begin[m] = at;
        TRY(check_mission(goal + at, o, m));
        at += o->cfg->missions[m].n_goals;
    }
    begin[o->cfg->n_missions] = at;
    return ERR_OK;
}

/* below[g]: the goals in the plan of g, at the end closed to all goals that g is made of, at any
 * depth. A plan has at least one part (org_fields.c), so a row that is not empty tells that the
 * goal already has a plan in this scheme. */
static enum err check_plans(uint64_t *below, const struct org *o, int s)
{
    const struct org_scheme_cfg *c = &o->cfg->schemes[s];
    for (int k = 0; k < c->n_plans; k++) {
        int goal = 0, part = 0;
        const struct key key = key_of("schemes.%d.plans.%d.goal", s, k);
        TRY(resolve(&goal, o, GOALS, c->plans[k].goal, key));
        if (below[goal] != 0) {
            return org_error(o, key.s, "goal '%s' has two plans in scheme '%s'; remove one",
                             c->plans[k].goal, c->name);
        }
        for (int j = 0; j < c->plans[k].n_of; j++) {
            TRY(resolve(&part, o, GOALS, c->plans[k].of[j],
                        key_of("schemes.%d.plans.%d.of.%d", s, k, j)));
            below[goal] |= UINT64_C(1) << part;
        }
    }
    const int cyclic = close_graph(below, o->cfg->n_goals);
    return cyclic < 0 ? ERR_OK
                      : org_error(o, key_of("schemes.%d.plans", s).s,
                                  "goal '%s' is part of its own plan in scheme '%s'; remove it",
                                  o->cfg->goals[cyclic].name, c->name);
}

/* A mission of a scheme may only hold goals that lie below the root: no plan would lead to others.
 */
static enum err check_scheme(const struct org *o, int s)
{
    const struct org_scheme_cfg *c = &o->cfg->schemes[s];
    uint64_t below[ORG_LIST_MAX] = {0};
    int root = 0;
    TRY(resolve(&root, o, GOALS, c->root, key_of("schemes.%d.root", s)));
    TRY(check_plans(below, o, s));
    const uint64_t reached = below[root] | UINT64_C(1) << root;
    for (int k = 0; k < c->n_missions; k++) {
        int m = 0;
        const struct key key = key_of("schemes.%d.missions.%d", s, k);
        TRY(resolve(&m, o, MISSIONS, c->missions[k], key));
        for (int i = o->goal_begin[m]; i < o->goal_begin[m + 1]; i++) {
            if ((reached >> o->goal[i] & 1U) == 0) {
                return org_error(o, key.s,
                                 "mission '%s' has goal '%s', which no plan of scheme '%s' reaches "
                                 "from '%s'; add it to a plan",
                                 c->missions[k], o->cfg->goals[o->goal[i]].name, c->name, c->root);
            }
        }
    }
    return ERR_OK;
}

static enum err check_functional(const struct org *o)
{
    uint64_t before[ORG_LIST_MAX] = {0};
    for (int s = 0; s < o->cfg->n_schemes; s++) {
        TRY(check_scheme(o, s));
    }
    for (int k = 0; k < o->cfg->n_preferences; k++) {
        int first = 0, second = 0;
        TRY(resolve(&first, o, MISSIONS, o->cfg->preferences[k].mission,
                    key_of("preferences.%d.mission", k)));
        TRY(resolve(&second, o, MISSIONS, o->cfg->preferences[k].over,
                    key_of("preferences.%d.over", k)));
        before[first] |= UINT64_C(1) << second;
    }
    const int cyclic = close_graph(before, o->cfg->n_missions);
    return cyclic < 0 ? ERR_OK
                      : org_error(o, "preferences",
                                  "mission '%s' is preferred to itself; remove a preference",
                                  o->cfg->missions[cyclic].name);
}

/* ---- norms ---- */

static enum err check_norms(int *role, int *mission, const struct org *o)
{
    for (int i = 0; i < o->cfg->n_norms; i++) {
        const struct org_norm_cfg *c = &o->cfg->norms[i];
        TRY(resolve(&role[i], o, ROLES, c->role, key_of("norms.%d.role", i)));
        TRY(resolve(&mission[i], o, MISSIONS, c->mission, key_of("norms.%d.mission", i)));
        if (c->n_steps == 1 || (c->n_steps == 2 && c->steps[0] >= c->steps[1])) {
            return org_error(o, key_of("norms.%d.steps", i).s,
                             "the norm of '%s' for '%s' is in force at no decision; write "
                             "[first, end) with first below end, or [] for any time",
                             c->role, c->mission);
        }
    }
    return ERR_OK;
}

/* By any norm, obligation or permission, whenever it is in force. */
static bool is_committed(const struct org *o, int agent, int mission)
{
    for (int i = 0; i < o->cfg->n_norms; i++) {
        if (o->norm_mission[i] == mission && org_norm_binds(o, i, agent)) {
            return true;
        }
    }
    return false;
}

static enum err check_commitments(const struct org *o)
{
    for (int m = 0; m < o->cfg->n_missions; m++) {
        const struct org_mission_cfg *c = &o->cfg->missions[m];
        int n = 0;
        for (int a = 0; a < o->cfg->n_agents; a++) {
            n += is_committed(o, a, m);
        }
        TRY(check_count(o, key_of("missions.%d.name", m), "mission", c->name,
                        o->cfg->n_agents > 0 ? n : -1, c->min, c->max));
    }
    return ERR_OK;
}

/* ---- all of it ---- */

double org_hardness(const struct org *o, int agent)
{
    const struct org_agent_cfg *c = &o->cfg->agents[agent];
    double greatest = 0.0;
    for (int k = 0; k < c->n_roles; k++) {
        const double own = o->cfg->roles[org_find_role(o->cfg, c->roles[k])].hardness;
        const double h = own < 0.0 ? o->cfg->hardness : own;
        greatest = h > greatest ? h : greatest;
    }
    return greatest;
}

/* Over all missions: goals that stand in two missions count twice. */
static int count_goals(const struct org_cfg *c)
{
    int n = 0;
    for (int m = 0; m < c->n_missions; m++) {
        n += c->missions[m].n_goals;
    }
    return n;
}

enum err org_init(struct org *o, struct arena *arena, const struct org_cfg *cfg,
                  const struct cfg *src_locs, const char *prefix)
{
    uint32_t *role_is = ARENA_NEW(arena, cfg->n_roles, uint32_t);
    uint32_t *agent_is = ARENA_NEW(arena, cfg->n_agents, uint32_t);
    int *norms = ARENA_NEW(arena, 2 * cfg->n_norms, int);
    int *begin = ARENA_NEW(arena, cfg->n_missions + 1, int);
    int *goal = ARENA_NEW(arena, count_goals(cfg), int);
    TRY(arena_error(arena));
    const struct org made = {.cfg = cfg,
                             .src_locs = src_locs,
                             .prefix = prefix,
                             .role_is = role_is,
                             .agent_is = agent_is,
                             .norm_role = norms,
                             .norm_mission = norms + cfg->n_norms,
                             .goal_begin = begin,
                             .goal = goal};
    /* Each check relies on those before it: look-ups need names that are unique; groups and agents
     * need closed roles; compatibility needs the roles that groups name; cardinalities need
     * agent_is; schemes need the goals of missions; commitments need norms. The arrays of `made`
     * are filled on the way, each before it is first read. */
    TRY(check_names(&made));
    TRY(check_roles(role_is, &made));
    TRY(check_groups(&made));
    for (int a = 0; a < cfg->n_agents; a++) {
        TRY(check_agent(&made, &agent_is[a], a));
    }
    TRY(check_cardinalities(&made));
    TRY(check_missions(begin, goal, &made));
    TRY(check_functional(&made));
    TRY(check_norms(norms, norms + cfg->n_norms, &made));
    TRY(check_commitments(&made));
    *o = made;
    return ERR_OK;
}
