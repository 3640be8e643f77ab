/* karma trace collect: the controllers of a configuration play on all ranks into one store.
 *
 * The options are read here; what is played, and why the store does not depend on the ranks,
 * stands in mpi/jobs/collect.h. Whatever is wrong with the options is said before the ranks start,
 * and so once. */
#include "mpi/cmd/ranks.h"
#include "mpi/cmd/trace_split.h"
#include "mpi/jobs/collect.h"

struct options {
    const char **sets;
    int n_sets;
    const char *out, *licence;
    int split_seed, validation, held_out;
};

static const struct option_row rows[] = {
    EXPERIMENT_SET_OPTION(struct options),
    OPTION_STRING(struct options, out, "out", 'o', "FILE", "the store that is written"),
    OPTION_STRING(struct options, licence, "licence", 0, "TEXT",
                  "under which licence it is (default: Apache-2.0)"),
    SPLIT_OPTIONS(struct options),
    OPTION_END,
};
static const struct operand_row operand_rows[] = {
    {"CONFIG", "configuration file, e.g. configs/experiments/collect.yaml", 1, 1},
    OPERAND_END,
};
static const struct command_line line = {
    "karma trace collect",
    "Plays eval.controllers in all scenarios, eval.episodes each, drawn from the TRAIN domain, and "
    "writes what happened into a store. Start it with mpi/launch -n RANKS; the store does not "
    "depend on RANKS. The same command goes on with a collection that was interrupted. With "
    "eval.plant=twin it plays in the twin, and the store's origin says so.",
    rows, operand_rows, sizeof(struct options)};

/* Shares are typed in percent and stored as fractions. */
static enum err collect_on(struct comm *comm, const struct call *c)
{
    const struct options *o = c->options;
    const struct input in = INPUT_OF(c, o);
    const struct collect_cfg cfg = {.path = o->out,
                                    .licence = o->licence != NULL ? o->licence : "Apache-2.0",
                                    .split_seed = (uint64_t)o->split_seed,
                                    .validation = o->validation / 100.0,
                                    .held_out = o->held_out / 100.0};
    struct experiment x;
    TRY(ranks_load(&x, comm, &in, NULL));
    const enum err e = collect_run(comm, &x, in.path, &cfg);
    experiment_release(&x);
    return e;
}

static enum err run(const struct call *c)
{
    const struct options *o = c->options;
    if (o->out == NULL) {
        return command_misused(c, "--out is missing; write --out FILE, the store to write");
    }
    TRY(trace_check_split(c, o->validation, o->held_out));
    return ranks_run(c, collect_on);
}

enum err trace_collect(int argc, char **argv)
{
    struct options o = {.split_seed = 1, .validation = 15, .held_out = 15};
    return command_call(&line, &o, run, argc, argv);
}
