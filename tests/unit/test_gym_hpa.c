/* Gym-HPA: its rule, moves, observation and rewards against numbers worked out by hand, and the
 * settings of its library. */
#include "core/game/game.h"
#include "core/marl/mappo_learner.h"
#include "core/methods/gym_hpa.h"
#include "core/plant/schema.h"
#include "mpi/jobs/experiment.h"
#include "tests/unit/heard.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants these first */
#include <cmocka.h>

static const char config[] = "configs/experiments/opponents/gym_hpa_own.yaml";
enum { LEADER, FOLLOWER, SERVICES, STATE_MAX = 64, SETS_MAX = 4 };

/* ---- the rule ---- */

/* Targets of 0.75 x 250 are 187.5, cut to 187. */
static void test_rule(void **state)
{
    (void)state;
    struct service_cfg s = {.cpu_m = 250, .ram_mib = 250, .min_replicas = 1, .max_replicas = 8};
    assert_int_equal(gym_hpa_desired(&s, 0.75, 0, 0), 1); /* 0, at least 1 */
    /* ceil(400 / 187) = 3, ceil(300 / 187) = 2: ceil(2.1 + 0.6) = 3 */
    assert_int_equal(gym_hpa_desired(&s, 0.75, 400, 300), 3);
    /* 187 and 188 milli-cores stand on the two sides of a pod: ceil(0.7 + 0.3), ceil(1.4 + 0.3) */
    assert_int_equal(gym_hpa_desired(&s, 0.75, 187, 100), 1);
    assert_int_equal(gym_hpa_desired(&s, 0.75, 188, 100), 2);
    /* memory alone: ceil(0.7 x 1 + 0.3 x 8) = 4 */
    assert_int_equal(gym_hpa_desired(&s, 0.75, 10, 1400), 4);
    /* ceil(5000 / 187) = 27: ceil(18.9 + 0.3) = 20, at most 8 */
    assert_int_equal(gym_hpa_desired(&s, 0.75, 5000, 100), 8);
    assert_int_equal(gym_hpa_desired(&s, 0.5, 400, 300), 4); /* 125: 4 and 3, ceil(2.8 + 0.9) */
    /* targets are at least 1: ceil(3 / 1) = 3 of CPU, none of memory, ceil(2.1) */
    s.cpu_m = 1;
    assert_int_equal(gym_hpa_desired(&s, 0.5, 3, 0), 3);
}

static void test_moves(void **state)
{
    (void)state;
    static const int change[GYM_HPA_MOVES] = {0, 1, 2, 3, 4, 5, 6, 7, -1, -2, -3, -4, -5, -6, -7};
    for (int k = 0; k < GYM_HPA_MOVES; k++) {
        assert_int_equal(gym_hpa_change(k), change[k]);
    }
}

/* ---- the interface ---- */

struct fixture {
    struct experiment x;
    const struct interface *i;
    void *memory;
    float state[STATE_MAX];
    struct sight sight;
};

static void start(struct fixture *f, const char *parameters)
{
    char set[256];
    const char *const sets[] = {set};
    const struct episode_id id = {.seed = 1};
    memset(f, 0, sizeof *f);
    (void)snprintf(set, sizeof set, "method={gym_hpa: {%s}}", parameters);
    assert_int_equal(experiment_load(&f->x, config, sets, 1), ERR_OK);
    f->i = f->x.method.interface;
    assert_true(state_size(SERVICES) <= STATE_MAX);
    assert_int_equal(f->i->ops->memory(&f->memory, &f->x.arena, f->i), ERR_OK);
    f->i->ops->begin(f->memory, f->i, &id, 0);
    f->sight = (struct sight){.state = f->state};
}

static void stop(struct fixture *f)
{
    experiment_release(&f->x);
}

static void set(struct fixture *f, int s, enum service_feature k, float value)
{
    f->state[state_service_at(s, k)] = value;
}

/* Leader 3 replicas, desired 3; follower 2 replicas, desired 8. */
static void see(struct fixture *f)
{
    set(f, LEADER, SF_DESIRED, 3.0F);
    set(f, LEADER, SF_DEPLOYED, 1.0F); /* which pods exist is not looked at */
    set(f, LEADER, SF_CPU, 400.0F);
    set(f, LEADER, SF_RAM, 300.0F);
    set(f, LEADER, SF_NET_IN, 1234.0F);
    set(f, LEADER, SF_NET_OUT, 21000.0F);
    set(f, FOLLOWER, SF_DESIRED, 2.0F);
    set(f, FOLLOWER, SF_CPU, 10001.0F);
    set(f, FOLLOWER, SF_RAM, 10002.0F);
    set(f, FOLLOWER, SF_NET_IN, 20001.0F);
    set(f, FOLLOWER, SF_NET_OUT, 0.5F);
    f->state[state_global_at(SERVICES, GF_RESPONSE)] = 123.0F;
    f->i->ops->observe(f->memory, f->i, &f->sight);
}

static void test_observation(void **state)
{
    (void)state;
    struct fixture f;
    static const float seen[SERVICES * GYM_HPA_SEEN] = {3.0F,     3.0F,     400.0F,   300.0F,
                                                        1234.0F,  20000.0F, 2.0F,     8.0F,
                                                        10000.0F, 10000.0F, 20000.0F, 0.5F};
    float got[SERVICES * GYM_HPA_SEEN], obs[SERVICES * GYM_HPA_SEEN];
    uint32_t mask[2];
    start(&f, "");
    const struct team_spec *spec = f.i->spec;
    see(&f);
    f.i->ops->global_state(got, mask, f.memory, f.i, &f.sight);
    assert_memory_equal(got, seen, sizeof seen);
    assert_int_equal(mask[0], 0x3);    /* two deployments */
    assert_int_equal(mask[1], 0x7fff); /* 15 moves, whatever the bounds are */
    spec->obs(spec->ctx, obs, 0, got);
    assert_memory_equal(obs, seen, sizeof seen);
    spec->critic(spec->ctx, obs, got);
    assert_memory_equal(obs, seen, sizeof seen);
    assert_int_equal(spec->n_agents, 1);
    assert_int_equal(spec->n_factors, 2);
    assert_int_equal(spec->n_choices, GYM_HPA_MOVES);
    assert_int_equal(spec->n_norm, 0);
    assert_string_equal(f.x.method.columns[GYM_HPA_SEEN + 1], "follower.desired by the rule");
    stop(&f);
    start(&f, "normalise: true");
    assert_int_equal(f.i->spec->n_norm, SERVICES * GYM_HPA_SEEN);
    stop(&f);
}

/* Chooses, and lets the same state follow. Returns the reward. */
static float choose(struct fixture *f, int deployment, int move, int32_t *delta)
{
    const int32_t action[2] = {deployment, move};
    const struct reward_terms terms = {.reward = 0.625};
    struct game_move executed = {.delta = delta};
    float reward = -777.0F;
    delta[LEADER] = delta[FOLLOWER] = 0;
    f->i->ops->apply(&executed, f->memory, f->i, &f->sight, action);
    assert_false(executed.conflict);
    f->i->ops->observe(f->memory, f->i, &f->sight);
    f->i->ops->reward(&reward, f->memory, f->i, &f->sight, &terms);
    return reward;
}

/* Replicas 1 to 8: a move beyond them is not carried out at all. */
static void test_bounds(void **state)
{
    (void)state;
    struct fixture f;
    int32_t delta[SERVICES];
    start(&f, "");
    see(&f);
    assert_true(choose(&f, LEADER, 5, delta) == 1.0F && delta[LEADER] == 5);   /* 3 + 5 = 8 */
    assert_true(choose(&f, LEADER, 6, delta) == -1.0F && delta[LEADER] == 0);  /* 9 */
    assert_true(choose(&f, LEADER, 9, delta) == 1.0F && delta[LEADER] == -2);  /* 1 */
    assert_true(choose(&f, LEADER, 10, delta) == -1.0F && delta[LEADER] == 0); /* 0 */
    assert_true(choose(&f, FOLLOWER, 1, delta) == 1.0F && delta[FOLLOWER] == 1);
    assert_int_equal(delta[LEADER], 0);                /* one deployment a decision */
    assert_true(choose(&f, LEADER, 0, delta) == 1.0F); /* the flag is that of the last move */
    stop(&f);
}

/* Of the deployments, the leader has what its rule desires. */
static void test_rewards(void **state)
{
    (void)state;
    struct fixture f;
    int32_t delta[SERVICES];
    start(&f, "goal: cost");
    see(&f);
    assert_true(choose(&f, LEADER, 0, delta) == 1.0F);
    set(&f, FOLLOWER, SF_DESIRED, 8.0F);
    assert_true(choose(&f, LEADER, 0, delta) == 2.0F);
    set(&f, LEADER, SF_DESIRED, 4.0F);
    set(&f, FOLLOWER, SF_DESIRED, 7.0F);
    assert_true(choose(&f, LEADER, 0, delta) == 0.0F);
    stop(&f);
    start(&f, "goal: latency");
    see(&f);
    assert_true(choose(&f, LEADER, 1, delta) == -123.0F);
    assert_true(choose(&f, LEADER, 7, delta) == -3000.0F); /* 3 + 7 > 8 */
    f.state[state_global_at(SERVICES, GF_RESPONSE)] = 3001.0F;
    assert_true(choose(&f, LEADER, 1, delta) == -3000.0F);
    stop(&f);
    start(&f, "goal: latency, latency_cap_ms: 250");
    see(&f);
    f.state[state_global_at(SERVICES, GF_RESPONSE)] = 250.0F;
    assert_true(choose(&f, LEADER, 1, delta) == -250.0F);
    assert_true(choose(&f, LEADER, 7, delta) == -250.0F);
    stop(&f);
    start(&f, "reward: karma");
    see(&f);
    assert_true(choose(&f, LEADER, 1, delta) == 0.625F);
    assert_true(choose(&f, LEADER, 7, delta) == 0.625F);
    stop(&f);
}

/* Means over the decisions of an episode, whatever it is paid. */
static void test_stats(void **state)
{
    (void)state;
    struct fixture f;
    int32_t delta[SERVICES];
    double stats[3];
    start(&f, "reward: karma");
    see(&f);
    choose(&f, LEADER, 1, delta);
    choose(&f, LEADER, 7, delta); /* -1 */
    set(&f, FOLLOWER, SF_DESIRED, 8.0F);
    choose(&f, LEADER, 1, delta);
    choose(&f, LEADER, 0, delta);
    f.i->ops->finish(stats, f.memory, f.i);
    assert_int_equal(f.i->n_stats, 3);
    assert_true(stats[0] == (1.0 - 1.0 + 2.0 + 2.0) / 4.0);
    assert_true(stats[1] == (1.0 + 1.0 + 2.0 + 2.0) / 4.0);
    assert_true(stats[2] == 0.25);
    stop(&f);
}

/* ---- the learner ---- */

/* Stable-Baselines3's defaults, and 500 decisions in minibatches of 64: eight. */
static void test_library(void **state)
{
    (void)state;
    struct fixture f;
    struct arena scratch;
    struct learner *l;
    start(&f, "");
    arena_init(&scratch);
    assert_int_equal(method_learner(&l, &f.x.arena, &f.x.method, 0, true, 1, &scratch), ERR_OK);
    const struct mappo_learner *m = mappo_of(l);
    assert_non_null(m);
    const struct mappo_cfg *c = m->own;
    assert_true(c->lr == 3e-4 && c->lr_end == 3e-4 && c->gamma == 0.99 && c->lambda == 0.95);
    assert_true(c->clip == 0.2 && c->entropy == 0.0 && c->grad_norm == 0.5 && c->raw_values);
    assert_int_equal(c->epochs, 10);
    assert_int_equal(c->minibatches, 8);
    assert_int_equal(m->team->n_actors, 1);
    const struct mlp_shape *actor = &m->team->actor.shape, *critic = &m->team->critic.shape;
    static const int actor_sizes[] = {12, 64, 64, 30}, critic_sizes[] = {12, 64, 64, 1};
    assert_true(actor->n_layers == 3 && critic->n_layers == 3);
    assert_true(actor->act == ACT_TANH && critic->act == ACT_TANH);
    assert_memory_equal(actor->sizes, actor_sizes, sizeof actor_sizes);
    assert_memory_equal(critic->sizes, critic_sizes, sizeof critic_sizes);
    arena_release(&scratch);
    stop(&f);
}

/* ---- what there is to gain ---- */

enum { PLAYED = 25, HORIZON = 25 };

static void do_nothing(int32_t *action, const float *seen, uint32_t draw)
{
    (void)seen;
    (void)draw;
    action[0] = action[1] = 0;
}

static void do_anything(int32_t *action, const float *seen, uint32_t draw)
{
    const struct rng_block r = rng_philox(rng_key(5, RNG_TEST, RNG_TRAIN), draw, 0, 0, 0);
    (void)seen;
    action[0] = (int32_t)rng_below(r.v[0], SERVICES);
    action[1] = (int32_t)rng_below(r.v[1], GYM_HPA_MOVES);
}

/* The deployment that is furthest from its desired replicas goes there. */
static void do_the_rule(int32_t *action, const float *seen, uint32_t draw)
{
    float most = 0.0F;
    (void)draw;
    action[0] = action[1] = 0;
    for (int s = 0; s < SERVICES; s++) {
        const float gap = seen[s * GYM_HPA_SEEN + 1] - seen[s * GYM_HPA_SEEN];
        if (fabsf(gap) > most) {
            most = fabsf(gap);
            action[0] = s;
            action[1] = (int32_t)(gap > 0.0F ? gap : GYM_HPA_MOST - gap);
        }
    }
}

/* Mean reward of a decision over PLAYED episodes in each of TILE environments. */
static double play(struct fixture *f,
                   void (*choose_by)(int32_t *action, const float *seen, uint32_t draw))
{
    const struct game_teams teams = {.env_setup = &f->x.env_setup,
                                     .spec = &f->x.method.env,
                                     .interfaces = &f->x.method.interface};
    struct env *env;
    double sum = 0.0;
    assert_int_equal(game_new_teams(&env, &f->x.arena, &teams, TILE, 1, NULL), ERR_OK);
    for (uint32_t t = 0; t < PLAYED * HORIZON; t++) {
        int32_t action[TILE * 2];
        const int32_t *const actions[] = {action};
        float reward[TILE], *const rewards[] = {reward};
        uint8_t flag[TILE];
        for (int e = 0; e < TILE; e++) {
            float seen[SERVICES * GYM_HPA_SEEN];
            uint32_t mask[2];
            if (t % HORIZON == 0) {
                assert_int_equal(env->ops->reset(env, e, (uint32_t)e, t / HORIZON, 0), ERR_OK);
            }
            env->ops->global_state(env, e, 0, seen, mask);
            choose_by(action + (ptrdiff_t)e * 2, seen, t * TILE + (uint32_t)e);
        }
        assert_int_equal(env->ops->step(env, actions, rewards, flag), ERR_OK);
        for (int e = 0; e < TILE; e++) {
            sum += (double)reward[e] / (PLAYED * HORIZON * TILE);
        }
    }
    return sum;
}

/* The scale on which docs/baselines.md judges what it learns. */
static void test_scale(void **state)
{
    (void)state;
    struct fixture f;
    start(&f, "");
    const double nothing = play(&f, do_nothing), anything = play(&f, do_anything);
    const double rule = play(&f, do_the_rule);
    print_message("points a decision: nothing %.2f, any moves %.2f, its rule %.2f\n", nothing,
                  anything, rule);
    assert_true(rule > nothing + 0.5 && rule > anything + 0.5 && rule <= 2.0);
    stop(&f);
}

/* ---- what it refuses ---- */

static void refuses(const char *sentence, const char *const *sets, int n)
{
    static struct heard heard;
    struct experiment x;
    heard_begin(&heard);
    const enum err e = experiment_load(&x, config, sets, n);
    heard_end();
    assert_int_equal(e, ERR_CONFIG);
    if (strstr(heard.text, sentence) == NULL) {
        print_error("expected: %s\nheard: %s", sentence, heard.text);
    }
    assert_non_null(strstr(heard.text, sentence));
}

static void test_refusals(void **state)
{
    (void)state;
    static const char *const batch[] = {"method={gym_hpa: {ppo: {batch: 24}}}"};
    static const char *const group[] = {"train.group=4"};
    static const char *const goal[] = {"method={gym_hpa: {goal: speed}}"};
    static const char *const clone[] = {"train.init=clone"};
    refuses(
        "method.gym_hpa.ppo.batch: is 24, but a minibatch holds whole rollouts of environments, "
        "which are 25 decisions long (train.steps); set train.steps to 24 or less",
        batch, 1);
    refuses("train.group: is 4, but the PPO of gym_hpa knows no groups; set it to 1", group, 1);
    refuses("method.gym_hpa.goal: found 'speed'", goal, 1);
    refuses("train.init: is clone, but a team that is trained by gym_hpa imitates nobody", clone,
            1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rule),        cmocka_unit_test(test_moves),
        cmocka_unit_test(test_observation), cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_rewards),     cmocka_unit_test(test_stats),
        cmocka_unit_test(test_library),     cmocka_unit_test(test_scale),
        cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
