/* The configuration of a command: loaded, and refused if the user typed a --set that the command
 * does not use.
 *
 * A file is shared by several commands, so it may hold keys that one of them does not read. A --set
 * is typed for one command; if that command does not read the key, the user expects an effect that
 * will not come. Which sections a command reads stands in one table in input.c.
 * tests/cmd/test_options.sh tries each command with each section.
 */
#ifndef KARMA_CMD_INPUT_H
#define KARMA_CMD_INPUT_H

#include "core/base/config.h"
#include "mpi/jobs/experiment.h"

/* What was typed. */
struct input {
    const char *command; /* "karma eval": a row of the table */
    const char *path;    /* of the configuration; NULL: the defaults */
    const char *const *sets;
    int n_sets;
};

/* From a call (struct call) and its options, which have `sets` and `n_sets`. */
#define INPUT_OF(call, o)                                                                          \
    {                                                                                              \
        .command = (call)->line->command, .path = (call)->operands[0], .sets = (o)->sets,          \
        .n_sets = (o)->n_sets                                                                      \
    }

/* Local. Loads and builds the experiment; for a command that plays where eval.plant says, with the
 * twin if it plays there or a controller plans in it. On failure nothing is held. */
enum err input_load(struct experiment *x, const struct input *in) WARN_UNUSED;

/* Local. The configuration alone, nothing built from it; strings and lists are in the arena. */
enum err input_load_config(struct experiment_cfg *cfg, struct arena *arena,
                           const struct input *in) WARN_UNUSED;

#endif
