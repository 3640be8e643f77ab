/* Speed of acting and of a MAPPO update, on one core, against the FMA peak of the same run.
 *
 * Sizes of a default training: 128 environments x 50 steps, 4 agents, obs 110, critic 150, 40
 * choices, networks 2 x 64, 4 epochs x 4 slices. Before anything is timed the update must reproduce
 * the probabilities of the rollout bit by bit. A sample-epoch is one agent's sample in one epoch,
 * the critic's share included. Median of five.
 */
#include "core/base/clock.h"
#include "core/marl/mappo.h"
#include "tests/unit/toy_env.h"

#include <stdio.h>
#include <stdlib.h>
#ifdef __FMA__
#include <immintrin.h>
#endif

enum { RUNS = 5, N_ENV = 128, N_STEPS = 50, N_TILES = N_ENV / TILE, ACT_ROUNDS = 40 };

static const struct toy_shape shape = {.n_agents = 4,
                                       .n_factors = 1,
                                       .n_choices = 40,
                                       .n_row = 150,
                                       .n_norm = 120,
                                       .n_obs = 110,
                                       .n_critic = 150,
                                       .horizon = 50};

/* Twelve independent chains of 8-wide FMAs; GF/s, best of 20. 0: no such instructions. */
static double fma_peak(void)
{
    double best = 0.0;
#ifdef __FMA__
    enum { N = 200000, CHAINS = 12 };
    const volatile float hidden = 0.999f; /* or the compiler folds the chains */
    volatile float sink;
    for (int round = 0; round < 20; round++) {
        __m256 acc[CHAINS], a = _mm256_set1_ps(hidden);
        for (int j = 0; j < CHAINS; j++) {
            acc[j] = _mm256_set1_ps((float)j);
        }
        double start = clock_s();
        for (int i = 0; i < N; i++) {
#pragma GCC unroll 12
            for (int j = 0; j < CHAINS; j++) {
                acc[j] = _mm256_fmadd_ps(acc[j], a, a);
            }
        }
        double gflops = 16.0 * CHAINS * N / (clock_s() - start) * 1e-9;
        for (int j = 0; j < CHAINS; j++) {
            sink = acc[j][0];
        }
        best = gflops > best ? gflops : best;
    }
    (void)sink;
#endif
    return best;
}

/* Multiply-adds of one row through the weights, with and without the first layer. */
static double layer_products(const struct mlp *mlp, int from)
{
    double n = 0.0;
    for (int i = from; i < mlp->shape.n_layers; i++) {
        n += (double)mlp->shape.sizes[i] * mlp->shape.sizes[i + 1];
    }
    return n;
}

/* FLOP of one environment step: acting, and one epoch of learning (forward, dW, dX but not of the
 * inputs). */
static double act_flop(const struct team *t)
{
    return 2.0 * (t->spec->n_agents * layer_products(&t->actor, 0) + layer_products(&t->critic, 0));
}

static double learn_flop(const struct team *t)
{
    double actor = 2.0 * layer_products(&t->actor, 0) + layer_products(&t->actor, 1);
    double critic = 2.0 * layer_products(&t->critic, 0) + layer_products(&t->critic, 1);
    return 2.0 * (t->spec->n_agents * actor + critic);
}

struct bench {
    struct arena arena;
    struct env_spec spec;
    struct team_cfg team_cfg;
    struct mappo_cfg cfg;
    struct toy_run run;
    struct team_scratch *scratch, *value_scratch;
    struct mappo *mappo;
};

static enum err bench_init(struct bench *b)
{
    struct cfg cfg;
    struct reduce_shape grad_shape, batch_shape;
    struct reducer grad, batch;
    struct rollout_cfg rollout = {.seed = 1};
    cfg_init(&cfg, team_fields, sizeof(b->team_cfg), &b->arena);
    TRY(cfg_load(&cfg, NULL, NULL, 0, &b->team_cfg));
    cfg_init(&cfg, mappo_fields, sizeof(b->cfg), &b->arena);
    TRY(cfg_load(&cfg, NULL, NULL, 0, &b->cfg));
    b->spec = toy_spec(&shape);
    TRY(toy_run_init(&b->run, &b->arena, &b->team_cfg, &shape, &b->spec, N_ENV, N_STEPS));
    TRY(team_scratch_init(&b->scratch, &b->arena, &b->run.team, TILE));
    TRY(team_scratch_init(&b->value_scratch, &b->arena, &b->run.team, b->team_cfg.row_block));
    mappo_shapes(&b->run.team, &grad_shape, &batch_shape);
    TRY(reduce_serial(&grad, &b->arena, &grad_shape, N_TILES));
    TRY(reduce_serial(&batch, &b->arena, &batch_shape, N_TILES));
    TRY(mappo_init(&b->mappo, &b->arena, &b->cfg, &b->run.team, 1, N_ENV, N_STEPS, N_TILES, &grad,
                   &batch));
    return toy_run_rollout(&b->run, &rollout, 0);
}

/* Environment steps per second: team_act on a tile at a time, team_value on all rows at the end, as
 * a rollout does. */
static double time_acting(struct bench *b)
{
    static int32_t action[TILE * 4];
    static float logp[TILE * 4], value[TILE * N_STEPS * 4];
    const struct block *block = &b->run.block[0];
    struct rng_key key = rng_key(1, RNG_ACTION, RNG_TRAIN);
    uint32_t gid[TILE] = {0, 1, 2, 3, 4, 5, 6, 7};
    double start = clock_s();
    for (uint32_t round = 0; round < ACT_ROUNDS; round++) {
        for (int at = 0; at < N_STEPS; at++) { /* any eight rows are as good as another eight */
            const float *rows = block->row + at * TILE * shape.n_row;
            team_act(&b->run.team, b->scratch, action, logp, rows, block->mask + at * TILE * 4 * 2,
                     TILE, ACT_SAMPLE, key, gid, round, (uint32_t)at);
        }
        team_value(&b->run.team, b->value_scratch, value, block->row, TILE * N_STEPS);
    }
    return ACT_ROUNDS * N_STEPS * TILE / (clock_s() - start);
}

static enum err time_update(struct bench *b, double *sample_epochs_per_s)
{
    struct mappo_stats stats;
    double start = clock_s();
    TRY(mappo_update(b->mappo, b->run.block, MAPPO_PPO, 0.0, &stats));
    *sample_epochs_per_s =
        (double)N_ENV * N_STEPS * shape.n_agents * b->cfg.epochs / (clock_s() - start);
    return ERR_OK;
}

static enum err validate(struct bench *b)
{
    struct mappo_stats stats;
    TRY(mappo_update(b->mappo, b->run.block, MAPPO_PPO, 0.0, &stats));
    if (stats.ratio_max_dev != 0.0) {
        fprintf(stderr, "the update does not reproduce the rollout: ratio off by %g\n",
                stats.ratio_max_dev);
        return ERR_MISMATCH;
    }
    return ERR_OK;
}

static int order(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static enum err bench_run(struct bench *b)
{
    double acting[RUNS], update[RUNS];
    TRY(bench_init(b));
    TRY(validate(b));
    for (int i = 0; i < RUNS; i++) {
        acting[i] = time_acting(b);
        TRY(time_update(b, &update[i]));
    }
    qsort(acting, RUNS, sizeof(double), order);
    qsort(update, RUNS, sizeof(double), order);
    const struct team *t = &b->run.team;
    double peak = fma_peak();
    double act_gflops = acting[RUNS / 2] * act_flop(t) * 1e-9;
    double learn_gflops = update[RUNS / 2] / t->spec->n_agents * learn_flop(t) * 1e-9;
    printf("marl peak    %8.1f GF/s of FMA\n", peak);
    printf("marl acting  %8.0f env-steps/s    %6.1f GF/s = %3.0f %% of peak\n", acting[RUNS / 2],
           act_gflops, peak > 0.0 ? 100.0 * act_gflops / peak : 0.0);
    printf("marl update  %8.0f sample-epochs/s %5.1f GF/s = %3.0f %% of peak\n", update[RUNS / 2],
           learn_gflops, peak > 0.0 ? 100.0 * learn_gflops / peak : 0.0);
    return ERR_OK;
}

int main(void)
{
    static struct bench b;
    arena_init(&b.arena);
    enum err e = bench_run(&b);
    arena_release(&b.arena);
    return err_exit_code(e);
}
