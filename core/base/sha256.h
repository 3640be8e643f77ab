/* SHA-256 (FIPS 180-4): digests that nobody can choose the bytes for. hash.h is faster, where
 * nobody tries.
 */
#ifndef KARMA_BASE_SHA256_H
#define KARMA_BASE_SHA256_H

#include <stddef.h>
#include <stdint.h>

enum { SHA256_BYTES = 32, SHA256_BLOCK = 64, SHA256_HEX = 65 /* digits and a NUL */ };

/* A copy of it continues on its own. */
struct sha256 {
    uint32_t h[SHA256_BYTES / 4];
    uint64_t n; /* bytes so far */
    unsigned char block[SHA256_BLOCK];
};

void sha256_init(struct sha256 *s);
void sha256_add(struct sha256 *s, const void *bytes, size_t n);
/* The digest of all that was added; `s` is used up. */
void sha256_end(unsigned char out[SHA256_BYTES], struct sha256 *s);
/* The same in lower-case hexadecimal digits. */
void sha256_end_hex(char out[SHA256_HEX], struct sha256 *s);

#endif
