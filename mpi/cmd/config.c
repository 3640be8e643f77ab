/* karma config: what a configuration says, and what it could say.
 *
 * `doc` prints the tables themselves, `show` a configuration after includes, --set and
 * defaults, `check` builds everything from it that can be built without a run, which finds
 * contradictions between keys. */
#include "core/eval/ablation.h"
#include "mpi/cmd/commands.h"
#include "mpi/cmd/input.h"

#include <inttypes.h>
#include <stdio.h>

struct options {
    const char **sets;
    int n_sets;
};

struct doc_options {
    bool ablation;
};

static const struct option_row doc_rows[] = {
    OPTION_FLAG(struct doc_options, ablation, "ablation", 0,
                "of the spec of an ablation instead (configs/ablation.yaml)"),
    OPTION_END,
};
static const struct option_row rows[] = {
    EXPERIMENT_SET_OPTION(struct options),
    OPTION_END,
};
static const struct operand_row no_operands[] = {OPERAND_END};
static const struct operand_row operand_rows[] = {
    {"CONFIG", "configuration file, e.g. configs/experiments/warm_start.yaml", 1, 1},
    OPERAND_END,
};

/* ---- doc ---- */

static const struct command_line doc_line = {
    "karma config doc",
    "Prints the complete default configuration with a comment for each key: meaning, unit, range, "
    "choices. configs/default.yaml is this text.",
    doc_rows, no_operands, sizeof(struct doc_options)};

static enum err run_doc(const struct call *c)
{
    const struct doc_options *o = c->options;
    struct buf b;
    buf_init(&b);
    const enum err e = o->ablation ? ablation_doc(&b) : cfg_doc(&b, experiment_fields);
    fwrite(b.data, 1, b.len, stdout);
    buf_release(&b);
    return e;
}

static enum err config_doc(int argc, char **argv)
{
    struct doc_options o = {false};
    return command_call(&doc_line, &o, run_doc, argc, argv);
}

/* ---- show ---- */

static const struct command_line show_line = {
    "karma config show",
    "Prints CONFIG resolved: every key with the value that it has after includes, --set and "
    "defaults.",
    rows, operand_rows, sizeof(struct options)};

static enum err load(struct experiment *x, const struct call *c)
{
    const struct options *o = c->options;
    const struct input in = INPUT_OF(c, o);
    return input_load(x, &in);
}

static enum err run_show(const struct call *c)
{
    struct experiment x;
    TRY(load(&x, c));
    fputs((const char *)x.resolved.data, stdout);
    experiment_release(&x);
    return ERR_OK;
}

static enum err config_show(int argc, char **argv)
{
    struct options o = {0};
    return command_call(&show_line, &o, run_show, argc, argv);
}

/* ---- check ---- */

static const struct command_line check_line = {
    "karma config check",
    "Says whether CONFIG is right, or all its errors with file, line and remedy. Prints the digest "
    "of what decides the result: the same digest, the same results.",
    rows, operand_rows, sizeof(struct options)};

/* input_load() has logged all errors that there are. The digest is over names of files,
 * not over their contents, and over all sections: it tells configurations apart, not
 * results of one command. */
static enum err run_check(const struct call *c)
{
    struct experiment x;
    uint64_t digest = 0;
    TRY(load(&x, c));
    const enum err e = cfg_digest(&digest, experiment_fields, &x.cfg, NULL, NULL);
    if (e == ERR_OK) {
        printf("%s is right; digest of what decides the result: %016" PRIx64 "\n", c->operands[0],
               digest);
    }
    experiment_release(&x);
    return e;
}

static enum err config_check(int argc, char **argv)
{
    struct options o = {0};
    return command_call(&check_line, &o, run_check, argc, argv);
}

const struct command config_verbs[] = {
    {.name = "doc", .summary = "the complete commented default", .run = config_doc},
    {.name = "show", .summary = "a configuration resolved", .run = config_show},
    {.name = "check", .summary = "the errors of a configuration", .run = config_check},
    {.name = NULL},
};
