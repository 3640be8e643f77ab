/* Looks at the run directory, then trains. See training.h. */
#include "mpi/jobs/training.h"

#include "core/base/log.h"
#include "mpi/comm/locking.h"
#include "mpi/jobs/attacked.h"
#include "mpi/jobs/resume.h"
#include "mpi/jobs/stages.h"
#include "mpi/train/train.h"

/* A run that is done has nothing left to dump. The same on all ranks. */
static enum err check_dump(const struct comm *comm, const struct train_options *o, enum resume what)
{
    if (what != RESUME_DONE || o->dump_update == 0) {
        return ERR_OK;
    }
    if (comm->rank == 0) {
        log_error("--dump-update %d: the training is done; add --restart", o->dump_update);
    }
    return ERR_USAGE;
}

static enum err look(enum resume *what, uint64_t *digest, struct comm *comm, struct experiment *x,
                     const struct training_order *order)
{
    if (order->train.dry_run) {
        return ERR_OK;
    }
    if (order->lock != NULL) {
        TRY(locking_dir(order->lock, comm, x->cfg.run.dir, "karma train", "--set run.dir=DIR"));
    }
    TRY(resume_decide(what, digest, comm, x, order->restart));
    return check_dump(comm, &order->train, *what);
}

/* A dry run takes no lock and looks at no earlier run, because it writes nothing. The digest of a
 * run that is done comes from its policy. */
enum err training_run(struct comm *comm, struct training_outcome *out, struct experiment *x,
                      const struct training_order *order)
{
    struct attacked sources;
    struct stages stages;
    struct train_setup setup = {
        .run_dir = x->cfg.run.dir,
        .config = (const char *)x->resolved.data,
        .lock = order->lock,
    };
    struct train_options opt = order->train;
    enum resume what = RESUME_FRESH;
    *out = (struct training_outcome){.digest = 0};
    enum err e = attacked_setup(&setup, &sources, x);
    e = e == ERR_OK ? experiment_training_digest(&setup.config_digest, &x->cfg) : e;
    e = e == ERR_OK ? stages_init(&stages, &setup, &sources, x) : e;
    TRY(comm_agree(comm, e));
    TRY(look(&what, &out->digest, comm, x, order));
    opt.resume = what == RESUME_CONTINUE;
    out->was_done = what == RESUME_DONE;
    return out->was_done ? ERR_OK : train_run(comm, &out->digest, &setup, &opt);
}
