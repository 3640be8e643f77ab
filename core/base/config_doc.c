/* A table -> the commented defaults: every key with its default, what it is and what it may be. */
#include "core/base/config_parts.h"

#include <string.h>

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
    return text ? cfg_print_string(b, f->def) : buf_printf(b, "%s", f->def);
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
        } else if (cfg_is_struct_list(f) && f->table != table) {
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
