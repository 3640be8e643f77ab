/* The stack of starts, and the bisection that finds where one takes over. See cut.h. */
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

double cut_cost(const struct cut *c, int i, int j)
{
    const double k = c->ends[j] - c->ends[i] + c->lead;
    const double x = c->l / 3.0 + sqrt(c->l * c->l / 9.0 + 2.0 * k * c->l);
    return (k + x) / c->need;
}

/* Is start i, the newer one, better than start `old` for the window that ends at j? */
static bool beats(struct cut *c, int i, int old, int j)
{
    c->tried += 2;
    return c->best[i] + cut_cost(c, i, j) < c->best[old] + cut_cost(c, old, j);
}

/* The last window end for which i beats old; it does at `from`, and does not at `to`. */
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

/* Removes the starts that are best for windows before j only. The oldest is best until n_windows.
 */
static void expire(struct cut *c, int j)
{
    while (c->n > 0 && c->until[c->n - 1] < j) {
        c->n--;
    }
}

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
