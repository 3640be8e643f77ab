/* A game of two teams that meet the plant by different interfaces: the rules, and an attacker that
 * the game does not know. What it does reaches the plant; what it leaves alone stays as it is, bit
 * by bit. */
#include "tests/unit/game_fixture.h"

#include <math.h>

enum {
    N_ENV = 2,
    HORIZON = 12,
    GLOBAL_STATE_MAX = 256,
    MASK_MAX = 16,
    AGENTS = 4,
    RATES = 3,
    LOOKS = 2
};
enum { DEFENDERS, ATTACKERS, TEAMS };
static const uint64_t SEED = 17;
static const char WORLD[] = "workload: {mean_rps: 30}\n"
                            "plant: {attack_requests: 2}\n"
                            "game: {horizon: 12}\n";

/* ---- an attacker: it raises the rate at the first entry and is paid the defenders' loss ---- */

struct flooder {
    double left;  /* of its budget */
    double spent; /* the same since the start */
    int n_decisions;
};

static enum err flooder_new(void **out, struct arena *arena, const struct interface *i)
{
    (void)i;
    *out = ARENA_NEW(arena, 1, struct flooder);
    return arena_error(arena);
}

static void flooder_begin(void *memory, const struct interface *i, const struct episode_id *id,
                          uint32_t gid)
{
    (void)i;
    (void)id;
    (void)gid;
    *(struct flooder *)memory = (struct flooder){.left = -1.0};
}

static void flooder_observe(void *memory, const struct interface *i, const struct sight *sight)
{
    struct flooder *f = memory;
    const double left = plant_attack_left(sight->plant, sight->lid).requests;
    (void)i;
    f->spent += f->left < 0.0 ? 0.0 : f->left - left;
    f->left = left;
}

static void flooder_global_state(float *global_state, uint32_t *mask, const void *memory,
                                 const struct interface *i, const struct sight *sight)
{
    const struct flooder *f = memory;
    (void)i;
    (void)sight;
    global_state[0] = (float)f->left;
    global_state[1] = (float)f->n_decisions;
    mask[0] = (1U << RATES) - 1U;
}

static void flooder_apply(struct game_move *move, void *memory, const struct interface *i,
                          const struct sight *sight, const int32_t *action)
{
    (void)i;
    (void)sight;
    move->attack = (struct attack_action){.rate_change = action[0]};
    ((struct flooder *)memory)->n_decisions++;
}

static void flooder_reward(float *reward, void *memory, const struct interface *i,
                           const struct sight *sight, const struct reward_terms *terms)
{
    (void)memory;
    (void)i;
    (void)sight;
    reward[0] = (float)-terms->reward;
}

static void flooder_finish(double *stats, void *memory, const struct interface *i)
{
    (void)i;
    stats[0] = ((struct flooder *)memory)->spent;
}

static const struct interface_ops flooder_ops = {.name = "flooder",
                                                 .memory = flooder_new,
                                                 .begin = flooder_begin,
                                                 .observe = flooder_observe,
                                                 .global_state = flooder_global_state,
                                                 .apply = flooder_apply,
                                                 .reward = flooder_reward,
                                                 .finish = flooder_finish};
static const struct team_spec flooder_spec = {.name = "flooder",
                                              .n_agents = 1,
                                              .n_global_state = LOOKS,
                                              .n_norm = LOOKS,
                                              .n_obs = LOOKS,
                                              .n_critic = LOOKS,
                                              .n_factors = 1,
                                              .n_choices = RATES};
static const char *const flooder_stats[] = {"flooder.spent"};
static const struct interface flooder = {.ops = &flooder_ops,
                                         .spec = &flooder_spec,
                                         .attacks = true,
                                         .n_stats = 1,
                                         .stat_names = flooder_stats};

/* ---- both games beside each other ---- */

struct fixture {
    struct game_fixture w;
    struct env_spec spec;
    struct env *alone, *both;
};

/* What one of them shows and pays. */
struct observed {
    float global_state[N_ENV][GLOBAL_STATE_MAX];
    uint32_t mask[N_ENV][MASK_MAX];
    float reward[N_ENV * AGENTS], paid[N_ENV];
    uint8_t flag[N_ENV];
};

static void start(struct fixture *f)
{
    memset(f, 0, sizeof *f);
    game_fixture_open(&f->w, WORLD);
    const struct interface *const interfaces[TEAMS] = {&f->w.rules.interface, &flooder};
    assert_int_equal(interface_env_spec(&f->spec, &f->w.arena, interfaces, TEAMS), ERR_OK);
    const struct game_teams teams = {
        .env_setup = &f->w.env_setup, .spec = &f->spec, .interfaces = interfaces};
    assert_int_equal(game_new(&f->alone, &f->w.arena, &f->w.rules, N_ENV, SEED, NULL), ERR_OK);
    assert_int_equal(game_new_teams(&f->both, &f->w.arena, &teams, N_ENV, SEED, NULL), ERR_OK);
    for (int lid = 0; lid < N_ENV; lid++) {
        assert_int_equal(f->alone->ops->reset(f->alone, lid, (uint32_t)lid, 0, 0), ERR_OK);
        assert_int_equal(f->both->ops->reset(f->both, lid, (uint32_t)lid, 0, 0), ERR_OK);
    }
}

static void look(struct observed *s, struct env *env)
{
    for (int lid = 0; lid < N_ENV; lid++) {
        env->ops->global_state(env, lid, DEFENDERS, s->global_state[lid], s->mask[lid]);
    }
}

/* Any choices inside the masks of s; the attacker's is `rate`. */
static void step(struct observed *s, struct env *env, int t, int rate)
{
    int32_t defend[N_ENV * AGENTS], attack[N_ENV];
    const int words = env_mask_words(env->spec->teams[DEFENDERS]);
    for (int i = 0; i < N_ENV * AGENTS; i++) {
        defend[i] = (i + 7 * t) % 20;
        while (!mask_has(s->mask[i / AGENTS] + (i % AGENTS) * words, defend[i])) {
            defend[i]++;
        }
        attack[i / AGENTS] = rate;
    }
    const int32_t *const action[TEAMS] = {defend, attack};
    float *const reward[TEAMS] = {s->reward, s->paid};
    assert_int_equal(env->ops->step(env, action, reward, s->flag), ERR_OK);
}

static void test_specs(void **state)
{
    (void)state;
    struct fixture f;
    start(&f);
    const struct env_spec *one = f.alone->spec, *two = f.both->spec;
    assert_int_equal(one->n_teams, 1);
    assert_int_equal(two->n_teams, TEAMS);
    assert_ptr_equal(two->teams[DEFENDERS], one->teams[DEFENDERS]);
    assert_int_equal(two->n_stats, one->n_stats + 1);
    assert_string_equal(two->stat_names[EPISODE_REWARD_SQUARED], "reward_squared");
    assert_string_equal(two->stat_names[two->n_stats - 1], "flooder.spent");
    assert_true(one->teams[DEFENDERS]->n_global_state <= GLOBAL_STATE_MAX);
    game_fixture_close(&f.w);
}

/* An attacker that does nothing changes nothing. */
static void test_idle_attacker(void **state)
{
    (void)state;
    struct fixture f;
    static struct observed a, b;
    double stats[2][64] = {{0}};
    start(&f);
    for (int t = 0; t < HORIZON; t++) {
        look(&a, f.alone);
        look(&b, f.both);
        assert_memory_equal(a.global_state, b.global_state, sizeof a.global_state);
        assert_memory_equal(a.mask, b.mask, sizeof a.mask);
        step(&a, f.alone, t, 0);
        step(&b, f.both, t, 0);
        assert_memory_equal(a.reward, b.reward, sizeof a.reward);
        assert_memory_equal(a.flag, b.flag, sizeof a.flag);
        for (int lid = 0; lid < N_ENV; lid++) {
            assert_true(b.paid[lid] == -b.reward[lid * AGENTS]);
        }
    }
    assert_int_equal(b.flag[0], ENV_TRUNCATED);
    f.alone->ops->stats(f.alone, 1, stats[0]);
    f.both->ops->stats(f.both, 1, stats[1]);
    const size_t n = (size_t)f.alone->spec->n_stats;
    assert_memory_equal(stats[0], stats[1], n * sizeof **stats);
    assert_true(stats[1][n] == 0.0);
    game_fixture_close(&f.w);
}

/* One that attacks spends its budget, and the defenders pay. */
static void test_attack(void **state)
{
    (void)state;
    struct fixture f;
    static struct observed a, b;
    double stats[64] = {0}, quiet = 0.0, attacked = 0.0;
    float global_state[LOOKS], before;
    uint32_t mask[1];
    start(&f);
    f.both->ops->global_state(f.both, 0, ATTACKERS, global_state, mask);
    before = global_state[0];
    assert_true(before > 0.0F && mask[0] == 0x7);
    for (int t = 0; t < HORIZON; t++) {
        look(&a, f.alone);
        look(&b, f.both);
        step(&a, f.alone, t, 0);
        step(&b, f.both, t, 2);
        quiet += (double)a.reward[0];
        attacked += (double)b.reward[0];
    }
    f.both->ops->global_state(f.both, 0, ATTACKERS, global_state, mask);
    assert_true(global_state[0] < before && global_state[1] == (float)HORIZON);
    f.both->ops->stats(f.both, 0, stats);
    assert_true(fabs(stats[f.both->spec->n_stats - 1] - (double)(before - global_state[0])) < 1.0);
    assert_true(attacked < quiet - 0.1);
    game_fixture_close(&f.w);
}

/* Each interface's memory is made, or nothing is. */
static void test_memory(void **state)
{
    (void)state;
    struct fixture f;
    start(&f);
    const struct interface *const interfaces[TEAMS] = {&f.w.rules.interface, &flooder};
    const struct game_teams teams = {
        .env_setup = &f.w.env_setup, .spec = &f.spec, .interfaces = interfaces};
    int failures = 0;
    for (uint64_t n = 1; n < 4; n++) {
        struct arena arena;
        struct env *env = NULL;
        arena_init(&arena);
        mem_fail_after(n);
        const enum err e = game_new_teams(&env, &arena, &teams, N_ENV, SEED, NULL);
        mem_fail_after(0);
        assert_true((e == ERR_OK) == (env != NULL));
        failures += e == ERR_MEMORY;
        arena_release(&arena);
    }
    assert_true(failures > 0);
    game_fixture_close(&f.w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_specs),
        cmocka_unit_test(test_idle_attacker),
        cmocka_unit_test(test_attack),
        cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
