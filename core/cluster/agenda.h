/* Which pod acts next: the least of n times, changed a few times per event.
 *
 * Times stand in blocks of 16. Each block knows its least time and where it stands; a change looks
 * at its own block only, and rescans it only if the least one grew. The pod that acts is taken off
 * the agenda first: the others of its block are compared while it acts, and its next time has to be
 * compared with their least only. Which pod is next is as good as random, so nothing branches on a
 * comparison of times that can be predicted only by chance. Blocks beyond the last that
 * ever held a time are not looked at, so while few pods live, in the lowest slots, there is one
 * block. Order is total: (time, slot).
 */
#ifndef KARMA_CLUSTER_AGENDA_H
#define KARMA_CLUSTER_AGENDA_H

#include "core/base/fmath.h"

#include <math.h>
#include <stdint.h>

enum { AGENDA_BLOCK = 16 };

struct sim_agenda {
    double *at;       /* (n_blocks * AGENDA_BLOCK) HUGE_VAL = never; owned by the arena */
    double *least;    /* (n_blocks) least of the block; -HUGE_VAL = to be found */
    int32_t *least_i; /* (n_blocks) its slot */
    int n_blocks;
    int n_used; /* blocks from here on have never held a time; at least 1 */
};

/* Nothing is due in any slot. */
static inline void agenda_clear(struct sim_agenda *a)
{
    for (int i = 0; i < a->n_blocks * AGENDA_BLOCK; i++) {
        a->at[i] = HUGE_VAL;
    }
    for (int b = 0; b < a->n_blocks; b++) {
        a->least[b] = HUGE_VAL;
        a->least_i[b] = b * AGENDA_BLOCK;
    }
    a->n_used = 1;
}

static inline void agenda_set(struct sim_agenda *a, int slot, double at)
{
    int b = slot / AGENDA_BLOCK;
    a->n_used = b < a->n_used ? a->n_used : b + 1;
    a->at[slot] = at;
    if (slot == a->least_i[b]) {
        a->least[b] = -HUGE_VAL;
    } else {
        int earlier = fm_less(at, a->least[b]);
        int same = (at == a->least[b]) & (slot < a->least_i[b]);
        a->least[b] = fm_min(a->least[b], at);
        a->least_i[b] ^= (a->least_i[b] ^ slot) & (earlier | -same);
    }
}

/* Of four, the first that equals their minimum; without branches, which would be mispredicted. */
static inline int agenda_find(const double *x, double least)
{
    int past_0 = x[0] > least;
    int past_1 = past_0 & (x[1] > least);
    int past_2 = past_1 & (x[2] > least);
    return past_0 + past_1 + past_2;
}

/* The same, where the minimum is not known yet. */
static inline int agenda_find_least(const double *x, double *least)
{
    double low = fm_min(x[0], x[1]), high = fm_min(x[2], x[3]);
    int in_low = x[1] < x[0], in_high = 2 + (x[3] < x[2]);
    *least = fm_min(low, high);
    return in_low ^ ((in_low ^ in_high) & fm_less(high, low));
}

static inline void agenda_rescan(struct sim_agenda *a, int b)
{
    const double *at = a->at + b * AGENDA_BLOCK;
    double four[4]; /* minima of four each */
    for (int i = 0; i < 4; i++) {
        const double *x = at + 4 * i;
        four[i] = fm_min(fm_min(x[0], x[1]), fm_min(x[2], x[3]));
    }
    double least;
    int i = 4 * agenda_find_least(four, &least);
    a->least[b] = least;
    a->least_i[b] = b * AGENDA_BLOCK + i + agenda_find(at + i, least);
}

/* The slot that is due has nothing more to do until it is set again. Its block is searched at
 * once, because the processor overlaps the search with what the slot does now. */
static inline void agenda_take(struct sim_agenda *a, int slot)
{
    a->at[slot] = HUGE_VAL;
    agenda_rescan(a, slot / AGENDA_BLOCK);
}

/* The first slot due; *at receives its time. A block that must be rescanned comes out first. */
static inline int agenda_first(struct sim_agenda *a, double *at)
{
    for (;;) {
        int b = 0;
        double least = a->least[0];
        for (int i = 1; i < a->n_used; i++) {
            b ^= (b ^ i) & fm_less(a->least[i], least);
            least = fm_min(least, a->least[i]);
        }
        if (least != -HUGE_VAL) {
            *at = least;
            return a->least_i[b];
        }
        agenda_rescan(a, b);
    }
}

#endif
