/* Processor sharing in virtual time: one pod's CPU among the calls that compute.
 *
 * Every computing call advances at rate = min(1, cores / n) CPU-seconds per second: no call uses
 * more than one core. Virtual time v grows at that rate, so a call that enters with work w leaves
 * when v = tag = v_enter + w, whatever enters or leaves in between. Tags are kept in descending
 * order: the next to finish stands last, equal tags leave in the order they came. v returns to 0
 * whenever the pod falls idle, so it never loses digits.
 */
#ifndef KARMA_CLUSTER_SHARE_H
#define KARMA_CLUSTER_SHARE_H

#include "core/cluster/internal.h"

/* Rate for the number of computing calls; needs v up to date. */
static inline void share_pace(struct sim_pod *p)
{
    double n = (double)p->computing;
    p->rate = n > p->cores ? p->cores / n : 1.0;
}

/* v, and the CPU used, up to now. */
static inline void share_advance(struct sim_pod *p, double now)
{
    double dv = (now - p->since_s) * p->rate;
    double n = (double)p->computing;
    p->virtual_s += p->computing > 0 ? dv : 0.0;
    p->used_s += n * dv;
    p->since_s = now;
}

/* When the next call finishes if nothing changes; v must be up to date. */
static inline double share_next(const struct sim_pod *p)
{
    if (p->computing == 0) {
        return SIM_NEVER;
    }
    double n = (double)p->computing * p->cores_inverse;
    double left = p->tag[p->computing - 1] - p->virtual_s;
    return p->since_s + left * (n > 1.0 ? n : 1.0);
}

static inline void share_enter(struct sim_pod *p, int32_t who, double work, double now)
{
    share_advance(p, now);
    double tag = p->virtual_s + work;
    int i = p->computing++;
    for (; i > 0 && p->tag[i - 1] <= tag; i--) {
        p->tag[i] = p->tag[i - 1];
        p->who[i] = p->who[i - 1];
    }
    p->tag[i] = tag;
    p->who[i] = who;
    share_pace(p);
}

/* The call that finishes now. */
static inline int32_t share_leave(struct sim_pod *p, double now)
{
    share_advance(p, now);
    int i = --p->computing;
    p->virtual_s = i > 0 ? p->tag[i] : 0.0; /* exactly: no drift from one to the next */
    share_pace(p);
    return p->who[i];
}

static inline void share_set_cores(struct sim_pod *p, double cores, double now)
{
    share_advance(p, now);
    p->cores = cores;
    p->cores_inverse = 1.0 / cores;
    share_pace(p);
}

/* A call more or less computes, `fewer` without it: if CPU is scarce, a pod that can now use more
 * or less of it changes everybody's part. */
static inline void share_demand(struct sim *s, const struct sim_pod *p, int fewer)
{
    if (s->scarce) {
        s->cpu_alloc_due = s->cpu_alloc_due || (double)fewer < s->services[p->service].cores;
    }
}

/* Put the pod's next event on the agenda: a call done, or a change of its state. */
static inline void share_announce(struct sim *s, int slot)
{
    const struct sim_pod *p = &s->pods[slot];
    double at = share_next(p);
    agenda_set(&s->agenda, slot, at < p->next_transition_s ? at : p->next_transition_s);
}

#endif
