/* Numbers in text that comes from outside: the whole text is one, or nothing is read.
 *
 * This is the one place that calls the strto... functions on text that nobody has checked
 * (tests/lint knows the others). They return 0 for "garbage", skip blanks, take hexadecimal, and
 * stop where they like; here each of these is no number. The caller says where the text stood and
 * what was expected.
 */
#ifndef KARMA_BASE_NUMBER_H
#define KARMA_BASE_NUMBER_H

#include <stdbool.h>
#include <stdint.h>

/* A decimal number: "-1.5e3"; "nan", "inf" and "-inf" as printf() writes them. What is larger than
 * a double can be is infinite. False: it is none, and *out is unchanged. */
bool number_real(double *out, const char *text);

/* A hexadecimal number as printf() writes it for %a, which reads back as the same bits: "0x1.8p+1",
 * "-0x0p+0"; "nan", "inf" and "-inf". False: it is none, and *out is unchanged. */
bool number_hex(double *out, const char *text);

/* Digits, with a '-' in front of a negative number, from lo to hi. False: *out is unchanged. */
bool number_whole(int64_t *out, const char *text, int64_t lo, int64_t hi);

/* Digits of base 10 or 16 (small or capital letters, no prefix), at most `hi`. False: *out is
 * unchanged. */
bool number_unsigned(uint64_t *out, const char *text, int base, uint64_t hi);

/* The other way, with 15, 16 or 17 digits: the fewest of these that read back as the same double.
 */
enum { NUMBER_BYTES = 32 };
void number_text(char out[NUMBER_BYTES], double value);

#endif
