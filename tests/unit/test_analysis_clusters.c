/* Trees, cuts and agreement against published and hand-computed numbers, and against definitions.
 */
#include "core/analysis/agreement.h"
#include "core/analysis/linkage.h"
#include "core/analysis/role_attribution.h"
#include "core/base/rng.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { BACTERIA = 5, POINTS = 9, CASES = 60 };

static struct arena scratch;

static int begin(void **state)
{
    (void)state;
    arena_init(&scratch);
    return 0;
}

static int end(void **state)
{
    (void)state;
    arena_release(&scratch);
    return 0;
}

static bool near(double a, double b)
{
    return fabs(a - b) <= 1e-9 * (1.0 + fabs(b));
}

/* Distances of the 5S ribosomal RNA of five bacteria (V. Erdmann, J. Wolters, "Collection of
 * published 5S, 5.8S and 4.5S ribosomal RNA sequences", 1986), the worked example of the articles
 * "UPGMA" and "Complete-linkage clustering" of Wikipedia, whose trees these are. */
static const double bacteria[] = {17, 21, 31, 23, 30, 34, 21, 28, 39, 43};

static void published_trees(void **state)
{
    static const double one[BACTERIA] = {1, 1, 1, 1, 1};
    static const double average[] = {17, 22, 28, 33}, complete[] = {17, 23, 28, 43};
    static const double cophenetic[] = {17, 33, 33, 22, 33, 33, 22, 28, 33, 33};
    static const int a[] = {0, 4, 2, 6}, b[] = {1, 5, 3, 7};
    struct merge tree[BACTERIA - 1];
    double d[10], c[10], correlation;
    int label[BACTERIA];
    (void)state;
    memcpy(d, bacteria, sizeof d);
    assert_int_equal(linkage_make(tree, d, one, BACTERIA, LINKAGE_AVERAGE, &scratch), ERR_OK);
    for (int m = 0; m < BACTERIA - 1; m++) {
        assert_true(near(tree[m].height, average[m]));
        assert_int_equal(tree[m].a, a[m]);
        assert_int_equal(tree[m].b, b[m]);
    }
    assert_int_equal(linkage_cophenetic(c, tree, BACTERIA, &scratch), ERR_OK);
    for (int i = 0; i < 10; i++) {
        assert_true(near(c[i], cophenetic[i]));
    }
    /* Pearson of the two rows: both means are 28.7, sums of squares 634.1 and 338.1, of products
     * 338.1, since average linkage keeps the mean of each pair of clusters. */
    assert_int_equal(
        linkage_cophenetic_correlation(&correlation, bacteria, tree, one, BACTERIA, &scratch),
        ERR_OK);
    assert_true(near(correlation, sqrt(338.1 / 634.1)));
    assert_int_equal(linkage_cut(label, tree, BACTERIA, 2, &scratch), ERR_OK);
    static const int two[] = {0, 0, 1, 1, 0};
    assert_memory_equal(label, two, sizeof two);
    memcpy(d, bacteria, sizeof d);
    assert_int_equal(linkage_make(tree, d, one, BACTERIA, LINKAGE_COMPLETE, &scratch), ERR_OK);
    for (int m = 0; m < BACTERIA - 1; m++) {
        assert_true(near(tree[m].height, complete[m]));
    }
}

/* ---- against the definition ---- */

static double draw(uint32_t a, uint32_t b)
{
    const struct rng_block r = rng_philox(rng_key(3, RNG_TEST, RNG_DEV), a, b, 0, 0);
    return rng_f64(r.v[0], r.v[1]);
}

static double centre_distance(const double (*x)[2], const int *of, int i, int j, double *ni,
                              double *nj)
{
    double ci[2] = {0, 0}, cj[2] = {0, 0};
    *ni = *nj = 0.0;
    for (int p = 0; p < POINTS; p++) {
        for (int k = 0; k < 2; k++) {
            ci[k] += of[p] == i ? x[p][k] : 0.0;
            cj[k] += of[p] == j ? x[p][k] : 0.0;
        }
        *ni += of[p] == i;
        *nj += of[p] == j;
    }
    return sqrt(pow(ci[0] / *ni - cj[0] / *nj, 2) + pow(ci[1] / *ni - cj[1] / *nj, 2));
}

/* Distance of two clusters from all pairs, or from the centres. */
static double cluster_distance(const double (*x)[2], const int *of, int i, int j,
                               enum linkage_kind kind)
{
    double sum = 0.0, n = 0.0, most = 0.0, ni, nj;
    for (int p = 0; p < POINTS; p++) {
        for (int q = 0; q < POINTS; q++) {
            if (of[p] == i && of[q] == j) {
                const double d = hypot(x[p][0] - x[q][0], x[p][1] - x[q][1]);
                sum += d;
                n += 1.0;
                most = fmax(most, d);
            }
        }
    }
    if (kind == LINKAGE_WARD) {
        const double d = centre_distance(x, of, i, j, &ni, &nj);
        return sqrt(2.0 * ni * nj / (ni + nj)) * d;
    }
    return kind == LINKAGE_AVERAGE ? sum / n : most;
}

/* The nearest two clusters are merged again and again; heights must be those of the chain. */
static void trees_are_those_of_the_definition(void **state)
{
    static const double one[POINTS] = {1, 1, 1, 1, 1, 1, 1, 1, 1};
    (void)state;
    for (uint32_t c = 0; c < CASES; c++) {
        double x[POINTS][2], d[POINTS * POINTS / 2];
        const enum linkage_kind kind = (enum linkage_kind)(c % LINKAGE_KINDS);
        struct merge tree[POINTS - 1];
        int of[POINTS];
        for (int p = 0; p < POINTS; p++) {
            x[p][0] = draw((uint32_t)p, 2 * c);
            x[p][1] = draw((uint32_t)p, 2 * c + 1);
            of[p] = p;
        }
        for (int p = 0; p < POINTS; p++) {
            for (int q = p + 1; q < POINTS; q++) {
                d[pair_index(POINTS, p, q)] = hypot(x[p][0] - x[q][0], x[p][1] - x[q][1]);
            }
        }
        assert_int_equal(linkage_make(tree, d, one, POINTS, kind, &scratch), ERR_OK);
        for (int m = 0; m < POINTS - 1; m++) {
            double best = INFINITY;
            int bi = 0, bj = 0, label[POINTS];
            for (int i = 0; i < POINTS + m; i++) {
                for (int j = 0; j < i; j++) {
                    bool has_i = false, has_j = false;
                    for (int p = 0; p < POINTS; p++) {
                        has_i = has_i || of[p] == i;
                        has_j = has_j || of[p] == j;
                    }
                    const double v =
                        has_i && has_j ? cluster_distance(x, of, i, j, kind) : INFINITY;
                    if (v < best) {
                        best = v, bi = i, bj = j;
                    }
                }
            }
            assert_true(near(tree[m].height, best));
            for (int p = 0; p < POINTS; p++) {
                of[p] = of[p] == bi || of[p] == bj ? POINTS + m : of[p];
            }
            assert_int_equal(linkage_cut(label, tree, POINTS, POINTS - 1 - m, &scratch), ERR_OK);
            for (int p = 0; p < POINTS; p++) {
                for (int q = 0; q < POINTS; q++) {
                    assert_true((label[p] == label[q]) == (of[p] == of[q]));
                }
            }
        }
    }
}

/* Points with weights are as if each stood there as often. */
static void weights_count_points(void **state)
{
    enum { N = 5, ALL = 9 };
    static const double weight[N] = {3, 1, 2, 1, 2}, one[ALL] = {1, 1, 1, 1, 1, 1, 1, 1, 1};
    static const int of[ALL] = {0, 0, 0, 1, 2, 2, 3, 4, 4};
    (void)state;
    for (uint32_t c = 0; c < CASES; c++) {
        const enum linkage_kind kind = (enum linkage_kind)(c % LINKAGE_KINDS);
        double x[N][2], d[10], full[36], d0[10], full0[36], a, b, sa, sb;
        struct merge tree[N - 1], whole[ALL - 1];
        int label[N], labels[ALL];
        for (int p = 0; p < N; p++) {
            x[p][0] = draw((uint32_t)p, 5000 + 2 * c);
            x[p][1] = draw((uint32_t)p, 5001 + 2 * c);
        }
        for (int p = 0; p < ALL; p++) {
            for (int q = p + 1; q < ALL; q++) {
                const double v = hypot(x[of[p]][0] - x[of[q]][0], x[of[p]][1] - x[of[q]][1]);
                full[pair_index(ALL, p, q)] = full0[pair_index(ALL, p, q)] = v;
                if (of[p] != of[q]) {
                    d[pair_index(N, of[p], of[q])] = d0[pair_index(N, of[p], of[q])] = v;
                }
            }
        }
        assert_int_equal(linkage_make(tree, d, weight, N, kind, &scratch), ERR_OK);
        assert_int_equal(linkage_make(whole, full, one, ALL, kind, &scratch), ERR_OK);
        for (int m = 0; m < N - 1; m++) {
            assert_true(near(tree[m].height, whole[ALL - N + m].height));
        }
        assert_int_equal(linkage_cophenetic_correlation(&a, d0, tree, weight, N, &scratch), ERR_OK);
        assert_int_equal(linkage_cophenetic_correlation(&b, full0, whole, one, ALL, &scratch),
                         ERR_OK);
        assert_true(near(a, b));
        assert_int_equal(linkage_cut(label, tree, N, 3, &scratch), ERR_OK);
        for (int p = 0; p < ALL; p++) {
            labels[p] = label[of[p]];
        }
        assert_int_equal(silhouette_of(&sa, NULL, d0, label, weight, N, 3, &scratch), ERR_OK);
        assert_int_equal(silhouette_of(&sb, NULL, full0, labels, one, ALL, 3, &scratch), ERR_OK);
        assert_true(near(sa, sb));
    }
}

/* ---- agreement, by hand ---- */

/* a: 0 0 0 1 1 1, b: 0 0 1 1 2 2. Table rows (2 1 0), (0 1 2).
 * purity = (2 + 2) / 6. Pairs: in the table 1 + 1 = 2, in a 3 + 3 = 6, in b 1 + 1 + 1 = 3, all 15;
 * ARI = (2 - 18/15) / ((6 + 3)/2 - 18/15) = 0.8 / 3.3.
 * H_a = log 2, H_b = log 3, H_ab = -(2 (1/3) log(1/3) + 2 (1/6) log(1/6)) = log 3 + (1/3) log 2, so
 * I = (2/3) log 2 and NMI = (4/3) log 2 / log 6. */
static void agreement_by_hand(void **state)
{
    static const int a[] = {0, 0, 0, 1, 1, 1}, b[] = {0, 0, 1, 1, 2, 2}, none[6] = {0};
    struct agreement g;
    (void)state;
    assert_int_equal(agreement_of(&g, a, 2, b, 3, 6, &scratch), ERR_OK);
    assert_true(near(g.purity, 4.0 / 6.0));
    assert_true(near(g.ari, 0.8 / 3.3));
    assert_true(near(g.information, 2.0 / 3.0 * log(2.0)));
    assert_true(near(g.nmi, 4.0 / 3.0 * log(2.0) / log(6.0)));
    assert_int_equal(agreement_of(&g, a, 2, a, 2, 6, &scratch), ERR_OK);
    assert_true(near(g.ari, 1.0) && near(g.nmi, 1.0) && near(g.purity, 1.0));
    assert_int_equal(agreement_of(&g, none, 1, a, 2, 6, &scratch), ERR_OK);
    assert_true(near(g.ari, 0.0) && near(g.nmi, 0.0) && near(g.purity, 0.5));
    assert_int_equal(agreement_of(&g, none, 1, none, 1, 6, &scratch), ERR_OK);
    assert_true(near(g.ari, 1.0) && near(g.nmi, 1.0));
}

/* Points 0, 1 | 4, 6, 9 | 20 on a line.
 *   0:  a = 1,   b = (4 + 6 + 9)/3 = 19/3   s = 16/19
 *   1:  a = 1,   b = (3 + 5 + 8)/3 = 16/3   s = 13/16
 *   4:  a = 3.5, b = (4 + 3)/2 = 3.5        s = 0
 *   6:  a = 2.5, b = 5.5                    s = 6/11
 *   9:  a = 4,   b = min(8.5, 11)           s = 9/17
 *   20: alone                               s = 0 */
static void silhouettes_by_hand(void **state)
{
    static const double x[] = {0, 1, 4, 6, 9, 20}, one[] = {1, 1, 1, 1, 1, 1};
    static const int label[] = {0, 0, 1, 1, 1, 2};
    const double want[] = {16.0 / 19, 13.0 / 16, 0.0, 6.0 / 11, 9.0 / 17, 0.0};
    double d[15], each[6], mean, sum = 0.0;
    int medoid[3];
    (void)state;
    for (int i = 0; i < 6; i++) {
        for (int j = i + 1; j < 6; j++) {
            d[pair_index(6, i, j)] = fabs(x[i] - x[j]);
        }
    }
    assert_int_equal(silhouette_of(&mean, each, d, label, one, 6, 3, &scratch), ERR_OK);
    for (int i = 0; i < 6; i++) {
        assert_true(near(each[i], want[i]));
        sum += want[i] / 6.0;
    }
    assert_true(near(mean, sum));
    assert_int_equal(medoids_of(medoid, d, label, one, 6, 3, &scratch), ERR_OK);
    assert_int_equal(medoid[0], 0); /* of equals the first */
    assert_int_equal(medoid[1], 3);
    assert_int_equal(medoid[2], 5);
}

/* ---- roles from clusters ---- */

enum { WHO = 3, EACH = 16, SEEN = WHO * EACH };

/* SEEN trajectories of WHO agents and two policies, an episode has one of each. */
struct seen {
    int policy[SEEN], episode[SEEN], agent[SEEN], label[SEEN];
    struct attributed t;
};

static void see(struct seen *s)
{
    s->t = (struct attributed){SEEN, 2, WHO, s->policy, s->episode, s->agent};
    for (int i = 0; i < SEEN; i++) {
        s->episode[i] = i / WHO;
        s->policy[i] = i / WHO % 2;
        s->agent[i] = i % WHO;
    }
}

/* A by its definition, from agreement_of() of each policy. */
static double by_definition(const struct seen *s, const int *role_of)
{
    double information = 0.0, entropy = 0.0;
    for (int p = 0; p < 2; p++) {
        int role[SEEN], agent[SEEN], n = 0;
        struct agreement g;
        for (int i = 0; i < SEEN; i++) {
            if (s->policy[i] == p) {
                role[n] = role_of[s->label[i]];
                agent[n++] = s->agent[i];
            }
        }
        assert_int_equal(agreement_of(&g, role, 5, agent, WHO, n, &scratch), ERR_OK);
        information += n * g.information;
        entropy += n * g.entropy;
    }
    return entropy > 0.0 ? information / entropy : 0.0;
}

/* The largest A of all ways to put 5 clusters into at most 5 roles. */
static double best_of_all(const struct seen *s)
{
    double best = 0.0;
    for (int code = 0; code < 3125; code++) {
        int role_of[5];
        for (int c = 0, rest = code; c < 5; c++, rest /= 5) {
            role_of[c] = rest % 5;
        }
        const double a = by_definition(s, role_of);
        best = a > best ? a : best;
    }
    return best;
}

/* Agent 0 has clusters 0 and 1, agents 1 and 2 share 2 to 4, or each cluster is drawn. */
static void clusters_of_the_same_agents_are_one_role(void **state)
{
    (void)state;
    for (uint32_t test = 0; test < 20; test++) {
        struct seen s;
        int role_of[5], n;
        double a, p;
        const int k = 5;
        see(&s);
        for (int i = 0; i < SEEN; i++) {
            const double u = draw(1000 + test, (uint32_t)i);
            const int planted = s.agent[i] == 0 ? (int)(2 * u) : 2 + s.episode[i] % 3;
            s.label[i] = test < 10 ? planted : (int)(5 * u);
        }
        assert_int_equal(attribution_merge(&a, &n, role_of, &s.t, s.label, 5, &scratch), ERR_OK);
        assert_true(near(a, by_definition(&s, role_of)));
        const double best = best_of_all(&s);
        assert_true(a <= best + 1e-9);
        assert_int_equal(attribution_test(&p, &s.t, s.label, &k, 1, 199, 1, &scratch), ERR_OK);
        if (test < 10) {
            assert_true(near(a, best));
            assert_int_equal(n, 2);
            assert_memory_equal(role_of, ((int[]){0, 0, 1, 1, 1}), sizeof role_of);
            assert_true(p == 1.0 / 200.0);
        } else {
            assert_true(a > 0.8 * best && p > 0.01);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published_trees),
        cmocka_unit_test(trees_are_those_of_the_definition),
        cmocka_unit_test(weights_count_points),
        cmocka_unit_test(agreement_by_hand),
        cmocka_unit_test(silhouettes_by_hand),
        cmocka_unit_test(clusters_of_the_same_agents_are_one_role),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
