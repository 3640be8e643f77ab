/* Between league.c, which plays rounds, league_members.c, which trains, and league_report.c. */
#ifndef KARMA_JOBS_LEAGUE_PARTS_H
#define KARMA_JOBS_LEAGUE_PARTS_H

#include "mpi/jobs/league.h"
#include "mpi/jobs/matches.h"
#include "mpi/jobs/policies.h"
#include "mpi/jobs/raid_training.h"

#include "core/base/stats.h"

enum { LEAGUE_DEFENDERS, LEAGUE_ATTACKERS, LEAGUE_SIDES };

/* A defender or an attacker. Its player is reset at each episode, so it can play many matches. */
struct league_member {
    const char *name; /* in tables */
    const char *run;  /* directory of its training; "" of a rule and of the idle attacker */
    int round;        /* in which it joined; 0: at the start */
    /* a defender */
    struct defended defended;
    uint64_t digest; /* of its weights; 0: a rule */
    struct controller *controller;
    /* an attacker; of the idle one NULL */
    struct raid_training *training;
    struct raider *raider;
};

/* Members, and their shares in the mixture of the last solution. */
struct league_side {
    struct league_member *members; /* (cap) */
    double *shares;                /* (cap) */
    int n;
};

/* What came of a round. */
struct league_round {
    int n[LEAGUE_SIDES], support[LEAGUE_SIDES]; /* members, and those with a share, before it */
    double value;                               /* of the matrix game */
    struct stat_interval gain[LEAGUE_SIDES];
    uint64_t chosen[LEAGUE_SIDES]; /* seed of the best training */
    bool joined[LEAGUE_SIDES];
};

struct league {
    struct comm *comm;
    struct experiment *x;
    const struct league_order *order;
    struct arena *arena;
    struct attack_world world;
    struct policies policies; /* of eval.controllers as they are now: members may be added */
    int cap;                  /* members of a side at most */
    struct league_side sides[LEAGUE_SIDES];
    double *values; /* rank 0: (cap, cap, episodes, MATCH_VALUES) of the pairs that have played */
    int n_played[LEAGUE_SIDES]; /* pairs below these have */
    double value;
    struct league_round *rounds; /* (league.rounds) */
    int n_rounds;
};

/* Local. The controllers of the configuration and the idle attacker. */
enum err league_members_init(struct league *l) WARN_UNUSED;

/* Collective. Trainings of best responses to the mixtures of round `round` (from 1), for each seed;
 * then they are candidates[side] (n_seeds). */
enum err league_train(struct league_member *candidates[LEAGUE_SIDES], struct league *l,
                      int round) WARN_UNUSED;

/* The numbers of a pair in an episode, rank 0. */
static inline double *league_values(const struct league *l, int defender, int attacker, int episode)
{
    const size_t pair = (size_t)defender * (size_t)l->cap + (size_t)attacker;
    return l->values + (pair * (size_t)l->x->cfg.eval.episodes + (size_t)episode) * MATCH_VALUES;
}

/* Index of the payoff among the values: the defenders' reward. */
static const int LEAGUE_PAYOFF = offsetof(struct episode_metrics, reward) / sizeof(double);

/* Rank 0. Mean payoff of a pair. */
double league_payoff(const struct league *l, int defender, int attacker);

/* Local, rank 0. */
enum err league_report(const struct league *l) WARN_UNUSED;

/* Local, rank 0. DIR/attackers.yaml. */
enum err league_write_attackers(const struct league *l) WARN_UNUSED;

#endif
