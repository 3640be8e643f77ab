/* The metric queries: what Prometheus is asked for each column of the state, as configuration.
 *
 *     metrics:
 *       label: deployment
 *       sources:
 *         - {name: cadvisor, age: 'min by (deployment) (timestamp(...))'}
 *       service:
 *         cpu: {query: 'sum by (deployment) (rate(...[$window]))', unit: cores, source: cadvisor}
 *       whole:
 *         entry_30s: {query: 'sum(rate(...[$window]))', source: ingress}
 *
 * A query of `service` answers for all services at once, one series for each, which `label` names;
 * one of `whole` answers with one series. Files of configs/metrics are packs of them; a
 * configuration that includes one may change single queries.
 *
 * Units. `unit` is that of the answer, and decides the factor to the unit of the column
 * (core/plant/schema.h): cores -> mcpu, bytes -> MiB, bytes/s -> kbit/s, s -> ms. `scale`
 * multiplies the answer before that.
 *
 * Ages. A source is what is scraped together. Its `age` query answers with the Unix time of the
 * oldest newest sample, for each service or for all. Each value is as old as its source. A value
 * whose source has no age is unknown, however good it looks.
 *
 * Absence. PromQL drops a series that is not there: a counter of errors does not exist before the
 * first error. `absent` says what that means: unknown, zero or one. It means zero or one only while
 * the source has an age, so it never hides an exporter that is down. `nan` says the same of an
 * answer that is no number, such as a mean over no request. A column without a query is unknown; if
 * `absent` is not unknown it is assumed to be that, always, and `karma serve --check` says so.
 *
 * Variables: $namespace; $services, a regular expression of their names; $window, $ten, $five,
 * $hpa: the windows of the state (plant.window_s, 10 s, 5 s, plant.hpa_window_s), each longer by
 * 0.4 scrape intervals, so that rate() finds the samples at both ends (core/plant/schema.h), and at
 * least 2.1 intervals long, so that it finds two. plant.scrape_s must be the interval at which the
 * Prometheus really scrapes.
 */
#ifndef KARMA_TRANSFER_QUERIES_H
#define KARMA_TRANSFER_QUERIES_H

#include "core/base/config.h"
#include "core/plant/plant.h"
#include "core/plant/schema.h"
#include "core/plant/topology.h"
#include "core/transfer/prometheus.h"

enum query_absence { ABSENT_UNKNOWN, ABSENT_ZERO, ABSENT_ONE };

struct query_cfg {
    const char *query, *source, *unit;
    double scale;
    int absent, nan; /* enum query_absence */
};
struct source_cfg {
    const char *name, *age;
};
struct metrics_cfg {
    const char *label, *namespace;
    double scrape_s;    /* 0: that of the plant */
    const char **names; /* "SERVICE=VALUE": what the label calls a service; none: its own name */
    int n_names;
    struct source_cfg *sources;
    int n_sources;
    struct query_cfg service[SERVICE_FEATURES];
    struct query_cfg whole[GLOBAL_FEATURES];
    struct query_cfg slo_attainment; /* an outcome that no column tells */
};
extern const struct cfg_field metrics_fields[];

/* One query, ready to be sent. */
struct query {
    const char *name;    /* of the column */
    const char *promql;  /* expanded; "": none */
    const char *unit;    /* of the answer, "" for that of the column */
    const char *becomes; /* unit of the column */
    const char *doc;     /* of the column */
    int source;          /* -1: no query */
    double factor;       /* answer -> column */
    int absent, nan;     /* enum query_absence */
    bool whole;          /* of the application, not of a service */
    int feature;         /* enum service_feature or global_feature; -1: slo_attainment */
    const char *key;     /* in the configuration, "metrics.service.cpu" */
};
struct queries {
    const struct metrics_cfg *cfg;
    const struct topology *topology;
    struct query *items; /* (n) in the order of the schema, without `id` */
    int n;
    const char **ages;     /* (cfg->n_sources) expanded */
    const char **services; /* (n_services) value of the label */
    const char *all;       /* one query for everything, see queries_all() */
};

/* Everything by reference. ERR_CONFIG, with file and line, for a unit that cannot become the
 * column's, a source that is not listed, a service that the topology does not have. */
enum err queries_init(struct queries *q, struct arena *arena, const struct metrics_cfg *cfg,
                      const struct topology *topology, const struct plant_cfg *plant,
                      const struct cfg *src_locs) WARN_UNUSED;

/* The interval from which the ranges of $window, $ten, $five and $hpa follow. */
static inline double queries_scrape_s(const struct metrics_cfg *cfg, const struct plant_cfg *plant)
{
    return cfg->scrape_s > 0.0 ? cfg->scrape_s : plant->scrape_s;
}

/* Does any of them contain $namespace, so that they measure one namespace? */
bool queries_ask_namespace(const struct queries *q);

/* One query that answers all: each is given the label QUERY_LABEL, whose value is the column's
 * name, or "age/" and a source's, and they are joined by `or`. All are taken at one time, in one
 * request. A server refuses it as a whole if one of them is wrong; queries_one() then finds it. */
#define QUERY_LABEL "karma"
static inline const char *queries_all(const struct queries *q)
{
    return q->all;
}
/* Query i of q->n + cfg->n_sources alone, with its label; "" if it is empty. In the arena. NULL:
 * out of memory. */
const char *queries_one(const struct queries *q, struct arena *arena, int i);

/* What became of a query for one service. */
enum cell_verdict {
    CELL_KNOWN,     /* answered */
    CELL_FILLED,    /* absent or NaN: `absent` or `nan` says what that means */
    CELL_ASSUMED,   /* no query; `absent` */
    CELL_NO_QUERY,  /* no query */
    CELL_ABSENT,    /* no series, and that means unknown */
    CELL_NAN,       /* NaN or infinite, and that means unknown */
    CELL_AMBIGUOUS, /* several series */
    CELL_NO_AGE,    /* the source has no age: it is down, or its age query is wrong */
    CELL_RANGE,     /* negative, or larger than any cluster has */
};
extern const char *const cell_verdict_text[];
struct query_cell {
    enum cell_verdict verdict;
    double answer; /* NaN: none */
    double value;  /* of the column; 0 where unknown */
    double age_s;  /* INFINITY: unknown */
};
static inline bool cell_is_known(const struct query_cell *c)
{
    return c->verdict <= CELL_ASSUMED;
}

/* The cells of an answer at Unix time at_s: cells (q->n, n_services), of a query of the whole the
 * first one of its row. The last sample of each series counts. scratch is rewound. */
enum err queries_read(struct query_cell *cells, const struct queries *q,
                      const struct prom_result *r, double at_s, struct arena *scratch) WARN_UNUSED;

/* state, age (state_size) from the cells; a value that is unknown is 0 and INFINITY old. slo: the
 * outcome, NaN if unknown; may be NULL. */
void queries_state(float *state, float *age, double *slo, const struct queries *q,
                   const struct query_cell *cells);

static inline const struct query_cell *
queries_cell(const struct queries *q, const struct query_cell *cells, int item, int service)
{
    return &cells[item * q->topology->n_services + service];
}

#endif
