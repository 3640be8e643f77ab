/* Whole files, packed with gzip or not (RFC 1952). core/base/gzip.c is the only user of zlib. */
#ifndef KARMA_BASE_GZIP_H
#define KARMA_BASE_GZIP_H

#include "core/base/err.h"
#include "core/base/mem.h"

#include <stddef.h>

/* As file_read(), but a file that begins like a gzip file is unpacked; `max` bounds the packed and
 * the unpacked bytes, so a small file cannot fill the memory. Several members one behind the other,
 * as `cat a.gz b.gz` makes them, are read as one. A NUL stands behind the last byte. ERR_IO;
 * ERR_FORMAT with a sentence for a file that is torn, damaged or too large. On an error `out` is
 * empty. */
enum err gzip_read(struct buf *out, const char *path, size_t max) WARN_UNUSED;

#endif
