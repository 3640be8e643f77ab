/* A trainer into a checkpoint and back. See trainer_checkpoint.h. */
#include "mpi/train/trainer_checkpoint.h"

#include "core/base/clock.h"
#include "core/base/log.h"
#include "mpi/comm/stop.h"
#include "mpi/train/checkpoint.h"
#include "mpi/train/checkpoint_dir.h"

static enum err enter(void *ctx, int u)
{
    return trainer_enter(ctx, u);
}

static struct checkpoint checkpoint_of(struct trainer *t)
{
    struct checkpoint c = {
        .comm = t->comm,
        .owners = &t->owners,
        .spec = t->spec,
        .learners = t->learners,
        .learns = t->n_learn > 0,
        .tiles = t->tiles,
        .ahead = t->before != NULL,
        .n_sim = t->n_sim,
        .scratch = &t->scratch,
        .n_envs = t->setup->train->envs,
        .horizon = t->setup->envs->horizon,
        .stagger = trainer_stagger(t),
        .config = t->setup->config_digest,
        .enter = enter,
        .ctx = t,
    };
    for (int k = 0; k < t->spec->n_teams; k++) {
        c.acting[k] = &t->teams[k].acting;
    }
    return c;
}

/* In an order in which a crash at any point loses nothing. The rows up to u are on the disk before
 * the checkpoint that counts on them; rows that are more than a checkpoint knows are cut off by a
 * resume. The new checkpoint is whole before older ones are removed. stop_saved() comes last, when
 * all ranks know of it.
 *
 * With a rollout ahead the histories and the counter are those from before it: whoever resumes
 * makes that rollout again. */
enum err trainer_save(struct trainer *t, int u)
{
    const char *dir = t->setup->run_dir;
    const double start = clock_s();
    struct checkpoint c = checkpoint_of(t);
    const bool ahead = t->before != NULL;
    const struct checkpoint_progress at = {u, ahead ? t->update_before : t->update};
    const struct arena_mark mark = arena_mark(&t->scratch);
    const char *path = checkpoint_dir_path(&t->scratch, dir, u);
    c.tiles = ahead ? t->before : t->tiles;
    c.sums = ahead ? (const uint32_t(*)[TILE])t->sums : NULL;
    enum err e = path == NULL ? ERR_MEMORY : trainlog_sync(&t->log);
    e = comm_agree(t->comm, e);
    if (e == ERR_OK) {
        e = checkpoint_write(&c, path, at);
    }
    if (e == ERR_OK && t->comm->rank == 0) {
        e = checkpoint_dir_prune(dir, u, t->setup->train->checkpoint_keep);
    }
    arena_rewind(&t->scratch, mark);
    t->log.time.checkpoint += clock_s() - start;
    e = comm_agree(t->comm, e);
    if (e == ERR_OK) {
        stop_saved(u);
    }
    return e;
}

/* Rank 0 alone chooses the file and knows its path. All ranks get the same at.update, so they
 * refuse a dump of an update that is already done together. */
enum err trainer_load(struct trainer *t, int *done)
{
    struct checkpoint_progress at = {0};
    const struct checkpoint c = checkpoint_of(t);
    const double start = clock_s();
    char *path = NULL;
    enum err e = ERR_OK;
    if (t->comm->rank == 0) {
        e = checkpoint_dir_newest(&path, &t->arena, &c, t->setup->run_dir);
    }
    TRY(comm_agree(t->comm, e));
    TRY(checkpoint_read(&c, &at, path));
    if (t->opt->dump_update > 0 && t->opt->dump_update <= at.update) {
        if (t->comm->rank == 0) {
            log_error("--dump-update %d: the run goes on after update %d; add --restart",
                      t->opt->dump_update, at.update);
        }
        return ERR_USAGE;
    }
    t->update = at.rollouts;
    *done = at.update;
    stop_saved(at.update);
    if (t->comm->rank == 0) {
        log_info("%s: resumed after update %d of %d in %.1f s", path, at.update,
                 t->setup->train->updates, clock_s() - start);
    }
    return ERR_OK;
}
