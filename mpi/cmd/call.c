/* One call of a command: options and operands from argv, then the command or its help.
 *
 * A command has tables of its options and operands (core/base/options.h), an options struct that
 * holds the defaults, and a function. command_call() puts argv into the struct and calls the
 * function, so a command never reads argv itself. */
#include "core/base/file.h"
#include "core/base/log.h"
#include "mpi/cmd/commands.h"

#include <stdarg.h>
#include <stdio.h>

static enum err print_help(const struct command_line *line)
{
    struct buf b;
    buf_init(&b);
    const enum err e = options_help(&b, line);
    fwrite(b.data, 1, b.len, stdout);
    buf_release(&b);
    return e;
}

/* The arena lives as long as the call: lists of options, and whatever the command allocates in it,
 * need no release of their own. */
enum err command_call(const struct command_line *line, void *options,
                      enum err (*run)(const struct call *c), int argc, char **argv)
{
    struct arena arena;
    struct operands given;
    arena_init(&arena);
    enum err e = options_parse(line, &arena, options, &given, argc, argv);
    if (e == ERR_OK && given.help) {
        e = print_help(line);
    } else if (e == ERR_OK) {
        const struct call c = {.line = line,
                               .options = options,
                               .operands = given.items,
                               .n_operands = given.n,
                               .arena = &arena,
                               .argc = &argc,
                               .argv = &argv};
        e = run(&c);
    }
    arena_release(&arena);
    return e;
}

enum err command_misused(const struct call *c, const char *fmt, ...)
{
    char sentence[1024];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(sentence, sizeof sentence, fmt, ap);
    va_end(ap);
    log_error("%s: %s ('%s --help' explains the command)", c->line->command, sentence,
              c->line->command);
    return ERR_USAGE;
}

/* Compared as files and not as names, since ./a and a are one file. A pipe or a
 * terminal loses nothing. */
enum err command_spares_operands(const struct call *c, const char *out)
{
    for (int i = 0; i < c->n_operands; i++) {
        if (file_same(out, c->operands[i]) && !file_is_special(out)) {
            return command_misused(c,
                                   "--out %s is also what is read, and would be lost; give "
                                   "another name",
                                   out);
        }
    }
    return ERR_OK;
}
