/* Codec of the store of transitions: a header, which says once what all episodes share, and one
 * frame for each episode, whose shapes the header decides.
 *
 * Numbers that are no numbers never enter a store: what was not measured is a bit of the gaps, and
 * its value is 0. Both directions keep to that, since an episode that was read may be written
 * again. Strings and arrays that were read point into the arena and live as long as it does. */
#include "proto/trace_store.h"
#include "core/base/log.h"
#include "proto/trace_store.pb-c.h"
#include "proto/wire.h"

#include <math.h>

static char *string(const char *s)
{
    return (char *)(uintptr_t)s;
}

/* ---- header ---- */

enum err codec_put_store(struct buf *out, const struct store_header *h)
{
    Karma__TraceStore m;
    karma__trace_store__init(&m);
    m.plant = string(h->plant);
    m.topology = string(h->topology);
    m.origin = string(h->origin);
    m.licence = string(h->licence);
    m.services = wire_strings(h->services), m.n_services = (size_t)h->n_services;
    m.columns = wire_strings(h->columns), m.n_columns = (size_t)h->n_columns;
    m.units = wire_strings(h->units), m.n_units = (size_t)h->n_columns;
    m.measures = wire_strings(h->truths), m.n_measures = (size_t)h->n_truths;
    m.period_s = h->period_s;
    m.split_seed = h->split_seed;
    m.validation = h->validation;
    m.held_out = h->held_out;
    return wire_put(out, FRAME_TRACE_STORE, CODEC_STORE_VERSION, &m.base);
}

/* The conditions are written so that NaN fails them. */
static enum err check_header(const Karma__TraceStore *m, const char *source)
{
    if (m->n_services == 0 || m->n_columns == 0) {
        log_error("%s: a store without %s", source,
                  m->n_services == 0 ? "services" : "columns of a state");
        return ERR_FORMAT;
    }
    TRY(wire_expect(source, "units", m->n_units, m->n_columns));
    if (!(m->period_s > 0 && isfinite(m->period_s))) {
        log_error("%s: a decision period of %g s", source, m->period_s);
        return ERR_FORMAT;
    }
    if (!(m->validation >= 0 && m->held_out >= 0 && m->validation + m->held_out < 1)) {
        log_error("%s: %g of the episodes for validation and %g held out leave none to learn from",
                  source, m->validation, m->held_out);
        return ERR_FORMAT;
    }
    return ERR_OK;
}

/* The field of the exact counters is called measures in the message, truths in the program. */
enum err codec_get_store(struct store_header *h, const void *bytes, size_t n, const char *source,
                         struct arena *arena)
{
    const Karma__TraceStore *m =
        (const void *)wire_get(&karma__trace_store__descriptor, bytes, n, source, arena);
    if (m == NULL) {
        return wire_error(arena);
    }
    TRY(check_header(m, source));
    *h = (struct store_header){
        .plant = m->plant,
        .topology = m->topology,
        .origin = m->origin,
        .licence = m->licence,
        .services = (const char *const *)m->services,
        .columns = (const char *const *)m->columns,
        .units = (const char *const *)m->units,
        .truths = (const char *const *)m->measures,
        .n_services = (int)m->n_services,
        .n_columns = (int)m->n_columns,
        .n_truths = (int)m->n_measures,
        .period_s = m->period_s,
        .split_seed = m->split_seed,
        .validation = m->validation,
        .held_out = m->held_out,
    };
    return ERR_OK;
}

/* ---- episode ---- */

/* An array that is absent (NULL) has the length 0; bits of gaps are an optional field, so that none
 * at all and no gap in a recording stay different things. */
enum err codec_put_episode(struct buf *out, const struct store_episode *e,
                           const struct store_header *h)
{
    const size_t steps = (size_t)e->n_steps;
    Karma__TraceEpisode m;
    karma__trace_episode__init(&m);
    m.controller = string(e->controller);
    m.policy = e->policy;
    m.scenario = string(e->scenario);
    m.seed = e->seed;
    m.episode = e->episode;
    m.cell_digest = e->cell_digest;
    m.start_s = e->start_s;
    m.state = (float *)(uintptr_t)e->state, m.n_state = (steps + 1) * (size_t)h->n_columns;
    m.delta = (int32_t *)(uintptr_t)e->delta, m.n_delta = steps * (size_t)h->n_services;
    m.attack = (int32_t *)(uintptr_t)e->attack;
    m.n_attack = e->attack != NULL ? steps * STORE_ATTACK : 0;
    m.load = (float *)(uintptr_t)e->load, m.n_load = steps;
    m.measure = (double *)(uintptr_t)e->truth, m.n_measure = steps * (size_t)h->n_truths;
    m.has_gaps = e->gaps != NULL;
    m.gaps.data = (uint8_t *)(uintptr_t)e->gaps;
    m.gaps.len = e->gaps != NULL ? store_gap_bytes(e->n_steps, h->n_columns) : 0;
    m.has_load_gaps = e->load_gaps != NULL;
    m.load_gaps.data = (uint8_t *)(uintptr_t)e->load_gaps;
    m.load_gaps.len = e->load_gaps != NULL ? store_load_gap_bytes(e->n_steps) : 0;
    return wire_put(out, FRAME_TRACE_EPISODE, CODEC_STORE_VERSION, &m.base);
}

/* T follows from the load, which every episode has; everything else must have it, too. Bits are
 * packed eight to a byte and rounded up, as store_gap_bytes() does. */
static enum err check_shapes(const Karma__TraceEpisode *m, const struct store_header *h,
                             const char *source)
{
    const size_t steps = m->n_load;
    const size_t columns = (size_t)h->n_columns;
    if (steps == 0) {
        log_error("%s: an episode without a single decision", source);
        return ERR_FORMAT;
    }
    TRY(wire_expect(source, "state", m->n_state, (steps + 1) * columns));
    TRY(wire_expect(source, "delta", m->n_delta, steps * (size_t)h->n_services));
    TRY(wire_expect(source, "measure", m->n_measure, steps * (size_t)h->n_truths));
    if (m->n_attack > 0) {
        TRY(wire_expect(source, "attack", m->n_attack, steps * STORE_ATTACK));
    }
    if (m->has_gaps) {
        TRY(wire_expect(source, "gaps", m->gaps.len, ((steps + 1) * columns + 7) / 8));
    }
    if (m->has_load_gaps) {
        TRY(wire_expect(source, "load_gaps", m->load_gaps.len, (steps + 7) / 8));
    }
    return ERR_OK;
}

/* positive: negative values are refused as well. */
static bool all_finite(const float *x, size_t n, bool positive)
{
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(x[i]) || (positive && x[i] < 0.0F)) {
            return false;
        }
    }
    return true;
}

/* A NaN that entered here would spread through the normalisation of a fit to every weight, so it is
 * refused where the file and the array can still be named. */
static enum err check_values(const Karma__TraceEpisode *m, const char *source)
{
    const char *bad = !isfinite(m->start_s)                      ? "start"
                      : !all_finite(m->state, m->n_state, false) ? "state"
                      : !all_finite(m->load, m->n_load, true)    ? "load"
                                                                 : NULL;
    for (size_t i = 0; bad == NULL && i < m->n_measure; i++) {
        bad = isfinite(m->measure[i]) ? NULL : "measure";
    }
    if (bad != NULL) {
        log_error("%s: '%s' holds a value that no plant has (NaN, infinite, a negative load)",
                  source, bad);
        return ERR_FORMAT;
    }
    return ERR_OK;
}

enum err codec_get_episode(struct store_episode *e, const struct store_header *h, const void *bytes,
                           size_t n, const char *source, struct arena *arena)
{
    const Karma__TraceEpisode *m =
        (const void *)wire_get(&karma__trace_episode__descriptor, bytes, n, source, arena);
    if (m == NULL) {
        return wire_error(arena);
    }
    TRY(check_shapes(m, h, source));
    /* Shapes before values: each loop over values then ends within its array. */
    TRY(check_values(m, source));
    *e = (struct store_episode){
        .controller = m->controller,
        .scenario = m->scenario,
        .policy = m->policy,
        .seed = m->seed,
        .cell_digest = m->cell_digest,
        .episode = m->episode,
        .start_s = m->start_s,
        .n_steps = (int)m->n_load,
        .state = m->state,
        .delta = m->delta,
        .attack = m->n_attack > 0 ? m->attack : NULL,
        .load = m->load,
        .truth = m->measure,
        .gaps = m->has_gaps ? m->gaps.data : NULL,
        .load_gaps = m->has_load_gaps ? m->load_gaps.data : NULL,
    };
    return ERR_OK;
}
