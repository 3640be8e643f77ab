/* How the episodes of a new store are divided: options of `trace import` and `trace collect`. */
#ifndef KARMA_CMD_TRACE_SPLIT_H
#define KARMA_CMD_TRACE_SPLIT_H

#include "mpi/cmd/commands.h"

/* Members `int split_seed, validation, held_out;` of S. */
#define SPLIT_OPTIONS(S)                                                                           \
    OPTION_INT(S, split_seed, "split-seed", 0, "S", 0, 1000000000,                                 \
               "another seed, another split (default: 1)"),                                        \
        OPTION_INT(S, validation, "validation", 0, "PERCENT", 0, 99,                               \
                   "of the episodes, for choosing models (default: 15)"),                          \
        OPTION_INT(S, held_out, "held-out", 0, "PERCENT", 0, 99,                                   \
                   "of the episodes, for the final figures (default: 15)")

/* ERR_USAGE if the two shares leave nothing to learn from. */
static inline enum err trace_check_split(const struct call *c, int validation, int held_out)
{
    if (validation + held_out > 99) {
        return command_misused(c,
                               "--validation %d and --held-out %d leave nothing to learn from; "
                               "their sum is at most 99",
                               validation, held_out);
    }
    return ERR_OK;
}

#endif
