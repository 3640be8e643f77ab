/* A residual twin: its queues play recorded episodes with the pods that were ready, its networks
 * learn the rest and nothing else, and what it shows depends on nobody beside it. */
#include "core/base/hash.h"
#include "core/twin/accuracy.h"
#include "core/twin/played.h"
#include "tests/unit/twin_cluster.h"

enum { FLOOD_EPISODES = 30, ENVS = 16, STEPS = 12 };

static struct twin_cluster fixture;
static struct twin_model alone;
static struct buf
    queues; /* its bytes: fitted queues, but of the second service calls cost too much */
static struct twin_cfg use;

static void collect(struct twin_cluster *c)
{
    const struct controller_cfg rule = controller_text(
        &c->x.arena, "explore: {random: 0.1, rule: {khpa: {target: 0.5, down_s: 0}}}");
    struct episode episode;
    struct collector collector;
    struct controller *controller;
    struct store_writer out;
    OK(episode_init(&episode, &c->x.arena, &c->x.env_setup));
    OK(collector_init(&collector, &c->x.arena, &c->x.env_setup, &episode.schedule));
    OK(controller_new(&controller, &c->x.arena, &rule, &c->x.env_setup, &c->x.rules, NULL));
    OK(store_create(&out, c->w.traces, &c->header));
    for (int i = 0; i < FLOOD_EPISODES; i++) {
        cluster_episode(c, &out, &episode, &collector, controller, i);
    }
    OK(store_finish(&out));
}

static void begin(struct twin_model *m, const struct twin_model *from)
{
    struct twin_fixture *w = &fixture.w;
    const struct fluid_cfg fluid = twin_fluid_cfg(&use);
    OK(model_begin_residual(m, &w->scene.arena, w->traces, &queues, &fixture.x.cfg.plant, &fluid,
                            &w->fit, from, &w->scratch));
}

/* Two networks, learned and saved as w->file. */
static void learn(struct twin_model *m)
{
    struct twin_fixture *w = &fixture.w;
    begin(m, NULL);
    for (int i = 0; i < w->fit.members; i++) {
        OK(learn_member(&m->ensemble, i, &m->data, &w->fit, false, NULL, &w->scratch));
    }
    OK(model_calibrate(m, &w->scene.arena, w->fit.noise_rows, &w->scratch));
    OK(model_save(m, w->file, twin_fixture_digest(w, w->traces), "fit: a test\n"));
}

static int open_all(void **state)
{
    static struct twin_model model;
    struct queueing_errors errors;
    struct twin_fixture *w = &fixture.w;
    *state = &fixture;
    if (twin_fixture_open(w) != 0 ||
        experiment_load(&fixture.x, "configs/experiments/compared.yaml", NULL, 0) != ERR_OK) {
        return -1;
    }
    fixture.header = cluster_header(&fixture);
    w->fit.epochs = 20;
    use = (struct twin_cfg){.file = w->file,
                            .kind = TWIN_RESIDUAL,
                            .noise = 0.3,
                            .draw = 1.0,
                            .demand_sd = 0.05,
                            .load_sd = 0.05};
    collect(&fixture);
    const struct fluid_cfg fluid = twin_fluid_cfg(&use);
    buf_init(&queues);
    OK(model_fit_queueing(&alone, &errors, &w->scene.arena, w->traces, &fixture.x.cfg.plant, &fluid,
                          &w->fit, &w->scratch));
    struct queueing_param *wrong = &alone.queueing->params[queueing_at_service(1, QUEUEING_DEMAND)];
    *wrong = (struct queueing_param){1.15 * wrong->value, 1.15 * wrong->lo, 1.15 * wrong->hi};
    OK(model_put(&queues, &alone, 0, ""));
    learn(&model);
    return 0;
}

static int close_all(void **state)
{
    buf_release(&queues);
    return twin_cluster_close(*state);
}

/* ---- what was played ---- */

/* As many pods are ready as were recorded, nearly always; the first state is the queues' own, and
 * an answer is what follows as the next state. */
static void test_played(void **state)
{
    struct twin_model m;
    (void)state;
    begin(&m, NULL);
    const struct dataset *d = &m.data;
    const struct features *s = &m.features;
    int same = 0, n = 0;
    for (int k = 0; k < d->n_at[STORE_TRAIN]; k++) {
        const size_t row = (size_t)d->at[STORE_TRAIN][k];
        const float *next = d->played + (row + 1) * (size_t)s->n_state;
        const float *answer = d->answer + row * (size_t)s->n_answer;
        for (int i = 0; i < s->n_services; i++) {
            const int at = state_service_at(i, SF_READY);
            same += d->state[(row + 1) * (size_t)s->n_state + (size_t)at] == next[at];
            n++;
        }
        for (int i = 0; i < s->n_learned; i++) {
            const int c = s->learned_at[i];
            assert_true(answer[i] == features_encode(&s->columns[c], features_value(s, c, next)));
        }
    }
    assert_true(n > 0 && same > 0.98 * n);
    assert_int_equal(s->n_answer, s->n_target);
}

/* The input ends with the answer, and a network that says nothing gives it back. */
static void test_base(void **state)
{
    struct twin_model m;
    struct twin_fixture *w = &fixture.w;
    (void)state;
    begin(&m, NULL);
    const struct features *s = &m.features;
    const int row = m.data.at[STORE_TRAIN][3];
    float *in = ARENA_NEW(&w->scratch, s->n_in, float);
    float *y = ARENA_NEW(&w->scratch, 2 * s->n_target, float);
    float *target = ARENA_NEW(&w->scratch, s->n_target, float);
    dataset_input(in, &m.data, row);
    for (int i = 0; i < s->n_target; i++) {
        y[i] = -m.ensemble.out_mean[i] / m.ensemble.out_std[i];
    }
    ensemble_answer(&m.ensemble, target, y, NULL, in);
    for (int i = 0; i < s->n_target; i++) {
        const float answer = m.data.answer[(size_t)row * (size_t)s->n_answer + (size_t)i];
        assert_true(in[features_answer_at(s) + i] == answer);
        assert_true(fabsf(target[i] - answer) <= 1e-4F * (1.0F + fabsf(answer)));
    }
}

/* ---- on the disk ---- */

static void test_file(void **state)
{
    static struct twin_model back;
    struct twin_fixture *w = &fixture.w;
    struct twin_cfg other = use;
    struct buf bytes, again;
    (void)state;
    OK(model_load(&back, &w->scene.arena, &use, w->file));
    assert_int_equal(model_kind(&back), TWIN_RESIDUAL);
    OK(twin_check(&back, &fixture.x.env_setup.topology, &fixture.x.cfg.plant, w->file));
    buf_init(&bytes);
    buf_init(&again);
    OK(file_read(&bytes, w->file, 1 << 28));
    OK(model_put(&again, &back, twin_fixture_digest(w, w->traces), "fit: a test\n"));
    assert_int_equal(bytes.len, again.len);
    assert_memory_equal(bytes.data, again.data, bytes.len);
    for (int kind = TWIN_MLP; kind <= TWIN_QUEUEING; kind++) {
        other.kind = kind;
        assert_int_equal(model_load(&back, &w->scene.arena, &other, w->file), ERR_MISMATCH);
        assert_non_null(strstr(w->scene.log.last, "--set twin.kind=residual"));
    }
    bytes.len -= 5; /* the last network is cut */
    assert_int_equal(model_read(&back, &w->scene.arena, &use, &bytes, w->file, w->traces),
                     ERR_FORMAT);
    buf_release(&bytes);
    buf_release(&again);
}

/* A refit begins where the old networks were. */
static void test_refit(void **state)
{
    static struct twin_model old, m;
    struct twin_fixture *w = &fixture.w;
    double before, after;
    (void)state;
    OK(model_load(&old, &w->scene.arena, &use, w->file));
    begin(&m, &old);
    OK(learn_error(&before, &m.ensemble, 0, &m.data, m.data.at[STORE_VALIDATION],
                   m.data.n_at[STORE_VALIDATION], &w->scratch));
    assert_true(fabs(before - old.ensemble.members[0].error) < 1e-6);
    OK(learn_member(&m.ensemble, 0, &m.data, &w->fit, true, NULL, &w->scratch));
    OK(learn_error(&after, &m.ensemble, 0, &m.data, m.data.at[STORE_VALIDATION],
                   m.data.n_at[STORE_VALIDATION], &w->scratch));
    assert_true(after <= before);
}

/* ---- what it is worth ---- */

/* Mean |gap| of the CPU used five periods ahead, on the held-out episodes of the traces. */
static double gap(struct twin_model *m, const struct twin_cfg *cfg)
{
    static struct accuracy a;
    struct twin_fixture *w = &fixture.w;
    const struct accuracy_cfg how = {
        .data = &m->data, .part = STORE_HELD_OUT, .horizon = 5, .stride = 5, .seed = 1};
    m->cfg = cfg;
    OK(accuracy_measure(&a, &w->scene.arena, m, &fixture.x.cfg.plant, &how, &w->scratch));
    return accuracy_gap(&a, PREDICTOR_TWIN, accuracy_find(&a, "cpu"), 5, WINDOW_ALL);
}

/* The networks make up for the wrong parameter. */
static void test_corrects(void **state)
{
    static struct twin_model m;
    struct twin_cfg other = use;
    (void)state;
    other.kind = TWIN_QUEUEING;
    OK(model_load(&m, &fixture.w.scene.arena, &use, fixture.w.file));
    const double with = gap(&m, &use), without = gap(&alone, &other);
    if (!(with < 0.9 * without)) {
        fail_msg("CPU used: %g mcpu off with networks, %g without", with, without);
    }
}

/* ---- as a plant ---- */

static void play(uint64_t *out, const struct twin_model *m, int first, int n)
{
    const struct env_setup *w = &fixture.x.env_setup;
    struct arena arena;
    struct plant *p;
    struct schedule schedule[ENVS];
    int32_t delta[ENVS * 4];
    arena_init(&arena);
    OK(twin_new(&p, &arena, m, w->cfg.plant, &w->topology, n));
    for (int i = 0; i < n; i++) {
        const struct episode_id id = {.seed = 4, .split = RNG_TRAIN, .env = (uint32_t)(first + i)};
        OK(schedule_init(&schedule[i], &arena, w->n_seconds));
        schedule_draw(&schedule[i], &w->scenarios[0], &id, w->n_seconds);
        OK(plant_reset(p, i, &id, &schedule[i], STEPS));
        out[first + i] = HASH_START;
    }
    for (int t = 0; t < STEPS; t++) {
        for (int i = 0; i < n * 4; i++) {
            delta[i] = (first * 4 + i + t) % 5 == 0 ? (t % 3) - 1 : 0;
        }
        OK(plant_step(p, delta, NULL, NULL));
        for (int i = 0; i < n; i++) {
            const struct plant_truth *u = plant_truth(p, i);
            out[first + i] =
                hash_fnv1a(out[first + i], plant_state(p, i), (size_t)p->n_state * sizeof(float));
            out[first + i] = hash_fnv1a(out[first + i], u, sizeof *u);
            assert_true(u->compliant <= u->answered && u->answered_legit <= u->answered);
        }
    }
    arena_release(&arena);
}

/* Tiles of one and two, of eight, all at once: the same bits; environments differ. */
static void test_tiles(void **state)
{
    static struct twin_model m;
    uint64_t whole[ENVS], parts[ENVS];
    (void)state;
    OK(model_load(&m, &fixture.w.scene.arena, &use, fixture.w.file));
    play(whole, &m, 0, ENVS);
    for (int group = 1; group < ENVS; group *= 2) {
        for (int first = 0; first < ENVS; first += group) {
            play(parts, &m, first, group);
        }
        assert_memory_equal(whole, parts, sizeof whole);
    }
    for (int i = 1; i < ENVS; i++) {
        assert_true(whole[i] != whole[0]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_played),   cmocka_unit_test(test_base),
        cmocka_unit_test(test_file),     cmocka_unit_test(test_refit),
        cmocka_unit_test(test_corrects), cmocka_unit_test(test_tiles),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
