/* Reads the sets on every rank, then one part after the other for each team. See analysis.h. */
#include "mpi/jobs/analysis.h"

#include "core/analysis/role_summary.h"
#include "core/base/file.h"
#include "core/base/log.h"
#include "core/report/figure.h"
#include "mpi/comm/locking.h"
#include "mpi/jobs/analysis_goals.h"
#include "mpi/jobs/analysis_relations.h"
#include "mpi/jobs/analysis_roles.h"

#include <stdio.h>

/* All ranks read the same files; errors are logged once, by rank 0. */
static enum err read_sets(struct analysis *a)
{
    const struct log_sink sink = log_sink_now();
    if (a->comm->rank != 0) {
        log_set_sink(log_discard, NULL);
    }
    const enum err e = trajectory_sets_read(&a->sets, &a->n_sets, a->arena, a->order->runs,
                                            a->order->n_runs, a->order->controller);
    log_set_sink(sink.sink, sink.ctx);
    return comm_agree(a->comm, e);
}

/* A directory for each team; rank 0 makes it. */
static enum err make_dirs(struct analysis *a)
{
    const char **names = ARENA_NEW(a->arena, a->n_sets, const char *);
    a->dirs = ARENA_NEW(a->arena, a->n_sets, const char *);
    TRY(arena_error(a->arena));
    for (int k = 0; k < a->n_sets; k++) {
        names[k] = a->sets[k].controller;
    }
    TRY(figure_slugs(a->dirs, a->arena, names, a->n_sets));
    for (int k = 0; k < a->n_sets; k++) {
        a->dirs[k] = file_join(a->arena, a->order->dir, a->dirs[k]);
        TRY(arena_error(a->arena));
        if (a->comm->rank == 0) {
            TRY(file_make_dirs(a->dirs[k]));
        }
    }
    return ERR_OK;
}

/* ---- roles ---- */

static enum err write_table(const struct analysis *a, const struct role_report *reports,
                            const char *name, enum table_style style, struct arena *scratch)
{
    const char *path = file_join(scratch, a->order->dir, name);
    struct buf b;
    TRY(arena_error(scratch));
    buf_init(&b);
    enum err e = role_summary_print(&b, reports, a->n_sets, style, scratch);
    if (e == ERR_OK) {
        e = file_write(path, b.data, b.len);
    }
    if (e == ERR_OK && style == TABLE_TEXT) {
        fwrite(b.data, 1, b.len, stdout);
    }
    buf_release(&b);
    return e;
}

/* Rank 0: the tables of a team to standard output, all to files. */
static enum err report_team(const struct analysis *a, const struct role_report *report, int team,
                            struct arena *scratch)
{
    struct buf b;
    TRY(lock_confirm(a->lock));
    buf_init(&b);
    enum err e = role_report_print(&b, report, TABLE_TEXT, scratch);
    if (e == ERR_OK) {
        fwrite(b.data, 1, b.len, stdout);
        e = role_report_write(report, a->dirs[team], scratch);
    }
    buf_release(&b);
    return e;
}

/* Rank 0. */
static enum err report_goals(const struct analysis *a, struct role_report *report, int team,
                             struct arena *scratch)
{
    const struct analysis_order *o = a->order;
    const struct goal_order order = {
        .roles = report->roles,
        .dir = a->dirs[team],
        .success = o->success,
        .cfg = {.seed = o->roles.seed, .permutations = 999, .level = o->roles.significance}};
    return analysis_goals_write(&report->sof, &report->fof, &order, scratch);
}

static enum err find_roles(struct analysis *a, struct arena *scratch)
{
    struct role_report *reports = ARENA_NEW(a->arena, a->n_sets, struct role_report);
    TRY(comm_agree(a->comm, arena_error(a->arena)));
    for (int k = 0; k < a->n_sets; k++) {
        const struct role_order order = {.set = &a->sets[k],
                                         .cfg = &a->order->roles,
                                         .dir = a->dirs[k],
                                         .restart = a->order->restart,
                                         .lock = a->comm->rank == 0 ? a->lock : NULL};
        TRY(analysis_roles_run(&reports[k], a->arena, a->comm, &order));
        const bool root = a->comm->rank == 0;
        TRY(comm_agree(a->comm, root ? report_team(a, &reports[k], k, scratch) : ERR_OK));
        TRY(comm_agree(a->comm, root ? report_goals(a, &reports[k], k, scratch) : ERR_OK));
    }
    if (a->comm->rank != 0) {
        return ERR_OK;
    }
    const char *csv = file_join(scratch, a->order->dir, "roles.csv");
    TRY(arena_error(scratch));
    TRY(write_table(a, reports, "roles.txt", TABLE_TEXT, scratch));
    TRY(write_table(a, reports, "roles.md", TABLE_MARKDOWN, scratch));
    return role_summary_csv(reports, a->n_sets, csv, scratch);
}

/* ---- relations ---- */

static enum err find_relations(struct analysis *a)
{
    const struct analysis_order *o = a->order;
    enum err e = ERR_OK;
    for (int k = 0; k < a->n_sets && e == ERR_OK; k++) {
        struct arena own; /* replays of one team at a time */
        const struct relation_order order = {
            .set = &a->sets[k],
            .dir = a->dirs[k],
            .x = o->x,
            .replaced = o->replaced,
            .cfg = {.seed = o->roles.seed, .permutations = 999, .level = o->roles.significance},
            .restart = o->restart,
            .lock = a->comm->rank == 0 ? a->lock : NULL};
        arena_init(&own);
        e = analysis_relations_run(&own, a->comm, &order);
        arena_release(&own);
    }
    return e;
}

/* ---- the analysis ---- */

static enum err check_sets(const struct analysis *a, struct arena *scratch)
{
    for (int k = 0; k < a->n_sets && a->comm->rank == 0; k++) {
        TRY(analysis_roles_check(&a->sets[k], scratch));
    }
    return ERR_OK;
}

static enum err analyse(struct analysis *a)
{
    struct arena scratch;
    arena_init(&scratch);
    enum err e = comm_agree(a->comm, make_dirs(a));
    if (e == ERR_OK) {
        e = comm_agree(a->comm, find_roles(a, &scratch));
    }
    if (e == ERR_OK) {
        e = comm_agree(a->comm, find_relations(a));
    }
    if (e == ERR_OK && a->comm->rank == 0) {
        log_info("tables, figures and organisations: %s; draw a team's figures with karma figure "
                 "%s",
                 a->order->dir, a->dirs[0]);
        log_info("memory of rank 0: %.1f MB at most", (double)mem_resident_most() * 1e-6);
    }
    arena_release(&scratch);
    return e;
}

enum err analysis_run(struct comm *comm, struct lock *lock, const struct analysis_order *order)
{
    struct arena arena;
    struct analysis a = {.comm = comm, .order = order, .arena = &arena, .lock = lock};
    if (order->dry_run) {
        return comm_agree(comm, comm->rank == 0 ? analysis_memory_print(order) : ERR_OK);
    }
    arena_init(&arena);
    enum err e = read_sets(&a);
    if (e == ERR_OK) {
        e = comm_agree(comm, check_sets(&a, &arena));
    }
    if (e == ERR_OK) {
        e = locking_dir(lock, comm, order->dir, "karma analyse", "--out DIR");
    }
    if (e == ERR_OK) {
        e = analyse(&a);
    }
    arena_release(&arena);
    return e;
}
