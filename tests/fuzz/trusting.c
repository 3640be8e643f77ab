/* A reader with a bug on purpose: it believes a length before it has seen as many bytes. Not one of
 * the readers that are fuzzed; tests/cmd/test_fuzz.sh uses it to show that the fuzzer finds such.
 */
#include "tests/fuzz/fuzz.h"

#include <string.h>

static enum err read(const unsigned char *bytes, size_t n, struct arena *scratch)
{
    if (n < 4) {
        return ERR_OK;
    }
    const size_t length = (size_t)bytes[0] | (size_t)bytes[1] << 8 | (size_t)bytes[2] << 16;
    unsigned char *copy = ARENA_NEW(scratch, length, unsigned char);
    TRY(arena_error(scratch));
    memcpy(copy, bytes, length < n ? length : n);
    return ERR_OK;
}

static void check(const unsigned char *bytes, size_t n, enum err e)
{
    (void)bytes;
    (void)n;
    CHECK(e == ERR_OK);
}

static void seeds(void)
{
    fuzz_seed("\004\0\0\0", 4);
}

const struct fuzz_reader fuzz_reader = {
    .fixed = 256 * 1024, .each = 8, .read = read, .check = check, .seeds = seeds};
