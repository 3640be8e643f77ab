/* Scripted teams on the floods that controllers are compared on: they keep inside their masks, draw
 * evenly, are functions of the episode; and a hole in the roles shows.
 */
#include "core/controllers/controller.h"
#include "core/eval/episode.h"
#include "core/marl/policy.h"
#include "mpi/jobs/experiment.h"
#include "tests/unit/controller_text.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define OK(call) assert_int_equal((call), ERR_OK)
enum { EPISODES = 8, AGENTS = 4 };

struct fixture {
    struct experiment x;
    struct episode episode;
    char path[64];
};

/* separation_ddos.yaml under an organisation. */
static void open_fixture(struct fixture *g, const char *organisation, const char *set)
{
    char here[512], text[1400];
    const char *const sets[] = {set};
    snprintf(g->path, sizeof g->path, "/tmp/karma_scripted_XXXXXX");
    const int fd = mkstemp(g->path);
    assert_true(fd >= 0 && getcwd(here, sizeof here) != NULL);
    const int n = snprintf(text, sizeof text,
                           "include: [%s/configs/experiments/separation_ddos.yaml, "
                           "%s/configs/organisations/%s]\n",
                           here, here, organisation);
    assert_int_equal(write(fd, text, (size_t)n), n);
    close(fd);
    OK(experiment_load(&g->x, g->path, sets, set != NULL ? 1 : 0));
    OK(episode_init(&g->episode, &g->x.arena, &g->x.env_setup));
}

static void close_fixture(struct fixture *g)
{
    unlink(g->path);
    experiment_release(&g->x);
}

/* A scripted team under a rule with the parameters that it has in separation_ddos.yaml. */
static const char TEAM_OF_FF[] = "scripted: {rule: {ff: {utilisation: 0.7, wait_share: 0.25, "
                                 "growth: 2, down_s: 60}}}";
static const char TEAM_AT_RANDOM[] = "scripted";

static double played(struct fixture *g, const struct controller_cfg *cfg)
{
    struct controller *c;
    double sum = 0.0;
    OK(controller_new(&c, &g->x.arena, cfg, &g->x.env_setup, &g->x.rules, NULL));
    for (uint32_t i = 0; i < EPISODES; i++) {
        const struct episode_id id = {.seed = 1, .split = RNG_DEV, .env = i};
        struct episode_metrics m;
        OK(episode_run(&g->episode, &m, c, 0, &id, NULL));
        sum += m.slo_attainment;
    }
    return sum / EPISODES;
}

static double played_under(const char *organisation, const char *set, const char *method)
{
    static struct fixture g;
    open_fixture(&g, organisation, set);
    const struct controller_cfg cfg = controller_text(&g.x.arena, method);
    const double slo_attainment = played(&g, &cfg);
    close_fixture(&g);
    return slo_attainment;
}

/* The roles leave a rule most of what it wins; with a hole in them it wins next to nothing, unless
 * masks are only drawn at half of the decisions or not at all. */
static void test_a_hole_shows(void **state)
{
    (void)state;
    static struct fixture g;
    open_fixture(&g, "karma.yaml", NULL);
    const struct controller_cfg nothing = controller_text(&g.x.arena, "nothing");
    const double base = played(&g, &nothing);
    close_fixture(&g);
    const double free = played_under("karma.yaml", "organisation.hardness=0", TEAM_OF_FF);
    const double hard = played_under("karma.yaml", NULL, TEAM_OF_FF);
    const double hole = played_under("misspecified.yaml", NULL, TEAM_OF_FF);
    const double half = played_under("misspecified.yaml", "organisation.hardness=0.5", TEAM_OF_FF);
    const double soft = played_under("misspecified.yaml", "organisation.hardness=0", TEAM_OF_FF);
    const double random = played_under("karma.yaml", NULL, TEAM_AT_RANDOM);
    print_message("# team of ff: nothing %.3f, free %.3f, hard %.3f; at random %.3f; with a hole: "
                  "hard %.3f, half %.3f, soft %.3f\n",
                  base, free, hard, random, hole, half, soft);
    assert_true(free > base + 0.2);
    assert_true(hard - base > 0.95 * (free - base));
    assert_true(hole - base < 0.25 * (free - base));
    assert_true(half > hole + 0.1 && half < free);
    assert_true(soft == free); /* a rule cares for no penalty */
    assert_true(random < hard - 0.05);
}

/* ---- at random ---- */

/* Masks whose size is a multiple of this are looked at, in quarters. */
enum { RANKS = 4 };

struct witness {
    const struct rules *rules;
    struct rules_memory memory;
    float state[512];
    uint32_t mask[64];
    float global_state[1024];
    long n, n_draws, n_rank[RANKS];
};

static void decide(struct witness *w, const float *state)
{
    memcpy(w->state, state, (size_t)w->rules->n_state * sizeof *state);
    rules_observe(&w->memory, w->rules, state);
    rules_global_state(w->global_state, w->mask, w->rules, &w->memory, state);
}

static void see_begin(void *ctx, const float *state)
{
    decide(ctx, state);
}

/* Its choice is in the mask; in which quarter of it. */
static enum err see_step(void *ctx, const struct episode_step *step)
{
    struct witness *w = ctx;
    const struct team_spec *spec = &w->rules->spec;
    int32_t delta[16];
    bool conflict;
    for (int a = 0; a < AGENTS; a++) {
        const uint32_t *mask = w->mask + a * env_mask_words(spec);
        int n = 0, before = 0;
        for (int k = 0; k < spec->n_choices; k++) {
            before += k < step->action[a] && mask_has(mask, k) ? 1 : 0;
            n += mask_has(mask, k) ? 1 : 0;
        }
        assert_true(mask_has(mask, step->action[a]));
        w->n++;
        if (n % RANKS == 0) {
            w->n_rank[before * RANKS / n]++;
            w->n_draws++;
        }
    }
    rules_apply(delta, &conflict, &w->memory, w->rules, w->state, step->action);
    decide(w, step->state);
    return ERR_OK;
}

static void test_random_is_even_and_inside(void **state)
{
    (void)state;
    static struct fixture g;
    static struct witness w;
    struct controller *c;
    open_fixture(&g, "karma.yaml", "organisation.hardness=0.5");
    const struct controller_cfg cfg = controller_text(&g.x.arena, TEAM_AT_RANDOM);
    w = (struct witness){.rules = &g.x.rules};
    OK(rules_memory_init(&w.memory, &g.x.arena, &g.x.rules));
    OK(controller_new(&c, &g.x.arena, &cfg, &g.x.env_setup, &g.x.rules, NULL));
    assert_ptr_equal(c->rules, &g.x.rules);
    assert_null(c->free_action);
    const struct episode_observer observer = {.ctx = &w, .begin = see_begin, .see = see_step};
    double first = 0.0;
    for (uint32_t i = 0; i < 25; i++) {
        const struct episode_id id = {.seed = 1, .split = RNG_DEV, .env = i % 24};
        struct episode_metrics m;
        rules_begin(&w.memory, &g.x.rules, &id);
        OK(episode_run(&g.episode, &m, c, 0, &id, &observer));
        first = i == 0 ? m.slo_attainment : first;
        assert_true(i != 24 || m.slo_attainment == first); /* the same episode again */
    }
    assert_int_equal(w.n, 25L * 50 * AGENTS);
    double chi2 = 0.0;
    const double want = (double)w.n_draws / RANKS;
    for (int i = 0; i < RANKS; i++) {
        chi2 += ((double)w.n_rank[i] - want) * ((double)w.n_rank[i] - want) / want;
    }
    print_message("# %ld draws from masks of whole quarters, chi2 of 3: %.1f\n", w.n_draws, chi2);
    assert_true(w.n_draws > 100 && chi2 < 16.3); /* 99.9 % */
    close_fixture(&g);
}

/* ---- without an organisation ---- */

/* As many agents as before, nothing forbidden. */
static void test_without_an_organisation(void **state)
{
    (void)state;
    const double free = played_under("karma.yaml", "organisation.agents=[]", TEAM_OF_FF);
    const double random = played_under("karma.yaml", "organisation.agents=[]", TEAM_AT_RANDOM);
    print_message("# no organisation: team of ff %.3f, at random %.3f\n", free, random);
    assert_true(free > random + 0.05);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_hole_shows),
        cmocka_unit_test(test_random_is_even_and_inside),
        cmocka_unit_test(test_without_an_organisation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
