/* karma train: an experiment file in, a run directory and the digest of the weights out.
 *
 * The order: configuration (every rank), lock, what the run directory holds (mpi/jobs/resume.h),
 * training. Of a training only the line with the digest goes to standard output, so a script reads
 * it from there. */
#include "mpi/train/train.h"
#include "core/base/rundir.h"
#include "mpi/cmd/commands.h"
#include "mpi/cmd/ranks.h"
#include "mpi/comm/locking.h"
#include "mpi/jobs/experiment.h"
#include "mpi/jobs/training.h"

#include <inttypes.h>
#include <stdio.h>

struct options {
    const char **sets;
    int n_sets;
    int dump_update;
    const char *dump_file;
    bool restart, dry_run;
};

static const struct option_row rows[] = {
    EXPERIMENT_SET_OPTION(struct options),
    OPTION_NUMBERED(struct options, dump_update, dump_file, "dump-update", 0, "N FILE", 1,
                    1000000000,
                    "write update N into FILE, all that an outside check of it needs "
                    "(docs/training.md); needs one learner"),
    OPTION_FLAG(struct options, restart, "restart", 'r',
                "train anew even if the run directory holds a run of this configuration"),
    OPTION_FLAG(
        struct options, dry_run, "dry-run", 'n',
        "check everything, play two rollouts of a few environments, print how much memory the "
        "training will take; train nothing"),
    OPTION_END,
};
static const struct operand_row operand_rows[] = {
    {"CONFIG", "configuration file, e.g. configs/experiments/warm_start.yaml", 1, 1},
    OPERAND_END,
};
static const struct command_line line = {
    "karma train",
    "Trains a team in the configured environment. Start it with mpi/launch -n RANKS (or mpirun, "
    "srun); "
    "the weights do not depend on RANKS. The last line on standard output is `digest HEX`. An "
    "interrupted run goes on from its last checkpoint, on any number of ranks. SIGUSR1 writes a "
    "checkpoint and stops the run.",
    rows, operand_rows, sizeof(struct options)};

/* A dry run takes no lock and looks at no earlier run, because it writes nothing. */
static enum err train_experiment(struct comm *comm, struct experiment *x, struct lock *lock,
                                 const struct options *o)
{
    struct training_outcome outcome;
    const struct training_order order = {
        .lock = lock,
        .restart = o->restart,
        .train = {.dump_update = o->dump_update, .dump_file = o->dump_file, .dry_run = o->dry_run}};
    TRY(training_run(comm, &outcome, x, &order));
    if (comm->rank == 0 && !o->dry_run) {
        printf("digest %016" PRIx64 "\n", outcome.digest);
    }
    return ERR_OK;
}

/* What can be refused before anything is written; every rank comes to the same answer. */
static enum err check(struct experiment *x, const struct comm *comm)
{
    TRY(rundir_check_name(x->cfg.run.dir));
    TRY(train_check(&x->cfg.train, comm->size));
    return experiment_load_twin(x);
}

/* The lock is held from before the first look at the run directory until all files of the
 * run are closed. */
static enum err train_on(struct comm *comm, const struct call *c)
{
    const struct options *o = c->options;
    const struct input in = INPUT_OF(c, o);
    struct experiment x;
    struct lock lock = {.fd = -1};
    TRY(ranks_load(&x, comm, &in, check));
    const enum err e = train_experiment(comm, &x, &lock, o);
    locking_end(&lock);
    experiment_release(&x);
    return e;
}

static enum err run(const struct call *c)
{
    const struct options *o = c->options;
    if (o->dry_run && (o->restart || o->dump_update != 0)) {
        return command_misused(c, "--dry-run trains nothing; leave out --%s",
                               o->restart ? "restart" : "dump-update");
    }
    return ranks_run(c, train_on);
}

enum err command_train(int argc, char **argv)
{
    struct options o = {0};
    return command_call(&line, &o, run, argc, argv);
}
