/* The subcommands of `karma`: one file each, one table in main.c. */
#ifndef KARMA_MPI_CMD_COMMANDS_H
#define KARMA_MPI_CMD_COMMANDS_H

#include "core/base/err.h"
#include "core/base/options.h"

/* Each gets argv with its own name first. */
enum err command_train(int argc, char **argv);
enum err command_eval(int argc, char **argv);
enum err command_simulate(int argc, char **argv);
enum err command_figure(int argc, char **argv);
enum err command_config(int argc, char **argv);
enum err command_topology(int argc, char **argv);
enum err command_org(int argc, char **argv);
enum err command_trace(int argc, char **argv);
enum err command_twin(int argc, char **argv);

/* Parse into values (see options.h); prints the help and sets *done if it was asked for. The
 * operands are in `arena`. */
enum err command_parse(const struct command_line *line, struct arena *arena, void *values,
                       struct operands *operands, bool *done, int argc, char **argv) WARN_UNUSED;

#endif
