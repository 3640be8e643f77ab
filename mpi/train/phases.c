/* A stopwatch with one running phase; waits are taken out of it by the clocks of comm. See
 * phases.h. */
#include "mpi/train/phases.h"

#include "core/base/clock.h"
#include "core/base/csv.h"
#include "core/base/log.h"
#include "core/base/stats.h"
#include "core/report/table.h"

#include <stdio.h>
#include <string.h>

static const char *const names[N_PHASES] = {"simulate", "infer",     "send", "wait",
                                            "update",   "broadcast", "other"};

/* ---- the stopwatch ---- */

static void mark(struct phases *p, enum phase now)
{
    p->now = now;
    p->since_s = clock_s();
    p->since_cpu_s = clock_cpu_s();
    p->waited_s = p->comm->wait_seconds;
    p->waited_cpu_s = p->comm->wait_cpu_s;
}

void phases_begin(struct phases *p, struct comm *comm)
{
    *p = (struct phases){.comm = comm};
    mark(p, PHASE_OTHER);
}

/* A broadcast is nothing but moving bytes, which comm counts as waiting, so there waits are part
 * of the phase. */
enum phase phases_enter(struct phases *p, enum phase next)
{
    const enum phase before = p->now;
    const double all_s = p->since_s, all_cpu_s = p->since_cpu_s;
    const double waited_s = p->waited_s, waited_cpu_s = p->waited_cpu_s;
    mark(p, next);
    struct phase_time wait = {p->waited_s - waited_s, p->waited_cpu_s - waited_cpu_s};
    if (before == PHASE_BROADCAST) {
        wait = (struct phase_time){0.0, 0.0};
    }
    p->spent[before].s += p->since_s - all_s - wait.s;
    p->spent[before].cpu_s += p->since_cpu_s - all_cpu_s - wait.cpu_s;
    p->spent[PHASE_WAIT].s += wait.s;
    p->spent[PHASE_WAIT].cpu_s += wait.cpu_s;
    return before;
}

void phases_times(struct phases *p, struct phase_row *out)
{
    phases_enter(p, p->now);
    memcpy(out->spent, p->spent, sizeof out->spent);
    out->bytes = p->comm->bytes_sent;
    out->messages = p->comm->n_sent;
    out->memory = mem_resident_most();
    struct phase_time *simulate = &out->spent[PHASE_SIMULATE], *infer = &out->spent[PHASE_INFER];
    if (simulate->s > 0.0) {
        infer->s = p->infer_s < simulate->s ? p->infer_s : simulate->s;
        infer->cpu_s = simulate->cpu_s * (infer->s / simulate->s);
        simulate->s -= infer->s;
        simulate->cpu_s -= infer->cpu_s;
    }
}

static struct phase_time sum_of(const struct phase_row *row)
{
    struct phase_time sum = {0.0, 0.0};
    for (int k = 0; k < N_PHASES; k++) {
        sum.s += row->spent[k].s;
        sum.cpu_s += row->spent[k].cpu_s;
    }
    return sum;
}

/* ---- ranks.csv ---- */

enum { N_COLUMNS = 1 + 2 * N_PHASES + 3 };

enum err phases_write(const struct phase_row *rows, int n, struct arena *arena, const char *path)
{
    const char *columns[N_COLUMNS];
    int c = 0;
    columns[c++] = "rank";
    for (int k = 0; k < N_PHASES; k++) {
        columns[c++] = arena_printf(arena, "%s_s", names[k]);
        columns[c++] = arena_printf(arena, "%s_cpu_s", names[k]);
    }
    columns[c++] = "sent_bytes";
    columns[c++] = "sent_messages";
    columns[c++] = "memory_bytes";
    TRY(arena_error(arena));
    struct csv csv;
    TRY(csv_create(&csv, arena, path, columns, N_COLUMNS));
    enum err e = ERR_OK;
    for (int r = 0; e == ERR_OK && r < n; r++) {
        csv_int(&csv, r);
        for (int k = 0; k < N_PHASES; k++) {
            csv_num(&csv, rows[r].spent[k].s);
            csv_num(&csv, rows[r].spent[k].cpu_s);
        }
        csv_int(&csv, (int64_t)rows[r].bytes);
        csv_int(&csv, (int64_t)rows[r].messages);
        csv_int(&csv, (int64_t)rows[r].memory);
        e = csv_end_row(&csv);
    }
    csv_close(&csv);
    return e;
}

/* ---- the table in the log ---- */

/* Columns of numbers: the phases, all, CPU. */
enum { N_SHOWN = N_PHASES + 2 };

static double shown(const struct phase_row *row, int column)
{
    if (column < N_PHASES) {
        return row->spent[column].s;
    }
    return column == N_PHASES ? sum_of(row).s : sum_of(row).cpu_s;
}

static void add_ranks(struct table *t, const struct phase_row *rows, int n)
{
    for (int r = 0; r < n; r++) {
        table_cell(t, "%d", r);
        for (int c = 0; c < N_SHOWN; c++) {
            table_cell(t, "%.2f", shown(&rows[r], c));
        }
    }
}

/* Each cell is a quantile of its own column, so the cells of a row need not belong to one rank. */
static enum err add_quantiles(struct table *t, const struct phase_row *rows, int n,
                              struct arena *arena)
{
    static const struct {
        const char *name;
        double q;
    } quantiles[] = {
        {"least", 0.0}, {"25 %", 0.25}, {"median", 0.5}, {"75 %", 0.75}, {"most", 1.0}};
    double *x = ARENA_NEW(arena, n, double);
    uint32_t *order = ARENA_NEW(arena, n, uint32_t);
    TRY(arena_error(arena));
    for (size_t i = 0; i < sizeof quantiles / sizeof *quantiles; i++) {
        table_text(t, quantiles[i].name);
        for (int c = 0; c < N_SHOWN; c++) {
            for (int r = 0; r < n; r++) {
                x[r] = shown(&rows[r], c);
            }
            table_cell(t, "%.2f", stat_quantile(x, (uint32_t)n, quantiles[i].q, order));
        }
    }
    return ERR_OK;
}

static void log_lines(struct buf *text)
{
    char *line = (char *)text->data, *end = line + text->len;
    while (line < end) {
        char *stop = memchr(line, '\n', (size_t)(end - line));
        stop = stop == NULL ? end : stop;
        log_info("%.*s", (int)(stop - line), line);
        line = stop + 1;
    }
}

enum err phases_show(const struct phase_row *rows, int n, struct arena *arena)
{
    const char *head[1 + N_SHOWN];
    struct table t;
    struct buf text;
    head[0] = n > PHASES_RANKS_SHOWN ? "of ranks" : "rank";
    memcpy(head + 1, names, sizeof names);
    head[1 + N_PHASES] = "all";
    head[2 + N_PHASES] = "CPU";
    table_init(&t, arena, head, 1 + N_SHOWN, 1);
    if (n > PHASES_RANKS_SHOWN) {
        TRY(add_quantiles(&t, rows, n, arena));
    } else {
        add_ranks(&t, rows, n);
    }
    buf_init(&text);
    const enum err e = table_print(&text, &t, TABLE_TEXT);
    if (e == ERR_OK) {
        log_info("seconds of each rank, and its CPU time (ranks.csv has both for each phase):");
        log_lines(&text);
    }
    buf_release(&text);
    return e;
}

/* ---- all ranks ---- */

static enum err report(const struct phase_row *rows, int n, struct arena *arena,
                       const struct rundir *dir, bool show)
{
    const char *path = rundir_path(dir, arena, "ranks.csv");
    TRY(arena_error(arena));
    TRY(phases_write(rows, n, arena, path));
    return show && log_wants(LOG_INFO) ? phases_show(rows, n, arena) : ERR_OK;
}

enum err phases_report(struct phases *p, struct arena *arena, const struct rundir *dir, bool show)
{
    struct phase_row mine;
    struct phase_row *rows = ARENA_NEW(arena, p->comm->size, struct phase_row);
    phases_times(p, &mine);
    TRY(comm_agree(p->comm, arena_error(arena)));
    TRY(comm_gather_all(p->comm, rows, &mine, sizeof mine));
    return p->comm->rank == 0 ? report(rows, p->comm->size, arena, dir, show) : ERR_OK;
}
