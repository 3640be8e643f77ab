/* Frontiers, not points: a policy against the best that a method can do at the policy's own cost.
 *
 * The arms of one kind (a sweep over the settings of khpa, of ff, or over static allocations) give
 * points (mean vCPU-hours, mean slo_attainment). Playing one arm in some episodes and another in
 * the rest gives everything on the line between their points, so what the method can do is the
 * upper concave hull: not defined below its cheapest arm, flat beyond its best one (a larger budget
 * need not be spent). Intervals of the difference policy - frontier resample episodes, for all arms
 * together, and the policy's training seeds; hull and cost are made anew in every resample. An
 * episode that is not scored (episode_metrics.h) for one of them is left out for all. The hull
 * picks the best arms on the very episodes it is judged on, which favours it, not the policy.
 *
 * A *sweep* of policies is a frontier, too: trainings of one method with several weights of its
 * cost, which have the same name in trained_cfg.sweep (core/controllers/trained.h). The point of a
 * policy is its mean over training seeds. A resample draws training seeds of the arms, too,
 * independently of those of the policy that is compared. */
#ifndef KARMA_EVAL_FRONTIER_H
#define KARMA_EVAL_FRONTIER_H

#include "core/eval/summary.h"

struct frontier_point {
    double cost, value;
    int arm; /* index of the caller's */
};

/* Sorts points (n >= 1), moves the corners of the hull to the front, ascending in cost and value,
 * and returns their number. */
int frontier_hull(struct frontier_point *points, int n);

/* The hull (n corners) at a cost: NaN below the first corner. */
double frontier_at(const struct frontier_point *hull, int n, double cost);

/* Methods that form frontiers are those that say so (controller_kind.sweeps), in the order of
 * controller_kinds. Doing nothing is a fixed allocation, so it is a point of `static`. Against that
 * of scripted teams stands what learning adds inside the same organisation. How many there are, and
 * the i-th: */
int frontier_n_kinds(void);
const struct controller_kind *frontier_kind(int i);

/* Is controller c a point of that kind's frontier? */
bool frontier_has(const struct controller_kind *kind, const struct eval_cfg *cfg, int c);

/* A policy or planner against one kind or sweep in one view. */
struct frontier_gap {
    int n_arms;                /* of that one, 0 = there is no such frontier, or it is its own */
    double cost;               /* mean vCPU-hours of the policy */
    double value;              /* slo_attainment of the frontier at that cost; NaN */
    struct stat_interval diff; /* policy - frontier; NaN if the policy is cheaper than every arm */
    int undefined;             /* resamples in which it was; the interval leaves them out */
};

/* (policy - nothing) / (best ff - nothing), the best ff by the metric itself. */
struct headroom {
    struct stat_interval slo_attainment,
        resilience; /* NaN without a nothing or ff arm, or no room */
};

struct frontiers {
    const struct summary *summary;
    const int *policies; /* (n_policies) listed controllers that need a policy, and planners */
    int n_policies;
    int n_kinds;         /* frontier_n_kinds() */
    const char **sweeps; /* (n_sweeps) names, in the order of their first policies */
    int n_sweeps;
    struct frontier_gap *gaps;  /* (n_policies, n_kinds + n_sweeps, n_views) */
    struct headroom *headrooms; /* (n_policies, n_views) */
};

/* All arms count, listed or not. scratch is rewound. */
enum err frontiers_init(struct frontiers *f, struct arena *arena, const struct summary *summary,
                        struct arena *scratch) WARN_UNUSED;

/* Frontier i < n_kinds + n_sweeps: the kinds, then the sweeps. Its name, and the corners of its
 * hull as of frontiers_hull(). */
const char *frontiers_name(const struct frontiers *f, int i);
int frontiers_corners(struct frontier_point *points, const struct frontiers *f, int i,
                      int scenario);
const struct frontier_gap *frontiers_gap(const struct frontiers *f, int policy, int i, int view);
const struct headroom *frontiers_headroom(const struct frontiers *f, int policy, int view);

/* Controller `arm`, whatever its kind, against the arms of `kind` but itself, in a scenario (or
 * OUTCOMES_POOLED). Reads of the summary its outcomes, its configuration and the scenarios. scratch
 * is rewound. */
enum err frontiers_against(struct frontier_gap *out, const struct summary *summary, int arm,
                           const struct controller_kind *kind, int scenario,
                           struct arena *scratch) WARN_UNUSED;

/* Two kinds held against each other at the cost of a third party. */
struct frontier_pair {
    int n_a, n_b;              /* arms, 0 = there is no such frontier */
    double cost;               /* mean vCPU-hours of the anchor */
    double value_a, value_b;   /* slo_attainment of the frontiers at that cost; NaN */
    struct stat_interval diff; /* a - b; NaN if the anchor is cheaper than every arm of one */
    int undefined;             /* resamples in which it was; the interval leaves them out */
};

/* The frontier of kind a minus that of kind b, both at the cost of controller `anchor`, in a
 * scenario (or OUTCOMES_POOLED). Any kind of rules may be a or b. scratch is rewound. */
enum err frontiers_pair(struct frontier_pair *out, const struct summary *summary,
                        const struct controller_kind *a, const struct controller_kind *b,
                        int anchor, int scenario, struct arena *scratch) WARN_UNUSED;

/* Corners of one kind's frontier in a view from all episodes: points must have room for
 * n_controllers; arm = index of the controller. Returns their number, 0 if the kind has no arms. */
int frontiers_hull(struct frontier_point *points, const struct outcomes *o,
                   const struct eval_cfg *cfg, const struct controller_kind *kind, int scenario);

#endif
