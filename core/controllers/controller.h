/* A controller: sees the measured state of one environment, says how replicas change.
 *
 * One interface for rules, learned policies and references with foresight; one file per method. All
 * get the same state, the same period and the same replica bounds.
 *
 * A method is a row, `struct controller_kind`, at the end of its file: name, description,
 * parameters, constructor, and what it cannot do without. The list of all methods is kinds.h.
 * Nothing else has to change for a new one: from its row come the configuration and its messages,
 * `karma config doc`, the list in `karma eval --help`, the loading of policies, tables and figures.
 *
 * In YAML a method is a key, and its parameters stand below it: {name: tuned, khpa: {target: 0.5}}.
 */
#ifndef KARMA_CONTROLLERS_CONTROLLER_H
#define KARMA_CONTROLLERS_CONTROLLER_H

#include "core/base/config.h"
#include "core/base/mem.h"
#include "core/game/env_setup.h"
#include "core/game/rules.h"
#include "core/marl/learner.h"
#include "core/scenario/schedule.h"

/* One row of eval.controllers. */
struct controller_cfg {
    const char *name; /* label in tables; "" = the kind */
    bool show;        /* a row of the tables; false: a point of its kind's frontier only */
    struct cfg_one method;
};
extern const struct cfg_field controller_fields[];

/* What a method cannot do without; it gets nothing else. */
enum controller_needs {
    /* Trained teams, one for each training seed; its parameters begin with trained.h. */
    CONTROLLER_NEEDS_POLICY = 1,
    /* The schedule of the episode: a reference, not a method that could be used. */
    CONTROLLER_NEEDS_FORESIGHT = 2,
    /* The rules of the experiment with its organisation: agents, masks, coins. */
    CONTROLLER_NEEDS_ORGANISATION = 4,
    /* A twin to plan in, wherever it plays: env_setup->twin. make() says if it is not of use. */
    CONTROLLER_NEEDS_TWIN = 8,
};

struct controller;
struct controller_setup;

/* A trained team: how it meets the plant, and what acts for it. Borrowed. A learner may act for
 * several controllers in turn. */
struct trained_team {
    const struct interface *interface;
    struct learner *learner;
};

/* A method. */
struct controller_kind {
    /* Name, description, rows and size of its parameters. First: controller_kind_of(). */
    struct cfg_kind cfg;
    unsigned needs; /* enum controller_needs */
    /* Other parameters of it are arms of one frontier (core/eval/frontier.h). */
    bool sweeps;
    const char *colour; /* in figures, "#rrggbb"; NULL: a grey */
    /* What the rows cannot check: a sentence that begins with the label, and ERR_CONFIG. NULL:
     * nothing. */
    enum err (*check)(const char *label, const void *params, const struct topology_cfg *topology);
    /* A new controller with its own memory, not reset. Parameters that passed check(). It fills in
     * `ops` and what is its own; controller_new() does the rest. */
    enum err (*make)(struct controller **out, struct arena *arena,
                     const struct controller_setup *setup);
    /* How long it keeps what it finds at the start of an episode, seconds. NULL: it does not. */
    double (*settling_s)(const void *params);
    /* columns (state_size) = 1 for the measured ones without which it cannot act, beside desired
     * replicas; the others stay as they are. NULL: it reads none, or those of its rules. */
    void (*reads)(uint8_t *columns, const void *params, const struct topology *topology);
    /* How it acts, as part of a sentence about its policies. NULL: nothing to say. */
    const char *(*manner)(const void *params);
};

/* What a constructor gets. By reference; all outlives the controller. */
struct controller_setup {
    const char *label;
    const void *params; /* of the kind */
    const struct env_setup *env_setup;
    const struct rules *rules;       /* of the experiment; NULL if not needed */
    const struct trained_team *team; /* NULL if not needed */
};

struct controller_ops {
    /* Start an episode. What a controller has learned in the episode before is forgotten: an
     * episode is a function of its id. `future`: NULL, unless the kind needs foresight. */
    void (*reset)(struct controller *c, const struct episode_id *id, const struct schedule *future);
    /* delta (n_services) for the measured state (state_size). */
    void (*act)(struct controller *c, int32_t *delta, const float *state);
};
struct controller {
    const struct controller_ops *ops;
    const struct env_setup *env_setup;
    const char *name;
    unsigned needs; /* of its kind, and of the rule inside it */
    /* What is seen at a decision, with its ages: set before act() by whoever plays it. Zeros, as if
     * every value were known, if nobody does; then rules->shield is NULL. */
    struct shield_view view;
    /* of a team only; the others have NULL */
    const struct team_spec *spec; /* its agents and choices */
    const struct rules
        *rules;            /* it plays by; NULL: by an interface of another method of training */
    const int32_t *action; /* (A, F) what it chose in the last act() */
    const uint32_t
        *mask; /* (A, F, env_mask_words()) from which choices; a scripted team has none */
    const int32_t *wanted; /* (n_services) what that came to before the shield of its rules; NULL
                              without one */
    const int32_t *free_action; /* (A, F) its most probable choice without masks of an
                                   organisation; a scripted team has none */
    bool conflict;              /* the last act() had agents pulling one service both ways */
};

/* All methods, in the order of kinds.h; ends with NULL. Each points to the `cfg` of a struct
 * controller_kind. */
extern const struct cfg_kind *const controller_kinds[];

static inline const struct controller_kind *controller_kind_of(const struct cfg_one *method)
{
    return (const struct controller_kind *)(const void *)method->kind;
}
static inline const struct controller_kind *controller_kind(const struct controller_cfg *cfg)
{
    return controller_kind_of(&cfg->method);
}
static inline bool controller_needs(const struct controller_cfg *cfg, enum controller_needs what)
{
    return (controller_kind(cfg)->needs & (unsigned)what) != 0;
}

/* Row i of a list that ends with NULL; NULL behind its end. */
const struct controller_kind *controller_kind_at(int i);

/* What the tables of a configuration cannot check, of `n` controllers: a sentence and ERR_CONFIG.
 * controller_new() checks it, too. */
enum err controller_cfg_check(const struct controller_cfg *controllers, int n,
                              const struct topology_cfg *topology) WARN_UNUSED;
/* rules: of the experiment, for a team that is not trained. team: the trained one for a kind that
 * needs a policy (loaded by the caller; NULL otherwise). By reference; *team is copied. */
enum err controller_new(struct controller **out, struct arena *arena,
                        const struct controller_cfg *cfg, const struct env_setup *env_setup,
                        const struct rules *rules, const struct trained_team *team) WARN_UNUSED;

/* The same for a method, set up by hand; unchecked. */
enum err controller_make(struct controller **out, struct arena *arena,
                         const struct controller_kind *kind,
                         const struct controller_setup *setup) WARN_UNUSED;
/* Check of a method, as controller_cfg_check(). */
enum err controller_method_check(const char *label, const struct cfg_one *method,
                                 const struct topology_cfg *topology) WARN_UNUSED;

/* A row that holds a kind with the defaults of its parameters, under the name of the kind. */
enum err controller_cfg_default(struct controller_cfg *out, struct arena *arena,
                                const struct controller_kind *kind) WARN_UNUSED;

/* What tables call it; static or in the configuration. */
const char *controller_label(const struct controller_cfg *cfg);

/* Replicas asked for so far, as the state shows them. */
int controller_desired(const float *state, int service);
int controller_clip(const struct env_setup *env_setup, int service, int replicas);

static inline void controller_reset(struct controller *c, const struct episode_id *id,
                                    const struct schedule *future)
{
    c->ops->reset(c, id, (c->needs & CONTROLLER_NEEDS_FORESIGHT) != 0 ? future : NULL);
}
static inline void controller_act(struct controller *c, int32_t *delta, const float *state)
{
    c->conflict = false;
    c->ops->act(c, delta, state);
}

#endif
