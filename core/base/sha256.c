/* SHA-256 as FIPS 180-4 writes it: sections 4.1.2 (functions), 4.2.2 (constants), 5.1.1 (padding)
 * and 6.2.2 (the compression of a block). See sha256.h. */
#include "core/base/sha256.h"

#include <string.h>

enum { ROUNDS = 64, LENGTH_AT = SHA256_BLOCK - 8 };

/* The first 32 bits of the fractions of the cube roots of the first 64 primes. */
static const uint32_t constants[ROUNDS] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

static uint32_t rotr(uint32_t x, int n)
{
    return x >> n | x << (32 - n);
}

/* The message schedule: the words of the block, then 48 that mix earlier ones. */
static void expand(uint32_t w[ROUNDS], const unsigned char *block)
{
    for (int i = 0; i < 16; i++) {
        const unsigned char *b = block + 4 * i;
        w[i] = (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
    }
    for (int i = 16; i < ROUNDS; i++) {
        const uint32_t a = w[i - 15], b = w[i - 2];
        const uint32_t s0 = rotr(a, 7) ^ rotr(a, 18) ^ a >> 3;
        const uint32_t s1 = rotr(b, 17) ^ rotr(b, 19) ^ b >> 10;
        w[i] = w[i - 16] + s0 + w[i - 7] + s1;
    }
}

/* v = (a, b, c, d, e, f, g, h) of the standard. Each round moves the variables on by one. In eight
 * rounds each comes back to its place, so that an unrolled loop has no move left. */
static void compress(uint32_t v[8], const unsigned char *block)
{
    uint32_t w[ROUNDS];
    uint32_t a = v[0], b = v[1], c = v[2], d = v[3], e = v[4], f = v[5], g = v[6], h = v[7];
    expand(w, block);
#pragma GCC unroll 8
    for (int i = 0; i < ROUNDS; i++) {
        const uint32_t ch = (e & f) ^ (~e & g);
        const uint32_t maj = (a & b) ^ (a & c) ^ (b & c);
        const uint32_t t1 = h + (rotr(e, 6) ^ rotr(e, 11) ^ rotr(e, 25)) + ch + constants[i] + w[i];
        const uint32_t t2 = (rotr(a, 2) ^ rotr(a, 13) ^ rotr(a, 22)) + maj;
        h = g, g = f, f = e, e = d + t1;
        d = c, c = b, b = a, a = t1 + t2;
    }
    v[0] += a, v[1] += b, v[2] += c, v[3] += d;
    v[4] += e, v[5] += f, v[6] += g, v[7] += h;
}

/* The first 32 bits of the fractions of the square roots of the first 8 primes. */
void sha256_init(struct sha256 *s)
{
    *s = (struct sha256){.h = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f,
                               0x9b05688c, 0x1f83d9ab, 0x5be0cd19}};
}

void sha256_add(struct sha256 *s, const void *bytes, size_t n)
{
    const unsigned char *b = bytes;
    while (n > 0) {
        const size_t used = (size_t)(s->n % SHA256_BLOCK);
        const size_t room = SHA256_BLOCK - used;
        const size_t piece = n < room ? n : room;
        memcpy(s->block + used, b, piece);
        s->n += piece;
        b += piece;
        n -= piece;
        if (piece == room) {
            compress(s->h, s->block);
        }
    }
}

/* A bit that is 1, zeros, and the number of bits as 64 bits at the end of a block. */
void sha256_end(unsigned char out[SHA256_BYTES], struct sha256 *s)
{
    static const unsigned char pad[SHA256_BLOCK] = {0x80};
    const uint64_t bits = 8 * s->n;
    const size_t used = (size_t)(s->n % SHA256_BLOCK);
    unsigned char length[8];
    for (int i = 0; i < 8; i++) {
        length[i] = (unsigned char)(bits >> (56 - 8 * i));
    }
    sha256_add(s, pad, (used < LENGTH_AT ? LENGTH_AT : LENGTH_AT + SHA256_BLOCK) - used);
    sha256_add(s, length, sizeof length);
    for (int i = 0; i < SHA256_BYTES; i++) {
        out[i] = (unsigned char)(s->h[i / 4] >> (24 - 8 * (i % 4)));
    }
}

void sha256_end_hex(char out[SHA256_HEX], struct sha256 *s)
{
    static const char digits[] = "0123456789abcdef";
    unsigned char d[SHA256_BYTES];
    sha256_end(d, s);
    for (int i = 0; i < SHA256_BYTES; i++) {
        out[2 * i] = digits[d[i] >> 4];
        out[2 * i + 1] = digits[d[i] & 15];
    }
    out[2 * SHA256_BYTES] = '\0';
}
