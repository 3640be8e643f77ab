/* Comparisons that were fixed beforehand, and what became of them. See report.h and
 * core/eval/claims.h.
 *
 * The k primary claims hold together: each interval has the level 1 - (1 - confidence) / k (C. E.
 * Bonferroni), p-values are adjusted by Holm. Secondary claims are judged one by one, at the level
 * of the report and by a p-value that is not adjusted.
 *
 * Power. An interval of half width h at a level with the critical value z comes from a standard
 * error of about h / z. A true difference d is found with probability 0.8 if
 *
 *     d >= (z + 0.8416) h / z
 *
 * which is the last column: differences below it may well be missed with these seeds. */
#include "core/report/report_parts.h"

#include "core/base/log.h"
#include <math.h>
#include <string.h>

static const double POWER_80 = 0.8416; /* quantile 0.8 of the normal distribution */

/* A claim and where it was computed. */
struct judged {
    const struct ablation_claim *claim;
    struct claim_metric metric;
    bool computed;
    int n_arm, n_baseline; /* training seeds */
    int reached[2];        /* of convergence: trainings that reach the level */
    double level;
    struct claim result;
};

static int find_arm(const struct panel_view *v, const char *name)
{
    for (int i = 0; i < v->cfg.n_controllers; i++) {
        if (strcmp(v->cfg.controllers[i].name, name) == 0) {
            return i;
        }
    }
    return -1;
}

/* Scenario of a panel by its name; n_scenarios if it has none of that name. */
static int find_scenario(const struct panel *p, const char *name)
{
    int s = 0;
    while (s < p->n_scenarios && strcmp(p->scenarios[s], name) != 0) {
        s++;
    }
    return s;
}

/* In one panel; nothing is computed if it lacks an arm or the scenario. */
static enum err judge_in(struct report *f, struct judged *j, const struct panel *p)
{
    const struct ablation_claim *c = j->claim;
    const bool pools = c->scenario[0] == '\0' && p->n_scenarios > 1;
    const int scenario = pools                    ? OUTCOMES_POOLED
                         : c->scenario[0] != '\0' ? find_scenario(p, c->scenario)
                                                  : 0;
    struct panel_view v;
    int n;
    if (scenario == p->n_scenarios) {
        return ERR_OK;
    }
    TRY(panel_view(&v, &n, p, scenario, &f->cfg->view, f->scratch));
    const int a = n > 0 ? find_arm(&v, c->arm) : -1, b = n > 0 ? find_arm(&v, c->baseline) : -1;
    if (a < 0 || b < 0) {
        return ERR_OK;
    }
    TRY(claims_compare(&j->result, &v.summary, a, b,
                       summary_scenario(&v.summary, v.summary.n_views - 1), j->metric.index,
                       j->level, f->scratch));
    j->computed = true;
    j->n_arm = panel_view_seeds(&v, a);
    j->n_baseline = panel_view_seeds(&v, b);
    return ERR_OK;
}

/* A number that each training has once. */
static enum err judge_trainings(struct report *f, struct judged *j)
{
    const struct ablation_claim *c = j->claim;
    const char *metric =
        c->level > 0.0 ? arena_printf(f->scratch, "%s %g", c->metric, c->level) : c->metric;
    struct claim_arm a, b;
    TRY(arena_error(f->scratch));
    TRY(report_claim_values(&a, &b, f, c, &j->metric, f->scratch));
    if (a.values.n == 0 || b.values.n == 0) {
        return ERR_OK;
    }
    const struct stat_cfg cfg = {.stream = STAT_STREAM(c->arm, c->baseline, c->scenario, metric),
                                 .resamples = (uint32_t)f->cfg->view.resamples,
                                 .level = j->level};
    TRY(claims_compare_trainings(&j->result, &a.values, &b.values, &cfg, f->scratch));
    if (j->metric.of == CLAIM_OF_TRAININGS && a.n_reached + b.n_reached == 0) {
        j->result.diff.lo = j->result.diff.hi = NAN; /* how much longer they take is not known */
    }
    j->computed = true;
    j->n_arm = a.values.n;
    j->n_baseline = b.values.n;
    j->reached[0] = a.n_reached;
    j->reached[1] = b.n_reached;
    return ERR_OK;
}

/* In the first panel that has both arms. */
static enum err judge(struct report *f, struct judged *j)
{
    if (j->metric.of != CLAIM_OF_EPISODES) {
        const struct arena_mark mark = arena_mark(f->scratch);
        const enum err e = judge_trainings(f, j);
        arena_rewind(f->scratch, mark);
        return e;
    }
    for (int i = 0; i < f->n_panels && !j->computed; i++) {
        const struct arena_mark mark = arena_mark(f->scratch);
        const enum err e = judge_in(f, j, &f->panels[i]);
        arena_rewind(f->scratch, mark);
        TRY(e);
    }
    return ERR_OK;
}

/* Holm over the primary claims that were computed; those that are secondary stand by themselves.
 * The smallest effect that matters is one of SLO attainment; of other metrics every difference
 * counts. */
static enum err decide(struct report *f, struct judged *all, int n)
{
    double *p = ARENA_NEW(f->scratch, n, double);
    double *adjusted = ARENA_NEW(f->scratch, n, double);
    uint32_t *order = ARENA_NEW(f->scratch, n, uint32_t);
    uint32_t k = 0;
    TRY(arena_error(f->scratch));
    for (int i = 0; i < n; i++) {
        if (all[i].claim->primary && all[i].computed) {
            p[k++] = all[i].result.p;
        }
    }
    if (k > 0) {
        stat_holm(adjusted, p, k, order);
    }
    k = 0;
    for (int i = 0; i < n; i++) {
        struct judged *j = &all[i];
        if (!j->computed) {
            continue;
        }
        const struct stat_interval *d = &j->result.diff;
        const struct stat_interval better =
            j->metric.less_is_better ? (struct stat_interval){-d->value, -d->hi, -d->lo} : *d;
        const bool attains = strcmp(j->claim->metric, "slo_attainment") == 0;
        j->result.p_holm = j->claim->primary ? adjusted[k++] : j->result.p;
        j->result.verdict = claims_verdict(&better, j->result.p_holm, 1.0 - f->cfg->view.confidence,
                                           attains ? f->cfg->effect_min : 0.0);
    }
    return ERR_OK;
}

static void put_where(struct table *t, const struct judged *j)
{
    const struct ablation_claim *c = j->claim;
    const char *where = c->scenario[0] != '\0' ? c->scenario : "(all)";
    const char *less = j->metric.less_is_better ? " (less is better)" : "";
    if (j->metric.of != CLAIM_OF_TRAININGS) {
        table_cell(t, "%s, %s%s", where, c->metric, less);
    } else if (c->level > 0.0) {
        table_cell(t, "%s, episodes until %g of the headroom, reached by %d and %d%s", where,
                   c->level, j->reached[0], j->reached[1], less);
    } else {
        table_cell(t, "%s, episodes until convergence, reached by %d and %d%s", where,
                   j->reached[0], j->reached[1], less);
    }
}

static void put_row(struct table *t, const struct judged *j)
{
    const struct ablation_claim *c = j->claim;
    const struct stat_interval *d = &j->result.diff;
    const double z = stat_t_critical(j->level, 1e4);
    table_text(t, c->primary ? "primary" : "secondary");
    table_cell(t, "%s%s%s over %s", c->name, c->name[0] != '\0' ? ": " : "", c->arm, c->baseline);
    put_where(t, j);
    table_cell(t, "%d, %d", j->n_arm, j->n_baseline);
    const int decimals = j->metric.of == CLAIM_OF_TRAININGS ? 0 : 3;
    table_difference(t, d, decimals);
    table_number(t, j->result.p);
    table_number(t, c->primary ? j->result.p_holm : NAN);
    table_text(t, verdict_text(j->result.verdict));
    table_fixed(t, (z + POWER_80) / z * (d->hi - d->lo) / 2.0, decimals);
}

/* Why a claim was not computed. */
static const char *lack_of(struct report *f, const struct judged *j)
{
    const char *scenario = j->claim->scenario;
    const char *where = scenario[0] != '\0' ? "scenario " : "all scenarios";
    if (j->metric.of == CLAIM_OF_TRAININGS) {
        return arena_printf(f->arena,
                            "there are no trainings of both arms in %s%s that were evaluated while "
                            "they ran (train.evaluate.every)",
                            where, scenario);
    }
    if (j->metric.of == CLAIM_OF_AGENTS) {
        return arena_printf(f->arena,
                            "there is no org_metrics.csv of both arms in %s%s with this share",
                            where, scenario);
    }
    return arena_printf(f->arena, "there are no results of both arms in %s%s", where, scenario);
}

static enum err put_claims(struct report *f, const struct judged *all, int n)
{
    static const char *const head[] = {"kind",    "claim",      "where",
                                       "seeds",   "difference", "p",
                                       "p, Holm", "verdict",    "found with power 0.8"};
    struct table t;
    table_init(&t, f->scratch, head, 9, 3);
    for (int i = 0; i < n; i++) {
        if (all[i].computed) {
            put_row(&t, &all[i]);
        } else {
            const char *what = arena_printf(f->arena, "Claim '%s over %s'", all[i].claim->arm,
                                            all[i].claim->baseline);
            const char *why = lack_of(f, &all[i]);
            TRY(arena_error(f->arena));
            report_lacks(f, what, why);
        }
    }
    page_table(
        f->page, "claims", "Claims that were fixed beforehand",
        "Difference: arm minus baseline, with the interval of all primary claims together. "
        "supported: p small (of primary claims the adjusted one), interval on the better side "
        "of 0, difference at least the smallest that matters; equivalent: interval within "
        "that; refuted: below it; undecided: more seeds are needed. An arm with one training "
        "seed has no interval. Secondary claims are judged one by one: of twenty, one is "
        "supported or refuted by chance. Last column: the smallest true difference that "
        "these seeds find with probability 0.8.",
        &t);
    return t.failed;
}

enum err report_claims(struct report *f)
{
    const struct arena_mark mark = arena_mark(f->scratch);
    const int n = f->results->n_claims;
    struct judged *all = ARENA_NEW(f->scratch, n, struct judged);
    int n_primary = 0;
    TRY(arena_error(f->scratch));
    for (int i = 0; i < n; i++) {
        n_primary += f->results->claims[i].primary ? 1 : 0;
    }
    for (int i = 0; i < n; i++) {
        const struct ablation_claim *c = &f->results->claims[i];
        const double share = (1.0 - f->cfg->view.confidence) / (c->primary ? n_primary : 1);
        all[i] = (struct judged){.claim = c, .level = 1.0 - share};
        const bool known = claim_metric_find(&all[i].metric, c->metric, NULL);
        CHECK(known);
        TRY(judge(f, &all[i]));
    }
    TRY(decide(f, all, n));
    const enum err e = put_claims(f, all, n);
    arena_rewind(f->scratch, mark);
    return e;
}
