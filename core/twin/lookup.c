/* Keys, a sorted list, and an index of where each key begins. See lookup.h. */
#include "core/twin/lookup.h"

#include "core/base/log.h"
#include "core/trace/column_def.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- keys ---- */

/* Two chains over the same words, with the finaliser of MurmurHash3 (A. Appleby) between them. Each
 * step of it can be undone (a shift-xor by more than half the word; a product with an odd number),
 * so it maps 64 bits one to one: two keys that differ in a single word never agree in either
 * chain. */
static uint64_t mix(uint64_t h)
{
    h ^= h >> 33;
    h *= 0xFF51AFD7ED558CCDU;
    h ^= h >> 33;
    h *= 0xC4CEB9FE1A85EC53U;
    return h ^ h >> 33;
}

static void add(struct lookup_key *k, uint64_t word)
{
    k->h[0] = mix(k->h[0] ^ word) + 0x9E3779B97F4A7C15U;
    k->h[1] = mix(k->h[1] + word) ^ 0xD1B54A32D192ED03U;
}

static uint64_t bits_of(float x)
{
    uint32_t u;
    memcpy(&u, &x, sizeof u);
    return u;
}

/* Steps of a coordinate: rounded to nearest, so that whole numbers stand in the middle; beyond 2^62
 * all are one. */
static uint64_t step_of(float y, float inv)
{
    const float step = floorf(y * inv + 0.5F), most = 0x1p62F;
    return (uint64_t)(int64_t)(step > -most ? (step < most ? step : most) : -most);
}

static void add_state(struct lookup_key *k, const struct lookup *t, const float *state)
{
    for (int i = 0; i < t->n_columns; i++) {
        const int column = t->column[i];
        add(k, t->exact ? bits_of(state[column])
                        : step_of(features_encode(&t->features->columns[column], state[column]),
                                  t->inv[i]));
    }
}

struct lookup_key lookup_key(const struct lookup *t, const struct features_decision *d)
{
    struct lookup_key k = {{0x243F6A8885A308D3U, 0x13198A2E03707344U}};
    add_state(&k, t, d->states[0]);
    for (int i = 0; i < t->features->n_services; i++) {
        add(&k, (uint64_t)(int64_t)d->delta[i]);
    }
    for (int i = 0; i < STORE_ATTACK; i++) {
        add(&k, d->attack != NULL ? (uint64_t)(int64_t)d->attack[i] : 0);
    }
    for (int i = 0; i < 2; i++) {
        add(&k, t->exact ? bits_of(d->loads[i]) : step_of(d->loads[i], t->load_inv));
    }
    return k;
}

static int compare(const struct lookup_key *a, const struct lookup_key *b)
{
    if (a->h[0] != b->h[0]) {
        return a->h[0] < b->h[0] ? -1 : 1;
    }
    return a->h[1] == b->h[1] ? 0 : a->h[1] < b->h[1] ? -1 : 1;
}

/* A total order, because no two entries have the same row: the result does not depend on
 * qsort(). */
static int by_key(const void *a, const void *b)
{
    const struct lookup_entry *x = a, *y = b;
    const int c = compare(&x->key, &y->key);
    return c != 0 ? c : (x->row > y->row) - (x->row < y->row);
}

/* ---- the columns of a key ---- */

static bool names_metric(const char *column, const char *metric)
{
    const char *dot = strrchr(column, '.');
    return strcmp(dot != NULL ? dot + 1 : column, metric) == 0;
}

/* "desired" is also the name of what stands in its place (pods.h). */
static bool is_column(const struct lookup *t, int i, const char *metric)
{
    const struct features_column *c = &t->features->columns[i];
    const bool desired = c->service != FEATURES_NONE && t->features->desired_at[c->service] == i;
    return names_metric(t->features->header.columns[i], metric) ||
           (desired && strcmp(metric, "desired") == 0);
}

/* Does the key hold anything but numbers of pods? Without it, states that have nothing in common
 * but their replicas would be one. */
static bool measures_something(const struct lookup *t)
{
    bool does = false;
    for (int i = 0; i < t->n_columns; i++) {
        does = does || !t->features->columns[t->column[i]].whole;
    }
    return does;
}

static enum err choose_columns(struct lookup *t, const struct lookup_cfg *cfg)
{
    const struct store_header *h = &t->features->header;
    bool lacks = false; /* a metric that the traces do not have */
    int found = -1;
    for (int i = 0; t->exact && i < h->n_columns; i++) {
        t->column[t->n_columns++] = i;
    }
    for (int m = 0; !t->exact && m < cfg->n_metrics; m++) {
        if (column_def_find(cfg->metrics[m]) == NULL) {
            log_error(
                "twin.key names '%s', which is no metric (core/trace/column_def.c lists them)",
                cfg->metrics[m]);
            return ERR_CONFIG;
        }
        for (int i = 0; i < h->n_columns && t->n_columns < h->n_columns; i++) {
            if (is_column(t, i, cfg->metrics[m])) {
                t->column[t->n_columns++] = i;
                found = m;
            }
        }
        lacks = lacks || found != m;
    }
    if (t->n_columns == 0 || (lacks && !measures_something(t))) {
        t->n_columns = t->features->n_learned;
        memcpy(t->column, t->features->learned_at, (size_t)t->n_columns * sizeof *t->column);
    }
    return ERR_OK;
}

/* 0 for a constant: rounding leaves about 1e-16 of its square. */
static double deviation(double sum, double sum2, int n)
{
    const double mean = n > 0 ? sum / n : 0.0, var = n > 0 ? sum2 / n - mean * mean : 0.0;
    return var > 1e-12 * mean * mean ? sqrt(var) : 0.0;
}

/* 1 / (quantum standard deviations); 0, all alike, for what never changes. */
static float inverse_step(double sd, double quantum)
{
    return sd > 0.0 ? (float)(1.0 / (quantum * sd)) : 0.0F;
}

static void choose_steps(struct lookup *t, const struct dataset *d, const int *rows, int n,
                         double quantum)
{
    for (int i = 0; i < t->n_columns; i++) {
        const struct features_column *c = &t->features->columns[t->column[i]];
        double sum = 0.0, sum2 = 0.0;
        for (int k = 0; k < n; k++) {
            const size_t at = (size_t)rows[k] * (size_t)t->features->n_state;
            const double y = (double)features_encode(c, d->state[at + (size_t)t->column[i]]);
            sum += y, sum2 += y * y;
        }
        t->inv[i] = c->whole ? 1.0F : inverse_step(deviation(sum, sum2, n), quantum);
    }
    double sum = 0.0, sum2 = 0.0;
    for (int k = 0; k < n; k++) {
        const double load = (double)d->load[rows[k]];
        sum += load, sum2 += load * load;
    }
    t->load_inv = inverse_step(deviation(sum, sum2, n), quantum);
}

/* ---- the index ---- */

static uint32_t home(const struct lookup *t, const struct lookup_key *k)
{
    return (uint32_t)k->h[0] & (t->n_buckets - 1);
}

/* Equal keys stand next to each other, so one entry of the index, that of the first, is enough for
 * a key. Linear probing ends: there are at least two buckets for each entry, so one is free. */
static void index_entries(struct lookup *t)
{
    for (int i = 0; i < t->n; i++) {
        if (i > 0 && compare(&t->entries[i].key, &t->entries[i - 1].key) == 0) {
            continue;
        }
        uint32_t b = home(t, &t->entries[i].key);
        while (t->bucket[b] != 0) {
            b = (b + 1) & (t->n_buckets - 1);
        }
        t->bucket[b] = (uint32_t)i + 1;
    }
}

static enum err allocate(struct lookup *t, struct arena *arena, int n)
{
    t->n_buckets = 2;
    while (t->n_buckets < 2 * (uint32_t)n) {
        t->n_buckets *= 2;
    }
    t->column = ARENA_NEW(arena, t->features->n_state, int);
    t->inv = ARENA_NEW(arena, t->features->n_state, float);
    t->entries = ARENA_NEW(arena, n, struct lookup_entry);
    t->bucket = ARENA_NEW(arena, t->n_buckets, uint32_t);
    t->bytes = (int64_t)n * (int64_t)sizeof *t->entries +
               (int64_t)t->n_buckets * (int64_t)sizeof *t->bucket;
    return arena_error(arena);
}

enum err lookup_init(struct lookup *t, struct arena *arena, const struct dataset *d,
                     const int *rows, int n, const struct lookup_cfg *cfg)
{
    *t = (struct lookup){.features = d->features, .exact = cfg->exact, .n = n};
    TRY(allocate(t, arena, n));
    TRY(choose_columns(t, cfg));
    choose_steps(t, d, rows, n, cfg->quantum);
    for (int i = 0; i < n; i++) {
        const float *states[FEATURES_HISTORY_MAX];
        float loads[FEATURES_HISTORY_MAX + 1];
        dataset_history(states, loads, d, rows[i]);
        const struct features_decision decision = {
            .states = states,
            .delta = d->delta + (size_t)rows[i] * (size_t)d->features->n_services,
            .attack = d->attack + (size_t)rows[i] * STORE_ATTACK,
            .loads = loads,
        };
        t->entries[i] = (struct lookup_entry){.key = lookup_key(t, &decision), .row = rows[i]};
    }
    qsort(t->entries, (size_t)n, sizeof *t->entries, by_key);
    index_entries(t);
    return ERR_OK;
}

/* Probes from the key's home as index_entries() did, until the key or a free bucket, which proves
 * that the key was never entered: nothing is ever removed. Equal keys follow the first. */
int lookup_find(const struct lookup *t, const struct lookup_key *key, int *first)
{
    uint32_t b = home(t, key);
    while (t->bucket[b] != 0) {
        const int i = (int)t->bucket[b] - 1;
        if (compare(&t->entries[i].key, key) == 0) {
            int end = i + 1;
            while (end < t->n && compare(&t->entries[end].key, key) == 0) {
                end++;
            }
            *first = i;
            return end - i;
        }
        b = (b + 1) & (t->n_buckets - 1);
    }
    return 0;
}
