/* karma tune: which settings are better? Random search or successive halving over any keys. The
 * work is in mpi/jobs/tune.h. */
#include "mpi/jobs/tune.h"
#include "mpi/cmd/commands.h"
#include "mpi/cmd/ranks.h"
#include "mpi/comm/locking.h"

struct options {
    const char **sets;
    int n_sets;
    const char *out;
    bool restart, dry_run, status;
};

static const struct option_row rows[] = {
    EXPERIMENT_SET_OPTION(struct options),
    OPTION_STRING(struct options, out, "out", 'o', "DIR",
                  "where trials.csv, best.yaml, tables and figures go (default: run.dir)"),
    OPTION_FLAG(struct options, restart, "restart", 'r',
                "begin anew even if DIR holds a tuning; it is moved aside"),
    OPTION_FLAG(struct options, dry_run, "dry-run", 'n',
                "check everything and print the trials; play none, write nothing"),
    OPTION_FLAG(struct options, status, "status", 0, "print how far the tuning in DIR is"),
    OPTION_END,
};
static const struct operand_row operand_rows[] = {
    {"SPEC", "configuration with a section tune, e.g. configs/experiments/tune_ff.yaml", 1, 1},
    OPERAND_END,
};
static const struct command_line line = {
    "karma tune",
    "Tries settings of a controller, or of a training, and tells which are best: tune.trials sets "
    "of values for tune.keys, drawn at random, all on the same DEV episodes. Start it with "
    "mpi/launch -n RANKS (or mpirun, srun); the results do not depend on RANKS. Prints the best "
    "trials and writes DIR/trials.csv (one line per trial), DIR/best.yaml (the best values, to be "
    "included), DIR/summary.txt, DIR/summary.md and DIR/figures, which `karma figure DIR` draws. "
    "An interrupted tuning goes on where it was, on any number of ranks. SIGUSR1 stops it after "
    "the current episodes. docs/tuning.md explains the section tune.",
    rows, operand_rows, sizeof(struct options)};

static enum err tune_on(struct comm *comm, const struct call *c)
{
    const struct options *o = c->options;
    const struct input in = INPUT_OF(c, o);
    struct experiment x;
    struct lock lock = {.fd = -1};
    TRY(ranks_load(&x, comm, &in, NULL));
    const struct tune_order order = {
        .x = &x,
        .source = {.path = in.path, .sets = in.sets, .n_sets = in.n_sets},
        .dir = o->out != NULL ? o->out : x.cfg.run.dir,
        .restart = o->restart,
        .dry_run = o->dry_run,
        .status = o->status};
    const enum err e = tune_run(comm, &lock, &order);
    locking_end(&lock);
    experiment_release(&x);
    return e;
}

static enum err run(const struct call *c)
{
    const struct options *o = c->options;
    if (o->dry_run && (o->restart || o->status)) {
        return command_misused(c, "--dry-run plays nothing; leave out --%s",
                               o->restart ? "restart" : "status");
    }
    if (o->status && o->restart) {
        return command_misused(c, "--status only looks; leave out --restart");
    }
    return ranks_run(c, tune_on);
}

enum err command_tune(int argc, char **argv)
{
    struct options o = {0};
    return command_call(&line, &o, run, argc, argv);
}
