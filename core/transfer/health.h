/* The endpoint of a process that serves: is it alive, can it do its work, and its own metrics.
 *
 *   GET /healthz   200 while decisions are made in time, else 503 with a sentence: for a liveness
 *                  probe, which restarts the process
 *   GET /readyz    200 while the last reading succeeded, else 503: for people and alerts, since
 *                  there is no traffic to take away
 *   GET /metrics   the exposition format of Prometheus, version 0.0.4
 *
 * libmicrohttpd serves it, in a thread of its own, and is included by health.c only. A listener of
 * our own would have to be right about slow clients, half requests, limits and keep-alive, which is
 * what that library is for; and in the loop of the decisions it would be silent whenever a request
 * to Prometheus hangs, which is when a probe asks. The thread touches nothing but the texts that
 * health_set() has given it, under a lock.
 */
#ifndef KARMA_TRANSFER_HEALTH_H
#define KARMA_TRANSFER_HEALTH_H

#include "core/base/err.h"
#include "core/base/mem.h"

#include <stdbool.h>

struct health;

/* address: "127.0.0.1:9464", "[::1]:9464", "0.0.0.0:9464"; port 0: any, see health_port().
 * ERR_CONFIG for what is no address, ERR_IO if it is in use. */
enum err health_start(struct health **out, const char *address) WARN_UNUSED;
void health_stop(struct health *h); /* NULL is fine */
int health_port(const struct health *h);

/* From now on: /metrics is `metrics` (copied), /readyz says ready or `why`. /healthz says 503 when
 * this was not called for dead_s seconds. ERR_MEMORY. */
enum err health_set(struct health *h, const struct buf *metrics, bool ready, const char *why,
                    double dead_s) WARN_UNUSED;

#endif
