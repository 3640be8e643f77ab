/* HTTP through libcurl: the only file that includes its header. See http.h. */
#include "core/transfer/http.h"

#include "core/base/clock.h"
#include "core/base/file.h"
#include "core/base/log.h"
#include "core/base/number.h"

#include <curl/curl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum {
    PEM_MAX = 1 << 20,
    TOKEN_MAX = 64 * 1024,
    ANSWER_MAX = 32 << 20,
    KEEPALIVE_S = 20,
    OK = 200,
    WHY_BYTES = 512
};

struct http {
    struct arena arena;
    struct http_cfg cfg; /* texts in the arena */
    char *label;
    CURL *easy;
    struct buf token;    /* of the token file */
    double token_read_s; /* < 0: to be read */
};

/* What the callbacks of libcurl see: one answer on its way. */
struct incoming {
    const struct http *h;
    struct buf *body;
    double retry_after_s;
    bool too_long, no_memory;
    bool whole; /* of the request */
    char why[CURL_ERROR_SIZE];
};

static double usual_now(void *ctx)
{
    (void)ctx;
    return clock_s();
}

static bool usual_sleep(void *ctx, double seconds)
{
    (void)ctx;
    return clock_sleep(seconds);
}

const struct http_time http_usual_time = {usual_now, usual_sleep, NULL};

const char *http_label(const struct http *h)
{
    return h->label;
}

const struct http_time *http_time(const struct http *h)
{
    return &h->cfg.time;
}

void http_answer_init(struct http_answer *a)
{
    *a = (struct http_answer){.retry_after_s = -1.0};
    buf_init(&a->body);
}

void http_answer_release(struct http_answer *a)
{
    buf_release(&a->body);
}

/* ---- a server ---- */

/* A message about a part of the configuration; never with the value of a secret. */
#define REFUSE(h, ...) (log_error(__VA_ARGS__), ERR_CONFIG)

static bool has_secret(const struct http_cfg *c)
{
    return c->token[0] != '\0' || c->token_file[0] != '\0' || c->user[0] != '\0';
}

/* localhost, 127.*, ::1: nobody else can listen. */
static bool is_loopback(const char *host)
{
    return strcasecmp(host, "localhost") == 0 || strncmp(host, "127.", 4) == 0 ||
           strcmp(host, "[::1]") == 0;
}

/* One part of a URL, appended to `arena`; "" if it is not there. */
static const char *url_part(struct arena *arena, CURLU *url, CURLUPart part)
{
    char *text = NULL;
    const char *copy = "";
    if (curl_url_get(url, part, &text, 0) == CURLUE_OK) {
        copy = arena_strdup(arena, text);
        curl_free(text);
    }
    return copy;
}

/* What is wrong with the parts of the URL, or NULL. */
static const char *url_fault(const struct http_cfg *c, const char *scheme, const char *host,
                             bool has_user, bool has_more)
{
    if (strcmp(scheme, "http") != 0 && strcmp(scheme, "https") != 0) {
        return "begins with neither http:// nor https://";
    }
    if (has_user) {
        return "contains a user or a password, which would show up in logs; give them on their own";
    }
    if (has_more) {
        return "contains a query or a fragment; give scheme, host, port and path only";
    }
    if (strcmp(scheme, "http") == 0 && has_secret(c) && !is_loopback(host)) {
        return "begins with http://, and a token or password would be readable on its way; use "
               "https://";
    }
    return NULL;
}

static enum err check_url(struct http *h)
{
    const struct http_cfg *c = &h->cfg;
    CURLU *url = curl_url();
    if (url == NULL) {
        return ERR_MEMORY;
    }
    const CURLUcode rc = curl_url_set(url, CURLUPART_URL, c->url, CURLU_NON_SUPPORT_SCHEME);
    const char *scheme = url_part(&h->arena, url, CURLUPART_SCHEME);
    const char *host = url_part(&h->arena, url, CURLUPART_HOST);
    const char *user = url_part(&h->arena, url, CURLUPART_USER);
    const char *password = url_part(&h->arena, url, CURLUPART_PASSWORD);
    const char *query = url_part(&h->arena, url, CURLUPART_QUERY);
    const char *fragment = url_part(&h->arena, url, CURLUPART_FRAGMENT);
    curl_url_cleanup(url);
    TRY(arena_error(&h->arena));
    const char *fault = rc != CURLUE_OK ? "is not a URL such as https://HOST:PORT"
                                        : url_fault(c, scheme, host, user[0] || password[0],
                                                    query[0] || fragment[0]);
    /* What may hold a password, or a token as part of a query, is not repeated. */
    if (fault != NULL && (user[0] || password[0] || strpbrk(c->url, "@?#") != NULL)) {
        return REFUSE(h, "%s: its URL %s", c->name, fault);
    }
    return fault == NULL ? ERR_OK : REFUSE(h, "%s: the URL '%s' %s", c->name, c->url, fault);
}

static enum err read_pem(const char **out, struct http *h, const char *file)
{
    struct buf text;
    buf_init(&text);
    enum err e = file_read(&text, file, PEM_MAX);
    if (e == ERR_OK && strstr((const char *)text.data, "-----BEGIN") == NULL) {
        e = REFUSE(h,
                   "%s: it holds no certificate; a PEM file contains -----BEGIN CERTIFICATE-----",
                   file);
    }
    if (e == ERR_OK) {
        *out = arena_strdup(&h->arena, (const char *)text.data);
        e = arena_error(&h->arena);
    }
    buf_release(&text);
    return e;
}

static double or_usual(double value, double usual)
{
    return value > 0.0 ? value : usual;
}

/* Every text becomes our own copy, every zero the usual value. */
static enum err copy_cfg(struct http *h, const struct http_cfg *cfg)
{
    struct http_cfg *c = &h->cfg;
    *c = *cfg;
    const char **texts[] = {&c->name,    &c->url,   &c->ca_file,    &c->ca_pem, &c->cert_pem,
                            &c->key_pem, &c->token, &c->token_file, &c->user,   &c->password};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        *texts[i] = arena_strdup(&h->arena, *texts[i] != NULL ? *texts[i] : "");
    }
    TRY(arena_error(&h->arena));
    c->token_s = or_usual(c->token_s, 60.0);
    c->connect_s = or_usual(c->connect_s, 5.0);
    c->total_s = or_usual(c->total_s, 30.0);
    c->idle_s = or_usual(c->idle_s, 10.0);
    c->answer_max = c->answer_max > 0 ? c->answer_max : ANSWER_MAX;
    if (c->time.now_s == NULL) {
        c->time = http_usual_time;
    }
    char *url = (char *)c->url;
    for (size_t n = strlen(url); n > 0 && url[n - 1] == '/'; n--) {
        url[n - 1] = '\0';
    }
    h->label = arena_printf(&h->arena, "%s (%s)", c->name, c->url);
    return arena_error(&h->arena);
}

static enum err set_up(struct http *h, const struct http_cfg *cfg)
{
    TRY(copy_cfg(h, cfg));
    TRY(check_url(h));
    if (h->cfg.ca_file[0] != '\0') {
        TRY(read_pem(&h->cfg.ca_pem, h, h->cfg.ca_file));
    }
    if (h->cfg.insecure) {
        log_warn("%s: its certificate is NOT verified; anybody on the way can answer in its place",
                 h->label);
    }
    h->easy = curl_easy_init();
    return h->easy != NULL ? ERR_OK : ERR_MEMORY;
}

enum err http_new(struct http **out, const struct http_cfg *cfg)
{
    struct http *h = mem_alloc(sizeof *h);
    if (h == NULL) {
        return ERR_MEMORY;
    }
    *h = (struct http){.token_read_s = -1.0};
    arena_init(&h->arena);
    buf_init(&h->token);
    /* Counted: each call is undone by one curl_global_cleanup(). */
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        log_error("libcurl cannot be set up");
        arena_release(&h->arena);
        mem_free(h);
        return ERR_FAILED;
    }
    const enum err e = set_up(h, cfg);
    if (e != ERR_OK) {
        http_free(h);
        return e;
    }
    *out = h;
    return ERR_OK;
}

void http_free(struct http *h)
{
    if (h == NULL) {
        return;
    }
    curl_easy_cleanup(h->easy);
    curl_global_cleanup();
    buf_release(&h->token);
    arena_release(&h->arena);
    mem_free(h);
}

/* ---- secrets ---- */

bool http_forget_token(struct http *h)
{
    h->token_read_s = -1.0;
    return h->cfg.token_file[0] != '\0';
}

/* The bearer token now, or "". The file is read again after token_s: the kubelet renews a pod's
 * token in place. */
static enum err token_now(const char **out, struct http *h)
{
    const double now = h->cfg.time.now_s(h->cfg.time.ctx);
    *out = h->cfg.token;
    if (h->cfg.token_file[0] == '\0') {
        return ERR_OK;
    }
    if (h->token_read_s < 0.0 || now - h->token_read_s >= h->cfg.token_s) {
        TRY(file_read(&h->token, h->cfg.token_file, TOKEN_MAX));
        char *text = (char *)h->token.data;
        h->token.len = strcspn(text, " \t\r\n");
        text[h->token.len] = '\0';
        if (h->token.len == 0) {
            return REFUSE(h, "%s: the file is empty; it must hold a token", h->cfg.token_file);
        }
        h->token_read_s = now;
    }
    *out = (const char *)h->token.data;
    return ERR_OK;
}

static void blank_out(char *text, const char *secret)
{
    const size_t n = secret != NULL ? strlen(secret) : 0;
    for (char *at = text; n >= 4 && (at = strstr(at, secret)) != NULL; at += n) {
        memset(at, '*', n);
    }
}

void http_redact(const struct http *h, char *text)
{
    blank_out(text, h->cfg.token);
    blank_out(text, h->cfg.password);
    blank_out(text, h->token.len > 0 ? (const char *)h->token.data : NULL);
    for (; *text != '\0'; text++) {
        if ((unsigned char)*text < ' ' || *text == 127) {
            *text = ' ';
        }
    }
}

/* ---- one request ---- */

static size_t take_bytes(char *bytes, size_t size, size_t n, void *ctx)
{
    struct incoming *in = ctx;
    n *= size;
    if (n > in->h->cfg.answer_max - in->body->len) {
        in->too_long = true;
        return 0;
    }
    /* One more byte, so that a NUL fits behind the last one. */
    if (buf_reserve(in->body, in->body->len + n + 1) != ERR_OK ||
        buf_append(in->body, bytes, n) != ERR_OK) {
        in->no_memory = true;
        return 0;
    }
    in->body->data[in->body->len] = '\0';
    return n;
}

/* Retry-After in seconds; its other form, a date, counts as absent. */
static size_t take_header(char *bytes, size_t size, size_t n, void *ctx)
{
    static const char name[] = "retry-after:";
    struct incoming *in = ctx;
    char value[32];
    n *= size;
    if (n > sizeof name && strncasecmp(bytes, name, sizeof name - 1) == 0) {
        size_t from = sizeof name - 1, len = 0;
        for (; from < n && bytes[from] == ' '; from++) {
        }
        for (; from + len < n && len + 1 < sizeof value && bytes[from + len] > ' '; len++) {
            value[len] = bytes[from + len];
        }
        value[len] = '\0';
        int64_t seconds;
        if (number_whole(&seconds, value, 0, 86400)) {
            in->retry_after_s = (double)seconds;
        }
    }
    return n;
}

static int ask_stopped(void *ctx, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    const struct incoming *in = ctx;
    (void)a, (void)b, (void)c, (void)d;
    return !in->whole && in->h->cfg.stopped != NULL && in->h->cfg.stopped();
}

static void set_blob(CURL *easy, CURLoption option, const char *text)
{
    struct curl_blob blob = {.data = (void *)text, .len = strlen(text), .flags = CURL_BLOB_NOCOPY};
    if (blob.len > 0) {
        (void)curl_easy_setopt(easy, option, &blob);
    }
}

static void set_safety(const struct http *h, CURL *easy)
{
    const struct http_cfg *c = &h->cfg;
#if LIBCURL_VERSION_NUM >= 0x075500
    (void)curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
#else
    (void)curl_easy_setopt(easy, CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
    (void)curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    (void)curl_easy_setopt(easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    (void)curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    (void)curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, c->insecure ? 0L : 1L);
    (void)curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, c->insecure ? 0L : 2L);
    if (c->ca_pem[0] != '\0') {
        /* The CAs of the system would be trusted beside the one that was given. */
        (void)curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
        set_blob(easy, CURLOPT_CAINFO_BLOB, c->ca_pem);
    }
    set_blob(easy, CURLOPT_SSLCERT_BLOB, c->cert_pem);
    set_blob(easy, CURLOPT_SSLKEY_BLOB, c->key_pem);
    (void)curl_easy_setopt(easy, CURLOPT_SSLCERTTYPE, "PEM");
}

/* Adds "NAME: value"; on failure the list is gone. */
static enum err add_header(struct curl_slist **list, const char *name, const char *value)
{
    struct buf line;
    buf_init(&line);
    enum err e = buf_printf(&line, "%s: %s", name, value);
    struct curl_slist *longer =
        e == ERR_OK ? curl_slist_append(*list, (const char *)line.data) : NULL;
    if (longer == NULL) {
        curl_slist_free_all(*list);
        e = ERR_MEMORY;
    }
    if (line.data != NULL) {
        memset(line.data, 0, line.len); /* it may hold the token */
    }
    buf_release(&line);
    *list = longer;
    return e;
}

static enum err set_headers(struct curl_slist **list, struct http *h, CURL *easy,
                            const struct http_request *q)
{
    const char *token;
    TRY(token_now(&token, h));
    TRY(add_header(list, "Accept", q->accept != NULL ? q->accept : "application/json"));
    if (q->body != NULL) {
        TRY(add_header(list, "Content-Type",
                       q->content_type != NULL ? q->content_type : "application/json"));
    }
    if (token[0] != '\0') {
        struct buf value;
        buf_init(&value);
        enum err e = buf_printf(&value, "Bearer %s", token);
        e = e == ERR_OK ? add_header(list, "Authorization", (const char *)value.data) : e;
        buf_release(&value);
        TRY(e);
    }
    if (h->cfg.user[0] != '\0') {
        (void)curl_easy_setopt(easy, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
        (void)curl_easy_setopt(easy, CURLOPT_USERNAME, h->cfg.user);
        (void)curl_easy_setopt(easy, CURLOPT_PASSWORD, h->cfg.password);
    }
    (void)curl_easy_setopt(easy, CURLOPT_HTTPHEADER, *list);
    return ERR_OK;
}

static enum err set_request(CURL *easy, struct curl_slist **headers, struct http *h,
                            struct incoming *in, const struct http_request *q)
{
    struct buf url;
    buf_init(&url);
    const enum err e = buf_printf(&url, "%s%s", h->cfg.url, q->path);
    if (e == ERR_OK) {
        (void)curl_easy_setopt(easy, CURLOPT_URL, (const char *)url.data); /* copied */
    }
    buf_release(&url);
    TRY(e);
    (void)curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(easy, CURLOPT_USERAGENT, "karma");
    (void)curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, q->method);
    if (q->body != NULL) {
        (void)curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)q->n_body);
        (void)curl_easy_setopt(easy, CURLOPT_COPYPOSTFIELDS, q->body);
    }
    (void)curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)(h->cfg.connect_s * 1e3));
    (void)curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    (void)curl_easy_setopt(easy, CURLOPT_TCP_KEEPIDLE, (long)KEEPALIVE_S);
    (void)curl_easy_setopt(easy, CURLOPT_TCP_KEEPINTVL, (long)KEEPALIVE_S);
    (void)curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_bytes);
    (void)curl_easy_setopt(easy, CURLOPT_WRITEDATA, in);
    (void)curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_header);
    (void)curl_easy_setopt(easy, CURLOPT_HEADERDATA, in);
    (void)curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, in->why);
    in->whole = q->whole;
    (void)curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);
    (void)curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, ask_stopped);
    (void)curl_easy_setopt(easy, CURLOPT_XFERINFODATA, in);
    set_safety(h, easy);
    return set_headers(headers, h, easy, q);
}

/* ---- why there is no answer ---- */

static void tls_sentence(const struct http *h, char *out, size_t n, const char *detail)
{
    const struct http_cfg *c = &h->cfg;
    if (strstr(detail, "expired") != NULL || strstr(detail, "not yet valid") != NULL) {
        (void)snprintf(
            out, n,
            "the certificate of %s is not accepted (%s): it is out of date; renew it at the "
            "server, or set the clock of this machine",
            h->label, detail);
        return;
    }
    if (strstr(detail, "target host name") != NULL || strstr(detail, "subject name") != NULL) {
        (void)snprintf(
            out, n,
            "the certificate of %s is not accepted (%s): it is for another name; write the "
            "URL with a name that stands in the certificate",
            h->label, detail);
        return;
    }
    (void)snprintf(out, n,
                   "the certificate of %s is not accepted (%s); %s%s. Either the file is that of "
                   "another cluster, or somebody else answers in the server's place",
                   h->label, detail,
                   c->ca_file[0] != '\0'  ? "it must be signed by a CA in "
                   : c->ca_pem[0] != '\0' ? "it must be signed by the CA that was configured"
                                          : "no CA is configured, so it must be signed by one that "
                                            "this system trusts",
                   c->ca_file);
}

/* `within_s`: the time that this request had. */
static void explain(char out[HTTP_SENTENCE_BYTES], const struct http *h, const struct incoming *in,
                    CURLcode rc, double within_s)
{
    const size_t n = HTTP_SENTENCE_BYTES;
    char detail[WHY_BYTES];
    (void)snprintf(detail, sizeof detail, "%s",
                   in->why[0] != '\0' ? in->why : curl_easy_strerror(rc));
    http_redact(h, detail);
    if (in->too_long) {
        (void)snprintf(out, n, "%s sends more than %zu bytes in one answer", h->label,
                       h->cfg.answer_max);
        return;
    }
    switch (rc) {
    case CURLE_COULDNT_RESOLVE_HOST:
        (void)snprintf(out, n, "%s cannot be found: %s", h->label, detail);
        break;
    case CURLE_COULDNT_CONNECT:
        (void)snprintf(out, n, "nobody listens at %s: %s", h->label, detail);
        break;
    case CURLE_OPERATION_TIMEDOUT:
        (void)snprintf(out, n,
                       "%s did not answer in time (%.3g s for the whole, %.3g s without a "
                       "byte): %s",
                       h->label, within_s, h->cfg.idle_s, detail);
        break;
    case CURLE_PEER_FAILED_VERIFICATION:
        tls_sentence(h, out, n, detail);
        break;
    case CURLE_SSL_CONNECT_ERROR:
        (void)snprintf(out, n,
                       "%s does not speak TLS, or not as this program does: %s; is its URL http:// "
                       "instead of https://?",
                       h->label, detail);
        break;
    case CURLE_GOT_NOTHING:
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
    case CURLE_PARTIAL_FILE:
    case CURLE_HTTP2_STREAM:
    case CURLE_HTTP2:
        (void)snprintf(out, n, "the connection to %s was cut: %s", h->label, detail);
        break;
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CACERT_BADFILE:
        (void)snprintf(out, n, "the certificates for %s cannot be used: %s", h->label, detail);
        break;
    default:
        (void)snprintf(out, n, "%s could not be asked: %s", h->label, detail);
    }
}

static bool is_final(CURLcode rc)
{
    return rc == CURLE_PEER_FAILED_VERIFICATION || rc == CURLE_SSL_CERTPROBLEM ||
           rc == CURLE_SSL_CACERT_BADFILE || rc == CURLE_SSL_ISSUER_ERROR;
}

static enum err outcome(struct incoming *in, CURLcode rc)
{
    if (in->no_memory || rc == CURLE_OUT_OF_MEMORY) {
        return ERR_MEMORY;
    }
    return rc == CURLE_OK ? ERR_OK : rc == CURLE_ABORTED_BY_CALLBACK ? ERR_STOPPED : ERR_SERVER;
}

enum err http_send(struct http *h, struct http_answer *answer, const struct http_request *request)
{
    struct incoming in = {.h = h, .body = &answer->body, .retry_after_s = -1.0};
    struct curl_slist *headers = NULL;
    double total = h->cfg.total_s;
    long status = 0;
    answer->status = 0;
    answer->retry_after_s = -1.0;
    answer->sentence[0] = '\0';
    answer->final = false;
    answer->body.len = 0;
    TRY(buf_reserve(&answer->body, 1));
    answer->body.data[0] = '\0';
    if (request->total_s > 0.0 && request->total_s < total) {
        total = request->total_s;
    }
    curl_easy_reset(h->easy);
    enum err e = set_request(h->easy, &headers, h, &in, request);
    if (e == ERR_OK) {
        (void)curl_easy_setopt(h->easy, CURLOPT_TIMEOUT_MS, (long)(total * 1e3) + 1);
        (void)curl_easy_setopt(h->easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
        (void)curl_easy_setopt(h->easy, CURLOPT_LOW_SPEED_TIME, (long)(h->cfg.idle_s + 0.999));
        const CURLcode rc = curl_easy_perform(h->easy);
        e = outcome(&in, rc);
        if (e == ERR_SERVER) {
            explain(answer->sentence, h, &in, rc, total);
            answer->final = is_final(rc);
        } else if (e == ERR_OK) {
            (void)curl_easy_getinfo(h->easy, CURLINFO_RESPONSE_CODE, &status);
            answer->status = (int)status;
            answer->retry_after_s = in.retry_after_s;
        }
    }
    curl_slist_free_all(headers);
    return e;
}

/* ---- encoding ---- */

enum err http_put_part(struct buf *path, const char *part)
{
    char *text = curl_easy_escape(NULL, part, 0);
    if (text == NULL) {
        return ERR_MEMORY;
    }
    const enum err e = buf_append(path, text, strlen(text));
    curl_free(text);
    return e;
}

enum err http_put_query(struct buf *path, const char *name, const char *value)
{
    const bool more = path->len > 0 && memchr(path->data, '?', path->len) != NULL;
    TRY(buf_append(path, more ? "&" : "?", 1));
    TRY(http_put_part(path, name));
    TRY(buf_append(path, "=", 1));
    return value[0] != '\0' ? http_put_part(path, value) : ERR_OK;
}

/* ---- streams ---- */

struct http_stream {
    struct http *h;
    CURL *easy;
    CURLM *multi;
    struct curl_slist *headers;
    struct buf bytes; /* that came and are not handed over yet */
    struct incoming in;
    double total_s;
    bool ended;
    char sentence[HTTP_SENTENCE_BYTES];
};

enum err http_stream_open(struct http_stream **out, struct http *h,
                          const struct http_request *request)
{
    struct http_stream *s = mem_alloc(sizeof *s);
    if (s == NULL) {
        return ERR_MEMORY;
    }
    *s = (struct http_stream){.h = h, .total_s = request->total_s};
    buf_init(&s->bytes);
    s->in = (struct incoming){.h = h, .body = &s->bytes, .retry_after_s = -1.0};
    s->easy = curl_easy_init();
    s->multi = curl_multi_init();
    enum err e = s->easy == NULL || s->multi == NULL ? ERR_MEMORY : ERR_OK;
    if (e == ERR_OK) {
        e = set_request(s->easy, &s->headers, h, &s->in, request);
    }
    if (e == ERR_OK) {
        (void)curl_easy_setopt(s->easy, CURLOPT_TIMEOUT_MS, (long)(request->total_s * 1e3));
        e = curl_multi_add_handle(s->multi, s->easy) == CURLM_OK ? ERR_OK : ERR_FAILED;
    }
    if (e != ERR_OK) {
        http_stream_close(s);
        return e;
    }
    *out = s;
    return ERR_OK;
}

/* Hands over the whole lines that are there; and the rest, if the stream came to a proper end. */
static enum err hand_over(int *n_lines, struct http_stream *s, http_line *on_line, void *ctx)
{
    const bool whole = http_stream_status(s) != OK;
    enum err e = ERR_OK;
    size_t from = 0;
    while (e == ERR_OK && from < s->bytes.len) {
        char *line = (char *)s->bytes.data + from;
        char *end = whole ? NULL : memchr(line, '\n', s->bytes.len - from);
        if (end == NULL && (!s->ended || s->sentence[0] != '\0')) {
            break;
        }
        const size_t n = end != NULL ? (size_t)(end - line) : s->bytes.len - from;
        line[n] = '\0'; /* the newline, or the byte that take_bytes() keeps */
        from += n + (end != NULL);
        (*n_lines)++;
        e = on_line(ctx, line, n);
    }
    if (from > 0) {
        memmove(s->bytes.data, s->bytes.data + from, s->bytes.len - from);
        s->bytes.len -= from;
    }
    return e;
}

/* Lets libcurl work; notes when the transfer is over. */
static enum err work(struct http_stream *s)
{
    int running = 0, left = 0;
    if (curl_multi_perform(s->multi, &running) != CURLM_OK) {
        return ERR_FAILED;
    }
    for (CURLMsg *m; (m = curl_multi_info_read(s->multi, &left)) != NULL;) {
        if (m->msg == CURLMSG_DONE) {
            s->ended = true;
            const enum err e = outcome(&s->in, m->data.result);
            if (e == ERR_SERVER) {
                explain(s->sentence, s->h, &s->in, m->data.result, s->total_s);
            }
            return e;
        }
    }
    return ERR_OK;
}

enum err http_stream_poll(struct http_stream *s, double seconds, http_line *on_line, void *ctx)
{
    const double until = clock_s() + seconds;
    int n_lines = 0;
    while (!s->ended) {
        const enum err e = work(s);
        TRY(hand_over(&n_lines, s, on_line, ctx));
        TRY(e);
        const double left = until - clock_s();
        if (s->ended || n_lines > 0 || left <= 0.0) {
            break;
        }
        (void)curl_multi_poll(s->multi, NULL, 0, (int)(left * 1e3) + 1, NULL);
        if (s->h->cfg.stopped != NULL && s->h->cfg.stopped()) {
            return ERR_STOPPED;
        }
    }
    return ERR_OK;
}

bool http_stream_ended(const struct http_stream *s)
{
    return s->ended;
}

int http_stream_status(const struct http_stream *s)
{
    long status = 0;
    (void)curl_easy_getinfo(s->easy, CURLINFO_RESPONSE_CODE, &status);
    return (int)status;
}

double http_stream_retry_after_s(const struct http_stream *s)
{
    return s->in.retry_after_s;
}

const char *http_stream_sentence(const struct http_stream *s)
{
    return s->sentence;
}

void http_stream_close(struct http_stream *s)
{
    if (s == NULL) {
        return;
    }
    if (s->multi != NULL && s->easy != NULL) {
        (void)curl_multi_remove_handle(s->multi, s->easy);
    }
    curl_easy_cleanup(s->easy);
    (void)curl_multi_cleanup(s->multi);
    curl_slist_free_all(s->headers);
    buf_release(&s->bytes);
    mem_free(s);
}
