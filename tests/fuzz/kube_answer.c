/* Fuzzes what an API server answers: objects of each kind, a scale, a lease, the lines of a watch.
 *
 * The first byte says as what the rest is read. An object that is accepted has a name and counts in
 * their range; a mirror never holds two objects of one name.
 */
#include "core/base/log.h"
#include "core/transfer/kube_lease.h"
#include "core/transfer/kube_mirror.h"
#include "core/transfer/kubernetes.h"
#include "tests/fuzz/fuzz.h"

#include <stdio.h>
#include <string.h>

enum { SCALE = KUBE_KINDS, LEASE, WATCH, READERS };

static struct kube *kube; /* made once; its URL contains the name of the source */
static struct kube_object object;
static struct kube_scale scale;
static struct kube_lease lease;
static struct kube_mirror *mirror;
static int reader;

static void make_kube(void)
{
    char url[128];
    const struct kube_access access = {.server = url,
                                       .ca_file = "",
                                       .ca_pem = "",
                                       .token = "",
                                       .token_file = "",
                                       .cert_pem = "",
                                       .key_pem = "",
                                       .name_space = "n",
                                       .source = ""};
    (void)snprintf(url, sizeof url, "https://host%s", fuzz_source());
    CHECK(kube_new(&kube, &access, &(struct kube_cfg){.page = 1}) == ERR_OK);
}

/* Each line as an event, until one is refused. */
static enum err read_watch(const char *text, size_t n)
{
    enum err e = ERR_OK;
    CHECK(kube_mirror_new(&mirror, kube, KUBE_POD, "", 0.0) == ERR_OK);
    for (size_t from = 0; e == ERR_OK && from < n;) {
        const char *end = memchr(text + from, '\n', n - from);
        const size_t len = end != NULL ? (size_t)(end - text) - from : n - from;
        e = kube_mirror_line(mirror, text + from, len);
        from += len + 1;
    }
    /* Expired, or a conflict: no fault, so no error is logged. */
    return e == ERR_VERSION || e == ERR_CONFLICT ? ERR_OK : e;
}

static enum err read_json(const struct json *j)
{
    char why[256] = "";
    enum err e;
    if (reader == LEASE) {
        CHECK(kube_lease_init(&lease, kube, "l", "me", 10.0) == ERR_OK);
        return kube_lease_note(&lease, j);
    }
    e = reader == SCALE ? kube_read_scale(&scale, j, why, sizeof why)
                        : kube_read_object(&object, (enum kube_kind)reader, j, why, sizeof why);
    if (e != ERR_OK) {
        CHECK(why[0] != '\0');
        log_error("%s: %s", fuzz_source(), why);
    }
    return e;
}

static enum err read(const unsigned char *bytes, size_t n, struct arena *scratch)
{
    const struct json *j = NULL;
    const size_t skip = n > 0;
    if (kube == NULL) {
        make_kube();
    }
    kube_mirror_free(mirror);
    mirror = NULL;
    object = (struct kube_object){.kind = KUBE_KINDS};
    scale = (struct kube_scale){.replicas = -1};
    lease = (struct kube_lease){.k = NULL};
    reader = n > 0 ? bytes[0] % READERS : 0;
    if (reader == WATCH) {
        return read_watch((const char *)bytes + skip, n - skip);
    }
    TRY(json_read(&j, scratch, fuzz_source(), bytes + skip, n - skip));
    return read_json(j);
}

static bool in_range(int n)
{
    return n >= 0 && n <= KUBE_COUNT_MAX;
}

static void check_object(const struct kube_object *o)
{
    CHECK(o->meta.name[0] != '\0' && memchr(o->meta.name, '\0', KUBE_NAME_BYTES) != NULL);
    if (o->kind == KUBE_DEPLOYMENT) {
        CHECK(in_range(o->deployment.replicas) && in_range(o->deployment.ready));
        CHECK(o->deployment.cpu_request_m >= 0.0);
    } else if (o->kind == KUBE_POD) {
        CHECK(in_range(o->pod.restarts) && o->pod.memory_request_mib >= 0.0);
    } else {
        CHECK(in_range(o->hpa.min) && in_range(o->hpa.max));
    }
}

static void check_mirror(void)
{
    int n;
    const struct kube_object *o = kube_mirror_objects(mirror, &n);
    for (int i = 0; i < n; i++) {
        check_object(&o[i]);
        CHECK(kube_mirror_find(mirror, o[i].meta.name) == &o[i]);
    }
}

static void check(const unsigned char *bytes, size_t n, enum err e)
{
    (void)bytes, (void)n;
    if (reader == WATCH) {
        check_mirror();
    } else if (reader == SCALE) {
        CHECK(e == ERR_OK ? in_range(scale.replicas) && scale.meta.name[0] != '\0'
                          : scale.replicas == -1);
    } else if (reader == LEASE) {
        CHECK(e != ERR_OK || lease.version[0] != '\0');
    } else if (e == ERR_OK) {
        check_object(&object);
    } else {
        CHECK(object.kind == KUBE_KINDS);
    }
}

static void seed(int as, const char *text)
{
    char bytes[2048];
    const int n = snprintf(bytes, sizeof bytes, "%c%s", (char)as, text);
    fuzz_seed(bytes, (size_t)n);
}

#define META "\"metadata\":{\"name\":\"a\",\"uid\":\"u\",\"resourceVersion\":\"7\",\"generation\":2"
#define POD                                                                                        \
    "{" META                                                                                       \
    ",\"ownerReferences\":[{\"kind\":\"ReplicaSet\",\"name\":\"r\",\"controller\":true}]},"        \
    "\"spec\":{\"nodeName\":\"n\",\"containers\":[{\"resources\":{\"requests\":{\"cpu\":\"250m\"," \
    "\"memory\":\"64Mi\"}}}]},\"status\":{\"phase\":\"Running\",\"conditions\":[{\"type\":"        \
    "\"Ready\",\"status\":\"True\"}],\"containerStatuses\":[{\"restartCount\":3}]}}"

static void seeds(void)
{
    seed(KUBE_DEPLOYMENT,
         "{" META "},\"spec\":{\"replicas\":2,\"selector\":{\"matchLabels\":{\"app\":\"a\"}},"
         "\"template\":{\"spec\":{\"containers\":[{\"resources\":{\"requests\":{\"cpu\":1,"
         "\"memory\":\"1e3\"}}}]}}},\"status\":{\"readyReplicas\":1,\"observedGeneration\":2}}");
    seed(KUBE_POD, POD);
    seed(KUBE_HPA,
         "{" META "},\"spec\":{\"scaleTargetRef\":{\"kind\":\"Deployment\",\"name\":\"a\"},"
         "\"maxReplicas\":5},\"status\":{\"currentReplicas\":2}}");
    seed(KUBE_SCALED_OBJECT, "{" META "},\"spec\":{\"scaleTargetRef\":{\"name\":\"a\"}}}");
    seed(SCALE,
         "{\"kind\":\"Scale\"," META "},\"spec\":{\"replicas\":3},\"status\":{\"replicas\":2}}");
    seed(LEASE, "{" META "},\"spec\":{\"holderIdentity\":\"me\",\"leaseDurationSeconds\":15,"
                "\"leaseTransitions\":2}}");
    seed(WATCH, "{\"type\":\"ADDED\",\"object\":" POD "}\n{\"type\":\"MODIFIED\",\"object\":" POD
                "}\n{\"type\":\"DELETED\",\"object\":" POD "}\n");
    seed(WATCH, "{\"type\":\"BOOKMARK\",\"object\":{\"metadata\":{\"resourceVersion\":\"9\"}}}\n"
                "{\"type\":\"ERROR\",\"object\":{\"code\":410,\"message\":\"too old\"}}\n");
    seed(WATCH, "{\"type\":\"ERROR\",\"object\":{\"code\":500,\"message\":\"x\"}}\n");
}

/* An object of the mirror is a struct of 2 KB, which needs 40 bytes of text; doubling. */
const struct fuzz_reader fuzz_reader = {
    .fixed = 512 * 1024, .each = 1024, .read = read, .check = check, .seeds = seeds};
