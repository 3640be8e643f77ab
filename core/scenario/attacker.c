/* The learned attacker's accounts: its load per entry, and what it has left. See attacker.h.
 *
 * Invariants: 0 <= extra_rps[e], their sum is at most ATTACK_MAX x nominal, and neither part of
 * `left` falls below 0. extra_total is always added up anew in the order of the entries: a running
 * sum would collect rounding errors over an episode. */
#include "core/scenario/attacker.h"

#include <math.h>

/* A crash probability p per minute that halves every h = 30 s amounts to the integral of p
 * 2^(-t / h) over t >= 0, which is p h / log 2. This is the factor of p, with h in minutes. */
static const double DECAY_MIN = ATTACK_HALF_LIFE_S / 0.69314718055994531 / 60.0;

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

bool attacker_load(struct attacker *a, const struct attack_action *action,
                   const struct plant_cfg *cfg)
{
    bool changed = action != NULL && move(a, action);
    /* The load holds for the whole period, so its price is known in advance. If it exceeds what is
     * left, all entries are cut by the same factor, which makes the price exactly what is left, and
     * then nothing is left: the load of the next period is cut to 0. */
    double price = a->extra_total * cfg->period_s;
    if (price > a->left.requests) {
        double part = a->left.requests / price;
        for (int e = 0; e < a->n_entries; e++) {
            a->extra_rps[e] *= part;
        }
        total(a);
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
    double price = (wanted - p) * DECAY_MIN;
    if (price > a->left.crashes) {
        wanted = p + a->left.crashes / DECAY_MIN;
        price = a->left.crashes;
    }
    a->left.crashes -= price;
    return wanted;
}
