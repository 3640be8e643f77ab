/* karma topology: makes a call graph of a given shape and size, with services that suit it.
 *
 * core/plant/topology_gen.h says what the shapes are and how sizes and capacities are drawn; this
 * file has the options and their defaults. */
#include "core/base/log.h"
#include "core/plant/topology_gen.h"
#include "mpi/cmd/commands.h"

#include <limits.h>
#include <stdio.h>

struct topology_options {
    int n_services, seed, rate_rps;
};

static const struct option_row rows[] = {
    OPTION_INT(struct topology_options, n_services, "services", 'n', "N", TOPOLOGY_GEN_MIN,
               TOPOLOGY_GEN_MAX, "number of services; 8 if not given"),
    OPTION_INT(struct topology_options, seed, "seed", 0, "S", 0, INT_MAX,
               "another seed, another topology; 1 if not given"),
    OPTION_INT(struct topology_options, rate_rps, "rate", 0, "R", 1, 100000,
               "nominal requests/s, which use half of the first pods; 200 if not given"),
    OPTION_END,
};
static const struct operand_row operand_rows[] = {
    {"SHAPE", "chain | diamond | tree | mesh", 1, 1},
    OPERAND_END,
};
static const struct command_line line = {
    "karma topology",
    "Prints a topology as YAML, to be included by a configuration. The same options give the same "
    "text.",
    rows, operand_rows, sizeof(struct topology_options)};

/* The text is complete before it is printed, so an error leaves no half topology in
 * a redirected file. */
static enum err print_generated(const char *shape, const struct topology_options *o)
{
    int found = topology_shape_find(shape);
    if (found < 0) {
        log_error("karma topology: unknown shape '%s'; chain, diamond, tree or mesh", shape);
        return ERR_USAGE;
    }
    struct topology_gen gen = {
        .shape = (enum topology_shape)found,
        .n_services = o->n_services,
        .seed = (uint64_t)o->seed,
        .rate_rps = o->rate_rps,
    };
    struct buf b;
    buf_init(&b);
    const enum err e = topology_generate(&b, &gen);
    if (e == ERR_OK) {
        fwrite(b.data, 1, b.len, stdout);
    }
    buf_release(&b);
    return e;
}

static enum err run(const struct call *c)
{
    return print_generated(c->operands[0], c->options);
}

enum err command_topology(int argc, char **argv)
{
    struct topology_options o = {.n_services = 8, .seed = 1, .rate_rps = 200};
    return command_call(&line, &o, run, argc, argv);
}
