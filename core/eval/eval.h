/* Evaluation: controllers x scenarios x episodes on the cluster simulator, one row per episode.
 *
 * A job list (core/base/jobs.h): job i is one episode of one controller in one scenario; its record
 * is one row. All controllers meet the same episodes (common random numbers). Evaluation uses the
 * DEV or TEST domain, never TRAIN. Learned policies come as one controller with several training
 * seeds; intervals resample training seeds and episodes.
 */
#ifndef KARMA_EVAL_EVAL_H
#define KARMA_EVAL_EVAL_H

#include "core/base/config.h"
#include "core/base/jobs.h"
#include "core/base/mem.h"
#include "core/controllers/controller.h"
#include "core/eval/lie.h"
#include "core/eval/shielding.h"
#include "core/game/org_metrics.h"
#include "core/plant/episode_metrics.h"

enum eval_trajectories { EVAL_TRAJECTORIES_NONE, EVAL_TRAJECTORIES_ALL };
enum eval_interval { EVAL_PERCENTILE, EVAL_PERCENTILE_CORRECTED };

/* A claim fixed beforehand: one controller has a higher SLO attainment than another. */
struct claim_cfg {
    const char *arm, *baseline;    /* names */
    int arm_index, baseline_index; /* controllers; eval_new() finds them */
};
enum { EVAL_CLAIMS_MAX = 8 };

struct eval_cfg {
    struct controller_cfg *controllers;
    int n_controllers;
    struct controller_cfg *frontier; /* eval_join_frontier() appends them to the controllers */
    int n_frontier;
    int n_joined;    /* the last ones of `controllers`, which came from `frontier` */
    int episodes;    /* of each controller in each scenario (and training seed) */
    int first;       /* number of the first one */
    double warmup_s; /* of each episode: played, not counted */
    int step_bound;  /* largest change of a service's replicas at one decision; 0 = none */
    bool shield;     /* behind every controller (section shield) */
    struct lie_cfg lie;
    uint64_t seed;
    int split;         /* RNG_DEV or RNG_TEST_SPLIT */
    int plant;         /* enum plant_kind */
    int resamples;     /* of the bootstrap */
    double confidence; /* 0.95 */
    int interval;      /* enum eval_interval: of means and differences */
    struct claim_cfg *claims;
    int n_claims;
    double effect_min;      /* smallest difference of slo_attainment that matters */
    const char *reference;  /* name or kind of the controllers the others are compared with */
    int trajectories;       /* enum eval_trajectories */
    const char *separation; /* name of a khpa controller: the separation is judged; "" = not */
    int figure_episode;     /* which episode is drawn; -1 = chosen */
};
extern const struct cfg_field eval_fields[];

/* "dev", "test". */
const char *eval_split_name(const struct eval_cfg *cfg);

/* Appends the rows of `frontier` to the controllers, as points of frontiers that no table shows,
 * and empties it: a grid stands in a list of its own, so that a file with it can be included. */
enum err eval_join_frontier(struct eval_cfg *cfg, struct arena *arena) WARN_UNUSED;

/* The key of controller c in the file, whatever list it came from: eval.controllers.3 or
 * eval.frontier.0. */
struct eval_key {
    char text[40];
};
struct eval_key eval_key_of(const struct eval_cfg *cfg, int c);

/* One episode of one arm. */
struct eval_row {
    int controller; /* index in cfg->controllers */
    int train;      /* index of the training seed (0 for rules) */
    int scenario;
    uint32_t episode;
    struct episode_metrics m;
    double shield[SHIELDING_COLUMNS]; /* with eval.shield; else zeros */
};

/* The trained teams of controller i; none for rules. By reference. */
struct eval_teams {
    const struct trained_team *teams; /* (n_teams) */
    int n_teams;
};

struct eval;
struct decision_cpu; /* core/eval/episode.h */
/* `teams` (n_controllers). Everything by reference. ERR_CONFIG if two controllers share a name, if
 * a claim names none, for the TRAIN domain, and if the warm-up does not fit. */
enum err eval_new(struct eval **out, struct arena *arena, const struct eval_cfg *cfg,
                  const struct env_setup *env_setup, const struct rules *rules,
                  const struct eval_teams *teams) WARN_UNUSED;

/* The job list; take() stores the rows. Valid as long as `e`. Jobs are ordered by (controller,
 * train, scenario, episode). */
struct job_list eval_jobs(struct eval *e);

/* Local: of the jobs that ran here, (n_controllers). */
const struct decision_cpu *eval_decision_cpu(const struct eval *e);

/* From now on jobs show their steps to the observer. */
struct episode_observer;
void eval_observe(struct eval *e, const struct episode_observer *observer);

/* Root only: the rows by the number of their job. *n = how many there are: a job's, or restored. */
const struct eval_row *eval_rows(const struct eval *e, int *n);

/* With an organisation (of the experiment, or a policy's own; core/eval/org_observer.h) an episode
 * also tells how its agents kept to it. How many agents that are in job i, 0 if none; their names.
 */
int eval_n_agents(const struct eval *e, int i);
const char *eval_agent_name(const struct eval *e, int i, int agent);
/* Root only: (eval_n_agents()) of the job that was taken last. */
const struct org_metric_values *eval_org_metrics(const struct eval *e);

/* Root only: row i is known from elsewhere. */
void eval_restore(struct eval *e, int i, const struct eval_row *row);

#endif
