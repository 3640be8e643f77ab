/* Hulls of sweeps, and policies against them. See frontier.h.
 *
 * One resample is a list of episodes, the same for all arms, and a list of the policy's training
 * seeds. Every estimate below is a function of such a draw, so the interval of anything (a hull, a
 * share) costs one function.
 */
#include "core/eval/frontier.h"

#include "core/controllers/kinds.h"
#include "core/controllers/trained.h"

#include <math.h>
#include <string.h>

int frontier_n_kinds(void)
{
    int n = 0;
    for (int k = 0; controller_kind_at(k) != NULL; k++) {
        n += controller_kind_at(k)->sweeps ? 1 : 0;
    }
    return n;
}

/* i < frontier_n_kinds(); the CHECK stops a larger i at the end of the list. */
const struct controller_kind *frontier_kind(int i)
{
    int k = 0;
    for (;; k++) {
        CHECK(controller_kind_at(k) != NULL);
        if (controller_kind_at(k)->sweeps && i-- == 0) {
            return controller_kind_at(k);
        }
    }
}

/* ---- hull ---- */

/* A total order: by cost, the higher value first, then by number, so that the hull of equal points
 * is the same whatever order they come in. */
static bool before(const struct frontier_point *a, const struct frontier_point *b)
{
    if (a->cost != b->cost) {
        return a->cost < b->cost;
    }
    return a->value != b->value ? a->value > b->value : a->arm < b->arm;
}

/* Insertion sort: sweeps are short. */
static void sort_points(struct frontier_point *p, int n)
{
    for (int i = 1; i < n; i++) {
        const struct frontier_point moved = p[i];
        int j = i;
        for (; j > 0 && before(&moved, &p[j - 1]); j--) {
            p[j] = p[j - 1];
        }
        p[j] = moved;
    }
}

/* Does b lie on or below the line from a to c? The slope from a to b is compared with that from a
 * to c; both costs are larger than that of a, so multiplying by them keeps the inequality, and
 * there is no division. */
static bool is_below(const struct frontier_point *a, const struct frontier_point *b,
                     const struct frontier_point *c)
{
    return (b->value - a->value) * (c->cost - a->cost) <=
           (c->value - a->value) * (b->cost - a->cost);
}

/* Upper hull by the monotone chain of A. M. Andrew (1979), without what no longer rises.
 *
 * Invariant: p[0 .. top) are the corners of the hull of the points seen so far, cut off behind the
 * best one: costs and values rise strictly and slopes fall strictly. A point that is no better than
 * the last corner costs at least as much (the order) and is left out; of points of equal cost the
 * best comes first, so the others are left out here, too. Any other point is better than all before
 * it and becomes the last corner, after the corners that now lie on or below a line of the hull
 * were removed. top <= i, so nothing that is still to be read is overwritten. Each point is added
 * and removed at most once: O(n) after the sort. */
int frontier_hull(struct frontier_point *p, int n)
{
    int top = 0;
    sort_points(p, n);
    for (int i = 0; i < n; i++) {
        if (top > 0 && p[i].value <= p[top - 1].value) {
            continue; /* dearer and no better */
        }
        while (top >= 2 && is_below(&p[top - 2], &p[top - 1], &p[i])) {
            top--;
        }
        p[top++] = p[i];
    }
    return top;
}

/* Linear between corners: on the line lie the mixtures of the two arms. The negation also catches a
 * cost that is NaN. */
double frontier_at(const struct frontier_point *hull, int n, double cost)
{
    if (!(cost >= hull[0].cost)) {
        return NAN;
    }
    for (int i = 1; i < n; i++) {
        if (cost < hull[i].cost) {
            const double share = (cost - hull[i - 1].cost) / (hull[i].cost - hull[i - 1].cost);
            return hull[i - 1].value + share * (hull[i].value - hull[i - 1].value);
        }
    }
    return hull[n - 1].value;
}

/* ---- samples and draws ---- */

/* What happened to one arm. */
struct arm {
    double *cost, *value; /* (n_train, n_episodes) */
    int n_train;
};

/* A policy and the rules it is held against, in one view. Or the anchor in its place, and two
 * groups of rules. */
struct contest {
    int n_episodes, n_arms;
    int n_first; /* of the arms: the first group */
    struct arm policy;
    struct arm *arms;              /* (n_arms), of a rule: one row */
    struct frontier_point *points; /* (n_arms) scratch */
};

/* Which episodes, which training seeds. */
struct draw {
    uint32_t *episodes, *trains;
    int n_episodes, n_trains;
    uint32_t *arm_trains;       /* scratch: room for those of any arm */
    const struct stat_cfg *cfg; /* NULL: the data themselves */
    uint32_t resample;
};

/* A resample: episodes and training seeds, each drawn with replacement. stat_draw() is a function
 * of (seed, stream, resample, role), so resample r draws the same episodes for every arm and on any
 * number of ranks. */
static void draw_all(struct draw *d, const struct stat_cfg *cfg, uint32_t resample)
{
    stat_draw(d->episodes, (uint32_t)d->n_episodes, cfg, resample, STAT_ROLE_EVAL);
    stat_draw(d->trains, (uint32_t)d->n_trains, cfg, resample, STAT_ROLE_TRAIN_A);
    d->cfg = cfg;
    d->resample = resample;
}

/* The data themselves: every episode and every seed once. */
static void draw_identity(struct draw *d)
{
    for (int i = 0; i < d->n_episodes; i++) {
        d->episodes[i] = (uint32_t)i;
    }
    for (int i = 0; i < d->n_trains; i++) {
        d->trains[i] = (uint32_t)i;
    }
    d->cfg = NULL;
}

/* d->arm_trains: training seeds of an arm that has n of them. They are a function of (resample, n),
 * so cost and value of an arm have the same ones. */
static void draw_arm(struct draw *d, int n)
{
    if (d->cfg != NULL) {
        stat_draw(d->arm_trains, (uint32_t)n, d->cfg, d->resample, STAT_ROLE_TRAIN_B);
        return;
    }
    for (int i = 0; i < n; i++) {
        d->arm_trains[i] = (uint32_t)i;
    }
}

static double mean_rule(const double *x, const struct draw *d)
{
    double sum = 0;
    for (int i = 0; i < d->n_episodes; i++) {
        sum += x[d->episodes[i]];
    }
    return sum / d->n_episodes;
}

/* Over the product of the seeds and the episodes that were drawn: all policies play the same ones.
 */
static double mean_policy(const double *x, const struct draw *d)
{
    double sum = 0;
    for (int t = 0; t < d->n_trains; t++) {
        sum += mean_rule(x + (size_t)d->trains[t] * (size_t)d->n_episodes, d);
    }
    return sum / d->n_trains;
}

/* The point of an arm. */
static struct frontier_point arm_point(const struct arm *a, struct draw *d, int number)
{
    struct frontier_point p = {.arm = number};
    draw_arm(d, a->n_train);
    for (int t = 0; t < a->n_train; t++) {
        const size_t row = (size_t)d->arm_trains[t] * (size_t)d->n_episodes;
        p.cost += mean_rule(a->cost + row, d) / a->n_train;
        p.value += mean_rule(a->value + row, d) / a->n_train;
    }
    return p;
}

/* ---- estimates: functions of (contest, draw) ---- */

/* The frontier of arms from .. to-1 at a cost. The hull is built from the means of this draw, so an
 * interval covers the choice of the best arms as well. frontier_hull() sorts the points, which are
 * made anew in each call. */
static double group_value(const struct contest *c, struct draw *d, int from, int to, double cost)
{
    for (int i = from; i < to; i++) {
        c->points[i] = arm_point(&c->arms[i], d, i);
    }
    return frontier_at(c->points + from, frontier_hull(c->points + from, to - from), cost);
}

static double frontier_value(const struct contest *c, struct draw *d, double *cost)
{
    *cost = mean_policy(c->policy.cost, d);
    return group_value(c, d, 0, c->n_arms, *cost);
}

static double estimate_gap(const struct contest *c, struct draw *d)
{
    double cost;
    const double frontier = frontier_value(c, d, &cost);
    return mean_policy(c->policy.value, d) - frontier;
}

/* First group - second group, at the anchor's cost. */
static double estimate_pair(const struct contest *c, struct draw *d)
{
    const double cost = mean_policy(c->policy.cost, d);
    return group_value(c, d, 0, c->n_first, cost) - group_value(c, d, c->n_first, c->n_arms, cost);
}

/* arms[0] is nothing, the rest are ff. */
static double estimate_headroom(const struct contest *c, struct draw *d)
{
    const double nothing = mean_rule(c->arms[0].value, d);
    double best = nothing;
    for (int i = 1; i < c->n_arms; i++) {
        const double v = mean_rule(c->arms[i].value, d);
        best = v > best ? v : best;
    }
    return best > nothing ? (mean_policy(c->policy.value, d) - nothing) / (best - nothing) : NAN;
}

/* Percentile interval of an estimate; resamples in which it is not defined are counted. They occur
 * where the policy is about as cheap as the cheapest arm: in some draws it is cheaper than all, and
 * a frontier has no value there. The quantiles are those of the others, hence the count beside the
 * interval. Without a single value, or without one for the data, both ends stay NaN. */
static enum err bootstrap(struct stat_interval *out, int *undefined, const struct contest *c,
                          double (*estimate)(const struct contest *, struct draw *), struct draw *d,
                          const struct stat_cfg *cfg, struct arena *scratch)
{
    double *values = ARENA_NEW(scratch, cfg->resamples, double);
    uint32_t *order = ARENA_NEW(scratch, cfg->resamples, uint32_t);
    uint32_t n = 0;
    TRY(arena_error(scratch));
    for (uint32_t r = 0; r < cfg->resamples; r++) {
        draw_all(d, cfg, r);
        const double v = estimate(c, d);
        if (isfinite(v)) {
            values[n++] = v;
        }
    }
    draw_identity(d);
    const double tail = 0.5 * (1.0 - cfg->level);
    *undefined = (int)(cfg->resamples - n);
    *out = (struct stat_interval){.value = estimate(c, d), .lo = NAN, .hi = NAN};
    if (n > 0 && isfinite(out->value)) {
        out->lo = stat_quantile(values, n, tail, order);
        out->hi = stat_quantile(values, n, 1.0 - tail, order);
    }
    return ERR_OK;
}

/* ---- from outcomes ---- */

static enum err arm_init(struct arm *a, struct arena *arena, const struct outcomes *o,
                         int controller, int scenario, int metric)
{
    const int n = o->n_train[controller] * o->n_episodes;
    *a = (struct arm){.cost = ARENA_NEW(arena, n, double),
                      .value = ARENA_NEW(arena, n, double),
                      .n_train = o->n_train[controller]};
    TRY(arena_error(arena));
    outcomes_gather(a->cost, o, controller, scenario, METRIC_OF(vcpu_h));
    outcomes_gather(a->value, o, controller, scenario, metric);
    return ERR_OK;
}

bool frontier_has(const struct controller_kind *kind, const struct eval_cfg *cfg, int c)
{
    const struct controller_kind *own = controller_kind(&cfg->controllers[c]);
    return own == kind || (own == &controller_nothing && kind == &controller_static);
}

/* What forms a frontier: a kind, or a sweep of policies. */
struct group {
    const struct controller_kind *kind; /* NULL: a sweep */
    const char *sweep;
};

static struct group of_kind(const struct controller_kind *kind)
{
    return (struct group){.kind = kind};
}

/* NULL: controller c is in no sweep. */
static const char *sweep_of(const struct eval_cfg *cfg, int c)
{
    const struct trained_cfg *trained = controller_trained(&cfg->controllers[c]);
    const char *sweep = trained != NULL ? trained->sweep : NULL;
    return sweep != NULL && sweep[0] != '\0' ? sweep : NULL;
}

static bool group_has(const struct group *g, const struct eval_cfg *cfg, int c)
{
    if (g->kind != NULL) {
        return frontier_has(g->kind, cfg, c);
    }
    const char *sweep = sweep_of(cfg, c);
    return sweep != NULL && strcmp(sweep, g->sweep) == 0;
}

static const char *group_name(const struct group *g)
{
    return g->kind != NULL ? g->kind->cfg.name : g->sweep;
}

static int count_arms(const struct eval_cfg *cfg, const struct group *g)
{
    int n = 0;
    for (int c = 0; c < cfg->n_controllers; c++) {
        n += group_has(g, cfg, c);
    }
    return n;
}

static int count_kind(const struct eval_cfg *cfg, const struct controller_kind *kind)
{
    const struct group g = of_kind(kind);
    return count_arms(cfg, &g);
}

/* Appends all arms of a group but one; ALL: all of them. */
enum { ALL = -1 };
static enum err add_arms(struct contest *c, struct arena *arena, const struct summary *s,
                         const struct group *g, int but, int scenario, int metric)
{
    for (int i = 0; i < s->cfg->n_controllers; i++) {
        if (i != but && group_has(g, s->cfg, i)) {
            TRY(arm_init(&c->arms[c->n_arms++], arena, &s->outcomes, i, scenario, metric));
        }
    }
    return ERR_OK;
}

static int most_trains(const struct summary *s)
{
    int most = 1;
    for (int c = 0; c < s->cfg->n_controllers; c++) {
        most = s->outcomes.n_train[c] > most ? s->outcomes.n_train[c] : most;
    }
    return most;
}

static enum err contest_init(struct contest *c, struct draw *d, struct arena *arena,
                             const struct summary *s, int policy, int scenario, int metric)
{
    const struct outcomes *o = &s->outcomes;
    *c = (struct contest){.n_episodes = o->n_episodes,
                          .arms = ARENA_NEW(arena, 2 * s->cfg->n_controllers, struct arm),
                          .points =
                              ARENA_NEW(arena, 2 * s->cfg->n_controllers, struct frontier_point)};
    *d = (struct draw){.n_episodes = o->n_episodes,
                       .n_trains = o->n_train[policy],
                       .episodes = ARENA_NEW(arena, o->n_episodes, uint32_t),
                       .trains = ARENA_NEW(arena, o->n_train[policy], uint32_t),
                       .arm_trains = ARENA_NEW(arena, most_trains(s), uint32_t)};
    TRY(arena_error(arena));
    return arm_init(&c->policy, arena, o, policy, scenario, metric);
}

/* In episode e, under every training seed. */
static bool arm_has(const struct arm *a, int n_episodes, int e)
{
    bool has = true;
    for (int t = 0; t < a->n_train; t++) {
        const ptrdiff_t at = (ptrdiff_t)t * n_episodes + e;
        has = has && isfinite(a->cost[at]) && isfinite(a->value[at]);
    }
    return has;
}

/* Keeps the columns of `kept` (n_kept, ascending) and closes the rows up to n_kept values. kept[i]
 * >= i and n_kept <= n_episodes give from >= to; both rise, so no value is overwritten before it
 * was read. */
static void arm_keep(struct arm *a, int n_episodes, const uint32_t *kept, int n_kept)
{
    for (int t = 0; t < a->n_train; t++) {
        for (int i = 0; i < n_kept; i++) { /* never moves a value to the right */
            const ptrdiff_t to = (ptrdiff_t)t * n_kept + i;
            const ptrdiff_t from = (ptrdiff_t)t * n_episodes + kept[i];
            a->cost[to] = a->cost[from];
            a->value[to] = a->value[from];
        }
    }
}

/* Episodes that some arm has no value in are left out for all, so that every arm is measured on the
 * same ones. To be called after the last arm was added; d->episodes is used as scratch. False: none
 * is left. */
static bool contest_close(struct contest *c, struct draw *d)
{
    int n = 0;
    for (int e = 0; e < c->n_episodes; e++) {
        bool all = arm_has(&c->policy, c->n_episodes, e);
        for (int i = 0; i < c->n_arms && all; i++) {
            all = arm_has(&c->arms[i], c->n_episodes, e);
        }
        if (all) {
            d->episodes[n++] = (uint32_t)e;
        }
    }
    arm_keep(&c->policy, c->n_episodes, d->episodes, n);
    for (int i = 0; i < c->n_arms; i++) {
        arm_keep(&c->arms[i], c->n_episodes, d->episodes, n);
    }
    c->n_episodes = d->n_episodes = n;
    return n > 0;
}

static const char *label_of(const struct summary *s, int controller)
{
    return controller_label(&s->cfg->controllers[controller]);
}

/* The stream is made of names, not of positions, so the interval does not move when another arm or
 * another method is listed. */
static enum err fill_gap(struct frontier_gap *g, const struct summary *s, int policy,
                         const struct group *group, int scenario, struct arena *scratch)
{
    struct contest c;
    struct draw d;
    const int metric = METRIC_OF(slo_attainment);
    const uint32_t stream =
        STAT_STREAM("policy - frontier", label_of(s, policy), group_name(group),
                    summary_scenario_name(s, scenario), metric_info[metric].name);
    const struct stat_cfg cfg = summary_bootstrap(s->cfg, stream);
    const int n_arms = count_arms(s->cfg, group) - (group_has(group, s->cfg, policy) ? 1 : 0);
    *g = (struct frontier_gap){.n_arms = n_arms,
                               .cost = NAN,
                               .value = NAN,
                               .diff = {NAN, NAN, NAN},
                               .undefined = s->cfg->resamples};
    if (g->n_arms == 0) {
        return ERR_OK;
    }
    TRY(contest_init(&c, &d, scratch, s, policy, scenario, metric));
    TRY(add_arms(&c, scratch, s, group, policy, scenario, metric));
    if (!contest_close(&c, &d)) {
        return ERR_OK;
    }
    TRY(bootstrap(&g->diff, &g->undefined, &c, estimate_gap, &d, &cfg, scratch));
    draw_identity(&d);
    g->value = frontier_value(&c, &d, &g->cost);
    return ERR_OK;
}

enum err frontiers_against(struct frontier_gap *out, const struct summary *summary, int arm,
                           const struct controller_kind *kind, int scenario, struct arena *scratch)
{
    const struct arena_mark mark = arena_mark(scratch);
    const struct group group = of_kind(kind);
    const enum err e = fill_gap(out, summary, arm, &group, scenario, scratch);
    arena_rewind(scratch, mark);
    return e;
}

static enum err fill_pair(struct frontier_pair *out, const struct summary *s,
                          const struct controller_kind *a, const struct controller_kind *b,
                          int anchor, int scenario, struct arena *scratch)
{
    struct contest c;
    struct draw d;
    const int metric = METRIC_OF(slo_attainment);
    const uint32_t stream =
        STAT_STREAM("frontier - frontier", a->cfg.name, b->cfg.name, label_of(s, anchor),
                    summary_scenario_name(s, scenario), metric_info[metric].name);
    const struct stat_cfg cfg = summary_bootstrap(s->cfg, stream);
    const struct group first = of_kind(a), second = of_kind(b);
    TRY(contest_init(&c, &d, scratch, s, anchor, scenario, metric));
    TRY(add_arms(&c, scratch, s, &first, ALL, scenario, metric));
    c.n_first = c.n_arms;
    TRY(add_arms(&c, scratch, s, &second, ALL, scenario, metric));
    if (!contest_close(&c, &d)) {
        out->undefined = s->cfg->resamples;
        return ERR_OK;
    }
    TRY(bootstrap(&out->diff, &out->undefined, &c, estimate_pair, &d, &cfg, scratch));
    draw_identity(&d);
    out->cost = mean_policy(c.policy.cost, &d);
    out->value_a = group_value(&c, &d, 0, c.n_first, out->cost);
    out->value_b = group_value(&c, &d, c.n_first, c.n_arms, out->cost);
    return ERR_OK;
}

enum err frontiers_pair(struct frontier_pair *out, const struct summary *summary,
                        const struct controller_kind *a, const struct controller_kind *b,
                        int anchor, int scenario, struct arena *scratch)
{
    const struct stat_interval none = {NAN, NAN, NAN};
    const struct arena_mark mark = arena_mark(scratch);
    *out = (struct frontier_pair){.n_a = count_kind(summary->cfg, a),
                                  .n_b = count_kind(summary->cfg, b),
                                  .cost = NAN,
                                  .value_a = NAN,
                                  .value_b = NAN,
                                  .diff = none};
    const enum err e = out->n_a > 0 && out->n_b > 0
                           ? fill_pair(out, summary, a, b, anchor, scenario, scratch)
                           : ERR_OK;
    arena_rewind(scratch, mark);
    return e;
}

/* Left NaN unless there is exactly one nothing, which is arm 0, and some ff. */
static enum err fill_share(struct stat_interval *out, const struct summary *s, int policy,
                           int metric, int scenario, struct arena *scratch)
{
    struct contest c;
    struct draw d;
    int undefined;
    const uint32_t stream =
        STAT_STREAM("headroom", label_of(s, policy), summary_scenario_name(s, scenario),
                    metric_info[metric].name);
    const struct stat_cfg cfg = summary_bootstrap(s->cfg, stream);
    *out = (struct stat_interval){NAN, NAN, NAN};
    if (count_kind(s->cfg, &controller_nothing) != 1 || count_kind(s->cfg, &controller_ff) == 0) {
        return ERR_OK;
    }
    const struct group nothing = of_kind(&controller_nothing), ff = of_kind(&controller_ff);
    TRY(contest_init(&c, &d, scratch, s, policy, scenario, metric));
    TRY(add_arms(&c, scratch, s, &nothing, ALL, scenario, metric));
    TRY(add_arms(&c, scratch, s, &ff, ALL, scenario, metric));
    if (!contest_close(&c, &d)) {
        return ERR_OK;
    }
    return bootstrap(out, &undefined, &c, estimate_headroom, &d, &cfg, scratch);
}

static struct group group_at(const struct frontiers *f, int i)
{
    return i < f->n_kinds ? of_kind(frontier_kind(i))
                          : (struct group){.sweep = f->sweeps[i - f->n_kinds]};
}

static struct frontier_gap *gap_at(const struct frontiers *f, int p, int i, int view)
{
    return &f->gaps[(p * (f->n_kinds + f->n_sweeps) + i) * f->summary->n_views + view];
}

static enum err fill_view(struct frontiers *f, int p, int view, struct arena *scratch)
{
    const struct summary *s = f->summary;
    const int n_views = s->n_views;
    const int scenario = summary_scenario(s, view);
    const struct arena_mark mark = arena_mark(scratch);
    enum err e = ERR_OK;
    for (int i = 0; i < f->n_kinds + f->n_sweeps && e == ERR_OK; i++) {
        const struct group group = group_at(f, i);
        if (group_has(&group, s->cfg, f->policies[p])) {
            continue; /* it is a point of its own frontier: there is no gap */
        }
        e = fill_gap(gap_at(f, p, i, view), s, f->policies[p], &group, scenario, scratch);
        arena_rewind(scratch, mark);
    }
    struct headroom *h = &f->headrooms[p * n_views + view];
    if (e == ERR_OK) {
        e = fill_share(&h->slo_attainment, s, f->policies[p], METRIC_OF(slo_attainment), scenario,
                       scratch);
        arena_rewind(scratch, mark);
    }
    if (e == ERR_OK) {
        e = fill_share(&h->resilience, s, f->policies[p], METRIC_OF(resilience), scenario, scratch);
        arena_rewind(scratch, mark);
    }
    return e;
}

/* Policies and planners are compared with frontiers if they are shown; the arms of frontiers need
 * not be. */
static enum err choose_policies(struct frontiers *f, struct arena *arena)
{
    const struct summary *s = f->summary;
    int *policies = ARENA_NEW(arena, s->n_shown, int);
    TRY(arena_error(arena));
    for (int i = 0; i < s->n_shown; i++) {
        const struct controller_cfg *cfg = &s->cfg->controllers[s->shown[i]];
        if (controller_needs(cfg, CONTROLLER_NEEDS_POLICY) ||
            controller_needs(cfg, CONTROLLER_NEEDS_TWIN)) {
            policies[f->n_policies++] = s->shown[i];
        }
    }
    f->policies = policies;
    return ERR_OK;
}

/* Each name once, where it occurs first. */
static enum err choose_sweeps(struct frontiers *f, struct arena *arena)
{
    const struct eval_cfg *cfg = f->summary->cfg;
    f->sweeps = ARENA_NEW(arena, cfg->n_controllers, const char *);
    TRY(arena_error(arena));
    for (int c = 0; c < cfg->n_controllers; c++) {
        const char *sweep = sweep_of(cfg, c);
        int i = 0;
        while (sweep != NULL && i < f->n_sweeps && strcmp(f->sweeps[i], sweep) != 0) {
            i++;
        }
        if (sweep != NULL && i == f->n_sweeps) {
            f->sweeps[f->n_sweeps++] = sweep;
        }
    }
    return ERR_OK;
}

enum err frontiers_init(struct frontiers *f, struct arena *arena, const struct summary *summary,
                        struct arena *scratch)
{
    *f = (struct frontiers){.summary = summary, .n_kinds = frontier_n_kinds()};
    TRY(choose_policies(f, arena));
    TRY(choose_sweeps(f, arena));
    const int n = f->n_policies * summary->n_views;
    f->gaps = ARENA_NEW(arena, n * (f->n_kinds + f->n_sweeps), struct frontier_gap);
    f->headrooms = ARENA_NEW(arena, n, struct headroom);
    TRY(arena_error(arena));
    for (int p = 0; p < f->n_policies; p++) {
        for (int view = 0; view < summary->n_views; view++) {
            TRY(fill_view(f, p, view, scratch));
        }
    }
    return ERR_OK;
}

/* ---- reading ---- */

const char *frontiers_name(const struct frontiers *f, int i)
{
    const struct group group = group_at(f, i);
    return group_name(&group);
}

const struct frontier_gap *frontiers_gap(const struct frontiers *f, int policy, int i, int view)
{
    return gap_at(f, policy, i, view);
}

const struct headroom *frontiers_headroom(const struct frontiers *f, int policy, int view)
{
    return &f->headrooms[policy * f->summary->n_views + view];
}

static int group_hull(struct frontier_point *points, const struct outcomes *o,
                      const struct eval_cfg *cfg, const struct group *group, int scenario)
{
    int n = 0;
    for (int c = 0; c < cfg->n_controllers; c++) {
        if (group_has(group, cfg, c)) {
            points[n++] = (struct frontier_point){
                .cost = outcomes_mean(o, c, scenario, METRIC_OF(vcpu_h)),
                .value = outcomes_mean(o, c, scenario, METRIC_OF(slo_attainment)),
                .arm = c};
        }
    }
    return n > 0 ? frontier_hull(points, n) : 0;
}

int frontiers_hull(struct frontier_point *points, const struct outcomes *o,
                   const struct eval_cfg *cfg, const struct controller_kind *kind, int scenario)
{
    const struct group group = of_kind(kind);
    return group_hull(points, o, cfg, &group, scenario);
}

int frontiers_corners(struct frontier_point *points, const struct frontiers *f, int i, int scenario)
{
    const struct group group = group_at(f, i);
    return group_hull(points, &f->summary->outcomes, f->summary->cfg, &group, scenario);
}
