/* karma exploit and karma league: attackers that learn against controllers, and populations of
 * both sides. The work is mpi/jobs/exploit.h and mpi/jobs/league.h; here is their place: lock,
 * directory, options, which are the same. */
#include "core/base/file.h"
#include "mpi/cmd/commands.h"
#include "mpi/cmd/ranks.h"
#include "mpi/comm/locking.h"
#include "mpi/jobs/exploit.h"
#include "mpi/jobs/league.h"

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
                "train everybody anew, even those that are there"),
    OPTION_END,
};
static const struct operand_row exploit_operands[] = {
    {"CONFIG", "configuration file, e.g. configs/experiments/exploit.yaml", 1, 1},
    OPERAND_END,
};
static const struct operand_row league_operands[] = {
    {"CONFIG", "configuration file, e.g. configs/experiments/league.yaml", 1, 1},
    OPERAND_END,
};
static const struct command_line exploit_line = {
    "karma exploit",
    "Trains attackers against each controller of `eval.controllers` and measures on held-out "
    "episodes of the simulator how much they lower its SLO attainment and its reward, beside the "
    "scripted attacks of the configuration's scenarios (docs/adversary.md). Start it with "
    "mpi/launch -n RANKS (or mpirun, srun); the results do not depend on RANKS. Prints the tables "
    "and writes DIR/exploit.csv, DIR/exploit.txt and DIR/exploit.md. An interrupted call goes on "
    "with the attackers that are there. SIGUSR1 stops it after the current update or episodes.",
    rows, exploit_operands, sizeof(struct options)};
static const struct command_line league_line = {
    "karma league",
    "Plays the game between defenders and attackers as a league (PSRO): from the controllers of "
    "`eval.controllers` and an idle attacker two populations grow by best responses, trained "
    "against the mixture of the other side, until no best response gains on fresh episodes of "
    "the simulator (docs/adversary.md). Start it with mpi/launch -n RANKS (or mpirun, srun); the "
    "results do not depend on RANKS. Prints the tables and writes DIR/payoffs.csv, "
    "DIR/league.txt, DIR/league.md and a figure. An interrupted call goes on with the trainings "
    "that are there. SIGUSR1 stops it after the current update or episodes.",
    rows, league_operands, sizeof(struct options)};

static enum err exploit(struct comm *comm, struct experiment *x, const char *config_path,
                        const char *dir, const struct options *o)
{
    const struct exploit_order order = {
        .config_path = config_path, .dir = dir, .restart = o->restart};
    return exploit_run(comm, x, &order);
}

static enum err league(struct comm *comm, struct experiment *x, const char *config_path,
                       const char *dir, const struct options *o)
{
    const struct league_order order = {.config_path = config_path,
                                       .sets = o->sets,
                                       .n_sets = o->n_sets,
                                       .dir = dir,
                                       .restart = o->restart};
    return league_run(comm, x, &order);
}

/* Collective. The experiment, its directory under a lock, and the work. */
static enum err run_on(struct comm *comm, const struct call *c,
                       enum err (*work)(struct comm *, struct experiment *, const char *,
                                        const char *, const struct options *))
{
    const struct options *o = c->options;
    const struct input in = INPUT_OF(c, o);
    struct experiment x;
    struct lock lock = {.fd = -1};
    TRY(ranks_load(&x, comm, &in, NULL));
    const char *dir = o->out != NULL ? o->out : x.cfg.run.dir;
    enum err e = locking_dir(&lock, comm, dir, c->line->command, "--out DIR");
    if (e == ERR_OK) {
        e = work(comm, &x, in.path, dir, o);
    }
    locking_end(&lock);
    experiment_release(&x);
    return e;
}

static enum err exploit_on(struct comm *comm, const struct call *c)
{
    return run_on(comm, c, exploit);
}

static enum err league_on(struct comm *comm, const struct call *c)
{
    return run_on(comm, c, league);
}

static enum err run_exploit(const struct call *c)
{
    return ranks_run(c, exploit_on);
}

static enum err run_league(const struct call *c)
{
    return ranks_run(c, league_on);
}

enum err command_exploit(int argc, char **argv)
{
    struct options o = {0};
    return command_call(&exploit_line, &o, run_exploit, argc, argv);
}

enum err command_league(int argc, char **argv)
{
    struct options o = {0};
    return command_call(&league_line, &o, run_league, argc, argv);
}
