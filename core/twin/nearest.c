/* A sorted list for each group, walked outwards. See nearest.h. */
#include "core/twin/nearest.h"

#include "core/base/hash.h"

#include <math.h>
#include <stdlib.h>

/* FNV-1a over the changes and the desired replicas, a word at a time. Groups are told apart by this
 * hash alone; that two of them share its 64 bits is left out of account. */
static uint64_t group_of(const struct features *s, const struct features_decision *d)
{
    uint64_t h = HASH_START;
    for (int i = 0; i < s->n_services; i++) {
        const int at = s->desired_at[i];
        const int64_t desired = at != FEATURES_NONE ? (int64_t)d->states[0][at] : 0;
        h = hash_word(h, (uint64_t)(int64_t)d->delta[i]);
        h = hash_word(h, (uint64_t)desired);
    }
    return h;
}

/* Coordinates in steps of the key: the two loads first, because the list is sorted by the first. */
static void point_of(float *out, const struct lookup *t, const struct features_decision *d)
{
    *out++ = d->loads[0] * t->load_inv;
    *out++ = d->loads[1] * t->load_inv;
    for (int i = 0; i < t->n_columns; i++) {
        const int column = t->column[i];
        *out++ = features_encode(&t->features->columns[column], d->states[0][column]) * t->inv[i];
    }
}

/* A point of the list, before it is sorted. */
struct point {
    uint64_t group;
    float load;
    int row;
};

static int by_group_and_load(const void *a, const void *b)
{
    const struct point *x = a, *y = b;
    if (x->group != y->group) {
        return x->group < y->group ? -1 : 1;
    }
    if (x->load != y->load) {
        return x->load < y->load ? -1 : 1;
    }
    return (x->row > y->row) - (x->row < y->row);
}

/* The decision that was taken at a row; the arrays are the caller's. */
static struct features_decision decision_at(const struct dataset *d, int row, const float **states,
                                            float *loads)
{
    dataset_history(states, loads, d, row);
    return (struct features_decision){.states = states,
                                      .delta =
                                          d->delta + (size_t)row * (size_t)d->features->n_services,
                                      .attack = d->attack + (size_t)row * STORE_ATTACK,
                                      .loads = loads};
}

enum err nearest_init(struct twin_nearest *s, struct arena *arena, const struct lookup *table,
                      const struct dataset *d)
{
    const float *states[FEATURES_HISTORY_MAX];
    float loads[FEATURES_HISTORY_MAX + 1];
    *s = (struct twin_nearest){
        .table = table, .data = d, .n = table->n, .n_point = table->n_columns + 2};
    struct point *places = ARENA_NEW(arena, s->n, struct point);
    s->group = ARENA_NEW(arena, s->n, uint64_t);
    s->row = ARENA_NEW(arena, s->n, int);
    s->point = ARENA_NEW(arena, (size_t)s->n * (size_t)s->n_point, float);
    TRY(arena_error(arena));
    for (int i = 0; i < s->n; i++) {
        const int row = table->entries[i].row;
        const struct features_decision at = decision_at(d, row, states, loads);
        places[i] = (struct point){
            .group = group_of(d->features, &at), .load = loads[0] * table->load_inv, .row = row};
    }
    qsort(places, (size_t)s->n, sizeof *places, by_group_and_load);
    for (int i = 0; i < s->n; i++) {
        const struct features_decision at = decision_at(d, places[i].row, states, loads);
        s->group[i] = places[i].group;
        s->row[i] = places[i].row;
        point_of(s->point + (ptrdiff_t)i * s->n_point, table, &at);
    }
    return ERR_OK;
}

/* First index that is not before (group, load), n if all are. Everything below lo is before,
 * nothing from hi on; the interval halves. */
static int place_of(const struct twin_nearest *s, uint64_t group, float load)
{
    int lo = 0, hi = s->n;
    while (lo < hi) {
        const int mid = lo + (hi - lo) / 2;
        const bool before = s->group[mid] != group ? s->group[mid] < group
                                                   : s->point[(ptrdiff_t)mid * s->n_point] < load;
        lo = before ? mid + 1 : lo;
        hi = before ? hi : mid;
    }
    return lo;
}

/* Squared distance; a sum that exceeds `enough` is returned unfinished. Terms are not negative, so
 * the whole would exceed it, too. */
static float distance2(const float *a, const float *b, int n, float enough)
{
    float sum = 0.0F;
    for (int i = 0; i < n && sum <= enough; i++) {
        sum += (a[i] - b[i]) * (a[i] - b[i]);
    }
    return sum;
}

/* One direction of the walk, within the group. Loads ascend, so the first coordinate's distance
 * never falls on the way: where it alone exceeds the best distance, no later point can be nearer.
 * Equality goes on, and ties go to the smaller row, so the answer does not depend on the direction
 * that is walked first. *best2 begins as the squared radius. */
static void walk(int *best, float *best2, const struct twin_nearest *s, const float *point,
                 uint64_t group, int from, int step)
{
    for (int i = from; i >= 0 && i < s->n && s->group[i] == group; i += step) {
        const float *at = s->point + (ptrdiff_t)i * s->n_point;
        if ((at[0] - point[0]) * (at[0] - point[0]) > *best2) {
            return;
        }
        const float d2 = distance2(at, point, s->n_point, *best2);
        if (d2 < *best2 || (d2 == *best2 && (*best == FEATURES_NONE || s->row[i] < *best))) {
            *best = s->row[i];
            *best2 = d2;
        }
    }
}

int nearest_find(const struct twin_nearest *s, const struct features_decision *d, double radius,
                 float *scratch)
{
    const uint64_t group = group_of(s->table->features, d);
    float best2 = (float)(radius * radius);
    int best = FEATURES_NONE;
    point_of(scratch, s->table, d);
    const int at = place_of(s, group, scratch[0]);
    walk(&best, &best2, s, scratch, group, at, 1);
    walk(&best, &best2, s, scratch, group, at - 1, -1);
    return best;
}
