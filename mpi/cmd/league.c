/* karma league: populations of defenders and attackers that grow by best responses. The work is
 * mpi/jobs/league.h; here is its place: lock, directory, options. */
#include "mpi/jobs/league.h"

#include "mpi/cmd/commands.h"
#include "mpi/cmd/ranks.h"
#include "mpi/comm/locking.h"

struct options {
    const char **sets;
    int n_sets;
    const char *out;
    bool restart;
};

static const struct option_row rows[] = {
    EXPERIMENT_SET_OPTION(struct options),
    OPTION_STRING(struct options, out, "out", 'o', "DIR",
                  "where trainings, rows and tables go (default: run.dir)"),
    OPTION_FLAG(struct options, restart, "restart", 'r',
                "train all members anew, even those that are there"),
    OPTION_END,
};
static const struct operand_row operand_rows[] = {
    {"CONFIG", "configuration file, e.g. configs/experiments/league.yaml", 1, 1},
    OPERAND_END,
};
static const struct command_line line = {
    "karma league",
    "Plays the game between defenders and attackers as a league (PSRO): from the controllers of "
    "`eval.controllers` and an idle attacker two populations grow by best responses, trained "
    "against the mixture of the other side, until no best response gains on fresh episodes of "
    "the simulator (docs/adversary.md). Start it with mpi/launch -n RANKS (or mpirun, srun); the "
    "results do not depend on RANKS. Prints the tables and writes DIR/payoffs.csv, "
    "DIR/league.txt, DIR/league.md and a figure. An interrupted call goes on with the trainings "
    "that are there. SIGUSR1 stops it after the current update or episodes.",
    rows, operand_rows, sizeof(struct options)};

static enum err league_on(struct comm *comm, const struct call *c)
{
    const struct options *o = c->options;
    const struct input in = INPUT_OF(c, o);
    struct experiment x;
    struct lock lock = {.fd = -1};
    TRY(ranks_load(&x, comm, &in, NULL));
    const struct league_order order = {.config_path = in.path,
                                       .sets = o->sets,
                                       .n_sets = o->n_sets,
                                       .dir = o->out != NULL ? o->out : x.cfg.run.dir,
                                       .restart = o->restart};
    enum err e = locking_dir(&lock, comm, order.dir, "karma league", "--out DIR");
    if (e == ERR_OK) {
        e = league_run(comm, &x, &order);
    }
    locking_end(&lock);
    experiment_release(&x);
    return e;
}

static enum err run(const struct call *c)
{
    return ranks_run(c, league_on);
}

enum err command_league(int argc, char **argv)
{
    struct options o = {0};
    return command_call(&line, &o, run, argc, argv);
}
