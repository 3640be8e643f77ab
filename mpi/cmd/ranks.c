/* Starting and ending the library, and what all ranks do alike. See ranks.h. */
#include "mpi/cmd/ranks.h"

#include "core/base/log.h"
#include "mpi/comm/selfcheck.h"

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
