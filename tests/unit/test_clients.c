/* Clients: retries and users worked by hand, metastable overload, floods, and the books. */
#include "tests/unit/cluster_fixture.h"

#include <math.h>

static uint32_t draw(uint32_t i)
{
    return rng_philox(rng_key(3, RNG_TEST, RNG_TEST_SPLIT), i, 0, 0, 0).v[0];
}

/* One service of one slot whose calls take exactly `work_s`; clients that try again once, after 1 s
 * without jitter. */
static void fixture_one(struct cluster_fixture *w, double work_s)
{
    fixture_chain(w, 1, 1.0 / work_s);
    w->services[0].service_time = WORK_DETERMINISTIC;
    w->topology_cfg.slots_per_pod = 1;
    w->topology_cfg.queue_per_pod = 0;
    w->plant_cfg.timeout_s = 100;
    w->cluster_cfg.clients.retries = 1;
    w->cluster_cfg.clients.requests_max = 100;
    w->cluster_cfg.clients.backoff_s = 1;
    w->cluster_cfg.clients.backoff_max_s = 8;
}

/* ---- timers ---- */

/* Against a search through all of them. */
static void test_timers(void **state)
{
    (void)state;
    enum { N = 37 };
    double at[N], wanted[N];
    int32_t heap[N], place[N];
    struct sim_timers t = {.at = at, .heap = heap, .heap_pos = place};
    timers_clear(&t, N);
    for (int i = 0; i < N; i++) {
        wanted[i] = SIM_NEVER;
    }
    for (uint32_t k = 0; k < 50000; k++) {
        uint32_t v = draw(k);
        int i = (int)(v % N);
        if ((v >> 8) % 3 == 0) {
            timers_cancel(&t, i);
            wanted[i] = SIM_NEVER;
        } else {
            wanted[i] = (double)((v >> 12) % 50); /* few different times: ties */
            timers_set(&t, i, wanted[i]);
        }
        int first = 0, n = 0;
        for (int j = 0; j < N; j++) {
            first = wanted[j] < wanted[first] ? j : first;
            n += wanted[j] != SIM_NEVER;
        }
        assert_int_equal(t.n, n);
        assert_true(t.first_s == wanted[first]);
        assert_true(n == 0 || t.heap[0] == first);
    }
}

/* ---- retries by hand ---- */

/* Work of 1.5 s, no queue. The second request, at 0.2 s, is refused, tries again at 1.2 s, when the
 * first still works, and fails. The third, at 0.6 s, tries again at 1.6 s and is answered at 3.1 s:
 * latency 2.5 s from its first attempt. */
static void test_retry(void **state)
{
    (void)state;
    struct cluster_fixture w;
    fixture_one(&w, 1.5);
    struct sim *s = fixture_start(&w);
    fixture_request(s, 0.0);
    fixture_request(s, 0.2);
    fixture_request(s, 0.6);
    sim_run(s, 1.1);
    assert_true(s->received == 3.0 && s->resolved == 0.0 && s->truth.retries == 0.0);
    assert_true(cluster_consistent(w.plant));
    sim_run(s, 1.3);
    assert_true(s->resolved == 1.0 && s->truth.failed == 1.0 && s->truth.retries == 1.0);
    sim_run(s, 5.0);
    assert_true(s->answered == 2.0 && near(s->latency_s, 1.5 + 2.5));
    assert_true(s->truth.retries == 2.0 && s->services[0].count.received == 5.0);
    assert_true(s->timers.n == 0 && s->n_live == 0);
    assert_true(cluster_consistent(w.plant));
    fixture_close(&w);
}

/* Waits of 1, 2, 4, 8, 8 s before the retries at 1, 3, 7, 15, 23 s; with a client that has 20 s the
 * last is left out, and the request fails when the wait would begin. Full jitter shortens each. */
static void test_back_off(void **state)
{
    (void)state;
    static const double at[] = {1, 3, 7, 15, 23};
    for (int variant = 0; variant < 3; variant++) {
        struct cluster_fixture w;
        fixture_one(&w, 1000.0);
        w.plant_cfg.timeout_s = variant == 1 ? 20 : 100;
        w.cluster_cfg.clients.retries = 5;
        w.cluster_cfg.clients.jitter = variant == 2 ? 1.0 : 0.0;
        struct sim *s = fixture_start(&w);
        sim_pod_crash(s, 0);
        s->pods[0].next_transition_s = 1000.0; /* stays away */
        agenda_set(&s->agenda, 0, 1000.0);
        fixture_request(s, 0.0);
        for (int i = 0; i < 5; i++) {
            bool tried = variant == 0 || (variant == 1 && i < 4);
            sim_run(s, at[i] - 1e-9);
            assert_true(variant == 2 || s->retries == (i < 4 || variant == 0 ? i : 4));
            sim_run(s, at[i] + 1e-9);
            assert_true(variant == 2 ? s->retries > i : s->retries == (tried ? i + 1 : 4));
        }
        assert_true(s->truth.failed == 1.0 && s->resolved == 1.0);
        assert_true(cluster_consistent(w.plant));
        fixture_close(&w);
    }
}

/* Patience of 1 s, work of 1.5 s: the first attempt is abandoned at 1 s and works on till 1.5 s;
 * its answer is discarded. The second, at 2 s, is abandoned too: failed at 3 s. The pod has worked
 * for 3 s, in vain. Both count as errors of the service: they end after their deadline. */
static void test_abandoned_attempts_work_on(void **state)
{
    (void)state;
    struct cluster_fixture w;
    fixture_one(&w, 1.5);
    w.cluster_cfg.clients.attempt_timeout_s = 1.0;
    w.cluster_cfg.deadline_propagation = false;
    struct sim *s = fixture_start(&w);
    fixture_request(s, 0.0);
    sim_run(s, 1.2);
    assert_int_equal(s->pods[0].computing, 1);
    assert_true(s->clients[0].state == CLIENT_BACKING && cluster_consistent(w.plant));
    sim_run(s, 2.999);
    assert_true(s->resolved == 0.0);
    sim_run(s, 3.001);
    assert_true(s->resolved == 1.0 && s->truth.failed == 1.0);
    sim_run(s, 10.0);
    assert_true(s->answered == 0.0 && s->services[0].count.errors == 2.0);
    assert_true(near(sim_pod_used_s(s, 0), 3.0));
    fixture_close(&w);
}

/* Two attempts work at once: the first is queued behind another request when it is abandoned at 1
 * s, and is not dropped without propagation. One attempt in time is enough: the third request's
 * second attempt. With propagation the abandoned one is dropped when dequeued. */
static void test_propagation_spares_the_pod(void **state)
{
    (void)state;
    double used_s[2];
    for (int propagate = 0; propagate < 2; propagate++) {
        struct cluster_fixture w;
        fixture_one(&w, 1.5);
        w.topology_cfg.queue_per_pod = 10;
        w.cluster_cfg.clients.attempt_timeout_s = 2.0;
        w.cluster_cfg.deadline_propagation = propagate == 1;
        struct sim *s = fixture_start(&w);
        for (int i = 0; i < 3; i++) {
            fixture_request(s, 0.0);
        }
        sim_run(s, 40.0);
        assert_true(s->resolved == 3.0 && s->n_live == 0);
        assert_true(cluster_consistent(w.plant));
        used_s[propagate] = sim_pod_used_s(s, 0);
        /* First: answered at 1.5 s. Second: works from 1.5 s, abandoned at 2 s. Third: in the queue
         * till 3 s, abandoned at 2 s. Both try again at 3 s. With propagation the third's first
         * attempt is dropped at 3 s, the second's retry works from 3 to 4.5 s and is answered; the
         * third's would end at 6 s and is abandoned at 5 s. Without, the third's first attempt
         * works from 3 to 4.5 s in vain, and the retries are too late. */
        assert_true(s->answered == (propagate == 1 ? 2.0 : 1.0));
        fixture_close(&w);
    }
    assert_true(near(used_s[0], 5 * 1.5) && near(used_s[1], 4 * 1.5));
}

/* An attempt lost with its pod is tried again at the pod that is left. */
static void test_crash_and_retry(void **state)
{
    (void)state;
    struct cluster_fixture w;
    fixture_one(&w, 1.5);
    w.services[0].initial_replicas = 2;
    struct sim *s = fixture_start(&w);
    fixture_request(s, 0.0);
    sim_run(s, 0.5);
    int slot = s->pods[0].held > 0 ? 0 : 1;
    sim_pod_crash(s, slot);
    assert_true(s->resolved == 0.0 && cluster_consistent(w.plant));
    sim_run(s, 5.0);
    assert_true(s->answered == 1.0 && near(s->latency_s, 0.5 + 1.0 + 1.5));
    fixture_close(&w);
}

/* More open requests than records: the rest have one attempt. */
static void test_records_are_bounded(void **state)
{
    (void)state;
    struct cluster_fixture w;
    fixture_one(&w, 1.5);
    w.cluster_cfg.clients.requests_max = 2;
    struct sim *s = fixture_start(&w);
    for (int i = 0; i < 5; i++) {
        fixture_request(s, 0.0);
    }
    assert_true(s->resolved == 3.0); /* 0 works, 1 waits for its retry */
    assert_true(cluster_consistent(w.plant));
    sim_run(s, 50.0);
    assert_true(s->retries == 1.0 && s->resolved == 5.0);
    fixture_request(s, 50.0); /* the records are free again */
    assert_true(s->clients[0].state == CLIENT_WAITING || s->clients[1].state == CLIENT_WAITING);
    fixture_close(&w);
}

static void test_too_many_users(void **state)
{
    (void)state;
    struct cluster_fixture w;
    struct plant *plant;
    fixture_diamond(&w);
    fixture_open(&w, 1);
    w.cluster_cfg.clients =
        (struct client_cfg){.kind = CLIENT_CLOSED, .users = 11, .think_s = 1.0, .requests_max = 10};
    assert_int_equal(
        cluster_new(&plant, &w.arena, &w.cluster_cfg, &w.plant_cfg, &w.topology, 1, 10),
        ERR_CONFIG);
    fixture_close(&w);
}

/* Patience without retries: a request is over when it ends, and its call works on. */
static void test_patience_alone(void **state)
{
    (void)state;
    struct cluster_fixture w;
    fixture_one(&w, 1.5);
    w.cluster_cfg.clients.retries = 0;
    w.cluster_cfg.clients.attempt_timeout_s = 1.0;
    struct sim *s = fixture_start(&w);
    fixture_request(s, 0.0);
    sim_run(s, 0.999);
    assert_true(s->resolved == 0.0);
    sim_run(s, 1.001);
    assert_true(s->truth.failed == 1.0 && s->n_live == 1);
    assert_true(cluster_consistent(w.plant));
    fixture_close(&w);
}

/* ---- users ---- */

/* Three users, work of 1 s, one slot and a queue: each think time is drawn from (user, number), so
 * the whole history can be repeated with a list. */
static void test_users_by_hand(void **state)
{
    (void)state;
    enum { USERS = 3, REQUESTS = 60 };
    struct cluster_fixture w;
    fixture_one(&w, 1.0);
    w.topology_cfg.queue_per_pod = USERS;
    w.cluster_cfg.clients = (struct client_cfg){
        .kind = CLIENT_CLOSED, .users = USERS, .think_s = 2.0, .requests_max = 7};
    struct sim *s = fixture_start(&w);
    double ready_s[USERS], free_s = -SIM_NEVER, latency_s = 0.0;
    uint32_t n[USERS] = {0};
    int answered = 0;
    for (int u = 0; u < USERS; u++) {
        uint32_t word = rng_philox(s->key_client, 0, (uint32_t)u, s->id.episode, s->id.env).v[0];
        ready_s[u] = -s->shared->warm_s + 2.0 * rng_exponential(word);
    }
    while (answered < REQUESTS) {
        int u = 0;
        for (int i = 1; i < USERS; i++) {
            u = ready_s[i] < ready_s[u] ? i : u;
        }
        double start_s = fmax(ready_s[u], free_s);
        free_s = start_s + 1.0;
        latency_s += free_s - ready_s[u];
        answered++;
        uint32_t next = ++n[u] * 7 + (uint32_t)u;
        uint32_t word = rng_philox(s->key_client, 0, next, s->id.episode, s->id.env).v[0];
        ready_s[u] = free_s + 2.0 * rng_exponential(word);
    }
    sim_run(s, free_s + 1e-9);
    assert_true(free_s > 0.0);
    assert_true(s->answered == answered && near(s->latency_s, latency_s));
    assert_true(cluster_consistent(w.plant));
    fixture_close(&w);
}

/* Users follow the load: 5/s x (1.9 s + 0.1 s) = 10; fewer when it falls, none when it is 0. */
static void test_users_follow_the_load(void **state)
{
    (void)state;
    struct cluster_fixture w;
    fixture_diamond(&w);
    w.cluster_cfg.clients = (struct client_cfg){
        .kind = CLIENT_CLOSED, .think_s = 1.9, .nominal_ms = 100, .requests_max = 50};
    fixture_open(&w, 1);
    fixture_rate(&w, 0, 300, 5, 0);
    fixture_rate(&w, 300, 600, 20, 3); /* the attacker is no user */
    fixture_rate(&w, 600, 900, 1000, 0);
    fixture_rate(&w, 900, FIXTURE_SECONDS, 0, 0);
    fixture_reset(&w);
    static const int users[] = {10, 40, 50, 0};
    struct sim *s = fixture_sim(&w, 0);
    for (int i = 0; i < 4; i++) {
        double received = 0.0, attack = 0.0;
        for (int t = 0; t < 20; t++) {
            const struct plant_truth *truth = fixture_step(&w);
            received += truth->received_legit;
            attack += truth->received - truth->received_legit;
            assert_true(cluster_consistent(w.plant));
            assert_true(t == 19 || s->n_users == users[i]); /* at the end of t = 19 they change */
        }
        /* Each user makes one request in 1.9 s and a response, which is short: Poisson bounds. */
        double wanted = users[i] * 300.0 / 1.9;
        assert_true(received <= wanted + 4.0 * sqrt(wanted) + 50);
        assert_true(received >= 0.9 * wanted - 4.0 * sqrt(wanted));
        assert_true(i == 1 ? attack > 800.0 : attack == 0.0);
    }
    assert_int_equal(s->timers.n, 0);
    fixture_close(&w);
}

/* A closed network is the machine repairman (M/M/1//N): Q(n) = rho^n N! / (N - n)!, rho = S / Z. */
static void test_machine_repairman(void **state)
{
    (void)state;
    enum { USERS = 6 };
    const double think_s = 0.5, work_s = 0.1;
    struct cluster_fixture w;
    fixture_one(&w, work_s);
    w.services[0].service_time = WORK_EXPONENTIAL;
    w.topology_cfg.queue_per_pod = USERS;
    w.cluster_cfg.clients = (struct client_cfg){
        .kind = CLIENT_CLOSED, .users = USERS, .think_s = think_s, .requests_max = USERS};
    fixture_open(&w, 1);
    double weight = 1.0, sum = 1.0;
    for (int n = 1; n <= USERS; n++) {
        weight *= work_s / think_s * (USERS - n + 1);
        sum += weight;
    }
    double rate = (1.0 - 1.0 / sum) / work_s;
    double answered = 0.0, latency_ms = 0.0, seconds = 0.0;
    for (uint32_t e = 0; e < 10; e++) {
        w.id.episode = e;
        fixture_reset(&w);
        for (int t = 0; t < FIXTURE_HORIZON; t++) {
            const struct plant_truth *truth = fixture_step(&w);
            answered += truth->answered;
            latency_ms += truth->latency_sum_ms;
            seconds += w.plant_cfg.period_s;
        }
    }
    print_message("machine repairman: %.4f/s, theory %.4f; response %.5f s, theory %.5f\n",
                  answered / seconds, rate, latency_ms * 1e-3 / answered, USERS / rate - think_s);
    assert_true(fabs(answered / seconds / rate - 1.0) < 0.01); /* about 4 standard errors */
    assert_true(fabs(latency_ms * 1e-3 / answered / (USERS / rate - think_s) - 1.0) < 0.015);
    fixture_close(&w);
}

/* ---- overload ---- */

/* A service at 60 % of its capacity, then three times the load for a minute, then as before. Calls
 * in the queue outlive their clients' patience, and nobody tells the pod. With retries every
 * request comes four times, 2.4 times the capacity, and the pod works for nobody but the gone; the
 * overload feeds itself long after its cause. Without retries, or with deadlines, it recovers. */
static double answered_share_after_spike(int retries, bool propagate)
{
    struct cluster_fixture w;
    fixture_chain(&w, 1, 50.0);
    w.topology_cfg.slots_per_pod = 4;
    w.topology_cfg.queue_per_pod = 200;
    w.plant_cfg.timeout_s = 10;
    w.cluster_cfg.deadline_propagation = propagate;
    w.cluster_cfg.clients = (struct client_cfg){.retries = retries,
                                                .attempt_timeout_s = 1.0,
                                                .backoff_s = 0.1,
                                                .backoff_max_s = 1.0,
                                                .jitter = 1.0,
                                                .requests_max = 10000};
    fixture_open_under(&w, 30, 0);
    fixture_rate(&w, 300, 360, 90, 0);
    fixture_reset(&w);
    double answered = 0.0, received = 0.0;
    for (int t = 0; t < FIXTURE_HORIZON; t++) {
        const struct plant_truth *truth = fixture_step(&w);
        if (t < 20) { /* before the spike all is well, retries or not */
            assert_true(truth->answered > 0.95 * truth->received - 2.0);
        }
        if (t >= 100) { /* from 19 minutes after it on, to 44 minutes after it */
            answered += truth->answered;
            received += truth->received;
        }
        assert_true(t % 20 != 0 || cluster_consistent(w.plant));
    }
    fixture_close(&w);
    return answered / received;
}

static void test_metastable_overload(void **state)
{
    (void)state;
    double share[3] = {answered_share_after_spike(3, false), answered_share_after_spike(0, false),
                       answered_share_after_spike(3, true)};
    print_message("answered long after a spike: %.3f with retries, %.3f without, %.3f with retries "
                  "and deadlines\n",
                  share[0], share[1], share[2]);
    assert_true(share[0] < 0.1);
    assert_true(share[1] > 0.98 && share[2] > 0.98);
}

/* Forty times what the entry can bear, each request ten times: records, calls and timers stay in
 * their pools, nothing is allocated, and the books hold. */
static void test_flood_with_retries(void **state)
{
    (void)state;
    struct cluster_fixture w;
    fixture_diamond(&w);
    w.cluster_cfg.clients = (struct client_cfg){.retries = 9,
                                                .attempt_timeout_s = 0.3,
                                                .backoff_s = 0.05,
                                                .backoff_max_s = 0.4,
                                                .jitter = 0.5,
                                                .requests_max = 3000};
    fixture_open(&w, 1);
    fixture_rate(&w, 0, 60, 200, 0);
    fixture_rate(&w, 60, FIXTURE_SECONDS, 8000, 8000);
    uint64_t before = mem_calls();
    const struct sim *s = fixture_reset(&w);
    for (int t = 0; t < 12; t++) {
        const struct plant_truth *truth = fixture_step(&w);
        assert_true(t < 5 || truth->retries > 2.0 * 3000.0);
        assert_true(truth->inflight <= 3000.0 + s->shared->n_calls);
        assert_true(s->timers.n <= 3000 && s->n_touched <= s->shared->n_calls);
        assert_true(cluster_consistent(w.plant));
    }
    assert_int_equal(s->timers.n, 3000);
    assert_int_equal(mem_calls(), before);
    fixture_close(&w);
}

/* ---- common random numbers ---- */

/* With servers that never fail, clients that would try again do what others do, to the bit; and
 * arrivals are the same whatever clients and controllers do. */
static void test_first_attempts_are_the_same(void **state)
{
    (void)state;
    struct plant_truth truth[2][20];
    double received[2][20];
    for (int retries = 0; retries < 2; retries++) {
        for (int crowded = 0; crowded < 2; crowded++) {
            struct cluster_fixture w;
            fixture_diamond(&w);
            w.plant_cfg.timeout_s = 100.0;
            w.cluster_cfg.clients.retries = 4 * retries;
            w.cluster_cfg.clients.backoff_s = 0.2;
            w.cluster_cfg.clients.requests_max = 5000;
            fixture_open_under(&w, crowded == 1 ? 420 : 150, 20);
            fixture_reset(&w);
            for (int t = 0; t < 20; t++) {
                const struct plant_truth *now = fixture_step(&w);
                if (crowded == 0) {
                    truth[retries][t] = *now;
                } else {
                    received[retries][t] = now->received;
                }
            }
            assert_true((fixture_sim(&w, 0)->retries > 0.0) == (retries == 1 && crowded == 1));
            fixture_close(&w);
        }
    }
    assert_memory_equal(truth[0], truth[1], sizeof truth[0]);
    assert_memory_equal(received[0], received[1], sizeof received[0]);
}

int main(void)
{
    log_init(-1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_timers),
        cmocka_unit_test(test_retry),
        cmocka_unit_test(test_back_off),
        cmocka_unit_test(test_abandoned_attempts_work_on),
        cmocka_unit_test(test_propagation_spares_the_pod),
        cmocka_unit_test(test_crash_and_retry),
        cmocka_unit_test(test_records_are_bounded),
        cmocka_unit_test(test_patience_alone),
        cmocka_unit_test(test_too_many_users),
        cmocka_unit_test(test_users_by_hand),
        cmocka_unit_test(test_users_follow_the_load),
        cmocka_unit_test(test_machine_repairman),
        cmocka_unit_test(test_metastable_overload),
        cmocka_unit_test(test_flood_with_retries),
        cmocka_unit_test(test_first_attempts_are_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
