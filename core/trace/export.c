/* Columns of the table are metrics; where each stands in a service's part of a state is looked up
 * once. See export.h. */
#include "core/trace/export.h"

#include "core/base/csv.h"
#include "core/base/log.h"
#include "core/trace/column_def.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char *const leading[] = {"controller", "scenario", "seed",
                                      "episode",    "time",     "service"};
enum { LEADING = sizeof leading / sizeof *leading };

struct table {
    struct store *s;
    struct arena *arena;
    const struct column_def **defs; /* (n_metrics) in order of appearance in the state */
    int n_defs;
    int *at; /* (n_services + 1, n_metrics) column of the state, -1: none; last: the whole */
    const struct column_def **truths; /* (n_measures of the header) */
    struct csv csv;
};

/* Splits "web.cpu" into service 0 and cpu; the whole is service n_services. */
static const struct column_def *split_column(int *service, const struct store_header *h,
                                             const char *column)
{
    const char *dot = strrchr(column, '.');
    *service = h->n_services;
    if (dot == NULL) {
        return column_def_find(column);
    }
    for (int k = 0; k < h->n_services; k++) {
        const size_t n = (size_t)(dot - column);
        if (strncmp(h->services[k], column, n) == 0 && h->services[k][n] == '\0') {
            *service = k;
            return column_def_find(dot + 1);
        }
    }
    return NULL;
}

/* Index of the metric among the columns of the table, which it joins at its first appearance. */
static int take_def(struct table *t, const struct column_def *m)
{
    for (int i = 0; i < t->n_defs; i++) {
        if (t->defs[i] == m) {
            return i;
        }
    }
    t->defs[t->n_defs] = m;
    return t->n_defs++;
}

static enum err unknown(const struct table *t, const char *name)
{
    log_error("%s: '%s' is no metric that has a name in Prometheus here", t->s->path, name);
    return ERR_FORMAT;
}

/* at[(service, metric)] = column of the state. The last service stands for the whole application. A
 * state has at most n_columns different metrics, so the arrays of n_columns are long enough. */
static enum err find_columns(struct table *t)
{
    const struct store_header *h = &t->s->header;
    const int n = h->n_columns;
    t->defs = ARENA_NEW(t->arena, n, const struct column_def *);
    t->truths = ARENA_NEW(t->arena, h->n_truths, const struct column_def *);
    t->at = ARENA_NEW(t->arena, (size_t)(h->n_services + 1) * (size_t)n, int);
    TRY(arena_error(t->arena));
    for (int i = 0; i < (h->n_services + 1) * n; i++) {
        t->at[i] = -1;
    }
    for (int i = 0; i < n; i++) {
        int service;
        const struct column_def *m = split_column(&service, h, h->columns[i]);
        if (m == NULL) {
            return unknown(t, h->columns[i]);
        }
        t->at[service * n + take_def(t, m)] = i;
    }
    for (int i = 0; i < h->n_truths; i++) {
        char name[128];
        (void)snprintf(name, sizeof name, "measure.%s", h->truths[i]);
        t->truths[i] = column_def_find(name);
        if (t->truths[i] == NULL) {
            return unknown(t, name);
        }
    }
    return ERR_OK;
}

/* ---- the file ---- */

static const char *const causes[] = {"delta", "offered", "attack_entry", "attack_rate",
                                     "attack_data"};
enum { CAUSES = sizeof causes / sizeof *causes };

static enum err begin_table(struct table *t, const char *path)
{
    const int n_truths = t->s->header.n_truths;
    const int n = LEADING + t->n_defs + CAUSES + n_truths;
    const char **names = ARENA_NEW(t->arena, n, const char *);
    TRY(arena_error(t->arena));
    int at = 0;
    for (int i = 0; i < LEADING; i++) {
        names[at++] = leading[i];
    }
    for (int i = 0; i < t->n_defs; i++) {
        names[at++] = t->defs[i]->prometheus;
    }
    for (int i = 0; i < CAUSES; i++) {
        names[at++] = column_def_find(causes[i])->prometheus;
    }
    for (int i = 0; i < n_truths; i++) {
        names[at++] = t->truths[i]->prometheus;
    }
    return csv_create(&t->csv, t->arena, path, names, n);
}

static void put_state(struct table *t, const struct store_episode *e, int row, int service)
{
    const int n = t->s->header.n_columns;
    for (int i = 0; i < t->n_defs; i++) {
        const int column = t->at[service * n + i];
        if (column < 0 || !store_known(e, n, row, column)) {
            csv_text(&t->csv, "");
        } else {
            const float v = e->state[(size_t)row * (size_t)n + (size_t)column];
            csv_exact(&t->csv, (double)v * t->defs[i]->si);
        }
    }
}

/* Cells of one service (or, for number n_services, of the whole application) in a row of an
 * episode. The change belongs to a service; load, attack and truth belong to the whole. The last
 * row of an episode is a state without a decision. Each cell is written, empty or not, so that all
 * rows have the same columns. */
static void put_causes(struct table *t, const struct store_episode *e, int row, int service)
{
    const struct store_header *h = &t->s->header;
    const bool decided = row < e->n_steps, whole = service == h->n_services;
    if (decided && !whole) {
        csv_int(&t->csv, e->delta[row * h->n_services + service]);
    } else {
        csv_text(&t->csv, "");
    }
    if (decided && whole && store_load_known(e, row)) {
        csv_exact(&t->csv, (double)e->load[row]);
    } else {
        csv_text(&t->csv, "");
    }
    for (int i = 0; i < STORE_ATTACK; i++) {
        if (decided && whole && e->attack != NULL) {
            csv_int(&t->csv, e->attack[row * STORE_ATTACK + i]);
        } else {
            csv_text(&t->csv, "");
        }
    }
    for (int i = 0; i < h->n_truths; i++) {
        if (decided && whole) {
            csv_exact(&t->csv, e->truth[row * h->n_truths + i]);
        } else {
            csv_text(&t->csv, "");
        }
    }
}

/* Two policies of one name may have played the same episode: the digest of the weights tells their
 * rows apart. NULL without memory; the caller asks the arena. */
static const char *name_controller(struct table *t, const struct store_episode *e)
{
    return e->policy == 0 ? e->controller
                          : arena_printf(t->arena, "%s@%016" PRIx64, e->controller, e->policy);
}

static enum err put_episode(struct table *t, const struct store_episode *e)
{
    const struct store_header *h = &t->s->header;
    char seed[32];
    const char *controller = name_controller(t, e);
    TRY(arena_error(t->arena));
    (void)snprintf(seed, sizeof seed, "%" PRIu64, e->seed);
    for (int row = 0; row <= e->n_steps; row++) {
        for (int k = 0; k <= h->n_services; k++) {
            csv_text(&t->csv, controller);
            csv_text(&t->csv, e->scenario);
            csv_text(&t->csv, seed);
            csv_int(&t->csv, e->episode);
            csv_exact(&t->csv, e->start_s + row * h->period_s);
            csv_text(&t->csv, k < h->n_services ? h->services[k] : "");
            put_state(t, e, row, k);
            put_causes(t, e, row, k);
            TRY(csv_end_row(&t->csv));
        }
    }
    return ERR_OK;
}

/* One episode in memory at a time. csv_exact() writes numbers so that reading them gives the same
 * bits; values of a state are scaled to SI units in double. */
static enum err put_all(struct table *t)
{
    for (int i = 0; i < t->s->n_episodes; i++) {
        struct store_episode e;
        const struct arena_mark mark = arena_mark(t->arena);
        TRY(store_read(&e, t->s, i, t->arena));
        TRY(put_episode(t, &e));
        arena_rewind(t->arena, mark);
    }
    return csv_sync(&t->csv);
}

enum err export_table(const char *path, struct store *s, struct arena *arena)
{
    struct table t = {.s = s, .arena = arena};
    TRY(find_columns(&t));
    TRY(begin_table(&t, path));
    const enum err e = put_all(&t);
    csv_close(&t.csv);
    return e;
}
