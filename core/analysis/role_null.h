/* Is there structure? Silhouettes of clusterings beside those of shuffled teams.
 *
 * Two null hypotheses, each a way to shuffle who did what:
 *
 *   agents   at each decision of each episode the changes of the agents are dealt out anew. What
 *            the team does at each decision stays; what goes is that an agent is the same from one
 *            decision to the next
 *   time     the changes of all agents and decisions of an episode are dealt out anew. What is done
 *            stays; who does it and when goes
 *
 * A clustering into k clusters has a mean silhouette s(k). The test compares
 *
 *     T = max_k (s(k) - m(k)),   m(k): mean of s(k) over the shuffles and the observed team
 *
 * of the observed team with that of the shuffled ones: p = (1 + #{T_r >= T}) / (1 + R). Under the
 * null hypothesis the observed team is one more shuffle, so p is valid whatever k is chosen. A test
 * needs a matrix of distances for each shuffle; so it is made on a random part of the episodes.
 */
#ifndef KARMA_ANALYSIS_ROLE_NULL_H
#define KARMA_ANALYSIS_ROLE_NULL_H

#include "core/analysis/dtw.h"

enum role_null { ROLE_OBSERVED, ROLE_NULL_AGENTS, ROLE_NULL_TIME, ROLE_NULLS };
enum { ROLE_CLUSTERS_MAX = 16 };

struct role_cfg {
    struct sequence_cfg steps;
    struct distance_cfg distance;
    int k_max;             /* largest number of clusters that is tried */
    int sample;            /* distinct trajectories that are clustered */
    int null_trajectories; /* in a test against shuffles, about */
    int shuffles;          /* R of each kind */
    double significance;   /* of a test, 0.05 */
    uint64_t seed;
};

/* s (k_max + 1): s[k] for k = 2 .. k_max of the team, shuffled as `kind` says for draw `draw`; -1
 * where there are fewer distinct trajectories than k. Average linkage. */
enum err role_null_silhouettes(double *s, const struct trajectory_set *set,
                               const struct role_cfg *cfg, enum role_null kind, int draw,
                               struct arena *scratch) WARN_UNUSED;

/* The same of n points whose distances are known (condensed; not changed). */
enum err role_silhouettes(double *s, const double *d, const double *weight, int n, int k_max,
                          struct arena *scratch) WARN_UNUSED;

struct role_test {
    double p;                           /* of T */
    double each[ROLE_CLUSTERS_MAX + 1]; /* p of s(k) alone */
    double mean[ROLE_CLUSTERS_MAX + 1]; /* m(k) */
};
/* observed (k_max + 1); shuffled (n, k_max + 1). */
void role_null_test(struct role_test *out, const double *observed, const double *shuffled, int n,
                    int k_max);

/* n of the total: numbers in ascending order, drawn without replacement; out (n). stream: of the
 * draws. */
enum err role_draw_sample(int *out, int n, int total, uint64_t seed, uint32_t stream,
                          struct arena *scratch) WARN_UNUSED;

#endif
