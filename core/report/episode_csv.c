/* Columns come from the lists of schema.h and from the tables below. See episode_csv.h. */
#include "core/report/episode_csv.h"

#include "core/plant/schema.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>

/* A double of a struct, by name. The macros below make name and offset from one word, so they
 * cannot disagree. reward.headroom is not written: it is unknown where the reward is exact. */
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
#define LEFT(field)                                                                                \
    {                                                                                              \
        "attack_left." #field, offsetof(struct attack_budget, field)                               \
    }
static const struct part budget_parts[] = {
    LEFT(requests),
    LEFT(crashes),
    LEFT(connections),
    LEFT(work),
};
#undef LEFT
enum {
    TRUTH_PARTS = sizeof truth_parts / sizeof *truth_parts,
    REWARD_PARTS = sizeof reward_parts / sizeof *reward_parts,
    BUDGET_PARTS = sizeof budget_parts / sizeof *budget_parts
};

/* ---- decisions ---- */

/* Names at the places that the schema gives to their columns, whatever the order of these loops. */
static void name_state(const char **out, struct arena *arena, const struct env_setup *w)
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

/* The columns in the order in which see() writes a row. NULL when out of memory; a name may be NULL
 * as well then, and the caller asks the arena before it uses any. */
static const char **name_columns(int *n_columns, struct arena *arena, const struct env_setup *w,
                                 bool shielded, bool attacked)
{
    const int n = w->topology.n_services;
    const int n_state = state_size(n);
    *n_columns = 2 + n_state + n + TRUTH_PARTS + REWARD_PARTS + (shielded ? 2 * n : 0) +
                 (attacked ? BUDGET_PARTS : 0);
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
    for (int s = 0; s < n && shielded; s++) {
        *next++ = arena_printf(arena, "proposed.%s", w->cfg.topology->services[s].name);
        *next++ = arena_printf(arena, "shield.%s", w->cfg.topology->services[s].name);
    }
    for (int i = 0; i < BUDGET_PARTS && attacked; i++) {
        *next++ = budget_parts[i].name;
    }
    return names;
}

/* Names are allocated first and asked for once, before the file is created. */
enum err episode_csv_open(struct episode_csv *t, struct arena *arena, const char *path,
                          const struct env_setup *w, bool shielded, bool attacked)
{
    int n_columns;
    const char **columns = name_columns(&n_columns, arena, w, shielded, attacked);
    struct plant_truth *periods = ARENA_NEW(arena, w->cfg.horizon, struct plant_truth);
    struct csv csv;
    TRY(arena_error(arena));
    TRY(csv_create(&csv, arena, path, columns, n_columns));
    *t = (struct episode_csv){.arena = arena,
                              .env_setup = w,
                              .csv = csv,
                              .shielded = shielded,
                              .attacked = attacked,
                              .periods = periods};
    return ERR_OK;
}

void episode_csv_close(struct episode_csv *t)
{
    csv_close(&t->csv);
}

/* The doubles of a struct at the offsets of `parts`. */
static void put_parts(struct csv *csv, const void *from, const struct part *parts, int n)
{
    for (int i = 0; i < n; i++) {
        csv_num(csv, *(const double *)((const char *)from + parts[i].offset));
    }
}

/* "step+stale". The names of all reasons together are far shorter than the text. */
static void put_reasons(struct csv *csv, uint32_t reasons)
{
    char text[512] = "";
    size_t len = 0;
    for (int i = 0; i < SHIELD_REASONS; i++) {
        if ((reasons >> i & 1U) != 0) {
            len += (size_t)snprintf(text + len, sizeof text - len, "%s%s", len > 0 ? "+" : "",
                                    shield_reason_info[i].name);
        }
    }
    csv_text(csv, text);
}

/* Shares of the budgets at the beginning of the episode; of a budget of 0 there is none. */
static void put_budgets(struct csv *csv, const struct attack_budget *left,
                        const struct attack_budget *all)
{
    for (int i = 0; i < BUDGET_PARTS; i++) {
        const double *l = (const double *)((const char *)left + budget_parts[i].offset);
        const double *a = (const double *)((const char *)all + budget_parts[i].offset);
        csv_num(csv, *a > 0.0 ? *l / *a : (double)NAN);
    }
}

/* Row t holds the state at the end of period t, the change that was executed at its beginning, and
 * what was true during it. Periods are kept for a plant without cohorts. */
static enum err see(void *ctx, const struct episode_step *step)
{
    struct episode_csv *t = ctx;
    const int n = t->env_setup->topology.n_services;
    CHECK(t->n_periods < t->env_setup->cfg.horizon);
    t->periods[t->n_periods++] = *step->truth;
    csv_int(&t->csv, step->step);
    csv_num(&t->csv, (step->step + 1) * t->env_setup->cfg.plant->period_s);
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
    for (int s = 0; s < n && t->shielded; s++) {
        csv_int(&t->csv, step->shielding->proposed[s]);
        put_reasons(&t->csv, step->shielding->verdict.reasons[s]);
    }
    if (t->attacked) {
        put_budgets(&t->csv, step->attack_left, step->attack_all);
    }
    return csv_end_row(&t->csv);
}

struct episode_observer episode_csv_observer(struct episode_csv *t)
{
    return (struct episode_observer){.ctx = t, .see = see};
}

/* ---- cohorts ---- */

/* Both writers below fill one struct window for each row, so their files have the same columns. */
static const char *const cohort_columns[] = {"t_s",        "received",       "answered",
                                             "compliant",  "received_legit", "answered_legit",
                                             "latency_ms", "final"};
enum { COHORT_COLUMNS = sizeof cohort_columns / sizeof *cohort_columns };

/* What happened to the requests of one window. */
struct window {
    double start_s, length_s;
    double received, answered, compliant, received_legit, answered_legit; /* requests */
    double latency_sum_ms;
    bool final;
};

/* Counts become rates. A window in which nothing was answered has no latency; fmax() ignores NaN,
 * so the range stays a number. */
static enum err put_window(struct cohort_range *range, struct csv *csv, const struct window *v)
{
    const double latency = v->answered > 0 ? v->latency_sum_ms / v->answered : NAN;
    range->most_rps = fmax(range->most_rps, v->received / v->length_s);
    range->most_ms = fmax(range->most_ms, latency);
    csv_num(csv, v->start_s);
    csv_num(csv, v->received / v->length_s);
    csv_num(csv, v->answered / v->length_s);
    csv_num(csv, v->compliant / v->length_s);
    csv_num(csv, v->received_legit / v->length_s);
    csv_num(csv, v->answered_legit / v->length_s);
    csv_num(csv, latency);
    csv_int(csv, v->final);
    return csv_end_row(csv);
}

enum err episode_csv_write_cohorts(struct cohort_range *range, struct arena *arena,
                                   const char *path, const struct env_setup *w,
                                   const struct plant_cohort *cohorts, int n)
{
    /* A request that arrived at this time or earlier had its whole time-out within the episode. */
    const double last_s = w->cfg.horizon * w->cfg.plant->period_s - w->cfg.plant->timeout_s;
    struct csv csv;
    struct cohort_range found = {0};
    enum err e = ERR_OK;
    TRY(csv_create(&csv, arena, path, cohort_columns, COHORT_COLUMNS));
    for (int i = 0; e == ERR_OK && i < n; i++) {
        const struct plant_cohort *c = &cohorts[i];
        const struct window v = {.start_s = (double)i * COHORT_S,
                                 .length_s = COHORT_S,
                                 .received = c->received,
                                 .answered = c->answered,
                                 .compliant = c->compliant,
                                 .received_legit = c->received_legit,
                                 .answered_legit = c->answered_legit,
                                 .latency_sum_ms = (double)c->latency_sum_ms,
                                 .final = (i + 1) * COHORT_S <= last_s};
        e = put_window(&found, &csv, &v);
    }
    csv_close(&csv);
    TRY(e);
    *range = found;
    return ERR_OK;
}

/* Requests are counted in the period in which they are answered, not in that of their arrival, so
 * all rows are final, and `answered` may exceed `received`. */
enum err episode_csv_write_periods(struct cohort_range *range, const struct episode_csv *t,
                                   const char *path)
{
    const double period_s = t->env_setup->cfg.plant->period_s;
    struct csv csv;
    struct cohort_range found = {0};
    enum err e = ERR_OK;
    TRY(csv_create(&csv, t->arena, path, cohort_columns, COHORT_COLUMNS));
    for (int i = 0; e == ERR_OK && i < t->n_periods; i++) {
        const struct plant_truth *p = &t->periods[i];
        const struct window v = {.start_s = i * period_s,
                                 .length_s = period_s,
                                 .received = p->received,
                                 .answered = p->answered,
                                 .compliant = p->compliant,
                                 .received_legit = p->received_legit,
                                 .answered_legit = p->answered_legit,
                                 .latency_sum_ms = p->latency_sum_ms,
                                 .final = true};
        e = put_window(&found, &csv, &v);
    }
    csv_close(&csv);
    TRY(e);
    *range = found;
    return ERR_OK;
}
