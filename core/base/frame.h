/* Frames: every file and every message is a sequence of them.
 *
 *   offset  bytes  all little-endian
 *        0      4  magic "KRM1"
 *        4      2  kind
 *        6      2  version of the payload's layout, from 1
 *        8      4  n, payload length, at most FRAME_PAYLOAD_MAX
 *       12      4  CRC-32C of the payload
 *       16      4  CRC-32C of bytes 0 .. 15
 *       20      n  payload: one protobuf message
 *
 * The header has a CRC of its own, so a length is believed only when it is what was written, and a
 * file that stops in the middle of a frame (a torn tail: the writer was killed) is told apart from
 * one that was damaged. Reading copies nothing and allocates nothing.
 */
#ifndef KARMA_BASE_FRAME_H
#define KARMA_BASE_FRAME_H

#include "core/base/err.h"
#include "core/base/mem.h"

#include <stddef.h>
#include <stdint.h>

enum {
    FRAME_HEADER_BYTES = 20,
    FRAME_BYTES_MAX = 256 * 1024 * 1024, /* header included */
    FRAME_PAYLOAD_MAX = FRAME_BYTES_MAX - FRAME_HEADER_BYTES
};

/* What the payload is. Append only: the position is written to files. */
#define FRAME_LIST(X)                                                                              \
    X(FRAME_ROLLOUT_BLOCK, "rollout block")                                                        \
    X(FRAME_WEIGHTS, "weights")                                                                    \
    X(FRAME_CHECKPOINT, "checkpoint")                                                              \
    X(FRAME_UPDATE_DUMP, "update dump")                                                            \
    X(FRAME_ERROR, "error")                                                                        \
    X(FRAME_EVAL_RECORD, "evaluation record")                                                      \
    X(FRAME_RUN_HEADER, "run header")                                                              \
    X(FRAME_POLICY, "policy")                                                                      \
    X(FRAME_TRAJECTORY_EPISODE, "trajectory of an episode")                                        \
    X(FRAME_TWIN, "twin")                                                                          \
    X(FRAME_MOMENTS, "optimiser moments")                                                          \
    X(FRAME_TILE_STATE, "tile state")                                                              \
    X(FRAME_TRACE_STORE, "trace store")                                                            \
    X(FRAME_TRACE_EPISODE, "trace episode")                                                        \
    X(FRAME_TWIN_MEMBER, "twin member")                                                            \
    X(FRAME_TWIN_QUEUEING, "queueing twin")                                                        \
    X(FRAME_NUMBERS, "numbers of a job")

#define FRAME_ENUM_(name, text) name,
enum frame_kind { FRAME_NONE, FRAME_LIST(FRAME_ENUM_) FRAME_KINDS };
#undef FRAME_ENUM_

/* "update dump"; "unknown" for a kind this program does not know. */
const char *frame_kind_text(unsigned kind);

/* Append one frame. A payload above FRAME_PAYLOAD_MAX: ERR_FORMAT, `out` unchanged. */
enum err frame_append(struct buf *out, enum frame_kind kind, unsigned version, const void *payload,
                      size_t n) WARN_UNUSED;

/* The same without a copy of the payload: begin, append the payload to `out` (encoders write there
 * directly), end. `at` remembers the place. On an error of frame_end `out` is cut back to `at`. */
enum err frame_begin(struct buf *out, size_t *at) WARN_UNUSED;
enum err frame_end(struct buf *out, size_t at, enum frame_kind kind, unsigned version) WARN_UNUSED;

enum frame_status {
    FRAME_OK,
    FRAME_AT_END,      /* the range ends where a frame would begin */
    FRAME_TORN,        /* the range ends inside a frame */
    FRAME_BAD_MAGIC,   /* not a frame */
    FRAME_BAD_CRC,     /* header or payload damaged */
    FRAME_TOO_LONG,    /* intact header, but an impossible length */
    FRAME_BAD_VERSION, /* a kind, or a version of it, that this program does not know */
    FRAME_BAD_KIND     /* intact, but not the kind that was asked for */
};

/* Payload bytes that a header claims. Believe it only after frame_next() found the header intact.
 */
size_t frame_length(const unsigned char header[FRAME_HEADER_BYTES]);

struct frame {
    unsigned kind, version;
    const unsigned char *payload; /* inside the range that is read; not owned */
    size_t n;                     /* bytes of payload */
    size_t offset;                /* of the header in the range */
};

struct frame_reader {
    const unsigned char *bytes; /* not owned */
    size_t n, at;
    const char *source; /* names the bytes in messages: a path, "rank 3" */
    char why[512];      /* after anything but FRAME_OK and FRAME_AT_END: the sentence */
};

void frame_reader_init(struct frame_reader *r, const void *bytes, size_t n, const char *source);

/* The next frame, of any known kind. Moves on only with FRAME_OK. Does not log: a torn tail may be
 * expected (then r->at is the length of the intact part). */
enum frame_status frame_next(struct frame_reader *r, struct frame *f);

/* The next frame, which must be of that kind with a version of 1 .. version_max. Logs; the end of
 * the range is ERR_FORMAT. */
enum err frame_expect(struct frame_reader *r, struct frame *f, enum frame_kind kind,
                      unsigned version_max) WARN_UNUSED;

/* ERR_FORMAT or ERR_VERSION; ERR_OK for FRAME_OK and FRAME_AT_END. */
enum err frame_err(enum frame_status s);

/* The range must end here: ERR_FORMAT with a sentence if bytes are left. */
enum err frame_expect_end(const struct frame_reader *r) WARN_UNUSED;

#endif
