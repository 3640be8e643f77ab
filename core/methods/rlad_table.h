/* Rlad-core: a table for each service that learns when to add and when to remove a replica.
 *
 * Rossi, Nardelli, Cardellini, "Horizontal and Vertical Scaling of Container-Based Applications
 * using Reinforcement Learning", IEEE CLOUD 2019, DOI 10.1109/CLOUD.2019.00061; here with
 * horizontal scaling alone. An agent knows its service only. Its state (k, u) is the number of
 * replicas and the utilisation in steps of 0.1, it changes k by -1, 0 or +1, and it minimises the
 * discounted sum of
 *
 *   cost = known(k') + unknown(k', u')          of the state that a decision leads to
 *
 * The known cost is the price of k' replicas. The unknown cost is what the measured outcome adds,
 * such as the weight of a response time that was too long; it is >= 0.
 *
 * Model-based (the publication's choice). An update
 *
 *   counts transitions of the utilisation, P(u' | u) = count(u, u') / sum, which starts with one
 *   count of u' = u (`transitions: utilisation`, published), or P(u' | k, u, change), which starts
 *   with one count of the utilisation that the same load gives to k' replicas (`action`);
 *
 *   averages the unknown cost C(k', u'): each observation moves it by alpha, so n of them with mean
 *   c move it by
 *
 *       C += (1 - (1 - alpha)^n) (c - C)
 *
 *   and then C is made monotone about this state: no state with fewer replicas and more
 *   utilisation is cheaper, none with more replicas and less utilisation is dearer. States of an
 *   update are taken in ascending order of n, so the ones seen most often are right at the end;
 *
 *   sweeps over all states:
 *
 *       Q(s, a) = known(k') + sum over u' of P(u') [C(k', u') + gamma min over a' of Q(s', a')]
 *
 * Counts and sums of costs of all tiles add (rlad_record()), so no order enters.
 *
 * Q-learning, at each transition: Q(s, a) += alpha (cost + gamma min Q(s', .) - Q(s, a)).
 * Dyna-Q does the same, remembers for each pair (s, a) the last successor and cost, and after each
 * transition learns from remembered pairs, drawn uniformly with replacement. All need an order: see
 * rlad_learner.h. There are two versions:
 *
 *   dyna_q     remembers all pairs; `replays` draws after each transition
 *   dyna_q_2   remembers the `memory` pairs that occurred last; after its n-th transition
 *              min(ceil(replay_percent (n + 1) / 100), remembered pairs) draws
 *
 * Choices while it learns: with probability epsilon any open one. `exploration: decaying`, which
 * both versions of Dyna-Q have in the published code, has epsilon = 1 / t at decision t.
 *
 * Where a state is a number: local to its service, (k - least) * RLAD_BINS + bin.
 */
#ifndef KARMA_METHODS_RLAD_TABLE_H
#define KARMA_METHODS_RLAD_TABLE_H

#include "core/base/config.h"
#include "core/base/mem.h"
#include "core/base/rng.h"

enum rlad_algorithm { RLAD_MODEL_BASED, RLAD_Q_LEARNING, RLAD_DYNA_Q, RLAD_DYNA_Q_2 };
enum rlad_exploration { RLAD_CONSTANT, RLAD_DECAYING };
enum rlad_transitions { RLAD_UTILISATION, RLAD_ACTION };
enum rlad_reward { RLAD_OWN, RLAD_KARMA };

/* Utilisation 0, 0.1, ... 1. Choice c changes the replicas by c - 1. */
enum { RLAD_BINS = 11, RLAD_CHOICES = 3, RLAD_NO_CHANGE = 1 };

struct rlad_cfg {
    int algorithm;              /* enum rlad_algorithm */
    int reward;                 /* enum rlad_reward */
    double resources, lateness; /* weights of the own reward: rlad_interface.h */
    int transitions;            /* enum rlad_transitions; model-based */
    double alpha, gamma;
    int sweeps;      /* model-based: over all states, for each decision of a rollout */
    double epsilon;  /* Q-learning and Dyna-Q: share of random choices in training */
    int exploration; /* enum rlad_exploration: does epsilon stay? */
    int replays;     /* Dyna-Q, first version: for each transition */
    bool
        successor_quirk; /* Dyna-Q stores the successor as the origin, too, as the published code */
    int memory;          /* Dyna-Q, second version: pairs */
    double replay_percent; /* the same: of the transitions so far */
};
extern const struct cfg_field rlad_fields[];

struct rlad_service {
    int least, most;     /* replicas */
    double replica_cost; /* known cost of one replica */
    int first;           /* its first state among those of all services; rlad_init() */
};

struct rlad {
    const struct rlad_cfg *cfg;
    int n_services, n_states;      /* of all services */
    struct rlad_service *services; /* (n_services) */
    size_t n_pairs, n_counts;      /* Q values; counters of transitions */
    double *q;                     /* (n_states, RLAD_CHOICES) */
    double *visits;                /* (n_states) transitions that ended there */
    double *unknown;               /* (n_states) C; model-based, as counts */
    double *counts;                /* (n_counts): (services, bins, bins), or (pairs, bins) */
    double *known, *n_known;       /* Dyna-Q: pairs in order of their first visit, second version:
                                       of their last (n_pairs), how many of each service
                                       (n_services) */
    double *successor, *pair_cost; /* (n_pairs) 1 + the state that followed last, and its cost */
    double *n_learned;             /* second version: transitions of each service (n_services) */
    double *probability, *value;   /* scratch: (n_counts), (n_states) */
    int *order;                    /* scratch: (n_states) */
};

/* services: by copy. Tables are those of rlad_bind(). */
enum err rlad_init(struct rlad *r, struct arena *arena, const struct rlad_cfg *cfg,
                   const struct rlad_service *services, int n_services) WARN_UNUSED;

/* What was learned, as one array, and where it lies. rlad_clear(): nothing learned yet. */
size_t rlad_doubles(const struct rlad *r);
void rlad_bind(struct rlad *r, double *learned);
void rlad_clear(struct rlad *r);

/* Bin of a utilisation, nearest; 0 of what is no number. */
int rlad_bin(double utilisation);
/* Replicas beyond the bounds count as the bound. */
int rlad_state(const struct rlad_service *s, int replicas, int bin);
static inline int rlad_n_states(const struct rlad_service *s)
{
    return (s->most - s->least + 1) * RLAD_BINS;
}
/* May choice c be made in this state? */
bool rlad_open(const struct rlad_service *s, int state, int c);
double rlad_known_cost(const struct rlad_service *s, int state);

/* The choice of least Q among those whose bit is set in mask; of equals no change, then -1. q
 * (RLAD_CHOICES). */
int rlad_greedy(const float *q, uint32_t mask);
/* Number of a Q value among those of all services. */
static inline size_t rlad_pair(const struct rlad_service *s, int state, int c)
{
    return (size_t)(s->first + state) * RLAD_CHOICES + (size_t)c;
}

/* A transition of one service. */
struct rlad_step {
    int service, state, choice, next;
    double unknown; /* cost of `next` that was measured */
};

/* Model-based: record (rlad_record_doubles()) of zeros, transitions added in any order, records
 * added element by element, then an update with so many sweeps. */
size_t rlad_record_doubles(const struct rlad *r);
void rlad_record(const struct rlad *r, double *record, const struct rlad_step *s);
void rlad_learn(struct rlad *r, const double *record, int sweeps);

/* Share of random choices at decision t = 1, 2, ... of an agent that learns without a model. */
double rlad_epsilon(const struct rlad_cfg *cfg, double t);

/* Q-learning and Dyna-Q: one transition; (key, row, update) are coordinates of the draws. */
void rlad_learn_step(struct rlad *r, const struct rlad_step *s, struct rng_key key, uint32_t row,
                     uint32_t update);

#endif
