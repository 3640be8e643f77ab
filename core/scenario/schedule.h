/* A schedule: the load and the faults of one episode, drawn beforehand, the same for every plant.
 *
 * Scenario (what may happen, from YAML) x episode identity -> schedule (what does happen). It is
 * open loop: nothing in it depends on what the controller does, so all controllers meet the same
 * episode. Offered rates are held per second; everything else is a short list of events.
 */
#ifndef KARMA_SCENARIO_SCHEDULE_H
#define KARMA_SCENARIO_SCHEDULE_H

#include "core/base/err.h"
#include "core/base/mem.h"
#include "core/plant/plant.h"
#include "core/scenario/scenario.h"

enum { SCHEDULE_EVENTS_MAX = 64 };

/* One event that takes place. Intensity at time t: neutral before start (0 for rates and shares, 1
 * for factors: ddos and slow), moves linearly over ramp_s to magnitude, stays until start +
 * duration, returns linearly over ramp_s. */
struct event {
    enum event_kind kind;
    int service; /* target; -1 = every service */
    double start_s, ramp_s, duration_s, magnitude;
};

struct schedule {
    int n_seconds, max_seconds;
    float *legit_rps;  /* (n_seconds) requests/s at the entries from legitimate clients */
    float *attack_rps; /* (n_seconds) on top, from the attacker, >= 0 */
    struct event events[SCHEDULE_EVENTS_MAX]; /* sorted by start */
    int n_events;
    double onset_s;    /* start of the first event, -1 if none */
    double node_cpu_m; /* of the topology: turns a neighbour's share into milli-cores */
};

/* Storage for episodes of at most max_seconds. */
enum err schedule_init(struct schedule *s, struct arena *arena, int max_seconds) WARN_UNUSED;

/* Draw the episode's schedule. Pure function of (scenario, id, n_seconds). */
void schedule_draw(struct schedule *s, const struct scenario *scenario, const struct episode_id *id,
                   int n_seconds);

/* Intensity of one event at t, in units of its kind. */
double event_at(const struct event *e, double t_s);

/* At time t: factor on the service time of `service` (1 = normal), CPU taken by the noisy
 * neighbour (milli-cores), crash rate of a pod of `service` (per second). */
double schedule_slowdown(const struct schedule *s, int service, double t_s);
double schedule_neighbour_m(const struct schedule *s, double t_s);
double schedule_crash_rate(const struct schedule *s, int service, double t_s);

#endif
