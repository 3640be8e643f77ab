/* The trials of a tuning: what is tried, checked before anything is written.
 *
 * A key is a parameter of the tuned controller (`utilisation`), or of a training a key of the
 * configuration (`mappo.lr`). Trials of a controller differ in its parameters alone, so all of them
 * meet the same cluster, load and episodes. Trials of a training may differ in everything that a
 * training reads; what they trained is played in the environment of the configuration itself.
 */
#ifndef KARMA_JOBS_TUNE_TRIALS_H
#define KARMA_JOBS_TUNE_TRIALS_H

#include "mpi/jobs/experiment.h"

/* What was typed. Borrowed. */
struct tune_source {
    const char *path; /* of the configuration */
    const char *const *sets;
    int n_sets;
};

struct tune_trials {
    struct experiment *x; /* borrowed; eval is the configured one */
    struct tune_source source;
    struct arena *arena;         /* borrowed */
    int controller;              /* in x->cfg.eval.controllers */
    const char **values;         /* (trials, n_keys) YAML flow text */
    struct cfg_one *methods;     /* (trials) of a controller; NULL for a training */
    const uint64_t *train_seeds; /* (n_train_seeds) of a training */
    int n_train_seeds;           /* 0 for a controller */
    struct halving_rung rungs[TUNE_RUNGS_MAX];
    int n_rungs;
};

/* Local. A sentence with file and line, and ERR_CONFIG, for whatever cannot be tuned. Everything by
 * reference. */
enum err tune_trials_init(struct tune_trials *t, struct arena *arena, struct experiment *x,
                          const struct tune_source *source) WARN_UNUSED;

/* Local. Value of a key in trial 1 .. trials. */
const char *tune_trials_value(const struct tune_trials *t, int trial, int key);

/* Local. "utilisation=0.7, growth=2": for messages. In the arena; NULL when out of memory. */
const char *tune_trials_describe(const struct tune_trials *t, struct arena *arena, int trial);

/* Local. The --set of the training of a trial: those that were typed, its values, its seed, its
 * budget and its run directory. In the arena; *n of them. */
enum err tune_trials_sets(const char *const **sets, int *n, const struct tune_trials *t,
                          struct arena *arena, int trial, int seed, int rung,
                          const char *dir) WARN_UNUSED;

#endif
