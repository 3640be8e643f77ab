/* An episode step by step: what the recorder keeps is what the controller saw and did, and survives
 * the way into a frame and back. */
#include "core/eval/trajectory_recorder.h"
#include "core/marl/mappo_learner.h"

#include "core/base/frame.h"
#include "core/plant/schema.h"
#include "mpi/jobs/experiment.h"
#include "tests/unit/controller_text.h"
#include "tests/unit/heard.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { HORIZON = 8 };

struct fixture {
    struct experiment x;
    struct episode e;
    struct trajectory_recorder recorder;
    struct team team;
    struct mappo_learner player;
    struct buf bytes;
};

static int setup(void **state)
{
    static struct fixture f;
    static const char *const sets[] = {"game.horizon=8"};
    f = (struct fixture){0};
    buf_init(&f.bytes);
    *state = &f;
    return experiment_load(&f.x, "configs/experiments/warm_start.yaml", sets, 1) == ERR_OK &&
                   episode_init(&f.e, &f.x.arena, &f.x.env_setup) == ERR_OK &&
                   trajectory_recorder_init(&f.recorder, &f.x.arena, &f.x.env_setup,
                                            env_n_actions(&f.x.rules.spec)) == ERR_OK
               ? 0
               : -1;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    buf_release(&f->bytes);
    trajectory_recorder_release(&f->recorder);
    experiment_release(&f->x);
    return 0;
}

static void play(struct fixture *f, const char *method)
{
    const struct controller_cfg cfg = controller_text(&f->x.arena, method);
    const struct episode_id id = {.seed = 3, .split = RNG_DEV, .env = 1};
    const struct episode_observer observer = trajectory_recorder_observer(&f->recorder);
    struct controller *c;
    struct episode_metrics m;
    assert_int_equal(team_init(&f->team, &f->x.arena, &f->x.cfg.team, &f->x.rules.spec), ERR_OK);
    assert_int_equal(mappo_learner_init(&f->player, &f->x.arena, &f->team, NULL), ERR_OK);
    const struct trained_team trained = {.interface = &f->x.rules.interface,
                                         .learner = &f->player.base};
    assert_int_equal(controller_new(&c, &f->x.arena, &cfg, &f->x.env_setup, &f->x.rules, &trained),
                     ERR_OK);
    assert_int_equal(episode_run(&f->e, &m, c, 0, &id, &observer), ERR_OK);
}

static struct trajectory_episode described(struct fixture *f)
{
    static const char *const services[8] = {"a", "b", "c", "d", "e", "f", "g", "h"};
    struct trajectory_episode t = {.controller = "ff",
                                   .scenario = "flood",
                                   .split = "dev",
                                   .policy = UINT64_MAX,
                                   .train_seed = 7,
                                   .seed = 3,
                                   .cell_digest = 9,
                                   .episode = 1,
                                   .period_s = 15,
                                   .services = services,
                                   .columns = experiment_features(&f->x, &f->x.arena)};
    trajectory_recorder_fill(&t, &f->recorder);
    return t;
}

/* Replicas that were asked for after a decision are those before it plus the change: row t of the
 * state is the one decision t saw, row t + 1 what came of it. */
static void changes_lead_from_row_to_row(void **state)
{
    struct fixture *f = *state;
    play(f, "ff: {down_s: 0}");
    const struct trajectory_recorder *t = &f->recorder;
    int n_changes = 0;
    assert_int_equal(t->n_steps, HORIZON);
    assert_null(t->spec);
    for (int step = 0; step < HORIZON; step++) {
        for (int s = 0; s < t->n_services; s++) {
            const int column = state_service_at(s, SF_DESIRED);
            const float before = t->state[step * t->n_columns + column];
            const float after = t->state[(step + 1) * t->n_columns + column];
            const int32_t delta = t->delta[step * t->n_services + s];
            assert_true(after == before + (float)delta);
            n_changes += delta != 0;
        }
    }
    assert_true(n_changes > 0);
}

/* Decoded with the rules, the choices of the team give the executed changes. */
static void actions_explain_the_changes(void **state)
{
    struct fixture *f = *state;
    struct rules_memory memory;
    int32_t delta[16];
    bool conflict;
    play(f, "policy: {mode: sample}");
    const struct trajectory_recorder *t = &f->recorder;
    assert_ptr_equal(t->spec, &f->x.rules.spec);
    assert_int_equal(rules_memory_init(&memory, &f->x.arena, &f->x.rules), ERR_OK);
    for (int step = 0; step < HORIZON; step++) {
        rules_apply(delta, &conflict, &memory, &f->x.rules, t->state + step * t->n_columns,
                    t->action + step * t->n_action);
        assert_memory_equal(delta, t->delta + step * t->n_services,
                            (size_t)t->n_services * sizeof *delta);
    }
}

/* Four agents without an organisation: what they ask for, added and cut, is what is executed, and
 * without masks it is the same as with them. Rules have no agents who could ask for anything. */
static void changes_of_agents_add_up(void **state)
{
    struct fixture *f = *state;
    struct trajectory_recorder *t = &f->recorder;
    struct trajectory_episode got;
    const int alpha = f->x.cfg.plant.alpha;
    int n_asked = 0;
    play(f, "policy: {mode: argmax}");
    got = described(f);
    assert_non_null(got.change);
    assert_string_equal(got.roles[0], "");
    assert_memory_equal(got.change, got.free_change,
                        (size_t)(HORIZON * got.n_agents * got.n_services) * sizeof *got.change);
    assert_true(got.slo_attainment > 0.0 && got.upper_bound >= got.slo_attainment);
    for (int step = 0; step < HORIZON; step++) {
        for (int s = 0; s < t->n_services; s++) {
            const struct service_cfg *service = &f->x.cfg.topology.services[s];
            const int column = state_service_at(s, SF_DESIRED);
            const int desired = (int)t->state[step * t->n_columns + column];
            int sum = 0;
            for (int a = 0; a < got.n_agents; a++) {
                const int asked = got.change[(step * got.n_agents + a) * t->n_services + s];
                n_asked += asked != 0;
                sum += asked;
            }
            sum = sum < -alpha ? -alpha : sum > alpha ? alpha : sum;
            sum = sum > service->max_replicas - desired ? service->max_replicas - desired : sum;
            sum = sum < service->min_replicas - desired ? service->min_replicas - desired : sum;
            assert_int_equal(sum, t->delta[step * t->n_services + s]);
        }
    }
    assert_true(n_asked > 0);
    play(f, "ff: {down_s: 0}");
    got = described(f);
    assert_null(got.change);
    assert_null(got.roles);
}

static void frames_read_back(void **state)
{
    struct fixture *f = *state;
    struct trajectory_episode got;
    struct frame_reader r;
    struct frame frame;
    play(f, "policy: {mode: sample}");
    const struct trajectory_episode t = described(f);
    assert_int_equal(codec_put_trajectory(&f->bytes, &t), ERR_OK);
    frame_reader_init(&r, f->bytes.data, f->bytes.len, "memory");
    assert_int_equal(
        frame_expect(&r, &frame, FRAME_TRAJECTORY_EPISODE, CODEC_TRAJECTORY_LOG_VERSION), ERR_OK);
    assert_int_equal(codec_get_trajectory(&got, frame.payload, frame.n, "memory", &f->x.arena),
                     ERR_OK);
    assert_string_equal(got.controller, "ff");
    assert_string_equal(got.scenario, "flood");
    assert_string_equal(got.terms[7], "reward");
    assert_string_equal(got.columns[got.n_columns - 1], t.columns[t.n_columns - 1]);
    assert_true(got.policy == UINT64_MAX && got.train_seed == 7 && got.cell_digest == 9);
    assert_int_equal(got.n_steps, HORIZON);
    assert_int_equal(got.n_choices, t.n_choices);
    assert_memory_equal(got.state, t.state, (size_t)((HORIZON + 1) * t.n_columns) * sizeof(float));
    assert_memory_equal(got.delta, t.delta, (size_t)(HORIZON * t.n_services) * sizeof(int32_t));
    assert_memory_equal(got.action, t.action,
                        (size_t)(HORIZON * t.n_agents * t.n_choices) * sizeof(int32_t));
    const size_t n_changes = (size_t)(HORIZON * t.n_agents * t.n_services) * sizeof(int32_t);
    assert_memory_equal(got.change, t.change, n_changes);
    assert_memory_equal(got.free_change, t.free_change, n_changes);
    assert_string_equal(got.roles[t.n_agents - 1], "");
    assert_true(got.slo_attainment == t.slo_attainment && got.upper_bound == t.upper_bound);
    assert_memory_equal(got.reward, t.reward, (size_t)(HORIZON * t.n_terms) * sizeof(double));
}

/* A message whose parts do not fit each other is refused, not read past its end. */
static void shapes_that_do_not_fit_are_refused(void **state)
{
    struct fixture *f = *state;
    struct heard heard;
    play(f, "ff: {down_s: 0}");
    heard_begin(&heard);
    for (int wrong = 0; wrong < 3; wrong++) {
        struct trajectory_episode t = described(f), got;
        struct frame_reader r;
        struct frame frame;
        f->bytes.len = 0;
        if (wrong == 0) {
            t.n_services = 0; /* no changes at all */
        }
        assert_int_equal(codec_put_trajectory(&f->bytes, &t), ERR_OK);
        frame_reader_init(&r, f->bytes.data, f->bytes.len, "memory");
        assert_int_equal(
            frame_expect(&r, &frame, FRAME_TRAJECTORY_EPISODE, CODEC_TRAJECTORY_LOG_VERSION),
            ERR_OK);
        const size_t n = wrong == 1 ? frame.n / 2 : wrong == 2 ? frame.n - 1 : frame.n;
        assert_int_equal(codec_get_trajectory(&got, frame.payload, n, "memory", &f->x.arena),
                         ERR_FORMAT);
    }
    heard_end();
    assert_true(heard.n >= 3);
}

/* 2^18 steps x 2^16 agents x 2^30 choices are 2^64 actions, which wrap to none, as the frame has;
 * whoever plays it back would read beyond the empty array. 2^31 choices are more than an int holds.
 */
static void a_product_that_wraps_is_refused(void **state)
{
    struct fixture *f = *state;
    enum { STEPS = 1 << 18, AGENTS = 1 << 16 };
    static const char *agents[AGENTS];
    static int32_t delta[STEPS];
    static const int choices[] = {1 << 30, INT32_MIN}; /* INT32_MIN is written as 2^31 */
    struct heard heard;
    for (int i = 0; i < AGENTS; i++) {
        agents[i] = "long enough for the memory that a string is allowed";
    }
    play(f, "ff: {down_s: 0}");
    heard_begin(&heard);
    for (int i = 0; i < 2; i++) {
        struct trajectory_episode t = described(f), got;
        struct frame_reader r;
        struct frame frame;
        t.n_steps = STEPS, t.delta = delta;
        t.n_services = 1;
        t.agents = agents, t.n_agents = AGENTS;
        t.n_columns = t.n_terms = 0;
        t.n_choices = choices[i];
        f->bytes.len = 0;
        assert_int_equal(codec_put_trajectory(&f->bytes, &t), ERR_OK);
        frame_reader_init(&r, f->bytes.data, f->bytes.len, "memory");
        assert_int_equal(
            frame_expect(&r, &frame, FRAME_TRAJECTORY_EPISODE, CODEC_TRAJECTORY_LOG_VERSION),
            ERR_OK);
        assert_int_equal(codec_get_trajectory(&got, frame.payload, frame.n, "memory", &f->x.arena),
                         ERR_FORMAT);
        assert_non_null(strstr(heard.last, "are more than any episode has"));
    }
    heard_end();
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(changes_lead_from_row_to_row),       TEST(actions_explain_the_changes),
        TEST(changes_of_agents_add_up),           TEST(frames_read_back),
        TEST(shapes_that_do_not_fit_are_refused), TEST(a_product_that_wraps_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
