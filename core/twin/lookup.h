/* The table of recorded transitions: the same state and the same decision, told apart as finely as
 * its key says, were followed by these. One of them is drawn.
 *
 * A key is made of chosen metrics of every service (or of the whole), the executed changes, the
 * attacker's action and the loads of the coming period and the one before. Numbers of pods count as
 * they are; what is measured is cut into steps of `quantum` standard deviations. `exact` takes
 * every bit of the state and of the loads instead: on a cluster such a key practically never comes
 * again.
 *
 * Two hashes of 64 bits stand for a key; that two different keys agree in both is left out of
 * account (with n keys: n^2 / 2^129). Entries are sorted by (key, row), so successors have an order
 * that is the same everywhere.
 */
#ifndef KARMA_TWIN_LOOKUP_H
#define KARMA_TWIN_LOOKUP_H

#include "core/twin/dataset.h"

struct lookup_cfg {
    bool exact;
    const char *const *metrics; /* (n_metrics) */
    int n_metrics;
    double quantum;
};

struct lookup_key {
    uint64_t h[2];
};
struct lookup_entry {
    struct lookup_key key;
    int row; /* where the transition begins */
};
struct lookup {
    const struct features *features;
    bool exact;
    int *column; /* (n_columns) of the key */
    float *inv;  /* (n_columns) 1 / step, of encoded values */
    int n_columns;
    float load_inv;
    struct lookup_entry *entries; /* (n) sorted */
    int n;
    uint32_t *bucket;   /* (n_buckets) first entry of a key + 1, 0 = none; open addressing */
    uint32_t n_buckets; /* a power of two */
    int64_t bytes;      /* of all this */
};

/* Over the transitions at rows (n). Metrics that the traces do not have
 * are left out; without any, every learned column is part of the key. ERR_CONFIG for what is no
 * metric. */
enum err lookup_init(struct lookup *t, struct arena *arena, const struct dataset *d,
                     const int *rows, int n, const struct lookup_cfg *cfg) WARN_UNUSED;

/* states, delta, attack, loads as in features_decision. */
struct lookup_key lookup_key(const struct lookup *t, const struct features_decision *d);

/* Entries with that key: their number, *first the index of the first. */
int lookup_find(const struct lookup *t, const struct lookup_key *key, int *first);

#endif
