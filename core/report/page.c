/* HTML around tables and figures. See page.h. */
#include "core/report/page.h"

#include "core/base/file.h"
#include "core/report/escape.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { TEXT_MAX = 4096 };

/* Dark text on white. Digits of one width align numbers; of an interval the ends stand below the
 * value, which keeps columns narrow. On paper a row or a figure is not torn apart, and the head of
 * a table is repeated on every sheet. */
static const char style[] =
    "@page { size: A4 landscape; margin: 12mm; }\n"
    "body { font: 15px/1.45 Arial, Helvetica, sans-serif; color: #111; background: #fff;"
    " max-width: 1240px; margin: 0 auto; padding: 16px 24px; }\n"
    "h1 { font-size: 26px; } h2 { font-size: 20px; margin-top: 36px;"
    " border-bottom: 1px solid #111; }\n"
    "p, li { max-width: 900px; } a { color: #0b4f8a; }\n"
    "table { border-collapse: collapse; font-size: 13px; line-height: 1.3;"
    " font-variant-numeric: tabular-nums; border-top: 2px solid #111;"
    " border-bottom: 2px solid #111; }\n"
    "th { text-align: left; vertical-align: bottom; border-bottom: 1px solid #111; }\n"
    "th, td { padding: 3px 9px 3px 0; overflow-wrap: break-word; }\n"
    "td { vertical-align: top; }\n"
    "tbody tr:nth-child(even) { background: #f3f3f3; }\n"
    ".n { text-align: right; white-space: nowrap; padding-left: 9px; }\n"
    "th.n { white-space: normal; }\n"
    ".ci { display: block; font-size: 11px; color: #333; }\n"
    "figure { margin: 18px 0; } figcaption { font-weight: bold; margin-bottom: 6px;"
    " max-width: 900px; }\n"
    "pre { font-size: 12px; columns: 3; column-gap: 24px; white-space: pre-wrap; }\n"
    ".scroll { overflow-x: auto; } .note { font-size: 13px; max-width: 900px; margin: 6px 0; }\n"
    "svg { max-width: 100%; height: auto; }\n"
    "@media print { body { max-width: none; padding: 0; font-size: 11px; }"
    " table { font-size: 9px; } .ci { font-size: 8px; } .scroll { overflow: visible; }"
    " .note { font-size: 9px; } tr, svg, figcaption { break-inside: avoid; }"
    " figcaption, h2 { break-after: avoid; } thead { display: table-header-group; }"
    " svg { max-height: 150mm; } a { color: #111; text-decoration: none; } }\n";

static void keep(struct page *p, enum err e)
{
    p->failed = p->failed == ERR_OK ? e : p->failed;
}

void page_init(struct page *p, struct arena *arena, const char *title)
{
    *p = (struct page){.arena = arena, .title = title};
    buf_init(&p->contents);
    buf_init(&p->body);
}

void page_release(struct page *p)
{
    buf_release(&p->contents);
    buf_release(&p->body);
    for (int i = 0; i < p->n_files; i++) {
        buf_release(&p->files[i].text);
    }
}

/* <tag>TEXT</tag>, escaped. */
static enum err put(struct buf *out, const char *before, const char *text, const char *after)
{
    TRY(buf_printf(out, "%s", before));
    TRY(escape_html(out, text));
    return buf_printf(out, "%s", after);
}

static enum err put_section(struct page *p, const char *id, const char *title)
{
    TRY(buf_printf(&p->contents, "<li><a href=\"#%s\">", id));
    TRY(put(&p->contents, "", title, "</a></li>\n"));
    TRY(buf_printf(&p->body, "<h2 id=\"%s\">", id));
    return put(&p->body, "", title, "</h2>\n");
}

void page_section(struct page *p, const char *id, const char *title)
{
    keep(p, put_section(p, id, title));
}

static void put_words(struct page *p, const char *tag, const char *fmt, va_list args)
{
    char text[TEXT_MAX], before[16], after[16];
    (void)vsnprintf(text, sizeof text, fmt, args);
    (void)snprintf(before, sizeof before, "<%s>", tag);
    (void)snprintf(after, sizeof after, "</%s>\n", tag);
    keep(p, put(&p->body, before, text, after));
}

void page_text(struct page *p, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    put_words(p, "p", fmt, args);
    va_end(args);
}

/* A list that ends where another item follows at once goes on. */
void page_item(struct page *p, const char *fmt, ...)
{
    static const char end[] = "</ul>\n";
    const size_t n = sizeof end - 1;
    va_list args;
    if (p->body.len >= n && memcmp(p->body.data + p->body.len - n, end, n) == 0) {
        p->body.len -= n;
    } else {
        keep(p, buf_printf(&p->body, "<ul>\n"));
    }
    va_start(args, fmt);
    put_words(p, "li", fmt, args);
    va_end(args);
    keep(p, buf_printf(&p->body, "%s", end));
}

/* Lines stay lines: they are escaped one by one. */
static enum err put_pre(struct page *p, const char *text)
{
    char *copy = arena_strdup(p->arena, text);
    TRY(arena_error(p->arena));
    TRY(buf_printf(&p->body, "<pre>"));
    for (char *line = copy; *line != '\0';) {
        char *end = strchr(line, '\n');
        const bool more = end != NULL;
        if (more) {
            *end = '\0';
        }
        TRY(put(&p->body, "", line, more ? "\n" : ""));
        line = more ? end + 1 : line + strlen(line);
    }
    return buf_printf(&p->body, "</pre>\n");
}

void page_pre(struct page *p, const char *text)
{
    keep(p, put_pre(p, text));
}

/* A file beside the page, empty; NULL: p->failed says why. */
static struct buf *add_file(struct page *p, const char *dir, const char *id, const char *ending)
{
    if (p->n_files == p->cap_files) {
        const int cap = p->cap_files > 0 ? 2 * p->cap_files : 32;
        struct page_file *files = ARENA_NEW(p->arena, cap, struct page_file);
        if (files == NULL) {
            keep(p, ERR_MEMORY);
            return NULL;
        }
        if (p->n_files > 0) {
            memcpy(files, p->files, (size_t)p->n_files * sizeof *files);
        }
        p->files = files;
        p->cap_files = cap;
    }
    const char *name = arena_printf(p->arena, "%s/%s.%s", dir, id, ending);
    if (name == NULL) {
        keep(p, ERR_MEMORY);
        return NULL;
    }
    struct page_file *f = &p->files[p->n_files++];
    f->name = name;
    buf_init(&f->text);
    return &f->text;
}

void page_attach(struct page *p, const char *dir, const char *id, const char *ending,
                 const char *text)
{
    struct buf *file = p->failed == ERR_OK ? add_file(p, dir, id, ending) : NULL;
    if (file != NULL) {
        keep(p, buf_append(file, text, strlen(text)));
    }
}

static enum err put_files(struct page *p, const char *id, const struct table *t)
{
    struct buf *csv = add_file(p, "tables", id, "csv");
    TRY(p->failed);
    TRY(table_print(csv, t, TABLE_CSV));
    struct buf *md = add_file(p, "tables", id, "md");
    TRY(p->failed);
    TRY(table_print(md, t, TABLE_MARKDOWN));
    struct buf *tex = add_file(p, "tables", id, "tex");
    TRY(p->failed);
    return table_print(tex, t, TABLE_LATEX);
}

static bool is_wanted(const struct page_markdown *m, const char *id)
{
    bool wanted = m->n_ids == 0;
    for (int i = 0; i < m->n_ids; i++) {
        if (strcmp(m->ids[i], id) == 0) {
            m->found[i] = wanted = true;
        }
    }
    return wanted;
}

static enum err put_markdown(struct page_markdown *m, const char *id, const char *caption,
                             const char *note, const struct table *t)
{
    if (m == NULL || !is_wanted(m, id) || (m->n_ids == 0 && table_n_rows(t) == 0)) {
        return ERR_OK;
    }
    TRY(buf_printf(&m->text, "\n## %s\n\n", caption));
    if (table_n_rows(t) == 0) {
        return buf_printf(&m->text, "No row: the end of the report says what is left out.\n");
    }
    TRY(table_print(&m->text, t, TABLE_MARKDOWN));
    return note[0] != '\0' ? buf_printf(&m->text, "\n%s\n", note) : ERR_OK;
}

static enum err put_table(struct page *p, const char *id, const char *caption, const char *note,
                          const struct table *t)
{
    TRY(put_files(p, id, t));
    TRY(buf_printf(&p->body, "<figure id=\"%s\">\n<figcaption>Table %d. ", id, ++p->n_tables));
    TRY(put(&p->body, "", caption, "</figcaption>\n<div class=\"scroll\">\n"));
    TRY(table_print(&p->body, t, TABLE_HTML));
    TRY(buf_printf(&p->body, "</div>\n"));
    TRY(note[0] != '\0' ? put(&p->body, "<p class=\"note\">", note, "</p>\n") : ERR_OK);
    return buf_printf(&p->body, "</figure>\n");
}

void page_table(struct page *p, const char *id, const char *caption, const char *note,
                const struct table *t)
{
    keep(p, t->failed);
    if (p->failed == ERR_OK) {
        keep(p, put_markdown(p->markdown, id, caption, note, t));
    }
    if (p->failed == ERR_OK && table_n_rows(t) > 0) {
        keep(p, put_table(p, id, caption, note, t));
    }
}

void page_files(struct page *p, const char *id, const struct table *t)
{
    keep(p, t->failed);
    if (p->failed == ERR_OK && table_n_rows(t) > 0) {
        keep(p, put_files(p, id, t));
    }
}

static enum err put_figure(struct page *p, const char *id, const char *caption,
                           const struct plot *plot)
{
    struct buf *svg = add_file(p, "figures", id, "svg");
    TRY(p->failed);
    TRY(plot_svg(svg, plot));
    TRY(buf_printf(&p->body, "<figure id=\"figure-%s\">\n<figcaption>Figure %d. ", id,
                   ++p->n_figures));
    TRY(put(&p->body, "", caption, "</figcaption>\n"));
    TRY(buf_append(&p->body, svg->data, svg->len));
    return buf_printf(&p->body, "</figure>\n");
}

void page_figure(struct page *p, const char *id, const char *caption, const struct plot *plot)
{
    if (p->failed == ERR_OK) {
        keep(p, put_figure(p, id, caption, plot));
    }
}

static enum err print_page(struct buf *out, const struct page *p)
{
    TRY(buf_printf(out, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n"
                        "<meta name=\"viewport\" content=\"width=device-width\"/>\n<title>"));
    TRY(put(out, "", p->title, "</title>\n<style>\n"));
    TRY(buf_printf(out, "%s</style>\n</head>\n<body>\n<h1>", style));
    TRY(put(out, "", p->title, "</h1>\n<ul>\n"));
    TRY(buf_append(out, p->contents.data, p->contents.len));
    TRY(buf_printf(out, "</ul>\n"));
    TRY(buf_append(out, p->body.data, p->body.len));
    return buf_printf(out, "</body>\n</html>\n");
}

static enum err write_file(const struct page *p, const char *dir, const char *name,
                           const struct buf *text)
{
    const char *path = file_join(p->arena, dir, name);
    TRY(arena_error(p->arena));
    TRY(file_make_parents(path));
    return file_write(path, text->data, text->len);
}

enum err page_write(struct page *p, const char *dir, const char *name)
{
    struct buf html;
    TRY(p->failed);
    for (int i = 0; i < p->n_files; i++) {
        TRY(write_file(p, dir, p->files[i].name, &p->files[i].text));
    }
    buf_init(&html);
    enum err e = print_page(&html, p);
    if (e == ERR_OK) {
        e = write_file(p, dir, name, &html);
    }
    buf_release(&html);
    return e;
}
