/* Repeated requests. The waits and what is repeated: see retry.h. */
#include "core/transfer/retry.h"

#include "core/base/log.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { UNAUTHORISED = 401, TOO_MANY = 429, BROKEN = 500, UNREACHABLE = 502, LATE = 504 };

static double or_usual(double value, double usual)
{
    return value > 0.0 ? value : usual;
}

void retry_init(struct retry *r, const struct retry_cfg *cfg)
{
    *r = (struct retry){.cfg = *cfg, .filled_s = -1.0};
    r->cfg.tries = cfg->tries > 0 ? cfg->tries : 4;
    r->cfg.first_s = or_usual(cfg->first_s, 0.5);
    r->cfg.most_s = or_usual(cfg->most_s, 15.0);
    r->cfg.rate_per_s = or_usual(cfg->rate_per_s, 10.0);
    r->cfg.burst = or_usual(cfg->burst, 20.0);
    r->key = rng_key(cfg->seed, RNG_BACKOFF, RNG_TRAIN);
}

bool retry_again(int status)
{
    return status == TOO_MANY || status == BROKEN || (status >= UNREACHABLE && status <= LATE);
}

double retry_wait_s(struct retry *r, int k, double retry_after_s)
{
    const double w = fmin(r->cfg.most_s, ldexp(r->cfg.first_s, k < 60 ? k : 60));
    const struct rng_block draw = rng_philox(r->key, r->n_waits++, 0, 0, 0);
    const double wait = w / 2.0 + w / 2.0 * rng_f64(draw.v[0], draw.v[1]);
    return fmax(wait, retry_after_s);
}

/* Takes one request out of the bucket; waits for it if there is none. The bucket gains rate_per_s a
 * second up to `burst`, so any interval of t seconds sees at most burst + t rate_per_s requests. */
static enum err take(struct retry *r, const struct http_time *t)
{
    double now = t->now_s(t->ctx);
    const double since = r->filled_s < 0.0 ? INFINITY : now - r->filled_s;
    r->level = fmin(r->cfg.burst, r->level + fmin(since * r->cfg.rate_per_s, r->cfg.burst));
    r->filled_s = now;
    if (r->level < 1.0) {
        const double wait = (1.0 - r->level) / r->cfg.rate_per_s;
        if (!t->sleep_s(t->ctx, wait)) {
            return ERR_STOPPED;
        }
        r->filled_s = now + wait;
        r->level = 1.0;
    }
    r->level -= 1.0;
    return ERR_OK;
}

/* Why a try failed, as part of a sentence: what libcurl said, or the status. */
static void reason(char *out, size_t n, const struct http *h, const struct http_answer *a,
                   enum err e)
{
    if (e != ERR_OK) {
        (void)snprintf(out, n, "%s", a->sentence);
    } else if (a->status == TOO_MANY && a->retry_after_s >= 0.0) {
        (void)snprintf(out, n, "%s answered 429 (too many requests) and asks to wait %.3g s",
                       http_label(h), a->retry_after_s);
    } else {
        (void)snprintf(out, n, "%s answered %d", http_label(h), a->status);
    }
}

/* One try within the deadline. */
static enum err send_once(struct retry *r, struct http *h, struct http_answer *a,
                          const struct http_request *request, double deadline_s)
{
    const struct http_time *t = http_time(h);
    struct http_request q = *request;
    TRY(take(r, t));
    if (deadline_s > 0.0) {
        const double left = fmax(deadline_s - t->now_s(t->ctx), 0.001);
        q.total_s = q.total_s > 0.0 ? fmin(q.total_s, left) : left;
    }
    r->n_sent++;
    return http_send(h, a, &q);
}

/* Waits before repetition k. False: there is no time left for it, and `why` says so. */
static enum err pause_before(bool *late, struct retry *r, struct http *h,
                             const struct http_answer *a, int k, double deadline_s)
{
    const struct http_time *t = http_time(h);
    char why[HTTP_SENTENCE_BYTES + 64];
    const double wait = retry_wait_s(r, k, a->retry_after_s);
    reason(why, sizeof why, h, a, a->status == 0 ? ERR_SERVER : ERR_OK);
    *late = deadline_s > 0.0 && t->now_s(t->ctx) + wait >= deadline_s;
    if (*late) {
        return ERR_OK;
    }
    log_warn("%s; trying again in %.3g s (try %d of %d)", why, wait, k + 2, r->cfg.tries);
    r->n_again++;
    return t->sleep_s(t->ctx, wait) ? ERR_OK : ERR_STOPPED;
}

enum err retry_send(struct retry *r, struct http *h, struct http_answer *answer,
                    const struct http_request *request, double deadline_s)
{
    char why[HTTP_SENTENCE_BYTES + 64];
    bool late = false, renewed = false;
    for (int k = 0;; k++) {
        enum err e = send_once(r, h, answer, request, deadline_s);
        if (e == ERR_OK && answer->status == UNAUTHORISED && !renewed && http_forget_token(h)) {
            renewed = true;
            r->n_again++;
            e = send_once(r, h, answer, request, deadline_s);
        }
        if (e != ERR_SERVER && (e != ERR_OK || !retry_again(answer->status))) {
            return e;
        }
        if (e == ERR_SERVER && answer->final) {
            log_error("%s", answer->sentence);
            return e;
        }
        if (k + 1 < r->cfg.tries) {
            TRY(pause_before(&late, r, h, answer, k, deadline_s));
        }
        if (late || k + 1 >= r->cfg.tries) {
            reason(why, sizeof why, h, answer, e);
            log_error("%s; given up after %d %s%s", why, k + 1, k == 0 ? "try" : "tries",
                      late ? ", because the time for this request is over" : "");
            return ERR_SERVER;
        }
    }
}
