/* CRC-32C against published values, and against the definition, bit by bit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/crc32c.h"

#include <string.h>

static uint32_t crc32c_ref(const unsigned char *p, size_t n)
{
    uint32_t crc = 0xffffffffu;
    for (size_t i = 0; i < n; i++) {
        crc ^= p[i];
        for (int bit = 0; bit < 8; bit++) {
            crc = (crc >> 1) ^ ((crc & 1u) != 0 ? 0x82f63b78u : 0u);
        }
    }
    return ~crc;
}

/* "123456789": the check value of the catalogues; the rest: RFC 3720, appendix B.4. */
static void published_values(void **state)
{
    (void)state;
    unsigned char b[32];
    assert_int_equal(crc32c(0, "123456789", 9), 0xe3069283u);
    assert_int_equal(crc32c(0, "", 0), 0);
    memset(b, 0x00, sizeof(b));
    assert_int_equal(crc32c(0, b, 32), 0x8a9136aau);
    memset(b, 0xff, sizeof(b));
    assert_int_equal(crc32c(0, b, 32), 0x62a8ab43u);
    for (int i = 0; i < 32; i++) {
        b[i] = (unsigned char)i;
    }
    assert_int_equal(crc32c(0, b, 32), 0x46dd794eu);
    for (int i = 0; i < 32; i++) {
        b[i] = (unsigned char)(31 - i);
    }
    assert_int_equal(crc32c(0, b, 32), 0x113fdb5cu);
}

/* Every length reaches the eight-byte loop and its tail; every byte value reaches every table. */
static void every_length_and_alignment_is_the_definition(void **state)
{
    (void)state;
    unsigned char b[600];
    for (size_t i = 0; i < sizeof(b); i++) {
        b[i] = (unsigned char)(i * 167 + i / 256);
    }
    for (size_t at = 0; at < 8; at++) {
        for (size_t n = 0; n + at <= sizeof(b); n++) {
            assert_int_equal(crc32c(0, b + at, n), crc32c_ref(b + at, n));
        }
    }
}

static void pieces_give_the_crc_of_the_whole(void **state)
{
    (void)state;
    const char *text = "a gradient is a tree of tiles, a frame is twenty bytes and a payload";
    size_t n = strlen(text);
    for (size_t cut = 0; cut <= n; cut++) {
        uint32_t crc = crc32c(crc32c(0, text, cut), text + cut, n - cut);
        assert_int_equal(crc, crc32c(0, text, n));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published_values),
        cmocka_unit_test(every_length_and_alignment_is_the_definition),
        cmocka_unit_test(pieces_give_the_crc_of_the_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
