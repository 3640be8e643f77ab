/* The stack of starts, and the bisection that finds where one takes over. See cut.h.
 *
 * Write D(j) = (best[i'] + cost(i', j)) - (best[i] + cost(i, j)) for two starts i < i'. Both costs
 * are one concave function, taken at k' <= k, because ends never falls; and k' and k grow by the
 * same amount with j. A concave function grows no faster at the larger argument, so D never falls:
 * once the newer start i' is no longer better, it never is again. All below follows from this one
 * fact.
 *
 * Invariant: start[n-1], start[n-2], ..., start[0], from the newest on, are best for consecutive
 * ranges of window ends; start[a] for those behind until[a+1] and up to until[a]. until falls along
 * the stack, and until[0] = n_windows, so every end that is still asked for has its start. */
#include "core/eval/cut.h"

#include <math.h>
#include <stdbool.h>

enum err cut_init(struct cut *c, struct arena *arena, int n_windows)
{
    *c = (struct cut){.n_windows = n_windows,
                      .start = ARENA_NEW(arena, n_windows, int),
                      .until = ARENA_NEW(arena, n_windows, int)};
    return arena_error(arena);
}

void cut_begin(struct cut *c, const double *ends, const double *best, int n, double lead,
               double need, double l)
{
    c->n_windows = n;
    c->ends = ends;
    c->best = best;
    c->lead = lead;
    c->need = need;
    c->l = l;
    c->n = 0;
    c->tried = 0;
}

/* (K + x) / need of core/eval/upper_bound.h. Concave in k: a line plus the root of a line. */
double cut_cost(const struct cut *c, int i, int j)
{
    const double k = c->ends[j] - c->ends[i] + c->lead;
    const double x = c->l / 3.0 + sqrt(c->l * c->l / 9.0 + 2.0 * k * c->l);
    return (k + x) / c->need;
}

/* Is start i, the newer one, better than start `old` for the window that ends at j? A tie goes to
 * the older one, so D < 0 is asked for. */
static bool beats(struct cut *c, int i, int old, int j)
{
    c->tried += 2;
    return c->best[i] + cut_cost(c, i, j) < c->best[old] + cut_cost(c, old, j);
}

/* The last window end for which i beats old. D never falls, so the ends for which it does come
 * first. Invariant: it does at `from` and does not at `to`. to - from at least halves in each round
 * and the loop ends at 1, where `from` is the last. */
static int last_beaten(struct cut *c, int i, int old, int from, int to)
{
    while (to - from > 1) { /* to - from halves */
        const int middle = from + (to - from) / 2;
        if (beats(c, i, old, middle)) {
            from = middle;
        } else {
            to = middle;
        }
    }
    return from;
}

/* Removes the starts that are best only for windows before j. The oldest is best until n_windows,
 * so the stack is not emptied by an end that may be asked for. */
static void expire(struct cut *c, int j)
{
    while (c->n > 0 && c->until[c->n - 1] < j) {
        c->n--;
    }
}

/* Start i competes for the ends from i + 1 on. The top of the stack is the best old start for i +
 * 1. If i does not beat it there, it never will, and the top is at least as good as i wherever i
 * might be used.
 *
 * Else i takes all ends of the old starts that it beats to their last end: those are best nowhere
 * any more. The next one keeps its last end; i beats it at i + 1, as it beats the best there, so
 * the bisection has both its conditions. With an empty stack i is best up to n_windows. */
void cut_add(struct cut *c, int i)
{
    int until = c->n_windows;
    expire(c, i + 1);
    if (c->n > 0 && !beats(c, i, c->start[c->n - 1], i + 1)) {
        return; /* its lead over an older start is largest at once, and only shrinks */
    }
    while (c->n > 0 && beats(c, i, c->start[c->n - 1], c->until[c->n - 1])) {
        c->n--; /* each start is removed at most once */
    }
    if (c->n > 0) {
        until = last_beaten(c, i, c->start[c->n - 1], i + 1, c->until[c->n - 1]);
    }
    c->start[c->n] = i;
    c->until[c->n++] = until;
}

int cut_start(struct cut *c, int j)
{
    expire(c, j);
    return c->start[c->n - 1];
}
