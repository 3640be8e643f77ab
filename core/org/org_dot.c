/* The organisation as a picture: text for Graphviz.
 *
 * Boxes are roles, ellipses missions, notes goals, diamonds agents, folders groups. Inheritance
 * points from the special role to the general one, with an open head as in UML. Names are unique in
 * their own list only, so the identity of a node is "kind:name". */
#include "core/org/org.h"

#include <stdio.h>

/* "kind:name" in quotes, inside which Graphviz treats only '"' and '\' specially. */
static enum err put_quoted(struct buf *out, const char *kind, const char *name)
{
    TRY(buf_printf(out, "\"%s:", kind));
    for (const char *c = name; *c != '\0'; c++) {
        if (*c == '"' || *c == '\\') {
            TRY(buf_append(out, "\\", 1));
        }
        TRY(buf_append(out, c, 1));
    }
    return buf_append(out, "\"", 1);
}

/* `look`: attributes of Graphviz that follow the label. */
static enum err put_node(struct buf *out, const char *kind, const char *name, const char *look)
{
    TRY(buf_printf(out, "    "));
    TRY(put_quoted(out, kind, name));
    TRY(buf_printf(out, " [label="));
    TRY(put_quoted(out, kind, name));
    return buf_printf(out, ", %s];\n", look);
}

static enum err put_edge(struct buf *out, const char *from_kind, const char *from,
                         const char *to_kind, const char *to, const char *look)
{
    TRY(buf_printf(out, "    "));
    TRY(put_quoted(out, from_kind, from));
    TRY(buf_printf(out, " -> "));
    TRY(put_quoted(out, to_kind, to));
    return buf_printf(out, " [%s];\n", look);
}

static enum err put_roles(struct buf *out, const struct org_cfg *c)
{
    for (int r = 0; r < c->n_roles; r++) {
        TRY(put_node(out, "role", c->roles[r].name,
                     "shape=box, style=filled, fillcolor=\"#dbe9f6\""));
        for (int k = 0; k < c->roles[r].n_inherits; k++) {
            TRY(put_edge(out, "role", c->roles[r].name, "role", c->roles[r].inherits[k],
                         "arrowhead=onormal"));
        }
    }
    for (int a = 0; a < c->n_agents; a++) {
        TRY(put_node(out, "agent", c->agents[a].name, "shape=diamond"));
        for (int k = 0; k < c->agents[a].n_roles; k++) {
            TRY(put_edge(out, "agent", c->agents[a].name, "role", c->agents[a].roles[k],
                         "label=\"plays\""));
        }
    }
    return ERR_OK;
}

/* Links and compatibilities are drawn between the roles; the group has no edge for them. */
static enum err put_groups(struct buf *out, const struct org_cfg *c)
{
    for (int g = 0; g < c->n_groups; g++) {
        const struct org_group_cfg *group = &c->groups[g];
        TRY(put_node(out, "group", group->name, "shape=folder"));
        for (int k = 0; k < group->n_roles; k++) {
            char look[80];
            (void)snprintf(look, sizeof look, "style=dashed, label=\"%d..%d\"", group->roles[k].min,
                           group->roles[k].max);
            TRY(put_edge(out, "group", group->name, "role", group->roles[k].role, look));
        }
        for (int k = 0; k < group->n_subgroups; k++) {
            TRY(put_edge(out, "group", group->name, "group", group->subgroups[k].group,
                         "style=dashed"));
        }
        for (int k = 0; k < group->n_links; k++) {
            char look[80];
            (void)snprintf(look, sizeof look, "color=\"#b2182b\", label=\"%s\"",
                           cfg_choice_name(org_link_choices, group->links[k].kind));
            TRY(put_edge(out, "role", group->links[k].from, "role", group->links[k].to, look));
        }
        for (int k = 0; k < group->n_compatible; k++) {
            TRY(put_edge(out, "role", group->compatible[k].from, "role", group->compatible[k].to,
                         "style=dotted, dir=none, label=\"compatible\""));
        }
    }
    return ERR_OK;
}

/* Goals, missions with the weights of their goals, plans, and the order of missions. */
static enum err put_missions(struct buf *out, const struct org_cfg *c)
{
    for (int j = 0; j < c->n_goals; j++) {
        TRY(put_node(out, "goal", c->goals[j].name, "shape=note"));
    }
    for (int m = 0; m < c->n_missions; m++) {
        const struct org_mission_cfg *mission = &c->missions[m];
        TRY(put_node(out, "mission", mission->name,
                     "shape=ellipse, style=filled, fillcolor=\"#e5f5e0\""));
        for (int k = 0; k < mission->n_goals; k++) {
            char look[80];
            (void)snprintf(look, sizeof look, "label=\"%g\"", mission->goals[k].weight);
            TRY(put_edge(out, "mission", mission->name, "goal", mission->goals[k].goal, look));
        }
    }
    for (int s = 0; s < c->n_schemes; s++) {
        for (int k = 0; k < c->schemes[s].n_plans; k++) {
            const struct org_plan_cfg *plan = &c->schemes[s].plans[k];
            char look[80];
            (void)snprintf(look, sizeof look, "style=dashed, label=\"%s\"",
                           cfg_choice_name(org_operator_choices, plan->is));
            for (int j = 0; j < plan->n_of; j++) {
                TRY(put_edge(out, "goal", plan->goal, "goal", plan->of[j], look));
            }
        }
    }
    for (int k = 0; k < c->n_preferences; k++) {
        TRY(put_edge(out, "mission", c->preferences[k].mission, "mission", c->preferences[k].over,
                     "style=dotted, label=\"before\""));
    }
    return ERR_OK;
}

/* An obligation is a thick line and a permission a dashed one. Conditions are left out: they would
 * not fit. */
static enum err put_norms(struct buf *out, const struct org_cfg *c)
{
    for (int i = 0; i < c->n_norms; i++) {
        const struct org_norm_cfg *n = &c->norms[i];
        char look[120], when[48] = "";
        if (n->n_steps == 2) {
            (void)snprintf(when, sizeof when, " [%d, %d)", n->steps[0], n->steps[1]);
        }
        (void)snprintf(look, sizeof look, "%s, label=\"%s%s\"",
                       n->kind == ORG_OBLIGATION ? "penwidth=2" : "style=dashed",
                       cfg_choice_name(org_norm_choices, n->kind), when);
        TRY(put_edge(out, "role", n->role, "mission", n->mission, look));
    }
    return ERR_OK;
}

enum err org_dot(struct buf *out, const struct org *o)
{
    TRY(buf_printf(out, "digraph organisation {\n    rankdir=LR;\n"
                        "    node [fontname=\"Helvetica\", fontsize=11];\n"
                        "    edge [fontname=\"Helvetica\", fontsize=9];\n"));
    TRY(put_roles(out, o->cfg));
    TRY(put_groups(out, o->cfg));
    TRY(put_missions(out, o->cfg));
    TRY(put_norms(out, o->cfg));
    return buf_printf(out, "}\n");
}
