/* The commands of `karma`: one file each, one table in main.c; a command with verbs has a table of
 * them in its own file.
 */
#ifndef KARMA_CMD_COMMANDS_H
#define KARMA_CMD_COMMANDS_H

#include "core/base/err.h"
#include "core/base/options.h"

/* Each gets argv with its own name first. */
enum err command_train(int argc, char **argv);
enum err command_eval(int argc, char **argv);
enum err command_exploit(int argc, char **argv);
enum err command_league(int argc, char **argv);
enum err command_analyse(int argc, char **argv);
enum err command_simulate(int argc, char **argv);
enum err command_figure(int argc, char **argv);
enum err command_tune(int argc, char **argv);
enum err command_serve(int argc, char **argv);
enum err command_ablate(int argc, char **argv);
enum err command_report(int argc, char **argv);
enum err command_replay(int argc, char **argv);
enum err command_topology(int argc, char **argv);
enum err command_doctor(int argc, char **argv);
enum err trace_collect(int argc, char **argv); /* a verb in a file of its own */
enum err twin_fit(int argc, char **argv);      /* the same */

extern const struct command audit_verbs[];
extern const struct command bench_verbs[];
extern const struct command config_verbs[];
extern const struct command org_verbs[];
extern const struct command trace_verbs[];
extern const struct command twin_verbs[];

/* One call of a command: what was typed. */
struct call {
    const struct command_line *line;
    const void *options; /* the struct that line->options describes */
    const char *const *operands;
    int n_operands;
    struct arena *arena; /* released after the call */
    int *argc;           /* for comm_init() */
    char ***argv;
};

/* Reads argv into `options`, which holds the defaults, and runs the command; or prints its help. */
enum err command_call(const struct command_line *line, void *options,
                      enum err (*run)(const struct call *c), int argc, char **argv) WARN_UNUSED;

/* For mistakes that the tables cannot find: logs "karma eval: SENTENCE ('karma eval --help'
 * explains the command)" and returns ERR_USAGE. */
enum err command_misused(const struct call *c, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* ERR_USAGE with a sentence if `out`, which is to be written, is one of the operands, which are to
 * be read: they would be lost. */
enum err command_spares_operands(const struct call *c, const char *out) WARN_UNUSED;

#endif
