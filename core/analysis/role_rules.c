/* Rows, a tree, ranges, text. See role_rules.h. */
#include "core/analysis/role_rules.h"

#include "core/plant/schema.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const double rule_levels[RULE_LEVELS] = {0.8, 0.9, 0.95};

enum { SHRINK, KEEP, ENLARGE };
enum { ROWS_MAX = 120000, CHANGES = 64, LEAST_ROWS = 20 }; /* |change| is below CHANGES / 2 */

/* ---- features ---- */

static const int global_of_column = SERVICE_FEATURES; /* features from here on are global */

/* Feature j: a service feature, then a global one, then "is it service k". */
static int count_features(int n_services)
{
    int n = n_services;
    for (int f = 0; f < SERVICE_FEATURES; f++) {
        n += service_feature_info[f].obs;
    }
    for (int f = 0; f < GLOBAL_FEATURES; f++) {
        n += global_feature_info[f].obs;
    }
    return n;
}

/* Which one it is: the number of the service feature, global_of_column + the global one, or
 * -1 - service. */
static int feature_at(const struct trajectory_set *set, int j)
{
    for (int f = 0; f < SERVICE_FEATURES; f++) {
        if (service_feature_info[f].obs != 0 && j-- == 0) {
            return f;
        }
    }
    for (int f = 0; f < GLOBAL_FEATURES; f++) {
        if (global_feature_info[f].obs != 0 && j-- == 0) {
            return global_of_column + f;
        }
    }
    CHECK(j < set->n_services);
    return -1 - j;
}

static void fill_row(float *x, const struct trajectory_set *set, const float *state, int service)
{
    int j = 0;
    for (int f = 0; f < SERVICE_FEATURES; f++) {
        if (service_feature_info[f].obs != 0) {
            x[j++] = state[state_service_at(service, f)];
        }
    }
    for (int f = 0; f < GLOBAL_FEATURES; f++) {
        if (global_feature_info[f].obs != 0) {
            x[j++] = state[state_global_at(set->n_services, f)];
        }
    }
    for (int s = 0; s < set->n_services; s++) {
        x[j++] = s == service ? 1.0F : 0.0F;
    }
}

static int class_of(int change)
{
    return change < 0 ? SHRINK : change > 0 ? ENLARGE : KEEP;
}

/* ---- parts ---- */

static int by_load(const struct analysed_episode *a, const struct analysed_episode *b)
{
    const int split = strcmp(a->split, b->split), scenario = strcmp(a->scenario, b->scenario);
    if (split != 0 || scenario != 0) {
        return split != 0 ? split : scenario;
    }
    if (a->seed != b->seed) {
        return a->seed < b->seed ? -1 : 1;
    }
    return (a->episode > b->episode) - (a->episode < b->episode);
}

static int by_load_of(const void *a, const void *b)
{
    return by_load(*(const struct analysed_episode *const *)a,
                   *(const struct analysed_episode *const *)b);
}

enum err role_parts(int *part, const struct trajectory_set *set, struct arena *scratch)
{
    const struct arena_mark mark = arena_mark(scratch);
    const struct analysed_episode **sorted =
        ARENA_NEW(scratch, set->n_episodes, const struct analysed_episode *);
    TRY(arena_error(scratch));
    for (int e = 0; e < set->n_episodes; e++) {
        sorted[e] = &set->episodes[e];
    }
    qsort(sorted, (size_t)set->n_episodes, sizeof(const struct analysed_episode *), by_load_of);
    for (int i = 0, load = 0; i < set->n_episodes; i++) {
        load += i > 0 && by_load(sorted[i - 1], sorted[i]) != 0;
        part[sorted[i] - set->episodes] = load % RULE_PARTS;
    }
    arena_rewind(scratch, mark);
    return ERR_OK;
}

/* ---- rows ---- */

struct rows {
    struct tree_rows tree;
    float *x;
    uint8_t *class;
    int8_t *change; /* (n) */
};

/* The parts first .. last of a cluster. */
struct choice {
    const struct trajectory_set *set;
    const int *label, *part;
    int cluster, first, last;
};

static bool is_chosen(const struct choice *c, int i)
{
    const int part = c->part[i / c->set->n_agents];
    return c->label[i] == c->cluster && part >= c->first && part <= c->last;
}

static size_t count_rows(const struct choice *c)
{
    size_t n = 0;
    for (int i = 0; i < trajectory_count(c->set); i++) {
        if (is_chosen(c, i)) {
            n +=
                (size_t)c->set->episodes[i / c->set->n_agents].n_steps * (size_t)c->set->n_services;
        }
    }
    return n;
}

static int bounded_change(int change)
{
    const int most = CHANGES / 2 - 1;
    return change < -most ? -most : change > most ? most : change;
}

/* Of more than ROWS_MAX rows every stride-th decision is taken, counted over all trajectories. */
static enum err take_rows(struct rows *r, const struct choice *c, struct arena *arena)
{
    const struct trajectory_set *set = c->set;
    const size_t all = count_rows(c), stride = all / ROWS_MAX + 1;
    const int f = count_features(set->n_services);
    const size_t room = all / stride + (size_t)set->n_services;
    *r = (struct rows){.x = ARENA_NEW(arena, room * (size_t)f, float),
                       .class = ARENA_NEW(arena, room, uint8_t),
                       .change = ARENA_NEW(arena, room, int8_t)};
    TRY(arena_error(arena));
    int n = 0;
    size_t decision = 0;
    for (int i = 0; i < trajectory_count(set); i++) {
        const int e = i / set->n_agents;
        for (int t = 0; t < set->episodes[e].n_steps && is_chosen(c, i); t++) {
            if (decision++ % stride != 0) {
                continue;
            }
            const int32_t *change = trajectory_change(set, e, i % set->n_agents, t);
            for (int s = 0; s < set->n_services; s++, n++) {
                fill_row(r->x + (ptrdiff_t)n * f, set, trajectory_state(set, e, t), s);
                r->class[n] = (uint8_t)class_of(change[s]);
                r->change[n] = (int8_t)bounded_change(change[s]);
            }
        }
    }
    r->tree = (struct tree_rows){.n = n, .n_features = f, .x = r->x, .class = r->class};
    return ERR_OK;
}

/* Training, pruning and test rows are there at once: features, their bins, class and change. */
size_t role_rules_bytes(int n, int n_steps, int n_services)
{
    const size_t all = (size_t)n * (size_t)n_steps * (size_t)n_services;
    const size_t rows = all < ROWS_MAX ? all : ROWS_MAX;
    const size_t features = (size_t)count_features(n_services);
    const size_t row = features * (sizeof(float) + 1) + 4 * sizeof(float);
    return rows * row + features * TREE_BINS * TREE_CLASSES * sizeof(double);
}

/* ---- ranges ---- */

struct cell {
    int leaf, change;
    double n, share; /* changes, and as a share of the rows of the leaf */
};

static int by_share(const void *a, const void *b)
{
    const struct cell *x = a, *y = b;
    if (x->share != y->share) {
        return x->share > y->share ? -1 : 1;
    }
    return x->leaf != y->leaf ? x->leaf - y->leaf : x->change - y->change;
}

static int index_of_leaf(const struct role_rules *r, int node)
{
    int l = 0;
    while (l < r->n_leaves && r->leaf[l] != node) {
        l++;
    }
    CHECK(l < r->n_leaves);
    return l;
}

static void widen(struct role_range *g, int change)
{
    if (change < 0) {
        g->least_down = change < g->least_down ? change : g->least_down;
        g->most_down = g->most_down == 0 || change > g->most_down ? change : g->most_down;
    } else {
        g->most_up = change > g->most_up ? change : g->most_up;
        g->least_up = g->least_up == 0 || change < g->least_up ? change : g->least_up;
    }
}

/* Cells in the order of their share until their changes reach the level. */
static void choose_ranges(struct role_rules *r, const struct rows *rows)
{
    static const struct role_range none = {0, 0, 0, 0};
    double count[RULE_LEAVES][CHANGES] = {{0}}, size[RULE_LEAVES] = {0}, total = 0.0;
    struct cell cells[RULE_LEAVES * CHANGES];
    int n = 0;
    for (int i = 0; i < rows->tree.n; i++) {
        const float *x = rows->x + (ptrdiff_t)i * rows->tree.n_features;
        const int l = index_of_leaf(r, tree_leaf(&r->tree, x));
        count[l][rows->change[i] + CHANGES / 2] += 1.0;
        size[l] += 1.0;
        total += rows->change[i] != 0;
    }
    for (int l = 0; l < r->n_leaves; l++) {
        for (int c = 0; c < CHANGES; c++) {
            if (c != CHANGES / 2 && count[l][c] > 0.0) {
                cells[n++] = (struct cell){l, c - CHANGES / 2, count[l][c], count[l][c] / size[l]};
            }
        }
    }
    qsort(cells, (size_t)n, sizeof *cells, by_share);
    for (int level = 0; level < RULE_LEVELS; level++) {
        double covered = 0.0;
        for (int l = 0; l < RULE_LEAVES; l++) {
            r->range[level][l] = none;
        }
        for (int i = 0; i < n && covered < rule_levels[level] * total; i++) {
            widen(&r->range[level][cells[i].leaf], cells[i].change);
            covered += cells[i].n;
        }
    }
}

static bool allows(const struct role_range *g, int change)
{
    return (change < 0 && g->least_down != 0 && change >= g->least_down &&
            change <= g->most_down) ||
           (change > 0 && g->least_up != 0 && change >= g->least_up && change <= g->most_up);
}

static int width_of(const struct role_range *g)
{
    return (g->least_down != 0 ? g->most_down - g->least_down + 1 : 0) +
           (g->least_up != 0 ? g->most_up - g->least_up + 1 : 0);
}

/* ---- judging ---- */

static void judge(struct role_rules *r, const struct rows *rows, int n_services)
{
    double right[TREE_CLASSES] = {0}, all[TREE_CLASSES] = {0}, allowed[RULE_LEVELS] = {0};
    double width[RULE_LEVELS] = {0}, hits = 0.0, most = 0.0, balanced = 0.0, occur = 0.0;
    for (int i = 0; i < rows->tree.n; i++) {
        const float *x = rows->x + (ptrdiff_t)i * rows->tree.n_features;
        const int node = tree_leaf(&r->tree, x), l = index_of_leaf(r, node);
        all[rows->class[i]] += 1.0;
        right[rows->class[i]] += tree_class(&r->tree.node[node]) == rows->class[i];
        for (int level = 0; level < RULE_LEVELS; level++) {
            allowed[level] += allows(&r->range[level][l], rows->change[i]);
            width[level] += width_of(&r->range[level][l]);
        }
    }
    const double n = rows->tree.n;
    for (int c = 0; c < TREE_CLASSES; c++) {
        hits += right[c];
        most = all[c] > most ? all[c] : most;
        balanced += all[c] > 0.0 ? right[c] / all[c] : 0.0;
        occur += all[c] > 0.0;
    }
    r->changes = n - all[KEEP];
    r->fidelity = hits / n;
    r->fidelity_none = most / n;
    r->fidelity_balanced = balanced / occur;
    for (int level = 0; level < RULE_LEVELS; level++) {
        r->coverage[level] = allowed[level] / r->changes;
        r->mask_size[level] = 1.0 + width[level] * n_services / n;
    }
}

/* ---- all ---- */

static void list_leaves(struct role_rules *r, int node)
{
    const struct tree_node *n = &r->tree.node[node];
    if (n->feature < 0) {
        r->leaf[r->n_leaves++] = node;
        return;
    }
    list_leaves(r, n->left);
    list_leaves(r, n->right);
}

enum err role_rules_learn(struct role_rules *out, const struct trajectory_set *set,
                          const int *label, int cluster, const int *part, struct arena *scratch)
{
    const struct arena_mark mark = arena_mark(scratch);
    struct choice c = {.set = set, .label = label, .part = part, .cluster = cluster};
    struct rows grow, prune, known, test;
    memset(out, 0, sizeof *out);
    c.last = RULE_PRUNES - 1;
    TRY(take_rows(&grow, &c, scratch));
    c.first = c.last = RULE_PRUNES;
    TRY(take_rows(&prune, &c, scratch));
    c.first = 0;
    TRY(take_rows(&known, &c, scratch));
    c.first = c.last = RULE_TESTS;
    TRY(take_rows(&test, &c, scratch));
    /* A cluster may have no trajectory in the parts that a tree grows on. */
    const struct tree_rows *rows = grow.tree.n > 0    ? &grow.tree
                                   : known.tree.n > 0 ? &known.tree
                                                      : &test.tree;
    const int least = rows->n / 200 > LEAST_ROWS ? rows->n / 200 : LEAST_ROWS;
    TRY(tree_grow(&out->tree, rows, TREE_DEPTH, least, scratch));
    tree_prune(&out->tree, &prune.tree);
    list_leaves(out, 0);
    choose_ranges(out, known.tree.n > 0 ? &known : &test);
    judge(out, &test, set->n_services);
    arena_rewind(scratch, mark);
    return ERR_OK;
}

/* ---- text ---- */

/* x <= 0.5 of "is it service k" is "it is not". */
static enum err put_test(struct buf *out, const struct trajectory_set *set,
                         const struct tree_node *n, bool left)
{
    const int f = feature_at(set, n->feature);
    if (f < 0) {
        return buf_printf(out, "service.id %s %d", left ? "!=" : "==", -1 - f);
    }
    const char *op = left ? "<=" : ">";
    if (f >= global_of_column) {
        return buf_printf(out, "%s %s %.9g", global_feature_info[f - global_of_column].name, op,
                          n->threshold);
    }
    return buf_printf(out, "service.%s %s %.9g", service_feature_info[f].name, op, n->threshold);
}

/* Tests from the root down; a tree of depth 3 has at most three. */
enum err role_rules_condition(struct buf *out, const struct role_rules *r,
                              const struct trajectory_set *set, int leaf)
{
    int path[TREE_DEPTH + 1], n = 0;
    for (int k = r->leaf[leaf]; k >= 0; k = r->tree.node[k].parent) {
        path[n++] = k;
    }
    for (int i = n - 1; i > 0; i--) {
        const struct tree_node *node = &r->tree.node[path[i]];
        TRY(put_test(out, set, node, node->left == path[i - 1]));
        TRY(buf_printf(out, "%s", i > 1 ? " and " : ""));
    }
    return n > 1 ? ERR_OK : buf_printf(out, "true");
}

static enum err put_range(struct buf *out, const struct role_rules *r,
                          const struct trajectory_set *set, int leaf, int from, int to)
{
    TRY(buf_printf(out, "        - {on: \""));
    TRY(role_rules_condition(out, r, set, leaf));
    return buf_printf(out, "\", from: %d, to: %d}\n", from, to);
}

static int count_ranges(const struct role_rules *r, int level)
{
    int n = 0;
    for (int l = 0; l < r->n_leaves; l++) {
        n += width_of(&r->range[level][l]) > 0;
    }
    return n;
}

static enum err put_rules(struct buf *out, const struct role_rules *r,
                          const struct trajectory_set *set, int level)
{
    for (int l = 0; l < r->n_leaves; l++) {
        const struct role_range *g = &r->range[level][l];
        if (g->least_down != 0) {
            TRY(put_range(out, r, set, l, g->least_down, g->most_down));
        }
        if (g->least_up != 0) {
            TRY(put_range(out, r, set, l, g->least_up, g->most_up));
        }
    }
    return ERR_OK;
}

enum err role_rules_organisation(struct buf *out, const struct role_rules *roles, int n, int level,
                                 const struct trajectory_set *set, const int *role_of,
                                 const char *const *doc)
{
    TRY(buf_printf(out, "organisation:\n  name: inferred\n  hardness: 1\n  penalty: 0.1\n"
                        "  mission_weight: 0\n  roles:\n"));
    for (int k = 0; k < n; k++) {
        TRY(buf_printf(out, "    - name: role_%d\n      doc: \"%s\"\n", k + 1, doc[k]));
        if (count_ranges(&roles[k], level) == 0) {
            TRY(buf_printf(out, "      hardness: 0\n"));
            continue;
        }
        TRY(buf_printf(out, "      rules:\n"));
        TRY(put_rules(out, &roles[k], set, level));
    }
    TRY(buf_printf(out, "  agents:\n"));
    for (int a = 0; a < set->n_agents; a++) {
        TRY(buf_printf(out, "    - {name: \"%s\", roles: [role_%d]}\n", set->agents[a],
                       role_of[a] + 1));
    }
    return ERR_OK;
}
