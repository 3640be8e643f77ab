/* Files of frames: the same verdicts as frame_next() gives over the whole of them. */
#include "core/base/file.h"
#include "core/base/frame_file.h"
#include "tests/unit/scene.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants these first */
#include <cmocka.h>

#define OK(call) assert_int_equal((call), ERR_OK)

static int stop(void **state)
{
    return scene_sweep(*state);
}

/* An empty frame, a small one and one of 40 bytes. */
static void put_frames(struct scene *s)
{
    char payload[40];
    memset(payload, 7, sizeof payload);
    OK(frame_append(&s->text, FRAME_CHECKPOINT, 1, "", 0));
    OK(frame_append(&s->text, FRAME_WEIGHTS, 2, "abc", 3));
    OK(frame_append(&s->text, FRAME_MOMENTS, 3, payload, sizeof payload));
}

/* Reads the file to its end; its frames in *n_frames, what came after them is returned. */
static enum frame_status read_all(const struct scene *s, int *n_frames)
{
    struct frame_file file;
    struct frame frame;
    enum frame_status status;
    *n_frames = 0;
    OK(frame_file_open(&file, s->path));
    for (;;) {
        const size_t before = file.at;
        OK(frame_file_next(&file, &frame, &status));
        if (status != FRAME_OK) {
            break;
        }
        assert_int_equal(frame.offset, before);
        assert_memory_equal(frame.payload, s->text.data + before + FRAME_HEADER_BYTES, frame.n);
        (*n_frames)++;
    }
    frame_file_close(&file);
    return status;
}

/* The same of the bytes in memory. */
static enum frame_status read_memory(const struct scene *s, size_t n, int *n_frames)
{
    struct frame_reader reader;
    struct frame frame;
    enum frame_status status;
    *n_frames = 0;
    frame_reader_init(&reader, s->text.data, n, "memory");
    while ((status = frame_next(&reader, &frame)) == FRAME_OK) {
        (*n_frames)++;
    }
    return status;
}

static void frames_come_one_by_one(void **state)
{
    struct scene *s = *state;
    int n = 0;
    put_frames(s);
    OK(file_write(s->path, s->text.data, s->text.len));
    assert_int_equal(read_all(s, &n), FRAME_AT_END);
    assert_int_equal(n, 3);
}

/* Cut off at every length. */
static void torn_files(void **state)
{
    struct scene *s = *state;
    put_frames(s);
    for (size_t cut = 0; cut < s->text.len; cut++) {
        int n = 0, expected = 0;
        const enum frame_status status = read_memory(s, cut, &expected);
        FILE *f = fopen(s->path, "wb");
        assert_non_null(f);
        assert_int_equal(fwrite(s->text.data, 1, cut, f), cut);
        fclose(f);
        assert_int_equal(read_all(s, &n), status);
        assert_int_equal(n, expected);
    }
}

static void damaged_files(void **state)
{
    struct scene *s = *state;
    put_frames(s);
    for (size_t bit = 0; bit < 8 * s->text.len; bit += 3) {
        int n = 0, expected = 0;
        s->text.data[bit / 8] ^= (unsigned char)(1U << bit % 8);
        const enum frame_status status = read_memory(s, s->text.len, &expected);
        FILE *f = fopen(s->path, "wb");
        assert_non_null(f);
        assert_int_equal(fwrite(s->text.data, 1, s->text.len, f), s->text.len);
        fclose(f);
        assert_int_equal(read_all(s, &n), status);
        assert_int_equal(n, expected);
        assert_true(n < 3);
        s->text.data[bit / 8] ^= (unsigned char)(1U << bit % 8);
    }
}

/* A header that claims 200 MiB over a file of 30 bytes takes no such memory. */
static void a_claimed_length_is_not_allocated(void **state)
{
    struct scene *s = *state;
    enum { CLAIMED = 200 * 1024 * 1024, THERE = FRAME_HEADER_BYTES + 10 };
    struct frame_file file;
    struct frame frame;
    enum frame_status status;
    char *payload = calloc(1, CLAIMED);
    assert_non_null(payload);
    OK(frame_append(&s->text, FRAME_MOMENTS, 1, payload, CLAIMED));
    free(payload);
    OK(file_write(s->path, s->text.data, THERE));
    OK(frame_file_open(&file, s->path));
    OK(frame_file_next(&file, &frame, &status));
    assert_int_equal(status, FRAME_TORN);
    assert_in_range(file.bytes.cap, THERE, 4 * 1024 * 1024);
    frame_file_close(&file);
}

static void what_cannot_be_read(void **state)
{
    struct scene *s = *state;
    struct frame_file file;
    struct frame frame;
    enum frame_status status;
    assert_int_equal(frame_file_open(&file, s->path), ERR_IO);
    frame_file_close(&file);
    OK(frame_file_open(&file, s->dir)); /* a directory opens, and cannot be read */
    assert_int_equal(frame_file_next(&file, &frame, &status), ERR_IO);
    frame_file_close(&file);
    put_frames(s);
    OK(file_write(s->path, s->text.data, s->text.len));
    OK(frame_file_open(&file, s->path));
    mem_fail_after(1);
    assert_int_equal(frame_file_next(&file, &frame, &status), ERR_MEMORY);
    mem_fail_after(0);
    frame_file_close(&file);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, scene_setup, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(frames_come_one_by_one), TEST(torn_files),
        TEST(damaged_files),          TEST(a_claimed_length_is_not_allocated),
        TEST(what_cannot_be_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
