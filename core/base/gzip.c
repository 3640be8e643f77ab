/* A file is unpacked member by member, in pieces that fit the stack. See gzip.h. */
#include "core/base/gzip.h"

#include "core/base/file.h"
#include "core/base/log.h"

#include <zlib.h>

enum { PIECE = 16 * 1024, GZIP_WINDOW = 15 + 16 /* the largest window; gzip, not zlib, headers */ };

static void *zlib_alloc(void *unused, unsigned n, unsigned size)
{
    (void)unused;
    return mem_alloc((size_t)n * size);
}

static void zlib_free(void *unused, void *p)
{
    (void)unused;
    mem_free(p);
}

static enum err refuse(const char *path, const char *what)
{
    log_error("%s: %s; pack the file again, or give it unpacked", path, what);
    return ERR_FORMAT;
}

/* One piece more of the current member. */
static enum err unpack_piece(int *status, struct buf *out, z_stream *z, const char *path,
                             size_t max)
{
    unsigned char piece[PIECE];
    z->next_out = piece;
    z->avail_out = PIECE;
    *status = inflate(z, Z_NO_FLUSH);
    if (*status == Z_MEM_ERROR) {
        return ERR_MEMORY;
    }
    /* There is room for output, so no progress means that no input is left. */
    if (*status == Z_BUF_ERROR) {
        return refuse(path, "the gzip data end in the middle");
    }
    if (*status != Z_OK && *status != Z_STREAM_END) {
        return refuse(path, z->msg != NULL ? z->msg : "the gzip data are damaged");
    }
    const size_t n = PIECE - z->avail_out;
    /* out->len <= max holds before and after, so the subtraction does not wrap. */
    if (n > max - out->len) {
        log_error("%s: unpacks to more than %zu bytes; cut it into smaller files", path, max);
        return ERR_FORMAT;
    }
    return buf_append(out, piece, n);
}

static enum err unpack_members(struct buf *out, z_stream *z, const char *path, size_t max)
{
    for (;;) {
        int status;
        TRY(unpack_piece(&status, out, z, path, max));
        /* Each round consumes input or fills a piece, and output is bounded by `max`, so the loop
         * ends. Input behind the end of a member is the next member (RFC 1952, 2.2). */
        if (status == Z_STREAM_END && z->avail_in == 0) {
            return ERR_OK;
        }
        if (status == Z_STREAM_END && inflateReset(z) != Z_OK) {
            return ERR_MEMORY;
        }
    }
}

static enum err unpack(struct buf *out, const struct buf *packed, const char *path, size_t max)
{
    z_stream z = {.zalloc = zlib_alloc, .zfree = zlib_free};
    if (inflateInit2(&z, GZIP_WINDOW) != Z_OK) {
        return ERR_MEMORY;
    }
    z.next_in = packed->data;
    z.avail_in = (unsigned)packed->len;
    enum err e = unpack_members(out, &z, path, max);
    (void)inflateEnd(&z);
    if (e == ERR_OK) {
        e = buf_reserve(out, out->len + 1);
    }
    if (e == ERR_OK) {
        out->data[out->len] = '\0';
    } else {
        out->len = 0;
    }
    return e;
}

enum err gzip_read(struct buf *out, const char *path, size_t max)
{
    struct buf packed;
    TRY(file_read(out, path, max));
    /* The magic number of RFC 1952. No text file begins with 0x1f. */
    if (out->len < 2 || out->data[0] != 0x1f || out->data[1] != 0x8b) {
        return ERR_OK;
    }
    packed = *out;
    buf_init(out);
    enum err e = packed.len <= UINT32_MAX ? unpack(out, &packed, path, max)
                                          : refuse(path, "has more than 4 GiB packed");
    buf_release(&packed);
    return e;
}
