/* A model of scale: one training on many ranks, and a farm of independent trainings.
 *
 * One training: balance.h predicts an update for each number of ranks, with the best table. With
 * U updates until convergence
 *
 *     time to convergence  T(P) = U t(P),     parallel efficiency  E(P) = t(1) / (P t(P))
 *
 * P ends at the number of tiles: more ranks would have nothing to learn from.
 *
 * A farm: J trainings, each on p ranks, in R / p places. A place takes the next training as soon as
 * it is free. Two things go wrong, by a stated law:
 *
 *   - stragglers: a training takes exp(s z) times its time, z standard normal: other programs, a
 *     slower processor, a longer way to convergence;
 *   - preemptions: they come to each rank as a Poisson process. A preempted training loses the time
 *     since its last checkpoint and the time to start again, then goes on.
 *
 *     efficiency of the farm = J p T(p) / (R x time until the last training ends)
 *
 * The ends of trainings meet at one rank, which hands out the next one (farm.h) in two messages,
 * one after the other. All draws are Philox (rng.h) at coordinates (training, draw), so they do not
 * depend on the number of places. The processor times are CPU times, so the model describes ranks
 * that have a processor each.
 */
#ifndef KARMA_JOBS_SCALE_H
#define KARMA_JOBS_SCALE_H

#include "mpi/train/balance.h"

struct scale_run {
    int ranks;
    struct balance_table table;
    struct balance_forecast update; /* with that table */
    double converged_s, efficiency;
};

/* Local. Rows for 1, 2, 4, ... ranks and the number of tiles; *n of them, at most SCALE_ROWS_MAX.
 * costs->size is not used. */
enum { SCALE_ROWS_MAX = 40 };
enum err scale_runs(struct scale_run *rows, int *n, const struct balance_costs *costs, int updates,
                    struct arena *scratch) WARN_UNUSED;

struct scale_farm_cfg {
    uint64_t seed;
    double sigma;            /* s of the stragglers */
    double preempt_per_hour; /* of one rank */
    double checkpoint_s;     /* from one checkpoint to the next */
    double restart_s;        /* from a preemption until the training goes on */
    int ranks_each;          /* p */
    double per_place;        /* J / (R / p) */
    int ranks_most;          /* R goes up to this */
};
struct scale_farm {
    int ranks, trainings;
    double seconds, efficiency;
    double preemptions; /* of all trainings */
    double lost_share;  /* time lost to them, of all time in which trainings ran */
    int endless;        /* trainings that lose more to preemptions than they make; see scale.c */
};

/* Local. run_s: T(p), undisturbed. Rows for p, 2 p, 4 p, ... ranks and ranks_most. */
enum err scale_farms(struct scale_farm *rows, int *n, const struct scale_farm_cfg *cfg,
                     double run_s, const struct loggp *net, struct arena *scratch) WARN_UNUSED;

#endif
