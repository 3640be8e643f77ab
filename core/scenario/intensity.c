/* How strong an event is at a moment, and what all of them amount to. See schedule.h.
 *
 * Effects of one kind that overlap are combined as their meaning has it: factors multiply, rates,
 * shares and probabilities per minute add up to a cap, and what survives two independent losses has
 * survived each.
 */
#include "core/base/fmath.h"
#include "core/scenario/schedule.h"

#include <math.h>

static const double CRASH_PER_MIN_MAX = 0.2, NEIGHBOUR_MAX = 0.9;

/* ---- one event ---- */

double event_end(const struct event *e)
{
    return e->start_s + e->duration_s + e->ramp_s;
}

/* 0 .. 1: rises from 0 on, falls from `top_s` on, each over ramp_s. */
static double trapezoid(double t_s, double top_s, double ramp_s)
{
    double end_s = top_s + ramp_s;
    if (t_s < 0.0 || t_s >= end_s) {
        return 0.0;
    }
    /* edge_s is the distance to the nearer end. With ramp_s = 0 it is never below the ramp, so
     * nothing is divided by 0. */
    double edge_s = fmin(t_s, end_s - t_s);
    return edge_s < ramp_s ? edge_s / ramp_s : 1.0;
}

/* Share of the full effect at t. */
static double event_share(const struct event *e, double t_s)
{
    double end_s = event_end(e);
    if (t_s < e->start_s || t_s >= end_s) {
        return 0.0;
    }
    if (e->kind == EVENT_YOYO) {
        /* Pulse k begins at k every_s. It takes place if its top ends within the duration; then its
         * fall ends at duration + ramp at the latest, where the event ends. Pulses do not overlap:
         * the ramp is at most off_s (scenario_check.c). */
        double every_s = e->on_s + e->off_s;
        double began_s = floor((t_s - e->start_s) / every_s) * every_s;
        bool whole = began_s + e->on_s <= e->duration_s;
        return whole ? trapezoid(t_s - e->start_s - began_s, e->on_s, e->ramp_s) : 0.0;
    }
    double edge_s = fmin(t_s - e->start_s, end_s - t_s);
    return edge_s < e->ramp_s ? edge_s / e->ramp_s : 1.0;
}

double event_at(const struct event *e, double t_s)
{
    double neutral = event_kind_info[e->kind].neutral;
    double share = event_share(e, t_s);
    /* What ramps in a cost event is the rate of its requests. Each request needs the whole
     * magnitude. */
    share = e->kind == EVENT_COST && share > 0.0 ? 1.0 : share;
    return neutral + (e->magnitude - neutral) * share;
}

/* The magnitude of a flood is the peak of the total rate in multiples of the mean, the legitimate
 * load being 1 of it, so the attacker adds magnitude - 1. */
double event_requests(const struct event *e, double t_s)
{
    switch (e->kind) {
    case EVENT_DDOS:
    case EVENT_YOYO:
        return event_at(e, t_s) - 1.0;
    case EVENT_COST:
        return e->rate * event_share(e, t_s);
    default:
        return 0.0;
    }
}

/* ---- all events ---- */

/* Of that kind, aimed at that service, and not over at t. A caller that means no service passes
 * SCENARIO_ALL; kinds without a target have SCENARIO_ALL in the event. */
static bool is_active(const struct event *e, enum event_kind kind, int service, double t_s)
{
    return e->kind == kind && (e->service == SCENARIO_ALL || e->service == service) &&
           t_s >= e->start_s && t_s < event_end(e);
}

double schedule_slowdown(const struct schedule *s, int service, double t_s)
{
    double factor = 1.0;
    for (int i = 0; i < s->n_events; i++) {
        const struct event *e = &s->events[i];
        if (is_active(e, EVENT_SLOW, service, t_s) || is_active(e, EVENT_SLOW_NODE, service, t_s)) {
            factor *= event_at(e, t_s);
        }
    }
    return factor;
}

/* Sum over the events of a kind that hit the service. */
static double sum_of(const struct schedule *s, enum event_kind kind, int service, double t_s)
{
    double sum = 0.0;
    for (int i = 0; i < s->n_events; i++) {
        if (is_active(&s->events[i], kind, service, t_s)) {
            sum += event_at(&s->events[i], t_s);
        }
    }
    return sum;
}

double schedule_neighbour_m(const struct schedule *s, double t_s)
{
    return s->node_cpu_m * fmin(sum_of(s, EVENT_NEIGHBOUR, SCENARIO_ALL, t_s), NEIGHBOUR_MAX);
}

/* A pod that crashes at rate r survives a minute with probability exp(-60 r) = 1 - p. */
double schedule_crash_rate(const struct schedule *s, int service, double t_s)
{
    double per_min = sum_of(s, EVENT_CRASH, service, t_s);
    return per_min > 0.0 ? -fm_log(1.0 - fmin(per_min, CRASH_PER_MIN_MAX)) / 60.0 : 0.0;
}

double schedule_crash_share(const struct schedule *s, int service, double after_s, double until_s)
{
    /* Each event takes its share of the pods that the others leave. The interval is half open, so a
     * plant that asks for consecutive intervals counts each event once. */
    double survive = 1.0;
    for (int i = 0; i < s->n_events; i++) {
        const struct event *e = &s->events[i];
        if (e->kind == EVENT_CRASH_ALL && (e->service == SCENARIO_ALL || e->service == service) &&
            e->start_s > after_s && e->start_s <= until_s) {
            survive *= 1.0 - e->magnitude;
        }
    }
    return 1.0 - survive;
}

double schedule_loris(const struct schedule *s, double t_s, double *hold_s)
{
    /* Connections of several events are one stream; a random one of it holds its slot for the mean
     * of the events' hold times, weighted by their rates. */
    double rate = 0.0, held = 0.0;
    for (int i = 0; i < s->n_events; i++) {
        const struct event *e = &s->events[i];
        if (is_active(e, EVENT_LORIS, SCENARIO_ALL, t_s)) {
            double own = s->mean_rps * event_at(e, t_s);
            rate += own;
            held += own * e->hold_s;
        }
    }
    *hold_s = rate > 0.0 ? held / rate : *hold_s;
    return rate;
}

double schedule_loss(const struct schedule *s, int caller, int callee, double t_s)
{
    double arrive = 1.0;
    for (int i = 0; i < s->n_events; i++) {
        const struct event *e = &s->events[i];
        if (is_active(e, EVENT_NET_LOSS, caller, t_s) &&
            (e->callee == SCENARIO_ALL || e->callee == callee)) {
            arrive *= 1.0 - event_at(e, t_s);
        }
    }
    return 1.0 - arrive;
}

double schedule_outage(const struct schedule *s, double t_s)
{
    double succeed = 1.0;
    for (int i = 0; i < s->n_events; i++) {
        if (is_active(&s->events[i], EVENT_METRIC_OUTAGE, SCENARIO_ALL, t_s)) {
            succeed *= 1.0 - event_at(&s->events[i], t_s);
        }
    }
    return 1.0 - succeed;
}

double schedule_retries(const struct schedule *s, double t_s)
{
    return sum_of(s, EVENT_RETRY_STORM, SCENARIO_ALL, t_s);
}
