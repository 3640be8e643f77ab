/* The organisation as data: the shipped files, every malformed one with its sentence and place, and
 * the graph. */
#include "tests/unit/org_fixture.h"

#include <stdio.h>

/* ---- the shipped files ---- */

static const struct {
    const char *name;
    double hardness, penalty, mission_weight;
} FILES[] = {
    {"karma", 1, 0.1, 0.25}, {"hard", 1, 0.1, 0.25},    {"half", 0.5, 0.1, 0.25},
    {"soft", 0, 0.1, 0.25},  {"roles_only", 1, 0.1, 0}, {"missions_only", 0, 0, 0.25},
    {"none", 0, 0, 0},
};

static void test_shipped_files(void **state)
{
    struct org_fixture *w = *state;
    for (size_t i = 0; i < sizeof FILES / sizeof *FILES; i++) {
        char path[80];
        (void)snprintf(path, sizeof path, "configs/organisations/%s.yaml", FILES[i].name);
        if (org_fixture_file(w, path) != ERR_OK) {
            fail_msg("%s: %s", path, w->log.text);
        }
        const struct org_cfg *c = &w->root.organisation;
        assert_string_equal(c->name, FILES[i].name);
        assert_true(c->penalty == FILES[i].penalty);
        assert_true(c->mission_weight == FILES[i].mission_weight);
        assert_int_equal(c->n_agents, 4);
        assert_int_equal(c->n_roles, 5);
        for (int a = 0; a < 4; a++) {
            assert_true(w->guides.hardness[a] == FILES[i].hardness);
            assert_int_equal(w->guides.org.norm_mission[a], a);
        }
    }
}

/* Other topologies need no other file. */
static void test_other_topologies(void **state)
{
    struct org_fixture *w = *state;
    static const char *const names[] = {"chain", "diamond", "tree", "mesh"};
    for (int i = 0; i < 4; i++) {
        char text[160];
        (void)snprintf(text, sizeof text,
                       "include: [configs/organisations/karma.yaml, configs/topologies/%s.yaml]\n",
                       names[i]);
        if (org_fixture_text(w, text) != ERR_OK) {
            fail_msg("%s: %s", names[i], w->log.text);
        }
    }
}

/* ---- refusals ---- */

#define TEAM                                                                                       \
    "organisation:\n"                                                                              \
    "  define:\n"                                                                                  \
    "    - {name: hot, is: service.queue > 30}\n"                                                  \
    "  roles:\n"                                                                                   \
    "    - {name: base, rules: [{on: hot, from: -1, to: 1}]}\n"                                    \
    "    - {name: up, inherits: [base]}\n"                                                         \
    "    - {name: down, inherits: [base]}\n"                                                       \
    "  goals: [{name: g}, {name: h}]\n"                                                            \
    "  missions: [{name: m, goals: [{goal: g}]}, {name: n, goals: [{goal: h}]}]\n"                 \
    "  agents: [{name: x, roles: [up]}]\n"

struct refusal {
    const char *text; /* after TEAM */
    const char *place, *key, *says;
};

static const struct refusal REFUSALS[] = {
    {"  norms:\n    - {role: upp, mission: m}\n", "t.yaml:12:", "organisation.norms.0.role",
     "'upp' is no role of this organisation; did you mean 'up'?"},
    {"  norms: [{role: up, mission: q}]\n", "t.yaml:11:", "organisation.norms.0.mission",
     "'q' is no mission of this organisation"},
    {"  norms: [{role: up, mission: m, steps: [4]}]\n", "t.yaml:11:", "organisation.norms.0.steps",
     "the norm of 'up' for 'm' is in force at no decision"},
    {"  norms: [{role: up, mission: m, steps: [4, 4]}]\n",
     "t.yaml:11:", "organisation.norms.0.steps", "in force at no decision"},
    {"  norms: [{role: up, mission: m, when: service.queue > 3}]\n",
     "t.yaml:11:", "organisation.norms.0.when", "one value is needed"},
    {"  norms: [{role: up, mission: m, when: ready > 3}]\n",
     "t.yaml:11:", "organisation.norms.0.when", "'ready' belongs to a service"},
    {"  groups: [{name: t, roles: [{role: up, min: 2}]}]\n", "t.yaml:11:",
     "organisation.groups.0.roles.0.role", "role 'up' needs 2 to 1000 agents and has 1"},
    {"  groups: [{name: t, roles: [{role: base, max: 0}]}]\n", "t.yaml:11:",
     "organisation.groups.0.roles.0.role", "role 'base' needs 0 to 0 agents and has 1"},
    {"  groups: [{name: t, roles: [{role: up, min: 2, max: 1}]}]\n",
     "t.yaml:11:", "organisation.groups.0.roles.0.role", "min 2 above max 1"},
    {"  groups: [{name: t, roles: [{role: down}]}]\n", "t.yaml:10:",
     "organisation.agents.0.roles.0", "agent 'x' plays 'up', which belongs to no group"},
    {"  groups: [{name: t, links: [{from: up, to: dwn}]}]\n",
     "t.yaml:11:", "organisation.groups.0.links.0.to", "'dwn' is no role"},
    {"  groups: [{name: t, compatible: [{from: p, to: up}]}]\n",
     "t.yaml:11:", "organisation.groups.0.compatible.0.from", "'p' is no role"},
    {"  groups:\n    - {name: t, subgroups: [{group: u}]}\n    - {name: u, subgroups: [{group: "
     "t}]}\n",
     "t.yaml:12:", "organisation.groups.0.subgroups", "group 't' contains itself"},
    {"  groups: [{name: t, subgroups: [{group: v}]}]\n",
     "t.yaml:11:", "organisation.groups.0.subgroups.0.group", "'v' is no group"},
    {"  schemes: [{name: s, root: z}]\n", "t.yaml:11:", "organisation.schemes.0.root",
     "'z' is no goal"},
    {"  schemes: [{name: s, root: g, missions: [m, n]}]\n",
     "t.yaml:11:", "organisation.schemes.0.missions.1", "no plan of scheme 's' reaches from 'g'"},
    {"  schemes: [{name: s, root: g, plans: [{goal: g, is: choice, of: [h, z]}]}]\n",
     "t.yaml:11:", "organisation.schemes.0.plans.0.of.1", "'z' is no goal"},
    {"  schemes:\n    - name: s\n      root: g\n      plans: [{goal: g, is: choice, of: [h]}, "
     "{goal: h, is: sequence, of: [g]}]\n",
     "t.yaml:14:", "organisation.schemes.0.plans", "goal 'g' is part of its own plan"},
    {"  schemes: [{name: s, root: g, plans: [{goal: g, is: choice, of: [h]}, {goal: g, is: choice, "
     "of: [h]}]}]\n",
     "t.yaml:11:", "organisation.schemes.0.plans.1.goal", "goal 'g' has two plans"},
    {"  preferences: [{mission: m, over: n}, {mission: n, over: m}]\n",
     "t.yaml:11:", "organisation.preferences", "mission 'm' is preferred to itself"},
    {"  preferences: [{mission: m, over: k}]\n", "t.yaml:11:", "organisation.preferences.0.over",
     "'k' is no mission"},
};

/* Whole texts. */
static const struct refusal WHOLE[] = {
    {"organisation:\n  roles:\n    - {name: base}\n    - {name: a, inherits: [bse]}\n",
     "t.yaml:4:", "organisation.roles.1.inherits.0",
     "'bse' is no role of this organisation; did you mean 'base'?"},
    {"organisation:\n  roles:\n    - {name: a, inherits: [b]}\n    - {name: b, inherits: [a]}\n",
     "t.yaml:3:", "organisation.roles.0.inherits", "role 'a' inherits from itself"},
    {"organisation:\n  roles:\n    - {name: z}\n    - {name: a, inherits: [a]}\n",
     "t.yaml:4:", "organisation.roles.1.inherits", "role 'a' inherits from itself"},
    {"organisation:\n  roles:\n    - {name: a}\n    - {name: a}\n",
     "t.yaml:4:", "organisation.roles.1.name", "'a' is already the name of role 0"},
    {"organisation:\n  roles:\n    - {name: ''}\n", "t.yaml:3:", "organisation.roles.0.name",
     "a name has 1 to 63 characters"},
    {"organisation:\n  roles:\n    - {name: a, hardness: -0.5}\n",
     "t.yaml:3:", "organisation.roles.0.hardness", "hardness -0.5; 0 to 1, or -1"},
    {"organisation:\n  roles:\n    - {name: a, hardness: 1.5}\n", "t.yaml:3:", "roles.0.hardness",
     "from -1 to 1"},
    {"organisation:\n  roles:\n    - {name: a, rules: [{from: 2, to: 1}]}\n",
     "t.yaml:3:", "organisation.roles.0.rules.0.from", "changes from 2 to 1, which is none"},
    {"organisation:\n  roles:\n    - {name: a, rules: [{from: 0, to: 0}]}\n",
     "t.yaml:3:", "organisation.roles.0.rules.0.from", "only 'no change'"},
    {"organisation:\n  roles:\n    - {name: a, rules: [{from: 4, to: 6}]}\n",
     "t.yaml:3:", "organisation.roles.0.rules.0.from", "an action changes at most 3 (plant.alpha)"},
    {"organisation:\n  roles:\n    - {name: a, rules: [{from: -9, to: 9}]}\n",
     "t.yaml:3:", "organisation.roles.0.rules.0.from", "write changes from -3 to 3"},
    {"organisation:\n  roles:\n    - {name: a, rules: [{from: 1, to: 4}]}\n",
     "t.yaml:3:", "organisation.roles.0.rules.0.from", "allows changes from 1 to 4"},
    {"organisation:\n  roles:\n    - name: a\n      rules:\n        - {from: 1, to: 1}\n"
     "        - on: service.quee > 3\n          from: 1\n          to: 1\n",
     "t.yaml:6:", "organisation.roles.0.rules.1.on",
     "in 'service.quee > 3' at character 9: a service has no feature 'quee'; did you mean "
     "'queue'?"},
    {"organisation:\n  roles:\n    - {name: a, rules: [{when: service.entry, from: 1, to: 1}]}\n",
     "t.yaml:3:", "organisation.roles.0.rules.0.when", "one value is needed"},
    {"organisation:\n  define:\n    - {name: x, is: 1}\n    - {name: x, is: 2}\n",
     "t.yaml:4:", "organisation.define.1.name", "'x' has a meaning already"},
    {"organisation:\n  define:\n    - {name: x, is: y + 1}\n    - {name: y, is: 2}\n", "t.yaml:3:",
     "organisation.define.0.is", "'y' is neither a feature of the state nor defined before"},
    /* empty masks */
    {"organisation:\n  roles: [{name: a}]\n  agents:\n    - {name: x, roles: [a]}\n",
     "t.yaml:4:", "organisation.agents.0.roles", "the mask of agent 'x' is empty"},
    {"organisation:\n  roles: [{name: a, rules: [{on: service.visits > 2, from: 1, to: 1}]}]\n"
     "  agents:\n    - {name: x, roles: [a]}\n",
     "t.yaml:4:", "organisation.agents.0.roles", "no rule of its roles ever allows a change"},
    {"organisation:\n  roles: [{name: a, rules: [{when: false, from: 1, to: 1}]}]\n"
     "  agents:\n    - {name: x, roles: [a]}\n",
     "t.yaml:4:", "organisation.agents.0.roles", "the mask of agent 'x' is empty"},
    /* functional */
    {"organisation:\n  goals: [{name: g}, {name: h}]\n  missions:\n"
     "    - {name: m, goals: [{goal: g, weight: 0.7}, {goal: h, weight: 0.4}]}\n",
     "t.yaml:4:", "organisation.missions.0.goals", "sum to 1.1"},
    {"organisation:\n  goals: [{name: g}]\n  missions:\n"
     "    - {name: m, goals: [{goal: g, weight: 0.2}, {goal: g, weight: 0.4}]}\n",
     "t.yaml:4:", "organisation.missions.0.goals.1.goal", "has goal 'g' twice"},
    {"organisation:\n  goals: [{name: g, loss: service.queue}]\n",
     "t.yaml:2:", "organisation.goals.0.loss", "one value is needed"},
    {"organisation:\n  goals: [{name: g, loss: entry_10s > 1}]\n",
     "t.yaml:2:", "organisation.goals.0.loss", "this is a condition; a number is needed"},
    {"organisation:\n  goals: [{name: g, divisor: 1 +}]\n",
     "t.yaml:2:", "organisation.goals.0.divisor", "the text ends"},
    {"organisation:\n  goals: [{name: g, achieved: 1}]\n",
     "t.yaml:2:", "organisation.goals.0.achieved", "a condition is needed"},
    /* cardinality of a mission, compatibility */
    {"organisation:\n  roles: [{name: a, hardness: 0}]\n  goals: [{name: g}]\n"
     "  missions:\n    - {name: m, goals: [{goal: g}], min: 1}\n"
     "  agents: [{name: x, roles: [a]}]\n",
     "t.yaml:5:", "organisation.missions.0.name", "mission 'm' needs 1 to 1000 agents and has 0"},
    {"organisation:\n  roles: [{name: a}, {name: b}]\n  agents:\n"
     "    - {name: x, roles: [a, b]}\n",
     "t.yaml:4:", "organisation.agents.0.roles.1", "no group declares compatible"},
    {"organisation:\n  agents:\n    - {name: x, roles: [a]}\n",
     "t.yaml:3:", "organisation.agents.0.roles.0", "'a' is no role"},
    {"plant: {alpha: 16}\n", "t.yaml:1:", "plant.alpha", "with an organisation at most 15"},
};

static void assert_refused(struct org_fixture *w, const char *text, const struct refusal *r)
{
    heard_forget(&w->log);
    w->guides.n_rules = -7;
    if (org_fixture_text(w, text) != ERR_CONFIG) {
        fail_msg("accepted: %s", text);
    }
    assert_int_equal(w->guides.n_rules, -7); /* outputs only on success */
    assert_int_equal(w->log.n, 1);
    const char *const parts[] = {r->place, r->key, r->says};
    for (int k = 0; k < 3; k++) {
        if (strstr(w->log.text, parts[k]) == NULL) {
            fail_msg("'%s' is missing in: %sof\n%s", parts[k], w->log.text, text);
        }
    }
}

static void test_refusals(void **state)
{
    struct org_fixture *w = *state;
    OK(org_fixture_text(w, TEAM));
    for (size_t i = 0; i < sizeof REFUSALS / sizeof *REFUSALS; i++) {
        char text[2048];
        (void)snprintf(text, sizeof text, "%s%s", TEAM, REFUSALS[i].text);
        assert_refused(w, text, &REFUSALS[i]);
    }
    for (size_t i = 0; i < sizeof WHOLE / sizeof *WHOLE; i++) {
        assert_refused(w, WHOLE[i].text, &WHOLE[i]);
    }
}

/* An unreadable mask costs nothing where nobody must keep to it. */
static void test_an_empty_mask_may_be_soft(void **state)
{
    struct org_fixture *w = *state;
    OK(org_fixture_text(w, "organisation:\n  hardness: 0\n  roles: [{name: a}]\n"
                           "  agents: [{name: x, roles: [a]}]\n"));
}

/* ---- inheritance, compatibility, hardness ---- */

static void test_inherited(void **state)
{
    struct org_fixture *w = *state;
    OK(org_fixture_text(w,
                        "organisation:\n"
                        "  hardness: 0.5\n"
                        "  roles:\n"
                        "    - {name: leaf, inherits: [mid], hardness: 0.25}\n"
                        "    - {name: mid, inherits: [top]}\n"
                        "    - {name: top, rules: [{from: 1, to: 1}]}\n"
                        "    - {name: other, hardness: 0.75}\n"
                        "  groups:\n"
                        "    - {name: t, roles: [{role: top, min: 2}, {role: other}],\n"
                        "       compatible: [{from: other, to: top}]}\n"
                        "  goals: [{name: g}]\n"
                        "  missions: [{name: m, goals: [{goal: g}], min: 2, max: 2}]\n"
                        "  norms: [{role: top, mission: m}]\n"
                        "  agents: [{name: x, roles: [leaf]}, {name: y, roles: [other, mid]}]\n"));
    const struct org *o = &w->guides.org;
    assert_int_equal(o->role_is[0], 7);
    assert_int_equal(o->role_is[1], 6);
    assert_int_equal(o->role_is[2], 4);
    assert_int_equal(o->agent_is[1], 6 | 8);
    assert_true(org_norm_binds(o, 0, 0) && org_norm_binds(o, 0, 1));
    assert_true(org_hardness(o, 0) == 0.25);
    assert_true(org_hardness(o, 1) == 0.75); /* the greater of 0.75 and 0.5 */
}

/* ---- the graph ---- */

static int occurrences(const char *text, const char *word)
{
    int n = 0;
    for (const char *at = strstr(text, word); at != NULL; at = strstr(at + 1, word)) {
        n++;
    }
    return n;
}

static void test_graph(void **state)
{
    struct org_fixture *w = *state;
    struct buf b;
    OK(org_fixture_file(w, "configs/organisations/karma.yaml"));
    buf_init(&b);
    OK(org_dot(&b, &w->guides.org));
    OK(buf_append(&b, "", 1));
    const char *text = (const char *)b.data;
    assert_int_equal(occurrences(text, "[label=\"role:"), 5);
    assert_int_equal(occurrences(text, "[label=\"mission:"), 4);
    assert_int_equal(occurrences(text, "[label=\"goal:"), 6);
    assert_int_equal(occurrences(text, "[label=\"agent:"), 4);
    assert_int_equal(occurrences(text, "arrowhead=onormal"), 4);
    assert_int_equal(occurrences(text, "label=\"obligation\""), 4);
    assert_int_equal(occurrences(text, "label=\"authority\""), 3);
    assert_int_equal(occurrences(text, "label=\"parallel\""), 5);
    assert_non_null(strstr(text, "\"mission:withstand\" -> \"goal:quick\" [label=\"0.3\"]"));
    buf_release(&b);
}

static void test_graph_quotes(void **state)
{
    struct org_fixture *w = *state;
    struct buf b;
    OK(org_fixture_text(w, "organisation: {roles: [{name: 'a\"b\\c'}]}"));
    buf_init(&b);
    OK(org_dot(&b, &w->guides.org));
    OK(buf_append(&b, "", 1));
    assert_non_null(strstr((const char *)b.data, "\"role:a\\\"b\\\\c\" [label"));
    buf_release(&b);
}

static void test_out_of_memory(void **state)
{
    struct org_fixture *w = *state;
    OK(org_fixture_file(w, "configs/organisations/karma.yaml"));
    const struct org_root root = w->root;
    int refused = 0;
    for (uint64_t n = 1; n < 64; n++) {
        struct arena fresh;
        struct guides g = {.n_rules = -7};
        arena_init(&fresh);
        mem_fail_after(n);
        const enum err e = guides_init(&g, &fresh, &root.organisation, &w->topology, &root.plant,
                                       NULL, "organisation");
        mem_fail_after(0);
        assert_true(e == ERR_OK || (e == ERR_MEMORY && g.n_rules == -7));
        refused += e == ERR_MEMORY;
        arena_release(&fresh);
    }
    assert_true(refused > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_shipped_files), TEST(test_other_topologies),
        TEST(test_refusals),      TEST(test_an_empty_mask_may_be_soft),
        TEST(test_inherited),     TEST(test_graph),
        TEST(test_graph_quotes),  TEST(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
