/* Fitting a twin to stores of traces, over all ranks: one job for each network. A queueing twin,
 * and the queues of a residual twin, are fitted by rank 0 alone, within seconds.
 *
 * The twin is a pure function of the stores and the settings, so its digest does not depend on the
 * number of ranks. A refit starts from a twin that is there, with the transitions it remembers and
 * the new ones (paper, phase 4: updates come in batches of new transitions). Each network keeps the
 * weights it had unless a pass was better on validation episodes, old and new, so their error does
 * not rise.
 */
#ifndef KARMA_JOBS_FIT_H
#define KARMA_JOBS_FIT_H

#include "core/twin/model.h"
#include "mpi/comm/comm.h"

enum { REFIT_TRANSITIONS = 512 }; /* new ones that a refit waits for */

struct fit_order {
    const char *const *stores; /* (n_stores) */
    int n_stores;
    const char *out;  /* the twin: out and out.traces */
    const char *from; /* a twin to refit; NULL: from scratch */
    const struct fit_cfg *cfg;
    const char *yaml;   /* of cfg, kept in the twin */
    bool in_locked_dir; /* the caller has locked the directory that `out` is in */
    enum twin_kind kind;
    const struct plant_cfg *plant; /* of queues: what is known of the monitoring */
    const struct fluid_cfg *fluid;
};

/* What came of it; rank 0's. */
struct fit_outcome {
    struct twin_model model; /* in the arena of fit_run() */
    int n_new;               /* transitions that the old twin did not know */
    double before, after;    /* refit: mean validation error of the old networks and of the new */
    bool waiting;            /* refit: too few new transitions; nothing was done */
    struct queueing_errors errors; /* of queues, on the validation episodes */
};

/* Collective. ERR_STOPPED after SIGUSR1. An old twin at `out` is not touched before the new one is
 * written. */
enum err fit_run(struct comm *comm, struct fit_outcome *outcome, struct arena *arena,
                 const struct fit_order *order) WARN_UNUSED;

#endif
