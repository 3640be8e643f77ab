/* Every request is accounted for: received = resolved + in flight in every period of every run, and
 * Little's law over all of them: the integral of their number is the sum of their times. The laws
 * are checked from inside (core/cluster/check.c, truth.c); here each account is falsified in turn.
 */
#include "tests/unit/cluster_fixture.h"

/* The diamond beyond its capacity: refusals, queues, a flood, crashes, clients that try again. */
static struct sim *busy_world(struct cluster_fixture *w, int retries)
{
    fixture_diamond(w);
    w->cluster_cfg.clients = (struct client_cfg){.retries = retries,
                                                 .attempt_timeout_s = retries > 0 ? 0.5 : 0.0,
                                                 .backoff_s = 0.2,
                                                 .backoff_max_s = 1.0,
                                                 .jitter = 1.0,
                                                 .requests_max = 300};
    fixture_open(w, 1);
    fixture_rate(w, 0, FIXTURE_SECONDS, 330, 20);
    fixture_rate(w, 60, 90, 330, 300);
    fixture_event(w, EVENT_CRASH, 1, 30, 120, 20.0);
    fixture_reset(w);
    return fixture_sim(w, 0);
}

static void run(struct cluster_fixture *w)
{
    double before = plant_truth(w->plant, 0)->inflight;
    double failed = 0.0, retries = 0.0;
    for (int t = 0; t < 20; t++) {
        const struct plant_truth *now = fixture_step(w);
        assert_true(before + now->received == now->answered + now->failed + now->inflight);
        assert_true(cluster_consistent(w->plant));
        before = now->inflight;
        failed += now->failed;
        retries += now->retries;
    }
    assert_true(failed > 100.0);
    assert_true((retries > 0.0) == (w->cluster_cfg.clients.retries > 0));
}

/* The account is right, wrong when falsified by `change`, and right again. */
static void falsify(const struct cluster_fixture *w, double *account, double change)
{
    double before = *account;
    assert_true(cluster_consistent(w->plant));
    *account += change;
    assert_false(cluster_consistent(w->plant));
    *account = before;
    assert_true(cluster_consistent(w->plant));
}

/* A call of a client without a record, under way. */
static struct sim_call *root_call(const struct sim *s)
{
    for (int i = 0; i < s->n_touched; i++) {
        if (s->calls[i].state != CALL_FREE && s->calls[i].parent == SIM_CLIENT) {
            return &s->calls[i];
        }
    }
    fail_msg("no request is under way");
    return NULL;
}

static void test_open_clients(void **state)
{
    (void)state;
    struct cluster_fixture w;
    struct sim *s = busy_world(&w, 0);
    run(&w);
    falsify(&w, &s->received, 1.0);
    falsify(&w, &s->resolved, 1.0);
    falsify(&w, &s->inside.value, 1.0);
    falsify(&w, &s->inside.sum, 1e-3);
    falsify(&w, &s->sojourn_s, 1e-3);
    falsify(&w, &root_call(s)->arrived_s, -1e-3);
    fixture_close(&w);
}

static void test_clients_with_records(void **state)
{
    (void)state;
    struct cluster_fixture w;
    struct sim *s = busy_world(&w, 3);
    run(&w);
    int i = 0;
    while (s->clients[i].state != CLIENT_WAITING && s->clients[i].state != CLIENT_BACKING) {
        assert_true(++i < s->shared->n_clients);
    }
    falsify(&w, &s->clients[i].first_s, -1e-3);
    falsify(&w, &s->sojourn_s, 1e-3);
    fixture_close(&w);
}

/* A period that loses a request ends the program, in every build. */
static jmp_buf caught;

static void catch (void)
{
    longjmp(caught, 1);
}

static bool period_ends(double lost)
{
    struct cluster_fixture w;
    struct sim *s = busy_world(&w, 0);
    volatile bool ended = false;
    check_set_hook(catch);
    if (setjmp(caught) == 0) {
        sim_truth_open(s);
        sim_run(s, 15.0);
        s->truth.failed -= lost;
        sim_truth_close(s);
        ended = true;
    }
    check_set_hook(NULL);
    fixture_close(&w);
    return ended;
}

static void test_lost_request(void **state)
{
    (void)state;
    assert_true(period_ends(0.0));
    assert_false(period_ends(1.0));
}

int main(void)
{
    log_init(-1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_open_clients),
        cmocka_unit_test(test_clients_with_records),
        cmocka_unit_test(test_lost_request),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
