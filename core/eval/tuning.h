/* A tuning: which settings are tried, how long each, and what makes one better than another.
 *
 * Section `tune` of a configuration; the rest of the configuration is what is tuned. A *trial* is
 * one set of values for the keys. Trial 1 has the values of the configuration itself, so that every
 * table of trials has what would be played without a tuning; the others are drawn
 * (core/eval/search_space.h). All trials play the same DEV episodes.
 */
#ifndef KARMA_EVAL_TUNING_H
#define KARMA_EVAL_TUNING_H

#include "core/base/config.h"
#include "core/eval/halving.h"

#include <stdbool.h>
#include <stdint.h>

enum tune_what { TUNE_CONTROLLER, TUNE_TRAINING };
enum tune_search { TUNE_RANDOM, TUNE_HALVING };
enum tune_objective { TUNE_EQUAL_COST, TUNE_PRICED };

/* One key with what it may be: a range, or choices. */
struct tune_key {
    const char *key; /* of the controller's parameters; for a training of the configuration */
    double from, to;
    bool log;             /* uniform in the logarithm */
    double step;          /* values are from, from + step, ...; 0: any */
    const char **choices; /* (n_choices) YAML flow text */
    int n_choices;
};

struct tune_cfg {
    int what;               /* enum tune_what */
    const char *controller; /* of eval.controllers; "" = there is no tuning */
    struct tune_key *keys;
    int n_keys;
    int trials;
    int search; /* enum tune_search */
    int eta;    /* halving: one of eta trials goes on to the next rung */
    int rungs;
    int objective;         /* enum tune_objective */
    const char *reference; /* equal_cost: the kind whose arms make the frontier */
    const char *metric;    /* priced */
    double price;          /* of a mean vCPU */
    uint64_t *train_seeds; /* (n_train_seeds) of each trial of a training; none: train.seed */
    int n_train_seeds;
    uint64_t seed; /* of the values */
};
extern const struct cfg_field tune_fields[];

enum { TUNE_TRIALS_MAX = 10000, TUNE_KEYS_MAX = 24, TUNE_SEEDS_MAX = 100, TUNE_RUNGS_MAX = 8 };

/* What the rows cannot check alone: ranges, choices, halving, objective. full: the budget of the
 * last rung (episodes, or updates). src_locs: of the configuration that has this as its section
 * `tune`. A sentence with file and line, and ERR_CONFIG. */
enum err tune_check(const struct tune_cfg *cfg, int full, const struct cfg *src_locs) WARN_UNUSED;

/* The rungs of the search; a random search has one. Returns their number. */
int tune_rungs(struct halving_rung rungs[TUNE_RUNGS_MAX], const struct tune_cfg *cfg, int full);

/* "tune.keys.3": of a message. */
struct tune_name {
    char text[40];
};
struct tune_name tune_key_name(int key);

/* Number of a metric (METRIC_COUNT in all), -1: there is none of that name. */
int tune_metric(const char *name);

#endif
