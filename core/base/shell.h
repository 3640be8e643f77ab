/* Commands that messages advise: a name in them is written so that a shell reads it as one word.
 * Local.
 */
#ifndef KARMA_BASE_SHELL_H
#define KARMA_BASE_SHELL_H

#include "core/base/mem.h"

/* `word` itself if a shell takes it as it is, else in single quotes; in the arena, or `word`. NULL
 * when out of memory. */
const char *shell_word(struct arena *arena, const char *word);

#endif
