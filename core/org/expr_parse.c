/* From the text of an expression to steps of a program: recursive descent, one function a rule.
 *
 *     or         = and { "or" and }
 *     and        = not { "and" not }
 *     not        = { "not" } comparison
 *     comparison = sum [ ( "<" | "<=" | ">" | ">=" | "==" | "!=" ) sum ]
 *     sum        = product { ( "+" | "-" ) product }
 *     product    = minus { ( "*" | "/" ) minus }
 *     minus      = { "-" } primary
 *     primary    = number | "true" | "false" | "(" or ")" | word
 *     word       = name | name "." feature | function "(" arguments ")"
 *
 * The current token decides how a rule goes on, so the parser never goes back. It terminates: each
 * round of a loop takes a token, and `or` is entered again only after a "(" was taken, at most
 * EXPR_DEPTH_MAX levels deep.
 *
 * Each function returns the step that holds its value, or -1. After the first thing that is wrong
 * was reported, every token reads as the end of the text: all loops end, no rule matches, no step
 * is appended, and nothing else is reported. Steps appended by a text that turns out wrong stay in
 * the program, which is of no use then anyway. */
#include "core/org/expr.h"

#include "core/base/nearest.h"
#include "core/plant/schema.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum token {
    TOKEN_END,
    TOKEN_NUMBER,
    TOKEN_WORD,
    TOKEN_QUOTED, /* 'name' */
    TOKEN_SIGN,   /* one or two characters, in `word` */
};

struct parser {
    struct expr_program *p;
    const struct cfg *src_locs;
    const char *key, *text;
    const char *at, *next; /* the current token begins, ends */
    enum token token;
    char word[EXPR_WORD_MAX];
    double number;
    int depth;
    enum err e;
};

/* ---- sentences ---- */

static int wrong(struct parser *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Reports what is wrong at the current token, unless something was reported before. Returns -1. */
static int wrong(struct parser *r, const char *fmt, ...)
{
    char sentence[600];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(sentence, sizeof sentence, fmt, ap);
    va_end(ap);
    if (r->e == ERR_OK) {
        r->e = plant_cfg_error(r->src_locs, r->key, "in '%.300s' at character %d: %s", r->text,
                               (int)(r->at - r->text) + 1, sentence);
    }
    return -1;
}

/* The current token stands where `wanted` should. */
static int unexpected(struct parser *r, const char *wanted)
{
    if (r->token == TOKEN_END) {
        return wrong(r, "the text ends where %s should stand", wanted);
    }
    return wrong(r, "'%.*s' where %s should stand", (int)(r->next - r->at), r->at, wanted);
}

/* ---- tokens ---- */

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* The first character is a digit, so strtod() reads at least that and cannot meet a sign, "nan" or
 * "inf". It stops before a letter that belongs to no number: `60s` is a number and a unit. */
static void take_number(struct parser *r)
{
    char *end = NULL;
    r->token = TOKEN_NUMBER;
    r->number = strtod(r->at, &end);
    r->next = end;
    if (!isfinite(r->number)) {
        (void)wrong(r, "the number is too large");
    }
}

/* Letters, digits and '_'; or a name in single quotes, which may hold any character but the quote,
 * because names of services may hold a '-'. */
static void take_word(struct parser *r)
{
    const bool quoted = *r->at == '\'';
    const char *from = r->at + quoted;
    size_t n = 0;
    while (from[n] != '\0' &&
           (quoted ? from[n] != '\'' : is_letter(from[n]) || is_digit(from[n]))) {
        n++;
    }
    r->token = quoted ? TOKEN_QUOTED : TOKEN_WORD;
    r->next = from + n + (quoted && from[n] == '\'');
    if (quoted && from[n] == '\0') {
        (void)wrong(r, "the quotation never ends; add a '");
    } else if (n >= EXPR_WORD_MAX) {
        (void)wrong(r, "a name of more than %d characters", EXPR_WORD_MAX - 1);
    } else {
        memcpy(r->word, from, n);
        r->word[n] = '\0';
    }
}

/* Signs of two characters come first in the list, so "<=" is never read as "<" and "=". */
static void take_sign(struct parser *r)
{
    static const char *const signs[] = {"<=", ">=", "==", "!=", "<", ">", "+",
                                        "-",  "*",  "/",  "(",  ")", ",", "."};
    for (size_t i = 0; i < sizeof signs / sizeof *signs; i++) {
        const size_t n = strlen(signs[i]);
        if (strncmp(r->at, signs[i], n) == 0) {
            r->token = TOKEN_SIGN;
            memcpy(r->word, signs[i], n + 1);
            r->next = r->at + n;
            return;
        }
    }
    (void)wrong(r, "'%c' has no meaning here", *r->at);
}

/* The next token: [at, next) in the text. At the end of the text, and after an error, it is
 * TOKEN_END however often it is asked for. */
static void advance(struct parser *r)
{
    r->at = r->next;
    while (*r->at == ' ' || *r->at == '\n') {
        r->at++;
    }
    r->next = r->at;
    r->word[0] = '\0';
    if (*r->at == '\0' || r->e != ERR_OK) {
        r->token = TOKEN_END;
    } else if (is_digit(*r->at)) {
        take_number(r);
    } else if (is_letter(*r->at) || *r->at == '\'') {
        take_word(r);
    } else {
        take_sign(r);
    }
}

static bool is(const struct parser *r, enum token token, const char *word)
{
    return r->e == ERR_OK && r->token == token && strcmp(r->word, word) == 0;
}

/* Takes the token if it is this one. */
static bool accept(struct parser *r, enum token token, const char *word)
{
    if (!is(r, token, word)) {
        return false;
    }
    advance(r);
    return true;
}

static bool expect(struct parser *r, const char *sign)
{
    if (accept(r, TOKEN_SIGN, sign)) {
        return true;
    }
    char wanted[8];
    (void)snprintf(wanted, sizeof wanted, "'%s'", sign);
    (void)unexpected(r, wanted);
    return false;
}

/* ---- steps ---- */

/* The number of the step, or -1; expr_append() fails only when the program is full. */
static int append(struct parser *r, struct expr_step s)
{
    const int step = r->e == ERR_OK ? expr_append(r->p, &s) : -1;
    if (step < 0 && r->e == ERR_OK) {
        return wrong(r,
                     "the organisation needs more than %d steps; say less, or give parts that "
                     "occur often a name",
                     EXPR_CODE_MAX);
    }
    return step;
}

static int number_step(struct parser *r, double value)
{
    return append(r, (struct expr_step){.op = EXPR_NUMBER, .a = -1, .b = -1, .value = value});
}

/* Whether an operand is a condition, or a number, as it must be; says so if not. Nothing is asked
 * of the operand (-1) of a text that is wrong already. */
static bool fits(struct parser *r, int operand, bool condition)
{
    if (operand < 0 || r->e != ERR_OK || r->p->code[operand].condition == condition) {
        return true;
    }
    (void)wrong(r, "%s stands where %s is needed", condition ? "a number" : "a condition",
                condition ? "a condition, such as x > 1" : "a number");
    return false;
}

/* Operator with one (b = -1) or two operands, which must all be conditions or all be numbers. The
 * result has a value for each service if an operand has, and varies if an operand does. */
static int operate(struct parser *r, enum expr_op op, int a, int b, bool from_conditions,
                   bool to_condition)
{
    const int operands[] = {a, b};
    struct expr_step s = {.op = op, .a = a, .b = b, .condition = to_condition};
    for (int i = 0; i < 2 && operands[i] >= 0 && r->e == ERR_OK; i++) {
        const struct expr_step *o = &r->p->code[operands[i]];
        if (!fits(r, operands[i], from_conditions)) {
            return -1;
        }
        s.wide = s.wide || o->wide;
        s.varies = s.varies || o->varies;
    }
    return append(r, s);
}

/* ---- names ---- */

/* A fact of the topology. The list of facts is expanded twice: into one comparison for each name,
 * which returns, then into the candidates for "did you mean". Of a given service a fact is a number
 * that is known now; of the service in question (-1) it is an array over all services. */
static int fact_step(struct parser *r, const char *name, int service)
{
    const struct topology *topology = r->p->topology;
    const int n = topology->n_services;
#define FACT_(name_, condition_, value_)                                                           \
    if (strcmp(name, name_) == 0) {                                                                \
        double *fact = ARENA_NEW(r->p->arena, n, double);                                          \
        for (int s = 0; fact != NULL && s < n; s++) {                                              \
            fact[s] = (value_);                                                                    \
        }                                                                                          \
        if (fact == NULL) {                                                                        \
            r->e = ERR_MEMORY;                                                                     \
            return -1;                                                                             \
        }                                                                                          \
        return append(r, (struct expr_step){.op = service < 0 ? EXPR_FACT : EXPR_NUMBER,           \
                                            .wide = service < 0,                                   \
                                            .condition = (condition_),                             \
                                            .a = -1,                                               \
                                            .b = -1,                                               \
                                            .value = service < 0 ? 0.0 : fact[service],            \
                                            .fact = service < 0 ? fact : NULL});                   \
    }
    EXPR_SERVICE_FACTS(FACT_)
#undef FACT_
    struct nearest near = nearest_to(name);
    for (int f = 0; f < SERVICE_FEATURES; f++) {
        nearest_offer(&near, service_feature_info[f].name);
    }
#define FACT_(name_, condition_, value_) nearest_offer(&near, name_);
    EXPR_SERVICE_FACTS(FACT_)
#undef FACT_
    const char *word = nearest_word(&near);
    return wrong(r, "a service has no feature '%s'%s%s%s", name,
                 word != NULL ? "; did you mean '" : "", word != NULL ? word : "",
                 word != NULL ? "'?" : "");
}

/* What stands behind the '.': a feature of the state, else a fact. service -1: of each service in
 * question, a wide step that adds the service's offset when it runs; else the column is known now.
 */
static int feature_step(struct parser *r, int service)
{
    if (r->token != TOKEN_WORD) {
        return unexpected(r, "the name of a feature");
    }
    int step = -1;
    int f = 0;
    while (f < SERVICE_FEATURES && strcmp(service_feature_info[f].name, r->word) != 0) {
        f++;
    }
    if (f == SERVICE_FEATURES) {
        step = fact_step(r, r->word, service);
    } else {
        step =
            append(r, (struct expr_step){.op = service < 0 ? EXPR_FEATURE : EXPR_COLUMN,
                                         .wide = service < 0,
                                         .varies = true,
                                         .a = -1,
                                         .b = -1,
                                         .of = service < 0 ? f : service * SERVICE_FEATURES + f});
    }
    advance(r);
    return step;
}

static int unknown_service(struct parser *r, const char *name)
{
    struct nearest near = nearest_to(name);
    nearest_offer(&near, "service");
    for (int s = 0; s < r->p->topology->n_services; s++) {
        nearest_offer(&near, r->p->topology->cfg->services[s].name);
    }
    const char *word = nearest_word(&near);
    return wrong(r, "'%s' is no service%s%s%s", name, word != NULL ? "; did you mean '" : "",
                 word != NULL ? word : "", word != NULL ? "'?" : "");
}

/* NAME '.' FEATURE; the name was taken. */
static int of_service(struct parser *r, const char *name, bool quoted)
{
    int service = -1;
    if (quoted || strcmp(name, "service") != 0) {
        service = topology_find(r->p->topology, name);
        if (service < 0) {
            return unknown_service(r, name);
        }
    }
    return expect(r, ".") ? feature_step(r, service) : -1;
}

/* The usual mistake, a feature of a service without its service, has a sentence of its own. */
static int unknown_name(struct parser *r, const char *name)
{
    struct nearest near = nearest_to(name);
    for (int f = 0; f < GLOBAL_FEATURES; f++) {
        nearest_offer(&near, global_feature_info[f].name);
    }
    for (int i = 0; i < r->p->n_names; i++) {
        nearest_offer(&near, r->p->names[i].name);
    }
    for (int f = 0; f < SERVICE_FEATURES; f++) {
        if (strcmp(service_feature_info[f].name, name) == 0) {
            return wrong(r,
                         "'%s' belongs to a service; write service.%s, or the name of one "
                         "before it",
                         name, name);
        }
    }
    const char *word = nearest_word(&near);
    return wrong(r, "'%s' is neither a feature of the state nor defined before%s%s%s", name,
                 word != NULL ? "; did you mean '" : "", word != NULL ? word : "",
                 word != NULL ? "'?" : "");
}

/* A name without a service; it was taken, `at` is where it stood. */
static int named(struct parser *r, const char *name, const char *at)
{
    const struct topology *topology = r->p->topology;
    const struct plant_cfg *plant = r->p->plant;
    const int defined = expr_find(r->p, name);
    if (defined >= 0) {
        return defined;
    }
    for (int f = 0; f < GLOBAL_FEATURES; f++) {
        if (strcmp(global_feature_info[f].name, name) == 0) {
            return append(r, (struct expr_step){.op = EXPR_COLUMN,
                                                .varies = true,
                                                .a = -1,
                                                .b = -1,
                                                .of = state_global_at(topology->n_services,
                                                                      (enum global_feature)f)});
        }
    }
#define FACT_(name_, value_)                                                                       \
    if (strcmp(name, name_) == 0) {                                                                \
        return number_step(r, (double)(value_));                                                   \
    }
    EXPR_PLANT_FACTS(FACT_)
#undef FACT_
    /* The token behind the name was read already; the message is to show the place of the name. */
    r->next = r->e == ERR_OK ? at + strlen(name) : r->next;
    r->at = r->e == ERR_OK ? at : r->at;
    return unknown_name(r, name);
}

/* ---- functions ---- */

enum form { FORM_PLAIN, FORM_RELATION, FORM_WINDOW, FORM_ROSE };

/* `form` says how the arguments are read, `from` whether they are conditions, `to` whether the
 * result is one. EXPR_NUMBER, which is 0, stands for "none" in `reduced`. */
struct function {
    const char *name;
    enum form form;
    enum expr_op op;
    int n_args;           /* plain */
    bool from, to;        /* conditions? */
    enum expr_op reduced; /* of a plain one that also takes a relation, else 0 */
};

static const struct function functions[] = {
    {"min", FORM_PLAIN, EXPR_LESSER, 2, false, false, EXPR_MIN},
    {"max", FORM_PLAIN, EXPR_GREATER, 2, false, false, EXPR_MAX},
    {"abs", FORM_PLAIN, EXPR_ABS, 1, false, false, EXPR_NUMBER},
    {"number", FORM_PLAIN, EXPR_AS_NUMBER, 1, true, false, EXPR_NUMBER},
    {"any", FORM_RELATION, EXPR_ANY, 0, true, true, EXPR_NUMBER},
    {"all", FORM_RELATION, EXPR_ALL, 0, true, true, EXPR_NUMBER},
    {"count", FORM_RELATION, EXPR_COUNT, 0, true, false, EXPR_NUMBER},
    {"sum", FORM_RELATION, EXPR_SUM, 0, false, false, EXPR_NUMBER},
    {"mean", FORM_RELATION, EXPR_MEAN, 0, false, false, EXPR_NUMBER},
    {"held", FORM_WINDOW, EXPR_HELD, 0, true, true, EXPR_NUMBER},
    {"latched", FORM_WINDOW, EXPR_LATCHED, 0, true, true, EXPR_NUMBER},
    {"rose", FORM_ROSE, EXPR_ROSE, 0, false, true, EXPR_NUMBER},
    {"before", FORM_WINDOW, EXPR_BEFORE, 0, false, false, EXPR_NUMBER},
    {"past_min", FORM_WINDOW, EXPR_PAST_MIN, 0, false, false, EXPR_NUMBER},
    {"past_max", FORM_WINDOW, EXPR_PAST_MAX, 0, false, false, EXPR_NUMBER},
    {"past_mean", FORM_WINDOW, EXPR_PAST_MEAN, 0, false, false, EXPR_NUMBER},
};
enum { FUNCTIONS = sizeof functions / sizeof *functions };

static const struct {
    const char *word;
    int plain, plus, star; /* enum expr_relation, -1 = none */
} relations[] = {
    {"services", EXPR_SERVICES, -1, -1},
    {"entries", EXPR_ENTRIES, -1, EXPR_ENTRIES_STAR},
    {"callers", EXPR_CALLERS, EXPR_CALLERS_PLUS, EXPR_CALLERS_STAR},
    {"callees", EXPR_CALLEES, EXPR_CALLEES_PLUS, EXPR_CALLEES_STAR},
};
enum { RELATION_WORDS = sizeof relations / sizeof *relations };

/* Row of the relation that the current token names, -1 if it names none. */
static int relation_word(const struct parser *r)
{
    for (int i = 0; i < RELATION_WORDS; i++) {
        if (is(r, TOKEN_WORD, relations[i].word)) {
            return i;
        }
    }
    return -1;
}

static int parse_or(struct parser *r);

/* RELATION ',' expression ')'. Behind a relation only a ',' may follow, so a '*' or '+' there
 * belongs to its name. The result has a value for each service if the relation differs between
 * them: enum expr_relation has those behind EXPR_ENTRIES. */
static int reduction(struct parser *r, enum expr_op op, bool from, bool to)
{
    const int word = relation_word(r);
    if (word < 0) {
        return unexpected(r, "a relation (services, entries, callers, callees)");
    }
    advance(r);
    int of = relations[word].plain;
    if (is(r, TOKEN_SIGN, "*") || is(r, TOKEN_SIGN, "+")) {
        of = r->word[0] == '*' ? relations[word].star : relations[word].plus;
        if (of < 0) {
            return wrong(r, "there is no %s%s", relations[word].word, r->word);
        }
        advance(r);
    }
    const int x = expect(r, ",") ? parse_or(r) : -1;
    if (x < 0 || !expect(r, ")")) {
        return -1;
    }
    if (r->p->code[x].condition != from) {
        return operate(r, op, x, -1, from, to); /* says so */
    }
    return append(r, (struct expr_step){.op = op,
                                        .wide = of > EXPR_ENTRIES,
                                        .condition = to,
                                        .varies = r->p->code[x].varies,
                                        .a = x,
                                        .b = -1,
                                        .of = of});
}

/* A window in decisions; 0 after an error. Seconds are rounded up, so a window is never shorter
 * than was asked for. The comparisons are false for NaN, which is therefore refused. */
static int window(struct parser *r)
{
    if (r->token != TOKEN_NUMBER) {
        (void)unexpected(r, "a window such as 60s or 4 steps");
        return 0;
    }
    double n = r->number;
    advance(r);
    if (accept(r, TOKEN_WORD, "s")) {
        n = ceil(n / r->p->plant->period_s);
    } else if (!accept(r, TOKEN_WORD, "steps") && !accept(r, TOKEN_WORD, "step")) {
        (void)unexpected(r, "the unit of a window, s or steps,");
        return 0;
    }
    if (!(n >= 1.0 && n <= EXPR_STEPS_MAX && n == floor(n))) {
        (void)wrong(r, "a window of %g decisions; 1 to %d, whole ones, are possible", n,
                    EXPR_STEPS_MAX);
        return 0;
    }
    return (int)n;
}

/* x [',' by] ',' window ')'. The result varies even if x is constant: held(true, 4 steps) is false
 * at the first three decisions, so a value at one decision must not be taken for all (may_hold() in
 * guides.c). */
static int over_time(struct parser *r, const struct function *f)
{
    const int x = parse_or(r);
    int by = -1;
    if (f->form == FORM_ROSE) {
        by = expect(r, ",") ? parse_or(r) : -1;
    }
    const int n = expect(r, ",") ? window(r) : 0;
    if (!expect(r, ")") || n == 0 || x < 0) {
        return -1;
    }
    const int operands[] = {x, by};
    struct expr_step s = {.op = f->op, .a = x, .b = by, .n = n, .condition = f->to, .varies = true};
    for (int i = 0; i < 2 && operands[i] >= 0; i++) {
        if (r->p->code[operands[i]].condition != f->from) {
            return operate(r, f->op, operands[i], -1, f->from, f->to); /* says so */
        }
        s.wide = s.wide || r->p->code[operands[i]].wide;
    }
    return append(r, s);
}

/* min and max have two meanings: of two numbers, and over a relation. A relation as first word
 * decides, since no definition may have such a name (expr_is_word()). */
static int plain_call(struct parser *r, const struct function *f)
{
    if (f->reduced != EXPR_NUMBER && relation_word(r) >= 0) {
        return reduction(r, f->reduced, f->from, f->to);
    }
    const int a = parse_or(r);
    int b = -1;
    if (f->n_args == 2) {
        b = expect(r, ",") ? parse_or(r) : -1;
    }
    return expect(r, ")") ? operate(r, f->op, a, b, f->from, f->to) : -1;
}

/* NAME '(' ...; both were taken. */
static int call(struct parser *r, const char *name)
{
    for (int i = 0; i < FUNCTIONS; i++) {
        const struct function *f = &functions[i];
        if (strcmp(f->name, name) == 0) {
            return f->form == FORM_PLAIN      ? plain_call(r, f)
                   : f->form == FORM_RELATION ? reduction(r, f->op, f->from, f->to)
                                              : over_time(r, f);
        }
    }
    struct nearest near = nearest_to(name);
    for (int i = 0; i < FUNCTIONS; i++) {
        nearest_offer(&near, functions[i].name);
    }
    const char *word = nearest_word(&near);
    return wrong(r, "there is no function '%s'%s%s%s", name, word != NULL ? "; did you mean '" : "",
                 word != NULL ? word : "", word != NULL ? "'?" : "");
}

/* ---- levels ---- */

/* A quoted name, or one before '.', is a service; before '(' a function; else a definition, a
 * global feature or a fact. The name is copied because the next token overwrites it. */
static int parse_word(struct parser *r)
{
    char name[EXPR_WORD_MAX];
    const char *at = r->at;
    const bool quoted = r->token == TOKEN_QUOTED;
    memcpy(name, r->word, sizeof name);
    advance(r);
    if (quoted || is(r, TOKEN_SIGN, ".")) {
        return of_service(r, name, quoted);
    }
    return accept(r, TOKEN_SIGN, "(") ? call(r, name) : named(r, name, at);
}

static int parse_primary(struct parser *r)
{
    if (r->e == ERR_OK && r->token == TOKEN_NUMBER) {
        const int step = number_step(r, r->number);
        advance(r);
        return step;
    }
    if (is(r, TOKEN_WORD, "true") || is(r, TOKEN_WORD, "false")) {
        const double value = r->word[0] == 't';
        advance(r);
        return append(r,
                      (struct expr_step){
                          .op = EXPR_NUMBER, .a = -1, .b = -1, .condition = true, .value = value});
    }
    if (accept(r, TOKEN_SIGN, "(")) {
        const int step = parse_or(r);
        return expect(r, ")") ? step : -1;
    }
    if (r->e == ERR_OK && (r->token == TOKEN_WORD || r->token == TOKEN_QUOTED)) {
        return parse_word(r);
    }
    return unexpected(r, "a value");
}

/* Signs are counted in a loop, so a long row of them takes no stack. Two of them cancel exactly, in
 * floating point as well; what they stand before must be a number all the same. */
static int parse_minus(struct parser *r)
{
    int n = 0;
    while (accept(r, TOKEN_SIGN, "-")) {
        n++;
    }
    const int a = parse_primary(r);
    if (n > 0 && !fits(r, a, false)) {
        return -1;
    }
    return n % 2 == 1 ? operate(r, EXPR_NEG, a, -1, false, false) : a;
}

static int parse_product(struct parser *r)
{
    int a = parse_minus(r);
    while (is(r, TOKEN_SIGN, "*") || is(r, TOKEN_SIGN, "/")) {
        const enum expr_op op = r->word[0] == '*' ? EXPR_MUL : EXPR_DIV;
        advance(r);
        const int b = parse_minus(r);
        a = operate(r, op, a, b, false, false);
    }
    return a;
}

static int parse_sum(struct parser *r)
{
    int a = parse_product(r);
    while (is(r, TOKEN_SIGN, "+") || is(r, TOKEN_SIGN, "-")) {
        const enum expr_op op = r->word[0] == '+' ? EXPR_ADD : EXPR_SUB;
        advance(r);
        const int b = parse_product(r);
        a = operate(r, op, a, b, false, false);
    }
    return a;
}

/* At most one comparison: a < b < c would compare a condition with a number. a > b is compiled as b
 * < a, so that equal comparisons become one step however they are written. */
static int parse_comparison(struct parser *r)
{
    static const struct {
        const char *sign;
        enum expr_op op;
        bool swapped;
    } comparisons[] = {{"<", EXPR_LT, false}, {"<=", EXPR_LE, false}, {">", EXPR_LT, true},
                       {">=", EXPR_LE, true}, {"==", EXPR_EQ, false}, {"!=", EXPR_NE, false}};
    const int a = parse_sum(r);
    for (size_t i = 0; i < sizeof comparisons / sizeof *comparisons; i++) {
        if (accept(r, TOKEN_SIGN, comparisons[i].sign)) {
            const int b = parse_sum(r);
            return comparisons[i].swapped ? operate(r, comparisons[i].op, b, a, false, true)
                                          : operate(r, comparisons[i].op, a, b, false, true);
        }
    }
    return a;
}

static int parse_not(struct parser *r)
{
    int n = 0;
    while (accept(r, TOKEN_WORD, "not")) {
        n++;
    }
    const int a = parse_comparison(r);
    if (n > 0 && !fits(r, a, true)) {
        return -1;
    }
    return n % 2 == 1 ? operate(r, EXPR_NOT, a, -1, true, true) : a;
}

static int parse_and(struct parser *r)
{
    int a = parse_not(r);
    while (accept(r, TOKEN_WORD, "and")) {
        const int b = parse_not(r);
        a = operate(r, EXPR_AND, a, b, true, true);
    }
    return a;
}

/* The only rule that is entered again from within itself, so its depth bounds the stack. */
static int parse_or(struct parser *r)
{
    if (r->depth == EXPR_DEPTH_MAX) {
        return wrong(r, "more than %d levels of brackets", EXPR_DEPTH_MAX);
    }
    r->depth++;
    int a = parse_and(r);
    while (accept(r, TOKEN_WORD, "or")) {
        const int b = parse_and(r);
        a = operate(r, EXPR_OR, a, b, true, true);
    }
    r->depth--;
    return a;
}

/* ---- whole texts ---- */

/* A text that is right in itself may be of the wrong kind for its place in the configuration. The
 * message points at the beginning, because it is about the whole text. */
static void check_want(struct parser *r, int step, unsigned want)
{
    const struct expr_step *s = &r->p->code[step];
    r->at = r->next = r->text;
    if ((want & EXPR_A_CONDITION) != 0 && !s->condition) {
        (void)wrong(r, "this is a number; a condition is needed, such as x > 1");
    } else if ((want & EXPR_A_NUMBER) != 0 && s->condition) {
        (void)wrong(r, "this is a condition; a number is needed");
    } else if ((want & EXPR_ONE_VALUE) != 0 && s->wide) {
        (void)wrong(r, "this has a value for each service; one value is needed: say which with "
                       "any(services, ...), sum(services, ...) or the name of a service");
    }
}

enum err expr_add(int *step, struct expr_program *p, const char *text, unsigned want,
                  const struct cfg *src_locs, const char *key)
{
    struct parser r = {.p = p, .src_locs = src_locs, .key = key, .text = text, .next = text};
    advance(&r);
    const int a = parse_or(&r);
    if (r.e == ERR_OK && r.token != TOKEN_END) {
        (void)unexpected(&r, "an operator or the end");
    }
    if (r.e == ERR_OK) {
        check_want(&r, a, want);
    }
    if (r.e == ERR_OK) {
        *step = a;
    }
    return r.e;
}

bool expr_is_word(const char *name)
{
    static const char *const words[] = {"and",     "or", "not",  "true", "false",
                                        "service", "s",  "step", "steps"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (strcmp(name, words[i]) == 0) {
            return true;
        }
    }
    for (int i = 0; i < FUNCTIONS; i++) {
        if (strcmp(name, functions[i].name) == 0) {
            return true;
        }
    }
    for (int i = 0; i < RELATION_WORDS; i++) {
        if (strcmp(name, relations[i].word) == 0) {
            return true;
        }
    }
    return false;
}
