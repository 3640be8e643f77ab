/* The log: levels, ranks, one line for each message whatever the message contains. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct heard {
    int lines;
    enum log_level level;
    char last[8192];
};

static void hear(void *ctx, enum log_level level, const char *line)
{
    struct heard *h = ctx;
    h->lines++;
    h->level = level;
    snprintf(h->last, sizeof(h->last), "%s", line);
}

static int start(void **state)
{
    static struct heard h;
    h = (struct heard){0};
    unsetenv("KARMA_LOG");
    log_init(-1);
    log_set_sink(hear, &h);
    *state = &h;
    return 0;
}

static int stop(void **state)
{
    (void)state;
    log_set_sink(NULL, NULL);
    return 0;
}

static void error_says_error_and_info_is_bare(void **state)
{
    struct heard *h = *state;
    log_error("cannot open '%s'", "x.yaml");
    assert_string_equal(h->last, "error: cannot open 'x.yaml'");
    assert_int_equal(h->level, LOG_ERROR);
    log_info("saved %d files", 3);
    assert_string_equal(h->last, "saved 3 files");
}

static void level_hides_what_is_above_it(void **state)
{
    struct heard *h = *state;
    log_debug("hidden");
    assert_int_equal(h->lines, 0);
    log_set_level(LOG_ERROR);
    log_warn("hidden");
    log_info("hidden");
    assert_int_equal(h->lines, 0);
    assert_false(log_wants(LOG_WARN));
    log_error("shown");
    assert_int_equal(h->lines, 1);
}

static void level_comes_from_the_environment(void **state)
{
    struct heard *h = *state;
    setenv("KARMA_LOG", "debug", 1);
    log_init(-1);
    log_at(LOG_DEBUG, "core/x.c", 12, "shown");
    assert_string_equal(h->last, "debug: core/x.c:12: shown");
    setenv("KARMA_LOG", "loud", 1);
    log_init(-1);
    assert_non_null(strstr(h->last, "KARMA_LOG=loud is not a level"));
    assert_true(log_wants(LOG_INFO));
    assert_false(log_wants(LOG_DEBUG));
}

static void other_ranks_are_named_and_leave_info_to_rank_0(void **state)
{
    struct heard *h = *state;
    log_init(3);
    log_info("hidden");
    assert_int_equal(h->lines, 0);
    log_error("lost");
    assert_string_equal(h->last, "[rank 3] error: lost");
    log_init(0);
    log_info("shown");
    assert_string_equal(h->last, "shown");
}

static void control_bytes_cannot_break_the_line(void **state)
{
    struct heard *h = *state;
    log_error("key 'a\nb\033[2J' is unknown");
    assert_string_equal(h->last, "error: key 'a b [2J' is unknown");
}

static void a_long_message_is_cut_and_says_so(void **state)
{
    struct heard *h = *state;
    char *text = malloc(10001);
    memset(text, 'x', 10000);
    text[10000] = '\0';
    log_error("%s", text);
    size_t n = strlen(h->last);
    assert_true(n > 3000 && n < 5000);
    assert_string_equal(h->last + n - 4, "x...");
    free(text);
}

static void errno_survives(void **state)
{
    (void)state;
    errno = ENOSPC;
    log_error("something");
    assert_int_equal(errno, ENOSPC);
}

static void a_line_reaches_standard_error_in_one_piece(void **state)
{
    (void)state;
    int ends[2], saved = dup(STDERR_FILENO);
    assert_int_equal(pipe(ends), 0);
    log_set_sink(NULL, NULL);
    dup2(ends[1], STDERR_FILENO);
    log_error("one");
    dup2(saved, STDERR_FILENO);
    char got[64] = "";
    assert_int_equal(read(ends[0], got, sizeof(got) - 1), 11);
    assert_string_equal(got, "error: one\n"); /* no terminal, so no escape codes */
    close(saved);
    close(ends[0]);
    close(ends[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(error_says_error_and_info_is_bare, start, stop),
        cmocka_unit_test_setup_teardown(level_hides_what_is_above_it, start, stop),
        cmocka_unit_test_setup_teardown(level_comes_from_the_environment, start, stop),
        cmocka_unit_test_setup_teardown(other_ranks_are_named_and_leave_info_to_rank_0, start,
                                        stop),
        cmocka_unit_test_setup_teardown(control_bytes_cannot_break_the_line, start, stop),
        cmocka_unit_test_setup_teardown(a_long_message_is_cut_and_says_so, start, stop),
        cmocka_unit_test_setup_teardown(errno_survives, start, stop),
        cmocka_unit_test_setup_teardown(a_line_reaches_standard_error_in_one_piece, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
