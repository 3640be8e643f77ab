/* List and watch: see kube_mirror.h.
 *
 * Invariant: `objects` is the state of the cluster at version `version`, if `listed`. A list fills
 * `fresh` and takes the place of `objects` only when all its pages have come; an event of the watch
 * carries the version after it. So the objects are never a mixture of two lists.
 */
#include "core/transfer/kube_mirror.h"

#include "core/base/log.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { OK = 200, UNAUTHORISED = 401, SHORT_S = 1, GRACE_S = 30, WHY_BYTES = 256 };

struct kube_mirror {
    struct kube *k;
    enum kube_kind kind;
    struct arena arena, scratch;
    const char *selector;
    double watch_s;
    struct buf objects, fresh; /* of struct kube_object */
    char version[KUBE_ID_BYTES];
    bool listed;
    struct http_stream *watch; /* NULL: none is open */
    double opened_s, seen_s;   /* of http_time(); seen_s: when the server last said something */
    double next_s;             /* no list and no watch before that */
    int n_failed;              /* in a row, for the backoff */
    enum err refused;          /* by what a watch that was not allowed says; ERR_OK */
};

static double now(const struct kube_mirror *m)
{
    const struct http_time *t = http_time(kube_http(m->k));
    return t->now_s(t->ctx);
}

static const char *label(const struct kube_mirror *m)
{
    return http_label(kube_http(m->k));
}

enum err kube_mirror_new(struct kube_mirror **out, struct kube *k, enum kube_kind kind,
                         const char *selector, double watch_s)
{
    struct kube_mirror *m = mem_alloc(sizeof *m);
    if (m == NULL) {
        return ERR_MEMORY;
    }
    *m = (struct kube_mirror){
        .k = k, .kind = kind, .watch_s = watch_s > 0.0 ? watch_s : 60.0, .seen_s = -INFINITY};
    arena_init(&m->arena);
    arena_init(&m->scratch);
    buf_init(&m->objects);
    buf_init(&m->fresh);
    m->selector = arena_strdup(&m->arena, selector);
    const enum err e = arena_error(&m->arena);
    if (e != ERR_OK) {
        kube_mirror_free(m);
        return e;
    }
    *out = m;
    return ERR_OK;
}

void kube_mirror_free(struct kube_mirror *m)
{
    if (m == NULL) {
        return;
    }
    http_stream_close(m->watch);
    buf_release(&m->fresh);
    buf_release(&m->objects);
    arena_release(&m->scratch);
    arena_release(&m->arena);
    mem_free(m);
}

const struct kube_object *kube_mirror_objects(const struct kube_mirror *m, int *n)
{
    *n = (int)(m->objects.len / sizeof(struct kube_object));
    return (const struct kube_object *)m->objects.data;
}

static struct kube_object *find(const struct kube_mirror *m, const char *name)
{
    struct kube_object *objects = (struct kube_object *)m->objects.data;
    const size_t n = m->objects.len / sizeof *objects;
    for (size_t i = 0; i < n; i++) {
        if (strcmp(objects[i].meta.name, name) == 0) {
            return &objects[i];
        }
    }
    return NULL;
}

const struct kube_object *kube_mirror_find(const struct kube_mirror *m, const char *name)
{
    return find(m, name);
}

double kube_mirror_age_s(const struct kube_mirror *m)
{
    return now(m) - m->seen_s;
}

/* ---- one event ---- */

static enum err apply(struct kube_mirror *m, const struct kube_object *o, bool deleted)
{
    struct kube_object *old = find(m, o->meta.name);
    if (old == NULL) {
        return deleted ? ERR_OK : buf_append(&m->objects, o, sizeof *o);
    }
    if (!deleted) {
        *old = *o;
        return ERR_OK;
    }
    /* The last one takes its place. */
    m->objects.len -= sizeof *o;
    const struct kube_object *last = (struct kube_object *)(m->objects.data + m->objects.len);
    if (last != old) {
        *old = *last;
    }
    return ERR_OK;
}

/* ERR_VERSION: the watch has expired. */
static enum err take_event(struct kube_mirror *m, const struct json *j)
{
    char why[WHY_BYTES];
    struct kube_object o;
    const char *type = json_text(j, "type", "");
    const struct json *object = json_find(j, "object");
    const char *version = json_text(object, "metadata.resourceVersion", "");
    if (strcmp(type, "ERROR") == 0) {
        const double code = json_number(object, "code", 0.0);
        return kube_refusal(m->k, code >= 0.0 && code < 1000.0 ? (int)code : 0, object, "watch",
                            410);
    }
    if (version[0] == '\0' || strlen(version) >= sizeof m->version) {
        log_error("%s: an event of the watch of %s has no version", label(m), kube_plural(m->kind));
        return ERR_FORMAT;
    }
    if (strcmp(type, "BOOKMARK") != 0) {
        if (kube_read_object(&o, m->kind, object, why, sizeof why) != ERR_OK) {
            http_redact(kube_http(m->k), why);
            log_error("%s: an event of the watch of %s: %s", label(m), kube_plural(m->kind), why);
            return ERR_FORMAT;
        }
        TRY(apply(m, &o, strcmp(type, "DELETED") == 0));
    }
    memcpy(m->version, version, strlen(version) + 1);
    return ERR_OK;
}

enum err kube_mirror_line(struct kube_mirror *m, const char *line, size_t n)
{
    char why[WHY_BYTES];
    const struct json *j;
    const struct arena_mark mark = arena_mark(&m->scratch);
    enum err e = json_read_quietly(&j, &m->scratch, why, sizeof why, line, n);
    if (e == ERR_OK) {
        e = take_event(m, j);
    } else if (e == ERR_FORMAT) {
        http_redact(kube_http(m->k), why);
        log_error("%s: a line of the watch of %s is %s", label(m), kube_plural(m->kind), why);
    }
    arena_rewind(&m->scratch, mark);
    return e;
}

/* ---- list ---- */

static void begin_list(void *ctx)
{
    ((struct kube_mirror *)ctx)->fresh.len = 0;
}

static enum err add_fresh(void *ctx, const struct kube_object *o)
{
    return buf_append(&((struct kube_mirror *)ctx)->fresh, o, sizeof *o);
}

/* Nothing is tried before a wait that grows with the failures in a row, or that the server asked
 * for. */
static double back_off(struct kube_mirror *m, double retry_after_s)
{
    const double wait = retry_wait_s(kube_retry(m->k), m->n_failed++, retry_after_s);
    m->next_s = now(m) + wait;
    return wait;
}

static enum err list_all(struct kube_mirror *m)
{
    char version[KUBE_ID_BYTES];
    const enum err e =
        kube_list(m->k, m->kind, m->selector, version, begin_list, add_fresh, m, 0.0);
    if (e != ERR_OK) {
        (void)back_off(m, -1.0);
        return e;
    }
    const struct buf old = m->objects;
    m->objects = m->fresh;
    m->fresh = old;
    memcpy(m->version, version, sizeof m->version);
    m->listed = true;
    m->seen_s = now(m);
    return ERR_OK;
}

/* ---- watch ---- */

static enum err put_watch_path(struct buf *path, const struct kube_mirror *m)
{
    char seconds[32];
    (void)snprintf(seconds, sizeof seconds, "%.0f", ceil(m->watch_s));
    TRY(kube_put_path(path, m->k, m->kind));
    TRY(http_put_query(path, "watch", "1"));
    TRY(http_put_query(path, "allowWatchBookmarks", "true"));
    TRY(http_put_query(path, "timeoutSeconds", seconds));
    TRY(http_put_query(path, "resourceVersion", m->version));
    if (m->selector[0] != '\0') {
        TRY(http_put_query(path, "labelSelector", m->selector));
    }
    return buf_append(path, "", 1);
}

static enum err open_watch(struct kube_mirror *m)
{
    struct buf path;
    buf_init(&path);
    enum err e = put_watch_path(&path, m);
    if (e == ERR_OK) {
        e = http_stream_open(&m->watch, kube_http(m->k),
                             &(struct http_request){.method = "GET",
                                                    .path = (const char *)path.data,
                                                    .total_s = m->watch_s + GRACE_S});
    }
    buf_release(&path);
    m->opened_s = now(m);
    m->refused = ERR_OK;
    return e;
}

/* A watch that was not allowed has one line: why. */
static enum err on_line(void *ctx, char *line, size_t n)
{
    struct kube_mirror *m = ctx;
    const int status = http_stream_status(m->watch);
    char doing[64], why[WHY_BYTES];
    if (status == OK) {
        TRY(kube_mirror_line(m, line, n));
        m->seen_s = now(m);
        m->n_failed = 0;
        return ERR_OK;
    }
    const struct json *j = NULL;
    const struct arena_mark mark = arena_mark(&m->scratch);
    (void)snprintf(doing, sizeof doing, "watch %s", kube_plural(m->kind));
    const enum err read = json_read_quietly(&j, &m->scratch, why, sizeof why, line, n);
    m->refused = kube_refusal(m->k, status, read == ERR_OK ? j : NULL, doing, 410);
    arena_rewind(&m->scratch, mark);
    return m->refused;
}

/* What a watch that is over means for the next one. */
static enum err end_watch(struct kube_mirror *m, enum err e)
{
    const int status = http_stream_status(m->watch);
    const double after = http_stream_retry_after_s(m->watch);
    char sentence[HTTP_SENTENCE_BYTES];
    (void)snprintf(sentence, sizeof sentence, "%s", http_stream_sentence(m->watch));
    http_stream_close(m->watch);
    m->watch = NULL;
    if (e == ERR_STOPPED || e == ERR_MEMORY) {
        return e;
    }
    if (e == ERR_VERSION || status == 410) {
        log_info("the watch of %s has expired; listing them anew", kube_plural(m->kind));
        m->listed = false;
        return ERR_OK;
    }
    if (e == ERR_FORMAT) {
        m->listed = false; /* an event was lost */
    }
    if (status == UNAUTHORISED) {
        (void)http_forget_token(kube_http(m->k));
    }
    if (e == ERR_SERVER) {
        log_warn("the watch of %s: %s; opening it again in %.3g s", kube_plural(m->kind), sentence,
                 back_off(m, after));
        return ERR_OK;
    }
    if (e != ERR_OK || status != OK || now(m) - m->opened_s < SHORT_S) {
        (void)back_off(m, after);
    }
    return e == ERR_DENIED ? e : ERR_OK;
}

enum err kube_mirror_poll(struct kube_mirror *m, double seconds)
{
    const struct http_time *t = http_time(kube_http(m->k));
    if (m->watch == NULL && now(m) < m->next_s) {
        const double wait = fmin(seconds, m->next_s - now(m));
        return t->sleep_s(t->ctx, wait) ? ERR_OK : ERR_STOPPED;
    }
    if (!m->listed) {
        TRY(list_all(m));
    }
    if (m->watch == NULL) {
        TRY(open_watch(m));
    }
    const double seen_s = m->seen_s;
    const enum err e = http_stream_poll(m->watch, seconds, on_line, m);
    if (m->seen_s == seen_s && m->seen_s < m->opened_s && http_stream_status(m->watch) == OK) {
        m->seen_s = now(m); /* the server has accepted the watch */
    }
    return e != ERR_OK || http_stream_ended(m->watch) ? end_watch(m, e) : ERR_OK;
}
