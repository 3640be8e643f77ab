/* Features: the encoding of a state in which a twin's networks work; their inputs and targets.
 *
 *   input (n_in)       the last `history` states, newest first
 *                      | executed changes (N)
 *                      | the attacker's action (3)
 *                      | offered loads of the coming period and of the `history` periods
 *                        before it, newest first
 *                      | of a residual twin: the answer (n_target) of its queues
 *   target (n_target)  the learned columns of the next state
 *                      | the KPIs of the period
 *
 * Counts and times are encoded as square roots: it stabilises the variance of counts (F. J.
 * Anscombe, 1948) and pulls in the long tail of latencies. Numbers of pods are encoded as gaps from
 * the requested numbers (pods.h). Exact rather than learned are desired replicas and the numbers of
 * the services.
 *
 * KPIs (key performance indicators) are computed from the ground truth of a period, struct
 * plant_truth, from which rewards and metrics are computed. They are shares and means (answered /
 * resolved, compliant / answered, ...), so that 0.999 of many requests and of few look alike.
 * Decoding them gives counters that balance exactly: received = resolved + change of in flight. The
 * mean number of pods and the CPU they request are encoded as gaps from what the desired replicas
 * imply. A store without ground truth (a recording) gives a twin of states only.
 */
#ifndef KARMA_TWIN_FEATURES_H
#define KARMA_TWIN_FEATURES_H

#include "core/base/err.h"
#include "core/base/mem.h"
#include "core/plant/plant.h"
#include "core/twin/pods.h"
#include "proto/trace_store.h"

#include <stdbool.h>

enum { FEATURES_HISTORY_MAX = 8, FEATURES_NONE = -1 };

/*      id        name         root */
#define FEATURES_KPI_LIST(X)                                                                       \
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
#define FEATURES_ENUM_(id, name, root) KPI_##id,
enum features_kpi { FEATURES_KPI_LIST(FEATURES_ENUM_) FEATURES_KPIS };
#undef FEATURES_ENUM_
extern const char *const features_kpi_name[FEATURES_KPIS];

struct features_column {
    bool root;         /* encoded as its square root */
    bool learned;      /* an output; else exact or held */
    bool whole;        /* a number of pods or requests: rounded */
    int8_t gap;        /* enum pods_gap: what stands for it in inputs, targets and limits */
    int service;       /* whose column it is, FEATURES_NONE */
    float lo, hi;      /* range observed while fitting; predictions stay within it */
    float least, most; /* what is predicted at or below `least` is lo, at or above `most` hi: so
                          that "no errors" and "all answered" are 0 and 1, not 0.001 and 0.998, and
                          as often as they really are (residual_pool_fill.h) */
};
struct features {
    struct store_header header;      /* of what it was fitted to */
    int n_services, n_state;         /* N, S */
    int history;                     /* states it looks back on, 1 .. FEATURES_HISTORY_MAX */
    int n_learned, n_kpis;           /* columns; FEATURES_KPIS or 0 */
    int n_in, n_target;              /* n_target = n_learned + n_kpis */
    int n_answer;                    /* n_target in a residual twin, else 0 */
    struct features_column *columns; /* (S + n_kpis); limits of KPIs are encoded */
    int *learned_at;                 /* (n_learned) columns */
    int n_exact, *exact_at;          /* columns whose gap is 0, dataset_mark_exact() */
    int *desired_at;                 /* (N) columns, FEATURES_NONE where there is none */
    struct pods pods;                /* of the header's services and topology */
};

/* "cpu" of "web.cpu"; a name without a service is its own metric. */
const char *features_metric_of(const char *column);

/* ERR_FORMAT if a column is not in column_def.h, or the topology cannot be read. The header's parts
 * are borrowed. */
enum err features_init(struct features *s, struct arena *arena, const struct store_header *header,
                       int history) WARN_UNUSED;

/* The column was measured too rarely to be worked with (dataset.h): no other column's distance is
 * taken from it, nor its own from another. Its place in a state stays. */
void features_forget(struct features *s, int column);

/* The inputs end with the answer of the queues of a residual twin, its networks learn the
 * difference from it. When it is known which targets there are (dataset_mark_exact()). */
void features_add_answer(struct features *s);

/* What happens between one decision and the next. */
struct features_decision {
    const float *const *states; /* (history) newest first, each (S) as measured */
    const int32_t *delta;       /* (N) executed changes */
    const int32_t *attack;      /* (3); NULL = none */
    const float *loads;         /* (history + 1) requests/s, the coming period's first */
};
/* All inputs but the answer. */
void features_input(float *in, const struct features *s, const struct features_decision *d);
/* answer (n_target): a state (S) and KPIs (encoded) as networks would answer them. */
void features_answer(float *answer, const struct features *s, const float *state, const float *kpi);
/* Where it stands in an input. */
static inline int features_answer_at(const struct features *s)
{
    return s->n_in - s->n_answer;
}

/* Column i of a state (S) as limits know it: its gap, else as measured. */
static inline float features_value(const struct features *s, int i, const float *state)
{
    const struct features_column *c = &s->columns[i];
    return c->gap == PODS_PLAIN ? state[i]
                                : pods_gap_of(&s->pods, c->service, (enum pods_gap)c->gap, state);
}

/* Encodes a value: square roots where the column has them. */
static inline float features_encode(const struct features_column *c, float x)
{
    return c->root ? __builtin_sqrtf(x > 0.0F ? x : 0.0F) : x;
}
/* Within the observed range, at its ends where near to them, rounded where whole; lo for NaN. */
float features_clamp(const struct features_column *c, float x);
/* Decodes a value and clamps it. */
float features_decode(const struct features_column *c, float y);

/* Is the KPI encoded as its square root? */
bool features_kpi_is_root(enum features_kpi m);

/* The KPIs of a period at that offered load; pods and CPU requested as they are. */
void features_kpis(float out[FEATURES_KPIS], const struct plant_truth *t, double load,
                   double period_s);
/* And back; `before`: requests in flight when the period began; legit: share of the offered load
 * that is legitimate. Any numbers give a truth whose account balances. */
void features_truth(struct plant_truth *t, const float in[FEATURES_KPIS], double before,
                    double load, double legit, double period_s);

/* Pods and CPU requested become gaps from what the state at the end of the period (S) requests, and
 * are restored from them. */
void features_kpis_encode(float kpi[FEATURES_KPIS], const struct features *s, const float *state);
void features_kpis_decode(float kpi[FEATURES_KPIS], const struct features *s, const float *state);

#endif
