/* A method of training: how a team meets the plant, and what learns for it.
 *
 * KARMA's own method (karma.c) is the first of several; the others are published methods that it is
 * compared with, in the same environments, with the same bounds and the same measured state. Each
 * is a row, `struct method_kind`, at the end of its file: name, description, parameters, and what
 * makes its interface (core/game/interface.h) and its learner (core/marl/learner.h). The list of
 * all is kinds.h. Nothing else has to change for a new one: from its row come the configuration and
 * its messages, `karma config doc`, training, policy files and their evaluation.
 *
 * A policy file carries the resolved configuration, so it carries its method.
 *
 * In YAML a method is a key of the section `method`: {gym_hpa: {goal: latency}}.
 */
#ifndef KARMA_METHODS_METHOD_H
#define KARMA_METHODS_METHOD_H

#include "core/base/config.h"
#include "core/base/mem.h"
#include "core/game/rules.h"
#include "core/marl/learner.h"
#include "core/marl/mappo.h"
#include "core/marl/team.h"

/* Section `method`. */
struct method_cfg {
    struct cfg_one method; /* of a struct method_kind */
};
extern const struct cfg_field method_fields[];

/* All methods, in the order of kinds.h; ends with NULL. Each points to the `cfg` of a struct
 * method_kind. */
extern const struct cfg_kind *const method_kinds[];

/* What a method is made of. By reference; all outlives it. */
struct method_setup {
    const void *params; /* of the kind */
    const struct env_setup *env_setup;
    const struct rules *rules;     /* of the game in that environment, for KARMA's own method */
    const struct team_cfg *team;   /* section `team`, likewise */
    const struct mappo_cfg *mappo; /* section `mappo`, likewise */
    int group;                     /* env_spec.group */
    int n_env, n_steps;            /* of the training: environments, decisions of a rollout */
    const struct cfg *src_locs;    /* where the keys stand, for messages */
};

/* A method in an environment: immutable. */
struct method {
    const struct method_kind *kind;
    struct method_setup setup;
    const struct interface *interface;
    struct env_spec env; /* of environments with this team alone */
    /* (interface->spec->n_norm) names of the columns that are normalised: a policy is not played on
     * others. */
    const char *const *columns;
};

struct method_kind {
    /* Name, description, rows and size of its parameters. First: method_kind_of(). */
    struct cfg_kind cfg;
    /* What the rows cannot check: cfg_error() and ERR_CONFIG. NULL: nothing. */
    enum err (*check)(const struct method_setup *setup);
    /* m->interface and m->columns. The rest of *m is there. */
    enum err (*make)(struct method *m, struct arena *arena);
    /* A learner for team number `team`, with the weights it starts from. learns: false for one that
     * only plays (core/marl/learner.h: prepare() and learn() may be NULL). scratch is rewound. */
    enum err (*learner)(struct learner **out, struct arena *arena, const struct method *m, int team,
                        bool learns, uint64_t seed, struct arena *scratch);
    /* columns (state_size) = 1 for the measured ones without which it cannot act; the others stay
     * as they are. NULL: it can do without any. */
    void (*reads)(uint8_t *columns, const struct method *m);
};

static inline const struct method_kind *method_kind_of(const struct method_cfg *cfg)
{
    return (const struct method_kind *)(const void *)cfg->method.kind;
}
/* Name of a kind. */
static inline const char *method_name(const struct method *m)
{
    return m->kind->cfg.name;
}
/* Does its team play by the rules of the game? Then there may be organisations, masks of a shield,
 * and cost weights that are drawn; other interfaces know nothing of these. */
static inline bool method_plays_rules(const struct method *m)
{
    return rules_of(m->interface) != NULL;
}

/* setup->params is set by cfg. `m` must stay where it is. ERR_CONFIG with a sentence from check().
 */
enum err method_init(struct method *m, struct arena *arena, const struct method_cfg *cfg,
                     const struct method_setup *setup) WARN_UNUSED;

static inline enum err method_learner(struct learner **out, struct arena *arena,
                                      const struct method *m, int team, bool learns, uint64_t seed,
                                      struct arena *scratch)
{
    return m->kind->learner(out, arena, m, team, learns, seed, scratch);
}

#endif
