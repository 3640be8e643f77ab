/* karma org: what an organisation says: checked, as tables, as a graph.
 *
 * An organisation is compiled for a topology and a plant, so that its expressions are checked, too:
 * those of --config, or the default ones.
 *
 * `check` only compiles. `show` prints the definitions of the file as one table for each kind, each
 * made by a function show_*(), or the graph in the language of Graphviz; --svg has Graphviz draw
 * that graph, too. */
#include "core/base/file.h"
#include "core/base/log.h"
#include "core/org/guides.h"
#include "core/report/table.h"
#include "mpi/cmd/commands.h"
#include "mpi/cmd/spawn.h"
#include "mpi/comm/locking.h"

#include <stdio.h>
#include <string.h>

struct options {
    const char *config, *svg;
    bool dot;
};

#define CONFIG_OPTION                                                                              \
    OPTION_STRING(struct options, config, "config", 'c', "FILE",                                   \
                  "topology and plant to compile it for (sections topology: and plant:)")

static const struct operand_row operand_rows[] = {
    {"FILE", "organisation, such as configs/organisations/karma.yaml", 1, 1},
    OPERAND_END,
};

/* ---- reading ---- */

struct root {
    struct org_cfg organisation;
    struct topology_cfg topology;
    struct plant_cfg plant;
};
static const struct cfg_field root_fields[] = {
    CFG_TABLE(struct root, organisation, org_fields, "who may do what, and what for"),
    CFG_TABLE(struct root, topology, topology_fields, "services and node"),
    CFG_TABLE(struct root, plant, plant_fields, "periods and limits"),
    CFG_END,
};

struct compiled {
    struct cfg reader;
    struct root root;
    struct topology topology;
    struct guides guides;
};

/* The file of the organisation and, if given, a configuration of which only the sections of
 * root_fields are read. Everything is in the arena of the call. */
static enum err compile(struct compiled *c, struct arena *arena, const char *path,
                        const char *config)
{
    const struct cfg_source sources[] = {{.path = path}, {.path = config}};
    cfg_init(&c->reader, root_fields, sizeof c->root, arena);
    TRY(cfg_load_sources(&c->reader, sources, config != NULL ? 2 : 1, NULL, 0, &c->root));
    TRY(plant_cfg_check(&c->root.plant, &c->reader));
    TRY(topology_init(&c->topology, arena, &c->root.topology, &c->reader));
    return guides_init(&c->guides, arena, &c->root.organisation, &c->topology, &c->root.plant,
                       &c->reader, "organisation");
}

/* ---- tables ---- */

#define TABLE(t, n_left, ...)                                                                      \
    do {                                                                                           \
        const char *const head_[] = {__VA_ARGS__};                                                 \
        table_init((t), arena, head_, (int)(sizeof head_ / sizeof *head_), (n_left));              \
    } while (0)

static enum err put_table(struct buf *out, const struct table *t, const char *title)
{
    TRY(buf_printf(out, "\n%s\n", title));
    return table_print(out, t, TABLE_TEXT);
}

/* "a, b"; "-" for none. NULL when out of memory. */
static const char *joined(struct arena *arena, const char *const *words, int n)
{
    const char *all = n > 0 ? words[0] : "-";
    for (int i = 1; i < n && all != NULL; i++) {
        all = arena_printf(arena, "%s, %s", all, words[i]);
    }
    return all;
}

static enum err show_definitions(struct buf *out, const struct org_cfg *c, struct arena *arena)
{
    struct table t;
    TABLE(&t, 2, "name", "means");
    for (int i = 0; i < c->n_define; i++) {
        table_text(&t, c->define[i].name);
        table_text(&t, c->define[i].is);
    }
    return put_table(out, &t, "definitions");
}

/* One line for each rule, the name of the role on the first. A role without rules has a
 * line with dashes. */
static void add_rules(struct table *t, const struct org_role_cfg *r, const char *parents)
{
    for (int k = 0; k < r->n_rules || k == 0; k++) {
        table_text(t, k == 0 ? r->name : "");
        table_text(t, k == 0 ? parents : "");
        if (r->n_rules == 0) {
            table_text(t, "-");
            table_text(t, "-");
            table_text(t, "-");
            continue;
        }
        table_text(t, r->rules[k].when);
        table_text(t, r->rules[k].on);
        table_cell(t, "%d..%d", r->rules[k].from, r->rules[k].to);
    }
}

static enum err show_roles(struct buf *out, const struct org_cfg *c, struct arena *arena)
{
    struct table t;
    TABLE(&t, 4, "role", "inherits", "when", "on services where", "changes");
    for (int i = 0; i < c->n_roles; i++) {
        const struct org_role_cfg *r = &c->roles[i];
        const char *parents = joined(arena, r->inherits, r->n_inherits);
        TRY(arena_error(arena));
        add_rules(&t, r, parents);
    }
    return put_table(out, &t, "roles and their rules; no change is always allowed");
}

/* One line for each statement about a group, its kind in the second column: roles and
 * subgroups with the number of agents that may have them, then links, then pairs of roles that
 * one agent may have. */
static enum err show_groups(struct buf *out, const struct org_cfg *c, struct arena *arena)
{
    struct table t;
    TABLE(&t, 4, "group", "relation", "first", "second", "agents");
    for (int i = 0; i < c->n_groups; i++) {
        const struct org_group_cfg *g = &c->groups[i];
        for (int k = 0; k < g->n_roles; k++) {
            table_text(&t, g->name);
            table_text(&t, "role");
            table_text(&t, g->roles[k].role);
            table_text(&t, "");
            table_cell(&t, "%d..%d", g->roles[k].min, g->roles[k].max);
        }
        for (int k = 0; k < g->n_subgroups; k++) {
            table_text(&t, g->name);
            table_text(&t, "group");
            table_text(&t, g->subgroups[k].group);
            table_text(&t, "");
            table_cell(&t, "%d..%d", g->subgroups[k].min, g->subgroups[k].max);
        }
        for (int k = 0; k < g->n_links; k++) {
            table_text(&t, g->name);
            table_text(&t, cfg_choice_name(org_link_choices, g->links[k].kind));
            table_text(&t, g->links[k].from);
            table_text(&t, g->links[k].to);
            table_text(&t, "");
        }
        for (int k = 0; k < g->n_compatible; k++) {
            table_text(&t, g->name);
            table_text(&t, "compatible");
            table_text(&t, g->compatible[k].from);
            table_text(&t, g->compatible[k].to);
            table_text(&t, "");
        }
    }
    return put_table(out, &t, "groups, links, compatibilities");
}

/* Goals stand at each mission that contains them, with the weight that they have there. The
 * compiler has found every goal, so org_find_goal() does. */
static enum err show_missions(struct buf *out, const struct org_cfg *c, struct arena *arena)
{
    struct table t;
    TABLE(&t, 5, "mission", "goal", "loss", "divisor", "achieved", "weight", "bonus");
    for (int m = 0; m < c->n_missions; m++) {
        for (int k = 0; k < c->missions[m].n_goals; k++) {
            const struct org_weighted_cfg *w = &c->missions[m].goals[k];
            const struct org_goal_cfg *g = &c->goals[org_find_goal(c, w->goal)];
            table_text(&t, k == 0 ? c->missions[m].name : "");
            table_text(&t, g->name);
            table_text(&t, g->loss);
            table_text(&t, g->divisor);
            table_text(&t, g->achieved);
            table_number(&t, w->weight);
            table_number(&t, g->bonus);
        }
    }
    return put_table(out, &t, "missions; the term of a goal is -loss / divisor in [-1, 0]");
}

/* Plans say how a goal is made of others. Preferences of missions stand in the same
 * table, under "(missions)". */
static enum err show_schemes(struct buf *out, const struct org_cfg *c, struct arena *arena)
{
    struct table t;
    TABLE(&t, 4, "scheme", "goal", "operator", "of");
    for (int s = 0; s < c->n_schemes; s++) {
        for (int k = 0; k < c->schemes[s].n_plans; k++) {
            const struct org_plan_cfg *p = &c->schemes[s].plans[k];
            const char *parts = joined(arena, p->of, p->n_of);
            TRY(arena_error(arena));
            table_text(&t, c->schemes[s].name);
            table_text(&t, p->goal);
            table_text(&t, cfg_choice_name(org_operator_choices, p->is));
            table_text(&t, parts);
        }
    }
    for (int k = 0; k < c->n_preferences; k++) {
        table_text(&t, "(missions)");
        table_text(&t, c->preferences[k].mission);
        table_text(&t, "before");
        table_text(&t, c->preferences[k].over);
    }
    return put_table(out, &t, "plans and preferences");
}

/* Decisions are a half-open range; a norm without steps holds at any decision. */
static enum err show_norms(struct buf *out, const struct org_cfg *c, struct arena *arena)
{
    struct table t;
    TABLE(&t, 5, "role", "norm", "mission", "decisions", "while");
    for (int i = 0; i < c->n_norms; i++) {
        const struct org_norm_cfg *n = &c->norms[i];
        table_text(&t, n->role);
        table_text(&t, cfg_choice_name(org_norm_choices, n->kind));
        table_text(&t, n->mission);
        if (n->n_steps == 0) {
            table_text(&t, "any");
        } else {
            table_cell(&t, "[%d, %d)", n->steps[0], n->steps[1]);
        }
        table_text(&t, n->when);
    }
    return put_table(out, &t, "norms");
}

static enum err show_agents(struct buf *out, const struct guides *g, struct arena *arena)
{
    const struct org_cfg *c = g->org.cfg;
    struct table t;
    TABLE(&t, 2, "agent", "roles", "hardness");
    for (int a = 0; a < c->n_agents; a++) {
        const char *roles = joined(arena, c->agents[a].roles, c->agents[a].n_roles);
        TRY(arena_error(arena));
        table_text(&t, c->agents[a].name);
        table_text(&t, roles);
        table_number(&t, g->hardness[a]);
    }
    return put_table(out, &t, "agents");
}

static enum err show(struct buf *out, const struct guides *g, struct arena *arena)
{
    const struct org_cfg *c = g->org.cfg;
    TRY(buf_printf(out, "organisation %s: penalty %g, weight of missions %g\n", c->name, c->penalty,
                   c->mission_weight));
    TRY(show_agents(out, g, arena));
    TRY(show_definitions(out, c, arena));
    TRY(show_roles(out, c, arena));
    TRY(show_groups(out, c, arena));
    TRY(show_missions(out, c, arena));
    TRY(show_schemes(out, c, arena));
    return show_norms(out, c, arena);
}

/* ---- drawing ---- */

/* FILE.dot is written first and stays, so that without Graphviz there is a result that can
 * be drawn elsewhere. */
static enum err draw(const struct buf *graph, const char *svg, struct arena *arena)
{
    char *dot_file = arena_printf(arena, "%s.dot", svg);
    char *svg_file = arena_strdup(arena, svg);
    const char *stays = arena_printf(arena, "the graph stays in %s", dot_file);
    TRY(arena_error(arena));
    char program[] = "dot", format[] = "-Tsvg", output[] = "-o";
    char *argv[] = {program, format, output, svg_file, dot_file, NULL};
    TRY(file_write(dot_file, graph->data, graph->len));
    return spawn_run(argv, ".", "graphviz", stays, dot_file);
}

static enum err draw_locked(const struct buf *graph, const char *svg, struct arena *arena)
{
    struct lock lock;
    TRY(locking_file(&lock, NULL, svg, "karma org", "--svg FILE"));
    const enum err e = draw(graph, svg, arena);
    locking_end(&lock);
    return e;
}

/* ---- check ---- */

static const struct option_row check_rows[] = {CONFIG_OPTION, OPTION_END};
static const struct command_line check_line = {
    "karma org check",
    "Compiles an organisation and says whether it is right, or its errors with file and line.",
    check_rows, operand_rows, sizeof(struct options)};

/* The memory is that of the program of all expressions: values of one decision, and
 * what they remember. */
static enum err run_check(const struct call *call)
{
    const struct options *o = call->options;
    struct compiled c;
    TRY(compile(&c, call->arena, call->operands[0], o->config));
    const struct expr_program *p = &c.guides.program;
    printf("%s is right: %d agents, %d rules, %d expressions, %zu bytes of memory an environment\n",
           call->operands[0], c.guides.n_agents, c.guides.n_rules, p->n_code,
           (size_t)(p->n_values + p->n_memory) * sizeof(double));
    return ERR_OK;
}

static enum err org_check(int argc, char **argv)
{
    struct options o = {0};
    return command_call(&check_line, &o, run_check, argc, argv);
}

/* ---- show ---- */

static const struct option_row show_rows[] = {
    CONFIG_OPTION,
    OPTION_FLAG(struct options, dot, "dot", 0, "print the graph in Graphviz' language instead"),
    OPTION_STRING(struct options, svg, "svg", 0, "FILE",
                  "also draw it: writes FILE.dot and, with Graphviz, FILE"),
    OPTION_END,
};
static const struct command_line show_line = {
    "karma org show", "Prints an organisation as tables (roles, missions, norms), or as a graph.",
    show_rows, operand_rows, sizeof(struct options)};

/* Both texts are complete before the first byte is printed. */
static enum err print_shown(const struct guides *g, const struct options *o, struct arena *arena)
{
    struct buf graph, tables;
    buf_init(&graph);
    buf_init(&tables);
    enum err e = org_dot(&graph, &g->org);
    if (e == ERR_OK && !o->dot) {
        e = show(&tables, g, arena);
    }
    if (e == ERR_OK) {
        const struct buf *printed = o->dot ? &graph : &tables;
        fwrite(printed->data, 1, printed->len, stdout);
    }
    if (e == ERR_OK && o->svg != NULL) {
        e = draw_locked(&graph, o->svg, arena);
    }
    buf_release(&graph);
    buf_release(&tables);
    return e;
}

static enum err run_show(const struct call *call)
{
    const struct options *o = call->options;
    struct compiled c;
    TRY(compile(&c, call->arena, call->operands[0], o->config));
    return print_shown(&c.guides, o, call->arena);
}

static enum err org_show(int argc, char **argv)
{
    struct options o = {0};
    return command_call(&show_line, &o, run_show, argc, argv);
}

const struct command org_verbs[] = {
    {.name = "check", .summary = "the errors of an organisation", .run = org_check},
    {.name = "show", .summary = "its tables, or its graph", .run = org_show},
    {.name = NULL},
};
