/* Requests that are tried again: exponential backoff with jitter, Retry-After, and a limit on how
 * many requests this process sends.
 *
 * Before the k-th repetition (k = 0, 1, ...) the wait is uniform in
 *
 *     [w / 2, w],   w = min(most_s, first_s 2^k),
 *
 * or Retry-After if that is longer. Half of the wait is random ("equal jitter", M. Brooker,
 * "Exponential Backoff And Jitter", AWS 2015), so that many clients of a server that comes back do
 * not ask at the same moment; the draws are counter-based (core/base/rng.h).
 *
 * What is repeated: no answer at all (but for certificates that do not fit), and the statuses 429,
 * 500, 502, 503, 504. A 401 is repeated once if the token comes from a file, with the token that
 * the file holds now. So a request may reach the server twice: it must be safe to repeat. A patch
 * is if it carries the resourceVersion.
 *
 * The limit is a token bucket: it holds at most `burst` requests and gains `rate_per_s` a second.
 */
#ifndef KARMA_TRANSFER_RETRY_H
#define KARMA_TRANSFER_RETRY_H

#include "core/base/rng.h"
#include "core/transfer/http.h"

#include <stdint.h>

/* Zero means the value in brackets. */
struct retry_cfg {
    int tries;         /* of one request in all [4] */
    double first_s;    /* [0.5] */
    double most_s;     /* of one wait [15] */
    double rate_per_s; /* [10] */
    double burst;      /* [20] */
    uint64_t seed;     /* of the jitter: that of the process, so that two processes differ */
};

struct retry {
    struct retry_cfg cfg;
    struct rng_key key;
    uint32_t n_waits;         /* draws so far */
    double level, filled_s;   /* of the bucket, and when that was computed; filled_s < 0: never */
    uint64_t n_sent, n_again; /* requests, and how many of them were repetitions */
};

void retry_init(struct retry *r, const struct retry_cfg *cfg);

/* Sends until there is an answer that is not repeated. ERR_OK: there is one, whatever its status.
 * ERR_SERVER: the tries or the time are used up; logged. Each repetition is logged as a warning.
 * `deadline_s` of http_time(): no wait and no request goes beyond it; 0: none. ERR_STOPPED. */
enum err retry_send(struct retry *r, struct http *h, struct http_answer *answer,
                    const struct http_request *request, double deadline_s) WARN_UNUSED;

/* The wait before repetition k, and whether a status is repeated. */
double retry_wait_s(struct retry *r, int k, double retry_after_s);
bool retry_again(int status);

#endif
