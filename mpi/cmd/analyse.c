/* karma analyse: roles, goals and relations found in recorded trajectories. The work is in
 * mpi/jobs/analysis.h; here is its place: directory, options. */
#include "mpi/jobs/analysis.h"

#include "core/base/file.h"
#include "mpi/cmd/commands.h"
#include "mpi/cmd/ranks.h"
#include "mpi/comm/locking.h"

#include <string.h>

struct options {
    const char *out, *controller;
    bool restart, dry_run;
};

static const struct option_row rows[] = {
    OPTION_STRING(struct options, out, "out", 'o', "DIR",
                  "where tables, figures and the organisation go (default: RUN/analysis of the "
                  "first RUN)"),
    OPTION_STRING(struct options, controller, "controller", 0, "NAME",
                  "only the team of this name in eval.controllers (default: every team)"),
    OPTION_FLAG(struct options, restart, "restart", 'r',
                "compute all anew, even what an interrupted analysis left"),
    OPTION_FLAG(struct options, dry_run, "dry-run", 'n',
                "read the trajectories and say what would be computed and the memory it takes"),
    OPTION_END,
};
static const struct operand_row operand_rows[] = {
    {"RUN",
     "directory of an evaluation with eval.trajectories: all; several: the same team with other "
     "training seeds or episodes",
     1, 100000},
    OPERAND_END,
};
static const struct command_line line = {
    "karma analyse",
    "Finds out what a team learned from what it did: reads RUN/trajectories.bin and writes tables, "
    "figures (drawn by `karma figure DIR`) and an inferred organisation to DIR. Start it with "
    "mpi/launch -n RANKS (or mpirun, srun); the results do not depend on RANKS. An interrupted "
    "analysis goes on where it was. docs/analysis.md explains the method.",
    rows, operand_rows, sizeof(struct options)};

/* RUN/analysis; beside the file if RUN is one. */
static const char *default_dir(struct arena *arena, const char *run)
{
    if (file_is_dir(run)) {
        return file_join(arena, run, "analysis");
    }
    const char *slash = strrchr(run, '/');
    return slash == NULL ? "analysis"
                         : arena_printf(arena, "%.*s/analysis", (int)(slash - run), run);
}

static enum err analyse_on(struct comm *comm, const struct call *c)
{
    const struct options *o = c->options;
    struct lock lock = {.fd = -1};
    const struct analysis_order order = {
        .runs = c->operands,
        .n_runs = c->n_operands,
        .dir = o->out != NULL ? o->out : default_dir(c->arena, c->operands[0]),
        .controller = o->controller,
        .restart = o->restart,
        .dry_run = o->dry_run,
    };
    TRY(arena_error(c->arena));
    const enum err e = analysis_run(comm, &lock, &order);
    locking_end(&lock);
    return e;
}

static enum err run(const struct call *c)
{
    const struct options *o = c->options;
    if (o->dry_run && o->restart) {
        return command_misused(c, "--dry-run writes nothing; leave out --restart");
    }
    return ranks_run(c, analyse_on);
}

enum err command_analyse(int argc, char **argv)
{
    struct options o = {0};
    return command_call(&line, &o, run, argc, argv);
}
