/* Several servers against queueing theory.
 *
 * Which setting of the simulator is which model of the textbook:
 *
 *   c slots on c cores, a queue    c servers with one queue: no call uses more than one core
 *   the same without a queue       loss: who finds c inside is refused
 *   n pods, one drawn each time    n independent queues, each with 1/n of the stream
 *
 * So c pods of one core are not M/M/c: a call does not change its pod when another falls idle.
 *
 * L. Kleinrock, Queueing Systems I (1975): Erlang C 3.5, M/M/c/K 3.6, Erlang B 3.7.
 */
#include "tests/unit/theory.h"

enum { SERVERS = 4 };

static void servers(struct cluster_fixture *w, struct theory *t, int queue, double load)
{
    theory_world(w, 1, SERVERS, queue);
    w->services[0].cpu_m = SERVERS * 1000.0;
    w->services[0].capacity_rps = SERVERS * (double)THEORY_MS;
    t->load = load;
    t->rps = load * SERVERS * THEORY_MS;
}

/* Blocking of M/M/c/K: weights a^k / k! up to c, then a factor a / c for each place more. */
static double blocking(int c, int places, double offered)
{
    double weight = 1.0, sum = 1.0;
    for (int k = 1; k <= places; k++) {
        weight *= offered / (k < c ? k : c);
        sum += weight;
    }
    return weight / sum;
}

/* Probability to wait in M/M/c (Erlang C), from the blocking of M/M/c/c (Erlang B). */
static double erlang_c(int c, double offered)
{
    double b = blocking(c, c, offered), load = offered / c;
    return b / (1.0 - load + load * b);
}

static void mmc(struct cluster_fixture *w, struct theory *t, double load)
{
    servers(w, t, THEORY_ROOM, load);
    t->system = "M/M/4 (Erlang C)";
    t->expected = 1.0 + erlang_c(SERVERS, load * SERVERS) / (SERVERS * (1.0 - load));
}

static void mmc_loss(struct cluster_fixture *w, struct theory *t, double load)
{
    servers(w, t, 0, load);
    t->system = "M/M/4/4, share lost (Erlang B)";
    t->quantity = THEORY_REFUSED;
    t->expected = blocking(SERVERS, SERVERS, load * SERVERS);
}

/* What is lost depends on the law of the service times by its mean only (B. A. Sevastyanov, Theory
 * of Probability and its Applications 2, 1957). */
static void mgc_loss(struct cluster_fixture *w, struct theory *t, double load)
{
    mmc_loss(w, t, load);
    w->services[0].service_time = WORK_LOGNORMAL;
    w->services[0].cv = 1.5;
    t->system = "M/G/4/4, lognormal, cv 1.5, share lost";
}

static void mmck(struct cluster_fixture *w, struct theory *t, double load)
{
    enum { QUEUE = 3 };
    servers(w, t, QUEUE, load);
    t->system = "M/M/4/7, share lost";
    t->quantity = THEORY_REFUSED;
    t->expected = blocking(SERVERS, SERVERS + QUEUE, load * SERVERS);
}

/* ---- splitting ---- */

/* A pod drawn for each request splits a Poisson stream into independent ones. */
static void split(struct cluster_fixture *w, struct theory *t, double load)
{
    enum { PODS = 4 };
    theory_world(w, 1, 1, THEORY_ROOM);
    w->services[0].max_replicas = w->services[0].initial_replicas = PODS;
    t->system = "random splitting to 4 pods";
    t->load = load;
    t->rps = load * PODS * THEORY_MS;
    t->expected = 1.0 / (1.0 - load);
}

THEORY_TEST(mmc)
THEORY_TEST(mmc_loss)
THEORY_TEST(mgc_loss)
THEORY_TEST(mmck)
THEORY_TEST(split)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mmc),      cmocka_unit_test(test_mmc_loss),
        cmocka_unit_test(test_mgc_loss), cmocka_unit_test(test_mmck),
        cmocka_unit_test(test_split),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
