/* Text for pages. See escape.h. */
#include "core/report/escape.h"

/* Length of the UTF-8 sequence at s, 0 if it is none. Overlong forms and surrogates are refused by
 * the limits on the second byte (table 3-7 of the Unicode standard). */
static int sequence(const unsigned char *s)
{
    const unsigned char a = s[0], b = a == 0 ? 0 : s[1];
    int n = a < 0x80 ? 1 : a >= 0xc2 && a < 0xe0 ? 2 : a >= 0xe0 && a < 0xf0 ? 3 : 0;
    n = a >= 0xf0 && a < 0xf5 ? 4 : n;
    if (n >= 2 && (b < 0x80 || b > 0xbf || (a == 0xe0 && b < 0xa0) || (a == 0xed && b > 0x9f) ||
                   (a == 0xf0 && b < 0x90) || (a == 0xf4 && b > 0x8f))) {
        return 0;
    }
    for (int i = 2; i < n; i++) {
        if ((s[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    return n;
}

enum err escape_html(struct buf *out, const char *text)
{
    for (const unsigned char *s = (const unsigned char *)text; *s != '\0';) {
        const int n = sequence(s);
        const char *as = n == 0         ? "?"
                         : *s == '&'    ? "&amp;"
                         : *s == '<'    ? "&lt;"
                         : *s == '>'    ? "&gt;"
                         : *s == '"'    ? "&quot;"
                         : *s < ' '     ? " "
                         : *s == '\x7f' ? " "
                                        : NULL;
        TRY(as != NULL ? buf_printf(out, "%s", as) : buf_append(out, s, (size_t)n));
        s += n == 0 ? 1 : n;
    }
    return ERR_OK;
}
