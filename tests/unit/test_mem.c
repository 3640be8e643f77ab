/* Arenas and buffers: alignment, zeroes, rewinding, accounting, exhausted memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/log.h"
#include "core/base/mem.h"
#include "tests/unit/heard.h"

#include <string.h>

static int quiet(void **state)
{
    (void)state;
    log_set_sink(log_discard, NULL);
    return 0;
}

static int all_zero(const unsigned char *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (p[i] != 0) {
            return 0;
        }
    }
    return 1;
}

static void pieces_are_aligned_zeroed_and_apart(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a);
    unsigned char *before = NULL;
    for (size_t n = 0; n < 300; n += 7) {
        unsigned char *p = arena_alloc(&a, n, 3);
        assert_non_null(p);
        assert_int_equal((uintptr_t)p % MEM_ALIGN, 0);
        assert_true(all_zero(p, 3 * n));
        memset(p, 0xab, 3 * n);
        assert_true(p != before);
        before = p;
    }
    arena_release(&a);
}

static void pieces_larger_than_a_chunk_are_fine(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a);
    unsigned char *small = arena_alloc(&a, 10, 1);
    unsigned char *large = arena_alloc(&a, 20 * 1024 * 1024, 1);
    assert_non_null(large);
    large[20 * 1024 * 1024 - 1] = 1;
    small[0] = 1;
    assert_int_equal(a.bytes, 20 * 1024 * 1024 + MEM_ALIGN);
    arena_release(&a);
    assert_int_equal(a.bytes, 0);
}

static void rewound_space_is_used_again_and_zero_again(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a);
    unsigned char *keep = arena_alloc(&a, 100, 1);
    memset(keep, 7, 100);
    struct arena_mark m = arena_mark(&a);
    for (int i = 0; i < 5; i++) { /* several chunks */
        memset(arena_alloc(&a, 50000, 1), 0xcd, 50000);
    }
    arena_rewind(&a, m);
    uint64_t calls = mem_calls();
    for (int i = 0; i < 5; i++) {
        unsigned char *p = arena_alloc(&a, 50000, 1);
        assert_true(all_zero(p, 50000));
        memset(p, 0xef, 50000);
    }
    assert_int_equal(mem_calls(), calls); /* no new chunk */
    assert_int_equal(keep[0], 7);
    assert_int_equal(keep[99], 7);
    arena_release(&a);
}

static void a_mark_of_an_empty_arena_gives_everything_back(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a);
    struct arena_mark m = arena_mark(&a);
    assert_non_null(arena_alloc(&a, 1000, 8));
    arena_rewind(&a, m);
    assert_int_equal(a.bytes, 0);
    assert_int_equal(a.n_sections, 0);
    arena_release(&a);
}

/* 1000 bytes are 1024 after rounding to 64, 1 byte is 64. */
static void sections_add_up_to_what_was_allocated(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a);
    arena_section(&a, "rollout");
    arena_alloc(&a, 1000, 1);
    arena_section(&a, "learner");
    arena_alloc(&a, 1, 1);
    arena_section(&a, "rollout");
    struct arena_mark m = arena_mark(&a);
    arena_alloc(&a, 1, 1);
    arena_section(&a, "twin");
    arena_alloc(&a, 1, 1);
    assert_int_equal(a.n_sections, 3);
    assert_int_equal(a.sections[0].bytes, 1088);
    assert_int_equal(a.sections[1].bytes, 64);
    assert_int_equal(a.bytes, 1088 + 64 + 64);
    arena_rewind(&a, m);
    assert_int_equal(a.n_sections, 2);
    assert_string_equal(a.sections[a.section].name, "rollout");
    assert_int_equal(a.sections[0].bytes, 1024);
    assert_int_equal(a.bytes, 1024 + 64);
    arena_release(&a);
}

static void a_product_that_overflows_is_refused(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a);
    assert_null(arena_alloc(&a, SIZE_MAX / 2, 3));
    assert_int_equal(arena_error(&a), ERR_MEMORY);
    arena_release(&a);
    assert_int_equal(arena_error(&a), ERR_OK);
    assert_null(arena_alloc(&a, SIZE_MAX - 10, 1)); /* rounding up would wrap */
    assert_int_equal(arena_error(&a), ERR_MEMORY);
    arena_release(&a);
}

static void a_failing_allocation_changes_nothing(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a);
    mem_fail_after(1);
    assert_null(arena_alloc(&a, 10, 1));
    assert_int_equal(a.bytes, 0);
    arena_release(&a);
    assert_non_null(arena_alloc(&a, 10, 1));
    mem_fail_after(2);
    assert_non_null(arena_alloc(&a, 1000000, 1));
    assert_null(arena_alloc(&a, 9000000, 1));
    assert_int_equal(a.bytes, MEM_ALIGN + 1000000);
    mem_fail_after(0);
    arena_release(&a);
}

/* malloc is not asked again: the second failure would log a second size. */
static void an_arena_that_failed_allocates_nothing_more(void **state)
{
    (void)state;
    struct heard log;
    struct arena a;
    arena_init(&a);
    char *before = arena_strdup(&a, "before");
    assert_int_equal(arena_error(&a), ERR_OK);
    heard_begin(&log);
    mem_fail_after(1);
    assert_null(arena_alloc(&a, 5000000, 1));
    mem_fail_after(0);
    assert_int_equal(arena_error(&a), ERR_MEMORY);
    assert_non_null(strstr(log.last, "out of memory: 5000"));
    const uint64_t calls = mem_calls();
    assert_null(arena_alloc(&a, 1, 1));
    assert_null(arena_alloc(&a, 7000000, 1));
    assert_null(arena_alloc(&a, SIZE_MAX, SIZE_MAX));
    assert_null(arena_printf(&a, "%d", 1));
    assert_null(arena_strdup(&a, arena_strdup(&a, "text"))); /* the inner one is NULL */
    assert_int_equal(mem_calls(), calls);
    assert_int_equal(log.n, 1); /* the first failure is the one that is reported */
    assert_int_equal(arena_error(&a), ERR_MEMORY);
    assert_string_equal(before, "before"); /* what was there is still good */
    arena_release(&a);
    log_set_sink(log_discard, NULL);
}

static void a_rewind_takes_back_the_failures_after_its_mark(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a);
    const struct arena_mark good = arena_mark(&a);
    mem_fail_after(1);
    assert_null(arena_alloc(&a, 1, 1));
    const struct arena_mark failed = arena_mark(&a);
    arena_rewind(&a, failed);
    assert_int_equal(arena_error(&a), ERR_MEMORY); /* it came before that mark */
    arena_rewind(&a, good);
    assert_int_equal(arena_error(&a), ERR_OK);
    assert_non_null(arena_alloc(&a, 1, 1));
    mem_fail_after(0);
    arena_release(&a);
}

static void strings_are_copied_and_printed(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a);
    char source[] = "abc";
    char *copy = arena_strdup(&a, source);
    source[0] = 'x';
    assert_string_equal(copy, "abc");
    assert_string_equal(arena_printf(&a, "%s-%03d", "run", 7), "run-007");
    arena_release(&a);
}

static void a_buffer_grows_and_keeps_its_bytes(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b);
    uint64_t calls = mem_calls();
    uint64_t bytes = mem_bytes();
    for (int i = 0; i < 100000; i++) {
        unsigned char byte = (unsigned char)(i * 31);
        assert_int_equal(buf_append(&b, &byte, 1), ERR_OK);
    }
    assert_true(mem_calls() - calls < 20); /* doubling: linear over all */
    assert_in_range(mem_bytes() - bytes, 100000, 4 * 100000);
    assert_int_equal(b.len, 100000);
    for (int i = 0; i < 100000; i++) {
        assert_int_equal(b.data[i], (unsigned char)(i * 31));
    }
    assert_int_equal(buf_append(&b, NULL, 0), ERR_OK);
    b.len = 0;
    assert_int_equal(buf_printf(&b, "%d,%s", 5, "x"), ERR_OK);
    assert_int_equal(b.len, 3);
    assert_memory_equal(b.data, "5,x", 3);
    buf_release(&b);
    assert_null(b.data);
}

static void a_buffer_survives_a_failing_allocation(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b);
    assert_int_equal(buf_append(&b, "keep", 4), ERR_OK);
    mem_fail_after(1);
    assert_int_equal(buf_reserve(&b, 1000000), ERR_MEMORY);
    mem_fail_after(1);
    assert_int_equal(buf_printf(&b, "%1000d", 1), ERR_MEMORY);
    mem_fail_after(0);
    assert_int_equal(b.len, 4);
    assert_memory_equal(b.data, "keep", 4);
    buf_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_are_aligned_zeroed_and_apart),
        cmocka_unit_test(pieces_larger_than_a_chunk_are_fine),
        cmocka_unit_test(rewound_space_is_used_again_and_zero_again),
        cmocka_unit_test(a_mark_of_an_empty_arena_gives_everything_back),
        cmocka_unit_test(sections_add_up_to_what_was_allocated),
        cmocka_unit_test(a_product_that_overflows_is_refused),
        cmocka_unit_test(a_failing_allocation_changes_nothing),
        cmocka_unit_test(an_arena_that_failed_allocates_nothing_more),
        cmocka_unit_test(a_rewind_takes_back_the_failures_after_its_mark),
        cmocka_unit_test(strings_are_copied_and_printed),
        cmocka_unit_test(a_buffer_grows_and_keeps_its_bytes),
        cmocka_unit_test(a_buffer_survives_a_failing_allocation),
    };
    return cmocka_run_group_tests(tests, quiet, NULL);
}
