/* Means, intervals and paired differences of an evaluation. See summary.h. */
#include "core/eval/summary.h"

#include <math.h>
#include <string.h>

/* ---- who is reported, who is compared with ---- */

static enum err choose_shown(struct summary *s, struct arena *arena)
{
    int *shown = ARENA_NEW(arena, s->cfg->n_controllers, int);
    TRY(arena_error(arena));
    for (int c = 0; c < s->cfg->n_controllers; c++) {
        if (s->cfg->controllers[c].show) {
            shown[s->n_shown++] = c;
        }
    }
    s->shown = shown;
    return ERR_OK;
}

/* References are numbers among the shown controllers, not among all. */
static int match_references(int *out, const struct summary *s, bool by_kind)
{
    int n = 0;
    for (int i = 0; i < s->n_shown; i++) {
        const struct controller_cfg *c = &s->cfg->controllers[s->shown[i]];
        const char *name = by_kind ? controller_kind(c)->cfg.name : controller_label(c);
        if (strcmp(name, s->cfg->reference) == 0) {
            out[n++] = i;
        }
    }
    return n;
}

/* A name is more specific than a kind, so it is tried first. n_shown + 1 places: at least one even
 * if nothing is shown. */
static enum err choose_references(struct summary *s, struct arena *arena)
{
    int *references = ARENA_NEW(arena, s->n_shown + 1, int);
    TRY(arena_error(arena));
    int n = match_references(references, s, false);
    if (n == 0) {
        n = match_references(references, s, true);
    }
    if (n == 0 && s->n_shown > 0) {
        references[n++] = 0;
    }
    s->references = references;
    s->n_references = n;
    return ERR_OK;
}

/* ---- numbers ---- */

struct stat_cfg summary_bootstrap(const struct eval_cfg *cfg, uint32_t stream)
{
    return (struct stat_cfg){.seed = cfg->seed,
                             .stream = stream,
                             .resamples = (uint32_t)cfg->resamples,
                             .level = cfg->confidence};
}

int summary_scenario(const struct summary *s, int view)
{
    return view < s->outcomes.n_scenarios ? view : OUTCOMES_POOLED;
}

const char *summary_scenario_name(const struct summary *s, int scenario)
{
    return scenario == OUTCOMES_POOLED ? "(all)" : s->scenarios[scenario].name;
}

/* The names in a fixed order: statistic, the controllers that the number is about, scenario,
 * metric. */
uint32_t summary_stream(const struct summary *s, const char *statistic, int a, int b, int scenario,
                        int metric)
{
    const struct controller_cfg *controllers = s->cfg->controllers;
    const char *names[6] = {statistic};
    int n = 1;
    if (a != SUMMARY_NONE) {
        names[n++] = controller_label(&controllers[a]);
    }
    if (b != SUMMARY_NONE) {
        names[n++] = controller_label(&controllers[b]);
    }
    names[n++] = summary_scenario_name(s, scenario);
    names[n++] = metric_info[metric].name;
    names[n] = NULL;
    return stat_stream(names);
}

/* One axis of a number: a controller's sample of a metric. */
struct sample {
    double *x; /* (n_train, n_episodes) */
    int n_train;
};

static enum err take_sample(struct sample *out, const struct summary *s, int controller,
                            int scenario, int metric, struct arena *scratch)
{
    const struct outcomes *o = &s->outcomes;
    out->n_train = o->n_train[controller];
    out->x = ARENA_NEW(scratch, out->n_train * o->n_episodes, double);
    TRY(arena_error(scratch));
    outcomes_gather(out->x, o, controller, scenario, metric);
    return ERR_OK;
}

/* Of a, or of a and b, over the episodes in which both are defined. outcomes_defined() closes the
 * samples up in place, so they are used once. Widening may push the interval of a probability over
 * 0 or 1, where it is cut. */
static enum err estimate(struct summary_cell *out, const struct summary *s, const struct sample *a,
                         const struct sample *b, enum twoway_statistic what, uint32_t stream,
                         struct arena *scratch)
{
    const int n_episodes = s->outcomes.n_episodes;
    const int n = outcomes_defined(a->x, a->n_train, b != NULL ? b->x : NULL,
                                   b != NULL ? b->n_train : 0, n_episodes);
    *out = (struct summary_cell){.value = {NAN, NAN, NAN}, .n = n, .skipped = n_episodes - n};
    if (n == 0) {
        return ERR_OK;
    }
    const struct stat_cfg cfg = summary_bootstrap(s->cfg, stream);
    const struct stat_arm arm_a = {a->x, (uint32_t)a->n_train};
    const struct stat_arm arm_b =
        b != NULL ? (struct stat_arm){b->x, (uint32_t)b->n_train} : (struct stat_arm){0};
    const struct stat_arm *other = b != NULL ? &arm_b : NULL;
    TRY(twoway_bootstrap(&out->value, &arm_a, other, (uint32_t)n, what, &cfg, scratch));
    if (s->cfg->interval == EVAL_PERCENTILE_CORRECTED) {
        out->value = twoway_ci_widen(&out->value,
                                     twoway_satterthwaite(&arm_a, other, (uint32_t)n, cfg.level));
    }
    if (what == TWOWAY_IMPROVEMENT) { /* a probability */
        out->value.lo = fmax(out->value.lo, 0.0);
        out->value.hi = fmin(out->value.hi, 1.0);
    }
    return ERR_OK;
}

enum err summary_mean(struct summary_cell *out, const struct summary *s, int controller,
                      int scenario, int metric, enum twoway_statistic what, struct arena *scratch)
{
    const struct arena_mark mark = arena_mark(scratch);
    const bool is_bound = metric == METRIC_OF(upper_bound);
    const uint32_t stream = summary_stream(
        s, twoway_name(what), is_bound ? SUMMARY_NONE : controller, SUMMARY_NONE, scenario, metric);
    struct sample a;
    enum err e = take_sample(&a, s, controller, scenario, metric, scratch);
    /* The bound is a number of the episodes: the same for every training seed of every controller,
     * and so is its interval. */
    a.n_train = is_bound ? 1 : a.n_train;
    if (e == ERR_OK) {
        e = estimate(out, s, &a, NULL, what, stream, scratch);
    }
    arena_rewind(scratch, mark);
    return e;
}

/* Both samples are of the same episodes and stay aligned: a pair that lacks a value is dropped. */
enum err summary_difference(struct summary_cell *out, const struct summary *s, int a, int b,
                            int scenario, int metric, enum twoway_statistic what,
                            struct arena *scratch)
{
    const struct arena_mark mark = arena_mark(scratch);
    const uint32_t stream = summary_stream(s, twoway_name(what), a, b, scenario, metric);
    struct sample x;
    struct sample y;
    enum err e = take_sample(&x, s, a, scenario, metric, scratch);
    if (e == ERR_OK) {
        e = take_sample(&y, s, b, scenario, metric, scratch);
    }
    if (e == ERR_OK) {
        e = estimate(out, s, &x, &y, what, stream, scratch);
    }
    arena_rewind(scratch, mark);
    return e;
}

/* cells is filled in the order of summary_cell(): controller, view, metric. */
static enum err fill_cells(struct summary *s, struct arena *scratch)
{
    struct summary_cell *out = s->cells;
    for (int i = 0; i < s->n_shown; i++) {
        for (int v = 0; v < s->n_views; v++) {
            for (int m = 0; m < METRIC_COUNT; m++) {
                TRY(summary_mean(out++, s, s->shown[i], summary_scenario(s, v), m, TWOWAY_MEAN,
                                 scratch));
            }
            TRY(summary_mean(&s->iqms[i * s->n_views + v], s, s->shown[i], summary_scenario(s, v),
                             METRIC_OF(slo_attainment), TWOWAY_IQM, scratch));
        }
    }
    return ERR_OK;
}

/* Controller a minus controller b. */
static enum err fill_gap(struct summary_gap *out, const struct summary *s, int a, int b,
                         int scenario, struct arena *scratch)
{
    const int slo_attainment = METRIC_OF(slo_attainment);
    TRY(summary_difference(&out->slo_attainment, s, a, b, scenario, slo_attainment, TWOWAY_MEAN,
                           scratch));
    TRY(summary_difference(&out->vcpu_h, s, a, b, scenario, METRIC_OF(vcpu_h), TWOWAY_MEAN,
                           scratch));
    return summary_difference(&out->better, s, a, b, scenario, slo_attainment, TWOWAY_IMPROVEMENT,
                              scratch);
}

static enum err fill_gaps(struct summary *s, struct arena *scratch)
{
    struct summary_gap *out = s->gaps;
    for (int r = 0; r < s->n_references; r++) {
        for (int i = 0; i < s->n_shown; i++) {
            /* out moves on for the reference itself, too: its place in the table stays empty. */
            for (int v = 0; v < s->n_views; v++, out++) {
                if (s->references[r] == i) {
                    continue; /* a controller is not compared with itself */
                }
                TRY(fill_gap(out, s, s->shown[s->references[r]], s->shown[i],
                             summary_scenario(s, v), scratch));
            }
        }
    }
    return ERR_OK;
}

/* Episodes in which a controller has no slo_attainment under some training seed. */
static int count_empty(const struct summary *s, int controller, const double *x)
{
    const struct outcomes *o = &s->outcomes;
    int n = 0;
    for (int e = 0; e < o->n_episodes; e++) {
        bool empty = false;
        for (int t = 0; t < o->n_train[controller]; t++) {
            empty = empty || isnan(x[t * o->n_episodes + e]);
        }
        n += empty ? 1 : 0;
    }
    return n;
}

/* The largest number over all controllers, shown or not. */
static enum err fill_empty(struct summary *s, struct arena *arena, struct arena *scratch)
{
    int *n_empty = ARENA_NEW(arena, s->n_views, int);
    TRY(arena_error(arena));
    for (int v = 0; v < s->n_views; v++) {
        n_empty[v] = 0;
        for (int c = 0; c < s->outcomes.n_controllers; c++) {
            const struct arena_mark mark = arena_mark(scratch);
            double *x = ARENA_NEW(scratch, s->outcomes.n_train[c] * s->outcomes.n_episodes, double);
            TRY(arena_error(scratch));
            outcomes_gather(x, &s->outcomes, c, summary_scenario(s, v), METRIC_OF(slo_attainment));
            const int n = count_empty(s, c, x);
            n_empty[v] = n > n_empty[v] ? n : n_empty[v];
            arena_rewind(scratch, mark);
        }
    }
    s->n_empty = n_empty;
    return ERR_OK;
}

enum err summary_begin(struct summary *s, struct arena *arena, const struct eval_cfg *cfg,
                       const struct scenario_cfg *scenarios, int n_scenarios,
                       const struct eval_row *rows, int n_rows)
{
    *s = (struct summary){.cfg = cfg,
                          .scenarios = scenarios,
                          .n_views = n_scenarios > 1 ? n_scenarios + 1 : n_scenarios};
    TRY(outcomes_init(&s->outcomes, arena, rows, n_rows, cfg->n_controllers, n_scenarios,
                      cfg->episodes));
    TRY(choose_shown(s, arena));
    return choose_references(s, arena);
}

enum err summary_init(struct summary *s, struct arena *arena, const struct eval_cfg *cfg,
                      const struct scenario_cfg *scenarios, int n_scenarios,
                      const struct eval_row *rows, int n_rows, struct arena *scratch)
{
    TRY(summary_begin(s, arena, cfg, scenarios, n_scenarios, rows, n_rows));
    s->cells = ARENA_NEW(arena, s->n_shown * s->n_views * METRIC_COUNT, struct summary_cell);
    s->gaps = ARENA_NEW(arena, s->n_references * s->n_shown * s->n_views, struct summary_gap);
    s->iqms = ARENA_NEW(arena, s->n_shown * s->n_views, struct summary_cell);
    TRY(arena_error(arena));
    TRY(fill_empty(s, arena, scratch));
    TRY(fill_cells(s, scratch));
    return fill_gaps(s, scratch);
}

const struct summary_cell *summary_cell(const struct summary *s, int shown, int view, int metric)
{
    return &s->cells[(shown * s->n_views + view) * METRIC_COUNT + metric];
}

const struct summary_cell *summary_iqm(const struct summary *s, int shown, int view)
{
    return &s->iqms[shown * s->n_views + view];
}

const struct summary_gap *summary_gap(const struct summary *s, int reference, int shown, int view)
{
    return &s->gaps[(reference * s->n_shown + shown) * s->n_views + view];
}
