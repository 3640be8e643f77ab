/* MAPPO against exact games: the value of a pair that learned together, and best responses to given
 * strategies, beside the values of linear programming and value iteration.
 * RUN: np=1,3
 * TIMEOUT: 1200
 *
 * FULL=1 (make adversary) trains for longer, with three seeds. */
#include "core/marl/matrix_game.h"
#include "tests/mpi/exact.h"

#include <inttypes.h>
#include <math.h>

static const double TOLERANCE = 0.02; /* of the range of what can be paid */

/* A game with its solution, and what can be paid at all in its start state. */
struct solved {
    struct arena arena;
    struct stochastic_game game;
    struct game_solution solution;
    double lo, hi;
};

static double range(const struct solved *s)
{
    return s->hi - s->lo;
}

static bool full(void)
{
    return getenv("FULL") != NULL;
}

static double value_of(const struct solved *s, struct arena *arena, const double *row,
                       const double *col, bool for_col)
{
    double *v = ARENA_NEW(arena, s->game.n_states, double);
    stochastic_game_value(v, &s->game, row, col, for_col, 1e-9);
    return v[s->game.start];
}

static enum err solve(struct solved *s)
{
    TRY(stochastic_game_solve(&s->solution, &s->arena, &s->game, 1e-9));
    s->lo = value_of(s, &s->arena, NULL, NULL, true);
    s->hi = value_of(s, &s->arena, NULL, NULL, false);
    return ERR_OK;
}

static enum err chain(struct solved *s)
{
    arena_init(&s->arena);
    TRY(stochastic_game_chain(&s->game, &s->arena));
    return solve(s);
}

/* Rock-paper-scissors, played again and again: rock against paper loses 1. */
static enum err rps(struct solved *s)
{
    static const double payoff[] = {0, -1, 1, 1, 0, -1, -1, 1, 0};
    arena_init(&s->arena);
    TRY(stochastic_game_matrix(&s->game, &s->arena, "rock-paper-scissors", payoff, 3, 3));
    return solve(s);
}

static struct exact_run run_of(const struct solved *s, uint64_t seed)
{
    return (struct exact_run){.game = &s->game,
                              .seed = seed,
                              .updates = full() ? 400 : 60,
                              .entropy = 0.005,
                              .lr = 5e-3,
                              .lr_end = 2e-4};
}

static void say(const struct ranks *r, const char *what, uint64_t seed, double learned,
                double exact, double range_)
{
    if (r->c.rank == 0) {
        printf("# %-44s seed %" PRIu64 "  learned %8.4f  exact %8.4f  difference %5.2f %% of the "
               "range\n",
               what, seed, learned, exact, 100.0 * (learned - exact) / range_);
        fflush(stdout);
    }
}

/* The chain has a pure saddle point nearly everywhere: the pair comes to its value. */
static void test_together(struct ranks *r)
{
    struct solved s;
    EXPECT(r, chain(&s) == ERR_OK);
    const double exact = s.solution.value[s.game.start];
    for (uint64_t seed = 1; seed <= (full() ? 3U : 1U); seed++) {
        struct exact_run run = run_of(&s, seed);
        double *row = ARENA_NEW(&s.arena, s.game.n_states * s.game.n_row, double);
        double *col = ARENA_NEW(&s.arena, s.game.n_states * s.game.n_col, double);
        EXPECT(r, exact_train(r, &run) == ERR_OK);
        EXPECT(r, exact_strategy(row, &s.arena, &run, GAME_ROW) == ERR_OK);
        EXPECT(r, exact_strategy(col, &s.arena, &run, GAME_COL) == ERR_OK);
        const double pair = value_of(&s, &s.arena, row, col, false);
        say(r, "scaling chain, learned together", seed, pair, exact, range(&s));
        EXPECT(r, fabs(pair - exact) <= TOLERANCE * range(&s));
        const double worst = value_of(&s, &s.arena, row, NULL, false);
        say(r, "its defender under an exact best response", seed, worst, exact, range(&s));
        EXPECT(r, worst <= exact + 1e-6 && worst >= exact - TOLERANCE * range(&s));
    }
    exact_remove(r, run_of(&s, 1).dir);
    arena_release(&s.arena);
}

/* The attacker alone learns against the defender of the solution, and against one that never
 * scales. */
static void test_best_response(struct ranks *r)
{
    struct solved s;
    EXPECT(r, chain(&s) == ERR_OK);
    double *idle = ARENA_NEW(&s.arena, s.game.n_states * s.game.n_row, double);
    for (int i = 0; i < s.game.n_states; i++) {
        idle[i * s.game.n_row] = 1.0;
    }
    const struct {
        const char *name;
        const double *row;
    } defenders[] = {{"best response to the optimal defender", s.solution.row},
                     {"best response to one that never scales", idle}};
    for (int k = 0; k < 2; k++) {
        const double exact = value_of(&s, &s.arena, defenders[k].row, NULL, false);
        for (uint64_t seed = 1; seed <= (full() ? 3U : 1U); seed++) {
            struct exact_run run = run_of(&s, seed);
            run.fixed[GAME_ROW] = defenders[k].row;
            double *col = ARENA_NEW(&s.arena, s.game.n_states * s.game.n_col, double);
            EXPECT(r, exact_train(r, &run) == ERR_OK);
            EXPECT(r, exact_strategy(col, &s.arena, &run, GAME_COL) == ERR_OK);
            const double learned = value_of(&s, &s.arena, defenders[k].row, col, false);
            say(r, defenders[k].name, seed, learned, exact, range(&s));
            EXPECT(r, learned >= exact - 1e-6);
            EXPECT(r, learned <= exact + TOLERANCE * range(&s));
        }
    }
    arena_release(&s.arena);
}

/* Against a player that favours rock the best response is paper. */
static void test_rock(struct ranks *r)
{
    struct solved s;
    EXPECT(r, rps(&s) == ERR_OK);
    const double rocks[] = {0.5, 0.25, 0.25};
    struct exact_run run = run_of(&s, 1);
    double col[3];
    run.fixed[GAME_ROW] = rocks;
    EXPECT(r, exact_train(r, &run) == ERR_OK);
    EXPECT(r, exact_strategy(col, &s.arena, &run, GAME_COL) == ERR_OK);
    const double exact = value_of(&s, &s.arena, rocks, NULL, false);
    const double learned = value_of(&s, &s.arena, rocks, col, false);
    say(r, "rock-paper-scissors, best response to rock", 1, learned, exact, range(&s));
    EXPECT(r, fabs(exact + 0.5) < 1e-6); /* 0.25 a step, twice */
    EXPECT(r, learned <= exact + TOLERANCE * range(&s) && col[1] > 0.9);
    exact_remove(r, run.dir);
    arena_release(&s.arena);
}

/* ---- a small league ---- */

enum { LEAGUE_MAX = 12 };

/* Strategies of both players in rock-paper-scissors, and what they are worth against each other. */
struct league {
    double member[GAME_TEAMS][LEAGUE_MAX][3];
    int n[GAME_TEAMS];
    double mixture[GAME_TEAMS][LEAGUE_MAX]; /* over the members: the meta-strategy */
    double mixed[GAME_TEAMS][3];            /* what it comes to: there is one state */
    double value;
};

/* The meta-strategy: linear programming over the members' payoffs. */
static enum err solve_league(struct league *l, struct solved *s)
{
    const int n = l->n[GAME_ROW], m = l->n[GAME_COL];
    double payoff[LEAGUE_MAX * LEAGUE_MAX];
    double *work = ARENA_NEW(&s->arena, matrix_game_work(n, m), double);
    TRY(arena_error(&s->arena));
    for (int i = 0; i < n; i++) {
        for (int j = 0; j < m; j++) {
            payoff[i * m + j] =
                value_of(s, &s->arena, l->member[GAME_ROW][i], l->member[GAME_COL][j], false);
        }
    }
    TRY(matrix_game_solve(&l->value, l->mixture[GAME_ROW], l->mixture[GAME_COL], payoff, n, m,
                          work));
    for (int k = 0; k < GAME_TEAMS; k++) {
        for (int a = 0; a < 3; a++) {
            l->mixed[k][a] = 0.0;
            for (int i = 0; i < l->n[k]; i++) {
                l->mixed[k][a] += l->mixture[k][i] * l->member[k][i][a];
            }
        }
    }
    return ERR_OK;
}

/* A best response of player k to the other's mixture, learned; *gain: over the league's value. */
static enum err respond(struct ranks *r, struct league *l, struct solved *s, int k, double *gain)
{
    struct exact_run run = run_of(s, (uint64_t)l->n[k]);
    double *own = l->member[k][l->n[k]];
    const int other = 1 - k;
    run.updates = 60;
    run.fixed[other] = l->mixed[other];
    TRY(exact_train(r, &run));
    TRY(exact_strategy(own, &s->arena, &run, k));
    const double *row = k == GAME_ROW ? own : l->mixed[GAME_ROW];
    const double *col = k == GAME_COL ? own : l->mixed[GAME_COL];
    const double v = value_of(s, &s->arena, row, col, false);
    *gain = k == GAME_ROW ? v - l->value : l->value - v;
    l->n[k]++;
    return ERR_OK;
}

/* Both begin with rock alone. New members are best responses to the other's mixture, until none
 * gains: then the mixtures are the minimax strategies, a third of each. */
static void test_league(struct ranks *r)
{
    struct solved s;
    struct league l = {.n = {1, 1}, .member = {{{1, 0, 0}}, {{1, 0, 0}}}};
    double gain[GAME_TEAMS] = {1.0, 1.0};
    EXPECT(r, rps(&s) == ERR_OK);
    EXPECT(r, solve_league(&l, &s) == ERR_OK);
    while (fmax(gain[0], gain[1]) > TOLERANCE * range(&s) && l.n[0] < LEAGUE_MAX) {
        for (int k = 0; k < GAME_TEAMS; k++) {
            EXPECT(r, respond(r, &l, &s, k, &gain[k]) == ERR_OK);
        }
        EXPECT(r, solve_league(&l, &s) == ERR_OK);
    }
    say(r, "rock-paper-scissors, league", 1, l.value, s.solution.value[0], range(&s));
    EXPECT(r, l.n[0] < LEAGUE_MAX); /* it stopped by itself */
    for (int k = 0; k < GAME_TEAMS; k++) {
        if (r->c.rank == 0) {
            printf("# player %d: %d members, mixture %.3f rock, %.3f paper, %.3f scissors\n", k,
                   l.n[k], l.mixed[k][0], l.mixed[k][1], l.mixed[k][2]);
        }
        for (int a = 0; a < 3; a++) {
            EXPECT(r, fabs(l.mixed[k][a] - 1.0 / 3) <= 0.02);
        }
    }
    exact_remove(r, run_of(&s, 1).dir);
    arena_release(&s.arena);
}

static const struct ranks_test tests[] = {
    {"the pair that learns together", test_together},
    {"a best response", test_best_response},
    {"a best response to rock", test_rock},
    {"a league of rock, paper and scissors", test_league},
};

int main(int argc, char **argv)
{
    return ranks_main(argc, argv, tests, (int)(sizeof tests / sizeof *tests));
}
