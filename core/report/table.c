/* Cells first, layout last: a column is as wide as its widest cell. See table.h. Cells lie row by
 * row in one list, the head first, so row r of column c is cell r * n_columns + c. After a failure
 * no cell is added, and table_print() returns it. */
#include "core/report/table.h"

#include "core/report/table_parts.h"

#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { CELL_MAX = 512, ROWS_AT_FIRST = 16 };

/* The list doubles when it is full. The arena keeps the old lists until it is rewound: together
 * they are shorter than the last one. */
static void put(struct table *t, const char *text)
{
    const char *copy = arena_strdup(t->arena, text);
    if (t->n_cells == t->cap) {
        const int cap = 2 * t->cap;
        struct table_entry *cells = ARENA_NEW(t->arena, cap, struct table_entry);
        if (cells == NULL) {
            t->failed = ERR_MEMORY;
            return;
        }
        memcpy(cells, t->cells, (size_t)t->n_cells * sizeof *cells);
        t->cells = cells;
        t->cap = cap;
    }
    if (copy == NULL) {
        t->failed = ERR_MEMORY;
        return;
    }
    t->cells[t->n_cells++] = (struct table_entry){.text = copy};
}

/* A failure is remembered and not returned, so rows can be added without asking after each cell. */
void table_init(struct table *t, struct arena *arena, const char *const *head, int n_columns,
                int n_left)
{
    CHECK(n_columns > 0 && n_columns <= TABLE_COLUMNS_MAX && n_left <= n_columns);
    const int cap = ROWS_AT_FIRST * n_columns;
    *t = (struct table){.arena = arena,
                        .cells = ARENA_NEW(arena, cap, struct table_entry),
                        .n_columns = n_columns,
                        .n_left = n_left,
                        .cap = cap};
    if (t->cells == NULL) {
        t->failed = ERR_MEMORY;
    }
    for (int c = 0; c < n_columns; c++) {
        table_text(t, head[c]);
    }
}

void table_text(struct table *t, const char *text)
{
    if (t->failed == ERR_OK) {
        put(t, text);
    }
}

void table_cell(struct table *t, const char *fmt, ...)
{
    char text[CELL_MAX];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    table_text(t, text);
}

/* The numbers behind the text that was added last. After a failure there is none. */
static void keep_numbers(struct table *t, int n, double value, double lo, double hi)
{
    if (t->failed == ERR_OK) {
        struct table_entry *e = &t->cells[t->n_cells - 1];
        e->n = n;
        e->x[0] = value;
        e->x[1] = lo;
        e->x[2] = hi;
    }
}

void table_number(struct table *t, double v)
{
    if (isfinite(v)) {
        table_cell(t, "%.6g", v);
    } else {
        table_text(t, "-");
    }
    keep_numbers(t, 1, v, NAN, NAN);
}

/* -0.0001 with three decimals is "0.000", not "-0.000": a sign is said only of what is shown. A
 * text of nothing but '-', '0' and '.' is a zero after rounding, whatever v was. */
static double shown(double v, int decimals)
{
    char text[64];
    snprintf(text, sizeof text, "%.*f", decimals, v);
    return text[strspn(text, "-0.")] == '\0' ? 0.0 : v;
}

void table_fixed(struct table *t, double v, int decimals)
{
    if (isfinite(v)) {
        table_cell(t, "%.*f", decimals, shown(v, decimals));
    } else {
        table_text(t, "-");
    }
    keep_numbers(t, 1, v, NAN, NAN);
}

/* Value and ends are rounded by printf(), each to the nearest number with these decimals. */
static void put_interval(struct table *t, const struct stat_interval *v, int decimals, bool sign)
{
    if (!isfinite(v->value)) {
        table_text(t, "-");
        keep_numbers(t, 3, NAN, NAN, NAN);
        return;
    }
    const double x[3] = {shown(v->value, decimals), shown(v->lo, decimals), shown(v->hi, decimals)};
    if (!isfinite(v->lo) || !isfinite(v->hi)) {
        table_cell(t, sign ? "%+.*f" : "%.*f", decimals, x[0]);
    } else if (sign) {
        table_cell(t, "%+.*f [%+.*f, %+.*f]", decimals, x[0], decimals, x[1], decimals, x[2]);
    } else {
        table_cell(t, "%.*f [%.*f, %.*f]", decimals, x[0], decimals, x[1], decimals, x[2]);
    }
    keep_numbers(t, 3, v->value, v->lo, v->hi);
}

void table_interval(struct table *t, const struct stat_interval *v, int decimals)
{
    put_interval(t, v, decimals, false);
}

void table_difference(struct table *t, const struct stat_interval *v, int decimals)
{
    put_interval(t, v, decimals, true);
}

/* ---- layout ---- */

/* Characters, not bytes: in UTF-8 every byte but the first of a character has the form 10xxxxxx. */
static int width_of(const char *s)
{
    int n = 0;
    for (; *s != '\0'; s++) {
        n += ((unsigned char)*s & 0xc0) != 0x80;
    }
    return n;
}

/* Markdown needs three dashes below each head, hence `least`. */
static void find_widths(int *width, const struct table *t, int least)
{
    for (int c = 0; c < t->n_columns; c++) {
        width[c] = least;
        for (int i = c; i < t->n_cells; i += t->n_columns) {
            const int w = width_of(t->cells[i].text);
            width[c] = w > width[c] ? w : width[c];
        }
    }
}

/* printf() pads by bytes; so the blanks are computed and printed by themselves. */
static enum err print_padded(struct buf *out, const char *text, int width, bool left)
{
    const int room = width - width_of(text);
    const int pad = room > 0 ? room : 0;
    return left ? buf_printf(out, "%s%*s", text, pad, "") : buf_printf(out, "%*s%s", pad, "", text);
}

/* Columns of words are padded on the right, columns of numbers on the left. */
static enum err print_row(struct buf *out, const struct table *t, const int *width, int row,
                          enum table_style style)
{
    const char *between = style == TABLE_MARKDOWN ? " | " : "  ";
    TRY(buf_printf(out, "%s", style == TABLE_MARKDOWN ? "| " : ""));
    for (int c = 0; c < t->n_columns; c++) {
        const char *cell = t->cells[row * t->n_columns + c].text;
        /* No blanks at the end of a line. */
        const bool last = c == t->n_columns - 1 && style == TABLE_TEXT && c < t->n_left;
        TRY(buf_printf(out, "%s", c > 0 ? between : ""));
        TRY(print_padded(out, cell, last ? 0 : width[c], c < t->n_left));
    }
    return buf_printf(out, "%s", style == TABLE_MARKDOWN ? " |\n" : "\n");
}

/* In Markdown a ':' at the end of the dashes aligns a column to the right; it replaces a dash. */
static enum err print_rule(struct buf *out, const struct table *t, const int *width,
                           enum table_style style)
{
    static const char dashes[] = "----------------------------------------------------------------";
    const int longest = (int)sizeof dashes - 1;
    for (int c = 0; c < t->n_columns; c++) {
        const bool markdown = style == TABLE_MARKDOWN;
        int n = markdown && c >= t->n_left ? width[c] - 1 : width[c];
        TRY(buf_printf(out, "%s", markdown ? (c > 0 ? " | " : "| ") : (c > 0 ? "  " : "")));
        for (; n > 0; n -= longest) {
            TRY(buf_printf(out, "%.*s", n < longest ? n : longest, dashes));
        }
        TRY(buf_printf(out, "%s", markdown && c >= t->n_left ? ":" : ""));
    }
    return buf_printf(out, "%s", style == TABLE_MARKDOWN ? " |\n" : "\n");
}

int table_n_rows(const struct table *t)
{
    return t->n_cells / t->n_columns - 1;
}

enum err table_print(struct buf *out, const struct table *t, enum table_style style)
{
    int width[TABLE_COLUMNS_MAX];
    TRY(t->failed);
    CHECK(t->n_cells % t->n_columns == 0);
    if (style != TABLE_TEXT && style != TABLE_MARKDOWN) {
        return table_print_page(out, t, style);
    }
    find_widths(width, t, style == TABLE_MARKDOWN ? 3 : 0);
    TRY(print_row(out, t, width, 0, style));
    TRY(print_rule(out, t, width, style));
    for (int row = 1; row < t->n_cells / t->n_columns; row++) {
        TRY(print_row(out, t, width, row, style));
    }
    return ERR_OK;
}

enum err table_show(const struct table *t)
{
    struct buf b;
    buf_init(&b);
    const enum err e = table_print(&b, t, TABLE_TEXT);
    fwrite(b.data, 1, b.len, stdout);
    buf_release(&b);
    return e;
}
