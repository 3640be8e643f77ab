/* The text of one value <-> one C value, and the sentences about what was found and what is
 * allowed.
 *
 * Numbers are scanned by one grammar of our own before strtod sees them, because strtod also takes
 * hexadecimal, "inf" and "nan", and YAML 1.1 would read 010 as eight:
 *     [+-] (digits [. [digits]] | . digits) [e [+-] digits]
 *         no leading zero; '_' may stand between digits
 * An integer is the same decimal, evaluated exactly: 1e6 and 1.5e3 are integers, 1.5 is not.
 */
#include "core/base/config_parts.h"
#include "core/base/log.h"
#include "core/base/nearest.h"
#include "core/base/number.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
    NUMBER_MAX =
        400, /* characters; the smallest double written out exactly is longer, and unlikely */
    EXPONENT_MAX = 100000,
    EXCERPT_MAX = 60,
};

void cfg_text_add(struct cfg_text *t, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(t->s + t->len, sizeof t->s - t->len, fmt, ap);
    va_end(ap);
    if (n > 0) {
        t->len += (size_t)n;
    }
    if (t->len >= sizeof t->s) {
        /* vsnprintf() returns the length that the whole text would have had. Three dots show the
         * cut; further texts are then dropped, since no room is left. */
        t->len = sizeof t->s - 1;
        memcpy(t->s + t->len - 3, "...", 3);
    }
}

void cfg_text_add_excerpt(struct cfg_text *t, const char *s)
{
    char line[EXCERPT_MAX + 1];
    size_t n = strnlen(s, EXCERPT_MAX + 1);
    bool cut = n > EXCERPT_MAX;
    if (cut) {
        n = EXCERPT_MAX;
        while (n > 0 && ((unsigned char)s[n] & 0xC0U) == 0x80U) {
            n--; /* not between the bytes of one character */
        }
    }
    for (size_t i = 0; i < n; i++) {
        line[i] = (unsigned char)s[i] < ' ' || s[i] == 0x7F ? ' ' : s[i];
    }
    line[n] = '\0';
    cfg_text_add(t, "%s%s", line, cut ? "..." : "");
}

void cfg_text_add_mark(struct cfg_text *t, struct cfg_mark mark)
{
    if (mark.origin == NULL) {
        cfg_text_add(t, "default");
    } else if (mark.origin->has_lines && mark.line > 0) {
        cfg_text_add(t, "%s:%d:%d", mark.origin->label, mark.line, mark.column);
    } else {
        cfg_text_add(t, "%s", mark.origin->label);
    }
}

void cfg_report(int *n_errors, struct cfg_mark mark, const char *key, const char *fmt, ...)
{
    /* Reading goes on after an error, and one mistake can make hundreds of lines. The first ones
     * are told, and the callers stop when they see the count (cfg_gave_up()). */
    if (*n_errors >= CFG_ERRORS_MAX) {
        return;
    }
    struct cfg_text src_loc = {.len = 0};
    char sentence[1500];
    va_list ap;
    cfg_text_add_mark(&src_loc, mark);
    va_start(ap, fmt);
    (void)vsnprintf(sentence, sizeof sentence, fmt, ap);
    va_end(ap);
    log_error("%s: %s%s%s", src_loc.s, key, *key != '\0' ? ": " : "", sentence);
    *n_errors += 1;
    if (*n_errors == CFG_ERRORS_MAX) {
        log_error("%s: %d errors so far; correct these first", src_loc.s, CFG_ERRORS_MAX);
    }
}

bool cfg_node_is_null(const struct cfg_node *node)
{
    static const char *const spellings[] = {"", "~", "null", "Null", "NULL"};
    if (node->kind != CFG_NODE_SCALAR || node->quoted) {
        return false;
    }
    for (size_t i = 0; i < sizeof spellings / sizeof spellings[0]; i++) {
        if (strcmp(node->text, spellings[i]) == 0) {
            return true;
        }
    }
    return false;
}

void cfg_text_add_found(struct cfg_text *t, const struct cfg_node *node)
{
    if (node->kind == CFG_NODE_LIST) {
        cfg_text_add(t, "a list");
    } else if (node->kind == CFG_NODE_MAP) {
        cfg_text_add(t, "a map");
    } else if (cfg_node_is_null(node)) {
        cfg_text_add(t, "nothing");
    } else {
        cfg_text_add(t, node->quoted ? "the quoted text \"" : "'");
        cfg_text_add_excerpt(t, node->text);
        cfg_text_add(t, node->quoted ? "\"" : "'");
    }
}

static void add_range(struct cfg_text *t, const struct cfg_field *f)
{
    char min[32];
    char max[32];
    number_text(min, f->min);
    number_text(max, f->max);
    const char *space = *f->unit != '\0' ? " " : "";
    if (isfinite(f->min) && isfinite(f->max)) {
        cfg_text_add(t, " from %s to %s%s%s", min, max, space, f->unit);
    } else if (isfinite(f->min)) {
        cfg_text_add(t, " of at least %s%s%s", min, space, f->unit);
    } else if (isfinite(f->max)) {
        cfg_text_add(t, " of at most %s%s%s", max, space, f->unit);
    } else if (*f->unit != '\0') {
        cfg_text_add(t, " in %s", f->unit);
    }
}

static void add_choices(struct cfg_text *t, const struct cfg_choice *choices)
{
    cfg_text_add(t, "one of ");
    for (const struct cfg_choice *c = choices; c->name != NULL && c->value != CFG_OLDER; c++) {
        cfg_text_add(t, "%s%s", c == choices ? "" : ", ", c->name);
    }
}

void cfg_text_add_allowed(struct cfg_text *t, const struct cfg_field *f, enum cfg_type type)
{
    switch (type) {
    case CFG_TYPE_BOOL:
        cfg_text_add(t, "true or false");
        return;
    case CFG_TYPE_INT:
    case CFG_TYPE_INT64:
    case CFG_TYPE_UINT64:
        cfg_text_add(t, "a whole number");
        add_range(t, f);
        for (const struct cfg_choice *c = f->choices; c != NULL && c->name != NULL; c++) {
            cfg_text_add(t, " or %s", c->name);
        }
        return;
    case CFG_TYPE_DOUBLE:
        cfg_text_add(t, "a number");
        add_range(t, f);
        return;
    case CFG_TYPE_STRING:
        cfg_text_add(t, "a text");
        return;
    case CFG_TYPE_PATH:
        cfg_text_add(t, "a path");
        return;
    case CFG_TYPE_ENUM:
        add_choices(t, f->choices);
        return;
    case CFG_TYPE_TABLE:
        cfg_text_add(t, "a map of keys and values");
        return;
    case CFG_TYPE_LIST:
        cfg_text_add(t, "a list of %d to %d elements, each ", f->n_min, f->n_max);
        cfg_text_add_allowed(t, f, f->item_type);
        return;
    case CFG_TYPE_ONE_OF:
        cfg_text_add(t, "one of ");
        cfg_kind_add_names(t, f->kinds);
        return;
    case CFG_TYPE_RENAMED:
    case CFG_TYPE_END:
        return;
    }
}

/* "found X, allowed is Y; REMEDY" */
static bool refuse(struct cfg_text *problem, const struct cfg_field *f, enum cfg_type type,
                   const struct cfg_node *node, const char *remedy)
{
    cfg_text_add(problem, "found ");
    cfg_text_add_found(problem, node);
    cfg_text_add(problem, ", allowed is ");
    cfg_text_add_allowed(problem, f, type);
    cfg_text_add(problem, "; %s", remedy);
    return false;
}

/* A decimal number as written: (-1)^negative * digits * 10^exponent. */
struct decimal {
    bool negative;
    uint64_t digits;
    bool overflow; /* more digits than 64 bits hold: only `text` is exact */
    int exponent;
    char text[NUMBER_MAX]; /* without '_' */
    size_t len;
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static void keep(struct decimal *d, char c)
{
    if (d->len < NUMBER_MAX - 1) {
        d->text[d->len] = c;
        d->len++;
    }
}

/* Digits with single '_' between them; how many, or -1. After an overflow d->digits is meaningless,
 * and `overflow` says so. (*p)[-1] exists where it is read: n > 0 digits stand before. */
static int scan_digits(struct decimal *d, const char **p)
{
    int n = 0;
    for (;; (*p)++) {
        if (is_digit(**p)) {
            uint64_t digit = (uint64_t)(**p - '0');
            d->overflow |= __builtin_mul_overflow(d->digits, 10U, &d->digits) ||
                           __builtin_add_overflow(d->digits, digit, &d->digits);
            keep(d, **p);
            n++;
        } else if (**p != '_') {
            return n;
        } else if (n == 0 || !is_digit((*p)[1]) || (*p)[-1] == '_') {
            return -1;
        }
    }
}

static bool scan_exponent(struct decimal *d, const char **p)
{
    if (**p != 'e' && **p != 'E') {
        return true;
    }
    keep(d, 'e');
    (*p)++;
    bool negative = **p == '-';
    if (**p == '-' || **p == '+') {
        keep(d, **p);
        (*p)++;
    }
    /* Bounded, so that no number of digits overflows an int: beyond EXPONENT_MAX a number is too
     * large or vanishes for every type here. */
    int exponent = 0;
    int n = 0;
    for (; is_digit(**p); (*p)++, n++) {
        keep(d, **p);
        exponent = exponent < EXPONENT_MAX ? exponent * 10 + (**p - '0') : exponent;
    }
    d->exponent += negative ? -exponent : exponent;
    return n > 0;
}

/* False: not a decimal number by the grammar at the top. */
static bool scan_decimal(struct decimal *d, const char *s)
{
    const char *p = s;
    if (strnlen(s, NUMBER_MAX) >= NUMBER_MAX) {
        return false;
    }
    *d = (struct decimal){.negative = *p == '-'};
    if (*p == '-' || *p == '+') {
        keep(d, *p);
        p++;
    }
    /* YAML 1.1 reads 010 as eight and a person as ten, so neither is guessed. 0, 0.5 and 0e3 begin
     * with one zero and are fine. */
    if (p[0] == '0' && (is_digit(p[1]) || p[1] == '_')) {
        return false;
    }
    /* Digits before and after the point are collected into one integer, and the exponent says how
     * many were behind the point: 1.5e3 is 15 x 10^(-1 + 3). ".5" and "5." are numbers, "." is
     * none. */
    int whole = scan_digits(d, &p);
    int fraction = 0;
    if (whole >= 0 && *p == '.') {
        keep(d, '.');
        p++;
        fraction = scan_digits(d, &p);
    }
    if (whole < 0 || fraction < 0 || whole + fraction == 0) {
        return false;
    }
    d->exponent = -fraction;
    return scan_exponent(d, &p) && *p == '\0';
}

enum whole { WHOLE_OK, WHOLE_FRACTION, WHOLE_TOO_LARGE };

/* The absolute value as an integer, exactly. */
static enum whole decimal_magnitude(const struct decimal *d, uint64_t *magnitude)
{
    /* |number| = value x 10^exponent throughout. First trailing zeros cancel a negative exponent;
     * if it is still negative, there is a fraction. Then a positive exponent is multiplied in, at
     * most 20 times before 64 bits overflow. value = 0 is 0 with every exponent. */
    uint64_t value = d->digits;
    int exponent = d->exponent;
    if (d->overflow) {
        return exponent < 0 ? WHOLE_FRACTION : WHOLE_TOO_LARGE;
    }
    while (exponent < 0 && value % 10 == 0 && value > 0) {
        value /= 10;
        exponent++;
    }
    if (value > 0 && exponent < 0) {
        return WHOLE_FRACTION;
    }
    for (; value > 0 && exponent > 0; exponent--) {
        if (__builtin_mul_overflow(value, 10U, &value)) {
            return WHOLE_TOO_LARGE;
        }
    }
    *magnitude = value;
    return WHOLE_OK;
}

static const char *const IN_RANGE = "choose a value in that range";

/* Refuse what does not fit the C type, saying its size where the row gives no bounds. */
static bool refuse_size(struct cfg_text *problem, const struct cfg_field *f, enum cfg_type type,
                        const struct cfg_node *node)
{
    if (isfinite(f->min) && isfinite(f->max)) {
        return refuse(problem, f, type, node, IN_RANGE);
    }
    return refuse(problem, f, type, node,
                  type == CFG_TYPE_INT      ? "it must fit into 32 bits with sign"
                  : type == CFG_TYPE_INT64  ? "it must fit into 64 bits with sign"
                  : type == CFG_TYPE_UINT64 ? "it must fit into 64 bits without sign"
                                            : "it must fit into a double");
}

static bool read_signed(int64_t *out, const struct decimal *d, uint64_t magnitude, int64_t limit)
{
    /* Two's complement holds one negative number more: -limit - 1. Negation in unsigned arithmetic
     * is exact for it, too. */
    uint64_t most = (uint64_t)limit + (d->negative ? 1U : 0U);
    if (magnitude > most) {
        return false;
    }
    *out = d->negative ? (int64_t)(0U - magnitude) : (int64_t)magnitude;
    return true;
}

static bool read_integer(void *at, struct cfg_text *problem, const struct cfg_field *f,
                         enum cfg_type type, const struct cfg_node *node, const struct decimal *d)
{
    uint64_t magnitude = 0;
    enum whole whole = decimal_magnitude(d, &magnitude);
    if (whole == WHOLE_FRACTION) {
        return refuse(problem, f, type, node, "write it without a fraction");
    }
    if (type == CFG_TYPE_UINT64) {
        /* -0 is 0 and therefore no negative number. */
        if (whole != WHOLE_OK || (d->negative && magnitude > 0)) {
            return refuse_size(problem, f, type, node);
        }
        memcpy(at, &magnitude, sizeof magnitude);
        return true;
    }
    int64_t value = 0;
    int64_t limit = type == CFG_TYPE_INT ? INT_MAX : INT64_MAX;
    if (whole != WHOLE_OK || !read_signed(&value, d, magnitude, limit)) {
        return refuse_size(problem, f, type, node);
    }
    if ((double)value < f->min || (double)value > f->max) {
        return refuse(problem, f, type, node, IN_RANGE);
    }
    if (type == CFG_TYPE_INT) {
        int narrow = (int)value;
        memcpy(at, &narrow, sizeof narrow);
    } else {
        memcpy(at, &value, sizeof value);
    }
    return true;
}

static bool read_double(void *at, struct cfg_text *problem, const struct cfg_field *f,
                        const struct cfg_node *node, const struct decimal *d)
{
    double value = strtod(d->text, NULL);
    /* A number that is not 0 and reads as 0 would silently be another one. */
    bool vanished = value == 0 && (d->digits != 0 || d->overflow);
    if (!isfinite(value) || vanished) {
        return refuse_size(problem, f, CFG_TYPE_DOUBLE, node);
    }
    if (value < f->min || value > f->max) {
        return refuse(problem, f, CFG_TYPE_DOUBLE, node, IN_RANGE);
    }
    memcpy(at, &value, sizeof value);
    return true;
}

static bool read_number(void *at, struct cfg_text *problem, const struct cfg_field *f,
                        enum cfg_type type, const struct cfg_node *node)
{
    struct decimal d;
    if (!scan_decimal(&d, node->text)) {
        return refuse(problem, f, type, node,
                      type == CFG_TYPE_DOUBLE
                          ? "write it in decimal, such as 10, 0.5 or 1e-3, without leading zeros"
                          : "write decimal digits without leading zeros, such as 10 or 1e6");
    }
    if (type == CFG_TYPE_DOUBLE) {
        return read_double(at, problem, f, node, &d);
    }
    return read_integer(at, problem, f, type, node, &d);
}

/* What somebody meant who wrote yes, off, 1, ...: "write true", "write false". */
static const char *bool_remedy(const char *text)
{
    static const char *const yes[] = {"true", "yes", "on", "y", "1"};
    static const char *const no[] = {"false", "no", "off", "n", "0"};
    for (size_t i = 0; i < sizeof yes / sizeof yes[0]; i++) {
        if (strcasecmp(text, yes[i]) == 0) {
            return "write true";
        }
        if (strcasecmp(text, no[i]) == 0) {
            return "write false";
        }
    }
    return "write one of the two";
}

static bool read_bool(void *at, struct cfg_text *problem, const struct cfg_field *f,
                      const struct cfg_node *node)
{
    bool value = strcmp(node->text, "true") == 0;
    if (!value && strcmp(node->text, "false") != 0) {
        return refuse(problem, f, CFG_TYPE_BOOL, node, bool_remedy(node->text));
    }
    memcpy(at, &value, sizeof value);
    return true;
}

static bool read_enum(void *at, struct cfg_text *problem, const struct cfg_field *f,
                      const struct cfg_node *node)
{
    struct nearest near = nearest_to(node->text);
    for (const struct cfg_choice *c = f->choices; c->name != NULL; c++) {
        if (strcmp(c->name, node->text) == 0 && c->value == CFG_OLDER) {
            struct cfg_text instead = {.len = 0};
            cfg_text_add(&instead, "write %s", c->doc);
            return refuse(problem, f, CFG_TYPE_ENUM, node, instead.s);
        }
        if (strcmp(c->name, node->text) == 0) {
            memcpy(at, &c->value, sizeof c->value);
            return true;
        }
        if (c->value != CFG_OLDER) {
            nearest_offer(&near, c->name);
        }
    }
    struct cfg_text remedy = {.len = 0};
    if (nearest_word(&near) != NULL) {
        cfg_text_add(&remedy, "did you mean '%s'?", nearest_word(&near));
    } else {
        cfg_text_add(&remedy, "write one of these words");
    }
    return refuse(problem, f, CFG_TYPE_ENUM, node, remedy.s);
}

/* The number that a word of a CFG_INT_OR stands for. */
static bool read_word(void *at, const struct cfg_field *f, const struct cfg_node *node)
{
    for (const struct cfg_choice *c = f->choices; c != NULL && c->name != NULL; c++) {
        if (strcmp(c->name, node->text) == 0) {
            memcpy(at, &c->value, sizeof c->value);
            return true;
        }
    }
    return false;
}

bool cfg_value_read(void *at, struct cfg_text *problem, const struct cfg_field *f,
                    enum cfg_type type, const struct cfg_node *node)
{
    if (node->kind != CFG_NODE_SCALAR) {
        return refuse(problem, f, type, node, "write one value");
    }
    if (cfg_node_is_null(node)) {
        return refuse(problem, f, type, node,
                      f->def == CFG_REQUIRED ? "write a value"
                                             : "write a value, or remove the key for its default");
    }
    if (type == CFG_TYPE_ENUM) {
        return read_enum(at, problem, f, node);
    }
    /* Quotes make a text: "5" is refused where a number is wanted, as a reader of YAML with types
     * would do. Words of an enum may stand in quotes, because they are texts. */
    if (node->quoted) {
        return refuse(problem, f, type, node, "remove the quotes");
    }
    if (type == CFG_TYPE_INT && read_word(at, f, node)) {
        return true;
    }
    return type == CFG_TYPE_BOOL ? read_bool(at, problem, f, node)
                                 : read_number(at, problem, f, type, node);
}

const char *cfg_choice_name(const struct cfg_choice *choices, int value)
{
    for (const struct cfg_choice *c = choices; c->name != NULL; c++) {
        if (c->value == value) {
            return c->name;
        }
    }
    return "?";
}
