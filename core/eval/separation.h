/* Separation: is a scenario able to tell controllers apart?
 *
 * Before anything is learned, at equal vCPU-hours, the references must stand in the order
 *
 *   nothing < khpa tuned < ff < oracle
 *
 * in SLO attainment, ff by 2 points above khpa and oracle by 5. Equal cost means: each method's
 * frontier (frontier.h) is read at the mean vCPU-hours of the khpa controller that eval.separation
 * names. An inequality passes if the whole interval of the difference lies above what is asked. A
 * scenario in which one fails is changed, not the controllers: there nothing could show that
 * something was learned.
 */
#ifndef KARMA_EVAL_SEPARATION_H
#define KARMA_EVAL_SEPARATION_H

#include "core/eval/frontier.h"

/*    better             worse               asked for; NAN: shown, not judged */
#define SEPARATION_LIST(X)                                                                         \
    X(&controller_khpa, &controller_nothing, 0.0)                                                  \
    X(&controller_khpa, &controller_static, NAN)                                                   \
    X(&controller_ff, &controller_khpa, 0.02)                                                      \
    X(&controller_oracle, &controller_ff, 0.0)                                                     \
    X(&controller_oracle, &controller_khpa, 0.05)

#define SEPARATION_COUNT_(better, worse, least) +1
enum { SEPARATION_ROWS = 0 SEPARATION_LIST(SEPARATION_COUNT_) };
#undef SEPARATION_COUNT_

struct separation_row {
    int scenario;
    const struct controller_kind *better, *worse;
    double least; /* NaN: not judged */
    struct frontier_pair pair;
    bool passes;
};

struct separation {
    const struct summary *summary;
    struct separation_row *rows; /* (n_scenarios, SEPARATION_ROWS) */
    int n_rows;                  /* 0 if eval.separation is empty */
    int n_judged, n_failed;
};

/* ERR_CONFIG if eval.separation is no khpa controller. Every scenario by itself, never pooled.
 * scratch is rewound. */
enum err separation_init(struct separation *out, struct arena *arena, const struct summary *summary,
                         struct arena *scratch) WARN_UNUSED;

/* ERR_FAILED, saying how many, if an inequality failed. */
enum err separation_verdict(const struct separation *s) WARN_UNUSED;

#endif
