/* Disturbances: what acts on pods from outside, held constant within a tick of 0.1 s.
 *
 *   slow-down    factor on the CPU demand of calls that arrive at a service
 *   crash hazard rate per second; its integral since the start is compared with each pod's
 *                hazard_limit (a unit exponential drawn when it starts), so a crash costs no draw
 *   liveness     busy pods fail their probes (liveness.c)
 *   neighbour    takes its part of the node's CPU; contention.c allocates the rest
 *   crash share  at the tick in which a crash_all starts, a share of the ready pods crashes
 *
 * Ticks happen only while one of these varies or can happen: otherwise the next tick is the start
 * of the next event, or never.
 */
#include "core/base/fmath.h"
#include "core/cluster/share.h"

/* First coordinate of a draw of RNG_POD: starts of a pod stay below. */
#define SIM_CRASH_SHARE_BIT 0x80000000u

/* ---- when to tick ---- */

static double tick_at(int64_t tick)
{
    return (double)tick / SIM_TICKS_PER_S;
}

/* Not those that come as requests, nor those that are looked up where they act. */
static bool event_matters(const struct event *e)
{
    switch (e->kind) {
    case EVENT_DDOS:
    case EVENT_YOYO:
    case EVENT_COST:
    case EVENT_METRIC_OUTAGE:
    case EVENT_RETRY_STORM:
        return false;
    default:
        return true;
    }
}

static bool varies(const struct sim *s)
{
    bool busy = s->n_held_conns > 0 || s->attacker.conn_total > 0.0 ||
                s->shared->cfg->liveness.coupling > 0.0;
    for (int i = 0; i < s->shared->topology->n_services; i++) {
        busy = busy || s->services[i].attacked_p > 0.0 || s->services[i].crash_rate > 0.0;
    }
    for (int i = 0; i < s->schedule->n_events; i++) {
        const struct event *e = &s->schedule->events[i];
        double end = e->start_s + e->duration_s + e->ramp_s + 1.0 / SIM_TICKS_PER_S;
        busy = busy || (event_matters(e) && e->start_s <= s->now && s->now <= end);
    }
    return busy;
}

static void tick_next(struct sim *s)
{
    int64_t next = (int64_t)floor(s->now * SIM_TICKS_PER_S) + 1;
    s->tick = s->tick < next ? next : s->tick + 1;
    s->tick_s = tick_at(s->tick);
    if (varies(s)) {
        return;
    }
    double start = SIM_NEVER;
    for (int i = 0; i < s->schedule->n_events; i++) {
        const struct event *e = &s->schedule->events[i];
        if (event_matters(e) && e->start_s > s->now && e->start_s < start) {
            start = e->start_s;
        }
    }
    if (start == SIM_NEVER) {
        s->tick_s = SIM_NEVER;
    } else if (start > s->tick_s) {
        s->tick = (int64_t)floor(start * SIM_TICKS_PER_S);
        s->tick_s = tick_at(s->tick);
    }
}

void sim_disturbances_wake(struct sim *s)
{
    int64_t next = (int64_t)floor(s->now * SIM_TICKS_PER_S) + 1;
    if (tick_at(next) < s->tick_s) {
        s->tick = next;
        s->tick_s = tick_at(next);
    }
}

/* ---- crashes ---- */

static void integrate_hazards(struct sim *s)
{
    double dt = s->now - s->hazard_until_s;
    bool any = false;
    for (int i = 0; i < s->shared->topology->n_services; i++) {
        any = any || s->services[i].crash_rate > 0.0;
        s->services[i].hazard += s->services[i].crash_rate * dt;
    }
    s->hazard_until_s = s->now;
    for (int slot = 0; any && slot < s->shared->n_pods; slot++) {
        const struct sim_pod *p = &s->pods[slot];
        if (p->state == POD_READY && s->services[p->service].hazard >= p->hazard_limit) {
            sim_pod_crash(s, slot);
        }
    }
}

/* Of the ready pods of a service the share crashes at once, rounded half up: those with the least
 * draws, which depend on pod and tick only. */
static void crash_share(struct sim *s, int service_id, double share)
{
    int n = (int)floor(share * s->services[service_id].n_ready + 0.5);
    uint32_t when = SIM_CRASH_SHARE_BIT | (uint32_t)s->tick;
    for (; n > 0; n--) {
        int chosen = -1;
        uint32_t least = 0;
        for (int i = 0; i < s->services[service_id].n_ready; i++) {
            int slot = s->services[service_id].ready[i];
            uint32_t who = (uint32_t)service_id << 24 | (s->pods[slot].serial & 0xffffffu);
            uint32_t word = rng_philox(s->key_pod, when, who, s->id.episode, s->id.env).v[0];
            if (chosen < 0 || word < least) {
                chosen = slot;
                least = word;
            }
        }
        sim_pod_crash(s, chosen);
    }
}

static void crash_scheduled_shares(struct sim *s, double since_s)
{
    for (int i = 0; i < s->shared->topology->n_services; i++) {
        double share = schedule_crash_share(s->schedule, i, since_s, s->now);
        if (share > 0.0) {
            crash_share(s, i, share);
        }
    }
}

/* ---- the tick ---- */

static double attacked_rate(struct sim_service *service)
{
    double p = service->attacked_p;
    service->attacked_p = p < 1e-6 ? 0.0 : p * SIM_ATTACK_DECAY;
    return p > 0.0 ? -fm_log(1.0 - p) / 60.0 : 0.0; /* survives a minute with probability 1 - p */
}

static bool some_link_loses(const struct sim *s)
{
    bool some = false;
    for (int i = 0; i < s->schedule->n_events; i++) {
        const struct event *e = &s->schedule->events[i];
        bool now = e->start_s <= s->now && s->now < event_end(e);
        some = some || (e->kind == EVENT_NET_LOSS && now);
    }
    return some;
}

void sim_disturbances_tick(struct sim *s)
{
    double since_s = s->hazard_until_s;
    integrate_hazards(s);
    sim_liveness_advance(s, since_s);
    crash_scheduled_shares(s, since_s);
    sim_loris_advance(s);
    s->lossy = some_link_loses(s);
    for (int i = 0; i < s->shared->topology->n_services; i++) {
        struct sim_service *service = &s->services[i];
        service->slowdown = schedule_slowdown(s->schedule, i, s->now);
        service->crash_rate = schedule_crash_rate(s->schedule, i, s->now);
        service->crash_rate += attacked_rate(service);
    }
    s->neighbour_m = schedule_neighbour_m(s->schedule, s->now);
    s->cpu_alloc_due = true;
    tick_next(s);
}

void sim_disturbances_start(struct sim *s)
{
    for (int i = 0; i < s->shared->topology->n_services; i++) {
        struct sim_service *service = &s->services[i];
        service->slowdown = 1.0;
        service->hazard = service->crash_rate = service->attacked_p = 0.0;
    }
    s->lossy = false;
    s->hazard_until_s = s->now;
    sim_loris_start(s);
    sim_contention_start(s);
    s->tick = (int64_t)floor(s->now * SIM_TICKS_PER_S);
    s->tick_s = tick_at(s->tick);
}
