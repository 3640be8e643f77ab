/* From distances to roles. See roles.h. */
#include "core/analysis/roles.h"

#include "core/base/log.h"
#include "core/base/rng.h"

#include <math.h>
#include <string.h>

enum { STREAM_SAMPLE = 2 };

/* ---- what is clustered ---- */

enum err role_sample_init(struct role_sample *out, struct arena *arena, const struct sequences *q,
                          const struct role_cfg *cfg)
{
    const int n = q->n_distinct < cfg->sample ? q->n_distinct : cfg->sample;
    int *distinct = ARENA_NEW(arena, n, int), *rest = ARENA_NEW(arena, q->n_distinct - n, int);
    double *weight = ARENA_NEW(arena, n, double);
    TRY(arena_error(arena));
    TRY(role_draw_sample(distinct, n, q->n_distinct, cfg->seed, STREAM_SAMPLE, arena));
    int n_rest = 0, next = 0;
    for (int k = 0; k < q->n_distinct; k++) {
        if (next < n && distinct[next] == k) {
            weight[next++] = q->weight[k];
        } else {
            rest[n_rest++] = k;
        }
    }
    *out = (struct role_sample){n, distinct, weight, rest, n_rest};
    return ERR_OK;
}

/* ---- policies and roles ---- */

static bool same_policy(const struct analysed_episode *a, const struct analysed_episode *b)
{
    return a->policy == b->policy && a->train_seed == b->train_seed;
}

/* In the order of their first episodes. Episodes of a policy stand together, so the loop back finds
 * it at once. */
static enum err number_policies(struct roles *r, struct arena *arena)
{
    const struct trajectory_set *set = r->set;
    int *policy = ARENA_NEW(arena, set->n_episodes, int);
    TRY(arena_error(arena));
    for (int e = 0; e < set->n_episodes; e++) {
        policy[e] = -1;
        for (int f = e - 1; f >= 0 && policy[e] < 0; f--) {
            policy[e] = same_policy(&set->episodes[e], &set->episodes[f]) ? policy[f] : -1;
        }
        policy[e] = policy[e] < 0 ? r->n_policies++ : policy[e];
    }
    r->policy = policy;
    return ERR_OK;
}

static enum err number_roles(struct roles *r, struct arena *arena)
{
    const struct trajectory_set *set = r->set;
    int *assigned = ARENA_NEW(arena, set->n_agents, int);
    TRY(arena_error(arena));
    for (int a = 0; a < set->n_agents; a++) {
        assigned[a] = -1;
        for (int b = 0; b < a && assigned[a] < 0; b++) {
            assigned[a] = strcmp(set->roles[a], set->roles[b]) == 0 ? assigned[b] : -1;
        }
        assigned[a] = assigned[a] < 0 ? r->n_assigned++ : assigned[a];
    }
    r->assigned = assigned;
    return ERR_OK;
}

/* ---- trees ---- */

/* Agreement of the trajectories with a label: those of the part, in the order of the set. */
static enum err agree(struct agreement *out, const struct roles *r, const int *label, int k,
                      struct arena *scratch)
{
    const struct arena_mark mark = arena_mark(scratch);
    const int n = trajectory_count(r->set);
    int *a = ARENA_NEW(scratch, n, int), *b = ARENA_NEW(scratch, n, int);
    TRY(arena_error(scratch));
    int m = 0;
    for (int i = 0; i < n; i++) {
        if (label[i] >= 0) {
            a[m] = label[i];
            b[m++] = r->assigned[i % r->set->n_agents];
        }
    }
    TRY(agreement_of(out, a, k, b, r->n_assigned, m, scratch));
    arena_rewind(scratch, mark);
    return ERR_OK;
}

/* Labels of points of the part become those of distinct trajectories; -1: not in the part. */
static void label_distinct(int *of_distinct, const struct roles *r, const int *of_point)
{
    for (int k = 0; k < r->sequences->n_distinct; k++) {
        of_distinct[k] = -1;
    }
    for (int p = 0; p < r->sample.n; p++) {
        of_distinct[r->sample.distinct[p]] = of_point[p];
    }
}

/* And those of all trajectories. */
static void spread(int *label, const struct roles *r, const int *of_point, int *of_distinct)
{
    label_distinct(of_distinct, r, of_point);
    for (int i = 0; i < trajectory_count(r->set); i++) {
        label[i] = of_distinct[r->sequences->distinct[i]];
    }
}

static enum err judge_tree(struct role_tree_quality *q, const struct roles *r,
                           const struct merge *tree, struct arena *scratch)
{
    const int n = r->sample.n;
    int *of_point = ARENA_NEW(scratch, n, int), *label;
    int *of_distinct = ARENA_NEW(scratch, r->sequences->n_distinct, int);
    label = ARENA_NEW(scratch, trajectory_count(r->set), int);
    TRY(arena_error(scratch));
    q->cophenetic = NAN;
    if (n > 1) {
        TRY(linkage_cophenetic_correlation(&q->cophenetic, r->distance, tree, r->sample.weight, n,
                                           scratch));
    }
    for (int k = 1; k <= r->cfg->k_max; k++) {
        q->silhouette[k] = -1.0;
        if (k > n) {
            continue;
        }
        TRY(linkage_cut(of_point, tree, n, k, scratch));
        if (k > 1) {
            TRY(silhouette_of(&q->silhouette[k], NULL, r->distance, of_point, r->sample.weight, n,
                              k, scratch));
        }
        spread(label, r, of_point, of_distinct);
        TRY(agree(&q->with_roles[k], r, label, k, scratch));
    }
    return ERR_OK;
}

static enum err make_trees(struct roles *r, struct arena *arena, struct arena *scratch)
{
    const int n = r->sample.n;
    for (int kind = 0; kind < LINKAGE_KINDS; kind++) {
        const struct arena_mark mark = arena_mark(scratch);
        struct arena *keeps = kind == LINKAGE_AVERAGE ? arena : scratch;
        struct merge *tree = ARENA_NEW(keeps, n, struct merge);
        double *copy = ARENA_NEW(scratch, pair_count(n), double);
        TRY(arena_error(keeps));
        TRY(arena_error(scratch));
        memcpy(copy, r->distance, pair_count(n) * sizeof *copy);
        TRY(linkage_make(tree, copy, r->sample.weight, n, (enum linkage_kind)kind, scratch));
        if (kind == LINKAGE_AVERAGE) {
            r->tree = tree;
        }
        TRY(judge_tree(&r->quality[kind], r, tree, scratch));
        arena_rewind(scratch, mark);
    }
    return ERR_OK;
}

/* ---- the number of clusters ---- */

enum err roles_attribute(struct attributed *out, int **label, const struct roles *r, const bool *in,
                         const int *label_of, struct arena *arena)
{
    const int n = trajectory_count(r->set), n_agents = r->set->n_agents;
    int *policy = ARENA_NEW(arena, n, int), *episode = ARENA_NEW(arena, n, int);
    int *agent = ARENA_NEW(arena, n, int);
    *label = ARENA_NEW(arena, n, int);
    *out = (struct attributed){.n_policies = r->n_policies,
                               .n_agents = n_agents,
                               .policy = policy,
                               .episode = episode,
                               .agent = agent};
    TRY(arena_error(arena));
    for (int i = 0; i < n; i++) {
        const int e = i / n_agents, found = label_of[r->sequences->distinct[i]];
        if ((in == NULL || in[e]) && found >= 0) {
            policy[out->n] = r->policy[e];
            episode[out->n] = e;
            agent[out->n] = i % n_agents;
            (*label)[out->n++] = found;
        }
    }
    return ERR_OK;
}

/* The k whose silhouette stands out, or all; of these the one with the largest A; ties: the
 * smallest. */
static int choose_k(const struct roles *r, int k_max)
{
    const double rounding = 1e-9;
    int best = 0;
    for (int any = 0; any < 2 && best == 0; any++) {
        for (int k = 2; k <= k_max; k++) {
            const bool stands_out = any == 1 || r->agents.each[k] <= r->cfg->significance;
            if (stands_out && (best == 0 || r->told[k] > r->told[best] + rounding)) {
                best = k;
            }
        }
    }
    return best == 0 ? 1 : best;
}

/* The trajectories of the part at each number of clusters, one after the other. */
static enum err number_clusters(struct roles *r, struct arena *scratch)
{
    const struct arena_mark mark = arena_mark(scratch);
    const int most = r->cfg->k_max < r->sample.n ? r->cfg->k_max : r->sample.n;
    const int n_all = trajectory_count(r->set);
    int *of_point = ARENA_NEW(scratch, r->sample.n, int), *part;
    int *of_distinct = ARENA_NEW(scratch, r->sequences->n_distinct, int);
    int *label = ARENA_NEW(scratch, (most + 1) * n_all, int), *k_of = ARENA_NEW(scratch, most, int);
    struct attributed t = {.n = 0};
    TRY(arena_error(scratch));
    for (int k = 0; k <= r->cfg->k_max; k++) {
        r->told[k] = -1.0;
    }
    for (int k = 2; k <= most; k++) {
        TRY(linkage_cut(of_point, r->tree, r->sample.n, k, scratch));
        label_distinct(of_distinct, r, of_point);
        TRY(roles_attribute(&t, &part, r, NULL, of_distinct, scratch));
        TRY(attribution_merge(&r->told[k], &r->merged[k], NULL, &t, part, k, scratch));
        memcpy(label + (ptrdiff_t)(k - 2) * t.n, part, (size_t)t.n * sizeof *label);
        k_of[k - 2] = k;
    }
    r->branches = choose_k(r, most);
    r->attribution = 1.0;
    if (most >= 2) {
        TRY(attribution_test(&r->attribution, &t, label, k_of, most - 1, ROLE_ATTRIBUTION_DRAWS,
                             r->cfg->seed, scratch));
    }
    arena_rewind(scratch, mark);
    return ERR_OK;
}

static enum err cut_at(struct roles *r, struct arena *arena, struct arena *scratch)
{
    const int n = r->sample.n, k = r->branches;
    int *of_point = ARENA_NEW(scratch, n, int), *part;
    int *of_distinct = ARENA_NEW(scratch, r->sequences->n_distinct, int);
    struct attributed t;
    double told;
    r->label = ARENA_NEW(arena, trajectory_count(r->set), int);
    r->medoid = ARENA_NEW(arena, k, int);
    r->role_of = ARENA_NEW(arena, k, int);
    TRY(arena_error(arena));
    TRY(arena_error(scratch));
    TRY(linkage_cut(of_point, r->tree, n, k, scratch));
    TRY(medoids_of(r->medoid, r->distance, of_point, r->sample.weight, n, k, scratch));
    label_distinct(of_distinct, r, of_point);
    TRY(roles_attribute(&t, &part, r, NULL, of_distinct, scratch));
    TRY(attribution_merge(&told, &r->k, r->role_of, &t, part, k, scratch));
    for (int c = 0; c < k; c++) {
        r->medoid[c] = r->sample.distinct[r->medoid[c]];
    }
    for (int i = 0; i < n; i++) {
        of_point[i] = r->role_of[of_point[i]];
    }
    spread(r->label, r, of_point, of_distinct);
    return ERR_OK;
}

enum err roles_init(struct roles *r, struct arena *arena, const struct trajectory_set *set,
                    const struct sequences *q, const struct role_cfg *cfg,
                    const struct role_sample *sample, const double *distance,
                    const double *observed, const double *agents, const double *time, int n,
                    struct arena *scratch)
{
    *r = (struct roles){.set = set,
                        .sequences = q,
                        .cfg = cfg,
                        .sample = *sample,
                        .distance = distance,
                        .stable_halves = NAN,
                        .stable_seeds = {NAN, NAN, NAN}};
    role_null_test(&r->agents, observed, agents, n, cfg->k_max);
    role_null_test(&r->time, observed, time, n, cfg->k_max);
    TRY(number_policies(r, arena));
    TRY(number_roles(r, arena));
    TRY(make_trees(r, arena, scratch));
    TRY(number_clusters(r, scratch));
    return cut_at(r, arena, scratch);
}

/* ---- the rest ---- */

/* A bound must exceed the best distance by more than the rounding of its sum. */
static bool exceeds(double bound, double best)
{
    return bound > best * (1.0 + 1e-12);
}

int roles_nearest(struct role_spared *spared, const struct sequences *q, const struct role_cfg *cfg,
                  const int *medoid, int k, const float *lo, const float *hi, int distinct,
                  double *scratch)
{
    const bool warps = cfg->distance.kind == DISTANCE_DTW;
    const bool boxed = warps && lo != NULL && q->length[distinct] == q->longest;
    double best = INFINITY;
    int nearest = 0;
    for (int c = 0; c < k; c++) {
        const ptrdiff_t at = (ptrdiff_t)c * q->longest * q->n_dims;
        const double scale = distance_scale(q, &cfg->distance, distinct, medoid[c]);
        spared->pairs += 1.0;
        if (warps && exceeds(dtw_bound_ends(q, distinct, medoid[c]), best * scale)) {
            spared->ends += 1.0;
            continue;
        }
        if (boxed && exceeds(dtw_bound_box(q, distinct, lo + at, hi + at), best * scale)) {
            spared->box += 1.0;
            continue;
        }
        const double d = distance_of_pair(q, &cfg->distance, distinct, medoid[c], best, scratch);
        spared->abandoned += isinf(d) != 0;
        if (d < best) {
            best = d;
            nearest = c;
        }
    }
    return nearest;
}

/* ---- the end ---- */

enum err roles_finish(struct roles *r, struct arena *scratch)
{
    const struct arena_mark mark = arena_mark(scratch);
    TRY(agree(&r->with_roles, r, r->label, r->k, scratch));
    r->k_at = r->n_assigned < r->sample.n ? r->n_assigned : r->sample.n;
    r->k_at = r->k_at < r->cfg->k_max ? r->k_at : r->cfg->k_max;
    r->with_roles_at = r->quality[LINKAGE_AVERAGE].with_roles[r->k_at];
    TRY(roles_stability(r, scratch));
    r->found = r->k > 1 && r->agents.p <= r->cfg->significance &&
               r->time.p <= r->cfg->significance && r->attribution <= r->cfg->significance;
    arena_rewind(scratch, mark);
    return ERR_OK;
}

int roles_of_agent(const struct roles *r, int policy, int agent, double *share)
{
    double count[ROLE_CLUSTERS_MAX + 1] = {0}, n = 0.0;
    int best = 0;
    for (int e = 0; e < r->set->n_episodes; e++) {
        if (policy < 0 || r->policy[e] == policy) {
            count[r->label[e * r->set->n_agents + agent]] += 1.0;
            n += 1.0;
        }
    }
    for (int c = 1; c < r->k; c++) {
        best = count[c] > count[best] ? c : best;
    }
    *share = n > 0.0 ? count[best] / n : NAN;
    return best;
}
