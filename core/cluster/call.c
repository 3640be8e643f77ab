/* A request's walk through the call graph.
 *
 * A call enters a pod, takes a slot or waits in the queue, computes, calls its callees (all at
 * once, in sequence, or one of them), holds its slot until the last has answered, and answers. A
 * failed callee makes it fail, and so does an answer after the deadline. Asynchronous callees start
 * at the same moment as orphans without a deadline: they work, and nobody hears of it. What happens
 * to one call is followed up at once through the chain of callers; since the graph is acyclic, this
 * never comes back to the same pod.
 *
 * What a call draws depends on the request and on its position in the request's call tree only (the
 * visit number, pre-order), never on the order of events.
 *
 * Only a success can call on in a sequence, and calls that end while a pod dies or its queue is
 * cleared are failures: so no call is sent while a list of calls is being walked.
 */
#include "core/cluster/share.h"

/* What most simulations never do stays out of the way of what all do for every call: out of line,
 * and compilers take the branch to it for an unlikely one. */
#define COLD __attribute__((cold, noinline))

/* ---- the pool ---- */

static int32_t call_new(struct sim *s)
{
    int32_t c = s->free_call;
    if (c != SIM_NO_CALL) {
        s->free_call = s->calls[c].next;
    } else {
        CHECK(s->n_touched < s->shared->n_calls);
        c = s->n_touched++;
    }
    s->n_live++;
    return c;
}

static void call_free(struct sim *s, int32_t c)
{
    s->calls[c].state = CALL_FREE;
    s->calls[c].next = s->free_call;
    s->free_call = c;
    s->n_live--;
}

/* ---- slots and queues ---- */

/* A slow-loris connection has got a slot: it holds it from now on. */
static COLD void conn_take_slot(struct sim *s, struct sim_call *conn)
{
    conn->state = CALL_HOLDING;
    conn->deadline_s = s->now + conn->work_s;
}

/* Cold caches, code not compiled yet: from warm_factor down to 1, linearly. */
static COLD double cold_factor(const struct sim *s, const struct sim_pod *p)
{
    const struct cluster_cfg *cfg = s->shared->cfg;
    return 1.0 + (cfg->warm_factor - 1.0) * (p->warm_until_s - s->now) / cfg->warm_s;
}

static void call_compute(struct sim *s, int32_t c, int slot)
{
    if (s->calls[c].parent == SIM_HELD_CONN) {
        conn_take_slot(s, &s->calls[c]);
        return;
    }
    struct sim_pod *p = &s->pods[slot];
    double work_s = s->calls[c].work_s;
    if (s->now < p->warm_until_s) {
        work_s *= cold_factor(s, p);
    }
    s->calls[c].state = CALL_COMPUTING;
    share_enter(p, c, work_s, s->now);
    share_demand(s, p, p->computing - 1);
    share_announce(s, slot);
}

static void queue_push(struct sim *s, struct sim_pod *p, int32_t c)
{
    s->calls[c].state = CALL_QUEUED;
    s->calls[c].next = SIM_NO_CALL;
    if (p->queued++ == 0) {
        p->head = c;
    } else {
        s->calls[p->tail].next = c;
    }
    p->tail = c;
    sim_area_add(&s->waiting, s->now, 1.0);
}

static int32_t queue_pop(struct sim *s, struct sim_pod *p)
{
    int32_t c = p->head;
    p->head = s->calls[c].next;
    p->queued--;
    sim_area_add(&s->waiting, s->now, -1.0);
    return c;
}

/* The pod has become full (-1), or is full no longer (+1). */
static COLD void pod_room(struct sim *s, const struct sim_pod *p, int change)
{
    if (p->state == POD_READY) {
        sim_room(s, p->service, change);
    }
}

/* A record of the call, in a slot or in the queue of a pod that has room. Field by field: copying a
 * struct that was written in smaller pieces just before costs a stall. */
static int32_t pod_take(struct sim *s, int slot, int service, const struct sim_call_ctx *ctx,
                        double work_s)
{
    struct sim_pod *p = &s->pods[slot];
    int load = p->held + p->queued;
    int32_t c = call_new(s);
    struct sim_call *call = &s->calls[c];
    call->arrived_s = s->now;
    call->deadline_s = ctx->deadline_s;
    call->work_s = work_s;
    call->parent = ctx->parent;
    call->request = ctx->request;
    call->visit = ctx->visit;
    call->slot = slot;
    call->service = (int16_t)service;
    call->pending = 0;
    call->left = 0;
    call->failed = false;
    if (p->held < s->shared->topology->cfg->slots_per_pod) {
        p->held++;
        call_compute(s, c, slot);
    } else {
        queue_push(s, p, c);
    }
    if (load + 1 == s->shared->capacity) {
        pod_room(s, p, -1);
    }
    return c;
}

/* The fewest calls; the search begins at a drawn pod, so that equals share. */
static COLD int least_loaded(const struct sim *s, const struct sim_service *service, uint32_t begin)
{
    uint32_t n = (uint32_t)service->n_ready;
    int chosen = -1, chosen_load = 0;
    for (uint32_t i = 0; i < n; i++) {
        int slot = service->ready[begin + i < n ? begin + i : begin + i - n];
        int load = s->pods[slot].held + s->pods[slot].queued;
        if (chosen < 0 || load < chosen_load) {
            chosen = slot;
            chosen_load = load;
        }
    }
    return chosen;
}

static int choose_pod(const struct sim *s, const struct sim_service *service, uint32_t word)
{
    uint32_t i = rng_below(word, (uint32_t)service->n_ready);
    return s->shared->least_loaded ? least_loaded(s, service, i) : service->ready[i];
}

/* CPU demand of mean 1. */
static inline double call_work(const struct work_law *law, struct draw draw)
{
    if (law->kind == WORK_EXPONENTIAL) {
        return draw.row->exponential[draw.lane];
    }
    return work_law_draw(law, draw.row->word[0][draw.lane], draw.row->word[3][draw.lane]);
}

int32_t sim_send(struct sim *s, int service_id, const struct sim_call_ctx *ctx, struct draw draw)
{
    const struct topology *t = s->shared->topology;
    struct sim_service *service = &s->services[service_id];
    service->count.received += 1.0;
    bool lost = s->lossy && ctx->from != SIM_OUTSIDE &&
                sim_call_lost(s, ctx->from, service_id, ctx->request, ctx->visit);
    if (service->n_ready > 0 && !lost) {
        int slot = choose_pod(s, service, draw.row->word[1][draw.lane]);
        if (s->pods[slot].held + s->pods[slot].queued < s->shared->capacity) {
            double mean_s = t->demand_s[service_id] * service->slowdown;
            double work = call_work(&t->work[service_id], draw) * sim_work(s, ctx->request);
            return pod_take(s, slot, service_id, ctx, work * mean_s);
        }
    }
    service->count.errors += 1.0;
    s->hops++;
    return SIM_NO_CALL;
}

/* ---- answers ---- */

/* What a call leaves behind when its record is freed. */
struct answer {
    double arrived_s;
    int32_t parent;
    uint32_t request;
    bool failed;
};

static struct answer call_end(struct sim *s, int32_t c, bool failed)
{
    const struct sim_call *call = &s->calls[c];
    struct sim_counters *count = &s->services[call->service].count;
    struct answer answer = {call->arrived_s, call->parent, call->request, failed};
    if (failed) {
        count->errors += 1.0;
    } else {
        count->succeeded += 1.0;
        count->latency_s += s->now - answer.arrived_s;
    }
    s->hops++;
    call_free(s, c);
    return answer;
}

static COLD bool call_next(struct sim *s, int32_t c);

/* Tell who called. Returns the caller if it has now heard from all its callees, else SIM_NO_CALL.
 */
static int32_t call_answer(struct sim *s, const struct answer *answer)
{
    if (answer->parent < 0) {
        if (answer->parent == SIM_CLIENT) {
            sim_resolve(s, answer->request, answer->arrived_s, answer->failed);
        } else if (answer->parent <= SIM_RECORD) {
            sim_client_answered(s, SIM_RECORD - answer->parent, answer->failed);
        }
        return SIM_NO_CALL;
    }
    struct sim_call *parent = &s->calls[answer->parent];
    parent->failed |= answer->failed;
    parent->pending--;
    if (parent->pending > 0 || (parent->left > 0 && call_next(s, answer->parent))) {
        return SIM_NO_CALL;
    }
    return answer->parent;
}

static void call_finish(struct sim *s, int32_t c);

/* A call ends without an answer of its own: expired in the queue, or lost with its pod. */
static COLD void call_drop(struct sim *s, int32_t c)
{
    if (s->calls[c].parent == SIM_HELD_CONN) {
        s->n_held_conns--;
        call_free(s, c);
        return;
    }
    struct answer answer = call_end(s, c, true);
    int32_t parent = call_answer(s, &answer);
    if (parent != SIM_NO_CALL) {
        call_finish(s, parent);
    }
}

/* A slot is free: the next in the queue takes it, those past their deadline are dropped. */
static inline void pod_release(struct sim *s, int slot)
{
    struct sim_pod *p = &s->pods[slot];
    int load = p->held + p->queued;
    p->held--;
    while (p->queued > 0 && p->held < s->shared->topology->cfg->slots_per_pod) {
        int32_t c = queue_pop(s, p);
        if (s->shared->cfg->deadline_propagation && s->now > s->calls[c].deadline_s) {
            call_drop(s, c);
        } else {
            p->held++;
            call_compute(s, c, slot);
        }
    }
    if (load == s->shared->capacity && p->held + p->queued < load) {
        pod_room(s, p, 1);
    }
    if (p->state == POD_DRAINING && p->held == 0) {
        sim_pod_remove(s, slot);
    }
}

/* The call has done its work and heard from its callees: answer, and so on up the callers. */
static void call_finish(struct sim *s, int32_t c)
{
    while (c != SIM_NO_CALL) {
        const struct sim_call *call = &s->calls[c];
        int slot = call->slot;
        struct answer answer = call_end(s, c, call->failed || s->now > call->deadline_s);
        pod_release(s, slot);
        c = call_answer(s, &answer);
    }
}

/* ---- calling on ---- */

/* Call along edge e of the graph for call c. False: refused. */
static inline bool call_along(struct sim *s, const struct sim_call *call, int e,
                              struct sim_call_ctx *ctx)
{
    ctx->visit = call->visit + s->shared->visit_step[e];
    struct draw draw = draws_get(&s->draws, ctx->request, ctx->visit);
    return sim_send(s, s->shared->topology->callee[e], ctx, draw) != SIM_NO_CALL;
}

static void call_parallel(struct sim *s, int32_t c, int begin, int end)
{
    struct sim_call *call = &s->calls[c];
    struct sim_call_ctx ctx = {call->deadline_s, c, call->service, call->request, 0};
    int16_t pending = 0;
    for (int e = begin; e < end; e++) {
        pending += call_along(s, call, e, &ctx);
    }
    s->services[call->service].count.sent += (double)(end - begin);
    call->pending = pending;
    call->failed = pending < end - begin;
}

static bool given_up(const struct sim *s, const struct sim_call *call)
{
    return s->shared->cfg->deadline_propagation && s->now > call->deadline_s;
}

/* The next call of a sequence. False: there is none, because the last one failed, or was refused,
 * or nobody waits any more. */
static COLD bool call_next(struct sim *s, int32_t c)
{
    struct sim_call *call = &s->calls[c];
    if (call->failed || given_up(s, call)) {
        return false;
    }
    struct sim_call_ctx ctx = {call->deadline_s, c, call->service, call->request, 0};
    int e = s->shared->topology->sync_end[call->service] - call->left;
    call->left--;
    s->services[call->service].count.sent += 1.0;
    call->pending = call_along(s, call, e, &ctx);
    call->failed = call->pending == 0;
    return call->pending > 0;
}

/* One of them: drawn for the call, whatever else happens. */
static COLD void call_split(struct sim *s, int32_t c, int begin, int end)
{
    const struct sim_call *call = &s->calls[c];
    struct rng_block draw =
        rng_philox(s->key_route, call->visit, call->request, s->id.episode, s->id.env);
    int e = begin + (int)rng_below(draw.v[0], (uint32_t)(end - begin));
    call_parallel(s, c, e, e + 1);
}

static COLD void call_async(struct sim *s, const struct sim_call *call, int begin, int end)
{
    struct sim_call_ctx ctx = {SIM_NEVER, SIM_ORPHAN, call->service, call->request, 0};
    for (int e = begin; e < end; e++) {
        (void)call_along(s, call, e, &ctx);
    }
    s->services[call->service].count.sent += (double)(end - begin);
}

/* The call has done its own work: callees are told, or it ends. */
static void call_fan_out(struct sim *s, int32_t c)
{
    const struct topology *t = s->shared->topology;
    struct sim_call *call = &s->calls[c];
    int begin = t->callee_begin[call->service], end = t->callee_begin[call->service + 1];
    int sync_end = t->sync_end[call->service];
    enum fan_out how = t->cfg->services[call->service].fan_out;
    call->state = CALL_WAITING;
    if (sync_end < end) {
        call_async(s, call, sync_end, end);
    }
    if (how == FAN_PARALLEL) {
        call_parallel(s, c, begin, sync_end);
    } else if (how == FAN_SPLIT && begin < sync_end) {
        call_split(s, c, begin, sync_end);
    } else if (begin < sync_end) {
        call->left = (uint8_t)(sync_end - begin);
        (void)call_next(s, c);
    }
    if (call->pending == 0) {
        call_finish(s, c);
    }
}

/* ---- what the engine calls ---- */

void sim_computed(struct sim *s, int slot)
{
    int32_t c = share_leave(&s->pods[slot], s->now);
    share_demand(s, &s->pods[slot], s->pods[slot].computing);
    const struct sim_call *call = &s->calls[c];
    const int *begin = s->shared->topology->callee_begin + call->service;
    if (begin[0] == begin[1] || given_up(s, call)) {
        call_finish(s, c);
    } else {
        call_fan_out(s, c);
    }
    share_announce(s, slot);
}

bool sim_conn_open(struct sim *s, int service_id, double hold_s, uint32_t word)
{
    const struct sim_service *service = &s->services[service_id];
    const struct sim_call_ctx ctx = {.deadline_s = SIM_NEVER, .parent = SIM_HELD_CONN};
    if (service->n_ready == 0) {
        return false;
    }
    int slot = service->ready[rng_below(word, (uint32_t)service->n_ready)];
    if (s->pods[slot].held + s->pods[slot].queued == s->shared->capacity) {
        return false;
    }
    s->n_held_conns++;
    pod_take(s, slot, service_id, &ctx, hold_s);
    return true;
}

void sim_conn_close(struct sim *s, int32_t conn)
{
    int slot = s->calls[conn].slot;
    s->n_held_conns--;
    call_free(s, conn);
    pod_release(s, slot);
}

/* Calls that wait for callees stand in no list of the pod, and callees know their caller but not
 * the other way round; a crash is rare enough to look through the pool. */
static void orphan_callees(struct sim *s, int slot)
{
    for (int i = 0; i < s->n_touched; i++) {
        enum sim_call_state state = (enum sim_call_state)s->calls[i].state;
        if ((state == CALL_WAITING || state == CALL_HOLDING) && s->calls[i].slot == slot) {
            s->calls[i].state = CALL_LOST;
        }
    }
    for (int i = 0; i < s->n_touched; i++) {
        struct sim_call *call = &s->calls[i];
        if (call->state != CALL_FREE && call->parent >= 0 &&
            s->calls[call->parent].state == CALL_LOST) {
            call->parent = SIM_ORPHAN;
        }
    }
}

void sim_lose_calls(struct sim *s, int slot)
{
    struct sim_pod *p = &s->pods[slot];
    int computing = p->computing;
    share_advance(p, s->now);
    s->cpu_alloc_due = true;
    orphan_callees(s, slot);
    while (p->queued > 0) {
        call_drop(s, queue_pop(s, p));
    }
    p->held = 0;
    p->computing = 0;
    p->virtual_s = 0.0;
    share_pace(p);
    for (int i = 0; i < computing; i++) {
        call_drop(s, p->who[i]);
    }
    for (int i = 0; i < s->n_touched; i++) {
        if (s->calls[i].state == CALL_LOST) {
            call_drop(s, i);
        }
    }
}
