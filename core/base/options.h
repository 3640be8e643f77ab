/* Command line: one table is read by the parser and printed as the help, so the help cannot lie.
 *
 *     struct train_options {
 *         const char *out;
 *         int threads;
 *         bool resume;
 *         const char **sets;
 *         int n_sets;
 *         int dump_update;
 *         const char *dump_file;
 *     };
 *     static const struct option_row rows[] = {
 *         OPTION_STRING(struct train_options, out, "out", 'o', "DIR", "run directory"),
 *         OPTION_INT(struct train_options, threads, "threads", 0, "N", 1, 64, "threads per rank"),
 *         OPTION_FLAG(struct train_options, resume, "resume", 0, "go on from the last checkpoint"),
 *         OPTION_LIST(struct train_options, sets, n_sets, "set", 's', "KEY=VALUE", "override it"),
 *         OPTION_NUMBERED(struct train_options, dump_update, dump_file, "dump-update", 0, "N FILE",
 *                         1, 1000, "write update N into FILE"),
 *         OPTION_END,
 *     };
 *     static const struct operand_row operands[] = {
 *         {"CONFIG", "configuration file", 1, 1},
 *         OPERAND_END,
 *     };
 *     static const struct command_line line = {"karma train", "Train a policy.", rows, operands,
 *                                              sizeof(struct train_options)};
 *
 * Accepted: --name VALUE, --name=VALUE, -o VALUE, -oVALUE, flags together (-vq), options after
 * operands, `--` (what follows are operands), `-` as an operand, -h and --help. Names are not
 * abbreviated. Of an option given twice the last counts, but a list keeps all. The second value of
 * a numbered option is always the argument after the first.
 */
#ifndef KARMA_BASE_OPTIONS_H
#define KARMA_BASE_OPTIONS_H

#include "core/base/config.h"
#include "core/base/err.h"
#include "core/base/mem.h"

#include <stdbool.h>
#include <stddef.h>

enum option_type {
    OPTION_TYPE_FLAG,     /* bool: true when given */
    OPTION_TYPE_STRING,   /* const char *: borrowed from argv */
    OPTION_TYPE_INT,      /* int */
    OPTION_TYPE_LIST,     /* const char ** in the arena, borrowed from argv, and an int count */
    OPTION_TYPE_NUMBERED, /* two values, one after the other: an int and a const char * */
};

/* Written with the macros below. */
struct option_row {
    const char *name; /* without "--" */
    char letter;      /* 0 = none */
    enum option_type type;
    size_t offset, second_offset; /* the second: a list's count, a numbered option's string */
    const char *arg;              /* what the help calls the value: "FILE"; "" for a flag */
    int min, max;                 /* of an int */
    const char *doc;              /* one sentence fragment */
    const struct cfg_kind *const *kinds; /* of the last row: see OPTION_END_KINDS */
};

#define OPTION_IS_(S, member, type) _Generic(((S *)0)->member, type : 0U)

#define OPTION_ROW_(S, member, T, ctype, name_, letter_, arg_, min_, max_, doc_)                   \
    {                                                                                              \
        .name = (name_), .letter = (letter_), .type = (T),                                         \
        .offset = offsetof(S, member) + OPTION_IS_(S, member, ctype), .arg = (arg_),               \
        .min = (min_), .max = (max_), .doc = (doc_)                                                \
    }
#define OPTION_FLAG(S, member, name, letter, doc)                                                  \
    OPTION_ROW_(S, member, OPTION_TYPE_FLAG, bool, name, letter, "", 0, 0, doc)
#define OPTION_STRING(S, member, name, letter, arg, doc)                                           \
    OPTION_ROW_(S, member, OPTION_TYPE_STRING, const char *, name, letter, arg, 0, 0, doc)
#define OPTION_INT(S, member, name, letter, arg, min, max, doc)                                    \
    OPTION_ROW_(S, member, OPTION_TYPE_INT, int, name, letter, arg, min, max, doc)
#define OPTION_LIST(S, member, n_member, name_, letter_, arg_, doc_)                               \
    {                                                                                              \
        .name = (name_), .letter = (letter_), .type = OPTION_TYPE_LIST,                            \
        .offset = offsetof(S, member) + OPTION_IS_(S, member, const char **),                      \
        .second_offset = offsetof(S, n_member) + OPTION_IS_(S, n_member, int), .arg = (arg_),      \
        .doc = (doc_)                                                                              \
    }
#define OPTION_NUMBERED(S, n_member, member, name_, letter_, arg_, min_, max_, doc_)               \
    {                                                                                              \
        .name = (name_), .letter = (letter_), .type = OPTION_TYPE_NUMBERED,                        \
        .offset = offsetof(S, n_member) + OPTION_IS_(S, n_member, int),                            \
        .second_offset = offsetof(S, member) + OPTION_IS_(S, member, const char *), .arg = (arg_), \
        .min = (min_), .max = (max_), .doc = (doc_)                                                \
    }
#define OPTION_END                                                                                 \
    {                                                                                              \
        .name = NULL                                                                               \
    }
/* The same, and the help lists kinds that the configuration may name (core/base/config.h), under a
 * title. */
#define OPTION_END_KINDS(title, kinds_)                                                            \
    {                                                                                              \
        .name = NULL, .doc = (title), .kinds = (kinds_)                                            \
    }

/* What stands on the command line without a name, in this order. Only the last row may have
 * n_max > n_min. */
struct operand_row {
    const char *name; /* "CONFIG" */
    const char *doc;
    int n_min, n_max;
};
#define OPERAND_END                                                                                \
    {                                                                                              \
        .name = NULL                                                                               \
    }

struct command_line {
    const char *command; /* as the user types it: "karma train" */
    const char *summary; /* a sentence or a paragraph for the help */
    const struct option_row *options;
    const struct operand_row *operands;
    size_t size; /* of the struct the option rows describe */
};

/* What was given besides options. */
struct operands {
    const char **items; /* in the arena, borrowed from argv */
    int n;
    bool help; /* -h or --help was among the options: nothing else was checked or written */
};

/* Parse argv[1..argc) (argv[0] is the command's name). `values` holds the defaults and is
 * overwritten where options are given; it and `operands` are written on success only. Lists that
 * are not given stay as they are. A mistake is logged as a sentence: ERR_USAGE. ERR_MEMORY. */
enum err options_parse(const struct command_line *line, struct arena *arena, void *values,
                       struct operands *operands, int argc, char *const *argv) WARN_UNUSED;

/* Append the help: usage, summary, operands, options. ERR_MEMORY. */
enum err options_help(struct buf *b, const struct command_line *line) WARN_UNUSED;

/* Commands: a table that ends with a row whose name is NULL. A row has either `run`, which gets
 * argv with its own name as argv[0], or `verbs`, a table of commands of its own:
 *
 *     static const struct command trace_verbs[] = {
 *         {.name = "info", .summary = "what a store holds", .run = trace_info},
 *         {NULL},
 *     };
 *     static const struct command commands[] = {
 *         {.name = "train", .summary = "train a team", .run = command_train},
 *         {.name = "trace", .summary = "stores of transitions", .verbs = trace_verbs,
 *          .about = "Stores of transitions, which a twin is learned from."},
 *         {NULL},
 *     };
 */
struct command {
    const char *name;
    const char *summary; /* one line, no full stop */
    enum err (*run)(int argc, char **argv);
    const struct command *verbs;
    const char *about; /* a paragraph above the list of the verbs; NULL: the summary */
    bool stops;        /* a request to stop ends it in order, with what it has */
};

/* The row of that name; NULL: logged, with the nearest name. `program` is "karma". */
const struct command *command_find(const struct command *table, const char *program,
                                   const char *name);

/* The row that argv[1..] runs, without a word if there is none (NULL). */
const struct command *command_named(const struct command *root, int argc, char *const *argv);

/* What the words after the program's name ask for. */
struct command_choice {
    const struct command *run;   /* the row to run; NULL: the overview of `table` is wanted */
    const struct command *table; /* the innermost table that was reached */
    const char *about;           /* of that table */
    char program[64];            /* the words before that table: "karma trace" */
    int n_words;                 /* run: argv[n_words - 1] is the row's own name */
    bool help;                   /* the overview was asked for; false: a command is missing */
};

/* Walks from `root`, whose name is the program and whose verbs are its commands, along argv[1..]
 * until a row can be run. ERR_USAGE: there is no such command; logged with the nearest name. */
enum err command_choose(struct command_choice *out, const struct command *root, int argc,
                        char *const *argv) WARN_UNUSED;

/* Append the overview: every command with its summary. ERR_MEMORY. */
enum err command_help(struct buf *b, const struct command *table, const char *program,
                      const char *about) WARN_UNUSED;

#endif
