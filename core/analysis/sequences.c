/* Steps are looked up in a table of hashes; whole sequences in another one. See sequences.h. */
#include "core/analysis/sequences.h"

#include "core/base/fmath.h"
#include "core/base/hash.h"
#include "core/plant/schema.h"

#include <math.h>
#include <string.h>

/* Open addressing over numbers 0, 1, ... of things that the caller compares. At most half full. */
struct lookup {
    int *slot; /* (size) number, -1: free */
    size_t size;
};

static enum err lookup_init(struct lookup *l, struct arena *arena, size_t n)
{
    l->size = 64;
    while (l->size < 2 * n) {
        l->size *= 2;
    }
    l->slot = ARENA_NEW(arena, l->size, int);
    TRY(arena_error(arena));
    memset(l->slot, -1, l->size * sizeof *l->slot);
    return ERR_OK;
}

/* The high bits of FNV-1a mix badly, so they are folded onto the low ones. */
static size_t lookup_start(const struct lookup *l, uint64_t hash)
{
    return (size_t)(hash ^ hash >> 32) & (l->size - 1);
}

struct builder {
    const struct trajectory_set *set;
    const struct sequence_cfg *cfg;
    const int *column;   /* (n_observed) columns that are seen; of `observed` only */
    const double *scale; /* (n_observed) */
    double change_scale;
    int n_observed, n_dims;
    float *step;   /* (n_dims) */
    float *vector; /* (room, n_dims) */
    int n_symbols;
    struct lookup symbols, distinct;
};

/* ---- observations ---- */

static bool is_seen(const struct trajectory_set *set, int column)
{
    const int s = column / SERVICE_FEATURES;
    return s < set->n_services
               ? service_feature_info[column % SERVICE_FEATURES].obs != 0
               : global_feature_info[column - set->n_services * SERVICE_FEATURES].obs != 0;
}

static double deviation(const struct trajectory_set *set, int column)
{
    double n = 0.0, mean = 0.0, m2 = 0.0;
    for (int e = 0; e < set->n_episodes; e++) {
        for (int t = 0; t < set->episodes[e].n_steps; t++) {
            const double x = (double)trajectory_state(set, e, t)[column];
            n += 1.0;
            const double d = x - mean;
            mean += d / n;
            m2 += d * (x - mean);
        }
    }
    return n > 1.0 ? sqrt(m2 / (n - 1.0)) : 0.0;
}

/* Root mean square of the changes of all agents over services: their length is 1 on average. */
static double change_length(const struct trajectory_set *set)
{
    double sum = 0.0, n = 0.0;
    for (int e = 0; e < set->n_episodes; e++) {
        const int steps = set->episodes[e].n_steps * set->n_agents;
        for (int i = 0; i < steps * set->n_services; i++) {
            sum += (double)set->episodes[e].change[i] * set->episodes[e].change[i];
        }
        n += steps;
    }
    return n > 0.0 ? sqrt(sum / n) : 0.0;
}

/* Each of n_observed columns gets the variance 1 / n_observed, so that their vector, too, has a
 * length of 1 on average. A column that never changes has no part. */
static enum err choose_columns(struct builder *b, struct arena *scratch)
{
    const struct trajectory_set *set = b->set;
    int *column = ARENA_NEW(scratch, set->n_columns, int);
    double *scale = ARENA_NEW(scratch, set->n_columns, double);
    TRY(arena_error(scratch));
    for (int c = 0; c < set->n_columns; c++) {
        const double d = is_seen(set, c) ? deviation(set, c) : 0.0;
        if (d > 0.0) {
            column[b->n_observed] = c;
            scale[b->n_observed++] = 1.0 / d;
        }
    }
    for (int i = 0; i < b->n_observed; i++) {
        scale[i] /= sqrt(b->n_observed);
    }
    const double length = change_length(set);
    b->change_scale = length > 0.0 ? 1.0 / length : 1.0;
    b->column = column;
    b->scale = scale;
    return ERR_OK;
}

/* ---- steps ---- */

/* The step that ends at decision t; decisions before the first are without changes. */
static void make_step(struct builder *b, int episode, int agent, int t)
{
    const struct trajectory_set *set = b->set;
    const int n = set->n_services;
    for (int g = 0; g < b->cfg->ngram; g++) {
        for (int s = 0; s < n; s++) {
            b->step[g * n + s] =
                t - g < 0
                    ? 0.0F
                    : (float)(b->change_scale * trajectory_change(set, episode, agent, t - g)[s]);
        }
    }
    for (int i = 0; i < b->n_observed; i++) {
        const double x = (double)trajectory_state(set, episode, t)[b->column[i]];
        b->step[b->cfg->ngram * n + i] = (float)(b->scale[i] * x);
    }
}

static int32_t symbol_of_step(struct builder *b)
{
    const size_t bytes = (size_t)b->n_dims * sizeof *b->step;
    size_t at = lookup_start(&b->symbols, hash_fnv1a(HASH_START, b->step, bytes));
    for (;; at = (at + 1) & (b->symbols.size - 1)) {
        const int k = b->symbols.slot[at];
        if (k < 0) {
            memcpy(b->vector + (size_t)b->n_symbols * (size_t)b->n_dims, b->step, bytes);
            b->symbols.slot[at] = b->n_symbols;
            return b->n_symbols++;
        }
        if (memcmp(b->vector + (size_t)k * (size_t)b->n_dims, b->step, bytes) == 0) {
            return k;
        }
    }
}

/* ---- sequences ---- */

static int find_distinct(struct builder *b, const struct sequences *s, const int32_t *symbol, int n)
{
    const size_t bytes = (size_t)n * sizeof *symbol;
    size_t at = lookup_start(&b->distinct, hash_fnv1a(HASH_START, symbol, bytes));
    for (;; at = (at + 1) & (b->distinct.size - 1)) {
        const int k = b->distinct.slot[at];
        if (k < 0) {
            b->distinct.slot[at] = s->n_distinct;
            return s->n_distinct;
        }
        if (s->length[k] == n && memcmp(s->symbol[k], symbol, bytes) == 0) {
            return k;
        }
    }
}

static enum err add_sequences(struct builder *b, struct sequences *s, struct arena *arena,
                              int32_t *symbol)
{
    int *distinct = (int *)(uintptr_t)s->distinct, *first = (int *)(uintptr_t)s->first;
    int *weight = (int *)(uintptr_t)s->weight, *length = (int *)(uintptr_t)s->length;
    for (int i = 0; i < s->n; i++) {
        const int episode = i / b->set->n_agents;
        const int n = b->set->episodes[episode].n_steps;
        for (int t = 0; t < n; t++) {
            make_step(b, episode, i % b->set->n_agents, t);
            symbol[t] = symbol_of_step(b);
        }
        const int k = find_distinct(b, s, symbol, n);
        if (k == s->n_distinct) {
            s->symbol[k] = ARENA_NEW(arena, n, int32_t);
            TRY(arena_error(arena));
            memcpy(s->symbol[k], symbol, (size_t)n * sizeof *symbol);
            first[k] = i;
            length[k] = n;
            s->n_distinct++;
        }
        weight[k]++;
        distinct[i] = k;
    }
    return ERR_OK;
}

/* ---- costs ---- */

static double distance_of(const float *a, const float *b, int n)
{
    double sum = 0.0;
    for (int i = 0; i < n; i++) {
        const double d = (double)a[i] - (double)b[i];
        sum += d * d;
    }
    return sqrt(sum);
}

double sequences_cost(const struct sequences *s, int32_t a, int32_t b)
{
    if (s->cost != NULL) {
        return s->cost[(ptrdiff_t)a * s->n_symbols + b];
    }
    return distance_of(s->vector + (ptrdiff_t)a * s->n_dims, s->vector + (ptrdiff_t)b * s->n_dims,
                       s->n_dims);
}

static enum err make_table(struct sequences *s, struct arena *arena)
{
    if (s->n_symbols > SEQUENCE_TABLE_MAX) {
        return ERR_OK;
    }
    const int n = s->n_symbols;
    double *cost = ARENA_NEW(arena, (size_t)n * (size_t)n, double);
    TRY(arena_error(arena));
    for (int a = 0; a < n; a++) {
        for (int b = 0; b < n; b++) {
            cost[(ptrdiff_t)a * n + b] = sequences_cost(s, a, b);
        }
    }
    s->cost = cost;
    return ERR_OK;
}

static enum err measure(struct sequences *s, struct arena *arena)
{
    double *activity = ARENA_NEW(arena, s->n_distinct, double);
    double *norm = ARENA_NEW(arena, s->n_distinct, double);
    TRY(arena_error(arena));
    for (int k = 0; k < s->n_distinct; k++) {
        for (int t = 0; t < s->length[k]; t++) {
            const float *v = s->vector + (ptrdiff_t)s->symbol[k][t] * s->n_dims;
            double squares = 0.0;
            for (int d = 0; d < s->n_dims; d++) {
                squares += (double)v[d] * (double)v[d];
            }
            activity[k] += sqrt(squares);
            norm[k] += squares;
        }
        norm[k] = sqrt(norm[k]);
    }
    s->activity = activity;
    s->norm = norm;
    return ERR_OK;
}

/* ---- all ---- */

static enum err build(struct sequences *s, struct builder *b, struct arena *arena,
                      struct arena *scratch)
{
    const struct trajectory_set *set = b->set;
    size_t steps = 0;
    for (int e = 0; e < set->n_episodes; e++) {
        steps += (size_t)set->episodes[e].n_steps * (size_t)set->n_agents;
        s->longest = set->episodes[e].n_steps > s->longest ? set->episodes[e].n_steps : s->longest;
    }
    if (b->cfg->observed) {
        TRY(choose_columns(b, scratch));
    }
    b->n_dims = b->cfg->ngram * set->n_services + b->n_observed;
    b->step = ARENA_NEW(scratch, b->n_dims, float);
    b->vector = arena_alloc(scratch, steps * (size_t)b->n_dims, sizeof *b->vector);
    int32_t *symbol = ARENA_NEW(scratch, s->longest, int32_t);
    TRY(lookup_init(&b->symbols, scratch, steps));
    TRY(lookup_init(&b->distinct, scratch, (size_t)s->n));
    TRY(arena_error(arena));
    TRY(add_sequences(b, s, arena, symbol));
    const size_t n_floats = (size_t)b->n_symbols * (size_t)b->n_dims;
    float *vector = ARENA_NEW(arena, n_floats, float);
    TRY(arena_error(arena));
    memcpy(vector, b->vector, n_floats * sizeof *vector);
    s->vector = vector;
    s->n_symbols = b->n_symbols;
    s->n_dims = b->n_dims;
    TRY(measure(s, arena));
    return make_table(s, arena);
}

enum err sequences_init(struct sequences *s, struct arena *arena, const struct trajectory_set *set,
                        const struct sequence_cfg *cfg)
{
    const int n = trajectory_count(set);
    struct builder b = {.set = set, .cfg = cfg, .change_scale = 1.0};
    struct arena scratch;
    *s = (struct sequences){.n = n,
                            .distinct = ARENA_NEW(arena, n, int),
                            .first = ARENA_NEW(arena, n, int),
                            .weight = ARENA_NEW(arena, n, int),
                            .length = ARENA_NEW(arena, n, int),
                            .symbol = ARENA_NEW(arena, n, int32_t *)};
    arena_init(&scratch);
    const enum err e = build(s, &b, arena, &scratch);
    arena_release(&scratch);
    return e;
}

uint64_t sequences_digest(const struct sequences *s)
{
    uint64_t h = hash_word(HASH_START, (uint64_t)s->n);
    h = hash_word(h, (uint64_t)s->n_dims);
    for (int k = 0; k < s->n_distinct; k++) {
        h = hash_word(h, (uint64_t)s->length[k]);
        for (int t = 0; t < s->length[k]; t++) {
            h = hash_word(h, (uint64_t)s->symbol[k][t]);
        }
    }
    for (ptrdiff_t i = 0; i < (ptrdiff_t)s->n_symbols * s->n_dims; i++) {
        uint32_t bits;
        memcpy(&bits, &s->vector[i], sizeof bits);
        h = hash_word(h, bits);
    }
    return h;
}
