/* CSV: cells, quoting, numbers that read back, and resuming after a kill. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/csv.h"
#include "core/base/csv_read.h"
#include "core/base/file.h"
#include "tests/unit/scene.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const columns[2] = {"update", "reward"};

static int stop(void **state)
{
    return scene_close(*state);
}

static const char *contents(struct scene *s)
{
    assert_int_equal(file_read(&s->text, s->path, 1 << 20), ERR_OK);
    return (const char *)s->text.data;
}

static void put(struct csv *c, int64_t update, double reward)
{
    csv_int(c, update);
    csv_num(c, reward);
    assert_int_equal(csv_end_row(c), ERR_OK);
}

/* Header and three rows. */
static void three_rows(struct scene *s)
{
    struct csv c;
    assert_int_equal(csv_create(&c, &s->arena, s->path, columns, 2), ERR_OK);
    for (int i = 0; i < 3; i++) {
        put(&c, i, i * 0.5);
    }
    csv_close(&c);
}

static void rows_are_written_at_once(void **state)
{
    struct scene *s = *state;
    struct csv c;
    assert_int_equal(csv_create(&c, &s->arena, s->path, columns, 2), ERR_OK);
    assert_string_equal(contents(s), "update,reward\n");
    put(&c, -7, 0.25);
    assert_string_equal(contents(s), "update,reward\n-7,0.25\n");
    csv_close(&c);
    assert_int_equal(csv_create(&c, &s->arena, s->path, columns, 1), ERR_OK); /* replaced */
    assert_string_equal(contents(s), "update\n");
    csv_close(&c);
}

/* A reader of other people's tables drops blanks and comments; ours says they are none. */
static void blanks_and_hashes_are_quoted(void **state)
{
    struct scene *s = *state;
    struct csv c;
    assert_int_equal(csv_create(&c, &s->arena, s->path, columns, 2), ERR_OK);
    csv_text(&c, "#1");
    csv_text(&c, " a");
    assert_int_equal(csv_end_row(&c), ERR_OK);
    csv_text(&c, "a\t");
    csv_text(&c, "a #1");
    assert_int_equal(csv_end_row(&c), ERR_OK);
    assert_string_equal(contents(s), "update,reward\n\"#1\",\" a\"\n\"a\t\",a #1\n");
    csv_close(&c);
}

/* RFC 4180, section 2, rules 6 and 7. */
static void text_is_quoted_where_it_must_be(void **state)
{
    struct scene *s = *state;
    const char *const odd[2] = {"a,b", "plain"};
    struct csv c;
    assert_int_equal(csv_create(&c, &s->arena, s->path, odd, 2), ERR_OK);
    csv_text(&c, "say \"hi\"");
    csv_text(&c, "two\nlines");
    assert_int_equal(csv_end_row(&c), ERR_OK);
    assert_string_equal(contents(s), "\"a,b\",plain\n\"say \"\"hi\"\"\",\"two\nlines\"\n");
    csv_close(&c);
    /* A newline inside a cell is not the end of a row. */
    assert_int_equal(csv_resume(&c, &s->arena, s->path, odd, 2, 1), ERR_OK);
    csv_close(&c);
    assert_int_equal(csv_resume(&c, &s->arena, s->path, odd, 2, 2), ERR_MISMATCH);
}

static void floats_read_back_exactly(void **state)
{
    struct scene *s = *state;
    const float x[6] = {0.1f, 1.0f / 3.0f, 16777217.0f, 1e-40f, 3.4028235e38f, -0.0f};
    struct csv c;
    assert_int_equal(csv_create(&c, &s->arena, s->path, columns, 1), ERR_OK);
    for (int i = 0; i < 6; i++) {
        csv_num(&c, (double)x[i]);
        assert_int_equal(csv_end_row(&c), ERR_OK);
    }
    csv_close(&c);
    const char *at = strchr(contents(s), '\n') + 1;
    for (int i = 0; i < 6; i++) {
        char *end;
        float got = strtof(at, &end);
        assert_memory_equal(&got, &x[i], sizeof(got));
        at = end + 1;
    }
}

static void doubles_read_back_exactly(void **state)
{
    struct scene *s = *state;
    const double x[6] = {0.1, 1.0 / 3.0, 0.5, 4.9e-324, 1.7976931348623157e308, -0.0};
    struct csv c;
    struct csv_reader r;
    const char *cell;
    enum csv_status status;
    assert_int_equal(csv_create(&c, &s->arena, s->path, columns, 1), ERR_OK);
    for (int i = 0; i < 6; i++) {
        csv_exact(&c, x[i]);
        assert_int_equal(csv_end_row(&c), ERR_OK);
    }
    csv_close(&c);
    assert_int_equal(csv_reader_open(&r, s->path), ERR_OK);
    assert_int_equal(csv_reader_next(&r, &cell, 1, &status), ERR_OK);
    for (int i = 0; i < 6; i++) {
        assert_int_equal(csv_reader_next(&r, &cell, 1, &status), ERR_OK);
        const double got = strtod(cell, NULL);
        assert_memory_equal(&got, &x[i], sizeof got);
        assert_true(i != 0 || strcmp(cell, "0.1") == 0); /* no more digits than needed */
    }
    csv_reader_close(&r);
}

static void write_text(struct scene *s, const char *text)
{
    assert_int_equal(file_write(s->path, text, strlen(text)), ERR_OK);
}

static void rows_are_read_back(void **state)
{
    struct scene *s = *state;
    struct csv_reader r;
    const char *cells[3];
    enum csv_status status;
    write_text(s, "a,b,c\n\"x,y\",\"say \"\"hi\"\"\",\"two\nlines\"\n,\"\",1\n4,5");
    assert_int_equal(csv_reader_open(&r, s->path), ERR_OK);
    assert_int_equal(csv_reader_next(&r, cells, 3, &status), ERR_OK);
    assert_string_equal(cells[2], "c");
    assert_int_equal(csv_reader_next(&r, cells, 3, &status), ERR_OK);
    assert_string_equal(cells[0], "x,y");
    assert_string_equal(cells[1], "say \"hi\"");
    assert_string_equal(cells[2], "two\nlines");
    assert_int_equal(csv_reader_next(&r, cells, 3, &status), ERR_OK);
    assert_int_equal(r.line, 4); /* the row before has two */
    assert_string_equal(cells[0], "");
    assert_string_equal(cells[1], "");
    assert_string_equal(cells[2], "1");
    assert_int_equal(status, CSV_ROW);
    assert_int_equal(csv_reader_next(&r, cells, 3, &status), ERR_OK);
    assert_int_equal(status, CSV_TORN);
    assert_int_equal(r.line, 5);
    csv_reader_close(&r);
}

static void damaged_rows_are_named(void **state)
{
    static const struct {
        const char *text, *says;
    } bad[] = {{"a,b\n1\n", ":2: the row has another number of cells"},
               {"a,b\n1,2,3\n", ":2: the row has another number of cells"},
               {"a,b\n1\"\",2\n", ":2: a quote in the middle"},
               {"a,b\n\"1\"x,2\n", ":2: a quote in the middle"}};
    struct scene *s = *state;
    struct csv_reader r;
    const char *cells[2];
    enum csv_status status;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        write_text(s, bad[i].text);
        assert_int_equal(csv_reader_open(&r, s->path), ERR_OK);
        assert_int_equal(csv_reader_next(&r, cells, 2, &status), ERR_OK);
        assert_int_equal(csv_reader_next(&r, cells, 2, &status), ERR_FORMAT);
        assert_non_null(strstr(s->log.last, bad[i].says));
        csv_reader_close(&r);
    }
    write_text(s, "");
    assert_int_equal(csv_reader_open(&r, s->path), ERR_OK);
    assert_int_equal(csv_reader_next(&r, cells, 2, &status), ERR_OK);
    assert_int_equal(status, CSV_AT_END);
    csv_reader_close(&r);
}

static void a_column_is_read_as_numbers(void **state)
{
    struct scene *s = *state;
    double v[3];
    int n;
    write_text(s, "a,b\n1,2.5\n2,nan\n3,-1e-3\n4,5\n5");
    assert_int_equal(csv_read_column(v, &n, 3, s->path, 1, 2), ERR_OK);
    assert_int_equal(n, 3);
    assert_true(v[0] == 2.5 && isnan(v[1]) && v[2] == -1e-3);
    assert_int_equal(csv_read_column(v, &n, 2, s->path, 0, 2), ERR_OK);
    assert_int_equal(n, 2);
    assert_true(v[1] == 2.0);
    write_text(s, "a,b\n");
    assert_int_equal(csv_read_column(v, &n, 3, s->path, 1, 2), ERR_OK);
    assert_int_equal(n, 0);
    assert_int_equal(csv_read_column(v, &n, 3, s->path, 1, 3), ERR_FORMAT);
}

/* Text is not 0. */
static void what_is_no_number_is_refused(void **state)
{
    struct scene *s = *state;
    static const char *const cells[] = {"garbage", "", "1x", "0.5 "};
    double v[3];
    int n;
    for (size_t i = 0; i < sizeof cells / sizeof *cells; i++) {
        char text[64];
        (void)snprintf(text, sizeof text, "a,b\n1,2\n2,%s\n", cells[i]);
        write_text(s, text);
        assert_int_equal(csv_read_column(v, &n, 3, s->path, 1, 2), ERR_FORMAT);
        assert_non_null(strstr(s->log.last, ":3: "));
        assert_non_null(strstr(s->log.last, "in the column b; a number was expected"));
    }
}

static void what_is_no_number_has_a_name(void **state)
{
    struct scene *s = *state;
    struct csv c;
    assert_int_equal(csv_create(&c, &s->arena, s->path, columns, 2), ERR_OK);
    csv_num(&c, -(double)NAN);
    csv_num(&c, -(double)INFINITY);
    assert_int_equal(csv_end_row(&c), ERR_OK);
    assert_string_equal(contents(s), "update,reward\nnan,-inf\n");
    csv_close(&c);
}

static void resuming_cuts_what_will_be_written_again(void **state)
{
    struct scene *s = *state;
    struct csv c;
    three_rows(s);
    assert_int_equal(csv_resume(&c, &s->arena, s->path, columns, 2, 1), ERR_OK);
    put(&c, 1, 0.5);
    put(&c, 2, 1.0);
    csv_close(&c);
    assert_string_equal(contents(s), "update,reward\n0,0\n1,0.5\n2,1\n");
}

static void a_torn_row_is_cut_off(void **state)
{
    struct scene *s = *state;
    struct csv c;
    three_rows(s);
    assert_int_equal(file_append(s->path, "3,1.", 4), ERR_OK);
    assert_int_equal(csv_resume(&c, &s->arena, s->path, columns, 2, CSV_KEEP_ALL), ERR_OK);
    put(&c, 3, 1.5);
    csv_close(&c);
    assert_string_equal(contents(s), "update,reward\n0,0\n1,0.5\n2,1\n3,1.5\n");
}

static void a_file_of_another_run_is_refused_and_kept(void **state)
{
    struct scene *s = *state;
    const char *const other[2] = {"update", "rewards"};
    struct csv c;
    three_rows(s);
    assert_int_equal(csv_resume(&c, &s->arena, s->path, other, 2, 1), ERR_MISMATCH);
    assert_non_null(
        strstr(s->log.last, "has 'reward' where this program writes the column 'rewards'"));
    assert_int_equal(csv_resume(&c, &s->arena, s->path, columns, 2, 4), ERR_MISMATCH);
    assert_non_null(
        strstr(s->log.last, "has 3 complete rows, but the checkpoint was made after 4"));
    assert_string_equal(contents(s), "update,reward\n0,0\n1,0.5\n2,1\n");
    unlink(s->path);
    assert_int_equal(csv_resume(&c, &s->arena, s->path, columns, 2, 0), ERR_IO);
}

static void a_full_disk_and_exhausted_memory_are_errors(void **state)
{
    struct scene *s = *state;
    struct csv c;
    if (access("/dev/full", W_OK) == 0) {
        assert_int_equal(csv_create(&c, &s->arena, "/dev/full", columns, 2), ERR_IO);
    }
    assert_int_equal(csv_create(&c, &s->arena, "/nowhere/x.csv", columns, 2), ERR_IO);
    three_rows(s);
    assert_int_equal(csv_resume(&c, &s->arena, s->path, columns, 2, CSV_KEEP_ALL), ERR_OK);
    char *large = calloc(1, 100001);
    memset(large, 'x', 100000);
    mem_fail_after(1);
    csv_text(&c, large);
    csv_int(&c, 1);
    assert_int_equal(csv_end_row(&c), ERR_MEMORY);
    mem_fail_after(0);
    put(&c, 3, 1.5); /* the next row is good, and nothing of the failed one was written */
    assert_string_equal(contents(s), "update,reward\n0,0\n1,0.5\n2,1\n3,1.5\n");
    free(large);
    csv_close(&c);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, scene_setup, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(rows_are_written_at_once),
        TEST(text_is_quoted_where_it_must_be),
        TEST(blanks_and_hashes_are_quoted),
        TEST(floats_read_back_exactly),
        TEST(doubles_read_back_exactly),
        TEST(rows_are_read_back),
        TEST(damaged_rows_are_named),
        TEST(a_column_is_read_as_numbers),
        TEST(what_is_no_number_is_refused),
        TEST(what_is_no_number_has_a_name),
        TEST(resuming_cuts_what_will_be_written_again),
        TEST(a_torn_row_is_cut_off),
        TEST(a_file_of_another_run_is_refused_and_kept),
        TEST(a_full_disk_and_exhausted_memory_are_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
