/* Rounds of a league: play, solve, train, choose, measure. See league.h. */
#include "mpi/jobs/league.h"

#include "core/base/file.h"
#include "core/base/log.h"
#include "core/marl/matrix_game.h"
#include "mpi/jobs/league_parts.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

/* ---- playing ---- */

/* Pairs of members and candidates that play the same episodes. */
struct pairs {
    struct matches matches;
    struct match *list; /* room for (defenders, attackers) */
};

static enum err pairs_init(struct pairs *p, struct league *l, int n, int first, const char *what)
{
    const struct eval_cfg *eval = &l->x->cfg.eval;
    p->list = ARENA_NEW(l->arena, n, struct match);
    p->matches = (struct matches){.world = &l->world,
                                  .list = p->list,
                                  .seed = eval->seed,
                                  .split = (enum rng_split)eval->split,
                                  .first = first,
                                  .episodes = eval->episodes,
                                  .what = what};
    return comm_agree(l->comm, arena_error(l->arena));
}

/* Its index among the matches. */
static int pairs_add(struct pairs *p, const struct league *l, const struct league_member *defender,
                     const struct league_member *attacker)
{
    p->list[p->matches.n] = (struct match){.controller = defender->controller,
                                           .raider = attacker->raider,
                                           .scenario = l->world.scenario};
    return p->matches.n++;
}

/* An episode without requests has no reward; a league needs one of each. */
static enum err check_payoffs(const struct league *l, const struct matches *m)
{
    for (int k = 0; k < m->n * m->episodes; k++) {
        const double payoff = match_values(m, k / m->episodes, k % m->episodes)[LEAGUE_PAYOFF];
        if (!isfinite(payoff)) {
            return cfg_error(&l->x->reader, "workload.mean_rps",
                             "is so low that episode %d has no requests, and so no reward; raise "
                             "it, or game.horizon",
                             m->first + k % m->episodes);
        }
    }
    return ERR_OK;
}

static enum err pairs_play(struct pairs *p, struct league *l)
{
    TRY(matches_play(&p->matches, l->comm, l->arena));
    return comm_agree(l->comm, l->comm->rank == 0 ? check_payoffs(l, &p->matches) : ERR_OK);
}

/* ---- the matrix game ---- */

/* Plays the pairs that have not played: those of new members. */
static enum err fill_payoffs(struct league *l)
{
    const struct league_side *d = &l->sides[LEAGUE_DEFENDERS], *a = &l->sides[LEAGUE_ATTACKERS];
    const size_t bytes = (size_t)l->x->cfg.eval.episodes * MATCH_VALUES * sizeof(double);
    struct pairs p;
    int *index = ARENA_NEW(l->arena, d->n * a->n, int);
    TRY(pairs_init(&p, l, d->n * a->n, l->x->cfg.eval.first, "payoffs"));
    for (int i = 0; i < d->n; i++) {
        for (int j = 0; j < a->n; j++) {
            if (i >= l->n_played[LEAGUE_DEFENDERS] || j >= l->n_played[LEAGUE_ATTACKERS]) {
                const int at = pairs_add(&p, l, &d->members[i], &a->members[j]);
                index[at] = i * a->n + j;
            }
        }
    }
    TRY(pairs_play(&p, l));
    for (int k = 0; k < p.matches.n && l->comm->rank == 0; k++) {
        memcpy(league_values(l, index[k] / a->n, index[k] % a->n, 0),
               match_values(&p.matches, k, 0), bytes);
    }
    l->n_played[LEAGUE_DEFENDERS] = d->n;
    l->n_played[LEAGUE_ATTACKERS] = a->n;
    return ERR_OK;
}

double league_payoff(const struct league *l, int defender, int attacker)
{
    const int n = l->x->cfg.eval.episodes;
    double sum = 0.0;
    for (int e = 0; e < n; e++) {
        sum += league_values(l, defender, attacker, e)[LEAGUE_PAYOFF];
    }
    return sum / n;
}

/* Rank 0. The shares of both sides: the row player, who receives the payoff, is the defender. */
static enum err solve_here(struct league *l)
{
    struct league_side *d = &l->sides[LEAGUE_DEFENDERS], *a = &l->sides[LEAGUE_ATTACKERS];
    double *payoff = ARENA_NEW(l->arena, d->n * a->n, double);
    double *work = ARENA_NEW(l->arena, matrix_game_work(d->n, a->n), double);
    TRY(arena_error(l->arena));
    for (int i = 0; i < d->n; i++) {
        for (int j = 0; j < a->n; j++) {
            payoff[i * a->n + j] = league_payoff(l, i, j);
        }
    }
    return matrix_game_solve(&l->value, d->shares, a->shares, payoff, d->n, a->n, work);
}

/* The bytes at `data` of rank 0, on all ranks. */
static enum err share(struct league *l, void *data, size_t bytes)
{
    struct buf b;
    buf_init(&b);
    enum err e = comm_agree(l->comm, buf_append(&b, data, bytes));
    e = e == ERR_OK ? comm_bcast(l->comm, 0, &b) : e;
    if (e == ERR_OK) {
        memcpy(data, b.data, bytes);
    }
    buf_release(&b);
    return e;
}

static enum err solve(struct league *l)
{
    TRY(comm_agree(l->comm, l->comm->rank == 0 ? solve_here(l) : ERR_OK));
    for (int s = 0; s < LEAGUE_SIDES; s++) {
        TRY(share(l, l->sides[s].shares, (size_t)l->sides[s].n * sizeof(double)));
    }
    return share(l, &l->value, sizeof l->value);
}

static int count_support(const struct league_side *side)
{
    int n = 0;
    for (int i = 0; i < side->n; i++) {
        n += side->shares[i] > 0.0 ? 1 : 0;
    }
    return n;
}

/* ---- best responses ---- */

/* The payoff of a mixture of matches in an episode, from the defenders' side. at[i]: index of the
 * match of member i; members without a share have not played. */
static double mixed(const struct matches *m, const struct league_side *side, const int *at,
                    int episode)
{
    double sum = 0.0;
    for (int i = 0; i < side->n; i++) {
        if (side->shares[i] > 0.0) {
            sum += side->shares[i] * match_values(m, at[i], episode)[LEAGUE_PAYOFF];
        }
    }
    return sum;
}

/* A candidate of `side` against each member with a share of the other one. */
static void add_against(struct pairs *p, int *at, const struct league *l, int side,
                        const struct league_member *candidate)
{
    const struct league_side *others = &l->sides[1 - side];
    for (int i = 0; i < others->n; i++) {
        if (others->shares[i] > 0.0) {
            at[i] = side == LEAGUE_DEFENDERS ? pairs_add(p, l, candidate, &others->members[i])
                                             : pairs_add(p, l, &others->members[i], candidate);
        }
    }
}

/* The candidate that earns most against the mixture of the other side; of equal ones the first. */
static enum err choose(int chosen[LEAGUE_SIDES], struct league *l,
                       struct league_member *const candidates[LEAGUE_SIDES])
{
    const struct eval_cfg *eval = &l->x->cfg.eval;
    const int n_seeds = l->x->cfg.league.n_seeds;
    struct pairs p;
    int *at = ARENA_NEW(l->arena, LEAGUE_SIDES * n_seeds * l->cap, int);
    TRY(pairs_init(&p, l, LEAGUE_SIDES * n_seeds * l->cap, eval->first + eval->episodes,
                   "selection"));
    for (int c = 0; c < LEAGUE_SIDES * n_seeds; c++) {
        add_against(&p, at + c * l->cap, l, c / n_seeds, &candidates[c / n_seeds][c % n_seeds]);
    }
    TRY(pairs_play(&p, l));
    for (int side = 0; side < LEAGUE_SIDES && l->comm->rank == 0; side++) {
        double most = -INFINITY;
        for (int s = 0; s < n_seeds; s++) {
            double sum = 0.0;
            for (int e = 0; e < eval->episodes; e++) {
                sum +=
                    mixed(&p.matches, &l->sides[1 - side], at + (side * n_seeds + s) * l->cap, e);
            }
            sum = side == LEAGUE_DEFENDERS ? sum : -sum;
            if (sum > most) {
                most = sum;
                chosen[side] = s;
            }
        }
    }
    return share(l, chosen, LEAGUE_SIDES * sizeof *chosen);
}

/* Rank 0. What the candidates earn in each episode, less what the mixture of their own side does.
 */
static enum err gain_of(struct stat_interval *gain, const struct league *l, int side, int round,
                        const double *with, const double *without)
{
    static const char *const names[LEAGUE_SIDES] = {"gain of defender", "gain of attacker"};
    const struct eval_cfg *eval = &l->x->cfg.eval;
    const struct stat_cfg cfg = {
        .seed = eval->seed,
        .stream = STAT_STREAM(names[side], arena_printf(l->arena, "round %d", round)),
        .resamples = (uint32_t)eval->resamples,
        .level = eval->confidence};
    const double *own = side == LEAGUE_DEFENDERS ? with : without;
    const double *other = side == LEAGUE_DEFENDERS ? without : with;
    TRY(arena_error(l->arena));
    return stat_bootstrap_paired(gain, own, other, (uint32_t)eval->episodes, &cfg, l->arena);
}

/* Everybody with a share and the two candidates on fresh episodes. */
static enum err measure(struct league_round *r, struct league *l, int round,
                        const struct league_member *const best[LEAGUE_SIDES])
{
    const struct eval_cfg *eval = &l->x->cfg.eval;
    const struct league_side *d = &l->sides[LEAGUE_DEFENDERS], *a = &l->sides[LEAGUE_ATTACKERS];
    struct pairs p;
    int *at[LEAGUE_SIDES], *both = ARENA_NEW(l->arena, l->cap * l->cap, int);
    double *with = ARENA_NEW(l->arena, eval->episodes, double);
    double *without = ARENA_NEW(l->arena, eval->episodes, double);
    for (int side = 0; side < LEAGUE_SIDES; side++) {
        at[side] = ARENA_NEW(l->arena, l->cap, int);
    }
    TRY(pairs_init(&p, l, l->cap * (l->cap + 2), eval->first + (1 + round) * eval->episodes,
                   "gains"));
    for (int side = 0; side < LEAGUE_SIDES; side++) {
        add_against(&p, at[side], l, side, best[side]);
    }
    for (int i = 0; i < d->n; i++) {
        if (d->shares[i] > 0.0) {
            add_against(&p, both + i * l->cap, l, LEAGUE_DEFENDERS, &d->members[i]);
        }
    }
    TRY(pairs_play(&p, l));
    if (l->comm->rank == 0) {
        for (int e = 0; e < eval->episodes; e++) {
            without[e] = 0.0;
            for (int i = 0; i < d->n; i++) {
                without[e] += d->shares[i] > 0.0
                                  ? d->shares[i] * mixed(&p.matches, a, both + i * l->cap, e)
                                  : 0.0;
            }
        }
    }
    for (int side = 0; side < LEAGUE_SIDES; side++) {
        for (int e = 0; e < eval->episodes && l->comm->rank == 0; e++) {
            with[e] = mixed(&p.matches, &l->sides[1 - side], at[side], e);
        }
        TRY(comm_agree(l->comm, l->comm->rank == 0
                                    ? gain_of(&r->gain[side], l, side, round, with, without)
                                    : ERR_OK));
    }
    return share(l, r->gain, sizeof r->gain);
}

/* ---- rounds ---- */

static void tell(const struct league *l, const struct league_round *r, int round)
{
    if (l->comm->rank == 0) {
        log_info("round %d: value %.4f; a best response gains %+.4f [%+.4f, %+.4f] for the "
                 "defenders, %+.4f [%+.4f, %+.4f] for the attackers",
                 round, r->value, r->gain[0].value, r->gain[0].lo, r->gain[0].hi, r->gain[1].value,
                 r->gain[1].lo, r->gain[1].hi);
    }
}

/* A side whose gain may be 0 stays as it is. *any: somebody joined. */
static enum err play_round(bool *any, struct league *l, int round)
{
    struct league_round *r = &l->rounds[l->n_rounds++];
    struct league_member *candidates[LEAGUE_SIDES];
    const struct league_member *best[LEAGUE_SIDES];
    int chosen[LEAGUE_SIDES] = {0};
    *any = false;
    *r = (struct league_round){.value = l->value};
    for (int side = 0; side < LEAGUE_SIDES; side++) {
        r->n[side] = l->sides[side].n;
        r->support[side] = count_support(&l->sides[side]);
    }
    TRY(league_train(candidates, l, round));
    TRY(choose(chosen, l, candidates));
    for (int side = 0; side < LEAGUE_SIDES; side++) {
        best[side] = &candidates[side][chosen[side]];
        r->chosen[side] = l->x->cfg.league.seeds[chosen[side]];
    }
    TRY(measure(r, l, round, best));
    tell(l, r, round);
    for (int side = 0; side < LEAGUE_SIDES; side++) {
        struct league_side *s = &l->sides[side];
        r->joined[side] = r->gain[side].lo > 0.0;
        if (r->joined[side]) {
            s->members[s->n++] = *best[side];
            *any = true;
        }
    }
    return ERR_OK;
}

/* Each round begins with the solution of the game among the members there are; the last one ends
 * with it, too, if somebody has joined. */
static enum err play(struct league *l)
{
    bool any = true;
    for (int round = 1; any && round <= l->x->cfg.league.rounds; round++) {
        TRY(fill_payoffs(l));
        TRY(solve(l));
        TRY(play_round(&any, l, round));
    }
    if (any) {
        TRY(fill_payoffs(l));
        TRY(solve(l));
    }
    return comm_agree(l->comm, l->comm->rank == 0 ? league_report(l) : ERR_OK);
}

/* ---- the script ---- */

/* The defenders' trainings play the scenarios of the configuration, and payoffs exploit.world: they
 * have to be the same game. And what one side earns the other one has to lose. */
static enum err check(const struct league *l)
{
    const struct experiment_cfg *c = &l->x->cfg;
    if (c->n_scenarios != 1) {
        return cfg_error(&l->x->reader, "scenarios",
                         "are %d, but a league plays one, without events, in which the attackers "
                         "act; leave the others out, and give the budget as plant.attack_*",
                         c->n_scenarios);
    }
    if (c->attacker.reward != ATTACKER_ZERO_SUM) {
        return cfg_error(&l->x->reader, "attacker.reward",
                         "is damage, but in a league one side earns what the other one loses; set "
                         "it to zero_sum");
    }
    if (c->train.opponent != OPPONENT_SCRIPTED) {
        return cfg_error(&l->x->reader, "train.opponent",
                         "is for karma train; a league chooses the opponents itself; leave it out");
    }
    return ERR_OK;
}

/* What every rank does alike; only rank 0 logs errors. */
static enum err prepare(struct league *l)
{
    const int episodes = l->x->cfg.eval.episodes;
    TRY(check(l));
    TRY(attack_world_init(&l->world, l->arena, l->comm, l->x, "karma league"));
    TRY(league_members_init(l));
    l->rounds = ARENA_NEW(l->arena, l->x->cfg.league.rounds, struct league_round);
    if (l->comm->rank == 0) {
        l->values = arena_alloc(l->arena, (size_t)l->cap * (size_t)l->cap * (size_t)episodes,
                                MATCH_VALUES * sizeof(double));
    }
    return arena_error(l->arena);
}

enum err league_run(struct comm *comm, struct experiment *x, const struct league_order *order)
{
    struct arena arena;
    arena_init(&arena);
    struct league l = {.comm = comm, .x = x, .order = order, .arena = &arena};
    enum err e = comm_agree(comm, prepare(&l));
    e = e == ERR_OK ? play(&l) : e;
    arena_release(&arena);
    return e;
}
