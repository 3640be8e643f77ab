/* One episode of one controller on one plant: the loop that evaluation and `simulate` share. */
#ifndef KARMA_EVAL_EPISODE_H
#define KARMA_EVAL_EPISODE_H

#include "core/base/mem.h"
#include "core/controllers/controller.h"
#include "core/eval/lie.h"
#include "core/eval/raider.h"
#include "core/eval/shielding.h"
#include "core/eval/upper_bound.h"
#include "core/game/env_setup.h"
#include "core/plant/episode_metrics.h"
#include "core/scenario/schedule.h"

/* What an observer is shown after each decision period. */
struct episode_step {
    int step;             /* 0 .. horizon-1 */
    const float *state;   /* measured at the end of the period */
    const int32_t *delta; /* (n_services) executed */
    /* of a team; NULL for rules. See struct controller */
    const struct team_spec *spec;
    const int32_t *action, *free_action; /* (A, F) */
    const struct rules *rules;           /* they play by; NULL: by another interface */
    const struct shielding *shielding;   /* what it altered in this decision; NULL: no shield */
    const struct plant_truth *truth;     /* of a plant without exact counters: NaN where unknown */
    const struct reward_terms *reward;
    /* of the learned attacker: what it had when the episode began, and at the end of the period;
     * NULL: there is none */
    const struct attack_budget *attack_all, *attack_left;
};
struct episode_observer {
    void *ctx;
    void (*begin)(void *ctx, const float *state); /* the first decision's; NULL: not wanted */
    enum err (*see)(void *ctx, const struct episode_step *step);
    void (*end)(void *ctx, const struct episode_metrics *m); /* NULL: not wanted */
};

/* CPU of decisions: how many, and the time of their act(). No result depends on it. */
struct decision_cpu {
    double n, cpu_s;
};

/* Room for one episode at a time. */
struct episode {
    const struct env_setup *env_setup;
    struct plant *plant; /* one environment */
    struct schedule schedule;
    struct episode_account account;
    struct upper_bound upper_bound;
    int32_t *delta;              /* (n_services) */
    struct shielding *shielding; /* NULL: no shield; episode_shield() */
    struct lie *lie;             /* NULL: metrics tell the truth; episode_lie() */
    struct decision_cpu *cpu;    /* NULL, or set by the caller: decisions are added to it */
    struct raider *raider;       /* NULL, or set by the caller: an attacker; no bound is computed */
    struct attack_budget attack_all; /* its budget in the running episode */
    int step_bound; /* 0, or set by the caller: no service changes by more at a decision */
    double
        warmup_s; /* 0, or set by the caller: metrics count from then on, and there is no bound */
};
/* Is it a whole number of periods and windows, shorter than an episode? Else ERR_CONFIG. */
enum err episode_check_warmup(double warmup_s, const struct env_setup *w) WARN_UNUSED;
enum err episode_init(struct episode *e, struct arena *arena,
                      const struct env_setup *w) WARN_UNUSED;
/* The same, on the twin if that is what is measured: then there are no cohorts, so no recovery and
 * no bound. */
enum err episode_init_on(struct episode *e, struct arena *arena, const struct env_setup *w,
                         enum plant_kind kind) WARN_UNUSED;

/* From now on a shield stands behind the controllers; its step cap is at most step_bound, which the
 * caller has set before. ERR_MEMORY. */
enum err episode_shield(struct episode *e, struct arena *arena,
                        const struct shield *shield) WARN_UNUSED;
/* From now on controllers and shield are shown a lie, unless it is of the kind none. ERR_MEMORY. */
enum err episode_lie(struct episode *e, struct arena *arena, const struct lie_cfg *cfg) WARN_UNUSED;

/* Plays scenario `scenario` as `id` under `c` to the end. observer may be NULL. The schedule and
 * the plant's cohorts stay readable until the next run. ERR_MISMATCH if the result exceeds the
 * bound. */
enum err episode_run(struct episode *e, struct episode_metrics *out, struct controller *c,
                     int scenario, const struct episode_id *id,
                     const struct episode_observer *observer) WARN_UNUSED;

#endif
