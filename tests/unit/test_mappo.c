/* The update: same bits however tiles are dealt, exact ratios, gradients, weights of samples.
 *
 * Several learners are threads whose reducer meets at a barrier and sums the tree of tiles by its
 * definition; so this also checks reduce_serial() from outside.
 */
#include "core/marl/mappo_parts.h"
#include "tests/unit/heard.h"
#include "tests/unit/toy_learner.h"

#include <math.h>
#include <pthread.h>

enum { N_ENV = 37, N_TILES = 5, T = 9, LEARNERS_MAX = 4 };

static int hidden[] = {20, 12};

/* ---- learners as threads ---- */

struct meeting { /* what all learners share */
    struct reduce_shape shape;
    unsigned char *leaves; /* (N_TILES) records */
    bool *empty;           /* (N_TILES) */
    int n_tiles;
    pthread_barrier_t barrier;
};

static void *meeting_leaf(void *ctx, int tile)
{
    struct meeting *m = ctx;
    return m->leaves + (size_t)tile * reduce_bytes(&m->shape);
}

static void meeting_leaf_done(void *ctx, int tile)
{
    ((struct meeting *)ctx)->empty[tile] = false;
}

static void meeting_leaf_skip(void *ctx, int tile)
{
    ((struct meeting *)ctx)->empty[tile] = true;
}

/* Node (level, i) into the place of its first leaf. */
static void sum_node(struct meeting *m, int level, int i)
{
    if (level == 0) {
        return;
    }
    const int left = (2 * i) << (level - 1), right = (2 * i + 1) << (level - 1);
    sum_node(m, level - 1, 2 * i);
    if (right >= m->n_tiles) {
        return;
    }
    sum_node(m, level - 1, 2 * i + 1);
    void *sum = meeting_leaf(m, left);
    const void *added = meeting_leaf(m, right);
    if (!m->empty[left] && !m->empty[right]) {
        reduce_merge(&m->shape, sum, sum, added);
    } else if (!m->empty[right]) {
        memcpy(sum, added, reduce_bytes(&m->shape));
        m->empty[left] = false;
    }
}

static enum err meeting_total(void *ctx, void *out)
{
    struct meeting *m = ctx;
    if (pthread_barrier_wait(&m->barrier) == PTHREAD_BARRIER_SERIAL_THREAD) {
        sum_node(m, 6, 0);
    }
    pthread_barrier_wait(&m->barrier);
    memcpy(out, m->leaves, reduce_bytes(&m->shape));
    pthread_barrier_wait(&m->barrier);
    return ERR_OK;
}

static struct reducer meeting_init(struct meeting *m, struct arena *arena,
                                   const struct reduce_shape *s, int n_tiles, int n_learners)
{
    *m = (struct meeting){.shape = *s, .n_tiles = n_tiles};
    m->leaves = arena_alloc(arena, (size_t)n_tiles, reduce_bytes(s));
    m->empty = ARENA_NEW(arena, n_tiles, bool);
    pthread_barrier_init(&m->barrier, NULL, (unsigned)n_learners);
    return (struct reducer){.bytes = reduce_bytes(s),
                            .ctx = m,
                            .leaf = meeting_leaf,
                            .leaf_done = meeting_leaf_done,
                            .leaf_skip = meeting_leaf_skip,
                            .total = meeting_total};
}

struct one_learner {
    struct team team;
    struct mappo *mappo;
    struct block block[N_TILES];
    enum mappo_phase phase;
    struct mappo_stats stats;
    enum err err;
};

static void *learner_run(void *arg)
{
    struct one_learner *l = arg;
    l->err = mappo_update(l->mappo, l->block, l->phase, 0.25, &l->stats);
    return NULL;
}

/* ---- a run of some updates ---- */

struct setting {
    const struct toy_shape *shape;
    struct team_cfg team;
    struct mappo_cfg cfg;
    int n_learners;
    const int *owner; /* (N_TILES) */
};

struct outcome {
    uint64_t digest[LEARNERS_MAX];
    struct mappo_stats stats[4];
};

static void copy_weights(struct team *to, const struct team *from)
{
    weights_copy(&to->w, &from->w);
    team_refresh(to);
}

static void learners_init(struct one_learner *l, const struct setting *s, struct arena *arena,
                          const struct team_spec *spec, struct meeting meet[2])
{
    struct reduce_shape grad_shape, batch_shape;
    for (int i = 0; i < s->n_learners; i++) {
        OK(team_init(&l[i].team, arena, &s->team, spec));
    }
    mappo_shapes(&l[0].team, &grad_shape, &batch_shape);
    struct reducer grad = meeting_init(&meet[0], arena, &grad_shape, N_TILES, s->n_learners);
    struct reducer batch = meeting_init(&meet[1], arena, &batch_shape, N_TILES, s->n_learners);
    for (int i = 0; i < s->n_learners; i++) {
        int n_mine = 0;
        for (int tile = 0; tile < N_TILES; tile++) {
            n_mine += s->owner[tile] == i;
        }
        OK(mappo_init(&l[i].mappo, arena, &s->cfg, &l[i].team, 17, N_ENV, T, n_mine, &grad,
                      &batch));
    }
}

static void update_together(struct one_learner *l, const struct setting *s,
                            const struct toy_run *run, enum mappo_phase phase)
{
    pthread_t thread[LEARNERS_MAX];
    for (int i = 0; i < s->n_learners; i++) {
        int n = 0;
        for (int tile = 0; tile < N_TILES; tile++) {
            if (s->owner[tile] == i) {
                l[i].block[n++] = run->block[tile];
            }
        }
        l[i].phase = phase;
        assert_int_equal(pthread_create(&thread[i], NULL, learner_run, &l[i]), 0);
    }
    for (int i = 0; i < s->n_learners; i++) {
        assert_int_equal(pthread_join(thread[i], NULL), 0);
        OK(l[i].err);
    }
}

/* A warm-up, a clone, a value-only and a PPO update. */
static struct outcome run_setting(const struct setting *s)
{
    static const enum mappo_phase phase[] = {MAPPO_WARMUP, MAPPO_CLONE, MAPPO_VALUE, MAPPO_PPO};
    struct arena arena;
    struct toy_run run;
    struct team_spec spec = toy_spec(s->shape);
    struct env_spec env = toy_env_spec(&spec);
    struct one_learner l[LEARNERS_MAX];
    struct meeting meet[2];
    struct outcome out = {0};
    arena_init(&arena);
    OK(toy_run_init(&run, &arena, &s->team, s->shape, &env, N_ENV, T));
    learners_init(l, s, &arena, &spec, meet);
    for (int i = 0; i < s->n_learners; i++) {
        copy_weights(&l[i].team, &run.team);
    }
    for (int u = 0; u < 4; u++) {
        struct rollout_cfg cfg = {.seed = 3, .random_share = 0.3};
        cfg.mode = phase[u] == MAPPO_CLONE ? ROLLOUT_DEMONSTRATE : ROLLOUT_POLICY;
        OK(toy_run_rollout(&run, &cfg, run.team.w.version));
        update_together(l, s, &run, phase[u]);
        copy_weights(&run.team, &l[0].team);
        out.stats[u] = l[0].stats;
    }
    for (int i = 0; i < s->n_learners; i++) {
        out.digest[i] = team_digest(&l[i].team);
        assert_true(out.digest[i] == out.digest[0]);
        assert_int_equal(l[i].team.w.version, 4);
    }
    arena_release(&arena);
    return out;
}

static const int all_mine[] = {0, 0, 0, 0, 0};

static struct setting setting(void)
{
    return (struct setting){.shape = &toy_three,
                            .team = toy_team_cfg(hidden, 2, 64),
                            .cfg = toy_mappo_cfg(),
                            .n_learners = 1,
                            .owner = all_mine};
}

/* Central or local critic, shared or separate actors, one agent or three. */
static struct setting variant(int i)
{
    struct setting s = setting();
    s.team.share_actor = i % 2 == 1;
    s.team.critic = i / 2 % 2 == 1 ? CRITIC_LOCAL : CRITIC_CENTRAL;
    s.shape = i / 4 == 1 ? &toy_alone : &toy_three;
    return s;
}
enum { N_VARIANTS = 8 };

static void test_dealing_tiles(void **state)
{
    (void)state;
    static const int owner[3][N_TILES] = {{0, 0, 1, 1, 1}, {0, 1, 2, 0, 1}, {3, 2, 1, 0, 0}};
    static const int n_learners[] = {2, 3, 4};
    for (int v = 0; v < N_VARIANTS; v++) {
        struct setting s = variant(v);
        uint64_t expected = run_setting(&s).digest[0];
        for (int i = v == 0 ? 0 : 2; i < 3; i++) { /* all ways to deal for the default only */
            s.n_learners = n_learners[i];
            s.owner = owner[i];
            assert_true(run_setting(&s).digest[0] == expected);
        }
    }
}

static void test_row_block(void **state)
{
    (void)state;
    static const int blocks[] = {16, 256};
    for (int v = 0; v < N_VARIANTS; v++) {
        struct setting s = variant(v);
        uint64_t expected = run_setting(&s).digest[0];
        for (int i = 0; i < 2; i++) {
            s.team.row_block = blocks[i];
            assert_true(run_setting(&s).digest[0] == expected);
        }
    }
}

/* What the learner recomputes is what the worker saw, bit by bit. */
static void test_first_ratio_is_one(void **state)
{
    (void)state;
    for (int v = 0; v < N_VARIANTS; v++) {
        struct setting s = variant(v);
        struct outcome out = run_setting(&s);
        assert_true(out.stats[3].ratio_max_dev == 0.0);
        assert_true(out.stats[3].kl > 0.0); /* later minibatches do differ */
        assert_true(out.stats[3].clip_fraction >= 0.0 && out.stats[3].entropy > 0.0);
        assert_true(fabs(out.stats[3].lr - (3e-3 + 0.25 * (3e-4 - 3e-3))) < 1e-15);
    }
}

/* ---- one process ---- */

static void setup(struct toy_learner *f, struct setting s)
{
    const struct rollout_cfg rollout = {.seed = 3};
    arena_init(&f->arena);
    f->team_cfg = s.team;
    f->cfg = s.cfg;
    toy_learner_init(f, s.shape, N_ENV, T);
    OK(toy_run_rollout(&f->run, &rollout, 0));
}

static void test_allocates_nothing(void **state)
{
    (void)state;
    struct toy_learner f;
    struct mappo_stats stats;
    setup(&f, setting());
    uint64_t calls = mem_calls();
    OK(mappo_update(f.mappo, f.run.block, MAPPO_PPO, 0.0, &stats));
    assert_true(mem_calls() == calls);
    arena_release(&f.arena);
}

/* Loss of one tile's leaf: all its environments are in minibatch 0. */
static double leaf_loss(struct toy_learner *f, float *leaf, enum mappo_phase phase)
{
    const struct team *t = &f->run.team;
    double sum = 0.0;
    gradient_leaf(f->mappo, leaf, 0, &f->run.block[0], 0, phase);
    for (int a = 0; a < t->spec->n_agents; a++) {
        sum += (double)record_agent_sums(t, leaf, SUM_LOSS)[a];
        if (phase == MAPPO_PPO) {
            sum -= f->cfg.entropy * (double)record_agent_sums(t, leaf, SUM_ENTROPY)[a];
        }
    }
    return sum + (double)record_value_sums(t, leaf)[SUM_VALUE_LOSS];
}

/* The whole leaf against central differences of the loss it reports. Losses are sums of some
 * hundred float terms, so differences are good to about 1e-3 of the largest gradient. */
static void check_leaf(struct setting s, enum mappo_phase phase)
{
    struct toy_learner f;
    s.cfg.entropy = 0.05;
    s.cfg.value_clip = 10; /* the kinks of clipping are test_loss.c's */
    setup(&f, s);
    struct team *t = &f.run.team;
    for (size_t i = 0; i < t->w.n_params; i++) { /* away from the start, where policies are flat */
        t->w.params[i] += t->w.params[i] != 0.0f ? 0.05f * sinf((float)i) : 0.0f;
    }
    OK(batch_collect(f.mappo, f.run.block));
    batch_prepare(f.mappo, f.run.block);
    float *leaf = arena_alloc(&f.arena, 1, f.mappo->grad.bytes);
    float *grad = ARENA_NEW(&f.arena, t->w.n_params, float);
    leaf_loss(&f, leaf, phase);
    memcpy(grad, leaf, t->w.n_params * sizeof(float));
    double largest = 0.0;
    for (size_t i = 0; i < t->w.n_params; i++) {
        largest = fmax(largest, fabs((double)grad[i]));
    }
    for (size_t i = 0; i < t->w.n_params; i += 29) {
        float kept = t->w.params[i];
        if (kept == 0.0f && grad[i] == 0.0f) {
            continue; /* a gap */
        }
        t->w.params[i] = kept + 0x1p-8f;
        double up = leaf_loss(&f, leaf, phase);
        t->w.params[i] = kept - 0x1p-8f;
        double down = leaf_loss(&f, leaf, phase);
        t->w.params[i] = kept;
        assert_true(fabs((up - down) * 0x1p7 - (double)grad[i]) < 5e-3 * largest);
    }
    arena_release(&f.arena);
}

static void test_leaf_gradient(void **state)
{
    (void)state;
    for (int v = 0; v < N_VARIANTS; v++) {
        check_leaf(variant(v), MAPPO_PPO);
        check_leaf(variant(v), MAPPO_CLONE);
    }
}

/* An agent that never has a choice learns nothing, whatever its rewards; the others do not notice
 * its advantages. */
static void test_no_choice_no_weight(void **state)
{
    (void)state;
    struct toy_learner f;
    struct mappo_stats stats;
    setup(&f, setting());
    struct team *t = &f.run.team;
    size_t n = t->actor.n_params;
    float *before = ARENA_NEW(&f.arena, t->w.n_params, float);
    memcpy(before, t->w.params, t->w.n_params * sizeof(float));
    for (int i = 0; i < N_TILES; i++) {
        struct block *b = &f.run.block[i];
        for (int row = 0; row < b->n_env * T; row++) {
            for (int factor = 0; factor < 2; factor++) { /* agent 1 */
                int at = (row * 3 + 1) * 2 + factor;
                b->mask[at] = 1U << b->action[at];
            }
        }
    }
    OK(mappo_update(f.mappo, f.run.block, MAPPO_PPO, 0.0, &stats));
    assert_memory_not_equal(before, t->w.params, n * sizeof(float));
    assert_memory_equal(before + n, t->w.params + n, n * sizeof(float));
    assert_memory_not_equal(before + 2 * n, t->w.params + 2 * n, n * sizeof(float));
    arena_release(&f.arena);
}

/* Changing the advantage of a sample without a choice changes no actor. */
static void test_weight_of_samples(void **state)
{
    (void)state;
    struct toy_learner f[2];
    struct mappo_stats stats;
    int n_changed = 0;
    for (int k = 0; k < 2; k++) {
        struct setting s = setting();
        s.cfg.lambda = 0.0; /* a reward belongs to one advantage */
        s.cfg.gamma = 0.0;
        setup(&f[k], s);
        const struct block *b = &f[k].run.block[2];
        for (int i = 0; i < b->n_env * T * 3 && k == 1; i++) {
            bool one = true;
            for (int factor = 0; factor < 2; factor++) {
                one = one && __builtin_popcount(b->mask[i * 2 + factor]) == 1;
            }
            b->reward[i] += one ? 5.0f : 0.0f;
            n_changed += one;
        }
        OK(mappo_update(f[k].mappo, f[k].run.block, MAPPO_PPO, 0.0, &stats));
    }
    size_t critic = f[0].run.team.critic_at[0];
    assert_true(n_changed > 20);
    assert_memory_equal(f[0].run.team.w.params, f[1].run.team.w.params, critic * sizeof(float));
    assert_true(team_digest(&f[0].run.team) != team_digest(&f[1].run.team)); /* the critic's did */
    arena_release(&f[0].arena);
    arena_release(&f[1].arena);
}

/* ---- statistics ---- */

static void test_batch_statistics(void **state)
{
    (void)state;
    struct toy_learner f;
    struct mappo_stats stats;
    setup(&f, setting());
    OK(mappo_update(f.mappo, f.run.block, MAPPO_PPO, 0.0, &stats));
    double sum[3] = {0}, square[3] = {0}, n[3] = {0}, reward = 0.0, column = 0.0, rows = 0.0;
    for (int i = 0; i < N_TILES; i++) {
        const struct block *b = &f.run.block[i];
        for (int j = 0; j < b->n_env * T * 3; j++) {
            bool one = __builtin_popcount(b->mask[2 * j]) == 1 &&
                       __builtin_popcount(b->mask[2 * j + 1]) == 1;
            double a = (double)b->advantage[j];
            sum[j % 3] += one ? 0.0 : a;
            square[j % 3] += one ? 0.0 : a * a;
            n[j % 3] += one ? 0.0 : 1.0;
            reward += (double)b->reward[j] / 3;
        }
        for (int row = 0; row < b->n_env * T; row++) {
            column += (double)b->global_state[row * 10 + 4];
            rows += 1.0;
        }
    }
    for (int a = 0; a < 3; a++) {
        double mean = sum[a] / n[a], sd = sqrt(square[a] / n[a] - mean * mean);
        assert_true(fabs((double)f.mappo->adv_mean[a] - mean) < 1e-6);
        assert_true(fabs((double)f.mappo->adv_scale[a] * (sd + 1e-5) - 1.0) < 1e-5);
    }
    assert_true(fabs(stats.reward - reward / rows) < 1e-6);
    const struct weights *w = &f.run.team.w;
    assert_true(w->global_state_stats[4] == rows); /* merged at the end of the update */
    assert_true(fabs(w->global_state_stats[6 + 4] - column / rows) < 1e-6);
    assert_true(fabs((double)f.run.team.norm.mean[4] - column / rows) < 1e-5); /* and in force */
    arena_release(&f.arena);
}

/* WARMUP moves nothing but the row statistics, VALUE no actor. */
static void test_phases(void **state)
{
    (void)state;
    struct toy_learner f;
    struct mappo_stats stats;
    setup(&f, setting());
    struct team *t = &f.run.team;
    size_t n_bytes = t->w.n_params * sizeof(float);
    float *before = ARENA_NEW(&f.arena, t->w.n_params, float);
    memcpy(before, t->w.params, n_bytes);
    OK(mappo_update(f.mappo, f.run.block, MAPPO_WARMUP, 0.0, &stats));
    assert_memory_equal(before, t->w.params, n_bytes);
    assert_true(t->w.value_norm[0] == 0.0 && t->w.global_state_stats[0] == N_ENV * T);
    assert_int_equal(t->w.version, 1);

    size_t critic = t->critic_at[0];
    OK(mappo_update(f.mappo, f.run.block, MAPPO_VALUE, 0.0, &stats));
    assert_memory_equal(before, t->w.params, critic * sizeof(float));
    assert_memory_not_equal(before + critic, t->w.params + critic,
                            t->critic.n_params * sizeof(float));
    assert_true(t->w.value_norm[0] > 0.0);
    assert_int_equal(t->w.version, 2);
    float *m1, *m2;
    uint64_t *steps;
    mappo_optimiser(f.mappo, &m1, &m2, &steps);
    assert_true(*steps == 8); /* 2 epochs x 4 minibatches of the critic, none of the actors */
    assert_true(m1[0] == 0.0f && m2[critic] > 0.0f);
    arena_release(&f.arena);
}

static void test_popart_keeps_values(void **state)
{
    (void)state;
    for (int v = 0; v < 4; v++) {
        struct toy_learner f;
        struct mappo_stats stats;
        struct team_scratch *s;
        float before[TILE * 3], after[TILE * 3];
        setup(&f, variant(v));
        struct team *t = &f.run.team;
        f.cfg.lr = f.cfg.lr_end = 0.0;
        OK(mappo_update(f.mappo, f.run.block, MAPPO_WARMUP, 0.0, &stats));
        OK(team_scratch_init(&s, &f.arena, t, TILE));
        team_value(t, s, before, f.run.block[0].global_state, NULL, TILE);
        OK(batch_collect(f.mappo, f.run.block));
        batch_prepare(f.mappo, f.run.block);
        team_value(t, s, after, f.run.block[0].global_state, NULL, TILE);
        assert_true(t->w.value_norm[t->n_cols] != 0.0); /* the mean did move */
        for (int i = 0; i < TILE * 3; i++) {
            assert_true(fabsf(before[i] - after[i]) < 1e-5f);
        }
        arena_release(&f.arena);
    }
}

/* Without PopArt the critic learns the returns themselves. */
static void test_raw_values(void **state)
{
    (void)state;
    struct toy_learner f;
    struct mappo_stats stats;
    setup(&f, setting());
    const struct weights *w = &f.run.team.w;
    f.cfg.raw_values = true;
    OK(mappo_update(f.mappo, f.run.block, MAPPO_PPO, 0.0, &stats));
    for (size_t i = 0; i < w->n_value_norm; i++) {
        assert_true(w->value_norm[i] == 0.0);
    }
    const struct block *b = &f.run.block[0];
    assert_memory_equal(f.mappo->tiles[0].target, b->target,
                        (size_t)(b->n_env * b->n_steps * 3) * sizeof(float));
    arena_release(&f.arena);
}

/* Every environment is in one minibatch of each epoch, and epochs differ. */
static void test_minibatches(void **state)
{
    (void)state;
    struct setting s = setting();
    struct toy_learner f;
    struct mappo_stats stats;
    int first[N_ENV], count[4] = {0};
    s.cfg.epochs = 1;
    setup(&f, s);
    OK(mappo_update(f.mappo, f.run.block, MAPPO_PPO, 0.0, &stats));
    memcpy(first, f.mappo->minibatch_of, sizeof(first));
    for (int i = 0; i < N_ENV; i++) {
        assert_true(first[i] >= 0 && first[i] < 4);
        count[first[i]]++;
    }
    for (int i = 0; i < 4; i++) {
        assert_in_range(count[i], N_ENV / 4, N_ENV / 4 + 1);
    }
    OK(mappo_update(f.mappo, f.run.block, MAPPO_PPO, 0.0, &stats));
    assert_memory_not_equal(first, f.mappo->minibatch_of, sizeof(first));
    arena_release(&f.arena);
}

/* 6 tiles, the last one of 5 environments, in 3 minibatches: each minibatch gets one whole tile of
 * the first three and one of the last three. Every deal is met; the halves are dealt apart. */
static void test_minibatches_of_tiles(void **state)
{
    (void)state;
    enum { ENVS = 5 * TILE + 5, MINIBATCHES = 3, EPOCHS = 200 };
    struct setting s = setting();
    struct toy_learner f = {.cfg = s.cfg, .team_cfg = s.team};
    int met[MINIBATCHES] = {0}, together = 0;
    f.cfg.minibatches = MINIBATCHES;
    arena_init(&f.arena);
    toy_learner_init(&f, s.shape, ENVS, T);
    assert_int_equal(mappo_n_minibatches(f.mappo), MINIBATCHES);
    for (int epoch = 0; epoch < EPOCHS; epoch++) {
        const int *minibatch_of = mappo_minibatches(f.mappo, 3, epoch);
        for (int e = 0; e < ENVS; e++) {
            assert_int_equal(minibatch_of[e], minibatch_of[e / TILE * TILE]);
        }
        for (int half = 0; half < 2; half++) {
            int sum = 0;
            for (int tile = 3 * half; tile < 3 * half + 3; tile++) {
                sum += 1 << 2 * minibatch_of[tile * TILE];
            }
            assert_int_equal(sum, 1 + 4 + 16);
        }
        met[minibatch_of[0]]++;
        together += minibatch_of[0] == minibatch_of[3 * TILE];
    }
    for (int minibatch = 0; minibatch < MINIBATCHES; minibatch++) {
        assert_in_range(met[minibatch], EPOCHS / 3 - 30, EPOCHS / 3 + 30); /* 4.5 deviations */
    }
    assert_in_range(together, EPOCHS / 3 - 30, EPOCHS / 3 + 30);
    arena_release(&f.arena);
}

/* ---- trouble ---- */

static void test_not_finite(void **state)
{
    (void)state;
    struct heard heard;
    struct toy_learner f;
    struct mappo_stats stats = {.lr = 42};
    setup(&f, setting());
    heard_begin(&heard);
    float kept = f.run.block[1].reward[5];
    f.run.block[1].reward[5] = NAN;
    assert_int_equal(mappo_update(f.mappo, f.run.block, MAPPO_PPO, 0.0, &stats), ERR_NUMERIC);
    assert_non_null(strstr(heard.last, "agent 'c'"));
    assert_non_null(strstr(mappo_fault(f.mappo), "of agent 'c'"));
    f.run.block[1].reward[5] = kept;
    for (int i = 0; i < TILE; i++) {
        f.run.block[3].logp[i] = NAN;
    }
    assert_int_equal(mappo_update(f.mappo, f.run.block, MAPPO_PPO, 0.0, &stats), ERR_NUMERIC);
    assert_non_null(strstr(heard.last, "the gradient of the actor of agent 'a' is not finite"));
    assert_true(stats.lr == 42);
    heard_end();
    arena_release(&f.arena);
}

/* The last step of an update may leave what no later gradient shows. */
static void test_last_step_not_finite(void **state)
{
    (void)state;
    struct heard heard;
    struct toy_learner f;
    struct setting s = setting();
    struct mappo_stats stats;
    s.cfg.epochs = s.cfg.minibatches = 1;
    s.cfg.lr = s.cfg.lr_end = 1e300;
    setup(&f, s);
    heard_begin(&heard);
    assert_int_equal(team_find_not_finite(f.mappo->team), -1);
    assert_int_equal(mappo_update(f.mappo, f.run.block, MAPPO_PPO, 0.0, &stats), ERR_NUMERIC);
    assert_non_null(strstr(mappo_fault(f.mappo), "a weight of the "));
    assert_true(team_find_not_finite(f.mappo->team) >= 0);
    heard_end();
    arena_release(&f.arena);
}

/* An agent that always does the same is found by its entropy. */
static void test_collapsed_agent(void **state)
{
    (void)state;
    struct toy_learner f;
    struct setting s = setting();
    struct mappo_stats stats;
    s.cfg.epochs = 2;
    setup(&f, s);
    OK(mappo_update(f.mappo, f.run.block, MAPPO_PPO, 0.0, &stats));
    assert_true(stats.entropy_agent >= 0 && stats.entropy_least > 0.05);
    assert_true(stats.entropy_least <= stats.entropy * 1.5);
    arena_release(&f.arena);
    s.cfg.lr = s.cfg.lr_end = 1.0;
    s.cfg.epochs = 60;
    setup(&f, s);
    OK(mappo_update(f.mappo, f.run.block, MAPPO_PPO, 0.0, &stats));
    assert_true(stats.entropy_agent >= 0 && stats.entropy_least < 0.05);
    arena_release(&f.arena);
}

static void test_defaults(void **state)
{
    (void)state;
    struct arena arena;
    struct cfg c;
    struct mappo_cfg cfg;
    arena_init(&arena);
    cfg_init(&c, mappo_fields, sizeof(cfg), &arena);
    OK(cfg_load(&c, NULL, NULL, 0, &cfg));
    assert_true(cfg.lr == 1e-3 && cfg.lr_end == 1e-4 && cfg.clip == 0.2);
    assert_true(cfg.gamma == 0.95 && cfg.lambda == 0.95 && cfg.entropy == 0.003);
    assert_true(cfg.grad_norm == 0.5 && cfg.adam_eps == 1e-5 && cfg.huber_delta == 10);
    assert_true(cfg.epochs == 4 && cfg.minibatches == 4);
    arena_release(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dealing_tiles),
        cmocka_unit_test(test_row_block),
        cmocka_unit_test(test_first_ratio_is_one),
        cmocka_unit_test(test_allocates_nothing),
        cmocka_unit_test(test_leaf_gradient),
        cmocka_unit_test(test_no_choice_no_weight),
        cmocka_unit_test(test_weight_of_samples),
        cmocka_unit_test(test_batch_statistics),
        cmocka_unit_test(test_phases),
        cmocka_unit_test(test_popart_keeps_values),
        cmocka_unit_test(test_raw_values),
        cmocka_unit_test(test_minibatches),
        cmocka_unit_test(test_minibatches_of_tiles),
        cmocka_unit_test(test_not_finite),
        cmocka_unit_test(test_last_step_not_finite),
        cmocka_unit_test(test_collapsed_agent),
        cmocka_unit_test(test_defaults),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
