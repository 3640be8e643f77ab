/* Planted teams: known roles are found, and teams without roles are said to have none.
 *
 *   LOG=FILE EPISODES=500 STEPS=200 build/default/tests/unit/test_analysis_planted
 *
 * writes the episodes of a team of four roles as a log that `karma analyse FILE` reads, instead.
 * FIRST=100 takes the seeds from 100 on: what was chosen in the method was chosen on 100 to 139. */
#include "tests/unit/planted_team.h"

#include "core/base/file.h"
#include "proto/trajectory_log.h"

#include <stdlib.h>

enum { SEEDS = 20, MOST_WRONG = 1 };

static const struct role_cfg usual = {
    .steps = {.ngram = 1},
    .distance = {.kind = DISTANCE_DTW, .relative = true, .band = 0.1},
    .k_max = 8,
    .sample = 2000,
    .null_trajectories = 32,
    .shuffles = 19,
    .significance = 0.05,
    .seed = 1};

struct verdict {
    int found, agrees; /* of SEEDS: roles; ARI >= 0.9 */
    double ari;        /* mean */
};

static int number_of(const char *name, int otherwise)
{
    const char *text = getenv(name);
    return text != NULL ? (int)strtol(text, NULL, 10) : otherwise;
}

static struct verdict judge(enum planted_kind kind, const struct role_cfg *cfg)
{
    const int first = number_of("FIRST", 1);
    struct verdict v = {0, 0, 0.0};
    for (int seed = first; seed < first + SEEDS; seed++) {
        const struct planted_cfg team = {
            .kind = kind, .seed = (uint64_t)seed, .n_episodes = 16, .n_steps = 200};
        struct trajectory_set set;
        struct roles r;
        struct role_spared spared = {0.0, 0.0, 0.0, 0.0};
        struct arena arena;
        arena_init(&arena);
        planted_team(&set, &arena, &team);
        planted_search(&r, &arena, &set, cfg, &spared);
        v.found += r.found;
        v.agrees += r.found && r.with_roles.ari >= 0.9;
        v.ari += r.with_roles.ari / SEEDS;
        arena_release(&arena);
    }
    return v;
}

static void roles_are_found(void **state)
{
    static const char *const names[] = {"four roles", "two agents share one", "30 % overlap"};
    (void)state;
    for (int kind = PLANTED_FOUR; kind <= PLANTED_OVERLAP; kind++) {
        const struct verdict v = judge((enum planted_kind)kind, &usual);
        print_message("%s: roles found in %d of %d, ARI >= 0.9 in %d, mean ARI %.3f\n", names[kind],
                      v.found, SEEDS, v.agrees, v.ari);
        assert_true(v.agrees >= SEEDS - MOST_WRONG);
    }
}

static void no_roles_are_invented(void **state)
{
    static const char *const names[] = {"equal agents", "identical agents", "random agents"};
    (void)state;
    for (int kind = PLANTED_EQUAL; kind <= PLANTED_RANDOM; kind++) {
        const struct verdict v = judge((enum planted_kind)kind, &usual);
        print_message("%s: roles found in %d of %d\n", names[kind - PLANTED_EQUAL], v.found, SEEDS);
        assert_true(v.found <= MOST_WRONG);
    }
}

/* The log has what a reader needs; deltas, choices and rewards are zeros. */
static int write_log(const char *path)
{
    const struct planted_cfg team = {.kind = PLANTED_FOUR,
                                     .seed = 1,
                                     .n_episodes = number_of("EPISODES", 500),
                                     .n_steps = number_of("STEPS", 200)};
    struct trajectory_set set;
    struct arena arena;
    struct buf out;
    arena_init(&arena);
    buf_init(&out);
    planted_team(&set, &arena, &team);
    const int32_t *zeros = ARENA_NEW(&arena, team.n_steps * PLANTED_SERVICES, int32_t);
    enum err e = arena_error(&arena);
    for (int i = 0; i < set.n_episodes && e == ERR_OK; i++) {
        const struct analysed_episode *x = &set.episodes[i];
        const struct trajectory_episode t = {.controller = set.controller,
                                             .scenario = x->scenario,
                                             .split = x->split,
                                             .policy = x->policy,
                                             .train_seed = x->train_seed,
                                             .episode = x->episode,
                                             .period_s = set.period_s,
                                             .services = set.services,
                                             .columns = set.columns,
                                             .agents = set.agents,
                                             .terms = set.terms,
                                             .n_steps = x->n_steps,
                                             .n_services = set.n_services,
                                             .n_columns = set.n_columns,
                                             .n_agents = set.n_agents,
                                             .n_terms = set.n_terms,
                                             .n_choices = 1,
                                             .state = x->state,
                                             .delta = zeros,
                                             .action = zeros,
                                             .reward = x->reward,
                                             .roles = set.roles,
                                             .change = x->change,
                                             .slo_attainment = NAN,
                                             .upper_bound = NAN};
        e = codec_put_trajectory(&out, &t);
    }
    e = e == ERR_OK ? file_write(path, out.data, out.len) : e;
    buf_release(&out);
    arena_release(&arena);
    return err_exit_code(e);
}

int main(void)
{
    if (getenv("LOG") != NULL) {
        return write_log(getenv("LOG"));
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(roles_are_found),
        cmocka_unit_test(no_roles_are_invented),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
