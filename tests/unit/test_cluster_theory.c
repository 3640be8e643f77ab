/* The simulator against queueing theory.
 *
 * Each comparison runs until the standard error (from means of batches of 20 periods) is small,
 * states the bound it must keep, and then asks for agreement within 4 standard errors. Formulas:
 * L. Kleinrock, Queueing Systems I (1975), M/M/1, M/M/m, M/M/1/K; Queueing Systems II (1976),
 * processor sharing: M/G/1-PS has T = x / (1 - rho) for a job of work x.
 */
#include "tests/unit/cluster_world.h"

#include <math.h>

enum { BATCH_PERIODS = 20 };

struct estimate {
    double mean, error;
};

/* Ratio of sums per batch: mean and standard error over batches. */
struct batches {
    double sum, square;
    int n;
};

static void batches_add(struct batches *b, double x)
{
    b->sum += x;
    b->square += x * x;
    b->n++;
}

static struct estimate batches_estimate(const struct batches *b)
{
    double n = b->n, mean = b->sum / n;
    return (struct estimate){mean, sqrt((b->square / n - mean * mean) / (n - 1.0))};
}

static void agree(const char *what, const struct batches *b, double theory, double error_max)
{
    struct estimate e = batches_estimate(b);
    print_message("%-34s measured %.6g +- %.2g, theory %.6g\n", what, e.mean, e.error, theory);
    assert_true(e.error < error_max * theory);
    assert_true(fabs(e.mean - theory) < 4.0 * e.error);
}

struct measured {
    struct batches response_s, used_cores, refused, waiting, inside;
};

static void measure(struct world *w, double rps, int episodes, struct measured *m)
{
    *m = (struct measured){0};
    world_rate(w, 0, WORLD_SECONDS, rps, 0);
    for (int e = 0; e < episodes; e++) {
        w->id.episode = (uint32_t)e;
        world_reset(w);
        struct plant_truth sum = {0};
        for (int t = 1; t <= WORLD_HORIZON; t++) {
            const struct plant_truth *truth = world_step(w);
            sum.received += truth->received;
            sum.answered += truth->answered;
            sum.failed += truth->failed;
            sum.latency_sum_ms += truth->latency_sum_ms;
            sum.used_m_mean += truth->used_m_mean;
            sum.waiting_mean += truth->waiting_mean;
            if (t % BATCH_PERIODS == 0) {
                double seconds = BATCH_PERIODS * w->plant_cfg.period_s;
                batches_add(&m->response_s, sum.latency_sum_ms / sum.answered * 1e-3);
                batches_add(&m->used_cores, sum.used_m_mean / BATCH_PERIODS * 1e-3);
                batches_add(&m->refused, sum.failed / sum.received);
                batches_add(&m->waiting, sum.waiting_mean / BATCH_PERIODS);
                batches_add(&m->inside, sum.latency_sum_ms * 1e-3 / seconds); /* Little */
                sum = (struct plant_truth){0};
            }
        }
        assert_true(cluster_consistent(w->plant));
    }
}

static void theory_open(struct world *w, int slots, int queue)
{
    w->plant_cfg.timeout_s = 600.0;
    w->topology_cfg.slots_per_pod = slots;
    w->topology_cfg.queue_per_pod = queue;
    world_open(w, 1);
}

static void test_mm1_ps(void **state)
{
    (void)state;
    struct world w;
    struct measured m;
    world_chain(&w, 1, 50.0);
    theory_open(&w, 400, 0);
    measure(&w, 35.0, 4, &m);
    agree("M/M/1-PS, rho 0.7: response", &m.response_s, 0.02 / 0.3, 0.02);
    agree("M/M/1-PS, rho 0.7: CPU used", &m.used_cores, 0.7, 0.01);
    agree("M/M/1-PS, rho 0.7: jobs (Little)", &m.inside, 0.7 / 0.3, 0.03);
    world_close(&w);
}

/* One slot: first come, first served; rho^2 / (1 - rho) wait. */
static void test_mm1_fcfs(void **state)
{
    (void)state;
    struct world w;
    struct measured m;
    world_chain(&w, 1, 50.0);
    theory_open(&w, 1, 400);
    measure(&w, 35.0, 4, &m);
    agree("M/M/1 FCFS, rho 0.7: response", &m.response_s, 0.02 / 0.3, 0.02);
    agree("M/M/1 FCFS, rho 0.7: waiting", &m.waiting, 0.49 / 0.3, 0.03);
    world_close(&w);
}

/* Probability that all c servers are busy (Erlang C). */
static double erlang_c(int c, double load)
{
    double term = 1.0, sum = 1.0;
    for (int k = 1; k < c; k++) {
        term *= load / k;
        sum += term;
    }
    double all = term * load / c / (1.0 - load / c);
    return all / (sum + all);
}

/* A pod of 3 cores, one core at most for each call: as many in it as in M/M/3. */
static void test_mmc(void **state)
{
    (void)state;
    struct world w;
    struct measured m;
    world_chain(&w, 1, 150.0);
    w.services[0].cpu_m = 3000;
    theory_open(&w, 400, 0);
    measure(&w, 105.0, 2, &m);
    double load = 105.0 * 0.02;
    agree("M/M/3, load 2.1: response", &m.response_s, 0.02 + erlang_c(3, load) / (150.0 - 105.0),
          0.02);
    world_close(&w);
}

/* 5 places: (1 - rho) rho^5 / (1 - rho^6) are refused. */
static void test_mm1k(void **state)
{
    (void)state;
    struct world w;
    struct measured m;
    world_chain(&w, 1, 50.0);
    theory_open(&w, 2, 3);
    measure(&w, 45.0, 3, &m);
    double rho = 0.9;
    agree("M/M/1/5, rho 0.9: refused", &m.refused, (1 - rho) * pow(rho, 5) / (1 - pow(rho, 6)),
          0.03);
    world_close(&w);
}

/* Two stages of exponential processor sharing: Poisson out of the first (Burke), so times add. */
static void test_tandem(void **state)
{
    (void)state;
    struct world w;
    struct measured m;
    world_chain(&w, 2, 50.0);
    w.services[1].capacity_rps = 60.0;
    theory_open(&w, 400, 0);
    measure(&w, 30.0, 3, &m);
    agree("tandem 0.6, 0.5: response", &m.response_s, 1.0 / 20.0 + 1.0 / 30.0, 0.02);
    world_close(&w);
}

/* A pod drawn uniformly splits a Poisson stream into independent ones. */
static void test_split(void **state)
{
    (void)state;
    struct world w;
    struct measured m;
    world_chain(&w, 1, 25.0);
    w.services[0].cpu_m = 500;
    w.services[0].initial_replicas = 4;
    theory_open(&w, 400, 0);
    measure(&w, 60.0, 2, &m);
    agree("4 pods, rho 0.6: response", &m.response_s, 0.04 / 0.4, 0.02);
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mm1_ps), cmocka_unit_test(test_mm1_fcfs),
        cmocka_unit_test(test_mmc),    cmocka_unit_test(test_mm1k),
        cmocka_unit_test(test_tandem), cmocka_unit_test(test_split),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
