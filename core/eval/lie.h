/* Lying metrics: what a controller and the shield are shown instead of the truth, fresh by its age.
 *
 * The values that tell the load are falsified together for a time in each episode: entry rates, and
 * of each service received, succeeded and failed calls, CPU, utilisation and the CPU of the
 * Kubernetes rule. Numbers of pods stay true, since the API server tells them.
 *
 *   factor   times eval.lie.factor
 *   sign     times -1
 *   frozen   as they were when the lie began
 */
#ifndef KARMA_EVAL_LIE_H
#define KARMA_EVAL_LIE_H

#include "core/base/config.h"
#include "core/base/mem.h"

enum lie_kind { LIE_NONE, LIE_FACTOR, LIE_SIGN, LIE_FROZEN };

/* eval.lie */
struct lie_cfg {
    int kind; /* enum lie_kind */
    double factor, start_s, duration_s, every_s;
};
extern const struct cfg_field lie_fields[];

struct lie {
    const struct lie_cfg *cfg;
    int n_services;
    float *shown;  /* (state_size) */
    float *before; /* (state_size) as it was when the lie began */
    bool began;
};

enum err lie_init(struct lie *l, struct arena *arena, const struct lie_cfg *cfg,
                  int n_services) WARN_UNUSED;

/* An episode starts: what was shown in the last one is forgotten. */
void lie_begin(struct lie *l);

/* What is shown of `state` at time t_s of an episode: `state` itself while nobody lies, else the
 * lie's own memory. */
const float *lie_shown(struct lie *l, const float *state, double t_s);

#endif
