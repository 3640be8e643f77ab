/* The table of transitions: who is the same, who is found, how often each successor is drawn; and
 * the nearest transition against a search through all of them. */
#include "tests/unit/twin_fixture.h"

/* n transitions, each an episode of its own: the load before is the load. Row 2 i is followed by
 * row 2 i + 1. */
struct pairs {
    struct arena arena;
    struct features features;
    struct dataset d;
    struct store_header header;
    int *rows; /* (n) */
    int n;
    const char *key[3];
    struct lookup_cfg cfg;
};

static int setup(void **state)
{
    static struct pairs p;
    p = (struct pairs){.key = {"desired", "cpu"}};
    p.cfg = (struct lookup_cfg){.metrics = p.key, .n_metrics = 2, .quantum = 0.5};
    p.header = linear_header();
    arena_init(&p.arena);
    *state = &p;
    return features_init(&p.features, &p.arena, &p.header, 1) == ERR_OK ? 0 : -1;
}

static int teardown(void **state)
{
    arena_release(&((struct pairs *)*state)->arena);
    return 0;
}

static void make(struct pairs *p, int n)
{
    struct arena *a = &p->arena;
    struct dataset *d = &p->d;
    const size_t rows = 2 * (size_t)n;
    p->n = n;
    *d = (struct dataset){.features = &p->features,
                          .n_episodes = n,
                          .n_rows = 2 * n,
                          .episodes = ARENA_NEW(a, n, struct dataset_episode),
                          .state = ARENA_NEW(a, rows * LINEAR_S, float),
                          .delta = ARENA_NEW(a, rows * LINEAR_N, int32_t),
                          .attack = ARENA_NEW(a, rows * STORE_ATTACK, int32_t),
                          .load = ARENA_NEW(a, rows, float),
                          .kpi = ARENA_NEW(a, rows * FEATURES_KPIS, float),
                          .episode = ARENA_NEW(a, rows, int)};
    p->rows = ARENA_NEW(a, n, int);
    for (int i = 0; i < n; i++) {
        p->rows[i] = 2 * i;
        d->episodes[i] = (struct dataset_episode){.first_row = 2 * i, .n_steps = 1};
        d->episode[2 * i] = d->episode[2 * i + 1] = i;
    }
}

static uint32_t word(int i, uint32_t what)
{
    return rng_philox(rng_key(8, RNG_SCENARIO, RNG_TRAIN), what, (uint32_t)i, 0, 0).v[0];
}

/* Whole numbers, so that many are as far away as others. */
static void fill(struct pairs *p, int spread)
{
    for (int i = 0; i < p->n; i++) {
        for (uint32_t k = 0; k < LINEAR_S; k++) {
            p->d.state[2 * i * LINEAR_S + (int)k] =
                (float)rng_below(word(i, k), (uint32_t)(k % 2 == 0 ? 3 : spread));
        }
        p->d.delta[2 * i * LINEAR_N] = (int32_t)rng_below(word(i, 10), 3) - 1;
        p->d.load[2 * i] = (float)rng_below(word(i, 11), (uint32_t)spread);
    }
}

/* A decision that a test may change. */
struct steps_by_source {
    float state[LINEAR_S], loads[2];
    int32_t delta[LINEAR_N], attack[STORE_ATTACK];
    const float *states[1];
};

static struct features_decision as_recorded(struct steps_by_source *a, const struct pairs *p,
                                            int row)
{
    memcpy(a->state, p->d.state + (ptrdiff_t)row * LINEAR_S, sizeof a->state);
    memcpy(a->delta, p->d.delta + (ptrdiff_t)row * LINEAR_N, sizeof a->delta);
    memcpy(a->attack, p->d.attack + (ptrdiff_t)row * STORE_ATTACK, sizeof a->attack);
    a->loads[0] = a->loads[1] = p->d.load[row];
    a->states[0] = a->state;
    return (struct features_decision){
        .states = a->states, .delta = a->delta, .attack = a->attack, .loads = a->loads};
}

/* How many entries has the decision's key, and is `row` among them? */
static int found(const struct lookup *t, const struct features_decision *d, int row, bool *among)
{
    int first = 0;
    const struct lookup_key key = lookup_key(t, d);
    const int n = lookup_find(t, &key, &first);
    *among = false;
    for (int i = 0; i < n; i++) {
        *among = *among || t->entries[first + i].row == row;
        assert_memory_equal(&t->entries[first + i].key, &key, sizeof key);
    }
    return n;
}

static float next_up(float x)
{
    return nextafterf(x, INFINITY);
}

static void test_exact(void **state)
{
    struct pairs *p = *state;
    struct lookup t;
    struct steps_by_source a;
    bool among;
    make(p, 500);
    fill(p, 1000);
    p->cfg.exact = true;
    OK(lookup_init(&t, &p->arena, &p->d, p->rows, p->n, &p->cfg));
    assert_int_equal(t.n_columns, LINEAR_S);
    for (int i = 0; i < p->n; i++) {
        const struct features_decision d = as_recorded(&a, p, 2 * i);
        assert_true(found(&t, &d, 2 * i, &among) >= 1 && among);
        /* The last bit of anything is another decision. */
        float *floats[LINEAR_S + 2] = {a.state,     a.state + 1, a.state + 2, a.state + 3,
                                       a.state + 4, a.state + 5, a.loads,     a.loads + 1};
        for (int k = 0; k < LINEAR_S + 2; k++) {
            const float was = *floats[k];
            *floats[k] = next_up(was);
            assert_int_equal(found(&t, &d, 2 * i, &among), 0);
            *floats[k] = was;
        }
        a.delta[1]++;
        assert_int_equal(found(&t, &d, 2 * i, &among), 0);
        a.delta[1]--;
        a.attack[2]++;
        assert_int_equal(found(&t, &d, 2 * i, &among), 0);
    }
}

static double deviation_of(const struct pairs *p, int column)
{
    double sum = 0.0, sum2 = 0.0;
    for (int i = 0; i < p->n; i++) {
        const float *row = p->d.state + (ptrdiff_t)(2 * i) * LINEAR_S;
        const double x = (double)(column < LINEAR_S ? row[column] : p->d.load[2 * i]);
        sum += x, sum2 += x * x;
    }
    return sqrt(sum2 / p->n - sum / p->n * (sum / p->n));
}

/* A value in the middle of a step keeps its key while it moves by less than half a step. */
static void test_steps(void **state)
{
    struct pairs *p = *state;
    struct lookup t;
    struct steps_by_source a, b;
    bool among;
    make(p, 300);
    fill(p, 1000);
    OK(lookup_init(&t, &p->arena, &p->d, p->rows, p->n, &p->cfg));
    assert_int_equal(t.n_columns, 4);
    const struct features_decision d = as_recorded(&a, p, 0), moved = as_recorded(&b, p, 0);
    const double cpu = 0.5 * deviation_of(p, WEB_CPU), load = 0.5 * deviation_of(p, LINEAR_S);
    a.state[WEB_CPU] = (float)(3.0 * cpu);
    a.state[DB_CPU] = (float)(2.0 * 0.5 * deviation_of(p, DB_CPU));
    a.state[WEB_DESIRED] = 2.0F;
    a.loads[0] = a.loads[1] = (float)(5.0 * load);
    const struct lookup_key key = lookup_key(&t, &d);
    struct {
        float *at;
        float less, more; /* within, beyond */
    } moves[] = {{&b.state[WEB_CPU], (float)(0.45 * cpu), (float)(0.55 * cpu)},
                 {&b.loads[0], (float)(0.45 * load), (float)(0.55 * load)},
                 {&b.loads[1], (float)(0.45 * load), (float)(0.55 * load)},
                 {&b.state[WEB_DESIRED], 0.45F, 0.55F}};
    for (size_t i = 0; i < sizeof moves / sizeof *moves; i++) {
        for (int sign = -1; sign <= 1; sign += 2) {
            memcpy(b.state, a.state, sizeof a.state);
            memcpy(b.loads, a.loads, sizeof a.loads);
            const float was = *moves[i].at;
            *moves[i].at = was + (float)sign * moves[i].less;
            struct lookup_key k = lookup_key(&t, &moved);
            assert_memory_equal(&k, &key, sizeof k);
            *moves[i].at = was + (float)sign * moves[i].more;
            k = lookup_key(&t, &moved);
            assert_memory_not_equal(&k, &key, sizeof k);
        }
    }
    memcpy(b.state, a.state, sizeof a.state);
    memcpy(b.loads, a.loads, sizeof a.loads);
    b.state[ENTRY_30S] += 1e6F; /* in no key */
    struct lookup_key k = lookup_key(&t, &moved);
    assert_memory_equal(&k, &key, sizeof k);
    b.delta[0]++;
    k = lookup_key(&t, &moved);
    assert_memory_not_equal(&k, &key, sizeof k);
    b.state[WEB_CPU] = 1e38F; /* beyond all steps, but no undefined one */
    assert_int_equal(found(&t, &moved, 0, &among), 0);
}

/* 0.1 a thousand times: its variance is rounding noise. It tells nothing apart. */
static void test_constant(void **state)
{
    struct pairs *p = *state;
    struct lookup t;
    struct steps_by_source a;
    make(p, 1000);
    fill(p, 3);
    for (int i = 0; i < p->n; i++) {
        p->d.state[2 * i * LINEAR_S + WEB_CPU] = 0.1F;
        p->d.load[2 * i] = 33.3F;
    }
    OK(lookup_init(&t, &p->arena, &p->d, p->rows, p->n, &p->cfg));
    for (int i = 0; i < 20; i++) {
        bool among;
        const struct features_decision d = as_recorded(&a, p, 2 * i);
        a.state[WEB_CPU] = next_up(0.1F);
        a.loads[0] = next_up(33.3F);
        assert_true(found(&t, &d, 2 * i, &among) >= 1 && among);
    }
}

/* Every row is found under its key, and the key's number of entries is that of the rows that have
 * it; in whatever order they were given. */
static void test_all_of_a_key(void **state)
{
    struct pairs *p = *state;
    struct lookup t, back;
    struct steps_by_source a, b;
    make(p, 700);
    fill(p, 2);
    OK(lookup_init(&t, &p->arena, &p->d, p->rows, p->n, &p->cfg));
    int several = 0;
    for (int i = 0; i < p->n; i++) {
        bool among;
        const struct features_decision d = as_recorded(&a, p, 2 * i), e = as_recorded(&b, p, 2 * i);
        const struct lookup_key key = lookup_key(&t, &d);
        int same = 0;
        for (int k = 0; k < p->n; k++) {
            (void)as_recorded(&b, p, 2 * k);
            const struct lookup_key other = lookup_key(&t, &e);
            same += memcmp(&key, &other, sizeof key) == 0;
        }
        assert_int_equal(found(&t, &d, 2 * i, &among), same);
        assert_true(among);
        several += same > 1;
    }
    assert_true(several > 100);
    for (int i = 0; i < p->n; i++) {
        p->rows[i] = 2 * (p->n - 1 - i);
    }
    OK(lookup_init(&back, &p->arena, &p->d, p->rows, p->n, &p->cfg));
    for (int i = 0; i < p->n; i++) {
        assert_memory_equal(&back.entries[i].key, &t.entries[i].key, sizeof t.entries[i].key);
        assert_int_equal(back.entries[i].row, t.entries[i].row);
    }
}

static void test_unknown_metric(void **state)
{
    struct pairs *p = *state;
    struct lookup t;
    static struct heard log;
    heard_begin(&log);
    make(p, 3);
    p->key[1] = "mood";
    assert_int_equal(lookup_init(&t, &p->arena, &p->d, p->rows, p->n, &p->cfg), ERR_CONFIG);
    assert_non_null(strstr(log.last, "twin.key names 'mood'"));
    heard_end();
}

/* ---- successors ---- */

/* One key, seven transitions: four lead to cpu 10, two to 20, one to 30. */
static void test_frequencies(void **state)
{
    struct pairs *p = *state;
    enum { TRAJECTORIES = 7000 };
    static const float to[7] = {10, 10, 20, 10, 30, 20, 10};
    const double expected[3] = {TRAJECTORIES * 4.0 / 7.0, TRAJECTORIES * 2.0 / 7.0,
                                TRAJECTORIES / 7.0};
    const struct twin_cfg use = {.lookup = LOOKUP_QUANTISED, .successors = 7};
    const int hidden[1] = {4};
    const struct ensemble_shape shape = {.hidden = hidden, .n_hidden = 1, .n_members = 1};
    struct twin_model m = {.cfg = &use};
    struct twin_batch w;
    int count[3] = {0};
    make(p, 7);
    m.features = p->features;
    m.data = p->d;
    for (int i = 0; i < 7; i++) {
        p->d.state[(2 * i + 1) * LINEAR_S + WEB_CPU] = to[i];
    }
    OK(lookup_init(&m.table, &p->arena, &p->d, p->rows, p->n, &p->cfg));
    OK(ensemble_init(&m.ensemble, &p->arena, &m.features, &shape));
    OK(twin_batch_init(&w, &p->arena, &m, TRAJECTORIES));
    int32_t *delta = ARENA_NEW(&p->arena, TRAJECTORIES * LINEAR_N, int32_t);
    float *load = ARENA_NEW(&p->arena, TRAJECTORIES, float);
    for (int i = 0; i < TRAJECTORIES; i++) {
        const struct twin_batch_id id = {rng_key(1, RNG_TWIN, RNG_TRAIN), (uint32_t)i, 3, 0};
        twin_batch_begin(&w, i, &id, &m.data, 0);
    }
    twin_batch_step(&w, delta, NULL, load, NULL);
    assert_int_equal(w.steps_by_source[FROM_TABLE], TRAJECTORIES);
    double chi2 = 0.0;
    for (int i = 0; i < TRAJECTORIES; i++) {
        count[(int)twin_batch_state(&w, i)[WEB_CPU] / 10 - 1]++;
    }
    for (int k = 0; k < 3; k++) {
        chi2 += (count[k] - expected[k]) * (count[k] - expected[k]) / expected[k];
    }
    assert_true(chi2 < 13.8); /* two degrees of freedom: one in a thousand lies above */
}

/* ---- the nearest ---- */

static float square(float x)
{
    return x * x;
}

static int search(const struct pairs *p, const struct lookup *t, const struct features_decision *d,
                  float radius)
{
    int best = FEATURES_NONE;
    float best2 = radius * radius;
    for (int i = 0; i < p->n; i++) {
        const int row = 2 * i;
        const float *state = p->d.state + (ptrdiff_t)row * LINEAR_S;
        const bool same = state[WEB_DESIRED] == d->states[0][WEB_DESIRED] &&
                          state[DB_DESIRED] == d->states[0][DB_DESIRED] &&
                          p->d.delta[row * LINEAR_N] == d->delta[0] &&
                          p->d.delta[row * LINEAR_N + 1] == d->delta[1];
        float d2 = 0.0F;
        d2 += square(p->d.load[row] * t->load_inv - d->loads[0] * t->load_inv);
        d2 += square(p->d.load[row] * t->load_inv - d->loads[1] * t->load_inv);
        for (int k = 0; k < t->n_columns; k++) {
            const int c = t->column[k];
            d2 += square(state[c] * t->inv[k] - d->states[0][c] * t->inv[k]);
        }
        if (same && (d2 < best2 || (d2 == best2 && best == FEATURES_NONE))) {
            best = row, best2 = d2;
        }
    }
    return best;
}

static void test_nearest(void **state)
{
    struct pairs *p = *state;
    struct lookup t;
    struct twin_nearest s;
    struct steps_by_source a;
    float point[LINEAR_S + 2];
    static const float radii[] = {0.0F, 0.5F, 1.0F, 4.0F, 1000.0F};
    int none = 0, some = 0, others = 0;
    make(p, 1500);
    for (int spread = 2; spread <= 200; spread *= 10) {
        fill(p, spread);
        OK(lookup_init(&t, &p->arena, &p->d, p->rows, p->n, &p->cfg));
        OK(nearest_init(&s, &p->arena, &t, &p->d));
        for (int i = 0; i < 600; i++) {
            const float radius = radii[i % 5];
            const struct features_decision d = as_recorded(&a, p, 2 * i);
            a.state[WEB_CPU] += (float)(i % 4);
            a.loads[0] += (float)(i % 3) * 0.5F;
            a.delta[1] += i % 50 == 0;
            const int row = nearest_find(&s, &d, (double)radius, point);
            assert_int_equal(row, search(p, &t, &d, radius));
            none += row == FEATURES_NONE;
            some += row != FEATURES_NONE;
            others += row != FEATURES_NONE && row != 2 * i;
        }
    }
    assert_true(none > 100 && some > 500 && others > 100);
}

#define TEST_(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_(test_exact),        TEST_(test_steps),          TEST_(test_constant),
        TEST_(test_all_of_a_key), TEST_(test_unknown_metric), TEST_(test_frequencies),
        TEST_(test_nearest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
