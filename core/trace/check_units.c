/* Faults of size: a column whose numbers are another unit's, or the total of a counter. The limits
 * are those of core/base/plausible.h, for all readers the same. See check.h. */
#include "core/base/order.h"
#include "core/base/plausible.h"
#include "core/trace/check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double COUNTER_SHARE = 0.5; /* of the series of a column that look like a counter's */

/* The unit in which plausible.h knows a metric; values here times metric.si are in it. */
static enum unit unit_of(const struct column_def *m)
{
    if (m->kind == COLUMN_TIME) {
        return UNIT_DURATION;
    }
    if (m->kind == COLUMN_MEMORY) {
        return UNIT_MEMORY;
    }
    if (m->kind != COLUMN_RATE) {
        return UNIT_NONE;
    }
    return strcmp(m->unit, "mcpu") == 0     ? UNIT_CPU
           : strcmp(m->unit, "kbit/s") == 0 ? UNIT_TRAFFIC
           : strcmp(m->unit, "1/s") == 0    ? UNIT_REQUESTS
                                            : UNIT_NONE;
}

/* The median of the values above 0, of all services together, in the unit in which plausible.h
 * knows the metric. The median, because one outlier does not make a unit wrong; above 0, because an
 * idle service has many zeros. room (n_rows n_services): scratch. */
static void find_unit(struct check *c, int column, double *room)
{
    const struct metrics_table *s = c->table;
    const struct column_def *m = s->columns[column].def;
    const enum unit unit = unit_of(m);
    const char *likely;
    int n = 0;
    for (int row = 0; row < s->n_rows; row++) {
        for (int k = 0; k < s->n_services; k++) {
            const double v = metrics_table_at(s, row, k, column);
            if (v > 0.0) {
                room[n++] = v * m->si;
            }
        }
    }
    if (n == 0) {
        return;
    }
    qsort(room, (size_t)n, sizeof *room, order_doubles);
    const double median = room[n / 2];
    const enum plausible_level level = plausible_median(&likely, unit, median);
    if (level != PLAUSIBLE_OK) {
        const struct unit_info *u = &unit_table[unit];
        check_add(c, s->columns[column].header, "unit",
                  level == PLAUSIBLE_FAIL ? CHECK_FAIL : CHECK_WARN,
                  "the median of the values above 0 is %.4g %s; for %s %s are usual: these are "
                  "probably %s",
                  median, u->name, u->what, u->usual, likely);
    }
}

/* ---- counters ---- */

/* Of the series of a column, one for each run and service: how many there are that say something,
 * and how many look like a counter. */
struct series {
    int n, n_counters, n_sure, n_resets, first; /* first: service of the first counter */
};

/* One series: rows [begin, end) of one run, one service, missing values left out. A series counts
 * if it is long enough to judge, or if its name already told. */
static void look_at(struct series *all, const struct metrics_table *s, int column, int service,
                    int begin, int end, double *room)
{
    const char *header = s->columns[column].header;
    int n_resets;
    size_t n = 0;
    for (int row = begin; row < end; row++) {
        const double v = metrics_table_at(s, row, service, column);
        if (!isnan(v)) {
            room[n++] = v;
        }
    }
    const enum plausible_level level = plausible_rate(&n_resets, header, room, n);
    all->n += n >= PLAUSIBLE_SERIES_MIN || level != PLAUSIBLE_OK;
    if (level != PLAUSIBLE_OK) {
        all->first = all->n_counters++ == 0 ? service : all->first;
        all->n_sure += level == PLAUSIBLE_FAIL;
        all->n_resets += n_resets;
    }
}

/* Only if most series of the column look like a counter: a single service may have a load that
 * grows during the whole run. */
static void find_counter(struct check *c, int column, double *room)
{
    const struct metrics_table *s = c->table;
    struct series all = {0};
    if (s->columns[column].def->kind != COLUMN_RATE || !s->timed) {
        return;
    }
    for (int begin = 0, end; begin < s->n_rows; begin = end) {
        for (end = begin + 1; end < s->n_rows && s->run[end] == s->run[begin]; end++) {
        }
        for (int k = 0; k < s->n_services; k++) {
            look_at(&all, s, column, k, begin, end, room);
        }
    }
    if (all.n == 0 || all.n_counters <= COUNTER_SHARE * all.n) {
        return;
    }
    check_add(
        c, s->columns[column].header, "counter", all.n_sure > 0 ? CHECK_FAIL : CHECK_WARN,
        "in %d of %d series, in %s first, the values only grow%s: the total of a counter, not "
        "a rate; in Prometheus rate(NAME[1m]) gives that",
        all.n_counters, all.n, s->services[all.first], all.n_resets > 0 ? ", and begin again" : "");
}

enum err check_units(struct check *c)
{
    const struct metrics_table *s = c->table;
    double *room = ARENA_NEW(c->arena, (size_t)s->n_rows * (size_t)s->n_services, double);
    TRY(arena_error(c->arena));
    for (int i = 0; i < s->n_columns; i++) {
        find_unit(c, i, room);
        find_counter(c, i, room);
    }
    return ERR_OK;
}
