/* A plant: anything that can be reset, given one joint action per decision period, and observed.
 *
 * There are three kinds: the cluster simulator (which stands in for the real cluster: every
 * reported result is measured on it), the digital twin (where policies train) and the live cluster.
 * A plant instance holds a tile: n_env independent environments, local ids 0 .. n_env-1.
 *
 * Every plant has what is *measured*. The state (plant/schema.h) is lagged, and is all that
 * controllers and policies may see; each value has an age, and a value that was never measured is
 * unknown. The outcomes (plant/outcomes.h) are what a monitoring system shows of a period: answered
 * share, response time, pods, CPU; each is known or unknown.
 *
 * Only a simulator has what is *exact*. The truth are exact counters of the last decision period;
 * rewards and metrics may use them, controllers never. The cohorts are requests by the time of
 * their arrival.
 *
 * What a plant has beyond the measured part stands in its capabilities (enum plant_can). Whoever
 * needs more than a plant has must ask first and refuse with a sentence.
 *
 * A decision has two halves. plant_act() carries the changes out: on a live cluster it writes to
 * the Kubernetes API. plant_pass() lets the decision period pass and measures: on a live cluster it
 * waits. Both can fail. plant_step() is one after the other.
 */
#ifndef KARMA_PLANT_PLANT_H
#define KARMA_PLANT_PLANT_H

#include "core/base/config.h"
#include "core/base/err.h"
#include "core/base/mem.h"
#include "core/base/rng.h"

#include <stdbool.h>
#include <stdint.h>

struct schedule; /* core/scenario/schedule.h: the load and the faults of one episode */
struct topology;

/* What the reward is computed from: exact counters, or measured outcomes (plant/outcomes.h). */
enum reward_source { REWARD_EXACT, REWARD_MEASURED };

/* What the reward measures before the cost; reward.h defines both. */
enum reward_kind { REWARD_RESILIENCE, REWARD_SLO };

/* The terms that resilience may have; reward.h defines them. */
enum reward_term {
    REWARD_SUCCESS,
    REWARD_PODS,
    REWARD_LATENCY,
    REWARD_ENTRY,
    REWARD_TRAFFIC,
    REWARD_HEADROOM, /* measured only */
    REWARD_TERMS
};

/* What all plants and controllers agree on. */
struct plant_cfg {
    double period_s;        /* decision period of every controller: 15 */
    double scrape_s;        /* 5 */
    double window_s;        /* of the state's rates: 30 */
    double hpa_window_s;    /* of the CPU that the Kubernetes autoscaler sees: 15 */
    double lag_s;           /* age of the newest scrape at a decision: 7.5 */
    double latency_max_ms;  /* L_max: a request counts as compliant up to here */
    double timeout_s;       /* clients give up */
    double cost_weight;     /* w_c of the reward */
    int alpha;              /* largest change of a service's replicas by one defender action: 3 */
    double attack_requests; /* budget of a learned attacker for an episode: requests above the
                               legitimate ones, in multiples of those */
    double attack_crashes;  /* crash probability a minute x minutes, see attacker.h */
    double attack_connections; /* slow-loris connections, in multiples of legitimate requests */
    double attack_work;        /* CPU that its requests need beyond that of legitimate ones, in
                                  multiples of what all legitimate requests need */
    double attack_cap;      /* of topology.critical_rps: a learned attacker sends nothing that would
                               bring the offered load above it; 0 = no cap */
    double headroom_target; /* utilisation up to which the outcome `headroom` is 1: 0.7 */
    int reward_from;        /* enum reward_source */
    int *reward_terms;      /* (n_reward_terms) enum reward_term; none = those of OR */
    int n_reward_terms;
    int reward; /* enum reward_kind */
};
extern const struct cfg_field plant_fields[];

/* Checks what needs more than one value: multiples of the scrape interval, L_max <= time-out. Keys
 * are those below `plant:`; src_locs (may be NULL) finds file:line. */
enum err plant_cfg_check(const struct plant_cfg *cfg, const struct cfg *src_locs) WARN_UNUSED;

/* cfg_error(), also without src_locs (NULL: the sentence carries the key only). Returns ERR_CONFIG.
 */
enum err plant_cfg_error(const struct cfg *src_locs, const char *key, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Which episode: environment gid, its episode number, and the seed domain. Everything random in an
 * episode is a function of these, so two plants given the same identity and the same actions do the
 * same, and two controllers meet the same arrivals (common random numbers). */
struct episode_id {
    uint64_t seed;
    enum rng_split split;
    uint32_t env, episode;
};

/* The attacker's action of the paper: one entry point, change of its inbound rate (-2..2, times
 * 0.25 x nominal), change of the crash probability (0..2, tenths). Beyond the paper: change of the
 * slow-loris connections there (-2..2, times 0.15 x nominal), change of what its requests cost
 * (-1..1, each a factor 2). For a learned attacker; scripted attacks are part of the schedule. */
struct attack_action {
    int entry, rate_change, data_change, conn_change, cost_change;
};

/* What a learned attacker may still spend in the running episode. */
struct attack_budget {
    double requests;    /* above the legitimate ones */
    double crashes;     /* crashes that a pod of the service aimed at would suffer on average */
    double connections; /* slow-loris connections */
    double work; /* CPU beyond that of as many legitimate requests, in legitimate requests' CPU */
};

/* What the requests of an attack experienced in the last decision period. */
struct attack_answers {
    double answered, failed;
    double latency_sum_ms; /* over answered */
};

/* Exact account of one decision period of one environment. Requests are client requests; "resolved"
 * in this period, whenever they arrived. received = resolved + change of in-flight, exactly. A
 * request is what a client wants, however often it tries: received once, answered when one attempt
 * is, with a latency from the first attempt on. */
struct plant_truth {
    double received;       /* requests that arrived at the entries, attack traffic included */
    double answered;       /* answered without error before the time-out */
    double compliant;      /* of these within latency_max_ms */
    double failed;         /* refused, expired, lost */
    double latency_sum_ms; /* over answered */
    double received_legit, answered_legit; /* without attack traffic; answered of these */
    double inflight;                       /* requests unresolved at the end of the period */
    double waiting_mean;                   /* time mean of requests waiting in queues */
    double pods_deployed_mean, pods_failed_mean;
    double entry_available_mean;   /* time mean share of entries with a ready pod and queue room */
    double service_available_mean; /* time mean share of services with a ready pod, and error ratio
                                      below 1/2 in the period */
    double requested_m_mean;       /* time mean CPU requested by existing pods, milli-cores */
    double used_m_mean;            /* time mean CPU used, milli-cores */
    double retries;                /* attempts after the first, made in this period */
};

/* Its counters in order, by name: what traces call them. */
enum { PLANT_TRUTHS = sizeof(struct plant_truth) / sizeof(double) };
extern const char *const plant_truth_names[PLANT_TRUTHS];

/* Requests by the window in which they ARRIVED; filled in as they resolve. For recovery times and
 * figures. Windows are WINDOW_S long from the start of the episode. */
enum { COHORT_S = 5 };
struct plant_cohort {
    uint32_t received, answered, compliant;
    uint32_t received_legit, answered_legit;
    float latency_sum_ms;
};

/* What a plant can do beyond what all plants can: bits of plant.can. */
enum plant_can {
    PLANT_EXACT = 1,    /* it has exact counters: plant_truth() */
    PLANT_COHORTS = 2,  /* it has cohorts: plant_cohorts() */
    PLANT_ATTACKED = 4, /* a learned attacker may send requests, within a budget:
                           plant_attack_left() */
    PLANT_DRIVEN = 8,   /* its load and its faults come from a schedule; it cannot start without */
    PLANT_REPEATS = 16, /* the same episode and the same actions give the same bits again */
    PLANT_REAL_TIME = 32, /* a period takes period_s of real time */
    PLANT_CRASHED = 64    /* a learned attacker may raise the crash probability, hold slow-loris
                             connections and send costly requests, too, and its requests go to the
                             entry it aims at; without, to all alike */
};

struct plant;
struct plant_outcomes; /* core/plant/outcomes.h */

/* Operations. Those that a capability announces are NULL where the plant lacks it. */
struct plant_ops {
    const char *kind; /* "cluster", "twin", "live" */
    /* Start an episode of `horizon` periods in environment lid. `schedule` is kept by reference
     * until the next reset; it is not NULL for a plant that is PLANT_DRIVEN. */
    enum err (*reset)(struct plant *p, int lid, const struct episode_id *id,
                      const struct schedule *schedule, int horizon);
    /* Carry out a decision in all environments. delta (n_env, n_services): change of desired
     * replicas, already resolved between agents; the plant clips to [min, max]. attack (n_env) may
     * be NULL: the attacker's load stays as it is. Its budget is enforced by the plant.
     * Environments whose `active` byte is 0 stand still (active NULL = all run). Arrays are kept by
     * reference until pass() returns. An error means that nothing is known to have been executed;
     * a change that was refused for one service alone is no error: `desired` shows it. NULL: the
     * plant needs no preparation, pass() carries out. */
    enum err (*act)(struct plant *p, const int32_t *delta, const struct attack_action *attack,
                    const uint8_t *active);
    /* Let one decision period pass after act(), with the same arguments, and measure. After an
     * error state and outcomes are those of the period before. */
    enum err (*pass)(struct plant *p, const int32_t *delta, const struct attack_action *attack,
                     const uint8_t *active);
    /* (state_size) measured state at the current decision; valid until the next step or reset. A
     * value that is unknown is 0. */
    const float *(*state)(const struct plant *p, int lid);
    /* (state_size) age of each value of the state, s; INFINITY: unknown. Valid until the next call.
     * NULL: every value is known and lag_s old. */
    const float *(*age)(const struct plant *p, int lid);
    /* Outcomes of the last period as they are measured. NULL: as the state tells them
     * (outcomes_of_state()). */
    void (*outcomes)(struct plant_outcomes *out, const struct plant *p, int lid);
    /* Seconds since the episode began: simulated, or real ones (PLANT_REAL_TIME). */
    double (*clock_s)(const struct plant *p, int lid);
    const struct plant_truth *(*truth)(const struct plant *p, int lid);
    struct attack_budget (*attack_left)(const struct plant *p, int lid);
    /* NULL: the plant does not count the requests of an attack apart. */
    struct attack_answers (*attack_answers)(const struct plant *p, int lid);
    const struct plant_cohort *(*cohorts)(const struct plant *p, int lid, int *n);
};

/* First member of every plant. */
struct plant {
    const struct plant_ops *ops;
    const struct topology *topology;
    const struct plant_cfg *cfg;
    int n_env, n_state;
    unsigned can;       /* enum plant_can */
    double nominal_rps; /* mean of the workload, requests/s: the unit of the reward `slo`; whoever
                           makes a plant sets it (env_setup_plant()), 0 = not known */
};

static inline bool plant_can(const struct plant *p, enum plant_can what)
{
    return (p->can & (unsigned)what) != 0;
}

/* ERR_CONFIG with a sentence if the plant is driven and `schedule` is NULL. */
enum err plant_reset(struct plant *p, int lid, const struct episode_id *id,
                     const struct schedule *schedule, int horizon) WARN_UNUSED;

/* ERR_CONFIG with a sentence if `attack` is not NULL and nobody can attack in this plant. */
enum err plant_act(struct plant *p, const int32_t *delta, const struct attack_action *attack,
                   const uint8_t *active) WARN_UNUSED;

static inline enum err plant_pass(struct plant *p, const int32_t *delta,
                                  const struct attack_action *attack, const uint8_t *active)
{
    return p->ops->pass(p, delta, attack, active);
}
static inline enum err plant_step(struct plant *p, const int32_t *delta,
                                  const struct attack_action *attack, const uint8_t *active)
{
    TRY(plant_act(p, delta, attack, active));
    return plant_pass(p, delta, attack, active);
}
static inline const float *plant_state(const struct plant *p, int lid)
{
    return p->ops->state(p, lid);
}
static inline double plant_clock_s(const struct plant *p, int lid)
{
    return p->ops->clock_s(p, lid);
}

/* Age of one value of the state, s; INFINITY: unknown. */
double plant_age_s(const struct plant *p, int lid, int column);

/* Exact counters of the last period; NULL if the plant has none. */
static inline const struct plant_truth *plant_truth(const struct plant *p, int lid)
{
    return plant_can(p, PLANT_EXACT) ? p->ops->truth(p, lid) : NULL;
}

/* What a learned attacker has left; 0 if nobody can attack. */
static inline struct attack_budget plant_attack_left(const struct plant *p, int lid)
{
    return plant_can(p, PLANT_ATTACKED) ? p->ops->attack_left(p, lid)
                                        : (struct attack_budget){0.0, 0.0, 0.0, 0.0};
}

/* What the requests of an attack, of the learned attacker and of the schedule, experienced in the
 * last period; in a plant that does not count them apart, what all requests experienced. It has
 * exact counters. */
static inline struct attack_answers plant_attack_answers(const struct plant *p, int lid)
{
    const struct plant_truth *t = plant_truth(p, lid);
    return p->ops->attack_answers != NULL
               ? p->ops->attack_answers(p, lid)
               : (struct attack_answers){t->answered, t->failed, t->latency_sum_ms};
}

/* Cohorts of the running episode; NULL and 0 if the plant keeps none. */
static inline const struct plant_cohort *plant_cohorts(const struct plant *p, int lid, int *n)
{
    *n = 0;
    return plant_can(p, PLANT_COHORTS) ? p->ops->cohorts(p, lid, n) : NULL;
}

#endif
