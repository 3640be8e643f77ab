/* The flow of calls through the network, one step after the other. See fluid.h.
 *
 * A step goes through the services twice: callees first, for the response times that the state of
 * now implies; then callers first, for what arrives, is computed and departs during the step. */
#include "core/twin/fluid.h"

#include "core/base/fmath.h"
#include "core/plant/schema.h"

#include <math.h>
#include <string.h>

/* CROWD: a pod whose calls take all its `room` slots computes as one that holds CROWD x room calls:
 * always while there are many slots, hardly ever when nearly all of them wait for callees. */
static const double DT_S = 0.5, OLD_WARM_S = 15.0, CROWD = 4.0;

/* Numbers only, never NaN: cheaper than fmin() and fmax(). */
static inline double lesser(double a, double b)
{
    return a < b ? a : b;
}
static inline double greater(double a, double b)
{
    return a > b ? a : b;
}

/* ---- what environments share ---- */

/* Sakasegawa's number of calls at utilisation u. */
double fluid_calls_at(double u, double servers)
{
    return servers * u + fm_pow(u, sqrt(2.0 * (servers + 1.0))) / (1.0 - u);
}

/* Bisection; fluid_calls_at() grows with u from 0 without bound. */
static double utilisation_of(double x, double servers)
{
    double lo = 0.0, hi = 1.0;
    for (int i = 0; i < 50; i++) {
        const double mid = 0.5 * (lo + hi);
        const bool below = fluid_calls_at(mid, servers) < x;
        lo = below ? mid : lo;
        hi = below ? hi : mid;
    }
    return lo;
}

/* Linear in y = x / (1 + x), exact for one server (u = y). */
static void tabulate(struct fluid_net *net, double servers)
{
    for (int i = 0; i < FLUID_CLOSURE; i++) {
        const double y = (double)i / FLUID_CLOSURE;
        net->closure[i] = servers <= 1.0 ? y : utilisation_of(y / (1.0 - y), servers);
    }
    net->closure[FLUID_CLOSURE] = net->closure[FLUID_CLOSURE + 1] = 1.0;
}

double fluid_utilisation(const struct fluid_net *net, double x, double *slope)
{
    const double left = 1.0 / (1.0 + x), at = x * left * FLUID_CLOSURE;
    const int i = (int)at < FLUID_CLOSURE ? (int)at : FLUID_CLOSURE - 1;
    const double a = net->closure[i], rise = net->closure[i + 1] - a;
    *slope = rise * FLUID_CLOSURE * left * left;
    return a + rise * (at - i);
}

static double param(const struct fluid_net *net, enum queueing_of_whole which)
{
    return net->queueing->params[queueing_at_whole(net->topology->n_services, which)].value;
}

/* Calls of a callee for each computed call of its callers. The graph gives shares (one for each
 * parallel, sequential or asynchronous call, 1 / k of a split one), the fitted visits their size: a
 * callee has  visits = entering + factor x sum over callers of share x visits of the caller. */
static void set_visits(struct fluid_net *net)
{
    const struct topology *t = net->topology;
    const struct queueing_param *p = net->queueing->params;
    for (int s = 0; s < t->n_services; s++) {
        const double visits = p[queueing_at_service(s, QUEUEING_VISITS)].value;
        net->enters[s] = t->cfg->services[s].entry ? 1.0 / t->n_entries : 0.0;
        double called = 0.0;
        for (int i = t->caller_begin[s]; i < t->caller_begin[s + 1]; i++) {
            const int c = t->caller[i];
            const int sync = t->sync_end[c] - t->callee_begin[c];
            for (int e = t->callee_begin[c]; e < t->callee_begin[c + 1]; e++) {
                const bool split = t->cfg->services[c].fan_out == FAN_SPLIT && e < t->sync_end[c];
                if (t->callee[e] == s) {
                    net->calls[e] = split ? 1.0 / sync : 1.0;
                    called += net->calls[e] * p[queueing_at_service(c, QUEUEING_VISITS)].value;
                }
            }
        }
        const double left = visits > net->enters[s] ? visits - net->enters[s] : 0.0;
        net->enters[s] = called > 0.0 ? net->enters[s] : visits;
        for (int e = 0; e < t->callee_begin[t->n_services]; e++) {
            net->calls[e] *= t->callee[e] == s && called > 0.0 ? left / called : 1.0;
        }
    }
}

enum err fluid_net_init(struct fluid_net *net, struct arena *arena, const struct queueing *queueing,
                        const struct topology *topology, const struct plant_cfg *plant,
                        const struct fluid_cfg *cfg)
{
    const int n = topology->n_services;
    const double longest = greater(greater(plant->window_s, plant->hpa_window_s), 20.0);
    *net = (struct fluid_net){.topology = topology,
                              .plant = plant,
                              .queueing = queueing,
                              .cfg = *cfg,
                              .n_steps = (int)ceil(plant->period_s / DT_S - 1e-9),
                              .first_pod = ARENA_NEW(arena, n + 1, int),
                              .calls = ARENA_NEW(arena, topology->callee_begin[n] + 1, double),
                              .enters = ARENA_NEW(arena, n, double)};
    TRY(arena_error(arena));
    net->dt = plant->period_s / net->n_steps;
    net->n_ring = (int)ceil(longest / plant->scrape_s) +
                  (int)ceil((param(net, QUEUEING_LAG) + plant->period_s) / plant->scrape_s) + 3;
    for (int s = 0; s < n; s++) {
        net->first_pod[s + 1] = net->first_pod[s] + 2 * topology->cfg->services[s].max_replicas;
    }
    tabulate(net, param(net, QUEUEING_SERVERS));
    set_visits(net);
    return ERR_OK;
}

enum err fluid_init(struct fluid *f, struct arena *arena, const struct fluid_net *net)
{
    const int n = net->topology->n_services;
    *f = (struct fluid){.net = net,
                        .pods = ARENA_NEW(arena, net->first_pod[n], struct fluid_pod),
                        .services = ARENA_NEW(arena, n, struct fluid_service),
                        .ring_front = ARENA_NEW(arena, net->n_ring, struct fluid_front),
                        .ring = ARENA_NEW(arena, net->n_ring * n, struct fluid_reading),
                        .state = ARENA_NEW(arena, state_size(n), float)};
    return arena_error(arena);
}

void fluid_copy(struct fluid *to, const struct fluid *from, uint32_t env)
{
    const struct fluid_net *net = from->net;
    const size_t n = (size_t)net->topology->n_services;
    const struct fluid old = *to;
    *to = *from;
    to->pods = old.pods, to->services = old.services, to->state = old.state;
    to->ring_front = old.ring_front, to->ring = old.ring;
    to->id.env = env;
    memcpy(to->pods, from->pods, (size_t)net->first_pod[n] * sizeof *to->pods);
    memcpy(to->services, from->services, n * sizeof *to->services);
    memcpy(to->ring_front, from->ring_front, (size_t)net->n_ring * sizeof *to->ring_front);
    memcpy(to->ring, from->ring, (size_t)net->n_ring * n * sizeof *to->ring);
    memcpy(to->state, from->state, (size_t)state_size((int)n) * sizeof *to->state);
}

/* ---- response times ---- */

/* What x and excess imply of a pod with that room: see fluid.h. Calls that find no room vary as in
 * a steady state. LEAST bounds s / x away from 0, where their number is Poisson distributed. */
static void look_at(const struct fluid *f, struct fluid_pod *p, double room)
{
    static const double LEAST = 1e-3;
    double slope;
    const double u = fluid_utilisation(f->net, lesser(p->x, CROWD * room), &slope);
    const double idle = 1.0 / (1.0 - u), y = greater(u * idle, 1e-6);
    const bool fits = p->x < CROWD * room;
    const double q = fits ? greater(p->excess / y, LEAST) : y;
    const double per_q = 1.0 / q, past = 1.0 / (1.0 + q), log_q = fm_log(1.0 + q) * per_q;
    const double p0 = fm_exp(-y * log_q), y_by_x = fits ? slope * idle * idle : 0.0;
    p->now = (struct fluid_crowd){.y = y,
                                  .vary = lesser(1.0, (1.0 + q) * (1.0 - u)),
                                  .y_by_x = y_by_x,
                                  .p0 = p0,
                                  .u_by_x = p0 * (2.0 * log_q - past) * y_by_x,
                                  .p0_by_excess = fits ? p0 * (log_q - past) * per_q : 0.0};
}

static struct sojourn at_pod(const struct fluid *f, const struct fluid_pod *p, double rate,
                             double room)
{
    const double tail = param(f->net, QUEUEING_TAIL), u = 1.0 - p->now.p0;
    const double busy = lesser(p->x, room);
    const double each = 1.0 / (busy > 1e-6 ? rate * u : rate * p->now.u_by_x);
    const double shared = busy > 1e-6 ? busy * each : each;
    const double var = tail * (1.0 + p->now.vary * 2.0 * u / (2.0 - u)) * shared * shared;
    return (struct sojourn){shared + (p->x > busy ? (p->x - busy) * each : 0.0), var,
                            p->now.vary * var};
}

/* Over the ready pods of the service alike; looks at all that serve. */
static struct sojourn at_pods(const struct fluid *f, int s, double room)
{
    const struct fluid_service *service = &f->services[s];
    struct sojourn sum = {0.0, 0.0, 0.0};
    const double part = service->n_ready > 0 ? 1.0 / service->n_ready : 0.0;
    for (int i = f->net->first_pod[s]; i < f->net->first_pod[s + 1]; i++) {
        struct fluid_pod *p = &f->pods[i];
        if (fluid_serves(p)) {
            look_at(f, p, room);
        }
        if (p->state == FLUID_READY) {
            sojourn_mix(&sum, part, at_pod(f, p, service->rate * f->share, room));
        }
    }
    return service->n_ready > 0 ? sojourn_mixed(sum)
                                : (struct sojourn){f->net->plant->timeout_s, 0.0, 0.0};
}

/* Slots of a pod that its waiting calls leave to those that compute, above 0. */
static double room_of(const struct fluid *f, int s)
{
    const struct fluid_service *service = &f->services[s];
    const double taken = service->n_serving > 0 ? service->waiting / service->n_serving : 0.0;
    return greater(0.02, f->net->topology->cfg->slots_per_pod - taken);
}

/* Parallel calls: the fitted part of what two independent times have beyond the longer mean. */
static struct sojourn joined(const struct fluid *f, struct sojourn a, struct sojourn b)
{
    struct sojourn last = sojourn_last(a, b);
    const double longer = greater(a.mean, b.mean);
    last.mean = longer + param(f->net, QUEUEING_JOIN) * (last.mean - longer);
    return last;
}

static void respond(struct fluid *f, int s)
{
    const struct topology *t = f->net->topology;
    const enum fan_out how = t->cfg->services[s].fan_out;
    struct fluid_service *service = &f->services[s];
    const int first = t->callee_begin[s], end = t->sync_end[s];
    struct sojourn down = {0.0, 0.0, 0.0};
    double fine = 1.0, mixed = 0.0;
    for (int e = first; e < end; e++) {
        const struct fluid_service *callee = &f->services[t->callee[e]];
        const double p = 1.0 / (end - first);
        if (how == FAN_SPLIT) {
            sojourn_mix(&down, p, callee->whole);
            mixed += p * callee->failing;
        } else {
            down = e == first            ? callee->whole
                   : how == FAN_PARALLEL ? joined(f, down, callee->whole)
                                         : sojourn_sum(down, callee->whole);
            fine *= 1.0 - callee->failing;
        }
    }
    const bool split = how == FAN_SPLIT && end > first;
    service->down = split ? sojourn_mixed(down) : down;
    service->failing = 1.0 - (1.0 - service->refused) * (split ? 1.0 - mixed : fine);
    service->own = at_pods(f, s, room_of(f, s));
    service->whole = sojourn_sum(service->own, service->down);
}

/* ---- one service in one step ---- */

struct flow {
    double in, out, refused; /* calls */
    double used;             /* CPU-seconds */
    double idle;             /* share of the CPU that pods did not use */
};

/* The linearly implicit step of dx/dt, ds/dt, both solved together: it rests where both are 0, for
 * any dt. Departures are what is left of the balance, so calls are conserved to the last bit of the
 * sum. Of numbers between 0 and cap the variance is at most x (cap - x). */
static void flow_pod(const struct fluid *f, struct fluid_pod *p,
                     const struct fluid_service *service, struct flow *flow, double arrive,
                     double room, double noise)
{
    const struct topology_cfg *t = f->net->topology->cfg;
    const struct fluid_crowd *c = &p->now;
    const double dt = f->net->dt, rate = service->rate * f->share, many = dt * rate;
    const double cap =
        greater(1.0, lesser(room + t->queue_per_pod, f->net->plant->timeout_s * rate));
    const double out = rate * (1.0 - c->p0);
    const double jolt = f->net->cfg.noise * noise * sqrt(0.5 * dt * (arrive + out));
    const double by_x = 1.0 + many * c->u_by_x, by_s = -many * c->p0_by_excess;
    const double s_by_x = 2.0 * many * (c->p0 * c->y_by_x - (1.0 + c->y) * c->u_by_x);
    const double s_by_s = 1.0 + 2.0 * many * (1.0 + c->y) * c->p0_by_excess;
    const double dx = dt * (arrive - out) + jolt, ds = 2.0 * many * (1.0 - (1.0 + c->y) * c->p0);
    const double per_det = 1.0 / (by_x * s_by_s - by_s * s_by_x);
    const double wanted = (dx * s_by_s - by_s * ds) * per_det;
    const double change = lesser(greater(wanted, -p->x), dt * arrive);
    const double over = greater(0.0, p->x + change - cap);
    flow->in += dt * arrive;
    flow->out += dt * arrive - change;
    flow->refused += over;
    p->x += change - over;
    p->excess = greater(0.0, p->excess + (by_x * ds - s_by_x * dx) * per_det);
    p->excess = lesser(p->excess, p->x * greater(0.02 * p->x, cap - p->x));
}

/* Two pods share a block of random words. */
static struct flow flow_service(struct fluid *f, int s)
{
    struct fluid_service *service = &f->services[s];
    const int first = f->net->first_pod[s], end = f->net->first_pod[s + 1];
    const int ready = f->services[s].n_ready;
    struct flow flow = {0};
    struct rng_block u = {{0}};
    const double room = room_of(f, s);
    const double each = ready > 0 ? service->in / ready : 0.0;
    for (int i = first, k = 0; i < end; i++) {
        if (fluid_serves(&f->pods[i])) {
            if (k % 2 == 0 && f->net->cfg.noise > 0.0) {
                u = fluid_block(f, FLUID_DRAW_X + (uint32_t)(first + k), f->step);
            }
            const double noise =
                k % 2 == 0 ? fluid_noise(u.v[0], u.v[1]) : fluid_noise(u.v[2], u.v[3]);
            flow_pod(f, &f->pods[i], service, &flow, f->pods[i].state == FLUID_READY ? each : 0.0,
                     room, noise);
            k++;
        }
    }
    if (ready == 0) {
        flow.in = flow.refused = service->in * f->net->dt;
    }
    const double most = service->n_serving * f->net->dt * service->rate * f->share;
    flow.used = flow.out * service->demand_s;
    flow.idle = most > 0.0 ? greater(0.0, 1.0 - flow.out / most) : 0.0;
    return flow;
}

/* Counters of the service for a step; `count`: measured calls per modelled one. Calls that have
 * computed are answered when their callees have answered. */
static void account(struct fluid *f, int s, const struct flow *flow, double count)
{
    struct fluid_service *service = &f->services[s];
    struct fluid_reading *r = &service->reading;
    const double dt = f->net->dt, down = service->down.mean;
    const double before = service->waiting;
    service->waiting = down > 0.0 ? (before + flow->out) / (1.0 + dt / down) : 0.0;
    const double answered = flow->out - (service->waiting - before);
    const double own = 1.0 - service->refused;
    const double failed = own > 0.0 ? 1.0 - (1.0 - service->failing) / own : 1.0;
    const double fine = greater(0.0, answered * (1.0 - lesser(1.0, failed)));
    const double errors = flow->refused + greater(0.0, answered - fine);
    const struct rng_block u = fluid_block(f, FLUID_DRAW_CPU + (uint32_t)s, f->step);
    const double spread = flow->out > 0.0 ? 1.0 / sqrt(greater(1.0, flow->out)) : 0.0;
    /* A pod that is full uses all of its CPU, however many calls come in. */
    const double random = f->net->cfg.still ? 0.0 : spread * fluid_noise(u.v[0], u.v[1]);
    const double vary = (count - 1.0 + random) * flow->idle;
    const double used = flow->used * greater(0.0, 1.0 + vary);
    const int ready = f->services[s].n_ready;
    r->received += count * flow->in;
    r->succeeded += count * fine;
    r->errors += count * errors;
    r->latency_s += count * fine * sojourn_mean_within(service->whole, f->net->plant->timeout_s);
    r->used_s += used;
    r->ready_s += ready * dt;
    service->up_s += ready > 0 ? dt : 0.0;
    service->succeeded += fine;
    service->errors += errors;
    service->out = flow->out / dt;
    service->refused = flow->in > 0.0 ? lesser(1.0, flow->refused / flow->in) : (ready == 0);
    f->truth.used_m_mean += used * 1e3 / f->net->plant->period_s;
}

/* Calls whose client has given up by the time they have computed call nobody. */
static void send(struct fluid *f, int s, double count)
{
    const struct topology *t = f->net->topology;
    const struct sojourn own = f->services[s].own;
    const double timeout = f->net->plant->timeout_s;
    const bool soon = own.mean + 4.0 * sqrt(own.var) <= timeout;
    const double alive = soon ? 1.0 : sojourn_within(own, timeout);
    for (int e = t->callee_begin[s]; e < t->callee_begin[s + 1]; e++) {
        const double calls = f->net->calls[e] * f->services[s].out * alive;
        f->services[t->callee[e]].in += calls;
        f->services[s].reading.sent += count * calls * f->net->dt;
    }
}

/* ---- the front ---- */

/* Requests resolve at the rate at which Little's law empties the system: inflight / response. */
static void resolve(struct fluid *f, double received, double legit)
{
    const struct topology *t = f->net->topology;
    const struct plant_cfg *plant = f->net->plant;
    struct sojourn whole = {0.0, 0.0, 0.0};
    double fine = 0.0;
    for (int i = 0; i < t->n_entries; i++) {
        const struct fluid_service *entry = &f->services[t->entries[i]];
        sojourn_mix(&whole, 1.0 / t->n_entries, entry->whole);
        fine += (1.0 - entry->failing) / t->n_entries;
    }
    whole = sojourn_mixed(whole);
    const double mean = sojourn_mean_within(whole, plant->timeout_s);
    const double left = (f->inflight + received) / (1.0 + f->net->dt / greater(mean, 1e-6));
    const double resolved = f->inflight + received - left;
    const double in_time = sojourn_within(whole, plant->timeout_s);
    const double answered = resolved * fine * in_time;
    const double compliant =
        resolved * fine * lesser(in_time, sojourn_within(whole, plant->latency_max_ms * 1e-3));
    struct plant_truth *u = &f->truth;
    f->inflight = left;
    u->received += received;
    u->answered += answered;
    u->compliant += compliant;
    u->failed += resolved - answered;
    u->latency_sum_ms += answered * mean * 1e3;
    u->received_legit += received * legit;
    u->answered_legit += answered * legit;
    f->front.received += received;
    f->front.resolved += resolved;
    f->front.answered += answered;
    f->front.latency_s += answered * mean;
}

/* ---- a step ---- */

/* Means over the period that are gauges. */
static void observe(struct fluid *f)
{
    const struct topology *t = f->net->topology;
    const double part = f->net->dt / f->net->plant->period_s;
    double potential = 0.0, requested_m = 0.0;
    for (int s = 0; s < t->n_services; s++) {
        const struct service_cfg *cfg = &t->cfg->services[s];
        bool open = false;
        for (int i = f->net->first_pod[s]; i < f->net->first_pod[s + 1]; i++) {
            const struct fluid_pod *p = &f->pods[i];
            const bool up = p->state == FLUID_READY;
            if (p->state == FLUID_FREE) {
                continue;
            }
            requested_m += p->state != FLUID_PENDING ? cfg->cpu_m : 0.0;
            f->truth.waiting_mean += part * greater(0.0, p->x - t->cfg->slots_per_pod);
            f->truth.pods_deployed_mean += p->state != FLUID_DRAINING ? part : 0.0;
            open |= up && p->x < t->cfg->slots_per_pod + t->cfg->queue_per_pod;
            potential +=
                fluid_serves(p) ? cfg->cpu_m * t->cfg->limit_ratio * p->x / (1.0 + p->x) : 0.0;
        }
        f->truth.entry_available_mean += cfg->entry && open ? part / t->n_entries : 0.0;
    }
    f->truth.requested_m_mean += part * requested_m;
    f->share = potential > t->cfg->node_cpu_m ? t->cfg->node_cpu_m / potential : 1.0;
}

static void step(struct fluid *f, const struct fluid_load *load)
{
    const struct topology *t = f->net->topology;
    const double rps = load->rps * f->load_factor, sent = rps * f->net->dt;
    const struct rng_block u = fluid_block(f, FLUID_DRAW_COUNT, f->step);
    const double count =
        sent > 0.0 && !f->net->cfg.still
            ? greater(0.0, 1.0 + fluid_noise(u.v[0], u.v[1]) / sqrt(greater(1.0, sent)))
            : 1.0;
    fluid_pods_step(f);
    for (int i = t->n_services - 1; i >= 0; i--) {
        respond(f, t->order[i]);
    }
    for (int s = 0; s < t->n_services; s++) {
        f->services[s].in = rps * f->net->enters[s];
    }
    for (int i = 0; i < t->n_services; i++) {
        const int s = t->order[i];
        const struct flow flow = flow_service(f, s);
        account(f, s, &flow, count);
        send(f, s, count);
    }
    resolve(f, sent * count, load->legit);
    observe(f);
    f->now += f->net->dt;
    f->step++;
    fluid_scrape(f);
}

/* ---- episodes ---- */

/* Uniform between the ends of `draw` times the interval. */
static double drawn(const struct fluid *f, int i, bool train)
{
    const struct queueing_param *p = &f->net->queueing->params[i];
    const double width = train ? f->net->cfg.draw : 0.0;
    const struct rng_block u = fluid_block(f, FLUID_DRAW_PARAM, (uint32_t)i);
    const double at = 2.0 * rng_f64(u.v[0], u.v[1]) - 1.0;
    return p->value + width * at * (at < 0.0 ? p->value - p->lo : p->hi - p->value);
}

static void draw_params(struct fluid *f, bool train)
{
    const struct topology *t = f->net->topology;
    const int n = t->n_services;
    for (int s = 0; s < n; s++) {
        const struct service_cfg *cfg = &t->cfg->services[s];
        const struct rng_block u = fluid_block(f, FLUID_DRAW_PARAM, (uint32_t)(1000 + s));
        const double spread = train ? f->net->cfg.demand_sd * rng_normal(u.v[0], u.v[1]) : 0.0;
        struct fluid_service *service = &f->services[s];
        service->demand_s =
            drawn(f, queueing_at_service(s, QUEUEING_DEMAND), train) * fm_exp(spread);
        service->rate = drawn(f, queueing_at_service(s, QUEUEING_USABLE), train) * cfg->cpu_m *
                        1e-3 * t->cfg->limit_ratio / service->demand_s;
    }
    f->lag_s = drawn(f, queueing_at_whole(n, QUEUEING_LAG), train);
    f->start_s = drawn(f, queueing_at_whole(n, QUEUEING_START), train);
    f->start_sd_s = drawn(f, queueing_at_whole(n, QUEUEING_START_SD), train);
}

/* Scrapes are placed so that one is lag_s old at every decision; the first is that many before 0
 * that all windows are full. */
static void place_scrapes(struct fluid *f)
{
    const struct plant_cfg *plant = f->net->plant;
    const double longest = greater(greater(plant->window_s, plant->hpa_window_s), 20.0);
    f->scrape_s = -f->lag_s - ceil(longest / plant->scrape_s) * plant->scrape_s;
}

void fluid_begin(struct fluid *f, const struct episode_id *id, double load)
{
    const struct fluid_net *net = f->net;
    const struct fluid_load quiet = {load, 1.0};
    const size_t n = (size_t)net->topology->n_services;
    f->id = *id;
    f->key = rng_key(id->seed, RNG_TWIN, id->split);
    f->step = 0;
    f->share = f->load_factor = 1.0;
    f->inflight = 0.0;
    f->n_scrapes = 0;
    f->front = (struct fluid_front){0};
    memset(f->pods, 0, (size_t)net->first_pod[n] * sizeof *f->pods);
    memset(f->services, 0, n * sizeof *f->services);
    draw_params(f, id->split == RNG_TRAIN);
    place_scrapes(f);
    const int warm = (int)ceil((OLD_WARM_S - f->scrape_s) / net->dt);
    f->now = -warm * net->dt;
    fluid_pods_begin(f);
    for (int i = 0; i < warm; i++) {
        step(f, &quiet);
    }
    f->now = 0.0;
    f->truth = (struct plant_truth){.inflight = f->inflight};
    fluid_measure(f);
}

/* Shares of the period, when it is over. */
static void close_truth(struct fluid *f)
{
    const int n = f->net->topology->n_services;
    f->truth.inflight = f->inflight;
    for (int s = 0; s < n; s++) {
        struct fluid_service *service = &f->services[s];
        const bool broken = service->errors > 0.0 && service->errors >= service->succeeded;
        f->truth.service_available_mean +=
            broken ? 0.0 : service->up_s / f->net->plant->period_s / n;
        service->up_s = service->succeeded = service->errors = 0.0;
    }
}

void fluid_period(struct fluid *f, const int32_t *delta, const struct fluid_load *load)
{
    const struct topology *t = f->net->topology;
    const double sd = f->id.split == RNG_TRAIN ? f->net->cfg.load_sd : 0.0;
    const struct rng_block u = fluid_block(f, FLUID_DRAW_LOAD, f->step);
    f->load_factor = sd > 0.0 ? fm_exp(sd * rng_normal(u.v[0], u.v[1])) : 1.0;
    f->truth = (struct plant_truth){0};
    for (int s = 0; s < t->n_services; s++) {
        const struct service_cfg *cfg = &t->cfg->services[s];
        const int wanted = f->services[s].desired + delta[s];
        f->services[s].up_s = f->services[s].succeeded = f->services[s].errors = 0.0;
        fluid_scale(f, s,
                    wanted < cfg->min_replicas   ? cfg->min_replicas
                    : wanted > cfg->max_replicas ? cfg->max_replicas
                                                 : wanted);
    }
    for (int i = 0; i < f->net->n_steps; i++) {
        step(f, &load[i]);
    }
    close_truth(f);
    fluid_measure(f);
}
