/* A configuration with every kind of row: what the readers and printers of configurations are
 * tested and fuzzed with. */
#ifndef KARMA_TESTS_CONFIG_ROWS_H
#define KARMA_TESTS_CONFIG_ROWS_H

#include "core/base/config.h"

enum colour { COLOUR_RED, COLOUR_GREEN = 7 };

struct call_cfg {
    const char *to;
    double share;
};

struct service_cfg {
    const char *name;
    int cpu_m;
    struct call_cfg *calls;
    int n_calls;
};

struct ppo_cfg {
    double clip;
    int epochs;
    bool normalise;
};

struct root_cfg {
    struct ppo_cfg ppo;
    uint64_t seed;
    int64_t steps;
    double offset;
    enum colour colour;
    const char *title;
    const char *trace;
    int threads;
    uint64_t *seeds;
    int n_seeds;
    int *hidden;
    int n_hidden;
    double *rates;
    int n_rates;
    const char **tags;
    int n_tags;
    const char **traces;
    int n_traces;
    enum colour *palette;
    int n_palette;
    struct service_cfg *services;
    int n_services;
};

static const struct cfg_choice COLOURS[] = {
    {"red", COLOUR_RED, "warm"},
    {"green", COLOUR_GREEN, "cold"},
    {NULL, 0, ""},
};

static const struct cfg_field CALL_ROWS[] = {
    CFG_STRING(struct call_cfg, to, CFG_REQUIRED, CFG_RESULT, "name of the callee"),
    CFG_DOUBLE(struct call_cfg, share, "1", 0, 1, "", CFG_RESULT, "share of requests"),
    CFG_END,
};

static const struct cfg_field SERVICE_ROWS[] = {
    CFG_STRING(struct service_cfg, name, CFG_REQUIRED, CFG_RESULT, "name of the service"),
    CFG_INT(struct service_cfg, cpu_m, "100", 10, 8000, "m", CFG_RESULT, "CPU limit"),
    CFG_LIST(struct service_cfg, calls, n_calls, struct call_cfg, CALL_ROWS, "[]", 0, 8, "callees"),
    CFG_END,
};

static const struct cfg_field PPO_ROWS[] = {
    CFG_DOUBLE(struct ppo_cfg, clip, "0.2", 0.01, 1, "", CFG_RESULT, "PPO clip range"),
    CFG_INT(struct ppo_cfg, epochs, "4", 1, 100, "", CFG_RESULT, "passes over a rollout"),
    CFG_BOOL(struct ppo_cfg, normalise, "true", CFG_RESULT, "normalise advantages"),
    CFG_END,
};

static const struct cfg_field ROWS[] = {
    CFG_TABLE(struct root_cfg, ppo, PPO_ROWS, "policy optimisation"),
    CFG_UINT64(struct root_cfg, seed, "1", CFG_RESULT, "seed of the run"),
    CFG_INT64(struct root_cfg, steps, "1_000_000", 0, CFG_NO_MAX, "steps", CFG_RESULT, "budget"),
    CFG_DOUBLE(struct root_cfg, offset, "-2.5e-3", CFG_NO_MIN, CFG_NO_MAX, "ms", CFG_RESULT,
               "offset"),
    CFG_ENUM(struct root_cfg, colour, "red", COLOURS, CFG_RESULT, "colour"),
    CFG_STRING(struct root_cfg, title, "", CFG_OUTPUT, "title of figures"),
    CFG_PATH(struct root_cfg, trace, "", CFG_RESULT, "workload trace"),
    CFG_INT(struct root_cfg, threads, "1", 1, 64, "", CFG_SPEED, "threads per rank"),
    CFG_LIST_UINT64(struct root_cfg, seeds, n_seeds, "[1, 2, 3]", 1, 2000, CFG_RESULT, "seeds"),
    CFG_LIST_INT(struct root_cfg, hidden, n_hidden, "[64, 64]", 1, 4, 1, 1024, "units", CFG_RESULT,
                 "layer widths"),
    CFG_LIST_DOUBLE(struct root_cfg, rates, n_rates, "[]", 0, 4, 0, CFG_NO_MAX, "1/s", CFG_RESULT,
                    "request rates"),
    CFG_LIST_STRING(struct root_cfg, tags, n_tags, "[]", 0, 20, CFG_OUTPUT, "tags"),
    CFG_LIST_PATH(struct root_cfg, traces, n_traces, "[]", 0, 4, CFG_RESULT, "more traces"),
    CFG_LIST_ENUM(struct root_cfg, palette, n_palette, enum colour, COLOURS, "[red]", 0, 4,
                  CFG_OUTPUT, "colours of figures"),
    CFG_LIST(struct root_cfg, services, n_services, struct service_cfg, SERVICE_ROWS,
             "[{name: web, calls: [{to: db, share: 0.5}]}, {name: db}]", 1, 64, "services"),
    CFG_END,
};

#endif
