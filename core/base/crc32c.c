/* CRC-32C, eight bytes at a time (M. E. Kounavis and F. L. Berry, "A systematic approach to
 * building high performance, software-based, CRC generators", 2005).
 *
 * table[k][v] is what the byte v contributes when k further bytes follow it. The CRC is linear, so
 * an entry is the XOR of the contributions of its bits, and the contribution of bit 7 - j of a byte
 * is the polynomial moved on by 8 k + j steps: 64 constants, from which the compiler makes the
 * table.
 */
#include "core/base/crc32c.h"

#define BIT_(v, b, c) ((((v) >> (b)) & 1u) * (c))
#define ENTRY(v, c0, c1, c2, c3, c4, c5, c6, c7)                                                   \
    (BIT_(v, 7, c0) ^ BIT_(v, 6, c1) ^ BIT_(v, 5, c2) ^ BIT_(v, 4, c3) ^ BIT_(v, 3, c4) ^          \
     BIT_(v, 2, c5) ^ BIT_(v, 1, c6) ^ BIT_(v, 0, c7))
#define ROW4(v, ...)                                                                               \
    ENTRY((v), __VA_ARGS__), ENTRY((v) + 1u, __VA_ARGS__), ENTRY((v) + 2u, __VA_ARGS__),           \
        ENTRY((v) + 3u, __VA_ARGS__)
#define ROW16(v, ...)                                                                              \
    ROW4(v, __VA_ARGS__), ROW4((v) + 4u, __VA_ARGS__), ROW4((v) + 8u, __VA_ARGS__),                \
        ROW4((v) + 12u, __VA_ARGS__)
#define ROW64(v, ...)                                                                              \
    ROW16(v, __VA_ARGS__), ROW16((v) + 16u, __VA_ARGS__), ROW16((v) + 32u, __VA_ARGS__),           \
        ROW16((v) + 48u, __VA_ARGS__)
#define ROW256(...)                                                                                \
    ROW64(0u, __VA_ARGS__), ROW64(64u, __VA_ARGS__), ROW64(128u, __VA_ARGS__),                     \
        ROW64(192u, __VA_ARGS__)

/* clang-format off */
static const uint32_t table[8][256] = {
    {ROW256(0x82f63b78u, 0x417b1dbcu, 0x20bd8edeu, 0x105ec76fu, 0x8ad958cfu, 0xc79a971fu, 0xe13b70f7u, 0xf26b8303u)},
    {ROW256(0xfbc3faf9u, 0xff17c604u, 0x7f8be302u, 0x3fc5f181u, 0x9d14c3b8u, 0x4e8a61dcu, 0x274530eeu, 0x13a29877u)},
    {ROW256(0x8b277743u, 0xc76580d9u, 0xe144fb14u, 0x70a27d8au, 0x38513ec5u, 0x9edea41au, 0x4f6f520du, 0xa541927eu)},
    {ROW256(0x52a0c93fu, 0xaba65fe7u, 0xd725148bu, 0xe964b13du, 0xf64463e6u, 0x7b2231f3u, 0xbf672381u, 0xdd45aab8u)},
    {ROW256(0x6ea2d55cu, 0x37516aaeu, 0x1ba8b557u, 0x8f2261d3u, 0xc5670b91u, 0xe045beb0u, 0x7022df58u, 0x38116facu)},
    {ROW256(0x1c08b7d6u, 0x0e045bebu, 0x85f4168du, 0xc00c303eu, 0x6006181fu, 0xb2f53777u, 0xdb8ca0c3u, 0xef306b19u)},
    {ROW256(0xf56e0ef4u, 0x7ab7077au, 0x3d5b83bdu, 0x9c5bfaa6u, 0x4e2dfd53u, 0xa5e0c5d1u, 0xd0065990u, 0x68032cc8u)},
    {ROW256(0x34019664u, 0x1a00cb32u, 0x0d006599u, 0x847609b4u, 0x423b04dau, 0x211d826du, 0x9278fa4eu, 0x493c7d27u)},
};
/* clang-format on */

/* The first byte is the lowest on every machine, so CRCs do not depend on its byte order. */
static uint32_t load_le32(const unsigned char *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

uint32_t crc32c(uint32_t crc, const void *bytes, size_t n)
{
    const unsigned char *p = bytes;
    crc = ~crc;
    /* The old CRC is XORed into the first four bytes, and then the eight bytes contribute
     * independently: by linearity the new CRC is the XOR of what each contributes, byte i as one
     * that has 7-i bytes behind it. */
    for (; n >= 8; n -= 8, p += 8) {
        uint32_t a = load_le32(p) ^ crc;
        uint32_t b = load_le32(p + 4);
        crc = table[7][a & 255] ^ table[6][(a >> 8) & 255] ^ table[5][(a >> 16) & 255] ^
              table[4][a >> 24] ^ table[3][b & 255] ^ table[2][(b >> 8) & 255] ^
              table[1][(b >> 16) & 255] ^ table[0][b >> 24];
    }
    for (; n > 0; n--, p++) {
        crc = (crc >> 8) ^ table[0][(crc ^ *p) & 255];
    }
    return ~crc;
}
