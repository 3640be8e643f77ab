/* One server against queueing theory.
 *
 * Which setting of the simulator is which model of the textbook:
 *
 *   1 slot, a queue           first come, first served
 *   many slots on one core    processor sharing: n calls advance at 1/n core each
 *
 * L. Kleinrock, Queueing Systems I (1975): M/M/1 3.2, Pollaczek-Khinchine 5.6; II (1976), 4.4:
 * processor sharing, T = x / (1 - rho) for any law of the service time x.
 */
#include "tests/unit/theory.h"

/* Mean wait of M/G/1 for service times of 1 ms: rho (1 + cv^2) / (2 (1 - rho)). */
static double pollaczek_khinchine(double load, double cv)
{
    return load * (1.0 + cv * cv) / (2.0 * (1.0 - load));
}

static void one_server(struct cluster_fixture *w, struct theory *t, double load)
{
    theory_world(w, 1, 1, THEORY_ROOM);
    t->load = load;
    t->rps = load * THEORY_MS;
}

static void mm1(struct cluster_fixture *w, struct theory *t, double load)
{
    one_server(w, t, load);
    t->system = "M/M/1";
    t->expected = 1.0 / (1.0 - load);
}

static void md1(struct cluster_fixture *w, struct theory *t, double load)
{
    one_server(w, t, load);
    w->services[0].service_time = WORK_DETERMINISTIC;
    t->system = "M/D/1";
    t->expected = 1.0 + pollaczek_khinchine(load, 0.0);
}

/* By Little's law, from an integral over time. */
static void md1_waiting(struct cluster_fixture *w, struct theory *t, double load)
{
    md1(w, t, load);
    t->system = "M/D/1, calls waiting";
    t->quantity = THEORY_WAITING;
    t->expected = load * pollaczek_khinchine(load, 0.0);
}

static void mg1(struct cluster_fixture *w, struct theory *t, double load)
{
    enum { ROOM = 2000 }; /* a heavier tail: 400 would refuse a few */
    one_server(w, t, load);
    w->topology_cfg.queue_per_pod = ROOM;
    w->services[0].service_time = WORK_LOGNORMAL;
    w->services[0].cv = 1.5;
    t->system = "M/G/1, lognormal, cv 1.5";
    t->expected = 1.0 + pollaczek_khinchine(load, 1.5);
}

static void sharing(struct cluster_fixture *w, struct theory *t, double load)
{
    theory_world(w, 1, THEORY_ROOM, 0);
    t->load = load;
    t->rps = load * THEORY_MS;
    t->expected = 1.0 / (1.0 - load);
}

static void mm1_ps(struct cluster_fixture *w, struct theory *t, double load)
{
    sharing(w, t, load);
    t->system = "M/M/1-PS";
}

static void mg1_ps(struct cluster_fixture *w, struct theory *t, double load)
{
    sharing(w, t, load);
    w->services[0].service_time = WORK_LOGNORMAL;
    w->services[0].cv = 1.5;
    t->system = "M/G/1-PS, lognormal, cv 1.5";
}

static void ps_used(struct cluster_fixture *w, struct theory *t, double load)
{
    sharing(w, t, load);
    t->system = "M/M/1-PS, cores used";
    t->quantity = THEORY_USED;
    t->expected = load;
}

THEORY_TEST(mm1)
THEORY_TEST(md1)
THEORY_TEST(md1_waiting)
THEORY_TEST(mg1)
THEORY_TEST(mm1_ps)
THEORY_TEST(mg1_ps)
THEORY_TEST(ps_used)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mm1),         cmocka_unit_test(test_md1),
        cmocka_unit_test(test_md1_waiting), cmocka_unit_test(test_mg1),
        cmocka_unit_test(test_mm1_ps),      cmocka_unit_test(test_mg1_ps),
        cmocka_unit_test(test_ps_used),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
