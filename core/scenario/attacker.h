/* The learned attacker's means: what its actions do to the load and to the pods, within a budget.
 *
 * Actions are those of arXiv 2505.21559 (kappa = 1, sigma = 10), in units the paper leaves open: a
 * notch of rate is a quarter of the nominal load; its load lies between 0 and 8 times nominal over
 * all entries; a notch of data is 0.1 crashes per pod and minute at the entry's service, up to 0.2,
 * and decays by half every 30 s. The load is a term of its own: legitimate load is out of reach.
 *
 * Two means are not in the paper; scenario.h has them as scripts. Slow-loris connections: a notch
 * is 0.15 x nominal new connections a second at an entry, at most 2 x nominal over all; each holds
 * a worker slot for ATTACK_HOLD_S. Costly requests: the factor by which its requests need more CPU
 * than legitimate ones doubles or halves, between 1 and 8, for its requests at all entries.
 *
 * The budget of an episode has a part for each means, and all are paid in advance, so that none can
 * be overdrawn: requests and connections, for each period at the rates it will have; additional
 * CPU, for each period as (factor - 1) x requests; crash probability, at once for its whole decay.
 * What a budget cannot pay is cut to what it can: rates of all entries alike. The requests and
 * connections that arrive are Poisson numbers with the means that were paid, like those of a
 * scripted attack.
 *
 * The cap (plant.attack_cap): no load of an attacker brings the offered load of a second above this
 * share of the capacity, beyond which no controller can answer in time. A costly request counts as
 * `factor` requests. The connections that an entry holds on average may take the share of its
 * worker slots at max_replicas that the load leaves below the cap. The excess is cut, too.
 * Pure accounting, for any plant: who carries it out draws the arrivals and the crashes.
 */
#ifndef KARMA_SCENARIO_ATTACKER_H
#define KARMA_SCENARIO_ATTACKER_H

#include "core/plant/plant.h"
#include "core/plant/topology.h"
#include "core/scenario/schedule.h"

#include <stdbool.h>

#define ATTACK_NOTCH       0.25 /* of the nominal load */
#define ATTACK_MAX         8.0  /* x nominal */
#define ATTACK_CRASH       0.1  /* per pod and minute */
#define ATTACK_CRASH_MAX   0.2
#define ATTACK_HALF_LIFE_S 30.0
/* A crash probability p per minute that halves every h = 30 s amounts to the integral of p
 * 2^(-t / h) over t >= 0, which is p h / log 2. This is the factor of p, with h in minutes. */
#define ATTACK_DECAY_MIN   (ATTACK_HALF_LIFE_S / 0.69314718055994531 / 60.0)
#define ATTACK_CONN_NOTCH  0.15 /* of the nominal load, connections/s */
#define ATTACK_CONN_MAX    2.0  /* x nominal */
#define ATTACK_HOLD_S      15.0 /* a connection holds its slot */
#define ATTACK_COST_MAX    8.0  /* CPU of its requests / of legitimate ones */

struct attacker {
    double *extra_rps; /* (n_entries) its load at each entry, requests/s; borrowed */
    double *conn_rps;  /* (n_entries) its new connections there, 1/s; borrowed */
    int n_entries;
    double extra_total, conn_total; /* their sums */
    double cost;                    /* CPU of its requests / of legitimate ones, >= 1 */
    double nominal_rps;
    struct attack_budget left;
};

/* An episode begins: no load yet. nominal_rps: mean legitimate load of the episode of n_seconds,
 * of which the budget in cfg is a multiple. extra_rps and conn_rps (n_entries) are kept. */
void attacker_start(struct attacker *a, double *extra_rps, double *conn_rps, int n_entries,
                    const struct plant_cfg *cfg, double nominal_rps, int n_seconds);

/* For a plant that is told the offered load and nothing else: of the budget the requests are left.
 */
void attacker_requests_only(struct attacker *a);

/* Mean legitimate load of a schedule, requests/s: `nominal_rps` of its episode. */
double attacker_nominal(const struct schedule *s);

/* Requests/s that the cap leaves to an attacker in decision period `period` (from 0): what the
 * schedule offers in its busiest second counts, in CPU of ordinary requests. INFINITY without a
 * cap. */
double attacker_room(const struct schedule *s, const struct plant_cfg *cfg,
                     const struct topology *topology, int period);

/* The load for the period that begins, of cfg->period_s and at most room_rps; action NULL: as it
 * is. Pays for it. True if the load of an entry changed. */
bool attacker_load(struct attacker *a, const struct attack_action *action,
                   const struct plant_cfg *cfg, double room_rps);

/* The factor on the CPU of its requests in the period that begins, after attacker_load() for it
 * with the same arguments. Pays for it. True if the factor changed. */
bool attacker_cost(struct attacker *a, const struct attack_action *action,
                   const struct plant_cfg *cfg, double room_rps);

/* The new connections of the period that begins, after attacker_cost() for it with the same
 * arguments. Pays for them. True if the rate at an entry changed. */
bool attacker_connections(struct attacker *a, const struct attack_action *action,
                          const struct plant_cfg *cfg, double room_rps,
                          const struct topology *topology);

/* Which entry the attacker aimed an arrival at, of a stream with `rate` arrivals a second that it
 * shares with a schedule: `word`, the arrival's draw, falls into the piece of the rate that belongs
 * to an entry. -1: the arrival is of the schedule. rps (n_entries), which add up to total > 0. */
int attacker_aimed(const double *rps, int n_entries, double total, double rate, uint32_t word);

/* Crash probability per pod and minute at the service of the action's entry, which now is p. Pays
 * for the difference. */
double attacker_crash(struct attacker *a, const struct attack_action *action, double p);

#endif
