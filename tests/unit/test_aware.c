/* AWARE without a cluster: lists of best episodes, gradients through the encoder, and what only an
 * embedding can tell.
 *
 * In the test's world there are two families of services. What an agent observes says nothing about
 * its family: an agent of the one is paid for following the sign of an input, an agent of the other
 * for opposing it. All agents share their weights, so without an embedding the best they can do is
 * to be right half of the time.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/hash.h"
#include "core/base/log.h"
#include "core/marl/rollout.h"
#include "core/methods/aware_learner.h"
#include "core/methods/aware_learner_parts.h"
#include "tests/unit/heard.h"

#define OK(call) assert_int_equal((call), ERR_OK)

enum { AGENTS = 4, OBS = 3, CHOICES = 3, ROW = AGENTS * OBS + AGENTS, HORIZON = 20 };

static float draw(uint32_t a, uint32_t b, uint32_t c, uint32_t d)
{
    const struct rng_key key = rng_key(23, RNG_TEST, RNG_TRAIN);
    return 2.0F * rng_f32(rng_philox(key, a, b, c, d).v[0]) - 1.0F;
}

/* ---- the world ---- */

struct world {
    struct env env; /* first */
    uint32_t gid[TILE], episode[TILE];
    int step[TILE];
    int heuristic_right; /* agents whose heuristic does the right thing; the others do nothing */
};

/* 1 follows, 2 opposes. */
static int right_choice(const struct world *w, int lid, int agent)
{
    const float x =
        draw((uint32_t)(w->step[lid] * AGENTS + agent), 1, w->episode[lid], w->gid[lid]);
    const bool follows = agent % 2 == 0;
    return (x > 0.0F) == follows ? 1 : 2;
}

static void world_obs(const void *ctx, float *obs, int agent, const float *row)
{
    (void)ctx;
    memcpy(obs, row + agent * OBS, OBS * sizeof *obs);
}

static void world_critic(const void *ctx, float *out, const float *row)
{
    (void)ctx;
    memcpy(out, row, ROW * sizeof *out);
}

static enum err world_reset(struct env *e, int lid, uint32_t gid, uint32_t episode, int steps)
{
    struct world *w = (struct world *)e;
    (void)steps;
    w->gid[lid] = gid;
    w->episode[lid] = episode;
    w->step[lid] = 0;
    return ERR_OK;
}

static void world_state(struct env *e, int lid, int team, float *row, uint32_t *mask)
{
    const struct world *w = (struct world *)e;
    (void)team;
    for (int a = 0; a < AGENTS; a++) {
        const float x =
            draw((uint32_t)(w->step[lid] * AGENTS + a), 1, w->episode[lid], w->gid[lid]);
        row[a * OBS] = x > 0.0F ? 1.0F : -1.0F;
        row[a * OBS + 1] =
            draw((uint32_t)(w->step[lid] * AGENTS + a), 2, w->episode[lid], w->gid[lid]);
        row[a * OBS + 2] = 1.0F;
        row[AGENTS * OBS + a] = a < w->heuristic_right ? (float)right_choice(w, lid, a) : 0.0F;
        mask[a] = 7;
    }
}

static enum err world_step(struct env *e, const int32_t *const *action, float *const *reward,
                           uint8_t *flag)
{
    struct world *w = (struct world *)e;
    for (int lid = 0; lid < e->n_env; lid++) {
        for (int a = 0; a < AGENTS; a++) {
            const int i = lid * AGENTS + a;
            reward[0][i] = action[0][i] == right_choice(w, lid, a) ? 1.0F : 0.0F;
        }
        w->step[lid]++;
        flag[lid] = w->step[lid] == HORIZON ? ENV_TRUNCATED : ENV_RUNNING;
    }
    return ERR_OK;
}

static const struct env_ops world_ops = {
    .reset = world_reset, .global_state = world_state, .step = world_step};

/* ---- a training in one process ---- */

static int hidden[] = {32, 32};

static struct aware_cfg small_cfg(void)
{
    return (struct aware_cfg){.hidden = hidden,
                              .n_hidden = 2,
                              .encoder_units = 16,
                              .encoder_layers = 2,
                              .embedding = 8,
                              .best_episodes = 8,
                              .episode_steps = 5,
                              .gamma = 0.5,
                              .clip = 0.2,
                              .entropy = 0.003,
                              .value_weight = 0.05,
                              .lr = 3e-3,
                              .epochs = 3,
                              .minibatches = 4,
                              .bootstrap = {.episodes = 20, .trial_share = 0.25},
                              .monitor = {.mean = 100, .std = 10}};
}

struct training {
    struct arena arena;
    struct aware_cfg cfg;
    struct team_spec spec;
    struct env_spec env;
    struct learner *learner;
    struct rollout *rollout;
    struct world *world;
    struct rollout_tile *tile;
    struct block *block;
    struct reducer sums[LEARNER_SUMS_MAX];
    int n_tiles;
    uint32_t update;
};

enum { T = 20 };

/* Sums over tiles in one process, of any record: leaves side by side, merged as treesum.h does. */
struct any_sum {
    const struct learner_sum *sum;
    unsigned char *leaves;
    uint8_t *there;
    int n_tiles;
};

static void *any_leaf(void *ctx, int tile)
{
    struct any_sum *s = ctx;
    s->there[tile] = 1;
    return s->leaves + (size_t)tile * s->sum->bytes;
}

static void any_done(void *ctx, int tile)
{
    (void)ctx;
    (void)tile;
}

static void any_skip(void *ctx, int tile)
{
    ((struct any_sum *)ctx)->there[tile] = 0;
}

static enum err any_total(void *ctx, void *out)
{
    struct any_sum *s = ctx;
    for (int width = 1; width < s->n_tiles; width *= 2) {
        for (int i = 0; i + width < s->n_tiles; i += 2 * width) {
            unsigned char *left = s->leaves + (size_t)i * s->sum->bytes;
            unsigned char *right = s->leaves + (size_t)(i + width) * s->sum->bytes;
            if (s->there[i] && s->there[i + width]) {
                s->sum->merge(s->sum->ctx, left, left, right);
            } else if (s->there[i + width]) {
                memcpy(left, right, s->sum->bytes);
                s->there[i] = 1;
            }
        }
    }
    assert_true(s->there[0]);
    memcpy(out, s->leaves, s->sum->bytes);
    return ERR_OK;
}

static void training_init(struct training *t, int n_env, int heuristic_right)
{
    static const char *const names[] = {"a", "b", "c", "d"};
    arena_init(&t->arena);
    t->n_tiles = (n_env + TILE - 1) / TILE;
    t->update = 0;
    t->spec = (struct team_spec){.name = "world",
                                 .n_agents = AGENTS,
                                 .n_global_state = ROW,
                                 .n_obs = OBS,
                                 .n_critic = ROW,
                                 .n_factors = 1,
                                 .n_choices = CHOICES,
                                 .agent_names = names,
                                 .obs = world_obs,
                                 .critic = world_critic};
    t->env = (struct env_spec){.name = "world", .n_teams = 1, .teams = {&t->spec}};
    const struct aware_plan plan = {.cfg = &t->cfg,
                                    .spec = &t->spec,
                                    .heuristic_at = heuristic_right < 0 ? -1 : AGENTS * OBS,
                                    .learns = true};
    OK(aware_learner_new(&t->learner, &t->arena, &plan, 5, &t->arena));
    OK(rollout_init(&t->rollout, &t->arena, &t->env, &t->learner));
    t->world = ARENA_NEW(&t->arena, t->n_tiles, struct world);
    t->tile = ARENA_NEW(&t->arena, t->n_tiles, struct rollout_tile);
    t->block = ARENA_NEW(&t->arena, t->n_tiles, struct block);
    for (int i = 0; i < t->n_tiles; i++) {
        const int n = n_env - i * TILE < TILE ? n_env - i * TILE : TILE;
        t->world[i] = (struct world){.env = {.ops = &world_ops, .spec = &t->env, .n_env = n},
                                     .heuristic_right = heuristic_right};
        t->tile[i] = (struct rollout_tile){.env = &t->world[i].env, .tile = i};
        OK(block_init(&t->block[i], &t->arena, &t->env, 0, n, T));
    }
    for (int i = 0; i < t->learner->n_sums; i++) {
        struct any_sum *s = ARENA_NEW(&t->arena, 1, struct any_sum);
        *s = (struct any_sum){
            .sum = &t->learner->sums[i],
            .leaves = arena_alloc(&t->arena, (size_t)t->n_tiles, t->learner->sums[i].bytes),
            .there = ARENA_NEW(&t->arena, t->n_tiles, uint8_t),
            .n_tiles = t->n_tiles};
        t->sums[i] = (struct reducer){.bytes = s->sum->bytes,
                                      .ctx = s,
                                      .leaf = any_leaf,
                                      .leaf_done = any_done,
                                      .leaf_skip = any_skip,
                                      .total = any_total};
    }
}

static enum err training_prepare(struct training *t, int n_env)
{
    const struct learner_batch batch = {
        .seed = 3, .n_env = n_env, .n_steps = T, .group = 1, .n_mine = t->n_tiles, .sums = t->sums};
    return t->learner->ops->prepare(t->learner, &t->arena, &batch);
}

static void training_rollout(struct training *t)
{
    const struct rollout_cfg cfg = {.seed = 9};
    for (int i = 0; i < t->n_tiles; i++) {
        OK(rollout_run(t->rollout, (struct block *const[]){&t->block[i]}, &t->tile[i], &cfg,
                       t->update, 0, t->n_tiles * TILE));
    }
    t->update++;
}

static struct learn_stats training_update(struct training *t, enum learn_phase phase)
{
    const struct learn_args args = {.phase = phase, .lr = -1.0, .lr_end = -1.0};
    struct learn_stats stats;
    training_rollout(t);
    OK(t->learner->ops->learn(t->learner, t->block, &args, &stats));
    return stats;
}

enum { COLUMN_VALUE_LOSS = 1, COLUMN_MODE = 9, COLUMN_BEST = 13 };

/* ---- lists of the best ---- */

static struct aware_best_shape list_shape(void)
{
    return (struct aware_best_shape){
        .n_agents = 2, .n_kept = 3, .n_steps = 2, .n_obs = 1, .n_choices = 2};
}

static void put(const struct aware_best_shape *s, float *best, int agent, int k, float score,
                float mark)
{
    float *e = best + (size_t)(agent * s->n_kept + k) * aware_best_episode(s);
    e[BEST_SCORE] = score;
    e[BEST_PRESENT] = 1.0F;
    e[BEST_STEPS] = mark;
}

static float mark_of(const struct aware_best_shape *s, const float *best, int agent, int k)
{
    return best[(size_t)(agent * s->n_kept + k) * aware_best_episode(s) + BEST_STEPS];
}

/* Left first among equals, places without an episode last; into may be left. */
static void test_merge(void **state)
{
    (void)state;
    struct arena arena;
    struct aware_best b;
    const struct aware_best_shape s = list_shape();
    arena_init(&arena);
    OK(aware_best_init(&b, &arena, &s, 8));
    float *left = ARENA_NEW(&arena, aware_best_floats(&s), float);
    float *right = ARENA_NEW(&arena, aware_best_floats(&s), float);
    put(&s, left, 0, 0, 5.0F, 1.0F);
    put(&s, left, 0, 1, 2.0F, 2.0F);
    put(&s, right, 0, 0, 5.0F, 3.0F);
    put(&s, right, 0, 1, 4.0F, 4.0F);
    put(&s, right, 0, 2, -1.0F, 5.0F);
    put(&s, right, 1, 0, -7.0F, 6.0F);
    aware_best_merge(&b, left, left, right);
    assert_true(mark_of(&s, left, 0, 0) == 1.0F && mark_of(&s, left, 0, 1) == 3.0F &&
                mark_of(&s, left, 0, 2) == 4.0F);
    assert_true(mark_of(&s, left, 1, 0) == 6.0F);
    assert_int_equal(aware_best_count(&s, left, 0), 3);
    assert_int_equal(aware_best_count(&s, left, 1), 1);
    arena_release(&arena);
}

/* Whole episodes only; a block's are the best of it, whichever tree merges single environments. */
static void test_collect(void **state)
{
    (void)state;
    static struct training t;
    t.cfg = small_cfg();
    training_init(&t, TILE, -1);
    OK(training_prepare(&t, TILE));
    training_rollout(&t);
    t.block[0].flag[7] = ENV_TERMINATED;     /* inside the second episode of environment 0 */
    t.block[0].flag[T + 4] = ENV_TERMINATED; /* at the end of the first one of environment 1 */
    struct aware_update *u = ((struct aware_learner *)t.learner)->update;
    const struct aware_best_shape *s = &u->best.shape;
    float *obs = ARENA_NEW(&t.arena, AGENTS * TILE * T * OBS, float);
    float *best = ARENA_NEW(&t.arena, aware_best_floats(s), float);
    assert_int_equal(aware_best_find(&u->best, &t.block[0]), TILE * T / s->n_steps - 1);
    aware_best_of_block(&u->best, best, &t.block[0], obs);
    for (int agent = 0; agent < AGENTS; agent++) {
        for (int k = 0; k + 1 < s->n_kept; k++) {
            const float *e = best + (size_t)(agent * s->n_kept + k) * aware_best_episode(s);
            float sum = 0.0F;
            for (int step = 0; step < s->n_steps; step++) {
                sum += e[BEST_STEPS + (step + 1) * aware_best_features(s) - 1];
            }
            assert_true(e[BEST_SCORE] == sum);
            assert_true(e[BEST_SCORE] >= e[aware_best_episode(s)]);
        }
    }
    arena_release(&t.arena);
}

/* ---- gradients ---- */

/* Policy loss without entropy plus weighted value loss, as a function of the parameters, by the
 * learner's own forward pass. */
static double loss_at(struct aware_update *u, struct block *b)
{
    struct aware_learner *a = u->l;
    for (int i = 0; i < 2; i++) {
        aware_net_embed(&a->nets.net[i], &u->encoding[i], a->w.params + a->nets.embedding_at[i],
                        a->w.params + a->nets.at[i], &u->sequences);
    }
    aware_gradient_leaf(u, u->grad_total, 0, b, 0);
    const float *total = reduce_floats(u->grad_total), *sums = total + a->record.sums;
    double policy = 0.0, weight = 0.0;
    for (int i = 0; i < AGENTS; i++) {
        policy += (double)sums[SUM_LOSS * AGENTS + i];
        weight += (double)sums[SUM_WEIGHT * AGENTS + i];
    }
    return policy / weight + a->plan.cfg->value_weight *
                                 (double)total[a->record.value_sums + SUM_VALUE_LOSS] /
                                 (double)total[a->record.value_sums + SUM_VALUES];
}

/* The gradient that Adam gets, through heads, embeddings, mean, linear layer and encoder, along 40
 * random directions in each part of the parameters. */
static void test_gradient(void **state)
{
    (void)state;
    static struct training t;
    t.cfg = small_cfg();
    t.cfg.entropy = 0.0;
    t.cfg.clip = 1.0;
    training_init(&t, TILE, -1);
    OK(training_prepare(&t, TILE));
    (void)training_update(&t, LEARN_ALL); /* episodes to embed, moved weights */
    training_rollout(&t);
    struct aware_learner *a = (struct aware_learner *)t.learner;
    struct aware_update *u = a->update;
    OK(aware_collect(u, t.block));
    aware_sequences_fill(&u->sequences, u->kept);
    u->phase = PHASE_PPO;
    memset(u->minibatch_of, 0, TILE * sizeof(int));
    (void)loss_at(u, t.block);
    aware_spread_gradient(u, reduce_floats(u->grad_total));
    float *grads = ARENA_NEW(&t.arena, a->nets.n_learned, float);
    float *params = ARENA_NEW(&t.arena, a->nets.n_learned, float);
    memcpy(grads, u->grads, a->nets.n_learned * sizeof(float));
    memcpy(params, a->w.params, a->nets.n_learned * sizeof(float));
    double worst = 0.0;
    for (uint32_t k = 0; k < 240; k++) {
        const struct aware_net *net = &a->nets.net[k % 2];
        const size_t parts[] = {net->encoder_at, net->linear_at, net->head_at, net->n_params};
        const size_t begin = a->nets.at[k % 2] + parts[k / 2 % 3];
        const size_t end = a->nets.at[k % 2] + parts[k / 2 % 3 + 1];
        const float e = 2e-4F;
        double slope = 0.0;
        double two[2];
        for (int sign = 0; sign < 2; sign++) {
            memcpy(a->w.params, params, a->nets.n_learned * sizeof(float));
            for (size_t i = begin; i < end; i++) {
                a->w.params[i] += (sign == 0 ? e : -e) * draw((uint32_t)i, 5, k, 0);
            }
            two[sign] = loss_at(u, t.block);
        }
        for (size_t i = begin; i < end; i++) {
            slope += (double)grads[i] * (double)draw((uint32_t)i, 5, k, 0);
        }
        const double measured = (two[0] - two[1]) / (2.0 * (double)e);
        worst = fmax(worst, fabs(measured - slope) / (1e-2 + fabs(slope)));
    }
    print_message("directional derivatives within %.1e\n", worst);
    assert_true(worst < 0.05);
    arena_release(&t.arena);
}

/* ---- learning ---- */

/* The first minibatch has the probabilities of the blocks, to the bit, though episodes were added
 * in between. */
static void test_acted_as_recorded(void **state)
{
    (void)state;
    static struct training t;
    t.cfg = small_cfg();
    training_init(&t, 2 * TILE + 3, -1);
    OK(training_prepare(&t, 2 * TILE + 3));
    for (int i = 0; i < 4; i++) {
        const struct learn_stats s = training_update(&t, LEARN_ALL);
        assert_true(s.acted_dev == 0.0);
    }
    arena_release(&t.arena);
}

/* Mean reward of the last of n updates. */
static double learn_for(struct training *t, int n)
{
    double reward = 0.0;
    for (int i = 0; i < n; i++) {
        reward = training_update(t, LEARN_ALL).reward;
    }
    return reward;
}

/* Without knowing its family an agent is right half of the time at best. */
static void test_embedding_tells_families(void **state)
{
    (void)state;
    static struct training t;
    t.cfg = small_cfg();
    training_init(&t, 4 * TILE, -1);
    OK(training_prepare(&t, 4 * TILE));
    const double first = training_update(&t, LEARN_ALL).reward, last = learn_for(&t, 150);
    print_message("reward %.2f at first, %.2f after 150 updates; 0.50 without an embedding\n",
                  first, last);
    assert_true(first < 0.45 && last > 0.8);
    const float *e = aware_learner_embeddings(t.learner);
    double within = 0.0, between = 0.0;
    for (int i = 0; i < t.cfg.embedding; i++) {
        within += fabs((double)e[i] - (double)e[2 * t.cfg.embedding + i]);
        between += fabs((double)e[i] - (double)e[t.cfg.embedding + i]);
    }
    print_message("distance of embeddings: %.3f within a family, %.3f between families\n", within,
                  between);
    assert_true(between > 3.0 * within);
    arena_release(&t.arena);
}

/* A heuristic that is right for two of four agents: they learn it first, take over, and learn the
 * rest by themselves. */
static void test_bootstrap(void **state)
{
    (void)state;
    static struct training t;
    static struct heard heard;
    t.cfg = small_cfg();
    training_init(&t, 4 * TILE, 2);
    OK(training_prepare(&t, 4 * TILE));
    assert_int_equal(aware_learner_mode(t.learner), AWARE_BOOTSTRAP);
    struct learn_stats s = training_update(&t, LEARN_ALL);
    assert_true(s.columns[COLUMN_MODE] == AWARE_BOOTSTRAP);
    for (int i = 0; i < 300 && aware_learner_mode(t.learner) == AWARE_BOOTSTRAP; i++) {
        heard_begin(&heard);
        s = training_update(&t, LEARN_ALL);
        heard_end();
    }
    assert_int_equal(aware_learner_mode(t.learner), AWARE_LEARNING);
    assert_non_null(strstr(heard.text, "take over from the heuristic"));
    assert_true(s.reward > 0.4);
    assert_true(learn_for(&t, 150) > 0.8);
    arena_release(&t.arena);
}

/* In a pipeline a batch of the heuristic comes after the agents took over: PPO leaves it alone. */
static void test_batch_of_the_heuristic(void **state)
{
    (void)state;
    static struct training t;
    const struct learn_args args = {.phase = LEARN_ALL, .lr = -1.0, .lr_end = -1.0};
    struct learn_stats stats;
    t.cfg = small_cfg();
    training_init(&t, TILE, 2);
    OK(training_prepare(&t, TILE));
    training_rollout(&t);
    struct aware_learner *a = (struct aware_learner *)t.learner;
    const uint64_t before = hash_fnv1a(HASH_START, a->w.params, a->nets.n_learned * sizeof(float));
    aware_state_of(a)[AWARE_MODE] = AWARE_LEARNING;
    OK(t.learner->ops->learn(t.learner, t.block, &args, &stats));
    assert_true(before == hash_fnv1a(HASH_START, a->w.params, a->nets.n_learned * sizeof(float)));
    (void)training_update(&t, LEARN_ALL);
    assert_true(before != hash_fnv1a(HASH_START, a->w.params, a->nets.n_learned * sizeof(float)));
    arena_release(&t.arena);
}

/* Serves where the returns are good and steady enough, with weights that stay. */
static void test_monitor(void **state)
{
    (void)state;
    static struct training t;
    t.cfg = small_cfg();
    t.cfg.monitor = (struct aware_monitor_cfg){.episodes = 10, .mean = 0.0, .std = 100.0};
    training_init(&t, TILE, -1);
    OK(training_prepare(&t, TILE));
    (void)training_update(&t, LEARN_ALL);
    assert_int_equal(aware_learner_mode(t.learner), AWARE_SERVING);
    struct aware_learner *a = (struct aware_learner *)t.learner;
    const uint64_t before = hash_fnv1a(HASH_START, a->w.params, a->nets.n_learned * sizeof(float));
    const struct learn_stats s = training_update(&t, LEARN_ALL);
    assert_true(s.columns[COLUMN_MODE] == AWARE_SERVING && s.entropy_agent == -1);
    assert_true(before == hash_fnv1a(HASH_START, a->w.params, a->nets.n_learned * sizeof(float)));
    t.cfg.monitor.mean = 100.0;
    (void)training_update(&t, LEARN_ALL);
    assert_int_equal(aware_learner_mode(t.learner), AWARE_LEARNING);
    arena_release(&t.arena);
}

/* ---- bits, memory, bad input ---- */

/* Same weights, whichever tiles come first. Nothing is allocated in an update. */
static void test_repeats(void **state)
{
    (void)state;
    uint64_t digest[2];
    for (int i = 0; i < 2; i++) {
        static struct training t;
        t.cfg = small_cfg();
        training_init(&t, 2 * TILE + 1, 2);
        OK(training_prepare(&t, 2 * TILE + 1));
        const uint64_t calls = mem_calls();
        (void)learn_for(&t, 5);
        assert_int_equal(mem_calls(), calls);
        digest[i] = weights_hash(HASH_START, t.learner->w);
        arena_release(&t.arena);
    }
    assert_true(digest[0] == digest[1]);
}

static void test_refused(void **state)
{
    (void)state;
    static struct training t;
    static struct heard heard;
    t.cfg = small_cfg();
    t.cfg.episode_steps = T + 1;
    training_init(&t, TILE, -1);
    heard_begin(&heard);
    assert_int_equal(training_prepare(&t, TILE), ERR_CONFIG);
    heard_end();
    assert_non_null(strstr(heard.last, "set train.steps to 21 or more"));
    arena_release(&t.arena);

    t.cfg = small_cfg();
    t.cfg.bootstrap.trial_share = 0.1;
    training_init(&t, TILE, 0);
    heard_begin(&heard);
    assert_int_equal(training_prepare(&t, TILE), ERR_CONFIG);
    heard_end();
    assert_non_null(strstr(heard.last, "trial_share is 0.1, of 8 environments"));
    arena_release(&t.arena);
}

/* A reward that is no number ends the update with a sentence. */
static void test_not_finite(void **state)
{
    (void)state;
    static struct training t;
    static struct heard heard;
    const struct learn_args args = {.phase = LEARN_ALL, .lr = -1.0, .lr_end = -1.0};
    struct learn_stats stats;
    t.cfg = small_cfg();
    training_init(&t, TILE, -1);
    OK(training_prepare(&t, TILE));
    training_rollout(&t);
    t.block[0].reward[3] = NAN;
    heard_begin(&heard);
    assert_int_equal(t.learner->ops->learn(t.learner, t.block, &args, &stats), ERR_NUMERIC);
    heard_end();
    assert_non_null(strstr(heard.last, "is not finite"));
    assert_string_equal(learner_fault(t.learner), "an advantage");
    arena_release(&t.arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_merge),
        cmocka_unit_test(test_collect),
        cmocka_unit_test(test_gradient),
        cmocka_unit_test(test_acted_as_recorded),
        cmocka_unit_test(test_embedding_tells_families),
        cmocka_unit_test(test_bootstrap),
        cmocka_unit_test(test_batch_of_the_heuristic),
        cmocka_unit_test(test_monitor),
        cmocka_unit_test(test_repeats),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_not_finite),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
