/* Phases: where the time of a rank goes.
 *
 *   simulate   the plant, observations and masks, rewards
 *   infer      networks that choose actions and value states
 *   send       rollout blocks: encoding, sending, receiving, decoding
 *   wait       for other ranks, in any phase but broadcast
 *   update     learning from blocks, and the sums over tiles
 *   broadcast  weights to all ranks, with the wait for them
 *   other      what is left: evaluations, checkpoints, files
 *
 * Each rank is in one phase at a time; the trainer says when the next one begins. At the end the
 * times of all ranks are gathered, shown in the log and written to RUN/ranks.csv. No result depends
 * on them.
 */
#ifndef KARMA_TRAIN_PHASES_H
#define KARMA_TRAIN_PHASES_H

#include "core/base/rundir.h"
#include "mpi/comm/comm.h"

enum phase {
    PHASE_SIMULATE,
    PHASE_INFER,
    PHASE_SEND,
    PHASE_WAIT,
    PHASE_UPDATE,
    PHASE_BROADCAST,
    PHASE_OTHER,
    N_PHASES
};

struct phase_time {
    double s, cpu_s; /* wall-clock and CPU time */
};

/* Of one rank. */
struct phases {
    struct comm *comm;
    enum phase now;
    struct phase_time spent[N_PHASES]; /* SIMULATE includes INFER until phases_times() */
    double infer_s;                    /* filled in by rollouts (struct rollout_cfg) */
    double since_s, since_cpu_s;       /* when `now` began, */
    double waited_s, waited_cpu_s;     /* and the waits of `comm` at that moment */
};

/* What a rank reports. */
struct phase_row {
    struct phase_time spent[N_PHASES];
    uint64_t bytes, messages; /* sent, as comm counts them */
    uint64_t memory;          /* most bytes of the process that were in memory; 0: not known */
};

/* Local. The clock starts, in PHASE_OTHER. */
void phases_begin(struct phases *p, struct comm *comm);

/* Local. `next` begins. Returns the phase that it ends, to be entered again. */
enum phase phases_enter(struct phases *p, enum phase next);

/* Local. The times until now. The CPU time of a rollout is divided between simulate and infer in
 * the ratio of their wall-clock times, because reading the CPU clock at each decision would cost
 * as much as a decision in the twin. */
void phases_times(struct phases *p, struct phase_row *out);

/* Collective. Rank 0 writes RUN/ranks.csv and, if `show`, logs a table: a row for each rank, or, if
 * there are more than PHASES_RANKS_SHOWN, quantiles over the ranks. dir is read on rank 0 only. */
enum { PHASES_RANKS_SHOWN = 16 };
enum err phases_report(struct phases *p, struct arena *arena, const struct rundir *dir,
                       bool show) WARN_UNUSED;

/* Local. The parts of phases_report(): the file and the lines of the log, from rows (n). */
enum err phases_write(const struct phase_row *rows, int n, struct arena *arena,
                      const char *path) WARN_UNUSED;
enum err phases_show(const struct phase_row *rows, int n, struct arena *arena) WARN_UNUSED;

#endif
