/* HTTP: requests to one server, through libcurl, which only http.c includes.
 *
 *     struct http *h;
 *     TRY(http_new(&h, &(struct http_cfg){.name = "Prometheus", .url = "http://127.0.0.1:9090"}));
 *     struct http_answer a;
 *     http_answer_init(&a);
 *     TRY(http_send(h, &a, &(struct http_request){.method = "GET", .path = "/-/ready"}));
 *     ... a.status, a.body ...
 *     http_answer_release(&a);
 *     http_free(h);
 *
 * One request at a time; a stream (a watch) is beside it and has a connection of its own. No
 * thread, no signal handler; the only state of the process is what libcurl sets up once. retry.h
 * repeats requests that fail, in the same words for every server.
 *
 * Safety. Certificates are verified against the CA that was given, or else against those of the
 * system; TLS is 1.2 or later. A redirection is not followed: it would carry the token elsewhere. A
 * token or password goes over plain http to a loopback address only. A secret never stands in a
 * message: http_redact() removes it from what a server says. Answers are bounded in size and time.
 */
#ifndef KARMA_TRANSFER_HTTP_H
#define KARMA_TRANSFER_HTTP_H

#include "core/base/err.h"
#include "core/base/mem.h"

#include <stdbool.h>
#include <stddef.h>

enum { HTTP_SENTENCE_BYTES = 1024 };

/* Where the time comes from. Tests bring their own, in which a wait takes no time. */
struct http_time {
    double (*now_s)(void *ctx);                 /* never goes back */
    bool (*sleep_s)(void *ctx, double seconds); /* false: cut short, the process is to stop */
    void *ctx;
};
extern const struct http_time http_usual_time; /* the clock of this machine */

/* A server. Texts are copied; NULL means "". Zero for a number means the value in brackets. */
struct http_cfg {
    const char *name;     /* of the server in messages: "Prometheus" */
    const char *url;      /* http[s]://HOST[:PORT][/PREFIX]; without user, query and fragment */
    const char *ca_file;  /* PEM of the CAs to trust; "": ca_pem, or else those of the system */
    const char *ca_pem;   /* the same as text */
    const char *cert_pem; /* of the client, with key_pem; "": none */
    const char *key_pem;
    const char *token;      /* bearer token */
    const char *token_file; /* the same; read anew after token_s and by http_forget_token() */
    const char *user;       /* basic authentication; "": none */
    const char *password;
    bool insecure;         /* accept any certificate; http_new() warns */
    double token_s;        /* [60] */
    double connect_s;      /* until the connection is there, TLS included [5] */
    double total_s;        /* a whole request [30] */
    double idle_s;         /* without one byte [10] */
    size_t answer_max;     /* bytes of an answer, or of a line of a stream [32 MiB] */
    struct http_time time; /* now_s NULL: http_usual_time */
    bool (*stopped)(void); /* true: give up at once (a signal came); NULL: never */
};

struct http;

/* ERR_CONFIG, ERR_IO with a logged sentence: the URL, a file or a certificate is not usable.
 * Connects to nobody. */
enum err http_new(struct http **out, const struct http_cfg *cfg) WARN_UNUSED;
void http_free(struct http *h); /* NULL is fine */

/* For messages: its name and URL, "Prometheus (http://127.0.0.1:9090)". */
const char *http_label(const struct http *h);
const struct http_time *http_time(const struct http *h);

struct http_request {
    const char *method;       /* GET, POST, PUT, PATCH, DELETE */
    const char *path;         /* behind the URL of the server; begins with '/', encoded */
    const char *content_type; /* of the body */
    const char *accept;       /* NULL: application/json */
    const void *body;         /* NULL: none */
    size_t n_body;
    double total_s; /* at most, if it is less than that of the server; 0: that of the server */
    bool whole;     /* cfg.stopped does not cut it short: whoever changes something wants to know
                       what became of it. total_s still ends it */
};

struct http_answer {
    int status;                         /* 200, 404, ...; 0: there was no whole answer */
    double retry_after_s;               /* of the header, in seconds; < 0: there was none */
    struct buf body;                    /* a NUL stands behind it */
    char sentence[HTTP_SENTENCE_BYTES]; /* why there is no answer */
    bool final; /* no answer, and a repetition is of no use: the certificates do not fit */
};
void http_answer_init(struct http_answer *a);
void http_answer_release(struct http_answer *a);

/* ERR_OK: a whole answer came, whatever its status. ERR_SERVER: none came, `sentence` says why.
 * ERR_STOPPED: cfg.stopped, unless `whole`. ERR_IO: the token file. ERR_SERVER is not logged,
 * because only the caller knows whether he tries again. The answer is emptied first. */
enum err http_send(struct http *h, struct http_answer *answer,
                   const struct http_request *request) WARN_UNUSED;

/* The next request reads the token file again. False: there is none. */
bool http_forget_token(struct http *h);

/* Removes our secrets, and bytes that are no printable text, from a text of the server. */
void http_redact(const struct http *h, char *text);

/* Append "name=value" encoded, after '?' or '&' as the text so far asks. */
enum err http_put_query(struct buf *path, const char *name, const char *value) WARN_UNUSED;
/* Append one part of a path, encoded; without a '/'. */
enum err http_put_part(struct buf *path, const char *part) WARN_UNUSED;

/* ---- streams: an answer that never ends, in lines ---- */

struct http_stream;

/* Called for each line, without its newline; a NUL stands behind it, and the line may be changed.
 * Not called from within libcurl, so it may send requests. The answer of another status than 200 is
 * no stream: it comes as one line, whatever is in it. */
typedef enum err http_line(void *ctx, char *line, size_t n);

/* Begins a request whose answer is read by http_stream_poll(). `request` and the texts in it are
 * not needed afterwards. total_s of the request is the time of the whole stream; 0: without end. */
enum err http_stream_open(struct http_stream **out, struct http *h,
                          const struct http_request *request) WARN_UNUSED;

/* Waits at most `seconds` (of this machine's clock, also in tests) for lines and hands them over.
 * Returns early when there were some, and with the error of on_line. ERR_SERVER: the stream was
 * cut; http_stream_sentence() says why. */
enum err http_stream_poll(struct http_stream *s, double seconds, http_line *on_line,
                          void *ctx) WARN_UNUSED;
bool http_stream_ended(const struct http_stream *s);
int http_stream_status(const struct http_stream *s);           /* 0: not known yet */
double http_stream_retry_after_s(const struct http_stream *s); /* < 0: there was none */
const char *http_stream_sentence(const struct http_stream *s);
void http_stream_close(struct http_stream *s); /* NULL is fine */

#endif
