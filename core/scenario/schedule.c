/* From what may happen to what does happen.
 *
 * Each generator of a scenario is a stream of events of its own: event k is a pure function of
 * (generator, k, episode identity). The streams are merged by start time, so the list is sorted and
 * a full list lacks the latest events only.
 */
#include "core/scenario/schedule.h"

#include "core/base/fmath.h"

#include <math.h>
#include <string.h>

static const double CRASH_PER_MIN_MAX = 0.2, NEIGHBOUR_MAX = 0.9;

enum err schedule_init(struct schedule *s, struct arena *arena, int max_seconds)
{
    float *rates = ARENA_NEW(arena, 2 * (size_t)max_seconds, float);
    if (rates == NULL) {
        return ERR_MEMORY;
    }
    *s = (struct schedule){.max_seconds = max_seconds,
                           .legit_rps = rates,
                           .attack_rps = rates + max_seconds,
                           .onset_s = -1.0};
    return ERR_OK;
}

/* ---- drawing events ---- */

/* One generator in the course of an episode: its next event and the number of it. */
struct stream {
    struct event next;
    uint32_t number;
};

static double within(const struct range_cfg *r, uint32_t v)
{
    return r->lo + (r->hi - r->lo) * ((double)v * 0x1p-32);
}

/* Event `number` of generator g, its quiet time counted from `from_s`. */
static void stream_draw(struct stream *out, const struct scenario *scenario,
                        const struct episode_id *id, int g, uint32_t number, double from_s)
{
    const struct event_cfg *cfg = &scenario->cfg->events[g];
    struct rng_key key = rng_key(id->seed, RNG_SCENARIO, id->split);
    struct rng_block b = rng_philox(key, 2 * (uint32_t)g, number, id->episode, id->env);
    struct rng_block c = rng_philox(key, 2 * (uint32_t)g + 1, number, id->episode, id->env);
    double quiet_s = within(&cfg->quiet_s, b.v[0]);
    if (number == 0) {
        quiet_s *= (double)c.v[0] * 0x1p-32; /* as if the generator had always been running */
    }
    int service = scenario->service[g];
    if (service == SCENARIO_DRAWN) {
        service = (int)rng_below(c.v[1], (uint32_t)scenario->topology->n_services);
    }
    *out = (struct stream){
        .next = {.kind = (enum event_kind)cfg->kind,
                 .service = service,
                 .start_s = from_s + quiet_s,
                 .ramp_s = within(&cfg->ramp_s, b.v[1]),
                 .duration_s = within(&cfg->duration_s, b.v[2]),
                 .magnitude = within(&cfg->magnitude, b.v[3])},
        .number = number,
    };
}

static double event_end(const struct event *e)
{
    return e->start_s + e->duration_s + e->ramp_s;
}

/* The stream whose event starts first; the first of equals. */
static int earliest(const struct stream *streams, int n)
{
    int best = 0;
    for (int g = 1; g < n; g++) {
        if (streams[g].next.start_s < streams[best].next.start_s) {
            best = g;
        }
    }
    return best;
}

static void draw_events(struct schedule *s, const struct scenario *scenario,
                        const struct episode_id *id)
{
    struct stream streams[SCENARIO_EVENTS_MAX];
    int n = scenario->cfg->n_events;
    CHECK(n <= SCENARIO_EVENTS_MAX);
    for (int g = 0; g < n; g++) {
        stream_draw(&streams[g], scenario, id, g, 0, 0.0);
    }
    s->n_events = 0;
    while (n > 0 && s->n_events < SCHEDULE_EVENTS_MAX) {
        int g = earliest(streams, n);
        struct stream *first = &streams[g];
        if (first->next.start_s >= s->n_seconds) {
            break;
        }
        s->events[s->n_events++] = first->next;
        stream_draw(first, scenario, id, g, first->number + 1, event_end(&first->next));
    }
    s->onset_s = s->n_events > 0 ? s->events[0].start_s : -1.0;
}

/* ---- intensities ---- */

/* Share of the full effect at t, 0 .. 1: the trapezoid. */
static double event_share(const struct event *e, double t_s)
{
    double end_s = event_end(e);
    if (t_s < e->start_s || t_s >= end_s) {
        return 0.0;
    }
    double edge_s = fmin(t_s - e->start_s, end_s - t_s);
    return edge_s < e->ramp_s ? edge_s / e->ramp_s : 1.0;
}

double event_at(const struct event *e, double t_s)
{
    bool is_factor = e->kind == EVENT_DDOS || e->kind == EVENT_SLOW;
    double neutral = is_factor ? 1.0 : 0.0;
    return neutral + (e->magnitude - neutral) * event_share(e, t_s);
}

static bool is_active(const struct event *e, enum event_kind kind, int service, double t_s)
{
    return e->kind == kind && (e->service == SCENARIO_ALL || e->service == service) &&
           t_s >= e->start_s && t_s < event_end(e);
}

double schedule_slowdown(const struct schedule *s, int service, double t_s)
{
    double factor = 1.0;
    for (int i = 0; i < s->n_events; i++) {
        if (is_active(&s->events[i], EVENT_SLOW, service, t_s)) {
            factor *= event_at(&s->events[i], t_s);
        }
    }
    return factor;
}

double schedule_neighbour_m(const struct schedule *s, double t_s)
{
    double share = 0.0;
    for (int i = 0; i < s->n_events; i++) {
        if (is_active(&s->events[i], EVENT_NEIGHBOUR, SCENARIO_ALL, t_s)) {
            share += event_at(&s->events[i], t_s);
        }
    }
    return s->node_cpu_m * fmin(share, NEIGHBOUR_MAX);
}

/* A pod that crashes at rate r survives a minute with probability exp(-60 r) = 1 - p. */
double schedule_crash_rate(const struct schedule *s, int service, double t_s)
{
    double per_min = 0.0;
    for (int i = 0; i < s->n_events; i++) {
        if (is_active(&s->events[i], EVENT_CRASH, service, t_s)) {
            per_min += event_at(&s->events[i], t_s);
        }
    }
    return per_min > 0.0 ? -fm_log(1.0 - fmin(per_min, CRASH_PER_MIN_MAX)) / 60.0 : 0.0;
}

/* ---- the whole schedule ---- */

/* The rate of a second is the one at its middle. */
static void add_attack(float *attack_rps, int n_seconds, const struct event *e, double mean_rps)
{
    double end_s = event_end(e);
    for (int t = (int)e->start_s; t < n_seconds && t < end_s; t++) {
        attack_rps[t] += (float)(mean_rps * (event_at(e, t + 0.5) - 1.0));
    }
}

void schedule_draw(struct schedule *s, const struct scenario *scenario, const struct episode_id *id,
                   int n_seconds)
{
    CHECK(n_seconds <= s->max_seconds);
    s->n_seconds = n_seconds;
    s->node_cpu_m = scenario->topology->cfg->node_cpu_m;
    workload_draw(s->legit_rps, scenario->workload, id, n_seconds);
    draw_events(s, scenario, id);
    memset(s->attack_rps, 0, (size_t)n_seconds * sizeof *s->attack_rps);
    for (int i = 0; i < s->n_events; i++) {
        if (s->events[i].kind == EVENT_DDOS) {
            add_attack(s->attack_rps, n_seconds, &s->events[i], scenario->workload->cfg->mean_rps);
        }
    }
}
