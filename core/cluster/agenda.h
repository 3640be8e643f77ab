/* Which pod acts next: the least of n times, changed a few times per event.
 *
 * Times stand in blocks of 16. Each block knows its least time and where it stands; a change looks
 * at its own block only, and rescans it only if the least one grew. While few pods live, in the
 * lowest slots, there is one block. Order is total: (time, slot).
 */
#ifndef KARMA_CLUSTER_AGENDA_H
#define KARMA_CLUSTER_AGENDA_H

#include <math.h>
#include <stdint.h>

enum { AGENDA_BLOCK = 16 };

struct sim_agenda {
    double *at;       /* (n_blocks * AGENDA_BLOCK) HUGE_VAL = never; owned by the arena */
    double *least;    /* (n_blocks) least of the block; -HUGE_VAL = to be found */
    int32_t *least_i; /* (n_blocks) its slot */
    int n_blocks;
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
}

static inline void agenda_set(struct sim_agenda *a, int slot, double at)
{
    int b = slot / AGENDA_BLOCK;
    a->at[slot] = at;
    if (slot == a->least_i[b]) {
        a->least[b] = -HUGE_VAL;
    } else if (at < a->least[b] || (at == a->least[b] && slot < a->least_i[b])) {
        a->least[b] = at;
        a->least_i[b] = slot;
    }
}

static inline void agenda_rescan(struct sim_agenda *a, int b)
{
    const double *at = a->at + b * AGENDA_BLOCK;
    double m[4];
    for (int j = 0; j < 4; j++) {
        double x = at[j] < at[j + 4] ? at[j] : at[j + 4];
        double y = at[j + 8] < at[j + 12] ? at[j + 8] : at[j + 12];
        m[j] = x < y ? x : y;
    }
    double lo = m[0] < m[1] ? m[0] : m[1], hi = m[2] < m[3] ? m[2] : m[3];
    double least = lo < hi ? lo : hi;
    unsigned same = 0;
    for (int j = 0; j < AGENDA_BLOCK; j++) {
        same |= (unsigned)(at[j] == least) << j;
    }
    a->least[b] = least;
    a->least_i[b] = b * AGENDA_BLOCK + __builtin_ctz(same);
}

/* The first slot due; *at receives its time. A block that must be rescanned comes out first. */
static inline int agenda_first(struct sim_agenda *a, double *at)
{
    for (;;) {
        int b = 0;
        for (int i = 1; i < a->n_blocks; i++) {
            b = a->least[i] < a->least[b] ? i : b;
        }
        if (a->least[b] != -HUGE_VAL) {
            *at = a->least[b];
            return a->least_i[b];
        }
        agenda_rescan(a, b);
    }
}

#endif
