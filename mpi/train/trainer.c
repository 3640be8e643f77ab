/* Allocating a trainer: networks, environments, blocks, tree sums. See trainer.h. */
#include "mpi/train/trainer.h"

#include "core/base/hash.h"
#include "core/base/log.h"
#include "core/marl/replay_tile.h"
#include "mpi/train/dump.h"

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

/* What follows in the arena is team k's: a dry run shows each team's memory. */
static void team_section(struct arena *a, const struct trainer *t, const char *what, int k)
{
    const char *of = k == 0 ? what : arena_printf(a, "%s, %s", what, t->spec->teams[k]->name);
    arena_section(a, of != NULL ? of : what);
}

static enum err init_learners(struct trainer *t)
{
    const struct train_setup *s = t->setup;
    for (int k = 0; k < t->spec->n_teams; k++) {
        const struct learner_source *from = &s->learners[k];
        team_section(&t->arena, t, "networks", k);
        TRY(from->make(from->ctx, &t->learners[k], &t->arena, t->spec->teams[k], k, s->train->seed,
                       &t->scratch));
    }
    return ERR_OK;
}

/* Where histories of tiles are allocated. A dry run has a few tiles, evenly spread over those it
 * would simulate, and measures the memory of a whole tile. */
static struct arena *tile_arena(struct trainer *t)
{
    return t->opt->dry_run ? &t->plants : &t->arena;
}

/* The i-th allocated tile is this one of those that the rank simulates. */
static int allocated_index(const struct trainer *t, int i)
{
    return (int)((int64_t)i * t->n_sim / t->n_allocated);
}

static enum err allocate_tile(struct trainer *t, int i, int tile)
{
    TRY(rollout_keep_actions(&t->tiles[i], tile_arena(t), t->spec, t->setup->envs->horizon));
    t->tiles[i].tile = tile;
    return ERR_OK;
}

/* Updates count from 1. Stage k, k > 0, is setup->later[k - 1]. */
static int stage_of(const struct train_setup *setup, int u)
{
    int stage = 0;
    while (stage < setup->n_later && u > setup->later[stage].after) {
        stage++;
    }
    return stage;
}

bool trainer_ends_stage(const struct trainer *t, int u)
{
    return stage_of(t->setup, u) != stage_of(t->setup, u + 1);
}

static const struct env_source *envs_of(const struct train_setup *setup, int stage)
{
    return stage == 0 ? setup->envs : setup->later[stage - 1].envs;
}

/* Of what is stored and sent. */
static bool same_shapes(const struct env_spec *a, const struct env_spec *b)
{
    bool same = a->n_teams == b->n_teams && a->n_stats == b->n_stats;
    for (int k = 0; same && k < a->n_teams; k++) {
        const struct team_spec *s = a->teams[k], *z = b->teams[k];
        same = s->n_agents == z->n_agents && s->n_global_state == z->n_global_state &&
               s->n_norm == z->n_norm && s->n_obs == z->n_obs && s->n_critic == z->n_critic &&
               s->n_factors == z->n_factors && s->n_choices == z->n_choices &&
               s->n_state == z->n_state;
    }
    return same;
}

/* The environments of `stage`, in which all tiles start anew. */
static enum err make_environments(struct trainer *t, int stage)
{
    const struct env_source *envs = envs_of(t->setup, stage);
    CHECK(same_shapes(envs->spec, t->spec) && envs->horizon == t->setup->envs->horizon);
    arena_section(&t->plants, "environments");
    for (int i = 0; i < t->n_allocated; i++) {
        struct rollout_tile *tile = &t->tiles[i];
        TRY(envs->make(envs->ctx, &tile->env, &t->plants,
                       envs_of_tile(t->setup->train, tile->tile)));
        tile->started = false;
        tile->first_episode = (uint32_t)stage * ROLLOUT_STAGE_EPISODES;
    }
    t->stage = stage;
    return ERR_OK;
}

/* The memory of the environments before is released first, so no two stages are in memory. The
 * histories in t->before stay: a checkpoint of the last update of a stage consists of them. */
enum err trainer_enter(struct trainer *t, int u)
{
    const int stage = stage_of(t->setup, u);
    if (stage == t->stage) {
        return ERR_OK;
    }
    const struct train_stage *to = stage > 0 ? &t->setup->later[stage - 1] : NULL;
    if (to != NULL && to->begin != NULL) {
        TRY(to->begin(to->ctx, t->comm, t->learners));
    }
    arena_release(&t->plants);
    arena_init(&t->plants);
    TRY(comm_agree(t->comm, make_environments(t, stage)));
    for (int i = 0; t->before != NULL && i < t->n_sim; i++) {
        t->before[i].env = t->tiles[i].env;
    }
    if (t->comm->rank == 0 && to != NULL) {
        log_info("update %d and those after it are made %s", to->after + 1, to->where);
    }
    return ERR_OK;
}

static enum err init_sim(struct trainer *t)
{
    const struct train_setup *s = t->setup;
    arena_section(&t->arena, "environments");
    arena_section(tile_arena(t), "environments");
    t->n_sim = count_owned(t->owners.sim, t->owners.n_tiles, t->comm->rank);
    t->n_allocated = t->opt->dry_run && t->n_sim > REHEARSED ? REHEARSED : t->n_sim;
    t->tiles = ARENA_NEW(&t->arena, t->n_sim, struct rollout_tile);
    TRY(arena_error(&t->arena));
    TRY(rollout_init(&t->rollout, &t->arena, t->spec, t->learners));
    for (int tile = 0, mine = 0, i = 0; tile < t->owners.n_tiles && i < t->n_allocated; tile++) {
        if (t->owners.sim[tile] != t->comm->rank || mine++ != allocated_index(t, i)) {
            continue;
        }
        TRY(allocate_tile(t, i++, tile));
    }
    TRY(make_environments(t, t->opt->dry_run ? t->setup->n_later : 0));
    for (int k = 0; k < t->spec->n_teams; k++) {
        if (exchange_wants(&t->exchange, k)) {
            TRY(block_init(&t->teams[k].spare, &t->arena, t->spec, k, TILE, s->train->steps));
        }
    }
    return ERR_OK;
}

static enum err init_pipeline(struct trainer *t)
{
    arena_section(&t->arena, "pipeline");
    arena_section(tile_arena(t), "pipeline");
    t->before = ARENA_NEW(&t->arena, t->n_sim, struct rollout_tile);
    t->sums = arena_alloc(&t->arena, (size_t)t->n_sim, sizeof *t->sums);
    TRY(arena_error(&t->arena));
    for (int i = 0; i < t->n_allocated; i++) {
        t->before[i].env = t->tiles[i].env;
        t->before[i].tile = t->tiles[i].tile;
        TRY(rollout_keep_actions(&t->before[i], tile_arena(t), t->spec, t->tiles[i].max_steps));
    }
    for (int k = 0; k < t->spec->n_teams; k++) {
        t->teams[k].acting = *t->learners[k]->w; /* its lengths */
        TRY(weights_init(&t->teams[k].acting, &t->arena));
    }
    return ERR_OK;
}

/* The blocks of one team in one set. */
static enum err init_set(struct trainer *t, int set, int team)
{
    const struct train_cfg *cfg = t->setup->train;
    struct block *b = trainer_blocks(t, set, team);
    for (int tile = 0; tile < t->owners.n_tiles; tile++) {
        if (t->owners.learn[tile] == t->comm->rank) {
            TRY(block_init(b, &t->arena, t->spec, team, envs_of_tile(cfg, tile), cfg->steps));
            b++->tile = tile;
        }
    }
    return ERR_OK;
}

/* A dry run: the blocks of one tile, of all teams. */
static enum err init_one_tile(struct trainer *t)
{
    struct block b;
    for (int k = 0; k < t->spec->n_teams; k++) {
        if (exchange_wants(&t->exchange, k)) {
            team_section(&t->one_block_arena, t, "rollout blocks", k);
            TRY(block_init(&b, &t->one_block_arena, t->spec, k, TILE, t->setup->train->steps));
        }
    }
    return ERR_OK;
}

static enum err init_blocks(struct trainer *t)
{
    const struct train_cfg *cfg = t->setup->train;
    arena_section(&t->arena, "rollout blocks");
    const int sets = train_clone_rollouts(cfg);
    const int least = 1 + cfg->pipeline; /* one is learned from while another is filled */
    t->n_sets = sets > least ? sets : least;
    t->n_learn = count_owned(t->owners.learn, t->owners.n_tiles, t->comm->rank);
    const int n = t->n_sets * t->spec->n_teams * t->n_learn;
    t->blocks = ARENA_NEW(&t->arena, n, struct block);
    TRY(arena_error(&t->arena));
    for (int i = 0; i < n; i++) {
        t->blocks[i] = (struct block){.tile = -1}; /* of a team that does not learn */
    }
    if (t->opt->dry_run) {
        return init_one_tile(t);
    }
    for (int set = 0; set < t->n_sets; set++) {
        for (int k = 0; k < t->spec->n_teams; k++) {
            if (exchange_wants(&t->exchange, k)) {
                team_section(&t->arena, t, "rollout blocks", k);
                TRY(init_set(t, set, k));
            }
        }
    }
    return ERR_OK;
}

/* mpi/comm/treesum.h as the reducer that marl asks for. */
static void *sum_leaf(void *ctx, int tile)
{
    return treesum_leaf(((struct tree_sum *)ctx)->tree, tile);
}

static void sum_leaf_done(void *ctx, int tile)
{
    treesum_leaf_done(((struct tree_sum *)ctx)->tree, tile);
}

static void sum_leaf_skip(void *ctx, int tile)
{
    treesum_leaf_skip(((struct tree_sum *)ctx)->tree, tile);
}

static enum err sum_total(void *ctx, void *out)
{
    struct tree_sum *s = ctx;
    s->n_totals += 1.0;
    return treesum_total(s->tree, s->comm, out);
}

/* `s` stays where it is. */
static enum err init_sum(struct trainer *t, struct tree_sum *s, struct reducer *r,
                         const struct tree_op *op)
{
    s->op = *op;
    s->comm = t->comm;
    *r = (struct reducer){.bytes = op->bytes,
                          .ctx = s,
                          .leaf = sum_leaf,
                          .leaf_done = sum_leaf_done,
                          .leaf_skip = sum_leaf_skip,
                          .total = sum_total};
    return treesum_init(&s->tree, &t->arena, &s->op, t->owners.n_tiles, t->owners.learn,
                        t->comm->rank, t->comm->size);
}

static enum err init_team_sums(struct trainer *t, int k)
{
    const struct learner *l = t->learners[k];
    for (int i = 0; i < l->n_sums; i++) {
        const struct tree_op op = {.bytes = l->sums[i].bytes,
                                   .merge = l->sums[i].merge,
                                   .ctx = l->sums[i].ctx,
                                   .merge_part = l->sums[i].merge_part};
        TRY(init_sum(t, &t->teams[k].sums[i], &t->teams[k].reducers[i], &op));
    }
    return ERR_OK;
}

static enum err init_sums(struct trainer *t)
{
    for (int k = 0; k < t->spec->n_teams; k++) {
        team_section(&t->arena, t, "tree sums", k);
        TRY(init_team_sums(t, k));
    }
    arena_section(&t->arena, "tree sums");
    t->episode_shape = (struct reduce_shape){.n_floats = (size_t)block_n_stats(t->spec, 0) + 1};
    const struct tree_op op = {
        .bytes = reduce_bytes(&t->episode_shape), .merge = reduce_merge, .ctx = &t->episode_shape};
    TRY(init_sum(t, &t->episode_sum, &t->episodes, &op));
    t->total = arena_alloc(&t->arena, 1, op.bytes);
    return arena_error(&t->arena);
}

static enum err init_learning(struct trainer *t)
{
    const struct train_cfg *cfg = t->setup->train;
    TRY(init_blocks(t));
    if (t->n_learn == 0) {
        return ERR_OK;
    }
    TRY(init_sums(t));
    for (int k = 0; k < t->spec->n_teams; k++) {
        const struct learner_batch batch = {.seed = cfg->seed,
                                            .n_env = cfg->envs,
                                            .n_steps = cfg->steps,
                                            .group = env_group(t->spec),
                                            .n_mine = t->n_learn,
                                            .sums = t->teams[k].reducers};
        if (learner_learns(t->learners[k])) {
            team_section(&t->arena, t, "learner", k);
            TRY(t->learners[k]->ops->prepare(t->learners[k], &t->arena, &batch));
        }
    }
    return ERR_OK;
}

static enum err init_owners(struct trainer *t)
{
    const struct train_cfg *cfg = t->setup->train;
    const int n_tiles = trainer_count_tiles(cfg);
    return owners_deal(&t->owners, &t->arena, n_tiles, t->comm->size, cfg->learners,
                       cfg->learners_simulate);
}

enum err trainer_init(struct trainer *t)
{
    const struct train_setup *s = t->setup;
    arena_init(&t->arena);
    arena_init(&t->scratch);
    arena_init(&t->plants);
    arena_init(&t->one_block_arena);
    t->spec = s->envs->spec;
    exchange_init(&t->exchange, t->comm, t->spec, t->learners, &t->scratch);
    TRY(init_owners(t));
    TRY(init_learners(t));
    TRY(init_sim(t));
    if (s->train->pipeline > 0) {
        TRY(init_pipeline(t));
    }
    TRY(init_learning(t));
    if (s->train->evaluate.every > 0) {
        arena_section(&t->arena, "evaluation");
    }
    TRY(convergence_init(&t->convergence, &t->arena, t->comm, s, t->learners[0]));
    if (t->comm->rank == 0) {
        TRY(dump_check(t->opt, s->train, t->learners[0], t->owners.n_learners));
    }
    return ERR_OK;
}

void trainer_release(struct trainer *t)
{
    exchange_release(&t->exchange);
    convergence_close(&t->convergence);
    arena_release(&t->one_block_arena);
    arena_release(&t->plants);
    arena_release(&t->scratch);
    arena_release(&t->arena);
}

/* ---- looking things up ---- */

int trainer_stagger(const struct trainer *t)
{
    return t->setup->train->stagger ? t->setup->envs->horizon : 0;
}

enum err trainer_remember(struct trainer *t)
{
    for (int i = 0; i < t->n_sim; i++) {
        TRY(replay_tile_checksums(t->sums[i], &t->tiles[i], &t->scratch));
        rollout_copy_history(&t->before[i], &t->tiles[i]);
    }
    for (int k = 0; k < t->spec->n_teams; k++) {
        weights_copy(&t->teams[k].acting, t->learners[k]->w);
    }
    t->update_before = t->update;
    return ERR_OK;
}

struct block *trainer_blocks(const struct trainer *t, int set, int team)
{
    return &t->blocks[(set * t->spec->n_teams + team) * t->n_learn];
}

uint64_t trainer_digest(const struct trainer *t)
{
    uint64_t hash = HASH_START;
    for (int k = 0; k < t->spec->n_teams; k++) {
        hash = weights_hash(hash, t->learners[k]->w);
    }
    return hash;
}

/* Blocks stand in the order of their tiles. */
struct block *trainer_block(const struct trainer *t, int set, int team, int tile)
{
    struct block *blocks = trainer_blocks(t, set, team);
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
