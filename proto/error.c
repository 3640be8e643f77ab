/* Error codec: what a worker that failed sends in place of a tile, so that the rank that waits for
 * the tile ends with the same error and does not wait for ever. */
#include "proto/error.h"
#include "proto/error.pb-c.h"
#include "proto/wire.h"

#include "core/base/log.h"

enum err codec_put_error(struct buf *out, enum err code)
{
    Karma__ErrorReport m;
    karma__error_report__init(&m);
    m.code = (uint32_t)code;
    return wire_put(out, FRAME_ERROR, CODEC_ERROR_VERSION, &m.base);
}

enum err codec_get_error(enum err *code, const void *bytes, size_t n, const char *source,
                         struct arena *scratch)
{
    const struct arena_mark mark = arena_mark(scratch);
    const Karma__ErrorReport *m =
        (const void *)wire_get(&karma__error_report__descriptor, bytes, n, source, scratch);
    enum err e = m == NULL ? wire_error(scratch) : ERR_FORMAT;
    /* ERR_OK is no error, and a code beyond the list would have no message. */
    if (m != NULL && m->code > ERR_OK && m->code < ERR_COUNT) {
        *code = (enum err)m->code;
        e = ERR_OK;
    } else if (m != NULL) {
        log_error("%s: unknown error code %u", source, m->code);
    }
    arena_rewind(scratch, mark);
    return e;
}
