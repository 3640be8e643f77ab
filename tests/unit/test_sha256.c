/* SHA-256 against the examples of FIPS 180-4 and of NIST's validation program. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/sha256.h"

#include <string.h>

static void check(const void *bytes, size_t n, const char *expected)
{
    struct sha256 s;
    char hex[SHA256_HEX];
    sha256_init(&s);
    sha256_add(&s, bytes, n);
    sha256_end_hex(hex, &s);
    assert_string_equal(hex, expected);
}

/* FIPS 180-2, appendix B; SHA256ShortMsg.rsp of NIST's SHA test vectors (byte oriented). */
static void published_values(void **state)
{
    (void)state;
    static const unsigned char one[] = {0xd3}, two[] = {0x11, 0xaf}, three[] = {0xb4, 0x19, 0x0e};
    check("abc", 3, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    check("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 56,
          "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    check("", 0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    check(one, sizeof one, "28969cdfa74a12c82f3bad960b0b000aca2ac329deea5c2328ebc6f2ba9802c1");
    check(two, sizeof two, "5ca7133fa735326081558ac312c620eeca9970d1e70a4b95533d956f072d1f98");
    check(three, sizeof three, "dff2e73091f6c05e528896c4c831b9448653dc2ff043528f6769437bc7b975c2");
}

/* FIPS 180-2, appendix B.3: a million times "a", in pieces of every kind of length. */
static void a_million_in_pieces(void **state)
{
    (void)state;
    unsigned char a[977];
    char hex[SHA256_HEX];
    struct sha256 s;
    size_t left = 1000000;
    memset(a, 'a', sizeof a);
    sha256_init(&s);
    for (size_t piece = 0; left > 0; piece = (piece + 1) % sizeof a) {
        const size_t n = piece < left ? piece : left;
        sha256_add(&s, a, n);
        left -= n;
    }
    sha256_end_hex(hex, &s);
    assert_string_equal(hex, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

/* Both branches of the padding: the digest of every length is that of its pieces, and no two of
 * them are equal. */
static void every_length_of_two_blocks(void **state)
{
    (void)state;
    unsigned char zero[130] = {0}, digest[130][SHA256_BYTES], pieces[SHA256_BYTES];
    for (size_t n = 0; n < sizeof zero; n++) {
        struct sha256 s;
        sha256_init(&s);
        sha256_add(&s, zero, n);
        sha256_end(digest[n], &s);
        sha256_init(&s);
        for (size_t i = 0; i < n; i++) {
            sha256_add(&s, zero, 1);
        }
        sha256_end(pieces, &s);
        assert_memory_equal(pieces, digest[n], sizeof pieces);
        for (size_t i = 0; i < n; i++) {
            assert_memory_not_equal(digest[i], digest[n], sizeof pieces);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published_values),
        cmocka_unit_test(a_million_in_pieces),
        cmocka_unit_test(every_length_of_two_blocks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
