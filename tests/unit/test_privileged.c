/* What only a critic sees: its values by hand, how far it reaches, and that nothing an actor does
 * is a function of it. */
#include "core/game/privileged.h"
#include "core/marl/mappo_learner.h"
#include "core/marl/rollout.h"
#include "tests/unit/game_fixture.h"

#include <math.h>

enum { HORIZON = 6, N_ENV = 4, T = 9, SECONDS = HORIZON * 15, SERVICES = 4 };
static const uint64_t SEED = 23;

/* All kinds of events, in the episode and behind it; a load with a trend and bursts. */
static const char WORLD[] =
    "workload: {mean_rps: 30, trend: 0.4, burst_per_h: 120}\n"
    "scenarios:\n"
    "  - name: mixed\n"
    "    events:\n"
    "      - {kind: ddos, name: flood, quiet_s: {lo: 10, hi: 40}, ramp_s: {lo: 0, hi: 5},\n"
    "         duration_s: {lo: 20, hi: 40}, magnitude: {lo: 3, hi: 4}}\n"
    "      - {kind: crash, service: any, quiet_s: {lo: 10, hi: 20}, ramp_s: {lo: 0, hi: 5},\n"
    "         duration_s: {lo: 20, hi: 40}, magnitude: {lo: 0.2, hi: 0.2}}\n"
    "      - {kind: slow, service: any, follow: flood, delay_s: {lo: 5, hi: 60},\n"
    "         ramp_s: {lo: 0, hi: 5}, duration_s: {lo: 20, hi: 40}, magnitude: {lo: 2, hi: 2}}\n"
    "game: {horizon: 6}\n";

static void assert_near(float got, double want)
{
    if (!(fabs((double)got - want) <= 1e-6)) {
        fail_msg("got %.9g, want %.9g", (double)got, want);
    }
}

/* ---- the schedule beyond the end ---- */

static void test_the_episode_is_the_same(void **state)
{
    struct game_fixture w;
    struct schedule s, ahead;
    int n_behind = 0;
    (void)state;
    game_fixture_open(&w, WORLD);
    assert_int_equal(schedule_init(&s, &w.arena, SECONDS), ERR_OK);
    assert_int_equal(schedule_init(&ahead, &w.arena, SECONDS + PRIVILEGED_AHEAD_S), ERR_OK);
    for (uint32_t episode = 0; episode < 50; episode++) {
        const struct episode_id id = {SEED, RNG_TRAIN, 3, episode};
        schedule_draw(&s, &w.env_setup.scenarios[0], &id, SECONDS);
        schedule_draw_ahead(&ahead, &w.env_setup.scenarios[0], &id, SECONDS, PRIVILEGED_AHEAD_S);
        assert_int_equal(ahead.n_seconds, SECONDS + PRIVILEGED_AHEAD_S);
        assert_memory_equal(ahead.legit_rps, s.legit_rps, SECONDS * sizeof(float));
        assert_memory_equal(ahead.attack_rps, s.attack_rps, SECONDS * sizeof(float));
        assert_memory_equal(ahead.attack_excess, s.attack_excess, SECONDS * sizeof(float));
        assert_true(ahead.n_events >= s.n_events);
        for (int i = 0; i < s.n_events; i++) {
            assert_true(ahead.events[i].start_s == s.events[i].start_s);
            assert_true(ahead.events[i].kind == s.events[i].kind);
            assert_true(ahead.events[i].magnitude == s.events[i].magnitude);
        }
        for (int i = s.n_events; i < ahead.n_events; i++) {
            assert_true(ahead.events[i].start_s >= SECONDS);
            n_behind++;
        }
    }
    assert_true(n_behind > 100);
    game_fixture_close(&w);
}

/* ---- columns by hand ---- */

/* 270 s: 30/s from clients; an attack of 60/s from 100 s on, whose requests need twice the CPU. */
static void put_load(struct schedule *s)
{
    for (int u = 0; u < s->n_seconds; u++) {
        s->legit_rps[u] = 30.0F;
        s->attack_rps[u] = u >= 100 ? 60.0F : 0.0F;
        s->attack_excess[u] = u >= 100 ? 1.0F : 0.0F;
    }
}

static void test_columns_by_hand(void **state)
{
    struct game_fixture w;
    struct schedule s;
    float out[256];
    const int per_span = 4 + 3 * SERVICES;
    (void)state;
    game_fixture_open(&w, WORLD);
    const struct topology *t = &w.env_setup.topology;
    assert_int_equal(privileged_columns(SERVICES), 8 + 3 * per_span);
    assert_int_equal(schedule_init(&s, &w.arena, SECONDS + PRIVILEGED_AHEAD_S), ERR_OK);
    s.n_seconds = SECONDS + PRIVILEGED_AHEAD_S;
    s.mean_rps = 30;
    s.node_cpu_m = 16000;
    put_load(&s);
    s.n_events = 4;
    s.events[0] =
        (struct event){.kind = EVENT_SLOW, .service = 1, .duration_s = 60, .magnitude = 3};
    s.events[1] = (struct event){
        .kind = EVENT_CRASH_ALL, .service = 2, .start_s = 50, .duration_s = 1, .magnitude = 0.4};
    s.events[2] = (struct event){.kind = EVENT_NEIGHBOUR,
                                 .service = -1,
                                 .start_s = 130,
                                 .duration_s = 500,
                                 .magnitude = 0.5};
    s.events[3] = (struct event){.kind = EVENT_NET_LOSS,
                                 .service = 0,
                                 .callee = 1,
                                 .start_s = 30,
                                 .duration_s = 500,
                                 .magnitude = 0.2};
    privileged_fill(out, &s, &w.env_setup, 30.0);
    const double loads[] = {0, 0, 0, 0, 0, 4.0 * 20 / 30, 4, 4}; /* 30 + 60 x 2 = 150/s */
    for (int i = 0; i < 8; i++) {
        assert_near(out[i], loads[i]);
    }
    const float *first = out + 8, *second = first + per_span, *third = second + per_span;
    assert_near(first[0], 0);
    assert_near(second[0], 0);
    assert_near(third[0], 0.5 * 5 / 6); /* samples at 127.5, 142.5 ...; it starts at 130 */
    const double needed = 30 * t->visits[1] / t->pod_rps[1] / t->cfg->services[1].max_replicas;
    assert_near(first[4 + 3], 3 * needed); /* slow until 60 s */
    assert_near(second[4 + 3], needed);
    assert_near(first[4 + 6 + 1], 0.4); /* the crash at 50 s */
    assert_near(second[4 + 6 + 1], 0);
    assert_near(first[4 + 2], 0.1); /* one of the two callees of service 0 loses a fifth */
    game_fixture_close(&w);
}

/* At the end of an episode a critic looks as far ahead as anywhere else. */
static void test_the_end_sees_beyond_itself(void **state)
{
    struct game_fixture w;
    struct schedule s;
    float out[256];
    (void)state;
    game_fixture_open(&w, WORLD);
    assert_int_equal(schedule_init(&s, &w.arena, SECONDS + PRIVILEGED_AHEAD_S), ERR_OK);
    s.n_seconds = SECONDS + PRIVILEGED_AHEAD_S;
    s.mean_rps = 30;
    s.node_cpu_m = 16000;
    put_load(&s);
    privileged_fill(out, &s, &w.env_setup, SECONDS);
    assert_near(out[0], 0);
    assert_near(out[1], 4.0 * 5 / 15); /* the attack starts 10 s after the end */
    assert_near(out[7], 4);
    game_fixture_close(&w);
}

/* ---- actors do not see it ---- */

/* The game, but for a privileged part in which nothing is true. */
static void lie(struct env *e, int lid, int team, float *out)
{
    (void)e;
    for (int i = 0; i < privileged_columns(SERVICES); i++) {
        out[i] = (float)(lid + team + i % 7) - 3.0F;
    }
}

struct played {
    struct env *env;
    struct env_ops lying;
    struct team team;
    struct mappo_learner player;
    struct rollout *rollout;
    struct rollout_tile tile;
    struct block block;
};

static void play(struct played *p, struct game_fixture *w, const struct team_cfg *cfg, bool lying)
{
    struct arena *arena = &w->arena;
    const struct rollout_cfg how = {.seed = SEED, .mode = ROLLOUT_POLICY};
    assert_int_equal(game_new(&p->env, arena, &w->rules, N_ENV, SEED, NULL), ERR_OK);
    p->lying = *p->env->ops;
    p->lying.privileged = lie;
    p->env->ops = lying ? &p->lying : p->env->ops;
    assert_int_equal(team_init(&p->team, arena, cfg, &w->rules.spec), ERR_OK);
    assert_int_equal(team_init_params(&p->team, 5, arena), ERR_OK);
    assert_int_equal(mappo_learner_init(&p->player, arena, &p->team, NULL), ERR_OK);
    assert_int_equal(
        rollout_init(&p->rollout, arena, &w->rules.env, (struct learner *const[]){&p->player.base}),
        ERR_OK);
    assert_int_equal(block_init(&p->block, arena, &w->rules.env, 0, N_ENV, T), ERR_OK);
    p->tile = (struct rollout_tile){.env = p->env};
    assert_int_equal(rollout_run(p->rollout, (struct block *const[]){&p->block}, &p->tile, &how, 0,
                                 HORIZON, N_ENV),
                     ERR_OK);
}

static struct team_cfg team_cfg(int *hidden, int critic)
{
    return (struct team_cfg){.actor_hidden = hidden,
                             .n_actor_hidden = 1,
                             .critic_hidden = hidden,
                             .n_critic_hidden = 1,
                             .activation = ACT_TANH,
                             .critic = critic,
                             .obs_clip = 5.0,
                             .row_block = 16,
                             .gemm = GEMM_FIXED};
}

/* Actions and probabilities of a rollout with the true and with an invented privileged part are the
 * same bits, as are the inputs of the actors that a learner builds; values differ. */
static void test_actors_are_no_function_of_it(void **state)
{
    static struct played honest, lied;
    struct game_fixture w;
    int hidden[] = {16};
    const struct team_cfg cfg = team_cfg(hidden, CRITIC_PRIVILEGED);
    (void)state;
    game_fixture_open(&w, WORLD);
    rules_show_privileged(&w.rules);
    play(&honest, &w, &cfg, false);
    play(&lied, &w, &cfg, true);
    const struct team_spec *spec = &w.rules.spec;
    const size_t rows = N_ENV * T, agents = (size_t)spec->n_agents;
    const struct block *a = &honest.block, *b = &lied.block;
    assert_memory_equal(a->action, b->action, rows * agents * sizeof(int32_t));
    assert_memory_equal(a->logp, b->logp, rows * agents * sizeof(float));
    assert_memory_equal(a->reward, b->reward, rows * agents * sizeof(float));
    assert_memory_equal(a->global_state, b->global_state,
                        rows * (size_t)spec->n_global_state * sizeof(float));
    assert_memory_not_equal(a->privileged, b->privileged,
                            rows * (size_t)spec->n_privileged * sizeof(float));
    assert_memory_not_equal(a->value, b->value, rows * agents * sizeof(float));
    assert_memory_not_equal(a->last_value, b->last_value, N_ENV * agents * sizeof(float));
    const size_t n_obs = agents * rows * (size_t)honest.team.obs_ld;
    float *in[2], *critic = ARENA_NEW(&w.arena, rows * (size_t)honest.team.critic_ld, float);
    float *scratch = ARENA_NEW(&w.arena, spec->n_global_state, float);
    for (int i = 0; i < 2; i++) {
        in[i] = ARENA_NEW(&w.arena, n_obs, float);
        team_inputs(&honest.team, in[i], critic, scratch, a->global_state,
                    i == 0 ? a->privileged : b->privileged, (int)rows);
    }
    assert_memory_equal(in[0], in[1], n_obs * sizeof(float));
    game_fixture_close(&w);
}

/* The value of the state that a truncated episode was left in is made with its privileged part. */
static void test_bootstrap_sees_it(void **state)
{
    static struct played honest, lied;
    struct game_fixture w;
    int hidden[] = {16}, n_truncated = 0;
    const struct team_cfg cfg = team_cfg(hidden, CRITIC_PRIVILEGED);
    (void)state;
    game_fixture_open(&w, WORLD);
    rules_show_privileged(&w.rules);
    play(&honest, &w, &cfg, false);
    play(&lied, &w, &cfg, true);
    const int agents = w.rules.spec.n_agents;
    for (int i = 0; i < N_ENV * T; i++) {
        if (honest.block.flag[i] == ENV_TRUNCATED) {
            assert_true(honest.block.bootstrap_value[i * agents] !=
                        lied.block.bootstrap_value[i * agents]);
            n_truncated++;
        }
    }
    assert_true(n_truncated >= N_ENV);
    game_fixture_close(&w);
}

/* Without it a game plays the same episodes, and a team that wants it is refused. */
static void test_off(void **state)
{
    static struct played with, without;
    struct game_fixture w, plain;
    int hidden[] = {16};
    struct team_cfg cfg = team_cfg(hidden, CRITIC_PRIVILEGED);
    struct team team;
    (void)state;
    game_fixture_open(&w, WORLD);
    rules_show_privileged(&w.rules);
    play(&with, &w, &cfg, false);
    game_fixture_open(&plain, WORLD);
    assert_int_equal(team_init(&team, &plain.arena, &cfg, &plain.rules.spec), ERR_CONFIG);
    assert_non_null(strstr(plain.log, "set it to central"));
    cfg.critic = CRITIC_CENTRAL;
    play(&without, &plain, &cfg, false);
    assert_null(without.block.privileged);
    const size_t rows = N_ENV * T;
    assert_memory_equal(with.block.reward, without.block.reward,
                        rows * (size_t)w.rules.spec.n_agents * sizeof(float));
    assert_memory_equal(with.block.global_state, without.block.global_state,
                        rows * (size_t)w.rules.spec.n_global_state * sizeof(float));
    game_fixture_close(&plain);
    game_fixture_close(&w);
}

/* A schedule that holds the events of an episode may be too short for those behind it. */
static void test_too_many_events(void **state)
{
    struct game_fixture w;
    (void)state;
    game_fixture_open(&w, "scenarios: [{name: busy, events: [{kind: crash, service: a, quiet_s: "
                          "{lo: 1, hi: 2}, ramp_s: {lo: 0, hi: 0}, duration_s: {lo: 1, hi: 2},\n"
                          "  magnitude: {lo: 0.1, hi: 0.1}}]}]\n"
                          "game: {horizon: 6}\n");
    assert_int_equal(privileged_check(&w.env_setup, &w.places), ERR_CONFIG);
    assert_non_null(strstr(w.log, "raise quiet_s.lo"));
    assert_non_null(strstr(w.log, "world.yaml:1"));
    game_fixture_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_episode_is_the_same),
        cmocka_unit_test(test_columns_by_hand),
        cmocka_unit_test(test_the_end_sees_beyond_itself),
        cmocka_unit_test(test_actors_are_no_function_of_it),
        cmocka_unit_test(test_bootstrap_sees_it),
        cmocka_unit_test(test_off),
        cmocka_unit_test(test_too_many_events),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
