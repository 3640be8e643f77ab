/* Columns come from the lists of schema.h and from the tables below. See trace.h. */
#include "core/report/trace.h"

#include "core/plant/schema.h"

#include <math.h>
#include <stddef.h>

/* A double of a struct, by name. */
struct part {
    const char *name;
    size_t offset;
};
#define TRUTH(field)                                                                               \
    {                                                                                              \
        "truth." #field, offsetof(struct plant_truth, field)                                       \
    }
static const struct part truth_parts[] = {
    TRUTH(received),
    TRUTH(answered),
    TRUTH(compliant),
    TRUTH(failed),
    TRUTH(latency_sum_ms),
    TRUTH(received_legit),
    TRUTH(answered_legit),
    TRUTH(inflight),
    TRUTH(waiting_mean),
    TRUTH(pods_deployed_mean),
    TRUTH(pods_failed_mean),
    TRUTH(entry_available_mean),
    TRUTH(service_available_mean),
    TRUTH(requested_m_mean),
    TRUTH(used_m_mean),
    TRUTH(retries),
};
#undef TRUTH
#define REWARD(field)                                                                              \
    {                                                                                              \
        "reward." #field, offsetof(struct reward_terms, field)                                     \
    }
static const struct part reward_parts[] = {
    REWARD(sr),  REWARD(pod),        REWARD(latency), REWARD(entry),
    REWARD(tcr), REWARD(resilience), REWARD(cost),    REWARD(reward),
};
#undef REWARD
enum {
    TRUTH_PARTS = sizeof truth_parts / sizeof *truth_parts,
    REWARD_PARTS = sizeof reward_parts / sizeof *reward_parts
};

/* ---- trace ---- */

static void name_state(const char **out, struct arena *arena, const struct world *w)
{
    const int n = w->topology.n_services;
    for (int s = 0; s < n; s++) {
        const char *service = w->cfg.topology->services[s].name;
        for (int f = 0; f < SERVICE_FEATURES; f++) {
            out[state_service_at(s, (enum service_feature)f)] =
                arena_printf(arena, "%s.%s", service, service_feature_info[f].name);
        }
    }
    for (int f = 0; f < GLOBAL_FEATURES; f++) {
        out[state_global_at(n, (enum global_feature)f)] = global_feature_info[f].name;
    }
}

static const char **name_columns(int *n_columns, struct arena *arena, const struct world *w)
{
    const int n = w->topology.n_services;
    const int n_state = state_size(n);
    *n_columns = 2 + n_state + n + TRUTH_PARTS + REWARD_PARTS;
    const char **names = ARENA_NEW(arena, *n_columns, const char *);
    if (names == NULL) {
        return NULL;
    }
    const char **next = names;
    *next++ = "step";
    *next++ = "t_s";
    name_state(next, arena, w);
    next += n_state;
    for (int s = 0; s < n; s++) {
        *next++ = arena_printf(arena, "delta.%s", w->cfg.topology->services[s].name);
    }
    for (int i = 0; i < TRUTH_PARTS; i++) {
        *next++ = truth_parts[i].name;
    }
    for (int i = 0; i < REWARD_PARTS; i++) {
        *next++ = reward_parts[i].name;
    }
    for (int i = 0; i < *n_columns; i++) {
        if (names[i] == NULL) {
            return NULL;
        }
    }
    return names;
}

enum err trace_open(struct trace *t, struct arena *arena, const char *path, const struct world *w)
{
    int n_columns;
    const char **columns = name_columns(&n_columns, arena, w);
    struct csv csv;
    if (columns == NULL) {
        return ERR_MEMORY;
    }
    TRY(csv_create(&csv, arena, path, columns, n_columns));
    *t = (struct trace){.arena = arena, .world = w, .csv = csv};
    return ERR_OK;
}

void trace_close(struct trace *t)
{
    csv_close(&t->csv);
}

static void put_parts(struct csv *csv, const void *from, const struct part *parts, int n)
{
    for (int i = 0; i < n; i++) {
        csv_num(csv, *(const double *)((const char *)from + parts[i].offset));
    }
}

static enum err see(void *ctx, const struct episode_step *step)
{
    struct trace *t = ctx;
    const int n = t->world->topology.n_services;
    csv_int(&t->csv, step->step);
    csv_num(&t->csv, (step->step + 1) * t->world->cfg.plant->period_s);
    for (int i = 0; i < state_size(n); i++) {
        csv_num(&t->csv, (double)step->state[i]);
    }
    for (int s = 0; s < n; s++) {
        const double replicas = (double)step->state[state_service_at(s, SF_DEPLOYED)];
        t->most_replicas = fmax(t->most_replicas, replicas);
        csv_int(&t->csv, step->delta[s]);
    }
    put_parts(&t->csv, step->truth, truth_parts, TRUTH_PARTS);
    put_parts(&t->csv, step->reward, reward_parts, REWARD_PARTS);
    return csv_end_row(&t->csv);
}

struct episode_observer trace_observer(struct trace *t)
{
    return (struct episode_observer){.ctx = t, .see = see};
}

/* ---- cohorts ---- */

static enum err put_cohorts(struct cohort_range *range, struct csv *csv, const struct world *w,
                            const struct plant_cohort *cohorts, int n)
{
    const double last_s = w->cfg.horizon * w->cfg.plant->period_s - w->cfg.plant->timeout_s;
    for (int i = 0; i < n; i++) {
        const struct plant_cohort *c = &cohorts[i];
        const double answered = c->answered;
        const double latency = answered > 0 ? (double)c->latency_sum_ms / answered : NAN;
        range->most_rps = fmax(range->most_rps, (double)c->received / COHORT_S);
        range->most_ms = fmax(range->most_ms, latency);
        csv_int(csv, (int64_t)i * COHORT_S);
        csv_num(csv, (double)c->received / COHORT_S);
        csv_num(csv, answered / COHORT_S);
        csv_num(csv, (double)c->compliant / COHORT_S);
        csv_num(csv, (double)c->received_legit / COHORT_S);
        csv_num(csv, (double)c->answered_legit / COHORT_S);
        csv_num(csv, latency);
        csv_int(csv, (i + 1) * COHORT_S <= last_s);
        TRY(csv_end_row(csv));
    }
    return ERR_OK;
}

enum err trace_write_cohorts(struct cohort_range *range, struct arena *arena, const char *path,
                             const struct world *w, const struct plant_cohort *cohorts, int n)
{
    static const char *const columns[] = {"t_s",        "received",       "answered",
                                          "in_time",    "received_legit", "answered_legit",
                                          "latency_ms", "final"};
    struct csv csv;
    struct cohort_range found = {0};
    TRY(csv_create(&csv, arena, path, columns, (int)(sizeof columns / sizeof *columns)));
    const enum err e = put_cohorts(&found, &csv, w, cohorts, n);
    csv_close(&csv);
    TRY(e);
    *range = found;
    return ERR_OK;
}
