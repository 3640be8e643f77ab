/* Which client acts next: a binary heap of client numbers, the least (time, client) on top.
 *
 * Each client has at most one timer. The heap knows the position of each, so a timer is set again
 * or cancelled in log n steps; order is total, so what comes next never depends on what was before.
 */
#ifndef KARMA_CLUSTER_TIMERS_H
#define KARMA_CLUSTER_TIMERS_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>

struct sim_timers {
    double first_s;    /* of the one on top, HUGE_VAL if none is set */
    double *at;        /* (n_clients) by client */
    int32_t *heap;     /* (n_clients) */
    int32_t *heap_pos; /* (n_clients) in the heap, -1 = not set */
    int32_t n;
};

static inline void timers_clear(struct sim_timers *t, int n_clients)
{
    for (int i = 0; i < n_clients; i++) {
        t->heap_pos[i] = -1;
    }
    t->n = 0;
    t->first_s = HUGE_VAL;
}

static inline bool timers_before_(const struct sim_timers *t, int32_t a, int32_t b)
{
    return t->at[a] < t->at[b] || (t->at[a] == t->at[b] && a < b);
}

static inline void timers_put_(struct sim_timers *t, int32_t pos, int32_t client)
{
    t->heap[pos] = client;
    t->heap_pos[client] = pos;
}

/* The hole at `pos` is filled with `client`, wherever that moves it. */
static inline void timers_sift_(struct sim_timers *t, int32_t pos, int32_t client)
{
    while (pos > 0 && timers_before_(t, client, t->heap[(pos - 1) / 2])) {
        timers_put_(t, pos, t->heap[(pos - 1) / 2]);
        pos = (pos - 1) / 2;
    }
    for (;;) {
        int32_t child = 2 * pos + 1;
        if (child + 1 < t->n && timers_before_(t, t->heap[child + 1], t->heap[child])) {
            child++;
        }
        if (child >= t->n || !timers_before_(t, t->heap[child], client)) {
            break;
        }
        timers_put_(t, pos, t->heap[child]);
        pos = child;
    }
    timers_put_(t, pos, client);
    t->first_s = t->at[t->heap[0]];
}

static inline void timers_set(struct sim_timers *t, int32_t client, double at)
{
    int32_t pos = t->heap_pos[client] >= 0 ? t->heap_pos[client] : t->n++;
    t->at[client] = at;
    timers_sift_(t, pos, client);
}

static inline void timers_cancel(struct sim_timers *t, int32_t client)
{
    int32_t pos = t->heap_pos[client];
    if (pos < 0) {
        return;
    }
    int32_t last = t->heap[--t->n];
    t->heap_pos[client] = -1;
    if (last != client) {
        timers_sift_(t, pos, last);
    } else if (t->n == 0) {
        t->first_s = HUGE_VAL;
    }
}

#endif
