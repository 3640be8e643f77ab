/* When a training counts as converged: rows by hand, and the sentence that comes of them. */
#include "mpi/train/convergence.h"

#include "core/base/csv_read.h"
#include "core/base/file.h"
#include "core/eval/converged.h"
#include "tests/unit/heard.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static void test_three_in_a_row(void **state)
{
    (void)state;
    /* the last counts: 95 % of 0.9 is 0.855 */
    const double rises[] = {0.5, 0.84, 0.86, 0.87, 0.88, 0.9};
    const double high[] = {0.1, 0.9, 0.9, 0.9, 0.9, 0.9};
    assert_int_equal(convergence_find(rises, high, 6), 4);
    const double gap[] = {0.9, 0.9, 0.79, 0.8, 0.81, 0.82};
    const double same[] = {0.9, 0.9, 0.9, 0.9, 0.9, 0.9};
    assert_int_equal(convergence_find(same, gap, 6), 5); /* two are not enough, 0.8 is */
    assert_int_equal(convergence_find(same, gap, 5), -1);
    const double unknown[] = {NAN, 0.9, 0.9, NAN, 0.9, 0.9};
    assert_int_equal(convergence_find(same, unknown, 6), -1); /* there was no headroom */
    const double falls[] = {0.9, 0.9, 0.9, 0.2, 0.2, 0.2};
    assert_int_equal(convergence_find(falls, same, 6), 2); /* of its own final value */
    assert_int_equal(convergence_find(same, same, 2), -1);
    assert_int_equal(convergence_find(same, same, 0), -1);
    /* A level of its own does not ask what the training reaches in the end. */
    assert_int_equal(converged_level_at(gap, 6, 0.8), 5);
    assert_int_equal(converged_level_at(gap, 6, 0.95), -1);
    assert_int_equal(converged_level_at(unknown, 6, 0.1), -1);
    assert_int_equal(converged_level_at(gap, 0, 0.1), -1);
}

static void test_collapsed(void **state)
{
    (void)state;
    const struct convergence c = {.nothing = 0.5, .peak_vcpu = 16.0};
    assert_false(convergence_collapsed(&c, 0.5, 14.4));
    assert_true(convergence_collapsed(&c, 0.49, 8.0));
    assert_true(convergence_collapsed(&c, 0.99, 14.41));
}

static void put(const char *path, const char *text)
{
    assert_int_equal(file_write(path, text, strlen(text)), ERR_OK);
}

static void test_the_sentence(void **state)
{
    (void)state;
    char dir[] = "/tmp/karma_convergence_XXXXXX";
    char path[64], timing[64];
    struct heard heard;
    struct arena arena;
    int dummy;
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/c.csv", dir);
    snprintf(timing, sizeof timing, "%s/t.csv", dir);
    arena_init(&arena);
    const struct train_cfg train = {.updates = 9, .envs = 16, .steps = 5, .evaluate = {.every = 2}};
    const struct train_setup setup = {.train = &train};
    struct comm comm = {.rank = 0, .size = 1};
    struct convergence c = {.comm = &comm,
                            .setup = &setup,
                            .arena = &arena,
                            .eval = (struct eval *)(void *)&dummy, /* only whether there is one */
                            .nothing = 0.5,
                            .ff = 0.9,
                            .peak_vcpu = 16.0,
                            .path = path,
                            .timing = timing,
                            .csv = {.fd = -1}};
    put(timing, "update,seconds,rollout_s,learn_s,checkpoint_s,wait_s,sent_bytes,env_steps_per_s\n"
                "1,1.5,0,0,0,0,0,0\n2,2.5,0,0,0,0,0,0\n3,3.5,0,0,0,0,0,0\n4,4.5,0,0,0,0,0,0\n"
                "5,5.5,0,0,0,0,0,0\n6,66,0,0,0,0,0,0\n7,7,0,0,0,0,0,0\n8,8,0,0,0,0,0,0\n");
    put(path, "update,env_steps,episodes,slo_attainment,vcpu,headroom,nothing,ff,collapsed\n"
              "2,160,3,0.85,9,0.9,0.5,0.9,0\n4,320,6,0.85,9,0.9,0.5,0.9,0\n"
              "6,480,9,0.85,9,0.9,0.5,0.9,0\n8,640,12,0.85,9,0.9,0.5,0.9,0\n");
    heard_begin(&heard);
    assert_int_equal(convergence_tell(&c), ERR_OK);
    assert_non_null(strstr(
        heard.text, "converged after update 6: 480 env-steps, 9 episodes, 66 s of training"));
    assert_null(strstr(heard.text, "collapsed"));
    put(path, "update,env_steps,episodes,slo_attainment,vcpu,headroom,nothing,ff,collapsed\n"
              "2,160,3,0.5,9,0.1,0.5,0.9,0\n");
    assert_int_equal(convergence_tell(&c), ERR_OK);
    assert_non_null(strstr(heard.text, "not converged"));
    assert_null(strstr(heard.text, "collapsed"));
    put(path, "update,env_steps,episodes,slo_attainment,vcpu,headroom,nothing,ff,collapsed\n"
              "2,160,3,0.97,15,1.1,0.5,0.9,1\n");
    assert_int_equal(convergence_tell(&c), ERR_OK);
    assert_non_null(strstr(heard.text,
                           "collapsed: the last evaluation has an SLO attainment of 0.970 (doing "
                           "nothing: 0.500) with 15.0 vCPU"));
    comm.rank = 1;
    assert_int_equal(convergence_tell(&c), ERR_OK);
    heard_end();
    unlink(path);
    unlink(timing);
    rmdir(dir);
    arena_release(&arena);
}

/* A run evaluated every 2 updates, then every 5, and was not evaluated at all before. */
static void test_every_changes(void **state)
{
    (void)state;
    static const char head[] =
        "update,env_steps,episodes,slo_attainment,vcpu,headroom,nothing,ff,collapsed\n";
    char dir[] = "/tmp/karma_convergence_XXXXXX", path[64], timing[64], text[1024];
    double updates[16];
    struct heard heard;
    struct arena arena;
    int n = 0, dummy;
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/convergence.csv", dir);
    snprintf(timing, sizeof timing, "%s/timing.csv", dir);
    arena_init(&arena);
    const struct train_cfg train = {
        .updates = 15, .envs = 16, .steps = 5, .evaluate = {.every = 5}};
    const struct train_setup setup = {.train = &train, .run_dir = dir};
    struct comm comm = {.rank = 0, .size = 1};
    struct convergence c = {.comm = &comm,
                            .setup = &setup,
                            .arena = &arena,
                            .eval = (struct eval *)(void *)&dummy, /* only whether there is one */
                            .nothing = 0.5,
                            .ff = 0.9,
                            .peak_vcpu = 16.0,
                            .csv = {.fd = -1}};
    assert_int_equal(convergence_open(&c, 7), ERR_OK); /* no file yet: the header only */
    convergence_close(&c);
    assert_int_equal(csv_read_column(updates, &n, 16, path, 0, 9), ERR_OK);
    assert_int_equal(n, 0);
    snprintf(text, sizeof text, "%s%s", head,
             "2,160,3,0.85,9,0.1,0.5,0.9,0\n4,320,6,0.85,9,0.9,0.5,0.9,0\n"
             "6,480,9,0.85,9,0.9,0.5,0.9,0\n8,640,12,0.85,9,0.9,0.5,0.9,0\n10,80");
    put(path, text);
    assert_int_equal(convergence_open(&c, 7), ERR_OK); /* three rows, though 7 / 5 is 1 */
    convergence_close(&c);
    assert_int_equal(csv_read_column(updates, &n, 16, path, 0, 9), ERR_OK);
    assert_int_equal(n, 3);
    assert_true(updates[2] == 6.0);
    snprintf(text, sizeof text, "%s%s", head,
             "2,160,3,0.85,9,0.1,0.5,0.9,0\n4,320,6,0.85,9,0.9,0.5,0.9,0\n"
             "6,480,9,0.85,9,0.9,0.5,0.9,0\n10,800,15,0.85,9,0.9,0.5,0.9,0\n"
             "15,1200,22,0.85,9,0.9,0.5,0.9,0\n");
    put(path, text);
    put(timing, "update,seconds,rollout_s,learn_s,checkpoint_s,wait_s,sent_bytes,env_steps_per_s\n"
                "1,1,0,0,0,0,0,0\n");
    heard_begin(&heard);
    assert_int_equal(convergence_tell(&c), ERR_OK); /* five rows, though 15 / 5 is 3 */
    heard_end();
    assert_non_null(strstr(heard.text, "converged after update 10: 800 env-steps, 15 episodes"));
    unlink(path);
    unlink(timing);
    rmdir(dir);
    arena_release(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_three_in_a_row),
        cmocka_unit_test(test_collapsed),
        cmocka_unit_test(test_the_sentence),
        cmocka_unit_test(test_every_changes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
