/* Does another part of the episodes have the same roles? The parts are two halves of the episodes,
 * and the policies (training seeds). See roles.h.
 *
 * Each part is clustered by itself, into as many clusters as the whole, which are merged into roles
 * by the agents of its own episodes. The stability of two parts is the ARI of the roles of one part
 * with those of the nearest medoid of the other, averaged over both directions (prediction
 * strength, R. Tibshirani and G. Walther 2005, with ARI in the place of their measure). */
#include "core/analysis/roles.h"

#include "core/base/twoway.h"

#include <math.h>

/* ---- a part and its clusters ---- */

/* A part of the points of the sample: its own clustering, the medoids of that, and its roles. */
struct half {
    int n, branches, k;
    int *point;   /* (n) numbers in the sample */
    int *label;   /* (n) role */
    int *medoid;  /* (branches) numbers in the sample */
    int *role_of; /* (branches) */
};

/* Merges the branches of a part by the agents of its own episodes; label (n): branches become
 * roles. */
static enum err merge_half(struct half *h, const struct roles *r, const bool *in,
                           struct arena *scratch)
{
    int *of_distinct = ARENA_NEW(scratch, r->sequences->n_distinct, int), *part;
    struct attributed t;
    double told;
    h->role_of = ARENA_NEW(scratch, h->branches, int);
    TRY(arena_error(scratch));
    for (int d = 0; d < r->sequences->n_distinct; d++) {
        of_distinct[d] = -1;
    }
    for (int i = 0; i < h->n; i++) {
        of_distinct[r->sample.distinct[h->point[i]]] = h->label[i];
    }
    TRY(roles_attribute(&t, &part, r, in, of_distinct, scratch));
    TRY(attribution_merge(&told, &h->k, h->role_of, &t, part, h->branches, scratch));
    for (int i = 0; i < h->n; i++) {
        h->label[i] = h->role_of[h->label[i]];
    }
    return ERR_OK;
}

/* Points of which a trajectory stands in an episode that `in` names, weighted by how many. */
static enum err cluster_half(struct half *h, const struct roles *r, const bool *in,
                             struct arena *scratch)
{
    const struct sequences *q = r->sequences;
    double *count = ARENA_NEW(scratch, q->n_distinct, double);
    double *weight = ARENA_NEW(scratch, r->sample.n, double);
    *h = (struct half){.point = ARENA_NEW(scratch, r->sample.n, int),
                       .label = ARENA_NEW(scratch, r->sample.n, int)};
    TRY(arena_error(scratch));
    for (int i = 0; i < q->n; i++) {
        count[q->distinct[i]] += in[i / r->set->n_agents] ? 1.0 : 0.0;
    }
    for (int p = 0; p < r->sample.n; p++) {
        if (count[r->sample.distinct[p]] > 0.0) {
            weight[h->n] = count[r->sample.distinct[p]];
            h->point[h->n++] = p;
        }
    }
    h->branches = r->branches < h->n ? r->branches : h->n;
    if (h->n == 0) {
        return ERR_OK;
    }
    double *d = ARENA_NEW(scratch, pair_count(h->n > 1 ? h->n : 2), double);
    double *copy = ARENA_NEW(scratch, pair_count(h->n > 1 ? h->n : 2), double);
    struct merge *tree = ARENA_NEW(scratch, h->n, struct merge);
    h->medoid = ARENA_NEW(scratch, h->branches, int);
    TRY(arena_error(scratch));
    for (int i = 0; i < h->n; i++) {
        for (int j = i + 1; j < h->n; j++) {
            const size_t at = pair_index(h->n, i, j);
            d[at] = copy[at] = pair_get(r->distance, r->sample.n, h->point[i], h->point[j]);
        }
    }
    TRY(linkage_make(tree, copy, weight, h->n, LINKAGE_AVERAGE, scratch));
    TRY(linkage_cut(h->label, tree, h->n, h->branches, scratch));
    TRY(medoids_of(h->medoid, d, h->label, weight, h->n, h->branches, scratch));
    for (int c = 0; c < h->branches; c++) {
        h->medoid[c] = h->point[h->medoid[c]];
    }
    return merge_half(h, r, in, scratch);
}

/* ARI of one part's own roles with those of the nearest medoid of the other. */
static enum err predicted(double *ari, const struct roles *r, const struct half *own,
                          const struct half *other, struct arena *scratch)
{
    struct agreement g;
    int *label = ARENA_NEW(scratch, own->n, int);
    TRY(arena_error(scratch));
    for (int i = 0; i < own->n; i++) {
        double best = INFINITY;
        for (int c = 0; c < other->branches; c++) {
            const double d = pair_get(r->distance, r->sample.n, own->point[i], other->medoid[c]);
            if (d < best) {
                best = d;
                label[i] = other->role_of[c];
            }
        }
    }
    TRY(agreement_of(&g, own->label, own->k, label, other->k, own->n, scratch));
    *ari = g.ari;
    return ERR_OK;
}

/* Mean over both directions; NaN if a part has no point. */
static enum err compare(double *ari, const struct roles *r, const bool *in_a, const bool *in_b,
                        struct arena *scratch)
{
    const struct arena_mark mark = arena_mark(scratch);
    struct half a, b;
    double ab, ba;
    TRY(cluster_half(&a, r, in_a, scratch));
    TRY(cluster_half(&b, r, in_b, scratch));
    *ari = NAN;
    if (a.n > 0 && b.n > 0) {
        TRY(predicted(&ab, r, &a, &b, scratch));
        TRY(predicted(&ba, r, &b, &a, scratch));
        *ari = (ab + ba) / 2.0;
    }
    arena_rewind(scratch, mark);
    return ERR_OK;
}

/* ---- all parts ---- */

/* ari (n_policies, n_policies), symmetric: of all pairs of policies. a, b (n_episodes): scratch. */
static enum err compare_policies(double *ari, const struct roles *r, bool *a, bool *b,
                                 struct arena *scratch)
{
    const int n = r->n_policies;
    for (int p = 0; p < n; p++) {
        for (int o = 0; o < p; o++) {
            for (int e = 0; e < r->set->n_episodes; e++) {
                a[e] = r->policy[e] == p;
                b[e] = r->policy[e] == o;
            }
            TRY(compare(&ari[p * n + o], r, a, b, scratch));
            ari[o * n + p] = ari[p * n + o];
        }
    }
    return ERR_OK;
}

enum err roles_stability(struct roles *r, struct arena *scratch)
{
    const int n = r->set->n_episodes, n_policies = r->n_policies;
    bool *a = ARENA_NEW(scratch, n, bool), *b = ARENA_NEW(scratch, n, bool);
    double *ari = ARENA_NEW(scratch, n_policies * n_policies, double);
    TRY(arena_error(scratch));
    for (int e = 0; e < n; e++) {
        a[e] = e % 2 == 0;
        b[e] = !a[e];
    }
    TRY(compare(&r->stable_halves, r, a, b, scratch));
    TRY(compare_policies(ari, r, a, b, scratch));
    const struct stat_cfg cfg = {.seed = r->cfg->seed,
                                 .stream = STAT_STREAM("ARI over seeds"),
                                 .resamples = 1999,
                                 .level = 0.95};
    TRY(stat_pairs_corrected(&r->stable_seeds, ari, (uint32_t)n_policies, &cfg, scratch));
    if (!isnan(r->stable_seeds.lo)) { /* widening may push an end over the largest ARI */
        r->stable_seeds.lo = fmax(r->stable_seeds.lo, -1.0);
        r->stable_seeds.hi = fmin(r->stable_seeds.hi, 1.0);
    }
    return ERR_OK;
}
