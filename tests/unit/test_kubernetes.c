/* The Kubernetes client against recorded answers of a real API server (tests/kubernetes/record) and
 * a server that misbehaves: no wrong write, no lost error, no secret in a message. */
#include "core/base/file.h"
#include "core/transfer/kube_lease.h"
#include "core/transfer/kube_mirror.h"
#include "core/transfer/kubernetes.h"
#include "tests/unit/fault_server.h"
#include "tests/unit/heard.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define SHOP        "/apis/apps/v1/namespaces/shop/deployments"
#define SCALE       SHOP "/a/scale"
#define HPAS        "/apis/autoscaling/v1/namespaces/shop/horizontalpodautoscalers*"
#define KEDA        "/apis/keda.sh/v1alpha1/namespaces/shop/scaledobjects*"
#define LEASES      "/apis/coordination.k8s.io/v1/namespaces/shop/leases"
#define RUN(script) scene_begin(&x, script, (int)(sizeof(script) / sizeof *(script)))

static const char secret[] = "s3cr3t-token-0123456789";

/* A client and its server; waits take no time, and are added up. */
struct scene {
    struct fault_server server;
    struct heard heard;
    struct kube *k;
    double now, waited;
};

static double fake_now(void *ctx)
{
    return ((struct scene *)ctx)->now;
}

static bool fake_sleep(void *ctx, double seconds)
{
    struct scene *x = ctx;
    x->now += seconds;
    x->waited += seconds;
    return true;
}

static bool is_to_stop; /* a signal came */

static bool stopped(void)
{
    return is_to_stop;
}

static void scene_begin(struct scene *x, const struct fault_answer *script, int n)
{
    struct kube_access a = {.server = "",
                            .ca_file = "",
                            .ca_pem = "",
                            .token = secret,
                            .token_file = "",
                            .cert_pem = "",
                            .key_pem = "",
                            .name_space = "shop",
                            .source = "a test"};
    memset(x, 0, sizeof *x);
    x->now = 1000.0;
    assert_true(fault_server_start(&x->server, script, n));
    a.server = x->server.url;
    assert_int_equal(kube_new(&x->k, &a,
                              &(struct kube_cfg){.page = 2,
                                                 .total_s = 0.5,
                                                 .retry = {.seed = 1},
                                                 .time = {fake_now, fake_sleep, x},
                                                 .stopped = stopped}),
                     ERR_OK);
    is_to_stop = false;
    heard_begin(&x->heard);
}

static void scene_end(struct scene *x)
{
    heard_end();
    assert_null(strstr(x->heard.text, "s3cr3t"));
    kube_free(x->k);
    fault_server_stop(&x->server);
}

/* A recorded answer; kept until the end of the program. */
static const char *recorded(const char *name)
{
    static struct arena arena;
    char path[256];
    struct buf text;
    (void)snprintf(path, sizeof path, "tests/kubernetes/answers/%s", name);
    buf_init(&text);
    assert_int_equal(file_read(&text, path, 1 << 20), ERR_OK);
    const char *copy = arena_strdup(&arena, (const char *)text.data);
    buf_release(&text);
    return copy;
}

/* ---- scale ---- */

static void a_scale_is_read_and_set(void **state)
{
    const struct fault_answer script[] = {
        {.method = "GET", .path = SCALE, .status = 200, .body = recorded("scale.json")},
        {.method = "PATCH",
         .path = SCALE "?fieldManager=karma",
         .status = 200,
         .body = recorded("scale-patched.json")},
        {.method = "PATCH",
         .path = SCALE "?fieldManager=karma&dryRun=All",
         .status = 200,
         .body = recorded("scale-patched.json")}};
    struct scene x;
    struct kube_scale s;
    char want[256];
    (void)state;
    RUN(script);
    assert_int_equal(kube_scale_get(x.k, &s, "a", 0.0), ERR_OK);
    assert_string_equal(s.meta.name, "a");
    assert_int_equal(s.replicas, 2);
    assert_int_equal(s.existing, 2);
    (void)snprintf(
        want, sizeof want,
        "{\"metadata\":{\"uid\":\"%s\",\"resourceVersion\":\"%s\"},\"spec\":{\"replicas\":"
        "3}}",
        s.meta.uid, s.meta.version);
    assert_int_equal(kube_scale_try(x.k, &s, "a", 3, 0.0), ERR_OK);
    assert_int_equal((int)kube_n_writes(x.k), 0);
    assert_int_equal(kube_scale_set(x.k, &s, "a", 3, 0.0), ERR_OK);
    assert_int_equal(s.replicas, 3);
    assert_int_equal((int)kube_n_writes(x.k), 1);
    assert_string_equal(x.server.requests[2].body, want);
    assert_string_equal(x.server.requests[2].type, "application/merge-patch+json");
    assert_string_equal(x.server.requests[2].authorization, "Bearer s3cr3t-token-0123456789");
    assert_int_equal(x.heard.n, 0);
    scene_end(&x);
}

/* Each status: its error, a sentence with what helps, and bounded repetition. */
static void statuses(void **state)
{
    const struct {
        int status, tries;
        const char *body;
        enum err e;
        const char *says;
    } cases[] = {
        {401, 1, recorded("unauthorised.json"), ERR_DENIED, "kubectl create token karma"},
        {403, 1, recorded("forbidden.json"), ERR_DENIED, "the Role in configs/kubernetes"},
        {404, 1, recorded("missing.json"), ERR_MISMATCH, "not found"},
        {409, 1, recorded("conflict.json"), ERR_CONFLICT, "the object has been modified"},
        {410, 1, "{}", ERR_VERSION, "(410)"},
        {422, 1, recorded("invalid.json"), ERR_FAILED, "must be greater than or equal to 0"},
        {418, 1, "no JSON at all s3cr3t-token-0123456789", ERR_FAILED, "(418)"},
        {400, 1, "{\"message\":\"bad s3cr3t-token-0123456789\\n\"}", ERR_FAILED, "bad ****"},
        {302, 1, "", ERR_FAILED, "(302)"},
        {429, 4, "{}", ERR_SERVER, "given up after 4 tries"},
        {500, 4, "{}", ERR_SERVER, "answered 500"},
        {503, 4, "{}", ERR_SERVER, "answered 503"}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct fault_answer script[] = {
            {.path = "/apis*", .status = cases[i].status, .body = cases[i].body}};
        for (int write = 0; write < 2; write++) {
            struct scene x;
            struct kube_scale s = {.meta = {.name = "a", .uid = "u", .version = "7"}};
            RUN(script);
            const enum err e =
                write ? kube_scale_set(x.k, &s, "a", 3, 0.0) : kube_scale_get(x.k, &s, "a", 0.0);
            if (e != cases[i].e || strstr(x.heard.last, cases[i].says) == NULL) {
                fail_msg("status %d: %s %s", cases[i].status, err_name(e), x.heard.last);
            }
            assert_int_equal(fault_server_count(&x.server, NULL), cases[i].tries);
            assert_string_equal(s.meta.version, "7"); /* untouched */
            scene_end(&x);
        }
    }
}

/* The answer to a patch is lost. It is sent again with the same version, so it cannot take effect
 * twice; the conflict is looked into. */
static void a_patch_whose_answer_is_lost(void **state)
{
    static const enum fault faults[] = {FAULT_CUT, FAULT_CLOSE, FAULT_RESET, FAULT_HANG};
    (void)state;
    for (size_t i = 0; i < 2 * sizeof faults / sizeof *faults; i++) {
        const bool ours = i % 2 == 0;
        const struct fault_answer script[] = {
            {.method = "PATCH",
             .path = SCALE "*",
             .times = 1,
             .status = 200,
             .fault = faults[i / 2],
             .body = recorded("scale-patched.json")},
            {.method = "PATCH",
             .path = SCALE "*",
             .status = 409,
             .body = recorded("conflict.json")},
            {.method = "GET",
             .path = SCALE,
             .times = 1,
             .status = 200,
             .body = recorded("scale.json")},
            {.method = "GET",
             .path = SCALE,
             .status = 200,
             .body = recorded(ours ? "scale-patched.json" : "scale.json")}};
        struct scene x;
        struct kube_scale s;
        RUN(script);
        assert_int_equal(kube_scale_get(x.k, &s, "a", 0.0), ERR_OK);
        assert_int_equal(kube_scale_set(x.k, &s, "a", 3, 0.0), ours ? ERR_OK : ERR_CONFLICT);
        assert_int_equal(fault_server_count(&x.server, "PATCH"), 2);
        assert_string_equal(x.server.requests[1].body, x.server.requests[2].body);
        assert_int_equal(s.replicas, ours ? 3 : 2);
        scene_end(&x);
    }
}

/* A signal that comes in the middle of a write. The write ends with its answer, so that what became
 * of it is known; nothing else begins. */
static void a_stop_lets_a_write_end(void **state)
{
    const struct fault_answer script[] = {
        {.method = "GET", .path = SCALE, .status = 200, .body = recorded("scale.json")},
        {.method = "PATCH",
         .path = SCALE "*",
         .status = 200,
         .body = recorded("scale-patched.json")}};
    struct scene x;
    struct kube_scale s, other = {.replicas = 77};
    (void)state;
    RUN(script);
    assert_int_equal(kube_scale_get(x.k, &s, "a", 0.0), ERR_OK);
    is_to_stop = true;
    assert_int_equal(kube_scale_set(x.k, &s, "a", 3, 0.0), ERR_OK);
    assert_int_equal(s.replicas, 3);
    assert_int_equal(kube_scale_get(x.k, &other, "a", 0.0), ERR_STOPPED);
    assert_int_equal(other.replicas, 77);
    assert_int_equal(fault_server_count(&x.server, "PATCH"), 1);
    scene_end(&x);
}

static void answers_that_are_none(void **state)
{
    static const char *const bodies[] = {
        "",
        "null",
        "[]",
        "{\"kind\":\"Scale\"}",
        "{\"kind\":\"Status\",\"metadata\":{\"name\":\"a\"}}",
        "{\"kind\":\"Scale\",\"metadata\":{\"name\":\"a\"},\"spec\":{\"replicas\":-1}}",
        "{\"kind\":\"Scale\",\"metadata\":{\"name\":\"a\"},\"spec\":{\"replicas\":1e9}}",
        "{\"kind\":\"Scale\",\"metadata\":{\"name\":\"a\"},\"spec\":{\"replicas\":1.5}}",
        "{\"kind\":\"Scale\",\"metadata\":{\"name\":\"a\"}",
        "<html>proxy</html>"};
    (void)state;
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        const struct fault_answer script[] = {
            {.path = SCALE "*", .status = 200, .body = bodies[i]}};
        struct scene x;
        struct kube_scale s = {.replicas = 77};
        RUN(script);
        assert_int_equal(kube_scale_get(x.k, &s, "a", 0.0), ERR_FORMAT);
        assert_int_equal(x.heard.n, 1);
        assert_int_equal(s.replicas, 77);
        scene_end(&x);
    }
}

/* ---- lists ---- */

struct names {
    char text[1024];
    int n_begun;
};

static void begin(void *ctx)
{
    struct names *n = ctx;
    n->text[0] = '\0';
    n->n_begun++;
}

static enum err add_name(void *ctx, const struct kube_object *o)
{
    struct names *n = ctx;
    const size_t used = strlen(n->text);
    (void)snprintf(n->text + used, sizeof n->text - used, "%s ", o->meta.name);
    return ERR_OK;
}

static void a_list_in_pages(void **state)
{
    const char *one = recorded("deployments-1.json"), *two = recorded("deployments-2.json");
    const struct fault_answer expired[] = {
        {.path = SHOP "?limit=2&labelSelector=x%3Dy", .status = 200, .body = one},
        {.path = SHOP "?limit=2&labelSelector=x%3Dy&continue=*", .times = 1, .status = 410},
        {.path = SHOP "?limit=2&labelSelector=x%3Dy&continue=*", .status = 200, .body = two}};
    const struct fault_answer always[] = {{.path = SHOP "?limit=2", .status = 200, .body = one},
                                          {.path = SHOP "?limit=2&continue=*", .status = 410}};
    struct scene x;
    struct names names = {.n_begun = 0};
    char version[KUBE_ID_BYTES] = "old";
    (void)state;
    RUN(expired);
    assert_int_equal(kube_list(x.k, KUBE_DEPLOYMENT, "x=y", version, begin, add_name, &names, 0.0),
                     ERR_OK);
    assert_string_equal(names.text, "a b c ");
    assert_int_equal(names.n_begun, 2);
    assert_int_equal(fault_server_count(&x.server, NULL), 4);
    assert_true(version[0] != '\0' && strcmp(version, "old") != 0);
    assert_int_equal(x.heard.n, 0);
    scene_end(&x);
    RUN(always);
    assert_int_equal(kube_list(x.k, KUBE_DEPLOYMENT, "", version, begin, add_name, &names, 0.0),
                     ERR_VERSION);
    assert_int_equal(fault_server_count(&x.server, NULL), 6);
    assert_non_null(strstr(x.heard.last, "expired 3 times"));
    scene_end(&x);
}

static enum err first_pod(void *ctx, const struct kube_object *o)
{
    struct kube_object *pod = ctx;
    *pod = pod->meta.name[0] == '\0' ? *o : *pod;
    return ERR_OK;
}

static void fields_of_objects(void **state)
{
    const struct fault_answer script[] = {
        {.path = "/api/v1/namespaces/shop/pods*", .status = 200, .body = recorded("pods.json")}};
    struct scene x;
    struct kube_object pod = {.kind = KUBE_POD};
    (void)state;
    RUN(script);
    assert_int_equal(kube_list(x.k, KUBE_POD, "", NULL, NULL, first_pod, &pod, 0.0), ERR_OK);
    assert_true(strncmp(pod.meta.name, "a-", 2) == 0);
    assert_true(strncmp(pod.pod.owner, "a-", 2) == 0);
    assert_string_equal(pod.pod.phase, "Running");
    assert_string_equal(pod.pod.node, "node-1");
    assert_true(pod.pod.ready);
    assert_true(fabs(pod.pod.cpu_request_m - 750.0) < 1e-9);
    assert_true(fabs(pod.pod.memory_request_mib - 320.0) < 1e-9);
    scene_end(&x);
}

static void quantities(void **state)
{
    static const struct {
        const char *text;
        double value;
    } good[] = {{"250m", 0.25},   {"1", 1.0},   {"0.5", 0.5}, {"1Gi", 0x1p30},
                {"64Mi", 0x1p26}, {"1e3", 1e3}, {"2E", 2e18}, {"12E2", 1200.0},
                {"100k", 1e5},    {"5u", 5e-6}, {"3n", 3e-9}, {"1.5Gi", 1.5 * 0x1p30},
                {"-1", -1.0}};
    static const char *const bad[] = {"",
                                      "m",
                                      "x",
                                      "1x",
                                      "1 Gi",
                                      "0x10",
                                      "1e",
                                      "Gi",
                                      "nan",
                                      "1mi",
                                      "1e999",
                                      "1111111111111111111111111111111111111111111111111111"
                                      "111111111111111"};
    double v = 7.0;
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_true(kube_quantity(&v, good[i].text));
        assert_true(fabs(v / good[i].value - 1.0) < 1e-12);
    }
    v = 7.0;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        if (kube_quantity(&v, bad[i]) || v != 7.0) {
            fail_msg("'%s' was taken for a quantity", bad[i]);
        }
    }
}

/* Each allocation fails once: an error and no half result, and the client works afterwards. */
static void memory_that_runs_out(void **state)
{
    const struct fault_answer script[] = {
        {.method = "GET", .path = SCALE, .status = 200, .body = recorded("scale.json")},
        {.method = "PATCH",
         .path = SCALE "*",
         .status = 200,
         .body = recorded("scale-patched.json")},
        {.path = SHOP "?limit=2", .status = 200, .body = recorded("deployments-1.json")},
        {.path = SHOP "?limit=2&continue=*",
         .status = 200,
         .body = recorded("deployments-2.json")}};
    struct scene x;
    int n_failed = 0;
    (void)state;
    RUN(script);
    for (uint64_t n = 1; n < 400; n += n < 40 ? 1 : 7) {
        struct kube_scale s;
        struct names names = {.n_begun = 0};
        enum err e[3];
        mem_fail_after(n);
        e[0] = kube_scale_get(x.k, &s, "a", 0.0);
        e[1] = e[0] == ERR_OK ? kube_scale_set(x.k, &s, "a", 3, 0.0) : ERR_OK;
        e[2] = kube_list(x.k, KUBE_DEPLOYMENT, "", NULL, begin, add_name, &names, 0.0);
        mem_fail_after(0);
        for (int i = 0; i < 3; i++) {
            if (e[i] != ERR_OK && e[i] != ERR_MEMORY) {
                fail_msg("allocation %d, request %d: %s %s", (int)n, i, err_name(e[i]),
                         x.heard.last);
            }
            n_failed += e[i] == ERR_MEMORY;
        }
        assert_true(e[2] != ERR_OK || strcmp(names.text, "a b c ") == 0);
        assert_int_equal(kube_scale_get(x.k, &s, "a", 0.0), ERR_OK);
        heard_forget(&x.heard);
    }
    assert_true(n_failed > 20);
    scene_end(&x);
}

/* ---- who else scales ---- */

static void owners(void **state)
{
    static const char keda[] = "{\"metadata\":{\"resourceVersion\":\"1\"},\"items\":[{\"metadata\":"
                               "{\"name\":\"q\"},\"spec\":"
                               "{\"scaleTargetRef\":{\"name\":\"c\"}}}]}";
    static const char made[] =
        "{\"metadata\":{\"resourceVersion\":\"1\"},\"items\":[{\"metadata\":{\"name\":\"keda-hpa-"
        "q\","
        "\"ownerReferences\":[{\"kind\":\"ScaledObject\",\"name\":\"q\",\"controller\":true}]},"
        "\"spec\":"
        "{\"scaleTargetRef\":{\"kind\":\"Deployment\",\"name\":\"c\"},\"maxReplicas\":3}}]}";
    const char *hpas = recorded("hpas.json"), *none = recorded("missing-kind.txt");
    const struct {
        const char *deployment, *hpas, *keda;
        int hpa_status, keda_status;
        enum err e;
        const char *owner;
    } cases[] = {{"a", hpas, none, 200, 404, ERR_OK, ""},
                 {"b", hpas, none, 200, 404, ERR_OK, "the HorizontalPodAutoscaler 'b'"},
                 {"c", hpas, keda, 200, 200, ERR_OK, "the ScaledObject 'q'"},
                 {"c", made, none, 200, 404, ERR_OK,
                  "the HorizontalPodAutoscaler 'keda-hpa-q', made by the ScaledObject 'q'"},
                 {"a", hpas, recorded("forbidden.json"), 200, 403, ERR_DENIED, NULL},
                 {"a", recorded("forbidden.json"), none, 403, 404, ERR_DENIED, NULL}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct fault_answer script[] = {
            {.path = HPAS, .status = cases[i].hpa_status, .body = cases[i].hpas},
            {.path = KEDA, .status = cases[i].keda_status, .body = cases[i].keda}};
        struct scene x;
        char owner[KUBE_OWNER_BYTES];
        RUN(script);
        assert_int_equal(kube_find_owner(x.k, owner, cases[i].deployment, 0.0), cases[i].e);
        if (cases[i].owner != NULL) {
            assert_string_equal(owner, cases[i].owner);
        }
        scene_end(&x);
    }
}

/* ---- events ---- */

static void an_event_is_recorded(void **state)
{
    const struct fault_answer script[] = {
        {.method = "POST", .path = "/api/v1/namespaces/shop/events", .status = 201, .body = "{}"}};
    struct scene x;
    struct arena arena;
    const struct json *j;
    const struct kube_meta meta = {.name = "a", .uid = "uid-1"};
    char long_text[3000];
    (void)state;
    memset(long_text, 'x', sizeof long_text - 1);
    long_text[sizeof long_text - 1] = '\0';
    long_text[0] = '"';
    RUN(script);
    assert_int_equal(kube_put_event(x.k,
                                    &(struct kube_event){.kind = "Deployment",
                                                         .api_version = "apps/v1",
                                                         .object = &meta,
                                                         .warning = true,
                                                         .reason = "KarmaRefused",
                                                         .message = long_text},
                                    0.0),
                     ERR_OK);
    arena_init(&arena);
    const char *body = x.server.requests[0].body;
    assert_int_equal(json_read(&j, &arena, "the event", body, strlen(body)), ERR_OK);
    assert_string_equal(json_text(j, "involvedObject.uid", ""), "uid-1");
    assert_string_equal(json_text(j, "type", ""), "Warning");
    assert_string_equal(json_text(j, "metadata.namespace", ""), "shop");
    assert_int_equal(strlen(json_text(j, "message", "")), 1024);
    arena_release(&arena);
    scene_end(&x);
}

/* ---- mirror ---- */

static int replicas_of(const struct kube_mirror *m, const char *name)
{
    const struct kube_object *o = kube_mirror_find(m, name);
    return o == NULL ? -1 : o->deployment.replicas;
}

static int n_objects(const struct kube_mirror *m)
{
    int n;
    (void)kube_mirror_objects(m, &n);
    return n;
}

#define PAGES                                                                                      \
    {.path = SHOP "?limit=2", .status = 200, .body = recorded("deployments-1.json")},              \
    {                                                                                              \
        .path = SHOP "?limit=2&continue=*", .status = 200, .body = recorded("deployments-2.json")  \
    }

/* The recorded watch: 'a' goes from 2 to 3 replicas, 'c' is deleted. */
static void a_mirror_follows(void **state)
{
    const struct fault_answer script[] = {
        PAGES,
        {.path = SHOP "?watch=1*",
         .times = 1,
         .status = 200,
         .fault = FAULT_STREAM,
         .body = recorded("watch.jsonl")},
        {.path = SHOP "?watch=1*", .status = 200, .fault = FAULT_OPEN}};
    struct scene x;
    struct kube_mirror *m;
    (void)state;
    RUN(script);
    assert_int_equal(kube_mirror_new(&m, x.k, KUBE_DEPLOYMENT, "", 0.0), ERR_OK);
    assert_true(isinf(kube_mirror_age_s(m)));
    assert_int_equal(kube_mirror_poll(m, 0.0), ERR_OK);
    assert_int_equal(n_objects(m), 3);
    assert_int_equal(replicas_of(m, "a"), 2);
    for (int i = 0; i < 50 && n_objects(m) == 3; i++) {
        assert_int_equal(kube_mirror_poll(m, 0.05), ERR_OK);
    }
    assert_int_equal(n_objects(m), 2);
    assert_int_equal(replicas_of(m, "a"), 3);
    assert_int_equal(replicas_of(m, "c"), -1);
    x.now += 5.0;
    assert_true(kube_mirror_age_s(m) >= 5.0 && kube_mirror_age_s(m) < 7.0);
    /* The stream has ended: it is opened again where it ended, without a new list. */
    for (int i = 0; i < 50 && fault_server_count(&x.server, NULL) < 4; i++) {
        assert_int_equal(kube_mirror_poll(m, 0.05), ERR_OK);
    }
    assert_non_null(strstr(x.server.requests[3].path, "watch=1"));
    assert_string_not_equal(strstr(x.server.requests[2].path, "resourceVersion="),
                            strstr(x.server.requests[3].path, "resourceVersion="));
    assert_int_equal(x.heard.n, 0);
    kube_mirror_free(m);
    scene_end(&x);
}

static void a_watch_that_expires_is_listed_anew(void **state)
{
    const struct {
        int status;
        const char *body;
    } cases[] = {{200, recorded("expired.jsonl")},
                 {410, "{\n  \"kind\": \"Status\",\n  \"code\": 410\n}\n"}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct fault_answer script[] = {
            PAGES,
            {.path = SHOP "?watch=1*",
             .times = 1,
             .status = cases[i].status,
             .fault = FAULT_STREAM,
             .body = cases[i].body},
            {.path = SHOP "?watch=1*", .status = 200, .fault = FAULT_OPEN}};
        struct scene x;
        struct kube_mirror *m;
        RUN(script);
        assert_int_equal(kube_mirror_new(&m, x.k, KUBE_DEPLOYMENT, "", 0.0), ERR_OK);
        for (int k = 0; k < 50 && fault_server_count(&x.server, NULL) < 6; k++) {
            assert_int_equal(kube_mirror_poll(m, 0.05), ERR_OK);
        }
        assert_int_equal(fault_server_count(&x.server, NULL), 6); /* 2 pages, watch; again */
        assert_int_equal(n_objects(m), 3);
        assert_non_null(strstr(x.heard.text, "has expired"));
        kube_mirror_free(m);
        scene_end(&x);
    }
}

/* Whatever happens to the watch: the objects stay, the age grows, the requests are bounded. */
static void a_watch_that_breaks(void **state)
{
    static const struct {
        int status;
        enum fault fault;
        const char *body;
    } cases[] = {{200, FAULT_TORN, "{\"type\":\"ADDED\"\n"},
                 {200, FAULT_CLOSE, ""},
                 {200, FAULT_GARBAGE, ""},
                 {200, FAULT_STREAM, "no JSON\n"},
                 {200, FAULT_STREAM, "{\"type\":\"ADDED\",\"object\":{}}\n"},
                 {200, FAULT_STREAM, ""},
                 {500, FAULT_NONE, "{}"},
                 {401, FAULT_NONE, "{}"},
                 {429, FAULT_NONE, "{}"}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct fault_answer script[] = {PAGES,
                                              {.path = SHOP "?watch=1*",
                                               .status = cases[i].status,
                                               .fault = cases[i].fault,
                                               .body = cases[i].body}};
        struct scene x;
        struct kube_mirror *m;
        RUN(script);
        assert_int_equal(kube_mirror_new(&m, x.k, KUBE_DEPLOYMENT, "", 0.0), ERR_OK);
        for (int k = 0; k < 200; k++) {
            const enum err e = kube_mirror_poll(m, 0.02);
            assert_true(e == ERR_OK || e == ERR_DENIED);
            assert_int_equal(n_objects(m), 3);
            x.now += 0.01;
        }
        /* At most the beginning, and one try after each wait; waits grow to 15 s. */
        assert_true(fault_server_count(&x.server, NULL) < 60);
        kube_mirror_free(m);
        scene_end(&x);
    }
}

static void a_watch_that_is_to_wait(void **state)
{
    const struct fault_answer script[] = {
        PAGES,
        {.path = SHOP "?watch=1*", .status = 429, .headers = "Retry-After: 30\r\n", .body = "{}"}};
    struct scene x;
    struct kube_mirror *m;
    (void)state;
    RUN(script);
    assert_int_equal(kube_mirror_new(&m, x.k, KUBE_DEPLOYMENT, "", 0.0), ERR_OK);
    for (int k = 0; k < 100 && fault_server_count(&x.server, NULL) < 4; k++) {
        assert_int_equal(kube_mirror_poll(m, 1.0), ERR_OK);
    }
    assert_int_equal(fault_server_count(&x.server, NULL), 4); /* 2 pages, 2 watches */
    assert_true(x.waited >= 30.0 && x.waited < 32.0);
    kube_mirror_free(m);
    scene_end(&x);
}

static void a_server_that_goes_and_comes_back(void **state)
{
    const struct fault_answer script[] = {
        PAGES, {.path = SHOP "?watch=1*", .status = 200, .fault = FAULT_OPEN}};
    struct scene x;
    struct kube_mirror *m;
    (void)state;
    RUN(script);
    assert_int_equal(kube_mirror_new(&m, x.k, KUBE_DEPLOYMENT, "", 0.0), ERR_OK);
    assert_int_equal(kube_mirror_poll(m, 0.1), ERR_OK);
    const int port = x.server.port;
    fault_server_down(&x.server);
    const double gone = x.now;
    for (int k = 0; k < 40; k++) {
        const enum err e = kube_mirror_poll(m, 0.05);
        assert_true(e == ERR_OK || e == ERR_SERVER);
        x.now += 0.5;
    }
    assert_int_equal(n_objects(m), 3);
    assert_true(kube_mirror_age_s(m) >= x.now - gone - 1.0);
    assert_true(fault_server_listen(&x.server, port));
    for (int k = 0; k < 200 && kube_mirror_age_s(m) > 1.0; k++) {
        const enum err e = kube_mirror_poll(m, 0.05);
        assert_true(e == ERR_OK || e == ERR_SERVER);
        x.now += 0.1;
    }
    assert_true(kube_mirror_age_s(m) <= 1.0);
    kube_mirror_free(m);
    scene_end(&x);
}

/* ---- lease ---- */

static const char *lease_of(const char *holder, const char *version)
{
    static char text[8][512];
    static int i;
    char *out = text[i++ % 8];
    (void)snprintf(
        out, sizeof text[0],
        "{\"kind\":\"Lease\",\"metadata\":{\"name\":\"karma\",\"resourceVersion\":\"%s\"},"
        "\"spec\":{\"holderIdentity\":\"%s\",\"leaseDurationSeconds\":15,"
        "\"leaseTransitions\":2}}",
        version, holder);
    return out;
}

static void a_lease_of_another_is_waited_for(void **state)
{
    const struct fault_answer script[] = {
        {.method = "GET", .path = LEASES "/karma", .status = 200, .body = recorded("lease.json")},
        {.method = "PATCH", .path = LEASES "/karma", .status = 200, .body = lease_of("me", "900")}};
    struct scene x;
    struct kube_lease l;
    (void)state;
    RUN(script);
    assert_int_equal(kube_lease_init(&l, x.k, "karma", "me", 15.0), ERR_OK);
    for (int k = 0; k < 8; k++) {
        assert_int_equal(kube_lease_tick(&l, 0.0), ERR_OK);
        assert_false(kube_lease_held(&l));
        assert_string_equal(l.holder, "other");
        x.now += 2.0;
    }
    assert_int_equal(fault_server_count(&x.server, "PATCH"), 0);
    assert_int_equal(kube_lease_tick(&l, 0.0), ERR_OK); /* 16 s after the first look */
    assert_int_equal(fault_server_count(&x.server, "PATCH"), 1);
    assert_true(kube_lease_held(&l));
    const char *body = x.server.requests[x.server.n_requests - 1].body;
    assert_non_null(strstr(body, "\"leaseTransitions\":3"));
    assert_non_null(strstr(body, "\"holderIdentity\":\"me\""));
    /* It trusts itself for 10 of the 15 s. */
    x.now += 9.9;
    assert_true(kube_lease_held(&l));
    x.now += 0.2;
    assert_false(kube_lease_held(&l));
    scene_end(&x);
}

static void a_lease_is_made_lost_and_fought_for(void **state)
{
    const struct fault_answer none[] = {
        {.method = "GET", .path = LEASES "/karma", .status = 404, .body = recorded("missing.json")},
        {.method = "POST", .path = LEASES, .status = 201, .body = lease_of("me", "1")}};
    const struct fault_answer other[] = {
        {.method = "GET", .path = LEASES "/karma", .status = 200, .body = lease_of("other", "2")}};
    const struct fault_answer fought[] = {
        {.method = "GET", .path = LEASES "/karma", .status = 200, .body = lease_of("", "3")},
        {.method = "PATCH",
         .path = LEASES "/karma",
         .status = 409,
         .body = recorded("conflict.json")}};
    const struct fault_answer away[] = {{.path = LEASES "/karma", .status = 500}};
    const struct fault_answer twice[] = {
        {.method = "GET",
         .path = LEASES "/karma",
         .times = 1,
         .status = 200,
         .body = lease_of("", "3")},
        {.method = "PATCH", .path = LEASES "/karma", .times = 1, .fault = FAULT_CLOSE},
        {.method = "PATCH",
         .path = LEASES "/karma",
         .status = 409,
         .body = recorded("conflict.json")},
        {.method = "GET", .path = LEASES "/karma", .status = 200, .body = lease_of("me", "4")}};
    struct scene x;
    struct kube_lease l;
    (void)state;
    RUN(none);
    assert_int_equal(kube_lease_init(&l, x.k, "karma", "me", 2.0), ERR_CONFIG);
    assert_int_equal(kube_lease_init(&l, x.k, "karma", "me", 15.0), ERR_OK);
    assert_int_equal(kube_lease_tick(&l, 0.0), ERR_OK);
    assert_true(kube_lease_held(&l));
    /* The server is away: the instance goes on for two thirds of the duration, no longer. */
    fault_server_script(&x.server, away, 1);
    x.now += 5.0;
    assert_int_equal(kube_lease_tick(&l, x.now + 1.0), ERR_SERVER);
    assert_true(kube_lease_held(&l));
    x.now += 6.0;
    assert_false(kube_lease_held(&l));
    /* Somebody took it. */
    fault_server_script(&x.server, other, 1);
    assert_int_equal(kube_lease_tick(&l, 0.0), ERR_OK);
    assert_false(kube_lease_held(&l));
    assert_non_null(strstr(x.heard.last, "lost to 'other'"));
    /* It is free, but another one is quicker. */
    fault_server_script(&x.server, fought, 2);
    assert_int_equal(kube_lease_tick(&l, 0.0), ERR_OK);
    assert_false(kube_lease_held(&l));
    /* It is free, and the answer to our write is lost. */
    fault_server_script(&x.server, twice, 4);
    assert_int_equal(kube_lease_tick(&l, 0.0), ERR_OK);
    assert_true(kube_lease_held(&l));
    scene_end(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_scale_is_read_and_set),
                                       cmocka_unit_test(statuses),
                                       cmocka_unit_test(a_patch_whose_answer_is_lost),
                                       cmocka_unit_test(a_stop_lets_a_write_end),
                                       cmocka_unit_test(answers_that_are_none),
                                       cmocka_unit_test(a_list_in_pages),
                                       cmocka_unit_test(fields_of_objects),
                                       cmocka_unit_test(quantities),
                                       cmocka_unit_test(memory_that_runs_out),
                                       cmocka_unit_test(owners),
                                       cmocka_unit_test(an_event_is_recorded),
                                       cmocka_unit_test(a_mirror_follows),
                                       cmocka_unit_test(a_watch_that_expires_is_listed_anew),
                                       cmocka_unit_test(a_watch_that_breaks),
                                       cmocka_unit_test(a_watch_that_is_to_wait),
                                       cmocka_unit_test(a_server_that_goes_and_comes_back),
                                       cmocka_unit_test(a_lease_of_another_is_waited_for),
                                       cmocka_unit_test(a_lease_is_made_lost_and_fought_for)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
