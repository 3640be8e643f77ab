/* The arithmetic of pods: what follows from the replicas that were asked for. None of it is
 * learned.
 *
 * Of a service, with `removed` = the pods it was asked to remove in the period and in as many
 * before it as the twin looks back (they may still drain):
 *
 *     desired'  = desired + executed change
 *     deployed' = desired' - gap,   0 <= deployed' <= desired' + removed
 *     ready'    = deployed' - gap,  0 <= failed' + ready' <= deployed'
 *     hpa_ready' + hpa_ignored' + hpa_missing' = desired' - gap, each >= 0, <= desired' + removed
 *     hpa_cpu' <= hpa_ready' x the limit of a pod, rounded up to whole milli-cores
 *
 * A network answers the gaps, which are small whole numbers and 0 nearly always, instead of the
 * counts, which differ with every allocation. Where the gap of `deployed` or of the hpa_* columns
 * is 0 in all traces, as on a cluster whose metrics never fail, it is no target: it is 0
 * (dataset_mark_exact()).
 *
 * A recording that has `deployed` and not `desired` counts its pods once: its changes of replicas
 * are those of `deployed`, which then stands for `desired`, and is exact.
 *
 * Of a period, with cpu_m of the topology that the traces name, and its node:
 *
 *     pods       = sum of desired' + gap
 *     requested  = min(sum of cpu_m desired', node) + gap
 *     0 <= gap <= sum of cpu_m removed     where the node has room for all of them: so the CPU
 *                                          requested is exact where nothing was removed
 *     used      <= limit_ratio x requested, and <= node
 *
 * Where the node is too small for what was asked for, pods wait for room. Then less than the
 * largest pod's CPU is left, and the rest of the gap is learned.
 */
#ifndef KARMA_TWIN_PODS_H
#define KARMA_TWIN_PODS_H

#include "core/base/err.h"
#include "core/base/mem.h"
#include "proto/trace_store.h"

#include <stdbool.h>
#include <stdint.h>

enum { PODS_NONE = -1 };

/* How a column of a state is worked with: as it is, or as its distance from another. */
enum pods_gap {
    PODS_PLAIN,
    PODS_DEPLOYED, /* desired - deployed */
    PODS_READY,    /* deployed - ready; desired - ready where `deployed` is no column */
    PODS_HPA       /* desired - hpa_ready - hpa_ignored - hpa_missing, instead of hpa_ready */
};

/* Columns of a service's pods in a state; PODS_NONE: the traces do not have it, or too rarely. */
struct pods_columns {
    int desired, deployed, failed, ready, hpa_ready, hpa_ignored, hpa_missing, hpa_cpu;
    int id;    /* the service's number, which says nothing of its own: see pods_share() */
    int exist; /* of `deployed`, else of `desired` */
};

struct pods {
    int n;                   /* services */
    struct pods_columns *at; /* (n) */
    int *shared, n_shared;   /* services of pods_share() */
    double *cpu_m, *ram_mib; /* (n) requests of a pod; NULL: the traces name no topology */
    double cpu_most_m;       /* largest of cpu_m */
    double node_cpu_m, node_ram_mib, limit_ratio;
};

/* Columns by their names, requests from the header's topology. ERR_FORMAT if it cannot be read. */
enum err pods_init(struct pods *p, struct arena *arena, const struct store_header *h) WARN_UNUSED;

/* `column` is none of service i any more: too little of it was measured, and a count that stands
 * for the others must not be made from it. */
void pods_forget(struct pods *p, int i, int column);

/* How the column `metric` of service i is worked with. */
enum pods_gap pods_kind(const struct pods *p, int i, const char *metric);

/* The gap of that kind in a state (S) of service i; kind is not PODS_PLAIN. */
static inline float pods_gap_of(const struct pods *p, int i, enum pods_gap kind, const float *state)
{
    const struct pods_columns *c = &p->at[i];
    switch (kind) {
    case PODS_DEPLOYED:
        return state[c->desired] - state[c->deployed];
    case PODS_READY:
        return state[c->exist] - state[c->ready];
    default:
        return state[c->desired] - state[c->hpa_ready] - state[c->hpa_ignored] -
               state[c->hpa_missing];
    }
}

/* `out` (S): the state with gaps in the columns that have one; it may be the state itself. */
void pods_encode(float *out, const struct pods *p, const float *state);

/* Requests/s at the entries for each pod that bears them, as its square root: what utilisation is
 * in proportion to, and the only way in which a network sees a quotient of its inputs. It stands in
 * inputs instead of the service's number, where a state has both and `ready`: in the state that the
 * decision saw, the coming load (loads[0]) by the pods that are ready and stay; in the k-th before
 * it, loads[k] by the pods that were ready after it. row (S) of state k; d as below. */
struct pods_decision;
void pods_share(float *row, const struct pods *p, const struct pods_decision *d, const float *loads,
                int k);

/* ---- a step ---- */

/* What was decided: states (history) newest first, each (S); executed changes delta (n). */
struct pods_decision {
    const float *const *states;
    int history;
    const int32_t *delta;
};

/* next (S) comes from one of three sources, and says desired' afterwards. From a network: its
 * columns are gaps, which become counts. From a recorded successor: gaps as recorded there. From
 * nowhere, the state before: what was asked for in addition is set aside, what is removed was
 * ready.
 */
void pods_answer(float *next, const struct pods *p, const struct pods_decision *d);
void pods_follow(float *next, const struct pods *p, const struct pods_decision *d);
void pods_hold(float *next, const struct pods *p, const struct pods_decision *d);

/* ---- a period ---- */

/* What a period's means are counted from, given the state at its end. */
struct pods_base {
    double pods, requested_m; /* requested_m 0 where the topology is not known */
};
struct pods_base pods_base_of(const struct pods *p, const float *next);

/* Means of a period, as gaps from its base (`deployed`, `requested`) and as they are. */
struct pods_means {
    float *deployed, *failed, *requested, *used;
};
/* The inequalities above, of next (S) and of the means (NULL: the traces have none). */
void pods_bound(float *next, const struct pods_means *m, const struct pods *p,
                const struct pods_decision *d);

#endif
