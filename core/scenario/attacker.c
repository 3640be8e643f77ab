/* The learned attacker's accounts: its load per entry, and what it has left. See attacker.h.
 *
 * Invariants: 0 <= extra_rps[e], their sum is at most ATTACK_MAX x nominal, and neither part of
 * `left` falls below 0. extra_total is always added up anew in the order of the entries: a running
 * sum would collect rounding errors over an episode. */
#include "core/scenario/attacker.h"

#include <math.h>

double attacker_nominal(const struct schedule *s)
{
    double sum = 0.0;
    for (int i = 0; i < s->n_seconds; i++) {
        sum += (double)s->legit_rps[i];
    }
    return s->n_seconds > 0 ? sum / s->n_seconds : 0.0;
}

/* Rates are held per second, and a period is whole seconds long (plant_cfg_check()). Behind the
 * end of the schedule its last second goes on. */
double attacker_room(const struct schedule *s, const struct plant_cfg *cfg,
                     const struct topology *topology, int period)
{
    if (!(cfg->attack_cap > 0.0)) {
        return HUGE_VAL;
    }
    const int from = (int)(period * cfg->period_s), to = (int)((period + 1) * cfg->period_s);
    double busiest = 0.0;
    for (int second = from; second < to && s->n_seconds > 0; second++) {
        const int i = second < s->n_seconds ? second : s->n_seconds - 1;
        busiest = fmax(busiest, (double)s->legit_rps[i] + (double)s->attack_rps[i]);
    }
    return fmax(cfg->attack_cap * topology->critical_rps - busiest, 0.0);
}

void attacker_start(struct attacker *a, double *extra_rps, int n_entries,
                    const struct plant_cfg *cfg, double nominal_rps, int n_seconds)
{
    *a = (struct attacker){
        .extra_rps = extra_rps,
        .n_entries = n_entries,
        .nominal_rps = nominal_rps,
        .left = {.requests = cfg->attack_requests * nominal_rps * n_seconds,
                 .crashes = cfg->attack_crashes},
    };
    for (int e = 0; e < n_entries; e++) {
        extra_rps[e] = 0.0;
    }
}

static void total(struct attacker *a)
{
    a->extra_total = 0.0;
    for (int e = 0; e < a->n_entries; e++) {
        a->extra_total += a->extra_rps[e];
    }
}

/* The action's entry moves; true if it did. */
static bool move(struct attacker *a, const struct attack_action *action)
{
    CHECK(action->entry >= 0 && action->entry < a->n_entries);
    double *extra = &a->extra_rps[action->entry];
    /* The entry may take what all entries together leave of the maximum. The sum is below the
     * maximum up to rounding, so top is at least about *extra; the last line keeps the rate from
     * falling below 0. */
    double top = *extra + (ATTACK_MAX * a->nominal_rps - a->extra_total);
    double wanted = *extra + (double)action->rate_change * ATTACK_NOTCH * a->nominal_rps;
    double moved = fmax(fmin(wanted, top), 0.0);
    if (moved == *extra) {
        return false;
    }
    *extra = moved;
    total(a);
    return true;
}

/* All entries by the same factor. */
static void cut(struct attacker *a, double factor)
{
    for (int e = 0; e < a->n_entries; e++) {
        a->extra_rps[e] *= factor;
    }
    total(a);
}

/* The load holds for the whole period, so its price is known in advance. If it exceeds what is left
 * the load is cut so that the price is what is left, and then nothing is left: the load of the next
 * period is cut to 0. */
bool attacker_load(struct attacker *a, const struct attack_action *action,
                   const struct plant_cfg *cfg, double room_rps)
{
    bool changed = action != NULL && move(a, action);
    if (a->extra_total > room_rps) {
        cut(a, room_rps / a->extra_total);
        changed = true;
    }
    double price = a->extra_total * cfg->period_s;
    if (price > a->left.requests) {
        cut(a, a->left.requests / price);
        price = a->left.requests;
        changed = true;
    }
    a->left.requests -= price;
    return changed;
}

double attacker_crash(struct attacker *a, const struct attack_action *action, double p)
{
    double wanted = fmin(p + (double)action->data_change * ATTACK_CRASH, ATTACK_CRASH_MAX);
    /* A probability is not lowered by an action: it decays by itself. */
    if (wanted <= p) {
        return p;
    }
    double price = (wanted - p) * ATTACK_DECAY_MIN;
    if (price > a->left.crashes) {
        wanted = p + a->left.crashes / ATTACK_DECAY_MIN;
        price = a->left.crashes;
    }
    a->left.crashes -= price;
    return wanted;
}
