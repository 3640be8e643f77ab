/* Episodes of controllers, with and without a learned attacker, on the simulator: a list of jobs
 * that all ranks share. All matches play the same episodes: episode i of one has the same
 * legitimate arrivals as episode i of another (common random numbers).
 */
#ifndef KARMA_JOBS_MATCHES_H
#define KARMA_JOBS_MATCHES_H

#include "core/eval/episode.h"
#include "mpi/jobs/attack_world.h"

/* Of an episode: its metrics, and slow-loris connections, additional CPU and requests of the attack
 * / requests, CPU and requests of the legitimate clients. */
enum { MATCH_CONNECTIONS = METRIC_COUNT, MATCH_WORK, MATCH_REQUESTS, MATCH_VALUES };

/* Who plays whom, and in which scenario of the configuration. */
struct match {
    struct controller *controller;
    struct raider *raider; /* NULL: nobody attacks but the scenario */
    int scenario;
};

struct matches {
    const struct attack_world *world;
    const struct match *list; /* (n) */
    int n;
    uint64_t seed; /* of the episodes */
    enum rng_split split;
    int first, episodes; /* numbers first .. first + episodes - 1 */
    const char *what;    /* for the progress line */
    double *values;      /* rank 0: (n, episodes, MATCH_VALUES) */
};

/* Collective. Fills in m->values; the same for any number of ranks. ERR_STOPPED after SIGUSR1. */
enum err matches_play(struct matches *m, struct comm *comm, struct arena *scratch) WARN_UNUSED;

/* Rank 0: the numbers of an episode, index `episode` from 0. */
static inline const double *match_values(const struct matches *m, int match, int episode)
{
    return m->values + ((size_t)match * (size_t)m->episodes + (size_t)episode) * MATCH_VALUES;
}

#endif
