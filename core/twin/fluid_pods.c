/* The life of the twin's pods: as the simulator's, without crashes (core/cluster/replicas.c).
 *
 *   PENDING --room on the node--> STARTING --delay--> READY --removed--> DRAINING --empty--> gone
 *
 * A removed pod that was not ready is gone at once. Pods of a service occupy the slots
 * first_pod[s] .. first_pod[s + 1), twice as many as max_replicas; while drains fill them, new pods
 * wait. */
#include "core/twin/fluid.h"

#include <math.h>

static const double GRACE_S = 30.0, OLD_S = 600.0, EMPTY = 0.5;

static bool exists(const struct fluid_pod *p)
{
    return p->state != FLUID_FREE && p->state != FLUID_DRAINING;
}

/* It holds a request of CPU and memory on the node. */
static bool placed(const struct fluid_pod *p)
{
    return p->state >= FLUID_STARTING;
}

struct room {
    double cpu_m, ram_mib;
};

static struct room used_room(const struct fluid *f)
{
    const struct topology *t = f->net->topology;
    struct room used = {0.0, 0.0};
    for (int s = 0; s < t->n_services; s++) {
        for (int p = f->net->first_pod[s]; p < f->net->first_pod[s + 1]; p++) {
            const double one = placed(&f->pods[p]) ? 1.0 : 0.0;
            used.cpu_m += one * t->cfg->services[s].cpu_m;
            used.ram_mib += one * t->cfg->services[s].ram_mib;
        }
    }
    return used;
}

static void start(struct fluid *f, int service, struct fluid_pod *p)
{
    const uint32_t who = (uint32_t)service << 24 | (p->serial & 0xffffffU);
    const struct rng_block u = fluid_block(f, FLUID_DRAW_START, who);
    const double delay = f->start_s + f->start_sd_s * rng_normal(u.v[0], u.v[1]);
    p->state = FLUID_STARTING;
    p->started_s = p->changed_s = f->now;
    p->next_s = f->now + (delay > 1.0 ? delay : 1.0);
}

/* Service after service: of one service the older pod first. One that does not fit does not hold up
 * the others. Each turn of the loop starts a pod, so it ends. */
static void place_pending(struct fluid *f)
{
    const struct topology_cfg *t = f->net->topology->cfg;
    struct room used = used_room(f);
    for (int s = 0; s < f->net->topology->n_services; s++) {
        const struct service_cfg *cfg = &t->services[s];
        for (;;) {
            struct fluid_pod *oldest = NULL;
            for (int i = f->net->first_pod[s]; i < f->net->first_pod[s + 1]; i++) {
                struct fluid_pod *p = &f->pods[i];
                if (p->state == FLUID_PENDING && (oldest == NULL || p->serial < oldest->serial)) {
                    oldest = p;
                }
            }
            if (oldest == NULL || used.cpu_m + cfg->cpu_m > t->node_cpu_m ||
                used.ram_mib + cfg->ram_mib > t->node_ram_mib) {
                break;
            }
            used.cpu_m += cfg->cpu_m;
            used.ram_mib += cfg->ram_mib;
            start(f, s, oldest);
        }
    }
}

static struct fluid_pod *new_pod(struct fluid *f, int service)
{
    struct fluid_pod *p = &f->pods[f->net->first_pod[service]];
    const struct fluid_pod *end = &f->pods[f->net->first_pod[service + 1]];
    while (p < end && p->state != FLUID_FREE) {
        p++;
    }
    if (p == end) {
        return NULL;
    }
    *p = (struct fluid_pod){
        .state = FLUID_PENDING, .serial = f->services[service].n_created++, .created_s = f->now};
    return p;
}

/* Pending pods go first, then starting ones, then ready ones; of a kind the youngest. */
static bool goes_before(const struct fluid_pod *a, const struct fluid_pod *b)
{
    if (a->state != b->state) {
        return a->state < b->state;
    }
    if (a->state == FLUID_READY && a->changed_s != b->changed_s) {
        return a->changed_s > b->changed_s;
    }
    return a->serial > b->serial;
}

static void retire_one(struct fluid *f, int service)
{
    struct fluid_pod *chosen = NULL;
    for (int i = f->net->first_pod[service]; i < f->net->first_pod[service + 1]; i++) {
        struct fluid_pod *p = &f->pods[i];
        if (exists(p) && (chosen == NULL || goes_before(p, chosen))) {
            chosen = p;
        }
    }
    if (chosen->state == FLUID_READY) {
        chosen->state = FLUID_DRAINING;
        chosen->next_s = f->now + GRACE_S;
    } else {
        chosen->state = FLUID_FREE;
    }
}

static int count(const struct fluid *f, int service)
{
    int n = 0;
    for (int p = f->net->first_pod[service]; p < f->net->first_pod[service + 1]; p++) {
        n += exists(&f->pods[p]);
    }
    return n;
}

void fluid_scale(struct fluid *f, int service, int desired)
{
    f->services[service].desired = desired;
    for (int n = count(f, service); n > desired; n--) {
        retire_one(f, service);
    }
}

/* Starting pods that become ready before `p`. */
static int earlier(const struct fluid *f, int service, const struct fluid_pod *p)
{
    int n = 0;
    for (int i = f->net->first_pod[service]; i < f->net->first_pod[service + 1]; i++) {
        const struct fluid_pod *q = &f->pods[i];
        n += q->state == FLUID_STARTING &&
             (q->next_s < p->next_s || (q->next_s == p->next_s && q->serial < p->serial));
    }
    return n;
}

/* Of the starting pods the first `left` become ready before at_s, the others behind it. Moving a
 * pod keeps it in its part of the order: the first ones only move forward to a common time, the
 * others only backward to a later one. So it does not matter which pods were moved before. */
void fluid_meet(struct fluid *f, int service, int ready, double at_s)
{
    const int first = f->net->first_pod[service], end = f->net->first_pod[service + 1];
    const double dt = f->net->dt;
    int left = ready;
    for (int i = first; i < end; i++) {
        left -= f->pods[i].state == FLUID_READY;
    }
    for (int i = first; i < end; i++) {
        struct fluid_pod *p = &f->pods[i];
        if (p->state == FLUID_STARTING) {
            const bool by_then = earlier(f, service, p) < left;
            p->next_s = by_then ? fmin(p->next_s, at_s - dt) : fmax(p->next_s, at_s + dt);
        }
    }
}

/* New pods of services that have too few, pods that are ready now, drained ones that go, and room
 * for those that wait for it. */
void fluid_pods_step(struct fluid *f)
{
    bool room = f->step == 0;
    for (int s = 0; s < f->net->topology->n_services; s++) {
        int ready = 0, serving = 0;
        for (int n = count(f, s); n < f->services[s].desired && new_pod(f, s) != NULL; n++) {
            room = true;
        }
        for (int i = f->net->first_pod[s]; i < f->net->first_pod[s + 1]; i++) {
            struct fluid_pod *p = &f->pods[i];
            const bool due = p->next_s <= f->now;
            if (p->state == FLUID_STARTING && due) {
                p->state = FLUID_READY;
                p->changed_s = f->now;
                p->x = p->excess = 0.0;
            } else if (p->state == FLUID_DRAINING && (due || p->x < EMPTY)) {
                p->state = FLUID_FREE;
                room = true;
            }
            room |= p->state == FLUID_PENDING;
            ready += p->state == FLUID_READY;
            serving += fluid_serves(p);
        }
        f->services[s].n_ready = ready;
        f->services[s].n_serving = serving;
    }
    if (room) {
        place_pending(f);
    }
}

/* The first pods have been ready for long. */
void fluid_pods_begin(struct fluid *f)
{
    for (int s = 0; s < f->net->topology->n_services; s++) {
        f->services[s].desired = f->net->topology->cfg->services[s].initial_replicas;
        for (int i = 0; i < f->services[s].desired; i++) {
            struct fluid_pod *p = new_pod(f, s);
            p->state = FLUID_READY;
            p->created_s = p->started_s = p->changed_s = -OLD_S;
            p->x = 0.5;
            p->excess = 0.25;
        }
    }
}
