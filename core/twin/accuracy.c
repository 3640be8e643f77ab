/* Bundles of trajectories against what happened. See accuracy.h.
 *
 * Columns are put into groups first. Then play_starts() plays a bundle from every start and adds
 * scores to one struct accuracy_sum for each episode, horizon, window and group. Sums of episodes
 * are kept apart, because the intervals at the end resample whole episodes: periods of one episode
 * depend on each other. */
#include "core/twin/accuracy.h"

#include "core/base/log.h"
#include "core/base/order.h"
#include "core/plant/reward.h"
#include "core/trace/column_def.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Columns that the load alone decides, or that are exact: predicting them is no merit of the
 * twin. */
static bool is_exogenous(const char *name)
{
    static const char *const names[] = {"id",        "desired",     "deployed",    "received",
                                        "hpa_ready", "hpa_ignored", "hpa_missing", "net_in",
                                        "net_out",   "pod_age"};
    bool is = strncmp(name, "entry_", 6) == 0;
    for (size_t i = 0; !is && i < sizeof names / sizeof *names; i++) {
        is = strcmp(name, names[i]) == 0;
    }
    return is;
}

/* ---- groups ---- */

/* Adds the column to the group of that name, which is made if it is new. A group has at most one
 * column for each service. What does not fit (ACCURACY_GROUPS_MAX) is left out. */
static enum err add_to_group(struct accuracy *a, struct arena *arena, const char *name,
                             const char *unit, int column)
{
    int g = accuracy_find(a, name);
    if (g < 0 && a->n_groups == ACCURACY_GROUPS_MAX) {
        return ERR_OK;
    }
    if (g < 0) {
        g = a->n_groups++;
        a->groups[g] =
            (struct accuracy_group){.name = name,
                                    .unit = unit,
                                    .column = ARENA_NEW(arena, a->model->features.n_services, int)};
        TRY(arena_error(arena));
    }
    struct accuracy_group *group = &a->groups[g];
    if (group->n < a->model->features.n_services) {
        group->column[group->n++] = column;
    }
    return ERR_OK;
}

/* The KPIs that no column shows. */
static enum err group_kpis(struct accuracy *a, struct arena *arena)
{
    static const struct {
        enum features_kpi kpi;
        const char *name, *unit;
    } list[] = {{KPI_SUCCESS, "answered (exact)", ""},
                {KPI_COMPLIANT, "in time (exact)", ""},
                {KPI_LATENCY, "latency (exact)", "ms"},
                {KPI_REQUESTED, "CPU requested", "mcpu"}};
    for (size_t i = 0; a->model->features.n_kpis > 0 && i < sizeof list / sizeof *list; i++) {
        TRY(add_to_group(a, arena, list[i].name, list[i].unit,
                         a->model->features.n_state + (int)list[i].kpi));
    }
    return ERR_OK;
}

/* As far as there is room for them. */
static enum err group_services(struct accuracy *a, struct arena *arena)
{
    static const char *const apart[] = {"latency", "queue"};
    const struct features *s = &a->model->features;
    for (size_t m = 0; m < sizeof apart / sizeof *apart; m++) {
        for (int i = 0; i < s->n_state && a->n_groups < ACCURACY_GROUPS_MAX; i++) {
            const char *column = s->header.columns[i];
            if (s->columns[i].service != FEATURES_NONE &&
                strcmp(features_metric_of(column), apart[m]) == 0) {
                TRY(add_to_group(a, arena, column, s->header.units[i], i));
                a->groups[a->n_groups - 1].of_service = true;
            }
        }
    }
    return ERR_OK;
}

static enum err group_columns(struct accuracy *a, struct arena *arena)
{
    const struct features *s = &a->model->features;
    for (int i = 0; i < s->n_state; i++) {
        const char *name = features_metric_of(s->header.columns[i]);
        if (s->columns[i].learned && !is_exogenous(name)) {
            TRY(add_to_group(a, arena, name, s->header.units[i], i));
        }
    }
    TRY(group_kpis(a, arena));
    return group_services(a, arena);
}

int accuracy_find(const struct accuracy *a, const char *name)
{
    for (int g = 0; g < a->n_groups; g++) {
        if (strcmp(a->groups[g].name, name) == 0) {
            return g;
        }
    }
    return -1;
}

/* ---- what is predicted ---- */

/* A decoded KPI: roots undone, gaps closed. state: at the end of its period. */
static double plain(const struct features *s, const float *state, const float *kpi, int i)
{
    const double x = (double)kpi[i];
    if (i == KPI_DEPLOYED || i == KPI_REQUESTED) {
        const struct pods_base base = pods_base_of(&s->pods, state);
        /* As a float, for the truth is an integral over a period, whose rounding is no gap. */
        return (double)(float)(x + (i == KPI_DEPLOYED ? base.pods : base.requested_m));
    }
    return features_kpi_is_root((enum features_kpi)i) ? (x > 0.0 ? x * x : 0.0) : x;
}

/* Column of a state, or KPI of the period before it. */
static double value_of(const struct features *s, const float *state, const float *kpi, int column)
{
    return column < s->n_state ? (double)state[column] : plain(s, state, kpi, column - s->n_state);
}

struct bench {
    struct accuracy *a;
    const struct dataset *d;
    struct bundle bundle;
    double *mean, *median; /* (n_state + n_kpis) of the training part */
    double *samples;       /* (ACCURACY_SAMPLES) */
};

/* Mean and median of every column over what followed the training transitions, gaps filled. For an
 * even number the upper of the two middle values is the median. */
static enum err constants(struct bench *b, struct arena *scratch)
{
    const struct dataset *d = &b->a->model->data;
    const struct features *s = d->features;
    const int n = d->n_at[STORE_TRAIN];
    double *x = ARENA_NEW(scratch, n, double);
    TRY(arena_error(scratch));
    for (int c = 0; c < s->n_state + s->n_kpis; c++) {
        double sum = 0.0;
        for (int i = 0; i < n; i++) {
            const size_t row = (size_t)d->at[STORE_TRAIN][i];
            x[i] = value_of(s, d->state + (row + 1) * (size_t)s->n_state,
                            d->kpi + row * (size_t)s->n_kpis, c);
            sum += x[i];
        }
        qsort(x, (size_t)n, sizeof *x, order_doubles);
        b->mean[c] = sum / n;
        b->median[c] = x[n / 2];
    }
    return ERR_OK;
}

static enum err bench_init(struct bench *b, struct accuracy *a, const struct plant_cfg *plant,
                           struct arena *scratch)
{
    const struct features *s = &a->model->features;
    const int n = s->n_state + s->n_kpis;
    *b = (struct bench){.a = a, .d = a->cfg.data};
    b->mean = ARENA_NEW(scratch, n, double);
    b->median = ARENA_NEW(scratch, n, double);
    b->samples = ARENA_NEW(scratch, ACCURACY_SAMPLES, double);
    TRY(arena_error(scratch));
    TRY(bundle_init(&b->bundle, scratch, a->model, plant, ACCURACY_SAMPLES));
    return constants(b, scratch);
}

/* ---- scores ---- */

/* The share of [lo, hi] that lies within [from, to]; lo < hi. */
static double overlap(double lo, double hi, double from, double to)
{
    const double inside = fmin(hi, to) - fmax(lo, from);
    return inside > 0.0 ? inside / (hi - lo) : 0.0;
}

/* A calibrated twin: the truth is one more draw like the n = 39 samples, so its rank among them is
 * uniform over the n + 1 = 40 cells [j / 40, (j + 1) / 40) of [0, 1]. `below` samples are less than
 * the truth, `equal` are the same: where values repeat, the rank is any of the cells from `below`
 * to below + equal, all alike (the randomised probability integral transform, in expectation). The
 * ends 0.05, 0.25, 0.75 and 0.95 are ends of cells, so that without ties a truth counts 0 or 1 and
 * the expected coverage is exactly 0.5 and 0.9. */
static void score_interval(struct accuracy_sum *s, const double *sorted, double truth)
{
    int below = 0, equal = 0;
    for (int i = 0; i < ACCURACY_SAMPLES; i++) {
        below += sorted[i] < truth;
        equal += sorted[i] == truth;
    }
    const double lo = below / (ACCURACY_SAMPLES + 1.0);
    const double hi = (below + equal + 1) / (ACCURACY_SAMPLES + 1.0);
    s->inside_50 += overlap(lo, hi, 0.25, 0.75);
    s->inside_90 += overlap(lo, hi, 0.05, 0.95);
}

/* Column `c`, which came to be `truth`; `held`: its value at the start. The prediction is the
 * median of the bundle, the sample that minimises the mean |gap|. Returns it. */
static double score_column(struct bench *b, struct accuracy_sum *s, int c, double truth,
                           double held)
{
    const struct features *features = b->d->features;
    for (int i = 0; i < ACCURACY_SAMPLES; i++) {
        b->samples[i] =
            value_of(features, bundle_state(&b->bundle, i), bundle_kpis(&b->bundle, i), c);
    }
    qsort(b->samples, ACCURACY_SAMPLES, sizeof *b->samples, order_doubles);
    s->gap[PREDICTOR_TWIN] += fabs(b->samples[ACCURACY_SAMPLES / 2] - truth);
    s->gap[PREDICTOR_HOLD] += fabs(held - truth);
    s->gap[PREDICTOR_MEAN] += fabs(b->mean[c] - truth);
    s->gap[PREDICTOR_MEDIAN] += fabs(b->median[c] - truth);
    s->n += 1.0;
    score_interval(s, b->samples, truth);
    return b->samples[ACCURACY_SAMPLES / 2];
}

/* The sums of all groups (n_groups) of that episode, horizon k (from 1) and window. */
static struct accuracy_sum *sums_of(const struct accuracy *a, int episode, int k,
                                    enum accuracy_window window)
{
    const ptrdiff_t at =
        ((ptrdiff_t)episode * a->cfg.horizon + (k - 1)) * WINDOWS + (ptrdiff_t)window;
    return a->sums + at * a->n_groups;
}

static void add_sum(struct accuracy_sum *into, const struct accuracy_sum *from)
{
    for (int p = 0; p < PREDICTORS; p++) {
        into->gap[p] += from->gap[p];
    }
    into->inside_50 += from->inside_50;
    into->inside_90 += from->inside_90;
    into->n += from->n;
}

/* All groups, k periods after `start`; the last of them began at `row`. */
static void score_groups(struct bench *b, int episode, int start, int k)
{
    const struct features *s = b->d->features;
    const int row = start + k - 1;
    const float *state = b->d->state + ((size_t)row + 1) * (size_t)s->n_state;
    const float *kpi = b->d->kpi + (size_t)row * (size_t)s->n_kpis;
    const float *held = b->d->state + (size_t)start * (size_t)s->n_state;
    const float *before = twin_batch_kpis_before(b->a->model, b->d, start);
    const struct accuracy_watch *watch = b->a->cfg.watch;
    const enum accuracy_window window = dataset_busy(b->d, row) ? WINDOW_BUSY : WINDOW_QUIET;
    for (int g = 0; g < b->a->n_groups; g++) {
        const struct accuracy_group *group = &b->a->groups[g];
        struct accuracy_sum one = {0};
        for (int i = 0; i < group->n; i++) {
            const int c = group->column[i];
            if (c < s->n_state && !dataset_known(b->d, row + 1, c)) {
                continue;
            }
            const double truth = value_of(s, state, kpi, c);
            const double predicted = score_column(b, &one, c, truth, value_of(s, held, before, c));
            if (watch != NULL) {
                watch->see(watch->ctx, g, k, truth, predicted);
            }
        }
        add_sum(&sums_of(b->a, episode, k, WINDOW_ALL)[g], &one);
        add_sum(&sums_of(b->a, episode, k, window)[g], &one);
    }
}

/* Were all transitions from `row` on, n of them, measured? */
static bool measured(const struct dataset *d, int row, int n)
{
    bool all = true;
    for (int i = 0; all && i < n; i++) {
        all = d->whole[row + i] != 0;
    }
    return all;
}

/* Starts at which the whole horizon was measured, every cfg->stride periods. All horizons of a
 * start come from one run of its bundle. */
static void play_starts(struct bench *b, int episode)
{
    const struct accuracy_cfg *cfg = &b->a->cfg;
    const struct dataset_episode *e = &b->d->episodes[b->a->episode[episode]];
    for (int t = 0; t + cfg->horizon <= e->n_steps; t += cfg->stride) {
        const int start = e->first_row + t;
        if (measured(b->d, start, cfg->horizon)) {
            bundle_begin(&b->bundle, b->d, start, cfg->seed);
            for (int k = 1; k <= cfg->horizon; k++) {
                bundle_step(&b->bundle, b->d, start + k - 1);
                score_groups(b, episode, start, k);
            }
        }
    }
}

/* ---- the paper's ratio ---- */

/* OR of a period; *inflight: requests in flight before it, then after it. The share of the load
 * that is legitimate does not enter OR (any_share: a small one keeps the legitimate requests below
 * all that were answered), nor do the node (any_node_m), which only scales the cost,
 * and the nominal load (any_rps), which only scales slo. */
static double resilience(const struct features *s, const float *state, const float *kpi,
                         double *inflight, double load, const struct plant_cfg *plant)
{
    const double any_share = 0.25, any_node_m = 1.0, any_rps = 1.0;
    struct plant_truth t;
    struct reward_terms r;
    float means[FEATURES_KPIS];
    memcpy(means, kpi, sizeof means);
    features_kpis_decode(means, s, state);
    features_truth(&t, means, *inflight, load, any_share, s->header.period_s);
    reward_of(&r, &t, plant, any_node_m, any_rps);
    *inflight = t.inflight;
    return r.resilience;
}

/* The paper's ratio: a trajectory for each sample plays the whole episode, and the prediction of
 * the twin is the mean of their sums of OR. The quotient of smaller and larger is at most 1,
 * whichever of the two is the larger. */
static void play_whole(struct bench *b, int episode, const struct plant_cfg *plant)
{
    const struct features *s = b->d->features;
    const struct dataset_episode *e = &b->d->episodes[b->a->episode[episode]];
    double real = 0.0, twin = 0.0, real_inflight = 0.0, inflight[ACCURACY_SAMPLES] = {0};
    bundle_begin(&b->bundle, b->d, e->first_row, b->a->cfg.seed);
    for (int t = 0; t < e->n_steps; t++) {
        const int row = e->first_row + t;
        const double load = (double)b->d->load[row];
        bundle_step(&b->bundle, b->d, row);
        real +=
            resilience(s, b->d->state + ((size_t)row + 1) * (size_t)s->n_state,
                       b->d->kpi + (size_t)row * (size_t)s->n_kpis, &real_inflight, load, plant);
        for (int i = 0; i < ACCURACY_SAMPLES; i++) {
            twin += resilience(s, bundle_state(&b->bundle, i), bundle_kpis(&b->bundle, i),
                               &inflight[i], load, plant) /
                    ACCURACY_SAMPLES;
        }
    }
    b->a->ratio[episode] = accuracy_ratio(real, twin);
}

/* ---- measuring ---- */

static enum err choose_episodes(struct accuracy *a, struct arena *arena)
{
    const struct dataset *d = a->cfg.data;
    a->episode = ARENA_NEW(arena, d->n_episodes, int);
    TRY(arena_error(arena));
    for (int i = 0; i < d->n_episodes; i++) {
        const struct dataset_episode *e = &d->episodes[i];
        if ((a->cfg.part == ACCURACY_ALL || (int)e->part == a->cfg.part) &&
            e->n_steps >= a->cfg.horizon) {
            a->episode[a->n_episodes++] = i;
        }
    }
    if (a->n_episodes == 0) {
        log_error("no episode %s%shas %d periods; collect more, or ask for a shorter horizon",
                  a->cfg.part == ACCURACY_ALL ? "" : store_part_name((enum store_part)a->cfg.part),
                  a->cfg.part == ACCURACY_ALL ? "" : " ", a->cfg.horizon);
        return ERR_FORMAT;
    }
    return ERR_OK;
}

enum err accuracy_measure(struct accuracy *a, struct arena *arena, const struct twin_model *model,
                          const struct plant_cfg *plant, const struct accuracy_cfg *cfg,
                          struct arena *scratch)
{
    const struct arena_mark mark = arena_mark(scratch);
    struct bench b;
    *a = (struct accuracy){.model = model, .cfg = *cfg};
    TRY(group_columns(a, arena));
    TRY(choose_episodes(a, arena));
    a->sums = ARENA_NEW(
        arena, (size_t)a->n_episodes * (size_t)cfg->horizon * WINDOWS * (size_t)a->n_groups,
        struct accuracy_sum);
    a->ratio = ARENA_NEW(arena, a->n_episodes, double);
    TRY(arena_error(arena));
    TRY(bench_init(&b, a, plant, scratch));
    for (int i = 0; i < a->n_episodes; i++) {
        play_starts(&b, i);
        if (model->features.n_kpis > 0) {
            play_whole(&b, i, plant);
        }
    }
    memcpy(a->steps_by_source, b.bundle.batch.steps_by_source, sizeof a->steps_by_source);
    arena_rewind(scratch, mark);
    return ERR_OK;
}

/* ---- figures with intervals ---- */

/* A quotient of sums over the episodes that a resample drew (NULL: all of them once). */
struct quotient {
    const struct accuracy *a, *b; /* b: what is taken off; NULL = nothing */
    int group, k;
    enum accuracy_window window;
    double (*of)(const struct accuracy_sum *s, int which);
    int which;
};

static double evaluate_one(const struct quotient *q, const struct accuracy *a,
                           const uint32_t *drawn)
{
    struct accuracy_sum sum = {0};
    for (int i = 0; i < a->n_episodes; i++) {
        const int episode = drawn != NULL ? (int)drawn[i] : i;
        add_sum(&sum, &sums_of(a, episode, q->k, q->window)[q->group]);
    }
    return q->of(&sum, q->which);
}

/* With b, the difference over the same drawn episodes: a paired comparison, in which what an
 * episode has of difficulty for both cancels. */
static double evaluate(const struct quotient *q, const uint32_t *drawn)
{
    const double a = evaluate_one(q, q->a, drawn);
    return q->b != NULL ? a - evaluate_one(q, q->b, drawn) : a;
}

/* Percentile bootstrap over episodes. A resample with a quotient that is not defined (no
 * prediction, or a constant that is always right) makes the interval unknown (NaN): leaving it out
 * would bias the rest. */
static enum err interval(struct stat_interval *out, const struct quotient *q,
                         const struct stat_cfg *stat, struct arena *scratch)
{
    const struct arena_mark mark = arena_mark(scratch);
    const uint32_t n = (uint32_t)q->a->n_episodes;
    uint32_t *drawn = ARENA_NEW(scratch, n, uint32_t);
    double *estimates = ARENA_NEW(scratch, stat->resamples, double);
    TRY(arena_error(scratch));
    const double value = evaluate(q, NULL);
    bool defined = isfinite(value);
    for (uint32_t r = 0; defined && r < stat->resamples; r++) {
        stat_draw(drawn, n, stat, r, STAT_ROLE_EVAL);
        estimates[r] = evaluate(q, drawn);
        defined = isfinite(estimates[r]);
    }
    *out = (struct stat_interval){value, NAN, NAN};
    enum err e = ERR_OK;
    if (defined) {
        e = stat_percentiles(out, value, estimates, stat, scratch);
    }
    arena_rewind(scratch, mark);
    return e;
}

static double skill_of(const struct accuracy_sum *s, int who)
{
    return s->gap[PREDICTOR_MEAN] > 0.0 ? 1.0 - s->gap[who] / s->gap[PREDICTOR_MEAN] : NAN;
}

enum err accuracy_skill(struct stat_interval *out, const struct accuracy *a, enum predictor who,
                        int group, int k, enum accuracy_window window, const struct stat_cfg *stat,
                        struct arena *scratch)
{
    const struct quotient q = {
        .a = a, .group = group, .k = k, .window = window, .of = skill_of, .which = (int)who};
    return interval(out, &q, stat, scratch);
}

enum err accuracy_gain(struct stat_interval *out, const struct accuracy *a,
                       const struct accuracy *b, int group, int k, enum accuracy_window window,
                       const struct stat_cfg *stat, struct arena *scratch)
{
    const struct quotient q = {.a = a,
                               .b = b,
                               .group = group,
                               .k = k,
                               .window = window,
                               .of = skill_of,
                               .which = PREDICTOR_TWIN};
    CHECK(a->n_episodes == b->n_episodes);
    return interval(out, &q, stat, scratch);
}

static double gap_of(const struct accuracy_sum *s, int who)
{
    return s->n > 0.0 ? s->gap[who] / s->n : NAN;
}

double accuracy_gap(const struct accuracy *a, enum predictor who, int group, int k,
                    enum accuracy_window window)
{
    const struct quotient q = {
        .a = a, .group = group, .k = k, .window = window, .of = gap_of, .which = (int)who};
    return evaluate(&q, NULL);
}

static double inside(const struct accuracy_sum *s, int wide)
{
    return s->n > 0.0 ? (wide != 0 ? s->inside_90 : s->inside_50) / s->n : NAN;
}

enum err accuracy_coverage(struct stat_interval *out, const struct accuracy *a, bool wide,
                           int group, int k, enum accuracy_window window,
                           const struct stat_cfg *stat, struct arena *scratch)
{
    const struct quotient q = {
        .a = a, .group = group, .k = k, .window = window, .of = inside, .which = wide ? 1 : 0};
    return interval(out, &q, stat, scratch);
}
