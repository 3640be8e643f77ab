/* What the codecs share: packing a message into a frame, and memory for unpacked ones.
 *
 * proto/ turns arrays into bytes and back; it alone uses protobuf-c and the generated headers. One
 * header and one source file for each .proto file, where shapes and units are stated. All of them
 * keep these conventions:
 *
 *   codec_put_X   appends one frame (core/base/frame.h) to a buffer.
 *   codec_get_X   takes the payload of one frame, checks every length against the shapes it was
 *                 given, and writes its output on success only. `source` names the bytes in
 *                 messages ("rank 3", "policy/weights.bin").
 */
#ifndef KARMA_PROTO_WIRE_H
#define KARMA_PROTO_WIRE_H

#include "core/base/err.h"
#include "core/base/frame.h"
#include "core/base/mem.h"

#include <protobuf-c/protobuf-c.h>

/* Append `message` to `out` as one frame. */
enum err wire_put(struct buf *out, enum frame_kind kind, unsigned version,
                  const ProtobufCMessage *message) WARN_UNUSED;

/* What unpacking n bytes may take of an arena: FIXED + EACH * n. */
enum { WIRE_BYTES_FIXED = 64 * 1024, WIRE_BYTES_EACH = 8 };

/* Unpack into memory of `scratch` (the caller rewinds it); NULL with a sentence if the bytes are
 * not such a message, or ask for more memory than they may; NULL when out of memory, too. */
ProtobufCMessage *wire_get(const ProtobufCMessageDescriptor *type, const void *bytes, size_t n,
                           const char *source, struct arena *scratch);

/* What wire_get() failed for when it returned NULL: ERR_MEMORY or ERR_FORMAT. */
enum err wire_error(const struct arena *scratch) WARN_UNUSED;

/* A list of strings as generated structs want it: they are read only. */
static inline char **wire_strings(const char *const *list)
{
    return (char **)(uintptr_t)list;
}

/* Logs "source: field has N values instead of M" and returns ERR_FORMAT unless they are equal. */
enum err wire_expect(const char *source, const char *field, size_t found,
                     size_t expected) WARN_UNUSED;

#endif
