/* Sums by controller and agent, then their ratios. See org_metrics_table.h.
 *
 * A row of the file holds one episode of one agent. Shares are quotients of sums over episodes, for
 * example compliant / can_act, and not means of quotients: in an episode in which an agent could
 * never act its quotient would be 0 / 0. */
#include "core/report/org_metrics_table.h"

#include "core/base/csv_read.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* One row of the table. */
struct line {
    struct line *next;
    const char *controller, *agent;
    struct org_metric_values sum;
    int n;
};

struct lines {
    struct line *first, *last;
    struct arena *arena;
};

/* The line of a controller's agent; a new one goes to the end, so lines stand in the order of the
 * file. There are tens of them: a linear search is enough. NULL when out of memory. */
static struct line *find_line(struct lines *l, const char *controller, const char *agent)
{
    struct line *i = l->first;
    while (i != NULL && (strcmp(i->controller, controller) != 0 || strcmp(i->agent, agent) != 0)) {
        i = i->next;
    }
    if (i != NULL) {
        return i;
    }
    i = ARENA_NEW(l->arena, 1, struct line);
    if (i == NULL) {
        return NULL;
    }
    *i = (struct line){.controller = controller, .agent = agent};
    *(l->first == NULL ? &l->first : &l->last->next) = i;
    l->last = i;
    return i;
}

/* Adds every row to its line. A metric that was not measured is NaN, and so is then the sum, which
 * is printed as "-". The reader's cells stay where they are until it is closed. */
static enum err add_rows(struct lines *l, struct csv_reader *r)
{
    const char *cells[ORG_METRICS_COLUMNS];
    enum csv_status status;
    TRY(csv_reader_next(r, cells, ORG_METRICS_COLUMNS, &status)); /* the header */
    while (status == CSV_ROW) {
        TRY(csv_reader_next(r, cells, ORG_METRICS_COLUMNS, &status));
        if (status != CSV_ROW) {
            break;
        }
        struct line *i =
            find_line(l, cells[ORG_METRICS_KEY_CONTROLLER], cells[ORG_METRICS_KEY_AGENT]);
        if (i == NULL) {
            return ERR_MEMORY;
        }
        double *sum = (double *)&i->sum;
        for (int c = 0; c < ORG_METRIC_COUNT; c++) {
            double value;
            TRY(csv_reader_number(&value, r, cells[ORG_METRICS_KEYS + c], org_metric_info[c].name));
            sum[c] += value;
        }
        i->n++;
    }
    return ERR_OK;
}

/* "0.934"; "-" if it is not defined, as 0 / 0. Ratios are of sums over episodes, so an episode
 * counts by how often the agent could act in it, or by its number of windows. */
static void put_ratio(struct table *t, double part, double whole)
{
    const double ratio = part / whole;
    if (isfinite(ratio)) {
        table_cell(t, "%.3f", ratio);
    } else {
        table_text(t, "-");
    }
}

/* Means over decisions are divided by the number of episodes n, shares of what an agent could do by
 * the sum of can_act, and improved windows by all windows. */
static void put_line(struct table *t, const struct line *i)
{
    const struct org_metric_values *s = &i->sum;
    table_text(t, i->controller);
    table_text(t, i->agent);
    put_ratio(t, s->can_act, i->n);
    put_ratio(t, s->compliant, s->can_act);
    put_ratio(t, s->compliant_unmasked, s->can_act);
    put_ratio(t, s->chance_compliant, s->can_act);
    put_ratio(t, s->violation, i->n);
    table_cell(t, "%.1f", s->mask_size / i->n);
    put_ratio(t, s->mission_improved, s->mission_windows);
    table_cell(t, "%.1f", s->mission_windows / i->n);
    put_ratio(t, s->mission, i->n);
    put_ratio(t, s->bonus, i->n);
    put_ratio(t, s->penalty, i->n);
}

/* A controller that the configuration does not know (from a merged file) is shown. */
static bool is_shown(const struct eval_cfg *cfg, const char *controller)
{
    for (int i = 0; i < cfg->n_controllers; i++) {
        if (strcmp(controller_label(&cfg->controllers[i]), controller) == 0) {
            return cfg->controllers[i].show;
        }
    }
    return true;
}

enum err org_metrics_table(struct buf *out, const char *path, const struct eval_cfg *cfg,
                           enum table_style style, struct arena *scratch)
{
    static const char *const head[] = {
        "controller", "agent",    "can act", "compliant", "unmasked", "chance", "violation",
        "mask size",  "improved", "windows", "mission",   "bonus",    "penalty"};
    struct lines lines = {.arena = scratch};
    struct csv_reader r;
    struct table t;
    TRY(csv_reader_open(&r, path));
    enum err e = add_rows(&lines, &r);
    table_init(&t, scratch, head, (int)(sizeof head / sizeof *head), 2);
    for (const struct line *i = lines.first; i != NULL && e == ERR_OK; i = i->next) {
        if (is_shown(cfg, i->controller)) {
            put_line(&t, i);
        }
    }
    if (e == ERR_OK) {
        e = buf_printf(
            out, "\n%s\n%s\n%s\n\n", "Agents and their roles: means and ratios over all episodes",
            "compliant: chose what its roles allow where it can act; unmasked: would without "
            "masks; "
            "chance: at random",
            "improved: of the windows in which its missions could get better, those in which they "
            "did");
    }
    if (e == ERR_OK) {
        e = table_print(out, &t, style);
    }
    csv_reader_close(&r);
    return e;
}
