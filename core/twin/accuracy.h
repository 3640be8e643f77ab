/* How far a twin is from the cluster: numbers with intervals, on whole episodes it never learned
 * from.
 *
 * From every `stride`-th decision of every episode a bundle of trajectories plays on, open loop:
 * recorded actions and loads, its own states. After k periods the median of the bundle is the
 * prediction, and its quantiles are the interval. Next to it stand predictions that know nothing:
 * the state stays (hold), the mean of the training part, its median (the best constant for this
 * error).
 *
 *     skill = 1 - sum |gap| / sum |gap of the mean|
 *
 * over all services, starts and episodes, in the units of the metric. Metrics that the load alone
 * decides (entry rates), or that are exact (deployed pods), are left out. Periods under attack
 * (dataset_busy()) are also counted apart. Intervals resample episodes.
 */
#ifndef KARMA_TWIN_ACCURACY_H
#define KARMA_TWIN_ACCURACY_H

#include "core/base/stats.h"
#include "core/twin/bundle.h"

enum {
    /* Trajectories of a bundle: order statistics 2 and 38 bound 90 %, 10 and 30 50 % of what is to
     * come (ties count in part). */
    ACCURACY_SAMPLES = 39,
    ACCURACY_GROUPS_MAX = 96,
    ACCURACY_ALL = -1, /* every part */
    ACCURACY_HORIZON_MAX = 100
};

enum predictor { PREDICTOR_TWIN, PREDICTOR_HOLD, PREDICTOR_MEAN, PREDICTOR_MEDIAN, PREDICTORS };
enum accuracy_window { WINDOW_ALL, WINDOW_BUSY, WINDOW_QUIET, WINDOWS };

/* A metric: its columns in all services, or one KPI. Of latency and queue also each service alone,
 * behind all others: a pool of services may hide the one that is misjudged. */
struct accuracy_group {
    const char *name, *unit; /* of one service: "service.metric" */
    bool of_service;
    int *column; /* (n) of a state; of KPIs: n_state + its number */
    int n;
};

/* Sums over the predictions of one episode, horizon, window and group. */
struct accuracy_sum {
    double gap[PREDICTORS], inside_50, inside_90, n;
};

/* Told of every prediction of the bundle; may be NULL. */
struct accuracy_watch {
    void *ctx;
    void (*see)(void *ctx, int group, int k, double truth, double predicted);
};

struct accuracy_cfg {
    const struct dataset *data; /* what happened; in the model's features */
    int part;                   /* enum store_part, ACCURACY_ALL */
    int horizon, stride;        /* periods */
    uint64_t seed;
    const struct accuracy_watch *watch;
};

struct accuracy {
    const struct twin_model *model;
    struct accuracy_cfg cfg;
    struct accuracy_group groups[ACCURACY_GROUPS_MAX];
    int n_groups, n_episodes;
    int *episode;              /* (n_episodes) of cfg.data */
    struct accuracy_sum *sums; /* (n_episodes, horizon, WINDOWS, n_groups) */
    double *ratio;             /* (n_episodes) the paper's: smaller / larger of the mean resilience
                                  of the episode and of one trajectory that plays all of it */
    int64_t steps_by_source[TWIN_SOURCES];
};

/* Smaller / larger of two sums of what is never negative; 1 if both are 0. */
static inline double accuracy_ratio(double a, double b)
{
    return a == b ? 1.0 : a < b ? a / b : b / a;
}

/* Predicts everything; can take a minute. ERR_FORMAT if the part has no episode long enough. */
enum err accuracy_measure(struct accuracy *a, struct arena *arena, const struct twin_model *model,
                          const struct plant_cfg *plant, const struct accuracy_cfg *cfg,
                          struct arena *scratch) WARN_UNUSED;

/* Index of a group by its name, -1. */
int accuracy_find(const struct accuracy *a, const char *name);

/* Skill of a predictor, k periods ahead (1 .. horizon), with its interval; NaN where nothing was
 * predicted. */
enum err accuracy_skill(struct stat_interval *out, const struct accuracy *a, enum predictor who,
                        int group, int k, enum accuracy_window window, const struct stat_cfg *stat,
                        struct arena *scratch) WARN_UNUSED;

/* Difference of the skills of two measurements of the same episodes, a minus b. */
enum err accuracy_gain(struct stat_interval *out, const struct accuracy *a,
                       const struct accuracy *b, int group, int k, enum accuracy_window window,
                       const struct stat_cfg *stat, struct arena *scratch) WARN_UNUSED;

/* Mean |gap|, and the share of what came that lay within the intervals. */
double accuracy_gap(const struct accuracy *a, enum predictor who, int group, int k,
                    enum accuracy_window window);
enum err accuracy_coverage(struct stat_interval *out, const struct accuracy *a, bool wide,
                           int group, int k, enum accuracy_window window,
                           const struct stat_cfg *stat, struct arena *scratch) WARN_UNUSED;

#endif
