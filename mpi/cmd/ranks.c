/* Starting and ending the library, and what all ranks do alike. See ranks.h. */
#include "mpi/cmd/ranks.h"

#include "core/base/log.h"
#include "mpi/comm/selfcheck.h"

/* From log_init() on the log knows the rank. comm_finalize() comes after every error too, because
 * all ranks must leave together. */
enum err ranks_run(const struct call *c, enum err (*run)(struct comm *comm, const struct call *c))
{
    struct comm comm;
    TRY(comm_init(&comm, c->argc, c->argv));
    log_init(comm.rank);
    const enum err e = run(&comm, c);
    comm_finalize(&comm);
    return e;
}

void ranks_mute(const struct comm *comm, bool on)
{
    if (comm->rank != 0) {
        log_set_sink(on ? log_discard : NULL, NULL);
    }
}

static enum err load(struct experiment *x, const struct comm *comm, const struct input *in,
                     enum err (*check)(struct experiment *x, const struct comm *comm))
{
    TRY(input_load(x, in));
    const enum err e = check != NULL ? check(x, comm) : ERR_OK;
    if (e != ERR_OK) {
        experiment_release(x);
    }
    return e;
}

/* All ranks read the same files, so normally all succeed or all fail with the same message, of
 * which rank 0's is enough. Where only another rank fails, for example because a file is missing on
 * its host, the agreement makes all leave, and a rank that had loaded releases what it holds. */
enum err ranks_load(struct experiment *x, struct comm *comm, const struct input *in,
                    enum err (*check)(struct experiment *x, const struct comm *comm))
{
    ranks_mute(comm, true);
    const enum err loaded = load(x, comm, in, check);
    ranks_mute(comm, false);
    enum err e = comm_agree(comm, loaded);
    if (e == ERR_OK) {
        e = selfcheck(comm, (enum gemm_kind)x->cfg.team.gemm);
    }
    if (e != ERR_OK && loaded == ERR_OK) {
        experiment_release(x);
    }
    return e;
}
