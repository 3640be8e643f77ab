/* The live plant on recorded readings: what answers become, what absence and ages mean, readings
 * that fail, writes that are refused, and the shield and the stages above it. */
#include "core/transfer/live.h"
#include "core/transfer/stage.h"
#include "tests/unit/heard.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct root {
    struct topology_cfg topology;
    struct plant_cfg plant;
    struct shield_cfg shield;
    struct metrics_cfg metrics;
};
static const struct cfg_field root_fields[] = {
    CFG_TABLE(struct root, topology, topology_fields, "services and node"),
    CFG_TABLE(struct root, plant, plant_fields, "periods"),
    CFG_TABLE(struct root, shield, shield_fields, "limits"),
    CFG_TABLE(struct root, metrics, metrics_fields, "queries"),
    CFG_END,
};

static const char base[] =
    "topology: {services: [{name: web, entry: true, calls: [db], cpu_m: 500, capacity_rps: 100,"
    " min_replicas: 1, max_replicas: 9, initial_replicas: 2}, {name: db, cpu_m: 500,"
    " capacity_rps: 100, min_replicas: 1, max_replicas: 9, initial_replicas: 2}]}\n"
    "metrics:\n"
    "  label: app\n"
    "  names: [web=frontend]\n"
    "  sources: [{name: ksm, age: timestamp(k)}, {name: app, age: timestamp(r)}]\n"
    "  service:\n"
    "    desired: {query: k, source: ksm}\n"
    "    deployed: {query: k, source: ksm}\n"
    "    ready: {query: k, source: ksm}\n"
    "    failed_pods: {query: f, source: ksm, absent: zero}\n"
    "    hpa_missing: {absent: zero}\n"
    "    queue: {absent: zero}\n"
    "    cpu: {query: 'c{n=\"$namespace\",s=~\"$services\",p=\"$1\"}[$window]', source: app,"
    " unit: cores}\n"
    "    received: {query: r, source: app}\n"
    "    latency: {query: l, source: app, unit: s, nan: zero}\n"
    "  whole:\n"
    "    entry_30s: {query: e, source: app}\n"
    "    entry_10s: {query: e, source: app}\n"
    "    entry_diff: {query: e, source: app}\n";

enum { SERIES = 64, N = 2 };

struct recorded {
    const char *column, *app; /* app NULL: no label */
    double value;
};

struct fixture {
    struct arena arena;
    struct cfg reader;
    struct heard log;
    struct root root;
    struct topology topology;
    struct shield shield;
    struct queries queries;
    struct plant *plant;
    struct recorded rows[SERIES];
    int n_rows;
    enum err read_error;
    int32_t desired[N]; /* of the API server */
    int writes, from, to;
    enum err write_error;
    bool passive;
    double now_s;
};

static void record(struct fixture *f, const char *column, const char *app, double value)
{
    for (int i = 0; i < f->n_rows; i++) {
        const struct recorded *r = &f->rows[i];
        const bool same =
            (r->app == NULL) == (app == NULL) && (app == NULL || strcmp(r->app, app) == 0);
        if (strcmp(r->column, column) == 0 && same) {
            f->rows[i].value = value;
            return;
        }
    }
    f->rows[f->n_rows++] = (struct recorded){column, app, value};
}

static void forget(struct fixture *f, const char *column)
{
    int n = 0;
    for (int i = 0; i < f->n_rows; i++) {
        if (strcmp(f->rows[i].column, column) != 0) {
            f->rows[n++] = f->rows[i];
        }
    }
    f->n_rows = n;
}

static enum err read_recorded(void *ctx, struct prom_result *out, struct arena *arena, double at_s)
{
    struct fixture *f = ctx;
    *out = (struct prom_result){.why = "recorded"};
    if (f->read_error != ERR_OK) {
        return f->read_error;
    }
    out->series = ARENA_NEW(arena, f->n_rows, struct prom_series);
    out->n_series = f->n_rows;
    for (int i = 0; i < f->n_rows; i++) {
        struct prom_label *labels = ARENA_NEW(arena, 2, struct prom_label);
        struct prom_sample *sample = ARENA_NEW(arena, 1, struct prom_sample);
        labels[0] = (struct prom_label){"karma", f->rows[i].column};
        labels[1] = (struct prom_label){"app", f->rows[i].app};
        *sample = (struct prom_sample){at_s, f->rows[i].value};
        out->series[i] = (struct prom_series){labels, f->rows[i].app != NULL ? 2 : 1, sample, 1};
    }
    return arena_error(arena);
}

static void say_desired(void *ctx, int32_t *replicas, char why[LIVE_WHY])
{
    const struct fixture *f = ctx;
    (void)snprintf(why, LIVE_WHY, "the test says so");
    memcpy(replicas, f->desired, sizeof f->desired);
}

static bool is_active(void *ctx, char why[LIVE_WHY])
{
    (void)snprintf(why, LIVE_WHY, "another one acts");
    return !((const struct fixture *)ctx)->passive;
}

static enum err write_scale(void *ctx, int service, int from, int to, const char *reason,
                            char why[LIVE_WHY])
{
    struct fixture *f = ctx;
    (void)reason;
    (void)snprintf(why, LIVE_WHY, "conflict");
    f->writes++;
    f->from = from;
    f->to = to;
    if (f->write_error == ERR_OK) {
        f->desired[service] = to;
    }
    return f->write_error;
}

static double now(void *ctx)
{
    return ((const struct fixture *)ctx)->now_s;
}

static enum err wait_until(void *ctx, double until_s)
{
    struct fixture *f = ctx;
    f->now_s = until_s > f->now_s ? until_s : f->now_s;
    return ERR_OK;
}

/* 200 requests/s on two services of two pods, read a second ago. */
static void record_usual(struct fixture *f)
{
    static const char *const apps[] = {"frontend", "db"};
    for (int i = 0; i < 2; i++) {
        record(f, "age/ksm", apps[i], f->now_s - 1.0);
        record(f, "age/app", apps[i], f->now_s - 2.0);
        record(f, "desired", apps[i], 2.0);
        record(f, "deployed", apps[i], 2.0);
        record(f, "ready", apps[i], 2.0);
        record(f, "cpu", apps[i], 0.25 + 1e-6 * f->now_s);
        record(f, "received", apps[i], 50.0 + 1e-3 * f->now_s);
        record(f, "latency", apps[i], 0.02);
    }
    record(f, "entry_30s", NULL, 50.0 + 1e-3 * f->now_s);
    record(f, "entry_10s", NULL, 50.0 + 1e-3 * f->now_s);
    record(f, "entry_diff", NULL, 1e-3 * f->now_s);
}

static enum err try_open(struct fixture *f, const char *more, bool writes)
{
    const char *sets[] = {more};
    memset(f, 0, sizeof *f);
    arena_init(&f->arena);
    heard_begin(&f->log);
    f->now_s = 1000.0;
    f->desired[0] = f->desired[1] = 2;
    cfg_init(&f->reader, root_fields, sizeof f->root, &f->arena);
    TRY(cfg_load_text(&f->reader, "serve.yaml", base, sets, more != NULL ? 1 : 0, &f->root));
    TRY(topology_init(&f->topology, &f->arena, &f->root.topology, &f->reader));
    TRY(shield_init(&f->shield, &f->arena, &f->root.shield, &f->topology, &f->root.plant,
                    &f->reader));
    TRY(queries_init(&f->queries, &f->arena, &f->root.metrics, &f->topology, &f->root.plant,
                     &f->reader));
    struct live_setup setup = {.topology = &f->topology,
                               .cfg = &f->root.plant,
                               .queries = &f->queries,
                               .reads = {.ctx = f, .read = read_recorded},
                               .time = {.ctx = f, .now_s = now, .wait = wait_until}};
    if (writes) {
        setup.writes = (struct live_writes){
            .ctx = f, .desired = say_desired, .active = is_active, .scale = write_scale};
    }
    return live_new(&f->plant, &f->arena, &setup);
}

static void open_fixture(struct fixture *f, bool writes)
{
    const struct episode_id id = {.seed = 1};
    assert_int_equal(try_open(f, NULL, writes), ERR_OK);
    record_usual(f);
    assert_int_equal(plant_reset(f->plant, 0, &id, NULL, 1), ERR_OK);
}

static void close_fixture(struct fixture *f)
{
    if (f->plant != NULL) {
        live_release(f->plant);
    }
    heard_end();
    arena_release(&f->arena);
}

static double value(const struct fixture *f, int service, enum service_feature feature)
{
    return (double)plant_state(f->plant, 0)[state_service_at(service, feature)];
}

static double age(const struct fixture *f, int service, enum service_feature feature)
{
    return plant_age_s(f->plant, 0, state_service_at(service, feature));
}

static void again(struct fixture *f)
{
    static const int32_t nothing[N];
    assert_int_equal(plant_pass(f->plant, nothing, NULL, NULL), ERR_OK);
}

/* ---- queries ---- */

static void variables_and_units(void **state)
{
    struct fixture f;
    (void)state;
    open_fixture(&f, false);
    const char *cpu = NULL;
    for (int i = 0; i < f.queries.n; i++) {
        cpu = strcmp(f.queries.items[i].name, "cpu") == 0 ? f.queries.items[i].promql : cpu;
    }
    assert_string_equal(cpu, "c{n=\"default\",s=~\"frontend|db\",p=\"$1\"}[32000ms]");
    assert_non_null(strstr(queries_all(&f.queries), "label_replace((timestamp(k)),\"karma\","
                                                    "\"age/ksm\",\"\",\"\")"));
    assert_null(strstr(queries_all(&f.queries), "()"));
    assert_true(fabs(value(&f, 0, SF_CPU) - 251.0) < 0.1);
    assert_true(fabs(value(&f, 1, SF_LATENCY) - 20.0) < 1e-3);
    assert_true(age(&f, 0, SF_CPU) == 2.0 && age(&f, 0, SF_READY) == 1.0);
    close_fixture(&f);
}

static void wrong_configurations(void **state)
{
    static const struct {
        const char *set, *says;
    } rows[] = {
        {"metrics.service.cpu.unit=bytes", "no factor between them"},
        {"metrics.service.cpu.source=nobody", "not among metrics.sources"},
        {"metrics.names=[shop=frontend]", "names no service"},
        {"metrics.names=[web]", "names no service"},
        {"metrics.service.cpuu.query=x", "did you mean 'cpu'"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct fixture f;
        assert_int_equal(try_open(&f, rows[i].set, false), ERR_CONFIG);
        assert_non_null(strstr(f.log.text, rows[i].says));
        close_fixture(&f);
    }
}

/* Absence means 0 only while the source has an age; NaN likewise; what has no query is assumed. */
static void absence(void **state)
{
    struct fixture f;
    (void)state;
    open_fixture(&f, false);
    assert_true(value(&f, 0, SF_FAILED_PODS) == 0.0 && age(&f, 0, SF_FAILED_PODS) == 1.0);
    assert_true(age(&f, 0, SF_QUEUE) == 0.0);
    assert_true(isinf(age(&f, 0, SF_POD_AGE)));
    record(&f, "failed_pods", "db", 1.0);
    record(&f, "latency", "db", (double)NAN);
    record(&f, "received", "db", (double)INFINITY);
    again(&f);
    assert_true(value(&f, 1, SF_FAILED_PODS) == 1.0 && value(&f, 0, SF_FAILED_PODS) == 0.0);
    assert_true(value(&f, 1, SF_LATENCY) == 0.0 && isfinite(age(&f, 1, SF_LATENCY)));
    assert_true(isinf(age(&f, 1, SF_RECEIVED)) && value(&f, 1, SF_RECEIVED) == 0.0);
    record(&f, "received", "db", -1.0);
    record(&f, "desired", "db", 4e9);
    record(&f, "cpu", "db", 1e308);
    record(&f, "entry_diff", NULL, -5.0);
    again(&f);
    assert_true(isinf(age(&f, 1, SF_RECEIVED)) && isinf(age(&f, 1, SF_DESIRED)));
    assert_true(isinf(age(&f, 1, SF_CPU)) && isfinite(age(&f, 0, SF_CPU)));
    assert_true((double)plant_state(f.plant, 0)[state_global_at(N, GF_ENTRY_DIFF)] == -5.0);
    forget(&f, "failed_pods");
    forget(&f, "age/ksm");
    again(&f);
    assert_true(isinf(age(&f, 0, SF_FAILED_PODS)) && isinf(age(&f, 0, SF_READY)));
    assert_true(isfinite(age(&f, 0, SF_CPU)));
    close_fixture(&f);
}

/* Two series for one service cannot both be true; a service that nobody knows is left out. */
static void ambiguity(void **state)
{
    struct fixture f;
    (void)state;
    open_fixture(&f, false);
    f.rows[f.n_rows++] = (struct recorded){"cpu", "db", 0.5};
    record(&f, "cpu", "strange", 7.0);
    again(&f);
    assert_true(isinf(age(&f, 1, SF_CPU)));
    assert_true(isfinite(age(&f, 0, SF_CPU)));
    close_fixture(&f);
}

/* ---- trouble ---- */

/* A reading that fails, is empty, or is an hour old leaves nothing that the shield would act on,
 * and the next good one repairs it. */
static void readings_that_fail(void **state)
{
    struct fixture f;
    (void)state;
    open_fixture(&f, true);
    const int lines = f.log.n;
    f.read_error = ERR_SERVER;
    for (int i = 0; i < 3; i++) {
        again(&f);
        assert_true(isinf(age(&f, 0, SF_CPU)) && value(&f, 0, SF_CPU) == 0.0);
        assert_true(age(&f, 0, SF_DESIRED) == 0.0 && value(&f, 0, SF_DESIRED) == 2.0);
        assert_false(live_report(f.plant)->read_ok);
    }
    assert_int_equal(f.log.n, lines + 1);
    f.read_error = ERR_OK;
    const int n_rows = f.n_rows;
    f.n_rows = 0;
    again(&f);
    assert_true(isinf(age(&f, 0, SF_CPU)));
    assert_int_equal(f.log.n, lines + 1);
    f.n_rows = n_rows;
    again(&f);
    assert_int_equal(f.log.n, lines + 2);
    assert_true(age(&f, 0, SF_CPU) > 30.0); /* recorded long ago */
    record_usual(&f);
    again(&f);
    assert_true(age(&f, 0, SF_CPU) < 30.0);
    struct plant_outcomes o;
    plant_outcomes(&o, f.plant, 0);
    assert_true(outcome_known(&o, OUTCOME_PODS) && !outcome_known(&o, OUTCOME_SLO_ATTAINMENT));
    close_fixture(&f);
}

static void writes(void **state)
{
    struct fixture f;
    const int32_t delta[N] = {0, 3};
    (void)state;
    open_fixture(&f, true);
    assert_int_equal(plant_act(f.plant, delta, NULL, NULL), ERR_OK);
    assert_true(f.writes == 1 && f.from == 2 && f.to == 5);
    assert_int_equal(live_written(f.plant)[1], ERR_OK);
    again(&f);
    assert_true(value(&f, 1, SF_DESIRED) == 5.0);
    f.write_error = ERR_CONFLICT;
    assert_int_equal(plant_act(f.plant, delta, NULL, NULL), ERR_OK);
    assert_int_equal(live_written(f.plant)[1], ERR_CONFLICT);
    assert_int_equal(live_written(f.plant)[0], ERR_OK);
    f.passive = true;
    const int lines = f.log.n;
    assert_int_equal(plant_act(f.plant, delta, NULL, NULL), ERR_OK);
    assert_int_equal(plant_act(f.plant, delta, NULL, NULL), ERR_OK);
    assert_int_equal(f.writes, 2);
    assert_int_equal(live_written(f.plant)[1], ERR_REFUSED);
    assert_int_equal(f.log.n, lines + 1);
    close_fixture(&f);
}

/* A change that Prometheus has not seen yet is none to speak of. One that it does not see in fresh
 * samples is of another cluster, and is told once. */
static void another_cluster(void **state)
{
    struct fixture f;
    (void)state;
    open_fixture(&f, true);
    const int lines = f.log.n;
    f.desired[0] = 6;
    while (f.now_s < 1060.0) {
        again(&f);
        record_usual(&f);
    }
    assert_int_equal(f.log.n, lines);
    while (f.now_s < 1150.0) {
        again(&f);
        record_usual(&f);
    }
    assert_non_null(strstr(f.log.last, "web: Prometheus says that 2 replicas are asked for, "
                                       "and the API server has said 6 for more than 60 s"));
    assert_int_equal(f.log.n, lines + 1);
    assert_true(value(&f, 0, SF_DESIRED) == 6.0);
    close_fixture(&f);
}

/* Without an API server there is nothing to write to. */
static void reading_only(void **state)
{
    struct fixture f;
    const int32_t delta[N] = {1, 1};
    (void)state;
    open_fixture(&f, false);
    assert_true(value(&f, 0, SF_DESIRED) == 2.0 && age(&f, 0, SF_DESIRED) == 1.0);
    assert_int_equal(plant_act(f.plant, delta, NULL, NULL), ERR_OK);
    assert_int_equal(live_written(f.plant)[0], ERR_REFUSED);
    close_fixture(&f);
}

/* A period that was missed is left out. */
static void late_decisions(void **state)
{
    struct fixture f;
    (void)state;
    open_fixture(&f, false);
    again(&f);
    assert_true(f.now_s == 1015.0 && live_report(f.plant)->n_late == 0);
    f.now_s = 1062.0;
    again(&f);
    assert_int_equal(live_report(f.plant)->n_late, 1);
    again(&f);
    assert_true(f.now_s == 1075.0);
    f.now_s = 500.0; /* the clock is set back: no wait of ten minutes */
    again(&f);
    assert_true(f.now_s == 515.0);
    close_fixture(&f);
}

/* ---- stages ---- */

static void decide(struct fixture *f, struct gate *g, int web, int db)
{
    const int32_t proposed[N] = {web, db};
    const struct shield_view v = shield_view_of(f->plant, 0);
    gate_decide(g, &v, proposed);
    gate_executed(g, NULL);
}

static void stages(void **state)
{
    struct fixture f;
    struct gate shadow, limited, full;
    (void)state;
    open_fixture(&f, true);
    assert_int_equal(gate_init(&shadow, &f.arena, &f.shield, STAGE_SHADOW), ERR_OK);
    assert_int_equal(gate_init(&limited, &f.arena, &f.shield, STAGE_LIMITED), ERR_OK);
    assert_int_equal(gate_init(&full, &f.arena, &f.shield, STAGE_FULL), ERR_OK);
    decide(&f, &shadow, 2, 3);
    decide(&f, &limited, 2, 3);
    decide(&f, &full, 2, 3);
    assert_true(shadow.written[0] == 0 && shadow.written[1] == 0);
    assert_true(shadow.allowed[0] == 2 && shadow.allowed[1] == 3);
    assert_true(limited.written[0] == 0 && limited.written[1] == 1);
    assert_true(full.written[0] == 2 && full.written[1] == 3);
    decide(&f, &limited, 1, -1);
    assert_true(limited.written[0] == 1 && limited.written[1] == 0);
    decide(&f, &full, 50, 0);
    assert_true(full.written[0] <= f.shield.step_out);
    close_fixture(&f);
}

/* Blind: no write, whatever is proposed; after hold_s a step towards the floor; and when there are
 * measurements again, what is proposed. */
static void blind_and_the_floor(void **state)
{
    struct fixture f;
    struct gate g;
    int grown = 0;
    (void)state;
    open_fixture(&f, true);
    assert_int_equal(gate_init(&g, &f.arena, &f.shield, STAGE_FULL), ERR_OK);
    decide(&f, &g, 0, 0);
    f.read_error = ERR_SERVER;
    const double began_s = f.now_s;
    for (int i = 0; i < 12; i++) {
        again(&f);
        decide(&f, &g, -1, 3);
        const double blind_s = f.now_s - began_s - 15.0;
        assert_true(blind_s >= f.shield.cfg->hold_s || (g.written[0] == 0 && g.written[1] == 0));
        assert_true(g.written[0] >= 0 && g.written[0] <= 1);
        assert_int_equal(plant_act(f.plant, g.written, NULL, NULL), ERR_OK);
        grown += g.written[0];
    }
    assert_true(grown > 0 && f.desired[0] == f.shield.floor[0]);
    f.read_error = ERR_OK;
    record_usual(&f);
    for (int s = 0; s < N; s++) {
        record(&f, "ready", s == 0 ? "frontend" : "db", f.desired[s]);
        record(&f, "deployed", s == 0 ? "frontend" : "db", f.desired[s]);
    }
    again(&f);
    decide(&f, &g, 1, 0);
    assert_int_equal(g.written[0], f.desired[0] < 9 ? 1 : 0);
    close_fixture(&f);
}

/* Values of an hour ago, and a service that is not there any more: what is not fresh is not acted
 * upon, and what is fresh is. */
static void old_and_partial(void **state)
{
    struct fixture f;
    struct gate g;
    (void)state;
    open_fixture(&f, true);
    assert_int_equal(gate_init(&g, &f.arena, &f.shield, STAGE_FULL), ERR_OK);
    decide(&f, &g, 0, 0);
    f.now_s += 3600.0;
    again(&f);
    decide(&f, &g, 3, -1);
    assert_true(age(&f, 0, SF_CPU) > 3600.0);
    assert_true(g.written[0] == 0 && g.written[1] == 0);
    assert_true((g.verdict.reasons[0] >> SHIELD_REASON_STALE & 1U) != 0);
    record_usual(&f);
    again(&f);
    decide(&f, &g, 3, 0);
    assert_true(g.written[0] == 3);
    record_usual(&f);
    for (int i = 0; i < f.n_rows; i++) { /* the exporter of db is down: no series, no age */
        f.rows[i].app =
            f.rows[i].app != NULL && strcmp(f.rows[i].app, "db") == 0 ? "gone" : f.rows[i].app;
    }
    again(&f);
    decide(&f, &g, 1, 2);
    assert_true(g.written[0] == 1 && g.written[1] == 0);
    close_fixture(&f);
}

/* ---- a Prometheus ---- */

/* Answers time() with its own clock, and every query with `status`; counts the queries. */
struct server {
    double clock_s;
    int status, n_queries;
};

static enum err answer(void *ctx, int *status, struct buf *body, char why[PROM_WHY],
                       const char *path, const char *form)
{
    struct server *s = ctx;
    (void)path;
    (void)why;
    body->len = 0;
    if (strcmp(form, "query=time%28%29") == 0) {
        *status = 200;
        return buf_printf(body,
                          "{\"status\":\"success\",\"data\":{\"resultType\":\"scalar\","
                          "\"result\":[1,\"%.3f\"]}}",
                          s->clock_s);
    }
    s->n_queries++;
    *status = s->status;
    return s->status == 200 ? buf_printf(body, "{\"status\":\"success\",\"data\":{\"resultType\":"
                                               "\"vector\",\"result\":[{\"metric\":{},"
                                               "\"value\":[1,\"1\"]}]}}")
                            : buf_printf(body, "{\"error\":\"parse error\"}");
}

/* A clock that is ahead would make old values look new. */
static void clocks_and_wrong_queries(void **state)
{
    struct fixture f;
    struct server server = {.clock_s = 1000.5, .status = 200};
    const struct prom_transport transport = {.ctx = &server, .post = answer};
    struct live_prometheus p = {.skew_s = 5.0};
    struct prom_result r;
    (void)state;
    open_fixture(&f, false);
    p.queries = &f.queries;
    prometheus_init(&p.client, &transport);
    const struct live_reads reads = live_prometheus_reads(&p);
    assert_int_equal(reads.read(reads.ctx, &r, &f.arena, 1000.0), ERR_OK);
    assert_true(server.n_queries == 1 && r.n_series == 1);
    server.clock_s = 4600.0;
    assert_int_equal(reads.read(reads.ctx, &r, &f.arena, 1000.0), ERR_SERVER);
    assert_non_null(strstr(r.why, "3600 s ahead"));
    assert_int_equal(server.n_queries, 1);
    server.clock_s = 1000.0;
    server.status = 400; /* one of them is wrong: each is asked alone, and named once */
    const int lines = f.log.n;
    assert_int_equal(reads.read(reads.ctx, &r, &f.arena, 1000.0), ERR_OK);
    assert_int_equal(r.n_series, 0);
    assert_true(server.n_queries == 1 + 1 + 12 && f.log.n == lines + 12);
    assert_int_equal(reads.read(reads.ctx, &r, &f.arena, 1000.0), ERR_OK);
    assert_true(server.n_queries == 1 + 1 + 24 && f.log.n == lines + 12);
    server.status = 500;
    assert_int_equal(reads.read(reads.ctx, &r, &f.arena, 1000.0), ERR_SERVER);
    prometheus_release(&p.client);
    close_fixture(&f);
}

/* The past: samples of the time that is asked for, and none in a gap. */
static void the_past(void **state)
{
    struct prom_sample samples[] = {{100.0, 1.0}, {115.0, 2.0}, {145.0, 3.0}};
    struct prom_series series = {.samples = samples, .n_samples = 3};
    struct live_past past = {.all = {.series = &series, .n_series = 1}, .step_s = 15.0};
    const struct live_reads reads = live_past_reads(&past);
    struct arena arena;
    struct prom_result r;
    (void)state;
    arena_init(&arena);
    for (int k = 0; k < 4; k++) {
        assert_int_equal(reads.read(reads.ctx, &r, &arena, 100.0 + 15.0 * k), ERR_OK);
        assert_int_equal(r.n_series, k == 2 ? 0 : 1);
        assert_true(k == 2 || r.series[0].samples[0].value == (k == 3 ? 3.0 : k + 1.0));
    }
    arena_release(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(variables_and_units),
        cmocka_unit_test(wrong_configurations),
        cmocka_unit_test(absence),
        cmocka_unit_test(ambiguity),
        cmocka_unit_test(readings_that_fail),
        cmocka_unit_test(writes),
        cmocka_unit_test(another_cluster),
        cmocka_unit_test(reading_only),
        cmocka_unit_test(late_decisions),
        cmocka_unit_test(stages),
        cmocka_unit_test(blind_and_the_floor),
        cmocka_unit_test(the_past),
        cmocka_unit_test(old_and_partial),
        cmocka_unit_test(clocks_and_wrong_queries),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
