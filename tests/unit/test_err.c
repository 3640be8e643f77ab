/* Errors: the list, TRY, and the end of a failed CHECK (in a child process). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/err.h"
#include "core/base/log.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void names_are_the_identifiers(void **state)
{
    (void)state;
    assert_string_equal(err_name(ERR_OK), "ERR_OK");
    assert_string_equal(err_name(ERR_CONFIG), "ERR_CONFIG");
    assert_string_equal(err_name(ERR_STOPPED), "ERR_STOPPED");
}

static void sentences_are_fragments_and_differ(void **state)
{
    (void)state;
    for (int i = 0; i < ERR_COUNT; i++) {
        const char *text = err_text((enum err)i);
        assert_true(strlen(text) > 3);
        assert_int_not_equal(text[strlen(text) - 1], '.');
        for (int j = 0; j < i; j++) {
            assert_string_not_equal(text, err_text((enum err)j));
        }
    }
}

/* The shell sees these; the numbers are documented and must not drift. */
static void exit_codes_are_the_documented_ones(void **state)
{
    (void)state;
    assert_int_equal(err_exit_code(ERR_OK), 0);
    assert_int_equal(err_exit_code(ERR_IO), 1);
    assert_int_equal(err_exit_code(ERR_USAGE), 2);
    assert_int_equal(err_exit_code(ERR_CONFIG), 2);
    assert_int_equal(err_exit_code(ERR_BUSY), 2);
    assert_int_equal(err_exit_code(ERR_REFUSED), 3);
    assert_int_equal(err_exit_code(ERR_PEER), 4);
    assert_int_equal(err_exit_code(ERR_STOPPED), 5);
}

static void a_code_from_elsewhere_is_survived(void **state)
{
    (void)state;
    assert_string_equal(err_name((enum err)999), "ERR_UNKNOWN");
    assert_string_equal(err_text((enum err)999), "an unknown error");
    assert_int_equal(err_exit_code((enum err)999), 1);
}

static enum err passes_on(enum err e, int *reached)
{
    TRY(e);
    *reached = 1;
    return ERR_OK;
}

static void try_returns_the_error_and_goes_on_without(void **state)
{
    (void)state;
    int reached = 0;
    assert_int_equal(passes_on(ERR_PEER, &reached), ERR_PEER);
    assert_int_equal(reached, 0);
    assert_int_equal(passes_on(ERR_OK, &reached), ERR_OK);
    assert_int_equal(reached, 1);
}

static void hook_exits_with_7(void)
{
    _exit(7);
}

static void hook_fails_itself(void)
{
    CHECK(1 + 1 == 3);
}

static int status_of_failed_check(void (*hook)(void))
{
    pid_t child = fork();
    if (child == 0) {
        signal(SIGABRT, SIG_DFL); /* cmocka catches it */
        log_set_sink(log_discard, NULL);
        check_set_hook(hook);
        CHECK(2 + 2 == 5);
        _exit(0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    return status;
}

static void failed_check_aborts(void **state)
{
    (void)state;
    int status = status_of_failed_check(NULL);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
}

static void failed_check_calls_the_hook_first(void **state)
{
    (void)state;
    int status = status_of_failed_check(hook_exits_with_7);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 7);
}

static void failed_check_inside_the_hook_ends_too(void **state)
{
    (void)state;
    assert_true(WIFSIGNALED(status_of_failed_check(hook_fails_itself)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_the_identifiers),
        cmocka_unit_test(sentences_are_fragments_and_differ),
        cmocka_unit_test(exit_codes_are_the_documented_ones),
        cmocka_unit_test(a_code_from_elsewhere_is_survived),
        cmocka_unit_test(try_returns_the_error_and_goes_on_without),
        cmocka_unit_test(failed_check_aborts),
        cmocka_unit_test(failed_check_calls_the_hook_first),
        cmocka_unit_test(failed_check_inside_the_hook_ends_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
