/* Rows of an evaluation that never ran: for tests of what is made of them. */
#ifndef KARMA_TESTS_EVAL_ROWS_H
#define KARMA_TESTS_EVAL_ROWS_H

#include "core/controllers/kinds.h"
#include "core/eval/claims.h"
#include "core/eval/eval.h"
#include "core/eval/frontier.h"
#include "core/eval/separation.h"
#include "core/eval/summary.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
/* cmocka wants these first */
#include <cmocka.h>

#define assert_near(a, b, tolerance) assert_true(fabs((a) - (b)) <= (tolerance))

enum { ROWS_CONTROLLERS_MAX = 8, ROWS_SCENARIOS_MAX = 4, ROWS_MAX = 4096 };

/* An evaluation: what its configuration says, and the rows. */
struct fake_eval {
    struct controller_cfg controllers[ROWS_CONTROLLERS_MAX];
    int n_train[ROWS_CONTROLLERS_MAX];
    struct eval_cfg cfg;
    struct eval_row rows[ROWS_MAX];
    int n_rows;
    struct scenario_cfg scenarios[ROWS_SCENARIOS_MAX]; /* s0, s1, ... */
    int n_scenarios;
};

static inline void fake_eval_init(struct fake_eval *f, int n_scenarios, int episodes)
{
    static const char *const names[ROWS_SCENARIOS_MAX] = {"s0", "s1", "s2", "s3"};
    memset(f, 0, sizeof *f);
    f->n_scenarios = n_scenarios;
    for (int s = 0; s < n_scenarios; s++) {
        f->scenarios[s].name = names[s];
    }
    f->cfg = (struct eval_cfg){.controllers = f->controllers,
                               .episodes = episodes,
                               .seed = 5,
                               .resamples = 500,
                               .confidence = 0.95,
                               .reference = "policy"};
}

static inline void fake_eval_add(struct fake_eval *f, const char *name,
                                 const struct controller_kind *kind, bool show, int n_train)
{
    const int c = f->cfg.n_controllers++;
    f->controllers[c] =
        (struct controller_cfg){.name = name, .method = {.kind = &kind->cfg}, .show = show};
    f->n_train[c] = n_train;
}

/* All metrics of a row: value(ctx, row, metric); only slo_attainment, vcpu_h and what the test asks
 * for differ from 0. */
typedef double fake_value(const struct eval_row *row, int metric);

static inline void fake_eval_fill(struct fake_eval *f, fake_value *value)
{
    f->n_rows = 0;
    for (int c = 0; c < f->cfg.n_controllers; c++) {
        for (int t = 0; t < f->n_train[c]; t++) {
            for (int s = 0; s < f->n_scenarios; s++) {
                for (int e = 0; e < f->cfg.episodes; e++) {
                    struct eval_row *r = &f->rows[f->n_rows++];
                    double values[METRIC_COUNT];
                    *r = (struct eval_row){
                        .controller = c, .train = t, .scenario = s, .episode = (uint32_t)e};
                    for (int m = 0; m < METRIC_COUNT; m++) {
                        values[m] = value(r, m);
                    }
                    memcpy(&r->m, values, sizeof r->m);
                }
            }
        }
    }
}

/* What is made of the rows; a test uses what it is about. */
struct fixture {
    struct fake_eval f;
    struct claim_cfg claim_cfgs[EVAL_CLAIMS_MAX];
    struct arena arena, scratch;
    struct summary s;
    struct claims claims;
    struct frontiers fr;
    struct separation separation;
};

static inline int setup(void **state)
{
    static struct fixture x;
    memset(&x, 0, sizeof x);
    arena_init(&x.arena);
    arena_init(&x.scratch);
    *state = &x;
    return 0;
}

static inline int teardown(void **state)
{
    struct fixture *x = *state;
    arena_release(&x->scratch);
    arena_release(&x->arena);
    return 0;
}

static inline enum err fixture_summarise(struct fixture *x)
{
    return summary_init(&x->s, &x->arena, &x->f.cfg, x->f.scenarios, x->f.n_scenarios, x->f.rows,
                        x->f.n_rows, &x->scratch);
}

#endif
