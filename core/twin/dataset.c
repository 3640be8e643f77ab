/* Reading is two passes: count, then copy. See dataset.h.
 *
 * An episode of n_steps decisions has n_steps + 1 states, and takes that many rows. The arrays of
 * decisions, loads and KPIs have a row for the last state, too, which stays 0 and at which no
 * transition begins. After the copy the gaps are filled, and only then are the KPIs encoded,
 * because their encoding reads the states. */
#include "core/twin/dataset.h"

#include "core/base/log.h"
#include "core/base/stats.h"

#include <math.h>
#include <string.h>

/* Sizes follow from the index of the store, before any episode is read. Memory is zeroed. */
static enum err allocate(struct dataset *d, struct arena *arena, const struct store *store)
{
    const struct features *s = d->features;
    d->n_episodes = store->n_episodes;
    for (int i = 0; i < store->n_episodes; i++) {
        d->n_rows += store->entries[i].n_steps + 1;
    }
    const size_t rows = (size_t)d->n_rows;
    d->episodes = ARENA_NEW(arena, d->n_episodes, struct dataset_episode);
    d->scenarios = ARENA_NEW(arena, d->n_episodes, const char *);
    d->state = ARENA_NEW(arena, rows * (size_t)s->n_state, float);
    d->delta = ARENA_NEW(arena, rows * (size_t)s->n_services, int32_t);
    d->attack = ARENA_NEW(arena, rows * STORE_ATTACK, int32_t);
    d->load = ARENA_NEW(arena, rows, float);
    d->kpi = ARENA_NEW(arena, rows * (size_t)s->n_kpis, float);
    d->episode = ARENA_NEW(arena, rows, int);
    d->whole = ARENA_NEW(arena, rows, uint8_t);
    d->gap = ARENA_NEW(arena, rows * (size_t)s->n_state, uint8_t);
    d->held = ARENA_NEW(arena, s->n_state, uint8_t);
    for (int p = 0; p < STORE_PARTS; p++) {
        d->at[p] = ARENA_NEW(arena, rows, int);
    }
    return arena_error(arena);
}

/* Linear search: a store has a few scenarios, and at most one for each episode. */
static enum err number_scenario(int *number, struct dataset *d, struct arena *arena,
                                const char *name)
{
    int i = 0;
    while (i < d->n_scenarios && strcmp(d->scenarios[i], name) != 0) {
        i++;
    }
    if (i == d->n_scenarios) {
        d->scenarios[i] = arena_strdup(arena, name);
        TRY(arena_error(arena));
        d->n_scenarios++;
    }
    *number = i;
    return ERR_OK;
}

/* KPIs of the period after `row`, pods and CPU not yet as gaps. The store's truth has the fields of
 * struct plant_truth in their order; features_init() has compared their names. */
static void copy_kpis(struct dataset *d, int row, const double *truth)
{
    struct plant_truth t;
    if (d->features->n_kpis > 0) {
        memcpy(&t, truth, sizeof t);
        features_kpis(d->kpi + (size_t)row * FEATURES_KPIS, &t, (double)d->load[row],
                      d->features->header.period_s);
    }
}

/* Pods and CPU requested become gaps from the state at the end of the period, row + 1. Called once
 * no state has a gap any more. */
static void encode_kpis(struct dataset *d)
{
    const struct features *s = d->features;
    for (int e = 0; s->n_kpis > 0 && e < d->n_episodes; e++) {
        const struct dataset_episode *at = &d->episodes[e];
        for (int row = at->first_row; row < at->first_row + at->n_steps; row++) {
            features_kpis_encode(d->kpi + (size_t)row * FEATURES_KPIS, s,
                                 d->state + ((size_t)row + 1) * (size_t)s->n_state);
        }
    }
}

/* ---- gaps ---- */

static void copy_gaps(struct dataset *d, int first, const struct store_episode *e)
{
    const int n = d->features->n_state;
    for (int i = 0; e->gaps != NULL && i < (e->n_steps + 1) * n; i++) {
        d->gap[(size_t)first * (size_t)n + (size_t)i] = !store_known(e, n, i / n, i % n);
    }
}

/* A column of an episode: the last known value goes on; before the first known one, `from`, that
 * one holds. The loop ascends, so x at t - 1 is known or already filled when t copies it. False if
 * the column was never known in this episode; then nothing is written. */
static bool fill_column(struct dataset *d, int first, int n_rows, int column)
{
    const size_t n = (size_t)d->features->n_state;
    float *x = d->state + (size_t)first * n + (size_t)column;
    int from = 0;
    while (from < n_rows && !dataset_known(d, first + from, column)) {
        from++;
    }
    for (int t = 0; from < n_rows && t < n_rows; t++) {
        if (!dataset_known(d, first + t, column)) {
            x[(size_t)t * n] = x[(size_t)(t < from ? from : t - 1) * n];
        }
    }
    return from < n_rows;
}

/* Over the whole data; 0 if it was never measured. */
static float mean_known(const struct dataset *d, int column)
{
    double sum = 0.0;
    int n = 0;
    for (int row = 0; row < d->n_rows; row++) {
        if (dataset_known(d, row, column)) {
            sum += (double)d->state[(size_t)row * (size_t)d->features->n_state + (size_t)column];
            n++;
        }
    }
    return n > 0 ? (float)(sum / n) : 0.0F;
}

/* The mean is computed before the first episode is filled, and from known values only, so it does
 * not depend on the order of the episodes' fillings. */
static void fill_gaps(struct dataset *d)
{
    const size_t n = (size_t)d->features->n_state;
    for (int i = 0; i < d->features->n_state; i++) {
        const float mean = mean_known(d, i);
        for (int e = 0; e < d->n_episodes; e++) {
            const struct dataset_episode *at = &d->episodes[e];
            const int n_rows = at->n_steps + 1;
            const bool filled = fill_column(d, at->first_row, n_rows, i);
            for (int t = 0; !filled && t < n_rows; t++) {
                d->state[(size_t)(at->first_row + t) * n + (size_t)i] = mean;
            }
        }
    }
}

/* Which columns were measured in half of the rows or more; the others become 0. A column that is
 * mostly filled would teach the networks how gaps are filled. */
static void hold_columns(struct dataset *d)
{
    const size_t n = (size_t)d->features->n_state;
    for (int i = 0; i < d->features->n_state; i++) {
        int known = 0;
        for (int row = 0; row < d->n_rows; row++) {
            known += dataset_known(d, row, i);
        }
        d->held[i] = 2 * known >= d->n_rows;
        for (int row = 0; d->held[i] == 0 && row < d->n_rows; row++) {
            d->state[(size_t)row * n + (size_t)i] = 0.0F;
        }
    }
}

/* Loads that are not known are NaN until here. A missing load becomes that of the period before, 0
 * at the beginning of an episode. The last row of an episode has no period and is not counted. */
static void hold_loads(struct dataset *d)
{
    int known = 0, n = 0;
    for (int e = 0; e < d->n_episodes; e++) {
        const struct dataset_episode *at = &d->episodes[e];
        for (int row = at->first_row; row < at->first_row + at->n_steps; row++, n++) {
            known += !isnan(d->load[row]);
        }
    }
    d->loaded = n > 0 && 2 * known >= n;
    for (int e = 0; e < d->n_episodes; e++) {
        const struct dataset_episode *at = &d->episodes[e];
        float last = 0.0F;
        for (int row = at->first_row; row < at->first_row + at->n_steps; row++) {
            last = isnan(d->load[row]) ? last : d->load[row];
            d->load[row] = d->loaded ? last : 0.0F;
        }
    }
}

/* Was at least half of the learned columns measured, and are the replicas known? */
static bool row_known(const struct dataset *d, int row)
{
    const struct features *s = d->features;
    int known = 0, held = 0;
    for (int i = 0; i < s->n_learned; i++) {
        const int column = s->learned_at[i];
        held += dataset_held(d, column);
        known += dataset_held(d, column) && dataset_known(d, row, column);
    }
    bool decided = true;
    for (int i = 0; i < s->n_services; i++) {
        const int at = s->desired_at[i];
        decided =
            decided && (at == FEATURES_NONE || !dataset_held(d, at) || dataset_known(d, row, at));
    }
    return decided && 2 * known >= held;
}

/* A transition needs both of its states. The last row of an episode keeps 0: nothing begins
 * there. */
static void mark_whole(struct dataset *d)
{
    for (int e = 0; e < d->n_episodes; e++) {
        const struct dataset_episode *at = &d->episodes[e];
        for (int row = at->first_row; row < at->first_row + at->n_steps; row++) {
            d->whole[row] = row_known(d, row) && row_known(d, row + 1);
        }
    }
}

/* ---- episodes ---- */

/* Copies episode `number` to its rows, as it stands in the store, with NaN for an unknown load. */
static void copy_episode(struct dataset *d, int number, const struct store_episode *e)
{
    const struct features *s = d->features;
    const size_t n_state = (size_t)s->n_state, n = (size_t)s->n_services;
    const int first = d->episodes[number].first_row, steps = e->n_steps;
    memcpy(d->state + (size_t)first * n_state, e->state,
           ((size_t)steps + 1) * n_state * sizeof *e->state);
    memcpy(d->delta + (size_t)first * n, e->delta, (size_t)steps * n * sizeof *e->delta);
    for (int t = 0; t < steps; t++) {
        d->load[first + t] = store_load_known(e, t) ? e->load[t] : NAN;
    }
    if (e->attack != NULL) {
        memcpy(d->attack + (size_t)first * STORE_ATTACK, e->attack,
               (size_t)steps * STORE_ATTACK * sizeof *e->attack);
    }
    copy_gaps(d, first, e);
    for (int t = 0; t <= steps; t++) {
        d->episode[first + t] = number;
        if (t < steps) {
            copy_kpis(d, first + t, e->truth + (size_t)t * (size_t)s->header.n_truths);
        }
    }
}

/* One episode at a time through a scratch arena, so that the peak is the arrays and one episode.
 * `row` is the first row of the next episode; it ends at n_rows, because allocate() counted the
 * same steps. */
static enum err copy_all(struct dataset *d, struct arena *arena, struct store *store)
{
    int row = 0;
    struct arena scratch;
    arena_init(&scratch);
    enum err e = ERR_OK;
    for (int i = 0; e == ERR_OK && i < store->n_episodes; i++) {
        struct store_episode found;
        const struct arena_mark mark = arena_mark(&scratch);
        struct dataset_episode *to = &d->episodes[i];
        e = store_read(&found, store, i, &scratch);
        if (e == ERR_OK) {
            *to = (struct dataset_episode){
                .part = store->entries[i].part, .first_row = row, .n_steps = found.n_steps};
            e = number_scenario(&to->scenario, d, arena, found.scenario);
        }
        if (e == ERR_OK) {
            copy_episode(d, i, &found);
            row += found.n_steps + 1;
        }
        arena_rewind(&scratch, mark);
    }
    arena_release(&scratch);
    return e;
}

/* A transition needs the rows it looks back on, too. */
static bool history_whole(const struct dataset *d, int row)
{
    const int first = d->episodes[d->episode[row]].first_row;
    bool whole = d->whole[row] != 0;
    for (int k = 1; whole && k < d->features->history && row - k >= first; k++) {
        whole = d->whole[row - k] != 0;
    }
    return whole;
}

/* Rows are visited in ascending order, so each list ascends; transitions that followed each other
 * in an episode are neighbours in it (residual_pool_fill.c relies on that). */
static void list_parts(struct dataset *d)
{
    for (int row = 0; row < d->n_rows; row++) {
        const enum store_part part = d->episodes[d->episode[row]].part;
        if (history_whole(d, row)) {
            d->at[part][d->n_at[part]++] = row;
        }
    }
}

/* 1.5 x the median of the offered loads, over the periods that begin a transition of any part. */
static enum err find_busy(struct dataset *d)
{
    int n = 0;
    struct arena scratch;
    arena_init(&scratch);
    double *loads = ARENA_NEW(&scratch, d->n_rows, double);
    uint32_t *order = ARENA_NEW(&scratch, d->n_rows, uint32_t);
    const enum err e = arena_error(&scratch);
    if (e == ERR_OK) {
        for (int row = 0; row < d->n_rows; row++) {
            if (d->whole[row] != 0) {
                loads[n++] = (double)d->load[row];
            }
        }
        d->busy_rps = n > 0 ? 1.5 * stat_quantile(loads, (uint32_t)n, 0.5, order) : 0.0;
    }
    arena_release(&scratch);
    return e;
}

enum err dataset_read(struct dataset *d, struct arena *arena, struct store *store,
                      const struct features *features)
{
    *d = (struct dataset){.features = features};
    TRY(allocate(d, arena, store));
    TRY(copy_all(d, arena, store));
    fill_gaps(d);
    hold_columns(d);
    hold_loads(d);
    encode_kpis(d);
    mark_whole(d);
    list_parts(d);
    return find_busy(d);
}

/* Is the gap of the column 0 in every row in which it was measured? */
static bool never_apart(const struct dataset *d, int column)
{
    bool never = true;
    for (int row = 0; never && row < d->n_rows; row++) {
        const float *state = d->state + (size_t)row * (size_t)d->features->n_state;
        never = !dataset_value_known(d, row, column) ||
                features_value(d->features, column, state) == 0.0F;
    }
    return never;
}

/* Columns that are not held are forgotten first, because the gaps of others may be distances from
 * them. Then columns are removed from the list of targets in place: n_learned <= i throughout, so
 * no entry is overwritten before it is read. A column that is not held is removed, and is not exact
 * either: nothing is known of its gap. The networks have as many inputs as before. */
void dataset_mark_exact(struct features *s, const struct dataset *d)
{
    int n_learned = 0;
    for (int i = 0; i < s->n_state; i++) {
        if (!dataset_held(d, i)) {
            features_forget(s, i);
        }
    }
    for (int i = 0; i < s->n_learned; i++) {
        const int column = s->learned_at[i];
        struct features_column *c = &s->columns[column];
        const bool held = dataset_held(d, column);
        c->learned =
            held && ((c->gap != PODS_DEPLOYED && c->gap != PODS_HPA) || !never_apart(d, column));
        if (c->learned) {
            s->learned_at[n_learned++] = column;
        } else if (held) {
            s->exact_at[s->n_exact++] = column;
        }
    }
    s->n_target += n_learned - s->n_learned;
    s->n_learned = n_learned;
}

bool dataset_moves(const struct dataset *d, int service)
{
    const size_t n = (size_t)d->features->n_services;
    bool moves = false;
    for (int i = 0; !moves && i < d->n_at[STORE_TRAIN]; i++) {
        moves = d->delta[(size_t)d->at[STORE_TRAIN][i] * n + (size_t)service] != 0;
    }
    return moves;
}

bool dataset_value_known(const struct dataset *d, int row, int column)
{
    const struct features_column *c = &d->features->columns[column];
    const struct pods_columns *p =
        c->service != FEATURES_NONE ? &d->features->pods.at[c->service] : NULL;
    bool known = dataset_known(d, row, column);
    switch ((enum pods_gap)c->gap) {
    case PODS_DEPLOYED:
        return known && dataset_known(d, row, p->desired);
    case PODS_READY:
        return known && dataset_known(d, row, p->exist);
    case PODS_HPA:
        return known && dataset_known(d, row, p->desired) &&
               dataset_known(d, row, p->hpa_ignored) && dataset_known(d, row, p->hpa_missing);
    case PODS_PLAIN:
        break;
    }
    return known;
}

/* Rows before the first of the episode are replaced by the first, its load included: an episode
 * begins as if its first load had been offered before. */
void dataset_history(const float **states, float *loads, const struct dataset *d, int row)
{
    const int first = d->episodes[d->episode[row]].first_row, history = d->features->history;
    const float *rows = d->played != NULL ? d->played : d->state;
    for (int k = 0; k <= history; k++) {
        const int at = row - k > first ? row - k : first;
        loads[k] = d->load[at];
        if (k < history) {
            states[k] = rows + (size_t)at * (size_t)d->features->n_state;
        }
    }
}

void dataset_input(float *in, const struct dataset *d, int row)
{
    const float *states[FEATURES_HISTORY_MAX];
    float loads[FEATURES_HISTORY_MAX + 1];
    dataset_history(states, loads, d, row);
    const struct features_decision decision = {
        .states = states,
        .delta = d->delta + (size_t)row * (size_t)d->features->n_services,
        .attack = d->attack + (size_t)row * STORE_ATTACK,
        .loads = loads,
    };
    const size_t n_answer = (size_t)d->features->n_answer;
    features_input(in, d->features, &decision);
    if (n_answer > 0) {
        memcpy(in + features_answer_at(d->features), d->answer + (size_t)row * n_answer,
               n_answer * sizeof *in);
    }
}

/* First the learned columns of the next state, then the KPIs; the encoding is that of the
 * inputs. */
void dataset_target(float *target, const struct dataset *d, int row)
{
    const struct features *s = d->features;
    const float *next = d->state + ((size_t)row + 1) * (size_t)s->n_state;
    for (int i = 0; i < s->n_learned; i++) {
        const int column = s->learned_at[i];
        *target++ = dataset_value_known(d, row + 1, column)
                        ? features_encode(&s->columns[column], features_value(s, column, next))
                        : NAN;
    }
    memcpy(target, d->kpi + (size_t)row * (size_t)s->n_kpis, (size_t)s->n_kpis * sizeof *target);
}
