/* The relations of a team: effects of replaced choices as a job list, tests as another one, then
 * tables and graphs (core/analysis/relations.h), pooled and for each third of the episodes.
 *
 *   DIR/TEAM/effects.bin                    effects that were computed (mpi/jobs/number_jobs.h)
 *   DIR/TEAM/tests.bin                      tests that were computed
 *   DIR/TEAM/relations.csv, .txt, .md       every pair, in every window
 *   DIR/TEAM/conflicts.csv                  who prevails
 *   DIR/TEAM/relations.dot, relations.svg   what was found, pooled
 */
#ifndef KARMA_JOBS_ANALYSIS_RELATIONS_H
#define KARMA_JOBS_ANALYSIS_RELATIONS_H

#include "core/analysis/relations.h"
#include "core/analysis/trajectories.h"
#include "core/base/lock.h"
#include "mpi/comm/comm.h"
#include "mpi/jobs/experiment.h"

/* One team. By reference. */
struct relation_order {
    const struct trajectory_set *set;
    const char *dir;            /* DIR/TEAM */
    const struct experiment *x; /* the evaluation; NULL: no replays, authority is not known */
    int replaced; /* decisions of each episode at which each agent's choice is replaced */
    struct relations_cfg cfg;
    bool restart;
    struct lock *lock; /* of DIR; rank 0's */
};

/* Collective. Rank 0 writes the files and prints the table of what was found. ERR_STOPPED after
 * SIGUSR1; whatever replay_open() refuses. */
enum err analysis_relations_run(struct arena *arena, struct comm *comm,
                                const struct relation_order *order) WARN_UNUSED;

/* Bytes that a rank takes for relations of sets of these sizes, beside replays, if all episodes are
 * of the same length. replaced 0: no replays. */
size_t analysis_relations_bytes(const struct trajectory_sizes *z, int replaced);

#endif
