/* karma: looks the command up in nested tables and runs it.
 *
 * main() prepares the process, in an order that matters: first the check of the CPU, which must run
 * before any instruction that the CPU may lack, then the handler of SIGUSR1, standard output and
 * the log. The rank is not known yet (-1); a command with ranks sets it. */
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/base/rundir.h"
#include "mpi/cmd/commands.h"
#include "mpi/cmd/cpu_check.h"
#include "mpi/comm/stop.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static const struct command commands[] = {
    {.name = "train",
     .summary = "train a team in the configured environment",
     .run = command_train,
     .stops = true},
    {.name = "eval",
     .summary = "compare controllers on held-out episodes: table and figures",
     .run = command_eval,
     .stops = true},
    {.name = "tune",
     .summary = "search the settings of a controller or a training: best values, log, figure",
     .run = command_tune,
     .stops = true},
    {.name = "ablate",
     .summary = "train and evaluate variants x scenarios x seeds: only what is missing",
     .run = command_ablate,
     .stops = true},
    {.name = "exploit",
     .summary = "train attackers against controllers: what they cost each",
     .run = command_exploit,
     .stops = true},
    {.name = "league",
     .summary = "grow defenders and attackers by best responses until none gains",
     .run = command_league,
     .stops = true},
    {.name = "analyse",
     .summary = "find roles, goals and relations in what teams did: tables, figures, organisation",
     .run = command_analyse,
     .stops = true},
    {.name = "simulate",
     .summary = "run one controller for one episode: every decision and a timeline",
     .run = command_simulate},
    {.name = "serve",
     .summary = "a policy beside a cluster: check, shadow, limited, full",
     .run = command_serve,
     .stops = true},
    {.name = "replay",
     .summary = "recorded metrics through a controller: does it do what was recorded?",
     .run = command_replay},
    {.name = "audit",
     .summary = "is an audit log of serve as it was written: verify",
     .verbs = audit_verbs,
     .about = "Audit logs, which karma serve writes."},
    {.name = "figure",
     .summary = "draw the figures that eval and simulate have prepared",
     .run = command_figure},
    {.name = "report",
     .summary = "make pages, tables and figures of finished results",
     .run = command_report},
    {.name = "doctor",
     .summary = "find out what keeps this machine from running well: MPI, cores, memory, storage",
     .run = command_doctor},
    {.name = "config", .summary = "check, show or document configurations", .verbs = config_verbs},
    {.name = "org", .summary = "check, show or draw an organisation", .verbs = org_verbs},
    {.name = "topology",
     .summary = "generate a chain, diamond, tree or mesh of services",
     .run = command_topology},
    {.name = "trace",
     .summary = "stores of transitions: collect, info, check, import, export, merge",
     .verbs = trace_verbs,
     .about = "Stores of transitions, which a twin is learned from. A store comes from the "
              "simulator (collect) or from recorded tables (check, then import)."},
    {.name = "twin",
     .summary = "digital twins: fit, report, agree, answers",
     .verbs = twin_verbs,
     .about = "Digital twins: recorded transitions, else an ensemble of networks. Policies train "
              "in a twin where a configuration says twin.file."},
    {.name = "bench",
     .summary = "predict how trainings scale: scale",
     .verbs = bench_verbs,
     .about = "Measures a few updates on this machine and predicts trainings on others."},
    {.name = NULL},
};
static const struct command karma = {
    .name = "karma",
    .verbs = commands,
    .about = "Trains and evaluates teams of agents that keep a Kubernetes service cluster alive "
             "under bottlenecks, DDoS, pod crashes and resource contention (KARMA, arXiv "
             "2505.21559). `karma --version` names the revision and the build.",
};

/* The list of commands or verbs with their summaries. */
static enum err print_overview(FILE *to, const struct command_choice *c)
{
    struct buf b;
    buf_init(&b);
    const enum err e = command_help(&b, c->table, c->program, c->about);
    fwrite(b.data, 1, b.len, to);
    buf_release(&b);
    return e;
}

/* A row's command, or the overview of the table that was reached: on standard error, as a mistake,
 * if nobody asked for it. The command gets argv from its own name on: n_words counts the words up
 * to it, "karma" included. */
static enum err run(int argc, char **argv)
{
    struct command_choice c;
    if (argc == 2 && strcmp(argv[1], "--version") == 0) {
        printf("karma %s, %s\n", rundir_revision(), rundir_build_info());
        return ERR_OK;
    }
    TRY(command_choose(&c, &karma, argc, argv));
    if (c.run != NULL) {
        return c.run->run(argc - (c.n_words - 1), argv + (c.n_words - 1));
    }
    TRY(print_overview(c.help ? stdout : stderr, &c));
    return c.help ? ERR_OK : ERR_USAGE;
}

/* The exit status. Results that did not reach standard output are no results. */
static int finish(enum err e)
{
    const bool failed_before = ferror(stdout) != 0;
    if (fflush(stdout) != 0 || failed_before) {
        log_error("cannot write to standard output: %s", strerror(errno));
        e = e == ERR_OK ? ERR_IO : e;
    }
    return err_exit_code(e);
}

enum { RESULTS_BYTES = 1 << 16 };

/* Results leave in whole lines, a table in one write as long as it has room: otherwise a line of
 * the log could come to stand within a row when both streams go to one file. */
static void keep_lines_whole(void)
{
    char *buffer = mem_alloc(RESULTS_BYTES); /* of stdout until the process ends */
    if (buffer != NULL && setvbuf(stdout, buffer, _IOLBF, RESULTS_BYTES) != 0) {
        mem_free(buffer);
    }
}

int main(int argc, char **argv)
{
    cpu_check(); /* before all code that was compiled with the build's own flags */
    const struct command *c = command_named(&karma, argc, argv);
    if (c != NULL && c->stops) {
        stop_listen(); /* early: a launcher may send the signal while the ranks start */
    }
    signal(SIGXFSZ, SIG_IGN); /* a limit on the size of files is an error of the write */
    keep_lines_whole();
    log_init(-1);
    return finish(run(argc, argv));
}
