/* A frame under test: the bytes that an encoder wrote, two arenas, and what the log says of them.
 */
#ifndef KARMA_TESTS_FRAMED_H
#define KARMA_TESTS_FRAMED_H

#include "core/base/frame.h"
#include "core/base/mem.h"
#include "tests/unit/heard.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
/* cmocka wants these first */
#include <cmocka.h>

#define OK(call) assert_int_equal((call), ERR_OK)

struct framed {
    struct arena arena, scratch;
    struct buf bytes;
    struct heard log;
};

static inline void framed_begin(struct framed *f)
{
    arena_init(&f->arena);
    arena_init(&f->scratch);
    buf_init(&f->bytes);
    heard_begin(&f->log);
}

static inline void framed_end(struct framed *f)
{
    heard_end();
    buf_release(&f->bytes);
    arena_release(&f->scratch);
    arena_release(&f->arena);
}

/* The payload of the only frame. */
static inline struct frame framed_only(const struct framed *f, enum frame_kind kind)
{
    struct frame_reader reader;
    struct frame frame;
    frame_reader_init(&reader, f->bytes.data, f->bytes.len, "test");
    OK(frame_expect(&reader, &frame, kind, 1));
    OK(frame_expect_end(&reader));
    return frame;
}

#endif
