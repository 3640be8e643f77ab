/* Evaluation record codec. Which metrics a record holds is not written in it: sender and receiver
 * are ranks of one program, and the number of values is checked. */
#include "proto/eval.h"
#include "proto/eval.pb-c.h"
#include "proto/wire.h"

#include <string.h>

enum err codec_put_record(struct buf *out, const struct eval_record *r)
{
    Karma__EvalRecord m;
    karma__eval_record__init(&m);
    m.controller = r->controller;
    m.train = r->train;
    m.scenario = r->scenario;
    m.episode = r->episode;
    m.metrics = (double *)(uintptr_t)r->metrics;
    m.n_metrics = (size_t)r->n_metrics;
    m.org_metrics = (double *)(uintptr_t)r->org_metrics;
    m.n_org_metrics = (size_t)r->n_org_metrics;
    return wire_put(out, FRAME_EVAL_RECORD, CODEC_EVAL_VERSION, &m.base);
}

enum err codec_get_record(struct eval_record *r, double *metrics, double *org_metrics,
                          const void *bytes, size_t n, const char *source, struct arena *scratch)
{
    const struct arena_mark mark = arena_mark(scratch);
    const Karma__EvalRecord *m =
        (const void *)wire_get(&karma__eval_record__descriptor, bytes, n, source, scratch);
    enum err e = m == NULL ? wire_error(scratch)
                           : wire_expect(source, "metrics", m->n_metrics, (size_t)r->n_metrics);
    if (e == ERR_OK) {
        e = wire_expect(source, "org_metrics", m->n_org_metrics, (size_t)r->n_org_metrics);
    }
    if (e == ERR_OK) {
        r->controller = m->controller;
        r->train = m->train;
        r->scenario = m->scenario;
        r->episode = m->episode;
        memcpy(metrics, m->metrics, m->n_metrics * sizeof *metrics);
        r->metrics = metrics;
        /* Without an organisation both pointers may be NULL, which memcpy() must not be given. */
        if (m->n_org_metrics > 0) {
            memcpy(org_metrics, m->org_metrics, m->n_org_metrics * sizeof *org_metrics);
        }
        r->org_metrics = org_metrics;
    }
    arena_rewind(scratch, mark);
    return e;
}
