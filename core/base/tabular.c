/* The text is made uniform once; then each row is cut where it stands. See tabular.h.
 *
 * unify_ends() guarantees that a text that is not empty ends in a line end with a NUL behind it,
 * and read_text() that there is no other NUL. The loops below rely on it: a search for a line end
 * always finds one, and inside quotes only the end of the text is a NUL. Rows are measured first
 * (count_cells()) and cut afterwards (take_row()), so a separator can be tried without damage. */
#include "core/base/tabular.h"

#include "core/base/gzip.h"
#include "core/base/log.h"
#include "core/base/number.h"
#include "core/base/timestamp.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { NAMES_SHOWN = 16 };
static const char separators[] = ",;\t";

const char *const tabular_time_names[] = {"time",     "_time",     "timestamp", "@timestamp",
                                          "t_s",      "time_s",    "t",         "date",
                                          "datetime", "date_time", "ds",        NULL};

static enum err refuse(const struct tabular *t, int line, const char *what)
{
    log_error("%s:%d: %s", t->path, line, what);
    return ERR_FORMAT;
}

/* ---- the text ---- */

static bool begins(const struct buf *b, const char *bytes, size_t n)
{
    return b->len >= n && memcmp(b->data, bytes, n) == 0;
}

/* What a file is that is no text, with the remedy; NULL: it may be one. */
static const char *no_text(const struct buf *b)
{
    if (begins(b, "\xff\xfe", 2) || begins(b, "\xfe\xff", 2)) {
        return "the text is UTF-16; save it as UTF-8";
    }
    if (begins(b, "PK\x03\x04", 4)) {
        return "this is a workbook or a zip archive; save the sheet as CSV, or unpack it";
    }
    return NULL;
}

/* The line in which a NUL stands; 0: in none. */
static int line_of_nul(const struct buf *b)
{
    const unsigned char *nul = b->len > 0 ? memchr(b->data, '\0', b->len) : NULL;
    int line = nul != NULL;
    for (const unsigned char *at = b->data; nul != NULL && at < nul; at++) {
        line += *at == '\n';
    }
    return line;
}

/* Line ends of every make become \n, and the last line has one; a NUL stands behind it. */
static enum err unify_ends(struct buf *text)
{
    /* Without any \n a \r is a line end of its own (Mac OS 9). Otherwise \r\n becomes \n, and a
     * lone \r stays and is dropped at the end of a cell. The text only becomes shorter, so it is
     * rewritten in place: n <= i. */
    const bool old_mac = text->len > 0 && memchr(text->data, '\n', text->len) == NULL;
    size_t n = 0;
    for (size_t i = 0; i < text->len; i++) {
        const unsigned char c = text->data[i];
        if (c == '\r' && i + 1 < text->len && text->data[i + 1] == '\n') {
            continue;
        }
        text->data[n++] = c == '\r' && old_mac ? '\n' : c;
    }
    text->len = n;
    if (n > 0 && text->data[n - 1] != '\n') {
        TRY(buf_append(text, "\n", 1));
    }
    TRY(buf_append(text, "", 1));
    text->len--;
    return ERR_OK;
}

static enum err read_text(struct tabular *t, size_t max_bytes)
{
    TRY(gzip_read(&t->text, t->path, max_bytes));
    const char *what = no_text(&t->text);
    if (what != NULL) {
        return refuse(t, 1, what);
    }
    const int nul = line_of_nul(&t->text);
    if (nul > 0) {
        return refuse(t, nul,
                      "not a text file; a table of numbers was expected, CSV or one number a line");
    }
    TRY(unify_ends(&t->text));
    t->at = (char *)t->text.data;
    t->end = t->at + t->text.len;
    if (begins(&t->text, "\xef\xbb\xbf", 3)) {
        t->at += 3;
    }
    return ERR_OK;
}

/* ---- cells ---- */

enum cut { CUT_OK, CUT_OPEN, CUT_STRAY };

static char *skip_blanks(char *at, char separator)
{
    while (*at == ' ' || (*at == '\t' && separator != '\t')) {
        at++;
    }
    return at;
}

/* The cell that begins at `at`: *end is its separator or line end. Nothing is changed. */
static enum cut measure_cell(char **end, int *n_lines, char *at, char separator)
{
    at = skip_blanks(at, separator);
    if (*at != '"') {
        for (; *at != separator && *at != '\n'; at++) {
            if (*at == '"') {
                return CUT_STRAY;
            }
        }
        *end = at;
        return CUT_OK;
    }
    /* Up to a quote that is not doubled. The second of a doubled pair is the byte that the loop
     * steps over. */
    for (at++; *at != '\0' && (*at != '"' || at[1] == '"'); at++) {
        at += *at == '"';
        *n_lines += *at == '\n';
    }
    if (*at == '\0') {
        return CUT_OPEN;
    }
    *end = skip_blanks(at + 1, separator);
    return **end == separator || **end == '\n' ? CUT_OK : CUT_STRAY;
}

/* Number of cells of the row at `at`; *end: its line end. */
static enum cut count_cells(int *n, char **end, int *n_lines, char *at, char separator)
{
    *n = 0;
    *n_lines = 1;
    for (;; at = *end + 1) {
        const enum cut cut = measure_cell(end, n_lines, at, separator);
        if (cut != CUT_OK) {
            return cut;
        }
        (*n)++;
        if (**end == '\n') {
            return CUT_OK;
        }
    }
}

/* The text of the cell [at, end), NUL-terminated in place. */
static char *take_cell(char *at, char *end, char separator)
{
    at = skip_blanks(at, separator);
    if (*at == '"') {
        char *out = ++at, *in = at;
        for (; *in != '"' || in[1] == '"'; in++) {
            in += *in == '"';
            *out++ = *in;
        }
        *out = '\0';
        return at;
    }
    while (end > at && (end[-1] == ' ' || end[-1] == '\r' || end[-1] == '\t')) {
        end--;
    }
    *end = '\0';
    return at;
}

/* Cuts the row at `at`, which count_cells() found sound; returns whether any cell has a text. */
static bool take_row(const char **cells, char *at, char separator)
{
    bool any = false;
    for (int i = 0;; i++) {
        char *end = NULL;
        int n_lines = 0;
        (void)measure_cell(&end, &n_lines, at, separator);
        const bool last = *end == '\n';
        cells[i] = take_cell(at, end, separator);
        any = any || cells[i][0] != '\0';
        if (last) {
            return any;
        }
        at = end + 1;
    }
}

/* ---- lines that are no rows ---- */

static void skip_line(struct tabular *t)
{
    t->at = (char *)memchr(t->at, '\n', (size_t)(t->end - t->at)) + 1;
    t->next_line++;
}

/* Moves to the next line that is neither blank nor a comment. */
static void skip_idle(struct tabular *t)
{
    while (t->at < t->end) {
        const char *text = t->at;
        while (*text == ' ' || *text == '\r' || (*text == '\t' && t->separator != '\t')) {
            text++;
        }
        if (*text != '\n' && *text != '#') {
            return;
        }
        skip_line(t);
    }
}

/* "sep=;", quoted or not, as Excel and Grafana write it: the separator it names, '\0' if the line
 * is none. */
static char separator_line(const char *at)
{
    at += *at == '"';
    if (strncasecmp(at, "sep=", 4) != 0 || at[4] == '\0' || strchr(separators, at[4]) == NULL) {
        return '\0';
    }
    const char *rest = at + 5 + strspn(at + 5, "\" \r");
    return *rest == '\n' ? at[4] : '\0';
}

/* ---- the header ---- */

/* Cells of the first row below the header, for this separator. */
static int count_below(const struct tabular *t, char *header_end, char separator)
{
    /* A copy with a position of its own: looking ahead changes nothing in *t. */
    struct tabular ahead = *t;
    int n, n_lines;
    char *end;
    ahead.at = header_end + 1;
    ahead.separator = separator;
    skip_idle(&ahead);
    if (ahead.at == ahead.end || count_cells(&n, &end, &n_lines, ahead.at, separator) != CUT_OK) {
        return 0;
    }
    return n;
}

/* The separator under which header and first row have the same number of cells, most of them; else
 * the one that the header has most often; '\0' if it has none. */
static char find_separator(const struct tabular *t)
{
    char best = '\0';
    int best_score = 1;
    for (const char *s = separators; *s != '\0'; s++) {
        int n, n_lines;
        char *end;
        if (count_cells(&n, &end, &n_lines, t->at, *s) != CUT_OK || n < 2) {
            continue;
        }
        /* n <= TABULAR_COLUMNS_MAX for tables that are read, so agreement with the first row
         * outweighs every number of cells, and among separators that agree the one with most cells
         * wins. Of equals the first in `separators` does. */
        const int score = n + (count_below(t, end, *s) == n ? TABULAR_COLUMNS_MAX : 0);
        if (score > best_score) {
            best = *s;
            best_score = score;
        }
    }
    return best;
}

static enum err bad_cut(const struct tabular *t, enum cut cut)
{
    return refuse(t, t->next_line,
                  cut == CUT_OPEN ? "a quote is never closed"
                                  : "a quote in the middle of a cell; quote the whole cell, and "
                                    "double the quotes inside");
}

static enum err read_header(struct tabular *t)
{
    int n, n_lines;
    char *end;
    const enum cut cut = count_cells(&n, &end, &n_lines, t->at, t->separator);
    if (cut != CUT_OK) {
        return bad_cut(t, cut);
    }
    if (n > TABULAR_COLUMNS_MAX) {
        log_error("%s:%d: %d columns; at most %d are read", t->path, t->next_line, n,
                  TABULAR_COLUMNS_MAX);
        return ERR_FORMAT;
    }
    t->header = ARENA_NEW(t->arena, n, const char *);
    t->cells = ARENA_NEW(t->arena, n, const char *);
    TRY(arena_error(t->arena));
    (void)take_row(t->header, t->at, t->separator);
    t->n_columns = n;
    t->header_line = t->next_line;
    t->next_line += n_lines;
    t->at = end + 1;
    return ERR_OK;
}

static enum err begin(struct tabular *t, size_t max_bytes)
{
    TRY(read_text(t, max_bytes));
    skip_idle(t);
    char separator = t->at < t->end ? separator_line(t->at) : '\0';
    if (separator != '\0') {
        skip_line(t);
        skip_idle(t);
    }
    if (t->at == t->end) {
        log_error("%s: the file is empty; a table with a header was expected, or one number a line",
                  t->path);
        return ERR_FORMAT;
    }
    t->separator = separator != '\0' ? separator : find_separator(t);
    int n, n_lines;
    char *end;
    const enum cut cut = count_cells(&n, &end, &n_lines, t->at, ',');
    if (t->separator == '\0' && cut != CUT_OK) {
        return bad_cut(t, cut);
    }
    if (t->separator == '\0') { /* one column: a number a line */
        t->n_columns = 1;
        t->cells = ARENA_NEW(t->arena, 1, const char *);
        return arena_error(t->arena);
    }
    return read_header(t);
}

enum err tabular_open(struct tabular *t, struct arena *arena, const char *path, size_t max_bytes)
{
    *t = (struct tabular){.path = path, .arena = arena, .next_line = 1};
    buf_init(&t->text);
    const enum err e = begin(t, max_bytes);
    if (e != ERR_OK) {
        tabular_close(t);
    }
    return e;
}

void tabular_close(struct tabular *t)
{
    buf_release(&t->text);
}

/* ---- rows ---- */

enum err tabular_next(struct tabular *t, bool *more)
{
    /* A table without a header has one cell a line: a line end as the separator never ends a cell
     * earlier. */
    const char separator = t->separator != '\0' ? t->separator : '\n';
    for (;;) {
        int n, n_lines;
        char *end;
        skip_idle(t);
        *more = t->at < t->end;
        if (!*more) {
            return ERR_OK;
        }
        const enum cut cut = count_cells(&n, &end, &n_lines, t->at, separator);
        if (cut != CUT_OK) {
            return bad_cut(t, cut);
        }
        if (n != t->n_columns) {
            log_error("%s:%d: the row has %d cells, the header in line %d has %d; give every row "
                      "as many, separated by %ss",
                      t->path, t->next_line, n, t->header_line, t->n_columns,
                      tabular_separator_name(t));
            return ERR_FORMAT;
        }
        t->line = t->next_line;
        t->next_line += n_lines;
        char *row = t->at;
        t->at = end + 1;
        if (take_row(t->cells, row, separator)) {
            return ERR_OK;
        }
    }
}

/* ---- names ---- */

int tabular_find(const struct tabular *t, const char *name)
{
    if (name[0] == '#') {
        int64_t number;
        return number_whole(&number, name + 1, 1, t->n_columns) ? (int)number - 1 : -1;
    }
    for (int i = 0; t->header != NULL && i < t->n_columns; i++) {
        if (strcasecmp(name, t->header[i]) == 0) {
            return i;
        }
    }
    return -1;
}

int tabular_twin(const struct tabular *t, int column)
{
    for (int i = 0; t->header != NULL && i < t->n_columns; i++) {
        if (i != column && strcasecmp(t->header[i], t->header[column]) == 0) {
            return i;
        }
    }
    return -1;
}

bool tabular_headless(const struct tabular *t)
{
    for (int i = 0; t->header != NULL && i < t->n_columns; i++) {
        double ignored;
        if (!number_real(&ignored, t->header[i])) {
            return false;
        }
    }
    return t->header != NULL;
}

int tabular_find_any(const struct tabular *t, const char *const *names)
{
    int column = -1;
    for (int i = 0; column < 0 && names[i] != NULL; i++) {
        column = tabular_find(t, names[i]);
    }
    return column;
}

const char *tabular_names(struct arena *arena, const char *const *names, int n)
{
    const char *list = "";
    for (int i = 0; list != NULL && i < n && i < NAMES_SHOWN; i++) {
        list = arena_printf(arena, "%s%s'%.60s'", list, i > 0 ? ", " : "", names[i]);
    }
    if (list != NULL && n > NAMES_SHOWN) {
        list = arena_printf(arena, "%s and %d more", list, n - NAMES_SHOWN);
    }
    return list != NULL ? list : "(no memory to list them)";
}

const char *tabular_found(const struct tabular *t)
{
    return t->header == NULL ? "none (there is no header)"
                             : tabular_names(t->arena, t->header, t->n_columns);
}

const char *tabular_separator_name(const struct tabular *t)
{
    return t->separator == ';' ? "semicolon" : t->separator == '\t' ? "tab" : "comma";
}

/* ---- values ---- */

bool tabular_missing(const char *cell)
{
    static const char *const words[] = {"", "nan", "na", "n/a", "null", "none"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (strcasecmp(cell, words[i]) == 0) {
            return true;
        }
    }
    return false;
}

bool tabular_number(struct tabular *t, double *out, const char *cell)
{
    char text[64];
    const char *comma = strchr(cell, ',');
    if (comma == NULL || t->separator == ',') {
        return timestamp_number(out, cell);
    }
    /* One comma and no point is a decimal comma. Two commas, or both signs, are thousands
     * separators, whose meaning depends on the country: refused. */
    const size_t n = strlen(cell);
    if (n >= sizeof text || strchr(comma + 1, ',') != NULL || strchr(cell, '.') != NULL) {
        return false;
    }
    memcpy(text, cell, n + 1);
    text[comma - cell] = '.';
    const bool is = timestamp_number(out, text);
    t->n_decimal_commas += is;
    return is;
}

const char *tabular_why_no_number(const struct tabular *t, const char *cell)
{
    double ignored;
    if (strpbrk(cell, ",'") != NULL && strpbrk(cell, "0123456789") != NULL) {
        return t->separator == ','
                   ? "is not a number; write it with a decimal point and without thousands "
                     "separators, or separate the columns by semicolons"
                   : "is not a number; write it without thousands separators";
    }
    return strpbrk(cell, "0123456789") != NULL && !timestamp_number(&ignored, cell)
               ? "is not a number; write the number alone, without its unit"
               : "is not a number; an empty cell or nan is a value that is missing";
}
