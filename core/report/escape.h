/* Text of users in pages: names of arms, paths, messages.
 */
#ifndef KARMA_REPORT_ESCAPE_H
#define KARMA_REPORT_ESCAPE_H

#include "core/base/err.h"
#include "core/base/mem.h"

/* Append a text with &, <, > and " as entities, for HTML and SVG. Control bytes, which no page may
 * hold, become blanks, and bytes that are no UTF-8 become '?'. */
enum err escape_html(struct buf *out, const char *text) WARN_UNUSED;

#endif
