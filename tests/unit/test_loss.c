/* The losses: numbers worked out by hand, and gradients against central differences. */
#include "core/base/rng.h"
#include "core/marl/env.h"
#include "core/marl/loss.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
/* cmocka wants these first */
#include <cmocka.h>
#include <string.h>

enum { N = 24, F = 2, K = 5, LD = 16 };

static const double CLIP = 0.2, ENTROPY = 0.05;

struct samples {
    float logits[N * LD + POLICY_SLACK], logp[N], advantage[N];
    uint32_t mask[N * F];
    int32_t action[N * F];
};

static float unit(uint32_t what, int i)
{
    return rng_f32(rng_philox(rng_key(21, RNG_TEST, RNG_TRAIN), (uint32_t)i, what, 0, 0).v[0]);
}

/* Log-probability of the joint choice and joint entropy, in double from the definition. */
static double joint_logp(const struct samples *s, const double *z, int i, double *entropy)
{
    double joint = 0.0;
    *entropy = 0.0;
    for (int f = 0; f < F; f++) {
        const double *l = z + i * LD + f * K;
        double sum = 0.0;
        for (int k = 0; k < K; k++) {
            sum += mask_has(&s->mask[i * F + f], k) ? exp(l[k]) : 0.0;
        }
        joint += l[s->action[i * F + f]] - log(sum);
        for (int k = 0; k < K; k++) {
            double logp = l[k] - log(sum);
            *entropy -= mask_has(&s->mask[i * F + f], k) ? exp(logp) * logp : 0.0;
        }
    }
    return joint;
}

static bool has_choice(const struct samples *s, int i)
{
    return loss_has_choice(s->mask + i * F, F, K);
}

/* Samples whose old probabilities lie well inside, below and above the clip range. */
static void make_samples(struct samples *s)
{
    static const double log_ratio[3] = {0.05, 0.5, -0.5};
    double z[N * LD], entropy;
    for (int i = 0; i < N * LD; i++) {
        s->logits[i] = 3.0f * unit(0, i) - 1.5f;
        z[i] = (double)s->logits[i];
    }
    for (int i = 0; i < N * F; i++) {
        s->action[i] = (int32_t)(unit(1, i) * K);
        s->mask[i] = (uint32_t)(unit(2, i) * 32) | 1U << s->action[i];
    }
    for (int f = 0; f < F; f++) {
        s->mask[3 * F + f] = 1U << s->action[3 * F + f]; /* sample 3 has no choice */
    }
    for (int i = 0; i < N; i++) {
        s->advantage[i] = i % 2 == 0 ? 1.0f + unit(3, i) : -1.0f - unit(3, i);
        s->logp[i] = (float)(joint_logp(s, z, i, &entropy) - log_ratio[i % 3]);
    }
}

static struct policy_rows rows_of(const struct samples *s)
{
    return (struct policy_rows){.n = N,
                                .n_factors = F,
                                .n_choices = K,
                                .logits = s->logits,
                                .logit_ld = LD,
                                .mask = s->mask,
                                .mask_stride = F,
                                .action = s->action,
                                .action_stride = F,
                                .logp = s->logp,
                                .advantage = s->advantage,
                                .sample_stride = 1,
                                .adv_mean = 0.25f,
                                .adv_scale = 0.5f};
}

/* Sum over the samples with a choice of loss - c H. */
static double reference(const struct samples *s, const double *z, bool clone)
{
    double sum = 0.0;
    for (int i = 0; i < N; i++) {
        double entropy, logp = joint_logp(s, z, i, &entropy);
        if (!has_choice(s, i)) {
            continue;
        }
        if (clone) {
            sum -= logp;
            continue;
        }
        double ratio = exp(logp - (double)s->logp[i]);
        double advantage = ((double)s->advantage[i] - 0.25) * 0.5;
        double cut = fmin(fmax(ratio, 1 - CLIP), 1 + CLIP);
        sum -= fmin(ratio * advantage, cut * advantage) + ENTROPY * entropy;
    }
    return sum;
}

static void check_policy(bool clone)
{
    struct samples s;
    float d[N * LD + POLICY_SLACK], work[2 * (F * K + POLICY_SLACK) + F];
    double z[N * LD];
    struct policy_sums sums = {0};
    const double h = 1e-6;
    make_samples(&s);
    struct policy_rows rows = rows_of(&s);
    assert_int_equal(loss_work_floats(F, K), sizeof(work) / sizeof(work[0]));
    if (clone) {
        loss_clone(&sums, d, work, &rows);
    } else {
        loss_ppo(&sums, d, work, &rows, (float)CLIP, (float)ENTROPY);
    }
    for (int i = 0; i < N * LD; i++) {
        z[i] = (double)s.logits[i];
    }
    double whole = sums.loss - (clone ? 0.0 : ENTROPY * sums.entropy);
    assert_true(fabs(whole - reference(&s, z, clone)) < 1e-4);
    assert_true(sums.weight == N - 1);
    for (int i = 0; i < N; i++) {
        for (int k = 0; k < F * K; k++) {
            double kept = z[i * LD + k];
            z[i * LD + k] = kept + h;
            double up = reference(&s, z, clone);
            z[i * LD + k] = kept - h;
            double down = reference(&s, z, clone);
            z[i * LD + k] = kept;
            assert_true(fabs((up - down) / (2 * h) - (double)d[i * LD + k]) < 2e-5);
        }
    }
}

static void test_ppo_gradient(void **state)
{
    (void)state;
    check_policy(false);
}

static void test_clone_gradient(void **state)
{
    (void)state;
    check_policy(true);
}

/* Two equal logits, choice 0: log p = -log 2. With advantage A and ratio rho the loss is
 *   A = 1: rho 1.5 -> -1.2 (cut), 0.5 -> -0.5;    A = -1: rho 1.5 -> 1.5, 0.5 -> 0.8 (cut)
 * and by logit 0 it is -rho A (1 - p) = -rho A / 2 where it is not cut, else 0. */
static void test_ppo_by_hand(void **state)
{
    (void)state;
    static const double ratio[] = {1.5, 0.5, 1.5, 0.5};
    static const float advantage[] = {1, 1, -1, -1}, loss[] = {-1.2f, -0.5f, 1.5f, 0.8f};
    static const float gradient[] = {0, -0.25f, 0.75f, 0};
    for (int i = 0; i < 4; i++) {
        float logits[8] = {0.3f, 0.3f}, d[8], work[32];
        float logp = (float)(log(0.5) - log(ratio[i]));
        uint32_t mask = 0x3;
        int32_t action = 0;
        struct policy_sums sums = {0};
        struct policy_rows rows = {.n = 1,
                                   .n_factors = 1,
                                   .n_choices = 2,
                                   .logits = logits,
                                   .mask = &mask,
                                   .action = &action,
                                   .logp = &logp,
                                   .advantage = &advantage[i],
                                   .adv_scale = 1.0f};
        loss_ppo(&sums, d, work, &rows, 0.2f, 0.0f);
        assert_true(fabs(sums.loss - (double)loss[i]) < 1e-6);
        assert_true(fabsf(d[0] - gradient[i]) < 1e-6f && fabsf(d[1] + gradient[i]) < 1e-6f);
        assert_true(fabs(sums.entropy - log(2.0)) < 1e-6);
        assert_true(sums.clipped == 1.0);
        assert_true(fabs((double)sums.ratio_dev - 0.5) < 1e-6);
        assert_true(fabs(sums.kl - (ratio[i] - 1 - log(ratio[i]))) < 1e-6);
    }
}

/* ---- values ---- */

static double huber(double x, double delta)
{
    return fabs(x) <= delta ? 0.5 * x * x : delta * (fabs(x) - 0.5 * delta);
}

static double value_reference(double v, double old, double y, double clip, double delta)
{
    double cut = old + fmin(fmax(v - old, -clip), clip);
    return fmax(huber(v - y, delta), huber(cut - y, delta));
}

static void test_value_gradient(void **state)
{
    (void)state;
    enum { ROWS = 64, COLS = 3, LDV = 16 };
    const double clip = 0.4, delta = 1.5, h = 1e-6;
    float v[ROWS * LDV], dv[ROWS * LDV], old[ROWS * COLS], y[ROWS * COLS];
    double sum = 0.0, expected = 0.0;
    for (int i = 0; i < ROWS * LDV; i++) {
        v[i] = 6.0f * unit(5, i) - 3.0f;
    }
    for (int i = 0; i < ROWS * COLS; i++) {
        old[i] = v[i / COLS * LDV + i % COLS] + 2.0f * unit(6, i) - 1.0f;
        y[i] = 6.0f * unit(7, i) - 3.0f;
    }
    loss_value(&sum, dv, v, LDV, old, y, COLS, ROWS, COLS, (float)clip, (float)delta);
    int n_cut = 0;
    for (int i = 0; i < ROWS * COLS; i++) {
        int in = i / COLS * LDV + i % COLS;
        double x = (double)v[in], o = (double)old[i], t = (double)y[i];
        double slope = (value_reference(x + h, o, t, clip, delta) -
                        value_reference(x - h, o, t, clip, delta)) /
                       (2 * h);
        expected += value_reference(x, o, t, clip, delta);
        assert_true(fabs(slope - (double)dv[in]) < 1e-5);
        n_cut += dv[in] == 0.0f;
    }
    assert_true(fabs(sum - expected) < 1e-3);
    assert_true(n_cut > 5 && n_cut < ROWS * COLS / 2); /* both sides were there */
}

/* v = 1, old 0, clip 0.2: the cut value is 0.2.  y = 2: errors -1 and -1.8, the larger loss is the
 * cut one, 1.62, which v does not move.  y = 0: errors 1 and 0.2, loss 0.5, slope 1.  delta = 0.5,
 * y = 0: loss 0.5 (1 - 0.25) = 0.375, slope 0.5. */
static void test_value_by_hand(void **state)
{
    (void)state;
    static const float y[] = {2, 0, 0}, delta[] = {10, 10, 0.5f};
    static const double loss[] = {1.62, 0.5, 0.375}, slope[] = {0, 1, 0.5};
    for (int i = 0; i < 3; i++) {
        float v = 1.0f, old = 0.0f, dv;
        double sum = 0.0;
        loss_value(&sum, &dv, &v, 1, &old, &y[i], 1, 1, 1, 0.2f, delta[i]);
        assert_true(fabs(sum - loss[i]) < 1e-6);
        assert_true(fabs((double)dv - slope[i]) < 1e-6);
    }
}

/* Going on where the rows were cut gives the same bits. */
static void test_split_rows(void **state)
{
    (void)state;
    struct samples s;
    float whole[N * LD + POLICY_SLACK], parts[N * LD + POLICY_SLACK];
    float work[2 * (F * K + POLICY_SLACK) + F];
    struct policy_sums a = {0}, b = {0};
    make_samples(&s);
    struct policy_rows rows = rows_of(&s);
    loss_ppo(&a, whole, work, &rows, 0.2f, 0.01f);
    for (int at = 0; at < N; at += 7) {
        struct policy_rows part = rows;
        part.n = N - at < 7 ? N - at : 7;
        part.logits += at * LD;
        part.mask += at * F;
        part.action += at * F;
        part.logp += at;
        part.advantage += at;
        loss_ppo(&b, parts + at * LD, work, &part, 0.2f, 0.01f);
    }
    for (int i = 0; i < N; i++) {
        assert_memory_equal(whole + i * LD, parts + i * LD, F * K * sizeof(float));
    }
    assert_true(a.loss == b.loss && a.entropy == b.entropy && a.kl == b.kl);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ppo_gradient),  cmocka_unit_test(test_clone_gradient),
        cmocka_unit_test(test_ppo_by_hand),   cmocka_unit_test(test_value_gradient),
        cmocka_unit_test(test_value_by_hand), cmocka_unit_test(test_split_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
