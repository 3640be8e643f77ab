/* Tables first, then files. See role_report.h. */
#include "core/analysis/role_report.h"
#include "core/analysis/role_figures.h"

#include "core/base/csv.h"
#include "core/base/file.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { TEXT_MAX = 400 };

static const double low_purity = 0.7, high_deviation = 0.1; /* signs of a training that failed */

/* ---- rules ---- */

/* What the agents of a role are, for its `doc`. */
static const char *describe(const struct role_report *p, int role, struct arena *arena)
{
    const struct trajectory_set *set = p->roles->set;
    const char *all = "";
    for (int a = 0; a < set->n_agents; a++) {
        if (p->role_of[a] == role) {
            all = arena_printf(arena, "%s%s%s", all != NULL ? all : "",
                               all != NULL && all[0] != '\0' ? ", " : "", set->agents[a]);
        }
    }
    return all != NULL && all[0] != '\0' ? arena_printf(arena, "found in what did: %s", all)
                                         : "found in part of the episodes; no agent has it mostly";
}

enum err role_report_init(struct role_report *out, struct arena *arena, const struct roles *r,
                          const struct role_spared *spared, struct arena *scratch)
{
    const struct arena_mark mark = arena_mark(scratch);
    const int n = r->found ? r->k : 1, n_all = trajectory_count(r->set);
    struct role_rules *rules = ARENA_NEW(arena, n, struct role_rules);
    int *role_of = ARENA_NEW(arena, r->set->n_agents, int);
    int *part = ARENA_NEW(scratch, r->set->n_episodes, int), *one = ARENA_NEW(scratch, n_all, int);
    TRY(arena_error(arena));
    TRY(arena_error(scratch));
    TRY(role_parts(part, r->set, scratch));
    for (int k = 0; k < n; k++) {
        TRY(role_rules_learn(&rules[k], r->set, r->found ? r->label : one, k, part, scratch));
    }
    for (int a = 0; a < r->set->n_agents && r->found; a++) {
        double share;
        role_of[a] = roles_of_agent(r, -1, a, &share);
    }
    *out = (struct role_report){
        .roles = r, .rules = rules, .n_rules = n, .role_of = role_of, .spared = *spared};
    arena_rewind(scratch, mark);
    return ERR_OK;
}

/* ---- tables ---- */

#define TABLE(t, arena, n_left, ...)                                                               \
    do {                                                                                           \
        const char *const head_[] = {__VA_ARGS__};                                                 \
        table_init((t), (arena), head_, (int)(sizeof head_ / sizeof *head_), (n_left));            \
    } while (0)

static enum err put_table(struct buf *out, const char *title, const struct table *t,
                          enum table_style style)
{
    TRY(buf_printf(out, "\n%s\n\n", title));
    return table_print(out, t, style);
}

static void put_agreement(struct table *t, const struct agreement *g)
{
    table_cell(t, "%.3f", g->purity);
    table_cell(t, "%.3f", g->ari);
    table_cell(t, "%.3f", g->nmi);
}

static void put_defined(struct table *t, const char *fmt, double v)
{
    if (isnan(v)) {
        table_text(t, "-");
    } else {
        char text[40];
        (void)snprintf(text, sizeof text, fmt[0] == '4' ? "%.4f" : "%.3f", v);
        table_cell(t, "%s", text);
    }
}

static enum err print_tests(struct buf *out, const struct roles *r, enum table_style style,
                            struct arena *scratch)
{
    struct table t;
    TABLE(&t, scratch, 1, "null hypothesis", "p");
    table_text(&t, "silhouette: changes dealt out over agents, decision by decision");
    table_cell(&t, "%.4f", r->agents.p);
    table_text(&t, "silhouette: changes dealt out over agents and decisions of an episode");
    table_cell(&t, "%.4f", r->time.p);
    table_text(&t, "attribution: agents dealt out over the trajectories of an episode");
    table_cell(&t, "%.4f", r->attribution);
    return put_table(out, "Is there structure? All three must be rejected", &t, style);
}

static enum err print_linkages(struct buf *out, const struct roles *r, enum table_style style,
                               struct arena *scratch)
{
    struct table t;
    TABLE(&t, scratch, 1, "linkage", "cophenetic correlation", "silhouette", "purity", "ARI",
          "NMI");
    for (int kind = 0; kind < LINKAGE_KINDS; kind++) {
        const struct role_tree_quality *q = &r->quality[kind];
        table_text(&t, linkage_names[kind]);
        put_defined(&t, "3", q->cophenetic);
        put_defined(&t, "3", r->branches > 1 ? q->silhouette[r->branches] : NAN);
        put_agreement(&t, &q->with_roles[r->branches]);
    }
    char title[TEXT_MAX];
    (void)snprintf(title, sizeof title,
                   "Linkages at %d cluster%s, agreement with the assigned roles", r->branches,
                   r->branches == 1 ? "" : "s");
    return put_table(out, title, &t, style);
}

static enum err print_numbers(struct buf *out, const struct roles *r, enum table_style style,
                              struct arena *scratch)
{
    const struct role_tree_quality *q = &r->quality[LINKAGE_AVERAGE];
    struct table t;
    TABLE(&t, scratch, 0, "clusters", "silhouette", "shuffled over agents", "p",
          "shuffled over time", "roles", "tells agents", "purity", "ARI", "NMI");
    for (int k = 2; k <= r->cfg->k_max && k <= r->sample.n; k++) {
        table_cell(&t, "%d%s", k, k == r->branches ? " *" : "");
        table_cell(&t, "%.3f", q->silhouette[k]);
        table_cell(&t, "%.3f", r->agents.mean[k]);
        table_cell(&t, "%.4f", r->agents.each[k]);
        table_cell(&t, "%.3f", r->time.mean[k]);
        table_cell(&t, "%d", r->merged[k]);
        table_cell(&t, "%.3f", r->told[k]);
        put_agreement(&t, &q->with_roles[k]);
    }
    return put_table(out, "Number of clusters of the cut, average linkage (* chosen)", &t, style);
}

/* The most frequent role of each agent in each policy, and its share of the episodes. */
static enum err print_agents(struct buf *out, const struct roles *r, enum table_style style,
                             struct arena *scratch)
{
    const struct trajectory_set *set = r->set;
    struct table t;
    const char *head[TABLE_COLUMNS_MAX] = {"agent", "assigned role", "all policies"};
    const int shown = r->n_policies < TABLE_COLUMNS_MAX - 3 ? r->n_policies : TABLE_COLUMNS_MAX - 3;
    const int n = r->n_policies > 1 ? shown : 0;
    for (int e = set->n_episodes - 1; e >= 0; e--) {
        if (r->policy[e] < n) {
            head[3 + r->policy[e]] =
                arena_printf(scratch, "training seed %" PRIu64, set->episodes[e].train_seed);
        }
    }
    TRY(arena_error(scratch));
    table_init(&t, scratch, head, 3 + n, 2);
    for (int a = 0; a < set->n_agents; a++) {
        table_text(&t, set->agents[a]);
        table_text(&t, set->organised ? set->roles[a] : "-");
        for (int p = -1; p < n; p++) {
            double share;
            const int cluster = roles_of_agent(r, p, a, &share);
            table_cell(&t, "%d (%.0f %%)", cluster + 1, 100.0 * share);
        }
    }
    return put_table(out, "Most frequent role of each agent, and its share of the episodes", &t,
                     style);
}

static enum err print_rules(struct buf *out, const struct role_report *p, enum table_style style,
                            struct arena *scratch)
{
    const struct trajectory_set *set = p->roles->set;
    struct table t;
    TABLE(&t, scratch, 3, "role", "on services where", "direction", "0.8", "0.9", "0.95");
    for (int k = 0; k < p->n_rules; k++) {
        const struct role_rules *r = &p->rules[k];
        for (int l = 0; l < r->n_leaves; l++) {
            struct buf text;
            buf_init(&text);
            enum err e = role_rules_condition(&text, r, set, l);
            e = e == ERR_OK ? buf_append(&text, "", 1) : e;
            const char *on = e == ERR_OK ? arena_strdup(scratch, (const char *)text.data) : NULL;
            buf_release(&text);
            TRY(e);
            TRY(arena_error(scratch));
            table_cell(&t, "role_%d", k + 1);
            table_text(&t, on);
            table_text(&t,
                       ((const char *const[]){"shrink", "keep",
                                              "enlarge"})[tree_class(&r->tree.node[r->leaf[l]])]);
            for (int level = 0; level < RULE_LEVELS; level++) {
                const struct role_range *g = &r->range[level][l];
                char down[40] = "", up[40] = "";
                if (g->least_down != 0) {
                    (void)snprintf(down, sizeof down, "%d..%d", g->least_down, g->most_down);
                }
                if (g->least_up != 0) {
                    (void)snprintf(up, sizeof up, "%s+%d..+%d", down[0] != '\0' ? " " : "",
                                   g->least_up, g->most_up);
                }
                table_cell(&t, "%s%s%s", down, up, down[0] == '\0' && up[0] == '\0' ? "-" : "");
            }
        }
    }
    return put_table(out, "Rules: changes allowed at a representativeness level", &t, style);
}

static enum err print_levels(struct buf *out, const struct role_report *p, enum table_style style,
                             struct arena *scratch)
{
    struct table t;
    TABLE(&t, scratch, 1, "role", "level", "changes, held out", "coverage", "mask size", "fidelity",
          "most frequent direction", "balanced fidelity");
    for (int k = 0; k < p->n_rules; k++) {
        const struct role_rules *r = &p->rules[k];
        for (int level = 0; level < RULE_LEVELS; level++) {
            table_cell(&t, "role_%d", k + 1);
            table_cell(&t, "%.2f", rule_levels[level]);
            table_cell(&t, "%.0f", r->changes);
            put_defined(&t, "3", r->coverage[level]);
            put_defined(&t, "3", r->mask_size[level]);
            put_defined(&t, "3", r->fidelity);
            put_defined(&t, "3", r->fidelity_none);
            put_defined(&t, "3", r->fidelity_balanced);
        }
    }
    return put_table(out, "Rules on the held-out fifth of the episodes", &t, style);
}

/* ---- sentences ---- */

/* Mean and deviation over policies of the mean reward of a decision. */
static double reward_deviation(const struct roles *r, double *mean, struct arena *scratch)
{
    const struct trajectory_set *set = r->set;
    double *sum = ARENA_NEW(scratch, r->n_policies, double);
    double *n = ARENA_NEW(scratch, r->n_policies, double);
    double m = 0.0, squares = 0.0;
    *mean = NAN;
    if (arena_error(scratch) != ERR_OK || set->n_terms == 0) {
        return NAN;
    }
    for (int e = 0; e < set->n_episodes; e++) {
        const struct analysed_episode *x = &set->episodes[e];
        for (int t = 0; t < x->n_steps; t++) {
            sum[r->policy[e]] += x->reward[(ptrdiff_t)t * set->n_terms + set->n_terms - 1];
            n[r->policy[e]] += 1.0;
        }
    }
    for (int p = 0; p < r->n_policies; p++) {
        m += sum[p] / n[p] / r->n_policies;
    }
    for (int p = 0; p < r->n_policies; p++) {
        squares += (sum[p] / n[p] - m) * (sum[p] / n[p] - m);
    }
    *mean = m;
    return r->n_policies > 1 ? sqrt(squares / (r->n_policies - 1)) : NAN;
}

static enum err print_head(struct buf *out, const struct role_report *p)
{
    const struct roles *r = p->roles;
    const struct sequences *q = r->sequences;
    TRY(buf_printf(
        out,
        "Roles of '%s': %d episodes of %d polic%s, %d agents; %d trajectories, %d of them "
        "distinct\n",
        r->set->controller, r->set->n_episodes, r->n_policies, r->n_policies == 1 ? "y" : "ies",
        r->set->n_agents, q->n, q->n_distinct));
    if (r->sample.n_rest > 0) {
        const struct role_spared *s = &p->spared;
        TRY(buf_printf(out,
                       "%d distinct trajectories were clustered, %d went to the nearest of %d "
                       "medoids: of %.0f pairs %.1f %% were spared by lower bounds (%.1f %% by the "
                       "ends, %.1f %% by the box), %.1f %% abandoned\n",
                       r->sample.n, r->sample.n_rest, r->branches, s->pairs,
                       100.0 * (s->ends + s->box) / s->pairs, 100.0 * s->ends / s->pairs,
                       100.0 * s->box / s->pairs, 100.0 * s->abandoned / s->pairs));
    }
    const double p_max = fmax(fmax(r->agents.p, r->time.p), r->attribution);
    if (r->found) {
        return buf_printf(out, "Found: %d role%s in %d clusters (largest p of three tests: %.4f)\n",
                          r->k, r->k == 1 ? "" : "s", r->branches, p_max);
    }
    return r->k == 1
               ? buf_printf(out, "No roles: all trajectories are equal (p = 1)\n")
               : buf_printf(out,
                            "No roles: p = %.4f is above %g. What follows describes %d groups that "
                            "chance or the load explains; the rules are of all agents together\n",
                            p_max, r->cfg->significance, r->k);
}

static enum err print_tail(struct buf *out, const struct role_report *p, struct arena *scratch)
{
    const struct roles *r = p->roles;
    double mean;
    const double deviation = reward_deviation(r, &mean, scratch);
    TRY(buf_printf(out,
                   "\nAgreement with the assigned roles%s: purity %.3f, ARI %.3f, NMI %.3f of %d "
                   "found; purity %.3f, ARI %.3f, NMI %.3f of %d clusters, as many as there are\n",
                   r->set->organised ? "" : " (none: each agent counts as one)",
                   r->with_roles.purity, r->with_roles.ari, r->with_roles.nmi, r->k,
                   r->with_roles_at.purity, r->with_roles_at.ari, r->with_roles_at.nmi, r->k_at));
    if (!isnan(r->stable_halves)) {
        TRY(buf_printf(out, "Stability (ARI): halves of the episodes %.3f", r->stable_halves));
        TRY(isnan(r->stable_seeds.value)
                ? buf_printf(out, "; one policy, so none over training seeds\n")
                : buf_printf(out, ", pairs of training seeds %.3f", r->stable_seeds.value));
        if (!isnan(r->stable_seeds.lo)) {
            TRY(buf_printf(out, " [%.3f, %.3f]", r->stable_seeds.lo, r->stable_seeds.hi));
        }
        TRY(isnan(r->stable_seeds.value) ? ERR_OK : buf_printf(out, "\n"));
    }
    if (!isnan(deviation)) {
        TRY(buf_printf(out, "Reward of a decision over %d policies: mean %.4f, deviation %.4f\n",
                       r->n_policies, mean, deviation));
    }
    if (r->with_roles_at.purity < low_purity) {
        TRY(buf_printf(out, "Sign of failure: purity %.3f is below %.1f\n", r->with_roles_at.purity,
                       low_purity));
    }
    if (deviation > high_deviation * fabs(mean)) {
        TRY(buf_printf(out, "Sign of failure: the reward deviates by %.0f %% over policies\n",
                       100.0 * deviation / fabs(mean)));
    }
    return ERR_OK;
}

enum err role_report_print(struct buf *out, const struct role_report *p, enum table_style style,
                           struct arena *scratch)
{
    const struct arena_mark mark = arena_mark(scratch);
    TRY(print_head(out, p));
    TRY(print_tests(out, p->roles, style, scratch));
    TRY(print_linkages(out, p->roles, style, scratch));
    TRY(print_numbers(out, p->roles, style, scratch));
    TRY(print_agents(out, p->roles, style, scratch));
    TRY(print_tail(out, p, scratch));
    TRY(print_rules(out, p, style, scratch));
    TRY(print_levels(out, p, style, scratch));
    arena_rewind(scratch, mark);
    return ERR_OK;
}

/* ---- CSV ---- */

static enum err write_clusters(const struct roles *r, const char *path, struct arena *scratch)
{
    static const char *const columns[] = {
        "linkage",       "clusters", "cophenetic", "silhouette", "shuffled_agents",
        "shuffled_time", "purity",   "ari",        "nmi"};
    struct csv csv;
    TRY(csv_create(&csv, scratch, path, columns, (int)(sizeof columns / sizeof *columns)));
    enum err e = ERR_OK;
    for (int kind = 0; kind < LINKAGE_KINDS; kind++) {
        const struct role_tree_quality *q = &r->quality[kind];
        for (int k = 2; k <= r->cfg->k_max && k <= r->sample.n && e == ERR_OK; k++) {
            csv_text(&csv, linkage_names[kind]);
            csv_int(&csv, k);
            csv_num(&csv, q->cophenetic);
            csv_num(&csv, q->silhouette[k]);
            csv_num(&csv, kind == LINKAGE_AVERAGE ? r->agents.mean[k] : NAN);
            csv_num(&csv, kind == LINKAGE_AVERAGE ? r->time.mean[k] : NAN);
            csv_num(&csv, q->with_roles[k].purity);
            csv_num(&csv, q->with_roles[k].ari);
            csv_num(&csv, q->with_roles[k].nmi);
            e = csv_end_row(&csv);
        }
    }
    csv_close(&csv);
    return e;
}

static enum err write_trajectories(const struct roles *r, const char *path, struct arena *scratch)
{
    static const char *const columns[] = {"run",     "train_seed", "scenario", "split",    "seed",
                                          "episode", "agent",      "role",     "distinct", "found"};
    const struct trajectory_set *set = r->set;
    struct csv csv;
    TRY(csv_create(&csv, scratch, path, columns, (int)(sizeof columns / sizeof *columns)));
    enum err e = ERR_OK;
    for (int i = 0; i < trajectory_count(set) && e == ERR_OK; i++) {
        const struct analysed_episode *x = &set->episodes[i / set->n_agents];
        char number[24];
        csv_text(&csv, set->runs[x->run]);
        (void)snprintf(number, sizeof number, "%" PRIu64, x->train_seed);
        csv_text(&csv, number);
        csv_text(&csv, x->scenario);
        csv_text(&csv, x->split);
        (void)snprintf(number, sizeof number, "%" PRIu64, x->seed);
        csv_text(&csv, number);
        csv_int(&csv, x->episode);
        csv_text(&csv, set->agents[i % set->n_agents]);
        csv_text(&csv, set->organised ? set->roles[i % set->n_agents] : "");
        csv_int(&csv, r->sequences->distinct[i] + 1);
        csv_int(&csv, r->label[i] + 1);
        e = csv_end_row(&csv);
    }
    csv_close(&csv);
    return e;
}

/* ---- files ---- */

static enum err write_text(const struct role_report *p, const char *dir, const char *name,
                           enum table_style style, struct arena *scratch)
{
    struct buf b;
    const char *path = file_join(scratch, dir, name);
    TRY(arena_error(scratch));
    buf_init(&b);
    enum err e = role_report_print(&b, p, style, scratch);
    if (e == ERR_OK) {
        e = file_write(path, b.data, b.len);
    }
    buf_release(&b);
    return e;
}

static enum err write_organisation(const struct role_report *p, const char *dir, int level,
                                   struct arena *scratch)
{
    static const char *const names[RULE_LEVELS] = {"inferred_80.yaml", "inferred_90.yaml",
                                                   "inferred.yaml"};
    const char *doc[ROLE_CLUSTERS_MAX + 1];
    struct buf b;
    const char *path = file_join(scratch, dir, names[level]);
    for (int k = 0; k < p->n_rules; k++) {
        doc[k] = describe(p, k, scratch);
    }
    TRY(arena_error(scratch));
    buf_init(&b);
    enum err e =
        buf_printf(&b,
                   "# Found by karma analyse in what '%s' did: what each role allows is at "
                   "least %g of the\n# changes that were made.%s\n",
                   p->roles->set->controller, rule_levels[level],
                   p->roles->found ? "" : " No roles were found: all agents have the same one.");
    if (e == ERR_OK) {
        e = role_rules_organisation(&b, p->rules, p->n_rules, level, p->roles->set, p->role_of,
                                    doc);
    }
    if (e == ERR_OK) {
        e = file_write(path, b.data, b.len);
    }
    buf_release(&b);
    return e;
}

enum err role_report_write(const struct role_report *p, const char *dir, struct arena *scratch)
{
    const struct arena_mark mark = arena_mark(scratch);
    const char *figures = file_join(scratch, dir, "figures");
    const char *clusters = file_join(scratch, dir, "clusters.csv");
    const char *trajectories = file_join(scratch, dir, "trajectories.csv");
    TRY(arena_error(scratch));
    TRY(write_text(p, dir, "roles.txt", TABLE_TEXT, scratch));
    TRY(write_text(p, dir, "roles.md", TABLE_MARKDOWN, scratch));
    TRY(write_clusters(p->roles, clusters, scratch));
    TRY(write_trajectories(p->roles, trajectories, scratch));
    for (int level = 0; level < RULE_LEVELS; level++) {
        TRY(write_organisation(p, dir, level, scratch));
    }
    if (p->roles->sample.n > 1) {
        TRY(file_make_dirs(figures));
        TRY(role_figures_write(p->roles, figures, scratch));
    }
    arena_rewind(scratch, mark);
    return ERR_OK;
}
