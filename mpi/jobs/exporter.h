/* The exporter: a simulated cluster in real time, as a target that Prometheus scrapes.
 *
 * To rehearse with: `karma serve` beside it needs no cluster. A controller scales the simulated
 * services, as the autoscaler of a cluster would, and each column of the state is a gauge under the
 * name and in the unit of core/trace/column_def.h, with the label `service`. The state is the
 * measured one; Prometheus adds its own scrape interval to its lag.
 */
#ifndef KARMA_JOBS_EXPORTER_H
#define KARMA_JOBS_EXPORTER_H

#include "core/controllers/controller.h"
#include "core/scenario/schedule.h"

struct exporter_options {
    const char *listen; /* core/transfer/health.h */
    int speed;          /* simulated seconds in a second */
    int scenario;
    struct episode_id id; /* of the first episode; the others follow */
};

/* Appends the page of a state. */
struct buf;
enum err exporter_page(struct buf *out, const float *state,
                       const struct topology *topology) WARN_UNUSED;

/* Plays episode after episode until a signal comes. scratch is used. */
enum err exporter_run(const struct env_setup *w, struct controller *c,
                      const struct exporter_options *o, struct arena *scratch) WARN_UNUSED;

#endif
