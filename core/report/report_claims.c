/* Comparisons that were fixed beforehand, and what became of them. See report.h and
 * core/eval/claims.h.
 *
 * The k primary claims hold together: each interval has the level 1 - (1 - confidence) / k (C. E.
 * Bonferroni), p-values are adjusted by Holm. Secondary claims have the level of the report, and no
 * verdict is drawn from them.
 *
 * Power. An interval of half width h at a level with the critical value z comes from a standard
 * error of about h / z. A true difference d is found with probability 0.8 if
 *
 *     d >= (z + 0.8416) h / z
 *
 * which is the last column: differences below it may well be missed with these seeds. */
#include "core/report/report_parts.h"

#include "core/base/log.h"
#include "core/eval/claims.h"

#include <math.h>
#include <string.h>

static const double POWER_80 = 0.8416; /* quantile 0.8 of the normal distribution */

/* A claim and where it was computed. */
struct judged {
    const struct ablation_claim *claim;
    const struct panel *panel; /* NULL: not computed */
    int n_arm, n_baseline;     /* training seeds */
    double sign;               /* -1: less is better */
    double level;
    struct claim result;
};

/* Metrics of which less is better. */
static bool less_is_better(const char *metric)
{
    static const char *const names[] = {"pending",  "vcpu",     "vcpu_h",    "latency",
                                        "recovery", "censored", "violation", "scalings",
                                        "flips",    "conflicts"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(names[i], metric) == 0) {
            return true;
        }
    }
    return false;
}

static int metric_of(const char *name)
{
    for (int m = 0; m < METRIC_COUNT; m++) {
        if (strcmp(metric_info[m].name, name) == 0) {
            return m;
        }
    }
    return -1;
}

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

/* In one panel; j->panel stays NULL if it lacks an arm or the scenario. */
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
                       summary_scenario(&v.summary, v.summary.n_views - 1), metric_of(c->metric),
                       j->level, f->scratch));
    j->panel = p;
    j->n_arm = panel_view_seeds(&v, a);
    j->n_baseline = panel_view_seeds(&v, b);
    return ERR_OK;
}

/* In the first panel that has both arms. */
static enum err judge(struct report *f, struct judged *j)
{
    for (int i = 0; i < f->n_panels && j->panel == NULL; i++) {
        const struct arena_mark mark = arena_mark(f->scratch);
        const enum err e = judge_in(f, j, &f->panels[i]);
        arena_rewind(f->scratch, mark);
        TRY(e);
    }
    return ERR_OK;
}

/* Holm over the primary claims that were computed. The smallest effect that matters is one of SLO
 * attainment; of other metrics every difference counts. */
static enum err decide(struct report *f, struct judged *all, int n)
{
    double *p = ARENA_NEW(f->scratch, n, double);
    double *adjusted = ARENA_NEW(f->scratch, n, double);
    uint32_t *order = ARENA_NEW(f->scratch, n, uint32_t);
    uint32_t k = 0;
    TRY(arena_error(f->scratch));
    for (int i = 0; i < n; i++) {
        if (all[i].claim->primary && all[i].panel != NULL) {
            p[k++] = all[i].result.p;
        }
    }
    if (k > 0) {
        stat_holm(adjusted, p, k, order);
    }
    k = 0;
    for (int i = 0; i < n; i++) {
        struct judged *j = &all[i];
        if (!j->claim->primary || j->panel == NULL) {
            continue;
        }
        const struct stat_interval *d = &j->result.diff;
        const struct stat_interval better = {j->sign * d->value, j->sign > 0 ? d->lo : -d->hi,
                                             j->sign > 0 ? d->hi : -d->lo};
        const bool shares = strcmp(j->claim->metric, "slo_attainment") == 0;
        j->result.p_holm = adjusted[k++];
        j->result.verdict = claims_verdict(&better, j->result.p_holm, 1.0 - f->cfg->view.confidence,
                                           shares ? f->cfg->effect_min : 0.0);
    }
    return ERR_OK;
}

static void put_row(struct table *t, const struct judged *j)
{
    const struct ablation_claim *c = j->claim;
    const struct stat_interval *d = &j->result.diff;
    const double z = stat_t_critical(j->level, 1e4);
    table_text(t, c->primary ? "primary" : "secondary");
    table_cell(t, "%s%s%s over %s", c->name, c->name[0] != '\0' ? ": " : "", c->arm, c->baseline);
    table_cell(t, "%s, %s%s", c->scenario[0] != '\0' ? c->scenario : "(all)", c->metric,
               j->sign < 0 ? " (less is better)" : "");
    table_cell(t, "%d, %d", j->n_arm, j->n_baseline);
    table_difference(t, d, 3);
    table_number(t, j->result.p);
    table_number(t, c->primary ? j->result.p_holm : NAN);
    table_text(t, c->primary ? verdict_text(j->result.verdict) : "-");
    table_fixed(t, (z + POWER_80) / z * (d->hi - d->lo) / 2.0, 3);
}

static enum err put_claims(struct report *f, const struct judged *all, int n)
{
    static const char *const head[] = {"kind",    "claim",      "where",
                                       "seeds",   "difference", "p",
                                       "p, Holm", "verdict",    "found with power 0.8"};
    struct table t;
    table_init(&t, f->scratch, head, 9, 3);
    for (int i = 0; i < n; i++) {
        if (all[i].panel != NULL) {
            put_row(&t, &all[i]);
        } else {
            const char *what = arena_printf(f->arena, "Claim '%s over %s'", all[i].claim->arm,
                                            all[i].claim->baseline);
            const char *why =
                arena_printf(f->arena, "there are no results of both arms in %s%s",
                             all[i].claim->scenario[0] != '\0' ? "scenario " : "all scenarios",
                             all[i].claim->scenario);
            TRY(arena_error(f->arena));
            report_lacks(f, what, why);
        }
    }
    page_table(f->page, "claims", "Claims that were fixed beforehand",
               "Difference: arm minus baseline, with the interval of all primary claims together. "
               "supported: adjusted p small, interval above 0, difference at least the smallest "
               "that matters; equivalent: interval within that; refuted: below it; undecided: more "
               "seeds are needed. Last column: the smallest true difference that these seeds find "
               "with probability 0.8.",
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
        all[i] = (struct judged){
            .claim = c, .sign = less_is_better(c->metric) ? -1.0 : 1.0, .level = 1.0 - share};
        CHECK(metric_of(c->metric) >= 0);
        TRY(judge(f, &all[i]));
    }
    TRY(decide(f, all, n));
    const enum err e = put_claims(f, all, n);
    arena_rewind(f->scratch, mark);
    return e;
}
