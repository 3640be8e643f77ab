/* The simplex method on a dense tableau. See matrix_game.h.
 *
 * The tableau has a row for each constraint and, last, the objective; a column for each y_j, for
 * each slack, and, last, the right-hand side. The slacks are the first basis: it is feasible, since
 * every right-hand side is 1. */
#include "core/marl/matrix_game.h"

#include <math.h>
#include <stdbool.h>

struct tableau {
    double *at; /* (n_rows + 1, width) */
    double
        *basis; /* (n_rows) column that is basic in each row, as a double: one block of scratch */
    int n_rows, n_cols, width;
};

static double *row_of(const struct tableau *t, int i)
{
    return t->at + (size_t)i * (size_t)t->width;
}

static void fill(struct tableau *t, const double *payoff, double shift)
{
    for (int i = 0; i <= t->n_rows; i++) {
        double *row = row_of(t, i);
        const bool objective = i == t->n_rows;
        for (int j = 0; j < t->n_cols; j++) {
            row[j] = objective ? -1.0 : payoff[i * t->n_cols + j] + shift;
        }
        for (int k = 0; k < t->n_rows; k++) {
            row[t->n_cols + k] = k == i ? 1.0 : 0.0;
        }
        row[t->width - 1] = objective ? 0.0 : 1.0;
        if (!objective) {
            t->basis[i] = t->n_cols + i;
        }
    }
}

/* Reduced costs within rounding of 0 count as 0; payoffs are scaled to about 1. */
static const double EPS = 1e-11;

/* Bland: the first column that improves; -1: the basis is optimal. */
static int entering(const struct tableau *t)
{
    const double *objective = row_of(t, t->n_rows);
    for (int j = 0; j < t->width - 1; j++) {
        if (objective[j] < -EPS) {
            return j;
        }
    }
    return -1;
}

/* The row that limits the column, of equal ones that with the first basic column. All payoffs are
 * positive, so y is bounded and there is one. */
static int leaving(const struct tableau *t, int column)
{
    int best = -1;
    double least = HUGE_VAL;
    for (int i = 0; i < t->n_rows; i++) {
        const double a = row_of(t, i)[column];
        if (a <= EPS) {
            continue;
        }
        const double ratio = row_of(t, i)[t->width - 1] / a;
        if (ratio < least || (ratio == least && t->basis[i] < t->basis[best])) {
            least = ratio;
            best = i;
        }
    }
    return best;
}

/* Row operations turn the column into a unit vector: it becomes basic in pivot_row. They change no
 * solution of the equations. The last row stays the reduced costs c_B B^-1 A - c, and its last
 * element the objective at the basis in hand. */
static void pivot(struct tableau *t, int pivot_row, int column)
{
    double *from = row_of(t, pivot_row);
    const double scale = 1.0 / from[column];
    for (int j = 0; j < t->width; j++) {
        from[j] *= scale;
    }
    for (int i = 0; i <= t->n_rows; i++) {
        double *row = row_of(t, i);
        const double factor = i == pivot_row ? 0.0 : row[column];
        for (int j = 0; factor != 0.0 && j < t->width; j++) {
            row[j] -= factor * from[j];
        }
    }
    t->basis[pivot_row] = column;
}

/* y from the basis, x from the reduced costs of the slacks, each scaled to a distribution.
 *
 * Slack i has the cost 0 and the column e_i, so its reduced cost is (c_B B^-1)_i: the dual x_i. At
 * the optimum all reduced costs are >= 0, hence x >= 0 is feasible, and by strong duality
 * sum x = sum y = total. Values within rounding below 0 are 0. */
static void read_strategies(const struct tableau *t, double total, double *row, double *col)
{
    const double *objective = row_of(t, t->n_rows);
    for (int j = 0; col != NULL && j < t->n_cols; j++) {
        col[j] = 0.0;
    }
    for (int i = 0; i < t->n_rows; i++) {
        if (row != NULL) {
            row[i] = fmax(objective[t->n_cols + i], 0.0) / total;
        }
        if (col != NULL && t->basis[i] < t->n_cols) {
            col[(int)t->basis[i]] = fmax(row_of(t, i)[t->width - 1], 0.0) / total;
        }
    }
}

/* Payoffs P are shifted and scaled into [1, 2], which changes no strategy:
 *
 *     B = (P - least) / scale + 1        value of P = (value of B - 1) scale + least
 */
enum err matrix_game_solve(double *value, double *row, double *col, const double *payoff,
                           int n_rows, int n_cols, double *work)
{
    struct tableau t = {
        .at = work, .n_rows = n_rows, .n_cols = n_cols, .width = n_rows + n_cols + 1};
    double least = HUGE_VAL, most = -HUGE_VAL;
    CHECK(n_rows > 0 && n_cols > 0);
    for (int i = 0; i < n_rows * n_cols; i++) {
        if (!isfinite(payoff[i])) {
            return ERR_NUMERIC;
        }
        least = fmin(least, payoff[i]);
        most = fmax(most, payoff[i]);
    }
    const double scale = most > least ? most - least : 1.0;
    t.basis = work + (size_t)(n_rows + 1) * (size_t)t.width;
    fill(&t, payoff, scale - least);
    for (int i = 0; i < n_rows; i++) {
        for (int j = 0; j < n_cols; j++) {
            row_of(&t, i)[j] /= scale;
        }
    }
    for (int j = entering(&t); j >= 0; j = entering(&t)) {
        pivot(&t, leaving(&t, j), j);
    }
    const double total = row_of(&t, n_rows)[t.width - 1]; /* sum y = 1 / value of the scaled game */
    read_strategies(&t, total, row, col);
    if (value != NULL) {
        *value = (1.0 / total - 1.0) * scale + least;
    }
    return ERR_OK;
}
