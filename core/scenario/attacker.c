/* The learned attacker's accounts: its rates per entry, and what it has left. See attacker.h.
 *
 * Invariants: 0 <= extra_rps[e], their sum is at most ATTACK_MAX x nominal, likewise conn_rps and
 * ATTACK_CONN_MAX, 1 <= cost <= ATTACK_COST_MAX, and no part of `left` falls below 0. Totals are
 * always added up anew in the order of the entries: a running sum would collect rounding errors
 * over an episode. */
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
        const double costly = 1.0 + (double)s->attack_excess[i];
        busiest = fmax(busiest, (double)s->legit_rps[i] + (double)s->attack_rps[i] * costly);
    }
    return fmax(cfg->attack_cap * topology->critical_rps - busiest, 0.0);
}

void attacker_start(struct attacker *a, double *extra_rps, double *conn_rps, int n_entries,
                    const struct plant_cfg *cfg, double nominal_rps, int n_seconds)
{
    const double legit = nominal_rps * n_seconds;
    *a = (struct attacker){
        .extra_rps = extra_rps,
        .conn_rps = conn_rps,
        .n_entries = n_entries,
        .cost = 1.0,
        .nominal_rps = nominal_rps,
        .left = {.requests = cfg->attack_requests * nominal_rps * n_seconds,
                 .crashes = cfg->attack_crashes,
                 .connections = cfg->attack_connections * legit,
                 .work = cfg->attack_work * legit},
    };
    for (int e = 0; e < n_entries; e++) {
        extra_rps[e] = conn_rps[e] = 0.0;
    }
}

void attacker_requests_only(struct attacker *a)
{
    a->left = (struct attack_budget){.requests = a->left.requests};
}

/* ---- rates per entry: requests, and connections ---- */

static double total_of(const double *rps, int n)
{
    double sum = 0.0;
    for (int e = 0; e < n; e++) {
        sum += rps[e];
    }
    return sum;
}

/* One entry's rate moves by `change`, of all whose sum *total stays within `most`; true if it did.
 * The entry may take what all entries together leave of `most`. The sum is below it up to rounding,
 * so top is at least about rps[entry]; the last line keeps the rate from falling below 0. */
static bool move(double *rps, int n, double *total, int entry, double change, double most)
{
    CHECK(entry >= 0 && entry < n);
    double top = rps[entry] + (most - *total);
    double moved = fmax(fmin(rps[entry] + change, top), 0.0);
    if (moved == rps[entry]) {
        return false;
    }
    rps[entry] = moved;
    *total = total_of(rps, n);
    return true;
}

/* All entries by the same factor. */
static void cut(double *rps, int n, double *total, double factor)
{
    for (int e = 0; e < n; e++) {
        rps[e] *= factor;
    }
    *total = total_of(rps, n);
}

/* The rates hold for the whole period, so their price is known in advance. If it exceeds what is
 * left they are cut so that the price is what is left, and then nothing is left: the rates of the
 * next period are cut to 0. True if they were cut. */
static bool pay(double *rps, int n, double *total, double period_s, double *left)
{
    double price = *total * period_s;
    const bool poor = price > *left;
    if (poor) {
        cut(rps, n, total, *left / price);
        price = *left;
    }
    *left -= price;
    return poor;
}

bool attacker_load(struct attacker *a, const struct attack_action *action,
                   const struct plant_cfg *cfg, double room_rps)
{
    const double notch = ATTACK_NOTCH * a->nominal_rps, most = ATTACK_MAX * a->nominal_rps;
    bool changed = action != NULL && move(a->extra_rps, a->n_entries, &a->extra_total,
                                          action->entry, action->rate_change * notch, most);
    if (a->extra_total > room_rps) {
        cut(a->extra_rps, a->n_entries, &a->extra_total, room_rps / a->extra_total);
        changed = true;
    }
    return pay(a->extra_rps, a->n_entries, &a->extra_total, cfg->period_s, &a->left.requests) ||
           changed;
}

/* The additional CPU of a period is (cost - 1) x the requests that were paid for it. The load is at
 * most room_rps, so the factor that fills the room is at least 1, up to rounding. */
bool attacker_cost(struct attacker *a, const struct attack_action *action,
                   const struct plant_cfg *cfg, double room_rps)
{
    const double before = a->cost, sent = a->extra_total * cfg->period_s;
    const int change = action != NULL ? action->cost_change : 0;
    a->cost *= change > 0 ? 2.0 : change < 0 ? 0.5 : 1.0;
    a->cost = fmax(fmin(a->cost, ATTACK_COST_MAX), 1.0);
    if (sent > 0.0) {
        a->cost = fmax(fmin(a->cost, room_rps / a->extra_total), 1.0);
        double price = (a->cost - 1.0) * sent;
        if (price > a->left.work) {
            price = a->left.work;
            a->cost = 1.0 + price / sent;
        }
        a->left.work -= price;
    }
    return a->cost != before;
}

/* Connections that come at c a second and stay h seconds are c h at a time on average (Little's
 * law). `free` is the share of the slots at max_replicas that they may take at each entry. */
bool attacker_connections(struct attacker *a, const struct attack_action *action,
                          const struct plant_cfg *cfg, double room_rps,
                          const struct topology *topology)
{
    const double notch = ATTACK_CONN_NOTCH * a->nominal_rps;
    const double most = ATTACK_CONN_MAX * a->nominal_rps;
    const double room = room_rps - a->extra_total * a->cost;
    const double free = fmax(room / topology->critical_rps, 0.0);
    bool changed = action != NULL && move(a->conn_rps, a->n_entries, &a->conn_total, action->entry,
                                          action->conn_change * notch, most);
    for (int e = 0; e < a->n_entries && a->conn_total > 0.0; e++) {
        const struct service_cfg *entry = &topology->cfg->services[topology->entries[e]];
        const double slots = (double)entry->max_replicas * topology->cfg->slots_per_pod;
        const double top = free * slots / ATTACK_HOLD_S;
        changed = changed || a->conn_rps[e] > top;
        a->conn_rps[e] = fmin(a->conn_rps[e], top);
    }
    a->conn_total = total_of(a->conn_rps, a->n_entries);
    return pay(a->conn_rps, a->n_entries, &a->conn_total, cfg->period_s, &a->left.connections) ||
           changed;
}

/* x is uniform over [0, rate) minus the part of the rate that the schedule gives: below 0 the
 * arrival is of the schedule, else x falls into the piece of [0, total) that belongs to an entry.
 */
int attacker_aimed(const double *rps, int n_entries, double total, double rate, uint32_t word)
{
    double x = (double)word * 0x1p-32 * rate - (rate - total);
    int e = 0;
    if (x < 0.0) {
        return -1;
    }
    while (e + 1 < n_entries && x >= rps[e]) {
        x -= rps[e++];
    }
    return e;
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
