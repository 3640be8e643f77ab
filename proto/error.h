/* The error message: the code a rank ended with, to the ranks that wait for it (proto/error.proto;
 * conventions: proto/wire.h). */
#ifndef KARMA_PROTO_ERROR_H
#define KARMA_PROTO_ERROR_H

#include "core/base/err.h"
#include "core/base/mem.h"

#include <stddef.h>

/* Layout version of the payload: what this program writes, and the newest it reads. */
enum { CODEC_ERROR_VERSION = 1 };

enum err codec_put_error(struct buf *out, enum err code) WARN_UNUSED;
enum err codec_get_error(enum err *code, const void *bytes, size_t n, const char *source,
                         struct arena *scratch) WARN_UNUSED;

#endif
