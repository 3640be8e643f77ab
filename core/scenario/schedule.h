/* A schedule: the load and the faults of one episode, drawn beforehand, the same for every plant.
 *
 * Scenario (what may happen, from YAML) x episode identity -> schedule (what does happen). It is
 * open loop: nothing in it depends on what the controller does, so all controllers meet the same
 * episode. Offered rates are held per second; everything else is a short list of events, which a
 * plant asks about a moment: how slow, how lossy, how likely to crash.
 */
#ifndef KARMA_SCENARIO_SCHEDULE_H
#define KARMA_SCENARIO_SCHEDULE_H

#include "core/base/err.h"
#include "core/base/mem.h"
#include "core/plant/plant.h"
#include "core/scenario/scenario.h"

enum { SCHEDULE_EVENTS_MAX = 64, EVENT_INSTANT_S = 1 /* shown length of a crash_all */ };

/* One event that takes place. Intensity at time t: neutral before start, moves linearly over ramp_s
 * to magnitude, stays until start + duration, returns linearly over ramp_s. */
struct event {
    enum event_kind kind;
    int service; /* target, caller of a net_loss; -1 = every service */
    double start_s, ramp_s, duration_s, magnitude;
    int callee;         /* of a net_loss; -1 = every one */
    double on_s, off_s; /* of a yoyo: such trapezoids of length on_s, every on_s + off_s, as many as
                           end their top within duration_s */
    double hold_s;      /* of a loris */
    double rate;        /* of a cost: attack requests / the workload's mean; it is what ramps, each
                           request needs the whole magnitude */
    int generator;      /* of the scenario; its event of this number */
    uint32_t number;
};

struct schedule {
    int n_seconds, max_seconds;
    float *legit_rps;  /* (n_seconds) requests/s at the entries from legitimate clients */
    float *attack_rps; /* (n_seconds) on top, from the attacker, >= 0 */
    float
        *attack_excess; /* (n_seconds) CPU that an attack request needs beyond a legitimate one, in
                           multiples of that one, mean over the attack requests of the second */
    struct event events[SCHEDULE_EVENTS_MAX]; /* sorted by start */
    int n_events;
    double onset_s;    /* start of the first event, -1 if none */
    double node_cpu_m; /* of the topology: turns a neighbour's share into milli-cores */
    double mean_rps;   /* of the workload: turns a loris' magnitude into connections/s */
};

/* Storage for episodes of at most max_seconds. */
enum err schedule_init(struct schedule *s, struct arena *arena, int max_seconds) WARN_UNUSED;

/* Can a schedule of n_seconds hold every event the scenario may draw (SCHEDULE_EVENTS_MAX)? */
enum err schedule_check_length(const struct scenario *s, int n_seconds, const char *key,
                               const struct cfg *src_locs) WARN_UNUSED;

/* Draw the episode's schedule. Pure function of (scenario, id, n_seconds). */
void schedule_draw(struct schedule *s, const struct scenario *scenario, const struct episode_id *id,
                   int n_seconds);

/* The same episode and how it would go on: n_seconds + ahead_s seconds, of which the first
 * n_seconds are those of schedule_draw(), to the bit, and the events that start in them, too. No
 * plant is given this one: it is for those who must see beyond an end (core/game/privileged.h). */
void schedule_draw_ahead(struct schedule *s, const struct scenario *scenario,
                         const struct episode_id *id, int n_seconds, int ahead_s);

/* What is offered in decision period `period` (from 0), requests/s: the mean of legit_rps +
 * attack_rps over the seconds that begin in it; behind the schedule's end its last second goes on.
 * legit_share: how much of it is legitimate, in [0, 1], 1 if nothing is offered; may be NULL. What
 * a trace stores and what a twin is driven by is this number, to the bit. */
double schedule_load(const struct schedule *s, double *legit_share, int period, double period_s);

/* ---- intensities: pure functions of (schedule, time), for whatever plant ---- */

/* Of one event at t, in units of its kind. Of a cost: magnitude while it lasts. */
double event_at(const struct event *e, double t_s);

/* Requests/s of the attacker at t, in multiples of the workload's mean: of ddos, yoyo and cost. */
double event_requests(const struct event *e, double t_s);

/* When it is over: magnitude is back at neutral. */
double event_end(const struct event *e);

/* Factor on the service time of `service` (1 = normal): slow and slow_node multiply. */
double schedule_slowdown(const struct schedule *s, int service, double t_s);

/* CPU taken by noisy neighbours, milli-cores, at most 90 % of the node. */
double schedule_neighbour_m(const struct schedule *s, double t_s);

/* Crash rate of a pod of `service`, per second. */
double schedule_crash_rate(const struct schedule *s, int service, double t_s);

/* Share of the ready pods of `service` that crash together: of the crash_all events that start in
 * (after_s, until_s]. 0 almost always. */
double schedule_crash_share(const struct schedule *s, int service, double after_s, double until_s);

/* New slow-loris connections per second over all entries; hold_s: how long each of them keeps its
 * slot (mean over the events, by their rates; unchanged if the rate is 0). */
double schedule_loris(const struct schedule *s, double t_s, double *hold_s);

/* Probability that a call from `caller` to `callee` is lost. Losses are independent. */
double schedule_loss(const struct schedule *s, int caller, int callee, double t_s);

/* Probability that a scrape of the monitoring system fails. */
double schedule_outage(const struct schedule *s, double t_s);

/* Attempts that a client makes for a failed request on top of those its own behaviour would make
 * (0 = normal). Not whole: floor(x) attempts, and one more with probability x - floor(x). A plant
 * asks at the moment an attempt of a legitimate client fails. */
double schedule_retries(const struct schedule *s, double t_s);

#endif
