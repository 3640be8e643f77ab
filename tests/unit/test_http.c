/* HTTP against a server that misbehaves: answers, faults, secrets, repetition, streams. */
#include "core/base/clock.h"
#include "core/base/file.h"
#include "core/transfer/http.h"
#include "core/transfer/retry.h"
#include "tests/unit/fault_server.h"
#include "tests/unit/heard.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const char secret[] = "s3cr3t-token-0123456789";

/* A time in which waits take no time, and are added up. */
struct fake_time {
    double now, waited, longest;
    int n_waits;
    bool stop;
};

static double fake_now(void *ctx)
{
    struct fake_time *t = ctx;
    return t->now;
}

static bool fake_sleep(void *ctx, double seconds)
{
    struct fake_time *t = ctx;
    t->now += seconds;
    t->waited += seconds;
    t->longest = seconds > t->longest ? seconds : t->longest;
    t->n_waits++;
    return !t->stop;
}

static struct http_cfg quick(const struct fault_server *s, struct fake_time *t)
{
    return (struct http_cfg){.name = "the server",
                             .url = s->url,
                             .total_s = 0.4,
                             .connect_s = 0.4,
                             .answer_max = 100000,
                             .time = {fake_now, fake_sleep, t}};
}

static void an_answer_is_whole(void **state)
{
    static const struct fault_answer script[] = {
        {.method = "GET", .path = "/a?q=1%2F2", .status = 200, .body = "{\"a\":1}"},
        {.method = "PATCH",
         .path = "/b",
         .status = 409,
         .headers = "Retry-After: 7\r\n",
         .body = "conflict"}};
    struct fault_server s;
    struct fake_time t = {0};
    struct http *h;
    struct http_answer a;
    struct buf path;
    (void)state;
    assert_true(fault_server_start(&s, script, 2));
    struct http_cfg cfg = quick(&s, &t);
    cfg.token = secret;
    assert_int_equal(http_new(&h, &cfg), ERR_OK);
    http_answer_init(&a);
    buf_init(&path);
    assert_int_equal(http_put_query(&path, "q", "1/2"), ERR_OK);
    char text[64];
    (void)snprintf(text, sizeof text, "/a%.*s", (int)path.len, (char *)path.data);
    assert_int_equal(http_send(h, &a, &(struct http_request){.method = "GET", .path = text}),
                     ERR_OK);
    assert_int_equal(a.status, 200);
    assert_string_equal((char *)a.body.data, "{\"a\":1}");
    assert_true(a.retry_after_s < 0.0);
    assert_int_equal(http_send(h, &a,
                               &(struct http_request){.method = "PATCH",
                                                      .path = "/b",
                                                      .content_type = "text/plain",
                                                      .body = "xyz",
                                                      .n_body = 3}),
                     ERR_OK);
    assert_int_equal(a.status, 409);
    assert_true(a.retry_after_s == 7.0);
    assert_string_equal(s.requests[1].method, "PATCH");
    assert_string_equal(s.requests[1].body, "xyz");
    assert_string_equal(s.requests[1].type, "text/plain");
    assert_string_equal(s.requests[1].authorization, "Bearer s3cr3t-token-0123456789");
    buf_release(&path);
    http_answer_release(&a);
    http_free(h);
    fault_server_stop(&s);
}

/* No fault is taken for an answer, each has a sentence that names the server, and none takes longer
 * than the time that was given. */
static void faults_are_told(void **state)
{
    static const struct {
        enum fault fault;
        const char *says;
    } cases[] = {{FAULT_CLOSE, "was cut"},
                 {FAULT_RESET, "was cut"},
                 {FAULT_CUT, "was cut"},
                 {FAULT_HANG, "did not answer in time"},
                 {FAULT_SLOW, "did not answer in time"},
                 {FAULT_GARBAGE, "the server"},
                 {FAULT_ENDLESS, "more than 100000 bytes"},
                 {FAULT_TORN, "was cut"}};
    struct fake_time t = {0};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct fault_answer script = {
            .path = "/x",
            .status = 200,
            .fault = cases[i].fault,
            .body = "0123456789012345678901234567890123456789012345678901234567890123456789\n"};
        struct fault_server s;
        struct http *h;
        struct http_answer a;
        assert_true(fault_server_start(&s, &script, 1));
        const struct http_cfg cfg = quick(&s, &t);
        assert_int_equal(http_new(&h, &cfg), ERR_OK);
        http_answer_init(&a);
        const double from = clock_s();
        assert_int_equal(http_send(h, &a, &(struct http_request){.method = "GET", .path = "/x"}),
                         ERR_SERVER);
        assert_true(clock_s() - from < 5.0);
        assert_int_equal(a.status, 0);
        if (strstr(a.sentence, cases[i].says) == NULL || strstr(a.sentence, s.url) == NULL) {
            fail_msg("fault %d: %s", (int)cases[i].fault, a.sentence);
        }
        http_answer_release(&a);
        http_free(h);
        fault_server_stop(&s);
    }
}

static void nobody_listens(void **state)
{
    struct fault_server s;
    struct fake_time t = {0};
    struct http *h;
    struct http_answer a;
    (void)state;
    assert_true(fault_server_start(&s, NULL, 0));
    const struct http_cfg cfg = quick(&s, &t);
    fault_server_stop(&s);
    assert_int_equal(http_new(&h, &cfg), ERR_OK);
    http_answer_init(&a);
    assert_int_equal(http_send(h, &a, &(struct http_request){.method = "GET", .path = "/x"}),
                     ERR_SERVER);
    assert_non_null(strstr(a.sentence, "nobody listens at the server (http://127.0.0.1:"));
    http_answer_release(&a);
    http_free(h);
}

/* ---- what a configuration may not hold ---- */

static void refused_configurations(void **state)
{
    static const struct {
        struct http_cfg cfg;
        const char *says;
    } cases[] = {{{.url = "nonsense host"}, "is not a URL"},
                 {{.url = ""}, "is not a URL"},
                 {{.url = "ftp://127.0.0.1/"}, "neither http:// nor https://"},
                 {{.url = "file:///etc/passwd"}, "neither http:// nor https://"},
                 {{.url = "https://me:s3cr3t-token-0123456789@h/"}, "a user or a password"},
                 {{.url = "https://h/?token=s3cr3t-token-0123456789"}, "a query or a fragment"},
                 {{.url = "http://prometheus:9090", .token = secret}, "readable on its way"},
                 {{.url = "http://prometheus:9090", .user = "me", .password = secret}, "readable"},
                 {{.url = "https://h", .ca_file = "/nowhere/ca.crt"}, "/nowhere/ca.crt"},
                 {{.url = "https://h", .ca_file = "Makefile"}, "holds no certificate"}};
    struct heard heard;
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct http *h;
        struct http_cfg cfg = cases[i].cfg;
        cfg.name = "Prometheus";
        heard_begin(&heard);
        assert_true(http_new(&h, &cfg) != ERR_OK);
        heard_end();
        if (heard.n != 1 || strstr(heard.text, cases[i].says) == NULL ||
            strstr(heard.text, secret) != NULL) {
            fail_msg("case %zu: %s", i, heard.text);
        }
    }
}

/* The server echoes the token in its answer, with a line feed; no message shows either. */
static void secrets_are_redacted(void **state)
{
    struct http *h;
    char text[128];
    (void)state;
    assert_int_equal(http_new(&h, &(struct http_cfg){.name = "x",
                                                     .url = "https://h",
                                                     .token = secret,
                                                     .user = "u",
                                                     .password = "hunter22"}),
                     ERR_OK);
    (void)snprintf(text, sizeof text, "bad Bearer %s\n\033[1m %s hunter22", secret, secret);
    http_redact(h, text);
    assert_null(strstr(text, "s3cr3t"));
    assert_null(strstr(text, "hunter22"));
    assert_null(strchr(text, '\n'));
    assert_null(strchr(text, '\033'));
    assert_non_null(strstr(text, "bad Bearer ****"));
    http_free(h);
}

/* ---- repetition ---- */

static enum err send_with(struct retry *r, struct http *h, struct http_answer *a, double deadline_s)
{
    return retry_send(r, h, a, &(struct http_request){.method = "GET", .path = "/x"}, deadline_s);
}

static void what_is_repeated(void **state)
{
    static const struct {
        int status;
        enum fault fault;
        int tries;
    } cases[] = {{200, FAULT_NONE, 1},  {401, FAULT_NONE, 1}, {403, FAULT_NONE, 1},
                 {404, FAULT_NONE, 1},  {409, FAULT_NONE, 1}, {410, FAULT_NONE, 1},
                 {429, FAULT_NONE, 4},  {500, FAULT_NONE, 4}, {502, FAULT_NONE, 4},
                 {503, FAULT_NONE, 4},  {504, FAULT_NONE, 4}, {501, FAULT_NONE, 1},
                 {200, FAULT_CLOSE, 4}, {200, FAULT_CUT, 4}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct fault_answer script = {
            .path = "/x", .status = cases[i].status, .fault = cases[i].fault, .body = "0123456789"};
        struct fault_server s;
        struct fake_time t = {0};
        struct heard heard;
        struct http *h;
        struct http_answer a;
        struct retry r;
        assert_true(fault_server_start(&s, &script, 1));
        const struct http_cfg cfg = quick(&s, &t);
        assert_int_equal(http_new(&h, &cfg), ERR_OK);
        http_answer_init(&a);
        retry_init(&r, &(struct retry_cfg){.seed = 1});
        heard_begin(&heard);
        const enum err e = send_with(&r, h, &a, 0.0);
        heard_end();
        assert_int_equal(fault_server_count(&s, NULL), cases[i].tries);
        assert_int_equal(e, cases[i].tries == 1 ? ERR_OK : ERR_SERVER);
        assert_int_equal(heard.n, cases[i].tries == 1 ? 0 : 4);
        if (cases[i].tries > 1) {
            /* 0.5, 1 and 2 s, of which the upper half is random. */
            assert_true(t.waited >= 1.75 && t.waited <= 3.5);
            assert_non_null(strstr(heard.last, "given up after 4 tries"));
        }
        http_answer_release(&a);
        http_free(h);
        fault_server_stop(&s);
    }
}

static void retry_after_is_kept(void **state)
{
    static const struct fault_answer script[] = {
        {.path = "/x", .times = 2, .status = 429, .headers = "Retry-After: 9\r\n"},
        {.path = "/x", .status = 200, .body = "fine"}};
    struct fault_server s;
    struct fake_time t = {.now = 100.0};
    struct heard heard;
    struct http *h;
    struct http_answer a;
    struct retry r;
    (void)state;
    assert_true(fault_server_start(&s, script, 2));
    const struct http_cfg cfg = quick(&s, &t);
    assert_int_equal(http_new(&h, &cfg), ERR_OK);
    http_answer_init(&a);
    retry_init(&r, &(struct retry_cfg){.seed = 1});
    heard_begin(&heard);
    assert_int_equal(send_with(&r, h, &a, 0.0), ERR_OK);
    assert_true(t.waited == 18.0);
    assert_non_null(strstr(heard.text, "asks to wait 9 s"));
    /* There is no time for the second wait: given up at once, without it. */
    fault_server_script(&s, script, 2);
    t.waited = 0.0;
    assert_int_equal(send_with(&r, h, &a, t.now + 15.0), ERR_SERVER);
    heard_end();
    assert_true(t.waited == 9.0);
    assert_non_null(strstr(heard.last, "the time for this request is over"));
    http_answer_release(&a);
    http_free(h);
    fault_server_stop(&s);
}

/* w/2 <= wait <= w, w = min(most, first 2^k); the draws differ and depend on the seed. */
static void waits_are_bounded(void **state)
{
    struct retry a, b, c;
    double sum = 0.0;
    (void)state;
    retry_init(&a, &(struct retry_cfg){.seed = 1, .first_s = 1.0, .most_s = 8.0});
    retry_init(&b, &(struct retry_cfg){.seed = 1, .first_s = 1.0, .most_s = 8.0});
    retry_init(&c, &(struct retry_cfg){.seed = 2, .first_s = 1.0, .most_s = 8.0});
    for (int i = 0; i < 4000; i++) {
        const int k = i % 8;
        const double w = k < 3 ? (double)(1 << k) : 8.0;
        const double wait = retry_wait_s(&a, k, -1.0);
        assert_true(wait >= w / 2.0 && wait <= w);
        assert_true(wait == retry_wait_s(&b, k, -1.0));
        assert_true(wait != retry_wait_s(&c, k, -1.0));
        sum += wait / w;
    }
    assert_true(sum / 4000.0 > 0.74 && sum / 4000.0 < 0.76);
    assert_true(retry_wait_s(&a, 1000000, -1.0) <= 8.0);
    assert_true(retry_wait_s(&a, 0, 30.0) == 30.0);
}

static void requests_are_limited(void **state)
{
    const struct fault_answer script = {.path = "/x", .status = 200};
    struct fault_server s;
    struct fake_time t = {0};
    struct http *h;
    struct http_answer a;
    struct retry r;
    (void)state;
    assert_true(fault_server_start(&s, &script, 1));
    const struct http_cfg cfg = quick(&s, &t);
    assert_int_equal(http_new(&h, &cfg), ERR_OK);
    http_answer_init(&a);
    retry_init(&r, &(struct retry_cfg){.rate_per_s = 4.0, .burst = 6.0});
    for (int i = 0; i < 26; i++) {
        assert_int_equal(send_with(&r, h, &a, 0.0), ERR_OK);
    }
    /* Six at once, the other twenty at four a second. */
    assert_true(t.waited > 4.99 && t.waited < 5.01);
    assert_int_equal((int)r.n_sent, 26);
    http_answer_release(&a);
    http_free(h);
    fault_server_stop(&s);
}

/* A token that expired: the file holds a newer one by now, which is read and used at once. */
static void a_token_is_read_again(void **state)
{
    static const struct fault_answer script[] = {{.path = "/x", .times = 1, .status = 401},
                                                 {.path = "/x", .status = 200}};
    char path[] = "/tmp/karma-token-XXXXXX";
    struct fault_server s;
    struct fake_time t = {0};
    struct http *h;
    struct http_answer a;
    struct retry r;
    (void)state;
    assert_true(fault_server_start(&s, script, 2));
    (void)close(mkstemp(path));
    assert_int_equal(file_write(path, "first-one\n", 10), ERR_OK);
    struct http_cfg cfg = quick(&s, &t);
    cfg.token_file = path;
    assert_int_equal(http_new(&h, &cfg), ERR_OK);
    http_answer_init(&a);
    retry_init(&r, &(struct retry_cfg){.seed = 1});
    fault_server_script(&s, &script[1], 1);
    assert_int_equal(send_with(&r, h, &a, 0.0), ERR_OK);
    fault_server_script(&s, script, 2);
    assert_int_equal(file_write(path, "second-one\n", 11), ERR_OK);
    assert_int_equal(send_with(&r, h, &a, 0.0), ERR_OK);
    assert_int_equal(a.status, 200);
    assert_string_equal(s.requests[0].authorization, "Bearer first-one");
    assert_string_equal(s.requests[1].authorization, "Bearer second-one");
    assert_true(t.waited == 0.0);
    /* And by itself after a minute. */
    assert_int_equal(file_write(path, "third-one\n", 10), ERR_OK);
    t.now += 59.0;
    assert_int_equal(send_with(&r, h, &a, 0.0), ERR_OK);
    t.now += 2.0;
    assert_int_equal(send_with(&r, h, &a, 0.0), ERR_OK);
    assert_string_equal(s.requests[2].authorization, "Bearer second-one");
    assert_string_equal(s.requests[3].authorization, "Bearer third-one");
    (void)unlink(path);
    http_answer_release(&a);
    http_free(h);
    fault_server_stop(&s);
}

/* ---- streams ---- */

struct lines {
    char text[4096];
    int n, refuse_at;
};

static enum err on_line(void *ctx, char *line, size_t n)
{
    struct lines *l = ctx;
    assert_int_equal(strlen(line), n);
    const size_t used = strlen(l->text);
    (void)snprintf(l->text + used, sizeof l->text - used, "%s|", line);
    l->n++;
    return l->refuse_at == l->n ? ERR_FORMAT : ERR_OK;
}

static void a_stream_is_read_in_lines(void **state)
{
    static const struct {
        enum fault fault;
        enum err e;
        const char *text;
    } cases[] = {{FAULT_STREAM, ERR_OK, "{\"a\":1}|two|rest|"},
                 {FAULT_OPEN, ERR_OK, "{\"a\":1}|two|"},
                 {FAULT_TORN, ERR_SERVER, "{\"a\":1}|two|"},
                 {FAULT_CLOSE, ERR_SERVER, ""}};
    struct fake_time t = {0};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct fault_answer script = {.path = "/watch",
                                            .status = 200,
                                            .fault = cases[i].fault,
                                            .body = "{\"a\":1}\ntwo\nrest"};
        struct fault_server s;
        struct lines lines = {0};
        struct http *h;
        struct http_stream *w;
        assert_true(fault_server_start(&s, &script, 1));
        const struct http_cfg cfg = quick(&s, &t);
        assert_int_equal(http_new(&h, &cfg), ERR_OK);
        assert_int_equal(
            http_stream_open(&w, h, &(struct http_request){.method = "GET", .path = "/watch"}),
            ERR_OK);
        enum err e = ERR_OK;
        for (int k = 0; k < 4 && e == ERR_OK && !http_stream_ended(w); k++) {
            e = http_stream_poll(w, 0.1, on_line, &lines);
        }
        assert_int_equal(e, cases[i].e);
        assert_int_equal(http_stream_ended(w), cases[i].fault != FAULT_OPEN);
        assert_string_equal(lines.text, cases[i].text);
        assert_int_equal(http_stream_sentence(w)[0] != '\0', e != ERR_OK);
        http_stream_close(w);
        http_free(h);
        fault_server_stop(&s);
    }
}

/* A line without end is refused when it is longer than an answer may be. */
static void a_line_is_bounded(void **state)
{
    const struct fault_answer script = {.path = "/w", .status = 200, .fault = FAULT_ENDLESS};
    struct fault_server s;
    struct fake_time t = {0};
    struct lines lines = {0};
    struct http *h;
    struct http_stream *w;
    enum err e = ERR_OK;
    (void)state;
    assert_true(fault_server_start(&s, &script, 1));
    const struct http_cfg cfg = quick(&s, &t);
    assert_int_equal(http_new(&h, &cfg), ERR_OK);
    assert_int_equal(http_stream_open(&w, h, &(struct http_request){.method = "GET", .path = "/w"}),
                     ERR_OK);
    for (int k = 0; k < 100 && e == ERR_OK; k++) {
        e = http_stream_poll(w, 0.1, on_line, &lines);
    }
    assert_int_equal(e, ERR_SERVER);
    assert_non_null(strstr(http_stream_sentence(w), "more than 100000 bytes"));
    http_stream_close(w);
    http_free(h);
    fault_server_stop(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(an_answer_is_whole),
                                       cmocka_unit_test(faults_are_told),
                                       cmocka_unit_test(nobody_listens),
                                       cmocka_unit_test(refused_configurations),
                                       cmocka_unit_test(secrets_are_redacted),
                                       cmocka_unit_test(what_is_repeated),
                                       cmocka_unit_test(retry_after_is_kept),
                                       cmocka_unit_test(waits_are_bounded),
                                       cmocka_unit_test(requests_are_limited),
                                       cmocka_unit_test(a_token_is_read_again),
                                       cmocka_unit_test(a_stream_is_read_in_lines),
                                       cmocka_unit_test(a_line_is_bounded)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
