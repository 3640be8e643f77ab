/* Carving a trainer: networks, environments, blocks, tree sums. See trainer.h. */
#include "mpi/trainer.h"

#include "core/game/game.h"
#include "core/marl/replay.h"
#include "mpi/dump.h"

int trainer_count_tiles(const struct train_cfg *cfg)
{
    return (cfg->envs + TILE - 1) / TILE;
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

int trainer_clone_rollouts(const struct train_cfg *cfg)
{
    const int per_rollout = cfg->envs * cfg->steps;
    return cfg->init == INIT_SCRATCH ? 0 : (cfg->clone.samples + per_rollout - 1) / per_rollout;
}

/* Where tiles are carved. A dry run carves a few, evenly spread over those it would simulate. */
static struct arena *tile_arena(struct trainer *t)
{
    return t->opt->dry_run ? &t->sample : &t->arena;
}

/* The i-th carved tile is this one of those that the rank simulates. */
static int place_of_carved(const struct trainer *t, int i)
{
    return (int)((int64_t)i * t->n_sim / t->n_carved);
}

static enum err carve_tile(struct trainer *t, int i, int tile)
{
    const struct train_setup *s = t->setup;
    const struct demonstrator *demo = t->demos == NULL ? NULL : demonstrations_tile(t->demos, i);
    TRY(game_new(&t->tiles[i].env, tile_arena(t), s->rules, envs_of_tile(s->train, tile),
                 s->train->seed, demo));
    TRY(rollout_keep_actions(&t->tiles[i], tile_arena(t), t->team.spec, s->rules->cfg->horizon));
    t->tiles[i].tile = tile;
    return ERR_OK;
}

static enum err init_sim(struct trainer *t)
{
    const struct train_setup *s = t->setup;
    const struct train_cfg *cfg = s->train;
    arena_section(&t->arena, "environments");
    arena_section(tile_arena(t), "environments");
    t->n_sim = count_owned(t->owners.sim, t->owners.n_tiles, t->comm->rank);
    t->n_carved = t->opt->dry_run && t->n_sim > REHEARSED ? REHEARSED : t->n_sim;
    t->tiles = ARENA_NEW(&t->arena, t->n_sim, struct rollout_tile);
    if (t->tiles == NULL) {
        return ERR_MEMORY;
    }
    TRY(rollout_init(&t->rollout, &t->arena, &t->team));
    if (cfg->init != INIT_SCRATCH) {
        t->rule = cfg->clone.rule;
        t->rule.kind = cfg->init == INIT_CLONE_FF ? CONTROLLER_FF : CONTROLLER_KHPA;
        TRY(demonstrations_init(&t->demos, tile_arena(t), &t->rule, s->rules, t->n_carved));
    }
    for (int tile = 0, mine = 0, i = 0; tile < t->owners.n_tiles && i < t->n_carved; tile++) {
        if (t->owners.sim[tile] != t->comm->rank || mine++ != place_of_carved(t, i)) {
            continue;
        }
        TRY(carve_tile(t, i++, tile));
    }
    return block_init(&t->spare, &t->arena, t->team.spec, TILE, cfg->steps);
}

static enum err init_pipeline(struct trainer *t)
{
    arena_section(&t->arena, "pipeline");
    arena_section(tile_arena(t), "pipeline");
    t->before = ARENA_NEW(&t->arena, t->n_sim, struct rollout_tile);
    t->sums = arena_alloc(&t->arena, (size_t)t->n_sim, sizeof *t->sums);
    if (t->before == NULL || t->sums == NULL) {
        return ERR_MEMORY;
    }
    for (int i = 0; i < t->n_carved; i++) {
        t->before[i].env = t->tiles[i].env;
        t->before[i].tile = t->tiles[i].tile;
        TRY(rollout_keep_actions(&t->before[i], tile_arena(t), t->team.spec,
                                 t->tiles[i].max_steps));
    }
    return team_weights_init(&t->acting, &t->arena, &t->team);
}

static enum err init_blocks(struct trainer *t)
{
    const struct train_cfg *cfg = t->setup->train;
    arena_section(&t->arena, "rollout blocks");
    const int sets = trainer_clone_rollouts(cfg);
    const int least = 1 + cfg->pipeline; /* one is learned from while another is filled */
    t->n_sets = sets > least ? sets : least;
    t->n_learn = count_owned(t->owners.learn, t->owners.n_tiles, t->comm->rank);
    t->blocks = ARENA_NEW(&t->arena, t->n_sets * t->n_learn, struct block);
    if (t->blocks == NULL) {
        return ERR_MEMORY;
    }
    if (t->opt->dry_run) {
        return block_init(&t->one_block, &t->one_block_arena, t->team.spec, TILE, cfg->steps);
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

enum err trainer_init(struct trainer *t)
{
    const struct train_setup *s = t->setup;
    arena_init(&t->arena);
    arena_init(&t->scratch);
    arena_init(&t->sample);
    arena_init(&t->one_block_arena);
    t->mappo_cfg = *s->mappo;
    TRY(owners_init(&t->owners, &t->arena, trainer_count_tiles(s->train), t->comm->size,
                    s->train->learners));
    arena_section(&t->arena, "networks");
    TRY(team_init(&t->team, &t->arena, s->team, &s->rules->spec));
    TRY(init_sim(t));
    if (s->train->pipeline > 0) {
        TRY(init_pipeline(t));
    }
    TRY(init_learner(t));
    exchange_init(&t->exchange, t->comm, &t->team, &t->scratch);
    if (s->train->evaluate.every > 0) {
        arena_section(&t->arena, "evaluation");
    }
    TRY(convergence_init(&t->convergence, &t->arena, t->comm, s, &t->team));
    if (t->comm->rank == 0) {
        TRY(dump_check(t->opt, s->train, t->owners.n_learners));
    }
    return team_init_params(&t->team, s->train->seed, &t->scratch);
}

void trainer_release(struct trainer *t)
{
    exchange_release(&t->exchange);
    convergence_close(&t->convergence);
    arena_release(&t->one_block_arena);
    arena_release(&t->sample);
    arena_release(&t->scratch);
    arena_release(&t->arena);
}

/* ---- looking things up ---- */

int trainer_stagger(const struct trainer *t)
{
    return t->setup->train->stagger ? t->setup->rules->cfg->horizon : 0;
}

enum err trainer_remember(struct trainer *t)
{
    for (int i = 0; i < t->n_sim; i++) {
        TRY(replay_checksums(t->sums[i], &t->tiles[i], &t->scratch));
        rollout_copy_history(&t->before[i], &t->tiles[i]);
    }
    team_weights_copy(&t->acting, &t->team.w, &t->team);
    t->update_before = t->update;
    return ERR_OK;
}

/* Blocks stand in the order of their tiles. */
struct block *trainer_block(const struct trainer *t, int set, int tile)
{
    struct block *blocks = &t->blocks[set * t->n_learn];
    int low = 0, high = t->n_learn;
    while (low < high) {
        const int mid = low + (high - low) / 2;
        if (blocks[mid].tile < tile) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low < t->n_learn && blocks[low].tile == tile ? &blocks[low] : NULL;
}
