/* Packing and unpacking one protobuf message inside one frame.
 *
 * The frame has checked the payload against its CRC, so damage is found before these functions run.
 * What is left are bytes of another program, or bytes that somebody chose: lengths inside a message
 * are believed only after a check. */
#include "proto/wire.h"

#include "core/base/log.h"

#include <stdbool.h>

/* protobuf-c asks for memory piece by piece; an arena gives it and takes it back at once. It keeps
 * some 130 bytes for a field of two, and copies what it has each time an embedded message comes
 * again, so bytes that somebody chose can ask for the square of their number. Our messages are
 * packed arrays: a value of one byte becomes at most four. */
struct budget {
    struct arena *arena;
    size_t left;
    bool spent;
};

/* The first condition keeps `left - n` from wrapping. MEM_ALIGN is charged for each piece, because
 * an arena rounds every allocation up by less than that: so the arena never gives more than the
 * budget. */
static void *scratch_alloc(void *ctx, size_t n)
{
    struct budget *b = ctx;
    if (n > b->left || b->left - n < MEM_ALIGN) {
        b->spent = true;
        return NULL;
    }
    b->left -= n + MEM_ALIGN;
    return arena_alloc(b->arena, n, 1);
}

/* The arena takes everything back at once when the caller rewinds it. */
static void scratch_free(void *ctx, void *p)
{
    (void)ctx;
    (void)p;
}

/* The size is known before, so the message is packed directly behind the header of its frame,
 * without a copy. buf_reserve() makes room for exactly n bytes, which is what pack() writes. */
enum err wire_put(struct buf *out, enum frame_kind kind, unsigned version,
                  const ProtobufCMessage *message)
{
    size_t at = 0;
    const size_t n = protobuf_c_message_get_packed_size(message);
    TRY(frame_begin(out, &at));
    TRY(buf_reserve(out, out->len + n));
    out->len += protobuf_c_message_pack(message, out->data + out->len);
    return frame_end(out, at, kind, version);
}

/* protobuf-c returns NULL both for a malformed message and when its allocator does. The three
 * causes are told apart by what the allocator has seen: the arena failed, the budget was spent, or
 * neither. `budget` and `allocator` may end with this function, since nothing is freed through
 * them. */
ProtobufCMessage *wire_get(const ProtobufCMessageDescriptor *type, const void *bytes, size_t n,
                           const char *source, struct arena *scratch)
{
    struct budget budget = {.arena = scratch, .left = WIRE_BYTES_FIXED + WIRE_BYTES_EACH * n};
    ProtobufCAllocator allocator = {
        .alloc = scratch_alloc, .free = scratch_free, .allocator_data = &budget};
    ProtobufCMessage *m = protobuf_c_message_unpack(type, &allocator, n, bytes);
    if (arena_error(scratch) != ERR_OK) {
        return NULL; /* the arena has logged it */
    }
    if (m == NULL && budget.spent) {
        log_error("%s: %zu bytes that ask for more memory than any %s message of that length "
                  "needs; they were written by another program or damaged",
                  source, n, type->name);
    } else if (m == NULL) {
        log_error("%s: these %zu bytes are not a %s message; they were written by another program "
                  "or damaged",
                  source, n, type->name);
    }
    return m;
}

/* An arena remembers a failure until it is rewound, so this must be asked before. */
enum err wire_error(const struct arena *scratch)
{
    return arena_error(scratch) != ERR_OK ? ERR_MEMORY : ERR_FORMAT;
}

enum err wire_expect(const char *source, const char *field, size_t found, size_t expected)
{
    if (found == expected) {
        return ERR_OK;
    }
    log_error("%s: '%s' has %zu values instead of %zu; it was made for another configuration",
              source, field, found, expected);
    return ERR_FORMAT;
}
