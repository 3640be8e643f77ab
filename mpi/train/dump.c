/* Copies before the update, one message after it. See dump.h.
 *
 * An outside check needs what the update began with (weights, moments, their step count), what it
 * read (blocks, inputs, minibatches) and what came out. The first are overwritten by the update and
 * are copied before it; blocks and inputs stay until the next update begins, and minibatches are
 * drawn again from the version of the weights that the update began with. */
#include "mpi/train/dump.h"

#include "core/base/file.h"
#include "core/base/log.h"
#include "proto/update_dump.h"

#include <string.h>

/* ---- can it be done? ---- */

/* "a/b" of "a/b/c", "." of "c", "/" of "/c"; NULL when out of memory. */
static const char *directory_of(struct arena *arena, const char *path)
{
    const char *slash = strrchr(path, '/');
    if (slash == NULL) {
        return ".";
    }
    return slash == path ? "/" : arena_printf(arena, "%.*s", (int)(slash - path), path);
}

static enum err make_directory(const char *path)
{
    struct arena arena;
    arena_init(&arena);
    const char *dir = directory_of(&arena, path);
    enum err e = dir == NULL ? ERR_MEMORY : file_make_dirs(dir);
    if (e == ERR_OK) {
        e = file_check_writable(dir);
    }
    arena_release(&arena);
    return e;
}

enum err dump_check(const struct train_options *opt, const struct train_cfg *cfg,
                    struct learner *learner, int n_learners)
{
    if (opt->dump_update == 0) {
        return ERR_OK;
    }
    if (opt->dump_update > cfg->updates) {
        log_error("--dump-update %d: the run has %d updates; name one of them, or raise "
                  "train.updates",
                  opt->dump_update, cfg->updates);
        return ERR_USAGE;
    }
    if (mappo_of(learner) == NULL) {
        log_error(
            "--dump-update: what is written is an update of MAPPO; the first team learns with "
            "%s",
            learner->ops->name);
        return ERR_USAGE;
    }
    if (mappo_of(learner)->cfg.raw_values) {
        log_error("--dump-update: a dump has no word for values without PopArt (raw_values); let "
                  "the critic predict normalised ones");
        return ERR_USAGE;
    }
    if (cfg->pipeline > 0) {
        log_error("--dump-update: with train.pipeline the batch was made with older weights than "
                  "the update begins with, and cannot be checked from outside; add --set "
                  "train.pipeline=0");
        return ERR_USAGE;
    }
    if (n_learners > 1) {
        log_error("--dump-update: the batch must be on one rank, but %d ranks learn; add "
                  "--set train.learners=1 (the numbers are the same)",
                  n_learners);
        return ERR_USAGE;
    }
    if (file_is_dir(opt->dump_file)) {
        log_error("--dump-update: %s is a directory; name a file", opt->dump_file);
        return ERR_USAGE;
    }
    return opt->dry_run ? ERR_OK : make_directory(opt->dump_file);
}

/* ---- before ---- */

static void *copy_of(struct arena *arena, const void *from, size_t n, size_t size)
{
    void *to = arena_alloc(arena, n, size);
    if (to != NULL) {
        memcpy(to, from, n * size);
    }
    return to;
}

/* `before` starts as a copy of the struct, which has the right lengths and the team's own arrays;
 * weights_init() replaces the arrays by new ones, and only then contents are copied. */
enum err dump_begin(struct dump *d, const struct mappo_learner *m)
{
    float *mom1;
    float *mom2;
    uint64_t *steps;
    const struct weights *w = &m->team->w;
    const size_t n_params = w->n_params;
    mappo_optimiser(m->mappo, &mom1, &mom2, &steps);
    *d = (struct dump){.before = *w, .adam_t = *steps}; /* before: its lengths */
    arena_init(&d->arena);
    const enum err e = weights_init(&d->before, &d->arena);
    d->adam_m = copy_of(&d->arena, mom1, n_params, sizeof(float));
    d->adam_v = copy_of(&d->arena, mom2, n_params, sizeof(float));
    if (e != ERR_OK || arena_error(&d->arena) != ERR_OK) {
        dump_release(d);
        return ERR_MEMORY;
    }
    weights_copy(&d->before, w);
    return ERR_OK;
}

void dump_release(struct dump *d)
{
    arena_release(&d->arena);
}

/* ---- after ---- */

static const struct mappo_inputs *take_inputs(struct arena *arena, const struct dump_parts *u)
{
    struct mappo_inputs *inputs = ARENA_NEW(arena, u->n_blocks, struct mappo_inputs);
    for (int i = 0; inputs != NULL && i < u->n_blocks; i++) {
        inputs[i] = mappo_tile_inputs(u->learner->mappo, i);
    }
    return inputs;
}

/* (epochs, n_env): the minibatch of each environment in each epoch. mappo_minibatches() returns one
 * epoch in memory that its next call overwrites, hence the copies. */
static const uint32_t *take_minibatches(struct arena *arena, const struct dump_parts *u,
                                        uint32_t version)
{
    uint32_t *minibatch_of =
        ARENA_NEW(arena, (size_t)u->learner->cfg.epochs * (size_t)u->n_env, uint32_t);
    for (int epoch = 0; minibatch_of != NULL && epoch < u->learner->cfg.epochs; epoch++) {
        const int *dealt = mappo_minibatches(u->learner->mappo, version, epoch);
        for (int e = 0; e < u->n_env; e++) {
            minibatch_of[(size_t)epoch * (size_t)u->n_env + (size_t)e] = (uint32_t)dealt[e];
        }
    }
    return minibatch_of;
}

static enum err write_update(const struct update_dump *update, struct arena *arena,
                             const char *path)
{
    struct buf b;
    buf_init(&b);
    enum err e = codec_put_update(&b, update, arena);
    if (e == ERR_OK) {
        e = make_directory(path); /* an earlier run in it may have been moved aside */
    }
    if (e == ERR_OK) {
        e = file_write(path, b.data, b.len);
    }
    buf_release(&b);
    return e;
}

enum err dump_end(struct dump *d, const struct dump_parts *u, const struct train_options *opt)
{
    const struct update_dump update = {
        .team = u->learner->team,
        .before = &d->before,
        .adam_m = d->adam_m,
        .adam_v = d->adam_v,
        .adam_t = d->adam_t,
        .cfg = &u->learner->cfg,
        .stats = &u->learner->stats,
        .blocks = u->blocks,
        .inputs = take_inputs(&d->arena, u),
        .minibatch_of = take_minibatches(&d->arena, u, d->before.version),
        .n_blocks = u->n_blocks,
        .n_stats = u->n_stats,
        .group = mappo_group(u->learner->mappo),
        .n_minibatches = mappo_n_minibatches(u->learner->mappo),
        .update = (uint32_t)opt->dump_update,
        .seed = u->seed,
    };
    TRY(arena_error(&d->arena));
    TRY(write_update(&update, &d->arena, opt->dump_file));
    log_info("update %d written to %s", opt->dump_update, opt->dump_file);
    return ERR_OK;
}
