/* Speed of a rollout and of a MAPPO update, on one core, with the quickstart's networks and world.
 *
 * Rollout: what a simulating rank does (rules, acting, simulator, values, resets). Acting: team_act
 * and team_value alone, on the rows of that rollout. Update: mappo_update; a sample-epoch is one
 * agent's sample in one epoch, the critic's share included.
 *
 * Recipe: the same with a privileged critic and groups of 4 (docs/training.md), its updates between
 * those of the other, so that both meet the same machine.
 *
 * FLOP are those of the matrix products, counted from the layers: an environment step acts with all
 * actors and the critic once; an epoch of learning goes forward, makes dW of every layer and dX of
 * all but the first. Shares are of the FMA peak of the same run.
 *
 * Checked before anything is timed: the update finds the probabilities that the rollout recorded,
 * bit by bit; and it moves the weights as an update does that multiplies with OpenBLAS.
 */
#include "core/game/game.h"
#include "core/marl/mappo_learner.h"
#include "core/marl/rollout.h"
#include "mpi/jobs/experiment.h"
#include "tests/bench/bench.h"

#include <math.h>

enum { RUNS = 7, ACT_ROUNDS = 20 };
static const char config[] = "configs/experiments/warm_start_cluster.yaml";
static const double blas_tolerance = 1e-4; /* of the length of the step */

/* A team with its optimiser. */
struct networks {
    struct team_cfg cfg;
    struct team team;
    struct mappo *mappo;
};

struct bench {
    struct experiment x;
    struct networks fixed, blas;
    struct team_scratch *act, *value;
    struct mappo_learner player; /* acts with fixed.team */
    struct rollout *rollout;
    struct rollout_tile *tile; /* (n_tiles) */
    struct block *block;       /* (n_tiles) */
    int n_tiles;
    uint32_t update; /* rollouts done */
};

/* ---- FLOP ---- */

/* Multiply-adds of one row through the weights from layer `from` on. */
static double products(const struct mlp *mlp, int from)
{
    double n = 0.0;
    for (int i = from; i < mlp->shape.n_layers; i++) {
        n += (double)mlp->shape.sizes[i] * mlp->shape.sizes[i + 1];
    }
    return n;
}

/* Of one environment step. */
static double act_flop(const struct team *t)
{
    return 2.0 *
           (t->spec->n_agents * products(&t->actor, 0) + t->n_views * products(&t->critic, 0));
}

/* Of one environment step in one epoch. */
static double learn_flop(const struct team *t)
{
    const double actor = 2.0 * products(&t->actor, 0) + products(&t->actor, 1);
    const double critic = 2.0 * products(&t->critic, 0) + products(&t->critic, 1);
    return 2.0 * (t->spec->n_agents * actor + t->n_views * critic);
}

/* ---- set-up ---- */

static enum err learner_init(struct networks *l, struct bench *b, enum gemm_kind gemm)
{
    struct arena *arena = &b->x.arena;
    const struct train_cfg *train = &b->x.cfg.train;
    struct reduce_shape grad_shape, batch_shape;
    struct reducer grad, batch;
    l->cfg = b->x.cfg.team;
    l->cfg.gemm = (int)gemm;
    gemm_init(gemm);
    TRY(team_init(&l->team, arena, &l->cfg, &b->x.rules.spec));
    TRY(team_init_params(&l->team, train->seed, arena));
    mappo_shapes(&l->team, &grad_shape, &batch_shape);
    TRY(reduce_serial(&grad, arena, &grad_shape, b->n_tiles));
    TRY(reduce_serial(&batch, arena, &batch_shape, b->n_tiles));
    TRY(mappo_init(&l->mappo, arena, &b->x.cfg.mappo, &l->team, train->seed, train->envs,
                   train->steps, b->n_tiles, &grad, &batch));
    mappo_set_group(l->mappo, env_group(&b->x.rules.env));
    return ERR_OK;
}

static enum err tiles_init(struct bench *b)
{
    const struct train_cfg *train = &b->x.cfg.train;
    struct arena *arena = &b->x.arena;
    b->tile = ARENA_NEW(arena, b->n_tiles, struct rollout_tile);
    b->block = ARENA_NEW(arena, b->n_tiles, struct block);
    TRY(arena_error(arena));
    for (int i = 0; i < b->n_tiles; i++) {
        b->tile[i].tile = i;
        TRY(game_new(&b->tile[i].env, arena, &b->x.rules, TILE, train->seed, NULL));
        TRY(block_init(&b->block[i], arena, &b->x.rules.env, 0, TILE, train->steps));
    }
    return ERR_OK;
}

static enum err bench_init(struct bench *b)
{
    struct arena *arena = &b->x.arena;
    const int row_block = b->x.cfg.team.row_block;
    b->n_tiles = b->x.cfg.train.envs / TILE;
    TRY(learner_init(&b->fixed, b, GEMM_FIXED));
    TRY(learner_init(&b->blas, b, GEMM_BLAS));
    TRY(team_scratch_init(&b->act, arena, &b->fixed.team, TILE));
    TRY(team_scratch_init(&b->value, arena, &b->fixed.team, row_block > TILE ? row_block : TILE));
    TRY(mappo_learner_init(&b->player, arena, &b->fixed.team, NULL));
    TRY(rollout_init(&b->rollout, arena, &b->x.rules.env,
                     (struct learner *const[]){&b->player.base}));
    return tiles_init(b);
}

/* ---- what is timed ---- */

/* Fills all blocks; seconds (n_tiles): of each tile. */
static enum err roll(struct bench *b, double *seconds)
{
    const struct train_cfg *train = &b->x.cfg.train;
    const struct rollout_cfg cfg = {.seed = train->seed};
    for (int i = 0; i < b->n_tiles; i++) {
        const double start = bench_cpu_s();
        TRY(rollout_run(b->rollout, (struct block *const[]){&b->block[i]}, &b->tile[i], &cfg,
                        b->update, b->x.cfg.game.horizon, train->envs));
        seconds[i] = bench_cpu_s() - start;
    }
    b->update++;
    return ERR_OK;
}

/* Seconds for as many environment steps as a block has: eight rows at a time, values of all rows at
 * the end, as in a rollout. Any eight rows are as good as another eight. */
static double act(struct bench *b, const struct block *block)
{
    static int32_t action[1 << 16];
    static float logp[1 << 16], value[1 << 20];
    const struct team_spec *spec = b->fixed.team.spec;
    const int n_mask = spec->n_agents * spec->n_factors * env_mask_words(spec);
    const struct rng_key key = rng_key(1, RNG_ACTION, RNG_TRAIN);
    const uint32_t gid[TILE] = {0, 1, 2, 3, 4, 5, 6, 7};
    const double start = bench_cpu_s();
    for (uint32_t round = 0; round < ACT_ROUNDS; round++) {
        for (int at = 0; at < block->n_steps; at++) {
            team_act(&b->fixed.team, b->act, action, logp,
                     block->global_state + at * TILE * spec->n_global_state,
                     block->mask + at * TILE * n_mask, TILE, ACT_SAMPLE, key, gid, round,
                     (uint32_t)at);
        }
        team_value(&b->fixed.team, b->value, value, block->global_state, block->privileged,
                   TILE * block->n_steps);
    }
    return (bench_cpu_s() - start) / ACT_ROUNDS;
}

static enum err learn(struct bench *b, struct networks *l, enum mappo_phase phase, double *seconds,
                      struct mappo_stats *stats)
{
    const double start = bench_cpu_s();
    TRY(mappo_update(l->mappo, b->block, phase, 0.0, stats));
    *seconds = bench_cpu_s() - start;
    return ERR_OK;
}

/* ---- checks ---- */

/* | step of fixed - step of blas | / | step of fixed |; before: the weights of both. */
static double step_difference(const struct bench *b, const float *before)
{
    double apart = 0.0, length = 0.0;
    for (size_t i = 0; i < b->fixed.team.w.n_params; i++) {
        const double x = (double)b->fixed.team.w.params[i];
        apart += pow(x - (double)b->blas.team.w.params[i], 2.0);
        length += pow(x - (double)before[i], 2.0);
    }
    return sqrt(apart / length);
}

static enum err validate(struct bench *b, double *difference)
{
    const size_t bytes = b->fixed.team.w.n_params * sizeof(float);
    struct mappo_stats stats;
    double ignored;
    float *before = ARENA_NEW(&b->x.arena, b->fixed.team.w.n_params, float);
    TRY(arena_error(&b->x.arena));
    memcpy(before, b->fixed.team.w.params, bytes);
    TRY(learn(b, &b->fixed, MAPPO_PPO, &ignored, &stats));
    if (stats.ratio_max_dev != 0.0) {
        fprintf(stderr, "the update does not find the rollout's probabilities: ratio off by %g\n",
                stats.ratio_max_dev);
        return ERR_MISMATCH;
    }
    TRY(learn(b, &b->blas, MAPPO_PPO, &ignored, &stats));
    *difference = step_difference(b, before);
    if (!(*difference <= blas_tolerance)) {
        fprintf(stderr, "the update's step differs from OpenBLAS's by %g of its length\n",
                *difference);
        return ERR_MISMATCH;
    }
    return ERR_OK;
}

/* ---- the report ---- */

/* Seconds for the environment steps of one tile; of all tiles. */
struct rates {
    double rollout;
    struct bench_range act, update;
};

static void report(const struct bench *b, const struct rates *r)
{
    const struct team *t = &b->fixed.team;
    const struct train_cfg *train = &b->x.cfg.train;
    const int epochs = b->x.cfg.mappo.epochs, agents = t->spec->n_agents;
    const double of_tile = TILE * train->steps, of_all = of_tile * b->n_tiles;
    const double peak = bench_fma_peak();
    const double percent = 100e-9 / peak;
    const double act_s = r->act.median, update_s = r->update.median;
    const double act_share = of_tile * act_flop(t) * percent; /* of one second */
    const double update_share = of_all * epochs * learn_flop(t) * percent;
    const double whole = r->rollout / of_tile + update_s / of_all;
    bench_row("FMA peak of the kernel", peak, "GF/s", "%s; best of 20 loops on registers",
              kernel_chosen()->name);
    bench_row("rollout: simulator and acting", of_tile / r->rollout, "env-steps/s",
              "%.2f %% of peak; median of %d tiles of %.0f steps",
              of_tile / r->rollout * act_flop(t) * percent, b->n_tiles, of_tile);
    bench_row("acting alone", of_tile / act_s, "env-steps/s",
              "%.0f %% of peak (%.0f to %.0f), %.0f FLOP each; actors, sampling, critic",
              act_share / act_s, act_share / r->act.most, act_share / r->act.least, act_flop(t));
    bench_row("update", of_all * agents * epochs / update_s, "sample-epochs/s",
              "%.0f %% of peak (%.0f to %.0f), %.0f FLOP each; %.0f x %d samples, %d epochs",
              update_share / update_s, update_share / r->update.most,
              update_share / r->update.least, learn_flop(t) / agents, of_all, agents, epochs);
    bench_row("rollout and update", 1.0 / whole, "env-steps/s",
              "both together: simulator %.0f %%, acting %.0f %%, update %.0f %% of it",
              100.0 * (r->rollout - act_s) / of_tile / whole, 100.0 * act_s / of_tile / whole,
              100.0 * update_s / of_all / whole);
}

static void report_recipe(const struct bench *b, const struct rates *r, const struct rates *base)
{
    const double of_tile = TILE * b->x.cfg.train.steps, of_all = of_tile * b->n_tiles;
    const int epochs = b->x.cfg.mappo.epochs, agents = b->x.rules.spec.n_agents;
    bench_row("recipe: rollout", of_tile / r->rollout, "env-steps/s",
              "%+.1f %% time; privileged critic, groups of 4",
              100.0 * (r->rollout / base->rollout - 1.0));
    bench_row("recipe: update", of_all * agents * epochs / r->update.median, "sample-epochs/s",
              "%+.1f %% time; %d columns for the critic alone",
              100.0 * (r->update.median / base->update.median - 1.0), b->x.rules.spec.n_privileged);
}

/* Ready to learn: the second rollout, because the first has all resets at once. tiles (n_tiles):
 * seconds of each. */
static enum err begin(struct bench *b, double **tiles)
{
    struct mappo_stats stats;
    double ignored;
    TRY(bench_init(b));
    *tiles = ARENA_NEW(&b->x.arena, b->n_tiles, double);
    TRY(arena_error(&b->x.arena));
    TRY(roll(b, *tiles));
    TRY(learn(b, &b->fixed, MAPPO_WARMUP, &ignored, &stats));
    TRY(learn(b, &b->blas, MAPPO_WARMUP, &ignored, &stats));
    return roll(b, *tiles);
}

static enum err bench_run(struct bench *b, struct bench *recipe, const struct bench_options *o)
{
    struct mappo_stats stats;
    double difference, acting[RUNS], update[RUNS], update_recipe[RUNS], *tiles, *tiles_recipe;
    const int runs = o->quick ? 1 : RUNS;
    TRY(begin(b, &tiles));
    TRY(begin(recipe, &tiles_recipe));
    TRY(validate(b, &difference));
    for (int i = 0; i < runs; i++) {
        acting[i] = act(b, &b->block[0]);
        TRY(learn(b, &b->fixed, MAPPO_PPO, &update[i], &stats));
        TRY(learn(recipe, &recipe->fixed, MAPPO_PPO, &update_recipe[i], &stats));
    }
    const struct rates rates = {bench_median(tiles, b->n_tiles), bench_range(acting, runs),
                                bench_range(update, runs)};
    const struct rates rates_recipe = {.rollout = bench_median(tiles_recipe, recipe->n_tiles),
                                       .update = bench_range(update_recipe, runs)};
    report(b, &rates);
    report_recipe(recipe, &rates_recipe, &rates);
    bench_checked("ratios of the update exactly 1; its step is OpenBLAS's within %.1g; medians of "
                  "%d, CPU time",
                  difference, runs);
    return ERR_OK;
}

int main(int argc, char **argv)
{
    static struct bench b, recipe;
    static const char *const sets[] = {"team.critic=privileged", "train.group=4", "train.envs=16",
                                       "train.steps=5"};
    const char *const *small = sets + 2;
    const struct bench_options o = bench_options(argc, argv);
    bench_title("Rollout and update, one core, quickstart's world and networks");
    enum err e = experiment_load(&b.x, config, small, o.quick ? 2 : 0);
    if (e == ERR_OK) {
        e = experiment_load(&recipe.x, config, sets, o.quick ? 4 : 2);
        if (e == ERR_OK) {
            e = bench_run(&b, &recipe, &o);
            experiment_release(&recipe.x);
        }
        experiment_release(&b.x);
    }
    return err_exit_code(e);
}
