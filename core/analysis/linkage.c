/* Chains of nearest neighbours, then one pass that sorts and numbers. See linkage.h. */
#include "core/analysis/linkage.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *const linkage_names[LINKAGE_KINDS] = {"average", "complete", "ward"};

/* A merge as the chain finds it: two points that stand for their clusters. */
struct found {
    int a, b, order;
    double height;
};

struct chain {
    double *d;
    double *weight; /* (n) of the cluster that the point stands for; 0: it stands for none */
    int n, *points, length;
    enum linkage_kind kind;
};

/* The update of G. Lance and W. Williams (1967): distance of k to the union of i and j. */
static double joined(const struct chain *c, int i, int j, int k)
{
    const double wi = c->weight[i], wj = c->weight[j], wk = c->weight[k];
    const double ik = pair_get(c->d, c->n, i, k), jk = pair_get(c->d, c->n, j, k);
    if (c->kind == LINKAGE_COMPLETE) {
        return ik > jk ? ik : jk;
    }
    if (c->kind == LINKAGE_AVERAGE) {
        return (wi * ik + wj * jk) / (wi + wj);
    }
    const double ij = pair_get(c->d, c->n, i, j);
    const double square =
        ((wi + wk) * ik * ik + (wj + wk) * jk * jk - wk * ij * ij) / (wi + wj + wk);
    return sqrt(square > 0.0 ? square : 0.0);
}

static void put(struct chain *c, int i, int j, double v)
{
    c->d[i < j ? pair_index(c->n, i, j) : pair_index(c->n, j, i)] = v;
}

/* The nearest of the points that stand for a cluster. The previous one of the chain wins ties,
 * which is what makes the chain end. */
static int nearest(const struct chain *c, int of, int previous)
{
    int best = previous;
    double distance = previous >= 0 ? pair_get(c->d, c->n, of, previous) : INFINITY;
    for (int k = 0; k < c->n; k++) {
        if (k == of || c->weight[k] == 0.0) {
            continue;
        }
        const double v = pair_get(c->d, c->n, of, k);
        if (v < distance || best < 0) {
            distance = v;
            best = k;
        }
    }
    return best;
}

/* Invariant: each point of the chain is the nearest one of its predecessor, so distances along it
 * fall. When the last two are each other's nearest, every linkage here merges them sooner or later,
 * whatever is merged elsewhere (they are reducible), so it may be done now. Twice as many points
 * enter chains as merges are made, and each costs O(n). */
static void run_chain(struct found *out, struct chain *c)
{
    for (int m = 0; m < c->n - 1; m++) {
        if (c->length == 0) {
            int first = 0;
            while (c->weight[first] == 0.0) {
                first++;
            }
            c->points[c->length++] = first;
        }
        for (;;) {
            const int top = c->points[c->length - 1];
            const int previous = c->length > 1 ? c->points[c->length - 2] : -1;
            const int next = nearest(c, top, previous);
            if (next == previous) {
                break;
            }
            c->points[c->length++] = next;
        }
        const int x = c->points[c->length - 1], y = c->points[c->length - 2];
        const int i = x < y ? x : y, j = x < y ? y : x;
        c->length -= 2;
        out[m] = (struct found){i, j, m, pair_get(c->d, c->n, i, j)};
        for (int k = 0; k < c->n; k++) {
            if (k != i && k != j && c->weight[k] != 0.0) {
                put(c, j, k, joined(c, i, j, k));
            }
        }
        c->weight[j] += c->weight[i];
        c->weight[i] = 0.0;
    }
}

/* Equal heights keep the order in which they were found: a cluster is made before it is merged. */
static int by_height(const void *a, const void *b)
{
    const struct found *x = a, *y = b;
    if (x->height != y->height) {
        return x->height < y->height ? -1 : 1;
    }
    return (x->order > y->order) - (x->order < y->order);
}

static int root_of(int *parent, int i)
{
    while (parent[i] != i) {
        parent[i] = parent[parent[i]];
        i = parent[i];
    }
    return i;
}

/* Points become numbers of clusters: `number` of a root is that of its cluster. */
static enum err number_merges(struct merge *out, struct found *found, const double *weight, int n,
                              struct arena *scratch)
{
    int *parent = ARENA_NEW(scratch, n, int), *number = ARENA_NEW(scratch, n, int);
    double *below = ARENA_NEW(scratch, n, double);
    TRY(arena_error(scratch));
    for (int i = 0; i < n; i++) {
        parent[i] = number[i] = i;
        below[i] = weight[i];
    }
    qsort(found, (size_t)(n - 1), sizeof *found, by_height);
    for (int m = 0; m < n - 1; m++) {
        const int x = root_of(parent, found[m].a), y = root_of(parent, found[m].b);
        const int a = number[x] < number[y] ? number[x] : number[y];
        const int b = number[x] < number[y] ? number[y] : number[x];
        out[m] = (struct merge){a, b, found[m].height, below[x] + below[y]};
        parent[x] = y;
        number[y] = n + m;
        below[y] += below[x];
    }
    return ERR_OK;
}

/* Ward's distance of single points in one place with weights w, v is sqrt(2 w v / (w + v)) times
 * theirs, which is what merging them one by one at height 0 would have made of it. */
static void weigh(double *d, const double *weight, int n)
{
    for (int i = 0; i < n; i++) {
        for (int j = i + 1; j < n; j++) {
            d[pair_index(n, i, j)] *= sqrt(2.0 * weight[i] * weight[j] / (weight[i] + weight[j]));
        }
    }
}

enum err linkage_make(struct merge *out, double *d, const double *weight, int n,
                      enum linkage_kind kind, struct arena *scratch)
{
    if (n < 2) {
        return ERR_OK;
    }
    const struct arena_mark mark = arena_mark(scratch);
    struct found *found = ARENA_NEW(scratch, n - 1, struct found);
    struct chain c = {.d = d,
                      .weight = ARENA_NEW(scratch, n, double),
                      .n = n,
                      .points = ARENA_NEW(scratch, n, int),
                      .kind = kind};
    TRY(arena_error(scratch));
    memcpy(c.weight, weight, (size_t)n * sizeof *weight);
    if (kind == LINKAGE_WARD) {
        weigh(d, weight, n);
    }
    run_chain(found, &c);
    TRY(number_merges(out, found, weight, n, scratch));
    arena_rewind(scratch, mark);
    return ERR_OK;
}

/* The first n - k merges stay. A cluster is named by the last merge that made it, so going down
 * from the last one hands the name of the highest to all below. */
enum err linkage_cut(int *label, const struct merge *tree, int n, int k, struct arena *scratch)
{
    const struct arena_mark mark = arena_mark(scratch);
    int *top = ARENA_NEW(scratch, 2 * n, int), *name = ARENA_NEW(scratch, 2 * n, int);
    TRY(arena_error(scratch));
    for (int i = 0; i < 2 * n; i++) {
        top[i] = i;
        name[i] = -1;
    }
    for (int m = n - k - 1; m >= 0; m--) {
        top[tree[m].a] = top[tree[m].b] = top[n + m];
    }
    int next = 0;
    for (int i = 0; i < n; i++) {
        if (name[top[i]] < 0) {
            name[top[i]] = next++;
        }
        label[i] = name[top[i]];
    }
    CHECK(next == k);
    arena_rewind(scratch, mark);
    return ERR_OK;
}

/* The points below a cluster are a linked list, which a merge joins. Each pair is met in exactly
 * one merge, so all merges together take O(n^2). */
enum err linkage_cophenetic(double *out, const struct merge *tree, int n, struct arena *scratch)
{
    const struct arena_mark mark = arena_mark(scratch);
    int *first = ARENA_NEW(scratch, 2 * n, int), *last = ARENA_NEW(scratch, 2 * n, int);
    int *next = ARENA_NEW(scratch, n, int);
    TRY(arena_error(scratch));
    for (int i = 0; i < n; i++) {
        first[i] = last[i] = i;
        next[i] = -1;
    }
    for (int m = 0; m < n - 1; m++) {
        const int a = tree[m].a, b = tree[m].b;
        for (int i = first[a]; i >= 0; i = next[i]) {
            for (int j = first[b]; j >= 0; j = next[j]) {
                out[i < j ? pair_index(n, i, j) : pair_index(n, j, i)] = tree[m].height;
            }
        }
        next[last[a]] = first[b];
        first[n + m] = first[a];
        last[n + m] = last[b];
    }
    arena_rewind(scratch, mark);
    return ERR_OK;
}

/* Weighted moments; a point of weight w adds w (w - 1) / 2 pairs at distance and height 0. */
enum err linkage_cophenetic_correlation(double *out, const double *d, const struct merge *tree,
                                        const double *weight, int n, struct arena *scratch)
{
    const struct arena_mark mark = arena_mark(scratch);
    double *c = ARENA_NEW(scratch, pair_count(n), double);
    TRY(arena_error(scratch));
    TRY(linkage_cophenetic(c, tree, n, scratch));
    double w = 0.0, x = 0.0, y = 0.0, xx = 0.0, yy = 0.0, xy = 0.0;
    for (int i = 0; i < n; i++) {
        w += weight[i] * (weight[i] - 1.0) / 2.0;
        for (int j = i + 1; j < n; j++) {
            const size_t at = pair_index(n, i, j);
            w += weight[i] * weight[j];
            x += weight[i] * weight[j] * d[at];
            y += weight[i] * weight[j] * c[at];
        }
    }
    x /= w, y /= w;
    for (int i = 0; i < n; i++) {
        const double own = weight[i] * (weight[i] - 1.0) / 2.0;
        xx += own * x * x, yy += own * y * y, xy += own * x * y;
        for (int j = i + 1; j < n; j++) {
            const size_t at = pair_index(n, i, j);
            const double v = weight[i] * weight[j];
            xx += v * (d[at] - x) * (d[at] - x);
            yy += v * (c[at] - y) * (c[at] - y);
            xy += v * (d[at] - x) * (c[at] - y);
        }
    }
    *out = xx > 0.0 && yy > 0.0 ? xy / sqrt(xx * yy) : NAN;
    arena_rewind(scratch, mark);
    return ERR_OK;
}
