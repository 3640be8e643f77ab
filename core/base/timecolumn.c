/* Dates or numbers, never both in one column. See timecolumn.h. */
#include "core/base/timecolumn.h"

#include "core/base/log.h"

#include <math.h>

enum err timecolumn_read(double *at, struct timecolumn *c, struct tabular *t)
{
    const char *cell = t->cells[c->column];
    bool date = false;
    if (tabular_number(t, at, cell) && isfinite(*at)) {
        timescale_look(&c->scale, *at);
    } else if (timestamp_parse(at, cell, 1.0)) {
        c->n_dates++;
        date = true;
    } else {
        log_error("%s:%d: '%.40s' is no time; give seconds, or a date such as 2025-01-31 23:59:59",
                  t->path, t->line, cell);
        return ERR_FORMAT;
    }
    /* The count of this row is in already, so the first row of the second kind is refused. */
    if (c->scale.n > 0 && c->n_dates > 0) {
        log_error("%s:%d: '%.40s' is a %s and the rows before have %ss; write every time in the "
                  "same form",
                  t->path, t->line, cell, date ? "date" : "number", date ? "number" : "date");
        return ERR_FORMAT;
    }
    return ERR_OK;
}

enum err timecolumn_unit(enum timescale_unit *unit, const struct timecolumn *c,
                         const struct tabular *t, const char *remedy)
{
    const enum timescale_unit u = c->scale.n > 0 ? timescale_unit(&c->scale) : TIMESCALE_SECONDS;
    if (u == TIMESCALE_NONE) {
        log_error("%s: the times %.12g to %.12g are neither seconds, nor milli-, micro- or "
                  "nanoseconds since 1970, nor dates such as YYYYMMDDHH; %s",
                  t->path, c->scale.min, c->scale.max, remedy);
        return ERR_FORMAT;
    }
    *unit = u;
    return ERR_OK;
}

const char *timecolumn_name(const struct timecolumn *c, enum timescale_unit unit)
{
    return c->scale.n > 0 ? timescale_name(unit) : "dates";
}
