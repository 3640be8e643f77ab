/* Roles: clusters of trajectories that belong to agents.
 *
 *   1. distinct trajectories, of more than cfg.sample a random part (struct role_sample)
 *   2. their distances (the caller's: a job list), the tree of average linkage, its branches, roles
 *   3. what is not in the part goes to the nearest medoid (the caller's: a job list)
 *   4. tests and agreement
 *
 * A silhouette says that trajectories differ, not that agents do: those of one agent in floods and
 * in quiet episodes make two good clusters. So clusters of the same agents are merged into one role
 * (role_attribution.h). The number of clusters of the cut is, among those whose silhouette exceeds
 * that of shuffles over agents (role_null.h, p of s(k) at most cfg.significance; all if none does),
 * the one whose roles tell agents apart best: that with the largest A. Ties: the smallest.
 *
 * Three tests must all reject before the clusters are called roles: the two of role_null.h, and
 *
 *   attribution   the largest A over all numbers of clusters against the same with the agents of
 *                 each episode dealt out anew: do the same agents come back to the same cluster?
 *
 * Assigned roles are used for nothing but the agreement that is reported.
 */
#ifndef KARMA_ANALYSIS_ROLES_H
#define KARMA_ANALYSIS_ROLES_H

#include "core/analysis/agreement.h"
#include "core/analysis/linkage.h"
#include "core/analysis/role_attribution.h"
#include "core/analysis/role_null.h"
#include "core/base/stats.h"

enum { ROLE_ATTRIBUTION_DRAWS = 999 };

/* What is clustered. */
struct role_sample {
    int n;                /* distinct trajectories in the part */
    const int *distinct;  /* (n) their numbers in the sequences, ascending */
    const double *weight; /* (n) */
    const int *rest;      /* (n_rest) the others */
    int n_rest;
};
enum err role_sample_init(struct role_sample *out, struct arena *arena, const struct sequences *q,
                          const struct role_cfg *cfg) WARN_UNUSED;

/* One linkage. */
struct role_tree_quality {
    double cophenetic;                        /* correlation; NaN if there is none */
    double silhouette[ROLE_CLUSTERS_MAX + 1]; /* [k], -1 if there are fewer trajectories */
    struct agreement with_roles[ROLE_CLUSTERS_MAX + 1]; /* [k] of the part, with assigned roles */
};

struct roles {
    const struct trajectory_set *set;
    const struct sequences *sequences;
    const struct role_cfg *cfg;
    struct role_sample sample;
    const double *distance;   /* (pair_count(sample.n)) */
    const struct merge *tree; /* (sample.n - 1) of average linkage */
    struct role_tree_quality quality[LINKAGE_KINDS];
    struct role_test agents, time;      /* against shuffles */
    double attribution;                 /* p of the third test */
    double told[ROLE_CLUSTERS_MAX + 1]; /* A of k branches, merged; -1: fewer trajectories */
    int merged[ROLE_CLUSTERS_MAX + 1];  /* roles that k branches become */
    bool found;                         /* all three reject */
    int branches;                       /* of the cut; 1 if all trajectories are equal */
    int *medoid;                        /* (branches) distinct trajectory */
    int *role_of;                       /* (branches) */
    int k;                              /* roles */
    int *label;                         /* (trajectory_count(set)) role of each trajectory */
    const int *assigned;                /* (n_agents) number of the assigned role, from 0 */
    int n_assigned;
    struct agreement with_roles;    /* of all trajectories, at k */
    struct agreement with_roles_at; /* at as many clusters as there are assigned roles */
    int k_at;
    double stable_halves;              /* ARI; NaN: not known */
    struct stat_interval stable_seeds; /* mean ARI of pairs of policies; NaN: not known */
    const int *policy;                 /* (set->n_episodes) number of the policy of an episode */
    int n_policies;
};

/* Steps 2: everything from the distances among the part and the silhouettes of the shuffles (n,
 * k_max + 1) of each kind; observed (k_max + 1): of the same episodes, not shuffled. label is known
 * for trajectories in the part, -1 for the rest. By reference. scratch: another arena. */
enum err roles_init(struct roles *r, struct arena *arena, const struct trajectory_set *set,
                    const struct sequences *q, const struct role_cfg *cfg,
                    const struct role_sample *sample, const double *distance,
                    const double *observed, const double *agents, const double *time, int n,
                    struct arena *scratch) WARN_UNUSED;

/* For roles_stability.c: the trajectories whose episodes `in` names (NULL:
 * all) and whose points have a label; label_of (n_distinct): -1 for none. `out` and label (as many)
 * in the arena. */
enum err roles_attribute(struct attributed *out, int **label, const struct roles *r, const bool *in,
                         const int *label_of, struct arena *arena) WARN_UNUSED;

/* Step 3, for one of the rest: the nearest medoid of k branches, with the pairs that bounds spared
 * (ends and box) counted. lo, hi: envelopes of the medoids for sequences as long as q->longest, (k,
 * longest, n_dims); used where the length is that. */
struct role_spared {
    double pairs, ends, box, abandoned;
};
int roles_nearest(struct role_spared *spared, const struct sequences *q, const struct role_cfg *cfg,
                  const int *medoid, int k, const float *lo, const float *hi, int distinct,
                  double *scratch);

/* Step 4; the labels of all trajectories are known. */
enum err roles_finish(struct roles *r, struct arena *scratch) WARN_UNUSED;

/* Part of roles_finish() (roles_stability.c): stable_halves and stable_seeds. */
enum err roles_stability(struct roles *r, struct arena *scratch) WARN_UNUSED;

/* The cluster in which an agent of a policy (-1: of all) is most often, and how often. */
int roles_of_agent(const struct roles *r, int policy, int agent, double *share);

#endif
