/* Readings -> state and ages; decisions -> writes. See live.h. */
#include "core/transfer/live.h"

#include "core/base/log.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

struct live {
    struct plant base;
    struct live_setup setup;
    struct arena scratch; /* of one reading; rewound */
    float *state, *age;   /* (n_state) */
    double slo;
    struct query_cell *cells; /* (q->n, N) */
    int32_t *desired, *said;  /* (N) of the API server; -1: not known. Kept; just read */
    const char **reasons;     /* (N) NULL: none */
    enum err *written;        /* (N) */
    struct live_report report;
    double began_s, next_s; /* Unix time of the episode's begin; of the next decision */
    bool blind;             /* the last reading failed, and that was logged */
    bool passive;           /* another instance acts, and that was logged */
    bool mute;              /* the API server did not say `desired`, and that was logged */
    double *since_s;        /* (N) when the API server first said this `desired` */
    bool apart;             /* Prometheus says otherwise, and that was logged */
};

/* A sample that is so much younger than an answer of the API server knows of it: longer than any
 * scrape interval and difference of clocks that karma serve takes. */
static const double APART_S = 60.0;

static struct live *live_of(struct plant *p)
{
    return (struct live *)(void *)p;
}
static const struct live *live_of_const(const struct plant *p)
{
    return (const struct live *)(const void *)p;
}

static double now_s(const struct live *l)
{
    return l->setup.time.now_s(l->setup.time.ctx);
}

/* ---- readings ---- */

static void forget(struct live *l)
{
    const int n = l->setup.topology->n_services;
    for (int i = 0; i < l->base.n_state; i++) {
        l->state[i] = 0.0F;
        l->age[i] = INFINITY;
    }
    for (int i = 0; i < l->setup.queries->n * n; i++) {
        l->cells[i] = (struct query_cell){
            .verdict = CELL_ABSENT, .answer = (double)NAN, .age_s = (double)INFINITY};
    }
    l->slo = (double)NAN;
}

/* Two namespaces or clusters may have services of the same names. They are told apart by `desired`:
 * once, since a wrong one stays so. */
static void compare_desired(struct live *l, int s, int32_t said)
{
    const int at = state_service_at(s, SF_DESIRED);
    const double at_s = l->report.read_s, sampled_s = at_s - (double)l->age[at];
    if (said != l->desired[s]) {
        l->since_s[s] = at_s;
    } else if (said >= 0 && !l->apart && sampled_s > l->since_s[s] + APART_S &&
               (l->state[at] < (float)said || l->state[at] > (float)said)) {
        log_warn("%s: Prometheus says that %g replicas are asked for, and the API server has said "
                 "%d for more than %g s: do both see the same cluster and namespace?",
                 l->setup.topology->cfg->services[s].name, (double)l->state[at], (int)said,
                 APART_S);
        l->apart = true;
    }
    l->desired[s] = said;
}

/* `desired` of the API server takes the place of what Prometheus knows, which is older. */
static void read_desired(struct live *l)
{
    const struct live_writes *w = &l->setup.writes;
    char why[LIVE_WHY] = "";
    bool known = true;
    if (w->desired == NULL) {
        return;
    }
    w->desired(w->ctx, l->said, why);
    for (int s = 0; s < l->setup.topology->n_services; s++) {
        const int at = state_service_at(s, SF_DESIRED);
        compare_desired(l, s, l->said[s]);
        known = known && l->desired[s] >= 0;
        l->state[at] = l->desired[s] >= 0 ? (float)l->desired[s] : 0.0F;
        l->age[at] = l->desired[s] >= 0 ? 0.0F : INFINITY;
    }
    if (known == l->mute) {
        if (known) {
            log_info("the API server says again how many replicas are asked for");
        } else {
            log_warn("it is not known how many replicas are asked for: %s; nothing is written of "
                     "that service until it is",
                     why);
        }
        l->mute = !known;
    }
}

static void note_reading(struct live *l, enum err e, const struct prom_result *r)
{
    struct live_report *report = &l->report;
    report->read_ok = e == ERR_OK;
    report->n_reads++;
    report->n_failed += e == ERR_OK ? 0U : 1U;
    (void)snprintf(report->why, sizeof report->why, "%.*s", PROM_WHY - 1,
                   e != ERR_OK         ? r->why
                   : r->n_warnings > 0 ? r->warnings[0]
                                       : "");
    if (e != ERR_OK && !l->blind) {
        log_warn("no measurements: %s; every value is unknown until there are some again", r->why);
    } else if (e == ERR_OK && l->blind) {
        log_info("measurements are there again");
    }
    l->blind = e != ERR_OK;
}

/* Everything but a stop and a lack of memory is a reading that failed. */
static enum err measure(struct live *l)
{
    const struct arena_mark mark = arena_mark(&l->scratch);
    const double at_s = now_s(l);
    struct prom_result r = {.n_series = 0};
    enum err e = l->setup.reads.read(l->setup.reads.ctx, &r, &l->scratch, at_s);
    if (e == ERR_OK && r.n_series == 0) {
        e = ERR_SERVER;
        (void)snprintf(r.why, sizeof r.why,
                       "the answer is empty: nothing that was asked for is "
                       "scraped, or not any more");
    }
    if (e == ERR_OK) {
        e = queries_read(l->cells, l->setup.queries, &r, at_s, &l->scratch);
    }
    if (e == ERR_OK) {
        queries_state(l->state, l->age, &l->slo, l->setup.queries, l->cells);
    } else {
        forget(l);
    }
    l->report.read_s = at_s;
    if (e != ERR_MEMORY && e != ERR_STOPPED) {
        note_reading(l, e, &r);
        read_desired(l);
        e = ERR_OK;
    }
    arena_rewind(&l->scratch, mark);
    return e;
}

/* ---- the plant ---- */

static enum err live_reset(struct plant *p, int lid, const struct episode_id *id,
                           const struct schedule *schedule, int horizon)
{
    struct live *l = live_of(p);
    (void)lid;
    (void)id;
    (void)schedule;
    (void)horizon;
    l->began_s = now_s(l);
    l->next_s = l->began_s + p->cfg->period_s;
    return measure(l);
}

/* Asks once a decision, and logs when the answer changes. */
static bool may_write(struct live *l)
{
    const struct live_writes *w = &l->setup.writes;
    char why[LIVE_WHY] = "";
    const bool active = w->active == NULL || w->active(w->ctx, why);
    if (active == l->passive) {
        if (active) {
            log_info("this instance acts now");
        } else {
            log_warn("this instance does not act: %s", why);
        }
        l->passive = !active;
    }
    return active;
}

static enum err write_one(struct live *l, int s, int32_t delta)
{
    const struct live_writes *w = &l->setup.writes;
    const int at = state_service_at(s, SF_DESIRED), from = (int)l->state[at];
    char why[LIVE_WHY] = "";
    CHECK(isfinite(l->age[at]));
    const enum err e =
        w->scale(w->ctx, s, from, from + delta, l->reasons[s] != NULL ? l->reasons[s] : "", why);
    l->report.n_writes++;
    if (e != ERR_OK) {
        l->report.n_refused++;
        log_warn("%s: %d replicas were asked for, and this was not taken: %s",
                 l->base.topology->cfg->services[s].name, from + (int)delta, why);
    }
    return e;
}

/* A write that is refused for one service is no error of the plant: the next reading shows what is
 * asked for. */
static enum err live_act(struct plant *p, const int32_t *delta, const struct attack_action *attack,
                         const uint8_t *active)
{
    struct live *l = live_of(p);
    const bool writes = l->setup.writes.scale != NULL && may_write(l);
    (void)attack;
    (void)active;
    for (int s = 0; s < p->topology->n_services; s++) {
        l->written[s] = ERR_OK;
        if (delta[s] != 0) {
            l->written[s] = writes ? write_one(l, s, delta[s]) : ERR_REFUSED;
        }
        l->reasons[s] = NULL;
    }
    return ERR_OK;
}

/* Decisions keep their grid: one that took longer than a period leaves periods out instead of
 * hurrying after them. */
static enum err live_pass(struct plant *p, const int32_t *delta, const struct attack_action *attack,
                          const uint8_t *active)
{
    struct live *l = live_of(p);
    (void)delta;
    (void)attack;
    (void)active;
    l->next_s = fmin(l->next_s, now_s(l) + p->cfg->period_s); /* a clock that was set back */
    TRY(l->setup.time.wait(l->setup.time.ctx, l->next_s));
    const double late_s = now_s(l) - l->next_s;
    const double skipped = late_s > 0.0 ? floor(late_s / p->cfg->period_s) : 0.0;
    l->report.n_late += skipped > 0.0 ? 1U : 0U;
    l->next_s += p->cfg->period_s * (1.0 + skipped);
    return measure(l);
}

static const float *live_state(const struct plant *p, int lid)
{
    (void)lid;
    return live_of_const(p)->state;
}

static const float *live_age(const struct plant *p, int lid)
{
    (void)lid;
    return live_of_const(p)->age;
}

static void live_outcomes(struct plant_outcomes *out, const struct plant *p, int lid)
{
    const struct live *l = live_of_const(p);
    (void)lid;
    outcomes_of_state(out, l->state, l->age, p->topology, p->cfg);
    outcome_set(out, OUTCOME_SLO_ATTAINMENT, l->slo);
}

/* Of the last reading: a decision and the reading that it follows from have one time. */
static double live_clock_s(const struct plant *p, int lid)
{
    const struct live *l = live_of_const(p);
    (void)lid;
    return l->report.read_s - l->began_s;
}

static const struct plant_ops live_ops = {
    .kind = "live",
    .reset = live_reset,
    .act = live_act,
    .pass = live_pass,
    .state = live_state,
    .age = live_age,
    .outcomes = live_outcomes,
    .clock_s = live_clock_s,
};

enum err live_new(struct plant **out, struct arena *arena, const struct live_setup *setup)
{
    const int n = setup->topology->n_services, n_state = state_size(n);
    struct live *l = ARENA_NEW(arena, 1, struct live);
    float *state = ARENA_NEW(arena, n_state, float), *age = ARENA_NEW(arena, n_state, float);
    struct query_cell *cells = ARENA_NEW(arena, setup->queries->n * n, struct query_cell);
    int32_t *desired = ARENA_NEW(arena, 2 * n, int32_t);
    double *since_s = ARENA_NEW(arena, n, double);
    const char **reasons = ARENA_NEW(arena, n, const char *);
    enum err *written = ARENA_NEW(arena, n, enum err);
    TRY(arena_error(arena));
    *l = (struct live){.base = {.ops = &live_ops,
                                .topology = setup->topology,
                                .cfg = setup->cfg,
                                .n_env = 1,
                                .n_state = n_state,
                                .can = PLANT_REAL_TIME},
                       .setup = *setup,
                       .state = state,
                       .age = age,
                       .cells = cells,
                       .desired = desired,
                       .said = desired + n,
                       .since_s = since_s,
                       .reasons = reasons,
                       .written = written};
    arena_init(&l->scratch);
    for (int s = 0; s < n; s++) {
        l->desired[s] = -1;
    }
    forget(l);
    *out = &l->base;
    return ERR_OK;
}

void live_release(struct plant *p)
{
    arena_release(&live_of(p)->scratch);
}

const struct live_report *live_report(const struct plant *p)
{
    return &live_of_const(p)->report;
}

const struct query_cell *live_cells(const struct plant *p)
{
    return live_of_const(p)->cells;
}

void live_reason(struct plant *p, int service, const char *reason)
{
    live_of(p)->reasons[service] = reason;
}

const enum err *live_written(const struct plant *p)
{
    return live_of_const(p)->written;
}
