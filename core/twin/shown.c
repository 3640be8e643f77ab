/* Columns by name; a table says where each comes from. See shown.h. */
#include "core/twin/shown.h"

#include "core/plant/schema.h"

#include <math.h>
#include <string.h>

/* Where a column comes from that no column of the recording is. */
enum shown_source {
    FROM_NOWHERE = -1,
    FROM_NUMBER = -2,
    FROM_LOAD = -3,
    FROM_RISE = -4,
    FROM_BOUND = -5
};

int shown_service(const struct twin_model *model, const char *name)
{
    int found = FEATURES_NONE;
    for (int i = 0; found == FEATURES_NONE && i < model->features.n_services; i++) {
        found = strcmp(model->features.header.services[i], name) == 0 ? i : FEATURES_NONE;
    }
    return found;
}

/* ---- columns ---- */

/* Column of the recording that was measured: of a service, or (FEATURES_NONE) of the whole. */
static int find(const struct twin_model *m, int service, const char *metric)
{
    const struct store_header *h = &m->features.header;
    int found = FEATURES_NONE;
    for (int i = 0; found == FEATURES_NONE && i < h->n_columns; i++) {
        const char *dot = strrchr(h->columns[i], '.');
        const char *name = dot != NULL ? dot + 1 : h->columns[i];
        const bool same = m->features.columns[i].service == service && strcmp(name, metric) == 0;
        found = same && dataset_held(&m->data, i) ? i : FEATURES_NONE;
    }
    return found;
}

/* Where feature f of a service comes from: its number; else the column of that name; else, for
 * `desired` and `deployed`, the one that was recorded, or the number that min_replicas =
 * max_replicas fixes; else nowhere. */
static int source_of_service(const struct shown *s, int service, enum service_feature f)
{
    const struct twin_model *m = s->model;
    const struct service_cfg *cfg = &s->topology->cfg->services[service];
    const int found = find(m, s->service[service], service_feature_info[f].name);
    const int desired = m->features.desired_at[s->service[service]];
    if (f == SF_ID) {
        return FROM_NUMBER;
    }
    if (found != FEATURES_NONE || (f != SF_DESIRED && f != SF_DEPLOYED)) {
        return found != FEATURES_NONE ? found : FROM_NOWHERE;
    }
    return desired != FEATURES_NONE && dataset_held(&m->data, desired) ? desired
           : cfg->min_replicas == cfg->max_replicas                    ? FROM_BOUND
                                                                       : FROM_NOWHERE;
}

/* The same of a feature of the whole application. Rates at the entries can be computed from the
 * offered load, if it is known; answered share and response time cannot. */
static int source_of_whole(const struct shown *s, enum global_feature f)
{
    static const int of_load[GLOBAL_FEATURES] = {
        [GF_ENTRY_30S] = FROM_LOAD,   [GF_ENTRY_10S] = FROM_LOAD,   [GF_ENTRY_5S] = FROM_LOAD,
        [GF_ENTRY_DIFF] = FROM_RISE,  [GF_ENTRY_TREND] = FROM_RISE, [GF_ANSWERED] = FROM_NOWHERE,
        [GF_RESPONSE] = FROM_NOWHERE,
    };
    const int found = find(s->model, FEATURES_NONE, global_feature_info[f].name);
    return found != FEATURES_NONE ? found : s->model->data.loaded ? of_load[f] : FROM_NOWHERE;
}

static enum err allocate(struct shown *s, struct arena *arena)
{
    const int n = s->topology->n_services;
    s->from = ARENA_NEW(arena, s->n_state, int);
    s->age = ARENA_NEW(arena, s->n_state, float);
    s->service = ARENA_NEW(arena, n, int);
    s->error_ratio = ARENA_NEW(arena, n, int);
    s->quantile = ARENA_NEW(arena, n, int);
    return arena_error(arena);
}

void shown_state(float *out, const struct shown *s, const float *state, const float *loads)
{
    for (int i = 0; i < s->n_state; i++) {
        const int service = i / SERVICE_FEATURES;
        switch (s->from[i]) {
        case FROM_NOWHERE:
            out[i] = 0.0F;
            break;
        case FROM_NUMBER:
            out[i] = (float)service;
            break;
        case FROM_LOAD:
            out[i] = loads[0];
            break;
        case FROM_RISE:
            out[i] = loads[0] - loads[1];
            break;
        case FROM_BOUND:
            out[i] = (float)s->topology->cfg->services[service].min_replicas;
            break;
        default:
            out[i] = state[s->from[i]];
        }
    }
}

/* ---- outcomes ---- */

/* Mean over the entries of a column of the recording; NaN, an unknown outcome, if one of them has
 * none: a mean over the others would be another quantity. */
static double over_entries(const struct shown *s, const int *columns, const float *state)
{
    const struct topology *t = s->topology;
    double sum = 0.0;
    for (int i = 0; i < t->n_entries; i++) {
        const int column = columns[t->entries[i]];
        sum += column != FEATURES_NONE ? (double)state[column] : (double)NAN;
    }
    return sum / t->n_entries;
}

void shown_outcomes(struct plant_outcomes *out, const struct shown *s, const float *view,
                    const float *state, const struct plant_cfg *cfg)
{
    outcomes_of_state(out, view, s->age, s->topology, cfg);
    if (!outcome_known(out, OUTCOME_SUCCESS)) {
        outcome_set(out, OUTCOME_SUCCESS, 1.0 - over_entries(s, s->error_ratio, state));
    }
    if (!outcome_known(out, OUTCOME_LATENCY)) {
        outcome_set(out, OUTCOME_LATENCY, over_entries(s, s->quantile, state));
    }
}

/* ---- building ---- */

/* Which outcomes are known follows from the columns, so any state tells. */
static enum err find_outcomes(struct shown *s, struct arena *arena, const struct plant_cfg *cfg)
{
    static const float loads[2] = {0.0F, 0.0F};
    float *view = ARENA_NEW(arena, s->n_state, float);
    struct plant_outcomes o;
    TRY(arena_error(arena));
    shown_state(view, s, s->model->data.state, loads);
    shown_outcomes(&o, s, view, s->model->data.state, cfg);
    s->known = o.known;
    return ERR_OK;
}

enum err shown_init(struct shown *s, struct arena *arena, const struct twin_model *model,
                    const struct topology *topology, const struct plant_cfg *cfg)
{
    *s = (struct shown){
        .topology = topology, .model = model, .n_state = state_size(topology->n_services)};
    TRY(allocate(s, arena));
    for (int i = 0; i < topology->n_services; i++) {
        s->service[i] = shown_service(model, topology->cfg->services[i].name);
        CHECK(s->service[i] != FEATURES_NONE);
        const int p95 = find(model, s->service[i], "latency_p95");
        s->quantile[i] = p95 != FEATURES_NONE ? p95 : find(model, s->service[i], "latency_p99");
        s->error_ratio[i] = find(model, s->service[i], "error_ratio");
        for (int f = 0; f < SERVICE_FEATURES; f++) {
            const enum service_feature feature = (enum service_feature)f;
            s->from[state_service_at(i, feature)] = source_of_service(s, i, feature);
        }
    }
    for (int f = 0; f < GLOBAL_FEATURES; f++) {
        s->from[state_global_at(topology->n_services, (enum global_feature)f)] =
            source_of_whole(s, (enum global_feature)f);
    }
    for (int i = 0; i < s->n_state; i++) {
        s->age[i] = s->from[i] == FROM_NOWHERE ? INFINITY : (float)cfg->lag_s;
    }
    return find_outcomes(s, arena, cfg);
}
