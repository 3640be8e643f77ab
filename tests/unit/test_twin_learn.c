/* Learning on a system whose noise is known: how near to it the means come, whether the scales are
 * its scales, what is kept, and that the same is learned twice.
 */
#include "tests/unit/twin_fixture.h"

#include "core/base/fmath.h"
#include "core/base/hash.h"
#include "core/twin/fit_rows.h"

enum { EPISODES = 40, STEPS = 60, MANY = 200 };

/* ---- the gradient ---- */

/* The loss of learn.h in double; `gap`: the distance that the scale takes as given. */
static double loss(const double *y, const double *gap, const float *right, int n)
{
    double sum = 0.0;
    for (int i = 0; i < n; i++) {
        const double d = y[i] - (double)right[i];
        sum += 0.5 * d * d + 0.25 * (y[n + i] + gap[i] * exp(-y[n + i]));
    }
    return sum;
}

static void test_gradient(void **state)
{
    (void)state;
    enum { N = 5 };
    const double h = 1e-5;
    for (uint32_t trial = 0; trial < 200; trial++) {
        float y[2 * N], dy[2 * N], right[N];
        double gap[N], x[2 * N], square = 0.0;
        for (uint32_t i = 0; i < 2 * N; i++) {
            const struct rng_block u = rng_philox(rng_key(1, RNG_TWIN, RNG_TRAIN), trial, i, 0, 0);
            y[i] = (float)rng_normal(u.v[0], u.v[1]);
            x[i] = (double)y[i];
            if (i < N) {
                right[i] = (float)rng_normal(u.v[2], u.v[3]);
                gap[i] = fabs(x[i] - (double)right[i]);
                square += gap[i] * gap[i];
            }
        }
        const double error = learn_nll_grad(dy, y, right, N, 0.125F);
        assert_true(fabs(error - square) < 1e-5 * (1.0 + square));
        for (int i = 0; i < 2 * N; i++) {
            const double was = x[i];
            x[i] = was + h;
            const double above = loss(x, gap, right, N);
            x[i] = was - h;
            const double below = loss(x, gap, right, N);
            x[i] = was;
            const double slope = 0.125 * (above - below) / (2.0 * h);
            const double cut = fmax(slope, -10.0 * 0.25 * 0.125);
            assert_true(fabs((double)dy[i] - (i < N ? slope : cut)) < 2e-6 + 1e-4 * fabs(slope));
        }
    }
    /* One gap that nothing explains moves its scale by a bounded step. */
    const float far[2] = {0.0F, -7.0F}, right = 1e6F;
    float dy[2];
    (void)learn_nll_grad(dy, far, &right, 1, 1.0F);
    assert_true(dy[1] == -2.5F);
    /* A target that was not measured counts nowhere. */
    const float y[6] = {1.0F, 2.0F, 3.0F, 0.0F, 0.0F, 0.0F}, some[3] = {0.5F, NAN, 1.0F};
    float of_some[6];
    assert_true(learn_nll_grad(of_some, y, some, 3, 1.0F) == 0.25 + 4.0);
    assert_true(of_some[1] == 0.0F && of_some[4] == 0.0F);
    assert_true(of_some[0] == 0.5F && of_some[2] == 2.0F);
    assert_true(of_some[3] == 0.125F && of_some[5] == -0.25F);
}

/* ---- what is learned ---- */

static void learn_linear(struct twin_fixture *w, int episodes, int epochs)
{
    linear_store(w->traces, 0, episodes, STEPS, NULL);
    w->fit.epochs = epochs;
    twin_fixture_fit(w);
}

/* Sums over validation transitions, of a learned column: squared error and true variance; and of
 * the scales, where the load is in [lo, hi), theirs and the truth's. */
struct sums {
    double square, variance, scale, truth;
};

static double sd_of(int target, double load)
{
    return target == 0 ? linear_web_sd(load) : target == 1 ? LINEAR_DB_SD : LINEAR_ENTRY_SD;
}

static struct sums judge(struct twin_fixture *w, int member, int target, double lo, double hi)
{
    const struct twin_model *m = &w->model;
    const struct dataset *d = &m->data;
    const int n = m->features.n_target;
    struct sums s = {0};
    float *in = ARENA_NEW(&w->scratch, m->features.n_in, float);
    float *y = ARENA_NEW(&w->scratch, 2 * n, float);
    float *right = ARENA_NEW(&w->scratch, n, float), *got = ARENA_NEW(&w->scratch, n, float);
    float *work = ARENA_NEW(&w->scratch, ensemble_work_floats(&m->ensemble, 1), float);
    for (int k = 0; k < d->n_at[STORE_VALIDATION]; k++) {
        const int row = d->at[STORE_VALIDATION][k];
        const double load = (double)d->load[row], sd = sd_of(target, load);
        if (load >= lo && load < hi) {
            dataset_input(in, d, row);
            dataset_target(right, d, row);
            ensemble_predict(&m->ensemble, member, y, in, 1, work);
            ensemble_answer(&m->ensemble, got, y, NULL, in);
            s.square += pow((double)(got[target] - right[target]), 2.0);
            s.variance += sd * sd;
            s.scale += exp((double)ensemble_log_scale(y[n + target])) *
                       (double)m->ensemble.out_std[target];
            s.truth += sd * sqrt(2.0 / M_PI); /* mean |normal| */
        }
    }
    return s;
}

static void assert_between(double x, double lo, double hi, const char *what)
{
    if (!(x >= lo && x <= hi)) {
        fail_msg("%s: %g, not in [%g, %g]", what, x, lo, hi);
    }
}

/* most: how far above the noise the error may be. */
static void assert_learned(struct twin_fixture *w, double most)
{
    for (int target = 0; target < 3; target++) {
        const struct sums all = judge(w, 0, target, 0.0, 1e9);
        assert_between(sqrt(all.square / all.variance), 0.9, most, "error / noise");
        const struct sums low = judge(w, 0, target, 0.0, 40.0);
        const struct sums high = judge(w, 0, target, 80.0, 1e9);
        assert_between(low.scale / low.truth, 0.75, 1.35, "scale at a low load");
        assert_between(high.scale / high.truth, 0.75, 1.35, "scale at a high load");
    }
    const struct residual_pool *b = &w->model.ensemble.members[0].residuals;
    const int n = w->model.features.n_target;
    for (int target = 0; target < 3; target++) {
        double sum = 0.0;
        for (int i = 0; i < b->n; i++) {
            sum += fabs((double)b->z[(ptrdiff_t)i * n + target]);
        }
        assert_between(sum / b->n, 0.85, 1.2, "mean |z|");
    }
}

static void test_noise_floor(void **state)
{
    learn_linear(*state, MANY, 30);
    assert_learned(*state, 1.2);
}

static void test_direct(void **state)
{
    struct twin_fixture *w = *state;
    w->fit.predict = PREDICT_DIRECT;
    learn_linear(w, MANY, 30);
    assert_false(w->model.ensemble.residual);
    assert_learned(w, 1.4); /* the change is a smaller target than the state */
}

/* ---- what is kept ---- */

enum { PASSES_MAX = 64 };
struct observed {
    double valid[PASSES_MAX];
    int n;
};

static void see(void *ctx, int epoch, double train_error, double validation_error)
{
    struct observed *s = ctx;
    assert_int_equal(epoch, s->n);
    assert_true(isfinite(train_error));
    s->valid[s->n++] = validation_error;
}

static void begin(struct twin_fixture *w)
{
    OK(model_begin(&w->model, &w->scene.arena, w->traces, &w->fit, NULL, &w->scratch));
}

static enum err learn(struct twin_fixture *w, int member, bool warm, struct observed *observed)
{
    const struct learn_watch watch = {observed, see};
    *observed = (struct observed){.n = 0};
    return learn_member(&w->model.ensemble, member, &w->model.data, &w->fit, warm, &watch,
                        &w->scratch);
}

/* A step size that only ever makes things worse: the first pass is the best one, and training
 * waits `patience` passes for another. */
static void test_best_is_kept(void **state)
{
    struct twin_fixture *w = *state;
    struct observed observed;
    linear_store(w->traces, 0, EPISODES, STEPS, NULL);
    w->fit.epochs = 40;
    w->fit.patience = 4;
    w->fit.lr = w->fit.lr_end = 0.03;
    begin(w);
    OK(learn(w, 0, false, &observed));
    const struct member *m = &w->model.ensemble.members[0];
    int best = 0;
    for (int i = 1; i < observed.n; i++) {
        best = observed.valid[i] < observed.valid[best] ? i : best;
    }
    assert_int_equal(m->epochs, best + 1);
    assert_true(m->error == observed.valid[best]);
    assert_int_equal(observed.n, best + 1 + 4 < 40 ? best + 1 + 4 : 40);
    assert_true(best + 1 < observed.n); /* or this test shows nothing */
    double again;
    const struct dataset *d = &w->model.data;
    OK(learn_error(&again, &w->model.ensemble, 0, d, d->at[STORE_VALIDATION],
                   d->n_at[STORE_VALIDATION], &w->scratch));
    assert_true(again == m->error);
}

static void test_warm_start(void **state)
{
    struct twin_fixture *w = *state;
    struct observed cold, long_ago, warm;
    linear_store(w->traces, 0, EPISODES, STEPS, NULL);
    w->fit.epochs = 1;
    begin(w);
    OK(learn(w, 1, false, &cold));
    w->fit.epochs = 30;
    OK(learn(w, 0, false, &long_ago));
    w->fit.epochs = 1;
    w->fit.lr = w->fit.lr_end = 1e-4;
    OK(learn(w, 0, true, &warm));
    assert_true(warm.valid[0] < 1.05 * long_ago.valid[long_ago.n - 1]);
    assert_true(cold.valid[0] > 1.5 * warm.valid[0]);
}

/* No pass is better than what there was: it is kept, as if nothing had been learned. */
static void test_warm_start_is_kept(void **state)
{
    struct twin_fixture *w = *state;
    struct observed observed;
    linear_store(w->traces, 0, EPISODES, STEPS, NULL);
    w->fit.epochs = 10;
    begin(w);
    OK(learn(w, 0, false, &observed));
    const struct member *m = &w->model.ensemble.members[0];
    const size_t n = w->model.ensemble.mlp.n_params;
    const double error = m->error;
    float *params = ARENA_NEW(&w->scene.arena, n, float);
    memcpy(params, m->params, n * sizeof *params);
    w->fit.patience = 3;
    w->fit.lr = w->fit.lr_end = 0.1;
    OK(learn(w, 0, true, &observed));
    assert_int_equal(observed.n, 3);
    assert_true(observed.valid[0] > error && observed.valid[1] > error &&
                observed.valid[2] > error);
    assert_int_equal(m->epochs, 0);
    assert_true(m->error == error);
    assert_memory_equal(m->params, params, n * sizeof *params);
}

static void test_not_a_number(void **state)
{
    struct twin_fixture *w = *state;
    struct observed observed;
    linear_store(w->traces, 0, 8, STEPS, NULL);
    w->fit.lr = 1e30;
    begin(w);
    assert_int_equal(learn(w, 0, false, &observed), ERR_NUMERIC);
    assert_non_null(strstr(w->scene.log.last, "lower fit.lr"));
}

/* ---- rows that are prepared ---- */

/* Every seventh value of a column was not measured. */
static void with_gaps(struct linear_episode *m, int number)
{
    for (int t = number % 7; t <= m->e.n_steps; t += 7) {
        const int bit = t * LINEAR_S + WEB_CPU;
        m->gaps[bit / 8] = (uint8_t)(m->gaps[bit / 8] | 1 << bit % 8);
        m->e.gaps = m->gaps;
    }
}

/* What fit_rows.h says of row i, computed anew. */
static void assert_row(struct twin_fixture *w, const struct fit_rows *r, int i, int row)
{
    const struct ensemble *e = &w->model.ensemble;
    float raw[64], in[64], target[64];
    assert_true(r->n_in <= 64 && r->n_target <= 64);
    dataset_input(raw, &w->model.data, row);
    dataset_target(target, &w->model.data, row);
    ensemble_residual(e, target, target, raw);
    ensemble_normalise(e, in, raw);
    assert_memory_equal(fit_rows_input(r, i), in, (size_t)r->n_in * sizeof *in);
    assert_memory_equal(fit_rows_target(r, i), target, (size_t)r->n_target * sizeof *target);
}

static void test_rows(void **state)
{
    struct twin_fixture *w = *state;
    const struct dataset *d = &w->model.data;
    struct fit_rows all, some;
    linear_store(w->traces, 0, 12, STEPS, with_gaps);
    begin(w);
    const int n = d->n_at[STORE_TRAIN], *first = d->at[STORE_TRAIN];
    OK(fit_rows_init(&all, &w->scratch, &w->model.ensemble, n));
    OK(fit_rows_init(&some, &w->scratch, &w->model.ensemble, 20));
    fit_rows_fill(&all, &w->model.ensemble, d, first, n);
    int unknown = 0;
    for (int i = 0; i < n; i++) {
        assert_row(w, &all, i, first[i]);
        unknown += isnan(fit_rows_target(&all, i)[0]);
    }
    assert_in_range(unknown, n / 10, n / 5); /* or the gaps show nothing */
    uint32_t pick[20];
    for (uint32_t i = 0; i < 20; i++) {
        pick[i] = (i * 37 + 11) % (uint32_t)n;
    }
    fit_rows_gather(&some, &all, pick, 20);
    for (int i = 0; i < 20; i++) {
        assert_row(w, &some, i, first[pick[i]]);
    }
}

/* ---- the same again ---- */

static void put(struct buf *out, struct twin_fixture *w, int member, uint64_t seed)
{
    struct observed observed;
    w->fit.seed = seed;
    OK(learn(w, member, false, &observed));
    out->len = 0;
    OK(model_put_member(out, &w->model, member));
}

static void test_determinism(void **state)
{
    struct twin_fixture *w = *state;
    struct buf a, b;
    buf_init(&a);
    buf_init(&b);
    linear_store(w->traces, 0, 12, STEPS, NULL);
    begin(w);
    put(&a, w, 0, 1);
    put(&b, w, 1, 1);
    assert_true(a.len != b.len || memcmp(a.data, b.data, a.len) != 0); /* members differ */
    put(&b, w, 0, 2);
    assert_true(a.len != b.len || memcmp(a.data, b.data, a.len) != 0); /* seeds do */
    put(&b, w, 0, 1);
    assert_int_equal(a.len, b.len);
    assert_memory_equal(a.data, b.data, a.len);
    buf_release(&a);
    buf_release(&b);
}

/* The bits of fitted weights, with every instruction set and compiler: a minibatch of more rows
 * than a block of the network, a last one that is shorter, targets that were not measured. */
static void test_golden(void **state)
{
    struct twin_fixture *w = *state;
    struct observed observed;
    linear_store(w->traces, 0, 12, STEPS, with_gaps);
    w->fit.batch = 80;
    begin(w);
    OK(learn(w, 1, false, &observed));
    const struct member *m = &w->model.ensemble.members[1];
    uint64_t h = HASH_START;
    for (size_t i = 0; i < w->model.ensemble.mlp.n_params; i++) {
        uint32_t bits;
        memcpy(&bits, &m->params[i], sizeof bits);
        h = hash_word(h, bits);
    }
    print_message("digest %016llx, error %.17g\n", (unsigned long long)h, m->error);
    assert_true(h == 0x95df3fb8d81e00d4U);
}

#define TEST_(name) cmocka_unit_test_setup_teardown(name, twin_fixture_setup, twin_fixture_teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_(test_gradient),     TEST_(test_noise_floor), TEST_(test_direct),
        TEST_(test_best_is_kept), TEST_(test_warm_start),  TEST_(test_warm_start_is_kept),
        TEST_(test_not_a_number), TEST_(test_rows),        TEST_(test_determinism),
        TEST_(test_golden),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
