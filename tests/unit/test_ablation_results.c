/* Files of an ablation: what is written is read back, damage is noticed, and the state of a run
 * follows from its directory. */
#include "core/base/file.h"
#include "core/base/lock.h"
#include "core/eval/ablation_results.h"
#include "tests/unit/heard.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
/* cmocka wants these first */
#include <cmocka.h>

struct world {
    struct arena arena;
    struct heard heard;
    char dir[64];
};

static int set_up(void **state)
{
    static struct world w;
    arena_init(&w.arena);
    (void)snprintf(w.dir, sizeof w.dir, "/tmp/test_ablation.XXXXXX");
    *state = &w;
    return mkdtemp(w.dir) != NULL ? 0 : -1;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    char command[128];
    (void)snprintf(command, sizeof command, "rm -r '%s'", w->dir);
    arena_release(&w->arena);
    return system(command);
}

static const struct ablation_line lines[] = {
    {1, "hard", "floods", "training", "hard, \"new\"", 3, 0x0123456789abcdef, "00000000000000ff",
     ABLATION_DONE},
    {2, "rules", "floods", "controllers", "rules", 0, 0xffffffffffffffff, "", ABLATION_WAITING},
};
enum { N_LINES = 2 };

static const struct ablation_outcome done = {.format = ABLATION_FORMAT,
                                             .digest = "0123456789abcdef",
                                             .variant = "hard",
                                             .scenario = "floods",
                                             .seed = 3,
                                             .kind = "training",
                                             .state = ABLATION_DONE,
                                             .error = "",
                                             .reason = "",
                                             .weights = "00000000000000aa",
                                             .updates = 640,
                                             .env_steps = 1024000,
                                             .converged = true,
                                             .converged_update = 120,
                                             .converged_env_steps = 192000,
                                             .converged_episodes = 800};

static void manifest_round_trip(void **state)
{
    struct world *w = *state;
    struct ablation_line *read;
    int n;
    assert_int_equal(ablation_manifest_write(w->dir, lines, N_LINES), ERR_OK);
    assert_int_equal(ablation_manifest_read(&read, &n, &w->arena, w->dir), ERR_OK);
    assert_int_equal(n, N_LINES);
    for (int i = 0; i < n; i++) {
        assert_int_equal(read[i].number, i + 1);
        assert_string_equal(read[i].variant, lines[i].variant);
        assert_string_equal(read[i].scenario, lines[i].scenario);
        assert_string_equal(read[i].kind, lines[i].kind);
        assert_string_equal(read[i].label, lines[i].label);
        assert_string_equal(read[i].twin, lines[i].twin);
        assert_true(read[i].seed == lines[i].seed && read[i].digest == lines[i].digest);
        assert_int_equal(read[i].state, lines[i].state);
    }
}

static void write_text(struct world *w, const char *name, const char *text)
{
    const char *path = file_join(&w->arena, w->dir, name);
    assert_int_equal(file_make_parents(path), ERR_OK);
    assert_int_equal(file_write(path, text, strlen(text)), ERR_OK);
}

static void damaged_manifests(void **state)
{
#define HEAD "line,variant,scenario,seed,kind,label,digest,twin,state\n"
    static const char *const texts[] = {
        "",
        "a,b\n",
        "line,variant,scenario,seed,kind,label,digest,twin,colour\n",
        HEAD "2,a,b,1,training,a,0123456789abcdef,,done\n",
        HEAD "1,a,b,-1,training,a,0123456789abcdef,,done\n",
        HEAD "1,a,b,1x,training,a,0123456789abcdef,,done\n",
        HEAD "1,a,b,1,training,a,0123456789ABCDEF,,done\n",
        HEAD "1,a,b,1,training,a,0123,,done\n",
        HEAD "1,a,b,1,training,a,0123456789abcdef,,finished\n",
        HEAD "1,a,b,1,training,a,0123456789abcdef,,don",
        HEAD "1,a,b,1,training,a,0123456789abcdef\n",
    };
    struct world *w = *state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct ablation_line *read = NULL;
        int n = -1;
        write_text(w, "manifest.csv", texts[i]);
        heard_begin(&w->heard);
        const enum err e = ablation_manifest_read(&read, &n, &w->arena, w->dir);
        heard_end();
        assert_int_equal(e, ERR_FORMAT);
        assert_non_null(strstr(w->heard.text, "manifest.csv"));
    }
}

static void outcome_round_trip(void **state)
{
    struct world *w = *state;
    struct ablation_outcome out = done, read;
    struct ablation_mean means[2] = {
        {.controller = "hard",
         .scenario = "ddos",
         .episodes = 4,
         .scored = 3,
         .slo_attainment = 0.1 + 0.2,
         .vcpu = 7.25,
         .reward = -1e-9},
        {.controller = "hard sampled", .scenario = "ddos", .episodes = 4}};
    bool found;
    assert_int_equal(ablation_outcome_read(&read, &found, &w->arena, w->dir), ERR_OK);
    assert_false(found);
    out.means = means;
    out.n_means = 2;
    assert_int_equal(ablation_outcome_write(w->dir, &out), ERR_OK);
    assert_int_equal(ablation_outcome_read(&read, &found, &w->arena, w->dir), ERR_OK);
    assert_true(found);
    assert_string_equal(read.digest, out.digest);
    assert_string_equal(read.weights, out.weights);
    assert_int_equal(read.state, ABLATION_DONE);
    assert_true(read.converged && !read.collapsed);
    assert_int_equal(read.env_steps, out.env_steps);
    assert_int_equal(read.n_means, 2);
    assert_true(read.means[0].slo_attainment == means[0].slo_attainment); /* the same double */
    assert_true(read.means[0].reward == means[0].reward);
    assert_string_equal(read.means[1].controller, "hard sampled");
}

static void cost_round_trip(void **state)
{
    struct world *w = *state;
    const struct ablation_cost cost = {.format = ABLATION_FORMAT,
                                       .attempts = 2,
                                       .ranks = 4,
                                       .seconds = 12.5,
                                       .cpu_s = 40,
                                       .memory_mib = 33,
                                       .started = "2026-01-01T00:00:00Z",
                                       .ended = "",
                                       .host = "node: 1",
                                       .revision = "abc",
                                       .build = "gcc"};
    struct ablation_cost read;
    bool found;
    assert_int_equal(ablation_cost_write(w->dir, &cost), ERR_OK);
    assert_int_equal(ablation_cost_read(&read, &found, &w->arena, w->dir), ERR_OK);
    assert_true(found && read.attempts == 2 && read.seconds == 12.5);
    assert_string_equal(read.host, cost.host);
    write_text(w, "cost.yaml", "format: 1\nattempts: many\n");
    heard_begin(&w->heard);
    assert_int_equal(ablation_cost_read(&read, &found, &w->arena, w->dir), ERR_OK);
    heard_end();
    assert_false(found);
    assert_non_null(strstr(w->heard.text, "left out"));
}

static enum ablation_state look(struct world *w)
{
    enum ablation_state state;
    struct ablation_outcome out;
    heard_begin(&w->heard);
    const enum err e = ablation_look(&state, &out, &w->arena, w->dir, &lines[0]);
    heard_end();
    assert_int_equal(e, ERR_OK);
    return state;
}

static void states(void **state)
{
    struct world *w = *state;
    const char *run_dir = ablation_run_dir(&w->arena, w->dir, &lines[0]);
    struct ablation_outcome out = done;
    struct owner me;
    struct lock lock;
    assert_non_null(strstr(run_dir, "/runs/hard/floods/3"));
    assert_int_equal(look(w), ABLATION_WAITING);
    owner_identify(&me, "test");
    assert_int_equal(lock_dir(&lock, run_dir, &me, NULL, &lock_usual_times), ERR_OK);
    assert_int_equal(look(w), ABLATION_RUNNING);
    lock_release(&lock);
    assert_int_equal(look(w), ABLATION_WAITING);
    assert_int_equal(file_make_dirs(run_dir), ERR_OK);
    assert_int_equal(ablation_outcome_write(run_dir, &out), ERR_OK);
    assert_int_equal(look(w), ABLATION_DONE);
    out.digest = "0000000000000001";
    assert_int_equal(ablation_outcome_write(run_dir, &out), ERR_OK);
    assert_int_equal(look(w), ABLATION_CHANGED);
    out = done;
    out.state = ABLATION_FAILED;
    out.reason = "it was 5: \"no\" number\nand more";
    assert_int_equal(ablation_outcome_write(run_dir, &out), ERR_OK);
    assert_int_equal(look(w), ABLATION_FAILED);
}

/* A lock whose owner is gone keeps nobody away. */
static void a_dead_process_runs_nothing(void **state)
{
    struct world *w = *state;
    struct owner me;
    char text[OWNER_TEXT_MAX];
    owner_identify(&me, "test");
    me.process_start++; /* another process had this number */
    owner_print(text, &me);
    write_text(w, "runs/hard/floods/3/lock", text);
    assert_int_equal(look(w), ABLATION_WAITING);
}

/* Every damaged record counts for none, and is told of. */
static void damaged_outcomes(void **state)
{
    static const char *const texts[] = {
        "",
        "format: 1\n",
        "format: 2\ndigest: 0123456789abcdef\nstate: done\n",
        "format: 1\ndigest: 0123456789abcde\nstate: done\n",
        "format: 1\ndigest: 0123456789abcdef\nstate: waiting\n",
        "format: 1\ndigest: 0123456789abcdef\nstate: done\nextra: 1\n",
        "format: 1\ndigest: 0123456789abcdef\nstate: do",
        "\x00\xff",
    };
    struct world *w = *state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        write_text(w, "runs/hard/floods/3/outcome.yaml", texts[i]);
        assert_int_equal(look(w), ABLATION_WAITING);
        assert_non_null(strstr(w->heard.text, "counts for nothing"));
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(manifest_round_trip),
        TEST(damaged_manifests),
        TEST(outcome_round_trip),
        TEST(cost_round_trip),
        TEST(states),
        TEST(a_dead_process_runs_nothing),
        TEST(damaged_outcomes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
