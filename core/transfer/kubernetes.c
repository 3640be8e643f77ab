/* The Kubernetes API through http.h, retry.h and json.h. See kubernetes.h.
 *
 * Exactly one intended effect. A patch of the scale carries the resourceVersion v that was read,
 * and the server applies it only to the object of version v, which it then gives another version.
 * So of several copies of the same patch at most one is applied; the others get 409. A 409 after a
 * repetition therefore has two causes, our own first copy or somebody else, and the scale tells
 * which: kube_scale_set() reads it again.
 */
#include "core/transfer/kubernetes.h"

#include "core/base/clock.h"
#include "core/base/log.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { PAGE = 100, RESTARTS_MAX = 3, MESSAGE_MAX = 1024, DOING_BYTES = 640, WHY_BYTES = 256 };
enum {
    CREATED = 201,
    UNAUTHORISED = 401,
    FORBIDDEN = 403,
    MISSING = 404,
    CONFLICT = 409,
    GONE = 410
};

struct kube {
    struct arena arena, scratch;
    struct http *http;
    struct retry retry;
    const char *name_space, *manager, *source;
    char host[KUBE_ID_BYTES];
    int page;
    uint64_t n_writes, n_events;
};

static const struct {
    const char *group, *plural;
} kinds[KUBE_KINDS] = {[KUBE_DEPLOYMENT] = {"/apis/apps/v1", "deployments"},
                       [KUBE_POD] = {"/api/v1", "pods"},
                       [KUBE_HPA] = {"/apis/autoscaling/v1", "horizontalpodautoscalers"},
                       [KUBE_SCALED_OBJECT] = {"/apis/keda.sh/v1alpha1", "scaledobjects"}};

const char *kube_plural(enum kube_kind kind)
{
    return kinds[kind].plural;
}

const char *kube_namespace(const struct kube *k)
{
    return k->name_space;
}

struct http *kube_http(struct kube *k)
{
    return k->http;
}

struct retry *kube_retry(struct kube *k)
{
    return &k->retry;
}

uint64_t kube_n_writes(const struct kube *k)
{
    return k->n_writes;
}

static enum err set_up(struct kube *k, const struct kube_access *a, const struct kube_cfg *cfg)
{
    const char *ns =
        cfg->name_space != NULL && cfg->name_space[0] ? cfg->name_space : a->name_space;
    k->name_space = arena_strdup(&k->arena, ns);
    k->manager = arena_strdup(&k->arena, cfg->field_manager != NULL ? cfg->field_manager : "karma");
    k->source = arena_strdup(&k->arena, a->source);
    k->page = cfg->page > 0 ? cfg->page : PAGE;
    TRY(arena_error(&k->arena));
    if (gethostname(k->host, sizeof k->host - 1) != 0) {
        k->host[0] = '\0';
    }
    retry_init(&k->retry, &cfg->retry);
    return http_new(&k->http,
                    &(struct http_cfg){.name = "the API server",
                                       .url = a->server,
                                       .ca_file = a->ca_file,
                                       .ca_pem = a->ca_pem,
                                       .cert_pem = a->cert_pem,
                                       .key_pem = a->key_pem,
                                       .token = a->token,
                                       .token_file = a->token_file,
                                       .insecure = a->insecure,
                                       .total_s = cfg->total_s > 0.0 ? cfg->total_s : 10.0,
                                       .answer_max = cfg->answer_max,
                                       .time = cfg->time,
                                       .stopped = cfg->stopped});
}

enum err kube_new(struct kube **out, const struct kube_access *access, const struct kube_cfg *cfg)
{
    struct kube *k = mem_alloc(sizeof *k);
    if (k == NULL) {
        return ERR_MEMORY;
    }
    *k = (struct kube){.http = NULL};
    arena_init(&k->arena);
    arena_init(&k->scratch);
    const enum err e = set_up(k, access, cfg);
    if (e != ERR_OK) {
        kube_free(k);
        return e;
    }
    *out = k;
    return ERR_OK;
}

void kube_free(struct kube *k)
{
    if (k == NULL) {
        return;
    }
    http_free(k->http);
    arena_release(&k->scratch);
    arena_release(&k->arena);
    mem_free(k);
}

/* ---- what the server says ---- */

/* The sentence of a Status object, without our secrets; "" if there is none. */
static void server_words(char out[WHY_BYTES * 2], const struct kube *k, const struct json *j)
{
    const char *text = json_text(j, "message", "");
    (void)snprintf(out, WHY_BYTES * 2, "%s%s", text[0] != '\0' ? ": " : "", text);
    http_redact(k->http, out);
}

enum err kube_refusal(struct kube *k, int status, const struct json *j, const char *doing,
                      int quiet_status)
{
    char words[WHY_BYTES * 2];
    const char *server = http_label(k->http);
    const enum err e = status == UNAUTHORISED || status == FORBIDDEN ? ERR_DENIED
                       : status == MISSING                           ? ERR_MISMATCH
                       : status == CONFLICT                          ? ERR_CONFLICT
                       : status == GONE                              ? ERR_VERSION
                                                                     : ERR_FAILED;
    if (status == quiet_status) {
        return e;
    }
    server_words(words, k, j);
    if (status == UNAUTHORISED) {
        log_error("%s does not accept the credentials of %s (401)%s; they are wrong or expired: "
                  "make a new token, as with `kubectl create token karma`",
                  server, k->source, words);
    } else if (status == FORBIDDEN) {
        log_error("%s: may not %s in the namespace '%s' (403)%s; the Role in configs/kubernetes "
                  "shows the rules that are needed there",
                  server, doing, k->name_space, words);
    } else if (status == MISSING) {
        log_error("%s: cannot %s in the namespace '%s' (404)%s", server, doing, k->name_space,
                  words);
    } else if (status == CONFLICT) {
        log_warn("%s: somebody else was first: cannot %s (409)%s", server, doing, words);
    } else {
        log_error("%s: cannot %s (%d)%s", server, doing, status, words);
    }
    return e;
}

enum err kube_ask(const struct json **out, struct kube *k, struct arena *arena,
                  const struct kube_question *q, double deadline_s)
{
    char why[WHY_BYTES];
    struct http_answer a;
    const struct json *j = NULL;
    const bool changes = strcmp(q->method, "GET") != 0 && !q->dry;
    const struct http_request request = {.method = q->method,
                                         .path = q->path,
                                         .content_type = q->content_type,
                                         .body = q->body != NULL ? q->body->data : NULL,
                                         .n_body = q->body != NULL ? q->body->len : 0,
                                         .whole = changes};
    k->n_writes += changes;
    http_answer_init(&a);
    enum err e = retry_send(&k->retry, k->http, &a, &request, deadline_s);
    if (e == ERR_OK) {
        const enum err read =
            json_read_quietly(&j, arena, why, sizeof why, a.body.data, a.body.len);
        if (read == ERR_MEMORY) {
            e = read;
        } else if (a.status != 200 && a.status != CREATED) {
            e = kube_refusal(k, a.status, read == ERR_OK ? j : NULL, q->doing, q->quiet_status);
        } else if (read != ERR_OK) {
            http_redact(k->http, why);
            log_error("%s: its answer to the request to %s is %s", http_label(k->http), q->doing,
                      why);
            e = read;
        }
    }
    http_answer_release(&a);
    if (e == ERR_OK) {
        *out = j;
    }
    return e;
}

enum err kube_put_path(struct buf *path, const struct kube *k, enum kube_kind kind)
{
    TRY(buf_printf(path, "%s/namespaces/", kinds[kind].group));
    TRY(http_put_part(path, k->name_space));
    return buf_printf(path, "/%s", kinds[kind].plural);
}

enum err kube_server_version(struct kube *k, char *out, size_t n, double deadline_s)
{
    const struct json *j = NULL;
    const struct arena_mark mark = arena_mark(&k->scratch);
    const enum err e = kube_ask(&j, k, &k->scratch,
                                &(struct kube_question){.method = "GET",
                                                        .path = "/version",
                                                        .doing = "read the version of the server"},
                                deadline_s);
    if (e == ERR_OK) {
        (void)snprintf(out, n, "%s", json_text(j, "gitVersion", "?"));
        http_redact(k->http, out);
    }
    arena_rewind(&k->scratch, mark);
    return e;
}

/* ---- scale ---- */

enum { READ, SET, TRY_ONLY };

static enum err scale_path(struct buf *path, const struct kube *k, const char *deployment, int how)
{
    TRY(kube_put_path(path, k, KUBE_DEPLOYMENT));
    TRY(buf_append(path, "/", 1));
    TRY(http_put_part(path, deployment));
    TRY(buf_append(path, "/scale", 6));
    if (how != READ) {
        TRY(http_put_query(path, "fieldManager", k->manager));
    }
    if (how == TRY_ONLY) {
        TRY(http_put_query(path, "dryRun", "All"));
    }
    return buf_append(path, "", 1); /* its NUL */
}

static enum err scale_body(struct buf *body, const struct kube_scale *scale, int replicas)
{
    TRY(buf_printf(body, "{\"metadata\":{\"uid\":"));
    TRY(json_put_text(body, scale->meta.uid));
    TRY(buf_printf(body, ",\"resourceVersion\":"));
    TRY(json_put_text(body, scale->meta.version));
    return buf_printf(body, "},\"spec\":{\"replicas\":%d}}", replicas);
}

/* Asks and reads the scale that the answer is. */
static enum err ask_scale(struct kube_scale *out, struct kube *k, const struct kube_question *q,
                          double deadline_s)
{
    char why[WHY_BYTES];
    const struct json *j = NULL;
    const struct arena_mark mark = arena_mark(&k->scratch);
    enum err e = kube_ask(&j, k, &k->scratch, q, deadline_s);
    if (e == ERR_OK) {
        e = kube_read_scale(out, j, why, sizeof why);
        if (e != ERR_OK) {
            log_error("%s: its answer to the request to %s is no scale: %s", http_label(k->http),
                      q->doing, why);
        }
    }
    arena_rewind(&k->scratch, mark);
    return e;
}

static enum err scale(struct kube_scale *out, struct kube *k, const char *deployment, int how,
                      const struct kube_scale *from, int replicas, double deadline_s)
{
    char doing[DOING_BYTES];
    struct buf path, body;
    buf_init(&path);
    buf_init(&body);
    if (how == READ) {
        (void)snprintf(doing, sizeof doing, "get the scale of deployment '%s'", deployment);
    } else {
        (void)snprintf(doing, sizeof doing, "patch the scale of deployment '%s' from %d to %d",
                       deployment, from->replicas, replicas);
    }
    enum err e = scale_path(&path, k, deployment, how);
    if (e == ERR_OK && how != READ) {
        e = scale_body(&body, from, replicas);
    }
    if (e == ERR_OK) {
        e = ask_scale(out, k,
                      &(struct kube_question){.method = how == READ ? "GET" : "PATCH",
                                              .path = (const char *)path.data,
                                              .content_type = "application/merge-patch+json",
                                              .body = how == READ ? NULL : &body,
                                              .doing = doing,
                                              .dry = how == TRY_ONLY},
                      deadline_s);
    }
    buf_release(&body);
    buf_release(&path);
    return e;
}

enum err kube_scale_get(struct kube *k, struct kube_scale *out, const char *deployment,
                        double deadline_s)
{
    return scale(out, k, deployment, READ, NULL, 0, deadline_s);
}

enum err kube_scale_set(struct kube *k, struct kube_scale *current, const char *deployment,
                        int replicas, double deadline_s)
{
    const uint64_t n_again = k->retry.n_again;
    struct kube_scale now;
    const enum err e = scale(current, k, deployment, SET, current, replicas, deadline_s);
    if (e != ERR_CONFLICT || k->retry.n_again == n_again) {
        return e;
    }
    /* The patch went out twice. */
    TRY(kube_scale_get(k, &now, deployment, deadline_s));
    if (now.replicas != replicas || strcmp(now.meta.uid, current->meta.uid) != 0) {
        return ERR_CONFLICT;
    }
    log_info("the first patch of the scale of '%s' had arrived", deployment);
    *current = now;
    return ERR_OK;
}

enum err kube_scale_try(struct kube *k, const struct kube_scale *current, const char *deployment,
                        int replicas, double deadline_s)
{
    struct kube_scale ignored;
    return scale(&ignored, k, deployment, TRY_ONLY, current, replicas, deadline_s);
}

/* ---- lists ---- */

struct listing {
    struct kube *k;
    enum kube_kind kind;
    const char *selector;
    kube_each *each;
    void *ctx;
    char version[KUBE_ID_BYTES];
    struct buf next; /* the token of the next page, with its NUL; empty: no more */
};

static enum err page_path(struct buf *path, const struct listing *l)
{
    char limit[32];
    (void)snprintf(limit, sizeof limit, "%d", l->k->page);
    TRY(kube_put_path(path, l->k, l->kind));
    TRY(http_put_query(path, "limit", limit));
    if (l->selector[0] != '\0') {
        TRY(http_put_query(path, "labelSelector", l->selector));
    }
    if (l->next.len > 1) {
        TRY(http_put_query(path, "continue", (const char *)l->next.data));
    }
    return buf_append(path, "", 1);
}

static enum err take_page(struct listing *l, const struct json *j)
{
    char why[WHY_BYTES];
    const struct json *items = NULL;
    const char *next = json_text(j, "metadata.continue", "");
    const char *version = json_text(j, "metadata.resourceVersion", "");
    const int n = json_list(&items, j, "items");
    if (json_find(j, "metadata") == NULL || strlen(version) >= sizeof l->version) {
        log_error("%s: its list of %s is none", http_label(l->k->http), kube_plural(l->kind));
        return ERR_FORMAT;
    }
    memcpy(l->version, version, strlen(version) + 1);
    for (int i = 0; i < n; i++) {
        struct kube_object object;
        const enum err e = kube_read_object(&object, l->kind, &items[i], why, sizeof why);
        if (e != ERR_OK) {
            http_redact(l->k->http, why);
            log_error("%s: entry %d of its list of %s: %s", http_label(l->k->http), i + 1,
                      kube_plural(l->kind), why);
            return e;
        }
        TRY(l->each(l->ctx, &object));
    }
    l->next.len = 0;
    return buf_append(&l->next, next, strlen(next) + 1);
}

/* All pages; *expired: one had (410), and the list must begin anew. */
static enum err list_once(bool *expired, struct listing *l, double deadline_s)
{
    char doing[DOING_BYTES];
    enum err e = ERR_OK;
    l->next.len = 0;
    *expired = false;
    (void)snprintf(doing, sizeof doing, "list %s", kube_plural(l->kind));
    do {
        struct buf path;
        const struct json *j = NULL;
        const struct arena_mark mark = arena_mark(&l->k->scratch);
        struct kube_question q = {.method = "GET", .doing = doing};
        q.quiet_status = l->next.len > 1 ? GONE : l->kind == KUBE_SCALED_OBJECT ? MISSING : 0;
        buf_init(&path);
        e = page_path(&path, l);
        if (e == ERR_OK) {
            q.path = (const char *)path.data;
            e = kube_ask(&j, l->k, &l->k->scratch, &q, deadline_s);
        }
        if (e == ERR_OK) {
            e = take_page(l, j);
        } else if (e == ERR_MISMATCH && q.quiet_status == MISSING) {
            l->next.len = 0;
            e = ERR_OK;
        }
        *expired = e == ERR_VERSION;
        buf_release(&path);
        arena_rewind(&l->k->scratch, mark);
    } while (e == ERR_OK && l->next.len > 1);
    return e;
}

enum err kube_list(struct kube *k, enum kube_kind kind, const char *selector, char *version,
                   void (*begin)(void *ctx), kube_each *each, void *ctx, double deadline_s)
{
    struct listing l = {.k = k, .kind = kind, .selector = selector, .each = each, .ctx = ctx};
    bool expired = false;
    enum err e = ERR_OK;
    buf_init(&l.next);
    for (int i = 0; i == 0 || (expired && i < RESTARTS_MAX && e != ERR_OK); i++) {
        if (begin != NULL) {
            begin(ctx);
        }
        e = list_once(&expired, &l, deadline_s);
    }
    if (e != ERR_OK && expired) {
        log_error("%s: its list of %s expired %d times while it was read", http_label(k->http),
                  kube_plural(kind), RESTARTS_MAX);
    }
    if (e == ERR_OK && version != NULL) {
        memcpy(version, l.version, sizeof l.version);
    }
    buf_release(&l.next);
    return e;
}

/* ---- who else scales ---- */

struct search {
    const char *deployment;
    char *owner;
};

static enum err look_at(void *ctx, const struct kube_object *o)
{
    struct search *s = ctx;
    const struct kube_hpa *h = &o->hpa;
    if (s->owner[0] != '\0' || strcmp(h->target_kind, "Deployment") != 0 ||
        strcmp(h->target, s->deployment) != 0) {
        return ERR_OK;
    }
    const int n =
        snprintf(s->owner, KUBE_OWNER_BYTES, "the %s '%s'",
                 o->kind == KUBE_HPA ? "HorizontalPodAutoscaler" : "ScaledObject", o->meta.name);
    if (h->owner[0] != '\0') {
        (void)snprintf(s->owner + n, KUBE_OWNER_BYTES - (size_t)n, ", made by the %s '%s'",
                       h->owner_kind, h->owner);
    }
    return ERR_OK;
}

static void forget(void *ctx)
{
    ((struct search *)ctx)->owner[0] = '\0';
}

enum err kube_find_owner(struct kube *k, char owner[KUBE_OWNER_BYTES], const char *deployment,
                         double deadline_s)
{
    struct search s = {.deployment = deployment, .owner = owner};
    TRY(kube_list(k, KUBE_HPA, "", NULL, forget, look_at, &s, deadline_s));
    if (owner[0] != '\0') {
        return ERR_OK;
    }
    return kube_list(k, KUBE_SCALED_OBJECT, "", NULL, forget, look_at, &s, deadline_s);
}

/* ---- events ---- */

/* Appends ,"key":"value". */
static enum err put_member(struct buf *body, const char *key, const char *value)
{
    TRY(buf_printf(body, ",\"%s\":", key));
    return json_put_text(body, value);
}

static enum err event_body(struct buf *body, struct kube *k, const struct kube_event *v)
{
    char message[MESSAGE_MAX + 1], now[CLOCK_ISO_BYTES], name[KUBE_NAME_BYTES];
    (void)snprintf(message, sizeof message, "%s", v->message);
    clock_iso(now);
    /* Unique as those of client-go are: the object and the time, here with a counter. */
    (void)snprintf(name, sizeof name, "%.200s.%llx%04llx", v->object->name,
                   (unsigned long long)(clock_unix_s() * 1e6),
                   (unsigned long long)(k->n_events++ & 0xffff));
    TRY(buf_printf(body, "{\"apiVersion\":\"v1\",\"kind\":\"Event\",\"metadata\":{\"name\":"));
    TRY(json_put_text(body, name));
    TRY(put_member(body, "namespace", k->name_space));
    TRY(buf_printf(body, "},\"involvedObject\":{\"kind\":"));
    TRY(json_put_text(body, v->kind));
    TRY(put_member(body, "apiVersion", v->api_version));
    TRY(put_member(body, "namespace", k->name_space));
    TRY(put_member(body, "name", v->object->name));
    TRY(put_member(body, "uid", v->object->uid));
    TRY(buf_printf(body, "},\"source\":{\"component\":"));
    TRY(json_put_text(body, k->manager));
    TRY(put_member(body, "host", k->host));
    TRY(buf_printf(body, "},\"count\":1"));
    TRY(put_member(body, "type", v->warning ? "Warning" : "Normal"));
    TRY(put_member(body, "reason", v->reason));
    TRY(put_member(body, "message", message));
    TRY(put_member(body, "firstTimestamp", now));
    TRY(put_member(body, "lastTimestamp", now));
    return buf_printf(body, "}");
}

enum err kube_put_event(struct kube *k, const struct kube_event *event, double deadline_s)
{
    struct buf path, body;
    const struct json *j = NULL;
    const struct arena_mark mark = arena_mark(&k->scratch);
    const uint64_t n_again = k->retry.n_again;
    buf_init(&path);
    buf_init(&body);
    enum err e = buf_printf(&path, "/api/v1/namespaces/");
    e = e == ERR_OK ? http_put_part(&path, k->name_space) : e;
    e = e == ERR_OK ? buf_printf(&path, "/events") : e;
    e = e == ERR_OK ? event_body(&body, k, event) : e;
    if (e == ERR_OK) {
        e = kube_ask(&j, k, &k->scratch,
                     &(struct kube_question){.method = "POST",
                                             .path = (const char *)path.data,
                                             .body = &body,
                                             .quiet_status = CONFLICT,
                                             .doing = "create events"},
                     deadline_s);
    }
    if (e == ERR_CONFLICT && k->retry.n_again != n_again) {
        e = ERR_OK; /* its first copy arrived: the name is taken */
    }
    buf_release(&body);
    buf_release(&path);
    arena_rewind(&k->scratch, mark);
    return e;
}
