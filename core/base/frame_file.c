/* Header first, then as many bytes as it says, as far as they are there. See frame_file.h. */
#include "core/base/frame_file.h"

#include "core/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum { READ_PIECE = 1024 * 1024 };

enum err frame_file_open(struct frame_file *f, const char *path)
{
    *f = (struct frame_file){.path = path};
    buf_init(&f->bytes);
    f->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (f->fd < 0) {
        log_error("cannot open '%s': %s", path, strerror(errno));
        return ERR_IO;
    }
    return ERR_OK;
}

void frame_file_close(struct frame_file *f)
{
    buf_release(&f->bytes);
    if (f->fd >= 0) {
        close(f->fd);
    }
    f->fd = -1;
}

/* Append up to n bytes; fewer at the end of the file. Memory grows with what is there (doubling
 * from READ_PIECE), never with n, which a damaged header may claim to be large. */
static enum err read_more(struct frame_file *f, size_t n)
{
    for (size_t left = n; left > 0;) {
        const size_t piece = left < READ_PIECE ? left : READ_PIECE;
        if (f->bytes.cap - f->bytes.len < piece) {
            TRY(buf_reserve(&f->bytes,
                            f->bytes.len + (f->bytes.len > piece ? f->bytes.len : piece)));
        }
        const ssize_t got = read(f->fd, f->bytes.data + f->bytes.len, piece);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            log_error("cannot read '%s': %s", f->path, strerror(errno));
            return ERR_IO;
        }
        if (got == 0) {
            return ERR_OK;
        }
        f->bytes.len += (size_t)got;
        left -= (size_t)got;
    }
    return ERR_OK;
}

/* What the reader says of the bytes read so far. */
static enum frame_status look(struct frame_file *f, struct frame *out)
{
    frame_reader_init(&f->reader, f->bytes.data, f->bytes.len, f->path);
    return frame_next(&f->reader, out);
}

enum err frame_file_next(struct frame_file *f, struct frame *out, enum frame_status *status)
{
    f->bytes.len = 0;
    TRY(read_more(f, FRAME_HEADER_BYTES));
    struct frame found = {0};
    *status = look(f, &found);
    /* Of a whole header frame_next() says TORN only after its CRC and its length were found good,
     * so the length may be believed. A short file has fewer bytes and stays torn. */
    if (*status == FRAME_TORN && f->bytes.len == FRAME_HEADER_BYTES) {
        TRY(read_more(f, frame_length(f->bytes.data)));
        *status = look(f, &found);
    }
    if (*status == FRAME_OK) {
        *out = found;
        out->offset = f->at;
        f->at += f->bytes.len;
    }
    return ERR_OK;
}
