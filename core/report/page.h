/* A page: one self-contained HTML file, and its tables and figures as files beside it.
 *
 * A page is written from its start to its end: sections, paragraphs, tables, figures. A table is
 * given once and becomes HTML in the page, tables/ID.csv, ID.md and ID.tex; a figure is SVG in the
 * page and figures/ID.svg. Nothing is loaded from elsewhere and nothing is executed; the style
 * sheet stands in the file and has rules for printing. Errors stick: the first one is what
 * page_write() returns. The bytes are a function of what was put.
 */
#ifndef KARMA_REPORT_PAGE_H
#define KARMA_REPORT_PAGE_H

#include "core/report/plot.h"
#include "core/report/table.h"

#include <stdbool.h>

struct page_file {
    const char *name; /* below the directory */
    struct buf text;  /* owned */
};

/* The tables of a page once more, in one file of Markdown. */
struct page_markdown {
    const char *const *ids; /* (n_ids) of the tables that are wanted; 0 = all */
    int n_ids;
    struct buf text; /* owned */
    bool *found;     /* (n_ids) */
};

struct page {
    struct arena *arena; /* borrowed */
    const char *title;
    struct buf contents, body; /* owned: the list of sections, and these */
    struct page_file *files;   /* (n_files) */
    int n_files, cap_files;
    int n_tables, n_figures;
    struct page_markdown *markdown; /* NULL: is not wanted */
    enum err failed;
};

void page_init(struct page *p, struct arena *arena, const char *title);
void page_release(struct page *p);

/* Ids are letters, digits and '-', each once in a page. Texts are plain text. */
void page_section(struct page *p, const char *id, const char *title);
void page_text(struct page *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* One item of a list; the list ends with whatever else follows. */
void page_item(struct page *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* As it is, in a typewriter's letters. */
void page_pre(struct page *p, const char *text);
/* caption: what the table shows; note: how to read it, "" = nothing. A table without a row is
 * left out; the file of Markdown says so if it was asked for. */
void page_table(struct page *p, const char *id, const char *caption, const char *note,
                const struct table *t);
/* Only a file, DIR/ID.ENDING, with that text. */
void page_attach(struct page *p, const char *dir, const char *id, const char *ending,
                 const char *text);
/* Only the files: a table that is too long for a page. */
void page_files(struct page *p, const char *id, const struct table *t);
void page_figure(struct page *p, const char *id, const char *caption, const struct plot *plot);

/* DIR/NAME, DIR/tables/..., DIR/figures/...; each is replaced as a whole, NAME as the last. */
enum err page_write(struct page *p, const char *dir, const char *name) WARN_UNUSED;

#endif
