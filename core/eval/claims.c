/* One claim after the other, then Holm over all of them. See claims.h. */
#include "core/eval/claims.h"

#include "core/controllers/kinds.h"

#include <math.h>

enum { PATTERNS_MIN = 10000 }; /* of signs, where they cannot all be counted */

const char *verdict_text(enum verdict v)
{
    static const char *const texts[] = {[VERDICT_SUPPORTED] = "supported",
                                        [VERDICT_EQUIVALENT] = "equivalent",
                                        [VERDICT_REFUTED] = "refuted",
                                        [VERDICT_UNDECIDED] = "undecided"};
    return texts[v];
}

/* The verdicts exclude each other in this order: inside +-effect_min; below +effect_min but not
 * inside; then at least +effect_min is possible. A difference that is NaN fails every comparison
 * and is undecided. */
enum verdict claims_verdict(const struct stat_interval *diff, double p_holm, double alpha,
                            double effect_min)
{
    if (diff->lo > -effect_min && diff->hi < effect_min) {
        return VERDICT_EQUIVALENT;
    }
    if (diff->hi < effect_min) {
        return VERDICT_REFUTED;
    }
    const bool sure = p_holm <= alpha && diff->lo > 0.0;
    return sure && diff->value >= effect_min ? VERDICT_SUPPORTED : VERDICT_UNDECIDED;
}

/* What a claim is about. */
struct endpoint {
    int scenario, metric;
    double level; /* of the interval of the difference */
};

static enum err gather(struct stat_arm *arm, double **values, const struct summary *s,
                       int controller, const struct endpoint *about, struct arena *scratch)
{
    const struct outcomes *o = &s->outcomes;
    const int n_train = o->n_train[controller];
    double *x = ARENA_NEW(scratch, n_train * o->n_episodes, double);
    TRY(arena_error(scratch));
    outcomes_gather(x, o, controller, about->scenario, about->metric);
    *values = x;
    *arm = (struct stat_arm){x, (uint32_t)n_train};
    return ERR_OK;
}

/* Claims are about the last view: the pooled one, if there is more than one scenario. */
static int scenario_of(const struct summary *s)
{
    return summary_scenario(s, s->n_views - 1);
}

/* A stream of the names of statistic, arm, baseline, scenario and metric: summary.h says why. */
static struct stat_cfg settings(const struct claim *c, const struct summary *s,
                                const struct endpoint *about, const char *statistic)
{
    return summary_bootstrap(
        s->cfg, summary_stream(s, statistic, c->arm, c->baseline, about->scenario, about->metric));
}

/* The units of twoway_units() share neither training nor episode, so their signs may be flipped one
 * by one. Their number is at most the larger of the two numbers that size `diff`. */
static enum err test(struct claim *c, const struct summary *s, const struct endpoint *about,
                     const struct stat_arm *a, const struct stat_arm *b, uint32_t n_eval,
                     struct arena *scratch)
{
    const uint32_t n_train = a->n_train > b->n_train ? a->n_train : b->n_train;
    double *diff = ARENA_NEW(scratch, n_train > n_eval ? n_train : n_eval, double);
    TRY(arena_error(scratch));
    c->n_units = (int)twoway_units(diff, a, b, n_eval);
    struct stat_cfg cfg = settings(c, s, about, "sign flips");
    cfg.resamples = cfg.resamples > PATTERNS_MIN ? cfg.resamples : PATTERNS_MIN;
    return stat_sign_flip(&c->p, diff, (uint32_t)c->n_units, &cfg);
}

/* The interval of the difference has the level of all claims together and is widened for few seeds;
 * that of the probability of improvement, which decides nothing, keeps the evaluation's level. */
static enum err estimate(struct claim *c, const struct summary *s, const struct endpoint *about,
                         const struct stat_arm *a, const struct stat_arm *b, uint32_t n_eval,
                         struct arena *scratch)
{
    const struct stat_cfg share = settings(c, s, about, twoway_name(TWOWAY_IMPROVEMENT));
    struct stat_cfg together = settings(c, s, about, twoway_name(TWOWAY_MEAN));
    together.level = about->level;
    TRY(twoway_bootstrap(&c->diff, a, b, n_eval, TWOWAY_MEAN, &together, scratch));
    c->diff = twoway_ci_widen(&c->diff, twoway_satterthwaite(a, b, n_eval, about->level));
    TRY(twoway_bootstrap(&c->share, a, b, n_eval, TWOWAY_IMPROVEMENT, &share, scratch));
    return test(c, s, about, a, b, n_eval, scratch);
}

/* One training shows nothing of the chance of training, and neither do its episodes. */
static void forget_interval(struct claim *c)
{
    c->diff.lo = c->diff.hi = NAN;
    c->share.lo = c->share.hi = NAN;
    c->p = 1.0;
}

static bool trained_once(const struct summary *s, int controller)
{
    return s->cfg->controllers[controller].method.kind == &controller_policy.cfg &&
           s->outcomes.n_train[controller] == 1;
}

/* Episodes in which one of the two does not have the metric (episode_metrics.h) are left out; if
 * that is all of them, nothing is claimed. */
static enum err compare(struct claim *c, const struct summary *s, const struct endpoint *about,
                        struct arena *scratch)
{
    struct stat_arm a, b;
    double *x, *y;
    TRY(gather(&a, &x, s, c->arm, about, scratch));
    TRY(gather(&b, &y, s, c->baseline, about, scratch));
    const int n = outcomes_defined(x, (int)a.n_train, y, (int)b.n_train, s->outcomes.n_episodes);
    TRY(n > 0 ? estimate(c, s, about, &a, &b, (uint32_t)n, scratch) : ERR_OK);
    if (trained_once(s, c->arm) || trained_once(s, c->baseline)) {
        forget_interval(c);
    }
    return ERR_OK;
}

static const struct claim nothing_known = {.arm = -1,
                                           .baseline = -1,
                                           .diff = {NAN, NAN, NAN},
                                           .share = {NAN, NAN, NAN},
                                           .p = 1.0,
                                           .p_holm = 1.0,
                                           .verdict = VERDICT_UNDECIDED};

enum err claims_compare(struct claim *c, const struct summary *s, int arm, int baseline,
                        int scenario, int metric, double level, struct arena *scratch)
{
    const struct arena_mark mark = arena_mark(scratch);
    const struct endpoint about = {.scenario = scenario, .metric = metric, .level = level};
    *c = nothing_known;
    c->arm = arm;
    c->baseline = baseline;
    const enum err e = compare(c, s, &about, scratch);
    arena_rewind(scratch, mark);
    return e;
}

/* A table with one column is a sample of trainings. A rule stands against each of them. */
static enum err compare_trainings(struct claim *c, const struct claim_values *a,
                                  const struct claim_values *b, const struct stat_cfg *cfg,
                                  struct arena *scratch)
{
    const struct stat_arm x = {a->x, (uint32_t)a->n}, y = {b->x, (uint32_t)b->n};
    const int n = !a->learned ? b->n : !b->learned || a->n < b->n ? a->n : b->n;
    double *diff = ARENA_NEW(scratch, n, double);
    TRY(arena_error(scratch));
    TRY(twoway_bootstrap(&c->diff, &x, &y, 1, TWOWAY_MEAN, cfg, scratch));
    c->diff = twoway_ci_widen(&c->diff, twoway_satterthwaite(&x, &y, 1, cfg->level));
    for (int i = 0; i < n; i++) {
        diff[i] = a->x[a->learned ? i : 0] - b->x[b->learned ? i : 0];
    }
    c->n_units = n;
    struct stat_cfg flips = *cfg;
    flips.resamples = flips.resamples > PATTERNS_MIN ? flips.resamples : PATTERNS_MIN;
    return stat_sign_flip(&c->p, diff, (uint32_t)n, &flips);
}

enum err claims_compare_trainings(struct claim *c, const struct claim_values *a,
                                  const struct claim_values *b, const struct stat_cfg *cfg,
                                  struct arena *scratch)
{
    const struct arena_mark mark = arena_mark(scratch);
    *c = nothing_known;
    if (a->n == 0 || b->n == 0) {
        return ERR_OK;
    }
    const enum err e = compare_trainings(c, a, b, cfg, scratch);
    if ((a->n == 1 && (a->learned || b->n == 1)) || (b->n == 1 && b->learned)) {
        forget_interval(c);
    }
    arena_rewind(scratch, mark);
    return e;
}

/* Holm's adjustment needs all p-values, so verdicts come after the last claim was computed. */
static enum err decide_verdicts(struct claims *c, const struct summary *s, struct arena *scratch)
{
    double *p = ARENA_NEW(scratch, c->n, double);
    double *adjusted = ARENA_NEW(scratch, c->n, double);
    uint32_t *order = ARENA_NEW(scratch, c->n, uint32_t);
    TRY(arena_error(scratch));
    for (int i = 0; i < c->n; i++) {
        p[i] = c->items[i].p;
    }
    stat_holm(adjusted, p, (uint32_t)c->n, order);
    for (int i = 0; i < c->n; i++) {
        struct claim *claim = &c->items[i];
        claim->p_holm = adjusted[i];
        claim->verdict = claims_verdict(&claim->diff, claim->p_holm, 1.0 - s->cfg->confidence,
                                        s->cfg->effect_min);
    }
    return ERR_OK;
}

static enum err fill_all(struct claims *c, const struct summary *s, struct arena *scratch)
{
    for (int i = 0; i < c->n; i++) {
        const struct claim_cfg *cfg = &s->cfg->claims[i];
        TRY(claims_compare(&c->items[i], s, cfg->arm_index, cfg->baseline_index, scenario_of(s),
                           METRIC_OF(slo_attainment), c->level, scratch));
    }
    return c->n > 0 ? decide_verdicts(c, s, scratch) : ERR_OK;
}

enum err claims_init(struct claims *c, struct arena *arena, const struct summary *s,
                     struct arena *scratch)
{
    const int n = s->cfg->n_claims;
    *c = (struct claims){.items = ARENA_NEW(arena, n, struct claim),
                         .n = n,
                         .level = 1.0 - (1.0 - s->cfg->confidence) / (n > 0 ? n : 1)};
    TRY(arena_error(arena));
    const struct arena_mark mark = arena_mark(scratch);
    const enum err e = fill_all(c, s, scratch);
    arena_rewind(scratch, mark);
    return e;
}
