/* What the codecs share: packing a message into a frame, and memory for unpacked ones. */
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
 * not such a message, or ask for more memory than they may. */
ProtobufCMessage *wire_get(const ProtobufCMessageDescriptor *type, const void *bytes, size_t n,
                           const char *source, struct arena *scratch);

/* Logs "source: field has N values instead of M" and returns ERR_FORMAT unless they are equal. */
enum err wire_expect(const char *source, const char *field, size_t found,
                     size_t expected) WARN_UNUSED;

#endif
