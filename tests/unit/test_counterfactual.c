/* Replaced choices on the simulator: a planted leader, its follower, and two agents that follow the
 * load, which nobody changes. */
#include "core/analysis/counterfactual.h"
#include "core/analysis/relations.h"
#include "core/game/rules_parts.h"
#include "core/plant/schema.h"
#include "mpi/jobs/experiment.h"
#include "tests/unit/controller_text.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define OK(call) assert_int_equal((call), ERR_OK)

enum { LEADER, FOLLOWER, LEFT, RIGHT, AGENTS };
enum { HORIZON = 14, EPISODES = 10, WORDS_MAX = 4 };

/* A team without networks. */
struct scripted_learner {
    struct learner base;
    const struct rules *rules;
};

/* The n-th open choice, counted round. */
static int32_t open_choice(const uint32_t *mask, int n_choices, int n)
{
    int open[32 * WORDS_MAX], n_open = 0;
    for (int k = 0; k < n_choices; k++) {
        if (mask_has(mask, k)) {
            open[n_open++] = k;
        }
    }
    assert_true(n_open > 0);
    return open[n % n_open];
}

/* The leader goes through its choices, the follower answers to the service that the leader chose
 * last, the other two choose by the load. Previous actions are (service, change / alpha). The
 * leader's second choice is of another service. */
static void act(struct learner *l, int32_t *action, float *logp, float *memory,
                const struct learner_view *view)
{
    const struct rules *r = ((const struct scripted_learner *)l)->rules;
    const struct team_spec *spec = l->spec;
    const float *last = view->global_state + view_last_action(r);
    const float load = view->global_state[state_global_at(r->n_services, GF_ENTRY_30S)];
    const int words = env_mask_words(spec);
    const bool asked_again =
        memcmp(view->mask, view->mask + RIGHT * words, (size_t)words * sizeof *view->mask) != 0;
    const int n[AGENTS] = {5 * (int)view->step + (asked_again ? 12 : 1), 5 * ((int)last[0] + 1),
                           (int)(load / 40.0F), (int)(load / 25.0F)};
    (void)memory;
    for (int a = 0; a < AGENTS; a++) {
        action[a] = open_choice(view->mask + a * env_mask_words(spec), spec->n_choices, n[a]);
        logp[a] = 0.0F;
    }
}

static const struct learner_ops ops = {.name = "scripted", .act = act};

struct fixture {
    struct experiment x;
    struct episode e;
    struct scripted_learner learner;
    struct counterfactual c;
    struct counterfactual_play play;
};

static int setup(void **state)
{
    static struct fixture f;
    static const char *const sets[] = {"game.horizon=14"};
    struct controller *controller;
    f = (struct fixture){0};
    *state = &f;
    if (experiment_load(&f.x, "configs/experiments/warm_start.yaml", sets, 1) != ERR_OK) {
        return -1;
    }
    assert_true(f.x.rules.n_last_action == 2 && f.x.rules.spec.n_agents == AGENTS);
    f.learner = (struct scripted_learner){.base = {.ops = &ops, .spec = &f.x.rules.spec},
                                          .rules = &f.x.rules};
    const struct trained_team team = {.interface = &f.x.rules.interface,
                                      .learner = &f.learner.base};
    const struct controller_cfg cfg = controller_text(&f.x.arena, "policy");
    OK(episode_init(&f.e, &f.x.arena, &f.x.env_setup));
    OK(counterfactual_init(&f.c, &f.x.arena, &team));
    OK(controller_new(&controller, &f.x.arena, &cfg, &f.x.env_setup, &f.x.rules, &f.c.team));
    OK(counterfactual_play_init(&f.play, &f.x.arena, &f.e, controller, &f.c));
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    experiment_release(&f->x);
    return 0;
}

static struct episode_id numbered(uint32_t episode)
{
    return (struct episode_id){.seed = 3, .split = RNG_DEV, .env = episode};
}

/* Without a replacement the wrapper changes nothing, and a play repeats. */
static void a_play_repeats(void **state)
{
    struct fixture *f = *state;
    static int32_t kept[HORIZON * AGENTS];
    const struct episode_id id = numbered(1), other = numbered(2);
    OK(counterfactual_play_first(&f->play, 0, &id));
    memcpy(kept, f->play.action, sizeof kept);
    OK(counterfactual_play_first(&f->play, 0, &other));
    assert_memory_not_equal(kept, f->play.action, sizeof kept);
    OK(counterfactual_play_first(&f->play, 0, &id));
    assert_memory_equal(kept, f->play.action, sizeof kept);
}

/* The leader's choice changes the follower's next one, and nobody changes those of the leader and
 * of the two that follow the load. The follower can be touched over the plant, too: a leader that
 * asks for the replicas that are there asks for nothing, which is seen as no service. */
static void only_the_follower_follows(void **state)
{
    struct fixture *f = *state;
    const struct episode_id id = numbered(1);
    double sum[AGENTS] = {0}; /* on the follower */
    OK(counterfactual_play_first(&f->play, 0, &id));
    for (int t = 0; t < HORIZON - 1; t++) {
        for (int a = 0; a < AGENTS; a++) {
            double effect[AGENTS];
            OK(counterfactual_effect(effect, &f->play, a, t));
            assert_true(f->c.replaced && f->c.first != f->c.second);
            assert_int_equal(f->c.first, f->play.action[t * AGENTS + a]);
            assert_true(effect[LEADER] == 0.0 && effect[LEFT] == 0.0 && effect[RIGHT] == 0.0);
            sum[a] += effect[FOLLOWER];
        }
    }
    print_message("# effects on the follower: %.2f of the leader, %.2f %.2f %.2f of the others\n",
                  sum[LEADER], sum[FOLLOWER], sum[LEFT], sum[RIGHT]);
    assert_true(sum[LEADER] >= (HORIZON - 1) / 3.0);
    assert_true(sum[FOLLOWER] < 1.5 && sum[LEFT] < 1.5 && sum[RIGHT] < 1.5);
}

static void the_last_decision_has_no_effect(void **state)
{
    struct fixture *f = *state;
    const struct episode_id id = numbered(1);
    double effect[AGENTS];
    OK(counterfactual_play_first(&f->play, 0, &id));
    OK(counterfactual_effect(effect, &f->play, LEADER, HORIZON - 1));
    assert_true(isnan(effect[FOLLOWER]) && isnan(effect[LEADER]));
}

/* All the way: plays of some episodes, effects of all agents, relations. The pair that follows the
 * load has no authority over each other, nor has anyone else. */
static void authority_is_found_and_a_common_driver_is_none(void **state)
{
    enum { MOST = EPISODES * AGENTS * 3 };
    struct fixture *f = *state;
    static double effect[MOST * AGENTS];
    static int by[MOST], sequence[MOST], symbol[AGENTS * EPISODES], stratum[EPISODES];
    int begin[EPISODES], end[EPISODES];
    struct relation_data d = {.n_agents = AGENTS,
                              .n_moments = EPISODES,
                              .symbol = symbol,
                              .sequences = {.n_sequences = EPISODES,
                                            .begin = begin,
                                            .end = end,
                                            .stratum = stratum,
                                            .n_strata = 1},
                              .effect = effect,
                              .effect_by = by,
                              .effect_sequence = sequence};
    const struct relations_cfg cfg = {.seed = 1, .permutations = 99, .level = 0.05};
    struct arena scratch;
    struct relations r;
    for (int e = 0; e < EPISODES; e++) {
        const struct episode_id id = numbered((uint32_t)e);
        begin[e] = e;
        end[e] = e + 1;
        OK(counterfactual_play_first(&f->play, 0, &id));
        for (int k = 0; k < 3 * AGENTS; k++) {
            by[d.n_effects] = k % AGENTS;
            sequence[d.n_effects] = e;
            OK(counterfactual_effect(effect + d.n_effects++ * AGENTS, &f->play, k % AGENTS,
                                     2 + k / AGENTS * 4));
        }
    }
    arena_init(&scratch);
    OK(relations_find(&r, &f->x.arena, &d, &cfg, &scratch));
    for (int i = 0; i < AGENTS; i++) {
        for (int j = 0; j < AGENTS; j++) {
            const bool leads = i == LEADER && j == FOLLOWER;
            assert_int_equal(relation_at(&r, r.authority, i, j)->found, leads);
        }
    }
    arena_release(&scratch);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_play_repeats),
        TEST(only_the_follower_follows),
        TEST(the_last_decision_has_no_effect),
        TEST(authority_is_found_and_a_common_driver_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
