/* A twin of a recording as a plant: what it shows of the schema and what it does not, with services
 * in another order than the topology's; what becomes of unknown loads and columns. */
#include "core/twin/shown.h"

#include "core/plant/schema.h"
#include "core/scenario/schedule.h"
#include "core/twin/twin.h"
#include "tests/unit/heard.h"
#include "tests/unit/twin_fixture.h"

enum { EPISODES = 24, STEPS = 20 };

/* ---- recordings: the linear system without its counters ---- */

static struct linear_episode episode;
static uint8_t load_gaps[STEPS / 8 + 1];

/* What of an episode is missing. */
struct missing {
    int load;    /* of 10 loads */
    int web_cpu; /* of 10 values */
};

static void set_bit(uint8_t *bits, int i)
{
    bits[i / 8] |= (uint8_t)(1U << (i % 8));
}

static void leave_out(const struct missing *missing)
{
    memset(load_gaps, 0, sizeof load_gaps);
    for (int t = 0; t <= STEPS; t++) {
        if (t < STEPS && t % 10 < missing->load) {
            set_bit(load_gaps, t);
            episode.load[t] = 0.0F;
        }
        if (t % 10 < missing->web_cpu) {
            set_bit(episode.gaps, t * LINEAR_S + WEB_CPU);
            episode.state[t * LINEAR_S + WEB_CPU] = 0.0F;
        }
    }
    episode.e.gaps = missing->web_cpu > 0 ? episode.gaps : NULL;
    episode.e.load_gaps = missing->load > 0 ? load_gaps : NULL;
}

static void record(const char *path, const struct missing *missing)
{
    struct store_header h = linear_header();
    struct store_writer out;
    h.plant = "recording";
    h.n_truths = 0;
    (void)unlink(path);
    OK(store_create(&out, path, &h));
    for (int i = 0; i < EPISODES; i++) {
        linear_play(&episode, i, STEPS);
        leave_out(missing);
        OK(store_fixture_put(&out, &h, &episode.e));
    }
    OK(store_finish(&out));
}

/* ---- the plant ---- */

struct fixture {
    struct twin_fixture w;
    struct service_cfg services[LINEAR_N]; /* db first: the recording has it second */
    struct topology_cfg topology_cfg;
    struct plant_cfg cfg;
    struct topology topology;
    struct schedule schedule;
    struct plant *plant;
};
enum { DB, WEB };

static void open_with(struct fixture *f, const struct missing *missing)
{
    static const char *calls[] = {"db"};
    struct arena *arena = &f->w.scene.arena;
    memset(f, 0, sizeof *f);
    OK(twin_fixture_open(&f->w) == 0 ? ERR_OK : ERR_IO);
    f->w.fit.predict = PREDICT_DIRECT;
    record(f->w.traces, missing);
    twin_fixture_save(&f->w);
    OK(model_load(&f->w.model, arena, &f->w.use, f->w.file));
    for (int i = 0; i < LINEAR_N; i++) {
        f->services[i] = (struct service_cfg){.name = i == DB ? "db" : "web",
                                              .cpu_m = 100,
                                              .ram_mib = 10,
                                              .capacity_rps = 10,
                                              .min_replicas = 1,
                                              .max_replicas = 6,
                                              .initial_replicas = 3,
                                              .entry = i == WEB,
                                              .cv = 1};
    }
    f->services[WEB].calls = calls;
    f->services[WEB].n_calls = 1;
    f->topology_cfg = (struct topology_cfg){.services = f->services,
                                            .n_services = LINEAR_N,
                                            .node_cpu_m = 16000,
                                            .node_ram_mib = 32768,
                                            .limit_ratio = 1,
                                            .demand_scale = 1,
                                            .queue_per_pod = 100,
                                            .slots_per_pod = 64};
    f->cfg = (struct plant_cfg){.period_s = LINEAR_PERIOD_S,
                                .lag_s = 7.5,
                                .latency_max_ms = 200,
                                .headroom_target = 0.7,
                                .alpha = 3};
    OK(topology_init(&f->topology, arena, &f->topology_cfg, NULL));
    OK(schedule_init(&f->schedule, arena, 400));
    f->schedule.n_seconds = 400;
    for (int t = 0; t < 400; t++) {
        f->schedule.legit_rps[t] = t < 30 ? 40.0F : 60.0F;
    }
}

static void build(struct fixture *f)
{
    OK(twin_check(&f->w.model, &f->topology, &f->cfg, "twin"));
    OK(twin_new(&f->plant, &f->w.scene.arena, &f->w.model, &f->cfg, &f->topology, 2));
}

static void reset(struct fixture *f, const struct schedule *schedule)
{
    for (int i = 0; i < 2; i++) {
        const struct episode_id id = {.seed = 3, .split = RNG_TRAIN, .env = (uint32_t)i};
        OK(plant_reset(f->plant, i, &id, schedule, STEPS));
    }
}

static float value(const struct fixture *f, int service, enum service_feature c)
{
    return plant_state(f->plant, 0)[state_service_at(service, c)];
}

static float front(const struct fixture *f, enum global_feature c)
{
    return plant_state(f->plant, 0)[state_global_at(LINEAR_N, c)];
}

static bool unknown(const struct fixture *f, int column)
{
    return isinf(plant_age_s(f->plant, 0, column));
}

/* ---- tests ---- */

static void test_columns(void **state)
{
    static const struct missing none = {0, 0};
    static struct fixture f;
    (void)state;
    open_with(&f, &none);
    build(&f);
    assert_int_equal(f.plant->n_state, state_size(LINEAR_N));
    assert_true(plant_can(f.plant, PLANT_DRIVEN) && !plant_can(f.plant, PLANT_EXACT));
    assert_null(plant_truth(f.plant, 0));
    reset(&f, &f.schedule);
    for (int i = 0; i < LINEAR_N; i++) {
        assert_true(value(&f, i, SF_ID) == (float)i);
        assert_true(value(&f, i, SF_DEPLOYED) == value(&f, i, SF_DESIRED));
        assert_false(unknown(&f, state_service_at(i, SF_CPU)));
        assert_true(unknown(&f, state_service_at(i, SF_READY)));
        assert_true(unknown(&f, state_service_at(i, SF_LATENCY)));
        assert_true(value(&f, i, SF_LATENCY) == 0.0F);
    }
    assert_false(unknown(&f, state_global_at(LINEAR_N, GF_ENTRY_5S)));
    assert_true(unknown(&f, state_global_at(LINEAR_N, GF_ANSWERED)));
    assert_true(front(&f, GF_ENTRY_5S) == 40.0F); /* as if it had been offered before */
    const int32_t delta[2 * LINEAR_N] = {[DB] = 2, [WEB] = -1};
    const float db = value(&f, DB, SF_DESIRED), web = value(&f, WEB, SF_DESIRED);
    for (int i = 0; i < 3; i++) { /* the bounds stop both */
        OK(plant_step(f.plant, delta, NULL, NULL));
        assert_true(value(&f, DB, SF_DESIRED) == fminf(6.0F, db + 2.0F * (float)(i + 1)));
        assert_true(value(&f, WEB, SF_DESIRED) == fmaxf(1.0F, web - (float)(i + 1)));
    }
    assert_true(front(&f, GF_ENTRY_5S) == 60.0F);
    assert_true(plant_clock_s(f.plant, 0) == 3.0 * LINEAR_PERIOD_S);
    twin_fixture_close(&f.w);
}

static void test_outcomes(void **state)
{
    static const struct missing none = {0, 0};
    static struct fixture f;
    struct plant_outcomes o;
    (void)state;
    open_with(&f, &none);
    build(&f);
    reset(&f, &f.schedule);
    plant_outcomes(&o, f.plant, 0);
    assert_int_equal(o.known, 1U << OUTCOME_RECEIVED | 1U << OUTCOME_PODS |
                                  1U << OUTCOME_REQUESTED | 1U << OUTCOME_USED |
                                  1U << OUTCOME_HEADROOM);
    assert_true(o.value[OUTCOME_PODS] ==
                (double)(value(&f, DB, SF_DESIRED) + value(&f, WEB, SF_DESIRED)));
    assert_true(o.value[OUTCOME_REQUESTED] == 100.0 * o.value[OUTCOME_PODS]);
    assert_true(o.value[OUTCOME_HEADROOM] > 0.0 && o.value[OUTCOME_HEADROOM] <= 1.0);
    twin_fixture_close(&f.w);
}

/* A load that is missing now and then goes on; one that is missing mostly is unknown. */
static void test_loads(void **state)
{
    static const struct missing some = {4, 0}, most = {6, 0};
    static struct fixture f;
    (void)state;
    open_with(&f, &some);
    build(&f);
    assert_true(f.w.model.data.loaded);
    for (int t = 11; t < 14; t++) { /* of the first episode */
        assert_true(f.w.model.data.load[t] == f.w.model.data.load[9]);
    }
    twin_fixture_close(&f.w);
    open_with(&f, &most);
    build(&f);
    assert_false(f.w.model.data.loaded);
    for (int row = 0; row < f.w.model.data.n_rows; row++) {
        assert_true(f.w.model.data.load[row] == 0.0F);
    }
    assert_false(plant_can(f.plant, PLANT_DRIVEN));
    reset(&f, NULL);
    const int32_t delta[2 * LINEAR_N] = {0};
    OK(plant_step(f.plant, delta, NULL, NULL));
    twin_fixture_close(&f.w);
}

static void test_columns_that_are_mostly_missing(void **state)
{
    static const struct missing some = {0, 4}, most = {0, 6};
    static struct fixture f;
    (void)state;
    open_with(&f, &some);
    build(&f);
    assert_true(f.w.model.data.held[WEB_CPU] != 0);
    const int n_target = f.w.model.features.n_target;
    twin_fixture_close(&f.w);
    open_with(&f, &most);
    build(&f);
    assert_true(f.w.model.data.held[WEB_CPU] == 0);
    assert_int_equal(f.w.model.features.n_target, n_target - 1);
    reset(&f, &f.schedule);
    assert_true(unknown(&f, state_service_at(WEB, SF_CPU)));
    assert_false(unknown(&f, state_service_at(DB, SF_CPU)));
    assert_true(value(&f, WEB, SF_CPU) == 0.0F);
    twin_fixture_close(&f.w);
}

static void test_another_service(void **state)
{
    static const struct missing none = {0, 0};
    static struct fixture f;
    static struct heard heard;
    (void)state;
    open_with(&f, &none);
    f.services[DB].name = "cache";
    heard_begin(&heard);
    assert_int_equal(twin_check(&f.w.model, &f.topology, &f.cfg, "twin"), ERR_MISMATCH);
    heard_end();
    assert_non_null(strstr(heard.last, "has no service 'cache'"));
    f.services[DB].name = "db";
    for (int row = 0; row < f.w.model.data.n_rows; row++) {
        f.w.model.data.delta[row * LINEAR_N + 1] = 0; /* db is the second there */
    }
    heard_begin(&heard);
    assert_int_equal(twin_check(&f.w.model, &f.topology, &f.cfg, "twin"), ERR_MISMATCH);
    heard_end();
    assert_non_null(strstr(heard.last, "what scaling 'db' does"));
    f.services[DB].min_replicas = f.services[DB].max_replicas = 3;
    OK(twin_check(&f.w.model, &f.topology, &f.cfg, "twin"));
    twin_fixture_close(&f.w);
}

/* The replicas of db stay at `replicas` in all episodes. */
static void never_scale_db(struct fixture *f, float replicas)
{
    struct dataset *d = &f->w.model.data;
    for (int row = 0; row < d->n_rows; row++) {
        d->delta[row * LINEAR_N + 1] = 0;
        d->state[row * LINEAR_S + DB_DESIRED] = replicas;
    }
}

/* Replicas that were never recorded are warned of; a number to set is one that can be set. */
static void test_replicas(void **state)
{
    static const struct missing none = {0, 0};
    static struct fixture f;
    (void)state;
    open_with(&f, &none);
    heard_forget(&f.w.scene.log);
    OK(twin_check(&f.w.model, &f.topology, &f.cfg, "twin"));
    assert_int_equal(f.w.scene.log.n, 0);
    f.services[DB].max_replicas = 9;
    OK(twin_check(&f.w.model, &f.topology, &f.cfg, "twin"));
    assert_int_equal(f.w.scene.log.n, 1);
    assert_non_null(strstr(f.w.scene.log.last, "1 to 6 replicas of 'db', and the topology allows "
                                               "1 to 9"));
    never_scale_db(&f, 3.0F);
    assert_int_equal(twin_check(&f.w.model, &f.topology, &f.cfg, "twin"), ERR_MISMATCH);
    assert_non_null(
        strstr(f.w.scene.log.last, "set its min_replicas, max_replicas and initial_replicas to 3"));
    never_scale_db(&f, 0.0F);
    assert_int_equal(twin_check(&f.w.model, &f.topology, &f.cfg, "twin"), ERR_MISMATCH);
    assert_non_null(strstr(f.w.scene.log.last, "0 replicas throughout"));
    assert_null(strstr(f.w.scene.log.last, "replicas to 0"));
    twin_fixture_close(&f.w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_columns),
        cmocka_unit_test(test_outcomes),
        cmocka_unit_test(test_loads),
        cmocka_unit_test(test_columns_that_are_mostly_missing),
        cmocka_unit_test(test_another_service),
        cmocka_unit_test(test_replicas),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
