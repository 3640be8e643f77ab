/* The language of conditions: what an organisation says about a state, compiled once.
 *
 *     service.queue > 30 or service.util_10s > 0.7
 *     latched(service.received > 1.2 * past_min(service.received, 600s), 60s)
 *     any(callers*, service.entry and surge)
 *
 * An expression is a number or a condition, and has one value or one for each service. It reads
 *
 *     entry_10s            a global feature of plant/schema.h
 *     service.queue        a feature of the service in question
 *     a.queue              a feature of the service a ('front-end'.queue if the name has a '-')
 *     service.max_replicas what the topology says of a service, see EXPR_SERVICE_FACTS
 *     period_s             what the plant says, see EXPR_PLANT_FACTS
 *     surge                an expression that was defined before
 *
 * Operators, weakest first: or, and, not, one comparison (< <= > >= == !=), + -, * /, unary -.
 * x / 0 is 0, so that no division can poison a reward. Functions: min, max, abs, and
 * number, which makes 1 of a condition that is true, else 0; over a relation
 * any, all, count (of a condition), sum, mean, min, max (of a number); over time held, latched,
 * rose, before, past_min, past_max, past_mean.
 *
 * Relations, seen from the service in question: services and entries (all of them: one value),
 * callers and callees (direct, asynchronous calls included), with + (one call or more away), with *
 * (itself included), entries* (the entries from which a path leads here). Over an empty relation
 * any, count, sum, mean, min and max are 0, all is true.
 *
 * Time is counted in decisions. A window is `60s` or `4 steps`; n = ceil(seconds / period):
 *
 *     held(c, w)         c is true now and was at the n - 1 decisions before
 *     latched(c, w)      c is true now or was at one of the n decisions before
 *     rose(x, by, w)     x is at least `by` above what it was at one of the n decisions before
 *     before(x, w)       x of n decisions ago; the oldest one while there are fewer
 *     past_min(x, w)     the least of now and the n - 1 decisions before; also past_max, past_mean
 *
 * All expressions of an organisation share one program: equal parts are computed once. Values are
 * double, sums go in the order of services or from the oldest decision on, so results do not depend
 * on the compiler.
 */
#ifndef KARMA_ORG_EXPR_H
#define KARMA_ORG_EXPR_H

#include "core/base/config.h"
#include "core/base/mem.h"
#include "core/plant/plant.h"
#include "core/plant/topology.h"

enum {
    EXPR_SERVICES_MAX = 64, /* a relation is a set of services: 64 bits */
    EXPR_CODE_MAX = 1024,   /* steps of a program */
    EXPR_DEPTH_MAX = 48,    /* levels of brackets and functions */
    EXPR_NAMES_MAX = 64,    /* definitions */
    EXPR_STEPS_MAX = 4096,  /* decisions of a window */
    EXPR_WORD_MAX = 64,     /* bytes of a name, NUL included */
};

#define EXPR_SERVICE_FACTS(X)                                                                      \
    X("entry", true, topology->cfg->services[s].entry ? 1.0 : 0.0)                                 \
    X("cpu_m", false, topology->cfg->services[s].cpu_m)                                            \
    X("ram_mib", false, topology->cfg->services[s].ram_mib)                                        \
    X("min_replicas", false, topology->cfg->services[s].min_replicas)                              \
    X("max_replicas", false, topology->cfg->services[s].max_replicas)                              \
    X("initial_replicas", false, topology->cfg->services[s].initial_replicas)                      \
    X("pod_rps", false, topology->pod_rps[s])                                                      \
    X("visits", false, topology->visits[s])
#define EXPR_PLANT_FACTS(X)                                                                        \
    X("period_s", plant->period_s)                                                                 \
    X("timeout_s", plant->timeout_s)                                                               \
    X("latency_max_ms", plant->latency_max_ms)                                                     \
    X("alpha", plant->alpha)                                                                       \
    X("n_services", topology->n_services)                                                          \
    X("node_cpu_m", topology->cfg->node_cpu_m)                                                     \
    X("node_ram_mib", topology->cfg->node_ram_mib)                                                 \
    X("queue_per_pod", topology->cfg->queue_per_pod)

enum expr_op {
    EXPR_NUMBER,  /* value */
    EXPR_FACT,    /* fact (n_services), of each service */
    EXPR_FEATURE, /* column `of` of the state's block of each service */
    EXPR_COLUMN,  /* column `of` of the state: a global feature, or one service's */
    EXPR_ADD,
    EXPR_SUB,
    EXPR_MUL,
    EXPR_DIV,
    EXPR_NEG,
    EXPR_ABS,
    EXPR_AS_NUMBER, /* of a condition: 0 or 1 */
    EXPR_LESSER,
    EXPR_GREATER,
    EXPR_LT,
    EXPR_LE,
    EXPR_EQ,
    EXPR_NE,
    EXPR_AND,
    EXPR_OR,
    EXPR_NOT,
    EXPR_ANY, /* from here on: over relation `of` */
    EXPR_ALL,
    EXPR_COUNT,
    EXPR_SUM,
    EXPR_MEAN,
    EXPR_MIN,
    EXPR_MAX,
    EXPR_HELD, /* from here on: over n decisions, with its memory at `memory` */
    EXPR_LATCHED,
    EXPR_ROSE,
    EXPR_BEFORE,
    EXPR_PAST_MIN,
    EXPR_PAST_MAX,
    EXPR_PAST_MEAN,
};

enum expr_relation {
    EXPR_SERVICES, /* these two have one value for all */
    EXPR_ENTRIES,
    EXPR_CALLERS,
    EXPR_CALLERS_PLUS,
    EXPR_CALLERS_STAR,
    EXPR_CALLEES,
    EXPR_CALLEES_PLUS,
    EXPR_CALLEES_STAR,
    EXPR_ENTRIES_STAR,
    EXPR_RELATIONS
};

/* One step of a program: one value, or one for each service. */
struct expr_step {
    enum expr_op op;
    bool wide;      /* a value for each service */
    bool condition; /* 0 or 1 */
    bool varies;    /* depends on the state */
    int a, b;       /* operands: earlier steps, -1 = none */
    int of;         /* column, feature or relation */
    int n;          /* decisions */
    int at;         /* where its values stand */
    int memory;     /* where its memory stands */
    double value;
    const double *fact;
};

struct expr_name {
    const char *name; /* borrowed */
    int step;
};

/* A program; grows while expressions are added, constant afterwards. */
struct expr_program {
    struct arena *arena; /* borrowed */
    const struct topology *topology;
    const struct plant_cfg *plant;
    struct expr_step *code; /* (EXPR_CODE_MAX) */
    struct expr_name *names;
    const uint64_t *relation; /* (EXPR_RELATIONS, n_services) bit r: service r is in it */
    int n_code, n_names;
    int n_values; /* doubles that the values take */
    int n_memory; /* doubles that the memory takes; all 0 at the start of an episode */
};

/* ERR_CONFIG if there are more than EXPR_SERVICES_MAX services; ERR_MEMORY. Topology and plant are
 * kept. */
enum err expr_init(struct expr_program *p, struct arena *arena, const struct topology *topology,
                   const struct plant_cfg *plant) WARN_UNUSED;

/* What an expression must be. */
enum expr_want {
    EXPR_ANYTHING = 0,
    EXPR_A_CONDITION = 1,
    EXPR_A_NUMBER = 2,
    EXPR_ONE_VALUE = 4, /* not one for each service */
};

/* Compiles a text; *step is the step that holds its value. A text that is wrong is refused with
 * the place of `key` (places may be NULL), the character and the word. ERR_CONFIG, ERR_MEMORY. */
enum err expr_add(int *step, struct expr_program *p, const char *text, unsigned want,
                  const struct cfg *src_locs, const char *key) WARN_UNUSED;

/* The same, with a name for the expressions that follow. `name` is kept. */
enum err expr_define(struct expr_program *p, const char *name, const char *text,
                     const struct cfg *src_locs, const char *name_key,
                     const char *text_key) WARN_UNUSED;

/* The step of a definition, -1 if there is none of that name. */
int expr_find(const struct expr_program *p, const char *name);

/* Values (n_values) of all steps at decision t of an episode (0, 1, ...: each once, in order), and
 * memory (n_memory) for the next one. Allocates nothing. */
void expr_run(double *values, double *memory, const struct expr_program *p, const float *state,
              int t);

/* Value of a step for a service (any, if it has one value). */
static inline double expr_value(const struct expr_program *p, const double *values, int step,
                                int service)
{
    return values[p->code[step].at + (p->code[step].wide ? service : 0)];
}

/* ---- between expr.c and expr_parse.c ---- */

/* Whether the language has this word: an operator, a function, a relation, a unit. */
bool expr_is_word(const char *name);

/* Appends a step, or finds the equal one. `s` without at and memory. -1: EXPR_CODE_MAX is reached.
 */
int expr_append(struct expr_program *p, const struct expr_step *s);

#endif
