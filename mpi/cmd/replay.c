/* karma replay: recorded metrics through a controller. */
#include "mpi/cmd/commands.h"
#include "mpi/comm/locking.h"
#include "mpi/jobs/replay_recording.h"

struct options {
    const char *controller, *only, *out;
    const char **requests, **capacities;
    int n_requests, n_capacities;
    int min, max, lag_s, start_s, period_s;
    bool fit;
};

static const struct option_row rows[] = {
    OPTION_STRING(struct options, controller, "controller", 'c', "METHOD",
                  "a method as in eval.controllers, with its parameters in YAML: khpa (default), "
                  "ff, 'khpa: {target: 0.7}'"),
    OPTION_LIST(struct options, requests, n_requests, "request", 'r', "[SERVICE=]MCPU",
                "CPU request of a pod, milli-cores; may be repeated, the last one that fits holds"),
    OPTION_LIST(struct options, capacities, n_capacities, "capacity", 0, "[SERVICE=]RPS",
                "calls/s that a pod answers, for ff; may be repeated"),
    OPTION_FLAG(struct options, fit, "fit", 'f',
                "find the lag, and requests that are not given, for each run in all other runs"),
    OPTION_INT(struct options, lag_s, "lag", 0, "S", -600, 600,
               "the controller sees what was recorded so much earlier (default 0); negative: what "
               "was recorded later"),
    OPTION_INT(struct options, start_s, "start", 0, "S", 0, 3600,
               "until an added pod is ready (default 30)"),
    OPTION_INT(struct options, period_s, "period", 0, "S", 5, 600,
               "between decisions (default 15; a multiple of 5)"),
    OPTION_INT(struct options, min, "min", 0, "N", 1, 1000, "fewest replicas (default 1)"),
    OPTION_INT(struct options, max, "max", 0, "N", 1, 1000,
               "most replicas (default: the most that were recorded)"),
    OPTION_STRING(struct options, only, "only", 0, "TEXT", "runs whose name contains TEXT"),
    OPTION_STRING(struct options, out, "out", 'o', "FILE",
                  "also write recorded and free-running replicas at each sample, as CSV"),
    OPTION_END,
};
static const struct operand_row operand_rows[] = {
    {"RECORDING", "CSV with replicas, packed with gzip or not (docs/replay.md)", 1, 1},
    OPERAND_END,
};
static const struct command_line line = {
    "karma replay",
    "Replays recorded metrics through a controller and compares its replicas with the recorded "
    "ones: step by step from the recorded replicas (open loop), and with its own replicas under "
    "the recorded load (free run); beside both what keeping the replicas gives.",
    rows, operand_rows, sizeof(struct options)};

static enum err run(const struct call *c)
{
    const struct options *o = c->options;
    const struct replay_recording_cfg cfg = {.controller = o->controller,
                                             .requests = o->requests,
                                             .capacities = o->capacities,
                                             .n_requests = o->n_requests,
                                             .n_capacities = o->n_capacities,
                                             .min = o->min,
                                             .max = o->max,
                                             .lag_s = o->lag_s,
                                             .start_s = o->start_s,
                                             .period_s = o->period_s,
                                             .only = o->only,
                                             .fit = o->fit,
                                             .out = o->out};
    if (o->max > 0 && o->max < o->min) {
        return command_misused(c, "--max %d is less than --min %d", o->max, o->min);
    }
    if (o->out == NULL) {
        return replay_recording_run(&cfg, c->operands[0], c->arena);
    }
    struct lock lock;
    TRY(command_spares_operands(c, o->out));
    TRY(locking_file(&lock, NULL, o->out, "karma replay", "--out FILE"));
    const enum err e = replay_recording_run(&cfg, c->operands[0], c->arena);
    locking_end(&lock);
    return e;
}

enum err command_replay(int argc, char **argv)
{
    struct options o = {.controller = "khpa", .min = 1, .start_s = 30, .period_s = 15};
    return command_call(&line, &o, run, argc, argv);
}
