/* Rules of a role: when its agents changed which service by how much, in the language of
 * organisations (core/org/expr.h).
 *
 * A row is a service at a decision of a trajectory of the cluster: what policies see of the
 * service, what they see of the whole, which service it is. Its class is the direction of the
 * change that the agent asked for there: shrink, keep, enlarge. A decision tree (decision_tree.h)
 * grows on three of five episodes, is pruned on the fourth and judged on the fifth; the episodes of
 * one load and fault (split, seed, scenario, number) go into one part, whichever policy played
 * them.
 *
 * At a representativeness level q a role allows the changes (leaf, change) with the largest
 *
 *     changes of this size in the leaf / rows of the leaf
 *
 * until they are at least the share q of all changes; then, in each leaf, all changes between the
 * smallest and the largest of one sign, since a rule has a range.
 */
#ifndef KARMA_ANALYSIS_ROLE_RULES_H
#define KARMA_ANALYSIS_ROLE_RULES_H

#include "core/analysis/decision_tree.h"
#include "core/analysis/trajectories.h"

enum {
    RULE_LEVELS = 3,
    RULE_LEAVES = 1 << TREE_DEPTH,
    RULE_PARTS = 5,
    RULE_PRUNES = 3,
    RULE_TESTS = 4
};
extern const double rule_levels[RULE_LEVELS]; /* 0.8, 0.9, 0.95 */

/* Changes that a leaf allows; 0, 0: none of that sign. */
struct role_range {
    int least_down, most_down; /* -3, -1 */
    int least_up, most_up;     /* 1, 3 */
};

struct role_rules {
    struct tree tree;
    int leaf[RULE_LEAVES]; /* (n_leaves) nodes */
    int n_leaves;
    struct role_range range[RULE_LEVELS][RULE_LEAVES];
    /* on the episodes of the last part: */
    double changes;                /* that were asked for */
    double coverage[RULE_LEVELS];  /* share of them that the rules allow */
    double mask_size[RULE_LEVELS]; /* mean number of pairs (service, change) allowed at a decision,
                                      no change counted once */
    double fidelity;               /* share of rows whose direction the tree tells; NaN: no rows */
    double fidelity_none;          /* the same of telling the most frequent direction always */
    double fidelity_balanced;      /* mean over directions that occur */
};

/* Part of an episode: 0 .. RULE_PARTS - 1, in turn over the different loads. part (n_episodes). */
enum err role_parts(int *part, const struct trajectory_set *set, struct arena *scratch) WARN_UNUSED;

/* The rules of cluster `cluster` (label (trajectory_count(set))). ERR_MEMORY. */
/* Bytes of scratch that role_rules_learn() takes at most for n trajectories of n_steps. */
size_t role_rules_bytes(int n, int n_steps, int n_services);

enum err role_rules_learn(struct role_rules *out, const struct trajectory_set *set,
                          const int *label, int cluster, const int *part,
                          struct arena *scratch) WARN_UNUSED;

/* Append the condition of a leaf: "service.queue > 30 and entry_10s <= 5"; "true" of the root. */
enum err role_rules_condition(struct buf *out, const struct role_rules *r,
                              const struct trajectory_set *set, int leaf) WARN_UNUSED;

/* Append an organisation: roles (n, named role_1 ..., with one more of each in `doc`), and each
 * agent of the set with role role_of[agent]. A role without a change gets hardness 0, because a
 * mask that never allows anything is refused. */
enum err role_rules_organisation(struct buf *out, const struct role_rules *roles, int n, int level,
                                 const struct trajectory_set *set, const int *role_of,
                                 const char *const *doc) WARN_UNUSED;

#endif
