/* The program of an organisation's expressions: steps in an order in which operands come first.
 *
 * A step reads the values of earlier steps and writes its own, which nobody else writes: so equal
 * steps can be shared, memory included, and after a run the values of all parts can be looked at. A
 * wide operand is read with stride 1, a single value with stride 0.
 *
 * Memory needs no clock of its own. held counts how long its condition has been true, latched how
 * long it still counts; the others keep the last n values in a ring whose slot is t % n.
 */
#include "core/org/expr.h"

#include "core/plant/schema.h"

#include <math.h>
#include <string.h>

/* ---- relations ---- */

/* Closes a relation over n services, given as bit sets (bit r of direct[s]: s has an edge to r):
 * bit r of plus[s] says that a path of one edge or more leads from s to r (S. Warshall, 1962).
 *
 * Invariant: after the round of `via`, plus[s] contains r exactly if a path leads from s to r whose
 * inner nodes are all <= via. A path that passes `via` consists of one to `via` and one from `via`,
 * both with inner nodes < via, which the rounds before have found. The round works in place because
 * row `via` does not change in it: its own step would add the row to itself. */
static void close_relation(uint64_t *plus, const uint64_t *direct, int n)
{
    memcpy(plus, direct, (size_t)n * sizeof *plus);
    for (int via = 0; via < n; via++) {
        for (int s = 0; s < n; s++) {
            if (plus[s] >> via & 1U) {
                plus[s] |= plus[via];
            }
        }
    }
}

/* The rows of all relations, in the order of enum expr_relation; `all` is zeroed. Callers are the
 * transposed callees. A relation with * adds the service itself to that with +, and entries* keeps
 * the entries of callers*, so an entry is among its own entries*. The two relations with one value
 * for all have the same set in every row. */
static void fill_relations(uint64_t *all, const struct topology *t)
{
    const int n = t->n_services;
    uint64_t *r[EXPR_RELATIONS];
    for (int k = 0; k < EXPR_RELATIONS; k++) {
        r[k] = all + (ptrdiff_t)k * n;
    }
    uint64_t services = 0, entries = 0;
    for (int s = 0; s < n; s++) {
        services |= UINT64_C(1) << s;
        entries |= (uint64_t)t->cfg->services[s].entry << s;
        for (int i = t->callee_begin[s]; i < t->callee_begin[s + 1]; i++) {
            r[EXPR_CALLEES][s] |= UINT64_C(1) << t->callee[i];
            r[EXPR_CALLERS][t->callee[i]] |= UINT64_C(1) << s;
        }
    }
    close_relation(r[EXPR_CALLEES_PLUS], r[EXPR_CALLEES], n);
    close_relation(r[EXPR_CALLERS_PLUS], r[EXPR_CALLERS], n);
    for (int s = 0; s < n; s++) {
        r[EXPR_SERVICES][s] = services;
        r[EXPR_ENTRIES][s] = entries;
        r[EXPR_CALLEES_STAR][s] = r[EXPR_CALLEES_PLUS][s] | UINT64_C(1) << s;
        r[EXPR_CALLERS_STAR][s] = r[EXPR_CALLERS_PLUS][s] | UINT64_C(1) << s;
        r[EXPR_ENTRIES_STAR][s] = r[EXPR_CALLERS_STAR][s] & entries;
    }
}

enum err expr_init(struct expr_program *p, struct arena *arena, const struct topology *topology,
                   const struct plant_cfg *plant)
{
    const int n = topology->n_services;
    if (n > EXPR_SERVICES_MAX) {
        return plant_cfg_error(NULL, "topology.services",
                               "an organisation watches at most %d services, here are %d",
                               EXPR_SERVICES_MAX, n);
    }
    struct expr_step *code = ARENA_NEW(arena, EXPR_CODE_MAX, struct expr_step);
    struct expr_name *names = ARENA_NEW(arena, EXPR_NAMES_MAX, struct expr_name);
    uint64_t *relation = ARENA_NEW(arena, EXPR_RELATIONS * n, uint64_t);
    TRY(arena_error(arena));
    fill_relations(relation, topology);
    *p = (struct expr_program){.arena = arena,
                               .topology = topology,
                               .plant = plant,
                               .code = code,
                               .names = names,
                               .relation = relation};
    return ERR_OK;
}

int expr_find(const struct expr_program *p, const char *name)
{
    for (int i = 0; i < p->n_names; i++) {
        if (strcmp(p->names[i].name, name) == 0) {
            return p->names[i].step;
        }
    }
    return -1;
}

/* ---- appending ---- */

/* Each mention of a fact makes an array of its own, so equal facts are found by their values. */
static bool same_fact(const double *a, const double *b, int n)
{
    return a == b || (a != NULL && b != NULL && memcmp(a, b, (size_t)n * sizeof *a) == 0);
}

/* Doubles of memory: a counter for each value, or a ring of the last n values for each value. */
static int kept_doubles(const struct expr_step *s, int width)
{
    switch (s->op) {
    case EXPR_HELD:
    case EXPR_LATCHED:
        return width;
    case EXPR_ROSE:
    case EXPR_BEFORE:
    case EXPR_PAST_MIN:
    case EXPR_PAST_MAX:
    case EXPR_PAST_MEAN:
        return s->n * width;
    default:
        return 0;
    }
}

/* Linear search for an equal step: a program has at most EXPR_CODE_MAX steps and is built once.
 *
 * `wide` and `varies` are not compared because they follow from the operation, its operands and its
 * fact. Steps with memory may be shared as well: every step runs once for each decision, so two
 * equal ones would always hold the same memory. */
int expr_append(struct expr_program *p, const struct expr_step *s)
{
    const int n = p->topology->n_services;
    for (int i = 0; i < p->n_code; i++) {
        const struct expr_step *o = &p->code[i];
        if (o->op == s->op && o->a == s->a && o->b == s->b && o->of == s->of && o->n == s->n &&
            o->value == s->value && o->condition == s->condition &&
            same_fact(o->fact, s->fact, n)) {
            return i;
        }
    }
    if (p->n_code == EXPR_CODE_MAX) {
        return -1;
    }
    struct expr_step *made = &p->code[p->n_code];
    *made = *s;
    made->at = p->n_values;
    made->memory = p->n_memory;
    p->n_values += s->wide ? n : 1;
    p->n_memory += kept_doubles(s, s->wide ? n : 1);
    return p->n_code++;
}

/* ---- definitions ---- */

/* The parser looks among the definitions first, so a definition of such a name would hide what the
 * name means everywhere else. */
static bool is_feature_or_fact(const char *name)
{
    for (int f = 0; f < GLOBAL_FEATURES; f++) {
        if (strcmp(name, global_feature_info[f].name) == 0) {
            return true;
        }
    }
#define FACT_(name_, value_)                                                                       \
    if (strcmp(name, name_) == 0) {                                                                \
        return true;                                                                               \
    }
    EXPR_PLANT_FACTS(FACT_)
#undef FACT_
    return false;
}

static bool is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* A definition must read as one word for the parser (take_word() in expr_parse.c). */
static bool is_name(const char *name)
{
    size_t n = 0;
    while (is_name_char(name[n])) {
        n++;
    }
    return n > 0 && n < EXPR_WORD_MAX && name[n] == '\0' && !(name[0] >= '0' && name[0] <= '9');
}

enum err expr_define(struct expr_program *p, const char *name, const char *text,
                     const struct cfg *src_locs, const char *name_key, const char *text_key)
{
    if (!is_name(name)) {
        return plant_cfg_error(src_locs, name_key,
                               "'%.80s' cannot be used in an expression; take letters, digits and "
                               "'_', no digit first, at most %d",
                               name, EXPR_WORD_MAX - 1);
    }
    if (expr_is_word(name) || is_feature_or_fact(name) || expr_find(p, name) >= 0) {
        return plant_cfg_error(src_locs, name_key,
                               "'%s' has a meaning already; choose another name", name);
    }
    if (p->n_names == EXPR_NAMES_MAX) {
        return plant_cfg_error(src_locs, name_key, "more than %d definitions", EXPR_NAMES_MAX);
    }
    int step = -1;
    TRY(expr_add(&step, p, text, EXPR_ANYTHING, src_locs, text_key));
    /* Only now does the name exist, so an expression cannot refer to itself. */
    p->names[p->n_names++] = (struct expr_name){.name = name, .step = step};
    return ERR_OK;
}

/* ---- running ---- */

/* x / 0 is 0 in the language: no infinity and no NaN can arise from a division and reach a reward.
 */
static double divide(double a, double b)
{
    return b == 0.0 ? 0.0 : a / b;
}

/* Operators of one or two values; b is 0 for those of one. Conditions have the values 0.0 and 1.0,
 * so as a number a condition is its own value. LESSER and GREATER are comparisons and not fmin()
 * and fmax(), which may return either of 0 and -0. */
static double apply(enum expr_op op, double a, double b)
{
    switch (op) {
    case EXPR_ADD:
        return a + b;
    case EXPR_SUB:
        return a - b;
    case EXPR_MUL:
        return a * b;
    case EXPR_DIV:
        return divide(a, b);
    case EXPR_NEG:
        return -a;
    case EXPR_ABS:
        return fabs(a);
    case EXPR_AS_NUMBER:
        return a;
    case EXPR_LESSER:
        return a < b ? a : b;
    case EXPR_GREATER:
        return a > b ? a : b;
    case EXPR_LT:
        return a < b;
    case EXPR_LE:
        return a <= b;
    case EXPR_EQ:
        return a == b;
    case EXPR_NE:
        return a != b;
    case EXPR_AND:
        return a != 0.0 && b != 0.0;
    case EXPR_OR:
        return a != 0.0 || b != 0.0;
    default:
        CHECK(op == EXPR_NOT);
        return a == 0.0;
    }
}

/* Over the services of a set. x has stride sx: 1, or 0 for a single value that counts once for each
 * member.
 *
 * `set >> s` becomes 0 behind the highest member, and s < 64 keeps the shift defined. Members are
 * visited in the order of services, so a sum has the same bits in every run. Of a condition the sum
 * is the number of members for which it holds: any is sum > 0, all is sum == n, count is the sum
 * itself. Over an empty set the loop leaves sum = n = 0, so all is true and the others are 0. */
static double reduce(enum expr_op op, const double *x, int sx, uint64_t set)
{
    double sum = 0.0, least = HUGE_VAL, greatest = -HUGE_VAL;
    int n = 0;
    for (int s = 0; s < EXPR_SERVICES_MAX && set >> s != 0; s++) {
        if (set >> s & 1U) {
            const double v = x[s * sx];
            sum += v;
            least = v < least ? v : least;
            greatest = v > greatest ? v : greatest;
            n++;
        }
    }
    switch (op) {
    case EXPR_ANY:
        return sum > 0.0;
    case EXPR_ALL:
        return sum == n;
    case EXPR_MEAN:
        return divide(sum, n);
    case EXPR_MIN:
        return n > 0 ? least : 0.0;
    case EXPR_MAX:
        return n > 0 ? greatest : 0.0;
    default:
        return sum;
    }
}

/* *since = min(n, length of the run of true values that ends at this decision), 0 if the value is
 * false. It is n exactly if the condition is true now and was at the n - 1 decisions before. */
static double held(double *since, bool now, int n)
{
    *since = now ? fmin(*since + 1.0, n) : 0.0;
    return *since == n;
}

/* A true value sets *left to n + 1, and k decisions later it is max(n + 1 - k, 0): positive for k
 * <= n, so exactly while the condition is true now or was at one of the n decisions before. */
static double latched(double *left, bool now, int n)
{
    *left = now ? n + 1.0 : fmax(*left - 1.0, 0.0);
    return *left > 0.0;
}

/* Slot d % n of the ring, at ring[d % n * stride], holds the value of decision d. Before the value
 * of decision t is written, the slots 0 .. min(n, t) - 1 hold decisions max(0, t - n) .. t - 1,
 * which are the decisions of the window. The loop compares all of them, so their order does not
 * matter. */
static double rose(double *ring, int stride, double x, double by, int n, int t)
{
    double answer = 0.0;
    for (int k = 0; k < n && k < t; k++) {
        answer = x - ring[k * stride] >= by ? 1.0 : answer;
    }
    ring[t % n * stride] = x;
    return answer;
}

/* Slot t % n still holds decision t - n. While t < n there is no such decision, and slot 0 holds
 * decision 0, the oldest one. */
static double before(double *ring, int stride, double x, int n, int t)
{
    const double answer = t == 0 ? x : ring[(t < n ? 0 : t % n) * stride];
    ring[t % n * stride] = x;
    return answer;
}

/* The window is decisions t - m + 1 .. t, where m = min(n, t + 1). Those are m <= n consecutive
 * decisions, so their slots differ, and none was overwritten since. The sum goes from the oldest
 * on: its bits depend on the values alone, not on where the ring begins. */
static double past(enum expr_op op, double *ring, int stride, double x, int n, int t)
{
    ring[t % n * stride] = x;
    const int m = t + 1 < n ? t + 1 : n;
    double least = x, greatest = x, sum = 0.0;
    for (int k = 0; k < m; k++) { /* from the oldest on */
        const double v = ring[(t - m + 1 + k) % n * stride];
        least = v < least ? v : least;
        greatest = v > greatest ? v : greatest;
        sum += v;
    }
    return op == EXPR_PAST_MIN ? least : op == EXPR_PAST_MAX ? greatest : sum / m;
}

struct run {
    const struct expr_program *p;
    const float *state;
    double *values, *memory;
    int t;
};

/* The memory of a wide step is interleaved: slot k of value i stands at k * width + i. So value i
 * begins at the address + i, and `width` is the stride of its ring; counters have slot 0 only. */
static double step_in_time(const struct run *r, const struct expr_step *s, int i, double a,
                           double b)
{
    const int width = s->wide ? r->p->topology->n_services : 1;
    double *memory = r->memory + s->memory + i;
    switch (s->op) {
    case EXPR_HELD:
        return held(memory, a != 0.0, s->n);
    case EXPR_LATCHED:
        return latched(memory, a != 0.0, s->n);
    case EXPR_ROSE:
        return rose(memory, width, a, b, s->n, r->t);
    case EXPR_BEFORE:
        return before(memory, width, a, s->n, r->t);
    default:
        return past(s->op, memory, width, a, s->n, r->t);
    }
}

/* Value i of a step: of service i, or the only one (i = 0). A reduction reads its whole operand;
 * all other operations read the operand's value i, or its only value, by stride 0. */
static double step_value(const struct run *r, const struct expr_step *s, int i)
{
    const struct expr_step *code = r->p->code;
    switch (s->op) {
    case EXPR_NUMBER:
        return s->value;
    case EXPR_FACT:
        return s->fact[i];
    case EXPR_FEATURE:
        return (double)r->state[i * SERVICE_FEATURES + s->of];
    case EXPR_COLUMN:
        return (double)r->state[s->of];
    default:
        break;
    }
    const double *a = r->values + code[s->a].at;
    const int sa = code[s->a].wide;
    if (s->op >= EXPR_ANY && s->op <= EXPR_MAX) {
        return reduce(s->op, a, sa, r->p->relation[s->of * r->p->topology->n_services + i]);
    }
    const double b = s->b >= 0 ? r->values[code[s->b].at + (code[s->b].wide ? i : 0)] : 0.0;
    if (s->op >= EXPR_HELD) {
        return step_in_time(r, s, i, a[i * sa], b);
    }
    return apply(s->op, a[i * sa], b);
}

/* Operands stand before the steps that use them, since expr_append() adds a step after its
 * operands. So one pass in order finds every operand of this decision computed. Counters and rings
 * advance by one decision with each call, so t has to be 0, 1, 2, ... */
void expr_run(double *values, double *memory, const struct expr_program *p, const float *state,
              int t)
{
    const struct run r = {.p = p, .state = state, .values = values, .memory = memory, .t = t};
    for (int k = 0; k < p->n_code; k++) {
        const struct expr_step *s = &p->code[k];
        const int width = s->wide ? p->topology->n_services : 1;
        for (int i = 0; i < width; i++) {
            values[s->at + i] = step_value(&r, s, i);
        }
    }
}
