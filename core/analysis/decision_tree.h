/* A small classification tree: L. Breiman, J. Friedman, R. Olshen, C. Stone, "Classification and
 * Regression Trees", 1984.
 *
 * A node with class counts c_1 .. c_C of n rows has the risk R = n - sum_c c^2 / n, n times the
 * Gini impurity, which is the Brier score of predicting the shares c / n on the rows themselves. A
 * split takes the feature and threshold with the largest decrease of R; ties go to the first
 * feature and the smallest threshold. Pruning by cost-complexity gives a sequence of subtrees, each
 * the best of its size at some price of a leaf; held-out rows choose that with the smallest Brier
 * score, ties the smallest tree.
 *
 * Thresholds lie between two values of the feature and have as few digits as separate these. Of a
 * feature with more than TREE_BINS values only quantiles are tried.
 */
#ifndef KARMA_ANALYSIS_DECISION_TREE_H
#define KARMA_ANALYSIS_DECISION_TREE_H

#include "core/base/err.h"
#include "core/base/mem.h"

#include <stdint.h>

enum { TREE_DEPTH = 3, TREE_NODES = (1 << (TREE_DEPTH + 1)) - 1, TREE_CLASSES = 3, TREE_BINS = 64 };

struct tree_rows {
    int n, n_features;
    const float *x;       /* (n, n_features) */
    const uint8_t *class; /* (n) below TREE_CLASSES */
};

struct tree_node {
    int feature; /* -1: a leaf */
    double threshold;
    int left, right, parent; /* x <= threshold goes left */
    double count[TREE_CLASSES];
};

struct tree {
    struct tree_node node[TREE_NODES]; /* the root first */
    int n_nodes;
};

/* Splits nodes of at least 2 least_rows rows into two of at least least_rows. n >= 1. */
enum err tree_grow(struct tree *t, const struct tree_rows *rows, int depth, int least_rows,
                   struct arena *scratch) WARN_UNUSED;

/* Chooses a subtree by held-out rows (n >= 0). */
void tree_prune(struct tree *t, const struct tree_rows *held_out);

/* The leaf of a row (n_features). */
int tree_leaf(const struct tree *t, const float *x);

/* The most frequent class of a node, the smallest of equals. */
int tree_class(const struct tree_node *n);

int tree_leaves(const struct tree *t);

#endif
