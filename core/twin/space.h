/* The coordinates a twin works in, and what it is asked and answers.
 *
 *   asked     input (n_in)       the last `history` states, newest first
 *                                | executed changes (N)
 *                                | the attacker's action (3)
 *                                | offered loads of the coming period and of the `history` periods
 *                                  before it, newest first
 *   answers   target (n_target)  the learned columns of the next state
 *                                | the measures of the period
 *
 * Counts and times are worked with as square roots: it steadies the variance of counts (F. J.
 * Anscombe, 1948) and pulls in the long tail of latencies. Numbers of pods are worked with as gaps
 * from what was asked for (pods.h). Exact rather than learned are desired replicas and the numbers
 * of the services.
 *
 * Measures are what rewards and metrics are made of, struct plant_truth. They are learned as shares
 * and means (answered / resolved, compliant / answered, ...), so that 0.999 of many requests and of
 * few look alike, and put together again so that the account balances exactly: received = resolved
 * + change of in flight. The mean number of pods and the CPU they request are gaps, too, from what
 * the desired replicas make of them. A store without measures (a recording) gives a twin of states
 * only.
 */
#ifndef KARMA_TWIN_SPACE_H
#define KARMA_TWIN_SPACE_H

#include "core/base/err.h"
#include "core/base/mem.h"
#include "core/plant/plant.h"
#include "core/twin/pods.h"
#include "proto/trace_store.h"

#include <stdbool.h>

enum { SPACE_HISTORY_MAX = 8, SPACE_NONE = -1 };

/*      id        name         root */
#define SPACE_MEASURE_LIST(X)                                                                      \
    X(RECEIVED, "received", 0)   /* requests/s above the offered load */                           \
    X(INFLIGHT, "inflight", 1)   /* at the end of the period */                                    \
    X(SUCCESS, "success", 0)     /* answered / resolved; 1 if none */                              \
    X(COMPLIANT, "compliant", 0) /* compliant / answered; 0 if none */                             \
    X(LATENCY, "latency", 1)     /* ms, mean over answered; 0 if none */                           \
    X(LEGIT, "legit", 0)         /* answered_legit / received_legit; 1 if none */                  \
    X(WAITING, "waiting", 1)                                                                       \
    X(DEPLOYED, "pods", 0) /* gap, pods.h */                                                       \
    X(FAILED, "pods_failed", 0)                                                                    \
    X(ENTRY, "entry_available", 0)                                                                 \
    X(SERVICE, "service_available", 0)                                                             \
    X(REQUESTED, "requested_m", 0) /* gap, pods.h */                                               \
    X(USED, "used_m", 0)                                                                           \
    X(RETRIES, "retries", 1)
#define SPACE_ENUM_(id, name, root) SM_##id,
enum space_measure { SPACE_MEASURE_LIST(SPACE_ENUM_) SPACE_MEASURES };
#undef SPACE_ENUM_
extern const char *const space_measure_name[SPACE_MEASURES];

struct space_column {
    bool root;         /* worked with as its square root */
    bool learned;      /* an output; else exact or held */
    bool whole;        /* a number of pods or requests: rounded */
    int8_t gap;        /* enum pods_gap: what stands for it in inputs, targets and limits */
    int service;       /* whose column it is, SPACE_NONE */
    float lo, hi;      /* what it was seen to be while fitting; what is predicted stays within */
    float least, most; /* what is predicted at or below `least` is lo, at or above `most` hi: so
                          that "no errors" and "all answered" are 0 and 1, not 0.001 and 0.998, and
                          as often as they really are (bank.h) */
};
struct space {
    struct store_header header;   /* of what it was fitted to */
    int n_services, n_state;      /* N, S */
    int history;                  /* states it looks back on, 1 .. SPACE_HISTORY_MAX */
    int n_learned, n_measures;    /* columns; SPACE_MEASURES or 0 */
    int n_in, n_target;           /* n_target = n_learned + n_measures */
    struct space_column *columns; /* (S + n_measures); limits of measures are in coordinates */
    int *learned_at;              /* (n_learned) columns */
    int n_exact, *exact_at;       /* columns whose gap is 0, dataset_settle() */
    int *desired_at;              /* (N) columns, SPACE_NONE where there is none */
    struct pods pods;             /* of the header's services and topology */
};

/* ERR_FORMAT if a column is no metric (column_def.h), or the topology cannot be read. The header's
 * parts are borrowed. */
enum err space_init(struct space *s, struct arena *arena, const struct store_header *header,
                    int history) WARN_UNUSED;

/* What happens between one decision and the next. */
struct space_decision {
    const float *const *states; /* (history) newest first, each (S) as measured */
    const int32_t *delta;       /* (N) executed changes */
    const int32_t *attack;      /* (3); NULL = none */
    const float *loads;         /* (history + 1) requests/s, the coming period's first */
};
void space_input(float *in, const struct space *s, const struct space_decision *d);

/* Column i of a state (S) as limits know it: its gap, else as measured. */
static inline float space_value(const struct space *s, int i, const float *state)
{
    const struct space_column *c = &s->columns[i];
    return c->gap == PODS_PLAIN ? state[i]
                                : pods_gap_of(&s->pods, c->service, (enum pods_gap)c->gap, state);
}

/* A value in coordinates: square roots where the space has them. */
static inline float space_forth(const struct space_column *c, float x)
{
    return c->root ? __builtin_sqrtf(x > 0.0F ? x : 0.0F) : x;
}
/* Within what was seen, at the ends where near to them, whole where it counts; lo for NaN. */
float space_snap(const struct space_column *c, float x);
/* Back from coordinates, and snapped. */
float space_back(const struct space_column *c, float y);

/* Is the measure worked with as its square root? */
bool space_measure_is_root(enum space_measure m);

/* The measures of a period at that offered load; pods and CPU requested as they are. */
void space_measure(float out[SPACE_MEASURES], const struct plant_truth *t, double load,
                   double period_s);
/* And back; `before`: requests in flight when the period began; legit: share of the offered load
 * that is legitimate. Any numbers give a truth whose account balances. */
void space_truth(struct plant_truth *t, const float in[SPACE_MEASURES], double before, double load,
                 double legit, double period_s);

/* Pods and CPU requested become gaps from what the state at the end of the period (S) asks for, and
 * what they are again. */
void space_measure_forth(float measure[SPACE_MEASURES], const struct space *s, const float *state);
void space_measure_back(float measure[SPACE_MEASURES], const struct space *s, const float *state);

#endif
