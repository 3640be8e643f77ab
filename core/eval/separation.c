/* Every inequality in every scenario. See separation.h. */
#include "core/eval/separation.h"

#include "core/base/log.h"
#include "core/controllers/kinds.h"

#include <math.h>
#include <string.h>

struct demand {
    const struct controller_kind *better, *worse;
    double least;
};
#define DEMAND_(better, worse, least) {better, worse, least},
static const struct demand demands[SEPARATION_ROWS] = {SEPARATION_LIST(DEMAND_)};
#undef DEMAND_

static enum err find_anchor(int *anchor, const struct eval_cfg *cfg)
{
    for (int c = 0; c < cfg->n_controllers; c++) {
        const struct controller_cfg *controller = &cfg->controllers[c];
        if (controller_kind(controller) == &controller_khpa &&
            strcmp(controller_label(controller), cfg->separation) == 0) {
            *anchor = c;
            return ERR_OK;
        }
    }
    log_error("eval.separation is '%s', but no khpa controller of that name is in eval.controllers",
              cfg->separation);
    return ERR_CONFIG;
}

/* Undefined resamples would be left out of the interval, so there may be none. */
static bool passes(const struct separation_row *r)
{
    return r->pair.undefined == 0 && r->pair.diff.lo > r->least;
}

/* An inequality without a number to reach (NaN) is shown only, and counts neither as judged nor as
 * failed. */
static enum err check_scenario(struct separation *out, int scenario, int anchor,
                               struct arena *scratch)
{
    for (int k = 0; k < SEPARATION_ROWS; k++) {
        const struct demand *d = &demands[k];
        struct separation_row *r = &out->rows[out->n_rows++];
        *r = (struct separation_row){
            .scenario = scenario, .better = d->better, .worse = d->worse, .least = d->least};
        TRY(frontiers_pair(&r->pair, out->summary, d->better, d->worse, anchor, scenario, scratch));
        r->passes = passes(r);
        out->n_judged += isnan(r->least) ? 0 : 1;
        out->n_failed += isnan(r->least) || r->passes ? 0 : 1;
    }
    return ERR_OK;
}

enum err separation_init(struct separation *out, struct arena *arena, const struct summary *summary,
                         struct arena *scratch)
{
    const int n_scenarios = summary->outcomes.n_scenarios;
    int anchor = 0;
    *out = (struct separation){.summary = summary};
    if (summary->cfg->separation == NULL || summary->cfg->separation[0] == '\0') {
        return ERR_OK;
    }
    TRY(find_anchor(&anchor, summary->cfg));
    out->rows = ARENA_NEW(arena, n_scenarios * SEPARATION_ROWS, struct separation_row);
    TRY(arena_error(arena));
    for (int scenario = 0; scenario < n_scenarios; scenario++) {
        TRY(check_scenario(out, scenario, anchor, scratch));
    }
    return ERR_OK;
}

enum err separation_verdict(const struct separation *s)
{
    if (s->n_failed == 0) {
        return ERR_OK;
    }
    log_error("%d of %d inequalities of the separation failed: change the scenario, not the "
              "controllers",
              s->n_failed, s->n_judged);
    return ERR_FAILED;
}
