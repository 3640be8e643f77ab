/* The attacker: the interface of a second team, which sends requests and makes pods crash.
 *
 * One agent with three choices a decision, the action of arXiv 2505.21559: an entry point, a change
 * of the load there (-2..2 notches) and a change of the crash probability there (0..2 notches);
 * with the kinds `loris` and `cost` one more choice each: a change of the slow-loris connections at
 * the entry (-2..2 notches), and of the CPU that its requests need (halve, keep, double).
 * core/scenario/attacker.h has the units, the budget and the cap, all of which the plant enforces.
 * What the budget cannot pay any more is masked: an attacker without means has no choice but to do
 * nothing. Floods, ramps and on-off floods are sequences of load changes.
 *
 * What it sees (attacker.view), of the last period each:
 *
 *   blind   its own load and crash probability at every entry, its budget, the time, its last
 *           action (with `loris` and `cost` its connections and its factor, too); and what its own
 *           requests experience: mean response time and share of errors of those that were resolved
 *           in the period, 0 if none was. Requests of a scripted attack count as its own. A twin
 *           does not count them apart: there they are the means over all requests, while it sends.
 *   probe   the same of all requests instead of its own, also while it sends nothing: anyone
 *           outside can measure that with a handful of requests
 *   full    in addition the state that the defenders measure (plant/schema.h)
 *
 * What it is paid (attacker.reward), r being the defenders' common reward at plant.cost_weight,
 * without what an organisation adds:
 *
 *   zero_sum  -r
 *   damage    legitimate requests of the period not answered in time, in multiples of the mean
 *             budget of a period: its sum over an episode, divided by the periods, is the damage
 *             for each request of the budget. received_legit - compliant x answered_legit /
 *             answered estimates the number: the requests answered in time are taken to be
 *             legitimate in the same proportion as all that are answered. Where the budget has no
 *             requests, the unit is the legitimate requests of a period at workload.mean_rps.
 */
#ifndef KARMA_GAME_ATTACKER_INTERFACE_H
#define KARMA_GAME_ATTACKER_INTERFACE_H

#include "core/base/config.h"
#include "core/game/env_setup.h"
#include "core/game/interface.h"

enum attacker_kind { ATTACKER_RATE, ATTACKER_CRASH, ATTACKER_LORIS, ATTACKER_COST, ATTACKER_KINDS };
enum attacker_view { ATTACKER_BLIND, ATTACKER_PROBE, ATTACKER_FULL };
enum attacker_reward { ATTACKER_ZERO_SUM, ATTACKER_DAMAGE };

struct attacker_cfg {
    int *kinds; /* (n_kinds) enum attacker_kind */
    int n_kinds;
    const char **entries; /* names; none = every entry */
    int n_entries;
    int view;              /* enum attacker_view */
    int reward;            /* enum attacker_reward */
    int *hidden, n_hidden; /* layers of its actor and of its critic */
    double lr, lr_end, entropy;
    const char *policy; /* file of a trained one, for train.opponent: fixed */
    /* for train.opponent: population */
    const char **members; /* (n_members) files of trained ones; "" = one that does nothing */
    int n_members;
    double *shares; /* (n_members) how often each is drawn; n_shares 0: all alike */
    int n_shares;
};
extern const struct cfg_field attacker_fields[];
extern const struct cfg_choice attacker_views[], attacker_rewards[];

/* Factors of an action; ATTACKER_CONNS and ATTACKER_COSTS only with their kinds, see factor_at. */
enum {
    ATTACKER_ENTRY,
    ATTACKER_LOAD,
    ATTACKER_DATA,
    ATTACKER_CONNS,
    ATTACKER_COSTS,
    ATTACKER_FACTORS_MAX
};
/* Choices of the factors. ATTACKER_STAND and ATTACKER_SAME change nothing. Connections have the
 * choices of the load. */
enum {
    ATTACKER_LOAD_CHOICES = 5,
    ATTACKER_STAND = 2,
    ATTACKER_DATA_CHOICES = 3,
    ATTACKER_COST_CHOICES = 3,
    ATTACKER_SAME = 1
};

/* Immutable. An episode leaves behind: the share of each budget that was spent, and the mean of its
 * own reward. */
struct attacker_interface {
    struct interface interface; /* first */
    const struct attacker_cfg *cfg;
    const struct env_setup *env_setup;
    struct team_spec spec;
    bool *may_aim; /* (n_entries of the topology) */
    bool has[ATTACKER_KINDS];
    int factor_at[ATTACKER_FACTORS_MAX]; /* where a factor stands in an action; -1: it has none */
};

/* `a` must stay where it is; the rest by reference. ERR_CONFIG with a sentence if there is nothing
 * it could spend, if an entry is none, and if the plant of a training on env_setup cannot represent
 * what it does. src_locs (may be NULL) finds file:line. */
enum err attacker_interface_init(struct attacker_interface *a, struct arena *arena,
                                 const struct attacker_cfg *cfg, const struct env_setup *env_setup,
                                 const struct cfg *src_locs) WARN_UNUSED;

/* Names of the columns that are normalised (spec.n_norm). NULL when out of memory. */
const char *const *attacker_interface_columns(const struct attacker_interface *a,
                                              struct arena *arena);

#endif
