/* JSON: what is read, what is refused, and that what is written reads back. */
#include "core/transfer/json.h"
#include "tests/unit/heard.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void a_tree(void **state)
{
    static const char text[] =
        "{\"kind\":\"Scale\",\"spec\":{\"replicas\":3},\"empty\":{},\"none\":null,\"yes\":true,"
        "\"metadata\":{\"annotations\":{\"a.b/c\":\"d\"}},\"values\":[[1e3,\"NaN\"],[-0.5,\"\"]],"
        "\"\\u00e9\":\"\\ud83d\\ude00\"}";
    struct arena arena;
    const struct json *j, *items = NULL;
    (void)state;
    arena_init(&arena);
    assert_int_equal(json_read(&j, &arena, "answer", text, sizeof text - 1), ERR_OK);
    assert_string_equal(json_text(j, "kind", "?"), "Scale");
    assert_true(json_number(j, "spec.replicas", -1.0) == 3.0);
    assert_true(json_number(j, "spec.nothing", -1.0) == -1.0);
    assert_true(json_number(j, "kind", -1.0) == -1.0);
    assert_true(json_number(j, "kind.deeper", -1.0) == -1.0);
    assert_string_equal(json_text(j, "spec.replicas", "?"), "?");
    assert_true(json_truth(j, "yes", false));
    assert_true(json_truth(j, "none", true));
    assert_int_equal(json_find(j, "none")->type, JSON_NULL_);
    assert_int_equal(json_find(j, "empty")->n, 0);
    assert_null(json_find(j, "spec.replicas.x"));
    assert_null(json_find(NULL, "spec"));
    assert_string_equal(json_member(json_find(j, "metadata.annotations"), "a.b/c")->text, "d");
    assert_int_equal(json_list(&items, j, "values"), 2);
    assert_true(items[0].items[0].number == 1000.0 && items[1].items[0].number == -0.5);
    assert_string_equal(items[0].items[1].text, "NaN");
    assert_int_equal(json_list(&items, j, "spec"), 0);
    assert_string_equal(json_text(j, "\xc3\xa9", "?"), "\xf0\x9f\x98\x80");
    arena_release(&arena);
}

static void refused(void **state)
{
    static const struct {
        const char *text;
        size_t n;
    } bad[] = {{"", 0},        {"{", 1},           {"{\"a\":1}x", 8},     {"{\"a\":1,\"a\":2}", 13},
               {"[1,]", 4},    {"NaN", 3},         {"\"a\\u0000b\"", 10}, {"\"\xff\"", 3},
               {"[1e999]", 7}, {"{\"a\":tru}", 9}, {"[\0]", 3},           {"\"\n\033[31m\"", 9}};
    struct arena arena;
    struct heard heard;
    const struct json *j = NULL;
    (void)state;
    arena_init(&arena);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        heard_begin(&heard);
        const enum err e = json_read(&j, &arena, "answer of x", bad[i].text, bad[i].n);
        heard_end();
        if (e != ERR_FORMAT || j != NULL || heard.n != 1 ||
            strstr(heard.text, "answer of x: not JSON: ") == NULL ||
            strchr(heard.last, '\033') != NULL) {
            fail_msg("case %zu: %s", i, heard.text);
        }
    }
    arena_release(&arena);
}

static void depth_is_bounded(void **state)
{
    char text[1024];
    struct arena arena;
    struct heard heard;
    const struct json *j = NULL;
    (void)state;
    arena_init(&arena);
    for (int depth = 1; depth < 500; depth++) {
        memset(text, '[', (size_t)depth);
        memset(text + depth, ']', (size_t)depth);
        heard_begin(&heard);
        const enum err e = json_read(&j, &arena, "x", text, (size_t)depth * 2);
        heard_end();
        assert_int_equal(e, depth <= JSON_DEPTH_MAX ? ERR_OK : ERR_FORMAT);
    }
    arena_release(&arena);
}

static void memory_that_runs_out(void **state)
{
    static const char text[] = "{\"a\":[1,2,{\"b\":\"c\"}],\"d\":\"e\"}";
    struct heard heard;
    (void)state;
    for (uint64_t n = 1; n < 40; n++) {
        struct arena arena;
        const struct json *j = NULL;
        arena_init(&arena);
        heard_begin(&heard);
        mem_fail_after(n);
        const enum err e = json_read(&j, &arena, "x", text, sizeof text - 1);
        mem_fail_after(0);
        heard_end();
        assert_true(e == ERR_OK || e == ERR_MEMORY);
        assert_true(e == ERR_OK ? j != NULL : j == NULL && heard.n > 0);
        assert_true(n > 1 || e != ERR_OK);
        arena_release(&arena);
    }
}

static void written_text_reads_back(void **state)
{
    static const char *const texts[] = {"", "plain", "quote \" and \\", "\x01\x1f\t\n\x7f",
                                        "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"};
    static const double numbers[] = {0.0, -1.5, 0.1, 1e300, 3.0, 1.0 / 3.0, 1e-7};
    struct arena arena;
    struct buf b;
    const struct json *j;
    (void)state;
    arena_init(&arena);
    buf_init(&b);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        b.len = 0;
        assert_int_equal(json_put_text(&b, texts[i]), ERR_OK);
        assert_int_equal(json_read(&j, &arena, "x", b.data, b.len), ERR_OK);
        assert_string_equal(j->text, texts[i]);
    }
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        b.len = 0;
        assert_int_equal(json_put_number(&b, numbers[i]), ERR_OK);
        assert_int_equal(json_read(&j, &arena, "x", b.data, b.len), ERR_OK);
        assert_true(j->number == numbers[i]);
    }
    b.len = 0;
    assert_int_equal(json_put_text(&b, "a\xff\xc0\x80\xed\xa0\x80z\xe2\x82"), ERR_OK);
    assert_int_equal(json_read(&j, &arena, "x", b.data, b.len), ERR_OK);
    assert_int_equal(j->text[0], 'a');
    b.len = 0;
    assert_int_equal(json_put_number(&b, NAN), ERR_OK);
    assert_int_equal(json_put_number(&b, INFINITY), ERR_OK);
    assert_memory_equal(b.data, "nullnull", 8);
    buf_release(&b);
    arena_release(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_tree), cmocka_unit_test(refused), cmocka_unit_test(depth_is_bounded),
        cmocka_unit_test(memory_that_runs_out), cmocka_unit_test(written_text_reads_back)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
