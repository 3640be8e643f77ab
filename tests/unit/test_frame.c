/* Frames: the layout byte by byte, then every kind of damage. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/crc32c.h"
#include "core/base/frame.h"
#include "tests/unit/heard.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int start(void **state)
{
    static struct heard log;
    heard_begin(&log);
    *state = &log;
    return 0;
}

/* Two frames: weights "123456789" and an empty error. */
static struct buf two_frames(void)
{
    struct buf b;
    buf_init(&b);
    assert_int_equal(frame_append(&b, FRAME_WEIGHTS, 3, "123456789", 9), ERR_OK);
    assert_int_equal(frame_append(&b, FRAME_ERROR, 1, NULL, 0), ERR_OK);
    return b;
}

static void header_crc_again(unsigned char *h)
{
    uint32_t crc = crc32c(0, h, 16);
    for (int i = 0; i < 4; i++) {
        h[16 + i] = (unsigned char)(crc >> (8 * i));
    }
}

static enum frame_status first_status(const void *bytes, size_t n)
{
    struct frame_reader r;
    struct frame f;
    frame_reader_init(&r, bytes, n, "test");
    return frame_next(&r, &f);
}

/* "123456789" has the CRC-32C e3069283; kind 2 and version 3 by the list. */
static void the_layout_is_the_documented_one(void **state)
{
    (void)state;
    struct buf b = two_frames();
    const unsigned char head[16] = {'K', 'R', 'M', '1', 2,    0,    3,    0,
                                    9,   0,   0,   0,   0x83, 0x92, 0x06, 0xe3};
    assert_int_equal(b.len, 20 + 9 + 20);
    assert_memory_equal(b.data, head, 16);
    assert_memory_equal(b.data + 20, "123456789", 9);
    buf_release(&b);
}

static void kinds_keep_their_numbers(void **state)
{
    (void)state;
    assert_int_equal(FRAME_ROLLOUT_BLOCK, 1);
    assert_int_equal(FRAME_WEIGHTS, 2);
    assert_int_equal(FRAME_CHECKPOINT, 3);
    assert_int_equal(FRAME_UPDATE_DUMP, 4);
    assert_int_equal(FRAME_ERROR, 5);
    assert_int_equal(FRAME_EVAL_RECORD, 6);
    assert_int_equal(FRAME_RUN_HEADER, 7);
    assert_string_equal(frame_kind_text(FRAME_UPDATE_DUMP), "update dump");
    assert_string_equal(frame_kind_text(0), "unknown");
    assert_string_equal(frame_kind_text(60000), "unknown");
}

static void frames_are_read_in_order_without_a_copy(void **state)
{
    (void)state;
    struct buf b = two_frames();
    struct frame_reader r;
    struct frame f;
    frame_reader_init(&r, b.data, b.len, "test");
    uint64_t calls = mem_calls();
    assert_int_equal(frame_next(&r, &f), FRAME_OK);
    assert_int_equal(f.kind, FRAME_WEIGHTS);
    assert_int_equal(f.version, 3);
    assert_int_equal(f.n, 9);
    assert_ptr_equal(f.payload, b.data + 20);
    assert_int_equal(f.offset, 0);
    assert_int_equal(frame_next(&r, &f), FRAME_OK);
    assert_int_equal(f.kind, FRAME_ERROR);
    assert_int_equal(f.n, 0);
    assert_int_equal(f.offset, 29);
    assert_int_equal(frame_next(&r, &f), FRAME_AT_END);
    assert_int_equal(frame_expect_end(&r), ERR_OK);
    assert_int_equal(mem_calls(), calls);
    buf_release(&b);
}

static void writing_in_place_gives_the_same_bytes(void **state)
{
    (void)state;
    struct buf a = two_frames(), b;
    size_t at;
    buf_init(&b);
    assert_int_equal(frame_begin(&b, &at), ERR_OK);
    assert_int_equal(buf_append(&b, "123456789", 9), ERR_OK);
    assert_int_equal(frame_end(&b, at, FRAME_WEIGHTS, 3), ERR_OK);
    assert_int_equal(frame_begin(&b, &at), ERR_OK);
    assert_int_equal(frame_end(&b, at, FRAME_ERROR, 1), ERR_OK);
    assert_int_equal(a.len, b.len);
    assert_memory_equal(a.data, b.data, a.len);
    buf_release(&a);
    buf_release(&b);
}

/* Cut anywhere: the whole frames before the cut are read, then the tail is torn. The copy has the
 * exact size, so that the sanitizer sees a read beyond it. */
static void every_torn_tail_is_recognised(void **state)
{
    (void)state;
    struct buf b = two_frames();
    for (size_t n = 0; n <= b.len; n++) {
        unsigned char *cut = malloc(n != 0 ? n : 1);
        memcpy(cut, b.data, n);
        struct frame_reader r;
        struct frame f;
        frame_reader_init(&r, cut, n, "test");
        enum frame_status s;
        while ((s = frame_next(&r, &f)) == FRAME_OK) {
        }
        bool whole = n == 0 || n == 29 || n == 49;
        assert_int_equal(s, whole ? FRAME_AT_END : FRAME_TORN);
        assert_int_equal(r.at, n < 29 ? 0 : n < 49 ? 29 : 49);
        free(cut);
    }
    buf_release(&b);
}

/* Every bit of both frames: no damage is read as good data. */
static void every_flipped_bit_is_noticed(void **state)
{
    (void)state;
    struct buf b = two_frames();
    for (size_t bit = 0; bit < 8 * b.len; bit++) {
        b.data[bit / 8] ^= (unsigned char)(1u << (bit % 8));
        struct frame_reader r;
        struct frame f;
        frame_reader_init(&r, b.data, b.len, "test");
        enum frame_status s;
        while ((s = frame_next(&r, &f)) == FRAME_OK) {
        }
        size_t in_frame = bit / 8 < 29 ? bit / 8 : bit / 8 - 29;
        assert_int_equal(s, in_frame < 4 ? FRAME_BAD_MAGIC : FRAME_BAD_CRC);
        b.data[bit / 8] ^= (unsigned char)(1u << (bit % 8));
    }
    buf_release(&b);
}

static void an_intact_header_with_an_impossible_length(void **state)
{
    (void)state;
    struct buf b = two_frames();
    memset(b.data + 8, 0xff, 4);
    header_crc_again(b.data);
    assert_int_equal(first_status(b.data, b.len), FRAME_TOO_LONG);
    b.data[11] = 0x0f; /* just below 256 MiB: believed, but the bytes are not there */
    b.data[10] = b.data[9] = 0xff;
    b.data[8] = 0xec;
    header_crc_again(b.data);
    assert_int_equal(first_status(b.data, b.len), FRAME_TORN);
    b.data[8] = 0xed; /* FRAME_PAYLOAD_MAX + 1 */
    header_crc_again(b.data);
    assert_int_equal(first_status(b.data, b.len), FRAME_TOO_LONG);
    buf_release(&b);
}

static void a_kind_of_a_newer_program(void **state)
{
    (void)state;
    struct buf b = two_frames();
    b.data[4] = 0xff;
    header_crc_again(b.data);
    assert_int_equal(first_status(b.data, b.len), FRAME_BAD_VERSION);
    b.data[4] = 0;
    header_crc_again(b.data);
    assert_int_equal(first_status(b.data, b.len), FRAME_BAD_VERSION);
    buf_release(&b);
}

static void expecting_names_source_place_and_reason(void **state)
{
    const struct heard *log = *state;
    struct buf b = two_frames();
    struct frame_reader r;
    struct frame f;
    frame_reader_init(&r, b.data, b.len, "policy/weights.bin");
    assert_int_equal(frame_expect(&r, &f, FRAME_ROLLOUT_BLOCK, 9), ERR_FORMAT);
    assert_string_equal(log->last,
                        "error: policy/weights.bin, byte 0: a frame (weights) stands where "
                        "another (rollout block) should");
    assert_int_equal(frame_expect(&r, &f, FRAME_WEIGHTS, 2), ERR_VERSION);
    assert_non_null(strstr(log->last, "weights frame of version 3, this program knows 1 to 2"));
    assert_int_equal(frame_expect(&r, &f, FRAME_WEIGHTS, 3), ERR_OK); /* none of it moved on */
    assert_int_equal(frame_expect_end(&r), ERR_FORMAT);
    assert_string_equal(log->last,
                        "error: policy/weights.bin, byte 29: 20 bytes stand behind the last "
                        "frame");
    b.data[30] = 'x';
    assert_int_equal(frame_expect(&r, &f, FRAME_ERROR, 1), ERR_FORMAT);
    assert_non_null(strstr(log->last, "byte 29: no frame begins here"));
    frame_reader_init(&r, b.data, 0, "rank 3");
    assert_int_equal(frame_expect(&r, &f, FRAME_ERROR, 1), ERR_FORMAT);
    assert_string_equal(log->last,
                        "error: rank 3, byte 0: ends where a frame (error) should begin");
    buf_release(&b);
}

static void too_much_for_one_frame_leaves_the_buffer_alone(void **state)
{
    (void)state;
    struct buf b = two_frames();
    size_t before = b.len;
    /* The length is refused before the payload is touched. */
    assert_int_equal(frame_append(&b, FRAME_WEIGHTS, 1, b.data, (size_t)FRAME_PAYLOAD_MAX + 1),
                     ERR_FORMAT);
    assert_int_equal(b.len, before);
    mem_fail_after(1);
    char payload[4000] = {0};
    assert_int_equal(frame_append(&b, FRAME_WEIGHTS, 1, payload, sizeof(payload)), ERR_MEMORY);
    mem_fail_after(0);
    assert_int_equal(b.len, before);
    buf_release(&b);
}

#define TEST(f) cmocka_unit_test_setup(f, start)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_layout_is_the_documented_one),
        TEST(kinds_keep_their_numbers),
        TEST(frames_are_read_in_order_without_a_copy),
        TEST(writing_in_place_gives_the_same_bytes),
        TEST(every_torn_tail_is_recognised),
        TEST(every_flipped_bit_is_noticed),
        TEST(an_intact_header_with_an_impossible_length),
        TEST(a_kind_of_a_newer_program),
        TEST(expecting_names_source_place_and_reason),
        TEST(too_much_for_one_frame_leaves_the_buffer_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
