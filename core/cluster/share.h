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

#include "core/base/fmath.h"
#include "core/cluster/internal.h"

/* 1 if calls compute, else 0. A table, because compilers turn a condition into a branch, and
 * whether a pod is idle is as good as random. */
static inline double share_busy(int computing)
{
    static const double busy[2] = {0.0, 1.0};
    return busy[computing > 0];
}

/* Rate for the number of computing calls, 0 if there are none; needs v up to date. */
static inline void share_pace(struct sim_pod *p)
{
    double part = p->cores / (double)p->computing; /* infinite if nothing computes */
    p->rate = fm_min(share_busy(p->computing), part);
}

/* v, and the CPU used, up to now. */
static inline void share_advance(struct sim_pod *p, double now)
{
    double dv = (now - p->since_s) * p->rate;
    double n = (double)p->computing;
    p->virtual_s += dv;
    p->used_s += n * dv;
    p->since_s = now;
}

/* When the next call finishes if nothing changes; v must be up to date. For an idle pod, the tag
 * before the first makes it SIM_NEVER. */
static inline double share_next(const struct sim_pod *p)
{
    double n = (double)p->computing * p->cores_inverse;
    double left = p->tag[p->computing - 1] - p->virtual_s;
    return p->since_s + left * fm_max(1.0, n);
}

/* Makes room for a call that finishes at `limit`: those of the last SHARE_STEP calls before `tag`,
 * `who` that finish before it, or with it, move by one place towards the end; they are the last
 * ones, since tags descend. Returns their number, which is as good as random: so there are no
 * branches. A place receives the tag before it if that moves, else its own if that stays, else
 * `limit`: in each case the middle one of the three. The last place is free. */
static inline int share_shift(double *tag, int32_t *who, double limit)
{
    double old_tag[SHARE_STEP + 1] = {0.0};
    int32_t old_who[SHARE_STEP + 1] = {0};
    int moved = 0;
    for (int k = 1; k <= SHARE_STEP; k++) {
        old_tag[k] = tag[-k];
        old_who[k] = who[-k];
    }
    for (int k = 0; k < SHARE_STEP; k++) {
        int stays = fm_less(limit, old_tag[k + 1]);
        tag[-k] = fm_max(old_tag[k], fm_min(limit, old_tag[k + 1]));
        who[-k] = old_who[k + 1] ^ ((old_who[k + 1] ^ old_who[k]) & stays);
        moved += 1 + stays;
    }
    return moved;
}

static inline void share_enter(struct sim_pod *p, int32_t who, double work, double now)
{
    share_advance(p, now);
    const double tag = p->virtual_s + work;
    const int n = p->computing++;
    int i = n - share_shift(p->tag + n, p->who + n, tag);
    if (i == n - SHARE_STEP) {
        for (; i > 0 && p->tag[i - 1] <= tag; i--) {
            p->tag[i] = p->tag[i - 1];
            p->who[i] = p->who[i - 1];
        }
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
    p->virtual_s = p->tag[i] * share_busy(i); /* exactly: no drift from one to the next */
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
    agenda_set(&s->agenda, slot, fm_min(p->next_transition_s, share_next(p)));
}

#endif
