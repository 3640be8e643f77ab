/* karma: looks the subcommand up in one table and runs it. */
#include "core/base/log.h"
#include "core/base/mem.h"
#include "mpi/cmd/commands.h"
#include "mpi/cmd/cpu_check.h"
#include "mpi/stop.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static const struct command commands[] = {
    {"train", "train a team in the configured world", command_train},
    {"eval", "compare controllers on held-out episodes: table and figures", command_eval},
    {"simulate", "run one controller for one episode: trace and timeline", command_simulate},
    {"figure", "draw the figures that eval and simulate have prepared", command_figure},
    {"config", "check, show or document configurations", command_config},
    {"org", "check, show or draw an organisation", command_org},
    {"topology", "generate a chain, diamond, tree or mesh of services", command_topology},
    {"trace", "stores of transitions: collect, check, import, export, merge", command_trace},
    {"twin", "digital twins: fit, report", command_twin},
    {NULL, NULL, NULL},
};

static const char summary[] =
    "Trains and evaluates teams of agents that keep a Kubernetes service cluster alive under "
    "bottlenecks, DDoS, pod crashes and resource contention (KARMA, arXiv 2505.21559).";

static enum err print_overview(FILE *to)
{
    struct buf b;
    buf_init(&b);
    const enum err e = command_help(&b, commands, "karma", summary);
    fwrite(b.data, 1, b.len, to);
    buf_release(&b);
    return e;
}

enum err command_parse(const struct command_line *line, struct arena *arena, void *values,
                       struct operands *operands, bool *done, int argc, char **argv)
{
    *done = false;
    TRY(options_parse(line, arena, values, operands, argc, argv));
    if (!operands->help) {
        return ERR_OK;
    }
    struct buf b;
    buf_init(&b);
    const enum err e = options_help(&b, line);
    fwrite(b.data, 1, b.len, stdout);
    buf_release(&b);
    *done = true;
    return e;
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

/* Commands that SIGUSR1 ends in order; NULL: whatever the second word is. */
static bool stops_in_order(int argc, char **argv)
{
    static const char *const commands_that_stop[][2] = {
        {"train", NULL}, {"eval", NULL}, {"trace", "collect"}, {"twin", "fit"}};
    for (size_t i = 0; i < sizeof commands_that_stop / sizeof *commands_that_stop; i++) {
        const char *const *c = commands_that_stop[i];
        if (argc > 1 && strcmp(argv[1], c[0]) == 0 &&
            (c[1] == NULL || (argc > 2 && strcmp(argv[2], c[1]) == 0))) {
            return true;
        }
    }
    return false;
}

int main(int argc, char **argv)
{
    if (stops_in_order(argc, argv)) {
        stop_listen(); /* first: a launcher may send the signal while the ranks start */
    }
    cpu_check();
    signal(SIGXFSZ, SIG_IGN); /* a limit on the size of files is an error of the write */
    keep_lines_whole();
    log_init(-1);
    if (argc < 2) {
        const enum err e = print_overview(stderr);
        return err_exit_code(e == ERR_OK ? ERR_USAGE : e);
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
        strcmp(argv[1], "help") == 0) {
        return finish(print_overview(stdout));
    }
    const struct command *c = command_find(commands, "karma", argv[1]);
    return finish(c == NULL ? ERR_USAGE : c->run(argc - 1, argv + 1));
}
