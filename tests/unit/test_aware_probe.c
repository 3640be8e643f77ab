/* Does AWARE's embedding tell families of workloads apart? On the simulator, for two pairs: floods
 * against crashes of pods, and, as a harder one, steady load against load of the same mean with
 * bursts.
 *
 * A team is trained on both in turn. Then it plays each family, and buffers are made as in
 * training: the 32 best of 64 episodes of a service, drawn at random. A linear classifier is fitted
 * to the embeddings of buffers from one half of the episodes and judged on those of the other half.
 * Chance is 1/2. As controls the same with shuffled labels, and with the encoder as it was before
 * training.
 */
#include "core/game/game.h"
#include "core/marl/rollout.h"
#include "core/methods/aware_interface.h"
#include "core/methods/aware_learner_parts.h"
#include "tests/unit/game_fixture.h"

#include <math.h>

#define OK(call) assert_int_equal((call), ERR_OK)

enum { N_SERVICES = 4, N_EMBEDDING = 32, N_KEPT = 32, N_DRAWN = 64, STEPS = 50, EPISODE = 10 };
enum { UPDATES = 12, ROLLOUTS = 12, BUFFERS = 40, HALVES = 2, FAMILIES = 2 };
enum { MAX_EPISODES = ROLLOUTS * TILE * STEPS / EPISODE };

#define COMMON                                                                                     \
    "topology:\n"                                                                                  \
    "  demand_scale: 40\n"                                                                         \
    "  services:\n"                                                                                \
    "    - {name: a, cpu_m: 500, ram_mib: 256, capacity_rps: 100, min_replicas: 1,\n"              \
    "       max_replicas: 10, initial_replicas: 4, entry: true, calls: [b, c]}\n"                  \
    "    - {name: b, cpu_m: 400, ram_mib: 512, capacity_rps: 80, min_replicas: 1,\n"               \
    "       max_replicas: 10, initial_replicas: 5, calls: [d]}\n"                                  \
    "    - {name: c, cpu_m: 600, ram_mib: 512, capacity_rps: 150, min_replicas: 1,\n"              \
    "       max_replicas: 10, initial_replicas: 3, calls: [d]}\n"                                  \
    "    - {name: d, cpu_m: 700, ram_mib: 1024, capacity_rps: 300, min_replicas: 1,\n"             \
    "       max_replicas: 10, initial_replicas: 3}\n"                                              \
    "plant: {latency_max_ms: 8000, timeout_s: 80}\n"                                               \
    "game: {horizon: 50}\n"
/* Two families, and the accuracy that is expected at least. With 80 buffers of four services to be
 * judged, a deviation of chance is 0.03. */
static const struct pair {
    const char *name, *worlds[FAMILIES];
    double least;
} pairs[] = {
    {"floods against crashes",
     {COMMON "workload: {mean_rps: 5}\n"
             "scenarios:\n"
             "  - name: floods\n"
             "    events:\n"
             "      - {kind: ddos, quiet_s: {lo: 60, hi: 240}, ramp_s: {lo: 30, hi: 90},\n"
             "         duration_s: {lo: 120, hi: 300}, magnitude: {lo: 2.5, hi: 3.5}}\n",
      COMMON "workload: {mean_rps: 5}\n"
             "scenarios:\n"
             "  - name: crashes\n"
             "    events:\n"
             "      - {kind: crash, service: all, quiet_s: {lo: 60, hi: 240},\n"
             "         ramp_s: {lo: 0, hi: 10}, duration_s: {lo: 120, hi: 300},\n"
             "         magnitude: {lo: 0.1, hi: 0.2}}\n"},
     0.9},
    {"steady load against bursts",
     {COMMON "workload: {mean_rps: 5, noise: 0.1, burst_per_h: 0}\n",
      COMMON "workload: {mean_rps: 5, noise: 0.1, burst_per_h: 20, burst_factor: 3}\n"},
     0.65},
};
enum { PAIRS = sizeof pairs / sizeof *pairs };

/* A world that agents act in: a tile of games. */
struct place {
    struct game_fixture world;
    struct aware_interface aware;
    struct env_spec spec;
    struct env *env;
    struct rollout *rollout;
    struct rollout_tile tile;
    struct block block;
};

static int hidden[] = {64, 64};

static struct aware_cfg config(void)
{
    return (struct aware_cfg){.utilisation_weight = 0.3,
                              .reversal_penalty = 1.0,
                              .hidden = hidden,
                              .n_hidden = 2,
                              .encoder_units = 32,
                              .encoder_layers = 2,
                              .embedding = N_EMBEDDING,
                              .best_episodes = N_KEPT,
                              .episode_steps = EPISODE,
                              .tail = AWARE_TAIL_VALUE,
                              .gamma = 0.99,
                              .clip = 0.2,
                              .entropy = 0.01,
                              .value_weight = 0.05,
                              .lr = 3e-4,
                              .epochs = 5,
                              .minibatches = 4};
}

static void place_open(struct place *p, const char *text, const struct aware_cfg *cfg,
                       uint64_t seed)
{
    game_fixture_open(&p->world, text);
    log_set_sink(NULL, NULL);
    OK(aware_interface_init(&p->aware, &p->world.arena, cfg, &p->world.env_setup, &p->world.rules));
    const struct interface **teams = ARENA_NEW(&p->world.arena, 1, const struct interface *);
    teams[0] = &p->aware.base;
    OK(interface_env_spec(&p->spec, &p->world.arena, teams, 1));
    const struct game_teams who = {
        .env_setup = &p->world.env_setup, .spec = &p->spec, .interfaces = teams};
    OK(game_new_teams(&p->env, &p->world.arena, &who, TILE, seed, NULL));
    OK(block_init(&p->block, &p->world.arena, &p->spec, 0, TILE, STEPS));
}

static void place_people(struct place *p, struct learner *const *learners)
{
    OK(rollout_init(&p->rollout, &p->world.arena, &p->spec, learners));
    p->tile = (struct rollout_tile){.env = p->env};
}

static void place_play(struct place *p, uint32_t update)
{
    const struct rollout_cfg cfg = {.seed = 4};
    OK(rollout_run(p->rollout, (struct block *const[]){&p->block}, &p->tile, &cfg, update, STEPS,
                   TILE));
}

/* ---- a sum over one tile ---- */

static void *one_leaf(void *ctx, int tile)
{
    (void)tile;
    return ((void **)ctx)[0];
}

static void one_done(void *ctx, int tile)
{
    (void)ctx;
    (void)tile;
}

static enum err one_total(void *ctx, void *out)
{
    void **record = ctx;
    memcpy(out, record[0], *(size_t *)record[1]);
    return ERR_OK;
}

static struct reducer one_sum(struct arena *arena, struct learner_sum *sum)
{
    void **ctx = ARENA_NEW(arena, 2, void *);
    ctx[0] = arena_alloc(arena, 1, sum->bytes);
    ctx[1] = &sum->bytes;
    return (struct reducer){.bytes = sum->bytes,
                            .ctx = ctx,
                            .leaf = one_leaf,
                            .leaf_done = one_done,
                            .leaf_skip = one_done,
                            .total = one_total};
}

/* ---- episodes and buffers ---- */

/* Episodes of one family: (N_SERVICES, n, episode). */
struct pool {
    float *episodes;
    int n;
};

/* All whole episodes that the team plays in a place, those of all environments in turn. */
static void collect(struct pool *pool, struct place *p, const struct aware_best_shape *shape,
                    struct arena *arena)
{
    struct aware_best_shape all = *shape;
    struct aware_best best;
    const int n = TILE * STEPS / EPISODE;
    const size_t size = aware_best_episode(shape);
    all.n_kept = n;
    OK(aware_best_init(&best, arena, &all, TILE * STEPS));
    float *list = ARENA_NEW(arena, aware_best_floats(&all), float);
    float *obs = ARENA_NEW(arena, N_SERVICES * TILE * STEPS * AWARE_VALUES, float);
    pool->episodes = ARENA_NEW(arena, (size_t)(N_SERVICES * MAX_EPISODES) * size, float);
    assert_non_null(pool->episodes);
    pool->n = 0;
    for (uint32_t i = 0; i < ROLLOUTS; i++) {
        place_play(p, i);
        for (int s = 0; s < N_SERVICES; s++) {
            for (int row = 0; row < TILE * STEPS; row++) {
                p->aware.spec.obs(NULL, obs + (s * TILE * STEPS + row) * AWARE_VALUES, s,
                                  p->block.global_state + row * p->aware.spec.n_global_state);
            }
        }
        aware_best_of_block(&best, list, &p->block, obs);
        const int n_new = aware_best_count(&all, list, 0);
        for (int s = 0; s < N_SERVICES; s++) {
            memcpy(pool->episodes + (size_t)(s * MAX_EPISODES + pool->n) * size,
                   list + (size_t)(s * n) * size, (size_t)n_new * size * sizeof(float));
        }
        pool->n += n_new;
    }
}

static uint32_t draw(uint32_t a, uint32_t b, uint32_t c)
{
    return rng_philox(rng_key(31, RNG_TEST, RNG_TRAIN), a, b, c, 0).v[0];
}

/* kept (N_SERVICES, N_KEPT, episode): the best of N_DRAWN from one half of a pool. */
static void draw_buffer(float *kept, const struct pool *pool, int half, uint32_t number,
                        const struct aware_best_shape *shape)
{
    const size_t size = aware_best_episode(shape);
    for (int s = 0; s < N_SERVICES; s++) {
        const float *drawn[N_DRAWN];
        for (int k = 0; k < N_DRAWN; k++) {
            const uint32_t n = (uint32_t)pool->n / HALVES;
            const uint32_t i = rng_below(draw((uint32_t)k, number, (uint32_t)s), n);
            drawn[k] = pool->episodes + (size_t)(s * MAX_EPISODES + half * (int)n + (int)i) * size;
        }
        for (int k = 0; k < N_KEPT; k++) {
            int best = 0;
            for (int i = 1; i < N_DRAWN; i++) {
                const bool better =
                    drawn[best] == NULL ||
                    (drawn[i] != NULL && drawn[i][BEST_SCORE] > drawn[best][BEST_SCORE]);
                best = better ? i : best;
            }
            memcpy(kept + (size_t)(s * N_KEPT + k) * size, drawn[best], size * sizeof(float));
            drawn[best] = NULL;
        }
    }
}

/* ---- the classifier ---- */

enum { N_FEATURES = N_EMBEDDING + 1, N_SAMPLES = FAMILIES * BUFFERS };

struct samples {
    double x[N_SAMPLES][N_FEATURES]; /* embedding, 1 */
    double y[N_SAMPLES];             /* family: -1 or 1 */
};

/* w: (X^T X + ridge) w = X^T y by Gaussian elimination; the matrix is positive definite. */
static void fit(double w[N_FEATURES], const struct samples *s)
{
    static double a[N_FEATURES][N_FEATURES + 1];
    memset(a, 0, sizeof a);
    for (int i = 0; i < N_FEATURES; i++) {
        a[i][i] = 1e-2;
    }
    for (int k = 0; k < N_SAMPLES; k++) {
        for (int i = 0; i < N_FEATURES; i++) {
            for (int j = 0; j < N_FEATURES; j++) {
                a[i][j] += s->x[k][i] * s->x[k][j];
            }
            a[i][N_FEATURES] += s->x[k][i] * s->y[k];
        }
    }
    for (int i = 0; i < N_FEATURES; i++) {
        for (int r = i + 1; r < N_FEATURES; r++) {
            const double by = a[r][i] / a[i][i];
            for (int j = i; j <= N_FEATURES; j++) {
                a[r][j] -= by * a[i][j];
            }
        }
    }
    for (int i = N_FEATURES - 1; i >= 0; i--) {
        w[i] = a[i][N_FEATURES];
        for (int j = i + 1; j < N_FEATURES; j++) {
            w[i] -= a[i][j] * w[j];
        }
        w[i] /= a[i][i];
    }
}

static double accuracy(const double w[N_FEATURES], const struct samples *s)
{
    int right = 0;
    for (int k = 0; k < N_SAMPLES; k++) {
        double sum = 0.0;
        for (int i = 0; i < N_FEATURES; i++) {
            sum += w[i] * s->x[k][i];
        }
        right += (sum > 0.0) == (s->y[k] > 0.0) ? 1 : 0;
    }
    return (double)right / N_SAMPLES;
}

/* Mean over services of the accuracy on the second half, by the actor's encoder of these
 * parameters. */
static double probe(struct aware_learner *a, const float *params, const struct pool *pools,
                    bool shuffled, struct arena *arena)
{
    static struct samples samples[HALVES][N_SERVICES];
    const struct aware_best_shape *shape = &a->shape;
    float *kept = ARENA_NEW(arena, aware_best_floats(shape), float);
    float embedding[N_SERVICES * N_EMBEDDING];
    struct aware_update *u = a->update;
    double sum = 0.0;
    for (int i = 0; i < HALVES * FAMILIES * BUFFERS; i++) {
        const int half = i / N_SAMPLES, k = i % N_SAMPLES, family = k / BUFFERS;
        draw_buffer(kept, &pools[family], half, (uint32_t)i, shape);
        aware_sequences_fill(&u->sequences, kept);
        aware_net_embed(&a->nets.net[0], &u->encoding[0], embedding, params, &u->sequences);
        const bool second = shuffled ? draw((uint32_t)i, 77, 0) % 2 == 0 : family == 1;
        for (int s = 0; s < N_SERVICES; s++) {
            for (int j = 0; j < N_EMBEDDING; j++) {
                samples[half][s].x[k][j] = (double)embedding[s * N_EMBEDDING + j];
            }
            samples[half][s].x[k][N_EMBEDDING] = 1.0;
            samples[half][s].y[k] = second ? 1.0 : -1.0;
        }
    }
    for (int s = 0; s < N_SERVICES; s++) {
        double w[N_FEATURES];
        fit(w, &samples[0][s]);
        sum += accuracy(w, &samples[1][s]);
    }
    return sum / N_SERVICES;
}

/* A team trained on both families in turn. */
static struct aware_learner *train(struct place *families, const struct aware_cfg *cfg,
                                   struct reducer *sums, float **untrained, struct arena *arena)
{
    const struct aware_plan plan = {
        .cfg = cfg, .spec = &families[0].aware.spec, .heuristic_at = -1, .learns = true};
    const struct learn_args args = {.phase = LEARN_ALL, .lr = -1.0, .lr_end = -1.0};
    struct learner *learner;
    struct learner **acting = ARENA_NEW(arena, 1, struct learner *);
    OK(aware_learner_new(&learner, arena, &plan, 6, arena));
    acting[0] = learner;
    for (int f = 0; f < FAMILIES; f++) {
        place_people(&families[f], acting);
    }
    for (int i = 0; i < learner->n_sums; i++) {
        sums[i] = one_sum(arena, &learner->sums[i]);
    }
    const struct learner_batch batch = {
        .seed = 6, .n_env = TILE, .n_steps = STEPS, .group = 1, .n_mine = 1, .sums = sums};
    OK(learner->ops->prepare(learner, arena, &batch));
    struct aware_learner *a = (struct aware_learner *)learner;
    *untrained = ARENA_NEW(arena, a->nets.n_learned, float);
    memcpy(*untrained, a->w.params, a->nets.n_learned * sizeof(float));
    for (uint32_t i = 0; i < UPDATES; i++) {
        struct place *p = &families[i % FAMILIES];
        struct learn_stats stats;
        place_play(p, i);
        OK(learner->ops->learn(learner, &p->block, &args, &stats));
    }
    return a;
}

static void probe_pair(const struct pair *pair)
{
    static struct place families[FAMILIES];
    static struct pool pools[FAMILIES];
    const struct aware_cfg cfg = config();
    struct reducer sums[LEARNER_SUMS_MAX];
    float *untrained;
    for (int f = 0; f < FAMILIES; f++) {
        place_open(&families[f], pair->worlds[f], &cfg, 2);
    }
    struct arena *arena = &families[0].world.arena;
    struct aware_learner *a = train(families, &cfg, sums, &untrained, arena);
    for (int f = 0; f < FAMILIES; f++) {
        collect(&pools[f], &families[f], &a->shape, arena);
    }
    const double trained = probe(a, a->w.params, pools, false, arena);
    const double before = probe(a, untrained, pools, false, arena);
    const double chance = probe(a, a->w.params, pools, true, arena);
    print_message("%s, %d buffers of %d episodes each, %d and %d episodes: accuracy %.3f, "
                  "untrained encoder %.3f, shuffled labels %.3f, chance 0.5\n",
                  pair->name, BUFFERS, N_KEPT, pools[0].n, pools[1].n, trained, before, chance);
    assert_true(trained > pair->least);
    assert_true(fabs(chance - 0.5) < 0.12);
    for (int f = FAMILIES - 1; f >= 0; f--) {
        game_fixture_close(&families[f].world);
    }
}

static void test_probe(void **state)
{
    (void)state;
    for (int i = 0; i < PAIRS; i++) {
        probe_pair(&pairs[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_probe)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
