/* Shapley's iteration, and evaluation of given strategies. See stochastic_game.h. */
#include "core/marl/stochastic_game.h"

#include "core/marl/matrix_game.h"

#include <math.h>
#include <string.h>

static bool may(uint32_t mask, int a)
{
    return (mask >> a & 1U) != 0;
}

/* An entry of the stage game of state s: what the row player gets now, and the discounted mean of
 * what the values say of the next state. */
static double worth(const struct stochastic_game *g, const double *value, int s, int a, int b)
{
    const struct game_outcome *o = game_outcome(g, s, a, b);
    return o->reward + g->gamma * (o->p * value[o->next[0]] + (1.0 - o->p) * value[o->next[1]]);
}

/* ---- games ---- */

static enum err init(struct stochastic_game *g, struct arena *arena)
{
    const size_t n = (size_t)g->n_states;
    CHECK(g->n_row <= GAME_ACTIONS_MAX && g->n_col <= GAME_ACTIONS_MAX);
    g->may_row = ARENA_NEW(arena, n, uint32_t);
    g->may_col = ARENA_NEW(arena, n, uint32_t);
    g->outcomes = ARENA_NEW(arena, n * (size_t)g->n_row * (size_t)g->n_col, struct game_outcome);
    return arena_error(arena);
}

static struct game_outcome *outcome_at(struct stochastic_game *g, int s, int a, int b)
{
    return &g->outcomes[((size_t)s * (size_t)g->n_row + (size_t)a) * (size_t)g->n_col + (size_t)b];
}

enum err stochastic_game_matrix(struct stochastic_game *g, struct arena *arena, const char *name,
                                const double *payoff, int n_row, int n_col)
{
    *g = (struct stochastic_game){
        .name = name, .n_states = 1, .n_row = n_row, .n_col = n_col, .gamma = 0.5, .horizon = 8};
    TRY(init(g, arena));
    g->may_row[0] = (1U << n_row) - 1U;
    g->may_col[0] = (1U << n_col) - 1U;
    for (int i = 0; i < n_row * n_col; i++) {
        *outcome_at(g, 0, i / n_col, i % n_col) =
            (struct game_outcome){.reward = payoff[i], .p = 1.0};
    }
    return ERR_OK;
}

/* ---- the chain ---- */

enum { REPLICAS = 3, QUEUE = 4, BUDGET = 3, KEEP = 0, START = 1, REMOVE = 2, SENDS = 3 };
#define WAIT_COST    0.25 /* of a waiting request */
#define LOST_COST    1.0  /* of one that found the queue full */
#define REPLICA_COST 0.25 /* of a replica, starting ones included */

struct chain_state {
    int ready, starting, queue, budget;
};

/* Digits of mixed radix: budget, queue (0 .. QUEUE), starting (0, 1), ready - 1 (0 .. REPLICAS -
 * 1). state_of() takes them apart from the last one on. */
static int index_of(const struct chain_state *c)
{
    return ((c->budget * (QUEUE + 1) + c->queue) * 2 + c->starting) * REPLICAS + c->ready - 1;
}

static struct chain_state state_of(int i)
{
    return (struct chain_state){.ready = i % REPLICAS + 1,
                                .starting = i / REPLICAS % 2,
                                .queue = i / REPLICAS / 2 % (QUEUE + 1),
                                .budget = i / REPLICAS / 2 / (QUEUE + 1)};
}

/* One replica may start at a time, and none is removed meanwhile. */
static uint32_t may_scale(const struct chain_state *c)
{
    const bool starts = c->starting == 0 && c->ready < REPLICAS;
    const bool removes = c->starting == 0 && c->ready > 1;
    return 1U << KEEP | (starts ? 1U << START : 0U) | (removes ? 1U << REMOVE : 0U);
}

/* Requests arrive, then the ready replicas serve. A replica that was starting is ready afterwards;
 * a removed one has served for the last time. */
static double pass(struct chain_state *c, int scale, int sent, int legit)
{
    const int come = c->queue + legit + sent;
    const int left = come > c->ready ? come - c->ready : 0;
    const int lost = left > QUEUE ? left - QUEUE : 0;
    const double cost =
        REPLICA_COST * (c->ready + c->starting) + WAIT_COST * (left - lost) + LOST_COST * lost;
    c->queue = left - lost;
    c->ready += c->starting - (scale == REMOVE ? 1 : 0);
    c->starting = scale == START ? 1 : 0;
    c->budget -= sent;
    return -cost;
}

static struct game_outcome chain_outcome(int s, int scale, int sent)
{
    struct game_outcome o = {.p = 0.5};
    for (int k = 0; k < GAME_OUTCOMES; k++) {
        struct chain_state c = state_of(s);
        o.reward += 0.5 * pass(&c, scale, sent, 1 + k);
        o.next[k] = index_of(&c);
    }
    return o;
}

enum err stochastic_game_chain(struct stochastic_game *g, struct arena *arena)
{
    const struct chain_state start = {.ready = 1, .budget = BUDGET};
    *g = (struct stochastic_game){.name = "scaling chain",
                                  .n_states = REPLICAS * 2 * (QUEUE + 1) * (BUDGET + 1),
                                  .n_row = 3,
                                  .n_col = SENDS,
                                  .gamma = 0.9,
                                  .start = index_of(&start),
                                  .horizon = 16};
    TRY(init(g, arena));
    for (int s = 0; s < g->n_states; s++) {
        const struct chain_state c = state_of(s);
        const int most = c.budget < SENDS - 1 ? c.budget : SENDS - 1;
        g->may_row[s] = may_scale(&c);
        g->may_col[s] = (1U << (most + 1)) - 1U;
        for (int a = 0; a < g->n_row; a++) {
            for (int b = 0; b < g->n_col; b++) {
                if (may(g->may_row[s], a) && may(g->may_col[s], b)) {
                    *outcome_at(g, s, a, b) = chain_outcome(s, a, b);
                }
            }
        }
    }
    return ERR_OK;
}

/* ---- solving ---- */

/* The matrix game of a state: allowed actions only, rows and columns in order. */
struct stage {
    double payoff[GAME_ACTIONS_MAX * GAME_ACTIONS_MAX];
    int row[GAME_ACTIONS_MAX], col[GAME_ACTIONS_MAX]; /* actions of its rows and columns */
    int n_row, n_col;
};

static void make_stage(struct stage *m, const struct stochastic_game *g, const double *value, int s)
{
    m->n_row = m->n_col = 0;
    for (int a = 0; a < g->n_row; a++) {
        if (may(g->may_row[s], a)) {
            m->row[m->n_row++] = a;
        }
    }
    for (int b = 0; b < g->n_col; b++) {
        if (may(g->may_col[s], b)) {
            m->col[m->n_col++] = b;
        }
    }
    for (int i = 0; i < m->n_row; i++) {
        for (int j = 0; j < m->n_col; j++) {
            m->payoff[i * m->n_col + j] = worth(g, value, s, m->row[i], m->col[j]);
        }
    }
}

/* max_i min_j <= min_j max_i holds for every matrix: what the row player can secure with a pure
 * choice is at most what the column player can hold him to. Where they are equal there is a saddle
 * point, and pure choices are optimal for both. */
static bool has_saddle(const struct stage *m)
{
    double lower = -HUGE_VAL, upper = HUGE_VAL;
    for (int i = 0; i < m->n_row; i++) {
        double least = HUGE_VAL;
        for (int j = 0; j < m->n_col; j++) {
            least = fmin(least, m->payoff[i * m->n_col + j]);
        }
        lower = fmax(lower, least);
    }
    for (int j = 0; j < m->n_col; j++) {
        double most = -HUGE_VAL;
        for (int i = 0; i < m->n_row; i++) {
            most = fmax(most, m->payoff[i * m->n_col + j]);
        }
        upper = fmin(upper, most);
    }
    return upper - lower <= 1e-9;
}

enum { WORK = (GAME_ACTIONS_MAX + 1) * (2 * GAME_ACTIONS_MAX + 1) + GAME_ACTIONS_MAX };

/* Strategies of the stage games at the final values. */
static enum err read_strategies(struct game_solution *out, const struct stochastic_game *g)
{
    double work[WORK], row[GAME_ACTIONS_MAX], col[GAME_ACTIONS_MAX];
    struct stage m;
    for (int s = 0; s < g->n_states; s++) {
        make_stage(&m, g, out->value, s);
        TRY(matrix_game_solve(NULL, row, col, m.payoff, m.n_row, m.n_col, work));
        for (int i = 0; i < m.n_row; i++) {
            out->row[s * g->n_row + m.row[i]] = row[i];
        }
        for (int j = 0; j < m.n_col; j++) {
            out->col[s * g->n_col + m.col[j]] = col[j];
        }
        out->n_pure += has_saddle(&m);
    }
    return ERR_OK;
}

/* Sweeps in place: the error shrinks by gamma at least with each, and a largest change d leaves an
 * error of d gamma / (1 - gamma) at most.
 *
 * The values of two matrix games differ by no more than their entries do, and entries of the stage
 * games at V and W differ by gamma max |V - W| at most. So one backup is a contraction by gamma in
 * the maximum norm; with values of this sweep where there are some it stays one, with the same
 * fixed point V*. From |V' - V*| <= gamma |V - V*| <= gamma (|V - V'| + |V' - V*|) follows
 *
 *     |V' - V*| <= gamma / (1 - gamma) |V - V'|
 */
enum err stochastic_game_solve(struct game_solution *out, struct arena *arena,
                               const struct stochastic_game *g, double tolerance)
{
    const size_t n = (size_t)g->n_states;
    double work[WORK], change = HUGE_VAL;
    struct stage m;
    *out = (struct game_solution){.value = ARENA_NEW(arena, n, double),
                                  .row = ARENA_NEW(arena, n * (size_t)g->n_row, double),
                                  .col = ARENA_NEW(arena, n * (size_t)g->n_col, double)};
    TRY(arena_error(arena));
    while (change * g->gamma > tolerance * (1.0 - g->gamma)) {
        change = 0.0;
        for (int s = 0; s < g->n_states; s++) {
            double value;
            make_stage(&m, g, out->value, s);
            TRY(matrix_game_solve(&value, NULL, NULL, m.payoff, m.n_row, m.n_col, work));
            change = fmax(change, fabs(value - out->value[s]));
            out->value[s] = value;
        }
    }
    return read_strategies(out, g);
}

/* ---- given strategies ---- */

/* The value of action a for the row player: the mean over a given column strategy, else the least
 * over the columns, or the greatest, if both work for him. */
static double over_columns(const struct stochastic_game *g, const double *value, int s, int a,
                           const double *col, bool least)
{
    double sum = 0.0, best = least ? HUGE_VAL : -HUGE_VAL;
    for (int b = 0; b < g->n_col; b++) {
        if (may(g->may_col[s], b)) {
            const double v = worth(g, value, s, a, b);
            sum += col != NULL ? col[s * g->n_col + b] * v : 0.0;
            best = least ? fmin(best, v) : fmax(best, v);
        }
    }
    return col != NULL ? sum : best;
}

/* The column player's best response to a given row strategy: the least mean over the rows. */
static double best_column(const struct stochastic_game *g, const double *value, int s,
                          const double *row)
{
    double best = HUGE_VAL;
    for (int b = 0; b < g->n_col; b++) {
        double mean = 0.0;
        for (int a = 0; may(g->may_col[s], b) && a < g->n_row; a++) {
            mean += may(g->may_row[s], a) ? row[s * g->n_row + a] * worth(g, value, s, a, b) : 0.0;
        }
        best = may(g->may_col[s], b) ? fmin(best, mean) : best;
    }
    return best;
}

/* One step of dynamic programming at s, by who is given a strategy:
 *
 *     row and col    the mean over both: the value of the pair
 *     row alone      the least mean over the rows: the column player's best response
 *     col alone      the greatest mean over the columns: the row player's best response
 *     none           the greatest entry, or with for_col the least: both players work together
 */
static double backup(const struct stochastic_game *g, const double *value, int s, const double *row,
                     const double *col, bool for_col)
{
    double best = for_col ? HUGE_VAL : -HUGE_VAL, sum = 0.0;
    if (row != NULL && col == NULL) {
        return best_column(g, value, s, row);
    }
    for (int a = 0; a < g->n_row; a++) {
        if (may(g->may_row[s], a)) {
            const double v = over_columns(g, value, s, a, col, for_col);
            sum += row != NULL ? row[s * g->n_row + a] * v : 0.0;
            best = for_col ? fmin(best, v) : fmax(best, v);
        }
    }
    return row != NULL ? sum : best;
}

/* As in stochastic_game_solve(). With `col` given and rows free, for_col is false. */
void stochastic_game_value(double *value, const struct stochastic_game *g, const double *row,
                           const double *col, bool for_col, double tolerance)
{
    double change = HUGE_VAL;
    const bool joint = row == NULL && col == NULL;
    memset(value, 0, sizeof *value * (size_t)g->n_states);
    while (change * g->gamma > tolerance * (1.0 - g->gamma)) {
        change = 0.0;
        for (int s = 0; s < g->n_states; s++) {
            const double v = backup(g, value, s, row, col, joint && for_col);
            change = fmax(change, fabs(v - value[s]));
            value[s] = v;
        }
    }
}
