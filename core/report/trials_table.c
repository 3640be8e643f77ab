/* The results of a tuning in the order of their objectives. See trials_table.h. */
#include "core/report/trials_table.h"

#include <math.h>

enum { FIXED_COLUMNS = 5 };

static bool has_score(const struct trial_result *t)
{
    return !t->failed && !isnan(t->score.objective.value);
}

static bool is_better(const struct trial_result *a, const struct trial_result *b)
{
    return halving_better(a->trial, a->score.objective.value, b->trial, b->score.objective.value) !=
           0;
}

const struct trial_result *trials_best(const struct trials_report *r)
{
    const struct trial_result *best = NULL;
    for (int i = 0; i < r->n_results; i++) {
        const struct trial_result *t = &r->results[i];
        if (t->rung == r->n_rungs && has_score(t) && (best == NULL || is_better(t, best))) {
            best = t;
        }
    }
    return best;
}

const struct trial_result *trials_last(const struct trials_report *r, int trial)
{
    const struct trial_result *last = NULL;
    for (int i = 0; i < r->n_results; i++) {
        last = r->results[i].trial == trial ? &r->results[i] : last;
    }
    return last;
}

static void put_row(struct table *t, const struct trials_report *r, const struct trial_result *row)
{
    const int n_keys = r->cfg->n_keys;
    table_cell(t, "%d%s", row->trial, row->trial == 1 ? " (configured)" : "");
    for (int k = 0; k < n_keys; k++) {
        table_text(t, r->values[(row->trial - 1) * n_keys + k]);
    }
    if (r->cfg->what == TUNE_TRAINING) {
        table_cell(t, "%d", row->budget);
    } else {
        table_cell(t, "%d", row->n_episodes);
    }
    table_difference(t, &row->score.objective, 4);
    table_interval(t, &row->score.slo_attainment, 3);
    table_interval(t, &row->score.vcpu, 2);
}

static const char *const *make_head(const struct trials_report *r, struct arena *arena)
{
    const char **head = ARENA_NEW(arena, r->cfg->n_keys + FIXED_COLUMNS, const char *);
    int n = 0;
    if (head == NULL) {
        return NULL;
    }
    head[n++] = "trial";
    for (int k = 0; k < r->cfg->n_keys; k++) {
        head[n++] = r->cfg->keys[k].key;
    }
    head[n++] = r->cfg->what == TUNE_TRAINING ? "updates" : "episodes";
    head[n++] = "objective";
    head[n++] = "SLO attainment";
    head[n++] = "mean vCPU";
    return head;
}

/* The next best result of the last rung after `above`; NULL: there is none. */
static const struct trial_result *next_best(const struct trials_report *r,
                                            const struct trial_result *above)
{
    const struct trial_result *next = NULL;
    for (int i = 0; i < r->n_results; i++) {
        const struct trial_result *t = &r->results[i];
        const bool below = above == NULL || (t != above && is_better(above, t));
        if (t->rung == r->n_rungs && below && (next == NULL || is_better(t, next))) {
            next = t;
        }
    }
    return next;
}

enum err trials_print(struct buf *out, const struct trials_report *r, enum table_style style,
                      struct arena *scratch)
{
    const struct arena_mark mark = arena_mark(scratch);
    const char *const *head = make_head(r, scratch);
    struct table t;
    bool configured = false;
    TRY(arena_error(scratch));
    table_init(&t, scratch, head, r->cfg->n_keys + FIXED_COLUMNS, 1);
    const struct trial_result *row = NULL;
    for (int i = 0; i < TRIALS_SHOWN && (row = next_best(r, row)) != NULL; i++) {
        configured = configured || row->trial == 1;
        put_row(&t, r, row);
    }
    if (!configured && trials_last(r, 1) != NULL) {
        put_row(&t, r, trials_last(r, 1));
    }
    enum err e = ERR_OK;
    for (int i = 0; e == ERR_OK && i < r->n_notes; i++) {
        e = buf_printf(out, "%s%s\n", style == TABLE_MARKDOWN ? "- " : "  ", r->notes[i]);
    }
    e = e == ERR_OK ? buf_printf(out, "\n") : e;
    e = e == ERR_OK ? table_print(out, &t, style) : e;
    arena_rewind(scratch, mark);
    return e;
}
