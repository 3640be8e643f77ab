/* Training: the script of phases, and one update from rollout to broadcast. See train.h. */
#include "mpi/train.h"

#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/game/game.h"
#include "core/marl/rollout.h"
#include "mpi/checkpoint.h"
#include "mpi/demonstrate.h"
#include "mpi/dump.h"
#include "mpi/exchange.h"
#include "mpi/owners.h"
#include "mpi/shelf.h"
#include "mpi/stop.h"
#include "mpi/trainlog.h"
#include "mpi/treesum.h"
#include "proto/codec.h"

#include <stdio.h>
#include <string.h>

enum { TREES = 3 }; /* sums over tiles: gradients, batch statistics, episodes */

static const struct cfg_choice init_choices[] = {
    {"scratch", INIT_SCRATCH, "random weights"},
    {"clone_ff", INIT_CLONE_FF, "imitate the feed-forward rule first"},
    {"clone_khpa", INIT_CLONE_KHPA, "imitate the Kubernetes autoscaler first"},
    {NULL, 0, NULL},
};
static const struct cfg_field clone_fields[] = {
    CFG_INT(struct clone_cfg, samples, "25000", 1, 100000000, "decisions", CFG_RESULT,
            "demonstrations to learn from"),
    CFG_DOUBLE(struct clone_cfg, random_share, "0.3", 0, 1, "", CFG_RESULT,
               "share of executed actions replaced by random ones"),
    CFG_INT(struct clone_cfg, passes, "40", 1, 10000, "", CFG_RESULT,
            "updates on each rollout of demonstrations"),
    CFG_DOUBLE(struct clone_cfg, lr, "2e-3", 0, 1, "", CFG_RESULT,
               "Adam step size at the start of cloning, a tenth of it at the end"),
    CFG_INT(struct clone_cfg, value_updates, "5", 0, 10000, "", CFG_RESULT,
            "updates of the critic alone before the policy learns"),
    CFG_TABLE(struct clone_cfg, rule, controller_fields,
              "parameters of the rule; its kind is init"),
    CFG_END,
};
const struct cfg_field train_fields[] = {
    CFG_UINT64(struct train_cfg, seed, "1", CFG_RESULT, "of everything random in the run"),
    CFG_INT(struct train_cfg, updates, "160", 0, 100000000, "", CFG_RESULT, "PPO updates"),
    CFG_INT(struct train_cfg, envs, "128", 1, 16000000, "", CFG_RESULT,
            "environments, in tiles of 8"),
    CFG_INT(struct train_cfg, steps, "50", 1, 100000, "decisions", CFG_RESULT,
            "length of a rollout"),
    CFG_INT(struct train_cfg, learners, "1", 0, 1000000, "ranks", CFG_SPEED,
            "ranks that learn while the others simulate; 0 = every rank does both"),
    CFG_ENUM(struct train_cfg, init, "scratch", init_choices, CFG_RESULT, "where training starts"),
    CFG_TABLE(struct train_cfg, clone, clone_fields, "imitation of a rule"),
    CFG_BOOL(struct train_cfg, stagger, "true", CFG_RESULT,
             "first episodes of different length, so that resets do not coincide"),
    CFG_INT(struct train_cfg, checkpoint_every, "10", 0, 100000000, "updates", CFG_OUTPUT,
            "from one checkpoint to the next; 0 = only on SIGUSR1"),
    CFG_INT(struct train_cfg, checkpoint_keep, "2", 1, 1000000, "", CFG_OUTPUT,
            "checkpoints that are kept, the newest ones"),
    CFG_END,
};

struct tree_sum {
    struct treesum *tree;
    struct comm *comm;
};

struct trainer {
    struct comm *comm;
    const struct train_setup *setup;
    const struct train_options *opt;
    struct arena arena, scratch;
    struct owners owners;
    struct team team;
    struct mappo_cfg mappo_cfg; /* the phases have step sizes of their own */
    struct mappo *mappo;        /* NULL on ranks that do not learn */
    struct exchange exchange;

    struct rollout *rollout;
    struct rollout_tile *tiles; /* (n_sim) those I simulate, ascending */
    struct controller_cfg rule; /* that is imitated */
    struct demonstrations *demos;
    int n_sim;

    struct block *blocks; /* (n_sets, n_learn) tiles I learn, ascending, for each set kept */
    struct block spare;   /* for a tile that leaves */
    int n_learn, n_sets;

    struct reduce_shape shapes[TREES];
    struct tree_op ops[TREES];
    struct treesum *trees[TREES];
    struct tree_sum bound[TREES];
    struct reducer reducers[TREES];
    void *total; /* a record of the largest tree */
    struct trainlog log;
    uint32_t update; /* rollouts done, all phases: a coordinate of every draw */
};

/* ---- set-up: everything is carved here, nothing later ---- */

static int count_tiles(const struct train_cfg *cfg)
{
    return (cfg->envs + TILE - 1) / TILE;
}

enum err train_check(const struct train_cfg *cfg, int size)
{
    return owners_check(count_tiles(cfg), size, cfg->learners);
}

static int envs_of_tile(const struct train_cfg *cfg, int tile)
{
    const int left = cfg->envs - tile * TILE;
    return left < TILE ? left : TILE;
}

static int count_owned(const int *owner, int n_tiles, int rank)
{
    int n = 0;
    for (int t = 0; t < n_tiles; t++) {
        n += owner[t] == rank;
    }
    return n;
}

static int clone_rollouts(const struct train_cfg *cfg)
{
    const int per_rollout = cfg->envs * cfg->steps;
    return cfg->init == INIT_SCRATCH ? 0 : (cfg->clone.samples + per_rollout - 1) / per_rollout;
}

static enum err init_sim(struct trainer *t)
{
    const struct train_setup *s = t->setup;
    const struct train_cfg *cfg = s->train;
    arena_section(&t->arena, "environments");
    t->n_sim = count_owned(t->owners.sim, t->owners.n_tiles, t->comm->rank);
    t->tiles = ARENA_NEW(&t->arena, t->n_sim, struct rollout_tile);
    if (t->tiles == NULL) {
        return ERR_MEMORY;
    }
    TRY(rollout_init(&t->rollout, &t->arena, &t->team));
    if (cfg->init != INIT_SCRATCH) {
        t->rule = cfg->clone.rule;
        t->rule.kind = cfg->init == INIT_CLONE_FF ? CONTROLLER_FF : CONTROLLER_KHPA;
        TRY(demonstrations_init(&t->demos, &t->arena, &t->rule, s->rules, t->n_sim));
    }
    for (int tile = 0, i = 0; tile < t->owners.n_tiles; tile++) {
        if (t->owners.sim[tile] != t->comm->rank) {
            continue;
        }
        const struct demonstrator *demo =
            t->demos == NULL ? NULL : demonstrations_tile(t->demos, i);
        TRY(game_new(&t->tiles[i].env, &t->arena, s->rules, envs_of_tile(cfg, tile), cfg->seed,
                     demo));
        TRY(rollout_keep_actions(&t->tiles[i], &t->arena, t->team.spec, s->rules->cfg->horizon));
        t->tiles[i++].tile = tile;
    }
    return block_init(&t->spare, &t->arena, t->team.spec, TILE, cfg->steps);
}

static enum err init_blocks(struct trainer *t)
{
    const struct train_cfg *cfg = t->setup->train;
    arena_section(&t->arena, "rollout blocks");
    const int sets = clone_rollouts(cfg);
    t->n_sets = sets > 1 ? sets : 1;
    t->n_learn = count_owned(t->owners.learn, t->owners.n_tiles, t->comm->rank);
    t->blocks = ARENA_NEW(&t->arena, t->n_sets * t->n_learn, struct block);
    if (t->blocks == NULL) {
        return ERR_MEMORY;
    }
    for (int set = 0; set < t->n_sets; set++) {
        for (int tile = 0, i = 0; tile < t->owners.n_tiles; tile++) {
            if (t->owners.learn[tile] == t->comm->rank) {
                struct block *b = &t->blocks[set * t->n_learn + i++];
                TRY(block_init(b, &t->arena, t->team.spec, envs_of_tile(cfg, tile), cfg->steps));
                b->tile = tile;
            }
        }
    }
    return ERR_OK;
}

/* mpi/treesum.h as the reducer that marl asks for. */
static void *sum_leaf(void *ctx, int tile)
{
    return treesum_leaf(((struct tree_sum *)ctx)->tree, tile);
}

static void sum_leaf_done(void *ctx, int tile)
{
    treesum_leaf_done(((struct tree_sum *)ctx)->tree, tile);
}

static enum err sum_total(void *ctx, void *out)
{
    struct tree_sum *s = ctx;
    return treesum_total(s->tree, s->comm, out);
}

static struct reducer tree_reducer(struct tree_sum *s, size_t bytes)
{
    return (struct reducer){
        .bytes = bytes, .ctx = s, .leaf = sum_leaf, .leaf_done = sum_leaf_done, .total = sum_total};
}

static enum err init_trees(struct trainer *t)
{
    size_t largest = 0;
    arena_section(&t->arena, "tree sums");
    mappo_shapes(&t->team, &t->shapes[0], &t->shapes[1]);
    t->shapes[2] = (struct reduce_shape){.n_floats = (size_t)t->team.spec->n_stats + 1};
    for (int i = 0; i < TREES; i++) {
        t->ops[i] = (struct tree_op){
            .bytes = reduce_bytes(&t->shapes[i]), .merge = reduce_merge, .ctx = &t->shapes[i]};
        TRY(treesum_init(&t->trees[i], &t->arena, &t->ops[i], t->owners.n_tiles, t->owners.learn,
                         t->comm->rank, t->comm->size));
        t->bound[i] = (struct tree_sum){.tree = t->trees[i], .comm = t->comm};
        t->reducers[i] = tree_reducer(&t->bound[i], t->ops[i].bytes);
        largest = t->ops[i].bytes > largest ? t->ops[i].bytes : largest;
    }
    t->total = arena_alloc(&t->arena, 1, largest);
    return t->total == NULL ? ERR_MEMORY : ERR_OK;
}

static enum err init_learner(struct trainer *t)
{
    const struct train_cfg *cfg = t->setup->train;
    TRY(init_blocks(t));
    if (t->n_learn == 0) {
        return ERR_OK;
    }
    TRY(init_trees(t));
    arena_section(&t->arena, "learner");
    return mappo_init(&t->mappo, &t->arena, &t->mappo_cfg, &t->team, cfg->seed, cfg->envs,
                      cfg->steps, t->n_learn, &t->reducers[0], &t->reducers[1]);
}

static enum err trainer_init(struct trainer *t)
{
    const struct train_setup *s = t->setup;
    arena_init(&t->arena);
    arena_init(&t->scratch);
    t->mappo_cfg = *s->mappo;
    TRY(owners_init(&t->owners, &t->arena, count_tiles(s->train), t->comm->size,
                    s->train->learners));
    arena_section(&t->arena, "networks");
    TRY(team_init(&t->team, &t->arena, s->team, &s->rules->spec));
    TRY(init_sim(t));
    TRY(init_learner(t));
    exchange_init(&t->exchange, t->comm, &t->team, &t->scratch);
    if (t->comm->rank == 0) {
        TRY(dump_check(t->opt, s->train, t->owners.n_learners));
    }
    return team_init_params(&t->team, s->train->seed, &t->scratch);
}

static void trainer_release(struct trainer *t)
{
    exchange_release(&t->exchange);
    arena_release(&t->scratch);
    arena_release(&t->arena);
}

/* ---- one rollout: simulate, ship, receive ---- */

static void poll_comm(void *comm)
{
    comm_poll(comm);
}

/* The block of `tile` in `set`, NULL if I do not learn it. */
static struct block *block_of(struct trainer *t, int set, int tile)
{
    for (int i = 0; i < t->n_learn; i++) {
        struct block *b = &t->blocks[set * t->n_learn + i];
        if (b->tile == tile) {
            return b;
        }
    }
    return NULL;
}

/* As rollout_run() wants it. */
static int stagger_of(const struct trainer *t)
{
    return t->setup->train->stagger ? t->setup->rules->cfg->horizon : 0;
}

/* Simulate one of my tiles; the block stays here or leaves. */
static enum err simulate_tile(struct trainer *t, struct rollout_tile *tile, int set,
                              const struct rollout_cfg *cfg)
{
    const struct train_cfg *train = t->setup->train;
    struct block *b = block_of(t, set, tile->tile);
    const int learner = t->owners.learn[tile->tile];
    if (b == NULL) {
        b = &t->spare;
        b->tile = tile->tile;
        b->n_env = tile->env->n_env;
    }
    TRY(rollout_run(t->rollout, b, tile, &t->team, cfg, t->update, stagger_of(t), train->envs));
    return learner == t->comm->rank ? ERR_OK : exchange_send_block(&t->exchange, learner, b);
}

static enum err simulate_all(struct trainer *t, int set, enum rollout_mode mode)
{
    const struct rollout_cfg cfg = {
        .seed = t->setup->train->seed,
        .mode = mode,
        .random_share = t->setup->train->clone.random_share,
        .poll = poll_comm,
        .poll_ctx = t->comm,
    };
    for (int i = 0; i < t->n_sim; i++) {
        const enum err e = simulate_tile(t, &t->tiles[i], set, &cfg);
        if (e != ERR_OK) {
            exchange_send_errors(&t->exchange, &t->owners, i, e);
            return e;
        }
    }
    return ERR_OK;
}

static enum err receive_all(struct trainer *t, int set)
{
    int expected = 0;
    for (int i = 0; i < t->n_learn; i++) {
        expected += t->owners.sim[t->blocks[set * t->n_learn + i].tile] != t->comm->rank;
    }
    return exchange_receive_blocks(&t->exchange, &t->blocks[set * t->n_learn], t->n_learn, expected,
                                   t->update);
}

/* All tiles advance T steps; the blocks of `set` are full where they are learned. Collective. */
static enum err rollout_all(struct trainer *t, int set, enum rollout_mode mode)
{
    const double start = clock_s();
    enum err e = simulate_all(t, set, mode);
    t->log.time.rollout += clock_s() - start;
    if (e == ERR_OK) {
        e = receive_all(t, set);
    }
    t->update++;
    return comm_agree(t->comm, e);
}

/* ---- one update ---- */

/* Learners improve the weights with the blocks of `set`, everybody gets them. Collective. */
static enum err learn(struct trainer *t, int set, enum mappo_phase phase, double progress)
{
    const double start = clock_s();
    enum err e = ERR_OK;
    if (t->mappo != NULL) {
        e = mappo_update(t->mappo, &t->blocks[set * t->n_learn], phase, progress, &t->log.stats);
    }
    t->log.time.learn += clock_s() - start;
    return comm_agree(t->comm, e);
}

/* The update that --dump-update names. Its only learner (dump_check) writes it. Collective. */
static enum err learn_and_dump(struct trainer *t, double progress)
{
    struct dump dump = {.adam_t = 0};
    const bool mine = t->mappo != NULL;
    const struct dump_parts parts = {.team = &t->team,
                                     .mappo = t->mappo,
                                     .cfg = &t->mappo_cfg,
                                     .stats = &t->log.stats,
                                     .blocks = t->blocks,
                                     .n_blocks = t->n_learn,
                                     .n_env = t->setup->train->envs,
                                     .seed = t->setup->train->seed};
    TRY(comm_agree(t->comm, mine ? dump_begin(&dump, &t->team, t->mappo) : ERR_OK));
    enum err e = learn(t, 0, MAPPO_PPO, progress);
    if (mine && e == ERR_OK) {
        e = dump_end(&dump, &parts, t->opt);
    }
    if (mine) {
        dump_release(&dump);
    }
    return comm_agree(t->comm, e);
}

static enum err sum_episodes(struct trainer *t)
{
    if (t->n_learn == 0) {
        return ERR_OK;
    }
    const struct reducer r = t->reducers[2];
    const int n_stats = t->team.spec->n_stats;
    for (int i = 0; i < t->n_learn; i++) {
        const struct block *b = &t->blocks[i];
        float *leaf = reduce_floats(r.leaf(r.ctx, b->tile));
        memset(leaf, 0, r.bytes);
        for (int k = 0; k < n_stats; k++) {
            leaf[k] = (float)b->stats[k];
        }
        leaf[n_stats] = (float)b->n_episodes;
        r.leaf_done(r.ctx, b->tile);
    }
    TRY(r.total(r.ctx, t->total));
    memcpy(t->log.episodes, reduce_floats(t->total), ((size_t)n_stats + 1) * sizeof(float));
    return ERR_OK;
}

/* ---- checkpoints ---- */

static struct checkpoint checkpoint_of(struct trainer *t)
{
    return (struct checkpoint){
        .comm = t->comm,
        .owners = &t->owners,
        .team = &t->team,
        .mappo = t->mappo,
        .tiles = t->tiles,
        .n_sim = t->n_sim,
        .scratch = &t->scratch,
        .n_envs = t->setup->train->envs,
        .horizon = t->setup->rules->cfg->horizon,
        .stagger = stagger_of(t),
        .config = t->setup->config_digest,
    };
}

/* The run as it is after update u, onto the shelf. Collective. */
static enum err save(struct trainer *t, int u)
{
    const char *dir = t->setup->run_dir;
    const struct checkpoint c = checkpoint_of(t);
    const struct arena_mark mark = arena_mark(&t->scratch);
    const char *path = shelf_path(&t->scratch, dir, u);
    enum err e = path == NULL ? ERR_MEMORY : trainlog_sync(&t->log);
    e = comm_agree(t->comm, e);
    if (e == ERR_OK) {
        e = checkpoint_write(&c, path, (struct checkpoint_place){u, t->update});
    }
    if (e == ERR_OK && t->comm->rank == 0) {
        e = shelf_prune(dir, u, t->setup->train->checkpoint_keep);
    }
    arena_rewind(&t->scratch, mark);
    return comm_agree(t->comm, e);
}

/* The newest checkpoint of the run directory; *done: updates it has behind it. Collective. */
static enum err load(struct trainer *t, int *done)
{
    struct checkpoint_place at = {0};
    const struct checkpoint c = checkpoint_of(t);
    const double start = clock_s();
    char *path = NULL;
    enum err e = ERR_OK;
    if (t->comm->rank == 0) {
        e = shelf_newest(&path, &t->arena, &c, t->setup->run_dir);
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
    if (t->comm->rank == 0) {
        log_info("%s: resumed after update %d of %d in %.1f s", path, at.update,
                 t->setup->train->updates, clock_s() - start);
    }
    return ERR_OK;
}

/* ---- the script ---- */

static enum err warm_up(struct trainer *t)
{
    TRY(rollout_all(t, 0, ROLLOUT_POLICY));
    TRY(learn(t, 0, MAPPO_WARMUP, 0));
    return exchange_weights(&t->exchange);
}

static enum err clone_rule(struct trainer *t)
{
    const struct clone_cfg *cfg = &t->setup->train->clone;
    const int sets = clone_rollouts(t->setup->train);
    trainlog_phase(&t->log, "clone", cfg->passes + sets + cfg->value_updates, 0);
    for (int set = 0; set < sets; set++) {
        TRY(rollout_all(t, set, ROLLOUT_DEMONSTRATE));
        TRY(learn(t, set, MAPPO_WARMUP, 0));
        TRY(exchange_weights(&t->exchange)); /* the next rollout sees the row statistics */
        trainlog_step(&t->log);
    }
    t->mappo_cfg.lr = cfg->lr;
    t->mappo_cfg.lr_end = cfg->lr / 10;
    for (int pass = 0; pass < cfg->passes; pass++) {
        for (int set = 0; set < sets; set++) {
            TRY(learn(t, set, MAPPO_CLONE, (double)pass / cfg->passes));
        }
        trainlog_step(&t->log);
    }
    t->mappo_cfg = *t->setup->mappo;
    TRY(exchange_weights(&t->exchange));
    for (int i = 0; i < cfg->value_updates; i++) {
        TRY(rollout_all(t, 0, ROLLOUT_POLICY));
        TRY(learn(t, 0, MAPPO_VALUE, 0));
        TRY(exchange_weights(&t->exchange));
        trainlog_step(&t->log);
    }
    return ERR_OK;
}

/* Collective. Where ranks agree to go on, to fail or to stop: a signal reaches them at different
 * moments, and one that has it is enough. */
static enum err end_update(struct trainer *t, int u)
{
    const struct train_cfg *cfg = t->setup->train;
    enum err e = trainlog_update(&t->log, u);
    if (e == ERR_OK && u < cfg->updates && stop_requested()) {
        e = ERR_STOPPED;
    }
    e = comm_agree(t->comm, e);
    const bool due = cfg->checkpoint_every > 0 && u % cfg->checkpoint_every == 0;
    if (e == ERR_STOPPED || (e == ERR_OK && due && u < cfg->updates)) {
        TRY(save(t, u));
    }
    return e;
}

static enum err improve(struct trainer *t, int done)
{
    const struct train_cfg *cfg = t->setup->train;
    trainlog_phase(&t->log, "train", cfg->updates, done);
    for (int u = done + 1; u <= cfg->updates; u++) {
        const double progress = (double)(u - 1) / cfg->updates;
        TRY(rollout_all(t, 0, ROLLOUT_POLICY));
        TRY(comm_agree(t->comm, sum_episodes(t)));
        TRY(u == t->opt->dump_update ? learn_and_dump(t, progress)
                                     : learn(t, 0, MAPPO_PPO, progress));
        TRY(exchange_weights(&t->exchange));
        TRY(end_update(t, u));
    }
    return ERR_OK;
}

/* What precedes the first update. */
static enum err prepare(struct trainer *t)
{
    return t->setup->train->init == INIT_SCRATCH ? warm_up(t) : clone_rule(t);
}

/* ---- entry ---- */

static void print_memory(const struct trainer *t)
{
    printf("memory of rank %d of %d: %d tiles simulated, %d learned\n", t->comm->rank,
           t->comm->size, t->n_sim, t->n_learn);
    for (int i = 0; i < t->arena.n_sections; i++) {
        const struct mem_section *s = &t->arena.sections[i];
        printf("  %-24s %12.3f MiB\n", s->name, (double)s->bytes / (1 << 20));
    }
    printf("  %-24s %12.3f MiB\n", "total", (double)t->arena.bytes / (1 << 20));
}

static enum err run(struct trainer *t)
{
    int done = 0;
    stop_listen();
    if (t->opt->resume) {
        TRY(load(t, &done));
    }
    const enum err opened = trainlog_open(&t->log, &t->arena, t->comm, t->setup, &t->team, done);
    enum err e = comm_agree(t->comm, opened);
    if (e == ERR_OK && done == 0) {
        e = prepare(t);
    }
    if (e == ERR_OK) {
        e = improve(t, done);
    }
    if (e == ERR_OK || e == ERR_STOPPED) {
        const enum err saved = comm_agree(t->comm, trainlog_finish(&t->log, e == ERR_STOPPED));
        e = saved == ERR_OK ? e : saved;
    }
    if (e != ERR_OK && e != ERR_STOPPED) {
        trainlog_fail(&t->log, e);
    }
    trainlog_close(&t->log);
    return e;
}

enum err train_run(struct comm *comm, uint64_t *digest, const struct train_setup *setup,
                   const struct train_options *opt)
{
    struct trainer t = {.comm = comm, .setup = setup, .opt = opt};
    enum err e = comm_agree(comm, trainer_init(&t));
    if (e == ERR_OK && opt->dry_run) {
        if (comm->rank == 0) {
            print_memory(&t);
        }
    } else if (e == ERR_OK) {
        e = run(&t);
    }
    if (e == ERR_OK && !opt->dry_run) {
        *digest = team_digest(&t.team);
        e = comm_same_u64(comm, "digest of the weights", *digest);
    }
    trainer_release(&t);
    return e;
}
