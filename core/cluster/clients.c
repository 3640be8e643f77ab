/* Clients: who sends requests, how long they wait, and what they do when it was in vain.
 *
 *   open     a request for each arrival of the stream; without retries nothing is remembered of it:
 *            it is resolved when its first call is answered, refused or lost
 *   closed   users who think, send a request, and think again when it is resolved
 *
 *   THINKING --think time--> WAITING --answer in time--> resolved: answered
 *                             ^    |
 *                     back-off|    | refused, lost, failed, or out of time
 *                             |    v
 *                             BACKING --no attempt left, or no time--> resolved: failed
 *
 * During a retry storm (scenario.h) each failed request has more attempts left; an episode without
 * one does not know that its configuration may have one.
 *
 * What does not fit the plain case has a record: the request's first attempt, its deadline, and the
 * root call of the running attempt. An attempt that is out of time is abandoned: its root becomes
 * an orphan, works on (or is dropped when dequeued, with deadline propagation), and its answer is
 * discarded. So retries add load exactly when there is too much of it already.
 *
 * Everything drawn is a function of (episode, request number, attempt); a user's k-th request has
 * the number k * requests_max + user. Attempt 0 draws as a request without retries does, so
 * behaviours can be compared with common random numbers. What an answer triggers waits for a timer,
 * be it due at once: nothing is sent while the answer of a call is passed up.
 */
#include "core/cluster/internal.h"

/* ---- accounts ---- */

static void request_received(struct sim *s, bool legit)
{
    s->received += 1.0;
    sim_area_add(&s->inside, s->now, 1.0);
    s->truth.received += 1.0;
    s->truth.received_legit += legit ? 1.0 : 0.0;
    struct plant_cohort *cohort = sim_cohort(s, s->now);
    if (cohort != NULL) {
        cohort->received++;
        cohort->received_legit += legit;
    }
}

void sim_resolve(struct sim *s, uint32_t request, double arrived_s, bool failed)
{
    bool legit = (request & SIM_ATTACK_BIT) == 0;
    double latency_ms = (s->now - arrived_s) * 1e3;
    s->resolved += 1.0;
    s->sojourn_s += s->now - arrived_s;
    sim_area_add(&s->inside, s->now, -1.0);
    if (failed) {
        s->truth.failed += 1.0;
        s->attack_answers.failed += legit ? 0.0 : 1.0;
        return;
    }
    bool compliant = latency_ms <= s->shared->plant->latency_max_ms;
    s->answered += 1.0;
    s->latency_s += s->now - arrived_s;
    s->truth.answered += 1.0;
    s->truth.answered_legit += legit ? 1.0 : 0.0;
    s->truth.compliant += compliant ? 1.0 : 0.0;
    s->truth.latency_sum_ms += latency_ms;
    s->attack_answers.answered += legit ? 0.0 : 1.0;
    s->attack_answers.latency_sum_ms += legit ? 0.0 : latency_ms;
    struct plant_cohort *cohort = sim_cohort(s, arrived_s);
    if (cohort != NULL) {
        cohort->answered++;
        cohort->answered_legit += legit;
        cohort->compliant += compliant;
        cohort->latency_sum_ms += (float)latency_ms;
    }
}

/* ---- draws ---- */

/* The entry of a request: evenly among the entries, but the learned attacker's share goes where it
 * aims. The remainder of the word, which chooses among the entries for the schedule, is nearly
 * independent of its size, which says whose request it is. */
static int request_entry(const struct sim *s, const struct sim_stream *from, uint32_t word)
{
    const struct topology *t = s->shared->topology;
    if (from->bit == 0 || s->extra_total <= 0.0) {
        return t->entries[rng_below(word, (uint32_t)t->n_entries)];
    }
    int e = attacker_aimed(s->extra_rps, t->n_entries, s->extra_total, from->rate, word);
    return t->entries[e >= 0 ? (uint32_t)e : word % (uint32_t)t->n_entries];
}

static uint32_t entry_word(struct draw draw)
{
    return draw.row->word[2][draw.lane];
}

/* Attempt 0: the think time before the request; attempt k: the jitter of the wait before it. */
static struct rng_block client_draw(const struct sim *s, uint32_t request, uint32_t attempt)
{
    return rng_philox(s->key_client, attempt, request, s->id.episode, s->id.env);
}

static uint32_t client_word(const struct sim *s, uint32_t request, uint32_t attempt)
{
    return client_draw(s, request, attempt).v[0];
}

/* How often the request may be tried again, as things stand. A storm adds x attempts on average:
 * the part of x that is no whole attempt is held against one draw of the request, so that a
 * stronger storm never means fewer attempts. */
static uint32_t retries_allowed(const struct sim *s, uint32_t request)
{
    uint32_t own = (uint32_t)s->shared->cfg->clients.retries;
    double more = schedule_retries(s->schedule, s->now);
    if (more <= 0.0) {
        return own;
    }
    double whole = floor(more), u = (double)client_draw(s, request, 0).v[1] * 0x1p-32;
    return own + (uint32_t)whole + (u < more - whole ? 1 : 0);
}

static double backoff_s(const struct sim *s, uint32_t request, uint32_t attempt)
{
    const struct client_cfg *cfg = &s->shared->cfg->clients;
    double wait_s = cfg->backoff_s;
    for (uint32_t i = 1; i < attempt && wait_s < cfg->backoff_max_s; i++) {
        wait_s *= 2.0;
    }
    wait_s = wait_s < cfg->backoff_max_s ? wait_s : cfg->backoff_max_s;
    double u = (double)client_word(s, request, attempt) * 0x1p-32;
    return wait_s * (1.0 - cfg->jitter * u);
}

/* ---- a request with a record ---- */

static void user_think(struct sim *s, int32_t i)
{
    struct sim_client *c = &s->clients[i];
    uint32_t most = (uint32_t)s->shared->n_clients;
    c->request = (c->n_requests++ * most + (uint32_t)i) & ~SIM_ATTACK_BIT;
    c->state = CLIENT_THINKING;
    double think_s = s->shared->cfg->clients.think_s;
    timers_set(&s->timers, i, s->now + think_s * rng_exponential(client_word(s, c->request, 0)));
}

/* The client is done with this request. */
static void client_resolve(struct sim *s, int32_t i, bool failed)
{
    struct sim_client *c = &s->clients[i];
    timers_cancel(&s->timers, i);
    sim_resolve(s, c->request, c->first_s, failed);
    c->state = CLIENT_IDLE;
    if (s->shared->cfg->clients.kind == CLIENT_CLOSED) {
        if (i < s->n_users) {
            user_think(s, i);
        }
    } else {
        c->next = s->idle_client;
        s->idle_client = i;
    }
}

/* Waits and tries again if an attempt is left and the wait ends before the request's deadline; else
 * the request has failed. It never sends at once, so it may be called while an answer is passed
 * up. */
static void attempt_failed(struct sim *s, int32_t i)
{
    struct sim_client *c = &s->clients[i];
    c->call = SIM_NO_CALL;
    if (c->attempt < retries_allowed(s, c->request)) {
        double at = s->now + backoff_s(s, c->request, c->attempt + 1);
        if (at < c->deadline_s) {
            c->state = CLIENT_BACKING;
            timers_set(&s->timers, i, at);
            return;
        }
    }
    client_resolve(s, i, true);
}

static void attempt(struct sim *s, int32_t i)
{
    struct sim_client *c = &s->clients[i];
    double patience_s = s->shared->cfg->clients.attempt_timeout_s;
    double deadline_s = c->deadline_s;
    if (patience_s > 0.0 && s->now + patience_s < deadline_s) {
        deadline_s = s->now + patience_s;
    }
    struct sim_call_ctx ctx = {
        .deadline_s = deadline_s,
        .parent = SIM_RECORD - i,
        .from = SIM_OUTSIDE,
        .request = c->request,
        .visit = c->attempt * s->shared->tree_visits,
    };
    c->state = CLIENT_WAITING;
    c->call = sim_send(s, c->entry, &ctx, draws_get(&s->draws, ctx.request, ctx.visit));
    if (c->call == SIM_NO_CALL) {
        attempt_failed(s, i);
    } else {
        timers_set(&s->timers, i, deadline_s);
    }
}

static void client_begin(struct sim *s, int32_t i, uint32_t request)
{
    struct sim_client *c = &s->clients[i];
    request_received(s, true);
    c->request = request;
    c->attempt = 0;
    c->first_s = s->now;
    c->deadline_s = s->now + s->shared->plant->timeout_s;
    c->entry = request_entry(s, &s->legit, entry_word(draws_get(&s->draws, request, 0)));
    attempt(s, i);
}

void sim_client_answered(struct sim *s, int32_t i, bool failed)
{
    s->clients[i].call = SIM_NO_CALL;
    if (failed) {
        attempt_failed(s, i);
    } else {
        client_resolve(s, i, false);
    }
}

void sim_client_transition(struct sim *s)
{
    int32_t i = s->timers.heap[0];
    struct sim_client *c = &s->clients[i];
    timers_cancel(&s->timers, i);
    switch (c->state) {
    case CLIENT_THINKING:
        client_begin(s, i, c->request);
        break;
    case CLIENT_WAITING: /* out of time */
        s->calls[c->call].parent = SIM_ORPHAN;
        attempt_failed(s, i);
        break;
    case CLIENT_BACKING:
        c->attempt++;
        s->retries += 1.0;
        s->truth.retries += 1.0;
        attempt(s, i);
        break;
    default:
        CHECK(false);
    }
}

/* ---- arrivals ---- */

/* An idle record, -1 if all are in use. */
static int32_t client_new(struct sim *s)
{
    int32_t i = s->idle_client;
    if (i >= 0) {
        s->idle_client = s->clients[i].next;
    }
    return i;
}

void sim_request(struct sim *s, struct sim_stream *from)
{
    uint32_t request = from->n | from->bit;
    bool legit = from->bit == 0;
    int32_t i = legit ? client_new(s) : -1;
    if (i >= 0) {
        client_begin(s, i, request);
        return;
    }
    struct draw draw = draws_get(&s->draws, request, 0);
    request_received(s, legit);
    struct sim_call_ctx ctx = {
        .deadline_s = s->now + s->shared->plant->timeout_s,
        .parent = SIM_CLIENT,
        .from = SIM_OUTSIDE,
        .request = request,
    };
    if (sim_send(s, request_entry(s, from, entry_word(draw)), &ctx, draw) == SIM_NO_CALL) {
        sim_resolve(s, request, s->now, true);
    }
}

/* Users 0 .. n_users - 1 go on. A user beyond them who is thinking leaves at once; one who waits
 * for an answer leaves when the request is resolved (client_resolve()). */
void sim_users_follow(struct sim *s)
{
    const struct client_cfg *cfg = &s->shared->cfg->clients;
    double wanted = s->legit.rate * (cfg->think_s + cfg->nominal_ms * 1e-3);
    wanted = cfg->users > 0 ? (double)cfg->users : floor(wanted + 0.5);
    int most = s->shared->n_clients, before = s->n_users;
    s->n_users = wanted < (double)most ? (int)wanted : most;
    for (int i = 0; i < s->n_users; i++) {
        if (s->clients[i].state == CLIENT_IDLE) {
            user_think(s, i);
        }
    }
    for (int i = s->n_users; i < before; i++) {
        if (s->clients[i].state == CLIENT_THINKING) {
            s->clients[i].state = CLIENT_IDLE;
            timers_cancel(&s->timers, i);
        }
    }
}

static bool storm_comes(const struct schedule *schedule)
{
    for (int i = 0; i < schedule->n_events; i++) {
        if (schedule->events[i].kind == EVENT_RETRY_STORM) {
            return true;
        }
    }
    return false;
}

void sim_clients_start(struct sim *s)
{
    bool closed = s->shared->cfg->clients.kind == CLIENT_CLOSED;
    bool unused = s->shared->storms_only && !storm_comes(s->schedule);
    int n = s->shared->n_clients;
    timers_clear(&s->timers, n);
    s->n_users = 0;
    s->idle_client = closed || unused || n == 0 ? -1 : 0;
    for (int32_t i = 0; i < n; i++) {
        s->clients[i] = (struct sim_client){
            .state = CLIENT_IDLE,
            .call = SIM_NO_CALL,
            .next = i + 1 < n ? i + 1 : -1,
        };
    }
    if (closed) {
        sim_users_follow(s);
    }
}
