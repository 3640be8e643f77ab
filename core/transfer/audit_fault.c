/* Which byte was changed? A digest does not say where a body differs from what was written, but
 * when a single byte does, putting back the right one gives the digest again. All are tried: n
 * places, V values each. Blocks before the place are digested once, so it takes about
 * V n (n / 2 + 64) / 64 compressions of a block. Records are written in printable ASCII, but for
 * names of the user: so those 95 values are tried first, at all places, and then the other 160,
 * unless the record is long. Either takes at most half a minute or so. See audit.h. */
#include "core/transfer/audit.h"

#include <string.h>

enum { ALL_VALUES_MAX = 8192 };

/* The digest in hexadecimal digits -> bytes; the digits are lower-case ones. */
static void to_bytes(unsigned char out[SHA256_BYTES], const char *hex)
{
    for (int i = 0; i < SHA256_BYTES; i++) {
        unsigned v = 0;
        for (int k = 0; k < 2; k++) {
            const char c = hex[2 * i + k];
            v = 16 * v + (unsigned)(c <= '9' ? c - '0' : c - 'a' + 10);
        }
        out[i] = (unsigned char)v;
    }
}

/* before: digested up to `at`. */
static bool gives(const struct sha256 *before, unsigned char c, const char *behind, size_t n,
                  const unsigned char *wanted)
{
    struct sha256 s = *before;
    unsigned char digest[SHA256_BYTES];
    sha256_add(&s, &c, 1);
    sha256_add(&s, behind, n);
    sha256_end(digest, &s);
    return memcmp(digest, wanted, sizeof digest) == 0;
}

static bool is_usual(int c)
{
    return c >= ' ' && c <= '~';
}

/* Among the values that are usual, or not. */
static bool find_among(size_t *at, unsigned char *was, const char *head,
                       const unsigned char *wanted, const char *body, size_t n_body, bool usual)
{
    struct sha256 before;
    sha256_init(&before);
    sha256_add(&before, head, SHA256_HEX - 1);
    for (size_t i = 0; i < n_body; i++) {
        for (int c = 0; c < 256; c++) {
            if (is_usual(c) == usual && c != (unsigned char)body[i] &&
                gives(&before, (unsigned char)c, body + i + 1, n_body - i - 1, wanted)) {
                *at = i;
                *was = (unsigned char)c;
                return true;
            }
        }
        sha256_add(&before, body + i, 1);
    }
    return false;
}

bool audit_find_byte(size_t *at, unsigned char *was, const char *head, const char *sealed,
                     const char *body, size_t n_body)
{
    unsigned char wanted[SHA256_BYTES];
    to_bytes(wanted, sealed);
    return find_among(at, was, head, wanted, body, n_body, true) ||
           (n_body <= ALL_VALUES_MAX && find_among(at, was, head, wanted, body, n_body, false));
}
