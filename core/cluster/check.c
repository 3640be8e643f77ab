/* Invariants of a simulation, counted again from scratch. */
#include "core/base/log.h"
#include "core/cluster/share.h"

/* Used inside functions that return bool and know `s`. */
#define SIM_EXPECT(cond)                                                                           \
    do {                                                                                           \
        if (!(cond)) {                                                                             \
            log_error("cluster inconsistent at t = %g s: " #cond, s->now);                         \
            return false;                                                                          \
        }                                                                                          \
    } while (0)
/* The same where `slot` and `p` are known. */
#define POD_EXPECT(cond)                                                                           \
    do {                                                                                           \
        if (!(cond)) {                                                                             \
            log_error("cluster inconsistent at t = %g s, pod %d, service %d: " #cond, s->now,      \
                      slot, p->service);                                                           \
            return false;                                                                          \
        }                                                                                          \
    } while (0)

/* Calls of one pod by what they do there, counted over the pool: the pod's own numbers must
 * agree. */
struct tally {
    int computing, waiting, queued;
};

static struct tally tally_of(const struct sim *s, int slot)
{
    struct tally n = {0};
    for (int i = 0; i < s->n_touched; i++) {
        if (s->calls[i].slot == slot) {
            n.computing += s->calls[i].state == CALL_COMPUTING;
            n.waiting += s->calls[i].state == CALL_WAITING || s->calls[i].state == CALL_HOLDING;
            n.queued += s->calls[i].state == CALL_QUEUED;
        }
    }
    return n;
}

/* The lists of the pod against the pool, the order of its tags, and its due time on the agenda. A
 * queue exists only while all slots are in use; only pods that are ready or drain hold calls. */
static bool pod_consistent(const struct sim *s, int slot)
{
    const struct sim_pod *p = &s->pods[slot];
    const struct topology_cfg *cfg = s->shared->topology->cfg;
    struct tally n = tally_of(s, slot);
    int length = 0;
    for (int32_t c = p->head; length < p->queued; c = s->calls[c].next) {
        POD_EXPECT(c >= 0 && s->calls[c].state == CALL_QUEUED && s->calls[c].slot == slot);
        length++;
    }
    for (int k = 1; k <= SHARE_STEP; k++) {
        POD_EXPECT(p->tag[-k] == SIM_NEVER);
    }
    for (int i = 0; i < p->computing; i++) {
        POD_EXPECT(s->calls[p->who[i]].state == CALL_COMPUTING);
        POD_EXPECT(i == 0 || p->tag[i - 1] >= p->tag[i]);
    }
    POD_EXPECT(n.computing == p->computing && n.queued == p->queued);
    POD_EXPECT(n.computing + n.waiting == p->held);
    POD_EXPECT(p->held <= cfg->slots_per_pod && p->queued <= cfg->queue_per_pod);
    POD_EXPECT(p->queued == 0 || p->held == cfg->slots_per_pod);
    POD_EXPECT(p->held == 0 || p->state == POD_READY || p->state == POD_DRAINING);
    POD_EXPECT(p->state != POD_DRAINING || p->held > 0);
    double at = share_next(p);
    POD_EXPECT(s->agenda.at[slot] == (at < p->next_transition_s ? at : p->next_transition_s));
    return true;
}

/* Requests that a client with a record has not done with. */
static int open_records(const struct sim *s)
{
    int n = 0;
    for (int i = 0; i < s->shared->n_clients; i++) {
        enum sim_client_state state = s->clients[i].state;
        n += state == CLIENT_WAITING || state == CLIENT_BACKING;
    }
    return n;
}

/* Each call that waits has as many callees alive as it has pending (`children`, `pending`), and
 * each request that was received is resolved, has a root call, or belongs to a client with a
 * record. */
static bool calls_consistent(const struct sim *s)
{
    int live = 0, roots = 0, n_free = 0, held_conns = 0;
    int64_t children = 0, pending = 0;
    for (int i = 0; i < s->n_touched; i++) {
        const struct sim_call *call = &s->calls[i];
        SIM_EXPECT(call->state != CALL_LOST);
        if (call->state == CALL_FREE) {
            continue;
        }
        live++;
        roots += call->parent == SIM_CLIENT;
        held_conns += call->parent == SIM_HELD_CONN;
        children += call->parent >= 0;
        pending += call->pending;
        SIM_EXPECT((call->pending > 0) == (call->state == CALL_WAITING));
        SIM_EXPECT(call->parent < 0 || s->calls[call->parent].state == CALL_WAITING);
        SIM_EXPECT(s->pods[call->slot].service == call->service);
        if (call->parent <= SIM_RECORD) {
            SIM_EXPECT(s->clients[SIM_RECORD - call->parent].call == i);
        }
    }
    for (int32_t c = s->free_call; c != SIM_NO_CALL; c = s->calls[c].next) {
        n_free++;
    }
    SIM_EXPECT(children == pending && held_conns == s->n_held_conns);
    SIM_EXPECT(live == s->n_live && live + n_free == s->n_touched);
    SIM_EXPECT(s->received == s->resolved + (double)roots + (double)open_records(s));
    return true;
}

/* A client waits for a root call that knows it, and every client that does anything has a timer. */
static bool clients_consistent(const struct sim *s)
{
    const struct sim_timers *t = &s->timers;
    int n_set = 0;
    for (int i = 0; i < s->shared->n_clients; i++) {
        const struct sim_client *c = &s->clients[i];
        SIM_EXPECT((c->state == CLIENT_WAITING) == (c->call != SIM_NO_CALL));
        SIM_EXPECT(c->call == SIM_NO_CALL || s->calls[c->call].parent == SIM_RECORD - i);
        SIM_EXPECT((c->state == CLIENT_IDLE) == (t->heap_pos[i] < 0));
        SIM_EXPECT(t->heap_pos[i] < 0 || t->heap[t->heap_pos[i]] == i);
        SIM_EXPECT(t->heap_pos[i] < 0 || t->at[i] >= s->now);
        n_set += t->heap_pos[i] >= 0;
    }
    SIM_EXPECT(n_set == t->n);
    SIM_EXPECT(t->first_s == (t->n > 0 ? t->at[t->heap[0]] : SIM_NEVER));
    for (int i = 1; i < t->n; i++) {
        SIM_EXPECT(!timers_before_(t, t->heap[i], t->heap[(i - 1) / 2]));
    }
    return true;
}

/* The service's counts and areas against its pods. There may be fewer pods than desired, while the
 * pool is full of draining ones, but never more. */
static bool service_consistent(const struct sim *s, int service_id)
{
    const struct sim_service *service = &s->services[service_id];
    int n_pods = 0, n_failed = 0, n_ready = 0, n_room = 0;
    for (int i = 0; i < s->shared->n_pods; i++) {
        const struct sim_pod *p = &s->pods[i];
        if (p->state == POD_FREE || p->service != service_id) {
            continue;
        }
        n_pods += p->state != POD_DRAINING;
        n_failed += p->state == POD_CRASHED;
        n_ready += p->state == POD_READY;
        n_room += p->state == POD_READY && p->held + p->queued < s->shared->capacity;
    }
    SIM_EXPECT(n_pods == service->n_pods && n_failed == service->n_failed);
    SIM_EXPECT(n_ready == service->n_ready && n_room == service->n_room);
    SIM_EXPECT(n_pods <= service->desired);
    SIM_EXPECT(service->ready_area.value == (double)n_ready);
    SIM_EXPECT(service->up_area.value == (n_ready > 0 ? 1.0 : 0.0));
    for (int i = 0; i < n_ready; i++) {
        SIM_EXPECT(s->pods[service->ready[i]].state == POD_READY);
        SIM_EXPECT(s->pods[service->ready[i]].service == service_id);
    }
    return true;
}

/* The counters agree with the calls that exist. Calls received by services = calls sent by services
 * + attempts of clients; calls received - calls that ended = calls alive, held connections not
 * counted. The node's CPU requests are the sum over the pods on it. */
static bool books_consistent(const struct sim *s)
{
    double queued = 0.0, requested = 0.0, inside = 0.0, sent = 0.0, open = 0.0;
    for (int i = 0; i < s->shared->n_pods; i++) {
        const struct sim_pod *p = &s->pods[i];
        bool scheduled = p->state != POD_FREE && p->state != POD_PENDING;
        queued += p->queued;
        requested += scheduled ? s->shared->topology->cfg->services[p->service].cpu_m : 0.0;
    }
    for (int i = 0; i < s->shared->topology->n_services; i++) {
        const struct sim_counters *count = &s->services[i].count;
        inside += count->received;
        sent += count->sent;
        open += count->received - count->succeeded - count->errors;
    }
    SIM_EXPECT(s->waiting.value == queued);
    SIM_EXPECT(fabs(s->requested_area.value - requested) < 1e-6);
    SIM_EXPECT(requested <= s->shared->topology->cfg->node_cpu_m + 1e-6);
    SIM_EXPECT(inside == sent + s->received + s->retries);
    SIM_EXPECT(open == (double)(s->n_live - s->n_held_conns));
    return true;
}

/* Little's law over all requests since the warm-up's start: the integral of their number = the sum
 * of their times in the system, those still in flight up to now. The left side counts without
 * knowing when anything arrived, the right one by what each request remembers. They are equal but
 * for rounding: n additions to a sum cost at most n units in its last place. */
static bool little_consistent(const struct sim *s)
{
    double sojourn_s = s->sojourn_s;
    for (int i = 0; i < s->n_touched; i++) {
        const struct sim_call *call = &s->calls[i];
        bool root = call->state != CALL_FREE && call->parent == SIM_CLIENT;
        sojourn_s += root ? s->now - call->arrived_s : 0.0;
    }
    for (int i = 0; i < s->shared->n_clients; i++) {
        enum sim_client_state state = s->clients[i].state;
        bool open = state == CLIENT_WAITING || state == CLIENT_BACKING;
        sojourn_s += open ? s->now - s->clients[i].first_s : 0.0;
    }
    double inside_s = sim_area_at(&s->inside, s->now);
    double ulps = 4.0 * (s->received + 1.0);
    SIM_EXPECT(s->inside.value == s->received - s->resolved);
    SIM_EXPECT(fabs(inside_s - sojourn_s) <= ulps * 0x1p-52 * (inside_s + s->shared->warm_s));
    return true;
}

bool sim_consistent(const struct sim *s)
{
    for (int i = 0; i < s->shared->n_pods; i++) {
        if (!pod_consistent(s, i)) {
            return false;
        }
    }
    for (int i = 0; i < s->shared->topology->n_services; i++) {
        if (!service_consistent(s, i)) {
            return false;
        }
    }
    return calls_consistent(s) && clients_consistent(s) && books_consistent(s) &&
           little_consistent(s);
}
