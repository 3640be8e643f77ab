/* Struct + table -> text: the resolved configuration, its digest and differences, and the commented
 * defaults. Invariant: what is printed with CFG_ALL loads back to the identical struct. */
#include "core/base/config_parts.h"
#include "core/base/hash.h"

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

static enum err print_string(struct buf *b, const char *s)
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
        return print_string(p->b, path);
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
    cfg_double_text(text, value);
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
        return print_string(p->b, cfg_choice_name(f->choices, choice));
    case CFG_TYPE_STRING:
        memcpy(&s, at, sizeof s);
        return print_string(p->b, s);
    case CFG_TYPE_PATH:
        memcpy(&s, at, sizeof s);
        return print_path(p, s);
    default:
        return print_integer(p->b, f, type, at);
    }
}

static const char *list_items(int *n, const struct cfg_field *f, const void *values)
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
    const char *items = list_items(&n, f, values);
    TRY(buf_printf(p->b, "["));
    for (int i = 0; i < n; i++) {
        TRY(buf_printf(p->b, "%s", i > 0 ? ", " : ""));
        TRY(print_scalar(p, f, f->item_type, items + (size_t)i * f->item_size));
    }
    return buf_printf(p->b, "]");
}

static bool is_struct_list(const struct cfg_field *f)
{
    return f->type == CFG_TYPE_LIST && f->item_type == CFG_TYPE_TABLE;
}

/* The value of a row that is neither a table nor a list of structs. */
static enum err print_value(const struct printer *p, const struct cfg_field *f, const void *values)
{
    return f->type == CFG_TYPE_LIST ? print_scalars(p, f, values)
                                    : print_scalar(p, f, f->type, (const char *)values + f->offset);
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

/* Whether the row, or any row below it, has one of the effects. */
static bool has_effect(const struct cfg_field *f, unsigned effects)
{
    if (f->type == CFG_TYPE_RENAMED) {
        return false;
    }
    if (f->type != CFG_TYPE_TABLE && !is_struct_list(f)) {
        return (f->effect & effects) != 0;
    }
    for (const struct cfg_field *row = f->table; row->name != NULL; row++) {
        /* A list of structs may contain lists of the same structs (a tree). Such a row has the
         * effects of the table it is in, and following it would not end. */
        if (row->table != f->table && has_effect(row, effects)) {
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
    if (is_struct_list(f)) {
        int n = 0;
        (void)list_items(&n, f, values);
        *is = n == 0;
        return ERR_OK;
    }
    if (f->type == CFG_TYPE_STRING || f->type == CFG_TYPE_PATH) {
        const char *s = NULL;
        memcpy(&s, (const char *)values + f->offset, sizeof s);
        *is = strcmp(s, f->def) == 0;
        return ERR_OK;
    }
    const struct printer p = {.b = &text, .effects = CFG_ALL};
    buf_init(&text);
    const enum err e = print_value(&p, f, values);
    *is = e == ERR_OK && text.len == strlen(f->def) && memcmp(text.data, f->def, text.len) == 0;
    buf_release(&text);
    return e;
}

/* Did the whole table come after results were published? */
static bool is_later(const struct cfg_field *table)
{
    bool later = table->name != NULL;
    for (const struct cfg_field *f = table; f->name != NULL; f++) {
        const bool structs = is_struct_list(f) && f->table != table;
        later = later && ((f->effect & CFG_LATER) != 0 || (structs && is_later(f->table)));
    }
    return later;
}

/* A list of structs that came later and has no element. */
static bool is_later_and_empty(const struct cfg_field *f, const void *values)
{
    int n = 0;
    if (!is_struct_list(f) || !is_later(f->table)) {
        return false;
    }
    (void)list_items(&n, f, values);
    return n == 0 && strcmp(f->def, "[]") == 0;
}

/* Does the printer leave the row out? A digest leaves out rows that were added later (CFG_LATER)
 * while they have their defaults: a configuration of before has the same digest as today. */
static enum err is_left_out(bool *is, const struct printer *p, const struct cfg_field *f,
                            const void *values)
{
    *is = !has_effect(f, p->effects) || (p->digest && is_later_and_empty(f, values));
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
    const char *items = list_items(&n, f, values);
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
        any = any || has_effect(row, p->effects);
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
        if (is_struct_list(f)) {
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

/* Difference --------------------------------------------------------------------------------- */

struct diff {
    struct buf *out;
    struct buf a, b; /* texts of the values in hand */
    int n;
};

static enum err diff_table(struct diff *d, const struct cfg_field *table, const char *key,
                           const void *a, const void *b);

static enum err diff_value(struct diff *d, const struct cfg_field *f, const char *key,
                           const void *a, const void *b)
{
    /* Values are compared as they print. Two values with one text load back to the same value, so
     * nothing that differs is missed. */
    struct printer pa = {.b = &d->a, .effects = CFG_RESULT};
    struct printer pb = {.b = &d->b, .effects = CFG_RESULT};
    d->a.len = 0;
    d->b.len = 0;
    TRY(print_value(&pa, f, a));
    TRY(print_value(&pb, f, b));
    if (d->a.len == d->b.len && memcmp(d->a.data, d->b.data, d->a.len) == 0) {
        return ERR_OK;
    }
    d->n++;
    return buf_printf(d->out, "%s: %.*s -> %.*s\n", key, (int)d->a.len, (const char *)d->a.data,
                      (int)d->b.len, (const char *)d->b.data);
}

static enum err diff_structs(struct diff *d, const struct cfg_field *f, const char *key,
                             const void *a, const void *b)
{
    int n_a = 0;
    int n_b = 0;
    const char *items_a = list_items(&n_a, f, a);
    const char *items_b = list_items(&n_b, f, b);
    /* A different length is told once, and the elements that both have are compared in their
     * order. */
    if (n_a != n_b) {
        d->n++;
        TRY(buf_printf(d->out, "%s: %d elements -> %d elements\n", key, n_a, n_b));
    }
    for (int i = 0; i < n_a && i < n_b; i++) {
        struct cfg_text item_key = {.len = 0};
        cfg_text_add(&item_key, "%s.%d", key, i);
        size_t at = (size_t)i * f->item_size;
        TRY(diff_table(d, f->table, item_key.s, items_a + at, items_b + at));
    }
    return ERR_OK;
}

/* Another kind, or other parameters of the same. */
static enum err diff_one(struct diff *d, const struct cfg_field *f, const char *key, const void *a,
                         const void *b)
{
    struct cfg_one one_a, one_b;
    memcpy(&one_a, (const char *)a + f->offset, sizeof one_a);
    memcpy(&one_b, (const char *)b + f->offset, sizeof one_b);
    if (one_a.kind != one_b.kind) {
        d->n++;
        return buf_printf(d->out, "%s: %s -> %s\n", key,
                          one_a.kind != NULL ? one_a.kind->name : "none",
                          one_b.kind != NULL ? one_b.kind->name : "none");
    }
    if (one_a.kind == NULL) {
        return ERR_OK;
    }
    struct cfg_text below = {.len = 0};
    cfg_text_add(&below, "%s%s%s", key, *key != '\0' ? "." : "", one_a.kind->name);
    return diff_table(d, one_a.kind->table, below.s, one_a.params, one_b.params);
}

static enum err diff_table(struct diff *d, const struct cfg_field *table, const char *key,
                           const void *a, const void *b)
{
    for (const struct cfg_field *f = table; f->name != NULL; f++) {
        struct cfg_text row_key = {.len = 0};
        if (!has_effect(f, CFG_RESULT)) {
            continue;
        }
        cfg_text_add(&row_key, "%s%s%s", key, *key != '\0' ? "." : "", f->name);
        if (f->type == CFG_TYPE_ONE_OF) {
            TRY(diff_one(d, f, key, a, b));
        } else if (f->type == CFG_TYPE_TABLE) {
            TRY(diff_table(d, f->table, row_key.s, (const char *)a + f->offset,
                           (const char *)b + f->offset));
        } else if (is_struct_list(f)) {
            TRY(diff_structs(d, f, row_key.s, a, b));
        } else {
            TRY(diff_value(d, f, row_key.s, a, b));
        }
    }
    return ERR_OK;
}

enum err cfg_diff(struct buf *b, int *n_differ, const struct cfg_field *root, const void *values_a,
                  const void *values_b)
{
    struct diff d = {.out = b};
    buf_init(&d.a);
    buf_init(&d.b);
    enum err e = diff_table(&d, root, "", values_a, values_b);
    buf_release(&d.a);
    buf_release(&d.b);
    if (e == ERR_OK) {
        *n_differ = d.n;
    }
    return e;
}

/* Documentation ------------------------------------------------------------------------------ */

enum { COMMENT_COLUMN_MAX = 40 };

/* Stands between a line and its comment until all lines are there and can be aligned. */
static const char TO_COMMENT = '\1';

static void add_comment(struct cfg_text *t, const struct cfg_field *f)
{
    cfg_text_add(t, "%s", f->doc);
    if (f->type != CFG_TYPE_TABLE && f->type != CFG_TYPE_STRING) {
        cfg_text_add(t, "; ");
        cfg_text_add_allowed(t, f, f->type);
    }
    if (f->type != CFG_TYPE_TABLE && f->def == CFG_REQUIRED) {
        cfg_text_add(t, "; required");
    }
    cfg_text_add(t, "%s",
                 f->effect == CFG_SPEED    ? " [speed]"
                 : f->effect == CFG_OUTPUT ? " [output]"
                                           : "");
}

static enum err doc_choices(struct buf *b, const struct cfg_field *f)
{
    for (const struct cfg_choice *c = f->choices; c != NULL && c->name != NULL; c++) {
        if (c->value != CFG_OLDER && *c->doc != '\0') {
            TRY(buf_printf(b, "%c  %s: %s\n", TO_COMMENT, c->name, c->doc));
        }
    }
    return ERR_OK;
}

static enum err doc_default(struct buf *b, const struct cfg_field *f)
{
    if (f->type == CFG_TYPE_TABLE || f->def == CFG_REQUIRED) {
        return ERR_OK;
    }
    TRY(buf_printf(b, " "));
    bool text = f->type == CFG_TYPE_STRING || f->type == CFG_TYPE_PATH;
    return text ? print_string(b, f->def) : buf_printf(b, "%s", f->def);
}

static enum err doc_table(struct buf *b, const struct cfg_field *table, const char *lead,
                          int indent, int depth);

/* One element of a list of structs, commented out. */
static enum err doc_element(struct buf *b, const struct cfg_field *f, const char *lead, int indent,
                            int depth)
{
    /* A list is empty by default, so its element is an example: it stands in comments, with a dash
     * in front of its first key. */
    const char *commented = *lead != '\0' ? lead : "#";
    size_t start = b->len;
    TRY(doc_table(b, f->table, commented, indent + 4, depth));
    if (b->len > start) {
        b->data[start + strlen(commented) + (size_t)indent + 2] = '-';
    }
    return ERR_OK;
}

static enum err doc_kind(struct buf *b, const struct cfg_kind *kind, const char *lead, int indent,
                         int depth)
{
    TRY(buf_printf(b, "%s%*s%s:%s%c%s\n", lead, indent, "", kind->name,
                   kind->table->name != NULL ? "" : " {}", TO_COMMENT, kind->doc));
    return doc_table(b, kind->table, lead, indent + 2, depth + 1);
}

/* A choice that has a default shows that one, so that choices inside of kinds come to an end; one
 * that must be made, or whose table asks for it, shows all kinds. */
static enum err doc_one(struct buf *b, const struct cfg_field *f, const char *lead, int indent,
                        int depth)
{
    const char *commented = *lead != '\0' ? lead : "#";
    struct cfg_text names = {.len = 0};
    cfg_kind_add_names(&names, f->kinds);
    TRY(buf_printf(b, "%s%*s%c%s; %s of %s\n", commented, indent, "", TO_COMMENT, f->doc,
                   f->def == CFG_REQUIRED ? "exactly one" : "one", names.s));
    for (int k = 0; f->kinds[k] != NULL; k++) {
        const bool is_default = f->def != CFG_REQUIRED && strcmp(f->kinds[k]->name, f->def) == 0;
        if (is_default || f->def == CFG_REQUIRED || f->n_min == CFG_KINDS_DOCUMENTED) {
            TRY(doc_kind(b, f->kinds[k], is_default ? lead : commented, indent, depth));
        }
    }
    return ERR_OK;
}

/* `lead` stands before every line: "#" inside what is commented out. */
static enum err doc_table(struct buf *b, const struct cfg_field *table, const char *lead,
                          int indent, int depth)
{
    for (const struct cfg_field *f = table; f->name != NULL && depth < CFG_DEPTH_MAX; f++) {
        struct cfg_text comment = {.len = 0};
        /* A required key has no default to print; it is shown commented out, with an empty
         * value. */
        bool absent = f->type != CFG_TYPE_TABLE && f->def == CFG_REQUIRED && *lead == '\0';
        if (f->type == CFG_TYPE_ONE_OF) {
            TRY(doc_one(b, f, lead, indent, depth));
            continue;
        }
        if (f->type == CFG_TYPE_RENAMED) {
            continue;
        }
        add_comment(&comment, f);
        TRY(buf_printf(b, "%s%*s%s:", absent ? "#" : lead, indent, "", f->name));
        TRY(doc_default(b, f));
        TRY(buf_printf(b, "%c%s\n", TO_COMMENT, comment.s));
        TRY(doc_choices(b, f));
        if (f->type == CFG_TYPE_TABLE) {
            TRY(doc_table(b, f->table, lead, indent + 2, depth + 1));
        } else if (is_struct_list(f) && f->table != table) {
            TRY(doc_element(b, f, lead, indent, depth + 1));
        }
    }
    return ERR_OK;
}

/* Bytes before the comment, and after it in *rest. */
static size_t line_width(const char *line, size_t len, size_t *rest)
{
    const char *mark = memchr(line, TO_COMMENT, len);
    size_t width = mark != NULL ? (size_t)(mark - line) : len;
    *rest = mark != NULL ? len - width - 1 : 0;
    return width;
}

static size_t line_length(const char *line, const char *end)
{
    const char *newline = memchr(line, '\n', (size_t)(end - line));
    return newline != NULL ? (size_t)(newline - line) : (size_t)(end - line);
}

/* Replace the marks by spaces up to a common column. */
static enum err align_comments(struct buf *b, const struct buf *raw)
{
    const char *end = (const char *)raw->data + raw->len;
    /* Two passes: the common column is the widest line that is not too wide; wider lines get their
     * comment one blank behind their end. p moves behind each line end, so the loops end. */
    size_t column = 0;
    size_t rest = 0;
    for (const char *p = (const char *)raw->data; p < end; p += line_length(p, end) + 1) {
        size_t width = line_width(p, line_length(p, end), &rest);
        column = width > column && width <= COMMENT_COLUMN_MAX ? width : column;
    }
    for (const char *p = (const char *)raw->data; p < end; p += line_length(p, end) + 1) {
        size_t width = line_width(p, line_length(p, end), &rest);
        size_t pad = width < column ? column - width : 0;
        TRY(buf_printf(b, "%.*s%*s # %.*s\n", (int)width, p, (int)pad, "", (int)rest,
                       p + width + 1));
    }
    return ERR_OK;
}

enum err cfg_doc(struct buf *b, const struct cfg_field *root)
{
    struct buf raw;
    TRY(buf_printf(b,
                   "# Every key with its default. [speed] changes how fast a run is and [output] "
                   "what it writes;\n# neither changes a result.\n"));
    buf_init(&raw);
    enum err e = doc_table(&raw, root, "", 0, 0);
    if (e == ERR_OK) {
        e = align_comments(b, &raw);
    }
    buf_release(&raw);
    return e;
}
