/* Which windows to cut an episode into: candidates for the start of the last window.
 *
 * A dynamic program over cuts looks for the least best[i] + cost(i, j) over all starts i < j. The
 * cost of a window is what one resource can answer in it,
 *
 *   cost(i, j) = (k + l / 3 + sqrt(l^2 / 9 + 2 k l)) / need,   k = ends[j] - ends[i] + lead,
 *
 * a concave function of k, and ends never falls. So for two starts i < i' the cost from i' grows
 * faster with j: i' can be the better one for a while, then i is better for ever. The starts that
 * are best somewhere therefore form a stack, the newest on top, each with the last window it is
 * best for. A start that is added removes those it beats until their last window, and a bisection
 * finds where the next one takes over (the concave least-weight subsequence problem: Hirschberg and
 * Larmore 1987; Galil and Giancarlo 1989). An episode of n windows costs O(n log n).
 */
#ifndef KARMA_EVAL_CUT_H
#define KARMA_EVAL_CUT_H

#include "core/base/err.h"
#include "core/base/mem.h"

/* Of one resource, in one episode. */
struct cut {
    int n_windows;      /* room, then of this episode */
    const double *ends; /* (n_windows + 1) by reference, never falling */
    const double *best; /* (n_windows + 1) by reference; [i] is set before i is added */
    double lead, need, l;
    int n;           /* starts in the stack */
    int *start;      /* (n_windows) the newest last */
    int *until;      /* (n_windows) the last window end each is best for, falling */
    long long tried; /* costs computed since cut_begin() */
};

enum err cut_init(struct cut *c, struct arena *arena, int n_windows) WARN_UNUSED;

/* An empty stack, for an episode of n <= n_windows windows. need > 0. */
void cut_begin(struct cut *c, const double *ends, const double *best, int n, double lead,
               double need, double l);

/* From now on i may be the start of a window. Starts are added in rising order from 0. Windows
 * that end at i or before are no longer asked for. */
void cut_add(struct cut *c, int i);

/* The start i < j with the least best[i] + cost(i, j). j in rising order. */
int cut_start(struct cut *c, int j);

double cut_cost(const struct cut *c, int i, int j);

#endif
