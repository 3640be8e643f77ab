/* Claims: comparisons that were fixed before the evaluation, and what became of them.
 *
 * Claim: `arm` has a higher SLO attainment (slo_attainment) than `baseline`, over all scenarios
 * with equal weights (the pooled view; the only scenario if there is one). Each has a difference
 * with an interval that covers other trainings and other episodes, and a p-value of the sign-flip
 * test on units that share nothing (twoway_units), adjusted by Holm over all claims. Intervals hold
 * together: of k claims each has the level 1 - (1 - confidence) / k (C. E. Bonferroni), widened for
 * few training seeds (twoway_satterthwaite). An arm that was trained with one seed says nothing
 * about another training: the difference then has no interval, p is 1, and the claim is undecided.
 */
#ifndef KARMA_EVAL_CLAIMS_H
#define KARMA_EVAL_CLAIMS_H

#include "core/eval/summary.h"

enum verdict {
    VERDICT_SUPPORTED,  /* adjusted p <= 1 - confidence, the interval lies above 0, and the
                           difference is >= effect_min */
    VERDICT_EQUIVALENT, /* the interval lies inside +- effect_min */
    VERDICT_REFUTED,    /* it lies below +effect_min, and not inside */
    VERDICT_UNDECIDED
};
const char *verdict_text(enum verdict v); /* "supported"; static */

struct claim {
    int arm, baseline;          /* controllers */
    struct stat_interval diff;  /* of slo_attainment; value NaN if no episode has one, lo and hi NaN
                                   if an arm has a single training */
    struct stat_interval share; /* probability of improvement, at the level of the evaluation */
    double p, p_holm;
    int n_units; /* of the test; n units cannot give p below 2^(1 - n) */
    enum verdict verdict;
};

struct claims {
    struct claim *items; /* (n) */
    int n;
    double level; /* of the intervals of diff */
};

/* scratch is rewound. */
enum err claims_init(struct claims *c, struct arena *arena, const struct summary *s,
                     struct arena *scratch) WARN_UNUSED;

/* One comparison by itself, of any metric in a scenario or OUTCOMES_POOLED: diff is arm - baseline
 * at that level, p is not adjusted, p_holm is 1 and the verdict VERDICT_UNDECIDED: who compares
 * several adjusts all of them (stat_holm()) and decides (claims_verdict()). scratch is rewound. */
enum err claims_compare(struct claim *c, const struct summary *s, int arm, int baseline,
                        int scenario, int metric, double level, struct arena *scratch) WARN_UNUSED;

/* A number that each training has once, by training seed; a rule has one. */
struct claim_values {
    const double *x; /* (n) */
    int n;
    bool learned;
};

/* The same of such numbers: diff at the level of cfg, p of the sign-flip test on the differences of
 * the i-th trainings. Both are about other trainings, judged as these were (on these episodes). */
enum err claims_compare_trainings(struct claim *c, const struct claim_values *a,
                                  const struct claim_values *b, const struct stat_cfg *cfg,
                                  struct arena *scratch) WARN_UNUSED;

/* From what is known of it: for tests and for claims_init(). */
enum verdict claims_verdict(const struct stat_interval *diff, double p_holm, double alpha,
                            double effect_min);

#endif
