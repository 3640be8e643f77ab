/* Sums of n log n of integer counts, which a table holds. See role_attribution.h.
 *
 * With F(n) = n log n, n_pca trajectories of agent a in cluster c, s_pc of the cluster, m_pa of the
 * agent and N_p of all, sums over policies p are
 *
 *     sum N I                 = U - V - M + T      U = sum F(n_pca)   V = sum F(s_pc)
 *     sum N (H_role + H_agent) = 2 T - V - M        M = sum F(m_pa)    T = sum F(N_p)
 *
 * A merge changes the terms of two clusters in U and V, and nothing else. */
#include "core/analysis/role_attribution.h"

#include "core/base/fmath.h"
#include "core/base/rng.h"

#include <string.h>

static const double rounding = 1e-9;

struct work {
    const struct attributed *t;
    const double *f; /* (n + 1) F */
    int k;
    int *count;                   /* (k, n_policies, n_agents) */
    int *role_of;                 /* (k0) of the clusters before the merges */
    int *agent;                   /* (n) dealt out anew */
    double u, v, constant, twice; /* U, V, T - M, 2 T - M */
};

static enum err work_init(struct work *w, const struct attributed *t, int k_max,
                          struct arena *scratch)
{
    double *f = ARENA_NEW(scratch, t->n + 1, double);
    *w = (struct work){.t = t,
                       .f = f,
                       .count = ARENA_NEW(scratch, k_max * t->n_policies * t->n_agents, int),
                       .role_of = ARENA_NEW(scratch, k_max, int),
                       .agent = ARENA_NEW(scratch, t->n, int)};
    TRY(arena_error(scratch));
    for (int i = 1; i <= t->n; i++) {
        f[i] = (double)i * fm_log((double)i);
    }
    return ERR_OK;
}

/* U and V of one cluster, or of two that are merged (b >= 0). */
static void terms(double *u, double *v, const struct work *w, int a, int b)
{
    const int n_agents = w->t->n_agents, width = w->t->n_policies * n_agents;
    const int *of_a = w->count + (ptrdiff_t)a * width;
    const int *of_b = b >= 0 ? w->count + (ptrdiff_t)b * width : NULL;
    *u = *v = 0.0;
    for (int p = 0; p < w->t->n_policies; p++) {
        int size = 0;
        for (int i = p * n_agents; i < (p + 1) * n_agents; i++) {
            const int n = of_a[i] + (of_b != NULL ? of_b[i] : 0);
            *u += w->f[n];
            size += n;
        }
        *v += w->f[size];
    }
}

static double told(const struct work *w, double u, double v)
{
    const double entropy = (w->twice - v) / 2.0;
    return entropy > rounding ? (u - v + w->constant) / entropy : 0.0;
}

static void count(struct work *w, const int *label, const int *agent, int k)
{
    const struct attributed *t = w->t;
    const int width = t->n_policies * t->n_agents;
    w->k = k;
    memset(w->count, 0, (size_t)k * (size_t)width * sizeof *w->count);
    for (int i = 0; i < t->n; i++) {
        w->count[(label[i] * t->n_policies + t->policy[i]) * t->n_agents + agent[i]]++;
    }
    w->u = w->v = w->constant = w->twice = 0.0;
    for (int p = 0; p < t->n_policies; p++) {
        int all = 0;
        for (int a = 0; a < t->n_agents; a++) {
            int of_agent = 0;
            for (int c = 0; c < k; c++) {
                of_agent += w->count[c * width + p * t->n_agents + a];
            }
            w->constant -= w->f[of_agent];
            all += of_agent;
        }
        w->twice += w->f[all];
        w->constant += w->f[all];
    }
    w->twice += w->constant;
    for (int c = 0; c < k; c++) {
        double u, v;
        terms(&u, &v, w, c, -1);
        w->u += u;
        w->v += v;
        w->role_of[c] = c;
    }
}

/* Cluster b becomes part of a; the last one takes its number. */
static void join(struct work *w, int a, int b, int k0)
{
    const int width = w->t->n_policies * w->t->n_agents;
    int *of_a = w->count + (ptrdiff_t)a * width, *of_b = w->count + (ptrdiff_t)b * width;
    for (int i = 0; i < width; i++) {
        of_a[i] += of_b[i];
    }
    w->k--;
    memmove(of_b, w->count + (ptrdiff_t)w->k * width, (size_t)width * sizeof *of_b);
    for (int c = 0; c < k0; c++) {
        w->role_of[c] = w->role_of[c] == b ? a : w->role_of[c] == w->k ? b : w->role_of[c];
    }
}

/* A after the merges. */
static double merge(struct work *w, const int *label, const int *agent, int k)
{
    count(w, label, agent, k);
    double now = told(w, w->u, w->v);
    for (int a = 0, b; a >= 0;) {
        double best = now, best_u = 0.0, best_v = 0.0;
        a = b = -1;
        for (int i = 0; i < w->k; i++) {
            double u_i, v_i;
            terms(&u_i, &v_i, w, i, -1);
            for (int j = i + 1; j < w->k; j++) {
                double u_j, v_j, u, v;
                terms(&u_j, &v_j, w, j, -1);
                terms(&u, &v, w, i, j);
                u += w->u - u_i - u_j;
                v += w->v - v_i - v_j;
                const double value = told(w, u, v);
                if (value > best + rounding) {
                    best = value;
                    best_u = u;
                    best_v = v;
                    a = i;
                    b = j;
                }
            }
        }
        if (a >= 0) {
            join(w, a, b, k);
            w->u = best_u;
            w->v = best_v;
            now = best;
        }
    }
    return now;
}

enum err attribution_merge(double *a, int *n_roles, int *role_of, const struct attributed *t,
                           const int *label, int k, struct arena *scratch)
{
    const struct arena_mark mark = arena_mark(scratch);
    struct work w;
    TRY(work_init(&w, t, k, scratch));
    int *number = ARENA_NEW(scratch, k, int), n = 0;
    TRY(arena_error(scratch));
    *a = merge(&w, label, t->agent, k);
    for (int c = 0; c < k; c++) {
        number[c] = -1;
    }
    for (int c = 0; c < k; c++) {
        int *of = &number[w.role_of[c]];
        *of = *of < 0 ? n++ : *of;
        if (role_of != NULL) {
            role_of[c] = *of;
        }
    }
    if (n_roles != NULL) {
        *n_roles = n;
    }
    arena_rewind(scratch, mark);
    return ERR_OK;
}

static double largest(struct work *w, const int *label, const int *k, int n_labels,
                      const int *agent)
{
    double most = 0.0;
    for (int i = 0; i < n_labels; i++) {
        const double a = merge(w, label + (ptrdiff_t)i * w->t->n, agent, k[i]);
        most = a > most ? a : most;
    }
    return most;
}

/* Those of an episode that are there get each other's agents. */
static void deal(struct work *w, uint32_t *order, uint64_t *keys, struct rng_key key,
                 uint32_t stream)
{
    const struct attributed *t = w->t;
    for (int i = 0, m; i < t->n; i += m) {
        for (m = 1; i + m < t->n && t->episode[i + m] == t->episode[i]; m++) {
        }
        rng_permutation(order, keys, (uint32_t)m, key, 0, (uint32_t)t->episode[i], stream);
        for (int a = 0; a < m; a++) {
            w->agent[i + a] = t->agent[i + (int)order[a]];
        }
    }
}

/* Equal values after sums in another order count as equal. */
enum err attribution_test(double *p, const struct attributed *t, const int *label, const int *k,
                          int n_labels, int draws, uint64_t seed, struct arena *scratch)
{
    enum { STREAM = 1 << 28 };
    const struct arena_mark mark = arena_mark(scratch);
    struct work w;
    int k_max = 1, hits = 0;
    for (int i = 0; i < n_labels; i++) {
        k_max = k[i] > k_max ? k[i] : k_max;
    }
    TRY(work_init(&w, t, k_max, scratch));
    uint32_t *order = ARENA_NEW(scratch, t->n_agents, uint32_t);
    uint64_t *keys = ARENA_NEW(scratch, t->n_agents, uint64_t);
    TRY(arena_error(scratch));
    const double observed = largest(&w, label, k, n_labels, t->agent);
    for (int draw = 0; draw < draws; draw++) {
        deal(&w, order, keys, rng_key(seed, RNG_ANALYSIS, RNG_DEV), STREAM + (uint32_t)draw);
        hits += largest(&w, label, k, n_labels, w.agent) >= observed - rounding;
    }
    *p = (1.0 + hits) / (1.0 + draws);
    arena_rewind(scratch, mark);
    return ERR_OK;
}
