/* The organisation in the game: masks, coins, rewards, authority. What is seen stands in
 * test_guided_seen.c.
 *
 * Masks are checked against the guides and not against the code that makes them: what a choice
 * would execute is computed here once more.
 */
#include "core/marl/loss.h"
#include "core/marl/policy.h"
#include "core/plant/reward.h"
#include "tests/unit/guided_fixture.h"

/* The same of the head `need`, whose limits are 0.7 of a pod and a quarter of latency_max. */
static int executed_need(const struct fixture *f, int k, int *service)
{
    static const double loads[] = {0.7, 0.8, 0.9, 1, 1.1, 1.2, 1.35, 1.5, 1.75, 2, 2.5, 3};
    const struct topology *t = &f->w.env_setup.topology;
    *service = k == 0 ? 0 : (k - 1) / 12;
    if (k == 0) {
        return 0;
    }
    const double now = (double)f->state[state_global_at(S, GF_ENTRY_5S)];
    const double mean = (double)f->state[state_global_at(S, GF_ENTRY_10S)];
    const double calls = loads[(k - 1) % 12] * fmax(now, mean) * t->visits[*service];
    const double mu = t->pod_rps[*service];
    const double bound = 1 - 1 / (mu * 0.25 * f->w.root.plant.latency_max_ms * 1e-3);
    const double pods = ceil(calls / (mu * fmin(bound, 0.7)));
    const int want =
        (int)fmin(fmax(pods, 1), 10) - (int)f->state[state_service_at(*service, SF_DESIRED)];
    return want > 3 ? 3 : want < -3 ? -3 : want;
}

/* What choice k would execute, from the definition of the heads; alpha 3, bounds 1 to 10. */
static int executed(const struct fixture *f, int k, int *service)
{
    if (f->w.rules.cfg->action.head == HEAD_NEED) {
        return executed_need(f, k, service);
    }
    const bool level = f->w.rules.cfg->action.head == HEAD_LEVEL;
    *service = level ? k / 10 : (k - 1) / 6;
    if (level) {
        const int want = 1 + k % 10 - (int)f->state[state_service_at(*service, SF_DESIRED)];
        return want > 3 ? 3 : want < -3 ? -3 : want;
    }
    const int p = (k - 1) % 6;
    return k == 0 ? 0 : p < 3 ? p - 3 : p - 2;
}

static bool may(const struct fixture *f, int agent, int k)
{
    int service;
    const int change = executed(f, k, &service);
    return change == 0 || guides_permits(&f->memory.guides, f->w.rules.guides,
                                         f->w.rules.guide_of[agent], service, change);
}

/* ---- hard ---- */

/* log p under the mask is log (p_k / sum of p over the mask) of the free distribution. */
static void assert_renormalised(const float *logits, const uint32_t *mask, const uint32_t *open,
                                int n)
{
    float masked[CHOICES_MAX], free_logp[CHOICES_MAX], prob[CHOICES_MAX];
    double sum = 0.0, total = 0.0;
    policy_softmax(masked, prob, logits, mask, n);
    policy_softmax(free_logp, prob, logits, open, n);
    for (int k = 0; k < n; k++) {
        sum += mask_has(mask, k) ? exp((double)free_logp[k]) : 0.0;
    }
    for (int k = 0; k < n; k++) {
        if (!mask_has(mask, k)) {
            assert_true(masked[k] == -INFINITY);
            continue;
        }
        total += exp((double)masked[k]);
        assert_true(fabs((double)masked[k] - ((double)free_logp[k] - log(sum))) < 1e-4);
    }
    assert_true(fabs(total - 1.0) < 1e-5);
}

static int sample(const struct fixture *f, float *logits, int agent, uint32_t episode,
                  uint32_t step)
{
    const struct team_spec *spec = &f->w.rules.spec;
    const struct rng_key key = rng_key(4, RNG_TEST, RNG_DEV);
    float logp[CHOICES_MAX], prob[CHOICES_MAX];
    for (int k = 0; k < spec->n_choices; k += 4) {
        const struct rng_block b = rng_philox(key, (uint32_t)(agent * 64 + k), step, episode, 0);
        for (int i = 0; i < 4 && k + i < spec->n_choices; i++) {
            logits[k + i] = 6.0F * rng_f32(b.v[i]) - 3.0F;
        }
    }
    const uint32_t *mask = f->mask + agent * env_mask_words(spec);
    policy_softmax(logp, prob, logits, mask, spec->n_choices);
    return policy_sample(prob, mask, spec->n_choices,
                         rng_f32(rng_philox(key, (uint32_t)agent, step, episode, 1).v[0]));
}

struct tally {
    long pairs, moved, forced, closed, refused;
};

/* One decision of one agent; its mask is exactly what the guides say. */
static void check_agent(struct fixture *f, struct tally *t, int agent, uint32_t episode,
                        uint32_t step)
{
    const struct team_spec *spec = &f->w.rules.spec;
    const uint32_t *mask = f->mask + agent * env_mask_words(spec);
    const uint32_t *open = f->open + agent * env_mask_words(spec);
    float logits[CHOICES_MAX];
    int n_moves = 0, n_left = 0, service;
    const int k = sample(f, logits, agent, episode, step);
    assert_true(may(f, agent, k));
    for (int c = 0; c < spec->n_choices; c++) {
        const bool moves = executed(f, c, &service) != 0;
        n_moves += mask_has(mask, c) && moves ? 1 : 0;
        n_left += mask_has(mask, c) ? 1 : 0;
        assert_true(!mask_has(mask, c) || (mask_has(open, c) && may(f, agent, c)));
        if (moves) {
            assert_int_equal(mask_has(mask, c), mask_has(open, c) && may(f, agent, c));
            t->refused += mask_has(open, c) && !may(f, agent, c) ? 1 : 0;
        }
    }
    assert_true(n_left >= 1 && (n_moves > 0 || n_left == 1));
    if (f->w.rules.cfg->action.head == HEAD_DELTA) { /* a choice for each change */
        assert_int_equal(
            rules_options(&f->w.rules, &f->memory.guides, f->w.rules.guide_of[agent], f->state),
            n_moves);
    }
    t->pairs++;
    t->moved += executed(f, k, &service) != 0 ? 1 : 0;
    t->closed += n_moves == 0 ? 1 : 0;
    t->forced += loss_has_choice(mask, 1, spec->n_choices) ? 0 : 1;
    if (t->pairs % 101 == 0) {
        assert_renormalised(logits, mask, open, spec->n_choices);
    }
    f->action[agent] = k;
}

static void check_hard(const char *head, uint32_t n_episodes)
{
    static struct fixture f;
    struct tally t = {0};
    char more[64];
    (void)snprintf(more, sizeof more, "game: {action: {head: %s}}\n", head);
    open_world(&f, KARMA, more);
    for (uint32_t e = 0; e < n_episodes; e++) {
        begin(&f, e, 0);
        for (uint32_t step = 0; step < 50; step++) {
            int32_t delta[S];
            bool conflict;
            draw_state(&f, e, step);
            observe(&f);
            for (int a = 0; a < AGENTS; a++) {
                check_agent(&f, &t, a, e, step);
            }
            rules_apply(delta, &conflict, &f.memory, &f.w.rules, f.state, f.action);
            for (int a = 0; a < AGENTS; a++) {
                assert_int_equal(f.memory.compliant[a], 1);
            }
        }
    }
    print_message("# %s: %ld pairs, %ld choices forbidden, %ld changes, %ld without a choice\n",
                  head, t.pairs, t.refused, t.moved, t.forced);
    assert_int_equal(t.pairs, 4L * 50 * n_episodes);
    const long least = strstr(head, "own") != NULL ? 1 : 4; /* of one service there are fewer */
    assert_true(t.refused > least * t.pairs && t.moved > t.pairs / 4);
    assert_true(t.forced == t.closed && t.forced > t.pairs / 500);
    game_fixture_close(&f.w);
}

static void test_million_choices_inside(void **state)
{
    (void)state;
    check_hard("level", 4000);
    check_hard("delta", 1000);
    check_hard("delta, operations: own", 500);
    check_hard("need", 500);
    check_hard("need, operations: own", 500);
}

/* ---- no mask ---- */

static void test_free_is_untouched(void **state)
{
    (void)state;
    static struct fixture f, plain;
    open_world(&f, KARMA, "organisation: {hardness: 0}\n");
    open_world(&plain, "", "");
    assert_null(plain.w.rules.guides);
    for (uint32_t step = 0; step < 2000; step++) {
        draw_state(&f, 1, step);
        draw_state(&plain, 1, step);
        if (step % 50 == 0) {
            begin(&f, step, 0);
            begin(&plain, step, 0);
        }
        observe(&f);
        observe(&plain);
        assert_memory_equal(f.mask, plain.mask, 2 * AGENTS * sizeof *f.mask);
        /* and what was seen before is seen now */
        assert_memory_equal(f.global_state, plain.global_state,
                            (size_t)plain.w.rules.spec.n_global_state * sizeof *f.global_state);
    }
    game_fixture_close(&f.w);
    game_fixture_close(&plain.w);
}

/* The game, and its parts beside it: a plant and guides of their own. */
static void check_rewards(const char *more, double penalty, bool *was_outside)
{
    enum { N = 3, STEPS = 10 };
    static struct fixture f;
    struct env *env;
    struct plant *plant;
    struct schedule schedule;
    struct guides_memory guides;
    struct rules_memory memory;
    int32_t action[N * AGENTS] = {0}, delta[S];
    float reward[N * AGENTS];
    uint8_t flag[N];
    open_world(&f, KARMA, more);
    struct arena *arena = &f.w.arena;
    const struct rules *r = &f.w.rules;
    assert_int_equal(game_new(&env, arena, r, N, 9, NULL), ERR_OK);
    assert_int_equal(env_setup_plant(&plant, arena, &f.w.env_setup, PLANT_KIND_CLUSTER, 1), ERR_OK);
    assert_int_equal(schedule_init(&schedule, arena, f.w.env_setup.n_seconds), ERR_OK);
    assert_int_equal(guides_memory_init(&guides, arena, r->guides), ERR_OK);
    assert_int_equal(rules_memory_init(&memory, arena, r), ERR_OK);
    const struct episode_id id = {9, RNG_TRAIN, 1, 0};
    schedule_draw(&schedule, &f.w.env_setup.scenarios[0], &id, f.w.env_setup.n_seconds);
    assert_int_equal(plant_reset(plant, 0, &id, &schedule, f.w.env_setup.cfg.horizon), ERR_OK);
    for (int lid = 0; lid < N; lid++) {
        assert_int_equal(env->ops->reset(env, lid, (uint32_t)lid, 0, 0), ERR_OK);
    }
    guides_clear(&guides, r->guides);
    guides_update(&guides, r->guides, plant_state(plant, 0));
    for (uint32_t t = 0; t < STEPS; t++) {
        bool compliant[AGENTS], conflict;
        env->ops->global_state(env, 1, 0, f.global_state, f.mask);
        memcpy(f.state, plant_state(plant, 0), (size_t)r->n_state * sizeof(float));
        for (int a = 0; a < AGENTS; a++) {
            float logits[CHOICES_MAX];
            int service;
            action[AGENTS + a] = sample(&f, logits, a, 0, t);
            const int change = executed(&f, action[AGENTS + a], &service);
            compliant[a] = change == 0 || guides_permits(&guides, r->guides, a, service, change);
            *was_outside = *was_outside || !compliant[a];
        }
        assert_int_equal(
            env->ops->step(env, (const int32_t *const[]){action}, (float *const[]){reward}, flag),
            ERR_OK);
        rules_apply(delta, &conflict, &memory, r, plant_state(plant, 0), action + AGENTS);
        assert_int_equal(plant_step(plant, delta, NULL, NULL), ERR_OK);
        guides_update(&guides, r->guides, plant_state(plant, 0));
        struct reward_terms terms;
        reward_of(&terms, plant_truth(plant, 0), f.w.env_setup.cfg.plant,
                  f.w.env_setup.topology.cfg->node_cpu_m, 1.0);
        for (int a = 0; a < AGENTS; a++) {
            struct guides_reward own;
            guides_reward(&own, &guides, r->guides, a, compliant[a]);
            assert_true(own.penalty == (compliant[a] ? 0.0 : -penalty));
            assert_true(own.mission <= 0.0 && own.mission >= -0.25);
            const float want = (float)(terms.reward + own.mission + own.bonus + own.penalty);
            assert_memory_equal(&reward[AGENTS + a], &want, sizeof want);
        }
    }
    game_fixture_close(&f.w);
}

static void test_reward_is_shifted_by_the_guide(void **state)
{
    (void)state;
    bool was_outside = false;
    check_rewards("organisation: {hardness: 1}\n", 0.0, &was_outside);
    assert_false(was_outside);
    check_rewards("organisation: {hardness: 0}\n", 0.1, &was_outside);
    assert_true(was_outside);
    was_outside = false;
    check_rewards("organisation: {hardness: 0.5}\n", 0.05, &was_outside);
    assert_true(was_outside);
}

/* ---- coins ---- */

static void test_half_is_half(void **state)
{
    (void)state;
    enum { EPISODES = 1000, STEPS = 50 };
    static struct fixture f;
    long active[AGENTS] = {0}, both = 0, again = 0;
    uint8_t first[AGENTS];
    open_world(&f, KARMA, "organisation: {hardness: 0.5}\n");
    const size_t n_mask = 2 * sizeof *f.mask;
    draw_state(&f, 0, 0);
    for (uint32_t e = 0; e < EPISODES; e++) {
        begin(&f, e % 10, e / 10);
        for (int step = 0; step < STEPS; step++) {
            observe(&f);
            for (int a = 0; a < AGENTS; a++) {
                active[a] += f.memory.mask_active[a];
                if (f.memory.mask_active[a] == 0) {
                    assert_memory_equal(f.mask + 2 * a, f.open + 2 * a, n_mask);
                }
            }
            both += f.memory.mask_active[0] & f.memory.mask_active[1];
            if (step == 0) {
                memcpy(first, f.memory.mask_active, sizeof first);
            }
        }
        begin(&f, e % 10, e / 10); /* the same episode has the same coins */
        observe(&f);
        again += memcmp(first, f.memory.mask_active, sizeof first) == 0 ? 1 : 0;
    }
    const double n = (double)EPISODES * STEPS;
    for (int a = 0; a < AGENTS; a++) {
        assert_true(fabs((double)active[a] / n - 0.5) < 5.0 * 0.5 / sqrt(n));
    }
    assert_true(fabs((double)both / n - 0.25) < 5.0 * sqrt(0.25 * 0.75 / n));
    assert_int_equal(again, EPISODES);
    game_fixture_close(&f.w);
}

static void test_coins_are_the_episodes(void **state)
{
    (void)state;
    static struct fixture f;
    uint64_t seen[2][2][2][2] = {{{{0}}}};
    open_world(&f, KARMA, "organisation: {hardness: 0.5}\n");
    draw_state(&f, 0, 0);
    for (int seed = 0; seed < 2; seed++) {
        for (int split = 0; split < 2; split++) {
            for (int env = 0; env < 2; env++) {
                for (int episode = 0; episode < 2; episode++) {
                    const struct episode_id id = {(uint64_t)seed, split ? RNG_DEV : RNG_TRAIN,
                                                  (uint32_t)env, (uint32_t)episode};
                    rules_begin(&f.memory, &f.w.rules, &id);
                    for (int bit = 0; bit < 64; bit += AGENTS) {
                        rules_observe(&f.memory, &f.w.rules, f.state);
                        for (int a = 0; a < AGENTS; a++) {
                            seen[seed][split][env][episode] |= (uint64_t)f.memory.mask_active[a]
                                                               << (bit + a);
                        }
                    }
                }
            }
        }
    }
    const uint64_t *all = &seen[0][0][0][0];
    for (int i = 0; i < 16; i++) {
        for (int k = 0; k < i; k++) {
            assert_true(all[i] != all[k]);
        }
    }
    game_fixture_close(&f.w);
}

/* ---- forced choices teach nothing ---- */

static void test_one_choice_has_no_weight(void **state)
{
    (void)state;
    static struct fixture f;
    float logits[CHOICES_MAX] = {0}, grad[CHOICES_MAX], work[1024];
    const float logp = 0.0F, advantage = 3.0F;
    struct policy_sums sums = {0};
    open_world(&f, KARMA, "");
    begin(&f, 0, 0);
    for (int s = 0; s < S; s++) { /* busy, but nothing is wrong: nobody may do anything */
        game_fixture_set(&f.w, f.state, s, SF_DESIRED, 3);
        game_fixture_set(&f.w, f.state, s, SF_READY, 3);
        game_fixture_set(&f.w, f.state, s, SF_UTIL_10S, 0.5);
    }
    game_fixture_set_global(&f.w, f.state, GF_ENTRY_10S, 30);
    game_fixture_set_global(&f.w, f.state, GF_ENTRY_30S, 30);
    observe(&f);
    const struct team_spec *spec = &f.w.rules.spec;
    for (int a = 0; a < AGENTS; a++) {
        const uint32_t *mask = f.mask + 2 * a;
        assert_false(loss_has_choice(mask, 1, spec->n_choices));
        f.action[a] = policy_argmax(logits, mask, spec->n_choices);
        const struct policy_rows rows = {.n = 1,
                                         .n_factors = 1,
                                         .n_choices = spec->n_choices,
                                         .logits = logits,
                                         .logit_ld = CHOICES_MAX,
                                         .mask = mask,
                                         .mask_stride = 2,
                                         .action = &f.action[a],
                                         .action_stride = 1,
                                         .logp = &logp,
                                         .advantage = &advantage,
                                         .sample_stride = 1,
                                         .adv_scale = 1};
        memset(grad, 1, sizeof grad);
        loss_ppo(&sums, grad, work, &rows, 0.2F, 0.01F);
        for (int k = 0; k < spec->n_choices; k++) {
            assert_true(grad[k] == 0.0F);
        }
    }
    assert_true(sums.weight == 0.0 && sums.loss == 0.0 && sums.entropy == 0.0);
    game_fixture_close(&f.w);
}

/* ---- one agent, authority ---- */

static void test_one_agent_has_the_union(void **state)
{
    (void)state;
    static struct fixture f, four;
    open_world(&f, "include: [configs/organisations/single.yaml]\n",
               "game: {agents: [operator], action: {operations: all}}\n");
    open_world(&four, KARMA, "");
    long open = 0;
    for (uint32_t step = 0; step < 2000; step++) {
        draw_state(&f, 3, step);
        memcpy(four.state, f.state, sizeof f.state);
        if (step % 50 == 0) {
            begin(&f, step, 0);
            begin(&four, step, 0);
        }
        observe(&f);
        observe(&four);
        for (int s = 0; s < S; s++) {
            uint32_t all = 0;
            for (int a = 0; a < AGENTS; a++) {
                all |= guides_allowed(&four.memory.guides, four.w.rules.guides, a)[s];
            }
            assert_int_equal(guides_allowed(&f.memory.guides, f.w.rules.guides, 0)[s], all);
            for (int k = 0; k < 10; k++) { /* a factor for each service */
                int change = 1 + k - (int)f.state[state_service_at(s, SF_DESIRED)];
                change = change > 3 ? 3 : change < -3 ? -3 : change;
                assert_int_equal(mask_has(f.mask + s, k), (all >> (change + 3)) & 1U);
                open += change != 0 && mask_has(f.mask + s, k) ? 1 : 0;
            }
        }
    }
    assert_true(open > 2000);
    game_fixture_close(&f.w);
    game_fixture_close(&four.w);
}

static void test_authority(void **state)
{
    (void)state;
    static struct fixture f;
    struct {
        int requested[AGENTS], sum, ranked;
        bool conflict;
    } cases[] = {
        {{3, -1, 0, 0}, 2, -1, true}, /* ddos (1) stands above bottleneck (0) */
        {{2, 0, -1, 0}, 1, 2, true},  /* failure (2) is not named: below all that are */
        {{1, 1, 0, -2}, 0, 2, true},  {{1, 1, 0, 0}, 2, 2, false}, {{0, 0, -1, 2}, 1, -1, true},
        {{0, 0, 0, 0}, 0, 0, false},  {{-3, 3, 3, 3}, 3, 3, true},
    };
    for (int ranked = 0; ranked < 2; ranked++) {
        open_world(&f, "",
                   ranked ? "game: {action: {head: delta}, authority: [ddos, bottleneck]}\n"
                          : "game: {action: {head: delta}}\n");
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
            int32_t delta[S];
            bool conflict = false;
            begin(&f, 0, 0);
            game_fixture_set(&f.w, f.state, 1, SF_DESIRED, 5);
            observe(&f);
            for (int a = 0; a < AGENTS; a++) {
                const int d = cases[i].requested[a];
                f.action[a] = d == 0 ? 0 : 1 + 6 + (d < 0 ? d + 3 : d + 2);
            }
            rules_apply(delta, &conflict, &f.memory, &f.w.rules, f.state, f.action);
            assert_int_equal(delta[1], ranked ? cases[i].ranked : cases[i].sum);
            assert_int_equal(conflict, cases[i].conflict);
            assert_true(f.memory.last_action[0] == (cases[i].requested[0] != 0 ? 1.0F : -1.0F));
        }
        game_fixture_close(&f.w);
    }
    assert_int_equal(game_fixture_try(&f.w, text_of(&f, "", "game: {authority: [nobody]}\n")),
                     ERR_CONFIG);
    assert_non_null(strstr(f.w.log, "nobody"));
    game_fixture_close(&f.w);
}

/* ---- errors, memory ---- */

static void test_agents_must_agree(void **state)
{
    (void)state;
    static struct fixture f;
    assert_int_equal(
        game_fixture_try(&f.w, text_of(&f, KARMA, "game: {agents: [bottleneck, ddos, failure]}\n")),
        ERR_CONFIG);
    assert_non_null(strstr(f.w.log, "game.agents has no 'resource'"));
    game_fixture_close(&f.w);
    assert_int_equal(
        game_fixture_try(
            &f.w, text_of(&f, KARMA, "game: {agents: [bottleneck, ddos, failure, resource, x]}\n")),
        ERR_CONFIG);
    assert_non_null(strstr(f.w.log, "agent 'x' plays no role"));
    game_fixture_close(&f.w);
    open_world(&f, KARMA, "game: {agents: [resource, ddos, failure, bottleneck]}\n");
    assert_int_equal(f.w.rules.guide_of[0], 3);
    assert_int_equal(f.w.rules.guide_of[3], 0);
    game_fixture_close(&f.w);
}

static void test_decisions_allocate_nothing(void **state)
{
    (void)state;
    static struct fixture f;
    open_world(&f, KARMA, "game: {obs: {view: role, stack: 2}, authority: [ddos]}\n");
    begin(&f, 0, 0);
    const uint64_t before = mem_calls();
    for (uint32_t step = 0; step < 100; step++) {
        int32_t delta[S], target[S] = {3, 4, 5, 6};
        bool conflict;
        struct guides_reward reward;
        draw_state(&f, 0, step);
        observe(&f);
        rules_imitate(f.action, &f.w.rules, &f.memory, f.state, target);
        rules_apply(delta, &conflict, &f.memory, &f.w.rules, f.state, f.action);
        rules_reward(&reward, &f.memory, &f.w.rules, 0);
    }
    assert_int_equal(mem_calls(), before);
    game_fixture_close(&f.w);
}

/* A demonstration stays inside what the mask leaves, or cloning would meet log 0. */
static void test_demonstrations_keep_inside(void **state)
{
    (void)state;
    static struct fixture f;
    long moved = 0;
    open_world(&f, KARMA, "organisation: {hardness: 0.7}\n");
    begin(&f, 0, 0);
    for (uint32_t step = 0; step < 5000; step++) {
        int32_t target[S];
        draw_state(&f, 0, step);
        observe(&f);
        for (int s = 0; s < S; s++) {
            target[s] = 1 + (int)(uniform((uint32_t)s, step, 99) * 10);
        }
        rules_imitate(f.action, &f.w.rules, &f.memory, f.state, target);
        for (int a = 0; a < AGENTS; a++) {
            int service;
            assert_true(mask_has(f.mask + 2 * a, f.action[a]));
            moved += executed(&f, f.action[a], &service) != 0 ? 1 : 0;
        }
    }
    assert_true(moved > 5000);
    game_fixture_close(&f.w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_million_choices_inside),
        cmocka_unit_test(test_free_is_untouched),
        cmocka_unit_test(test_reward_is_shifted_by_the_guide),
        cmocka_unit_test(test_half_is_half),
        cmocka_unit_test(test_coins_are_the_episodes),
        cmocka_unit_test(test_one_choice_has_no_weight),
        cmocka_unit_test(test_one_agent_has_the_union),
        cmocka_unit_test(test_authority),
        cmocka_unit_test(test_agents_must_agree),
        cmocka_unit_test(test_decisions_allocate_nothing),
        cmocka_unit_test(test_demonstrations_keep_inside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
