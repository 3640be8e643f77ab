/* Proposal -> shield -> what is executed, and counts of what was altered. See shielding.h. */
#include "core/eval/shielding.h"

#include <math.h>
#include <string.h>

#define COLUMN_(id, name_, invariant, doc_) {"shield_" name_, "1/h", doc_},
const struct shielding_column shielding_columns[SHIELDING_COLUMNS] = {
    {"shield_altered", "", "share of decisions in which the shield altered a change"},
    {"shield_overrides", "1/h", "changes that the shield altered, summed over services"},
    {"shield_overruled", "1/h", "services and decisions in which an invariant gave way"},
    SHIELD_REASON_LIST(COLUMN_)};
#undef COLUMN_

enum err shielding_init(struct shielding *g, struct arena *arena, const struct shield *shield,
                        double period_s)
{
    *g = (struct shielding){.shield = shield,
                            .period_s = period_s,
                            .proposed = ARENA_NEW(arena, shield->n_services, int32_t)};
    TRY(arena_error(arena));
    TRY(shield_history_init(&g->history, arena, shield->n_services));
    return shield_verdict_init(&g->verdict, arena, shield->n_services);
}

void shielding_begin(struct shielding *g)
{
    shield_history_clear(&g->history, g->shield->n_services);
    g->decisions = 0.0;
    memset(g->counts, 0, sizeof g->counts);
}

static void count(struct shielding *g)
{
    const struct shield_verdict *d = &g->verdict;
    bool altered = false;
    for (int s = 0; s < g->shield->n_services; s++) {
        const bool differs = d->delta[s] != g->proposed[s];
        altered = altered || differs;
        g->counts[SHIELDING_OVERRIDES] += differs ? 1.0 : 0.0;
        g->counts[SHIELDING_OVERRULED] += d->overruled[s] != 0 ? 1.0 : 0.0;
        for (int r = 0; r < SHIELD_REASONS; r++) {
            g->counts[SHIELDING_REASON + r] += (double)(d->reasons[s] >> r & 1U);
        }
    }
    g->counts[SHIELDING_ALTERED] += altered ? 1.0 : 0.0;
    g->decisions += 1.0;
}

/* With a shield of the controller's own there are two proposals: what is executed follows from the
 * one it makes, what is counted from the one that it would have made. With equal limits both come
 * to the same change. */
void shielding_act(struct shielding *g, int32_t *delta, const int32_t *wanted,
                   const struct shield_view *v, bool counted)
{
    const size_t bytes = (size_t)g->shield->n_services * sizeof *delta;
    memcpy(g->proposed, wanted != NULL ? wanted : delta, bytes);
    shield_observe(&g->history, g->shield, v);
    shield_decide(&g->verdict, g->shield, &g->history, v, delta);
    memcpy(delta, g->verdict.delta, bytes);
    if (wanted != NULL) {
        shield_decide(&g->verdict, g->shield, &g->history, v, wanted);
    }
    shield_executed(&g->history, g->shield, delta);
    if (counted) {
        count(g);
    }
}

void shielding_finish(double *out, const struct shielding *g)
{
    const double hours = g->decisions * g->period_s / 3600.0;
    for (int i = 0; i < SHIELDING_COLUMNS; i++) {
        const double over = i == SHIELDING_ALTERED ? g->decisions : hours;
        out[i] = over > 0.0 ? g->counts[i] / over : (double)NAN;
    }
}
