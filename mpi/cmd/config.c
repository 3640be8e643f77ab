/* karma config: what a configuration says, and what it could say. */
#include "core/base/log.h"
#include "mpi/cmd/commands.h"
#include "mpi/experiment.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct config_options {
    const char **sets;
    int n_sets;
};

static const struct option_row rows[] = {
    EXPERIMENT_SET_OPTION(struct config_options),
    OPTION_END,
};
static const struct operand_row operand_rows[] = {
    {"VERB", "doc: the complete commented default | show: CONFIG resolved | check: its errors", 1,
     1},
    {"CONFIG", "configuration file (not for doc)", 0, 1},
    OPERAND_END,
};
static const struct command_line line = {"karma config",
                                         "Checks, shows or documents configurations.", rows,
                                         operand_rows, sizeof(struct config_options)};

static enum err print_doc(void)
{
    struct buf b;
    buf_init(&b);
    const enum err e = cfg_doc(&b, experiment_fields);
    fwrite(b.data, 1, b.len, stdout);
    buf_release(&b);
    return e;
}

/* The digest identifies what decides the result: the same digest, the same weights. */
static enum err print_config(const char *path, const struct config_options *o, bool show)
{
    struct experiment x;
    uint64_t digest = 0;
    TRY(experiment_load(&x, path, o->sets, o->n_sets));
    const enum err e = cfg_digest(&digest, experiment_fields, &x.cfg, NULL, NULL);
    if (e == ERR_OK && show) {
        fputs((const char *)x.resolved.data, stdout);
    } else if (e == ERR_OK) {
        printf("%s is right; digest of what decides the result: %016" PRIx64 "\n", path, digest);
    }
    experiment_release(&x);
    return e;
}

static enum err run_verb(const struct operands *given, const struct config_options *o)
{
    const char *verb = given->items[0];
    if (strcmp(verb, "doc") == 0) {
        return print_doc();
    }
    if (strcmp(verb, "show") != 0 && strcmp(verb, "check") != 0) {
        log_error("karma config: unknown verb '%s'; doc, show or check", verb);
        return ERR_USAGE;
    }
    if (given->n < 2) {
        log_error("karma config %s: CONFIG is missing", verb);
        return ERR_USAGE;
    }
    return print_config(given->items[1], o, strcmp(verb, "show") == 0);
}

enum err command_config(int argc, char **argv)
{
    struct arena arena;
    struct config_options o = {0};
    struct operands given;
    bool done = false;
    arena_init(&arena);
    enum err e = command_parse(&line, &arena, &o, &given, &done, argc, argv);
    if (e == ERR_OK && !done) {
        e = run_verb(&given, &o);
    }
    arena_release(&arena);
    return e;
}
