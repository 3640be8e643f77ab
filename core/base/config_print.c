/* Struct + table -> text: the resolved configuration and its digest. Invariant: what is printed
 * with CFG_ALL loads back to the identical struct. */
#include "core/base/config_parts.h"
#include "core/base/hash.h"
#include "core/base/number.h"

#include <string.h>
#include <strings.h>

struct printer {
    struct buf *b;
    unsigned effects;    /* rows to print */
    cfg_path_hash *hash; /* NULL: paths are printed as they are */
    void *hash_ctx;
    bool digest; /* CFG_LATER rows at their defaults are left out */
};

/* Strings ------------------------------------------------------------------------------------ */

/* Words that another YAML reader would not take for a text. */
static bool is_reserved(const char *s)
{
    static const char *const words[] = {"null", "true", "false", "yes", "no",
                                        "on",   "off",  "y",     "n"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strcasecmp(s, words[i]) == 0) {
            return true;
        }
    }
    return false;
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* A text that begins with a letter, / or _ and goes on with these characters is no number, comment
 * or structure of YAML, and no reserved word. Everything else is quoted: more often than needed,
 * never too rarely. */
static bool can_be_plain(const char *s)
{
    if (!is_letter(*s) && *s != '/' && *s != '_') {
        return false;
    }
    for (const char *p = s; *p != '\0'; p++) {
        if (!is_letter(*p) && !(*p >= '0' && *p <= '9') && strchr("_-./+", *p) == NULL) {
            return false;
        }
    }
    return !is_reserved(s);
}

/* Decode one character of valid UTF-8; its length in bytes. A stray byte counts as a character. */
static size_t decode_utf8(uint32_t *code, const unsigned char *s)
{
    size_t n = s[0] < 0xC0 ? 1 : s[0] < 0xE0 ? 2 : s[0] < 0xF0 ? 3 : 4;
    /* The first byte tells the length n and holds 7, 5, 4 or 3 bits of the code; each further byte
     * is 10xxxxxx and adds 6. A byte that breaks this pattern stands for itself. */
    static const unsigned char lead_mask[] = {0, 0xFF, 0x1F, 0x0F, 0x07};
    *code = s[0] & lead_mask[n];
    for (size_t i = 1; i < n; i++) {
        if ((s[i] & 0xC0U) != 0x80U) {
            *code = s[0];
            return 1;
        }
        *code = *code << 6 | (s[i] & 0x3FU);
    }
    return n;
}

/* Whether the character may stand in double quotes as it is: YAML's printable ones, without those
 * that end a line and the byte order mark. */
static bool stands_raw(uint32_t c)
{
    bool ascii = c >= 0x20 && c < 0x7F && c != '"' && c != '\\';
    bool plane0 = (c >= 0xA0 && c <= 0xD7FF && c != 0x2028 && c != 0x2029) ||
                  (c >= 0xE000 && c <= 0xFFFD && c != 0xFEFF);
    return ascii || plane0 || (c >= 0x10000 && c <= 0x10FFFF);
}

static enum err print_escaped(struct buf *b, uint32_t c)
{
    switch (c) {
    case '"':
        return buf_printf(b, "\\\"");
    case '\\':
        return buf_printf(b, "\\\\");
    case '\n':
        return buf_printf(b, "\\n");
    case '\t':
        return buf_printf(b, "\\t");
    default:
        return c <= 0xFF     ? buf_printf(b, "\\x%02X", c)
               : c <= 0xFFFF ? buf_printf(b, "\\u%04X", c)
                             : buf_printf(b, "\\U%08X", c);
    }
}

enum err cfg_print_string(struct buf *b, const char *s)
{
    if (can_be_plain(s)) {
        return buf_printf(b, "%s", s);
    }
    TRY(buf_printf(b, "\""));
    const unsigned char *p = (const unsigned char *)s;
    while (*p != '\0') {
        uint32_t code = 0;
        size_t n = decode_utf8(&code, p);
        if (stands_raw(code) && (n > 1 || code < 0x80)) {
            TRY(buf_append(b, p, n));
        } else {
            TRY(print_escaped(b, code));
        }
        p += n;
    }
    return buf_printf(b, "\"");
}

static enum err print_path(const struct printer *p, const char *path)
{
    if (p->hash == NULL || *path == '\0') {
        return cfg_print_string(p->b, path);
    }
    /* A digest must not depend on where a file stands, only on what it holds: the caller's function
     * hashes its contents. */
    uint64_t hash = 0;
    TRY(p->hash(&hash, p->hash_ctx, path));
    return buf_printf(p->b, "%016llx", (unsigned long long)hash);
}

/* Values ------------------------------------------------------------------------------------- */

static enum err print_double(struct buf *b, const void *at)
{
    double value = 0;
    char text[32];
    memcpy(&value, at, sizeof value);
    number_text(text, value);
    return buf_printf(b, "%s", text);
}

static enum err print_integer(struct buf *b, const struct cfg_field *f, enum cfg_type type,
                              const void *at)
{
    int narrow = 0;
    int64_t wide = 0;
    uint64_t natural = 0;
    switch (type) {
    case CFG_TYPE_INT:
        memcpy(&narrow, at, sizeof narrow);
        for (const struct cfg_choice *c = f->choices; c != NULL && c->name != NULL; c++) {
            if (c->value == narrow) {
                return buf_printf(b, "%s", c->name);
            }
        }
        return buf_printf(b, "%d", narrow);
    case CFG_TYPE_INT64:
        memcpy(&wide, at, sizeof wide);
        return buf_printf(b, "%lld", (long long)wide);
    default:
        memcpy(&natural, at, sizeof natural);
        return buf_printf(b, "%llu", (unsigned long long)natural);
    }
}

static enum err print_scalar(const struct printer *p, const struct cfg_field *f, enum cfg_type type,
                             const void *at)
{
    const char *s = NULL;
    bool truth = false;
    int choice = 0;
    switch (type) {
    case CFG_TYPE_BOOL:
        memcpy(&truth, at, sizeof truth);
        return buf_printf(p->b, "%s", truth ? "true" : "false");
    case CFG_TYPE_DOUBLE:
        return print_double(p->b, at);
    case CFG_TYPE_ENUM:
        memcpy(&choice, at, sizeof choice);
        return cfg_print_string(p->b, cfg_choice_name(f->choices, choice));
    case CFG_TYPE_STRING:
        memcpy(&s, at, sizeof s);
        return cfg_print_string(p->b, s);
    case CFG_TYPE_PATH:
        memcpy(&s, at, sizeof s);
        return print_path(p, s);
    default:
        return print_integer(p->b, f, type, at);
    }
}

const char *cfg_list_items(int *n, const struct cfg_field *f, const void *values)
{
    const char *items = NULL;
    memcpy(&items, (const char *)values + f->offset, sizeof items);
    memcpy(n, (const char *)values + f->count_offset, sizeof *n);
    return items;
}

/* "[1, 2, 3]" */
static enum err print_scalars(const struct printer *p, const struct cfg_field *f,
                              const void *values)
{
    int n = 0;
    const char *items = cfg_list_items(&n, f, values);
    TRY(buf_printf(p->b, "["));
    for (int i = 0; i < n; i++) {
        TRY(buf_printf(p->b, "%s", i > 0 ? ", " : ""));
        TRY(print_scalar(p, f, f->item_type, items + (size_t)i * f->item_size));
    }
    return buf_printf(p->b, "]");
}

/* The value of a row that is neither a table nor a list of structs. */
static enum err print_value(const struct printer *p, const struct cfg_field *f, const void *values)
{
    return f->type == CFG_TYPE_LIST ? print_scalars(p, f, values)
                                    : print_scalar(p, f, f->type, (const char *)values + f->offset);
}

enum err cfg_print_row(struct buf *b, const struct cfg_field *f, const void *values)
{
    const struct printer p = {.b = b, .effects = CFG_ALL};
    return print_value(&p, f, values);
}

/* A row prints from the start of its struct; an element of a list stands for itself. */
enum err cfg_print_value(struct buf *b, const struct cfg_value *value)
{
    const struct printer p = {.b = b, .effects = CFG_ALL};
    if (value->type != CFG_TYPE_LIST) {
        return print_scalar(&p, value->field, value->type, value->at);
    }
    return print_value(&p, value->field, (const char *)value->at - value->field->offset);
}

bool cfg_has_effect(const struct cfg_field *f, unsigned effects)
{
    if (f->type == CFG_TYPE_RENAMED) {
        return false;
    }
    if (f->type != CFG_TYPE_TABLE && !cfg_is_struct_list(f)) {
        return (f->effect & effects) != 0;
    }
    for (const struct cfg_field *row = f->table; row->name != NULL; row++) {
        /* A list of structs may contain lists of the same structs (a tree). Such a row has the
         * effects of the table it is in, and following it would not end. */
        if (row->table != f->table && cfg_has_effect(row, effects)) {
            return true;
        }
    }
    return false;
}

/* Is the default kind chosen? It must have no parameters, since their values are not compared. */
static bool is_default_kind(const struct cfg_field *f, const void *values)
{
    struct cfg_one one;
    memcpy(&one, (const char *)values + f->offset, sizeof one);
    const bool named = one.kind != NULL && strcmp(one.kind->name, f->def) == 0;
    return named && one.kind->table->name == NULL;
}

/* Has the row the value that stands in the table as its default? The default of a text is the text
 * itself, without quotes; that of a list of structs that came later is the empty one. */
static enum err at_default(bool *is, const struct cfg_field *f, const void *values)
{
    struct buf text;
    *is = false;
    if (f->def == CFG_REQUIRED) {
        return ERR_OK;
    }
    if (f->type == CFG_TYPE_ONE_OF) {
        *is = is_default_kind(f, values);
        return ERR_OK;
    }
    if (cfg_is_struct_list(f)) {
        int n = 0;
        (void)cfg_list_items(&n, f, values);
        *is = n == 0;
        return ERR_OK;
    }
    if (f->type == CFG_TYPE_STRING || f->type == CFG_TYPE_PATH) {
        const char *s = NULL;
        memcpy(&s, (const char *)values + f->offset, sizeof s);
        *is = strcmp(s, f->def) == 0;
        return ERR_OK;
    }
    buf_init(&text);
    const enum err e = cfg_print_row(&text, f, values);
    *is = e == ERR_OK && text.len == strlen(f->def) && memcmp(text.data, f->def, text.len) == 0;
    buf_release(&text);
    return e;
}

/* Did the whole table come after results were published? */
static bool is_later(const struct cfg_field *table)
{
    bool later = table->name != NULL;
    for (const struct cfg_field *f = table; f->name != NULL; f++) {
        const bool structs = cfg_is_struct_list(f) && f->table != table;
        later = later && ((f->effect & CFG_LATER) != 0 || (structs && is_later(f->table)));
    }
    return later;
}

/* A list of structs that came later and has no element. */
static bool is_later_and_empty(const struct cfg_field *f, const void *values)
{
    int n = 0;
    if (!cfg_is_struct_list(f) || !is_later(f->table)) {
        return false;
    }
    (void)cfg_list_items(&n, f, values);
    return n == 0 && strcmp(f->def, "[]") == 0;
}

/* Does the printer leave the row out? A digest leaves out rows that were added later (CFG_LATER)
 * while they have their defaults: a configuration of before has the same digest as today. */
static enum err is_left_out(bool *is, const struct printer *p, const struct cfg_field *f,
                            const void *values)
{
    *is = !cfg_has_effect(f, p->effects) || (p->digest && is_later_and_empty(f, values));
    if (*is || !p->digest || (f->effect & CFG_LATER) == 0) {
        return ERR_OK;
    }
    return at_default(is, f, values);
}

static enum err print_table(const struct printer *p, const struct cfg_field *table,
                            const void *values, int indent);

static enum err print_structs(const struct printer *p, const struct cfg_field *f,
                              const void *values, int indent)
{
    int n = 0;
    const char *items = cfg_list_items(&n, f, values);
    if (n == 0) {
        return buf_printf(p->b, " []\n");
    }
    TRY(buf_printf(p->b, "\n"));
    for (int i = 0; i < n; i++) {
        size_t start = p->b->len;
        TRY(print_table(p, f->table, items + (size_t)i * f->item_size, indent + 4));
        if (p->b->len == start) { /* all its rows are left out */
            TRY(buf_printf(p->b, "%*s- {}\n", indent + 2, ""));
            continue;
        }
        /* The element was printed indented by indent + 4, so its first row begins with blanks and
         * the dash replaces one of them. */
        p->b->data[start + (size_t)indent + 2] = '-'; /* in the indentation of its first row */
    }
    return ERR_OK;
}

/* "khpa:" and its parameters; nothing if no kind is chosen. */
static enum err print_one(const struct printer *p, const struct cfg_field *f, const void *values,
                          int indent)
{
    struct cfg_one one;
    bool any = false;
    memcpy(&one, (const char *)values + f->offset, sizeof one);
    if (one.kind == NULL) {
        return ERR_OK;
    }
    /* A kind without printed parameters must be a map all the same, so that it loads back. */
    for (const struct cfg_field *row = one.kind->table; row->name != NULL; row++) {
        any = any || cfg_has_effect(row, p->effects);
    }
    TRY(buf_printf(p->b, "%*s%s:%s\n", indent, "", one.kind->name, any ? "" : " {}"));
    return print_table(p, one.kind->table, one.params, indent + 2);
}

/* "name:" and the rows of a nested table. A digest leaves out a table that came later and of which
 * all rows are left out. */
static enum err print_nested(const struct printer *p, const struct cfg_field *f, const void *values,
                             int indent)
{
    const size_t start = p->b->len;
    TRY(buf_printf(p->b, "%*s%s:\n", indent, "", f->name));
    const size_t rows = p->b->len;
    TRY(print_table(p, f->table, (const char *)values + f->offset, indent + 2));
    if (p->digest && is_later(f->table) && p->b->len == rows) {
        p->b->len = start;
    }
    return ERR_OK;
}

static enum err print_table(const struct printer *p, const struct cfg_field *table,
                            const void *values, int indent)
{
    for (const struct cfg_field *f = table; f->name != NULL; f++) {
        bool left_out;
        TRY(is_left_out(&left_out, p, f, values));
        if (left_out) {
            continue;
        }
        if (f->type == CFG_TYPE_ONE_OF) {
            TRY(print_one(p, f, values, indent));
            continue;
        }
        if (f->type == CFG_TYPE_TABLE) {
            TRY(print_nested(p, f, values, indent));
            continue;
        }
        TRY(buf_printf(p->b, "%*s%s:", indent, "", f->name));
        if (cfg_is_struct_list(f)) {
            TRY(print_structs(p, f, values, indent));
        } else {
            TRY(buf_printf(p->b, " "));
            TRY(print_value(p, f, values));
            TRY(buf_printf(p->b, "\n"));
        }
    }
    return ERR_OK;
}

enum err cfg_print_resolved(struct buf *b, const struct cfg_field *root, const void *values,
                            unsigned effects)
{
    struct printer p = {.b = b, .effects = effects};
    return print_table(&p, root, values, 0);
}

/* Digest ------------------------------------------------------------------------------------- */

enum err cfg_digest(uint64_t *digest, const struct cfg_field *root, const void *values,
                    cfg_path_hash *path_hash, void *ctx)
{
    struct buf b;
    buf_init(&b);
    struct printer p = {
        .b = &b, .effects = CFG_RESULT, .hash = path_hash, .hash_ctx = ctx, .digest = true};
    enum err e = print_table(&p, root, values, 0);
    if (e == ERR_OK) {
        *digest = hash_fnv1a(HASH_START, b.data, b.len);
    }
    buf_release(&b);
    return e;
}
