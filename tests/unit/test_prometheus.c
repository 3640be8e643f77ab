/* The Prometheus client: recorded answers of a Prometheus 2.42, damaged ones, pages of a range, and
 * a server that misbehaves. */
#include "core/transfer/http.h"
#include "core/transfer/prometheus.h"
#include "tests/unit/heard.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/fault_server.h"

static const char vector[] =
    "{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":["
    "{\"metric\":{\"__name__\":\"up\",\"service\":\"a\"},\"value\":[1796068265.587,\"4\"]},"
    "{\"metric\":{\"service\":\"b\"},\"value\":[1796068265.587,\"NaN\"]},"
    "{\"metric\":{},\"value\":[1796068265.587,\"+Inf\"]}]},\"warnings\":[\"one store is away\"]}";

static enum err parse(struct prom_result *r, struct arena *arena, int status, const char *text)
{
    return prometheus_parse(r, arena, status, text, strlen(text));
}

static void a_vector(void **state)
{
    struct arena arena;
    struct prom_result r;
    (void)state;
    arena_init(&arena);
    assert_int_equal(parse(&r, &arena, 200, vector), ERR_OK);
    assert_int_equal(r.n_series, 3);
    assert_string_equal(prom_label(&r.series[0], "service"), "a");
    assert_null(prom_label(&r.series[0], "job"));
    assert_true(r.series[0].samples[0].value == 4.0);
    assert_true(r.series[0].samples[0].time_s == 1796068265.587);
    assert_true(isnan(r.series[1].samples[0].value));
    assert_true(isinf(r.series[2].samples[0].value));
    assert_int_equal(r.n_warnings, 1);
    assert_string_equal(r.warnings[0], "one store is away");
    assert_int_equal(parse(&r, &arena, 200,
                           "{\"status\":\"success\",\"data\":{\"resultType\":\"scalar\","
                           "\"result\":[5,\"1796068265.5\"]}}"),
                     ERR_OK);
    assert_true(r.n_series == 1 && r.series[0].samples[0].value == 1796068265.5);
    assert_int_equal(parse(&r, &arena, 200,
                           "{\"status\":\"success\",\"data\":{\"resultType\":\"vector\","
                           "\"result\":[]}}"),
                     ERR_OK);
    assert_int_equal(r.n_series, 0);
    arena_release(&arena);
}

/* Each with the error and a piece of the sentence. */
static void what_is_no_answer(void **state)
{
    static const struct {
        int status;
        const char *text;
        enum err e;
        const char *why;
    } rows[] = {
        {200, "", ERR_FORMAT, "no JSON"},
        {200, "<html>a login page</html>", ERR_FORMAT, "no JSON"},
        {200, "{\"status\":\"error\"}", ERR_FORMAT, "does not say"},
        {200, "{\"status\":\"success\",\"data\":{}}", ERR_FORMAT, "no data.result"},
        {200, "{\"status\":\"success\",\"data\":{\"resultType\":\"string\",\"result\":[]}}",
         ERR_FORMAT, "'string'"},
        {200,
         "{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[{\"metric\":{},"
         "\"value\":[1,2]}]}}",
         ERR_FORMAT, "a sample"},
        {200,
         "{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[{\"metric\":{}}]}"
         "}",
         ERR_FORMAT, "no sample"},
        {200,
         "{\"status\":\"success\",\"data\":{\"resultType\":\"matrix\",\"result\":[{\"metric\":{},"
         "\"values\":[[2,\"1\"],[1,\"1\"]]}]}}",
         ERR_FORMAT, "order of time"},
        {400, "{\"status\":\"error\",\"error\":\"parse error: unexpected end\"}", ERR_CONFIG,
         "parse error: unexpected end"},
        {422, "{\"status\":\"error\",\"error\":\"many-to-many matching\"}", ERR_CONFIG, "many"},
        {500, "oops", ERR_SERVER, "status 500"},
        {503, "{\"error\":\"starting up\"}", ERR_SERVER, "starting up"},
        {401, "", ERR_SERVER, "credentials"},
        {404, "<html></html>", ERR_SERVER, "that of a Prometheus"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct arena arena;
        struct prom_result r;
        arena_init(&arena);
        assert_int_equal(parse(&r, &arena, rows[i].status, rows[i].text), rows[i].e);
        assert_non_null(strstr(r.why, rows[i].why));
        assert_int_equal(r.n_series, 0);
        arena_release(&arena);
    }
}

/* Every prefix of an answer is refused or an answer, and nothing else happens. */
static void torn_answers(void **state)
{
    (void)state;
    for (size_t n = 0; n < sizeof vector - 1; n++) {
        struct arena arena;
        struct prom_result r;
        arena_init(&arena);
        assert_int_equal(prometheus_parse(&r, &arena, 200, vector, n), ERR_FORMAT);
        arena_release(&arena);
    }
}

/* ---- pages ---- */

struct pages {
    int n;
    double start[8], end[8];
};

static double form_number(const char *form, const char *name)
{
    const char *at = strstr(form, name);
    assert_non_null(at);
    return strtod(at + strlen(name), NULL);
}

/* Two series, of which the second exists in the first page only. */
static enum err post_page(void *ctx, int *status, struct buf *body, char why[PROM_WHY],
                          const char *path, const char *form)
{
    struct pages *p = ctx;
    (void)why;
    assert_string_equal(path, "/api/v1/query_range");
    assert_non_null(strstr(form, "query=up%7B%7D"));
    p->start[p->n] = form_number(form, "start=");
    p->end[p->n] = form_number(form, "end=");
    *status = 200;
    body->len = 0;
    TRY(buf_printf(body,
                   "{\"status\":\"success\",\"data\":{\"resultType\":\"matrix\",\"result\":["
                   "{\"metric\":{\"a\":\"1\",\"b\":\"2\"},\"values\":[[%.3f,\"%d\"],[%.3f,\"0\"]]}"
                   "%s]}}",
                   p->start[p->n], p->n, p->end[p->n],
                   p->n == 0 ? ",{\"metric\":{\"a\":\"1\"},\"values\":[[1,\"7\"]]}" : ""));
    p->n++;
    return ERR_OK;
}

static void pages_of_a_range(void **state)
{
    struct pages pages = {0};
    const struct prom_transport transport = {.ctx = &pages, .post = post_page};
    struct prometheus p;
    struct prom_result r;
    struct arena arena;
    (void)state;
    arena_init(&arena);
    prometheus_init(&p, &transport);
    const double start = 1000.0, step = 15.0, end = start + 25000.0 * step;
    assert_int_equal(prometheus_query_range(&r, &p, &arena, "up{}", start, end, step), ERR_OK);
    assert_int_equal(pages.n, 3);
    assert_true(pages.start[0] == start && pages.end[2] == end);
    for (int i = 0; i < 3; i++) {
        assert_true((pages.end[i] - pages.start[i]) / step + 1.0 <= PROM_POINTS_MAX);
        assert_true(i == 0 || pages.start[i] == pages.end[i - 1] + step);
    }
    assert_int_equal(r.n_series, 2);
    assert_int_equal(r.series[0].n_samples, 6);
    assert_true(r.series[0].samples[4].value == 2.0);
    assert_int_equal(r.series[1].n_samples, 1);
    assert_int_equal(prometheus_query_range(&r, &p, &arena, "up{}", start, end, 0.0), ERR_CONFIG);
    prometheus_release(&p);
    arena_release(&arena);
}

/* ---- a server ---- */

static void a_server_that_misbehaves(void **state)
{
    static const struct {
        struct fault_answer answer;
        enum err e;
    } rows[] = {
        {{.path = "/api/v1/query", .status = 200, .body = vector}, ERR_OK},
        {{.path = "/api/v1/query", .status = 500, .body = "oops"}, ERR_SERVER},
        {{.path = "/api/v1/query", .status = 200, .body = vector, .fault = FAULT_CUT}, ERR_SERVER},
        {{.path = "/api/v1/query", .fault = FAULT_HANG}, ERR_SERVER},
        {{.path = "/api/v1/query", .fault = FAULT_CLOSE}, ERR_SERVER},
        {{.path = "/api/v1/query", .fault = FAULT_GARBAGE}, ERR_SERVER},
        {{.path = "/api/v1/query", .status = 200, .fault = FAULT_ENDLESS}, ERR_SERVER},
        {{.path = "/other", .status = 200, .body = vector}, ERR_SERVER},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct fault_server server;
        struct http *h;
        struct prometheus p;
        struct prom_result r;
        struct arena arena;
        arena_init(&arena);
        fault_server_start(&server, &rows[i].answer, 1);
        const struct http_cfg cfg = {.name = "Prometheus",
                                     .url = server.url,
                                     .total_s = 1.0,
                                     .idle_s = 0.5,
                                     .answer_max = 65536};
        assert_int_equal(http_new(&h, &cfg), ERR_OK);
        const struct prom_transport transport = prometheus_over(h);
        prometheus_init(&p, &transport);
        assert_int_equal(prometheus_query(&r, &p, &arena, "up", 5.0), rows[i].e);
        assert_true((rows[i].e == ERR_OK) == (r.why[0] == '\0'));
        assert_int_equal(r.n_series, rows[i].e == ERR_OK ? 3 : 0);
        prometheus_release(&p);
        http_free(h);
        fault_server_stop(&server);
        arena_release(&arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_vector),
        cmocka_unit_test(what_is_no_answer),
        cmocka_unit_test(torn_answers),
        cmocka_unit_test(pages_of_a_range),
        cmocka_unit_test(a_server_that_misbehaves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
