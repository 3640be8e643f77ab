/* Residual pools: which transitions they hold, how loud they are together with the members'
 * disagreement, which ends predictions reach, and what is drawn.
 */
#include "tests/unit/twin_fixture.h"

#include "core/base/fmath.h"

enum { EPISODES = 40, STEPS = 60 };

static void assert_between(double x, double lo, double hi, const char *what)
{
    if (!(x >= lo && x <= hi)) {
        fail_msg("%s: %g, not in [%g, %g]", what, x, lo, hi);
    }
}

/* ---- what it holds ---- */

static void assert_bank(const struct residual_pool *b, int n)
{
    int followed = 0;
    assert_int_equal(b->n, n);
    for (int i = 0; i < n; i++) {
        assert_true(i == 0 || b->level[i] >= b->level[i - 1]);
        assert_true(b->next[i] >= RESIDUAL_NONE && b->next[i] < n && b->next[i] != i);
        followed += b->next[i] != RESIDUAL_NONE;
    }
    assert_true(followed > n / 2);
}

/* With room for all, every transition but an episode's last is followed by another. */
static void test_bank(void **state)
{
    struct twin_fixture *w = *state;
    linear_store(w->traces, 0, EPISODES, STEPS, NULL);
    w->fit.epochs = 2;
    twin_fixture_fit(w);
    const struct dataset *d = &w->model.data;
    const int n = d->n_at[STORE_VALIDATION];
    const struct residual_pool *b = &w->model.ensemble.members[1].residuals;
    assert_bank(b, n);
    int ends = 0;
    for (int i = 0; i < n; i++) {
        ends += b->next[i] == RESIDUAL_NONE;
    }
    assert_int_equal(ends, n / STEPS);
}

/* The second half of the episodes is much noisier in one column. */
static void noisy_half(struct linear_episode *m, int number)
{
    for (int t = 1; number >= EPISODES / 2 && t <= STEPS; t++) {
        m->state[t * LINEAR_S + ENTRY_30S] += (t * 7 + number) % 2 == 0 ? 300.0F : -300.0F;
    }
}

/* Without room for all, both halves are in it. */
static void test_bank_spread(void **state)
{
    struct twin_fixture *w = *state;
    linear_store(w->traces, 0, EPISODES, STEPS, noisy_half);
    w->fit.noise_rows = 100;
    w->fit.epochs = 1;
    w->fit.lr = w->fit.lr_end = 1e-6; /* nothing is learned, so noise stays noise */
    twin_fixture_fit(w);
    const struct dataset *d = &w->model.data;
    const struct residual_pool *b = &w->model.ensemble.members[0].residuals;
    const int n_target = w->model.features.n_target, n_valid = d->n_at[STORE_VALIDATION];
    int loud = 0, loud_there = 0;
    assert_true(n_valid > 400 && b->n <= 100 && b->n > 75);
    assert_bank(b, b->n);
    for (int i = 0; i < b->n; i++) {
        loud += fabsf(b->z[(ptrdiff_t)i * n_target + 2]) > 0.5F;
    }
    for (int i = 0; i < n_valid; i++) {
        loud_there += d->episode[d->at[STORE_VALIDATION][i]] >= EPISODES / 2;
    }
    const double want = (double)loud_there / n_valid, got = (double)loud / b->n;
    assert_between(got, want - 0.25, want + 0.25, "share of the noisy half");
}

/* ---- how loud it is ---- */

/* What the members say of one transition, and what was true; coordinates. */
struct said {
    float *in, *y, *work, *truth, *one, *mean;
    int32_t previous[ENSEMBLE_MEMBERS_MAX];
};

static struct said said_init(struct twin_fixture *w)
{
    const struct ensemble *e = &w->model.ensemble;
    const int n = w->model.features.n_target;
    return (struct said){ARENA_NEW(&w->scene.arena, w->model.features.n_in, float),
                         ARENA_NEW(&w->scene.arena, e->n_members * 2 * n, float),
                         ARENA_NEW(&w->scene.arena, ensemble_work_floats(e, 1), float),
                         ARENA_NEW(&w->scene.arena, n, float),
                         ARENA_NEW(&w->scene.arena, n, float),
                         ARENA_NEW(&w->scene.arena, n, float),
                         {0}};
}

static void ask(struct said *s, const struct twin_model *m, int row)
{
    const int n = m->features.n_target;
    dataset_input(s->in, &m->data, row);
    dataset_target(s->truth, &m->data, row);
    memset(s->mean, 0, (size_t)n * sizeof *s->mean);
    for (int k = 0; k < m->ensemble.n_members; k++) {
        float *y = s->y + (ptrdiff_t)k * 2 * n;
        ensemble_predict(&m->ensemble, k, y, s->in, 1, s->work);
        ensemble_answer(&m->ensemble, s->one, y, NULL, s->in);
        for (int i = 0; i < n; i++) {
            s->mean[i] += s->one[i] / (float)m->ensemble.n_members;
        }
    }
}

/* One trajectory of member k, drawn at random, into s->one. */
static void draw_world(struct said *s, const struct twin_model *m, int k, uint32_t number)
{
    const struct residual_pool *b = &m->ensemble.members[k].residuals;
    const int n = m->features.n_target;
    const float *y = s->y + (ptrdiff_t)k * 2 * n;
    const struct rng_block u =
        rng_philox(rng_key(3, RNG_TWIN, RNG_TRAIN), number, (uint32_t)k, 0, 0);
    const int row = residual_pool_draw(b, RESIDUAL_NONE, ensemble_level(&m->ensemble, y),
                                       rng_f64(u.v[0], u.v[1]));
    ensemble_answer(&m->ensemble, s->one, y, b->z + (ptrdiff_t)row * n, s->in);
}

/* Members that hardly agree, and the noise of the cluster: together they deviate from the members'
 * mean as far as the truth does, not further. With noise as it was found it would be 1.3 times as
 * far. */
static void test_shrunk(void **state)
{
    struct twin_fixture *w = *state;
    linear_store(w->traces, 0, EPISODES, STEPS, NULL);
    w->fit.members = 4;
    w->fit.lr = w->fit.lr_end = 0.01; /* they jump about */
    w->fit.epochs = 1;
    twin_fixture_fit(w);
    const struct twin_model *m = &w->model;
    const struct dataset *d = &m->data;
    struct said s = said_init(w);
    double truth[3] = {0.0}, batch[3] = {0.0};
    for (int i = 0; i < d->n_at[STORE_VALIDATION]; i++) {
        ask(&s, m, d->at[STORE_VALIDATION][i]);
        for (int k = 0; k < m->ensemble.n_members; k++) {
            draw_world(&s, m, k, (uint32_t)i);
            for (int t = 0; t < 3; t++) {
                batch[t] += fabs((double)(s.one[t] - s.mean[t]));
                truth[t] += fabs((double)(s.truth[t] - s.mean[t]));
            }
        }
    }
    for (int t = 0; t < 3; t++) {
        assert_between(batch[t] / truth[t], 0.9, 1.05, "trajectories / truth");
    }
}

/* ---- ends ---- */

/* What is below 60 is shown as 60, as a counter that cannot be negative shows 0. */
static void floor_of_60(struct linear_episode *m, int number)
{
    (void)number;
    for (int t = 1; t <= STEPS; t++) {
        float *x = &m->state[t * LINEAR_S + ENTRY_30S];
        *x = *x < 60.0F ? 60.0F : *x;
    }
}

/* Predictions are at such an end as often as the truth; where few are, the end is the limit. */
static void test_ends(void **state)
{
    struct twin_fixture *w = *state;
    linear_store(w->traces, 0, EPISODES, STEPS, floor_of_60);
    w->fit.epochs = 5;
    twin_fixture_fit(w);
    const struct twin_model *m = &w->model;
    const struct dataset *d = &m->data;
    const int n = d->n_at[STORE_VALIDATION], entry = 2;
    const struct features_column *c = &m->features.columns[ENTRY_30S];
    const struct features_column *web = &m->features.columns[WEB_CPU];
    struct said s = said_init(w);
    int true_at = 0, said_at = 0;
    assert_int_equal(m->features.learned_at[entry], ENTRY_30S);
    for (int i = 0; i < n; i++) {
        ask(&s, m, d->at[STORE_VALIDATION][i]);
        draw_world(&s, m, 0, (uint32_t)i);
        true_at += s.truth[entry] == features_encode(c, 60.0F);
        said_at += features_decode(c, s.one[entry]) == 60.0F;
    }
    assert_true(c->lo == 60.0F && c->least > c->lo && c->most == c->hi);
    assert_true(web->least == web->lo && web->most == web->hi);
    assert_true(true_at > n / 5 && true_at < n);
    assert_between((double)said_at / true_at, 0.9, 1.1, "at the end, said / true");
}

/* A column of which networks see the root, and which is shown as 445 where it is more: the root of
 * that, squared in floats, is less. */
static void test_end_that_is_no_square(void **state)
{
    struct twin_fixture *w = *state;
    static struct linear_episode m;
    const char *columns[LINEAR_S];
    struct store_header h = linear_header();
    struct store_writer to;
    memcpy(columns, linear_columns, sizeof columns);
    columns[DB_CPU] = "db.util_10s";
    h.columns = columns;
    OK(store_create(&to, w->traces, &h));
    for (int i = 0; i < EPISODES; i++) {
        linear_play(&m, i, STEPS);
        for (int t = 0; t <= STEPS; t++) {
            float *x = &m.state[t * LINEAR_S + DB_CPU];
            *x = *x > 445.0F ? 445.0F : *x;
        }
        OK(store_fixture_put(&to, &h, &m.e));
    }
    OK(store_finish(&to));
    twin_fixture_fit(w);
    const struct features_column *c = &w->model.features.columns[DB_CPU];
    const float root = features_encode(c, 445.0F);
    assert_true(c->root && root * root < 445.0F);
    assert_true(c->hi == 445.0F && c->most < c->hi);
}

/* ---- drawing ---- */

enum { ROWS = 64 };

/* Level i at row i; row i is followed by i + 1, the last by none. */
static struct residual_pool ladder(float level[ROWS], int32_t next[ROWS], int n)
{
    for (int i = 0; i < n; i++) {
        level[i] = (float)i;
        next[i] = i + 1 < n ? i + 1 : RESIDUAL_NONE;
    }
    return (struct residual_pool){.n = n, .level = level, .next = next};
}

static void test_draw(void **state)
{
    (void)state;
    float level[ROWS];
    int32_t next[ROWS];
    const struct residual_pool b = ladder(level, next, ROWS);
    for (int i = 0; i + 1 < ROWS; i++) {
        for (int at = -3; at < ROWS + 3; at++) {
            const float l = (float)at + 0.5F;
            int count[ROWS] = {0};
            for (int k = 0; k < 64; k++) {
                count[residual_pool_draw(&b, i, l, (k + 0.5) / 64)]++;
            }
            const int rank = at < 0 ? 0 : at + 1 > ROWS ? ROWS : at + 1;
            const int lo = rank - 4 > 0 ? rank - 4 : 0, hi = rank + 4 < ROWS ? rank + 4 : ROWS;
            if (next[i] >= lo && next[i] < hi) {
                assert_int_equal(count[next[i]], 64); /* it lasts */
                continue;
            }
            for (int row = 0; row < ROWS; row++) {
                const bool near = row >= lo && row < hi;
                assert_true(near ? abs(count[row] - 64 / (hi - lo)) <= 1 : count[row] == 0);
            }
        }
    }
    /* The first draw follows nobody; the end of an episode is followed by a draw. */
    assert_int_equal(residual_pool_draw(&b, RESIDUAL_NONE, 10.5F, 0.0), 7);
    assert_int_equal(residual_pool_draw(&b, ROWS - 1, 10.5F, 0.999999), 14);
}

static void test_small_banks(void **state)
{
    (void)state;
    float level[ROWS];
    int32_t next[ROWS];
    for (int n = RESIDUAL_POOL_MIN; n <= 20; n++) {
        const struct residual_pool b = ladder(level, next, n);
        for (int previous = RESIDUAL_NONE; previous < n; previous++) {
            for (float l = -2.0F; l < (float)n + 2.0F; l += 0.5F) {
                for (int k = 0; k <= 10; k++) {
                    const int row =
                        residual_pool_draw(&b, previous, l, k < 10 ? k / 10.0 : 1.0 - 0x1p-53);
                    assert_true(row >= 0 && row < n);
                    assert_true(fabsf((float)row - l) <= 1.0F || l < 0.0F || l > (float)n - 1.0F);
                }
            }
        }
    }
}

/* Rows of one level are all as near. */
static void test_ties(void **state)
{
    (void)state;
    float level[ROWS];
    int32_t next[ROWS];
    struct residual_pool b = ladder(level, next, ROWS);
    int count[ROWS] = {0};
    for (int i = 0; i < ROWS; i++) {
        level[i] = -7.0F;
    }
    for (int k = 0; k < ROWS; k++) {
        count[residual_pool_draw(&b, RESIDUAL_NONE, -7.0F, (k + 0.5) / ROWS)]++;
    }
    for (int i = 0; i < ROWS; i++) {
        assert_int_equal(count[i], 1);
    }
}

#define TEST_(name) cmocka_unit_test_setup_teardown(name, twin_fixture_setup, twin_fixture_teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_(test_bank),
        TEST_(test_bank_spread),
        TEST_(test_shrunk),
        TEST_(test_ends),
        TEST_(test_end_that_is_no_square),
        TEST_(test_draw),
        TEST_(test_small_banks),
        TEST_(test_ties),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
