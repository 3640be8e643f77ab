/* Tables character by character. */
#include "core/base/log.h"
#include "core/report/table.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const char *const head[] = {"who", "share", "s"};

static void fill(struct table *t, struct arena *arena)
{
    table_init(t, arena, head, 3, 1);
    table_text(t, "nothing");
    table_interval(t, &(struct stat_interval){0.93449, 0.9205, 0.94712}, 3);
    table_cell(t, "%d", 7);
    table_text(t, "k\xc3\xb6ln"); /* four characters in five bytes */
    table_interval(t, &(struct stat_interval){NAN, NAN, NAN}, 3);
    table_number(t, 1234.5);
}

static void expect(const struct table *t, enum table_style style, const char *text)
{
    struct buf b;
    buf_init(&b);
    assert_int_equal(table_print(&b, t, style), ERR_OK);
    assert_int_equal(buf_append(&b, "", 1), ERR_OK);
    assert_string_equal((const char *)b.data, text);
    buf_release(&b);
}

static void columns_are_aligned(void **state)
{
    (void)state;
    struct arena arena;
    struct table t;
    arena_init(&arena);
    fill(&t, &arena);
    expect(&t, TABLE_TEXT,
           "who                     share       s\n"
           "-------  --------------------  ------\n"
           "nothing  0.934 [0.920, 0.947]       7\n"
           "k\xc3\xb6ln                        -  1234.5\n");
    arena_release(&arena);
}

static void markdown_marks_numbers(void **state)
{
    (void)state;
    struct arena arena;
    struct table t;
    arena_init(&arena);
    fill(&t, &arena);
    expect(&t, TABLE_MARKDOWN,
           "| who     |                share |      s |\n"
           "| ------- | -------------------: | -----: |\n"
           "| nothing | 0.934 [0.920, 0.947] |      7 |\n"
           "| k\xc3\xb6ln    |                    - | 1234.5 |\n");
    arena_release(&arena);
}

/* A sign belongs to what is shown, a last column of words has no blanks behind it. */
static void signs_and_line_ends(void **state)
{
    static const char *const words[] = {"difference", "what"};
    (void)state;
    struct arena arena;
    struct table t;
    arena_init(&arena);
    table_init(&t, &arena, words, 2, 2);
    table_difference(&t, &(struct stat_interval){0.05, -0.0001, 0.125}, 3);
    table_text(&t, "a");
    table_difference(&t, &(struct stat_interval){-0.05, -1, -0.0004}, 3);
    table_text(&t, "longer");
    expect(&t, TABLE_TEXT,
           "difference               what\n"
           "-----------------------  ------\n"
           "+0.050 [+0.000, +0.125]  a\n"
           "-0.050 [-1.000, +0.000]  longer\n");
    arena_release(&arena);
}

static void tables_grow(void **state)
{
    static const char *const one[] = {"i"};
    (void)state;
    struct arena arena;
    struct table t;
    struct buf b;
    int n_lines = 0;
    arena_init(&arena);
    buf_init(&b);
    table_init(&t, &arena, one, 1, 0);
    for (int i = 0; i < 1000; i++) {
        table_cell(&t, "%d", i);
    }
    assert_int_equal(table_print(&b, &t, TABLE_TEXT), ERR_OK);
    for (size_t i = 0; i < b.len; i++) {
        n_lines += b.data[i] == '\n';
    }
    assert_int_equal(n_lines, 1002);
    buf_release(&b);
    arena_release(&arena);
}

static void no_memory_is_an_error(void **state)
{
    (void)state;
    struct arena arena;
    struct table t;
    struct buf b;
    arena_init(&arena);
    buf_init(&b);
    log_set_sink(log_discard, NULL);
    mem_fail_after(1);
    fill(&t, &arena);
    mem_fail_after(0);
    log_set_sink(NULL, NULL);
    assert_int_equal(table_print(&b, &t, TABLE_TEXT), ERR_MEMORY);
    buf_release(&b);
    arena_release(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_are_aligned),   cmocka_unit_test(markdown_marks_numbers),
        cmocka_unit_test(signs_and_line_ends),   cmocka_unit_test(tables_grow),
        cmocka_unit_test(no_memory_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
