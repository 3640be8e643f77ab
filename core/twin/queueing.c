/* Names, limits and the table of the parameters. See queueing.h. */
#include "core/twin/queueing.h"

#include "core/base/csv.h"
#include "core/base/log.h"

#include <math.h>

#define QUEUEING_ROW_(id, name, unit, least, most) [QUEUEING_##id] = {name, unit, least, most},
const struct queueing_limits queueing_service_limits[QUEUEING_PER_SERVICE] = {
    QUEUEING_SERVICE_LIST(QUEUEING_ROW_)};
const struct queueing_limits queueing_whole_limits[QUEUEING_WHOLES] = {
    QUEUEING_WHOLE_LIST(QUEUEING_ROW_)};
#undef QUEUEING_ROW_

enum err queueing_init(struct queueing *q, struct arena *arena, const char *const *services,
                       int n_services)
{
    const int n = n_services * QUEUEING_PER_SERVICE + QUEUEING_WHOLES;
    *q = (struct queueing){.n_services = n_services,
                           .n = n,
                           .services = services,
                           .params = ARENA_NEW(arena, n, struct queueing_param)};
    return arena_error(arena);
}

const struct queueing_limits *queueing_limits_of(const struct queueing *q, int i)
{
    const int whole = i - q->n_services * QUEUEING_PER_SERVICE;
    return whole < 0 ? &queueing_service_limits[i % QUEUEING_PER_SERVICE]
                     : &queueing_whole_limits[whole];
}

const char *queueing_name(const struct queueing *q, int i, struct arena *arena)
{
    const struct queueing_limits *limits = queueing_limits_of(q, i);
    return i < q->n_services * QUEUEING_PER_SERVICE
               ? arena_printf(arena, "%s.%s", q->services[i / QUEUEING_PER_SERVICE], limits->name)
               : limits->name;
}

enum err queueing_check(const struct queueing *q, const char *source)
{
    for (int i = 0; i < q->n; i++) {
        const struct queueing_param *p = &q->params[i];
        const struct queueing_limits *limits = queueing_limits_of(q, i);
        const bool ordered = p->lo <= p->value && p->value <= p->hi; /* false for a NaN */
        if (!ordered || p->lo < limits->least || p->hi > limits->most) {
            log_error("%s: parameter %d (%s) is %g [%g, %g]; values lie in their interval, and "
                      "within %g and %g; fit the twin again",
                      source, i, limits->name, p->value, p->lo, p->hi, limits->least, limits->most);
            return ERR_FORMAT;
        }
    }
    return ERR_OK;
}

static enum err write_rows(struct csv *out, const struct queueing *q, struct arena *arena)
{
    for (int i = 0; i < q->n; i++) {
        const char *name = queueing_name(q, i, arena);
        TRY(arena_error(arena));
        csv_text(out, name);
        csv_text(out, queueing_limits_of(q, i)->unit);
        csv_num(out, q->params[i].value);
        csv_num(out, q->params[i].lo);
        csv_num(out, q->params[i].hi);
        TRY(csv_end_row(out));
    }
    return ERR_OK;
}

enum err queueing_write_csv(const struct queueing *q, const char *path)
{
    static const char *const columns[] = {"parameter", "unit", "value", "lo", "hi"};
    struct arena arena;
    struct csv out = {.fd = -1};
    arena_init(&arena);
    enum err e = csv_create(&out, &arena, path, columns, 5);
    if (e == ERR_OK) {
        e = write_rows(&out, q, &arena);
        csv_close(&out);
    }
    arena_release(&arena);
    return e;
}
