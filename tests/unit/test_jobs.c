/* The job list: order, errors, and records of any length. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/jobs.h"

#include <string.h>

enum { N_JOBS = 20 };

struct scene {
    int run[N_JOBS], taken[N_JOBS];
    int n_run, n_taken;
    int run_fails_at, take_fails_at; /* -1 = never */
};

/* Job i writes i bytes of value i: the first record is empty. */
static enum err write_i_bytes(void *ctx, int i, struct buf *out)
{
    struct scene *s = ctx;
    s->run[s->n_run++] = i;
    if (i == s->run_fails_at) {
        return ERR_PEER;
    }
    for (int k = 0; k < i; k++) {
        unsigned char byte = (unsigned char)i;
        TRY(buf_append(out, &byte, 1));
    }
    return ERR_OK;
}

static enum err check_record(void *ctx, int i, const void *record, size_t bytes)
{
    struct scene *s = ctx;
    s->taken[s->n_taken++] = i;
    assert_int_equal(bytes, i);
    for (size_t k = 0; k < bytes; k++) {
        assert_int_equal(((const unsigned char *)record)[k], i);
    }
    return i == s->take_fails_at ? ERR_IO : ERR_OK;
}

static struct job_list jobs_of(struct scene *s, int n)
{
    *s = (struct scene){.run_fails_at = -1, .take_fails_at = -1};
    return (struct job_list){
        .n = n, .ctx = s, .what = "test", .run = write_i_bytes, .take = check_record};
}

static void records_arrive_in_the_order_of_the_index(void **state)
{
    (void)state;
    struct scene s;
    struct job_list jobs = jobs_of(&s, N_JOBS);
    assert_int_equal(jobs_run(&jobs), ERR_OK);
    assert_int_equal(s.n_run, N_JOBS);
    assert_int_equal(s.n_taken, N_JOBS);
    for (int i = 0; i < N_JOBS; i++) {
        assert_int_equal(s.taken[i], i);
    }
}

static void no_jobs_are_no_work(void **state)
{
    (void)state;
    struct scene s;
    struct job_list jobs = jobs_of(&s, 0);
    assert_int_equal(jobs_run(&jobs), ERR_OK);
    assert_int_equal(s.n_run, 0);
}

static void the_first_failing_job_ends_the_list(void **state)
{
    (void)state;
    struct scene s;
    struct job_list jobs = jobs_of(&s, N_JOBS);
    s.run_fails_at = 5;
    assert_int_equal(jobs_run(&jobs), ERR_PEER);
    assert_int_equal(s.n_run, 6);
    assert_int_equal(s.n_taken, 5); /* its record is not taken */
}

static void a_record_that_is_refused_ends_the_list(void **state)
{
    (void)state;
    struct scene s;
    struct job_list jobs = jobs_of(&s, N_JOBS);
    s.take_fails_at = 7;
    assert_int_equal(jobs_run(&jobs), ERR_IO);
    assert_int_equal(s.n_taken, 8);
    assert_int_equal(s.n_run, 8);
}

static bool after_four(void *ctx)
{
    return ((const struct scene *)ctx)->n_taken == 4;
}

static void a_list_that_is_stopped_keeps_what_it_took(void **state)
{
    (void)state;
    struct scene s;
    struct job_list jobs = jobs_of(&s, N_JOBS);
    jobs.stop = after_four;
    assert_int_equal(jobs_run(&jobs), ERR_STOPPED);
    assert_int_equal(s.n_run, 4);
    assert_int_equal(s.n_taken, 4);
    jobs = jobs_of(&s, 4); /* all were done before it was asked */
    jobs.stop = after_four;
    assert_int_equal(jobs_run(&jobs), ERR_OK);
}

static void exhausted_memory_is_passed_on(void **state)
{
    (void)state;
    struct scene s;
    struct job_list jobs = jobs_of(&s, N_JOBS);
    mem_fail_after(1);
    assert_int_equal(jobs_run(&jobs), ERR_MEMORY);
    mem_fail_after(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_arrive_in_the_order_of_the_index),
        cmocka_unit_test(no_jobs_are_no_work),
        cmocka_unit_test(the_first_failing_job_ends_the_list),
        cmocka_unit_test(a_record_that_is_refused_ends_the_list),
        cmocka_unit_test(a_list_that_is_stopped_keeps_what_it_took),
        cmocka_unit_test(exhausted_memory_is_passed_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
