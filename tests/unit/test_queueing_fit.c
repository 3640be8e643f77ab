/* The fit of a queueing twin finds the parameters of the simulator from its traces, looks at no
 * capacity of the configuration, and refuses traces that cannot tell. */
#include "core/twin/twin.h"
#include "tests/unit/twin_cluster.h"

enum { FLOOD_EPISODES = 30, FEW_EPISODES = 8 };

/* Floods on the diamond of compared.yaml; explored, so that replicas change. */
static struct twin_cluster fixture;
static struct queueing_errors errors;

static void collect(struct twin_cluster *c, const char *rule_text, int n)
{
    const struct controller_cfg rule = controller_text(&c->x.arena, rule_text);
    struct episode episode;
    struct collector collector;
    struct controller *controller;
    struct store_writer out;
    (void)remove(c->w.traces);
    OK(episode_init(&episode, &c->x.arena, &c->x.env_setup));
    OK(collector_init(&collector, &c->x.arena, &c->x.env_setup, &episode.schedule));
    OK(controller_new(&controller, &c->x.arena, &rule, &c->x.env_setup, &c->x.rules, NULL));
    OK(store_create(&out, c->w.traces, &c->header));
    for (int i = 0; i < n; i++) {
        cluster_episode(c, &out, &episode, &collector, controller, i);
    }
    OK(store_finish(&out));
}

static enum err fit(struct twin_model *m)
{
    const struct fluid_cfg fluid = {.noise = 0.3};
    return model_fit_queueing(m, &errors, &fixture.w.scene.arena, fixture.w.traces,
                              &fixture.x.cfg.plant, &fluid, &fixture.w.fit, &fixture.w.scratch);
}

static int open_all(void **state)
{
    *state = &fixture;
    fixture = (struct twin_cluster){0};
    if (twin_fixture_open(&fixture.w) != 0 ||
        experiment_load(&fixture.x, "configs/experiments/compared.yaml", NULL, 0) != ERR_OK) {
        return -1;
    }
    fixture.header = cluster_header(&fixture);
    collect(&fixture, "explore: {random: 0.1, rule: {khpa: {target: 0.5, down_s: 0}}}",
            FLOOD_EPISODES);
    return 0;
}

static int close_all(void **state)
{
    return twin_cluster_close(*state);
}

static const struct queueing_param *service(const struct twin_model *m, int s,
                                            enum queueing_of_service which)
{
    return &m->queueing->params[queueing_at_service(s, which)];
}

static const struct queueing_param *whole(const struct twin_model *m, enum queueing_of_whole which)
{
    return &m->queueing->params[queueing_at_whole(m->queueing->n_services, which)];
}

/* Within the interval, widened by `part` of the truth for what the estimator does not see (calls
 * that are under way at the ends of a window). */
static void assert_found(const struct queueing_param *p, double truth, double part)
{
    if (!(p->lo - part * truth <= truth && truth <= p->hi + part * truth)) {
        fail_msg("%g [%g, %g] does not hold %g", p->value, p->lo, p->hi, truth);
    }
    assert_true(p->lo <= p->value && p->value <= p->hi);
}

static void test_parameters(void **state)
{
    struct twin_model m;
    const struct topology *t = &fixture.x.env_setup.topology;
    (void)state;
    OK(fit(&m));
    for (int s = 0; s < t->n_services; s++) {
        assert_found(service(&m, s, QUEUEING_DEMAND), t->demand_s[s], 0.005);
        assert_found(service(&m, s, QUEUEING_VISITS), t->visits[s], 0.005);
        assert_found(service(&m, s, QUEUEING_USABLE), 1.0, 0.01);
    }
    assert_found(whole(&m, QUEUEING_START), fixture.x.cfg.cluster.start_s, 0.02);
    assert_found(whole(&m, QUEUEING_START_SD), fixture.x.cfg.cluster.start_sd_s, 0.1);
    assert_found(whole(&m, QUEUEING_LAG), fixture.x.cfg.plant.lag_s, 0.02);
    assert_found(whole(&m, QUEUEING_SERVERS), 1.0, 0.15);
    assert_found(whole(&m, QUEUEING_POD_MIB), fixture.x.cfg.cluster.ram_base_mib, 0.1);
    assert_found(whole(&m, QUEUEING_CALL_KBIT), fixture.x.cfg.cluster.bytes_per_call * 8e-3, 0.01);
    assert_true(errors.n_episodes > 0 && errors.in_time < 0.06);
}

/* The traces become those of another topology, with the same episodes. */
static void copy_as(const char *topology)
{
    struct arena *arena = &fixture.w.scene.arena;
    struct store_header h = fixture.header;
    struct store_episode e;
    struct store_writer out;
    struct store in;
    h.topology = topology;
    OK(store_open(&in, arena, fixture.w.traces));
    (void)remove(fixture.w.other);
    OK(store_create(&out, fixture.w.other, &h));
    for (int i = 0; i < in.n_episodes; i++) {
        OK(store_read(&e, &in, i, arena));
        OK(store_fixture_put(&out, &h, &e));
    }
    OK(store_finish(&out));
    store_close(&in);
    assert_int_equal(rename(fixture.w.other, fixture.w.traces), 0);
}

/* Traces that claim other capacities in their topology give the same twin. */
static void test_no_capacity(void **state)
{
    struct twin_model a, b;
    struct arena *arena = &fixture.w.scene.arena;
    (void)state;
    OK(fit(&a));
    const char *text = fixture.header.topology, *at = strstr(text, "capacity_rps: 100");
    assert_non_null(at);
    copy_as(arena_printf(arena, "%.*scapacity_rps: 900%s", (int)(at - text), text,
                         at + strlen("capacity_rps: 100")));
    OK(fit(&b));
    assert_true(b.topology->pod_rps[0] > 2.0 * a.topology->pod_rps[0]);
    assert_memory_equal(a.queueing->params, b.queueing->params,
                        (size_t)a.queueing->n * sizeof *a.queueing->params);
}

/* On the disk and back: the same parameters, the same plant; another kind is refused. */
static void test_file(void **state)
{
    struct twin_model m, back;
    struct twin_fixture *w = &fixture.w;
    struct twin_cfg use = {.file = w->file, .kind = TWIN_QUEUEING, .noise = 0.3};
    (void)state;
    OK(fit(&m));
    OK(model_save(&m, w->file, twin_fixture_digest(w, w->traces), "fit: a test\n"));
    OK(model_load(&back, &w->scene.arena, &use, w->file));
    assert_int_equal(back.digest, m.digest);
    assert_string_equal(back.fit, "fit: a test\n");
    assert_memory_equal(back.queueing->params, m.queueing->params,
                        (size_t)m.queueing->n * sizeof *m.queueing->params);
    OK(twin_check(&back, &fixture.x.env_setup.topology, &fixture.x.cfg.plant, w->file));
    use.kind = TWIN_MLP;
    assert_int_equal(model_load(&back, &w->scene.arena, &use, w->file), ERR_MISMATCH);
    assert_non_null(strstr(w->scene.log.last, "--set twin.kind=queueing"));
    m.queueing->params[0].value = -1.0;
    OK(model_save(&m, w->file, twin_fixture_digest(w, w->traces), ""));
    use.kind = TWIN_QUEUEING;
    assert_int_equal(model_load(&back, &w->scene.arena, &use, w->file), ERR_FORMAT);
    assert_non_null(strstr(w->scene.log.last, "demand_s"));
    OK(queueing_write_csv(m.queueing, w->other));
    struct buf csv;
    buf_init(&csv);
    OK(file_read(&csv, w->other, 1 << 20));
    OK(buf_append(&csv, "", 1));
    assert_non_null(strstr((const char *)csv.data, "parameter,unit,value,lo,hi\na.demand_s,s,"));
    buf_release(&csv);
}

/* Replicas that never change do not show how long a pod takes to start. */
static void test_refused(void **state)
{
    struct twin_model m;
    (void)state;
    collect(&fixture, "nothing", FEW_EPISODES);
    assert_int_equal(fit(&m), ERR_FORMAT);
    assert_non_null(strstr(fixture.w.scene.log.last, "start-up of pods cannot be seen"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parameters),
        cmocka_unit_test(test_file),
        cmocka_unit_test(test_no_capacity),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
