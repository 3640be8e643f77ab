/* Pods come, drain, crash and go.
 *
 *   PENDING --room on the node--> STARTING --start delay--> READY --removed--> DRAINING --> gone
 *                                     ^                        |
 *                                     +--back-off-- CRASHED <--+ hazard
 *
 * Readiness comes with the first probe that finds the pod started; probes are counted from the
 * moment its container begins to start. A pod holds its CPU and memory request from STARTING on, in
 * CRASHED too (it restarts in place), until it is gone. Removal takes, as the ReplicaSet controller
 * does, pending pods first, then those not ready, then ready ones, the younger first. Every pod has
 * a slot in a pool of twice the sum of max_replicas; while drains fill the pool, new pods wait. */
#include "core/cluster/share.h"

/* ---- accounts ---- */

void sim_room(struct sim *s, int service_id, int change)
{
    struct sim_service *service = &s->services[service_id];
    bool before = service->n_room > 0;
    service->n_room += change;
    bool after = service->n_room > 0;
    if (before != after && s->shared->topology->cfg->services[service_id].entry) {
        sim_area_add(&s->entry_area, s->now, after ? 1.0 : -1.0);
    }
}

static const struct service_cfg *pod_cfg(const struct sim *s, const struct sim_pod *p)
{
    return &s->shared->topology->cfg->services[p->service];
}

/* sign +1: the pod is scheduled on the node; -1: it leaves it. */
static void node_account(struct sim *s, const struct sim_pod *p, double sign)
{
    const struct service_cfg *cfg = pod_cfg(s, p);
    s->node_cpu_m += sign * cfg->cpu_m;
    s->node_ram_mib += sign * cfg->ram_mib;
    sim_area_add(&s->requested_area, s->now, sign * cfg->cpu_m);
    s->schedule_pods_due = true;
}

static bool node_fits(const struct sim *s, const struct sim_pod *p)
{
    const struct topology_cfg *node = s->shared->topology->cfg;
    const struct service_cfg *cfg = pod_cfg(s, p);
    return s->node_cpu_m + cfg->cpu_m <= node->node_cpu_m &&
           s->node_ram_mib + cfg->ram_mib <= node->node_ram_mib;
}

/* It exists, as the service counts its pods. */
static void service_pods(struct sim *s, struct sim_service *service, int change)
{
    service->n_pods += change;
    sim_area_add(&s->pods_area, s->now, (double)change);
}

static void service_failed(struct sim *s, struct sim_service *service, int change)
{
    service->n_failed += change;
    sim_area_add(&s->failed_area, s->now, (double)change);
}

/* ---- readiness ---- */

static void ready_enter(struct sim *s, int slot)
{
    struct sim_pod *p = &s->pods[slot];
    struct sim_service *service = &s->services[p->service];
    service->ready[service->n_ready++] = slot;
    sim_area_add(&service->ready_area, s->now, 1.0);
    if (service->n_ready == 1) {
        sim_area_add(&service->up_area, s->now, 1.0);
    }
    sim_room(s, p->service, 1);
    s->limit_cores += service->cores;
    s->cpu_alloc_due = true;
    p->state = POD_READY;
    p->transition_s = s->now;
    p->next_transition_s = SIM_NEVER;
}

/* No new calls from now on; what the pod does with those it has is the caller's affair. */
static void ready_leave(struct sim *s, int slot)
{
    struct sim_pod *p = &s->pods[slot];
    struct sim_service *service = &s->services[p->service];
    int i = 0;
    while (service->ready[i] != slot) {
        i++;
    }
    service->n_ready--;
    for (; i < service->n_ready; i++) {
        service->ready[i] = service->ready[i + 1];
    }
    sim_area_add(&service->ready_area, s->now, -1.0);
    if (service->n_ready == 0) {
        sim_area_add(&service->up_area, s->now, -1.0);
    }
    if (p->held + p->queued < s->shared->capacity) {
        sim_room(s, p->service, -1);
    }
    p->transition_s = s->now;
}

/* ---- a pod's life ---- */

/* The draws of one start: normal for the delay, exponential for its hazard limit. */
static struct rng_block pod_draw(const struct sim *s, const struct sim_pod *p)
{
    uint32_t who = (uint32_t)p->service << 24 | (p->serial & 0xffffffu);
    return rng_philox(s->key_pod, p->starts, who, s->id.episode, s->id.env);
}

/* Seconds from the start of the container to readiness, for one that can answer after start_s: till
 * the first probe from then on. */
static double probed_s(const struct cluster_cfg *cfg, double start_s)
{
    if (cfg->probe_s <= 0.0) {
        return start_s;
    }
    double late_s = start_s - cfg->probe_delay_s;
    return cfg->probe_delay_s + (late_s > 0.0 ? ceil(late_s / cfg->probe_s) * cfg->probe_s : 0.0);
}

static void pod_start(struct sim *s, int slot)
{
    struct sim_pod *p = &s->pods[slot];
    const struct cluster_cfg *cfg = s->shared->cfg;
    struct rng_block draw = pod_draw(s, p);
    double delay = cfg->start_s + cfg->start_sd_s * rng_normal(draw.v[0], draw.v[1]);
    p->state = POD_STARTING;
    if (p->starts++ == 0) {
        p->started_s = p->transition_s = s->now;
    }
    p->first_scrape = s->n_scrapes;
    p->hazard_limit = rng_exponential(draw.v[2]); /* from readiness on */
    p->next_transition_s = s->now + probed_s(cfg, delay > 1.0 ? delay : 1.0);
    share_announce(s, slot);
}

static void pod_ready(struct sim *s, int slot)
{
    struct sim_pod *p = &s->pods[slot];
    p->hazard_limit += s->services[p->service].hazard;
    sim_liveness_arm(s, slot);
    share_set_cores(p, s->services[p->service].cores, s->now);
    ready_enter(s, slot);
    p->warm_until_s = s->now + s->shared->cfg->warm_s;
    share_announce(s, slot);
}

/* A slot for one more pod of the service, in state PENDING; -1 if the pool is full. */
static int pod_new(struct sim *s, int service_id)
{
    struct sim_service *service = &s->services[service_id];
    int slot = 0;
    while (slot < s->shared->n_pods && s->pods[slot].state != POD_FREE) {
        slot++;
    }
    if (slot == s->shared->n_pods) {
        return -1;
    }
    struct sim_pod *p = &s->pods[slot];
    *p = (struct sim_pod){
        .tag = p->tag,
        .who = p->who,
        .since_s = s->now,
        .service = service_id,
        .state = POD_PENDING,
        .serial = service->n_created++,
        .born = s->n_born++,
        .next_transition_s = SIM_NEVER,
        .created_s = s->now,
        .transition_s = s->now,
    };
    share_set_cores(p, service->cores, s->now);
    service_pods(s, service, 1);
    return slot;
}

/* The slot is free again. Callers have updated all accounts but those of the node. */
void sim_pod_remove(struct sim *s, int slot)
{
    struct sim_pod *p = &s->pods[slot];
    struct sim_service *service = &s->services[p->service];
    if (p->state == POD_DRAINING) {
        s->limit_cores -= service->cores;
        s->cpu_alloc_due = true;
    }
    if (p->state != POD_PENDING) {
        node_account(s, p, -1.0);
    }
    share_advance(p, s->now);
    service->count.used_s += p->used_s;
    p->used_s = 0.0;
    p->state = POD_FREE;
    p->next_transition_s = SIM_NEVER;
    share_announce(s, slot);
    s->schedule_pods_due = true;
}

void sim_pod_crash(struct sim *s, int slot)
{
    struct sim_pod *p = &s->pods[slot];
    const struct cluster_cfg *cfg = s->shared->cfg;
    double ran_s = s->now - p->transition_s;
    double doubled =
        p->backoff_s * 2.0 < cfg->backoff_max_s ? p->backoff_s * 2.0 : cfg->backoff_max_s;
    bool forgotten = p->backoff_s == 0.0 || ran_s >= cfg->backoff_reset_s;
    ready_leave(s, slot);
    s->limit_cores -= s->services[p->service].cores;
    s->cpu_alloc_due = true;
    p->state = POD_CRASHED;
    p->backoff_s = forgotten ? cfg->backoff_s : doubled;
    p->next_transition_s = s->now + p->backoff_s;
    service_failed(s, &s->services[p->service], 1);
    sim_lose_calls(s, slot);
    share_announce(s, slot);
}

void sim_pod_transition(struct sim *s, int slot)
{
    struct sim_pod *p = &s->pods[slot];
    switch (p->state) {
    case POD_STARTING:
        pod_ready(s, slot);
        break;
    case POD_CRASHED:
        service_failed(s, &s->services[p->service], -1);
        pod_start(s, slot);
        break;
    case POD_DRAINING: /* out of grace */
        sim_lose_calls(s, slot);
        sim_pod_remove(s, slot);
        break;
    default:
        CHECK(false);
    }
}

/* ---- scaling ---- */

static void pod_retire(struct sim *s, int slot)
{
    struct sim_pod *p = &s->pods[slot];
    struct sim_service *service = &s->services[p->service];
    service_pods(s, service, -1);
    if (p->state == POD_CRASHED) {
        service_failed(s, service, -1);
    }
    if (p->state == POD_READY) {
        ready_leave(s, slot);
        p->state = POD_DRAINING;
        p->next_transition_s = s->now + s->shared->cfg->grace_s;
        share_announce(s, slot);
    }
    if (p->held == 0) {
        sim_pod_remove(s, slot);
    }
}

/* Does `a` go before `b`? Both exist and are of one service. Serial numbers differ, so the order is
 * total and the pod that goes does not depend on its slot. */
static bool goes_before(const struct sim_pod *a, const struct sim_pod *b)
{
    static const int rank[] = {
        [POD_PENDING] = 0, [POD_STARTING] = 1, [POD_CRASHED] = 2, [POD_READY] = 3};
    if (a->state != b->state) {
        return rank[a->state] < rank[b->state];
    }
    if (a->state == POD_READY && a->transition_s != b->transition_s) {
        return a->transition_s > b->transition_s;
    }
    return a->serial > b->serial;
}

static void retire_one(struct sim *s, int service_id)
{
    int chosen = -1;
    for (int i = 0; i < s->shared->n_pods; i++) {
        const struct sim_pod *p = &s->pods[i];
        if (p->state == POD_FREE || p->state == POD_DRAINING || p->service != service_id) {
            continue;
        }
        if (chosen < 0 || goes_before(p, &s->pods[chosen])) {
            chosen = i;
        }
    }
    CHECK(chosen >= 0);
    pod_retire(s, chosen);
}

void sim_scale(struct sim *s, int service_id, int desired)
{
    struct sim_service *service = &s->services[service_id];
    service->desired = desired;
    while (service->n_pods > desired) {
        retire_one(s, service_id);
    }
    s->schedule_pods_due = true;
}

/* The oldest pending pod that fits on the node; -1 if none. */
static int next_schedulable(const struct sim *s)
{
    int chosen = -1;
    for (int i = 0; i < s->shared->n_pods; i++) {
        const struct sim_pod *p = &s->pods[i];
        if (p->state == POD_PENDING && node_fits(s, p) &&
            (chosen < 0 || p->born < s->pods[chosen].born)) {
            chosen = i;
        }
    }
    return chosen;
}

/* Both loops end: each turn of the first creates a pod, of the second schedules one. The oldest pod
 * that fits goes first; an older one that does not fit does not hold up those behind it, as in the
 * scheduler of Kubernetes. */
void sim_schedule_pods(struct sim *s)
{
    for (int i = 0; i < s->shared->topology->n_services; i++) {
        while (s->services[i].n_pods < s->services[i].desired && pod_new(s, i) >= 0) {
        }
    }
    for (int slot = next_schedulable(s); slot >= 0; slot = next_schedulable(s)) {
        node_account(s, &s->pods[slot], 1.0);
        pod_start(s, slot);
    }
    s->schedule_pods_due = false;
}

void sim_pods_start(struct sim *s)
{
    const struct topology_cfg *cfg = s->shared->topology->cfg;
    for (int i = 0; i < cfg->n_services; i++) {
        s->services[i].desired = cfg->services[i].initial_replicas;
        for (int k = 0; k < cfg->services[i].initial_replicas; k++) {
            int slot = pod_new(s, i);
            CHECK(slot >= 0);
            node_account(s, &s->pods[slot], 1.0);
            pod_start(s, slot);
            pod_ready(s, slot);
            s->pods[slot].created_s = s->pods[slot].started_s = -SIM_OLD_S;
            s->pods[slot].transition_s = -SIM_OLD_S;
            s->pods[slot].warm_until_s = -SIM_OLD_S; /* long since warm */
        }
    }
    s->schedule_pods_due = false;
}
