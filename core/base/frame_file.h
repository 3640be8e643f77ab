/* A file of frames, read one frame at a time: for files larger than one wants in memory.
 *
 * Never more is allocated than the file really holds, whatever its headers claim. Local.
 */
#ifndef KARMA_BASE_FRAME_FILE_H
#define KARMA_BASE_FRAME_FILE_H

#include "core/base/frame.h"

struct frame_file {
    int fd;
    const char *path;           /* borrowed */
    struct buf bytes;           /* owned: the frame that was read last, header included */
    struct frame_reader reader; /* over `bytes`; reader.why tells what is wrong */
    size_t at;                  /* bytes of intact frames so far */
};

enum err frame_file_open(struct frame_file *f, const char *path) WARN_UNUSED;
void frame_file_close(struct frame_file *f);

/* The next frame into f->bytes, of any known kind: *out points into it and is valid until the next
 * call; out->offset counts from the beginning of the file. *status as frame_next() tells it; only
 * what is not a matter of the bytes (reading fails, no memory) is an error and logged. */
enum err frame_file_next(struct frame_file *f, struct frame *out,
                         enum frame_status *status) WARN_UNUSED;

#endif
