/* The masked softmax against its definition in double precision. */
#include "core/base/rng.h"
#include "core/marl/env.h"
#include "core/marl/policy.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
/* cmocka wants these first */
#include <cmocka.h>

enum { K_MAX = 70, WORDS_MAX = 3, ROOM = K_MAX + POLICY_SLACK };

static const int sizes[] = {1, 2, 3, 31, 32, 33, 40, 64, 70};
enum { N_SIZES = sizeof(sizes) / sizeof(sizes[0]) };

struct problem {
    int n;
    float logits[ROOM];
    uint32_t mask[WORDS_MAX];
    int some; /* an allowed choice */
};

static struct problem make_problem(int n, uint32_t seed)
{
    struct rng_key key = rng_key(seed, RNG_TEST, RNG_TRAIN);
    struct problem p = {.n = n};
    for (int k = 0; k < n; k++) {
        struct rng_block b = rng_philox(key, (uint32_t)k, 0, 0, 0);
        p.logits[k] = 6.0f * rng_f32(b.v[0]) - 3.0f;
        p.mask[k / 32] |= (b.v[1] & 1U) << (k % 32);
    }
    p.some = (int)rng_below(rng_philox(key, 0, 1, 0, 0).v[0], (uint32_t)n);
    p.mask[p.some / 32] |= 1U << (p.some % 32);
    return p;
}

/* log p_k = z_k - log sum of exp over allowed k, in double, straight from the definition. */
static double reference_logp(const struct problem *p, const double *z, int k)
{
    double sum = 0.0;
    for (int j = 0; j < p->n; j++) {
        sum += mask_has(p->mask, j) ? exp(z[j]) : 0.0;
    }
    return z[k] - log(sum);
}

static double reference_entropy(const struct problem *p, const double *z)
{
    double entropy = 0.0;
    for (int k = 0; k < p->n; k++) {
        double logp = reference_logp(p, z, k);
        entropy -= mask_has(p->mask, k) ? exp(logp) * logp : 0.0;
    }
    return entropy;
}

static void widen(double *z, const struct problem *p)
{
    for (int k = 0; k < p->n; k++) {
        z[k] = (double)p->logits[k];
    }
}

static void test_log_softmax(void **state)
{
    (void)state;
    for (int i = 0; i < N_SIZES * 10; i++) {
        struct problem p = make_problem(sizes[i % N_SIZES], (uint32_t)i);
        float logp[ROOM], prob[ROOM];
        double z[K_MAX];
        widen(z, &p);
        float entropy = policy_softmax(logp, prob, p.logits, p.mask, p.n);
        assert_true(fabs((double)entropy - reference_entropy(&p, z)) < 3e-6);
        for (int k = 0; k < p.n; k++) {
            if (mask_has(p.mask, k)) {
                assert_true(fabs((double)logp[k] - reference_logp(&p, z, k)) < 2e-6);
                assert_true(fabs((double)prob[k] - exp(reference_logp(&p, z, k))) < 2e-7);
            } else {
                assert_true(logp[k] == -HUGE_VALF && prob[k] == 0.0f);
            }
        }
    }
}

static void test_one_choice_is_certain(void **state)
{
    (void)state;
    float logits[8] = {50.0f, -7.0f, 80.0f}, logp[8], prob[8], grad[8];
    uint32_t mask = 0x2;
    assert_true(policy_softmax(logp, prob, logits, &mask, 3) == 0.0f);
    assert_true(logp[0] == -HUGE_VALF && logp[1] == 0.0f && logp[2] == -HUGE_VALF);
    policy_gradient(grad, logp, prob, 3, 1, 2.5f, 0.1f, 0.0f);
    assert_true(grad[0] == 0.0f && grad[1] == 0.0f && grad[2] == 0.0f);
}

static void test_extreme_logits(void **state)
{
    (void)state;
    float logits[8] = {1e4f, -1e4f, 3e38f, 1e4f}, logp[8], prob[8], grad[8];
    uint32_t mask = 0xb; /* the largest is forbidden */
    float entropy = policy_softmax(logp, prob, logits, &mask, 4);
    assert_true(fabsf(logp[0] + 0.6931472f) < 1e-6f && logp[3] == logp[0]);
    assert_true(isfinite(logp[1]) && logp[1] < -1e4f);
    assert_true(fabsf(entropy - 0.6931472f) < 1e-6f);
    policy_gradient(grad, logp, prob, 4, 0, 1.0f, 1.0f, entropy);
    for (int k = 0; k < 4; k++) {
        assert_true(isfinite(grad[k]));
    }
}

/* a log p(choice) + b H by each logit: central differences of the definition in double. */
static void test_gradient(void **state)
{
    (void)state;
    const double a = 1.7, b = -0.6, h = 1e-5;
    for (int i = 0; i < N_SIZES * 4; i++) {
        struct problem p = make_problem(sizes[i % N_SIZES], 1000U + (uint32_t)i);
        float logp[ROOM], prob[ROOM], grad[ROOM];
        double z[K_MAX];
        widen(z, &p);
        float entropy = policy_softmax(logp, prob, p.logits, p.mask, p.n);
        policy_gradient(grad, logp, prob, p.n, p.some, (float)a, (float)b, entropy);
        for (int k = 0; k < p.n; k++) {
            double side[2];
            for (int s = 0; s < 2; s++) {
                double kept = z[k];
                z[k] += s == 0 ? -h : h;
                side[s] = a * reference_logp(&p, z, p.some) + b * reference_entropy(&p, z);
                z[k] = kept;
            }
            if (!mask_has(p.mask, k)) {
                assert_true(grad[k] == 0.0f);
            } else {
                assert_true(fabs((side[1] - side[0]) / (2 * h) - (double)grad[k]) < 5e-6);
            }
        }
    }
}

/* 10^6 draws over 40 choices: no forbidden one, and counts within what chance allows. */
static void test_sampling(void **state)
{
    (void)state;
    enum { N = 1000000 };
    struct problem p = make_problem(40, 77);
    float logp[ROOM], prob[ROOM];
    int count[K_MAX] = {0};
    policy_softmax(logp, prob, p.logits, p.mask, p.n);
    struct rng_key key = rng_key(78, RNG_TEST, RNG_TRAIN);
    for (uint32_t i = 0; i < N; i++) {
        count[policy_sample(prob, p.mask, p.n, rng_f32(rng_philox(key, i, 0, 0, 0).v[0]))]++;
    }
    double chi2 = 0.0;
    int freedom = -1;
    for (int k = 0; k < p.n; k++) {
        if (!mask_has(p.mask, k)) {
            assert_int_equal(count[k], 0);
            continue;
        }
        double expected = N * exp((double)logp[k]);
        chi2 += (count[k] - expected) * (count[k] - expected) / expected;
        freedom++;
    }
    assert_true(freedom > 10);
    /* mean f, variance 2 f: five standard deviations */
    assert_true(chi2 < freedom + 5 * sqrt(2.0 * freedom));
}

static void test_sample_edges(void **state)
{
    (void)state;
    float logits[8] = {0}, logp[8], prob[8];
    uint32_t mask = 0x6;
    policy_softmax(logp, prob, logits, &mask, 3);
    assert_int_equal(policy_sample(prob, &mask, 3, 0.0f), 1);
    assert_int_equal(policy_sample(prob, &mask, 3, 0.49f), 1);
    assert_int_equal(policy_sample(prob, &mask, 3, 0.51f), 2);
    assert_int_equal(policy_sample(prob, &mask, 3, 0x1.fffffep-1f), 2);
    /* a last choice of probability 0 is not taken when rounding leaves a gap below 1 */
    float far[8] = {0.0f, 0.0f, -1e5f};
    uint32_t all = 0x7;
    policy_softmax(logp, prob, far, &all, 3);
    prob[0] -= 1e-3f; /* the sum is now below 1 */
    assert_int_equal(policy_sample(prob, &all, 3, 0x1.fffffep-1f), 1);
}

/* Against the definition: the first choice whose cumulative probability exceeds u; next to a step
 * rounding may take either side. What stands behind the row does not matter. */
static void test_sample_is_the_inverse(void **state)
{
    (void)state;
    struct rng_key key = rng_key(79, RNG_TEST, RNG_TRAIN);
    for (uint32_t i = 0; i < 20000; i++) {
        struct problem p = make_problem(sizes[i % N_SIZES], i / 100);
        float logp[ROOM], prob[ROOM], u = rng_f32(rng_philox(key, i, 0, 0, 0).v[0]);
        policy_softmax(logp, prob, p.logits, p.mask, p.n);
        for (int k = p.n; k < ROOM; k++) {
            prob[k] = 1e30f;
        }
        const int choice = policy_sample(prob, p.mask, p.n, u);
        assert_true(choice >= 0 && choice < p.n && mask_has(p.mask, choice));
        double below = 0.0;
        for (int k = 0; k < choice; k++) {
            below += mask_has(p.mask, k) ? (double)prob[k] : 0.0;
        }
        assert_true((double)u >= below - 1e-6 && (double)u < below + (double)prob[choice] + 1e-6);
    }
}

static void test_argmax(void **state)
{
    (void)state;
    float logp[4] = {-0.1f, -3.0f, -2.0f, -2.0f};
    uint32_t mask = 0xe;
    assert_int_equal(policy_argmax(logp, &mask, 4), 2); /* 0 forbidden; the first of two equals */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_log_softmax),    cmocka_unit_test(test_one_choice_is_certain),
        cmocka_unit_test(test_extreme_logits), cmocka_unit_test(test_gradient),
        cmocka_unit_test(test_sampling),       cmocka_unit_test(test_sample_edges),
        cmocka_unit_test(test_argmax),         cmocka_unit_test(test_sample_is_the_inverse),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
