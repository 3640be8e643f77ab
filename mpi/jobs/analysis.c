/* Reads the sets on every rank, then one part after the other for each team. See analysis.h. */
#include "mpi/jobs/analysis.h"

#include "core/base/file.h"
#include "core/base/log.h"
#include "core/report/figure.h"
#include "mpi/comm/locking.h"

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

/* ---- what would be done ---- */

static enum err dry_run(const struct analysis_order *o)
{
    struct trajectory_sizes z;
    TRY(trajectory_sets_measure(&z, o->runs, o->n_runs, o->controller));
    printf("teams: %d; the largest has %d trajectories of at most %d decisions on %d services\n",
           z.n_sets, z.n_trajectories, z.n_steps, z.n_services);
    printf("memory of a rank: %.1f MB of trajectories\n", (double)z.bytes * 1e-6);
    return ERR_OK;
}

/* ---- the analysis ---- */

static enum err analyse(struct analysis *a)
{
    TRY(comm_agree(a->comm, make_dirs(a)));
    return ERR_OK;
}

enum err analysis_run(struct comm *comm, struct lock *lock, const struct analysis_order *order)
{
    struct arena arena;
    struct analysis a = {.comm = comm, .order = order, .arena = &arena};
    if (order->dry_run) {
        return comm_agree(comm, comm->rank == 0 ? dry_run(order) : ERR_OK);
    }
    arena_init(&arena);
    enum err e = read_sets(&a);
    if (e == ERR_OK) {
        e = locking_dir(lock, comm, order->dir, "karma analyse", "--out DIR");
    }
    if (e == ERR_OK) {
        e = analyse(&a);
    }
    arena_release(&arena);
    return e;
}
