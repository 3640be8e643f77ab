/* A trial against a frontier, or at a price. See trial_score.h.
 *
 * The stream of a bootstrap is made of names, and every trial is called alike here, so all trials
 * resample the same episodes: their intervals differ by what they did, not by draws. */
#include "core/eval/trial_score.h"

#include "core/base/twoway.h"
#include "core/eval/frontier.h"

#include <math.h>
#include <string.h>

const struct controller_kind *trial_reference(const char *name)
{
    for (int i = 0; i < frontier_n_kinds(); i++) {
        if (strcmp(frontier_kind(i)->cfg.name, name) == 0) {
            return frontier_kind(i);
        }
    }
    return NULL;
}

/* What is scored: the last controller, in one scenario or the pooled one. */
struct scored {
    const struct summary *summary;
    int controller, scenario;
};

/* x (n_train, n_episodes) = metric - price x vCPU; price 0: the metric alone. */
static enum err gather(double **x, const struct scored *s, int metric, double price,
                       struct arena *scratch)
{
    const struct outcomes *o = &s->summary->outcomes;
    const int n = o->n_train[s->controller] * o->n_episodes;
    double *value = ARENA_NEW(scratch, n, double), *cost = ARENA_NEW(scratch, n, double);
    TRY(arena_error(scratch));
    outcomes_gather(value, o, s->controller, s->scenario, metric);
    if (price > 0.0) {
        outcomes_gather(cost, o, s->controller, s->scenario, METRIC_OF(vcpu));
        for (int i = 0; i < n; i++) {
            value[i] -= price * cost[i];
        }
    }
    *x = value;
    return ERR_OK;
}

/* Over the episodes in which the metric is defined; NaN if there is none. */
static enum err mean(struct stat_interval *out, const struct scored *s, int metric, double price,
                     struct arena *scratch)
{
    const struct outcomes *o = &s->summary->outcomes;
    const int n_train = o->n_train[s->controller];
    const struct stat_cfg cfg = summary_bootstrap(
        s->summary->cfg, STAT_STREAM("trial", summary_scenario_name(s->summary, s->scenario)));
    double *x;
    *out = (struct stat_interval){NAN, NAN, NAN};
    TRY(gather(&x, s, metric, price, scratch));
    const int n = outcomes_defined(x, n_train, NULL, 0, o->n_episodes);
    if (n == 0) {
        return ERR_OK;
    }
    const struct stat_arm arm = {x, (uint32_t)n_train};
    return twoway_bootstrap(out, &arm, NULL, (uint32_t)n, TWOWAY_MEAN, &cfg, scratch);
}

static enum err objective(struct stat_interval *out, const struct tune_cfg *tune,
                          const struct scored *s, struct arena *scratch)
{
    struct frontier_gap gap;
    if (tune->objective == TUNE_PRICED) {
        return mean(out, s, tune_metric(tune->metric), tune->price, scratch);
    }
    TRY(frontiers_against(&gap, s->summary, s->controller, trial_reference(tune->reference),
                          s->scenario, scratch));
    *out = gap.diff;
    return ERR_OK;
}

static enum err score(struct trial_score *out, const struct tune_cfg *tune, const struct scored *s,
                      struct arena *scratch)
{
    TRY(objective(&out->objective, tune, s, scratch));
    TRY(mean(&out->slo_attainment, s, METRIC_OF(slo_attainment), 0.0, scratch));
    return mean(&out->vcpu, s, METRIC_OF(vcpu), 0.0, scratch);
}

/* No cells of a summary are needed, so only its outcomes are made. */
enum err trial_score(struct trial_score *out, const struct tune_cfg *tune,
                     const struct eval_cfg *cfg, const struct scenario_cfg *scenarios,
                     int n_scenarios, const struct eval_row *rows, int n_rows,
                     struct arena *scratch)
{
    const struct arena_mark mark = arena_mark(scratch);
    struct summary summary = {
        .cfg = cfg, .scenarios = scenarios, .n_views = n_scenarios > 1 ? n_scenarios + 1 : 1};
    enum err e = outcomes_init(&summary.outcomes, scratch, rows, n_rows, cfg->n_controllers,
                               n_scenarios, cfg->episodes);
    if (e == ERR_OK) {
        const struct scored s = {.summary = &summary,
                                 .controller = cfg->n_controllers - 1,
                                 .scenario = summary_scenario(&summary, summary.n_views - 1)};
        e = score(out, tune, &s, scratch);
    }
    arena_rewind(scratch, mark);
    return e;
}
