/* Zero-sum matrix games, solved by linear programming.
 *
 * The row player chooses i, the column player j, and the column player pays payoff[i][j] to the row
 * player. Both mix. By the minimax theorem (J. von Neumann 1928) there is one value that the row
 * player can guarantee and the column player can hold him to. After a shift that makes all payoffs
 * B positive it is 1 / sum y of the linear program
 *
 *   maximise sum_j y_j   subject to   sum_j B_ij y_j <= 1 for all i,   y >= 0
 *
 * whose solution, scaled, is the column player's strategy and whose dual is the row player's. The
 * simplex method with Bland's rule (R. G. Bland 1977) ends after finitely many steps.
 */
#ifndef KARMA_MARL_MATRIX_GAME_H
#define KARMA_MARL_MATRIX_GAME_H

#include "core/base/err.h"

#include <stddef.h>

/* Doubles of scratch for a game of that size. */
static inline size_t matrix_game_work(int n_rows, int n_cols)
{
    return (size_t)(n_rows + 1) * (size_t)(n_rows + n_cols + 1) + (size_t)n_rows;
}

/* The value; row (n_rows) and col (n_cols): optimal strategies; any of the three may be NULL.
 * payoff (n_rows, n_cols), finite. work: matrix_game_work() doubles. ERR_NUMERIC if a payoff is not
 * finite. */
enum err matrix_game_solve(double *value, double *row, double *col, const double *payoff,
                           int n_rows, int n_cols, double *work) WARN_UNUSED;

#endif
