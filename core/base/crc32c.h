/* CRC-32C (Castagnoli, reflected polynomial 0x82f63b78): what protects frames and names digests.
 *
 * The checksum of iSCSI (RFC 3720, section 12.1), Snappy and SSE4.2; "123456789" gives 0xe3069283.
 */
#ifndef KARMA_BASE_CRC32C_H
#define KARMA_BASE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* CRC of everything so far followed by n bytes; `crc` of nothing is 0. So
 * crc32c(crc32c(0, a, na), b, nb) is the CRC of a and b joined. */
uint32_t crc32c(uint32_t crc, const void *bytes, size_t n);

#endif
