/* Small two-player zero-sum stochastic games, solved exactly: what is learned is measured by them.
 *
 * In state s the row player chooses a, the column player b; the column player pays reward(s, a, b)
 * to the row player, and the state becomes next[k] with probability p[k]. Payments are discounted
 * by gamma. The value is the one solution of
 *
 *   V(s) = val_ab [ reward(s, a, b) + gamma sum_k p_k V(next_k(s, a, b)) ]     (L. S. Shapley 1953)
 *
 * where val is the value of a matrix game; iterating it converges by a factor of gamma. Optimal
 * strategies are stationary: a mixture in each state.
 *
 * As an environment of marl: stochastic_env.h.
 */
#ifndef KARMA_MARL_STOCHASTIC_GAME_H
#define KARMA_MARL_STOCHASTIC_GAME_H

#include "core/base/mem.h"

#include <stdbool.h>
#include <stdint.h>

enum { GAME_OUTCOMES = 2, GAME_ACTIONS_MAX = 8 };

struct game_outcome {
    double reward;
    int next[GAME_OUTCOMES];
    double p; /* of next[0]; that of next[1] is 1 - p */
};

struct stochastic_game {
    const char *name;
    int n_states, n_row, n_col; /* actions of the row and of the column player at most */
    double gamma;
    uint32_t *may_row, *may_col;   /* (n_states) bit a: action a may be chosen; at least one */
    struct game_outcome *outcomes; /* (n_states, n_row, n_col); unused where one may not */
    int start;                     /* the state that is reported */
    int horizon;                   /* of an episode as an environment */
};

static inline const struct game_outcome *game_outcome(const struct stochastic_game *g, int s, int a,
                                                      int b)
{
    return &g->outcomes[((size_t)s * (size_t)g->n_row + (size_t)a) * (size_t)g->n_col + (size_t)b];
}

/* One state in which the pair plays again and again; payoff (n, m). */
enum err stochastic_game_matrix(struct stochastic_game *g, struct arena *arena, const char *name,
                                const double *payoff, int n_row, int n_col) WARN_UNUSED;

/* A service that is scaled under attack. State: 1-3 ready replicas, whether one is starting (it is
 * ready a period later), 0-4 requests in the queue, 0-3 units of the attacker's budget. The row
 * player keeps, starts or removes a replica; the column player sends 0 to 2 requests, as far as its
 * budget goes; one or two legitimate ones come with equal probability. A replica serves one request
 * a period. The row player pays for requests that wait, for those that find the queue full, and for
 * replicas. */
enum err stochastic_game_chain(struct stochastic_game *g, struct arena *arena) WARN_UNUSED;

/* Values and strategies; all (n_states) or (n_states, n_row), (n_states, n_col). */
struct game_solution {
    double *value, *row, *col;
    int n_pure; /* states with a saddle point in pure strategies */
};

/* Every value within `tolerance` of the exact one. */
enum err stochastic_game_solve(struct game_solution *out, struct arena *arena,
                               const struct stochastic_game *g, double tolerance) WARN_UNUSED;

/* value (n_states) of stationary strategies row and col against each other. One of them NULL: the
 * best response to the other one. Both NULL: both work for the row player, or, with `for_col`, for
 * the column player, which bounds what can be paid. */
void stochastic_game_value(double *value, const struct stochastic_game *g, const double *row,
                           const double *col, bool for_col, double tolerance);

#endif
