/* A controller: sees the measured state of one environment, says how replicas change.
 *
 * One interface for rules, learned policies and references with foresight; one file per method. All
 * get the same state, the same period and the same replica bounds.
 */
#ifndef KARMA_CONTROLLERS_CONTROLLER_H
#define KARMA_CONTROLLERS_CONTROLLER_H

#include "core/base/config.h"
#include "core/base/mem.h"
#include "core/game/rules.h"
#include "core/game/world.h"
#include "core/scenario/schedule.h"

/*    kind                    name       what it is */
#define CONTROLLER_LIST(X)                                                                         \
    X(CONTROLLER_NOTHING, "nothing", "keeps the initial replicas")                                 \
    X(CONTROLLER_STATIC, "static", "a fixed allocation")                                           \
    X(CONTROLLER_KHPA, "khpa", "Kubernetes horizontal pod autoscaler v2")                          \
    X(CONTROLLER_FF, "ff", "feed-forward: queueing-theory staffing from the entry rate")           \
    X(CONTROLLER_POLICY, "policy", "a trained team")                                               \
    X(CONTROLLER_ORACLE, "oracle",                                                                 \
      "foresight: the staffing of ff for the load and faults to come")                             \
    X(CONTROLLER_EXPLORE, "explore", "a rule, and random changes mixed in: for traces")            \
    X(CONTROLLER_SCRIPTED, "scripted", "a team that learned nothing, inside its organisation")
#define CONTROLLER_ENUM_(id, name, doc) id,
enum controller_kind { CONTROLLER_LIST(CONTROLLER_ENUM_) CONTROLLER_KINDS };
#undef CONTROLLER_ENUM_

/* spec.behavior of a HorizontalPodAutoscaler. See khpa.c. */
enum khpa_behavior { KHPA_BEHAVIOR_NONE, KHPA_BEHAVIOR_DEFAULT };

/* One row of eval.controllers: the parameters of all kinds side by side. */
struct controller_cfg {
    const char *name; /* label in tables; "" = the kind */
    int kind;         /* enum controller_kind */
    bool listed;      /* a row of the tables; false: a point of its kind's frontier only */
    /* static */
    int *replicas; /* (n_services) */
    int n_replicas;
    /* khpa */
    int behavior;  /* enum khpa_behavior */
    double target; /* utilisation: CPU used / requested */
    double up_s;   /* stabilisation windows */
    double down_s;
    double tolerance;
    /* ff, oracle */
    double utilisation; /* staffing never plans above this */
    double wait_share;  /* of latency_max a call may take at one service */
    /* ff */
    double ff_down_s; /* holds the largest plan of this long */
    double growth;    /* look-ahead: multiplies the trend of the entry rate */
    /* oracle */
    double lead_s; /* has pods asked for this much earlier than they start on average */
    double hold_s; /* keeps them this long after their last use */
    /* policy */
    const char **policies; /* run directories, one per training seed; none = the run's own */
    int n_policies;
    /* policy: the training that makes them; for the check, and for advice */
    const char *training; /* its configuration; "" = not said */
    const char **settings;
    int n_settings; /* --set of the training */
    uint64_t *seeds;
    int n_seeds; /* train.seed of each policy; none = not said */
    int mode;    /* enum act_mode */
    /* explore */
    int rule;      /* enum controller_kind: nothing, khpa or ff, with the parameters above; static:
                      allocations that are drawn and held */
    double random; /* share of the changes, by service, that are drawn */
    /* scripted */
    int choice; /* enum controller_kind: ff or oracle, with the parameters above; nothing: uniform
                 */
};
extern const struct cfg_field controller_fields[];

struct controller;
struct controller_ops {
    /* Start an episode. `future` is the schedule: for references with foresight only, which say so
     * in their header; everybody else ignores it. */
    void (*reset)(struct controller *c, const struct episode_id *id, const struct schedule *future);
    /* delta (n_services) for the measured state (state_size). */
    void (*act)(struct controller *c, int32_t *delta, const float *state);
};
struct controller {
    const struct controller_ops *ops;
    const struct world *world;
    const char *name;
    /* of a team only; the others have NULL */
    const struct rules *rules;  /* it plays by */
    const int32_t *action;      /* (A, F) what it chose in the last act() */
    const int32_t *free_action; /* (A, F) its most probable choice without masks of an
                                   organisation; a scripted team has none */
    bool conflict;              /* the last act() had agents pulling one service both ways */
};

/* What the tables of a configuration cannot check, of `n` controllers: a sentence and ERR_CONFIG.
 * controller_new() checks it, too. */
enum err controller_cfg_check(const struct controller_cfg *controllers, int n,
                              const struct topology_cfg *topology) WARN_UNUSED;

/* rules: those that a team plays by, for a trained one those it was trained under. team: the
 * trained team for CONTROLLER_POLICY (loaded by the caller; NULL otherwise). By reference. */
struct team;
enum err controller_new(struct controller **out, struct arena *arena,
                        const struct controller_cfg *cfg, const struct world *world,
                        const struct rules *rules, const struct team *team) WARN_UNUSED;

/* What tables call it; static or in the configuration. */
const char *controller_label(const struct controller_cfg *cfg);
/* "khpa"; static. */
const char *controller_kind_name(enum controller_kind kind);

static inline void controller_reset(struct controller *c, const struct episode_id *id,
                                    const struct schedule *future)
{
    c->ops->reset(c, id, future);
}
static inline void controller_act(struct controller *c, int32_t *delta, const float *state)
{
    c->conflict = false;
    c->ops->act(c, delta, state);
}

#endif
