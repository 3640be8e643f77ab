/* Networks of services against queueing theory.
 *
 * A synchronous call holds a slot of its caller until it is answered, which no product form knows.
 * Two settings leave the closed forms exact:
 *
 *   many slots on one core   a slot that is held costs nothing: calls that wait for callees do not
 *                            compute, so each service is processor sharing among those that do, and
 *                            response times of a request add up along its way. Jackson for
 *                            exponential work, for any law Baskett, Chandy, Muntz, Palacios,
 *                            J. ACM 22 (1975)
 *   asynchronous callees     a slot is free when its work is done, and the callee gets the call at
 *                            that moment: one slot each is a tandem of M/M/1 queues, first come,
 *                            first served, as the first one's departures are Poisson (P. J. Burke,
 *                            Operations Research 4, 1956). Clients do not see its end; the times
 *                            at both services are added instead
 *
 * A split calls one of its callees: random routing. Feed-forward networks follow J. R. Jackson,
 * Operations Research 5 (1957); closed ones mean value analysis, M. Reiser, S. S. Lavenberg,
 * J. ACM 27 (1980).
 */
#include "tests/unit/theory.h"

/* Mean time in M/M/1 and M/G/1-PS. */
static double sojourn_ms(double service_ms, double load)
{
    return service_ms / (1.0 - load);
}

/* ---- tandem: the second service at 0.8 of the first one's load ---- */

static void tandem(struct cluster_fixture *w, struct theory *t, int slots, int queue, double load)
{
    theory_world(w, 2, slots, queue);
    w->services[1].capacity_rps = THEORY_MS / 0.8;
    t->load = load;
    t->rps = load * THEORY_MS;
    t->expected = sojourn_ms(1.0, load) + sojourn_ms(0.8, 0.8 * load);
}

static void tandem_ps(struct cluster_fixture *w, struct theory *t, double load)
{
    tandem(w, t, THEORY_ROOM, 0, load);
    t->system = "tandem, synchronous, PS";
}

static void tandem_fcfs(struct cluster_fixture *w, struct theory *t, double load)
{
    tandem(w, t, 1, THEORY_ROOM, load);
    w->services[0].async = w->services[0].calls;
    w->services[0].n_async = 1;
    w->services[0].n_calls = 0;
    t->system = "tandem, asynchronous, FCFS";
    t->quantity = THEORY_SOJOURNS;
}

/* ---- feed-forward: a calls b or c; b calls d; c calls d or e ---- */

enum { N_FORWARD = 5 };

static void feed_forward(struct cluster_fixture *w, struct theory *t, double load)
{
    static const char *const names[N_FORWARD] = {"a", "b", "c", "d", "e"};
    static const char *bc[] = {"b", "c"}, *de[] = {"d", "e"};
    static const double visits[N_FORWARD] = {1.0, 0.5, 0.5, 0.75, 0.25};
    static const double loads[N_FORWARD] = {0.9, 0.8, 0.6, 1.0, 0.5}; /* of the busiest, d */
    theory_world(w, 1, THEORY_ROOM, 0);
    w->topology_cfg.n_services = N_FORWARD;
    t->system = "feed-forward network, PS";
    t->load = load;
    t->rps = loads[0] * load * THEORY_MS;
    t->expected = 0.0;
    for (int i = 0; i < N_FORWARD; i++) {
        double service_ms = loads[i] / (loads[0] * visits[i]);
        w->services[i] = fixture_service(names[i], 1000, 100, THEORY_MS / service_ms, 1, 1);
        t->expected += visits[i] * sojourn_ms(service_ms, loads[i] * load);
    }
    w->services[0].entry = true;
    w->services[0].fan_out = w->services[2].fan_out = FAN_SPLIT;
    fixture_calls(&w->services[0], bc, 2);
    fixture_calls(&w->services[1], de, 1);
    fixture_calls(&w->services[2], de, 2);
}

static void feed_forward_general(struct cluster_fixture *w, struct theory *t, double load)
{
    feed_forward(w, t, load);
    w->services[1].service_time = WORK_DETERMINISTIC;
    w->services[3].service_time = WORK_LOGNORMAL;
    w->services[3].cv = 1.5;
    t->system = "the same, b deterministic, d lognormal, cv 1.5";
}

/* ---- closed: users think 20 ms, then go through two services of 1 and 0.8 ms ---- */

/* As many users as load the first service by `load`: response n users see is that of n - 1. */
static void closed(struct cluster_fixture *w, struct theory *t, double load)
{
    const double think_ms = 20.0, service_ms[2] = {1.0, 0.8};
    double jobs[2] = {0.0, 0.0}, rate = 0.0;
    int n = 0;
    while (rate * service_ms[0] < load) {
        double stay_ms[2] = {service_ms[0] * (1.0 + jobs[0]), service_ms[1] * (1.0 + jobs[1])};
        t->expected = stay_ms[0] + stay_ms[1];
        rate = ++n / (think_ms + t->expected);
        jobs[0] = rate * stay_ms[0];
        jobs[1] = rate * stay_ms[1];
    }
    theory_world(w, 2, n, 0);
    w->services[1].capacity_rps = THEORY_MS / service_ms[1];
    w->cluster_cfg.clients = (struct client_cfg){
        .kind = CLIENT_CLOSED, .users = n, .think_s = think_ms * 1e-3, .requests_max = n};
    t->system = "closed network (MVA), PS";
    t->load = rate * service_ms[0];
}

THEORY_TEST(tandem_ps)
THEORY_TEST(tandem_fcfs)
THEORY_TEST(feed_forward)
THEORY_TEST(feed_forward_general)
THEORY_TEST(closed)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tandem_ps),    cmocka_unit_test(test_tandem_fcfs),
        cmocka_unit_test(test_feed_forward), cmocka_unit_test(test_feed_forward_general),
        cmocka_unit_test(test_closed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
