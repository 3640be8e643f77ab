/* Table VII of the paper: what teams do, by org_metrics.csv of their evaluations and roles.csv of
 * karma analyse. See report_parts.h. */
#include "core/report/published.h"
#include "core/report/report_parts.h"

#include <math.h>
#include <string.h>

/* ---- alignment ---- */

/* The sums over all entries of the controller of entry i; n = 0 if an earlier one has them. */
static struct result_agent all_seeds(const struct results *r, int i)
{
    struct result_agent sum = r->agents[i];
    for (int j = 0; j < r->n_agents; j++) {
        const struct result_agent *a = &r->agents[j];
        if (j == i || a->in_twin != sum.in_twin || strcmp(a->name, sum.name) != 0) {
            continue;
        }
        if (j < i) {
            sum.n = 0;
            return sum;
        }
        sum.n += a->n;
        for (int k = 0; k < AGENT_SHARES; k++) {
            sum.shares[k].part += a->shares[k].part;
            sum.shares[k].whole += a->shares[k].whole;
        }
    }
    return sum;
}

static double percent(const struct result_agent *a, enum agent_share k)
{
    return 100.0 * a->shares[k].part / a->shares[k].whole;
}

static enum err put_alignment(struct report *f)
{
    static const char *const head[] = {"arm",         "agents' episodes", "alignment %",
                                       "published %", "by chance %",      "missions improved %"};
    const char *caption =
        arena_printf(f->arena, "Table VII of the paper: alignment with roles and missions%s",
                     report_caption_end);
    struct table t;
    TRY(arena_error(f->arena));
    table_init(&t, f->arena, head, 6, 1);
    for (int i = 0; i < f->results->n_agents; i++) {
        const struct result_agent a = all_seeds(f->results, i);
        const int row = published_find(a.name);
        if (a.in_twin || a.n == 0) {
            continue;
        }
        table_text(&t, a.name);
        table_cell(&t, "%d", a.n);
        table_fixed(&t, percent(&a, AGENT_ALIGNMENT), 1);
        table_fixed(&t, row >= 0 ? published[row].alignment : NAN, 1);
        table_fixed(&t, percent(&a, AGENT_CHANCE), 1);
        table_fixed(&t, percent(&a, AGENT_MISSIONS), 1);
    }
    page_table(f->page, "paper-table-7", caption,
               "Alignment: share of the decisions at which an agent could change something and "
               "chose what its roles allow. By chance: the same for a uniform choice. Arms without "
               "an organisation are measured by that of the evaluation.",
               &t);
    if (table_n_rows(&t) == 0) {
        report_lacks(f, caption, "there is no org_metrics.csv beside the evaluations");
    }
    return t.failed;
}

/* ---- clusters ---- */

/* An arm, with what analyses of its policies found. */
struct behaviour {
    const char *name;
    int n;        /* policies */
    double *x[2]; /* (n) purity in per cent, organisational fit */
};

static enum err behaviour_init(struct behaviour *b, struct report *f, const char *arm, int most)
{
    *b = (struct behaviour){.name = arm};
    for (int k = 0; k < 2; k++) {
        b->x[k] = ARENA_NEW(f->arena, most, double);
    }
    return arena_error(f->arena);
}

/* Of analyses of one policy each: purity and fit. ari: of the analysis of several together, whose
 * purity and fit stand in where no policy was analysed alone. */
static void gather_analyses(struct behaviour *b, struct stat_interval *ari, int *n_with_roles,
                            const struct results *r, const char *arm)
{
    const struct result_analysis *together = NULL;
    *ari = (struct stat_interval){NAN, NAN, NAN};
    *n_with_roles = 0;
    for (int i = 0; i < r->n_analyses; i++) {
        const struct result_analysis *a = &r->analyses[i];
        if (strcmp(a->team, arm) != 0) {
            continue;
        }
        if (a->n_policies > 1) {
            together = a;
            *ari = a->ari_seeds;
        } else {
            b->x[0][b->n] = 100.0 * a->purity;
            b->x[1][b->n++] = a->of;
            *n_with_roles += a->n_roles > 0 ? 1 : 0;
        }
    }
    if (b->n == 0 && together != NULL) {
        b->x[0][0] = 100.0 * together->purity;
        b->x[1][0] = together->of;
        *n_with_roles = together->n_roles > 0 ? 1 : 0;
        b->n = 1;
    }
}

static bool is_first_team(const struct results *r, int i)
{
    for (int k = 0; k < i; k++) {
        if (strcmp(r->analyses[k].team, r->analyses[i].team) == 0) {
            return false;
        }
    }
    return true;
}

static enum err put_clusters(struct report *f)
{
    static const char *const head[] = {"arm",        "analyses",       "purity %", "published %",
                                       "with roles", "ARI over seeds", "OF"};
    const struct results *r = f->results;
    const char *caption =
        arena_printf(f->arena,
                     "Table VII of the paper: clustering purity and fit of the roles "
                     "found in behaviour%s",
                     report_caption_end);
    struct table t;
    TRY(arena_error(f->arena));
    table_init(&t, f->arena, head, 7, 1);
    for (int i = 0; i < r->n_analyses; i++) {
        const char *arm = r->analyses[i].team;
        const int row = published_find(arm);
        struct behaviour b;
        struct stat_interval purity, of, ari;
        int n_with_roles;
        if (!is_first_team(r, i)) {
            continue;
        }
        TRY(behaviour_init(&b, f, arm, r->n_analyses));
        gather_analyses(&b, &ari, &n_with_roles, r, arm);
        TRY(report_mean(&purity, f, b.name, "purity", b.x[0], b.n));
        TRY(report_mean(&of, f, b.name, "organisational fit", b.x[1], b.n));
        table_text(&t, arm);
        table_cell(&t, "%d", b.n);
        table_interval(&t, &purity, 1);
        table_fixed(&t, row >= 0 ? published[row].purity : NAN, 1);
        table_cell(&t, "%d", n_with_roles);
        table_interval(&t, &ari, 3);
        table_interval(&t, &of, 3);
    }
    page_table(f->page, "paper-table-7-clusters", caption,
               "Made by karma analyse. Purity: share of the trajectories whose assigned role is "
               "the most frequent one of their cluster, in as many clusters as there are assigned "
               "roles. With roles: analyses in which all three tests reject that there are none. "
               "ARI over seeds: mean over pairs of training seeds of the agreement of their roles, "
               "from an analysis of all of them together. OF: organisational fit. Means over "
               "analyses of one training seed each, with intervals over them.",
               &t);
    if (table_n_rows(&t) == 0) {
        report_lacks(
            f, caption,
            "no team was analysed: play it with eval.trajectories: all, then karma analyse "
            "RUN; of an ablation, make behaviour does both");
    }
    return t.failed;
}

enum err report_behaviour(struct report *f)
{
    TRY(put_alignment(f));
    return put_clusters(f);
}
