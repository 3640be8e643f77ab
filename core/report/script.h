/* A gnuplot script in the making: what all figures have in common.
 *
 * Colours are those of M. Okabe and K. Ito, which colour-blind readers can tell apart. Everything
 * is drawn twice: as SVG and, with twice the pixels, as PNG.
 */
#ifndef KARMA_REPORT_SCRIPT_H
#define KARMA_REPORT_SCRIPT_H

#include "core/base/err.h"
#include "core/base/mem.h"

enum { SCRIPT_COLOURS = 7 };
extern const char *const script_colours[SCRIPT_COLOURS];

/* Errors stick: the first one is what finish() returns. */
struct script {
    const char *dir, *name; /* DIR/NAME.gp */
    struct arena *arena;
    struct buf text;
    enum err failed;
};

/* DIR/NAME.gp; dir and name are borrowed. Opens the loop that draws everything twice. */
void script_begin(struct script *s, struct arena *arena, const char *dir, const char *name,
                  int width, int height);
void script_put(struct script *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* In single quotes, where gnuplot wants a quote doubled. In the arena. */
const char *script_quoted(struct script *s, const char *text);
/* Closes the loop and writes the file; the first error of all. */
enum err script_finish(struct script *s) WARN_UNUSED;

#endif
