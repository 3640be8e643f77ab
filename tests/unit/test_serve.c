/* karma serve in its three stages beside a cluster that this test plays: every decision and result
 * is made again from the audit log, byte by byte; a changed byte is found, and so is a log that was
 * written anew with right digests and another content. */
#include "core/base/file.h"
#include "core/base/rng.h"
#include "core/transfer/stage.h"
#include "mpi/cmd/commands.h"
#include "mpi/jobs/serve_verify.h"
#include "tests/unit/heard.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

enum { N = 4, DECISIONS = 60, FLIPS = 60, LOG_MAX = 16 << 20 };

static char dir[] = "/tmp/test_serve_XXXXXX";

static char run_dir[64], store[64]; /* in dir */

/* ---- a cluster ---- */

/* Numbers in [0, 1) of which each call gives the next. */
struct cluster {
    struct rng_key key;
    uint32_t n_drawn;
    const struct queries *queries;
    const struct drift *drift; /* what the traces hold */
    int32_t desired[N];
    double now_s;
    int n_reads, n_writes, n_refused;
};

static double draw(struct cluster *c)
{
    return (double)rng_philox(c->key, c->n_drawn++, 0, 0, 0).v[0] * 0x1p-32;
}

static void put(struct prom_result *out, struct arena *arena, const char *column,
                const char *service, double value, double at_s)
{
    struct prom_label *labels = ARENA_NEW(arena, 2, struct prom_label);
    struct prom_sample *sample = ARENA_NEW(arena, 1, struct prom_sample);
    assert_int_equal(arena_error(arena), ERR_OK);
    labels[0] = (struct prom_label){QUERY_LABEL, column};
    labels[1] = (struct prom_label){"service", service};
    *sample = (struct prom_sample){at_s, value};
    out->series[out->n_series++] = (struct prom_series){labels, service != NULL ? 2 : 1, sample, 1};
}

/* Near what the traces hold of the column, where it changes there; in the units of the pack. */
static double usual(struct cluster *c, const struct query *q, int service)
{
    const int column = q->whole ? state_global_at(N, (enum global_feature)q->feature)
                                : state_service_at(service, (enum service_feature)q->feature);
    for (int k = 0; k < c->drift->n; k++) {
        if (c->drift->column[k] == column) {
            const double value = c->drift->mean[k] + 0.5 * c->drift->std[k] * (draw(c) - 0.5);
            return fmax(0.0, value) / q->factor;
        }
    }
    return 0.0;
}

/* Pods are all ready. One reading of twelve fails. */
static enum err read_cluster(void *ctx, struct prom_result *out, struct arena *arena, double at_s)
{
    static const char *const pods[] = {"desired", "deployed", "ready", "hpa_ready"};
    struct cluster *c = ctx;
    const struct queries *q = c->queries;
    *out = (struct prom_result){.why = "played"};
    if (++c->n_reads % 12 == 0) {
        return ERR_SERVER;
    }
    out->series = ARENA_NEW(arena, q->n * N + N, struct prom_series);
    assert_int_equal(arena_error(arena), ERR_OK);
    for (int s = 0; s < N; s++) {
        put(out, arena, "age/exporter", q->services[s], at_s - 1.0 - draw(c), at_s);
    }
    for (int i = 0; i < q->n; i++) {
        const struct query *one = &q->items[i];
        for (int s = 0; s < (one->whole ? 1 : N); s++) {
            double value = one->feature >= 0 ? usual(c, one, s) : 1.0;
            for (size_t k = 0; k < sizeof pods / sizeof *pods; k++) {
                value = strcmp(one->name, pods[k]) == 0 ? c->desired[s] : value;
            }
            put(out, arena, one->name, one->whole ? NULL : q->services[s], value, at_s);
        }
    }
    return ERR_OK;
}

static void say_desired(void *ctx, int32_t *replicas, char why[LIVE_WHY])
{
    (void)why;
    memcpy(replicas, ((const struct cluster *)ctx)->desired, N * sizeof *replicas);
}

/* One write of four is not taken. */
static enum err scale(void *ctx, int service, int from, int to, const char *reason,
                      char why[LIVE_WHY])
{
    struct cluster *c = ctx;
    (void)reason;
    assert_int_equal(c->desired[service], from);
    c->n_writes++;
    if (draw(c) < 0.25) {
        (void)snprintf(why, LIVE_WHY, "somebody else was faster");
        c->n_refused++;
        return ERR_CONFLICT;
    }
    c->desired[service] = to;
    return ERR_OK;
}

static double now(void *ctx)
{
    return ((const struct cluster *)ctx)->now_s;
}

/* Now and then somebody else scales. */
static enum err wait_until(void *ctx, double until_s)
{
    struct cluster *c = ctx;
    const int service = (int)(N * draw(c));
    c->now_s = until_s;
    if (draw(c) < 0.2 && c->desired[service] < 4) {
        c->desired[service]++;
    }
    return ERR_OK;
}

/* ---- a serve ---- */

static enum err open_serve(struct serve *s, const char *stage)
{
    char set_stage[32], set_traces[80];
    (void)snprintf(set_stage, sizeof set_stage, "stage=%s", stage);
    (void)snprintf(set_traces, sizeof set_traces, "traces=%s", store);
    const char *sets[] = {set_stage,
                          set_traces,
                          "shield.frozen_s=0",
                          "shield.cooldown_s=0",
                          "fallback.calm=1",
                          "fallback.quantile=1",
                          "prometheus.url=http://127.0.0.1:1"};
    const struct serve_typed typed = {.run = run_dir,
                                      .metrics = "configs/metrics/exporter.yaml",
                                      .sets = sets,
                                      .n_sets = sizeof sets / sizeof *sets};
    return serve_init_offline(s, &typed);
}

static void connect(struct serve *s, struct cluster *c)
{
    struct live_setup setup = {.topology = &s->x.env_setup.topology,
                               .cfg = &s->x.cfg.plant,
                               .queries = &s->queries,
                               .reads = {.ctx = c, .read = read_cluster},
                               .time = {.ctx = c, .now_s = now, .wait = wait_until}};
    if (s->gate.stage != STAGE_SHADOW) {
        setup.writes = (struct live_writes){.ctx = c, .desired = say_desired, .scale = scale};
    }
    *c = (struct cluster){.key = rng_key(7, RNG_ACTION, RNG_DEV),
                          .queries = &s->queries,
                          .drift = &s->drift,
                          .desired = {2, 2, 2, 2},
                          .now_s = 1e9};
    assert_int_equal(live_new(&s->plant, &s->arena, &setup), ERR_OK);
}

/* The log (NUL behind it) of DECISIONS decisions in a stage; how many the policy made. */
static int play(const char *stage, struct buf *log, struct cluster *c)
{
    const struct episode_id id = {.seed = 1, .split = RNG_DEV};
    char out[64], path[80];
    struct serve *s = calloc(1, sizeof *s);
    assert_non_null(s);
    (void)snprintf(out, sizeof out, "%s/%s", dir, stage);
    (void)snprintf(path, sizeof path, "%s/audit.jsonl", out);
    assert_int_equal(open_serve(s, stage), ERR_OK);
    connect(s, c);
    assert_int_equal(serve_begin(s), ERR_OK);
    assert_int_equal(serve_log_open(s, out), ERR_OK);
    assert_int_equal(serve_audit_open(s), ERR_OK);
    assert_int_equal(plant_reset(s->plant, 0, &id, NULL, 1), ERR_OK);
    for (int i = 0; i < DECISIONS; i++) {
        assert_int_equal(serve_step(s), ERR_OK);
    }
    const int by_policy = DECISIONS - (int)s->fallback.n_active;
    live_release(s->plant);
    s->plant = NULL;
    serve_release(s);
    free(s);
    buf_init(log);
    assert_int_equal(file_read(log, path, LOG_MAX), ERR_OK);
    return by_policy;
}

/* Of a whole log; `check` keeps the counts. */
static enum err verify(struct serve_verify *check, const void *bytes, size_t n)
{
    struct audit_reader r;
    struct audit_record record;
    enum audit_status status = AUDIT_RECORD;
    enum err e = audit_reader_over(&r, "log", bytes, n);
    serve_verify_init(check, run_dir);
    while (e == ERR_OK && status == AUDIT_RECORD) {
        e = audit_read_next(&r, &record, &status);
        if (e == ERR_OK && status == AUDIT_RECORD) {
            e = serve_verify_next(check, &record);
        }
    }
    serve_verify_end(check);
    serve_verify_release(check);
    audit_reader_close(&r);
    return e;
}

/* ---- changes ---- */

/* Every digest fits again, and every number: what somebody does who may write the whole file. The
 * first record that contains `from` gets `to` instead; it is left out if `to` is NULL. False: no
 * record contains it. */
static bool write_anew(struct buf *out, const struct buf *log, const char *from, const char *to)
{
    char head[SHA256_HEX];
    const char *at = (const char *)log->data;
    int number = 0;
    bool done = false;
    memset(head, '0', sizeof head - 1);
    head[sizeof head - 1] = '\0';
    out->len = 0;
    for (const char *end; (end = strchr(at, '\n')) != NULL; at = end + 1) {
        const char *seal = strstr(at, audit_seal), *rest = strchr(at, ',');
        const char *hit = done ? NULL : strstr(at, from);
        struct buf body;
        hit = hit != NULL && hit < seal ? hit : NULL;
        done = done || hit != NULL;
        if (hit != NULL && to == NULL) {
            continue;
        }
        const char *until = hit != NULL ? hit : seal;
        buf_init(&body);
        assert_int_equal(buf_printf(&body, "{\"n\":%d%.*s", number++, (int)(until - rest), rest),
                         ERR_OK);
        if (hit != NULL) {
            hit += strlen(from);
            assert_int_equal(buf_printf(&body, "%s%.*s", to, (int)(seal - hit), hit), ERR_OK);
        }
        audit_digest(head, head, (const char *)body.data, body.len);
        assert_int_equal(buf_append(out, body.data, body.len), ERR_OK);
        assert_int_equal(buf_printf(out, "%s%s\"}\n", audit_seal, head), ERR_OK);
        buf_release(&body);
    }
    return done;
}

static void forgeries(const struct buf *log, bool writes)
{
    static const struct {
        const char *from, *to, *says;
        bool writes; /* only such a stage has it */
    } rows[] = {
        {"\"mask\":[\"", "\"mask\":[\"8", "comes out otherwise", false},
        {"\"proposed\":[", "\"proposed\":[1", "comes out otherwise", false},
        {"\"allowed\":[", "\"allowed\":[1", "comes out otherwise", false},
        {"\"shield a\":\"", "\"shield a\":\"step, ", "comes out otherwise", false},
        {"\"by\":\"policy\"", "\"by\":\"khpa\"", "comes out otherwise", false},
        {"\"state\":[\"", "\"state\":[\"0x1p+9\",\"", "does not hold the values", false},
        {"\"results\":[\"ERR_OK\"", "\"results\":[\"\"", "do not belong to the changes", true},
        {"\"ERR_CONFLICT\"", "\"ERR_OK\"", "comes out otherwise", true},
        {"\"moved\":[", "\"moved\":[1", "comes out otherwise", true},
        {"\"kind\":\"result\"", NULL, "the result of the decision before it is missing", true},
        {"\"kind\":\"result\"", "\"kind\":\"remark\"", "no record of this kind", true},
        {"\"format\":3", "\"format\":2", "the log has format 2", false},
    };
    struct heard heard;
    struct buf anew;
    buf_init(&anew);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct serve_verify check;
        if (rows[i].writes && !writes) {
            continue;
        }
        assert_true(write_anew(&anew, log, rows[i].from, rows[i].to));
        heard_begin(&heard);
        const enum err e = verify(&check, anew.data, anew.len);
        heard_end();
        if (e == ERR_OK || strstr(heard.text, rows[i].says) == NULL) {
            fail_msg("'%s' -> '%s': %s: %s", rows[i].from, rows[i].to != NULL ? rows[i].to : "",
                     err_name(e), heard.text);
        }
    }
    buf_release(&anew);
}

/* One byte, anywhere: the chain finds it. */
static void flips(struct buf *log, struct cluster *c)
{
    struct heard heard;
    heard_begin(&heard);
    for (int i = 0; i < FLIPS; i++) {
        struct audit_reader r;
        struct audit_record record;
        enum audit_status status = AUDIT_RECORD;
        unsigned char *byte = &log->data[(size_t)(draw(c) * (double)log->len)];
        const unsigned char was = *byte;
        *byte = (unsigned char)(was ^ (1U << (unsigned)(8.0 * draw(c))));
        enum err e = audit_reader_over(&r, "log", log->data, log->len);
        while (e == ERR_OK && status == AUDIT_RECORD) {
            e = audit_read_next(&r, &record, &status);
        }
        assert_true(e == ERR_MISMATCH || e == ERR_FORMAT || status == AUDIT_TORN);
        audit_reader_close(&r);
        *byte = was;
    }
    heard_end();
}

static void a_stage(const char *stage, bool writes)
{
    struct cluster c;
    struct buf log;
    struct heard heard;
    struct serve_verify check;
    heard_begin(&heard);
    const int by_policy = play(stage, &log, &c);
    const enum err e = verify(&check, log.data, log.len);
    heard_end();
    if (e != ERR_OK) {
        fail_msg("%s: %s", stage, heard.text);
    }
    assert_int_equal(check.n_same, DECISIONS);
    assert_int_equal(check.n_results, writes ? DECISIONS : 0);
    assert_int_equal(check.n_unknown, 0);
    print_message("%s: the policy decided %d of %d\n", stage, by_policy, DECISIONS);
    assert_true(by_policy > DECISIONS / 4 && by_policy < DECISIONS);
    assert_true(writes ? c.n_writes > 4 && c.n_refused > 0 && c.n_refused < c.n_writes
                       : c.n_writes == 0);
    forgeries(&log, writes);
    flips(&log, &c);
    buf_release(&log);
}

static void shadow(void **state)
{
    (void)state;
    a_stage("shadow", false);
}

static void limited(void **state)
{
    (void)state;
    a_stage("limited", true);
}

static void full(void **state)
{
    (void)state;
    a_stage("full", true);
}

/* A process that was killed between its last decision and the result, and the next one, which goes
 * on: nobody knows whether the changes were written, and that is counted. */
static void without_a_result(void **state)
{
    struct cluster c;
    struct buf log, cut;
    struct heard heard;
    struct serve_verify check;
    (void)state;
    buf_init(&cut);
    heard_begin(&heard);
    (void)play("full", &log, &c); /* behind the records of the test before */
    assert_true(write_anew(&cut, &log, "\"kind\":\"result\",\"decision\":60,", NULL));
    const enum err e = verify(&check, cut.data, cut.len);
    heard_end();
    if (e != ERR_OK) {
        fail_msg("%s", heard.text);
    }
    assert_true(check.n_same == 2 * DECISIONS && check.n_results == 2 * DECISIONS - 1);
    assert_int_equal(check.n_unknown, 1);
    buf_release(&cut);
    buf_release(&log);
}

/* ---- a policy with an organisation whose masks hold at half of the decisions ---- */

static enum err call(enum err (*command)(int argc, char **argv), int argc, const char *const *words)
{
    char text[12][400], *argv[13] = {NULL};
    for (int i = 0; i < argc; i++) {
        (void)snprintf(text[i], sizeof text[i], "%s", words[i]);
        argv[i] = text[i];
    }
    return command(argc, argv);
}

static int make_policy(void **state)
{
    char config[64], here[200], set_run[80];
    struct buf text;
    (void)state;
    if (mkdtemp(dir) == NULL || getcwd(here, sizeof here) == NULL) {
        return 1;
    }
    buf_init(&text);
    (void)snprintf(config, sizeof config, "%s/config.yaml", dir);
    (void)snprintf(run_dir, sizeof run_dir, "%s/run", dir);
    (void)snprintf(store, sizeof store, "%s/store", dir);
    (void)snprintf(set_run, sizeof set_run, "run.dir=%s", run_dir);
    enum err e = buf_printf(&text,
                            "include: [%s/configs/experiments/tiny.yaml,"
                            " %s/configs/organisations/half.yaml]\n"
                            "train: {envs: 8, updates: 1}\nmappo: {minibatches: 1}\n",
                            here, here);
    e = e == ERR_OK ? file_write(config, text.data, text.len) : e;
    buf_release(&text);
    const char *train[] = {"train", config, "--set", set_run};
    const char *collect[] = {
        "collect", config, "--set", "eval.episodes=24", "--set", "eval.controllers=[khpa, explore]",
        "--out",   store};
    e = e == ERR_OK ? call(command_train, 4, train) : e;
    e = e == ERR_OK ? call(trace_collect, 8, collect) : e;
    return e == ERR_OK ? 0 : 1;
}

static int remove_policy(void **state)
{
    char command[300];
    (void)state;
    (void)snprintf(command, sizeof command, "rm -rf %s", dir);
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shadow),
        cmocka_unit_test(limited),
        cmocka_unit_test(full),
        cmocka_unit_test(without_a_result),
    };
    return cmocka_run_group_tests(tests, make_policy, remove_policy);
}
