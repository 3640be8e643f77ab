/* Sums over ranks, and over the file of before. See decision_cpu.h. */
#include "mpi/jobs/decision_cpu.h"

#include "core/base/csv.h"
#include "core/base/csv_read.h"
#include "core/base/file.h"
#include "core/base/log.h"
#include "core/eval/episode.h"

#include <stdio.h>
#include <string.h>

enum { COLUMN_CONTROLLER, COLUMN_DECISIONS, COLUMN_CPU_S, COLUMN_CPU_MS, COLUMNS };
static const char *const columns[COLUMNS] = {"controller", "decisions", "cpu_s",
                                             "cpu_ms_per_decision"};

/* In the order of the ranks; the sums differ from run to run anyway. */
static enum err sum_ranks(struct decision_cpu *sums, struct comm *comm, const struct eval *eval,
                          int n, struct arena *arena)
{
    struct decision_cpu *all = ARENA_NEW(arena, comm->size * n, struct decision_cpu);
    TRY(comm_agree(comm, arena_error(arena)));
    TRY(comm_gather_all(comm, all, eval_decision_cpu(eval), (size_t)n * sizeof *all));
    for (int r = 0; r < comm->size; r++) {
        for (int c = 0; c < n; c++) {
            sums[c].n += all[r * n + c].n;
            sums[c].cpu_s += all[r * n + c].cpu_s;
        }
    }
    return ERR_OK;
}

/* A row of a controller that is no longer there is dropped. */
static enum err add_row(struct decision_cpu *sums, const struct eval_cfg *cfg,
                        const struct csv_reader *r, const char *const *cells)
{
    struct decision_cpu old;
    TRY(csv_reader_number(&old.n, r, cells[COLUMN_DECISIONS], columns[COLUMN_DECISIONS]));
    TRY(csv_reader_number(&old.cpu_s, r, cells[COLUMN_CPU_S], columns[COLUMN_CPU_S]));
    for (int c = 0; c < cfg->n_controllers; c++) {
        if (strcmp(controller_label(&cfg->controllers[c]), cells[COLUMN_CONTROLLER]) == 0) {
            sums[c].n += old.n;
            sums[c].cpu_s += old.cpu_s;
        }
    }
    return ERR_OK;
}

static enum err add_file(struct decision_cpu *sums, const struct eval_cfg *cfg, const char *path)
{
    const char *cells[COLUMNS];
    struct csv_reader r;
    enum csv_status status = CSV_ROW;
    TRY(csv_reader_open(&r, path));
    enum err e = csv_reader_next(&r, cells, COLUMNS, &status); /* the header */
    while (e == ERR_OK && status == CSV_ROW) {
        e = csv_reader_next(&r, cells, COLUMNS, &status);
        if (e == ERR_OK && status == CSV_ROW) {
            e = add_row(sums, cfg, &r, cells);
        }
    }
    csv_reader_close(&r);
    return e;
}

static double ms_of(const struct decision_cpu *d)
{
    return d->n > 0.0 ? 1e3 * d->cpu_s / d->n : 0.0;
}

static enum err write_rows(const struct decision_cpu *sums, const struct eval_cfg *cfg,
                           const char *path, struct arena *arena)
{
    struct csv csv = {.fd = -1};
    enum err e = csv_create(&csv, arena, path, columns, COLUMNS);
    for (int c = 0; c < cfg->n_controllers && e == ERR_OK; c++) {
        csv_text(&csv, controller_label(&cfg->controllers[c]));
        csv_int(&csv, (int64_t)sums[c].n);
        csv_num(&csv, sums[c].cpu_s);
        csv_num(&csv, ms_of(&sums[c]));
        e = csv_end_row(&csv);
    }
    csv_close(&csv);
    return e;
}

/* Rank 0. */
static enum err report(struct decision_cpu *sums, const struct eval_cfg *cfg, const char *dir,
                       bool adds, struct arena *arena)
{
    const char *path = file_join(arena, dir, "decision_cpu.csv");
    int most = 0;
    TRY(arena_error(arena));
    if (adds && file_exists(path)) {
        TRY(add_file(sums, cfg, path));
    }
    for (int c = 1; c < cfg->n_controllers; c++) {
        most = ms_of(&sums[c]) > ms_of(&sums[most]) ? c : most;
    }
    TRY(write_rows(sums, cfg, path, arena));
    log_info("CPU of a decision: at most %.3g ms (%s); of each controller: %s", ms_of(&sums[most]),
             controller_label(&cfg->controllers[most]), path);
    return ERR_OK;
}

enum err decision_cpu_report(struct comm *comm, const struct eval *eval, const struct eval_cfg *cfg,
                             const char *dir, bool adds, struct arena *arena)
{
    struct decision_cpu *sums = ARENA_NEW(arena, cfg->n_controllers, struct decision_cpu);
    TRY(comm_agree(comm, arena_error(arena)));
    TRY(sum_ranks(sums, comm, eval, cfg->n_controllers, arena));
    return comm_agree(comm, comm->rank == 0 ? report(sums, cfg, dir, adds, arena) : ERR_OK);
}
