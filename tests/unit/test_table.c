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

/* Rounded for people, in full for programs; intervals in three columns, undefined ones empty. */
static void pages_and_programs(void **state)
{
    (void)state;
    static const char *const names[] = {"a <b> & \"c\"", "x_1 %", "ends"};
    struct arena arena;
    struct table t;
    arena_init(&arena);
    table_init(&t, &arena, names, 3, 1);
    table_text(&t, "1, \xff\x01 <$#>");
    table_fixed(&t, -0.00001, 2);
    table_difference(&t, &(struct stat_interval){-0.25, -1.0 / 3.0, 0.125}, 2);
    table_text(&t, "-");
    table_fixed(&t, 0.1, 2);
    table_difference(&t, &(struct stat_interval){NAN, NAN, NAN}, 2);
    assert_int_equal(table_n_rows(&t), 2);
    expect(&t, TABLE_CSV,
           "\"a <b> & \"\"c\"\"\",x_1 %,ends,ends lo,ends hi\n"
           "\"1, \xff\x01 <$#>\",-1e-05,-0.25,-0.3333333333333333,0.125\n"
           ",0.1,,,\n");
    expect(&t, TABLE_HTML,
           "<table>\n<thead>\n<tr><th>a &lt;b&gt; &amp; &quot;c&quot;</th>"
           "<th class=\"n\">x_1 %</th><th class=\"n\">ends</th></tr>\n</thead>\n<tbody>\n"
           "<tr><td>1, ?  &lt;$#&gt;</td><td class=\"n\">0.00</td>"
           "<td class=\"n\">-0.25 <span class=\"ci\">[-0.33, +0.12]</span></td></tr>\n"
           "<tr><td>-</td><td class=\"n\">0.10</td><td class=\"n\">-</td></tr>\n"
           "</tbody>\n</table>\n");
    expect(&t, TABLE_LATEX,
           "\\begin{tabular}{lrr}\n\\toprule\n"
           "a $<$b$>$ \\& \"c\" & x\\_1 \\% & ends \\\\\n\\midrule\n"
           "1, \xff\x01 $<$\\$\\#$>$ & $0.00$ & $-0.25 [-0.33, +0.12]$ \\\\\n"
           "-- & $0.10$ & -- \\\\\n"
           "\\bottomrule\n\\end{tabular}\n");
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
        cmocka_unit_test(columns_are_aligned), cmocka_unit_test(markdown_marks_numbers),
        cmocka_unit_test(pages_and_programs),  cmocka_unit_test(signs_and_line_ends),
        cmocka_unit_test(tables_grow),         cmocka_unit_test(no_memory_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
