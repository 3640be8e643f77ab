/* Codec of a fitted twin. Every number in it reaches a state, so none may be NaN or infinite. Which
 * shapes belong to the store beside it the caller knows and compares; here the arrays of one
 * message must fit each other. */
#include "proto/twin.h"
#include "core/base/log.h"
#include "proto/twin.pb-c.h"
#include "proto/wire.h"

#include <math.h>

static float *floats(const float *x)
{
    return (float *)(uintptr_t)x;
}

/* A NaN in a mean or a weight would make every predicted state NaN, long after the file was read.
 */
static enum err expect_finite(const char *source, const char *field, const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(x[i])) {
            log_error("%s: '%s' holds a number that is none (NaN or infinite)", source, field);
            return ERR_FORMAT;
        }
    }
    return ERR_OK;
}

/* ---- header ---- */

enum err codec_put_twin(struct buf *out, const struct twin_header *h)
{
    const size_t in = (size_t)h->n_in, target = (size_t)h->n_target;
    Karma__Twin m;
    karma__twin__init(&m);
    m.traces = h->traces;
    m.fit = (char *)(uintptr_t)h->fit;
    m.history = h->history;
    m.residual = h->residual;
    m.hidden = (int32_t *)(uintptr_t)h->hidden, m.n_hidden = (size_t)h->n_hidden;
    m.members = h->members;
    m.in_mean = floats(h->in_mean), m.n_in_mean = in;
    m.in_inv = floats(h->in_inv), m.n_in_inv = in;
    m.out_mean = floats(h->out_mean), m.n_out_mean = target;
    m.out_std = floats(h->out_std), m.n_out_std = target;
    m.limits = floats(h->limits), m.n_limits = 4 * (size_t)h->n_columns;
    m.spread = floats(h->spread), m.n_spread = (size_t)h->n_spread;
    return wire_put(out, FRAME_TWIN, CODEC_TWIN_VERSION, &m.base);
}

/* The third line compares n_limits with itself rounded down to a multiple of 4: a column has four.
 */
static enum err check_numbers(const Karma__Twin *m, const char *source)
{
    TRY(wire_expect(source, "in_inv", m->n_in_inv, m->n_in_mean));
    TRY(wire_expect(source, "out_std", m->n_out_std, m->n_out_mean));
    TRY(wire_expect(source, "limits", m->n_limits, m->n_limits / 4 * 4));
    TRY(expect_finite(source, "in_mean", m->in_mean, m->n_in_mean));
    TRY(expect_finite(source, "in_inv", m->in_inv, m->n_in_inv));
    TRY(expect_finite(source, "out_mean", m->out_mean, m->n_out_mean));
    TRY(expect_finite(source, "out_std", m->out_std, m->n_out_std));
    TRY(expect_finite(source, "limits", m->limits, m->n_limits));
    return expect_finite(source, "spread", m->spread, m->n_spread);
}

enum err codec_get_twin(struct twin_header *h, const void *bytes, size_t n, const char *source,
                        struct arena *arena)
{
    const Karma__Twin *m =
        (const void *)wire_get(&karma__twin__descriptor, bytes, n, source, arena);
    if (m == NULL) {
        return wire_error(arena);
    }
    TRY(check_numbers(m, source));
    *h = (struct twin_header){
        .traces = m->traces,
        .fit = m->fit,
        .history = m->history,
        .residual = m->residual,
        .hidden = m->hidden,
        .n_hidden = (int)m->n_hidden,
        .members = m->members,
        .in_mean = m->in_mean,
        .in_inv = m->in_inv,
        .out_mean = m->out_mean,
        .out_std = m->out_std,
        .limits = m->limits,
        .spread = m->spread,
        .n_in = (int)m->n_in_mean,
        .n_target = (int)m->n_out_mean,
        .n_columns = (int)(m->n_limits / 4),
        .n_spread = (int)m->n_spread,
    };
    return ERR_OK;
}

/* ---- members ---- */

/* One network and its residual pool: rows sorted by level, each with one residual for each target
 * and the row that followed it in the recording. */
enum err codec_put_member(struct buf *out, const struct twin_member *t, int n_target)
{
    const size_t rows = (size_t)t->n_residuals;
    Karma__TwinMember m;
    karma__twin_member__init(&m);
    m.params = floats(t->params), m.n_params = t->n_params;
    m.level = floats(t->level), m.n_level = rows;
    m.z = floats(t->z), m.n_z = rows * (size_t)n_target;
    m.next = (int32_t *)(uintptr_t)t->next, m.n_next = rows;
    m.error = t->error;
    m.epochs = t->epochs;
    return wire_put(out, FRAME_TWIN_MEMBER, CODEC_TWIN_VERSION, &m.base);
}

/* The pool is searched by bisection on its level, which needs it sorted; `next` is followed as an
 * index, with -1 for the end. The lengths were compared before, so one loop reads both arrays. */
static enum err check_residuals(const Karma__TwinMember *m, const char *source)
{
    for (size_t i = 0; i < m->n_level; i++) {
        if (i > 0 && m->level[i] < m->level[i - 1]) {
            log_error("%s: the pool of residuals is not sorted by its level", source);
            return ERR_FORMAT;
        }
        if (m->next[i] < -1 || m->next[i] >= (int32_t)m->n_next) {
            log_error("%s: a residual is followed by row %d of %zu", source, m->next[i], m->n_next);
            return ERR_FORMAT;
        }
    }
    return ERR_OK;
}

enum err codec_get_member(struct twin_member *t, const void *bytes, size_t n, int n_target,
                          const char *source, struct arena *arena)
{
    const Karma__TwinMember *m =
        (const void *)wire_get(&karma__twin_member__descriptor, bytes, n, source, arena);
    if (m == NULL) {
        return wire_error(arena);
    }
    TRY(wire_expect(source, "z", m->n_z, m->n_level * (size_t)n_target));
    TRY(wire_expect(source, "next", m->n_next, m->n_level));
    TRY(expect_finite(source, "params", m->params, m->n_params));
    TRY(expect_finite(source, "level", m->level, m->n_level));
    TRY(expect_finite(source, "z", m->z, m->n_z));
    /* Last, because it reads `level` and `next` side by side. */
    TRY(check_residuals(m, source));
    *t = (struct twin_member){
        .params = m->params,
        .level = m->level,
        .z = m->z,
        .next = m->next,
        .n_params = m->n_params,
        .n_residuals = (int)m->n_level,
        .error = m->error,
        .epochs = m->epochs,
    };
    return ERR_OK;
}

/* ---- a queueing twin ---- */

static double *doubles(const double *x)
{
    return (double *)(uintptr_t)x;
}

enum err codec_put_queueing(struct buf *out, const struct twin_queueing *q)
{
    const size_t n = (size_t)q->n;
    Karma__TwinQueueing m;
    karma__twin_queueing__init(&m);
    m.traces = q->traces;
    m.fit = (char *)(uintptr_t)q->fit;
    m.names = wire_strings(q->names), m.n_names = n;
    m.value = doubles(q->value), m.n_value = n;
    m.lo = doubles(q->lo), m.n_lo = n;
    m.hi = doubles(q->hi), m.n_hi = n;
    m.episodes = q->episodes;
    return wire_put(out, FRAME_TWIN_QUEUEING, CODEC_TWIN_QUEUEING_VERSION, &m.base);
}

enum err codec_get_queueing(struct twin_queueing *q, const void *bytes, size_t n,
                            const char *source, struct arena *arena)
{
    const Karma__TwinQueueing *m =
        (const void *)wire_get(&karma__twin_queueing__descriptor, bytes, n, source, arena);
    if (m == NULL) {
        return wire_error(arena);
    }
    TRY(wire_expect(source, "value", m->n_value, m->n_names));
    TRY(wire_expect(source, "lo", m->n_lo, m->n_names));
    TRY(wire_expect(source, "hi", m->n_hi, m->n_names));
    *q = (struct twin_queueing){.traces = m->traces,
                                .fit = m->fit,
                                .names = (const char *const *)m->names,
                                .value = m->value,
                                .lo = m->lo,
                                .hi = m->hi,
                                .n = (int)m->n_names,
                                .episodes = m->episodes};
    return ERR_OK;
}
