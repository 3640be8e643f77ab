/* Counting in bins, level by level. See decision_tree.h. */
#include "core/analysis/decision_tree.h"

#include "core/base/number.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- bins ---- */

/* Bin b of a feature holds the values in (threshold[b - 1], threshold[b]]. */
struct bins {
    int n; /* bins of the feature, at least 1 */
    double threshold[TREE_BINS - 1];
};

static int by_value(const void *a, const void *b)
{
    const float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* A number t with lo <= t < hi in as few digits as there is one. */
static double threshold_between(double lo, double hi)
{
    const double middle = lo + (hi - lo) / 2.0;
    for (int digits = 1; digits < 9; digits++) {
        char text[40];
        double t;
        (void)snprintf(text, sizeof text, "%.*g", digits, middle);
        if (number_real(&t, text) && lo <= t && t < hi) {
            return t;
        }
    }
    return middle < hi ? middle : lo;
}

/* sorted (n): cut between distinct values, at quantiles if there are more than TREE_BINS. */
static void make_bins(struct bins *b, const float *sorted, int n)
{
    int distinct = 1;
    for (int i = 1; i < n; i++) {
        distinct += sorted[i] != sorted[i - 1];
    }
    b->n = 1;
    int next = 0; /* rows that must be below the next cut */
    for (int i = 1; i < n; i++) {
        if (sorted[i] == sorted[i - 1]) {
            continue;
        }
        if (distinct > TREE_BINS && i < next) {
            continue;
        }
        if (b->n == TREE_BINS) {
            break;
        }
        b->threshold[b->n++ - 1] = threshold_between((double)sorted[i - 1], (double)sorted[i]);
        next = i + n / TREE_BINS;
    }
}

static int bin_of(const struct bins *b, float x)
{
    int lo = 0, hi = b->n - 1;
    while (lo < hi) {
        const int middle = (lo + hi) / 2;
        if ((double)x <= b->threshold[middle]) {
            hi = middle;
        } else {
            lo = middle + 1;
        }
    }
    return lo;
}

/* ---- growing ---- */

struct grower {
    struct tree *t;
    const struct tree_rows *rows;
    struct bins *bins; /* (n_features) */
    uint8_t *bin;      /* (n, n_features) */
    uint8_t *node;     /* (n) of the row */
    double *table;     /* (n_features, TREE_BINS, TREE_CLASSES) of the node at hand */
    int least_rows;
};

static double sum_of(const double *count)
{
    double n = 0.0;
    for (int c = 0; c < TREE_CLASSES; c++) {
        n += count[c];
    }
    return n;
}

static double risk_of(const double *count)
{
    const double n = sum_of(count);
    double squares = 0.0;
    for (int c = 0; c < TREE_CLASSES; c++) {
        squares += count[c] * count[c];
    }
    return n > 0.0 ? n - squares / n : 0.0;
}

static void count_node(struct grower *g, int k)
{
    const int f = g->rows->n_features;
    memset(g->table, 0, (size_t)f * TREE_BINS * TREE_CLASSES * sizeof *g->table);
    for (int i = 0; i < g->rows->n; i++) {
        const uint8_t *bin = g->bin + (ptrdiff_t)i * f;
        for (int j = 0; j < f && g->node[i] == k; j++) {
            g->table[(j * TREE_BINS + bin[j]) * TREE_CLASSES + g->rows->class[i]] += 1.0;
        }
    }
}

/* The best cut of the node at hand: *cut is the last bin that goes left. False: none lowers R. */
static bool best_split(const struct grower *g, int k, int *feature, int *cut)
{
    const double *all = g->t->node[k].count;
    const double rounding = 1e-9, whole = risk_of(all);
    double best = rounding * (1.0 + whole);
    bool found = false;
    for (int j = 0; j < g->rows->n_features; j++) {
        double left[TREE_CLASSES] = {0}, right[TREE_CLASSES];
        for (int b = 0; b < g->bins[j].n - 1; b++) {
            for (int c = 0; c < TREE_CLASSES; c++) {
                left[c] += g->table[(j * TREE_BINS + b) * TREE_CLASSES + c];
                right[c] = all[c] - left[c];
            }
            const double gain = whole - risk_of(left) - risk_of(right);
            if (gain > best && sum_of(left) >= g->least_rows && sum_of(right) >= g->least_rows) {
                best = gain * (1.0 + rounding);
                *feature = j;
                *cut = b;
                found = true;
            }
        }
    }
    return found;
}

static int add_node(struct tree *t, int parent)
{
    t->node[t->n_nodes] =
        (struct tree_node){.feature = -1, .left = -1, .right = -1, .parent = parent};
    return t->n_nodes++;
}

static void split(struct grower *g, int k, int feature, int cut)
{
    struct tree *t = g->t;
    const int left = add_node(t, k), right = add_node(t, k);
    t->node[k].feature = feature;
    t->node[k].threshold = g->bins[feature].threshold[cut];
    t->node[k].left = left;
    t->node[k].right = right;
    for (int i = 0; i < g->rows->n; i++) {
        if (g->node[i] == k) {
            const int to =
                g->bin[(ptrdiff_t)i * g->rows->n_features + feature] <= cut ? left : right;
            g->node[i] = (uint8_t)to;
            t->node[to].count[g->rows->class[i]] += 1.0;
        }
    }
}

static enum err fill_bins(struct grower *g, struct arena *scratch)
{
    const int n = g->rows->n, f = g->rows->n_features;
    float *sorted = ARENA_NEW(scratch, n, float);
    TRY(arena_error(scratch));
    for (int j = 0; j < f; j++) {
        for (int i = 0; i < n; i++) {
            sorted[i] = g->rows->x[(ptrdiff_t)i * f + j];
        }
        qsort(sorted, (size_t)n, sizeof *sorted, by_value);
        make_bins(&g->bins[j], sorted, n);
        for (int i = 0; i < n; i++) {
            const float x = g->rows->x[(ptrdiff_t)i * f + j];
            g->bin[(ptrdiff_t)i * f + j] = (uint8_t)bin_of(&g->bins[j], x);
        }
    }
    return ERR_OK;
}

/* Nodes are numbered level by level: those of the next level stand behind all of this one. */
enum err tree_grow(struct tree *t, const struct tree_rows *rows, int depth, int least_rows,
                   struct arena *scratch)
{
    const struct arena_mark mark = arena_mark(scratch);
    const size_t cells = (size_t)rows->n * (size_t)rows->n_features;
    struct grower g = {.t = t,
                       .rows = rows,
                       .bins = ARENA_NEW(scratch, rows->n_features, struct bins),
                       .bin = ARENA_NEW(scratch, cells, uint8_t),
                       .node = ARENA_NEW(scratch, rows->n, uint8_t),
                       .table =
                           ARENA_NEW(scratch, rows->n_features * TREE_BINS * TREE_CLASSES, double),
                       .least_rows = least_rows};
    TRY(arena_error(scratch));
    TRY(fill_bins(&g, scratch));
    t->n_nodes = 0;
    (void)add_node(t, -1);
    for (int i = 0; i < rows->n; i++) {
        t->node[0].count[rows->class[i]] += 1.0;
    }
    for (int level = 0, k = 0; level < depth && level < TREE_DEPTH; level++) {
        for (const int end = t->n_nodes; k < end; k++) {
            int feature, cut;
            count_node(&g, k);
            if (best_split(&g, k, &feature, &cut)) {
                split(&g, k, feature, cut);
            }
        }
    }
    arena_rewind(scratch, mark);
    return ERR_OK;
}

/* ---- use ---- */

int tree_leaf(const struct tree *t, const float *x)
{
    int k = 0;
    while (t->node[k].feature >= 0) {
        const struct tree_node *n = &t->node[k];
        k = (double)x[n->feature] <= n->threshold ? n->left : n->right;
    }
    return k;
}

int tree_class(const struct tree_node *n)
{
    int best = 0;
    for (int c = 1; c < TREE_CLASSES; c++) {
        best = n->count[c] > n->count[best] ? c : best;
    }
    return best;
}

static int leaves_below(const struct tree *t, int k)
{
    const struct tree_node *n = &t->node[k];
    return n->feature < 0 ? 1 : leaves_below(t, n->left) + leaves_below(t, n->right);
}

int tree_leaves(const struct tree *t)
{
    return leaves_below(t, 0);
}

/* ---- pruning ---- */

static double risk_below(const struct tree *t, int k)
{
    const struct tree_node *n = &t->node[k];
    return n->feature < 0 ? risk_of(n->count) : risk_below(t, n->left) + risk_below(t, n->right);
}

/* The Brier score of the shares of a leaf on held-out counts h:
 *
 *   sum_c h_c sum_d (p_d - [d = c])^2 = sum_c h_c (1 - 2 p_c + sum_d p_d^2)
 */
static double brier_below(const struct tree *t, double held[][TREE_CLASSES], int k)
{
    const struct tree_node *n = &t->node[k];
    if (n->feature >= 0) {
        return brier_below(t, held, n->left) + brier_below(t, held, n->right);
    }
    const double all = sum_of(n->count);
    double squares = 0.0, score = 0.0;
    for (int c = 0; c < TREE_CLASSES; c++) {
        squares += n->count[c] * n->count[c] / (all * all);
    }
    for (int c = 0; c < TREE_CLASSES; c++) {
        score += held[k][c] * (1.0 - 2.0 * n->count[c] / all + squares);
    }
    return score;
}

/* Held-out rows of every node, inner ones included: they become leaves. */
static void count_held_out(double held[][TREE_CLASSES], const struct tree *t,
                           const struct tree_rows *rows)
{
    for (int i = 0; i < rows->n; i++) {
        const float *x = rows->x + (ptrdiff_t)i * rows->n_features;
        for (int k = tree_leaf(t, x); k >= 0; k = t->node[k].parent) {
            held[k][rows->class[i]] += 1.0;
        }
    }
}

/* The price of a leaf at which node k is better a leaf: (R(k) - R(below)) / (leaves - 1). */
static double price_of(const struct tree *t, int k)
{
    return (risk_of(t->node[k].count) - risk_below(t, k)) / (leaves_below(t, k) - 1);
}

static bool is_reached(const struct tree *t, int k)
{
    for (int p = t->node[k].parent, child = k; p >= 0; child = p, p = t->node[p].parent) {
        if (t->node[p].left != child && t->node[p].right != child) {
            return false;
        }
        if (t->node[p].feature < 0) {
            return false;
        }
    }
    return true;
}

/* The weakest link becomes a leaf; false: the root is one. */
static bool cut_weakest(struct tree *t)
{
    int weakest = -1;
    double least = INFINITY;
    for (int k = 0; k < t->n_nodes; k++) {
        if (t->node[k].feature >= 0 && is_reached(t, k) && price_of(t, k) < least) {
            least = price_of(t, k);
            weakest = k;
        }
    }
    if (weakest >= 0) {
        t->node[weakest].feature = -1;
    }
    return weakest >= 0;
}

void tree_prune(struct tree *t, const struct tree_rows *held_out)
{
    double held[TREE_NODES][TREE_CLASSES] = {{0}};
    struct tree candidate = *t;
    count_held_out(held, t, held_out);
    double best = brier_below(t, held, 0);
    while (cut_weakest(&candidate)) {
        const double score = brier_below(&candidate, held, 0);
        if (score <= best * (1.0 + 1e-12)) {
            best = score;
            *t = candidate;
        }
    }
}
