/* Tables as HTML, LaTeX and CSV. See table_parts.h.
 *
 * A column of intervals becomes three columns of CSV: NAME, "NAME lo" and "NAME hi". A column is
 * one of intervals if one of its cells is, so a program reads a column of the same name and type
 * in every row. */
#include "core/report/table_parts.h"

#include "core/base/number.h"
#include "core/report/escape.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static const struct table_entry *entry(const struct table *t, int row, int column)
{
    return &t->cells[row * t->n_columns + column];
}

/* ---- HTML ---- */

/* Of an interval the ends stand in a span of their own, which the style sheet may make lighter. */
static enum err html_cell(struct buf *out, const struct table *t, int row, int column)
{
    const struct table_entry *e = entry(t, row, column);
    const char *tag = row == 0 ? "th" : "td";
    const char *ends = e->n == 3 ? strchr(e->text, '[') : NULL;
    TRY(buf_printf(out, "<%s%s>", tag, column < t->n_left ? "" : " class=\"n\""));
    if (ends != NULL) {
        TRY(buf_append(out, e->text, (size_t)(ends - e->text)));
        TRY(buf_printf(out, "<span class=\"ci\">%s</span>", ends));
    } else {
        TRY(escape_html(out, e->text));
    }
    return buf_printf(out, "</%s>", tag);
}

static enum err print_html(struct buf *out, const struct table *t)
{
    TRY(buf_printf(out, "<table>\n<thead>\n"));
    for (int row = 0; row <= table_n_rows(t); row++) {
        TRY(buf_printf(out, "<tr>"));
        for (int c = 0; c < t->n_columns; c++) {
            TRY(html_cell(out, t, row, c));
        }
        TRY(buf_printf(out, "</tr>\n%s", row == 0 ? "</thead>\n<tbody>\n" : ""));
    }
    return buf_printf(out, "</tbody>\n</table>\n");
}

/* ---- LaTeX ---- */

static enum err escape_latex(struct buf *out, const char *text)
{
    for (const char *s = text; *s != '\0'; s++) {
        const char *as = *s == '\\'   ? "\\textbackslash{}"
                         : *s == '~'  ? "\\textasciitilde{}"
                         : *s == '^'  ? "\\textasciicircum{}"
                         : *s == '<'  ? "$<$"
                         : *s == '>'  ? "$>$"
                         : *s == '|'  ? "$|$"
                         : *s == '\n' ? " "
                                      : NULL;
        if (as != NULL) {
            TRY(buf_printf(out, "%s", as));
        } else {
            TRY(buf_printf(out, "%s%c", strchr("&%$#_{}", *s) != NULL ? "\\" : "", *s));
        }
    }
    return ERR_OK;
}

/* A minus of a number is a sign and not a hyphen, so it stands in mathematics. */
static enum err latex_cell(struct buf *out, const struct table_entry *e)
{
    if (e->n == 0 || strcmp(e->text, "-") == 0) {
        return strcmp(e->text, "-") == 0 ? buf_printf(out, "--") : escape_latex(out, e->text);
    }
    return buf_printf(out, "$%s$", e->text);
}

static enum err print_latex(struct buf *out, const struct table *t)
{
    TRY(buf_printf(out, "\\begin{tabular}{"));
    for (int c = 0; c < t->n_columns; c++) {
        TRY(buf_printf(out, c < t->n_left ? "l" : "r"));
    }
    TRY(buf_printf(out, "}\n\\toprule\n"));
    for (int row = 0; row <= table_n_rows(t); row++) {
        for (int c = 0; c < t->n_columns; c++) {
            TRY(buf_printf(out, "%s", c > 0 ? " & " : ""));
            TRY(latex_cell(out, entry(t, row, c)));
        }
        TRY(buf_printf(out, " \\\\\n%s", row == 0 ? "\\midrule\n" : ""));
    }
    return buf_printf(out, "\\bottomrule\n\\end{tabular}\n");
}

/* ---- CSV ---- */

static enum err csv_text_cell(struct buf *out, const char *text)
{
    if (strpbrk(text, ",\"\n\r") == NULL) {
        return buf_printf(out, "%s", text);
    }
    TRY(buf_printf(out, "\""));
    for (const char *s = text; *s != '\0'; s++) {
        TRY(buf_printf(out, *s == '"' ? "\"\"" : "%c", *s));
    }
    return buf_printf(out, "\"");
}

/* The fewest digits that read back as the same double, at most 17. Not defined: an empty cell. */
static enum err csv_number(struct buf *out, double v)
{
    char text[32] = "";
    double back = NAN;
    for (int digits = 6; isfinite(v) && digits <= 17 && back != v; digits++) {
        (void)snprintf(text, sizeof text, "%.*g", digits, v);
        if (!number_real(&back, text)) {
            break;
        }
    }
    return buf_printf(out, "%s", text);
}

static bool has_intervals(const struct table *t, int column)
{
    for (int row = 1; row <= table_n_rows(t); row++) {
        if (entry(t, row, column)->n == 3) {
            return true;
        }
    }
    return false;
}

static enum err csv_head(struct buf *out, const char *name, bool intervals)
{
    static const char *const ends[] = {"", " lo", " hi"};
    char text[256];
    for (int i = 0; i < (intervals ? 3 : 1); i++) {
        (void)snprintf(text, sizeof text, "%s%s", name, ends[i]);
        TRY(buf_printf(out, "%s", i > 0 ? "," : ""));
        TRY(csv_text_cell(out, text));
    }
    return ERR_OK;
}

static enum err csv_cell(struct buf *out, const struct table_entry *e, bool intervals)
{
    for (int i = 0; i < (intervals ? 3 : 1); i++) {
        TRY(buf_printf(out, "%s", i > 0 ? "," : ""));
        if (e->n == 0 && i == 0) {
            TRY(csv_text_cell(out, strcmp(e->text, "-") == 0 ? "" : e->text));
        } else if (i < e->n) {
            TRY(csv_number(out, e->x[i]));
        }
    }
    return ERR_OK;
}

static enum err print_csv(struct buf *out, const struct table *t)
{
    bool intervals[TABLE_COLUMNS_MAX];
    for (int c = 0; c < t->n_columns; c++) {
        intervals[c] = has_intervals(t, c);
    }
    for (int row = 0; row <= table_n_rows(t); row++) {
        for (int c = 0; c < t->n_columns; c++) {
            TRY(buf_printf(out, "%s", c > 0 ? "," : ""));
            TRY(row == 0 ? csv_head(out, entry(t, 0, c)->text, intervals[c])
                         : csv_cell(out, entry(t, row, c), intervals[c]));
        }
        TRY(buf_printf(out, "\n"));
    }
    return ERR_OK;
}

enum err table_print_page(struct buf *out, const struct table *t, enum table_style style)
{
    return style == TABLE_HTML    ? print_html(out, t)
           : style == TABLE_LATEX ? print_latex(out, t)
                                  : print_csv(out, t);
}
