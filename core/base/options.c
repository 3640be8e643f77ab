/* One walk over argv against the table, and one over the table for the help. */
#include "core/base/options.h"

#include "core/base/log.h"
#include "core/base/nearest.h"
#include "core/base/number.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HELP_WIDTH = 100, HELP_COLUMN_MAX = 34 };

/* State of one parse. Invariant: argv[next..argc) has not been looked at. */
struct parse {
    const struct command_line *line;
    struct arena *arena;
    void *values; /* a copy: the caller's struct is written at the end */
    struct operands operands;
    int argc;
    char *const *argv;
    int next;
};

/* "chain, tree": names for a sentence, cut at the end of the text. */
struct name_list {
    char text[256];
    size_t len;
};

static void name_list_add(struct name_list *l, const char *prefix, const char *name)
{
    const int n = snprintf(l->text + l->len, sizeof l->text - l->len, "%s%s%s",
                           l->len > 0 ? ", " : "", prefix, name);
    /* snprintf() tells the length without the cut, so len is brought back to what is there. */
    l->len += n > 0 ? (size_t)n : 0U;
    l->len = l->len < sizeof l->text ? l->len : sizeof l->text - 1;
}

static enum err usage_error(const struct parse *p, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* One line for every mistake: "karma train: SENTENCE ('karma train --help' explains the command)".
 */
static enum err usage_error(const struct parse *p, const char *fmt, ...)
{
    char sentence[1024];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(sentence, sizeof sentence, fmt, ap);
    va_end(ap);
    log_error("%s: %s ('%s --help' explains the command)", p->line->command, sentence,
              p->line->command);
    return ERR_USAGE;
}

static const struct option_row *find_name(const struct parse *p, const char *name, size_t len)
{
    for (const struct option_row *o = p->line->options; o->name != NULL; o++) {
        if (strlen(o->name) == len && memcmp(o->name, name, len) == 0) {
            return o;
        }
    }
    return NULL;
}

static const struct option_row *find_letter(const struct parse *p, char letter)
{
    for (const struct option_row *o = p->line->options; o->name != NULL; o++) {
        if (o->letter == letter) {
            return o;
        }
    }
    return NULL;
}

/* "--out, --set, --help" */
static void list_options(struct name_list *out, const struct parse *p)
{
    *out = (struct name_list){.len = 0};
    for (const struct option_row *o = p->line->options; o->name != NULL; o++) {
        name_list_add(out, "--", o->name);
    }
    name_list_add(out, "--", "help");
}

static enum err unknown_name(const struct parse *p, const char *name, size_t len)
{
    char typed[64];
    struct name_list known;
    (void)snprintf(typed, sizeof typed, "%.*s", (int)(len < sizeof typed ? len : sizeof typed - 1),
                   name);
    struct nearest near = nearest_to(typed);
    nearest_offer(&near, "help");
    for (const struct option_row *o = p->line->options; o->name != NULL; o++) {
        nearest_offer(&near, o->name);
    }
    if (nearest_word(&near) != NULL) {
        return usage_error(p, "unknown option '--%s'; did you mean '--%s'?", typed,
                           nearest_word(&near));
    }
    list_options(&known, p);
    return usage_error(p, "unknown option '--%s'; it takes %s", typed, known.text);
}

static enum err read_int(const struct parse *p, const struct option_row *o, const char *value)
{
    int64_t n;
    if (!number_whole(&n, value, o->min, o->max)) {
        return usage_error(p, "--%s: found '%s', allowed is a whole number from %d to %d", o->name,
                           value, o->min, o->max);
    }
    int narrow = (int)n;
    memcpy((char *)p->values + o->offset, &narrow, sizeof narrow);
    return ERR_OK;
}

/* A list is allocated once, with room for every argument there is: each value comes from an
 * argument of its own, or is the rest of one, so there are at most argc. */
static enum err add_to_list(const struct parse *p, const struct option_row *o, const char *value)
{
    const char **items = NULL;
    int n = 0;
    memcpy(&items, (char *)p->values + o->offset, sizeof items);
    memcpy(&n, (char *)p->values + o->second_offset, sizeof n);
    if (items == NULL) {
        items = ARENA_NEW(p->arena, p->argc, const char *);
        TRY(arena_error(p->arena));
    }
    items[n] = value;
    n++;
    memcpy((char *)p->values + o->offset, &items, sizeof items);
    memcpy((char *)p->values + o->second_offset, &n, sizeof n);
    return ERR_OK;
}

static enum err store(const struct parse *p, const struct option_row *o, const char *value)
{
    static const bool yes = true;
    switch (o->type) {
    case OPTION_TYPE_FLAG:
        memcpy((char *)p->values + o->offset, &yes, sizeof yes);
        return ERR_OK;
    case OPTION_TYPE_STRING:
        memcpy((char *)p->values + o->offset, &value, sizeof value);
        return ERR_OK;
    case OPTION_TYPE_INT:
    case OPTION_TYPE_NUMBERED:
        return read_int(p, o, value);
    case OPTION_TYPE_LIST:
        return add_to_list(p, o, value);
    }
    return ERR_OK;
}

/* A value that follows as an argument of its own. */
static enum err take_next(struct parse *p, const char **value, const struct option_row *o)
{
    if (p->next >= p->argc) {
        return usage_error(p, "--%s needs %s; write --%s %s", o->name,
                           o->type == OPTION_TYPE_NUMBERED ? "two values" : "a value", o->name,
                           o->arg);
    }
    *value = p->argv[p->next];
    p->next++;
    return ERR_OK;
}

/* An option's value or values; the first is the next argument if it is NULL here. */
static enum err store_values(struct parse *p, const struct option_row *o, const char *value)
{
    if (value == NULL) {
        TRY(take_next(p, &value, o));
    }
    TRY(store(p, o, value));
    if (o->type == OPTION_TYPE_NUMBERED) {
        TRY(take_next(p, &value, o));
        memcpy((char *)p->values + o->second_offset, &value, sizeof value);
    }
    return ERR_OK;
}

/* "--name" or "--name=value" */
static enum err take_long(struct parse *p, const char *text)
{
    size_t len = strcspn(text, "=");
    const char *value = text[len] == '=' ? text + len + 1 : NULL;
    const struct option_row *o = find_name(p, text, len);
    if (o == NULL && strcmp(text, "help") == 0) {
        p->operands.help = true;
        return ERR_OK;
    }
    if (o == NULL) {
        return unknown_name(p, text, len);
    }
    if (o->type == OPTION_TYPE_FLAG) {
        if (value != NULL) {
            return usage_error(p, "--%s takes no value; write --%s alone", o->name, o->name);
        }
        return store(p, o, NULL);
    }
    return store_values(p, o, value);
}

/* "-a", "-abc" (flags), "-oVALUE" or "-o" with the value next. */
static enum err take_letters(struct parse *p, const char *text)
{
    struct name_list known;
    for (const char *c = text; *c != '\0'; c++) {
        /* Letters without a value may stand together. The first one with a value takes the rest of
         * the word as its value, or the next argument if nothing is left. */
        const struct option_row *o = find_letter(p, *c);
        if (o == NULL && *c == 'h') {
            p->operands.help = true;
            return ERR_OK;
        }
        if (o == NULL) {
            list_options(&known, p);
            return usage_error(p, "unknown option '-%c'; it takes %s", *c, known.text);
        }
        if (o->type != OPTION_TYPE_FLAG) {
            return store_values(p, o, c[1] != '\0' ? c + 1 : NULL);
        }
        TRY(store(p, o, NULL));
    }
    return ERR_OK;
}

static void take_operand(struct parse *p, const char *text)
{
    p->operands.items[p->operands.n] = text;
    p->operands.n++;
}

static enum err take_all(struct parse *p)
{
    /* Each round looks at one argument at least, and at the values that it takes. "-" alone is an
     * operand, by custom the name of the standard input; "--" makes all that follow operands. */
    bool only_operands = false;
    while (p->next < p->argc && !p->operands.help) {
        const char *text = p->argv[p->next];
        p->next++;
        if (only_operands || text[0] != '-' || text[1] == '\0') {
            take_operand(p, text);
        } else if (strcmp(text, "--") == 0) {
            only_operands = true;
        } else if (text[1] == '-') {
            TRY(take_long(p, text + 2));
        } else {
            TRY(take_letters(p, text + 1));
        }
    }
    return ERR_OK;
}

static enum err check_operands(const struct parse *p)
{
    /* Operands go to the rows in order, each row taking as many as it may. So only the last row of
     * a table may have a variable number. Something is left over only if every row is full: the
     * first operand that is too much is then number `most`. */
    int64_t most = 0; /* wide: a row may allow INT_MAX */
    int left = p->operands.n;
    for (const struct operand_row *o = p->line->operands; o->name != NULL; o++) {
        most += o->n_max;
        if (left < o->n_min) {
            return usage_error(p, "%s is missing (%s)", o->name, o->doc);
        }
        left -= left < o->n_max ? left : o->n_max;
    }
    if (left > 0) {
        return usage_error(p, "unexpected argument '%s'", p->operands.items[most]);
    }
    return ERR_OK;
}

/* Lists of the copy begin empty, so that defaults are replaced and not appended to. */
static void empty_lists(const struct parse *p)
{
    const char **none = NULL;
    int zero = 0;
    for (const struct option_row *o = p->line->options; o->name != NULL; o++) {
        if (o->type == OPTION_TYPE_LIST) {
            memcpy((char *)p->values + o->offset, &none, sizeof none);
            memcpy((char *)p->values + o->second_offset, &zero, sizeof zero);
        }
    }
}

static void keep_default_lists(const struct parse *p, const void *defaults)
{
    for (const struct option_row *o = p->line->options; o->name != NULL; o++) {
        const char **items = NULL;
        if (o->type == OPTION_TYPE_LIST) {
            memcpy(&items, (const char *)p->values + o->offset, sizeof items);
        }
        /* An option that was not given keeps its default; one that was given replaces it. */
        if (o->type == OPTION_TYPE_LIST && items == NULL) {
            memcpy((char *)p->values + o->offset, (const char *)defaults + o->offset, sizeof items);
            memcpy((char *)p->values + o->second_offset, (const char *)defaults + o->second_offset,
                   sizeof(int));
        }
    }
}

enum err options_parse(const struct command_line *line, struct arena *arena, void *values,
                       struct operands *operands, int argc, char *const *argv)
{
    struct parse p = {.line = line, .arena = arena, .argc = argc, .argv = argv, .next = 1};
    /* All is read into a copy. After an error, or for --help, the caller's struct is as it was. */
    p.values = arena_alloc(arena, 1, line->size);
    p.operands.items = ARENA_NEW(arena, argc, const char *);
    TRY(arena_error(arena));
    memcpy(p.values, values, line->size);
    empty_lists(&p);
    TRY(take_all(&p));
    if (!p.operands.help) {
        TRY(check_operands(&p));
        keep_default_lists(&p, values);
        memcpy(values, p.values, line->size);
    }
    *operands = p.operands;
    return ERR_OK;
}

/* Help --------------------------------------------------------------------------------------- */

/* "  TERM   doc", the doc broken into lines that begin at `column`. */
static enum err help_line(struct buf *b, const char *term, size_t column, const char *doc)
{
    size_t used = strlen(term);
    TRY(buf_printf(b, "%s", term));
    /* A term that is too long has a line of its own. */
    if (used > 0 && used + 2 > column) {
        TRY(buf_printf(b, "\n"));
        used = 0;
    }
    TRY(buf_printf(b, "%*s", (int)(column - used), ""));
    used = column;
    for (const char *word = doc; *word != '\0';) {
        /* A word goes on the line if it fits, or if the line is empty: a word longer than the line
         * is not cut. Every round moves `word` on, since a word and the blanks behind it are not
         * both empty. */
        size_t len = strcspn(word, " ");
        if (used > column && used + 1 + len > HELP_WIDTH) {
            TRY(buf_printf(b, "\n%*s", (int)column, ""));
            used = column;
        }
        TRY(buf_printf(b, "%s%.*s", used > column ? " " : "", (int)len, word));
        used += len + (used > column ? 1U : 0U);
        word += len + strspn(word + len, " ");
    }
    return buf_printf(b, "\n");
}

/* "  -o, --out DIR" */
static void option_term(char out[96], const struct option_row *o)
{
    char letter[8] = "    ";
    if (o->letter != '\0') {
        (void)snprintf(letter, sizeof letter, "-%c, ", o->letter);
    }
    (void)snprintf(out, 96, "  %s--%s%s%s", letter, o->name, *o->arg != '\0' ? " " : "", o->arg);
}

static enum err help_option(struct buf *b, const struct option_row *o, size_t column)
{
    char term[96];
    char doc[512];
    option_term(term, o);
    if (o->type == OPTION_TYPE_INT) {
        (void)snprintf(doc, sizeof doc, "%s; from %d to %d", o->doc, o->min, o->max);
    } else if (o->type == OPTION_TYPE_NUMBERED) {
        (void)snprintf(doc, sizeof doc, "%s; %.*s from %d to %d", o->doc, (int)strcspn(o->arg, " "),
                       o->arg, o->min, o->max);
    } else {
        (void)snprintf(doc, sizeof doc, "%s%s", o->doc,
                       o->type == OPTION_TYPE_LIST ? "; may be repeated" : "");
    }
    return help_line(b, term, column, doc);
}

static const struct option_row HELP_ROW = {
    .name = "help", .letter = 'h', .arg = "", .doc = "print this help"};

/* Where the docs begin: after the longest term that is not too long. */
static size_t help_column(const struct command_line *line)
{
    char term[96];
    option_term(term, &HELP_ROW);
    size_t column = strlen(term) + 2;
    for (const struct option_row *o = line->options; o->name != NULL; o++) {
        option_term(term, o);
        size_t width = strlen(term) + 2;
        column = width > column && width <= HELP_COLUMN_MAX ? width : column;
    }
    for (const struct operand_row *o = line->operands; o->name != NULL; o++) {
        size_t width = strlen(o->name) + 4;
        column = width > column && width <= HELP_COLUMN_MAX ? width : column;
    }
    return column;
}

/* "karma train [options] CONFIG [SEED...]" */
static enum err help_usage(struct buf *b, const struct command_line *line)
{
    TRY(buf_printf(b, "Usage: %s [options]", line->command));
    for (const struct operand_row *o = line->operands; o->name != NULL; o++) {
        const char *more = o->n_max > 1 ? "..." : "";
        TRY(buf_printf(b, o->n_min == 0 ? " [%s%s]" : " %s%s", o->name, more));
    }
    TRY(buf_printf(b, "\n\n"));
    TRY(help_line(b, "", 0, line->summary));
    return buf_printf(b, "\n");
}

/* Kinds that the configuration may name; `end` is the last row of the options. */
static enum err help_kinds(struct buf *b, const struct option_row *end, size_t column)
{
    if (end->kinds == NULL) {
        return ERR_OK;
    }
    TRY(buf_printf(b, "\n%s:\n", end->doc));
    for (int k = 0; end->kinds[k] != NULL; k++) {
        char term[96];
        (void)snprintf(term, sizeof term, "  %s", end->kinds[k]->name);
        TRY(help_line(b, term, column, end->kinds[k]->doc));
    }
    return ERR_OK;
}

enum err options_help(struct buf *b, const struct command_line *line)
{
    size_t column = help_column(line);
    TRY(help_usage(b, line));
    if (line->operands->name != NULL) {
        TRY(buf_printf(b, "Arguments:\n"));
        for (const struct operand_row *o = line->operands; o->name != NULL; o++) {
            char term[96];
            (void)snprintf(term, sizeof term, "  %s", o->name);
            TRY(help_line(b, term, column, o->doc));
        }
        TRY(buf_printf(b, "\n"));
    }
    TRY(buf_printf(b, "Options:\n"));
    const struct option_row *o = line->options;
    for (; o->name != NULL; o++) {
        TRY(help_option(b, o, column));
    }
    TRY(help_option(b, &HELP_ROW, column));
    return help_kinds(b, o, column);
}

/* Commands ----------------------------------------------------------------------------------- */

static const struct command *row_named(const struct command *table, const char *name)
{
    const struct command *c = table;
    while (c->name != NULL && strcmp(c->name, name) != 0) {
        c++;
    }
    return c->name != NULL ? c : NULL;
}

const struct command *command_find(const struct command *table, const char *program,
                                   const char *name)
{
    struct nearest near = nearest_to(name);
    struct name_list known = {.len = 0};
    const struct command *row = row_named(table, name);
    if (row != NULL) {
        return row;
    }
    for (const struct command *c = table; c->name != NULL; c++) {
        nearest_offer(&near, c->name);
        name_list_add(&known, "", c->name);
    }
    if (nearest_word(&near) != NULL) {
        log_error("%s: unknown command '%s'; did you mean '%s'?", program, name,
                  nearest_word(&near));
    } else {
        log_error("%s: unknown command '%s'; there are %s ('%s --help' explains them)", program,
                  name, known.text, program);
    }
    return NULL;
}

static bool asks_for_help(const char *word)
{
    return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "help") == 0;
}

/* Below the row `c`, whose name was word `n` - 1. */
static void enter(struct command_choice *out, const struct command *c, int n)
{
    const size_t len = strlen(out->program);
    (void)snprintf(out->program + len, sizeof out->program - len, "%s%s", len > 0 ? " " : "",
                   c->name);
    out->table = c->verbs;
    out->about = c->about != NULL ? c->about : c->summary;
    out->n_words = n;
}

const struct command *command_named(const struct command *root, int argc, char *const *argv)
{
    const struct command *row = root;
    /* Follows the words of the command through the tables. Options in front, unknown words or too
     * few of them lead to no command: NULL, without a message. */
    for (int i = 1; i < argc && row != NULL && row->verbs != NULL; i++) {
        row = row_named(row->verbs, argv[i]);
    }
    return row != NULL && row->verbs == NULL ? row : NULL;
}

/* Invariant: argv[1..n_words) led to `table`, which is not empty. */
enum err command_choose(struct command_choice *out, const struct command *root, int argc,
                        char *const *argv)
{
    struct command_choice c = {.run = NULL};
    enter(&c, root, 1);
    while (c.n_words < argc) {
        const char *word = argv[c.n_words];
        if (asks_for_help(word)) {
            c.help = true;
            break;
        }
        if (word[0] == '-') {
            log_error("%s: found the option '%s' before the command; write %s COMMAND [options]",
                      c.program, word, c.program);
            return ERR_USAGE;
        }
        const struct command *row = command_find(c.table, c.program, word);
        if (row == NULL) {
            return ERR_USAGE;
        }
        if (row->verbs == NULL) {
            c.run = row;
            c.n_words++;
            break;
        }
        enter(&c, row, c.n_words + 1);
    }
    *out = c;
    return ERR_OK;
}

enum err command_help(struct buf *b, const struct command *table, const char *program,
                      const char *about)
{
    size_t column = 0;
    for (const struct command *c = table; c->name != NULL; c++) {
        size_t width = strlen(c->name) + 4;
        column = width > column ? width : column;
    }
    TRY(buf_printf(b, "Usage: %s COMMAND [options]\n\n", program));
    TRY(help_line(b, "", 0, about));
    TRY(buf_printf(b, "\nCommands:\n"));
    for (const struct command *c = table; c->name != NULL; c++) {
        char term[96];
        (void)snprintf(term, sizeof term, "  %s", c->name);
        TRY(help_line(b, term, column, c->summary));
    }
    return buf_printf(b, "\n'%s COMMAND --help' explains a command.\n", program);
}
