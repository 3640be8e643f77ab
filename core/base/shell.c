/* Quoting for a shell. See shell.h. */
#include "core/base/shell.h"

#include <string.h>

const char *shell_word(struct arena *arena, const char *word)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "_-+=./,:@%";
    if (word[0] != '\0' && word[strspn(word, plain)] == '\0') {
        return word;
    }
    /* Inside single quotes a shell takes every byte as it is, but for the single quote itself. It
     * is written as '\'': the quoted text ends, an escaped quote follows, and the next quoted text
     * begins. */
    const char *out = "'";
    for (const char *c = word; *c != '\0' && out != NULL; c++) {
        out =
            *c == '\'' ? arena_printf(arena, "%s'\\''", out) : arena_printf(arena, "%s%c", out, *c);
    }
    return out != NULL ? arena_printf(arena, "%s'", out) : NULL;
}
