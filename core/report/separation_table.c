/* Upper bound and separation as text. See separation_table.h. A row of the second table says: the
 * frontier of the first method minus that of the second, both read at the vCPU-hours of one khpa
 * controller, and whether the whole interval of the difference lies above what is asked. */
#include "core/report/separation_table.h"

#include <math.h>

enum { DECIMALS = 3 };

/* The bound is the same for all controllers, so the first shown one's is read; if none is shown
 * there is no line. The pooled view is left out, because each scenario has a bound of its own. A
 * share above 1, as printed, is explained. */
enum err separation_table_print_upper_bound(struct buf *out, const struct summary *s)
{
    static const double ABOVE = 1.0005; /* is printed as 1.001 at least */
    bool any = false, above = false;
    for (int view = 0; view < s->n_views && s->n_shown > 0; view++) {
        const int scenario = summary_scenario(s, view);
        const struct stat_interval *v = &summary_cell(s, 0, view, METRIC_OF(upper_bound))->value;
        if (scenario == OUTCOMES_POOLED || !isfinite(v->value)) {
            continue;
        }
        TRY(buf_printf(out, "%s%s %.*f [%.*f, %.*f]",
                       any ? ", " : "\nupper bound of SLO attainment, whatever the controller: ",
                       summary_scenario_name(s, scenario), DECIMALS, v->value, DECIMALS, v->lo,
                       DECIMALS, v->hi));
        any = true;
        above = above || v->value >= ABOVE;
    }
    if (above) {
        TRY(buf_printf(out, "\n(above 1: requests in flight when an episode begins may be answered "
                            "in it, but were received before it)"));
    }
    return any ? buf_printf(out, "\n") : ERR_OK;
}

/* An inequality whose difference is undefined in some resamples fails, and says why. */
static void add_row(struct table *t, const struct summary *s, const struct separation_row *r)
{
    const struct frontier_pair *p = &r->pair;
    table_text(t, summary_scenario_name(s, r->scenario));
    table_cell(t, "%s - %s", r->better->cfg.name, r->worse->cfg.name);
    table_cell(t, "%d, %d", p->n_a, p->n_b);
    table_cell(t, "%.*f", DECIMALS, p->cost);
    table_cell(t, "%.*f", DECIMALS, p->value_a);
    table_cell(t, "%.*f", DECIMALS, p->value_b);
    table_difference(t, &p->diff, DECIMALS);
    const char *verdict = r->passes           ? "PASS"
                          : p->undefined == 0 ? "FAIL"
                                              : "FAIL: not defined at all times";
    if (isnan(r->least)) {
        table_text(t, "-");
        table_text(t, "-");
    } else {
        table_cell(t, "> %.2f", r->least);
        table_text(t, verdict);
    }
}

/* Columns in the order of add_row(): whose frontiers and of how many arms, the common cost, both
 * values, their difference, what is asked, the verdict. */
enum err separation_table_print(struct buf *out, const struct separation *s, const char *at_cost_of,
                                enum table_style style, struct arena *scratch)
{
    static const char *const head[] = {"scenario", "at equal cost", "arms",  "vCPU h", "first",
                                       "second",   "difference",    "asked", "verdict"};
    struct table t;
    if (s == NULL || s->n_rows == 0) {
        return ERR_OK;
    }
    table_init(&t, scratch, head, 9, 2);
    for (int i = 0; i < s->n_rows; i++) {
        add_row(&t, s->summary, &s->rows[i]);
    }
    TRY(buf_printf(out, style == TABLE_MARKDOWN ? "\n## %s '%s'\n\n" : "\n%s '%s'\n\n",
                   "Separation: best of each method, at the vCPU h of", at_cost_of));
    return table_print(out, &t, style);
}
