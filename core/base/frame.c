/* Frames. The order of the checks is the order of trust: magic, header CRC, kind, length, payload.
 */
#include "core/base/frame.h"

#include "core/base/crc32c.h"
#include "core/base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const unsigned char magic[4] = {'K', 'R', 'M', '1'};

enum { AT_KIND = 4, AT_VERSION = 6, AT_LENGTH = 8, AT_PAYLOAD_CRC = 12, AT_HEADER_CRC = 16 };

#define FRAME_TEXT_(name, text) [name] = text,
static const char *const kind_texts[FRAME_KINDS] = {FRAME_LIST(FRAME_TEXT_)};

const char *frame_kind_text(unsigned kind)
{
    return kind > FRAME_NONE && kind < FRAME_KINDS ? kind_texts[kind] : "unknown";
}

/* Byte by byte, lowest first: the same file on every machine, and no alignment is needed. */
static void put_u16(unsigned char *p, unsigned v)
{
    p[0] = (unsigned char)v;
    p[1] = (unsigned char)(v >> 8);
}

static void put_u32(unsigned char *p, uint32_t v)
{
    put_u16(p, v & 0xffff);
    put_u16(p + 2, v >> 16);
}

static unsigned get_u16(const unsigned char *p)
{
    return (unsigned)p[0] | (unsigned)p[1] << 8;
}

static uint32_t get_u32(const unsigned char *p)
{
    return (uint32_t)get_u16(p) | (uint32_t)get_u16(p + 2) << 16;
}

/* ---- writing ---- */

static void put_header(unsigned char h[FRAME_HEADER_BYTES], enum frame_kind kind, unsigned version,
                       const void *payload, size_t n)
{
    /* n fits 32 bits: check_payload() has looked. */
    CHECK(kind > FRAME_NONE && kind < FRAME_KINDS);
    CHECK(version >= 1 && version <= UINT16_MAX);
    memcpy(h, magic, sizeof(magic));
    put_u16(h + AT_KIND, (unsigned)kind);
    put_u16(h + AT_VERSION, version);
    put_u32(h + AT_LENGTH, (uint32_t)n);
    put_u32(h + AT_PAYLOAD_CRC, crc32c(0, payload, n));
    /* Last, because it covers all fields before it. */
    put_u32(h + AT_HEADER_CRC, crc32c(0, h, AT_HEADER_CRC));
}

static enum err check_payload(enum frame_kind kind, size_t n)
{
    if (n <= FRAME_PAYLOAD_MAX) {
        return ERR_OK;
    }
    log_error("a %s of %zu bytes does not fit into one frame of at most %d; use fewer environments "
              "or steps for each message",
              frame_kind_text(kind), n, FRAME_PAYLOAD_MAX);
    return ERR_FORMAT;
}

enum err frame_append(struct buf *out, enum frame_kind kind, unsigned version, const void *payload,
                      size_t n)
{
    unsigned char header[FRAME_HEADER_BYTES];
    TRY(check_payload(kind, n));
    put_header(header, kind, version, payload, n);
    /* Either the whole frame is appended or nothing: a header without its payload is cut off
     * again. */
    size_t before = out->len;
    TRY(buf_append(out, header, sizeof(header)));
    enum err e = buf_append(out, payload, n);
    if (e != ERR_OK) {
        out->len = before;
    }
    return e;
}

enum err frame_begin(struct buf *out, size_t *at)
{
    /* The header needs the payload's length and CRC, so its place is kept free until frame_end().
     * The payload may move `out->data`, therefore the place is remembered as an offset. */
    static const unsigned char room[FRAME_HEADER_BYTES];
    size_t before = out->len;
    TRY(buf_append(out, room, sizeof(room)));
    *at = before;
    return ERR_OK;
}

enum err frame_end(struct buf *out, size_t at, enum frame_kind kind, unsigned version)
{
    CHECK(at + FRAME_HEADER_BYTES <= out->len);
    size_t n = out->len - at - FRAME_HEADER_BYTES;
    enum err e = check_payload(kind, n);
    if (e != ERR_OK) {
        out->len = at;
        return e;
    }
    unsigned char *header = out->data + at;
    put_header(header, kind, version, header + FRAME_HEADER_BYTES, n);
    return ERR_OK;
}

/* ---- reading ---- */

size_t frame_length(const unsigned char header[FRAME_HEADER_BYTES])
{
    return get_u32(header + AT_LENGTH);
}

void frame_reader_init(struct frame_reader *r, const void *bytes, size_t n, const char *source)
{
    *r = (struct frame_reader){.bytes = bytes, .n = n, .source = source};
}

enum { SOURCE_SHOWN = 300 }; /* of a long path the end, which tells most */

__attribute__((format(printf, 3, 4))) static enum frame_status
refuse(struct frame_reader *r, enum frame_status status, const char *fmt, ...)
{
    char what[160];
    va_list args;
    va_start(args, fmt);
    vsnprintf(what, sizeof(what), fmt, args);
    va_end(args);
    /* The sentence is kept, not logged: the caller knows whether a torn tail was expected. */
    const size_t length = strlen(r->source);
    const char *tail = length > SOURCE_SHOWN ? r->source + (length - SOURCE_SHOWN) : r->source;
    snprintf(r->why, sizeof(r->why), "%s, byte %zu: %s", tail, r->at, what);
    return status;
}

static enum frame_status check_header(struct frame_reader *r, const unsigned char *h, size_t left)
{
    /* The magic number comes first: a file of another kind is called so, and not "torn", even if it
     * is shorter than a header. */
    size_t shown = left < sizeof(magic) ? left : sizeof(magic);
    if (memcmp(h, magic, shown) != 0) {
        return refuse(r, FRAME_BAD_MAGIC,
                      "no frame begins here; this is not a file or message of "
                      "ours, or it was damaged");
    }
    if (left < FRAME_HEADER_BYTES) {
        return refuse(r, FRAME_TORN, "ends after %zu of %d bytes of a frame header", left,
                      FRAME_HEADER_BYTES);
    }
    if (get_u32(h + AT_HEADER_CRC) != crc32c(0, h, AT_HEADER_CRC)) {
        return refuse(r, FRAME_BAD_CRC, "the frame header is damaged (its CRC does not match)");
    }
    /* From here on the header is what was written, so an unknown kind comes from a newer program
     * and is no damage. */
    unsigned kind = get_u16(h + AT_KIND);
    if (kind == FRAME_NONE || kind >= FRAME_KINDS) {
        return refuse(r, FRAME_BAD_VERSION,
                      "frame of kind %u, which this program does not know; a newer one wrote it",
                      kind);
    }
    return FRAME_OK;
}

static enum frame_status check_body(struct frame_reader *r, const unsigned char *h, size_t left)
{
    const char *kind = frame_kind_text(get_u16(h + AT_KIND));
    size_t n = get_u32(h + AT_LENGTH);
    if (n > FRAME_PAYLOAD_MAX) {
        return refuse(r, FRAME_TOO_LONG, "%s frame of %zu bytes, more than the %d allowed", kind, n,
                      FRAME_PAYLOAD_MAX);
    }
    /* left >= FRAME_HEADER_BYTES, as check_header() found. The payload's CRC is asked only when all
     * its bytes are there, so a torn frame is not reported as a damaged one. */
    if (left - FRAME_HEADER_BYTES < n) {
        return refuse(r, FRAME_TORN, "ends after %zu of %zu bytes of a %s frame",
                      left - FRAME_HEADER_BYTES, n, kind);
    }
    if (get_u32(h + AT_PAYLOAD_CRC) != crc32c(0, h + FRAME_HEADER_BYTES, n)) {
        return refuse(r, FRAME_BAD_CRC, "%s frame of %zu bytes is damaged (its CRC does not match)",
                      kind, n);
    }
    return FRAME_OK;
}

enum frame_status frame_next(struct frame_reader *r, struct frame *f)
{
    size_t left = r->n - r->at;
    if (left == 0) {
        return FRAME_AT_END;
    }
    const unsigned char *h = r->bytes + r->at;
    enum frame_status s = check_header(r, h, left);
    if (s == FRAME_OK) {
        s = check_body(r, h, left);
    }
    if (s != FRAME_OK) {
        return s;
    }
    *f = (struct frame){.kind = get_u16(h + AT_KIND),
                        .version = get_u16(h + AT_VERSION),
                        .payload = h + FRAME_HEADER_BYTES,
                        .n = get_u32(h + AT_LENGTH),
                        .offset = r->at};
    r->at += FRAME_HEADER_BYTES + f->n;
    return FRAME_OK;
}

static enum frame_status check_wanted(struct frame_reader *r, const struct frame *f,
                                      enum frame_kind kind, unsigned version_max)
{
    if (f->kind != kind) {
        return refuse(r, FRAME_BAD_KIND, "a frame (%s) stands where another (%s) should",
                      frame_kind_text(f->kind), frame_kind_text(kind));
    }
    if (f->version == 0 || f->version > version_max) {
        return refuse(r, FRAME_BAD_VERSION,
                      "%s frame of version %u, this program knows 1 to %u; use the program that "
                      "wrote it or make it again",
                      frame_kind_text(kind), f->version, version_max);
    }
    return FRAME_OK;
}

enum err frame_expect(struct frame_reader *r, struct frame *f, enum frame_kind kind,
                      unsigned version_max)
{
    struct frame found;
    size_t before = r->at;
    enum frame_status s = frame_next(r, &found);
    if (s == FRAME_OK) {
        /* A frame that is not the wanted one is not consumed: r->at stays before it. */
        size_t after = r->at;
        r->at = before; /* the place that a refusal names */
        s = check_wanted(r, &found, kind, version_max);
        r->at = s == FRAME_OK ? after : before;
    } else if (s == FRAME_AT_END) {
        s = refuse(r, FRAME_TORN, "ends where a frame (%s) should begin", frame_kind_text(kind));
    }
    if (s != FRAME_OK) {
        log_error("%s", r->why);
        return frame_err(s);
    }
    *f = found;
    return ERR_OK;
}

enum err frame_err(enum frame_status s)
{
    if (s == FRAME_OK || s == FRAME_AT_END) {
        return ERR_OK;
    }
    return s == FRAME_BAD_VERSION ? ERR_VERSION : ERR_FORMAT;
}

enum err frame_expect_end(const struct frame_reader *r)
{
    if (r->at == r->n) {
        return ERR_OK;
    }
    log_error("%s, byte %zu: %zu bytes stand behind the last frame", r->source, r->at,
              r->n - r->at);
    return ERR_FORMAT;
}
