/* Trained policies for evaluation: RUN/policy/weights.bin -> teams, each with its own interface.
 *
 * A policy is played as it was trained: by the method of training, with the agents, heads,
 * observations, networks and the organisation of the configuration that its file carries, masks and
 * random draws of the roles included, in the environment of the experiment that evaluates it. So
 * policies of different games and methods can be compared in one evaluation. What the experiment
 * says of these does not matter. (A configuration that this program does not read, of another
 * version, is replaced by the experiment's.)
 */
#ifndef KARMA_JOBS_POLICIES_H
#define KARMA_JOBS_POLICIES_H

#include "core/eval/eval.h"
#include "mpi/jobs/experiment.h"

/* Where a team comes from. */
struct policy_source {
    const char *run;       /* its run directory */
    uint64_t seed, digest; /* of the training; of the weights */
    const char *config;    /* the resolved configuration it was trained with */
    const struct method *method;
};
struct policies {
    const struct eval_cfg *cfg;
    struct eval_teams *teams;       /* (cfg->n_controllers); none for rules */
    struct policy_source **sources; /* (cfg->n_controllers)[teams[c].n_teams] */
};

/* Local. Loads what eval.controllers name (no run named: the experiment's own run.dir; ./RUN and
 * ../RUN: beside the configuration, if it is there), for controller `only` or for all of them. A
 * policy that was not trained as its controller declares, or for other services, is refused, and
 * for one that is missing the command is named that makes it (mpi/jobs/recipe.h). `path`: of the
 * configuration. By reference: `x`. */
enum { POLICIES_ALL = -1 };
enum err policies_load(struct policies *p, struct arena *arena, const struct experiment *x,
                       int only, const char *path) WARN_UNUSED;

/* Local. Where a run is that a configuration names: one that begins with ./ or ../ is looked for
 * beside the configuration first, as files are. `run`, or in the arena; NULL when out of memory. */
const char *policies_run(struct arena *arena, const char *config_path, const char *run);

/* Local. The configuration that the policy of a run carries. ERR_VERSION, with a sentence, if this
 * program does not read it; ERR_IO, ERR_FORMAT. Everything in the arena. */
enum err policies_config(struct experiment_cfg *cfg, struct arena *arena,
                         const char *run) WARN_UNUSED;

/* One sentence about controller c: how it acts, its training seeds, how it was trained. NULL for a
 * rule and when out of memory. */
const char *policies_describe(const struct policies *p, struct arena *arena, int c);

#endif
