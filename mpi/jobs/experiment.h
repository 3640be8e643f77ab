/* An experiment: the whole configuration, and the immutable objects built from it.
 *
 * The root of the field tables: what stands at the top level of a YAML file. Each table lives
 * beside its reader; this one only names them.
 */
#ifndef KARMA_JOBS_EXPERIMENT_H
#define KARMA_JOBS_EXPERIMENT_H

#include "core/base/config.h"
#include "core/base/mem.h"
#include "core/base/options.h"
#include "core/eval/eval.h"
#include "core/eval/tuning.h"
#include "core/game/attacker_interface.h"
#include "core/game/env_setup.h"
#include "core/game/rules.h"
#include "core/marl/mappo.h"
#include "core/marl/team.h"
#include "core/methods/method.h"
#include "mpi/jobs/exploit_cfg.h"
#include "mpi/jobs/league_cfg.h"
#include "mpi/train/setup.h"

struct run_cfg {
    const char *dir; /* of the run */
};

struct experiment_cfg {
    struct topology_cfg topology;
    struct plant_cfg plant;
    struct cluster_cfg cluster;
    struct twin_cfg twin;
    struct workload_cfg workload;
    struct scenario_cfg *scenarios;
    int n_scenarios;
    struct game_cfg game;
    struct org_cfg organisation; /* no agents: none */
    struct shield_cfg shield;    /* used where eval.shield and train.shield say so */
    struct method_cfg method;
    struct team_cfg team;
    struct mappo_cfg mappo;
    struct attacker_cfg attacker; /* used where train.opponent says so */
    struct train_cfg train;
    struct fit_cfg fit;
    struct eval_cfg eval;
    struct tune_cfg tune; /* no controller: none */
    struct exploit_cfg exploit;
    struct league_cfg league;
    struct run_cfg run;
};
extern const struct cfg_field experiment_fields[];
/* The rows that a training depends on: all but evaluation and output. */
extern const struct cfg_field experiment_training_fields[];

struct experiment {
    const char *path;   /* of the configuration, as it was typed; borrowed */
    struct arena arena; /* strings and lists of cfg, env_setup, rules, method */
    struct cfg reader;  /* places for messages */
    struct experiment_cfg cfg;
    struct env_setup env_setup;
    struct rules rules;
    struct method method;                /* in this environment */
    struct attacker_interface *attacker; /* NULL: train.opponent is scripted */
    struct buf resolved;                 /* the complete configuration as YAML, NUL-terminated */
};

/* Local. Load and build; the sentences name file, line and remedy. On failure nothing is held.
 * `x` must stay where it is, and `path` must outlive it. */
enum err experiment_load(struct experiment *x, const char *path, const char *const *sets,
                         int n_sets) WARN_UNUSED;
/* Local. The same from a text, whose name stands for the file in messages. */
enum err experiment_load_text(struct experiment *x, const char *name, const char *text) WARN_UNUSED;
/* The same from several sources, the later ones overriding the earlier; the first one's path is the
 * experiment's. */
enum err experiment_load_sources(struct experiment *x, const struct cfg_source *sources,
                                 int n_sources, const char *const *sets, int n_sets) WARN_UNUSED;
void experiment_release(struct experiment *x);

/* Local. The rules of a configuration in an environment, with what its training adds to the shapes
 * of the team. src_locs: of that configuration. By reference; `r` must stay where it is. */
enum err experiment_rules(struct rules *r, struct arena *arena, const struct experiment_cfg *cfg,
                          const struct env_setup *env_setup,
                          const struct cfg *src_locs) WARN_UNUSED;

/* Local. The method of a configuration in the environment of these rules, which are those of the
 * configuration (experiment_rules()). src_locs: likewise. By reference; `m` must stay where it is.
 * ERR_CONFIG, with file and line, for what other sections ask of it and it cannot do. */
enum err experiment_method(struct method *m, struct arena *arena, const struct experiment_cfg *cfg,
                           const struct rules *rules, const struct cfg *src_locs) WARN_UNUSED;

/* Local. For commands that play in the twin: env_setup_load_twin(). If the file is missing, the
 * message names the commands that make it. */
enum err experiment_load_twin(struct experiment *x) WARN_UNUSED;

/* Local. The commands that make the twin `file` for the configuration at `config`, whose `fit` says
 * how it is fitted: a fragment for a message, which ends without a full stop. In the arena; NULL
 * when out of memory. */
const char *experiment_twin_commands(struct arena *arena, const char *file, const char *config);

/* Local. What decides the weights: digest of the training's rows that are results, with the
 * contents of the files they name instead of the names. */
enum err experiment_training_digest(uint64_t *digest, const struct experiment_cfg *cfg) WARN_UNUSED;

/* Local. Appends "mappo.lr: 0.01 -> 0.02; train.seed: 1 -> 2", NUL-terminated: the rows of the
 * table (experiment_fields, experiment_training_fields) that are results and differ. ERR_MEMORY. */
enum err experiment_diff(struct buf *out, const struct cfg_field *table,
                         const struct experiment_cfg *old,
                         const struct experiment_cfg *new) WARN_UNUSED;

/* Local. A cfg_path_hash: CRC-32C and length of the file's bytes. */
enum err experiment_hash_file(uint64_t *hash, void *ctx, const char *path) WARN_UNUSED;

/* Options that every command with a CONFIG has: --set, and the operand. */
#define EXPERIMENT_SET_OPTION(S)                                                                   \
    OPTION_LIST(S, sets, n_sets, "set", 's', "KEY=VALUE", "override a key of the configuration")

/* rules_columns() of the experiment's rules, whatever its method: the state's columns, and behind
 * them those of older states. NULL when out of memory. */
const char *const *experiment_features(const struct experiment *x, struct arena *arena);

#endif
