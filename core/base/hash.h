/* FNV-1a, 64 bits (Fowler, Noll, Vo; draft-eastlake-fnv): digests of results and files. Not for
 * keys of a table: it mixes high bits badly.
 */
#ifndef KARMA_BASE_HASH_H
#define KARMA_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

#define HASH_START 0xCBF29CE484222325U /* the hash of nothing */
#define HASH_PRIME 0x100000001B3U

static inline uint64_t hash_fnv1a(uint64_t hash, const void *bytes, size_t n)
{
    const unsigned char *b = bytes;
    for (size_t i = 0; i < n; i++) {
        hash = (hash ^ b[i]) * HASH_PRIME;
    }
    return hash;
}

/* The same with words for bytes: for numbers whose bytes would have another order elsewhere. */
static inline uint64_t hash_word(uint64_t hash, uint64_t word)
{
    return (hash ^ word) * HASH_PRIME;
}

#endif
