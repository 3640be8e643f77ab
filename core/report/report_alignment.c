/* How far agents keep to their roles and missions, in each scenario. See report.h.
 *
 * A share is the quotient of two sums over the agents and episodes of a training
 * (docs/organisation.md); its mean and interval are over training seeds. */
#include "core/report/report_parts.h"

#include <math.h>
#include <string.h>

static const struct {
    const char *head;
    enum agent_share share;
} columns[] = {
    {"role alignment %", AGENT_ALIGNMENT},
    {"without masks %", AGENT_UNMASKED},
    {"by chance %", AGENT_CHANCE},
    {"missions improved %", AGENT_MISSIONS},
};
enum { N_COLUMNS = sizeof columns / sizeof *columns };

static bool same_arm(const struct result_agent *a, const struct result_agent *b)
{
    return a->in_twin == b->in_twin && strcmp(a->name, b->name) == 0 &&
           strcmp(a->scenario, b->scenario) == 0;
}

/* Entries of the arm of agents[i] in its scenario, one for each seed; none if an earlier entry is
 * of the same arm. */
static int entries_of(const struct result_agent **list, const struct results *r, int i)
{
    int n = 0;
    for (int j = 0; j < r->n_agents; j++) {
        const struct result_agent *a = &r->agents[j];
        bool known = a->n == 0;
        if (!same_arm(a, &r->agents[i])) {
            continue;
        }
        if (j < i) {
            return 0;
        }
        for (int k = 0; k < n; k++) {
            known = known || list[k]->seed == a->seed;
        }
        if (!known) {
            list[n++] = a;
        }
    }
    return n;
}

static enum err add_arm(struct report *f, struct table *t, const struct result_agent *const *list,
                        int n)
{
    double *x = ARENA_NEW(f->scratch, n, double);
    const char *name = arena_printf(f->scratch, "%s, %s", list[0]->name, list[0]->scenario);
    TRY(arena_error(f->scratch));
    table_text(t, list[0]->scenario);
    table_text(t, list[0]->name);
    table_cell(t, "%d", n);
    for (int c = 0; c < N_COLUMNS; c++) {
        struct stat_interval v;
        for (int k = 0; k < n; k++) {
            const struct share_sums *sums = &list[k]->shares[columns[c].share];
            x[k] = 100.0 * sums->part / sums->whole;
        }
        TRY(report_mean(&v, f, name, columns[c].head, x, n));
        table_interval(t, &v, 1);
    }
    return t->failed;
}

static enum err put_alignment(struct report *f)
{
    const char *head[N_COLUMNS + 3] = {"scenario", "arm", "seeds"};
    const struct results *r = f->results;
    const struct result_agent **list =
        ARENA_NEW(f->scratch, r->n_agents, const struct result_agent *);
    struct table t;
    TRY(arena_error(f->scratch));
    for (int c = 0; c < N_COLUMNS; c++) {
        head[c + 3] = columns[c].head;
    }
    table_init(&t, f->scratch, head, N_COLUMNS + 3, 2);
    for (int i = 0; i < r->n_agents; i++) {
        const int n = r->agents[i].in_twin ? 0 : entries_of(list, r, i);
        TRY(n > 0 ? add_arm(f, &t, list, n) : ERR_OK);
    }
    page_table(
        f->page, "alignment", "Alignment with roles and missions in each scenario",
        "Role alignment: share of the decisions at which an agent could change something and "
        "chose what its roles allow. Without masks: the same of its most probable choice "
        "without masks; by chance: of a uniform choice. Intervals are over training seeds.",
        &t);
    return t.failed;
}

enum err report_alignment(struct report *f)
{
    const struct arena_mark mark = arena_mark(f->scratch);
    const enum err e = put_alignment(f);
    arena_rewind(f->scratch, mark);
    return e;
}
