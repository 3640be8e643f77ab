/* A client of the Prometheus HTTP API (prometheus.io/docs/prometheus/latest/querying/api): instant
 * queries and queries over a range of time.
 *
 * Every function says why it failed in result->why and logs nothing: whoever asks every 15 seconds
 * must not log the same sentence every 15 seconds. Nothing is asked again here; the next decision
 * asks anyway.
 *
 * What the answers cannot say. An instant query looks back up to five minutes (the server's
 * lookback-delta) and stamps what it finds with the time of the query, so the time of an answer is
 * not the age of a value. Ages come from timestamp(), see queries.h. A series that has ended (its
 * target is gone, or a scrape of it failed) has a stale marker in the database; the API never shows
 * markers, the series is absent from then on. In a range it has no samples there.
 *
 * A value may be NaN or infinite, such as a quotient of two rates that are 0: it is passed on.
 */
#ifndef KARMA_TRANSFER_PROMETHEUS_H
#define KARMA_TRANSFER_PROMETHEUS_H

#include "core/base/err.h"
#include "core/base/mem.h"

struct http;

enum { PROM_WHY = 512 };

/* The server refuses a range of more points than 11000 in a series. */
enum { PROM_POINTS_MAX = 10000 };

struct prom_label {
    const char *name, *value;
};
struct prom_sample {
    double time_s, value; /* Unix time */
};
struct prom_series {
    const struct prom_label *labels; /* (n_labels) in the order of the answer */
    int n_labels;
    struct prom_sample *samples; /* (n_samples) ascending; one of an instant query */
    int n_samples;
};

/* An answer; all of it in the arena of the call. */
struct prom_result {
    struct prom_series *series; /* (n_series) */
    int n_series;
    const char **warnings; /* (n_warnings) of the server: the answer may be incomplete */
    int n_warnings;
    char why[PROM_WHY]; /* "" or what went wrong, a fragment without a full stop */
};

/* How a request is sent and its answer comes back, whatever its status. */
struct prom_transport {
    void *ctx;
    /* POST of a form ("query=up&time=1", encoded) to a path ("/api/v1/query"). status: of HTTP.
     * body (initialised): replaced. ERR_SERVER with `why` if no whole answer came in time;
     * ERR_STOPPED. */
    enum err (*post)(void *ctx, int *status, struct buf *body, char why[PROM_WHY], const char *path,
                     const char *form);
};

struct prometheus {
    struct prom_transport transport;
    struct buf form, body; /* owned */
};
void prometheus_init(struct prometheus *p, const struct prom_transport *transport);
void prometheus_release(struct prometheus *p);

/* The value of a label; NULL: the series does not have it. */
const char *prom_label(const struct prom_series *s, const char *name);

/* An instant query at the Unix time at_s; NaN: at the server's own time. A scalar is a series
 * without labels. Errors, all with result->why:
 *   ERR_SERVER   no answer, or the server is in trouble (5xx, 401, 403, 429, not ready)
 *   ERR_CONFIG   the server refuses the query (400, 422): it is wrong
 *   ERR_FORMAT   what came is no answer of a Prometheus
 *   ERR_MEMORY
 */
enum err prometheus_query(struct prom_result *out, struct prometheus *p, struct arena *arena,
                          const char *promql, double at_s) WARN_UNUSED;

/* The same for start_s, start_s + step_s, ... up to end_s. More points than the server allows are
 * asked for in pages, windows of time of PROM_POINTS_MAX points, which become one result: a series
 * of several pages is one series. ERR_CONFIG, too, for a step that is not positive. */
enum err prometheus_query_range(struct prom_result *out, struct prometheus *p, struct arena *arena,
                                const char *promql, double start_s, double end_s,
                                double step_s) WARN_UNUSED;

/* The answer in a body (n bytes, any bytes), of the HTTP status `status`; errors as above. */
enum err prometheus_parse(struct prom_result *out, struct arena *arena, int status,
                          const void *body, size_t n) WARN_UNUSED;

/* The transport of a server (core/transfer/http.h), by reference. */
struct prom_transport prometheus_over(struct http *h);

#endif
