/* Reading numbers from unchecked text. See number.h. */
#include "core/base/number.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* nan, inf, -inf */
static bool is_word(const char *text)
{
    const char *word = text[0] == '-' ? text + 1 : text;
    return strcmp(word, "nan") == 0 || strcmp(word, "inf") == 0;
}

bool number_real(double *out, const char *text)
{
    char *end;
    /* The characters of a decimal number keep blanks, hexadecimal digits and other words away from
     * strtod(). Whether they are in a sensible order ("1e+-") strtod() decides: it must stop at the
     * end of the text. */
    if (!is_word(text) && text[strspn(text, "0123456789+-.eE")] != '\0') {
        return false;
    }
    const double value = strtod(text, &end);
    if (end == text || *end != '\0') {
        return false;
    }
    *out = value;
    return true;
}

bool number_hex(double *out, const char *text)
{
    char *end;
    const char *digits = text[0] == '-' ? text + 1 : text;
    if (!is_word(text) && (strncmp(digits, "0x", 2) != 0 ||
                           digits[2 + strspn(digits + 2, "0123456789abcdef.p+-")] != '\0')) {
        return false;
    }
    const double value = strtod(text, &end);
    if (*end != '\0') {
        return false;
    }
    *out = value;
    return true;
}

bool number_whole(int64_t *out, const char *text, int64_t lo, int64_t hi)
{
    /* Only digits are left after the sign, so strtoll() reads all of them; errno tells if they are
     * too many for 64 bits. */
    const char *digits = text[0] == '-' ? text + 1 : text;
    if (digits[0] == '\0' || digits[strspn(digits, "0123456789")] != '\0') {
        return false;
    }
    errno = 0;
    const long long value = strtoll(text, NULL, 10);
    if (errno != 0 || value < lo || value > hi) {
        return false;
    }
    *out = value;
    return true;
}

bool number_unsigned(uint64_t *out, const char *text, int base, uint64_t hi)
{
    const char *digits = base == 16 ? "0123456789abcdefABCDEF" : "0123456789";
    if (text[0] == '\0' || text[strspn(text, digits)] != '\0') {
        return false;
    }
    errno = 0;
    const unsigned long long value = strtoull(text, NULL, base);
    if (errno != 0 || value > hi) {
        return false;
    }
    *out = value;
    return true;
}

void number_text(char out[NUMBER_BYTES], double value)
{
    /* 17 digits always tell a double, 15 are enough for numbers that people write. */
    for (int digits = 15; digits <= 17; digits++) {
        (void)snprintf(out, NUMBER_BYTES, "%.*g", digits, value);
        if (strtod(out, NULL) == value) {
            return;
        }
    }
}
